"""Numbers and labels as every renderer shows them: four significant digits, a true minus sign, labels as plain data."""

import math
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

MINUS, ELLIPSIS = "\N{MINUS SIGN}", "\N{HORIZONTAL ELLIPSIS}"


def figure(x: Any, digits: int = 4) -> str:
    """A number with four (or so many) significant digits: 2.000, −0.07065, 1.234e5, ∞.

    Exact numbers that are short stay exact. None, a number that is not known or not computed yet, is a dash. A zero has
    no sign.
    """
    if x is None:
        return "\N{EN DASH}"
    if not isinstance(x, float):
        written = str(x)
        rounded = None if len(written) <= 12 else as_float(x)
        if rounded is None:
            return shortened(written, 24).replace("-", MINUS)
        x = rounded
    if not math.isfinite(x):
        return "NaN" if math.isnan(x) else "∞" if x > 0 else MINUS + "∞"
    mantissa, e, exponent = f"{x or 0.0:#.{digits}g}".partition("e")
    if mantissa.endswith("."):  # 1234. has its four digits already
        mantissa = mantissa[:-1]
    return (mantissa + (e and f"e{int(exponent)}")).replace("-", MINUS)


def as_float(x: Any) -> float | None:
    """An exact number, rounded; None for one that has no float: an expression, or too large, or too close to 0."""
    try:
        rounded = float(x)
        return rounded if math.isfinite(rounded) and (rounded or x == 0) else None
    except (TypeError, ValueError, ArithmeticError):
        return None


def shown(label: Any, limit: int = 40) -> str:
    """A user's label as text: line breaks as spaces, what cannot be printed as �, cut after `limit` characters."""
    written = str(label)[: 4 * limit]
    return shortened("".join([c if c.isprintable() else " " if c.isspace() else "�" for c in written]), limit)


def shortened(written: str, limit: int) -> str:
    """A text of at most `limit` characters, with an ellipsis if it was cut."""
    return written if len(written) <= limit else written[: limit - 1] + ELLIPSIS


def formula_text(formula: str | None) -> str:
    """A formula with a true minus sign; "" for none, and for one that is only a number, to be shown as a figure."""
    if formula is None or re.fullmatch(r"-?[\d.]+(e[+-]\d+)?", formula):
        return ""
    return formula.replace("-", MINUS)


def columns(written: str) -> int:
    """How many columns of a fixed-width font a text takes: East Asian wide characters take two, combining marks none."""
    if written.isascii():
        return len(written)
    return sum(
        [0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in written]
    )


def pad(written: str, width: int) -> str:
    """The text, filled up with spaces to `width` columns."""
    return written + " " * (width - columns(written))


def is_number(figure: str) -> bool:
    """Whether a figure has digits to be aligned: ∞, NaN, a dash and words have none."""
    return re.match(f"[{MINUS}-]?[0-9]", figure) is not None


def after_point(figure: str) -> int:
    """How many columns a figure takes from its decimal point on; 0 if it has none."""
    return columns(figure) - columns(figure.partition(".")[0])


def aligned(figures: Sequence[str]) -> list[str]:
    """Figures padded to one width, their decimal points below each other; what is no number ends where numbers end."""
    numbers = [written for written in figures if is_number(written)]
    right = max(map(after_point, numbers), default=0)
    ends = [right - after_point(written) if is_number(written) else 0 for written in figures]
    width = max([columns(written) + end for written, end in zip(figures, ends, strict=True)], default=0)
    return [
        " " * (width - end - columns(written)) + written + " " * end for written, end in zip(figures, ends, strict=True)
    ]


def grid(cells: Sequence[Sequence[str]]) -> list[str]:
    """Columns of text, each headed by its first cell, as lines with a rule below the heads."""
    widths = [max([columns(cell) for cell in column]) for column in cells]
    lines = [
        "  ".join([pad(column[i], width) for column, width in zip(cells, widths, strict=True)]).rstrip()
        for i in range(len(cells[0]))
    ]
    return [lines[0], "─" * max(map(columns, lines)), *lines[1:]]
