"""Geometry of drawings, read back from the SVG: nothing lies on anything else, whoever laid it out."""

import itertools
import math
import random
import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd
import nn
from autograd import Value
from autograd.drawing import draw, snapshot
from autograd.drawing.dot_layout import DotError, frames_round
from autograd.drawing.figures import columns
from autograd.drawing.layout import Place, Wire, layered

SVG = "{http://www.w3.org/2000/svg}"
DIRECTIONS = ("LR", "RL", "TB", "BT")
ENGINES = ["layered", pytest.param("dot", marks=pytest.mark.dot)]


class Rectangle(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Rectangle", by: float = 0.11) -> bool:
        """Whether two rectangles have more in common than coordinates are rounded to."""
        across = self.left < other.right - by and other.left < self.right - by
        return across and self.top < other.bottom - by and other.top < self.bottom - by

    def around(self, other: "Rectangle", by: float = 0.11) -> bool:
        inside = self.left <= other.left + by and other.right <= self.right + by
        return inside and self.top <= other.top + by and other.bottom <= self.bottom + by

    def has(self, x: float, y: float, by: float = 1.0) -> bool:
        return self.left + by < x < self.right - by and self.top + by < y < self.bottom - by


class Drawn(NamedTuple):
    """What stands where on a drawing, in its own coordinates."""

    sheet: Rectangle
    boxes: dict[int, Rectangle]
    lines: dict[tuple[int, int], str]
    texts: dict[tuple[int, int], list[Rectangle]]
    frames: dict[int, Rectangle]
    titles: list[Rectangle]  # of frames


def read(svg: str) -> Drawn:
    """The geometry of a drawing, from the SVG itself."""
    root = ET.fromstring(svg)
    body = next(part for part in root if part.attrib.get("transform"))
    dx, dy = map(float, re.findall(r"[\d.]+", body.attrib["transform"]))
    sheet = Rectangle(-dx, -dy, float(root.attrib["width"]) - dx, float(root.attrib["height"]) - dy)
    drawn = Drawn(sheet, {}, {}, {}, {}, [])
    for group in body:
        if "data-node" in group.attrib:
            drawn.boxes[int(group.attrib["data-node"])] = hull([rectangle(r) for r in group.iter(f"{SVG}rect")])
        elif "data-edge" in group.attrib:
            child, operand = map(int, group.attrib["data-edge"].split("."))
            (line,) = [path for path in group.iter(f"{SVG}path") if "line" in path.attrib["class"].split()]
            drawn.lines[child, operand] = line.attrib["d"]
            drawn.texts[child, operand] = [text_rectangle(text) for text in group.iter(f"{SVG}text")]
        elif "data-scope" in group.attrib:
            drawn.frames[int(group.attrib["data-scope"])] = hull([rectangle(r) for r in group.iter(f"{SVG}rect")])
        elif group.attrib["class"] == "scope-name":
            drawn.titles.extend([text_rectangle(text) for text in group.iter(f"{SVG}text")])
    return drawn


def rectangle(part: ET.Element) -> Rectangle:
    x, y, width, height = [float(part.attrib[name]) for name in ("x", "y", "width", "height")]
    return Rectangle(x, y, x + width, y + height)


def text_rectangle(part: ET.Element) -> Rectangle:
    """About where a text stands: 7.3 px a character, from 9 px above its baseline to 3 below."""
    x, y, width = float(part.attrib["x"]), float(part.attrib["y"]), 7.3 * columns(part.text or "")
    left = {"middle": x - width / 2, "end": x - width}.get(part.attrib.get("text-anchor", ""), x)
    return Rectangle(left, y - 9, left + width, y + 3)


def hull(rectangles: list[Rectangle]) -> Rectangle:
    lefts, tops, rights, bottoms = zip(*rectangles, strict=True)
    return Rectangle(min(lefts), min(tops), max(rights), max(bottoms))


def along(path: str) -> Iterator[tuple[float, float]]:
    """Points on a path, at most 4 px apart on straight lines."""
    x = y = 0.0
    for command, arguments in re.findall(r"([MLHVC])([^MLHVC]*)", path):
        numbers = [float(number) for number in re.findall(r"-?[\d.]+", arguments)]
        if command == "C":
            for bx, by, cx, cy, ex, ey in zip(*[iter(numbers)] * 6, strict=True):
                for i in range(1, 13):
                    t, s = i / 12, 1 - i / 12
                    yield (
                        s**3 * x + 3 * s * s * t * bx + 3 * s * t * t * cx + t**3 * ex,
                        s**3 * y + 3 * s * s * t * by + 3 * s * t * t * cy + t**3 * ey,
                    )
                x, y = ex, ey
            continue
        to = {"H": lambda n=numbers, y=y: (n[0], y), "V": lambda n=numbers, x=x: (x, n[0])}.get(
            command, lambda n=numbers: (n[0], n[1])
        )()
        steps = 1 if command == "M" else max(1, math.ceil(math.dist((x, y), to) / 4))
        for i in range(1, steps + 1):
            yield (x + (to[0] - x) * i / steps, y + (to[1] - y) * i / steps)
        x, y = to


def check(drawing: object, foreign_texts: bool = True) -> Drawn:
    """Nothing lies on anything else."""
    graph, drawn = drawing.graph, read(drawing.svg)  # type: ignore[attr-defined]
    shown = set(drawn.boxes)
    assert shown <= {node.id for node in graph.nodes}
    edges = {
        (node.id, i): edge
        for node in graph.nodes
        for i, edge in enumerate(node.edges)
        if {node.id, edge.parent} <= shown
    }
    assert set(drawn.lines) == set(edges)
    for one, other in itertools.combinations(drawn.boxes.values(), 2):
        assert not one.meets(other), (one, other)
    assert all(drawn.sheet.around(box) for box in [*drawn.boxes.values(), *drawn.frames.values()])
    texts = [(key, text) for key, own in drawn.texts.items() for text in own]
    for (key, one), (_, other) in itertools.combinations(texts, 2):
        assert not one.meets(other), (key, one, other)
    for key, text in texts:
        assert drawn.sheet.around(text)
        assert not any(text.meets(box) for box in drawn.boxes.values()), key
    for (child, operand), path in drawn.lines.items():
        parent = edges[child, operand].parent
        points = list(along(path))
        assert touches(drawn.boxes[parent], points[0]) and touches(drawn.boxes[child], points[-1]), path
        for x, y in points:
            assert drawn.sheet.has(x, y, -0.1)
            hit = [i for i, box in drawn.boxes.items() if box.has(x, y, 1.0 if i not in (parent, child) else 2.5)]
            assert not hit, ((child, operand), path, hit)
            if foreign_texts:
                hit_texts = [key for key, text in texts if key != (child, operand) and text.has(x, y)]
                assert not hit_texts, ((child, operand), path, hit_texts)
    check_frames(graph, drawn)
    return drawn


def touches(box: Rectangle, point: tuple[float, float]) -> bool:
    """Whether a point is at the border of a box, or just before it."""
    return box._replace(left=box.left - 2, top=box.top - 2, right=box.right + 2, bottom=box.bottom + 2).has(*point, 0)


def check_frames(graph: object, drawn: Drawn) -> None:
    """A frame is round all that belongs to its part and nothing else; frames lie well within each other, or apart."""
    assert len(drawn.titles) == len(drawn.frames)
    written = [text for own in drawn.texts.values() for text in own]
    for i, title in enumerate(drawn.titles):
        assert not any(title.meets(other) for other in [*drawn.boxes.values(), *written, *drawn.titles[i + 1 :]])
    parents = {scope.id: scope.parent for scope in graph.scopes}  # type: ignore[attr-defined]

    def chain(scope: int | None) -> list[int]:
        return [] if scope is None else [scope, *chain(parents[scope])]

    for scope, frame in drawn.frames.items():
        for node in graph.nodes:  # type: ignore[attr-defined]
            if node.id in drawn.boxes:
                inside = scope in chain(node.scope)
                box = drawn.boxes[node.id]
                assert frame.around(box) if inside else not frame.meets(box), (scope, node)
        for other, around in drawn.frames.items():
            if other != scope:
                nested = around.around(frame, -4) if other in chain(scope) else frame.around(around, -4)
                related = other in chain(scope) or scope in chain(other)
                assert nested if related else not frame.meets(around), (scope, other)


# ---- graphs --------------------------------------------------------------------------------------------------------


def small() -> Value:
    a, b, c = Value(2.0, label="a"), Value(-3.0, label="b"), Value(6.5, label="c")
    return (a * b + c).tanh()


def wide(count: int) -> Value:
    inputs = [Value(i / count, label=f"x{i}") for i in range(count)]
    weights = [Value(1 - i / count, label=f"weight_{i}") for i in range(count)]
    return (autograd.dot(weights, inputs) + Value(0.5, label="b")).relu()


def random_graph(seed: int, size: int = 40) -> Value:
    """Fan-out, repeated parents, constants, choices, n-ary nodes and long edges."""
    source = random.Random(seed)
    nodes = [Value(source.uniform(-2, 2), label=source.choice(["", f"v{i}"])) for i in range(5)]
    makers: list[Callable[[Value, Value], Value]] = [
        lambda x, y: x + y,
        lambda x, y: x * y,
        lambda x, y: x * x,
        lambda x, y: x * 0.7 - 1,
        lambda x, y: autograd.maximum(x, y),
        lambda x, y: autograd.dot([x, y, 2.0], [y, y, x]),
        lambda x, y: autograd.logsumexp([x, y, x]),
    ]
    for _ in range(size):
        nodes.append(source.choice(makers)(source.choice(nodes[-12:]), source.choice(nodes)).tanh())
    return autograd.sum(nodes[-6:])


def network(sizes: list[int], inputs: int = 2) -> Value:
    random.seed(1337)
    y = nn.MLP(inputs, sizes)([Value(1.0 - i, label=f"x{i}") for i in range(inputs)])
    y.backward()
    return y


def looped() -> Value:
    """One part used again on what it gave: its calls are parts of their own, and what they share lies round them."""
    random.seed(2)
    neuron = nn.Neuron(1, activation="tanh")
    return neuron([neuron([Value(0.5, label="h")]) * 2])


GRAPHS: dict[str, Callable[[], Value]] = {
    "leaf": lambda: Value(1.0, label="x"),
    "small": small,
    "same twice": lambda: (lambda a: a * a)(Value(3.0)),
    "neuron of 64": lambda: wide(64),
    "sum of 30": lambda: sum([Value(float(i)) for i in range(30)], Value(0.0)),
    "a neuron": lambda: nn.Neuron(2)([Value(1.0), Value(-2.0)]),
    "network": lambda: network([2, 2, 1]),
    "used again": looped,
    **{f"random {seed}": lambda seed=seed: random_graph(seed, 12) for seed in range(4)},
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", GRAPHS)
def test_nothing_lies_on_anything_else(name: str, direction: str, engine: str) -> None:
    check(draw(GRAPHS[name](), direction=direction, engine=engine, fold="atomic"), engine == "layered")


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("fold", ["auto", "neuron", "layer", "model", ["layers.0"]])
def test_nothing_lies_on_anything_else_in_a_folded_network(fold: str, direction: str) -> None:
    sizes = [16, 16, 1] if isinstance(fold, str) else [3, 3, 1]
    check(draw(network(sizes), direction=direction, engine="layered", fold=fold))


@pytest.mark.parametrize(
    "options", [{"constants": "fold"}, {"edges": ()}, {"room": 14}, {"edges": "number", "show": "data"}]
)
def test_nothing_lies_on_anything_else_whatever_is_shown(options: dict[str, object]) -> None:
    check(draw(random_graph(7, 20), engine="layered", **options))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 25), st.sampled_from(DIRECTIONS))
