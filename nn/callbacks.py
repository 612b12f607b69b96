"""Callbacks: what happens beside the steps of `fit`, such as stopping early.

    fit(model, examples, targets, callbacks=[EarlyStopping(patience=5), print_figures])

A callback is a `Callback`, or a plain function of the `Training`, which is called after each epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from nn.words import counted, did_you_mean

if TYPE_CHECKING:
    from nn.train import Training

__all__ = ["Callback", "EarlyStopping"]


class Callback:
    """Base class: a method for each event, all of which do nothing here.

    Callbacks are told in the order in which they were given, at the end in reverse; one that saves comes after the others (at
    the end before them). Ctrl-C waits until they are done; pressed a second time it does not.

    One that remembers something from event to event gives it in `state()`, in numbers, texts, lists and dicts as JSON has
    them. It is kept in checkpoints, and `load_state` gets it back when training is resumed.
    """

    def on_start(self, training: Training) -> None:
        """Before the first step. If training is resumed, `training.step` is above 0 and `load_state` was called before."""

    def on_gradients(self, training: Training) -> None:
        """The gradients of a batch are complete and finite; they are not clipped yet, and the step is not taken."""

    def on_step(self, training: Training) -> None:
        """After a whole step."""

    def on_epoch(self, training: Training) -> None:
        """After a whole epoch, when the validation data have been measured."""

    def on_end(self, training: Training) -> None:
        """After the last step, also if an error or Ctrl-C ended the training, for those whose `on_start` went well."""

    def state(self) -> dict[str, Any]:
        """What a checkpoint should keep; empty for nothing."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave. Raises ValueError, before anything is changed, if it does not fit."""


EVENTS = [name for name in vars(Callback) if name.startswith("on_")]


class Function(Callback):
    """A plain function as a callback: it is called after each epoch."""

    def __init__(self, function: Callable[[Any], object]) -> None:
        self.function = function

    def __repr__(self) -> str:
        return getattr(self.function, "__name__", repr(self.function))

    def on_epoch(self, training: Training) -> None:
        self.function(training)


