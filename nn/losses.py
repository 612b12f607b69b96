"""Losses: how wrong an output is, as one number that can be swept back.

Every loss here is that of one example. Given a batch (targets in a sequence) it returns the mean over the examples;
`mean_loss` does the same for a loss of your own. Outputs may be Values or plain numbers, in lists, tuples or arrays;
plain numbers give a plain number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import autograd

__all__ = ["half_squared_error", "hinge", "mean_loss", "softmax_cross_entropy"]

Loss = Callable[[Any, Any], Any]


def softmax_cross_entropy(scores: Any, target: Any) -> Any:
    """-log(softmax(scores)[target]), that is log(sum_k e^scores_k) - scores_target.

    scores  one score per class, any real numbers (the output of a linear last layer)
    target  the index of the right class, counted from 0
    batch   a sequence of score sequences with as many targets: the mean

    Its slope with respect to scores_k is softmax(scores)_k - [k = target].
    Raises ValueError for an index out of range, no scores or unequal lengths; TypeError for a target that is no index.
    """
    if _is_sequence(target):
        return mean_loss(softmax_cross_entropy, scores, target)
    return autograd.softmax_cross_entropy(*_scores_and_index("softmax_cross_entropy", scores, target))


def half_squared_error(output: Any, target: Any) -> Any:
    """(1/2) sum_j (output_j - target_j)^2: summed over the components of one example, not averaged.

    output  a number, or the sequence of numbers of one example
    target  the same
    batch   sequences of sequences: the mean over the examples of each one's sum. (A flat sequence is one example; for
            a batch of bare numbers use `mean_loss(half_squared_error, outputs, targets)`.)

    The half makes the slope with respect to output_j simply output_j - target_j.
    Raises ValueError for unequal lengths or empty sequences.
    """
    if not _is_sequence(output) and not _is_sequence(target):
        difference = output - target
        return difference * difference / 2
    if not _is_sequence(output) or not _is_sequence(target):
        raise ValueError(
            "half_squared_error compares a number with a number or a sequence with one as long; "
            f"got output {_shape(output)} and target {_shape(target)}"
        )
    _check_lengths("half_squared_error", output, target)
    if _is_sequence(target[0]):
        return mean_loss(half_squared_error, output, target)
    return autograd.sum([half_squared_error(y, t) for y, t in zip(output, target, strict=True)])


def hinge(output: Any, target: Any) -> Any:
    """A margin of at least 1, or a price that grows in proportion.

    one score    max(0, 1 - target * score), target -1 or +1 (Cortes and Vapnik, "Support-vector networks", 1995)
    many scores  sum over k != target of max(0, 1 + scores_k - scores_target), target the index of the right class
                 (Weston and Watkins, "Support vector machines for multi-class pattern recognition", 1999)
    batch        a sequence of targets with as many outputs: the mean

    At the corner of max(0, x) the slope is 0, as relu's is.
    Raises ValueError for a target that is not -1 or +1, an index out of range, no scores or unequal lengths.
    """
    if _is_sequence(target):
        return mean_loss(hinge, output, target)
    if not _is_sequence(output):
        if target not in (-1, 1):
            raise ValueError(f"hinge of one score takes the target -1 or +1, got {target!r}: relabel the two classes")
        return autograd.relu(1 - target * output)
    scores, right = _scores_and_index("hinge", output, target)
    if len(scores) < 2:
        raise ValueError("hinge of a sequence compares the right class with the others, got only one score")
    return autograd.sum([autograd.relu(1 + s - scores[right]) for k, s in enumerate(scores) if k != right])


def mean_loss(loss: Loss, outputs: Sequence[Any], targets: Sequence[Any]) -> Any:
    """The mean of loss(output, target) over a batch. Raises ValueError if it is empty or the lengths differ."""
    _check_lengths(getattr(loss, "__name__", "the loss"), outputs, targets)
    return autograd.sum([loss(output, target) for output, target in zip(outputs, targets, strict=True)]) / len(targets)


def _is_sequence(x: Any) -> bool:
    """True for lists, tuples and arrays; False for numbers and Values (arrays of no dimension included)."""
    return hasattr(x, "__len__") and getattr(x, "ndim", 1) > 0 and not isinstance(x, str)


def _shape(x: Any) -> str:
    return f"a sequence of {len(x)}" if _is_sequence(x) else repr(x)


def _check_lengths(name: str, outputs: Any, targets: Any) -> None:
    if not _is_sequence(outputs) or not _is_sequence(targets) or len(outputs) != len(targets):
        raise ValueError(
            f"{name} needs as many targets as outputs, got outputs: {_shape(outputs)}, targets: {_shape(targets)}"
        )
    if len(targets) == 0:
        raise ValueError(f"{name} got an empty sequence: there is nothing to average, give at least one example")


def _scores_and_index(name: str, scores: Any, target: Any) -> tuple[list[Any], int]:
    """The scores of one example as a list, and its target as an int, checked."""
    if not _is_sequence(scores):
        raise TypeError(f"{name} with a class index needs a sequence with one score per class, got {scores!r}")
    if isinstance(target, bool) or not hasattr(target, "__index__"):
        raise TypeError(f"{name} needs the index of the right class as an int, got {target!r}")
    if not 0 <= target < len(scores):
        raise ValueError(f"{name} got target {target} for {len(scores)} scores: it must be 0 to {len(scores) - 1}")
    return list(scores), target.__index__()
