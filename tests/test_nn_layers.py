"""Layers: micrograd's numbers and the choices by keyword; Linear, activations, Flatten, Dropout, Sequential."""

import copy
import inspect
import math
import pickle
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd
import nn
from autograd import Constant, Value
from autograd.drawing import snapshot
from autograd.naming import values_in
from nn import MLP, Activation, Conv2d, Dropout, Flatten, Layer, Linear, Neuron, Sequential
from nn.activations import ACTIVATIONS, CLASSES


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
    with pytest.raises(TypeError, match=r"input 0 .* one example at a time"):
        MLP(3, [2, 1])(np.eye(3))
    for batch in (np.eye(4, 3), np.eye(1, 3), [[1, 2, 3]] * 2):  # as many examples as inputs, or not
        with pytest.raises(ValueError, match=r"takes 3 inputs, got \d: input 0 .* one example at a time"):
            MLP(3, [2, 1])(batch)
    with pytest.raises(ValueError, match=r"takes 3 inputs, got 1: input 0 .* is <Dataset 'moons'"):
        MLP(3, [2, 1])(nn.moons(4))
    with pytest.raises(ValueError, match=r"takes 3 inputs, got 1: input 0 .* is array\(2\.\)"):
        MLP(3, [2, 1])(np.array(2.0))
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


def test_init_may_be_a_function() -> None:
    layer = Layer(3, 2, init=lambda rng, fan_in, fan_out: fan_in + fan_out / 10)
    assert [w.data for w in layer.neurons[1].w] == [3.2, 3.2, 3.2]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_models_can_be_copied_and_pickled(duplicate: object) -> None:
    model = MLP(2, [3, 1], activation="tanh", rng=random.Random(2))
    twin = duplicate(model)  # type: ignore[operator]
    assert repr(twin) == repr(model)
    assert twin([1.0, 2.0]).data == model([1.0, 2.0]).data
    twin.parameters()[0].data += 1
    assert twin([1.0, 2.0]).data != model([1.0, 2.0]).data


# ---- activations ---------------------------------------------------------------------------------------------------


def plain(x: Any) -> Any:
    """Nested lists of Values as nested lists of their numbers."""
    return [plain(y) for y in x] if isinstance(x, list) else x.data if isinstance(x, Value) else x


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_layer_is_its_operation(activation: str) -> None:
    """Values and gradients bit for bit those of the method, whatever holds the numbers."""
    layer = CLASSES[activation]()
    x, y = Value(0.6), Value(0.6)
    out, expected = layer(x), y if activation == "linear" else getattr(y, activation)()
    out.backward()
    expected.backward()
    assert (out.data, x.grad) == (expected.data, y.grad)
    assert plain(layer([0.6, (Value(0.6), [0.6])])) == [out.data, [out.data, [out.data]]]
    assert type(layer(0.6)) is float
    table = np.array([[Value(0.6), 0.6]], dtype=object)
    array = layer(table)
    assert array.shape == (1, 2) and array.dtype == object
    assert isinstance(array[0, 0], Value)
    assert (array[0, 0].data, array[0, 1]) == (out.data, out.data)
    assert isinstance(table[0, 0], Value) and table[0, 0].data == 0.6
    assert layer(np.array([0.6, 0.6])) == pytest.approx([out.data] * 2, rel=1e-15)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_layer_is_known_by_its_name(activation: str) -> None:
    made = CLASSES[activation]
    assert getattr(nn, made.__name__) is made is getattr(nn.activations, made.__name__)
    assert made.__name__ in dir(nn)
    assert issubclass(made, Activation) and made.__doc__
    layer = made()
    assert type(pickle.loads(pickle.dumps(layer))) is type(copy.deepcopy(layer)) is made
    assert repr(eval(repr(layer), vars(nn.activations))) == repr(layer)
    assert layer.parameters() == []
    names = [p.name for p in inspect.signature(made).parameters.values()]
    assert all(f"{name}=" in repr(layer) for name in names)


