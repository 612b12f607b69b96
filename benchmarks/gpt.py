"""A GPT written from scalars, which learns first names: `python -m benchmarks.gpt --seconds 60`.

Every weight is a Value and every line of the model is about single numbers. One layer: tokens become vectors, heads of
attention look back over the positions before, a perceptron follows, and a last matrix scores the next character. One
sentence of each length is recorded; batches of names are then replayed as lanes, each lane with its own tokens' rows of
the embedding table bound to the recorded inputs.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

import autograd
from autograd import Value, exp, log, relu

NAMES = Path(__file__).parent / "names.txt"  # in the public domain; names.md says from where
BOUNDARY, LETTERS = 0, ".abcdefghijklmnopqrstuvwxyz"  # the boundary stands before and after every name

Vector = list[Any]  # of Values
Matrix = list[Vector]

# ---- the model -----------------------------------------------------------------------------------------------------


def dot(ws: Vector, xs: Vector) -> Any:
    return sum(w * x for w, x in zip(ws, xs))


def linear(rows: Matrix, xs: Vector) -> Vector:
    return [dot(row, xs) for row in rows]


def added(xs: Vector, ys: Vector) -> Vector:
    return [x + y for x, y in zip(xs, ys)]


def normalised(xs: Vector) -> Vector:
    """Scaled so that the mean of the squares is 1 (RMSNorm, without weights)."""
    scale = (dot(xs, xs) / len(xs) + 1e-5) ** -0.5
    return [x * scale for x in xs]


def softmax(scores: Vector) -> Vector:
    powers = [exp(score) for score in scores]
    total = sum(powers)
    return [power / total for power in powers]


class Gpt:
    """One layer, without biases. `leaf` makes a weight of a number; its matrices are lists of rows."""

    relu: Callable[[Any], Any] = staticmethod(relu)

    def __init__(
        self, seed: int = 0, *, leaf: Callable[[float], Any] = Value, width: int = 16, heads: int = 4, block: int = 16
    ):
        draw = random.Random(seed)

        def matrix(rows: int, columns: int) -> Matrix:
            return [[leaf(draw.gauss(0, 0.08)) for _ in range(columns)] for _ in range(rows)]

        self.tokens, self.positions = matrix(len(LETTERS), width), matrix(block, width)
        self.query, self.key, self.value, self.mixed = [matrix(width, width) for _ in range(4)]
        self.wide, self.narrow = matrix(4 * width, width), matrix(width, 4 * width)
        self.lm_head = matrix(len(LETTERS), width)
        size = width // heads
        self.heads = [slice(i * size, (i + 1) * size) for i in range(heads)]

    def parameters(self) -> Vector:
        """The weights in one list, the rows of `tokens` first."""
        attention = (self.query, self.key, self.value, self.mixed)
        matrices = (self.tokens, self.positions, *attention, self.wide, self.narrow, self.lm_head)
        return [weight for matrix in matrices for row in matrix for weight in row]

    def forward(self, embeddings: Sequence[Vector]) -> Matrix:
        """The scores of the next character after each token, of whose rows of `tokens` the sentence is made."""
        keys: Matrix = []
        values: Matrix = []
        found = []
        for token, position in zip(embeddings, self.positions):
            x = added(token, position)
            x = added(x, self.attend(normalised(x), keys, values))
            hidden = [self.relu(h) for h in linear(self.wide, normalised(x))]
            x = added(x, linear(self.narrow, hidden))
            found.append(linear(self.lm_head, normalised(x)))
        return found

    def attend(self, x: Vector, keys: Matrix, values: Matrix) -> Vector:
        """What this position takes from itself and those before it, which left their keys and values."""
        query = linear(self.query, x)
        keys.append(linear(self.key, x))
        values.append(linear(self.value, x))
        taken = []
        for head in self.heads:
            size = len(query[head])
            weights = softmax([dot(query[head], key[head]) / size**0.5 for key in keys])
            taken += [dot(weights, column) for column in zip(*[value[head] for value in values])]
        return linear(self.mixed, taken)


def cross_entropy(scores: Vector, wanted: Vector) -> Any:
    """-log of the softmax probability of the wanted character, for which `wanted` has a 1 among zeros."""
    return log(sum(exp(score) for score in scores)) - dot(wanted, scores)


def mean_loss(model: Gpt, embeddings: Sequence[Vector], wanted: Sequence[Vector]) -> Any:
    """The mean over a sentence's positions."""
    scores = model.forward(embeddings)
    return sum(cross_entropy(s, w) for s, w in zip(scores, wanted)) / len(scores)


# ---- names ---------------------------------------------------------------------------------------------------------


def read_names() -> list[str]:
    return NAMES.read_text(encoding="utf-8").split()


def encoded(name: str) -> list[int]:
    """'ann' -> 0 1 14 14 0; all but the last are given to the model, all but the first it should foresee."""
    return [BOUNDARY, *[LETTERS.index(letter) for letter in name], BOUNDARY]


def batched(names: Sequence[str], lanes: int, draw: random.Random) -> Iterator[np.ndarray]:
    """Endless batches of encoded names of one length each, in an order that is drawn anew after all were seen."""
    by_length = defaultdict(list)
    for name in names:
        by_length[len(name)].append(encoded(name))
    while True:
        batches = []
        for sentences in by_length.values():
            draw.shuffle(sentences)
            batches += [sentences[i : i + lanes] for i in range(0, len(sentences), lanes)]
        draw.shuffle(batches)
        yield from map(np.array, batches)


