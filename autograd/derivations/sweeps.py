"""Mistakes in the backward sweep: it is done again on the user's own graph with one thing wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..rules import RULES
from .cases import Array, Case, Hypothesis, View, number_text, ordinals
from .functions import Chain, Functions, linear, slopes_of
from .graphs import CONSTANT, Change, Graph

Edited = Callable[..., Change | None]  # of a Graph


def swept(kind: str, words: str | Callable[..., str], change: Edited) -> Hypothesis:
    """The hypothesis that the sweep was done with changed edges. It says nothing where there are none to change."""

    def predict(view: View) -> Array | None:
        changes = change(view.graph) if view.swept else None
        return view.graph.gradient(view.name, changes) if changes else None

    return Hypothesis(kind, words, predict)


# ---- the slopes of functions of one number ---------------------------------------------------------------------------


def chain_edges(graph: Graph, kinds: Sequence[int], to: Callable[[float], float]) -> Change | None:
    """The functions of these kinds with another slope."""
    wanted = set(kinds)
    found = {
        i: [(graph.below[i], to(graph.slope(i)))]
        for i, kind in enumerate(graph.kinds)
        if kind in wanted and graph.is_function(i)
    }
    return found or None


def slopes(case: Case) -> Iterator[Hypothesis]:
    """The slope of a function is forgotten, or taken twice."""
    functions = case.functions
    for chain in ordered(functions):
        if linear(case.graphs, chain):
            continue
        title = functions.title(chain)
        yield swept("slope missing", lambda c=chain, t=title: missing_text(functions, c, t), chain_change(chain, 0))
        yield swept("slope twice", f"the slope of {title} is multiplied in twice", chain_change(chain, 2))
    for name in dict.fromkeys(functions.named.values()):
        groups = [chain for chain in functions.chains if functions.named.get(chain) == name]
        if len(groups) > 1:
            every = tuple({kind for chain in groups for kind in chain})
            yield swept("slope missing", f"the slope of {name} is missing at all layers", chain_change(every, 0))
            if all(len(chain) == 1 for chain in groups):  # steps of a recurrence: at other sizes there are others
                change = lambda graph, name=name: chain_edges(graph, graph.kinds_of(name), lambda slope: 1.0)
                yield swept("slope missing", f"the slope of {name} is missing at all steps", change)
            yield swept(
                "slope twice", f"the slope of {name} is multiplied in twice at all layers", chain_change(every, 2)
            )


def ordered(functions: Functions) -> list[Chain]:
    """The chains that may have a name or are no part of one that has: named ones first, then short ones."""
    inside = {chain[k:n] for chain in functions.named for k in range(len(chain)) for n in range(k + 2, len(chain) + 1)}
    candidates = [chain for chain in functions.chains if chain in functions.named or chain not in inside]
    return sorted(candidates, key=lambda chain: (chain not in functions.named, len(chain)))


def factors(case: Case) -> Iterator[Hypothesis]:
    """A constant factor of one part of f is forgotten, or counted twice."""
    for chain in ordered(case.functions):
        if linear(case.graphs, chain):
            yield from constant_slope(case, chain, slopes_of(case.pilot.graph, chain)[0])
    yield from factors_of_powers(case)


def missing_text(functions: Functions, chain: Chain, title: str) -> str:
    formula = functions.slope_text(chain)
    where = title.removeprefix(functions.named.get(chain, ""))
    if formula and functions.operand(chain) and (chain[0] not in functions.tops):
        return f"the inner derivative {formula} is missing, the slope of {title}"
    if formula and chain in functions.named:
        return f"the slope of {functions.named[chain]} is missing{where}: multiply by {formula}"
    return f"the slope of {title} is missing"


def chain_change(kinds: Sequence[int], power: int) -> Edited:
    return lambda graph: chain_edges(graph, kinds, lambda slope: slope**power if power else 1.0)


def constant_slope(case: Case, chain: Chain, slope: float) -> Iterator[Hypothesis]:
    """A factor of one part of f is forgotten, or counted twice."""
    if slope == 1:
        return
    title = case.functions.operations(chain)
    if slope == -1:
        below = case.pilot.graph.paths(chain)[0][-1]
        words = f"the minus is missing in the slope of {title} by {case.array_name(case.pilot.graph.kinds[below])}"
        yield swept("sign", words, chain_change(chain, 0))
        return
    ratios = []
    for view in case.views:
        ratios += [(view, 1 / slope) for slope in slopes_of(view.graph, chain)[:1]]
    for power, word in ((0, "forgotten"), (2, "counted twice")):
        found = case.explain_factor([(view, r if power == 0 else 1 / r) for view, r in ratios])
        alike = len({number_text(r) for _, r in ratios}) == 1
        told = f": off by {number_text(slope)}" if alike else ""
        kind, words = found or ("slope missing" if power == 0 else "slope twice", "")
        text = f"a factor is {word} in one part ({title}){f': {words}' if words else told}"
        if words.startswith("the factor"):
            text = f"{words} in one part ({title})"
        yield swept("factor" if kind == "sign" else kind, text, chain_change(chain, power))


def factors_of_powers(case: Case) -> Iterator[Hypothesis]:
    """The k of k * x**(k - 1) is forgotten, in one part of f."""
    for kind in case.pilot.graph.chains:
        first = case.pilot.graph.members[kind][0]
        node = case.pilot.graph.nodes[first]
        if len(case.pilot.graph.edges[first]) == 2:
            k = 2
        elif node.rule.maker and len(node.rule.parameters) == 1 and node.rule.arity == 1 and node.rule.name[:2] == "**":
            k = node.rule.parameters[0]
        else:
            continue
        change = lambda graph, kind=kind, k=k: chain_edges(graph, [kind], lambda slope: slope / k)
        yield swept("factor", f"the factor {k} of the slope of {node.rule.name} is missing in one part", change)


# ---- slopes of something else ------------------------------------------------------------------------------------------

Slope = Callable[[float, float], float]  # of a function of one number, of its operand and its output


def unary_slopes(name: str) -> list[Slope]:
    """The slope of a rule, of its operand or of its output: as the rule computes it, and as a book prints it."""
    recipes: list[Any] = [RULES[name].partials]
    if RULES[name].textbook:
        recipes.append(RULES[name].textbook)
    return [partial(number_of, recipe[0]) for recipe in recipes]


def number_of(recipe: Callable[..., Any], z: float, a: float) -> float:
    return float(recipe(z, a))


def other_slopes(case: Case) -> Iterator[Hypothesis]:
    """A slope is taken at another number, or is that of another function."""
    functions = case.functions
    for chain in functions.activations:
        name, title = functions.named[chain], functions.title(chain)
        forward = RULES[name].forward
        for slope in unary_slopes(name):
            text = f"the slope of {title} is taken at its operand z where its output belongs"
            at_operand = lambda z, a, s=slope: s(z, z)
            if known(case, chain, at_operand):
                yield swept("wrong slope", text, slope_at(chain, at_operand))
            text = f"the slope of {title} is taken at its output a where its operand belongs"
            at_output = lambda z, a, s=slope, f=forward: s(a, f(a))
            if known(case, chain, at_output):
                yield swept("wrong slope", text, slope_at(chain, at_output))
        for other, rule in RULES.items():
            related = other in name or name in other  # the slope of logsigmoid is a factor of that of sigmoid
            if rule.arity == 1 and other != "neg" and not related:
                text = f"the slope of {other} is taken where f has {title}"
                for slope in unary_slopes(other):
                    own = lambda z, a, s=slope, f=rule.forward: s(z, f(z))
                    at = (
                        (own, slope) if rule.textbook else (own,)
                    )  # a book's slope, such as a*(1 - a), of f's own output
                    yield from (swept("wrong slope", text, slope_at(chain, s)) for s in at if known(case, chain, s))


def slope_at(chain: Chain, slope: Slope) -> Edited:
    """The functions of a chain with a slope of other numbers."""

    def change(graph: Graph) -> Change | None:
        return {path[0]: [(path[-1], slope(*ends(graph, path)))] for path in graph.paths(chain)} or None

    return change


def ends(graph: Graph, path: Sequence[int]) -> tuple[float, float]:
    """The operand and the output of a chain."""
    return graph.nodes[path[-1]].data, graph.nodes[path[0]].data


def known(case: Case, chain: Chain, slope: Slope) -> bool:
    """Whether a slope is a number wherever f has the chain, and not the output there: that is no slope, but a part of it."""
    pairs = [ends(graph, path) for graph in case.graphs for path in graph.paths(chain)]
    try:
        values = [slope(*pair) for pair in pairs]
    except (ArithmeticError, ValueError, TypeError):
        return False
    return all(map(math.isfinite, values)) and not np.allclose(values, [a for _, a in pairs], rtol=1e-9, atol=0)


def slopes_of_none(case: Case) -> Iterator[Hypothesis]:
    """The slope of an activation at a sum, such as the output of a linear layer, which has none."""
    functions = case.functions
    names = dict.fromkeys([*(functions.named[chain] for chain in functions.activations), "sigmoid", "tanh", "ReLU"])
    operands = {functions.graph.kinds[functions.graph.paths(chain)[0][-1]] for chain in functions.activations}
    table = case.pilot.graph.table
    results = {i for i, _ in case.pilot.graph.outputs}
    arrays = case.pilot.graph.arrays.items()
    sums = [k for k, nodes in arrays if (k < CONSTANT or table.is_sum(k)) and results.isdisjoint(nodes)]
    for kind in sums:
        for name in names:
            text = f"the slope of {name} is multiplied in at a linear output, where none belongs"
            if kind in operands or -2 - kind in operands:
                text = f"the slope of {name} is multiplied in besides that of the activation"
            forward = RULES[name].forward
            for slope in unary_slopes(name):
                for numbers in (lambda z, s=slope, f=forward: s(z, f(z)), lambda z, s=slope: s(z, z)):
                    yield swept("wrong slope", text, lambda graph, k=kind, n=numbers: multiplied(graph, k, n))


def multiplied(graph: Graph, kind: int, slope: Callable[[float], float]) -> Change | None:
    """The edges of the nodes of an array times a slope at their numbers."""
    nodes = graph.arrays.get(kind, ())
    return {i: [(p, s * slope(graph.nodes[i].data)) for p, s in graph.edges[i]] for i in nodes} or None


# ---- signs and paths ---------------------------------------------------------------------------------------------------


def group_change(group: tuple[int, int], to: Callable[[float], float]) -> Edited:
    return lambda graph: graph.changed(graph.edges_of(group), to) or None


def operation_of(graph: Graph, group: tuple[int, int]) -> str:
    return str(graph.nodes[graph.groups[group][0]].rule.name)


def signs(case: Case) -> Iterator[Hypothesis]:
    """The sign of one local derivative is wrong."""
    graph = case.pilot.graph
    for group in graph.groups:
        operation, edges = operation_of(graph, group), graph.edges_of(group)
        i, k = edges[0]
        what = case.array_name(graph.kinds[graph.edges[i][k][0]])
        words = "a sign is wrong"
        if all(graph.edges[i][k][1] == -1 for i, k in edges):
            words = "the minus is missing"
        elif all(graph.edges[i][k][1] == 1 for i, k in edges):
            words = "there is a minus too many"
        yield swept("sign", f"{words} in the slope of {operation} by {what}", group_change(group, lambda s: -s))


def paths(case: Case) -> Iterator[Hypothesis]:
    """Of several paths one only counts: overwritten instead of added."""
    graph, name = case.pilot.graph, case.name
    for group in graph.groups:
        operation = operation_of(graph, group)
        text = f"a path down to {name} is missing, through {operation}: the contributions of all paths are added"
        yield swept("not summed", text, group_change(group, lambda s: 0.0))
    for kind, nodes in graph.members.items():
        count = max(len(graph.consumers[i]) for i in nodes)
        if count > 1 and graph.nodes[nodes[0]].parents:
            what = (
                case.functions.title((kind,)) if kind in graph.chains else f"a node {graph.nodes[nodes[0]].rule.name}"
            )
            whole = [chain for chain in case.functions.named if chain[0] == kind]
            what = case.functions.title(whole[-1]) if whole else what
            for word, k in ordinals(count):
                text = f"only the {word} contribution to {what} counts: it has several uses, so add them (+=, not =)"
                yield swept("not summed", text, lambda graph, kind=kind, k=k: only_contribution(graph, kind, k))


def only_contribution(graph: Graph, kind: int, k: int) -> Change | None:
    """Of the edges to each node of a kind the k-th alone."""
    dropped = []
    for i in graph.members.get(kind, ()):
        users = graph.consumers[i]
        if -len(users) <= k < len(users):
            keep = users[k]
            dropped += [edge for edge in users if edge != keep]
        else:
            return None
    return graph.changed(dropped, lambda s: 0.0) or None


def sums_on_the_way(case: Case) -> Iterator[Hypothesis]:
    """On the way back the upstream gradients of an array are summed over an axis, and every entry gets the total."""
    graph = case.pilot.graph
    axes = {axis.of(case.pilot): axis for axis in reversed(case.axes([(view, 1.0) for view in case.views]))}
    for kind, nodes in graph.arrays.items():
        for count, axis in axes.items():
            if count > 1 and len(nodes) % count == 0:
                for over in (0, 1):
                    for outer in (True, False):
                        along = over if outer else 1 - over
                        text = f"on the way back every entry gets the total over axis {along} ({case.array_name(kind)})"
                        yield Hypothesis(
                            "summed twice",
                            text,
                            lambda view, k=kind, a=axis, o=over, f=outer: totals(view, k, a.of(view), o, f),
                        )


def totals(view: View, kind: int, count: int, over: int, outer: bool) -> Array | None:
    graph = view.graph
    nodes = graph.arrays.get(kind, [])
    if not nodes or len(nodes) % count or not view.swept:
        return None
    places = np.array(nodes).reshape((count, -1) if outer else (-1, count))
    upstream = np.array(graph.upstream)[places]
    upstream = np.broadcast_to(upstream.sum(axis=over, keepdims=True), upstream.shape)
    return graph.gradient(view.name, given=dict(zip(nodes, upstream.ravel().tolist())))


# ---- softmax -----------------------------------------------------------------------------------------------------------


def uncoupled(graph: Graph) -> Change | None:
    """Where an operand is a term of the other one's sum: what would go to the sum goes to that term alone."""
    change = {}
    for i, (term, whole) in graph.coupled.items():
        edges = graph.edges[i]
        change[i] = [(edges[term][0], edges[term][1] + edges[whole][1])]
    return change or None


