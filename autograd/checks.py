"""Is a gradient right? Compare it with differences of the function itself.

    >>> print(check_gradients(lambda x, y: x * y**2, 2.0, 3.0))
    2 gradients and 4 second derivatives agree with differences ...

A difference (f(x + h) - f(x - h)) / 2h is wrong by the curvature it spans when h is large, and by rounding when h is small.
So it is taken at steps that shrink, its limit at step 0 is extrapolated (Richardson 1911), and of all extrapolations the one
counts whose neighbours differ least from it: that difference is its error estimate (Ridders 1982). It is never trusted beyond
what rounding allows, which the graph tells: rounding a node moves the output by a few units in the node's last place, times
the node's gradient (Linnainmaa 1976).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, isfinite, nan
from typing import Any, NamedTuple

from .engine import Value, gradients, topological_sort
from .functional import Argnum, Arguments, as_node, scalar, spell
from .modes import no_grad

FIRST_STEP, RATIO, STEPS = 0.11, 3.3, 16  # no round numbers: a function's period must not fit the steps
ROUNDING = 4 * 2.0**-52  # of a node, relative: a rule's result is good to a few units in the last place
TINY = 2.0**-1070  # ... and absolute: numbers end at 2**-1074
MARGIN = 10  # a difference may be this many times its error estimate away from the truth
EXACT = 1e-7  # nothing is asked to agree more closely than this, relative
SHARP = 2e-6  # the margin must be smaller than this, relative, so that a factor of 1 + 1e-5 stands out
DROWNED = 1e4  # ... or the error estimate smaller than this many times the rounding error of a step of full size
ASIDE = 1.3e-3  # how far to move away from a kink; nothing round either


class GradientError(AssertionError):
    """A gradient that differs from what differences give, or that no difference can measure."""


class Report(NamedTuple):
    """What `check_gradients` compared, and how well it agreed."""

    gradients: int
    second_derivatives: int
    worst: float  # the largest relative error, among gradients that rounding does not drown
    where: str  # ... and of which argument; "" if there is none
    drowned: tuple[str, ...]  # arguments whose gradient is so small beside f that only its size could be checked
    kinks: tuple[str, ...]  # arguments at a point that is not smooth, and so were checked to both sides of it

    def __str__(self) -> str:
        text = counted(self.gradients, "gradient")
        if self.second_derivatives:
            text += " and " + counted(self.second_derivatives, "second derivative")
        text += " agree with differences"
        if self.where:
            text += f" (worst relative error {self.worst:.1e}, at {self.where})"
        if self.drowned:
            text += f"; too small beside f to measure well: {', '.join(self.drowned)}"
        if self.kinks:
            text += f"; not smooth, so checked to both sides: {', '.join(self.kinks)}"
        return text


def counted(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"


# ---- differences ---------------------------------------------------------------------------------------------------


class Limit:
    """The limit at step 0 of a quantity that is known at steps h, h / RATIO, h / RATIO**2, ...

    Args:
        powers: those powers of the step that appear in the quantity's series, in order.

    Attributes:
        value: the best extrapolation so far; NaN before the second step.
        error: its error estimate.
        noise: how far rounding may have moved what it was computed from.
    """

    def __init__(self, powers: Sequence[int]) -> None:
        self.powers, self.row = powers, list[float]()
        self.value, self.error, self.noise = nan, inf, 0.0

    def add(self, change: float, step: float, noise: float) -> None:
        """The quantity at the next step, change / step, and how far rounding may have moved the change."""
        row = [change / step]
        for power, longer in zip(self.powers, self.row, strict=False):
            shorter = row[-1]
            row.append(shorter + (shorter - longer) / (RATIO**power - 1))
            error = max(abs(row[-1] - shorter), abs(row[-1] - longer), noise / step)
            if error <= self.error:
                self.value, self.error, self.noise = row[-1], error, noise
        self.row = row


class Slope:
    """A derivative as it is measured: from both sides at once, and from either side alone.

    Args:
        middle: the function's value at the point.
        noise: how far rounding may move the function's value.
        scale: the size of a step on which it changes.
    """

    def __init__(self, middle: float, noise: float, scale: float) -> None:
        self.middle, self.noise, self.scale = middle, noise, scale
        self.central, self.left, self.right = Limit((2, 4, 6, 8)), Limit((1, 2, 3, 4)), Limit((1, 2, 3, 4))

    def add(self, back: float, low: float, forth: float, high: float) -> None:
        """The function's values a step back and a step forth."""
        noise = max(self.noise, ROUNDING * max(abs(low), abs(high)), TINY)
        self.central.add(high - low, back + forth, noise)
        self.left.add(self.middle - low, back, noise)
        self.right.add(high - self.middle, forth, noise)

    @property
    def size(self) -> float:
        """The larger of the slopes to the two sides."""
        return max(abs(self.left.value), abs(self.right.value))

    @property
    def kink(self) -> bool:
        """Whether the slopes to the two sides differ."""
        doubt = MARGIN * (self.left.error + self.right.error)
        return abs(self.right.value - self.left.value) > doubt + SHARP * self.size

    @property
    def sharp(self) -> bool:
        """Whether a factor of 1 + 1e-5 stands out."""
        return MARGIN * self.central.error <= SHARP * abs(self.central.value)

    @property
    def drowned(self) -> float:
        """The error estimate below which rounding hides whatever there is."""
        return DROWNED * self.central.noise / self.scale

    @property
    def error(self) -> float:
        """The error estimate. Where f is level, its difference is 0 at any step: only one side tells how much f curves."""
        return self.central.error if self.sharp else max(self.central.error, self.left.error, self.right.error)

    @property
    def measured(self) -> bool:
        """Whether the difference is good enough to judge a gradient by."""
        return self.sharp or (self.central.error <= self.drowned and self.error <= 100 * self.drowned)

    @property
    def settled(self) -> bool:
        """Whether smaller steps would be in vain."""
        done = self.central.error <= 0.01 * max(SHARP / MARGIN * abs(self.central.value), self.drowned)
        sides = self.left.error + self.right.error
        return done and (self.kink or sides <= max(SHARP * self.size, 100 * self.drowned))


