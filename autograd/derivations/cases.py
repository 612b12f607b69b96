"""One claim at all of its samples: what a mistake is judged by, and the words for sizes and kinds in its text."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from .functions import Functions
from .graphs import Graph, Kinds
from .samples import Sample

TOLERANCE = 1e-7
Array = Any


class Mistake(NamedTuple):
    """What is wrong with a claim."""

    kind: str
    text: str


class Hypothesis(NamedTuple):
    """A mistake that may have been made, and what a claim with it would be."""

    kind: str
    text: str | Callable[..., str]
    predict: Callable[..., Array | None]  # of a View; None: nothing can be said of this sample
    raw: bool = False  # whether it predicts a whole Jacobian, not its product with the weights of the outputs


def same(x: Any, y: Any, scale: float = 0.0) -> bool:
    """Whether two arrays are of one shape and equal within rounding: relative to the largest entry, or to a larger scale."""
    x, y = np.asarray(x), np.asarray(y)
    if x.shape != y.shape:
        return False
    scale = max(np.max(np.abs(x), initial=0), np.max(np.abs(y), initial=0), scale)
    return bool(np.isfinite(scale) and np.max(np.abs(x - y), initial=0) <= TOLERANCE * scale)


def ratio_of(x: Any, y: Any) -> float | None:
    """r where x = r y and neither is 0, else None."""
    x, y = np.asarray(x), np.asarray(y)
    if x.shape != y.shape or not x.size:
        return None
    length = float(np.sum(y * y))
    r = float(np.sum(x * y)) / length if length else 0.0
    return r if abs(r) > 1e-12 and same(x, r * y) else None


class View:
    """A sample as a claim is judged at it.

    Attributes:
        g, c: the engine's gradient and the claimed one; c is None if the claim raised.
        gw, cw: of a Jacobian their products with random weights of the outputs; else the same. cw is None if c's shape does
            not begin with that of the outputs.
    """

    def __init__(self, sample: Sample, name: str, kinds: Kinds) -> None:
        self.sample, self.name, self.kinds = sample, name, kinds
        claimed = sample.claimed[name]
        self.g = np.asarray(sample.gradient[name], dtype=float)
        self.c: Any = None if isinstance(claimed, Exception) else np.asarray(claimed, dtype=float)
        if self.c is not None and not np.all(np.isfinite(self.c)):
            self.c = None
        self.shape = np.shape(sample.output)
        self.weights = np.random.default_rng(0).uniform(0.5, 2, self.shape) if self.shape else np.array(1.0)
        self.gw, self.cw = self.weighted(self.g), None if self.c is None else self.weighted(self.c)
        self.right = self.c is not None and (same(self.c, self.g) or same(self.c, self.g, 1e-3 * self.scale))

    def weighted(self, jacobian: Any) -> Any:
        """A Jacobian times the weights of the outputs."""
        if jacobian.shape[: len(self.shape)] != self.shape:
            return None
        return np.tensordot(self.weights, jacobian, len(self.shape))

    @cached_property
    def graph(self) -> Graph:
        outputs = np.ravel(np.asarray(self.sample.output, dtype=object))
        weights, sample = list(np.ravel(self.weights)), self.sample
        return Graph(list(outputs), weights, sample.leaves, sample.arguments, self.kinds)

    @cached_property
    def scale(self) -> float:
        """How large what cancels in the gradient is: a sweep of the local derivatives without their signs gives it."""
        change = {i: [(p, abs(slope)) for p, slope in edges] for i, edges in enumerate(self.graph.edges)}
        return float(np.max(self.graph.gradient(self.name, change), initial=0))

    @cached_property
    def swept(self) -> bool:
        """Whether the graph's own sweep gives the gradient: not if a node was made by hand."""
        return same(self.graph.gradient(self.name), self.gw, 1e-3 * self.scale)

    @cached_property
    def data(self) -> Any:
        """The claimed argument's numbers here."""
        leaves = np.asarray(self.sample.leaves[self.name], dtype=object)
        return np.array([leaf.data for leaf in leaves.ravel()], dtype=float).reshape(leaves.shape)

    @cached_property
    def parts(self) -> dict[tuple[int, int], tuple[Array, Array]]:
        """What each use of the argument contributes: (kind of the user, which edge) -> upstream and slopes [use, *entry].

        Users of which the entries do not all have equally many are left out.
        """
        graph, at = self.graph, self.graph.leaves[self.name]
        found: dict[tuple[int, int], list[list[tuple[float, float]]]] = {}
        for position, leaf in enumerate(at.ravel()):
            if leaf >= 0:
                for i, edge in graph.consumers[leaf]:
                    key = graph.kinds[i], edge if graph.kinds[i] not in graph.sums else 0
                    rows = found.setdefault(key, [[] for _ in range(at.size)])
                    rows[position].append((graph.upstream[i], graph.edges[i][edge][1]))
        parts = {}
        for key, rows in found.items():
            if len({len(row) for row in rows}) == 1:
                pairs = np.array(rows, dtype=float)  # entry, use, 2
                pairs = np.moveaxis(pairs, 0, 1).reshape(pairs.shape[1], *at.shape, 2)
                parts[key] = pairs[..., 0], pairs[..., 1]
        return parts

    def judged(self, raw: bool) -> Any:
        return self.c if raw else self.cw


