"""Drawings: the snapshot, the ledger, the tree picture and the graphviz shape of lecture notebooks."""

import itertools
import json
import math
import random
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd
from autograd import Rule, Value, gradients, topological_sort
from autograd.drawing import Contribution, draw_dot, ledger, snapshot, trace, tree, tree_svg
from autograd.drawing.figures import aligned, columns, figure, shown


def lecture() -> tuple[Value, dict[str, Value]]:
    """L = tanh((a*b + c) / 5), with labels."""
    a, b, c = Value(2.0, label="a"), Value(-3.0, label="b"), Value(10.0, label="c")
    d = a * b
    d.label = "d"
    e = (d + c) / 5
    e.label = "e"
    root = e.tanh()
    root.label = "L"
    return root, {"a": a, "b": b, "c": c, "d": d, "e": e}


def random_graph(seed: int, size: int = 40) -> Value:
    """Fan-out, repeated parents, constants, choices, n-ary nodes and long edges."""
    draw = random.Random(seed)
    nodes = [Value(draw.uniform(-2, 2), label=draw.choice(["", f"v{i}"])) for i in range(5)]
    makers: list[Callable[..., Value]] = [
        lambda x, y: x + y,
        lambda x, y: x * y,
        lambda x, y: x * x,
        lambda x, y: x.tanh(),
        lambda x, y: x * 0.7 - 1,
        lambda x, y: autograd.maximum(x, y),
        lambda x, y: autograd.relu(x),
        lambda x, y: autograd.dot([x, y, 2.0], [y, y, x]),
        lambda x, y: autograd.logsumexp([x, y, x]),
    ]
    for _ in range(size):
        nodes.append(draw.choice(makers)(draw.choice(nodes[-12:]), draw.choice(nodes)).tanh())
    return autograd.sum(nodes[-6:])


# ---- snapshot ------------------------------------------------------------------------------------------------------


def test_snapshot_says_all_that_is_to_be_seen() -> None:
    root, _ = lecture()
    root.backward()
    graph = snapshot(root)
    by_label = {node.label or node.operation or node.kind: node for node in graph.nodes}
    assert [node.id for node in graph.nodes] == list(range(len(graph.nodes)))
    assert all(parent < node.id for node in graph.nodes for parent in node.parents)
    assert graph.root is by_label["L"] is graph.nodes[-1]
    assert {name: node.kind for name, node in by_label.items()} == {
        "a": "leaf", "b": "leaf", "c": "leaf", "d": "operation", "+": "operation",
        "constant": "constant", "e": "operation", "L": "root",
    }  # fmt: skip
    assert [edge.formula for edge in by_label["L"].edges] == ["1 - L**2"]
    assert [edge.formula for edge in by_label["d"].edges] == ["b", "a"]
    assert [edge.formula for edge in by_label["e"].edges] == ["1/5", "-e/5"]
    assert [edge.local for edge in by_label["d"].edges] == [-3.0, 2.0]
    assert [(edge.local, edge.carries) for edge in by_label["e"].edges] == [(0.2, True), (None, False)]
    assert by_label["L"].operation == "tanh"
    assert by_label["L"].data == root.data
    assert by_label["a"].grad == pytest.approx(-0.6 * (1 - math.tanh(0.8) ** 2))
    assert by_label["constant"].grad is None
    assert {node.scope for node in graph.nodes} == {None}
    assert json.loads(json.dumps(graph.as_dict()))["nodes"][-1]["label"] == "L"


def test_a_gradient_that_was_not_computed_is_not_zero() -> None:
    root, leaves = lecture()
    assert {node.grad for node in snapshot(root).nodes} == {None}
    (leaves["a"] * 0.0).backward()
    grads = {node.label: node.grad for node in snapshot(root).nodes}
    assert (grads["a"], grads["b"]) == (0.0, None)
    root.zero_grad()
    assert {node.grad for node in snapshot(root).nodes} == {None}


