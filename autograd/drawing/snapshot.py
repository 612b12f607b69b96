"""A graph as plain data: the one thing that every renderer sees."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..engine import NOT_COMPUTED, Constant, Value, contributions, same, seed, topological_sort
from ..rules import Rule
from ..symbols import Symbol, expression, operand_names, read, simplify, substitute, text
from .figures import shown
from .scopes import Place, Scope, scopes_of

LONGEST_LABEL, LONGEST_NUMBER, LONGEST_EXPRESSION = 24, 8, 16  # characters of what stands for a node in a formula
LONG, LONGEST = 32, 60  # characters of a formula: with expressions in it, and of any
UNNAMED = "#?"  # stands for a group with several outputs, of which a formula cannot tell one
NUMBER = re.compile(r"pi|-?\d+(\.\d+)?(e[+-]\d+)?(/\d+)?")
MOST_SWEPT = 200_000  # nodes whose sweep is told; a million take a minute and more than a gigabyte
STALE = "recorded at other numbers than the leaves hold now: run the forward pass again"


class Edge(NamedTuple):
    """From a node to one of its parents: what the chain rule multiplies by here."""

    parent: int  # the parent's id
    local: (
        Any  # the local derivative's number, d node / d parent; None to a constant, or if there is none that is known
    )
    formula: str | None  # as text, in the users' labels: "1 - e**2"; None where there is none, or none short enough
    carries: bool  # whether a gradient flows here: not to a constant, nor to what a choice did not choose

    @property
    def unknown(self) -> bool:
        """Whether a gradient flows here, but no one number says how much of it."""
        return self.carries and self.local is None


class Node(NamedTuple):
    """One number of the graph."""

    id: int  # its place in `Snapshot.nodes`
    kind: str  # "leaf", "constant", "operation", "root": an operation that is the result, or "group": a folded scope
    operation: str  # "*", "tanh", ...; "" for a leaf
    label: str  # the user's, as it was given; "" if there is none
    data: Any
    grad: Any  # None if it was not computed yet
    edges: tuple[Edge, ...]  # one per parent, in the operands' order
    scope: int | None = None  # the innermost part of a model that it belongs to, as its place in `Snapshot.scopes`
    mark: str = ""  # "#4" (its id), where it takes that to tell which node is meant; "" elsewhere
    rule: Rule | None = None  # None for a leaf, a constant, a group, and a node made by hand
    outputs: tuple[tuple[str, Any, Any], ...] = ()  # of a group with several: (name, data, grad) of each
    part: str = ""  # of a parameter: the part of a model that has it, as `Scope.part`
    of: int | None = None  # in a folded graph: the id in `Snapshot.whole` of the node whose one number it shows

    @property
    def name(self) -> str:
        """What it is called: "loss", "tanh", "tanh #4", "leaf #0"."""
        return f"{self.label or shown(self.operation) or self.kind} {self.mark}".rstrip()

    @property
    def parents(self) -> tuple[int, ...]:
        """The ids of the nodes it was made from, in order."""
        return tuple([edge.parent for edge in self.edges])


class Snapshot(NamedTuple):
    """A graph at one moment: its nodes, parents before their node, the root last."""

    nodes: tuple[Node, ...]
    scopes: tuple[Scope, ...] = ()
    whole: "Snapshot | None" = None  # the graph that it was folded from; None where nothing is folded
    stale: bool = False  # whether data was changed after the forward pass; of a folded graph its whole knows

    @property
    def root(self) -> Node:
        """The node that the graph was drawn from."""
        return self.nodes[-1]

    @property
    def seed(self) -> Any:
        """The gradient that a sweep begins with, d root / d root: an int where the root is exact."""
        return 1.0 if isinstance(self.root.data, float) else 1

    @property
    def warnings(self) -> list[str]:
        """What has to be said below every picture and text of it."""
        return [STALE] * (self.whole or self).stale

    def as_dict(self) -> dict[str, Any]:
        """The same as dicts and lists, ready for JSON where the numbers are floats."""
        return {
            "root": self.root.id,
            "nodes": [as_dict(node) for node in self.nodes],
            "scopes": [scope._asdict() for scope in self.scopes],
        }


def as_dict(node: Node) -> dict[str, Any]:
    """A node for JSON: all but its rule, which is functions."""
    found = node._asdict() | {
        "edges": [edge._asdict() for edge in node.edges],
        "outputs": [list(output) for output in node.outputs],
    }
    del found["rule"]
    return found


def snapshot(root: Value) -> Snapshot:
    """Everything about the graph below `root` that can be shown, as plain data.

    It may be taken before or after `backward()`, touches nothing, and does not recurse. A derivative that is a closure made
    by hand is run for upstream gradients of 1, 2 and -1000: if it is not linear, there is no local derivative. Raises
    TypeError if `root` is not a Value.

    In a formula a node is written as what it is: by its label, a leaf without one by its number, an operation by its
    expression, `cos(a)`. Where that would be long, or another node has the same label, it is written `#4`: its id, which is
    then its mark.
    """
    if not isinstance(root, Value):
        raise TypeError(f"expected the Value to draw, got {root!r:.80} of type {type(root).__name__}")
    order = topological_sort(root)
    ids = {node: i for i, node in enumerate(order)}
    scopes, places = scopes_of(order)
    nodes = [describe(node, node is root, ids, place) for node, place in zip(order, places, strict=True)]
    return Snapshot(with_formulas(nodes), scopes, stale=is_stale(nodes))


def with_formulas(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """The nodes of a graph with the formulas of their edges, and with the marks that these need."""
    writer = Writer(nodes)
    formulas = [writer.formulas(node) for node in nodes]
    meant = {
        int(mark)
        for node, found in zip(nodes, formulas, strict=True)
        for edge, formula in zip(node.edges, found, strict=True)
        if edge.local is not None
        for mark in re.findall(r"#(\d+)", formula or "")
    }
    names = [shown(node.label or node.operation or node.kind, LONGEST_LABEL) for node in nodes]
    count = Counter([name for name, node in zip(names, nodes, strict=True) if node.kind != "constant"])
    return tuple(
        [
            node._replace(
                edges=tuple(
                    [Edge(e.parent, e.local, f, e.carries) for e, f in zip(node.edges, formulas[i], strict=True)]
                ),
                mark=f"#{i}" if i in meant or count[names[i]] > 1 else "",
            )
            for i, node in enumerate(nodes)
        ]
    )


def counted(root: Value, most: int) -> int:
    """How many nodes there are from `root` down, or `most + 1` as soon as there are more than `most`.

    So whether a graph can be shown is known at once, however large it is.
    """
    seen, stack = {root}, [root]
    while stack:
        for parent in stack.pop().parents:
            if parent not in seen:
                seen.add(parent)
                stack.append(parent)
                if len(seen) > most:
                    return most + 1
    return len(seen)


def refuse_too_large(root: Value | Snapshot, limit: int | None, reader: str) -> None:
    """Raise ValueError if a graph has more nodes than `limit`, None for any number, before it takes time and memory."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise ValueError(f"limit should be a number of nodes, or None for any number, got {limit!r:.80}")
    if limit is not None and isinstance(root, Value) and counted(root, limit) > limit:
        raise ValueError(
            f"the graph has more than {limit:,} nodes: give {reader} one of its parts, or limit=None for any number of "
            "nodes, of which a million take about a minute and more than a gigabyte"
        )


