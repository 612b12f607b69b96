"""The doctor in `fit`: a callback that looks on, seldom enough to cost next to nothing."""

from __future__ import annotations

import sys
import traceback
import warnings
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import autograd
from autograd import topological_sort
from autograd.naming import Call, call_of, observed, values_in
from nn.callbacks import Callback
from nn.doctor.checks import ADVICE_UPHILL, gradient_sizes, identical_weights
from nn.doctor.findings import Finding, TrainingWarning
from nn.doctor.reading import Layers, Unit, plain
from nn.doctor.units import ENOUGH, Seen, idle, look
from nn.words import counted, number

if TYPE_CHECKING:
    from nn.train import Training

LOOKS = 3  # looks at gradients in a row that must find the same before `fit` says it
STEPS = 5  # in a row are judged together, once one of them has raised its own loss
BY = 0.01  # share by which a step must raise its own loss to count, unless all of them do


def due(count: int) -> bool:
    """Whether a step or an epoch (counted from 1) is looked at: powers of two, and every 64th."""
    return count & (count - 1) == 0 or count % 64 == 0


def rises(steps: Sequence[tuple[float, float]]) -> int:
    """How many of these steps, each with the loss of its batch before and after it, went uphill; 0 if that is usual.

    It is not if four of five steps raised it by more than 1 %, or three, two of which doubled it, or all by however little:
    a healthy training overshoots, too, at its start and near a minimum.
    """
    if all(map(rose, steps)):
        return len(steps)
    worse, doubled = sum(rose(step, BY) for step in steps), sum(rose(step, 1.0) for step in steps)
    return worse if worse >= 4 or (worse >= 3 and doubled >= 2) else 0


def rose(step: tuple[float, float], by: float = 1e-9) -> bool:
    """Whether a loss rose by more than this share of it, or became NaN; less than 1e-9 is but another order of sums."""
    before, after = step
    return not after - before <= by * abs(before)


