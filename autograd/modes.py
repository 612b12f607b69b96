"""Two switches on recording, each a context manager and a decorator: `no_grad()` and `detect_anomaly()`."""

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

    on: ContextVar[
        Any
    ]  # None, or what it was before and the token of this entry: one instance may be shared by threads

    def __enter__(self) -> "Mode":
        token = object()
        active.add(token)
        self.on.set((self.on.get(), token))
        return self

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


def finite(x: Any) -> bool:
    return home(x) == "sympy" or bool(abs(x) < inf)


def check_finite(rule: Any, operands: Any, out: Any, slopes: Any) -> None:
    """Raise FloatingPointError if finite operands gave a value or slope that is not finite."""
    if all(finite(x.data) for x in operands) and not (finite(out) and all(map(finite, slopes))):
        frame = sys._getframe(1)
        while frame.f_back and str(frame.f_globals.get("__name__")).partition(".")[0] == "autograd":
            frame = frame.f_back
        given = ", ".join(f"{x.label} = {x.data!r}" if x.label else repr(x.data) for x in operands[:8])
        raise FloatingPointError(
            f"{rule.name} of {given} gave {out!r} with local derivatives "
            f"{', '.join(map(repr, slopes[:8]))} ({frame.f_code.co_filename}:{frame.f_lineno})"
        )


def check_sweep(order: Any) -> None:
    """Raise FloatingPointError at the first node of a sweep that made a gradient of finite factors overflow."""
    for node in reversed(order):
        for parent, slope in zip(node.parents, node.slopes):
            if slope is not None and finite(node.grad) and finite(slope) and not finite(node.grad * slope):
                raise FloatingPointError(
                    f"the gradient of {parent!r} is not finite: {node!r} ({node._op}) has the "
                    f"upstream gradient {node.grad!r} and the local derivative {slope!r}"
                )
