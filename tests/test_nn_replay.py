"""Replay in `fit`: the same numbers as eager training, and eager training, with the reason, where a plan would go wrong."""

import math
import os
import random
import re
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd
import nn
from autograd import Value, modes
from autograd.naming import observed
from nn import (
    MLP,
    SGD,
    Adam,
    AdamW,
    Callback,
    Conv2d,
    Dropout,
    EarlyStopping,
    Flatten,
    History,
    Linear,
    Module,
    Optimizer,
    RMSprop,
    SaveCheckpoint,
    Sequential,
    Training,
    TrainingError,
    evaluate,
    fit,
    losses,
    optim,
    replaying,
    schedules,
)
from nn.activations import ACTIVATIONS

pytestmark = pytest.mark.usefixtures("ctrl_c")

DRAW = random.Random(7)
POINTS = [[DRAW.uniform(-2, 2), DRAW.uniform(-2, 2)] for _ in range(100)]
CLASSES = [(x > 0) + (x * y > 0.5) for x, y in POINTS]
SIGNS = [1 if x * y > 0 else -1 for x, y in POINTS]
HEIGHTS = [math.sin(x) + 0.3 * y for x, y in POINTS]

Run = tuple[History, list[float]]


def close(found: Sequence[float], expected: Sequence[float]) -> bool:
    """To ten digits; of numbers that are nearly 0 to thirteen decimals."""
    return len(found) == len(expected) and all(
        a == b or abs(a - b) <= 1e-10 * max(abs(a), abs(b)) + 1e-13 for a, b in zip(found, expected, strict=True)
    )


def run(make: Callable[[], Module], examples: Any = POINTS, targets: Any = CLASSES, **keywords: Any) -> Run:
    random.seed(1)
    model = make()
    make_optimizer = keywords.pop("optimizer", lambda p: SGD(p, lr=0.05))
    make_penalty = keywords.pop("penalty", None)
    options: dict[str, Any] = {"epochs": 3, "batch_size": 24, "rng": random.Random(2), "checks": False, **keywords}
    if make_penalty is not None:
        options["penalty"] = make_penalty(model)
    history = fit(model, examples, targets, optimizer=make_optimizer(model.parameters()), progress=False, **options)
    return history, [p.data for p in model.parameters()]


def check_same(make: Callable[[], Module], *data: Any, **keywords: Any) -> History:
    """Replayed and eager, all numbers are the same to ten digits."""
    replays = keywords.pop("replays", (True,))
    eager, expected = run(make, *data, replay=False, **keywords)
    assert eager.replay == "replay=False was given"
    for replay in replays:
        history, parameters = run(make, *data, replay=replay, **keywords)
        assert history.replay == ""
        assert close(parameters, expected)
        for name in ("step_losses", "losses", "validation_losses"):
            assert close(getattr(history, name), getattr(eager, name)), name
        assert history.accuracies == eager.accuracies
        assert history.validation_accuracies == eager.validation_accuracies
        assert len(history.step_losses) == len(eager.step_losses) > 0
    return history


def net(*sizes: int, **options: Any) -> Callable[[], Module]:
    return lambda: MLP(2, list(sizes), init="xavier", **options)


# ---- the same numbers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_activations(activation: str) -> None:
    tame = lambda h: [0.4 + 0.3 * x.tanh() for x in h]  # where all of them are defined
    check_same(lambda: Sequential(Linear(2, 4), tame, activation, Linear(4, 3)))


class Own(Module):
    """What a user may write: a skip connection, products of features, a number made on the way, unused parameters."""

    def __init__(self) -> None:
        self.scale, self.shift, self.idle = Value(0.5), Value(-0.2), Value(3.0)
        self.inner = Linear(3, 3)
        self.factor = 2.0

    def __call__(self, x: Any) -> list[Value]:
        total = Value(0.0)
        for y in x:
            total = total + y * self.scale
        hidden = self.inner([x[0], x[1], autograd.where(total > 0, total, self.shift)])
        return [autograd.tanh(h) * self.factor + x[0] / 7 - 1 for h in hidden]


@pytest.mark.parametrize(
    "make",
    [
        Own,
        lambda: Sequential(Linear(2, 5), nn.LeakyReLU(), Linear(5, 3, bias=False)),
        lambda: Sequential(Linear(2, 4), "tanh", Dropout(0.0), lambda h: [h[0] * h[1], h[2], h[3]]),
        lambda: Sequential(
            lambda x: [[[x[0], x[1]], [x[1], 1.0]]], Conv2d(1, 3, 2, padding=1), Flatten(), Linear(27, 3)
        ),
        net(1, 1, 3),
    ],
    ids=["own", "sequential", "function", "convolution", "narrow"],
)
def test_models(make: Callable[[], Module]) -> None:
    """By default, too, which is replayed from the third step on."""
    check_same(make, replays=(True, None))


def test_many_whole_numbers_flow_in() -> None:
    """More than 32 different targets are no labels, whole or not; and so few that are not whole are none either."""
    check_same(net(4, 1), POINTS, [round(100 * h) for h in HEIGHTS], loss=nn.half_squared_error, optimizer=Adam)
    check_same(net(4, 1), POINTS, [0.5 * (k % 2) for k in CLASSES], loss=nn.half_squared_error)


def test_images() -> None:
    images = [[[[x, y, x * y], [y, x, 1], [0.5, x, y]]] for x, y in POINTS]
    check_same(lambda: Sequential(Conv2d(1, 2, 2), "relu", Flatten(), Linear(8, 3)), images, CLASSES, batch_size=40)


def test_bare_numbers() -> None:
    """Examples that are no lists, as regression on one feature has them."""

    class Line(Module):
        def __init__(self) -> None:
            self.slope = Value(0.0)

        def __call__(self, x: Any) -> Value:
            return self.slope * x

    xs = [x for x, _ in POINTS]
    check_same(
        Line, xs, [2 * x for x in xs], loss=nn.half_squared_error, epochs=40
    )  # until the loss is rounding errors
    check_same(Line, np.array(xs), np.array(HEIGHTS), loss=nn.mean_squared_error)