def formulas_of(root: Value) -> list[str | None]:
    return [edge.formula for edge in snapshot(root).root.edges]


def test_a_node_without_a_label_is_written_as_what_it_is() -> None:
    x, y, out = Value(0.5, label="x"), Value(1.5, label="y"), Value(0.25, label="out")
    assert formulas_of(x.sin() * x.cos()) == ["cos(x)", "sin(x)"]
    assert formulas_of(x ** (y**2)) == ["y**2*x**(y**2 - 1)", "x**y**2*log(x)"]
    assert formulas_of((x * y + out).tanh()) == ["1 - tanh(x*y + out)**2"]
    assert formulas_of(Value(3.0) * Value(4.0)) == ["4", "3"]
    assert formulas_of(Value(3.0) * x) == ["x", "3"]
    assert formulas_of(x * -2.5) == ["-2.5", "x"]
    assert formulas_of(x * x) == ["x", "x"]
    assert formulas_of(x / (y + out)) == ["1/(y + out)", "-x/(y + out)**2"]
    assert formulas_of(autograd.maximum(x, y) * out) == ["out", "maximum(x, y)"]
    assert formulas_of(Value(3.0, label="a b") ** 3) == ["3*(a b)**2"]


def test_what_would_be_long_or_mistaken_is_written_by_its_number() -> None:
    a, b = Value(0.5, label="a"), Value(1.5, label="b")
    long = (a * b).tanh() * (a + b)
    assert len(snapshot(long).nodes) == 6
    assert formulas_of(long * a) == ["a", "#5"]
    assert formulas_of(long.exp()) == ["#6"]
    assert formulas_of((long + a).tanh()) == ["1 - #7**2"]
    assert formulas_of(autograd.logsumexp([a, b])) == ["exp(a - #2)", "exp(b - #2)"]
    assert formulas_of(Value(0.1234567891) * a) == ["a", "#1"]
    assert sorted(map(str, formulas_of(Value(2.0, label="a") * a))) == ["#0", "#1"]
    for misread in ("#3", "a#0", "2", "pi", "-1.5", "1e+5", "w" * 25, "two\nlines"):
        assert formulas_of(Value(7.0, label=misread) * a) == ["a", "#1"]


LABELS = st.sampled_from(["", "", "x", "y", "out", "x", "a", "b", "c", "w1", "w2"])
UNARY = [
    "tanh", "exp", "sin", "cos", "sqrt", "sigmoid", "relu", "silu", "gelu", "log1p", "atan", "neg", "erf", "softplus",
]  # fmt: skip
NARY = ["sum", "prod", "logsumexp"]
OTHERS = [lambda x, y: abs(x) ** 3, lambda x, y: 2 - x, lambda x, y: abs(x) ** y, lambda x, y: x.leaky_relu(0.2)]


@st.composite
def labelled_graphs(draw: st.DrawFn) -> Value:
    """A graph of any operations, whose labels are also what rules call their operands, and some of them given twice."""
    numbers = st.one_of(st.sampled_from([0.25, 0.5, 1.0, 2.0, 3.0]), st.floats(0.2, 2.0))
    nodes = [Value(draw(numbers), label=draw(LABELS)) for _ in range(draw(st.integers(1, 4)))]
    for _ in range(draw(st.integers(1, 8))):
        kind, x, y = draw(st.integers(0, 9)), draw(st.sampled_from(nodes)), draw(st.sampled_from(nodes))
        if kind < 4:
            made = getattr(autograd, draw(st.sampled_from(UNARY)))(abs(x))
        elif kind < 7:
            made = getattr(autograd, draw(st.sampled_from(["add", "sub", "mul", "truediv", "maximum"])))(x, y)
        elif kind == 7:
            made = draw(st.sampled_from(OTHERS))(x, y)
        elif kind == 8:
            made = getattr(autograd, draw(st.sampled_from(NARY)))([x, y, x])
        else:
            made = autograd.dot([x, y], [y, 0.5])
        if not 1e-3 < abs(made.data) < 1e3:  # the test is of the formulas, not of their rounding
            continue
        made.label = draw(LABELS)
        nodes.append(made)
    return autograd.sum(nodes)


