"""Hidden units: which of them are dead or saturated, so that (nearly) no gradient goes through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from autograd import Value
from autograd.rules import Rule
from nn.activations import FLAT, flat_below
from nn.doctor.findings import Finding, listed
from nn.doctor.reading import Case, Unit
from nn.words import counted

ENOUGH = 32  # examples, before silence of a unit says anything: a healthy ReLU is 0 for half of them
MOST_IDLE = 0.8  # share of a layer's units that may be dead or saturated: half of the ReLUs often are, and it learns
NEARLY_ALL = 0.95  # share of the examples for which a saturated unit is flat


class Seen:
    """A hidden unit: its activation, for how many numbers it was looked at, and for how many of these it was flat."""

    def __init__(self, rule: Rule) -> None:
        self.rule, self.limit, self.times, self.flat = rule, flat_below(rule), 0, 0

    def add(self, slope: float | None) -> None:
        self.times += 1
        self.flat += abs(slope or 0) <= self.limit


def look(node: Value, units: Mapping[Value, Unit], seen: dict[Unit, Seen]) -> None:
    """Note what an activation did: an operation on one number, of the unit that the nearest parameter below it is of."""
    if type(node.rule) is not Rule or node.rule.arity != 1:
        return
    near = [node]
    for at in near:  # which grows, by one level of parents after the other
        for parent in at.parents:
            if unit := units.get(parent):
                if unit not in seen:
                    seen[unit] = Seen(node.rule)
                return seen[unit].add(node._dx)
        if len(near) < 16:
            near += at.parents[:4]


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
        look(node, case.layers.units, seen)
    return seen


class Activity:
    """The units of one layer: what they may be ("dead" or "saturated"), and the places of those that are."""

    def __init__(self, layer: str, kind: str, units: Mapping[int, Seen]) -> None:
        self.layer, self.kind, self.count, self.name = layer, kind, len(units), next(iter(units.values())).rule.name
        share = 1.0 if kind == "dead" else NEARLY_ALL
        self.flat = [place for place, unit in sorted(units.items()) if unit.flat >= share * unit.times]

    def __str__(self) -> str:
        flat, units = len(self.flat), counted(self.count, f"{self.name} unit")
        return f"{flat} of {units} in {self.layer} {'is' if flat == 1 else 'are'} {self.kind}"


def by_layer(seen: Mapping[Unit, Seen]) -> list[Activity]:
    layers: dict[tuple[str, str], dict[int, Seen]] = {}
    for unit, one in seen.items():
        layers.setdefault((unit.layer, "saturated" if one.limit else "dead"), {})[unit.place] = one
    return [Activity(layer, kind, units) for (layer, kind), units in layers.items()]


def idle(seen: Mapping[Unit, Seen], examples: int, everything: bool = False) -> Iterator[Finding]:
    """Dead and saturated units, by layer, from so many examples: units that hand (nearly) no gradient on.

    Dead: the local derivative is exactly 0 for every example, as of a ReLU that always gives 0. Saturated: for 95 % of the
    examples the curve is flat, as of a sigmoid beyond -6 and 6. Said of a layer where more than 4 of 5 units are so; half of
    the ReLUs often are in networks that learn well. Silent on fewer than 32 examples, unless they are `everything` there is
    and the whole layer is so.
    """
    for layer in by_layer(seen):
        enough = examples >= ENOUGH or (everything and len(layer.flat) == layer.count > 1)
        if not enough or len(layer.flat) <= MOST_IDLE * layer.count:
            continue
        of, which = counted(examples, "example"), f"units {listed([str(i) for i in layer.flat])} (counted from 0)"
        if layer.kind == "dead":
            what = f"{layer}: their slope was 0 for every one of {of}, so no gradient reaches their weights: {which}."
            advice = (
                "Take a smaller learning rate, init='he', standardised inputs, or an activation that never is flat "
                "(leaky_relu, gelu)."
            )
        else:
            what = (
                f"{layer}: for nearly every one of {of} the curve is flat there, with less than {FLAT:.0%} of its steepest "
                f"slope: {which}."
            )
            advice = "Standardise the inputs, use smaller initial weights (init='xavier'), or a smaller learning rate."
        yield Finding(layer.kind, layer.layer, what, advice)