SOFT = [
    [0.7, 0.2, 0.1] if k == 0 else [0.0, 1 - w, w]
    for k, (w, _) in zip(CLASSES, np.random.default_rng(0).random((100, 2)))
]
PAIRS = [[h, -h * h] for h in HEIGHTS]
LOSSES: dict[str, list[tuple[Any, Any]]] = {
    "half_squared_error": [(1, HEIGHTS), (2, PAIRS), (1, CLASSES)],
    "mean_squared_error": [(1, HEIGHTS), (2, PAIRS), (2, [tuple(pair) for pair in PAIRS])],
    "binary_cross_entropy_with_logits": [
        (1, [int(s > 0) for s in SIGNS]),
        (1, [float(s > 0) for s in SIGNS]),
        (1, [1 / (1 + math.exp(h)) for h in HEIGHTS]),
        (2, [[int(s > 0), int(k > 0)] for s, k in zip(SIGNS, CLASSES)]),
    ],
    "binary_cross_entropy": [(1, [int(s > 0) for s in SIGNS]), (1, [1 / (1 + math.exp(h)) for h in HEIGHTS])],
    "softmax_cross_entropy": [(3, CLASSES), (3, SOFT), (3, [[float(k == j) for j in range(3)] for k in CLASSES])],
    "cross_entropy": [(3, CLASSES), (3, SOFT)],
    "hinge": [(1, SIGNS), (1, [float(s) for s in SIGNS]), (3, CLASSES)],
}
OF_PROBABILITIES = {"binary_cross_entropy": "sigmoid", "cross_entropy": nn.softmax}


def test_every_loss_is_here() -> None:
    public = [getattr(losses, name) for name in losses.__all__]
    assert {f.__name__ for f in public if hasattr(f, "correct")} == LOSSES.keys()


@pytest.mark.parametrize(("name", "case"), [(name, i) for name, cases in LOSSES.items() for i in range(len(cases))])
def test_losses(name: str, case: int) -> None:
    outputs, targets = LOSSES[name][case]
    last = [OF_PROBABILITIES[name]] if name in OF_PROBABILITIES else []
    check_same(
        lambda: Sequential(Linear(2, 4), "tanh", Linear(4, outputs), *last),
        POINTS,
        targets,
        loss=getattr(nn, name),
        validation=(POINTS[:70], targets[:70]),
    )


def test_what_a_probability_may_not_be_is_said_as_ever() -> None:
    """The check of a loss looks at numbers. What it goes by is recorded, so that it is asked in every lane."""

    class Line(Module):
        def __init__(self) -> None:
            self.slope = Value(0.1)

        def __call__(self, x: Any) -> Value:
            return 0.5 + self.slope * x[0]

    points, ones = [*POINTS[:-1], [8.0, 0.0]], [1] * len(POINTS)
    options: dict[str, Any] = {"loss": nn.binary_cross_entropy, "batch_size": 8}
    for replay in (True, False):
        options["rng"] = random.Random(4)  # the last is not in the first batch, which is compared
        with pytest.raises(ValueError, match="takes probabilities, from 0 to 1, got") as error:
            run(Line, points, ones, optimizer=lambda p: SGD(p, lr=1e-6), replay=replay, **options)
        assert error.value.__notes__[0] == "at example 99 of the training data"


def test_what_a_target_may_not_be_is_said_as_ever() -> None:
    """So are targets that flow in."""
    shares = [1 / (1 + math.exp(h)) for h in HEIGHTS]
    for loss, targets, message in (
        (nn.binary_cross_entropy_with_logits, [*shares[:-1], 1.5], "takes a target from 0 to 1, got "),
        (nn.softmax_cross_entropy, [*SOFT[:-1], [0.5, -0.5, 1.0]], "got the weight .* for class 1"),
    ):
        for replay in (True, False):
            with pytest.raises(ValueError, match=message) as error:
                run(
                    lambda: Linear(2, 3 if targets[0] == SOFT[0] else 1),  # noqa: B023
                    POINTS,
                    targets,
                    loss=loss,
                    replay=replay,
                    batch_size=8,
                    rng=random.Random(4),  # not in the first batch, which is compared
                )
            assert error.value.__notes__[0] == "at example 99 of the training data"


def test_labels_of_any_kind() -> None:
    """Targets that are no numbers, and whole numbers of several types, which a loss may tell apart."""

    def loss(output: Any, target: Any) -> Value:
        aim = {"low": -1.0, "high": 1.0, None: 0.0}[target]
        return (output - aim) ** 2

    names = [("low", "high", None)[k] for k in CLASSES]
    check_same(
        net(3, 1), POINTS, names, loss=loss, correct=lambda output, target: (output.data > 0) == (target == "high")
    )
    kinds: list[Any] = [(1, 1.0, True)[k] for k in CLASSES]
    check_same(net(3, 1), POINTS, kinds, loss=lambda y, t: (y - [int, float, bool].index(type(t))) ** 2)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda p: SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        lambda p: Adam(p, lr=0.02, weight_decay=0.1),
        lambda p: AdamW(p, lr=0.02, schedule=schedules.cosine(15)),
        lambda p: RMSprop(p, centered=True, momentum=0.5),
    ],
)
def test_optimizers_penalties_and_clips(optimizer: Callable[[Any], Optimizer]) -> None:
    check_same(
        net(16, 8, 3, activation="tanh"),
        optimizer=optimizer,
        penalty=lambda model: lambda: nn.l2_penalty(model.parameters(), 0.01),
        clip_norm=0.5,
        clip_value=0.1,
        validation=(POINTS[:80], CLASSES[:80]),
    )


def test_a_penalty_that_goes_by_more_is_computed_eagerly() -> None:
    """Its strength is changed, once an epoch; it draws random numbers; it branches."""
    strength = [0.1]
    calls = []

    class Weaker(Callback):
        def on_epoch(self, training: Training) -> None:
            strength[0] *= 0.5

    def changing(model: Module) -> Callable[[], Value]:
        strength[0] = 0.1
        return lambda: nn.l1_penalty(model.parameters(), strength[0])

    def noisy(model: Module) -> Callable[[], Value]:
        return lambda: nn.l2_penalty(model.parameters(), random.random())

    def hinged(model: Module) -> Callable[[], Value]:
        w = model.parameters()[0]
        return lambda: abs(w - 0.1) if w > 0.2 else w * w

    def counted(model: Module) -> Callable[[], Value]:
        return lambda: calls.append(1) or nn.l2_penalty(model.parameters(), 0.1)

    for penalty in (changing, noisy, hinged):
        check_same(net(4, 3), penalty=penalty, callbacks=[Weaker()], batch_size=20, epochs=4)
    run(net(4, 3), penalty=counted, batch_size=20, epochs=4, replay=True)
    assert len(calls) == 1 + 1 + 1 + 3  # recorded, and compared on two batches and in three epochs


