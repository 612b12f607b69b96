"""The networks of five posts, built from bare Values and from `nn`: the engine's gradients are the posts' formulas.

The formulas stand in `tests/formulas.py`, in NumPy. Sizes and numbers are drawn by hypothesis. Both sides sum at most some
dozens of products of numbers of order one, each rounded to 1e-16 of its size, so they may differ by 1e-14 or so; asked
is 1e-12 of the largest entry, or 1e-12 where terms of order one cancel to less.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import formulas
import numpy as np
import pytest
from formulas import Array
from hypothesis import given, settings
from hypothesis import strategies as st

import nn
from autograd import Value

sizes = st.integers(1, 5)
seeds = st.integers(0, 2**32 - 1)
MOST = settings(max_examples=30)


def numbers(seed: int) -> Callable[..., Array]:
    """Draws arrays of the shape asked for, from -2 to 2; of an odd seed halves, so that some sums are exactly 0."""
    draw = np.random.default_rng(seed)

    def drawn(*shape: int) -> Array:
        x = draw.uniform(-2, 2, shape)
        return np.round(2 * x) / 2 if seed % 2 else x

    return drawn


def values(array: Any) -> Any:
    """An array as nested lists of leaves."""
    return Value(float(array)) if np.ndim(array) == 0 else [values(part) for part in array]


def each(nested: Any, of: Callable[[Any], float]) -> Array:
    """Nested lists of Values as an array of one number of each."""
    return np.array(of(nested) if isinstance(nested, Value) else [each(part, of) for part in nested])


def grads(nested: Any) -> Array:
    return each(nested, lambda value: value.grad)


def datas(nested: Any) -> Array:
    return each(nested, lambda value: value.data)


def agree(ours: Any, right: Any) -> None:
    ours, right = np.asarray(ours), np.asarray(right)
    assert ours.shape == right.shape
    np.testing.assert_allclose(ours, right, rtol=0, atol=1e-12 * max(1.0, np.abs(right).max()))


# ---- three ways to build one net -----------------------------------------------------------------------------------


Batch = list[list[Value]]  # an example a row


class Net(NamedTuple):
    """A net in one of the ways to build it, with its leaves sorted as the posts sort them."""

    outputs: Callable[[Any], Batch]  # of a batch
    layers: list[Callable[[Any], Batch]]  # the same, layer by layer: of what came before, the activations
    weights: list[Any]  # per layer, from input k to neuron j: [k][j]
    biases: list[Any]  # per layer [j]; empty without
    parameters: list[Value]


Built = Callable[[list[Array], list[Array], list[str]], Net]


def by_hand(weights: list[Array], biases: list[Array], activations: list[str]) -> Net:
    ws, bs = [values(W) for W in weights], [values(b) for b in biases]

    def layer(i: int, X: Any) -> Batch:
        return [[act(activations[i], neuron(i, j, x)) for j in range(len(ws[i][0]))] for x in X]

    def neuron(i: int, j: int, x: Any) -> Value:
        z = sum(x_k * row[j] for x_k, row in zip(x, ws[i], strict=True))
        return z + bs[i][j] if bs else z

    layers = [functools.partial(layer, i) for i in range(len(ws))]
    return Net(lambda X: every_layer(layers, X)[-1], layers, ws, bs, flat([ws, bs]))


def act(name: str, z: Value) -> Value:
    return z if name == "linear" else getattr(z, name)()


def as_mlp(weights: list[Array], biases: list[Array], activations: list[str]) -> Net:
    *hidden, output = activations
    widths = [W.shape[1] for W in weights]
    model = nn.MLP(len(weights[0]), widths, activation=(hidden or [output])[0], output=output, bias=bool(biases))
    for i, (part, W) in enumerate(zip(model.layers, weights, strict=True)):
        for j, neuron in enumerate(part.neurons):
            put(neuron.w, W[:, j])
            if biases:
                put([neuron.b], biases[i][j : j + 1])

    def batch(part: Callable[[Any], Any], X: Any) -> Batch:
        return [y if isinstance(y, list) else [y] for y in map(part, X)]

    ws = [transposed([neuron.w for neuron in part.neurons]) for part in model.layers]
    bs = [[neuron.b for neuron in part.neurons] for part in model.layers] if biases else []
    layers = [functools.partial(batch, part) for part in model.layers]
    return Net(functools.partial(batch, model), layers, ws, bs, model.parameters())


def as_sequential(weights: list[Array], biases: list[Array], activations: list[str]) -> Net:
    linears = [nn.Linear(*W.shape, bias=bool(biases)) for W in weights]
    for i, (linear, W) in enumerate(zip(linears, weights, strict=True)):
        put(linear.weight, W.T)
        if biases:
            put(linear.bias, biases[i])
    layers = [
        nn.Sequential(linear) if name == "linear" else nn.Sequential(linear, name)
        for linear, name in zip(linears, activations, strict=True)
    ]
    model = nn.Sequential(*layers)
    ws, bs = [transposed(linear.weight) for linear in linears], [linear.bias for linear in linears if biases]
    return Net(model, list(layers), ws, bs, model.parameters())


def every_layer(layers: list[Callable[[Any], Batch]], X: Any) -> list[Batch]:
    """The activations of each layer."""
    return list(itertools.accumulate(layers, lambda a, layer: layer(a), initial=X))[1:]


def flat(nested: Any) -> list[Value]:
    return [nested] if isinstance(nested, Value) else [leaf for part in nested for leaf in flat(part)]


def put(leaves: Any, array: Array) -> None:
    for leaf, x in zip(leaves, array, strict=True):
        if isinstance(leaf, Value):
            leaf.data = float(x)
        else:
            put(leaf, x)


def transposed(rows: list[list[Value]]) -> list[list[Value]]:
    return [list(column) for column in zip(*rows, strict=True)]


BUILDERS: list[Built] = [by_hand, as_mlp, as_sequential]
in_every_way = pytest.mark.parametrize("build", BUILDERS)


def before(activated: Any) -> Any:
    """The pre-activations of activations, in nested lists."""
    return activated.parents[0] if isinstance(activated, Value) else [before(a) for a in activated]


def half_square(build: Built, outputs: Any, targets: Array, reduction: str) -> Value:
    """Half the squared error, summed over the examples or averaged: written out for the net by hand, else nn's."""
    if build is not by_hand:
        return nn.half_squared_error(outputs, targets.tolist(), reduction=reduction)
    pairs = [(y, t) for row, ts in zip(outputs, targets, strict=True) for y, t in zip(row, ts, strict=True)]
    total = 0.5 * sum((t - y) ** 2 for y, t in pairs)
    return total / len(targets) if reduction == "mean" else total


