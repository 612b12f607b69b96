"""Layers that take one example or a batch of them: Linear, Conv2d, Flatten, Dropout, and Sequential to put them in a row.

Activations are layers too: `nn.ReLU()`, `nn.Tanh()` and all the others stand in `nn.activations`; micrograd's Neuron, Layer
and MLP in `nn.perceptron`. Where these give one example's numbers as a list, a batch is a list of such.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

import autograd
from autograd import Value
from autograd.engine import constant
from autograd.naming import Inputs
from nn import checks
from nn import init as initialisation
from nn.activations import ACTIVATIONS, CLASSES, Activation, each
from nn.module import Module
from nn.words import counted, did_you_mean

__all__ = ["Activation", "Conv2d", "Dropout", "Flatten", "Linear", "Sequential"]


class Linear(Module):
    """An affine layer: out[i] = weight[i][0]*x[0] + weight[i][1]*x[1] + ... + bias[i], without activation.

    nin, nout   number of inputs and of outputs, at least 1 each
    bias        False leaves the bias out (`bias` is then None)
    init        the name of a scheme in `nn.init`, or a function (rng, fan_in, fan_out) -> float; biases start at 0
    rng         a `random.Random` to draw from; by default the module `random`, which `random.seed` seeds

    Attributes: `weight` (nout lists of nin Values each) and `bias` (a list of nout Values, or None).

    Called with one example, nin numbers or Values, it gives a list of nout Values, also if nout is 1; with a batch, a list
    of such lists. NumPy arrays will do for both. Each output is one `dot`, and one addition for the bias.
    Raises ValueError for a wrong number of inputs or an empty batch, TypeError for what is no number.
    """

    def __init__(
        self,
        nin: int,
        nout: int,
        *,
        bias: bool = True,
        init: str | initialisation.Scheme = "uniform",
        rng: random.Random | None = None,
    ) -> None:
        nin, nout = checks.whole("nin", nin, 1), checks.whole("nout", nout, 1)
        draw, source = checks.scheme(init), checks.source(rng)
        self.weight = [[Value(draw(source, nin, nout)) for _ in range(nin)] for _ in range(nout)]
        self.bias = [Value(0.0) for _ in range(nout)] if bias else None

    def __call__(self, x: Any) -> Any:
        x = self.__inputs__(x)
        return self._affine(x) if type(x) is Inputs else [self._affine(example) for example in x]

    def _affine(self, inputs: Inputs) -> list[Value]:
        sums = [autograd.dot(row, inputs) for row in self.weight]
        return sums if self.bias is None else [total + b for total, b in zip(sums, self.bias)]

    def __inputs__(self, x: Any) -> Any:
        """One example as Inputs, a batch as a list of them: each number as one constant, which all outputs share."""
        nested = _as_lists(x)
        if not isinstance(nested, (list, Inputs)):  # as a Layer of one neuron gives it
            nested = [nested]
        if not (nested and isinstance(nested[0], (list, Inputs))):
            return self._example(nested, "")
        return [self._example(example, f"example {i}") for i, example in enumerate(nested)]

    def _example(self, inputs: Any, where: str) -> Inputs:
        nin = len(self.weight[0])
        if not isinstance(inputs, (list, Inputs)):
            raise ValueError(f"{self!r} takes a batch as a list of lists; {where} (counted from 0) is {inputs!r:.80}")
        if len(inputs) != nin:
            got = f"{where} (counted from 0) has {len(inputs)}" if where else f"got {len(inputs) or 'an empty list'}"
            advice = checks.mistake_in(inputs) or f"give {nin} numbers or Values, or a batch of such examples"
            raise ValueError(f"{self!r} takes {counted(nin, 'input')}, {got}: {advice}")
        return _values(self, inputs, self.weight[0][0], f"{where}, input" if where else "input")

    def __repr__(self) -> str:
        return f"Linear({len(self.weight[0])}, {len(self.weight)}{', bias=False' * (self.bias is None)})"


class Conv2d(Module):
    """Cross-correlation of images with small kernels, which deep learning calls convolution.

    With kernel size kh x kw, stride sh, sw and padding ph, pw, output channel o at row r and column s is

        bias[o] + sum over c, i, j of weight[o][c][i][j] * x[c][r*sh + i - ph][s*sw + j - pw]

    The kernel is not flipped, as a convolution in the mathematical sense would: x = (0, 0, 1, 0, 0) and the kernel
    (1, 2, 3) give (3, 2, 1). Padding puts zeros around the image; their products are left out of the sums, so that at the
    edges an output has fewer terms. An image of n rows gives floor((n + 2*ph - kh) / sh) + 1 rows, and columns likewise.

    channels_in, channels_out   such as 3 for red, green and blue; at least 1 each
    kernel, stride, padding     an int, or a pair (rows, columns); kernel and stride at least 1, padding at least 0
    bias        False leaves the bias out (`bias` is then None)
    init, rng   as in Linear, with fan_in = channels_in * kh * kw and fan_out = channels_out * kh * kw

    Attributes: `weight[o][c][i][j]` and `bias[o]`, lists of Values; `kernel`, `stride` and `padding`, pairs.

    Called with one image [channel][row][column] of numbers or Values, it gives the same nesting of Values; with a batch
    of images of one size, a list of such. NumPy arrays will do. Each output is one `dot`, and one addition for the bias.
    Raises ValueError for an image of another shape or one that is smaller than the kernel, TypeError for what is no number.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int | tuple[int, int],
        *,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        bias: bool = True,
        init: str | initialisation.Scheme = "uniform",
        rng: random.Random | None = None,
    ) -> None:
        channels_in = checks.whole("channels_in", channels_in, 1)
        channels_out = checks.whole("channels_out", channels_out, 1)
        self.kernel = kh, kw = checks.pair("kernel", kernel, 1)
        self.stride = checks.pair("stride", stride, 1)
        self.padding = checks.pair("padding", padding, 0)
        draw, source = checks.scheme(init), checks.source(rng)
        fans = channels_in * kh * kw, channels_out * kh * kw
        self.weight = [
            [[[Value(draw(source, *fans)) for _ in range(kw)] for _ in range(kh)] for _ in range(channels_in)]
            for _ in range(channels_out)
        ]
        self.bias = [Value(0.0) for _ in range(channels_out)] if bias else None

    def __call__(self, x: Any) -> Any:
        x = self.__inputs__(x)
        if type(x[0][0]) is Inputs:
            return self._correlated(x)
        return [self._correlated(image) for image in x]

    def _correlated(self, image: Sequence[Sequence[Inputs]]) -> list[list[list[Value]]]:
        """One image's output, [channel][row][column]."""
        (kh, kw), (sh, sw), (ph, pw) = self.kernel, self.stride, self.padding
        height, width = len(image[0]), len(image[0][0])
        out: list[list[list[Value]]] = [[] for _ in self.weight]
        for top in range(-ph, height + ph - kh + 1, sh):
            for channel in out:
                channel.append([])
            rows, kernel_rows = _overlap(top, kh, height)
            for left in range(-pw, width + pw - kw + 1, sw):
                columns, kernel_columns = _overlap(left, kw, width)
                window = [x for channel in image for row in channel[rows] for x in row[columns]]
                for o, kernel in enumerate(self.weight):
                    weights = [w for channel in kernel for row in channel[kernel_rows] for w in row[kernel_columns]]
                    total = autograd.dot(weights, window) if window else constant(0.0, kernel[0][0][0])
                    out[o][-1].append(total if self.bias is None else total + self.bias[o])
        return out

    def __inputs__(self, x: Any) -> Any:
        """One image as [channel][row] of Inputs, or a list of such: each number as one constant, which all outputs share."""
        nested = _as_lists(x)
        levels = _levels(nested)
        if levels not in (3, 4):
            hint = "; write [image] for an image with one channel" if levels == 2 and len(self.weight[0]) == 1 else ""
            raise ValueError(
                f"{self!r} takes an image as [channel][row][column], or a batch as a list of images, so lists nested "
                f"3 or 4 levels deep; got {_depth(nested, levels)}{hint}"
            )
        if levels == 3:
            return self._image(nested, "")
        batch = [self._image(image, f"image {i}, ") for i, image in enumerate(nested)]
        sizes = [(len(image[0]), len(image[0][0])) for image in batch]
        for i, size in enumerate(sizes):
            if size != sizes[0]:
                raise ValueError(
                    f"{self!r} takes images of one size as a batch: image 0 is {sizes[0][0]} x {sizes[0][1]}, but image "
                    f"{i} (counted from 0) is {size[0]} x {size[1]}; call it with images of other sizes one by one"
                )
        return batch

    def _image(self, image: Any, where: str) -> list[list[Inputs]]:
        channels_in, like = len(self.weight[0]), self.weight[0][0][0][0]
        if not isinstance(image, list) or len(image) != channels_in:
            got = counted(len(image), "channel") if isinstance(image, list) else f"{image!r:.80}"
            raise ValueError(
                f"{self!r} takes images of {counted(channels_in, 'channel')}, [channel][row][column]; {where}got {got}"
            )
        read: list[list[Inputs]] = []
        for c, channel in enumerate(image):
            place = f"{where}channel {c}"
            self._check_list(channel, place, "rows", len(read[0]) if read else None)
            read.append([])
            for r, row in enumerate(channel):
                self._check_list(row, f"{place}, row {r}", "columns", len(read[0][0]) if read[0] else None)
                read[-1].append(_values(self, row, like, f"{place}, row {r}, column"))
        for size, kernel, padding, what in zip(
            (len(read[0]), len(read[0][0])), self.kernel, self.padding, ("rows", "columns")
        ):
            if size + 2 * padding < kernel:
                padded = f" with {padding} of padding on both sides" if padding else ""
                raise ValueError(
                    f"{self!r} needs at least {kernel} {what}, as many as its kernel has; {where}got {size}{padded}: "
                    "take a smaller kernel, more padding, or a larger image"
                )
        return read

    def _check_list(self, given: Any, place: str, what: str, count: int | None) -> None:
        """Raise ValueError unless `given` is a list that is not empty, of `count` things if that is known."""
        if not isinstance(given, (list, Inputs)):
            raise ValueError(
                f"{self!r} takes images as [channel][row][column]; {place} (counted from 0) is {given!r:.80}"
            )
        if not given:
            raise ValueError(f"{self!r} takes images with at least one row and column; {place} has no {what}")
        if count is not None and len(given) != count:
            raise ValueError(
                f"{self!r} takes images whose {what} are all of one number: {place} (counted from 0) has {len(given)} "
                f"{what}, those before it {count}"
            )

    def __repr__(self) -> str:
        usual = {"stride": (1, 1), "padding": (0, 0)}
        sizes = {name: getattr(self, name) for name in usual if getattr(self, name) != usual[name]}
        more = "".join([f", {name}={_short(size)}" for name, size in sizes.items()])
        bias = ", bias=False" * (self.bias is None)
        return f"Conv2d({len(self.weight[0])}, {len(self.weight)}, {_short(self.kernel)}{more}{bias})"