@pytest.mark.parametrize("batch_size", [1, 7, 64, 100, 1000])
def test_batches_of_any_size(batch_size: int) -> None:
    check_same(net(4, 3), batch_size=batch_size)


def test_large_batches_are_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lanes fill a bounded memory."""
    sizes = []
    call = autograd.planning.Plan.__call__

    def noted(plan: Any, columns: Any, **keywords: Any) -> Any:
        sizes.append(len(columns))
        return call(plan, columns, **keywords)

    monkeypatch.setattr(autograd.planning.Plan, "__call__", noted)
    monkeypatch.setattr(replaying, "MOST_BYTES", 16 * 40 * 10)
    check_same(net(4, 3), batch_size=100, validation=(POINTS, CLASSES))
    assert 1 < max(sizes) < 40


def test_a_user_s_judge_gets_values() -> None:
    def correct(output: Any, target: Any) -> bool:
        return bool(max(output, key=lambda score: score.data) is output[target])

    history = check_same(net(4, 3), correct=correct)
    assert history.accuracies == check_same(net(4, 3)).accuracies


def test_gradients_are_there_for_callbacks() -> None:
    """In `on_gradients` the leaves hold what they hold eagerly, whoever they belong to."""
    seen: dict[bool, list[list[float]]] = {}
    free = Value(0.3)

    class Note(Callback):
        def __init__(self, noted: list[list[float]]) -> None:
            self.noted = noted

        def on_gradients(self, training: Training) -> None:
            self.noted.append([p.grad for p in (*training.model.parameters(), free)])

    for replay in (True, False):
        free.grad = 0.0
        seen[replay] = []
        run(
            net(3, 1),
            POINTS,
            HEIGHTS,
            loss=lambda y, t: (y * free - t) ** 2,
            replay=replay,
            callbacks=[Note(seen[replay])],
        )
    assert all(map(close, seen[True], seen[False])) and seen[False][-1][-1] != 0


def test_frozen_and_changed_parameters() -> None:
    """A leaf that the optimizer does not move, and one that a callback sets, has the number of now."""

    class Set(Callback):
        def on_step(self, training: Training) -> None:
            training.model.layers[0].neurons[0].w[0].data = 0.1 * training.step  # type: ignore[attr-defined]

    check_same(net(3, 3), optimizer=lambda p: SGD(p[4:], lr=0.1), callbacks=[Set()])


def test_a_loss_that_is_changed_between_epochs() -> None:
    class Sharper(Callback):
        def on_epoch(self, training: Training) -> None:
            training.loss = nn.hinge

    check_same(net(4, 3), callbacks=[Sharper()], validation=(POINTS[:70], CLASSES[:70]))


def test_other_examples_may_be_measured_between_epochs() -> None:
    found: list[Any] = []

    class Test(Callback):
        def on_epoch(self, training: Training) -> None:
            found.append(training.measure(POINTS[20:], CLASSES[20:]))
            assert found[-1] == pytest.approx(
                evaluate(training.model, POINTS[20:], CLASSES[20:], replay=False), rel=1e-12
            )

    check_same(net(4, 3), callbacks=[Test()], validation=(POINTS[:70], CLASSES[:70]))
    assert len(found) == 6


def test_what_is_near() -> None:
    nan, inf = math.nan, math.inf
    assert replaying.near([1.0, 1e-12, nan, inf], [1.0 + 5e-10, 2e-12, nan, inf]) and replaying.near([], [])
    for expected, other in (([1.0], [1.0 + 1e-8]), ([1.0, 1e-6], [1.0, 1.1e-6]), ([nan], [1.0]), ([inf], [-inf])):
        assert not replaying.near(expected, other) and not replaying.near(other, expected)


def test_examples_that_are_changed_between_epochs() -> None:
    class Other(Callback):
        def on_epoch(self, training: Training) -> None:
            training.examples[:] = [[y, x] for x, y in training.examples]  # type: ignore[index]

    random.seed(0)
    history = check_same(net(4, 3), np.array(POINTS), np.array(CLASSES), callbacks=[Other()])
    assert history.losses != run(net(4, 3), replay=False)[0].losses


# ---- how much is replayed --------------------------------------------------------------------------------------------


class Counting(Module):
    """How often it is called, counted where a model that changes itself does not show it."""

    calls: list[bool]

    def __init__(self) -> None:
        self.inner = MLP(2, [3, 3], rng=random.Random(4))
        self.calls = calls = []
        self.note = lambda: calls.append(not modes.no_grad.on.get())
        del self.calls
        type(self).count = staticmethod(lambda: len(calls))  # type: ignore[attr-defined]

    def __call__(self, x: Any) -> Any:
        self.note()
        return self.inner(x)


def test_few_calls_of_the_model() -> None:
    """The first 64 examples are computed eagerly, then 32 and one, and one of each epoch, to be compared."""
    history, _ = run(Counting, epochs=6, batch_size=32)
    assert history.replay == ""
    assert Counting.count() == 64 + 1 + 32 + 1 + 5  # type: ignore[attr-defined]
    run(Counting, epochs=6, batch_size=32, replay=True)
    assert Counting.count() == 1 + 32 + 1 + 5  # type: ignore[attr-defined]


def test_the_doctor_sees_what_it_saw() -> None:
    """It looks at the first 32 examples of the epochs that are due, and says the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dead = lambda: MLP(2, [4, 3], rng=random.Random(4), init=lambda rng, nin, nout: -abs(rng.uniform(1, 2)))
        above = [[abs(x) + 0.1, abs(y) + 0.1] for x, y in POINTS]
        eager, _ = run(dead, above, CLASSES, checks=True, replay=False, epochs=4)
        history, _ = run(dead, above, CLASSES, checks=True, epochs=4)
        assert history.messages == eager.messages != []
        uphill = {"optimizer": lambda p: SGD(p, lr=10.0), "checks": True, "epochs": 6, "batch_size": 50}
        eager, _ = run(net(8, 3, activation="tanh"), replay=False, **uphill)
        history, _ = run(net(8, 3, activation="tanh"), **uphill)
    assert history.messages == eager.messages and any("uphill" in message for message in eager.messages)
    run(Counting, epochs=8, batch_size=100, checks=True)
    few = Counting.count()  # type: ignore[attr-defined]
    assert few <= 1 + 100 + 4 * 32 + 8


