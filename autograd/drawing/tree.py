"""A small picture of a graph as SVG, made without any other program: for up to a hundred nodes or so.

Nodes stand in layers, from the leaves on the left to the root on the right, and between two layers of nodes is a layer
of labels, the local derivatives of the edges. A label has a place of its own like a node, and so has a bend in an edge
that passes a layer: nothing can lie on anything else. The edges from one parent share their bends, as twigs do a branch,
so that a parameter that is used everywhere is one line with a twig to each use.
"""

import itertools
import xml.sax.saxutils
import zlib
from bisect import bisect_right, insort
from collections.abc import Iterator, Sequence

from ..engine import Value, topological_sort
from .figures import columns, figure, formula_text, shown
from .palette import FONT, PALETTE
from .snapshot import Edge, Node, Snapshot, snapshot

MOST_NODES, LONG_SUM = 400, 8  # how many additions in a row are worth a word of advice
CHARACTER, LINE, MARGIN = 7.3, 16, 20  # the width of a character at 12 px, the height of a line, the border
ROW_GAP, LAYER_GAP, WIDEST_GAP, ARROW, ROOT_FRAME = 10, 24, 110, 10, 3.0
LEGEND = (
    ("data", "data: the numbers, going forward →"),
    ("grad", "grad: the gradients, coming back ←"),
    ("text", "on an edge: the local derivative, formula and number"),
)
MARKS = ("text", "#: a node's number, as in formulas and in the ledger")
ADVICE = ("text", "a row of + is one node with autograd.sum([a, b, ...])")
pictures = itertools.count(1)

# ---- what has a place of its own -----------------------------------------------------------------------------------


class Item:
    """A node's box, the label of an edge, or a bend in long edges."""

    def __init__(self, layer: int, width: float = 0.0, height: float = 6.0) -> None:
        self.layer, self.width, self.height = layer, width, height
        self.before: list[Item] = []  # what it is joined to in the layer on its left
        self.after: list[Item] = []  # and on its right
        self.x = self.y = 0.0  # its middle
        self.column = width  # the width of its whole layer


class Box(Item):
    """A node: its label and operation on the left, its data and grad on the right."""

    def __init__(self, node: Node, layer: int) -> None:
        self.node = node
        second = f"{shown(node.operation, 24)} {node.mark}".strip() if node.label or node.operation else node.name
        anonymous = node.kind == "constant" and not node.mark
        self.titles = [] if anonymous else [line for line in (shown(node.label, 24), second) if line]
        self.figures = [("data", figure(node.data))]
        if node.kind != "constant":
            self.figures.append(("grad", figure(node.grad)))
        self.title_width = max(map(columns, self.titles)) * CHARACTER + 20 if self.titles else 0.0
        figures_width = max([columns(value) for _, value in self.figures]) * CHARACTER + 5 * CHARACTER + 20
        lines = max(len(self.titles), len(self.figures))
        super().__init__(layer, self.title_width + figures_width, lines * LINE + 10)


class Label(Item):
    """The local derivative of an edge: its formula above the line and its number below, or its number alone above."""

    def __init__(self, node: Node, edge: Edge, layer: int) -> None:
        self.node, self.edge = node, edge
        carries_nothing = edge.local is None  # to a constant: nothing comes back
        self.formula = "" if carries_nothing else formula_text(edge.formula)
        self.number = "" if carries_nothing else figure(edge.local)
        characters = max(columns(self.formula), columns(self.number))
        super().__init__(layer, characters * CHARACTER + 8, 2 * LINE + 4 if characters else 6)


# ---- the layout ----------------------------------------------------------------------------------------------------


