"""Random points at which to look at a claim: other numbers of the same character, other sizes, other integers.

What is right must be right at all of them, so none may be a point where f means something else. Hence lengths that are equal
among the given arguments vary together; a point counts only if f runs there without an axis of length 1 being stretched that
was not stretched before; and a length that f or the claim knows by itself (an array or a number of its own) is not varied.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from itertools import combinations
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..engine import Value
from ..numeric import is_number
from .samples import Traced, plain, traced_result

SUM = 1e-9  # how far from 1 the sum of probabilities may be


class Argument(NamedTuple):
    """One argument as it was given."""

    name: str
    given: Any  # a float, an int, a float64, int or bool array; anything else as it is
    kind: str  # "float", "int", "floats", "ints" (int and bool arrays), "other"
    nested: bool = False  # given as nested lists: f gets them

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(self.given) if self.kind in ("floats", "ints") else ()


def argument(name: str, x: Any) -> Argument:
    """An argument of f, read as numbers. ValueError for lists whose lengths differ, or numbers that are complex."""
    if isinstance(x, Value):
        x = x.data
    if isinstance(x, (bool, np.bool_)) or x is None or isinstance(x, (str, bytes)) or callable(x):
        return Argument(name, x, "other")
    if isinstance(x, (int, np.integer)):
        return Argument(name, int(x), "int")
    if isinstance(x, complex) or (isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind == "c"):
        raise TypeError(f"{name} is complex ({x!r:.60}); gradients are checked for real numbers: pass its real part")
    if not isinstance(x, (list, tuple, np.ndarray)) and is_number(x):
        return Argument(name, float(x), "float")
    if isinstance(x, (list, tuple, np.ndarray)):
        nested = not isinstance(x, np.ndarray)
        try:
            array = np.array(x)
        except ValueError:
            if is_arrays(x):
                raise ValueError(each_its_own(name, x)) from None
            raise ValueError(
                f"{name} holds lists of different lengths: {x!r:.80}; make its rows equally long"
            ) from None
        if array.dtype == object:
            try:
                array = np.array([float(getattr(v, "data", v)) for v in array.flat]).reshape(array.shape)
            except (TypeError, ValueError):
                return Argument(name, x, "other")
        if array.dtype.kind not in "fiub":
            return Argument(name, x, "other")
        if array.ndim == 0:
            return argument(name, array.item())
        return Argument(
            name,
            array if array.dtype.kind in "iub" else array.astype(float),
            "floats" if array.dtype.kind == "f" else "ints",
            nested,
        )
    return Argument(name, x, "other")


def is_arrays(x: Any) -> bool:
    """Whether x is a list of arrays, and perhaps of numbers."""
    arrays = isinstance(x, (list, tuple)) and any(isinstance(one, np.ndarray) for one in x)
    return arrays and all(isinstance(one, np.ndarray) or is_number(one) for one in x)


def arrays_text(x: Any) -> str:
    """What a list of arrays is: "a list of 2 arrays, 3 x 2 and 2 x 3"."""
    shapes = [" x ".join(map(str, np.shape(one))) or "a number" for one in x[:5]]
    more = ", ..." if len(x) > 5 else ""
    return f"a {type(x).__name__} of {len(x)} arrays, {' and '.join(shapes)}{more}"


def each_its_own(name: str, x: Any) -> str:
    """What to do with a list or dict of parameters: each is an argument of its own, which f is given together."""
    if isinstance(x, dict):
        names = [str(key) for key in x][:5]
        what, together = f"a dict of {len(x)}", "{" + ", ".join([f'"{n}": {n}' for n in names]) + "}"
    else:
        names = [f"{name.removesuffix('s')}{i + 1}" for i in range(len(x))][:5]
        what = arrays_text(x)
        together = f"[{', '.join(names)}]"
    return (
        f"{name} is {what}, and each parameter is an argument of its own, so that its gradient has a name: "
        f"check_derivation(lambda {', '.join(names)}: f({together}), ...), with the other arguments of f as well"
    )


# ---- numbers of the same character ---------------------------------------------------------------------------------


def sums_to_one(x: Any) -> int | tuple[int, ...] | None:
    """The axis along which every sum is 1, or all axes; None if there is none, or if a number is negative."""
    x = np.asarray(x)
    if x.ndim == 0 or x.dtype == bool or x.size < 2 or (x < 0).any():
        return None
    axes: list[Any] = [tuple(range(x.ndim)), *reversed(range(x.ndim))]
    for axis in axes[1:] + axes[:1] if 1 in x.shape else axes:  # of one row it is the row that sums to 1
        if x.sum(axis=axis, keepdims=True).size < x.size and np.all(np.abs(x.sum(axis=axis) - 1) < SUM):
            return axis  # type: ignore[no-any-return]
    return None


def is_one_of(x: Any, *numbers: float) -> bool:
    return set(np.unique(x)) == set(numbers)


def draw(
    rng: np.random.Generator, argument: Argument, shape: tuple[int, ...], claimed: bool, free: bool = False
) -> Any:
    """Numbers as those of an argument are: positive if they are, within [0, 1], 0 or 1, summing to 1, symmetric.

    `free` ones of a claimed argument have any sign, and those that sum to 1 do not.
    """
    given = np.asarray(argument.given)
    axis = sums_to_one(given)
    if given.dtype == bool:
        return rng.integers(0, 2, shape).astype(bool)
    if argument.kind == "ints":
        if axis is not None:
            return (rng.integers(0, 3, shape) if free else one_hot(rng, shape, axis)).astype(given.dtype)
        low, high = (given.min(), given.max()) if given.size else (0, 0)
        return rng.integers(low, high, shape, endpoint=True).astype(given.dtype)
    size = float(np.sqrt(np.mean(given**2))) if given.size else 0.0
    size = size if size > 0 and np.isfinite(size) else 1.0
    normal = rng.standard_normal(shape)
    if axis is not None:
        if free:
            return rng.uniform(0.2, 1.2, shape)
        return one_hot(rng, shape, axis).astype(float) if is_one_of(given, 0, 1) else dirichlet(rng, shape, axis)
    if claimed and free:
        return normal * size
    if not claimed and given.size > 1:
        for pair in ((0, 1), (-1, 1)):
            if is_one_of(given, *pair):
                return rng.choice(pair, shape).astype(float)
        if given.ndim == 2 and len(shape) == 2 and shape[0] == shape[1] and np.array_equal(given, given.T):
            return (normal @ normal.T / len(normal) if positive_definite(given) else (normal + normal.T) / 2) * size
    if given.size and (given != 0).any():
        if given.min() >= 0 and given.max() <= 1:
            return rng.uniform(0.05, 0.95, shape) if given.max() > 0.1 else np.minimum(size * np.exp(normal / 2), 0.9)
        if given.min() >= 0:
            return size * np.exp(normal / 2)
        if given.max() <= 0:
            return -size * np.exp(normal / 2)
    return normal * size


def is_tame(argument: Argument) -> bool:
    """Whether the given numbers are confined: drawn `free`, they may be others."""
    given = np.asarray(argument.given)
    return bool(given.size and (given != 0).any() and (given.min() >= 0 or given.max() <= 0))


def positive_definite(x: Any) -> bool:
    return bool(np.isfinite(x).all() and np.linalg.eigvalsh(x).min() > 0)


def one_hot(rng: np.random.Generator, shape: tuple[int, ...], axis: Any) -> Any:
    x = rng.uniform(size=shape)
    return (x == x.max(axis=axis, keepdims=True)).astype(int)


def dirichlet(rng: np.random.Generator, shape: tuple[int, ...], axis: Any) -> Any:
    x = rng.exponential(size=shape) + 0.05
    return x / x.sum(axis=axis, keepdims=True)


# ---- sizes ---------------------------------------------------------------------------------------------------------


def own_lengths(function: Any, depth: int = 2) -> set[int]:
    """Lengths that a Python function brings along in its closure and globals: of arrays and lists of numbers, and ints.

    So does what it calls there, one level down.
    """
    if not inspect.isfunction(function) or not depth:
        return set()
    found = inspect.getclosurevars(function)
    lengths: set[int] = set()
    for x in [*found.nonlocals.values(), *found.globals.values()]:
        if isinstance(x, (int, np.integer)) and not isinstance(x, bool):
            lengths.add(int(x))
        elif isinstance(x, (np.ndarray, list, tuple)):
            lengths |= set(shape_of(x))
        else:
            lengths |= own_lengths(x, depth - 1)
    return lengths


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of an array, or of nested lists of numbers; of anything else ()."""
    try:
        array = np.asarray(x)
    except ValueError:  # lists of different lengths
        return (len(x),)
    numbers = array.dtype.kind in "fiub" or any(isinstance(one, Value) for one in array.flat)
    return array.shape if numbers else ()


