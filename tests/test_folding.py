"""Folding: a call of a part of a model as one node, with the chain rule intact."""

import gc
import json
import math
import random
import re
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd
from autograd import Value, label, ledger, paths
from autograd.drawing import Snapshot, snapshot
from autograd.drawing.folding import LEVELS, auto, folded, names
from autograd.drawing.snapshot import counted
from autograd.naming import scoped
from nn import MLP, Layer, Linear, Module, Neuron, Sequential


def swept(graph: Snapshot) -> dict[int, Any]:
    """d root / d node by a sweep over the drawn graph; None where a node with several outputs is on the way."""
    found: dict[int, Any] = {graph.root.id: 1.0 if isinstance(graph.root.data, float) else 1}
    for node in reversed(graph.nodes):
        upstream = None if node.outputs else found.setdefault(node.id, 0.0)
        for edge in node.edges:
            if edge.carries or node.outputs:
                term = None if upstream is None or edge.local is None else upstream * edge.local
                before = found.get(edge.parent, term)
                added = None if before is None or term is None else before + term
                found[edge.parent] = added if edge.parent in found else term
    return found


def check(graph: Snapshot, whole: Snapshot) -> int:
    """That a folded graph is one: sorted, whole, unambiguous, its gradients those of the engine. How many were compared."""
    assert [node.id for node in graph.nodes] == list(range(len(graph.nodes)))
    assert all(edge.parent < node.id for node in graph.nodes for edge in node.edges)
    assert {edge.parent for node in graph.nodes for edge in node.edges} == set(range(len(graph.nodes) - 1))
    assert graph.root.data == whole.root.data or graph.root.data != graph.root.data
    assert all(node.scope is None or node.scope < len(graph.scopes) for node in graph.nodes)
    assert all(scope.id == i and (scope.parent is None or scope.parent < i) for i, scope in enumerate(graph.scopes))
    for node in graph.nodes:
        if node.kind == "group":
            assert node.rule is None
            assert len({edge.parent for edge in node.edges}) == len(node.edges)
            assert not node.outputs or (node.data is None and all(edge.local is None for edge in node.edges))
            assert len(node.outputs) != 1
            assert all(edge.local is None for edge in node.edges if graph.nodes[edge.parent].outputs)
    marks = {node.mark for node in graph.nodes if node.mark}
    for node in graph.nodes:
        assert node.mark in ("", f"#{node.id}")
        for edge in node.edges:
            if edge.local is not None:
                assert set(re.findall(r"#\S*?(?=\W|$)", edge.formula or "")) <= marks
    json.dumps(graph.as_dict())
    compared = 0
    for i, found in swept(graph).items():
        node = graph.nodes[i]
        if found is not None and node.kind != "constant" and not node.outputs:
            assert math.isclose(found, node.grad, rel_tol=1e-12, abs_tol=1e-12), (node, found)
            compared += 1
    return compared


def every_fold(root: Value) -> list[Snapshot]:
    whole = snapshot(root)
    found = [folded(whole, level) for level in LEVELS]
    for graph in found:
        check(graph, whole)
    return found


def summary(graph: Snapshot) -> dict[str, str]:
    return {node.label: node.operation for node in graph.nodes if node.kind == "group"}


# ---- levels --------------------------------------------------------------------------------------------------------


