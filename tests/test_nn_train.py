"""The training loop: what it computes, records, shows and refuses, and how it ends."""

import builtins
import math
import random
import sys
from typing import Any

import pytest

import autograd
from autograd import Value
from nn import MLP, SGD, Adam, Module, TrainingError, evaluate, fit, half_squared_error, hinge, is_correct

XOR = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
CLASSES = [0, 1, 1, 0]


class Line(Module):
    """y = slope * x, the smallest model."""

    def __init__(self, slope: float = 0.0) -> None:
        self.slope = Value(slope)

    def __call__(self, x: float) -> Value:
        return self.slope * x


def test_one_step_is_the_slope_of_the_mean() -> None:
    model = Line()
    history = fit(
        model,
        [1.0, 2.0, 3.0],
        [2.0, 4.0, 9.0],
        loss=half_squared_error,
        optimizer=SGD(model.parameters(), lr=0.1),
        epochs=1,
        progress=False,
    )
    # d/d slope of the mean of (slope x - y)^2 / 2 at slope 0 is -mean(x y) = -(2 + 8 + 27) / 3
    assert math.isclose(model.slope.data, 0.1 * 37 / 3, rel_tol=1e-15)
    assert history.step_losses == pytest.approx([(4 + 16 + 81) / 6])
    assert history.losses == pytest.approx(history.step_losses)
    assert history.accuracies == []


def test_batches_weigh_in_the_epoch_by_their_size() -> None:
    model = Line(1.0)
    examples, targets = [1.0] * 5, [0.0] * 5
    optimizer = SGD(model.parameters(), lr=1e-12)
    history = fit(
        model, examples, targets, loss=half_squared_error, optimizer=optimizer, batch_size=2, epochs=3, progress=False
    )
    assert history.steps_per_epoch == 3
    assert len(history.step_losses) == 9
    assert history.losses == pytest.approx([0.5] * 3)


def test_learns_xor() -> None:
    model = MLP(2, [8, 2], activation="tanh", rng=random.Random(1))
    history = fit(
        model,
        XOR,
        CLASSES,
        optimizer=Adam(model.parameters(), lr=0.05),
        epochs=150,
        rng=random.Random(0),
        validation=(XOR, CLASSES),
        progress=False,
    )
    assert history.accuracies[-1] == history.validation_accuracies[-1] == 1.0
    assert history.losses[-1] < 0.05 < 0.5 < history.losses[0]
    assert evaluate(model, XOR, CLASSES) == (history.validation_losses[-1], 1.0)


def test_hinge_and_single_scores() -> None:
    model = MLP(2, [8, 1], activation="tanh", rng=random.Random(1))
    history = fit(
        model,
        XOR,
        [2 * c - 1 for c in CLASSES],
        loss=hinge,
        optimizer=Adam(model.parameters(), lr=0.05),
        epochs=100,
        rng=random.Random(0),
        progress=False,
    )
    assert history.accuracies[-1] == 1.0


def test_same_seed_same_numbers() -> None:
    def train(seed: int) -> tuple[list[float], list[float]]:
        rng = random.Random(seed)
        model = MLP(2, [3, 2], rng=rng)
        history = fit(model, XOR, CLASSES, epochs=3, batch_size=3, rng=rng, progress=False)
        return history.step_losses, [p.data for p in model.parameters()]

    assert train(1) == train(1)
    assert train(1) != train(2)


def test_examples_are_shuffled_anew_but_left_alone() -> None:
    seen: list[float] = []

    class Watching(Line):
        def __call__(self, x: float) -> Value:
            seen.append(x)
            return super().__call__(x)

    examples = [float(k) for k in range(20)]
    fit(
        Watching(),
        examples,
        examples,
        loss=half_squared_error,
        optimizer=None,
        epochs=2,
        rng=random.Random(0),
        progress=False,
    )
    first, second = seen[:20], seen[20:]
    assert sorted(first) == sorted(second) == examples == [float(k) for k in range(20)]
    assert examples != first != second


def test_evaluate_records_nothing_and_changes_nothing() -> None:
    model = MLP(2, [3, 2], rng=random.Random(0))
    outputs: list[Any] = []

    def loss(output: Any, target: int) -> Any:
        outputs.append(output[0])
        return autograd.softmax_cross_entropy(output, target)

    before = [p.data for p in model.parameters()]
    mean, accuracy = evaluate(model, XOR, CLASSES, loss=loss, correct=is_correct)
    assert all(output.parents == () for output in outputs)
    assert [p.data for p in model.parameters()] == before
    assert all(p.grad == 0 for p in model.parameters())
    assert mean > 0
    assert accuracy in (0.0, 0.25, 0.5, 0.75, 1.0)
    assert evaluate(model, XOR, CLASSES, loss=loss)[1] is None