def measure(function: Callable[[float], list[float]], x: float, middle: list[float], noise: list[float]) -> list[Slope]:
    """The derivative at x of each number that the function returns: by steps that suit x, or else numbers about 1."""
    best: list[Slope] = []
    for scale in dict.fromkeys((max(1.0, abs(x)), min(1.0, abs(x) or 1.0))):  # the larger first
        slopes = [Slope(*start, scale) for start in zip(middle, noise, strict=True)]
        taken = 0
        for k in range(STEPS):
            low, high = x - FIRST_STEP * scale / RATIO**k, x + FIRST_STEP * scale / RATIO**k
            lows, highs = function(low), function(high)
            if low < x < high and all(map(isfinite, (*lows, *highs))):
                taken += 1
                for slope, *around in zip(slopes, lows, highs, strict=True):
                    slope.add(x - low, around[0], high - x, around[1])
                if taken > 2 and all(slope.settled for slope in slopes):
                    return slopes
        best = [min(pair, key=lambda slope: slope.central.error) for pair in zip(best or slopes, slopes, strict=True)]
    return best


# ---- what is compared ----------------------------------------------------------------------------------------------


class Row(NamedTuple):
    """One derivative: what the engine got, and what differences expect."""

    name: str
    got: float
    expected: float
    allowed: float  # how far apart they may be
    measured: bool  # whether the difference is good enough to judge by
    kink: bool = False

    @property
    def agrees(self) -> bool:
        return self.measured and abs(self.got - self.expected) <= self.allowed

    @property
    def size(self) -> float:
        return max(abs(self.got), abs(self.expected))

    @property
    def relative_error(self) -> float:
        return abs(self.got - self.expected) / self.size if self.size else 0.0

    @property
    def telling(self) -> bool:
        """Whether a factor of 1 + 1e-5 would have been seen."""
        return self.allowed < 1e-5 * self.size


def judged(name: str, got: float, slope: Slope) -> Row:
    """What the engine got beside what was measured."""
    expected = slope.central.value
    allowed = MARGIN * slope.error + EXACT * abs(expected)
    return Row(name, got, expected, allowed, slope.measured, slope.kink)


class Computed(NamedTuple):
    """A number that the engine computed: f itself, or one of its gradients."""

    data: float
    noise: float  # how far rounding may have moved it
    gradient: list[float]