@settings(max_examples=300)
@given(labelled_graphs())
def test_formulas_evaluate_to_the_local_derivative(root: Value) -> None:
    graph = snapshot(root)
    numbers = {name: value for name, value in vars(autograd.numeric).items() if callable(value)}
    numbers |= {
        "pi": math.pi,
        "abs": abs,
        "ReLU": autograd.relu,
        "leaky_relu": autograd.leaky_relu,
        "sigmoid": autograd.sigmoid,
    }
    numbers |= {"silu": autograd.silu, "gelu": autograd.gelu, "softplus": autograd.softplus}
    labels = [node.label for node in graph.nodes]
    numbers |= {node.label: node.data for node in graph.nodes if labels.count(node.label) == 1}
    numbers |= {f"number_{node.id}": node.data for node in graph.nodes}
    for node in graph.nodes:
        for edge in node.edges:
            if edge.local is not None and edge.formula is not None:
                found = eval(edge.formula.replace("#", "number_"), {"__builtins__": {}}, numbers)
                assert found == pytest.approx(edge.local, rel=1e-9, abs=1e-9), (edge.formula, graph)


@given(labelled_graphs())
def test_every_number_in_a_formula_stands_on_its_node(root: Value) -> None:
    graph = snapshot(root)
    rows = ledger(graph)
    words = " ".join(written_in(tree_svg(graph, legend=False))).split()
    assert {node.mark for node in graph.nodes if node.mark} <= set(words)
    assert set(re.findall(r"#\d+", " ".join(words) + str(rows))) <= {node.mark for node in graph.nodes}
    assert {name for row in rows for name in (row.node, row.parent)} <= {node.name for node in graph.nodes}
    called = [node.name for node in graph.nodes if node.kind != "constant"]
    assert len(called) == len(set(called))


def test_what_the_numbers_are_is_said_where_there_are_some() -> None:
    a, b = Value(0.5, label="a"), Value(1.5, label="b")
    for root, numbered in ((a * b + a, False), (a * b + a * a, True), (autograd.logsumexp([a, b]), True)):
        assert ("#: a node's number" in str(ledger(root))) == numbered
        assert ("#: a node's number" in tree_svg(root)) == numbered
    assert {"* #1", "* #3", "+"} <= set(written_in(tree_svg(a * b + a * a)))
    assert str(ledger(Value(2.0) * Value(3.0))).count("leaf #") == 2


def test_what_a_choice_did_not_choose_carries_nothing() -> None:
    a, b = Value(1.0), Value(2.0)
    assert [edge.carries for edge in snapshot(autograd.maximum(a, b)).root.edges] == [False, True]
    assert [edge.carries for edge in snapshot(a * 0.0).root.edges] == [True, False]


def test_rules_that_cannot_be_read_are_drawn_without_a_formula() -> None:
    rule = Rule("floats", math.sin, (lambda x, out: math.cos(x),))
    node = autograd.engine.record(rule, (Value(0.5),))
    assert snapshot(node).root.edges[0][1:] == (math.cos(0.5), None, True)


def test_nodes_made_by_hand() -> None:
    a, b = Value(2.0, label="a"), Value(5.0, label="b")
    made = Value(a.data * b.data, (a, b), "times")

    def closure() -> None:
        a.grad += b.data * made.grad
        b.grad += a.data * made.grad

    made._backward = closure
    root = made * 3.0
    times = snapshot(root).nodes[-3] if snapshot(root).nodes[-2].kind == "constant" else snapshot(root).nodes[-2]
    assert [(edge.local, edge.formula) for edge in times.edges] == [(5.0, None), (2.0, None)]
    assert (a.grad, b.grad, made.grad) == (0.0, 0.0, 0.0)
    assert {row.parent: row.grad_after for row in ledger(root)} == {
        f"times {times.mark}".strip(): 3.0,
        "a": 15.0,
        "b": 6.0,
    }
    tree_svg(root)
    assert snapshot(Value(1.0, (a,), "nothing")).root.edges[0].local is None


