"""Graphs in the DOT language: as our own drawings look, and as lecture notebooks have them.

In the lecture's shape a number is a record, and its operation a node of its own.
"""

from typing import TYPE_CHECKING, Any

from ..engine import Value, topological_sort
from .figures import shown
from .palette import PALETTE
from .svg import Card, Picture, Style, Tag, quoted

if TYPE_CHECKING:
    import graphviz

DIRECTIONS = ("LR", "TB", "RL", "BT")


def trace(root: Value) -> tuple[set[Value], set[tuple[Value, Value]]]:
    """Every node below `root`, and every edge as (parent, node)."""
    nodes = topological_sort(root)
    return set(nodes), {(parent, node) for node in nodes for parent in node.parents}


def draw_dot(root: Value, format: str = "svg", rankdir: str = "LR") -> "graphviz.Digraph":
    """The graph below `root` as a `graphviz.Digraph`: `{ label | data 2.0000 | grad 0.0000 }` and the operations.

    A notebook shows it at the end of a cell, `.render()` writes a file (both need Graphviz's `dot` on the PATH) and
    `.source` is the drawing in the DOT language, which needs nothing.

    Args:
        root: the result.
        format: what `render` writes: "svg", "png", "pdf" or another of Graphviz's formats.
        rankdir: the direction: "LR" from left to right, "TB" from top to bottom, "RL" or "BT".

    Raises ValueError for another format or direction, and TypeError if `root` is not a Value.
    """
    import graphviz

    if not isinstance(root, Value):
        raise TypeError(f"expected the Value to draw, got {root!r:.80} of type {type(root).__name__}")
    if format not in graphviz.FORMATS:
        raise ValueError(f"unknown format {format!r}; Graphviz has {', '.join(sorted(graphviz.FORMATS))}")
    if rankdir not in DIRECTIONS:
        raise ValueError(f"unknown rankdir {rankdir!r}; expected one of {', '.join(DIRECTIONS)}")
    drawing = graphviz.Digraph(format=format, graph_attr={"rankdir": rankdir})
    order = topological_sort(root)
    names = {node: f"n{i}" for i, node in enumerate(order)}
    for node in order:
        name = names[node]
        fields = [record_field(node.label), f"data {number(node.data)}", f"grad {number(node.grad)}"]
        drawing.node(name, label=f"{{ {' | '.join(fields)} }}", shape="record")
        if node.parents:
            drawing.node(f"{name}_op", label=graphviz.nohtml(escape(node._op)))
            drawing.edge(f"{name}_op", name)
            for parent in dict.fromkeys(node.parents):
                drawing.edge(names[parent], f"{name}_op")
    return drawing


def number(x: Any) -> str:
    """A number with four decimals, as the lecture has it; one that cannot be written so as it is."""
    try:
        return f"{x:.4f}"
    except (TypeError, ValueError):
        return record_field(str(x))


def escape(label: str) -> str:
    """A label with what DOT would act on escaped: backslashes and entities. Quotes are the graphviz package's work."""
    return shown(label, 200).replace("&", "&amp;").replace("\\", "\\\\")


def record_field(label: str) -> str:
    """A label as a field of a record, whose own characters have a meaning of their own."""
    return "".join(["\\" + c if c in "{}|<>" else c for c in escape(label)])


# ---- as our own drawings look --------------------------------------------------------------------------------------

SHAPES = {  # told apart without colour, as far as DOT has our shapes
    "leaf": 'style="rounded,filled"',
    "constant": 'style="dashed,filled"',
    "operation": "style=filled",
    "root": "style=filled peripheries=2",
    "group": "style=filled shape=box3d",
}