def test_levels_of_a_network() -> None:
    x = Value(0.3, label="x")
    root = MLP(2, [3, 2, 1], activation="tanh", rng=random.Random(0))([x, 0.5])
    root.backward()
    atomic, neuron, layer, model = every_fold(root)
    assert atomic is not neuron
    assert summary(atomic) == {}
    assert summary(neuron) == {
        **{f"layers.0.neurons.{i}": "Neuron, 3 parameters" for i in range(3)},
        **{f"layers.1.neurons.{i}": "Neuron, 4 parameters" for i in range(2)},
        "layers.2.neurons.0": "Neuron, 3 parameters",
    }
    assert summary(layer) == {f"layers.{i}": f"Layer, {n} parameters" for i, n in enumerate([9, 8, 3])}
    assert summary(model) == {"MLP": "MLP, 20 parameters"}
    assert [len(graph.nodes) for graph in (neuron, layer, model)] == [8, 5, 3]
    assert [scope.name for scope in neuron.scopes] == ["MLP", "layers.0", "layers.1", "layers.2"]
    assert [scope.name for scope in layer.scopes] == ["MLP"]
    assert model.scopes == ()
    assert model.root.kind == "group"
    edge = next(edge for edge in model.root.edges if edge.carries)
    assert edge.local == pytest.approx(x.grad, rel=1e-12)
    assert edge.formula is None
    first = next(node for node in layer.nodes if node.label == "layers.0")
    assert [name for name, _, _ in first.outputs] == ["neurons.0", "neurons.1", "neurons.2"]
    hidden = {node.label: (node.data, node.grad) for node in neuron.nodes}
    assert all((data, grad) == hidden[f"layers.0.{name}"] for name, data, grad in first.outputs)


def test_nothing_to_fold_is_the_graph_itself() -> None:
    graph = snapshot(Value(1.0, label="a").tanh() * 2)
    for fold in (*LEVELS, [], set()):
        assert folded(graph, fold) is graph
    assert folded(snapshot(Neuron(1)(1.0)), ()).scopes[0].name == "Neuron"


def test_scopes_are_folded_by_name() -> None:
    graph = snapshot(MLP(2, [2, 2, 1])([1.0, 2.0]))
    assert set(summary(folded(graph, ["layers.1"]))) == {"layers.1"}
    assert set(summary(folded(graph, names(graph, "layer") - {"layers.1"}))) == {"layers.0", "layers.2"}
    mixed = folded(graph, names(graph, "layer") - {"layers.1"} | names(graph, "neuron"))
    assert set(summary(mixed)) == {"layers.0", "layers.1.neurons.0", "layers.1.neurons.1", "layers.2"}
    assert set(summary(folded(graph, {"MLP", "layers.0"}))) == {"MLP"}


def test_a_part_by_its_name_is_every_call_of_it() -> None:
    model = Layer(1, 1)
    graph = snapshot(model(1.0) + model(2.0))
    assert set(summary(folded(graph, ["Layer"]))) == {"Layer (1)", "Layer (2)", "Layer"}
    assert set(summary(folded(graph, ["Layer (2)"]))) == {"Layer (2)"}


