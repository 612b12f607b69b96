"""The ledger: one backward sweep as a table, a row for each contribution in the order in which they are made."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, overload

from ..engine import Value
from .figures import aligned, columns, figure, formula_text, grid, shown
from .snapshot import MOST_SWEPT, Node, Snapshot, refuse_too_large, snapshot, unknown
from .tables import html_table

NOTHING = "Nothing flows: a leaf has no parents that it could hand its gradient to."
MARKS = "#: a node's number, where its name would not tell which node is meant; drawings show the same."

HEADS = ("node", "parent", "upstream", "", "local derivative", "", "contribution", "parent's grad")
LONGEST = 200  # rows that are shown; the records are all there
SHOWN_FIRST = 150  # of these the first, the rest are the last ones


class Contribution(NamedTuple):
    """What one node hands to one parent: upstream x local derivative = contribution, added to the parent's grad."""

    node: str
    parent: str
    upstream: Any  # the gradient of the node, complete by now
    local_derivative: Any  # d node / d parent, as a number
    formula: str | None  # the same as text
    contribution: Any
    grad_before: Any  # the parent's gradient in this sweep, before and after
    grad_after: Any


class Ledger(Sequence[Contribution]):
    """The contributions of one sweep, in order: a sequence of records. `str()` is a table, and a notebook shows one.

    `pandas.DataFrame(ledger(y))` has the columns node, parent, upstream, local_derivative, formula, contribution, grad_before
    and grad_after. Of more than 200 rows the table shows the first and the last; the records are all there.
    """

    def __init__(self, rows: Sequence[Contribution], warnings: Sequence[str] = ()) -> None:
        self.rows, self.warnings = tuple(rows), tuple(warnings)

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Contribution: ...
    @overload
    def __getitem__(self, index: slice) -> "Ledger": ...
    def __getitem__(self, index: int | slice) -> "Contribution | Ledger":
        return Ledger(self.rows[index], self.warnings) if isinstance(index, slice) else self.rows[index]

    def __iter__(self) -> Iterator[Contribution]:
        return iter(self.rows)

    def __str__(self) -> str:
        if not self.rows:
            return NOTHING
        lines = grid([[head, *column] for head, column in zip(HEADS, zip(*self.cells(), strict=True), strict=True)])
        if self.left_out:  # heads, a rule, then the rows
            lines.insert(2 + SHOWN_FIRST, self.left_out)
        return "\n".join(lines + [f"\n{note}" for note in self.notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        if not self.rows:
            return f"<p>{NOTHING}</p>"
        cells = self.cells()
        if self.left_out:
            cells.insert(SHOWN_FIRST, ("…", *[""] * (len(HEADS) - 1)))
        notes = [self.left_out, *self.notes] if self.left_out else self.notes
        return html_table(HEADS, cells, notes, left=(0, 1))

    @property
    def shown(self) -> tuple[Contribution, ...]:
        """The rows that the table shows."""
        if len(self.rows) <= LONGEST:
            return self.rows
        return self.rows[:SHOWN_FIRST] + self.rows[SHOWN_FIRST - LONGEST :]

    @property
    def left_out(self) -> str:
        """A sentence on the rows that the table does not show; "" if it shows all."""
        count = len(self.rows) - len(self.shown)
        return (
            f"… {count:,} more rows, which are in the records: rows[{SHOWN_FIRST}:{SHOWN_FIRST + count}]"
            if count
            else ""
        )

    @property
    def notes(self) -> list[str]:
        """The sentences below the table: on marks, where there are some, and warnings."""
        marked = any("#" in f"{row.node} {row.parent} {row.formula}" for row in self.shown)
        return [*[MARKS] * marked, *self.warnings]

    def cells(self) -> list[tuple[str, ...]]:
        """The rows that are shown as texts, figures aligned at their decimal points."""
        rows = self.shown
        befores, afters = (
            aligned([figure(x) for x in column]) for column in zip(*[row[-2:] for row in rows], strict=True)
        )
        return list(
            zip(
                [short_name(row.node) for row in rows],
                [short_name(row.parent) for row in rows],
                aligned([figure(row.upstream) for row in rows]),
                ["×"] * len(rows),
                equations([row.formula for row in rows], [row.local_derivative for row in rows]),
                ["="] * len(rows),
                aligned([figure(row.contribution) for row in rows]),
                [f"{before} → {after}" for before, after in zip(befores, afters, strict=True)],
                strict=True,
            )
        )


def ledger(root: Value | Snapshot, limit: int | None = MOST_SWEPT) -> Ledger:
    """The backward sweep from `root`, as records of what every node hands to each of its parents.

    It replays the sweep from the recorded numbers, from gradients of 0 and without touching any `grad`, so it can be read
    before `backward()` as well as after; it is this one sweep, where `grad` and drawings have the sum of all that were run.
    Constants take no gradient and have no row; to what a choice such as `maximum` did not choose the contribution is
    exactly 0. A node made by hand without a derivative hands nothing on.

    Args:
        root: the result, or a snapshot of its graph.
        limit: more nodes than these are refused; None for any number.

    Raises TypeError if `root` is not a Value; ValueError for a graph that is too large, for folded parts with several
    outputs, and for a closure made by hand that is not linear, since no one number goes back through these.
    """
    refuse_too_large(root, limit, "ledger()")
    graph = root if isinstance(root, Snapshot) else snapshot(root)
    grads: dict[int, Any] = {graph.root.id: graph.seed}
    zero = graph.seed * 0
    rows = []
    for node, operand in steps(graph):
        edge = node.edges[operand]
        parent, upstream, before = graph.nodes[edge.parent], grads.get(node.id, zero), grads.get(edge.parent)
        contribution = upstream * edge.local if edge.carries else zero
        if edge.carries:  # a first contribution is taken as it is, like the engine does
            grads[parent.id] = contribution if before is None else before + contribution
        rows.append(
            Contribution(
                node.name,
                parent.name,
                upstream,
                edge.local,
                edge.formula,
                contribution,
                zero if before is None else before,
                grads.get(parent.id, zero),
            )
        )
    return Ledger(rows, graph.warnings)


def steps(graph: Snapshot) -> Iterator[tuple[Node, int]]:
    """The contributions of a sweep in their order, as (node, operand). Raises ValueError where one cannot be known."""
    for node in reversed(graph.nodes):
        for operand, edge in enumerate(node.edges):
            parent = graph.nodes[edge.parent]
            if edge.unknown or parent.outputs:
                raise unknown(node, parent)
            if edge.local is not None and parent.kind != "constant":
                yield node, operand


def equations(formulas: Sequence[str | None], numbers: Sequence[Any]) -> list[str]:
    """ "1 − L**2 = 0.5591": a column of local derivatives; no formula that is only a number."""
    return joined(list(map(formula_text, formulas)), [figure(x) for x in numbers])


def joined(formulas: Sequence[str], figures: Sequence[str]) -> list[str]:
    """A column of "formula = figure", or "figure" where the formula is "", with signs and figures aligned."""
    left = [f"{formula} = " if formula else "" for formula in formulas]
    width = max(map(columns, left), default=0)
    return [" " * (width - columns(formula)) + formula + x for formula, x in zip(left, aligned(figures), strict=True)]


def short_name(name: str) -> str:
    """A node's name with its label cut, but never its mark."""
    label, space, mark = name.rpartition(" #")
    return shown(label, 24) + space + mark if mark.isdecimal() else shown(name, 24)
