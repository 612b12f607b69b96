"""Schedules against their formulas at 40 digits and PyTorch's schedulers, and what they refuse."""

import math
import pickle
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import Value
from nn import SGD
from nn.schedules import cosine, linear, step_decay, warmup

lengths, factors, times = st.integers(1, 40), st.floats(0, 2), st.integers(0, 80)


@given(lengths, st.floats(0, 1), times)
def test_step_decay_multiplies_once_every_so_many_steps(every: int, factor: float, t: int) -> None:
    expected = 1.0
    for step in range(1, t + 1):
        expected *= factor if step % every == 0 else 1
    assert step_decay(every, factor)(t) == pytest.approx(expected, rel=1e-13, abs=1e-300)


@given(lengths, factors, times)
def test_cosine_is_its_formula(steps: int, end: float, t: int) -> None:
    with mpmath.workdps(40):
        share = mpmath.mpf(min(t, steps)) / steps
        expected = end + (1 - mpmath.mpf(end)) * (1 + mpmath.cos(mpmath.pi * share)) / 2
        assert abs(cosine(steps, end)(t) - expected) <= 5e-16


@given(lengths, factors, factors, times)
def test_linear_is_exact_at_its_ends_and_straight_between(steps: int, start: float, end: float, t: int) -> None:
    schedule = linear(steps, start, end)
    expected = Fraction(start) + (Fraction(end) - Fraction(start)) * min(t, steps) / steps
    assert abs(schedule(t) - expected) <= 1e-15
    assert schedule(0) == start
    assert schedule(steps) == schedule(steps + 1) == end


@given(lengths, st.floats(0, 1), times)
def test_warmup_goes_to_1_and_hands_over(steps: int, start: float, t: int) -> None:
    alone, followed = warmup(steps, start=start), warmup(steps, then=lambda t: 100.0 + t, start=start)
    if t < steps:
        assert alone(t) == followed(t) == linear(steps, start, 1.0)(t)
    else:
        assert alone(t) == 1.0
        assert followed(t) == 100.0 + (t - steps)


