"""Losses against mpmath at 50 digits and against PyTorch, their slopes, reductions and judges, and what they refuse."""

import functools
import inspect
import math
import pickle
import random
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nn
from autograd import Value, check_gradients, grad, hessian
from autograd.engine import topological_sort
from nn import (
    SGD,
    Module,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    correct_for,
    cross_entropy,
    half_squared_error,
    hinge,
    is_correct,
    l1_penalty,
    l2_penalty,
    log_softmax,
    mean_loss,
    mean_squared_error,
    softmax,
    softmax_cross_entropy,
)

scores_and_target = st.lists(st.floats(-30, 30), min_size=2, max_size=6).flatmap(
    lambda scores: st.tuples(st.just(scores), st.integers(0, len(scores) - 1))
)
scores_and_weights = st.lists(st.tuples(st.floats(-30, 30), st.floats(0.001, 3)), min_size=1, max_size=6)
shares = st.one_of(st.sampled_from([0, 1, 0.0, 1.0, 0.5]), st.floats(0.001, 0.999))


def swept(loss: Any, outputs: list[Any], target: Any) -> tuple[float, list[float]]:
    """Value and slopes of a loss of these outputs."""
    values = [Value(x) for x in outputs]
    result = loss(values, target)
    result.backward()
    return result.data, [value.grad for value in values]


def swept_one(loss: Any, output: float, target: Any) -> tuple[float, float]:
    value, (slope,) = swept(loss, [output], target)
    return value, slope


def close(x: float, y: Any, relative: float = 4e-15, absolute: Any = 0) -> bool:
    return bool(abs(x - y) <= relative * abs(y) + absolute)


# ---- cross-entropy -------------------------------------------------------------------------------------------------


@given(scores_and_target)
def test_cross_entropy_and_its_slopes_against_mpmath(case: tuple[list[float], int]) -> None:
    numbers, target = case
    loss, slopes = swept(softmax_cross_entropy, numbers, target)
    with mpmath.workdps(50):
        powers = [mpmath.exp(x) for x in numbers]
        total = mpmath.fsum(powers)
        assert close(loss, mpmath.log(total / powers[target]), 1e-14)
        for k, slope in enumerate(slopes):
            assert close(slope, powers[k] / total - (k == target), 1e-14)


@given(scores_and_weights)
def test_cross_entropy_with_a_distribution_of_any_sum(case: list[tuple[float, float]]) -> None:
    """The slope is sum(t) * softmax - t."""
    numbers, weights = map(list, zip(*case))
    loss, slopes = swept(softmax_cross_entropy, numbers, weights)
    with mpmath.workdps(50):
        powers = [mpmath.exp(x) for x in numbers]
        total = mpmath.fsum(powers)
        assert close(loss, mpmath.fsum(t * mpmath.log(total / e) for t, e in zip(weights, powers)), 1e-14)
        for slope, e, t in zip(slopes, powers, weights):
            assert abs(slope - (mpmath.fsum(weights) * e / total - t)) <= 1e-15 * mpmath.fsum(weights) * 4


def test_a_distribution_with_one_class_is_its_index_to_the_bit() -> None:
    scores = [0.3, -40.0, 2.5]
    for k in range(3):
        one_hot = [0.0] * k + [1.0] + [0.0] * (2 - k)
        assert swept(softmax_cross_entropy, scores, one_hot) == swept(softmax_cross_entropy, scores, k)


def test_cross_entropy_keeps_its_value_where_the_probability_underflows() -> None:
    """log(softmax([0, -800])[1]) is -inf when computed step by step; the loss is 800."""
    assert softmax_cross_entropy([Value(0.0), Value(-800.0)], 1).data == 800.0
    assert softmax_cross_entropy([0.0, -800.0], [0.0, 1.0]) == 800.0
    assert softmax_cross_entropy([0.0, -800.0], [0.25, 0.75]) == 600.0
    assert swept(softmax_cross_entropy, [0.0, -math.inf], [1, 0]) == (0.0, [0.0, 0.0])
    assert log_softmax([0.0, -800.0]) == [0.0, -800.0]


