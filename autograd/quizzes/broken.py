"""A broken rule to find: of a few operations one has a wrong local derivative; `check_gradients` or a drawing tells which.

    >>> game = broken_rule(seed=3)
    >>> print(check_gradients(game.tanh, 0.5))      # or draw(game.tanh(x)), or train something with it
    >>> game.guess("tanh")

What is broken is made from the rules themselves: every mistake below is tried on every rule, and one is taken only if
`check_gradients` finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from functools import lru_cache
from inspect import signature
from math import isfinite
from random import Random
from typing import Any, NamedTuple

from ..checks import GradientError, check_gradients
from ..drawing.tables import html_table
from ..engine import Value, record
from ..evaluating import evaluate, names_in
from ..expression import public_operations
from ..functional import map_numbers
from ..numeric import divide
from ..rules import RULES, Rule
from ..symbols import Symbol, formulas, operand_names, read, simplify
from .exercises import Outcome, box

CANDIDATES = 6
TRIED = 8  # points of a rule's domain at which a broken one is tried
PLAIN, SUBTLE = "plain", "subtle"
DIFFICULTIES = {
    "easy": "a sign or a factor, wrong wherever it is checked",
    "hard": "a formula that looks right, or one that is wrong at some points only",
    "any": "either",
}
SHAPES: tuple[Callable[..., tuple[Any, ...]], ...] = (  # how operations take their operands
    lambda x, y, z: (x,),
    lambda x, y, z: (x, y),
    lambda x, y, z: ([x, y, z],),
    lambda x, y, z: ([x, y], [z, x]),
    lambda x, y, z: ([x, y, z], 0),
)
TO_DO = (
    "One of these operations has a wrong local derivative. Find it with check_gradients at a point or two, in a drawing "
    "of what it made, or by training with it; then game.guess('its name')."
)
HINT = (
    "A right operation passes everywhere, a broken one raises GradientError, perhaps only at some points: try negative and "
    "positive ones, small and large."
)

# ---- mistakes ------------------------------------------------------------------------------------------------------

Slopes = Callable[[Sequence[Any], Any], Sequence[Any]]


class Mistake(NamedTuple):
    """A way to break any rule: `apply` gives the wrong slopes of one, or None where there is nothing to break."""

    name: str  # "the sign is flipped"
    kind: str  # PLAIN or SUBTLE
    apply: Callable[[Rule, int], Rule | None]  # of the local derivative with respect to operand k


def with_slopes(rule: Rule, change: Callable[[Rule], Slopes]) -> Rule:
    """The rule with other slopes, both in what computes and in what is printed. It has no parameters of which it could be
    made again as it was."""

    def partials(form: Rule) -> Any:
        slopes = change(form)
        if rule.arity is None:
            return slopes
        return tuple([lambda *given, k=k: slopes(given[:-1], given[-1])[k] for k in range(rule.arity)])

    book = None if rule.textbook is None else partials(rule._replace(partials=rule.textbook))
    return rule._replace(partials=partials(rule), textbook=book, maker=None)


def changed(change: Callable[[Any], Any]) -> Callable[[Rule, int], Rule]:
    """The mistake that does something to the number of one local derivative; of an n-ary rule to all of them."""

    def apply(rule: Rule, k: int) -> Rule:
        def slopes_of(form: Rule) -> Slopes:
            def slopes(operands: Sequence[Any], out: Any) -> list[Any]:
                right = form.slopes(operands, out)
                return [change(x) if i == k or rule.arity is None else x for i, x in enumerate(right)]

            return slopes

        return with_slopes(rule, slopes_of)

    return apply


def swapped(rule: Rule, k: int) -> Rule | None:
    """The local derivatives with respect to operand k and the next one, swapped."""
    if rule.arity is not None and k + 1 >= rule.arity:
        return None

    def slopes_of(form: Rule) -> Slopes:
        def slopes(operands: Sequence[Any], out: Any) -> list[Any]:
            found = list(form.slopes(operands, out))
            found[k : k + 2] = reversed(found[k : k + 2])
            return found

        return slopes

    return with_slopes(rule, slopes_of)


def operand_for_result(rule: Rule, k: int) -> Rule | None:
    """The operand k where the result belongs, in a formula that has the result in it."""
    form = rule._replace(partials=rule.textbook or rule.partials, textbook=None)
    if all("out" not in names_in(symbol) for symbol in read(rule)):
        return None
    return with_slopes(form, lambda form: lambda operands, out: form.slopes(operands, operands[k]))


def neighbours(rule: Rule, step: int) -> Rule | None:
    """The slopes of the next rule in the table with as many operands."""
    alike = [each for each in RULES.values() if each.arity == rule.arity]
    names = [each.name for each in alike]
    if rule.name not in names or len(alike) == 1:
        return None
    other = alike[(names.index(rule.name) + step) % len(alike)]
    wrong = with_slopes(other, lambda form: form.slopes)
    return rule._replace(partials=wrong.partials, textbook=wrong.textbook, maker=None)


def term_dropped(side: int) -> Callable[[Rule, int], Rule | None]:
    """The mistake that leaves out one term of a sum or one factor of a product."""

    def shorter(symbol: Symbol) -> Symbol:
        match symbol.operation, side:
            case (("+" | "*"), _):
                return symbol.operands[1 - side]
            case "-", 0:
                return -symbol.operands[1]
            case (("-" | "/"), 1):
                return symbol.operands[0]
            case _:
                return symbol

    def apply(rule: Rule, k: int) -> Rule | None:
        if all(shorter(symbol) is symbol for symbol in map(simplify, read(rule))):
            return None

        def slopes(operands: Sequence[Any], out: Any) -> list[Any]:
            names = dict(zip((*operand_names(rule, len(operands)), "out"), (*operands, out), strict=True))
            symbols = [simplify(symbol) for symbol in read(rule, len(operands))]
            return [
                evaluate(shorter(symbol) if i == k or rule.arity is None else symbol, names)
                for i, symbol in enumerate(symbols)
            ]

        return with_slopes(rule._replace(textbook=None), lambda form: slopes)

    return apply


MISTAKES = (
    Mistake("the sign is flipped", PLAIN, changed(lambda x: -x)),
    Mistake("the local derivative is twice as large", PLAIN, changed(lambda x: 2 * x)),
    Mistake("the local derivative is half as large", PLAIN, changed(lambda x: divide(x, 2))),
    Mistake("the local derivatives of two operands are swapped", SUBTLE, swapped),
    Mistake("an operand stands where the result belongs", SUBTLE, operand_for_result),
    Mistake("the local derivative is that of another operation", SUBTLE, lambda rule, k: neighbours(rule, 1)),
    Mistake("the local derivative is that of another operation", SUBTLE, lambda rule, k: neighbours(rule, -1)),
    Mistake("a part of the local derivative is missing", SUBTLE, term_dropped(0)),
    Mistake("a part of the local derivative is missing", SUBTLE, term_dropped(1)),
)


def intervals(rule: Rule, count: int) -> list[tuple[float, float]]:
    """Where so many operands of a rule lie; a domain that is a function may leave some of it out."""
    given = ((-3.0, 3.0),) if callable(rule.domain) else rule.domain
    return [given[min(i, len(given) - 1)] for i in range(count)]


def points(rule: Rule, random: Random) -> Iterator[list[float]]:
    """Points of a rule's domain, of an n-ary rule with four operands."""
    found = 0
    while found < TRIED:
        point = [
            round(low + (high - low) * random.uniform(0.05, 0.95), 2) for low, high in intervals(rule, rule.arity or 4)
        ]
        if not callable(rule.domain) or rule.domain(*point):
            found += 1
            yield point