def is_stale(nodes: Sequence[Node]) -> bool:
    """Whether a node's number is not what its rule gives for the numbers that its parents hold now."""
    for node in nodes:
        if node.rule is not None and type(node.data) is float:
            try:
                if not same(node.rule.forward(*[nodes[i].data for i in node.parents]), node.data):
                    return True
            except Exception:  # a user's rule may do anything at other numbers
                return True
    return False


def describe(value: Value, is_root: bool, ids: dict[Value, int], place: Place) -> Node:
    """One Value as a Node, without formulas and mark."""
    parents = value.parents
    kind = "constant" if isinstance(value, Constant) else "leaf" if not parents else "root" if is_root else "operation"
    slopes, linear = (value.slopes, True) if isinstance(value.rule, Rule) else slopes_by_hand(value)
    if type(value.data) is float:  # a slope of 1 stands in some rules as an int
        slopes = [float(slope) if type(slope) is int else slope for slope in slopes]
    choice = getattr(value.rule, "choice", False)
    edges = [
        Edge(ids[parent], slope, None, carries_gradient(parent, slope, choice, linear))
        for parent, slope in zip(parents, slopes, strict=True)
    ]
    grad = value.grad.data if isinstance(value.grad, Value) else value.grad
    return Node(
        ids[value],
        kind,
        value._op,
        place.label,
        value.data,
        None if value.grad is NOT_COMPUTED else grad,
        tuple(edges),
        place.scope,
        rule=value.rule if isinstance(value.rule, Rule) else None,
        part=place.part,
    )


def carries_gradient(parent: Value, slope: Any, choice: bool, linear: bool) -> bool:
    """Whether a gradient flows on an edge: if its local derivative is not known because a closure is not linear, it may."""
    if slope is None:
        return not linear and type(parent) is not Constant
    return not (choice and bool(slope == 0))


def slopes_by_hand(value: Value) -> tuple[list[Any], bool]:
    """The local derivatives of a node made by hand: what its closure contributes for an upstream gradient of 1.

    A parent that comes twice has them all on its first edge. With them, whether the closure is linear as the chain rule
    is, as far as two more gradients tell; there are none if it is not, or fails.
    """
    nothing: list[Any] = [None] * len(value.parents)
    if not value.parents or value.rule.closure is None:
        return nothing, True
    try:
        found: dict[Value, Any] = dict(contributions(value, seed(value)))
        linear = all(
            is_multiple(x, times, found[parent])
            for times in (2, -1000)
            for parent, x in contributions(value, seed(value) * times)
        )
    except Exception:  # it is the user's: it may need what only a whole sweep gives
        return nothing, False
    return ([found.pop(parent, None) for parent in value.parents], True) if linear else (nothing, False)


