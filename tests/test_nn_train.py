"""The training loop: what it computes, records, shows and refuses, and how it ends."""

import builtins
import fcntl
import math
import os
import random
import signal
import struct
import sys
import termios
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from tracing import at_line

import autograd
from autograd import Value
from nn import (
    MLP,
    SGD,
    Adam,
    Callback,
    Dataset,
    EarlyStopping,
    History,
    Module,
    SaveCheckpoint,
    Training,
    TrainingError,
    evaluate,
    fit,
    half_squared_error,
    hinge,
    is_correct,
)
from nn.words import percent

pytestmark = pytest.mark.usefixtures("ctrl_c")

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
        checks=False,
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
    keywords: dict[str, Any] = {"epochs": 50, "batch_size": 1, "progress": False, "checks": False}
    history = fit(model, [1.0, 2.0], [2.0, 4.0], loss=half_squared_error, **keywords)
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

    with pytest.raises(TrainingError, match=r"the gradient of parameter slope became inf, at step 1 ") as error:
        fit(model, [1.0], [0.0], loss=loss, epochs=1, progress=False)
    assert "for example 0 it began at the node sqrt" in str(error.value)
    assert (model.slope.data, model.slope.grad) == (0.0, 0.0)


def test_a_loss_without_a_graph_is_refused() -> None:
    with pytest.raises(TypeError, match=r"not with their \.data"):
        fit(Line(), [1.0], [1.0], loss=lambda output, target: (output.data - target) ** 2, progress=False)