def test_the_loss_again() -> None:
    """What the doctor asks for after a step: the batch's loss with the parameters of now, and the penalty."""
    found: list[tuple[float | None, float]] = []

    class Ask(Callback):
        def on_step(self, training: Training) -> None:
            batch = [(training.examples[i], training.targets[i]) for i in training.batch]
            total = sum(training.loss(training.model(x), t).data for x, t in batch) / len(batch)
            penalty = 0.0 if training.penalty is None else training.penalty().data
            found.append((training.loss_again(), total + penalty))

    run(net(4, 3), replay=True, callbacks=[Ask()], penalty=lambda model: lambda: nn.l2_penalty(model.parameters(), 0.1))
    assert all(again == pytest.approx(expected, rel=1e-12) for again, expected in found)
    found.clear()
    run(lambda: Branching(2.0), [[-1.0, 0.0], *POINTS], [0, *CLASSES], replay=True, callbacks=[Ask()])
    assert 0 < sum(again is None for again, _ in found) < len(found)  # None where a lane takes another branch
    assert all(again is None or again == pytest.approx(expected, rel=1e-12) for again, expected in found)
    found.clear()
    run(net(4, 3), replay=False, callbacks=[Ask()])
    assert all(again is None for again, _ in found)


def test_observers_see_every_example() -> None:
    """Who observes the model's calls sees all of them; the numbers are those of a run that nobody observes."""
    seen: list[Any] = []
    model_calls = lambda part, outputs: seen.append(part) if isinstance(part, MLP) else None
    with observed(model_calls):
        watched, parameters = run(net(4, 3), epochs=2, validation=(POINTS[:70], CLASSES[:70]))
    alone, expected = run(net(4, 3), epochs=2, validation=(POINTS[:70], CLASSES[:70]))
    assert len(seen) == 2 * (100 + 70)
    assert parameters == expected and watched.step_losses == alone.step_losses
    assert watched.validation_losses == alone.validation_losses


# ---- evaluation ------------------------------------------------------------------------------------------------------


def test_evaluate() -> None:
    """Dropout lets everything pass in evaluation, so that it is replayed, too."""
    random.seed(3)
    for make in (net(4, 3), lambda: Sequential(Linear(2, 4), "tanh", Dropout(0.5), Linear(4, 3))):
        model = make()
        loss, accuracy = evaluate(model, POINTS, CLASSES)
        expected, right = evaluate(model, POINTS, CLASSES, replay=False)
        assert close([loss], [expected]) and accuracy == right is not None
        assert all(p.grad == 0 for p in model.parameters())
        assert evaluate(model, POINTS[:5], CLASSES[:5]) == evaluate(model, POINTS[:5], CLASSES[:5], replay=False)
        assert evaluate(model, POINTS[:5], CLASSES[:5], replay=True) == pytest.approx(
            evaluate(model, POINTS[:5], CLASSES[:5], replay=False), rel=1e-12
        )


def test_evaluate_falls_back() -> None:
    class Peeking(Module):
        def __init__(self) -> None:
            self.inner = MLP(2, [3, 3], rng=random.Random(4))

        def __call__(self, x: Any) -> Any:
            return [score * (x[0].data if isinstance(x[0], Value) else x[0]) for score in self.inner(x)]

    assert evaluate(Peeking(), POINTS, CLASSES) == evaluate(Peeking(), POINTS, CLASSES, replay=False)
    with pytest.raises(ValueError, match="replay=True, but the data cannot be measured so: replayed, the loss"):
        evaluate(Peeking(), POINTS, CLASSES, replay=True)


def test_measured_infinities() -> None:
    model = Sequential(Linear(2, 1, init="zeros"), lambda y: y[0] * 0)
    targets = [1] * len(POINTS)
    assert evaluate(model, POINTS, targets, loss=nn.binary_cross_entropy) == (math.inf, 0.0)


def test_branches_in_validation() -> None:
    class Hard(Module):
        def __init__(self) -> None:
            self.w = Value(1.3)

        def __call__(self, x: Any) -> Any:
            return x[0] * self.w if x[1] > -1.5 else x[1] * self.w * self.w  # x[1] is compared only, or used only here

    points = [[1.0, 1.0], *POINTS]
    heights = [1.0, *HEIGHTS]
    replayed = evaluate(Hard(), points, heights, loss=nn.half_squared_error, replay=True)[0]
    assert close([replayed], [evaluate(Hard(), points, heights, loss=nn.half_squared_error, replay=False)[0]])
    check_same(Hard, points, heights, loss=nn.half_squared_error, validation=(points, heights))


# ---- what is computed eagerly ----------------------------------------------------------------------------------------


class Wrapped(Module):
    """A model whose outputs go through a function."""

    def __init__(self, function: Callable[[Any, list[Value]], Any], **attributes: Any) -> None:
        vars(self).update(attributes)
        self.inner = MLP(2, [3, 3], rng=random.Random(4))
        self.function = function

    def __call__(self, x: Any) -> Any:
        return self.function(self, self.inner(x))


class Counts(Module):
    def __init__(self) -> None:
        self.inner, self.calls, self.seen = MLP(2, [3, 3], rng=random.Random(4)), 0, [0]

    def __call__(self, x: Any) -> Any:
        self.calls += 1
        return self.inner(x)


class Collects(Counts):
    def __call__(self, x: Any) -> Any:
        self.seen.append(1)
        return self.inner(x)


class Table(Module):
    """An embedding: examples are places in a table."""

    def __init__(self) -> None:
        self.rows = [[Value(0.1 * i * j) for i in range(3)] for j in range(4)]

    def __call__(self, i: int) -> Any:
        return self.rows[i]


