"""Plan, a recorded graph that runs again on new numbers, many lanes at a time.

x, w = Value(0.5), Value(2.0)
with autograd.record():
    loss = (w * x - 1) ** 2                              # one example, built eagerly
plan = autograd.replay(loss, [x], parameters=[w])
result = plan([[0.5], [1.0], [1.5]])                     # three lanes
plan.parameters -= 0.1 * result.gradients
"""

from __future__ import annotations

import gc
import math
import operator
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Real
from typing import Any, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt

from ..branches import BranchError, Comparison
from ..engine import Constant, Value, contributions, gradients
from ..modes import active, detect_anomaly
from ..operations import dot
from .describe import description, summary
from .on_numpy import Program
from .steps import SHARED, Operand, RuleStep, Steps

Array = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]
Otherwise = Callable[[list[Value]], Any]

BIND = (
    "bind takes for an input a parameter of the plan, a list of one for each lane, or an integer array of their positions in "
    "plan.parameters; for a tuple of inputs a list of as many, a list of these for each lane, or an array of lanes x inputs"
)
MOST_PROGRAMS = 8  # numbers of lanes whose calls are kept ready; of others they are settled anew


class Result(NamedTuple):
    """What a plan gave. The arrays are the caller's own.

    values            (lanes,); of a sequence of outputs (outputs, lanes)
    gradients         (parameters,): of the sum, or mean, over lanes of the outputs, each weighted with its upstream gradient
    lane_gradients    (lanes, parameters): each lane's part of it, if asked for, else None
    input_gradients   (lanes, inputs): the same with respect to the inputs, if asked for, else None
    """

    values: Array
    gradients: Array
    lane_gradients: Array | None = None
    input_gradients: Array | None = None


class Last(NamedTuple):
    """What `write_back` needs of the last call."""

    columns: Array  # inputs x lanes
    seeds: Array | None  # outputs x lanes
    bound: Bound | None


def replay(
    output: Value | Sequence[Value],
    inputs: Sequence[Value],
    parameters: Sequence[Value] | None = None,
    *,
    otherwise: Otherwise | None = None,
) -> Plan:
    """A Plan that runs the graph of `output` again on other numbers of `inputs` and `parameters`.

    Args:
        output: the Value, or the sequence of Values, that is computed; its graph was built eagerly, on one example.
        inputs: the leaves whose numbers come from the columns, in their order.
        parameters: the leaves whose gradients are wanted, whose numbers live in `plan.parameters`; by default every other
            leaf of the graph. They need not be in the graph. All other leaves keep the numbers that they have.
        otherwise: computes a lane that takes another branch than the one that was recorded: called with the list of the
            lane's inputs as leaf Values, it gives the output (or the sequence of them), built on the same parameter leaves.

    A number read through `.data` is a constant of the plan, and so is whatever Python decided by it. Comparisons of Values
    are watched if the graph was built inside `with autograd.record():`.

    Raises TypeError for what is no Value, a node made by hand, numbers that are not floats, and a rule that cannot be
    read with arrays; ValueError for an input or parameter that is no leaf or stands there twice, and for an input that the
    output's graph does not have.
    """
    return Plan(output, inputs, parameters, otherwise=otherwise)


