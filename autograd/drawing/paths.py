"""Paths: dy/dx as the chain rule has it, a sum over every path from x to y of the product of its local derivatives."""

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, NamedTuple, overload

from ..engine import Constant, Value, gradients, topological_sort
from .figures import MINUS, aligned, columns, figure, formula_text, pad, shown
from .ledger import MARKS, short_name
from .snapshot import MOST_SWEPT, Node, Snapshot, refuse_too_large, snapshot, unknown
from .tables import html_table

WIDE = 100  # columns; a table that is wider has each path's arithmetic on a line of its own
LONG = 8  # nodes of a path that are all written; of a longer one the first and the last
EXACT = 10**30  # counts below are written with all their digits


class Path(NamedTuple):
    """One way from x to y: its nodes, and the local derivative of each with respect to the one before it."""

    nodes: tuple[Any, ...]  # from x to y: Values, or the snapshot's nodes if a snapshot was given
    names: tuple[str, ...]  # as in the ledger: "a", "* #4"
    edges: tuple[tuple[int, int], ...]  # (id of the node, number of the operand) of each step, as in the drawing
    local_derivatives: tuple[Any, ...]  # one per step, x's first
    formulas: tuple[str | None, ...]  # the same as text
    product: Any  # of the local derivatives; exactly 0 if a choice on the way did not choose this path

    def __str__(self) -> str:
        way, *arithmetic = as_texts(self)
        return f"{way}   {' = '.join([part for part in arithmetic if part])}"


class Paths:
    """dy/dx as a sum over paths: those that are listed, by index or one after the other, the largest |product| first.

    Attributes:
        count: how many paths there are in all, an exact int.
        total: the sum of all products: dy/dx, bit for bit what a sweep gives.
        rest: the sum of the products that are not listed.
    """

    def __init__(
        self,
        listed: Sequence[Path],
        count: int,
        total: Any,
        rest: Any,
        ends: tuple[Node | None, Node],
        warnings: Sequence[str] = (),
        apart: str = "",
    ) -> None:
        self.listed, self.count, self.total, self.rest = tuple(listed), count, total, rest
        self.ends, self.warnings = ends, tuple(warnings)
        self.apart = apart  # what x is called where it is no part of the graph

    def __len__(self) -> int:
        return len(self.listed)

    @overload
    def __getitem__(self, index: int) -> Path: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Path, ...]: ...
    def __getitem__(self, index: int | slice) -> Path | tuple[Path, ...]:
        return self.listed[index]

    def __iter__(self) -> Iterator[Path]:
        return iter(self.listed)

    @property
    def derivative(self) -> str:
        """What the sum is called: "dL/da"."""
        x, y = self.ends
        start = short_name(x.name) if x else self.apart
        names = [name if name.isalnum() else f"({name})" for name in (short_name(y.name), start)]
        return f"d{names[0]}/d{names[1]}"

    @property
    def heading(self) -> str:
        """One sentence that says what the table shows."""
        x, y = self.ends
        if x is None:
            return f"{self.derivative} = 0: {short_name(y.name)} does not depend on {self.apart}, there is no path."
        if x is y:
            return f"{self.derivative} = 1: it is the same node, and the path has no steps."
        start, end = short_name(x.name), short_name(y.name)
        if not self.count:
            return f"{self.derivative} = {figure(self.total)}: from {start} to {end} no local derivatives are known."
        if self.count == 1:
            return f"{self.derivative} is the product of the local derivatives on the one path from {start} to {end}:"
        several = f"the sum over {spell_count(self.count)} paths from {start} to {end}"
        return f"{self.derivative} is {several}, of the product of the local derivatives on it:"

    @property
    def sums(self) -> list[tuple[str, str]]:
        """What stands below the paths: (words, number)."""
        left_out = self.count - len(self)
        rest = [
            (f"… and {spell_count(left_out)} more {'paths' if left_out > 1 else 'path'}, in sum", figure(self.rest))
        ]
        return rest * (left_out > 0) + [(f"total: {self.derivative}", figure(self.total))]

    @property
    def notes(self) -> list[str]:
        """The sentences below the table: on marks, where there are some, and warnings."""
        marked = any("#" in f"{path.names}{path.formulas}" for path in self.listed)
        return [*[MARKS] * marked, *self.warnings]

    def cells(self) -> list[tuple[str, str, str]]:
        """The lines of the table: a path, its arithmetic and its product; then the sums."""
        texts = [as_texts(path) for path in self.listed]
        widths = [max([columns(text[part]) for text in texts], default=0) for part in (1, 2)]
        arithmetic = []
        for _, formulas, factors, _ in texts:
            sign = "=" if formulas and factors else " "
            both = [pad(formulas, widths[0]), sign, pad(factors, widths[1])]
            arithmetic.append(" ".join(both) if all(widths) else both[2 if widths[1] else 0])
        rows = [(text[0], middle, text[3]) for text, middle in zip(texts, arithmetic, strict=True)]
        rows += [(words, "", number) for words, number in self.sums]
        numbers = aligned([number for _, _, number in rows])
        return [(way, middle, number) for (way, middle, _), number in zip(rows, numbers, strict=True)]

    @property
    def has_steps(self) -> bool:
        """Whether there is anything to show in a table."""
        return self.count > 0 and self.ends[0] is not self.ends[1]

    def __str__(self) -> str:
        if not self.has_steps:
            return self.heading
        cells = self.cells()
        first, second = (max([columns(row[part]) for row in cells]) for part in (0, 1))
        wide = first + second + columns(cells[0][2]) + 6 > WIDE
        lines = []
        for i, (way, middle, number) in enumerate(cells):
            if i == len(self) > 0:
                lines.append("")
            if wide and middle.strip():
                lines += [way, f"    {' '.join(middle.split())} = {number.strip()}"]
            elif wide:
                lines.append(f"{way} = {number.strip()}")
            else:
                lines.append(f"{pad(way, first)}   {pad(middle, second)} = {number}".rstrip())
        return "\n".join([self.heading, "", *lines, *[f"\n{note}" for note in self.notes]])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        if not self.has_steps:
            return f"<p>{escape(self.heading)}</p>"
        rows = [(way, number, arithmetic) for way, arithmetic, number in self.cells()]  # the widest last: it may scroll
        heads = ("path", "product", "local derivatives")
        return html_table(heads, rows, self.notes, left=(0, 2), caption=self.heading)


