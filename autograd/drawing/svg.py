"""A drawing as SVG: what is written on nodes and edges, how large that is, and all of it at the places of a Layout.

Whoever laid it out, the picture has the same elements and classes. Colours stand on the elements, for light; the dark
ones are in a style sheet of its own, under its own id. No script, and no reference to anything.
"""

import itertools
import math
import re
import textwrap
import xml.sax.saxutils
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ..symbols import Symbol, expression, text
from .embed import SMALLEST
from .figures import ELLIPSIS, MINUS, after_point, columns, formula_text, is_number, shown
from .layout import Layout, Place, Way
from .palette import FONT, PALETTE
from .snapshot import Edge, Node, Snapshot

CHARACTER, LINE, MARGIN = 7.3, 16.0, 20.0  # the width of a character at 12 px, the height of a line, the border
OUTER = 4.0  # what the root's second outline and a group's second sheet take
LONGEST_TITLE, LONGEST_ROW = 24, 18  # characters of a title, and of the name of a row
APART = 2  # characters between a caption, or a figure, and the next figure
LONG_SUM, MOST_OUTPUTS = 8, 16  # additions in a row that are worth a word of advice; outputs listed on a group
ARROWHEAD = ((-7.0, -3.5), (0.0, 0.0), (-7.0, 3.5))
DOTS, FAINT = "2 4", "0.4"  # of lines on which nothing comes back
LEGEND_WIDTHS = 53, 120  # characters of a legend, at least and at most, however wide its drawing is
HAIR, BROAD = 0.6, 6.0  # the widths of lines that bring back nothing and the most
LEGEND = {
    "data": "data: the numbers, going forward →",
    "grad": "grad: the gradients, coming back ←",
}
FLOW = "a line's width: how much gradient it brings back; dashed: negative; dotted: none"
MARKS = "#: a node's number, as in formulas and in the ledger"
ADVICE = "a row of + is one node with autograd.sum([a, b, ...])"
ASKED = re.compile(r"\?\d+")  # what a quiz hides
pictures = itertools.count(1)


class Style(NamedTuple):
    """What is shown, and how."""

    show: Sequence[str]  # of "label", "operation", "data", "grad"
    edges: Sequence[str]  # of "formula", "number"
    figure: Callable[[Any], str]
    theme: str
    flow: bool  # lines by the gradient that they bring back
    fold_constants: bool
    compact: bool  # captions as arrows, figures below titles
    room: int
    legend: bool
    level: bool  # columns from left to right or back


class Row(NamedTuple):
    """A line of figures on a node."""

    caption: str
    use: str  # the caption's class: "data", "grad" or "text"
    cells: tuple[tuple[str, str], ...]  # class, text: one, or data and grad of one of several outputs


class Card(NamedTuple):
    """A node's box: what is written on it, and its size."""

    node: Node
    titles: tuple[tuple[str, str], ...]  # class, text
    rows: tuple[Row, ...]
    caption: int  # characters of its longest caption
    figure: int  # characters that each of its figures has
    figures: float  # the width of its rows
    width: float
    height: float


class Tag(NamedTuple):
    """An edge, and what is written on it."""

    child: int  # the node's id
    operand: int
    edge: Edge
    lines: tuple[tuple[str, str], ...]  # class, text
    width: float
    height: float
    flow: Any = None  # the gradient that it brings back, if that is to be seen
    stroke: float = 0.0  # the width of its line then
    dashes: str = ""
    flow_wrong: bool = False


class Picture(NamedTuple):
    """All that is to be laid out."""

    graph: Snapshot
    cards: list[Card]
    tags: list[Tag]
    point: int  # characters from the decimal point to the end of the figures


def picture_of(graph: Snapshot, style: Style) -> Picture:
    """What is written on every node and edge."""
    titles, gone = folded_constants(graph, style) if style.fold_constants else ({}, set())
    nodes = [node for node in graph.nodes if node.id not in gone]
    first = first_wrong(graph)
    written = [writing(node, style, titles.get(node.id, ""), first) for node in nodes]
    figures = [figure for _, rows in written for row in rows for _, figure in row.cells]
    numbers = [figure for figure in figures if is_number(figure) and columns(figure) <= 10]
    point = max(map(after_point, numbers), default=0)
    whole = max([columns(figure) - after_point(figure) for figure in numbers], default=0)
    usual = max(whole + point, style.room)
    cards = [
        card(node, titles, rows, usual, style, is_result(node, graph))
        for node, (titles, rows) in zip(nodes, written, strict=True)
    ]
    drawn = {node.id for node in nodes}
    grads = {node.id: node.grad for node in graph.nodes}
    tags = [
        tag(node, operand, edge, style, grads[node.id])
        for node in nodes
        for operand, edge in edges_of(node, graph)
        if edge.parent in drawn
    ]
    return Picture(graph, cards, with_strokes(tags), 0 if style.room else point)