def test_a_distribution_is_kept_where_scores_are_far_apart() -> None:
    assert softmax_cross_entropy([1e8, 1e8 + 1], [0.5, 0.5]) == pytest.approx(math.log(1 + math.e) - 0.5, rel=1e-15)
    assert swept(softmax_cross_entropy, [0.0, -math.inf], [0.5, 0.5])[0] == math.inf
    for scores in ([math.inf, 0.0], [0.0, math.inf]):
        assert softmax_cross_entropy(scores, [0.5, 0.5]) == math.inf
    assert softmax_cross_entropy([0.0, -800.0, -1e300], [0.5, 0.5, 0.0]) == 400.0


def test_a_distribution_makes_a_graph_in_proportion_to_the_classes() -> None:
    """One sum over all classes, two nodes for each further class, and their weighted sum."""

    def edges(classes: int) -> int:
        loss = softmax_cross_entropy([Value(0.1 * k) for k in range(classes)], [1 / classes] * classes)
        return sum(len(node.parents) for node in topological_sort(loss))

    assert edges(80) - edges(60) == edges(60) - edges(40) > 0


def test_cross_entropy_of_a_batch_is_the_mean() -> None:
    batch, targets = [[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]], [2, 0]
    expected = (math.log(math.exp(-2) + math.exp(-1) + 1) + math.log(3)) / 2
    one_hot = [[0, 0, 1], [1, 0, 0]]
    for outputs, wanted in [
        (batch, targets),
        (np.array(batch), np.array(targets)),
        (np.array(batch), np.array(one_hot)),
    ]:
        assert math.isclose(softmax_cross_entropy(outputs, wanted), expected, rel_tol=1e-15)
        assert math.isclose(mean_loss(softmax_cross_entropy, outputs, wanted), expected, rel_tol=1e-15)
    probabilities = [softmax(scores) for scores in batch]
    assert math.isclose(cross_entropy(probabilities, targets), expected, rel_tol=1e-15)
    assert math.isclose(cross_entropy(np.array(probabilities), np.array(one_hot)), expected, rel_tol=1e-15)


@given(
    st.lists(st.tuples(st.floats(1e-6, 1), st.just(0.0) | st.floats(0.01, 3)), min_size=2, max_size=5),
    st.integers(0, 1),
)
def test_cross_entropy_of_probabilities(case: list[tuple[float, float]], target: int) -> None:
    probabilities, weights = map(list, zip(*case))
    for given_target, given_weights in [(target, [k == target for k in range(len(case))]), (weights, weights)]:
        if not any(given_weights):
            continue
        loss, slopes = swept(cross_entropy, probabilities, given_target)
        with mpmath.workdps(50):
            assert close(loss, -mpmath.fsum(t * mpmath.log(p) for p, t in zip(probabilities, given_weights)))
            for slope, p, t in zip(slopes, probabilities, given_weights):
                assert close(slope, -mpmath.mpf(t) / p)


def test_cross_entropy_at_the_ends() -> None:
    """log(0) is -inf; where its weight is 0 it is left out."""
    assert swept(cross_entropy, [1.0, 0.0], 0) == (0.0, [-1.0, 0.0])
    assert swept(cross_entropy, [1.0, 0.0], [1.0, 0.0]) == (0.0, [-1.0, 0.0])
    assert swept(cross_entropy, [1.0, 0.0], 1) == (math.inf, [0.0, -math.inf])
    assert swept(cross_entropy, [1.0, 0.0], [0.5, 0.5])[0] == math.inf
    assert math.isnan(cross_entropy([math.nan, 0.5], 0))


def test_weights_may_be_values_and_have_slopes() -> None:
    """Soft labels from another network: d loss / d t_k = -log p_k, also where t_k is 0."""
    weights = [Value(0.0), Value(1.0)]
    softmax_cross_entropy([0.0, 0.0], weights).backward()
    assert [w.grad for w in weights] == [math.log(2), math.log(2)]


@given(st.lists(st.floats(-300, 300), min_size=1, max_size=6))
def test_softmax_and_its_logarithms(numbers: list[float]) -> None:
    with mpmath.workdps(300):
        powers = [mpmath.exp(x) for x in numbers]
        total = mpmath.fsum(powers)
        for p, log_p, e in zip(softmax(numbers), log_softmax(numbers), powers):
            # an error of the difference x - max, which is up to 600, is one of the result's digits
            assert close(p, e / total, 3e-13, 1e-300)
            assert close(log_p, mpmath.log(e / total), 3e-13, 1e-290)