def written_numbers(function: Any) -> set[int]:
    """The ints that stand in a Python function's code."""
    if not inspect.isfunction(function):
        return set()
    return {int(x) for x in function.__code__.co_consts if type(x) in (int, float) and np.isfinite(x) and x == int(x)}


class Watched(Traced):
    """A traced array that notes which operands an operation stretches from length 1.

    An axis that f itself made, as in `b[:, np.newaxis]`, is there to be stretched.
    """

    stretched: ClassVar[set[Any]] = set()
    made: tuple[bool, ...] = ()  # for each axis, from the last, whether it is such a one

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        if method == "__call__" and ufunc.signature is None and len(inputs) == 2:
            shapes = [np.shape(x) if isinstance(x, np.ndarray) else () for x in inputs]
            if all(shapes):
                flags = tuple(
                    [
                        tuple([found and not made for found, made in zip(stretches(shape, other), axes_made(x, shape))])
                        for x, shape, other in zip(inputs, shapes, shapes[::-1])
                    ]
                )
                if any(map(any, flags)):
                    Watched.stretched.add((ufunc.__name__, flags))
        return watched(super().__array_ufunc__(ufunc, method, *inputs, out=out, **options))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return watched(super().__array_function__(function, types, args, kwargs))

    def __getitem__(self, key: Any) -> Any:
        arrays = [np.shape(x) for x in key if np.ndim(x)] if isinstance(key, tuple) else []
        for shape, other in combinations(arrays, 2):
            flags = (tuple(stretches(shape, other)), tuple(stretches(other, shape)))
            if any(map(any, flags)):
                Watched.stretched.add(("index", flags))
        found = super().__getitem__(key)
        if isinstance(found, Watched) and None in [
            x for x in (key if isinstance(key, tuple) else (key,)) if not np.ndim(x)
        ]:
            steps = np.lib.stride_tricks.as_strided(np.empty(1), self.shape, (1,) * self.ndim)[key].strides
            found.made = tuple([step == 0 for step in reversed(steps)])
        return found


