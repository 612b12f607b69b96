"""Gradients that were derived by hand, wrong and put right, each labelled with its mistake.

The wrong ones are what the five posts print wrong (their names begin with the post's number), and mistakes that people make
besides. A case is a function as one writes it in NumPy, or the text of such code; its arguments; the claim as printed; the
claim put right; and the kind of the mistake. Right formulas are those of `tests/formulas.py` where it has them. Nothing here
uses the checker: `test_misprints.py` proves the cases against the engine, `test_labelled_derivations.py` the checker by the
cases.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import formulas
import numpy as np
from formulas import Array

import autograd
from autograd import Value

Claim = Callable[..., Any] | str


class Case(NamedTuple):
    """A gradient as printed, and put right.

    Attributes:
        f: a function of the arguments, or code as text.
        of: the argument, or the intermediate name of the code, with respect to which the gradient is claimed.
        printed, right: the gradient, a function of the arguments or a formula as text, which knows the code's names.
        kinds: what the mistake is; several where the numbers fit several names.
        arguments: by name, in the order of f.
        says: what the explanation must mention.
        lucky: whether the printed one is right at these arguments.
        fits: whether the printed one can be computed at these arguments.
    """

    f: Callable[..., Any] | str
    of: str
    printed: Claim
    right: Claim
    kinds: tuple[str, ...]
    arguments: dict[str, Any]
    says: tuple[str, ...] = ()
    lucky: bool = False
    fits: bool = True


CASES: dict[str, Case] = {}


def case(
    what: str,
    f: Callable[..., Any] | str,
    of: str,
    printed: Claim,
    right: Claim,
    kinds: str | tuple[str, ...],
    *,
    says: tuple[str, ...] = (),
    lucky: bool = False,
    fits: bool = True,
    **arguments: Any,
) -> None:
    """Adds a case. Several kinds need a comment that says why."""
    assert what not in CASES
    CASES[what] = Case(
        f, of, printed, right, (kinds,) if isinstance(kinds, str) else kinds, arguments, says, lucky, fits
    )


def draw(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).uniform(-2, 2, shape)


def leaves(array: Any) -> Any:
    """A float, or an array of them, as leaves; labels and integers stay what they are."""
    if isinstance(array, float):
        return Value(array)
    return np.vectorize(Value, otypes=[object])(array) if np.asarray(array).dtype == float else array


def names_of_code(arguments: dict[str, Any]) -> dict[str, Any]:
    """What code as text may name: NumPy, the engine's operations, and the arguments."""
    return {**{name: getattr(autograd, name) for name in autograd.__all__}, "np": np, **arguments}


def value_of(code: str, names: dict[str, Any]) -> Any:
    """Runs code, whose names are added to `names`; its value is that of its last expression or assignment."""
    *lines, last = [line.strip() for line in code.replace(";", "\n").strip().splitlines()]
    exec("\n".join([*lines, f"_ = {last}"]), names)
    return names["_"]


def by_engine(case: Case) -> Array:
    """The engine's gradient, without the checker: of an array, that of each of its numbers."""
    arguments = {name: leaves(x) for name, x in case.arguments.items()}
    if isinstance(case.f, str):
        output = value_of(case.f, names := names_of_code(arguments))
        arguments = names
    else:
        output = case.f(**arguments)
    inputs = np.asarray(arguments[case.of])
    outputs = np.asarray(output)
    found = [autograd.gradients(y, list(inputs.flat)) for y in outputs.flat]
    return np.reshape(np.array(found), outputs.shape + inputs.shape)


def claimed(case: Case, claim: Claim) -> Any:
    """What a claim gives at the case's arguments."""
    if not isinstance(claim, str):
        return claim(**case.arguments)
    names = names_of_code(case.arguments)
    if isinstance(case.f, str):
        value_of(case.f, names)
    return value_of(claim, names)


# ---- 000 -----------------------------------------------------------------------------------------------------------

x_000, w_000, y_000 = np.array([0.5, -1.5, 2.0]), np.array([0.3, 0.7, -0.2]), 0.9


def loss_000(w: Any, x: Any, y: Any) -> Any:
    return (y - autograd.sigmoid(x @ w)) ** 2 / 2


def delta_000(w: Array, x: Array, y: float) -> Any:
    return formulas.delta_1(formulas.prediction(x, w), np.array(y))


case(
    "000, 3 and the line after it: d yhat/dw, -x -> +x",
    "sigmoid(w*x)",
    "w",
    "yhat = sigmoid(w*x); yhat*(1 - yhat)*-x",
    "yhat = sigmoid(w*x); yhat*(1 - yhat)*x",
    "sign",
    w=0.3,
    x=0.5,
)

case(
    "000, 15, 16: d yhat/dw, -x -> +x",
    lambda w, x: autograd.sigmoid(x @ w),
    "w",
    lambda w, x: formulas.sigmoid_slope(x @ w) * -x,
    lambda w, x: formulas.slope_of_prediction(formulas.prediction(x, w), x),
    "sign",
    w=w_000,
    x=x_000,
)

