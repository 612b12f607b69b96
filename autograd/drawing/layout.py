"""Where everything of a drawing stands: boxes, the ways of edges, their labels and the frames round parts of a model.

The layered layout, made without any other program. Nodes stand in columns, each before all that is made from it, and between
two columns of nodes is a column of labels. A label has a place of its own like a node, and so has a bend in an edge that
passes a column: nothing can lie on anything else. The edges from one parent share their bends, as twigs do a branch, so that
a parameter that is used everywhere is one line with a twig to each use.

A part of a model has columns and a band of rows to itself, so that a frame can be drawn round it. Inside this file, columns
follow one another along x and rows along y; `turned` brings that into the direction asked for.
"""

import itertools
from bisect import bisect_right, insort
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

ROW_GAP, COLUMN_GAP, WIDEST_GAP = 10.0, 24.0, 200.0
BEND = 4.0  # the height of a bend in an edge
PAD, TITLE = 8.0, 16.0  # between a frame and what is in it, and the line for its title
MOST_BENDS = (
    15_000  # on the ways of all edges; beyond that, the longest edges go round everything, in lanes of their own
)
ROOT = -1  # the whole drawing, as the part that all parts belong to

Size = tuple[float, float]
Point = tuple[float, float]


class Wire(NamedTuple):
    """An edge to be laid: from a parent's box to a child's, with a label of this size; (0, 0) for none."""

    parent: int
    child: int
    label: Size = (0.0, 0.0)


class Place(NamedTuple):
    """A rectangle, by its middle."""

    x: float
    y: float
    width: float
    height: float

    @property
    def left(self) -> float:
        return self.x - self.width / 2

    @property
    def top(self) -> float:
        return self.y - self.height / 2


class Way(NamedTuple):
    """The line of an edge: where it starts, then straight steps, a point each, and curved ones, three points each."""

    start: Point
    steps: tuple[tuple[Point, ...], ...]


class Layout(NamedTuple):
    """Where everything stands, in the order in which it was given."""

    boxes: list[Place]
    ways: list[Way]
    labels: list[Place]
    frames: dict[int, Place]  # for the scopes that have a rectangle to themselves
    width: float
    height: float


class Item:
    """What has a place of its own: a node's box, the label of an edge, or a bend in long edges."""

    __slots__ = ("after", "before", "breadth", "column", "kind", "length", "port", "pull", "scope", "x", "y")

    def __init__(self, kind: str, column: int, length: float, breadth: float, scope: int, port: float = 0.0) -> None:
        self.kind, self.column, self.scope = kind, column, scope
        self.length, self.breadth = length, breadth  # along the columns' row, and across it
        self.port = port  # where lines meet it, from its middle
        self.before: list[Item] = []  # what it is joined to in the column before
        self.after: list[Item] = []  # and after
        self.pull = 1.0  # how much heed is paid to where it stands
        self.x = self.y = 0.0  # its middle


def layered(
    sizes: Sequence[Size],
    wires: Sequence[Wire],
    direction: str = "LR",
    scopes: Sequence[int] = (),
    scope_of: Sequence[int] = (),
    stretch: bool = True,
) -> Layout:
    """Lay a graph out in columns.

    Args:
        sizes: the width and height of each box, parents before their children.
        wires: the edges between them.
        direction: "LR", "RL", "TB" or "BT".
        scopes: for each part of a model the part that contains it, or ROOT.
        scope_of: for each box the innermost part that it belongs to, or ROOT.
        stretch: make boxes as wide as the widest of their column, so that their figures stand below each other.
    """
    level = direction in ("LR", "RL")
    nest = Nest(scopes, scope_of or [ROOT] * len(sizes))
    starts = nest.columns(wires)
    step = 2 if any(wire.label != (0, 0) for wire in wires) else 1
    across = [(width, height) if level else (height, width) for width, height in sizes]
    boxes = [
        Item("box", step * start, length, breadth, nest.scope_of[i])
        for i, (start, (length, breadth)) in enumerate(zip(starts, across, strict=True))
    ]
    if stretch and level:
        stretch_boxes(boxes)
    ends = {scope: (step * first, step * last) for scope, (first, last) in nest.spans.items()}
    ways = join(boxes, wires, nest, ends, step, level)
    columns = gather(boxes, max(starts, default=0) * step + 1)
    columns, order = untangle(columns, nest)
    strips, bands = stand(columns, nest, order, ends, level)
    weigh(columns)
    settle(strips)
    straighten(ways, strips)
    layout = measure(boxes, ways, columns, nest, ends, bands, direction)
    for item in itertools.chain.from_iterable(columns):  # in cycles, which only the garbage collector would find
        item.before.clear()
        item.after.clear()
    return layout