def edges_of(node: Node, graph: Snapshot) -> list[tuple[int, Edge]]:
    """The edges of a node, numbered, as they should stand: those of a folded part, where operands have no order, by name."""
    edges = list(enumerate(node.edges))
    if node.kind == "group":
        names = [re.split(r"(\d+)", graph.nodes[edge.parent].label) for edge in node.edges]
        keys = [[(word.isdecimal(), int(word) if word.isdecimal() else 0, word) for word in name] for name in names]
        edges.sort(key=lambda pair: keys[pair[0]])
    return edges


def with_strokes(tags: list[Tag]) -> list[Tag]:
    """The tags, those with a flow with lines after it: wide if it is large, dashed if negative, dotted if nothing."""
    sizes = [None if tag.flow is None or not_finite(tag.flow) else size_of(tag.flow) for tag in tags]
    most = max([size for size in sizes if size is not None], default=0.0) or 1.0
    for i, (tag, size) in enumerate(zip(tags, sizes, strict=True)):
        wrong = tag.flow is not None and not_finite(tag.flow)
        if size is not None or wrong:
            share = 1.0 if size is None else size / most
            dashes = "7 4" if is_negative(tag.flow) else DOTS if size == 0 else ""
            tags[i] = tag._replace(stroke=round(HAIR + (BROAD - HAIR) * share, 1), dashes=dashes, flow_wrong=wrong)
        elif not tag.edge.carries:
            tags[i] = tag._replace(dashes=DOTS)
    return tags


def size_of(x: Any) -> float | None:
    """How large a number is; None where it has no size, as a SymPy symbol."""
    try:
        return float(abs(x))
    except (TypeError, ValueError, ArithmeticError):
        return None


def writing(node: Node, style: Style, folded: str, first: tuple[int, str]) -> tuple[list[tuple[str, str]], list[Row]]:
    """The titles and the figures of a node."""
    label = name_within(node.label, LONGEST_TITLE) if "label" in style.show else ""
    named = {"label", "operation"} & {*style.show} or "formula" in style.edges
    second = node.mark if named else ""
    if "operation" in style.show:
        operation = folded or shown(node.operation, LONGEST_TITLE) or ("" if node.label else node.kind)
        second = f"{operation} {second}".strip()
    if node.kind == "constant" and not node.mark:
        second = ""
    titles = [("text", line) for line in (label, second) if line]
    if node.id == first[0]:
        titles.append(("wrong", first[1]))
    uses = [use for use in ("data", "grad") if use in style.show]
    if node.outputs:
        if len(node.outputs) > MOST_OUTPUTS:
            titles.append(("text", f"and {len(node.outputs) - MOST_OUTPUTS} more"))
        rows = [Row("", "text", tuple([(f"{use} caption", use) for use in uses]))] if uses else []
        for name, *numbers in node.outputs[:MOST_OUTPUTS]:
            given = dict(zip(("data", "grad"), numbers, strict=True))
            cells = tuple([value(use, given[use], style) for use in uses])
            rows.append(Row(name_within(name.removeprefix(f"{node.label}."), LONGEST_ROW), "text", cells))
        return titles, rows
    captions = {"data": "→", "grad": "←"} if style.compact else {"data": "data", "grad": "grad"}
    given = {"data": node.data, "grad": node.grad}
    uses = [use for use in uses if use == "data" or node.kind != "constant"]
    return titles, [Row(captions[use], use, (value(use, given[use], style),)) for use in uses]


