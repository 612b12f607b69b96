"""Plots as SVG text: pure strings, no script, readable in light and dark pages and at phone width.

Colours come from the page's CSS variables (`--forward`, `--ink`, ...), with a fallback for pages that define none.
Every text that is put in is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Literal, NamedTuple

from nn.words import number

__all__ = ["Series", "line_chart", "pixels", "scatter", "ticks"]

WIDTH, HEIGHT = 440, 290
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 46, 46

FORWARD = "var(--forward, #2563eb)"
INK = "var(--ink, currentColor)"
MUTED = "var(--muted, #6b7280)"
RULE = "var(--rule, #d1d5db)"

LINE_STYLES = {
    "solid": f"fill:none;stroke:{FORWARD};stroke-width:2.2;stroke-linejoin:round",
    "faint": f"fill:none;stroke:{FORWARD};stroke-width:1;stroke-opacity:.35;stroke-linejoin:round",
    "dashed": f"fill:none;stroke:{INK};stroke-width:2;stroke-dasharray:5 4;stroke-linejoin:round",
}


class Series(NamedTuple):
    """One line of a chart: its name in the legend, its points, and how it is drawn."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    style: Literal["solid", "faint", "dashed"] = "solid"


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round numbers (1, 2 or 5 times a power of ten apart) that lie between `low` and `high`."""
    if not high > low:
        return [low]
    rough = (high - low) / count
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * k for k in (1, 2, 5, 10) if unit * k >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str,
    y_label: str,
    as_percent: bool = False,
    y_low: float = 0.0,
) -> str:
    """Lines over a common pair of axes, with a legend.

    series      lines; points that are not finite are left out, and so are empty lines
    y_low       where the y axis starts, unless a point lies lower
    as_percent  labels the y axis in percent (the data are shares of 1)
    """
    lines = []
    for line in series:
        points = [(x, y) for x, y in zip(line.xs, line.ys, strict=True) if math.isfinite(x) and math.isfinite(y)]
        if points:
            lines.append((line, points))
    everything = [point for _, points in lines for point in points] or [(0.0, 0.0), (1.0, 1.0)]
    ys = [y for _, y in everything]
    high = 1.0 if as_percent else max(ys)
    frame = _Frame((0.0, max(x for x, _ in everything)), (min(y_low, *ys, high), high))

    parts = [frame.axes(x_label, y_label, as_percent)]
    legend_x: float = LEFT
    for line, points in lines:
        style = LINE_STYLES[line.style]
        path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" style="{style}"/>')
        if len(points) <= 40:
            colour = INK if line.style == "dashed" else FORWARD
            dots = [f'<circle cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="2.6"/>' for x, y in points]
            parts.append(f'<g style="fill:{colour}">{"".join(dots)}</g>')
        parts.append(f'<line x1="{legend_x:.0f}" y1="33" x2="{legend_x + 20:.0f}" y2="33" style="{style}"/>')
        parts.append(f'<text x="{legend_x + 25:.0f}" y="37" style="fill:{INK}">{escape(line.name)}</text>')
        legend_x += 25 + 7.2 * len(line.name) + 16
    return _svg(title, parts)


def scatter(points: Sequence[tuple[float, float]], *, title: str, x_label: str, y_label: str) -> str:
    """Points (truth, prediction) on equal axes, with the diagonal on which a prediction is right."""
    finite = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)] or [(0.0, 0.0), (1.0, 1.0)]
    both = [coordinate for point in finite for coordinate in point]
    extent = (min(both), max(both))
    frame = _Frame(extent, extent)
    (x0, y0), (x1, y1) = [(frame.x(end), frame.y(end)) for end in extent]
    dots = [f'<circle cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="3"/>' for x, y in finite]
    parts = [
        frame.axes(x_label, y_label, as_percent=False),
        f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" style="stroke:{MUTED};stroke-dasharray:5 4"/>',
        f'<g style="fill:{FORWARD};fill-opacity:.6">{"".join(dots)}</g>',
    ]
    return _svg(title, parts)


def pixels(values: Sequence[float], *, width: int, full: float, title: str) -> str:
    """A small image, row by row, `width` pixels wide: 0 is empty and `full` is full ink, in the colour of the text."""
    shades: dict[float, list[str]] = {}
    for index, value in enumerate(values):
        if value > 0:
            shades.setdefault(round(min(value / full, 1.0), 3), []).append(f"M{index % width} {index // width}h1v1h-1z")
    inks = [f'<path opacity="{shade:g}" d="{"".join(squares)}"/>' for shade, squares in sorted(shades.items())]
    return (
        f'<svg class="pixels" viewBox="0 0 {width} {len(values) // width}" role="img" aria-label="{escape(title)}" '
        f'fill="currentColor" shape-rendering="crispEdges">{"".join(inks)}</svg>'
    )


class _Frame:
    """The plotting area: maps data to positions and draws the axes."""

    def __init__(self, x_range: tuple[float, float], y_range: tuple[float, float]) -> None:
        self.x_range, self.y_range = _widened(x_range), _widened(y_range)

    def x(self, value: float) -> float:
        low, high = self.x_range
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    def axes(self, x_label: str, y_label: str, as_percent: bool) -> str:
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        parts = []
        for tick in ticks(*self.y_range):
            text = f"{round(100 * tick)} %" if as_percent else number(tick)
            y = f"{self.y(tick):.1f}"
            parts.append(f'<line x1="{LEFT}" y1="{y}" x2="{right}" y2="{y}" style="stroke:{RULE}"/>')
            parts.append(f'<text x="{LEFT - 8}" y="{y}" dy=".35em" text-anchor="end">{text}</text>')
        for tick in ticks(*self.x_range, count=6):
            x = f"{self.x(tick):.1f}"
            parts.append(f'<line x1="{x}" y1="{bottom}" x2="{x}" y2="{bottom + 5}" style="stroke:{MUTED}"/>')
            parts.append(f'<text x="{x}" y="{bottom + 19}" text-anchor="middle">{number(tick)}</text>')
        parts.append(f'<line x1="{LEFT}" y1="{bottom}" x2="{right}" y2="{bottom}" style="stroke:{MUTED}"/>')
        parts.append(
            f'<text x="{(LEFT + right) / 2:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>'
        )
        parts.append(f'<text x="{LEFT}" y="14" style="fill:{INK};font-weight:600">{escape(y_label)}</text>')
        return "".join(parts)


def _widened(extent: tuple[float, float]) -> tuple[float, float]:
    """A range of no width gets one."""
    low, high = extent
    return extent if high > low else (low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2)


def _svg(title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}" '
        f'font-family="system-ui, sans-serif" font-size="13" style="fill:{MUTED}">{"".join(parts)}</svg>'
    )