def test_slopes_of_softmax() -> None:
    """d p_j / d s_k = p_j ([j = k] - p_k), and d log p_j / d s_k = [j = k] - p_k."""
    numbers = [0.5, -1.0, 2.0]
    powers = [math.exp(x) for x in numbers]
    p = [e / sum(powers) for e in powers]
    for j in range(3):
        for k in range(3):
            slope = grad(lambda s, j=j: softmax(s)[j])(numbers)[k]
            assert math.isclose(slope, p[j] * ((j == k) - p[k]), rel_tol=1e-13)
            slope = grad(lambda s, j=j: log_softmax(s)[j])(numbers)[k]
            assert math.isclose(slope, (j == k) - p[k], rel_tol=1e-13)
    assert softmax([1000.0, 1000.0]) == [0.5, 0.5]
    assert softmax([Value(3.0)])[0].data == 1.0


# ---- squared errors ------------------------------------------------------------------------------------------------


def test_half_squared_error() -> None:
    assert swept(half_squared_error, [1.0, -2.0], [3.0, 1.0]) == ((4 + 9) / 2, [-2.0, -3.0])
    assert half_squared_error(3.0, 1.0) == 2.0
    assert half_squared_error([[3.0, 0.0], [1.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]]) == (2.0 + 0.5) / 2
    assert mean_loss(half_squared_error, [3.0, 1.0], [1.0, 1.0]) == 1.0


def test_mean_squared_error() -> None:
    assert swept(mean_squared_error, [1.0, -2.0], [3.0, 1.0]) == ((4 + 9) / 2, [-2.0, -3.0])
    assert swept(mean_squared_error, [1.0, -2.0, 0.0, 5.0], [3.0, 1.0, 0.0, 1.0])[1] == [-1.0, -1.5, 0.0, 2.0]
    assert mean_squared_error(3.0, 1.0) == 4.0
    assert mean_squared_error([3.0, 1.0], [1.0, 1.0]) == 2.0
    assert mean_squared_error([[3.0, 0.0], [1.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]]) == (2.0 + 0.5) / 2


def test_a_layer_with_one_output_gives_a_list_of_one() -> None:
    for loss in (half_squared_error, mean_squared_error, hinge, binary_cross_entropy, binary_cross_entropy_with_logits):
        number = Value(0.75)
        bare = loss(number, 1)
        listed = loss([number], 1)
        assert listed.data == bare.data == loss([[0.75]], [1]) == loss(np.array([[0.75]]), np.array([1]))
        assert loss([[0.75], [0.25]], [1, 1], "none") == [bare.data, loss(0.25, 1)]


# ---- binary cross-entropy ------------------------------------------------------------------------------------------


@given(st.floats(-900, 900), shares)
def test_binary_cross_entropy_with_logits_against_mpmath(score: float, target: float) -> None:
    loss, slope = swept_one(binary_cross_entropy_with_logits, score, target)
    with mpmath.workdps(800):
        p = 1 / (1 + mpmath.exp(-mpmath.mpf(score)))
        expected = -target * mpmath.log(p) - (1 - mpmath.mpf(target)) * mpmath.log(1 - p)
        assert close(loss, expected, 4e-15, 1e-300)
        absolute = 1e-300 if target in (0, 1) else 1e-15  # of a fraction the two terms of the slope may cancel
        assert close(slope, p - target, 4e-15, absolute)


@pytest.mark.parametrize("score", [40.0, 800.0])
def test_binary_cross_entropy_with_logits_far_out(score: float) -> None:
    loss = binary_cross_entropy_with_logits
    small = math.exp(-score)
    assert swept_one(loss, score, 0)[0] == pytest.approx(score, rel=1e-16)
    assert swept_one(loss, -score, 1)[0] == pytest.approx(score, rel=1e-16)
    assert swept_one(loss, score, 1) == pytest.approx((small, -small), rel=1e-13)
    assert swept_one(loss, -score, 0) == pytest.approx((small, small), rel=1e-13)
    assert swept_one(loss, score, 0.25) == pytest.approx((0.75 * score, 0.75), rel=1e-15)