class Case:
    """A claim at all of its samples.

    Attributes:
        views: the samples at which the claim gave an array.
        wrong: those where it is not the gradient; the most telling one first.
        pilot: one of these, at which every hypothesis is tried first.
    """

    def __init__(self, samples: Sequence[Sample], name: str, more: Callable[[int], list[Sample]] | None = None) -> None:
        self.name, self.more, self.kinds = name, more, Kinds()
        self.all_views = [View(sample, name, self.kinds) for sample in samples]
        self.views = judged([view for view in self.all_views if view.c is not None])
        self.wrong = sorted([view for view in self.views if not view.right], key=self.obscurity)
        self.pilot = [*self.wrong, *self.all_views][0]

    def obscurity(self, view: View) -> tuple[Any, ...]:
        """How little a sample tells: sizes of 1 and special targets, nothing but zeros, equal sizes; then a large graph."""
        shapes = [n for x in view.sample.arguments.values() for n in np.shape(x)]
        plain = view.sample.kind in ("given", "random", "sizes", "integers")
        varied = len(set(shapes))
        return (not np.any(view.c), 1 in shapes, not plain, not np.any(view.g), -min(varied, 3), sum(shapes))

    @property
    def graphs(self) -> list[Graph]:
        return [view.graph for view in self.views]

    @cached_property
    def functions(self) -> Functions:
        """The functions of one number in the pilot's graph."""
        return Functions(self.pilot.graph, self.graphs)

    def factor_name(self, key: tuple[int, int]) -> str:
        """What a use of the claimed argument multiplies it with: an argument, a function's output, or "slope"."""
        graph, (kind, edge) = self.pilot.graph, key
        node = graph.nodes[(graph.arrays.get(kind) or graph.members[kind])[0]]
        others = [
            parent
            for parent in node.parents
            if parent is not self.pilot.graph.nodes[graph.edges[graph.at[node]][edge][0]]
        ]
        if len(others) != 1:
            return "slope"
        (other,) = others
        for name, x in self.pilot.sample.arguments.items():
            if np.asarray(x).dtype.kind == "f" and np.any(np.asarray(x) == other.data):
                return name
        of_kind = graph.kinds[graph.at[other]]
        named = [chain for chain in self.functions.named if chain[0] == of_kind]
        return str(self.functions.named[named[-1]]) if named else "slope"

    def array_name(self, kind: int) -> str:
        """What an array of the graph is: an argument, or what it comes out of."""
        graph = self.pilot.graph
        named = [chain for chain in self.functions.named if chain[0] == kind]
        if named:
            return f"the output of {self.functions.title(named[-1])}"
        made = self.kinds.kinds[kind if kind >= 0 else -2 - kind]
        return (
            str(made.operands[0])
            if made.operation == "leaf"
            else f"a result of {graph.nodes[(graph.arrays.get(kind) or graph.members[kind])[0]].rule.name}"
        )

    def pilots(self) -> Iterable[None]:
        """Take one telling sample after the other as the pilot: first of all samples, then of those of the right shape."""
        fitting = [view for view in self.wrong if view.c.shape == view.g.shape]
        for view in dict.fromkeys([self.wrong[0], *fitting[:1]]):
            self.pilot = view
            self.__dict__.pop("functions", None)
            yield

    def holds(self, found: Hypothesis, factor: Callable[..., float] = lambda view: 1.0) -> bool:
        """Whether the claim is what the hypothesis predicts, wherever it predicts anything."""
        for view in self.views:
            predicted, claimed = found.predict(view), view.judged(found.raw)
            if predicted is not None and (
                claimed is None or not same(claimed, np.asarray(predicted) * factor(view), 1e-5 * view.scale)
            ):
                return False
        return True

    # ---- factors ---------------------------------------------------------------------------------------------------

    def explain_factor(self, ratios: Sequence[tuple[View, float]], named: bool = True) -> tuple[str, str] | None:
        """(kind, words) of a factor known at some samples: a number, a size, or if `named` an argument that is a number."""
        first = ratios[0][1]
        if all(np.isclose(r, first, rtol=1e-6) for _, r in ratios):
            if not self.varies(ratios):
                for axis in self.axes(ratios):
                    if np.isclose(abs(first), axis.of(ratios[0][0])) and abs(first) > 2.5:
                        return "size factor", f"{times(first)}, which is {axis.words(ratios[0][0])}"
            return ("sign", "with the sign flipped") if np.isclose(first, -1) else ("factor", times(first))
        for power, constant in POWERS:
            for axis in self.axes(ratios):
                expected = [constant * float(axis.of(view)) ** power for view, _ in ratios]
                for sign in (1, -1):
                    if np.allclose([sign * r for _, r in ratios], expected, rtol=1e-6):
                        return "size factor", size_factor(axis, power, constant * sign, ratios[0][0])
        axes = self.axes(ratios)
        for one, other in itertools.permutations(axes, 2):
            quotients = [one.of(view) / other.of(view) for view, _ in ratios]
            for sign in (1, -1):
                if np.allclose([sign * r for _, r in ratios], quotients, rtol=1e-6):
                    right, wrong = (axis.words(self.all_views[0]) for axis in (one, other))
                    return "size factor", f"divided by {wrong}, not by {right}{flipped(sign)}"
        return self.named_factor(ratios) if named else None

    def named_factor(self, ratios: Sequence[tuple[View, float]]) -> tuple[str, str] | None:
        """(kind, words) of a factor that is an argument, or its inverse, or a square of these, times 1, 2 or 1/2."""
        for name, number in self.pilot.sample.arguments.items():
            if np.ndim(number) or isinstance(number, bool):
                continue
            for power, constant in POWERS:
                try:
                    expected = [constant * float(view.sample.arguments[name]) ** power for view, _ in ratios]
                except (TypeError, ZeroDivisionError, ValueError):
                    continue
                for sign in (1, -1):
                    if np.allclose([sign * r for _, r in ratios], expected, rtol=1e-6):
                        factor = sign * constant if power > 0 else sign / constant  # of the name, or of its square
                        front = "-" * (factor < 0) + ("" if abs(factor) == 1 else f"{number_text(abs(factor))}*")
                        word = "too many" if power > 0 else "missing"
                        product = f"{front}{name}{'' if abs(power) == 1 else '**2'}"
                        return (
                            "factor",
                            f"the factor {product} is {word}" if power < 0 else f"the factor {product} is one {word}",
                        )
        return None

    def right_where(
        self,
        condition: Callable[..., Any],
        share: float = 4 / 3,
        tells: Callable[..., Any] = lambda view: np.any(view.g),
    ) -> bool:
        """Whether the claim is right where the condition holds, and wrong elsewhere but for one in `share`.

        What is right counts only at samples that tell something.
        """
        telling = [view for view in self.all_views if not view.right or tells(view)]
        holds = [bool(condition(view)) for view in telling]
        inside = [view.right for view, held in zip(telling, holds) if held]
        outside = [view.right for view, held in zip(telling, holds) if not held]
        most = len(outside) if self.wrong else 0  # raising elsewhere is no restriction unless it raises everywhere
        return bool(inside) and all(inside) and bool(outside) and share * sum(outside) <= most

    def many(self, axis: Axis) -> str:
        """The entries along an axis, in words, and how many there are as given."""
        count = axis.of(self.all_views[0])
        return f"the {f'{count} ' * (count > 1)}{axis.noun(self.pilot)} of {axis.name}"

    def axis_of(self, key: tuple[int, int]) -> Axis | None:
        """An axis along which these uses of the argument are, one for each entry; first axes first."""
        counts = [(view, len(view.parts[key][0])) for view in self.views if key in view.parts]
        axes = sorted(self.axes([(view, 1.0) for view in self.views]), key=lambda a: a.axis or 0)
        return next((axis for axis in axes if all(axis.of(view) == count for view, count in counts)), None)

    def varies(self, ratios: Sequence[tuple[View, float]]) -> bool:
        """Whether any size differs among these samples."""
        shapes = {tuple(np.shape(x) for x in view.sample.arguments.values()) for view, _ in ratios}
        return len(shapes) > 1

    def axes(self, ratios: Sequence[tuple[View, float]]) -> list[Axis]:
        """The axes of the arguments, those of data before those of what is differentiated; then the numbers of entries."""
        found = []
        arguments = self.pilot.sample.arguments
        claimed = self.pilot.sample.leaves
        names = sorted(arguments, key=lambda name: name in claimed)
        for name in names:
            found += [Axis(name, k) for k in range(np.ndim(arguments[name]))]
        for name in names:
            if np.ndim(arguments[name]) > 1:
                found.append(Axis(name, None))
        return [axis for axis in found if all(axis.fits(view) for view, _ in ratios)]