OUTSIDE = random.Random(5)
REFUSED: dict[str, tuple[str, Callable[[], Module], dict[str, Any]]] = {
    "dropout": (
        "^Dropout draws anew for every example$",
        lambda: Sequential(Linear(2, 4), Dropout(0.3), Linear(4, 3)),
        {},
    ),
    "random": (
        r"^the model draws random numbers \(module random\) for every example$",
        lambda: Wrapped(lambda self, y: [s + random.random() for s in y]),
        {},
    ),
    "own random": (
        r"draws random numbers \(rng\)",
        lambda: Wrapped(lambda self, y: [s + self.rng.random() for s in y], rng=random.Random(8)),
        {},
    ),
    "numpy's random": (
        r"draws random numbers \(numpy.random\)",
        lambda: Wrapped(lambda self, y: [s + float(np.random.random()) for s in y]),
        {},
    ),
    "hidden random": (
        "^replayed, the loss of example .* goes by more than its Values",
        lambda: Wrapped(lambda self, y: [s + OUTSIDE.random() for s in y]),
        {},
    ),
    "counter": ("^Counts changes itself when it is called$", Counts, {}),
    "list": ("^Collects changes itself when it is called$", Collects, {}),
    "data": (
        "^replayed, the loss of example",
        lambda: Wrapped(lambda self, y: [s * y[0].data for s in y]),
        {},
    ),
    "detached": (
        "^replayed, the",
        lambda: Wrapped(lambda self, y: [s - y[0].detach() for s in y]),
        {},
    ),
    "ragged": (
        "^the examples are not all nested alike$",
        lambda: Sequential(lambda x: [x[0], x[1] if isinstance(x[1], float) else x[1][0]], Linear(2, 3)),
        {"examples": [[x, y] if i % 2 else [x, [y]] for i, (x, y) in enumerate(POINTS)]},
    ),
    "index": (
        "^with Values in the place of numbers the model or the loss raises TypeError: list indices must be integers",
        Table,
        {"examples": [i % 4 for i in range(100)]},
    ),
    "many labels": (
        "^with Values in the place of numbers .* index of the right class|^there are 40 different targets, more than 32$",
        lambda: MLP(2, [40], rng=random.Random(4)),
        {"targets": [i % 40 for i in range(100)]},
    ),
    "unhashable": (
        "^a target is neither numbers nor something that can be looked up$",
        lambda: Wrapped(lambda self, y: y),
        {"targets": [{"class": k} for k in CLASSES], "loss": lambda y, t: nn.softmax_cross_entropy(y, t["class"])},
    ),
    "computed before": (
        "^the model uses what it computed before it was called$",
        lambda: Wrapped(lambda self, y: [s * self.product for s in y], product=Value(2.0) * Value(0.5)),
        {},
    ),
    "handmade": (
        "by hand",
        lambda: Wrapped(lambda self, y: [handmade(s) for s in y]),
        {},
    ),
    "other output": (
        "^the model's output holds something else than Values$",
        lambda: Wrapped(lambda self, y: [*y, "scores"]),
        {"loss": lambda y, t: nn.softmax_cross_entropy(y[:3], t), "correct": lambda y, t: True},
    ),
    "large": (
        "^the graph of one example has [0-9]+ nodes, more than 20$",
        lambda: MLP(2, [3, 3], rng=random.Random(4)),
        {"most": 20},
    ),
}


def handmade(x: Value) -> Value:
    out = Value(x.data, (x,), "copy")

    def backward() -> None:
        x.grad += out.grad

    out._backward = backward
    return out


class Lazy(Sequence[list[float]]):
    """Examples that are made when they are asked for."""

    def __len__(self) -> int:
        return len(POINTS)

    def __getitem__(self, i: Any) -> Any:
        return list(POINTS[i])


REFUSED["lazy"] = ("^the examples come from a Lazy", lambda: MLP(2, [3], rng=random.Random(4)), {"examples": Lazy()})


