"""The ledger: one backward sweep as a table, a row for each contribution in the order in which they are made."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, overload

from ..engine import Value
from .figures import aligned, columns, figure, formula_text, grid, shown
from .snapshot import Snapshot, snapshot


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
        return table(self.rows)

    __repr__ = __str__


def ledger(root: Value | Snapshot) -> Ledger:
    """The backward sweep from `root`, as records of what every node hands to each of its parents.

    It replays the sweep from the recorded numbers, from gradients of 0 and without touching any `grad`, so it can be read
    before `backward()` as well as after. Constants take no gradient and have no row; to what a choice such as `maximum`
    did not choose the contribution is exactly 0. A node made by hand without a derivative hands nothing on.

    Raises TypeError if `root` is not a Value.
    """
    graph = root if isinstance(root, Snapshot) else snapshot(root)
    names = unique_names(graph)
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
                    names[node.id],
                    names[parent.id],
                    upstream,
                    edge.local,
                    edge.formula,
                    contribution,
                    zero if before is None else before,
                    grads.get(parent.id, zero),
                )
            )
    return Ledger(rows)


def unique_names(graph: Snapshot) -> list[str]:
    """What each node is called: its label or else its operation, with its id where several have the same."""
    names = [node.label or node.operation or node.kind for node in graph.nodes]
    count = Counter(names)
    return [name if count[name] == 1 else f"{name} #{node.id}" for node, name in zip(graph.nodes, names, strict=True)]


def table(rows: Sequence[Contribution]) -> str:
    """The rows as text, figures aligned at their decimal points."""
    locals_ = aligned([figure(row.local_derivative) for row in rows])
    formulas = [formula_text(row.formula or "") for row in rows]
    formulas = [
        f"{formula} = " if formula and formula != "".join(value.split()) else ""
        for formula, value in zip(formulas, locals_, strict=True)
    ]
    width = max([columns(formula) for formula in formulas], default=0)
    befores, afters = (
        aligned([figure(row.grad_before) for row in rows]),
        aligned([figure(row.grad_after) for row in rows]),
    )
    cells = [
        ["node", *[shown(row.node, 24) for row in rows]],
        ["parent", *[shown(row.parent, 24) for row in rows]],
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
    return "\n".join(grid(cells))