def own_score_only(graph: Graph) -> Change | None:
    """Of a fused operation of many, such as a log of a sum of exponentials, the edge that its target takes alone."""
    change = {}
    for i in graph.fused:
        edges = graph.edges[i]
        negative = [edge for edge in edges if edge[1] < 0]
        shared = [edge for edge in edges if any(user != i for user, _ in graph.consumers[edge[0]])]
        kept = negative if len(negative) == 1 else shared
        if 0 < len(kept) < len(edges):
            change[i] = kept
    return change or None


def softmax_coupling(case: Case) -> Iterator[Hypothesis]:
    """Each output of a softmax as if it depended on its own score alone."""
    text = "the coupling of softmax is missing: each a_i depends on every z_j, da_i/dz_j = a_i*([i = j] - a_j)"
    yield swept("softmax coupling", text, uncoupled)
    yield swept("softmax coupling", text, own_score_only)


# ---- another layer -----------------------------------------------------------------------------------------------------


def other_layers(case: Case) -> Iterator[Hypothesis]:
    """A slope, an operand or a formula of another layer."""
    functions = case.functions
    tops = functions.activations
    for here in tops:
        for there in functions.outputs:
            if here != there and here[0] != there[0]:
                text = f"the slope of {functions.title(there)} is taken where that of {functions.title(here)} belongs"
                yield swept("wrong layer", text, lambda g, here=here, there=there: exchanged(g, here, there))
    yield from other_operand(case)
    graph = case.pilot.graph
    scores = [(kind,) for kind in graph.arrays if kind < CONSTANT or kind in graph.sums]
    for here in tops:
        for there in functions.outputs + scores:
            if here[0] != there[0]:
                last = functions.title(there) if there in functions.named else "the last layer"
                text = f"the formula for {last} is used at {functions.title(here)}: there the error comes through the weights"
                for slope in (None, textbook_slope(functions.named.get(there))):
                    yield Hypothesis(
                        "wrong layer", text, lambda v, h=here, t=there, s=slope: output_formula(v, h, t, s)
                    )