class Flatten(Module):
    """Nested lists as one: an image [channel][row][column] becomes the list of its numbers, row by row.

    levels  how many levels of nesting become one, the innermost; 3 for images with channels, 2 for plain ones

    Called with one more level, it takes that for a batch, and gives a list of lists. NumPy arrays will do.
    Raises ValueError for any other nesting, also where it differs within the lists.
    """

    def __init__(self, levels: int = 3) -> None:
        self.levels = checks.whole("levels", levels, 1)

    def __call__(self, x: Any) -> list[Any]:
        nested = _as_lists(x)
        found = _levels(nested)
        if found not in (self.levels, self.levels + 1):
            raise ValueError(
                f"{self!r} takes lists nested {counted(self.levels, 'level')} deep, or a batch of such; got "
                f"{_depth(nested, found)}: choose levels= as deep as one example"
            )
        return self._flat(nested, self.levels) if found == self.levels else [self._flat(y, self.levels) for y in nested]

    def _flat(self, x: Any, levels: int) -> list[Any]:
        if not isinstance(x, (list, Inputs)):
            raise ValueError(f"{self!r} takes lists of one depth throughout; got {x!r:.80} beside lists")
        if levels > 1:
            return [z for y in x for z in self._flat(y, levels - 1)]
        for y in x:
            if isinstance(y, list):
                raise ValueError(f"{self!r} takes lists of one depth throughout; got {y!r:.80} beside numbers")
        return list(x)

    def __repr__(self) -> str:
        return f"Flatten({f'levels={self.levels}' * (self.levels != 3)})"


