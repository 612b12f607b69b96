"""Replay of networks: layers in every shape in which weights and inputs may be shared, and whole networks.

Right is what the engine gives for the same graph in each lane, the formulas of the posts (`formulas.py`), and PyTorch.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import formulas
import numpy as np
import pytest
from replaying import Array, check, check_result, eager, leaves_of, same

import autograd
import nn
from autograd import Value
from nn.activations import ACTIVATIONS

Matrix = list[list[Value]]
Layer = Callable[[list[Value], list[Value]], list[Value]]  # (inputs, parameters) -> outputs


def drawn(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


def rows(ps: Sequence[Any], width: int) -> list[list[Any]]:
    return [list(ps[i : i + width]) for i in range(0, len(ps), width)]


def shuffled(xs: Sequence[Any], seed: int = 0) -> list[Any]:
    return random.Random(seed).sample(list(xs), len(xs))


# ---- one layer, in all its ways --------------------------------------------------------------------------------------

NIN, NOUT = 4, 3


def neuron(ws: Sequence[Any], xs: Sequence[Any]) -> Any:
    return sum(w * x for w, x in zip(ws, xs, strict=True))


def plain(xs: list[Value], ps: list[Value]) -> list[Any]:
    return [neuron(ws, xs) for ws in rows(ps[:12], NIN)]


def operands_swapped(xs: list[Value], ps: list[Value]) -> list[Any]:
    return [
        sum(x * w if (i + j) % 2 else w * x for i, (w, x) in enumerate(zip(ws, xs)))
        for j, ws in enumerate(rows(ps[:12], NIN))
    ]


def bias_last(xs: list[Value], ps: list[Value]) -> list[Any]:
    return [neuron(ws, xs) + b for ws, b in zip(rows(ps[:12], NIN), ps[12:])]


def bias_first(xs: list[Value], ps: list[Value]) -> list[Any]:
    return [sum((w * x for w, x in zip(ws, xs)), b) for ws, b in zip(rows(ps[:12], NIN), ps[12:])]


def bias_in_the_middle(xs: list[Value], ps: list[Value]) -> list[Any]:
    return [neuron(ws[:2], xs[:2]) + b + neuron(ws[2:], xs[2:]) for ws, b in zip(rows(ps[:12], NIN), ps[12:])]


def as_dots(xs: list[Value], ps: list[Value]) -> list[Any]:
    return [autograd.dot(ws, xs) + b for ws, b in zip(rows(ps[:12], NIN), ps[12:])]


def dots_from_the_right(xs: list[Value], ps: list[Value]) -> list[Any]:
    return [b + autograd.dot(xs, ws) for ws, b in zip(rows(ps[:12], NIN), ps[12:])]


def as_sums(xs: list[Value], ps: list[Value]) -> list[Any]:
    return [autograd.sum([*(w * x for w, x in zip(ws, xs)), b]) for ws, b in zip(rows(ps[:12], NIN), ps[12:])]


def terms_in_another_order_in_each_neuron(xs: list[Value], ps: list[Value]) -> list[Any]:
    return [
        sum(w * x for w, x in shuffled(list(zip(ws, xs)), seed)) + b
        for seed, (ws, b) in enumerate(zip(rows(ps[:12], NIN), ps[12:]))
    ]


def weights_in_no_order(xs: list[Value], ps: list[Value]) -> list[Any]:
    mixed = shuffled(ps, 3)
    return [neuron(ws, xs) + b for ws, b in zip(rows(mixed[:12], NIN), mixed[12:])]


def inputs_in_no_order(xs: list[Value], ps: list[Value]) -> list[Any]:
    return bias_last(shuffled(xs, 1), ps)


def transposed(xs: list[Value], ps: list[Value]) -> list[Any]:
    """Columns of weights: strides that are not those of rows."""
    return [neuron(ws, xs) + b for ws, b in zip(zip(*rows(ps[:12], NOUT)), ps[12:])]


def backwards(xs: list[Value], ps: list[Value]) -> list[Any]:
    return [neuron(ws, xs[::-1]) + b for ws, b in zip(rows(ps[:12][::-1], NIN), ps[12:][::-1])]


def one_bias_for_all(xs: list[Value], ps: list[Value]) -> list[Any]:
    return [neuron(ws, xs) + ps[12] for ws in rows(ps[:12], NIN)]


def a_bias_for_some(xs: list[Value], ps: list[Value]) -> list[Any]:
    first, second, third = rows(ps[:12], NIN)
    return [neuron(first, xs) + ps[12], neuron(second, xs), ps[12] + neuron(third, xs) + ps[13]]


def a_weight_as_bias(xs: list[Value], ps: list[Value]) -> list[Any]:
    return [neuron(ws, xs) + ws[0] for ws in rows(ps[:12], NIN)]


def constant_biases(xs: list[Value], ps: list[Value]) -> list[Any]:
    return [neuron(ws, xs) + c for ws, c in zip(rows(ps[:12], NIN), (1.0, 0.0, -2.5))]


def constants_among_the_weights(xs: list[Value], ps: list[Value]) -> list[Any]:
    first, second, third = rows([*ps[:6], 1.0, 0.0, -0.5, *ps[6:9]], NIN)
    return [neuron(first, xs) + ps[12], neuron(second, xs) + ps[13], neuron(third, xs) + 0.5]


def constants_only(xs: list[Value], ps: list[Value]) -> list[Any]:
    return [neuron(ws, xs) + p for ws, p in zip(rows([0.5, -1, 2, 0, 3, 1, 1, 1, -1, 0.25, 0, 7], NIN), ps)]


def constant_inputs(xs: list[Value], ps: list[Value]) -> list[Any]:
    return [neuron(ws, [0.5, -2.0, 1.0, 0.0]) + x for ws, x in zip(rows(ps[:12], NIN), xs)]


def leaves_that_are_neither_as_weights(xs: list[Value], ps: list[Value]) -> list[Any]:
    fixed = [Value(float(x)) for x in drawn(12, seed=5)]
    return [neuron(ws, xs) + b for ws, b in zip(rows(fixed, NIN), ps)]


def a_weight_twice_in_a_neuron(xs: list[Value], ps: list[Value]) -> list[Any]:
    return [neuron([ps[j], ps[j], ps[j + 1], ps[j]], xs) for j in range(NOUT)]


def a_weight_in_every_neuron(xs: list[Value], ps: list[Value]) -> list[Any]:
    return [neuron([ps[0], *ps[3 * j + 1 : 3 * j + 4]], xs) + ps[12] for j in range(NOUT)]


def the_same_neuron_twice(xs: list[Value], ps: list[Value]) -> list[Any]:
    return [neuron(ps[:4], xs) + ps[12], neuron(ps[:4], xs) + ps[12], neuron(ps[4:8], xs) + ps[13]]


def an_input_twice_in_a_neuron(xs: list[Value], ps: list[Value]) -> list[Any]:
    return [neuron(ws, [xs[0], xs[0], xs[1], xs[0]]) for ws in rows(ps[:12], NIN)]


def other_inputs_in_each_neuron(xs: list[Value], ps: list[Value]) -> list[Any]:
    return [neuron(ws[: 2 + j], xs[2 - j :]) + b for j, (ws, b) in enumerate(zip(rows(ps[:12], NIN), ps[12:]))]


def many_neurons_with_inputs_of_their_own(xs: list[Value], ps: list[Value]) -> list[Any]:
    """So many that each by itself would be slow: some with a bias, of one, two and three terms."""
    pairs = [(i, j) for i in range(NIN) for j in range(i)]
    found = [ps[k] * xs[i] + ps[k + 6] * xs[j] + ps[12] for k, (i, j) in enumerate(pairs)]
    found += [ps[2 * i] * xs[i] + ps[13] for i in range(NIN)]
    return found + [neuron(ps[i : i + 3], [xs[i], *xs[2:][::-1]]) for i in range(2)]


def overlapping_rows(xs: list[Value], ps: list[Value]) -> list[Any]:
    """Regular, but no matrix to write gradients to: one weight lies in several places."""
    return [neuron(ps[i : i + 4], xs) for i in range(4)]


def overlapping_rows_further_apart(xs: list[Value], ps: list[Value]) -> list[Any]:
    return [neuron(ps[2 * i : 2 * i + 4], xs) + ps[12] for i in range(4)]


def overlapping_columns(xs: list[Value], ps: list[Value]) -> list[Any]:
    return [neuron(ps[i : i + 7 : 2], xs) for i in range(4)]


def overlapping_rows_backwards(xs: list[Value], ps: list[Value]) -> list[Any]:
    return [neuron(ps[i : i + 4], xs) for i in range(3, -1, -1)] + [neuron(ps[i + 4 : i : -1], xs) for i in range(3)]


def a_convolution(xs: list[Value], ps: list[Value]) -> list[Any]:
    """Two kernels of two at three positions, one bias for each kernel."""
    return [neuron(kernel, xs[i : i + 2]) + b for kernel, b in zip((ps[:2], ps[2:4]), ps[12:]) for i in range(3)]


def a_convolution_with_padding(xs: list[Value], ps: list[Value]) -> list[Any]:
    """At the edges there are fewer terms."""
    return [neuron(ps[max(0, 1 - i) : min(3, 5 - i)], xs[max(0, i - 1) : min(4, i + 2)]) + ps[12] for i in range(NIN)]


def tied_weights(xs: list[Value], ps: list[Value]) -> list[Any]:
    """There and back by the same matrix: W^T tanh(W x)."""
    W = rows(ps[:12], NIN)
    return [neuron(column, [neuron(row, xs).tanh() for row in W]) for column in zip(*W)]


def one_layer_twice(xs: list[Value], ps: list[Value]) -> list[Any]:
    """A recurrence: the same square matrix at two levels."""
    W, h = rows(ps[:9], 3), xs[:3]
    for _ in range(3):
        h = [(neuron(row, h) + b).tanh() for row, b in zip(W, ps[12:])]
    return h


def scaled_inputs(xs: list[Value], ps: list[Value]) -> list[Any]:
    return bias_last([x / 255 for x in xs], ps) + bias_last([x * 0.5 for x in xs], ps) + bias_last([-x for x in xs], ps)


def scaled_products(xs: list[Value], ps: list[Value]) -> list[Any]:
    return [sum((w * x) * 0.5 for w, x in zip(ws, xs)) / 3 + b for ws, b in zip(rows(ps[:12], NIN), ps[12:])]


def scaled_weights(xs: list[Value], ps: list[Value]) -> list[Any]:
    return [sum((2 * w) * x for w, x in zip(ws, xs)) + (-b) for ws, b in zip(rows(ps[:12], NIN), ps[12:])]


def products_of_weights(xs: list[Value], ps: list[Value]) -> list[Any]:
    """A matrix of rank one: every weight a product of two parameters."""
    return [sum((u * v) * x for v, x in zip(ps[3:7], xs)) + u for u in ps[:3]]


def products_of_inputs(xs: list[Value], ps: list[Value]) -> list[Any]:
    """No weights: every product is of two things that change with the lane."""
    return [neuron(xs, xs), neuron(xs, xs[::-1]) + ps[0], neuron(xs[:2], xs[2:]) * ps[1], autograd.dot(xs, xs)]


def mixed_products(xs: list[Value], ps: list[Value]) -> list[Any]:
    """Products of weights and inputs, of two inputs, of two weights, and bare terms, in one sum."""
    return [
        ps[j] * xs[0] + xs[1] * xs[2] + ps[3] * ps[j + 4] + xs[3] + ps[8] + 2.0 + 3 * xs[j] + 0.5 * ps[j]
        for j in range(3)
    ]


def differences(xs: list[Value], ps: list[Value]) -> list[Any]:
    return [neuron(ws[:2], xs[:2]) - neuron(ws[2:], xs[2:]) - b for ws, b in zip(rows(ps[:12], NIN), ps[12:])]


def a_residual(xs: list[Value], ps: list[Value]) -> list[Any]:
    W = rows(ps[:16], NIN) if len(ps) >= 16 else rows([*ps, *ps[:1]], NIN)
    return [x + neuron(row, xs).relu() for row, x in zip(W, xs)]


def sums_that_others_use(xs: list[Value], ps: list[Value]) -> list[Any]:
    """The pre-activation is used in two places: it is a node of its own."""
    zs = [neuron(ws, xs) + b for ws, b in zip(rows(ps[:12], NIN), ps[12:])]
    return [z.tanh() * z for z in zs] + [zs[0] + zs[1] + zs[2]]


def products_that_others_use(xs: list[Value], ps: list[Value]) -> list[Any]:
    products = [w * x for w, x in zip(ps, xs)]
    return [sum(products), sum(products[:3]) + ps[12], products[0] * products[1], products[2].tanh() + products[3]]


def one_input(xs: list[Value], ps: list[Value]) -> list[Any]:
    return [w * xs[0] + b for w, b in zip(ps[:12], [*ps[12:]] * 4)] + [autograd.dot([w], [xs[1]]) for w in ps[:3]]


def one_neuron(xs: list[Value], ps: list[Value]) -> list[Any]:
    return [neuron(ps[:4], xs) + ps[12]]


def two_layers(xs: list[Value], ps: list[Value]) -> list[Any]:
    hidden = [z.sigmoid() for z in bias_last(xs, ps)]
    return [neuron(ws, hidden) + b for ws, b in zip(rows(ps[3:9], 3), ps[9:])]


def dead_neurons(xs: list[Value], ps: list[Value]) -> list[Any]:
    """Some gradients are exactly 0, in some lanes or in all."""
    hidden = [(neuron(ws, xs) - c).relu() for ws, c in zip(rows(ps[:12], NIN), (0.0, 1.0, 1e9))]
    return [neuron(hidden, ps[12:]), autograd.where(True, hidden[0], hidden[1])]


LAYERS: list[Layer] = [
    plain, operands_swapped, bias_last, bias_first, bias_in_the_middle, as_dots, dots_from_the_right, as_sums,
    terms_in_another_order_in_each_neuron, weights_in_no_order, inputs_in_no_order, transposed, backwards,
    one_bias_for_all, a_bias_for_some, a_weight_as_bias, constant_biases, constants_among_the_weights, constants_only,
    constant_inputs, leaves_that_are_neither_as_weights, a_weight_twice_in_a_neuron, a_weight_in_every_neuron,
    the_same_neuron_twice, an_input_twice_in_a_neuron, other_inputs_in_each_neuron,
    many_neurons_with_inputs_of_their_own, overlapping_rows, overlapping_rows_further_apart, overlapping_columns,
    overlapping_rows_backwards, a_convolution,
    a_convolution_with_padding, tied_weights, one_layer_twice, scaled_inputs, scaled_products, scaled_weights,
    products_of_weights, products_of_inputs, mixed_products, differences, a_residual, sums_that_others_use,
    products_that_others_use, one_input, one_neuron, two_layers, dead_neurons,
]  # fmt: skip
in_every_way = pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.__name__)
PARAMETERS = drawn(15, seed=1).tolist()


@in_every_way
def test_every_output_of_a_layer(layer: Layer) -> None:
    columns = drawn(5, NIN)
    check(used_all(layer), columns, PARAMETERS, upstream=drawn(len(used_all(layer)(*both())), 5, seed=2))
    check(used_all(layer), columns, PARAMETERS, reduce="mean")


@in_every_way
def test_a_loss_of_a_layer(layer: Layer) -> None:
    """Each output through functions of its own, and added up: what comes from upstream differs."""

    def build(xs: list[Value], ps: list[Value]) -> Value:
        return sum(y.tanh() * (i + 1) if i % 2 else y.sigmoid() for i, y in enumerate(used_all(layer)(xs, ps)))

    check(build, drawn(5, NIN, seed=3), PARAMETERS)
    check(build, drawn(1, NIN, seed=4), PARAMETERS)


@in_every_way
def test_only_some_leaves_of_a_layer_are_parameters(layer: Layer) -> None:
    """Every third is a constant of the plan, every third of the others an input: nothing is regular any more."""
    numbers = drawn(15, seed=6)
    kept = [i for i in range(15) if i % 3 != 1]
    moving, staying = [i for i in kept if i % 2], [i for i in kept if not i % 2]

    def build(xs: list[Value], ps: list[Value]) -> list[Value]:
        leaves = [Value(float(x)) for x in numbers]
        for i, leaf in zip(moving, xs[NIN:], strict=True):
            leaves[i] = leaf
        for i, leaf in zip(staying, ps, strict=True):
            leaves[i] = leaf
        outputs = used_all(layer)(xs[:NIN], leaves)
        return [*outputs, autograd.sum(xs)]

    check(build, drawn(4, NIN + len(moving), seed=7), numbers[staying].tolist())


@in_every_way
def test_nan_and_infinity_in_one_lane_stay_there(layer: Layer) -> None:
    """Not into other lanes by a matrix product, and into no output that they are no terms of."""
    columns = drawn(6, NIN, seed=8)
    columns[1, 2], columns[3, 0], columns[4, 3], columns[4, 0] = np.nan, np.inf, -np.inf, 0.0
    check(used_all(layer), columns, PARAMETERS, recorded=[0.1, 0.2, 0.3, 0.4])


@in_every_way
def test_infinite_weights(layer: Layer) -> None:
    numbers = list(PARAMETERS)
    numbers[1], numbers[6] = math.inf, math.nan
    check(used_all(layer), drawn(3, NIN, seed=9), numbers, finite_sums=True)


def used_all(layer: Layer) -> Callable[[list[Value], list[Value]], list[Value]]:
    """The layer with one more output that has every input in it."""

    def build(xs: list[Value], ps: list[Value]) -> list[Value]:
        return [*layer(xs, ps), autograd.where(False, autograd.sum(xs), ps[0])]

    return build


def both() -> tuple[list[Value], list[Value]]:
    return leaves_of([0.5] * NIN), leaves_of(PARAMETERS)


@pytest.mark.parametrize(("nin", "nout"), [(1, 1), (1, 5), (5, 1), (2, 2), (17, 9), (64, 3), (3, 64)])
@pytest.mark.parametrize("lanes", [1, 2, 33])
def test_layers_of_many_sizes(nin: int, nout: int, lanes: int) -> None:
    def build(xs: list[Value], ps: list[Value]) -> Value:
        hidden = [(neuron(ws, xs) + b).tanh() for ws, b in zip(rows(ps[: nin * nout], nin), ps[nin * nout :])]
        return autograd.sum([h * h for h in hidden]) / nout

    check(build, drawn(lanes, nin), (drawn(nin * nout + nout, seed=1) / nin).tolist())


@pytest.mark.parametrize("also", ["nothing", "elsewhere", "as output", "compared", "bound", "another layer"])
@pytest.mark.parametrize("biased", [True, False])
def test_a_layer_of_many_inputs(also: str, biased: bool) -> None:
    """Read as they come, lane by lane, unless somebody reads some of them in another way, too."""
    nin, nout = 80, 3

    def build(xs: list[Value], ps: list[Value]) -> Any:
        weights = rows(ps[: nin * nout], nin)
        sums = [neuron(ws, xs[:nin]) + (b if biased else 0) for ws, b in zip(weights, ps[nin * nout :])]
        if also == "another layer":
            sums = [s + neuron(ws[:70], xs[5:75]) for s, ws in zip(sums, weights)]
        if also == "compared" and xs[7] > -100:
            sums[0] = sums[0] * 2
        loss = autograd.sum([s.tanh() * xs[nin] for s in sums])
        if also == "elsewhere":
            loss = loss * xs[11] + xs[12].sin() * xs[79]
        return [loss, xs[3], xs[nin]] if also == "as output" else loss

    columns, parameters = drawn(4, nin + 1), (drawn(nin * nout + nout, seed=1) / nin).tolist()
    plan = check(build, columns, parameters)
    plan(columns)
    columns[:] = np.nan  # the plan has its own
    if also == "bound":
        columns = drawn(4, nin + 1)
        chosen = {plan.inputs[i]: np.array([i, 3, 200, i + 1]) for i in (0, 40, 79)}
        result = plan(columns, bind=chosen, lane_gradients=True)
        for x, places in chosen.items():
            columns[:, plan.column[x]] = np.array(parameters)[places]
        right = plan(columns, lane_gradients=True, input_gradients=True)
        same(result.values, right.values)
        expected = right.lane_gradients.copy()
        for x, places in chosen.items():
            np.add.at(expected, (np.arange(4), places), right.input_gradients[:, plan.column[x]])
        np.testing.assert_allclose(result.lane_gradients, expected, rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(result.gradients, expected.sum(0), rtol=1e-12, atol=1e-14)


def test_many_inputs_are_written_back() -> None:
    xs, ws = leaves_of([0.5] * 70), leaves_of([0.25] * 70)
    plan = autograd.replay(neuron(ws, xs).tanh(), xs, ws)
    columns = drawn(3, 70)
    plan(columns)
    plan.write_back(2)
    assert [x.data for x in xs] == columns[2].tolist()


# ---- networks of nn --------------------------------------------------------------------------------------------------


def check_model(model: Any, build: Callable[[list[Value]], Any], columns: Array, moved: bool = True) -> Any:
    """A network on its own parameters, which after the recording are others."""
    parameters = model.parameters()
    xs = leaves_of([0.3] * columns.shape[1])
    output = build(xs)
    plan = autograd.replay(output, xs, parameters)
    same(plan.parameters, [p.data for p in parameters])
    if moved:
        plan.parameters += 0.1 * drawn(len(parameters), seed=11)
    kept = [p.data for p in parameters]
    for p, x in zip(parameters, plan.parameters):
        p.data = float(x)
    right = eager(lambda xs, ps: build(xs), columns, parameters)
    for p, x in zip(parameters, kept):
        p.data = x
    single = isinstance(output, Value)
    result = plan(columns, reduce="mean", lane_gradients=True, input_gradients=True)
    check_result(result, right, "mean", single=single)
    check_result(plan(columns), right, single=single, all_of_it=False)
    return plan


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_mlps_of_every_activation(activation: str) -> None:
    model = nn.MLP(3, [5, 4, 2], activation=activation, rng=random.Random(1))
    check_model(model, lambda xs: autograd.sum(model(xs)) + sum(model(xs)), drawn(6, 3))


def test_micrograds_mlp() -> None:
    model = nn.MLP(2, [16, 16, 1], rng=random.Random(2))
    check_model(model, lambda xs: (1 - model(xs)).relu(), drawn(20, 2))
    check_model(model, lambda xs: (1 - model(xs[:2]) * xs[2]).relu(), drawn(20, 3))
    penalised = check_model(model, lambda xs: model(xs) + nn.l2_penalty(model.parameters(), 1e-3), drawn(4, 2))
    assert len(penalised.parameters) == 337


@pytest.mark.parametrize("bias", [True, False])
def test_linear_layers_in_a_row(bias: bool) -> None:
    model = nn.Sequential(
        nn.Linear(4, 6, bias=bias, rng=random.Random(1)), nn.Tanh(), nn.Linear(6, 5, bias=bias, rng=random.Random(2)), "relu",
        nn.Linear(5, 3, rng=random.Random(3)),
    )  # fmt: skip
    check_model(model, lambda xs: nn.softmax_cross_entropy(model(xs), 1), drawn(7, 4))
    check_model(model, lambda xs: model(xs), drawn(7, 4))
    check_model(model, lambda xs: nn.softmax(model(xs)), drawn(7, 4))
    check_model(model, lambda xs: nn.mean_squared_error(model(xs[:4]), xs[4:]), drawn(7, 7))
    check_model(model, lambda xs: nn.cross_entropy(nn.softmax(model(xs)), 2), drawn(7, 4))


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 0), (1, 1), ((1, 2), (0, 1))])
def test_convolutions(stride: Any, padding: Any) -> None:
    conv = nn.Conv2d(2, 3, 2, stride=stride, padding=padding, rng=random.Random(1))
    model = nn.Sequential(conv, nn.ReLU(), nn.Flatten())

    def build(xs: list[Value]) -> Value:
        return autograd.logsumexp([*model([rows(xs[:9], 3), rows(xs[9:], 3)]), *xs])  # a stride may leave pixels out

    check_model(model, build, drawn(5, 18))


def test_batches_in_one_graph() -> None:
    """A graph of several examples: every weight is used once for each."""
    model = nn.Sequential(nn.Linear(2, 4, rng=random.Random(1)), "tanh", nn.Linear(4, 2, rng=random.Random(2)))
    check_model(model, lambda xs: nn.softmax_cross_entropy(model(rows(xs, 2)), [0, 1, 1]), drawn(5, 6))


def test_a_network_with_fixed_inputs() -> None:
    """The examples are constants of the plan: no inputs, one lane."""
    model = nn.MLP(2, [4, 1], activation="tanh", rng=random.Random(1))
    X = drawn(5, 2).tolist()
    loss = nn.mean_squared_error([model(x) for x in X], [1.0, -1.0, 0.5, 0.0, 2.0])
    result = autograd.replay(loss, [], model.parameters())(None)
    np.testing.assert_allclose(result.values, [loss.data], rtol=1e-13)
    right = autograd.gradients(loss, model.parameters())
    np.testing.assert_allclose(result.gradients, right, rtol=1e-11, atol=1e-14)


# ---- the posts' systems, by their formulas ---------------------------------------------------------------------------


def agree(ours: Any, right: Any) -> None:
    ours, right = np.asarray(ours), np.asarray(right)
    assert ours.shape == right.shape
    np.testing.assert_allclose(ours, right, rtol=0, atol=1e-12 * max(1.0, np.abs(right).max()))


def matrix(shape: tuple[int, int]) -> Matrix:
    return [[Value(0.5) for _ in range(shape[1])] for _ in range(shape[0])]


def flat(nested: Any) -> list[Value]:
    return [nested] if isinstance(nested, Value) else [leaf for part in nested for leaf in flat(part)]


@pytest.mark.parametrize("n", [1, 8])
def test_two_sigmoid_layers_as_in_post_000(n: int) -> None:
    X, W1, W2, y = drawn(n, 3), drawn(3, 4, seed=1), drawn(4, 2, seed=2), drawn(n, 2, seed=3)
    w1, w2, xs, ts = matrix((3, 4)), matrix((4, 2)), leaves_of([0.1] * 3), leaves_of([0.2] * 2)
    h = [neuron(column, xs).sigmoid() for column in zip(*w1)]
    yhat = [neuron(column, h).sigmoid() for column in zip(*w2)]
    loss = sum((t - out) ** 2 for t, out in zip(ts, yhat)) * 0.5
    plan = autograd.replay(loss, [*xs, *ts], flat([w1, w2]))
    plan.parameters[:] = [*W1.flat, *W2.flat]
    result = plan(np.hstack([X, y]))
    right = formulas.two_layers(X, W1, W2, y)
    agree(result.gradients[:12].reshape(3, 4), right.dW1)
    agree(result.gradients[12:].reshape(4, 2), right.dW2)
    agree(result.values.sum(), 0.5 * ((y - formulas.sigmoid(formulas.sigmoid(X @ W1) @ W2)) ** 2).sum())


def test_relu_softmax_net_as_in_post_001() -> None:
    n, nin, hidden, classes, strength = 6, 3, 5, 4, 0.01
    X, W1, b1 = drawn(n, nin), drawn(nin, hidden, seed=1), drawn(hidden, seed=2)
    W2, b2, target = drawn(hidden, classes, seed=3), drawn(classes, seed=4), [0, 3, 1, 1, 2, 0]
    w1, w2, c1, c2 = matrix((nin, hidden)), matrix((hidden, classes)), leaves_of([0] * hidden), leaves_of([0] * classes)
    xs, one_hot = leaves_of([0.1] * nin), leaves_of([0.0] * classes)
    h = [(neuron(column, xs) + b).relu() for column, b in zip(zip(*w1), c1)]
    scores = [neuron(column, h) + b for column, b in zip(zip(*w2), c2)]
    leaves = flat([w1, c1, w2, c2])
    loss = autograd.logsumexp(scores) - autograd.dot(one_hot, scores) + strength * sum(p * p for p in leaves)
    plan = autograd.replay(loss, [*xs, *one_hot], leaves)
    plan.parameters[:] = np.concatenate([part.ravel() for part in (W1, b1, W2, b2)])
    result = plan(np.hstack([X, np.eye(classes)[target]]), reduce="mean")
    right = formulas.relu_softmax_net(X, target, W1, b1, W2, b2, strength)
    agree(result.values.mean(), right.loss)
    agree(result.gradients, np.concatenate([d.ravel() for d in (right.dW1, right.db1, right.dW2, right.db2)]))


@pytest.mark.parametrize("stride", [(1, 1), (2, 1)])
def test_affine_and_convolution_as_in_post_002(stride: tuple[int, int]) -> None:
    W, X, b, G = drawn(3, 4), drawn(4, 5, seed=1), drawn(3, seed=2), drawn(3, 5, seed=3)
    w, c, xs = matrix((3, 4)), leaves_of([0] * 3), leaves_of([0] * 4)
    plan = autograd.replay([neuron(row, xs) + c_i for row, c_i in zip(w, c)], xs, flat([w, c]))
    plan.parameters[:] = [*W.flat, *b]
    result = plan(X.T, upstream=G, input_gradients=True)
    dW, db, dX = formulas.affine_gradients(W, X, G)
    agree(result.values, formulas.affine(W, X, b))
    agree(result.gradients, [*dW.flat, *db])
    agree(result.input_gradients.T, dX)

    images, K, k = drawn(3, 2, 5, 4, seed=4), drawn(2, 2, 3, 2, seed=5), drawn(2, seed=6)
    conv = nn.Conv2d(2, 2, (3, 2), stride=stride)
    pixels = leaves_of([0.1] * 40)
    out = flat(conv([rows(pixels[:20], 4), rows(pixels[20:], 4)]))
    plan = autograd.replay(out, pixels, flat([conv.weight, conv.bias]))
    plan.parameters[:] = [*K.flat, *k]
    Y = formulas.convolution(images, K, k, stride)
    dY = drawn(*Y.shape, seed=7)
    result = plan(images.reshape(3, 40), upstream=dY.reshape(3, -1).T, input_gradients=True)
    agree(result.values.T.reshape(Y.shape), Y)
    dX, dK, dk = formulas.convolution_gradients(images, K, dY, stride)
    agree(result.gradients, [*dK.flat, *dk])
    agree(result.input_gradients.reshape(dX.shape), dX)


def test_the_equations_of_backpropagation_as_in_post_003() -> None:
    """BP1b to BP4b of a batch, an example a column; C the mean of half the squared errors."""
    m, sizes = 6, [3, 4, 2]
    W, B = [drawn(a, b, seed=a) for a, b in pairwise(sizes)], [drawn(b, seed=b + 9) for b in sizes[1:]]
    A, T = drawn(3, m, seed=1), drawn(2, m, seed=2)
    ws, bs = [matrix(w.shape) for w in W], [leaves_of([0.0] * len(b)) for b in B]
    xs, ts = leaves_of([0.1] * 3), leaves_of([0.2] * 2)
    a: list[Any] = xs
    for w, b in zip(ws, bs):
        a = [(neuron(column, a) + b_j).tanh() for column, b_j in zip(zip(*w), b)]
    loss = 0.5 * sum((x - t) ** 2 for x, t in zip(a, ts))
    plan = autograd.replay(loss, [*xs, *ts], flat([ws, bs]))
    plan.parameters[:] = np.concatenate([part.ravel() for part in (*W, *B)])
    result = plan(np.vstack([A, T]).T, reduce="mean")
    z1 = W[0].T @ A + B[0][:, None]
    z2 = W[1].T @ np.tanh(z1) + B[1][:, None]
    delta2 = formulas.bp1(np.tanh(z2) - T, formulas.tanh_slope(z2))
    delta1 = formulas.bp2(W[1], delta2, formulas.tanh_slope(z1))
    right = [formulas.bp4b(A, delta1), formulas.bp4b(np.tanh(z1), delta2), formulas.bp3b(delta1), formulas.bp3b(delta2)]
    agree(result.gradients, np.concatenate([part.ravel() for part in right]))


# ---- attention -------------------------------------------------------------------------------------------------------

POSITIONS, WIDTH, HEADS, TOKENS = 3, 4, 2, 5
SHAPES = {
    "tokens": (TOKENS, WIDTH), "places": (POSITIONS, WIDTH), "query": (WIDTH, WIDTH), "key": (WIDTH, WIDTH),
    "value": (WIDTH, WIDTH), "out": (WIDTH, WIDTH), "up": (2 * WIDTH, WIDTH), "down": (WIDTH, 2 * WIDTH),
}  # fmt: skip
COUNT = sum(a * b for a, b in SHAPES.values())


def weights_of(ps: Sequence[Any]) -> dict[str, Any]:
    found, start = {}, 0
    for name, (height, width) in SHAPES.items():
        found[name] = rows(ps[start : start + height * width], width)
        start += height * width
    return found


def times(W: Sequence[Sequence[Value]], x: Sequence[Value]) -> list[Value]:
    return [neuron(row, x) for row in W]


def normed(x: list[Value]) -> list[Value]:
    """Divided by the root of the mean square."""
    scale = (sum(x_i * x_i for x_i in x) / len(x) + 1e-5) ** -0.5
    return [x_i * scale for x_i in x]


def scores_of(embedded: list[list[Value]], w: dict[str, Any]) -> list[list[Value]]:
    """One layer of a GPT, the scores of the next token after each position; the tokens' table is used at both ends."""
    xs = [normed([t + p for t, p in zip(token, place)]) for token, place in zip(embedded, w["places"])]
    keys, values = [times(w["key"], x) for x in xs], [times(w["value"], x) for x in xs]
    found = []
    size = WIDTH // HEADS
    for i, x in enumerate(xs):
        query, mixed = times(w["query"], x), []
        for head in range(HEADS):
            part = slice(head * size, (head + 1) * size)
            logits = [neuron(query[part], keys[j][part]) / size**0.5 for j in range(i + 1)]
            es = [logit.exp() for logit in logits]
            total = sum(es)
            shares = [e / total for e in es]
            mixed += [neuron(shares, [values[j][part][k] for j in range(i + 1)]) for k in range(size)]
        x = [a + b for a, b in zip(x, times(w["out"], mixed))]
        x = [a + b for a, b in zip(x, times(w["down"], [z.relu() ** 2 for z in times(w["up"], normed(x))]))]
        found.append(times(w["tokens"], x))
    return found