def test_exact_numbers_stay_exact() -> None:
    root = Value(Fraction(1, 3), label="a") * Value(Fraction(2, 7), label="b")
    assert snapshot(root).root.edges[0].local == Fraction(2, 7)
    assert ledger(root)[0].contribution == Fraction(2, 7)
    assert "2/7" in str(ledger(root))
    assert "2/21" in tree_svg(root)


def test_depth_does_not_matter() -> None:
    x = root = Value(0.5, label="x")
    for _ in range(20_000):
        root = root.sin() + x
    graph = snapshot(root)
    assert len(graph.nodes) == 40_001
    assert len(ledger(graph)) == 60_000


@pytest.mark.parametrize("draw", [snapshot, ledger, tree_svg, draw_dot])
def test_only_values_are_drawn(draw: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match=r"expected the Value.*got 3.5 of type float"):
        draw(3.5)


# ---- ledger --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_the_ledger_is_the_sweep_bit_for_bit(seed: int) -> None:
    root = random_graph(seed)
    for i, node in enumerate(topological_sort(root)):
        node.label = f"node{i}"
    rows = ledger(root)
    assert all(node.grad is autograd.engine.NOT_COMPUTED for node in topological_sort(root))
    sums: dict[str, float] = {root.label: 1.0}
    first: set[str] = {root.label}
    for row in rows:
        assert row.upstream == sums[row.node]  # complete before it is handed on
        assert row.grad_before == sums.get(row.parent, 0.0)
        assert row.contribution == row.upstream * row.local_derivative
        sums[row.parent] = row.grad_after
        first.add(row.parent)
    nodes = [node for node in topological_sort(root) if not isinstance(node, autograd.Constant)]
    for node, expected in zip(nodes, gradients(root, nodes), strict=True):
        assert sums.get(node.label, 0.0).hex() == expected.hex()
    root.backward()
    assert tuple(ledger(root)) == tuple(rows)


def test_a_choice_contributes_exactly_nothing_to_what_it_did_not_choose() -> None:
    a, b = Value(1.0, label="a"), Value(2.0, label="b")
    row, _ = [row for row in ledger(autograd.maximum(a, b) * math.inf) if row.node == "maximum"]
    assert (row.parent, row.upstream, row.contribution, row.grad_after) == ("a", math.inf, 0.0, 0.0)


def test_the_ledger_is_a_sequence_of_records() -> None:
    rows = ledger(lecture()[0])
    assert Contribution._fields == (
        "node", "parent", "upstream", "local_derivative", "formula", "contribution", "grad_before", "grad_after",
    )  # fmt: skip
    assert len(rows) == 6
    assert rows[0][:2] == ("L", "e")
    assert rows[-1].parent == "b"
    assert isinstance(rows[2:4], type(rows))
    assert [row._asdict()["formula"] for row in rows][:2] == ["1 - L**2", "1/5"]


def test_the_ledger_prints_as_an_aligned_table() -> None:
    lines = str(ledger(lecture()[0])).splitlines()
    assert lines[0].split("  ")[0] == "node"
    assert " ".join(lines[2].split()) == "L e 1.000 × 1 − L**2 = 0.5591 = 0.5591 0.000 → 0.5591"
    assert " ".join(lines[-2].split()) == "d a 0.1118 × b = −3.000 = −0.3354 0.000 → −0.3354"
    assert "-" not in "".join(lines)
    for sign in "×→":
        assert len({line.index(sign) for line in lines[2:]}) == 1
    assert len({line.rindex(".") for line in lines[2:]}) == 1


