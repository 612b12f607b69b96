"""`check_derivation`: right formulas are right in every form, wrong ones are not, and what cannot be compared says why.

Right formulas are those of `tests/formulas.py`, which knows nothing of the engine. That mistakes are named rightly is tested
in `tests/test_derivation_mistakes.py`.
"""

from __future__ import annotations

import itertools
import math
import re
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import formulas
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd
from autograd import Value, check_derivation
from autograd.derivations import Report, Row, sampling
from autograd.derivations.points import own_lengths, sums_to_one

FEW = settings(max_examples=12, deadline=None)
sizes = st.integers(1, 4)


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng([seed, *shape]).normal(size=shape)


# ---- the nets of the posts -----------------------------------------------------------------------------------------


def loss_001(X, y, W1, b1, W2, b2, strength):  # type: ignore[no-untyped-def]
    """Written as NumPy code, on whatever it is given."""
    h = np.maximum(0, X @ W1 + b1)
    s = h @ W2 + b2
    s = s - np.amax(s, axis=1, keepdims=True)
    p = np.exp(s) / np.sum(np.exp(s), axis=1, keepdims=True)
    data_loss = -np.sum(np.log(p[np.arange(len(X)), y])) / len(X)
    return data_loss + strength * (np.sum(W1**2) + np.sum(W2**2) + np.sum(b1**2) + np.sum(b2**2))


def right_001(X, y, W1, b1, W2, b2, strength):  # type: ignore[no-untyped-def]
    net = formulas.relu_softmax_net(X, y, W1, b1, W2, b2, strength)
    return {name: getattr(net, f"d{name}") for name in ("W1", "b1", "W2", "b2")}


FORWARD = """
    count = X.shape[0]
    rows = np.arange(count)
    f = X @ W1 + b1[np.newaxis, :]         # before the activation
    h = np.maximum(0, f)
    s = h @ W2 + b2[np.newaxis, :]
    e = np.exp(s - np.amax(s, axis = 1, keepdims = True))
    p = e/np.sum(e, axis = 1, keepdims = True)
    loss = -np.sum(np.log(p[rows, y]))
    loss /= count
    penalty = strength*(np.square(W1)).sum() + strength*(np.square(W2)).sum()
    penalty += strength*((b1**2).sum() + (b2**2).sum())
    loss = loss + penalty
"""
BACKWARD = """
    d = p.copy()
    d[rows, y] -= 1
    d /= count
    grads['W2'] = h.T @ d
    grads['b2'] = np.sum(d, axis=0)
    t = (d @ W2.T)*(f > 0)
    grads['W1'] = X.T @ t
    grads['b1'] = t.sum(axis=0)
    grads['W1'] += 2*strength*W1
    grads['W2'] += 2*strength*W2
    grads['b1'] += 2*strength*b1
    grads['b2'] += 2*strength*b2
"""


def arguments_001(n: int, d: int, h: int, c: int, seed: int = 0) -> dict[str, Any]:
    shapes = {"X": (n, d), "W1": (d, h), "b1": (h,), "W2": (h, c), "b2": (c,)}
    found: dict[str, Any] = {name: normal(*shape, seed=seed + i) for i, (name, shape) in enumerate(shapes.items())}
    y = np.random.default_rng(seed).integers(0, c, n)
    return {"X": found["X"], "y": y, **{k: found[k] for k in ("W1", "b1", "W2", "b2")}, "strength": 0.1}


def assert_right(report: Report, *names: str) -> None:
    assert report.right, str(report)
    assert [row.name for row in report] == list(names)
    assert all(row.verdict == "right" and row.kind == row.text == "" and row.error < 1e-7 for row in report)


@FEW
@given(st.tuples(sizes, sizes, sizes, st.integers(2, 4)), st.integers(0, 999))
def test_001_is_right_in_every_form(shape: tuple[int, int, int, int], seed: int) -> None:
    arguments = arguments_001(*shape, seed=seed)
    names = ("W1", "b1", "W2", "b2")
    forward = FORWARD.replace("strength", "reg") if seed % 2 else FORWARD
    renamed = {("reg" if seed % 2 and k == "strength" else k): x for k, x in arguments.items()}
    backward = BACKWARD.replace("strength", "reg") if seed % 2 else BACKWARD
    assert_right(check_derivation(loss_001, right_001, *arguments.values(), seed=seed), *names)
    assert_right(check_derivation(forward, backward, **renamed, seed=seed), *names)
    plain = re.sub(r"grads\['(\w+)'\]", r"d\1", backward)
    assert_right(check_derivation(forward, plain, **renamed, seed=seed), *names)
    each = {n: lambda X, y, W1, b1, W2, b2, strength, n=n: right_001(X, y, W1, b1, W2, b2, strength)[n] for n in names}
    assert_right(check_derivation(loss_001, each, **arguments, seed=seed), *names)
    one = lambda *given: right_001(*given)["W2"]
    assert_right(check_derivation(loss_001, one, *arguments.values(), argnum="W2", seed=seed), "W2")
    two = lambda *given: (right_001(*given)["b2"], right_001(*given)["W1"])
    assert_right(check_derivation(loss_001, two, *arguments.values(), argnum=(5, "W1"), seed=seed), "b2", "W1")
    arrays = right_001(**arguments)
    report = check_derivation(loss_001, arrays, **arguments, seed=seed)
    assert_right(report, *names)
    assert "checked at the given arguments only" in str(report)


@FEW
@given(sizes, sizes, sizes, st.integers(0, 99))
def test_000_is_right(n: int, d: int, k: int, seed: int) -> None:
    X, y = normal(n, d, seed=seed), normal(n, k, seed=seed + 1)

    def one(X: Any, W: Any, y: Any) -> Any:
        return ((y - autograd.sigmoid(X @ W)) ** 2).sum() / 2

    W = normal(d, k, seed=seed + 2)
    assert_right(check_derivation(one, {"W": formulas.one_layer}, X, W, y), "W")
    text = "yhat = sigmoid(X @ W); X.T @ ((yhat - y)*yhat*(1 - yhat))"
    assert_right(check_derivation(one, text, X, W, y, argnum=1), "W")
    assert_right(check_derivation("((y - sigmoid(X @ W))**2).sum()/2", {"W": text}, X=X, W=W, y=y), "W")

    def two(X: Any, W1: Any, W2: Any, y: Any) -> Any:
        h = 1 / (1 + np.exp(-(X @ W1)))
        return np.sum((y - autograd.sigmoid(h @ W2)) ** 2) / 2

    def right(X: Any, W1: Any, W2: Any, y: Any) -> Any:
        found = formulas.two_layers(X, W1, W2, y)
        return found.dW1, found.dW2

    assert_right(check_derivation(two, right, X, normal(d, 3), normal(3, k), y, argnum=("W1", "W2")), "W1", "W2")


def test_000_by_lists_and_loops() -> None:
    def loss(x: Any, w: Any, y: Any) -> Any:
        z = 0
        for i in range(len(x)):
            z = z + x[i] * w[i]
        return (y - z.sigmoid()) ** 2 / 2

    def right(x: Any, w: Any, y: Any) -> Any:
        return formulas.one_layer_by_component(x, float(formulas.prediction(x, w)), y)

    report = check_derivation(loss, right, [0.5, -1.5, 2.0], [0.3, 0.7, -0.2], 0.9, argnum=1)
    assert_right(report, "w")
    assert "size 3 varied from 1 to" in str(report)


@FEW
@given(sizes, sizes, sizes)
def test_002_affine_is_right(m: int, d: int, n: int) -> None:
    """Also as a Jacobian: dY/dW has Y's axes, then W's."""
    W, X, b, dY = normal(m, d), normal(d, n), normal(m), normal(m, n)
    jacobian = {
        "W": lambda W, X, b: formulas.affine_by_weight(W, X),
        "X": lambda W, X, b: formulas.affine_by_input(W, X),
        "b": lambda W, X, b: formulas.affine_by_bias(W, X),
    }
    if m * n > 1:
        assert_right(check_derivation(formulas.affine, jacobian, W, X, b), "W", "X", "b")
    error = lambda W, X, b, dY: np.sum(formulas.affine(W, X, b) * dY)
    right = lambda W, X, b, dY: dict(zip("WbX", formulas.affine_gradients(W, X, dY)))
    assert_right(check_derivation(error, right, W, X, b, dY), "W", "b", "X")
    relu = lambda X, dY: np.sum(autograd.relu(X) * dY)
    assert_right(check_derivation(relu, formulas.relu_gradient, X, normal(d, n)), "X")


def convolution(X: Any, W: Any, b: Any, dY: Any, stride: int) -> Any:
    total = 0
    (rows, columns), size = W.shape[2:], formulas.output_size
    for n, o in np.ndindex(len(X), len(W)):
        for h, w in np.ndindex(size(X.shape[2], rows, stride), size(X.shape[3], columns, stride)):
            window = X[n, :, h * stride : h * stride + rows, w * stride : w * stride + columns]
            total = total + dY[n, o, h, w] * (np.sum(window * W[o]) + b[o])
    return total


def right_convolution(X: Any, W: Any, b: Any, dY: Any, stride: int) -> dict[str, Any]:
    return dict(zip("XWb", formulas.convolution_gradients(X, W, dY, (stride, stride))))


