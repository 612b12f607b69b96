"""`root.backward()`, fast: the sort and the sweep of `autograd.engine` in the nodes' own slots."""

from __future__ import annotations

from typing import Any

from . import modes
from .engine import NOT_COMPUTED, Constant, Value, active, add_to, contributions, seed, topological_sort

ENTERED = object()  # the `grad` of a node whose parents are being sorted
PENDING = object()  # ... of one in the order that no contribution has reached


def sweep(root: Value) -> None:
    """`root.backward()`: sort, then hand gradients on from the root to the leaves, in the nodes' own slots.

    The slot `grad` tells the sort where it has been: a number before, ENTERED while a node's parents are being sorted, None
    once it is in the order and until its first contribution. That is twice as fast as a set of what was seen and a
    dictionary of gradients, as in `topological_sort` and `upstream_gradients`, which say the same and find the same bits.
    """
    leaves: list[tuple[Value, Any]] = []  # with the grad they had before
    order: list[Value] = []
    stack: list[Any] = [root]
    pop, append = stack.pop, order.append
    entered, pending = ENTERED, PENDING
    try:
        while stack:
            node = pop()
            grad = node.grad
            if grad is pending:
                continue
            x = node._x
            if grad is entered:
                node.grad = pending
                append(node)
            elif x is None:
                leaves.append((node, grad))
                node.grad = pending
            else:
                node.grad = entered
                y = node._y
                if node._dy is not None:
                    stack += (node, x, y)
                elif type(x) is tuple:
                    stack += (node, *x)
                elif y is None or type(y) is Constant:
                    stack += (node, x)
                else:  # not chosen
                    stack += (node, x, y)

        root.grad = seed(root)
        zero = root.grad * 0
        for node in reversed(order):
            upstream = node.grad
            if upstream is pending:  # every way here was not chosen
                upstream = node.grad = zero
            dx = node._dx
            dy = node._dy
            if dx is not None:
                x = node._x
                grad = x.grad
                x.grad = upstream * dx if grad is pending else grad + upstream * dx
            if dy is not None:
                y = node._y
                grad = y.grad
                y.grad = upstream * dy if grad is pending else grad + upstream * dy
            elif dx is None and type(node._x) is tuple:
                for parent, contribution in contributions(node, upstream):
                    parent.grad = contribution if parent.grad is pending else parent.grad + contribution

        if active and modes.detect_anomaly.on.get():
            modes.check_sweep(order)
        for leaf, before in leaves:
            if type(leaf) is Constant:
                leaf.grad = before
            else:
                leaf.grad = add_to(before, zero if leaf.grad is pending else leaf.grad)
    except BaseException:
        for node in topological_sort(root):
            if node._x is not None:
                node.grad = NOT_COMPUTED
        for leaf, before in leaves:
            leaf.grad = before
        raise
