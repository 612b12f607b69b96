"""Exercises that check themselves: `exercise(given, expected, hint)` as the last line of a notebook's cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from html import escape
from math import isfinite
from types import FunctionType
from typing import Any, NamedTuple

from ..engine import Value
from ..functional import spell
from ..numeric import is_number

MOST_TOLD = 4  # wrong entries that are named
ROUNDING = 1e-12  # what is smaller may be meant as 0
DOTS = "Not answered yet: put your answer in the place of the dots."
NOTHING = "Not answered yet: your function gives nothing back. Replace its dots, and return the result."
SLIPS = (  # what makes a wrong x and the right y the same: a factor of each
    (-1, 1, "the sign is flipped"),
    (2, 1, "that is half of it"),
    (1, 2, "that is twice as much"),
)
BOXES = {  # a sign, which also says it without colours, and the colour of the border
    True: ("✓", "#16a34a"),
    False: ("✗", "#d97706"),
    None: ("…", "#2563eb"),
}


class Outcome(NamedTuple):
    """What was found of an answer; true where it is right."""

    right: bool | None  # None: not answered yet
    text: str
    hint: str

    def __bool__(self) -> bool:
        return self.right is True

    def __repr__(self) -> str:
        return self.text if self.right or not self.hint else f"{self.text}\nHint: {self.hint}"

    def _repr_html_(self) -> str:
        """A box with a coloured border, the hint folded up in it."""
        return box(self.text, self.right, "" if self.right else self.hint)


def box(text: str, right: bool | None, hint: str = "") -> str:
    """A text in a quiet box, with a sign and a border that say whether it is right; readable in light and dark."""
    sign, colour = BOXES[right]
    folded = (
        f'<details style="margin-top: 0.3em"><summary style="cursor: pointer">Hint</summary>{lines(hint)}</details>'
        if hint
        else ""
    )
    return (
        f'<div style="border-left: 4px solid {colour}; background: {colour}1f; padding: 0.5em 0.9em; margin: 0.4em 0; '
        f'border-radius: 3px; overflow-x: auto"><strong aria-hidden="true">{sign}</strong> {lines(text)}{folded}</div>'
    )


def lines(text: str) -> str:
    """Text as HTML, its line breaks and spaces kept; what has several lines may be a table."""
    font = "; font-family: ui-monospace, monospace" if "\n" in text else ""
    return f'<span style="white-space: pre-wrap{font}">{escape(text)}</span>'


def exercise(given: Any, expected: Any, hint: str, *, tolerance: float = 1e-6) -> Outcome:
    """Whether an answer is right; `...` in it is no answer yet. Nothing in the answer can make it raise.

    Args:
        given: the answer: a number, a Value (its data), numbers in lists, dicts or arrays, a text, a bool, or whatever
            `expected` can judge, such as a function.
        expected: the right answer, or a function of `given` that says True, or False, or in a text what is wrong, or gives
            what says so itself: an `Outcome`, or the report of `check_derivation`. A text is compared without regard to
            case and blanks.
        hint: what helps whoever is not there yet.
        tolerance: how far a number may be off, times its size (times 1, if that is less, but never a tenth of it).

    Returns an `Outcome`: `right` is True, False or None, `text` says what is wrong without giving the answer away. An error
    in the answer, or in judging it, is "Not yet" with the error told.
    """
    if has_dots(given):
        return Outcome(None, DOTS, hint)
    if callable(expected):
        return judged(given, expected, hint)
    try:
        wrong = complaint(given, expected, tolerance)
    except Exception as error:  # the answer may be anything: an object whose every operation raises
        wrong = told(error)
    return Outcome(not wrong, f"Not yet: {wrong}." if wrong else "Right.", hint)


def has_dots(given: Any) -> bool:
    """Whether `...` stands in an answer."""
    if isinstance(given, Mapping):
        return any(map(has_dots, given.values()))
    return given is ... or (isinstance(given, (list, tuple)) and any(map(has_dots, given)))


# ---- by a judge ----------------------------------------------------------------------------------------------------


def judged(given: Any, judge: Callable[[Any], Any], hint: str) -> Outcome:
    """What a function says of an answer. A function whose every call gave None or `...` is not written yet."""
    returned: list[Any] = []
    subject = given
    if isinstance(given, FunctionType):

        @wraps(given)
        def subject(*args: Any, **kwargs: Any) -> Any:
            found = given(*args, **kwargs)
            returned.append(found)
            return found

    try:
        verdict = judge(subject)
        verdict = verdict.item() if hasattr(verdict, "item") else verdict  # NumPy's bool
        if isinstance(verdict, Outcome):
            return verdict._replace(hint=hint)
        if hasattr(verdict, "right"):  # a report of check_derivation
            verdict = bool(verdict.right) or str(verdict)
    except Exception as error:
        verdict = told(error, given)
    if verdict is True:
        return Outcome(True, "Right.", hint)
    if returned and all(found is None or found is ... for found in returned):
        return Outcome(None, NOTHING, hint)
    if isinstance(verdict, str):
        return Outcome(False, verdict if verdict.startswith("Not yet") else f"Not yet: {verdict}", hint)
    return Outcome(False, "Not yet.", hint)


def told(error: Exception, given: Any = None) -> str:
    """The first line of an error, with the line of the reader's function in which it was raised."""
    at, trace = "", error.__traceback__
    while trace is not None:
        if isinstance(given, FunctionType) and trace.tb_frame.f_code is given.__code__:
            at = f", in line {trace.tb_lineno - given.__code__.co_firstlineno + 1} of {given.__name__}"
        trace = trace.tb_next
    problem = " ".join(f"{error}".strip().partition("\n")[0].split())
    return f"{type(error).__name__}{f': {problem:.300}' if problem else ''}{at}"


