"""Drawings: the snapshot, the ledger, pictures in every format and the graphviz shape of lecture notebooks."""

import base64
import gc
import json
import math
import os
import random
import re
import subprocess
import sys
import time
import tracemalloc
import xml.etree.ElementTree as ET
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import mpmath
import pytest
from browser import opened
from graphs import lecture
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Symbol

import autograd
import nn
from autograd import Rule, Value, gradients, topological_sort
from autograd.drawing import Contribution, Snapshot, draw, draw_dot, ledger, snapshot, trace
from autograd.drawing.embed import SMALLEST
from autograd.drawing.figures import aligned, columns, figure, shown
from autograd.drawing.palette import PALETTE
from autograd.drawing.svg import name_within


def picture(root: Value | Snapshot, **options: Any) -> str:
    """The drawing as SVG, the same on every machine."""
    return draw(root, engine="layered", **options).svg


every_engine = pytest.mark.parametrize("engine", ["layered", pytest.param("dot", marks=pytest.mark.dot)])


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
    words = " ".join(written_in(picture(graph, legend=False))).split()
    assert {node.mark for node in graph.nodes if node.mark} <= set(words)
    assert set(re.findall(r"#\d+", " ".join(words) + str(rows))) <= {node.mark for node in graph.nodes}
    assert {name for row in rows for name in (row.node, row.parent)} <= {node.name for node in graph.nodes}
    called = [node.name for node in graph.nodes if node.kind != "constant"]
    assert len(called) == len(set(called))


def test_what_the_numbers_are_is_said_where_there_are_some() -> None:
    a, b = Value(0.5, label="a"), Value(1.5, label="b")
    for root, numbered in ((a * b + a, False), (a * b + a * a, True), (autograd.logsumexp([a, b]), True)):
        assert ("#: a node's number" in str(ledger(root))) == numbered
        assert ("#: a node's number" in picture(root)) == numbered
    assert {"* #1", "* #3", "+"} <= set(written_in(picture(a * b + a * a)))
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
    picture(root)
    assert snapshot(Value(1.0, (a,), "nothing")).root.edges[0].local is None


def test_exact_numbers_stay_exact() -> None:
    root = Value(Fraction(1, 3), label="a") * Value(Fraction(2, 7), label="b")
    assert snapshot(root).root.edges[0].local == Fraction(2, 7)
    assert ledger(root)[0].contribution == Fraction(2, 7)
    assert "2/7" in str(ledger(root))
    assert "2/21" in picture(root)


def test_depth_does_not_matter() -> None:
    x = root = Value(0.5, label="x")
    for _ in range(20_000):
        root = root.sin() + x
    graph = snapshot(root)
    assert len(graph.nodes) == 40_001
    assert len(ledger(graph)) == 60_000


@pytest.mark.parametrize("function", [snapshot, ledger, draw, draw_dot])
def test_only_values_are_drawn(function: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match=r"expected the Value.*got 3.5 of type float"):
        function(3.5)


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
    assert "…" not in str(ledger(root)) + picture(root)
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
        (-0.0, "0.000"),
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
    assert aligned(["1.5", "NaN", "−∞", "–", "2.25"]) == ["1.5 ", " NaN", "  −∞", "   –", "2.25"]
    assert aligned(["5", "NaN"]) == ["  5", "NaN"]
    assert aligned(["∞"]) == ["∞"] and aligned([]) == []