def test_the_ledger_of_a_leaf_says_that_nothing_flows() -> None:
    assert str(ledger(Value(1.0))) == "Nothing flows: a leaf has no parents that it could hand its gradient to."
    assert list(ledger(Value(1.0))) == []


@pytest.mark.parametrize("one", [1, 1.0])
def test_a_formula_that_is_only_a_number_is_not_written_twice(one: float) -> None:
    """The same row, whether a rule has its slope of 1 as an int or as a float."""
    rule = Rule("same", lambda x: x, (lambda x, out: one,))
    line = str(ledger(autograd.engine.record(rule, (Value(0.5, label="a"),)))).splitlines()[2]
    assert line.split()[:6] == ["same", "a", "1.000", "×", "1.000", "="]


def test_no_formula_is_cut() -> None:
    a, b = Value(0.3, label="a"), Value(0.7, label="b")
    root = (a * b).gelu("tanh") + (a * b).gelu() * a.silu() + (a * b).silu()
    assert "…" not in str(ledger(root)) + tree_svg(root)
    by_name = {node.operation: node for node in snapshot(root).nodes}
    assert by_name["gelu_tanh"].edges[0].formula is None
    assert "sigmoid" in (by_name["silu"].edges[0].formula or "")


def test_nodes_of_one_name_are_told_apart() -> None:
    a, b = Value(1.0, label="a"), Value(2.0, label="a")
    rows = ledger((a * b) + (b * a))
    names = {row.node for row in rows} | {row.parent for row in rows}
    assert len(names) == 5
    assert "+" in names


# ---- figures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (2.0, "2.000"), (-0.070650824, "−0.07065"), (1234.5, "1234"), (123456.0, "1.235e5"), (1.5e-9, "1.500e-9"),
        (math.inf, "∞"), (-math.inf, "−∞"), (math.nan, "NaN"), (0.0, "0.000"), (1, "1"), (-3, "−3"), (None, "–"),
        (Fraction(-1, 3), "−1/3"), (Fraction(123456789, 987654321), "0.1250"), (2 + 1j, "(2+1j)"),
    ],
)  # fmt: skip
def test_figures(number: object, expected: str) -> None:
    assert figure(number) == expected.replace("-", "−")


def test_labels_are_shown_as_data() -> None:
    assert shown("two\nlines\x00\u202e") == "two lines��"
    assert shown("a" * 10_000, 10) == "aaaaaaaaa…"
    assert columns("日本e\u0301") == 5
    assert aligned(["1.5", "−10", "2.25"]) == ["  1.5 ", "−10   ", "  2.25"]


# ---- the tree picture ----------------------------------------------------------------------------------------------

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    "<script>alert(1)</script>", "]]>", "{a|b}", 'say "hi"', "it's", "a\nb", "\x00\x1b", "\ud800", "\u202eabc", "&amp;",
    "javascript:1", "x" * 10_000, "url(#arrow)", "--><!--", "]]>" * 5, "日本語", "\\N", "%s {0}",
]  # fmt: skip
ELEMENTS = {"svg", "title", "style", "defs", "marker", "path", "rect", "g", "text"}
ATTRIBUTES = {
    "id", "class", "role", "viewBox", "width", "height", "style", "font-family", "font-size", "font-weight", "stroke-width",
    "refX", "refY", "markerWidth", "markerHeight", "orient", "d", "fill", "stroke", "stroke-dasharray", "marker-end", "x",
    "y", "rx", "text-anchor", "transform",
}  # fmt: skip


def parsed(svg: str) -> ET.Element:
    """The picture as XML, with only the elements and attributes that a picture has."""
    picture = ET.fromstring(svg.encode())
    for part in picture.iter():
        assert part.tag.removeprefix(SVG) in ELEMENTS
        assert set(part.attrib) <= ATTRIBUTES
    return picture


def written_in(svg: str) -> list[str]:
    return [part.text or "" for part in parsed(svg).iter(f"{SVG}text")]


