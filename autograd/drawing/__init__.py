"""Drawings of a graph: what everyone's own expression computed, and how its gradients came about.

`snapshot` turns a graph into plain data, the one input of every renderer:

    draw        a picture with the numbers on it: for notebooks, SVG, PNG, PDF, DOT and HTML
    ledger      the backward sweep as a table, one row per contribution
    paths       dy/dx as a sum over paths, counted and summed without listing them
    play        the sweep step by step in a page, with sliders: for notebooks and as one HTML file
    tree        the graph as text, for terminals and screen readers
    explore     a function with sliders, its graph and its curves, live in a notebook
    draw_dot    a graphviz.Digraph as lecture notebooks draw it, with `trace`
"""

from .dot import draw_dot, trace
from .draw import Drawing, draw
from .explorer import explore
from .ledger import Contribution, Ledger, ledger
from .outline import Outline, tree
from .paths import Path, Paths, paths
from .player import Player, play
from .snapshot import Edge, Node, Snapshot, snapshot

__all__ = [
    "Contribution",
    "Drawing",
    "Edge",
    "Ledger",
    "Node",
    "Outline",
    "Path",
    "Paths",
    "Player",
    "Snapshot",
    "draw",
    "draw_dot",
    "explore",
    "ledger",
    "paths",
    "play",
    "snapshot",
    "trace",
    "tree",
]
