"""The doctor: what goes wrong in training, read from the recorded graph and said in plain words with what to do.

    loss.backward()
    print(nn.diagnose(model, loss))        # changes nothing: no grad, no data, nothing is recorded

`fit` has it look on by itself, as the callback `Doctor`. Each check is a function whose docstring says what it sees, why that
matters, and when it stays silent.
"""

from __future__ import annotations

import math
import statistics
import sys
import textwrap
import warnings
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import autograd
from autograd import Constant, Value, gradients, topological_sort
from autograd.engine import NOT_COMPUTED, contributions, same, upstream_gradients
from autograd.modes import finite
from autograd.naming import Call, call_of, observed, values_in, walk
from autograd.rules import Rule
from nn.callbacks import Callback
from nn.module import Module
from nn.words import counted, number

if TYPE_CHECKING:
    from nn.train import Training

__all__ = ["Diagnosis", "Doctor", "Finding", "TrainingWarning", "diagnose", "origin_of_nonfinite"]
__all__ += ["origin_of_nonfinite_gradient"]

# Where a figure stops being usual. Healthy runs of a few hundred kinds (tests/test_nn_doctor.py has some) stay within.
ENOUGH = 32  # examples, before silence of a unit says anything: a healthy ReLU is 0 for half of them
MOST_IDLE = 0.8  # share of a layer's units that may be dead or saturated: half of the ReLUs often are, and it learns
NEARLY_ALL = 0.95  # share of the examples for which a saturated unit is flat
FLAT = 0.01  # of the steepest slope: a sigmoid has it beyond -6 and 6, tanh beyond -3 and 3
APART = 1e3  # times by which the gradients of two layers may differ; in healthy networks it is less than 100
LARGE = 1e3  # gradient per size of weight (at least 1): a step with a rate of 0.001 would be as large as the weight
TENFOLD = (
    10.0  # times by which one step may raise its own loss; momentum near a minimum, and RMSprop's first step, double it
)
SHOWN = 8  # how many units, layers or parameters a sentence lists


class TrainingWarning(UserWarning):
    """What `fit` says when training goes wrong, in plain words with what to do. `fit(checks=False)` keeps it silent."""


class Finding(NamedTuple):
    """One thing that is wrong.

    kind    "not zeroed", "backward twice", "data changed", "dead", "saturated", "identical weights", "vanishing",
            "exploding", "uphill", "not finite" or "not connected"
    where   the layer, as drawings and `named_parameters()` call it; "" for the whole model
    what    what was seen
    advice  what to do
    """

    kind: str
    where: str
    what: str
    advice: str

    def __str__(self) -> str:
        return f"{self.kind}{f' ({self.where})' if self.where else ''}: {self.what} {self.advice}"


class Diagnosis(Sequence[Finding]):
    """The findings of `diagnose`, none of which is good news; `looked_at` says what was looked at."""

    def __init__(self, findings: Iterable[Finding], looked_at: str) -> None:
        self.findings, self.looked_at = tuple(findings), looked_at

    @overload
    def __getitem__(self, at: int) -> Finding: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Finding, ...]: ...
    def __getitem__(self, at: int | slice) -> Finding | tuple[Finding, ...]:
        return self.findings[at]

    def __len__(self) -> int:
        return len(self.findings)

    @property
    def kinds(self) -> list[str]:
        """The kind of each finding."""
        return [finding.kind for finding in self.findings]

    def __str__(self) -> str:
        texts = [str(finding) for finding in self.findings] or [f"Nothing to report: {self.looked_at}."]
        return "\n".join(textwrap.fill(text, 100, subsequent_indent="    " if self.findings else "") for text in texts)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        if not self.findings:
            return f"<p>Nothing to report: {escape(self.looked_at)}.</p>"
        rows = [
            f"<li><b>{escape(f.kind)}</b>{f' in <code>{escape(f.where)}</code>' if f.where else ''}: "
            f"{escape(f.what)} <i>{escape(f.advice)}</i></li>"
            for f in self.findings
        ]
        return f"<ul>{''.join(rows)}</ul>"


def diagnose(model: Module, loss: Value | Sequence[Value]) -> Diagnosis:
    """What is wrong with this model and this loss, in plain words with what to do; it changes nothing.

    model   the network
    loss    its loss, as it was computed from the model's outputs; or several whose gradients were added up on purpose, as
            `fit` does with the examples of a batch. More examples tell more: of dead units nothing can be said from a few

    Call it after `backward()`, before `optimizer.step()` or after it: then it also sees whether the step made the loss
    worse. Before `backward()` it sees the same but for mistakes with gradients.

    Raises TypeError for anything but a Module and Values, ValueError for a model without parameters or for no loss.
    """
    case = Case(model, _roots(model, loss))
    found = [*not_connected(case), *not_finite(case)]
    if any(finding.kind == "not finite" or not finding.where for finding in found):
        return Diagnosis(found, "")  # all else would follow from that
    units = activity(case)
    absent = {finding.where for finding in found}
    found += [*gradients_left(case), *data_changed(case), *idle(units, case.examples)]
    alike = identical_weights(case.layers, case.units, case.parameters, case.fresh)
    found += [finding for finding in alike if finding.where not in absent]
    found += gradient_sizes(sizes(case.layers, case.fresh), sizes(case.layers, [p.data for p in case.parameters]))
    looked = (
        f"looked at {counted(len(case.parameters), 'parameter')} in {counted(len(case.layers), 'layer')} and "
        f"{counted(len(case.order), 'node')} of the graph, with {counted(len(units), 'hidden unit')}"
    )
    if units and case.examples < ENOUGH:
        looked += f" (whether these are dead or saturated takes {ENOUGH} examples or more, not {case.examples})"
    elif usual := [counted_idle(layer, kind, of) for (layer, kind), of in by_layer(units).items() if gone(kind, of)]:
        looked += f" ({', '.join(usual)}, which is usual)"
    return Diagnosis(found, looked)