def test_binary_cross_entropy_with_logits_at_infinity() -> None:
    assert swept_one(binary_cross_entropy_with_logits, math.inf, 1) == (0.0, 0.0)
    assert swept_one(binary_cross_entropy_with_logits, -math.inf, 0) == (0.0, 0.0)
    assert swept_one(binary_cross_entropy_with_logits, math.inf, 0) == (math.inf, 1.0)


@given(st.floats(-30, 30), shares)
def test_second_derivative_of_binary_cross_entropy_with_logits(score: float, target: float) -> None:
    """It is p (1 - p), whatever the target."""
    second = hessian(lambda s: binary_cross_entropy_with_logits(s, target))(score)
    with mpmath.workdps(50):
        p = 1 / (1 + mpmath.exp(-mpmath.mpf(score)))
        assert close(second, p * (1 - p), 1e-14)


@given(st.floats(1e-12, 1 - 1e-12), shares)
def test_binary_cross_entropy_against_mpmath(p: float, target: float) -> None:
    loss, slope = swept_one(binary_cross_entropy, p, target)
    with mpmath.workdps(50):
        p, rest = mpmath.mpf(p), 1 - mpmath.mpf(p)
        assert close(loss, -target * mpmath.log(p) - (1 - mpmath.mpf(target)) * mpmath.log(rest))
        parts = target / p, (1 - mpmath.mpf(target)) / rest
        assert abs(slope - (parts[1] - parts[0])) <= 1e-15 * sum(parts)


def test_binary_cross_entropy_at_the_ends() -> None:
    """The probability 0 of an answer 0 costs nothing, of an answer 1 everything."""
    assert swept_one(binary_cross_entropy, 0.0, 0) == (0.0, 1.0)
    assert swept_one(binary_cross_entropy, 1.0, 1) == (0.0, -1.0)
    assert swept_one(binary_cross_entropy, 0.0, 1) == (math.inf, -math.inf)
    assert swept_one(binary_cross_entropy, 1.0, 0.0) == (math.inf, math.inf)
    assert swept_one(binary_cross_entropy, 0.0, 0.5)[0] == math.inf
    assert math.isnan(binary_cross_entropy(math.nan, 1))
    assert binary_cross_entropy(1e-20, 0) == 1e-20


# ---- hinge ---------------------------------------------------------------------------------------------------------


def test_hinge_of_one_score() -> None:
    assert hinge(0.25, 1) == 0.75
    assert hinge(0.25, -1) == 1.25
    assert hinge(2.0, 1) == 0.0
    assert hinge([0.25, 2.0], [-1, 1]) == 0.625
    assert swept_one(hinge, 0.25, -1) == (1.25, 1.0)
    assert swept_one(hinge, 0.25, 1) == (0.75, -1.0)
    assert swept_one(hinge, 1.0, 1) == (0.0, 0.0)


def test_hinge_of_many_scores_with_the_example_of_cs231n() -> None:
    """Scores of three classes for a cat, a car and a frog: losses 2.9, 0 and 12.9, mean 5.27."""
    scores = [[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]]
    losses = [hinge(row, target) for target, row in enumerate(scores)]
    assert [round(loss, 12) for loss in losses] == [2.9, 0.0, 12.9]
    assert round(hinge(scores, [0, 1, 2]), 2) == 5.27


def test_hinge_slopes_count_the_margins_that_are_violated() -> None:
    assert swept(hinge, [1.0, 0.5, -3.0, 0.8], 0)[1] == [-2.0, 1.0, 0.0, 1.0]


# ---- penalties -----------------------------------------------------------------------------------------------------


def test_penalties() -> None:
    def penalised(penalty: Callable[..., Any]) -> tuple[float, list[float]]:
        return swept(penalty, [2.0, -3.0, 0.0, 0.5], 0.25)

    assert penalised(l1_penalty) == (5.5 / 4, [0.25, -0.25, 0.0, 0.25])
    assert penalised(l2_penalty) == (13.25 / 4, [1.0, -1.5, 0.0, 0.25])
    assert l1_penalty(iter([1.0, -2.0]), 0.5) == 1.5
    assert l2_penalty((x for x in [1.0, -2.0]), 0.5) == 2.5
    assert l2_penalty([Value(3.0)], 0).data == 0.0