# ---- columns -------------------------------------------------------------------------------------------------------


class Nest:
    """Which parts of a model contain which, reduced to those that can have columns to themselves."""

    def __init__(self, scopes: Sequence[int], scope_of: Sequence[int]) -> None:
        self.parents = list(scopes)
        self.scope_of = list(scope_of)
        self.spans: dict[int, tuple[int, int]] = {}  # the first and last column of each part
        self.paths: dict[int, tuple[int, ...]] = {}
        self.find_paths()

    def find_paths(self) -> None:
        """The way to each part in use, from the outermost to itself."""
        self.paths = {ROOT: ()}
        for scope in set(self.scope_of):
            path = []
            while scope != ROOT:
                path.append(scope)
                scope = self.parents[scope]
            path.reverse()
            for i, inner in enumerate(path):
                self.paths[inner] = tuple(path[: i + 1])

    def common(self, one: int, other: int) -> int:
        """The innermost part that contains both."""
        found = ROOT
        for a, b in zip(self.paths[one], self.paths[other], strict=False):
            if a != b:
                break
            found = a
        return found

    def dissolve(self, gone: set[int]) -> None:
        """Give what these parts contain to the parts round them."""

        def kept(scope: int) -> int:
            while scope in gone:
                scope = self.parents[scope]
            return scope

        self.scope_of = [kept(scope) for scope in self.scope_of]
        self.parents = [kept(scope) for scope in self.parents]
        self.find_paths()

    def columns(self, wires: Sequence[Wire]) -> list[int]:
        """The column of every node: as late as can be, and outside the columns of every part that it feeds.

        A part that feeds itself through something outside, a cell that is used again and again say, has no columns of its
        own: it is dissolved.
        """
        while True:
            after = self.followers(wires)
            lengths: dict[int, int] = {}  # of each part, in columns
            left: dict[tuple[int, int], int] = {}  # (part, child in it): columns from its start to the part's end
            tangled: set[int] = set()
            for scope in sorted(after, key=lambda scope: -len(self.paths[scope])):
                following = after[scope]
                waiting = dict.fromkeys(following, 0)
                before: dict[int, list[int]] = {child: [] for child in following}
                for child, later in following.items():
                    waiting[child] = len(later)
                    for other in later:
                        before[other].append(child)
                ready = [child for child, count in waiting.items() if not count]
                done = 0
                while ready:
                    child = ready.pop()
                    done += 1
                    own = 1 if child >= 0 else lengths[-child - 2]
                    left[scope, child] = own + max([left[scope, other] for other in following[child]], default=0)
                    for other in before[child]:
                        waiting[other] -= 1
                        if not waiting[other]:
                            ready.append(other)
                if done < len(following):
                    tangled |= {-child - 2 for child, count in waiting.items() if count and child < 0}
                lengths[scope] = max([left.get((scope, child), 0) for child in following], default=0)
            if not tangled:
                break
            self.dissolve(tangled)
        starts = {ROOT: 0}
        for scope in sorted(self.paths, key=lambda scope: len(self.paths[scope])):
            if scope != ROOT:
                around = self.paths[scope][-2] if len(self.paths[scope]) > 1 else ROOT
                starts[scope] = starts[around] + lengths[around] - left[around, -scope - 2]
                self.spans[scope] = starts[scope], starts[scope] + lengths[scope] - 1
        return [starts[scope] + lengths[scope] - left[scope, i] for i, scope in enumerate(self.scope_of)]

    def followers(self, wires: Sequence[Wire]) -> dict[int, dict[int, set[int]]]:
        """For each part its children, nodes and parts (written -scope - 2), and for each child those that it feeds."""
        after: dict[int, dict[int, set[int]]] = {scope: {} for scope in self.paths}
        for i, scope in enumerate(self.scope_of):
            after[scope][i] = set()
        for scope, path in self.paths.items():
            if scope != ROOT:
                after[path[-2] if len(path) > 1 else ROOT][-scope - 2] = set()
        for wire in wires:
            one, other = self.scope_of[wire.parent], self.scope_of[wire.child]
            shared = self.common(one, other)
            depth = len(self.paths[shared])
            a = wire.parent if one == shared else -self.paths[one][depth] - 2
            b = wire.child if other == shared else -self.paths[other][depth] - 2
            after[shared][a].add(b)
        return after