def _roots(model: Any, loss: Any) -> list[Value]:
    """The losses as a list, or an error that says what diagnose takes."""
    if not isinstance(model, Module):
        swapped = ": the model comes first" if isinstance(loss, Module) else ""
        raise TypeError(f"diagnose(model, loss) takes a Module and its loss, got {_kind(model)} as model{swapped}")
    roots = [loss] if isinstance(loss, Value) or not isinstance(loss, list | tuple) else list(loss)
    for root in roots:
        if not isinstance(root, Value):
            advice = "compute it with Values throughout, not with their .data" if hasattr(root, "__float__") else (
                "give what loss(model(example), target) returned"
            )  # fmt: skip
            raise TypeError(
                f"diagnose(model, loss) takes a Value as loss, or a list of them, got {_kind(root)}: {advice}"
            )
    if not roots:
        raise ValueError("diagnose(model, loss) got an empty list of losses: give at least one")
    if any(isinstance(x.data, complex) for x in (*roots, *model.parameters())):
        raise TypeError(
            "diagnose(model, loss) compares sizes: it takes a model and a loss of real numbers, not of complex ones"
        )
    if not model.parameters():
        raise ValueError(
            f"{type(model).__name__} has no parameters, so there is nothing to train: keep Values in attributes"
        )
    return roots


def _kind(thing: Any) -> str:
    return f"{thing!r:.60} of type {type(thing).__name__}"


# ---- what the checks read ------------------------------------------------------------------------------------------


class Unit(NamedTuple):
    """A neuron, a row of Linear's weights or a filter of Conv2d: the layer that it belongs to, and its place there."""

    layer: str
    place: int


class Graph:
    """The sorted nodes below some Values, the call that made each, and what the model calls its parts and parameters."""

    def __init__(self, roots: Sequence[Value], model: Module | None = None) -> None:
        from autograd.drawing.scopes import calls_of, chain, kind_of  # drawing is imported when it is first used

        self.chain, self.kind_of = chain, kind_of
        self.order: list[Value] = _sorted(roots)
        self.calls = dict(zip(self.order, calls_of(self.order), strict=True))
        outermost = {id(part): part for call in self.calls.values() if call for part in [chain(call)[0].part]}
        tops = [model] if model is not None else list(outermost.values())
        self.top = model if model is not None else None
        self.things = {path: thing for top in tops for path, thing in walk(top, "", {})}
        self.names = {id(thing): path for path, thing in self.things.items()}

    def part(self, call: Call | None) -> str:
        """The name of the innermost part around a call that the model has; else what is called there; "" outside."""
        while call is not None and not self.names.get(id(call.part)):
            if call.outer is None:
                return "" if call.part is self.top else str(self.kind_of(call.part))
            call = call.outer
        return "" if call is None else self.names[id(call.part)]

    def place(self, node: Value) -> str:
        """ "in layers.0 at the node log, labelled 'p'"."""
        part, label = self.part(self.calls[node]), f", labelled {str(node.label)!r:.80}" if node.label else ""
        return f"{f'in {part} ' if part else ''}at the node {node._op}{label}"

    def leaf(self, leaf: Value) -> str:
        """ "parameter layers.0.w[1]", "input 3 (counted from 0) of layers.0", "the leaf 'x'", "a constant in layers.0"."""
        if name := self.names.get(id(leaf)):
            return f"parameter {name}"
        kind = (
            "a constant" if type(leaf) is Constant else f"the leaf {str(leaf.label)!r:.80}" if leaf.label else "a leaf"
        )
        user = next((node for node in self.order if any(parent is leaf for parent in node.parents)), None)
        call = None if user is None else self.calls[user]
        for around in [] if call is None else self.chain(call):
            for position, given in enumerate(around.inputs):
                if given is leaf:
                    of = "the model" if around.part is self.top else self.part(around)
                    return f"input {position} (counted from 0) of {of}" + (f", {kind}" if leaf.label else "")
        part = self.part(call)
        return kind + (f" in {part}" if part else "")


def _sorted(roots: Sequence[Value]) -> list[Value]:
    """The nodes below several roots, each once, parents before their node."""
    found: dict[Value, None] = {}
    for root in roots:
        found.update(dict.fromkeys(topological_sort(root)))
    return list(found)


class Case(Graph):
    """A model and its losses, and what several checks ask of them."""

    def __init__(self, model: Module, roots: Sequence[Value]) -> None:
        super().__init__(roots, model)
        self.model, self.roots = model, roots
        self.parameters = model.parameters()
        self.titles = [self.names.get(id(p)) or f"parameter {i}" for i, p in enumerate(self.parameters)]
        self.units = units_of(self)
        self.layers: dict[str, list[int]] = {}  # the places of its parameters
        for i, parameter in enumerate(self.parameters):
            self.layers.setdefault(self.units[parameter].layer, []).append(i)
        each = [gradients(root, self.parameters) for root in roots]
        self.fresh = [_plain(sum(found) if len(each) > 1 else found[0]) + 0.0 for found in zip(*each, strict=True)]
        self.stored = [_plain(parameter.grad) for parameter in self.parameters]
        users = Counter([parent for node in self.order for parent in node.parents])
        self.examples = min([users[p] for p in self.parameters if users[p]], default=0)  # a dense layer uses each once


