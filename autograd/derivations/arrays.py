"""Mistakes that show in the arrays alone: a factor, axes exchanged, a sum forgotten, a regulariser."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .cases import Array, Axis, Case, Hypothesis, Mistake, View, number_text, ordinals, part_is, ratio_of, same

Found = Iterator[Hypothesis | Mistake]


def constant_factor(case: Case) -> Found:
    """A sign, a number, or a size, by which the whole gradient is multiplied."""
    yield from whole_factor(case, lambda ratios: case.explain_factor(ratios, named=False))
    yield from only_given_size(case)


def argument_factor(case: Case) -> Found:
    """An argument by which the whole gradient is multiplied: only if no slope is it."""
    yield from whole_factor(case, case.named_factor)


def whole_factor(case: Case, explain: Callable[..., tuple[str, str] | None]) -> Found:
    """A factor of the whole gradient that can be explained."""
    ratios = whole_ratios(case)
    found = explain(ratios) if ratios else None
    if found:
        kind, words = found
        yield Mistake(kind, "the sign is flipped" if kind == "sign" else words)


def whole_ratios(case: Case) -> list[tuple[View, float]]:
    """The claim by the gradient, where that is not 0; none if they are not in proportion."""
    ratios = []
    for view in case.views:
        if is_zero(view.gw, view) and view.cw is not None and is_zero(view.cw, view):
            continue
        ratio = ratio_of(view.c, view.g)
        if ratio is None:
            return []
        ratios.append((view, ratio))
    few = sum(np.count_nonzero(view.g) for view, _ in ratios) < 2  # any two numbers have a ratio
    return [] if few else ratios


def is_zero(x: Array, view: View) -> bool:
    """Whether an array is 0, but for rounding."""
    return bool(np.max(np.abs(x), initial=0) <= 1e-13 * view.scale)


def only_given_size(case: Case) -> Found:
    """A size that is written as the number that it has at the given point."""
    ratios, given = whole_ratios(case), case.all_views[0]
    if len(ratios) < 2 or not given.right:
        return
    for axis in case.axes([(view, 1.0) for view in case.all_views]):
        size = axis.of(given)
        for power, verb in ((1, "divided"), (-1, "multiplied")):
            expected = [(axis.of(view) / size) ** power for view, _ in ratios]
            if size > 1 and np.allclose([r for _, r in ratios], expected, rtol=1e-6):
                nouns = axis.noun(given)
                text = f"right only for {size} {nouns} in {axis.name}: {verb} by {size}, however many {nouns} there are"
                yield Mistake("batch of one", text)


def transposed(case: Case) -> Found:
    """The axes in another order."""
    ndim, given = np.ndim(case.pilot.g), case.all_views[0].g.shape
    for axes in itertools.permutations(range(ndim)):
        if axes != tuple(range(ndim)):
            right = given if len(set(given)) > 1 else case.pilot.g.shape
            wrong = tuple(right[axis] for axis in axes)
            shapes = f"shape {wrong} instead of {right}" if right != wrong else "its axes are exchanged"
            yield Hypothesis(
                "transposed", f"transposed: {shapes}", lambda view, axes=axes: view.g.transpose(axes), True
            )


def other_shape(case: Case) -> Found:
    """The right numbers in another shape."""
    if case.pilot.c.shape != case.pilot.g.shape and case.pilot.c.size == case.pilot.g.size:
        text = f"the numbers are right, but of shape {case.pilot.c.shape} instead of {case.pilot.g.shape}: reshape it"
        yield Hypothesis("transposed", text, lambda view: reshaped(view, view.g), True)
        if case.pilot.g.ndim > 1:
            text = f"the numbers are right, but transposed and of shape {case.pilot.c.shape}"
            yield Hypothesis("transposed", text, lambda view: reshaped(view, view.g.T), True)


def reshaped(view: View, g: Array) -> Array:
    """g in the shape of the claim, if that differs by axes of length 1 alone; else as it is."""
    claimed, right = ([n for n in shape if n != 1] for shape in (view.c.shape, g.shape))
    return g.reshape(view.c.shape) if claimed == right else g


def function_itself(case: Case) -> Found:
    """f's own value instead of its derivative."""

    def predict(view: View) -> Array | None:
        value = np.array([x.data for x in np.ravel(np.asarray(view.sample.output, dtype=object))]).reshape(view.shape)
        return np.broadcast_to(value.reshape(view.shape + (1,) * (view.g.ndim - len(view.shape))), view.g.shape)

    yield Hypothesis("not a derivative", "that is the value of the function itself, not its derivative", predict, True)