def axes_made(x: Any, shape: tuple[int, ...]) -> tuple[bool, ...]:
    return getattr(x, "made", ()) or (False,) * len(shape)


def watched(x: Any) -> Any:
    return x.view(Watched) if isinstance(x, np.ndarray) and x.ndim else x


def stretches(shape: tuple[int, ...], other: tuple[int, ...]) -> list[bool]:
    """For each axis, from the last, whether this shape is stretched to the other's length there; a missing axis is not."""
    return [n == 1 and m != 1 for n, m in zip(reversed(shape), reversed(other))]


def leaves_of(x: Any) -> Any:
    """A leaf for each number: of an array an object array, of a float a Value."""
    if not isinstance(x, np.ndarray):
        return Value(float(x))
    leaves = np.empty(x.size, dtype=object)
    for i, number in enumerate(x.ravel().tolist()):
        leaves[i] = Value(number)
    return leaves.reshape(x.shape)


def as_f_takes(argument: Argument, x: Any) -> Any:
    """Leaves or numbers of an argument as f is given them: traced arrays, or nested lists."""
    if argument.nested:
        return plain(x).tolist()
    return x if isinstance(x, Traced) else traced_result(x)


def stretches_more(found: tuple[str, Any], before: Iterable[Any]) -> bool:
    """Whether an operation stretches an operand that it did not stretch in any of the cases before."""
    name, flags = found

    def within(other: Any) -> bool:
        return len(flags) == len(other) and all(
            len(x) == len(y) and all(b or not a for a, b in zip(x, y)) for x, y in zip(flags, other)
        )

    return not any(name == known and within(other) for known, other in before)