def sizes(layers: Mapping[str, Sequence[int]], numbers: Sequence[Any]) -> dict[str, float]:
    """The root mean square of each layer's numbers, of which there is one for each parameter."""
    return {layer: math.hypot(*[abs(numbers[i]) for i in at]) / math.sqrt(len(at)) for layer, at in layers.items()}


def units_of(case: Case) -> dict[Value, Unit]:
    """The unit of each parameter: parts in a list that were called with the same inputs, as the neurons of a layer are, are
    its units; within a part the first index of its nested lists, as of `weight[3][1]`, is."""
    parts = {path for path, thing in case.things.items() if not isinstance(thing, Value)}
    inputs: dict[int, tuple[int, ...]] = {}
    for call in dict.fromkeys(case.calls.values()):
        if call is not None:
            inputs.setdefault(id(call.part), tuple(map(id, call.inputs)))
    owned: dict[
        str, list[tuple[Value, str]]
    ] = {}  # by the path of the innermost part: a parameter, and its name in there
    for parameter, title in zip(case.parameters, case.titles, strict=True):
        owner = title
        while owner and owner not in parts:
            owner = owner[: max(owner.rfind("."), owner.rfind("["), 0)]
        owned.setdefault(owner, []).append((parameter, title[len(owner) :].removeprefix(".")))
    beside = {owner: (owner.rpartition(".")[0], inputs.get(id(case.things.get(owner)), owner)) for owner in owned}
    count, listed = Counter(beside.values()), Counter([holder for holder, _ in beside.values()])
    units: dict[Value, Unit] = {}
    for owner, parameters in owned.items():
        nested = {name.partition("[")[0] for _, name in parameters if name.count("[") > 1}
        holder, _, place = owner.rpartition(".")
        if not nested and place.isdigit() and (count[beside[owner]] > 1 or listed[holder] == 1):
            layer = holder.rpartition(".")[0] or holder
            units |= {parameter: Unit(layer, int(place)) for parameter, _ in parameters}
            continue
        for parameter, name in parameters:
            attribute, _, rest = name.partition("[")
            layer = f"{owner}.{attribute}".strip(".") if len(nested) > 1 else owner or attribute
            first = rest.partition("]")[0] if nested else ""
            units[parameter] = Unit(layer, int(first) if first.isdigit() else 0)
    return units


# ---- the graph, and whether it still holds -------------------------------------------------------------------------


def not_connected(case: Case) -> Iterator[Finding]:
    """Parameters that are not in the graph of the loss, by layer: nothing can ever change them.

    Silent on a layer of which only some parameters are used.
    """
    below = set(case.order)
    if not any(parameter in below for parameter in case.parameters):
        recorded = any(root.parents for root in case.roots)
        why = "it was computed from other Values" if recorded else "nothing was recorded when it was computed"
        yield Finding(
            "not connected",
            "",
            f"The loss does not depend on any parameter of this model: {why}.",
            "Compute it from what this very model returns, with Values throughout: not from their .data, not after "
            "detach(), and not within no_grad().",
        )
        return
    for layer, places in case.layers.items():
        if not any(case.parameters[i] in below for i in places):
            yield Finding(
                "not connected",
                layer,
                f"{layer} is not part of the loss: none of its {counted(len(places), 'parameter')} is in the graph.",
                "Call it in the model's __call__ and use what it returns, or leave it out of the model.",
            )


def not_finite(case: Case) -> Iterator[Finding]:
    """An inf or NaN in the loss, else in its gradients, else in the parameters as they are now: where the first one began.

    Silent on one that reaches neither the loss nor a gradient, as of a score that is masked by -inf.
    """
    for root in case.roots:
        if origin := "" if finite(root.data) else origin_of_nonfinite(root, case.model):
            yield Finding("not finite", "", f"The loss is {root.data}: {origin}.", ADVICE_NOT_FINITE)
            return
    for root in case.roots:
        fine = all(map(finite, case.fresh))
        if origin := "" if fine else origin_of_nonfinite_gradient(root, case.model):
            yield Finding("not finite", "", f"The loss is finite, but a gradient is not: {origin}.", ADVICE_NOT_FINITE)
            return
    for parameter, title in zip(case.parameters, case.titles, strict=True):
        if not finite(parameter.data):
            what = f"Parameter {title} is {parameter.data} now, and was finite when the loss was computed."
            yield Finding("not finite", "", what, "Take smaller steps: a smaller learning rate, or clipped gradients.")
            return


ADVICE_NOT_FINITE = (
    "Keep the operand inside the operation's domain (a loss on logits needs no log of a probability), look for inf or "
    "NaN in the data, standardise the inputs, and try a smaller learning rate."
)


def gradients_left(case: Case) -> Iterator[Finding]:
    """Gradients in the parameters that are not those of this loss: a multiple of them, or more than them.

    Silent before backward(), when those of the step before may still be there, and where each is between 0 and the loss's
    own, as clipped or masked ones are. The tolerance is 1e-6 of the largest gradient: sums in another order differ by less.
    """
    if any(root.grad is NOT_COMPUTED for root in case.roots):
        return
    pairs = list(zip(case.stored, case.fresh, strict=True))
    slack = 1e-6 * max([abs(fresh) for _, fresh in pairs])
    if all(abs(stored) <= slack or min(0, fresh) - slack <= stored <= max(0, fresh) + slack for stored, fresh in pairs):
        return
    stored, fresh = max(pairs, key=lambda pair: abs(pair[1]))
    times = round(stored / fresh) if fresh and finite(stored / fresh) else 0
    if times >= 2 and all(abs(stored - times * fresh) <= times * slack for stored, fresh in pairs):
        yield Finding(
            "backward twice",
            "",
            f"Every gradient is {times} times that of this loss: backward() ran {times} times since the gradients were 0.",
            "Call backward() once for each forward pass, and zero_grad() before it.",
        )
        return
    i = max(range(len(pairs)), key=lambda i: _excess(*pairs[i]))
    yield Finding(
        "not zeroed",
        "",
        f"The gradients hold more than this loss gives: that of {case.titles[i]} is {number(case.stored[i])}, and this loss "
        f"gives {number(case.fresh[i])}. Those of earlier losses are still in them.",
        "Call optimizer.zero_grad() or model.zero_grad() before each backward(). Where gradients are added up on purpose, "
        "give diagnose all the losses as a list.",
    )