def stretch_boxes(boxes: Sequence[Item]) -> None:
    """Make the boxes of a column equally long."""
    longest: dict[int, float] = {}
    for box in boxes:
        longest[box.column] = max(longest.get(box.column, 0.0), box.length)
    for box in boxes:
        box.length = longest[box.column]


def join(
    boxes: Sequence[Item],
    wires: Sequence[Wire],
    nest: Nest,
    ends: Mapping[int, tuple[int, int]],
    step: int,
    level: bool,
) -> list[list[Item]]:
    """Make the labels and bends; returns the items on the way of each edge. One that takes a lane has no bends on its way."""
    uses: dict[int, list[int]] = {}
    for i, wire in enumerate(wires):
        uses.setdefault(wire.parent, []).append(i)
    reach = {  # how many bends there are on the ways of all edges from a parent
        parent: sum([boxes[wires[i].child].column - boxes[parent].column - step for i in own])
        for parent, own in uses.items()
    }
    lanes: set[int] = set()
    bends = sum(reach.values())
    for parent in sorted(reach, key=lambda parent: -reach[parent]):
        if bends <= MOST_BENDS:
            break
        lanes.add(parent)
        bends -= reach[parent]
    ways: list[list[Item]] = [[]] * len(wires)
    for parent, own in uses.items():
        box = boxes[parent]
        own.sort(key=lambda i: boxes[wires[i].child].column)
        branch, rest = [box], boxes[wires[own[-1]].child].scope
        scopes = [rest] * len(own)  # of what is still to be reached, from each use on
        for k in range(len(own) - 1, -1, -1):
            rest = nest.common(rest, boxes[wires[own[k]].child].scope)
            scopes[k] = rest
        for k, i in enumerate(own):
            child = boxes[wires[i].child]
            last = child.column - step  # the last column that the branch passes on the way to this label
            while parent not in lanes and branch[-1].column < last:
                column = branch[-1].column + 1
                bend = Item("bend", column, 0.0, BEND, within(scopes[k], column, nest, ends))
                link(branch[-1], bend)
                branch.append(bend)
            label, way = None, branch[: last - box.column + 1] if parent not in lanes else [box]
            if step == 2:
                width, height = wires[i].label
                length, breadth = (width, height) if level else (height, width)
                port = 0.0 if level or not width else 6.0 - width / 2
                label = Item(
                    "label",
                    child.column - 1,
                    length,
                    max(breadth, BEND),
                    within(child.scope, child.column - 1, nest, ends),
                    port,
                )
                if parent not in lanes or last == box.column:
                    link(way[-1], label)
                way = [*way, label]
            ways[i] = [*way, child]
    for way in ways:  # in the order of the operands, which is that of the rows where nothing speaks against it
        if way[-2].column == way[-1].column - 1:
            link(way[-2], way[-1])
    return ways


def within(scope: int, column: int, nest: Nest, ends: Mapping[int, tuple[int, int]]) -> int:
    """The innermost part round `scope`, itself included, that has this column."""
    for inner in reversed(nest.paths[scope]):
        if ends[inner][0] <= column <= ends[inner][1]:
            return inner
    return ROOT


