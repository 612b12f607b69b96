"""A step of training a perceptron: ours by replay, and as one writes it with PyTorch, NumPy and JAX. Everything in float64.

A step: forward, backward and plain gradient descent on one batch. Each way is a function of the task and gives a function
without arguments that takes one step and returns the loss before it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

import autograd
from autograd import Value, logsumexp, relu, sigmoid

from . import training
from .training import RATE, Step, Task
from .workloads import make_moons


def moons(examples: int = 100) -> Task:
    """2-16-16-1 with ReLU, mean hinge loss: the network and weights of `benchmarks.training`."""
    points, labels = make_moons(examples)
    return Task((2, 16, 16, 1), [list(point) for point in points], labels, "hinge")


def digits() -> Task:
    """784-30-10 with sigmoid, mean cross-entropy: ten made-up images, three quarters of whose pixels are empty."""
    draw = random.Random(4)
    images = [[max(0.0, 4 * draw.random() - 3) for _ in range(784)] for _ in range(10)]
    return Task((784, 30, 10), images, [draw.randrange(10) for _ in range(10)], "cross-entropy")


def arrays(task: Task) -> list[Any]:
    """The first weights, a layer's in one array: (inputs + 1, outputs), in the last row the biases."""
    return [np.array(rows).T.copy() for rows in task.layers()]


def targets(task: Task) -> Any:
    """(examples, 1) of -1 and 1 for the hinge loss, (examples, classes) with a 1 among zeros for cross-entropy."""
    found = np.array(task.targets)
    return found[:, None].astype(float) if task.loss == "hinge" else np.eye(task.sizes[-1])[found]


# ---- ours ----------------------------------------------------------------------------------------------------------


class Example:
    """The graph of one example, whose coordinates and target are inputs; `columns` has those of all examples."""

    def __init__(self, task: Task):
        self.task = task
        self.layers = [[[Value(x) for x in row] for row in rows] for rows in task.layers()]
        self.parameters = [weight for rows in self.layers for row in rows for weight in row]
        self.columns = np.concatenate([np.array(task.examples), targets(task)], axis=1)
        self.inputs = [Value(x) for x in self.columns[0].tolist()]

    def build(self) -> Value:
        hinge = self.task.loss == "hinge"
        nin, nonlinear = self.task.sizes[0], relu if hinge else sigmoid
        xs, wanted = self.inputs[:nin], self.inputs[nin:]
        for rows in self.layers:
            sums = [sum((w * x for w, x in zip(weights, xs)), bias) for *weights, bias in rows]
            xs = [nonlinear(s) for s in sums]
        if hinge:
            return relu(1 - wanted[0] * sums[0])
        return logsumexp(sums) - sum(target * score for target, score in zip(wanted, sums))

    def recorded(self) -> Any:
        with autograd.record():
            loss = self.build()
        return autograd.replay(loss, self.inputs, self.parameters)


def replay(task: Task) -> Step:
    """On NumPy."""
    example = Example(task)
    plan, columns, lanes = example.recorded(), example.columns, len(example.columns)

    def step() -> float:
        result = plan(columns, reduce="mean")
        update(plan.parameters, result.gradients)  # the result's arrays are ours
        return float(result.values.sum() / lanes)

    return step


def replay_on_jax(task: Task) -> Step:
    """The plan as a function of JAX, the update inside the jitted step."""
    jax = float64_jax()
    example = Example(task)
    plan, lanes = example.recorded(), len(example.columns)
    loss_and_gradients = plan.to_jax()
    columns = jax.numpy.asarray(example.columns)

    def step(parameters: Any, columns: Any) -> Any:
        values, gradients = loss_and_gradients(parameters, columns)
        return parameters - RATE / lanes * gradients, values.mean()

    return stepping(jax, step, jax.numpy.array(plan.parameters), columns)


def float64_jax() -> Any:
    """JAX on this machine's processor, with float64 turned on for the process."""
    import jax

    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_x64", True)
    return jax


def stepping(jax: Any, step: Callable[..., Any], state: Any, *batch: Any) -> Step:
    """A step (state, *batch) -> (state, loss) under jit; the state's memory is given to the next one."""
    jitted = jax.jit(step, donate_argnums=0)

    def run() -> float:
        nonlocal state
        state, loss = jitted(state, *batch)
        jax.block_until_ready(state)
        return float(loss)

    return run


# ---- peers ---------------------------------------------------------------------------------------------------------


def micrograd(task: Task) -> Step:
    return training.micrograd(one_graph=True, task=task)