@pytest.mark.parametrize("stride", [1, 2])
def test_002_convolution_is_right(stride: int) -> None:
    """Its targets fit few sizes: those are found, and none where the loops end early or something is stretched."""
    X, W = normal(2, 1, 4, 4), normal(2, 1, 2, 2)
    n = formulas.output_size(4, 2, stride)
    given = (X, W, normal(2), normal(2, 2, n, n), stride)
    report = check_derivation(convolution, right_convolution, *given)
    assert_right(report, "X", "W", "b")
    assert "stride 1 to" in str(report) and "sizes" in str(report)

    def stretching(X: Any, W: Any, b: Any, dY: Any, stride: int) -> Any:  # np.sum(Y * dY) also of other shapes of dY
        (_, _, k, m), over = W.shape, np.ndindex(len(X), len(W))
        corners = [range(0, n - size + 1, stride) for n, size in zip(X.shape[2:], (k, m))]
        Y = [
            [[np.sum(X[n, :, i : i + k, j : j + m] * W[o]) + b[o] for j in corners[1]] for i in corners[0]]
            for n, o in over
        ]
        shape = (len(X), len(W), len(corners[0]), len(corners[1]))
        return np.sum(np.array(Y, dtype=object).reshape(shape).view(type(X)) * dY)

    assert_right(check_derivation(stretching, right_convolution, *given), "X", "W", "b")


@FEW
@given(sizes, sizes, st.integers(2, 4))
def test_003_and_004_are_right(m: int, d: int, c: int) -> None:
    def cost(W: Any, X: Any, T: Any) -> Any:
        e = np.exp(W @ X)
        return -np.sum(T * np.log(e / e.sum(axis=0)))

    T = np.random.default_rng(m).dirichlet(np.ones(c), m).T
    general = lambda W, X, T: formulas.softmax_delta(formulas.softmax(W @ X), T) @ X.T
    assert_right(check_derivation(cost, general, normal(c, d), normal(d, m), T), "W")
    usual = check_derivation(cost, lambda W, X, T: (formulas.softmax(W @ X) - T) @ X.T, normal(c, d), normal(d, m), T)
    assert usual["W"].verdict.startswith("right only where") and usual["W"].kind == "sum of targets"
    kept = check_derivation(
        cost, lambda W, X, T: (formulas.softmax(W @ X) - T) @ X.T, normal(c, d), normal(d, m), T, keep="T"
    )
    assert_right(kept, "W")

    def quadratic(w: Any, a: Any, y: Any) -> Any:
        return sum((y[j] - autograd.tanh(sum(w[j][k] * a[k] for k in range(len(a))))) ** 2 for j in range(len(y))) / 2

    def right(w: Any, a: Any, y: Any) -> Any:
        z = w @ a
        e = formulas.output_error(np.tanh(z), y, formulas.tanh_slope(z))
        return {"w": formulas.weight_slope(a, e)}

    nested = normal(c, d).tolist(), normal(d).tolist(), normal(c).tolist()
    assert_right(check_derivation(quadratic, right, *nested), "w")


# ---- which points are looked at ------------------------------------------------------------------------------------


