"""What was found of a claim: a row for each gradient, as a table in the terminal and in a notebook."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from itertools import zip_longest
from textwrap import wrap
from typing import NamedTuple

from ..drawing.tables import cell

WIDEST = 100
NARROW = 32  # of the column of verdicts
SIGNS = {"right": "✓", "right only": "◐", "wrong": "✗"}  # colours are never the only sign
CODES = {"right": "32", "right only": "33", "wrong": "31"}
BADGES = {  # paper and ink of their own, so that they are readable on light and dark pages
    "right": ("#dcfce7", "#14532d"),
    "right only": ("#fef3c7", "#78350f"),
    "wrong": ("#fee2e2", "#7f1d1d"),
}
HEADS = ("parameter", "verdict", "what", "relative error")


class Row(NamedTuple):
    """What was found of one gradient."""

    name: str
    verdict: str  # "right", "right only ...", "wrong"
    kind: str  # "" if right, else the kind of mistake, or "unexplained"
    text: str  # one sentence
    error: float  # the largest, relative to the gradient's largest entry; NaN if there was nothing to compare

    @property
    def sort(self) -> str:
        """The verdict without what it is restricted to."""
        return "right only" if self.verdict.startswith("right only") else self.verdict


class Report(Sequence[Row]):
    """What `check_derivation` found: a sequence of rows, by position or name. `str()` is a table, and a notebook shows one.

    Attributes:
        rows: one `Row` for each gradient.
        notes: what was varied, and what else is worth knowing.
        right: whether every gradient is right; so is `bool(report)`, for `assert check_derivation(...)`.
    """

    def __init__(self, rows: Sequence[Row], notes: Sequence[str]) -> None:
        self.rows, self.notes = tuple(rows), tuple(notes)
        self.right = all(row.verdict == "right" for row in self.rows)

    def __bool__(self) -> bool:
        return self.right

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __getitem__(self, key: int | str | slice) -> Row:  # type: ignore[override]
        """A row by the name of its argument, or by position. Raises KeyError for another name."""
        if not isinstance(key, str):
            return self.rows[key]  # type: ignore[return-value]
        for row in self.rows:
            if row.name == key:
                return row
        raise KeyError(f"{key!r} was not checked; there are {', '.join([row.name for row in self.rows])}")

    def __contains__(self, key: object) -> bool:
        return key in self.rows or any(row.name == key for row in self.rows)

    @property
    def summary(self) -> str:
        count, right = len(self.rows), sum(row.verdict == "right" for row in self.rows)
        if count == 1:
            return f"the gradient of {self.rows[0].name} is {self.rows[0].verdict}"
        both = count == 2
        if right == count:
            return "both gradients are right" if both else f"all {count} gradients are right"
        if right == 0:
            if both:
                wrong = all(row.verdict == "wrong" for row in self.rows)
                return "both gradients are wrong" if wrong else "neither gradient is right"
            return f"none of the {count} gradients is right"
        return f"{right} of {count} gradients {'is' if right == 1 else 'are'} right"

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def text(self, colour: bool = False) -> str:
        """The table as text; with `colour` verdicts are coloured by the codes that terminals know."""
        verdicts = [wrap(f"{SIGNS[row.sort]} {row.verdict}", NARROW, subsequent_indent="  ") for row in self.rows]
        errors = [shown(row) for row in self.rows]
        first = max(map(len, (HEADS[0], *[row.name for row in self.rows])))
        second = max(map(len, (HEADS[1], *[line for lines in verdicts for line in lines])))
        last = max(map(len, (HEADS[3], *errors)))
        whats = [wrap(row.text, max(WIDEST - first - second - last - 6, 20)) or [""] for row in self.rows]
        third = max(
            [len(line) for lines in whats for line in lines] + [len(HEADS[2]) if any(r.text for r in self.rows) else 0]
        )
        heads = [
            HEADS[0].ljust(first),
            HEADS[1].ljust(second),
            (HEADS[2] if third else "").ljust(third),
            HEADS[3].rjust(last),
        ]
        if not third:
            del heads[2]
        lines = [*wrap(self.summary, WIDEST), "", "  ".join(heads), "  ".join(["─" * len(head) for head in heads])]
        for row, verdict, error, what in zip(self.rows, verdicts, errors, whats):
            for i, (mark, line) in enumerate(zip_longest(verdict, what, fillvalue="")):
                mark = mark.ljust(second)
                if colour and mark.strip():
                    mark = f"\x1b[{CODES[row.sort]}m{mark}\x1b[0m"
                cells = [
                    (row.name if i == 0 else "").ljust(first),
                    mark,
                    line.ljust(third),
                    (error if i == 0 else "").rjust(last),
                ]
                if not third:
                    del cells[2]
                lines.append("  ".join(cells).rstrip())
        notes = ["\n".join(wrap(note, WIDEST, subsequent_indent="  ")) for note in self.notes]
        return "\n".join(lines + ([""] if notes else []) + notes)

    def _repr_html_(self) -> str:
        left = "padding: 0.25em 0.6em; text-align: left; vertical-align: baseline"
        right = "padding: 0.25em 0.6em; text-align: right; vertical-align: baseline; white-space: pre"
        styles = (left, left + "; white-space: nowrap", left + "; max-width: 40em", right)
        line = "; border-bottom: 1px solid currentColor"
        top = "".join([cell("th", style + line, head, 'scope="col"') for style, head in zip(styles, HEADS)])
        body = ""
        for row in self.rows:
            paper, ink = BADGES[row.sort]
            verdict = (
                f'<span style="background: {paper}; color: {ink}; padding: 0.1em 0.5em; border-radius: 0.6em">'
                f"{escape(f'{SIGNS[row.sort]} {row.verdict}')}</span>"
            )
            body += (
                "<tr>"
                + cell("th", styles[0] + "; font-weight: normal; white-space: pre", row.name, 'scope="row"')
                + f'<td style="{styles[1]}">{verdict}</td>'
                + cell("td", styles[2], row.text)
                + cell("td", styles[3], shown(row))
                + "</tr>"
            )
        notes = "".join([f'<p style="margin: 0.4em 0.6em">{escape(note)}</p>' for note in self.notes])
        caption = f'<caption style="text-align: left; padding: 0.4em 0.6em">{escape(self.summary)}</caption>'
        return (
            '<div style="overflow-x: auto"><table style="border-collapse: collapse; font-family: ui-monospace, monospace">'
            f"{caption}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>{notes}</div>"
        )


def shown(row: Row) -> str:
    """An error for the table, in two digits; nothing for one that is only rounding."""
    return "" if row.sort == "right" or math.isnan(row.error) else f"{float(f'{row.error:.2g}'):g}"
