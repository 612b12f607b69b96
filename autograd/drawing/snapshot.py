"""A graph as plain data: the one thing that every renderer sees."""

from typing import Any, NamedTuple

from ..engine import NOT_COMPUTED, Constant, Value, contributions, seed, topological_sort
from ..rules import Rule
from ..symbols import Symbol, operand_names, read, text


class Edge(NamedTuple):
    """From a node to one of its parents: what the chain rule multiplies by here."""

    parent: int  # the parent's id
    local: Any  # the local derivative's number, d node / d parent; None to a constant, or where it is not known
    formula: str | None  # as text, in the users' labels: "1 - e**2"; None where there is no formula
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

    It may be taken before or after `backward()`, touches nothing, and does not recurse. A formula names the operands by
    their labels, a constant by its number, and what has neither by its position: x, y and out. A derivative that is a
    closure made by hand is run once, for its number. Raises TypeError if `root` is not a Value.
    """
    if not isinstance(root, Value):
        raise TypeError(f"expected the Value to draw, got {root!r:.80} of type {type(root).__name__}")
    order = topological_sort(root)
    ids = {node: i for i, node in enumerate(order)}
    reader = Reader()
    return Snapshot(tuple([describe(node, node is root, ids, reader) for node in order]))


def describe(value: Value, is_root: bool, ids: dict[Value, int], reader: "Reader") -> Node:
    """One Value as a Node."""
    parents = value.parents
    kind = "constant" if isinstance(value, Constant) else "leaf" if not parents else "root" if is_root else "operation"
    slopes = value.slopes if isinstance(value.rule, Rule) else slopes_by_hand(value)
    choice = getattr(value.rule, "choice", False)
    edges = [
        Edge(ids[parent], slope, formula, slope is not None and not (choice and bool(slope == 0)))
        for parent, slope, formula in zip(parents, slopes, reader.formulas(value), strict=True)
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


class Reader:
    """Reads each rule once, and prints its formulas with the labels of one node after another."""

    def __init__(self) -> None:
        self.rules: dict[tuple[int, int], tuple[tuple[str, ...], tuple[Symbol, ...], tuple[str, ...]]] = {}

    def formulas(self, value: Value) -> tuple[str | None, ...]:
        """The formula of every local derivative of a node, in its operands' labels; None where a rule cannot be read."""
        parents = value.parents
        if not parents:
            return ()
        key = id(value.rule), len(parents)
        if key not in self.rules:
            self.rules[key] = read_rule(value.rule, len(parents))
        own, symbols, printed = self.rules[key]
        if not symbols:
            return (None,) * len(parents)
        if not value.label and not any(parent.label or isinstance(parent, Constant) for parent in parents):
            return printed
        names = names_in(own, parents, value)
        return tuple([text(symbol, names) for symbol in symbols])


def read_rule(rule: Any, count: int) -> tuple[tuple[str, ...], tuple[Symbol, ...], tuple[str, ...]]:
    """A rule's own names for its operands, its formulas and their texts: nothing where it cannot be read with Symbols."""
    if not isinstance(rule, Rule):
        return (), (), ()
    try:
        symbols = read(rule, count)
    except Exception:  # a user's rule may compute with floats alone, and may still be drawn
        return (), (), ()
    return operand_names(rule, count), symbols, tuple([text(symbol) for symbol in symbols])


def names_in(own: tuple[str, ...], parents: tuple[Value, ...], value: Value) -> dict[Any, str]:
    """What the operands and the result of one node are called: label, a constant's number, or the position.

    A position that some label takes already is marked: x' beside a label x.
    """
    given = [str(node.label) if node.label else number(node) for node in (*parents, value)]
    names: dict[Any, str] = {}
    for position, name in zip((*own, "out"), given, strict=True):
        shown = name or position
        while not name and shown in given:
            shown += "'"
        names[position] = shown
    return names


def number(node: Value) -> str:
    """A constant's number, for use in a formula; "" for anything else."""
    if not isinstance(node, Constant):
        return ""
    return f"{node.data:.4g}" if isinstance(node.data, float) else str(node.data)
