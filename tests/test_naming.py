"""Names: label(), what it does to variables, containers and models, and the calls that modules leave on their outputs."""

import copy
import gc
import inspect
import math
import pickle
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter

import autograd
from autograd import Constant, Value, label, no_grad, topological_sort
from autograd.drawing import snapshot
from autograd.naming import Inputs, call_of, scoped
from nn import MLP, Layer, Module, Neuron

# ---- label ---------------------------------------------------------------------------------------------------------


def test_values_are_named_after_their_variables() -> None:
    a, b = Value(2.0), Value(-3.0)
    d = a * b
    label(locals())
    assert (a.label, b.label, d.label) == ("a", "b", "d")
    assert repr(d) == "Value(data=-6.0, grad=0.0, label='d')"
    assert [node.label for node in snapshot(d).nodes] == ["b", "a", "d"]


def test_a_label_given_by_hand_is_kept() -> None:
    a, b = Value(1.0, label="mine"), Value(2.0)
    b.label = "too"
    label({"a": a, "b": b})
    assert (a.label, b.label) == ("mine", "too")


def test_labels_that_label_gave_are_replaced() -> None:
    a = Value(1.0)
    label({"a": a})
    label({"b": a})
    assert a.label == "b"
    a.label = "hand"
    label({"c": a})
    assert a.label == "hand"
    a.label = ""
    label({"c": a})
    assert a.label == "c"


def test_the_first_of_two_variables_counts() -> None:
    a = Value(1.0)
    for _ in range(2):
        label({"xs": [a], "first": a, "second": a})
        assert a.label == "first"


def test_containers() -> None:
    xs, w = [Value(0.0), Value(1.0), 2.0], {"a": Value(2.0), 3: (Value(3.0),)}
    label({"xs": xs, "w": w, "numbers": [1.0] * 10, "text": "abc", "none": None})
    assert [xs[0].label, xs[1].label, w["a"].label, w[3][0].label] == ["xs[0]", "xs[1]", 'w["a"]', "w[3][0]"]
    nested: list[Any] = [[Value(1.0)]]
    nested.append(nested)
    label({"nested": nested})
    assert nested[0][0].label == "nested[0][0]"
    weights = np.array([[Value(1.0), Value(2.0)]])
    row = np.array([Value(1.0), Value(2.0)])
    label({"weights": weights, "row": row, "floats": np.zeros((3, 3))})
    assert (weights[0, 1].label, row[1].label) == ("weights[0, 1]", "row[1]")


def test_private_names_and_ipythons_own_are_passed_over() -> None:
    history = {"In": ["", "a"], "Out": {3: Value(1.0)}, "_ih": [], "_": Value(2.0), "_3": Value(3.0), "__": Value(4.0)}
    label(history)
    assert {x.label for x in (history["Out"][3], history["_"], history["_3"], history["__"])} == {""}
    plain = {"In": Value(1.0), "Out": [Value(2.0)]}
    label(plain)
    assert (plain["In"].label, plain["Out"][0].label) == ("In", "Out[0]")


def test_numbers_that_became_constants_stay_unnamed() -> None:
    x = Value(1.0) * 2.0
    label({"c": x.parents[1]})
    assert x.parents[1].label == ""


@pytest.mark.parametrize("given", [3, Value(1.0), [Value(1.0)], "locals()", locals, False])
def test_label_takes_a_mapping(given: Any) -> None:
    with pytest.raises(
        TypeError, match=r"label takes the variables as a mapping, got .*: write autograd.label\(locals\(\)\)"
    ):
        label(given)


def test_keys_that_are_no_names_are_passed_over() -> None:
    a = Value(1.0)
    label({1: a})  # type: ignore[dict-item]
    assert a.label == ""


def test_a_block_names_what_it_binds() -> None:
    before = a = Value(1.0)
    numbers = np.zeros(3)
    with label():
        numbers = np.zeros(3)
        a = Value(2.0)
        b = a * before
        xs = [b + 1]
    assert (before.label, a.label, b.label, xs[0].label) == ("", "a", "b", "xs[0]")
    assert len(numbers) == 3
    after = Value(3.0)
    assert after.label == ""


