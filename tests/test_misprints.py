"""What the five posts print wrong, and people besides: the printed formula fails against the engine, the right one passes.

Gradients are the cases of `tests/derivation_cases.py`. What is not a gradient stands here: each such case gives what the
engine finds, what comes of the formula as printed, and of the right one. Wrong names and brackets, which no number can show,
are left out.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import derivation_cases
import formulas
import numpy as np
import pytest
from derivation_cases import CASES, claimed, draw
from test_systems import agree, datas, values

import autograd
import nn
from autograd import Value

Found = tuple[Any, Any, Any]  # the engine's, as printed, put right
Case = Callable[[], Found]
MISPRINTS: dict[str, Case] = {}


def misprint(what: str) -> Callable[[Case], Case]:
    """Registers a case under the post, the equation, and printed -> right."""

    def register(case: Case) -> Case:
        assert what not in MISPRINTS
        MISPRINTS[what] = case
        return case

    return register


def dot(xs: Any, ys: Any) -> Value:
    return sum(x * y for x, y in zip(xs, ys, strict=True))


@misprint("001, dL/dh: its shape is l x j -> i x l")
def _() -> Found:
    arguments = derivation_cases.ARGUMENTS_001
    forward = derivation_cases.FORWARD_001.replace("np.maximum(0, inputs1)", "relu(inputs1)")  # each h a node
    ours = derivation_cases.by_engine(derivation_cases.Case(forward, "h", "", "", (), arguments))
    return ours.shape, arguments["W2"].shape, derivation_cases.net_001(**arguments).dh.shape


@misprint("001, the loss: log(softmax) -> score less logsumexp, at [0, -800]")
def _() -> Found:
    s = np.array([0.0, -800.0])
    with np.errstate(divide="ignore"):
        printed = -np.log(formulas.softmax(s)[1])
    assert printed == math.inf
    return autograd.softmax_cross_entropy(values(s), 1).data, printed, formulas.log_loss(s[None], [1])[0]


@misprint("001, softmax[i, y] -= 1 in place: what then stands in softmax is no probability")
def _() -> Found:
    right = derivation_cases.net_001(**derivation_cases.ARGUMENTS_001)
    printed = right.p.copy()
    printed[np.arange(4), derivation_cases.ARGUMENTS_001["y"]] -= 1
    return [[p.data for p in nn.softmax(row)] for row in values(right.s)], printed, right.p


@misprint("002, Y: b_j -> b_i")
def _() -> Found:
    W, X, b = derivation_cases.SQUARE.values()
    ours = [[dot(row, column) + b_i for column in zip(*values(X))] for row, b_i in zip(values(W), values(b))]
    return datas(ours), W @ X + b, formulas.affine(W, X, b)


@misprint("002, output size: n - k + 1 -> floor((n - k) / s) + 1")
def _() -> Found:
    """Of a line of 6 under a kernel of 3 with stride 2, counted by the places where a layer's kernel fits."""
    ours = nn.Conv2d(1, 1, (1, 3), stride=(1, 2))([[[0.0] * 6]])
    return len(ours[0][0]), 6 - 3 + 1, formulas.output_size(6, 3, 2)


@misprint("002, called convolution: it is cross-correlation")
def _() -> Found:
    """x = 0 0 1 0 0 with k = 1 2 3 gives 3 2 1; NumPy's convolve, the convolution of signal processing, 1 2 3."""
    x, k = [0.0, 0.0, 1.0, 0.0, 0.0], [1.0, 2.0, 3.0]
    layer = nn.Conv2d(1, 1, (1, 3), bias=False)
    for weight, number in zip(layer.weight[0][0][0], k, strict=True):
        weight.data = number
    ours = datas(layer([[x]]))[0, 0]
    assert ours.tolist() == [3, 2, 1] and np.convolve(x, k, "valid").tolist() == [1, 2, 3]
    return ours, np.convolve(x, k, "valid"), np.correlate(x, k, "valid")


@misprint("004, c_x of a vector: (1/2) (y - a)^2 -> half its sum over j")
def _() -> Found:
    a, y = draw(2), draw(2, seed=1)
    cost = sum((float(y_j) - a_j) ** 2 for a_j, y_j in zip(values(a), y)) / 2
    return cost.data, (y - a) ** 2 / 2, formulas.quadratic_cost(a, y)


def fails(printed: Any, ours: Any) -> bool:
    return np.shape(printed) != np.shape(ours) or bool(np.abs(printed - ours).max() > 1e-3)


@pytest.mark.parametrize("case", MISPRINTS.values(), ids=MISPRINTS)
def test_misprint(case: Case) -> None:
    ours, printed, right = map(np.asarray, case())
    agree(ours, right)
    assert fails(printed, ours)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_misprinted_gradient(case: derivation_cases.Case) -> None:
    """The right one is the engine's. The printed one is not; or else it does not fit its own sizes."""
    ours = derivation_cases.by_engine(case)
    agree(ours, claimed(case, case.right))
    if case.lucky:  # right at these arguments, by chance
        agree(ours, claimed(case, case.printed))
    elif case.fits:
        assert fails(claimed(case, case.printed), ours)
    else:
        with pytest.raises(ValueError, match=r"broadcast|mismatch"):
            claimed(case, case.printed)


def test_fifty_steps_with_the_wrong_sign() -> None:
    """By equation 4 of post 000 as printed the loss rises from 0.039 to 0.110; with the right sign every step lowers it.

    The post gives no numbers. How the loss of one example goes depends on the target, on where w.x stands at first, and on
    the learning rate times |x|^2 alone: of target 1 these are 0.948 and 0.2015, here shared out over two inputs.
    """
    x, y, rate = [1.0, -0.5], 1.0, 0.1612
    for sign, last in ((-1.0, 0.110), (1.0, None)):
        w = [Value(0.6), Value(-0.696)]
        losses = []
        for _ in range(51):
            for leaf in w:
                leaf.grad = 0.0
            yhat = dot(w, x).sigmoid()
            loss = (y - yhat) ** 2 / 2
            loss.backward()
            losses.append(loss.data)
            printed = [(y - yhat.data) * yhat.data * (1 - yhat.data) * x_i for x_i in x]
            agree([-slope for slope in printed], [leaf.grad for leaf in w])
            for leaf in w:
                leaf.data -= rate * sign * leaf.grad
        assert round(losses[0], 3) == 0.039
        if last is not None:
            assert round(losses[-1], 3) == last
        assert all((b > a) == (sign < 0) for a, b in itertools.pairwise(losses))
