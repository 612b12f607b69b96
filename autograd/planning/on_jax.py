"""Steps as a pure function of JAX: one array for each step, and gathers instead of scatters.

The results of a step are one array, rows x lanes (rows x 1 in the bank SHARED). A later step takes the rows that it reads out
of the arrays that have them; the sweep takes the contributions to a step's rows out of the arrays of those who sent them. So
what XLA has to compile grows with the number of steps, not of nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine import Value
from .kernels import STACK, Call, Ref, function_of, kernel
from .rows import ZERO, Array, Collected, Summed, Taken, together
from .steps import LANES, SHARED, DotStep, Indices, MatrixStep, Operand, RuleStep, Step, needed_rows

if TYPE_CHECKING:
    from .plan import Plan

PARAMETERS, CONSTANTS, INPUTS, FIRST = range(4)  # numbers of the arrays that are not a step's, and of the first step's


def imported() -> Any:
    """The module jax."""
    try:
        import jax
    except ImportError as error:
        raise ImportError(
            "to_jax needs JAX, which is not installed: python -m pip install 'scalar-autograd[jax]'"
        ) from error
    return jax


# ---- the function ----------------------------------------------------------------------------------------------------


class Run:
    """The arrays of one evaluation.

    values   by number: those of PARAMETERS, CONSTANTS and INPUTS, and of each step
    parts    by number: contributions to upstream gradients
    kept     by a step's number: what it computed, for its sweep
    """

    def __init__(self, jax: Any, values: dict[int, Array], lanes: int) -> None:
        self.values, self.lanes = values, lanes
        self.zeros = [jax.numpy.zeros((1, 1), values[PARAMETERS].dtype)] * 2
        if lanes > 1:
            self.zeros[LANES] = jax.numpy.zeros((1, lanes), values[PARAMETERS].dtype)
        self.parts: dict[int, Array] = {}
        self.kept: dict[int, Any] = {}


Forward = Callable[[Run], Array]  # the values of a step
Sweep = Callable[[Run, Array], None]  # sends the contributions of a step on, given its upstream gradients


class Program:
    """The steps of a plan, with every table settled, as functions of a Run."""

    def __init__(self, plan: Plan, bind: Sequence[Value]) -> None:
        self.jax, self.single = imported(), plan.single
        steps = self.steps = plan.steps
        self.count, self.inputs = len(plan.leaves), len(plan.inputs)
        self.constants = plan.shared[0][self.count : self.count + len(steps.constants)].copy()
        self.sizes = {PARAMETERS: self.count, CONSTANTS: len(self.constants), INPUTS: self.inputs}
        self.lows: list[list[int]] = [[0, self.count], [0]]  # per bank, where its arrays begin
        self.arrays: list[list[int]] = [[PARAMETERS, CONSTANTS], [INPUTS]]  # and their numbers
        self.needed = needed_rows(steps, bool(bind))
        # what is sent to each array: the part, rows of it, and the rows of the array that they are for
        self.sent: dict[int, list[tuple[int, Indices, Indices]]] = {}
        self.part_sizes: dict[int, int] = {}

        makers: dict[type[Step], Callable[[Any], tuple[Forward, Callable[[], Sweep]]]] = {
            RuleStep: self.rule,
            DotStep: self.dot,
            MatrixStep: self.matrix,
        }
        self.forward: list[Forward] = []
        sweeps = []
        for number, step in enumerate(steps.steps, FIRST):
            forward, sweep = makers[type(step)](step)
            self.forward.append(forward)
            sweeps.append(sweep)
            self.sizes[number] = len(step.nodes)
            self.lows[step.bank].append(step.low)
            self.arrays[step.bank].append(number)
        self.watches = list(self.watched(plan))
        places, self.order, self.own = by_bank(plan.places, 1)
        self.outputs = [self.read(place) for place in places]
        self.seeds = [(self.send(place), place.bank) for place in places]
        self.backward: list[tuple[Callable[[Run], Array], Sweep]] = []
        for number in range(FIRST + len(steps.steps) - 1, FIRST - 1, -1):
            step = steps.steps[number - FIRST]
            if number in self.sent and self.needed[step.bank][step.low : step.high].any():
                self.backward.append((self.collected(number, step.bank), sweeps[number - FIRST]()))
        self.bound = np.array([plan.column[x] for x in bind], np.intp)
        self.to_inputs = self.collected(INPUTS, LANES) if INPUTS in self.sent else None
        self.both: tuple[Indices, int] | None = None
        both = plan.both[~np.isin(plan.both[:, 1], self.bound)]
        if len(both) and self.to_inputs:
            self.both = both[:, 1], self.send(Operand(SHARED, both[:, 0]))
        self.to_parameters = self.collected(PARAMETERS, SHARED) if PARAMETERS in self.sent else None
        if len(bind):
            sources = np.zeros(self.inputs, np.intp)
            own = np.arange(self.inputs)
            sources[self.bound], own[self.bound] = 1, np.arange(len(bind))
            self.columns = Taken({0: self.inputs, 1: len(bind)}, sources, own)

    # ---- reading and sending ----

    def place(self, bank: int, rows: Indices) -> tuple[Indices, Indices]:
        """The numbers of the arrays that have these rows of a bank, and the rows there."""
        lows, arrays = np.array(self.lows[bank]), np.array(self.arrays[bank])
        at = np.searchsorted(lows, rows, side="right") - 1
        return arrays[at], rows - lows[at]

    def read(self, operand: Operand) -> Callable[[Run], Array]:
        """The rows of an operand, flat."""
        take = Taken(self.sizes, *self.place(operand.bank, operand.rows.ravel()))
        return lambda run: take(self.jax, run.values)

    def send(self, operand: Operand) -> int:
        """A new part, which holds contributions to an operand's rows; ZERO if nobody asks for them."""
        rows = operand.rows.ravel()
        wanted = np.flatnonzero(self.needed[operand.bank][rows])
        if not len(wanted):
            return ZERO
        part = len(self.part_sizes)
        self.part_sizes[part] = len(rows)
        arrays, rows = self.place(operand.bank, rows[wanted])
        for array in np.unique(arrays).tolist():
            own = arrays == array
            self.sent.setdefault(array, []).append((part, wanted[own], rows[own]))
        return part

    def whole(self, arrays: Sequence[Array], lanes: int, order: Taken | None) -> Array:
        """The rows of each bank, of as many lanes, as one array, in the order of `by_bank`."""
        found = together(self.jax, [self.jax.numpy.broadcast_to(x, (len(x), lanes)) for x in arrays])
        return order(self.jax, {0: found}) if order else found

    def apart(self, array: Array, own: Sequence[Taken]) -> list[Array]:
        """The rows of each bank out of such an array."""
        return [take(self.jax, {0: array}) for take in own]

    def give(self, run: Run, part: int, bank: int, contribution: Array) -> None:
        """Keep contributions, if they are asked for; those to rows that all lanes share are summed over lanes."""
        if part == ZERO:
            return
        if bank == SHARED and contribution.shape[1] > 1:
            contribution = contribution.sum(1, keepdims=True)
        run.parts[part] = contribution

    def collected(self, array: int, bank: int) -> Callable[[Run], Array]:
        """The upstream gradients of an array: the sum of what was sent to it."""
        collect = Collected(self.part_sizes, self.sent[array], self.sizes[array])
        return lambda run: collect(self.jax, {**run.parts, ZERO: run.zeros[bank]})

    # ---- a rule, read with arrays ----

    def rule(self, step: RuleStep) -> tuple[Forward, Callable[[], Sweep]]:
        rule, many, number = step.rule, step.rule.arity is None, FIRST + len(self.forward)
        count, fan = len(step.nodes), len(step.operands)
        calls = kernel(rule, fan, self.steps.kernels)
        jnp, operands = self.jax.numpy, step.operands
        if many:
            operands, order, own = by_bank(operands, count)
        readers = [self.read(operand) for operand in operands]

        def forward(run: Run) -> Array:
            shape = (count, run.lanes if step.bank == LANES else 1)
            arrays = [read(run) for read in readers]
            if many:
                arrays = [self.whole(arrays, shape[1], order).reshape(fan, *shape)]
            registers = dict(enumerate(arrays))
            self.write(calls.forward, registers, shape, many)
            value = jnp.asarray(taken(registers, calls.value, many), run.values[PARAMETERS].dtype)
            out = jnp.broadcast_to(value, (1, *shape) if many else shape)
            registers[calls.inputs] = out
            run.kept[number] = registers
            return out.reshape(shape)

        def make_sweep() -> Sweep:
            zero = [rule.choice and not isinstance(slope, Ref) and slope == 0 for slope in calls.slopes]
            parts = (
                [self.send(x) for x in operands]
                if many
                else [ZERO if none else self.send(x) for none, x in zip(zero, operands, strict=True)]
            )

            def sweep(run: Run, upstream: Array) -> None:
                registers, shape = run.kept.pop(number), upstream.shape
                found: list[Any] = []
                for group, slope in zip(calls.backward, calls.slopes, strict=True):
                    self.write(group, registers, shape, many)
                    found.append(self.product(taken(registers, slope, many), upstream, rule.choice))
                if many:
                    whole = jnp.broadcast_to(found[0], (fan, *shape)).reshape(fan * count, -1)
                    found = self.apart(whole, own)
                for part, operand, contribution in zip(parts, operands, found, strict=True):
                    self.give(run, part, operand.bank, contribution)

            return sweep

        return forward, make_sweep

    def product(self, slope: Any, upstream: Array, choice: bool) -> Array:
        """A contribution; of a choice exactly 0 where the slope is: not chosen."""
        if not hasattr(slope, "shape"):
            return upstream if slope == 1 else -upstream if slope == -1 else slope * upstream
        return self.jax.numpy.where(slope == 0, 0, slope * upstream) if choice else slope * upstream

    def write(self, calls: Iterable[Call], registers: dict[int, Array], shape: tuple[int, int], many: bool) -> None:
        """The calls of a kernel."""
        jnp = self.jax.numpy
        for call in calls:
            given = [taken(registers, x, many) for x in call.operands]
            if call.operation == STACK:
                rows = [x.count if isinstance(x, Ref) else 1 for x in call.operands]
                parts = [jnp.broadcast_to(x, (n, *shape)) for x, n in zip(given, rows, strict=True)]
                registers[call.out] = jnp.concatenate(parts)  # numbers take the type of the others
            elif call.reduce:
                registers[call.out] = function_of(call.operation, jnp).reduce(given[0], 0, keepdims=True)
            elif call.operation == "**" and call.operands[1] == 2:
                registers[call.out] = jnp.square(given[0])
            else:
                registers[call.out] = function_of(call.operation, jnp)(*given)

    # ---- sums of products ----

    def dot(self, step: DotStep) -> tuple[Forward, Callable[[], Sweep]]:
        count, number, jnp = len(step.nodes), FIRST + len(self.forward), self.jax.numpy
        products = [
            (self.read(left), self.read(right), segments(starts, left)) for left, right, starts in step.products
        ]
        singles = [(self.read(operand), segments(starts, operand)) for operand, starts in step.singles]
        every = [which for *_, which in products] + [which for _, which in singles]
        sums = [Summed({0: len(which)}, 0 * which, np.arange(len(which)), which, count) for which in every]

        def forward(run: Run) -> Array:
            factors = [(left(run), right(run)) for left, right, _ in products]
            run.kept[number] = factors
            terms = [x * y for x, y in factors] + [read(run) for read, _ in singles]
            found = [add(self.jax, {0: x, ZERO: jnp.zeros_like(x[:1])}) for add, x in zip(sums, terms, strict=True)]
            total = sum(found[1:], found[0])
            return jnp.broadcast_to(total, (count, run.lanes if step.bank == LANES else 1))

        def make_sweep() -> Sweep:
            spread = [Taken({0: count}, 0 * which, which) for which in every]
            sides = [(self.send(left), self.send(right)) for left, right, _ in step.products]
            alone = [self.send(operand) for operand, _ in step.singles]

            def sweep(run: Run, upstream: Array) -> None:
                each = [take(self.jax, {0: upstream}) for take in spread]
                kept = run.kept.pop(number)
                for (x, y), given, parts, (left, right, _) in zip(kept, each, sides, step.products):
                    if parts[0] != ZERO:
                        self.give(run, parts[0], left.bank, given * y)
                    if parts[1] != ZERO:
                        self.give(run, parts[1], right.bank, given * x)
                for given, part, (operand, _) in zip(each[len(kept) :], alone, step.singles, strict=True):
                    self.give(run, part, operand.bank, given)

            return sweep

        return forward, make_sweep

    # ---- matrix products ----

    def matrix(self, step: MatrixStep) -> tuple[Forward, Callable[[], Sweep]]:
        (m, k), p, number = step.weights.rows.shape, step.inputs.rows.shape[1], FIRST + len(self.forward)
        read_weights, read_inputs = self.read(step.weights), self.read(step.inputs)
        read_bias = self.read(step.bias) if step.bias else None
        tensordot = self.jax.numpy.tensordot

        def forward(run: Run) -> Array:
            weights, inputs = read_weights(run).reshape(m, k), read_inputs(run).reshape(k, p, run.lanes)
            run.kept[number] = weights, inputs
            out = tensordot(weights, inputs, 1)
            if read_bias:
                bias = read_bias(run)
                out = out + bias.reshape(m, -1, bias.shape[1])
            return out.reshape(m * p, run.lanes)

        def make_sweep() -> Sweep:
            to_weights, to_inputs = self.send(step.weights), self.send(step.inputs)
            to_bias = self.send(step.bias) if step.bias else ZERO

            def sweep(run: Run, upstream: Array) -> None:
                weights, inputs = run.kept.pop(number)
                upstream = upstream.reshape(m, p, run.lanes)
                if to_weights != ZERO:
                    run.parts[to_weights] = tensordot(upstream, inputs, ((1, 2), (1, 2))).reshape(m * k, 1)
                if step.bias:
                    one_for_all = step.bias.rows.size == m < m * p
                    own = upstream.sum(1) if one_for_all else upstream.reshape(m * p, run.lanes)
                    self.give(run, to_bias, step.bias.bank, own)
                if to_inputs != ZERO:
                    run.parts[to_inputs] = tensordot(weights, upstream, ((0,), (0,))).reshape(k * p, run.lanes)

            return sweep

        return forward, make_sweep

    # ---- branches ----

    def watched(self, plan: Plan) -> Iterable[tuple[Any, ...]]:
        """Recorded comparisons: how to compare, how to read both sides, how they came out."""
        for watch in plan.watches:
            groups: dict[tuple[int, int], list[int]] = {}
            for i, (left, right) in enumerate(zip(watch.left, watch.right, strict=True)):
                groups.setdefault((left.bank, right.bank), []).append(i)
            for banks, group in groups.items():
                reads = [
                    self.read(Operand(bank, np.concatenate([side[i].rows for i in group])))
                    for bank, side in zip(banks, (watch.left, watch.right), strict=True)
                ]
                yield function_of(watch.comparisons[0].operator, self.jax.numpy), *reads, watch.outcomes[group]

    # ---- from numbers to numbers ----

    def __call__(self, parameters: Any, columns: Any, positions: Any, upstream: Any) -> tuple[Array, Array]:
        with np.errstate(all="ignore"):  # a rule's largest number is infinite in float32
            return self.evaluated(parameters, columns, positions, upstream)

    def evaluated(self, parameters: Any, columns: Any, positions: Any, upstream: Any) -> tuple[Array, Array]:
        jnp = self.jax.numpy
        parameters = jnp.asarray(parameters)
        if parameters.shape != (self.count,):
            raise ValueError(f"the plan has {self.count} parameters, got an array of shape {parameters.shape}")
        if jnp.issubdtype(parameters.dtype, jnp.complexfloating):
            raise TypeError("parameters must be real numbers, got complex ones")
        if not jnp.issubdtype(parameters.dtype, jnp.floating):
            parameters = parameters.astype(float)
        given, bound = self.given(parameters, columns, positions)
        lanes = given.shape[1]
        constants = jnp.asarray(self.constants, parameters.dtype)
        run = Run(self.jax, {PARAMETERS: parameters[:, None], CONSTANTS: constants, INPUTS: given}, lanes)
        for number, forward in enumerate(self.forward, FIRST):
            run.values[number] = forward(run)
        values = self.whole([read(run) for read in self.outputs], lanes, self.order)
        seeds = jnp.ones_like(values)
        if upstream is not None:
            weights, shape = jnp.asarray(upstream), (lanes,) if self.single else values.shape
            try:
                seeds = jnp.broadcast_to(weights, shape).astype(values.dtype).reshape(values.shape)
            except ValueError:
                raise ValueError(
                    f"upstream must broadcast to the values' shape {shape}, got an array of shape {weights.shape}"
                ) from None
        for (part, bank), own in zip(self.seeds, self.apart(seeds, self.own), strict=True):
            self.give(run, part, bank, own)
        for collect, sweep in self.backward:
            sweep(run, collect(run))
        gradients = jnp.zeros_like(parameters)
        of_inputs = self.to_inputs(run) if self.to_inputs else None
        if self.both and of_inputs is not None:
            rows, part = self.both
            run.parts[part] = of_inputs[rows].sum(1, keepdims=True)
        if self.to_parameters:
            gradients = self.to_parameters(run)[:, 0]
        if bound is not None and of_inputs is not None:
            gradients = gradients.at[bound].add(of_inputs[self.bound])
        went = [(compare(left(run), right(run)) != outcomes).any(0) for compare, left, right, outcomes in self.watches]
        if bound is not None:
            went.append(((bound < 0) | (bound >= self.count)).any(0))
        for other in went:
            values = jnp.where(other, jnp.nan, values)
            gradients = jnp.where(other.any(), jnp.nan, gradients)
        return (values[0] if self.single else values), gradients

    def given(self, parameters: Array, columns: Any, positions: Any) -> tuple[Array, Array | None]:
        """The inputs, inputs x lanes, with what is bound put in; and the positions of that, bound inputs x lanes."""
        jnp, bound = self.jax.numpy, len(self.bound)
        numbers = None
        if columns is not None:
            numbers = jnp.asarray(columns)
            if jnp.issubdtype(numbers.dtype, jnp.complexfloating):
                raise TypeError("columns must be real numbers, got complex ones")
            if numbers.ndim == 1 and self.inputs == 1:
                numbers = numbers[:, None]
            if numbers.ndim != 2 or numbers.shape[1] != self.inputs or not len(numbers):
                raise ValueError(
                    f"columns must be an array of lanes x {self.inputs} inputs, got one of shape {numbers.shape}"
                )
            numbers = numbers.astype(parameters.dtype).T
        elif bound < self.inputs:
            raise ValueError(f"columns are missing: {bound} of {self.inputs} inputs are bound")
        if not bound:
            return (jnp.zeros((0, 1), parameters.dtype) if numbers is None else numbers), None
        positions = jnp.asarray(positions)
        if not jnp.issubdtype(positions.dtype, jnp.integer):
            raise TypeError(f"positions must be integers, places in the parameters; got {positions.dtype}")
        lanes = len(positions) if numbers is None and positions.ndim else 1 if numbers is None else numbers.shape[1]
        if positions.shape != (lanes, bound) or not lanes:
            raise ValueError(
                f"positions must be an array of {lanes} lanes x {bound} bound inputs, got one of shape {positions.shape}"
            )
        own = parameters.at[positions.T].get(mode="clip")
        return self.columns(self.jax, {0: own if numbers is None else numbers, 1: own}), positions.T


