"""`play`: the backward sweep of a graph played step by step, in one page that needs nothing from elsewhere.

The page is the drawing, the graph as data, and a script: `recompute.js` finds the numbers, `player.js` shows them.
"""

import json
import os
from collections import Counter
from collections.abc import Collection
from functools import cached_property
from html import escape
from importlib.resources import files
from typing import Any

from ..engine import Value
from ..files import write_file
from ..symbols import text
from .draw import THEMES, Drawing, choose, draw, graph_to_draw
from .embed import embedded, framed
from .figures import MINUS, figure, shown
from .folding import LEVELS, folded, is_folded
from .ledger import ledger, short_name, steps
from .palette import FONT, css_variables
from .paths import paths
from .recompute import CannotRecompute, payload, recomputation
from .snapshot import Snapshot, Writer

MOST_NODES, SMALL = 2000, 400  # nodes that can be played at all; up to which nothing is folded unless asked for
MOST_EXACT = 200  # nodes of a graph of exact numbers of which all paths are multiplied
MOST_PATHS = 8  # that are listed
ROOM = 10  # characters for every figure: they change
SPEEDS = (0.5, 1, 2, 4, 10, 30, 60, 250)  # steps a second
PATIENCE = 40  # seconds that a whole sweep takes at most, at the speed it begins with
POLICY = "; ".join(  # nothing is fetched, and nothing sent
    [
        "default-src 'none'",
        "script-src 'unsafe-inline'",
        "style-src 'unsafe-inline'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
)
ICONS = {  # on a square of 16
    "start": ("To the start", "M2 2h2v12H2z M14 2v12L5 8z"),
    "back": ("One step back", "M11 2v12L3 8z M12 2h2v12h-2z"),
    "play": ("Play", ""),
    "next": ("One step", "M2 2h2v12H2z M5 2l8 6-8 6z"),
    "end": ("To the end", "M12 2h2v12h-2z M2 2l9 6-9 6z"),
}
GO, HALT = "M4 2l10 6-10 6z", "M3 2h4v12H3z M9 2h4v12H9z"
LINES = (
    ("now", "this step"),
    ("done", "swept"),
    ("idle", "swept: carried nothing"),
    ("due", "to come"),
    ("none", "carries nothing"),
)
MARKED = "#4: the node with this number, where a name would not tell which is meant"
WORDS = (
    ("going", "data: going forward →"),
    ("coming", "grad: coming back ←"),
    ("", "on an edge: the local derivative"),
)
KEYS = (
    ("Space", "play or pause"),
    ("←", ""),
    ("→", "step"),
    ("Home", ""),
    ("End", "all the way"),
    ("Tab", "to a node: its paths"),
    ("Enter", "to its step"),
    ("Esc", "away from it"),
)


def play(
    root: Value | Snapshot,
    *,
    direction: str = "LR",
    theme: str = "auto",
    constants: str = "show",
    fold: str | Collection[str] = "auto",
    limit: int | None = MOST_NODES,
) -> "Player":
    """The backward sweep from `root`, to be played step by step; and sliders on its leaves.

    A notebook shows it at the end of a cell; `.save("y.html")` writes a page that works anywhere, without a network. Every
    step is one contribution, in the order of `ledger(root)`. It may be called before `backward()` or after: it touches no
    `grad`.

    Args:
        root: the result, or a `snapshot` of it.
        direction: "LR", from the leaves on the left to the result on the right, "RL", "TB" (downwards) or "BT".
        theme: "light", "dark", or "auto": as the reader's system is.
        constants: "show" each as a node, or "fold" them into their operations.
        fold: parts of a model to play as one node each, as for `draw`; "auto" folds only what is large. The parameters in
            a part have their sliders when its node is chosen.
        limit: more nodes than these are refused; None for any number.

    Raises ValueError for another choice, for a graph that is too large, and for parts that give several numbers; TypeError
    if `root` is neither Value nor Snapshot.
    """
    choose("theme", theme, THEMES)
    graph = graph_to_play(root, fold, limit)
    return Player(swept(graph), direction, theme, constants)


class Player:
    """A page that plays the sweep. A notebook shows it; `.html` is its text, `.save(path)` writes it to a file."""

    def __init__(self, graph: Snapshot, direction: str, theme: str, constants: str) -> None:
        self.graph, self.theme = graph, theme
        self.drawing = drawing(graph, direction, theme, constants, room=ROOM, legend=False)
        self.picture = drawing(graph, direction, theme, constants)

    @property
    def title(self) -> str:
        """What the page is called."""
        name = result_name(self.graph)
        return f"The backward sweep{f' of {name}' if name else ''}"

    @cached_property
    def html(self) -> str:
        """The whole page."""
        return page(self.graph, self.drawing.svg, self.title, self.theme)

    def save(self, path: "str | os.PathLike[str]") -> str:
        """Write the page to a file whose name ends in .html, and return its path.

        Raises ValueError for another ending, and OSError, naming the path, if the file cannot be written.
        """
        if not os.fspath(path).lower().endswith((".html", ".htm")):
            raise ValueError(
                f"a player is a page: give a name that ends in .html, not {os.fspath(path)!r:.80}; "
                "autograd.draw(root).save() writes pictures"
            )
        return write_file(path, self.html)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows: the page where scripts may run, and its picture where they may not."""
        return {"text/html": embedded(self.html, self.picture.svg, 760, self.title), "text/plain": repr(self)}

    def _mime_(self) -> tuple[str, str]:
        """What marimo shows, which runs no script but those in a frame."""
        return "text/html", framed(self.html, 760, self.title)

    def __repr__(self) -> str:
        name, count = short_name(self.graph.root.name), len(list(steps(self.graph)))
        return f"<Player of {name}: {len(self.graph.nodes):,} nodes, {count:,} step{'s' * (count != 1)}>"


def result_name(graph: Snapshot) -> str:
    """What the root is called: by its label, else its expression if that is short; "" for none that says which it is."""
    root = graph.root
    if root.label or not root.edges:
        return short_name(root.name)
    written = text(Writer(graph.nodes).expressions[-1])
    return "" if "#" in written else shown(written).replace("-", MINUS)


def drawing(graph: Snapshot, direction: str, theme: str, constants: str, **more: Any) -> Drawing:
    """The picture that is played on: nothing more is folded in it, and the player gives its lines their widths."""
    return draw(
        graph,
        direction=direction,
        theme=theme,
        constants=constants,
        fold="atomic",
        flow=False,
        engine="layered",
        limit=None,
        **more,
    )


# ---- the graph, folded and swept -----------------------------------------------------------------------------------


def graph_to_play(root: Value | Snapshot, fold: str | Collection[str], limit: int | None) -> Snapshot:
    """The snapshot, folded as asked for: so that one number goes back through every node, or it could not be played."""
    whole, graph = graph_to_draw(root, fold, limit, "player")
    found = [graph]
    if isinstance(fold, str) and fold == "auto" and not is_folded(whole):
        small = [whole] * (len(whole.nodes) <= SMALL)
        found = [*small, graph, folded(whole, "neuron"), whole]
    most = len(whole.nodes) if limit is None else limit
    for graph in found:
        if len(graph.nodes) <= most and not any(node.outputs for node in graph.nodes):
            return graph
    several = next(node for graph in found for node in graph.nodes if node.outputs)
    raise ValueError(
        f"{several.name} stands for {len(several.outputs)} numbers, so that no one gradient goes back through it: "
        f"{what_can_be_played(whole, most)}"
    )


def what_can_be_played(whole: Snapshot, most: int) -> str:
    """For an error: how else to play a graph, so that it works."""
    if is_folded(whole):
        return "give the result itself, or its snapshot with nothing folded"
    for level in reversed(LEVELS):
        graph = folded(whole, level)
        if len(graph.nodes) <= most and not any(node.outputs for node in graph.nodes):
            return f"play it with fold={level!r}"
    return (
        "play one example, or another part that gives one number, "
        f"or the whole graph with fold='atomic', limit={len(whole.nodes)}"
    )


def swept(graph: Snapshot) -> Snapshot:
    """The graph with the gradients that its sweep gives, whatever was computed before."""
    grads: dict[int, Any] = {graph.root.id: graph.seed}
    for (node, operand), row in zip(steps(graph), ledger(graph), strict=True):
        grads[node.edges[operand].parent] = row.grad_after
    return graph._replace(nodes=tuple([node._replace(grad=grads.get(node.id)) for node in graph.nodes]))


# ---- the page ------------------------------------------------------------------------------------------------------


def page(graph: Snapshot, svg: str, title: str, theme: str) -> str:
    """The whole document."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>
{colours()}
{source("player.css")}</style>
</head>
<body>
<main class="autograd-player" data-theme="{theme}">
<h1>{escape(title)}</h1>
{"".join([f'<p class="warning">{escape(warning)}</p>' for warning in graph.warnings])}
<button class="skip" type="button">Skip the graph</button>
<div class="view"><div class="stage">
{svg}
</div></div>
{controls(len(list(steps(graph))))}
<div class="cards">
<section class="card" aria-label="This step"><h2>This step</h2><div class="sum figures"></div><p class="told"></p></section>
<section class="card node-card" aria-label="Paths"></section>
<section class="card leaf-card" aria-label="Sliders"><h2>Sliders</h2></section>
</div>
{legend(graph)}
<p class="unseen live" aria-live="polite" role="status"></p>
<noscript><p>This page plays the sweep with a small script of its own: allow scripts to see it move.</p></noscript>
<script type="application/json">{as_json(told(graph))}</script>
<script>
{script(graph)}</script>
</main>
</body>
</html>
"""


def source(name: str) -> str:
    """A file that stands beside this one."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def colours() -> str:
    """The palette as CSS variables: for light, for a reader whose system is dark, and for either by choice."""
    light, dark = css_variables(0), css_variables(1)
    return (
        f":root{{color-scheme:light;--figures:{FONT};{light}}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{color-scheme:dark;{dark}}}}}\n"
        f":root:has([data-theme=light]){{color-scheme:light;{light}}}\n"
        f":root:has([data-theme=dark]){{color-scheme:dark;{dark}}}"
    )


def controls(steps: int) -> str:
    """The row below the drawing: buttons, where the sweep is, how fast, which node."""
    buttons = []
    for name, (words, path) in ICONS.items():
        shapes = f'<path d="{path}"/>' if path else f'<path class="go" d="{GO}"/><path class="halt" d="{HALT}"/>'
        picture = f'<svg viewBox="0 0 16 16" aria-hidden="true">{shapes}</svg>'
        buttons.append(f'<button type="button" class="{name}" data-do="{name}" aria-label="{words}">{picture}</button>')
    speed = next((speed for speed in SPEEDS if speed >= 1 and steps <= PATIENCE * speed), SPEEDS[-1])
    options = [f'<option value="{s}"{" selected" * (s == speed)}>{s} step{"s" * (s > 1)}/s</option>' for s in SPEEDS]
    return f"""<div class="transport" role="group" aria-label="The sweep">
<div class="buttons">{"".join(buttons)}</div>
<input class="scrub" type="range" min="-1" max="{steps}" value="-1" step="1" aria-label="Step of the sweep">
<output class="count figures" aria-live="off"></output>
<label>speed <select class="speed">{"".join(options)}</select></label>
<label>go to <select class="go-to"><option value="">a node</option></select></label>
<button type="button" class="whole" aria-pressed="false" hidden>Whole graph</button>
</div>"""


def legend(graph: Snapshot) -> str:
    """What is what on the drawing, and what can be done by keyboard."""
    told = [*WORDS, *[("", MARKED)] * any(node.mark for node in graph.nodes)]
    lines = [
        f'<span><svg class="{kind}" viewBox="0 0 32 8" aria-hidden="true"><path d="M0 4H32"/></svg> {words}</span>'
        for kind, words in LINES
    ]
    words = " ".join([*lines, *[f'<span class="{kind}">{words}</span>' for kind, words in told]])
    keys = " ".join([f"<kbd>{key}</kbd> {words}{' ·' * bool(words)}" for key, words in KEYS]).removesuffix(" ·")
    return f'<p class="soft legend">{words}</p>\n<p class="soft keys">{keys}</p>'


def told(graph: Snapshot) -> dict[str, Any]:
    """All that the script is told: words for every node, and the graph as `recompute.js` takes it."""
    numbers, sliders = payload(graph), slider_names(graph)
    found: dict[str, Any] = {
        "graph": numbers,
        "exact": None,
        "hidden": hidden_parameters(graph),
        "nodes": [
            {
                "name": short_name(node.name),
                "slider": sliders.get(node.id),
                "kind": node.kind,
                "operation": shown(node.operation, 24),
                "labelled": bool(node.label),
                "part": shown(node.part),  # of a model, that has this parameter
                "formulas": [short_formula(edge.formula) for edge in node.edges],
            }
            for node in graph.nodes
        ],
    }
    if any(type(node.data) is not float for node in graph.nodes):
        found["exact"] = exact_figures(graph)
        for node, entry in zip(graph.nodes, numbers["nodes"], strict=True):  # which steps there are, and no numbers
            entry |= {"data": 0, "slopes": [None if edge.local is None else 1 for edge in node.edges]}
    return found


def slider_names(graph: Snapshot) -> dict[int, str]:
    """What the sliders are called: a parameter by its part too if there are several; of equal names each with its mark."""
    leaves = [node for node in graph.nodes if node.kind == "leaf"]
    own = Counter([node.label for node in leaves])
    several = len({node.part for node in leaves if node.part}) > 1
    names = {}
    for node in leaves:
        alone = node.label.startswith(f"{node.part}.") or not node.part or not (several or own[node.label] > 1)
        names[node.id] = shown((node.label or node.kind) if alone else f"{node.part}.{node.label}")
    count = Counter(names.values())
    return {i: f"{name} #{i}" if count[name] > 1 else name for i, name in names.items()}


def hidden_parameters(graph: Snapshot) -> dict[int, dict[str, str]]:
    """The leaves that are folded away: what each is called in the part that is folded, and the part that has it."""
    visible = {node.of for node in graph.nodes}
    parts = {"", *[node.label for node in graph.nodes if node.kind == "group"]}
    return {
        node.id: {
            "name": shown(("" if node.part in parts else f"{node.part}.") + (node.label or node.name)),
            "part": shown(node.part),
        }
        for node in (graph.whole.nodes if graph.whole else ())
        if node.kind == "leaf" and node.id not in visible
    }


def short_formula(formula: str | None) -> str | None:
    """A formula with true minus signs."""
    return None if formula is None else shown(formula, 60).replace("-", MINUS)


def exact_figures(graph: Snapshot) -> dict[str, Any]:
    """The figures of a graph whose numbers are not floats, as text: JavaScript has no such numbers."""
    fields = ("upstream", "local_derivative", "contribution", "grad_before", "grad_after")
    names = ("upstream", "local", "contribution", "before", "after")
    return {
        "seed": figure(graph.seed),
        "zero": figure(graph.seed * 0),
        "data": [figure(node.data) for node in graph.nodes],
        "slopes": [[None if edge.local is None else figure(edge.local) for edge in node.edges] for node in graph.nodes],
        "carries": [[edge.carries for edge in node.edges] for node in graph.nodes],
        "paths": exact_paths(graph) if len(graph.nodes) <= MOST_EXACT else {},
        "steps": [
            {name: figure(getattr(row, field)) for name, field in zip(names, fields, strict=True)}
            for row in ledger(graph)
        ],
    }


def exact_paths(graph: Snapshot) -> dict[int, Any]:
    """The paths from every node, with their products."""
    found = {node.id: paths(graph, node, MOST_PATHS) for node in graph.nodes if node.kind != "constant"}
    return {
        i: {
            "count": str(ways.count),
            "listed": [{"steps": way.edges, "product": figure(way.product)} for way in ways],
            "rest": figure(ways.rest) if ways.count > len(ways) else None,
        }
        for i, ways in found.items()
    }


def as_json(data: Any) -> str:
    """JSON that can stand in a <script>: nothing in it can be read as markup."""
    written = json.dumps(data, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        written = written.replace(character, f"\\u{ord(character):04x}")
    return written


def script(graph: Snapshot) -> str:
    """The rules, the numbers and the page's own script as one function, so that nothing of it is global."""
    try:
        rules = recomputation(graph.whole or graph).source
    except CannotRecompute:
        rules = "const RULES = [];\n"
    whole = f'(() => {{\n"use strict";\n{rules}{source("recompute.js")}\n{source("player.js")}}})();\n'
    return whole.replace("</", "<\\/").replace("<!--", "<\\!--")