def test_nothing_lies_on_anything_else_on_random_graphs(seed: int, size: int, direction: str) -> None:
    check(draw(random_graph(seed, size), direction=direction, engine="layered"))


@st.composite
def nests(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]], list[int], list[int]]:
    """A number of boxes, edges, a tree of scopes, and a scope for each box, related to each other in no way."""
    count = draw(st.integers(1, 14))
    edges = [(draw(st.integers(0, i - 1)), i) for i in range(1, count) for _ in range(draw(st.integers(0, 3)))]
    scopes = [draw(st.integers(-1, i - 1)) for i in range(draw(st.integers(0, 5)))]
    return count, edges, scopes, [draw(st.integers(-1, len(scopes) - 1)) for _ in range(count)]


@settings(max_examples=150, deadline=None)
@given(nests(), st.sampled_from(DIRECTIONS), st.booleans())
def test_any_parts_have_frames_to_themselves_or_none(nest: tuple, direction: str, labels: bool) -> None:
    count, edges, scopes, scope_of = nest
    wires = [Wire(a, b, (40.0, 30.0) if labels else (0.0, 0.0)) for a, b in edges]
    found = layered([(50.0, 20.0)] * count, wires, direction, scopes, scope_of)
    boxes = [Rectangle(p.left, p.top, p.left + p.width, p.top + p.height) for p in found.boxes]
    frames = {i: Rectangle(p.left, p.top, p.left + p.width, p.top + p.height) for i, p in found.frames.items()}
    for one, other in itertools.combinations(boxes, 2):
        assert not one.meets(other)

    def chain(scope: int) -> list[int]:
        return [] if scope < 0 else [scope, *chain(scopes[scope])]

    for scope, frame in frames.items():
        for box, own in zip(boxes, scope_of, strict=True):
            assert frame.around(box) if scope in chain(own) else not frame.meets(box)
        for other, around in frames.items():
            if other not in chain(scope) and scope not in chain(other):
                assert not frame.meets(around)
            elif other != scope and other in chain(scope):
                assert around.around(frame, -4)