@pytest.fixture
def seeded() -> Iterator[None]:
    before = np.random.get_state()
    yield
    np.random.set_state(before)


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eager, bit for bit as if there were no replay, with the reason; the same reason is the error if it must be replayed."""
    reason, make, given = REFUSED[case]
    options = dict(given)
    if "most" in options:
        monkeypatch.setattr(replaying, "MOST_NODES", options.pop("most"))
    data = options.pop("examples", POINTS), options.pop("targets", CLASSES)

    def start() -> None:
        OUTSIDE.seed(1)
        np.random.seed(3)

    start()
    eager, expected = run(make, *data, replay=False, **options)
    start()
    history, parameters = run(make, *data, **options)
    assert re.search(reason, history.replay), history.replay
    assert repr(history).endswith(f", not replayed: {history.replay})") and "replayed" not in repr(eager)
    assert "\n" not in history.replay
    if case != "hidden random":  # of which nobody knows that it was drawn from
        assert parameters == expected and history.step_losses == eager.step_losses
    start()
    with pytest.raises(ValueError, match=r"^replay=True, but this cannot be replayed: ") as error:
        run(make, *data, replay=True, **options)
    assert re.search(reason.replace("^", "").replace("$", ""), str(error.value))
    assert error.value.history.step_losses == []  # type: ignore[attr-defined]


def test_who_looks_at_every_operation_gets_every_operation() -> None:
    with autograd.detect_anomaly():
        history, parameters = run(net(4, 3))
    assert history.replay == "detect_anomaly() looks at every operation"
    assert parameters == run(net(4, 3), replay=False)[1]


def test_a_model_that_counts_its_calls_counts_right() -> None:
    """What recording an example changed is put back."""
    model = Counts()
    fit(model, POINTS, CLASSES, epochs=2, batch_size=50, checks=False, progress=False)
    assert model.calls == 200


def test_without_a_value_it_is_said_as_ever() -> None:
    for loss, message in ((lambda y, t: 1.0, "must be a Value"), (lambda y, t: Value(1.0), "depends on no parameter")):
        for replay in (None, False):
            with pytest.raises((TypeError, ValueError), match=message):
                run(net(3), loss=loss, replay=replay, batch_size=100)


def test_errors_of_model_and_loss_are_those_of_eager_training() -> None:
    def raised(replay: bool | None, **options: Any) -> tuple[str, list[str]]:
        with pytest.raises((ValueError, TypeError)) as error:
            run(net(3), replay=replay, batch_size=100, **options)
        return str(error.value), error.value.__notes__

    bad = [*CLASSES[:-1], 7]
    assert raised(None, targets=bad) == raised(False, targets=bad)
    short = [*POINTS[:-1], [1.0]]
    assert raised(None, examples=short) == raised(False, examples=short)

    def judge(output: Any, target: int) -> bool:
        if output[0].data > worst[0]:
            raise ValueError("no judgement")
        return True

    worst = [math.inf]
    model = net(3)
    outputs: list[float] = []
    run(model, replay=False, correct=lambda y, t: bool(outputs.append(y[0].data)), epochs=1)
    worst[0] = sorted(outputs)[-3]
    assert raised(None, correct=judge) == raised(False, correct=judge)
    assert raised(True, correct=judge)[1][0].startswith("at example ")


def test_planning_is_imported_when_it_pays() -> None:
    """A short training does not wait for NumPy to be imported."""
    import subprocess
    import sys

    short = (
        "import sys, nn; m = nn.MLP(2, [2]); nn.fit(m, [[0.0, 1.0]] * {}, [0] * {}, epochs=2, progress=False, checks=False); "
        "sys.exit('nn.replaying' in sys.modules)"
    )
    for count, imported in ((30, 0), (70, 1)):
        command = [sys.executable, "-c", short.replace("{}", str(count))]
        assert subprocess.run(command, check=False).returncode == imported


def test_what_is_no_replay() -> None:
    with pytest.raises(TypeError, match="replay must be None, True or False; got 'yes'"):
        run(net(3), replay="yes")


# ---- what is noticed later -------------------------------------------------------------------------------------------


def test_a_number_kept_from_the_recording_is_noticed_when_parameters_move() -> None:
    """On the first batch all agree; on the second the parameters have moved."""
    make = lambda: Wrapped(lambda self, y: [s / (1 + self.inner.layers[0].neurons[0].w[0].data ** 2) for s in y])
    eager, expected = run(make, replay=False, epochs=2, batch_size=20)
    history, parameters = run(make, epochs=2, batch_size=20)
    assert history.replay.startswith("replayed, the loss of example")
    assert close(parameters, expected) and close(history.step_losses, eager.step_losses)
    with pytest.raises(ValueError, match="replay=True, but this cannot be replayed: replayed, the loss") as error:
        run(make, replay=True, batch_size=20)
    assert len(error.value.history.step_losses) == 1  # type: ignore[attr-defined]


def test_a_perfect_fit_is_no_difference() -> None:
    """The targets are what the model gives: losses and gradients are rounding errors, which differ, and say nothing."""
    random.seed(3)
    model = MLP(2, [16, 16, 1], activation="tanh")
    targets = [model(x).data for x in POINTS]
    optimizer = SGD(model.parameters(), lr=1e-9)
    history = fit(model, POINTS, targets, loss=nn.half_squared_error, optimizer=optimizer, replay=True, progress=False)
    assert 0 < max(history.step_losses) < 1e-28


def test_wrong_gradients_are_noticed() -> None:
    """A custom slope that Python chose by a number: values agree, gradients do not."""

    def slope(self: Any, y: list[Value]) -> list[Value]:
        factor = 2.0 if self.inner.layers[0].neurons[0].w[0].data > OUTPUT_LIMIT[0] else 1.0
        return [factor * s - (factor - 1) * s.detach() for s in y]

    OUTPUT_LIMIT[0] = math.inf
    switch = type("Switch", (Callback,), {"on_step": lambda *_: OUTPUT_LIMIT.__setitem__(0, -math.inf)})
    history, _ = run(lambda: Wrapped(slope), batch_size=100, callbacks=[switch()])
    assert history.replay.startswith("replayed, the gradients are others")


OUTPUT_LIMIT = [0.0]


def test_a_global_number_is_noticed_at_the_next_epoch() -> None:
    scale = [1.0]

    class Change(Callback):
        def on_epoch(self, training: Training) -> None:
            scale[0] = 1.0 + training.epoch * (training.epoch > 1)

    make = lambda: Wrapped(lambda self, y: [s * scale[0] for s in y])
    eager, expected = run(make, replay=False, callbacks=[Change()], epochs=4)
    scale[0] = 1.0
    history, parameters = run(make, callbacks=[Change()], epochs=4)
    assert history.replay.startswith("replayed, the loss")
    assert close(parameters, expected) and close(history.step_losses, eager.step_losses)


def test_an_attribute_is_noticed_at_once() -> None:
    class Change(Callback):
        def on_step(self, training: Training) -> None:
            training.model.factor = 1.0 + 0.1 * (training.step > 7)  # type: ignore[attr-defined]

    make = lambda: Wrapped(lambda self, y: [s * self.factor for s in y], factor=1.0)
    eager, expected = run(make, replay=False, callbacks=[Change()], batch_size=10)
    history, parameters = run(make, callbacks=[Change()], batch_size=10)
    assert history.replay == "Wrapped.factor of the model was changed"
    assert close(parameters, expected) and close(history.step_losses, eager.step_losses)


def test_a_parameter_of_another_kind() -> None:
    class Change(Callback):
        def on_step(self, training: Training) -> None:
            if training.step == 6:
                training.model.parameters()[0].data = np.float64(0.5)

    check_same(net(3, 3), callbacks=[Change()])


# ---- branches --------------------------------------------------------------------------------------------------------


class Branching(Module):
    """Above a border it is another function."""

    def __init__(self, border: float) -> None:
        self.border = border
        self.low, self.high = Linear(2, 3, rng=random.Random(4)), Linear(2, 3, rng=random.Random(5))

    def __call__(self, x: Any) -> Any:
        return self.low(x) if x[0] + x[1] < self.border else self.high(x)


def test_few_other_branches_are_computed_eagerly() -> None:
    ordered = sorted(range(100), key=lambda i: sum(POINTS[i]))
    points, classes = [POINTS[i] for i in ordered], [CLASSES[i] for i in ordered]
    check_same(lambda: Branching(2.0), points, classes, batch_size=50, epochs=4)
    check_same(lambda: Branching(0.8), points, classes, batch_size=50, epochs=4)
    check_same(lambda: Branching(2.0), points, classes, batch_size=1)  # of which one alone says nothing


@pytest.mark.parametrize("most", [1, 2000, 5000])
def test_other_branches_in_batches_that_are_split(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some parts then have no lane that goes the recorded way."""
    monkeypatch.setattr(replaying, "MOST_BYTES", most)
    ordered = sorted(range(100), key=lambda i: sum(POINTS[i]))
    points, classes = [POINTS[i] for i in ordered], [CLASSES[i] for i in ordered]
    check_same(lambda: Branching(0.8), points, classes, batch_size=50, validation=(points, classes))


def test_many_other_branches_are_a_reason() -> None:
    ordered = sorted(range(100), key=lambda i: sum(POINTS[i]))
    points, classes = [POINTS[i] for i in ordered], [CLASSES[i] for i in ordered]
    for batch_size in (50, 3):
        eager, expected = run(lambda: Branching(-1.5), points, classes, replay=False, batch_size=batch_size)
        history, parameters = run(lambda: Branching(-1.5), points, classes, batch_size=batch_size)
        assert history.replay.startswith("its branches depend on the example")
        assert close(parameters, expected) and close(history.step_losses, eager.step_losses)


