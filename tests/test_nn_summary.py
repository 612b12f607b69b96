"""The summary of a model: what each part is, its output, its parameters and its nodes."""

import random
import threading
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import autograd
import nn
from autograd import Value
from autograd.naming import scoped, values_in
from nn import MLP, Conv2d, Dropout, Flatten, Layer, Linear, Module, Neuron, Sequential, Summary, summary
from nn.summary import shape


def lines(found: Summary) -> list[tuple[str, str, str, int, int]]:
    return [part[:5] for part in found.parts]


def graph_size(model: Module, example: Any) -> int:
    """Nodes of a whole graph that are no parameters and were not given."""
    roots = values_in(model(example))
    nodes = {node for root in roots for node in (root, *autograd.topological_sort(root))}
    nodes |= {parent for node in nodes for parent in node.parents}
    return len(nodes - set(model.parameters()) - set(values_in(example)))


def test_a_perceptron_down_to_its_layers() -> None:
    """Counted by hand: a neuron of n inputs has n products, n additions and an activation; two inputs became constants."""
    found = summary(MLP(2, [16, 16, 1]), [1.0, 2.0])
    assert lines(found) == [
        ("layers.0", "Layer of 16 ReLUNeuron(2)", "16", 48, 16 * 5 + 2),
        ("layers.1", "Layer of 16 ReLUNeuron(16)", "16", 272, 16 * 33),
        ("layers.2", "Layer of [LinearNeuron(16)]", "number", 17, 32),
    ]
    assert found.model[:5] == ("", "MLP", "number", 337, 82 + 528 + 32)


def small() -> Sequential:
    """A network of every layer."""
    inner = Sequential(Linear(18, 4), "tanh", Linear(4, 3, bias=False))
    return Sequential(Conv2d(1, 3, 3, padding=1), "relu", Conv2d(3, 2, 3, stride=2), Flatten(), Dropout(0.2), inner)


IMAGE = np.arange(64.0).reshape(1, 8, 8)


def test_every_layer() -> None:
    """By hand: an output is a dot and, with a bias, an addition; a mask is a product and a constant per number."""
    model = small()
    found = summary(model, IMAGE)
    assert lines(found) == [
        ("layers.0", "Conv2d(1, 3, 3, padding=1)", "3×8×8", 30, 2 * 192 + 64),
        ("layers.1", "ReLU()", "3×8×8", 0, 192),
        ("layers.2", "Conv2d(3, 2, 3, stride=2)", "2×3×3", 56, 36),
        ("layers.3", "Flatten()", "18", 0, 0),
        ("layers.4", "Dropout(0.2)", "18", 0, 36),
        ("layers.5", "Sequential", "3", 76 + 12, 8 + 4 + 3),
        ("layers.5.layers.0", "Linear(18, 4)", "4", 76, 8),
        ("layers.5.layers.1", "Tanh()", "4", 0, 4),
        ("layers.5.layers.2", "Linear(4, 3, bias=False)", "3", 12, 3),
    ]
    assert found.model.parameters == 174 == len(model.parameters())
    assert found.model.nodes == 448 + 192 + 36 + 36 + 15
    assert summary(model.eval(), IMAGE).parts[4].nodes == 0


@pytest.mark.parametrize(
    ("model", "example"),
    [
        (MLP(3, [4, 2]), [Value(1.0), 2.0, 3.0]),
        (Sequential(Linear(2, 3), "gelu", nn.ELU(0.5)), [[1.0, 2.0], [3.0, Value(4.0)]]),
        (Layer(2, 3, activation=nn.Tanh()), [Fraction(1, 2), 1]),
        (Sequential(Conv2d(1, 2, 2, stride=2, padding=1), "relu", Flatten(), Linear(50, 3)), IMAGE),
        (Neuron(2), [1.0, 2.0]),
        (Sequential(), [Value(1.0)]),
    ],
)
def test_the_total_is_the_graphs_size(model: Module, example: Any) -> None:
    found = summary(model, example)
    assert found.model.nodes == graph_size(model, example)
    assert found.model.parameters == len(model.parameters())
    tops = [part for part in found.parts if part.depth == 1]
    if isinstance(model, Sequential):
        assert found.model.nodes == sum(part.nodes for part in tops)


