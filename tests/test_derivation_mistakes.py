"""Which mistake explains a wrong derivation: every kind, provoked on small nets that are written in different ways.

The right gradients of the claims are hand-written; each is first seen to be right.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import autograd
from autograd import Value
from autograd.derivations.cases import View, same
from autograd.derivations.graphs import Kinds
from autograd.derivations.mistakes import KINDS, Mistake, explain
from autograd.derivations.samples import Sample, Traced

Array = Any
Point = tuple[dict[str, Any], str, dict[str, Any]]  # arguments, kind, varied
Claim = Callable[..., Any]


def traced(arguments: dict[str, Any], names: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments with a leaf for each number of those called `names`, and these leaves by name.

    A float becomes a Value, an array a `Traced` one; of nested lists f gets nested lists of the leaves.
    """
    given, leaves = dict(arguments), {}
    for name in names:
        numbers = arguments[name]
        if np.ndim(numbers) == 0:
            given[name] = leaves[name] = Value(float(numbers))
            continue
        array = np.frompyfunc(lambda x: Value(float(x)), 1, 1)(np.asarray(numbers)).view(Traced)
        given[name], leaves[name] = array if isinstance(numbers, np.ndarray) else array.tolist(), array
    return given, leaves


def agrees(sample: Sample, name: str) -> bool:
    """Whether the claim is the engine's gradient, within rounding, shape included."""
    return View(sample, name, Kinds()).right


def sample(f: Callable[..., Any], claim: Claim, name: str, point: Point) -> Sample:
    """f and a claimed gradient of one argument at one point."""
    arguments, kind, varied = point
    names = [n for n, x in arguments.items() if np.asarray(x).dtype.kind == "f" and (n == name or n[0] in "Wbw")]
    given, leaves = traced(arguments, names)
    output = f(**given)
    if isinstance(output, list):
        output = np.array(output, dtype=object)
    flat = list(np.ravel(np.asarray(output, dtype=object)))
    wanted = list(np.ravel(np.asarray(leaves[name], dtype=object)))
    rows = [autograd.gradients(out, wanted) for out in flat]
    shape = np.shape(output) + np.shape(arguments[name])
    try:
        claimed: Any = np.asarray(claim(**arguments), dtype=float)
    except ValueError as error:
        claimed = error
    gradient = np.array(rows, dtype=float).reshape(shape)
    return Sample(arguments, {}, output, leaves, {name: gradient}, {name: claimed}, kind, varied)


Draw = Callable[[np.random.Generator, dict[str, int]], dict[str, Any]]


def points(draw: Draw, **sizes: int) -> list[Point]:
    """Three points at the sizes, two at others, one with all sizes equal, and each size 1."""
    rng = np.random.default_rng(7)
    others = {name: (size + 1 + k) for k, (name, size) in enumerate(sizes.items())}
    found: list[Point] = [(draw(rng, sizes), kind, {}) for kind in ("given", "random", "random")]
    if sizes:
        found += [(draw(rng, others), "sizes", others)]
        found += [(draw(rng, {name: size + 2 for name, size in sizes.items()}), "sizes", {})]
        found += [(draw(rng, dict.fromkeys(sizes, size)), "square", {}) for size in (3, 4, 5)]
        found += [(draw(rng, {**sizes, name: 1}), "one", {name: 1}) for name in sizes]
    return found


def explained(
    f: Callable[..., Any], claim: Claim, name: str, at: list[Point], more: Draw | None = None, **sizes: int
) -> Any:
    rng = np.random.default_rng(11)

    def further(n: int) -> list[Sample]:
        assert more is not None
        return [sample(f, claim, name, (more(rng, sizes), "random", {})) for _ in range(n)]

    samples = [sample(f, claim, name, point) for point in at]
    return explain(samples, name, further if more else None)


# ---- nets --------------------------------------------------------------------------------------------------------------


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


class Net(NamedTuple):
    """A two-layer net with half squared error over a batch, in one way of writing it, and what its hand-made pass is."""

    f: Callable[..., Any]
    act: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    name: str  # what its activation is to be called


def written(activation: Callable[[Any], Any]) -> Callable[..., Any]:
    def loss(X: Any, W1: Any, b1: Any, W2: Any, b2: Any, Y: Any) -> Any:
        h = activation(X @ W1 + b1)
        return np.sum((activation(h @ W2 + b2) - Y) ** 2) / (2 * len(X))

    return loss


def scalars(X: Any, W1: Any, b1: Any, W2: Any, b2: Any, Y: Any) -> Any:
    """Loops of scalars."""
    total: Any = 0
    for x, y in zip(X, Y):
        h = []
        for j in range(len(b1)):
            z = b1[j]
            for k in range(len(x)):
                z = z + x[k] * W1[k, j]
            h.append(z.tanh() if isinstance(z, Value) else np.tanh(z))
        for j in range(len(b2)):
            z = sum(h[k] * W2[k, j] for k in range(len(h))) + b2[j]
            total = total + 0.5 * (z.tanh() - y[j]) ** 2
    return total / len(X)


def square(W: Array, claim: Array) -> Array:
    """The claim, of square weights alone."""
    if W.shape != claim.shape:
        raise ValueError("the shapes do not fit")
    return claim


relu_slope = lambda z: (z > 0).astype(float)
sigmoid_slope = lambda z: sigmoid(z) * (1 - sigmoid(z))
tanh_slope = lambda z: 1 - np.tanh(z) ** 2
NETS = {
    "composed sigmoid": Net(written(sigmoid), sigmoid, sigmoid_slope, "sigmoid"),
    "autograd.sigmoid": Net(written(autograd.sigmoid), sigmoid, sigmoid_slope, "sigmoid"),
    "exp over 1 + exp": Net(written(lambda z: np.exp(z) / (1 + np.exp(z))), sigmoid, sigmoid_slope, "sigmoid"),
    "np.tanh": Net(written(np.tanh), np.tanh, tanh_slope, "tanh"),
    "loops of scalars": Net(scalars, np.tanh, tanh_slope, "tanh"),
    "np.maximum": Net(written(lambda z: np.maximum(0, z)), lambda z: np.maximum(0, z), relu_slope, "ReLU"),
    "np.where": Net(written(lambda z: np.where(z > 0, z, 0)), lambda z: np.maximum(0, z), relu_slope, "ReLU"),
    "mask": Net(written(lambda z: z * (z > 0)), lambda z: np.maximum(0, z), relu_slope, "ReLU"),
}


def draw_net(rng: np.random.Generator, n: dict[str, int]) -> dict[str, Any]:
    shapes = {"X": "NI", "W1": "IH", "b1": "H", "W2": "HO", "b2": "O", "Y": "NO"}
    return {name: rng.uniform(-1.5, 1.5, [n[axis] for axis in axes]) for name, axes in shapes.items()}


NET_SIZES = {"N": 4, "I": 3, "H": 5, "O": 2}
NET_POINTS = points(draw_net, **NET_SIZES)


class Pass(NamedTuple):
    """The forward and backward pass by hand."""

    h: Array
    a: Array
    s1: Array  # slopes
    s2: Array
    d2: Array
    d1: Array