def exchanged(graph: Graph, here: Chain, there: Chain) -> Change | None:
    """The slopes of one chain's nodes replaced with those of another's, in order."""
    mine, others = graph.paths(here), graph.paths(there)
    if len(mine) != len(others) or not mine:
        return None
    change: dict[int, list[tuple[int, float]]] = {}
    for path, slope in zip(mine, slopes_of(graph, there)):
        for k, i in enumerate(path[:-1]):
            change[i] = [(graph.below[i], slope if k == 0 else 1.0)]
    return change


def replaced(case: Case, view: View, key: tuple[int, int], name: str, axis: int) -> Array | None:
    """The gradient with an argument's numbers, one for each use and each place along an axis, for the factors."""
    found = view.parts.get(key)
    numbers = np.asarray(view.sample.arguments[name], dtype=float)
    if found is None:
        return None
    upstream, slopes = found
    others = tuple(a for a in range(1, upstream.ndim) if a != axis)
    along = numbers if numbers.ndim == 2 else numbers[None]
    fits = along.shape == (len(upstream), upstream.shape[axis])
    if not fits or not all(np.allclose(slopes, slopes.take([0], axis=a)) for a in others):
        return None
    return (upstream * np.expand_dims(along, others) - upstream * slopes).sum(axis=0) + view.gw


