"""Optimisers: how the gradients become a step of the parameters.

    optimizer = SGD(model.parameters(), lr=0.1)
    loss.backward(); optimizer.step(); optimizer.zero_grad()

Update rules are those of PyTorch, number for number. `optimizer.lr` may be changed between steps, or follow a schedule (see
`nn.schedules`); `clip_norm` and `clip_value` go between backward() and step().

A parameter that no sweep has reached has the gradient 0 and is stepped with that: momentum carries it on, weight decay
shrinks it. (PyTorch leaves out a parameter whose gradient is None.)
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from autograd import Value
from autograd.numeric import HUGE, is_number, sqrt, where
from nn.schedules import Schedule, check_schedule, checked_factor
from nn.words import counted

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "clip_norm", "clip_value", "elementwise"]

Rows = Iterable[Any]  # one per parameter
Update = TypeVar("Update", bound=Callable[..., Rows])

MANY = 100  # parameters: from about as many on, arrays of them are faster than one row for each


def elementwise(update: Update) -> Update:
    """Mark an `update` that does the same with every row, so that one row may hold arrays with a number per parameter."""
    update.elementwise = True  # type: ignore[attr-defined]
    return update


class Optimizer:
    """What optimisers share: the checked list of `parameters`, the learning rate, whole steps, and state to be saved.

    parameters  leaf Values, each once, in any iterable (`model.parameters()`)
    lr          learning rate, a finite number above 0
    schedule    a function of the number of steps taken so far that gives the factor of lr; None for always 1

    Attributes: `parameters`, `lr`, `weight_decay` (which each rule applies in its own way), `schedule`, `steps` (how many
    were taken).

    An optimiser of your own defines `update(lr, rows)`, which goes through the parameters, a row (x, grad) for each, and
    yields the new x of each. If it remembers something about each parameter, its class names that in `kept`: the base
    class keeps a list of one number per parameter under each name, 0 at first, adds these numbers to the rows, takes the
    new ones with the new x, and saves them with the rest of its state.

        class Momentum(Optimizer):
            kept = ("velocities",)

            def update(self, lr, rows):
                for x, grad, velocity in rows:
                    velocity = 0.9 * velocity + grad
                    yield x - lr * velocity, velocity

    The rules of this module are `elementwise`: of many parameters they get one row of arrays, which is faster and gives the
    same bits. One of your own may be marked so too, if it does with each row the same, and without `math`:

            @elementwise
            def update(self, lr, rows):

    It may instead override `step()`, and then adds 1 to `steps` itself.

    Raises TypeError for something that is not a Value, or a schedule that is no function; ValueError for no parameters, one
    given twice, one that was computed from others, or a number outside its range.
    """

    kept: tuple[str, ...] = ()  # the attributes that hold a list of one number per parameter
    never_negative: tuple[str, ...] = ()  # those of them that hold means of squares
    settings: tuple[str, ...] = ("lr", "weight_decay")  # the attributes that a state records beside them

    def __init__(
        self, parameters: Iterable[Value], lr: float, weight_decay: float = 0.0, schedule: Schedule | None = None
    ) -> None:
        self.parameters = _checked_parameters(parameters)
        self.lr = _checked("lr", lr, above=0.0)
        self.weight_decay = _checked("weight_decay", weight_decay, at_least=0.0)
        check_schedule("schedule", schedule)
        self.schedule = schedule
        self.steps = 0
        for name in self.kept:
            setattr(self, name, [0.0] * len(self.parameters))

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step: lr * schedule(steps).

        Raises ValueError, naming the step, if the schedule gives anything but a finite number of at least 0.
        """
        return self.lr if self.schedule is None else self.lr * checked_factor(self.schedule, self.steps)

    def update(self, lr: float, rows: Rows) -> Rows:
        """From a row (x, grad, *kept) for each parameter its new number, followed by the new number of everything kept."""
        raise NotImplementedError(f"{type(self).__name__} must define update(lr, rows) or step()")

    def step(self) -> None:
        """Change every parameter's `data` once, by its `grad`.

        Everything is computed before anything is assigned: whatever is raised, nothing has changed.
        """
        given = [[p.data for p in self.parameters], _gradients(self.parameters)]
        given += [getattr(self, name) for name in self.kept]
        numbers, lr = given[0], self.learning_rate
        if (columns := self._updated_at_once(lr, given)) is not None:
            return self._assign(columns[0], self.steps + 1, dict(zip(self.kept, columns[1:])))
        after = list(self.update(lr, zip(*given, strict=True)) or ())
        try:
            columns = [list(column) for column in zip(*after, strict=True)] if self.kept else [after]
        except (TypeError, ValueError):  # rows that are no tuples, or not of one length
            columns = []
        if len(columns) != 1 + len(self.kept) or len(after) != len(numbers) or not _are_numbers(columns[0]):
            raise TypeError(
                f"{type(self).__name__}.update must yield {', '.join(['x', *self.kept])} as numbers for each of the "
                f"{counted(len(numbers), 'parameter')}; it gave {after!r:.200}"
            )
        self._assign(columns[0], self.steps + 1, dict(zip(self.kept, columns[1:])))

    def _updated_at_once(self, lr: float, given: list[list[Any]]) -> list[list[float]] | None:
        """The new columns of numbers and what is kept, computed as arrays; None where that is to be done row by row.

        So it is where a number overflows, or is none: row by row it is then what Python makes of it, an error for a quotient;
        and where a rule has more in it than arithmetic, or changes an array in place, which may still be needed as it was.
        """
        if len(given[0]) < MANY or not getattr(self.update, "elementwise", False):
            return None
        if any(set(map(type, column)) != {float} for column in given[:2]):
            return None
        import numpy as np

        try:
            arrays = [np.frombuffer(array("d", column)) for column in given]  # np.array(column) takes twice as long
            if any(len(column) != len(given[0]) for column in given):
                return None
            for column in arrays:
                column.setflags(write=False)
            with np.errstate(all="raise", under="ignore"):
                [after] = self.update(lr, iter([tuple(arrays)]))
            columns = list(after) if self.kept else [after]
        except (FloatingPointError, TypeError, ValueError):
            return None
        if [getattr(column, "shape", None) for column in columns] != [arrays[0].shape] * (1 + len(self.kept)):
            return None
        return [column.tolist() for column in columns]

    def zero_grad(self) -> None:
        """Set every parameter's `grad` to 0."""
        for parameter in self.parameters:
            parameter.grad = 0.0

    def state(self) -> dict[str, Any]:
        """What `load_state` needs to go on as if nothing had happened, in dicts, lists and plain numbers, fit for JSON:

        kind      the class's name
        steps     how many were taken
        settings  lr and the rest, for the reader: an optimiser that loads the state goes by its own
        and one list of floats under each name in `kept`, in the order of the parameters.

        The parameters' own numbers and the schedule are not in it.
        """
        settings = {name: getattr(self, name) for name in self.settings}
        plain = {name: list(x) if isinstance(x, tuple) else x for name, x in settings.items()}
        kept = {name: [float(x) for x in getattr(self, name)] for name in self.kept}
        return {"kind": type(self).__name__, "steps": self.steps, "settings": plain, **kept}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a `state()`, bit for bit, with this optimiser's own settings.

        Raises ValueError, and changes nothing, for the state of another kind of optimiser or of another number of
        parameters, a missing or unknown key, and for anything that is no finite number, or negative where a mean of
        squares cannot be.
        """
        steps, kept = self._checked_state(state)
        self._assign([parameter.data for parameter in self.parameters], steps, kept)

    def _checked_state(self, state: Any) -> tuple[int, dict[str, list[float]]]:
        kind, expected = type(self).__name__, ("kind", "steps", "settings", *self.kept)
        if not isinstance(state, dict):
            raise ValueError(f"the state of an optimizer is a dict, as {kind}.state() gives; got {state!r:.80}")
        if state.get("kind", kind) != kind:
            raise ValueError(
                f"this is the state of {state['kind']!r}, and the optimizer is {kind}: make one of that kind"
            )
        for key in expected:
            if key not in state:
                raise ValueError(
                    f"the state of {kind} lacks {key!r}; it has {', '.join(map(repr, state)) or 'nothing'}"
                )
        for key in state:
            if key not in expected:
                raise ValueError(f"the state of {kind} has {key!r}, which is unknown; it takes {', '.join(expected)}")
        steps = state["steps"]
        if type(steps) is not int or not 0 <= steps < 2**53:
            raise ValueError(f"the state's steps must be a whole number from 0 to 2^53, got {steps!r:.80}")
        if not isinstance(state["settings"], dict):
            raise ValueError(f"the state's settings must be a dict, got {state['settings']!r:.80}")
        return steps, {name: self._checked_list(name, state[name]) for name in self.kept}

    def _checked_list(self, name: str, numbers: Any) -> list[float]:
        """One finite number per parameter."""
        if not isinstance(numbers, list):
            raise ValueError(f"the state's {name} must be a list of numbers, got {numbers!r:.80}")
        if len(numbers) != len(self.parameters):
            raise ValueError(
                f"the state's {name} are those of {counted(len(numbers), 'parameter')}, but the optimizer has "
                f"{len(self.parameters):,}: make the same model first"
            )
        for index, x in enumerate(numbers):
            if type(x) not in (float, int):
                raise ValueError(f"the state's {name}[{index}] must be a number, got {x!r:.80}")
            if not -HUGE <= x <= HUGE:
                raise ValueError(f"the state's {name}[{index}] must be finite, got {x!r}")
            if x < 0 and name in self.never_negative:
                raise ValueError(f"the state's {name}[{index}] must be at least 0, as a mean of squares is; got {x!r}")
        return [float(x) for x in numbers]

    def _assign(self, numbers: list[Any], steps: int, kept: dict[str, list[Any]]) -> None:
        """The new numbers of parameters and state; if it is interrupted, all have their old ones."""
        data, before = [parameter.data for parameter in self.parameters], dict(vars(self))
        try:
            for parameter, number in zip(self.parameters, numbers, strict=True):
                parameter.data = number
            vars(self).update(kept, steps=steps)
        except BaseException:
            for parameter, number in zip(self.parameters, data, strict=True):
                parameter.data = number
            vars(self).update(before)
            raise

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={getattr(self, name)!r}" for name in (*self.settings, "schedule"))
        return f"{type(self).__name__}({counted(len(self.parameters), 'parameter')}, {settings}, steps={self.steps})"


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if asked for.

        slope    = grad + weight_decay * parameter
        velocity = momentum * velocity + slope              (the first time: slope)
        parameter -= lr * velocity                          (nesterov: lr * (slope + momentum * velocity))

    Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum in deep learning", 2013,
    with the learning rate outside the velocity, as PyTorch has it. `momentum` is at least 0 and below 1.
    """

    kept = ("velocities",)
    settings = (*Optimizer.settings, "momentum", "nesterov")
    velocities: list[float]

    def __init__(
        self,
        parameters: Iterable[Value],
        lr: float = 0.01,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__(parameters, lr, weight_decay, schedule)
        self.momentum = _checked("momentum", momentum, at_least=0.0, below=1.0)
        if nesterov and momentum == 0:
            raise ValueError("nesterov looks ahead along the velocity: give it a momentum above 0, such as 0.9")
        self.nesterov = bool(nesterov)

    @elementwise
    def update(self, lr: float, rows: Rows) -> Rows:
        decay, momentum, nesterov = self.weight_decay, self.momentum, self.nesterov
        for x, grad, velocity in rows:
            move = slope = grad + decay * x
            if momentum:
                velocity = momentum * velocity + slope
                move = slope + momentum * velocity if nesterov else velocity
            yield x - lr * move, velocity


class Adam(Optimizer):
    """Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, algorithm 1, at step t:

        slope  = grad + weight_decay * parameter
        mean   = beta1 * mean   + (1 - beta1) * slope
        square = beta2 * square + (1 - beta2) * slope^2
        parameter -= lr * (mean / (1 - beta1^t)) / (sqrt(square / (1 - beta2^t)) + eps)

    The divisions by 1 - beta^t correct the start at 0: without them the first steps would be too small in the mean and
    far too large in the quotient. Each of `betas` is at least 0 and below 1, `eps` above 0.
    """

    kept = ("means", "squares")
    never_negative = ("squares",)
    settings = (*Optimizer.settings, "betas", "eps")
    means: list[float]
    squares: list[float]

    def __init__(
        self,
        parameters: Iterable[Value],
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__(parameters, lr, weight_decay, schedule)
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            raise TypeError(f"betas must be two numbers, such as (0.9, 0.999); got {betas!r}")
        self.betas = (
            _checked("betas[0]", betas[0], at_least=0.0, below=1.0),
            _checked("betas[1]", betas[1], at_least=0.0, below=1.0),
        )
        self.eps = _checked("eps", eps, above=0.0)

    @elementwise
    def update(self, lr: float, rows: Rows) -> Rows:
        return self._moved(lr, rows, self.weight_decay)

    def _moved(self, lr: float, rows: Rows, decay: float) -> Rows:
        (beta1, beta2), eps, t = self.betas, self.eps, self.steps + 1
        lr, root = lr / (1 - beta1**t), math.sqrt(1 - beta2**t)  # once per step, not for each parameter
        for x, grad, mean, square in rows:
            slope = grad + decay * x
            mean = beta1 * mean + (1 - beta1) * slope
            square = beta2 * square + (1 - beta2) * slope * slope
            yield x - lr * mean / (sqrt(square) / root + eps), mean, square


class AdamW(Adam):
    """Adam with weight decay apart from the gradient, so that the moments do not see it:

        parameter -= lr * weight_decay * parameter, then the step of Adam with slope = grad

    Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019, algorithm 2, with the decay multiplied by lr, as
    PyTorch has it. In Adam the decay is divided by sqrt(square) with the rest, so that weights with large gradients decay
    less.
    """

    def __init__(
        self,
        parameters: Iterable[Value],
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        *,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay, schedule=schedule)

    @elementwise
    def update(self, lr: float, rows: Rows) -> Rows:
        share = lr * self.weight_decay
        shrunk = ((x - share * x, grad, mean, square) for x, grad, mean, square in rows)
        return self._moved(lr, shrunk, decay=0.0)


class RMSprop(Optimizer):
    """Each slope divided by the root of the mean of its squares.

        slope  = grad + weight_decay * parameter
        square = alpha * square + (1 - alpha) * slope^2
        mean   = alpha * mean   + (1 - alpha) * slope       (centered)
        move   = slope / (sqrt(square) + eps)               (centered: slope / (sqrt(square - mean^2) + eps))
        velocity = momentum * velocity + move               (without momentum: move)
        parameter -= lr * velocity

    Tieleman and Hinton, "Neural Networks for Machine Learning", lecture 6.5, 2012; centered, so that the divisor is a
    standard deviation: Graves, "Generating Sequences With Recurrent Neural Networks", 2013. `alpha` and `momentum` are at
    least 0 and below 1, `eps` above 0. A variance that rounding makes negative counts as 0 (in PyTorch as NaN).
    """

    kept = ("squares", "means", "velocities")
    never_negative = ("squares",)
    settings = (*Optimizer.settings, "alpha", "eps", "momentum", "centered")
    squares: list[float]
    means: list[float]
    velocities: list[float]

    def __init__(
        self,
        parameters: Iterable[Value],
        lr: float = 0.01,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__(parameters, lr, weight_decay, schedule)
        self.alpha = _checked("alpha", alpha, at_least=0.0, below=1.0)
        self.eps = _checked("eps", eps, above=0.0)
        self.momentum = _checked("momentum", momentum, at_least=0.0, below=1.0)
        self.centered = bool(centered)

    @elementwise
    def update(self, lr: float, rows: Rows) -> Rows:
        alpha, eps, decay, momentum = self.alpha, self.eps, self.weight_decay, self.momentum
        for x, grad, square, mean, velocity in rows:
            slope = grad + decay * x
            variance = square = alpha * square + (1 - alpha) * slope * slope
            if self.centered:
                mean = alpha * mean + (1 - alpha) * slope
                variance = square - mean * mean
                variance = where(variance < 0, 0.0, variance)  # this order keeps NaN
            move = slope / (sqrt(variance) + eps)
            if momentum:
                move = velocity = momentum * velocity + move
            yield x - lr * move, square, mean, velocity


# ---- clipping ------------------------------------------------------------------------------------------------------


def clip_norm(parameters: Iterable[Value], most: float) -> float:
    """Shorten the gradient, all parameters' together, to the length `most`; returns the length that it had before.

        length = sqrt(sum_i grad_i^2)
        grad_i *= min(1, most / (length + 0.000001))

    Its direction stays. Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", 2013; the
    small summand is PyTorch's.

    Raises ValueError if the length is not finite, and changes nothing; ValueError and TypeError for parameters and `most`
    as an Optimizer does for its own.
    """
    values, most = _checked_parameters(parameters), _checked("most", most, above=0.0)
    gradients = _gradients(values)
    length = math.hypot(*gradients)
    if not math.isfinite(length):
        index = next((i for i, gradient in enumerate(gradients) if not math.isfinite(gradient)), None)
        where = "" if index is None else f": the gradient of parameters[{index}] is {gradients[index]}"
        raise ValueError(f"the gradient's length is {length}, so it cannot be clipped{where}")
    factor = most / (length + 1e-6)
    if factor < 1:
        for value, gradient in zip(values, gradients, strict=True):
            value.grad = gradient * factor
    return length


def clip_value(parameters: Iterable[Value], most: float) -> None:
    """Bring the gradient of each parameter into -most .. most. NaN stays NaN.

    Raises ValueError and TypeError for parameters and `most` as an Optimizer does for its own.
    """
    values, most = _checked_parameters(parameters), _checked("most", most, above=0.0)
    clipped = [min(max(gradient, -most), most) for gradient in _gradients(values)]  # this order keeps NaN
    for value, gradient in zip(values, clipped, strict=True):
        value.grad = gradient


def _gradients(parameters: list[Value]) -> list[Any]:
    """The numbers of their gradients, which are Values after backward(create_graph=True)."""
    gradients = [p.grad for p in parameters]
    if set(map(type, gradients)) == {float}:
        return gradients
    return [gradient.data if isinstance(gradient, Value) else gradient for gradient in gradients]


def _are_numbers(xs: Any) -> bool:
    return set(map(type, xs)) == {float} or all(map(is_number, xs))


def _checked_parameters(parameters: Iterable[Value]) -> list[Value]:
    """`parameters` as a list of leaf Values without repetition, or an error that names the first one that is not."""
    if not hasattr(parameters, "__iter__"):
        call = ", such as model.parameters()" if hasattr(parameters, "parameters") else ""
        raise TypeError(f"parameters must be an iterable of Values{call}; got {type(parameters).__name__}")
    checked = list(parameters)
    if not checked:
        raise ValueError(
            "no parameters: the iterable is empty. Is it a generator that was used up already, or a model whose numbers are "
            "plain floats? Wrap each that is to be learnt: Value(0.5)"
        )
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
