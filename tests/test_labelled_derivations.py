"""The derivation checker by labelled cases: each wrong gradient is found and named, no right one is accused."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import confusion
import derivation_cases
import networks
import numpy as np
import pytest
from derivation_cases import CASES, Case, draw
from formulas import Array
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd


def checked(case: Case, claim: Any) -> Any:
    """The report; arguments go by position where both functions name them."""
    names = list(case.arguments)
    if all(callable(g) and list(inspect.signature(g).parameters) == names for g in (case.f, claim)):
        return autograd.check_derivation(case.f, claim, *case.arguments.values(), argnum=names.index(case.of))
    claim = {case.of: claim} if isinstance(case.f, str) else claim
    return autograd.check_derivation(case.f, claim, argnum=case.of, **case.arguments)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_mistake_is_named(case: Case) -> None:
    report = checked(case, case.printed)
    row = report[case.of]
    assert not report.right and row.verdict != "right"
    assert row.kind in case.kinds, row
    if case.lucky:
        assert row.verdict.startswith("right only"), row
    for word in (case.of, *case.says):
        assert word in str(report)
    assert set(row.text.split()) <= set(str(report).split())  # wrapped, beside other columns


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_right_one_is_right(case: Case) -> None:
    report = checked(case, case.right)
    assert report.right, str(report)
    assert [(row.name, row.verdict, row.kind) for row in report.rows] == [(case.of, "right", "")]


# ---- code with wrong names, shapes, infinities ---------------------------------------------------------------------

FORWARD, BACKWARD = derivation_cases.FORWARD_001, derivation_cases.BACKWARD_001
GIVEN = derivation_cases.ARGUMENTS_001
FOUR = ["W2", "b2", "W1", "b1"]


def test_code_of_post_001() -> None:
    """With its names mended all four gradients are right; and the report notes what -= does to softmax."""
    report = autograd.check_derivation(FORWARD, BACKWARD, **GIVEN)
    assert report.right, str(report)
    assert sorted(row.name for row in report.rows) == sorted(FOUR)
    assert "softmax in place" in " ".join(str(report).split())


@pytest.mark.parametrize(
    ("forward", "backward", "wrong", "meant"),
    [
        (FORWARD.replace("h @ W2", "h1 @ W2"), BACKWARD, "h1", "h"),
        (FORWARD, BACKWARD.replace("inputs1", "inputs"), "inputs", "inputs1"),
    ],
)
def test_wrong_names_of_post_001(forward: str, backward: str, wrong: str, meant: str) -> None:
    with pytest.raises((NameError, ValueError), match=rf"\b{wrong}\b(.|\n)*\b{meant}\b"):
        autograd.check_derivation(forward, backward, **GIVEN)


def test_code_of_post_001_without_its_regularisation() -> None:
    report = autograd.check_derivation(FORWARD, BACKWARD.split("grads['W1'] +=")[0], **GIVEN)
    assert {row.name: row.kind for row in report.rows} == dict.fromkeys(FOUR, "regulariser missing")


def test_shape_of_post_001() -> None:
    """dL/dh is said to be l x j, which is W2's."""
    forward = FORWARD.replace("np.maximum(0, inputs1)", "relu(inputs1)")
    with pytest.raises(ValueError, match=r"5 x 3(.|\n)*4 x 5"):
        autograd.check_derivation(forward, {"h": "h.T @ ((softmax - np.eye(3)[y])/num_train)"}, **GIVEN)
    assert autograd.check_derivation(forward, {"h": "((softmax - np.eye(3)[y])/num_train) @ W2.T"}, **GIVEN).right


def test_log_of_softmax_is_infinite() -> None:
    def log_loss(s: Any, y: int) -> Any:
        e = np.exp(s)
        return -np.log((e / np.sum(e))[y])

    with pytest.raises(ValueError, match=r"inf(.|\n)*logsumexp"):
        autograd.check_derivation(log_loss, lambda s, y: s, np.array([0.0, -800.0]), 1)


