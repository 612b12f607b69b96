"""Networks: micrograd's numbers, the choices by keyword, and what Module finds."""

import copy
import math
import pickle
import random

import pytest

from autograd import Value
from nn import MLP, Layer, Module, Neuron
from nn.init import SCHEMES


def test_golden_neuron() -> None:
    random.seed(1337)
    neuron = Neuron(2)
    assert [w.data for w in neuron.w] == [0.23550571390294128, 0.06653114721000164]
    assert neuron.b is not None
    assert neuron.b.data == 0
    assert neuron([1.0, -2.0]).data == 0.102443419482938


def test_golden_mlp() -> None:
    """Numbers computed with micrograd 0.1.0: random.seed(1337), MLP(2, [16, 16, 1]) at (1, -2), swept back."""
    random.seed(1337)
    model = MLP(2, [16, 16, 1])
    assert len(model.parameters()) == 337
    out = model([1.0, -2.0])
    assert out.data == MICROGRAD_MLP[0]
    out.backward()
    gradients = [p.grad for p in model.parameters()]
    assert math.isclose(math.fsum(gradients), MICROGRAD_MLP[1], rel_tol=1e-12)
    assert math.isclose(math.fsum(g * g for g in gradients), MICROGRAD_MLP[2], rel_tol=1e-12)


MICROGRAD_MLP = (
    -1.3324313779586294,
    4.292359953122405,
    185.0418553694875,
)  # output, sum of gradients, of their squares


@pytest.mark.peers
def test_same_numbers_as_micrograd() -> None:
    from micrograd import nn as peer

    for sizes in ([1], [4, 1], [3, 1, 2], [16, 16, 3]):
        random.seed(7)
        ours = MLP(3, sizes)
        random.seed(7)
        theirs = peer.MLP(3, sizes)
        assert repr(ours) == repr(theirs)
        assert [p.data for p in ours.parameters()] == [p.data for p in theirs.parameters()]
        if sizes == [3, 1, 2]:
            continue  # micrograd cannot feed the bare Value of a one-neuron layer to the next
        x = [0.5, -1.5, 2.0]
        a, b = ours(x), theirs(x)
        if sizes[-1] > 1:
            assert [v.data for v in a] == [v.data for v in b]
            a, b = sum(a), sum(b)
        assert a.data == b.data
        a.backward()
        b.backward()
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert math.isclose(p.grad, q.grad, rel_tol=1e-12, abs_tol=1e-15)


def test_reprs() -> None:
    assert repr(Neuron(2)) == "ReLUNeuron(2)"
    assert repr(Neuron(16, nonlin=False)) == "LinearNeuron(16)"
    assert repr(Layer(2, 2)) == "Layer of [ReLUNeuron(2), ReLUNeuron(2)]"
    assert repr(MLP(1, [2, 1])) == ("MLP of [Layer of [ReLUNeuron(1), ReLUNeuron(1)], Layer of [LinearNeuron(2)]]")
    assert repr(Neuron(3, activation="tanh")) == "TanhNeuron(3)"
    assert repr(Neuron(3, activation="leaky_relu")) == "LeakyReLUNeuron(3)"
    assert repr(Neuron(3, activation="linear")) == "LinearNeuron(3)"


def test_layer_of_one_neuron_gives_the_bare_value_and_may_be_hidden() -> None:
    assert isinstance(Layer(2, 1)([1.0, 2.0]), Value)
    model = MLP(2, [1, 3, 1], activation="tanh", rng=random.Random(0))
    out = model([1.0, 2.0])
    assert isinstance(out, Value)
    out.backward()
    assert all(p.grad != 0 for p in model.parameters())


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("relu", 1.25),
        ("linear", 1.25),
        ("tanh", math.tanh(1.25)),
        ("sigmoid", 1 / (1 + math.exp(-1.25))),
        ("softplus", math.log1p(math.exp(1.25))),
        ("leaky_relu", 1.25),
        ("elu", 1.25),
        ("sin", math.sin(1.25)),
    ],
)
def test_activation_is_any_unary_operation(activation: str, expected: float) -> None:
    neuron = Neuron(1, activation=activation)
    neuron.w[0].data, neuron.b.data = 0.5, 0.25  # type: ignore[union-attr]
    assert math.isclose(neuron(2.0).data, expected, rel_tol=1e-15)


