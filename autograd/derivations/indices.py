"""Mistakes of indices: the right factors, taken at another place."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..engine import Constant
from .cases import Array, Case, Hypothesis, Mistake, View, same
from .graphs import Graph

LETTERS = "ijkl"  # of the argument's axes; the uses of an entry, mostly the examples, are counted by n
MOST_TERMS, MOST_SAMPLES = 800, 120


# ---- the 1 of a label ------------------------------------------------------------------------------------------------


class Labelled(NamedTuple):
    """Scores of which one in each row is chosen by a label, and what comes to the scores through that choice alone."""

    scores: Array  # nodes, example by class
    upstream: Array
    chosen: Array
    places: Array  # where it comes: [j = y_i]


def labelled(view: View) -> Labelled | None:
    """The scores of a classification by an integer argument, if f is one."""
    for labels in view.sample.arguments.values():
        rows = np.atleast_1d(labels)
        if rows.dtype.kind not in "iu" or rows.ndim != 1:
            continue
        graph = view.graph
        places = [nodes for nodes in graph.arrays.values() if len(nodes) % len(rows) == 0 and len(nodes) > len(rows)]
        for nodes in sorted(places, key=len):
            for scores in (np.array(nodes).reshape(len(rows), -1), np.array(nodes).reshape(-1, len(rows)).T):
                if rows.max(initial=0) >= scores.shape[1] or rows.min(initial=0) < 0:
                    continue
                for chosen in chosen_parts(graph, scores):
                    expected = np.zeros(scores.shape, dtype=bool)
                    expected[np.arange(len(rows)), rows] = True
                    if np.array_equal(np.abs(chosen) > 1e-9 * np.max(np.abs(chosen), initial=1e-300), expected):
                        values = chosen[expected]
                        without = graph.gradient(view.name, given=dict.fromkeys(nodes, 0.0))
                        if np.array_equal(expected, expected.T) and len(rows) > 1:
                            return None  # which of its axes counts the examples cannot be seen
                        if same(values, np.full(len(rows), values[0])) and not same(without, view.gw):
                            return Labelled(scores, np.array(graph.upstream)[scores], chosen, expected)
    return None


def chosen_parts(graph: Graph, scores: Array) -> Iterator[Array]:
    """What single groups of edges bring to some nodes; of an operation that has an index for a parameter, that index's."""
    fused = np.zeros(len(graph.nodes))
    for i, node in enumerate(graph.nodes):
        if node.parents and node.rule.arity is None and node.rule.parameters:
            fused[graph.at[node.parents[node.rule.parameters[0]]]] -= graph.upstream[i]
    if np.any(fused):
        yield fused[scores]
    right = np.array(graph.upstream)[scores]
    for group, nodes in graph.groups.items():
        if graph.nodes[nodes[0]].rule.arity is None:
            continue
        change = graph.changed(graph.edges_of(group), lambda slope: 0.0)
        yield right - np.array(graph.sweep(change))[scores]


def other_label(case: Case) -> Iterator[Hypothesis]:
    """The 1 of the right class is subtracted at another place."""
    if not any(np.asarray(x).dtype.kind in "iu" for x in case.pilot.sample.arguments.values()):
        return
    found: dict[int, Labelled | None] = {}

    def moved(view: View, how: str) -> Array | None:
        if id(view) not in found:
            found[id(view)] = labelled(view) if view.swept else None
        known = found[id(view)]
        if known is None:
            return None
        value, place = known.chosen[known.places][0], elsewhere(known.places, how)
        if place is None:
            return None
        upstream = known.upstream - known.chosen + value * place
        given = dict(zip(known.scores.ravel().tolist(), upstream.ravel().tolist()))
        return view.graph.gradient(view.name, given=given)

    for how, words in (
        ("row", "is subtracted where i = y_i"),
        ("transposed", "is subtracted at row y_j of column j"),
        ("class after", "is subtracted one class too late"),
        ("class before", "is subtracted one class too early"),
        ("class after, round", "is subtracted one class too late"),
        ("class before, round", "is subtracted one class too early"),
        ("example after", "is subtracted at the class of the next example"),
        ("example before", "is subtracted at the class of the example before"),
        ("first", "is subtracted at the first class"),
        ("none", "is subtracted nowhere"),
    ):
        text = f"the 1 of the right class belongs at [i, y_i] (delta_{{j y_i}}), but {words}"
        yield Hypothesis("wrong index", text, lambda view, how=how: moved(view, how))


