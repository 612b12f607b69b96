"""A graph as plain data: the one thing that every renderer sees."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..engine import NOT_COMPUTED, Constant, Value, contributions, seed, topological_sort
from ..rules import Rule
from ..symbols import Symbol, expression, operand_names, read, simplify, substitute, text
from .figures import shown

LONGEST_LABEL, LONGEST_NUMBER, LONGEST_EXPRESSION = 24, 8, 16  # characters of what stands for a node in a formula
LONG, LONGEST = 32, 60  # characters of a formula: with expressions in it, and of any
NUMBER = re.compile(r"pi|-?\d+(\.\d+)?(e[+-]\d+)?(/\d+)?")


class Edge(NamedTuple):
    """From a node to one of its parents: what the chain rule multiplies by here."""

    parent: int  # the parent's id
    local: Any  # the local derivative's number, d node / d parent; None to a constant, or where it is not known
    formula: str | None  # as text, in the users' labels: "1 - e**2"; None where there is none, or none short enough
    carries: bool  # whether a gradient flows here: not to a constant, nor to what a choice did not choose


class Node(NamedTuple):
    """One number of the graph."""

    id: int  # its place in `Snapshot.nodes`
    kind: str  # "leaf", "constant", "operation", or "root": an operation that is the result
    operation: str  # "*", "tanh", ...; "" for a leaf
    label: str  # the user's, as it was given; "" if there is none
    data: Any
    grad: Any  # None if it was not computed yet
    edges: tuple[Edge, ...]  # one per parent, in the operands' order
    scope: None = None  # the part of a model that it belongs to: no scopes yet
    mark: str = ""  # "#4" (its id), where it takes that to tell which node is meant; "" elsewhere

    @property
    def name(self) -> str:
        """What it is called: "loss", "tanh", "tanh #4", "leaf #0"."""
        return f"{self.label or self.operation or self.kind} {self.mark}".rstrip()

    @property
    def parents(self) -> tuple[int, ...]:
        """The ids of the nodes it was made from, in order."""
        return tuple([edge.parent for edge in self.edges])


class Snapshot(NamedTuple):
    """A graph at one moment: its nodes, parents before their node, the root last."""

    nodes: tuple[Node, ...]

    @property
    def root(self) -> Node:
        """The node that the graph was drawn from."""
        return self.nodes[-1]

    def as_dict(self) -> dict[str, Any]:
        """The same as dicts and lists, ready for JSON where the numbers are floats."""
        return {
            "root": self.root.id,
            "nodes": [node._asdict() | {"edges": [edge._asdict() for edge in node.edges]} for node in self.nodes],
        }


def snapshot(root: Value) -> Snapshot:
    """Everything about the graph below `root` that can be shown, as plain data.

    It may be taken before or after `backward()`, touches nothing, and does not recurse. A derivative that is a closure made
    by hand is run once, for its number. Raises TypeError if `root` is not a Value.

    In a formula a node is written as what it is: by its label, a leaf without one by its number, an operation by its
    expression, `cos(a)`. Where that would be long, or another node has the same label, it is written `#4`: its id, which is
    then its mark.
    """
    if not isinstance(root, Value):
        raise TypeError(f"expected the Value to draw, got {root!r:.80} of type {type(root).__name__}")
    order = topological_sort(root)
    ids = {node: i for i, node in enumerate(order)}
    writer = Writer(order, ids)
    nodes = [describe(node, node is root, ids, writer) for node in order]
    formulas = [edge.formula or "" for node in nodes for edge in node.edges if edge.local is not None]
    meant = {int(mark) for formula in formulas for mark in re.findall(r"#(\d+)", formula)}
    count = Counter([shown(node.name, LONGEST_LABEL) for node in nodes if node.kind != "constant"])
    for i, node in enumerate(nodes):
        if i in meant or count[shown(node.name, LONGEST_LABEL)] > 1:
            nodes[i] = node._replace(mark=f"#{i}")
    return Snapshot(tuple(nodes))


def describe(value: Value, is_root: bool, ids: dict[Value, int], writer: "Writer") -> Node:
    """One Value as a Node, without its mark."""
    parents = value.parents
    kind = "constant" if isinstance(value, Constant) else "leaf" if not parents else "root" if is_root else "operation"
    slopes = value.slopes if isinstance(value.rule, Rule) else slopes_by_hand(value)
    if type(value.data) is float:  # a slope of 1 stands in some rules as an int
        slopes = [float(slope) if type(slope) is int else slope for slope in slopes]
    choice = getattr(value.rule, "choice", False)
    edges = [
        Edge(ids[parent], slope, formula, slope is not None and not (choice and bool(slope == 0)))
        for parent, slope, formula in zip(parents, slopes, writer.formulas(value), strict=True)
    ]
    grad = value.grad.data if isinstance(value.grad, Value) else value.grad
    label = str(value.label) if value.label else ""
    return Node(
        ids[value], kind, value._op, label, value.data, None if value.grad is NOT_COMPUTED else grad, tuple(edges)
    )


def slopes_by_hand(value: Value) -> list[Any]:
    """The local derivatives of a node made by hand: what its closure contributes for an upstream gradient of 1.

    A parent that comes twice has them all on its first edge.
    """
    if not value.parents or value.rule.closure is None:
        return [None] * len(value.parents)
    found: dict[Value, Any] = dict(contributions(value, seed(value)))
    return [found.pop(parent, None) for parent in value.parents]


class Writer:
    """Writes the formulas of one graph: each rule is read once, and stands there with the names of one node after another."""

    def __init__(self, order: Sequence[Value], ids: dict[Value, int]) -> None:
        self.ids = ids
        self.rules: dict[tuple[int, int], tuple[tuple[str, ...], tuple[Symbol, ...]]] = {}
        self.marks = [Symbol(f"#{i}") for i in range(len(order))]
        self.plain = list(self.marks)  # a label or a number, or else the mark
        self.expressions = list(self.marks)  # an expression too
        labels = Counter([str(node.label) for node in order if node.label])
        for i, node in enumerate(order):
            if labels[str(node.label)] == 1:
                self.plain[i] = label_symbol(str(node.label), self.marks[i])
            elif not node.label and not node.parents:
                self.plain[i] = number_symbol(node.data, self.marks[i])
            unnamed = node.parents and not node.label
            self.expressions[i] = self.expression(node, self.marks[i]) if unnamed else self.plain[i]

    def expression(self, node: Value, mark: Symbol) -> Symbol:
        """What a node computes, in labels and numbers alone; its mark where that is long."""
        operands = [self.ids[parent] for parent in node.parents]
        if not isinstance(node.rule, Rule) or any(self.expressions[i] is self.marks[i] for i in operands):
            return mark
        found = expression(node.rule, [self.expressions[i] for i in operands])
        return mark if found is None or len(text(found)) > LONGEST_EXPRESSION else found

    def formulas(self, node: Value) -> list[str | None]:
        """The formula of every local derivative of a node; None where a rule cannot be read, or its formula is too long."""
        key = id(node.rule), len(node.parents)
        if key not in self.rules:
            self.rules[key] = read_rule(node.rule, len(node.parents))
        own, symbols = self.rules[key]
        if not symbols:
            return [None] * len(node.parents)
        positions, ids = (*own, "out"), [self.ids[x] for x in (*node.parents, node)]
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
            return found
    return None


def read_rule(rule: Any, count: int) -> tuple[tuple[str, ...], tuple[Symbol, ...]]:
    """A rule's own names for its operands, and its formulas: nothing where it cannot be read with Symbols."""
    if not isinstance(rule, Rule):
        return (), ()
    try:
        return operand_names(rule, count), tuple([simplify(symbol) for symbol in read(rule, count)])
    except Exception:  # a user's rule may compute with floats alone, and may still be drawn
        return (), ()


def label_symbol(label: str, mark: Symbol) -> Symbol:
    """A label for use in a formula; the mark for one that is long, cannot be printed, or looks like a number or a mark."""
    misread = "#" in label or NUMBER.fullmatch(label)
    return mark if misread or shown(label, LONGEST_LABEL) != label else Symbol(label)


def number_symbol(data: Any, mark: Symbol) -> Symbol:
    """A number for use in a formula; the mark for one that is not short, every digit counted."""
    try:
        symbol = Symbol(data)
    except TypeError:
        return mark
    found = text(symbol)
    return symbol if len(found) <= LONGEST_NUMBER and NUMBER.fullmatch(found) else mark
