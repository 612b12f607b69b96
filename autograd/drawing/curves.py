"""Curves of a function of one argument and of its derivative, as one SVG: the current point and its tangent marked."""

import math
from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise
from typing import NamedTuple

from .figures import MINUS, figure, shown
from .palette import FONT, PALETTE

WIDTH, LEFT, RIGHT = 380, 62, 12  # of the picture, and its margins
TOP, PANEL, GAP = 26, 128, 46  # the first panel's top, a panel's height, and the room between two


class Point(NamedTuple):
    """The function at one x; NaN where it has no value."""

    x: float
    y: float
    slope: float


def curves_svg(f: str, name: str, points: Sequence[Point], here: Point) -> str:
    """f over the argument `name`, blue, and below it df/d name, orange and dashed."""
    f, name = shown(f, 20), shown(name, 20)
    xs = points[0].x, points[-1].x
    derivative = f"d{f}/d{name}"
    lower = TOP + PANEL + GAP
    height = lower + PANEL + 40
    jumps = [is_jump(a, b, points) for a, b in pairwise(points)]
    kinks = [jump or step for jump, step in zip(jumps, steps([p.slope for p in points]), strict=True)]
    pieces = [
        panel(TOP, xs, [(p.x, p.y) for p in points], jumps, (here.x, here.y), here.slope, "data"),
        panel(lower, xs, [(p.x, p.slope) for p in points], kinks, (here.x, here.slope), None, "grad"),
        text(LEFT, TOP - 9, f"{f} over {name}", "data", weight="600"),
        text(LEFT, lower - 9, f"{derivative}: the slope of the tangent", "grad", weight="600"),
        text((LEFT + WIDTH - RIGHT) / 2, height - 6, f"{name} = {figure(here.x)}", "text", "middle"),
    ]
    words = f"{f} over {name} from {figure(xs[0])} to {figure(xs[1])}: at {name} = {figure(here.x)} it is {figure(here.y)}, "
    words += f"and its derivative, the curve below, is {figure(here.slope)}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="autograd-curves" role="img" aria-label="{escape(words)}" '
        f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" font-family="{escape(FONT)}" font-size="12">'
        f"<style>@media (prefers-color-scheme: dark){{{dark_colours()}}}</style>"
        f'<rect width="{WIDTH}" height="{height}" {colour("fill", "paper")}/>{"".join(pieces)}</svg>'
    )


def dark_colours() -> str:
    """The rules that change every colour of the palette; the same in each picture, so that pictures may share a page."""
    return "".join(
        [
            f".autograd-curves .{kind}-{use}{{{kind}:{dark}}}"
            for use, (_, dark) in PALETTE.items()
            for kind in ("fill", "stroke")
        ]
    )


def colour(kind: str, use: str) -> str:
    """The attributes of something that is filled or stroked in a colour of the palette."""
    return f'class="{kind}-{use}" {kind}="{PALETTE[use][0]}"'


