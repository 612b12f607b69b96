"""The ledger: one backward sweep as a table, a row for each contribution in the order in which they are made."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, overload

from ..engine import Value
from .figures import aligned, columns, figure, formula_text, grid, shown
from .snapshot import Snapshot, snapshot

NOTHING = "Nothing flows: a leaf has no parents that it could hand its gradient to."
MARKS = "#: a node's number, where its name would not tell which node is meant; drawings show the same."


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
    """The contributions of one sweep, in order. `str()` is a table; a DataFrame takes it as it is."""

    def __init__(self, rows: Sequence[Contribution]) -> None:
        self.rows = tuple(rows)

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Contribution: ...
    @overload
    def __getitem__(self, index: slice) -> "Ledger": ...
    def __getitem__(self, index: int | slice) -> "Contribution | Ledger":
        return Ledger(self.rows[index]) if isinstance(index, slice) else self.rows[index]

    def __iter__(self) -> Iterator[Contribution]:
        return iter(self.rows)

    def __str__(self) -> str:
        return table(self.rows) if self.rows else NOTHING

    __repr__ = __str__


def ledger(root: Value | Snapshot) -> Ledger:
    """The backward sweep from `root`, as records of what every node hands to each of its parents.

    It replays the sweep from the recorded numbers, from gradients of 0 and without touching any `grad`, so it can be read
    before `backward()` as well as after. Constants take no gradient and have no row; to what a choice such as `maximum`
    did not choose the contribution is exactly 0. A node made by hand without a derivative hands nothing on.

    Raises TypeError if `root` is not a Value.
    """
    graph = root if isinstance(root, Snapshot) else snapshot(root)
    one = 1.0 if isinstance(graph.root.data, float) else 1
    grads: dict[int, Any] = {graph.root.id: one}
    zero = one * 0
    rows = []
    for node in reversed(graph.nodes):
        upstream = grads.get(node.id, zero)
        for edge in node.edges:
            parent = graph.nodes[edge.parent]
            if parent.kind == "constant" or edge.local is None:
                continue
            before = grads.get(parent.id)
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
    return Ledger(rows)


def table(rows: Sequence[Contribution]) -> str:
    """The rows as text, figures aligned at their decimal points."""
    locals_ = aligned([figure(row.local_derivative) for row in rows])
    formulas = [f"{formula} = " if formula else "" for formula in [formula_text(row.formula) for row in rows]]
    width = max([columns(formula) for formula in formulas], default=0)
    befores, afters = (
        aligned([figure(row.grad_before) for row in rows]),
        aligned([figure(row.grad_after) for row in rows]),
    )
    cells = [
        ["node", *[short_name(row.node) for row in rows]],
        ["parent", *[short_name(row.parent) for row in rows]],
        ["upstream", *aligned([figure(row.upstream) for row in rows])],
        ["", *["×"] * len(rows)],
        [
            "local derivative",
            *[" " * (width - columns(f)) + f + value for f, value in zip(formulas, locals_, strict=True)],
        ],
        ["", *["="] * len(rows)],
        ["contribution", *aligned([figure(row.contribution) for row in rows])],
        ["parent's grad", *[f"{before} → {after}" for before, after in zip(befores, afters, strict=True)]],
    ]
    lines = grid(cells)
    if any("#" in f"{row.node} {row.parent} {row.formula}" for row in rows):
        lines += ["", MARKS]
    return "\n".join(lines)


def short_name(name: str) -> str:
    """A node's name with its label cut, but never its mark."""
    label, space, mark = name.rpartition(" #")
    return shown(label, 24) + space + mark if mark.isdecimal() else shown(name, 24)
