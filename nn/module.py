"""Module: what every network, layer and neuron has in common, namely parameters that a gradient step may change."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from autograd import Value
from autograd.naming import contents, scoped_method, walk

__all__ = ["Module", "in_mode"]


class Module:
    """Base class of everything with parameters.

    A subclass keeps its parameters (leaf Values) and its parts (other Modules) in attributes, alone or in lists, tuples,
    dicts and object arrays, and gets all the methods below for nothing:

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

    training: bool = True
    """Whether it is being trained: see `train` and `eval`."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if inspect.isfunction(own := vars(cls).get("__call__")):
            cls.__call__ = scoped_method(own, vars(cls).get("__inputs__"))  # type: ignore[method-assign]

    def __parts__(self) -> dict[str, Any]:
        """Where drawings look for the names of parts and parameters (see `autograd.naming.walk`)."""
        return vars(self)

    def __call__(self, *inputs: Any) -> Any:
        """What the module makes of its inputs; every subclass that is called defines it."""
        hint = ": give its forward that name" if hasattr(self, "forward") else ""
        raise NotImplementedError(f"{type(self).__name__} must define __call__{hint}")

    def parameters(self) -> list[Value]:
        """Every parameter, once, in the order in which the attributes were first set.

        A Value that was computed from others (one with parents) is a result, not a parameter, and is passed over.
        """
        return list(_parameters_in(vars(self).values(), seen={id(self): self}))

    def named_parameters(self) -> list[tuple[str, Value]]:
        """(name, parameter) for what `parameters()` gives, in its order, each once: ("layers.0.neurons.3.w[1]", Value(...)).

        A name says where the parameter stands: attributes and parts after a ".", places in lists, dicts and arrays in
        brackets. Of several places the first counts. One that only an overridden `parameters()` knows of is called
        "parameters()[i]", and no two have the same name.
        """
        places = {id(x): name for name, x in walk(self, "", {}) if isinstance(x, Value)}
        named: dict[str, Value] = {}
        for i, parameter in enumerate({id(x): x for x in self.parameters()}.values()):
            name = places.get(id(parameter), f"parameters()[{i}]")
            while name in named:  # a dict may hold parts at 0 and at "0"
                name += "'"
            named[name] = parameter
        return list(named.items())

    def named_modules(self) -> list[tuple[str, Module]]:
        """(name, module) for the module itself, named "", and for each Module in it, once: ("layers.0", ...)."""
        return [(name, part) for name, part in walk(self, "", {}) if isinstance(part, Module)]

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to 0, as is done before each sweep that should stand alone."""
        for parameter in self.parameters():
            parameter.grad = 0.0

    def train(self, mode: bool = True) -> Self:
        """Say to this module and all in it that they are being trained (`training` becomes True), as they are at first.

        What behaves otherwise in training, such as `Dropout`, looks at its `training`. Returns the module.
        """
        for _, part in self.named_modules():
            part.training = mode
        return self

    def eval(self) -> Self:
        """The same as `train(False)`: from now on the module is used, not trained."""
        return self.train(False)


@contextmanager
def in_mode(model: Any, training: bool) -> Iterator[None]:
    """The model and all in it are in training within the block, or not, and as they were after it.

    What is no Module has no mode, and is left alone.
    """
    parts = [part for _, part in model.named_modules()] if isinstance(model, Module) else []
    modes = [vars(part).get("training") for part in parts]
    try:
        for part in parts:
            part.training = training
        yield
    finally:
        for part, mode in zip(parts, modes, strict=True):
            if mode is None:
                vars(part).pop("training", None)  # it was the class's
            else:
                part.training = mode


def _parameters_in(things: Iterable[Any], seen: dict[int, Any]) -> Iterator[Value]:
    """The leaf Values in `things`, and in what they contain, that are not `seen` yet, in the order of `walk`.

    A Module with `parameters()` of its own answers for itself. `seen` holds things by their ids, since `==` of
    containers compares; containers and Modules as well, so that parts that refer to each other end it.
    """
    for thing in things:
        if id(thing) in seen:
            continue
        if isinstance(thing, Value):
            seen[id(thing)] = thing
            if not thing.parents:
                yield thing
        elif isinstance(thing, Module) and type(thing).parameters is not Module.parameters:
            seen[id(thing)] = thing
            yield from _parameters_in(thing.parameters(), seen)
        elif (inner := contents(thing)) is not None:
            seen[id(thing)] = thing
            yield from _parameters_in([x for _, x in inner], seen)
