"""What is measured: graphs that every engine builds with the same lines. `Value` is the engine's class."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple


class Workload(NamedTuple):
    """A graph to build over and over from the same leaves, in one engine."""

    forward: Callable[[], Any]  # builds the graph, returns its root
    leaves: list[Any]  # the Values that keep their gradients
    operations: int  # as the expression is written: `x / y` is one, however many nodes an engine makes of it

    def step(self) -> None:
        """Forward, backward, and dropping the graph."""
        for leaf in self.leaves:
            leaf.grad = 0.0
        self.forward().backward()


# ---- 100,000 operations of every kind ------------------------------------------------------------------------------

EXPRESSIONS = 5_000


def expression(a: Any, b: Any, c: Any) -> Any:
    """19 operations of a, b, c in 0.5 .. 2: 6 x *, 5 x +, 3 x -, 2 x /, 2 x **, 1 x relu; 5 with a number."""
    p = a * b + c
    q = (p - c * 0.5) / (b + 1.5)
    r = (q * q + a * p) ** 0.5
    s = (r - b * c).relu()
    t = (s + p**2) / (a + c)
    return 2.0 * t - q


def tree_sum(terms: list[Any]) -> Any:
    """Sum pairs, then pairs of pairs, so that no engine has to recurse deeper than 13 levels for it."""
    while len(terms) > 1:
        odd = terms[-1:] if len(terms) % 2 else []
        terms = [x + y for x, y in zip(terms[::2], terms[1::2], strict=False)] + odd
    return terms[0]


def mix(value: type[Any], expressions: int = EXPRESSIONS) -> Workload:
    """Many expressions of three out of 300 leaves, summed in a tree."""
    draw = random.Random(2)
    leaves = [value(draw.uniform(0.5, 2.0)) for _ in range(300)]
    triples = [draw.sample(leaves, 3) for _ in range(expressions)]

    def forward() -> Any:
        return tree_sum([expression(a, b, c) for a, b, c in triples])

    return Workload(forward, leaves, 20 * expressions - 1)


# ---- a step of training on two moons -------------------------------------------------------------------------------


def make_moons(examples: int) -> tuple[list[tuple[float, float]], list[int]]:
    """Two interleaved half circles with a little noise, labelled 1 and -1."""
    draw = random.Random(3)
    points, labels = [], []
    for i in range(examples):
        angle = math.pi * draw.random()
        x, y = math.cos(angle), math.sin(angle)
        if i % 2:
            x, y = 1.0 - x, 0.5 - y
        points.append((x + draw.gauss(0.0, 0.1), y + draw.gauss(0.0, 0.1)))
        labels.append(1 if i % 2 else -1)
    return points, labels


def make_neurons(value: type[Any], sizes: tuple[int, ...]) -> list[list[tuple[list[Any], Any]]]:
    """Layers of neurons (weights, bias), drawn as micrograd draws them."""
    draw = random.Random(1337)
    return [
        [([value(draw.uniform(-1.0, 1.0)) for _ in range(inputs)], value(0.0)) for _ in range(outputs)]
        for inputs, outputs in pairwise(sizes)
    ]


def moons(value: type[Any], examples: int = 100) -> Workload:
    """An MLP 2-16-16-1 with ReLU, the hinge loss of every example and an L2 penalty: a step of micrograd's demo."""
    points, labels = make_moons(examples)
    layers = make_neurons(value, (2, 16, 16, 1))
    parameters = [p for layer in layers for weights, bias in layer for p in (*weights, bias)]

    def score(xs: list[Any]) -> Any:
        for layer in layers:
            sums = [sum((w * x for w, x in zip(weights, xs, strict=True)), bias) for weights, bias in layer]
            xs = [s.relu() for s in sums] if layer is not layers[-1] else sums
        return xs[0]

    def forward() -> Any:
        scores = [score([value(x), value(y)]) for x, y in points]
        losses = [(1.0 + -label * s).relu() for label, s in zip(labels, scores, strict=True)]
        data_loss = sum(losses) * (1.0 / examples)
        penalty = 1e-4 * sum(p * p for p in parameters)
        return data_loss + penalty

    a_pass = 2 * (2 * 16 + 16 * 16 + 16) + 2 * 16  # a product and a sum per weight; a ReLU per hidden neuron
    return Workload(forward, parameters, examples * (a_pass + 3 + 1) + 2 * len(parameters) + 3)


WORKLOADS: dict[str, Callable[..., Workload]] = {"mix": mix, "moons": moons}

# ---- shapes: deep, wide and shared ---------------------------------------------------------------------------------


def chain(value: type[Any], operations: int) -> tuple[Any, Any, float]:
    """(root, a leaf, its gradient): every node has the one before as its parent."""
    x, w, b = value(1.0), value(-1.0), value(0.5)
    y = x
    for _ in range(operations // 2):
        y = y * w + b
    return y, x, 1.0 if operations // 2 % 2 == 0 else -1.0


def wide(value: type[Any], operations: int) -> tuple[Any, Any, float]:
    """A sum of as many leaves, added one by one."""
    leaves = [value(1.0) for _ in range(operations + 1)]
    total = leaves[0]
    for leaf in leaves[1:]:
        total = total + leaf
    return total, leaves[operations // 2], 1.0


def diamond(value: type[Any], operations: int) -> tuple[Any, Any, float]:
    """Doubled and halved, over and over: the number of paths to the leaf doubles at every level, the gradient stays 1."""
    x, half = value(1.0), value(0.5)
    y = x
    for _ in range(operations // 2):
        y = (y + y) * half
    return y, x, 1.0


def one_sum(value: type[Any], operands: int) -> tuple[Any, Any, float]:
    """One node with as many operands."""
    from autograd import sum as sum_node

    leaves = [value(1.0) for _ in range(operands)]
    return sum_node(leaves), leaves[operands // 2], 1.0


Shape = Callable[[type[Any], int], tuple[Any, Any, float]]
SHAPES: dict[str, Shape] = {"chain": chain, "wide sum": wide, "diamond": diamond, "one sum node": one_sum}