@pytest.mark.parametrize(
    ("examples", "targets", "keywords", "words"),
    [
        ([], [], {}, "no examples"),
        ([1.0], [1.0, 2.0], {}, "1 examples but 2 targets"),
        ([1.0], [1.0], {"epochs": 0}, "epochs=0"),
        ([1.0], [1.0], {"epochs": 1.5}, "epochs=1.5"),
        ([1.0], [1.0], {"epochs": True}, "epochs=True"),
        ([1.0], [1.0], {"clip_norm": 0}, "clip_norm must be above 0"),
        ([1.0], [1.0], {"clip_value": -1}, "clip_value must be above 0"),
        ([1.0], [1.0], {"batch_size": 0}, "batch_size=0"),
        ([1.0], [1.0], {"validation": ([], [])}, "no validation examples"),
        ([1.0], [1.0], {"validation": ([1.0], [])}, "1 validation examples but 0 validation targets"),
    ],
)
def test_refusals(examples: list[float], targets: list[float], keywords: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fit(Line(), examples, targets, loss=half_squared_error, progress=False, **keywords)


@pytest.mark.parametrize(
    ("argument", "given", "words"),
    [
        ("model", lambda x: x, r"model must be a nn\.Module, such as .*; got <function"),
        ("optimizer", "adam", r"optimizer must be one such as nn\.Adam\(model\.parameters\(\)\); got 'adam'"),
        ("optimizer", Adam, r"optimizer must be one such as .*; got <class"),
        ("rng", 0, r"rng must be a source of random numbers, such as random\.Random\(0\); got 0"),
        ("loss", "mse", "loss must be a function; got 'mse'"),
        ("loss", None, "loss must be a function; got None"),
        ("correct", "accuracy", "correct must be a function; got 'accuracy'"),
        ("penalty", Value(1.0), "penalty must be a function; got Value"),
        ("validation", ([1.0], [1.0], [1.0]), r"validation must be \(examples, targets\), or a Dataset; got"),
        ("validation", 0.2, "validation targets are missing"),
        ("clip_norm", "1", "clip_norm must be a number; got '1'"),
    ],
)
def test_arguments_of_another_kind(argument: str, given: Any, words: str) -> None:
    arguments = {"model": Line(), "loss": half_squared_error, argument: given}
    with pytest.raises(TypeError, match=words):
        fit(examples=[1.0], targets=[1.0], progress=False, **arguments)


def test_figures_come_before_the_times_and_are_seen_in_40_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    with open(writer, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        history = fit(MLP(2, [3, 2], rng=random.Random(0)), XOR, CLASSES, epochs=2, checks=False)
    shown = b""
    with open(reader, "rb", buffering=0) as screen, suppress(OSError):  # which Linux raises at the end
        while part := screen.read(4096):
            shown += part
    last = shown.decode().strip().split("\r")[-1]
    assert 30 < len(last) <= 40
    assert last.startswith(f"epoch 2/2, loss {history.losses[-1]:.3g}, accuracy {history.accuracies[-1]:.0%}"[:-1])


def test_the_loss_on_validation_data_is_shown_where_there_is_no_accuracy(capsys: pytest.CaptureFixture[str]) -> None:
    history = fit(Line(), POINTS, POINTS, validation=([1.0], [9.0]), **{**FEW, "progress": True})
    assert f", held out {history.validation_losses[-1]:.3g} |" in capsys.readouterr().err
    assert f", held out {history.validation_losses[-1]:.3g})" in repr(history)


@pytest.mark.parametrize("fails", [False, True])
def test_in_a_notebook_the_bar_becomes_text(fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A widget is not in the file that is saved; the text of the display's last update is."""
    import IPython.display
    import tqdm.auto
    from tqdm.notebook import tqdm_notebook

    shown: list[Any] = []

    class Display:
        def update(self, data: dict[str, str], raw: bool) -> None:
            shown.append((data, raw))

    def display(widget: Any, display_id: bool) -> Display:
        shown.append((widget, display_id))
        return Display()

    def fail(training: Training) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(IPython.display, "display", display)
    monkeypatch.setattr(tqdm.auto, "tqdm", tqdm_notebook)
    with suppress(ZeroDivisionError):
        fit(Line(), POINTS, POINTS, callbacks=fail if fails else (), **{**FEW, "progress": True})
    (widget, has_id), (data, raw) = shown
    assert type(widget).__module__ == "tqdm.notebook"
    assert has_id
    assert raw
    assert data["text/plain"].startswith(f"epoch {1 if fails else 2}/2, loss ")


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


# ---- the data that fit takes -----------------------------------------------------------------------------------------


def trained(*data: Any, **keywords: Any) -> tuple[list[float], list[float]]:
    model = MLP(2, [3, 2], activation="tanh", rng=random.Random(0))
    history = fit(model, *data, epochs=2, batch_size=3, rng=random.Random(1), progress=False, **keywords)
    return history.step_losses + history.validation_losses, [p.data for p in model.parameters()]


def test_lists_arrays_and_data_sets_give_the_same() -> None:
    import numpy as np

    data = Dataset("xor", XOR, CLASSES, ("a", "b"), "c", ("0", "1"))
    plain = trained(XOR, CLASSES, validation=(XOR, CLASSES))
    assert trained(np.array(XOR), np.array(CLASSES), validation=(np.array(XOR), CLASSES)) == plain
    assert trained(data, validation=data) == plain
    assert all(type(x) is float for x in plain[1])
    model = MLP(2, [3, 2], rng=random.Random(0))
    assert evaluate(model, data) == evaluate(model, XOR, CLASSES) == evaluate(model, np.array(XOR), np.array(CLASSES))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (([1.0],), "targets are missing"),
        ((Dataset("d", [[1.0]], [0], ("x",), "y"), [0]), "has its own targets"),
        (("ab", [0, 1]), "examples must be a list or an array, got 'ab'"),
        (([1.0], 3), "targets must be a list or an array, got 3"),
        ((iter([1.0]), [1.0]), "examples must be a list"),
    ],
)
def test_data_of_another_kind(data: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        fit(Line(), *data, loss=half_squared_error, progress=False)


def test_an_error_says_at_which_example() -> None:
    examples: list[Any] = [[0.0, 0.0], [0.0, 1.0], [1.0], [1.0, 1.0]]
    model = MLP(2, [2], rng=random.Random(0))
    with pytest.raises(ValueError) as error:  # noqa: PT011
        fit(model, examples, CLASSES, progress=False)
    assert error.value.__notes__ == ["at example 2 of the training data"]
    with pytest.raises(ValueError) as error:  # noqa: PT011
        fit(model, XOR, CLASSES, validation=(examples, CLASSES), epochs=1, progress=False)
    assert error.value.__notes__ == ["at example 2 of the validation data"]
    assert len(error.value.history.step_losses) == 1  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="target 2 for 2 scores") as error:
        fit(model, XOR, [0, 1, 1, 2], progress=False)
    assert error.value.__notes__ == ["at example 3 of the training data"]
    with pytest.raises(ValueError) as error:  # noqa: PT011
        evaluate(model, examples, CLASSES)
    assert error.value.__notes__ == ["at example 2 of the data"]


def test_modes_while_training_and_measuring() -> None:
    seen: list[tuple[str, bool, bool]] = []

    class Outer(Module):
        def __init__(self) -> None:
            self.inner, self.other = Line(), Line()

        def __call__(self, x: float) -> Value:
            seen.append((what[-1], self.training, self.inner.training))
            return self.inner(x)

    model, what = Outer(), ["fit"]
    model.inner.eval()
    validated = Watch(on_step=lambda t: what.append("validation"), on_epoch=lambda t: what.append("fit"))
    keywords: dict[str, Any] = {"loss": half_squared_error, "progress": False, "epochs": 2, "checks": False}
    fit(model, [1.0], [1.0], validation=([1.0], [1.0]), callbacks=[validated], **keywords)
    assert seen == [("fit", True, True), ("validation", False, False)] * 2
    assert [part.training for _, part in model.named_modules()] == [True, False, True]
    model.eval()
    with pytest.raises(TypeError):
        fit(model, [1.0], ["x"], **keywords)
    assert not model.training
    assert not model.inner.training


# ---- penalty and clipping --------------------------------------------------------------------------------------------


def test_penalty_is_added_once_per_step() -> None:
    model = Line(3.0)
    history = fit(
        model,
        [1.0, 2.0],
        [0.0, 0.0],
        loss=half_squared_error,
        optimizer=SGD(model.parameters(), lr=0.5),
        epochs=1,
        validation=([1.0], [0.0]),
        penalty=lambda: 0.25 * model.slope * model.slope,
        progress=False,
        checks=False,
    )
    # the mean of 9/2 and 36/2, plus 9/4; its slope (3 + 12)/2 + 3/2 = 9
    assert history.step_losses == history.losses == [11.25 + 2.25]
    assert model.slope.data == 3 - 0.5 * 9
    assert history.validation_losses == [0.5 * 1.5**2]  # without the penalty
    with pytest.raises(TypeError, match="the penalty must be a Value that depends on the parameters, got 3"):
        fit(model, [1.0], [1.0], loss=half_squared_error, penalty=lambda: 3, progress=False)  # type: ignore[arg-type,return-value]
    with pytest.raises(TrainingError, match=r"the penalty became inf, at step 1 .*it began"):
        fit(model, [1.0], [1.0], loss=half_squared_error, penalty=lambda: (model.slope * -1e9).exp(), progress=False)


class Two(Module):
    def __init__(self) -> None:
        self.a, self.b = Value(0.0), Value(0.0)

    def __call__(self, x: float) -> list[Value]:
        return [self.a * x, self.b * x]


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ({}, (3.0, 4.0)),
        ({"clip_norm": 1.0}, (0.6, 0.8)),
        ({"clip_value": 3.5}, (3.0, 3.5)),
        ({"clip_norm": 9.0}, (3.0, 4.0)),
    ],
)
def test_clipping_comes_between_gradients_and_step(keywords: dict[str, float], expected: tuple[float, float]) -> None:
    model, seen = Two(), []
    watch = Watch(on_gradients=lambda t: seen.append((t.model.a.grad, t.model.b.grad)))
    optimizer = SGD(model.parameters(), lr=1.0)
    fit(
        model,
        [1.0],
        [[3.0, 4.0]],
        loss=half_squared_error,
        optimizer=optimizer,
        epochs=1,
        callbacks=watch,
        progress=False,
        checks=False,
        **keywords,  # type: ignore[arg-type]
    )
    assert seen == [(-3.0, -4.0)]
    assert (model.a.data, model.b.data) == pytest.approx(expected, rel=1e-6)