class EarlyStopping(Callback):
    """Stop when a figure has not got better for `patience` epochs, and give the model back as it was at its best.

    patience      how many epochs in a row may pass without an improvement; the last of them stops training
    min_delta     a loss must be lower than the best by more than this (an accuracy higher) to count as an improvement
    restore_best  at the end, if training stopped by itself, the parameters of the best epoch return; the optimiser's state is
                  left alone. After Ctrl-C or an error the model stays at the last whole step
    monitor       what is watched, a list of the history: "validation_losses", "losses", "validation_accuracies" or
                  "accuracies"; by default "validation_losses" if there are validation data, else "losses"

    A figure that is not a number is no improvement. `best` is the best figure so far, `best_epoch` its epoch, counted from 1,
    and `waited` how many epochs ago that was. Used for another training, it starts anew.
    """

    MONITORS = ("validation_losses", "losses", "validation_accuracies", "accuracies")

    def __init__(
        self, patience: int = 5, min_delta: float = 0.0, restore_best: bool = True, monitor: str | None = None
    ) -> None:
        if not isinstance(patience, int) or patience < 1:
            raise ValueError(f"patience is a whole number of epochs, at least 1; got {patience!r}")
        if not 0 <= min_delta < math.inf:
            raise ValueError(f"min_delta must be finite and at least 0, got {min_delta!r}")
        if monitor is not None and monitor not in self.MONITORS:
            raise ValueError(f"monitor must be one of {', '.join(self.MONITORS)}; got {monitor!r}")
        self.patience, self.min_delta, self.restore_best, self.monitor = patience, min_delta, restore_best, monitor
        self._reset()

    def _reset(self) -> None:
        self.best: float | None = None
        self.best_epoch = self.waited = 0
        self._parameters: list[float] = []

    def __repr__(self) -> str:
        return f"EarlyStopping(patience={self.patience}, min_delta={self.min_delta}, restore_best={self.restore_best})"

    def watched(self, training: Training) -> str:
        """The list of the history that is watched."""
        return self.monitor or ("losses" if training.validation is None else "validation_losses")

    def on_start(self, training: Training) -> None:
        name = self.watched(training)
        if name.startswith("validation") and training.validation is None:
            raise ValueError(f"EarlyStopping watches {name}, so fit needs validation=(examples, targets)")
        if name.endswith("accuracies") and training.correct is None:
            raise ValueError(f"EarlyStopping watches {name}, but this loss does not classify: give fit correct=")
        if training.step == 0:
            self._reset()
        if len(self._parameters) not in (0, len(training.optimizer.parameters)):
            raise ValueError("the best parameters that EarlyStopping remembers are not those of this optimizer")
        self._stop_if_due(training)

    def on_epoch(self, training: Training) -> None:
        name = self.watched(training)
        figure = getattr(training.history, name)[-1]
        gain = 0.0 if self.best is None else self.best - figure if name.endswith("losses") else figure - self.best
        if gain > self.min_delta or (self.best is None and not math.isnan(figure)):
            self.best, self.best_epoch, self.waited = figure, training.epoch, 0
            self._parameters = [p.data for p in training.optimizer.parameters] if self.restore_best else []
        else:
            self.waited += 1
        self._stop_if_due(training)

    def _stop_if_due(self, training: Training) -> None:
        if self.waited >= self.patience:
            waited = counted(self.waited, "epoch")
            training.stop(
                f"{self.watched(training)} did not get better for {waited}; the best was epoch {self.best_epoch}"
            )

    def on_end(self, training: Training) -> None:
        if self._parameters and training.error is None and not training.history.interrupted:
            for parameter, data in zip(training.optimizer.parameters, self._parameters, strict=True):
                parameter.data = data

    def state(self) -> dict[str, Any]:
        return {
            "best": None if self.best is None else str(self.best) if math.isinf(self.best) else self.best,
            "best_epoch": self.best_epoch,
            "waited": self.waited,
            "parameters": self._parameters,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        best, epoch, waited, parameters = (state[key] for key in ("best", "best_epoch", "waited", "parameters"))
        if not (best is None or type(best) in (int, float) or best in ("inf", "-inf")):
            raise ValueError(f"best is {best!r}, expected a number or null")
        if not (type(epoch) is type(waited) is int and min(epoch, waited) >= 0):
            raise ValueError(f"best_epoch is {epoch!r} and waited is {waited!r}, expected whole numbers from 0 on")
        if type(parameters) is not list or not {int, float}.issuperset(map(type, parameters)):
            raise ValueError("parameters is not a list of numbers")
        self.best, self.best_epoch, self.waited = None if best is None else float(best), epoch, waited
        self._parameters = [float(p) for p in parameters] if self.restore_best else []


def as_callbacks(given: Any) -> list[Callback]:
    """What `fit` was given as `callbacks`, as a list. Raises TypeError, saying which one is no callback."""
    given = list(given) if isinstance(given, Iterable) and not isinstance(given, str | type) else [given]
    callbacks = []
    for index, one in enumerate(given):
        if isinstance(one, type) and issubclass(one, Callback):
            raise TypeError(f"callbacks[{index}] is the class {one.__name__}: give one of it, {one.__name__}(...)")
        if not isinstance(one, Callback) and not callable(one):
            raise TypeError(
                f"callbacks[{index}] is {one!r:.80}: a callback is a nn.Callback, or a function that takes the training"
            )
        for name in dir(one) if isinstance(one, Callback) else ():
            if name.startswith("on_") and name not in EVENTS and callable(getattr(one, name)):
                raise TypeError(
                    f"callbacks[{index}] has a method {name}, which is no event and would never be called"
                    f"{did_you_mean(name, EVENTS)}; the events are {', '.join(EVENTS)}"
                )
        callbacks.append(one if isinstance(one, Callback) else Function(one))
    return callbacks