# ---- by comparing --------------------------------------------------------------------------------------------------


def complaint(given: Any, wanted: Any, tolerance: float) -> str:
    """What is wrong with an answer; "" if it is right."""
    given, wanted = plain(given), plain(wanted)
    entries = list(compared(given, wanted, (), tolerance))
    wrong = [(path, problem) for path, problem in entries if problem]
    if not wrong:
        return ""
    if len(entries) == 1 and not wrong[0][0]:
        return wrong[0][1]
    words = {problem for _, problem in wrong}
    if len(wrong) > 1 and len(words) == 1:
        (word,) = words
        everywhere = "every entry" if len(wrong) == len(entries) else f"{len(wrong)} of {len(entries)} entries"
        return f"{everywhere}: {word}" + ("" if len(wrong) == len(entries) else f" ({places(wrong)})")
    detailed = [f"{place(path)} ({problem})" for path, problem in wrong[:MOST_TOLD]]
    more = f" and {len(wrong) - MOST_TOLD} more" if len(wrong) > MOST_TOLD else ""
    verb = "is" if len(wrong) == 1 else "are"
    return f"{len(wrong)} of {len(entries)} entries {verb} not right: {', '.join(detailed)}{more}"


def places(wrong: list[tuple[tuple[Any, ...], str]]) -> str:
    """Where the wrong entries stand."""
    named = ", ".join([place(path) for path, _ in wrong[:MOST_TOLD]])
    return named + (f" and {len(wrong) - MOST_TOLD} more" if len(wrong) > MOST_TOLD else "")


def place(path: tuple[Any, ...]) -> str:
    """Where an entry stands, as Python would write it: [0]['w']."""
    return spell(("", *path)) if path else "the answer"


def plain(x: Any) -> Any:
    """A Value's data, and arrays and their numbers as Python's own."""
    if isinstance(x, Value):
        return plain(x.data)
    if hasattr(x, "tolist") and hasattr(x, "shape"):  # NumPy's, JAX's and PyTorch's
        return plain(x.tolist())
    if isinstance(x, Mapping):
        return {key: plain(item) for key, item in x.items()}
    return [plain(item) for item in x] if isinstance(x, (list, tuple)) else x