case(
    "000, 4, 5: y - yhat -> yhat - y",
    "(y - sigmoid(w*x))**2/2",
    "w",
    "yhat = sigmoid(w*x); (y - yhat)*yhat*(1 - yhat)*x",
    "yhat = sigmoid(w*x); (yhat - y)*yhat*(1 - yhat)*x",
    "sign",
    w=0.3,
    x=0.5,
    y=0.9,
)

case(
    "000, 6 and the last: y - yhat -> yhat - y",
    lambda W, X, y: np.sum((y - autograd.sigmoid(X @ W)) ** 2) / 2,
    "W",
    lambda W, X, y: X.T @ -formulas.delta_1(formulas.prediction(X, W), y),
    lambda W, X, y: formulas.one_layer(X, W, y),
    "sign",
    W=draw(3),
    X=draw(4, 3),
    y=draw(4),
)

case(
    '000, "in general": x_1 -> x_i',
    loss_000,
    "w",
    lambda w, x, y: delta_000(w, x, y) * np.full(len(x), x[0]),
    lambda w, x, y: formulas.one_layer_by_component(x, formulas.prediction(x, w), y),
    "wrong index",
    w=w_000,
    x=x_000,
    y=y_000,
)


# ---- 001 -----------------------------------------------------------------------------------------------------------

FORWARD_001 = """
    num_train = X.shape[0]
    i = np.arange(num_train)
    inputs1 = X @ W1 + b1[np.newaxis, :]
    h = np.maximum(0, inputs1)
    inputs2 = h @ W2 + b2[np.newaxis, :]
    scores = inputs2 - np.amax(inputs2, axis=1, keepdims=True)
    score_factors = np.exp(scores)
    sum_score_factors = np.sum(score_factors, axis=1, keepdims=True)
    softmax = score_factors/sum_score_factors
    data_loss = -np.sum(np.log(softmax[i, y]))
    data_loss /= num_train
    reg_loss = reg*(np.square(W1)).sum() + reg*(np.square(W2)).sum()
    reg_loss += reg*(np.square(b1)).sum() + reg*(np.square(b2)).sum()
    loss = data_loss + reg_loss
"""
BACKWARD_001 = """
    softmax[i, y] -= 1
    dLds = softmax/num_train
    grads['W2'] = h.T @ dLds
    grads['b2'] = np.sum(dLds, axis=0)
    dLdh = dLds @ W2.T
    dLdi = dLdh*(inputs1 > 0)
    grads['W1'] = X.T @ dLdi
    grads['b1'] = np.sum(dLdi, axis=0)
    grads['W1'] += 2*reg*W1
    grads['W2'] += 2*reg*W2
    grads['b1'] += 2*reg*b1
    grads['b2'] += 2*reg*b2
"""
ARGUMENTS_001: dict[str, Any] = {
    "X": draw(4, 3),
    "y": np.array([2, 0, 0, 1]),
    "W1": draw(3, 5),
    "b1": draw(5),
    "W2": draw(5, 3),
    "b2": draw(3),
    "reg": 0.1,
}


def loss_001(X: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any, reg: Any) -> Any:
    """The post's forward pass."""
    return value_of(FORWARD_001, {"np": np, **locals()})


def net_001(X: Array, y: Any, W1: Array, b1: Array, W2: Array, b2: Array, reg: float) -> formulas.ReluSoftmaxNet:
    return formulas.relu_softmax_net(X, y, W1, b1, W2, b2, reg)


def summed_over_examples(ds: Array) -> Array:
    """dL/ds with the printed sum over i kept: each row the sum of all."""
    return np.tile(ds.sum(axis=0), (len(ds), 1))


def mean_log_loss(s: Any, y: Any) -> Any:
    return sum(autograd.logsumexp(row) - row[right] for row, right in zip(s, y, strict=True)) / len(s)


def ds_001(s: Array, y: Any) -> Array:
    p = formulas.softmax(s.T).T
    return (p - (np.arange(s.shape[1]) == y[:, None])) / len(s)


SCORES_001: dict[str, Any] = {"s": draw(4, 3), "y": ARGUMENTS_001["y"]}

case(
    "001, dL/ds: the sum over i goes",
    mean_log_loss,
    "s",
    lambda s, y: summed_over_examples(ds_001(s, y)),
    ds_001,
    "summed twice",
    **SCORES_001,
)

case(
    "001, dL/ds: delta_{i y_i} -> delta_{j y_i}",
    mean_log_loss,
    "s",
    lambda s, y: (formulas.softmax(s.T).T - (np.arange(len(s)) == y)[:, None]) / len(s),
    ds_001,
    "wrong index",
    **SCORES_001,
)

case(
    "001, dL/dW2: of a dL/ds that has its sum over i, it sums twice",
    loss_001,
    "W2",
    lambda **a: (n := net_001(**a)).h.T @ summed_over_examples(n.ds) + 2 * a["reg"] * a["W2"],
    lambda **a: net_001(**a).dW2,
    "summed twice",
    **ARGUMENTS_001,
)

case(
    "001, dL/db2: of a dL/ds that has its sum over i, it sums twice",
    loss_001,
    "b2",
    lambda **a: summed_over_examples(net_001(**a).ds).sum(axis=0) + 2 * a["reg"] * a["b2"],
    lambda **a: net_001(**a).db2,
    ("summed twice", "size factor"),  # N times the sum, whichever way it came to be
    **ARGUMENTS_001,
)