def test_classes_are_spelled_as_in_pytorch() -> None:
    spelled = {made.__name__ for made in CLASSES.values()}
    assert len(spelled) == len(CLASSES) == len(ACTIVATIONS)
    assert {
        "ReLU",
        "LeakyReLU",
        "ELU",
        "GELU",
        "SiLU",
        "Sigmoid",
        "LogSigmoid",
        "Tanh",
        "Softplus",
        "Identity",
    } <= spelled
    assert {"Sin", "Log1p", "NormalCDF"} <= spelled


@pytest.mark.peers
def test_spelled_and_computed_as_pytorch_does() -> None:
    import torch

    names = [name for name in vars(nn.activations) if name in {made.__name__ for made in CLASSES.values()}]
    common = [name for name in names if hasattr(torch.nn, name)]
    assert len(common) == 10
    for name in common:
        for x in (-1.7, -0.3, 0.4, 2.5):
            v, t = Value(x), torch.tensor(x, dtype=torch.float64, requires_grad=True)
            ours, theirs = getattr(nn, name)()(v), getattr(torch.nn, name)()(t)
            assert math.isclose(ours.data, theirs.item(), rel_tol=1e-12, abs_tol=1e-15)
            ours.backward()
            theirs.backward()
            assert math.isclose(v.grad, t.grad.item(), rel_tol=1e-12, abs_tol=1e-15)