def seen(f: Any, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
    """Every point at which a claim is asked for, which is right there."""
    points: list[dict[str, Any]] = []
    import inspect

    names = list(inspect.signature(f).parameters)

    def claim(*given: Any, **named: Any) -> Any:
        points.append({**dict(zip(names, given)), **named})
        first = points[-1][names[0]]
        return np.full(np.shape(first), 1e300)  # wrong for sure: nothing is left out

    check_derivation(f, claim, *args, **kwargs)
    return points


def character(f: Any, *args: Any, name: str, **kwargs: Any) -> list[Any]:
    return [np.asarray(point[name]) for point in seen(f, *args, **kwargs)]


def test_numbers_keep_their_character() -> None:
    f = lambda w, x: np.sum(x * w)
    w = normal(3)
    positive, unit = np.array([0.5, 2.0, 3.0]), np.array([0.5, 0.2, 0.9])
    assert all((x > 0).all() for x in character(f, w, positive, name="x"))
    assert all((x < 0).all() for x in character(f, w, -positive, name="x"))
    assert all(((x >= 0) & (x <= 1)).all() for x in character(f, w, unit, name="x"))
    assert all((x <= 0.9).all() and (x >= 0).all() for x in character(f, w, unit / 100, name="x"))
    mixed = character(f, w, np.array([-1.0, 2.0, 3.0]), name="x")
    assert any((x < 0).any() for x in mixed[1:]) and any((x > 0).any() for x in mixed[1:])
    assert all(set(x.ravel()) <= {0.0, 1.0} for x in character(f, w, np.array([0.0, 1.0, 1.0]), name="x"))
    assert all(set(x.ravel()) <= {-1.0, 1.0} for x in character(f, w, np.array([-1.0, 1.0, 1.0]), name="x"))
    assert all(
        x.dtype == np.int64 and set(x.ravel()) <= {2, 3, 4} for x in character(f, w, np.array([2, 3, 4]), name="x")
    )
    assert all(x.dtype == bool for x in character(f, w, np.array([True, False, True]), name="x"))
    assert len({x.tobytes() for x in character(f, w, np.zeros(3), name="x")}) > 5  # zeros are no character
    assert all(type(point["x"]) is float for point in seen(lambda w, x: w * x, 1.0, 2.0))
    symmetric = character(lambda x, A: x @ A @ x, w, np.eye(3) + 1, name="A")
    assert all((A == A.T).all() and np.linalg.eigvalsh(A).min() > 0 for A in symmetric)


def test_a_claimed_argument_gets_both_signs_too() -> None:
    """Weights drawn from 0 to 1 would never show that the slope of a ReLU is missing."""
    W, X = np.full((2, 3), 0.4), np.full((4, 2), 0.4)
    f = lambda W, X: np.sum(np.maximum(0, X @ W))
    assert any((point["W"] < 0).any() for point in seen(f, W, X)) and not any(
        (point["X"] < 0).any() for point in seen(f, W, X)
    )
    assert check_derivation(f, "X.T @ np.ones((X.shape[0], W.shape[1]))", W, X)["W"].verdict != "right"
    assert_right(check_derivation(f, "X.T @ (X @ W > 0)", W, X), "W")


def test_a_claim_may_be_right_for_one_sign_only() -> None:
    row = check_derivation(lambda w: np.sum(abs(w)), "np.ones(len(w))", np.array([0.5, 2.0]))["w"]
    assert row.verdict in ("right only for w of the sign given", "wrong")
    assert row.verdict != "right"


def test_sums_are_kept_and_once_let_go() -> None:
    f = lambda w, t: np.sum(w * t)
    for t, axis in ((np.array([0.2, 0.3, 0.5]), 0), (np.eye(3)[[0, 1, 1, 2]], 1), (np.eye(3)[[0, 1, 1, 2]].T, 0)):
        found = [x.sum(axis=axis) for x in character(f, np.zeros(t.shape), t, name="t")]
        kept = [bool(np.allclose(x, 1)) for x in found]
        assert kept[0] and kept.count(False) == 1 and kept.count(True) > 4
    rows = character(f, np.zeros((2, 3)), np.array([[0, 1, 0], [1, 0, 0]]), name="t")
    assert sum(not (x.sum(axis=1) == 1).all() for x in rows) == 1 and all(x.dtype == np.int64 for x in rows)


def test_of_one_row_it_is_the_row_that_sums_to_1() -> None:
    assert sums_to_one(np.array([[0.5, 0.5]])) == 1 and sums_to_one(np.array([[0.5], [0.5]])) == 0
    assert sums_to_one(np.full((2, 2), 0.25)) == (0, 1) and sums_to_one(np.full((2, 2), 0.5)) == 1


def test_equal_lengths_vary_together() -> None:
    points = seen(lambda W, X, y: np.sum((X @ W - y) ** 2), normal(3), normal(5, 3), normal(5))
    shapes = {point["X"].shape for point in points}
    assert {(5, 3), (1, 3), (5, 1), (3, 3)} <= shapes and len(shapes) >= 6
    assert all(point["X"].shape == (*point["y"].shape, *point["W"].shape) for point in points)
    assert max(map(max, shapes)) == 5


def test_equal_lengths_that_mean_different_things_are_told_apart() -> None:
    points = seen(lambda W, X, y: np.sum((X @ W - y) ** 2), normal(3), normal(3, 3), normal(3))
    assert {(3, 3), (1, 3), (3, 1), (4, 3), (3, 4)} <= {point["X"].shape for point in points}
    assert all(point["X"].shape == (*point["y"].shape, *point["W"].shape) for point in points)


def test_extra_numbers_that_f_does_not_use_are_no_other_size() -> None:
    """A loop over X alone runs with any y that is longer; a formula may well divide by the length of y."""

    def loss(W: Any, X: Any, y: Any) -> Any:
        return sum([(x @ W - target) ** 2 for x, target in zip(X, y)]) / len(X)

    report = check_derivation(loss, "X.T @ (X @ W - y)*2/len(y)", normal(3), normal(4, 3), normal(4))
    assert_right(report, "W")
    assert "sizes 4 and 3 varied" in str(report)


def test_nothing_is_stretched_that_was_not() -> None:
    """np.sum(Y*dY) runs with a dY of one number; the formula, made for the whole of it, does not hold there."""
    f = lambda W, X, dY: np.sum((X @ W) * dY)
    claim = lambda W, X, dY: (X.T @ dY) if dY.shape == (len(X), W.shape[1]) else np.zeros(W.shape)
    report = check_derivation(f, claim, normal(3, 2), normal(4, 3), normal(4, 2))
    assert_right(report, "W")


def test_labels_fit_the_classes() -> None:
    def f(s: Any, y: Any) -> Any:
        return np.sum(s[np.arange(len(s)), y])

    points = seen(f, normal(4, 3), np.array([0, 2, 1, 2]))
    assert {point["s"].shape[1] for point in points} >= {1, 3, 4}
    assert all(point["y"].max() < point["s"].shape[1] for point in points)
    assert len({point["y"].tobytes() for point in points if len(point["y"]) == 4}) > 3


def net(W: Any, b: Any, X: Any, t: Any) -> Any:
    return np.sum((np.tanh(X @ W + b) - t) ** 2) / (2 * len(X))


def net_delta(W: Any, b: Any, X: Any, t: Any) -> Any:
    a = np.tanh(X @ W + b)
    return (a - t) * (1 - a**2) / len(X)


def test_a_batch_of_one_is_made_longer() -> None:
    given = normal(3, 2), normal(2), normal(1, 3), normal(1, 2)
    good = {
        "W": lambda W, b, X, t: X.T @ net_delta(W, b, X, t),
        "b": lambda W, b, X, t: net_delta(W, b, X, t).sum(axis=0),
    }
    report = check_derivation(net, good, *given)
    assert_right(report, "W", "b")
    assert {point["X"].shape[0] for point in seen(net, *given)} >= {1, 2, 3}
    assert all(len(point["X"]) == len(point["t"]) for point in seen(net, *given))
    assert "1 varied from 1" in str(report)
    for claim in (
        {"W": lambda W, b, X, t: len(X) * (X.T @ net_delta(W, b, X, t))},
        {"W": lambda W, b, X, t: np.outer(X[0], net_delta(W, b, X, t)[0])},
        {"b": lambda W, b, X, t: net_delta(W, b, X, t)[0]},
    ):
        (row,) = check_derivation(net, claim, *given)
        assert row.verdict.startswith("right only for") and row.kind == "batch of one" and row.error > 0.01


def test_what_is_right_for_one_is_not_accused() -> None:
    """A bias of shape (1, H) beside one row: f would run with a bias for each row, too. One output: np.outer fits."""
    delta = net_delta

    def loop(W: Any, b: Any, X: Any, t: Any) -> Any:
        db = np.zeros(b.shape)
        for row in delta(W, b, X, t):
            db[0] += row
        return db

    given = normal(3, 2), normal(1, 2), normal(1, 3), normal(1, 2)
    for claim in (lambda *a: delta(*a).sum(axis=0, keepdims=True), loop, delta):
        assert_right(check_derivation(net, {"b": claim}, *given), "b")
    given = normal(3, 1), normal(1), normal(4, 3), normal(4, 1)
    assert_right(check_derivation(net, {"b": lambda *a: np.sum(delta(*a))}, *given), "b")
    assert_right(
        check_derivation(net, {"W": lambda W, b, X, t: (X.T @ delta(W, b, X, t).ravel())[:, None]}, *given), "W"
    )

    def two(W1: Any, W2: Any, X: Any, t: Any) -> Any:
        return np.sum((np.tanh(X @ W1) @ W2 - t) ** 2) / 2

    def outer(W1: Any, W2: Any, X: Any, t: Any) -> Any:
        h = np.tanh(X @ W1)
        return {"W1": X.T @ (np.outer(h @ W2 - t, W2) * (1 - h * h)), "W2": h.T @ (h @ W2 - t)}

    assert_right(check_derivation(two, outer, normal(3, 4), normal(4, 1), normal(5, 3), normal(5, 1)), "W1", "W2")


def test_labels_grow_with_a_batch_of_one() -> None:
    def loss(s: Any, y: Any) -> Any:
        e = np.exp(s)
        return -np.sum(np.log((e / e.sum(axis=1, keepdims=True))[np.arange(len(s)), y])) / len(s)

    def claim(s: Any, y: Any, rows: int | None = None) -> Any:
        e = np.exp(s)
        p = e / e.sum(axis=1, keepdims=True)
        for i in range(rows or len(s)):
            p[i, y[i]] -= 1
        return p / len(s)

    given = normal(1, 4), np.array([2])
    assert all(len(point["s"]) == len(point["y"]) for point in seen(loss, *given))
    assert all(len(point["s"]) == 1 for point in seen(loss, *given, keep="y"))  # the label would be stretched
    assert_right(check_derivation(loss, claim, *given), "s")
    assert not check_derivation(loss, lambda s, y: claim(s, y, 1), *given).right

    def plain(s: Any, y: Any) -> Any:  # where nobody sees that y is stretched
        return loss(np.array([list(row) for row in s]), y)

    assert all(len(point["s"]) == len(point["y"]) for point in seen(plain, *given))


def test_an_axis_that_f_makes_may_be_stretched() -> None:
    """Columns: b[:, np.newaxis] is as wide as there are examples."""
    f = lambda W, b, X: np.sum(np.tanh(W @ X + b[:, np.newaxis]))
    slope = lambda W, b, X: 1 - np.tanh(W @ X + b[:, np.newaxis]) ** 2
    given = normal(2, 3), normal(2), normal(3, 1)
    assert_right(check_derivation(f, {"b": lambda *a: slope(*a).sum(axis=1)}, *given), "b")
    row = check_derivation(f, {"b": lambda *a: slope(*a)[:, 0]}, *given)["b"]
    assert row.verdict == "right only for 1 column in X" and row.kind == "batch of one"


def test_a_count_of_one() -> None:
    """N = 1 beside one row counts it, or is something else: what is right with either is right."""
    f = lambda X, w, y, N: np.sum((X @ w - y) ** 2) / N
    given = normal(1, 3), normal(3), normal(1), 1
    assert_right(check_derivation(f, {"w": "2*X.T @ (X @ w - y)/N"}, *given), "w")
    assert_right(check_derivation(f, {"w": "2*X.T @ (X @ w - y)/len(X)"}, *given), "w")
    assert not check_derivation(f, {"w": "2*X.T @ (X @ w - y)"}, *given).right
    f = lambda V, w, X, N: np.sum((X @ V @ w) ** 2) / N  # a width of 1 besides
    assert_right(
        check_derivation(f, {"w": "2*(X @ V).T @ (X @ V @ w)/len(X)"}, normal(3, 1), normal(1), normal(1, 3), 1), "w"
    )


def places(X: Any, w: Any, stride: int) -> Any:
    """Where a kernel lies on images, and what it gives there."""
    size = [formulas.output_size(n, k, stride) for n, k in zip(X.shape[1:], w.shape)]
    return [(at, np.sum(w * window(X, w, at, stride))) for at in np.ndindex(len(X), *size)]


def window(X: Any, w: Any, at: Any, stride: int) -> Any:
    n, h, v = at
    return X[n, stride * h : stride * h + w.shape[0], stride * v : stride * v + w.shape[1]]


@pytest.mark.parametrize(("length", "kernel"), [(5, 2), (6, 2), (5, 3), (3, 3)])
def test_a_stride_of_one_of_images(length: int, kernel: int) -> None:
    """With stride 2 a column is left over of some, and where there is one place only no stride is seen."""
    f = lambda X, w, stride: sum([y**2 for _, y in places(X, w, stride)]) / 2
    right = lambda X, w, stride: sum([y * window(X, w, at, stride) for at, y in places(X, w, stride)])
    wrong = lambda X, w, stride: sum([y * window(X, w, at, 1) for at, y in places(X, w, stride)])
    given = normal(4, length, length), normal(kernel, kernel), 1
    row = check_derivation(f, {"w": wrong}, *given)["w"]
    assert (row.verdict, row.kind) == ("right only for stride = 1", "stride")
    assert_right(report := check_derivation(f, {"w": right}, *given), "w")
    assert "stride 1 to" in str(report)
    tried = [(p["stride"], (p["X"].shape[1] - p["w"].shape[0]) // p["stride"]) for p in seen(f, *given)]
    assert any(stride > 1 and more > 0 for stride, more in tried)


def test_a_stride_that_leaves_something_over() -> None:
    """Of a kernel of one it always does. Where a claim gives nothing then, it is not judged."""

    def f(x: Any, w: Any, s: int) -> Any:
        return sum((x[i] @ w) ** 2 for i in range(0, len(x), s)) / 2

    right = lambda x, w, s: sum((x[i] @ w) * x[i] for i in range(0, len(x), s))
    given = normal(6, 2), normal(2), 3
    assert_right(check_derivation(f, {"w": right}, *given), "w")
    given = normal(6, 2), normal(2), 1
    assert_right(report := check_derivation(f, {"w": right}, *given), "w")
    assert "s 1 to 3" in str(report)
    assert check_derivation(f, {"w": lambda x, w, s: x.T @ (x @ w)}, *given)["w"].verdict == "right only for s = 1"
    assert_right(check_derivation(f, {"w": lambda x, w, s: x.T @ (x @ w) if s == 1 else None}, *given), "w")


def test_an_integer_that_changes_nothing_is_not_told() -> None:
    """It was varied, but of stride 2 nothing was seen."""
    report = check_derivation(lambda w, n: w**2 + 0 * n, "2*w", 3.0, 2)
    assert_right(report, "w")
    assert "n 1 to" not in str(report) and len(seen(lambda w, n: w**2, 3.0, 2)) > 4
    assert not check_derivation(lambda w, n: w**2, "n*w", 3.0, 2).right  # the claim hangs on it


@pytest.mark.parametrize("batch", [False, True])
def test_a_stride_of_one_is_varied(batch: bool) -> None:
    """Of 4 numbers a kernel of 3 with stride 2 leaves one unused: a longer row fits."""

    def out(x: Any, w: Any, s: int) -> Any:
        return [x[s * h : s * h + len(w)] @ w for h in range((len(x) - len(w)) // s + 1)]

    def f(x: Any, w: Any, s: int) -> Any:
        return sum(y**2 for row in (x if batch else [x]) for y in out(row, w, s)) / 2

    def claim(x: Any, w: Any, s: int, step: int | None = None) -> Any:
        dx = np.zeros(np.shape(x))
        for row, d in zip(x if batch else [x], dx if batch else [dx]):
            for h, y in enumerate(out(row, w, s)):
                at = (step or s) * h
                d[at : at + len(w)] += y * w
        return dx

    given = normal(1, 4) if batch else normal(4), normal(3), 1
    assert_right(check_derivation(f, claim, *given), "x")
    row = check_derivation(f, lambda x, w, s: claim(x, w, s, 1), *given)["x"]
    assert row.verdict == "right only for s = 1" and row.kind == "stride"


def test_integers_vary() -> None:
    points = seen(lambda x, n: x**n, 2.0, 3)
    assert {point["n"] for point in points} == {1, 2, 3}
    assert {point["k"] for point in seen(lambda x, k: x[k], normal(3), 0)} == {0, 1, 2}
    assert {point["n"] for point in seen(lambda x, n: x * n, 2.0, -1)} == {-1, -2}
    assert all(point["flag"] is True for point in seen(lambda x, flag: x * 2 if flag else x, 2.0, True))
    assert all(point["name"] == "a" for point in seen(lambda x, name: x * 2, 2.0, "a"))


def test_an_integer_that_may_be_a_length() -> None:
    """N = 4 beside four rows: a formula may use either, and is not accused where they differ."""
    f = lambda W, X, y, N: np.sum((X @ W - y) ** 2) / N
    given = normal(3), normal(4, 3), normal(4), 4
    assert_right(check_derivation(f, "2*X.T @ (X @ W - y)/N", *given), "W")
    assert_right(check_derivation(f, "2*X.T @ (X @ W - y)/len(X)", *given), "W")
    assert check_derivation(f, "2*X.T @ (X @ W - y)", *given)["W"].verdict == "wrong"


def test_lengths_that_f_knows_by_itself_are_held() -> None:
    count, target = 4, normal(4)
    X, W = normal(4, 3), normal(3)
    report = check_derivation(lambda W, X: np.sum((X @ W - target) ** 2), lambda W, X: 2 * X.T @ (X @ W - target), W, X)
    assert_right(report, "W")
    assert "size 4" not in str(report)
    assert_right(check_derivation(lambda W, X: np.sum(X @ W) / count, "X.sum(axis=0)/len(X)", W, X), "W")
    report = check_derivation(lambda W, X: np.sum(X @ W) / 4, "X.sum(axis=0)/len(X)", W, X)
    assert_right(report, "W")
    assert "W is right at the sizes given; f has them in its text" in str(report)
    assert_right(check_derivation("np.sum(X @ W)/4", "X.sum(axis=0)/len(X)", W=W, X=X), "W")


def test_lengths_in_closures() -> None:
    """Of arrays, of lists of numbers, and ints; not of other lists, nor of what no function brings along."""
    array, nested, count, names = normal(4, 7), [[1.0, 2.0, 3.0]], 5, ["a", "b"]

    def helper() -> Any:
        return array

    assert own_lengths(lambda: (nested, count, names)) == {1, 3, 5}
    assert own_lengths(lambda: array) == own_lengths(lambda: helper()) == {4, 7}
    assert own_lengths("text") == own_lengths(np.sum) == set()


def test_right_at_the_sizes_given_only() -> None:
    f = lambda W, X: np.sum(np.exp(X @ W))
    good = lambda W, X: X.T @ np.exp(X @ W)
    report = check_derivation(
        f, lambda W, X: good(W, X) * (1 if X.shape == (4, 3) else 1 + 0.1 * X.shape[0] ** 1.5), normal(3), normal(4, 3)
    )
    assert report["W"].verdict == "right only at the sizes given" and not report.right
    assert report["W"].kind == "unexplained" and "with other sizes" in report["W"].text

    def some(W: Any, X: Any) -> Any:
        if X.shape != (4, 3):
            raise ValueError("no")
        return good(W, X)

    report = check_derivation(f, some, normal(3), normal(4, 3))
    assert_right(report, "W")
    (note,) = [note for note in report.notes if note.startswith("W is right at the sizes given; at others the claim")]
    assert "does not run: the claim raised ValueError in line" in note and note.endswith('`raise ValueError("no")`: no')
    shapeless = lambda W, X: good(W, X) if X.shape == (4, 3) else np.ones((7, 7))
    report = check_derivation(f, shapeless, normal(3), normal(4, 3))
    assert_right(report, "W")
    assert "W is right at the sizes given; at others the claim gives nothing of the right shape" in report.notes


def test_what_is_kept_stays() -> None:
    X, W = normal(4, 3), normal(3)
    points = seen(lambda W, X: np.sum(X @ W), W, X, keep=["X"])
    assert all((point["X"] == X).all() for point in points) and len(points) > 4
    assert "X kept as given" in str(check_derivation(lambda W, X: np.sum(X @ W), "X.sum(axis=0)", W, X, keep="X"))


def test_the_seed_decides() -> None:
    def numbers(seed: int) -> list[Any]:
        return [point["W"].tolist() for point in seen(lambda W, X: np.sum(X @ W), normal(3), normal(4, 3), seed=seed)]

    first, again, other = map(numbers, (1, 1, 2))
    assert first == again and first != other


def test_points_where_f_is_not_finite_are_left_out() -> None:
    f = lambda w: np.sum(np.log(1 - w**2))
    report = check_derivation(f, "-2*w/(1 - w**2)", np.array([0.5, -0.3]))
    assert_right(report, "w")
    assert len(seen(f, np.array([0.5, -0.3]))) > 4
    huge = check_derivation(lambda w: np.sum(np.exp(w)), "np.exp(w)", np.array([700.0, 1.0]))
    assert_right(huge, "w")


def test_a_claim_that_overflows_elsewhere() -> None:
    """It is finite at the given point: elsewhere only points count where it is, too."""
    f = lambda s: autograd.logsumexp(s)
    assert_right(check_derivation(f, "np.exp(s)/np.exp(s).sum()", np.array([500.0, 1.0])), "s")
    row = check_derivation(f, "np.exp(s)/np.exp(s).sum()", np.array([1000.0, 1.0]))["s"]
    assert row.verdict == "wrong" and "not finite: nan at s[0], expected 1" in row.text


def test_at_a_kink() -> None:
    """Half of the given numbers lie on it; (h > 0) and (h >= 0) are both right."""
    X = np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]])
    f = lambda W, b, X: np.sum(np.maximum(0, X @ W + b))
    for sign in (">", ">="):
        report = check_derivation(
            f, f"d = 1.0*(X @ W + b {sign} 0); dW = X.T @ d; db = d.sum(axis=0)", normal(3, 2), np.zeros(2), X
        )
        assert_right(report, "W", "b")


def test_a_given_point_at_a_kink_hides_no_mistake() -> None:
    f = lambda x: np.sum(np.maximum(0, x))
    row = check_derivation(f, lambda x: -1.0 * (x >= 0), np.array([0.0, 1.0, -1.0]))["x"]
    assert (row.verdict, row.kind) == ("wrong", "sign")


# ---- rounding ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-300, 1e-12, 1e-3, 1.0, 1e6, 1e12, 1e150])
def test_any_scale(scale: float) -> None:
    """An error of a hundred thousandth of the gradient is found, and rounding is not, however large the gradient is."""
    f = lambda W, X, y, c: c * np.sum(np.tanh(X @ W - y))
    given = normal(3), normal(4, 3), normal(4), scale
    right = "c*(X.T @ (1 - np.tanh(X @ W - y)**2))"
    assert_right(check_derivation(f, right, *given, keep="c"), "W")
    assert not check_derivation(f, f"{right}*1.00001", *given, keep="c").right
    assert not check_derivation(f, f"-{right}", *given, keep="c").right


def test_what_cancels() -> None:
    """One class: the gradient is exactly 0, where the claim rounds to 1e-17."""
    f = lambda w: (w * 1e8 - w * 1e8) + 0 * w
    assert_right(check_derivation(f, "0*w + 1e-9", 1.0), "w")
    assert not check_derivation(f, "0*w + 1e-3", 1.0).right
    assert not check_derivation(lambda w: w * 0.0, "0*w + 1e-9", 1.0).right


def test_small_entries_beside_large_ones() -> None:
    f = lambda x: 1e6 * x[0] ** 2 + 1e-6 * x[1] ** 2
    x = np.array([0.7, -1.3])
    assert_right(check_derivation(f, lambda x: np.array([2e6 * x[0], 2e-6 * x[1]]), x), "x")
    for wrong in (-2e-6, 3e-6, 0):
        report = check_derivation(f, lambda x, wrong=wrong: np.array([2e6 * x[0], wrong * x[1]]), x)
        assert report["x"].verdict == "wrong"


def test_little_is_left_of_one_entry() -> None:
    """Of 1000 - 1000.000000001 the claim has fewer digits than the engine; it is small beside the other entry."""
    f = lambda x, y: 1.5 * np.sum((x - y) ** 2)
    report = check_derivation(
        f, "3*x - 3*y", x := np.array([1000.1, 1000.3, 1000.7, 50.0]), x - 1e-9 * (x > 100) - 49 * (x < 100)
    )
    assert report.right and len(report.notes) == 1, str(report)


@pytest.mark.parametrize("scale", [1e-300, 1e-12, 1.0, 1e12, 1e150])
def test_rounding_is_no_mistake(scale: float) -> None:
    """Saturated functions, of which the slope is a difference of equal numbers, and sums of which little is left."""
    W, X = 30 * normal(3, 2), normal(4, 3)
    sigmoid = lambda z: 1 / (1 + np.exp(-z))
    f = lambda W, X, c: c * np.sum(autograd.sigmoid(X @ W))
    assert check_derivation(
        f, lambda W, X, c: c * (X.T @ (sigmoid(X @ W) * (1 - sigmoid(X @ W)))), W, X, scale, keep="c"
    ).right
    f = lambda W, X, c: c * np.sum(autograd.tanh(X @ W))
    for slope in (lambda z: 1 - np.tanh(z) ** 2, lambda z: 1 / np.cosh(z) ** 2):
        assert check_derivation(f, lambda W, X, c, slope=slope: c * (X.T @ slope(X @ W)), W, X, scale, keep="c").right
    f = lambda w, X, y, c: c * np.sum((X @ w - y) ** 2)
    w = np.array([1.0, 2.0, 3.0])
    assert check_derivation(f, lambda w, X, y, c: c * 2 * (X.T @ X @ w - X.T @ y), w, X, X @ w, scale, keep="c").right


@pytest.mark.parametrize("scale", [1e-250, 1e-12, 1e-4, 1e100])
def test_mistakes_in_small_and_large_gradients_are_named(scale: float) -> None:
    f = lambda W, X: scale * np.sum(np.tanh(X @ W))
    given = normal(3, 2), normal(4, 3)
    assert check_derivation(f, lambda W, X: -scale * (X.T @ (1 - np.tanh(X @ W) ** 2)), *given)["W"].kind == "sign"
    row = check_derivation(f, lambda W, X: scale * (X.T @ np.ones((len(X), W.shape[1]))), *given)["W"]
    assert row.kind == "slope missing" and row.error > 0


def test_a_text_has_the_numbers_of_f() -> None:
    f = lambda w, X: 1e-8 * (np.sum(np.tanh(X @ w)) + np.sum(w**2))
    row = check_derivation(f, lambda w, X: 1e-8 * (X.T @ (1 - np.tanh(X @ w) ** 2)), normal(3), normal(4, 3))["w"]
    assert row.kind == "unexplained" or "2e-08*w" in row.text
    row = check_derivation(lambda x: 1e-12 * np.sum(x**2), "0*x", normal(3))["x"]
    assert row.kind == "unexplained" or "2e-12*x" in row.text


# ---- the report ----------------------------------------------------------------------------------------------------


def a_report() -> Report:
    f = lambda W, b, X, y: np.sum((X @ W + b - y) ** 2) / len(X)
    claims = {"W": "2*X.T @ (X @ W + b - y)/len(X)", "b": "2*np.sum(X @ W + b - y)/len(X) + 0.1*b**3 + 0.2"}
    return check_derivation(f, claims, normal(3), 0.5, normal(4, 3), normal(4))


def test_report() -> None:
    report = a_report()
    assert not report and check_derivation("w*w", "2*w", w=3.0)
    assert not report.right and len(report) == 2 and report.rows == tuple(report)
    assert report["W"] is report[0] and "b" in report and report[1] in report and "X" not in report
    with pytest.raises(KeyError, match="'X' was not checked; there are W, b"):
        report["X"]
    row = report["b"]
    assert isinstance(row, Row) and (row.name, row.verdict, row.kind) == ("b", "wrong", "unexplained")
    off, claimed, expected = map(float, re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", row.text)[:3])
    assert off == pytest.approx(abs(claimed - expected), rel=0.02) and row.error > 0
    lines = str(report).splitlines()
    assert lines[0] == "1 of 2 gradients is right"
    assert lines[2].split() == ["parameter", "verdict", "what", "relative", "error"]
    assert lines[4].split()[:3] == ["W", "✓", "right"] and lines[5].split()[:3] == ["b", "✗", "wrong"]
    assert repr(report) == str(report) and "\x1b" not in str(report)
    coloured = report.text(colour=True)
    assert (
        re.sub(r"\x1b\[\d+m", "", coloured) == str(report)
        and "\x1b[32m✓ right" in coloured
        and "\x1b[31m✗ wrong" in coloured
    )
    assert max(map(len, lines)) <= 100


def test_worst_entry() -> None:
    """Which one is off by most, what was claimed there and what expected."""
    f = lambda W: np.sum(W**2)
    claimed = np.array([[2.0, 4.0], [6.0, 8.5]])
    row = check_derivation(f, {"W": claimed}, np.array([[1.0, 2.0], [3.0, 4.0]]))["W"]
    if row.kind == "unexplained":
        assert row.text == "off by 0.5 at W[1, 1]: claimed 8.5, expected 8"
    assert row.error == pytest.approx(0.5 / 8)


def test_long_report() -> None:
    rows = [
        Row(
            f"layer{i}.weight",
            ("right", "right only for a batch of one", "wrong")[i % 3],
            "k",
            "word " * 40 * (i % 2),
            10.0 ** (i - 5),
        )
        for i in range(40)
    ]
    text = str(Report(rows, ["a note " * 30]))
    assert max(map(len, text.splitlines())) <= 100 and "14 of 40 gradients are right" in text
    assert [line.split()[0] for line in text.splitlines() if line.startswith("layer")] == [row.name for row in rows]
    assert text.count("word") == 40 * 20


def test_report_in_a_notebook() -> None:
    rows = [
        Row("W", "right", "", "", 0.0),
        Row("b", "right only for a batch of one", "batch of one", "1 < 2 & 3", 0.5),
        Row("c", "wrong", "sign", "the sign is flipped", math.nan),
    ]
    html = Report(rows, ["a <note>"])._repr_html_()
    assert "1 &lt; 2 &amp; 3" in html and "a &lt;note&gt;" in html and "<script" not in html
    for sign in ("✓ right", "◐ right only for a batch of one", "✗ wrong", "1 of 3 gradients is right"):
        assert sign in html
    papers = re.findall(r"background: (#\w+); color: (#\w+)", html)
    assert len(papers) == 3
    for paper, ink in papers:  # readable by themselves, whatever page they lie on
        light, dark = (luminance(colour) for colour in (paper, ink))
        assert (light + 0.05) / (dark + 0.05) > 7


def luminance(colour: str) -> float:
    """WCAG's relative luminance."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_summaries() -> None:
    right, wrong = Row("w", "right", "", "", 0.0), Row("w", "wrong", "sign", "the sign is flipped", 2.0)
    assert Report([right], []).summary == "the gradient of w is right"
    assert Report([wrong], []).summary == "the gradient of w is wrong"
    assert Report([right, right], []).summary == "both gradients are right"
    assert Report([right] * 3, []).summary == "all 3 gradients are right"
    assert Report([wrong, wrong], []).summary == "both gradients are wrong"
    assert Report([wrong] * 3, []).summary == "none of the 3 gradients is right"
    only = Row("w", "right only for a batch of one", "batch of one", "", 2.0)
    assert Report([wrong, only], []).summary == "neither gradient is right"
    assert Report([right, wrong], []).summary == "1 of 2 gradients is right"
    assert Report([right, wrong, right], []).summary == "2 of 3 gradients are right"


def test_errors_in_two_digits() -> None:
    for error, text in (
        (2.0, "2"),
        (110.2, "110"),
        (0.0512, "0.051"),
        (2e-7, "2e-07"),
        (3.04e8, "3e+08"),
        (98765.0, "99000"),
    ):
        line = str(Report([Row("w", "wrong", "sign", "the sign is flipped", error)], [])).splitlines()[4]
        assert line.split()[-1] == text
    assert str(Report([Row("w", "wrong", "sign", "flipped", math.nan)], [])).splitlines()[4].endswith("flipped")


def test_long_verdicts_are_wrapped() -> None:
    row = Row(
        "layer1.weight.of.a.long.name",
        "right only for weights_of_layer_1 and weights_of_layer_2 of the sign given",
        "k",
        "word " * 9,
        2.0,
    )
    text = str(Report([row], []))
    assert max(map(len, text.splitlines())) <= 100 and text.count("word") == 9
    assert all(text.count(word) == 2 for word in ("weights_of_layer_1", "weights_of_layer_2", "given"))


def test_a_search_that_fails_leaves_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    def explain(*given: Any) -> Any:
        raise IndexError("list index out of range")

    monkeypatch.setattr("autograd.derivations.checking.explain", explain)
    report = check_derivation(lambda w, b: w * w * b, {"w": "w*b", "b": "w*w"}, 2.0, 3.0)
    assert (report["w"].verdict, report["w"].kind, report["b"].verdict) == ("wrong", "unexplained", "right")
    assert "w: the search for the mistake stopped: IndexError: list index out of range" in report.notes


def test_a_sum_over_the_wrong_axis_is_a_row() -> None:
    """Softmax: over the classes the errors sum to 0."""

    def loss(s: Any, b: Any, y: Any) -> Any:
        e = np.exp(s + b)
        return -np.sum(np.log((e / e.sum(axis=1, keepdims=True))[np.arange(len(s)), y]))

    def claim(s: Any, b: Any, y: Any) -> Any:
        e = np.exp(s + b)
        return (e / e.sum(axis=1, keepdims=True) - (np.arange(len(b)) == y[:, None])).sum(axis=1)

    (row,) = check_derivation(loss, {"b": claim}, normal(4, 2), normal(2), np.array([0, 1, 1, 0]))
    assert (row.verdict, row.kind) == ("wrong", "wrong axis")


def test_who_is_told_how_a_name_is_read() -> None:
    f = "a = tanh(w*x); a**2"
    for claim, told in (("da = -2*a", True), ({"a": "-2*a"}, False), ({"a": "da = -2*a"}, False)):
        report = check_derivation(f, claim, w=0.5, x=2.0)
        assert report["a"].kind == "sign" and ("da is read as" in str(report)) == told


@pytest.mark.parametrize(
    "claim",
    [
        "aa",
        "X.T @ (aa - y)",
        "aa[0]",
        "aa(X)",
        "d = aa; d",
        "[aa for _ in y]",
        "np.sum(aa, axis=0)",
        "X[aa]",
        "aa.T",
        "\n\nd = X\naa",
    ],
)
def test_unknown_names(claim: str) -> None:
    with pytest.raises((TypeError, ValueError, NameError), match="aa"):
        check_derivation("a = tanh(X @ w); sum((a - y)**2)/2", {"w": claim}, X=normal(5, 3), w=normal(3), y=normal(5))


def test_an_array_is_checked_at_one_point() -> None:
    report = check_derivation(lambda w, x: w * x, {"w": 3.0, "x": "w"}, 2.0, 3.0)
    assert_right(report, "w", "x")
    assert "w is claimed as numbers, which are known at the given arguments: checked there only" in str(report)


# ---- what is passed in and out -------------------------------------------------------------------------------------


def test_what_is_changed_in_place_is_told() -> None:
    """The claim gets copies, so nothing of the user's is lost."""
    X, W = normal(4, 3), normal(3)
    before = X.copy()

    def claim(W: Any, X: Any) -> Any:
        X *= 2
        return X.sum(axis=0) / 2

    report = check_derivation(lambda W, X: np.sum(X @ W), claim, W, X)
    assert_right(report, "W")
    assert "the claim changes the argument X in place" in str(report) and "X.copy()" in str(report)
    assert np.array_equal(X, before)
    code = BACKWARD.replace("d = p.copy()", "d = p")
    report = check_derivation(FORWARD, code, **arguments_001(4, 3, 5, 3))
    assert_right(report, "W1", "b1", "W2", "b2")
    assert "the claim changes p in place" in " ".join(str(report).split())
    assert "in place" not in str(check_derivation(FORWARD, BACKWARD, **arguments_001(4, 3, 5, 3)))


def test_f_may_change_its_arguments_in_place() -> None:
    """The gradient is the one with respect to what was given."""

    def doubled(z: Any) -> Any:
        z *= 2
        return np.sum(z**2)

    z = normal(3)
    before = z.copy()
    report = check_derivation(doubled, lambda z: 8 * z, z)
    assert_right(report, "z")
    assert "f changes the argument z in place; the gradient is the one with respect to z as it was given" in str(report)
    assert "z = z.copy()" in str(report) and np.array_equal(z, before)
    row = check_derivation(doubled, lambda z: 4 * z, z)["z"]
    assert (row.verdict, row.kind) == ("wrong", "factor") and "2 times too small" in row.text

    def normalised(X: Any, w: Any) -> Any:
        X /= 10.0
        return np.sum((X @ w) ** 2)

    right = {"X": lambda X, w: 2 * np.outer(X / 10 @ w, w) / 10, "w": lambda X, w: 2 * X.T @ (X @ w) / 100}
    report = check_derivation(normalised, right, normal(4, 3), normal(3))
    assert_right(report, "X", "w")
    assert "f changes the argument X in place" in str(report)
    report = check_derivation(normalised, {"w": right["w"]}, normal(4, 3), normal(3))  # X is made of numbers here
    assert_right(report, "w")
    assert "f changes the argument X in place" in str(report)
    assert "in place" not in str(check_derivation(lambda z: np.sum((z * 2) ** 2), lambda z: 8 * z, z))


@pytest.mark.parametrize("f", ["z *= 2\nnp.sum(z**2)", "z = 2*z\nnp.sum(z**2)"])
def test_a_text_that_changes_its_argument(f: str) -> None:
    """A claim's text may mean z as given, or as f's text leaves it; a function gets it as given."""
    for claim in ("8*z", "4*z", lambda z: 8 * z):
        report = check_derivation(f, {"z": claim}, z=normal(3))
        assert_right(report, "z")
        assert ("the claim is read with z as given" in str(report)) == (claim == "8*z")
        assert "the claim of z changes" not in str(report)
    assert not check_derivation(f, "16*z", z=normal(3)).right
    assert not check_derivation(f, lambda z: 4 * z, z=normal(3)).right


def test_a_claim_that_runs_elsewhere_only() -> None:
    """(1 - a**2)*W2.T @ d: the product goes first, and fits where W1 has one row."""
    shapes = {"W1": (3, 2), "b1": (3,), "W2": (4, 3), "b2": (4,), "x": (2,), "y": (4,)}
    net = {name: normal(*shape, seed=i) for i, (name, shape) in enumerate(shapes.items())}
    f = "a = tanh(W1 @ x + b1); sum((W2 @ a + b2 - y)**2)/2"

    def as_function(W1: Any, b1: Any, W2: Any, b2: Any, x: Any, y: Any) -> Any:
        a = np.tanh(W1 @ x + b1)
        return {"b1": (1 - a**2) * W2.T @ (W2 @ a + b2 - y)}

    for claim, told in (
        ({"b1": "(1 - a**2)*W2.T @ (W2 @ a + b2 - y)"}, "the shapes do not fit"),
        (as_function, "in line"),
    ):
        (row,) = check_derivation(f, claim, **net)
        assert row.verdict == "wrong" and row.text.startswith("it does not run at the arguments given: the claim")
        assert told in row.text and row.text.endswith("; it is right only where W1 has 1 row")


def test_a_line_that_raises_leaves_what_was_assigned_before() -> None:
    """Of code; what that line or a later one changes is not known."""
    shapes = {"W1": (3, 2), "b1": (3,), "W2": (4, 3), "b2": (4,), "x": (2,), "y": (4,)}
    net = {name: normal(*shape, seed=i) for i, (name, shape) in enumerate(shapes.items())}
    f = "a = tanh(W1 @ x + b1); sum((W2 @ a + b2 - y)**2)/2 + sum(W2**2)"
    code = "d = W2 @ a + b2 - y\ndb2 = d\ndW2 = np.outer(d, a)\ndb1 = (1 - a**2)*(W2 @ d)\n"
    code += "dW2 += 2*W2\ndW1 = np.outer(db1, x)"
    report = check_derivation(f, code, **net)
    assert [row.verdict for row in report] == ["wrong", "wrong", "wrong", "right"] and report["b2"].text == ""
    assert all("the claim, line 4: the shapes do not fit (W2 is 4 x 3" in report[name].text for name in ("b1", "W2"))
    assert report["b1"].kind == "transposed"
    grads = re.sub(r"\bd([Wb][12])", r"grads['\1']", code)
    assert [row.verdict for row in check_derivation(f, grads, **net)] == ["wrong", "wrong", "wrong", "right"]
    alias = code.replace("dW2 += 2*W2", "d += 1\ndW2 += 2*W2")  # db2 is the same array
    assert check_derivation(f, alias, **net)["b2"].verdict == "wrong"


def test_a_line_that_raises_at_other_sizes() -> None:
    """The others are looked at there, and whose line it was is told."""
    f = "sum((X @ w + b - y)**2)"
    code = "d = 2*(X @ w + b - y)\ndb = d.sum()\ndw = X.T @ d + 0*X[3]"
    given = {"X": normal(4, 3), "w": normal(3), "y": normal(4), "b": 0.5}
    report = check_derivation(f, code, **given)
    assert_right(report, "w", "b")
    (note,) = [note for note in report.notes if "at the sizes given" in note]
    assert note.startswith(
        "w is right at the sizes given; at others the claim does not run: the claim, line 3: index 3"
    )
    later = check_derivation(f, code.replace("d.sum()", "d.sum()/4") + "\ndb = 4*db", **given)
    assert_right(later, "w", "b")  # db is not known where line 3 raises
    wrong = check_derivation(f, code.replace("d.sum()", "d.sum()/len(X)*4"), **given)
    assert wrong["b"].verdict != "right" and wrong["w"].verdict == "right"


def test_a_wrong_shape_beside_other_gradients_is_a_row() -> None:
    """What was found of the others is not lost."""
    report = check_derivation(square, {"W": lambda W, X, y: np.ones((2, 2)), "y": "-2*(X @ W - y)"}, W, X, y)
    assert report["y"].verdict == "right" and (report["W"].verdict, report["W"].kind) == ("wrong", "unexplained")
    assert report["W"].text == "it is 2 x 2, shape (2, 2) instead of (3,)" and math.isnan(report["W"].error)
    report = check_derivation(square, {"W": "np.ones(17) @ X", "y": "2*(X @ W - y)"}, W, X, y)
    assert report["y"].kind == "sign" and report["W"].verdict == "wrong"
    assert report["W"].text.startswith("it does not run at the arguments given: the claim of W: the shapes do not fit")


@pytest.mark.parametrize("mean", ["mean", "sum"])
@pytest.mark.parametrize("seed", range(3))
def test_an_average_over_the_wrong_axis_is_a_row(mean: str, seed: int) -> None:
    X, w, b, y = normal(6, 3, seed=seed), normal(3), 0.3, np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0])

    def loss(w: Any, b: Any, X: Any, y: Any) -> Any:
        p = 1 / (1 + np.exp(-(X @ w + b)))
        return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))

    def claim(w: Any, b: Any, X: Any, y: Any) -> Any:
        d = 1 / (1 + np.exp(-(X @ w + b))) - y
        return {"w": getattr(X * d[:, None], mean)(axis=1), "b": d.mean()}

    report = check_derivation(loss, claim, w, b, X, y)
    assert (report["w"].verdict, report["w"].kind, report["b"].verdict) == ("wrong", "wrong axis", "right")