# ---- random networks -----------------------------------------------------------------------------------------------

seeds = st.integers(0, 10_000)


def right_ones_pass(seed: int) -> None:
    net = networks.network(seed)
    for found in confusion.judge(net, None, confusion.form_of(net, 0)):
        assert found.found == "right", (seed, found)


def share_named(seeds: Iterable[int], draws: int) -> float:
    """Of the gradients that injected mistakes make wrong, the share that is named rightly. None that is right is accused."""
    named = []
    for seed in seeds:
        net = networks.network(seed)
        injections = networks.distinct(net)
        for place in confusion.chosen(injections, np.random.default_rng(seed), draws):
            for found in confusion.judge(net, injections[place], confusion.form_of(net, place)):
                assert found.named or found.injected != "right", (f"--network {seed} --mistake {place}", found)
                if found.injected != "right":
                    named.append(found.named)
    return sum(named) / len(named)


@given(seed=seeds)
@settings(max_examples=10)
def test_right_networks_are_not_accused(seed: int) -> None:
    right_ones_pass(seed)


def test_injected_mistakes_are_named() -> None:
    assert share_named(range(2000, 2006), 3) >= 0.95


@pytest.mark.slow
def test_many_networks() -> None:
    for seed in range(3000, 3060):
        right_ones_pass(seed)
    assert share_named(range(3000, 3030), 5) >= 0.95


@given(seed=seeds)
@settings(max_examples=30)
def test_gradients_of_the_networks(seed: int) -> None:
    """What the cases take for right is the engine's."""
    net = networks.network(seed)
    point = net.arguments()
    case = Case(networks.loss_of(net, confusion.NAMES), "", "", "", (), point)
    claimed = networks.gradient_of(net)(**point)
    for name in net.parameters:
        np.testing.assert_allclose(
            claimed[name], derivation_cases.by_engine(case._replace(of=name)), rtol=0, atol=1e-11
        )


# ---- odd, but right ------------------------------------------------------------------------------------------------

X, W, B, T = draw(4, 3), draw(3, 2), draw(2), draw(4, 2)


def layer(X: Any, W: Any, b: Any, T: Any) -> Any:
    return np.sum((np.tanh(X @ W + b) - T) ** 2) / 2


def delta(X: Any, W: Any, b: Any, T: Any) -> Any:
    a = np.tanh(X @ W + b)
    return (a - T) * (1 - a**2)


def looped(X: Any, W: Any, b: Any, T: Any) -> Any:
    """dW by loops, as nested lists."""
    d = delta(X, W, b, T)
    dW = [[0.0] * W.shape[1] for _ in range(W.shape[0])]
    for n in range(X.shape[0]):
        for i in range(W.shape[0]):
            for j in range(W.shape[1]):
                dW[i][j] += X[n][i] * d[n][j]
    return dW


def batch_norm(x: Any, gain: Any, bias: Any, t: Any) -> Any:
    centred = x - np.mean(x, axis=0)
    h = centred / np.sqrt(np.mean(centred**2, axis=0) + 1e-3)
    return np.sum((gain * h + bias - t) ** 2) / 2


def batch_norm_backward(x: Array, gain: Array, bias: Array, t: Array) -> dict[str, Array]:
    deviation = np.sqrt(x.var(axis=0) + 1e-3)
    h = (x - x.mean(axis=0)) / deviation
    d = gain * h + bias - t
    dh = d * gain
    dx = (dh - dh.mean(axis=0) - h * (dh * h).mean(axis=0)) / deviation
    return {"gain": (d * h).sum(axis=0), "bias": d.sum(axis=0), "x": dx}


def weights_of_attention(Q: Any, K: Any) -> Any:
    e = np.exp(Q @ K.T / np.sqrt(K.shape[1]))
    return e / e.sum(axis=1, keepdims=True)