# ---- callbacks -------------------------------------------------------------------------------------------------------


class Watch(Callback):
    """Calls the functions that it was given."""

    def __init__(self, **functions: Callable[[Training], object]) -> None:
        vars(self).update(functions)


EVENTS = ("on_start", "on_gradients", "on_step", "on_epoch", "on_end")
FEW: dict[str, Any] = {"loss": half_squared_error, "batch_size": 2, "epochs": 2, "progress": False, "checks": False}
POINTS = [1.0, 2.0, 3.0]


def test_callbacks_are_told_in_order() -> None:
    told: list[tuple[str, str, int, int, int]] = []

    def watch(name: str) -> Watch:
        def function(event: str) -> Callable[[Training], object]:
            return lambda t: told.append((name, event, t.step, t.epoch, len(t.history.losses)))

        return Watch(**{event: function(event) for event in EVENTS})

    def plain(training: Training) -> None:
        told.append(("plain", "on_epoch", training.step, training.epoch, len(training.history.losses)))

    fit(Line(), POINTS, POINTS, callbacks=(watch("a"), plain, watch("b")), **FEW)
    expected = [(name, "on_start", 0, 0, 0) for name in "ab"]
    for epoch in range(2):
        for step in range(2):
            here = 2 * epoch + step
            expected += [(name, "on_gradients", here, epoch, epoch) for name in "ab"]
            expected += [(name, "on_step", here + 1, epoch, epoch) for name in "ab"]
        expected += [(name, "on_epoch", 2 * epoch + 2, epoch + 1, epoch + 1) for name in ("a", "plain", "b")]
    assert told == expected + [(name, "on_end", 4, 2, 2) for name in "ba"]