# ---- 000: sigmoid nets without bias --------------------------------------------------------------------------------


def grads_of_loss(net: Net, build: Built, X: Array, y: Array, reduction: str = "sum") -> Batch:
    for leaf in net.parameters:
        leaf.grad = 0.0
    out = net.outputs(X)
    half_square(build, out, y, reduction).backward()
    return out


@in_every_way
@MOST
@given(seed=seeds)
def test_one_layer_one_number(build: Built, seed: int) -> None:
    drawn = numbers(seed)
    x, w, y = drawn(1, 1), drawn(1, 1), drawn(1, 1)
    net = build([w], [], ["sigmoid"])
    out = net.outputs(x)
    out[0][0].backward()
    yhat = formulas.prediction(x, w)
    agree(datas(out), yhat)
    agree(grads(net.weights[0]), formulas.slope_of_prediction(yhat, x))
    grads_of_loss(net, build, x, y)
    agree(grads(net.weights[0]), formulas.delta_1(yhat, y) * x)
    agree(grads(net.weights[0]), formulas.one_layer(x, w, y))


@in_every_way
@MOST
@given(seed=seeds, nin=sizes)
def test_one_layer_a_vector(build: Built, seed: int, nin: int) -> None:
    drawn = numbers(seed)
    x, w, y = drawn(1, nin), drawn(nin, 1), drawn(1, 1)
    net = build([w], [], ["sigmoid"])
    out = net.outputs(x)
    out[0][0].backward()
    yhat = formulas.prediction(x, w)
    agree(datas(out), yhat)
    agree(grads(net.weights[0]), formulas.slope_of_prediction(yhat, x))
    grads_of_loss(net, build, x, y)
    agree(grads(net.weights[0])[:, 0], formulas.one_layer_by_component(x[0], yhat[0, 0], y[0, 0]))
    agree(grads(net.weights[0]), formulas.one_layer(x, w, y))


