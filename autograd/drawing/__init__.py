"""Drawings of a graph: what everyone's own expression computed, and how its gradients came about.

`snapshot` turns a graph into plain data, the one input of every renderer:

    ledger      the backward sweep as a table, one row per contribution
    tree_svg    a small picture with the numbers on it, made without any other program
    draw_dot    a graphviz.Digraph as lecture notebooks draw it, with `trace`
"""

from .dot import draw_dot, trace
from .ledger import Contribution, Ledger, ledger
from .snapshot import Edge, Node, Snapshot, snapshot
from .tree import tree_svg

__all__ = [
    "Contribution",
    "Edge",
    "Ledger",
    "Node",
    "Snapshot",
    "draw_dot",
    "ledger",
    "snapshot",
    "trace",
    "tree_svg",
]