def link(left: Item, right: Item) -> None:
    """Make a line from one item to another in the next column."""
    left.after.append(right)
    right.before.append(left)


def gather(boxes: Sequence[Item], count: int) -> list[list[Item]]:
    """Every item in its column, from top to bottom as a walk from the last box comes by."""
    columns: list[list[Item]] = [[] for _ in range(count)]
    seen: set[Item] = set()
    for start in reversed(boxes):
        stack = [start]
        while stack:
            item = stack.pop()
            if item not in seen:
                seen.add(item)
                columns[item.column].append(item)
                stack += reversed(item.before)
    return columns


# ---- the order in each column ---------------------------------------------------------------------------------------


def crossings(columns: Sequence[Sequence[Item]]) -> int:
    """How many pairs of lines cross."""
    count = 0
    for left, right in itertools.pairwise(columns):
        place = {item: i for i, item in enumerate(right)}
        above: list[int] = []
        for item in left:
            ends = sorted([place[other] for other in item.after])
            count += sum([len(above) - bisect_right(above, end) for end in ends])
            for end in ends:
                insort(above, end)
    return count


def untangle(columns: list[list[Item]], nest: Nest) -> tuple[list[list[Item]], dict[int, float]]:
    """Order every column so that few lines cross: each item at the mean height of its neighbours, to and fro.

    What belongs to one part of a model stays together, and parts keep one order in all columns: returned is the height by
    which they are ordered. Few sweeps are made on a large graph, and its crossings are not counted.
    """
    size = sum(map(len, columns))
    order = {scope: float(i) for i, scope in enumerate(sorted(nest.paths))}
    if len(nest.paths) > 1:
        order = mean_heights(columns, nest, None, order)
        for column in columns:
            column.sort(key=sorting(nest, order, {item: i for i, item in enumerate(column)}))
    stack(columns)
    best, best_order, fewest = columns, order, crossings(columns) if size < 3000 else -1
    for sweep in range(10 if size < 3000 else max(2, 24_000 // size)):
        if not fewest:
            break
        forward = sweep % 2 == 0
        columns = [list(column) for column in columns]
        if len(nest.paths) > 1:
            order = mean_heights(columns, nest, forward, order)
        for column in columns if forward else reversed(columns):
            height = {}
            for item in column:
                around = item.before if forward else item.after
                height[item] = sum([other.y for other in around]) / len(around) if around else item.y
            column.sort(key=sorting(nest, order, height))
            stack((column,))
        found = crossings(columns) if size < 3000 else -1
        if found < fewest or found < 0:
            best, best_order, fewest = columns, order, found
    return best, best_order


def sorting(nest: Nest, order: Mapping[int, float], height: Mapping[Item, float]) -> Callable[[Item], Any]:
    """A key that sorts a column by height and keeps parts together."""
    if len(nest.paths) == 1:
        return height.__getitem__
    prefixes = {
        scope: tuple([number for inner in path for number in (order[inner], inner)])
        for scope, path in nest.paths.items()
    }
    return lambda item: (*prefixes[item.scope], height[item], -1)


def stack(columns: Sequence[Sequence[Item]]) -> None:
    """Put the items of a column below each other, round the height 0."""
    for column in columns:
        top = -sum([item.breadth + ROW_GAP for item in column]) / 2
        for item in column:
            item.y = top + item.breadth / 2
            top += item.breadth + ROW_GAP


def mean_heights(
    columns: Sequence[Sequence[Item]], nest: Nest, forward: bool | None, old: dict[int, float]
) -> dict[int, float]:
    """For each part the mean height of what it is joined to outside, before or after it; of itself if `forward` is None."""
    sums = dict.fromkeys(nest.paths, (0.0, 0))
    for column in columns:
        for item in column:
            around = (item,) if forward is None else item.before if forward else item.after
            for other in around:
                for scope in nest.paths[item.scope]:
                    if forward is None or scope not in nest.paths[other.scope]:
                        total, count = sums[scope]
                        sums[scope] = total + other.y, count + 1
    return {scope: total / count if count else old[scope] for scope, (total, count) in sums.items()}


# ---- rows ----------------------------------------------------------------------------------------------------------


class Strip(NamedTuple):
    """Items of one column that stand below each other between two bounds."""

    items: list[Item]
    low: float
    high: float


INFINITE = float("inf")
LEAST_PULL = 0.0005  # of a leaf, where an operation on leaves has 1


def stand(
    columns: Sequence[Sequence[Item]],
    nest: Nest,
    order: Mapping[int, float],
    ends: Mapping[int, tuple[int, int]],
    level: bool,
) -> tuple[list[Strip], dict[int, tuple[float, float]]]:
    """Give every part a band of rows; returns the strips between and in the bands, and the bands.

    Parts that share columns stand below each other, with gaps between them for what else is in these columns.
    """
    if len(nest.paths) == 1:
        return [Strip(list(column), -INFINITE, INFINITE) for column in columns], {}
    inner: dict[int, list[int]] = {scope: [] for scope in nest.paths}
    for scope, path in nest.paths.items():
        if path:
            inner[path[-2] if len(path) > 1 else ROOT].append(scope)
    loose: dict[int, dict[int, list[tuple[int, Item]]]] = {scope: {} for scope in nest.paths}
    for c, column in enumerate(columns):
        last: dict[int, int] = {}  # in each part, the part in it that was met last
        for item in column:
            path = (ROOT, *nest.paths[item.scope])
            for outer, scope in itertools.pairwise(path):
                last[outer] = scope
            loose[item.scope].setdefault(c, []).append((last.get(item.scope, ROOT), item))
    title = TITLE if level else 0.0
    heights: dict[int, float] = {}
    stages: dict[int, list[tuple[tuple[int, int], list[int], list[float]]]] = {}
    for scope in sorted(nest.paths, key=lambda scope: -len(nest.paths[scope])):
        stages[scope] = []
        for span, parts in overlapping(inner[scope], ends, order):
            gaps = [0.0] * (len(parts) + 1)
            gap_after = {ROOT: 0, **{part: i for i, part in enumerate(parts, 1)}}
            for c in range(span[0], span[1] + 1):
                sums = [0.0] * len(gaps)
                for after, item in loose[scope].get(c, ()):
                    sums[gap_after[after]] += item.breadth + ROW_GAP
                gaps = [max(pair) for pair in zip(gaps, sums, strict=True)]
            stages[scope].append((span, parts, gaps))
        tallest = [sum(gaps) + sum([heights[part] + ROW_GAP for part in parts]) for _, parts, gaps in stages[scope]]
        tallest += [sum([item.breadth + ROW_GAP for _, item in items]) for items in loose[scope].values()]
        heights[scope] = max(tallest, default=ROW_GAP) - ROW_GAP + 2 * PAD + title
    bands = {ROOT: (-INFINITE, INFINITE)}
    strips = []
    for scope in sorted(nest.paths, key=lambda scope: len(nest.paths[scope])):
        low, high = bands[scope]
        low, high = low + PAD + title, high - PAD
        middle = (low + high) / 2 if scope != ROOT else 0.0
        taken: set[int] = set()
        for span, parts, gaps in stages[scope]:
            top = middle - (sum(gaps) + sum([heights[part] + ROW_GAP for part in parts]) - ROW_GAP) / 2
            bounds = [low]
            for part, gap in zip(parts, gaps, strict=False):
                bands[part] = top + gap, top + gap + heights[part]
                bounds += [bands[part][0] - ROW_GAP, bands[part][1] + ROW_GAP]
                top = bands[part][1] + ROW_GAP
            bounds.append(high)
            gap_after = {ROOT: 0, **{part: i for i, part in enumerate(parts, 1)}}
            for c in range(span[0], span[1] + 1):
                taken.add(c)
                between: list[list[Item]] = [[] for _ in gaps]
                for after, item in loose[scope].get(c, ()):
                    between[gap_after[after]].append(item)
                strips += [Strip(items, bounds[2 * k], bounds[2 * k + 1]) for k, items in enumerate(between) if items]
        strips += [Strip([item for _, item in items], low, high) for c, items in loose[scope].items() if c not in taken]
    strips.sort(key=lambda strip: strip.items[0].column)
    return strips, bands


def overlapping(
    parts: Sequence[int], ends: Mapping[int, tuple[int, int]], order: Mapping[int, float]
) -> Iterator[tuple[tuple[int, int], list[int]]]:
    """Parts that share columns, directly or through others, in the order in which they stand; with all their columns."""
    rest = sorted(parts, key=lambda part: ends[part])
    while rest:
        together = [rest.pop(0)]
        first, last = ends[together[0]]
        while rest and ends[rest[0]][0] <= last:
            together.append(rest.pop(0))
            last = max(last, ends[together[-1]][1])
        yield (first, last), sorted(together, key=lambda part: (order[part], part))


def weigh(columns: Sequence[Sequence[Item]]) -> None:
    """Let what has a long computation behind it pull more than what has a short one, and a leaf next to nothing.

    So the main line of a computation runs level, and what is added to it on the way gives way to it.
    """
    depth: dict[Item, int] = {}
    for item in itertools.chain.from_iterable(columns):
        depth[item] = max([depth[other] for other in item.before], default=0) + (item.kind == "box")
        item.pull = max(LEAST_PULL, (depth[item] - 1.0) ** 4)


def settle(strips: Sequence[Strip]) -> None:
    """Give every item its height: packed first, then near its neighbours, to and fro."""
    for strip in strips:
        space(strip, None)
    for _ in range(4 if sum([len(strip.items) for strip in strips]) < 12_000 else 2):
        for strip in reversed(strips):
            space(strip, False)
        for strip in strips:
            space(strip, True)


def space(strip: Strip, forward: bool | None) -> None:
    """Move each item of a strip as near to the middle of its neighbours as can be, in order and without overlap.

    Measured from where the items would stand if they were packed, their places must only not decrease. The best such
    places (least squares) are found by merging those that want to pass each other into one block at their mean. Each has the
    weight of its pull, and so has it among the neighbours of another. An item without neighbours stays where it is, but
    gives way. A bend that continues a bend has more weight: lines become straight.
    """
    top = 0.0
    blocks: list[tuple[float, float, list[tuple[Item, float]]]] = []  # mean, weight, items with their packed places
    for item in strip.items:
        around = () if forward is None else item.before if forward else item.after
        packed = top + item.breadth / 2
        top += item.breadth + ROW_GAP
        weight = LEAST_PULL / 5
        wanted = item.y
        if around:
            pull = sum([other.pull for other in around])
            wanted = sum([other.pull * (other.y + other.port) for other in around]) / pull - item.port
            weight = item.pull
            if item.kind == "bend" and any(other.kind == "bend" for other in around):
                weight = 4.0 * max(1.0, weight)
        mean, members = wanted - packed, [(item, packed)]
        while blocks and blocks[-1][0] > mean:
            other_mean, other_weight, others = blocks.pop()
            mean = (mean * weight + other_mean * other_weight) / (weight + other_weight)
            weight += other_weight
            others += members
            members = others
        blocks.append((mean, weight, members))
    low, high = strip.low, strip.high - (top - ROW_GAP)
    for mean, _, members in blocks:
        mean = max(low, min(mean, high))
        for item, packed in members:
            item.y = mean + packed


def straighten(ways: Sequence[Sequence[Item]], strips: Sequence[Strip]) -> None:
    """Make lines straight where there is room: bends and labels in a row at one height, if possible at that of a box."""
    stands = {item: (strip, i) for strip in strips for i, item in enumerate(strip.items)}

    def free(item: Item) -> tuple[float, float]:  # where its line may run
        strip, i = stands[item]
        low, high, half = strip.low, strip.high, item.breadth / 2
        if i:
            low = strip.items[i - 1].y + strip.items[i - 1].breadth / 2 + ROW_GAP
        if i + 1 < len(strip.items):
            high = strip.items[i + 1].y - strip.items[i + 1].breadth / 2 - ROW_GAP
        return low + half + item.port, high - half + item.port

    def flatten(run: Sequence[Item], low: float, high: float, boxes: Sequence[Item]) -> None:
        wanted = [box.y for box in boxes if box.kind == "box" and low <= box.y <= high]
        mean = sum([item.y + item.port for item in run]) / len(run)
        height = wanted[0] if wanted else max(low, min(mean, high))
        for item in run:
            item.y = height - item.port

    done: set[Item] = set()
    for way in ways:
        run: list[Item] = []
        low, high, before = -INFINITE, INFINITE, way[0]
        for item in way:
            if item.kind == "box" or item in done:
                if run:
                    flatten(run, low, high, (before, item))
                run, low, high, before = [], -INFINITE, INFINITE, item
                continue
            done.add(item)
            item_low, item_high = free(item)
            if run and max(low, item_low) > min(high, item_high):
                flatten(run, low, high, (before,))
                run, low, high, before = [], -INFINITE, INFINITE, item
            run.append(item)
            low, high = max(low, item_low), min(high, item_high)


# ---- measures ------------------------------------------------------------------------------------------------------


def measure(
    boxes: Sequence[Item],
    ways: Sequence[Sequence[Item]],
    columns: Sequence[Sequence[Item]],
    nest: Nest,
    ends: Mapping[int, tuple[int, int]],
    bands: Mapping[int, tuple[float, float]],
    direction: str,
) -> Layout:
    """Widths of columns and gaps, and with them the places of everything, in the direction asked for."""
    insets = frame_insets(nest, ends, direction)
    opening, closing = [0.0] * (len(columns) + 1), [0.0] * (len(columns) + 1)
    for scope, (before, after) in insets.items():
        first, last = ends[scope]
        opening[first], closing[last] = max(opening[first], before), max(closing[last], after)
    spans = []
    left = opening[0]
    for c, column in enumerate(columns):
        width = max([item.length for item in column], default=0.0)
        spans.append((left, left + width))
        for item in column:
            item.x = left + width / 2
        steepest = max([abs(item.y + item.port - other.y - other.port) for item in column for other in item.after], default=0.0)  # fmt: skip  # noqa: E501
        left += width + max(COLUMN_GAP, min(steepest / 5, WIDEST_GAP)) + closing[c] + opening[c + 1]
    length = spans[-1][1] + closing[len(columns) - 1]
    tops = [item.y - item.breadth / 2 for column in columns for item in column]
    bottoms = [item.y + item.breadth / 2 for column in columns for item in column]
    top = min([*tops, *[low for low, _ in [bands[scope] for scope in ends]]])
    bottom = max([*bottoms, *[high for _, high in [bands[scope] for scope in ends]]])
    heights = lane_heights(ways, top)
    top = min([top, *heights.values()])
    lines = [line(way, spans, heights.get(i)) for i, way in enumerate(ways)]
    frames = {
        scope: (spans[first][0] - insets[scope][0], bands[scope][0], spans[last][1] + insets[scope][1], bands[scope][1])
        for scope, (first, last) in ends.items()
    }
    turn = turned(direction, length, top)

    def place(x: float, y: float, long: float, broad: float) -> Place:
        (x, y), size = turn((x, y)), (long, broad) if direction in ("LR", "RL") else (broad, long)
        return Place(x, y, *size)

    labels = [way[-2] if way[-2].kind == "label" else None for way in ways]
    return Layout(
        [place(box.x, box.y, box.length, box.breadth) for box in boxes],
        [Way(turn(start), tuple([tuple([turn(point) for point in step]) for step in steps])) for start, steps in lines],
        [place(item.x, item.y, item.length, item.breadth) if item else Place(0, 0, 0, 0) for item in labels],
        {scope: place((a + c) / 2, (b + d) / 2, c - a, d - b) for scope, (a, b, c, d) in frames.items()},
        *((length, bottom - top) if direction in ("LR", "RL") else (bottom - top, length)),
    )


def frame_insets(nest: Nest, ends: Mapping[int, tuple[int, int]], direction: str) -> dict[int, tuple[float, float]]:
    """How far each frame stands off its first and its last column, so that nested frames do not touch."""
    titles = {"TB": (TITLE, 0.0), "BT": (0.0, TITLE)}.get(direction, (0.0, 0.0))
    inside = dict.fromkeys(
        ends, (0.0, 0.0)
    )  # what the frames in a frame take before its first and after its last column
    insets: dict[int, tuple[float, float]] = {}
    for scope in sorted(ends, key=lambda scope: -len(nest.paths[scope])):
        insets[scope] = inside[scope][0] + titles[0] + PAD, inside[scope][1] + titles[1] + PAD
        if len(nest.paths[scope]) > 1:
            around = nest.paths[scope][-2]
            before, after = inside[around]
            if ends[scope][0] == ends[around][0]:
                before = max(before, insets[scope][0])
            if ends[scope][1] == ends[around][1]:
                after = max(after, insets[scope][1])
            inside[around] = before, after
    return insets


def lane_heights(ways: Sequence[Sequence[Item]], top: float) -> dict[int, float]:
    """The heights of the lanes above everything that the longest edges of a large graph take."""
    heights: dict[int, float] = {}
    wanted: dict[int, list[int]] = {}
    for i, way in enumerate(ways):
        box, following = way[0], way[1]
        if following.column > box.column + 1:
            wanted.setdefault(id(box), []).append(i)
    free: list[int] = []  # the column up to which each lane is taken
    for own in sorted(wanted.values(), key=lambda own: ways[own[0]][0].column):
        first, last = ways[own[0]][0].column, max(ways[i][1].column for i in own)
        lane = next((k for k, until in enumerate(free) if until < first), len(free))
        free[lane : lane + 1] = [last]
        for i in own:
            heights[i] = top - (lane + 2) * ROW_GAP
    return heights


def line(
    way: Sequence[Item], spans: Sequence[tuple[float, float]], lane: float | None
) -> tuple[Point, list[tuple[Point, ...]]]:
    """A line from item to item: level in a column, at the item's own height, so it can meet nothing; bent in between."""
    stations = [(item.column, item.column, item.y + item.port) for item in way]
    if lane is not None:
        stations.insert(1, (way[0].column + 1, way[1].column - 1, lane))
    x, y = start = way[0].x + way[0].length / 2, way[0].y
    steps: list[tuple[Point, ...]] = []

    def level(to: float) -> None:
        nonlocal x
        if steps and len(steps[-1]) == 1:
            steps.pop()
        if to > x + 0.05:
            steps.append(((to, y),))
            x = to

    for k, ((_, column, height), (following, _, level_there)) in enumerate(itertools.pairwise(stations)):
        last = k == len(stations) - 2
        begin, end = spans[column][1], way[-1].x - way[-1].length / 2 if last else spans[following][0]
        if abs(level_there - height) < 0.05:
            level(end)
            continue
        level(begin)
        bent = spans[following][0] - (ARROW if last else 0.0)
        middle = (begin + bent) / 2
        steps.append(((middle, height), (middle, level_there), (bent, level_there)))
        x, y = bent, level_there
        level(end)
    return start, steps


ARROW = 10.0  # the last stretch of a line, which is level, so that its arrowhead is


def turned(direction: str, length: float, top: float) -> Callable[[Point], Point]:
    """What brings a point from columns and rows into a drawing of this direction, its corner at (0, 0)."""
    return {
        "LR": lambda point: (point[0], point[1] - top),
        "RL": lambda point: (length - point[0], point[1] - top),
        "TB": lambda point: (point[1] - top, point[0]),
        "BT": lambda point: (point[1] - top, length - point[0]),
    }[direction]