class Plan:
    """A recorded graph, ready to be run again: `result = plan(columns)`. Made by `autograd.replay`.

    Attributes:
        parameters: (parameters,) float64, the numbers of the parameters, which may be written to; always the same array.
        inputs, outputs, leaves: the Values that it was made of; `leaves` are those of `parameters`.
        steps: what it runs (`autograd.planning.steps`).
        checked: whether branches are watched, that is whether all of the graph was built within `autograd.record()`.

    Threads may share a plan: their calls take turns. A plan is not pickled; its graph is.
    """

    def __init__(
        self,
        output: Value | Sequence[Value],
        inputs: Sequence[Value],
        parameters: Sequence[Value] | None = None,
        *,
        otherwise: Otherwise | None = None,
    ) -> None:
        outputs = values_of("output", [output] if isinstance(output, Value) else output)
        if not outputs:
            raise ValueError("output is empty: give the Value, or at least one, that is to be computed")
        inputs = values_of("inputs", inputs, leaves=True)
        given = None if parameters is None else values_of("parameters", parameters, leaves=True)
        if otherwise is not None and not callable(otherwise):
            raise TypeError(f"otherwise must be a function of a lane's inputs, got {otherwise!r:.80}")
        self.otherwise = otherwise
        for x in inputs:
            float_of(x)
        with collector_paused():
            steps = Steps(outputs, inputs, given)
        self.prepare(outputs, inputs, steps, isinstance(output, Value))
        for i, x in enumerate(inputs):
            if x not in self.steps.place:
                raise ValueError(f"inputs[{i}], {x!r}, is not in the graph of the output: it has no influence on it")

    def prepare(self, outputs: list[Value], inputs: list[Value], steps: Steps, single: bool) -> None:
        """All that can be settled before the first call."""
        self.outputs, self.inputs, self.leaves, self.single = outputs, inputs, [*steps.parameters], single
        self.steps, self.checked, self.comparisons = steps, steps.checked, steps.comparisons
        leaves = self.leaves
        self.shared = np.zeros((steps.rows[SHARED], 1)), np.zeros((steps.rows[SHARED], 1))
        self._parameters: Array = self.shared[0][: len(leaves), 0]
        self.position = {leaf: i for i, leaf in enumerate(leaves)}
        self.column = {x: i for i, x in enumerate(inputs)}
        both = [(self.position[x], i) for i, x in enumerate(inputs) if x in self.position]
        self.both = np.array(both, np.intp).reshape(-1, 2)  # leaves that are parameter and input
        self.places = [steps.operand([steps.place[x]]) for x in outputs]
        self.watches = [self.watch(sign) for sign in dict.fromkeys(c.operator for c in self.comparisons)]
        self.has_choices = any(isinstance(step, RuleStep) and step.rule.choice for step in steps.steps)
        self.programs: OrderedDict[tuple[int, bool], Program] = OrderedDict()
        self.bindings: dict[Any, Positions] = {}  # rows of what was bound before
        self.each: Plan | None = None  # the same with the parameters as inputs, for lane_gradients
        self.last: Last | None = None
        self.lock = threading.RLock()
        self.read()

    # ---- numbers in and out ----

    @property
    def parameters(self) -> Array:
        return self._parameters

    @parameters.setter
    def parameters(self, numbers: Any) -> None:
        if numbers is self._parameters:  # after `plan.parameters -= step`
            return
        given = np.asarray(numbers)
        if given.dtype.kind not in "fiub" and given.size:
            raise TypeError(f"parameters are real numbers, got {numbers!r:.80}")
        if given.shape != self._parameters.shape:
            raise ValueError(
                f"the plan has {len(self.leaves)} parameters, got an array of shape {given.shape}: "
                "if the model has others now, make the plan anew with autograd.replay"
            )
        self._parameters[...] = given

    def read(self) -> None:
        """Take the leaves' numbers in again: those of the parameters, and of the leaves that are constants of the plan.

        Raises TypeError for a number that is no float, and changes nothing.
        """
        steps = self.steps
        rest = [steps.nodes[i] for i in steps.constants]
        numbers = [leaf.data for leaf in (*self.leaves, *rest)]
        if {*map(type, numbers)} - {float}:
            numbers = [float_of(leaf) for leaf in (*self.leaves, *rest)]
        with self.lock:
            self.shared[0][: len(numbers), 0] = numbers

    def __call__(
        self,
        columns: Any = None,
        *,
        reduce: str = "sum",
        upstream: Any = None,
        bind: Mapping[Value, Any] | None = None,
        lane_gradients: bool = False,
        input_gradients: bool = False,
    ) -> Result:
        """Run the graph forward and back on every row of `columns`.

        Args:
            columns: (lanes, inputs) real numbers; (lanes,) if there is one input; None if there is none, or all are bound.
            reduce: "sum" or "mean" over lanes.
            upstream: the upstream gradient of each output, by which it is weighted: a number, or an array that broadcasts to
                the shape of the values: (lanes,), or of a sequence of outputs (outputs, lanes), so that one number for each
                output is a column. By default 1.
            bind: per input the parameter that it is in this call, whose number it has and whose gradient it adds to: a leaf,
                one for each lane in a list, or an array of positions in `parameters` (lanes,). Its column is not looked at.
                A tuple of inputs may be bound at once: to as many leaves in a list, a list of these for each lane, or an
                array of positions (lanes, inputs).
            lane_gradients, input_gradients: whether to compute these, too. For lane_gradients a second plan is made and
                run, which knows no matrix products.

        Raises TypeError or ValueError, saying what was expected, for anything else, and BranchError (a RuntimeError) for
        lanes in which a comparison of Values goes the other way, unless the plan was given `otherwise`.
        """
        if reduce not in ("sum", "mean"):
            raise ValueError(f'reduce must be "sum" or "mean", got {reduce!r}')
        with self.lock, np.errstate(all="ignore"):
            given, bound = self.given(columns, bind)
            lanes = given.shape[1]
            seeds = self.seeds(upstream, lanes)
            program = self.program(lanes, input_gradients or bound is not None)
            if not self.watches:
                self.last = None  # its columns are these rows of the program: after an interruption there are none
            rows = program.load(given)
            program.run_forward()
            eager = self.elsewhere(program)
            if not eager:
                share = lanes if reduce == "mean" else 1
                result = self.swept(program, seeds, bound, input_gradients, share)
                if lane_gradients:
                    result = result._replace(lane_gradients=self.of_lanes(given, seeds, bound) / share)
            else:
                result = self.with_eager(eager, given, seeds, bound, lane_gradients, input_gradients)
                if reduce == "mean":
                    parts = {
                        name: x / lanes for name, x in result._asdict().items() if name != "values" and x is not None
                    }
                    result = result._replace(**parts)
            self.last = Last(given.copy() if self.watches else rows, seeds, bound)
            if active and detect_anomaly.on.get():
                self.check_finite(given, result)
        return result

    def check_finite(self, given: Array, result: Result) -> None:
        """Raise FloatingPointError, as `detect_anomaly` promises, if finite numbers gave one that is not finite."""
        if np.isfinite(given).all() and np.isfinite(self._parameters).all():
            wrong = ~np.isfinite(result.values).reshape(-1, given.shape[1]).all(0)
            if wrong.any() or not np.isfinite(result.gradients).all():
                where = (
                    f"lane {int(np.argmax(wrong))} of {given.shape[1]} gave {result.values.T[wrong][0]}"
                    if wrong.any()
                    else ("a gradient is not finite")
                )
                raise FloatingPointError(
                    f"{where}; plan.write_back(lane), outside detect_anomaly(), shows in a drawing where it began"
                )

    def given(self, columns: Any, bind: Mapping[Value, Any] | None) -> tuple[Array, Bound | None]:
        """The columns, inputs x lanes, with what is bound put in, and what is bound."""
        numbers = numbers_of(columns, len(self.inputs))
        if not bind:
            if numbers is None:
                if self.inputs:
                    raise ValueError(f"columns are missing: give an array of lanes x {len(self.inputs)} inputs")
                numbers = np.empty((1, 0))
            return numbers.T, None
        bound = self.bound(bind, None if numbers is None else len(numbers))
        if numbers is None and len(bound.rows) < len(self.inputs):
            raise ValueError(f"columns are missing: {len(bound.rows)} of {len(self.inputs)} inputs are bound")
        whole = np.zeros((len(self.inputs), bound.positions.shape[1])) if numbers is None else numbers.T.copy()
        whole[bound.rows] = self._parameters[bound.positions]
        return whole, bound

    def bound(self, bind: Any, lanes: int | None) -> Bound:
        """Which inputs are which parameters, by lane."""
        if not isinstance(bind, Mapping):
            raise TypeError(f"bind maps inputs to parameters, {{input: leaf}}; got {bind!r:.80}")
        keys = tuple(bind)
        rows = self.bindings.get(keys)
        if rows is None:
            inputs = [x for key in keys for x in (key if isinstance(key, tuple) else (key,))]
            if wrong := [x for x in inputs if not isinstance(x, Value) or x not in self.column]:
                raise ValueError(f"bind: {wrong[0]!r:.80} is not among the inputs of the plan")
            rows = np.array([self.column[x] for x in inputs], np.intp)
            if len(np.unique(rows)) < len(rows):
                raise ValueError("bind: an input is bound twice")
            if len(self.bindings) < MOST_PROGRAMS:
                self.bindings[keys] = rows
        found = [self.positions(leaves, len(key) if isinstance(key, tuple) else None) for key, leaves in bind.items()]
        counts = {x.shape[1] for x in found}
        lanes = max(counts) if lanes is None else lanes
        if not counts <= {1, lanes}:
            shown = ", ".join(map(str, sorted(counts - {1, lanes})))
            raise ValueError(
                f"bind: inputs are bound to {shown} leaves each, but there are {lanes} lanes: give one for each"
            )
        if len(found) > 1:
            found = [np.concatenate([x if x.shape[1] == lanes else np.repeat(x, lanes, axis=1) for x in found])]
        positions = np.broadcast_to(found[0], (len(rows), lanes))
        if positions.min() < 0 or positions.max() >= len(self.leaves):
            outside = (positions < 0) | (positions >= len(self.leaves))
            wrong_row = int(np.argmax(outside.any(1)))
            if (place := int(positions[outside][0])) != -1:
                raise ValueError(
                    f"bind: there is no position {place} in plan.parameters, only 0 to {len(self.leaves) - 1}"
                )
            raise ValueError(
                f"bind: {self.inputs[rows[wrong_row]]!r:.80} is bound to what is not among the {len(self.leaves)} parameters "
                "of the plan: name those that an input may be bound to in replay(..., parameters=...), in the graph or not"
            )
        return Bound(rows, positions)

    def positions(self, leaves: Any, inputs: int | None) -> Positions:
        """Inputs x lanes (or x 1) positions in `parameters`, of what one input (None), or so many, are bound to."""
        position = self.position
        if isinstance(leaves, Value):
            found = np.array([[position.get(leaves, -1)]], np.intp)
        elif isinstance(leaves, list | tuple) and leaves:
            nested = [[x] if isinstance(x, Value) else x for x in leaves]
            if not all(isinstance(row, list | tuple) and all(isinstance(x, Value) for x in row) for row in nested):
                raise TypeError(f"{BIND}; got {leaves!r:.80}")
            if len({len(row) for row in nested}) > 1:
                raise ValueError(
                    f"bind: each lane must be bound to as many leaves as there are inputs, got {leaves!r:.80}"
                )
            found = np.array([[position.get(x, -1) for x in row] for row in nested], np.intp)
            found = found if inputs is not None and isinstance(leaves[0], Value) else found.T
        else:
            given = leaves if isinstance(leaves, np.ndarray) else np.asarray(None)
            given = np.array(leaves) if isinstance(leaves, np.integer) else given
            if (
                given.dtype.kind not in "iu"
                or given.ndim not in ((0, 1) if inputs is None else (2,))
                or given.size == 0
            ):
                raise TypeError(f"{BIND}; got {leaves!r:.80}")
            found = given.astype(np.intp)
            found = found.reshape(1, -1) if inputs is None else np.atleast_2d(found).T
        if len(found) != (inputs or 1):
            raise ValueError(f"bind: {len(found)} leaves are given for {inputs or 1} inputs, which are bound together")
        return found

    def seeds(self, upstream: Any, lanes: int) -> Array | None:
        """The upstream gradients of the outputs, outputs x lanes; None if all are 1."""
        if upstream is None:
            return None
        seeds = np.empty((len(self.outputs), lanes))
        shape = (lanes,) if self.single else seeds.shape
        try:
            given = np.asarray(upstream)
            seeds[...] = np.broadcast_to(given.astype(float, casting="same_kind"), shape)
        except (TypeError, ValueError):
            hint = "" if self.single else "; one number for each output is a column, upstream[:, None]"
            raise ValueError(
                f"upstream must be a number, or an array that broadcasts to the values' shape {shape}{hint}; got "
                f"{upstream!r:.80}"
            ) from None
        return seeds

    # ---- running ----

    def program(self, lanes: int, for_inputs: bool) -> Program:
        """The calls for so many lanes, kept from before or made now."""
        key = lanes, for_inputs
        program = self.programs.get(key)
        if program is None:
            watched = [x for watch in self.watches for x in (*watch.left, *watch.right)]
            self.programs[key] = program = Program(self.steps, lanes, self.shared, self.places, watched, for_inputs)
            if len(self.programs) > MOST_PROGRAMS:
                self.programs.popitem(last=False)
        else:
            self.programs.move_to_end(key)
        return program

    def swept(
        self, program: Program, seeds: Array | None, bound: Bound | None, input_gradients: bool, share: int = 1
    ) -> Result:
        """The sweep of a program that has run forward, and what was asked for, divided by `share`."""
        program.sweep(seeds)
        (shared, lanes), count, size = program.upstream, len(self.inputs), len(self.leaves)
        if self.has_choices:
            # A choice's zero times an infinity is NaN, and NaN reaches the end: only then each zero is looked after.
            ends = float(np.dot(shared[:size, 0], shared[:size, 0]))
            if bound is not None or input_gradients:
                ends += float(lanes[:count].sum())
            elif len(self.both):
                ends += float(lanes[self.both[:, 1]].sum())
            if not math.isfinite(ends):
                program.sweep(seeds, careful=True)
        found = shared[:size, 0].copy() if share == 1 else shared[:size, 0] / share
        if len(both := self.both_but(bound)):
            found[both[:, 0]] = lanes[both[:, 1]].sum(1) / share
        if bound is not None:
            np.add.at(found, bound.positions, lanes[bound.rows] / share)
        values = program.outputs()[0] if self.single else program.outputs()
        return Result(values, found, None, lanes[:count].T / share if input_gradients else None)

    def both_but(self, bound: Bound | None) -> Positions:
        """Positions of the leaves that are parameter and input, and their rows as inputs, but for those bound now."""
        return self.both if bound is None else self.both[~np.isin(self.both[:, 1], bound.rows)]

    def of_lanes(self, given: Array, seeds: Array | None, bound: Bound | None) -> Array:
        """The gradients of each lane: those of the inputs of a plan that has the parameters as inputs."""
        if self.each is None:
            apart = [leaf for leaf in self.leaves if leaf not in self.column]
            inputs = [*self.inputs, *apart]
            each = Plan.__new__(Plan)
            each.prepare(self.outputs, inputs, Steps(self.outputs, inputs, []), self.single)
            self.apart = np.array([self.position[leaf] for leaf in apart], np.intp)
            theirs, mine = each.steps, self.steps
            same = [(theirs.row[i], mine.row[mine.place[theirs.nodes[i]]]) for i in theirs.constants]
            self.constants = np.array(same, np.intp).reshape(-1, 2)
            self.each = each  # the last, so that nothing is half made if this is interrupted
        count, lanes = len(self.inputs), given.shape[1]
        self.each.shared[0][self.constants[:, 0]] = self.shared[0][self.constants[:, 1]]
        numbers = np.broadcast_to(self._parameters[self.apart, None], (len(self.apart), lanes))
        program = self.each.program(lanes, True)
        program.load(np.concatenate([given, numbers]))
        program.run_forward()
        found = self.each.swept(program, seeds, None, True).input_gradients
        assert found is not None
        whole = np.zeros((lanes, len(self.leaves)))
        whole[:, self.apart] = found[:, count:]
        both = self.both_but(bound)
        whole[:, both[:, 0]] = found[:, both[:, 1]]
        if bound is not None:
            np.add.at(whole, (np.arange(lanes), bound.positions), found[:, bound.rows].T)
        return whole

    # ---- branches ----

    def watch(self, sign: str) -> Watch:
        """The comparisons with this sign, ready to be made in all lanes."""
        alike = [c for c in self.comparisons if c.operator == sign]
        steps = self.steps
        left, right = (
            [steps.operand([steps.place[x]]) for x in side] for side in zip(*[(c.left, c.right) for c in alike])
        )
        return Watch(COMPARE[sign], left, right, np.array([[c.outcome] for c in alike]), alike)

    def elsewhere(self, program: Program) -> list[int]:
        """The lanes that take another branch than the recorded graph; BranchError if there is no `otherwise`."""
        if not self.watches:
            return []
        went = np.zeros(program.lanes, bool)
        apart: list[tuple[Watch, npt.NDArray[np.bool_]]] = []
        for watch in self.watches:
            left, right = (
                np.concatenate([np.broadcast_to(program.values[x.bank][x.rows], (1, program.lanes)) for x in side])
                for side in (watch.left, watch.right)
            )
            other = watch.compare(left, right) != watch.outcomes
            if other.any():
                apart.append((watch, other))
                went |= other.any(0)
        lanes = [int(lane) for lane in np.flatnonzero(went)]
        if lanes and self.otherwise is None:
            differing = {id(watch.comparisons[i]) for watch, other in apart for i in np.flatnonzero(other[:, lanes[0]])}
            first = next(comparison for comparison in self.comparisons if id(comparison) in differing)
            shown = ", ".join(map(str, lanes[:10])) + ", ..." * (len(lanes) > 10)
            raise BranchError(
                f"{len(lanes)} of {program.lanes} lanes ({shown}) take another branch than the graph that was recorded: lane "
                f"{lanes[0]} at {first.line} `{first.source}`, where the comparison {first} was {first.outcome}. Choose by "
                "autograd.where(condition, x, y), which is decided in every lane; or give replay(..., "
                "otherwise=function) what computes such a lane eagerly",
                tuple(lanes),
            )
        return lanes

    def with_eager(
        self,
        eager: list[int],
        given: Array,
        seeds: Array | None,
        bound: Bound | None,
        lane_gradients: bool,
        input_gradients: bool,
    ) -> Result:
        """The result where some lanes are computed eagerly by `otherwise`, and the others replayed."""
        lanes, count = given.shape[1], len(self.leaves)
        rest = np.setdiff1d(np.arange(lanes), eager)
        values = np.empty((len(self.outputs), lanes))
        total = np.zeros(count)
        each = np.zeros((lanes, count))
        to_inputs = np.zeros((lanes, len(self.inputs)))
        if len(rest):
            part = bound and Bound(bound.rows, bound.positions[:, rest])
            of_rest = None if seeds is None else seeds[:, rest]
            program = self.program(len(rest), input_gradients or part is not None)
            program.load(given[:, rest])
            program.run_forward()
            found = self.swept(program, of_rest, part, input_gradients)
            values[:, rest] = found.values
            total += found.gradients
            if lane_gradients:
                each[rest] = self.of_lanes(given[:, rest], of_rest, part)
            if found.input_gradients is not None:
                to_inputs[rest] = found.input_gradients
        before = [leaf.data for leaf in self.leaves]
        try:
            self.put(self._parameters.tolist())
            for lane in eager:
                leaves = [Value(number) for number in given[:, lane].tolist()]
                with np.errstate(all="warn"):  # as it is outside
                    outputs = self.made_otherwise(leaves, lane)
                values[:, lane] = [output.data for output in outputs]
                weights = [1.0] * len(outputs) if seeds is None else seeds[:, lane].tolist()
                whole = outputs[0] if weights == [1.0] else dot(outputs, weights)  # swept at once, so that 0 stays 0
                slopes = gradients(whole, [*self.leaves, *leaves])
                each[lane], to_inputs[lane] = slopes[:count], slopes[count:]
                both = self.both_but(bound)
                each[lane, both[:, 0]] += to_inputs[lane, both[:, 1]]
                if bound is not None:
                    np.add.at(each[lane], bound.positions[:, lane], to_inputs[lane, bound.rows])
                total += each[lane]
        finally:
            self.put(before)
        return Result(
            values[0] if self.single else values,
            total,
            each if lane_gradients else None,
            to_inputs if input_gradients else None,
        )

    def put(self, numbers: list[Any]) -> None:
        """Numbers into the leaves of the parameters."""
        for leaf, number in zip(self.leaves, numbers, strict=True):
            leaf.data = number

    def made_otherwise(self, leaves: list[Value], lane: int) -> list[Value]:
        """The outputs of a lane as `otherwise` computes them."""
        assert self.otherwise is not None
        try:
            made = self.otherwise(leaves)
            outputs = values_of("the output of otherwise", [made] if isinstance(made, Value) else made)
            if len(outputs) != len(self.outputs):
                raise ValueError(f"otherwise gave {len(outputs)} outputs, but the plan has {len(self.outputs)}")
            return outputs
        except Exception as error:
            error.add_note(f"while computing lane {lane} eagerly by otherwise")
            raise

    # ---- back into the nodes ----

    def write_back(self, lane: int | None = None) -> None:
        """Put the parameters back into their leaves, as after a training; and a lane of the last call into all nodes.

        Without a lane only the leaves of the parameters are written to. With one, drawings show that example: every node is
        as if this lane had just been built eagerly and swept once, data, local derivatives, and as `grad` the gradient of
        the lane's outputs, each times its upstream gradient. If a rule raises, nothing has changed.

        The parameters are those of now, and so are the inputs that were bound to some of them.

        Raises RuntimeError before the first call, IndexError if there is no such lane, and BranchError for one that takes
        another branch, whose graph is not this one.
        """
        with self.lock:
            if lane is None:
                return self.put(self._parameters.tolist())
            if self.last is None:
                raise RuntimeError(
                    "write_back puts numbers of the last call into the nodes, and there was none: call the plan first"
                )
            lanes = self.last.columns.shape[1]
            try:
                index = operator.index(lane)
            except TypeError:
                raise TypeError(f"a lane is an int from 0 to {lanes - 1}, got {lane!r:.80}") from None
            if not -lanes <= index < lanes:
                raise IndexError(f"the last call had {lanes} lane{'s' * (lanes != 1)}, there is no lane {lane}")
            self.build_again(self.last, index % lanes)

    def build_again(self, last: Last, lane: int) -> None:
        """Every node with the numbers and the gradient that it has in a lane, or all as before if anything is raised."""
        columns, seeds, bound = last
        nodes = self.steps.nodes
        before = [(x, x.data, x.grad, x._y, x._dx, x._dy) for x in dict.fromkeys([*nodes, *self.leaves, *self.inputs])]
        try:
            self.put(self._parameters.tolist())
            for x, number in zip(self.inputs, columns[:, lane].tolist(), strict=True):
                x.data = number
            pairs = [] if bound is None else [*zip(bound.rows, bound.positions[:, lane])]
            for row, position in pairs:
                self.inputs[row].data = float(self._parameters[position])
            for node in nodes:
                if node._x is not None:
                    compute_again(node)
            for c in self.comparisons:
                if COMPARE[c.operator](c.left.data, c.right.data) != c.outcome:
                    raise BranchError(
                        f"lane {lane} takes another branch than this graph at {c.line} `{c.source}`, so its numbers are not "
                        "put into these nodes: build this example anew to see its graph",
                        (lane,),
                    )
            upstream: dict[Value, Any] = {}
            weights = [1.0] * len(self.outputs) if seeds is None else seeds[:, lane].tolist()
            for output, weight in zip(self.outputs, weights, strict=True):
                upstream[output] = upstream[output] + weight if output in upstream else weight
            for node in reversed(nodes):
                if node._x is not None and node in upstream:
                    for parent, term in contributions(node, upstream[node]):
                        upstream[parent] = upstream[parent] + term if parent in upstream else term
            for x, *_ in before:
                if type(x) is not Constant:
                    x.grad = upstream.get(x, 0.0)
            for row, position in pairs:
                if self.leaves[position] is not self.inputs[row]:
                    self.leaves[position].grad += upstream.get(self.inputs[row], 0.0)
        except BaseException:
            for x, *slots in before:
                x.data, x.grad, x._y, x._dx, x._dy = slots
            raise

    def to_jax(self, bind: Sequence[Value] = ()) -> Callable[..., Any]:
        """The plan as a pure function of JAX: `f(parameters, columns)` gives `(values, gradients)`.

        Both are those of `plan(columns)`, the gradients of the sum over lanes. With `bind`, a sequence of inputs, it is
        `f(parameters, columns, positions)`, where `positions`, integers (lanes, len(bind)), are the places in the parameters
        that give these inputs their numbers; their columns are not looked at. `upstream=` is as in a call of the plan.

        The function depends on its arguments alone, whatever becomes of the plan: constants are those it has now. So it is
        there for jit, for vmap, and for columns whose lanes are spread over devices:

            f = jax.jit(plan.to_jax())
            values, gradients = f(plan.parameters, columns)
            of_each_row = jax.vmap(f, in_axes=(0, None))(rows_of_parameters, columns)
            mesh = jax.sharding.Mesh(jax.devices(), ("lanes",))
            spread = jax.device_put(columns, NamedSharding(mesh, PartitionSpec("lanes")))
            values, gradients = f(plan.parameters, spread)      # each device computes its own lanes

        (The axes of a `Mesh` are automatic; give `jax.make_mesh` `axis_types=(jax.sharding.AxisType.Auto,)`.)

        It computes in the type of the parameters: float64 after `jax.config.update("jax_enable_x64", True)`, else float32.
        XLA takes numbers below 2.2e-308 for 0, and may round a product and a sum at once; otherwise numbers are NumPy's to a
        few units in the last place.

        Nothing can be raised while it runs. A lane that takes another branch than the one recorded (where the plan raises
        BranchError, or has `otherwise`) has the value NaN, and then all gradients are NaN; so they are for a position
        outside the parameters.

        Raises ImportError, saying how to install it, if there is no JAX, and ValueError for what in `bind` is no input.
        """
        from .on_jax import to_jax

        return to_jax(self, bind)

    def __repr__(self) -> str:
        return summary(self)

    def __str__(self) -> str:
        return description(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a plan is not pickled or copied: pickle its graph, and make the plan anew with autograd.replay"
        )


