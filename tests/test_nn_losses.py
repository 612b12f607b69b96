"""Losses against mpmath at 50 digits, their slopes, and what they refuse."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import Value
from nn import half_squared_error, hinge, mean_loss, softmax_cross_entropy

scores_and_target = st.lists(st.floats(-30, 30), min_size=2, max_size=6).flatmap(
    lambda scores: st.tuples(st.just(scores), st.integers(0, len(scores) - 1))
)


@given(scores_and_target)
def test_cross_entropy_and_its_slopes_against_mpmath(case: tuple[list[float], int]) -> None:
    numbers, target = case
    scores = [Value(x) for x in numbers]
    loss = softmax_cross_entropy(scores, target)
    loss.backward()
    with mpmath.workdps(50):
        powers = [mpmath.exp(x) for x in numbers]
        total = mpmath.fsum(powers)
        assert abs(loss.data - mpmath.log(total) + numbers[target]) <= 1e-14 * mpmath.log(total / powers[target])
        for k, score in enumerate(scores):
            slope = powers[k] / total - (k == target)
            assert abs(score.grad - slope) <= 1e-14 * abs(slope)


def test_cross_entropy_keeps_its_value_where_the_probability_underflows() -> None:
    """log(softmax([0, -800])[1]) is -inf when computed step by step; the loss is 800."""
    assert softmax_cross_entropy([Value(0.0), Value(-800.0)], 1).data == 800.0


def test_cross_entropy_of_a_batch_is_the_mean() -> None:
    batch, targets = [[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]], [2, 0]
    expected = (math.log(math.exp(-2) + math.exp(-1) + 1) + math.log(3)) / 2
    assert math.isclose(softmax_cross_entropy(batch, targets), expected, rel_tol=1e-15)
    assert math.isclose(softmax_cross_entropy(np.array(batch), np.array(targets)), expected, rel_tol=1e-15)
    assert math.isclose(mean_loss(softmax_cross_entropy, batch, targets), expected, rel_tol=1e-15)


def test_half_squared_error() -> None:
    y = [Value(1.0), Value(-2.0)]
    loss = half_squared_error(y, [3.0, 1.0])
    assert loss.data == (4 + 9) / 2
    loss.backward()
    assert [v.grad for v in y] == [-2.0, -3.0]
    assert half_squared_error(3.0, 1.0) == 2.0
    assert half_squared_error([[3.0, 0.0], [1.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]]) == (2.0 + 0.5) / 2
    assert mean_loss(half_squared_error, [3.0, 1.0], [1.0, 1.0]) == 1.0


def test_hinge_of_one_score() -> None:
    assert hinge(0.25, 1) == 0.75
    assert hinge(0.25, -1) == 1.25
    assert hinge(2.0, 1) == 0.0
    assert hinge([0.25, 2.0], [-1, 1]) == 0.625
    score = Value(0.25)
    hinge(score, -1).backward()
    assert score.grad == 1.0


def test_hinge_of_many_scores_with_the_example_of_cs231n() -> None:
    """Scores of three classes for a cat, a car and a frog: losses 2.9, 0 and 12.9, mean 5.27."""
    scores = [[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]]
    losses = [hinge(row, target) for target, row in enumerate(scores)]
    assert [round(loss, 12) for loss in losses] == [2.9, 0.0, 12.9]
    assert round(hinge(scores, [0, 1, 2]), 2) == 5.27


def test_hinge_slopes_count_the_margins_that_are_violated() -> None:
    scores = [Value(1.0), Value(0.5), Value(-3.0), Value(0.8)]
    hinge(scores, 0).backward()
    assert [s.grad for s in scores] == [-2.0, 1.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: softmax_cross_entropy([1.0, 2.0], 2), ValueError, "target 2 for 2 scores: it must be 0 to 1"),
        (lambda: softmax_cross_entropy([1.0, 2.0], -1), ValueError, "target -1"),
        (lambda: softmax_cross_entropy([1.0, 2.0], 0.0), TypeError, "index of the right class as an int, got 0.0"),
        (lambda: softmax_cross_entropy([1.0, 2.0], True), TypeError, "got True"),
        (lambda: softmax_cross_entropy([], 0), ValueError, "0 scores"),
        (lambda: softmax_cross_entropy(1.0, 0), TypeError, "one score per class"),
        (lambda: softmax_cross_entropy([[1.0, 2.0]], [0, 1]), ValueError, "sequence of 1, targets: a sequence of 2"),
        (lambda: softmax_cross_entropy([], []), ValueError, "empty"),
        (lambda: half_squared_error([1.0], [1.0, 2.0]), ValueError, "sequence of 1, targets: a sequence of 2"),
        (lambda: half_squared_error(1.0, [1.0]), ValueError, "output 1.0 and target a sequence of 1"),
        (lambda: half_squared_error([], []), ValueError, "empty"),
        (lambda: hinge(0.5, 0), ValueError, "-1 or [+]1, got 0"),
        (lambda: hinge([0.5], 0), ValueError, "only one score"),
        (lambda: hinge([0.5, 1.0], 2), ValueError, "target 2 for 2 scores"),
        (lambda: mean_loss(hinge, [], []), ValueError, "hinge got an empty sequence"),
    ],
)
def test_refusals(call: object, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        call()  # type: ignore[operator]
