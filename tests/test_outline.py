"""The outline: a graph as a tree of text; and the ledger as notebooks and DataFrames see it."""

import re
from html.parser import HTMLParser

import graphs
import pytest

import autograd
from autograd import Value
from autograd.drawing import ledger, snapshot
from autograd.drawing.ledger import Contribution
from autograd.drawing.outline import Outline, tree


def lecture() -> Value:
    return graphs.lecture()[0]


def test_the_tree() -> None:
    root = lecture()
    root.backward()
    assert str(tree(root)).splitlines() == [
        "node              data     grad     local derivative",
        "──────────────────────────────────────────────────────",
        "L = tanh(e)        0.6640   1.000",
        "└─ e = ·/5         0.8000   0.5591  1 − L**2 =  0.5591",
        "   └─ d + c        4.000    0.1118       1/5 =  0.2000",
        "      ├─ d = a*b  −6.000    0.1118              1.000",
        "      │  ├─ a      2.000   −0.3354         b = −3.000",
        "      │  └─ b     −3.000    0.2236         a =  2.000",
        "      └─ c        10.00     0.1118              1.000",
    ]
    assert repr(tree(root)) == str(tree(root)) == str(tree(snapshot(root)))


def test_a_gradient_that_was_not_computed_is_a_dash() -> None:
    assert {row.grad for row in tree(lecture()).rows} == {"–"}


def test_a_shared_node_stands_once() -> None:
    a = Value(2.0, label="a")
    d = a * a
    d.label = "d"
    root = d * d.exp() + a
    written = [row.written for row in tree(root).rows]
    assert written == ["· + a", "d*·", "d = a*a", "a", "see a above", "exp(d)", "see d above", "see a above"]
    assert all(row.data == row.grad == "" for row in tree(root).rows if row.written.startswith("see"))


def test_marks_are_explained() -> None:
    a, b = Value(0.5, label="a"), Value(1.5, label="b")
    assert "#: a node's number" not in str(tree(a * b + a))
    text = str(tree(a * b + a * a))
    assert "#: a node's number" in text
    assert set(re.findall(r"#\d+", text)) <= {node.mark for node in snapshot(a * b + a * a).nodes}


def test_constants_stand_in_their_operation() -> None:
    a = Value(2.0, label="a")
    for root, written in (
        (2 - a, "2 − a"),
        (a**3, "a**3"),
        (a * -1.5, "a*(−1.5)"),
        (autograd.dot([a, 1], [3, a]), "dot(a, 1, 3, a)"),
        (autograd.sum([a] * 9), "sum(a, a, a, a, a, a, …)"),
        (-a, "−a"),
        (a.leaky_relu(0.2), "leaky_relu(a, 0.2)"),
        (Value(1.0, (a,), "hand"), "hand(a)"),
    ):
        assert tree(root).rows[0].written == written
        assert {row.written for row in tree(root).rows[1:]} <= {"a", "see a above"}


def test_deep_branches_are_continued_below() -> None:
    y = Value(0.5, label="x")
    for _ in range(40):
        y = y.sin()
    found = tree(y)
    assert found.left_out == 0
    assert max([row.level for row in found.rows]) == 6
    assert max(map(len, str(found).splitlines())) <= 96
    below = [row.written.removesuffix(", see below") for row in found.rows if row.written.endswith("below")]
    assert len(below) == 6
    assert [row.written.removesuffix(" (continued)") for row in found.rows if row.level == 0][1:] == below


def test_what_is_left_out_is_said() -> None:
    x = y = Value(0.5, label="x")
    for _ in range(50):
        y = y.sin() + x
    found = tree(y, limit=10)
    assert len(found.rows) == 10
    once = [row for row in found.rows if row.data and not row.written.endswith("(continued)")]
    assert found.left_out == 101 - len(once)
    assert f"… and {found.left_out} more nodes: tree(y, limit=20) shows more" in str(found)
    assert "more nodes" not in str(tree(y, limit=1000))
    assert tree(y, limit=1000).left_out == 0
    assert "more nodes" not in str(tree(Value(2.0) * Value(3.0), limit=3))  # exactly as many as there are