def test_the_picture_shows_numbers_formulas_and_kinds() -> None:
    root, _ = lecture()
    root.backward()
    svg = tree_svg(root)
    picture, texts = parsed(svg), written_in(svg)
    kinds = [
        part.attrib["class"] for part in picture.iter(f"{SVG}g") if part.attrib.get("class", "").startswith("node")
    ]
    assert sorted(kinds) == sorted(["node leaf"] * 3 + ["node constant"] + ["node operation"] * 3 + ["node root"])
    assert sum(part.attrib.get("class") == "edge" for part in picture.iter(f"{SVG}g")) == 7
    assert {"L", "tanh", "0.6640", "1 − L**2", "0.5591", "b", "−3.000", "1/5", "data", "grad"} <= set(texts)
    assert "–" not in texts
    assert picture.attrib["viewBox"] == f"0 0 {picture.attrib['width']} {picture.attrib['height']}"
    assert "prefers-color-scheme: dark" in svg
    assert not any(word in svg for word in ("script", "href", "foreignObject", "onload"))
    assert "2563eb" in svg
    assert "c2410c" in svg


def test_before_backward_gradients_are_shown_as_not_computed() -> None:
    texts = written_in(tree_svg(lecture()[0]))
    assert texts.count("–") == 7
    assert "0.000" not in texts


@pytest.mark.parametrize("label", HOSTILE, ids=range(len(HOSTILE)))
def test_labels_are_data_everywhere(label: str) -> None:
    a = Value(2.0, label=label)
    root = a * Value(3.0, label=label)
    root.label = label
    first, second = written_in(tree_svg(root)), written_in(tree_svg(root.tanh()))
    assert shown(label, 24) in first
    assert shown(label, 24) in second
    str(ledger(root))
    source = draw_dot(root).source
    assert source.count("shape=record") == 3
    source.encode()


@settings(max_examples=60)
@given(st.text(), st.text())
def test_any_labels_give_wellformed_pictures(one: str, two: str) -> None:
    root = (Value(2.0, label=one) * Value(-1.0, label=two)).exp() ** 2
    root.label = one
    parsed(tree_svg(root))
    str(ledger(root)).encode("utf-8", "surrogatepass")
    assert draw_dot(root).source.count("\n") < 30


def test_pictures_on_one_page_share_no_ids() -> None:
    root, _ = lecture()
    ids = [re.findall(r'\bid="([^"]+)"', tree_svg(root)) for _ in range(2)]
    assert len(ids[0]) == 2
    assert not set(ids[0]) & set(ids[1])
    svg = tree_svg(root)
    assert set(re.findall(r"url\(#([^)]+)\)", svg)) <= set(re.findall(r'\bid="([^"]+)"', svg))
    assert all(f"#{ids}" in svg for ids in re.findall(r'<svg[^>]* id="([^"]+)"', svg))


def shapes(root: Value) -> list[tree.Item]:
    layers = tree.untangle(tree.layers_of(snapshot(root)))
    tree.place(layers)
    return [item for layer in layers for item in layer]


def wide(count: int) -> Value:
    inputs = [Value(i / count, label=f"x{i}") for i in range(count)]
    weights = [Value(1 - i / count, label=f"weight_{i}") for i in range(count)]
    return (autograd.dot(weights, inputs) + Value(0.5, label="b")).relu()


GRAPHS = {
    "leaf": lambda: Value(1.0),
    "lecture": lambda: lecture()[0],
    "same twice": lambda: (lambda a: a * a)(Value(3.0)),
    "neuron of 64": lambda: wide(64),
    **{f"random {seed}": lambda seed=seed: random_graph(seed, 25) for seed in range(6)},
}


