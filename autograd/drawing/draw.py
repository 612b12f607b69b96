"""`draw`: a graph as a picture, with what is to be seen on it, to be shown in a notebook or saved."""

import contextlib
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple

from ..engine import Value, topological_sort
from ..files import write_file
from ..naming import call_of
from .dot import dot_source
from .dot_layout import HOW_TO_GET_DOT, DotError, laid_out_by_dot, run_dot
from .embed import image
from .figures import MINUS, figure, shown
from .folding import folded
from .layout import ROOT, Layout, Wire, layered
from .outline import tree
from .page import page
from .raster import HOW_TO_GET_PICTURES, raster
from .snapshot import Snapshot, counted, snapshot
from .svg import Picture, Style, name_of, picture_of, svg

DIRECTIONS = ("LR", "RL", "TB", "BT")
ON_NODES = ("label", "operation", "data", "grad")
ON_EDGES = ("formula", "number")
THEMES = ("auto", "light", "dark")
ENGINES = ("auto", "dot", "layered")
FOLDS = ("auto", "atomic", "neuron", "layer", "model")
ENDINGS = (".svg", ".png", ".pdf", ".dot", ".html")
VIEWS = {"atomic": "every node", "neuron": "neurons", "layer": "layers", "model": "the model"}
MOST_NODES, MOST_TEXTS = 5_000, 250  # nodes in a picture; edges on which texts can be read
MOST_FOR_DOT = 400  # nodes and edges that `dot` lays out in a second or two
MOST_IN_PAGE = 2_000  # nodes of a view on a page


def draw(
    root: Value | Snapshot,
    *,
    direction: str = "LR",
    show: str | Iterable[str] = ON_NODES,
    edges: str | Iterable[str] = "auto",
    digits: int | str | Callable[[Any], str] = 4,
    theme: str = "auto",
    flow: bool | str = "auto",
    constants: str = "show",
    fold: str | Collection[str] = "auto",
    engine: str = "auto",
    limit: int | None = MOST_NODES,
    legend: bool = True,
    room: int = 0,
) -> "Drawing":
    """The graph below `root` as a picture: on each node its data and grad, on each edge the local derivative.

    A notebook shows it at the end of a cell; `.save("y.svg")` writes it, also as .png, .pdf, .dot and .html.

    Args:
        root: the result, or a `snapshot` of it.
        direction: "LR", from the leaves on the left to the result on the right, "RL", "TB" (downwards) or "BT".
        show: what stands on a node: any of "label", "operation", "data", "grad".
        edges: what stands on an edge: any of "formula", "number", or (); "auto" is both, unless there are too many to read.
        digits: how many significant digits, a format such as ".3f", or a function from a number to a text.
        theme: "light", "dark", or "auto": as the reader's system is.
        flow: whether a line shows how much gradient it brings back, upstream × local derivative, by its width, and dashed if
            that is negative; "auto" does so where the edges have no texts.
        constants: "show" each as a node, or "fold" them into their operations, "2.000 − ·".
        fold: parts of a model to draw as one node each: "neuron", "layer" or "model", their names, or "atomic" for none.
        engine: "dot" for Graphviz's layout, "layered" for our own, or "auto": `dot`, if there is one, for graphs that
            are not large and have no parts to frame.
        limit: more nodes than these, 5,000 if nothing is said, are refused; None for any number.
        legend: whether lines below the picture say what is what.
        room: how many characters every figure has room for at least.

    Raises ValueError for another choice and for a graph that is too large, TypeError if `root` is neither Value nor Snapshot.
    """
    choose("direction", direction, DIRECTIONS)
    choose("theme", theme, THEMES)
    choose("engine", engine, ENGINES)
    choose("constants", constants, ("show", "fold"))
    if engine == "dot" and shutil.which("dot") is None:
        raise ValueError(f"engine='dot': {HOW_TO_GET_DOT}; or leave it to engine='layered', which needs nothing")
    if not isinstance(flow, bool) and flow != "auto":
        raise ValueError(f"unknown flow {flow!r:.80}; expected True, False or 'auto'")
    if not isinstance(legend, bool):
        raise ValueError(f"legend should be True or False, got {legend!r:.80}")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise ValueError(f"limit should be a number of nodes, or None for any number, got {limit!r:.80}")
    if isinstance(room, bool) or not isinstance(room, int) or room < 0:
        raise ValueError(f"room should be a number of characters, got {room!r:.80}")
    options = Options(
        direction,
        some_of("show", show, ON_NODES),
        None if isinstance(edges, str) and edges == "auto" else some_of("edges", edges, ON_EDGES, "'auto', or "),
        number_format(digits),
        theme,
        None if flow == "auto" else bool(flow),
        constants == "fold",
        engine,
        legend,
        room,
    )
    return Drawing(*graph_to_draw(root, fold, limit), options)


