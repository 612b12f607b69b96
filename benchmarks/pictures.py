"""The curves among the figures, as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def curves(figures: Sequence[dict[str, Any]], folder: Path) -> list[Path]:
    """A picture for each group that has points of curves, both axes logarithmic: the files written.

    Raises ImportError without matplotlib.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for group in dict.fromkeys(found["group"] for found in figures if found["at"] is not None):
        picture = Figure(figsize=(7, 4.5), layout="constrained")
        axes = picture.add_subplot()
        points = [found for found in figures if found["group"] == group and found["value"] is not None]
        for series in dict.fromkeys(found["series"] for found in points):
            mine = sorted((found["at"], found["value"]) for found in points if found["series"] == series)
            ours = series.startswith("replay")
            axes.plot(*zip(*mine), label=series, marker="o", markersize=4, linewidth=2.2 if ours else 1.2)
        axes.set(xscale="log", yscale="log", xlabel=group.rpartition(" ")[2], title=group)
        axes.set_ylabel({"us": "microseconds", "ms": "milliseconds"}[points[0]["unit"]])
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,g}" if x < 1 else f"{x:,.0f}"))
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
        written.append(folder / f"{group.replace(':', '').replace(' ', '-')}.png")
        picture.savefig(written[-1], dpi=150)
    return written