@in_every_way
@MOST
@given(seed=seeds, n=sizes, nin=sizes, nout=sizes)
def test_one_layer_many_inputs(build: Built, seed: int, n: int, nin: int, nout: int) -> None:
    drawn = numbers(seed)
    X, W, Y = drawn(n, nin), drawn(nin, nout), drawn(n, nout)
    net = build([W], [], ["sigmoid"])
    out = grads_of_loss(net, build, X, Y)
    agree(grads(before(out)), formulas.delta_1(formulas.prediction(X, W), Y))
    agree(grads(net.weights[0]), formulas.one_layer(X, W, Y))
    grads_of_loss(net, build, X, Y, "mean")
    agree(grads(net.weights[0]), formulas.one_layer(X, W, Y) / n)


@in_every_way
@MOST
@given(seed=seeds, n=sizes, nin=sizes, hidden=sizes, nout=sizes)
def test_two_layers(build: Built, seed: int, n: int, nin: int, hidden: int, nout: int) -> None:
    """One input (n = 1) and many."""
    drawn = numbers(seed)
    X, W1, W2, Y = drawn(n, nin), drawn(nin, hidden), drawn(hidden, nout), drawn(n, nout)
    net, right = build([W1, W2], [], ["sigmoid", "sigmoid"]), formulas.two_layers(X, W1, W2, Y)
    out = grads_of_loss(net, build, X, Y)
    agree(grads(before(out)), right.delta_2)
    agree(grads(net.weights[0]), right.dW1)
    agree(grads(net.weights[1]), right.dW2)
    h, out = every_layer(net.layers, X)
    half_square(build, out, Y, "sum").backward()
    agree(grads(before(h)), right.delta_1)


# ---- 001: ReLU, softmax, log loss, and L2 on weights and biases ----------------------------------------------------


def log_loss_and_l2(build: Built, net: Net, scores: Batch, y: list[int], strength: float) -> Value:
    if build is not by_hand:
        return nn.softmax_cross_entropy(scores, y) + nn.l2_penalty(net.parameters, strength)
    losses = []
    for s, right in zip(scores, y, strict=True):
        e = [s_j.exp() for s_j in s]
        losses.append(-(e[right] / sum(e)).log())
    return sum(losses) / len(y) + strength * sum(p**2 for p in net.parameters)


@in_every_way
@MOST
@given(seed=seeds, n=sizes, nin=sizes, hidden=sizes, classes=sizes, data=st.data())
def test_relu_softmax_net(
    build: Built, seed: int, n: int, nin: int, hidden: int, classes: int, data: st.DataObject
) -> None:
    drawn = numbers(seed)
    X, W1, b1, W2, b2 = drawn(n, nin), drawn(nin, hidden), drawn(hidden), drawn(hidden, classes), drawn(classes)
    y = data.draw(st.lists(st.integers(0, classes - 1), min_size=n, max_size=n))
    strength = data.draw(st.sampled_from([0.0, 0.01, 0.5]))
    net = build([W1, W2], [b1, b2], ["relu", "linear"])
    h, s = every_layer(net.layers, X)
    loss = log_loss_and_l2(build, net, s, y, strength)
    loss.backward()
    right = formulas.relu_softmax_net(X, y, W1, b1, W2, b2, strength)
    agree(datas(before(h)), right.f)
    agree(datas(h), right.h)
    agree(datas(s), right.s)
    agree(datas(net.outputs(X)), right.s)
    agree(loss.data, right.loss)
    agree(grads(s), right.ds)
    agree(grads(h), right.dh)
    agree(grads(before(h)), right.df)
    for ours, theirs in zip([*net.weights, *net.biases], [right.dW1, right.dW2, right.db1, right.db2], strict=True):
        agree(grads(ours), theirs)
    if build is not by_hand:
        agree([[p.data for p in nn.softmax(row)] for row in s], right.p)


# ---- 002: affine, ReLU, convolution --------------------------------------------------------------------------------


def weighted_sum(Y: Any, G: Array) -> Value:
    """An error E of which G is dE/dY."""
    return sum(float(g) * y for y, g in zip(flat(Y), G.flat, strict=True))


def affine_by_hand(W: Any, b: Any, X: Batch) -> Batch:
    return [[sum(w * x for w, x in zip(row, example, strict=True)) + b_i for row, b_i in zip(W, b)] for example in X]


