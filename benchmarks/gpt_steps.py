"""A step of training the GPT of `benchmarks.gpt` on one sentence of nine positions, on our engine and on its peers.

A step: forward, backward and Adam; the next step takes the next of a few names. Each way is a function of the names and
gives a function without arguments that takes one step and returns the loss before it. Everything in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any

import numpy as np

from .gpt import LETTERS, Adam, Gpt, Sentence, encoded, mean_loss, read_names
from .perceptrons import float64_jax
from .training import Step

RATE, (B1, B2), EPS = 0.01, (0.85, 0.99), 1e-8  # as in `Adam`


def eight_letters(count: int = 20) -> list[str]:
    """Names whose letters and boundary are nine positions, from all over the list."""
    names = [name for name in read_names() if len(name) == 8]
    return names[:: len(names) // count][:count]


def numbers(model: Gpt) -> Any:
    return np.array([weight.data for weight in model.parameters()])


def one_hot(sentence: Any) -> Any:
    """(positions, characters): a 1 for each character that should come."""
    return np.eye(len(LETTERS))[sentence[1:]]


# ---- ours ----------------------------------------------------------------------------------------------------------


def eager(names: Sequence[str]) -> Step:
    """The scalar model on eager Values."""
    model = Gpt()
    parameters, data = model.parameters(), numbers(model)
    optimizer = Adam(len(data), RATE, (B1, B2), EPS)
    sentences = cycle([(s[:-1], one_hot(s).tolist()) for s in map(encoded, names)])

    def step() -> float:
        for weight in parameters:
            weight.grad = 0.0
        tokens, wanted = next(sentences)
        loss = mean_loss(model, [model.tokens[token] for token in tokens], wanted)
        loss.backward()
        optimizer.step(data, np.array([weight.grad for weight in parameters]))
        for weight, number in zip(parameters, data.tolist()):
            weight.data = number
        return float(loss.data)

    return step


def replay(names: Sequence[str]) -> Step:
    """One recorded sentence replayed on NumPy, each step with its own tokens' rows of the table bound to it."""
    sentence = Sentence(Gpt(), len(names[0]) + 1)
    plan = sentence.recorded()
    optimizer = Adam(len(plan.parameters), RATE, (B1, B2), EPS)
    arrays = [np.array([encoded(name)]) for name in names]
    batches = cycle([(sentence.columns(array), sentence.binding(array)) for array in arrays])

    def step() -> float:
        columns, bind = next(batches)
        result = plan(columns, bind=bind)
        optimizer.step(plan.parameters, result.gradients)
        return float(result.values[0])

    return step


def replay_on_jax(names: Sequence[str]) -> Step:
    """The same plan as a function of JAX, Adam inside the jitted step."""
    jax = float64_jax()
    sentence = Sentence(Gpt(), len(names[0]) + 1)
    plan = sentence.recorded()
    loss_and_gradients = plan.to_jax(bind=sentence.bound)

    def of(parameters: Any, columns: Any, rows: Any) -> Any:
        values, gradients = loss_and_gradients(parameters, columns, rows)
        return values[0], gradients

    arrays = [np.array([encoded(name)]) for name in names]
    batches = [(sentence.columns(array), sentence.rows(array)) for array in arrays]
    return adam_steps(jax, of, jax.numpy.array(plan.parameters), batches)


def adam_steps(jax: Any, loss_and_gradients: Callable[..., Any], parameters: Any, batches: Sequence[Any]) -> Step:
    """Steps of Adam under jit, the state's memory given to the next; `parameters` is an array or a dict of arrays."""
    tree = jax.tree

    def step(state: Any, *batch: Any) -> Any:
        parameters, mean, square, count = state
        loss, gradients = loss_and_gradients(parameters, *batch)
        count += 1
        mean = tree.map(lambda m, g: B1 * m + (1 - B1) * g, mean, gradients)
        square = tree.map(lambda s, g: B2 * s + (1 - B2) * g**2, square, gradients)
        rate, scale = RATE / (1 - B1**count), 1 - B2**count
        change = tree.map(lambda m, s: rate * m / (jax.numpy.sqrt(s / scale) + EPS), mean, square)
        return (tree.map(lambda p, c: p - c, parameters, change), mean, square, count), loss

    zeros = [tree.map(jax.numpy.zeros_like, parameters) for _ in range(2)]
    state = (parameters, *zeros, jax.numpy.zeros(()))
    jitted, given = jax.jit(step, donate_argnums=0), cycle([jax.device_put(batch) for batch in batches])

    def run() -> float:
        nonlocal state
        state, loss = jitted(state, *next(given))
        jax.block_until_ready(state)
        return float(loss)

    return run


# ---- peers ---------------------------------------------------------------------------------------------------------


def matrices(model: Gpt) -> dict[str, Any]:
    """The weights as one array per matrix, by name."""
    names = ("tokens", "positions", "query", "key", "value", "mixed", "wide", "narrow", "lm_head")
    return {name: np.array([[w.data for w in row] for row in getattr(model, name)]) for name in names}


