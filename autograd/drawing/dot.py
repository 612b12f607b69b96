"""Graphviz drawings as lecture notebooks make them: a record per number, and its operation as a node of its own."""

from typing import TYPE_CHECKING, Any

from ..engine import Value, topological_sort
from .figures import shown

if TYPE_CHECKING:
    import graphviz

DIRECTIONS = ("LR", "TB", "RL", "BT")


def trace(root: Value) -> tuple[set[Value], set[tuple[Value, Value]]]:
    """Every node below `root`, and every edge as (parent, node)."""
    nodes = topological_sort(root)
    return set(nodes), {(parent, node) for node in nodes for parent in node.parents}


def draw_dot(root: Value, format: str = "svg", rankdir: str = "LR") -> "graphviz.Digraph":
    """The graph below `root` as a `graphviz.Digraph`: `{ label | data 2.0000 | grad 0.0000 }` and the operations.

    A notebook shows it at the end of a cell, `.render()` writes a file (both need Graphviz's `dot` on the PATH) and
    `.source` is the drawing in the DOT language, which needs nothing.

    Args:
        root: the result.
        format: what `render` writes: "svg", "png", "pdf" or another of Graphviz's formats.
        rankdir: the direction: "LR" from left to right, "TB" from top to bottom, "RL" or "BT".

    Raises ValueError for another format or direction, and TypeError if `root` is not a Value.
    """
    import graphviz

    if not isinstance(root, Value):
        raise TypeError(f"expected the Value to draw, got {root!r:.80} of type {type(root).__name__}")
    if format not in graphviz.FORMATS:
        raise ValueError(f"unknown format {format!r}; Graphviz has {', '.join(sorted(graphviz.FORMATS))}")
    if rankdir not in DIRECTIONS:
        raise ValueError(f"unknown rankdir {rankdir!r}; expected one of {', '.join(DIRECTIONS)}")
    drawing = graphviz.Digraph(format=format, graph_attr={"rankdir": rankdir})
    order = topological_sort(root)
    names = {node: f"n{i}" for i, node in enumerate(order)}
    for node in order:
        name = names[node]
        fields = [record_field(node.label), f"data {number(node.data)}", f"grad {number(node.grad)}"]
        drawing.node(name, label=f"{{ {' | '.join(fields)} }}", shape="record")
        if node.parents:
            drawing.node(f"{name}_op", label=graphviz.nohtml(escape(node._op)))
            drawing.edge(f"{name}_op", name)
            for parent in dict.fromkeys(node.parents):
                drawing.edge(names[parent], f"{name}_op")
    return drawing


def number(x: Any) -> str:
    """A number with four decimals, as the lecture has it; one that cannot be written so as it is."""
    try:
        return f"{x:.4f}"
    except (TypeError, ValueError):
        return record_field(str(x))


def escape(label: str) -> str:
    """A label with what DOT would act on escaped: backslashes and entities. Quotes are the graphviz package's work."""
    return shown(label, 200).replace("&", "&amp;").replace("\\", "\\\\")


def record_field(label: str) -> str:
    """A label as a field of a record, whose own characters have a meaning of their own."""
    return "".join(["\\" + c if c in "{}|<>" else c for c in escape(label)])
