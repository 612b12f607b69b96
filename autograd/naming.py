"""Names for Values and for the parts of models, so that a drawing can say what is what.

    x, y = Value(2.0), Value(3.0)
    loss = (model([x, y]) - 1) ** 2
    autograd.label(locals())        # x.label is "x", loss.label "loss", a weight's "model.layers.0.neurons.1.w[0]"

The other half is `Call`: a part of a model that is called marks its outputs, so that a drawing knows what was computed in it.
Nothing is paid for the operations in between, which `autograd.drawing.snapshot` finds from the marks. Modules of `nn` do
so by themselves; any other function may be decorated:

    @autograd.naming.scoped
    def attention(query, keys, values): ...
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import wraps
from types import FrameType
from typing import Any, TypeVar, overload

from . import modes
from .engine import Constant, Recorded, Value
from .numeric import home

Function = TypeVar("Function", bound=Callable[..., Any])
new = object.__new__
active = modes.active

# ---- labels --------------------------------------------------------------------------------------------------------


class Given(str):
    """A label that `label` gave, not the user: it may be replaced."""

    __slots__ = ()


class Label:
    """`with autograd.label():`: what the block binds, where `label()` stands, is labelled at its end."""

    def __init__(self, frame: FrameType) -> None:
        self.frame = frame
        self.before: list[dict[str, Any]] = []  # the variables at the beginning of each block under way

    def __enter__(self) -> None:
        self.before.append(dict(self.frame.f_locals))

    def __exit__(self, *exception: object) -> None:
        before, now = self.before.pop(), self.frame.f_locals
        label({name: x for name, x in now.items() if name not in before or before[name] is not x})


@overload
def label() -> Label: ...
@overload
def label(variables: Mapping[str, Any]) -> None: ...
def label(variables: Any = None) -> Any:
    """Name Values after the variables that hold them: `autograd.label(locals())`, or a block whose variables are named:

        with autograd.label():
            a, b = Value(2.0), Value(-3.0)
            d = a * b

    A Value in a list, tuple, dict or NumPy array is called `xs[0]`, `w["a"]`, `W[0, 1]`; a parameter of a model
    `model.layers.0.neurons.3.w[1]`. A variable comes before a place in a container, and of several variables the first.
    Labels given by hand are kept; those that `label` gave are replaced, so it may be called as often as cells are run.
    A Value whose variable now holds another, as after `h = h + 1`, loses that name, if it is among the 10,000 nodes nearest
    to what is labelled. Names that begin with `_`, and IPython's `In` and `Out`, are passed over.

    Raises TypeError for anything but a mapping from names.
    """
    if variables is None:
        return Label(sys._getframe(1))
    if not isinstance(variables, Mapping):
        raise TypeError(
            f"label takes the variables as a mapping, got {variables!r:.80} of type {type(variables).__name__}: "
            "write autograd.label(locals()), or autograd.label({'a': a})"
        )
    history = ("In", "Out") if "_ih" in variables else ()
    named = [
        (name, x)
        for name, x in list(variables.items())
        if isinstance(name, str) and not name.startswith("_") and name not in history
    ]
    taken: set[int] = set()
    seen: dict[int, Any] = {}
    holders: dict[str, Value] = {}
    containers = sorted(
        [(name, x) for name, x in named if not isinstance(x, Value)], key=lambda item: not is_part(item[1])
    )
    for name, x in [(name, x) for name, x in named if isinstance(x, Value)]:
        give(x, name, taken)
        holders[name] = x
    for name, container in containers:
        for path, x in walk(container, name, seen):
            if isinstance(x, Value):
                give(x, path, taken)
                holders[path] = x
            else:
                with suppress(AttributeError, TypeError):  # a part without a place for it goes by its class
                    x._label = path
    forget(holders)
    return None


def give(value: Value, name: str, taken: set[int]) -> None:
    """Label a Value, unless the user did or it has its name already."""
    if id(value) not in taken and type(value) is not Constant and (not value.label or type(value.label) is Given):
        value.label = Given(name)
        taken.add(id(value))


MOST_VISITED = 10_000  # nodes that are looked at for labels that are no longer true


def forget(holders: Mapping[str, Value]) -> None:
    """Take a label that `label` gave from each node below these Values whose variable now holds another."""
    near = list(holders.values())
    seen = set(near)
    for node in near:  # which grows: the nearest come first
        given = node.label
        if type(given) is Given and holders.get(given, node) is not node:
            node.label = ""
        if len(near) < MOST_VISITED:
            further = [parent for parent in dict.fromkeys(node.parents) if parent not in seen]
            seen.update(further)
            near += further


def walk(thing: Any, name: str, seen: dict[int, Any]) -> Iterator[tuple[str, Any]]:
    """(path, Value or part of a model) for all that lies in `thing`, each once: depth first, in order.

    A part is an object with a method `__parts__`, which gives its attributes as a mapping: a path goes on with
    ".attribute". In a list a part is at ".0", as in `layers.0`, but a Value at "[0]", as in `w[0]`.
    """
    stack = [(name, thing)]
    while stack:
        path, thing = stack.pop()
        if isinstance(thing, Value):
            if id(thing) not in seen:
                seen[id(thing)] = thing
                yield path, thing
            continue
        inner = contents(thing)
        if inner is None or id(thing) in seen:
            continue
        seen[id(thing)] = thing  # held, so that nothing else can get its id
        if is_part(thing):
            yield path, thing
            steps = [(f"{path}.{key}" if path else str(key), x) for key, x in inner]
        else:
            steps = [(step(path, key, x), x) for key, x in inner]
        stack += reversed(steps)


def is_part(thing: Any) -> bool:
    return hasattr(type(thing), "__parts__")


def contents(thing: Any) -> Iterable[tuple[Any, Any]] | None:
    """(key, what is there) of a container or a part; None for anything else."""
    if isinstance(thing, (list, tuple)):
        return enumerate(thing) if not set(map(type, thing)) <= PLAIN else ()
    if isinstance(thing, dict):
        return list(thing.items())
    if is_part(thing):
        return list(thing.__parts__().items())
    if is_array(thing):
        numpy = sys.modules["numpy"]
        return [(index if len(index) > 1 else index[0], x) for index, x in numpy.ndenumerate(thing) if index]
    return None


PLAIN = {float, int, str, bool, type(None), complex, bytes}  # a long list of numbers is passed over at once


def is_array(thing: Any) -> bool:
    """Whether it is a NumPy array of objects, of which Values are one kind."""
    return home(thing) == "numpy" and getattr(getattr(thing, "dtype", None), "hasobject", False)


def step(path: str, key: Any, thing: Any) -> str:
    """The path of what stands at `key` of a container."""
    if is_part(thing):
        return f"{path}.{key}"
    if isinstance(key, tuple):
        return f"{path}[{', '.join(map(str, key))}]"
    return f'{path}["{key}"]' if isinstance(key, str) else f"{path}[{key!r:.40}]"


# ---- calls ---------------------------------------------------------------------------------------------------------


class Inputs(tuple[Value, ...]):
    """The Values that went into a call; the calls within it that take the same may share it."""

    unmarked: frozenset[Value] = frozenset()  # those that look as if they were made in the call

    @classmethod
    def of(cls, values: Iterable[Value]) -> Inputs:
        inputs = cls(values)
        if unmarked := [x for x in inputs if type(x._name) is not Call and x._x is not None]:
            inputs.unmarked = frozenset(unmarked)
        return inputs


class Call:
    """One call of a part of a model. What it gave refers to it: it stands in the slot of a label, or beside the label.

    It refers to nothing but the part, its method, the inputs and the call in which it was made, so that a graph is still
    freed as soon as nothing refers to it. (A part that keeps Values of the graph in its attributes makes a cycle with
    them, which the garbage collector frees when the part itself was dropped.)
    """

    __slots__ = ("inputs", "method", "outer", "part")

    part: Any
    method: Callable[..., Any]
    inputs: Inputs
    outer: Call | None
    label = ""

    @property
    def call(self) -> Call:
        return self

    def labelled(self, label: Any) -> Any:
        return Labelled(label, self) if label else self


class Labelled:
    """A label and a call, for a Value that has both."""

    __slots__ = ("call", "label")

    def __init__(self, label: Any, call: Call) -> None:
        self.label, self.call = label, call

    def labelled(self, label: Any) -> Any:
        return self.call.labelled(label)


current: ContextVar[Call | None] = ContextVar("current", default=None)  # the innermost call under way


def call_of(value: Value) -> Call | None:
    """The innermost call that gave a Value; None if it was made anywhere else."""
    return getattr(value._name, "call", None)


def mark(value: Value, call: Call) -> None:
    """Note which call gave a Value: not on a leaf, on an input that is handed through, or on what a call within gave."""
    name = value._name
    if value._x is not None and value not in call.inputs.unmarked:
        if name == "":
            value._name = call
        elif not hasattr(name, "call"):
            value._name = Labelled(name, call)


NODES = {Value, Recorded, Constant}


def values_in(thing: Any) -> list[Value]:
    """The Values in nested lists, tuples, dicts and arrays."""
    found: list[Value] = []
    stack, seen = [thing], set()
    while stack:
        thing = stack.pop()
        if isinstance(thing, Value):
            found.append(thing)
        elif isinstance(thing, (list, tuple)) and NODES.issuperset(map(type, thing)):
            found += thing
        elif (isinstance(thing, (list, tuple, dict)) or is_array(thing)) and id(thing) not in seen:
            seen.add(id(thing))
            stack += thing.values() if isinstance(thing, dict) else thing.flat if is_array(thing) else thing
    return found


def scoped(function: Function) -> Function:
    """Decorate a function: in drawings, what it computes from its arguments stands in a frame with its name."""

    @wraps(function)
    def decorated(*inputs: Any, **named: Any) -> Any:
        return within_call(function, inputs, named)

    within_call = scoped_method(lambda part, inputs, named: part(*inputs, **named))
    return decorated  # type: ignore[return-value]


observers: list[Callable[[Any, Any], None]] = []


@contextmanager
def observed(told: Callable[[Any, Any], None]) -> Iterator[None]:
    """While the block runs, `told(part, outputs)` is called after each call of a part, also where nothing is recorded."""
    observers.append(told)
    try:
        yield
    finally:
        observers.remove(told)


def scoped_method(method: Callable[..., Any], read: Callable[[Any, Any], Any] | None = None) -> Callable[..., Any]:
    """The `__call__` of a class whose objects are parts of a model: it runs as a call of the part.

    A class that calls its base class's `__call__` is one part, and so one call; a part that calls itself is called twice.
    `read(part, x)` may turn the first argument into Values before the call begins, so that they are inputs.
    """

    @wraps(method)
    def call(part: Any, *inputs: Any, **named: Any) -> Any:
        shared = len(inputs) == 1 and type(inputs[0]) is Inputs
        if read is not None and inputs and not shared:
            inputs = (read(part, inputs[0]), *inputs[1:])
            shared = len(inputs) == 1 and type(inputs[0]) is Inputs
        outer = current.get()
        if outer is not None and outer.part is part and outer.method is not method:
            return method(part, *inputs, **named)
        if active and modes.no_grad.on.get():
            outputs = method(part, *inputs, **named)
            for told in [*observers]:
                told(part, outputs)
            return outputs
        here = new(Call)
        here.part, here.method, here.outer = part, method, outer
        here.inputs = inputs[0] if shared and not named else Inputs.of(values_in((inputs, named)))
        current.set(here)
        try:
            outputs = method(part, *inputs, **named)
        finally:
            current.set(outer)
        for value in (outputs,) if type(outputs) is Value else values_in(outputs):
            if type(value._name) is not Call:
                mark(value, here)
        for told in [*observers]:
            told(part, outputs)
        return outputs

    return call