def attention_backward(Q: Array, K: Array, V: Array) -> dict[str, Array]:
    p = weights_of_attention(Q, K)
    dp = p @ V @ V.T
    ds = p * (dp - (dp * p).sum(axis=1, keepdims=True)) / np.sqrt(K.shape[1])
    return {"Q": ds @ K, "K": ds.T @ Q, "V": p.T @ (p @ V)}


def hinge(W: Any, X: Any, y: Any, reg: Any) -> Any:
    """The loss of a multiclass SVM."""
    n = np.arange(len(X))
    s = X @ W
    margins = np.maximum(0, s - s[n, y][:, np.newaxis] + 1)
    margins[n, y] = 0
    return np.sum(margins) / len(X) + reg * np.sum(W * W)


def hinge_backward(W: Array, X: Array, y: Array, reg: float) -> Array:
    n = np.arange(len(X))
    s = X @ W
    above = (s - s[n, y][:, np.newaxis] + 1 > 0).astype(float)
    above[n, y] = 0
    above[n, y] = -above.sum(axis=1)
    return X.T @ above / len(X) + 2 * reg * W


def recurrent(w: Any, u: Any, x: Any) -> Any:
    h = 0 * w
    for x_t in x:
        h = (w * h + u * x_t).tanh() if hasattr(h, "tanh") else np.tanh(w * h + u * x_t)
    return h * h


def through_time(w: float, u: float, x: Array) -> tuple[float, float]:
    hs = [0.0]
    for x_t in x:
        hs.append(float(np.tanh(w * hs[-1] + u * x_t)))
    d, dw, du = 2 * hs[-1], 0.0, 0.0
    for before, h, x_t in zip(hs[-2::-1], hs[:0:-1], x[::-1], strict=True):
        d *= 1 - h * h
        dw, du, d = dw + d * before, du + d * x_t, d * w
    return dw, du


