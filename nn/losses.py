"""Losses: how wrong an output is, as one number that can be swept back.

Every loss is called as loss(output, target, reduction="mean") and written for one example. Given a batch, it takes the
losses of the examples together: their "mean", their "sum", or with "none" the list of them. The loss of one example is
the same with each. `mean_loss` gives the mean of a loss of your own.

Outputs may be Values or plain numbers, in lists, tuples or arrays; plain numbers give plain numbers. Where one number is
meant, a sequence of one will do, since that is what a `Linear` layer with one output gives.

`correct_for(loss)` says how the accuracy of a loss is judged.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import autograd
from autograd import Value
from autograd.numeric import is_number
from nn import checks

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "correct_for",
    "cross_entropy",
    "half_squared_error",
    "hinge",
    "is_correct",
    "l1_penalty",
    "l2_penalty",
    "log_softmax",
    "mean_loss",
    "mean_squared_error",
    "softmax",
    "softmax_cross_entropy",
]

Loss = Callable[[Any, Any], Any]
Correct = Callable[[Any, Any], bool]


class BatchedLoss(Protocol):
    """A loss of one example or a batch."""

    def __call__(self, output: Any, target: Any, reduction: str = "mean") -> Any: ...


REDUCTIONS: dict[str, Callable[[list[Any]], Any]] = {
    "mean": lambda losses: autograd.sum(losses) / len(losses),
    "sum": autograd.sum,
    "none": list,
}


def batched(is_batch: Callable[[Any, Any], bool], correct: Correct | None = None) -> Callable[[Loss], BatchedLoss]:
    """Make a loss of one example into one that also takes a batch.

    is_batch  is_batch(output, target) tells a batch from one example
    correct   what `correct_for` answers for it
    """

    def decorate(example_loss: Loss) -> BatchedLoss:
        @functools.wraps(example_loss)
        def loss(output: Any, target: Any, reduction: str = "mean") -> Any:
            if reduction not in REDUCTIONS:
                choices = ", ".join(map(repr, REDUCTIONS))
                raise ValueError(f"{loss.__name__} takes as reduction one of {choices}; got {reduction!r}")
            if not is_batch(output, target):
                return example_loss(output, target)
            _check_lengths(loss.__name__, output, target)
            return REDUCTIONS[reduction]([loss(y, t) for y, t in zip(output, target, strict=True)])

        del loss.__wrapped__  # so that help() shows `reduction`
        loss.correct = correct  # type: ignore[attr-defined]
        return loss

    return decorate


def mean_loss(loss: Loss, outputs: Sequence[Any], targets: Sequence[Any]) -> Any:
    """The mean of loss(output, target) over a batch. Raises ValueError if it is empty or the lengths differ."""
    _check_lengths(getattr(loss, "__name__", "the loss"), outputs, targets)
    return REDUCTIONS["mean"]([loss(output, target) for output, target in zip(outputs, targets, strict=True)])


# ---- what is right -------------------------------------------------------------------------------------------------


def is_correct(output: Any, target: Any) -> bool:
    """Whether the greatest score is the target's; of a single score, whether it has the target's sign (-1 or +1).

    target  the index of the right class or a distribution, whose greatest entry counts; -1 or +1 for a single score
    """
    if _is_sequence(output) and len(output) > 1:
        return bool(_greatest(output) == (_greatest(target) if _is_sequence(target) else target))
    return bool(_number(_single(output)) * _number(_single(target)) > 0)


def correct_for(loss: Callable[..., Any]) -> Correct | None:
    """How accuracy is judged for a loss: a function correct(output, target) -> bool, or None if the loss does not classify.

    softmax_cross_entropy, cross_entropy     the greatest score or probability is the target's (see `is_correct`)
    hinge                                    the same; of a single score, its sign is the target's
    binary_cross_entropy_with_logits         the score is above 0 if the target is above 0.5, below 0 if it is below
    binary_cross_entropy                     the same, with the probability on either side of 0.5

    An output on the very border is wrong. Of an example with several answers, all must be right. `functools.partial` of a
    loss is judged as the loss is. A loss of your own is judged by its attribute `correct`, if it has one.
    """
    while isinstance(loss, functools.partial):
        loss = loss.func
    return getattr(loss, "correct", None)


def _greatest(xs: Any) -> int:
    return max(range(len(xs)), key=xs.__getitem__)


def _all_correct(correct: Correct) -> Correct:
    """The judge of one answer as that of an example with one or several."""

    def judge(output: Any, target: Any) -> bool:
        if _is_sequence(target):
            return len(output) == len(target) and all(map(judge, output, target))
        return correct(output, target)

    return judge


def _same_side(border: float) -> Correct:
    """Whether an output lies on that side of the border on which the target lies of 0.5."""
    return _all_correct(lambda y, t: bool((_number(_single(y)) - border) * (_number(t) - 0.5) > 0))


# ---- what is a batch -----------------------------------------------------------------------------------------------


def _by_target(output: Any, target: Any) -> bool:
    """For losses whose target is one number: a batch has a sequence of them."""
    return _is_sequence(target)


def _by_nesting(output: Any, target: Any) -> bool:
    """For losses whose output or target is a sequence: a batch has sequences in a sequence."""
    return any(_is_sequence(x) and len(x) > 0 and _is_sequence(x[0]) for x in (output, target))


def _by_scores(output: Any, target: Any) -> bool:
    """For losses of one score per class: a batch has sequences of them. (A batch of none is left to say so.)"""
    return _by_nesting(output, target) or (_is_sequence(output) and _is_sequence(target) and not len(output))


# ---- errors of numbers ---------------------------------------------------------------------------------------------


@batched(_by_nesting)
def half_squared_error(output: Any, target: Any) -> Any:
    """(1/2) sum_j (output_j - target_j)^2: summed over the components of one example, not averaged.

    output  a number, or the sequence of numbers of one example
    target  the same
    batch   sequences of sequences. (A flat sequence is one example; for a batch of bare numbers use
            `mean_loss(half_squared_error, outputs, targets)`.)

    The half makes the slope with respect to output_j simply output_j - target_j.
    Raises ValueError for unequal lengths or empty sequences.
    """
    return _total(_squares("half_squared_error", output, target)) / 2


@batched(_by_nesting)
def mean_squared_error(output: Any, target: Any) -> Any:
    """(1/n) sum_j (output_j - target_j)^2: averaged over the n components of one example.

    Output, target, batch and errors are those of `half_squared_error`. The mean over a batch is PyTorch's `mse_loss` where
    all examples have as many components; its slope with respect to output_j of one example is 2 (output_j - target_j) / n.
    """
    squares = _squares("mean_squared_error", output, target)
    return _total(squares) / len(squares)


def _squares(name: str, output: Any, target: Any) -> list[Any]:
    """The squared differences of one example."""
    if not _is_sequence(target):
        output = _single(output)
    if _is_sequence(output) != _is_sequence(target):
        raise ValueError(
            f"{name} compares a number with a number or a sequence with one as long; "
            f"got output {_shape(output)} and target {_shape(target)}"
        )
    pairs = [(output, target)]
    if _is_sequence(output):
        _check_lengths(name, output, target)
        pairs = list(zip(output, target, strict=True))
    differences = [_checked(name, "output", y) - _checked(name, "target", t) for y, t in pairs]
    return [difference * difference for difference in differences]


# ---- one answer out of two -----------------------------------------------------------------------------------------


@batched(_by_target, correct=_same_side(0))
def binary_cross_entropy_with_logits(score: Any, target: Any) -> Any:
    """-target log p - (1 - target) log(1 - p) with p = sigmoid(score), from the score itself.

    score   any real number (the output of a linear last layer)
    target  0 or 1, or a probability between
    batch   a sequence of targets with as many scores

    Computed as target softplus(-score) + (1 - target) softplus(score), where softplus(x) = log(1 + e^x): both terms are
    positive, so that no digits cancel, and the score 800 of a target 0 gives 800, where log(1 - p) would be -inf.
    Its slope is sigmoid(score) - target.
    Raises ValueError for a target outside 0..1 or unequal lengths; TypeError for one that is no number.
    """
    score = _one_number("binary_cross_entropy_with_logits", score)
    weights = _two_weights("binary_cross_entropy_with_logits", target)
    return _expected(weights, lambda answer: autograd.softplus(-score if answer else score))


@batched(_by_target, correct=_same_side(0.5))
def binary_cross_entropy(probability: Any, target: Any) -> Any:
    """-target log(probability) - (1 - target) log(1 - probability).

    probability  of the answer 1, from 0 to 1 (the output of a sigmoid)
    target       0 or 1, or a probability between
    batch        a sequence of targets with as many probabilities

    Its slope is (1 - target) / (1 - probability) - target / probability. A term whose weight is 0 is left out, so that the
    probability 0 of a target 0 costs 0; that of a target 1 costs inf (PyTorch: 100), with the slope -inf. A sigmoid gives
    0 below -745 and 1 above 37: `binary_cross_entropy_with_logits` takes the scores before it, and stays finite.
    Raises ValueError for a probability or a target outside 0..1 or unequal lengths; TypeError for one that is no number.
    """
    probability = _one_number("binary_cross_entropy", probability)
    _check_probability("binary_cross_entropy", probability, "binary_cross_entropy_with_logits")
    weights = _two_weights("binary_cross_entropy", target)
    return _expected(weights, lambda answer: -(autograd.log(probability) if answer else autograd.log1p(-probability)))


# ---- one class out of many -----------------------------------------------------------------------------------------


@batched(_by_scores, correct=is_correct)
def softmax_cross_entropy(scores: Any, target: Any) -> Any:
    """-log(softmax(scores)[target]), that is log(sum_k e^scores_k) - scores_target.

    scores  one score per class, any real numbers (the output of a linear last layer)
    target  the index of the right class, counted from 0; or a distribution, one weight t_k of 0 or more per class: then
            the loss is -sum_k t_k log(softmax(scores)_k)
    batch   a sequence of score sequences with as many targets

    Its slope with respect to scores_k is softmax(scores)_k - [k = target]; with a distribution sum(t) * softmax(scores)_k -
    t_k, where sum(t) is 1 unless you choose otherwise.
    Raises ValueError for an index out of range, a negative or not finite weight, no weight above 0, no scores or unequal
    lengths; TypeError for a target that is neither index nor sequence.
    """
    scores, weights = _scores_and_weights("softmax_cross_entropy", scores, target)
    main = max(weights, key=lambda k: _number(weights[k]))  # not by scores: all examples then have the same graph
    if len(weights) > 1 and math.inf in (numbers := list(map(_number, scores))):  # but where inf - inf would be NaN
        main = numbers.index(math.inf)
    least = autograd.softmax_cross_entropy(scores, main)  # another class costs more by as much as its score is lower
    return _expected(weights, lambda k: least if k == main else least + (scores[main] - scores[k]))


@batched(_by_scores, correct=is_correct)
def cross_entropy(probabilities: Any, target: Any) -> Any:
    """-log(probabilities[target]), or of a distribution -sum_k t_k log(probabilities_k).

    probabilities  one per class, from 0 to 1 (the output of a softmax)
    target         the index of the right class, counted from 0; or a distribution, one weight t_k of 0 or more per class
    batch          a sequence of sequences of probabilities with as many targets

    Its slope with respect to probabilities_k is -t_k / probabilities_k. Classes of weight 0 are left out. A probability of
    0 in the right class costs inf, with the slope -inf: `softmax_cross_entropy` takes the scores before the softmax, and
    stays finite. That the probabilities sum to 1 is not checked.
    Raises ValueError for a probability outside 0..1 and as `softmax_cross_entropy` does, TypeError too.
    """
    probabilities, weights = _scores_and_weights("cross_entropy", probabilities, target)
    for probability in probabilities:
        _check_probability("cross_entropy", probability, "softmax_cross_entropy")
    return _expected(weights, lambda k: -autograd.log(probabilities[k]))


def softmax(scores: Iterable[Any]) -> list[Any]:
    """The probabilities e^scores_k / sum_j e^scores_j. The greatest score is subtracted from all first: that changes no
    probability, and nothing overflows.

    As a loss take `softmax_cross_entropy` of the scores. Raises ValueError for no scores, TypeError for one bare number.
    """
    scores = _checked_scores("softmax", scores)
    greatest = max(map(_number, scores))
    powers = [autograd.exp(score - greatest) for score in scores]
    total = autograd.sum(powers)
    return [power / total for power in powers]


def log_softmax(scores: Iterable[Any]) -> list[Any]:
    """The logarithms of `softmax`, without computing it first: finite also where a probability is too small for a float."""
    scores = _checked_scores("log_softmax", scores)
    return [-autograd.softmax_cross_entropy(scores, k) for k in range(len(scores))]


@batched(_by_target, correct=_all_correct(is_correct))
def hinge(output: Any, target: Any) -> Any:
    """A margin of at least 1, or a price that grows in proportion.

    one score    max(0, 1 - target * score), target -1 or +1 (Cortes and Vapnik, "Support-vector networks", 1995)
    many scores  sum over k != target of max(0, 1 + scores_k - scores_target), target the index of the right class
                 (Weston and Watkins, "Support vector machines for multi-class pattern recognition", 1999)
    batch        a sequence of targets with as many outputs

    At the corner of max(0, x) the slope is 0, as relu's is.
    Raises ValueError for a target that is not -1 or +1, an index out of range, no scores or unequal lengths.
    """
    output = _single(output)
    if not _is_sequence(output):
        if not is_number(target) or target not in (-1, 1):
            raise ValueError(
                f"hinge of one score takes the target -1 or +1, got {target!r}: relabel the two classes (a Dataset has "
                "`signs`)"
            )
        return autograd.relu(1 - target * _checked("hinge", "output", output))
    scores, right = _checked_scores("hinge", output), _index("hinge", len(output), target)
    return autograd.sum([autograd.relu(1 + s - scores[right]) for k, s in enumerate(scores) if k != right])


# ---- penalties -----------------------------------------------------------------------------------------------------


def l1_penalty(parameters: Iterable[Any], strength: float) -> Any:
    """strength * sum |p| over the parameters, to be added to a loss: it draws them to exactly 0.

    Its slope is strength * sign(p), and 0 at p = 0. Raises ValueError for no parameters or a strength below 0 or not finite,
    TypeError for a model in place of its parameters.
    """
    return _strength("l1_penalty", strength) * autograd.sum(map(abs, _penalised("l1_penalty", parameters)))


def l2_penalty(parameters: Iterable[Any], strength: float) -> Any:
    """strength * sum p^2 over the parameters, to be added to a loss: it keeps them small.

    There is no half: the slope is 2 * strength * p, so that `SGD(..., weight_decay=w)` is l2_penalty with strength w / 2.
    Raises errors as `l1_penalty` does.
    """
    values = _penalised("l2_penalty", parameters)
    return _strength("l2_penalty", strength) * autograd.dot(values, values)


def _penalised(name: str, parameters: Iterable[Any]) -> list[Any]:
    if not hasattr(parameters, "__iter__"):
        raise TypeError(f"{name} takes an iterable of Values, such as model.parameters(); got {parameters!r:.80}")
    if not (values := list(parameters)):
        raise ValueError(f"{name} got no parameters: the iterable is empty (a generator that was used up already?)")
    return [_checked(name, "parameter", value) for value in values]


def _strength(name: str, strength: float) -> float:
    if not (is_number(strength) and 0 <= strength < math.inf):
        raise ValueError(f"{name} takes as strength a finite number of at least 0, got {strength!r}")
    return strength


# ---- what losses are made of ---------------------------------------------------------------------------------------


def _expected(weights: dict[int, Any], cost: Callable[[int], Any]) -> Any:
    """The sum of weight * cost(k)."""
    if list(weights.values()) == [1]:
        return cost(*weights)
    return autograd.dot(list(weights.values()), [cost(k) for k in weights])


def _wanted(weights: Iterable[Any]) -> dict[int, Any]:
    """The weight of each answer, but for those that are a plain 0: what they cost may be infinite."""
    return {k: weight for k, weight in enumerate(weights) if weight != 0}


def _two_weights(name: str, target: Any) -> dict[int, Any]:
    """How much the answers 0 and 1 weigh."""
    if not 0 <= _checked(name, "target", target) <= 1:
        hint = ": relabel the two classes, or take hinge, which has -1 and +1" if _number(target) == -1 else ""
        raise ValueError(f"{name} takes a target from 0 to 1, got {target!r}{hint}")
    return _wanted((1 - target, target))


def _scores_and_weights(name: str, scores: Any, target: Any) -> tuple[list[Any], dict[int, Any]]:
    """The scores of one example as a list, and the weight of each class that has one, checked."""
    if not _is_sequence(target):
        scores = _checked_scores(name, scores)
        return scores, {_index(name, len(scores), target): 1}
    _check_lengths(name, scores, target)
    for k, weight in enumerate(target):
        if not 0 <= _checked(name, f"weight of class {k}", weight) < math.inf:
            raise ValueError(
                f"{name} got the weight {weight!r} for class {k}: a distribution has finite weights of 0 or more "
                "(the first argument is the output, the second the target)"
            )
    if not any(_number(weight) > 0 for weight in target):
        raise ValueError(f"{name} got a distribution without a weight above 0: give the right class a 1")
    return _checked_scores(name, scores), _wanted(target)


def _checked_scores(name: str, scores: Any) -> list[Any]:
    """One score per class, at least one, as a list."""
    if isinstance(scores, Value) or not hasattr(scores, "__iter__"):
        hint = ""
        if name == "softmax_cross_entropy" and isinstance(scores, Value):
            hint = ": of one score take hinge or binary_cross_entropy_with_logits, of a quantity half_squared_error"
        raise TypeError(f"{name} needs a sequence with one score per class, got {scores!r}{hint}")
    if not (scores := list(scores)):
        raise ValueError(f"{name} got 0 scores: give one per class")
    return [score if isinstance(score, Value) else _checked(name, "score", score) for score in scores]


def _index(name: str, classes: int, target: Any) -> int:
    """A target that is the index of a class, as an int."""
    if isinstance(target, bool) or not hasattr(target, "__index__"):
        hint = ": write int(target)" if isinstance(target, float) and target.is_integer() else ""
        raise TypeError(f"{name} needs the index of the right class as an int, got {target!r}{hint}")
    if not 0 <= target < classes:
        raise ValueError(f"{name} got target {target} for {classes} scores: it must be 0 to {classes - 1}")
    return int(target.__index__())


def _check_probability(name: str, probability: Any, of_scores: str) -> None:
    number = _number(probability)
    if probability < 0 or probability > 1:  # NaN is neither. Of the Value, so that a replay asks, too
        raise ValueError(
            f"{name} takes probabilities, from 0 to 1, got {number!r}: give the output of a sigmoid or softmax, "
            f"or take {of_scores} for scores"
        )


def _one_number(name: str, output: Any) -> Any:
    """An output that must be one number."""
    output = _single(output)
    if _is_sequence(output):
        raise ValueError(f"{name} compares one number with a target, got {_shape(output)}: give as many targets")
    return _checked(name, "output", output)


def _checked(name: str, what: str, x: Any) -> Any:
    """x, which must be a number or a Value."""
    if mistake := checks.mistake_of(x):
        raise TypeError(f"{name} takes as {what} a number or a Value, got {mistake}")
    return x


def _total(xs: list[Any]) -> Any:
    return autograd.sum(xs) if len(xs) > 1 else xs[0]


def _number(x: Any) -> Any:
    """The number of a Value, or the number itself."""
    return x.data if isinstance(x, Value) else x


def _single(x: Any) -> Any:
    """x, or what a sequence of one number holds."""
    return x[0] if _is_sequence(x) and len(x) == 1 and not _is_sequence(x[0]) else x


def _is_sequence(x: Any) -> bool:
    """True for lists, tuples and arrays; False for numbers and Values (arrays of no dimension included)."""
    return hasattr(x, "__len__") and getattr(x, "ndim", 1) > 0 and not isinstance(x, (str, bytes, dict, set))


def _shape(x: Any) -> str:
    return f"a sequence of {len(x)}" if _is_sequence(x) else repr(x)


def _check_lengths(name: str, outputs: Any, targets: Any) -> None:
    if not _is_sequence(outputs) or not _is_sequence(targets) or len(outputs) != len(targets):
        raise ValueError(
            f"{name} needs as many targets as outputs, got outputs: {_shape(outputs)}, targets: {_shape(targets)}"
        )
    if len(targets) == 0:
        raise ValueError(f"{name} got an empty sequence: there is nothing to average, give at least one example")