def test_weight_decay_is_an_l2_penalty_of_half_its_strength() -> None:
    decayed, penalised = Value(1.5), Value(1.5)
    SGD([decayed], lr=0.1, weight_decay=0.3).step()
    l2_penalty([penalised], 0.3 / 2).backward()
    SGD([penalised], lr=0.1).step()
    assert decayed.data == penalised.data == 1.5 - 0.1 * (0.3 * 1.5)


# ---- every loss ----------------------------------------------------------------------------------------------------

BATCHES: dict[Any, tuple[Any, Any]] = {
    half_squared_error: ([[0.5, 1.0], [-1.0, 2.0], [0.0, 0.25]], [[1.0, 1.0], [0.0, 0.0], [1.0, 2.0]]),
    mean_squared_error: ([[0.5, 1.0], [-1.0, 2.0], [0.0, 0.25]], [[1.0, 1.0], [0.0, 0.0], [1.0, 2.0]]),
    softmax_cross_entropy: ([[0.5, 1.0], [-1.0, 2.0], [0.0, 0.25]], [0, 1, 1]),
    cross_entropy: ([[0.5, 0.5], [0.125, 0.875], [0.25, 0.75]], [0, 1, 0]),
    binary_cross_entropy: ([0.5, 0.25, 0.875], [1, 0, 0.5]),
    binary_cross_entropy_with_logits: ([0.5, -3.0, 2.0], [1, 0, 0.5]),
    hinge: ([0.5, -3.0, 2.0], [1, 1, -1]),
}
every_loss = pytest.mark.parametrize("loss", BATCHES, ids=lambda loss: loss.__name__)


@every_loss
def test_reductions(loss: Any) -> None:
    outputs, targets = BATCHES[loss]
    each = [loss(y, t) for y, t in zip(outputs, targets, strict=True)]
    assert len(set(each)) == 3
    assert loss(outputs, targets, reduction="none") == each
    assert loss(outputs, targets, "sum") == pytest.approx(sum(each), rel=1e-15)
    assert loss(outputs, targets, "mean") == loss(outputs, targets) == mean_loss(loss, outputs, targets)
    assert loss(outputs, targets) == pytest.approx(sum(each) / 3, rel=1e-15)
    assert {loss(outputs[1], targets[1], reduction) for reduction in ("mean", "sum", "none")} == {each[1]}
    assert loss(np.array(outputs), np.array(targets)) == loss(outputs, targets)
    for wrong in ("max", None, "Mean"):
        with pytest.raises(ValueError, match=f"{loss.__name__} takes as reduction one of 'mean', 'sum', 'none'; got"):
            loss(outputs, targets, wrong)


@every_loss
def test_gradients_of_a_batch_by_central_differences(loss: Any) -> None:
    outputs, targets = BATCHES[loss]
    check_gradients(lambda outputs: loss(outputs, targets), outputs)


@every_loss
def test_plain_numbers_give_plain_floats_and_values_a_value(loss: Any) -> None:
    outputs, targets = BATCHES[loss]
    assert type(loss(outputs, targets)) is float
    assert type(loss(np.array(outputs), np.array(targets))) is float
    nested = isinstance(outputs[0], list)
    values = [[Value(x) for x in row] for row in outputs] if nested else [Value(x) for x in outputs]
    assert type(loss(values, targets)) is Value
    assert loss(values, targets).data == loss(outputs, targets)


@every_loss
def test_a_loss_is_found_by_pickle_and_help(loss: Any) -> None:
    assert pickle.loads(pickle.dumps(loss)) is loss
    assert list(inspect.signature(loss).parameters)[1:] == ["target", "reduction"]
    assert inspect.signature(loss).parameters["reduction"].default == "mean"
    assert "batch" in loss.__doc__


def test_several_answers_of_an_example_are_averaged() -> None:
    outputs, targets = [[0.5, -1.0], [2.0, 0.0]], [[1, 0], [0, 1]]
    each = [binary_cross_entropy_with_logits(y, t) for y, t in zip([0.5, -1.0, 2.0, 0.0], [1, 0, 0, 1])]
    assert binary_cross_entropy_with_logits(outputs, targets) == pytest.approx(sum(each) / 4, rel=1e-15)