class Options(NamedTuple):
    """What `draw` was asked for; None for what depends on the graph."""

    direction: str
    show: tuple[str, ...]
    edges: tuple[str, ...] | None
    figure: Callable[[Any], str]
    theme: str
    flow: bool | None
    fold_constants: bool
    engine: str
    legend: bool
    room: int


def choose(name: str, given: Any, accepted: Sequence[str]) -> None:
    """Raise ValueError, listing what is accepted, if the given word is none of it."""
    if not isinstance(given, str) or given not in accepted:
        raise ValueError(f"unknown {name} {given!r:.80}; expected one of {', '.join(map(repr, accepted))}")


def some_of(name: str, given: Any, accepted: Sequence[str], before: str = "") -> tuple[str, ...]:
    """Several words, each of which is accepted; a single one may stand alone."""
    words = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, Iterable) else (given,)
    for word in words:
        if word not in accepted:
            raise ValueError(
                f"unknown {name} {word!r:.80}; expected {before}any of {', '.join(map(repr, accepted))}, or ()"
            )
    return words


def number_format(digits: Any) -> Callable[[Any], str]:
    """The function that writes numbers: for a number of digits, a format or a function."""
    if isinstance(digits, int) and not isinstance(digits, bool) and 1 <= digits <= 17:
        return partial(figure, digits=digits)
    if isinstance(digits, str):
        try:
            format(1.5, digits)
        except ValueError as error:
            raise ValueError(f"digits={digits!r:.80} is no format for numbers ({error}); one is '.3f'") from None

        def formatted(x: Any) -> str:
            try:
                return figure(x) if x is None else shown(format(x, digits), 24).replace("-", MINUS)
            except (TypeError, ValueError):  # a number that has no such format
                return figure(x)

        return formatted
    if callable(digits):
        return lambda x: figure(x) if x is None else shown(digits(x), 24)
    raise ValueError(
        f"digits should be a number of digits from 1 to 17, a format such as '.3f', or a function, got {digits!r:.80}"
    )


def graph_to_draw(
    root: Value | Snapshot, fold: str | Collection[str], limit: int | None, what: str = "picture"
) -> tuple[Snapshot, Snapshot]:
    """The snapshot of all nodes, and the one folded as asked for, if that is not too large.

    What can be folded, as parts of a model were called in it, may be larger than the limit, ten times as large: its nodes
    are counted only so far.
    """
    if not isinstance(root, (Value, Snapshot)):
        raise TypeError(f"expected the Value or the Snapshot to draw, got {root!r:.80} of type {type(root).__name__}")
    if not isinstance(fold, Collection):
        choose("fold", fold, FOLDS)
    if limit is not None and isinstance(root, Value):
        most = limit if fold == "atomic" else 10 * limit
        count = counted(root, most)
        if count > most or (count > limit and not any(call_of(node) for node in topological_sort(root))):
            raise ValueError(too_large(f"{count:,}" if count <= most else f"more than {most:,}", limit, what))
    whole = root if isinstance(root, Snapshot) else snapshot(root)
    graph = folded(whole, fold)
    if limit is not None and len(graph.nodes) > limit:
        raise ValueError(too_large(f"{len(graph.nodes):,}", limit, what))
    return whole, graph


def too_large(count: str, limit: int | None, what: str) -> str:
    """What to do about a graph that is too large to draw, or to play."""
    done, do = ("drawn", "Draw") if what == "picture" else ("played", "Play")
    return (
        f"a {what} of {count} nodes could not be read: up to {limit:,} are {done}. {do} a part (every node is the root of "
        "the graph below it), fold the parts of a model (fold='neuron', 'layer' or 'model'), make long sums one node with "
        "autograd.sum or autograd.dot, read the sweep with ledger(root), or ask for it with limit=None"
    )


