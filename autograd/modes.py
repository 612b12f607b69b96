"""Three switches on recording, each a context manager and a decorator: `no_grad()`, `detect_anomaly()` and `record()`."""

import sys
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from math import inf
from typing import Any, TypeVar

from .numeric import home

Function = TypeVar("Function", bound=Callable[..., Any])

# One token per mode entered, in any thread: while it is empty, an operation need not look its own modes up.
active: set[object] = set()


class Mode:
    """A switch that holds for the thread and the asyncio task that turns it on, until its block or function ends."""

    on: ContextVar[Any]  # None, or what it was before and the token of this entry: threads may share an instance

    def __enter__(self) -> object:
        self.enter(object())
        return self

    def enter(self, token: object) -> None:
        active.add(token)
        self.on.set((self.on.get(), token))

    def __exit__(self, *exception: object) -> None:
        before, token = self.on.get()
        self.on.set(before)
        active.discard(token)

    def __call__(self, function: Function) -> Function:
        """Decorate a function or coroutine function: the mode is on while it runs.

        Raises TypeError for a generator function, whose caller's code runs in between.
        """
        from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction

        mode = type(self)
        if not callable(function) or isgeneratorfunction(function) or isasyncgenfunction(function):
            raise TypeError(
                f"@{mode.__name__}() decorates functions and coroutine functions, not {function!r}; "
                f"in a generator write `with {mode.__name__}():` around the steps that need it"
            )

        @wraps(function)
        def decorated(*args: Any, **kwargs: Any) -> Any:
            with mode():
                return function(*args, **kwargs)

        @wraps(function)
        async def decorated_coroutine(*args: Any, **kwargs: Any) -> Any:
            with mode():
                return await function(*args, **kwargs)

        return decorated_coroutine if iscoroutinefunction(function) else decorated  # type: ignore[return-value]


class no_grad(Mode):
    """Operations inside compute numbers and record nothing: their results are leaves.

    >>> with no_grad():
    ...     loss = model_loss()          # no graph, no slopes, less memory
    """

    on = ContextVar("no_grad", default=None)


class detect_anomaly(Mode):
    """Operations inside raise FloatingPointError at the first non-finite value or slope that came from finite operands.

    The error names the operation, its label, the operands and the line that made the node.

    >>> with detect_anomaly():
    ...     loss = model_loss()
    """

    on = ContextVar("detect_anomaly", default=None)


class Block:
    """What one `with record():` block remembers.

    Attributes:
        comparisons: a list of `autograd.branches.Comparison`, in the order in which somebody asked for their truth.
    """

    __slots__ = ("comparisons", "outer")

    def __init__(self, outer: "Block | None") -> None:
        self.comparisons: list[Any] = []
        self.outer = outer  # the block around it, which remembers the same: what it makes may hang on a choice in here

    def remember(self, comparison: Any) -> None:
        block: Block | None = self
        while block is not None:
            block.comparisons.append(comparison)
            block = block.outer


class record(Mode):
    """Comparisons of Values inside are remembered, so that a replay can tell whether it would have gone another way.

    >>> with record() as block:
    ...     loss = model_loss()          # `if v > 0`, `max(values)`, `sorted(values)` are remembered
    >>> block.comparisons

    Inside, `v > 0` or `a <= b` is no bool but an `autograd.branches.Comparison`, which behaves as one and is remembered
    when somebody asks for its truth; `autograd.where` on one makes a node that decides anew whenever its operands change.
    `autograd.replay` then refuses a lane for which a remembered comparison goes the other way.

    What Python sees of a Value in other ways is not remembered: a number read through `.data` is a constant, and so is
    what is chosen by one. Choose inside the block in which you compute: what is made after it is not known to hang on it.
    Under `no_grad()` nothing is recorded, and comparisons are bools. Blocks hold for their thread or asyncio task; of
    blocks within each other each remembers what is asked inside it.

    A graph made inside is freed by reference counting alone as long as nothing was remembered. What is remembered holds its
    Values and they the block, a cycle that the garbage collector frees.
    """

    on = ContextVar("record", default=None)

    def __enter__(self) -> Block:
        around = self.on.get()
        block = Block(around and around[1])
        self.enter(block)
        return block


def recording_block() -> Block | None:
    """The innermost `record()` block, if operations are recorded at all."""
    entry = record.on.get()
    return entry[1] if entry and not no_grad.on.get() else None


def finite(x: Any) -> bool:
    return home(x) == "sympy" or bool(abs(x) < inf)


def check_finite(rule: Any, operands: Any, out: Any, slopes: Any) -> None:
    """Raise FloatingPointError if finite operands gave a value or slope that is not finite."""
    if all(finite(x.data) for x in operands) and not (finite(out) and all(map(finite, slopes))):
        given = ", ".join(f"{x.label} = {x.data!r}" if x.label else repr(x.data) for x in operands[:8])
        raise FloatingPointError(
            f"{rule.name} of {given} gave {out!r} with local derivatives "
            f"{', '.join(map(repr, slopes[:8]))} ({calling_line()})"
        )


def calling_line() -> str:
    """The file and line, as "file:line", that called into autograd."""
    frame = sys._getframe(1)
    while frame.f_back and str(frame.f_globals.get("__name__")).partition(".")[0] == "autograd":
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def check_sweep(order: Any) -> None:
    """Raise FloatingPointError at the first node of a sweep that made a gradient of finite factors overflow."""
    for node in reversed(order):
        for parent, slope in zip(node.parents, node.slopes):
            if slope is not None and finite(node.grad) and finite(slope) and not finite(node.grad * slope):
                raise FloatingPointError(
                    f"the gradient of {parent!r} is not finite: {node!r} ({node._op}) has the "
                    f"upstream gradient {node.grad!r} and the local derivative {slope!r}"
                )