def layers_of(graph: Snapshot) -> list[list[Item]]:
    """Every item in its layer, from left to right; in a layer as a walk from the root comes by."""
    distance = [0] * len(graph.nodes)  # the longest way to the root, in edges
    for node in reversed(graph.nodes):
        for parent in node.parents:
            distance[parent] = max(distance[parent], distance[node.id] + 1)
    last = 2 * max(distance)
    boxes = [Box(node, last - 2 * distance[node.id]) for node in graph.nodes]
    align(boxes)
    branches: list[list[Item]] = [[box] for box in boxes]  # with its bends: one in each layer that its edges pass
    for node, box in zip(graph.nodes, boxes, strict=True):
        for edge in node.edges:
            branch, label = branches[edge.parent], Label(node, edge, box.layer - 1)
            while branch[-1].layer < label.layer - 1:
                branch.append(Item(branch[-1].layer + 1))
                join(branch[-2], branch[-1])
            join(branch[label.layer - 1 - branch[0].layer], label)
            join(label, box)
    layers: list[list[Item]] = [[] for _ in range(last + 1)]
    seen: set[Item] = set()
    stack: list[Item] = [boxes[-1]]
    while stack:
        item = stack.pop()
        if item not in seen:
            seen.add(item)
            layers[item.layer].append(item)
            stack += reversed(item.before)
    return layers


def join(left: Item, right: Item) -> None:
    """Make a line from one item to another in the next layer."""
    left.after.append(right)
    right.before.append(left)


def align(boxes: Sequence[Box]) -> None:
    """Make the boxes with a title as wide as the widest of their layer, so that their figures stand in columns."""
    by_layer: dict[int, list[Box]] = {}
    for box in boxes:
        if box.titles:
            by_layer.setdefault(box.layer, []).append(box)
    for layer in by_layer.values():
        titles, figures = max(box.title_width for box in layer), max(box.width - box.title_width for box in layer)
        for box in layer:
            box.title_width, box.width = titles, titles + figures


def crossings(layers: Sequence[Sequence[Item]]) -> int:
    """How many pairs of edges cross."""
    count = 0
    for left, right in itertools.pairwise(layers):
        place = {item: i for i, item in enumerate(right)}
        above: list[int] = []
        for item in left:
            ends = sorted([place[other] for other in item.after])
            count += sum([len(above) - bisect_right(above, end) for end in ends])
            for end in ends:
                insort(above, end)
    return count


def untangle(layers: list[list[Item]]) -> list[list[Item]]:
    """Order every layer so that few edges cross: each item at the mean place of its neighbours, to and fro."""
    best, fewest = layers, crossings(layers)
    for sweep in range(12):
        if not fewest:
            break
        layers = [list(layer) for layer in layers]
        forward = sweep % 2 == 0
        steps = range(1, len(layers)) if forward else range(len(layers) - 2, -1, -1)
        for i in steps:
            place = {item: j for j, item in enumerate(layers[i - 1] if forward else layers[i + 1])}
            own = {item: j for j, item in enumerate(layers[i])}

            def mean_place(item: Item, place: dict[Item, int] = place, own: dict[Item, int] = own) -> float:
                around = [place[other] for other in (item.before if forward else item.after)]  # noqa: B023
                return sum(around) / len(around) if around else own[item]

            layers[i].sort(key=mean_place)
        found = crossings(layers)
        if found < fewest:
            best, fewest = layers, found
    return best


def space(layer: Sequence[Item], neighbours: Sequence[Sequence[Item]]) -> None:
    """Move each item of a layer as near to the middle of its neighbours as can be, in order and without overlap.

    Measured from where the items would stand if they were packed, their places must only not decrease. The best such
    places (least squares) are found by merging those that want to pass each other into one block at their mean. An item
    without neighbours stays where it is, but gives way.
    """
    top = 0.0
    blocks: list[tuple[float, float, list[tuple[Item, float]]]] = []  # mean, weight, items with their packed places
    for item, around in zip(layer, neighbours, strict=True):
        packed = top + item.height / 2
        top += item.height + ROW_GAP
        wanted = sum([other.y for other in around]) / len(around) if around else item.y
        mean, weight, members = wanted - packed, 1.0 if around else 0.01, [(item, packed)]
        while blocks and blocks[-1][0] > mean:
            other_mean, other_weight, others = blocks.pop()
            mean = (mean * weight + other_mean * other_weight) / (weight + other_weight)
            weight, members = weight + other_weight, others + members
        blocks.append((mean, weight, members))
    for mean, _, members in blocks:
        for item, packed in members:
            item.y = mean + packed


