"""Module: the parameters and modules within, their names, and training or not."""

import copy
import pickle
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import Value, label
from nn import MLP, Dropout, Layer, Linear, Module, Neuron, Sequential
from nn.module import in_mode


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


class Frozen(Module):
    """Answers for itself: one of its two parameters."""

    def __init__(self) -> None:
        self.kept, self.frozen = Value(1.0), Value(2.0)

    def parameters(self) -> list[Value]:
        return [self.kept]


def named(module: Module) -> list[str]:
    """The names, after a look that they belong to what `parameters()` gives, in its order."""
    found = module.named_parameters()
    assert [id(parameter) for _, parameter in found] == [id(parameter) for parameter in module.parameters()]
    assert len({name for name, _ in found}) == len(found)
    return [name for name, _ in found]


def test_names_are_those_of_drawings() -> None:
    model = MLP(2, [2, 1])
    names = named(model)
    assert names == [
        "layers.0.neurons.0.w[0]", "layers.0.neurons.0.w[1]", "layers.0.neurons.0.b",
        "layers.0.neurons.1.w[0]", "layers.0.neurons.1.w[1]", "layers.0.neurons.1.b",
        "layers.1.neurons.0.w[0]", "layers.1.neurons.0.w[1]", "layers.1.neurons.0.b",
    ]  # fmt: skip
    label({"model": model})
    assert [f"model.{name}" for name in names] == [parameter.label for parameter in model.parameters()]
    assert named(Sequential(Linear(1, 2), "tanh", Linear(2, 1, bias=False))) == [
        "layers.0.weight[0][0]", "layers.0.weight[1][0]", "layers.0.bias[0]", "layers.0.bias[1]",
        "layers.2.weight[0][0]", "layers.2.weight[0][1]",
    ]  # fmt: skip


def test_parameters_in_every_place_have_names() -> None:
    assert named(Everything()) == [
        "first",
        "several[0]",
        "several[1][0]",
        'several[1][1]["deep"]',
        "part.w[0]",
        "part.b",
    ]


def test_object_arrays_hold_parameters() -> None:
    module = Module()
    module.table = np.array([[Value(1.0), Value(2.0)]])  # type: ignore[attr-defined]
    module.numbers = np.zeros(3)  # type: ignore[attr-defined]
    assert named(module) == ["table[0, 0]", "table[0, 1]"]


def test_a_parameter_in_two_places_has_the_first_ones_name() -> None:
    model = Sequential(Linear(1, 1, bias=False), Linear(1, 1))
    model[1].weight = model[0].weight
    assert named(model) == ["layers.0.weight[0][0]", "layers.1.bias[0]"]
    part = Linear(1, 1)
    assert named(Sequential(part, part)) == ["layers.0.weight[0][0]", "layers.0.bias[0]"]


def test_overridden_parameters_count_also_inside_others() -> None:
    outer = Module()
    outer.inner = [Frozen(), Neuron(1)]  # type: ignore[attr-defined]
    assert [p.data for p in outer.parameters()][:1] == [1.0]
    assert named(outer) == ["inner.0.kept", "inner.1.w[0]", "inner.1.b"]
    assert named(Frozen()) == ["kept"]


def test_what_only_an_overridden_method_knows_of_is_named_after_it() -> None:
    hidden = [Value(1.0), Value(2.0)]

    class Hiding(Module):
        def __init__(self) -> None:
            self.shown = Value(3.0)

        def parameters(self) -> list[Value]:
            return [*hidden, self.shown]

    assert named(Hiding()) == ["parameters()[0]", "parameters()[1]", "shown"]


def test_an_overridden_method_may_repeat_itself() -> None:
    class Twice(Frozen):
        def parameters(self) -> list[Value]:
            return [self.frozen, self.kept, self.frozen]

    assert [name for name, _ in Twice().named_parameters()] == ["frozen", "kept"]


def test_an_overridden_method_may_ask_the_base_class_within_a_cycle() -> None:
    class Reversed(Module):
        def __init__(self) -> None:
            self.me, self.first, self.second = self, Value(1.0), Value(2.0)

        def parameters(self) -> list[Value]:
            return super().parameters()[::-1]

    assert named(Reversed()) == ["second", "first"]


def test_names_that_would_clash_are_told_apart() -> None:
    module = Module()
    module.parts = {0: Neuron(0), "0": Neuron(0), "x": Value(1.0)}  # type: ignore[attr-defined]
    assert named(module) == ["parts.0.b", "parts.0.b'", 'parts["x"]']


