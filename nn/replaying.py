"""Replay in `fit` and `evaluate`: one example is recorded, and whole batches run through the plan that is made of it.

The numbers of an example flow in, and so do those of its target, unless the targets are labels: at most 32 different ones,
each a whole number or no number at all. Labels are part of the recording, which computes the loss with each of them; in a
lane that of its own label counts. What Python does beside Values a plan cannot know. So it is compared with what the model
gives eagerly: on the first batch, on an example of the second, when the parameters have moved, and on one of each epoch.

The numbers that count are the replayed ones, whether or not the same was computed eagerly too, to be compared or because
somebody observes the model's calls. So a resumed training is, bit for bit, the one that was never stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

import autograd
from autograd import BranchError, Value, modes
from autograd.engine import Constant
from autograd.naming import observers
from autograd.planning.steps import LANES
from nn.layers import Dropout
from nn.losses import Correct, Loss
from nn.module import Module

if TYPE_CHECKING:
    from nn.train import Training

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Batch = Sequence[int]
Eager = tuple[Any, Any]  # what the model and the loss gave for an example

MOST_LABELS = 32  # different labels, for each of which every lane computes a loss
MOST_NODES = 2_000_000  # of the graph of one example
MOST_BYTES = 1 << 25  # that the lanes of one call may fill; larger batches are split
COMPARED = 32  # examples of the first batch that are computed eagerly, too
FEW_OUTPUTS = 8  # so many numbers of an output are compared also where no accuracy is judged
ENOUGH = 8  # lanes, before it means something how many of them take other branches


class Refused(Exception):
    """Why something is not replayed, in one line."""


# ---- nested numbers ------------------------------------------------------------------------------------------------


def mapped(nest: Any, function: Callable[[Any], Any]) -> Any:
    """Nested lists, tuples and arrays, with function(x) in the place of each x."""
    if isinstance(nest, list):
        return [mapped(x, function) for x in nest]
    if isinstance(nest, tuple):
        return tuple([mapped(x, function) for x in nest])
    if getattr(nest, "ndim", 0):
        result = nest.astype(object)
        for place in range(result.size):
            result.flat[place] = function(result.flat[place])
        return result
    return function(nest)


def is_nest(x: Any) -> bool:
    return isinstance(x, list | tuple) or bool(getattr(x, "ndim", 0))


def is_label(target: Any) -> bool:
    """Whether it can be a label: a whole number or no number at all, or lists of these."""
    return all(map(is_label, target)) if is_nest(target) else not isinstance(target, float) or target.is_integer()


def key_of(label: Any) -> Any:
    """By what a label is the same as another: type and value."""
    return (type(label), *map(key_of, label)) if is_nest(label) else (type(label), label)


def rows_of(what: str, given: Sequence[Any]) -> Array:
    """The numbers of each example in a row."""
    try:
        found = np.asarray(given)
    except (TypeError, ValueError):
        raise Refused(f"the {what} are not all nested alike") from None
    if found.dtype.kind not in "fiu":
        raise Refused(f"the {what} are not plain numbers that are all nested alike")
    return found.reshape(len(given), -1).astype(float)


class Table:
    """Examples and targets as rows of numbers.

    rows     (examples, numbers): those of each example and, where targets flow in, those of its target
    labels   the different targets; empty where targets flow in
    label    (examples,): which label each has
    """

    def __init__(self, examples: Sequence[Any], targets: Sequence[Any]) -> None:
        for what, given in (("examples", examples), ("targets", targets)):
            if not isinstance(given, list | tuple | range):
                raise Refused(f"the {what} come from a {type(given).__name__}, which may give others every time")
        self.examples, self.targets = list(examples), list(targets)
        self.inputs = self.rows = rows_of("examples", self.examples)
        self.labels: list[Any] = []
        self.label: Indices = np.zeros(len(self.examples), np.intp)

    def take_labels(self) -> None:
        """Let the targets be labels."""
        found: dict[Any, int] = {}
        try:
            places = [found.setdefault(key_of(target), len(found)) for target in self.targets]
        except TypeError:
            raise Refused("a target is neither numbers nor something that can be looked up") from None
        if len(found) > MOST_LABELS:
            raise Refused(f"there are {len(found):,} different targets, more than {MOST_LABELS}")
        self.rows, self.label = self.inputs, np.array(places, np.intp)
        self.labels = [self.targets[places.index(place)] for place in range(len(found))]

    def take_numbers(self) -> None:
        """Let the targets flow in."""
        self.rows = np.concatenate([self.inputs, rows_of("targets", self.targets)], axis=1)


# ---- one example, recorded -----------------------------------------------------------------------------------------


class Found(NamedTuple):
    """What a batch gave, in the order of its examples.

    losses      (lanes,)
    numbers     (outputs, lanes), those of the model's output
    gradients   one for each leaf: those of the sum of the losses, times the share
    elsewhere   the lanes that take another branch, and are in none of these
    """

    losses: Array
    numbers: Array
    gradients: Array
    elsewhere: list[int]


class Recorded:
    """One example's way through a model and its loss, as a plan for all of them.

    With `parameters` it sweeps, too: `leaves` are these and whatever else takes a gradient. `sources` are sources of random
    numbers, by name, of which a model that is replayed must not draw.

    Raises Refused for what cannot be replayed. Model and sources are as they were.
    """

    def __init__(
        self,
        model: Module,
        loss: Loss,
        correct: Correct | None,
        examples: Sequence[Any],
        targets: Sequence[Any],
        sources: Mapping[str, Any],
        parameters: Sequence[Value] | None = None,
    ) -> None:
        self.model, self.loss, self.correct, self.sources = model, loss, correct, sources
        if modes.detect_anomaly.on.get():
            raise Refused("detect_anomaly() looks at every operation")
        self.table = Table(examples, targets)
        ways = [self.table.take_labels, self.table.take_numbers]
        if not all(map(is_label, targets)):
            ways.reverse()
        first: Refused | None = None
        for way in ways:
            try:
                way()
                self.record()
                break
            except Refused as refused:
                first = first or refused
        else:
            assert first is not None
            raise first
        self.make_plan(parameters)
        self.attributes = [(part, dict(vars(part))) for _, part in model.named_modules()]

    def record(self) -> None:
        """Record the first example, with every label or with its own target's numbers."""
        table = self.table
        self.inputs: list[Value] = []
        try:
            with unobserved(), untouched(self.model, self.sources), autograd.record() as self.block:
                output = self.model(mapped(table.examples[0], self.input))
                targets = table.labels or [mapped(table.targets[0], self.input)]
                self.losses = [self.loss(output, target) for target in targets]
        except Refused:
            raise
        except Exception as error:
            raise Refused(
                f"with Values in the place of numbers the model or the loss raises {one_line(error)}"
            ) from None
        if not all(isinstance(loss, Value) for loss in self.losses):
            raise Refused("the loss is no Value")
        self.outputs: list[Value] = []
        self.output = mapped(output, self.add_output)
        if not all(isinstance(x, Value) for x in self.outputs):
            if self.correct is not None:
                raise Refused("the model's output holds something else than Values")
            self.outputs = []
        if self.correct is None and len(self.outputs) > FEW_OUTPUTS:
            self.outputs = []

    def input(self, number: Any) -> Value:
        """The leaf into which a number flows."""
        leaf = Value(number)
        self.inputs.append(leaf)
        return leaf

    def add_output(self, x: Any) -> int:
        self.outputs.append(x)
        return len(self.outputs) - 1

    def make_plan(self, parameters: Sequence[Value] | None) -> None:
        roots = [*self.losses, *self.outputs]
        nodes = graph_of(roots, self.block)
        if len(nodes) > MOST_NODES:
            raise Refused(f"the graph of one example has {len(nodes):,} nodes, more than {MOST_NODES:,}")
        leaves = dict.fromkeys(x for x in nodes if not x.parents and type(x) is not Constant)
        self.columns = np.array([i for i, x in enumerate(self.inputs) if x in leaves], np.intp)
        inputs = dict.fromkeys(x for x in self.inputs if x in leaves)
        if not inputs:
            raise Refused("the loss does not depend on the example")
        self.leaves: list[Value] = []
        self.compared = 0
        if parameters is not None:
            mine = dict.fromkeys([*parameters, *self.model.parameters()])
            if not any(x in mine for x in autograd.topological_sort(autograd.sum(self.losses))):
                raise Refused("the loss depends on no parameter")
            self.leaves = [x for x in dict.fromkeys([*mine, *leaves]) if x not in inputs]
            self.compared = len(mine)  # not the gradients of leaves that are made in each call
        try:
            self.plan = autograd.replay(roots, list(inputs), self.leaves)
        except Exception as error:
            raise Refused(one_line(error)) from None
        if not self.plan.checked:
            raise Refused("the model uses what it computed before it was called")
        self.at_once = max(1, MOST_BYTES // (16 * self.plan.steps.rows[LANES]))

    # ---- replaying ----

    def made_of(
        self,
        model: Module,
        loss: Loss,
        correct: Correct | None,
        examples: Sequence[Any],
        targets: Sequence[Any],
        batch: Batch,
    ) -> bool:
        """Whether it was made of these, as far as the examples of the batch are concerned."""
        mine = self.table.examples, self.table.targets
        return (
            (self.model, self.loss, self.correct) == (model, loss, correct)
            and len(examples) == len(mine[0])
            and all([examples[i] is mine[0][i] and targets[i] is mine[1][i] for i in batch])  # noqa: C419, twice as fast
        )

    def changed(self) -> str:
        """What the model has as an attribute, and had another when it was recorded; "" if nothing."""
        for part, before in self.attributes:
            now = vars(part)
            try:
                if now == before:  # by identity first, so as good as nothing is compared
                    continue
            except Exception:  # arrays, of which == says no truth
                pass
            for key in [*now, *before]:
                if now.get(key) is not before.get(key):
                    return f"{type(part).__name__}.{key}"
        return ""

    def run(self, batch: Batch, share: float = 1.0) -> Found:
        """The losses of these examples, and the gradients of their sum times `share`, with the leaves' numbers of now."""
        self.read()
        parts: list[Found] = []
        for start in range(0, len(batch), self.at_once):
            columns, upstream, labels, lanes = self.lanes(batch[start : start + self.at_once])
            upstream[labels, lanes] = share
            values, gradients, elsewhere = self.call(columns, upstream)
            elsewhere = [start + lane for lane in elsewhere]
            parts.append(Found(values[labels, lanes], values[len(self.losses) :], gradients, elsewhere))
        if len(parts) == 1:
            return parts[0]
        return Found(
            np.concatenate([part.losses for part in parts]),
            np.concatenate([part.numbers for part in parts], axis=1),
            np.sum([part.gradients for part in parts], axis=0),
            [lane for part in parts for lane in part.elsewhere],
        )

    def read(self) -> None:
        """Take in the leaves' numbers of now."""
        if self.leaves:
            self.plan.parameters = [leaf.data for leaf in self.leaves]
        else:
            self.plan.read()

    def lanes(self, batch: Batch) -> tuple[Array, Array, Indices, Indices]:
        """The columns of these examples, upstream gradients of 0, and in which of their rows and columns the losses are."""
        columns = self.table.rows[batch][:, self.columns]
        upstream = np.zeros((len(self.losses) + len(self.outputs), len(columns)))
        return columns, upstream, self.table.label[batch], np.arange(len(columns))

    def call(self, columns: Array, upstream: Array) -> tuple[Array, Array, list[int]]:
        """What the plan gives, and the lanes that take another branch: in their place stands another, without weight."""
        try:
            result = self.plan(columns, upstream=upstream)
            return result.values, result.gradients, []
        except BranchError as error:
            elsewhere = list(error.lanes)
        rest = np.setdiff1d(np.arange(len(columns)), elsewhere)
        if not len(rest):
            return np.zeros(upstream.shape), np.zeros(len(self.leaves)), elsewhere
        columns[elsewhere] = columns[rest[0]]
        upstream[:, elsewhere] = 0.0
        result = self.plan(columns, upstream=upstream)
        return result.values, result.gradients, elsewhere

    def compare(self, batch: Batch, eager: Sequence[Eager]) -> None:
        """Raise Refused unless what is replayed is what the first examples of a batch gave eagerly, to nine digits.

        Gradients are those of the losses and, weighted by 1, 1/2, 1/3, ..., of the outputs: where losses are all but 0, their
        gradients are of rounding errors only, and differ.
        """
        columns, upstream, labels, lanes = self.lanes(batch[: self.at_once])
        eager = eager[: len(lanes)]
        weights = 1.0 / np.arange(1, len(self.outputs) + 1)
        upstream[labels, lanes] = 1.0
        upstream[len(self.losses) :] = weights[:, None]
        upstream[:, len(eager) :] = 0.0
        values, gradients, elsewhere = self.call(columns, upstream)
        totals, expected, replayed = [], [], []
        for lane, (output, loss) in enumerate(eager):
            if lane in elsewhere:
                continue
            given: list[Any] = []
            if self.outputs:
                mapped(output, given.append)
            if (
                not isinstance(loss, Value)
                or len(given) != len(self.outputs)
                or not all(isinstance(x, Value) for x in given)
            ):
                raise Refused(f"example {batch[lane]} gives outputs of another kind")
            expected.append([x.data for x in (loss, *given)])
            replayed.append([values[labels[lane], lane], *values[len(self.losses) :, lane]])
            totals.append(autograd.sum([loss, *[weight * x for weight, x in zip(weights.tolist(), given)]]))
            if not near(expected[-1], replayed[-1]):
                raise Refused(
                    f"replayed, the loss of example {batch[lane]} is {replayed[-1][0]:.12g} and not {loss.data:.12g}, "
                    "or its output is another: the model or the loss goes by more than its Values (their .data?)"
                )
        known = slice(self.compared)
        if totals and self.leaves and not near(swept(totals, self.leaves)[known], gradients[known]):
            raise Refused(
                "replayed, the gradients are others: the model or the loss goes by more than its Values (their .data?)"
            )

    def judged(self, numbers: Array, batch: Batch) -> list[bool]:
        """Whether each lane is right."""
        if self.correct is None:
            return [False] * len(batch)
        judge, targets = self.correct, self.table.targets
        rows: list[list[Any]] = numbers.T.tolist()
        if getattr(judge, "__module__", None) != "nn.losses":  # one of the user's may look at .data
            rows = [list(map(Value, row)) for row in rows]
        if self.output != list(range(len(self.outputs))):
            rows = [mapped(self.output, row.__getitem__) for row in rows]
        return [bool(judge(output, targets[i])) for i, output in zip(batch, rows)]


class RecordedPenalty:
    """A penalty as a plan, which has no lanes but one. Raises Refused if it is none."""

    def __init__(self, penalty: Callable[[], Value], training: Training) -> None:
        try:
            with unobserved(), untouched(training.model, training.sources), autograd.record() as block:
                value = penalty()
            leaves = [x for x in graph_of([value], block) if not x.parents and type(x) is not Constant]
            self.leaves = list(dict.fromkeys([*training.optimizer.parameters, *leaves]))
            self.plan = autograd.replay(value, [], self.leaves)
        except Exception as error:
            raise Refused(one_line(error)) from None

    def run(self, expected: Value | None) -> tuple[float, list[float]]:
        """The penalty and its gradients, which must be those of the expected Value."""
        try:
            self.plan.parameters = [leaf.data for leaf in self.leaves]
            [value], gradients, *_ = self.plan()
        except (BranchError, TypeError) as error:
            raise Refused(one_line(error)) from None
        if expected is not None and not (
            near([expected.data], [value]) and near(swept([expected], self.leaves), gradients)
        ):
            raise Refused("replayed, the penalty is another")
        if not (np.isfinite(value) and np.isfinite(gradients).all()):
            raise Refused("the penalty is not finite")
        return float(value), gradients.tolist()


def graph_of(outputs: Sequence[Value], block: modes.Block) -> list[Value]:
    """All nodes that the outputs hang on, also by what was compared on the way."""
    compared = [side for comparison in block.comparisons for side in (comparison.left, comparison.right)]
    return autograd.topological_sort(autograd.sum([*outputs, *compared]))


def swept(outputs: Sequence[Value], leaves: Sequence[Value]) -> list[Any]:
    """The gradients of the sum of outputs, by sweeps, which are faster than `gradients`. Leaves keep the `grad` they had."""
    before = [leaf.grad for leaf in leaves]
    try:
        for leaf in leaves:
            leaf.grad = 0.0
        for output in outputs:
            output.backward()
        return [leaf.grad for leaf in leaves]
    finally:
        for leaf, grad in zip(leaves, before, strict=True):
            leaf.grad = grad


def near(expected: Any, replayed: Any) -> bool:
    """Whether all numbers agree to nine digits, but for eleven of the largest; those that are not finite are the same."""
    x, y = np.array(expected, float), np.array(replayed, float)
    finite = np.isfinite(x) & np.isfinite(y)
    if not np.array_equal(x[~finite], y[~finite], equal_nan=True):
        return False
    x, y = x[finite], y[finite]
    size = np.maximum(np.abs(x), np.abs(y))
    return bool((np.abs(x - y) <= 1e-9 * size + 1e-11 * size.max(initial=0.0)).all())


def one_line(error: Exception) -> str:
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"[:300]


@contextmanager
def unobserved() -> Iterator[None]:
    """Nobody is told of the calls in the block: the example counts when it is computed."""
    before = observers[:]
    observers.clear()
    try:
        yield
    finally:
        observers[:] = before


@contextmanager
def untouched(model: Module, sources: Mapping[str, Any]) -> Iterator[None]:
    """Put the model's attributes and the sources back as they were, and raise Refused if the block changed any."""
    states = {name: source.getstate() for name, source in sources.items()}
    legacy = of_numpy()
    parts = [(part, dict(vars(part)), sizes(part)) for _, part in model.named_modules()]
    reason = ""
    try:
        yield
    finally:
        for part, before, lengths in parts:
            now = vars(part)
            if now.keys() != before.keys() or any(now[key] is not x for key, x in before.items()):
                now.clear()
                now.update(before)
                reason = f"{type(part).__name__} changes itself when it is called"
            elif sizes(part) != lengths:
                reason = f"{type(part).__name__} changes itself when it is called"
        for name, state in states.items():
            if sources[name].getstate() != state:
                sources[name].setstate(state)
                reason = f"the model draws random numbers ({name}) for every example"
        if of_numpy() != legacy:
            np.random.set_state(legacy)
            reason = "the model draws random numbers (numpy.random) for every example"
        if reason and any(isinstance(part, Dropout) and part.training and part.p for part, *_ in parts):
            reason = "Dropout draws anew for every example"
    if reason:
        raise Refused(reason)


def of_numpy() -> tuple[Any, ...]:
    """The state of numpy.random, to be compared."""
    name, numbers, *rest = np.random.get_state(legacy=True)
    return name, tuple(np.asarray(numbers).tolist()), *rest


def sizes(part: Module) -> list[int]:
    return [len(x) for x in vars(part).values() if isinstance(x, list | dict | set)]


# ---- in a training -------------------------------------------------------------------------------------------------


class Replaying:
    """What of a training is replayed: all batches, until there is a reason against it.

    wanted   what `fit` was given as `replay`
    reason   why nothing is replayed any more; "" as long as there is none
    """

    def __init__(self, training: Training, wanted: bool | None) -> None:
        self.training, self.wanted = training, wanted
        self.reason = "" if wanted else training.history.replay  # of a resumed training: as it was, so it goes on
        self.recorded: Recorded | None = None
        self.batches = 0  # replayed since it was recorded
        self.lanes = self.elsewhere = 0  # of late, and how many of them took other branches
        self.compares = True  # whether this batch is compared with what is eager
        self.penalty: RecordedPenalty | None = None
        self.penalty_reason = ""  # why it is computed eagerly

    def sweep(self, batch: Batch) -> tuple[float, int] | None:
        """What `Training.sweep_replayed` gives."""
        if self.reason:
            return None
        try:
            return self.replay(batch)
        except Refused as refused:
            self.give_up(str(refused))
            return None

    def give_up(self, reason: str) -> None:
        if self.wanted:
            raise ValueError(f"replay=True, but this cannot be replayed: {reason}. Leave replay= out to train eagerly")
        self.reason = self.training.history.replay = reason
        self.recorded = None

    def record(self, batch: Batch) -> Recorded:
        """The plan, made anew where other examples are there than before."""
        training, recorded = self.training, self.recorded
        made_of = training.model, training.loss, training.correct
        if recorded is not None and recorded.made_of(*made_of, training.examples, training.targets, batch):
            if changed := recorded.changed():
                raise Refused(f"{changed} of the model was changed")
            return recorded
        self.recorded, self.batches = None, 0
        self.recorded = Recorded(
            *made_of, training.examples, training.targets, training.sources, training.optimizer.parameters
        )
        training.connected = True
        return self.recorded

    def replay(self, batch: Batch) -> tuple[float, int] | None:
        training, recorded = self.training, self.record(batch)
        self.compares = self.batches < 2 or training.step % training.history.steps_per_epoch == 0
        eager = self.computed(batch, COMPARED if self.batches == 0 else self.compares)
        try:
            found = recorded.run(batch, 1 / len(batch))
        except TypeError as error:  # a parameter has become something else than a float
            raise Refused(one_line(error)) from None
        here = np.delete(found.losses, found.elsewhere) if found.elsewhere else found.losses
        if not (np.isfinite(here).all() and np.isfinite(found.gradients).all()):
            return None  # eagerly it is said where that comes from
        if eager:
            recorded.compare(batch, eager)
        self.count(len(batch), len(found.elsewhere))
        self.batches += 1
        try:
            judged = recorded.judged(found.numbers, batch)
        except Exception:
            return None  # eagerly it is said at which example
        for leaf, gradient in zip(recorded.leaves, found.gradients.tolist(), strict=True):
            leaf.grad += gradient
        mean, right = 0.0, 0
        elsewhere = set(found.elsewhere)
        for lane, loss in enumerate(found.losses.tolist()):
            share, is_right = (
                training.sweep_example(batch[lane], len(batch))
                if lane in elsewhere
                else (loss / len(batch), judged[lane])
            )
            mean += share
            right += is_right
        return mean, right

    def computed(self, batch: Batch, least: int) -> list[Eager]:
        """What the first examples of the batch give eagerly: so many, and all while somebody observes the model's calls."""
        found: list[Eager] = []
        for position, i in enumerate(batch):
            if position >= least and not observers:
                break
            with self.training.noted(i):
                output = self.training.model(self.training.examples[i])
                loss = self.training.loss(output, self.training.targets[i])
            if position < least:
                found.append((output, loss))
        return found

    def count(self, lanes: int, elsewhere: int) -> None:
        self.lanes, self.elsewhere = self.lanes + lanes, self.elsewhere + elsewhere
        if self.lanes >= ENOUGH:
            if 2 * self.elsewhere > self.lanes:
                raise Refused("its branches depend on the example: most go another way than the one that was recorded")
            self.lanes = self.elsewhere = 0

    def sweep_penalty(self, penalty: Callable[[], Value]) -> float | None:
        """The penalty, with its gradients added to the leaves; None if it is to be computed eagerly."""
        if self.penalty_reason or self.recorded is None:
            return None
        try:
            self.penalty = self.penalty or RecordedPenalty(penalty, self.training)
            value, gradients = self.penalty.run(penalty() if self.compares else None)
        except Refused as refused:
            self.penalty_reason = str(refused)
            return None
        for leaf, gradient in zip(self.penalty.leaves, gradients, strict=True):
            leaf.grad += gradient
        return value

    def loss_of(self, batch: Batch) -> float | None:
        """The mean loss of a batch with the parameters of now; None if it is not replayed."""
        if self.recorded is None:
            return None
        found = self.recorded.run(batch)
        return None if found.elsewhere else float(found.losses.sum()) / len(batch)


class Measuring:
    """Examples that are measured, replayed without sweeps; eagerly once there is a reason against it.

    wanted, reason   those of Replaying
    """

    def __init__(
        self,
        model: Module,
        loss: Loss,
        correct: Correct | None,
        examples: Sequence[Any],
        targets: Sequence[Any],
        sources: Mapping[str, Any],
        wanted: bool | None,
    ) -> None:
        self.given = model, loss, correct, examples, targets, sources
        self.batch = range(len(examples))
        self.recorded: Recorded | None = None
        self.wanted, self.reason = wanted, ""

    def measure(
        self, computed: Callable[[int], Eager], judged: Callable[[int], tuple[float, bool]]
    ) -> list[tuple[float, bool]] | None:
        """Of each example the loss and whether it is right; None if it is all to be computed eagerly.

        computed, judged   output and loss, and loss and whether it is right, of an example that is computed eagerly
        """
        if self.reason:
            return None
        try:
            return self.replay(computed, judged)
        except Refused as refused:
            if self.wanted:
                raise ValueError(f"replay=True, but the data cannot be measured so: {refused}") from None
            self.reason, self.recorded = str(refused), None
            return None

    def replay(
        self, computed: Callable[[int], Eager], judged: Callable[[int], tuple[float, bool]]
    ) -> list[tuple[float, bool]] | None:
        batch, least, recorded = self.batch, 1, self.recorded
        if recorded is None or recorded.changed() or not recorded.made_of(*self.given[:5], batch):
            least, recorded = COMPARED, Recorded(*self.given)
        eager = [computed(i) for i in batch if i < least or observers][:least]
        found = recorded.run(batch)
        recorded.compare(batch, eager)
        if 2 * len(found.elsewhere) > len(batch):
            raise Refused("its branches depend on the example")
        self.recorded = recorded
        try:
            right = recorded.judged(found.numbers, batch)
        except Exception:
            return None  # eagerly it is said at which example
        measured = list(zip(found.losses.tolist(), right, strict=True))
        for i in found.elsewhere:
            measured[i] = judged(i)
        return measured