@pytest.mark.parametrize("name", GRAPHS)
def test_nothing_lies_on_anything_else(name: str) -> None:
    root = GRAPHS[name]()
    items = shapes(root)
    for a, b in itertools.combinations(items, 2):
        apart = abs(a.x - b.x) >= (a.width + b.width) / 2 or abs(a.y - b.y) >= (a.height + b.height) / 2
        assert apart, (vars(a), vars(b))
    picture = parsed(tree_svg(root))
    width, height = float(picture.attrib["width"]), float(picture.attrib["height"])
    boxes = [item for item in items if isinstance(item, tree.Box)]
    assert len(boxes) == len(topological_sort(root))
    for box in boxes:
        assert box.width / 2 <= box.x + tree.MARGIN <= width - box.width / 2
        assert box.height / 2 <= box.y + tree.MARGIN <= height - box.height / 2


@pytest.mark.parametrize("name", GRAPHS)
def test_no_edge_runs_through_a_box(name: str) -> None:
    """Sampled along every line: inside no box or label but those of its own edge."""
    layers = tree.untangle(tree.layers_of(snapshot(GRAPHS[name]())))
    tree.place(layers)
    items = [item for layer in layers for item in layer if item.height > 6]
    lines = [(path, {label, label.before[0], label.after[0]}) for label, path in tree.edge_paths(layers)]
    lines += [(path, {item for item in items if at_start(path, item)}) for path, _ in tree.branch_paths(layers)]
    for path, own in lines:
        for px, py in along(path):
            for item in items:
                if item not in own:
                    inside = abs(px - item.x) < item.width / 2 - 1 and abs(py - item.y) < item.height / 2 - 1
                    assert not inside, (path, vars(item))


def at_start(path: str, item: tree.Item) -> bool:
    """Whether a line begins at the right edge of an item."""
    return path.startswith(f"M{item.x + item.width / 2:.1f},{item.y:.1f} ")


def along(path: str) -> list[tuple[float, float]]:
    """Points on a path of M, H and C."""
    points: list[tuple[float, float]] = []
    x = y = 0.0
    for command, arguments in re.findall(r"([MHC])([^MHC]+)", path):
        numbers = [float(number) for number in re.findall(r"-?\d+\.?\d*", arguments)]
        if command == "M":
            x, y = numbers
        elif command == "H":
            points += [(x + (numbers[0] - x) * i / 8, y) for i in range(9)]
            x = numbers[0]
        else:
            (bx, by, cx, cy, dx, dy) = numbers
            for i in range(9):
                t, s = i / 8, 1 - i / 8
                points.append(
                    (
                        s**3 * x + 3 * s * s * t * bx + 3 * s * t * t * cx + t**3 * dx,
                        s**3 * y + 3 * s * s * t * by + 3 * s * t * t * cy + t**3 * dy,
                    )
                )
            x, y = dx, dy
    return points


def test_a_tree_has_no_crossings_and_its_labels_stand_level_with_their_leaves() -> None:
    layers = tree.untangle(tree.layers_of(snapshot(wide(16))))
    assert tree.crossings(layers) == 0
    tree.place(layers)
    for item in layers[0]:
        assert item.after[0].y == pytest.approx(item.y)


def test_crossings_are_counted_and_undone() -> None:
    left, right = [tree.Item(0) for _ in range(3)], [tree.Item(1) for _ in range(3)]
    for a, b in zip(left, reversed(right), strict=True):
        a.after.append(b)
        b.before.append(a)
    assert tree.crossings([left, right]) == 3
    assert tree.crossings(tree.untangle([left, right])) == 0


def test_edges_from_one_parent_share_their_way() -> None:
    """So a picture is about as large as its graph, however often a leaf is used."""
    x = root = Value(0.5, label="x")
    for _ in range(199):
        root = root.sin() + x
    layers = tree.layers_of(snapshot(root))
    assert sum(map(len, layers)) < 5 * 399
    assert sum(type(item) is tree.Item for item in layers[100]) == 1
    assert len(tree_svg(root)) < 1_000_000
    y = Value(0.5)
    dotted = tree.branch_paths(tree.layers_of(snapshot(autograd.maximum(y, y.exp().exp() + 9))))
    assert [carries for _, carries in dotted] == [False]