class Factors(NamedTuple):
    """Numbers that others are multiplied with: an argument, or the outputs of a function."""

    name: str
    kind: int  # of the nodes; of an argument -1

    def numbers(self, view: View) -> Array | None:
        if self.kind < 0:
            return np.asarray(view.sample.arguments[self.name], dtype=float)
        nodes = view.graph.arrays.get(self.kind)
        return np.array([view.graph.nodes[i].data for i in nodes], dtype=float) if nodes else None

    def uses(self, view: View) -> Iterator[tuple[int, int, int]]:
        """The edges whose slopes they are: (node, which of its edges, which of the numbers)."""
        graph, numbers = view.graph, self.numbers(view)
        nodes = graph.arrays.get(self.kind, []) if self.kind >= 0 else graph.leaves.get(self.name)
        if nodes is not None:
            for place, node in enumerate(np.ravel(nodes)):
                for i, k in graph.consumers[node] if node >= 0 else ():
                    if len(graph.edges[i]) == 2 and graph.edges[i][1 - k][1] == graph.nodes[node].data:
                        yield i, 1 - k, place
        elif numbers is not None:
            places = {number: place for place, number in enumerate(numbers.ravel().tolist())}
            for i, edges in enumerate(graph.edges):
                if len(edges) == 1 and len(graph.nodes[i].parents) == 2:
                    for k, (_, slope) in enumerate(edges):
                        if slope in places:
                            yield i, k, places[slope]