def test_what_a_callback_sees() -> None:
    seen: list[Any] = []

    def on_gradients(t: Training) -> None:
        assert len(t.batch) in (1, 2)
        mean = math.fsum((t.model.slope.data * t.examples[i] - t.targets[i]) ** 2 / 2 for i in t.batch) / len(t.batch)
        assert t.batch_loss == pytest.approx(mean)
        slope = math.fsum((t.model.slope.data * t.examples[i] - t.targets[i]) * t.examples[i] for i in t.batch)
        assert t.model.slope.grad == pytest.approx(slope / len(t.batch))
        seen.append(t.batch_loss)

    model, rng = Line(), random.Random(0)
    optimizer = SGD(model.parameters(), lr=0.1)
    ends: list[Training] = []
    watch = Watch(on_gradients=on_gradients, on_end=ends.append)
    history = fit(model, POINTS, [2.0, 5.0, 6.0], rng=rng, optimizer=optimizer, callbacks=[watch], **FEW)
    assert history.step_losses == seen
    (t,) = ends
    assert (t.model, t.optimizer, t.rng, t.history, t.loss) == (model, optimizer, rng, history, half_squared_error)
    assert (t.step, t.epoch, t.epochs, t.batch_size, t.error, t.validation, t.correct) == (4, 2, 2, 2, None, None, None)


@pytest.mark.parametrize(("event", "steps", "epochs"), [("on_gradients", 3, 1), ("on_step", 3, 1), ("on_epoch", 2, 1)])
def test_stop_ends_training_after_the_step(event: str, steps: int, epochs: int) -> None:
    watch = Watch(**{event: lambda t: t.stop("that will do") if t.step >= 2 else None})
    history = fit(Line(), POINTS, POINTS, callbacks=[watch], **{**FEW, "epochs": 9})
    assert (len(history.step_losses), len(history.losses), history.stopped) == (steps, epochs, "that will do") or (
        event == "on_step" and len(history.step_losses) == 2 and len(history.losses) == 1
    )
    assert not history.interrupted
    assert "stopped: that will do" in repr(history)


def test_a_callback_that_raises_is_named_and_the_history_kept() -> None:
    ended: list[BaseException | None] = []

    def broken(training: Training) -> None:
        raise ZeroDivisionError("oh")

    watch = Watch(on_end=lambda t: ended.append(t.error))
    with pytest.raises(ZeroDivisionError, match="oh") as error:
        fit(Line(), POINTS, POINTS, callbacks=[watch, broken], **FEW)
    assert error.value.__notes__ == ["in on_epoch of the callback broken, after 2 steps"]
    assert len(error.value.history.step_losses) == 2  # type: ignore[attr-defined]
    assert ended == [error.value]