for name, printed, right in (
    ("W1", lambda **a: a["X"].T @ net_001(**a).df, lambda **a: net_001(**a).dW1),
    ("b1", lambda **a: net_001(**a).df.sum(axis=0), lambda **a: net_001(**a).db1),
    ("W2", lambda **a: (n := net_001(**a)).h.T @ n.ds, lambda **a: net_001(**a).dW2),
    ("b2", lambda **a: net_001(**a).ds.sum(axis=0), lambda **a: net_001(**a).db2),
):
    case(
        f"001, dL/d{name}: + 2 lambda {name}",
        loss_001,
        name,
        printed,
        right,
        "regulariser missing",
        says=(name,),
        **ARGUMENTS_001,
    )

case(
    "001, only e^x is its own derivative -> c e^x is, for any c",
    "3*exp(x)",
    "x",
    "exp(x)",
    "3*exp(x)",
    "factor",  # were e^x alone its own derivative, 3 e^x had another
    says=("3",),
    x=0.7,
)


# ---- 002 -----------------------------------------------------------------------------------------------------------

SQUARE: dict[str, Any] = {"W": draw(3, 3), "X": draw(3, 3, seed=1), "b": draw(3)}  # all printed formulas fit


def affine_002(W: Any, X: Any, b: Any) -> Any:
    """Y = W X + b; an example is a column."""
    return W @ X + b[:, np.newaxis]


def eyes(W: Array, X: Array) -> tuple[Array, Array]:
    """delta_ip, and the delta of the examples."""
    return np.eye(len(W)), np.eye(X.shape[1])


case(
    "002, dY_ij/dW_pq: X_iq d_ip d_jq -> d_ip X_qj",
    affine_002,
    "W",
    lambda W, X, b: np.einsum("iq,ip,jq->ijpq", X, *eyes(W, X)),
    lambda W, X, b: formulas.affine_by_weight(W, X),
    "wrong index",
    **SQUARE,
)

case(
    "002, dY_ij/db_p: d_jp -> d_ip",
    affine_002,
    "b",
    lambda W, X, b: np.einsum("jp,i->ijp", eyes(W, X)[1], np.ones(len(W))),
    lambda W, X, b: formulas.affine_by_bias(W, X),
    ("wrong index", "transposed"),  # of square ones it is the right one with i and j exchanged
    **SQUARE,
)

case(
    "002, dY_ij/dX_pq: W_iq d_ip d_jq -> W_ip d_jq",
    affine_002,
    "X",
    lambda W, X, b: np.einsum("iq,ip,jq->ijpq", W, *eyes(W, X)),
    lambda W, X, b: formulas.affine_by_input(W, X),
    "wrong index",
    **SQUARE,
)

case(
    "002, dE/dY: n x d_o -> d_o x n, as dE/dW = dE/dY X^T needs it",
    lambda W, X, b: np.sum(affine_002(W, X, b) ** 2) / 2,
    "W",
    lambda W, X, b: affine_002(W, X, b).T @ X.T,
    lambda W, X, b: formulas.affine_gradients(W, X, affine_002(W, X, b))[0],
    "transposed",
    **SQUARE,
)


# Convolution: a kernel 2 x 2, stride 2, one output channel as in the post; the output is its own upstream gradient.


