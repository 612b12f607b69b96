"""Pickle, copy and deepcopy of Values and rules, at any depth.

A graph is pickled as the list of its nodes, parents first, so that nothing recurses: when a node's turn comes its parents
are in the pickle already. Nodes that several roots of one pickle share stay shared.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextvars import ContextVar
from copy import deepcopy
from pickle import PicklingError
from typing import Any

from .engine import NOT_COMPUTED, Recorded, Value, new, topological_sort
from .rules import RULES, Rule

# how many lists of a pickle in progress a node stands in: its parents stand before it
listed: ContextVar[dict[Value, int]] = ContextVar("listed")


class Below:
    """The nodes below a root; pickled as a list that is made while the pickler walks it."""

    def __init__(self, root: Value) -> None:
        self.root = root

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (), None, self.nodes()

    def nodes(self) -> Iterator[Value]:
        order = topological_sort(self.root)[:-1]
        counts = listed.get(None)
        if counts is None:
            counts = {}
            listed.set(counts)
        for node in order:
            counts[node] = counts.get(node, 0) + 1
        try:
            yield from order
        finally:
            for node in order:
                counts[node] -= 1
                if not counts[node]:
                    del counts[node]


def hollow(kind: type) -> Value:
    return new(kind)


def kind_of(node: Value) -> type:
    """The class of a node's copy: a plain Value's, if it was made within `record()`, whose block is not copied."""
    return Value if type(node) is Recorded else type(node)


def state(node: Value) -> tuple[Any, ...]:
    """All that a node holds, its parents too; not what call gave it. That its grad is not yet computed is told by None."""
    grad = None if node.grad is NOT_COMPUTED else node.grad
    own = getattr(node, "__dict__", None)  # a subclass may have more
    return node.data, grad, node.label, node.rule, node._x, node._y, node._dx, node._dy, own


def restore(node: Value, held: tuple[Any, ...]) -> None:
    node.data, grad, node._name, node.rule, node._x, node._y, node._dx, node._dy, own = held[-9:]
    node.grad = NOT_COMPUTED if grad is None else grad
    if own:
        node.__dict__.update(own)


def reduce_value(node: Value) -> tuple[Any, ...]:
    """A node for pickle: a blank one, then the list of what lies below it unless that is under way, then its state."""
    below = () if node._x is None or node in listed.get({}) else (Below(node),)
    return hollow, (kind_of(node),), below + state(node), None, None, restore


def copy_value(node: Value) -> Value:
    """A node of its own with the same parents."""
    copied = hollow(kind_of(node))
    restore(copied, state(node))
    return copied


def deepcopy_value(root: Value, memo: dict[int, Any]) -> Value:
    """The graph below a root, copied; what `memo` holds already is shared."""
    fresh = [node for node in topological_sort(root) if id(node) not in memo]
    for node in fresh:
        memo[id(node)] = copied = copy_value(node)
        if type(node._x) is tuple:
            copied._x = tuple([memo[id(parent)] for parent in node._x])
        elif node._x is not None:
            copied._x, copied._y = memo[id(node._x)], memo[id(node._y)] if node._y is not None else None
    for node in fresh:
        if hasattr(node, "__dict__"):  # what a subclass holds
            memo[id(node)].__dict__.update(deepcopy(node.__dict__, memo))
        if isinstance(node.grad, Value):
            memo[id(node)].grad = deepcopy(node.grad, memo)
    return memo[id(root)]  # type: ignore[no-any-return]


def reduce_rule(rule: Rule) -> tuple[Any, ...]:
    """A rule by its name: a built-in one's, its maker's with the parameters, or a user's in the module it stands in.

    Raises PicklingError for a rule that no module holds under a name, since its functions cannot be pickled.
    """
    if rule.maker is not None:
        return rule.maker, rule.parameters
    if RULES.get(rule.name) is rule:
        return built_in, (rule.name,)
    partials = (rule.partials,) if callable(rule.partials) else rule.partials
    for home in {str(getattr(f, "__module__", "")) for f in (rule.forward, *partials)} & set(sys.modules):
        for name, held in vars(sys.modules[home]).items():
            if held is rule or getattr(held, "rule", None) is rule:
                return rule_named, (home, name)
    raise PicklingError(
        f"rule {rule.name!r} cannot be pickled: no module holds it. Put it at the top level of a module that can be "
        f"imported, as in `{rule.name} = autograd.operation(Rule({rule.name!r}, ...))`"
    )


def built_in(name: str) -> Rule:
    return RULES[name]


def rule_named(module: str, name: str) -> Rule:
    """The rule, or the operation's rule, that a module holds under a name."""
    from importlib import import_module

    held = getattr(import_module(module), name)
    return held if isinstance(held, Rule) else held.rule