def test_a_block_names_what_it_bound_before_it_raised() -> None:
    try:
        with label():
            a = Value(2.0)
            raise KeyError
    except KeyError:
        assert a.label == "a"


def test_blocks_in_modules_and_inside_each_other() -> None:
    space: dict[str, Any] = {}
    exec(
        "import autograd\nwith autograd.label():\n    a = autograd.Value(1.0)\n"
        "    with autograd.label():\n        b = a * 2\n    c = b + 1\n",
        space,
    )
    assert [space[name].label for name in "abc"] == ["a", "b", "c"]


def test_a_name_that_has_passed_to_another_value_is_taken_back() -> None:
    a = Value(1.0)
    h = first = a * 2
    kept = a * 3
    kept.label = "h"  # by hand
    label({"h": h, "a": a, "xs": [h * 1]})
    h = h + kept
    label({"h": h, "a": a})
    assert (first.label, h.label, a.label, kept.label) == ("", "h", "a", "h")
    xs = [h.exp()]
    label({"xs": xs})
    old, xs[0] = xs[0], xs[0] * 2
    label({"xs": xs, "same": xs[0]})
    assert (old.label, xs[0].label) == ("", "same")


def test_old_names_are_looked_for_within_a_bound() -> None:
    h = oldest = Value(1.0)
    label({"h": h})
    for _ in range(30_000):
        h = h + 1
    label({"h": h})
    assert (oldest.label, h.label) == ("h", "h")  # too far away
    for _ in range(4):
        before, h = h, h * h
        label({"h": h})
        assert (before.label, h.label) == ("", "h")


def test_a_block_in_an_exit_stack_names_what_it_binds() -> None:
    with ExitStack() as stack:
        stack.enter_context(label())
        a = Value(2.0)
    assert a.label == "a"


def test_one_block_may_be_used_again_and_within_itself() -> None:
    names = label()
    with names:
        a = Value(1.0)
        with names:
            b = Value(2.0)
        assert (a.label, b.label) == ("", "b")
    with names:
        c = Value(3.0)
    assert (a.label, c.label) == ("a", "c")
    del names


def test_label_keeps_nothing_alive() -> None:
    while gc.collect():  # what earlier tests have left, in as many rounds as that takes
        pass
    gc.disable()
    try:
        variables = {"a": Value(1.0)}
        variables["y"] = variables["a"] * 2
        label(variables)
        with label():
            pass
        del variables
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_labels_survive_pickle_and_copies() -> None:
    a = Value(1.0)
    y = a.tanh()
    label({"a": a, "y": y})
    for twin in (pickle.loads(pickle.dumps(y)), copy.deepcopy(y), copy.copy(y)):
        assert (twin.label, twin.parents[0].label) == ("y", "a")
        label({"z": twin})
        assert twin.label == "z"