def caught(wrong: Rule, random: Random) -> list[bool]:
    """At some points of its domain, whether `check_gradients` finds the rule wrong; none if it cannot be computed there."""
    found = []
    for point in points(wrong, random):
        try:
            slopes = wrong.slopes(point, wrong.forward(*point))
            if not all(isinstance(x, (int, float)) and isfinite(x) for x in slopes):
                return []
            check_gradients(lambda *operands: record(wrong, operands), *point, order=1)
            found.append(False)
        except GradientError:
            found.append(True)
        except (ArithmeticError, ValueError, TypeError):
            return []
    return found


# ---- operations ----------------------------------------------------------------------------------------------------


class Operation(NamedTuple):
    """A public operation, the rule that it records, and how it takes its operands."""

    name: str
    function: Callable[..., Any]
    rule: Rule
    shape: Callable[..., tuple[Any, ...]]

    @property
    def example(self) -> str:
        """How to check it, as one types it: "check_gradients(game.tanh, 0.5)"."""
        shares = zip(intervals(self.rule, 3), (0.6, 0.8, 0.3))
        arguments = self.shape(*[round(low + (high - low) * share, 1) for (low, high), share in shares])
        if isinstance(arguments[-1], int):
            parameter = list(signature(self.function).parameters)[1]
            return f"check_gradients(game.{self.name}, {arguments[0]}, {parameter}={arguments[-1]}, argnum=0)"
        return f"check_gradients(game.{self.name}, {', '.join(map(str, arguments))})"