def text(x: float, y: float, written: str, use: str, anchor: str = "start", weight: str = "400") -> str:
    """A line of text."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" {colour("fill", use)}>'
        f"{escape(written)}</text>"
    )


def panel(
    top: float,
    xs: tuple[float, float],
    curve: Sequence[tuple[float, float]],
    jumps: Sequence[bool],
    here: tuple[float, float],
    slope: float | None,
    use: str,
) -> str:
    """One pair of axes with a curve, the current point, and the tangent there if its slope is given."""
    low, high = limits([y for _, y in curve], here[1])
    width = WIDTH - LEFT - RIGHT

    def across(x: float) -> float:
        return width * (x - xs[0]) / (xs[1] - xs[0])

    def down(y: float) -> float:
        return max(-1e4, min(1e4, PANEL * (high - y) / (high - low)))

    frame = []
    for y in ticks(low, high):
        at = top + down(y)
        frame.append(f'<path d="M{LEFT} {at:.1f}h{width}" {colour("stroke", "line")} stroke-opacity="0.4"/>')
        frame.append(text(LEFT - 6, at + 4, spell(y), "text", "end"))
    for x in ticks(*xs):
        at = LEFT + across(x)
        frame.append(f'<path d="M{at:.1f} {top + PANEL}v4" {colour("stroke", "line")}/>')
        frame.append(text(at, top + PANEL + 17, spell(x), "text", "middle"))
    frame.append(
        f'<rect x="{LEFT}" y="{top}" width="{width}" height="{PANEL}" fill="none" {colour("stroke", "line")}/>'
    )

    inside = []
    dashes = ' stroke-dasharray="7 3"' if use == "grad" else ""
    for piece in pieces_of(curve, jumps):
        way = "L".join([f"{across(x):.1f} {down(y):.1f}" for x, y in piece])
        inside.append(f'<path d="M{way}" fill="none" {colour("stroke", use)} stroke-width="2.2"{dashes}/>')
    x, y = here
    inside.append(f'<path d="M{across(x):.1f} 0v{PANEL}" {colour("stroke", "frame")} stroke-dasharray="2 3"/>')
    if math.isfinite(y):
        if slope is not None and math.isfinite(slope):
            ends = [(end, y + slope * (end - x)) for end in xs]
            # on both sides as far as the panel reaches, so that a steep tangent keeps its direction
            way = "L".join([f"{across(end):.1f} {PANEL * (high - at) / (high - low):.1f}" for end, at in ends])
            inside.append(f'<path d="M{way}" {colour("stroke", "grad")} stroke-width="1.6" stroke-dasharray="7 3"/>')
        inside.append(
            f'<circle cx="{across(x):.1f}" cy="{down(y):.1f}" r="5" {colour("fill", use)} stroke-width="1.5" '
            f'stroke="{PALETTE["paper"][0]}"/>'
        )
    clipped = f'<svg x="{LEFT}" y="{top}" width="{width}" height="{PANEL}" overflow="hidden">{"".join(inside)}</svg>'
    return "".join(frame) + clipped


def pieces_of(curve: Sequence[tuple[float, float]], jumps: Sequence[bool]) -> Iterator[list[tuple[float, float]]]:
    """The parts of a curve that are drawn without lifting the pen: up to a point without a number, or a jump."""
    piece: list[tuple[float, float]] = []
    for (x, y), jump in zip(curve, [*jumps, False]):
        if math.isfinite(y):
            piece.append((x, y))
        if (jump or not math.isfinite(y)) and piece:
            yield piece
            piece = []
    if piece:
        yield piece


def is_jump(a: Point, b: Point, points: Sequence[Point]) -> bool:
    """Whether f jumps between two neighbours: it changes by much more than its slopes there can explain."""
    low, high = limits([p.y for p in points], a.y)
    step = abs(b.y - a.y)
    return step > 0.05 * (high - low) and step > 3 * max(abs(a.slope), abs(b.slope)) * (b.x - a.x)


def steps(ys: Sequence[float]) -> list[bool]:
    """Where a curve whose slopes are not known jumps: by a good part of its height, and much more than on either side."""
    low, high = limits(ys, ys[0])
    sizes = [abs(b - a) for a, b in pairwise(ys)]
    around = [max([*sizes[max(i - 1, 0) : i], *sizes[i + 1 : i + 2]], default=math.inf) for i in range(len(sizes))]
    return [size > 0.1 * (high - low) and size > 5 * other for size, other in zip(sizes, around, strict=True)]


def limits(ys: Sequence[float], here: float) -> tuple[float, float]:
    """What an axis spans: all finite numbers, but for a few that are far from the others, with some air."""
    found = sorted([y for y in [*ys, here] if math.isfinite(y)]) or [0.0]
    low, high = found[0], found[-1]
    inner_low, inner_high = found[len(found) // 20], found[-1 - len(found) // 20]
    if high - low > 8 * (inner_high - inner_low) > 0:  # a pole
        low, high = inner_low, inner_high
    air = 0.08 * (high - low)
    if not 0 < air < math.inf:
        air = max(abs(high), abs(low)) * 0.5 or 1.0
    if high + air - (low - air) == math.inf:
        return -1e308, 7e307
    return low - air, high + air


def ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers between two numbers."""
    rough = (high - low) / 4
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next((unit * m for m in (1, 2, 5) if unit * m >= rough), unit * 10)
    first = math.ceil(low / step)
    return [k * step for k in range(first, first + 8) if k * step <= high]


def spell(x: float) -> str:
    """A tick's number, as short as it is."""
    return f"{x:.4g}".replace("e+0", "e").replace("e-0", "e-").replace("e+", "e").replace("-", MINUS)