class Subject:
    """f as a function of a list of floats, the numbers of its differentiated arguments in order."""

    def __init__(self, f: Callable[..., Any], argnum: Argnum, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        self.arguments = Arguments(f, argnum, args, kwargs)
        self.names = [spell(path) for path in self.arguments.numbers]
        self.point = [real(x, name) for x, name in zip(self.arguments.numbers.values(), self.names, strict=True)]
        self.known: dict[Any, list[Computed]] = {}

    def run(self, point: list[float]) -> tuple[Value, list[Value]]:
        """f's output at a point, and the leaves it was computed from."""
        leaves = [Value(x) for x in point]
        return as_node(scalar(self.arguments.f, self.arguments.call(leaves))), leaves

    def numbers(self, point: list[float], order: int) -> list[float]:
        """What is differenced: f (order 1), or every one of its gradients (order 2)."""
        output, leaves = self.run(point)
        numbers = [output.data] if order == 1 else gradients(output, leaves)
        return [real(x, "what f returns") for x in numbers]

    def numbers_nearby(self, point: list[float], order: int) -> list[float]:
        """The same; NaN where f cannot be computed."""
        try:
            return self.numbers(point, order)
        except (ArithmeticError, ValueError):
            return [nan]

    def computed(self, point: list[float], order: int) -> list[Computed]:
        """The same numbers with the engine's gradients of them.

        Raises GradientError if one is infinite or NaN.
        """
        key = (*point, order)
        if key not in self.known:
            output, leaves = self.run(point)
            outputs = [output] if order == 1 else gradients(output, leaves, create_graph=True)
            self.known[key] = [self.with_gradient(output, leaves) for output in outputs]
        return self.known[key]

    def with_gradient(self, output: Value, leaves: list[Value]) -> Computed:
        nodes = topological_sort(output)
        data, slopes = real(output, "what f returns"), list(map(float, gradients(output, [*leaves, *nodes])))
        gradient = slopes[: len(leaves)]
        for name, leaf, slope in zip(self.names, leaves, gradient, strict=True):
            if not isfinite(slope) or not isfinite(data):
                raise GradientError(
                    f"at {name} = {leaf.data!r} f, or a derivative of it, is {data!r} with gradient {slope!r}: "
                    "move the arguments to where both are finite; autograd.detect_anomaly() names the operation"
                )
        moved = [
            abs(node.data * slope) for node, slope in zip(nodes, slopes[len(leaves) :], strict=True) if node.parents
        ]
        return Computed(data, ROUNDING * sum(filter(isfinite, moved)), gradient)

    def compare(self, point: list[float], i: int, order: int) -> list[Row]:
        """The engine's derivatives with respect to number i beside differences."""
        here = self.computed(point, order)
        slopes = measure(
            lambda x: self.numbers_nearby([*point[:i], x, *point[i + 1 :]], order),
            point[i],
            [number.data for number in here],
            [number.noise for number in here],
        )
        name = self.names[i] if point == self.point else f"{self.names[i]} moved to {point[i]:.6g}"
        names = [name] if order == 1 else [f"{each}, {name}" for each in self.names]
        return [judged(*each) for each in zip(names, (number.gradient[i] for number in here), slopes, strict=True)]

    def compare_aside(self, i: int, order: int) -> list[Row]:
        """The same on both sides of a kink; and at it, the engine's gradient must lie between those to the sides."""
        x = self.point[i]
        step = ASIDE * max(1.0, abs(x))
        left, right = (self.compare([*self.point[:i], z, *self.point[i + 1 :]], i, order) for z in (x - step, x + step))
        if order == 2:
            return left + right
        got = self.computed(self.point, order)[0].gradient[i]
        middle = self.compare(self.point, i, order)[0]
        if abs(got - middle.expected) <= middle.allowed:  # level and smooth after all, like x**3 at 0
            return [*left, *right]
        low, high = sorted((left[0].expected, right[0].expected))
        slack = 0.01 * max(abs(low), abs(high))  # a step away it is not quite the slope at the kink
        return [*left, *right, Row(f"{self.names[i]} at a kink", got, min(max(got, low), high), slack, True, kink=True)]


def real(x: Any, name: str) -> float:
    """x as a float; a TypeError if it is complex."""
    number = x.data if isinstance(x, Value) else x
    try:
        return float(number)
    except TypeError:
        raise TypeError(f"differences need real numbers, but {name} is {number!r}") from None


def check_gradients(
    f: Callable[..., Any], *args: Any, order: int = 2, argnum: Argnum | None = None, **kwargs: Any
) -> Report:
    """Compare the engine's derivatives of f at these arguments with differences.

    Args:
        f: a function that returns one number. It is run many times, and must return the same each time.
        args, kwargs: its arguments: real numbers, or nested lists, tuples, dicts and NumPy arrays of them, read as floats.
        order: 1 compares the gradient; 2 also every second derivative, with differences of the engine's gradient.
        argnum: the arguments to differentiate, by position or name, or a tuple of these; all of them unless given.

    A derivative passes if it is within 10 error estimates of the difference, plus 1e-7 of its size. Where 10 error estimates
    come to more than 2e-6 of its size, a factor of 1 + 1e-5 could hide: that is no measurement, and the check fails and says
    so. An exception is a derivative so small beside f that rounding drowns it: it passes if it is within 10 error estimates,
    and the report names it.

    Where the slopes to the two sides differ, or no step gives a sharp difference, f is taken to have a kink (relu at 0, a tie
    of maximum). There the gradient must lie between those on the two sides, and both sides are checked in its place, 0.0013
    away (times the argument, if that is above 1). The report names such arguments.

    It takes about 12 evaluations of f for each number, at order 2 as many sweeps more.

    Returns a `Report`; `print` it.

    Raises:
        GradientError: a derivative is wrong, not finite, or cannot be measured; with a table of what was got and expected.
        TypeError: an argument or what f returns is not a real number.
        ValueError: order is neither 1 nor 2, or f does not return the same for the same arguments.
    """
    if order not in (1, 2):
        raise ValueError(f"order is 1 (gradients) or 2 (second derivatives as well), got {order!r}")
    recording = no_grad.on.set(None)
    try:
        subject = Subject(f, (*range(len(args)), *kwargs) if argnum is None else argnum, args, kwargs)
        (once,), (again,) = subject.computed(subject.point, 1), subject.numbers(subject.point, 1)
        if once.data != again:
            raise ValueError(f"f must return the same for the same arguments, got {once.data!r}, then {again!r}")
        compared: list[list[Row]] = []
        kinks: set[int] = set()
        for each_order in range(1, order + 1):
            rows: list[Row] = []
            for i in range(len(subject.point)):
                here = subject.compare(subject.point, i, each_order)
                if any(row.kink or not row.measured for row in here):
                    kinks.add(i)
                rows += subject.compare_aside(i, each_order) if i in kinks else here
            if not all(row.agrees for row in rows):
                raise GradientError(table(rows, "gradients" if each_order == 1 else "second derivatives"))
            compared.append(rows)
    finally:
        no_grad.on.reset(recording)
    telling = [row for rows in compared for row in rows if row.telling]
    worst = max(telling, key=lambda row: row.relative_error, default=None)
    return Report(
        gradients=len(compared[0]),
        second_derivatives=sum(map(len, compared[1:])),
        worst=worst.relative_error if worst else 0.0,
        where=worst.name if worst else "",
        drowned=tuple(row.name for rows in compared for row in rows if row.got and not row.telling and not row.kink),
        kinks=tuple(f"{subject.names[i]} = {subject.point[i]!r}" for i in sorted(kinks)),
    )


def table(rows: list[Row], what: str, most: int = 20) -> str:
    """The text of a GradientError: the wrong rows, aligned, and those that could not be measured."""
    failed = [row for row in rows if not row.agrees]
    lines = [("argument", "got", "expected", "relative error")]
    for row in failed[:most]:
        lines.append((row.name, f"{row.got:.12g}", f"{row.expected:.12g}", f"{row.relative_error:.1e}"))
        if not row.measured:
            lines[-1] = (row.name, f"{row.got:.12g}", "not measurable", "")
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [f"{len(failed)} of {len(rows)} {what} do not agree with differences"]
    text += ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    if len(failed) > most:
        text.append(f"... and {len(failed) - most} more")
    if not all(row.measured for row in failed):
        text.append(
            "Not measurable: no step gives a sharp difference there. f may jump, oscillate, end its domain or lose its "
            "digits; try other arguments."
        )
    return "\n".join(text)
