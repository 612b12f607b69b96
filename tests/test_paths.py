"""Paths: counted, summed and the best of them found, compared with a list of every single one."""

import math
import random
import sys
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd
from autograd import Value, gradients, paths
from autograd.drawing import Node, Snapshot, snapshot
from autograd.drawing.paths import factor, spell_count


def lecture() -> tuple[Value, dict[str, Value]]:
    a, b, c = Value(2.0, label="a"), Value(-3.0, label="b"), Value(10.0, label="c")
    d = a * b
    d.label = "d"
    e = (d + c) / 5
    e.label = "e"
    root = e.tanh() * a
    root.label = "L"
    return root, {"a": a, "b": b, "c": c, "d": d, "e": e}


def every(graph: Snapshot, x: Node) -> Iterator[tuple[Any, tuple[tuple[int, int], ...]]]:
    """All paths, one by one: (product from the root down, steps from x up)."""
    one = 1.0 if isinstance(graph.root.data, float) else 1
    stack: list[tuple[int, Any, bool, tuple[tuple[int, int], ...]]] = [(graph.root.id, one, False, ())]
    while stack:
        i, product, cut, steps = stack.pop()
        if i == x.id:
            yield one * 0 if cut else product, steps[::-1]
            continue
        for operand, edge in enumerate(graph.nodes[i].edges):
            if edge.local is not None:
                stack.append((edge.parent, product * edge.local, cut or not edge.carries, (*steps, (i, operand))))


def order(found: tuple[Any, tuple[tuple[int, int], ...]]) -> Any:
    product, steps = found
    return -abs(product), [i for i, _ in steps]


numbers = st.one_of(st.integers(-3, 3), st.fractions(-2, 2, max_denominator=9))


MAKERS = [
    lambda x, y: x + y,
    lambda x, y: x * y,
    lambda x, y: x - y * 2,
    lambda x, y: x * x,
    lambda x, y: autograd.maximum(x, y),
    lambda x, y: autograd.relu(x),
    lambda x, y: autograd.dot([x, y, x], [y, 3, y]),
]


@st.composite
def graphs(draw: st.DrawFn, exact: bool) -> tuple[Value, list[Value]]:
    """A small graph with shared nodes, repeated operands, choices, n-ary nodes and constants."""
    kind = Fraction if exact else float
    nodes = [Value(kind(draw(numbers))) for _ in range(draw(st.integers(1, 3)))]
    for _ in range(draw(st.integers(1, 9))):
        x, y = draw(st.sampled_from(nodes[-4:])), draw(st.sampled_from(nodes))
        nodes.append(draw(st.sampled_from(MAKERS))(x, y))
    return nodes[-1], nodes


@settings(max_examples=200)
@given(graphs(exact=True), st.data())
def test_all_of_every_exact_graph(made: tuple[Value, list[Value]], data: st.DataObject) -> None:
    """Count, total, rest and the listed paths are those of the full list, to the last digit."""
    root, nodes = made
    x, most = data.draw(st.sampled_from(nodes)), data.draw(st.integers(0, 12))
    graph = snapshot(root)
    ids = {value: i for i, value in enumerate(autograd.topological_sort(root))}
    expected = sorted(every(graph, graph.nodes[ids[x]]), key=order) if x in ids else []
    found = paths(root, x, most=most)
    assert found.count == len(expected)
    assert found.total == sum([product for product, _ in expected]) == gradients(root, x)
    assert [path.product for path in found] == [product for product, _ in expected[:most]]
    assert {(path.product, path.edges) for path in found} <= set(expected)
    assert len({path.edges for path in found}) == len(found) == min(most, len(expected))
    assert found.rest == found.total - sum([path.product for path in found])


@settings(max_examples=150)
@given(graphs(exact=False), st.data())
def test_all_of_every_float_graph(made: tuple[Value, list[Value]], data: st.DataObject) -> None:
    root, nodes = made
    x = data.draw(st.sampled_from(nodes))
    found = paths(root, x, most=3)
    assert float(found.total).hex() == float(gradients(root, x)).hex()
    assert found.total == pytest.approx(found.rest + sum([path.product for path in found]), rel=1e-9, abs=1e-6)
    for path in found:
        assert path.product == pytest.approx(math.prod(path.local_derivatives), rel=1e-12)


def test_a_snapshot_gives_the_same() -> None:
    root, named = lecture()
    graph = snapshot(root)
    found, same = paths(root, named["a"]), paths(graph, next(node for node in graph.nodes if node.label == "a"))
    assert str(found) == str(same)
    assert (same.count, same.total, same.rest) == (found.count, found.total, found.rest)
    assert [path.nodes for path in same] == [tuple([graph.nodes[i] for i in ids]) for ids in ids_of(same)]


def ids_of(found: Any) -> list[list[int]]:
    return [[path.nodes[0].id, *[i for i, _ in path.edges]] for path in found]