def taken(registers: Mapping[int, Array], place: Any, many: bool) -> Any:
    """The rows that a Ref means, or a number."""
    if not isinstance(place, Ref):
        return float(place)
    array = registers[place.register]
    return array[place.start : place.start + place.count] if many else array


def by_bank(operands: Sequence[Operand], count: int) -> tuple[list[Operand], Taken | None, list[Taken]]:
    """Operands of `count` rows each as one for each bank; how to put their rows in order again; how to take them apart."""
    banks, size = np.array([operand.bank for operand in operands]), {0: len(operands) * count}
    groups = [np.flatnonzero(banks == bank).tolist() for bank in np.unique(banks)]
    found = [Operand(operands[i[0]].bank, np.concatenate([operands[j].rows for j in i])) for i in groups]
    rows = [(np.array(i)[:, None] * count + np.arange(count)).ravel() for i in groups]
    order = np.argsort(np.concatenate(rows))
    return found, Taken(size, 0 * order, order) if len(groups) > 1 else None, [Taken(size, 0 * x, x) for x in rows]


def segments(starts: Indices, operand: Operand) -> Indices:
    """Of each term which sum it belongs to."""
    size = operand.rows.size
    return np.repeat(np.arange(len(starts)), np.diff(starts, append=size))


def to_jax(plan: Plan, bind: Sequence[Value] = ()) -> Callable[..., tuple[Array, Array]]:
    """The function that `Plan.to_jax` describes."""
    bind = [bind] if isinstance(bind, Value) else list(bind)
    for x in bind:
        if not isinstance(x, Value) or x not in plan.column:
            raise ValueError(f"bind: {x!r:.80} is not among the inputs of the plan")
    if len({*bind}) < len(bind):
        raise ValueError("bind: an input stands there twice")
    program = Program(plan, bind)

    def values_and_gradients(parameters: Any, columns: Any = None, upstream: Any = None) -> tuple[Array, Array]:
        """(parameters,) and (lanes, inputs) to the values of all lanes and the gradients of their sum."""
        return program(parameters, columns, None, upstream)

    def values_and_gradients_bound(
        parameters: Any, columns: Any, positions: Any, upstream: Any = None
    ) -> tuple[Array, Array]:
        """The same; `positions` (lanes, bound inputs) are the places in `parameters` of the numbers of the inputs bound."""
        return program(parameters, columns, positions, upstream)

    return values_and_gradients_bound if bind else values_and_gradients