def test_activation_may_be_a_function() -> None:
    neuron = Neuron(1, activation=lambda v: v * v)
    neuron.w[0].data = 3.0
    assert neuron([2.0]).data == 36.0


def test_output_activation() -> None:
    model = MLP(2, [3, 2], activation="tanh", output="sigmoid")
    assert [layer.neurons[0].activation for layer in model.layers] == ["tanh", "sigmoid"]
    assert all(0 < v.data < 1 for v in model([5.0, -5.0]))


def test_without_bias() -> None:
    model = MLP(2, [3, 1], bias=False, rng=random.Random(1))
    assert len(model.parameters()) == 9
    assert all(neuron.b is None for layer in model.layers for neuron in layer.neurons)
    assert model([0.0, 0.0]).data == 0
    first = Neuron(2, nonlin=False, bias=False)
    assert first([1.0, 10.0]).data == first.w[0].data + 10 * first.w[1].data


@pytest.mark.parametrize(("count", "given"), [(1, "1"), (3, "3")])
def test_wrong_number_of_inputs_names_both_counts(count: int, given: str) -> None:
    for part in (Neuron(2), Layer(2, 2), MLP(2, [2])):
        with pytest.raises(ValueError, match=rf"takes 2 inputs, got {given}"):
            part([1.0] * count)


def test_inputs_may_be_any_iterable() -> None:
    layer = Layer(2, 3, rng=random.Random(0))
    expected = [v.data for v in layer([1.0, 2.0])]
    assert [v.data for v in layer((1.0, 2.0))] == expected
    assert [v.data for v in layer(x for x in (1.0, 2.0))] == expected
    assert [v.data for v in layer([Value(1.0), Value(2.0)])] == expected


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"activation": "foo"}, ["activation", "relu", "tanh", "sigmoid", "linear", "'foo'"]),
        ({"output": "softmax"}, ["output", "softmax_cross_entropy"]),
        ({"activation": "sigmod"}, ["did you mean 'sigmoid'?"]),
        ({"init": "xaver"}, ["did you mean 'xavier'?"]),
        ({"activation": "backward"}, ["activation", "tanh"]),
        ({"init": "foo"}, ["init", "uniform", "xavier", "he", "lecun", "'foo'"]),
        ({"rng": 3}, ["rng", "random.Random(0)"]),
    ],
)
def test_bad_keywords_list_the_accepted_ones(keywords: dict[str, object], words: list[str]) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        MLP(2, [2, 1], **keywords)  # type: ignore[arg-type]
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("nouts", [3, "31", None])
def test_mlp_needs_a_list_of_sizes(nouts: object) -> None:
    with pytest.raises(TypeError, match=r"such as \[16, 10\]"):
        MLP(2, nouts)  # type: ignore[arg-type]


@pytest.mark.parametrize(("size", "words"), [(-1, "at least 0"), (1.5, "whole"), ("2", "whole"), (None, "whole")])
def test_sizes_are_whole_numbers(size: object, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"nin must be .*{words}"):
        Neuron(size)  # type: ignore[arg-type]
    with pytest.raises((TypeError, ValueError), match=f"nout must be .*{words}"):
        Layer(2, size)  # type: ignore[arg-type]


def test_empty_networks_are_as_micrograds() -> None:
    assert MLP(2, [])([1.0, 2.0]) == [1.0, 2.0]
    assert repr(MLP(2, [])) == "MLP of []"
    assert Layer(2, 0)([1.0, 2.0]) == []
    assert repr(Neuron(0)) == "ReLUNeuron(0)"
    assert Neuron(0)([]).data == 0
    assert MLP(2, [0, 1], init="he")([1.0, 2.0]).data == 0
    with pytest.raises(ValueError, match="leave bias=True"):
        Neuron(0, bias=False)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ("abc", ["input 0", "'a'", "str", "float(x)"]),
        ([1, 2, "a"], ["input 2", "'a'", "str", "float(x)"]),
        ([1.0, True, "a"], ["input 1", "True", "bool", "int(x) or float(x)"]),
        ([1.0, None, 2.0], ["input 1", "None"]),
        ([[1, 2, 3], [4, 5, 6], [7, 8, 9]], ["input 0", "[1, 2, 3]", "list", "one example at a time"]),
    ],
)
def test_inputs_that_are_no_numbers_are_named(inputs: list[object], words: list[str]) -> None:
    for part in (Neuron(3), Neuron(3, bias=False), Layer(3, 2), MLP(3, [2, 1])):
        with pytest.raises(TypeError, match=r"ReLUNeuron\(3\) takes numbers and Values") as caught:
            part(inputs)
        for word in words:
            assert word in str(caught.value)