@pytest.mark.parametrize(
    ("fold", "words"),
    [
        (
            "neurons",
            "unknown fold 'neurons'; expected one of 'auto', 'atomic', 'neuron', 'layer', 'model', or the name of",
        ),
        (
            ["layers.9"],
            r"no scope is called 'layers.9'. Perhaps layers.1 or .* was meant; there are MLP, layers.0, layers.0.",
        ),
        ([3], "no scope is called 3"),
    ],
)
def test_what_cannot_be_folded_is_named(fold: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        folded(snapshot(MLP(1, [1, 1])(1.0)), fold)
    with pytest.raises(ValueError, match=r"This graph has no parts, since no module was called"):
        folded(snapshot(Value(1.0)), fold)


def test_an_error_tells_every_part_or_how_many_more() -> None:
    small, large = snapshot(MLP(1, [1, 1])(1.0)), snapshot(MLP(2, [16, 1])([1.0, 2.0]))
    with pytest.raises(ValueError, match="There are") as error:
        folded(small, ["?"])
    assert set(re.findall(r"MLP|layers[\w.]*\w", str(error.value))) == {s.part for s in small.scopes}
    with pytest.raises(ValueError, match=r"layers\.0\.neurons\.\d+ and 8 more$"):
        folded(large, ["?"])


def test_one_name_and_the_names_that_label_gives() -> None:
    m = MLP(2, [2, 1])
    label({"m": m})
    graph = snapshot(m([1.0, 2.0]))
    for name in ("layers.0", "m.layers.0"):
        for fold in (name, [name], {name}):
            assert set(summary(folded(graph, fold))) == {"layers.0"}
    assert set(summary(folded(graph, "m"))) == {"m"}
    assert folded(graph, "auto") is graph
    twice = snapshot(m([1.0, 2.0]) + m([3.0, 4.0]))
    assert set(summary(folded(twice, "m.layers.1 (2)"))) == {"layers.1 (2)"}
    assert {"layers.1 (1)", "layers.1 (2)"} <= set(summary(folded(twice, "m.layers.1")))


def test_a_folded_graph_is_not_folded_again() -> None:
    graph = folded(snapshot(MLP(1, [2, 1])(1.0)), "neuron")
    assert auto(graph, 1, 1) is graph
    assert folded(graph, "atomic") is graph
    with pytest.raises(ValueError, match="folded already"):
        folded(graph, "layer")


def test_auto_takes_the_finest_level_that_can_be_read() -> None:
    small, middle, large = MLP(1, [1]), MLP(2, [4, 1]), MLP(2, [16, 16, 1])
    assert summary(auto(snapshot(small(1.0)))) == {}
    assert len(summary(auto(snapshot(middle([1.0, 2.0])), 20, 40))) == 5
    assert set(summary(auto(snapshot(large([1.0, 2.0]))))) == {"layers.0", "layers.1", "layers.2"}
    assert len(auto(snapshot(large([1.0, 2.0])), 1, 1).nodes) == 3
    plain = Value(1.0)
    for _ in range(100):
        plain = plain.tanh()
    assert len(auto(snapshot(plain)).nodes) == 101


def test_each_node_says_whose_number_it_shows() -> None:
    root = MLP(2, [3, 1], rng=random.Random(0))([Value(0.3, label="x"), 0.5])
    whole = snapshot(root)
    graph = folded(whole, "neuron")
    assert graph.whole is whole
    for node in graph.nodes:
        assert node.of is not None
        assert whole.nodes[node.of].data == node.data
        if node.kind != "group":
            assert whole.nodes[node.of].label == node.label
    assert graph.root.of == whole.root.id
    assert whole.whole is None
    assert {node.of for node in whole.nodes} == {None}
    layers = folded(whole, "layer")
    assert [node.of is None for node in layers.nodes] == [bool(node.outputs) for node in layers.nodes]


@pytest.mark.parametrize("show", [(), "label", "operation", ("label", "operation"), "data", "grad"])
def test_a_part_with_several_outputs_is_drawn_whatever_is_shown(show: str | tuple[str, ...]) -> None:
    root = MLP(2, [3, 2, 1], rng=random.Random(0))([Value(0.3), 0.5])
    svg = autograd.draw(root, fold="layer", show=show, legend=False).svg
    assert svg.count("data-node") == len(folded(snapshot(root), "layer").nodes)
    assert (f"{root.data:.4g}".replace("-", "\u2212") in svg) == (show == "data")


# ---- what must not be lost -----------------------------------------------------------------------------------------


def test_a_batch_shares_its_parameters() -> None:
    model = MLP(1, [2, 1], rng=random.Random(3))
    root = autograd.sum([model([Value(x, label=f"x{i}")]) for i, x in enumerate((0.1, 0.2, 0.7))])
    root.backward()
    _, neuron, layer, whole = every_fold(root)
    assert summary(whole) == {"MLP": "7 parameters", **{f"MLP ({i})": "MLP" for i in (1, 2, 3)}}
    assert summary(layer)["layers.0"] == "4 parameters"
    assert summary(neuron)["layers.0.neurons.1"] == "2 parameters"
    pool = next(node for node in whole.nodes if node.label == "MLP")
    assert {(data, grad) for _, data, grad in pool.outputs} == {(p.data, p.grad) for p in model.parameters()}
    assert [name for name, _, _ in pool.outputs][-3:] == [
        f"layers.1.neurons.0.{name}" for name in ("b", "w[0]", "w[1]")
    ]


def test_an_input_that_every_call_takes_is_no_parameter() -> None:
    x, model = Value(0.5, label="x"), Layer(1, 1)
    root = model(x) * model(x)
    root.backward()
    for graph in every_fold(root):
        assert sum(node.label == "x" for node in graph.nodes) == 1


def test_a_penalty_on_the_weights_keeps_them() -> None:
    model = MLP(1, [2, 1], activation="tanh", rng=random.Random(3))
    root = model(Value(0.5, label="x")) + 0.1 * autograd.sum([p * p for p in model.parameters()])
    root.backward()
    _, _, _, whole = every_fold(root)
    assert sorted(node.operation for node in whole.nodes if node.kind == "group") == ["7 parameters", "MLP"]
    one = Neuron(1, bias=False, nonlin=False)
    root = one(Value(2.0, label="x")) + one.w[0] ** 2
    root.backward()
    graph = every_fold(root)[1]
    assert [node.label for node in graph.nodes if node.kind == "leaf"] in (["x", "w[0]"], ["w[0]", "x"])
    assert check(graph, snapshot(root)) >= 5


def test_a_skip_connection() -> None:
    class Residual(Module):
        def __init__(self) -> None:
            self.inner = MLP(1, [2, 1], activation="tanh", rng=random.Random(1))

        def __call__(self, x: Value) -> Value:
            return self.inner(x) + x

    one, two = Residual(), Residual()
    x = Value(0.5, label="x")
    root = two(one(x)) + x
    root.backward()
    *_, whole = every_fold(root)
    assert sum(node.kind == "group" for node in whole.nodes) == 2
    assert check(whole, snapshot(root)) == 4


def test_a_kept_value_that_comes_back_leaves_its_scope_unfolded() -> None:
    outside = Neuron(1, activation="tanh")

    class Split(Module):
        """Gives a value, takes what was made of it outside, and goes on: one scope that surrounds what is not in it."""

        def __call__(self, x: Value) -> Value:
            a = x.exp()
            made = elsewhere(a)
            return made.tanh() * a

    def elsewhere(a: Value) -> Value:
        token = autograd.naming.current.set(None)
        try:
            return outside(a)
        finally:
            autograd.naming.current.reset(token)

    root = Split()(Value(0.5, label="x"))
    root.backward()
    graph = snapshot(root)
    whole = folded(graph, "model")
    check(whole, graph)
    assert "Split" not in summary(whole)
    assert "Neuron" in summary(whole)


def test_a_hidden_layer_of_one() -> None:
    root = MLP(2, [1, 3, 1], activation="tanh", rng=random.Random(0))([Value(0.5, label="x"), 1.0])
    root.backward()
    _, _, layer, _ = every_fold(root)
    assert [len(node.outputs) for node in layer.nodes if node.kind == "group"] == [0, 3, 0]


def test_two_levels_of_nothing_but_functions() -> None:
    @scoped
    def inner(x: Value) -> Value:
        return x.tanh() * x

    @scoped
    def outer(x: Value) -> Value:
        return inner(x) + inner(x * 2)

    root = outer(Value(0.5, label="x"))
    root.backward()
    _, neuron, layer, _ = every_fold(root)
    assert set(summary(neuron)) == {
        "inner (1)",
        "inner (2)",
    }
    assert set(summary(layer)) == {"outer"}


def test_exact_numbers_stay_exact() -> None:
    square = scoped(lambda x: x * x + x)
    root = square(Value(Fraction(1, 3), label="x"))
    graph = folded(snapshot(root), "model")
    assert graph.root.edges[0].local == Fraction(5, 3)
    assert type(graph.root.edges[0].local) is Fraction


def test_what_is_not_chosen_carries_nothing() -> None:
    pick = scoped(lambda x, y: autograd.maximum(x, y))
    root = pick(Value(1.0, label="x"), Value(2.0, label="y")) * math.inf
    graph = folded(snapshot(root), "model")
    group = next(node for node in graph.nodes if node.kind == "group")
    assert {graph.nodes[e.parent].label: (e.local, e.carries) for e in group.edges} == {
        "x": (0.0, False),
        "y": (1.0, True),
    }


def test_by_way_of_what_is_not_chosen_nothing_is_carried_either() -> None:
    pick = scoped(lambda x, y: autograd.maximum(x * 3.0, y))
    x, y = Value(1.0, label="x"), Value(4.0, label="y")
    root = pick(x, y) * math.inf
    root.backward()
    graph = folded(snapshot(root), "model")
    group = next(node for node in graph.nodes if node.kind == "group")
    assert {graph.nodes[e.parent].label: (e.local, e.carries) for e in group.edges} == {
        "x": (0.0, False),
        "y": (1.0, True),
    }
    assert (x.grad, y.grad) == (0.0, math.inf)
    assert swept(graph)[next(node.id for node in graph.nodes if node.label == "x")] == 0.0


@pytest.mark.parametrize("after", [Value.sqrt, Value.log, lambda x: x**0.5, lambda x: x * math.inf])
def test_a_dead_neuron_hands_on_zero_whatever_follows(after: Callable[[Value], Value]) -> None:
    chance = random.Random(1)
    dead = 0
    for _ in range(40):
        x = [Value(chance.gauss(0, 1), label=f"x{i}") for i in range(2)]
        n = Neuron(2, rng=chance)
        y = after(n(x)) + x[0]
        y.backward()
        dead += x[1].grad == 0
        for level in LEVELS:
            graph = folded(snapshot(y), level)
            for leaf in x:
                node = next(node for node in graph.nodes if node.label == leaf.label)
                last = [row for row in ledger(graph) if row.parent == leaf.label][-1]
                assert swept(graph)[node.id] == paths(graph, node).total == last.grad_after == leaf.grad
    assert 5 < dead < 35


def test_what_goes_out_of_a_part_with_several_outputs_is_not_carried_where_it_was_not_chosen() -> None:
    part = scoped(lambda x, y: [(x * 3.0).relu(), y * 2.0])
    a, b = part(Value(-1.0, label="x"), Value(1.0, label="y"))
    graph = folded(snapshot(a + b), "model")
    group = next(node for node in graph.nodes if node.kind == "group")
    assert {graph.nodes[e.parent].label: (e.local, e.carries) for e in group.edges} == {
        "x": (None, False),
        "y": (None, True),
    }


def test_before_backward_nothing_is_computed() -> None:
    graph = folded(snapshot(MLP(1, [2, 1])(Value(1.0))), "layer")
    assert {node.grad for node in graph.nodes} == {None}
    assert {grad for node in graph.nodes for _, _, grad in node.outputs} == {None}


# ---- any graph -----------------------------------------------------------------------------------------------------

UNARY: list[Callable[[Value], Value]] = [Value.tanh, Value.sin, Value.sigmoid, lambda x: x * 0.5, Value.relu]
BINARY: list[Callable[[Value, Value], Value]] = [
    lambda x, y: x + y,
    lambda x, y: x * y,
    lambda x, y: x - y,
    autograd.maximum,
    lambda x, y: autograd.dot([x, y, 0.5], [y, y, x]),
]


@st.composite
def marked_graphs(draw: st.DrawFn) -> Value:
    """Operations in calls in calls, which take some values as inputs, capture any others, and give one or several."""
    pool = [Value(draw(st.floats(-2, 2)), label=f"v{i}") for i in range(3)]
    models = [
        Layer(1, 2, activation="tanh", rng=random.Random(draw(st.integers(0, 9)))),
        Neuron(1, rng=random.Random(1)),
    ]
    pool += models[0].parameters()[:1]

    def operate() -> None:
        if draw(st.booleans()):
            pool.append(draw(st.sampled_from(UNARY))(draw(st.sampled_from(pool))))
        else:
            made = draw(st.sampled_from(BINARY))(draw(st.sampled_from(pool)), draw(st.sampled_from(pool)))
            pool.append(made.tanh())

    def call(depth: int) -> None:
        @scoped
        def part(*inputs: Value) -> list[Value]:
            first = len(pool)
            steps(depth + 1)
            made = pool[first:] or list(inputs)
            return draw(st.lists(st.sampled_from(made), min_size=1, max_size=2))

        pool.extend(part(*draw(st.lists(st.sampled_from(pool), max_size=2))))

    def steps(depth: int) -> None:
        for _ in range(draw(st.integers(1, 4))):
            kind = draw(st.integers(0, 5))
            if kind == 0 and depth < 3:
                call(depth)
            elif kind == 1:
                found = draw(st.sampled_from(models))(draw(st.sampled_from(pool)))
                pool.extend(found if isinstance(found, list) else [found])
            else:
                operate()

    steps(0)
    steps(0)
    return autograd.sum(pool[-4:])


@settings(max_examples=150)
@given(marked_graphs(), st.randoms(use_true_random=False))
def test_any_graph_is_folded_without_cycle_or_loss(root: Value, chance: random.Random) -> None:
    root.backward()
    whole = snapshot(root)
    check(whole, whole)
    every_fold(root)
    named = sorted(scope.name for scope in whole.scopes)
    for _ in range(2):
        some = folded(whole, [name for name in named if chance.random() < 0.5])
        check(some, whole)
    check(auto(whole, 8, 12), whole)


@settings(max_examples=60)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(1, 3), st.integers(0, 100))
def test_any_network_is_folded_without_cycle_or_loss(sizes: list[int], batch: int, seed: int) -> None:
    draw = random.Random(seed)
    model = MLP(2, [*sizes, 1], activation="tanh", rng=draw)
    xs = [[Value(draw.uniform(-1, 1)), draw.uniform(-1, 1)] for _ in range(batch)]
    root = autograd.sum([(model(x) - 1) ** 2 for x in xs])
    root.backward()
    label({"model": model, "xs": xs})
    neuron = every_fold(root)[1]
    assert sum(node.kind == "group" for node in neuron.nodes) >= batch * (sum(sizes) + 1)