# ---- what is not finite ----------------------------------------------------------------------------------------------


def failure(replay: bool | None, make: Callable[[], Module], **options: Any) -> tuple[str, list[float]]:
    with pytest.raises(TrainingError) as error:
        run(make, replay=replay, batch_size=100, **options)
    return str(error.value), error.value.history.step_losses


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (lambda: Wrapped(lambda self, y: [s.log() for s in y]), {}),
        (lambda: Wrapped(lambda self, y: [(s - s.detach()).sqrt() + s for s in y]), {}),
        (net(4, 1), {"targets": HEIGHTS, "loss": nn.half_squared_error, "optimizer": lambda p: SGD(p, lr=1e60)}),
    ],
    ids=["loss", "gradient", "later"],
)
def test_what_is_not_finite_is_said_as_ever(make: Any, options: dict[str, Any]) -> None:
    replayed, eager = failure(True, make, **options), failure(False, make, **options)
    said, expected = (re.sub(r"(?<=\.\d{8})\d+", "", text) for text, _ in (replayed, eager))  # but for last digits
    assert said == expected
    assert close(replayed[1], eager[1])


def test_an_infinite_loss_of_another_label_does_no_harm() -> None:
    """It is computed in all lanes, and counts in none: times 0 it is NaN, so the batch is computed eagerly."""

    class Line(Module):
        def __init__(self) -> None:
            self.slope = Value(0.0)

        def __call__(self, x: Any) -> Value:
            return self.slope * x[0] + x[1]

    def loss(output: Any, target: int) -> Value:
        return (output - 1) ** 2 if target else 1 / output

    labels = [int(s > 0) for s in SIGNS]
    check_same(Line, [[x, 1.0 - label] for (x, _), label in zip(POINTS, labels)], labels, loss=loss)


# ---- whole steps, checkpoints ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("net_kind", "replay"), [("mlp", None), ("mlp", True), ("dropout", None), ("branching", None), ("branching", True)]
)
def test_resumed_bit_for_bit(tmp_path: Path, net_kind: str, replay: bool | None) -> None:
    """Stopped after any step and resumed, it is the training that was never stopped."""
    makes: dict[str, Callable[[], Module]] = {
        "mlp": lambda: MLP(2, [20, 3], rng=random.Random(4), activation="tanh"),
        "dropout": lambda: Sequential(
            Linear(2, 4, rng=random.Random(3)), Dropout(0.2, rng=random.Random(9)), Linear(4, 3)
        ),
        "branching": lambda: Branching(2.0),
    }

    def train(**keywords: Any) -> tuple[Any, ...]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            history, parameters = run(
                makes[net_kind],
                optimizer=lambda p: Adam(p, lr=0.05),
                validation=(POINTS[:90], CLASSES[:90]),
                checks=net_kind
                != "branching",  # of which the doctor says what no gradient reached since it was resumed
                replay=replay,
                **keywords,
            )
        return parameters, {**vars(history), "stopped": "", "interrupted": False}

    whole = train(epochs=3)
    assert (whole[1]["replay"] == "") == (net_kind != "dropout")
    path = tmp_path / "run.json"
    for at in (1, 3, 4, 7, 10):

        class Stop(Callback):
            def on_step(self, training: Training) -> None:
                if training.step == at:  # noqa: B023
                    training.stop("enough")

        path.unlink(missing_ok=True)
        train(epochs=3, callbacks=[Stop(), SaveCheckpoint(path)])
        assert train(epochs=3, resume=path) == whole, at
    first = train(epochs=2, callbacks=[SaveCheckpoint(path)])  # epochs are no part of what decides
    assert first[1]["step_losses"] == whole[1]["step_losses"][:10] and train(epochs=3, resume=path) == whole


def test_a_reason_is_resumed(tmp_path: Path) -> None:
    """What fell back to eager training stays so: a plan that is made anew would fit at first."""
    path = tmp_path / "run.json"
    scale = [1.0]

    class Change(Callback):
        def on_epoch(self, training: Training) -> None:
            scale[0] = 1.0 + training.epoch

    make = lambda: Wrapped(lambda self, y: [s * scale[0] for s in y])
    whole = run(make, callbacks=[Change()], epochs=4)
    scale[0] = 1.0
    first, _ = run(make, callbacks=[Change(), SaveCheckpoint(path)], epochs=2)
    assert first.replay.startswith("replayed, the loss")
    history, parameters = run(make, callbacks=[Change()], epochs=4, resume=path)
    assert parameters == whole[1] and vars(history) == vars(whole[0])