@pytest.mark.parametrize("layer", ["values", "Linear"])
@MOST
@given(seed=seeds, n=sizes, nin=sizes, nout=sizes)
def test_affine(layer: str, seed: int, n: int, nin: int, nout: int) -> None:
    """A batch through an affine layer; the post's columns are our rows."""
    drawn = numbers(seed)
    W, X, b, G = drawn(nout, nin), drawn(nin, n), drawn(nout), drawn(nout, n)
    x = values(X.T)
    if layer == "Linear":
        linear = nn.Linear(nin, nout)
        put(linear.weight, W)
        put(linear.bias, b)
        w, bias, Y = linear.weight, linear.bias, linear(x)
    else:
        w, bias = values(W), values(b)
        Y = affine_by_hand(w, bias, x)
    agree(datas(Y).T, formulas.affine(W, X, b))
    weighted_sum(Y, G.T).backward()
    for ours, right in zip([grads(w), grads(bias), grads(x).T], formulas.affine_gradients(W, X, G), strict=True):
        agree(ours, right)
    agree(grads(Y).T, G)


def jacobian(outputs: list[Value], leaves: Any) -> Array:
    """d outputs[i]/d leaves[...], with the index i first: one sweep for each output."""
    rows = []
    for y in outputs:
        for leaf in flat(leaves):
            leaf.grad = 0.0
        y.backward()
        rows.append(grads(leaves))
    return np.array(rows)


@settings(max_examples=10)
@given(seed=seeds, n=st.integers(1, 3), nin=st.integers(1, 3), nout=st.integers(1, 3))
def test_slopes_of_affine(seed: int, n: int, nin: int, nout: int) -> None:
    """dY_ij by every W_pq, b_p and X_pq."""
    drawn = numbers(seed)
    W, X = drawn(nout, nin), drawn(nin, n)
    w, b, x = values(W), values(drawn(nout)), values(X.T)
    Y = [y for row in transposed(affine_by_hand(w, b, x)) for y in row]  # Y_ij, j running fast
    shape = (nout, n)
    agree(jacobian(Y, w).reshape(*shape, *W.shape), formulas.affine_by_weight(W, X))
    agree(jacobian(Y, b).reshape(*shape, nout), formulas.affine_by_bias(W, X))
    agree(jacobian(Y, x).reshape(*shape, n, nin).swapaxes(2, 3), formulas.affine_by_input(W, X))


@pytest.mark.parametrize("layer", ["values", "ReLU"])
@MOST
@given(seed=seeds, n=sizes, nin=sizes)
def test_relu(layer: str, seed: int, n: int, nin: int) -> None:
    drawn = numbers(seed)
    X, G = drawn(n, nin), drawn(n, nin)
    x = values(X)
    Y = nn.ReLU()(x) if layer == "ReLU" else [[x_ij.relu() for x_ij in row] for row in x]
    agree(datas(Y), np.maximum(X, 0))
    weighted_sum(Y, G).backward()
    agree(grads(x), formulas.relu_gradient(X, G))


class Convolution(NamedTuple):
    """A case: arrays, and the sizes that go with them."""

    X: Array  # n c h w, without padding
    W: Array  # o c i j
    b: Array  # o
    stride: tuple[int, int]
    padding: tuple[int, int]
    G: Array  # dE/dY, n o h w


@st.composite
def convolutions(draw: st.DrawFn) -> Convolution:
    """Kernels that fit, rectangles too; strides that leave a rest, and strides that leap over the kernel."""
    n, c, o = (draw(st.integers(1, most)) for most in (2, 3, 2))
    kernel, stride, padding = (
        (draw(numbers), draw(numbers)) for numbers in (st.integers(1, 3), st.integers(1, 4), st.integers(0, 2))
    )
    shape = [draw(st.integers(max(1, k - 2 * p), 5)) for k, p in zip(kernel, padding, strict=True)]
    drawn = numbers(draw(seeds))
    out = [formulas.output_size(*of) for of in zip(shape, kernel, stride, padding, strict=True)]
    return Convolution(drawn(n, c, *shape), drawn(o, c, *kernel), drawn(o), stride, padding, drawn(n, o, *out))


