"""The checks of a graph and its gradients: what each sees, why that matters, and when it stays silent."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from autograd import Value
from autograd.engine import NOT_COMPUTED, same
from autograd.modes import finite
from autograd.rules import Rule
from nn.doctor.findings import Finding, listed
from nn.doctor.origin import origin_of_nonfinite, origin_of_nonfinite_gradient
from nn.doctor.reading import Case, Layers, plain
from nn.words import counted, number

# Where a figure stops being usual. Healthy runs of a few hundred kinds (tests/test_nn_doctor.py has some) stay within.
APART = 1e3  # times by which the gradients of two layers may differ; in healthy networks it is less than 100
LARGE = 1e3  # gradient per size of weight (at least 1): a step with a rate of 0.001 would be as large as the weight
TENFOLD = 10.0  # times by which a step may raise its own loss: momentum near a minimum, and RMSprop's first, double it

ADVICE_NOT_FINITE = (
    "Keep the operand inside the operation's domain (a loss on logits needs no log of a probability), look for inf or "
    "NaN in the data, standardise the inputs, and try a smaller learning rate."
)
ADVICE_UPHILL = (
    "Try a learning rate ten times smaller, and if that does not help check the sign: a step goes against the gradient, "
    "parameter -= lr * gradient."
)


def not_connected(case: Case) -> Iterator[Finding]:
    """Parameters that are not in the graph of the loss, by layer: nothing can ever change them.

    Silent on a layer of which only some parameters are used.
    """
    below = set(case.order)
    if below.isdisjoint(case.parameters):
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
    for layer, places in case.layers.places.items():
        if below.isdisjoint([case.parameters[i] for i in places]):
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
        if not finite(root.data):
            what = f"The loss is {root.data}: {origin_of_nonfinite(root, case.model)}."
            yield Finding("not finite", "", what, ADVICE_NOT_FINITE)
            return
    if not all(map(finite, case.fresh)):
        origin = next(filter(None, [origin_of_nonfinite_gradient(root, case.model) for root in case.roots]), "")
        what = f"The loss is finite, but a gradient is not{origin and f': {origin}'}."
        yield Finding("not finite", "", what, ADVICE_NOT_FINITE)
        return
    for parameter, title in zip(case.parameters, case.titles, strict=True):
        if not finite(parameter.data):
            what = f"Parameter {title} is {parameter.data} now, and was finite when the loss was computed."
            yield Finding("not finite", "", what, "Take smaller steps: a smaller learning rate, or clipped gradients.")
            return


def gradients_left(case: Case) -> Iterator[Finding]:
    """Gradients in the parameters that are not those of this loss: a multiple of them, or more than them.

    Silent before backward(), when those of the step before may still be there, and where each is between 0 and the loss's
    own, as clipped or masked ones are. The tolerance is 1e-6 of the largest gradient: sums in another order differ by less.
    """
    if any(root.grad is NOT_COMPUTED for root in case.roots):
        return
    stored = [plain(parameter.grad) for parameter in case.parameters]
    pairs = list(zip(stored, case.fresh, strict=True))
    largest = max(range(len(pairs)), key=lambda i: abs(case.fresh[i]))
    slack = 1e-6 * abs(case.fresh[largest])
    excess = [max(min(0, own) - held, held - max(0, own)) if finite(held) else math.inf for held, own in pairs]
    if max(excess) <= slack:
        return
    times = round(stored[largest] / case.fresh[largest]) if slack and finite(stored[largest]) else 0
    if times >= 2 and all(abs(held - times * own) <= times * slack for held, own in pairs):
        yield Finding(
            "backward twice",
            "",
            f"Every gradient is {times} times that of this loss: backward() ran {times} times since the gradients were 0.",
            "Call backward() once for each forward pass, and zero_grad() before it.",
        )
        return
    i = excess.index(max(excess))
    yield Finding(
        "not zeroed",
        "",
        f"The gradients hold more than this loss gives: that of {case.titles[i]} is {number(stored[i])}, and this loss gives "
        f"{number(case.fresh[i])}. Those of earlier losses are still in them.",
        "Call optimizer.zero_grad() or model.zero_grad() before each backward(). Where gradients are added up on purpose, "
        "give diagnose all the losses as a list.",
    )


# ---- numbers that changed after the forward pass -------------------------------------------------------------------


def data_changed(case: Case) -> Iterator[Finding]:
    """Numbers that are no longer those of the forward pass: inputs, some parameters, or after a step all of them.

    The graph keeps the local derivatives of the forward pass, so gradients are then of the old numbers. Where each layer's
    parameters have all moved or all stayed, an optimizer's step is taken to have moved them, and what is looked at is where
    to (`uphill`). Silent on parameters without a gradient, which no step need move.
    """
    stale = [node for node in case.order if isinstance(node.rule, Rule) and not same(_again(node), node.data)]
    mine = set(case.parameters)
    changed: list[str] = []
    for node in stale:
        leaves = [parent for parent in node.parents if not parent.parents]
        others = [leaf for leaf in leaves if leaf not in mine]
        if len(others) < len(leaves):  # beside a parameter, which may be the one that changed
            others = [leaf for leaf in others if leaf in _former(node)]
        changed += [case.leaf(leaf) for leaf in others] or ([] if leaves else [f"the number {case.place(node)}"])
    if changed:
        yield Finding(
            "data changed",
            "",
            f"Data was changed after the forward pass: {listed(list(dict.fromkeys(changed)))}. Gradients are still those of "
            "the old numbers.",
            "Run the forward pass again after changing data, and make new Values for each example.",
        )
        return
    touched = {parent for node in stale for parent in node.parents}
    least = 1e-6 * max(map(abs, case.fresh))
    for layer, places in case.layers.places.items():
        movable = [i for i in places if abs(case.fresh[i]) > least]
        moved = [case.titles[i] for i in movable if case.parameters[i] in touched]
        if 0 < len(moved) < len(movable):
            yield Finding(
                "data changed",
                layer,
                f"{len(moved)} of {counted(len(movable), 'parameter')} in {layer} changed after the forward pass, and the "
                f"others did not, as they would in a step: {listed(moved)}. Gradients are still those of the old numbers.",
                "Change parameters before the forward pass, or by optimizer.step() after backward().",
            )
            return
    if stale:
        yield from uphill(case, stale)


def _again(node: Value) -> Any:
    """What a node's rule gives for what its parents hold now; NaN if it cannot."""
    try:
        return node.rule.forward(*[parent.data for parent in node.parents])
    except Exception:  # a user's rule may do anything at other numbers
        return math.nan