@lru_cache(maxsize=1)
def every_operation() -> dict[str, Operation]:
    """Every public operation that records a rule, by name: found by calling each."""
    found = {}
    for name, function in public_operations().items():
        for shape in SHAPES:
            try:
                made = function(*shape(Value(0.5), Value(0.75), Value(0.6)))
            except (TypeError, ValueError):
                continue
            if isinstance(made, Value) and isinstance(made.rule, Rule):
                found[name] = Operation(name, function, made.rule, shape)
                break
    return found


def recorded_as(function: Callable[..., Any], replace: Callable[[Rule], Rule]) -> Callable[..., Any]:
    """An operation whose nodes are recorded with another rule; every part of an array of them."""

    def again(made: Any, _: Any = ()) -> Any:
        if not isinstance(made, Value) or not isinstance(made.rule, Rule):
            return made
        return record(replace(made.rule), made.parents)

    def operation(*operands: Any, **parameters: Any) -> Any:
        return map_numbers(again, function(*operands, **parameters))

    operation.__name__ = operation.__qualname__ = function.__name__
    operation.__doc__ = f"The operation {function.__name__} of a game: its local derivative may be wrong."
    return operation


# ---- the game ------------------------------------------------------------------------------------------------------


class Broken(NamedTuple):
    """What is broken in a game."""

    operation: Operation
    mistake: Mistake
    operand: int

    def rule(self, rule: Rule) -> Rule:
        """A rule of the broken operation with the mistake in it; of another one a copy, so that copies do not tell it."""
        right = self.operation.rule
        same = rule is right or (rule.maker is not None and rule.maker is right.maker)
        wrong = self.mistake.apply(rule, self.operand) if same else None
        return rule._replace(maker=None) if wrong is None else wrong


def broken_rule(
    seed: int | None = None, operation: str | None = None, difficulty: str = "any", *, candidates: int = CANDIDATES
) -> Game:
    """A few operations, one of which has a wrong local derivative: find it, and `guess` its name.

    The rules themselves stay as they are; the game's operations are functions of their own.

    Args:
        seed: an int, for the same game every time.
        operation: the name of the operation to break, for a teacher who wants a certain one.
        difficulty: "easy" (a sign or a factor, wrong wherever it is checked), "hard" (a formula that looks right, or one that
            is wrong at some points only) or "any".
        candidates: how many operations there are to choose from.

    Raises TypeError if seed or candidates is no int, ValueError for an unknown operation or difficulty, for fewer than 2 or
    too many candidates, and for an operation in which nothing can be broken so.
    """
    every = every_operation()
    for name, given in (("seed", seed), ("candidates", candidates)):
        if isinstance(given, bool) or not isinstance(given, int | None) or (name == "candidates" and given is None):
            raise TypeError(f"{name} should be an int, as in broken_rule({name}=6), got {given!r:.80}")
    if difficulty not in DIFFICULTIES:
        raise ValueError(f"unknown difficulty {difficulty!r:.80}; expected one of {', '.join(map(repr, DIFFICULTIES))}")
    if not 2 <= candidates <= len(every):
        raise ValueError(f"candidates should be a number from 2 to {len(every)}, got {candidates}")
    if operation is not None:
        operation = name_among(operation, every)
    seed = Random().randrange(10**6) if seed is None else seed
    random = Random(seed)
    names = [operation] if operation else random.sample(list(every), len(every))
    broken = next(filter(None, (found_in(every[name], difficulty, random) for name in names)), None)
    if broken is None:
        raise ValueError(f"no mistake in {operation} is {difficulty}: take another difficulty, or another operation")
    others = random.sample([name for name in every if name != broken.operation.name], candidates - 1)
    return Game(broken, [every[name] for name in sorted([broken.operation.name, *others])], seed)


