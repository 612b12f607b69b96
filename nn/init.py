"""Where weights start: one function per scheme, drawing one weight at a time.

Each takes a source of random numbers, `fan_in` (how many inputs the neuron has) and `fan_out` (how many neurons share
those inputs), and returns a float. All but `uniform` and `zeros` choose the spread of the weights so that numbers keep
their size from layer to layer, forward, backward or both.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

__all__ = ["SCHEMES", "Scheme", "Source", "he", "he_uniform", "lecun", "lecun_uniform", "uniform", "xavier"]
__all__ += ["xavier_normal", "zeros"]


class Source(Protocol):
    """What weights are drawn from: a `random.Random`, or the module `random` itself."""

    def uniform(self, a: float, b: float, /) -> float: ...

    def normalvariate(self, mu: float, sigma: float, /) -> float: ...


Scheme = Callable[[Source, int, int], float]


def uniform(source: Source, fan_in: int, fan_out: int) -> float:
    """U(-1, 1) whatever the size of the layer: micrograd's choice, good for small networks."""
    return source.uniform(-1, 1)


def xavier(source: Source, fan_in: int, fan_out: int) -> float:
    """U(-r, r) with r = sqrt(6 / (fan_in + fan_out)); for tanh and sigmoid.

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010, equation 16.
    """
    limit = math.sqrt(6 / (fan_in + fan_out))
    return source.uniform(-limit, limit)


def xavier_normal(source: Source, fan_in: int, fan_out: int) -> float:
    """N(0, s^2) with s = sqrt(2 / (fan_in + fan_out)): the variance of `xavier` (equation 12 there), bell-shaped."""
    return source.normalvariate(0.0, math.sqrt(2 / (fan_in + fan_out)))


def he(source: Source, fan_in: int, fan_out: int) -> float:
    """N(0, s^2) with s = sqrt(2 / fan_in); for ReLU, which silences half of its inputs.

    He, Zhang, Ren and Sun, "Delving Deep into Rectifiers", 2015, equation 10.
    """
    return source.normalvariate(0.0, math.sqrt(2 / fan_in))


def he_uniform(source: Source, fan_in: int, fan_out: int) -> float:
    """U(-r, r) with r = sqrt(6 / fan_in): the variance of `he`, spread evenly."""
    limit = math.sqrt(6 / fan_in)
    return source.uniform(-limit, limit)


def lecun(source: Source, fan_in: int, fan_out: int) -> float:
    """N(0, s^2) with s = sqrt(1 / fan_in).

    LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998, equation 16.
    """
    return source.normalvariate(0.0, math.sqrt(1 / fan_in))


def lecun_uniform(source: Source, fan_in: int, fan_out: int) -> float:
    """U(-r, r) with r = sqrt(3 / fan_in): the variance of `lecun`, spread evenly."""
    limit = math.sqrt(3 / fan_in)
    return source.uniform(-limit, limit)


def zeros(source: Source, fan_in: int, fan_out: int) -> float:
    """Always 0. All neurons of a layer then stay equal for ever: worth seeing once, never worth training."""
    return 0.0


SCHEMES: dict[str, Scheme] = {
    scheme.__name__: scheme for scheme in (uniform, xavier, xavier_normal, he, he_uniform, lecun, lecun_uniform, zeros)
}