def sums_of_right(case: Case) -> Found:
    """The right entries summed over an axis that they have: each row the total."""
    shape = np.shape(case.pilot.gw)
    axes = range(len(shape))
    for some in [*((axis,) for axis in axes), *([tuple(axes)] if len(shape) > 1 else [])]:
        over = f"axis {some[0]}" if len(some) == 1 else "all entries"
        text = f"summed twice: every entry is the total over {over}, which the gradient still has"
        yield Hypothesis(
            "summed twice",
            text,
            lambda view, some=some: np.broadcast_to(view.gw.sum(axis=some, keepdims=True), view.gw.shape),
        )
        text = f"summed once too often: over {over}, which the gradient still has"
        for keep in (False, True):
            yield Hypothesis(
                "summed twice", text, lambda view, some=some, keep=keep: view.gw.sum(axis=some, keepdims=keep)
            )


def extra_axis(case: Case) -> Found:
    """An axis too many, whose sum is the gradient: summing was forgotten."""
    pilot = case.pilot
    if pilot.cw is None or pilot.cw.ndim != pilot.gw.ndim + 1:
        return
    for axis in range(pilot.cw.ndim):
        if all(
            view.cw is not None and view.cw.ndim == view.gw.ndim + 1 and same(view.cw.sum(axis=axis), view.gw)
            for view in case.wrong
        ):
            given = case.all_views[0]
            alike = given.cw is not None and given.cw.ndim == pilot.cw.ndim
            claimed: Any = given.cw if alike else pilot.cw
            left = f"axis {axis} of what is claimed (length {claimed.shape[axis]}) is left over"
            yield Mistake("not summed", f"not summed: {left}; the gradient is the sum over it")


# ---- the regulariser -------------------------------------------------------------------------------------------------


def penalty_kinds(view: View) -> set[int]:
    """The kinds of terms that depend on one entry of the argument alone, and not in proportion to it."""
    graph = view.graph
    leaves = [int(leaf) for leaf in graph.leaves[view.name].ravel() if leaf >= 0]
    moved = graph.recomputed({leaf: -1.7 * graph.nodes[leaf].data for leaf in leaves})
    mixed = graph.mixed
    found = set()
    for i, sole in enumerate(graph.sole):
        last = not graph.consumers[i] or any(graph.sole[user] != sole for user, _ in graph.consumers[i])
        if (
            sole in leaves
            and i != sole
            and last
            and not mixed[i]
            and not np.isclose(moved[i], -1.7 * graph.nodes[i].data)
        ):
            found.add(graph.kinds[i])
    return found


def penalty(view: View, kinds: set[int]) -> Array:
    """The part of the gradient that comes through such terms."""
    graph, at = view.graph, view.graph.leaves[view.name]
    part = dict.fromkeys(at.ravel().tolist(), 0.0)
    for i, kind in enumerate(graph.kinds):
        sole = graph.sole[i]
        if (
            kind in kinds
            and sole in part
            and kind != graph.kinds[sole]
            and graph.nodes[i].rule.name == graph.table.kinds[kind].operation
        ):
            part[sole] += graph.upstream[i] * graph.derivative(i, sole)
    return np.array(list(map(part.__getitem__, at.ravel().tolist()))).reshape(at.shape)


def regulariser(case: Case) -> Found:
    """The penalty on the parameter is forgotten, or its factor is wrong."""
    kinds, name = penalty_kinds(case.pilot), case.name
    parts = {id(view): penalty(view, kinds) for view in case.views}
    if kinds:
        ratios = []
        for view in case.views:
            part = parts[id(view)]
            if view.cw is None or view.cw.shape != part.shape:
                return
            if np.any(part):
                rest = view.cw - view.gw
                ratio = 0.0 if same(rest, 0 * rest, np.max(np.abs(view.gw)) * 1e-1) else ratio_of(rest, part)
                if ratio is None:
                    break
                ratios.append((view, ratio + 1))
            elif not view.right:
                break
        else:
            if ratios and any(not same(parts[id(view)], view.gw) for view, _ in ratios):
                if all(abs(ratio) < 1e-5 for _, ratio in ratios):
                    view = ratios[0][0]
                    per_leaf = ratio_of(parts[id(view)], view.data)
                    add = f": add {number_text(per_leaf)}*{name}" if per_leaf else ""
                    yield Mistake(
                        "regulariser missing", f"the regulariser's part of the gradient of {name} is missing{add}"
                    )
                found = case.explain_factor(ratios)
                if found:
                    part = f"the regulariser's part of the gradient of {name}"
                    yield Mistake("regulariser factor", part_is(part, found[1]))
        yield from rest_factor(case, parts)
    yield from foreign_penalty(case, parts)