def test_an_error_at_the_end_does_not_hide_the_first() -> None:
    def raising(word: str) -> Callable[[Training], object]:
        def function(training: Training) -> None:
            raise ValueError(word)

        return function

    ended: list[int] = []
    last = Watch(on_end=lambda t: ended.append(1))
    with pytest.raises(ValueError, match="first") as error:
        fit(Line(), POINTS, POINTS, callbacks=[last, Watch(on_step=raising("first"), on_end=raising("second"))], **FEW)
    assert error.value.__notes__[-1] == "after that ValueError: second"
    with pytest.raises(ValueError, match="second"):
        fit(Line(), POINTS, POINTS, callbacks=[last, Watch(on_end=raising("second"))], **FEW)
    assert ended == [1, 1]
    with pytest.raises(ValueError, match="begin"):
        fit(Line(), POINTS, POINTS, callbacks=[Watch(on_start=raising("begin"), on_end=raising("second")), last], **FEW)
    assert ended == [1, 1]


@pytest.mark.parametrize(
    ("callbacks", "words"),
    [
        ([3], r"callbacks\[0\] is 3: a callback is a nn\.Callback"),
        ([print, EarlyStopping], r"callbacks\[1\] is the class EarlyStopping: give one of it"),
        ("print", r"callbacks\[0\] is 'print'"),
    ],
)
def test_what_is_no_callback(callbacks: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        fit(Line(), POINTS, POINTS, callbacks=callbacks, **FEW)


# ---- early stopping --------------------------------------------------------------------------------------------------


def early(figures: list[float], monitor: str = "losses", **keywords: Any) -> tuple[EarlyStopping, Training]:
    """A training whose figures are these, with the parameter set to the number of the epoch."""
    model = Line()
    training = Training(
        model,
        half_squared_error,
        SGD(model.parameters(), lr=0.1),
        [1.0],
        [1.0],
        validation=([1.0], [1.0]),
        correct=is_correct,
    )
    callback = EarlyStopping(monitor=monitor, **keywords)
    callback.on_start(training)
    for epoch, figure in enumerate(figures, start=1):
        if training.history.stopped:
            break
        training.step = training.epoch = epoch
        model.slope.data = float(epoch)
        getattr(training.history, monitor).append(figure)
        callback.on_epoch(training)
    callback.on_end(training)
    return callback, training


@pytest.mark.parametrize(
    ("figures", "keywords", "epochs", "best"),
    [
        ([3, 2, 1, 2, 2, 0], {"patience": 2}, 5, 3),
        ([3, 2, 1, 2, 2, 0], {"patience": 3}, 6, 6),
        ([3, 3, 3], {"patience": 2}, 3, 1),
        ([3, 2.5, 2.45, 0], {"patience": 2, "min_delta": 0.6}, 3, 1),
        ([3, 2.5, 2.3, 0], {"patience": 2, "min_delta": 0.6}, 4, 4),
        ([3, 2, 1], {"patience": 1, "min_delta": 1.0}, 2, 1),
        ([math.nan, math.nan, 1], {"patience": 2}, 2, 0),
        ([math.nan, 3, math.nan, math.nan], {"patience": 2}, 4, 2),
        ([math.inf, math.inf, 2, 3], {"patience": 2}, 4, 3),
        ([0.5, 0.9, 0.7, 0.9, 1], {"patience": 2, "monitor": "validation_accuracies"}, 4, 2),
    ],
)
def test_early_stopping(figures: list[float], keywords: dict[str, Any], epochs: int, best: int) -> None:
    callback, training = early(figures, **keywords)
    assert (training.epoch, callback.best_epoch) == (epochs, best)
    assert training.model.slope.data == (best or epochs)  # type: ignore[attr-defined]
    assert bool(training.history.stopped) == (epochs - best == callback.patience)
    assert early(figures, **keywords, restore_best=False)[1].model.slope.data == epochs  # type: ignore[attr-defined]


def test_early_stopping_says_why_and_starts_anew() -> None:
    stopping = EarlyStopping(patience=1)
    for _ in range(2):
        model = Line(1.0)
        optimizer = SGD(model.parameters(), lr=3.0)  # too large: it goes away from 0
        history = fit(
            model,
            [1.0],
            [0.0],
            optimizer=optimizer,
            callbacks=[stopping],
            validation=([1.0], [0.0]),
            **{**FEW, "epochs": 9},
        )
        assert history.validation_losses == [2.0, 8.0]
        assert history.stopped == "validation_losses did not get better for 1 epoch; the best was epoch 1"
        assert model.slope.data == -2.0


def test_nothing_is_brought_back_after_ctrl_c() -> None:
    def press(training: Training) -> None:
        if training.epoch == 3:
            raise KeyboardInterrupt

    model = Line(1.0)
    optimizer = SGD(model.parameters(), lr=3.0)
    history = fit(model, [1.0], [0.0], optimizer=optimizer, callbacks=[EarlyStopping(), press], **{**FEW, "epochs": 9})
    assert (history.interrupted, len(history.losses), model.slope.data) == (True, 3, -8.0)


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"patience": 0}, "patience"),
        ({"patience": 1.5}, "patience"),
        ({"min_delta": -1}, "min_delta"),
        ({"min_delta": math.nan}, "min_delta"),
        ({"monitor": "loss"}, r"monitor must be one of validation_losses, losses.*'loss'"),
    ],
)
def test_early_stopping_refuses(keywords: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        EarlyStopping(**keywords)


def test_early_stopping_needs_what_it_watches() -> None:
    for monitor, words in (("validation_losses", "needs validation="), ("accuracies", "give fit correct=")):
        with pytest.raises(ValueError, match=words):
            fit(Line(), POINTS, POINTS, callbacks=[EarlyStopping(monitor=monitor)], **FEW)


# ---- Ctrl-C ----------------------------------------------------------------------------------------------------------


class Run:
    """A small training that can be interrupted at any line."""

    def __init__(self, path: str | None = None) -> None:
        self.model = MLP(2, [2], activation="tanh", rng=random.Random(1))
        self.optimizer = Adam(self.model.parameters(), lr=0.1)
        self.told: list[int] = []
        self.after: list[list[float]] = [[p.data for p in self.optimizer.parameters]]
        self.callbacks: list[Any] = [
            Watch(on_gradients=lambda t: self.told.append(t.step)),
            Watch(on_step=lambda t: self.after.append([p.data for p in t.optimizer.parameters])),
        ]
        if path:
            self.callbacks.append(SaveCheckpoint(path))

    def fit(self, resume: str | None = None) -> History:
        return fit(
            self.model,
            XOR,
            CLASSES,
            optimizer=self.optimizer,
            epochs=2,
            batch_size=3,
            rng=random.Random(2),
            validation=(XOR[:2], CLASSES[:2]),
            callbacks=self.callbacks,
            checks=False,
            progress=False,
            resume=resume,
        )

    def numbers(self) -> list[Any]:
        return [[p.data for p in self.optimizer.parameters], self.optimizer.state()]


FILES = tuple(f"/nn/{name}.py" for name in ("train", "optim", "callbacks", "interrupts", "module"))


def test_ctrl_c_at_every_line_leaves_whole_steps() -> None:
    """A real SIGINT, at each line of the training's code in turn: parameters, optimizer, history and callbacks agree."""
    whole = Run()
    history = whole.fit()
    total = 100_000 - at_line(100_000, lambda: None, Run().fit, FILES)[1]
    assert total > 300
    handler, seen, outside = signal.getsignal(signal.SIGINT), set(), 0
    for line in range(1, total + 1, 3):
        run = Run()
        try:
            got, _ = at_line(line, lambda: signal.raise_signal(signal.SIGINT), run.fit, FILES)
        except KeyboardInterrupt:  # before training begins, or when it is over
            outside += 1
            assert run.numbers() == (whole if run.told else Run()).numbers()
            continue
        finally:
            assert signal.getsignal(signal.SIGINT) is handler
        steps = len(got.step_losses)
        seen.add((steps, len(got.losses)))
        assert got.interrupted
        assert got.step_losses == history.step_losses[:steps]
        assert got.losses == history.losses[: len(got.losses)]
        assert got.validation_losses == history.validation_losses[: len(got.losses)]
        assert got.validation_accuracies == history.validation_accuracies[: len(got.losses)]
        assert run.numbers()[0] == run.after[-1] == whole.after[steps]
        assert run.optimizer.steps == steps == len(run.after) - 1 == len(run.told)
        assert all(p.grad == 0 for p in run.optimizer.parameters) or steps == len(run.told)
        assert run.model.training
    assert seen >= {(0, 0), (1, 0), (2, 0), (2, 1), (3, 1), (4, 1), (4, 2)}
    assert outside < 150


def test_ctrl_c_twice_at_every_line_leaves_whole_steps_too() -> None:
    """The second waits for no callback, but for the step."""
    whole = Run()
    whole.fit()
    total = 100_000 - at_line(100_000, lambda: None, Run().fit, FILES)[1]

    def press() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    for line in range(2, total + 1, 3):
        run, steps = Run(), None
        with suppress(KeyboardInterrupt):
            steps = len(at_line(line, press, run.fit, FILES)[0].step_losses)
        assert steps in (None, run.optimizer.steps)
        assert run.numbers()[0] == whole.after[run.optimizer.steps]


def test_an_error_in_the_step_leaves_the_step_before() -> None:
    class Half(SGD):
        def step(self) -> None:
            super().step()
            if self.steps == 3:
                raise MemoryError

    model = Line()
    optimizer = Half(model.parameters(), lr=0.1, momentum=0.5)
    after: list[Any] = []
    watch = Watch(on_step=lambda t: after.append((model.slope.data, t.optimizer.state())))
    with pytest.raises(MemoryError) as error:
        fit(model, POINTS, POINTS, optimizer=optimizer, callbacks=[watch], **FEW)
    assert (model.slope.data, optimizer.state()) == after[-1]
    assert len(error.value.history.step_losses) == 2 == len(after)  # type: ignore[attr-defined]
    assert model.slope.grad == 0


def test_a_step_to_infinity_is_not_taken() -> None:
    model = Line(-1.7e308)
    optimizer = SGD(model.parameters(), lr=1e308, momentum=0.5)
    with pytest.raises(TrainingError, match=r"the step would have made parameter slope -inf, at step 1 ") as error:
        fit(model, [1.0], [0.0], optimizer=optimizer, **{**FEW, "loss": lambda output, target: output})
    assert (model.slope.data, optimizer.steps, optimizer.velocities) == (-1.7e308, 0, [0.0])  # type: ignore[attr-defined]
    assert error.value.history.step_losses == []


def test_ctrl_c_waits_for_a_callback_once() -> None:
    done: list[str] = []

    def press(times: int) -> Callable[[Training], None]:
        def function(training: Training) -> None:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
            done.append("whole")

        return function

    assert fit(Line(), POINTS, POINTS, callbacks=press(1), **FEW).interrupted
    assert done == ["whole"]
    history = fit(Line(), POINTS, POINTS, callbacks=[press(2), lambda t: done.append("next")], **FEW)
    assert history.interrupted
    assert (len(history.losses), done) == (1, ["whole", "next"])
    tidying = Watch(on_epoch=press(2), on_end=press(1))  # the third waits for the tidying up
    history = fit(Line(), POINTS, POINTS, callbacks=tidying, **FEW)
    assert history.interrupted
    assert done == ["whole", "next", "whole"]


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_in_a_training_within_a_training(times: int) -> None:
    """Pressed once, the inner one, which is a callback's work, is done first; a second time ends it. The outer one ends."""
    inner: list[History] = []

    def press(training: Training) -> None:
        if training.epoch in range(3, 3 + times):
            signal.raise_signal(signal.SIGINT)

    def nested(training: Training) -> None:
        inner.append(fit(Line(), POINTS, POINTS, callbacks=press, **{**FEW, "epochs": 9}))

    outer = fit(Line(), POINTS, POINTS, callbacks=nested, **FEW)
    assert (outer.interrupted, len(outer.losses)) == (True, 1)
    assert [(one.interrupted, len(one.losses)) for one in inner] == [(times == 2, 4 if times == 2 else 9)]


def test_ctrl_c_goes_to_the_handler_that_was_there() -> None:
    pressed: list[int] = []
    former = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        watch = Watch(on_step=lambda t: signal.raise_signal(signal.SIGINT))
        history = fit(Line(), POINTS, POINTS, callbacks=watch, **FEW)
        assert pressed == [signal.SIGINT] * 4
        assert not history.interrupted
        assert len(history.step_losses) == 4
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        assert not fit(Line(), POINTS, POINTS, callbacks=watch, **FEW).interrupted
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, former)