def pytorch(task: Task) -> Step:
    """Eager, the whole batch as a tensor, on one thread."""
    import torch

    torch.set_num_threads(1)
    hinge, layers = task.loss == "hinge", []
    for array in arrays(task):
        linear = torch.nn.Linear(len(array) - 1, array.shape[1], dtype=torch.float64)
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(array[:-1].T))
            linear.bias.copy_(torch.tensor(array[-1]))
        layers += [linear, torch.nn.ReLU() if hinge else torch.nn.Sigmoid()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    X, t = torch.tensor(task.examples, dtype=torch.float64), torch.tensor(task.targets)

    def step() -> float:
        optimizer.zero_grad()
        scores = model(X)
        loss = torch.relu(1 - t * scores[:, 0]).mean() if hinge else torch.nn.functional.cross_entropy(scores, t)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def numpy(task: Task) -> Step:
    """Forward and backward by hand: examples in rows, results in place where nothing is lost by it."""
    return numpy_hinge(task) if task.loss == "hinge" else numpy_cross_entropy(task)


def numpy_hinge(task: Task) -> Step:
    """Two hidden layers."""
    (W1, b1), (W2, b2), (W3, b3) = [(array[:-1].copy(), array[-1].copy()) for array in arrays(task)]
    X, t = np.array(task.examples), targets(task)
    slope = -t / len(X)

    def step() -> float:
        g = X @ W1
        g += b1
        np.maximum(g, 0, out=g)
        h = g @ W2
        h += b2
        np.maximum(h, 0, out=h)
        z = h @ W3
        z += b3
        z *= t
        np.subtract(1, z, out=z)
        np.maximum(z, 0, out=z)
        d3 = slope * (z > 0)
        d2 = d3 @ W3.T
        d2 *= h > 0
        d1 = d2 @ W2.T
        d1 *= g > 0
        for W, b, inputs, d in ((W3, b3, h, d3), (W2, b2, g, d2), (W1, b1, X, d1)):
            update(W, inputs.T @ d)
            update(b, d.sum(axis=0))
        return float(z.sum() / len(X))

    return step


def numpy_cross_entropy(task: Task) -> Step:
    """One hidden layer."""
    (W1, b1), (W2, b2) = [(array[:-1].copy(), array[-1].copy()) for array in arrays(task)]
    X, t = np.array(task.examples), targets(task)

    def step() -> float:
        h = X @ W1
        h += b1
        np.negative(h, out=h)
        np.exp(h, out=h)
        h += 1
        np.reciprocal(h, out=h)
        z = h @ W2
        z += b2
        z -= z.max(axis=1, keepdims=True)
        p = np.exp(z)
        total = p.sum(axis=1, keepdims=True)
        loss = (np.log(total).sum() - np.vdot(z, t)) / len(X)
        p /= total
        p -= t
        p /= len(X)
        d = p @ W2.T
        d *= h
        d *= 1 - h
        update(W1, X.T @ d)
        update(b1, d.sum(axis=0))
        update(W2, h.T @ p)
        update(b2, p.sum(axis=0))
        return float(loss)

    return step


def update(numbers: Any, gradients: Any) -> None:
    """Plain gradient descent, in place: `gradients` is used up."""
    gradients *= RATE
    numbers -= gradients


def jax(task: Task) -> Step:
    """value_and_grad of a function of the whole batch, and the update, under jit."""
    jax = float64_jax()
    jnp, hinge = jax.numpy, task.loss == "hinge"

    def loss(parameters: Any, X: Any, t: Any) -> Any:
        for i, (W, b) in enumerate(parameters):
            X = X @ W + b
            if i < len(parameters) - 1:
                X = jax.nn.relu(X) if hinge else jax.nn.sigmoid(X)
        if hinge:
            return jax.nn.relu(1 - t * X).mean()
        return (jax.nn.logsumexp(X, axis=1) - (X * t).sum(axis=1)).mean()

    def step(parameters: Any, X: Any, t: Any) -> Any:
        found, gradients = jax.value_and_grad(loss)(parameters, X, t)
        return jax.tree.map(lambda p, g: p - RATE * g, parameters, gradients), found

    state = [(jnp.array(array[:-1]), jnp.array(array[-1])) for array in arrays(task)]
    return stepping(jax, step, state, jnp.array(task.examples), jnp.array(targets(task)))


WAYS: dict[str, Callable[[Task], Step]] = {
    "replay, NumPy": replay,
    "replay, JAX": replay_on_jax,
    "micrograd": micrograd,
    "PyTorch": pytorch,
    "hand-written NumPy": numpy,
    "hand-written JAX": jax,
}