def test_importing_names_imports_no_drawing() -> None:
    program = (
        "import sys, autograd; autograd.label({}); print([m for m in sys.modules if m.startswith('autograd.draw')])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.strip() == "[]"


# ---- names of models -----------------------------------------------------------------------------------------------


def parameter_names(model: Module) -> list[str]:
    label({"model": model})
    return [p.label for p in model.parameters()]


def test_parameters_are_named_after_the_attributes_they_stand_in() -> None:
    assert parameter_names(MLP(2, [1, 1])) == [
        "model.layers.0.neurons.0.w[0]", "model.layers.0.neurons.0.w[1]", "model.layers.0.neurons.0.b",
        "model.layers.1.neurons.0.w[0]", "model.layers.1.neurons.0.b",
    ]  # fmt: skip


class Odd(Module):
    def __init__(self) -> None:
        self.table = {"key": Value(1.0), "part": Neuron(1)}
        self.deep = [[Neuron(1)], (Value(2.0),)]
        self.again = self.table["key"]
        self.me = self


def test_parts_in_any_container_are_named() -> None:
    assert parameter_names(Odd()) == [
        'model.table["key"]', "model.table.part.w[0]", "model.table.part.b", "model.deep[0].0.w[0]",
        "model.deep[0].0.b", "model.deep[1][0]",
    ]  # fmt: skip


def test_models_in_lists_are_named() -> None:
    models = [Neuron(1), Neuron(1)]
    label({"models": models})
    assert models[1].w[0].label == "models.1.w[0]"
    assert snapshot(models[1](Value(1.0))).scopes[0].name == "models.1"


def test_a_parameter_with_a_variable_of_its_own_goes_by_that() -> None:
    model = Neuron(1)
    label({"model": model, "w": model.w[0]})
    assert (model.w[0].label, model.b.label) == ("w", "model.b")  # type: ignore[union-attr]


# ---- scopes --------------------------------------------------------------------------------------------------------


def scopes_of(root: Value) -> dict[str, list[str]]:
    """Scope -> the names of its own nodes."""
    graph = snapshot(root)
    found: dict[str, list[str]] = {scope.name: [] for scope in graph.scopes} | {"": []}
    for node in graph.nodes:
        found[graph.scopes[node.scope].name if node.scope is not None else ""].append(
            node.label or node.operation or node.kind
        )
    return found


def nesting(root: Value) -> set[tuple[str, str, str | None]]:
    scopes = snapshot(root).scopes
    assert all(scope.id == i and (scope.parent is None or scope.parent < i) for i, scope in enumerate(scopes))
    return {(s.name, s.kind, None if s.parent is None else scopes[s.parent].name) for s in scopes}


def test_a_neuron_is_a_scope_with_its_parameters() -> None:
    x = Value(1.0, label="x")
    root = Neuron(2)([x, 2.0]) * 3
    found = scopes_of(root)
    assert sorted(found["Neuron"]) == sorted(["w[0]", "w[1]", "b", "*", "*", "+", "+", "ReLU"])
    assert sorted(found[""]) == ["*", "constant", "constant", "x"]


def test_scopes_nest_as_the_parts_do() -> None:
    root = MLP(2, [2, 1])([1.0, 2.0])
    assert nesting(root) == {
        ("MLP", "MLP", None), ("layers.0", "Layer", "MLP"), ("layers.1", "Layer", "MLP"),
        ("layers.0.neurons.0", "Neuron", "layers.0"), ("layers.0.neurons.1", "Neuron", "layers.0"),
        ("layers.1.neurons.0", "Neuron", "layers.1"),
    }  # fmt: skip
    assert [scope.name for scope in snapshot(root).scopes][:3] == ["MLP", "layers.0", "layers.0.neurons.0"]
    assert scopes_of(root)[""] == ["constant", "constant"]


def test_the_outermost_part_goes_by_its_variable() -> None:
    net = MLP(1, [1])
    root = net(1.0)
    label(locals())
    assert ("net", "MLP", None) in nesting(root)
    assert "layers.0.neurons.0" in scopes_of(root)
    assert {"w[0]", "b"} <= set(scopes_of(root)["layers.0.neurons.0"])


def test_a_parameter_labelled_by_hand_keeps_its_label() -> None:
    neuron = Neuron(1)
    neuron.w[0].label = "slope"
    root = neuron(Value(1.0))
    label(locals())
    assert {"slope", "b"} <= set(scopes_of(root)["neuron"])


def test_two_models_in_one_graph_are_told_apart() -> None:
    actor, critic = MLP(1, [1]), MLP(1, [1])
    root = critic(actor(Value(1.0)))
    names = {scope.name for scope in snapshot(root).scopes}
    assert {"MLP", "MLP 2", "MLP.layers.0", "MLP 2.layers.0"} <= names
    label(locals())
    names = {scope.name for scope in snapshot(root).scopes}
    assert {"actor", "critic", "actor.layers.0.neurons.0", "critic.layers.0.neurons.0"} <= names


def test_numbers_become_one_constant_for_all_neurons() -> None:
    for x in ([1.0, 2.0], (1, 2), np.array([1.0, 2.0]), iter([1.0, 2.0])):
        nodes = topological_sort(autograd.sum(Layer(2, 5)(x)))
        constants = [node for node in nodes if type(node) is Constant]
        assert sorted(node.data for node in constants) == [1.0, 2.0]
    shared = topological_sort(MLP(1, [3, 1])(0.5))
    assert [node.data for node in shared if type(node) is Constant] == [0.5]


def test_exact_inputs_stay_exact() -> None:
    neuron = Neuron(2, nonlin=False)
    neuron.w, neuron.b = [Value(Fraction(1, 3)), Value(Fraction(1, 2))], Value(Fraction(0))
    out = neuron([1, Fraction(1, 7)])
    assert (out.data, type(out.data)) == (Fraction(17, 42), Fraction)


@pytest.mark.parametrize("x", [[0.3, -0.7], [1, 2], [np.float64(0.1), 3], [1.5, Value(2.0)]])
def test_constants_and_numbers_give_the_same_bits(x: list[Any]) -> None:
    model = MLP(2, [4, 3, 1], activation="tanh", rng=random.Random(1))

    def plain(inputs: list[Any]) -> Any:
        for layer in model.layers:
            sums = [sum((w * xi for w, xi in zip(n.w, inputs)), n.b) for n in layer.neurons]
            inputs = [s.tanh() if n.nonlin else s for s, n in zip(sums, layer.neurons)]
        return inputs[0]

    found = []
    for root in (model(x), plain(x)):
        model.zero_grad()
        root.backward()
        found.append([root.data.hex(), *[p.grad.hex() for p in model.parameters()]])
    assert found[0] == found[1]


class Scaled(Module):
    """A user's module, with a parameter, a part and an operation of its own."""

    def __init__(self) -> None:
        self.scale, self.inner = Value(2.0), Neuron(1)

    def __call__(self, x: Value) -> Value:
        return self.inner([x * self.scale]) + x


def test_a_users_module_is_a_scope() -> None:
    x = Value(1.0, label="x")
    found = scopes_of(Scaled()(x))
    assert sorted(found["Scaled"]) == ["*", "+", "scale"]
    assert found[""] == ["x"]
    assert {"w[0]", "b"} <= set(found["inner"])


def test_a_base_classs_call_is_no_scope_of_its_own() -> None:
    class Louder(MLP):
        def __call__(self, x: Any) -> Any:
            return super().__call__(x) * 2

    model = Louder(2, [2, 1])
    kinds = sorted(scope.kind for scope in snapshot(model([1.0, 2.0])).scopes)
    assert kinds == ["Layer", "Layer", "Louder", "Neuron", "Neuron", "Neuron"]
    assert model.__call__.__name__ == "__call__"
    assert "x" in inspect.signature(MLP.__call__).parameters

    class Same(MLP):
        pass

    assert [s.kind for s in snapshot(Same(1, [1])(1.0)).scopes] == ["Same", "Layer", "Neuron"]


def test_a_call_that_was_wrapped_later_is_a_scope_still() -> None:
    class Doubles(Module):
        def __call__(self, x: Value) -> Value:
            return x * 2

    class Louder(Doubles):
        def __call__(self, x: Value) -> Value:
            return super().__call__(x).exp()

    for kind in (Doubles, Louder):
        inside = kind.__call__
        kind.__call__ = lambda self, x, inside=inside: inside(self, x)  # type: ignore[method-assign, misc, assignment]
    x = Value(1.0, label="x")
    assert scopes_of(Doubles()(x)) == {"": ["x"], "Doubles": ["constant", "*"]}
    assert scopes_of(Louder()(x)) == {"": ["x"], "Louder": ["constant", "*", "exp"]}


def test_a_part_that_calls_itself_is_called_twice() -> None:
    class Base(Module):
        def __call__(self, x: Value, depth: int) -> Value:
            return x * 2 if depth == 0 else self(x, depth - 1).exp()

    class Tree(Base):
        def __call__(self, x: Value, depth: int) -> Value:
            return super().__call__(x, depth)

    for kind in (Base, Tree):
        graph = snapshot(kind()(Value(1.0), 2))
        assert [scope.parent for scope in graph.scopes] == [None, 0, 1]


def test_parts_of_ones_own_get_what_the_caller_gave() -> None:
    """Only Neuron, Layer and MLP themselves read numbers as Values; somebody else's code may do with them what it likes."""
    got: list[Any] = []

    class Takes(Neuron):
        def __call__(self, x: Any) -> Any:
            got.append(x)
            return super().__call__([x[0] + 0.0, math.sqrt(float(getattr(x[1], "data", x[1])))])

    class Wide(Layer):
        def __call__(self, x: Any) -> Any:
            got.append(x)
            x.append(4.0)
            return super().__call__(x)

    class Other(Module):
        def __call__(self, x: Any) -> Any:
            got.append(x)
            return [Value(math.sqrt(x[0])), Value(2.0)]

    given = [1.0, 4.0]
    layer = Layer(2, 2)
    layer.neurons[1] = Takes(2)
    layer(given)
    model = MLP(2, [2, 1])
    model.layers[0] = layer
    model(given)
    model.layers[0] = Other()  # type: ignore[call-overload]
    model(given)
    assert len(got) == 3
    assert all(x is given for x in got)
    model = MLP(2, [2, 2, 1])
    model.layers[1].neurons[0] = Takes(2)
    model.layers[2] = Wide(3, 1)
    model([1.0, 2.0])
    assert [type(x) for x in got[3:]] == [list, list]


def test_a_class_without_a_call_of_its_own_reads_numbers_too() -> None:
    class Same(Neuron):
        pass

    layer = Layer(1, 2)
    layer.neurons[1] = Same(1)
    nodes = topological_sort(autograd.sum(layer([0.5])))
    assert [node.data for node in nodes if type(node) is Constant] == [0.5]


def test_what_a_call_may_give() -> None:
    x = Value(1.0, label="x")

    class Gives(Module):
        def __init__(self, make: Callable[[Any, Value], Any]) -> None:
            self.w, self.make = Value(3.0), make

        def __call__(self, x: Any) -> Any:
            return self.make(self, x)

    assert Gives(lambda self, x: None)(x) is None
    assert Gives(lambda self, x: "text")(x) == "text"
    assert Gives(lambda self, x: x)(x) is x
    assert Gives(lambda self, x: self.w)(x).label == ""
    inner = x * 2
    given = Gives(lambda self, x: [x, self.w])(inner)
    assert (call_of(given[0]), call_of(given[1])) == (None, None)
    nested = Gives(lambda self, x: {"a": [x * self.w, (x + self.w,)], "n": 3})(x)
    assert {call_of(v).part for v in (nested["a"][0], nested["a"][1][0])} == {call_of(nested["a"][0]).part}  # type: ignore[union-attr]
    array = Gives(lambda self, x: np.array([x * 2, x * 3]))(x)
    assert all(call_of(v) is not None for v in array)
    assert len(list(Gives(lambda self, x: (x * i for i in range(3)))(x))) == 3
    cached: list[Value] = []
    keep = Gives(lambda self, x: cached[0] if cached else cached.append(x * 2) or cached[0])
    first = call_of(keep(x))
    assert call_of(keep(cached[0] + 1)) is first


def test_a_call_that_raises_leaves_no_trace() -> None:
    class Fails(Module):
        def __call__(self, x: Any) -> Any:
            raise KeyError("no")

    with pytest.raises(KeyError):
        Fails()(Value(1.0))
    assert autograd.naming.current.get() is None
    assert call_of(Value(1.0) * 2) is None


def test_nothing_is_marked_without_gradients() -> None:
    with no_grad():
        assert call_of(MLP(1, [2, 1])(1.0)) is None


def test_labels_and_calls_stand_side_by_side() -> None:
    out = Neuron(1)(Value(1.0))
    call = call_of(out)
    assert (out.label, call is not None) == ("", True)
    for name in ("out", "other", ""):
        out.label = name
        assert (out.label, call_of(out)) == (name, call)

    class Named(Module):
        def __call__(self, x: Value) -> Value:
            y = x * 2
            y.label = "y"
            return y

    class Around(Module):
        def __init__(self) -> None:
            self.inner = Named()

        def __call__(self, x: Value) -> Value:
            return self.inner(x)

    around = Around()(Value(1.0))
    assert (around.label, type(call_of(around).part)) == ("y", Named)  # type: ignore[union-attr]
    y = Named()(Value(1.0))
    assert (y.label, type(call_of(y).part)) == ("y", Named)  # type: ignore[union-attr]
    for twin in (pickle.loads(pickle.dumps(y)), copy.deepcopy(y), copy.copy(y)):
        assert twin.label == "y"
        snapshot(twin)


def test_a_function_may_be_a_scope() -> None:
    @scoped
    def attention(query: Value, *, key: Value) -> Value:
        """Words."""
        return (query * key).exp()

    q, k = Value(1.0, label="q"), Value(2.0, label="k")
    root = attention(q * 2, key=k) + 1
    assert sorted(scopes_of(root)["attention"]) == ["*", "exp"]
    assert (attention.__name__, attention.__doc__) == ("attention", "Words.")
    assert {scope.name for scope in snapshot(attention(q, key=k) * attention(k, key=q)).scopes} == {
        "attention (1)",
        "attention (2)",
    }

    class Model(Module):
        def __call__(self, x: Value) -> Value:
            return attention(x, key=x) + 1

    assert nesting(Model()(q)) == {("Model", "Model", None), ("attention", "attention", "Model")}


def test_a_part_that_is_called_again_is_numbered_in_order() -> None:
    model = Layer(1, 1)
    root = model(Value(1.0, label="x1")) + model(Value(2.0, label="x2"))
    graph = snapshot(root)
    assert [s.name for s in graph.scopes] == ["Layer (1)", "neurons.0 (1)", "Layer (2)", "neurons.0 (2)"]
    assert [s.part for s in graph.scopes] == ["Layer", "neurons.0", "Layer", "neurons.0"]
    weight = next(node for node in graph.nodes if node.label == "neurons.0.w[0]")
    assert (weight.scope, weight.part) == (None, "neurons.0")
    first = next(node for node in graph.nodes if node.label == "x1")
    user = next(node for node in graph.nodes if first.id in node.parents)
    assert graph.scopes[user.scope or 0].name == "neurons.0 (1)"


def test_a_weight_that_two_neurons_share_belongs_to_their_layer() -> None:
    layer = Layer(1, 2)
    layer.neurons[1].w = layer.neurons[0].w
    root = autograd.sum(layer(Value(1.0)))
    assert scopes_of(root)["Layer"] == ["neurons.0.w[0]"]


def test_a_weight_used_in_a_part_and_around_it_belongs_to_the_part() -> None:
    class Uses(Module):
        def __init__(self) -> None:
            self.inner = Neuron(1)

        def __call__(self, x: Value) -> Value:
            return self.inner(x) * self.inner.w[0]

    assert "w[0]" in scopes_of(Uses()(Value(1.0)) + 1)["inner"]


def test_values_given_by_keyword_are_inputs_too() -> None:
    class Gains(Module):
        def __call__(self, x: Any, *, gain: Value) -> Value:
            return x[0] * gain

    gain = Value(2.0, label="gain").exp()
    for x in ([Value(1.0, label="x")], Inputs.of([Value(1.0, label="x")])):
        assert scopes_of(Gains()(x, gain=gain))["Gains"] == ["*"]


def test_a_recurrent_cell() -> None:
    class Cell(Module):
        def __init__(self) -> None:
            self.w, self.u = Value(0.5), Value(0.25)

        def __call__(self, x: Value, h: Value) -> Value:
            return (self.w * x + self.u * h).tanh()

    cell, h = Cell(), Value(0.0, label="h0")
    for t in range(3):
        h = cell(Value(float(t), label=f"x{t}"), h)
    found = scopes_of(h)
    assert [len(found[f"Cell ({t})"]) for t in (1, 2, 3)] == [4, 4, 4]
    assert sorted(found[""]) == ["h0", "u", "w", "x0", "x1", "x2"]


def test_a_captured_value_that_a_part_gave_stays_in_that_part() -> None:
    x = Value(1.0, label="x")
    other = Neuron(1)(x)

    class Captures(Module):
        def __call__(self, x: Value) -> Value:
            return x * other

    found = scopes_of(Captures()(x))
    assert found["Captures"] == ["*"]
    assert "ReLU" in found["Neuron"]


def test_a_value_kept_inside_and_used_outside_stays_inside() -> None:
    class Keeps(Module):
        def __call__(self, x: Value) -> Value:
            self.hidden = x.exp()
            return self.hidden.tanh()

    keeps = Keeps()
    root = keeps(Value(1.0, label="x")) + keeps.hidden**2
    assert sorted(scopes_of(root)["Keeps"]) == ["exp", "tanh"]


def test_threads_do_not_see_each_others_calls() -> None:
    entered, leave = threading.Event(), threading.Event()

    class Waits(Module):
        def __call__(self, x: Value) -> Value:
            entered.set()
            leave.wait(5)
            return x * 2

    found: list[Value] = []
    thread = threading.Thread(target=lambda: found.append(Waits()(Value(1.0))))
    thread.start()
    entered.wait(5)
    here = Neuron(1)(Value(1.0))
    leave.set()
    thread.join()
    assert call_of(here).outer is None  # type: ignore[union-attr]
    assert call_of(found[0]).outer is None  # type: ignore[union-attr]


@pytest.fixture
def _no_collector() -> Iterator[None]:
    while gc.collect():  # what earlier tests have left, in as many rounds as that takes
        pass
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_collector")
def test_a_dropped_graph_is_freed_by_reference_counting() -> None:
    class Keeps(Module):
        def __init__(self) -> None:
            self.inner = MLP(2, [3, 1])
            self.hidden: Value | None = None

        def __call__(self, x: Value, *_: Any) -> Value:
            self.hidden = self.inner([x, 1.0])
            return self.hidden + x

    model, x = Keeps(), Value(1.0)
    while gc.collect():  # what earlier tests have left, in as many rounds as that takes
        pass
    for _ in range(3):
        loss = model(x, [x * 2]) * model(model(x))
        loss.label = "loss"
        loss.backward()
        del loss
    model.hidden = None
    assert gc.collect() == 0


@pytest.mark.usefixtures("_no_collector")
def test_a_long_recurrence_is_freed_without_recursion() -> None:
    class Cell(Module):
        def __call__(self, h: Value) -> Value:
            return h * 1.0

    cell, h = Cell(), Value(0.5)
    for _ in range(100_000):
        h = cell(h)
    h.backward()
    del h
    assert gc.collect() == 0


def test_a_long_recurrence_is_pickled_and_copied() -> None:
    class Cell(Module):
        def __call__(self, h: Value) -> Value:
            return h.tanh()

    cell, h = Cell(), Value(0.5)
    for _ in range(5_000):
        h = cell(h)
    for twin in (pickle.loads(pickle.dumps(h)), copy.deepcopy(h)):
        assert len(topological_sort(twin)) == 5_001
    assert len(snapshot(h).scopes) == 5_000


def test_no_node_has_grown() -> None:
    assert sys.getsizeof(Value(1.0)) <= 96
    out = Neuron(1)(Value(1.0))
    assert sys.getsizeof(out) == sys.getsizeof(Value(1.0))
    assert not hasattr(out, "__dict__")


# ---- a Value that ends a cell --------------------------------------------------------------------------------------


def test_only_small_graphs_are_shown_as_drawings() -> None:
    small = Value(1.0) * 2
    large = Value(1.0)
    for _ in range(50):
        large = large.tanh()
    assert Value(1.0)._repr_mimebundle_() is None  # type: ignore[attr-defined]
    assert large._repr_mimebundle_() is None  # type: ignore[attr-defined]
    shown = small._repr_mimebundle_(include=None, exclude=None)  # type: ignore[attr-defined]
    assert shown


def test_a_network_that_is_small_when_folded_is_shown_folded() -> None:
    random.seed(0)
    root = MLP(3, [8, 8, 1])([Value(1.0), Value(2.0), Value(3.0)])
    shown = root._repr_mimebundle_()  # type: ignore[attr-defined]
    assert "layers.0" in shown["text/plain"] and "<img" in shown["text/html"]
    many = autograd.sum([MLP(1, [1])([Value(float(i))]) for i in range(50)])
    assert many._repr_mimebundle_() is None


def test_a_notebook_shows_the_text_of_what_it_does_not_draw() -> None:
    data, _ = DisplayFormatter().format(Value(1.0))
    assert data == {"text/plain": "Value(data=1.0, grad=0.0)"}