class Bound(NamedTuple):
    """Inputs that are parameters in one call: rows of the inputs, and inputs x lanes positions of the parameters."""

    rows: Positions
    positions: Positions


class Watch(NamedTuple):
    """Comparisons with one sign: where their sides are, and how they came out."""

    compare: Callable[[Array, Array], npt.NDArray[np.bool_]]
    left: list[Operand]
    right: list[Operand]
    outcomes: npt.NDArray[np.bool_]
    comparisons: list[Comparison]


COMPARE: dict[str, Any] = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}


@contextmanager
def collector_paused() -> Iterator[None]:
    """Many small objects and no cycles: looking through them for garbage again and again took a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def compute_again(node: Value) -> None:
    """A node's number and local derivatives from the numbers that its parents have now."""
    rule, parents = node.rule, node.parents
    numbers = tuple([parent.data for parent in parents])
    node.data = rule.forward(*numbers)
    slopes = tuple([None if rule.choice and s == 0 else s for s in rule.slopes(numbers, node.data)])
    if type(node._x) is tuple:
        node._y = slopes
    else:
        node._dx, node._dy = [None if type(p) is Constant else s for p, s in zip(parents, slopes)] + [None] * (
            2 - len(slopes)
        )


def values_of(name: str, given: Any, leaves: bool = False) -> list[Value]:
    """A checked list of Values; as leaves, each once."""
    if isinstance(given, Value) or not hasattr(given, "__iter__"):
        expected = "a sequence of Values" if leaves else "a Value or a sequence of Values"
        raise TypeError(f"{name} must be {expected}, got {given!r:.80} of type {type(given).__name__}")
    found = list(given.ravel() if hasattr(given, "ravel") else given)
    if {Value}.issuperset(map(type, found)) and (
        not leaves or (all(x._x is None for x in found) and len({*found}) == len(found))
    ):
        return found  # nothing to say against any, at a third of the time
    seen: dict[Value, int] = {}
    for i, x in enumerate(found):
        if not isinstance(x, Value):
            raise TypeError(f"{name}[{i}] must be a Value, got {x!r:.80} of type {type(x).__name__}")
        if leaves:
            if x._x is not None:
                raise ValueError(
                    f"{name}[{i}], {x!r}, is no leaf: it was computed by {x._op!r}; give what it was computed from"
                )
            if x in seen:
                raise ValueError(f"{name}[{i}], {x!r}, stands there already, as {name}[{seen[x]}]")
            seen[x] = i
    return found