def test_fit_works_in_a_thread() -> None:
    found: list[History] = []
    thread = threading.Thread(target=lambda: found.append(fit(Line(), POINTS, POINTS, **FEW)))
    thread.start()
    thread.join()
    assert len(found[0].losses) == 2


def test_ctrl_c_at_the_very_end_is_not_lost() -> None:
    watch = Watch(on_end=lambda t: signal.raise_signal(signal.SIGINT))
    history = fit(Line(), POINTS, POINTS, callbacks=watch, **FEW)
    assert history.interrupted
    assert len(history.losses) == 2


# ---- words -----------------------------------------------------------------------------------------------------------


def test_history_in_a_line() -> None:
    history = fit(MLP(2, [2], rng=random.Random(0)), XOR, CLASSES, epochs=3, batch_size=2, progress=False)
    loss, accuracy = history.losses[-1], percent(history.accuracies[-1])
    assert repr(history) == f"History(3 epochs, 6 steps, loss {loss:.3g}, accuracy {accuracy})"
    assert repr(History()) == "History(0 epochs, 0 steps)"


def test_a_non_finite_loss_says_where_it_began() -> None:
    class Logs(Line):
        def __call__(self, x: float) -> Value:
            inner = self.slope * x
            inner.label = "inner"
            return inner.log()

    with pytest.raises(TrainingError, match=r"the loss became nan for example 0.*log.*'inner'|log\(-1") as error:
        fit(Logs(-1.0), [1.0], [1.0], loss=half_squared_error, progress=False, checks=False)
    assert "log" in str(error.value)
    assert "it began" in str(error.value)
    assert error.value.history.stopped == str(error.value)