def other_operand(case: Case) -> Iterator[Hypothesis]:
    """Factors of another layer, or a matrix not transposed on the way back."""
    arguments = case.pilot.sample.arguments
    named = [n for n, x in arguments.items() if np.ndim(x) and np.size(x) > 1 and np.asarray(x).dtype.kind == "f"]
    factors = [Factors(name, -1) for name in named]
    for key in case.pilot.parts:
        for name in named:
            if np.ndim(arguments[name]) < 3 and name != case.name:
                text = f"{name} is multiplied in where another layer's activations belong"
                for axis in range(1, case.pilot.gw.ndim + 1):
                    told = lambda view, key=key, n=name, axis=axis: replaced(case, view, key, n, axis)
                    yield Hypothesis("wrong layer", text, told)
    for chain in case.functions.activations:
        factors.append(Factors(f"the output of {case.functions.title(chain)}", chain[0]))
    for mine in factors:
        if mine.kind < 0 and np.ndim(arguments[mine.name]) == 2:
            text = (
                f"{mine.name} is not transposed on the way back: the upstream gradient is multiplied by {mine.name}.T"
            )
            kind, counts = "transposed", np.zeros(np.size(arguments[mine.name]), dtype=int)
            for _, _, place in mine.uses(case.pilot):
                counts[place] += 1
            if np.ptp(counts):  # no product of matrices: there all entries are used equally often
                kind, text = "wrong index", f"a wrong index: {mine.name}[j, i] is taken where {mine.name}[i, j] belongs"
            yield Hypothesis(kind, text, lambda view, mine=mine: with_factors(view, mine, mine, True))
            text = f"{mine.name} is not multiplied in on the way back"
            yield Hypothesis("slope missing", text, lambda view, mine=mine: without_factors(view, mine))
        for other in factors:
            if other != mine:
                text = f"{other.name} is multiplied in where {mine.name} belongs"
                for turned in (False, True):
                    if not turned or 2 in [np.ndim(arguments[f.name]) for f in (mine, other) if f.kind < 0]:
                        yield Hypothesis(
                            "wrong layer", text, lambda view, m=mine, o=other, t=turned: with_factors(view, m, o, t)
                        )