GIVEN_LAYER = {"X": X, "W": W, "b": B, "T": T}
CONVOLVED = {"x": draw(1, 6, 5), "w": draw(1, 3, 2), "s": 2}
ODD: dict[str, tuple[Any, Any, Any, dict[str, Any]]] = {  # f, the claim, argnum, the arguments
    "a list": (layer, looped, "W", GIVEN_LAYER),
    "einsum": (layer, lambda X, **a: np.einsum("ni,nj->ij", X, delta(X, **a)), "W", GIVEN_LAYER),
    "a bias (1, H)": (layer, lambda **a: delta(**a).sum(axis=0, keepdims=True), "b", {**GIVEN_LAYER, "b": B[None]}),
    "float32": (layer, lambda X, **a: (X.T @ delta(X, **a)).astype(np.float32), "W", GIVEN_LAYER),
    "right to 1e-9": (layer, lambda X, **a: X.T @ delta(X, **a) * (1 + 1e-9), "W", GIVEN_LAYER),
    "several forms": (
        layer,
        {"W": lambda X, **a: X.T @ delta(X, **a), "b": "a = np.tanh(X @ W + b); ((a - T)*(1 - a**2)).sum(axis=0)"},
        None,
        GIVEN_LAYER,
    ),
    "an array": (layer, {"W": X.T @ delta(X, W, B, T)}, None, GIVEN_LAYER),
    "nothing but ones": (
        layer,
        lambda X, **a: X.T @ delta(X, **a),
        "W",
        {"X": draw(1, 1), "W": draw(1, 1), "b": draw(1), "T": draw(1, 1)},
    ),
    "zeros given": (layer, lambda X, **a: X.T @ delta(X, **a), "W", {**GIVEN_LAYER, "W": np.zeros((3, 2))}),
    "an int": (lambda x: 3 * x, lambda x: 3, "x", {"x": 0.7}),
    "zero": (lambda x, y: y * 2 + 0 * x, lambda x, y: 0.0, "x", {"x": 0.7, "y": 2.0}),
    "zeros": (lambda x, y: np.sum(y**2) + 0 * np.sum(x), lambda x, y: np.zeros(x.shape), "x", {"x": B, "y": B}),
    "dead relus": (
        lambda X, W: np.sum(np.maximum(0, X @ W - 100)),
        lambda X, W: X.T @ ((X @ W - 100) > 0).astype(float),
        "W",
        {"X": X, "W": W},
    ),
    "large beside small": (
        lambda x, y: 1e8 * np.sum(x**2) + 1e-8 * np.sum(y**2),
        lambda x, y: 2e-8 * y,
        "y",
        {"x": draw(3), "y": draw(2)},
    ),
    "entries large and small": (
        lambda x: 1e6 * x[0] ** 2 + 1e-6 * x[1] ** 2,
        lambda x: np.array([2e6 * x[0], 2e-6 * x[1]]),
        "x",
        {"x": draw(2)},
    ),
    "tiny": (lambda x: 1e-12 * np.sum(x**2), lambda x: 2e-12 * x, "x", {"x": draw(4)}),
    "huge": (lambda x: 1e12 * np.sum(x**2), lambda x: 2e12 * x, "x", {"x": draw(4)}),
    "square ones only": (lambda A: np.sum(A * A.T), lambda A: 2 * A.T, "A", {"A": draw(3, 3)}),
    "symmetric ones only": (lambda x, A: x @ A @ x, lambda x, A: 2 * A @ x, "x", {"x": draw(3), "A": X.T @ X}),
    "nested lists": (
        lambda w, x: sum(w_i * x_i for w_i, x_i in zip(w, x, strict=True)),
        lambda w, x: x,
        "w",
        {"w": [1.0, 2.0, 3.0], "x": [0.5, -1.0, 2.0]},
    ),
    "a zip that cuts": (
        lambda w, x: sum(w_i * x_i for w_i, x_i in zip(w, x)),
        lambda w, x: x[: len(w)],
        "w",
        {"w": draw(3), "x": draw(4)},
    ),
    "a size written in the code": (lambda x: x[0] * x[1] * x[2], lambda x: np.prod(x) / x, "x", {"x": draw(3)}),
    "its number for the mean's": (lambda x: np.sum(x**2) / 4, lambda x: x / 2, "x", {"x": draw(4)}),
    "one-hot ints": (
        lambda z, t: -np.sum(t * (z - np.log(np.sum(np.exp(z), axis=1, keepdims=True)))),
        lambda z, t: np.exp(z) / np.exp(z).sum(axis=1, keepdims=True) * t.sum(axis=1, keepdims=True) - t,
        "z",
        {"z": draw(2, 3), "t": np.array([[0, 1, 0], [1, 0, 0]])},
    ),
    "what is positive": (
        lambda x: np.sum(np.sqrt(x) + np.log(x)),
        lambda x: 0.5 / np.sqrt(x) + 1 / x,
        "x",
        {"x": np.array([0.5, 2.0, 9.0])},
    ),
    "a narrow domain": (lambda x: autograd.asin(x), lambda x: 1 / np.sqrt(1 - x * x), "x", {"x": -0.3}),
    "a power": (lambda x, n: x**n, lambda x, n: n * x ** (n - 1), "x", {"x": 1.3, "n": 3}),
    "a count": (lambda x, n: sum(x**2 for _ in range(n)), lambda x, n: 2 * n * x, "x", {"x": 1.3, "n": 4}),
    "a mask": (
        lambda x, m: np.sum(np.where(m, x, 2 * x)),
        lambda x, m: np.where(m, 1, 2),
        "x",
        {"x": draw(3), "m": draw(3) > 0},
    ),
    "a flag, a text, nothing": (
        lambda x, square, name, more: getattr(autograd, name)(x * x if square else x),
        lambda x, square, name, more: 2 * x * (1 - np.tanh(x * x) ** 2),
        "x",
        {"x": 0.7, "square": True, "name": "tanh", "more": None},
    ),
    "targets of 1 and -1": (
        lambda w, X, y: np.sum(np.log(1 + np.exp(-y * (X @ w)))),
        lambda w, X, y: X.T @ (1 / (1 + np.exp(-X @ w)) - (y + 1) / 2),
        "w",
        {"w": draw(3), "X": X, "y": np.array([1.0, -1.0, -1.0, 1.0])},
    ),
    "rows of a table": (
        lambda E, i: np.sum(E[i] ** 2),
        lambda E, i: 2 * E * np.array([[np.sum(i == k)] for k in range(len(E))]),
        "E",
        {"E": draw(4, 2), "i": np.array([0, 2, 2])},
    ),
    "the largest": (lambda x: np.amax(x), lambda x: (x == x.max()).astype(float), "x", {"x": draw(4)}),
    "a kink": (lambda x: np.sum(np.maximum(0, x)), lambda x: (x >= 0) * 1.0, "x", {"x": np.array([0.0, 1.0, -1.0])}),
    "changed in place": (lambda x: np.sum(x**2), lambda x: x.__imul__(2), "x", {"x": draw(4)}),
    "convolution": (
        lambda x, w, s: np.sum(derivation_cases.convolution_002(x, w, s) ** 2) / 2,
        lambda x, w, s: derivation_cases.gradients_002(x[None], w, 0.0, s)[1],
        "w",
        CONVOLVED,
    ),
    "batch normalisation": (
        batch_norm,
        batch_norm_backward,
        None,
        {"x": draw(4, 3), "gain": draw(3), "bias": draw(3, seed=1), "t": draw(4, 3, seed=1)},
    ),
    "attention": (
        lambda Q, K, V: np.sum((weights_of_attention(Q, K) @ V) ** 2) / 2,
        attention_backward,
        None,
        {"Q": draw(4, 3), "K": draw(5, 3), "V": draw(5, 2)},
    ),
    "hinge loss": (
        hinge,
        hinge_backward,
        "W",
        {"W": draw(3, 4), "X": draw(5, 3), "y": np.array([0, 3, 1, 2, 2]), "reg": 0.1},
    ),
    "through time, a tuple": (recurrent, through_time, ("w", "u"), {"w": 0.7, "u": -0.4, "x": draw(5)}),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_but_right(name: str) -> None:
    f, claim, of, arguments = ODD[name]
    report = autograd.check_derivation(f, claim, argnum=of, **arguments)
    assert report.right, str(report)


def negative(claim: Any) -> Any:
    if isinstance(claim, dict):
        return {name: negative(one) for name, one in claim.items()}
    if isinstance(claim, tuple):
        return tuple(map(negative, claim))
    if isinstance(claim, str):
        *lines, last = claim.split(";")
        return ";".join([*lines, f"-({last})"])
    return (lambda *args, **kwargs: negative(claim(*args, **kwargs))) if callable(claim) else -np.asarray(claim)


@pytest.mark.parametrize("name", sorted(set(ODD) - {"zero", "zeros", "dead relus"}))
def test_odd_and_wrong(name: str) -> None:
    f, claim, of, arguments = ODD[name]
    report = autograd.check_derivation(f, negative(claim), argnum=of, **arguments)
    assert {row.kind for row in report.rows} == {"sign"}, str(report)


# ---- wrong, but hard to see ----------------------------------------------------------------------------------------

HARD: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "right where all is positive": (lambda x: np.sum(np.abs(x)), lambda x: np.ones(x.shape), {"x": abs(draw(3))}),
    "right where no relu is dead": (
        lambda W, X: np.sum(np.maximum(0, X @ W)),
        lambda W, X: X.T @ np.ones((len(X), W.shape[1])),
        {"W": abs(W), "X": abs(X)},
    ),
    "right for symmetric ones": (lambda x, A: x @ A @ x, lambda x, A: 2 * A @ x, {"x": draw(3), "A": draw(3, 3)}),
    "right for a square": (lambda x, n: x**n, lambda x, n: 2 * x, {"x": 1.5, "n": 2}),
    "right without a penalty": (
        lambda w, reg: np.sum(w**4) + reg * np.sum(w**2),
        lambda w, reg: 4 * w**3,
        {"w": draw(3), "reg": 0.0},
    ),
    "right for these numbers": (lambda x, y: x * y, lambda x, y: x, {"x": 2.0, "y": 2.0}),
    "one example": (
        lambda w, X: np.sum(np.tanh(X @ w)),
        lambda w, X: X[0] * (1 - np.tanh(X[0] @ w) ** 2),
        {"w": draw(3), "X": draw(1, 3)},
    ),
    "a millionth off": (lambda x: np.sum(x**2), lambda x: 2 * x * (1 + 1e-6), {"x": draw(3)}),
    "a small entry beside a large one": (
        lambda x: 1e6 * x[0] ** 2 + 1e-6 * x[1] ** 2,
        lambda x: np.array([2e6 * x[0], -2e-6 * x[1]]),
        {"x": draw(2)},
    ),
    "zero for a small one": (lambda x: 1e-12 * np.sum(x**2), lambda x: 0 * x, {"x": draw(3)}),
    "not a number": (lambda x: np.sum(x**2), lambda x: np.where(x > 0, np.nan, 2 * x), {"x": draw(3)}),
}


