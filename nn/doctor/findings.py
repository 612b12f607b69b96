"""What the doctor says: findings, a diagnosis made of them, and the warning by which `fit` speaks."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple, overload

SHOWN = 8  # how many units, layers or parameters a sentence lists


class TrainingWarning(UserWarning):
    """What `fit` says when training goes wrong, in plain words with what to do. `fit(checks=False)` keeps it silent."""


class Finding(NamedTuple):
    """One thing that is wrong.

    kind    "not zeroed", "backward twice", "data changed", "dead", "saturated", "identical weights", "vanishing",
            "exploding", "uphill", "not finite" or "not connected"
    where   the layer, as drawings and `named_parameters()` call it; "" for the whole model
    what    what was seen
    advice  what to do
    """

    kind: str
    where: str
    what: str
    advice: str

    def __str__(self) -> str:
        return f"{self.kind}{f' ({self.where})' if self.where else ''}: {self.what} {self.advice}"


class Diagnosis(Sequence[Finding]):
    """The findings of `diagnose`, none of which is good news; `looked_at` says what was looked at."""

    def __init__(self, findings: Iterable[Finding], looked_at: str) -> None:
        self.findings, self.looked_at = tuple(findings), looked_at

    @overload
    def __getitem__(self, at: int) -> Finding: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Finding, ...]: ...
    def __getitem__(self, at: int | slice) -> Finding | tuple[Finding, ...]:
        return self.findings[at]

    def __len__(self) -> int:
        return len(self.findings)

    @property
    def kinds(self) -> list[str]:
        """The kind of each finding."""
        return [finding.kind for finding in self.findings]

    def __str__(self) -> str:
        if not self.findings:
            return textwrap.fill(f"Nothing to report: {self.looked_at}.", 100)
        return "\n".join(textwrap.fill(str(finding), 100, subsequent_indent="    ") for finding in self.findings)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        if not self.findings:
            return f"<p>Nothing to report: {escape(self.looked_at)}.</p>"
        rows = [
            f"<li><b>{escape(f.kind)}</b>{f' in <code>{escape(f.where)}</code>' if f.where else ''}: "
            f"{escape(f.what)} <i>{escape(f.advice)}</i></li>"
            for f in self.findings
        ]
        return f"<ul>{''.join(rows)}</ul>"


def listed(names: Sequence[str]) -> str:
    """ "a, b and c"; of many the first, and how many more."""
    if len(names) > SHOWN:
        return f"{', '.join(names[:SHOWN])} and {len(names) - SHOWN} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