def test_an_array_of_examples_is_named() -> None:
    import numpy as np

    with pytest.raises(TypeError, match=r"input 0 .* one example at a time"):
        MLP(3, [2, 1])(np.eye(3))
    with pytest.raises(TypeError, match=r"input 0 .* int\(x\) or float\(x\)"):
        MLP(3, [2, 1])(np.array([True, False, True]))


def test_a_mistake_in_an_activation_keeps_its_own_words() -> None:
    with pytest.raises(TypeError, match="NoneType"):
        Neuron(1, activation=lambda v: v + None)([1.0])  # type: ignore[operator]


def test_rng_makes_a_model_reproducible_without_the_global_state() -> None:
    random.seed(5)
    state = random.getstate()
    one, two = (MLP(3, [4, 2], init="he", rng=random.Random(3)) for _ in range(2))
    assert [p.data for p in one.parameters()] == [p.data for p in two.parameters()]
    assert random.getstate() == state


VARIANCES = {
    "uniform": 1 / 3,
    "xavier": 2 / 60,
    "xavier_normal": 2 / 60,
    "he": 2 / 20,
    "he_uniform": 2 / 20,
    "lecun": 1 / 20,
    "lecun_uniform": 1 / 20,
    "zeros": 0.0,
}


@pytest.mark.parametrize("name", SCHEMES)
def test_spread_of_initial_weights(name: str) -> None:
    rng = random.Random(11)
    layers = [Layer(20, 40, init=name, rng=rng) for _ in range(25)]
    weights = [w.data for layer in layers for neuron in layer.neurons for w in neuron.w]
    assert abs(math.fsum(weights) / len(weights)) < 0.01
    assert math.isclose(math.fsum(w * w for w in weights) / len(weights), VARIANCES[name], rel_tol=0.05)
    assert all(neuron.b is not None and neuron.b.data == 0 for neuron in layers[0].neurons)


def test_init_may_be_a_function() -> None:
    layer = Layer(3, 2, init=lambda rng, fan_in, fan_out: fan_in + fan_out / 10)
    assert [w.data for w in layer.neurons[1].w] == [3.2, 3.2, 3.2]


class Everything(Module):
    """Parameters in every kind of place, one of them twice."""

    def __init__(self) -> None:
        self.first = Value(1.0)
        self.several = [Value(2.0), (Value(3.0), {"deep": Value(4.0)})]
        self.part = Neuron(1, init="zeros")
        self.again = self.first
        self.result = self.first * 2  # computed, so not a parameter
        self.name = "everything"
        self.parent = self  # a cycle


def test_module_finds_parameters_in_order_and_once() -> None:
    assert [p.data for p in Everything().parameters()] == [1.0, 2.0, 3.0, 4.0, 0.0, 0.0]
    assert Module().parameters() == []


def test_zero_grad() -> None:
    module = Everything()
    for parameter in module.parameters():
        parameter.grad = 7.0
    module.zero_grad()
    assert [p.grad for p in module.parameters()] == [0.0] * 6


def test_overridden_parameters_count_also_inside_others() -> None:
    class Frozen(Module):
        def __init__(self) -> None:
            self.kept, self.frozen = Value(1.0), Value(2.0)

        def parameters(self) -> list[Value]:
            return [self.kept]

    class Outer(Module):
        def __init__(self) -> None:
            self.inner = [Frozen()]

    assert [p.data for p in Outer().parameters()] == [1.0]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_models_can_be_copied_and_pickled(duplicate: object) -> None:
    model = MLP(2, [3, 1], activation="tanh", rng=random.Random(2))
    twin = duplicate(model)  # type: ignore[operator]
    assert repr(twin) == repr(model)
    assert twin([1.0, 2.0]).data == model([1.0, 2.0]).data
    twin.parameters()[0].data += 1
    assert twin([1.0, 2.0]).data != model([1.0, 2.0]).data
