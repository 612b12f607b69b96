"""Training: batches, sweeps and steps, with a progress bar and a record of how it went."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, cast

import autograd
from autograd import Value
from nn import checkpoint, optim
from nn.callbacks import Callback, as_callbacks
from nn.interrupts import ONCE, WHOLE, Interrupts
from nn.losses import Loss, correct_for, is_correct, softmax_cross_entropy
from nn.module import Module, in_mode
from nn.optim import Adam, Optimizer
from nn.words import counted, percent

if TYPE_CHECKING:
    from nn.replaying import Measuring, Replaying

__all__ = ["History", "Training", "TrainingError", "evaluate", "fit", "is_correct"]

Correct = Callable[[Any, Any], bool]
Penalty = Callable[[], Value]

NOT_WANTED = "replay=False was given"
WARM_UP = 64  # examples that are computed before one is recorded: where there are no more, that does not pay


class TrainingError(ArithmeticError):
    """Training cannot go on: the loss, a gradient or a parameter would no longer be finite.

    `history` holds what was recorded so far; the model is at the last whole step.
    """

    def __init__(self, message: str, history: History) -> None:
        super().__init__(message)
        self.history = history


@dataclass(repr=False)
class History:
    """What happened, as plain lists of floats.

    step_losses            the mean loss of each batch, with the penalty if there is one, as it was before the step
    losses, accuracies     per finished epoch, over the training examples as they came by (accuracies in 0..1; empty
                           if the loss does not classify)
    validation_losses, validation_accuracies   per finished epoch, after it; empty without validation data
    steps_per_epoch        how many batches make an epoch
    interrupted            True if Ctrl-C ended the training
    stopped                why it ended before the last epoch, as a sentence; "" if it ran through
    messages               what was said while training: warnings of the doctor, and of checkpoints that failed
    replay                 why batches were not, or no longer, replayed; "" if there was no reason (see `fit`)
    """

    step_losses: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    validation_losses: list[float] = field(default_factory=list)
    validation_accuracies: list[float] = field(default_factory=list)
    steps_per_epoch: int = 1
    interrupted: bool = False
    stopped: str = ""
    messages: list[str] = field(default_factory=list)
    replay: str = ""

    def __repr__(self) -> str:
        parts = [counted(len(self.losses), "epoch"), counted(len(self.step_losses), "step")]
        if self.losses:
            parts.append(_figures(self.losses[-1], self.accuracies[-1] if self.accuracies else None, self))
        parts += [f"stopped: {self.stopped}"] * bool(self.stopped)
        parts += [f"not replayed: {self.replay}"] * (self.replay not in ("", NOT_WANTED))
        return f"History({', '.join(parts)})"


def fit(
    model: Module,
    examples: Any,
    targets: Any = None,
    *,
    loss: Loss = softmax_cross_entropy,
    optimizer: Optimizer | None = None,
    epochs: int = 10,
    batch_size: int = 32,
    rng: random.Random | None = None,
    validation: Any = None,
    correct: Correct | None = None,
    penalty: Penalty | None = None,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    callbacks: Any = (),
    checks: bool = True,
    resume: checkpoint.Path | None = None,
    progress: bool = True,
    replay: bool | None = None,
) -> History:
    """Train `model`: sweep the examples of a batch, one by one, then take one step; `epochs` times through them all.

    A batch's loss is the mean over its examples. After 64 of these or so, one example is recorded, and whole batches are
    replayed by its plan (`autograd.replay`), with the same numbers but for the last digits. Where the model does not allow
    that, each example's share is swept back on its own, since gradients add up in the leaves: a graph of one example stays
    small, which halves the time that one graph for all of a batch takes.

    model       a Module that is called with one example; in training mode (`model.train()`) meanwhile
    examples    what the model takes, one per target: lists or an array. Or a Dataset, without targets
    loss        loss(output, target) of one example
    optimizer   by default Adam(model.parameters(), lr=0.01)
    epochs      in all, those before a resumed checkpoint included
    rng         shuffles the examples before each epoch; by default the module `random`
    validation  (examples, targets), or a Dataset, to measure on after each epoch, never trained on
    correct     correct(output, target) -> bool, for the accuracy; by default `nn.correct_for(loss)`, which is None, so that
                there is no accuracy, for losses that do not classify
    penalty     penalty() -> Value, added to each batch's loss: lambda: nn.l2_penalty(weights, 0.001)
    clip_norm   largest Euclidean norm of all gradients together; larger ones are scaled down to it
    clip_value  largest size of each gradient; both clip before the step
    callbacks   Callbacks, and functions of the Training that are called after each epoch
    checks      warn, in plain words, of what goes wrong in training (`nn.doctor`)
    resume      path of a checkpoint (`SaveCheckpoint`) to go on from: with otherwise the same arguments all numbers are,
                bit for bit, those of a training that was never stopped (to the last digits, where a model has an `if` on
                what hangs on its parameters and is replayed: which examples are computed eagerly may differ)
    progress    a live bar with loss and accuracy; needs tqdm
    replay      False: eagerly, example by example. True: replayed from the first step on, or ValueError with the reason why
                not. By default what can be is replayed, and `history.replay` has the reason why something is not: the model
                draws random numbers (Dropout), changes itself when called, or goes by what is not recorded, such as .data,
                ints or the lengths of examples; the examples are no plain numbers that are all nested alike; targets are
                neither such numbers nor at most 32 different labels; most examples take another branch than the first.
                (One that takes another `if` on a comparison of Values is computed eagerly; so is a batch in which a number
                is not finite.) What is replayed is compared with what is eager on the first batch, on an example of the
                second and on one of each epoch. What in between changes the loss, but is neither a parameter nor an attribute
                of a Module, such as a global number, is not noticed before the next epoch

    Ctrl-C ends training early: model, optimizer and history are those of the last whole step, with `interrupted` set. What
    a batch that was under way had done to the gradients is undone.
    Raises TrainingError before a step with a loss, gradient or parameter that is not finite, so that the model stays usable;
    TypeError for an argument of another kind, ValueError for no examples, unequal lengths, or counts below 1; CheckpointError
    if there is no resuming, and then nothing is changed; ImportError without tqdm. An error in the model, the loss or a
    callback passes through, with a note that says at which example or callback it was; `error.history` is what was recorded
    so far.
    """
    _require("model", isinstance(model, Module), "a nn.Module, such as nn.MLP(2, [8, 2])", model)
    optimizer = Adam(model.parameters(), lr=0.01) if optimizer is None else optimizer
    _require("optimizer", isinstance(optimizer, Optimizer), "one such as nn.Adam(model.parameters())", optimizer)
    _require("replay", replay is None or isinstance(replay, bool), "None, True or False", replay)
    _require("rng", rng is None or hasattr(rng, "shuffle"), "a source of random numbers, such as random.Random(0)", rng)
    for name, function in (("loss", loss), ("correct", correct), ("penalty", penalty)):
        _require(name, callable(function) or (function is None and name != "loss"), "a function", function)
    examples, targets = _pairs("", examples, targets)
    if validation is not None:
        pair = validation if isinstance(validation, tuple | list) else (validation, None)
        _require("validation", len(pair) == 2, "(examples, targets), or a Dataset", validation)
        validation = _pairs("validation ", *pair)
    for name, count in (("epochs", epochs), ("batch_size", batch_size)):
        if isinstance(count, bool) or not hasattr(count, "__index__") or count < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, got {name}={count!r}")
    epochs, batch_size = int(epochs), int(batch_size)  # of NumPy's, too
    for name, limit in (("clip_norm", clip_norm), ("clip_value", clip_value)):
        _require(name, limit is None or hasattr(limit, "__float__"), "a number", limit)
        if limit is not None and not limit > 0:
            raise ValueError(f"{name} must be above 0, got {limit!r}")
    training = Training(
        model,
        loss,
        optimizer,
        examples,
        targets,
        rng=rng,
        epochs=epochs,
        batch_size=batch_size,
        validation=validation,
        correct=correct or correct_for(loss),
        penalty=penalty,
        clip_norm=clip_norm,
        clip_value=clip_value,
        callbacks=_doctor(checks) + as_callbacks(callbacks),
        replay=replay,
    )
    if progress:
        _check_tqdm()
    if resume is not None:
        checkpoint.resume(resume, training)
    with training.interrupts, _bar(training, shown=progress) as training.show:
        training.run()
    training.history.interrupted |= training.interrupts.waiting
    return training.history


def _require(name: str, fits: bool, expected: str, given: object) -> None:
    if not fits:
        raise TypeError(f"{name} must be {expected}; got {given!r:.80}")


def _doctor(checks: bool) -> list[Callback]:
    if not checks:
        return []
    from nn.doctor import Doctor

    return [Doctor()]


class Training:
    """One `fit` under way, as callbacks see it.

    model, loss, optimizer, examples, targets, validation, correct, rng, epochs, batch_size   what `fit` was given
    history      what was recorded so far
    step, epoch  how many whole steps and epochs there were, those before a resumed checkpoint included
    batch        positions of the examples of the current batch; after the step, of the last one
    batch_loss   its mean loss, with the penalty, as it was before the step
    error        what ended the training, in `on_end`; None if nothing was raised
    """

    def __init__(
        self,
        model: Module,
        loss: Loss,
        optimizer: Optimizer,
        examples: Sequence[Any],
        targets: Sequence[Any],
        *,
        rng: random.Random | None = None,
        epochs: int = 1,
        batch_size: int = 32,
        validation: tuple[Sequence[Any], Sequence[Any]] | None = None,
        correct: Correct | None = None,
        penalty: Penalty | None = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        callbacks: Sequence[Callback] = (),
        replay: bool | None = None,
    ) -> None:
        self.model, self.loss, self.optimizer, self.rng = model, loss, optimizer, rng
        self.examples, self.targets, self.validation, self.correct = examples, targets, validation, correct
        self.epochs, self.batch_size = epochs, batch_size
        self.penalty, self.clip_norm, self.clip_value = penalty, clip_norm, clip_value
        self.callbacks = sorted(callbacks, key=lambda one: isinstance(one, checkpoint.SaveCheckpoint))  # these last
        self.started: list[Callback] = []
        self.history = History(steps_per_epoch=math.ceil(len(examples) / batch_size))
        self.step = self.epoch = 0
        self.batch: Sequence[int] = ()
        self.batch_loss = math.nan
        self.error: BaseException | None = None
        self.order: list[int] = []  # in which the examples come in this epoch; empty between epochs
        self.sums = 0.0, 0  # of this epoch so far: the losses, and how many were classified rightly
        self.sources = checkpoint.random_sources(model, rng)
        self.connected = False  # whether a loss was seen that depends on a parameter
        self.settled: dict[str, Any] | None = None  # the sources' states before what is under way; None in between
        self.interrupts = Interrupts()
        self.show: Callable[[str], None] = lambda figures: None
        self.replay = replay
        self.replaying: Replaying | None = None  # what replays the batches, once that pays
        self.measuring: Measuring | None = None  # what replays the examples that were measured last
        self.history.replay = NOT_WANTED if replay is False else ""

    @cached_property
    def fingerprint(self) -> int | None:
        """What a checkpoint knows the data by."""
        return checkpoint.fingerprint(self.examples, self.targets)

    def stop(self, reason: str) -> None:
        """End the training after this step; `reason` is a sentence for `history.stopped`."""
        self.history.stopped = reason

    # ---- the loop ----

    def run(self) -> None:
        """Train until the last epoch, `stop`, Ctrl-C or an error."""
        history = self.history
        with in_mode(self.model, training=True):
            try:
                self.tell("on_start")
                self.interrupts.free()
                while self.epoch < self.epochs and not history.stopped:
                    self.run_epoch()
            except KeyboardInterrupt:
                history.interrupted, history.stopped = True, "Ctrl-C was pressed"
            except BaseException as error:
                self.error, history.stopped = error, str(error) or type(error).__name__
                with suppress(AttributeError):
                    error.history = history  # type: ignore[attr-defined]
                raise
            finally:
                self.interrupts.level = ONCE
                self.end()

    def end(self) -> None:
        """Tell the callbacks of the end. What goes wrong then does not hide what ended the training."""
        try:
            self.tell("on_end")
        except KeyboardInterrupt:
            self.history.interrupted = True
        except Exception as error:
            if self.error is None:
                raise
            self.error.add_note(f"after that {type(error).__name__}: {error}")

    def run_epoch(self) -> None:
        """The steps that are left of this epoch, and its figures."""
        history, size = self.history, self.batch_size
        first = self.epoch * history.steps_per_epoch
        if not self.order:
            with self.under_way():
                order = list(range(len(self.examples)))
                (self.rng or random).shuffle(order)
                self.order = order
        while self.step < first + history.steps_per_epoch:
            start = (self.step - first) * size
            self.run_batch(self.order[start : start + size])
            if history.stopped and self.step < first + history.steps_per_epoch:
                return
        with self.under_way():
            measured = None if self.validation is None else self.measure(*self.validation)
        with self.interrupts.held(ONCE):
            with self.interrupts.held(WHOLE):
                self.close_epoch(measured)
            self.show(self.figures())
            self.tell("on_epoch")

    def run_batch(self, batch: Sequence[int]) -> None:
        """Sweep the examples of a batch and take one step: wholly, or as if nothing had been."""
        with self.under_way():
            self.batch = batch
            self.optimizer.zero_grad()
            self.batch_loss, right = self.sweep(batch)
            self.check_gradients(batch)
            with self.interrupts.held(ONCE):
                self.tell("on_gradients")
                if self.clip_norm is not None:
                    optim.clip_norm(self.optimizer.parameters, self.clip_norm)
                if self.clip_value is not None:
                    optim.clip_value(self.optimizer.parameters, self.clip_value)
                with self.interrupts.held(WHOLE):
                    self.take_step(right)
                self.show(self.figures())
                self.tell("on_step")

    def sweep(self, batch: Sequence[int]) -> tuple[float, int]:
        """The mean loss of a batch, its gradients in the leaves, and how many examples were classified rightly."""
        replayed = self.sweep_replayed(batch)
        mean, right = replayed or self.sweep_eagerly(batch)
        if not self.connected:
            raise ValueError(
                "the loss depends on no parameter, so there is nothing to learn: compute it from what the model returns, "
                "with Values throughout, not from their .data and not after detach()"
            )
        if self.penalty is not None:
            of_penalty = self.replaying.sweep_penalty(self.penalty) if replayed and self.replaying else None
            mean += self.sweep_penalty(self.penalty) if of_penalty is None else of_penalty
        return mean, right

    def sweep_penalty(self, penalty: Penalty) -> float:
        """The penalty, and its gradients added to the leaves."""
        value = penalty()
        self.check_loss(value, "penalty")
        value.backward()
        return float(value.data)

    def sweep_replayed(self, batch: Sequence[int]) -> tuple[float, int] | None:
        """The same without the penalty, by replay; None if it is to be done eagerly, and then nothing has changed."""
        if self.replaying is None:
            # by the count of steps alone, so that a resumed training begins where this one would
            if self.replay is False or not (self.replay or (self.step + 1) * self.batch_size > WARM_UP):
                return None
            from nn.replaying import Replaying

            self.replaying = Replaying(self, self.replay)
        return self.replaying.sweep(batch)

    def sweep_eagerly(self, batch: Sequence[int]) -> tuple[float, int]:
        """The same, example by example."""
        mean, right = 0.0, 0
        for i in batch:
            share, is_right = self.sweep_example(i, len(batch))
            mean += share
            right += is_right
        return mean, right

    def sweep_example(self, i: int, count: int) -> tuple[float, bool]:
        """An example's share of the mean loss of so many, its gradients added to the leaves, and whether it is right."""
        with self.noted(i):
            output = self.model(self.examples[i])
            loss = self.loss(output, self.targets[i])
            self.check_loss(loss, "loss", f" for example {i}")
            self.connected = self.connected or self.depends(loss)
            share = loss / count
            share.backward()  # gradients add up: those of the shares make that of the batch's mean
            return float(share.data), self.correct is not None and bool(self.correct(output, self.targets[i]))

    def loss_again(self) -> float | None:
        """The loss of the batch with the parameters of now, where it is replayed; else None."""
        mean = None if self.replaying is None else self.replaying.loss_of(self.batch)
        if mean is None or self.penalty is None:
            return mean
        with autograd.no_grad():
            penalty = self.penalty()
        return mean + float(penalty.data if isinstance(penalty, Value) else penalty)

    def noted(self, i: int) -> AbstractContextManager[None]:
        """In the block an example is computed: errors say which."""
        return _noted(f"at example {i} of the training data")

    def take_step(self, right: int) -> None:
        """Step, and note it down. If that fails, parameters, optimizer and history are put back as they were."""
        history, optimizer, sums = self.history, self.optimizer, self.sums
        data = [p.data for p in optimizer.parameters]
        before = {name: copy(x) if isinstance(x, list | dict) else x for name, x in vars(optimizer).items()}
        try:
            optimizer.step()
            if (index := _first_nonfinite([p.data for p in optimizer.parameters])) is not None:
                self.fail(f"the step would have made {self.name(index)} {optimizer.parameters[index].data}")
            self.sums = sums[0] + self.batch_loss * len(self.batch), sums[1] + right
            history.step_losses.append(self.batch_loss)
            self.step += 1
            self.settled = None
        except BaseException:
            vars(optimizer).update(before)
            for parameter, number in zip(optimizer.parameters, data, strict=True):
                parameter.data = number
            self.sums = sums
            raise

    def measure(self, examples: Sequence[Any], targets: Sequence[Any]) -> tuple[float, float | None]:
        """Loss and accuracy on examples that are not trained on."""
        given = self.model, self.loss, self.correct, examples, targets
        if self.measuring is None or any(x is not y for x, y in zip(self.measuring.given, given)):
            self.measuring = _measuring(*given, self.sources, self.replay)
        return _measured(
            self.model, examples, targets, self.loss, self.correct, "of the validation data", self.measuring
        )

    def close_epoch(self, measured: tuple[float, float | None] | None) -> None:
        """Note down the figures of an epoch."""
        history, (total, right) = self.history, self.sums
        history.losses.append(total / len(self.examples))
        if self.correct is not None:
            history.accuracies.append(right / len(self.examples))
        if measured is not None:
            history.validation_losses.append(measured[0])
            if measured[1] is not None:
                history.validation_accuracies.append(measured[1])
        self.epoch += 1
        self.order, self.sums, self.settled = [], (0.0, 0), None

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """What is not whole before the block ends, by its own word (`settled` is None), leaves no gradients."""
        self.settled = {name: source.getstate() for name, source in self.sources.items()}
        try:
            yield
        except BaseException:
            if self.settled is not None:
                self.optimizer.zero_grad()
            raise

    def tell(self, event: str) -> None:
        """Tell the callbacks, at the end those that were started.

        At the end, and when Ctrl-C is pressed, all are told before what was raised goes on.
        """
        end = event == "on_end"
        first: BaseException | None = None
        for callback in reversed(self.started) if end else self.callbacks:
            try:
                getattr(callback, event)(self)
                if event == "on_start":
                    self.started.append(callback)
            except BaseException as error:
                if not isinstance(error, KeyboardInterrupt):
                    error.add_note(f"in {event} of the callback {callback!r}, after {counted(self.step, 'step')}")
                    if not end:
                        raise
                first = first or error
        if first is not None:
            raise first

    # ---- what is refused ----

    def depends(self, loss: Value) -> bool:
        """Whether any parameter is in the graph of a loss."""
        parameters = {*self.model.parameters(), *self.optimizer.parameters}
        return any(node in parameters for node in autograd.topological_sort(loss))

    def check_loss(self, loss: Any, what: str, where: str = "") -> None:
        if not isinstance(loss, Value):
            if loss is None:
                advice = "does its function end with return?"
            elif hasattr(loss, "__len__"):
                advice = "add up its numbers; of the list of one that Linear(n, 1) gives take [0]"
            else:
                advice = "compute with Values throughout, not with their .data, and not under no_grad()"
            raise TypeError(
                f"the {what} must be a Value that depends on the parameters, got {loss!r:.80}{where}: {advice}"
            )
        if not math.isfinite(loss.data):
            from nn.doctor import origin_of_nonfinite

            self.fail(f"the {what} became {loss.data}{where}", origin_of_nonfinite(loss, self.model))

    def check_gradients(self, batch: Sequence[int]) -> None:
        if (index := _first_nonfinite([p.grad for p in self.optimizer.parameters])) is not None:
            what = f"the gradient of {self.name(index)} became {self.optimizer.parameters[index].grad}"
            self.fail(what, self.origin_of_gradient(batch))

    def origin_of_gradient(self, batch: Sequence[int]) -> str:
        """Where a gradient of this batch first was not finite, found by computing its examples once more."""
        from nn.doctor import origin_of_nonfinite_gradient

        now = {name: source.getstate() for name, source in self.sources.items()}
        try:
            for name, state in (self.settled or {}).items():
                self.sources[name].setstate(state)
            for i in batch:
                share = self.loss(self.model(self.examples[i]), self.targets[i]) / len(batch)
                if origin := origin_of_nonfinite_gradient(share, self.model):
                    return f"for example {i} {origin}"
            return origin_of_nonfinite_gradient(self.penalty(), self.model) if self.penalty else ""
        finally:
            for name, state in now.items():
                self.sources[name].setstate(state)

    def name(self, index: int) -> str:
        """What the model calls the optimiser's parameter at this place."""
        parameter = self.optimizer.parameters[index]
        names = {id(p): name for name, p in self.model.named_parameters()}
        return f"parameter {names.get(id(parameter), f'{index} of the optimizer')}"

    def fail(self, what: str, origin: str = "") -> NoReturn:
        epoch, batch = divmod(self.step, self.history.steps_per_epoch)
        place = f"step {self.step + 1} (epoch {epoch + 1}, batch {batch + 1})"
        slower = f"try a smaller learning rate than {self.optimizer.lr:g}, " if self.step else ""
        advice = f"{slower}standardize the inputs (nn.Standardizer), and look for inf or nan in the data"
        raise TrainingError(
            f"{what}, at {place}, so training stopped before that step{origin and f'; {origin}'}. "
            f"{advice[0].upper()}{advice[1:]}",
            self.history,
        )

    def figures(self) -> str:
        """The live figures: loss and accuracy of this epoch so far, or of the one that just ended."""
        history = self.history
        done = self.step - self.epoch * history.steps_per_epoch
        if done == 0:
            return _figures(history.losses[-1], history.accuracies[-1] if self.correct else None, history)
        seen = min(done * self.batch_size, len(self.examples))
        return _figures(self.sums[0] / seen, self.sums[1] / seen if self.correct else None, history)


