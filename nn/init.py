"""Where weights start: one function per scheme, drawing one weight at a time.

Each takes a source of random numbers, `fan_in` (how many inputs a neuron has) and `fan_out` (how many neurons share an
input), and returns a float. All but `uniform` and `zeros` choose the spread of the weights so that numbers keep their size
from layer to layer, forward, backward or both.

The same seed gives the same weights on every Python version and machine: nothing is drawn but `random()`, the only method
of `random.Random` whose numbers Python promises to keep, and what is made of them is written out here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

__all__ = ["SCHEMES", "Scheme", "Source", "he", "he_uniform", "lecun", "lecun_uniform", "uniform", "xavier"]
__all__ += ["xavier_normal", "zeros"]


class Source(Protocol):
    """What weights are drawn from: a `random.Random`, or the module `random` itself."""

    def random(self) -> float: ...

    def uniform(self, a: float, b: float, /) -> float: ...

    def normalvariate(self, mu: float, sigma: float, /) -> float: ...


Scheme = Callable[[Source, int, int], float]


def evenly(source: Source, limit: float) -> float:
    """U(-limit, limit), one draw: -limit + 2*limit*u, the numbers of `random.uniform`."""
    return -limit + 2 * limit * source.random()


def bell_shaped(source: Source, deviation: float) -> float:
    """N(0, deviation^2), two draws or more: the ratio of two uniform numbers, taken if it falls under the bell.

    Kinderman and Monahan, "Computer Generation of Random Variables Using the Ratio of Uniform Deviates", 1977. These are
    the numbers of `random.normalvariate` in Python 3.11. Unlike Box and Muller's cosines and logarithms, whose last digits
    differ between machines, what is returned has been through exactly rounded arithmetic only.
    """
    while True:
        u, v = source.random(), 1 - source.random()
        z = WIDTH * (u - 0.5) / v
        if z * z / 4 <= -math.log(v):
            return z * deviation


WIDTH = 1.7155277699214135  # 4 / sqrt(2*e): no more is needed of the ratios


def uniform(source: Source, fan_in: int, fan_out: int) -> float:
    """U(-1, 1) whatever the size of the layer: micrograd's choice, good for small networks."""
    return evenly(source, 1.0)


def xavier(source: Source, fan_in: int, fan_out: int) -> float:
    """U(-r, r) with r = sqrt(6 / (fan_in + fan_out)); for tanh and sigmoid.

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010, equation 16.
    """
    return evenly(source, math.sqrt(6 / (fan_in + fan_out)))


def xavier_normal(source: Source, fan_in: int, fan_out: int) -> float:
    """N(0, s^2) with s = sqrt(2 / (fan_in + fan_out)): the variance of `xavier` (equation 12 there), bell-shaped."""
    return bell_shaped(source, math.sqrt(2 / (fan_in + fan_out)))


def he(source: Source, fan_in: int, fan_out: int) -> float:
    """N(0, s^2) with s = sqrt(2 / fan_in); for ReLU, which silences half of its inputs.

    He, Zhang, Ren and Sun, "Delving Deep into Rectifiers", 2015, equation 10.
    """
    return bell_shaped(source, math.sqrt(2 / fan_in))


def he_uniform(source: Source, fan_in: int, fan_out: int) -> float:
    """U(-r, r) with r = sqrt(6 / fan_in): the variance of `he`, spread evenly."""
    return evenly(source, math.sqrt(6 / fan_in))


def lecun(source: Source, fan_in: int, fan_out: int) -> float:
    """N(0, s^2) with s = sqrt(1 / fan_in).

    LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998, equation 16.
    """
    return bell_shaped(source, math.sqrt(1 / fan_in))


def lecun_uniform(source: Source, fan_in: int, fan_out: int) -> float:
    """U(-r, r) with r = sqrt(3 / fan_in): the variance of `lecun`, spread evenly."""
    return evenly(source, math.sqrt(3 / fan_in))


def zeros(source: Source, fan_in: int, fan_out: int) -> float:
    """Always 0. All neurons of a layer then stay equal for ever: worth seeing once, never worth training."""
    return 0.0


SCHEMES: dict[str, Scheme] = {
    scheme.__name__: scheme for scheme in (uniform, xavier, xavier_normal, he, he_uniform, lecun, lecun_uniform, zeros)
}
