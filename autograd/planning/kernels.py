"""A rule read once, as a short list of calls on whole arrays: what replay runs in the place of the rule.

The rule is read with Symbols, so that a part used twice is computed once, also where the value and the slopes share it. The
operands of a rule of many are the rows of one array, and equal steps on several rows are one call.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..numeric import COMPOSED, HELPERS
from ..rules import RULES, Rule
from ..symbols import Symbol, fold, node, operand_names, read, substitute, uses_of

STACK = "stack"  # rows from several places, copied into one register
ARRAYS = {  # what libraries of arrays call the operators of a formula; everything else they call as `autograd.numeric` does
    "+": "add", "-": "subtract", "*": "multiply", "/": "divide", "**": "float_power", "neg": "negative", "abs": "absolute",
    "<": "less", "<=": "less_equal", ">": "greater", ">=": "greater_equal", "&": "logical_and",
}  # fmt: skip
LOGICAL = ("<", "<=", ">", ">=", "&")
CHAINS = {"+", "*", "maximum", "minimum"}  # in a rule of many, a chain of one of these is one call


@dataclass(frozen=True, slots=True)
class Ref:
    """Rows of a register: `count` of them from `start` on."""

    register: int
    start: int = 0
    count: int = 1


@dataclass(frozen=True, slots=True)
class Call:
    """One step: `out = operation(*operands)`, each a Ref or a number; `out` is a new register of `count` rows.

    With `reduce` the rows of the only operand are combined by the operation into one.
    """

    operation: str
    operands: tuple[Any, ...]
    out: int
    count: int = 1
    reduce: bool = False


class Kernel(NamedTuple):
    """A rule as calls. The first registers hold the operands (register 0 all of a rule of many), the next the result."""

    inputs: int  # how many registers the operands take; that of the result comes after them
    forward: tuple[Call, ...]
    value: Any  # where the result is after these: a Ref, or a number
    backward: tuple[tuple[Call, ...], ...]  # per operand (for a rule of many one for all): the calls for its slope
    slopes: tuple[Any, ...]  # where the slopes are after these: Refs or numbers; for a rule of many one Ref to all rows


def reads(calls: Iterable[Call], *places: Any) -> set[int]:
    """The registers that calls, and whoever looks at `places`, read."""
    return {x.register for x in [*places, *[x for call in calls for x in call.operands]] if isinstance(x, Ref)}


class Same:
    """A rule as a key: by identity. Comparing what rules hold would take longer than finding them saves."""

    __slots__ = ("rule",)

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.rule is other.rule

    def __hash__(self) -> int:
        return id(self.rule)


def kernel(rule: Rule, count: int, own: dict[Any, Kernel]) -> Kernel:
    """The kernel of a rule on `count` operands. Those of users' rules, whose functions may look at something that changes
    later, are kept in `own`, a plan's; all others are read once.

    Raises TypeError or ValueError, naming the rule, if it cannot be read with Symbols (see `autograd.operation`).
    """
    key = Same(rule), count
    if RULES.get(rule.name) is rule or rule.maker is not None:
        return read_kernel(*key)
    if key not in own:
        own[key] = read_kernel.__wrapped__(*key)
    return own[key]


@lru_cache(maxsize=1024)
def read_kernel(key: Same, count: int) -> Kernel:
    rule, many = key.rule, key.rule.arity is None
    operands = [Symbol(name) for name in operand_names(rule, count)]
    try:
        read_value = Symbol(rule.forward(*operands))
    except TypeError as error:
        error.add_note(f"while reading the rule {rule.name!r}, so as to run it with arrays")
        raise
    whole = node("all", read_value, *read(rule, count, textbook=False))  # one expression, so that each part is met once
    value, *slopes = fold(whole, spelled_out).operands
    inputs = 1 if many else count
    writer = Writer(inputs + 1, uses_of([node("all", value, *slopes)]), many)
    for i, operand in enumerate(operands):
        writer.places[id(operand)] = Ref(0, i) if many else Ref(i)
    out = Symbol("out")
    writer.places[id(out)] = Ref(inputs)
    forward = writer.write([value])
    where = writer.place(value)
    parts = [slopes] if many else [[slope] for slope in slopes]
    backward, places = [], []
    for part in parts:
        calls = writer.write(part)
        places.append(writer.together(part, calls) if many else writer.place(part[0]))
        backward.append(tuple(calls))
    return Kernel(inputs, tuple(forward), where, tuple(backward), tuple(places))


def spelled_out(symbol: Symbol, operands: list[Symbol]) -> Symbol:
    """One part of an expression with helpers that are formulas of others replaced by these.

    A comparison that is reckoned with becomes 1 or 0, as in Python: arrays of bools are not added up or subtracted.
    """
    if not operands:
        return symbol
    if symbol.operation not in ("where", "&"):
        operands = [node("where", x, Symbol(1), Symbol(0)) if x.operation in LOGICAL else x for x in operands]
    if formula := COMPOSED.get(symbol.operation):
        names = [f"operand {i}" for i in range(len(operands))]
        written = fold(Symbol(formula(*map(Symbol, names))), spelled_out)
        return substitute(written, dict(zip(names, operands)))
    if all(type(x.content) in (int, float) for x in operands) and symbol.operation not in ("total", "where", "all"):
        with np.errstate(all="ignore"):  # pi, or the logarithm of 2
            return Symbol(float(function_of(symbol.operation)(*[float(x.content) for x in operands])))
    return node(symbol.operation, *operands)


def function_of(operation: str, library: Any = np) -> Any:
    """The function of arrays that an operation of a formula is: the library's own, or a helper that asks who computes."""
    own = getattr(library, ARRAYS.get(operation, operation), None)
    if own is None and operation not in HELPERS:
        raise TypeError(f"{operation} is no function of {library.__name__}, nor a helper of autograd.numeric")
    return own or HELPERS[operation]