def convolve_by_hand(x: Any, w: Any, b: Any, case: Convolution) -> Any:
    """Y_{n,o,h,w}, entry by entry, over the inputs under the kernel."""
    (s, t), (p, q) = case.stride, case.padding
    height, width = case.X.shape[2:]
    return [
        [
            [
                [
                    b[o]
                    + sum(
                        w[o][c][i][j] * image[c][h * s + i - p][v * t + j - q]
                        for c, i, j in np.ndindex(case.W.shape[1:])
                        if 0 <= h * s + i - p < height and 0 <= v * t + j - q < width
                    )
                    for v in range(case.G.shape[3])
                ]
                for h in range(case.G.shape[2])
            ]
            for o in range(len(case.W))
        ]
        for image in x
    ]


def convolved(layer: str, case: Convolution) -> tuple[Any, Any, Any, Any]:
    """x, w, b as leaves, and Y."""
    x = values(case.X)
    if layer == "values":
        w, b = values(case.W), values(case.b)
        return x, w, b, convolve_by_hand(x, w, b, case)
    o, c, *kernel = case.W.shape
    conv = nn.Conv2d(c, o, tuple(kernel), stride=case.stride, padding=case.padding)
    put(conv.weight, case.W)
    put(conv.bias, case.b)
    return x, conv.weight, conv.bias, conv(x)


@pytest.mark.parametrize("layer", ["values", "Conv2d"])
@settings(max_examples=20)
@given(case=convolutions())
def test_convolution(layer: str, case: Convolution) -> None:
    """Batch, channels in and out, stride and padding: the output, and dE by input, weight and bias."""
    x, w, b, Y = convolved(layer, case)
    X = formulas.padded(case.X, case.padding)
    agree(datas(Y), formulas.convolution(X, case.W, case.b, case.stride))
    weighted_sum(Y, case.G).backward()
    agree(grads(Y), case.G)
    dX, dW, db = formulas.convolution_gradients(X, case.W, case.G, case.stride)
    (p, q), (height, width) = case.padding, case.X.shape[2:]
    agree(grads(x), dX[:, :, p : p + height, q : q + width])
    agree(grads(w), dW)
    agree(grads(b), db)


@settings(max_examples=10)
@given(case=convolutions())
def test_slopes_of_convolution(case: Convolution) -> None:
    """One output by every input and every weight, and the bias: 1."""
    case = case._replace(X=formulas.padded(case.X[:1], case.padding)[:, :, :6, :6], padding=(0, 0))
    if any(x < k for x, k in zip(case.X.shape[2:], case.W.shape[2:], strict=True)):
        return
    G = np.ones((1, len(case.W), *map(formulas.output_size, case.X.shape[2:], case.W.shape[2:], case.stride)))
    x, w, b, Y = convolved("values", case._replace(G=G))
    h, v = G.shape[2] - 1, G.shape[3] - 1
    Y[0][0][h][v].backward()
    agree(grads(x)[0], formulas.convolution_by_input(case.X[0], case.W[0], case.stride, h, v))
    agree(grads(w)[0], formulas.convolution_by_weight(case.X[0], case.W[0], case.stride, h, v))
    assert grads(b).tolist() == [1.0, *[0.0] * (len(case.b) - 1)]


# ---- 003: BP1-BP4, BP1b-BP4b, softmax with cross-entropy -----------------------------------------------------------

SLOPES = {"sigmoid": formulas.sigmoid_slope, "tanh": formulas.tanh_slope}


class Deep(NamedTuple):
    """A net of any depth, as arrays."""

    ws: list[Array]  # w_kj
    bs: list[Array]
    activations: list[str]
    X: Array  # an example a row
    T: Array


@st.composite
def deep_nets(draw: st.DrawFn) -> Deep:
    widths = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    drawn, m = numbers(draw(seeds)), draw(sizes)
    hidden, output = draw(st.sampled_from(sorted(SLOPES))), draw(st.sampled_from(sorted(SLOPES)))
    return Deep(
        [drawn(*shape) for shape in itertools.pairwise(widths)],
        [drawn(width) for width in widths[1:]],
        [*[hidden] * (len(widths) - 2), output],
        drawn(m, widths[0]),
        drawn(m, widths[-1]),
    )