# ---- size ----------------------------------------------------------------------------------------------------------


def test_ten_thousand_nodes_fold_at_once() -> None:
    root = MLP(30, [40, 40, 20, 1])([Value(0.1)] * 30)
    graph = snapshot(root)
    assert len(graph.nodes) > 10_000
    start = time.process_time()
    assert len(folded(graph, "layer").nodes) == 5
    assert time.process_time() - start < 5.0  # it takes 0.1: no walk over the whole graph for every part


def test_depth_does_not_matter() -> None:
    cell, h = scoped(lambda h: h.tanh() + h), Value(0.5, label="h")
    for _ in range(3_000):
        h = cell(h)
    assert len(folded(snapshot(h), "neuron").nodes) == 3_001


def test_counting_stops() -> None:
    root = Value(1.0)
    for _ in range(100_000):
        root = root * root
    assert counted(root, 40) == 41
    assert counted(root.parents[0], 10**9) == 100_000
    assert counted(Value(1.0), 40) == 1
    wide = autograd.sum([Value(1.0) for _ in range(1000)])
    assert (counted(wide, 500), counted(wide, 1001)) == (501, 1001)


def test_snapshots_keep_no_graph_alive_and_make_no_garbage() -> None:
    while gc.collect():  # what earlier tests have left, in as many rounds as that takes
        pass
    gc.disable()
    try:
        root = MLP(1, [2, 1])(1.0)
        graph = folded(snapshot(root), "layer")
        del root
        assert gc.collect() == 0
        del graph
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_layers_in_a_row_are_layers() -> None:
    row = Sequential(Linear(2, 3), "tanh", Linear(3, 1))
    [root] = row([1.0, 2.0])
    parts = {"layers.0", "layers.1", "layers.2"}
    assert names(snapshot(root), "layer") == names(snapshot(root), "neuron") == parts
    assert names(snapshot(root), "model") == {"Sequential"}
    side_by_side = Layer(2, 3)
    assert names(snapshot(autograd.sum(side_by_side([1.0, 2.0]))), "layer") == {"Layer"}
    [root] = Sequential(Sequential(Linear(2, 3), "relu"), Linear(3, 1))([1.0, 2.0])
    assert names(snapshot(root), "layer") == {"layers.0.layers.0", "layers.0.layers.1", "layers.1"}


def test_outputs_of_a_part_without_parts_go_by_their_operation() -> None:
    root = autograd.sum(Sequential(Linear(2, 3), "tanh")([1.0, 2.0]))
    by_name = {node.label: node for node in folded(snapshot(root), "layer").nodes}
    assert [name for name, _, _ in by_name["layers.0"].outputs] == ["+"] * 3
    assert [name for name, _, _ in by_name["layers.1"].outputs] == ["tanh"] * 3