def test_depth_chooses_how_deep() -> None:
    model = Sequential(MLP(2, [2, 1]), "tanh")
    names = [[part.name for part in summary(model, [1, 2], depth).parts] for depth in (0, 1, 2, 3, None)]
    outer, inner = ["layers.0", "layers.1"], ["layers.0", "layers.0.layers.0", "layers.0.layers.1", "layers.1"]
    neurons = [f"layers.0.layers.0.neurons.{i}" for i in (0, 1)], ["layers.0.layers.1.neurons.0"]
    assert names == [[], outer, inner, [*inner[:2], *neurons[0], inner[2], *neurons[1], inner[3]], inner]
    deepest = summary(model, [1, 2], 3)
    assert [part.depth for part in deepest.parts] == [1, 2, 3, 3, 2, 3, 1]
    for wrong in (-1, 1.5):
        with pytest.raises((TypeError, ValueError), match="depth must be"):
            summary(model, [1, 2], wrong)  # type: ignore[arg-type]


class Recurrent(Module):
    """One part called for each number, two that share a weight, and one that is not called."""

    def __init__(self) -> None:
        self.cell = Linear(3, 2)
        self.head, self.tied, self.idle = Linear(2, 1), Linear(2, 1), Linear(5, 5)
        self.tied.weight = self.head.weight

    def __call__(self, xs: Any) -> Value:
        h: list[Any] = [0.0, 0.0]
        for x in xs:
            h = [v.tanh() for v in self.cell([x, *h])]
        return self.head(h)[0] + self.tied(h)[0]  # type: ignore[no-any-return]


def test_parts_called_more_than_once_that_share_and_that_are_not_called() -> None:
    model = Recurrent()
    found = summary(model, [1.0, 2.0, 3.0])
    assert [(part.name, part.calls, part.parameters, part.nodes) for part in found.parts] == [
        (
            "cell",
            3,
            8,
            3 * 4 + 2 * 2 + 3 + 2,
        ),  # tanh stands between its calls; three inputs and two zeros become constants
        ("head", 1, 3, 2 + 2),
        ("tied", 1, 3, 2),
    ]
    assert found.model.parameters == 8 + 3 + 1 + 30
    assert found.model.nodes == graph_size(model, [1.0, 2.0, 3.0])
    assert found.notes[1:] == (
        "Parameters that parts share are counted in each of them, and once in the total.",
        "Not called with this example: idle.",
    )
    assert "calls" in str(found).splitlines()[0]
    assert "calls" not in str(summary(MLP(1, [1]), [1.0]))


def test_the_table() -> None:
    model = Sequential(Linear(2, 1200, init="zeros"), Sequential("relu"))
    assert str(summary(model, [1, 2])) == repr(summary(model, [1, 2])) == TABLE


TABLE = """\
part                 what                output  parameters  nodes
──────────────────────────────────────────────────────────────────
layers.0             Linear(2, 1200)     1200         3,600  2,402
layers.1             Sequential(ReLU())  1200             0  1,200
  layers.1.layers.0  ReLU()              1200             0  1,200
──────────────────────────────────────────────────────────────────
total                Sequential          1200         3,600  3,602

Nodes are what the call adds to the graph: results, and numbers that become constants."""


def test_a_parameter_that_is_given_twice_counts_once() -> None:
    class Twice(Linear):
        def parameters(self) -> list[Value]:
            return super().parameters() * 2

    found = summary(Sequential(Twice(2, 1)), [1.0, 2.0])
    assert (found.parts[0].parameters, found.model.parameters) == (3, 3)


def test_in_a_notebook() -> None:
    html = summary(small(), IMAGE)._repr_html_()
    assert html.count("<tr>") == 1 + 9 + 1
    for text in ("layers.5.layers.2", "Conv2d(1, 3, 3, padding=1)", "3×8×8", "448", "total"):
        assert text in html
    assert "<script" not in html
    body, total = html.split("<tfoot>")
    assert "border-top: 1px" not in body and "total" in total and "448" not in total  # a rule above the total alone
    assert total.count("border-top: 1px") == 5


