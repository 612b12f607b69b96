"""Neuron, Layer and MLP: micrograd's networks, number for number, with a few more choices by keyword."""

from __future__ import annotations

import functools
import operator
import random
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, SupportsFloat

from autograd import Value
from autograd.engine import constant
from autograd.naming import NODES, Inputs
from autograd.numeric import is_number
from autograd.rules import MAKERS, RULES
from nn import init as initialisation
from nn.module import Module
from nn.words import counted, did_you_mean

__all__ = ["ACTIVATIONS", "MLP", "Layer", "Neuron"]

Scalar = Value | SupportsFloat
Activation = str | Callable[[Value], Value]

_MADE = [make(*make.examples[0]) for make in MAKERS.values()]  # type: ignore[attr-defined]
_UNARY = {rule.name.lower() for rule in (*RULES.values(), *_MADE) if rule.arity == 1}
ACTIVATIONS = ("linear", *sorted(name for name in _UNARY if hasattr(Value, name)))
"""The names of activations: every unary operation that a Value has as a method. A parameter takes its usual value."""


def _inputs(x: Any) -> Collection[Scalar]:
    """`x` as something that has a length: a bare number or Value becomes one input, an iterator becomes a list."""
    if type(x) is Inputs:
        return x
    if hasattr(x, "__len__"):
        return x  # type: ignore[no-any-return]
    return list(x) if hasattr(x, "__iter__") else [x]


def _read(part: Any, x: Any) -> Any:
    """`__inputs__` of a part: its inputs as Values, each number as one constant, which all of its neurons share.

    Inputs that are not all numbers and Values are left as they are: the neuron that meets them says so. So are those that
    reach a part with a `__call__` of somebody else's, which may do with them what it likes.
    """
    if type(x) is Inputs:
        return x
    weight = part._first_weight()
    if weight is None:
        return x
    inputs = _inputs(x)
    if NODES.issuperset(map(type, inputs)):
        return Inputs.of(inputs)  # type: ignore[arg-type]
    if all(isinstance(x, Value) or is_number(x) for x in inputs):
        return Inputs.of([x if isinstance(x, Value) else constant(x, weight) for x in inputs])
    return inputs


def _are_called_as(own: type[Module], parts: Sequence[Module]) -> bool:
    """Whether there are parts, and all are called by the `__call__` of `own`: none has another, as a subclass may."""
    return bool(parts) and all(kind.__call__ is own.__call__ for kind in set(map(type, parts)))


class Neuron(Module):
    """One weighted sum with a bias, then an activation: act(b + w1*x1 + w2*x2 + ...), added up in this order.

    nin         number of inputs; without any the output is the bias's
    nonlin      False leaves the activation out, as in the last layer of a network
    activation  "linear", the name of any unary operation ("relu", "tanh", "sigmoid", ...), or a function Value -> Value
    bias        False leaves `b` out (it is then None)
    init        the name of a scheme in `nn.init`, or a function (rng, fan_in, fan_out) -> float; biases start at 0
    rng         a `random.Random` to draw from; by default the module `random`, which `random.seed` seeds
    fan_out     how many neurons share the inputs; only the init schemes that ask for it use it

    Attributes: `w` (list of Values), `b` (Value or None), `nonlin`, `activation`.
    Raises ValueError or TypeError for any other choice, listing the accepted ones.
    """

    def __init__(
        self,
        nin: int,
        nonlin: bool = True,
        *,
        activation: Activation = "relu",
        bias: bool = True,
        init: str | initialisation.Scheme = "uniform",
        rng: random.Random | None = None,
        fan_out: int = 1,
    ) -> None:
        nin = _count("nin", nin)
        if nin == 0 and not bias:
            raise ValueError("a neuron without inputs has only its bias to give: leave bias=True, or give it inputs")
        draw, source = _scheme(init), _source(rng)
        self.activation = _checked_activation("activation", activation)
        self.w = [Value(draw(source, nin, fan_out)) for _ in range(nin)]
        self.b = Value(0.0) if bias else None
        self.nonlin = nonlin and activation != "linear"

    def __call__(self, x: Scalar | Iterable[Scalar]) -> Value:
        """The neuron's output for `nin` inputs (numbers or Values; a neuron with one input also takes it bare).

        Raises ValueError if there are more or fewer inputs than weights, TypeError for an input that is no number.
        """
        inputs = _inputs(x)
        if len(inputs) != len(self.w):
            raise ValueError(
                f"{self!r} takes {counted(len(self.w), 'input')}, got {len(inputs)}: "
                "give one number or Value per weight"
            )
        try:
            products = map(operator.mul, self.w, inputs)
            act: Value = functools.reduce(operator.add, products) if self.b is None else sum(products, self.b)
            if not self.nonlin:
                return act
            return self.activation(act) if callable(self.activation) else getattr(act, self.activation)()
        except (TypeError, AttributeError):  # the latter of an array among the inputs, which has no relu()
            if mistake := _mistake_in(inputs):  # looked for only now: every call would pay for it
                raise TypeError(f"{self!r} takes numbers and Values; {mistake}") from None
            raise

    __inputs__ = _read

    def _first_weight(self) -> Value | None:
        return self.w[0] if self.w else self.b

    def __repr__(self) -> str:
        return f"{_title(self.activation) if self.nonlin else 'Linear'}Neuron({len(self.w)})"