def _first_nonfinite(numbers: Sequence[Any]) -> int | None:
    if all(map(math.isfinite, numbers)):
        return None
    return next(i for i, x in enumerate(numbers) if not math.isfinite(x))


def evaluate(
    model: Module,
    examples: Any,
    targets: Any = None,
    *,
    loss: Loss = softmax_cross_entropy,
    correct: Correct | None = None,
    replay: bool | None = None,
) -> tuple[float, float | None]:
    """The mean loss, and the accuracy (0..1; None if the loss does not classify), on these examples or this Dataset.

    The model is in evaluation mode (`model.eval()`) meanwhile, and nothing changes. `correct`, `replay` and the errors are
    those of `fit`: by default more than 64 examples are replayed, where that is possible, and compared on the first 32.
    """
    examples, targets = _pairs("", examples, targets)
    judge = correct or correct_for(loss)
    measuring = _measuring(model, loss, judge, examples, targets, checkpoint.random_sources(model, None), replay)
    return _measured(model, examples, targets, loss, judge, "of the data", measuring)


def _measuring(
    model: Module,
    loss: Loss,
    correct: Correct | None,
    examples: Sequence[Any],
    targets: Sequence[Any],
    sources: dict[str, Any],
    replay: bool | None,
) -> Measuring | None:
    """What replays examples that are measured; None if nothing is to be replayed."""
    if replay is False or (replay is None and len(examples) <= WARM_UP):
        return None
    from nn.replaying import Measuring

    return Measuring(model, loss, correct, examples, targets, sources, wanted=replay)