def test_ctrl_c_leaves_the_last_whole_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a call of the plan, the sixth: five steps are whole, and nothing is left of the sixth."""
    whole, _ = run(net(4, 3), replay=True)
    call, count = autograd.planning.Plan.__call__, [0]

    def interrupted(plan: Any, *arguments: Any, **keywords: Any) -> Any:
        result = call(plan, *arguments, **keywords)
        count[0] += 1
        if count[0] == 12:
            os.kill(os.getpid(), signal.SIGINT)
        return result

    monkeypatch.setattr(autograd.planning.Plan, "__call__", interrupted)
    random.seed(1)
    model = net(4, 3)()
    history = fit(model, POINTS, CLASSES, optimizer=SGD(model.parameters(), lr=0.05), batch_size=24, checks=False,
                  rng=random.Random(2), replay=True, progress=False)  # fmt: skip
    assert history.interrupted and 5 < len(history.step_losses) < 15
    assert history.step_losses == whole.step_losses[: len(history.step_losses)]
    assert all(p.grad == 0 for p in model.parameters())


def test_early_stopping_and_figures() -> None:
    early = EarlyStopping(patience=2, min_delta=0.5)
    history, _ = run(net(4, 3), callbacks=[early], validation=(POINTS[:70], CLASSES[:70]), epochs=9)
    assert history.stopped.startswith("validation_losses did not get better") and len(history.losses) == 3


# ---- the optimisers' arrays ------------------------------------------------------------------------------------------

OPTIMIZERS: list[Callable[[Any], Optimizer]] = [
    lambda p: SGD(p, lr=0.1),
    lambda p: SGD(p, lr=0.1, weight_decay=0.3),
    lambda p: SGD(p, lr=0.1, momentum=0.9),
    lambda p: SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    lambda p: Adam(p, lr=0.01),
    lambda p: Adam(p, lr=0.01, weight_decay=0.1, betas=(0.0, 0.5), eps=1e-3),
    lambda p: AdamW(p, lr=0.01, schedule=schedules.cosine(9)),
    lambda p: RMSprop(p),
    lambda p: RMSprop(p, weight_decay=0.1, momentum=0.5),
    lambda p: RMSprop(p, centered=True, momentum=0.9),
    lambda p: RMSprop(p, centered=True, alpha=0.0),  # a variance of 0
]


def stepped(make: Callable[[Any], Optimizer], many: int, steps: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(optim, "MANY", many)
    draw = random.Random(5)
    parameters = [Value(draw.choice([0.0, -0.0, 1e-310, 1e100, draw.gauss(0, 1)])) for _ in range(150)]
    optimizer = make(parameters)
    for _ in range(steps):
        for p in parameters:
            p.grad = draw.choice([0.0, -0.0, draw.gauss(0, 1), 1e-320, draw.gauss(0, 1e60), 7])
        optimizer.step()
    return [p.data.hex() for p in parameters], {
        name: [float(x).hex() for x in getattr(optimizer, name)] for name in optimizer.kept
    }


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_arrays_give_the_bits_of_rows(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stepped(make, 1, 6, monkeypatch) == stepped(make, 1000, 6, monkeypatch)


def test_a_variance_that_rounding_makes_negative(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for many in (1, 1000):
        monkeypatch.setattr(optim, "MANY", many)
        parameters = [Value(0.0) for _ in range(200)]
        optimizer = RMSprop(parameters, centered=True, alpha=0.9)
        negative = 0
        for _ in range(400):
            for i, p in enumerate(parameters):
                p.grad = math.sqrt(i)
            optimizer.step()
            negative += sum(s - m * m < 0 for s, m in zip(optimizer.squares, optimizer.means))
        found.append([p.data for p in parameters])
        assert negative > 0 and all(map(math.isfinite, found[-1]))
    assert found[0] == found[1]


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_arrays_leave_plain_floats(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    rule = type(make([Value(1.0)])).update
    noted = optim.elementwise(lambda self, lr, rows: calls.append(rows := list(rows)) or rule(self, lr, iter(rows)))
    monkeypatch.setattr(type(make([Value(1.0)])), "update", noted)
    parameters = [Value(0.5) for _ in range(150)]
    optimizer = make(parameters)
    for p in parameters:
        p.grad = 0.25
    optimizer.step()
    assert [len(rows) for rows in calls] == [1] and type(calls[0][0][0]) is np.ndarray
    assert {type(p.data) for p in parameters} == {float}
    for name in optimizer.kept:
        assert type(getattr(optimizer, name)) is list and {type(x) for x in getattr(optimizer, name)} == {float}


def test_one_s_own_rule_gets_rows_unless_it_is_marked() -> None:
    """One that counts its rows, or keeps something for each, would go wrong with arrays."""
    rows: list[int] = []

    class Layered(Optimizer):
        def update(self, lr: float, given: Any) -> Any:
            for i, (x, grad) in enumerate(given):
                rows.append(i)
                yield x - lr * (2 if i % 2 else 1) * grad

    class Shifted(Adam):
        def update(self, lr: float, given: Any) -> Any:
            listed = list(given)
            rows.append(len(listed))
            return super().update(lr, listed)

    class Marked(Optimizer):
        @nn.elementwise
        def update(self, lr: float, given: Any) -> Any:
            for x, grad in given:
                rows.append(len(x))
                yield x - lr * grad

    class Branching(Marked):
        @nn.elementwise
        def update(self, lr: float, given: Any) -> Any:
            for x, grad in given:
                rows.append(1)
                yield x - lr * (grad if grad > 0 else 2 * grad)

    class InPlace(Optimizer):
        kept = ("velocities",)

        @nn.elementwise
        def update(self, lr: float, given: Any) -> Any:
            for x, grad, velocity in given:
                before = velocity
                velocity += grad + 1
                rows.append(1)
                yield x - lr * (velocity - before), velocity

    class Short(Optimizer):
        @nn.elementwise
        def update(self, lr: float, given: Any) -> Any:
            for x, grad in given:
                rows.append(1)
                yield 0.5 if isinstance(x, np.ndarray) else x - lr * grad

    kinds = ((Layered, list(range(150))), (Shifted, [150]), (Marked, [150]))
    kinds += ((Branching, [1] * 151), (InPlace, [1] * 150), (Short, [1] * 151))
    for kind, expected in kinds:
        rows.clear()
        parameters = [Value(1.0) for _ in range(150)]
        optimizer = kind(parameters, lr=0.1)
        for p in parameters:
            p.grad = 1.0
        optimizer.step()
        assert rows == expected
        assert parameters[0].data == pytest.approx(
            0.8 if kind is InPlace else 0.9, abs=0.011 if kind is Shifted else 1e-12
        )


def test_what_is_no_float_is_stepped_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers that are not floats stay what they are, and a sum that overflows is what Python makes of it."""
    from fractions import Fraction

    monkeypatch.setattr(optim, "MANY", 1)
    exact = [Value(Fraction(1, 3)), Value(0.5)]

    class Plain(Optimizer):
        @nn.elementwise
        def update(self, lr: float, rows: Any) -> Any:
            for x, grad in rows:
                yield x - grad

    exact[0].grad = Fraction(1, 6)  # type: ignore[assignment]
    Plain(exact, lr=1).step()
    assert exact[0].data == Fraction(1, 6) and type(exact[0].data) is Fraction
    big = [Value(-1.7e308), Value(0.5)]
    big[0].grad = 1.7e308
    SGD(big, lr=1.0).step()
    assert big[0].data == -math.inf and big[1].data == 0.5

    class Newton(Optimizer):
        @nn.elementwise
        def update(self, lr: float, rows: Any) -> Any:
            for x, grad in rows:
                yield x - lr / grad

    big[0].data, big[0].grad, big[1].grad = 1.0, 1.0, 0.0
    with pytest.raises(ZeroDivisionError):
        Newton(big, lr=1.0).step()
    assert [p.data for p in big] == [1.0, 0.5]


def test_settings_of_both_ways_agree_over_a_training(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for many in (1, 10**9):
        monkeypatch.setattr(optim, "MANY", many)
        found.append(run(net(20, 3), optimizer=lambda p: Adam(p, lr=0.05), replay=True))
    (one, parameters), (other, expected) = found
    assert parameters == expected and one.step_losses == other.step_losses
    assert all(a > b for a, b in pairwise(one.losses))