def test_parameters_of_activations() -> None:
    assert nn.LeakyReLU(0.2)(-3.0) == nn.LeakyReLU(slope=0.2)(-3.0) == pytest.approx(-0.6)
    assert nn.LeakyReLU(slope=0.2)([Value(-3.0)])[0].data == pytest.approx(-0.6)
    assert nn.ELU(alpha=2.0)(Value(-1.0)).data == pytest.approx(2 * math.expm1(-1))
    x = 1.0
    approximation = 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    assert nn.GELU(approximate="tanh")(Value(x)).data == pytest.approx(approximation, rel=1e-13)
    assert repr(nn.LeakyReLU(0.2)) == "LeakyReLU(slope=0.2)"
    assert repr(nn.ReLU()) == "ReLU()"
    assert repr(pickle.loads(pickle.dumps(nn.ELU(0.5)))) == "ELU(alpha=0.5)"
    assert str(inspect.signature(nn.ELU)) == "(alpha=1.0)"
    layer = nn.LeakyReLU()
    layer.slope = 0.5  # type: ignore[attr-defined]
    assert layer(-2.0) == -1.0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nn.ReLU(2), r"ReLU takes no parameters: too many positional"),
        (lambda: nn.LeakyReLU(alpha=2), r"LeakyReLU takes \(slope=0.01\): got an unexpected keyword argument 'alpha'"),
        (lambda: nn.ELU("a"), "'a'"),
        (lambda: nn.GELU("erf"), r'approximate="none" or "tanh", got \'erf\''),
        (
            lambda: nn.ReLU()([1.0, (2.0, [None])]),
            r"^ReLU\(\) takes numbers.*; x\[1\]\[1\]\[0\] is None, of type NoneType$",
        ),
        (lambda: nn.ReLU()("a"), r"^ReLU\(\) .*; x is 'a', of type str; float\(x\) reads"),
        (
            lambda: nn.LeakyReLU(0.5)(np.array([[1.0], [True]], dtype=object)),
            r"^LeakyReLU\(slope=0.5\) .* x\[1\]\[0\] is True",
        ),
        (lambda: nn.Tanh()(y for y in [1.0]), r"^Tanh\(\) .*; x is <generator"),
        (lambda: nn.Dropout()([0.5, None]), r"^Dropout\(0.5\) takes numbers.*; x\[1\] is None, of type NoneType$"),
        (lambda: nn.ReLU()([1j]), "^relu of 1j: a complex has no relu"),
    ],
)
def test_wrong_parameters_and_inputs_of_activations(make: Callable[[], object], words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        make()


def test_names_that_nn_has_not_are_said() -> None:
    with pytest.raises(AttributeError, match=r"module 'nn' has no attribute 'relu' \(did you mean 'ReLU'\?\)"):
        nn.relu  # noqa: B018
    with pytest.raises(AttributeError, match=r"'CrossEntropyLoss': here it is nn\.softmax_cross_entropy"):
        nn.CrossEntropyLoss  # noqa: B018
    with pytest.raises(AttributeError, match="did you mean 'Sequential'"):
        nn.Sequental  # noqa: B018
    for name, meant in (
        ("Relu", "ReLU"),
        ("leaky_relu", "LeakyReLU"),
        ("cross_entropi", "cross_entropy"),
    ):
        with pytest.raises(AttributeError, match=f"did you mean '{meant}'"):
            getattr(nn, name)
    with pytest.raises(ValueError, match=r"got 'Relu' \(did you mean 'relu'\?\)"):
        MLP(2, [1], activation="Relu")
    with pytest.raises(TypeError, match="nin must be a whole number, got True"):
        Linear(True, 1)
    assert not hasattr(nn, "__wrapped__")


def test_activation_takes_a_layer_too() -> None:
    by_name, by_layer = (MLP(2, [3, 1], activation=act, rng=random.Random(1)) for act in ("tanh", nn.Tanh()))
    assert by_name([1.0, 2.0]).data == by_layer([1.0, 2.0]).data
    assert repr(Neuron(3, activation=nn.LeakyReLU(0.2))) == "LeakyReLUNeuron(3)"
    assert repr(Neuron(3, activation="gelu")) == "GELUNeuron(3)"
    assert repr(Neuron(3, activation=math.tan)) == "TanNeuron(3)"
    with pytest.raises(ValueError, match=r"activation must be an activation, not its class: write ReLU\(\)"):
        Neuron(3, activation=nn.ReLU)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_type_checker_knows_the_layers(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import nn\nfrom nn import GELU\nlayers: list[nn.Module] = [nn.ReLU(), nn.ELU(0.5), GELU()]\n")
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--follow-imports=silent",
        f"--cache-dir={tmp_path}",
        str(program),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(nn.__file__).parent.parent)
    assert done.returncode == 0, done.stdout


# ---- Linear --------------------------------------------------------------------------------------------------------


@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.booleans(), st.integers(0, 99))
def test_linear_is_the_affine_map(nin: int, nout: int, batch: int, bias: bool, seed: int) -> None:
    """Values, and gradients to input, weight and bias, by NumPy's matrix products."""
    rng = np.random.default_rng(seed)
    layer = Linear(nin, nout, bias=bias, rng=random.Random(seed))
    for b in layer.bias or []:
        b.data = rng.normal()
    x, upstream = rng.normal(size=(batch, nin)), rng.normal(size=(batch, nout))
    weight = np.array(plain(layer.weight))
    values = [[Value(number) for number in example] for example in x]
    out = layer(values)
    np.testing.assert_allclose(plain(out), x @ weight.T + (plain(layer.bias) if bias else 0), rtol=1e-12, atol=1e-14)
    assert all(type(example) is list and len(example) == nout for example in out)
    autograd.dot(upstream, np.array(out)).backward()
    np.testing.assert_allclose([[v.grad for v in row] for row in values], upstream @ weight, rtol=1e-12, atol=1e-14)
    found = [[w.grad for w in row] for row in layer.weight]
    np.testing.assert_allclose(found, upstream.T @ x, rtol=1e-12, atol=1e-14)
    if bias:
        np.testing.assert_allclose([b.grad for b in layer.bias or []], upstream.sum(0), rtol=1e-12, atol=1e-14)
    assert (layer.bias is not None) == bias
    assert plain(layer(x[0])) == plain(out[0]) == plain(layer(x))[0]