def slopes_of(deep: Deep, activated: list[Batch]) -> list[Array]:
    """sigma'(z^l) of each layer, an example a column."""
    return [SLOPES[name](datas(before(a)).T) for name, a in zip(deep.activations, activated, strict=True)]


@in_every_way
@MOST
@given(deep=deep_nets())
def test_bp1_to_bp4(build: Built, deep: Deep) -> None:
    """One example: every delta of every layer, and every weight and bias."""
    x, t = deep.X[:1], deep.T[:1]
    net = build(deep.ws, deep.bs, deep.activations)
    activated = every_layer(net.layers, x)
    half_square(build, activated[-1], t, "sum").backward()
    a = [x[0], *(datas(layer)[0] for layer in activated)]
    slopes = [slope[:, 0] for slope in slopes_of(deep, activated)]
    delta = formulas.bp1(a[-1] - t[0], slopes[-1])
    for i in reversed(range(len(deep.ws))):
        agree(grads(before(activated[i]))[0], delta)
        agree(grads(net.biases[i]), formulas.bp3(delta))
        agree(grads(net.weights[i]), formulas.bp4(a[i], delta))
        delta = formulas.bp2(deep.ws[i], delta, slopes[i - 1] if i else 1.0)
    x_leaves = values(x)
    half_square(build, net.outputs(x_leaves), t, "sum").backward()
    agree(grads(x_leaves)[0], delta)  # BP2 without an activation: the input's gradient


@in_every_way
@MOST
@given(deep=deep_nets())
def test_bp1b_to_bp4b(build: Built, deep: Deep) -> None:
    """A batch: a column of delta is that of one example's cost, m times the gradient that the mean's sweep leaves."""
    m = len(deep.X)
    net = build(deep.ws, deep.bs, deep.activations)
    activated = every_layer(net.layers, deep.X)
    half_square(build, activated[-1], deep.T, "mean").backward()
    a = [deep.X.T, *(datas(layer).T for layer in activated)]
    slopes = slopes_of(deep, activated)
    delta = formulas.bp1(a[-1] - deep.T.T, slopes[-1])
    for i in reversed(range(len(deep.ws))):
        agree(grads(before(activated[i])).T, delta / m)
        agree(grads(net.biases[i]), formulas.bp3b(delta))
        agree(grads(net.weights[i]), formulas.bp4b(a[i], delta))
        delta = formulas.bp2(deep.ws[i], delta, slopes[i - 1] if i else 1.0)


@in_every_way
@MOST
@given(deep=deep_nets())
def test_the_mean_taken_at_the_start(build: Built, deep: Deep) -> None:
    """The post's advice for programs: 1/m goes into nabla_a C, and into nothing after that."""
    net = build(deep.ws, deep.bs, deep.activations)
    activated = every_layer(net.layers, deep.X)
    half_square(build, activated[-1], deep.T, "mean").backward()
    a = [deep.X.T, *(datas(layer).T for layer in activated)]
    slopes = slopes_of(deep, activated)
    delta = formulas.bp1((a[-1] - deep.T.T) / len(deep.X), slopes[-1])
    for i in reversed(range(len(deep.ws))):
        agree(grads(before(activated[i])).T, delta)
        agree(grads(net.biases[i]), delta.sum(axis=1))
        agree(grads(net.weights[i]), a[i] @ delta.T)
        delta = formulas.bp2(deep.ws[i], delta, slopes[i - 1] if i else 1.0)


def softmax_by_hand(z: list[Value]) -> list[Value]:
    e = [z_i.exp() for z_i in z]
    return [e_i / sum(e) for e_i in e]


def cross_entropy_by_hand(a: list[Value], t: Array) -> Value:
    return -sum(float(t_j) * a_j.log() for a_j, t_j in zip(a, t, strict=True))


softmaxes = pytest.mark.parametrize("how", ["values", "nn"])