def elsewhere(places: Array, how: str) -> Array | None:
    """The places of the 1, moved."""
    rows, columns = places.shape
    if how == "row":  # [i = y_i]
        return np.broadcast_to((np.arange(rows) == places.argmax(axis=1))[:, None], places.shape)
    if how == "transposed":
        return places.T if rows == columns else None
    if how == "none":
        return np.zeros(places.shape)
    if how == "first":
        return np.broadcast_to(np.arange(columns) == 0, places.shape)
    axis = 1 if how.startswith("class") else 0
    step = 1 if ("after" in how) == (axis == 1) else -1
    moved = np.roll(places, step, axis=axis)
    if axis == 1 and "round" not in how:
        moved[:, 0 if step == 1 else -1] = False
    return moved


# ---- the indices of a constant ---------------------------------------------------------------------------------------

MOVES = {
    "the entry before along axis 0": lambda x: np.roll(x, 1, axis=0),
    "the entry after along axis 0": lambda x: np.roll(x, -1, axis=0),
    "the first entry along axis 0": lambda x: np.broadcast_to(x[:1], x.shape),
    "the entry before along axis 1": lambda x: np.roll(x, 1, axis=1) if x.ndim > 1 else None,
    "the entry after along axis 1": lambda x: np.roll(x, -1, axis=1) if x.ndim > 1 else None,
    "the transposed entry": lambda x: x.T if x.ndim == 2 and len(x) == len(x.T) else None,
}  # fmt: skip


def other_entries(case: Case) -> Iterator[Hypothesis]:
    """The entries of an array that is not differentiated, such as targets, are taken at other places."""
    for name, x in case.pilot.sample.arguments.items():
        if name not in case.pilot.graph.leaves and np.ndim(x) and np.asarray(x).dtype.kind == "f":
            for how, move in MOVES.items():
                text = f"of {name}, {how} is taken"
                yield Hypothesis("wrong index", text, lambda view, n=name, m=move: with_entries(view, n, m))


def with_entries(view: View, name: str, move: Callable[[Array], Array | None]) -> Array | None:
    """The gradient with the entries of an array moved, and all other numbers as they are."""
    graph, numbers = view.graph, np.asarray(view.sample.arguments[name], dtype=float)
    from_ = move(np.arange(numbers.size).reshape(numbers.shape))
    if from_ is None or numbers.size < 2 or not view.swept:
        return None
    data: dict[int, float] = {}
    for nodes in graph.arrays.values():
        constants = [[graph.at[p] for p in graph.nodes[i].parents if type(p) is Constant] for i in nodes]
        if len(nodes) == numbers.size and all(len(some) == 1 for some in constants):
            places = [some[0] for some in constants]
            used = np.array([graph.nodes[i].data for i in places])
            for x, order in ((numbers, from_), (numbers.T, from_.T)):
                if monotone(used, x.ravel()):  # t, or what was made of it before it met a Value, such as 1 - t
                    by_entry = np.empty_like(used)
                    by_entry[
                        np.arange(numbers.size).reshape(numbers.shape).ravel()
                        if x is numbers
                        else np.arange(numbers.size).reshape(numbers.shape).T.ravel()
                    ] = used
                    data |= dict(zip(places, by_entry[order.ravel()].tolist()))
                    break
    if not data:
        return None
    return graph.gradient(view.name, graph.slopes_at(graph.recomputed(data)))


def monotone(x: Array, y: Array) -> bool:
    """Whether x grows with y, or falls, entry by entry."""
    steps = np.diff(x[np.argsort(y, kind="stable")])
    return bool(np.all(steps >= 0) or np.all(steps <= 0)) and len(set(x.tolist())) == len(set(y.tolist())) > 1


# ---- the indices of the factors --------------------------------------------------------------------------------------


def dependent(x: Array) -> tuple[int, ...]:
    """The axes along which an array changes."""
    return tuple(a for a in range(x.ndim) if not np.allclose(x, x.take([0], axis=a), rtol=1e-9, atol=0))


def along(x: Array, axes: Sequence[int]) -> Array:
    """An array at the first place of all other axes."""
    return x[tuple(slice(None) if a in axes else 0 for a in range(x.ndim))]


