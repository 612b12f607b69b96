"""What a quiz asks: which numbers of a graph can be hidden and still be worked out, and the arithmetic that gives them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from math import floor, isfinite, log10
from random import Random
from typing import Any, NamedTuple

from ..drawing.figures import as_float, figure, formula_text
from ..drawing.outline import computed
from ..drawing.snapshot import Edge, Node, Snapshot, read_rule, with_formulas
from ..evaluating import evaluate, names_in
from .exercises import slip_in

DIGITS = 4  # significant ones of every number that is shown; an answer is asked for one less
EASY = 5  # characters of a number that one calculates with in one's head


class Key(NamedTuple):
    """One number of a graph."""

    kind: str  # "data", "grad" or "local"
    node: int  # the node's id
    operand: int = -1  # of a local derivative: of which edge


class Blank:
    """Stands in a drawing for a number that is hidden: ?1."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __repr__(self) -> str:
        return f"?{self.number}"


def accepted(given: Any, answer: Any) -> bool:
    """Whether an answer is right to three significant digits, as it is when it is rounded to them."""
    x, y = as_float(given), as_float(answer)
    if x is None or y is None:
        return False
    return abs(x) <= 1e-9 if y == 0 else abs(x - y) <= 0.5000001 * 10.0 ** (floor(log10(abs(y))) - DIGITS + 2)


def as_shown(x: Any) -> Any:
    """A number with the digits that a drawing shows of it."""
    return x if not isinstance(x, float) and len(str(x)) <= 12 else float(f"{float(x):.{DIGITS}g}")


def size_of(x: Any) -> str:
    """A number without its sign, as it is shown."""
    return figure(abs(x))


