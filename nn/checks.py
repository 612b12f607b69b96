"""What several layers check of their arguments and inputs."""

from __future__ import annotations

import operator
import random
from collections.abc import Iterable
from typing import Any

from autograd import Value
from autograd.numeric import is_number
from nn import init as initialisation
from nn.words import did_you_mean


def whole(name: str, number: Any, least: int = 0) -> int:
    """`number` as an int of at least `least`, or an error that names the argument."""
    if isinstance(number, bool) or not hasattr(number, "__index__"):
        raise TypeError(f"{name} must be a whole number, got {number!r}")
    count = operator.index(number)
    if count < least:
        raise ValueError(f"{name} must be at least {least}, got {count}")
    return count


def pair(name: str, given: Any, least: int) -> tuple[int, int]:
    """`given` as a pair (rows, columns) of ints of at least `least`: one int stands for both."""
    if not isinstance(given, (tuple, list)):
        given = given, given
    if len(given) != 2:
        raise ValueError(f"{name} must be a whole number or a pair of them (rows, columns), got {given!r}")
    return whole(name, given[0], least), whole(name, given[1], least)


def scheme(init: Any) -> initialisation.Scheme:
    """The init scheme of that name, or the function itself; a ValueError lists the names."""
    if callable(init):
        return init  # type: ignore[no-any-return]
    if init not in initialisation.SCHEMES:
        names = ", ".join(initialisation.SCHEMES)
        hint = did_you_mean(str(init), initialisation.SCHEMES)
        raise ValueError(f"init must be one of {names}, or a function; got {init!r}{hint}")
    return initialisation.SCHEMES[init]


def source(rng: Any) -> initialisation.Source:
    """What to draw from: `rng`, or the module `random` if that is None."""
    if rng is None:
        return random
    if not isinstance(rng, random.Random):
        raise TypeError(f"rng must be a random.Random, such as random.Random(0), or None; got {rng!r}")
    return rng


def mistake_in(inputs: Iterable[Any], what: str = "input", about_many: str = "") -> str:
    """Where the first input stands that is neither a number nor a Value, and what to do; "" if there is none."""
    for position, x in enumerate(inputs):
        if mistake := mistake_of(x, about_many):
            return f"{what} {position} (counted from 0) is {mistake}"
    return ""


def mistake_within(nested: Any, place: str = "") -> str:
    """The same for lists and arrays of inputs, however nested; the place is that of an index, "x[2][0]"."""
    if hasattr(nested, "tolist"):
        nested = nested.tolist()
    if isinstance(nested, (list, tuple)):
        return next(filter(None, (mistake_within(x, f"{place}[{i}]") for i, x in enumerate(nested))), "")
    mistake = mistake_of(nested, "; write a list or an array")
    return f"x{place} is {mistake}" if mistake else ""


def mistake_of(x: Any, about_many: str = "") -> str:
    """What `x` is and what to do, if it is neither a number nor a Value; "" if it is one. `about_many` is for a list."""
    if isinstance(x, Value) or is_number(x):
        return ""
    kind = type(x).__name__
    if kind.startswith("bool"):
        advice = "; write int(x) or float(x)"
    elif isinstance(x, str | bytes):
        advice = "; float(x) reads a number from text"
    else:
        advice = about_many if hasattr(x, "__len__") else ""
    return f"{x!r:.80}, of type {kind}{advice}"