def paths(y: Value | Snapshot, x: Any, most: int = 10, limit: int | None = MOST_SWEPT) -> Paths:
    """dy/dx as a sum over the paths from x to y, each the product of its local derivatives, the largest |product| first.

    All are counted, and summed, without being listed: 2**60 paths take no longer than 60. A path by which a
    choice (`maximum`, `relu`, ...) carries nothing is counted, as it is there in the drawing; its product is exactly 0.
    Where an operand comes twice, as in `a * a`, there are two paths. Of paths with the same |product| the one whose nodes
    have the smaller numbers comes first; NaN comes before all numbers, and what has no size, as an expression, after them.
    It is one sweep from y that is told, where `grad` has the sum of all that were run.

    >>> a = Value(3.0, label="a")
    >>> paths(a * a + a, a).count
    3

    Args:
        y: the result, or a snapshot of its graph.
        x: the Value to differentiate with respect to, a leaf or any other; with a snapshot, a node of it.
        most: how many paths are listed.
        limit: more nodes than these are refused; None for any number.

    Raises TypeError for what is no Value, and for a constant, which takes no gradient; ValueError if `most` is negative,
    for a graph that is too large, for a node that is no part of the snapshot, and, on the way from x to y, for a folded part
    with several outputs and for a closure made by hand that is not linear, which have no local derivatives.
    """
    if isinstance(most, bool) or not isinstance(most, int) or most < 0:
        raise ValueError(f"most is how many paths to list, an int of 0 or more, got {most!r:.80}")
    nodes: tuple[Any, ...]
    if isinstance(y, Snapshot):
        graph, nodes = y, tuple(y.nodes)
        if not isinstance(x, Node) or x not in graph.nodes[x.id : x.id + 1]:
            raise ValueError(f"with a snapshot, x is a node of it, such as snapshot.nodes[0]; got {x!r:.80}")
        start: Node | None = x
    else:
        for given in (y, x):
            if not isinstance(given, Value):
                raise TypeError(
                    f"paths(y, x) takes Values, got {given!r:.80} of type {type(given).__name__}"
                    + "; pass the variable itself, not its name" * isinstance(given, str)
                )
        refuse_too_large(y, limit, "paths()")
        graph, nodes = snapshot(y), tuple(topological_sort(y))
        start = next((node for node, value in zip(graph.nodes, nodes) if value is x), None)
    if (start and start.kind == "constant") or isinstance(x, Constant):
        raise TypeError(f"{x!r:.80} is a constant, a plain number that met a Value: it takes no gradient")
    if start is None:
        return Paths((), 0, 0.0, 0.0, (None, graph.root), apart=shown(x.label or "that Value"))
    found = Search(graph, start, most)
    total = (
        found.total if isinstance(y, Snapshot) else gradients(y, x)
    )  # the same, but where a closure made by hand adds up
    listed = [
        as_path(graph, nodes, start, steps, found.zero if product is None else product)
        for product, steps in found.listed
    ]
    return Paths(listed, found.count, total, found.rest(), (start, graph.root), graph.warnings)