def found_in(operation: Operation, difficulty: str, random: Random) -> Broken | None:
    """A mistake in an operation that `check_gradients` finds, the first of a random order; None if there is none."""
    tries = [(mistake, k) for mistake in MISTAKES for k in range(operation.rule.arity or 1)]
    random.shuffle(tries)
    for mistake, k in tries:
        wrong = mistake.apply(operation.rule, k)
        found = [] if wrong is None else caught(wrong, random)
        easy = mistake.kind == PLAIN and all(found)
        if any(found) and difficulty in ("any", "easy" if easy else "hard"):
            return Broken(operation, mistake, k)
    return None


def name_among(given: Any, names: Any) -> str:
    """The name of an operation, given also as its rule's: "*" for mul. Raises ValueError, with near matches."""
    every = every_operation()
    by_rule = {operation.rule.name: name for name, operation in every.items()}
    found = str(given) if given in names else by_rule.get(given, "") if isinstance(given, str) else ""
    if found in names:
        return found
    near = get_close_matches(str(given), names)
    meant = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}"
    raise ValueError(f"no operation here is called {given!r:.60}; {meant}")


class Game:
    """Operations, one of which is broken. `game.tanh(x)` or `game.operations["tanh"](x)` applies one, `guess` names it.

    Attributes:
        operations: the candidates, as functions by their names.
        seed: with which the game was made.
        solved: whether the broken one was named.
    """

    def __init__(self, broken: Broken, candidates: Sequence[Operation], seed: int) -> None:
        self._broken, self._candidates = broken, {each.name: each for each in candidates}
        self.operations = {each.name: recorded_as(each.function, broken.rule) for each in candidates}
        self.seed, self.solved = seed, False

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_") or name == "operations":
            raise AttributeError(name)
        try:
            return self.operations[name_among(name, self.operations)]
        except ValueError as error:
            raise AttributeError(str(error)) from None

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.operations})

    def guess(self, name: str) -> Outcome:
        """Whether this is the broken one, and if so, what is wrong with it. Raises ValueError for an unknown name."""
        found = name_among(name, self.operations)
        if found == self._broken.operation.name:
            self.solved = True
            return Outcome(True, f"Right. {self._told()}", "")
        return Outcome(False, f"Not yet: {found} is as it should be.", HINT)

    def give_up(self) -> Outcome:
        """Which one it is, and what is wrong with it."""
        return Outcome(None, self._told(), "")

    def _told(self) -> str:
        """What is broken, the formula as it is beside the right one."""
        name, right = self._broken.operation.name, self._broken.operation.rule
        wrong = self._broken.rule(right)
        lines = [f"In {name} {self._broken.mistake.name}:"]
        count = right.arity or 3
        names = operand_names(right, count)
        for is_now, should_be in zip(formulas(wrong, names), formulas(right, names), strict=True):
            if is_now.text != should_be.text:
                lines.append(f"  d {name} / d {is_now.operand} is {is_now.text}, and should be {should_be.text}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        width = max(map(len, self._candidates))
        lines = [f"  {each.name:{width}}  {each.example}" for each in self._candidates.values()]
        return "\n".join([self._told() if self.solved else TO_DO, "", *lines])

    def _repr_html_(self) -> str:
        rows = [(each.name, each.example) for each in self._candidates.values()]
        note = box(self._told(), True) if self.solved else box(TO_DO, None)
        return note + html_table(("operation", "to check it"), rows, (), left=(0, 1))