@softmaxes
@MOST
@given(seed=seeds, n=sizes)
def test_softmax_with_cross_entropy_of_any_target(how: str, seed: int, n: int) -> None:
    """delta = a sum(t) - t for any t, BP1 in matrix form; and by a, -t/a."""
    drawn = numbers(seed)
    Z, t = drawn(n), drawn(n)
    z = values(Z)
    a = softmax_by_hand(z) if how == "values" else nn.softmax(z)
    right = formulas.softmax(Z)
    agree(datas(a), right)
    cross_entropy_by_hand(a, t).backward()
    nabla = formulas.cross_entropy_slope(right, t)
    agree(grads(a), nabla)
    agree(grads(z), formulas.softmax_delta(right, t))
    agree(grads(z), formulas.bp1_by_matrix(nabla, formulas.softmax_jacobian(right)))
    z = values(Z)
    agree(jacobian(softmax_by_hand(z) if how == "values" else nn.softmax(z), z), formulas.softmax_jacobian(right))


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "cross_entropy"])
@MOST
@given(seed=seeds, n=sizes, m=sizes, whole=st.booleans())
def test_losses_of_softmax_with_distributions(loss: str, seed: int, n: int, m: int, whole: bool) -> None:
    """Of a batch, the loss on scores and the one on probabilities; with sum(t) = 1 delta is a - t."""
    drawn = numbers(seed)
    Z, T = drawn(m, n), np.abs(drawn(m, n)) + 0.1
    if whole:
        T /= T.sum(axis=1, keepdims=True)
    z = values(Z)
    if loss == "softmax_cross_entropy":
        found = nn.softmax_cross_entropy(z, T.tolist())
    else:
        found = nn.cross_entropy([nn.softmax(row) for row in z], T.tolist())
    found.backward()
    a = formulas.softmax(Z.T)
    agree(found.data, -(T.T * np.log(a)).sum() / m)
    agree(grads(z).T, formulas.softmax_delta(a, T.T) / m)
    if whole:
        agree(grads(z).T, (a - T.T) / m)


@in_every_way
@MOST
@given(deep=deep_nets(), data=st.data())
def test_bp_of_a_softmax_classifier(build: Built, deep: Deep, data: st.DataObject) -> None:
    """delta^L = a - t at the scores, then BP2b to BP4b below it."""
    m, classes = deep.T.shape
    labels = data.draw(st.lists(st.integers(0, classes - 1), min_size=m, max_size=m))
    deep = deep._replace(activations=[*deep.activations[:-1], "linear"])
    net = build(deep.ws, deep.bs, deep.activations)
    activated = every_layer(net.layers, deep.X)
    log_loss_and_l2(build, net, activated[-1], labels, 0.0).backward()
    a = [deep.X.T, *(datas(layer).T for layer in activated)]
    slopes = slopes_of(deep._replace(activations=deep.activations[:-1]), activated[:-1])
    delta = formulas.softmax_delta(formulas.softmax(a[-1]), np.eye(classes)[labels].T)
    agree(grads(activated[-1]).T, delta / m)
    for i in reversed(range(len(deep.ws))):
        agree(grads(net.biases[i]), formulas.bp3b(delta))
        agree(grads(net.weights[i]), formulas.bp4b(a[i], delta))
        if i:
            delta = formulas.bp2(deep.ws[i], delta, slopes[i - 1])
            agree(grads(before(activated[i - 1])).T, delta / m)


# ---- 004: quadratic cost, the error of a neuron, gradient descent --------------------------------------------------


@in_every_way
@MOST
@given(deep=deep_nets())
def test_four_equations(build: Built, deep: Deep) -> None:
    """The error of every neuron, and every weight w_jk and bias, index by index."""
    x, y = deep.X[0], deep.T[0]
    net = build(deep.ws, deep.bs, deep.activations)
    activated = every_layer(net.layers, [x])
    cost = half_square(build, activated[-1], y[None], "sum")
    cost.backward()
    a = [x, *(datas(layer)[0] for layer in activated)]
    slopes = [slope[:, 0] for slope in slopes_of(deep, activated)]
    agree(cost.data, formulas.quadratic_cost(a[-1], y))
    agree(grads(activated[-1])[0], a[-1] - y)  # dc/da^[L]
    agree(grads(net.weights[-1]).T, formulas.last_weight_slope(a[-1], y, slopes[-1], a[-2]))
    e = formulas.output_error(a[-1], y, slopes[-1])
    for i in reversed(range(len(deep.ws))):
        agree(grads(before(activated[i]))[0], e)
        agree(grads(net.biases[i]), formulas.bias_slope(e))
        agree(grads(net.weights[i]).T, formulas.weight_slope(a[i], e))
        if i:
            e = formulas.earlier_error(deep.ws[i].T, e, slopes[i - 1])


