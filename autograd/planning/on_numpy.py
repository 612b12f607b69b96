"""Steps as NumPy calls: every call with its arrays is settled once, and then only made, over and over.

Reverse order is the sweep: each step hands the upstream gradients of its results on to the rows of its operands. The first
contribution to a row is written, later ones are added.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from .kernels import LOGICAL, STACK, Call, Ref, function_of, kernel, reads
from .steps import LANES, SHARED, DotStep, Indices, MatrixStep, Operand, RuleStep, Step, Steps, needed_rows, width_of

MANY = 64  # inputs of a matrix product, from which on their columns are better read as they come
Array = npt.NDArray[Any]
Made = tuple[Callable[..., Any], tuple[Any, ...]]  # a call that is ready to be made
Produce = Callable[[Array | None], Array]  # puts a contribution into this array, or one of its own, and returns it


def all_same(rows: Indices) -> bool:
    return len(rows) == 1 or bool((rows == rows[0]).all())


def as_slice(rows: Indices) -> slice | None:
    """The slice that these rows are, if they are one that goes upwards."""
    if len(rows) == 1:
        return slice(int(rows[0]), int(rows[0]) + 1)
    step = int(rows[1]) - int(rows[0])
    if step > 0 and np.array_equal(rows, np.arange(rows[0], rows[0] + step * len(rows), step)):
        return slice(int(rows[0]), int(rows[-1]) + 1, step)
    return None


def as_matrix(bank: Array, rows: Indices) -> Array | None:
    """A view of a bank of one column as a matrix of these rows, if they are regular and none comes twice."""
    m, k = rows.shape
    down = int(rows[1, 0] - rows[0, 0]) if m > 1 else k
    across = int(rows[0, 1] - rows[0, 0]) if k > 1 else 1
    regular = rows[0, 0] + down * np.arange(m)[:, None] + across * np.arange(k)
    apart = down > 0 and across > 0 and (down >= across * k or across >= down * m)
    if not apart or not np.array_equal(rows, regular):
        return None
    size = bank.itemsize
    return np.lib.stride_tricks.as_strided(bank[int(rows[0, 0]) :, 0], (m, k), (down * size, across * size))


def choose(condition: Array, x: Any, y: Any, out: Array) -> None:
    np.copyto(out, y)
    np.copyto(out, x, where=condition)


def assign(out: Array, compute: Callable[..., Any], *operands: Any) -> None:
    out[...] = compute(*operands)


broadcast = lru_cache(maxsize=4096)(np.broadcast_shapes)


class Scratch:
    """Room for what is needed within one step only, so that it stays in the processor's cache."""

    def __init__(self) -> None:
        self.blocks: list[npt.NDArray[np.uint8]] = []
        self.views: dict[Any, Array] = {}  # the same places are asked for in step after step
        self.reset()

    def reset(self) -> None:
        self.block = self.offset = 0

    def __call__(self, shape: tuple[int, ...], dtype: Any = float) -> Array:
        size = math.prod(shape) * (1 if dtype is bool else 8)
        while self.block < len(self.blocks) and self.offset + size > len(self.blocks[self.block]):
            self.block, self.offset = self.block + 1, 0
        if self.block == len(self.blocks):
            self.blocks.append(np.empty(max(size, 1 << 16), np.uint8))
        key = self.block, self.offset, shape, dtype
        found = self.views.get(key)
        if found is None:
            found = self.blocks[self.block][self.offset : self.offset + size].view(dtype).reshape(shape)
            self.views[key] = found
        self.offset += -(-size // 64) * 64
        return found


class Program:
    """The calls that run steps forward and back for so many lanes, and the arrays that they work on.

    values, upstream   per bank: rows x lanes (SHARED: rows x 1), the numbers and the upstream gradients
    seeds              outputs x lanes: the upstream gradients that the sweep begins with
    """

    def __init__(
        self,
        steps: Steps,
        lanes: int,
        shared: tuple[Array, Array],
        outputs: Sequence[Operand],
        watched: Iterable[Operand],
        for_inputs: bool,
    ) -> None:
        self.steps, self.lanes = steps, lanes
        size = steps.rows[LANES], lanes
        self.values, self.upstream = (shared[0], np.empty(size)), (shared[1], np.empty(size))
        self.values[LANES][list(steps.ones)] = 1.0
        self.columns: Array | None = None  # lanes x inputs, as a product of matrices reads many of them fastest
        self.seeds, self.plain = np.ones((len(outputs), lanes)), True  # plain: all 1
        banks = np.array([x.bank for x in outputs])
        self.results = [  # which outputs lie in a bank, and in which rows
            (np.flatnonzero(banks == bank), Operand(bank, np.concatenate([x.rows for x in outputs if x.bank == bank])))
            for bank in np.unique(banks)
        ]
        self.scratch = Scratch()
        self.ones: dict[int, Array] = {}
        self.by_rows: list[Operand] = []  # inputs of matrix products that are read by row
        self.forward: list[Made] = []
        self.backward: list[Made] = []
        self.careful: list[Made] = []  # as backward, but a choice's zero is exactly 0 whatever comes from upstream
        self.needed = needed_rows(steps, for_inputs)
        self.settled = [np.zeros(rows, bool) for rows in steps.rows]  # which have a contribution already
        self.zeroed = [np.zeros(rows, bool) for rows in steps.rows]  # which must be 0 before the sweep

        makers: dict[type[Step], Callable[[Any], Callable[[], None]]] = {
            RuleStep: self.rule,
            DotStep: self.dot,
            MatrixStep: self.matrix,
        }
        sweeps = []
        for step in steps.steps:
            self.scratch.reset()
            sweeps.append(makers[type(step)](step))
        self.also = self.read_elsewhere([*outputs, *watched])
        for which, operand in self.results:
            seeds = self.seeds
            if len(which) < len(outputs):
                seeds = np.empty((len(which), lanes))
                self.emit(self.seeds.take, which, 0, seeds, "clip")
            self.send(operand, partial(self.copied, seeds), lanes)
        for step, sweep in zip(reversed(steps.steps), reversed(sweeps), strict=True):
            self.scratch.reset()
            own = slice(step.low, step.high)
            settled = self.settled[step.bank][own]
            if settled.any() and self.needed[step.bank][own].any():
                if not settled.all():
                    self.settle(step.bank, np.arange(step.low, step.high))
                sweep()
        for bank in (SHARED, LANES):
            self.settle(bank, np.flatnonzero(self.needed[bank]))
        zeros: list[Made] = []
        for array, zeroed in zip(self.upstream, self.zeroed, strict=True):
            rows = np.flatnonzero(zeroed)
            if len(rows):
                found = as_slice(rows)
                zeros.append((operator.setitem, (array, rows if found is None else found, 0.0)))
        self.backward, self.careful = zeros + self.backward, zeros + self.careful

    def load(self, given: Array) -> Array:
        """Take in the columns, inputs x lanes; where they are kept until the next call."""
        rows = self.values[LANES][: len(given)]
        if self.columns is None:
            rows[...] = given
            return rows
        self.columns[...] = given.T
        rows[self.also] = given[self.also]
        return self.columns.T

    def run_forward(self) -> None:
        for function, arguments in self.forward:
            function(*arguments)

    def sweep(self, seeds: Array | None, careful: bool = False) -> None:
        """From the upstream gradients of the outputs (None: 1) to those of the leaves."""
        if seeds is not None or not self.plain:
            self.plain = False  # also if the next line is interrupted
            self.seeds[...] = 1.0 if seeds is None else seeds
            self.plain = seeds is None
        for function, arguments in self.careful if careful else self.backward:
            function(*arguments)

    def outputs(self) -> Array:
        """The numbers of the outputs, outputs x lanes, as an array of its own."""
        if len(self.results) == 1 and self.results[0][1].bank == LANES:
            return self.values[LANES].take(self.results[0][1].rows, axis=0)
        found = np.empty(self.seeds.shape)
        for which, operand in self.results:
            found[which] = self.values[operand.bank][operand.rows]
        return found

    def asked(self, operand: Operand) -> bool:
        """Whether any gradient of these rows is needed."""
        rows = operand.rows
        return bool(self.needed[operand.bank][rows.item() if rows.size == 1 else rows].any())

    # ---- reading and sending ----

    def read_elsewhere(self, others: Iterable[Operand]) -> slice | Indices:
        """The inputs that somebody reads by row, if `columns` are read too."""
        read = np.zeros(self.steps.rows[LANES], bool)
        for step in self.steps.steps:
            for operand in step.read:
                if operand.bank == LANES and not (isinstance(step, MatrixStep) and operand is step.inputs):
                    read[operand.rows] = True
        for operand in others:
            if operand.bank == LANES:
                read[operand.rows] = True
        for operand in self.by_rows:
            read[operand.rows] = True
        rows = np.flatnonzero(read[: len(self.steps.inputs)])
        return slice(0, 0) if not len(rows) else rows if (found := as_slice(rows)) is None else found

    def emit(self, function: Callable[..., Any], *arguments: Any) -> None:
        """A call of the sweep."""
        self.backward.append((function, arguments))
        self.careful.append((function, arguments))

    def read(self, operand: Operand, calls: list[Made], keep: bool = False) -> Array:
        """The rows of an operand, flat: a view, one row for all if they are the same, or gathered by a call.

        `keep` gathers them into an array of their own, so that the sweep can read them too.
        """
        bank, rows = self.values[operand.bank], operand.rows.ravel()
        if all_same(rows):
            return bank[rows[0] : rows[0] + 1]
        found = as_slice(rows)
        if found is not None:
            return bank[found]
        size = len(rows), bank.shape[1]
        gathered = np.empty(size) if keep else self.scratch(size)
        calls.append((bank.take, (rows, 0, gathered, "clip")))
        return gathered

    def copied(self, array: Array, out: Array | None) -> Array:
        """A contribution that is there already."""
        if out is None:
            return array
        self.emit(np.copyto, out, array)
        return out

    def product(self, x: Array, y: Array, shape: tuple[int, ...], out: Array | None) -> Array:
        """A contribution that is a product; `shape` is the one it is computed in."""
        found = self.scratch((math.prod(shape[:-1]), shape[-1])) if out is None else out
        self.emit(np.multiply, x, y, split(found, shape))
        return found

    def send(self, operand: Operand, produce: Produce, lanes: int) -> None:
        """Add a contribution, of as many lanes, to the upstream gradients of an operand's rows."""
        bank, rows = operand.bank, operand.rows.ravel()
        if not self.asked(operand):
            return
        if bank == SHARED and lanes > 1:
            part = produce(None)
            produce = self.reduced(part, (part.shape[0], 1), 1)
            lanes = 1
        if len(rows) > 1 and all_same(rows):
            produce = self.reduced(produce(None), (1, lanes), 0)
            rows = rows[:1]
        found = as_slice(rows)
        if found is None and len(np.unique(rows)) < len(rows):
            order: Indices = np.argsort(rows, kind="stable")
            rows, starts = np.unique(rows[order], return_index=True)
            part = produce(None)
            if not np.array_equal(order, np.arange(len(order))):
                taken = self.scratch(part.shape)
                self.emit(part.take, order, 0, taken, "clip")
                part = taken
            produce = self.reduced_at(part, starts, (len(rows), lanes))
            found = as_slice(rows)
        upstream = self.upstream[bank]
        if not self.settled[bank][rows if found is None else found].any():
            if found is not None:
                produce(upstream[found])
            else:
                self.emit(operator.setitem, upstream, rows, produce(None))
        else:
            if not self.settled[bank][rows].all():
                self.settle(bank, rows)
            if found is not None:
                self.emit(np.add, upstream[found], produce(None), upstream[found])
            else:
                part, sums = produce(None), self.scratch((len(rows), lanes))
                self.emit(upstream.take, rows, 0, sums, "clip")
                self.emit(np.add, sums, part, sums)
                self.emit(operator.setitem, upstream, rows, sums)
        self.settled[bank][rows] = True

    def reduced(self, part: Array, shape: tuple[int, ...], axis: int) -> Produce:
        """A contribution summed over rows (axis 0) or lanes."""

        def produce(out: Array | None) -> Array:
            found = self.scratch(shape) if out is None else out
            if axis == 1 and part.ndim == 2 and part.strides[1] == part.itemsize:  # faster than np.add.reduce
                self.emit(np.matmul, part, self.ones_for(part.shape[1]), found[:, 0])
            else:
                self.emit(np.add.reduce, part, axis, None, found, True)
            return found

        return produce

    def ones_for(self, count: int) -> Array:
        if count not in self.ones:
            self.ones[count] = np.ones(count)
        return self.ones[count]

    def reduced_at(self, part: Array, starts: Indices, shape: tuple[int, ...]) -> Produce:
        """A contribution summed over the rows from each start to the next."""

        def produce(out: Array | None) -> Array:
            found = self.scratch(shape) if out is None else out
            self.emit(np.add.reduceat, part, starts, 0, None, found)
            return found

        return produce

    def settle(self, bank: int, rows: Indices) -> None:
        """Rows that nothing has been written to must be 0 before the sweep begins."""
        missing = rows[~self.settled[bank][rows]]
        self.zeroed[bank][missing] = True
        self.settled[bank][missing] = True

    # ---- a rule, read with arrays ----

    def rule(self, step: RuleStep) -> Callable[[], None]:
        rule, many = step.rule, step.rule.arity is None
        count, lanes = len(step.nodes), self.values[step.bank].shape[1]
        steps = kernel(rule, len(step.operands), self.steps.kernels)
        later = reads([call for calls in steps.backward for call in calls], *steps.slopes)
        out = self.values[step.bank][step.low : step.high]
        arrays: dict[int, Array] = {}  # by register; those of a rule of many with one axis more, the operands'
        if many:
            arrays[0] = self.stacked(step, count, lanes, keep=0 in later)
            arrays[steps.inputs] = out[None]
        else:
            for register, operand in enumerate(step.operands):
                arrays[register] = self.read(operand, self.forward, keep=register in later)
            arrays[steps.inputs] = out
        shape = (1, count, lanes) if many else (count, lanes)
        self.write(steps.forward, arrays, self.forward, later, (steps.value, arrays[steps.inputs]), shape)

        def sweep() -> None:
            upstream = self.upstream[step.bank][step.low : step.high]
            if many:
                self.write(steps.backward[0], arrays, self.backward, set(), None, shape, self.careful)
                slopes = taken(arrays, steps.slopes[0], many)
                size = len(step.operands), count, lanes
                product = self.chosen if rule.choice else self.product
                part = product(upstream, np.broadcast_to(slopes, size), size, None)
                if len({operand.bank for operand in step.operands}) == 1:
                    rows = np.concatenate([operand.rows for operand in step.operands])
                    self.send(Operand(step.operands[0].bank, rows), partial(self.copied, part), lanes)
                else:
                    for i, operand in enumerate(step.operands):
                        self.send(operand, partial(self.copied, part[i * count : (i + 1) * count]), lanes)
                return
            waiting: list[Call] = []  # of slopes that were left out, for those that come after them
            for operand, calls, slope in zip(step.operands, steps.backward, steps.slopes, strict=True):
                waiting += calls
                number = not isinstance(slope, Ref)
                if not self.asked(operand):
                    continue
                if number and slope == 0 and rule.choice:
                    self.settle(operand.bank, operand.rows)
                    continue
                self.write(waiting, arrays, self.backward, set(), None, shape, self.careful)
                waiting = []
                if number and slope == 1:
                    produce: Produce = partial(self.copied, upstream)
                elif number and slope == -1:
                    produce = partial(self.negative, upstream)
                else:
                    factor = np.array(float(slope)) if number else taken(arrays, slope, many)
                    produce = partial(self.chosen if rule.choice else self.product, upstream, factor, shape)
                self.send(operand, produce, lanes)

        return sweep

    def negative(self, array: Array, out: Array | None) -> Array:
        found = self.scratch(array.shape) if out is None else out
        self.emit(np.negative, array, found)
        return found

    def chosen(self, upstream: Array, slope: Array, shape: tuple[int, ...], out: Array | None) -> Array:
        """A product that is exactly 0 where the slope is: not chosen."""
        found = self.product(upstream, slope, shape, out)
        unchosen = self.scratch(slope.shape, bool)
        self.careful.append((np.equal, (slope, 0.0, unchosen)))
        self.careful.append((np.copyto, (split(found, shape), 0.0, "same_kind", unchosen)))
        return found

    def stacked(self, step: RuleStep, count: int, lanes: int, keep: bool) -> Array:
        """The operands of a rule of many: operands x operations x lanes."""
        operands, size = step.operands, (len(step.operands), count, lanes)
        if all(operand.bank == step.bank for operand in operands):
            rows = np.concatenate([operand.rows for operand in operands])
            found = self.read(Operand(step.bank, rows), self.forward, keep)
            if len(found) == len(rows):
                return found.reshape(size)
        room = np.empty(size) if keep else self.scratch(size)
        for operand, part in zip(operands, room, strict=True):
            self.forward.append((np.copyto, (part, self.read(operand, self.forward))))
        return room

    def write(
        self,
        calls: Sequence[Call],
        arrays: dict[int, Array],
        made: list[Made],
        kept: set[int],
        result: tuple[Any, Array] | None,
        shape: tuple[int, ...],
        also: list[Made] | None = None,
    ) -> None:
        """The calls of a kernel; `result` is where its value is, and the array that it must come to."""
        many, begun = len(shape) == 3, len(made)
        value, target = result or (None, None)
        for call in calls:
            if call.operation == STACK:
                room = self.room((call.count, *shape[1:]), float, call.out in kept)
                start = 0
                for part in call.operands:
                    count = part.count if isinstance(part, Ref) else 1
                    made.append((np.copyto, (room[start : start + count], taken(arrays, part, many))))
                    start += count
                arrays[call.out] = room
                continue
            given = [taken(arrays, x, many) for x in call.operands]
            size = (1, *given[0].shape[1:]) if call.reduce else broadcast(*[x.shape for x in given])
            out = target
            if out is None or value != Ref(call.out) or out.shape != size:
                out = self.room(size, bool if call.operation in LOGICAL else float, call.out in kept)
            made.append(ready(call, given, out))
            arrays[call.out] = out
        if target is not None and not np.shares_memory(found := taken(arrays, value, many), target):
            made.append((np.copyto, (target, found)))
        if also is not None:
            also += made[begun:]

    def room(self, shape: tuple[int, ...], dtype: Any, keep: bool) -> Array:
        return np.empty(shape, dtype) if keep else self.scratch(shape, dtype)

    # ---- sums of products ----

    def dot(self, step: DotStep) -> Callable[[], None]:
        count, lanes = len(step.nodes), self.values[step.bank].shape[1]
        out = self.values[step.bank][step.low : step.high]
        factors = []
        first = True

        def add_up(terms: Array, starts: Indices, width: int) -> None:
            nonlocal first
            total = terms
            if width != 1 or len(terms) != count:
                total = out if first else self.scratch(out.shape)
                if width and len(terms) == count * width:
                    self.forward.append((np.add.reduce, (split(terms, (count, width, terms.shape[1])), 1, None, total)))
                else:
                    self.forward.append((np.add.reduceat, (terms, starts, 0, None, total)))
            if total is not out:
                self.forward.append((np.copyto, (out, total)) if first else (np.add, (out, total, out)))
            first = False

        for left, right, starts in step.products:
            x, y = self.read(left, self.forward, keep=True), self.read(right, self.forward, keep=True)
            terms = self.scratch((left.rows.size, lanes))
            self.forward.append((np.multiply, (x, y, terms)))
            add_up(terms, starts, width_of(starts, left.rows.size))
            factors.append((left, right, x, y, starts))
        for operand, starts in step.singles:
            terms = self.read(operand, self.forward)
            if len(terms) != operand.rows.size or terms.shape[1] != lanes:
                whole = self.scratch((operand.rows.size, lanes))
                self.forward.append((np.copyto, (whole, terms)))
                terms = whole
            add_up(terms, starts, width_of(starts, operand.rows.size))

        def sweep() -> None:
            upstream = self.upstream[step.bank][step.low : step.high]
            spread: dict[tuple[bytes, int], Array] = {}

            def for_terms(starts: Indices, size: int) -> tuple[Array, tuple[int, ...]]:
                """The upstream gradient of each term's sum, and the shape in which it broadcasts with terms."""
                width = width_of(starts, size)
                if width:
                    return upstream[:, None], (count, width, lanes)
                key = starts.tobytes(), size
                if key not in spread:
                    spread[key] = self.scratch((size, lanes))
                    ends = np.append(starts[1:], size)
                    which = np.repeat(np.arange(count), ends - starts)
                    self.emit(upstream.take, which, 0, spread[key], "clip")
                return spread[key], (size, lanes)

            for left, right, x, y, starts in factors:
                size = left.rows.size
                for operand, other in ((left, y), (right, x)):
                    if self.asked(operand):
                        given, shape = for_terms(starts, size)
                        self.send(operand, partial(self.product, given, split(other, shape), shape), lanes)
            for operand, starts in step.singles:
                if self.asked(operand):
                    given, shape = for_terms(starts, operand.rows.size)
                    if len(shape) == 2 or shape[1] == 1:
                        self.send(operand, partial(self.copied, given.reshape(-1, lanes)), lanes)
                    else:
                        self.send(operand, partial(self.repeated, given, shape), lanes)

        return sweep

    def repeated(self, array: Array, shape: tuple[int, ...], out: Array | None) -> Array:
        found = self.scratch((shape[0] * shape[1], shape[2])) if out is None else out
        self.emit(np.copyto, split(found, shape), array)
        return found

    # ---- matrix products ----

    def contiguous(self, operand: Operand) -> Array:
        """The rows of an operand as a product of matrices reads them: in a row, unless there is one column of them."""
        rows, inputs = operand.rows.ravel(), len(self.steps.inputs)
        low, high = int(rows[0]), int(rows[-1]) + 1
        if (
            MANY <= len(rows) == high - low
            and high <= inputs
            and operand.rows.shape[1] == 1
            and (np.diff(rows) == 1).all()
        ):
            if self.columns is None:
                self.columns = np.empty((self.lanes, inputs))
            return self.columns[:, low:high].T
        self.by_rows.append(operand)
        found = self.read(operand, self.forward, keep=True)
        size = operand.rows.size
        if len(found) == size and (operand.rows.shape[1] == 1 or found.flags.c_contiguous):
            return found
        whole = np.empty((size, self.lanes))
        self.forward.append((np.copyto, (whole, found)))
        return whole

    def with_ones(self, operand: Operand, m: int) -> Array | None:
        """The rows of an operand with a row of ones after them; None if that takes more time than it saves."""
        rows, (k, p) = operand.rows.ravel(), operand.rows.shape
        found = as_slice(rows)
        beside = found is not None and p == 1 and found.step in (None, 1)
        if found is not None and beside and found.stop in self.steps.ones:
            return self.values[LANES][found.start : found.stop + 1]
        if k > 4 * m:
            return None
        self.by_rows.append(operand)
        whole = np.ones((len(rows) + p, self.lanes))
        part = whole[: len(rows)]
        if found is not None or all_same(rows):
            self.forward.append((np.copyto, (part, self.read(operand, self.forward))))
        else:
            self.forward.append((self.values[LANES].take, (rows, 0, part, "clip")))
        return whole

    def matrix(self, step: MatrixStep) -> Callable[[], None]:
        lanes, (m, k), p = self.lanes, step.weights.rows.shape, step.inputs.rows.shape[1]
        width = p * lanes
        out = self.values[LANES][step.low : step.high].reshape(m, width)
        rows, inputs = step.weights.rows, None
        if step.bias is not None:  # a column of weights more, if it lies beside them, for a row of ones
            joined = np.column_stack([rows, step.bias.rows])
            if as_matrix(self.values[SHARED], joined) is not None:
                inputs = self.with_ones(step.inputs, m)
        if inputs is not None:
            rows = joined
        else:
            inputs = self.contiguous(step.inputs)
        inputs = inputs.reshape(-1, width)
        weights = as_matrix(self.values[SHARED], rows)
        if weights is None:
            weights = np.empty(rows.shape)
            self.forward.append((self.values[SHARED].take, (rows, None, weights, "clip")))
        self.forward.append((np.matmul, (weights, inputs, out)))
        apart = step.bias if rows.shape[1] == k else None
        if apart is not None:
            self.forward.append((np.add, (out, self.read(apart, self.forward), out)))
        back = weights[:, :k].T

        def sweep() -> None:
            upstream = self.upstream[LANES][step.low : step.high].reshape(m, width)
            if self.needed[SHARED][rows].any():
                target = as_matrix(self.upstream[SHARED], rows)
                if target is not None and not self.settled[SHARED][rows].any():
                    self.emit(np.matmul, upstream, inputs.T, target)
                    self.settled[SHARED][rows] = True
                else:
                    found = self.scratch(rows.shape)
                    self.emit(np.matmul, upstream, inputs.T, found)
                    if target is not None:
                        self.settle(SHARED, rows.ravel())
                        self.emit(np.add, target, found, target)
                    else:
                        self.send(Operand(SHARED, rows), partial(self.copied, found.reshape(-1, 1)), 1)
            if apart is not None:
                self.send(apart, self.reduced(upstream, (m, 1), 1), 1)

            def produce(into: Array | None) -> Array:
                found = self.scratch((k * p, lanes)) if into is None else into
                if m == 1 and (found.flags.c_contiguous or p == 1):  # an outer product
                    self.emit(np.multiply, back, upstream, found.reshape(k, width))
                elif found.flags.c_contiguous or p == 1:
                    self.emit(np.matmul, back, upstream, found.reshape(k, width))
                else:
                    part = self.scratch((k * p, lanes))
                    self.emit(np.matmul, back, upstream, part.reshape(k, width))
                    self.emit(np.copyto, found, part)
                return found

            if self.asked(step.inputs):
                self.send(step.inputs, produce, lanes)

        return sweep


def split(array: Array, shape: tuple[int, ...]) -> Array:
    """Flat rows in the shape (results, terms, lanes), or as they are; one row for all is left to broadcast."""
    if len(shape) == 2:
        return array
    if len(array) == 1 and shape[0] * shape[1] > 1:
        return array[None]
    return array.reshape(shape[0], shape[1], array.shape[-1])


def ready(call: Call, given: Sequence[Array], out: Array) -> Made:
    """One call of a kernel with its arrays."""
    function = function_of(call.operation)
    if call.reduce:
        return function.reduce, (given[0], 0, None, out, True)
    if call.operation == "where":
        return choose, (*given, out)
    if call.operation == "**" and call.operands[1] == 2:
        return np.square, (given[0], out)
    if function in (np.maximum, np.minimum):  # these want their `out` by name
        return partial(function, out=out), tuple(given)
    return (function, (*given, out)) if isinstance(function, np.ufunc) else (assign, (out, function, *given))


def taken(arrays: dict[int, Array], place: Any, many: bool) -> Array:
    """The rows that a Ref means, or a number as an array."""
    if not isinstance(place, Ref):
        return np.array(float(place))
    array = arrays[place.register]
    return array[place.start : place.start + place.count] if many else array