def place(layers: list[list[Item]]) -> tuple[float, float]:
    """Give every item its place; returns the width and height of it all."""
    for layer in layers:
        space(layer, [()] * len(layer))
    for _ in range(4):
        for layer in reversed(layers):
            space(layer, [item.after for item in layer])
        for layer in layers:
            space(layer, [item.before for item in layer])
    top = min(item.y - item.height / 2 for layer in layers for item in layer)
    left = 0.0
    for layer in layers:
        width = max(item.width for item in layer)
        for item in layer:
            item.x, item.y, item.column = left + width / 2, item.y - top, width
        steepest = max((abs(item.y + top - other.y) for item in layer for other in item.after), default=0.0)
        left += width + min(max(LAYER_GAP, steepest / 5), WIDEST_GAP)
    right = max(item.x + item.width / 2 for item in layers[-1])
    return right, max(item.y + item.height / 2 for layer in layers for item in layer)


# ---- the drawing ---------------------------------------------------------------------------------------------------


def tree_svg(root: Value | Snapshot, legend: bool = True) -> str:
    """The graph below `root` as an SVG: on each node its data and grad, on each edge the local derivative.

    The picture has its own background, light or dark as the reader's system is, no script, and ids of its own, so that
    several fit on one page. `legend=False` leaves out the lines that say what is what.

    Raises ValueError for a graph of more than 400 nodes, and TypeError if `root` is neither a Value nor a Snapshot.
    """
    if not isinstance(root, (Value, Snapshot)):
        raise TypeError(f"expected the Value or the Snapshot to draw, got {root!r:.80} of type {type(root).__name__}")
    count = len(root.nodes if isinstance(root, Snapshot) else topological_sort(root))
    if count > MOST_NODES:
        raise ValueError(
            f"a picture of {count:,} nodes could not be read: tree_svg draws up to {MOST_NODES}; "
            "draw a part (every node is the root of the graph below it), make long sums one node with autograd.sum or "
            "autograd.dot, or read the sweep with ledger(root)"
        )
    graph = root if isinstance(root, Snapshot) else snapshot(root)
    name = f"graph-{next(pictures)}-{zlib.crc32(repr(graph).encode('utf-8', 'replace')):08x}"
    layers = untangle(layers_of(graph))
    width, height = place(layers)
    parts = [line_svg(path, carries) for path, carries in branch_paths(layers)]
    parts += [edge_svg(label, path, f"url(#{name}-arrow)") for label, path in edge_paths(layers)]
    parts += [box_svg(item) for layer in layers for item in layer if isinstance(item, Box)]
    if legend:
        notes, note_width, note_height = legend_svg(graph, width, height)
        parts.append(notes)
        width, height = max(width, note_width), height + note_height
    return frame_svg(name, "\n".join(parts), width + 2 * MARGIN, height + 2 * MARGIN, graph)


def quoted(text: str) -> str:
    """Text as XML has it, in an element or an attribute."""
    return xml.sax.saxutils.escape(text, {'"': "&quot;"})


def element(tag: str, content: str = "", **attributes: object) -> str:
    """An XML element; `class_` and `stroke_width` are written class and stroke-width, an empty attribute is left out."""
    written = ""
    for name, value in attributes.items():
        text = f"{value:.1f}" if isinstance(value, float) else str(value)
        written += f' {name.rstrip("_").replace("_", "-")}="{quoted(text)}"' if text else ""
    return f"<{tag}{written}>{content}</{tag}>" if content else f"<{tag}{written}/>"


