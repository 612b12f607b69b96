"""Steps of training in `nn` and in its peers: the same network, first weights, batch, loss and learning rate.

A step: zeroed gradients, forward, backward and plain gradient descent. Each way to do it is a function of the task and gives
a function without arguments that takes one step and returns the loss before it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import nn
from autograd import Value
from nn.schedules import cosine

from .workloads import make_moons

RATE = 0.05
Step = Callable[[], float]


class Task(NamedTuple):
    """A multi-layer perceptron with ReLU, and one batch; the loss is the mean over it."""

    sizes: tuple[int, ...]
    examples: list[list[float]]
    targets: list[int]
    loss: str  # "hinge", targets -1 and 1, or "cross-entropy", the index of the class

    def layers(self) -> list[list[list[float]]]:
        """The first weights: per layer and neuron those of its inputs, and last its bias."""
        draw = random.Random(1337)
        return [
            [[draw.uniform(-1, 1) / math.sqrt(nin) for _ in range(nin + 1)] for _ in range(nout)]
            for nin, nout in pairwise(self.sizes)
        ]


def moons() -> Task:
    points, labels = make_moons(100)
    return Task((2, 16, 16, 1), [list(point) for point in points], labels, "hinge")


def digits() -> Task:
    data = nn.load_digits().take(range(32))
    return Task(
        (64, 16, 10), [[x / 16 for x in row] for row in data.examples], [int(t) for t in data.targets], "cross-entropy"
    )


TASKS: dict[str, Callable[[], Task]] = {"moons": moons, "digits": digits}

# ---- ours ----------------------------------------------------------------------------------------------------------


def mlp(task: Task) -> nn.Module:
    nin, *nouts = task.sizes
    model = nn.MLP(nin, nouts)
    for layer, rows in zip(model.layers, task.layers(), strict=True):
        for neuron, row in zip(layer.neurons, rows, strict=True):
            assign([*neuron.w, neuron.b], row)
    return model


def sequential(task: Task) -> nn.Module:
    linears = [nn.Linear(nin, nout) for nin, nout in pairwise(task.sizes)]
    for linear, rows in zip(linears, task.layers(), strict=True):
        for weights, bias, row in zip(linear.weight, linear.bias, rows, strict=True):
            assign([*weights, bias], row)
    parts = [part for linear in linears for part in (linear, "relu")]
    return nn.Sequential(*parts[:-1])


def assign(leaves: list[Any], numbers: list[float]) -> None:
    for leaf, number in zip(leaves, numbers, strict=True):
        leaf.data = number


def ours(build: Callable[[Task], nn.Module], *, one_graph: bool, task: Task) -> Step:
    """By default as `fit` goes: every example's share swept back by itself. `one_graph`: the mean of all in one sweep."""
    model = build(task)
    optimizer = nn.SGD(model.parameters(), lr=RATE)
    loss = nn.hinge if task.loss == "hinge" else nn.softmax_cross_entropy
    count = len(task.examples)

    def step() -> float:
        optimizer.zero_grad()
        if one_graph:
            total = loss([model(x) for x in task.examples], task.targets)
            total.backward()
            mean = total.data
        else:
            mean = 0.0
            for x, target in zip(task.examples, task.targets, strict=True):
                share = loss(model(x), target) / count
                share.backward()
                mean += share.data
        optimizer.step()
        return mean

    return step


# ---- micrograd -----------------------------------------------------------------------------------------------------


def micrograd(*, one_graph: bool, task: Task) -> Step:
    """micrograd's own `nn`. It has no exp and no log; they are added the way its other operations are written."""
    from micrograd.engine import Value as Theirs
    from micrograd.nn import MLP

    def unary(x: Any, data: float, slope: float) -> Any:
        out = Theirs(data, (x,), "exp or log")

        def _backward() -> None:
            x.grad += slope * out.grad

        out._backward = _backward
        return out

    def cross_entropy(scores: list[Any], target: int) -> Any:
        highest = max(s.data for s in scores)
        powers = [unary(s, math.exp(s.data - highest), math.exp(s.data - highest)) for s in scores]
        p = powers[target] / sum(powers)
        return -unary(p, math.log(p.data), 1 / p.data)

    def hinge(score: Any, target: int) -> Any:
        return (1 + -target * score).relu()

    loss = hinge if task.loss == "hinge" else cross_entropy
    nin, *nouts = task.sizes
    model = MLP(nin, nouts)
    parameters, count = model.parameters(), len(task.examples)
    assign(parameters, [x for layer in task.layers() for row in layer for x in row])

    def step() -> float:
        model.zero_grad()
        pairs = zip(task.examples, task.targets, strict=True)
        if one_graph:
            total = sum(loss(model(x), target) for x, target in pairs) / count
            total.backward()
            mean = total.data
        else:
            mean = 0.0
            for x, target in pairs:
                share = loss(model(x), target) / count
                share.backward()
                mean += share.data
        for p in parameters:
            p.data -= RATE * p.grad
        return mean

    return step


