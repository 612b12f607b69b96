"""Nodes made by hand, as lecture notebooks make them: a name, parents, and a closure that adds into the parents' grad."""

from collections.abc import Callable
from typing import Any


class Handmade:
    """Stands for the rule of a node made by hand: a name, and perhaps a closure that adds into the parents' grad."""

    __slots__ = ("closure", "name")

    def __init__(self, name: str, closure: Callable[[], object] | None = None) -> None:
        self.name, self.closure = name, closure


def run_closure(node: Any, upstream: Any) -> list[tuple[Any, Any]]:
    """What the closure of a node made by hand adds into its parents' grad, which is left as it was."""
    parents = list(dict.fromkeys(node.parents))
    before = [(touched, touched.grad) for touched in (node, *parents)]
    try:
        for parent in parents:
            parent.grad = 0.0 if type(upstream) is float else 0
        node.grad = upstream
        if node.rule.closure:
            node.rule.closure()
        return [(parent, parent.grad) for parent in parents]
    finally:
        for touched, grad in before:
            touched.grad = grad