# ---- the picture ---------------------------------------------------------------------------------------------------

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    "<script>alert(1)</script>", "]]>", "{a|b}", 'say "hi"', "it's", "a\nb", "\x00\x1b", "\ud800", "\u202eabc", "&amp;",
    "javascript:1", "x" * 10_000, "url(#arrow)", "--><!--", "]]>" * 5, "日本語", "\\N", "%s {0}",
]  # fmt: skip
ELEMENTS = {"svg", "title", "style", "path", "rect", "g", "text"}
ATTRIBUTES = {
    "id", "class", "role", "viewBox", "width", "height", "style", "font-family", "font-size", "font-weight", "stroke-width",
    "d", "fill", "stroke", "stroke-dasharray", "stroke-opacity", "x", "y", "rx", "text-anchor", "transform", "data-node",
    "data-edge", "data-scope", "xmlns",
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
    svg = picture(root)
    sheet, texts = parsed(svg), written_in(svg)
    kinds = [part.attrib["class"] for part in sheet.iter(f"{SVG}g") if part.attrib.get("class", "").startswith("node")]
    assert sorted(kinds) == sorted(["node leaf"] * 3 + ["node constant"] + ["node operation"] * 3 + ["node root"])
    assert sum(part.attrib.get("class", "").split()[:1] == ["edge"] for part in sheet.iter(f"{SVG}g")) == 7
    assert {"L", "tanh", "0.6640", "1 − L**2", "0.5591", "b", "−3.000", "1/5", "data", "grad"} <= set(texts)
    assert "–" not in texts
    assert sheet.attrib["viewBox"] == f"0 0 {sheet.attrib['width']} {sheet.attrib['height']}"
    assert "prefers-color-scheme: dark" in svg
    assert not any(word in svg for word in ("script", "href", "foreignObject", "onload"))
    assert "2563eb" in svg
    assert "c2410c" in svg


def test_before_backward_gradients_are_shown_as_not_computed() -> None:
    texts = written_in(picture(lecture()[0]))
    assert texts.count("–") == 7
    assert "0.000" not in texts


@pytest.mark.parametrize("label", HOSTILE, ids=range(len(HOSTILE)))
def test_labels_are_data_everywhere(label: str) -> None:
    a = Value(2.0, label=label)
    root = a * Value(3.0, label=label)
    root.label = label
    first, second = written_in(picture(root)), written_in(picture(root.tanh()))
    assert name_within(label, 24) in first
    assert name_within(label, 24) in second
    str(ledger(root))
    source = draw_dot(root).source
    assert source.count("shape=record") == 3
    source.encode()


@settings(max_examples=60)
@given(st.text(), st.text())
def test_any_labels_give_wellformed_pictures(one: str, two: str) -> None:
    root = (Value(2.0, label=one) * Value(-1.0, label=two)).exp() ** 2
    root.label = one
    parsed(picture(root))
    str(ledger(root)).encode("utf-8", "surrogatepass")
    assert draw_dot(root).source.count("\n") < 30


def test_pictures_on_one_page_share_no_ids() -> None:
    root, _ = lecture()
    ids = [re.findall(r'\bid="([^"]+)"', picture(root)) for _ in range(2)]
    assert len(ids[0]) == 1
    assert not set(ids[0]) & set(ids[1])
    svg = picture(root)
    assert set(re.findall(r"url\(#([^)]+)\)", svg)) <= set(re.findall(r'\bid="([^"]+)"', svg))
    assert all(f"#{ids}" in svg for ids in re.findall(r'<svg[^>]* id="([^"]+)"', svg))


def test_a_wide_picture_keeps_its_size() -> None:
    svg = picture(random_graph(0), fold="atomic")
    size, style = float(parsed(svg).attrib["width"]), parsed(svg).attrib["style"]
    assert "max-width:100%" in style
    assert float(re.findall(r"min-width:(\d+)px", style)[0]) == pytest.approx(SMALLEST * size, abs=1)
    shown = draw(random_graph(0), fold="atomic", engine="layered")._repr_mimebundle_()["text/html"]
    assert shown.startswith('<div style="overflow-x:auto">')
    assert float(re.findall(r"min-width:(\d+)px", shown)[0]) == pytest.approx(SMALLEST * size, abs=1)


def test_long_sums_are_advised_to_be_one_node() -> None:
    xs = [Value(float(i), label=f"x{i}") for i in range(10)]
    assert "autograd.sum" in picture(sum(xs[1:], xs[0]))
    assert "autograd.sum" not in picture(sum(xs[1:7], xs[0]))
    assert "autograd.sum" not in picture(autograd.sum(xs))


def test_graphs_that_are_too_large_are_refused_with_advice() -> None:
    root = Value(1.0)
    for _ in range(60):
        root = root.sin()
    with pytest.raises(
        ValueError, match=r"61 nodes.*up to 50.*draw.*part.*fold='neuron'.*autograd.sum.*ledger.*limit=None"
    ):
        draw(root, limit=50)
    with pytest.raises(ValueError, match="up to 50"):
        draw(snapshot(root), limit=50)
    draw(root, limit=61)
    draw(root, limit=None)


def test_a_million_nodes_are_refused_at_once() -> None:
    root = Value(1.0)
    for _ in range(1_000_000):
        root = root + 1.0
    tracemalloc.start()
    begin = time.process_time()
    with pytest.raises(ValueError, match=r"more than 50,000 nodes.*up to 5,000"):
        draw(root)
    with pytest.raises(ValueError, match=r"more than 5,000 nodes"):
        draw(root, fold="atomic")
    seconds, peak = time.process_time() - begin, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 1.5 and peak < 40e6


def test_a_deep_graph_is_drawn_if_asked_for() -> None:
    root = Value(1.0)
    for _ in range(10_500):
        root = root.sin()
    assert picture(root, limit=None).count("data-node") == 10_501


def x_of(part: ET.Element, written: str) -> float:
    """Where a text of a picture is anchored."""
    return next(float(text.attrib["x"]) for text in part.iter(f"{SVG}text") if text.text == written)


def test_heads_and_what_is_no_number_end_where_the_figures_end() -> None:
    random.seed(1337)
    root = nn.MLP(2, [16, 16, 1])([Value(1.0), Value(-2.0)])
    root.backward()
    layers = [
        part for part in groups(picture(root, fold="layer"), "data-node").values() if "neurons.7" in written(part)
    ]
    assert len(layers) == 2
    for part in layers:
        for use in ("data", "grad"):
            ends = [
                float(text.attrib["x"]) for text in part.iter(f"{SVG}text") if f"{use} value" in text.attrib["class"]
            ]
            assert len(ends) == 16 and x_of(part, use) == max(ends)
    loss = Value(0.0, label="p").log() * 0.5 + Value(0.25)
    for part in groups(picture(loss), "data-node").values():
        figures = [text for text in part.iter(f"{SVG}text") if "value" in text.attrib["class"]]
        assert len({text.attrib["x"] for text in figures if text.text in ("−∞", "–")}) < 2
    zero = Value(0.0, label="p")
    (zero * autograd.log(zero)).backward()
    part = groups(picture(zero * autograd.log(zero)), "data-node")["0"]
    assert x_of(part, "0.000") == x_of(part, "NaN")


def written(part: ET.Element) -> list[str]:
    """The texts of a part of a picture."""
    return [text.text or "" for text in part.iter(f"{SVG}text")]


def test_the_legend_says_what_red_is() -> None:
    finite, wrong = Value(2.0) * 3, Value(0.0).log()
    assert not [words for words in written_in(picture(finite)) if "red" in words]
    assert "red: ∞ or NaN; the first of them is marked" in written_in(picture(wrong))
    assert "red: ∞ or NaN; the first of them is marked" in written_in(picture(Value(0.0) ** 0.5))  # on an edge


def test_a_graph_stands_over_the_middle_of_a_wider_legend() -> None:
    for root in (Value(1.0), Value(1.0).tanh(), sum([Value(float(i)) for i in range(1, 12)], Value(0.0))):
        sheet = parsed(picture(root, direction="TB", flow=True))
        (body,) = [part for part in sheet if "transform" in part.attrib]
        left = float(re.findall(r"[\d.]+", body.attrib["transform"])[0])
        edges = []
        for frame in body.iter(f"{SVG}rect"):
            at = left + float(frame.attrib["x"])
            edges += [at, at + float(frame.attrib["width"])]
        width = float(sheet.attrib["width"])
        (legend,) = [part for part in body if part.attrib.get("class") == "legend"]
        ends = [left + float(text.attrib["x"]) + 7.3 * columns(text.text or "") for text in legend]
        assert min(edges) > 0 and min(left + float(text.attrib["x"]) for text in legend) == pytest.approx(20, abs=0.2)
        assert max(ends) <= width - 20 + 0.5 and width <= max(max(edges) - min(edges) + 90, 53 * 7.3 + 42)


@every_engine
def test_a_folded_root_is_outlined_as_the_root(engine: str) -> None:
    root = nn.MLP(2, [3, 1])([Value(1.0), Value(-2.0)])
    pile, double = [], []
    for part in groups(picture(root, fold="layer"), "data-node").values():
        frames = [frame for frame in part.iter(f"{SVG}rect") if "frame" in frame.attrib["class"]]
        {1: [], 2: pile, 3: double}[len(frames)].append(part.attrib["class"])
    assert pile == ["node group"] and double == ["node group"]
    part = groups(draw(root, fold="model", engine=engine).svg, "data-node").popitem()[1]
    sheet, outer, inner = [
        [float(frame.attrib[name]) for name in ("x", "y", "width", "height")]
        for frame in part.iter(f"{SVG}rect")
        if "frame" in frame.attrib["class"]
    ]
    assert outer[0] < inner[0] and outer[0] + outer[2] > inner[0] + inner[2]
    assert sheet[1] < outer[1] and sheet[0] + sheet[2] > outer[0] + outer[2]


def test_lines_that_bring_nothing_back_are_faint() -> None:
    x = Value(-1.0)
    root = x * 0.0 + x * 3 + x.relu()
    root.backward()
    lines = parsed(picture(root, flow=True)).iter(f"{SVG}path")
    found = {
        (line.attrib.get("stroke-dasharray"), line.attrib.get("stroke-opacity"))
        for line in lines
        if "line" in line.attrib["class"].split()
    }
    assert found == {("2 4", "0.4"), (None, "0.8")}


def test_the_legend_may_be_left_out() -> None:
    root, _ = lecture()
    assert 'class="legend"' in picture(root)
    assert 'class="legend"' not in picture(snapshot(root), legend=False)


def groups(svg: str, name: str) -> dict[str, ET.Element]:
    """The groups of a picture that have this attribute, by its value."""
    return {part.attrib[name]: part for part in ET.fromstring(svg.encode()).iter(f"{SVG}g") if name in part.attrib}


@every_engine
def test_every_node_and_edge_can_be_found(engine: str) -> None:
    root, _ = lecture()
    root.backward()
    graph = snapshot(root)
    svg = draw(graph, engine=engine).svg
    nodes, edges = groups(svg, "data-node"), groups(svg, "data-edge")
    assert set(nodes) == {str(node.id) for node in graph.nodes}
    assert set(edges) == {f"{node.id}.{i}" for node in graph.nodes for i in range(len(node.edges))}
    for node in graph.nodes:
        found = nodes[str(node.id)]
        assert found.attrib["class"] == f"node {node.kind}"
        written = {text.attrib["class"]: text.text for text in found.iter(f"{SVG}text")}
        assert written["data value"] == figure(node.data)
        assert written.get("grad value") == (None if node.kind == "constant" else figure(node.grad))
        for i, edge in enumerate(node.edges):
            one = edges[f"{node.id}.{i}"]
            assert ("still" in one.attrib["class"].split()) == (not edge.carries)
            assert len([path for path in one if path.attrib.get("class") == "line"]) == 1
            texts = {text.attrib["class"]: text.text for text in one.iter(f"{SVG}text")}
            assert texts.get("number") == (None if edge.local is None else figure(edge.local))


def test_kinds_are_told_apart_without_colour() -> None:
    def outlines(part: ET.Element) -> tuple[object, ...]:
        rects = part.findall(f"{SVG}rect")
        heights = [float(rect.attrib["height"]) for rect in rects]
        round_ends = float(rects[-1].attrib.get("rx", 0)) >= heights[-1] / 2 - 0.1
        piled = len(rects) == 2 and heights[0] == heights[1]
        return len(rects), round_ends, piled, "stroke-dasharray" in rects[-1].attrib, "rx" in rects[-1].attrib

    seen: dict[str, set[tuple[object, ...]]] = {}
    root = nn.Neuron(2)([Value(1.0), Value(2.0)]) * 2.0
    for fold in ("atomic", "neuron"):
        for part in groups(picture(root, fold=fold), "data-node").values():
            seen.setdefault(part.attrib["class"].split()[1], set()).add(outlines(part))
    assert set(seen) == {"leaf", "constant", "operation", "root", "group"}
    assert all(len(shapes) == 1 for shapes in seen.values())
    assert len({next(iter(shapes)) for shapes in seen.values()}) == 5


def test_what_is_not_finite_is_red_and_the_first_is_marked() -> None:
    def wrong(root: Value) -> tuple[list[str], list[str]]:
        svg = picture(root)
        texts = [(text.attrib["class"], text.text or "") for text in ET.fromstring(svg.encode()).iter(f"{SVG}text")]
        colours = {
            text.attrib["fill"]
            for text in ET.fromstring(svg.encode()).iter(f"{SVG}text")
            if "wrong" in text.attrib["class"]
        }
        assert colours <= {PALETTE["wrong"][0]}
        found = [words for use, words in texts if "wrong" in use]
        return [words for words in found if words.startswith("first")], found

    a = Value(-1.0, label="a")
    logarithm = (a * 2).log()
    root = (logarithm + 1).exp()
    first, found = wrong(root)
    assert first == ["first NaN"] and found.count("NaN") >= 3
    (marked,) = [
        part for part in groups(picture(root), "data-node").values() if "first NaN" in "".join(part.itertext())
    ]
    assert marked.attrib["data-node"] == str(next(node.id for node in snapshot(root).nodes if node.operation == "log"))
    zero = Value(0.0, label="zero").sqrt()
    zero.backward()
    assert wrong(zero)[0] == ["first ∞ in grad"]
    assert wrong(a * 2) == ([], [])
    assert wrong(Value(math.inf) * 2)[0] == ["first ∞"]


def test_constants_can_be_folded_into_their_operations() -> None:
    a, b = Value(3.0, label="a"), Value(2.0, label="b")
    root = (2.0 - a) * 5.0 / b + a**b * 0.25
    svg = picture(root, constants="fold")
    texts = written_in(svg)
    assert {"2.000 − ·", "·*5.000", "·*0.2500"} <= {re.sub(r" #\d+$", "", text) for text in texts}
    drawn = groups(svg, "data-node")
    kinds = {node.id: node.kind for node in snapshot(root).nodes}
    assert "constant" not in {kinds[int(i)] for i in drawn}
    assert set(groups(svg, "data-edge")) < set(groups(picture(root), "data-edge"))
    many = autograd.dot([a, b, a, b], [1.0, 2.0, 3.0, 4.0])  # would be long
    assert picture(many, constants="fold").count('class="node constant"') == 4
    made = Value(6.0, (a, autograd.Constant(2.0)), "by hand")
    assert 'class="node constant"' in picture(made, constants="fold")


def test_what_is_shown_can_be_chosen() -> None:
    root, _ = lecture()
    root.backward()
    assert {"data", "0.6640"} <= set(written_in(picture(root, show="data", legend=False)))
    assert "grad" not in written_in(picture(root, show="data", legend=False))
    assert "tanh" not in written_in(picture(root, show=("label", "data"), legend=False))
    assert "*" not in written_in(picture(root, show=("label", "data"), legend=False))
    assert 'class="number"' not in picture(root, edges="formula")
    assert 'class="formula"' not in picture(root, edges=["number"])
    assert not {"formula", "number"} & {
        text.attrib["class"] for text in parsed(picture(root, edges=())).iter(f"{SVG}text")
    }
    assert picture(root, show=(), edges=(), legend=False).count("data-node") == 8


def test_numbers_are_written_as_asked_for() -> None:
    root = Value(2.0, label="a") * Value(-1 / 3, label="b")
    assert "−0.33" in written_in(picture(root, digits=2))
    assert "−0.33333" in written_in(picture(root, digits=".5f"))
    assert "about −0" in written_in(picture(root, digits=lambda x: f"about {x:.0f}".replace("-", "−")))
    assert "–" in written_in(picture(root, digits=".1e"))
    assert "2/3" in written_in(picture(Value(Fraction(2, 3)), digits=3))
    wide = parsed(picture(root, room=30)).attrib["width"]
    assert float(wide) > float(parsed(picture(root)).attrib["width"]) + 200


def test_themes_and_flows() -> None:
    a = Value(2.0, label="a")
    root = autograd.sum([a * 3.0, a * -0.5, autograd.maximum(a, 5.0)])
    root.backward()
    light, dark, auto = [picture(root, theme=theme) for theme in ("light", "dark", "auto")]
    assert "prefers-color-scheme" in auto and "prefers-color-scheme" not in light + dark
    assert PALETTE["data"][1] in dark and PALETTE["data"][1] not in light and PALETTE["data"][0] not in dark
    assert "line flow" not in light
    flowing = picture(root, flow=True)
    lines = {key: part.find(f"{SVG}path").attrib for key, part in groups(flowing, "data-edge").items()}
    graph = snapshot(root)
    widths, dashes = {}, {}
    for node in graph.nodes:
        for i, edge in enumerate(node.edges):
            if graph.nodes[edge.parent].label == "a":
                line = lines[f"{node.id}.{i}"]
                widths[node.operation, edge.local] = float(line.get("stroke-width", 0))
                dashes[node.operation, edge.local] = line.get("stroke-dasharray", "")
    assert widths["*", 3.0] > widths["*", -0.5] > widths["maximum", 0.0]
    assert (dashes["*", 3.0], dashes["*", -0.5], dashes["maximum", 0.0]) == ("", "7 4", "2 4")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"direction": "XY"}, "unknown direction 'XY'; expected one of 'LR', 'RL', 'TB', 'BT'"),
        ({"theme": "pink"}, "unknown theme 'pink'.*'auto', 'light', 'dark'"),
        ({"engine": "neato"}, "unknown engine 'neato'.*'auto', 'dot', 'layered'"),
        ({"constants": True}, "unknown constants True.*'show', 'fold'"),
        ({"fold": "neurons"}, "unknown fold 'neurons'.*'auto', 'atomic', 'neuron', 'layer', 'model'"),
        ({"fold": ["nowhere"]}, "no scope is called 'nowhere'"),
        ({"show": "value"}, "unknown show 'value'.*'label', 'operation', 'data', 'grad'"),
        ({"show": 3}, "unknown show 3.*'label'"),
        ({"edges": ["number", "colour"]}, "unknown edges 'colour'.*'auto', or any of 'formula', 'number'"),
        ({"flow": "yes"}, "unknown flow 'yes'.*True, False or 'auto'"),
        ({"digits": 0}, r"digits should be a number of digits from 1 to 17.*got 0"),
        ({"digits": ".3q"}, r"digits='.3q' is no format for numbers"),
        ({"digits": None}, "digits should be"),
        ({"limit": 0}, "limit should be a number of nodes, or None"),
        ({"limit": 2.5}, "limit should be a number of nodes, or None"),
        ({"legend": "x"}, "legend should be True or False, got 'x'"),
        ({"room": -1}, "room should be a number of characters, got -1"),
    ],
)  # fmt: skip
def test_options_say_what_is_accepted(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw(Value(1.0), **options)


@pytest.mark.parametrize(
    "number", [Fraction(1, 3), Decimal("1.25"), 2 + 1j, 7, True + 0, Symbol("t"), mpmath.mpf("0.5")]
)
def test_any_number_can_be_drawn(number: Any) -> None:
    x = Value(number, label="x")
    root = x * x + x
    root.backward()
    for options in ({}, {"flow": True}, {"constants": "fold"}, {"digits": ".2f"}):
        parsed(picture(root, **options))
    assert draw(root).dot.count("->") == 4


# ---- files and notebooks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".svg", ".png", ".pdf", ".dot", ".html", ".SVG"])
def test_every_format_is_written(ending: str, tmp_path: Path) -> None:
    root, _ = lecture()
    path = tmp_path / f"y{ending}"
    assert draw(root).save(path) == str(path)
    begins = {".png": b"\x89PNG", ".pdf": b"%PDF", ".dot": b"digraph", ".html": b"<!DOCTYPE html>"}
    assert path.read_bytes().startswith(begins.get(ending, b"<svg"))
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    draw(root).save(str(path))


def test_unknown_endings_and_bad_paths_are_told(tmp_path: Path) -> None:
    drawing = draw(Value(1.0))
    for name in ("y.gif", "y", "svg", ".svg"):
        with pytest.raises(ValueError, match=r"end it in \.svg, \.png, \.pdf, \.dot, \.html"):
            drawing.save(tmp_path / name)
    with pytest.raises(OSError, match=r"nowhere"):
        drawing.save(tmp_path / "nowhere" / "y.svg")
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(OSError, match=r"folder\.svg"):
        drawing.save(tmp_path / "folder.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.svg"]


@pytest.fixture
def without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ["matplotlib", *[name for name in sys.modules if name.startswith("matplotlib.")]]:
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.dot
@pytest.mark.usefixtures("without_matplotlib")
def test_without_matplotlib_dot_paints(tmp_path: Path) -> None:
    path = Path(draw(lecture()[0]).save(tmp_path / "y.png"))
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("without_matplotlib")
def test_without_matplotlib_and_dot_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    root, _ = lecture()
    monkeypatch.setenv("PATH", "")
    for ending in ("png", "pdf"):
        with pytest.raises(RuntimeError, match=r"matplotlib.*pip install.*dot.*'.svg' and '.html' always work"):
            draw(root).save(tmp_path / f"z.{ending}")
        assert not (tmp_path / f"z.{ending}").exists()
    draw(root).save(tmp_path / "z.html")


class Tags(HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {{"viewbox": "viewBox"}.get(name, name) for name, _ in attrs}


def labelled(label: str) -> Value:
    """A small graph, every leaf and the root of which has this label."""
    root = (Value(2.0, label=label) * Value(3.0, label=label)).tanh()
    root.label = label
    return root


@pytest.mark.parametrize("label", HOSTILE, ids=range(len(HOSTILE)))
def test_labels_are_data_in_every_format(label: str, tmp_path: Path) -> None:
    drawing = draw(labelled(label))
    parsed(drawing.svg)
    for ending in ("svg", "png", "pdf", "dot", "html"):
        assert os.path.getsize(drawing.save(tmp_path / f"y.{ending}"))
    for text in (drawing.html, drawing._repr_mimebundle_()["text/html"]):
        reader = Tags()
        reader.feed(text)
        assert reader.tags <= ELEMENTS | PAGE
        assert reader.attributes <= ATTRIBUTES | PAGE_ATTRIBUTES


@pytest.mark.dot
@pytest.mark.parametrize("label", HOSTILE, ids=range(len(HOSTILE)))
def test_labels_are_data_to_dot(label: str) -> None:
    made = subprocess.run(["dot", "-Tsvg"], input=draw(labelled(label)).dot.encode(), capture_output=True, check=True)
    assert not made.stderr
    words = "".join(ET.fromstring(made.stdout).itertext())
    expected = name_within(label, 24).split()[:1]
    assert all(word in words.replace("\u00a0", " ") for word in expected)


PAGE_ATTRIBUTES = {"lang", "charset", "name", "content", "http-equiv", "type", "checked", "for", "src", "alt"}
PAGE_ATTRIBUTES |= {"tabindex", "aria-label"}
PAGE = {"html", "head", "meta", "body", "h1", "fieldset", "legend", "input", "label", "div", "img", "p", "small"}


def test_a_page_switches_between_views_without_a_script() -> None:
    random.seed(1)
    page = draw(nn.MLP(2, [3, 1])([Value(1.0), Value(2.0)])).html
    assert page.count("<svg") == page.count('type="radio"') == 4
    assert page.count(" checked>") == 1
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert not re.search(r"<script|https?://(?!www\.w3\.org/2000/svg)|javascript:|\bon\w+=", page)
    assert 'type="radio"' not in draw(lecture()[0]).html


def test_a_notebook_shows_a_picture_and_says_it_in_text() -> None:
    bundle = draw(lecture()[0])._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain"}
    (data,) = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', bundle["text/html"])
    parsed(base64.b64decode(data).decode())
    assert "tanh" in bundle["text/plain"] and "L" in bundle["text/plain"]
    assert repr(draw(lecture()[0])) == "<Drawing of L: 8 nodes>"


@pytest.mark.dot
@pytest.mark.parametrize("fold", ["atomic", "neuron", "layer", "model"])
def test_dot_reads_what_is_written_for_it(fold: str) -> None:
    random.seed(1)
    root = nn.MLP(2, [3, 1])([Value(1.0, label="x"), Value(2.0, label="y")])
    root.backward()
    drawing = draw(root, fold=fold, flow=fold == "neuron")
    made = subprocess.run(["dot", "-Tplain"], input=drawing.dot.encode(), capture_output=True, check=True)
    assert not made.stderr
    lines = made.stdout.decode().splitlines()
    assert sum(line.startswith("node ") for line in lines) == len(drawing.graph.nodes)
    assert sum(line.startswith("edge ") for line in lines) == sum(len(node.edges) for node in drawing.graph.nodes)


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


@pytest.mark.dot
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
    parsed(picture(Value(1.0, (a,), "<b>")))


def clipping(clip: Callable[[float], float]) -> tuple[Value, Value]:
    """5 times a node made by hand from a, whose closure hands on what `clip` makes of the gradient; and a."""
    a = Value(2.0, label="a")
    made = Value(4.0, (a,), "clipped", label="h")

    def closure() -> None:
        a.grad += clip(made.grad)

    made._backward = closure
    return made * 5, a


@pytest.mark.parametrize(
    "clip",
    [
        lambda g: max(-1.0, min(1.0, g)),
        lambda g: max(-500.0, min(500.0, g)),
        lambda g: max(0.0, g),
        lambda g: g + 1,
        lambda g: 1 / 0,
    ],
    ids=["clip", "late clip", "guided", "shifted", "fails"],
)
def test_a_closure_that_is_not_linear_has_no_local_derivative(clip: Callable[[float], float]) -> None:
    root, a = clipping(clip)
    graph = snapshot(root)
    (edge,) = next(node for node in graph.nodes if node.label == "h").edges
    assert edge.local is None and edge.carries and edge.unknown
    assert "– (not linear)" in picture(root)
    assert re.search(r"└─ a +2\.000  – +–$", str(autograd.tree(root)), re.MULTILINE)
    for read in (ledger, lambda y: autograd.paths(y, a), autograd.play):
        with pytest.raises(ValueError, match="h has no local derivative: its _backward was made by hand"):
            read(root)
    assert a.grad == 0.0


def test_a_part_with_a_closure_that_is_not_linear_in_it_has_no_local_derivative_either() -> None:
    class Clip(nn.Module):
        def __call__(self, x: Value) -> Value:
            made = Value(x.data, (x,), "clip")

            def closure() -> None:
                x.grad += min(1.0, made.grad)

            made._backward = closure
            return made * 2

    a = Value(3.0, label="a")
    graph = autograd.drawing.folding.folded(snapshot(Clip()(a) * 5), "model")
    with pytest.raises(ValueError, match="Clip has no local derivative: a _backward in it was made by hand"):
        ledger(graph)


@pytest.mark.parametrize("number", [0.3, Fraction(1, 3), Decimal("0.3"), mpmath.mpf("0.3"), Symbol("x") + 1, math.inf])
def test_a_closure_that_is_linear_keeps_its_local_derivative(number: Any) -> None:
    a = Value(number, label="a")
    made = Value(number, (a,), "h")

    def closure() -> None:
        a.grad += made.grad * a.data + made.grad * a.data / 7

    made._backward = closure
    (edge,) = snapshot(made).root.edges
    assert edge.carries and edge.local == number + number / 7


HUGE = [
    (Decimal("1.2345678901234E+400"), "1.2345678901234E+400"),
    (mpmath.mpf(10) ** 400 / 3, "3.33333333333333e+399"),
    (Symbol("x") / Symbol("x") * 10**400, "1" + "0" * 22 + "…"),
    (Decimal("1.234567890123e-400"), "1.234567890123E−400"),
    (Fraction(1, 10**400), "1/1" + "0" * 20 + "…"),
    (Fraction(10**400, 3), "1" + "0" * 22 + "…"),
    (10**400, "1" + "0" * 22 + "…"),
    (Symbol("a_long_symbol_name"), "a_long_symbol_name"),
    (Fraction(10**20, 3), "3.333e19"),
]


@pytest.mark.parametrize(("x", "written"), HUGE, ids=range(len(HUGE)))
def test_what_no_float_can_hold_is_written_as_it_is(x: Any, written: str) -> None:
    assert figure(x) == written
    if not isinstance(x, int):
        leaf = Value(x)
        root = leaf * leaf
        for text in (picture(root), str(autograd.tree(root)), str(ledger(root))):
            assert written in text


def test_data_that_was_changed_after_the_forward_pass_is_told_of() -> None:
    sentence = "recorded at other numbers than the leaves hold now: run the forward pass again"
    a = Value(2.0, label="a")
    root = a * a * a

    def texts(y: Value) -> list[str]:
        told = [draw(y, engine="layered").svg, ledger(y), ledger(y)[:1], autograd.paths(y, a), autograd.tree(y)]
        return [*map(str, told), ledger(y)._repr_html_(), autograd.paths(y, a)._repr_html_()]

    assert not any("recorded at" in text for text in texts(root)) and not snapshot(root).stale
    a.data = 5.0
    assert all(sentence in " ".join(re.sub("<[^>]*>", " ", text).split()) for text in texts(root))
    for y in (a * a * a, Value(math.nan) * a, autograd.sum([a, 2.0, a]), Value(1.0, (a,), "made")):
        assert not snapshot(y).stale
    model = nn.MLP(2, [3, 1])
    out = model([1.0, 2.0])
    next(iter(model.parameters())).data += 1.0
    assert sentence in " ".join(re.sub("<[^>]*>", " ", picture(out, fold="layer")).split())


@pytest.mark.parametrize("name", ["a\x00b", "a\ud800", "a\u202eb", "a\u2028b"], ids=ascii)
def test_the_name_of_a_rule_is_data_too(name: str) -> None:
    inner = autograd.operation(Rule(name, lambda x: x * 2.0, (lambda x, out: 2.0,)))
    made = autograd.operation(Rule(name, lambda x: x * 2.0, (lambda x, out: inner(x) + 1,)))
    a = Value(2.0, label="a")
    root = made(made(a) * 3)
    root.label = "y"
    drawn = draw(root, engine="layered", constants="fold")
    player = autograd.play(root).html
    texts = [drawn.svg, drawn.dot, drawn.html, player, ledger(root), autograd.tree(root), autograd.paths(root, a)]
    for text in map(str, texts):
        assert name[1] not in text and "\\u0000" not in text and "\\ud800" not in text
    parsed(drawn.svg)
    assert "\x00" not in str(draw(root, digits="\x00>12.3f").svg)
    assert f"a{'�' if not name[1].isspace() else ' '}" in str(autograd.tree(root))


@pytest.mark.parametrize("count", [7, 12])
def test_a_rule_of_many_operands_is_written(count: int) -> None:
    partials = tuple([lambda *read: 1.0 for _ in range(count)])
    name = "operand7"
    named = [f"x{i}" for i in range(count)]
    forward = eval(f"lambda {', '.join(named)}: {' + '.join(named)}")  # each by name, as a user writes it
    weigh = autograd.operation(Rule(name, forward, partials))
    leaves = [Value(1.0, label=f"v{i}") for i in range(count - 1)]
    root = weigh(*leaves, 2.5)
    labels = ", ".join([leaf.label for leaf in leaves])
    assert autograd.tree(root).rows[0].written == f"{name}({labels}, 2.5)"
    parsed(picture(root, constants="fold"))
    plus = autograd.operation(Rule("operand_99", lambda x, y: x + y, (lambda x, y, out: 1.0, lambda x, y, out: 1.0)))
    assert "operand_99(·, 2.500)" in picture(plus(leaves[0], 2.5), constants="fold")


def test_a_large_graph_is_refused_before_it_takes_time(monkeypatch: pytest.MonkeyPatch) -> None:
    x = y = Value(0.5)
    for _ in range(300):
        y = y + x
    with monkeypatch.context() as patched:
        for name in ("ledger", "paths", "draw"):
            patched.setattr(sys.modules[f"autograd.drawing.{name}"], "snapshot", None)  # it would fail
        for read in (ledger, lambda y, limit: autograd.paths(y, x, limit=limit)):
            with pytest.raises(ValueError, match=r"more than 300 nodes: give .*\(\) one of its parts, or limit=None"):
                read(y, limit=300)
            for limit in (0, True, 2.0):
                with pytest.raises(ValueError, match="limit should be a number of nodes"):
                    read(y, limit=limit)
        with pytest.raises(ValueError, match="picture of 301 nodes"):  # nothing can be folded
            draw(y, limit=100)
    assert len(ledger(y, limit=301)) == len(ledger(y, limit=None)) == 600
    assert autograd.paths(y, x, limit=None).count == 301
    out = nn.MLP(4, [16, 1])([1.0, 2.0, 3.0, 4.0])
    assert len(draw(out, limit=60).graph.nodes) <= 60 < len(snapshot(out).nodes)


def test_a_fold_that_is_no_word_and_no_list() -> None:
    with pytest.raises(ValueError, match="unknown fold 5; expected one of 'auto', 'atomic'"):
        draw(Value(1.0) + 1, fold=5)


@pytest.mark.parametrize("label", ["1e5", "inf", "nan", ".5", "1_000", "-3", "1/2", "pi"])
def test_a_label_that_reads_as_a_number_is_a_mark_in_formulas(label: str) -> None:
    a, b = Value(2.0, label=label), Value(3.0, label="b")
    assert [edge.formula for edge in snapshot(a * b).root.edges] == ["b", "#1"]


def test_the_first_infinite_edge_is_marked_before_backward_has_run() -> None:
    root = Value(0.0, label="z").sqrt() + 1
    svg = picture(root)
    assert texts_of(svg, "wrong").count("first ∞ on an edge") == 1
    root.backward()
    assert "first ∞ in grad" in texts_of(picture(root), "wrong")


def texts_of(svg: str, class_: str) -> list[str]:
    """What is written in texts of one class."""
    texts = parsed(svg).iter(f"{SVG}text")
    return ["".join(text.itertext()) for text in texts if class_ in (text.get("class") or "").split()]


def test_a_ledger_of_parts_with_several_outputs_is_refused_like_paths() -> None:
    leaves = [Value(0.5, label="x0"), Value(-0.25, label="x1")]
    graph = autograd.drawing.folding.folded(snapshot(nn.MLP(2, [1, 3, 1], activation="tanh")(leaves)), "layer")
    start = next(node for node in graph.nodes if node.label == "x1")
    for read in (ledger, lambda graph: autograd.paths(graph, start)):
        with pytest.raises(ValueError, match=r"layers\.1 is a folded part with several outputs: give a snapshot"):
            read(graph)


def test_ten_thousand_nodes_are_drawn_only_if_asked_for() -> None:
    root = Value(0.5)
    for _ in range(9_999):
        root = root.sin()
    with pytest.raises(ValueError, match=r"a picture of .*10,000 nodes could not be read: up to 5,000 are drawn"):
        draw(root)
    assert len(draw(root, limit=10_000).graph.nodes) == 10_000


def test_an_operation_stands_on_its_node_only_if_it_is_shown() -> None:
    root = (Value(2.0) * Value(3.0)).tanh()
    for show in [(), "data", "label", ("data", "grad")]:
        assert not {"tanh", "*", "leaf", "constant"} & set(written_in(picture(root, show=show, edges=(), legend=False)))
    assert {"tanh", "*"} <= set(written_in(picture(root, show="operation", edges=(), legend=False)))
    assert not any("#" in text for text in written_in(picture(root * root, show="data", edges=(), legend=False)))


@pytest.mark.parametrize(
    ("name", "limit", "expected"),
    [
        ("layers.0.neurons.3.w[1]", 24, "layers.0.neurons.3.w[1]"),
        ("layers.0.neurons.3.w[1]", 18, "…0.neurons.3.w[1]"),
        ("layers.0.neurons.3.w[1]", 6, "…w[1]"),
        ("a_long_name_of_one_word", 10, "a_lon…word"),
        ("a" * 1000 + ".b", 10, "…b"),
    ],
)
def test_long_names_keep_the_end_in_which_they_differ(name: str, limit: int, expected: str) -> None:
    assert name_within(name, limit) == expected


def test_the_parameters_of_a_batch_are_told_apart() -> None:
    model = nn.MLP(2, [4, 1])
    loss = autograd.sum([model([Value(x), Value(1.0)]) for x in (1.0, 2.0, 3.0)])
    drawing = draw(loss, fold="layer")
    rows = [row.caption for card in drawing.picture.cards if len(card.rows) > 6 for row in card.rows]
    assert "neurons.3.w[1]" in rows
    captions = [[row.caption for row in card.rows] for card in drawing.picture.cards]
    assert all(len(set(names)) == len(names) for names in captions)


@pytest.mark.parametrize("engine", ["layered", "auto"])
def test_a_drawing_leaves_no_reference_cycles(engine: str) -> None:
    root = lecture()[0]
    assert draw(root, engine=engine).svg
    gc.collect()
    gc.disable()
    try:
        assert draw(root, engine=engine).svg
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_one_part_may_be_folded_by_its_name() -> None:
    root = nn.MLP(2, [3, 1])([Value(1.0), Value(2.0)])
    assert draw(root, fold="layers.1").graph == draw(root, fold=["layers.1"]).graph


@pytest.mark.browser
@pytest.mark.parametrize("width", [1200, 390])
def test_a_page_scrolls_a_wide_picture_in_a_frame_of_its_own(browser: Any, width: int) -> None:
    root = Value(0.9, label="x")
    for _ in range(12):
        root = root.sin()
    drawing = draw(root)
    with opened(browser, drawing.html, width=width, height=700) as page:
        seen, room, scrolled = page.locator(".view").evaluate(
            "v => [v.firstChild.clientWidth, v.clientWidth, v.scrollWidth]"
        )
        assert seen == pytest.approx(float(parsed(drawing.svg).attrib["width"]), abs=1)
        assert scrolled >= seen > room and page.evaluate("document.documentElement.scrollWidth") <= width
        page.locator(".view").focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(300)
        assert page.locator(".view").evaluate("v => v.scrollLeft") > 0
