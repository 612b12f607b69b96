"""Derivatives of functions: grad, value_and_grad, jacobian, hessian, hvp and jvp.

    >>> def f(x, y):
    ...     return x * y**2
    >>> grad(f)(2.0, 3.0)
    9.0
    >>> grad(f, argnum=("x", "y"))(2.0, 3.0)
    (9.0, 12.0)

Each takes a function f and an `argnum`: the argument to differentiate with respect to, by position or by name, or a tuple of
these. That argument is a number or any nesting of lists, tuples, dicts and NumPy arrays of numbers, and the result has its
shape. Everything else that f is given reaches it untouched.

Results are plain numbers, unless a Value is involved: in an argument, or one that f brings along. Then they are Values, whose
graph leads on to it (none does under `no_grad()`). This is why derivatives nest: `grad(grad(f))`, or a function that takes a
gradient inside.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

from .engine import Constant, Value, gradients, topological_sort
from .modes import no_grad
from .numeric import is_number, ratio

Path = tuple[Any, ...]  # where a number stands: an argument's position or name, then the indices and keys
Argnum = int | str | tuple[int | str, ...]

# ---- nested structures of numbers ----------------------------------------------------------------------------------


def is_array(x: Any) -> bool:
    """Whether x is a NumPy array; NumPy is not imported for asking."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(x, numpy.ndarray)


def as_node(x: Any) -> Value:
    """x, a Value or a number, as a node; that of a number takes no gradient."""
    return x if isinstance(x, Value) else Constant(x)


def map_numbers(change: Callable[[Any, Path], Any], structure: Any, path: Path = ()) -> Any:
    """A structure like this one, with `change(number, path)` in place of every number.

    Whatever is not a list, tuple, dict or NumPy array counts as a number: `change` may refuse it.
    """
    if isinstance(structure, dict):
        changed = structure.copy()
        for key, item in structure.items():
            changed[key] = map_numbers(change, item, (*path, key))
        return changed
    if is_array(structure):
        indices = sys.modules["numpy"].ndindex(structure.shape)
        return array_of([change(structure[index], path + index) for index in indices], structure.shape)
    if not isinstance(structure, (list, tuple)):
        return change(structure, path)
    items = [map_numbers(change, item, (*path, index)) for index, item in enumerate(structure)]
    if isinstance(structure, list):
        return items
    return type(structure)(*items) if hasattr(structure, "_fields") else tuple(items)


def array_of(items: list[Any], shape: tuple[int, ...]) -> Any:
    """A NumPy array of this shape; made of equal arrays, one array with their axes behind it."""
    numpy = sys.modules["numpy"]
    if items and is_array(items[0]):
        return numpy.stack(items).reshape(*shape, *items[0].shape)
    array = numpy.empty(len(items), dtype=object)
    for index, item in enumerate(items):
        array[index] = item
    return (array.astype(float) if all(type(item) is float for item in items) else array).reshape(shape)


def numbers_of(structure: Any) -> dict[Path, Any]:
    """The numbers in a structure, in order, by where they stand."""
    found: dict[Path, Any] = {}
    map_numbers(lambda x, path: found.setdefault(path, x), structure)
    return found


def spell(path: Path) -> str:
    """A path as Python would write it: `args[0]['w'][2]`, or `weights[2]` for an argument given by name."""
    first, *rest = path
    return (first if isinstance(first, str) else f"args[{first}]") + "".join(f"[{key!r}]" for key in rest)


def is_scalar(x: Any) -> bool:
    """Whether x is a Value or a number that a Value could hold."""
    return isinstance(x, Value) or is_number(x)


# ---- one call of a function ----------------------------------------------------------------------------------------


def locate(f: Callable[..., Any], argnum: int | str, args: Sequence[Any], kwargs: dict[str, Any]) -> int | str:
    """Where a call has the argument: its position in args, or its name in kwargs.

    Raises TypeError if the call does not have it.
    """
    if isinstance(argnum, str) and argnum in kwargs:
        return argnum
    if isinstance(argnum, int) and -len(args) <= argnum < len(args):
        return argnum % len(args)

    import inspect

    try:
        parameters = inspect.signature(f).parameters.values()
    except ValueError:  # some functions written in C do not tell
        parameters = {}.values()
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if isinstance(argnum, str) and argnum in names[: len(args)]:
        return names.index(argnum)
    if isinstance(argnum, int) and 0 <= argnum < len(names) and names[argnum] in kwargs:
        return names[argnum]
    given = ", ".join([f"{len(args)} by position", *kwargs])
    raise TypeError(
        f"argnum={argnum!r} is no argument of this call, which was given {given}: pass it, or choose another"
    )