def light(use: str) -> str:
    """The colour that stands on an element itself; the style sheet has the dark ones."""
    return PALETTE[use][0]


def text_svg(x: float, y: float, use: str, text: str, anchor: str = "start", weight: str = "") -> str:
    """One line of text, its middle at the height y."""
    place = {"x": x, "y": y + 4.0, "text_anchor": anchor}
    return element("text", quoted(text), **place, class_=use, fill=light(use), font_weight=weight)


def box_svg(box: Box) -> str:
    """A node. Its shape says what it is: a leaf is round, a constant dashed, an operation square, the root double."""
    node, left = box.node, box.x - box.width / 2
    radius = {"leaf": box.height / 2, "constant": 0.0}.get(node.kind, 5.0)

    def outline(beyond: float, use: str) -> str:
        return element(
            "rect",
            x=left - beyond,
            y=box.y - box.height / 2 - beyond,
            width=box.width + 2 * beyond,
            height=box.height + 2 * beyond,
            rx=radius + beyond,
            class_=f"{use} frame",
            fill=light(use),
            stroke=light("frame"),
            stroke_dasharray="4 3" if node.kind == "constant" else "",
        )

    about = f"{node.name}: data {node.data}"
    about += "" if node.grad is None else f", grad {node.grad}"
    parts = [element("title", quoted(shown(about, 400)))]
    parts += [outline(ROOT_FRAME, "paper")] if node.kind == "root" else []
    parts.append(outline(0.0, "box"))
    for line, title in enumerate(box.titles):
        middle, y = left + box.title_width / 2 + 2, box.y + (line - (len(box.titles) - 1) / 2) * LINE
        parts.append(text_svg(middle, y, "text", title, "middle", "" if line else "bold"))
    for line, (caption, value) in enumerate(box.figures):
        y = box.y + (line - (len(box.figures) - 1) / 2) * LINE
        parts.append(text_svg(left + box.title_width + 8, y, caption, caption))
        parts.append(text_svg(left + box.width - 12, y, caption, value, "end"))
    return element("g", "".join(parts), class_=f"node {node.kind}")


def edge_paths(layers: Sequence[Sequence[Item]]) -> Iterator[tuple[Label, str]]:
    """Every edge, from its parent's box or the branch's bend through its label to the node's box."""
    for label in itertools.chain.from_iterable(layers):
        if isinstance(label, Label):
            yield label, line_path([label.before[0], label, label.after[0]])


def branch_paths(layers: Sequence[Sequence[Item]]) -> Iterator[tuple[str, bool]]:
    """What the long edges from one parent share, from its box to the last bend; and whether a gradient comes back on it."""
    for box in itertools.chain.from_iterable(layers):
        if isinstance(box, Box):
            way: list[Item] = [box]
            twigs: list[Item] = []
            while bends := [item for item in way[-1].after if type(item) is Item]:
                way += bends
                twigs += way[-1].after
            if twigs:
                yield line_path(way), any(isinstance(item, Label) and item.edge.carries for item in twigs)


def line_path(way: Sequence[Item]) -> str:
    """A line from item to item: level in a layer, at the item's own height, so it can meet nothing; bent in between."""
    first, last = way[0], way[-1]
    path = f"M{first.x + first.width / 2:.1f},{first.y:.1f}"
    for item, following in itertools.pairwise(way):
        start, end = item.x + item.column / 2, following.x - following.column / 2
        end -= ARROW if isinstance(following, Box) else 0
        middle = (start + end) / 2
        path += f" H{start:.1f} C{middle:.1f},{item.y:.1f} {middle:.1f},{following.y:.1f} {end:.1f},{following.y:.1f}"
    if not isinstance(last, Box):
        return f"{path} H{last.x:.1f}"
    reach = last.width / 2 + (ROOT_FRAME if last.node.kind == "root" else 0)
    return f"{path} H{last.x - reach - 1:.1f}"


