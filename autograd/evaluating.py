"""A formula read with numbers: the way back from a Symbol to what it stands for."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

from . import numeric
from .rules import RULES
from .symbols import Symbol, fold

CONDITIONS: dict[str, Callable[..., Any]] = {  # which are no rules, having no derivative
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "&": operator.and_,
}  # fmt: skip


def evaluate(symbol: Symbol, given: Mapping[str, Any]) -> Any:
    """The formula with numbers, or Values, in the places of its names.

    Raises KeyError for a name that is not given, and for a helper that is not in `autograd.numeric`.
    """

    def visit(part: Symbol, operands: list[Any]) -> Any:
        if operands:
            return function_of(part.operation)(*operands)
        return given[part.content] if isinstance(part.content, str) else part.content

    return fold(symbol, visit)


def function_of(operation: str) -> Callable[..., Any]:
    """What an operation of a formula computes."""
    if operation in RULES:
        return RULES[operation].forward
    return CONDITIONS.get(operation) or vars(numeric)[operation]


def names_in(symbol: Symbol) -> set[str]:
    """The names that stand in a formula."""
    found: set[str] = set()

    def visit(part: Symbol, _: list[None]) -> None:
        if isinstance(part.content, str):
            found.add(part.content)

    fold(symbol, visit)
    return found
