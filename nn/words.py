"""Numbers and hints as words, for messages, charts and pages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["counted", "did_you_mean", "number", "percent", "plain"]


def number(x: float, digits: int = 4) -> str:
    """`x` with four significant digits and a true minus sign: number(-0.123456) is "−0.1235"."""
    return f"{x:.{digits}g}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-").replace("-", "−")


def percent(share: float) -> str:
    """A share of 1 as "96.7 %"; 100 % and 0 % only if they are exact."""
    if share in (0, 1):
        return f"{100 * share:.0f} %"
    return f"{min(max(100 * share, 0.1), 99.9):.1f} %"


def counted(count: int, noun: str) -> str:
    """A number of things: counted(1, "row") is "1 row", counted(1797, "image") is "1,797 images"."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def plain(text: object) -> str:
    """A user's text as matplotlib should show it: dollars are no formula, and a legend also takes a leading underscore."""
    shown = str(text).replace("$", r"\$")
    return f"\u200b{shown}" if shown.startswith("_") else shown


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint to end a message with, if one of the `known` words looks like this one: " (did you mean 'kind'?)"."""
    known = list(known)
    same = [other for other in known if other.casefold() == word.casefold()]
    close = same or difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