@MOST
@given(seed=seeds)
def test_chain_rule(seed: int) -> None:
    """dc/dz = dc/da da/dz."""
    z, y = map(float, numbers(seed)(2))
    Z = Value(z)
    a = Z.sigmoid()
    cost = (y - a) ** 2 / 2
    cost.backward()
    assert a.grad == pytest.approx(float(formulas.sigmoid(z)) - y, rel=1e-12, abs=1e-15)
    agree(Z.grad, a.grad * formulas.sigmoid_slope(z))


@in_every_way
@settings(max_examples=5)
@given(deep=deep_nets())
def test_fifty_steps_of_gradient_descent(build: Built, deep: Deep) -> None:
    """The cost, the mean over the examples, falls; the parameters are those of the four equations' own descent."""
    net, rate = build(deep.ws, deep.bs, deep.activations), 0.05
    ws, bs = [w.copy() for w in deep.ws], [b.copy() for b in deep.bs]
    optimizer, costs = nn.SGD(net.parameters, lr=rate), []
    for _ in range(50):
        optimizer.zero_grad()
        cost = half_square(build, net.outputs(deep.X), deep.T, "mean")
        cost.backward()
        optimizer.step()
        costs.append(cost.data)
        agree(cost.data, descend(ws, bs, deep, rate))
    assert all(later < earlier for earlier, later in itertools.pairwise(costs))
    for ours, right in zip([*net.weights, *net.biases], [*ws, *bs], strict=True):
        agree(datas(ours), right)


def descend(ws: list[Array], bs: list[Array], deep: Deep, rate: float) -> float:
    """One step of gradient descent in place by BP1b to BP4b; the cost before it."""
    act = {"sigmoid": formulas.sigmoid, "tanh": np.tanh}
    zs, a = [], [deep.X.T]
    for w, b, name in zip(ws, bs, deep.activations, strict=True):
        zs.append(w.T @ a[-1] + b[:, None])
        a.append(act[name](zs[-1]))
    slopes = [SLOPES[name](z) for name, z in zip(deep.activations, zs, strict=True)]
    delta = formulas.bp1(a[-1] - deep.T.T, slopes[-1])
    for i in reversed(range(len(ws))):
        weight, bias = formulas.bp4b(a[i], delta), formulas.bp3b(delta)
        if i:
            delta = formulas.bp2(ws[i], delta, slopes[i - 1])
        ws[i] -= rate * weight
        bs[i] -= rate * bias
    return formulas.quadratic_cost(a[-1], deep.T.T) / len(deep.X)


# ---- beside PyTorch ------------------------------------------------------------------------------------------------


@pytest.mark.peers
@MOST
@given(seed=seeds, n=sizes, nin=sizes, nout=sizes)
def test_affine_beside_pytorch(seed: int, n: int, nin: int, nout: int) -> None:
    import torch

    drawn = numbers(seed)
    arrays = drawn(n, nin), drawn(nout, nin), drawn(nout)
    G = drawn(n, nout)
    X, W, b = (torch.tensor(array, requires_grad=True) for array in arrays)
    theirs = torch.nn.functional.linear(X, W, b)
    (theirs * torch.tensor(G)).sum().backward()
    linear, x = nn.Linear(nin, nout), values(arrays[0])
    put(linear.weight, arrays[1])
    put(linear.bias, arrays[2])
    Y = linear(x)
    weighted_sum(Y, G).backward()
    agree(datas(Y), theirs.detach().numpy())
    for ours, tensor in zip([x, linear.weight, linear.bias], [X, W, b], strict=True):
        agree(grads(ours), tensor.grad.numpy())


@pytest.mark.peers
@MOST
@given(case=convolutions())
def test_convolution_beside_pytorch(case: Convolution) -> None:
    import torch

    X, W, b = (torch.tensor(array, requires_grad=True) for array in (case.X, case.W, case.b))
    theirs = torch.nn.functional.conv2d(X, W, b, stride=case.stride, padding=case.padding)
    (theirs * torch.tensor(case.G)).sum().backward()
    *leaves, Y = convolved("Conv2d", case)
    weighted_sum(Y, case.G).backward()
    agree(datas(Y), theirs.detach().numpy())
    for ours, tensor in zip(leaves, [X, W, b], strict=True):
        agree(grads(ours), tensor.grad.numpy())