def einsum(
    factors: Sequence[tuple[Array, str]], deltas: Sequence[str], output: str, sizes: dict[str, int]
) -> Array | None:
    """A product of factors with these indices and of deltas, summed over what is not in the output; None if sizes differ.

    An index "0" is the first place.
    """
    terms, letters = [], []
    for x, indices in factors:
        if any(letter != "0" and sizes[letter] != n for letter, n in zip(indices, x.shape, strict=True)):
            return None
        terms.append(x[tuple(0 if letter == "0" else slice(None) for letter in indices)])
        letters.append(indices.replace("0", ""))
    for pair in deltas:
        if sizes[pair[0]] != sizes[pair[1]]:
            return None
        terms.append(np.eye(sizes[pair[0]]))
        letters.append(pair)
    for letter in output:
        if not any(letter in some for some in letters):
            terms.append(np.ones(sizes[letter]))
            letters.append(letter)
    return np.einsum(",".join(letters) + "->" + output, *terms)


def replacements(indices: str, sizes: dict[str, int], most: int) -> Iterator[str]:
    """The same number of indices, of which at most some are others of the same size, or the first place."""
    for count in range(1, most + 1):
        for places in itertools.combinations(range(len(indices)), count):
            options = [
                [x for x in (*sizes, "0") if x != indices[p] and (x == "0" or sizes[x] == sizes[indices[p]])]
                for p in places
            ]
            for chosen in itertools.product(*options):
                letters = list(indices)
                for p, letter in zip(places, chosen):
                    letters[p] = letter
                yield "".join(letters)


def other_indices(case: Case) -> Iterator[Hypothesis]:
    """A factor of the sum of products is taken at other indices, or the product only where two indices are equal."""
    for key, (upstream, slopes) in case.pilot.parts.items():
        shape = upstream.shape
        letters = "n" + LETTERS[: len(shape) - 1]
        if len(letters) != len(shape):
            continue
        sizes = dict(zip(letters, shape))
        axes = dependent(upstream), dependent(slopes)
        own = ["".join(letters[a] for a in some) for some in axes]
        name = case.factor_name(key)
        both = own[0] + own[1]
        output = letters[1:]
        pairs = ["".join(pair) for pair in itertools.combinations(output, 2) if sizes[pair[0]] == sizes[pair[1]]]
        right = f"upstream[{', '.join(own[0])}]*{name}[{', '.join(own[1])}]"
        for deltas in ((), *((pair,) for pair in pairs)):
            for indices in (*([both] if deltas else []), *replacements(both, sizes, 2)):
                mine = indices[: len(own[0])], indices[len(own[0]) :]
                written = f"upstream[{', '.join(mine[0])}]*{name}[{', '.join(mine[1])}]"
                written += "".join(f"*[{pair[0]} = {pair[1]}]" for pair in deltas)
                over = " over n" if len(upstream) > 1 else ""
                text = f"a wrong index: entry [{', '.join(output)}] {'sums' if over else 'is'} {right}{over}, not {written}"
                text = text.replace("entry []", "the gradient").replace("[]", "")

                def predict(
                    view: View,
                    key: Any = key,
                    axes: Any = axes,
                    mine: Any = mine,
                    deltas: Any = deltas,
                    letters: str = letters,
                ) -> Array | None:
                    found = view.parts.get(key)
                    if found is None:
                        return None
                    here = dict(zip(letters, found[0].shape))
                    factors = [(along(x, some), indices) for x, some, indices in zip(found, axes, mine)]
                    value = einsum(factors, deltas, letters[1:], here)
                    return None if value is None else value + view.gw - (found[0] * found[1]).sum(axis=0)

                turned = not deltas and all(sorted(a) == sorted(b) for a, b in zip(own, mine))
                yield Hypothesis("transposed" if turned else "wrong index", text, predict)


def reversed_index(case: Case) -> Iterator[Hypothesis]:
    """The factors in reverse: a convolution, with its kernel flipped, where f is a cross-correlation."""
    for key, (upstream, _) in case.pilot.parts.items():
        for axes in [(axis,) for axis in range(1, upstream.ndim)] + [tuple(range(1, upstream.ndim))]:
            text = (
                f"{case.name} is flipped, as the kernel of a convolution is; f does not flip it (a cross-correlation)"
            )

            def predict(view: View, key: Any = key, axes: tuple[int, ...] = axes) -> Array | None:
                found = view.parts.get(key)
                return (
                    None if found is None else (found[0] * (np.flip(found[1], axes) - found[1])).sum(axis=0) + view.gw
                )

            yield Hypothesis("wrong index", text, predict)


# ---- Jacobians -------------------------------------------------------------------------------------------------------


