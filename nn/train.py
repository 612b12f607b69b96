"""Training: batches, sweeps and steps, with a progress bar and a record of how it went."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import autograd
from autograd import Value
from nn.losses import Loss, hinge, softmax_cross_entropy
from nn.module import Module
from nn.optim import Adam, Optimizer
from nn.words import percent

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
    with _bar(epochs, history.steps_per_epoch, shown=progress) as show:
        training = _Training(model, examples, targets, loss, optimizer, correct, history, show)
        try:
            for _ in range(epochs):
                (rng or random).shuffle(order)
                training.epoch([order[start : start + batch_size] for start in range(0, len(order), batch_size)])
                if validation is not None:
                    training.validate(*validation)
        except KeyboardInterrupt:
            history.interrupted = True
    return history


@dataclass
class _Training:
    """What the epochs of one `fit` share, and what happens in them. A batch is a list of positions in the examples."""

    model: Module
    examples: Sequence[Any]
    targets: Sequence[Any]
    loss: Loss
    optimizer: Optimizer
    correct: Correct | None
    history: History
    show: Callable[[int, str], None]

    def epoch(self, batches: Sequence[Sequence[int]]) -> None:
        """One step for each batch, and the epoch's means."""
        history, total, right, seen = self.history, 0.0, 0, 0
        for batch in batches:
            mean, rightly = self.step(batch)
            history.step_losses.append(mean)
            total += mean * len(batch)
            right += rightly
            seen += len(batch)
            accuracy = right / seen if self.correct else None
            self.show(len(history.step_losses), _figures(total / seen, accuracy, history))
        history.losses.append(total / seen)
        if accuracy is not None:
            history.accuracies.append(accuracy)

    def step(self, batch: Sequence[int]) -> tuple[float, int]:
        """Sweep the examples of a batch and step. Returns their mean loss and how many were classified rightly."""
        mean, right = 0.0, 0
        self.optimizer.zero_grad()
        for i in batch:
            output = self.model(self.examples[i])
            share = self.loss(output, self.targets[i]) / len(batch)
            self.check_loss(share, i)
            share.backward()  # gradients add up: those of the shares make that of the batch's mean
            mean += share.data
            right += self.correct(output, self.targets[i]) if self.correct else 0
        self.check_gradients()
        self.optimizer.step()
        return mean, right

    def validate(self, examples: Sequence[Any], targets: Sequence[Any]) -> None:
        """Measure on examples that are not trained on."""
        loss, accuracy = evaluate(self.model, examples, targets, loss=self.loss, correct=self.correct)
        self.history.validation_losses.append(loss)
        if accuracy is not None:
            self.history.validation_accuracies.append(accuracy)
        trained = self.history.accuracies[-1] if self.correct else None
        self.show(len(self.history.step_losses), _figures(self.history.losses[-1], trained, self.history))

    def check_loss(self, loss: Any, example: int) -> None:
        if not isinstance(loss, Value):
            raise TypeError(
                f"the loss must be a Value that depends on the parameters, got {loss!r} for example {example}: "
                "compute with Values throughout, not with their .data, and not under no_grad()"
            )
        if not math.isfinite(loss.data):
            self.stop(f"the loss became {loss.data} for example {example}")

    def check_gradients(self) -> None:
        for index, parameter in enumerate(self.optimizer.parameters):
            if not math.isfinite(parameter.grad):
                self.stop(f"the gradient of parameter {index} became {parameter.grad}")

    def stop(self, what: str) -> NoReturn:
        epoch, batch = divmod(len(self.history.step_losses), self.history.steps_per_epoch)
        place = f"step {len(self.history.step_losses) + 1} (epoch {epoch + 1}, batch {batch + 1})"
        raise TrainingError(
            f"{what}, at {place}, so training stopped before that step. Try a smaller learning rate than "
            f"{self.optimizer.lr:g}, standardize the inputs (nn.Standardizer), and look for inf or nan in the data",
            self.history,
        )


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
        losses = [loss(output, target) for output, target in zip(outputs, targets, strict=True)]
    mean = math.fsum(one.data if isinstance(one, Value) else one for one in losses) / len(losses)
    if correct is None:
        return mean, None
    return mean, sum(map(correct, outputs, targets)) / len(losses)


def is_correct(output: Any, target: int) -> bool:
    """Whether the greatest score is the target's; of a single score, whether it has the target's sign (-1 or +1)."""
    if hasattr(output, "__len__"):
        return bool(max(range(len(output)), key=output.__getitem__) == target)
    return bool(output * target > 0)


def _default_correct(loss: Loss) -> Correct | None:
    return is_correct if loss in (softmax_cross_entropy, hinge) else None


def _check_data(name: str, examples: Sequence[Any], targets: Sequence[Any]) -> None:
    if len(examples) != len(targets):
        raise ValueError(f"{len(examples)} {name}examples but {len(targets)} {name}targets: give one target each")
    if len(examples) == 0:
        raise ValueError(f"no {name}examples: give at least one")


@contextmanager
def _bar(epochs: int, steps_per_epoch: int, shown: bool) -> Iterator[Callable[[int, str], None]]:
    """tqdm's bar, as fits a terminal or a notebook: a function that is told the steps done so far, and figures."""
    if not shown:
        yield lambda steps, figures: None
        return
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise ImportError(
            "the progress bar needs tqdm: python -m pip install 'scalar-autograd[notebook]', or pass progress=False"
        ) from None
    form = "{desc} |{bar}| {elapsed}<{remaining}{postfix}"  # short, so that the bar has room in 80 columns
    with tqdm(total=epochs * steps_per_epoch, desc=f"epoch 1/{epochs}", bar_format=form, dynamic_ncols=True) as bar:

        def show(steps: int, figures: str) -> None:
            bar.set_description_str(f"epoch {math.ceil(steps / steps_per_epoch)}/{epochs}", refresh=False)
            bar.set_postfix_str(figures, refresh=False)
            bar.update(steps - bar.n)

        yield show


def _figures(loss: float, accuracy: float | None, history: History) -> str:
    """The live figures beside the bar: loss and accuracy of this epoch, and accuracy on validation data so far."""
    parts = [f"loss {loss:.3g}"]
    if accuracy is not None:
        parts.append(f"accuracy {percent(accuracy)}")
    if history.validation_accuracies:
        parts.append(f"held out {percent(history.validation_accuracies[-1])}")
    return ", ".join(parts)