def is_multiple(x: Any, times: int, y: Any) -> bool:
    """Whether x is so many times y, but for rounding; of expressions, which cannot tell, it is believed."""
    expected = y * times
    try:
        return same(x, expected) or bool(abs(x - expected) * 10**9 <= abs(expected))
    except TypeError:
        return True


def unknown(node: Node, parent: Node) -> ValueError:
    """The error of what needs the local derivative on an edge that has none."""
    several = node if node.outputs else parent
    if several.outputs:
        return ValueError(
            f"{several.name} is a folded part with several outputs: give a snapshot in which it is not folded"
        )
    closure = "a _backward in it" if node.kind == "group" else "its _backward"
    return ValueError(
        f"{node.name} has no local derivative: {closure} was made by hand, and what it hands on is not in proportion "
        "to the gradient that it is given, or it failed; gradients(y, x) runs it as it is"
    )


class Writer:
    """Writes the formulas of one graph: each rule is read once, and stands there with the names of one node after another."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.rules: dict[tuple[int, int], tuple[tuple[str, ...], tuple[Symbol, ...]]] = {}
        self.marks = [Symbol(UNNAMED if node.outputs else f"#{node.id}") for node in nodes]
        self.plain = list(self.marks)  # a label or a number, or else the mark
        self.expressions = list(self.marks)  # an expression too
        count = Counter([node.label for node in nodes])
        for i, node in enumerate(nodes):
            if node.outputs:
                continue
            if node.label and count[node.label] == 1:
                self.plain[i] = label_symbol(node.label, self.marks[i])
            elif not node.label and not node.edges:
                self.plain[i] = number_symbol(node.data, self.marks[i])
            unnamed = node.edges and not node.label
            self.expressions[i] = self.expression(node, self.marks[i]) if unnamed else self.plain[i]

    def expression(self, node: Node, mark: Symbol) -> Symbol:
        """What a node computes, in labels and numbers alone; its mark where that is long."""
        if node.rule is None or any(self.expressions[i] is self.marks[i] for i in node.parents):
            return mark
        found = expression(node.rule, [self.expressions[i] for i in node.parents])
        return mark if found is None or len(text(found)) > LONGEST_EXPRESSION else found

    def formulas(self, node: Node) -> list[str | None]:
        """The formula of every local derivative of a node; None where a rule cannot be read, or its formula is too long."""
        key = id(node.rule), len(node.edges)
        if key not in self.rules:
            self.rules[key] = read_rule(node.rule, len(node.edges))
        own, symbols = self.rules[key]
        if not symbols:
            return [None] * len(node.edges)
        positions, ids = (*own, "out"), (*node.parents, node.id)
        named = [
            (dict(zip(positions, [names[i] for i in ids], strict=True)), limit)
            for names, limit in ((self.expressions, LONG), (self.plain, LONGEST))
        ]
        return [written(symbol, named) for symbol in symbols]


def written(symbol: Symbol, named: Sequence[tuple[dict[str, Symbol], int]]) -> str | None:
    """A formula with the first of several sets of names with which it is short enough."""
    for names, limit in named:
        found = text(substitute(symbol, names))
        if len(found) <= limit:
            return None if UNNAMED in found else shown(found, LONGEST)  # a rule's name is the user's, too
    return None


def read_rule(rule: Rule | None, count: int) -> tuple[tuple[str, ...], tuple[Symbol, ...]]:
    """A rule's own names for its operands, and its formulas: nothing where it cannot be read with Symbols."""
    if rule is None:
        return (), ()
    try:
        return operand_names(rule, count), tuple([simplify(symbol) for symbol in read(rule, count)])
    except Exception:  # a user's rule may compute with floats alone, and may still be drawn
        return (), ()


def label_symbol(label: str, mark: Symbol) -> Symbol:
    """A label for use in a formula; the mark for one that is long, cannot be printed, or looks like a number or a mark."""
    misread = "#" in label or NUMBER.fullmatch(label) or is_float(label)
    return mark if misread or shown(label, LONGEST_LABEL) != label else Symbol(label)


def is_float(label: str) -> bool:
    """Whether Python reads a label as a number: 1e5, .5, inf, 1_000."""
    try:
        float(label)
    except ValueError:
        return False
    return True


def number_symbol(data: Any, mark: Symbol) -> Symbol:
    """A number for use in a formula; the mark for one that is not short, every digit counted."""
    try:
        symbol = Symbol(data)
    except TypeError:
        return mark
    found = text(symbol)
    return symbol if len(found) <= LONGEST_NUMBER and NUMBER.fullmatch(found) else mark
