"""Training: batches, sweeps and steps, with a progress bar and a record of how it went."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import autograd
from autograd import Value
from nn.losses import Loss, hinge, softmax_cross_entropy
from nn.module import Module
from nn.optim import Adam, Optimizer
from nn.plot import percent

__all__ = ["History", "TrainingError", "evaluate", "fit", "is_correct"]

Correct = Callable[[Any, Any], bool]


class TrainingError(ArithmeticError):
    """Training cannot go on: the loss or a gradient is no longer finite. `history` holds what was recorded so far."""

    def __init__(self, message: str, history: History) -> None:
        super().__init__(message)
        self.history = history


@dataclass
class History:
    """What happened, as plain lists of floats.

    step_losses            the mean loss of each batch, as it was before the step
    losses, accuracies     per finished epoch, over the training examples as they came by (accuracies in 0..1; empty
                           if the loss does not classify)
    validation_losses, validation_accuracies   per finished epoch, after it; empty without validation data
    steps_per_epoch        how many batches make an epoch
    interrupted            True if Ctrl-C ended the training
    """

    step_losses: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    validation_losses: list[float] = field(default_factory=list)
    validation_accuracies: list[float] = field(default_factory=list)
    steps_per_epoch: int = 1
    interrupted: bool = False


def fit(
    model: Module,
    examples: Sequence[Any],
    targets: Sequence[Any],
    *,
    loss: Loss = softmax_cross_entropy,
    optimizer: Optimizer | None = None,
    epochs: int = 10,
    batch_size: int = 32,
    rng: random.Random | None = None,
    validation: tuple[Sequence[Any], Sequence[Any]] | None = None,
    correct: Correct | None = None,
    progress: bool = True,
) -> History:
    """Train `model`: sweep the examples of a batch, one by one, then take one step; `epochs` times through them all.

    A batch's loss is the mean over its examples. Each example's share is swept back on its own, since gradients add up
    in the leaves: a graph of one example stays small, which halves the time that one graph for all of a batch takes.

    model       a Module that is called with one example
    examples    what the model takes, one per target
    loss        loss(output, target) of one example
    optimizer   by default Adam(model.parameters(), lr=0.01)
    rng         shuffles the examples before each epoch; by default the module `random`
    validation  (examples, targets) to measure on after each epoch, never trained on
    correct     correct(output, target) -> bool, for the accuracy; by default `is_correct` for the losses that
                classify (softmax cross-entropy, hinge), and no accuracy for others
    progress    a live bar with loss and accuracy; needs tqdm

    Ctrl-C ends training early: model and history stay as they are at that moment, with `interrupted` set.
    Raises TrainingError before a step with a loss or gradient that is not finite, so that the model stays usable;
    ValueError for no examples, unequal lengths, or counts below 1; ImportError without tqdm.
    """
    _check_data("", examples, targets)
    if validation is not None:
        _check_data("validation ", *validation)
    if epochs < 1 or batch_size < 1:
        raise ValueError(f"epochs and batch_size must be at least 1, got epochs={epochs}, batch_size={batch_size}")
    optimizer = optimizer or Adam(model.parameters(), lr=0.01)
    correct = correct or _default_correct(loss)
    order = list(range(len(examples)))
    history = History(steps_per_epoch=math.ceil(len(order) / batch_size))
    with _bar(epochs, history.steps_per_epoch, shown=progress) as bar:
        try:
            for epoch in range(1, epochs + 1):
                bar.set_description_str(f"epoch {epoch}/{epochs}", refresh=False)
                (rng or random).shuffle(order)
                total, right = 0.0, 0
                for start in range(0, len(order), batch_size):
                    batch = order[start : start + batch_size]
                    place = f"step {len(history.step_losses) + 1} (epoch {epoch}, batch {start // batch_size + 1})"
                    optimizer.zero_grad()
                    batch_loss = 0.0
                    for i in batch:
                        output = model(examples[i])
                        share = loss(output, targets[i]) / len(batch)
                        _check_loss(share, f"example {i}, at {place}", optimizer.lr, history)
                        share.backward()  # gradients add up: those of the shares make that of the batch's mean
                        batch_loss += share.data
                        right += correct(output, targets[i]) if correct is not None else 0
                    _check_gradients(optimizer, place, history)
                    optimizer.step()

                    history.step_losses.append(batch_loss)
                    total += batch_loss * len(batch)
                    seen = start + len(batch)
                    accuracy = right / seen if correct is not None else None
                    bar.set_postfix_str(_summary(total / seen, accuracy, history), refresh=False)
                    bar.update()
                history.losses.append(total / len(order))
                if accuracy is not None:
                    history.accuracies.append(accuracy)
                if validation is not None:
                    held_out_loss, held_out_accuracy = evaluate(model, *validation, loss=loss, correct=correct)
                    history.validation_losses.append(held_out_loss)
                    if held_out_accuracy is not None:
                        history.validation_accuracies.append(held_out_accuracy)
                bar.set_postfix_str(_summary(history.losses[-1], accuracy, history))
        except KeyboardInterrupt:
            history.interrupted = True
    return history


def evaluate(
    model: Module,
    examples: Sequence[Any],
    targets: Sequence[Any],
    *,
    loss: Loss = softmax_cross_entropy,
    correct: Correct | None = None,
) -> tuple[float, float | None]:
    """The mean loss, and the accuracy (0..1; None if the loss does not classify), on these examples.

    Nothing is recorded and nothing changes. `correct` and the errors are those of `fit`.
    """
    _check_data("", examples, targets)
    correct = correct or _default_correct(loss)
    with autograd.no_grad():
        outputs = [model(example) for example in examples]
        pairs = list(zip(outputs, targets, strict=True))
        mean = math.fsum(float(_data(loss(output, target))) for output, target in pairs) / len(pairs)
    accuracy = None if correct is None else sum(correct(output, target) for output, target in pairs) / len(pairs)
    return mean, accuracy


def is_correct(output: Any, target: int) -> bool:
    """Whether the greatest score is the target's; of a single score, whether it has the target's sign (-1 or +1)."""
    if hasattr(output, "__len__"):
        return bool(max(range(len(output)), key=lambda k: _data(output[k])) == target)
    return bool(_data(output) * target > 0)


def _default_correct(loss: Loss) -> Correct | None:
    return is_correct if loss in (softmax_cross_entropy, hinge) else None


def _data(x: Any) -> Any:
    """The plain number in a Value, or the number itself."""
    return getattr(x, "data", x)


def _check_data(name: str, examples: Sequence[Any], targets: Sequence[Any]) -> None:
    if len(examples) != len(targets):
        raise ValueError(f"{len(examples)} {name}examples but {len(targets)} {name}targets: give one target each")
    if len(examples) == 0:
        raise ValueError(f"no {name}examples: give at least one")


def _check_loss(loss: Any, place: str, lr: float, history: History) -> None:
    if not isinstance(loss, Value):
        raise TypeError(
            f"the loss must be a Value that depends on the parameters, got {loss!r} for {place}: "
            "compute with Values throughout, not with their .data, and not under no_grad()"
        )
    if not math.isfinite(loss.data):
        raise TrainingError(f"the loss became {loss.data} for {place}{_advice(lr)}", history)


def _check_gradients(optimizer: Optimizer, place: str, history: History) -> None:
    for index, parameter in enumerate(optimizer.parameters):
        if not math.isfinite(parameter.grad):
            what = f"the gradient of parameter {index} became {parameter.grad}"
            raise TrainingError(f"{what} at {place}{_advice(optimizer.lr)}", history)


def _advice(lr: float) -> str:
    return (
        f", so training stopped before that step. Try a smaller learning rate than {lr:g}, standardize the inputs "
        "(nn.Standardizer), and look for inf or nan in the data"
    )


class _NoBar:
    """Stands in for a progress bar that is not shown."""

    def set_description_str(self, text: str, refresh: bool = True) -> None: ...

    def set_postfix_str(self, text: str, refresh: bool = True) -> None: ...

    def update(self) -> None: ...


@contextmanager
def _bar(epochs: int, steps_per_epoch: int, shown: bool) -> Iterator[Any]:
    """tqdm's bar, as fits a terminal or a notebook."""
    if not shown:
        yield _NoBar()
        return
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise ImportError(
            "the progress bar needs tqdm: python -m pip install 'scalar-autograd[notebook]', or pass progress=False"
        ) from None
    form = "{desc} |{bar}| {elapsed}<{remaining}{postfix}"  # short, so that the bar has room in 80 columns
    with tqdm(total=epochs * steps_per_epoch, desc=f"epoch 1/{epochs}", bar_format=form, dynamic_ncols=True) as bar:
        yield bar


def _summary(loss: float, accuracy: float | None, history: History) -> str:
    """The live figures beside the bar: loss and accuracy of this epoch, and accuracy on validation data so far."""
    parts = [f"loss {loss:.3g}"]
    if accuracy is not None:
        parts.append(f"accuracy {percent(accuracy)}")
    if history.validation_accuracies:
        parts.append(f"held out {percent(history.validation_accuracies[-1])}")
    return ", ".join(parts)