def _excess(stored: Any, fresh: Any) -> float:
    """How far a gradient is from the loss's own."""
    return float(abs(stored - fresh)) if finite(stored - fresh) else math.inf


def data_changed(case: Case) -> Iterator[Finding]:
    """Numbers that are no longer those of the forward pass: inputs, some parameters, or after a step all of them.

    The graph keeps the local derivatives of the forward pass, so gradients are then of the old numbers. Where each layer's
    parameters have all moved or all stayed, an optimizer's step is taken to have moved them, and what is looked at is where
    to (`uphill`). Silent on parameters without a gradient, which no step need move.
    """
    stale = [node for node in case.order if isinstance(node.rule, Rule) and not same(_again(node), node.data)]
    if not stale:
        return
    mine = set(case.parameters)
    if others := [name for node in stale for name in _changed_beside(node, mine, case)]:
        yield Finding(
            "data changed",
            "",
            f"Data was changed after the forward pass: {_listed(list(dict.fromkeys(others)))}. Gradients are still those of "
            "the old numbers.",
            "Run the forward pass again after changing data, and make new Values for each example.",
        )
        return
    touched = {parent for node in stale for parent in node.parents if parent in mine}
    most = max(map(abs, case.fresh))
    for layer, places in case.layers.items():
        movable = [i for i in places if abs(case.fresh[i]) > 1e-6 * most]
        moved = [i for i in movable if case.parameters[i] in touched]
        if 0 < len(moved) < len(movable):
            names = _listed([case.titles[i] for i in moved])
            yield Finding(
                "data changed",
                layer,
                f"{len(moved)} of {counted(len(movable), 'parameter')} in {layer} changed after the forward pass, and the "
                f"others did not, as they would in a step: {names}. Gradients are still those of the old numbers.",
                "Change parameters before the forward pass, or by optimizer.step() after backward().",
            )
            return
    yield from uphill(case)


def _again(node: Value) -> Any:
    """What a node's rule gives for what its parents hold now; NaN if it cannot."""
    try:
        return node.rule.forward(*[parent.data for parent in node.parents])
    except Exception:  # a user's rule may do anything at other numbers
        return math.nan


def _changed_beside(node: Value, parameters: set[Value], case: Case) -> list[str]:
    """The operands of a stale node that must have changed and are not parameters, by name.

    Beside a parameter, the local derivative with respect to it tells: that of a product is the other operand.
    """
    leaves = [parent for parent in node.parents if not parent.parents]
    others = [leaf for leaf in leaves if leaf not in parameters]
    recorded = node.slopes
    if len(others) < len(leaves):
        now = node.rule.slopes(tuple([parent.data for parent in node.parents]), node.data)
        pairs = zip(node.parents, recorded, now, strict=True)
        if all(parent not in parameters or slope is None or same(slope, new) for parent, slope, new in pairs):
            return []
        others = [leaf for leaf in others if leaf.data not in recorded]
    return [case.leaf(leaf) for leaf in others] or ([] if leaves else [f"the number {case.place(node)}"])


def uphill(case: Case) -> Iterator[Finding]:
    """A step that followed the gradient instead of going against it, or after which the loss is ten times what it was.

    The loss after the step is found from the same graph, with the parameters as they are now. Silent on smaller rises, which
    momentum, Adam and RMSprop make now and then; `fit`, which sees many steps, judges by several. Silent also where a node
    was made by hand, so that it cannot be computed again.
    """
    now: dict[Value, Any] = {}
    for node in case.order:
        if node.parents and not isinstance(node.rule, Rule):
            return
        try:
            now[node] = node.rule.forward(*[now[parent] for parent in node.parents]) if node.parents else node.data
        except Exception:  # a user's rule may do anything at other numbers
            return
    before, after = float(sum(root.data for root in case.roots)), float(sum(now[root] for root in case.roots))
    became = f"{number(before)} became {number(after)}"
    if after > before and _follows(case):
        what = f"The step followed the gradient, which leads uphill: the loss {became}."
        yield Finding(
            "uphill", "", what, "Change the sign: a step goes against the gradient, parameter -= lr * gradient."
        )
    elif not after - before <= (TENFOLD - 1) * abs(before):
        yield Finding("uphill", "", f"The step made its own loss worse: {became}.", ADVICE_UPHILL)


def _follows(case: Case) -> bool:
    """Whether parameters moved by a positive multiple of their gradients, as far as it is known what they were before.

    A product's local derivative with respect to one operand is the other one: there a parameter's former number stands.
    """
    places = {parameter: i for i, parameter in enumerate(case.parameters)}
    moves: dict[int, float] = {}
    for node in case.order:
        at = [k for k, parent in enumerate(node.parents) if parent in places and places[parent] not in moves]
        if not at or node.rule.arity == 1:
            continue
        now = node.rule.slopes(tuple([parent.data for parent in node.parents]), node.data)
        for k in at:
            data = node.parents[k].data
            for slope, recorded in zip(now, node.slopes, strict=True):
                if recorded is not None and slope == data and slope != recorded:
                    moves[places[node.parents[k]]] = data - recorded
    pairs = [(move, case.fresh[i]) for i, move in moves.items()]
    most = max([abs(fresh) for _, fresh in pairs], default=0.0)
    if len(pairs) < 3 or not most:
        return False
    rate = next(move / fresh for move, fresh in pairs if abs(fresh) == most)
    return rate > 0 and all(abs(move - rate * fresh) <= 1e-6 * rate * most for move, fresh in pairs)