# ---- training by replay --------------------------------------------------------------------------------------------


class Sentence:
    """The recorded graph of a sentence with so many positions, to run on a whole batch of others."""

    def __init__(self, model: Gpt, positions: int):
        self.model, self.width = model, len(model.tokens[0])
        self.embeddings = [[Value(weight.data) for weight in model.tokens[BOUNDARY]] for _ in range(positions)]
        self.wanted = [[Value(float(i == BOUNDARY)) for i in range(len(LETTERS))] for _ in range(positions)]
        self.bound = tuple([x for row in self.embeddings for x in row])
        self.inputs = [*self.bound, *[x for row in self.wanted for x in row]]

    def build(self) -> Any:
        return mean_loss(self.model, self.embeddings, self.wanted)

    def recorded(self) -> Any:
        with autograd.record():
            loss = self.build()
        return autograd.replay(loss, self.inputs, self.model.parameters())

    def columns(self, sentences: np.ndarray) -> np.ndarray:
        """A lane per sentence: nothing for the inputs that are bound, and a 1 for each character that should come."""
        wanted = np.eye(len(LETTERS))[sentences[:, 1:]].reshape(len(sentences), -1)
        return np.concatenate([np.zeros((len(sentences), len(self.bound))), wanted], axis=1)

    def rows(self, sentences: np.ndarray) -> np.ndarray:
        """(lanes, bound inputs): which parameter each input stands for, the token's row of the table."""
        return (sentences[:, :-1, None] * self.width + np.arange(self.width)).reshape(len(sentences), -1)

    def binding(self, sentences: np.ndarray) -> dict[tuple[Value, ...], np.ndarray]:
        return {self.bound: self.rows(sentences)}


class Adam:
    """Changes an array of numbers in place."""

    def __init__(self, count: int, rate: float = 0.01, betas: tuple[float, float] = (0.85, 0.99), eps: float = 1e-8):
        self.rate, self.betas, self.eps = rate, betas, eps
        self.mean, self.square, self.steps = np.zeros(count), np.zeros(count), 0

    def step(self, numbers: np.ndarray, gradients: np.ndarray, share: float = 1.0) -> None:
        """`share` of the rate, which training lowers towards its end."""
        (b1, b2), self.steps = self.betas, self.steps + 1
        self.mean += (1 - b1) * (gradients - self.mean)
        self.square += (1 - b2) * (gradients**2 - self.square)
        size = np.sqrt(self.square / (1 - b2**self.steps)) + self.eps
        numbers -= share * self.rate / (1 - b1**self.steps) * self.mean / size


def train(
    model: Gpt, names: Sequence[str], *, seconds: float = 60.0, steps: int | None = None, lanes: int = 32,
    say: Callable[[str], object] = print,
) -> list[float]:  # fmt: skip
    """Train for a time, or for a number of steps: the loss of each step. The model has the new weights at the end."""
    start, losses, shown, done = perf_counter(), [], 0.0, 0.0
    weights = model.parameters()
    numbers = np.array([weight.data for weight in weights])
    optimizer, sentences, plans = Adam(len(numbers)), {}, {}
    for batch in batched(names, lanes, random.Random(0)):
        count = batch.shape[1] - 1
        if count not in plans:
            sentences[count] = Sentence(model, count)
            plans[count] = sentences[count].recorded()
        plans[count].parameters = numbers  # one list of weights for the plans of all lengths
        result = plans[count](sentences[count].columns(batch), bind=sentences[count].binding(batch), reduce="mean")
        optimizer.step(numbers, result.gradients, share=1 - done)
        losses.append(float(result.values.mean()))
        passed = perf_counter() - start
        done = passed / seconds if steps is None else len(losses) / steps
        if passed - shown > 5 or done >= 1:
            shown, recent = passed, losses[-200:]
            say(f"{passed:5.0f} s  step {len(losses):6,}  loss {sum(recent) / len(recent):.3f}")
        if done >= 1:
            break
    for weight, number in zip(weights, numbers.tolist()):
        weight.data = number
    return losses


# ---- new names -----------------------------------------------------------------------------------------------------


@autograd.no_grad()
def sample(model: Gpt, count: int, *, temperature: float = 0.7, seed: int = 0) -> list[str]:
    """New names, a character at a time, each drawn with the probability that the model gives it."""
    draw, found = random.Random(seed), []
    for _ in range(count):
        tokens = [BOUNDARY]
        while len(tokens) <= len(model.positions) and (len(tokens) == 1 or tokens[-1] != BOUNDARY):
            scores = model.forward([model.tokens[token] for token in tokens])[-1]
            chances = [chance.data for chance in softmax([score / temperature for score in scores])]
            tokens += draw.choices(range(len(LETTERS)), chances)
        found.append("".join(LETTERS[token] for token in tokens if token != BOUNDARY))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpt", description="A GPT from scalars learns first names."
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="how long it trains (default: 60)")
    options = parser.parse_args(arguments)
    names, model = read_names(), Gpt()
    print(f"{len(model.parameters()):,} weights, {len(names):,} names", flush=True)
    train(model, names, seconds=options.seconds, say=partial(print, flush=True))
    print(*[f"{name} (in the list)" if name in set(names) else name for name in sample(model, 20)], sep="\n")


if __name__ == "__main__":
    main()
