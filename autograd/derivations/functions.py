"""The functions of one number that are in a graph: what they are called, and their slopes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..rules import RULES
from ..symbols import Symbol, expression, operand_names, simplify, substitute, text
from ..symbols import read as formulas_of
from .graphs import Graph

Chain = tuple[int, ...]  # the kinds of nodes passed on the way down


class Functions:
    """The functions of one number in a graph, composed ones included, by the names of the rules they are.

    Attributes:
        named: chain -> name. A chain is named if a rule computes the same numbers.
    """

    def __init__(self, graph: Graph, graphs: Sequence[Graph]) -> None:
        self.graph, self.graphs = graph, graphs
        self.order = {kind: k for k, kind in enumerate(self.graph.members)}
        whole = sorted(self.graph.chains.values(), key=lambda chain: (self.order[chain[0]], len(chain)))
        self.chains = [tuple(chain[:n]) for chain in whole for n in range(1, len(chain) + 1)]
        self.named = {chain: name for chain in self.chains if (name := self.rule_of(chain))}

    @property
    def activations(self) -> list[Chain]:
        """The named functions that are no part of another one, and no constant times their operand."""
        kinds = {kind: chain for chain in self.named for kind in chain[1:]}
        return [c for c in self.named if c[0] not in kinds and not linear(self.graphs, c) and self.longest(c) == c]

    @property
    def outputs(self) -> list[Chain]:
        """The activations, and what they are made of: sigmoid too where its log is one function, logsigmoid."""
        return [c for c in self.named if not linear(self.graphs, c) and self.longest(c) == c]

    @property
    def tops(self) -> set[int]:
        """The kinds of what is no operand of another function of one number."""
        return set(self.graph.chains) - {kind for chain in self.chains for kind in chain[1:]}

    def longest(self, chain: Chain) -> Chain:
        """The longest named function with the same output."""
        return max((other for other in self.named if other[0] == chain[0]), key=len)

    def pairs(self, chain: Chain) -> list[tuple[float, float]]:
        """Inputs and outputs of a chain, in the first graph and, if these are few, in others."""
        found: list[tuple[float, float]] = []
        for graph in (self.graph, *self.graphs):
            nodes = graph.nodes
            found += [(nodes[path[-1]].data, nodes[path[0]].data) for path in graph.paths(chain)[:6]]
            if len(found) >= 8 and min(found)[0] < 0 < max(found)[0]:
                break
        return found

    def rule_of(self, chain: Chain) -> str | None:
        """The name of the rule that computes the same."""
        pairs = self.pairs(chain)
        if len({x for x, _ in pairs}) < 2:
            return None
        for rule in RULES.values():
            if rule.arity == 1 and all(np.isclose(rule.forward(x), y, rtol=1e-9, atol=1e-12) for x, y in pairs):
                return rule.name
        return None

    def same_name(self, chain: Chain) -> list[Chain]:
        """The chains of the same name: one after the other, and none within another."""
        return [other for other in self.chains if self.named.get(other) == self.named[chain]]

    def title(self, chain: Chain) -> str:
        """A function's name and where it is, as in `sigmoid at layer 2`."""
        if chain not in self.named:
            return self.operations(chain)
        several = self.same_name(chain)
        where = f" at layer {several.index(chain) + 1}" if len(several) > 1 else ""
        return f"{self.named[chain]}{where}"

    def operations(self, chain: Chain) -> str:
        """The operations of a chain, in the order in which they are done."""
        path = self.graph.paths(chain)[0]
        return ", then ".join(self.graph.nodes[i].rule.name for i in reversed(path[:-1]))

    def slope_text(self, chain: Chain) -> str:
        """The formula of the slope, of an operand z, or of the argument that the operand is; "" if it is not known."""
        rules = [RULES[self.named[chain]]] if chain in self.named else []
        if not rules:
            rules = [self.graph.nodes[i].rule for i in reversed(self.graph.paths(chain)[0][:-1])]
        x, slope = Symbol(self.operand(chain) or "z"), None
        for rule in rules:
            out = expression(rule, (x,)) if rule.arity == 1 else None
            if out is None:
                return ""
            (formula,) = formulas_of(rule)
            factor = substitute(formula, {operand_names(rule)[0]: x, "out": out})
            slope, x = factor if slope is None else factor * slope, out
        return text(simplify(slope)) if slope is not None else ""

    def operand(self, chain: Chain) -> str:
        """The argument that the operand of a chain is; "" if it is a result."""
        made = self.graph.table.kinds[self.graph.kinds[self.graph.paths(chain)[0][-1]]]
        return str(made.operands[0]) if made.operation == "leaf" else ""


def slopes_of(graph: Graph, chain: Chain) -> list[float]:
    """The slopes of a chain: the products of its local derivatives."""
    return [float(np.prod([graph.slope(i) for i in path[:-1]])) for path in graph.paths(chain)]


def linear(graphs: Sequence[Graph], chain: Chain) -> bool:
    """Whether the slope of a chain is one number within each graph, and also of other operands if there is one alone."""
    alone = True
    for graph in graphs:
        values = slopes_of(graph, chain)
        alone = alone and len(values) < 2
        if values and (np.ptp(values) > 1e-12 * abs(values[0]) or not values[0]):
            return False
    return not (alone and any(bends(graph, chain) for graph in graphs[:3]))


def bends(graph: Graph, chain: Chain) -> bool:
    """Whether the slope of a chain changes with its operand."""
    for *nodes, below in graph.paths(chain):
        for moved in (0.6, 1.7):
            data = {below: moved * graph.nodes[below].data}
            try:
                graph.recomputed(data)
                change = graph.slopes_at(data)
            except (ArithmeticError, ValueError):
                continue
            slopes = graph.derivative(nodes[0], below, change), graph.derivative(nodes[0], below)
            if not np.isclose(*slopes, rtol=1e-9, atol=0):
                return True
    return False