def gpt_loss(embedded: list[list[Value]], w: dict[str, Any], one_hot: list[list[Value]]) -> Value:
    losses = [autograd.logsumexp(s) - autograd.dot(s, t) for s, t in zip(scores_of(embedded, w), one_hot)]
    return autograd.sum(losses) / len(losses)


def test_attention() -> None:
    def build(xs: list[Value], ps: list[Value]) -> Value:
        at = POSITIONS * WIDTH
        return gpt_loss(rows(xs[:at], WIDTH), weights_of(ps), rows(xs[at:], TOKENS))

    targets = np.random.default_rng(5).integers(0, TOKENS, (4, POSITIONS))
    columns = np.hstack([drawn(4, POSITIONS * WIDTH), np.eye(TOKENS)[targets].reshape(4, -1)])
    check(build, columns, (0.5 * drawn(COUNT, seed=1)).tolist())


def gpt_by_tokens() -> tuple[Any, list[Value], list[Value], list[Value]]:
    """A plan whose rows of the table are chosen by the tokens of each call; the inputs to bind, those of the targets."""
    ps = leaves_of(0.5 * drawn(COUNT, seed=1))
    xs, one_hot = leaves_of([0.1] * POSITIONS * WIDTH), leaves_of([0.2] * POSITIONS * TOKENS)
    loss = gpt_loss(rows(xs, WIDTH), weights_of(ps), rows(one_hot, TOKENS))
    return autograd.replay(loss, [*xs, *one_hot], ps), xs, one_hot, ps