ADVICE_UPHILL = (
    "Try a learning rate ten times smaller, and if that does not help check the sign: a step goes against the gradient, "
    "parameter -= lr * gradient."
)


# ---- weights and gradients by layer --------------------------------------------------------------------------------


def identical_weights(
    layers: Mapping[str, Sequence[int]],
    units: Mapping[Value, Unit],
    parameters: Sequence[Value],
    gradients: Sequence[Any],
) -> Iterator[Finding]:
    """Layers whose units all have the same parameters, bit for bit, and the same gradients: they stay equal for ever.

    However many there are, they are then worth one. Silent if only the gradients differ, as in a last layer that begins at 0.
    """
    for layer, places in layers.items():
        of: dict[int, list[int]] = {}  # the places of each unit's parameters
        for i in places:
            of.setdefault(units[parameters[i]].place, []).append(i)
        if len(of) < 2 or len({tuple([parameters[i].data for i in unit]) for unit in of.values()}) > 1:
            continue
        slopes = [[gradients[i] for i in unit] for unit in of.values()]
        slack = 1e-9 * max([abs(slope) for slope in slopes[0]])  # the order of sums may differ
        if all(abs(x - y) <= slack for other in slopes for x, y in zip(slopes[0], other, strict=True)):
            yield Finding(
                "identical weights",
                layer,
                f"The {len(of)} units of {layer} have identical weights and identical gradients, so they stay equal for "
                "ever: together they are worth one.",
                "Draw initial weights at random (init='he' for ReLU, 'xavier' for tanh and sigmoid).",
            )


def gradient_sizes(gradients: Mapping[str, float], weights: Mapping[str, float]) -> Iterator[Finding]:
    """Gradients that shrink or grow by layer: the root mean square of each layer's, in the order of the parameters.

    Vanishing: 1,000 times smaller than in some later layer, so that one learning rate cannot suit both. Exploding: 1,000
    times larger than in the last layer, or than the weights themselves. Silent on gradients of exactly 0, as before a last
    layer that begins at 0.
    """
    sizes = {layer: size for layer, size in gradients.items() if size > 0}
    if not sizes:
        return
    layers, last = list(sizes), list(sizes)[-1]
    listed = f"Sizes by layer: {_listed([f'{layer} {number(size, 2)}' for layer, size in sizes.items()])}."
    later = {layer: max(layers[i:], key=sizes.__getitem__) for i, layer in enumerate(layers)}
    if small := [layer for layer in layers if sizes[layer] * APART <= sizes[later[layer]]]:
        layer = min(small, key=lambda layer: sizes[layer] / sizes[later[layer]])
        yield Finding(
            "vanishing",
            layer,
            f"Gradients vanish on the way back: those of {layer} are {number(sizes[later[layer]] / sizes[layer], 2)} times "
            f"smaller than those of {later[layer]}. {listed}",
            "Use ReLU or tanh in place of sigmoid, weights of the right size (init='he' for ReLU, 'xavier' for tanh), fewer "
            "layers, or standardised inputs.",
        )
    large = [
        layer
        for layer in layers
        if sizes[layer] >= APART * sizes[last] or sizes[layer] >= LARGE * max(weights[layer], 1)
    ]
    if large:
        layer = max(large, key=sizes.__getitem__)
        yield Finding(
            "exploding",
            layer,
            f"Gradients explode: those of {layer} are about {number(sizes[layer], 2)} each. {listed}",
            "Use smaller initial weights (init='he' or 'xavier'), standardise inputs and targets, clip the gradients "
            "(clip_norm), or take a smaller learning rate.",
        )


# ---- hidden units --------------------------------------------------------------------------------------------------


class Seen:
    """A hidden unit: its activation, for how many numbers it was looked at, and for how many of these it was flat."""

    __slots__ = ("flat", "rule", "times")

    def __init__(self, rule: Rule) -> None:
        self.rule, self.times, self.flat = rule, 0, 0

    def add(self, slope: Any) -> None:
        self.times += 1
        self.flat += abs(slope or 0) <= flat_below(self.rule)


limits: dict[int, tuple[Rule, float]] = {}  # by the rule's id: to hash a rule takes longer than to evaluate it


def flat_below(rule: Rule) -> float:
    """The size of a slope at which a unit hands on next to nothing: 1 % of the steepest, if the curve is smooth and flattens
    on both sides, as sigmoid and tanh are; else exactly 0."""
    if id(rule) not in limits:
        try:
            near, far = ([abs(rule.slopes((x,), rule.forward(x))[0]) for x in at] for at in (NEAR, (-30.0, 30.0)))
            smooth = min(near[0], near[-1]) > 0 and max(far) < FLAT * max(near)
            limits[id(rule)] = rule, FLAT * max(near) if smooth else 0.0
        except Exception:  # a user's rule may not take every number
            limits[id(rule)] = rule, 0.0
    return limits[id(rule)][1]


NEAR = [x / 4 for x in range(-12, 13)]  # where activations bend