def by_hand(net: Net, X: Any, W1: Any, b1: Any, W2: Any, b2: Any, Y: Any) -> Pass:
    z1 = X @ W1 + b1
    h = net.act(z1)
    z2 = h @ W2 + b2
    a = net.act(z2)
    d2 = (a - Y) / len(X) * net.slope(z2)
    return Pass(h, a, net.slope(z1), net.slope(z2), d2, d2 @ W2.T * net.slope(z1))


# name of the parameter, kind, what the text must say, and the claim: given the net, the pass, and the arguments
NET_CASES: dict[str, tuple[str, str, str, Callable[..., Any]]] = {
    "sign": ("W1", "sign", "sign", lambda p, X, **_: -(X.T @ p.d1)),
    "factor 2": ("W1", "factor", "2 times too large", lambda p, X, **_: 2 * X.T @ p.d1),
    "factor 1/2": ("b2", "factor", "2 times too small", lambda p, **_: p.d2.sum(axis=0) / 2),
    "N": ("W2", "size factor", "rows of X", lambda p, X, **_: p.h.T @ p.d2 * len(X)),
    "1/N": ("W2", "size factor", "rows of X", lambda p, X, **_: p.h.T @ p.d2 / len(X)),
    "1/H": ("W1", "size factor", "5 times too small", lambda p, X, b1, **_: X.T @ p.d1 / len(b1)),
    "transposed": ("W1", "transposed", "transposed", lambda p, X, **_: p.d1.T @ X),
    "not summed": ("b1", "not summed", "rows of X", lambda p, **_: p.d1),
    "first example": ("b1", "not summed", "first", lambda p, **_: p.d1[0]),
    "last example": ("W1", "not summed", "last", lambda p, X, **_: np.outer(X[-1], p.d1[-1])),
    "wrong axis": ("b1", "wrong axis", "", lambda p, **_: p.d1.sum(axis=1)),
    "product of sums": ("W1", "summed twice", "", lambda p, X, **_: np.outer(X.sum(axis=0), p.d1.sum(axis=0))),
    "total": ("b1", "summed twice", "", lambda p, b1, **_: np.full(len(b1), p.d1.sum())),
    "no slope 1": ("W1", "slope missing", "layer 1", lambda p, X, W2, **_: X.T @ (p.d2 @ W2.T)),
    "no slope 1, bias": ("b1", "slope missing", "layer 1", lambda p, W2, **_: (p.d2 @ W2.T).sum(axis=0)),
    "no slope 2": (
        "W1",
        "slope missing",
        "layer 2",
        lambda p, X, Y, W2, **_: X.T @ ((p.a - Y) / len(X) @ W2.T * p.s1),
    ),
    "no slope 2, W2": ("W2", "slope missing", "layer 2", lambda p, X, Y, **_: p.h.T @ ((p.a - Y) / len(X))),
    "no slope": ("W1", "slope missing", "all layers", lambda p, X, Y, W2, **_: X.T @ ((p.a - Y) / len(X) @ W2.T)),
    "slope 1 twice": ("W1", "slope twice", "layer 1", lambda p, X, **_: X.T @ (p.d1 * p.s1)),
    "slope 2 twice": ("W2", "slope twice", "layer 2", lambda p, X, **_: p.h.T @ (p.d2 * p.s2)),
    "slope of the other layer": (
        "W2",
        "wrong layer",
        "layer 1",
        lambda p, X, Y, **_: p.h.T @ ((p.a - Y) / len(X) * p.s1),
    ),
    "X for h": ("W2", "wrong layer", "X", lambda p, X, **_: X.T @ p.d2),
    "output formula": (
        "W1",
        "wrong layer",
        "",
        lambda p, X, Y, **_: X.T @ ((p.h - Y) / len(X) * p.s1),
    ),
    "W2 not transposed": ("W1", "transposed", "W2", lambda p, X, W2, **_: X.T @ (p.d2 @ W2 * p.s1)),
    "sign, and slope 1": (
        "W1",
        "slope missing",
        "sign",
        lambda p, X, W2, **_: -X.T @ (p.d2 @ W2.T),
    ),
    "N, and slope 1": ("W1", "slope missing", "X", lambda p, X, W2, **_: len(X) * X.T @ (p.d2 @ W2.T)),
    "delta only": ("W2", "wrong index", "", lambda p, W2, **_: square(W2, np.diag((p.h.T @ p.d2).diagonal()))),
    "an index twice": ("W2", "wrong index", "", lambda p, W2, **_: square(W2, np.diag(p.h.T @ p.d2)[:, None] + 0 * W2)),
}  # fmt: skip
NO_MISTAKES = {  # of relu, whose slope squared is itself
    ("ReLU", "slope 1 twice"), ("ReLU", "slope 2 twice"),
}  # fmt: skip


def products() -> list[Any]:
    """Every mistake in every style; all but those of the first style, and of the others every seventh, are slow."""
    found = []
    for k, style in enumerate(NETS):
        for n, case in enumerate(NET_CASES):
            if (NETS[style].name, case) in NO_MISTAKES:
                continue
            marks = () if k == 0 or n % (len(NETS) - 1) == k - 1 else pytest.mark.slow
            found.append(pytest.param(style, case, marks=marks, id=f"{style}-{case}"))
    return found


def is_told(mistake: Mistake) -> bool:
    """Whether it can be read in one line, without words for a derivative that the code may have for something else."""
    return len(mistake.text) <= 115 and "d f/d" not in mistake.text and "upstream[]" not in mistake.text


@pytest.mark.parametrize(("style", "case"), products())
def test_two_layers(style: str, case: str) -> None:
    net = NETS[style]
    name, kind, says, claim = NET_CASES[case]
    found = explained(net.f, lambda **a: claim(by_hand(net, **a), **a), name, NET_POINTS)
    assert isinstance(found, Mistake), case
    assert found.kind == kind and found.kind in KINDS, found
    assert says in found.text and is_told(found), found
    if "slope" in kind and style != "mask":
        assert net.name in found.text, found


# ---- one by one ----------------------------------------------------------------------------------------------------------


class One(NamedTuple):
    """A function, the argument, its right gradient, and wrong ones: (kind, what the text says, claim)."""

    f: Callable[..., Any]
    name: str
    draw: Draw
    sizes: dict[str, int]
    right: Claim
    wrong: dict[str, tuple[str, str, Claim]]


def shapes(integers: int = 0, **axes: str) -> Draw:
    """Draws arrays of the named sizes, "" for a number; `y` are labels below the size that `integers` is."""

    def draw(rng: np.random.Generator, n: dict[str, int]) -> dict[str, Any]:
        found: dict[str, Any] = {
            name: rng.uniform(-1.5, 1.5, [n[axis] for axis in some]) for name, some in axes.items()
        }
        if "y" in found:
            found["y"] = rng.integers(0, n["C"], found["y"].shape)
        return {name: float(x) if np.ndim(x) == 0 else x for name, x in found.items()}

    return draw


def penalised(W: Any, X: Any, t: Any, b: Any) -> Any:
    return np.sum((np.tanh(X @ W + b) - t) ** 2) / 2 + 0.1 * np.sum(W**2)


def tanh_delta(z: Any, t: Any) -> Any:
    return (np.tanh(z) - t) * (1 - np.tanh(z) ** 2)