def foreign_penalty(case: Case, parts: dict[int, Array]) -> Found:
    """The slope of a penalty that f has not, instead of its own or besides."""
    numbers = [name for name, x in case.pilot.sample.arguments.items() if np.ndim(x) == 0]
    for word, values in ((case.name, lambda x: x), (f"sign({case.name})", np.sign)):
        for own in (False, True):
            factors, at = [], []
            for view in case.views:
                if view.cw is None or view.cw.shape != view.data.shape:
                    return
                base = view.gw - parts[id(view)] * own
                factor = ratio_of(view.cw - base, values(view.data)) if np.any(base) else None
                if factor is None:
                    break
                factors.append(factor)
                at.append(view)
            else:
                several = len(factors) > 1 and max(view.data.size for view in case.views) > 1
                for name in ("", *numbers):
                    by = [float(view.sample.arguments[name]) if name else 1.0 for view in at]
                    if several and np.allclose(factors, np.multiply(by, factors[0] / (by[0] or np.nan)), rtol=1e-5):
                        factor = factors[0] / by[0]
                        front = "" if name and np.isclose(factor, 1) else f"{number_text(factor)}*"
                        product = f"{front}{name}{'*' * bool(name)}{word}"
                        yield Mistake(
                            "regulariser factor", f"{product} is added, which is not the slope of a penalty in f"
                        )


def rest_factor(case: Case, parts: dict[int, Array]) -> Found:
    """A factor of all but the regulariser's part."""
    ratios = []
    for view in case.views:
        part = parts[id(view)]
        if view.cw is None or view.cw.shape != part.shape:
            return
        ratio = ratio_of(view.cw - part, view.gw - part)
        if ratio is not None:
            ratios.append((view, ratio))
        elif not view.right:
            return
    found = case.explain_factor(ratios) if ratios else None
    if found:
        yield Mistake(found[0], f"all but the regulariser's part: {found[1]}")


# ---- the sum over examples -------------------------------------------------------------------------------------------


def batch_sum(case: Case) -> Found:
    """The gradient is a sum of one part per example: one part alone, all side by side, or summed over another axis."""
    for key, (upstream, _) in case.pilot.parts.items():
        count = len(upstream)

        def parts(view: View, key: tuple[int, int] = key) -> Array | None:
            found = view.parts.get(key)
            return None if found is None else found[0] * found[1]

        def rest(view: View, key: tuple[int, int] = key) -> Array | None:
            part = parts(view, key)
            return None if part is None else view.gw - part.sum(axis=0)

        axis = case.axis_of(key)
        given = case.all_views[0].parts.get(key, (upstream,))[0]
        of = case.many(axis) if axis else f"its {len(given)} uses"
        for word, index in ordinals(count):
            text = f"only the {word} of {of} counts: the sum over them is missing"
            yield Hypothesis("not summed", text, lambda view, p=parts, r=rest, k=index: picked(p(view), r(view), k))
        for block in case.axes([(view, 1.0) for view in case.views]):
            if 1 < block.of(case.pilot) < count and count % block.of(case.pilot) == 0:
                for word, index in (("first", 0), ("last", -1)):
                    text = f"only the {word} of {case.many(block)} counts: the sum over them is missing"
                    yield Hypothesis(
                        "not summed",
                        text,
                        lambda view, p=parts, r=rest, k=index, b=block: picked(
                            blocks(p(view), b.of(view), 1), r(view), k
                        ),
                    )
                    text = f"only the {word} use in each of these counts: the {block.noun(case.pilot)} of {block.name}"
                    yield Hypothesis(
                        "not summed",
                        text,
                        lambda view, p=parts, r=rest, k=index, b=block: picked(
                            blocks(p(view), b.of(view), 0), r(view), k
                        ),
                    )
        for axes in itertools.permutations(range(upstream.ndim)):
            text = f"not summed: there is still an entry for each of {of}"
            yield Hypothesis("not summed", text, lambda view, p=parts, axes=axes: turned(p(view), axes))
        for over in range(1, upstream.ndim):
            if upstream.shape[over] == 1 and case.pilot.cw is not None and case.pilot.cw.shape == case.pilot.gw.shape:
                continue
            text = f"summed over the wrong axis: over axis {over - 1} of {case.name}, not over {of}"
            yield Hypothesis("wrong axis", text, lambda view, p=parts, over=over: summed(p(view), over))
            if upstream.ndim == 3:
                yield Hypothesis(
                    "wrong axis", text, lambda view, p=parts, over=over: turned(summed(p(view), over), (1, 0))
                )
        text = f"a product of sums for the sum of products: both factors are summed over {of} first"

        def product(view: View, key: tuple[int, int] = key) -> Array | None:
            found = view.parts.get(key)
            return None if found is None else found[0].sum(axis=0) * found[1].sum(axis=0) + rest(view, key)

        yield Hypothesis("summed twice", text, product)


def blocks(parts: Array | None, count: int, axis: int) -> Array | None:
    """Parts that are counted by an outer index and an inner one, summed over one of them."""
    return None if parts is None or len(parts) % count else parts.reshape(count, -1, *parts.shape[1:]).sum(axis=axis)