def unit_of(node: Value, units: Mapping[Value, Unit]) -> Unit | None:
    """The unit that an activation belongs to: that of the nearest parameter below it."""
    near = [node]
    for at in near:  # which grows, by one level of parents after the other
        for parent in at.parents:
            if parent in units:
                return units[parent]
        if len(near) < 16:
            near += at.parents[:4]
    return None


def look(node: Value, units: Mapping[Value, Unit], seen: dict[Unit, Seen]) -> None:
    """Note what an activation did: an operation on one number that a unit ends with."""
    if type(node.rule) is Rule and node.rule.arity == 1:
        unit = unit_of(node, units)
        if unit is not None:
            seen.setdefault(unit, Seen(node.rule)).add(node._dx)


def activity(case: Case) -> dict[Unit, Seen]:
    """The hidden units of a graph: activations that go into a further part of the model, or meet a further parameter.

    Those of the last layer are passed over, which may well be flat where they are right.
    """
    mine = set(case.parameters)
    calls = dict.fromkeys(call for call in case.calls.values() if call is not None)
    inner = {x: None for call in calls for x in call.inputs}
    inner |= {x: None for node in case.order if not mine.isdisjoint(node.parents) for x in node.parents}
    seen: dict[Unit, Seen] = {}
    for node in inner:
        look(node, case.units, seen)
    return seen


def idle(seen: Mapping[Unit, Seen], examples: int, everything: bool = False) -> Iterator[Finding]:
    """Dead and saturated units, by layer, from so many examples: units that hand (nearly) no gradient on.

    Dead: the local derivative is exactly 0 for every example, as of a ReLU that always gives 0. Saturated: for 95 % of the
    examples the curve is flat, as of a sigmoid beyond -6 and 6. Said of a layer where more than 4 of 5 units are so; half of
    the ReLUs often are in networks that learn well. Silent on fewer than 32 examples, unless they are `everything` there is
    and the whole layer is so.
    """
    for (layer, kind), units in by_layer(seen).items():
        flat = gone(kind, units)
        enough = examples >= ENOUGH or (everything and len(flat) == len(units) > 1)
        if not enough or len(flat) <= MOST_IDLE * len(units):
            continue
        which = counted_idle(layer, kind, units)
        places = f"units {_listed([str(i) for i in flat])} (counted from 0)"
        if kind == "dead":
            yield Finding(
                kind,
                layer,
                f"{which}: their slope was 0 for every one of {counted(examples, 'example')}, so no gradient "
                f"reaches their weights: {places}.",
                "Take a smaller learning rate, init='he', standardised inputs, or an activation that never is flat "
                "(leaky_relu, gelu).",
            )
        else:
            yield Finding(
                kind,
                layer,
                f"{which}: for nearly every one of {counted(examples, 'example')} the curve is flat "
                f"there, with less than {FLAT:.0%} of its steepest slope: {places}.",
                "Standardise the inputs, use smaller initial weights (init='xavier'), or a smaller learning rate.",
            )


def by_layer(seen: Mapping[Unit, Seen]) -> dict[tuple[str, str], dict[int, Seen]]:
    """The units of each layer by their place there; with the layer, what they may be: "saturated" or "dead"."""
    layers: dict[tuple[str, str], dict[int, Seen]] = {}
    for unit, activation in sorted(seen.items(), key=lambda item: item[0]):
        kind = "saturated" if flat_below(activation.rule) else "dead"
        layers.setdefault((unit.layer, kind), {})[unit.place] = activation
    return layers


def gone(kind: str, units: Mapping[int, Seen]) -> list[int]:
    """The places of the units that are dead or saturated."""
    share = 1.0 if kind == "dead" else NEARLY_ALL
    return [place for place, activation in units.items() if activation.flat >= share * activation.times]


def counted_idle(layer: str, kind: str, units: Mapping[int, Seen]) -> str:
    """ "5 of 16 ReLU units in layers.0 are dead"."""
    flat, name = len(gone(kind, units)), next(iter(units.values())).rule.name
    return f"{flat} of {counted(len(units), f'{name} unit')} in {layer} {'is' if flat == 1 else 'are'} {kind}"


def _listed(names: Sequence[str]) -> str:
    """ "a, b and c"; of many the first, and how many more."""
    if len(names) > SHOWN:
        return f"{', '.join(names[:SHOWN])} and {len(names) - SHOWN} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


# ---- where an inf or NaN began -------------------------------------------------------------------------------------


def origin_of_nonfinite(root: Value, model: Module | None = None) -> str:
    """At which node, operation and label, and in which part of the model, the first inf or NaN below `root` began.

    A clause such as "it began in layers.1.neurons.0 at the node log, labelled 'p': log(-0.5) = nan", or "it began with
    parameter layers.0.w[1], which is nan"; "" if all is finite. It begins at a node whose own operands are finite. If the
    root is not finite, it is a node that made it so; else it may be one that did not reach it.
    """
    at: Value | None = root
    if finite(root.data):
        at = next((node for node in topological_sort(root) if not finite(node.data)), None)
    if at is None:
        return ""
    while wrong := [parent for parent in at.parents if not finite(parent.data)]:
        at = min(wrong, key=lambda parent, node=at: _blame(node, parent))  # type: ignore[misc]
    graph = Graph([root], model)
    if not at.parents:
        return f"it began with {graph.leaf(at)}, which is {at.data}"
    return f"it began {graph.place(at)}: {_computed(at)}"


def _blame(node: Value, parent: Value) -> tuple[bool, bool]:
    """Sorts first the operand that made a node what it is: one that was chosen, and of a NaN a NaN rather than an inf."""
    chosen = type(parent) is Constant or any(p is parent for p, _ in contributions(node, 1.0))
    return not chosen, bool(node.data != node.data and parent.data == parent.data)