def test_the_origin_of_a_gradient_is_sought_with_the_same_random_numbers() -> None:
    class Noisy(Line):
        def __init__(self) -> None:
            super().__init__()
            self.rng = random.Random(1)

        def __call__(self, x: float) -> Value:
            return (self.slope * x).sqrt() if self.rng.random() < 0.2 else self.slope * x

    draws = random.Random(1)
    first, second, third = (draws.random() for _ in range(3))
    assert first < 0.2 < second
    model = Noisy()
    with pytest.raises(TrainingError, match=r"for example \d it began at the node sqrt"):
        fit(model, [1.0] * 2, [1.0] * 2, loss=lambda output, target: output, progress=False, checks=False)
    assert model.rng.random() == third


@pytest.mark.parametrize(
    ("loss", "advice"),
    [
        (lambda output, target: None, "end with return"),
        (lambda output, target: [output], r"take \[0\]"),
        (lambda output, target: 1.5, "not with their .data"),
    ],
)
def test_a_loss_that_is_no_value_says_what_to_do(loss: Any, advice: str) -> None:
    with pytest.raises(TypeError, match=advice):
        fit(Line(), [1.0], [2.0], loss=loss, progress=False)


@pytest.mark.parametrize(
    "loss",
    [
        lambda output, target: Value((output - target).data),
        lambda output, target: (output.detach() - target) ** 2,
        lambda output, target: Value(1.0) * 2,
    ],
)
def test_a_loss_that_depends_on_no_parameter_ends_training(loss: Any) -> None:
    model = Line(1.0)
    with pytest.raises(ValueError, match="depends on no parameter"):
        fit(model, [1.0, 2.0], [2.0, 4.0], loss=loss, optimizer=SGD(model.parameters(), lr=0.1), progress=False)
    assert model.slope.data == 1.0


def test_a_loss_may_depend_on_parameters_for_some_examples_only() -> None:
    model = Line(1.0)
    fit(
        model,
        [1.0, 2.0],
        [0.0, 4.0],
        loss=lambda output, target: (output - target) ** 2 if target else Value(0.0),
        progress=False,
    )
    assert model.slope.data != 1.0


def test_a_method_that_would_never_be_called_is_named() -> None:
    class Keras(Callback):
        def on_epoch_end(self, training: Any) -> None: ...

    with pytest.raises(TypeError, match=r"callbacks\[0\] has a method on_epoch_end.*did you mean 'on_epoch'"):
        fit(Line(), [1.0], [2.0], callbacks=[Keras()], progress=False)