def test_a_loss_may_be_any_number_when_measured() -> None:
    import numpy as np

    assert evaluate(Line(2.0), [1.0, 2.0], [0.0, 0.0], loss=lambda output, target: np.float64(output.data)) == (
        3.0,
        None,
    )


def test_is_correct() -> None:
    assert is_correct([Value(1.0), Value(3.0), Value(2.0)], 1)
    assert not is_correct([1.0, 3.0, 2.0], 0)
    assert is_correct(Value(0.1), 1)
    assert not is_correct(-0.1, 1)
    assert is_correct(Value(-0.1), -1)
    assert not is_correct(Value(0.0), -1)


def test_ctrl_c_keeps_model_and_history() -> None:
    calls = 0

    class Interrupted(Line):
        def __call__(self, x: float) -> Value:
            nonlocal calls
            calls += 1
            if calls == 6:
                raise KeyboardInterrupt
            return super().__call__(x)

    model = Interrupted()
    history = fit(model, [1.0, 2.0], [2.0, 4.0], loss=half_squared_error, epochs=50, batch_size=1, progress=False)
    assert history.interrupted
    assert len(history.step_losses) == 5
    assert len(history.losses) == 2
    assert 0 < model.slope.data < 2


def test_loss_that_is_not_finite_stops_before_the_step() -> None:
    model = Line()
    optimizer = SGD(model.parameters(), lr=1e200)
    with pytest.raises(
        TrainingError, match=r"the loss became inf for example 0, at step 2 \(epoch 2, batch 1\)"
    ) as error:
        fit(model, [1.0], [2.0], loss=half_squared_error, optimizer=optimizer, epochs=9, progress=False)
    for word in ("1e+200", "smaller learning rate", "nn.Standardizer"):
        assert word in str(error.value)
    assert error.value.history.step_losses == [2.0]
    assert model.slope.data == 2e200


def test_gradient_that_is_not_finite_stops_before_the_step() -> None:
    model = Line()

    def loss(output: Value, target: float) -> Value:
        return (output - target).sqrt()

    with pytest.raises(TrainingError, match=r"the gradient of parameter 0 became inf, at step 1 "):
        fit(model, [1.0], [0.0], loss=loss, epochs=1, progress=False)
    assert model.slope.data == 0.0


def test_a_loss_without_a_graph_is_refused() -> None:
    with pytest.raises(TypeError, match=r"not with their \.data"):
        fit(Line(), [1.0], [1.0], loss=lambda output, target: (output.data - target) ** 2, progress=False)


@pytest.mark.parametrize(
    ("examples", "targets", "keywords", "words"),
    [
        ([], [], {}, "no examples"),
        ([1.0], [1.0, 2.0], {}, "1 examples but 2 targets"),
        ([1.0], [1.0], {"epochs": 0}, "epochs=0"),
        ([1.0], [1.0], {"batch_size": 0}, "batch_size=0"),
        ([1.0], [1.0], {"validation": ([], [])}, "no validation examples"),
        ([1.0], [1.0], {"validation": ([1.0], [])}, "1 validation examples but 0 validation targets"),
    ],
)
def test_refusals(examples: list[float], targets: list[float], keywords: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fit(Line(), examples, targets, loss=half_squared_error, progress=False, **keywords)


def test_bar_shows_loss_and_accuracy(capsys: pytest.CaptureFixture[str]) -> None:
    model = MLP(2, [3, 2], rng=random.Random(0))
    fit(model, XOR, CLASSES, epochs=2, validation=(XOR, CLASSES))
    shown = capsys.readouterr().err
    for word in ("epoch 2/2", "loss 0.", "accuracy ", "held out "):
        assert word in shown


def test_missing_tqdm_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_tqdm(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("tqdm"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    for name in [name for name in sys.modules if name.startswith("tqdm")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without_tqdm)
    with pytest.raises(ImportError, match=r"pip install 'scalar-autograd\[notebook\]'.*progress=False"):
        fit(Line(), [1.0], [1.0], loss=half_squared_error)
    assert fit(Line(), [1.0], [1.0], loss=half_squared_error, epochs=1, progress=False).losses == [0.5]