def _measured(
    model: Module,
    examples: Sequence[Any],
    targets: Sequence[Any],
    loss: Loss,
    correct: Correct | None,
    of: str,
    measuring: Measuring | None,
) -> tuple[float, float | None]:
    def computed(i: int) -> tuple[Any, Any]:
        with _noted(f"at example {i} {of}"), autograd.no_grad():
            output = model(examples[i])
            return output, loss(output, targets[i])

    def judged(i: int) -> tuple[float, bool]:
        output, one = computed(i)
        with _noted(f"at example {i} {of}"), autograd.no_grad():
            right = correct is not None and bool(correct(output, targets[i]))
        return float(one.data if isinstance(one, Value) else one), right

    with in_mode(model, training=False):
        found = measuring.measure(computed, judged) if measuring is not None else None
        found = found or [judged(i) for i in range(len(examples))]
    losses, right = [one for one, _ in found], sum(is_right for _, is_right in found)
    # not fsum, which raises for inf - inf and for sums beyond the largest float
    mean = math.fsum(losses) / len(losses) if all(map(math.isfinite, losses)) else sum(losses) / len(losses)
    return mean, None if correct is None else right / len(losses)


def _pairs(name: str, examples: Any, targets: Any) -> tuple[Sequence[Any], Sequence[Any]]:
    """Examples and targets as sequences, from a Dataset, lists or arrays, checked."""
    if targets is None:
        if not hasattr(examples, "examples") or not hasattr(examples, "targets"):
            raise TypeError(f"{name}targets are missing: give {name}examples and targets, or a Dataset, which has both")
        examples, targets = examples.examples, examples.targets
    elif hasattr(examples, "targets"):
        raise TypeError(f"a Dataset has its own targets: give the {name}data alone, or examples and targets")
    for what, given in (("examples", examples), ("targets", targets)):
        if not hasattr(given, "__len__") or not hasattr(given, "__getitem__") or isinstance(given, str | dict):
            raise TypeError(f"{name}{what} must be a list or an array, got {given!r:.80}")
    if len(examples) != len(targets):
        raise ValueError(f"{len(examples)} {name}examples but {len(targets)} {name}targets: give one target each")
    if len(examples) == 0:
        raise ValueError(f"no {name}examples: give at least one")
    return _plain(examples), _plain(targets)


