"""Rows out of several arrays of JAX, settled before there are any: slices and reshapes where rows are regular, else a table.

An array is rows x lanes. A table of indices is a constant of what XLA compiles, and a gather, not a scatter, reads by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from .steps import Indices

Array = Any  # of JAX, or a tracer
ZERO = -1  # the number of the array that is one row of zeros
MANY = 16  # pieces of arrays that are put together one by one; more are gathered


class View(NamedTuple):
    """How rows of one array are read without a table: sliced, split into axes, sliced in each, put in order, repeated."""

    low: int
    high: int
    step: int  # of the slice of the array
    split: tuple[int, ...]  # the axes that the rows are split into; none if they stay one
    starts: tuple[int, ...]  # where the slice of each axis starts
    stops: tuple[int, ...]
    order: tuple[int, ...]  # in which the axes come
    shape: tuple[int, ...]  # with axes along which nothing changes
    kept: tuple[int, ...]  # which axes of `shape` are not these

    def __call__(self, jax: Any, array: Array) -> Array:
        lax, lanes = jax.lax, array.shape[1]
        array = sliced(jax, array, self.low, self.high, self.step)
        if self.split:
            array = array.reshape(*self.split, lanes)
            if any(self.starts) or self.stops != self.split:
                array = lax.slice(array, (*self.starts, 0), (*self.stops, lanes))
            counts = [stop - start for start, stop in zip(self.starts, self.stops, strict=True)]
            array = array.reshape(*counts[: len(self.order)], lanes)
            if self.order != tuple(range(len(self.order))):
                array = lax.transpose(array, (*self.order, len(self.order)))
        if len(self.kept) < len(self.shape):
            array = array.reshape(*[self.shape[i] for i in self.kept], lanes)
            array = lax.broadcast_in_dim(array, (*self.shape, lanes), (*self.kept, len(self.shape)))
        return array.reshape(-1, lanes)


def nested(rows: Indices) -> list[tuple[int, int]] | None:
    """Rows as nested loops, (how often, by how much) from the outermost; None if they are none of up to four."""
    loops: list[tuple[int, int]] = []
    while len(rows) > 1:
        step = int(rows[1] - rows[0])
        ends = np.flatnonzero(np.diff(rows) != step)
        count = int(ends[0]) + 1 if len(ends) else len(rows)
        if len(rows) % count or len(loops) == 4:
            return None
        blocks = rows.reshape(-1, count)
        if (blocks != blocks[:, :1] + step * np.arange(count)).any():
            return None
        loops.append((count, step))
        rows = blocks[:, 0]
    return loops[::-1]


def view_of(rows: Indices, size: int) -> View | None:
    """The View that gives these rows of an array of so many, if there is one."""
    loops = nested(rows)
    if loops is None:
        return None
    low, shape = int(rows[0]), tuple([count for count, _ in loops])
    kept = tuple([i for i, (_, step) in enumerate(loops) if step])
    moving = [loops[i] for i in kept]
    if not moving:
        return View(low, low + 1, 1, (), (), (), (), shape, kept)
    if len(moving) == 1 and moving[0][1] > 0:
        count, step = moving[0]
        return View(low, low + step * (count - 1) + 1, step, (), (), (), (), shape, kept)
    inwards = sorted(range(len(moving)), key=lambda i: -moving[i][1])
    counts, steps = zip(*[moving[i] for i in inwards])
    if steps[-1] <= 0 or any(outer % inner for outer, inner in pairwise(steps)):
        return None
    ahead = max(0, low + counts[0] * steps[0] - size)  # by which the outermost blocks begin before the first row
    split, starts, stops = [counts[0]], [0], [counts[0]]
    rest = ahead
    for outer, inner, count in zip(steps, steps[1:], counts[1:]):
        split.append(outer // inner)
        starts.append(rest // inner)
        stops.append(rest // inner + count)
        rest %= inner
    if steps[-1] > 1:
        split.append(steps[-1])
        starts.append(rest)
        stops.append(rest + 1)
    if ahead > low or any(stop > length for stop, length in zip(stops, split)):
        return None
    order = tuple([inwards.index(i) for i in range(len(moving))])
    low -= ahead
    return View(low, low + counts[0] * steps[0], 1, tuple(split), tuple(starts), tuple(stops), order, shape, kept)


class Taken:
    """Rows from arrays, in any order, as one array: row i is row `rows[i]` of array `sources[i]`."""

    def __init__(self, sizes: Mapping[int, int], sources: Indices, rows: Indices) -> None:
        self.sources = np.unique(sources).tolist()
        self.runs: list[tuple[int, int, int]] = []
        self.view: View | None = None
        if len(self.sources) == 1:
            self.view = view_of(rows, sizes[self.sources[0]])
        if self.view is None:
            starts = np.flatnonzero(np.diff(sources, prepend=-2) | (np.diff(rows, prepend=-2) != 1))
            if len(starts) <= MANY:
                ends = [*starts[1:].tolist(), len(rows)]
                self.runs = [
                    (int(sources[i]), int(rows[i]), int(rows[i]) + j - i) for i, j in zip(starts.tolist(), ends)
                ]
                return
            before = np.cumsum([0, *[sizes[source] for source in self.sources]])
            rows = before[np.searchsorted(self.sources, sources)] + rows
            if len(self.sources) > 1:
                self.view = view_of(rows, int(before[-1]))
        self.table = rows.astype(np.int32)[:, None]

    def __call__(self, jax: Any, arrays: Mapping[int, Array]) -> Array:
        if self.runs:
            return together(jax, [sliced(jax, arrays[source], low, high) for source, low, high in self.runs])
        whole = together(jax, [arrays[source] for source in self.sources])
        if self.view is not None:
            return self.view(jax, whole)
        return gathered(jax, whole, self.table)


def sliced(jax: Any, array: Array, low: int, high: int, step: int = 1) -> Array:
    return array if (low, high, step) == (0, len(array), 1) else jax.lax.slice_in_dim(array, low, high, step)


def gathered(jax: Any, array: Array, table: Any) -> Array:
    """Rows of one array by a table that is known to be right, so that XLA need not look for places outside."""
    lax = jax.lax
    how = lax.GatherDimensionNumbers(offset_dims=(1,), collapsed_slice_dims=(0,), start_index_map=(0,))
    inside = lax.GatherScatterMode.PROMISE_IN_BOUNDS
    return lax.gather(array, table, how, (1, array.shape[1]), mode=inside)


def together(jax: Any, arrays: Sequence[Array]) -> Array:
    return arrays[0] if len(arrays) == 1 else jax.lax.concatenate(arrays, 0)


class Summed:
    """Sums of rows from arrays: row i of the result is the sum of those whose `targets` is i; 0 if there are none.

    Rows are gathered into tables of equally many for each sum, filled up with zeros. Sums of very different length are in
    tables of their own, at most one for every power of two.
    """

    def __init__(self, sizes: Mapping[int, int], sources: Indices, rows: Indices, targets: Indices, count: int) -> None:
        lengths = np.bincount(targets, minlength=count)
        width = int(lengths.max())
        if (lengths == width).all() or width * count <= 4 * len(rows) + 1024:
            widths = np.full(count, width)
        else:
            widths = 1 << np.ceil(np.log2(np.maximum(lengths, 1))).astype(int)
        order = np.argsort(targets, kind="stable")
        sources, rows, targets = sources[order], rows[order], targets[order]
        begin = np.cumsum(lengths) - lengths
        self.tables: list[tuple[Taken, int]] = []
        where, own = np.empty(count, np.intp), np.empty(count, np.intp)  # of each sum its table, and its row there
        for width in np.unique(widths).tolist():
            alike = np.flatnonzero(widths == width)
            where[alike], own[alike] = len(self.tables), np.arange(len(alike))
            used = np.arange(width) < lengths[alike, None]
            entries = np.where(used, begin[alike, None] + np.arange(width), 0)
            table = np.where(used, sources[entries], ZERO).ravel(), np.where(used, rows[entries], 0).ravel()
            self.tables.append((Taken({**sizes, ZERO: 1}, *table), width))
        parts = dict(enumerate(np.bincount(where).tolist()))
        self.order = Taken(parts, where, own) if len(parts) > 1 else None

    def __call__(self, jax: Any, arrays: Mapping[int, Array]) -> Array:
        sums = []
        for take, width in self.tables:
            found = take(jax, arrays)
            sums.append(found if width == 1 else found.reshape(-1, width, found.shape[1]).sum(1))
        return sums[0] if self.order is None else self.order(jax, dict(enumerate(sums)))


class Collected:
    """The sum of parts, each of which has rows for some rows of the result.

    Each part is summed to the rows that it reaches, and added to those that reach the same. These sums are laid side by side
    where they are columns of one matrix, as weights and biases are, and then put together, or added if they cover all rows.
    """

    def __init__(self, sizes: Mapping[int, int], parts: Sequence[tuple[int, Indices, Indices]], count: int) -> None:
        groups: dict[bytes, tuple[Indices, list[Summed]]] = {}
        for part, rows, targets in parts:
            reached, own = np.unique(targets, return_inverse=True)
            _, sums = groups.setdefault(reached.tobytes(), (reached, []))
            sums.append(Summed({part: sizes[part]}, np.full(len(rows), part), rows, own, len(reached)))
        self.groups = [sums for _, sums in groups.values()]
        pieces = side_by_side([reached for reached, _ in groups.values()])
        self.whole = [piece for piece in pieces if len(piece.rows) == count]
        self.partly = [piece for piece in pieces if len(piece.rows) < count]
        self.rest: Summed | None = None
        if self.partly:
            lengths = [len(piece.rows) for piece in self.partly]
            sources = np.repeat(np.arange(len(lengths)), lengths)
            rows = np.concatenate([np.arange(length) for length in lengths])
            self.rest = Summed(
                dict(enumerate(lengths)), sources, rows, np.concatenate([piece.rows for piece in self.partly]), count
            )

    def __call__(self, jax: Any, parts: Mapping[int, Array]) -> Array:
        groups = [added([sums(jax, parts) for sums in group]) for group in self.groups]
        found = [piece(jax, groups) for piece in self.whole]
        if self.rest:
            partly = {i: piece(jax, groups) for i, piece in enumerate(self.partly)}
            found.append(self.rest(jax, {**partly, ZERO: parts[ZERO]}))
        return added(found)


def added(arrays: Sequence[Array]) -> Array:
    return sum(arrays[1:], arrays[0])


class Piece(NamedTuple):
    """Groups of rows that are columns of a matrix with so many rows, side by side; `rows` are those of all of them."""

    groups: list[int]
    blocks: int
    rows: Indices

    def __call__(self, jax: Any, groups: Sequence[Array]) -> Array:
        if len(self.groups) == 1:
            return groups[self.groups[0]]
        columns = [groups[i].reshape(self.blocks, -1, groups[i].shape[1]) for i in self.groups]
        return jax.lax.concatenate(columns, 1).reshape(-1, columns[0].shape[2])


def side_by_side(reached: Sequence[Indices]) -> list[Piece]:
    """Ascending rows as pieces that are as large as may be."""
    columns: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
    for i, rows in enumerate(reached):
        loops = nested(rows) or []
        (blocks, step), (width, one) = [*loops, (1, 1), (1, 1)][:2]
        if len(loops) in (1, 2) and one == 1 and width < step:
            columns.setdefault((blocks, step), []).append((int(rows[0]), width, i))
    pieces = []
    for (blocks, step), found in columns.items():
        chain: list[int] = []
        first = end = 0
        for low, width, i in sorted(found):
            if low != end or not chain:
                chain, first = [], low
            chain.append(i)
            end = low + width
            if end - first == step:
                pieces.append(Piece(chain, blocks, np.arange(first, first + blocks * step)))
                chain = []
    used = {i for piece in pieces for i in piece.groups}
    return pieces + [Piece([i], 1, rows) for i, rows in enumerate(reached) if i not in used]