def tokens_and_targets(lanes: int) -> tuple[Any, Any]:
    drawn_tokens = np.random.default_rng(7).integers(0, TOKENS, (lanes, POSITIONS + 1))
    return drawn_tokens[:, :-1], drawn_tokens[:, 1:]


def columns_and_bind(tokens: Any, targets: Any, xs: list[Value]) -> tuple[Array, dict[Value, Any]]:
    lanes = len(tokens)
    columns = np.hstack([np.full((lanes, len(xs)), np.nan), np.eye(TOKENS)[targets].reshape(lanes, -1)])
    return columns, {x: tokens[:, i // WIDTH] * WIDTH + i % WIDTH for i, x in enumerate(xs)}


def test_one_recording_for_every_sentence() -> None:
    plan, xs, _, ps = gpt_by_tokens()
    tokens, targets = tokens_and_targets(6)
    columns, bind = columns_and_bind(tokens, targets, xs)
    result = plan(columns, bind=bind, lane_gradients=True)
    w = weights_of(ps)
    for lane, (sentence, right) in enumerate(zip(tokens, targets)):
        one_hot = [[float(t == target) for t in range(TOKENS)] for target in right]
        loss = gpt_loss([w["tokens"][t] for t in sentence], w, one_hot)
        np.testing.assert_allclose(result.values[lane], loss.data, rtol=1e-12)
        np.testing.assert_allclose(result.lane_gradients[lane], autograd.gradients(loss, ps), rtol=0, atol=1e-12)
    np.testing.assert_allclose(result.gradients, result.lane_gradients.sum(axis=0), rtol=0, atol=1e-12)


# ---- beside PyTorch --------------------------------------------------------------------------------------------------


@pytest.mark.peers
def test_a_perceptron_trained_beside_pytorch() -> None:
    """Fifty steps of gradient descent on a batch of forty: weights and losses."""
    import torch

    X, y = drawn(40, 3), np.sign(drawn(40, seed=1))
    model = nn.MLP(3, [8, 8, 1], activation="tanh", rng=random.Random(3))
    xs = leaves_of([0.1] * 4)
    plan = autograd.replay((model(xs[:3]) - xs[3]) ** 2, xs, model.parameters())
    net = torch.nn.Sequential(
        torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)
    ).double()
    with torch.no_grad():
        for ours, theirs in zip(model.layers, list(net)[::2], strict=True):
            theirs.weight[:] = torch.tensor([[w.data for w in n.w] for n in ours.neurons], dtype=torch.float64)
            theirs.bias[:] = torch.tensor([n.b.data for n in ours.neurons], dtype=torch.float64)
    sgd = torch.optim.SGD(net.parameters(), lr=0.05)
    tensors = torch.tensor(X), torch.tensor(y)
    for _ in range(50):
        result = plan(np.column_stack([X, y]), reduce="mean")
        loss = ((net(tensors[0])[:, 0] - tensors[1]) ** 2).mean()
        assert result.values.mean() == pytest.approx(loss.item(), rel=1e-12)
        plan.parameters -= 0.05 * result.gradients
        sgd.zero_grad()
        loss.backward()
        sgd.step()
    plan.write_back(0)
    for ours, theirs in zip(model.layers, list(net)[::2], strict=True):
        np.testing.assert_allclose(
            [[w.data for w in n.w] for n in ours.neurons], theirs.weight.detach(), rtol=1e-10, atol=1e-12
        )
        np.testing.assert_allclose([n.b.data for n in ours.neurons], theirs.bias.detach(), rtol=1e-10, atol=1e-12)


@pytest.mark.peers
def test_attention_beside_pytorch() -> None:
    import torch

    F = torch.nn.functional
    plan, xs, _, _ = gpt_by_tokens()
    tokens, targets = tokens_and_targets(6)
    columns, bind = columns_and_bind(tokens, targets, xs)
    result = plan(columns, bind=bind, reduce="mean")
    flat_weights = torch.tensor(plan.parameters, requires_grad=True)
    w, start = {}, 0
    for name, shape in SHAPES.items():
        w[name] = flat_weights[start : start + shape[0] * shape[1]].reshape(shape)
        start += shape[0] * shape[1]

    def rms(x: Any) -> Any:
        return x * (x.pow(2).mean(-1, keepdim=True) + 1e-5) ** -0.5

    def split(x: Any) -> Any:
        return x.reshape(6, POSITIONS, HEADS, WIDTH // HEADS).transpose(1, 2)

    x = rms(w["tokens"][torch.tensor(tokens)] + w["places"])
    q, k, v = [split(x @ w[name].T) for name in ("query", "key", "value")]
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(6, POSITIONS, WIDTH)
    x = x + mixed @ w["out"].T
    x = x + F.relu(rms(x) @ w["up"].T).pow(2) @ w["down"].T
    losses = F.cross_entropy((x @ w["tokens"].T).transpose(1, 2), torch.tensor(targets), reduction="none").mean(1)
    np.testing.assert_allclose(result.values, losses.detach(), rtol=1e-12)
    losses.mean().backward()
    np.testing.assert_allclose(result.gradients, flat_weights.grad, rtol=1e-10, atol=1e-13)


# ---- what a plan says of itself --------------------------------------------------------------------------------------


def two_layer_network() -> tuple[Any, list[Value], list[Value]]:
    """The posts' network with biases: yhat = sigmoid(W2 sigmoid(W1 x + b1) + b2), labelled as there."""
    x = leaves_of([0.1, 0.2])
    W1, b1 = rows(leaves_of(drawn(6)), 2), leaves_of(drawn(3, seed=1))
    W2, b2 = rows(leaves_of(drawn(6, seed=2)), 3), leaves_of(drawn(2, seed=3))
    autograd.label({"x": x, "W1": W1, "b1": b1, "W2": W2, "b2": b2})
    h = [(neuron(row, x) + b).sigmoid() for row, b in zip(W1, b1)]
    yhat = [(neuron(row, h) + b).sigmoid() for row, b in zip(W2, b2)]
    return yhat, x, flat([W1, b1, W2, b2])


def test_a_plan_rediscovers_the_matrix_equations() -> None:
    plan = autograd.replay(*two_layer_network())
    text = str(plan)
    first = next(line for line in text.splitlines() if re.search(r"\bW1\b", line))
    second = next(line for line in text.splitlines() if re.search(r"\bW2\b", line))
    assert re.search(r"W1\b\D{0,5}x\b\D{0,5}b1\b", first), text  # W1 x + b1
    assert re.search(r"W2\b.{0,16}b2\b", second), text
    assert "W2" not in first
    assert text.count("sigmoid") >= 2
    assert text.index("W1") < text.index("W2")
    assert "branches not checked" in text


def evaluated(text: str, numbers: dict[str, Any]) -> dict[str, Any]:
    """The equations that a plan printed, read as NumPy: `W x` and `A^T B` are matrix products, `*` goes number by number."""
    found = dict(numbers)
    for name, formula in re.findall(r"^ {4}(\w+) += (.+)$", text, re.MULTILINE):
        formula = re.sub(r"upstream \(.*\)", "upstream", formula)
        formula = re.sub(r"sum over lanes of (\w+)", r"\1.sum(axis=1, keepdims=True)", formula)
        formula = re.sub(r"(\w+(?:\^T)?) (\w+(?:\^T)?)", r"\1 @ \2", formula).replace("^T", ".T")
        found[name] = eval(formula, {}, found)
    return found


@pytest.mark.parametrize("lanes", [1, 5])
def test_the_equations_that_are_printed_are_right(lanes: int) -> None:
    """Forward and sweep: done in NumPy as they are written, they give what the plan gives."""
    plan = autograd.replay(*two_layer_network())
    columns = drawn(lanes, 2, seed=4)
    W1, b1, W2, b2 = np.split(plan.parameters, [6, 9, 15])
    numbers = {
        "W1": W1.reshape(3, 2), "b1": b1[:, None], "W2": W2.reshape(2, 3), "b2": b2[:, None], "x": columns.T,
        "sigmoid": formulas.sigmoid, "upstream": np.ones((2, lanes)),
    }  # fmt: skip
    found, result = evaluated(str(plan), numbers), plan(columns)
    agree(found["h2"], result.values)
    of_weights = np.concatenate([found[name].ravel() for name in ("dW1", "db1", "dW2", "db2")])
    agree(of_weights, result.gradients)


def test_what_is_printed_is_the_same_every_time() -> None:
    texts = {str(autograd.replay(*two_layer_network())) for _ in range(3)}
    assert len(texts) == 1
    plan = autograd.replay(*two_layer_network())
    plan([[1.0, 2.0]])
    plan.parameters[:] = 0.0
    assert {str(plan)} == texts


def test_printing_is_for_people_to_read() -> None:
    """It says how many operations, levels, inputs, parameters; lines that fit; nothing of the machine."""
    model = nn.MLP(2, [16, 16, 1], rng=random.Random(2))
    xs = leaves_of([0.1, 0.2])
    loss = (1 - model(xs)).relu()
    text = str(autograd.replay(loss, xs, model.parameters()))
    assert f"{len(autograd.topological_sort(loss))} nodes" in text
    assert "337" in text and "level" in text
    assert all(len(line) <= 120 for line in text.splitlines())
    assert "0x" not in text and "object at" not in text and "np.float64" not in text
    assert text.count("matrix product") == 3


@pytest.mark.parametrize("label", ["θ", "ω₁", "名前", "a\nb", "x" * 500, "{}", "%s", ""])
def test_any_label_can_be_printed(label: str) -> None:
    x, w, b = Value(1.0, label=label), Value(2.0, label=label), Value(3.0, label="β")
    text = str(autograd.replay((w * x + b).tanh(), [x], [w, b]))
    assert all(len(line) <= 150 for line in text.splitlines())
    text.encode("utf-8")


def test_long_plans_are_cut() -> None:
    x, w = Value(1.0), Value(2.0)
    h = x
    for i in range(3000):
        h = (h * w).sin() if i % 2 else h / (x + 2)
    text = str(autograd.replay(h, [x], [w]))
    assert len(text.splitlines()) < 100
    assert "more" in text or "…" in text or "..." in text
    many = [Value(float(i), label=f"weight_{i}") for i in range(3000)]
    text = str(autograd.replay([(p * x).tanh() for p in many], [x], many))
    assert len(text) < 10_000


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.__name__)
def test_every_layer_can_be_printed(layer: Layer) -> None:
    xs, ps = both()
    plan = autograd.replay(used_all(layer)(xs, ps), xs, ps)
    assert 0 < len(str(plan).splitlines()) < 60
    assert len(repr(plan)) > 0


def test_leaves_alone_can_be_printed() -> None:
    x, w = Value(1.0), Value(2.0)
    for output in (x, w, [x, w], (x * 3).parents[1]):
        assert str(autograd.replay(output, [x] if output is x or isinstance(output, list) else [], [w]))
