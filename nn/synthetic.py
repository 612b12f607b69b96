"""Data made by a formula and a seed: two moons, circles, spirals, xor, a line.

Every one takes `n` examples, `noise` (the standard deviation of the normal noise) and a `seed`; classes take turns, so that
their counts differ by at most one. The only source is `random()`, which Python promises to give the same numbers for
ever: a seed gives the same data in every version, and on every machine whose sin, cos and log round alike.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from nn.dataset import Dataset

__all__ = ["circles", "linear", "moons", "spirals", "xor"]

Point = tuple[float, float]


def moons(n: int = 200, noise: float = 0.1, seed: int = 0) -> Dataset:
    """Two half circles of radius 1 that reach into each other: "upper" around (0, 0), "lower" around (1, 0.5).

    Evenly spaced, as scikit-learn's `make_moons` has them. Raises ValueError for fewer than 2 examples, or a noise that is
    negative or not finite; so do all data sets here.
    """

    def place(kind: int, j: int, count: int) -> Point:
        angle = math.pi * j / max(count - 1, 1)
        x, y = math.cos(angle), math.sin(angle)
        return (x, y) if kind == 0 else (1 - x, 0.5 - y)

    return _classes("moons", n, noise, seed, ("upper", "lower"), place)


def circles(n: int = 200, noise: float = 0.05, seed: int = 0, *, factor: float = 0.5) -> Dataset:
    """A circle of radius 1, "outer", and one of radius `factor` within it, "inner"; evenly spaced around (0, 0).

    Raises ValueError also if `factor` is not between 0 and 1.
    """
    if not 0 < factor < 1:
        raise ValueError(f"factor is the inner circle's radius, above 0 and below 1; got {factor!r}")

    def place(kind: int, j: int, count: int) -> Point:
        angle = 2 * math.pi * j / count
        radius = factor if kind else 1.0
        return radius * math.cos(angle), radius * math.sin(angle)

    return _classes("circles", n, noise, seed, ("outer", "inner"), place)


def spirals(n: int = 200, noise: float = 0.02, seed: int = 0, *, classes: int = 2, turns: float = 1.0) -> Dataset:
    """As many arms as `classes`, each an Archimedean spiral: radius t at angle 2 pi (turns t + arm / classes), 0 < t <= 1.

    The classes are called "arm 0", "arm 1", ... Raises ValueError also for fewer than 2 classes, fewer examples than
    classes, or `turns` that are not a number.
    """
    if not _is_whole(classes) or classes < 2:
        raise ValueError(f"classes is how many arms there are, a whole number of at least 2; got {classes!r}")
    if not math.isfinite(turns):
        raise ValueError(f"turns is how often an arm goes around the centre, a finite number; got {turns!r}")

    def place(kind: int, j: int, count: int) -> Point:
        t = (j + 1) / count
        angle = 2 * math.pi * (turns * t + kind / classes)
        return t * math.cos(angle), t * math.sin(angle)

    return _classes("spirals", n, noise, seed, tuple(f"arm {kind}" for kind in range(classes)), place)


def xor(n: int = 200, noise: float = 0.15, seed: int = 0) -> Dataset:
    """Four clouds around (0, 0), (0, 1), (1, 1) and (1, 0), in turn; the class is "1" where one of the two is 1.

    `xor(4, noise=0)` is the truth table.
    """

    def place(kind: int, j: int, count: int) -> Point:
        first = j % 2
        return float(first), float(first ^ kind)

    return _classes("xor", n, noise, seed, ("0", "1"), place)


def linear(n: int = 100, noise: float = 0.1, seed: int = 0, *, features: int = 1) -> Dataset:
    """Regression: y = w1 x1 + w2 x2 + ... + b + noise, every x from -1 to 1; a line, or a plane for two `features`.

    The coefficients are drawn from -2 to 2 and rounded to two decimals; `notes` tells them. Raises ValueError also for
    fewer than 1 feature.
    """
    rng = _source(n, noise, seed, least=2)
    if not _is_whole(features) or features < 1:
        raise ValueError(f"features is how many inputs there are, a whole number of at least 1; got {features!r}")
    names = ("x",) if features == 1 else tuple(f"x{i + 1}" for i in range(features))
    *w, b = [round(4 * rng.random() - 2, 2) for _ in range(features + 1)]
    examples, targets = [], []
    for _ in range(n):
        x = [2 * rng.random() - 1 for _ in w]
        examples.append(x)
        targets.append(math.fsum([*map(float.__mul__, w, x), b, noise * _normal(rng)[0]]))
    law = " + ".join([*(f"{slope} {name}" for slope, name in zip(w, names, strict=True)), str(b)]).replace("+ -", "- ")
    note = f"y = {law}, and normal noise of standard deviation {noise:g}"
    return Dataset("linear", examples, targets, names, "y", notes=(note,))


def _classes(
    name: str, n: int, noise: float, seed: int, class_names: tuple[str, ...], place: Callable[[int, int, int], Point]
) -> Dataset:
    """Points of the classes in turn: the j-th of `count` points of a class is at place(class, j, count), plus noise."""
    rng = _source(n, noise, seed, least=len(class_names))
    targets = [i % len(class_names) for i in range(n)]
    examples = []
    for i, kind in enumerate(targets):
        x, y = place(kind, i // len(class_names), len(range(kind, n, len(class_names))))
        dx, dy = _normal(rng)
        examples.append([x + noise * dx, y + noise * dy])
    return Dataset(name, examples, targets, ("x", "y"), "class", class_names)


def _normal(rng: random.Random) -> Point:
    """Two independent standard normal numbers (Box and Muller, 1958)."""
    radius, angle = math.sqrt(-2 * math.log(1 - rng.random())), 2 * math.pi * rng.random()
    return radius * math.cos(angle), radius * math.sin(angle)


def _source(n: int, noise: float, seed: int, least: int) -> random.Random:
    """The source of random numbers, once all is known to make sense."""
    if not _is_whole(n) or n < least:
        raise ValueError(f"n is how many examples to make, at least {least}; got {n!r}")
    if not 0 <= noise < math.inf:
        raise ValueError(f"noise is a standard deviation, 0 or more; got {noise!r}")
    if not _is_whole(seed):
        raise ValueError(f"seed is a whole number; got {seed!r}")
    return random.Random(seed)


def _is_whole(x: object) -> bool:
    return isinstance(x, int) and not isinstance(x, bool)