def dot_source(picture: Picture, style: Style, direction: str) -> str:
    """A picture in the DOT language, for Graphviz to lay out: texts, colours, and kinds of nodes and lines as in our SVG."""
    colour = {use: colours[style.theme == "dark"] for use, colours in PALETTE.items()}
    lines = [
        "digraph {",
        f'rankdir={direction} bgcolor="{colour["paper"]}"',
        f'node [shape=box fontname="DejaVu Sans Mono" fontsize=10 color="{colour["frame"]}" fillcolor="{colour["box"]}" '
        f'fontcolor="{colour["text"]}" margin="0.1,0.05"]',
        f'edge [fontname="DejaVu Sans Mono" fontsize=10 color="{colour["line"]}" fontcolor="{colour["text"]}" arrowsize=0.6]',
    ]
    scopes = picture.graph.scopes
    inside: dict[int | None, list[str]] = {None: []}
    for scope in scopes:
        inside[scope.id] = []
    for card in picture.cards:
        inside[card.node.scope].append(f"n{card.node.id} [label=<{dot_table(card, colour)}> {SHAPES[card.node.kind]}]")
    for scope in reversed(scopes):  # a part stands after the one that contains it
        if inside[scope.id]:
            title = dot_quoted(shown(f"{scope.name} · {scope.kind}".strip(" ·"), 40))
            look = f'style="rounded,filled" fillcolor="{colour["scope"]}" color="{colour["scope-line"]}"'
            head = f'label=<{title}> labeljust=l fontname="DejaVu Sans Mono" fontsize=10 fontcolor="{colour["text"]}" {look}'
            inside[scope.parent] += [f"subgraph cluster{scope.id} {{ {head}", *inside[scope.id], "}"]
    lines += inside[None]
    lines += [f"n{tag.edge.parent} -> n{tag.child} [{dot_edge(tag, colour)}]" for tag in picture.tags]
    return "\n".join([*lines, "}", ""])


def dot_text(written: str, colour: str, bold: bool = False) -> str:
    """A text in a colour, in DOT's HTML; the signs that have a meaning there are escaped."""
    words = dot_quoted(written)
    words = f"<B>{words}</B>" if bold else words
    return f'<FONT COLOR="{colour}">{words}</FONT>'


def dot_quoted(written: str) -> str:
    """Text in DOT's HTML, where a backslash would still mean something."""
    return quoted(written).replace("\\", "\\\\")


def dot_table(card: Card, colour: dict[str, str]) -> str:
    """What is written on a node, as a table: titles at the left, figures at the right."""
    titles = [
        dot_text(title, colour["wrong" if use == "wrong" else "text"], bold=not i)
        for i, (use, title) in enumerate(card.titles)
    ]
    figures = []
    for row in card.rows:
        cells = [f'<TD ALIGN="LEFT">{dot_text(row.caption, colour[row.use])}</TD>'] if row.caption else ["<TD></TD>"]
        for use, figure in row.cells:
            shade = colour["wrong" if "wrong" in use else use.split()[0]]
            cells.append(f'<TD ALIGN="RIGHT">{dot_text(figure, shade)}</TD>')
        figures.append("".join(cells))
    head = [f'<TD ROWSPAN="{max(1, len(figures))}">{"<BR/>".join(titles)}</TD>'] if titles or not figures else []
    rows = [("".join(head) if not i else "") + row for i, row in enumerate(figures or [""])]
    written = "".join([f"<TR>{row}</TR>" for row in rows])
    return f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="2">{written}</TABLE>'


def dot_edge(tag: Tag, colour: dict[str, str]) -> str:
    """An edge: its local derivative, and dotted where nothing comes back."""
    parts = []
    if tag.lines:
        texts = [dot_text(line, colour["wrong" if "wrong" in use else "text"]) for use, line in tag.lines]
        parts.append(f"label=<{'<BR/>'.join(texts)}>")
    if not tag.edge.carries:
        parts.append("style=dotted")
    elif tag.stroke:
        parts.append(f'color="{colour["wrong" if tag.flow_wrong else "grad"]}" penwidth={tag.stroke}')
        parts += ["style=dashed"] if tag.dashes else []
    return " ".join(parts)