def picked(parts: Array | None, rest: Array | None, k: int) -> Array | None:
    return None if parts is None or not -len(parts) <= k < len(parts) else parts[k] + rest


def turned(x: Array | None, axes: tuple[int, ...]) -> Array | None:
    return None if x is None else x.transpose(axes)


def summed(x: Array | None, axis: int) -> Array | None:
    return None if x is None else x.sum(axis=axis)


# ---- right at some samples ---------------------------------------------------------------------------------------------


def integer_one(case: Case) -> Found:
    """Right only where an integer argument, such as a stride, is 1 (or 0)."""
    for name, given in case.pilot.sample.arguments.items():
        if np.ndim(given) == 0 and isinstance(given, (int, np.integer)) and not isinstance(given, bool):
            for number in (1, 0):
                if case.right_where(lambda view, name=name, number=number: view.sample.arguments[name] == number):
                    yield Mistake("stride", f"right only for {name} = {number}")


def targets_that_sum(case: Case) -> Found:
    """Right only where targets sum to 1."""
    for name, targets in case.pilot.sample.arguments.items():
        if np.ndim(targets) and np.asarray(targets).dtype.kind == "f" and name != case.name:
            text = f"right only where {name} sums to 1: a - {name} for softmax is in general a*sum({name}) - {name}"
            for axis in range(np.ndim(targets)):
                yield Hypothesis("sum of targets", text, lambda view, n=name, a=axis: normalised(view, n, a))
    if case.right_where(lambda view: view.sample.kind != "sums"):
        names = [name for view in case.wrong for name in view.sample.varied if name in view.sample.arguments]
        what = names[0] if names else "the targets"
        yield Mistake("sum of targets", f"right only where {what} sums to 1: in general a - t is a*sum(t) - t")


def normalised(view: View, name: str, axis: int) -> Array | None:
    """The gradient if what comes through a softmax's sum were divided by the sum of the targets."""
    graph = view.graph
    sums = np.ravel(np.sum(view.sample.arguments[name], axis=axis))
    shared = graph.shared_sums
    if len(shared) != len(sums) or not view.swept or np.any(np.abs(sums) < 1e-9):
        return None
    edges = {edge: total for (_, group), total in zip(sorted(shared.items()), sums) for edge in group}
    change: dict[int, Any] = {}
    for (i, k), total in edges.items():
        row = change.setdefault(i, list(graph.edges[i]))
        row[k] = (row[k][0], row[k][1] / total)
    return graph.gradient(view.name, change)


def size_one(case: Case) -> Iterator[Mistake]:
    """Right only where some axis has length 1: a batch of one; or an axis of the argument itself."""
    batches: list[Axis] = []
    own: list[Axis] = []
    kinds = penalty_kinds(case.pilot)

    def tells(view: View) -> bool:  # not where the gradient is 0, or the slope of a penalty alone
        return not any(is_zero(x, view) for x in (view.gw, view.gw - penalty(view, kinds)))

    for axis in case.axes([(view, 1.0) for view in case.all_views]):
        if axis.axis is not None and case.right_where(lambda view, axis=axis: axis.of(view) == 1, 4, tells):
            of_argument = any(
                all(axis.of(view) == view.data.shape[k] for view in case.all_views) for k in range(case.pilot.data.ndim)
            )
            (own if of_argument or not is_batch(case, axis) else batches).append(axis)
    wrong = "wrong here; " if case.views and case.views[0].sample.kind == "given" and not case.views[0].right else ""
    for axis in batches:
        yield Mistake("batch of one", f"{wrong}right only for a batch of one ({axis.single(case.pilot)})")
    for axis in own:
        where = f"{axis.name} has 1 {axis.noun(case.pilot, 1)}"
        yield Mistake("batch of one", f"{wrong}right only where {where}")


LINEAR = ("+", "-", "*", "/", "neg", "sum", "mean")


def is_batch(case: Case, axis: Axis) -> bool:
    """Whether an axis counts examples: what is made of several of its entries is a sum of what is made of each."""
    view = max(case.all_views, key=lambda view: min(axis.of(view), 3))
    graph, start = view.graph, 0
    for name, x in view.sample.arguments.items():
        if name == axis.name:
            places = np.moveaxis(np.arange(np.size(x)).reshape(np.shape(x)), axis.axis or 0, 0)
            rows = [sum(1 << (start + int(k)) for k in np.ravel(row)) for row in places]
            for i, bits in enumerate(graph.entries):
                several = sum(bool(bits & row) for row in rows) > 1
                if several and not (graph.operation(i) in ("sum", "part") or graph.nodes[i].rule.name in LINEAR):
                    return False
        start += np.size(x)
    return True