def test_operands_stand_in_their_order() -> None:
    a, b, c = Value(1.0, label="a"), Value(2.0, label="b"), Value(3.0, label="c")
    drawing = draw(autograd.sum([a, b, c]), engine="layered")
    places = {node.label: read(drawing.svg).boxes[node.id].top for node in drawing.graph.nodes}
    assert places["a"] < places["b"] < places["c"]


def test_a_tree_has_straight_lines_without_crossings() -> None:
    drawn = read(draw(wide(8), engine="layered").svg)
    assert sum("C" not in path for path in drawn.lines.values()) >= 1
    tops = {key: text[0].top for key, text in drawn.texts.items() if text}
    parents = {(n.id, i): e.parent for n in snapshot(wide(8)).nodes for i, e in enumerate(n.edges)}
    order = sorted(tops, key=lambda key: tops[key])
    for child in {child for child, _ in order}:
        own = [drawn.boxes[parents[key]].top for key in order if key[0] == child]
        assert own == sorted(own)


def test_a_part_that_feeds_itself_from_outside_has_no_frame() -> None:
    wires = [Wire(0, 1), Wire(1, 2)]
    assert not layered([(10.0, 10.0)] * 3, wires, "LR", [-1], [0, -1, 0]).frames
    assert set(layered([(10.0, 10.0)] * 3, wires, "LR", [-1], [0, 0, -1]).frames) == {0}