class Arguments:
    """The arguments of one call of f, and the numbers among them that are differentiated.

    Attributes:
        keys: which arguments those are, each a position or a name.
        numbers: their numbers, by where they stand, in order.

    Raises:
        TypeError: argnum is no argument of the call, or something in such an argument is not a number.
        ValueError: argnum names an argument twice.
    """

    def __init__(self, f: Callable[..., Any], argnum: Argnum, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        self.f, self.count, self.several = f, len(args), isinstance(argnum, tuple)
        self.given: dict[Any, Any] = {**dict(enumerate(args)), **kwargs}
        self.keys = [locate(f, one, args, kwargs) for one in (argnum if isinstance(argnum, tuple) else (argnum,))]
        if len(set(self.keys)) < len(self.keys):
            raise ValueError(f"argnum={argnum!r} names an argument twice")
        self.numbers = self.checked([self.given[key] for key in self.keys], "differentiate other arguments, by argnum")

    def checked(self, parts: Sequence[Any], advice: str) -> dict[Path, Any]:
        """The numbers of one structure per differentiated argument, by where they stand."""
        keyed = zip(self.keys, parts, strict=True)
        found = {(key, *path): x for key, part in keyed for path, x in numbers_of(part).items()}
        for path, x in found.items():
            if not is_scalar(x):
                kind = type(x).__name__
                raise TypeError(f"{spell(path)} is {x!r:.80} of type {kind}, which is not a number: {advice}")
        return found

    def match(self, structure: Any, name: str) -> list[Any]:
        """The numbers of a structure that must have the shape of what is differentiated, in its order.

        Raises TypeError for what is not a number, ValueError for another shape; both say where.
        """
        parts = structure if self.several else (structure,)
        if not isinstance(parts, (list, tuple)) or len(parts) != len(self.keys):
            count = len(self.keys)
            raise ValueError(f"{name} must be a tuple with a part for each argument, {count} in all, got {parts!r:.80}")
        found = self.checked(parts, f"{name} must be made of numbers")
        for path in (*self.numbers, *found):
            if path not in self.numbers or path not in found:
                differs = "has no number" if path in self.numbers else "has a number too many"
                raise ValueError(
                    f"{name} must have the shape of what is differentiated, but {differs} at {spell(path)}"
                )
        return [found[path] for path in self.numbers]

    def arrange(self, numbers: Iterable[Any]) -> Any:
        """One number for each that is differentiated, in their structure; of several arguments, a tuple."""
        supply = iter(numbers)
        parts = [map_numbers(lambda x, path: next(supply), self.given[key]) for key in self.keys]
        return tuple(parts) if self.several else parts[0]

    def call(self, numbers: Iterable[Any]) -> Any:
        """f of these arguments, with other numbers in place of those that are differentiated."""
        arranged = self.arrange(numbers)
        given = {**self.given, **dict(zip(self.keys, arranged if self.several else (arranged,), strict=True))}
        args = [given.pop(position) for position in range(self.count)]
        return self.f(*args, **{str(name): x for name, x in given.items()})


def scalar(f: Callable[..., Any], output: Any) -> Any:
    """What f returned, a Value or a number, or else a TypeError."""
    if is_scalar(output):
        return output
    name, kind = getattr(f, "__name__", repr(f)), type(output).__name__
    advice = "does f lack a return?" if output is None else "return one number, or take f's jacobian"
    raise TypeError(f"a gradient is that of one number, but {name} returned {output!r:.80} of type {kind}: {advice}")


class Recording:
    """A call of f, recorded: `with Recording(...) as call` runs it on fresh leaves, one for each differentiated number.

    It records even under `no_grad()`, but what comes out then leads nowhere.

    Attributes:
        arguments: what f was called with.
        leaves: a Value for each differentiated number.
        output: what f returned.
        tracked: whether results are Values, because one is involved that is not of our making.
    """

    def __init__(self, f: Callable[..., Any], argnum: Argnum, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        self.arguments = Arguments(f, argnum, args, kwargs)

    def __enter__(self) -> Recording:
        self.quiet = no_grad.on.get()
        self.before = no_grad.on.set(None)
        try:
            numbers = self.arguments.numbers.values()
            # A Value gets a node of its own: f may read it in other ways too, and those do not count
            self.leaves = [x * 1 if isinstance(x, Value) else Value(x) for x in numbers]
            self.output = self.arguments.call(self.leaves)
            outputs = [output for output in numbers_of(self.output).values() if isinstance(output, Value)]
            below = (node for output in outputs for node in topological_sort(output) if not node.parents)
            self.tracked = self.foreign(numbers) or self.foreign(below)
        except BaseException:
            no_grad.on.reset(self.before)
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        no_grad.on.reset(self.before)

    def foreign(self, numbers: Iterable[Any]) -> bool:
        """Whether one of these is a Value from outside, through which somebody may differentiate."""
        ours = set(self.leaves)
        return any(isinstance(x, Value) and type(x) is not Constant and x not in ours for x in numbers)

    def match(self, structure: Any, name: str) -> list[Any]:
        """The numbers of a tangent, as `Arguments.match`."""
        numbers = self.arguments.match(structure, name)
        self.tracked = self.tracked or self.foreign(numbers)
        return numbers

    def gradients(self, output: Any, inputs: list[Value] | None = None, create_graph: bool = False) -> list[Any]:
        """d output / d input, of the leaves unless told otherwise; zeros if output is a plain number."""
        return gradients(as_node(output), self.leaves if inputs is None else inputs, self.tracked or create_graph)

    def result(self, x: Any) -> Any:
        """A number computed here as the caller gets it: without its graph, unless that leads on."""
        if not self.tracked:
            return x.data if isinstance(x, Value) else x
        return as_node(x).detach() if self.quiet else x

    def arrange(self, numbers: Iterable[Any]) -> Any:
        """Results in the structure of what is differentiated."""
        return self.arguments.arrange(map(self.result, numbers))


# ---- derivatives ---------------------------------------------------------------------------------------------------


def check_function(f: Any, argnum: Any) -> None:
    """A TypeError unless f is a function and argnum a position, a name or a tuple of these."""
    if not callable(f):
        raise TypeError(f"expected a function to differentiate, got {f!r:.80}: write grad(f)(x), not grad(f(x))")
    for one in argnum if isinstance(argnum, tuple) else (argnum,):
        if not isinstance(one, (int, str)) or isinstance(one, bool):
            raise TypeError(f"argnum is a position, a name or a tuple of these, got {argnum!r}")


def value_and_grad(f: Callable[..., Any], argnum: Argnum = 0) -> Callable[..., tuple[Any, Any]]:
    """A function that returns both f's value and its gradient, from one forward pass and one sweep.

    >>> value_and_grad(lambda w: w[0] * w[1])([2.0, 5.0])
    (10.0, [5.0, 2.0])

    Raises TypeError as `grad` does.
    """
    check_function(f, argnum)

    @wraps(f)
    def value_and_gradient(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        with Recording(f, argnum, args, kwargs) as call:
            output = scalar(f, call.output)
            return call.result(output), call.arrange(call.gradients(output))

    return value_and_gradient


def grad(f: Callable[..., Any], argnum: Argnum = 0) -> Callable[..., Any]:
    """The gradient of f, a function that returns one number.

    Args:
        f: a function of numbers, or of nested lists, tuples, dicts and NumPy arrays of numbers.
        argnum: the argument to differentiate with respect to, by position or name, or a tuple of these.

    Returns a function of f's arguments that gives d f / d argument, in the structure of the argument (for a tuple of
    arguments, a tuple). What f does not depend on gets 0.0.

    Raises TypeError if the argument holds something that is not a number, or if f returns anything but one number.
    """
    both = value_and_grad(f, argnum)

    @wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return gradient


def jacobian(f: Callable[..., Any], argnum: Argnum = 0) -> Callable[..., Any]:
    """The derivatives of every number that f returns: in f's output, each number is replaced by its gradient.

    >>> jacobian(lambda x: [x[0] * x[1], 3 * x[0]])([2.0, 5.0])
    [[5.0, 2.0], [3.0, 0.0]]

    From a NumPy array to a NumPy array it is one array, of the output's shape followed by the argument's. It takes one
    sweep per number returned.

    Raises TypeError if the argument or f's output holds something that is not a number.
    """
    check_function(f, argnum)

    @wraps(f)
    def rows(*args: Any, **kwargs: Any) -> Any:
        with Recording(f, argnum, args, kwargs) as call:

            def row(output: Any, path: Path) -> Any:
                return call.arrange(call.gradients(scalar(f, output)))

            return map_numbers(row, call.output)

    return rows


def hessian(f: Callable[..., Any], argnum: Argnum = 0) -> Callable[..., Any]:
    """The second derivatives of f: the jacobian of its gradient, in the argument's structure twice over.

    >>> hessian(lambda x: x[0] ** 2 * x[1])([3.0, 5.0])
    [[10.0, 6.0], [6.0, 0.0]]

    It takes one sweep for the gradient and one for each row; for a product with a vector, `hvp` takes two in all.

    Raises TypeError as `grad` does.
    """
    return jacobian(grad(f, argnum), argnum)


def hvp(f: Callable[..., Any], argnum: Argnum = 0) -> Callable[..., Any]:
    """The Hessian of f times a vector, in two sweeps however many numbers there are: H v = d (gradient . v) / d argument.

    Returns a function of f's arguments followed by the vector, `hvp(f)(*args, vector)`; the vector has the structure of the
    differentiated argument (for a tuple of arguments, a tuple), and so has the result.

    >>> hvp(lambda x: x[0] ** 2 * x[1])([3.0, 5.0], [1.0, 0.0])
    [10.0, 6.0]

    Raises TypeError as `grad` does, ValueError for a vector of another shape. Source: Pearlmutter 1994.
    """
    check_function(f, argnum)

    @wraps(f)
    def product(*args: Any, **kwargs: Any) -> Any:
        if not args:
            raise TypeError("hvp(f) takes f's arguments, then the vector by position: hvp(f)(x, vector)")
        *args_of_f, vector = args
        with Recording(f, argnum, args_of_f, kwargs) as call:
            weights = call.match(vector, "the vector")
            slopes = call.gradients(scalar(f, call.output), create_graph=True)
            return call.arrange(call.gradients(weighted_sum(slopes, weights)))

    return product


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """f's value, and how fast it changes when the arguments move along the tangents: (f(*primals), J tangents).

    Args:
        f: a function of numbers, or of nested structures of numbers, that returns a number or a structure of them.
        primals: the arguments, a tuple or list; all are differentiated.
        tangents: the direction, one part for each argument, of its structure.

    >>> jvp(lambda x, y: [x * y, x], (2.0, 3.0), (1.0, 0.0))
    ([6.0, 2.0], [3.0, 1.0])

    It takes two sweeps, however many numbers go in or come out: the first gives J' u, which is linear in u, and the second
    its derivative with respect to u, along the tangents.

    Raises TypeError for what is not a number, ValueError for tangents of another shape.
    """
    check_function(f, ())
    if not isinstance(primals, (tuple, list)):
        raise TypeError(f"primals is the tuple of f's arguments, got {primals!r:.80}: write jvp(f, (x,), (tangent,))")
    with Recording(f, tuple(range(len(primals))), primals, {}) as call:
        weights = call.match(tangents, "tangents")
        outputs = [x for x in numbers_of(call.output).values() if isinstance(scalar(f, x), Value)]
        ones = [Value(ratio(1, 1, output.data)) for output in outputs]
        pulled = call.gradients(weighted_sum(outputs, ones), create_graph=True)
        pushed = iter(call.gradients(weighted_sum(pulled, weights), inputs=ones))
        return (
            map_numbers(lambda x, path: call.result(x), call.output),
            map_numbers(lambda x, path: call.result(next(pushed) if isinstance(x, Value) else 0.0), call.output),
        )


def weighted_sum(xs: Iterable[Any], weights: Iterable[Any]) -> Any:
    """The sum of x * weight; a plain 0 of nothing."""
    return sum(x * weight for x, weight in zip(xs, weights, strict=True))