def judged(views: list[View]) -> list[View]:
    """Those at which a claim is judged: of one whose shape never changes, those that it was written for."""
    if len({view.c.shape for view in views}) == 1:
        fitting = [view for view in views if view.c.shape == view.g.shape]
        return fitting if len(fitting) > 1 else views
    return views


POWERS = [(1, 1.0), (-1, 1.0), (-2, 1.0), (2, 1.0), (1, 2.0), (-1, 2.0), (1, 0.5), (-1, 0.5)]


class Axis(NamedTuple):
    """An axis of an argument; or all of its entries, where `axis` is None."""

    name: str
    axis: int | None

    def fits(self, view: View) -> bool:
        return np.ndim(view.sample.arguments[self.name]) > (self.axis or 0)

    def of(self, view: View) -> int:
        shape = np.shape(view.sample.arguments[self.name])
        return int(np.prod(shape)) if self.axis is None else shape[self.axis]

    def noun(self, view: View, count: int = 2) -> str:
        dimensions = np.ndim(view.sample.arguments[self.name])
        if dimensions == 1 or self.axis is None:
            return "entry" if count == 1 else "entries"
        if dimensions == 2:
            return ("row", "column")[self.axis] + "s" * (count != 1)
        return f"entries along axis {self.axis}"

    def single(self, view: View) -> str:
        """That its length is 1, in words."""
        plain = np.ndim(view.sample.arguments[self.name]) < 3
        return f"1 {self.noun(view, 1)} in {self.name}" if plain else f"{self.name} of length 1 along axis {self.axis}"

    def words(self, view: View) -> str:
        return f"the number of {self.noun(view)} of {self.name}"