class Dropout(Module):
    """In training each number becomes 0 with probability p, drawn anew in each call; when used, everything passes.

    Those that stay are multiplied by 1 / (1 - p), so that the mean stays what it is without ("inverted" dropout);
    `train()` and `eval()` of the model choose which of the two it is. After Srivastava, Hinton, Krizhevsky, Sutskever and
    Salakhutdinov, "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014, section 10.

    p    at least 0, less than 1
    rng  a `random.Random` to draw from; by default the module `random`. It may be changed: attribute `rng`

    A call takes Values, numbers and nested lists and object arrays of them, and keeps the nesting. One number is drawn
    for each, in order; a number that is dropped is multiplied by 0.
    """

    def __init__(self, p: float = 0.5, rng: random.Random | None = None) -> None:
        if isinstance(p, bool) or not isinstance(p, (int, float)):
            raise TypeError(f"p must be a number, the share that is dropped; got {p!r}")
        if not 0 <= p < 1:
            raise ValueError(f"p must be at least 0 and less than 1, the share that is dropped; got {p}")
        checks.source(rng)
        self.p, self.rng = p, rng

    def __call__(self, x: Any) -> Any:
        if not self.training or self.p == 0:
            return x
        draw, scale = checks.source(self.rng).random, 1 / (1 - self.p)
        return each(self, lambda number: number * (scale if draw() >= self.p else 0.0), x)

    def __repr__(self) -> str:
        return f"Dropout({self.p!r})"


