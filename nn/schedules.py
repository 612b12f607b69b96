"""Learning-rate schedules: which share of the learning rate each step takes.

    optimizer = SGD(model.parameters(), lr=0.1, schedule=warmup(100, then=cosine(900)))

A schedule is a function of the number of steps taken so far (0 before the first) that returns the factor of `lr`; any
function of yours will do. Those here keep their last value when their steps are over. The numbers are those of PyTorch's
schedulers with one `scheduler.step()` after each `optimizer.step()`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Schedule", "cosine", "linear", "step_decay", "warmup"]

Schedule = Callable[[int], float]


@dataclass(frozen=True)
class step_decay:
    """`factor` once more after `every` so many steps: factor^floor(t / every). PyTorch's StepLR."""

    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        _check_steps("step_decay", "every", self.every)
        _check_factors(self, "factor")
        if self.factor > 1:
            raise ValueError(f"step_decay takes as factor a number from 0 to 1, got {self.factor!r}")

    def __call__(self, t: int) -> float:
        return float(self.factor ** (t // self.every))


@dataclass(frozen=True)
class linear:
    """In a straight line from `start` to `end` in so many steps: start + (end - start) t / steps. PyTorch's LinearLR."""

    steps: int
    start: float = 1.0
    end: float = 0.0

    def __post_init__(self) -> None:
        _check_steps("linear", "steps", self.steps)
        _check_factors(self, "start", "end")

    def __call__(self, t: int) -> float:
        return self.end if t >= self.steps else self.start + (self.end - self.start) * t / self.steps


@dataclass(frozen=True)
class cosine:
    """From 1 to `end` along half a cosine, flat at both ends: end + (1 - end) (1 + cos(pi t / steps)) / 2.

    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017, without restarts. PyTorch's
    CosineAnnealingLR with T_max = steps and eta_min = end * lr, which rises again after so many steps; this one stays.
    """

    steps: int
    end: float = 0.0

    def __post_init__(self) -> None:
        _check_steps("cosine", "steps", self.steps)
        _check_factors(self, "end")

    def __call__(self, t: int) -> float:
        return self.end + (1 - self.end) * (1 + math.cos(math.pi * min(t, self.steps) / self.steps)) / 2


@dataclass(frozen=True)
class warmup:
    """In a straight line from `start` to 1 in so many steps; after them as `then` says, counting from 0 again, or 1.

    Goyal and others, "Accurate, Large Minibatch SGD", 2017: large first steps do harm. PyTorch's LinearLR(start_factor=start,
    total_iters=steps), followed by another scheduler in SequentialLR(milestones=[steps]).
    """

    steps: int
    then: Schedule | None = None
    start: float = 0.1

    def __post_init__(self) -> None:
        _check_steps("warmup", "steps", self.steps)
        check_schedule("warmup's then", self.then)
        _check_factors(self, "start")

    def __call__(self, t: int) -> float:
        if t < self.steps:
            return linear(self.steps, self.start, 1.0)(t)
        return 1.0 if self.then is None else self.then(t - self.steps)


def check_schedule(name: str, schedule: object) -> None:
    """A TypeError unless `schedule` is None or can be called."""
    if schedule is not None and not callable(schedule):
        raise TypeError(
            f"{name} must be a function of the number of steps taken so far, such as cosine(1000); got {schedule!r}"
        )


def checked_factor(schedule: Schedule, t: int) -> float:
    """schedule(t) as a float. Raises ValueError, naming the step, for anything but a finite number of at least 0."""
    factor = schedule(t)
    try:
        checked = math.nan if isinstance(factor, bool | str) else float(factor)
    except (TypeError, ValueError, OverflowError):
        checked = math.nan
    if not 0 <= checked < math.inf:
        raise ValueError(
            f"the schedule {schedule!r} gave {factor!r} after {t} steps: it must give the factor of the learning rate, "
            "a finite number of at least 0"
        )
    return checked


def _check_steps(schedule: str, name: str, steps: object) -> None:
    try:
        count = 0 if isinstance(steps, bool) else operator.index(steps)  # type: ignore[arg-type]
    except TypeError:
        count = 0
    if count < 1:
        raise ValueError(f"{schedule} takes as {name} a whole number of at least 1, got {steps!r}")


def _check_factors(schedule: object, *names: str) -> None:
    for name in names:
        factor = getattr(schedule, name)
        if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 <= factor < math.inf:
            kind = type(schedule).__name__
            raise ValueError(f"{kind} takes as {name} a finite number of at least 0, got {factor!r}")