def name_within(given: Any, limit: int) -> str:
    """A name in so many characters, its end kept, in which names differ: "…neurons.3.w[1]"; of a long word both ends."""
    written = str(given)
    name: str = shown(written if len(written) <= 200 else written[:100] + written[-100:], 200)
    if len(name) <= limit:
        return name
    ends = [at for at, c in enumerate(name) if c == "." and len(name) - at <= limit]
    if ends:
        return ELLIPSIS + name[ends[0] + 1 :]
    return name[: limit // 2] + ELLIPSIS + name[limit // 2 + 1 - limit :]


def value(use: str, x: Any, style: Style) -> tuple[str, str]:
    """A figure with its classes."""
    return f"{use} wrong value" if not_finite(x) else f"{use} value", style.figure(x)


def card(
    node: Node, titles: Sequence[tuple[str, str]], rows: Sequence[Row], usual: int, style: Style, root: bool
) -> Card:
    """A node's box, as large as what is written on it."""
    caption = max([columns(row.caption) for row in rows], default=0)
    figure = max([usual, *[columns(figure) for row in rows for _, figure in row.cells]])
    cells = max([len(row.cells) for row in rows], default=0)
    figures = (caption + cells * (figure + APART)) * CHARACTER + 16 if rows else 0.0
    title = max([columns(line) for _, line in titles], default=0) * CHARACTER + 20 if titles else 0.0
    beyond = 2 * OUTER * ((node.kind == "group") + root)
    if style.compact:
        width, lines = max(title, figures), len(titles) + len(rows)
    else:
        width, lines = title + figures, max(len(titles), len(rows))
    height = max(lines, 1) * LINE + 10 + beyond
    return Card(node, tuple(titles), tuple(rows), caption, figure, figures, max(width, 24.0) + beyond, height)


def tag(node: Node, operand: int, edge: Edge, style: Style, upstream: Any) -> Tag:
    """What is written on an edge: nothing on one to a constant, on which nothing comes back."""
    lines = []
    if edge.local is not None:
        formula = formula_text(edge.formula)
        if "formula" in style.edges and formula:
            lines.append(("formula", formula))
        if "number" in style.edges:
            lines.append(("number wrong" if not_finite(edge.local) else "number", style.figure(edge.local)))
    elif edge.unknown and node.kind != "group":  # a closure made by hand that is not linear
        lines.append(("formula", "– (not linear)"))
    longest = max([columns(line) for _, line in lines], default=0)
    if lines and style.room and "number" in style.edges:
        longest = max(longest, style.room)
    width = longest * CHARACTER + 8 if lines else 0.0
    flow = None
    if style.flow and edge.carries and upstream is not None and edge.local is not None:
        flow = upstream * edge.local
    if not style.level:
        width += 8 if lines else 0
        return Tag(node.id, operand, edge, tuple(lines), width, len(lines) * LINE + 4 if lines else 0.0, flow)
    return Tag(node.id, operand, edge, tuple(lines), width, 2 * LINE + 10 if lines else 0.0, flow)


def is_result(node: Node, graph: Snapshot) -> bool:
    """Whether a node is outlined as the root: an operation, or a folded part of a model, that everything leads to."""
    return node.kind in ("root", "group") and node.id == graph.root.id


def not_finite(x: Any) -> bool:
    """Whether a number is infinite or NaN; one that cannot tell is finite."""
    try:
        return x is not None and not math.isfinite(abs(x))
    except (TypeError, ValueError, ArithmeticError):
        return False


def first_wrong(graph: Snapshot) -> tuple[int, str]:
    """The first node that is not finite, and the words that mark it: in the order of computing, data before gradients,
    and these before local derivatives, which may wait for a gradient."""
    for node in graph.nodes:
        if not_finite(node.data):
            return node.id, "first NaN" if is_nan(node.data) else "first ∞"
    for node in reversed(graph.nodes):
        if not_finite(node.grad):
            return node.id, f"first {'NaN' if is_nan(node.grad) else '∞'} in grad"
    for node in graph.nodes:
        for edge in node.edges:
            if not_finite(edge.local):
                return node.id, f"first {'NaN' if is_nan(edge.local) else '∞'} on an edge"
    return -1, ""


def is_nan(x: Any) -> bool:
    """Whether a number is NaN, which alone differs from itself."""
    return bool(x != x)


def folded_constants(graph: Snapshot, style: Style) -> tuple[dict[int, str], set[int]]:
    """The titles of operations with their constants written into them, "2.000 − ·", and the constants that this saves.

    A constant stays where its operation cannot be read, or would be long.
    """
    titles: dict[int, str] = {}
    kept = {graph.root.id}
    for node in graph.nodes:
        parents = [graph.nodes[parent] for parent in node.parents]
        constants = [parent for parent in parents if parent.kind == "constant"]
        if constants:
            title = title_with_constants(node.rule, parents, style)
            if title and columns(title) <= LONGEST_TITLE:
                titles[node.id] = title
            else:
                kept.update([constant.id for constant in constants])
    return titles, {node.id for node in graph.nodes if node.kind == "constant" and node.id not in kept}


def title_with_constants(rule: Any, parents: Sequence[Node], style: Style) -> str:
    """An operation with its constants as figures and every other operand as a dot; "" if it cannot be read."""
    try:
        places = [f"operand{i}" for i in range(len(parents))]
        found = expression(rule, [Symbol(place) for place in places])
    except Exception:  # a user's rule may compute with floats alone; a group, or a node made by hand, has none
        return ""
    if found is None:
        return ""
    operands = [style.figure(parent.data) if parent.kind == "constant" else "·" for parent in parents]
    return shown(text(found, dict(zip(places, operands, strict=True))).replace("-", MINUS), 2 * LONGEST_TITLE)


# ---- elements ------------------------------------------------------------------------------------------------------


def quoted(written: str) -> str:
    """Text as XML has it, in an element or an attribute."""
    return xml.sax.saxutils.escape(written, {'"': "&quot;"})


def element(tag: str, content: str = "", **attributes: object) -> str:
    """An XML element; `class_` and `stroke_width` are written class and stroke-width, an empty attribute is left out."""
    written = ""
    for name, value in attributes.items():
        word = f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
        written += f' {name.rstrip("_").replace("_", "-")}="{quoted(word)}"' if word else ""
    return f"<{tag}{written}>{content}</{tag}>" if content else f"<{tag}{written}/>"


class Brush:
    """Writes the elements of one picture, in the colours of its theme."""

    def __init__(self, picture: Picture, style: Style) -> None:
        self.picture, self.style = picture, style
        self.shade = 1 if style.theme == "dark" else 0

    def colour(self, use: str) -> str:
        """The colour that stands on an element itself: of its last class."""
        return PALETTE[use][self.shade]

    def text(self, x: float, y: float, class_: str, written: str, anchor: str = "", weight: str = "") -> str:
        """One line of text, its middle at the height y."""
        words = class_.split()
        use = "wrong" if "wrong" in words else next((word for word in words if word in PALETTE), "text")
        return element(
            "text",
            quoted(written),
            x=x,
            y=y + 4.0,
            text_anchor=anchor,
            class_=class_,
            fill=self.colour(use),
            font_weight=weight or ("bold" if ASKED.fullmatch(written) else ""),
        )

    def outline(
        self, left: float, top: float, width: float, height: float, radius: float, fill: str, dashes: str = ""
    ) -> str:
        """A frame, filled."""
        return element(
            "rect",
            x=left,
            y=top,
            width=width,
            height=height,
            rx=radius or "",
            class_=f"{fill} frame",
            fill=self.colour(fill),
            stroke=self.colour("frame"),
            stroke_dasharray=dashes,
        )

    def node(self, card: Card, place: Place) -> str:
        """A node. Its shape says what it is: a leaf is round, a constant dashed, an operation square, the root double,
        a folded group a pile of sheets."""
        node, left, top, width, height = card.node, place.left, place.top, place.width, place.height
        about = f"{node.name}: {node.operation}, " if node.label and node.operation else f"{node.name}: "
        about += f"data {node.data}" + ("" if node.grad is None else f", grad {node.grad}")
        parts = [element("title", quoted(shown(about, 400)))]
        if node.kind == "group":
            parts.append(self.outline(left + 2 * OUTER, top, width - 2 * OUTER, height - 2 * OUTER, 5, "box"))
            top, width, height = top + 2 * OUTER, width - 2 * OUTER, height - 2 * OUTER
        if is_result(node, self.picture.graph):
            parts.append(self.outline(left, top, width, height, 5 + OUTER, "paper"))
            left, top, width, height = left + OUTER, top + OUTER, width - 2 * OUTER, height - 2 * OUTER
        radius = {"leaf": min(height / 2, 21.0), "constant": 0.0}.get(node.kind, 5.0)
        parts.append(self.outline(left, top, width, height, radius, "box", "4 3" if node.kind == "constant" else ""))
        parts += self.titles(card, left, top + height / 2, width)
        parts += self.figures(card, left, top + height / 2, width)
        return element("g", "".join(parts), class_=f"node {node.kind}", data_node=node.id)

    def titles(self, card: Card, left: float, middle: float, width: float) -> list[str]:
        """What a node is called: left of its figures, or above them."""
        x, lines = left + (width - card.figures) / 2, len(card.titles)
        if self.style.compact or not card.rows:
            x, lines = left + width / 2, len(card.titles) + len(card.rows)
        top = middle - (lines - 1) / 2 * LINE
        return [
            self.text(x, top + i * LINE, class_, title, "middle", "" if i else "bold")
            for i, (class_, title) in enumerate(card.titles)
        ]

    def figures(self, card: Card, left: float, middle: float, width: float) -> list[str]:
        """The figures of a node, their decimal points below each other; heads and what is no number end where they end."""
        lines = len(card.rows) + (len(card.titles) if self.style.compact else 0)
        top = middle + ((lines - 1) / 2 - len(card.rows) + 1) * LINE
        right, start = left + width - 12, left + (8 if not card.titles else width - card.figures + 4)
        if self.style.compact:
            start = left + (width - card.figures) / 2 + 8
            right = start + card.figures - 16
        columns_of = zip(*[row.cells for row in card.rows], strict=True)
        ends = list(zip(*[self.ends(card, [figure for _, figure in cells]) for cells in columns_of], strict=True))
        ends = ends or [()] * len(card.rows)  # where no numbers are shown
        parts = []
        for i, row in enumerate(card.rows):
            y = top + i * LINE
            if row.caption:
                parts.append(self.text(start, y, f"{row.use} caption", row.caption))
            for k, ((class_, figure), end) in enumerate(zip(row.cells, ends[i], strict=True)):
                after = (len(row.cells) - 1 - k) * (card.figure + APART)
                x = right - (after + end) * CHARACTER
                parts.append(self.text(x, y, class_, figure, "end"))
        return parts

    def ends(self, card: Card, figures: Sequence[str]) -> list[int]:
        """How many characters before the right end of its column each figure ends."""
        space = {
            figure: max(0, self.picture.point - after_point(figure))
            for figure in figures
            if is_number(figure) and columns(figure) <= card.figure
        }
        space = {figure: end if columns(figure) + end <= card.figure else 0 for figure, end in space.items()}
        common = min(space.values(), default=0)
        return [space.get(figure, common if columns(figure) + common <= card.figure else 0) for figure in figures]

    def edge(self, tag: Tag, way: Way, place: Place) -> str:
        """An edge: its line with an arrowhead, and its label."""
        edge = tag.edge
        about = f"local derivative {edge.formula or ''}" + ("" if edge.local is None else f" = {edge.local}")
        parts = [element("title", quoted(shown(about, 400)))] if edge.local is not None else []
        colour, flow = self.colour("line"), ""
        if tag.stroke:
            flow = " flow wrong" if tag.flow_wrong else " flow"
            colour = self.colour("wrong" if tag.flow_wrong else "grad")
        path = element(
            "path",
            d=written_way(way),
            class_=f"line{flow}",
            fill="none",
            stroke=colour,
            stroke_width=tag.stroke or "",
            stroke_dasharray=tag.dashes,
            stroke_opacity=FAINT if self.style.flow and tag.dashes == DOTS else "0.8" if flow else "",
        )
        head = element("path", d=arrowhead(way), class_=f"arrow{flow}", fill=colour)
        parts += [path, head]
        if tag.lines and self.style.level:
            heights = (-9.0, 9.0) if len(tag.lines) == 2 else (-9.0,)
            for (class_, written), y in zip(tag.lines, heights, strict=True):
                parts.append(self.text(place.x, place.y + y, class_, written, "middle"))
        else:
            at = place.y - (len(tag.lines) - 1) / 2 * LINE
            for i, (class_, written) in enumerate(tag.lines):
                parts.append(self.text(place.left + 12, at + i * LINE, class_, written))
        still = "" if edge.carries else " still"
        return element("g", "".join(parts), class_=f"edge{still}", data_edge=f"{tag.child}.{tag.operand}")

    def frame(self, scope: Any, place: Place) -> str:
        """The frame round a part of a model."""
        around = element(
            "rect",
            x=place.left,
            y=place.top,
            width=place.width,
            height=place.height,
            rx=8,
            class_="scope-frame",
            fill=self.colour("scope"),
            stroke=self.colour("scope-line"),
        )
        return element("g", around, class_="scope", data_scope=scope.id)

    def title(self, scope: Any, place: Place) -> str:
        """The name of a part of a model, in a corner of its frame, on a ground of its own: lines may pass there."""
        room = min(40, max(1, int((place.width - 16) / CHARACTER)))
        kind = "" if scope.name in ("", scope.kind) else f" · {scope.kind}"
        name = name_within(scope.name, max(room - len(kind), room // 2)) + kind
        name = shown(name, room)
        ground = element(
            "rect",
            x=place.left + 4,
            y=place.top + 2,
            width=columns(name) * CHARACTER + 8,
            height=LINE,
            rx=4,
            class_="scope-ground",
            fill=self.colour("scope"),
        )
        return element("g", ground + self.text(place.left + 8, place.top + 11, "caption", name), class_="scope-name")

    def legend(self, width: float, height: float) -> tuple[str, float, float]:
        """The lines that say what is what, below the middle of a drawing of this size; with the width and height that
        they need."""
        style, graph = self.style, self.picture.graph
        legend = [(use, words) for use, words in LEGEND.items() if use in style.show]
        if style.compact:
            legend = [
                (use, words.replace(f"{use}:", f"{'→' if use == 'data' else '←'}").rstrip(" →←"))
                for use, words in legend
            ]
        if style.edges and any(tag.lines for tag in self.picture.tags):
            legend.append(("text", f"on an edge: the local derivative, {' and '.join(style.edges)}"))
        legend += [("grad", FLOW)] * any(tag.stroke for tag in self.picture.tags)
        legend += [("wrong", self.about_red())] * bool(self.about_red())
        legend += [("text", MARKS)] * any(node.mark for node in graph.nodes)
        legend += [("text", warning) for warning in graph.warnings]
        legend += [("text", ADVICE)] * (longest_sum(graph) >= LONG_SUM)
        narrow, broad = LEGEND_WIDTHS
        room = min(max(int(width / CHARACTER), narrow), broad)
        rows: list[list[tuple[int, str, str]]] = [[]]  # where a text begins, in characters; its use; the text
        used = 0
        for use, words in legend:
            for line in textwrap.wrap(words, room):
                if used + len(line) > room:
                    rows.append([])
                    used = 0
                rows[-1].append((used, use, line))
                used += len(line) + 4
        widest = max([at + len(line) for row in rows for at, _, line in row], default=0) * CHARACTER
        left = min(0.0, (width - widest) / 2)
        parts = [
            self.text(left + at * CHARACTER, height + 26 + i * LINE, use, line)
            for i, row in enumerate(rows)
            for at, use, line in row
        ]
        return element("g", "".join(parts), class_="legend"), widest, 20 + len(rows) * LINE

    def about_red(self) -> str:
        """What red says; "" where nothing is red."""
        classes = [class_ for card in self.picture.cards for row in card.rows for class_, _ in row.cells]
        classes += [class_ for tag in self.picture.tags for class_, _ in tag.lines]
        classes += ["wrong" for tag in self.picture.tags if tag.flow_wrong]
        marked = any(class_ == "wrong" for card in self.picture.cards for class_, _ in card.titles)
        if not marked and not any("wrong" in class_.split() for class_ in classes):
            return ""
        return "red: ∞ or NaN" + "; the first of them is marked" * marked


def is_negative(x: Any) -> bool:
    """Whether a number is below 0; one that has no order is not."""
    try:
        return bool(x < 0)
    except TypeError:
        return False


def longest_sum(graph: Snapshot) -> int:
    """The most additions in a row."""
    row: dict[int, int] = {}
    for node in graph.nodes:
        before = max([row[parent] for parent in node.parents], default=0)
        row[node.id] = before + 1 if node.operation == "+" else 0
    return max(row.values())


def number(x: float) -> str:
    """A coordinate."""
    return f"{x:.1f}".removesuffix(".0")


def written_way(way: Way) -> str:
    """A line as a path: M, then H or V or L for straight steps and C for curved ones."""
    x, y = way.start
    path = [f"M{number(x)},{number(y)}"]
    for step in way.steps:
        if len(step) == 1:
            ((to_x, to_y),) = step
            straight = f"H{number(to_x)}" if to_y == y else f"V{number(to_y)}" if to_x == x else ""
            path.append(straight or f"L{number(to_x)},{number(to_y)}")
        else:
            path.append("C" + " ".join([f"{number(a)},{number(b)}" for a, b in step]))
        x, y = step[-1]
    return " ".join(path)


def arrowhead(way: Way) -> str:
    """The arrowhead at a line's end, in its last direction."""
    points = [way.start, *[point for step in way.steps for point in step]]
    x, y = points[-1]
    before = next((point for point in reversed(points) if math.dist(point, points[-1]) > 0.5), (x - 1, y))
    length = math.dist(before, (x, y))
    cos, sin = (x - before[0]) / length, (y - before[1]) / length
    corners = [(x + a * cos - b * sin, y + a * sin + b * cos) for a, b in ARROWHEAD]
    return "M" + " L".join([f"{number(a)},{number(b)}" for a, b in corners]) + " z"


def svg(picture: Picture, layout: Layout, style: Style) -> str:
    """The whole picture: its name, its dark colours, its paper, and everything on it."""
    brush = Brush(picture, style)
    scopes = picture.graph.scopes
    frames = [(scopes[i], place) for i, place in sorted(layout.frames.items())]  # a part stands after what contains it
    parts = [brush.frame(scope, place) for scope, place in frames]
    parts += [brush.edge(*each) for each in zip(picture.tags, layout.ways, layout.labels, strict=True)]
    parts += [brush.title(scope, place) for scope, place in frames]
    parts += [brush.node(card, place) for card, place in zip(picture.cards, layout.boxes, strict=True)]
    width, height = layout.width, layout.height
    aside = 0.0  # how far the legend reaches beyond the drawing, on either side
    if style.legend:
        notes, note_width, note_height = brush.legend(width, height)
        parts.append(notes)
        aside, height = max(0.0, (note_width - width) / 2), height + note_height
    return sheet(brush, "\n".join(parts), width + 2 * (MARGIN + aside), height + 2 * MARGIN, MARGIN + aside)


def name_of(graph: Snapshot) -> str:
    """What a graph is the graph of: its root's label, the model that it is the result of, or its operation."""
    scope, model = graph.root.scope, ""
    while scope is not None:
        model, scope = graph.scopes[scope].name, graph.scopes[scope].parent
    label = "" if graph.root.kind == "group" else graph.root.label
    return shown(label or model or graph.root.label or graph.root.operation or "a leaf", 80)


def sheet(brush: Brush, body: str, width: float, height: float, left: float) -> str:
    """The sheet that a picture is on, so far from its left border."""
    name = f"graph-{next(pictures)}-{zlib.crc32(body.encode('utf-8', 'replace')):08x}"
    style = dark_colours(name) if brush.style.theme == "auto" else ""
    parts = [
        element("title", quoted(f"The graph of {name_of(brush.picture.graph)}")),
        *([element("style", style)] if style else []),
        element("rect", width="100%", height="100%", rx=6, class_="paper", fill=brush.colour("paper")),
        element("g", f"\n{body}\n", transform=f"translate({number(left)},{number(MARGIN)})"),
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
        style=f"max-width:100%;min-width:{SMALLEST * width:.0f}px;height:auto",
        font_family=FONT,
        font_size=12,
        stroke_width=1.3,
    )


def dark_colours(name: str) -> str:
    """The style sheet for a reader whose system is dark."""
    dark: Mapping[str, str] = {use: colours[1] for use, colours in PALETTE.items()}
    rules = [f"#{name} .{use}{{fill:{dark['text']}}}" for use in ("formula", "number", "caption")]
    rules += [f"#{name} .{use}{{fill:{dark[use]}}}" for use in ("paper", "box", "text", "data", "grad", "wrong")]
    rules += [f"#{name} .frame{{stroke:{dark['frame']}}}", f"#{name} .line{{stroke:{dark['line']}}}"]
    rules += [f"#{name} .arrow{{fill:{dark['line']}}}", f"#{name} .line.flow{{stroke:{dark['grad']}}}"]
    rules += [f"#{name} .arrow.flow{{fill:{dark['grad']}}}", f"#{name} .number.wrong{{fill:{dark['wrong']}}}"]
    rules += [f"#{name} .arrow.wrong{{fill:{dark['wrong']}}}", f"#{name} .line.wrong{{stroke:{dark['wrong']}}}"]
    rules += [f"#{name} .scope-ground{{fill:{dark['scope']}}}"]
    rules += [f"#{name} .scope-frame{{fill:{dark['scope']};stroke:{dark['scope-line']}}}"]
    return f"@media (prefers-color-scheme: dark){{{' '.join(rules)}}}"
