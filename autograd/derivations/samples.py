"""One point at which a claimed gradient is looked at, and the graph of the function there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import operations


class Sample(NamedTuple):
    """A claim and the engine's gradients at one point."""

    arguments: dict[str, Any]  # the numbers and arrays of the point, by name
    sizes: dict[int, int]  # a length among the given arguments' axes -> that length here
    output: Any  # f there: a Value, or an object array of Values
    leaves: dict[str, Any]  # of each claimed argument: a Value, or an object array of them, in its shape
    gradient: dict[str, Any]  # the engine's, float64 arrays of shape output.shape + argument.shape
    claimed: dict[str, Any]  # float64 arrays, or the exception that the claim raised
    kind: str  # "given", "random", "sizes", "square", "one", "integers", "sums"
    varied: dict[str, Any]  # what makes it special: a size or an integer argument, and its number here


class Traced(np.ndarray[Any, Any]):
    """An object array of Values on which NumPy's choices make nodes.

    On a plain object array `np.maximum` and `np.minimum` select by `>=`, so that a number that wins is no node, and a bool
    does not multiply a Value. Everything else is NumPy's own; `np.amax` keeps selecting.
    """

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        given = [plain(x) for x in inputs]
        if any(x.dtype == object for x in given if isinstance(x, np.ndarray)):  # a mask beside Values counts as 0 and 1
            given = [
                x.astype(int) if isinstance(x, (np.ndarray, np.bool_)) and x.dtype.kind == "b" else x for x in given
            ]
        if out is not None:
            options["out"] = tuple(map(plain, out))
        if method == "__call__" and ufunc in CHOICES and out is None:
            return traced_result(CHOICES[ufunc](*given))
        return traced_result(getattr(ufunc, method)(*given, **options))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function in CHOICES and not kwargs:
            return traced_result(CHOICES[function](*map(plain, args)))
        return traced_result(super().__array_function__(function, types, args, kwargs))


def where(condition: Any, *branches: Any) -> Any:
    """`np.where`; of three arguments `autograd.where`."""
    if branches:
        return operations.where(np.asarray(condition, dtype=bool), *map(np.asarray, branches))
    return np.where(condition)


def clip(x: Any, low: Any, high: Any) -> Any:
    """`np.clip` of both bounds or one."""
    x = x if low is None else operations.maximum(x, low)
    return x if high is None else operations.minimum(x, high)


# What chooses between two numbers, in NumPy and here
CHOICES: dict[Any, Callable[..., Any]] = {
    np.maximum: operations.maximum,
    np.minimum: operations.minimum,
    np.where: where,
    np.clip: clip,
}


def plain(x: Any) -> Any:
    """A traced array as NumPy's own."""
    return x.view(np.ndarray) if isinstance(x, Traced) else x


def traced_result(x: Any) -> Any:
    """An array of objects as a traced one; anything else as it is."""
    return x.view(Traced) if isinstance(x, np.ndarray) and x.dtype == object else x