def test_a_summary_changes_nothing() -> None:
    rng = random.Random(5)
    model = Sequential(Dropout(0.5, rng), Linear(2, 1), Dropout(0.5))
    random.seed(3)
    states = rng.getstate(), random.getstate()
    parameters = [(p.data, p.grad, p.label) for p in model.parameters()]
    summary(model, [1.0, 2.0])
    assert (rng.getstate(), random.getstate()) == states
    assert [(p.data, p.grad, p.label) for p in model.parameters()] == parameters
    assert model.training and not autograd.naming.observers
    with pytest.raises(ValueError, match="takes 2 inputs"):
        summary(model, [1.0])
    assert (rng.getstate(), random.getstate()) == states
    assert not autograd.naming.observers


def test_within_no_grad_and_within_another_call() -> None:
    expected = lines(summary(MLP(2, [2, 1]), [1, 2]))
    with autograd.no_grad():
        assert lines(summary(MLP(2, [2, 1]), [1, 2])) == expected
        assert not (Value(1.0) * 2).parents
    inside: list[Any] = []

    class Curious(Module):
        def __call__(self, x: Any) -> Any:
            inside.append(lines(summary(MLP(2, [2, 1]), [1, 2])))
            return x

    Curious()([1.0])
    assert inside == [expected]


def test_other_threads_are_not_listened_to() -> None:
    other = MLP(2, [2, 1])

    class Waiting(Module):
        def __call__(self, x: Any) -> Any:
            thread = threading.Thread(target=lambda: other([1.0, 2.0]))
            thread.start()
            thread.join()
            return x * 2

    assert summary(Waiting(), 3.0).parts == ()


def test_calls_that_fail_and_are_caught_leave_no_line_astray() -> None:
    class Trying(Module):
        def __init__(self) -> None:
            self.first, self.second = Sequential(Linear(1, 1), Linear(2, 2)), Linear(1, 1)

        def __call__(self, x: Any) -> Any:
            try:
                return self.first(x)
            except ValueError:
                return self.second(x)

    found = summary(Sequential(Trying(), "relu"), [1.0])
    assert [(part.name, part.depth) for part in found.parts] == [
        ("layers.0", 1), ("layers.0.first.layers.0", 2), ("layers.0.second", 2), ("layers.1", 1),
    ]  # fmt: skip


def test_parts_without_a_name() -> None:
    @scoped
    def doubled(xs: list[Value]) -> list[Value]:
        return [2 * x for x in xs]

    class Making(Module):
        def __call__(self, x: Any) -> Any:
            return doubled(Linear(1, 1)(x))

    found = summary(Making(), [1.0])
    assert found.parts[0].name == "(in no attribute)"
    assert found.parts[1].name.endswith("doubled") and found.parts[1].what == "function"
    assert [part.nodes for part in found.parts] == [5, 2]  # the weight and the bias were made in the call too


@pytest.mark.parametrize(
    ("outputs", "text"),
    [
        (Value(1.0), "number"),
        (2.0, "number"),
        ([Value(1.0)], "1"),
        ([[1.0, 2.0]] * 3, "3×2"),
        (np.zeros((2, 3, 4)), "2×3×4"),
        (np.array([[Value(1.0)]]), "1×1"),
        ([[1.0], [1.0, 2.0]], "2×…"),
        ([[[1.0]], [[1.0, 2.0]]], "2×1×…"),
        ([[1.0], 2.0], "2×…"),
        ([], "0"),
        ((1.0, 2.0), "2"),
        (None, "NoneType"),
        ({"a": 1.0}, "dict"),
    ],
)
def test_shapes(outputs: Any, text: str) -> None:
    assert shape(outputs) == text


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (len, "summary takes a Module, got .*: a function becomes one by Sequential"),
        (MLP, r"summary takes a Module, .*: make one, MLP\(\.\.\.\)"),
        ([MLP(1, [1])], "summary takes a Module, got .* of type list"),
    ],
)
def test_what_is_no_model(model: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        summary(model, [1.0])