def convolution_002(x: Any, w: Any, s: int) -> Any:
    """Y_hv of one example, written out."""
    _, height, width = x.shape
    _, rows, columns = w.shape
    Y = np.empty(((height - rows) // s + 1, (width - columns) // s + 1), dtype=object)
    for h, v in np.ndindex(Y.shape):
        Y[h, v] = 0.0
        for c, i, j in np.ndindex(w.shape):
            Y[h, v] += w[c, i, j] * x[c, s * h + i, s * v + j]
    return Y


def loss_002(X: Any, w: Any, b: Any, s: int) -> Any:
    """Half the sum of the squares of Y_nhv."""
    return sum(np.sum((convolution_002(x, w, s) + b) ** 2) for x in X) / 2


def gradients_002(X: Array, w: Array, b: float, s: int) -> tuple[Array, Array, float]:
    Y = formulas.convolution(X, w[None], np.array([b]), (s, s))
    dX, dW, db = formulas.convolution_gradients(X, w[None], Y, (s, s))
    return dX, dW[0], float(db[0])


def printed_sums(array: Array, s: int, sizes: Any) -> Array:
    """sum_k sum_l array_{c, i + ks, j + ls} by c, i, j, over the k and l that the array has, as the post prints it."""
    sums = np.zeros((len(array), *sizes))
    for i, j in np.ndindex(*sizes):
        sums[:, i, j] = array[:, i::s, j::s].sum(axis=(1, 2))
    return sums


def jacobian_002(one: Callable[..., Array], x: Array, w: Array, s: int) -> Array:
    """one(h, v) for every place of the output."""
    size = [formulas.output_size(n, k, s) for n, k in zip(x.shape[1:], w.shape[1:], strict=True)]
    slopes = np.array([one(h, v) for h, v in np.ndindex(*size)])
    return slopes.reshape(*size, *slopes.shape[1:])


ONE_IMAGE: dict[str, Any] = {"x": draw(2, 5, 4), "w": draw(2, 2, 2), "s": 2}
IMAGES: dict[str, Any] = {"X": draw(3, 2, 5, 4), "w": draw(2, 2, 2), "b": 0.3, "s": 2}

case(
    "002, dY_nhw/dX_ncij: a sum of weights -> the one weight W_{c, i - hs, j - ws}, or 0",
    convolution_002,
    "x",
    lambda x, w, s: jacobian_002(lambda h, v: printed_sums(w, s, x.shape[1:]), x, w, s),
    lambda x, w, s: jacobian_002(lambda h, v: formulas.convolution_by_input(x, w, (s, s), h, v), x, w, s),
    (
        "wrong index",
        "summed twice",
    ),  # the h and w of the output are not in it: k and l, summed over, are in their place
    **ONE_IMAGE,
)

case(
    "002, dY_nhw/dW_cij: X_{n, h + i, w + j} -> X_{n, c, hs + i, ws + j}",  # it adds c to both, too
    convolution_002,
    "w",
    lambda x, w, s: jacobian_002(lambda h, v: x[:, h : h + w.shape[1], v : v + w.shape[2]], x, w, s),
    lambda x, w, s: jacobian_002(lambda h, v: formulas.convolution_by_weight(x, w, (s, s), h, v), x, w, s),
    "stride",
    **ONE_IMAGE,
)

case(
    "002, dE/dX_ncij: sums of weights -> sum_{h,w} dE/dY_nhw W_{c, i - hs, j - ws}",
    loss_002,
    "X",
    lambda X, w, b, s: np.array(
        [np.sum(convolution_002(x, w, s) + b) * printed_sums(w, s, x.shape[1:]) for x in X], dtype=float
    ),
    lambda **a: gradients_002(**a)[0],
    ("summed twice", "wrong index"),  # k and l, summed over, are in the place of h and w
    **IMAGES,
)

case(
    "002, dE/dW_cij: sums of X without n -> sum_{n,p,q} dE/dY_npq X_{n, c, ps + i, qs + j}",
    loss_002,
    "w",
    lambda X, w, b, s: sum(
        float(np.sum(convolution_002(x, w, s) + b)) * printed_sums(x, s, w.shape[1:]) for x in X
    ),  # summed over n, as what follows it needs
    lambda **a: gradients_002(**a)[1],
    ("summed twice", "wrong index"),  # k and l, summed over, are in the place of h and w
    **IMAGES,
)

case(
    "002, dE/dW: the sum over n is lacking",
    loss_002,
    "w",
    lambda X, **a: gradients_002(X[:1], **a)[1],
    lambda **a: gradients_002(**a)[1],
    "not summed",
    **IMAGES,
)

case(
    "002, dE/db: the sum over n is lacking",
    loss_002,
    "b",
    lambda X, **a: gradients_002(X[:1], **a)[2],
    lambda **a: gradients_002(**a)[2],
    "not summed",
    **IMAGES,
)


def by_windows_at_stride_one(X: Array, w: Array, b: float, s: int) -> Array:
    """dE/dW_cij with X_{n, c, p + i, q + j} for every output, whatever the stride."""
    Y = formulas.convolution(X, w[None], np.array([b]), (s, s))[:, 0]
    found = np.zeros(w.shape)
    for n, p, q in np.ndindex(*Y.shape):
        found += Y[n, p, q] * X[n, :, p : p + w.shape[1], q : q + w.shape[2]]
    return found


# Given stride 1, it is right; with stride 2 the last column is left over, but where the length is another, too
for length, kernel in ((5, 2), (8, 3)):
    case(
        f"002, dE/dW_cij: X_{{n, c, p + i, q + j}} -> X_{{n, c, ps + i, qs + j}}, {length} and {kernel}",
        loss_002,
        "w",
        by_windows_at_stride_one,
        lambda **a: gradients_002(**a)[1],
        "stride",
        X=draw(2, 1, length, length),
        w=draw(1, kernel, kernel),
        b=0.3,
        s=1,
        lucky=True,
    )


def by_kernel_at_stride_one(x: Array, w: Array, s: int) -> Array:
    """The gradient of half the sum of squares by the kernel, with the output size n - k + 1."""
    return sum(
        (w @ x[s * h : s * h + len(w)]) * x[s * h : s * h + len(w)] for h in range(len(x) - len(w) + 1)
    )  # of a stride above 1 the last windows are cut: their product with w fails


def line_002(x: Any, w: Any, s: int) -> Any:
    size = (len(x) - len(w)) // s + 1
    return sum((w @ x[s * h : s * h + len(w)]) ** 2 for h in range(size)) / 2


case(
    "002, output size: n - k + 1 -> floor((n - k) / s) + 1",
    line_002,
    "w",
    by_kernel_at_stride_one,
    lambda x, w, s: formulas.convolution_gradients(
        x[None, None, None],
        w[None, None, None],
        formulas.convolution(x[None, None, None], w[None, None, None], np.zeros(1), (1, s)),
        (1, s),
    )[1][0, 0, 0],
    "stride",
    x=draw(6),
    w=draw(3),
    s=2,
    fits=False,
)


# ---- 003 -----------------------------------------------------------------------------------------------------------

NET_003 = """
    m = x.shape[1]
    z1 = w1.T @ x + b1[:, np.newaxis]
    a1 = sigmoid(z1)
    z2 = w2.T @ a1 + b2[:, np.newaxis]
    a2 = sigmoid(z2)
    np.sum((a2 - t)**2)/(2*m)
"""  # an example a column
ARGUMENTS_003: dict[str, Any] = {
    "w1": draw(3, 5),
    "b1": draw(5),
    "w2": draw(5, 2),
    "b2": draw(2),
    "x": draw(3, 4),
    "t": draw(2, 4),
}


def loss_003(w1: Any, b1: Any, w2: Any, b2: Any, x: Any, t: Any) -> Any:
    return value_of(NET_003, {"np": np, "sigmoid": autograd.sigmoid, **locals()})


class Net003(NamedTuple):
    a1: Array
    delta_1: Array  # of each example's own cost
    delta_2: Array


def net_003(w1: Array, b1: Array, w2: Array, b2: Array, x: Array, t: Array) -> Net003:
    """BP1b and BP2b."""
    a1 = formulas.sigmoid(w1.T @ x + b1[:, None])
    a2 = formulas.sigmoid(w2.T @ a1 + b2[:, None])
    delta_2 = formulas.bp1(a2 - t, a2 * (1 - a2))
    return Net003(a1, formulas.bp2(w2, delta_2, a1 * (1 - a1)), delta_2)


case(
    "003, derivation of BP2: dz^{l+1}/dz^l sigma' -> dz^{l+1}/da^l sigma'",
    NET_003,
    "z1",
    "d2 = (a2 - t)*a2*(1 - a2)/m; slope = a1*(1 - a1); np.einsum('kj,km,jm->km', w2, slope, d2)*slope",
    "d2 = (a2 - t)*a2*(1 - a2)/m; (w2 @ d2)*a1*(1 - a1)",
    "slope twice",
    **ARGUMENTS_003,
)

case(
    "003, derivation of BP2, as it reaches w1",
    loss_003,
    "w1",
    lambda x, **a: formulas.bp4b(x, (n := net_003(x=x, **a)).delta_1 * n.a1 * (1 - n.a1)),
    lambda x, **a: formulas.bp4b(x, net_003(x=x, **a).delta_1),
    "slope twice",
    says=("sigmoid",),
    **ARGUMENTS_003,
)

case(
    "003, 1/m of the mean: in nabla_a C and again in BP4b -> once",
    loss_003,
    "w2",
    lambda **a: formulas.bp4b((n := net_003(**a)).a1, n.delta_2 / a["x"].shape[1]),
    lambda **a: formulas.bp4b((n := net_003(**a)).a1, n.delta_2),
    "size factor",
    **ARGUMENTS_003,
)

case(
    "003, 1/m of the mean: in nabla_a C and again in BP3b -> once",
    loss_003,
    "b1",
    lambda **a: formulas.bp3b(net_003(**a).delta_1 / a["x"].shape[1]),
    lambda **a: formulas.bp3b(net_003(**a).delta_1),
    "size factor",
    **ARGUMENTS_003,
)


def cross_entropy(a: Any, t: Any) -> Any:
    return -np.sum(t * np.log(a))


def softmax_cross_entropy(z: Any, t: Any) -> Any:
    e = np.exp(z)
    return cross_entropy(e / np.sum(e), t)


def delta_003(z: Array, t: Array) -> Array:
    return formulas.softmax_delta(formulas.softmax(z), t)


z_003, ONE_OF_N, ANY = np.array([0.5, -1.0, 1.5]), np.array([0.0, 1.0, 0.0]), np.array([0.5, 2.0, -0.25])

case(
    "003, derivation for cross-entropy: dC/da_j, t_j/a_j -> -t_j/a_j",
    cross_entropy,
    "a",
    lambda a, t: t / a,
    formulas.cross_entropy_slope,
    "sign",
    a=formulas.softmax(z_003),
    t=ANY,
)

case(
    "003, derivation for cross-entropy: sum_j t_j (I_ji - a_i) = t_i - a_i -> a_i - t_i",
    softmax_cross_entropy,
    "z",
    lambda z, t: formulas.softmax_jacobian(a := formulas.softmax(z)) @ (t / a),
    delta_003,
    "sign",
    z=z_003,
    t=ONE_OF_N,
)

case(
    "003, delta^L: a - t -> a sum(t) - t, where sum(t) is not 1",
    softmax_cross_entropy,
    "z",
    lambda z, t: formulas.softmax(z) - t,
    delta_003,
    "sum of targets",
    z=z_003,
    t=ANY,
)

case(
    "003, BP1 for softmax: elementwise -> with the whole Jacobian",
    softmax_cross_entropy,
    "z",
    lambda z, t: formulas.bp1(formulas.cross_entropy_slope(a := formulas.softmax(z), t), a * (1 - a)),
    lambda z, t: formulas.bp1_by_matrix(
        formulas.cross_entropy_slope(a := formulas.softmax(z), t), formulas.softmax_jacobian(a)
    ),
    "softmax coupling",
    z=z_003,
    t=ONE_OF_N,
)


# ---- 004 -----------------------------------------------------------------------------------------------------------

NET_004 = """
    z1 = w1 @ x
    a1 = sigmoid(z1)
    z2 = w2 @ a1
    a2 = sigmoid(z2)
    np.sum((y - a2)**2)/2
"""
ARGUMENTS_004: dict[str, Any] = {  # two neurons in each layer, as in the post's example: all formulas fit
    "w1": draw(2, 2),
    "w2": draw(2, 2, seed=1),
    "x": np.array([0.5, -1.0]),
    "y": np.array([0.2, 0.9]),
}


def loss_004(w1: Any, w2: Any, x: Any, y: Any) -> Any:
    return value_of(NET_004, {"np": np, "sigmoid": autograd.sigmoid, **locals()})


class Net004(NamedTuple):
    a1: Array
    a2: Array
    g1: Array
    g2: Array
    e1: Array
    e2: Array


def net_004(w1: Array, w2: Array, x: Array, y: Array) -> Net004:
    """The errors of the neurons by equations 1 and 2."""
    a1 = formulas.sigmoid(w1 @ x)
    a2 = formulas.sigmoid(w2 @ a1)
    g1, g2 = a1 * (1 - a1), a2 * (1 - a2)
    e2 = formulas.output_error(a2, y, g2)
    return Net004(a1, a2, g1, g2, formulas.earlier_error(w2, e2, g1), e2)


case(
    "004, 1 and its proof: g'(z^[l]) -> g'(z^[L])",
    NET_004,
    "z2",
    "(a2 - y)*a1*(1 - a1)",
    "(a2 - y)*a2*(1 - a2)",
    "wrong layer",
    **ARGUMENTS_004,
)

case(
    "004, under 1: dc/da^[l] = a^[l] - y -> at L only",
    NET_004,
    "a1",
    "a1 - y",
    "w2.T @ ((a2 - y)*a2*(1 - a2))",
    "wrong layer",
    **ARGUMENTS_004,
)

case(
    "004, 4: a_jk -> a_k",  # a^[l-1] has one index: with its first, j, in the place of k
    loss_004,
    "w2",
    lambda **a: np.outer((n := net_004(**a)).e2 * n.a1, np.ones(len(n.a1))),
    lambda **a: formulas.weight_slope((n := net_004(**a)).a1, n.e2),
    "wrong index",
    **ARGUMENTS_004,
)

case(
    "004, proof of 2: the sum over k = 2 -> over k = 1 and 2",
    NET_004,
    "z1",
    "e2 = (a2 - y)*a2*(1 - a2); w2[1]*e2[1]*a1*(1 - a1)",
    "e2 = (a2 - y)*a2*(1 - a2); w2.T @ e2*a1*(1 - a1)",
    "not summed",
    **ARGUMENTS_004,
)

case(
    "004, the formula that stands apart: dE/dw_jk = E -> its derivative",
    loss_004,
    "w2",
    lambda w2, y, **a: np.full(w2.shape, formulas.quadratic_cost(net_004(w2=w2, y=y, **a).a2, y)),
    lambda y, **a: formulas.last_weight_slope((n := net_004(y=y, **a)).a2, y, n.g2, n.a1),
    "not a derivative",
    **ARGUMENTS_004,
)

case(
    "004, the formula that stands apart: (a_k - t_k) d(a_k - t_k)/dw_jk -> index j",
    loss_004,
    "w2",
    lambda y, **a: np.diag(((n := net_004(y=y, **a)).a2 - y) * n.g2 * n.a1),  # a_k depends on w_jk where k = j only
    lambda y, **a: formulas.last_weight_slope((n := net_004(y=y, **a)).a2, y, n.g2, n.a1),
    "wrong index",
    **ARGUMENTS_004,
)

case(
    "004, the formula that stands apart: holds in the last layer only",
    loss_004,
    "w1",
    lambda x, y, **a: formulas.last_weight_slope((n := net_004(x=x, y=y, **a)).a1, y, n.g1, x),
    lambda x, y, **a: formulas.weight_slope(x, net_004(x=x, y=y, **a).e1),
    "wrong layer",
    **ARGUMENTS_004,
)


# ---- mistakes that people make besides -----------------------------------------------------------------------------

# One layer on a batch, an example a row; two layers with equal widths in `TWO`, so that each layer's numbers fit the other.
LAYER: dict[str, Any] = {"X": draw(4, 3), "W": draw(3, 2), "b": draw(2), "t": draw(4, 2)}
SUM = "a = np.tanh(X @ W + b)\nloss = np.sum((a - t)**2)/2"
MEAN = "a = np.tanh(X @ W + b)\nloss = np.sum((a - t)**2)/(2*len(X))"
TWO = """
    z1 = X @ W1 + b1
    a1 = sigmoid(z1)
    z2 = a1 @ W2 + b2
    a2 = sigmoid(z2)
    loss = np.sum((a2 - t)**2)/2
"""
TWO_LAYERS: dict[str, Any] = {
    "X": draw(4, 3),
    "W1": draw(3, 3),
    "b1": draw(3),
    "W2": draw(3, 3, seed=1),
    "b2": draw(3, seed=1),
    "t": draw(4, 3, seed=1),
}
DELTA = "d = (a - t)*(1 - a**2); "
DELTAS = "d2 = (a2 - t)*a2*(1 - a2); d1 = d2 @ W2.T*a1*(1 - a1); "

case("factor 2: of (x - y)^2 / 2", "(x - y)**2/2", "x", "2*(x - y)", "x - y", "factor", says=("2",), x=0.7, y=-0.4)
case("factor 1/2: of (x - y)^2", "(x - y)**2", "x", "x - y", "2*(x - y)", "factor", says=("2",), x=0.7, y=-0.4)
case(
    "factor N: the mean forgotten",
    MEAN,
    "W",
    DELTA + "X.T @ d",
    DELTA + "X.T @ d/len(X)",
    "size factor",
    says=("4",),
    **LAYER,
)
case(
    "factor 1/N: a mean that is none",
    SUM,
    "W",
    DELTA + "X.T @ d/len(X)",
    DELTA + "X.T @ d",
    "size factor",
    says=("4",),
    **LAYER,
)
case(
    "factor 1/(N K): np.mean over all the numbers",
    MEAN,
    "b",
    DELTA + "d.sum(axis=0)/a.size",
    DELTA + "d.sum(axis=0)/len(X)",
    "size factor",
    says=("2",),
    **LAYER,
)
case("transposed", SUM, "W", DELTA + "d.T @ X", DELTA + "X.T @ d", "transposed", **LAYER)
case("transposed: X for X.T", SUM, "W", DELTA + "X @ d", DELTA + "X.T @ d", "transposed", fits=False, **LAYER)
case(
    "transposed, and square",
    TWO,
    "W2",
    DELTAS + "d2.T @ a1",
    DELTAS + "a1.T @ d2",
    "transposed",
    **TWO_LAYERS,
)
case(
    "not transposed on the way back",
    TWO,
    "W1",
    DELTAS + "X.T @ (d2 @ W2*a1*(1 - a1))",
    DELTAS + "X.T @ d1",
    "transposed",
    says=("W2",),
    **TWO_LAYERS,
)
case("wrong axis", SUM, "b", DELTA + "d.sum(axis=1)", DELTA + "d.sum(axis=0)", "wrong axis", says=("axis",), **LAYER)
case("not summed", SUM, "b", DELTA + "d", DELTA + "np.sum(d, axis=0)", "not summed", **LAYER)
case("not summed: the first example only", SUM, "b", DELTA + "d[0]", DELTA + "np.sum(d, axis=0)", "not summed", **LAYER)
case(
    "not summed: the last example overwrites the others",
    lambda w, x, y: sum((w * x_i - y_i) ** 2 for x_i, y_i in zip(x, y, strict=True)) / 2,
    "w",
    lambda w, x, y: (w * x[-1] - y[-1]) * x[-1],
    lambda w, x, y: np.sum((w * x - y) * x),
    "not summed",
    w=0.4,
    x=draw(4),
    y=draw(4, seed=1),
)
case(
    "not summed: one of two paths",
    "h = tanh(w*x); (tanh(w*h) - y)**2/2",
    "w",
    "h = tanh(w*x); a = tanh(w*h); (a - y)*(1 - a**2)*h",
    "h = tanh(w*x); a = tanh(w*h); (a - y)*(1 - a**2)*(h + w*(1 - h**2)*x)",
    "not summed",
    w=0.7,
    x=1.3,
    y=-0.2,
)
case(
    "summed twice: a product of sums for a sum of products",
    SUM,
    "W",
    DELTA + "np.outer(X.sum(axis=0), d.sum(axis=0))",
    DELTA + "X.T @ d",
    "summed twice",
    **LAYER,
)
case(
    "summed twice: in the hidden layer",
    TWO,
    "W1",
    DELTAS + "X.T @ (d1.sum(axis=0, keepdims=True) + 0*d1)",
    DELTAS + "X.T @ d1",
    "summed twice",
    **TWO_LAYERS,
)
case(
    "summed twice: over both axes",
    SUM,
    "b",
    DELTA + "np.sum(d) + 0*b",
    DELTA + "np.sum(d, axis=0)",
    ("summed twice", "wrong axis"),  # the other axis, too
    **LAYER,
)
case(
    "sign: the minus of 1 - p forgotten",
    "-np.sum(t*np.log(p) + (1 - t)*np.log(1 - p))",
    "p",
    "-t/p - (1 - t)/(1 - p)",
    "-t/p + (1 - t)/(1 - p)",
    "sign",
    p=np.array([0.2, 0.6, 0.9]),
    t=np.array([0.3, 0.8, 0.4]),
)
case(
    "wrong index: the target of the output before",
    TWO,
    "W2",
    "d2 = (a2 - np.roll(t, 1, axis=1))*a2*(1 - a2); a1.T @ d2",
    DELTAS + "a1.T @ d2",
    "wrong index",
    **TWO_LAYERS,
)
case(
    "regulariser missing",
    SUM + " + reg*np.sum(W**2)",
    "W",
    DELTA + "X.T @ d",
    DELTA + "X.T @ d + 2*reg*W",
    "regulariser missing",
    says=("W",),
    reg=0.3,
    **LAYER,
)
case(
    "regulariser without its 2",
    SUM + " + reg*np.sum(W**2)",
    "W",
    DELTA + "X.T @ d + reg*W",
    DELTA + "X.T @ d + 2*reg*W",
    "regulariser factor",
    says=("W",),
    reg=0.3,
    **LAYER,
)
case("slope missing", SUM, "W", "X.T @ (a - t)", DELTA + "X.T @ d", "slope missing", says=("tanh",), **LAYER)
case(
    "slope missing, in the first of two layers",
    TWO,
    "W1",
    DELTAS + "X.T @ (d2 @ W2.T)",
    DELTAS + "X.T @ d1",
    "slope missing",
    says=("sigmoid", "1"),
    **TWO_LAYERS,
)
case(
    "slope twice", SUM, "b", DELTA + "np.sum(d*(1 - a**2), axis=0)", DELTA + "np.sum(d, axis=0)", "slope twice", **LAYER
)
case(
    "slope missing of relu",
    "h = np.maximum(0, X @ W + b)\nnp.sum((h - t)**2)/2",
    "W",
    "X.T @ (h - t)",
    "X.T @ ((h - t)*(h > 0))",
    "slope missing",
    says=("W",),
    **LAYER,
)
case(
    "wrong index: the label of the example before",
    mean_log_loss,
    "s",
    lambda s, y: ds_001(s, np.roll(y, 1)),
    ds_001,
    "wrong index",
    **SCORES_001,
)
case(
    "wrong index: labels that count from 1",
    mean_log_loss,
    "s",
    lambda s, y: ds_001(s, (y - 1) % s.shape[1]),
    ds_001,
    "wrong index",
    **SCORES_001,
)
case(
    "wrong layer: X for the activation before",
    TWO,
    "W2",
    DELTAS + "X.T @ d2",
    DELTAS + "a1.T @ d2",
    "wrong layer",
    **TWO_LAYERS,
)
case(
    "wrong layer: the slope of the layer after",
    TWO,
    "b1",
    DELTAS + "np.sum(d2 @ W2.T*a2*(1 - a2), axis=0)",
    DELTAS + "np.sum(d1, axis=0)",
    "wrong layer",
    **TWO_LAYERS,
)
case(
    "wrong layer: the weights of the layer before",
    TWO,
    "W1",
    DELTAS + "X.T @ (d2 @ W1.T*a1*(1 - a1))",
    DELTAS + "X.T @ d1",
    "wrong layer",
    **TWO_LAYERS,
)
SOFTMAX_ROWS = """
    e = np.exp(z)
    p = e/np.sum(e, axis=1, keepdims=True)
    loss = np.sum((p - t)**2)/2
"""
case(
    "softmax coupling: under half the squared error",
    SOFTMAX_ROWS,
    "z",
    "(p - t)*p*(1 - p)",
    "g = p - t; p*(g - np.sum(g*p, axis=1, keepdims=True))",
    "softmax coupling",
    z=draw(4, 3),
    t=draw(4, 3, seed=1),
)
case(
    "batch of one: the product of the first example's numbers",
    SUM,
    "W",
    DELTA + "np.outer(X[0], d[0])",
    DELTA + "X.T @ d",
    ("batch of one", "not summed"),  # right for a batch of one only, where the sum has one term
    lucky=True,
    **{**LAYER, "X": draw(1, 3), "t": draw(1, 2)},
)
case(
    "batch of one: no mean",
    MEAN,
    "W",
    DELTA + "X.T @ d",
    DELTA + "X.T @ d/len(X)",
    ("batch of one", "size factor"),  # N times too large, and given is N = 1
    lucky=True,
    **{**LAYER, "X": draw(1, 3), "t": draw(1, 2)},
)
case(
    "stride 1: given as such",
    line_002,
    "w",
    by_kernel_at_stride_one,
    CASES["002, output size: n - k + 1 -> floor((n - k) / s) + 1"].right,
    "stride",
    x=draw(6),
    w=draw(3),
    s=1,
    lucky=True,
)
case(
    "targets that sum to 1: given as such",
    softmax_cross_entropy,
    "z",
    lambda z, t: formulas.softmax(z) - t,
    delta_003,
    "sum of targets",
    z=z_003,
    t=np.array([0.2, 0.5, 0.3]),
    lucky=True,
)
case("not a derivative: the function itself", "x**3", "x", "x**3", "3*x**2", "not a derivative", x=1.3)

# Printed formulas that fit square arrays only, at others
OBLONG: dict[str, Any] = {"W": draw(2, 3), "X": draw(3, 4), "b": draw(2)}
for name in [name for name in CASES if name.startswith("002") and CASES[name].arguments.keys() == SQUARE.keys()]:
    case(f"{name}; given oblong", *CASES[name][:5], fits="db_p" in name, **OBLONG)