class Product(NamedTuple):
    """An argument's entry times deltas, as a formula for a Jacobian."""

    name: str  # "" for a 1
    indices: str
    deltas: tuple[str, ...]

    def __str__(self) -> str:
        entry = [f"{self.name}[{', '.join(self.indices)}]"] if self.name else []
        return "*".join([*entry, *(f"[{pair[0]} = {pair[1]}]" for pair in self.deltas)]) or "1"


def products(view: View) -> Iterator[tuple[Product, Array | None]]:
    """All such formulas that fit the shapes, and their numbers."""
    letters = "ijklmnopqr"[: view.g.ndim]
    sizes = dict(zip(letters, view.g.shape))
    pairs = ["".join(pair) for pair in itertools.combinations(letters, 2) if sizes[pair[0]] == sizes[pair[1]]]
    arrays = {name: np.asarray(x, dtype=float) for name, x in view.sample.arguments.items() if np.ndim(x)}
    for count in range(3):
        for deltas in itertools.combinations(pairs, count):
            for name, x in {"": np.array(1.0), **arrays}.items():
                for indices in itertools.product(letters, repeat=x.ndim):
                    product = Product(name, "".join(indices), deltas)
                    yield product, value_of(product, view)


def value_of(product: Product, view: View) -> Array | None:
    letters = "ijklmnopqr"[: view.g.ndim]
    sizes = dict(zip(letters, view.g.shape))
    x = np.asarray(view.sample.arguments[product.name], dtype=float) if product.name else np.array(1.0)
    return einsum([(x, product.indices)], product.deltas, letters, sizes)


def jacobian_indices(case: Case) -> Iterator[Mistake]:
    """Of a Jacobian that is an entry times deltas: another entry, or other deltas."""
    view = next((view for view in case.wrong if view.c.shape == view.g.shape), None)
    if view is None or not view.shape or view.g.ndim > 5:
        return
    claimed, right = [], []
    for product, value in products(view):
        if value is not None:
            if same(value, view.c):
                claimed.append(product)
            elif same(value, view.g):
                right.append(product)
    outputs, inputs = ", ".join("ijklmnopqr"[: len(view.shape)]), ", ".join("ijklmnopqr"[len(view.shape) : view.g.ndim])
    for product in claimed:
        true = [p for p in right if all(same(v, w.g) for w in case.views if (v := value_of(p, w)) is not None)]
        is_right = f", where {true[0]} is right" if true else ""
        text = f"an index is wrong: output [{outputs}] by {case.name}[{inputs}] is claimed as {product}{is_right}"
        if case.holds(Hypothesis("wrong index", text, lambda view, p=product: value_of(p, view), True)):
            yield Mistake("wrong index", text)


# ---- the last resort: which terms ------------------------------------------------------------------------------------


class Terms(NamedTuple):
    """Where among the factors of a gradient those stand whose products its terms are.

    The upstream gradients may be summed in blocks, such as those of one example.
    """

    upstream: list[int]
    slopes: list[int]
    blocks: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.blocks, len(self.slopes)

    def of(self, upstream: Array, slopes: Array) -> Array:
        sums = upstream[self.upstream].reshape(self.blocks, -1).sum(axis=1)
        return np.outer(sums, slopes[self.slopes]).ravel()


def distinct(x: Array) -> list[int]:
    """Places of the different numbers in an array, in order."""
    _, places = np.unique(np.round(x / np.max(np.abs(x), initial=1e-300), 12), return_index=True)
    return sorted(places.tolist())


def factors_of(view: View, name: str) -> tuple[Array, Array]:
    """Upstream gradients at every use of every entry of the argument, and the factors there; of an array, all its entries."""
    graph = view.graph
    uses = [use for leaf in graph.leaves[view.name].ravel() if leaf >= 0 for use in graph.consumers[leaf]]
    upstream = np.array([graph.upstream[i] for i, _ in uses])
    if name:
        return upstream, np.ravel(np.asarray(view.sample.arguments[name], dtype=float))
    return upstream, np.array([graph.edges[i][k][1] for i, k in uses])


