"""Comparisons of Values that a `record()` block remembers: a replay then knows where Python would have gone elsewhere."""

from __future__ import annotations

import linecache
import operator
from collections.abc import Callable, Iterable
from typing import Any

from . import rules
from .engine import Recorded, Value, as_value, record
from .modes import Block, calling_line


class BranchError(RuntimeError):
    """In some lanes of a replay a remembered comparison goes the other way than when the graph was recorded.

    Attributes:
        lanes: the places of these lanes, a tuple of ints.
    """

    def __init__(self, message: str, lanes: Iterable[int] = ()) -> None:
        super().__init__(message)
        self.lanes = tuple(lanes)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (*self.args, self.lanes)


def truth(operate: Callable[[bool, Any], Any]) -> Callable[[Comparison, Any], Any]:
    """The method of an operator that takes a Comparison for its truth, which is thereby asked for."""
    return lambda self, other: operate(bool(self), other)


def reflected(operate: Callable[[Any, bool], Any]) -> Callable[[Comparison, Any], Any]:
    """The same where only the right operand is a Comparison."""
    return lambda self, other: operate(other, bool(self))


class Comparison:
    """`left < right` of two Values, or with another sign, as it came out: what `v > 0` gives within `record()`.

    It behaves as the bool that it stands for: in `if`, `and`, `or`, `not`, with `&`, `|`, `^`, `~` (its negation) and `==`,
    added up, or as an index. Each of these asks for its truth, and the first to ask has it remembered in
    `block.comparisons`, with the line. `autograd.where` does not ask: it makes a node that decides again whenever its
    operands change. It is no instance of bool, since no other class can be, nor `is True`.

    Attributes:
        left, right: the Values; a plain number is a Constant. `0 < v` is Python's `v > 0`.
        operator: "<", "<=", ">" or ">=".
        outcome: a bool, how it came out. To read it here does not count as asking.
        line: "file:line", who first asked for its truth; "" while nobody has.
        source: what stands on that line; "" if that is not known.
    """

    __slots__ = ("block", "left", "line", "operator", "outcome", "right")

    def __init__(self, left: Value, right: Value, operator: str, outcome: bool, block: Block) -> None:
        self.left, self.right, self.operator, self.block = left, right, operator, block
        self.outcome, self.line = bool(outcome), ""

    @property
    def source(self) -> str:
        file, _, number = self.line.rpartition(":")
        return linecache.getline(file, int(number)).strip() if number else ""

    def __bool__(self) -> bool:
        if not self.line:
            self.line = calling_line()
            self.block.remember(self)
        return self.outcome

    def __invert__(self) -> bool:
        return not self

    __and__, __rand__ = truth(operator.and_), reflected(operator.and_)
    __or__, __ror__ = truth(operator.or_), reflected(operator.or_)
    __xor__, __rxor__ = truth(operator.xor), reflected(operator.xor)

    __add__, __radd__ = truth(operator.add), reflected(operator.add)
    __sub__, __rsub__ = truth(operator.sub), reflected(operator.sub)
    __mul__, __rmul__ = truth(operator.mul), reflected(operator.mul)

    def __int__(self) -> int:
        return int(bool(self))

    __index__ = __int__

    def __float__(self) -> float:
        return float(bool(self))

    def __eq__(self, other: object) -> bool:
        return bool(self) == other

    def __hash__(self) -> int:
        return hash(bool(self))

    def __str__(self) -> str:
        return f"{name(self.left)} {self.operator} {name(self.right)}"

    def __repr__(self) -> str:
        return f"Comparison({self}: {self.outcome})"

    @staticmethod
    def where(comparison: Comparison, x: Any, y: Any) -> Value:
        """A node that is x where the comparison holds, else y: for `numeric.where`, which asks a condition's class."""
        left, right = comparison.left, comparison.right
        return record(rules.decided(comparison.operator), (left, right, as_value(x, left), as_value(y, left)))


def name(value: Value) -> str:
    """What a Value is called in an error: its label, or its number."""
    return value.label or f"{value.data!r:.24}"


def branches_of(nodes: Iterable[Value]) -> tuple[bool, list[Comparison]]:
    """Whether the branches of a graph are known, and the comparisons that Python's way through it hung on.

    They are those of every block in which one of the `nodes` was made, each once, in the order in which they were asked.
    They are known if each node that has parents was made within a `record()` block.
    """
    blocks: dict[Block, None] = {}
    checked, last = True, None
    for node in nodes:
        if type(node) is Recorded:
            if node.block is not last:
                last = node.block
                blocks[last] = None
        elif node._x is not None:
            checked = False
    found = {id(comparison): comparison for block in blocks for comparison in block.comparisons}
    return checked, list(found.values())