def origin_of_nonfinite_gradient(root: Value, model: Module | None = None) -> str:
    """Where the sweep from `root` first made an inf or NaN of finite numbers; "" if every gradient is finite.

    A clause such as "it began in layers.0 at the node sqrt, labelled 'r': its upstream gradient 1 times its local
    derivative inf is inf". If the root itself is not finite, `origin_of_nonfinite` tells more.
    """
    order = topological_sort(root)
    upstream = upstream_gradients(root, order, create_graph=False)
    for node in reversed(order):
        if not finite(arrived := upstream.get(node, 0.0)):
            where = Graph([root], model)
            at = where.place(node) if node.parents else f"with {where.leaf(node)}"
            return f"it began {at}: the contributions to its gradient add up to {arrived}"
        for parent, term in contributions(node, arrived) if node.parents else ():
            if not finite(term):
                slope = next((s for p, s in zip(node.parents, node.slopes, strict=True) if p is parent), None)
                times = "what its closure makes of it" if slope is None else f"its local derivative {number(slope)}"
                made = f"its upstream gradient {number(arrived)} times {times} is {number(term)}"
                return f"it began {Graph([root], model).place(node)}: {made}"
    return ""


def _computed(node: Value) -> str:
    """What a node computed: "log(-0.5) = nan", "1e+300 * 1e+300 = inf", "dot of 128 numbers, the largest 1e+300, = inf"."""
    operands, name = [str(parent.data) for parent in node.parents], node._op
    if len(operands) > 4:
        largest = max([parent.data for parent in node.parents], key=abs)
        return f"{name} of {counted(len(operands), 'number')}, the largest {largest}, = {node.data}"
    if name.startswith("**") and len(operands) == 1:
        return f"({operands[0]}){name} = {node.data}"
    if len(operands) == 2 and not name.isidentifier():
        return f"{operands[0]} {name} {operands[1]} = {node.data}"
    return f"{name}({', '.join(operands)}) = {node.data}"


# ---- in fit --------------------------------------------------------------------------------------------------------

LOOKS = 3  # checks in a row that must find the same before `fit` says it
OF, BY = (
    5,
    0.01,
)  # so many steps are judged together; of each it counts whether it raised its own loss by more than that share
WINDOW = 128  # examples of an epoch whose hidden units are looked at


def due(step: int) -> bool:
    """Whether a step (counted from 1) is looked at: the first five, powers of two, and every 64th."""
    return step <= 5 or step % 64 == 0 or step & (step - 1) == 0


def rises(steps: Sequence[tuple[float, float]], began_at: float) -> int:
    """How many of these steps, each with the loss of its batch before and after it, went uphill; 0 if that is usual.

    It is not if the loss is above where it began and four of five steps raised it by more than 1 %, or three, two of which
    doubled it, or all by however little: a healthy training overshoots, too, at its start and near a minimum.
    """
    now = statistics.fmean([after for _, after in steps])
    worse = sum(not after - before <= BY * abs(before) for before, after in steps)
    if now <= began_at:
        return 0
    if all(not after <= before for before, after in steps):
        return len(steps)
    doubled = sum(not after - before <= abs(before) for before, after in steps)
    return worse if worse >= 4 or (worse >= 3 and doubled >= 2) else 0