def test_a_wide_picture_keeps_its_size() -> None:
    size = float(parsed(tree_svg(random_graph(0))).attrib["width"])
    style = parsed(tree_svg(random_graph(0))).attrib["style"]
    assert f"min-width:{0.8 * size:.0f}px" in style and "max-width:100%" in style


def test_long_sums_are_advised_to_be_one_node() -> None:
    xs = [Value(float(i), label=f"x{i}") for i in range(10)]
    assert "autograd.sum" in tree_svg(sum(xs[1:], xs[0]))
    assert "autograd.sum" not in tree_svg(sum(xs[1:7], xs[0]))
    assert "autograd.sum" not in tree_svg(autograd.sum(xs))


def test_large_graphs_are_refused_with_advice() -> None:
    root = Value(1.0)
    for _ in range(400):
        root = root.sin()
    with pytest.raises(ValueError, match=r"401 nodes.*up to 400.*draw a part.*autograd.sum.*ledger"):
        tree_svg(root)
    with pytest.raises(ValueError, match="up to 400"):
        tree_svg(snapshot(root))
    parsed(tree_svg(root.parents[0]))


def test_the_legend_may_be_left_out() -> None:
    root, _ = lecture()
    assert 'class="legend"' in tree_svg(root)
    assert 'class="legend"' not in tree_svg(snapshot(root), legend=False)


# ---- graphviz, as in lecture notebooks -----------------------------------------------------------------------------


def test_trace_gives_nodes_and_edges() -> None:
    root, names = lecture()
    nodes, edges = trace(root)
    assert nodes == set(topological_sort(root))
    assert (names["a"], names["d"]) in edges
    assert (names["e"], root) in edges
    assert len(edges) == 7
    a = Value(1.0)
    twice = a + a
    assert trace(twice) == ({a, twice}, {(a, twice)})


def test_draw_dot_has_the_lectures_shape() -> None:
    root, _ = lecture()
    drawing = draw_dot(root, format="png", rankdir="TB")
    assert drawing.format == "png"
    assert "rankdir=TB" in drawing.source
    assert 'label="{ a | data 2.0000 | grad 0.0000 }" shape=record' in drawing.source
    assert 'label="{ L | data 0.6640 | grad 0.0000 }" shape=record' in drawing.source
    assert re.search(r"(n\d+)_op -> \1\b", drawing.source)
    assert "label=tanh" in drawing.source
    assert draw_dot(root).source == draw_dot(root).source
    assert 'label="{  | data -1.0000 | grad 0.0000 }"' in draw_dot(Value(-1.0)).source


def test_draw_dot_lists_what_it_accepts() -> None:
    root, _ = lecture()
    with pytest.raises(ValueError, match=r"unknown format 'gif2'; Graphviz has .*svg"):
        draw_dot(root, format="gif2")
    with pytest.raises(ValueError, match="unknown rankdir 'XY'; expected one of LR, TB, RL, BT"):
        draw_dot(root, rankdir="XY")


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz's dot")
@pytest.mark.parametrize("label", HOSTILE, ids=range(len(HOSTILE)))
def test_dot_reads_labels_as_they_are(label: str) -> None:
    root = Value(2.0, label=label) * 2
    svg = draw_dot(root).pipe().decode()
    texts = ["".join(part.itertext()) for part in ET.fromstring(svg.encode()).iter(f"{SVG}text")]
    assert shown(label, 200).replace("\u00a0", " ").split() in [text.replace("\u00a0", " ").split() for text in texts]


def test_operations_are_labels_too() -> None:
    a = Value(1.0)
    source = draw_dot(Value(1.0, (a,), "<b>")).source
    assert 'label="<b>"' in source
    parsed(tree_svg(Value(1.0, (a,), "<b>")))