def _plain(given: Any) -> Sequence[Any]:
    """An array or a table as lists of numbers, which the engine is faster with."""
    given = given.to_numpy() if hasattr(given, "to_numpy") else given
    return cast(Sequence[Any], given.tolist() if hasattr(given, "tolist") else given)


@contextmanager
def _noted(where: str) -> Iterator[None]:
    """Add to an error where it was."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, TrainingError):
            error.add_note(where)
        raise


@contextmanager
def _bar(training: Training, shown: bool) -> Iterator[Callable[[str], None]]:
    """tqdm's bar, as fits a terminal or a notebook: a function that is told the figures after each step.

    The figures come before the bar, so that a narrow terminal has room for them.
    """
    if not shown:
        yield lambda figures: None
        return
    from tqdm.auto import tqdm
    from tqdm.notebook import tqdm_notebook

    epochs, steps = training.epochs, training.history.steps_per_epoch
    in_notebook = issubclass(tqdm, tqdm_notebook)
    options: dict[str, Any] = {"display": False} if in_notebook else {}
    with (
        tqdm(
            total=epochs * steps,
            initial=training.step,
            desc=f"epoch {min(training.epoch + 1, epochs)}/{epochs}"
            + (f", {training.figures()}" if training.step else ""),
            bar_format="{desc} |{bar}| {elapsed}<{remaining}",
            dynamic_ncols=True,
            **options,
        ) as bar,
        _displayed(bar) if in_notebook else nullcontext(),
    ):

        def show(figures: str) -> None:
            bar.set_description_str(f"epoch {math.ceil(training.step / steps)}/{epochs}, {figures}", refresh=False)
            bar.update(training.step - bar.n)

        yield show


@contextmanager
def _displayed(bar: Any) -> Iterator[None]:
    """A notebook's bar. A widget is not in the file that is saved; so the bar becomes text when it is done."""
    from IPython.display import display

    shown_at = display(bar.container, display_id=True)  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        shown_at.update({"text/plain": repr(bar.container)}, raw=True)


def _check_tqdm() -> None:
    try:
        import tqdm.auto  # noqa: F401
    except ImportError:
        raise ImportError(
            "the progress bar needs tqdm: python -m pip install 'scalar-autograd[notebook]', or pass progress=False"
        ) from None


def _figures(loss: float, accuracy: float | None, history: History) -> str:
    """Loss and accuracy of an epoch, and accuracy, or else loss, on validation data so far."""
    parts = [f"loss {loss:.3g}"]
    if accuracy is not None:
        parts.append(f"accuracy {percent(accuracy)}")
    if history.validation_accuracies:
        parts.append(f"held out {percent(history.validation_accuracies[-1])}")
    elif history.validation_losses:
        parts.append(f"held out {history.validation_losses[-1]:.3g}")
    return ", ".join(parts)