def compared(given: Any, wanted: Any, path: tuple[Any, ...], tolerance: float) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Every entry of the right answer, as (where it stands, what is wrong with it or "")."""
    if kind(given) != kind(wanted):
        yield path, f"expected {kind(wanted)}, got {kind(given)}{', call it' if callable(given) else ''}"
    elif isinstance(wanted, dict):
        if given.keys() != wanted.keys():
            yield path, f"expected the keys {listed(wanted)}, got {listed(given) or 'none'}"
        else:
            for key in wanted:
                yield from compared(given[key], wanted[key], (*path, key), tolerance)
    elif isinstance(wanted, list):
        shapes = shape(given), shape(wanted)
        if len(given) != len(wanted) or (not path and shapes[0] != shapes[1]):
            yield path, differently_shaped(*shapes)
        else:
            for i, pair in enumerate(zip(given, wanted, strict=True)):
                yield from compared(*pair, (*path, i), tolerance)
    elif isinstance(wanted, str):
        yield path, "" if normal(given) == normal(wanted) else f"{given!r:.60} is not it"
    elif is_number(wanted):
        yield path, "" if close(given, wanted, tolerance) else about(given, wanted, tolerance)
    else:
        yield path, "" if given == wanted else f"{given!r:.60} is not it"


def kind(x: Any) -> str:
    """What sort of thing an answer is, as an error names it."""
    if isinstance(x, bool):
        return "True or False"
    if is_number(x):
        return "a number"
    named = {str: "a text in quotes", list: "a list of numbers", dict: "a dict", type(None): "nothing (None)"}
    return named.get(type(x), "a function" if callable(x) else f"a {type(x).__name__}")


def listed(given: Mapping[Any, Any]) -> str:
    return ", ".join([repr(key) for key in given])


def shape(x: Any) -> tuple[int, ...]:
    """How long nested lists are at each level, down to where they differ."""
    if not isinstance(x, list):
        return ()
    inner = {shape(item) for item in x}
    return (len(x), *inner.pop()) if len(inner) == 1 else (len(x),)


def differently_shaped(given: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    if len(given) == len(wanted) == 1:
        return f"expected {wanted[0]} entries, got {given[0]}"
    turned = "; is it transposed?" if given == wanted[::-1] and given != wanted else ""
    return f"expected the shape {wanted}, got {given}{turned}"


def normal(text: str) -> str:
    """A text as it is compared: without blanks and commas, in small letters."""
    return "".join(text.replace(",", " ").split()).casefold()


def close(x: Any, y: Any, tolerance: float) -> bool:
    """Whether x is y within the tolerance; NaN is NaN, and only an infinity is one."""
    try:
        if x == y or (x != x and y != y):
            return True
        size = abs(y)
        allowed = tolerance * max(1, size)
        off = abs(x - y)
    except TypeError:  # a Fraction and a Decimal
        return close(float(x), float(y), tolerance)
    return bool(off <= (allowed if size <= ROUNDING else min(allowed, float(size) / 10))) and is_finite(size)


def is_finite(x: Any) -> bool:
    try:
        return isfinite(abs(x))
    except (TypeError, OverflowError):  # an expression; a large int
        return True


def about(x: Any, y: Any, tolerance: float) -> str:
    """What helps with a wrong number, in words that do not say the right one."""
    if is_finite(x) and is_finite(y) and y != 0 and {x, y} != {1, 2}:  # of a choice, "half of it" would say all
        if slip := slip_in(x, y, lambda x, y: close(x, y, tolerance)):
            return slip
        if abs(x - y) * 50 <= abs(y):
            return "that is close, but not to enough digits"
    return f"{x!s:.40} is not it"


def slip_in(x: Any, y: Any, same: Callable[[Any, Any], bool]) -> str:
    """The slip that makes x of a right y; "" if it is none of the usual ones."""
    return next((words for of_x, of_y, words in SLIPS if same(of_x * x, of_y * y)), "")