class Doctor(Callback):
    """The checks of `diagnose` while `fit` trains, each message once, as a `TrainingWarning` and in `history.messages`.

    At the steps that are `due` it looks at the gradients of the batch, and computes the batch's loss once more after the
    step; in every epoch it looks at the hidden units for 128 examples. That takes about 1 % of the time of training. It says
    of gradients what it found three times in a row, of steps what most of five did, and only while the loss is above where
    it began: a healthy training goes uphill now and then, too.

    It changes no number: sources of random numbers are put back. A model whose output is random, as with Dropout, or that
    changes itself when it is called, is not called a second time.
    """

    def __init__(self) -> None:
        self.watching = ExitStack()
        self.said: set[tuple[str, str]] = set()

    def __repr__(self) -> str:
        return "Doctor()"

    def on_start(self, training: Training) -> None:
        self.training = training
        self.parameters = training.model.parameters()
        self.layers: dict[str, list[int]] = {}
        self.units: dict[Value, Unit] = {}
        self.absent: set[str] = set()  # layers that no gradient has reached so far
        self.batch: Any = None  # the one whose beginning was looked at
        self.inputs: Any = None  # those that were looked at last
        self.seen: dict[Unit, Seen] = {}
        self.examples = 0
        self.looks: deque[dict[tuple[str, str], Finding]] = deque(maxlen=LOOKS)
        self.steps: deque[tuple[float, float]] = deque(maxlen=OF)
        self.began_at: float | None = None
        self.comparable = True
        if training.step == 0:
            self.said.clear()
        if not set(self.parameters).intersection(training.optimizer.parameters):
            what = "The optimizer moves none of this model's parameters."
            self.say(Finding("not connected", "", what, "Make the optimizer anew from model.parameters()."))
        self.watching.enter_context(observed(self.told))

    def on_end(self, training: Training) -> None:
        self.watching.close()

    def state(self) -> dict[str, Any]:
        return {"said": sorted(map(list, self.said))} if self.said else {}

    def load_state(self, state: dict[str, Any]) -> None:
        said = state.get("said", [])
        if not isinstance(said, list) or not all(isinstance(one, list) and len(one) == 2 for one in said):
            raise ValueError(f"the doctor's state must be a list of [kind, where], got {said!r:.80}")
        self.said = {(str(kind), str(where)) for kind, where in said}

    # ---- hidden units, as the calls of the parts go by ----

    def told(self, part: Any, outputs: Any) -> None:
        """A part was called."""
        if part is self.training.model:
            self.told_whole(outputs)
        elif self.examples < WINDOW and self.units:
            value = _first(outputs)
            call = None if value is None else call_of(value)
            if call is not None and call.inputs is not self.inputs:
                self.inputs = call.inputs
                for x in call.inputs:
                    look(x, self.units, self.seen)

    def told_whole(self, outputs: Any) -> None:
        """The model was called with an example."""
        value = _first(outputs)
        if value is None or not value.parents:  # nothing is recorded
            return
        if self.units:
            self.examples += 1
        else:
            case = Case(self.training.model, values_in(outputs))
            below = set(case.order)
            self.units, self.layers = case.units, case.layers
            self.absent = {
                n for n, places in self.layers.items() if below.isdisjoint([self.parameters[i] for i in places])
            }
        if self.batch is not self.training.batch and due(self.training.step + 1):
            self.batch = self.training.batch
            left = [p for p in self.training.optimizer.parameters if p.grad != 0]
            if left:
                self.say(
                    Finding(
                        "not zeroed",
                        "",
                        f"{counted(len(left), 'gradient')} of the step before are still there when a batch begins.",
                        "The optimizer's zero_grad() must set the grad of every parameter to 0.",
                    )
                )

    def on_epoch(self, training: Training) -> None:
        for finding in idle(self.seen, self.examples, everything=self.examples >= len(training.examples)):
            self.say(finding)
        self.seen, self.examples = {}, 0
        for layer in sorted(self.absent):
            what = f"No gradient reached {layer} in a whole epoch: it is not part of the loss."
            self.say(
                Finding("not connected", layer, what, "Use what it returns in the model's __call__, or leave it out.")
            )

    # ---- steps ----

    def on_gradients(self, training: Training) -> None:
        if not due(training.step + 1):
            return
        slopes, data = [float(p.grad) for p in self.parameters], [p.data for p in self.parameters]
        self.absent = {layer for layer in self.absent if not any(slopes[i] for i in self.layers[layer])}
        found = [*gradient_sizes(sizes(self.layers, slopes), sizes(self.layers, data))]
        found += identical_weights(self.layers, self.units, self.parameters, slopes)
        clips = training.clip_norm is not None or training.clip_value is not None
        found = [f for f in found if f.where not in self.absent and not (f.kind == "exploding" and clips)]
        self.looks.append({_key(finding): finding for finding in found})
        if len(self.looks) == LOOKS:
            for key, finding in self.looks[-1].items():
                if all(key in look for look in self.looks):
                    self.say(finding)

    def on_step(self, training: Training) -> None:
        after = self.loss_again() if self.comparable and due(training.step) else None
        if after is None:
            return
        self.steps.append((training.batch_loss, after))
        if len(self.steps) < OF:
            return
        if self.began_at is None:
            self.began_at = statistics.fmean([before for before, _ in self.steps])
        if worse := rises(self.steps, self.began_at):
            what = (
                f"Steps go uphill: {worse} of the last {OF} that were looked at made the loss of their own batch worse, the "
                f"last from {number(self.steps[-1][0])} to {number(after)}."
            )
            self.say(Finding("uphill", "", what, ADVICE_UPHILL))

    def loss_again(self) -> float | None:
        """The loss of the batch after the step; None if the model does not give the same twice."""
        training = self.training
        states = [(source, source.getstate()) for source in training.sources.values()]
        parts = [(part, dict(vars(part))) for _, part in training.model.named_modules()]
        total = 0.0
        try:
            with autograd.no_grad():
                for i in training.batch:
                    total += _plain(training.loss(training.model(training.examples[i]), training.targets[i]))
                total /= len(training.batch)
                total += 0.0 if training.penalty is None else _plain(training.penalty())
        except Exception:  # a model may need gradients in its forward pass
            self.comparable = False
        for source, state in states:
            if source.getstate() != state:
                source.setstate(state)
                self.comparable = False
        for part, attributes in parts:
            now = vars(part)
            if now.keys() != attributes.keys() or any(now[key] is not x for key, x in attributes.items()):
                now.clear()
                now.update(attributes)
                self.comparable = False
        return total if self.comparable else None

    # ---- speaking ----

    def say(self, finding: Finding) -> None:
        """Warn of it, once for its kind and place, at the line that called `fit`."""
        if _key(finding) in self.said:
            return
        self.said.add(_key(finding))
        steps = self.training.step
        text = f"after {counted(steps, 'step')}, {finding}" if steps else str(finding)
        self.training.history.messages.append(text)
        frame, modules = sys._getframe().f_back, list[Any]()
        while frame:
            modules.append(frame.f_globals.get("__name__"))
            frame = frame.f_back
        outermost = max([i for i, name in enumerate(modules) if name == "nn.train"], default=-1)
        warnings.warn(text, TrainingWarning, stacklevel=outermost + 3)


def _key(finding: Finding) -> tuple[str, str]:
    """What is said once. Findings that list all layers are one, whichever of these is the worst at the time."""
    return finding.kind, "" if finding.kind in ("vanishing", "exploding") else finding.where


def _first(outputs: Any) -> Value | None:
    """The first Value of what a part gave, if it begins with one."""
    while isinstance(outputs, list | tuple) and outputs:
        outputs = outputs[0]
    return outputs if isinstance(outputs, Value) else None


def _plain(x: Any) -> float:
    """A Value's number, or a number, as a float."""
    return float(x.data if isinstance(x, Value) else x)