def test_claims_get_plain_numbers() -> None:
    kinds = []

    def claim(W: Any, x: Any, n: Any, y: Any) -> Any:
        kinds.append((type(W), W.dtype, type(x), type(n), y.dtype))
        return np.ones_like(W) * x

    check_derivation(lambda W, x, n, y: np.sum(W) * x, claim, [[1.0, 2.0], [3.0, 4.0]], 2.0, 3, np.array([1, 2]))
    assert set(kinds) == {(np.ndarray, np.dtype(float), float, int, np.dtype(int))}


def test_a_claim_is_called_by_names_or_as_f_was() -> None:
    f = lambda w, x, c: w * x * c
    for claim in (
        lambda w, x, c: x * c,
        lambda c, x: x * c,
        lambda a, b, d: b * d,
        lambda *args: args[1] * args[2],
        lambda x, c, k=1: x * c * k,
    ):
        assert_right(check_derivation(f, claim, 2.0, 3.0, 4.0), "w")
    assert_right(check_derivation(f, lambda **given: given["x"] * given["c"], w=2.0, x=3.0, c=4.0), "w")
    assert_right(check_derivation(lambda *ws: ws[0] * ws[1], lambda *ws: ws[1], 2.0, 3.0), "ws[0]")
    assert_right(check_derivation(lambda **ws: ws["a"] * ws["b"], {"b": "a"}, a=2.0, b=3.0), "b")
    assert_right(check_derivation(lambda w, k=3: w**k, "k*w**(k - 1)", 2.0), "w")
    assert_right(check_derivation(lambda w: w**2, lambda w: Value(2.0) * w, 2.0), "w")
    assert_right(check_derivation("w*x", "x", w=Value(2.0), x=np.float64(3.0)), "w")
    assert_right(
        check_derivation(math.hypot and autograd.hypot, "x1/np.hypot(x1, x2)", 2.0, 3.0), "x1"
    ) if False else None


