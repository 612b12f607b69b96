"""f and the claim at many points: the given one, random ones, other sizes, other integers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, product
from typing import Any, NamedTuple

import numpy as np

from ..engine import Value, gradients, topological_sort
from .claims import Part, Subject, as_numbers, as_output, copied, data_of, numbers_in
from .points import Watched, draw, is_tame, leaves_of, own_lengths, stretches_more, sums_to_one
from .samples import Sample, plain

RANDOM = 4  # points at the given sizes
LARGEST = 5  # other sizes go from 1 to this
SEARCHES = 60  # sizes tried where not every one may vary alone
NEAR = ((1, -1), (-1, 1), (1, 1), (1, -2), (-2, 1), (2, -1), (-1, 2), (1, 2), (2, 1), (-1, -1), (-1, -2), (-2, -1))
NONE: Mapping[Any, Any] = {}
WORK = 500_000  # nodes of f after which no points are added: a few seconds, but verdicts do not depend on the machine


class Nothing(Exception):
    """A point at which nothing can be compared."""


class NotClaimed(Exception):
    """What stands for a claim that is known at the given point only."""


class Size(NamedTuple):
    """Axes of the arguments that have one length and vary together; if `tied`, with the integer arguments of that number."""

    length: int
    axes: tuple[tuple[str, int], ...]
    tied: bool = True


class Behaviour(NamedTuple):
    """How f runs at a point, by which one is known where it means something else."""

    stretched: frozenset[Any]  # which operands, of which operations, are stretched from length 1
    unused: frozenset[str]  # arguments with a float that f's output does not hang on


Pattern = Mapping[Size, int]  # other lengths


class Sampling:
    """Makes samples.

    Args:
        subject: f.
        parts: the claim.
        keep: names of arguments that stay as given.

    Attributes:
        names: whose gradients are compared; to be assigned before the first sample.
        axes: how many axes f's output has; a number in an array of shape (1, 1) counts as a number.
        samples: what was collected, the given point first.
        doubtful: the ids of those at which an integer argument is not what it was, a length of an array: it may have been
            meant to be (a count of examples beside them), or not (a stride).
        longer: the ids of those where axes of length 1 are longer, and the arguments that have them.
        unclear: of these the arguments that f might as well have stretched, such as a bias of shape (1, H).
        leaving: the ids of those where an integer leaves floats unused that f uses at the given point.
        idle: the ids of those where an integer was varied and f gives the same with the given one.
        changed: the arguments that f changed in place when it was last run.
    """

    names: Sequence[str] = ()
    axes = 0
    wrapped = 0  # how many axes of length 1 there are around f's one number
    usual: Behaviour | None = None
    everything = False  # whether all floats are leaves: f may hang on none that is claimed

    def __init__(self, subject: Subject, parts: list[Part], keep: Sequence[str], seed: int) -> None:
        self.subject, self.parts, self.keep = subject, parts, keep
        self.arguments = subject.arguments
        self.given = {name: x.given for name, x in self.arguments.items()}
        self.rng = np.random.default_rng(seed)
        self.samples: list[Sample] = []
        self.doubtful: set[int] = set()
        self.sizes: list[Size] = []
        self.free: list[Size] = []  # of these the ones that may vary alone
        self.longer: dict[int, frozenset[str]] = {}
        self.unclear: dict[int, frozenset[str]] = {}
        self.has_labels = any(x.kind == "ints" and x.given.dtype != bool for x in self.arguments.values())
        self.leaving: set[int] = set()
        self.idle: set[int] = set()
        self.changed: list[str] = []
        self.work, self.done, self.nodes = 0.0, 0.0, 0  # nodes: of f at the given point

    # ---- one point -------------------------------------------------------------------------------------------------

    def leaf_names(self) -> list[str]:
        """The arguments whose floats are leaves: the claimed ones, or all."""
        floats = [name for name, x in self.arguments.items() if x.kind in ("float", "floats")]
        claimed = [name for name in floats if name in self.names]
        return floats if self.everything or not claimed or len(claimed) < len(self.names) else claimed

    def run(self, numbers: Mapping[str, Any]) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        """What f returns, the leaves by name, and what f's text assigned."""
        leaves = {name: leaves_of(numbers[name]) for name in self.leaf_names()}
        given = {name: copied(x) for name, x in {**numbers, **leaves}.items()}  # f may change them in place
        output, assigned = self.subject.run(given)
        self.changed = [name for name, x in {**numbers, **leaves}.items() if not same_entries(x, given[name])]
        return output, leaves, assigned

    def sample(self, numbers: dict[str, Any], sizes: Mapping[int, int], kind: str, varied: dict[str, Any]) -> Sample:
        """f and the claim at one point; Nothing where f does not run, or a number or gradient of it is not finite."""
        self.done += self.nodes * entries(numbers) / entries(self.given)
        try:
            output, leaves, assigned = self.run(numbers)
            output = as_output(output)
        except Exception as error:
            raise Nothing from error
        if not self.axes and isinstance(output, np.ndarray) and output.size == 1:
            output = output.item()
        if np.ndim(output) != self.axes or not has_values(output):
            raise Nothing
        nodes = {name: leaves[name] if name in leaves else plain(assigned[name]) for name in self.names}
        found = self.gradients(output, nodes)
        computed = {name: numbers_in(x) for name, x in assigned.items()}
        claimed = {**{name: NotClaimed() for name in self.names}, **self.claimed(numbers, computed, kind == "given")}
        claimed = {name: claimed[name] for name in self.names}
        return Sample(numbers, dict(sizes), output, nodes, found, claimed, kind, varied)

    def gradients(self, output: Any, nodes: Mapping[str, Any]) -> dict[str, Any]:
        """The engine's, as arrays of the output's shape followed by the node's. Raises Nothing unless all are finite."""
        outputs = list(np.asarray(output, dtype=object).flat)
        inputs = [x for name in self.names for x in np.asarray(nodes[name], dtype=object).flat]
        inputs = [x if isinstance(x, Value) else Value(0.0) for x in inputs]
        zeros = [0.0] * len(inputs)
        rows = np.array([gradients(x, inputs) if isinstance(x, Value) else zeros for x in outputs], dtype=float)
        if not np.isfinite(rows).all() or not all(np.isfinite(data_of(x)) for x in outputs):
            raise Nothing
        ends = np.cumsum([np.size(nodes[name]) for name in self.names])
        split = np.split(rows, ends[:-1], axis=1)
        return {n: x.reshape(np.shape(output) + np.shape(nodes[n])) for n, x in zip(self.names, split)}

    def claimed(self, numbers: Mapping[str, Any], assigned: Mapping[str, Any], given: bool) -> dict[str, Any]:
        """What is claimed at a point, by name: arrays, or exceptions."""
        found: dict[str, Any] = {}
        for part in self.parts:
            if part.fixed and not given:
                continue
            settled: dict[str, Any] = {}
            try:
                results, _ = part.compute(numbers, assigned, settled)
            except Exception as error:
                results = settled
                found |= dict.fromkeys([name for name in part.names if name not in settled], error)
            for name in [name for name in part.names if name not in found]:
                try:
                    found[name] = self.shaped(as_numbers(results[name], f"the claim of {name}"), name)
                except Exception as error:
                    found[name] = error
        return found

    def shaped(self, x: Any, name: str) -> Any:
        """A claim without the axes of length 1 that f's one number has around it; a single number as its argument is."""
        shape = np.shape(self.given.get(name, x))
        if self.axes == 0 and (x.shape == (1,) * self.wrapped + shape or x.size == math_size(shape) == 1):
            return x.reshape(shape)
        if (
            self.axes == 0
            and self.wrapped
            and x.ndim == self.wrapped + len(shape)
            and x.shape[: self.wrapped] == (1,) * self.wrapped
        ):
            return x.reshape(x.shape[self.wrapped :])
        return x

    # ---- more points -----------------------------------------------------------------------------------------------

    def add(self, numbers: dict[str, Any], sizes: Mapping[int, int], kind: str, varied: dict[str, Any]) -> bool:
        """Add a point if f runs there, and if the claim is finite there or is not at the given point either."""
        try:
            found = self.sample(numbers, sizes, kind, varied)
        except Nothing:
            return False
        if any(not is_finite(x) and is_finite(self.samples[0].claimed[name]) for name, x in found.claimed.items()):
            return False
        self.samples.append(found)
        return True

    def drawn(
        self, pattern: Pattern = NONE, free: Sequence[str] = (), scale: float = 1.0, ints: bool = True
    ) -> dict[str, Any]:
        """New numbers for all arguments but those that are kept; of the given shape nearer to the given ones by `scale`."""
        others = {axis: m for size, m in pattern.items() for axis in size.axes}
        tied = {size.length: m for size, m in pattern.items() if size.tied}
        found: dict[str, Any] = {}
        for name, x in self.arguments.items():
            shape = tuple([others.get((name, i), n) for i, n in enumerate(x.shape)])
            if name in self.keep or x.kind == "other" or (x.kind == "ints" and not ints):
                found[name] = x.given
            elif x.kind == "int":
                found[name] = tied.get(x.given, x.given)
            else:
                new = draw(self.rng, x, shape, name in self.names, name in free)
                if x.kind in ("float", "floats") and scale != 1:
                    new = x.given + scale * (new - x.given) if shape == x.shape else scale * new
                found[name] = float(new) if x.kind == "float" else new
        return found

    def more(self, count: int) -> list[Sample]:
        """Points at the given sizes where only floats are others."""
        found: list[Sample] = []
        for scale in (1.0,) * (2 * count) + (0.1,) * count:
            try:
                if len(found) < count:
                    found.append(self.sample(self.drawn(scale=scale, ints=False), {}, "random", {}))
            except Nothing:
                continue
        return found

    def collect(self) -> None:
        """All the points beside the given one."""
        if all(part.fixed for part in self.parts):
            return
        outputs = np.asarray(self.samples[0].output, dtype=object).flat
        self.nodes = sum([len(topological_sort(x)) for x in outputs if isinstance(x, Value)])
        self.work = WORK
        for _ in range(RANDOM):
            self.add_random()
        floats = [name for name in self.names if name in self.arguments and name not in self.keep]
        tame = [name for name in floats if is_tame(self.arguments[name])]
        if tame:
            self.add_random(tame, varied=dict.fromkeys(tame, "any sign"))
            self.add_random(tame, varied=dict.fromkeys(tame, "any sign"))
        for name, x in self.arguments.items():
            if name not in self.keep and x.kind in ("floats", "ints") and sums_to_one(x.given) is not None:
                self.add_random([name], "sums", {name: "any sum"})
        self.usual = self.behaviour(self.given)
        self.vary_sizes()
        self.vary_ones()
        self.work = max(self.work, self.done + WORK / 3)  # a stride is looked at however large f is
        self.vary_integers()

    def late(self) -> bool:
        """Whether enough has been done."""
        return self.done > self.work

    def add_random(self, free: Sequence[str] = (), kind: str = "random", varied: Mapping[str, Any] = NONE) -> None:
        """A point at the given sizes: where f fails one nearer to the given point."""
        for scale in (1.0, 0.5, 0.1, 0.01):
            if (self.late() and len(self.samples) > 2) or self.add(self.drawn({}, free, scale), {}, kind, dict(varied)):
                return

    def elsewhere(self) -> Iterable[dict[str, Any]]:
        """Points where all sizes are equal: what does not fit at the given sizes may fit there."""
        for m in (3, 2):
            pattern: dict[Size, int] = {}
            for name, x in self.arguments.items():
                pattern |= {Size(n, ((name, i),)): m for i, n in enumerate(x.shape) if n > 1}
            yield self.labelled(self.drawn(pattern), m)

    # ---- sizes -----------------------------------------------------------------------------------------------------

    def fixed_lengths(self) -> set[int]:
        """Lengths that f or a claim brings along, or that an argument has that is kept."""
        functions = [self.subject.f, *[part.claimed for part in self.parts]]
        kept = {n for name in self.keep for n in self.arguments[name].shape}
        return kept.union(*map(own_lengths, functions))

    def vary_sizes(self) -> None:
        """Every size alone, as 1 and as something else; all of them at once, equal and not."""
        fixed = self.fixed_lengths()
        scalars = {x.given for x in self.arguments.values() if x.kind == "int"}
        groups: dict[int, list[tuple[str, int]]] = {}
        for name, x in self.arguments.items():
            for i, n in enumerate(x.shape):
                if n > 1 and n not in fixed:
                    groups.setdefault(n, []).append((name, i))
        for n, group in groups.items():
            self.sizes += [Size(n, tuple(group))] if n in scalars else self.split(n, group)
        free = self.free = [size for size in self.sizes if self.vary_size(size)]
        if len(free) > 1:
            for _ in range(2):
                self.add_sizes({size: int(self.rng.integers(2, LARGEST + 1)) for size in free}, "sizes", {})
        for m in (3, 2):
            square = (dict.fromkeys(chosen, m) for chosen in (self.sizes, free))
            if any(self.add_sizes(pattern, "square", {"N": m}) for pattern in square):
                break
        if len(free) < len(self.sizes) > 1:
            self.search("sizes", {}, wanted=2)
        loose = [
            Size(size.length, size.axes, False) for n in groups if n in scalars for size in self.split(n, groups[n])
        ]
        if loose:
            self.sizes = [size for size in self.sizes if size.length not in scalars] + loose
            self.free = [size for size in free if size.length not in scalars]
            self.free += [size for size in loose if self.vary_size(size)]

    def vary_size(self, size: Size) -> bool:
        """Make one size another, and 1; whether f runs so."""
        n = size.length
        others = [m for m in (n + 1, n - 1, n + 2) if 2 <= m <= LARGEST] or [LARGEST, LARGEST - 1, 2]
        if any(self.add_sizes({size: m}, "sizes", {"N": m, "axis": size.axes[0]}) for m in others):
            self.add_sizes({size: 1}, "one", {"N": 1, "axis": size.axes[0]})
            return True
        return False

    def split(self, n: int, group: list[tuple[str, int]]) -> Iterable[Size]:
        """Axes of one length as sizes that vary alone: the smallest sets with which f runs and makes use of every number."""
        while len(group) > 1:
            chosen = next((part for part in self.subsets(group) if self.runs_alone(Size(n, part, False))), tuple(group))
            yield Size(n, chosen)
            group = [axis for axis in group if axis not in chosen]
        if group:
            yield Size(n, tuple(group))

    def subsets(self, group: list[tuple[str, int]]) -> Iterable[tuple[tuple[str, int], ...]]:
        """Sets of axes with the first one in them, small ones first."""
        tried = 0
        for count in range(min(len(group) - 1, 4)):
            for others in combinations(group[1:], count):
                tried += 1
                if tried > SEARCHES or self.late():
                    return
                yield (group[0], *others)

    def runs_alone(self, size: Size) -> bool:
        """Whether f runs as it does at the given point when these axes are one longer, some of them of floats."""
        floats = any(self.arguments[name].kind == "floats" for name, _ in size.axes)
        return floats and self.fits(self.labelled(self.drawn({size: size.length + 1}), size.length))

    def search(self, kind: str, varied: dict[str, Any], wanted: int) -> bool:
        """Look for sizes that fit together, where not each may vary alone: those of a convolution and its targets.

        Returns whether as many were found as wanted.
        """
        bound = [size for size in self.sizes if size not in self.free]
        lengths = list(product(range(1, LARGEST + 1), repeat=len(bound))) if len(bound) < 5 else []
        for chosen in self.rng.permutation(np.array(lengths, dtype=int))[:SEARCHES] if lengths else ():
            others = {size: int(self.rng.integers(1, 3)) for size in self.free}
            pattern = {**dict(zip(bound, map(int, chosen))), **others}
            wanted -= self.add_integer(pattern, varied) if varied else self.add_sizes(pattern, kind, varied)
            if not wanted or self.late():
                break
        return not wanted

    def vary_ones(self) -> None:
        """Axes of length 1 made longer: the smallest sets with which f runs as it does at the given point."""
        if 1 in set().union(*[own_lengths(f) for f in (self.subject.f, *[part.claimed for part in self.parts])]):
            return
        axes = [
            (name, i)
            for name, x in self.arguments.items()
            for i, n in enumerate(x.shape)
            if n == 1 and name not in self.keep
        ]
        whole = [axis for axis in axes if self.arguments[axis[0]].kind == "ints"]
        found: list[tuple[tuple[str, int], ...]] = []
        for part in subsets(axes):
            if self.late():
                break
            floats = any(self.arguments[name].kind == "floats" for name, _ in part)
            if not floats or any(set(one) <= set(part) for one in found) or not self.runs_longer(part):
                continue
            labelled = tuple(sorted({*part, *whole}, key=axes.index))
            found.append(labelled if self.runs_longer(labelled) else part)
        scalars = {x.given for name, x in self.arguments.items() if x.kind == "int" and name not in self.keep}
        for part in found:
            for m in (3, 2):
                self.add_longer({Size(1, part, 1 not in scalars): m}, m)
        if found and 1 in scalars:  # whether the integer counts them or is a stride, what is right is right here
            every = Size(1, tuple([axis for axis in axes if any(axis in part for part in found)]))
            patterns = [{every: 2}, *({every: 2, size: size.length + k} for k in (1, 2, 3) for size in self.free)]
            patterns += [
                {every: 2, **dict.fromkeys(alike, n + k)} for n, alike in self.alike(self.free) for k in (1, 2, 3)
            ]
            next((True for pattern in patterns if self.add_longer(pattern, 2)), None)
        if len({axis for part in found for axis in part}) == sum(map(len, found)) > 0:
            sizes = [Size(1, part, 1 not in scalars) for part in found]
            some = {size: int(self.rng.integers(2, LARGEST)) for size in self.free}
            self.add_longer({**some, **{size: 2 + k % 2 for k, size in enumerate(sizes)}}, 2)

    def runs_longer(self, axes: Sequence[tuple[str, int]]) -> bool:
        return any(self.fits(self.drawn({Size(1, tuple(axes), False): m})) for m in (3, 2))

    def add_longer(self, pattern: Pattern, m: int) -> bool:
        """Add a point where axes of length 1 are longer, if f runs there; numbers of any sign too, if m is 2."""
        axes = [axis for size in pattern if size.length == 1 for axis in size.axes]
        tame = [name for name in self.names if name in self.arguments and is_tame(self.arguments[name])]
        varied = {"N": m, "axis": axes[0]}
        if not any(self.add_sizes(pattern, "sizes", varied, free) for free in ([tame, ()] if m == 2 else [()])):
            return False
        self.longer[id(self.samples[-1])] = frozenset([name for name, _ in axes])
        unclear = []
        for name in {name for name, _ in axes if name in self.names and len(self.arguments[name].shape) > 1}:
            rest = tuple([axis for axis in axes if axis[0] != name])
            floats = any(self.arguments[other].kind == "floats" for other, _ in rest)
            found = self.behaviour(self.drawn({Size(1, rest, False): 3})) if floats else None
            if found and self.usual and found.unused <= self.usual.unused:
                unclear.append(name)
        self.unclear[id(self.samples[-1])] = frozenset(unclear)
        return True

    def add_sizes(
        self, pattern: Pattern, kind: str, varied: dict[str, Any], free: Sequence[str] = (), leaving: bool = False
    ) -> bool:
        """Add a point of other sizes, and of the integers in `varied`, if f runs there as it does at the given point; with
        `leaving` also if it leaves floats of one more argument unused."""
        pattern = {size: m for size, m in pattern.items() if m != size.length}
        integers = varied if kind == "integers" else {}
        if self.late() or not (pattern or integers):
            return False
        lengths = {size.length: m for size, m in pattern.items()}
        for scale in (1.0, 0.3, 0.1):
            drawn = {**self.drawn(pattern, free, scale), **integers}
            for limit in (None, *(sorted(set(lengths.values()), reverse=True) if self.has_labels else ())):
                numbers = drawn if limit is None else self.labelled(drawn, limit)
                if self.fits(numbers, leaving) and self.add(numbers, lengths, kind, dict(varied)):
                    given = {n for x in self.arguments.values() for n in x.shape}
                    loose = any(not size.tied for size in pattern) or any(
                        self.given[name] in given for name in integers
                    )
                    self.doubtful |= {id(self.samples[-1])} if loose else set()
                    self.leaving |= {id(self.samples[-1])} if leaving else set()
                    self.idle |= (
                        {id(self.samples[-1])} if integers and self.is_idle(self.samples[-1], integers) else set()
                    )
                    return True
        return False

    def labelled(self, numbers: dict[str, Any], classes: int) -> dict[str, Any]:
        """The same point with labels of so many classes."""
        found = dict(numbers)
        for name, x in self.arguments.items():
            if x.kind == "ints" and name not in self.keep and x.given.dtype != bool:
                found[name] = numbers[name] % classes
        return found

    def fits(self, numbers: dict[str, Any], leaving: bool = False) -> bool:
        """Whether f runs at a point as at the given one: it stretches nothing else, and leaves no more floats unused; with
        `leaving` at most those of one argument."""
        found = self.behaviour(numbers)
        if found is None or self.usual is None:
            return False
        return len(found.unused - self.usual.unused) <= leaving and not any(
            stretches_more(x, self.usual.stretched) for x in found.stretched
        )

    def behaviour(self, numbers: dict[str, Any]) -> Behaviour | None:
        """How f runs at a point; None if it does not."""
        floats = [name for name, x in self.arguments.items() if x.kind in ("float", "floats")]
        for leaf_names in (floats, self.leaf_names()):  # f may do with numbers what it cannot do with Values
            leaves = {name: leaves_of(numbers[name]) for name in leaf_names}
            given = {name: copied(x) for name, x in {**numbers, **leaves}.items()}
            arrays = {name: x for name, x in given.items() if self.arguments[name].kind == "floats"}
            Watched.stretched = set()
            try:
                output, _ = self.subject.run({**given, **{name: x.view(Watched) for name, x in arrays.items()}})
                roots = [x for x in np.asarray(as_output(output), dtype=object).flat if isinstance(x, Value)]
            except Exception:
                continue
            below = {node for root in roots for node in topological_sort(root)}
            unused = {
                name for name in leaves if not all(x in below for x in np.asarray(leaves[name], dtype=object).flat)
            }
            return Behaviour(frozenset(Watched.stretched), frozenset(unused))
        return None

    # ---- integers --------------------------------------------------------------------------------------------------

    def vary_integers(self) -> None:
        """Each integer argument alone, such as a stride; where f does not run with it, or leaves floats unused, with other
        sizes, and else with floats left over: a stride of 2 uses every second number for a kernel of one."""
        fixed = self.fixed_lengths()
        for name, x in self.arguments.items():
            if x.kind == "int" and name not in self.keep and x.given not in fixed:
                for n in (1, 2, 3) if x.given > 0 else (0, 1, 2) if x.given == 0 else (-1, -2):
                    if n == x.given or self.add_integer({}, {name: n}):
                        continue
                    if self.search_longer({name: n}) or self.search("integers", {name: n}, wanted=1):
                        continue
                    if len(self.free) < len(self.sizes) or not self.add_integer({}, {name: n}, leaving=True):
                        self.add_sizes({}, "integers", {name: n})

    def search_longer(self, varied: dict[str, Any]) -> bool:
        """Look for sizes near the given ones with which an integer fits: one of them, those of one length together (both
        sides of an image), then two of these (an image and its targets)."""
        sizes = sorted(self.sizes, key=lambda size: -size.length)
        units = [*[(size,) for size in sizes], *[tuple(alike) for _, alike in self.alike(sizes)]]
        steps = (1, 2, 3, 4, -1, -2)
        patterns = [dict.fromkeys(unit, unit[0].length + k) for unit in units for k in steps]
        for one, other in combinations(reversed(units), 2):
            if not set(one) & set(other):
                n, m = one[0].length, other[0].length
                patterns += [{**dict.fromkeys(one, n + i), **dict.fromkeys(other, m + k)} for i, k in NEAR]
        return any(self.add_integer(pattern, varied) for pattern in patterns if min(pattern.values()) > 0)

    def alike(self, sizes: Sequence[Size]) -> list[tuple[int, list[Size]]]:
        """The lengths that several sizes have, long ones first, and these sizes."""
        lengths = sorted({size.length for size in sizes}, reverse=True)
        found = [(n, [size for size in sizes if size.length == n]) for n in lengths]
        return [(n, alike) for n, alike in found if len(alike) > 1]

    def add_integer(self, pattern: Pattern, varied: dict[str, Any], leaving: bool = False) -> bool:
        """Add a point of another integer, if f runs there as it does at the given point, and if the integer matters there.

        With `leaving` f may leave floats of one argument unused.
        """
        if not self.add_sizes(pattern, "integers", varied, leaving=leaving):
            return False
        if id(self.samples[-1]) in self.idle:
            for ids in (self.idle, self.doubtful, self.leaving):
                ids.discard(id(self.samples[-1]))
            del self.samples[-1]
            return False
        return True

    def is_idle(self, sample: Sample, varied: Mapping[str, Any]) -> bool:
        """Whether f gives the same with the given integers: there is one place only for a kernel, whatever the stride."""
        try:
            output = as_output(self.run({**sample.arguments, **{name: self.given[name] for name in varied}})[0])
        except Exception:
            return False
        ours, theirs = numbers_in(sample.output), numbers_in(output)
        if not self.axes:
            theirs = np.reshape(theirs, np.shape(ours)) if np.size(theirs) == 1 else theirs
        return np.shape(ours) == np.shape(theirs) and bool(np.array_equal(ours, theirs))


