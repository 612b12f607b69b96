"""Module: what every network, layer and neuron has in common, namely parameters that a gradient step may change."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from typing import Any

from autograd import Value
from autograd.naming import scoped_method

__all__ = ["Module"]


class Module:
    """Base class of everything with parameters.

    A subclass keeps its parameters (leaf Values) and its parts (other Modules) in attributes, alone or in lists, tuples
    and dicts, and gets `parameters()` and `zero_grad()` for nothing:

        class Line(Module):
            def __init__(self):
                self.slope, self.offset = Value(1.0), Value(0.0)

            def __call__(self, x):
                return self.slope * x + self.offset

    A subclass may instead override `parameters()`; its own answer then counts, also inside a larger Module.

    In drawings, what `__call__` computes stands in a frame of its own, named after the attributes: "layers.0.neurons.3". A
    class that defines `__call__` may also define `__inputs__(self, x)`, which turns its first argument into Values before
    the call begins, so that they stand outside that frame. Without it `__call__` gets what the caller gave.
    """

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if inspect.isfunction(own := vars(cls).get("__call__")):
            cls.__call__ = scoped_method(own, vars(cls).get("__inputs__"))  # type: ignore[method-assign]

    def __parts__(self) -> dict[str, Any]:
        """Where drawings look for the names of parts and parameters (see `autograd.naming.walk`)."""
        return vars(self)

    def __call__(self, *inputs: Any) -> Any:
        """What the module makes of its inputs; every subclass that is called defines it."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__")

    def parameters(self) -> list[Value]:
        """Every parameter, once, in the order in which the attributes were first set.

        A Value that was computed from others (one with parents) is a result, not a parameter, and is passed over.
        """
        return list(_parameters_in(self, seen=set()))

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to 0, as is done before each sweep that should stand alone."""
        for parameter in self.parameters():
            parameter.grad = 0.0


def _parameters_in(part: Any, seen: set[int]) -> Iterator[Value]:
    """Walk `part` and yield the leaf Values in it that are not `seen` yet (ids, since `==` of containers compares).

    `seen` holds containers and Modules as well, so that parts that refer to each other end the walk.
    """
    if not isinstance(part, Value | Module | list | tuple | dict) or id(part) in seen:
        return
    seen.add(id(part))
    if isinstance(part, Value):
        if not part.parents:
            yield part
        return
    parts: Iterable[Any]
    if isinstance(part, Module):
        overridden = type(part).parameters is not Module.parameters
        parts = part.parameters() if overridden else vars(part).values()
    else:
        parts = part.values() if isinstance(part, dict) else part
    for inner in parts:
        yield from _parameters_in(inner, seen)