class Facts:
    """The numbers of a graph, and how each of them follows from others.

    Args:
        graph: with every gradient of one sweep, and no number in it that is not finite.
    """

    def __init__(self, graph: Snapshot) -> None:
        self.graph = graph
        self.children: dict[int, list[tuple[Node, int]]] = defaultdict(list)  # id -> (node, operand) that it goes into
        self.numbers: dict[Key, Any] = {}
        for node in graph.nodes:
            self.numbers[Key("data", node.id)] = node.data
            self.numbers[Key("grad", node.id)] = node.grad
            for i, edge in enumerate(node.edges):
                self.children[edge.parent].append((node, i))
                self.numbers[Key("local", node.id, i)] = edge.local
        self.shown = {key: as_shown(x) for key, x in self.numbers.items() if x is not None}
        # id -> its rule's names for the operands, and the local derivatives in these and "out"
        self.formulas = {node.id: read_rule(node.rule, len(node.edges)) for node in graph.nodes}
        self.same: dict[Key, set[Key]] = defaultdict(set)  # a node's data -> local derivatives that are this number
        for node in graph.nodes:
            names, symbols = self.formulas[node.id]
            ids = dict(zip((*names, "out"), (*node.parents, node.id)))
            for i, symbol in enumerate(symbols):
                if symbol.content in ids:
                    self.same[Key("data", ids[symbol.content])].add(Key("local", node.id, i))

    # ---- what follows from what ------------------------------------------------------------------------------------

    def hidden(self, keys: Iterable[Key]) -> set[Key]:
        """These numbers, and those that are the same number elsewhere in the drawing."""
        return {each for key in keys for each in (key, *self.same.get(key, ()))}

    def rounds(self, keys: Collection[Key]) -> list[dict[Key, Any]]:
        """What is hidden with these, as it follows from the shown digits of the rest: at once, then from that, and so on."""
        hidden = self.hidden(keys)
        known = {key: x for key, x in self.shown.items() if key not in hidden}
        found = []
        while now := {key: x for key in hidden if (x := self.worked_out(key, known)) is not None}:
            known |= now
            hidden -= now.keys()
            found.append(now)
        return found

    def solvable(self, keys: Collection[Key]) -> bool:
        """Whether all of these can be hidden at once: each follows from the rest, with digits that are accepted."""
        found = {key: x for now in self.rounds(keys) for key, x in now.items()}
        return found.keys() == self.hidden(keys) and all(accepted(found[key], self.numbers[key]) for key in keys)

    def worked_out(self, key: Key, known: Mapping[Key, Any]) -> Any:
        """A number as it follows from known ones; None where it does not."""
        node = self.graph.nodes[key.node]
        try:
            if key.kind == "data":
                return self.forward(node, known) if node.edges else self.backward(node, known)
            return self.gradient(node, known) if key.kind == "grad" else self.local(node, key.operand, known)
        except (TypeError, ValueError, ArithmeticError, KeyError):
            return None

    def forward(self, node: Node, known: Mapping[Key, Any]) -> Any:
        """A node's data from its parents'. Raises KeyError where one is not known."""
        return node.rule.forward(*[known[Key("data", i)] for i in node.parents]) if node.rule else None

    def backward(self, leaf: Node, known: Mapping[Key, Any]) -> Any:
        """A leaf's data from the first operation that it follows from."""
        found = [self.undone(node, operand, known) for node, operand in self.children[leaf.id]]
        return next((x for x in found if x is not None), None)

    def undone(self, node: Node, operand: int, known: Mapping[Key, Any]) -> Any:
        """An operand's data from an operation that it goes into once, and in which it stands in the first power."""
        names, symbols = self.formulas[node.id]
        own = node.parents[operand]
        if not symbols or node.parents.count(own) > 1 or names_in(symbols[operand]) & {names[operand], "out"}:
            return None
        operands = [0 if i == own else known.get(Key("data", i)) for i in node.parents]
        if node.rule is None or None in operands or Key("data", node.id) not in known:
            return None
        slope = evaluate(symbols[operand], dict(zip(names, operands)))
        return (known[Key("data", node.id)] - node.rule.forward(*operands)) / slope if slope != 0 else None

    def gradient(self, node: Node, known: Mapping[Key, Any]) -> Any:
        """A node's gradient from those of the nodes that it goes into. Raises KeyError where one is not known."""
        total: Any = None
        for child, operand in self.children[node.id]:
            term = known[Key("grad", child.id)] * known[Key("local", child.id, operand)]
            total = term if total is None else total + term
        return total

    def local(self, node: Node, operand: int, known: Mapping[Key, Any]) -> Any:
        """A local derivative from its formula."""
        names, symbols = self.formulas[node.id]
        if not symbols:
            return None
        ids = dict(zip((*names, "out"), (*node.parents, node.id)))
        return evaluate(symbols[operand], {name: known[Key("data", ids[name])] for name in names_in(symbols[operand])})

    # ---- what is asked ---------------------------------------------------------------------------------------------

    def askable(self) -> list[Key]:
        """Every number that can be worked out from all of the others, but for what is told at once."""
        asked = []
        for key, x in self.numbers.items():
            node = self.graph.nodes[key.node]
            told = node.kind == "constant" or (key.kind == "grad" and node.id == self.graph.root.id)
            if key.kind == "local":
                edge = node.edges[key.operand]
                told = not edge.carries or self.graph.nodes[edge.parent].kind == "constant"
            if not told and as_float(x) is not None and self.solvable([key]):
                asked.append(key)
        return asked

    def rank(self, key: Key, alike: int) -> tuple[bool, int, bool]:
        """How late a number is asked: last where it takes no calculation, sooner if it is of a kind of which fewer are
        asked, and easy to calculate with."""
        x = float(self.numbers[key])
        free = x in (0, 1)
        if key.kind == "local":
            _, symbols = self.formulas[key.node]
            free = free or not (symbols and names_in(symbols[key.operand]))
        short = f"{x:.3g}"
        return free, alike, x != float(short) or len(short) > EASY

    def chosen(self, count: int, random: Random) -> list[Key]:
        """So many numbers to hide, of several kinds and with different answers. None needs one that comes after it.

        Raises ValueError if there are not so many.
        """
        askable = self.askable()
        picked = self.picked(askable, count, random)
        if len(picked) < count:  # a hidden leaf may stand in the way of others
            made = [key for key in askable if key.kind != "data" or self.graph.nodes[key.node].edges]
            picked = max(picked, self.picked(made, count, random), key=len)
        if len(picked) < count:
            most = len(picked)
            groups = any(node.kind == "group" for node in self.graph.nodes)
            other = "give quiz() another graph" + ", or another fold of it, as in fold='neuron'" * groups
            some = f"blank should be at most {most}, got {count}" if most else other
            raise ValueError(
                f"of this graph {most or 'no'} number{'s' * (most != 1)} can be hidden at once and still be worked out from "
                f"the others: {some}"
            )
        drawn = {key: i for i, key in enumerate(self.numbers)}
        found = {key: i for i, now in enumerate(self.rounds(picked)) for key in now}
        kinds = ("data", "local", "grad")
        return sorted(picked, key=lambda key: (found[key], kinds.index(key.kind), drawn[key]))

    def picked(self, askable: Collection[Key], count: int, random: Random) -> list[Key]:
        """As many of these as go together, up to `count`."""
        rest = sorted(askable)
        random.shuffle(rest)
        picked: list[Key] = []
        kinds, answers = Counter[str](), Counter[str]()
        while rest and len(picked) < count:
            rest.sort(key=lambda key: (answers[size_of(self.numbers[key])], *self.rank(key, kinds[key.kind])))
            key = rest.pop(0)
            if key not in self.hidden(picked) and not self.hidden([key]) & {*picked} and self.solvable([*picked, key]):
                picked.append(key)
                kinds[key.kind] += 1
                answers[size_of(self.numbers[key])] += 1
        return picked

    # ---- what is shown ---------------------------------------------------------------------------------------------

    def masked(self, blanks: Mapping[Key, Blank]) -> Snapshot:
        """The graph with these numbers hidden, and with them the formulas of local derivatives that are asked for."""
        shown = {each: blank for key, blank in blanks.items() for each in self.hidden([key])}

        nodes = [
            node._replace(
                data=shown.get(Key("data", node.id), node.data),
                grad=shown.get(Key("grad", node.id), node.grad),
                edges=tuple(
                    [e._replace(local=shown.get(Key("local", node.id, i), e.local)) for i, e in enumerate(node.edges)]
                ),
                scope=None,  # with blanks in it no part of a model can be folded any more
            )
            for node in self.graph.nodes
        ]
        return self.graph._replace(nodes=with_formulas(nodes), scopes=(), whole=None)

    def drawn(self, blanks: Mapping[Key, Blank]) -> Snapshot:
        """The same without the formulas of local derivatives that are asked for."""
        graph = self.masked(blanks)

        def edges(node: Node) -> tuple[Edge, ...]:
            asked = [Key("local", node.id, i) in blanks for i in range(len(node.edges))]
            return tuple([e._replace(formula=None) if hide else e for e, hide in zip(node.edges, asked)])

        return graph._replace(nodes=tuple([node._replace(edges=edges(node)) for node in graph.nodes]))

    # ---- what is said ----------------------------------------------------------------------------------------------

    def asked(self, key: Key, graph: Snapshot) -> str:
        """What a question asks for, in names that are shown: "gradient of a"."""
        node = graph.nodes[key.node]
        if key.kind != "local":
            return f"{'data' if key.kind == 'data' else 'gradient'} of {called(graph, node)}"
        parent = graph.nodes[node.edges[key.operand].parent]
        return f"local derivative of {called(graph, node)} with respect to {called(graph, parent)}"

    def hint(self, key: Key, blanks: Mapping[Key, Blank]) -> str:
        """The arithmetic that gives a number, in what is shown while these are hidden, without its result."""
        way = self.way_to(key, blanks)
        others = [str(blank) for each, blank in blanks.items() if each != key]
        first = [other for other in others if re.search(rf"{re.escape(other)}(?!\d)", way)]
        return f"First find {listed(first)}. {way}" if first else way

    def way_to(self, key: Key, blanks: Mapping[Key, Blank]) -> str:
        """The same without what is to be found first."""
        graph = self.masked(blanks)
        node = graph.nodes[key.node]
        if key.kind == "local":
            return self.hint_on_local(node, key.operand, graph)
        if key.kind == "data":
            if node.edges:
                return f"It is {computed(graph, node)}, where {numbers_told(graph, node.parents)}."
            child = graph.nodes[self.way_back(key, blanks).id]
            others = [i for i in child.parents if i != node.id]
            given = f"{equation(graph, child)} is {figure(child.data)}"
            given += f", and {numbers_told(graph, others)}" if others else ""
            return f"{given}: which {called(graph, node)} gives that?"
        terms = [(graph.nodes[child.id], graph.nodes[child.id].edges[i]) for child, i in self.children[node.id]]
        lines = [contribution(graph, child, edge) for child, edge in terms]
        if len(lines) == 1:
            return lines[0]
        each = f"{called(graph, node)} is used {len(lines)} times: add what comes back on every edge."
        return "\n".join([each, *[f"  {line}" for line in lines]])

    def way_back(self, key: Key, hidden: Collection[Key]) -> Node:
        """The operation from which a leaf's data follows, when that of others may have to be worked out before."""
        unknown = self.hidden(hidden)
        known = {each: x for each, x in self.shown.items() if each not in unknown}
        for now in self.rounds(hidden):
            if key in now:
                break
            known |= now
        return next(child for child, i in self.children[key.node] if self.undone(child, i, known) is not None)

    def hint_on_local(self, node: Node, operand: int, graph: Snapshot) -> str:
        """The formula of a local derivative, and the numbers in it; a question where the formula would be the answer."""
        edge = node.edges[operand]
        parent, formula = called(graph, graph.nodes[edge.parent]), formula_text(edge.formula)
        if not formula:
            return (
                f"By how much does {equation(graph, node)} grow when {parent} alone grows by a little, per unit of it?"
            )
        names, symbols = self.formulas[node.id]
        used = names_in(symbols[operand]) if symbols and symbols[operand].operands else ()
        ids = [i for name, i in zip((*names, "out"), (*node.parents, node.id)) if name in used]
        where = f", where {numbers_told(graph, ids)}" if ids else ""
        return f"The derivative of {computed(graph, node)} with respect to {parent} is {formula}{where}."

    def about(self, x: Any, key: Key) -> str:
        """What helps with a wrong answer; "" if nothing is known."""
        answer = self.numbers[key]
        if key.kind == "grad":
            terms = [
                (child.grad, child.edges[i].local) for child, i in self.children[key.node] if child.edges[i].carries
            ]
            if len(terms) > 1 and any(accepted(x, upstream * local) for upstream, local in terms):
                return f"that comes back on one of {len(terms)} edges: add what comes back on all of them"
            if any(accepted(x, upstream) for upstream, _ in terms):
                return "that is an upstream gradient: multiply it by the local derivative"
            if any(accepted(x, local) for _, local in terms):
                return "that is a local derivative: multiply it by the upstream gradient"
        if answer != 0:
            if slip := slip_in(x, answer, accepted):
                return slip
            if abs(x - float(answer)) <= 0.02 * abs(float(answer)):
                return "that is close: three digits are asked for"
        return ""