class Layer(Module):
    """`nout` neurons that all see the same `nin` inputs; further keywords are those of Neuron.

    Calling it gives the list of the neurons' outputs, or the bare Value if there is only one neuron.
    Attribute: `neurons`.
    """

    def __init__(self, nin: int, nout: int, **kwargs: Any) -> None:
        nout = _count("nout", nout)
        self.neurons = [Neuron(nin, **{"fan_out": nout, **kwargs}) for _ in range(nout)]

    def __call__(self, x: Scalar | Iterable[Scalar]) -> Any:
        inputs = _inputs(x)
        out = [neuron(inputs) for neuron in self.neurons]
        return out[0] if len(out) == 1 else out

    __inputs__ = _read

    def _first_weight(self) -> Value | None:
        return self.neurons[0]._first_weight() if _are_called_as(Neuron, self.neurons) else None

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(map(str, self.neurons))}]"


class MLP(Module):
    """A multi-layer perceptron: layers in a row, the last one linear.

    nin     number of inputs
    nouts   number of neurons of each layer, the output layer last: MLP(64, [16, 10]) is 64-16-10
    output  activation of the last layer, "linear" by default; softmax belongs to the loss (`softmax_cross_entropy`)

    `activation` (of all layers but the last), `bias`, `init` and `rng` are those of Neuron. Attribute: `layers`.
    """

    def __init__(
        self,
        nin: int,
        nouts: Sequence[int],
        *,
        activation: Activation = "relu",
        output: Activation = "linear",
        bias: bool = True,
        init: str | initialisation.Scheme = "uniform",
        rng: random.Random | None = None,
    ) -> None:
        if not isinstance(nouts, Sequence) or isinstance(nouts, str):
            raise TypeError(f"nouts must list the number of neurons of each layer, such as [16, 10]; got {nouts!r}")
        activation = _checked_activation("activation", activation)
        output = _checked_activation("output", output)
        sizes = [nin, *nouts]
        activations = [activation] * (len(nouts) - 1) + [output]
        self.layers = [
            Layer(fan_in, fan_out, activation=act, bias=bias, init=init, rng=rng)
            for fan_in, fan_out, act in zip(sizes, nouts, activations, strict=False)
        ]

    def __call__(self, x: Scalar | Iterable[Scalar]) -> Any:
        """The last layer's output: a list of Values, or a bare Value if that layer has one neuron."""
        for layer in self.layers:
            x = layer(x)
        return x

    __inputs__ = _read

    def _first_weight(self) -> Value | None:
        return self.layers[0]._first_weight() if _are_called_as(Layer, self.layers[:1]) else None

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(str, self.layers))}]"


def _mistake_in(inputs: Iterable[Any]) -> str:
    """Where the first input stands that is neither a number nor a Value, and what to do; "" if there is none."""
    for position, x in enumerate(inputs):
        try:
            isinstance(x, Value) or Value(x)
        except TypeError:
            kind = type(x).__name__
            if kind.startswith("bool"):
                advice = "; write int(x) or float(x)"
            elif isinstance(x, str | bytes):
                advice = "; float(x) reads a number from text"
            else:
                advice = "; call the network with one example at a time" if hasattr(x, "__len__") else ""
            return f"input {position} (counted from 0) is {x!r:.80}, of type {kind}{advice}"
    return ""


def _count(name: str, number: Any) -> int:
    """`number` as an int of at least 0, or an error that names the argument."""
    try:
        count = operator.index(number)
    except TypeError:
        raise TypeError(f"{name} must be a whole number, got {number!r}") from None
    if count < 0:
        raise ValueError(f"{name} must be at least 0, got {count}")
    return count


def _scheme(init: Any) -> initialisation.Scheme:
    if callable(init):
        return init  # type: ignore[no-any-return]
    if init not in initialisation.SCHEMES:
        names = ", ".join(initialisation.SCHEMES)
        hint = did_you_mean(str(init), initialisation.SCHEMES)
        raise ValueError(f"init must be one of {names}, or a function; got {init!r}{hint}")
    return initialisation.SCHEMES[init]


def _source(rng: Any) -> initialisation.Source:
    if rng is None:
        return random
    if not isinstance(rng, random.Random):
        raise TypeError(f"rng must be a random.Random, such as random.Random(0), or None; got {rng!r}")
    return rng


def _checked_activation(keyword: str, activation: Any) -> Activation:
    """`activation` unchanged, or a ValueError that lists the names it may have."""
    if callable(activation) or activation in ACTIVATIONS:
        return activation  # type: ignore[no-any-return]
    if activation == "softmax":
        hint = "; leave the output linear and use nn.softmax_cross_entropy as the loss"
    else:
        hint = did_you_mean(str(activation), ACTIVATIONS)
    raise ValueError(f"{keyword} must be one of {', '.join(ACTIVATIONS)}, or a function; got {activation!r}{hint}")


def _title(activation: Activation) -> str:
    """How a neuron with this activation introduces itself: ReLU, Tanh, LeakyReLU, ..."""
    if callable(activation):
        activation = getattr(activation, "__name__", type(activation).__name__)
    return activation.title().replace("_", "").replace("Relu", "ReLU")