def size_factor(axis: Axis, power: int, constant: float, view: View) -> str:
    """What went wrong with a size, in words."""
    size, noun = axis.of(view), axis.words(view)
    if size > 1:
        noun, number = f"{noun} ({size})", f"{size}**2" if abs(power) == 2 else f"{size}"
        number = f"{number} times "
    else:
        number = ""
    extra = "" if abs(constant) == 1 else f" and {times(abs(constant))}"
    if power > 0:
        advice = f"not divided by {noun if power == 1 else f'the square of {noun}'}"
        return f"{number}too large: {advice}{extra}{flipped(constant)}"
    times_text = "twice" if power == -2 else "once"
    return f"{number}too small: divided by {noun} {times_text} too often{extra}{flipped(constant)}"


def ordinals(count: int) -> list[tuple[str, int]]:
    """Words for places among so many, and the places; the 2nd of two is the last one here, but not at other sizes."""
    return [("first", 0), ("last", -1), *(("2nd", 1), ("3rd", 2), ("4th", 3))[: max(count - 1, 0)]]


def part_is(part: str, words: str) -> str:
    """What is said of a part of the gradient."""
    return f"{part}: {words}" if words.startswith(("the factor", "divided")) else f"{part} is {words}"


def flipped(factor: float) -> str:
    return " and the sign is flipped" if factor < 0 else ""


def number_text(x: float) -> str:
    return f"{x:.6g}"


def times(factor: float) -> str:
    """How far off a constant factor is."""
    size = abs(factor)
    if np.isclose(size, 1):
        return "with the sign flipped" if factor < 0 else "right"
    if size > 1:
        return f"{number_text(size)} times too large{flipped(factor)}"
    return f"{number_text(1 / size)} times too small{flipped(factor)}"