def line_svg(path: str, carries: bool, arrowhead: str = "") -> str:
    """A line; dotted where no gradient comes back."""
    dots = "" if carries else "2 4"
    return element(
        "path", d=path, class_="line", fill="none", stroke=light("line"), stroke_dasharray=dots, marker_end=arrowhead
    )


def edge_svg(label: Label, path: str, arrowhead: str) -> str:
    """One edge and its label."""
    edge = label.edge
    about = f"local derivative {edge.formula or ''}" + ("" if edge.local is None else f" = {edge.local}")
    parts = [element("title", quoted(shown(about, 400)))]
    parts.append(line_svg(path, edge.carries, arrowhead))
    lines = [line for line in (label.formula, label.number) if line]
    parts += [text_svg(label.x, label.y + y, "text", line, "middle") for line, y in zip(lines, (-9, 9), strict=False)]
    return element("g", "".join(parts), class_="edge")


def longest_sum(graph: Snapshot) -> int:
    """The most additions in a row."""
    row: list[int] = []
    for node in graph.nodes:
        before = max([row[parent] for parent in node.parents], default=0)
        row.append(before + 1 if node.operation == "+" else 0)
    return max(row)


def legend_svg(graph: Snapshot, width: float, height: float) -> tuple[str, float, float]:
    """The lines that say what is what, below a drawing of this size; with the width and height that they need."""
    legend = [*LEGEND, *[MARKS] * any(node.mark for node in graph.nodes), *[ADVICE] * (longest_sum(graph) >= LONG_SUM)]
    lengths = [columns(words) * CHARACTER for _, words in legend]
    beside = sum(lengths) + 30 * (len(legend) - 1) <= width
    x, y, parts = 0.0, height + 26, []
    for (use, words), length in zip(legend, lengths, strict=True):
        parts.append(text_svg(x, y, use, words))
        x, y = (x + length + 30, y) if beside else (x, y + LINE)
    return (
        element("g", "".join(parts), class_="legend"),
        0.0 if beside else max(lengths),
        (36 if beside else y - height - 6),
    )


def frame_svg(name: str, body: str, width: float, height: float, graph: Snapshot) -> str:
    """The whole picture: its name, its dark colours, its arrowhead, its paper, and everything on it."""
    strokes = ("frame", "line")
    dark = [f"#{name} .{use}{{{'stroke' if use in strokes else 'fill'}:{PALETTE[use][1]}}}" for use in PALETTE]
    dark.append(f"#{name} .arrow{{fill:{PALETTE['line'][1]}}}")
    tip = element("path", d="M0,0.5 L8,4 L0,7.5 z", class_="arrow", fill=light("line"))
    size = {"viewBox": "0 0 8 8", "refX": 7, "refY": 4, "markerWidth": 7, "markerHeight": 7, "orient": "auto"}
    parts = [
        element("title", quoted(f"The graph of {shown(graph.root.label or graph.root.operation or 'a leaf', 80)}")),
        element("style", f"@media (prefers-color-scheme: dark){{{' '.join(dark)}}}"),
        element("defs", element("marker", tip, id=f"{name}-arrow", **size)),
        element("rect", width="100%", height="100%", rx=6, class_="paper", fill=light("paper")),
        element("g", f"\n{body}\n", transform=f"translate({MARGIN},{MARGIN})"),
    ]
    return element(
        "svg",
        "\n" + "\n".join(parts) + "\n",
        xmlns="http://www.w3.org/2000/svg",
        id=name,
        class_="autograd",
        role="img",
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        width=f"{width:.0f}",
        height=f"{height:.0f}",
        style=f"max-width:100%;min-width:{0.8 * width:.0f}px;height:auto",
        font_family=FONT,
        font_size=12,
        stroke_width=1.3,
    )