Step = tuple[int, int]  # one edge: (id of the node, number of the operand)


class Search:
    """The number of paths, their sum and the best of them, found node by node: no path is followed to its end but the best.

    A product of None is that of a path that a choice cut: exactly 0, whatever else is multiplied.
    """

    def __init__(self, graph: Snapshot, x: Node, most: int) -> None:
        self.graph, self.x = graph, x
        self.one = graph.seed
        self.zero = self.one * 0
        self.tangents = self.forward()
        self.count, self.total = self.sweep()
        self.listed = self.best(most)

    def leading(self, node: Node) -> list[tuple[int, int, Any]]:
        """(operand, parent, local derivative) of a node, as far as they lead to x; None where a choice carries nothing."""
        found = [(place, edge) for place, edge in enumerate(node.edges) if edge.parent in self.tangents]
        for _, edge in found:
            parent = self.graph.nodes[edge.parent]
            if edge.unknown or (edge.local is None and (node.outputs or parent.outputs)):
                raise unknown(node, parent)
        return [
            (place, edge.parent, edge.local if edge.carries else None)
            for place, edge in found
            if edge.local is not None
        ]

    def forward(self) -> dict[int, Any]:
        """d node / d x of every node between x and the root, its paths from x summed up."""
        self.edges: dict[int, list[tuple[int, int, Any]]] = {self.x.id: []}
        tangents = self.tangents = {self.x.id: self.one}
        for node in self.graph.nodes[self.x.id + 1 :]:
            edges = self.leading(node)
            if edges:
                self.edges[node.id] = edges
                terms = [local * tangents[parent] for _, parent, local in edges if local is not None]
                tangents[node.id] = total(terms, self.zero)
        return tangents

    def above(self) -> list[int]:
        """The nodes between the root and x, from the root down; none if there is no path."""
        ids = [i for i in reversed(range(self.x.id, self.graph.root.id + 1)) if i in self.tangents]
        return ids if self.graph.root.id in self.tangents else []

    def sweep(self) -> tuple[int, Any]:
        """How many paths there are, and their sum, added up as the engine does."""
        counts, grads = {self.graph.root.id: 1}, {self.graph.root.id: self.one}
        for i in self.above():
            if i == self.x.id or i not in counts:
                continue
            count, upstream = counts.pop(i), grads.pop(i, self.zero)
            for _, parent, local in self.edges[i]:
                counts[parent] = counts.get(parent, 0) + count
                if local is not None:
                    term = upstream * local
                    grads[parent] = grads[parent] + term if parent in grads else term
        count = counts.get(self.x.id, 0)
        return count, grads.get(self.x.id, self.zero if count else 0.0)

    def best(self, most: int) -> list[tuple[Any, list[Step]]]:
        """The largest products, each with its steps from the root down.

        What is best below a node begins with what is best down to it, so that each node keeps its `most` best.
        """
        # From the root to a node: (product, the node before, its operand, its place among the best of the node before)
        ways: dict[int, list[tuple[Any, int, int, int]]] = {self.graph.root.id: [(self.one, -1, -1, -1)][:most]}
        for i in self.above():
            ways[i] = sorted(ways.get(i, []), key=lambda way: (*size(way[0]), way[1], way[3], way[2]))[:most]
            for operand, parent, local in self.edges[i]:
                ways.setdefault(parent, []).extend(
                    [
                        (None if local is None or way[0] is None else way[0] * local, i, operand, place)
                        for place, way in enumerate(ways[i])
                    ]
                )
        found = []
        for way in ways.get(self.x.id, []):
            product, steps = way[0], []
            while way[1] >= 0:
                steps.append((way[1], way[2]))
                way = ways[way[1]][way[3]]
            found.append((product, steps[::-1]))
        return sorted(found, key=lambda way: (*size(way[0]), [i for i, _ in reversed(way[1])], way[1]))

    def rest(self) -> Any:
        """The sum of all products that are not listed, without subtracting those that are.

        Wherever the listed paths do not go, everything below is summed at once: product so far x local derivative x tangent.
        """
        if len(self.listed) == self.count:
            return self.zero
        if self.x is self.graph.root:  # the one path, of no steps
            return self.one
        terms = []
        together: list[tuple[int, Any, int, list[list[Step]]]] = []  # listed paths that share their first steps
        if self.count:
            together.append((self.graph.root.id, self.one, 0, [steps for _, steps in self.listed]))
        while together:
            i, product, depth, ways = together.pop()
            for operand, parent, local in self.edges[i]:
                if local is None:
                    continue
                here = [steps for steps in ways if steps[depth][1] == operand]
                if here:
                    together.append((parent, product * local, depth + 1, here))
                else:
                    terms.append(product * local * self.tangents[parent])
        return total(terms, self.zero)