class Sequential(Module):
    """Layers in a row: each is called with what the one before gave.

        nn.Sequential(nn.Linear(2, 16, init="xavier"), "tanh", nn.Linear(16, 1))

    A layer is a Module, the name of an activation, which stands for its layer, or a function. Attribute: `layers`.
    It has a length, and is iterated and indexed as a list; a slice is a Sequential of the same layers.
    Raises TypeError or ValueError for anything else, naming its position.
    """

    def __init__(self, *layers: Module | str | Callable[[Any], Any]) -> None:
        self.layers = [_layer(position, layer) for position, layer in enumerate(layers)]

    def __call__(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x

    def __inputs__(self, x: Any) -> Any:
        """The inputs as the first layer reads them, so that they stand outside this one's frame too."""
        for kind in type(self.layers[0]).__mro__ if self.layers else ():
            if "__call__" in vars(kind):
                read = vars(kind).get("__inputs__")
                return x if read is None else read(self.layers[0], x)
        return x

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Callable[[Any], Any]]:
        return iter(self.layers)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: int | slice) -> Any:
        return Sequential(*self.layers[index]) if isinstance(index, slice) else self.layers[index]

    def __repr__(self) -> str:
        parts = [repr(x) if isinstance(x, Module) else getattr(x, "__qualname__", repr(x)) for x in self.layers]
        line = f"Sequential({', '.join(parts)})"
        if len(line) <= 80 and "\n" not in line:
            return line
        lines = [f"    {line}" for part in parts for line in f"{part},".split("\n")]
        return "\n".join(["Sequential(", *lines, ")"])


def _layer(position: int, given: Any) -> Callable[[Any], Any]:
    """What a Sequential was given at a position, as something to call."""
    where = f"layer {position} (counted from 0) of Sequential"
    if isinstance(given, type):
        raise TypeError(f"{where} is the class {given.__name__}: make one, {given.__name__}(...)")
    if isinstance(given, str):
        if given not in CLASSES:
            names = ", ".join(ACTIVATIONS)
            raise ValueError(f"{where} is {given!r}, which is none of {names}{did_you_mean(given, ACTIVATIONS)}")
        return CLASSES[given]()
    if not callable(given):
        hint = "; write Sequential(*layers) for a list of them" if isinstance(given, (list, tuple)) else ""
        raise TypeError(
            f"{where} is {given!r:.80}, of type {type(given).__name__}: give a Module, the name of an activation, or a "
            f"function{hint}"
        )
    return given  # type: ignore[no-any-return]


def _as_lists(x: Any) -> Any:
    """Tuples, arrays and iterators as lists, nested as they are; Inputs, Values and all else unchanged."""
    if hasattr(x, "tolist"):  # NumPy's: of Values it makes lists of Values
        x = x.tolist()
    if isinstance(x, (Inputs, Value, str, bytes, dict, set)) or not hasattr(x, "__iter__"):
        return x
    return [y if type(y) is Value or type(y) is float else _as_lists(y) for y in x]


def _levels(nested: Any) -> int:
    """How deep lists are nested, along the first of each."""
    levels = 0
    while isinstance(nested, (list, Inputs)):
        levels += 1
        nested = nested[0] if nested else None
    return levels


def _depth(nested: Any, levels: int) -> str:
    """What was given in place of lists of another depth."""
    if levels == 0:
        return f"{nested!r:.80}, of type {type(nested).__name__}"
    return counted(levels, "level") if nested else "an empty list"


def _values(part: Module, numbers: list[Any] | Inputs, like: Value, place: str) -> Inputs:
    """A row of numbers and Values as Values; `place` says what a single one is called in an error."""
    if type(numbers) is Inputs:
        return numbers
    try:
        return Inputs.of([x if isinstance(x, Value) else constant(x, like) for x in numbers])
    except TypeError:
        raise TypeError(f"{part!r} takes numbers and Values; {checks.mistake_in(numbers, place)}") from None


def _overlap(start: int, size: int, length: int) -> tuple[slice, slice]:
    """Where a window from `start` lies on `length` places: the slice of the places, and the slice of the window."""
    first, last = max(start, 0), max(min(start + size, length), 0)
    return slice(first, last), slice(first - start, max(last - start, 0))


def _short(pair: tuple[int, int]) -> str:
    return str(pair[0] if pair[0] == pair[1] else pair)