def called(graph: Snapshot, node: Node) -> str:
    """A node as one speaks of it: by its label, its mark, or what it computes."""
    if node.label or not node.edges or not node.rule:
        return node.name
    expression = computed(graph, node)
    return node.mark or (node.name if re.search(r"·(?!\))", expression) else expression)


def equation(graph: Snapshot, node: Node) -> str:
    """ "d = a*b", or "a*b" of a node without a name."""
    name, expression = node.label or node.mark, computed(graph, node)
    return f"{name} = {expression}" if name else expression


def numbers_told(graph: Snapshot, ids: Iterable[int]) -> str:
    """ "a is 2.000 and b is ?1", of nodes that are shown."""
    told = [f"{called(graph, graph.nodes[i])} is {figure(graph.nodes[i].data)}" for i in dict.fromkeys(ids)]
    return listed([words for words in told if not words.startswith("constant")] or told)


def listed(words: Sequence[str]) -> str:
    """ "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def contribution(graph: Snapshot, child: Node, edge: Edge) -> str:
    """What comes back on an edge, as the ledger has it, without the product."""
    if not edge.carries:
        return f"from {called(graph, child)}: nothing, since it was not chosen"
    formula = formula_text(edge.formula)
    local = f"{formula} = {figure(edge.local)}" if formula else figure(edge.local)
    return f"from {called(graph, child)}: upstream gradient {figure(child.grad)} × local derivative {local}"


def first_not_finite(graph: Snapshot) -> str:
    """Where a graph has an infinity or NaN; "" if nowhere."""
    for node in graph.nodes:
        numbers = [("data", node.data), ("gradient", node.grad), *[("local derivative", e.local) for e in node.edges]]
        for what, x in numbers:
            if isinstance(x, float) and not isfinite(x):
                return f"the {what} of {node.name} is {figure(x)}"
    return ""