def test_a_path_says_where_it_goes() -> None:
    root, named = lecture()
    path, short = paths(root, named["a"])
    assert short.names == ("a", "L")
    assert path.names == ("a", "d", "+", "e", "tanh", "L")
    assert path.nodes[0] is named["a"] and path.nodes[1] is named["d"] and path.nodes[-1] is root
    assert path.formulas == ("b", "1", "1/5", "1 - tanh(e)**2", "a")
    assert path.local_derivatives[:3] == (-3.0, 1.0, 0.2)
    graph = snapshot(root)
    assert [graph.nodes[i].edges[k].local for i, k in path.edges] == list(path.local_derivatives)
    assert "a → d → + → e → tanh → L   b × 1 × 1/5 × (1 − tanh(e)**2) × a = −3.000 × 1.000 × 0.2000" in str(path)


def test_the_text() -> None:
    a, b, f = Value(2.0, label="a"), Value(-3.0, label="b"), Value(-2.0, label="f")
    d = a * b
    d.label = "d"
    root = (d + a) * f
    root.label = "L"
    assert str(paths(root, a)).splitlines() == [
        "dL/da is the sum over 2 paths from a to L, of the product of the local derivatives on it:",
        "",
        "a → d → + → L   b × 1 × f = −3.000 × 1.000 × −2.000 =  6.000",
        "a → + → L       1 × f     = 1.000 × −2.000          = −2.000",
        "",
        "total: dL/da                                        =  4.000",
    ]
    short = str(paths(root, a, most=1)).splitlines()
    assert short[-2].startswith("… and 1 more path, in sum ") and short[-2].endswith("= −2.000")
    assert repr(paths(root, a)) == str(paths(root, a))


def test_a_wide_text_is_broken() -> None:
    root, named = lecture()
    lines = str(paths(root, named["a"])).splitlines()
    assert "a → d → + → e → tanh → L" in lines
    assert max(map(len, lines)) <= 100
    assert lines[-1] == f"total: dL/da = {autograd.drawing.figures.figure(gradients(root, named['a']))}"


def test_sixty_diamonds_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    x = y = Value(0.3, label="x")
    for _ in range(60):
        y = y.sin() + y * 1.01
    module, compared = sys.modules["autograd.drawing.paths"], list[Any]()
    size = module.size
    monkeypatch.setattr(module, "size", lambda product: compared.append(product) or size(product))
    found = paths(y, x, most=5)
    assert len(compared) < 60 * 3 * 2 * 5 + 5  # no more than the best of each node
    assert found.count == 2**60
    assert found.total == gradients(y, x)
    assert "and 1,152,921,504,606,846,971 more paths" in str(found)
    assert len({path.edges for path in found}) == 5
    assert sorted([abs(path.product) for path in found], reverse=True) == [abs(path.product) for path in found]


def test_the_best_of_many_are_the_best() -> None:
    """Twelve diamonds with slopes of their own: the best ten of 4,096, found and listed."""
    rng = random.Random(3)
    x = y = Value(1.0)
    for _ in range(12):
        y = y * rng.uniform(-2, 2) + y * rng.uniform(-2, 2)
    graph = snapshot(y)
    start = next(node for node in graph.nodes if node.kind == "leaf")
    expected = sorted(every(graph, start), key=order)
    found = paths(y, x)
    assert found.count == 4096
    assert [path.edges for path in found] == [steps for _, steps in expected[:10]]
    assert found.rest == pytest.approx(sum([product for product, _ in expected[10:]]), rel=1e-9)


def test_depth_and_hundreds_of_digits() -> None:
    x = y = Value(0.5, label="x")
    for _ in range(3_000):
        y = y * 0.5 + y * 0.5
    found = paths(y, x, most=2)
    assert found.count == 2**3000
    assert found.total == 1.0
    assert "about 1.2 × 10^903 paths" in str(found)
    assert "… 5,995 nodes …" in str(found)


def test_rest_is_summed_and_not_subtracted() -> None:
    """1e20 - 1e20 + 1 + 2: taking the listed ones from the total would leave nothing."""
    x = Value(1.0)
    root = autograd.sum([x * 1e20, x * -1e20, x * 1.0, x * 2.0])
    assert paths(root, x, most=2).rest == 3.0


def test_a_choice_that_carries_nothing_is_a_path_of_exactly_nothing() -> None:
    x = Value(1.0, label="x")
    found = paths(autograd.maximum(x, Value(2.0)) * math.inf + x, x)
    assert found.count == 2
    assert [path.product for path in found] == [1.0, 0.0]
    assert found.total == 1.0


def test_infinities_and_nan_do_not_break_the_order() -> None:
    x = Value(1.0)
    parts = [x * 2.0, x * math.inf, x * math.nan, x * -math.inf, x * 3.0]
    products = [path.product for path in paths(autograd.sum(parts), x)]
    assert math.isnan(products[0])
    assert [abs(product) for product in products[1:]] == [math.inf, math.inf, 3.0, 2.0]


def test_equal_products_are_listed_by_their_nodes() -> None:
    x = Value(1.0)
    root = autograd.sum([x * 2.0, x * -2.0, x * 2.0])
    assert [ids[1] for ids in ([0, *[i for i, _ in path.edges]] for path in paths(root, x))] == sorted(
        [i for i, node in enumerate(snapshot(root).nodes) if node.operation == "*"]
    )


