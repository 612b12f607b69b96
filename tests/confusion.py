"""Which mistake the derivation checker finds where which was injected: `python -m tests.confusion --networks 100 --seed 0`.

Random networks get mistakes injected into their backward pass, several each. Every parameter whose gradient a mistake changes
is counted in the row of the mistake, under the kind that the checker names. The last row are right gradients: those of
networks without a mistake, and those that a mistake does not reach. What is misnamed is listed, and can be replayed:
`--network 17 --mistake 3`. A mistake that comes to the same numbers as one of another kind is left out of the table, and
either name is right.
"""

from __future__ import annotations

import argparse
import collections
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import networks

import autograd

NAMES = {name: getattr(autograd, name) for name in ("sigmoid", "tanh", "relu", "softplus")}
FORMS = ("function", "dict", "text")


class Found(NamedTuple):
    """What the checker says of one parameter.

    Attributes:
        injected: the kind of the mistake; "right" where it does not change this parameter.
        kinds: all kinds that fit.
        found: "right", a kind, "unexplained", or the exception that it raised.
        text: its explanation.
    """

    name: str
    injected: str
    kinds: set[str]
    found: str
    text: str

    @property
    def named(self) -> bool:
        return self.found in self.kinds


def check(net: networks.Derived, mistake: networks.Mistake | None, form: str = "function", seed: int = 0) -> Any:
    """The checker's report on a network's backward pass, given as a function, a dict of functions, or both codes as text."""
    given = net.arguments()
    claim: Any = networks.gradient_of(net, mistake)
    f: Any = networks.loss_of(net, NAMES)
    if form == "dict":
        claim = {name: one_of(claim, name) for name in net.parameters}
    elif form == "text":
        f, claim = (
            "\n".join(lines(net)) for lines in (lambda net: net.forward(), lambda net: networks.backward(net, mistake))
        )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return autograd.check_derivation(f, claim, argnum=tuple(net.parameters), seed=seed, **given)


def one_of(claim: Callable[..., networks.Numbers], name: str) -> Callable[..., Any]:
    return lambda *args, **kwargs: claim(*args, **kwargs)[name]


def judge(net: networks.Derived, injection: networks.Injection | None, form: str = "function") -> list[Found]:
    """What the checker says of each parameter."""
    mistake, changed = injection or (None, {})
    kind = mistake.kind if mistake else "right"
    try:
        report = check(net, mistake, form)
    except Exception as error:
        return [Found("", kind, {kind}, type(error).__name__, str(error))]
    return [
        Found(
            name,
            kind if name in changed else "right",
            changed.get(name, {"right"}),
            "right" if report[name].verdict == "right" else report[name].kind,
            report[name].text,
        )
        for name in net.parameters
    ]


def form_of(net: networks.Derived, place: int) -> str:
    """How a network is given; the code of a convolution has loops, which a text may not."""
    forms = FORMS if isinstance(net, networks.Network) else FORMS[:2]
    return forms[(net.seed + place) % len(forms)]


def chosen(injections: list[networks.Injection], draw: np.random.Generator, count: int) -> list[int]:
    """Places of mistakes of different kinds, all kinds alike often."""
    kinds = sorted({injection.mistake.kind for injection in injections})
    some = [str(kind) for kind in draw.permutation(kinds)[:count]]
    places = [[k for k, one in enumerate(injections) if one.mistake.kind == kind] for kind in some]
    return [int(draw.choice(of_kind)) for of_kind in places]


def table(counts: collections.Counter[tuple[str, str]]) -> str:
    """Injected kinds by found kinds; of the right ones a last row."""
    injected = [*sorted({kind for kind, _ in counts} - {"right"}), "right"]
    found = [kind for kind in injected if any(counts[row, kind] for row in injected)]
    found += sorted({kind for _, kind in counts} - set(found))
    width = max(map(len, injected))
    lines = [" " * width + "".join(f"{number:>6}" for number in range(1, len(found) + 1))]
    for row in injected:
        cells = "".join(f"{counts[row, kind] or '.':>6}" for kind in found)
        lines.append(f"{row:<{width}}{cells}")
    names = (f"{number} {kind}" for number, kind in enumerate(found, 1))
    return "\n".join([*lines, "", "columns, what was found: " + ", ".join(names)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=100)
    parser.add_argument("--mistakes", type=int, default=4, help="for each network")
    parser.add_argument("--seed", type=int, default=0, help="that of the first network")
    parser.add_argument("--network", type=int, help="replay: the seed of one network")
    parser.add_argument("--mistake", type=int, help="replay: which of its mistakes; none, the right one")
    options = parser.parse_args()
    if options.network is not None:
        replay(options.network, options.mistake)
        return
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    alike, misnamed = 0, []
    for seed in range(options.seed, options.seed + options.networks):
        net = networks.network(seed)
        injections = networks.distinct(net)
        places = [None, *chosen(injections, np.random.default_rng(seed), options.mistakes)]
        for place in places:
            injection = None if place is None else injections[place]
            for found in judge(net, injection, form_of(net, place or 0)):
                alike += len(found.kinds) > 1
                if len(found.kinds) == 1:
                    counts[found.injected, found.found] += 1
                if not found.named:
                    misnamed.append(
                        f"--network {seed}"
                        + ("" if place is None else f" --mistake {place}")
                        + f": {found.name}, {' or '.join(sorted(found.kinds))}"
                        + (f" ({injection.mistake.where})" if injection else "")
                        + f", found {found.found}: {found.text}"
                    )
    print(table(counts))
    print(f"\n{sum(counts.values())} gradients, and {alike} that fit two names; misnamed {len(misnamed)}")
    print("\n".join(misnamed))


def replay(seed: int, place: int | None) -> None:
    net = networks.network(seed)
    injection = None if place is None else networks.distinct(net)[place]
    mistake = injection.mistake if injection else None
    print(net, "", *net.forward(), "", *networks.backward(net, mistake), "", sep="\n")
    if injection:
        print(f"{injection.mistake.kind}: {injection.mistake.where}; changes {', '.join(injection.kinds)}\n")
    print(check(net, mistake, form_of(net, place or 0)))


if __name__ == "__main__":
    main()
