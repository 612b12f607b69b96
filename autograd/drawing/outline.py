"""The outline: a graph as a tree of text, for terminals and screen readers."""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

from ..engine import Value
from ..symbols import Symbol, expression, text
from .figures import MINUS, aligned, figure, formula_text, grid, shortened, shown
from .ledger import MARKS, joined, short_name
from .snapshot import Edge, Node, Snapshot, counted, snapshot

LINES = 200  # what a reader may still want to scroll through
DEEPEST = 6  # levels of branches; what lies deeper is continued below, so that lines fit a terminal
LARGEST = 50_000  # nodes; a snapshot of so many takes seconds
LONGEST = 240  # characters of what an operation computes


class Row(NamedTuple):
    """One line: a node, and the branch by which it was reached."""

    branch: str  # "│  └─ "
    level: int  # how far below the root
    written: str  # "d = a*b", or "see d above"
    data: str
    grad: str
    formula: str  # of the local derivative of the node above with respect to this one; "" if it is only a number
    local: str  # ... and its number


class Outline:
    """A graph as a tree of text: `str()` is the text, and a notebook shows it.

    Attributes:
        rows: the lines, a `Row` each.
        left_out: how many nodes are not shown.
    """

    def __init__(self, graph: Snapshot, limit: int) -> None:
        self.graph, self.limit = graph, limit
        self.rows = tuple(rows_of(graph, limit))
        printed = sum([row.data != "" and not row.written.endswith(CONTINUED) for row in self.rows])
        self.left_out = sum([node.kind != "constant" for node in graph.nodes]) - printed

    @property
    def notes(self) -> list[str]:
        """The sentences below the tree: on what was left out, and on marks."""
        notes = []
        if len(self.rows) >= self.limit:
            rest = f"{self.left_out:,} more nodes" if self.left_out else "branches to nodes that are shown"
            notes.append(f"… and {rest}: tree(y, limit={2 * self.limit}) shows more, tree(x) what is below x.")
        if any("#" in row.written + row.formula for row in self.rows):
            notes.append(MARKS)
        return notes + self.graph.warnings

    def lines(self) -> list[str]:
        """The lines of the tree, figures aligned, below the heads of their columns and a rule."""
        return grid(
            [
                ["node", *[row.branch + row.written for row in self.rows]],
                ["data", *aligned([row.data for row in self.rows])],
                ["grad", *aligned([row.grad for row in self.rows])],
                ["local derivative", *joined([row.formula for row in self.rows], [row.local for row in self.rows])],
            ]
        )

    def __str__(self) -> str:
        notes = [f"\n{note}" for note in self.notes]
        return "\n".join([*self.lines(), *notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The text, each line with words of its own for those who hear it and not the signs of the tree."""
        heads, rule, *lines = self.lines()
        spoken = [
            f'<span role="img" aria-label="{escape(in_words(row))}">{escape(line)}</span>'
            for row, line in zip(self.rows, lines, strict=True)
        ]
        hidden = [f'<span aria-hidden="true">{line}</span>' for line in (heads, rule)]
        notes = [f"\n{escape(note)}" for note in self.notes]
        return (
            '<pre style="overflow-x: auto; font-family: monospace">' + "\n".join([*hidden, *spoken, *notes]) + "</pre>"
        )


CONTINUED, BELOW = " (continued)", ", see below"


def tree(root: Value | Snapshot, limit: int = LINES) -> Outline:
    """The graph below `root` as a tree of text: the root first, below each node what it was made from.

    A line has the node's number and its gradient, "–" where that was not computed yet, and the local derivative of the node
    above it with respect to this one, as formula and number. A node that was used more than once stands there once, and
    elsewhere as "see d above". Constants stand in the operation that they are part of. Branches of more than 6 levels are
    continued further down.

    Args:
        root: the result, or a snapshot of its graph.
        limit: the most lines; a sentence says how much was left out.

    Raises TypeError if `root` is not a Value, ValueError if `limit` is not positive or the graph has over 50,000 nodes.
    """
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise ValueError(f"limit is the most lines to show, a positive int, got {limit!r:.80}")
    if isinstance(root, Value) and counted(root, LARGEST) > LARGEST:
        raise ValueError(f"the graph has more than {LARGEST:,} nodes: give tree() one of its parts, tree(x)")
    return Outline(root if isinstance(root, Snapshot) else snapshot(root), limit)


def rows_of(graph: Snapshot, limit: int) -> Iterator[Row]:
    """The lines of the tree, at most `limit`."""
    seen: set[int] = set()
    starts = deque([graph.root.id])
    count = 0
    while starts:
        stack: list[tuple[int, Edge | None, tuple[bool, ...]]] = [(starts.popleft(), None, ())]
        while stack:
            i, edge, path = stack.pop()  # path: at each level, whether it was the last branch there
            if count == limit:
                return
            count += 1
            node = graph.nodes[i]
            branches = [e for e in node.edges if graph.nodes[e.parent].kind != "constant"]
            fresh = i not in seen or edge is None
            written = head(graph, node) if fresh else f"see {called(graph, node)} above"
            if fresh and i in seen:
                written += CONTINUED
            elif fresh and branches and len(path) == DEEPEST:
                written += BELOW
                starts.append(i)
                branches = []
            yield Row(
                branch_of(path),
                len(path),
                written,
                figure(node.data) if fresh else "",
                figure(node.grad) if fresh else "",
                formula_text(edge.formula) if edge and edge.local is not None else "",
                figure(edge.local) if edge else "",
            )
            if fresh:
                stack += [(e.parent, e, (*path, e is branches[-1])) for e in reversed(branches)]
            seen.add(i)


def branch_of(path: Sequence[bool]) -> str:
    """The signs before a node: a line down where more branches follow, and its own branch."""
    if not path:
        return ""
    return "".join(["   " if last else "│  " for last in path[:-1]]) + ("└─ " if path[-1] else "├─ ")


def in_words(row: Row) -> str:
    """A line as it is read out."""
    words = [f"level {row.level}: {row.written}" if row.level else row.written]
    if row.data:
        words += [f"data {row.data}", "gradient not computed" if row.grad == "–" else f"gradient {row.grad}"]
    if row.local:
        words.append(
            f"local derivative {row.formula} = {row.local}" if row.formula else f"local derivative {row.local}"
        )
    return ", ".join(words)


# ---- what a node is called -----------------------------------------------------------------------------------------


def head(graph: Snapshot, node: Node) -> str:
    """A node as its line begins: its name, and what it computes in the names of its parents: "d = a*b"."""
    if not node.edges:
        return short_name(node.name)
    name = short_name(f"{node.label} {node.mark}".strip())
    if node.kind == "group":
        return f"{name}: {shown(node.operation, 24)}"
    return f"{name} = {computed(graph, node)}" if name else computed(graph, node)


def called(graph: Snapshot, node: Node) -> str:
    """A node as others refer to it."""
    if node.label or not node.edges:
        return short_name(node.name)
    return node.mark or computed(graph, node)


def computed(graph: Snapshot, node: Node) -> str:
    """An operation as one writes it, in the names of its parents: "a*b", "tanh(e)", "· + 5"; "·" has no name."""
    parents = [graph.nodes[i] for i in node.parents]
    places = [f"operand{i}" for i in range(len(parents))]
    written = expression(node.rule, [Symbol(place) for place in places]) if node.rule else None
    if written is None:
        operands = [operand(parent) for parent in parents[:6]] + ["…"] * (len(parents) > 6)
        return shortened(f"{shown(node.operation, 24) or 'made'}({', '.join(operands)})", 48)
    names = [x if re.fullmatch(r"[\w.#·]+", x) else f"({x})" for x in map(operand, parents)]
    return shown(formula_text(text(written, dict(zip(places, names, strict=True)))), LONGEST)


def operand(node: Node) -> str:
    """What stands for a node in the operation that uses it: a label, a number, a mark, or else a dot."""
    if node.label:
        return short_name(node.name)
    if node.edges:
        return node.mark or "·"
    try:
        short = text(Symbol(node.data)).replace("-", MINUS)
    except TypeError:
        return figure(node.data)
    return short if len(short) <= 8 else figure(node.data)