def pytorch(names: Sequence[str]) -> Step:
    """Eager, all positions and heads of a sentence at once, on one thread."""
    import torch
    from torch.nn.functional import cross_entropy, embedding, linear

    torch.set_num_threads(1)
    model = Gpt()
    w = {name: torch.tensor(array, requires_grad=True) for name, array in matrices(model).items()}
    optimizer = torch.optim.Adam(w.values(), lr=RATE, betas=(B1, B2), eps=EPS)
    heads, count = len(model.heads), len(names[0]) + 1
    sentences = cycle([torch.tensor(encoded(name)) for name in names])
    mask = torch.full((count, count), -math.inf, dtype=torch.float64).triu(1)

    def normalised(x: Any) -> Any:
        return x * ((x * x).mean(dim=-1, keepdim=True) + 1e-5).rsqrt()

    def split(x: Any) -> Any:
        return x.view(count, heads, -1).transpose(0, 1)

    def step() -> float:
        optimizer.zero_grad()
        sentence = next(sentences)
        x = embedding(sentence[:-1], w["tokens"]) + w["positions"][:count]
        y = normalised(x)
        query, key, value = (split(linear(y, w[name])) for name in ("query", "key", "value"))
        weights = torch.softmax(query @ key.transpose(1, 2) / math.sqrt(query.shape[2]) + mask, dim=2)
        x = x + linear((weights @ value).transpose(0, 1).reshape(count, -1), w["mixed"])
        x = x + linear(torch.relu(linear(normalised(x), w["wide"])), w["narrow"])
        loss = cross_entropy(linear(normalised(x), w["lm_head"]), sentence[1:])
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def jax(names: Sequence[str]) -> Step:
    """value_and_grad of a function of a sentence, all positions and heads at once, and Adam, under jit."""
    jax = float64_jax()
    jnp, model = jax.numpy, Gpt()
    heads = len(model.heads)

    def normalised(x: Any) -> Any:
        return x * jax.lax.rsqrt((x * x).mean(axis=-1, keepdims=True) + 1e-5)

    def loss(w: Any, sentence: Any) -> Any:
        tokens, wanted = sentence[:-1], sentence[1:]
        count = len(tokens)
        x = w["tokens"][tokens] + w["positions"][:count]
        y = normalised(x)
        query, key, value = ((y @ w[name].T).reshape(count, heads, -1) for name in ("query", "key", "value"))
        scores = jnp.einsum("qhd,khd->hqk", query, key) / math.sqrt(query.shape[2])
        weights = jax.nn.softmax(jnp.where(jnp.tri(count, dtype=bool), scores, -jnp.inf), axis=2)
        x = x + jnp.einsum("hqk,khd->qhd", weights, value).reshape(count, -1) @ w["mixed"].T
        x = x + jax.nn.relu(normalised(x) @ w["wide"].T) @ w["narrow"].T
        chances = jax.nn.log_softmax(normalised(x) @ w["lm_head"].T)
        return -chances[jnp.arange(count), wanted].mean()

    batches = [(np.array(encoded(name)),) for name in names]
    return adam_steps(jax, jax.value_and_grad(loss), jax.tree.map(jnp.array, matrices(model)), batches)


def casadi(names: Sequence[str]) -> Step:
    """The scalar model built of CasADi's symbols, differentiated by CasADi in reverse, run by its virtual machine.

    It has no way to look a row of a table up either: as in a replay, the rows are inputs, and their gradients are added
    to the table's here.
    """
    from casadi import SX, Function, densify, fmax, gradient, vertcat

    sentence_length, eager_model = len(names[0]) + 1, Gpt()
    model = Gpt(leaf=lambda number: SX.sym("w"))
    model.relu = lambda x: fmax(x, 0)
    width = len(model.tokens[0])
    rows = [[SX.sym("x") for _ in range(width)] for _ in range(sentence_length)]
    wanted = [[SX.sym("t") for _ in LETTERS] for _ in range(sentence_length)]
    parameters, inputs = vertcat(*model.parameters()), vertcat(*[x for row in rows for x in row])
    loss = mean_loss(model, rows, wanted)
    slopes = densify(gradient(loss, vertcat(parameters, inputs)))  # zeros where a weight is not used, too
    given = [parameters, inputs, vertcat(*[t for row in wanted for t in row])]
    function = Function("step", given, [loss, slopes])

    data = numbers(eager_model)
    optimizer, table = Adam(len(data), RATE, (B1, B2), EPS), len(LETTERS) * width
    xs, ts = np.empty(sentence_length * width), np.empty(sentence_length * len(LETTERS))
    found, gradients = np.empty(1), np.empty(len(data) + len(xs))
    buffer, evaluate = function.buffer()  # reads and writes the arrays where they are
    for i, array in enumerate((data, xs, ts)):
        buffer.set_arg(i, memoryview(array))
    for i, array in enumerate((found, gradients)):
        buffer.set_res(i, memoryview(array))
    sentences = cycle([(np.array(s[:-1]), one_hot(s).ravel()) for s in map(encoded, names)])

    def step() -> float:
        tokens, hot = next(sentences)
        xs[:] = data[:table].reshape(-1, width)[tokens].ravel()
        ts[:] = hot
        evaluate()
        of_rows = gradients[len(data) :].reshape(-1, width)
        np.add.at(gradients[:table].reshape(-1, width), tokens, of_rows)
        optimizer.step(data, gradients[: len(data)])
        return float(found[0])

    step.buffer = buffer  # type: ignore[attr-defined]  # `evaluate` alone does not keep it alive
    return step


WAYS: dict[str, Callable[[Sequence[str]], Step]] = {
    "replay, NumPy": replay,
    "replay, JAX": replay_on_jax,
    "eager Values": eager,
    "PyTorch": pytorch,
    "hand-written JAX": jax,
    "CasADi": casadi,
}