def with_factors(view: View, mine: Factors, other: Factors, turned: bool) -> Array | None:
    """The gradient with some factors replaced by others, as many; None if their shapes differ."""
    numbers, others = mine.numbers(view), other.numbers(view)
    if numbers is None or others is None or not view.swept:
        return None
    if turned:
        others = (
            others.T
            if others.ndim == 2
            else others.reshape(numbers.shape[::-1]).T
            if numbers.size == others.size
            else others
        )
    if numbers.size != others.size or (numbers.ndim == others.ndim and numbers.shape != others.shape):
        return None
    graph = view.graph
    change: dict[int, list[tuple[int, float]]] = {}
    for i, k, place in mine.uses(view):
        row = change.setdefault(i, list(graph.edges[i]))
        row[k] = (row[k][0], float(others.ravel()[place]))
    return graph.gradient(view.name, change) if change else None


def without_factors(view: View, mine: Factors) -> Array | None:
    """The gradient with ones for some factors."""
    if not view.swept:
        return None
    changed = view.graph.changed([(i, k) for i, k, _ in mine.uses(view)], lambda slope: 1.0)
    return view.graph.gradient(view.name, changed) if changed else None


def textbook_slope(name: str | None) -> Callable[[float, float], float]:
    """The slope of a rule as people write it, of its operand z and its output a; 1 without a rule."""
    if name is None:
        return lambda z, a: 1.0
    partials: Any = RULES[name].textbook or RULES[name].partials
    return lambda z, a: float(partials[0](z, a))


def output_formula(
    view: View, here: Chain, there: Chain, slope: Callable[[float, float], float] | None
) -> Array | None:
    """The gradient if f's slopes by the outputs `there` were taken at `here`'s numbers, and handed to these.

    The slope is the layer's own, or the formula for that of the other one, at this layer's numbers.
    """
    graph = view.graph
    mine, last = graph.paths(here), graph.arrays.get(there[0], [])
    if len(mine) != len(last) or not mine or not view.swept or mine[0][0] > last[0]:
        return None
    data = {j: graph.nodes[path[0]].data for j, path in zip(last, mine)}
    graph.recomputed(data)
    upstream = graph.sweep(graph.slopes_at(data))
    given: dict[int, float] = {}
    for j, (a, *_, z) in zip(last, mine):
        if slope is None:
            given[a] = upstream[j]
        else:
            given[z] = upstream[j] * slope(graph.nodes[z].data, graph.nodes[a].data)
    return graph.gradient(view.name, given=given)