def test_one_number_in_an_array() -> None:
    """f that gives one number in a matrix is no Jacobian; its claim may have the axes or not."""
    f = lambda W, X, y: (X @ W - y) ** 2 / 2
    given = normal(3, 1), normal(1, 3), normal(1, 1)
    assert_right(check_derivation(f, "X.T @ (X @ W - y)", *given), "W")
    assert_right(check_derivation(f, "(X.T @ (X @ W - y))[None, None]", *given), "W")
    assert_right(check_derivation(lambda w: w**2, "[2*w]", 2.0), "w")
    assert check_derivation(f, "X.T @ (y - X @ W)", *given)["W"].verdict == "wrong"


def test_names_that_the_text_of_f_assigns() -> None:
    """A claim knows them, and may be about them: with respect to a node in the middle of the graph."""
    f = "z = X @ W\nh = np.tanh(z)\nk = 3\nnp.sum(h*t)"
    given = {"X": normal(4, 3), "W": normal(3, 2), "t": normal(4, 2)}
    report = check_derivation(f, "dh = t\ndz = dh*(1 - h**2)\ndk = 1\ndW = X.T @ dz", **given)
    assert_right(report, "W", "z", "h")
    report = check_derivation(f, {"z": "t*(1 - h**2)", "h": lambda t: t}, **given)
    assert_right(report, "z", "h")
    assert_right(check_derivation(f, lambda h, t: t * (1 - h**2), **given, argnum="z"), "z")
    report = check_derivation(f, "dh = 1 - h**2\ndW = X.T @ (t*dh)", **given)
    assert report["W"].verdict == "right" and report["h"].verdict == "wrong"
    assert "dh is read as the gradient of f with respect to h" in str(report)
    changed = check_derivation(f, "dh = t*1\ndh *= 1 - h**2\ndW = X.T @ dh", **given)
    assert_right(changed, "W")  # what is changed on the way is no claim of h


