"""Where the first inf or NaN began, in a graph's numbers or in the sweep."""

from __future__ import annotations

from autograd import Constant, Value, topological_sort
from autograd.engine import contributions, upstream_gradients
from autograd.modes import finite
from nn.doctor.reading import Graph
from nn.module import Module
from nn.words import counted, number


def origin_of_nonfinite(root: Value, model: Module | None = None) -> str:
    """At which node, operation and label, and in which part of the model, the first inf or NaN below `root` began.

    A clause such as "it began in layers.1.neurons.0 at the node log, labelled 'p': log(-0.5) = nan", or "it began with
    parameter layers.0.w[1], which is nan"; "" if all is finite. It begins at a node whose own operands are finite. If the
    root is not finite, it is a node that made it so; else it may be one that did not reach it.
    """
    at: Value | None = root
    if finite(root.data):
        at = next((node for node in topological_sort(root) if not finite(node.data)), None)
    if at is None:
        return ""
    while wrong := [parent for parent in at.parents if not finite(parent.data)]:
        at = min(wrong, key=lambda parent, node=at: _blame(node, parent))  # type: ignore[misc]
    graph = Graph([root], model)
    if not at.parents:
        return f"it began with {graph.leaf(at)}, which is {at.data}"
    return f"it began {graph.place(at)}: {_computed(at)}"


def _blame(node: Value, parent: Value) -> tuple[bool, bool]:
    """Sorts first the operand that made a node what it is: one that was chosen, and of a NaN a NaN rather than an inf."""
    chosen = type(parent) is Constant or any(p is parent for p, _ in contributions(node, 1.0))
    return not chosen, bool(node.data != node.data and parent.data == parent.data)


def _computed(node: Value) -> str:
    """What a node computed: "log(-0.5) = nan", "1e+300 * 1e+300 = inf", "dot of 128 numbers, the largest 1e+300, = inf"."""
    operands, name = [str(parent.data) for parent in node.parents], node._op
    if len(operands) > 4:
        largest = max([parent.data for parent in node.parents], key=abs)
        return f"{name} of {counted(len(operands), 'number')}, the largest {largest}, = {node.data}"
    if name.startswith("**") and len(operands) == 1:
        return f"({operands[0]}){name} = {node.data}"
    if len(operands) == 2 and not name.isidentifier():
        return f"{operands[0]} {name} {operands[1]} = {node.data}"
    return f"{name}({', '.join(operands)}) = {node.data}"


def origin_of_nonfinite_gradient(root: Value, model: Module | None = None) -> str:
    """Where the sweep from `root` first made an inf or NaN of finite numbers; "" if every gradient is finite.

    A clause such as "it began in layers.0 at the node sqrt, labelled 'r': its upstream gradient 1 times its local
    derivative inf is inf". If the root itself is not finite, `origin_of_nonfinite` tells more.
    """
    order = topological_sort(root)
    upstream = upstream_gradients(root, order, create_graph=False)
    for node in reversed(order):
        if not finite(arrived := upstream.get(node, 0.0)):
            graph = Graph([root], model)
            at = graph.place(node) if node.parents else f"with {graph.leaf(node)}"
            return f"it began {at}: the contributions to its gradient add up to {arrived}"
        for parent, term in contributions(node, arrived) if node.parents else ():
            if not finite(term):
                slope = next((s for p, s in zip(node.parents, node.slopes, strict=True) if p is parent), None)
                times = "what its closure makes of it" if slope is None else f"its local derivative {number(slope)}"
                made = f"its upstream gradient {number(arrived)} times {times} is {number(term)}"
                return f"it began {Graph([root], model).place(node)}: {made}"
    return ""