# ---- PyTorch -------------------------------------------------------------------------------------------------------


def pytorch(*, batched: bool, task: Task) -> Step:
    """On the CPU, on one thread, in float64: the whole batch as a tensor, or example by example."""
    import torch

    torch.set_num_threads(1)
    linears = [torch.nn.Linear(nin, nout, dtype=torch.float64) for nin, nout in pairwise(task.sizes)]
    with torch.no_grad():
        for linear, rows in zip(linears, task.layers(), strict=True):
            numbers = torch.tensor(rows, dtype=torch.float64)
            linear.weight.copy_(numbers[:, :-1])
            linear.bias.copy_(numbers[:, -1])
    parts = [part for linear in linears for part in (linear, torch.nn.ReLU())]
    model = torch.nn.Sequential(*parts[:-1])
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    X, t = torch.tensor(task.examples, dtype=torch.float64), torch.tensor(task.targets)
    count = len(X)

    def total(scores: Any, targets: Any) -> Any:
        if task.loss == "hinge":
            return torch.relu(1 - targets * scores[:, 0]).sum()
        return torch.nn.functional.cross_entropy(scores, targets, reduction="sum")

    def step() -> float:
        optimizer.zero_grad()
        mean = 0.0
        for x, targets in [(X, t)] if batched else zip(X.split(1), t.split(1), strict=True):
            share = total(model(x), targets) / count
            share.backward()
            mean += share.item()
        optimizer.step()
        return mean

    return step


WAYS: dict[str, Callable[[Task], Step]] = {
    "MLP": lambda task: ours(mlp, one_graph=False, task=task),
    "MLP, one graph": lambda task: ours(mlp, one_graph=True, task=task),
    "Sequential": lambda task: ours(sequential, one_graph=False, task=task),
    "Sequential, one graph": lambda task: ours(sequential, one_graph=True, task=task),
    "micrograd": lambda task: micrograd(one_graph=False, task=task),
    "micrograd, one graph": lambda task: micrograd(one_graph=True, task=task),
    "PyTorch, batched": lambda task: pytorch(batched=True, task=task),
    "PyTorch": lambda task: pytorch(batched=False, task=task),
}

# ---- a small net, to train for long --------------------------------------------------------------------------------


def small() -> Step:
    """A step of Adam on exclusive or: a net 2-4-1 with tanh, four examples, half the squared error."""
    model = nn.MLP(2, [4, 1], activation="tanh", init="xavier", rng=random.Random(0))
    optimizer = nn.Adam(model.parameters(), lr=0.01)

    def step() -> float:
        optimizer.zero_grad()
        total: Value = nn.mean_loss(nn.half_squared_error, [model(x) for x, _ in XOR], [target for _, target in XOR])
        total.backward()
        optimizer.step()
        return float(total.data)

    return step


XOR = [([0.0, 0.0], -1.0), ([0.0, 1.0], 1.0), ([1.0, 0.0], 1.0), ([1.0, 1.0], -1.0)]


def boundary(seed: int, examples: int, epochs: int) -> float:
    """The share of the points of two moons that are on their side of the boundary, learnt from them by an MLP 2-16-16-1."""
    data, rng = nn.moons(examples, seed=seed), random.Random(seed)
    model = nn.MLP(2, [16, 16, 1], init="he", rng=rng)
    batch_size = 20
    slower = cosine(epochs * math.ceil(examples / batch_size))
    optimizer = nn.Adam(model.parameters(), lr=0.03, schedule=slower)
    sides = [2 * int(target) - 1 for target in data.targets]
    batches: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size, "rng": rng}
    nn.fit(model, data.examples, sides, loss=nn.hinge, optimizer=optimizer, progress=False, **batches)
    _, share = nn.evaluate(model, data.examples, sides, loss=nn.hinge)
    assert share is not None
    return share
