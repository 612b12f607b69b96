"""summary(model, example): what a model consists of, as a table with a line for each part that the example passed through."""

from __future__ import annotations

import contextvars
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from autograd import Value, modes
from autograd.naming import current, observed, values_in, walk
from nn import checks
from nn.module import Module
from nn.perceptron import Neuron

__all__ = ["Part", "Summary", "summary"]

LONGEST = 44  # characters of a part's repr that are shown; of a longer one its class


class Part(NamedTuple):
    """A line of a summary."""

    name: str  # where it stands in the model, "layers.0"; "" of the model itself
    what: str  # its repr, or its class if that is long
    output: str  # the shape of what it gave: "16", "3×6×6", "number" of a bare one
    parameters: int  # its own and those of the parts within it, each once
    nodes: int  # that its calls added to the graph, with those of the parts within it
    calls: int
    depth: int  # of how many parts' calls it was called within; 0 of the model itself


@dataclass(frozen=True, repr=False)
class Summary:
    """What `summary` found: `str()` is a table, and a notebook shows one.

    model  the model itself, with the totals
    parts  the parts within it, in the order of their first calls
    notes  sentences that stand below the table
    """

    model: Part
    parts: tuple[Part, ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        heads, rows = self._cells()
        columns = list(zip(heads, *rows))
        widths = [max(map(len, column)) for column in columns]
        lines = [
            "  ".join([x.ljust(width) if i < 3 else x.rjust(width) for i, (x, width) in enumerate(zip(row, widths))])
            for row in (heads, *rows)
        ]
        rule = "─" * len(lines[0])
        table = [lines[0], rule, *lines[1:-1], *[rule] * bool(self.parts), lines[-1]]
        return "\n".join([*[line.rstrip() for line in table], "", *self.notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from autograd.drawing.tables import html_table

        heads, (*rows, total) = self._cells()
        return html_table(heads, rows, self.notes, left=(0, 1, 2), total=total)

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        """The heads and the rows as texts, the model's last; how often parts were called only if one was more than once."""
        lines = [*self.parts, self.model._replace(name="total")]
        many = any(part.calls > 1 for part in lines)
        heads = ["part", "what", "output", "parameters", *["calls"] * many, "nodes"]
        return heads, [
            [
                "  " * max(part.depth - 1, 0) + part.name,
                part.what,
                part.output,
                f"{part.parameters:,}",
                *[f"{part.calls:,}"] * many,
                f"{part.nodes:,}",
            ]
            for part in lines
        ]


def summary(model: Module, example: Any, depth: int | None = None) -> Summary:
    """Call the model with an example, and say of each part: what it is, its output's shape, its parameters, its graph nodes.

    example  what the model is called with; of a batch the nodes are those of all its examples
    depth    how deep parts within parts are listed: 0 the model alone, 1 what it calls, ...; by default all but neurons,
             which stand for themselves in their layer

    Nodes are what a call added to the graph: results, and numbers that became constants, each counted for the innermost
    part that gave it first, also where nothing further is made of it; parameters and Values that were given are there
    without the call. The call records a graph even
    within `no_grad()`, and is in training or not as the model is. Random states (that of the module `random`, and every
    Module's `rng`) are put back, so that a summary changes nothing.

    Raises TypeError for a model that is no Module; what the model itself raises passes through.
    """
    if not isinstance(model, Module):
        hint = f"make one, {model.__name__}(...)" if isinstance(model, type) else "a function becomes one by Sequential"
        raise TypeError(f"summary takes a Module, got {model!r:.80} of type {type(model).__name__}: {hint}")
    if depth is not None:
        depth = checks.whole("depth", depth)
    places = list(walk(model, "", {}))
    modules = {id(part): name for name, part in places if isinstance(part, Module)}
    found = _Calls({x for _, x in places if isinstance(x, Value)} | {*model.parameters(), *values_in(example)})
    sources = [random, *[part.rng for _, part in places if isinstance(getattr(part, "rng", None), random.Random)]]
    states = [source.getstate() for source in sources]
    try:
        contextvars.copy_context().run(found.call, model, example)
    finally:
        for source, state in zip(sources, states):
            source.setstate(state)
    first, *parts = _lines(found.finished, modules, 0, depth)
    return Summary(first, tuple(parts), tuple(_notes(model, found, modules)))


@dataclass
class _Called:
    """A call that has ended: of which part, within the calls of which others, and what it gave."""

    part: Any
    within: list[Any]
    output: str
    nodes: int
    inner: list[_Called]


@dataclass
class _Calls:
    """Listens to the calls of a model. Calls end before those around them, whose nodes are what is new by then."""

    known: set[Value]  # nodes that are counted, or not to be counted
    finished: list[_Called] = field(default_factory=list)

    def call(self, model: Module, example: Any) -> None:
        """Call the model, in a context of its own: calls of other threads are not listened to."""
        modes.no_grad.on.set(None)
        listening.set(self)
        with observed(self.told):
            model(example)

    def told(self, part: Any, outputs: Any) -> None:
        if listening.get() is not self:
            return
        within: list[Any] = []
        call = current.get()
        while call is not None:
            within.insert(0, call.part)
            call = call.outer
        depth = len(within)
        inner: list[_Called] = []
        stray: list[_Called] = []
        while self.finished and len(self.finished[-1].within) > depth:
            ended = self.finished.pop()
            (inner if ended.within[depth] is part else stray).append(ended)
        self.finished += reversed(stray)  # of a call that failed beside this one
        inner.reverse()
        nodes = sum([call.nodes for call in inner]) + self.new_nodes(values_in(outputs))
        self.finished.append(_Called(part, within, shape(outputs), nodes, inner))

    def new_nodes(self, roots: Iterable[Value]) -> int:
        """How many nodes there are from `roots` down that are not known yet."""
        stack, before = list(roots), len(self.known)
        while stack:
            node = stack.pop()
            if node not in self.known:
                self.known.add(node)
                stack += node.parents
        return len(self.known) - before


listening: contextvars.ContextVar[_Calls | None] = contextvars.ContextVar("listening", default=None)


def _lines(calls: Sequence[_Called], names: dict[int, str], depth: int, deepest: int | None) -> list[Part]:
    """A line for each part that was called, once, and those of the parts within it."""
    together: dict[int, list[_Called]] = {}
    for call in calls:
        together.setdefault(id(call.part), []).append(call)
    lines = []
    for same in together.values():
        part, inner = same[0].part, [call for one in same for call in one.inner]
        name = names.get(id(part), "") or (getattr(part, "__qualname__", "(in no attribute)") if depth else "")
        parameters = len({id(p) for p in part.parameters()}) if isinstance(part, Module) else 0
        outputs = ", ".join(dict.fromkeys([call.output for call in same]))
        nodes = sum([call.nodes for call in same])
        lines.append(Part(name, _what(part, inner), outputs, parameters, nodes, len(same), depth))
        if deepest is None:
            inner = [call for call in inner if not isinstance(call.part, Neuron)]
        if deepest is None or depth < deepest:
            lines += _lines(inner, names, depth + 1, deepest)
    return lines


def _what(part: Any, inner: Sequence[_Called]) -> str:
    """A part's repr if it is short; else its class, with the parts that it calls if they are alike."""
    kind = type(part).__name__
    if not isinstance(part, Module):
        return kind
    text = kind if type(part).__repr__ is object.__repr__ else repr(part)
    if len(text) <= LONGEST and "\n" not in text:
        return text
    alike = {repr(call.part) for call in inner}
    if len(alike) == 1 and len(one := alike.pop()) <= LONGEST:
        return f"{kind} of {len(inner)} {one}"
    return kind


def shape(outputs: Any) -> str:
    """The shape of nested lists or an array of numbers, as "3×6×6"; "…" where lengths differ; "number" of a single one."""
    sizes = _sizes(outputs)
    return "×".join(map(str, sizes)) if sizes else type(outputs).__name__ if checks.mistake_of(outputs) else "number"


def _sizes(outputs: Any) -> list[Any]:
    if hasattr(outputs, "shape"):
        return list(outputs.shape)
    if not isinstance(outputs, (list, tuple)):
        return []
    inner = [_sizes(x) for x in outputs]
    same = [
        first if all(x[: i + 1] == inner[0][: i + 1] for x in inner) else "…"
        for i, first in enumerate(inner[0] if inner else [])
    ]
    return [len(outputs), *same]


def _notes(model: Module, found: _Calls, modules: dict[int, str]) -> list[str]:
    notes = ["Nodes are what the call adds to the graph: results, and numbers that become constants."]
    called: set[int] = set()
    shared, stack = False, list(found.finished)
    while stack:
        call = stack.pop()
        called.add(id(call.part))
        stack += call.inner
        parts = {id(c.part): c.part for c in call.inner if isinstance(c.part, Module)}.values()
        held = [{id(p) for p in part.parameters()} for part in parts]
        shared = shared or sum(map(len, held)) > len(set().union(*held))
    if shared:
        notes.append("Parameters that parts share are counted in each of them, and once in the total.")
    idle = [name for part, name in modules.items() if part not in called]
    if idle:
        shown = ", ".join(idle[:5]) + f" and {len(idle) - 5} more" * (len(idle) > 5)
        notes.append(f"Not called with this example: {shown}.")
    return notes