def test_jacobian_at_one_number() -> None:
    """Of a function of many numbers, also at the size 1."""
    report = check_derivation(lambda x: np.exp(x), lambda x: np.diag(np.exp(x)), normal(3))
    assert_right(report, "x")
    assert "varied from 1" in str(report)
    assert check_derivation(lambda x: np.exp(x), lambda x: -np.diag(np.exp(x)), normal(3))["x"].verdict == "wrong"
    assert_right(
        check_derivation(
            lambda x: [x[0] * x[1], x[0] + 1.0, 2.0], "np.array([[x[1], x[0]], [1, 0], [0, 0]])", normal(2)
        ),
        "x",
    )


def test_a_report_does_not_depend_on_how_fast_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock leaps by a minute whenever it is looked at; and less is looked at of a large f, not of a slow one."""
    W, X = normal(2, 3), normal(4, 3)

    def loss(W, X, stride):  # type: ignore[no-untyped-def]
        return np.sum(np.tanh(X[::stride] @ W.T))

    claim = lambda W, X, stride: (1 - np.tanh(X @ W.T) ** 2).T @ X  # right for stride 1 only
    usual = str(check_derivation(loss, claim, W, X, 1))
    assert "right only for stride = 1" in " ".join(usual.split())
    clock = itertools.count(0, 60)
    for name in ("perf_counter", "monotonic", "time", "process_time"):
        monkeypatch.setattr(time, name, lambda: float(next(clock)))
    assert str(check_derivation(loss, claim, W, X, 1)) == usual
    monkeypatch.setattr(sampling, "WORK", 200)
    fewer = str(check_derivation(loss, claim, W, X, 1))
    points = [int(re.findall(r"at (\d+) points", text)[0]) for text in (fewer, usual)]
    assert points[0] < points[1] and "fewer than usual, as f has 85 nodes: give smaller arrays" in fewer
    assert "fewer" not in usual


def test_what_f_does_not_hang_on_has_no_gradient() -> None:
    assert_right(check_derivation(lambda w, x: x * 2, "0*w", 1.0, 2.0), "w")
    assert_right(check_derivation("x*2", {"w": "0", "x": "2"}, w=1.0, x=2.0), "w", "x")


# ---- errors --------------------------------------------------------------------------------------------------------

W, X, y = normal(3), normal(4, 3), normal(4)
RIGHT = "2*X.T @ (X @ W - y)"


def square(W: Any, X: Any, y: Any) -> Any:
    return np.sum((X @ W - y) ** 2)


def half_way(W: Any, X: Any, y: Any) -> Any:
    d = X @ W - y  # noqa: F841
    return {"W": X.T @ dd}  # type: ignore[name-defined] # noqa: F821


def does_not_fit(W: Any, X: Any, y: Any) -> Any:
    d = X @ W - y
    return np.dot(np.ones(17), d)


numbers = np.random.default_rng(0)
ERRORS: list[tuple[str, type, Callable[[], Any], tuple[str, ...]]] = [
    (
        "math",
        TypeError,
        lambda: check_derivation(lambda w: math.exp(w), "exp(w)", 1.0),
        ("f raised TypeError", "autograd.exp"),
    ),
    (
        "data",
        TypeError,
        lambda: check_derivation(lambda w: w.data**2, "2*w", 1.0),
        ("plain numbers (1.0)", "write np.exp(x) or autograd.exp(x)"),
    ),
    (
        "plain",
        TypeError,
        lambda: check_derivation(lambda w: 3, "2*w", 1.0),
        ("plain numbers (3)", "with the Values that it is given"),
    ),
    ("plain array", TypeError, lambda: check_derivation(lambda w: np.ones(2), "w", 1.0), ("plain numbers", "Values")),
    (
        "no return",
        TypeError,
        lambda: check_derivation(lambda w: None, "2*w", 1.0),
        ("f returned None: does it lack a return?",),
    ),
    (
        "text",
        TypeError,
        lambda: check_derivation(lambda w: "a", "2*w", 1.0),
        ("one number or an array of numbers, but returned 'a'",),
    ),
    (
        "f raises",
        ValueError,
        lambda: check_derivation(lambda W, X: X @ X @ W, "X", W, X),
        ("f raised ValueError in line", "X is 4 x 3"),
    ),
    (
        "key",
        ValueError,
        lambda: check_derivation(square, {"w": RIGHT}, W, X, y),
        ("'w', which is no argument of f: there are W, X, y; did you mean W?",),
    ),
    (
        "returned key",
        ValueError,
        lambda: check_derivation(square, lambda W, X, y: {"V": 1}, W, X, y),
        ("'V', which is no argument", "W, X, y"),
    ),
    (
        "missing key",
        ValueError,
        lambda: check_derivation(square, lambda W, X, y: {"W": W}, W, X, y, argnum=("W", "X")),
        ("keys 'W', 'X'", "lacks 'X'"),
    ),
    (
        "extra key",
        ValueError,
        lambda: check_derivation(square, {"W": RIGHT, "X": "W"}, W, X, y, argnum=0),
        ("has 'X', which argnum does not name",),
    ),
    (
        "integers",
        TypeError,
        lambda: check_derivation(square, {"y": RIGHT}, W, X, np.arange(4)),
        ("y is made of integers", "y.astype(float)"),
    ),
    (
        "integer",
        TypeError,
        lambda: check_derivation(lambda w, x: w * x, "x", 2, 3.0),
        ("w is made of integers", "pass 2.0"),
    ),
    (
        "list of integers",
        TypeError,
        lambda: check_derivation(lambda w: w[0], "w", [1, 2]),
        ("np.array(w, dtype=float)",),
    ),
    (
        "integer in code",
        TypeError,
        lambda: check_derivation("w*x", "dw = x", w=2, x=3.0),
        ("w is made of integers", "pass 2.0"),
    ),
    (
        "twice",
        ValueError,
        lambda: check_derivation(square, RIGHT, W, X, y, argnum=("W", 0)),
        ("names W twice; name each argument once",),
    ),
    (
        "twice in code",
        ValueError,
        lambda: check_derivation(square, f"dW = {RIGHT}\ngrads['W'] = dW", W, X, y),
        ("twice, as dW and as grads['W']",),
    ),
    (
        "shape",
        ValueError,
        lambda: check_derivation(square, lambda W, X, y: np.ones((2, 2)), W, X, y),
        ("the claimed gradient of W is 2 x 2, shape (2, 2), and should be 3 numbers, shape (3,)", "np.zeros_like(W)"),
    ),
    (
        "shape of both",
        ValueError,
        lambda: check_derivation(square, {"W": lambda W, X, y: np.ones((2, 2)), "y": "np.ones((2, 2))"}, W, X, y),
        ("gradient of W is 2 x 2", "Of the others was found:\nthe gradient of y is wrong", "(2, 2) instead of (4,)"),
    ),
    (
        "shape of a Jacobian",
        ValueError,
        lambda: check_derivation(lambda x: np.exp(x), lambda x: np.ones((7, 7)), normal(3)),
        ("f returns 3 numbers, and the claim is a Jacobian", "3 x 3, shape (3, 3)"),
    ),
    (
        "claim raises",
        ValueError,
        lambda: check_derivation(square, half_way, W, X, y),
        (
            "the claim raised NameError in line",
            'return {"W": X.T @ dd}',
            "did you mean d?",
            "W is 3 numbers, X is 4 x 3, y is 4 numbers, d is 4 numbers",
        ),
    ),
    (
        "claim does not fit",
        ValueError,
        lambda: check_derivation(square, does_not_fit, W, X, y),
        ("the claim raised ValueError in line", "np.dot(np.ones(17), d)"),
    ),
    (
        "one claim is None",
        TypeError,
        lambda: check_derivation(square, {"W": lambda W: None, "y": "-2*(X @ W - y)"}, W, X, y),
        ("the claim of W is None", "Of the others was found:\nthe gradient of y is right"),
    ),
    (
        "unknown name",
        ValueError,
        lambda: check_derivation(square, "2*X.T @ (X @ w - y)", W, X, y),
        ("the claim: w is not known; did you mean W?", "^"),
    ),
    (
        "unknown name in f",
        ValueError,
        lambda: check_derivation("h = x*w\nloss = h1", "x", w=1.0, x=2.0),
        ("f, line 2: h1 is not known; did you mean h?", "w, x, h"),
    ),
    (
        "None",
        TypeError,
        lambda: check_derivation(square, lambda W, X, y: None, W, X, y),
        ("the claim of W is None: does the function lack a return?",),
    ),
    (
        "complex",
        TypeError,
        lambda: check_derivation(square, lambda W, X, y: 1j * W, W, X, y),
        ("the claim of W is complex",),
    ),
    (
        "string",
        TypeError,
        lambda: check_derivation(square, lambda W, X, y: "a", W, X, y),
        ("the claim of W is 'a' of type str", "an array of numbers"),
    ),
    (
        "ragged",
        ValueError,
        lambda: check_derivation(square, lambda W, X, y: [[1.0], [1.0, 2.0]], W, X, y),
        ("lists of different lengths",),
    ),
    (
        "no target",
        ValueError,
        lambda: check_derivation(square, f"d = {RIGHT}", W, X, y),
        ("assigns no gradient: it assigns d", "write dW = ... or grads['W'] = ..."),
    ),
    (
        "other target",
        ValueError,
        lambda: check_derivation(square, f"dW = {RIGHT}", W, X, y, argnum="X"),
        ("no gradient of X", "write dX = ..."),
    ),
    (
        "unknown target",
        ValueError,
        lambda: check_derivation(square, f"grads['V'] = {RIGHT}", W, X, y),
        ("'V', which is no argument of f",),
    ),
    (
        "text by position",
        TypeError,
        lambda: check_derivation("w*x", "x", 1.0, 2.0),
        ("given by name, but 2 came by position", 'check_derivation("w*x", "x", w=0.5'),
    ),
    (
        "wrong call",
        TypeError,
        lambda: check_derivation(square, RIGHT, W),
        ("square(W: 'Any', X: 'Any', y: 'Any') does not take", "missing a required argument: 'X'"),
    ),
    (
        "not finite",
        ValueError,
        lambda: check_derivation(lambda s: -np.log((np.exp(s) / np.exp(s).sum())[1]), "s", np.array([0.0, -800.0])),
        ("f is not finite (inf)", "log of 0.0 gave -inf", "write it as the score - logsumexp(scores)"),
    ),
    (
        "not finite text",
        ValueError,
        lambda: check_derivation("p = np.exp(s)/np.sum(np.exp(s)); -np.log(p[1])", "s", s=np.array([0.0, -800.0])),
        ("f is not finite (inf)", "log of 0.0 gave -inf", "score - logsumexp(scores)"),
    ),
    (
        "steep",
        ValueError,
        lambda: check_derivation(lambda w: np.sqrt(w), "w", np.zeros(1)),
        ("a gradient of f is not finite", "sqrt of 0.0"),
    ),
    (
        "random",
        ValueError,
        lambda: check_derivation(lambda w: w * numbers.normal(), "w", 1.0),
        ("f gives other numbers each time", "pass it as an argument"),
    ),
    (
        "nothing",
        TypeError,
        lambda: check_derivation(square, None, W, X, y),
        ("the claim is None; give a function, a formula, an array or code, as in check_derivation(",),
    ),
    (
        "empty",
        ValueError,
        lambda: check_derivation(square, {}, W, X, y),
        ("the claim is an empty dict", "as in check_derivation("),
    ),
    (
        "empty returned",
        ValueError,
        lambda: check_derivation(square, lambda W, X, y: {}, W, X, y),
        ('the claim gave an empty dict; it should have gradients by name, as {"W": ...}',),
    ),
    (
        "argnum",
        ValueError,
        lambda: check_derivation(square, RIGHT, W, X, y, argnum=7),
        ("argnum=7, but f has 3 arguments: W, X, y",),
    ),
    (
        "argnum's name",
        ValueError,
        lambda: check_derivation(square, RIGHT, W, X, y, argnum="w"),
        ("argnum names 'w'", "did you mean W?"),
    ),
    (
        "argnum's type",
        TypeError,
        lambda: check_derivation(square, RIGHT, W, X, y, argnum=1.5),
        ("argnum is a position, a name or a tuple of these, got 1.5",),
    ),
    (
        "keep",
        ValueError,
        lambda: check_derivation(square, RIGHT, W, X, y, keep="w"),
        ("keep names 'w', which is no argument of f: there are W, X, y",),
    ),
    ("f", TypeError, lambda: check_derivation(3, RIGHT, W), ("f is 3; give a function of the arguments, or its text",)),
    ("no arguments", TypeError, lambda: check_derivation(lambda: 3, RIGHT), ("f is given no arguments",)),
    ("no floats", TypeError, lambda: check_derivation(lambda n: n, lambda n: {"n": 1}, 3), ("f is given no floats",)),
    (
        "a tuple",
        TypeError,
        lambda: check_derivation(square, lambda W, X, y: (W, X), W, X, y),
        ("a tuple of 2", "argnum=(0, 1)"),
    ),
    (
        "no tuple",
        ValueError,
        lambda: check_derivation(square, lambda W, X, y: W, W, X, y, argnum=(0, 1)),
        ("a tuple of 2 gradients, of W, X in this order, but gave an array, 3 numbers",),
    ),
    (
        "ragged argument",
        ValueError,
        lambda: check_derivation(lambda w: w[0][0], "w", [[1.0], [1.0, 2.0]]),
        ("w holds lists of different lengths",),
    ),
    (
        "dict argument",
        TypeError,
        lambda: check_derivation(lambda w: w["a"], "w", {"a": 1.0}),
        ("w is a dict of 1, and each parameter is an argument of its own", 'lambda a: f({"a": a})'),
    ),
    (
        "name within a dict",
        ValueError,
        lambda: check_derivation(lambda p: p["a"] * p["b"], {"a": "b"}, {"a": 1.0, "b": 2.0}),
        ("the claim names 'a': p is a dict of 2", 'check_derivation(lambda a, b: f({"a": a, "b": b}), ...)'),
    ),
    (
        "list of matrices",
        ValueError,
        lambda: check_derivation(lambda Ws: Ws[0][0, 0], "Ws", [np.ones((3, 2)), np.ones((2, 3))]),
        ("Ws is a list of 2 arrays, 3 x 2 and 2 x 3", "check_derivation(lambda W1, W2: f([W1, W2]), ...)"),
    ),
    (
        "other words",
        TypeError,
        lambda: check_derivation(lambda w, names: w, {"names": "w"}, 1.0, ["a", "b"]),
        ("names is ['a', 'b'], which has no gradient",),
    ),
    (
        "list of gradients",
        ValueError,
        lambda: check_derivation(square, lambda W, X, y: [W, X], W, X, y),
        ("the claim of W is a list of 2 arrays, 3 and 4 x 3", "a dict by name", 'argnum=("W", "b")'),
    ),
    (
        "loss and cache",
        TypeError,
        lambda: check_derivation(lambda w, x: ((w * x) ** 2, w), "2*w*x*x", 2.0, 3.0),
        ("f returned a tuple of 2; it should return the loss alone", "lambda *args: f(*args)[0]"),
    ),
    (
        "unused",
        TypeError,
        lambda: check_derivation("(w*x - y)**2", {"w": "2*(w*x - y)*x"}, w=1.0, x=2.0, y=0.0, Y=3.0),
        ("Y was given, but stands neither in f's text nor in the claim; did you mean y?",),
    ),
    ("complex argument", TypeError, lambda: check_derivation(lambda w: w, "w", 1j), ("w is complex",)),
    (
        "code for a name",
        ValueError,
        lambda: check_derivation(square, {"W": "d = X"}, W, X, y),
        ("the claim of W is code that assigns no gradient of W",),
    ),
]


@pytest.mark.parametrize(("kind", "call", "told"), [error[1:] for error in ERRORS], ids=[error[0] for error in ERRORS])
def test_error(kind: type[Exception], call: Callable[[], Any], told: tuple[str, ...]) -> None:
    with pytest.raises(kind) as caught:
        call()
    for part in told:
        assert part in str(caught.value)


def test_errors_have_their_cause() -> None:
    for claim, cause in ((half_way, NameError), (does_not_fit, ValueError)):
        with pytest.raises(ValueError, match="the claim raised") as caught:
            check_derivation(square, claim, W, X, y)
        assert type(caught.value.__cause__) is cause


# ---- the package ---------------------------------------------------------------------------------------------------


def test_numpy_is_not_imported_before_it_is_used() -> None:
    code = "import sys, autograd; assert 'numpy' not in sys.modules; autograd.check_derivation; assert 'numpy' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert "check_derivation" in autograd.__all__ and "check_derivation" in dir(autograd)
