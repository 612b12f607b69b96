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
from nn import checks
from nn import init as initialisation
from nn.activations import Activation, checked_activation, class_name
from nn.module import Module
from nn.words import counted

__all__ = ["MLP", "Layer", "Neuron"]

Scalar = Value | SupportsFloat
Choice = str | Callable[[Value], Value]

ONE_BY_ONE = "; call the network with one example at a time"


def _inputs(x: Any) -> Collection[Scalar]:
    """`x` as something that has a length: a bare number or Value becomes one input, an iterator becomes a list."""
    if type(x) is Inputs:
        return x
    if not hasattr(x, "__iter__") or getattr(x, "ndim", 1) == 0:
        return [x]
    return x if hasattr(x, "__len__") else list(x)


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
        activation: Choice = "relu",
        bias: bool = True,
        init: str | initialisation.Scheme = "uniform",
        rng: random.Random | None = None,
        fan_out: int = 1,
    ) -> None:
        nin = checks.whole("nin", nin)
        if nin == 0 and not bias:
            raise ValueError("a neuron without inputs has only its bias to give: leave bias=True, or give it inputs")
        draw, source = checks.scheme(init), checks.source(rng)
        self.activation = checked_activation("activation", activation)
        self.w = [Value(draw(source, nin, fan_out)) for _ in range(nin)]
        self.b = Value(0.0) if bias else None
        self.nonlin = nonlin and activation != "linear"

    def __call__(self, x: Scalar | Iterable[Scalar]) -> Value:
        """The neuron's output for `nin` inputs (numbers or Values; a neuron with one input also takes it bare).

        Raises ValueError if there are more or fewer inputs than weights, TypeError for an input that is no number.
        """
        inputs = _inputs(x)
        if len(inputs) != len(self.w):
            advice = checks.mistake_in(inputs, about_many=ONE_BY_ONE) or "give one number or Value per weight"
            raise ValueError(f"{self!r} takes {counted(len(self.w), 'input')}, got {len(inputs)}: {advice}")
        try:
            products = map(operator.mul, self.w, inputs)
            act: Value = functools.reduce(operator.add, products) if self.b is None else sum(products, self.b)
            if not self.nonlin:
                return act
            return self.activation(act) if callable(self.activation) else getattr(act, self.activation)()
        except (TypeError, AttributeError):  # the latter of an array among the inputs, which has no relu()
            # looked for only now: every call would pay for it
            if mistake := checks.mistake_in(inputs, about_many=ONE_BY_ONE):
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
        nout = checks.whole("nout", nout)
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
        activation: Choice = "relu",
        output: Choice = "linear",
        bias: bool = True,
        init: str | initialisation.Scheme = "uniform",
        rng: random.Random | None = None,
    ) -> None:
        if not isinstance(nouts, Sequence) or isinstance(nouts, str):
            raise TypeError(f"nouts must list the number of neurons of each layer, such as [16, 10]; got {nouts!r}")
        activation = checked_activation("activation", activation)
        output = checked_activation("output", output)
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


def _title(activation: Choice) -> str:
    """How a neuron with this activation introduces itself: ReLU, Tanh, LeakyReLU, ..."""
    if isinstance(activation, Activation):
        return type(activation).__name__
    if callable(activation):
        activation = getattr(activation, "__name__", type(activation).__name__)
    return class_name(activation)
