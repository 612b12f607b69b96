"""Optimisers: how the gradients become a step of the parameters.

    optimizer = SGD(model.parameters(), lr=0.1)
    loss.backward(); optimizer.step(); optimizer.zero_grad()

Update rules are those of PyTorch, number for number. `optimizer.lr` may be changed between steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from autograd import Value

__all__ = ["SGD", "Adam", "Optimizer"]


class Optimizer:
    """What optimisers share: the checked list of `parameters`, the learning rate `lr`, and `zero_grad()`.

    parameters  leaf Values, each once, in any iterable (`model.parameters()`)
    lr          learning rate, a finite number above 0

    Raises TypeError for something that is not a Value; ValueError for no parameters, one given twice, one that was
    computed from others, or a number outside its range.
    """

    def __init__(self, parameters: Iterable[Value], lr: float, weight_decay: float = 0.0) -> None:
        self.parameters = _checked_parameters(parameters)
        self.lr = _checked("lr", lr, above=0.0)
        self.weight_decay = _checked("weight_decay", weight_decay, at_least=0.0)

    def step(self) -> None:
        """Change every parameter's `data` once, by its `grad`."""
        raise NotImplementedError(f"{type(self).__name__} must define step()")

    def zero_grad(self) -> None:
        """Set every parameter's `grad` to 0."""
        for parameter in self.parameters:
            parameter.grad = 0.0

    def _slopes(self) -> list[float]:
        """Each parameter's gradient, plus that of the penalty (weight_decay / 2) * parameter^2."""
        if self.weight_decay == 0:
            return [p.grad for p in self.parameters]
        return [p.grad + self.weight_decay * p.data for p in self.parameters]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if asked for.

        slope    = grad + weight_decay * parameter
        velocity = momentum * velocity + slope              (the first time: slope)
        parameter -= lr * velocity                          (nesterov: lr * (slope + momentum * velocity))

    Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum in deep learning", 2013,
    with the learning rate outside the velocity, as PyTorch has it. `momentum` is at least 0 and below 1.
    """

    def __init__(
        self,
        parameters: Iterable[Value],
        lr: float = 0.01,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        self.momentum = _checked("momentum", momentum, at_least=0.0, below=1.0)
        if nesterov and momentum == 0:
            raise ValueError("nesterov looks ahead along the velocity: give it a momentum above 0, such as 0.9")
        self.nesterov = nesterov
        self.velocities = [0.0] * len(self.parameters)

    def step(self) -> None:
        slopes = self._slopes()
        if self.momentum == 0:
            moves = slopes
        else:
            pairs = zip(self.velocities, slopes, strict=True)
            self.velocities = moves = [self.momentum * v + slope for v, slope in pairs]
            if self.nesterov:
                moves = [slope + self.momentum * v for v, slope in zip(moves, slopes, strict=True)]
        for parameter, move in zip(self.parameters, moves, strict=True):
            parameter.data -= self.lr * move


class Adam(Optimizer):
    """Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, algorithm 1, at step t:

        slope  = grad + weight_decay * parameter
        mean   = beta1 * mean   + (1 - beta1) * slope
        square = beta2 * square + (1 - beta2) * slope^2
        parameter -= lr * (mean / (1 - beta1^t)) / (sqrt(square / (1 - beta2^t)) + eps)

    The divisions by 1 - beta^t correct the start at 0: without them the first steps would be too small in the mean and
    far too large in the quotient. Each of `betas` is at least 0 and below 1, `eps` above 0.
    """

    def __init__(
        self,
        parameters: Iterable[Value],
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            raise TypeError(f"betas must be two numbers, such as (0.9, 0.999); got {betas!r}")
        self.betas = (
            _checked("betas[0]", betas[0], at_least=0.0, below=1.0),
            _checked("betas[1]", betas[1], at_least=0.0, below=1.0),
        )
        self.eps = _checked("eps", eps, above=0.0)
        self.steps = 0
        self.means = [0.0] * len(self.parameters)
        self.squares = [0.0] * len(self.parameters)

    def step(self) -> None:
        beta1, beta2 = self.betas
        slopes = self._slopes()
        self.steps += 1
        self.means = [beta1 * m + (1 - beta1) * g for m, g in zip(self.means, slopes, strict=True)]
        self.squares = [beta2 * s + (1 - beta2) * g * g for s, g in zip(self.squares, slopes, strict=True)]
        lr = self.lr / (1 - beta1**self.steps)
        correction = math.sqrt(1 - beta2**self.steps)
        for parameter, mean, square in zip(self.parameters, self.means, self.squares, strict=True):
            parameter.data -= lr * mean / (math.sqrt(square) / correction + self.eps)


def _checked_parameters(parameters: Iterable[Value]) -> list[Value]:
    """`parameters` as a list of leaf Values without repetition, or an error that names the first one that is not."""
    if not hasattr(parameters, "__iter__"):
        call = ", such as model.parameters()" if hasattr(parameters, "parameters") else ""
        raise TypeError(f"parameters must be an iterable of Values{call}; got {type(parameters).__name__}")
    checked = list(parameters)
    if not checked:
        raise ValueError("no parameters to optimise: the iterable is empty (a generator that was used up already?)")
    first_at: dict[int, int] = {}
    for index, parameter in enumerate(checked):
        if not isinstance(parameter, Value):
            raise TypeError(f"parameters[{index}] is a {type(parameter).__name__}, expected a Value")
        if parameter.parents:
            raise ValueError(
                f"parameters[{index}] was computed from other Values, so a step would not last: give the leaves"
            )
        if first_at.setdefault(id(parameter), index) != index:
            raise ValueError(
                f"parameters[{index}] is the same Value as parameters[{first_at[id(parameter)]}] and would be "
                "stepped twice: give each once (Module.parameters() does)"
            )
    return checked


def _checked(
    name: str,
    number: float,
    *,
    at_least: float = -math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> float:
    """`number` as a finite float within its range, or an error that names it and the range."""
    try:
        checked = float(number)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {number!r}") from None
    if not (math.isfinite(checked) and checked >= at_least and above < checked < below):
        limits = {"at least ": at_least, "above ": above, "below ": below}
        bounds = " and ".join(f"{word}{limit:g}" for word, limit in limits.items() if math.isfinite(limit))
        raise ValueError(f"{name} must be finite and {bounds}, got {number!r}")
    return checked