class Writer:
    """Writes expressions as calls; knows the place of every part that is written already."""

    def __init__(self, registers: int, uses: dict[int, int], many: bool) -> None:
        self.registers, self.uses, self.many = registers, uses, many
        self.places: dict[int, Ref] = {}  # by the id of the Symbol

    def place(self, symbol: Symbol) -> Any:
        """Where a part is that has been written: a Ref, or a number."""
        if id(symbol) not in self.places and not symbol.operands:
            return symbol.content
        return self.places[id(symbol)]

    def parts(self, symbol: Symbol) -> tuple[Symbol, ...]:
        """The operands of an operation; of a chain of one operation, if it is one call, all of the chain."""
        if not self.many or symbol.operation not in CHAINS:
            return symbol.operands
        chain: list[Symbol] = []
        first = symbol
        while first is symbol or (
            first.operation == symbol.operation and self.uses[id(first)] == 1 and id(first) not in self.places
        ):
            first, *rest = first.operands
            chain += reversed(rest)
        chain.append(first)
        return tuple(reversed(chain)) if len(chain) > 2 else symbol.operands

    def write(self, symbols: Sequence[Symbol]) -> list[Call]:
        """The calls that compute what is not computed yet, equal steps on several rows as one."""
        levels: dict[int, int] = {}
        steps: dict[Any, list[Symbol]] = {}

        def settle(root: Symbol) -> None:
            stack = [root]
            while stack:
                part = stack[-1]
                if not part.operands or id(part) in self.places or id(part) in levels:
                    stack.pop()
                    continue
                operands = self.parts(part)
                waiting = [x for x in operands if x.operands and id(x) not in self.places and id(x) not in levels]
                if waiting:
                    stack += waiting
                    continue
                stack.pop()
                levels[id(part)] = level = 1 + max([levels.get(id(x), 0) for x in operands])
                steps.setdefault(level, []).append(part)

        for symbol in symbols:
            settle(symbol)
        calls: list[Call] = []
        for level in sorted(steps):
            for alike in self.alike(steps[level]):
                self.emit(alike, calls)
        return calls

    def alike(self, parts: list[Symbol]) -> list[list[Symbol]]:
        """Parts of one level, those together that one call can compute."""
        groups: dict[Any, list[Symbol]] = {}
        for part in parts:
            operands = self.parts(part)
            key: Any
            if part.operation == "total" or len(operands) > len(part.operands):
                key = id(part)  # a reduction stands alone
            else:
                found = [self.place(x) for x in operands]
                key = part.operation, *[x.register if isinstance(x, Ref) else repr(x) for x in found]
            groups.setdefault(key, []).append(part)
        for alike in groups.values():  # in the order of the rows that they read
            alike.sort(key=lambda part: [x.start for x in map(self.place, self.parts(part)) if isinstance(x, Ref)])
        return list(groups.values())

    def emit(self, parts: list[Symbol], calls: list[Call]) -> None:
        """One call for these parts."""
        first, operands = parts[0], self.parts(parts[0])
        if first.operation == "total" or len(operands) > len(first.operands):
            operation = "+" if first.operation == "total" else first.operation
            rows = self.together(operands, calls)
            call = Call(operation, (rows,), self.registers, 1, reduce=True)
        else:
            columns = zip(*[self.parts(part) for part in parts], strict=True)
            given = tuple([self.column(column, calls) for column in columns])
            call = Call(first.operation, given, self.registers, len(parts))
        for row, part in enumerate(parts):
            self.places[id(part)] = Ref(call.out, row)
        self.registers += 1
        calls.append(call)

    def column(self, symbols: Sequence[Symbol], calls: list[Call]) -> Any:
        """One operand of several equal steps: a number, a row that they share, or a row for each."""
        places = [self.place(x) for x in symbols]
        shared = not isinstance(places[0], Ref) or all(place == places[0] for place in places)
        return places[0] if shared else self.together(symbols, calls)

    def together(self, symbols: Sequence[Symbol], calls: list[Call]) -> Ref:
        """The rows of these parts in one register, copied there if they are not in a row already."""
        runs: list[Any] = []
        for symbol in symbols:
            place = self.place(symbol)
            last = runs[-1] if runs else None
            if isinstance(last, Ref) and place == Ref(last.register, last.start + last.count):
                runs[-1] = replace(last, count=last.count + 1)
            else:
                runs.append(place)
        if len(runs) == 1 and isinstance(runs[0], Ref):
            return runs[0]
        calls.append(Call(STACK, tuple(runs), self.registers, len(symbols)))
        self.registers += 1
        return Ref(self.registers - 1, 0, len(symbols))