def subsets(items: Sequence[Any]) -> Iterable[tuple[Any, ...]]:
    """All sets of a few items, small ones first; of many the small ones, the first and last axes, and all."""
    counts = range(1, len(items) + 1) if len(items) <= 6 else range(1, 4)
    for count in counts:
        yield from combinations(items, count)
    if len(items) > 6:
        yield tuple([axis for axis in items if axis[1] == 0])
        yield tuple([axis for axis in items if axis[1] > 0])
        yield tuple(items)


def entries(numbers: Mapping[str, Any]) -> int:
    """How many numbers the arguments hold: what f's work grows with."""
    return sum([x.size if isinstance(x, np.ndarray) else 1 for x in numbers.values()])


def math_size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=int))


def same_entries(x: Any, y: Any) -> bool:
    """Whether an array holds what another one holds: the same Values, or equal numbers."""
    if not isinstance(x, np.ndarray):
        return True
    if x.dtype == object:
        return all(one is other for one, other in zip(x.flat, y.flat))
    return bool(np.array_equal(x, y, equal_nan=x.dtype.kind == "f"))


def has_values(x: Any) -> bool:
    return isinstance(x, Value) or (isinstance(x, np.ndarray) and any(isinstance(one, Value) for one in x.flat))


def is_finite(x: Any) -> bool:
    return isinstance(x, Exception) or bool(np.isfinite(x).all())