def leaf_used_everywhere(count: int) -> Value:
    x = root = Value(0.5, label="x")
    for _ in range(count // 2):
        root = root.sin() + x
    return root


def scaled(count: int) -> Value:
    y = Value(0.9)
    for _ in range(count):
        y = y * 1.01
    return y


def summed(count: int) -> Value:
    y = Value(0.0)
    for i in range(count):
        y = y + Value(float(i))
    return y


def added_to(count: int) -> Value:
    y, x = Value(0.0), Value(1.0)
    for _ in range(count):
        y = y + x
    return y


@pytest.mark.parametrize(("chain", "drift"), [(scaled, 1), (summed, 1), (added_to, 40), (leaf_used_everywhere, 80)])
def test_the_main_line_of_a_computation_runs_level(chain: Callable[[int], Value], drift: float) -> None:
    drawing = draw(chain(150), engine="layered", legend=False)
    drawn = read(drawing.svg)
    middles = [(box.top + box.bottom) / 2 for i, box in drawn.boxes.items() if drawing.graph.nodes[i].edges]
    assert max(middles) - min(middles) < drift
    assert drawn.sheet.bottom - drawn.sheet.top < 300


def test_a_leaf_stands_beside_its_only_user() -> None:
    a, b, c = Value(2.0, label="a"), Value(-3.0, label="b"), Value(10.0, label="c")
    for root in (a * b + c, c + a * b):
        drawing = draw(root, engine="layered")
        boxes = {node.label or node.operation: read(drawing.svg).boxes[node.id] for node in drawing.graph.nodes}
        middle = {name: (box.top + box.bottom) / 2 for name, box in boxes.items()}
        assert abs(middle["+"] - middle["*"]) < 5 < abs(middle["+"] - middle["c"]) < 60


# ---- large graphs --------------------------------------------------------------------------------------------------


def long_chain(count: int) -> Value:
    x = Value(0.5)
    for _ in range(count):
        x = x.sin()
    return x


def random_dag(count: int) -> Value:
    source = random.Random(3)
    nodes = [Value(source.uniform(-1, 1)) for _ in range(60)]
    used: set[int] = set()
    while len(nodes) < count - 1:
        i, j = source.randrange(max(0, len(nodes) - 60), len(nodes)), source.randrange(len(nodes))
        used |= {i, j}
        nodes.append(nodes[i] + nodes[j] if source.random() < 0.5 else nodes[i] * nodes[j])
    return autograd.sum([node for i, node in enumerate(nodes) if i not in used])


def two_examples() -> Value:
    random.seed(0)
    model = nn.MLP(2, [16, 16, 1])
    return model([Value(1.0), Value(2.0)]) + model([Value(-1.0), Value(0.5)])


def bipartite(count: int) -> Value:
    xs = [Value(0.1 * i) for i in range(count)]
    return autograd.sum([autograd.sum(xs) for _ in range(count)])


LARGE: dict[str, Callable[[], Value]] = {
    "network, two examples": two_examples,
    "chain": lambda: long_chain(1600),
    "leaf used everywhere": lambda: leaf_used_everywhere(1600),
    "sum": lambda: autograd.sum([Value(i / 7) for i in range(1599)]),
    "sum of pairs": lambda: sum([Value(i / 7) for i in range(800)], Value(0.0)),
    "random": lambda: random_dag(1600),
    "bipartite": lambda: bipartite(50),
}


@pytest.mark.parametrize("name", LARGE)
def test_large_graphs_are_laid_out_in_a_second(name: str) -> None:
    """Of processor time, with room for a machine that is slower, or busy: on the one where this was written it takes half."""
    graph = snapshot(LARGE[name]())
    begin = time.process_time()
    svg = draw(graph, engine="layered", fold="atomic").svg
    assert time.process_time() - begin < 2.0
    assert len(svg) < 4_000_000
    drawn = read(svg)
    assert len(drawn.boxes) == len(graph.nodes)
    by_place = sorted(drawn.boxes.values())
    for i, box in enumerate(by_place):
        for other in itertools.takewhile(lambda other, box=box: other.left < box.right, by_place[i + 1 :]):
            assert not box.meets(other)


def test_lanes_meet_no_box(monkeypatch: pytest.MonkeyPatch) -> None:
    """The longest edges of a large graph go round everything."""
    monkeypatch.setattr("autograd.drawing.layout.MOST_BENDS", 10)
    for direction in DIRECTIONS:
        for root in (leaf_used_everywhere(30), random_graph(5, 10), network([2, 2, 1])):
            for edges in ("auto", ()):
                check(draw(root, engine="layered", edges=edges, direction=direction, fold="atomic"))
    drawn = read(draw(leaf_used_everywhere(30), engine="layered").svg)
    assert min(y for path in drawn.lines.values() for _, y in along(path)) < min(
        box.top for box in drawn.boxes.values()
    )


def test_a_dense_drawing_shows_what_flows_in_place_of_texts() -> None:
    root = bipartite(20)
    root.backward()
    svg = draw(root, engine="layered").svg
    assert 'class="line flow"' in svg and 'class="number"' not in svg
    assert "how much gradient it brings back" in svg


def test_a_frame_that_would_cover_something_foreign_is_left_out() -> None:
    boxes = [Place(0.0, 0.0, 10.0, 10.0), Place(100.0, 0.0, 10.0, 10.0), Place(50.0, 0.0, 10.0, 10.0)]
    assert set(frames_round(boxes, [], [], [-1], [0, 0, 0])) == {0}
    assert not frames_round(boxes, [], [], [-1], [0, 0, -1])
    assert not frames_round(boxes, [Place(50.0, 0.0, 5.0, 5.0)], [Wire(0, 2, (5.0, 5.0))], [-1], [0, 0, -1])
    assert len(frames_round([*boxes, boxes[2]], [], [], [-1, -1], [0, 0, 1, 1])) == 1


def test_dot_that_fails_is_not_missed_unless_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    root = small()
    ours = read(draw(root, engine="layered").svg)
    for script in (
        "exit 3",
        "echo nonsense",
        "echo 'graph 1 1 1'",
        "echo 'graph 1 nan 1'; echo 'node n0 nan 1 1 1'",
        "kill -9 $$",
    ):
        fake = tmp_path / "dot"
        fake.write_text(f"#!/bin/sh\ncat >/dev/null\necho what went wrong >&2\n{script}\n")
        fake.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        assert read(draw(root).svg).boxes == ours.boxes, script
        with pytest.raises(DotError, match=r"what went wrong|cannot be read"):
            _ = draw(root, engine="dot").svg


def test_a_slow_dot_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    fake = tmp_path / "dot"
    fake.write_text("#!/bin/sh\nexec sleep 5\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("autograd.drawing.dot_layout.SECONDS", 0.2)
    with pytest.raises(DotError, match=r"did not finish in 0\.2 seconds"):
        _ = draw(small(), engine="dot").svg


def test_a_missing_dot_is_told_where_to_get(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValueError, match=r"engine='dot'.*graphviz\.org.*engine='layered'"):
        draw(small(), engine="dot")
    check(draw(small()))
