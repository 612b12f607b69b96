"""What the checks read: a recorded graph, what the model calls its parts, and which layer and unit a parameter is of."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from autograd import Constant, Value, gradients, topological_sort
from autograd.naming import Call, walk
from nn.module import Module


class Graph:
    """The sorted nodes below some Values, the call that made each, and what the model calls its parts and parameters."""

    def __init__(self, roots: Sequence[Value], model: Module | None = None) -> None:
        from autograd.drawing.scopes import calls_of, chain, kind_of  # drawing is imported when it is first used

        self.chain, self.kind_of = chain, kind_of
        self.order = list(dict.fromkeys(node for root in roots for node in topological_sort(root)))
        self.calls = dict(zip(self.order, calls_of(self.order), strict=True))
        outermost = {id(part): part for call in self.calls.values() if call for part in [chain(call)[0].part]}
        self.top = model
        tops = list(outermost.values()) if model is None else [model]
        self.things = {path: thing for top in tops for path, thing in walk(top, "", {})}
        self.names = {id(thing): path for path, thing in self.things.items()}

    def part(self, call: Call | None) -> str:
        """The name of the innermost part around a call that the model has; else what is called there; "" outside."""
        while call is not None and not self.names.get(id(call.part)):
            if call.outer is None:
                return "" if call.part is self.top else self.kind_of(call.part)
            call = call.outer
        return "" if call is None else self.names[id(call.part)]

    def place(self, node: Value) -> str:
        """ "in layers.0 at the node log, labelled 'p'"."""
        part, label = self.part(self.calls[node]), f", labelled {str(node.label)!r:.80}" if node.label else ""
        return f"{f'in {part} ' if part else ''}at the node {node._op}{label}"

    def leaf(self, leaf: Value) -> str:
        """ "parameter layers.0.w[1]", "input 3 (counted from 0) of the model", "the leaf 'x'", "a constant in layers.0"."""
        if name := self.names.get(id(leaf)):
            return f"parameter {name}"
        label = f"the leaf {str(leaf.label)!r:.80}" if leaf.label else ""
        call = next((self.calls[node] for node in self.order if leaf in node.parents), None)
        for around in [] if call is None else self.chain(call):  # the outermost first
            if leaf in around.inputs:
                of = "the model" if around.part is self.top else self.part(around)
                return f"input {around.inputs.index(leaf)} (counted from 0) of {of}{label and f', {label}'}"
        part = self.part(call)
        return (label or ("a constant" if type(leaf) is Constant else "a leaf")) + (f" in {part}" if part else "")


class Unit(NamedTuple):
    """A neuron, a row of Linear's weights or a filter of Conv2d: the layer that it belongs to, and its place there."""

    layer: str
    place: int


class Layers:
    """Of each parameter of a model the name and the unit; of each layer the places of its parameters.

    Neurons are the units of a layer if they stand in one list and were called with the same inputs. Else the innermost part
    is the layer, and the first index of its nested lists, as of `weight[3][1]`, the unit; where a part has several nested
    lists, each attribute is a layer. Of several calls of a part the last counts.
    """

    def __init__(self, model: Module, calls: Iterable[Call]) -> None:
        self.parameters = model.parameters()
        things = dict(walk(model, "", {}))
        parts = {path: thing for path, thing in things.items() if not isinstance(thing, Value)}
        names = {id(thing): path for path, thing in things.items()}
        self.titles = [names.get(id(p)) or f"parameter {i}" for i, p in enumerate(self.parameters)]
        inputs = {id(call.part): call.inputs for call in calls}
        inside: dict[str, list[int]] = {}  # by the path of the innermost part: the places of its parameters
        for i, title in enumerate(self.titles):
            owner = title
            while owner and owner not in parts:
                owner = owner[: max(owner.rfind("."), owner.rfind("["), 0)]
            inside.setdefault(owner, []).append(i)
        beside = {path: (path.rpartition(".")[0], inputs.get(id(parts.get(path)), path)) for path in inside}
        count = Counter(beside.values())
        units: dict[int, Unit] = {}
        for path, places in inside.items():
            within = {i: self.titles[i][len(path) :].removeprefix(".") for i in places}
            nested = {name.partition("[")[0] for name in within.values() if name.count("[") > 1}
            holder, _, last = path.rpartition(".")
            for i, name in within.items():
                attribute, _, index = name.partition("[")
                if not nested and last.isdigit() and count[beside[path]] > 1:
                    units[i] = Unit(holder.rpartition(".")[0] or holder, int(last))
                else:
                    first = index.partition("]")[0]
                    layer = f"{path}.{attribute}".strip(".") if len(nested) > 1 else path or attribute
                    units[i] = Unit(layer, int(first) if nested and first.isdigit() else 0)
        self.units = {self.parameters[i]: unit for i, unit in units.items()}
        self.places: dict[str, list[int]] = {}
        for i, parameter in enumerate(self.parameters):
            self.places.setdefault(self.units[parameter].layer, []).append(i)

    def sizes(self, numbers: Sequence[Any]) -> dict[str, float]:
        """The root mean square of each layer's numbers, of which there is one for each parameter."""
        return {
            layer: math.hypot(*[abs(numbers[i]) for i in places]) / math.sqrt(len(places))
            for layer, places in self.places.items()
        }


class Case(Graph):
    """A model and its losses, and what several checks ask of them."""

    def __init__(self, model: Module, roots: Sequence[Value]) -> None:
        super().__init__(roots, model)
        self.model, self.roots = model, roots
        self.layers = Layers(model, [call for call in self.calls.values() if call is not None])
        self.parameters, self.titles = self.layers.parameters, self.layers.titles

    @cached_property
    def fresh(self) -> list[float]:
        """Each parameter's gradient of these losses, computed anew."""
        each = [gradients(root, self.parameters) for root in self.roots]
        return [float(sum(found)) for found in zip(*each, strict=True)]

    @cached_property
    def examples(self) -> int:
        """How many examples the losses are of: a dense layer uses each of its parameters once for each."""
        users = Counter([parent for node in self.order for parent in node.parents])
        return min([users[p] for p in self.parameters if users[p]], default=0)


def plain(x: Any) -> float:
    """A Value's number, or a number, as a float."""
    return float(x.data if isinstance(x, Value) else x)