def float_of(leaf: Value) -> float:
    """A leaf's number, which replay computes with as a float."""
    number = leaf.data
    if type(number) is not float:
        if not isinstance(number, (int, float, np.floating, np.integer)) or isinstance(number, bool):
            raise TypeError(
                f"replay computes with floats, and {leaf!r} holds a {type(number).__name__}; build the graph on floats, or "
                "stay with eager Values, which keep it exact"
            )
        number = float(number)
    return number


def numbers_of(columns: Any, inputs: int) -> Array | None:
    """Columns as an array of lanes x inputs, checked."""
    if columns is None:
        return None
    if isinstance(columns, np.ma.MaskedArray) and np.ma.is_masked(columns):
        raise ValueError("columns have masked entries; fill them, or leave these lanes out")
    expected = f"an array of lanes x {inputs} input{'s' * (inputs != 1)}"
    try:
        found = np.asarray(columns)
    except (TypeError, ValueError) as error:
        raise ValueError(f"columns must be {expected}, with equally many numbers in every lane: {error}") from None
    if found.dtype == object and all(isinstance(x, Real) for x in found.flat):
        try:
            found = found.astype(float)
        except OverflowError:
            raise ValueError(f"columns must be {expected} that are floats: one is too large for that") from None
    if found.dtype.kind not in "fiub":
        what = "complex numbers" if found.dtype.kind == "c" else f"entries of type {found.dtype}"
        raise TypeError(f"columns must be {expected}, of real numbers; got {what}")
    if found.ndim == 1 and inputs == 1:
        found = found[:, None]
    if found.ndim != 2 or found.shape[1] != inputs:
        advice = "; a single lane is a row, [[x1, x2, ...]]" if found.shape == (inputs,) else ""
        raise ValueError(f"columns must be {expected}, got an array of shape {found.shape}{advice}")
    if len(found) == 0:
        raise ValueError(f"columns have no lanes: give {expected}, with one lane at least")
    return found.astype(float, copy=False)