@pytest.mark.parametrize("name", HARD)
def test_wrong_but_hard_to_see(name: str) -> None:
    f, claim, arguments = HARD[name]
    report = autograd.check_derivation(f, claim, **arguments)
    assert not report.right and report.rows[0].kind, str(report)


# ---- bad input -----------------------------------------------------------------------------------------------------

BAD: dict[str, tuple[Any, Any, dict[str, Any], tuple[str, ...]]] = {
    "a key that is no argument": (layer, {"W3": "X"}, GIVEN_LAYER, ("W3", "W", "X")),
    "a shape": (layer, {"W": lambda **a: np.ones((7, 5))}, GIVEN_LAYER, ("7 x 5", "3 x 2", "W")),
    "an array of a shape": (layer, {"W": np.ones((7, 5))}, GIVEN_LAYER, ("7 x 5", "3 x 2", "W")),
    "no gradient": (lambda x: x * x, lambda x: None, {"x": 1.5}, ("None", "x")),
    "a text for a number": (lambda x: x * x, lambda x: "2x", {"x": 1.5}, ("2x",)),
    "a number, not a Value": (lambda x: 3.0, lambda x: 0.0, {"x": 1.5}, ("3.0", "Value")),
    "nothing": (lambda x: None, lambda x: 0.0, {"x": 1.5}, ("None", "return")),
    "a name that nobody knows": ("sigmoid(w*x)", "sigmoyd(w*x)*x", {"w": 1.5, "x": 0.5}, ("sigmoyd", "sigmoid")),
    "a variable that nobody knows": ("(yhat - y)**2", "2*(y_hat - y)", {"yhat": 1.5, "y": 0.5}, ("y_hat", "yhat")),
    "half a formula": ("x**2", "2*(x", {"x": 1.5}, ("2*(x",)),
    "an empty formula": ("x**2", "", {"x": 1.5}, ("empty",)),
    "an import": ("x**2", "__import__('os').getcwd()", {"x": 1.5}, ("__import__",)),
    "a hidden attribute": ("x**2", "x.__class__", {"x": 1.5}, ("__class__",)),
    "code that raises": (
        "h = X @ W\nloss = np.sum(h**2)",
        "d = 2*(X @ W)\ndW = d[99]",
        {"X": X, "W": W},
        ("dW = d[99]", "line 2", "4 x 2"),
    ),
    "a function that raises": (layer, {"W": lambda **a: a["X"] @ a["W"].T @ a["b"]}, GIVEN_LAYER, ("matmul",)),
    "infinity": ("log(x)", "1/x", {"x": 0.0}, ("inf",)),
    "no arguments": (lambda x: x * x, lambda x: 2 * x, {}, ("argument",)),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name: str) -> None:
    f, claim, arguments, says = BAD[name]
    with pytest.raises((TypeError, ValueError, NameError, SyntaxError)) as raised:
        autograd.check_derivation(f, claim, **arguments)
    for words in says:
        assert words in str(raised.value), raised.value