def test_the_numbers_that_a_reader_expects() -> None:
    assert [step_decay(2)(t) for t in range(5)] == pytest.approx([1, 1, 0.1, 0.1, 0.01])
    assert [linear(4)(t) for t in range(6)] == [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    assert [cosine(4)(t) for t in range(6)] == pytest.approx(
        [1, 0.5 + math.sqrt(0.125), 0.5, 0.5 - math.sqrt(0.125), 0, 0]
    )
    assert [warmup(3)(t) for t in range(5)] == pytest.approx([0.1, 0.4, 0.7, 1, 1])
    assert [warmup(2, then=linear(2), start=0.5)(t) for t in range(6)] == [0.5, 0.75, 1.0, 0.5, 0.0, 0.0]
    assert cosine(4)(4) == cosine(4)(400) == 0.0


def test_they_are_plain_things() -> None:
    schedule = warmup(5, then=cosine(10, end=0.5))
    assert repr(schedule) == "warmup(steps=5, then=cosine(steps=10, end=0.5), start=0.1)"
    assert repr(step_decay(3)) == "step_decay(every=3, factor=0.1)"
    assert pickle.loads(pickle.dumps(schedule)) == schedule
    with pytest.raises(AttributeError):
        schedule.steps = 6  # type: ignore[misc]


def test_an_optimizer_follows_its_schedule() -> None:
    x = Value(0.0)
    optimizer = SGD([x], lr=0.5, schedule=linear(4))
    seen = []
    for _ in range(6):
        seen.append(optimizer.learning_rate)
        before, x.grad = x.data, -1.0
        optimizer.step()
        assert x.data - before == seen[-1]
    assert seen == [0.5, 0.375, 0.25, 0.125, 0.0, 0.0]
    assert optimizer.lr == 0.5
    assert optimizer.steps == 6


@pytest.mark.parametrize("factor", [np.float64(0.5), Fraction(1, 2), np.array(0.5)])
def test_any_number_is_a_factor(factor: Any) -> None:
    optimizer = SGD([Value(0.0)], lr=0.5, schedule=lambda t: factor)
    assert optimizer.learning_rate == 0.25
    assert type(optimizer.learning_rate) is float


@pytest.mark.parametrize("factor", [math.nan, math.inf, -0.1, None, "0.5", True, 10**400, 1j, [0.5]])
def test_a_factor_that_is_none_is_refused_before_the_step(factor: Any) -> None:
    x = Value(1.0)
    optimizer = SGD([x], lr=0.5, momentum=0.9, schedule=lambda t: factor if t == 2 else 1.0)
    for _ in range(2):
        x.grad = 1.0
        optimizer.step()
    before = x.data, optimizer.state()
    with pytest.raises(
        ValueError, match="after 2 steps: it must give the factor of the learning rate, a finite number"
    ):
        optimizer.step()
    assert (x.data, optimizer.state()) == before


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: step_decay(0), ValueError, "step_decay takes as every a whole number of at least 1, got 0"),
        (lambda: step_decay(2.5), ValueError, "got 2.5"),  # type: ignore[arg-type]
        (lambda: step_decay(2, 1.5), ValueError, "factor a number from 0 to 1, got 1.5"),
        (lambda: step_decay(2, -0.5), ValueError, "step_decay takes as factor a finite number of at least 0, got -0.5"),
        (lambda: cosine(-1), ValueError, "cosine takes as steps .* got -1"),
        (lambda: cosine(10, end=math.nan), ValueError, "cosine takes as end .* got nan"),
        (lambda: linear(0), ValueError, "linear takes as steps"),
        (lambda: linear(True), ValueError, "got True"),
        (lambda: linear(5, start=-1.0), ValueError, "linear takes as start"),
        (lambda: linear(5, end=math.inf), ValueError, "linear takes as end"),
        (lambda: linear(5, end="0"), ValueError, "got '0'"),  # type: ignore[arg-type]
        (lambda: warmup(0), ValueError, "warmup takes as steps"),
        (lambda: warmup(5, start=True), ValueError, "warmup takes as start"),
        (lambda: warmup(5, then=0.5), TypeError, "warmup's then must be a function"),  # type: ignore[arg-type]
        (lambda: SGD([Value(1.0)], schedule=0.5), TypeError, "schedule must be a function .* got 0.5"),  # type: ignore[arg-type]
    ],
)
def test_refusals(call: Callable[[], object], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        call()


@pytest.mark.peers
@pytest.mark.parametrize(
    ("ours", "name"),
    [
        (step_decay(7, 0.3), "step"),
        (cosine(50, end=0.05), "cosine"),
        (linear(30, start=0.8, end=0.1), "linear"),
        (warmup(10, start=0.25), "warmup"),
        (warmup(10, then=cosine(40)), "warmup, then cosine"),
        (warmup(5, then=step_decay(10, 0.5), start=0.5), "warmup, then step"),
    ],
)
def test_beside_pytorch(ours: Callable[[int], float], name: str) -> None:
    import torch
    from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR, StepLR

    theirs: dict[str, Callable[[Any], Any]] = {
        "step": lambda o: StepLR(o, 7, 0.3),
        "cosine": lambda o: CosineAnnealingLR(o, 50, 0.05 * 0.2),
        "linear": lambda o: LinearLR(o, 0.8, 0.1, 30),
        "warmup": lambda o: LinearLR(o, 0.25, 1.0, 10),
        "warmup, then cosine": lambda o: SequentialLR(o, [LinearLR(o, 0.1, 1.0, 10), CosineAnnealingLR(o, 40)], [10]),
        "warmup, then step": lambda o: SequentialLR(o, [LinearLR(o, 0.5, 1.0, 5), StepLR(o, 10, 0.5)], [5]),
    }
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.2)
    scheduler = theirs[name](optimizer)
    for t in range(50):
        assert 0.2 * ours(t) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12, abs=1e-16), t
        optimizer.step()
        scheduler.step()