def test_linear_takes_every_kind_of_input() -> None:
    layer = Linear(2, 3, rng=random.Random(0))
    expected = plain(layer([1.0, 2.0]))
    array, values = np.array([1.0, 2.0]), np.array([Value(1.0), 2.0])
    several: list[Any] = [(1, 2), array, array.astype("int8"), iter([1.0, 2.0]), [Value(1.0), 2], values]
    for x in several:
        assert plain(layer(x)) == expected
    batches: list[Any] = [
        [(1, 2)] * 2,
        np.array([array] * 2),
        np.array([values] * 2),
        [array] * 2,
        iter([values, array]),
    ]
    for batch in batches:
        assert plain(layer(batch)) == [expected] * 2
    with autograd.no_grad():
        assert plain(layer(x=[1.0, 2.0])) == expected
    single = Linear(1, 1, bias=False)
    assert plain(single(Value(3.0))) == plain(single(3.0)) == plain(single([3.0])) == [3 * single.weight[0][0].data]


def test_each_output_is_one_dot_and_one_addition_and_each_number_one_constant() -> None:
    out = Linear(3, 2)([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    nodes = autograd.topological_sort(autograd.sum(values_in(out)))
    assert sorted(node._op for node in nodes if node.parents) == ["+"] * 4 + ["dot"] * 4 + ["sum"]
    constants = {parent for node in nodes for parent in node.parents if type(parent) is Constant}
    assert sorted(c.data for c in constants) == [1, 1, 2, 2, 3, 3]
    assert [v._op for v in Linear(3, 2, bias=False)([1, 2, 3])] == ["dot", "dot"]


@pytest.mark.parametrize(
    ("x", "words"),
    [
        ([1.0], "takes 2 inputs, got 1: give 2 numbers or Values, or a batch of such examples"),
        (np.zeros(3), "takes 2 inputs, got 3: "),
        ([], "takes 2 inputs, got an empty list: give 2 numbers or Values, or a batch"),
        (np.zeros((0, 2)), "takes 2 inputs, got an empty list: "),
        (None, "takes 2 inputs, got 1: input 0 .* is None, of type NoneType$"),
        ({1.0, 2.0}, "takes 2 inputs, got 1: .* of type set$"),
        (3.0, "takes 2 inputs, got 1: "),
        ([[1.0, 2.0], [1.0]], r"takes 2 inputs, example 1 \(counted from 0\) has 1: "),
        (np.zeros((2, 3)), r"takes 2 inputs, example 0 \(counted from 0\) has 3: "),
        ([[1.0, 2.0], 3.0], r"a batch as a list of lists; example 1 \(counted from 0\) is 3.0"),
        ([1.0, "a"], r"takes numbers and Values; input 1 \(counted from 0\) is 'a', of type str; float\(x\) reads"),
        ([1.0, [2.0]], r"input 1 \(counted from 0\) is \[2.0\], of type list"),
        ([[1.0, 2.0], [True, 2.0]], r"example 1, input 0 \(counted from 0\) is True, of type bool; write int\(x\)"),
        (np.zeros((2, 2, 2)), r"example 0, input 0 \(counted from 0\) is \[0.0, 0.0\], of type list"),
        ("ab", "takes 2 inputs, got 1: "),
        (None, "takes 2 inputs, got 1: "),
    ],
)
def test_wrong_inputs_of_linear_are_named(x: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words) as caught:
        Linear(2, 3)(x)
    assert str(caught.value).startswith("Linear(2, 3) takes ")


def test_linears_own_mistakes() -> None:
    assert repr(Linear(2, 3, bias=False)) == "Linear(2, 3, bias=False)"
    with pytest.raises(ValueError, match="nin must be at least 1, got 0"):
        Linear(0, 1)
    with pytest.raises(ValueError, match="nout must be at least 1, got 0"):
        Linear(1, 0)


# ---- Flatten -------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 3), min_size=1, max_size=5), st.integers(1, 4))
def test_flatten_is_numpys_order(sizes: list[int], levels: int) -> None:
    array = np.arange(float(np.prod(sizes))).reshape(sizes)
    flatten = Flatten(levels)
    if len(sizes) == levels:
        expected = array.ravel()
    elif len(sizes) == levels + 1:
        expected = array.reshape(sizes[0], -1)
    else:
        with pytest.raises(ValueError, match=f"takes lists nested {levels} level.* got {len(sizes)} level"):
            flatten(array)
        return
    assert flatten(array) == flatten(array.tolist()) == expected.tolist()


def test_flatten_hands_values_through() -> None:
    v = Value(1.0)
    assert Flatten()([[[v, 2.0]]])[0] is v
    assert Flatten(levels=1)((v,)) == [v]
    assert repr(Flatten()) == "Flatten()"
    assert repr(Flatten(2)) == "Flatten(levels=2)"


@pytest.mark.parametrize(
    ("x", "words"),
    [
        ([[1, 2], 3], "3 beside lists"),
        ([[1, [2]]], r"\[2\] beside numbers"),
        (1.0, "got 1.0, of type float"),
        ("ab", "got 'ab', of type str"),
        ([], "got an empty list"),
    ],
)
def test_flatten_wants_one_depth(x: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        Flatten(2)(x)
    assert str(caught.value).startswith("Flatten(levels=2) takes lists")
    with pytest.raises(ValueError, match="levels must be at least 1"):
        Flatten(0)


# ---- Dropout -------------------------------------------------------------------------------------------------------


def test_dropout_keeps_the_mean_and_drops_a_share() -> None:
    layer = Dropout(0.3, rng=random.Random(1))
    out = layer([1.0] * 20_000)
    assert set(out) == {0.0, 1 / 0.7}
    assert abs(out.count(0.0) / 20_000 - 0.3) < 5 * math.sqrt(0.3 * 0.7 / 20_000)
    assert abs(math.fsum(out) / 20_000 - 1) < 0.05


def test_dropout_draws_one_number_for_each_in_order() -> None:
    rng = random.Random(7)
    kept = [rng.random() >= 0.4 for _ in range(6)]
    layer = Dropout(0.4, rng=random.Random(7))
    xs = [[Value(1.0), Value(2.0)], [[Value(3.0)]], 4.0]
    out = layer(xs)
    table = layer(np.array([Value(5.0), Value(6.0)]))
    numbers = plain(out[0]) + plain(out[1][0]) + [out[2], table[0].data, table[1].data]
    assert numbers == [i * (1 / 0.6) * keep for i, keep in enumerate(kept, start=1)]
    assert 0 < sum(kept) < 6
    autograd.sum(out[0]).backward()
    assert [v.grad for v in xs[0]] == [keep / 0.6 for keep in kept[:2]]


def test_dropout_is_drawn_anew_and_from_the_module_random_by_default() -> None:
    layer = Dropout()
    assert layer.rng is None
    random.seed(2)
    expected = [2.0 * (random.random() >= 0.5) for _ in range(40)]
    random.seed(2)
    first, second = layer([1.0] * 20), layer([1.0] * 20)
    assert first + second == expected
    assert first != second


def test_dropout_lets_everything_pass_when_used() -> None:
    xs = [Value(1.0), [2.0]]
    rng = random.Random(0)
    state = rng.getstate()
    assert Dropout(0.9, rng).eval()(xs) is xs
    assert Dropout(0)(xs) is xs
    assert rng.getstate() == state


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((1.0,), "at least 0 and less than 1, .* got 1.0"),
        ((-0.1,), "at least 0 and less than 1, .* got -0.1"),
        ((math.nan,), "at least 0 and less than 1, .* got nan"),
        (("0.5",), "p must be a number, .* got '0.5'"),
        ((True,), "p must be a number, .* got True"),
        ((0.5, 3), r"rng must be a random.Random"),
    ],
)
def test_dropouts_own_mistakes(arguments: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        Dropout(*arguments)
    assert repr(Dropout(0.25)) == "Dropout(0.25)"


# ---- Sequential ----------------------------------------------------------------------------------------------------


def test_sequential_calls_one_after_the_other() -> None:
    first, last = Linear(2, 3, rng=random.Random(0)), Linear(3, 1, rng=random.Random(1))
    model = Sequential(first, "tanh", nn.LeakyReLU(0.2), lambda xs: [2 * x for x in xs], last)
    expected = last([2 * x.tanh().leaky_relu(0.2) for x in first([0.5, -1.5])])
    assert plain(model([0.5, -1.5])) == plain(expected)
    assert len(model) == 5
    assert model[0] is first and model[-1] is last
    assert list(model) == model.layers
    assert isinstance(model[1], nn.Tanh)
    head = model[:2]
    assert isinstance(head, Sequential) and head.layers == model.layers[:2]
    assert [name for name, _ in model.named_modules()] == ["", "layers.0", "layers.1", "layers.2", "layers.4"]
    assert Sequential()([1, 2]) == [1, 2]


def test_sequential_of_micrograds_layers_and_of_sequentials() -> None:
    model = Sequential(Layer(2, 1), Sequential(Linear(1, 2), "relu"), MLP(2, [1]))
    out = model([1.0, 2.0])
    assert isinstance(out, Value)
    assert len(model.parameters()) == 3 + 4 + 3


def test_reprs_of_sequential() -> None:
    small = Sequential(Linear(2, 3), "relu")
    assert repr(small) == "Sequential(Linear(2, 3), ReLU())"
    assert repr(Sequential()) == "Sequential()"
    assert repr(Sequential(sorted)) == "Sequential(sorted)"
    outer = Sequential(
        Conv2d(1, 6, 3, padding=1), "relu", Sequential(Flatten(), Linear(2, 3), Dropout(), Linear(3, 1), "tanh")
    )
    assert repr(outer) == (
        "Sequential(\n    Conv2d(1, 6, 3, padding=1),\n    ReLU(),\n"
        "    Sequential(Flatten(), Linear(2, 3), Dropout(0.5), Linear(3, 1), Tanh()),\n)"
    )
    nested = Sequential(outer, outer)
    assert "\n        Conv2d(1, 6, 3, padding=1),\n" in repr(nested)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (("relu", 3), r"layer 1 \(counted from 0\) of Sequential is 3, of type int: give a Module, the name of an"),
        (([Linear(1, 1)],), r"layer 0 .* of type list: .*; write Sequential\(\*layers\) for a list of them"),
        ((Linear(1, 1), None), "layer 1 .* is None"),
        (("relu", "sigmod"), r"layer 1 .* is 'sigmod', which is none of linear, abs, .*did you mean 'sigmoid'"),
        ((nn.ReLU,), r"layer 0 .* is the class ReLU: make one, ReLU\(\.\.\.\)"),
    ],
)
def test_sequential_names_the_position_of_what_is_no_layer(layers: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        Sequential(*layers)


@pytest.mark.parametrize("first", [Linear(2, 2), Layer(2, 2), Sequential(Linear(2, 2))])
def test_the_inputs_stand_outside_of_a_sequentials_frame(first: nn.Module) -> None:
    graph = snapshot(autograd.sum(Sequential(first, "tanh")([1.0, 2.0])))
    constants = [node for node in graph.nodes if node.kind == "constant"]
    assert sorted(node.data for node in constants) == [1.0, 2.0]
    assert {node.scope for node in constants} == {None}
    assert graph.nodes[-2].scope is not None


def test_a_subclass_with_a_call_of_its_own_gets_what_was_given() -> None:
    class Doubled(Linear):
        def __call__(self, x: Any) -> Any:
            return super().__call__([2 * y for y in x])

    given: list[Any] = []

    class Spy(Linear):
        def __call__(self, x: Any) -> Any:
            given.append(x)
            return super().__call__(x)

    model = Sequential(Doubled(2, 1, rng=random.Random(0)))
    assert plain(model([1.0, 2.0])) == plain(Linear(2, 1, rng=random.Random(0))([2.0, 4.0]))
    Sequential(Spy(2, 1))([1.0, 2.0])
    assert given == [[1.0, 2.0]]
