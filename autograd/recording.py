"""The shortest way to record an operation on floats: a method written out from the rule.

`autograd.engine.method` says the same plainly and takes everything else. Where a rule's expressions are mere arithmetic
they stand in the source themselves, read off the rule; a sum or product then takes 0.25 instead of 2 microseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .rules import Rule

UNARY = """
def make(rule, otherwise, forward, partials):
    [first] = partials
    def recorder(x):
        p = x.data
        if type(p) is float:
            {one}
        return otherwise(x)
    return recorder
"""
BINARY = """
def make(rule, otherwise, forward, partials):
    [first, second] = partials
    def recorder(x, y):
        kind = type(y)
        if kind is Value or kind is Recorded:
            p = x.data
            q = y.data
            if type(p) is float is type(q):
                {two}
        elif kind is float:
            p = x.data
            q = y
            if type(p) is float:
                {number}
        elif kind is Constant:
            p = x.data
            q = y.data
            if type(p) is float is type(q):
                {constant}
        return otherwise(x, y)
    return recorder
"""
NODE = """
                if active:
                    if detecting():
                        return otherwise({given})
                    if unrecorded():
                        return blank(Value, {forward})
                    block = remembered()
                    node = new(Recorded if block else Value)
                    if block:
                        node.block = block[1]
                else:
                    node = new(Value)
                try:
                    node.data = out = {forward}
                    node.grad = NOT_COMPUTED
                    node._name = ""
                    node.rule = rule
                    node._x = x
                    node._y = {y}
                    node._dx = {dx}
                    node._dy = {dy}
                    return node
                except ZeroDivisionError:
                    pass
"""
ARITHMETIC = {"__add__": "({0} + {1})", "__sub__": "({0} - {1})", "__mul__": "({0} * {1})",
              "__truediv__": "({0} / {1})", "__rtruediv__": "({1} / {0})", "__neg__": "(-{0})"}  # fmt: skip


makers: dict[str, Callable[..., Any]] = {}  # by their source: most rules' is the same


class Source(str):
    """Python source that arithmetic on it extends: a rule read with it is written out."""

    __slots__ = ()


for name, form in ARITHMETIC.items():
    setattr(Source, name, lambda *operands, form=form: Source(form.format(*map(source, operands))))


def source(read: Any) -> str:
    """What a reading gave, as source of floats; a TypeError if a helper was called on the way."""
    if type(read) is Source:
        return read
    if type(read) is int:
        return f"{read}.0"
    raise TypeError(f"{read!r} is not arithmetic")


def written_out(rule: Rule) -> list[str]:
    """The rule's result and slopes as source: arithmetic where they are, else calls of its functions."""
    names = ("p", "q")[: rule.arity]
    try:
        operands = tuple(map(Source, names))
        return [source(rule.forward(*operands)), *map(source, rule.slopes(operands, Source("out")))]
    except (TypeError, AttributeError):
        given = ", ".join(names)
        calls = [f"{function}({given}, out)" for function in ("first", "second")[: rule.arity]]
        return [f"forward({given})", *[f"{call} or None" if rule.choice else call for call in calls]]


def shortened(rule: Rule, otherwise: Callable[..., Any], engine: dict[str, Any]) -> Callable[..., Any]:
    """The method of a rule of one or two operands with a shorter way for floats; `otherwise` takes everything else.

    `engine` holds the names that the source uses.
    """
    forward, dx, *rest = written_out(rule)
    if rule.arity == 1:
        node = NODE.replace("\n    ", "\n").format(forward=forward, given="x", y=None, dx=dx, dy=None)
        text = UNARY.format(one=node.strip())
    else:
        two = NODE.format(forward=forward, given="x, y", y="y", dx=dx, dy=rest[0])
        number = NODE.format(forward=forward, given="x, y", y="blank(Constant, y)", dx=dx, dy=None)
        constant = NODE.format(forward=forward, given="x, y", y="y", dx=dx, dy=None)
        text = BINARY.format(two=two.strip(), number=number.strip(), constant=constant.strip())
    if text not in makers:
        made: dict[str, Any] = {}
        exec(text, engine, made)
        makers[text] = made["make"]
    return makers[text](rule, otherwise, rule.forward, rule.partials)  # type: ignore[no-any-return]