def total(terms: Sequence[Any], zero: Any) -> Any:
    """The sum of numbers of any kind; zero of none."""
    return sum(terms[1:], terms[0]) if terms else zero


def size(product: Any) -> tuple[int, Any]:
    """What paths are sorted by: NaN first, then the largest |product|, then what has no size, as a SymPy symbol."""
    if product is None:
        return 1, 0
    try:
        is_nan = math.isnan(float(abs(product)))
    except OverflowError:  # an exact number, and a large one
        is_nan = False
    except (TypeError, ValueError, ArithmeticError):
        return 2, 0
    return (0, 0) if is_nan else (1, -abs(product))


def as_path(graph: Snapshot, nodes: Sequence[Any], x: Node, steps: list[Step], product: Any) -> Path:
    """The record of a path, from its steps from the root down."""
    upwards = steps[::-1]
    ids = [x.id, *[i for i, _ in upwards]]
    edges = [graph.nodes[i].edges[operand] for i, operand in upwards]
    return Path(
        tuple([nodes[i] for i in ids]),
        tuple([graph.nodes[i].name for i in ids]),
        tuple(upwards),
        tuple([edge.local for edge in edges]),
        tuple([edge.formula for edge in edges]),
        product,
    )


# ---- as text -------------------------------------------------------------------------------------------------------


def as_texts(path: Path) -> tuple[str, str, str, str]:
    """A path as ("a → d → L", "b × (1 − L**2)", "−3.000 × 0.5591", "−1.677"); "" for what would only say the same again."""
    way = " → ".join(ends([short_name(name) for name in path.names], "nodes"))
    figures = [figure(x) for x in path.local_derivatives]
    factors = [factor(formula, x) for formula, x in zip(path.formulas, figures, strict=True)]
    formulas = ends(factors) if any(map(formula_text, ends(list(path.formulas)))) else []
    numbers = ends(figures) if len(figures) > 1 else []
    return way, " × ".join(formulas), " × ".join(numbers), figure(path.product)


def factor(formula: str | None, number: str) -> str:
    """A formula as one factor of several: in parentheses if it is more than a product; the number if none."""
    if not formula_text(formula):
        return (formula or number).replace("-", MINUS)
    formula = formula_text(formula)
    level = 0
    for i, c in enumerate(formula):
        level += (c in "([") - (c in ")]")
        if not level and (c == " " or (c == MINUS and i == 0)):
            return f"({formula})"
    return formula


def ends(words: list[Any], kind: str = "") -> list[Any]:
    """The words, or of many the first and the last, and how many there are between."""
    if len(words) <= LONG:
        return words
    between = f"… {len(words) - 6:,} {kind} …" if kind else "…"
    return [*words[:3], between, *words[-3:]]


def spell_count(count: int) -> str:
    """A number of paths: 2,432, or about 1.2 × 10^45 where there are more than thirty digits."""
    if count < EXACT:
        return f"{count:,}"
    exponent = int(math.log10(count))
    return f"about {10 ** (math.log10(count) - exponent):.1f} × 10^{exponent}"