class Doctor(Callback):
    """The checks of `diagnose` while `fit` trains, each message once, as a `TrainingWarning` and in `history.messages`.

    At the steps that are `due` it looks at the gradients of the batch; in the epochs that are `due` at the hidden units, for
    the first 32 examples, which are then computed eagerly, too, where batches are replayed. Where the loss is not below that
    of the first step, it is computed anew after the step; if that went uphill, after the next four as well. It says of
    gradients what it found three times in a row, and of steps what most of five did: a healthy training goes uphill now and
    then, too.

    It changes no number: sources of random numbers are put back. A model whose output is random, as with Dropout, or that
    changes itself when it is called, is not called a second time.
    """

    def __init__(self) -> None:
        self.watching = ExitStack()  # holds the observer of the model's calls, while there is one
        self.said: set[tuple[str, str]] = set()

    def __repr__(self) -> str:
        return "Doctor()"

    def on_start(self, training: Training) -> None:
        self.training = training
        self.parameters = training.model.parameters()
        self.layers: Layers | None = None  # known after the first example
        self.calls: list[Call] = []  # of its parts, until then
        self.absent: set[str] = set()  # layers that no gradient has reached so far
        self.batch: Any = None  # the one whose beginning was looked at
        self.looks: deque[dict[tuple[str, str], Finding]] = deque(maxlen=LOOKS)
        self.steps: list[tuple[float, float]] = []  # the loss of the batch before and after each step that is judged
        self.next = 1  # the step from which on a loss is computed once more
        self.comparable = True
        if training.step == 0:
            self.said.clear()
        if not set(self.parameters).intersection(training.optimizer.parameters):
            what = "The optimizer moves none of this model's parameters."
            self.say(Finding("not connected", "", what, "Make the optimizer anew from model.parameters()."))
        self.watch()

    def on_end(self, training: Training) -> None:
        self.watching.close()

    def state(self) -> dict[str, Any]:
        return {"said": sorted(map(list, self.said))} if self.said else {}

    def load_state(self, state: dict[str, Any]) -> None:
        said = state.get("said", [])
        if not isinstance(said, list) or not all(isinstance(one, list) and len(one) == 2 for one in said):
            raise ValueError(f"the doctor's state must be a list of [kind, where], got {said!r:.80}")
        self.said = {(str(kind), str(where)) for kind, where in said}

    # ---- as the calls of the model go by ----

    def watch(self) -> None:
        """Look at the hidden units from now on, for `ENOUGH` examples."""
        self.seen: dict[Unit, Seen] = {}
        self.examples = 0
        self.inputs: Any = None  # those that were looked at last
        self.watching.close()
        self.watching.enter_context(observed(self.told))

    def told(self, part: Any, outputs: Any) -> None:
        """A part was called: its inputs are what the units before it gave; of the model's last layer nothing is said."""
        value = next(iter(values_in(outputs)), None)
        call = None if value is None else call_of(value)
        if call is None:  # nothing is recorded
            return
        if self.layers is None:
            self.calls.append(call)
        elif self.examples < ENOUGH and call.inputs is not self.inputs and part is not self.training.model:
            self.inputs = call.inputs
            for x in call.inputs:
                look(x, self.layers.units, self.seen)
        if part is self.training.model:
            self.told_whole(outputs)

    def told_whole(self, outputs: Any) -> None:
        """The model was called with an example."""
        if self.layers is None:
            self.layers = Layers(self.training.model, self.calls)
            self.calls.clear()
            below = {node for root in values_in(outputs) for node in topological_sort(root)}
            self.absent = {
                layer
                for layer, places in self.layers.places.items()
                if below.isdisjoint([self.parameters[i] for i in places])
            }
        else:
            self.examples += 1
        if self.batch is not self.training.batch:
            self.batch = self.training.batch
            if left := [p for p in self.training.optimizer.parameters if p.grad != 0]:
                what = f"{counted(len(left), 'gradient')} of the step before are still there when a batch begins."
                advice = "The optimizer's zero_grad() must set the grad of every parameter to 0."
                self.say(Finding("not zeroed", "", what, advice))
        self.rest()

    def rest(self) -> None:
        """Look on no longer, once that was enough; a second batch must have shown whether gradients are zeroed."""
        if self.examples >= ENOUGH and self.training.step > 0:
            self.watching.close()

    def on_epoch(self, training: Training) -> None:
        for finding in idle(self.seen, self.examples, everything=self.examples >= len(training.examples)):
            self.say(finding)
        for layer in sorted(self.absent):
            what = f"No gradient reached {layer} in a whole epoch: it is not part of the loss."
            advice = "Use what it returns in the model's __call__, or leave it out."
            self.say(Finding("not connected", layer, what, advice))
        self.seen = {}
        if due(training.epoch + 1):
            self.watch()

    # ---- steps ----

    def on_gradients(self, training: Training) -> None:
        self.rest()
        if self.layers is None or not due(training.step + 1):
            return
        slopes, data = [plain(p.grad) for p in self.parameters], [plain(p) for p in self.parameters]
        self.absent = {layer for layer in self.absent if not any(slopes[i] for i in self.layers.places[layer])}
        found = [*gradient_sizes(self.layers.sizes(slopes), self.layers.sizes(data))]
        found += identical_weights(self.layers, slopes)
        clips = training.clip_norm is not None or training.clip_value is not None
        found = [f for f in found if f.where not in self.absent and not (f.kind == "exploding" and clips)]
        self.looks.append({_key(finding): finding for finding in found})
        for key, finding in self.looks[-1].items():
            if len(self.looks) == LOOKS and all(key in look for look in self.looks):
                self.say(finding)

    def on_step(self, training: Training) -> None:
        losses = training.history.step_losses
        if not self.steps and (training.step < self.next or losses[-1] < losses[0]):
            return
        after = self.loss_again() if self.comparable else None
        if after is None:
            return
        self.steps.append((training.batch_loss, after))
        if not rose(self.steps[0]):
            self.steps, self.next = [], 2 * training.step  # ever more seldom: what is healthy mostly stays so
        elif len(self.steps) == STEPS:
            if worse := rises(self.steps):
                what = (
                    f"Steps go uphill: {worse} of {STEPS} in a row made the loss of their own batch worse, the last from "
                    f"{number(training.batch_loss)} to {number(after)}."
                )
                self.say(Finding("uphill", "", what, ADVICE_UPHILL))
            self.steps, self.next = [], 2 * training.step

    def loss_again(self) -> float | None:
        """The loss of the batch after the step; None if the model does not give the same twice."""
        training, total = self.training, 0.0
        if (replayed := training.loss_again()) is not None:
            return replayed
        states = [(source, source.getstate()) for source in training.sources.values()]
        parts = [(part, dict(vars(part))) for _, part in training.model.named_modules()]
        try:
            with autograd.no_grad():
                for i in training.batch:
                    total += plain(training.loss(training.model(training.examples[i]), training.targets[i]))
                total /= len(training.batch)
                total += 0.0 if training.penalty is None else plain(training.penalty())
        except Exception:  # a model may need gradients in its forward pass
            self.comparable = False
        for source, state in states:
            if source.getstate() != state:
                source.setstate(state)
                self.comparable = False
        for part, attributes in parts:
            now = vars(part)
            if now.keys() != attributes.keys() or any(now[key] is not x for key, x in attributes.items()):
                now.clear()
                now.update(attributes)
                self.comparable = False
        return total if self.comparable else None

    # ---- speaking ----

    def say(self, finding: Finding) -> None:
        """Warn of it, once for its kind and place, at the line that called `fit`."""
        if _key(finding) in self.said:
            return
        self.said.add(_key(finding))
        steps = self.training.step
        text = f"after {counted(steps, 'step')}, {finding}" if steps else str(finding)
        self.training.history.messages.append(text)
        modules = [frame.f_globals.get("__name__") for frame, _ in traceback.walk_stack(sys._getframe())]
        outermost = max([i for i, name in enumerate(modules) if name == "nn.train"], default=-1)
        warnings.warn(text, TrainingWarning, stacklevel=outermost + 2)


def _key(finding: Finding) -> tuple[str, str]:
    """What is said once. Findings that list all layers are one, whichever of these is the worst at the time."""
    return finding.kind, "" if finding.kind in ("vanishing", "exploding") else finding.where