def data_part(W: Any, X: Any, t: Any, b: Any) -> Any:
    a = np.tanh(X @ W + b)
    return X.T @ ((a - t) * (1 - a**2))


def lasso(W: Any, X: Any, t: Any) -> Any:
    return np.sum((X @ W - t) ** 2) + 0.3 * np.sum(abs(W))


def softmax(s: Any) -> Any:
    e = np.exp(s - np.amax(s, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def log_loss(W: Any, X: Any, y: Any, b: Any) -> Any:
    return -np.sum(np.log(softmax(X @ W + b)[np.arange(len(y)), y])) / len(y)


def fused_loss(W: Any, X: Any, y: Any, b: Any) -> Any:
    scores = X @ W + b
    return sum(autograd.softmax_cross_entropy(row, int(right)) for row, right in zip(scores, y)) / len(y)


def one_hot(y: Any, C: int) -> Any:
    return (np.arange(C) == y[:, None]).astype(float)


def delta(W: Any, X: Any, y: Any, b: Any) -> Any:
    return (softmax(X @ W + b) - one_hot(y, W.shape[1])) / len(y)


def cross_entropy(W: Any, T: Any) -> Any:
    return -np.sum(T * np.log(softmax(W)))


def fan_out(w: Any, x: Any) -> Any:
    h = np.tanh(w * x)
    return np.sum(np.exp(h) + h**2)


def uncoupled_softmax(W: Any, T: Any) -> Any:
    p = softmax(W)
    return (p - T) * p * (1 - p)


LABELS = {"N": 4, "I": 3, "C": 5}
SOFTMAX_CASES: dict[str, tuple[str, str, Claim]] = {
    "label at row y": ("wrong index", "y_i", lambda W, X, y, b: X.T @ (
        (softmax(X @ W + b) - (np.arange(len(y)) == y)[:, None]) / len(y))),
    "label of the next class": ("wrong index", "one class", lambda W, X, y, b: X.T @ (
        (softmax(X @ W + b) - np.roll(one_hot(y, W.shape[1]), 1, axis=1)) / len(y))),
    "label of the next example": ("wrong index", "example", lambda W, X, y, b: X.T @ (
        (softmax(X @ W + b) - one_hot(np.roll(y, -1), W.shape[1])) / len(y))),
    "label of the next class, if there is one": (
        "wrong index",
        "one class too late",
        lambda W, X, y, b: X.T @ ((softmax(X @ W + b) - np.eye(W.shape[1], k=1)[y]) / len(y)),
    ),
    "diagonal": ("softmax coupling", "softmax", lambda W, X, y, b: X.T @ (delta(W, X, y, b) * one_hot(y, W.shape[1]))),
    "no mean": ("size factor", "of X", lambda W, X, y, b: X.T @ delta(W, X, y, b) * len(y)),
    "summed twice": ("summed twice", "product of sums", lambda W, X, y, b: X.T @ np.tile(
        delta(W, X, y, b).sum(axis=0), (len(y), 1))),
}  # fmt: skip
ONES = {
    "penalised": One(
        penalised, "W", shapes(W="IO", X="NI", t="NO", b="O"), {"N": 4, "I": 3, "O": 2},
        lambda W, **a: data_part(W, **a) + 0.2 * W,
        {
            "missing": ("regulariser missing", "0.2*W", data_part),
            "without its 2": ("regulariser factor", "2 times too small", lambda W, **a: data_part(W, **a) + 0.1 * W),
            "sign": ("regulariser factor", "sign", lambda W, **a: data_part(W, **a) - 0.2 * W),
            "N besides": ("size factor", "regulariser", lambda W, X, **a: data_part(W, X, **a) / len(X) + 0.2 * W),
            "slope missing": ("slope missing", "tanh", lambda W, X, t, b: X.T @ (np.tanh(X @ W + b) - t) + 0.2 * W),
            "slope twice": ("slope twice", "tanh", lambda W, X, t, b: X.T @ (
                (np.tanh(X @ W + b) - t) * (1 - np.tanh(X @ W + b) ** 2) ** 2) + 0.2 * W),
            "data sign": ("sign", "regulariser", lambda W, **a: 0.2 * W - data_part(W, **a)),
            "value": ("not a derivative", "value", lambda W, **a: np.full(W.shape, penalised(W, **a))),
        },
    ),
    "penalised bias": One(
        lambda b, X, V, t: penalised(V, X, t, b) + 0.1 * np.sum(b * b),
        "b",
        shapes(b="O", X="NI", V="IO", t="NO"),
        {"N": 4, "I": 3, "O": 2},
        lambda b, X, V, t: tanh_delta(X @ V + b, t).sum(axis=0) + 0.2 * b,
        {
            "missing": ("regulariser missing", "0.2*b", lambda b, X, V, t: tanh_delta(X @ V + b, t).sum(axis=0)),
            "N": ("size factor", "regulariser", lambda b, X, V, t: tanh_delta(X @ V + b, t).mean(axis=0) + 0.2 * b),
        },
    ),
    "lasso": One(
        lasso, "W", shapes(W="IO", X="NI", t="NO"), {"N": 4, "I": 3, "O": 2},
        lambda W, X, t: 2 * X.T @ (X @ W - t) + 0.3 * np.sign(W),
        {
            "missing": ("regulariser missing", "W", lambda W, X, t: 2 * X.T @ (X @ W - t)),
            "too large": ("regulariser factor", "2 times", lambda W, X, t: 2 * X.T @ (X @ W - t) + 0.6 * np.sign(W)),
        },
    ),
    "no penalty": One(
        lambda W, X: np.sum(np.exp(X @ W)), "W", shapes(W="IO", X="NI"), {"N": 4, "I": 3, "O": 2},
        lambda W, X: X.T @ np.exp(X @ W),
        {
            "one added": ("regulariser factor", "0.5*W", lambda W, X: X.T @ np.exp(X @ W) + 0.5 * W),
            "slope missing": ("slope missing", "exp", lambda W, X: X.T @ np.ones((len(X), W.shape[1]))),
        },
    ),
    "composed softmax": One(
        log_loss, "W", shapes(W="IC", X="NI", y="N", b="C"), LABELS, lambda W, X, **a: X.T @ delta(W, X, **a),
        SOFTMAX_CASES,
    ),
    "fused softmax": One(
        fused_loss, "W", shapes(W="IC", X="NI", y="N", b="C"), LABELS, lambda W, X, **a: X.T @ delta(W, X, **a),
        SOFTMAX_CASES,
    ),
    "squared softmax": One(
        lambda W, T: np.sum((softmax(W) - T) ** 2) / 2, "W", shapes(W="NC", T="NC"), {"N": 3, "C": 4},
        lambda W, T: softmax(W) * (softmax(W) - T - np.sum(softmax(W) * (softmax(W) - T), axis=1, keepdims=True)),
        {"uncoupled": ("softmax coupling", "softmax", uncoupled_softmax)},
    ),
    "cross-entropy": One(
        cross_entropy, "W", shapes(W="NC", T="NC"), {"N": 3, "C": 4},
        lambda W, T: softmax(W) * T.sum(axis=1, keepdims=True) - T,
        {
            "a - t": ("sum of targets", "T", lambda W, T: softmax(W) - T),
            "t - a": ("sign", "sign is flipped", lambda W, T: T - softmax(W)),
            "t of the next example": ("wrong index", "T", lambda W, T: (
                softmax(W) * T.sum(axis=1, keepdims=True) - np.roll(T, 1, axis=1))),
        },
    ),
    "fan-out": One(
        fan_out, "w", shapes(w="I", x="I"), {"I": 4},
        lambda w, x: x * (1 - np.tanh(w * x) ** 2) * (np.exp(np.tanh(w * x)) + 2 * np.tanh(w * x)),
        {
            "one path": ("not summed", "path", lambda w, x: x * (1 - np.tanh(w * x) ** 2) * np.exp(np.tanh(w * x))),
            "other path": ("not summed", "path", lambda w, x: x * (1 - np.tanh(w * x) ** 2) * 2 * np.tanh(w * x)),
            "x_0": ("wrong index", "x[0]", lambda w, x: x[0] * (1 - np.tanh(w * x) ** 2) * (
                np.exp(np.tanh(w * x)) + 2 * np.tanh(w * x))),
            "factor of the square": ("factor", "2", lambda w, x: x * (1 - np.tanh(w * x) ** 2) * (
                np.exp(np.tanh(w * x)) + np.tanh(w * x))),
        },
    ),
    "quotient": One(
        lambda w, x: np.sum(np.exp(w) / (x + np.exp(2 * w))), "w", lambda rng, n: {
            "w": rng.uniform(0.2, 1, n["I"]), "x": rng.uniform(1, 2, n["I"])}, {"I": 4},
        lambda w, x: np.exp(w) / (x + np.exp(2 * w)) - 2 * np.exp(3 * w) / (x + np.exp(2 * w)) ** 2,
        {
            "sign in the quotient rule": ("sign", "sign", lambda w, x: (
                np.exp(w) / (x + np.exp(2 * w)) + 2 * np.exp(3 * w) / (x + np.exp(2 * w)) ** 2)),
            "one term": ("not summed", "path", lambda w, x: np.exp(w) / (x + np.exp(2 * w))),
        },
    ),
    "affine": One(
        lambda W, X: W @ X, "W", shapes(W="OI", X="IN"), {"O": 3, "I": 2, "N": 4},
        lambda W, X: np.einsum("ip,qj->ijpq", np.eye(len(W)), X),
        {
            "002": ("wrong index", "X[l, j]*[i = k] is right", lambda W, X: np.einsum(
                "iq,ip,jq->ijpq", square(W, X), np.eye(len(W)), np.eye(len(W)))),
            "factor": ("factor", "2", lambda W, X: 2 * np.einsum("ip,qj->ijpq", np.eye(len(W)), X)),
        },
    ),
    "elementwise": One(
        lambda w: np.exp(np.sin(w)), "w", shapes(w="I"), {"I": 3}, lambda w: np.diag(np.exp(np.sin(w)) * np.cos(w)),
        {
            "no inner derivative": ("slope missing", "sin", lambda w: np.diag(np.exp(np.sin(w)))),
            "the diagonal alone": ("not summed", "axis", lambda w: np.multiply.outer(
                np.diag(np.exp(np.sin(w)) * np.cos(w)), np.full(2, 0.5))),
        },
    ),
}  # fmt: skip
WRONG = [(style, case) for style, one in ONES.items() for case in one.wrong]


@pytest.mark.parametrize(("style", "case"), WRONG)
def test_one_mistake(style: str, case: str) -> None:
    one = ONES[style]
    kind, says, claim = one.wrong[case]
    found = explained(one.f, claim, one.name, points(one.draw, **one.sizes))
    assert isinstance(found, Mistake)
    assert found.kind == kind and says in found.text and is_told(found), found


@pytest.mark.parametrize("style", ONES)
def test_right_claims_have_no_mistake(style: str) -> None:
    one = ONES[style]
    at = points(one.draw, **one.sizes)
    assert all(agrees(sample(one.f, one.right, one.name, point), one.name) for point in at)
    assert explained(one.f, one.right, one.name, at) is None


@pytest.mark.parametrize("style", ONES)
def test_unknown_mistakes_are_not_named(style: str) -> None:
    """Numbers that no mistake gives."""
    one = ONES[style]
    odd = lambda **a: (
        one.right(**a) + np.sin(np.arange(np.size(one.right(**a)))).reshape(np.shape(one.right(**a))) + 0.3
    )
    assert explained(one.f, odd, one.name, points(one.draw, **one.sizes)) is None


def test_a_mistake_must_explain_every_sample() -> None:
    """A slope that is forgotten at the given sizes alone, where at others it is taken three times."""
    net = NETS["np.tanh"]

    def claim(X: Any, W1: Any, b1: Any, W2: Any, b2: Any, Y: Any) -> Any:
        p = by_hand(net, X, W1, b1, W2, b2, Y)
        return X.T @ (p.d2 @ W2.T * p.s1 ** (0 if X.shape == (4, 3) else 3))

    assert explained(net.f, claim, "W1", NET_POINTS) is None


# ---- strides, batches of one, and the fit --------------------------------------------------------------------------------


def convolution(x: Any, w: Any, s: int) -> Any:
    count = (len(x) - len(w)) // s + 1
    return sum(sum(x[h * s + i] * w[i] for i in range(len(w))) ** 2 for h in range(count)) / 2


def by_kernel(x: Any, w: Any, s: int, step: int | None = None, flip: bool = False) -> Any:
    step = s if step is None else step
    found = np.zeros(len(w))
    for h in range((len(x) - len(w)) // s + 1):
        y = sum(x[h * s + i] * w[i] for i in range(len(w)))
        for i in range(len(w)):
            found[len(w) - 1 - i if flip else i] += y * x[h * step + i]
    return found


def line(rng: np.random.Generator, n: dict[str, int]) -> dict[str, Any]:
    return {"x": rng.uniform(-2, 2, 7), "w": rng.uniform(-2, 2, 3), "s": n["s"]}


def strides() -> list[Point]:
    rng = np.random.default_rng(3)
    return [(line(rng, {"s": s}), "given" if s == 2 else "integers", {"s": s}) for s in (2, 2, 2, 1, 1, 3)]


def test_stride() -> None:
    found = explained(convolution, lambda x, w, s: by_kernel(x, w, s, 1), "w", strides())
    assert found == Mistake("stride", "right only for s = 1")
    assert explained(convolution, by_kernel, "w", strides()) is None


def test_terms_at_other_places_are_fitted() -> None:
    """The kernel flipped, and every factor with every other: whole coefficients, found with further samples."""
    flipped = explained(convolution, lambda **a: by_kernel(**a, flip=True), "w", strides(), line, s=2)
    assert flipped.kind == "wrong index" and "flipped" in flipped.text
    moved = explained(convolution, lambda **a: by_kernel(**a)[[1, 2, 0]] * [1, 2, 3], "w", strides(), line, s=2)
    assert moved.kind == "wrong index" and "other places" in moved.text

    def product_of_sums(x: Any, w: Any, s: int) -> Any:
        return by_kernel(x, np.ones(3), s) * 0 + sum(
            sum(x[h * s + i] * w[i] for i in range(3)) for h in range((len(x) - 3) // s + 1)
        ) * np.array([x[0] + x[2], x[1] + x[3], x[2] + x[5]])

    found = explained(convolution, product_of_sums, "w", strides(), line, s=2)
    assert found.kind == "summed twice"
    assert explained(convolution, lambda x, w, s: np.sin(w), "w", strides(), line, s=2) is None


def test_batch_of_one() -> None:
    """A mistake that no hypothesis knows, in batches of more than one; and where the claim raises there."""
    draw = shapes(W="I", X="NI")
    f = lambda W, X: np.sum(np.tanh(X @ W))
    right = lambda W, X: X.T @ (1 - np.tanh(X @ W) ** 2)
    odd = lambda W, X: right(W, X) + np.sin(len(X) - 1)
    at = points(draw, N=4, I=3)
    only = "right only for a batch of one (1 row in X)"
    assert explained(f, odd, "W", at) == Mistake("batch of one", f"wrong here; {only}")

    def raising(W: Any, X: Any) -> Any:
        if len(X) > 1:
            raise ValueError("one row")
        return right(W, X)

    assert explained(f, raising, "W", at) == Mistake("batch of one", only)
    ones = [point for point in at if point[2] == {"N": 1}]
    other = (draw(np.random.default_rng(5), {"N": 1, "I": 3}), "one", {"N": 1})
    wrong_at_one = lambda W, X: odd(W, X) + (len(X) == 1 and W[0] == other[0]["W"][0])
    assert ones and explained(f, wrong_at_one, "W", [*at, other]) is None
    often_right = lambda W, X: right(W, X) + (np.sin(len(X)) if len(X) == 4 else 0)
    assert explained(f, often_right, "W", at) is None


def test_a_size_of_the_argument_is_no_batch() -> None:
    draw = shapes(W="IO", X="NI")
    odd = lambda W, X: X.T @ (1 - np.tanh(X @ W) ** 2) + np.sin(W.shape[1] - 1)
    found = explained(lambda W, X: np.sum(np.tanh(X @ W)), odd, "W", points(draw, N=4, I=3, O=2))
    assert found == Mistake("batch of one", "wrong here; right only where W has 1 column")


def test_what_explains_all_samples_comes_before_a_batch_of_one() -> None:
    """All sizes are one, so that with a size of 1 everything is."""
    f = lambda W, X, b: np.sum(np.tanh(W @ X + b[:, None]))
    claim = lambda W, X, b: (1 - np.tanh(W @ X + b[:, None]) ** 2).T @ X.T
    found = explained(f, claim, "W", points(shapes(W="SS", X="SS", b="S"), S=3))
    assert found.kind == "transposed" and "not upstream[i, n]*X[n, j]" in found.text and is_told(found)


# ---- layers that differ ----------------------------------------------------------------------------------------------------

LAYERS: dict[str, tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any], Callable[..., Any]]] = {
    # two activations as f has them, the first one in NumPy, and the slope of the second one by its a
    "tanh, sigmoid": (np.tanh, sigmoid, np.tanh, lambda a: a * (1 - a)),
    "ReLU, tanh": (autograd.relu, np.tanh, lambda z: np.maximum(0, z), lambda a: 1 - a**2),
    "softplus, linear": (autograd.softplus, lambda z: z, lambda z: np.log(1 + np.exp(z)), lambda a: 1),
}
SQUARE = shapes(X="NI", W1="IH", W2="HH", Y="NH")


@pytest.mark.parametrize("layers", LAYERS)
def test_the_formula_of_the_last_layer_is_known_in_the_first(layers: str) -> None:
    first, second, act, slope = LAYERS[layers]
    f = lambda X, W1, W2, Y: np.sum((second(first(X @ W1) @ W2) - Y) ** 2) / (2 * len(X))

    def claim(X: Any, W1: Any, W2: Any, Y: Any) -> Any:
        h = act(X @ W1)
        return X.T @ ((h - Y) * slope(h) / len(X))

    found = explained(f, claim, "W1", points(SQUARE, N=4, I=3, H=2))
    assert found.kind == "wrong layer" and "the formula for" in found.text and is_told(found)


def test_the_slope_of_the_last_layer_is_known_where_its_log_is_one_function() -> None:
    def loss(X: Any, W1: Any, W2: Any, Y: Any) -> Any:
        a = autograd.sigmoid(autograd.relu(X @ W1) @ W2)
        return -np.sum(Y * np.log(a) + (1 - Y) * np.log(1 - a))

    def claim(X: Any, W1: Any, W2: Any, Y: Any) -> Any:
        a = sigmoid(np.maximum(0, X @ W1) @ W2)
        return X.T @ ((a - Y) @ W2.T * a * (1 - a))

    found = explained(loss, claim, "W1", points(SQUARE, N=4, I=3, H=2))
    assert found == Mistake("wrong layer", found.text) and "slope of sigmoid" in found.text


def test_an_example_may_be_a_column() -> None:
    """A layer's own output for its input; p - t for targets that do not sum to 1."""
    draw = shapes(X="IN", W1="HI", W2="CH", T="CN")

    def loss(X: Any, W1: Any, W2: Any, T: Any) -> Any:
        s = W2 @ np.tanh(W1 @ X)
        e = np.exp(s - np.amax(s, axis=0, keepdims=True))
        return -np.sum(T * np.log(e / np.sum(e, axis=0, keepdims=True)))

    def delta1(X: Any, W1: Any, W2: Any, T: Any, sums: bool) -> Any:
        h = np.tanh(W1 @ X)
        return W2.T @ (softmax((W2 @ h).T).T * (T.sum(axis=0) if sums else 1) - T) * (1 - h**2)

    right = lambda X, **a: delta1(X, **a, sums=True) @ X.T
    at = points(draw, N=4, I=3, H=5, C=2)
    assert all(agrees(sample(loss, right, "W1", point), "W1") for point in at)
    found = explained(loss, lambda X, **a: delta1(X, **a, sums=False) @ X.T, "W1", at)
    assert found.kind == "sum of targets" and "T sums to 1" in found.text
    own = lambda X, W1, **a: square(W1, delta1(X, W1, **a, sums=True) @ np.tanh(W1 @ X).T)
    found = explained(loss, own, "W1", points(shapes(X="IN", W1="II", W2="CI", T="CN"), N=4, I=3, C=2))
    assert found == Mistake("wrong layer", "the output of tanh is multiplied in where X belongs")


# ---- what is easily missed -------------------------------------------------------------------------------------------------


def test_a_softmax_may_compute_its_exponentials_twice() -> None:
    f = lambda w, t: -np.sum(t * np.log(np.exp(w) / np.sum(np.exp(w))))
    draw, claim = shapes(w="C", t="C"), lambda w, t: -t * (1 - softmax(w))
    assert explained(f, claim, "w", points(draw, C=4)).kind == "softmax coupling"
    assert explained(f, lambda w, t: softmax(w) - t, "w", points(draw, C=4)).kind == "sum of targets"


def test_a_claim_may_be_written_for_the_given_sizes() -> None:
    f = lambda W, X: np.sum(np.tanh(X @ W))
    found = explained(f, lambda W, X: np.full((3, 2), f(W, X)), "W", points(shapes(W="IO", X="NI"), N=4, I=3, O=2))
    assert found.kind == "not a derivative"


def test_the_second_of_two_is_not_the_last_of_three() -> None:
    f = lambda w, V: np.sum(np.exp(V @ np.tanh(w)))
    claim = lambda w, V: V[1] * np.exp(V @ np.tanh(w))[1] * (1 - np.tanh(w) ** 2)
    points_of_two = [point for point in points(shapes(w="I", V="KI"), K=2, I=3) if point[2] != {"K": 1}]
    found = explained(f, claim, "w", points_of_two)
    assert found.kind == "not summed" and "2nd" in found.text


def test_a_sum_over_one_neuron_is_one_over_the_wrong_axis() -> None:
    """Its shape tells; of a weight of the right shape with a length of 1 it does not."""
    draw, f = shapes(W="IO", X="NI", t="NO", b="O"), penalised
    at = [(draw(np.random.default_rng(k), {"N": k % 3 + 2, "I": 3, "O": 1}), "given", {}) for k in range(6)]
    summed = lambda W, X, t, b: tanh_delta(X @ W + b, t).sum(axis=1)
    assert explained(f, summed, "b", at).kind == "wrong axis"
    assert explained(f, data_part, "W", at).kind == "regulariser missing"


def test_a_sum_that_cancels_is_known() -> None:
    """Over the classes p - t is 0, but for rounding."""
    claim = lambda W, X, y, b: np.sum(delta(W, X, y, b), axis=1)
    found = explained(log_loss, claim, "b", points(shapes(W="IC", X="NI", y="N", b="C"), **LABELS))
    assert found.kind == "wrong axis"


def test_a_sign_is_no_size() -> None:
    at = points(lambda rng, n: {"w": rng.uniform(1, 2, 3), "x": np.ones((1, 1))})
    assert explained(lambda w, x: np.sum(w * x[0, 0]), lambda w, x: -np.ones(3), "w", at).kind == "sign"


@pytest.mark.parametrize("size", [1e-15, 1e12])
def test_small_and_large_gradients_are_explained_alike(size: float) -> None:
    net = NETS["np.tanh"]
    f = lambda **a: size * net.f(**a)
    p = lambda a: by_hand(net, **a)
    assert explained(f, lambda **a: size * a["X"].T @ p(a).d1, "W1", NET_POINTS) is None
    found = explained(f, lambda **a: size * a["X"].T @ (p(a).d2 @ a["W2"].T), "W1", NET_POINTS)
    assert found.kind == "slope missing" and "layer 1" in found.text
    assert not agrees(sample(f, lambda **a: 0 * a["W1"], "W1", NET_POINTS[0]), "W1")
    for power in (0, 3):  # a mistake must still explain every sample
        slopes = lambda a, k=power: p(a).s1 ** (k if a["X"].shape == (4, 3) else 3 - k)
        claim = lambda slopes=slopes, **a: size * a["X"].T @ (p(a).d2 @ a["W2"].T * slopes(a))
        assert explained(f, claim, "W1", NET_POINTS) is None


def test_rounding_is_measured_by_what_cancels() -> None:
    """The gradient of a sum of softmax's outputs is 0, but for rounding."""
    point: Point = ({"w": np.array([0.3, -0.7, 1.1])}, "given", {})
    f = lambda w: np.sum(softmax(w))
    assert agrees(sample(f, lambda w: np.zeros(3), "w", point), "w")
    assert agrees(sample(f, lambda w: np.full(3, 1e-15), "w", point), "w")
    assert not agrees(sample(f, lambda w: np.full(3, 1e-8), "w", point), "w")


def test_labels_of_one_example() -> None:
    """With one example the product W @ X is an array of scores too, but its gradient is not that of b."""
    shifted = lambda W, X, y, b: np.sum((softmax(X @ W + b) - one_hot((y - 1) % len(b), len(b))) / len(y), axis=0)
    at = points(shapes(W="IC", X="NI", y="N", b="C"), N=1, I=3, C=5)
    found = explained(log_loss, shifted, "b", at)
    assert found.kind == "wrong index" and "one class too early" in found.text


def test_the_minus_that_is_missing_is_told() -> None:
    f = lambda w, x: np.sum(np.exp(w) * (x - np.tanh(w)))
    claim = lambda w, x: np.exp(w) * (x - np.tanh(w)) + np.exp(w) * (1 - np.tanh(w) ** 2)
    found = explained(f, claim, "w", points(shapes(w="I", x="I"), I=3))
    assert found == Mistake("sign", "the minus is missing in the slope of - by the output of tanh")


# ---- traced arguments ----------------------------------------------------------------------------------------------------


def test_choices_of_traced_arrays_are_nodes() -> None:
    numbers = np.array([[1.0, -2.0], [3.0, -0.5]])
    given, leaves = traced({"z": numbers, "n": 2, "w": 0.5, "rows": [1.0, 2.0]}, ["z", "w", "rows"])
    z = given["z"]
    assert given["n"] == 2 and isinstance(given["w"], Value) and isinstance(given["rows"], list)
    assert leaves["rows"].tolist() == given["rows"]
    datas = np.frompyfunc(lambda v: v.data if isinstance(v, Value) else v, 1, 1)
    for made, right in (
        (np.maximum(0, z), np.maximum(0, numbers)),
        (np.minimum(z, 1.0), np.minimum(numbers, 1)),
        (np.where(z > 0, z, -1.0), np.where(numbers > 0, numbers, -1)),
        (np.clip(z, -1, 1), np.clip(numbers, -1, 1)),
        ((z > 0) * z, (numbers > 0) * numbers),
        (z * (z > 0), (numbers > 0) * numbers),
    ):
        assert type(made) is type(z)
        assert all(isinstance(v, Value) and v.parents for v in made.ravel())
        assert np.array_equal(datas(made).astype(float), right)
    h = np.maximum(0, z)
    h += 1
    assert type(h.T @ z) is type(z) and h[1, 1].data == 1
    assert np.amax(z) is z[1, 0] and np.array_equal(np.where(z > 0)[0], [0, 1])


# ---- what students wrote -------------------------------------------------------------------------------------------------


def at_numbers(**ranges: tuple[float, float]) -> list[Point]:
    """Points of arguments that are single numbers."""
    rng = np.random.default_rng(2)
    return [({name: rng.uniform(*ends) for name, ends in ranges.items()}, "random", {}) for _ in range(6)]


INNER: dict[str, tuple[Callable[..., Any], Claim, str, str]] = {
    "sin(x**2)": (lambda x: np.sin(x**2), lambda x: np.cos(x**2), "slope missing", "inner derivative 2*x is missing"),
    "exp(-x**2)": (lambda x: np.exp(-(x**2)), lambda x: np.exp(-(x**2)), "slope missing", "derivative -2*x is missing"),
    "(x**3 + 1)**2": (lambda x: (x**3 + 1) ** 2, lambda x: 2 * (x**3 + 1), "slope missing", "derivative 3*x**2 is missing"),
    "sin(x)**2": (lambda x: np.sin(x) ** 2, lambda x: 2 * np.sin(x), "slope missing", "derivative cos(x) is missing"),
    "exp(3*x)": (lambda x: np.exp(3 * x), lambda x: np.exp(3 * x), "factor", "3 times too small"),
}  # fmt: skip


@pytest.mark.parametrize("case", INNER)
def test_inner_derivatives_of_numbers_are_told_exactly(case: str) -> None:
    f, claim, kind, says = INNER[case]
    found = explained(lambda wx: f(wx), lambda wx: claim(wx), "wx", at_numbers(wx=(0.3, 1.5)))
    assert found.kind == kind and says.replace("x", "wx").replace("ewxp", "exp") in found.text and is_told(found), found


NEURON: dict[str, tuple[Callable[[Any], Any], Callable[[Any, Any], Any], str, str]] = {
    "sigmoid": (sigmoid, lambda z, a: 1, "slope missing", "slope of sigmoid is missing: multiply by sigmoid(z)*(1 - sig"),
    "tanh": (np.tanh, lambda z, a: 1, "slope missing", "the slope of tanh is missing: multiply by 1 - tanh(z)**2"),
    "cube": (lambda z: z**3, lambda z, a: 1, "slope missing", "the slope of **3 is missing"),
    "z in tanh'": (np.tanh, lambda z, a: 1 - z**2, "wrong slope", "slope of tanh is taken at its operand z"),
    "z in sigmoid'": (sigmoid, lambda z, a: z * (1 - z), "wrong slope", "slope of sigmoid is taken at its operand z"),
    "a in tanh'": (np.tanh, lambda z, a: 1 - np.tanh(a) ** 2, "wrong slope", "slope of tanh is taken at its output a"),
    "a*(1 - a)": (np.tanh, lambda z, a: a * (1 - a), "wrong slope", "slope of sigmoid is taken where f has tanh"),
    "1 - a**2": (sigmoid, lambda z, a: 1 - a**2, "wrong slope", "slope of tanh is taken where f has sigmoid"),
}  # fmt: skip


@pytest.mark.parametrize("case", NEURON)
def test_a_neuron_of_numbers_and_one_of_arrays_get_the_same_text(case: str) -> None:
    act, slope, kind, says = NEURON[case]
    one = explained(
        lambda w, x, b, y: (act(w * x + b) - y) ** 2 / 2,
        lambda w, x, b, y: (act(w * x + b) - y) * slope(w * x + b, act(w * x + b)),
        "b",
        at_numbers(w=(0.5, 1.5), x=(0.5, 1.5), b=(-1, 1), y=(0, 1)),
    )
    several = explained(
        lambda W, X, b, t: np.sum((act(X @ W + b) - t) ** 2) / 2,
        lambda W, X, b, t: X.T @ ((act(X @ W + b) - t) * slope(X @ W + b, act(X @ W + b))),
        "W",
        points(shapes(W="IO", X="NI", b="O", t="NO"), N=4, I=3, O=2),
    )
    assert one == several and one.kind == kind and says in one.text and is_told(one), (one, several)


@pytest.mark.parametrize("slope", [lambda z, a: a, lambda z, a: 1 - a], ids=["a", "1 - a"])
def test_a_factor_of_a_slope_is_not_the_slope_of_another_function(slope: Callable[[Any, Any], Any]) -> None:
    claim = lambda W, X: X.T @ slope(X @ W, sigmoid(X @ W))
    at = points(shapes(W="IO", X="NI"), N=4, I=3, O=2)
    assert explained(lambda W, X: np.sum(sigmoid(X @ W)), claim, "W", at) is None


def test_a_slope_that_is_not_finite_explains_nothing() -> None:
    """The slope of a root is infinite where its operand is 0."""
    draw = lambda rng, n: {"W": rng.uniform(0.5, 1, n["I"]), "x": np.zeros(n["I"])}
    f = lambda W, x: np.sum(np.exp(W * x) + W**3)
    assert explained(f, lambda W, x: 3 * W**2 + np.sin(W), "W", points(draw, I=4)) is None


def test_a_slope_where_none_belongs() -> None:
    f = lambda X, W1, W2, Y: np.sum((np.tanh(X @ W1) @ W2 - Y) ** 2) / 2
    for slope, name in ((lambda o: 1 - o**2, "tanh"), (lambda o: o * (1 - o), "sigmoid"), (relu_slope, "ReLU")):

        def claim(X: Any, W1: Any, W2: Any, Y: Any, slope: Callable[[Any], Any] = slope) -> Any:
            o = np.tanh(X @ W1) @ W2
            return np.tanh(X @ W1).T @ ((o - Y) * slope(o))

        found = explained(f, claim, "W2", points(shapes(X="NI", W1="IH", W2="HO", Y="NO"), N=4, I=3, H=5, O=2))
        assert found.kind == "wrong slope", found
        assert found.text == f"the slope of {name} is multiplied in at a linear output, where none belongs"


def test_weights_that_are_not_multiplied_in_on_the_way_back() -> None:
    net = NETS["np.tanh"]
    claim = lambda X, **a: X.T @ ((p := by_hand(net, X=X, **a)).d2.sum(axis=1, keepdims=True) * p.s1)
    found = explained(net.f, claim, "W1", NET_POINTS)
    assert found == Mistake("slope missing", "W2 is not multiplied in on the way back")


def test_a_factor_that_is_an_argument_is_missing_or_one_too_many() -> None:
    draw = lambda rng, n: shapes(W="IO", X="NI", t="NO")(rng, n) | {"reg": rng.uniform(0.05, 0.3)}
    data = lambda W, X, t: X.T @ ((np.tanh(X @ W) - t) * (1 - np.tanh(X @ W) ** 2))
    fit = lambda W, X, t, reg: np.sum((np.tanh(X @ W) - t) ** 2) / 2 + reg * np.sum(W**2) / 2
    at = points(draw, N=4, I=3, O=2)
    found = explained(fit, lambda W, X, t, reg: data(W, X, t) + W, "W", at)
    assert found == Mistake(
        "regulariser factor", "the regulariser's part of the gradient of W: the factor reg is missing"
    )
    found = explained(fit, lambda W, X, t, reg: data(W, X, t) + reg**2 * W, "W", at)
    assert found.kind == "regulariser factor" and "the factor reg is one too many" in found.text
    alone = lambda W, X, t, reg: reg * np.sum(W**2) / 2
    assert explained(alone, lambda W, **a: W, "W", at) == Mistake("factor", "the factor reg is missing")
    none = lambda W, X, t, reg: np.sum((np.tanh(X @ W) - t) ** 2) / 2 + 0 * reg
    found = explained(none, lambda W, X, t, reg: data(W, X, t) + 2 * reg * W, "W", at)
    assert found.kind == "regulariser factor" and found.text.startswith("2*reg*W is added")


def test_a_size_written_as_a_number_is_right_there_alone() -> None:
    f = lambda W, X, t: np.sum((X @ W - t) ** 2) / (2 * len(X))
    found = explained(f, lambda W, X, t: X.T @ (X @ W - t) / 5, "W", points(shapes(W="I", X="NI", t="N"), N=5, I=3))
    assert found.text == "right only for 5 rows in X: divided by 5, however many rows there are"
    f = lambda W, X, t: np.sum((X @ W - t) ** 2) * len(X)
    found = explained(f, lambda W, X, t: 10 * X.T @ (X @ W - t), "W", points(shapes(W="I", X="NI", t="N"), N=5, I=3))
    assert found.text == "right only for 5 rows in X: multiplied by 5, however many rows there are"


def shifted(W: Any, X: Any, y: Any, b: Any) -> Any:
    """Cross-entropy with L2, the scores less their largest."""
    s = X @ W + b
    s = s - np.max(s, axis=1, keepdims=True)
    p = np.exp(s) / np.sum(np.exp(s), axis=1, keepdims=True)
    return -np.mean(np.log(p[np.arange(len(y)), y])) + 0.1 * np.sum(W**2)


CLASSES = {**LABELS, "C": 3}
DELTAS: dict[str, tuple[str, str, Callable[[Any, Any], Any]]] = {  # of the probabilities and the targets
    "1/C for 1/N": ("size factor", "divided by the number of columns of W, not by the number of rows", lambda p, t: (
        p - t) / p.shape[1]),
    "p*(1 - p)": ("", "", lambda p, t: (p - t) * p * (1 - p) / len(p)),
    "number by number": ("softmax coupling", "coupling", lambda p, t: -t * (1 - p) / len(p)),
    "first class": ("wrong index", "at the first class", lambda p, t: (p - (np.arange(p.shape[1]) == 0)) / len(p)),
    "no label": ("wrong index", "subtracted nowhere", lambda p, t: p / len(p)),
}  # fmt: skip


@pytest.mark.parametrize("case", DELTAS)
def test_a_gradient_that_vanishes_for_one_class_is_not_right_there(case: str) -> None:
    kind, says, wrong = DELTAS[case]
    deltas = lambda W, X, y, b: wrong(softmax(X @ W + b), one_hot(y, len(b)))
    at = points(shapes(W="IC", X="NI", y="N", b="C"), **CLASSES)
    for name, claim in (
        ("W", lambda W, X, y, b: X.T @ deltas(W, X, y, b) + 0.2 * W),
        ("b", lambda W, X, y, b: np.sum(deltas(W, X, y, b), axis=0)),
    ):
        found = explained(shifted, claim, name, at)
        assert (found.kind == kind and says in found.text) if kind else found is None, found


def windows(X: Any, W: Any) -> Any:
    places = itertools.product(range(len(X) - len(W) + 1), range(X.shape[1] - W.shape[1] + 1))
    return [(i, j, np.sum(X[i : i + len(W), j : j + W.shape[1]] * W)) for i, j in places]


def test_a_convolution_has_no_transpose() -> None:
    """X[j, i] for X[i, j], and one place alone: neither a transpose, nor a sum over the kernel."""
    loss = lambda W, X: sum(y**2 for _, _, y in windows(X, W)) / 2

    def swapped(W: Any, X: Any) -> Any:
        return sum(y * X.T[i : i + len(W), j : j + W.shape[1]] for i, j, y in windows(X, W))

    def one_place(W: Any, X: Any) -> Any:
        i, j, y = windows(X, W)[0]
        return y * X[i : i + len(W), j : j + W.shape[1]]

    at = points(lambda rng, n: {"W": rng.uniform(-1, 1, (2, 2)), "X": rng.uniform(-1, 1, (n["S"], n["S"]))}, S=4)
    at = [point for point in at if len(point[0]["X"]) > 2]
    found = explained(loss, swapped, "W", at)
    assert found == Mistake("wrong index", "a wrong index: X[j, i] is taken where X[i, j] belongs")
    found = explained(loss, one_place, "W", at)
    assert found == Mistake("not summed", "only the first of its 9 uses counts: the sum over them is missing")


def test_the_slope_at_every_step_of_a_recurrence() -> None:
    def states(W: Any, X: Any) -> Any:
        found = [0 * X[0]]
        for x in X:
            found.append(np.tanh(found[-1] @ W + x))
        return found

    f = lambda W, X: np.sum(states(W, X)[-1] ** 2) / 2

    def claim(W: Any, X: Any) -> Any:
        h, found = states(W, X), 0 * W
        upstream = h[-1]
        for before in h[-2::-1]:
            found, upstream = found + np.outer(before, upstream), upstream @ W.T
        return found

    found = explained(f, claim, "W", points(shapes(W="HH", X="TH"), T=4, H=2))
    assert found == Mistake("slope missing", "the slope of tanh is missing at all steps")
    late = lambda W, X: claim(W, X) if len(X) > 1 else f(W, X) * 0 * W
    one_step = explained(f, lambda W, X: late(W, X) + np.sin(len(X) - 1), "W", points(shapes(W="HH", X="TH"), T=4, H=2))
    assert one_step is None or "batch" not in one_step.text


def test_time_steps_are_no_batch() -> None:
    def f(W: Any, X: Any) -> Any:
        h = X[0]
        for x in X[1:]:
            h = np.tanh(h * W + x)
        return np.sum(W * h)

    def odd(W: Any, X: Any) -> Any:
        leaves = [Value(w) for w in W]
        slopes = autograd.gradients(f(np.array(leaves, dtype=object), X), leaves)
        return np.array(slopes, dtype=float) + np.sin(len(X) - 1.0)

    found = explained(f, odd, "W", points(shapes(W="H", X="TH"), T=4, H=3))
    assert found == Mistake("batch of one", "wrong here; right only where X has 1 row")


def test_an_entry_per_example_for_a_number_is_not_summed() -> None:
    f = lambda b, X, t: np.sum((sigmoid(X @ np.ones(X.shape[1]) + b) - t) ** 2) / 2

    def claim(b: Any, X: Any, t: Any) -> Any:
        a = sigmoid(X @ np.ones(X.shape[1]) + b)
        return (a - t) * a * (1 - a)

    found = explained(f, claim, "b", points(shapes(b="", X="NI", t="N"), N=4, I=3))
    assert found == Mistake("not summed", "not summed: there is still an entry for each of the 4 rows of X")
    alone = lambda b, X, t: np.log(np.sum((b - t) ** 2))
    found = explained(
        alone, lambda b, X, t: 2 * (b - t) / np.sum((b - t) ** 2), "b", points(shapes(b="", X="NI", t="N"), N=4, I=3)
    )
    assert found.kind == "not summed"


def test_the_product_rule_is_not_read_as_indices() -> None:
    at = at_numbers(w=(0.3, 1.5))
    further = lambda rng, n: {"w": rng.uniform(0.3, 1.5)}
    assert explained(lambda w: w * np.sin(w), lambda w: np.cos(w), "w", at, further) is None


def test_a_named_factor_has_its_constant() -> None:
    at = at_numbers(w=(0.5, 1.5), x=(0.5, 1.5), y=(0, 1))
    found = explained(lambda w, x, y: (w * x - y) ** 2, lambda w, x, y: w * x - y, "w", at)
    assert found == Mistake("factor", "the factor 2*x is missing")


def test_what_is_not_finite_is_not_the_same() -> None:
    assert same(np.ones(2), np.ones(2)) and not same(np.array([np.inf, 1.0]), np.ones(2))