class Drawing:
    """A picture of a graph. A notebook shows it; `.svg` and `.dot` are its text, `.save(path)` writes it to a file."""

    def __init__(self, whole: Snapshot, graph: Snapshot, options: Options) -> None:
        self.whole = whole  # nothing folded
        self.graph = graph  # what is drawn
        self.options = options

    @cached_property
    def style(self) -> Style:
        """How this graph is drawn: a dense one without texts on its edges, and in small boxes."""
        options = self.options
        lines = sum([edge.local is not None for node in self.graph.nodes for edge in node.edges])
        dense = lines > MOST_TEXTS
        edges = options.edges if options.edges is not None else () if dense else ON_EDGES
        return Style(
            show=options.show,
            edges=edges,
            figure=options.figure,
            theme=options.theme,
            flow=options.flow if options.flow is not None else dense and not edges,
            fold_constants=options.fold_constants,
            compact=dense and not edges,
            room=options.room,
            legend=options.legend,
            level=options.direction in ("LR", "RL"),
        )

    @cached_property
    def picture(self) -> Picture:
        """What is written on nodes and edges."""
        return picture_of(self.graph, self.style)

    @cached_property
    def layout(self) -> Layout:
        """Where everything stands. Raises DotError where `dot` was asked for and is missing, or fails."""
        picture = self.picture
        place = {card.node.id: i for i, card in enumerate(picture.cards)}
        sizes = [(card.width, card.height) for card in picture.cards]
        wires = [Wire(place[tag.edge.parent], place[tag.child], (tag.width, tag.height)) for tag in picture.tags]
        scopes = [ROOT if scope.parent is None else scope.parent for scope in self.graph.scopes]
        scope_of = [ROOT if card.node.scope is None else card.node.scope for card in picture.cards]
        direction, engine = self.options.direction, self.options.engine
        if engine == "dot":
            return laid_out_by_dot(sizes, wires, direction, scopes, scope_of)
        framed = any(scope != ROOT for scope in scope_of)  # ours leads edges into frames better
        if engine == "auto" and not framed and len(sizes) + len(wires) <= MOST_FOR_DOT and shutil.which("dot"):
            with contextlib.suppress(DotError):
                return laid_out_by_dot(sizes, wires, direction, scopes, scope_of)
        return layered(sizes, wires, direction, scopes, scope_of)

    @cached_property
    def svg(self) -> str:
        """The picture as SVG."""
        return svg(self.picture, self.layout, self.style)

    @cached_property
    def dot(self) -> str:
        """The picture in the DOT language, for Graphviz to lay out."""
        return dot_source(self.picture, self.style, self.options.direction)

    @property
    def html(self) -> str:
        """A page that needs nothing else, neither network nor script; on it the parts of a model can be folded."""
        return page_of(self)

    def save(self, path: "str | os.PathLike[str]") -> str:
        """Write the picture to a file, .svg, .png, .pdf, .dot or .html, whole or not at all; returns its path.

        Raises ValueError for another ending, OSError if the file cannot be written, and RuntimeError for a .png or .pdf where
        neither matplotlib nor `dot` is there to make it.
        """
        ending = os.path.splitext(os.fspath(path))[1].lower()
        if ending not in ENDINGS:
            raise ValueError(f"cannot tell the format of {os.fspath(path)!r:.200}: end it in {', '.join(ENDINGS)}")
        return write_file(path, self.painted(ending[1:]) if ending in (".png", ".pdf") else getattr(self, ending[1:]))

    def painted(self, format: str) -> bytes:
        """The picture as "png" or "pdf": by matplotlib from our SVG, or else by `dot`."""
        try:
            return raster(self.svg, format)
        except ImportError:
            if shutil.which("dot") is None:
                raise RuntimeError(HOW_TO_GET_PICTURES) from None
            return run_dot(self.dot, format)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows: the picture as an image, in which no script can run; as text, the graph as an outline."""
        return {
            "text/html": image(self.svg, f"The graph of {name_of(self.graph)}"),
            "text/plain": str(tree(self.graph)),
        }

    def __repr__(self) -> str:
        return f"<Drawing of {name_of(self.graph)}: {len(self.graph.nodes):,} nodes>"


def page_of(drawing: Drawing) -> str:
    """A page with a view for every way of folding that differs, and is not too large; what was drawn is seen first."""
    views: dict[int, tuple[str, Drawing]] = {}  # by their number of nodes
    for name, words in VIEWS.items():
        graph = folded(drawing.whole, name)
        if len(graph.nodes) <= MOST_IN_PAGE:
            views.setdefault(len(graph.nodes), (words, Drawing(drawing.whole, graph, drawing.options)))
    own = len(drawing.graph.nodes)
    words = views[own][0] if own in views and views[own][1].graph == drawing.graph else "as drawn"
    views[own] = words, drawing
    pictures = {words: one.svg for _, (words, one) in sorted(views.items())}
    return page(name_of(drawing.whole), pictures, words, drawing.options.theme)