# ---- judges --------------------------------------------------------------------------------------------------------


def test_is_correct() -> None:
    assert is_correct([Value(1.0), Value(3.0), Value(2.0)], 1)
    assert not is_correct([1.0, 3.0, 2.0], 0)
    assert is_correct([1.0, 3.0, 2.0], [0.2, 0.5, 0.3])
    assert not is_correct([1.0, 3.0, 2.0], np.array([0.2, 0.3, 0.5]))
    assert is_correct(np.array([1.0, 3.0]), np.int64(1)) is True
    assert is_correct([Value(0.1)], 1) and not is_correct([Value(0.1)], -1)
    assert is_correct(Value(-0.1), -1) and not is_correct(Value(0.0), -1) and not is_correct(0.0, 1)


@pytest.mark.parametrize(
    ("loss", "output", "right", "wrong"),
    [
        (softmax_cross_entropy, [0.1, 0.7, 0.2], 1, 2),
        (softmax_cross_entropy, [0.1, 0.7, 0.2], [0, 1, 0], [1, 0, 0]),
        (cross_entropy, [0.1, 0.7, 0.2], 1, 0),
        (hinge, [0.1, 0.7, 0.2], 1, 0),
        (hinge, 0.3, 1, -1),
        (hinge, [-0.3], -1, 1),
        (hinge, [0.3, -0.2], [1, -1], [1, 1]),
        (binary_cross_entropy, 0.3, 0, 1),
        (binary_cross_entropy, 0.6, 0.7, 0.4),
        (binary_cross_entropy, [0.6, 0.2], [1, 0], [1, 1]),
        (binary_cross_entropy_with_logits, 0.3, 1, 0),
        (binary_cross_entropy_with_logits, [Value(-0.3)], 0, 1),
        (binary_cross_entropy_with_logits, [Value(-0.3), Value(2.0)], [0.1, 0.8], [0.6, 0.8]),
    ],
)
def test_every_loss_that_classifies_is_judged(loss: Any, output: Any, right: Any, wrong: Any) -> None:
    for asked in (loss, functools.partial(loss, reduction="sum")):
        correct = correct_for(asked)
        assert correct is not None
        assert correct(output, right) is True
        assert correct(output, wrong) is False


def test_an_undecided_output_is_wrong() -> None:
    for loss, border in [(binary_cross_entropy, 0.5), (binary_cross_entropy_with_logits, 0.0)]:
        correct = correct_for(loss)
        assert correct is not None and not correct(border, 0) and not correct(border, 1)


def test_who_is_not_judged() -> None:
    assert correct_for(half_squared_error) is None
    assert correct_for(functools.partial(mean_squared_error, reduction="sum")) is None
    assert correct_for(lambda output, target: output * target) is None

    def own(output: Any, target: Any) -> Any:
        return output * target

    own.correct = is_correct  # type: ignore[attr-defined]
    assert correct_for(own) is is_correct


def test_all_are_public() -> None:
    assert {name for name in nn.losses.__all__ if getattr(nn, name) is not getattr(nn.losses, name)} == set()


# ---- refusals ------------------------------------------------------------------------------------------------------

