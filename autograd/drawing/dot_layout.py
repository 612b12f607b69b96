"""Graphviz's `dot` as the maker of a layout. It is told sizes and who is joined to whom, and nothing that a user wrote."""

import math
import shutil
import subprocess
from collections.abc import Mapping, Sequence

from .layout import PAD, ROOT, TITLE, Layout, Place, Point, Size, Way, Wire

FORMATS = ("plain", "png", "pdf")
SECONDS = 20  # that `dot` is given
INCH = 72.0  # our units in one of its inches
HOW_TO_GET_DOT = (
    "Graphviz's `dot` is not on the PATH: install it from graphviz.org, or as `graphviz` with apt, brew or conda"
)
SIDES = {"LR": ("e", "w"), "RL": ("w", "e"), "TB": ("s", "n"), "BT": ("n", "s")}  # where lines leave and enter boxes


class DotError(RuntimeError):
    """`dot` is missing, or did not do what it was asked for."""


def run_dot(source: str, format: str) -> bytes:
    """What `dot` makes of a source. Raises DotError, with its message, if that is nothing."""
    if format not in FORMATS:
        raise ValueError(f"unknown format {format!r}; expected one of {', '.join(FORMATS)}")
    program = shutil.which("dot")
    if program is None:
        raise DotError(HOW_TO_GET_DOT)
    try:
        done = subprocess.run([program, f"-T{format}"], input=source.encode(), capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise DotError(f"dot did not finish in {SECONDS} seconds") from None
    except OSError as error:
        raise DotError(f"dot cannot be run: {error}") from None
    if done.returncode or not done.stdout:
        said = done.stderr.decode("utf-8", "replace").strip() or "no message"
        raise DotError(f"dot failed with exit status {done.returncode}: {said[:300]}")
    return done.stdout


def laid_out_by_dot(
    sizes: Sequence[Size], wires: Sequence[Wire], direction: str, scopes: Sequence[int], scope_of: Sequence[int]
) -> Layout:
    """The layout that `dot` makes of boxes and wires, as `layered` would give it. Raises DotError."""
    level = direction in ("LR", "RL")
    lines = ["digraph {", f"rankdir={direction} nodesep={10 / INCH:.3f} ranksep={(20 if level else 26) / INCH:.3f}"]
    lines += ['node [shape=box fixedsize=true label=""]', "edge [arrowhead=none]"]
    inside: dict[int, list[str]] = {ROOT: []}
    for scope in range(len(scopes)):
        inside[scope] = []
    for i, (width, height) in enumerate(sizes):
        inside[scope_of[i]].append(f"n{i} [width={width / INCH:.4f} height={height / INCH:.4f}]")
    leave, enter = SIDES[direction]
    edges = []
    for i, wire in enumerate(wires):
        width, height = wire.label
        if wire.label == (0, 0):
            edges.append(f"n{wire.parent}:{leave} -> n{wire.child}:{enter}")
        else:  # downwards the line runs at the left of its label: through the middle of a box twice as wide
            wide = width if level else 2 * (width - 6)
            inside[scope_of[wire.child]].append(f"l{i} [width={wide / INCH:.4f} height={height / INCH:.4f}]")
            edges += [f"n{wire.parent}:{leave} -> l{i}:{enter}", f"l{i}:{leave} -> n{wire.child}:{enter}"]
    lines += nested(scopes, inside) + edges + ["}"]
    try:
        return read_plain(run_dot("\n".join(lines), "plain").decode(), wires, direction, scopes, scope_of, len(sizes))
    except (ValueError, IndexError, KeyError) as error:
        raise DotError(f"what dot answered cannot be read: {error}") from None


def nested(scopes: Sequence[int], inside: Mapping[int, list[str]]) -> list[str]:
    """Every node in the clusters of the parts that it belongs to."""
    written = {scope: list(nodes) for scope, nodes in inside.items()}
    for scope in range(len(scopes) - 1, -1, -1):  # a part stands after the one that contains it
        if written[scope]:
            cluster = [f"subgraph cluster{scope} {{ margin={PAD + TITLE:.0f}", *written[scope], "}"]
            written[scopes[scope]] += cluster
    return written[ROOT]


def read_plain(
    plain: str, wires: Sequence[Wire], direction: str, scopes: Sequence[int], scope_of: Sequence[int], count: int
) -> Layout:
    """dot's answer: a line for each node and edge, in inches, y upwards."""
    places: dict[str, Place] = {}
    splines: dict[tuple[str, str], list[list[Point]]] = {}
    _, _, width, height = [float(word) for word in ["0", *plain.splitlines()[0].split()[1:]]]

    def point(x: str, y: str) -> Point:
        found = float(x) * INCH, (height - float(y)) * INCH
        if not all(map(math.isfinite, found)):
            raise ValueError("a place that is no number")
        return found

    for line in plain.splitlines():
        words = line.split()
        if words[:1] == ["node"]:
            places[words[1]] = Place(*point(words[2], words[3]), float(words[4]) * INCH, float(words[5]) * INCH)
        elif words[:1] == ["edge"]:
            numbers = words[4 : 4 + 2 * int(words[3])]
            points = [point(x, y) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
            if len(points) % 3 != 1:
                raise ValueError("a line that is no curve")
            splines.setdefault((words[1], words[2]), []).append(points)
    level = direction in ("LR", "RL")
    boxes = [places[f"n{i}"] for i in range(count)]
    ways, labels = [], []
    for i, wire in enumerate(wires):
        parent, child = f"n{wire.parent}", f"n{wire.child}"
        if wire.label == (0, 0):
            ways.append(curve(splines[parent, child].pop(0)))
            labels.append(Place(0, 0, 0, 0))
            continue
        first, second = splines[parent, f"l{i}"].pop(0), splines[f"l{i}", child].pop(0)
        start, onwards = curve(first), curve(second)
        ways.append(Way(start.start, (*start.steps, (second[0],), *onwards.steps)))
        middle, (wide, high) = places[f"l{i}"], wire.label
        labels.append(middle if level else Place(middle.x - 6 + wide / 2, middle.y, wide, high))
    frames = frames_round(boxes, labels, wires, scopes, scope_of)
    return shifted(Layout(boxes, ways, labels, frames, width * INCH, height * INCH))


def curve(points: Sequence[Point]) -> Way:
    """dot's points as a way: a start, and three points to each curve."""
    return Way(points[0], tuple([tuple(points[i : i + 3]) for i in range(1, len(points), 3)]))


def frames_round(
    boxes: Sequence[Place],
    labels: Sequence[Place],
    wires: Sequence[Wire],
    scopes: Sequence[int],
    scope_of: Sequence[int],
) -> dict[int, Place]:
    """The frames round the parts, but for those that would cover something foreign or meet another frame."""
    corners: dict[int, tuple[float, float, float, float]] = {}
    members: dict[int, set[int]] = {scope: set() for scope in range(len(scopes))}
    for i, scope in enumerate(scope_of):
        while scope != ROOT:
            members[scope].add(i)
            scope = scopes[scope]
    tags = [(label, wire.child) for label, wire in zip(labels, wires, strict=True) if label.width]
    for scope in range(len(scopes) - 1, -1, -1):
        within = members[scope]
        own = [boxes[i] for i in within] + [label for label, child in tags if child in within]
        edges = [sides(place) for place in own] + [corners[inner] for inner in corners if scopes[inner] == scope]
        if not edges:
            continue
        lefts, tops, rights, bottoms = zip(*edges, strict=True)
        around = min(lefts) - PAD, min(tops) - PAD - TITLE, max(rights) + PAD, max(bottoms) + PAD
        foreign = [box for i, box in enumerate(boxes) if i not in within]
        foreign += [label for label, child in tags if child not in within]
        others = [corners[other] for other in corners if not members[other] <= within]
        if not any(meet(around, other) for other in [*others, *map(sides, foreign)]):
            corners[scope] = around
    return {scope: Place((a + c) / 2, (b + d) / 2, c - a, d - b) for scope, (a, b, c, d) in corners.items()}


def sides(place: Place) -> tuple[float, float, float, float]:
    """Left, top, right and bottom."""
    return place.left, place.top, place.left + place.width, place.top + place.height


def meet(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    """Whether two rectangles, by their corners, have something in common."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def shifted(layout: Layout) -> Layout:
    """A layout with its corner at (0, 0) and nothing beyond its size, frames and lines included."""
    every = [*layout.boxes, *layout.frames.values(), *[label for label in layout.labels if label.width]]
    points = [way.start for way in layout.ways] + [p for way in layout.ways for step in way.steps for p in step]
    left = min([place.left for place in every] + [x for x, _ in points])
    top = min([place.top for place in every] + [y for _, y in points])
    right = max([place.left + place.width for place in every] + [x for x, _ in points])
    bottom = max([place.top + place.height for place in every] + [y for _, y in points])

    def move(point: Point) -> Point:
        return point[0] - left, point[1] - top

    return Layout(
        [place._replace(x=place.x - left, y=place.y - top) for place in layout.boxes],
        [Way(move(way.start), tuple([tuple([move(p) for p in step]) for step in way.steps])) for way in layout.ways],
        [place._replace(x=place.x - left, y=place.y - top) for place in layout.labels],
        {scope: place._replace(x=place.x - left, y=place.y - top) for scope, place in layout.frames.items()},
        right - left,
        bottom - top,
    )