def test_a_graph_of_any_size_ends_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    x = y = Value(0.5)
    for _ in range(200_000):
        y = y + x
    with monkeypatch.context() as patched:
        patched.setattr(autograd.drawing.outline, "snapshot", None)  # it would fail
        with pytest.raises(ValueError, match=r"more than 50,000 nodes: give tree\(\) one of its parts"):
            tree(y)
    part = y
    for _ in range(190_000):
        part = part.parents[0]
    assert len(tree(part).rows) == 200


@pytest.mark.parametrize(
    "label", ["<script>alert(1)</script>", "a\nb\u2028c", "\u202eevil\u2066", '"]]>&', "w" * 10_000]
)
def test_hostile_labels(label: str) -> None:
    root = Value(2.0, label=label) * 3
    plain = tree(Value(2.0, label="x") * 3)
    found = tree(root)
    assert len(str(found).splitlines()) == len(str(plain).splitlines())
    assert max(map(len, str(found).splitlines())) < 100
    html = found._repr_html_()
    for written in (str(found), html, str(ledger(root)), ledger(root)._repr_html_()):
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u2028]", written)
    assert tags(html) == tags(plain._repr_html_())
    assert tags(ledger(root)._repr_html_()) == tags(ledger(Value(2.0, label="x") * 3)._repr_html_())


def tags(html: str) -> list[tuple[str, list[str]]]:
    """The elements of a page and the names of their attributes."""
    found = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            found.append((tag, [name for name, _ in attributes]))

    Reader().feed(html)
    return found


def test_a_notebook_reads_it_out() -> None:
    html = tree(lecture())._repr_html_()
    assert html.startswith("<pre")
    assert 'aria-label="level 4: a, data 2.000, gradient not computed, local derivative b = −3.000"' in html
    assert html.count('role="img"') == 7


def test_only_values_and_sensible_limits() -> None:
    with pytest.raises(TypeError, match=r"expected the Value.*got 3.5"):
        tree(3.5)
    for limit in (0, -1, 2.5, None, True):
        with pytest.raises(ValueError, match="most lines"):
            tree(Value(1.0), limit=limit)
    assert isinstance(tree(Value(1.0)), Outline)
    assert "leaf" in str(tree(Value(1.0)))


# ---- the ledger ----------------------------------------------------------------------------------------------------


@pytest.mark.peers
def test_a_ledger_is_ready_for_a_data_frame() -> None:
    import pandas

    rows = ledger(lecture())
    assert all(isinstance(row, Contribution) for row in rows)
    frame = pandas.DataFrame(rows)
    assert list(frame.columns) == list(Contribution._fields)
    assert len(frame) == 6
    assert frame[frame.parent == "a"].contribution.sum() == rows[-2].contribution


def test_a_long_ledger_is_cut_where_it_is_shown_and_nowhere_else() -> None:
    y = Value(0.5, label="x")
    for _ in range(1_000):
        y = y.sin()
    rows = ledger(y)
    assert len(rows) == len(list(rows)) == 1_000
    lines = str(rows).splitlines()
    assert lines[152] == "… 800 more rows, which are in the records: rows[150:950]"
    assert lines[202].split()[:3] == ["sin", "#1", "x"]
    assert rows._repr_html_().count("<tr>") == 202
    assert "more rows" not in str(rows[:200]) + rows[:200]._repr_html_()
    assert len(str(rows[:201])) > len(str(rows[:200]))


def test_a_notebook_shows_the_ledger_as_a_table() -> None:
    html = ledger(lecture())._repr_html_()
    assert html.count("<tr>") == 7
    assert html.count('scope="col"') == 6
    assert "1 − L**2 = " in html and "script" not in html and "color:" not in html  # the reader's own
    assert ledger(Value(1.0))._repr_html_().startswith("<p>Nothing flows")