logits = binary_cross_entropy_with_logits


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: softmax_cross_entropy([1.0, 2.0], 2), ValueError, "target 2 for 2 scores: it must be 0 to 1"),
        (lambda: softmax_cross_entropy([1.0, 2.0], -1), ValueError, "target -1"),
        (
            lambda: softmax_cross_entropy([1.0, 2.0], 0.0),
            TypeError,
            "index of the right class as an int, got 0.0: write int",
        ),
        (lambda: softmax_cross_entropy([1.0, 2.0], True), TypeError, "got True"),
        (lambda: softmax_cross_entropy([], 0), ValueError, "0 scores"),
        (lambda: softmax_cross_entropy(1.0, 0), TypeError, "one score per class"),
        (
            lambda: softmax_cross_entropy(Value(1.0), 0),
            TypeError,
            "of one score take hinge or binary_cross_entropy_with",
        ),
        (lambda: softmax_cross_entropy(1.0, [0]), ValueError, "outputs: 1.0, targets: a sequence of 1"),
        (lambda: softmax_cross_entropy([[1.0, 2.0]], [0, 1]), ValueError, "sequence of 1, targets: a sequence of 2"),
        (lambda: softmax_cross_entropy([[1.0, 2.0]], 0), ValueError, "sequence of 1, targets: 0"),
        (lambda: softmax_cross_entropy([], []), ValueError, "empty"),
        (lambda: softmax_cross_entropy([1.0, 2.0], [1.0]), ValueError, "sequence of 2, targets: a sequence of 1"),
        (
            lambda: softmax_cross_entropy([0.5, 0.5], [0.2, -0.1]),
            ValueError,
            "weight -0.1 for class 1.*second the target",
        ),
        (lambda: softmax_cross_entropy([0.5, 0.5], [math.inf, 0]), ValueError, "weight inf for class 0"),
        (lambda: softmax_cross_entropy([0.5, 0.5], [math.nan, 0]), ValueError, "weight nan for class 0"),
        (lambda: softmax_cross_entropy([0.5, 0.5], [0, 0.0]), ValueError, "without a weight above 0"),
        (
            lambda: softmax_cross_entropy([0.5, 0.5], [True, False]),
            TypeError,
            "weight of class 0 a number .* got True, of type bool",
        ),
        (
            lambda: cross_entropy([0.5, 1.5], 0),
            ValueError,
            "probabilities, from 0 to 1, got 1.5.*softmax_cross_entropy",
        ),
        (lambda: cross_entropy([Value(-0.5), 0.5], 1), ValueError, "cross_entropy takes probabilities.*got -0.5"),
        (lambda: cross_entropy([0.5, 0.5], 2), ValueError, "cross_entropy got target 2"),
        (lambda: softmax([]), ValueError, "softmax got 0 scores"),
        (lambda: log_softmax(Value(1.0)), TypeError, "log_softmax needs a sequence"),  # type: ignore[arg-type]
        (lambda: half_squared_error([1.0], [1.0, 2.0]), ValueError, "sequence of 1, targets: a sequence of 2"),
        (lambda: half_squared_error(1.0, [1.0]), ValueError, "output 1.0 and target a sequence of 1"),
        (
            lambda: mean_squared_error([1.0, 2.0], 1.0),
            ValueError,
            "mean_squared_error compares.*sequence of 2 and target 1.0",
        ),
        (lambda: half_squared_error([], []), ValueError, "empty"),
        (lambda: logits(0.5, -1), ValueError, "from 0 to 1, got -1: relabel the two classes, or take hinge"),
        (
            lambda: logits(0.5, 1.01),
            ValueError,
            "binary_cross_entropy_with_logits takes a target from 0 to 1, got 1.01$",
        ),
        (lambda: logits(0.5, math.nan), ValueError, "got nan"),
        (
            lambda: logits(0.5, True),
            TypeError,
            "takes as target a number or a Value, got True, of type bool; write int",
        ),
        (lambda: logits(0.5, "1"), TypeError, "got '1', of type str; float"),
        (lambda: logits([0.5, 0.5], 1), ValueError, "compares one number with a target, got a sequence of 2"),
        (lambda: logits(None, 1), TypeError, "takes as output a number or a Value, got None"),
        (lambda: logits([0.5, 0.5], [1]), ValueError, "sequence of 2, targets: a sequence of 1"),
        (lambda: logits([], []), ValueError, "empty"),
        (lambda: binary_cross_entropy(1.5, 1), ValueError, "probabilities.*got 1.5.*binary_cross_entropy_with_logits"),
        (lambda: binary_cross_entropy(Value(-1e-9), 1), ValueError, "got -1e-09"),
        (lambda: binary_cross_entropy(0.5, 2), ValueError, "binary_cross_entropy takes a target"),
        (lambda: hinge(0.5, 0), ValueError, "-1 or [+]1, got 0"),
        (lambda: hinge(Value(0.5), True), ValueError, "-1 or [+]1, got True"),
        (lambda: hinge("a", 1), TypeError, "hinge takes as output a number or a Value, got 'a'"),
        (lambda: hinge([0.5, None], 0), TypeError, "hinge takes as score a number or a Value, got None"),
        (lambda: softmax([[1.0], [2.0]]), TypeError, r"softmax takes as score .* got \[1.0\], of type list"),
        (lambda: half_squared_error([0.5], ["1"]), TypeError, "half_squared_error takes as target .* got '1'"),
        (lambda: mean_squared_error(None, 1.0), TypeError, "mean_squared_error takes as output .* got None"),
        (lambda: mean_squared_error({0: 1.0}, 1.0), TypeError, "of type dict"),
        (lambda: hinge([0.5], 0), ValueError, "hinge of one score takes the target -1 or [+]1, got 0"),
        (lambda: hinge([0.5, 1.0], 2), ValueError, "target 2 for 2 scores"),
        (lambda: hinge([], 0), ValueError, "0 scores"),
        (lambda: mean_loss(hinge, [], []), ValueError, "hinge got an empty sequence"),
        (lambda: l1_penalty([], 1.0), ValueError, "l1_penalty got no parameters"),
        (lambda: l2_penalty(Module(), 1.0), TypeError, "such as model.parameters"),  # type: ignore[arg-type]
        (
            lambda: l2_penalty([Value(1.0), "2"], 1.0),
            TypeError,
            "l2_penalty takes as parameter a number or a Value, got '2'",
        ),
        (lambda: l2_penalty([1.0], -1.0), ValueError, "strength a finite number of at least 0, got -1.0"),
        (lambda: l1_penalty([1.0], math.inf), ValueError, "l1_penalty takes as strength .* got inf"),
        (lambda: l1_penalty([1.0], True), ValueError, "got True"),
    ],
)
def test_refusals(call: Callable[[], object], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        call()


# ---- beside PyTorch ------------------------------------------------------------------------------------------------

draw = random.Random(4)
scores = [[draw.uniform(-20, 20) for _ in range(4)] for _ in range(30)]
numbers = [[draw.uniform(-20, 20) for _ in range(4)] for _ in range(30)]
weights = [[draw.uniform(0, 2) for _ in range(4)] for _ in range(30)]
indices = [draw.randrange(4) for _ in range(30)]
answers = [draw.choice([0.0, 1.0, draw.random()]) for _ in range(30)]


@pytest.mark.peers
@pytest.mark.parametrize(
    ("ours", "theirs", "outputs", "targets"),
    [
        (mean_squared_error, "mse_loss", scores, numbers),
        (softmax_cross_entropy, "cross_entropy", scores, indices),
        (softmax_cross_entropy, "cross_entropy", scores, weights),
        (binary_cross_entropy, "binary_cross_entropy", [w[0] / 2 for w in weights], answers),
        (logits, "binary_cross_entropy_with_logits", [s[0] for s in scores], answers),
        (hinge, "multi_margin_loss", scores, indices),
    ],
)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_beside_pytorch(ours: Any, theirs: str, outputs: Any, targets: Any, reduction: str) -> None:
    import torch

    functional = getattr(torch.nn.functional, theirs)
    tensor = torch.tensor(outputs, dtype=torch.float64, requires_grad=True)
    target = torch.tensor(targets, dtype=torch.int64 if targets is indices else torch.float64)
    # PyTorch's "none" leaves out the mean over components, and its hinge is divided by the number of classes
    each = functional(tensor, target, reduction="none").reshape(30, -1).mean(1) * (4 if ours is hinge else 1)
    expected = {"mean": each.mean(), "sum": each.sum(), "none": each}[reduction]
    if reduction == "mean" and ours is not hinge:
        assert functional(tensor, target).item() == pytest.approx(expected.item(), rel=1e-14)
    values = [[Value(x) for x in row] for row in outputs] if tensor.ndim == 2 else [Value(x) for x in outputs]
    loss = ours(values, targets, reduction)
    found = [x.data for x in loss] if reduction == "none" else loss.data
    assert found == pytest.approx(expected.tolist(), rel=1e-12, abs=1e-14)
    (sum(loss) if reduction == "none" else loss).backward()
    expected.sum().backward()
    flat = [x for row in values for x in row] if tensor.ndim == 2 else values
    assert [x.grad for x in flat] == pytest.approx(tensor.grad.ravel().tolist(), rel=1e-12, abs=1e-15)