def _former(node: Value) -> dict[Value, Any]:
    """The operands of a product that have changed, with what they were.

    A product's local derivative with respect to one operand is the other one: what it was then was recorded.
    """
    recorded = node.slopes
    now = node.rule.slopes(tuple([parent.data for parent in node.parents]), node.data)
    was = {new: old for new, old in zip(now, recorded, strict=True) if old is not None}
    return {x: was[x.data] for x in node.parents if x.data in was and x.data not in recorded}


def uphill(case: Case, stale: Sequence[Value]) -> Iterator[Finding]:
    """A step that followed the gradient instead of going against it, or after which the loss is ten times what it was.

    The loss after the step is found from the same graph, with the parameters as they are now. Silent on smaller rises, which
    momentum, Adam and RMSprop make now and then; `fit`, which sees many steps, judges by several. Silent also where a node
    was made by hand, so that it cannot be computed again.
    """
    now: dict[Value, Any] = {}
    try:
        for node in case.order:
            now[node] = node.rule.forward(*[now[parent] for parent in node.parents]) if node.parents else node.data
    except Exception:  # a user's rule may do anything at other numbers
        return
    before, after = float(sum(root.data for root in case.roots)), float(sum(now[root] for root in case.roots))
    became = f"{number(before)} became {number(after)}"
    if after > before and _follows(case, stale):
        what = f"The step followed the gradient, which leads uphill: the loss {became}."
        advice = "Change the sign: a step goes against the gradient, parameter -= lr * gradient."
        yield Finding("uphill", "", what, advice)
    elif not after - before <= (TENFOLD - 1) * abs(before):
        yield Finding("uphill", "", f"The step made its own loss worse: {became}.", ADVICE_UPHILL)


def _follows(case: Case, stale: Sequence[Value]) -> bool:
    """Whether parameters moved by a positive multiple of their gradients, as far as it is known what they were before."""
    moves = {x: x.data - was for node in stale for x, was in _former(node).items()}
    pairs = [(moves[p], own) for p, own in zip(case.parameters, case.fresh, strict=True) if p in moves]
    move, most = max(pairs, key=lambda pair: abs(pair[1]), default=(0.0, 0.0))
    if len(pairs) < 3 or not most:
        return False
    rate = move / most
    return rate > 0 and all(abs(move - rate * own) <= 1e-6 * abs(rate * most) for move, own in pairs)


# ---- weights and gradients by layer --------------------------------------------------------------------------------


def identical_weights(layers: Layers, gradients: Sequence[float]) -> Iterator[Finding]:
    """Layers whose units all have the same parameters, bit for bit, and the same gradients: they stay equal for ever.

    However many there are, they are then worth one. Silent if only the gradients differ, as in a last layer that begins at 0.
    """
    for layer, places in layers.places.items():
        of: dict[int, list[int]] = {}  # the places of each unit's parameters
        for i in places:
            of.setdefault(layers.units[layers.parameters[i]].place, []).append(i)
        first, *others = of.values()
        if not others or any(
            [layers.parameters[i].data for i in unit] != [layers.parameters[i].data for i in first] for unit in others
        ):
            continue
        slack = 1e-9 * max([abs(gradients[i]) for i in first])  # the order of sums may differ
        if all(abs(gradients[i] - gradients[j]) <= slack for unit in others for i, j in zip(first, unit, strict=True)):
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
    layers = list(sizes)
    table = f"Sizes by layer: {listed([f'{layer} {number(size, 2)}' for layer, size in sizes.items()])}."
    later = {layer: max(layers[i:], key=sizes.__getitem__) for i, layer in enumerate(layers)}
    worst = min(layers, key=lambda layer: sizes[layer] / sizes[later[layer]])
    if sizes[worst] * APART <= sizes[later[worst]]:
        yield Finding(
            "vanishing",
            worst,
            f"Gradients vanish on the way back: those of {worst} are {number(sizes[later[worst]] / sizes[worst], 2)} times "
            f"smaller than those of {later[worst]}. {table}",
            "Use ReLU or tanh in place of sigmoid, weights of the right size (init='he' for ReLU, 'xavier' for tanh), fewer "
            "layers, or standardised inputs.",
        )
    limits = {layer: min(APART * sizes[layers[-1]], LARGE * max(weights[layer], 1)) for layer in layers}
    if large := [layer for layer in layers if sizes[layer] >= limits[layer]]:
        worst = max(large, key=sizes.__getitem__)
        yield Finding(
            "exploding",
            worst,
            f"Gradients explode: those of {worst} are about {number(sizes[worst], 2)} each. {table}",
            "Use smaller initial weights (init='he' or 'xavier'), standardise inputs and targets, clip the gradients "
            "(clip_norm), or take a smaller learning rate.",
        )