def test_what_came_out_equal_is_listed_by_its_nodes_too() -> None:
    """Of 5 and 2 the 5 is the larger; times 0 they are equal."""
    x = Value(1.0)
    u = x * 0.0
    assert [path.local_derivatives[1] for path in paths(autograd.sum([u * 5.0, u * 2.0]), x)] == [2.0, 5.0]


def test_ends() -> None:
    root, named = lecture()
    assert paths(root, root, most=0).rest == 1.0
    same = paths(root, root)
    assert (same.count, same.total, len(same), same[0].product, same[0].edges) == (1, 1.0, 1, 1.0, ())
    assert "it is the same node" in str(same)
    apart = paths(root, Value(1.0))
    assert (apart.count, apart.total, apart.rest, list(apart)) == (0, 0.0, 0.0, [])
    assert str(paths(root, Value(1.0, label="q"))) == "dL/dq = 0: L does not depend on q, there is no path."
    assert "does not depend on that Value" in str(apart)
    with pytest.raises(TypeError, match="pass the variable itself"):
        paths(root, "a")
    assert "product of the local derivatives on the one path from e to L" in str(paths(root, named["e"]))
    assert paths(root, named["e"]).total == gradients(root, named["e"])
    assert paths(root, named["a"], most=0).rest == paths(root, named["a"]).total


def test_nodes_made_by_hand() -> None:
    a = Value(2.0, label="a")
    made = Value(8.0, (a,), "cube")

    def closure() -> None:
        a.grad += 12.0 * made.grad

    made._backward = closure
    found = paths(made * 2 + a, a)
    assert [path.product for path in found] == [24.0, 1.0]
    assert found[0].formulas[0] is None and found.total == 25.0
    unknown = paths(Value(1.0, (a,), "nothing"), a)
    assert (unknown.count, unknown.total) == (0, 0.0)
    assert "no" in str(unknown)


@pytest.mark.parametrize("label", ["<script>", "a\nb", "\u202eevil", '"]]>', "w" * 10_000])
def test_hostile_labels(label: str) -> None:
    x = Value(2.0, label=label)
    found = paths(x * x, x)
    html = found._repr_html_()
    for written in (str(found), html):
        assert len(written) < 3_000
        assert "\u202e" not in written
        assert "w" * 50 not in written
    assert "<script" not in html
    marks = ["", found.notes[0]] if found.notes else []
    assert len(str(found).splitlines()) == 6 + len(marks)


def test_html() -> None:
    root, named = lecture()
    html = paths(root, named["a"], most=1)._repr_html_()
    assert html.count("<tr>") == 4
    assert "in sum" in html and "script" not in html
    assert paths(root, root)._repr_html_().startswith("<p>")


def test_bad_input() -> None:
    root, named = lecture()
    graph = snapshot(root)
    constant = next(value for value in autograd.topological_sort(root) if isinstance(value, autograd.Constant))
    for wrong in ((3.0, root), (root, 3.0)):
        with pytest.raises(TypeError, match=r"takes Values, got 3\.0 of type float"):
            paths(*wrong)
    for node in (constant, autograd.Constant(1.0)):
        with pytest.raises(TypeError, match="is a constant"):
            paths(root, node)
    for most in (-1, 2.0, True):
        with pytest.raises(ValueError, match="most is how many paths"):
            paths(root, named["a"], most=most)
    for x in (named["a"], snapshot(Value(2.0) * 3).nodes[0]):
        with pytest.raises(ValueError, match="x is a node of it"):
            paths(graph, x)


@pytest.mark.parametrize(
    ("formula", "written"),
    [("b", "b"), ("-b", "(−b)"), ("1 - L**2", "(1 − L**2)"), ("1/5", "1/5"), ("exp(a - b)", "exp(a − b)"), (None, "7")],
)
def test_factors(formula: str | None, written: str) -> None:
    assert factor(formula, "7") == written


def test_counts_in_words() -> None:
    assert spell_count(2**60) == "1,152,921,504,606,846,976"
    assert spell_count(10**30) == "about 1.0 × 10^30"
    assert spell_count(10**5000).endswith("× 10^5000")


def test_expressions_are_listed_though_they_have_no_size() -> None:
    x, z = sympy.symbols("x z", positive=True)
    a, b = Value(x, label="a"), Value(z, label="b")
    found = paths(a * b + a * a + a * 3, a)
    assert found.count == 4 and found.total == 2 * x + z + 3
    assert found[0].product == 3 and "total: d(+ #" in str(found)
    assert sorted([str(path.product) for path in found]) == ["3", "x", "x", "z"]


def test_large_exact_numbers_are_in_order() -> None:
    a = Value(Fraction(1, 3), label="a")
    root = autograd.sum([a * Fraction(10**400, 3), a * Fraction(2 * 10**400, 3), a * 2])
    assert [path.product for path in paths(root, a)] == [Fraction(2 * 10**400, 3), Fraction(10**400, 3), 2]