def terms_of(case: Case, view: View) -> Iterator[tuple[str, Terms]]:
    """The terms that may be fitted: all products, or if these are too many, those with sums over blocks."""
    upstream, slopes = factors_of(view, "")
    if not upstream.size:
        return
    arguments = view.sample.arguments
    owner = next((n for n, x in arguments.items() if np.ndim(x) and n != case.name and np.isin(slopes, x).all()), "")
    places, others = distinct(upstream), distinct(factors_of(view, owner)[1])
    lengths = [axis.of(view) for axis in case.axes([(view, 1.0)])]
    for blocks in dict.fromkeys([len(places), *sorted(lengths), 1]):
        if len(places) % blocks == 0 and 1 < blocks * len(others) <= MOST_TERMS:
            yield owner, Terms(places, others, blocks)


def regression(case: Case) -> Mistake | None:
    """The claim as a sum of the right kind of terms with whole coefficients, fitted to further samples."""
    if case.more is None or not any(
        map(np.ndim, case.pilot.sample.arguments.values())
    ):  # of numbers: calculus, no indices
        return None
    (sample,) = case.more(1)
    view = View(sample, case.name, case.kinds)
    if view.cw is None or view.cw.shape != view.gw.shape or not view.swept:
        return None
    candidates = list(terms_of(case, view))
    if not candidates:
        return None
    count = max(t.shape[0] * t.shape[1] for _, t in candidates)
    drawn = [View(x, case.name, case.kinds) for x in case.more(min(count + 10, MOST_SAMPLES))]
    factors = [factors_of(view, candidates[0][0]) for view in drawn]
    if any(v.cw is None or len(f[0]) <= max(candidates[0][1].upstream) for v, f in zip(drawn, factors)):
        return None
    claims, rights = (
        np.array([np.ravel(np.asarray(x)) for x in some]) for some in ([v.cw for v in drawn], [v.gw for v in drawn])
    )
    for _, terms in candidates:
        numbers = np.array([terms.of(*some) for some in factors])
        whole = fitted(numbers, claims)
        if whole is not None:
            return misplaced(view, terms, whole, fitted(numbers, rights))
    return None


def fitted(numbers: Array, results: Array) -> Array | None:
    """Whole coefficients, mostly zeros, that give the results of all samples; else None.

    For each entry the terms are chosen one after the other, each the one that is most like what is still unexplained
    (orthogonal matching pursuit, Pati, Rezaiifar & Krishnaprasad 1993).
    """
    scale = np.linalg.norm(numbers, axis=0)
    whole = np.zeros((numbers.shape[1], results.shape[1]))
    for entry, result in enumerate(results.T):
        chosen: list[int] = []
        left = result
        while np.max(np.abs(left)) > 1e-7 * np.max(np.abs(results)):
            if 3 * len(chosen) > len(result):  # so many would fit anything
                return None
            chosen.append(int(np.argmax(np.abs(left @ numbers) / np.where(scale, scale, np.inf))))
            found = np.linalg.lstsq(numbers[:, chosen], result, rcond=None)[0]
            left = result - numbers[:, chosen] @ found
            whole[chosen, entry] = found
    return np.round(whole) if np.any(whole) and np.max(np.abs(whole - np.round(whole))) < 1e-4 else None


def misplaced(view: View, terms: Terms, claimed: Array, right: Array | None) -> Mistake:
    """What is wrong with the coefficients, told of the entry where most are."""
    worst = int(np.argmax(np.abs(claimed - (0 if right is None else right)).sum(axis=0)))
    entry = np.unravel_index(worst, view.gw.shape)
    place = f"[{', '.join(map(str, entry))}]" if entry else ""
    of_worst = claimed[:, worst].reshape(terms.shape)
    rows, columns = (np.count_nonzero(of_worst.any(axis=a)) for a in (1, 0))
    blocks = terms.blocks < len(terms.upstream)
    if np.linalg.matrix_rank(of_worst) == 1 and (rows > 1 or blocks) and columns > 1:
        text = "a product of sums for a sum of products: every upstream gradient times every factor, not each its own"
        return Mistake("summed twice", text)
    if right is None:
        text = f"the gradient of {view.name}{place} has the right kind of terms, taken at other places"
        return Mistake("wrong index", text)
    lacking = int(np.maximum(right - claimed, 0)[:, worst].sum())
    extra = int(np.maximum(claimed - right, 0)[:, worst].sum())
    all_of_them = int(np.abs(right[:, worst]).sum())
    told = [f"{lacking} of {all_of_them} are missing"] * bool(lacking) + [f"{extra} do not belong there"] * bool(extra)
    if lacking == all_of_them == 1:
        told = ["it has another one than its own"]
    text = f"terms are taken at other places: in the gradient of {view.name}{place} {' and '.join(told)}"
    return Mistake("wrong index", text)