def test_without_the_base_classs_init_and_with_parameters_set_later() -> None:
    class Line(Module):
        def __init__(self) -> None:
            self.slope = Value(1.0)

    line = Line()
    line.offset = Value(0.0)  # type: ignore[attr-defined]
    assert named(line) == ["slope", "offset"]
    assert line.training


def build(plan: Any, pool: list[Value]) -> Any:
    """What a plan describes; a number in it is a Value of the pool, so that some stand in several places."""
    kind, inner = plan
    if kind == "value":
        return pool[inner]
    if kind == "computed":
        return pool[inner] * 2
    if kind in ("module", "frozen"):
        module = Module() if kind == "module" else Frozen()
        for i, x in enumerate(inner):
            setattr(module, f"a{i}", build(x, pool))
        return module
    parts = [build(x, pool) for x in inner]
    if kind == "dict":
        return {f"k{i}": x for i, x in enumerate(parts)}
    if kind == "array":
        array = np.empty(len(parts), dtype=object)
        for i, x in enumerate(parts):
            array[i] = x
        return array
    return (list if kind == "list" else tuple)(parts)


indices = st.integers(0, 4)
plans = st.recursive(
    st.tuples(st.sampled_from(["value", "computed"]), indices),
    lambda inner: st.tuples(
        st.sampled_from(["module", "frozen", "dict", "array", "list", "tuple"]), st.lists(inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.lists(plans, max_size=4))
def test_names_and_parameters_agree_however_a_module_is_made(attributes: Any) -> None:
    """And a name leads to its parameter: as Python, once ".0" is written "[0]"."""
    module = build(("module", attributes), [Value(float(i)) for i in range(5)])
    for name, parameter in module.named_parameters():
        found = module
        for step in name.replace("[", ".[").split("."):
            if step.startswith("["):
                found = found[eval(step[1:-1])]
            elif isinstance(found, dict):
                found = found[step]
            else:
                found = getattr(found, step) if isinstance(found, Module) else found[int(step)]
        assert found is parameter
    named(module)
    assert not any(parameter.parents for parameter in module.parameters())


def test_named_modules() -> None:
    model = Sequential(Layer(1, 2), Dropout(), {"a": 1}.get)
    assert [(name, type(part).__name__) for name, part in model.named_modules()] == [
        ("", "Sequential"), ("layers.0", "Layer"), ("layers.0.neurons.0", "Neuron"), ("layers.0.neurons.1", "Neuron"),
        ("layers.1", "Dropout"),
    ]  # fmt: skip
    everything = Everything()
    assert everything.named_modules() == [("", everything), ("part", everything.part)]


def test_training_reaches_every_module_and_nothing_else() -> None:
    model = Sequential(Sequential(Dropout()), Layer(2, 2))
    assert {part.training for _, part in model.named_modules()} == {True}
    assert model.eval() is model
    assert {part.training for _, part in model.named_modules()} == {False}
    assert Dropout().training
    assert model.train() is model
    assert {part.training for _, part in model.named_modules()} == {True}
    model[0].train(False)
    assert [part.training for _, part in model.named_modules()][:4] == [True, False, False, True]
    assert len(model.parameters()) == len(named(model)) == 6


def test_eval_ends_on_cycles_and_is_copied() -> None:
    module = Everything().eval()
    assert not module.part.training
    assert not copy.deepcopy(module).part.training
    assert not pickle.loads(pickle.dumps(MLP(1, [1]).eval())).layers[0].training


def test_a_mode_lasts_as_long_as_its_block() -> None:
    model = Sequential(Dropout(0.5), Linear(1, 1))
    model.layers[0].eval()
    with suppress(ZeroDivisionError), in_mode(model, True):
        assert all(part.training for _, part in model.named_modules())
        raise ZeroDivisionError
    with in_mode(model, False):
        assert not any(part.training for _, part in model.named_modules())
    assert [part.training for _, part in model.named_modules()] == [True, False, True]
    assert "training" not in vars(model)  # as it was: the class's
    with in_mode(len, False):
        pass


def test_a_forward_alone_is_not_called() -> None:
    class Torchlike(Module):
        def forward(self, x: Any) -> Any:
            return x

    with pytest.raises(NotImplementedError, match="Torchlike must define __call__: give its forward that name"):
        Torchlike()(1.0)
    with pytest.raises(NotImplementedError, match=r"Module must define __call__$"):
        Module()(1.0)
