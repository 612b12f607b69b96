"""Optimisers against their formulas at 40 digits, and against PyTorch where that is installed."""

import math
import random
from collections.abc import Callable
from typing import Any

import mpmath
import pytest

from autograd import Value
from nn import SGD, Adam, Neuron, Optimizer

START = [0.5, -1.25, 3.0, 0.0]
GRADIENTS = [[random.Random(step).gauss(0, 10.0 ** (k - 2)) for k in range(4)] for step in range(25)]


def run(make: Callable[[list[Value]], Optimizer]) -> list[float]:
    """Where START goes under GRADIENTS."""
    parameters = [Value(x) for x in START]
    optimizer = make(parameters)
    for gradients in GRADIENTS:
        optimizer.zero_grad()
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad += gradient
        optimizer.step()
    return [parameter.data for parameter in parameters]


@pytest.mark.parametrize("lr", [0.1, 0.003])
@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
@pytest.mark.parametrize("decay", [0.0, 0.05])
def test_sgd_is_its_formula(lr: float, momentum: float, decay: float, nesterov: bool) -> None:
    ours = run(lambda p: SGD(p, lr=lr, momentum=momentum, weight_decay=decay, nesterov=nesterov))
    with mpmath.workdps(40):
        for k, start in enumerate(START):
            x, v = mpmath.mpf(start), mpmath.mpf(0)
            for gradients in GRADIENTS:
                g = gradients[k] + mpmath.mpf(decay) * x
                v = momentum * v + g
                x -= mpmath.mpf(lr) * (g + momentum * v if nesterov else v)
            assert abs(ours[k] - x) <= 1e-12 * max(abs(x), 1)


@pytest.mark.parametrize("decay", [0.0, 0.05])
@pytest.mark.parametrize(("beta1", "beta2"), [(0.9, 0.999), (0.0, 0.5), (0.5, 0.0)])
def test_adam_is_its_formula(beta1: float, beta2: float, decay: float) -> None:
    ours = run(lambda p: Adam(p, lr=0.03, betas=(beta1, beta2), weight_decay=decay))
    with mpmath.workdps(40):
        for k, start in enumerate(START):
            x, m, s = mpmath.mpf(start), mpmath.mpf(0), mpmath.mpf(0)
            for t, gradients in enumerate(GRADIENTS, start=1):
                g = gradients[k] + mpmath.mpf(decay) * x
                m = beta1 * m + (1 - mpmath.mpf(beta1)) * g
                s = beta2 * s + (1 - mpmath.mpf(beta2)) * g * g
                corrected = m / (1 - mpmath.mpf(beta1) ** t), s / (1 - mpmath.mpf(beta2) ** t)
                x -= mpmath.mpf(0.03) * corrected[0] / (mpmath.sqrt(corrected[1]) + mpmath.mpf(1e-8))
            assert abs(ours[k] - x) <= 1e-12 * max(abs(x), 1)


def test_first_step_of_adam_is_the_learning_rate() -> None:
    """Corrected for its start at 0, the first quotient is gradient / |gradient|, however large the gradient."""
    for gradient in (1e-3, 7.0, -1e6):
        x = Value(1.0)
        optimizer = Adam([x], lr=0.25)
        x.grad = gradient
        optimizer.step()
        assert math.isclose(x.data, 1.0 - math.copysign(0.25, gradient), rel_tol=1e-4)


@pytest.mark.peers
def test_same_numbers_as_pytorch() -> None:
    import torch

    cases: list[tuple[Callable[[Any], Any], Callable[[Any], Any]]] = [
        (lambda p: SGD(p, lr=0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
        (
            lambda p: SGD(p, lr=0.1, momentum=0.9, weight_decay=0.05, nesterov=True),
            lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.05, nesterov=True),
        ),
        (lambda p: Adam(p), lambda p: torch.optim.Adam(p)),
        (lambda p: Adam(p, lr=0.1, weight_decay=0.1), lambda p: torch.optim.Adam(p, lr=0.1, weight_decay=0.1)),
    ]
    for ours, theirs in cases:
        tensor = torch.tensor(START, dtype=torch.float64, requires_grad=True)
        optimizer = theirs([tensor])
        for gradients in GRADIENTS:
            tensor.grad = torch.tensor(gradients, dtype=torch.float64)
            optimizer.step()
        for x, y in zip(run(ours), tensor.tolist(), strict=True):
            assert math.isclose(x, y, rel_tol=1e-12, abs_tol=1e-12)


def test_descends() -> None:
    for make in (lambda p: SGD(p, lr=0.1, momentum=0.5), lambda p: Adam(p, lr=0.1)):
        x, y = Value(3.0), Value(-4.0)
        optimizer = make([x, y])
        for _ in range(300):
            optimizer.zero_grad()
            ((x - 1) ** 2 + 2 * (y + 2) ** 2).backward()
            optimizer.step()
        assert math.isclose(x.data, 1.0, abs_tol=1e-3)
        assert math.isclose(y.data, -2.0, abs_tol=1e-3)


def test_lr_may_change_between_steps() -> None:
    x = Value(1.0)
    optimizer = SGD([x], lr=0.5)
    x.grad = 1.0
    optimizer.step()
    optimizer.lr = 0.25
    optimizer.step()
    assert x.data == 0.25


def test_a_generator_of_parameters_is_kept() -> None:
    values = [Value(1.0), Value(2.0)]
    optimizer = SGD((v for v in values), lr=1.0)
    for _ in range(2):
        optimizer.zero_grad()
        values[1].grad = 1.0
        optimizer.step()
    assert [v.data for v in values] == [1.0, 0.0]


X = Value(1.0)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: SGD([]), ValueError, "no parameters"),
        (lambda: SGD([X, Value(2.0), X]), ValueError, r"parameters\[2\] is the same Value as parameters\[0\]"),
        (lambda: SGD([X, 1.0]), TypeError, r"parameters\[1\] is a float"),  # type: ignore[list-item]
        (lambda: Adam([X * 2]), ValueError, r"parameters\[0\] was computed"),
        (lambda: Adam(Neuron(2)), TypeError, r"model.parameters\(\)"),  # type: ignore[arg-type]
        (lambda: SGD([X], lr=0.0), ValueError, "lr must be finite and above 0, got 0.0"),
        (lambda: SGD([X], lr=math.nan), ValueError, "lr must be finite"),
        (lambda: SGD([X], lr=math.inf), ValueError, "lr must be finite"),
        (lambda: SGD([X], lr="fast"), TypeError, "lr must be a number, got 'fast'"),  # type: ignore[arg-type]
        (lambda: SGD([X], momentum=1.0), ValueError, "momentum must be finite and at least 0 and below 1"),
        (lambda: SGD([X], weight_decay=-1.0), ValueError, "weight_decay must be finite and at least 0"),
        (lambda: SGD([X], nesterov=True), ValueError, "momentum"),
        (lambda: Adam([X], betas=(0.9, 1.0)), ValueError, r"betas\[1\]"),
        (lambda: Adam([X], betas=0.9), TypeError, "two numbers"),  # type: ignore[arg-type]
        (lambda: Adam([X], eps=0.0), ValueError, "eps must be finite and above 0"),
    ],
)
def test_refusals(call: Callable[[], object], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        call()
