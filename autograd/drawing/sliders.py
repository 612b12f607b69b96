"""What a slider may be given, and all that is shown of one call of a function: for `explore` and its widget."""

import math
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, NamedTuple

from ..engine import Value, gradients, topological_sort
from .curves import Point, curves_svg
from .draw import draw
from .figures import figure, shown
from .snapshot import Snapshot, counted, snapshot
from .svg import not_finite

MOST_POINTS, FEWEST_POINTS = 101, 9  # of a curve
BUDGET = 0.25  # seconds for all curves together
LARGEST = 400  # nodes of a graph that is drawn anew while a slider moves


class Slider(NamedTuple):
    """The range of one argument."""

    low: float
    high: float
    start: float
    curve: bool  # whether f is drawn over it


def slider(name: str, given: Any) -> Slider:
    """What an argument was given as: a number, (low, high) or (low, high, start)."""
    numbers = given if isinstance(given, (tuple, list)) else (given,)
    if not 1 <= len(numbers) <= 3 or (isinstance(given, (tuple, list)) and len(given) < 2):
        raise TypeError(f"{name} is a number, (low, high) or (low, high, start), got {given!r:.80}")
    checked = [real(name, x) for x in numbers]
    if len(checked) == 1:
        (x,) = checked
        low, high = sorted((-x, 3 * x)) if x else (-1.0, 1.0)
        return Slider(low, high, x, curve=False)
    low, high = checked[:2]
    if not low < high or math.isinf(high - low):
        raise ValueError(f"{name}=({low:g}, {high:g}) is no range: the first number must be less than the second")
    start = checked[2] if len(checked) == 3 else (low + high) / 2
    if not low <= start <= high:
        raise ValueError(f"{name} starts at {start:g}, which is not between {low:g} and {high:g}")
    return Slider(low, high, start, curve=True)


def real(name: str, x: Any) -> float:
    """x as a float. Raises TypeError for what is no plain number, ValueError for one that is not finite."""
    try:
        if isinstance(x, (bool, str, bytes, Value)):
            raise TypeError
        number = float(x)
    except (TypeError, ValueError):
        kind = type(x).__name__
        raise TypeError(f"{name} takes plain numbers, got {x!r:.80} of type {kind}") from None
    if not math.isfinite(number):
        raise ValueError(f"{name} takes finite numbers, got {number}")
    return number


# ---- one call of the function ---------------------------------------------------------------------------------------


class Failed(Exception):
    """A call of f that gave nothing to show; the message says what happened."""


def function_name(f: Callable[..., Any]) -> str:
    """What f is called in words."""
    name = getattr(f, "__name__", "f")
    return "f" if name == "<lambda>" else shown(name, 20)


def evaluate(f: Callable[..., Any], numbers: Mapping[str, float]) -> tuple[Value, dict[str, Any]]:
    """f of fresh Values with these numbers, and its gradients. Raises Failed if that does not work."""
    leaves = {name: Value(x, label=name) for name, x in numbers.items()}
    call = f"{function_name(f)}({', '.join([f'{name} = {figure(x)}' for name, x in numbers.items()])})"
    try:
        root = f(**leaves)
    except Exception as error:
        raise Failed(f"{call} raised {type(error).__name__}: {shown(error, 300)}") from None
    if not isinstance(root, Value):
        advice = {
            "NoneType": "does it lack a return?",
            "float": "something in it, such as math.sin or .data, made a plain number; use autograd's functions",
        }.get(type(root).__name__, "it must return one Value")
        raise Failed(f"{call} returned {shown(repr(root), 80)} of type {type(root).__name__}, not a Value: {advice}")
    try:
        return root, dict(zip(leaves, gradients(root, list(leaves.values())), strict=True))
    except Exception as error:
        raise Failed(f"the gradients of {call} raised {type(error).__name__}: {shown(error, 300)}") from None


def float_or_nan(x: Any) -> float:
    """x for a curve; NaN for what is no real number."""
    try:
        return float(x)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def curve(
    f: Callable[..., Any], numbers: Mapping[str, float], name: str, low: float, high: float, count: int, until: float
) -> list[Point]:
    """f and its derivative at `count` places from low to high, all else as it is; nothing if the time is over before."""
    points = []
    for i in range(count):
        x = low + (high - low) * i / (count - 1)
        try:
            root, slopes = evaluate(f, {**numbers, name: x})
            points.append(Point(x, float_or_nan(root.data), float_or_nan(slopes[name])))
        except Failed:
            points.append(Point(x, math.nan, math.nan))
        if perf_counter() > until:
            return []
    return points


class View(NamedTuple):
    """All that is shown of one call."""

    root: Value
    gradients: dict[str, Any]
    picture: str  # the graph as SVG; "" if it is too large
    curves: list[str]  # one SVG for each argument that has a range
    notes: list[str]  # sentences on what is not shown, or not finite


def view(f: Callable[..., Any], numbers: Mapping[str, float], sliders: Mapping[str, Slider]) -> View:
    """Call f and draw everything. Raises Failed if that does not work."""
    began = perf_counter()
    root, slopes = evaluate(f, numbers)
    seconds = perf_counter() - began
    notes = []
    if not_finite(root.data):
        notes.append(f"{function_name(f)} is {figure(root.data)} here; the drawing shows in red where that began.")
    elif any(map(not_finite, slopes.values())):
        notes.append("A gradient is not finite here; the drawing shows it in red.")
    picture = ""
    if counted(root, LARGEST) > LARGEST:
        notes.append(
            f"The graph has more than {LARGEST} nodes, too many to be drawn at each move: draw(explorer.root) does."
        )
    else:
        picture = draw(with_gradients(root), engine="layered", legend=False, room=8).svg
    wanted = [name for name, slider in sliders.items() if slider.curve]
    count = min(MOST_POINTS, int(BUDGET / max(seconds, 1e-6) / max(len(wanted), 1)))
    curves: list[str] = []
    until = perf_counter() + 2 * BUDGET
    for name in wanted:
        slider = sliders[name]
        points = curve(f, numbers, name, slider.low, slider.high, count, until) if count >= FEWEST_POINTS else []
        if not points:
            notes.append(f"{function_name(f)} takes too long for curves, which call it many times.")
            curves = []
            break
        here = Point(numbers[name], float_or_nan(root.data), float_or_nan(slopes[name]))
        curves.append(curves_svg(function_name(f), name, points, here))
    return View(root, slopes, picture, curves, notes)


def with_gradients(root: Value) -> Snapshot:
    """The snapshot of a graph with d root / d node as gradients; no Value's `grad` is touched."""
    order = topological_sort(root)
    graph = snapshot(root)
    found: Sequence[Any] = gradients(root, order)
    nodes = [node._replace(grad=None if node.kind == "constant" else grad) for node, grad in zip(graph.nodes, found)]
    return graph._replace(nodes=tuple(nodes))
