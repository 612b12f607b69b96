"""Activations: a Module for every unary operation, made from the operation, and the names that `activation=` takes.

    nn.ReLU(), nn.Tanh(), nn.LeakyReLU(slope=0.2), nn.GELU(approximate="tanh")

Each applies its operation to every number of what it is called with. `nn.activations.CLASSES` has them all, by the
operation's name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from autograd import Value, operations
from autograd.naming import is_array
from autograd.rules import MAKERS, RULES, Rule
from nn import checks
from nn.module import Module
from nn.words import did_you_mean

_MADE = [make(*make.examples[0]) for make in MAKERS.values()]  # type: ignore[attr-defined]
_UNARY = {rule.name.lower() for rule in (*RULES.values(), *_MADE) if rule.arity == 1}
ACTIVATIONS = ("linear", *sorted(name for name in _UNARY if hasattr(Value, name)))
"""The names of activations: every unary operation that a Value has as a method. A parameter takes its usual value."""

_SPELLED = {"linear": "Identity", "relu": "ReLU", "leaky_relu": "LeakyReLU", "elu": "ELU", "gelu": "GELU"}
_SPELLED |= {"silu": "SiLU", "logsigmoid": "LogSigmoid", "normal_cdf": "NormalCDF"}


class Activation(Module):
    """An operation on each number by itself: the base class of `ReLU`, `Tanh` and all the others.

    A call takes a Value, a number, an object array, or lists of those, nested as they may be, and gives the same nesting
    (tuples become lists). A plain number gives a plain number.

    The parameters are those of the operation's function in `autograd`, kept in attributes of their names.
    Raises TypeError for what is no number, and what the operation itself raises for numbers that it does not take.
    """

    operation: Callable[..., Any]  # of anything that `autograd` takes
    method: Callable[..., Any]  # the same of a Value, by its short way
    takes = inspect.Signature()  # the parameters

    def __init__(self, *values: Any, **named: Any) -> None:
        try:
            bound = self.takes.bind(*values, **named)
        except TypeError as error:
            takes = str(self.takes) if self.takes.parameters else "no parameters"
            raise TypeError(f"{type(self).__name__} takes {takes}: {error}") from None
        bound.apply_defaults()
        vars(self).update(bound.arguments)
        self(0.0)  # a parameter that the operation does not take is said now

    def __call__(self, x: Any) -> Any:
        """The operation's result for each number of `x`."""
        kind, parameters = type(self), self._parameters()
        return each(self, lambda y: (kind.method if type(y) is Value else kind.operation)(y, **parameters), x)

    def _parameters(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.takes.parameters}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={x!r}' for name, x in self._parameters().items())})"


def each(part: Module, function: Callable[[Any], Any], x: Any) -> Any:
    """`function` of every number in `x`: of itself, or in nested lists (tuples become lists) and arrays.

    Raises TypeError for what is no number, naming its place and the `part` that met it.
    """
    try:
        return _each(function, x)
    except TypeError:
        if mistake := checks.mistake_within(x):
            raise TypeError(f"{part!r} takes numbers and Values, also in lists and arrays; {mistake}") from None
        raise


def _each(function: Callable[[Any], Any], x: Any) -> Any:
    if isinstance(x, (list, tuple)):
        return [function(y) if type(y) is Value else _each(function, y) for y in x]
    if is_array(x) and hasattr(x, "ravel"):  # of objects: `function` takes one of numbers whole
        flat = x.copy().ravel()
        for i, y in enumerate(flat):
            flat[i] = _each(function, y)
        return flat.reshape(x.shape)
    return function(x)


def class_name(activation: str) -> str:
    """How the class of an activation is spelled, as PyTorch does where it has it: "leaky_relu" is LeakyReLU."""
    return _SPELLED.get(activation) or "".join([word.capitalize() for word in activation.split("_")])


def _identity(x: Any) -> Any:
    return x


def _class_of(activation: str) -> type[Activation]:
    """The class of an activation, which takes the parameters that the operation's function has beside x."""
    operation = getattr(operations, activation, _identity)
    parameters = [p for p in inspect.signature(operation).parameters.values() if p.default is not p.empty]
    takes = inspect.Signature([p.replace(annotation=p.empty) for p in parameters])

    def __init__(self: Activation, *values: Any, **named: Any) -> None:
        Activation.__init__(self, *values, **named)

    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    __init__.__signature__ = inspect.Signature([own, *takes.parameters.values()])  # type: ignore[attr-defined]
    if operation is _identity:
        says = "Each number as it is"
    else:
        says = f"autograd.{activation}({', '.join(['x', *map(str, takes.parameters.values())])}) of each number x"
    contents = {
        "__init__": __init__,
        "__module__": __name__,
        "__doc__": f"{says}, however nested: see `Activation`.",
        "operation": staticmethod(operation),
        "method": staticmethod(getattr(Value, activation, _identity)),
        "takes": takes,
    }
    return type(class_name(activation), (Activation,), contents)


CLASSES = {activation: _class_of(activation) for activation in ACTIVATIONS}
"""The class of each activation by its name: CLASSES["leaky_relu"] is LeakyReLU."""

globals().update({made.__name__: made for made in CLASSES.values()})

if TYPE_CHECKING:  # the classes are made above, where a type checker does not see them

    def __getattr__(name: str) -> type[Activation]: ...


FLAT = 0.01  # of the steepest slope: a sigmoid has it beyond -6 and 6, tanh beyond -3 and 3
BENDS = [x / 2 for x in range(-6, 7)]  # where activations bend


def flat_below(rule: Rule) -> float:
    """The size of a slope at which a unit hands on next to nothing: 1 % of the steepest, if the curve is smooth and flattens
    on both sides, as sigmoid and tanh are; else exactly 0."""
    try:
        near, far = ([abs(rule.slopes((x,), rule.forward(x))[0]) for x in at] for at in (BENDS, (-30.0, 30.0)))
    except Exception:  # a user's rule may not take every number
        return 0.0
    smooth = min(near[0], near[-1]) > 0 and max(far) < FLAT * max(near)
    return FLAT * max(near) if smooth else 0.0


def checked_activation(keyword: str, activation: Any) -> str | Callable[[Value], Value]:
    """`activation` unchanged, or a ValueError that lists the names it may have."""
    if isinstance(activation, type) and issubclass(activation, Module):
        raise ValueError(
            f"{keyword} must be an activation, not its class: write {activation.__name__}(), with brackets"
        )
    if callable(activation) or activation in ACTIVATIONS:
        return activation  # type: ignore[no-any-return]
    if activation == "softmax":
        hint = "; leave the output linear and use nn.softmax_cross_entropy as the loss"
    else:
        hint = did_you_mean(str(activation), ACTIVATIONS)
    raise ValueError(f"{keyword} must be one of {', '.join(ACTIVATIONS)}, or a function; got {activation!r}{hint}")
