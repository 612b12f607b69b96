"""Random networks and convolutions as NumPy code, with a backward pass derived by hand, and mistakes to inject into it.

One is drawn from a seed. `forward` and `right` are its lines of code, as they stand in posts; `mistakes` lists what may
be wrong in the latter, each a kind and the expressions that it replaces. Nothing here uses the engine or the checker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import formulas
import numpy as np
from formulas import Array

Numbers = dict[str, Any]  # arguments, or gradients, by name

# Written out, as an operation, and its slope, by its own z and a
ACTIVATIONS = {
    "sigmoid": ("1/(1 + np.exp(-z))", "sigmoid(z)", "a*(1 - a)"),
    "tanh": ("np.tanh(z)", "tanh(z)", "(1 - a**2)"),
    "relu": ("np.maximum(0, z)", "relu(z)", "(z > 0)"),
    "softplus": ("np.log(1 + np.exp(z))", "softplus(z)", "1/(1 + np.exp(-z))"),
    "linear": ("z", "z", "1"),
}
IN_NUMPY = {
    "np": np,
    "sigmoid": formulas.sigmoid,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(0, z),
    "softplus": lambda z: np.logaddexp(0, z),
}


class Network(NamedTuple):
    """What was drawn.

    Attributes:
        batch, widths: the examples; the inputs, and the neurons of each layer.
        activations: of each layer; of the last, what the loss is given.
        loss: "sum" or "mean" of half the squared error, "labels" or "targets" under softmax and cross-entropy, "binary".
        written_out: whether activations are.
        biases: whether there are any.
        penalty: the parameters' first letters that L2 takes: "", "W" or "Wb".
        halved: whether its strength is.
        rows: whether an example is a row; else a column, and a weight has the neuron that it goes to as its first index.
        sums: whether targets of softmax sum to 1.
    """

    seed: int
    batch: int
    widths: tuple[int, ...]
    activations: tuple[str, ...]
    loss: str
    written_out: bool
    biases: bool
    penalty: str
    halved: bool
    rows: bool
    sums: bool

    @property
    def depth(self) -> int:
        return len(self.activations)

    @property
    def parameters(self) -> list[str]:
        layers = range(1, self.depth + 1)
        return [f"{letter}{layer}" for layer in layers for letter in ("Wb" if self.biases else "W")]

    def arguments(self, seed: int = 0, sizes: dict[int, int] | None = None) -> Numbers:
        """Numbers for a network; of other sizes, where `sizes` says which stands for which."""
        draw = np.random.default_rng([self.seed, seed])
        to = sizes or {}
        batch, *widths = (to.get(n, n) for n in (self.batch, *self.widths))
        given: Numbers = {"X": self.across(draw.normal(size=(batch, widths[0])))}
        for layer in range(1, self.depth + 1):
            given[f"W{layer}"] = self.across(draw.normal(size=widths[layer - 1 : layer + 1]))
            if self.biases:
                given[f"b{layer}"] = draw.normal(size=widths[layer])
        if self.loss == "labels":
            given["y"] = draw.integers(widths[-1], size=batch)
        elif self.loss == "targets":
            t = draw.uniform(0.1, 1, size=(batch, widths[-1]))
            given["t"] = self.across(t / t.sum(axis=1, keepdims=True) if self.sums else t)
        else:
            given["t"] = self.across(draw.uniform(0.05, 0.95, size=(batch, widths[-1])))
        if self.penalty:
            given["reg"] = float(draw.uniform(0.05, 0.5))
        return given

    def across(self, array: Array) -> Array:
        return array if self.rows else np.ascontiguousarray(array.T)

    def product(self, first: str, second: str) -> str:
        """The product of matrices that are first and second where an example is a row."""
        return f"{first} @ {second}" if self.rows else f"{second} @ {first}"

    def axes(self) -> tuple[int, int]:
        """The axis of the examples, and that of the neurons."""
        return (0, 1) if self.rows else (1, 0)

    def spell(self, layer: int, which: int) -> str:
        """An activation written out (0) or as an operation (1), or its slope (2), of a layer's z and a."""
        text = ACTIVATIONS[self.activations[layer - 1]][which]
        return "".join({"z": f"z{layer}", "a": activation(layer)}.get(word, word) for word in words(text))

    def forward(self) -> list[str]:
        examples, neurons = self.axes()
        lines = [f"N = X.shape[{examples}]"]
        for layer in range(1, self.depth + 1):
            bias = f" + b{layer}" + ("" if self.rows else "[:, np.newaxis]")
            lines += [f"z{layer} = {self.product(activation(layer - 1), f'W{layer}')}{bias if self.biases else ''}"]
            lines += [f"a{layer} = {self.spell(layer, 0 if self.written_out else 1)}"]
        a = f"a{self.depth}"
        if self.loss in ("sum", "mean"):
            lines += [f"loss = np.sum(({a} - t)**2)/{'2' if self.loss == 'sum' else '(2*N)'}"]
        elif self.loss == "binary":
            lines += [f"loss = -np.sum(t*np.log({a}) + (1 - t)*np.log(1 - {a}))/N"]
        else:
            lines += [f"e = np.exp({a} - np.amax({a}, axis={neurons}, keepdims=True))"]
            lines += [f"p = e/np.sum(e, axis={neurons}, keepdims=True)"]
            right = ("p[np.arange(N), y]" if self.rows else "p[y, np.arange(N)]") if self.loss == "labels" else "p"
            lines += [f"loss = -np.sum({'t*' if self.loss == 'targets' else ''}np.log({right}))/N"]
        if self.penalty:
            squares = " + ".join(f"np.sum({name}**2)" for name in self.parameters if name[0] in self.penalty)
            lines += [f"loss += reg{'/2' if self.halved else ''}*({squares})"]
        return lines

    def one_hot(self, labels: str = "y") -> str:
        return (
            f"(np.arange(p.shape[1]) == ({labels})[:, np.newaxis])"
            if self.rows
            else (f"(np.arange(p.shape[0])[:, np.newaxis] == ({labels}))")
        )

    def right(self) -> dict[str, str]:
        """The backward pass, line by line: name -> expression; a name that begins with "+" is added to.

        delta is the gradient by z, back that by a. `self.parameters` come last, as the gradients that are claimed.
        """
        examples, neurons = self.axes()
        last = self.depth
        a = f"a{last}"
        output = {
            "sum": f"({a} - t)*{self.spell(last, 2)}",
            "mean": f"({a} - t)*{self.spell(last, 2)}/N",
            "binary": f"({a} - t)/N",
            "labels": f"(p - {self.one_hot()})/N",
            "targets": f"(p*np.sum(t, axis={neurons}, keepdims=True) - t)/N",
        }
        code = {f"delta{last}": output[self.loss]}
        for layer in range(last, 0, -1):
            code[f"dW{layer}"] = (
                self.product(f"{activation(layer - 1)}.T", f"delta{layer}")
                if self.rows
                else (f"delta{layer} @ {activation(layer - 1)}.T")
            )
            if self.biases:
                code[f"db{layer}"] = f"np.sum(delta{layer}, axis={examples})"
            if layer > 1:
                code[f"back{layer - 1}"] = self.product(f"delta{layer}", f"W{layer}.T")
                code[f"delta{layer - 1}"] = f"back{layer - 1}*{self.spell(layer - 1, 2)}"
        for name in self.parameters:
            if name[0] in self.penalty:
                code[f"+d{name}"] = f"{'' if self.halved else '2*'}reg*{name}"
        return {**code, **{name: f"d{name}" for name in self.parameters}}

    def injections(self) -> Iterator[tuple[str, dict[str, str]]]:
        code = self.right()
        last, (examples, neurons) = self.depth, self.axes()
        layers = range(1, last + 1)
        output = f"delta{last}"
        data = [output, *(f"d{name}" for name in self.parameters)]
        one = self.batch == 1
        penalties = [name for name in code if name[0] == "+"]

        def around(name: str, text: str) -> dict[str, str]:
            return {name: text.format(f"({code[name]})")}

        for name in data:
            yield "sign", around(name, "-{}")
            yield "factor", around(name, "2*{}")
            yield "factor", around(name, "0.5*{}")
            yield "size factor", around(name, "{}/N")
            yield "batch of one" if one else "size factor", around(name, "{}*N")
        yield "size factor", around(output, f"{{}}/a{last}.shape[{neurons}]")
        for name in self.parameters:
            yield "sign", around(name, "-{}")
            yield "not a derivative", {name: f"loss + 0*{name}"}

        for layer in layers:
            a, d = activation(layer - 1), f"delta{layer}"
            yield "transposed", around(f"W{layer}", "{}.T")
            for example in ("0", "-1"):
                at = example if self.rows else f":, {example}"
                kind = "batch of one" if one else "not summed"
                yield kind, {f"dW{layer}": f"np.outer({self.product(f'{a}[{at}]', f'{d}[{at}]').replace(' @', ',')})"}
                if self.biases:
                    yield kind, {f"db{layer}": f"{d}[{at}]"}
            if self.biases and "b" not in self.penalty:  # whose addition would fail
                yield "wrong axis", {f"db{layer}": f"np.sum({d}, axis={neurons})"}
                yield "not summed", {f"db{layer}": d}
            totals = self.product(f"np.sum({a}, axis={examples})", f"np.sum({d}, axis={examples})").replace(" @", ",")
            yield "summed twice", {f"dW{layer}": f"np.outer({totals})"}
            yield "summed twice", around(d, f"np.sum({{0}}, axis={examples}, keepdims=True) + 0*{{0}}")
            first = ":, :1" if self.rows else ":1"
            yield "wrong index", {f"dW{layer}": code[f"dW{layer}"].replace(a, f"({a}[{first}] + 0*{a})")}
            for other in layers:
                if other != layer and self.widths[other - 1] == self.widths[layer - 1]:
                    yield "wrong layer", {f"dW{layer}": code[f"dW{layer}"].replace(a, activation(other - 1))}

        for layer in layers[:-1]:
            d, back = f"delta{layer}", f"back{layer}"
            if self.widths[layer] == self.widths[layer + 1]:
                yield "transposed", {back: code[back].replace(".T", "")}
            yield "slope missing", {d: back}
            yield "slope twice", around(d, f"{{}}*{self.spell(layer, 2)}")
            for other in layers:
                if other != layer and self.widths[other] == self.widths[layer]:
                    yield "wrong layer", {d: f"{back}*{self.spell(other, 2)}"}
                if other != layer + 1 and self.widths[other - 1 : other + 1] == self.widths[layer : layer + 2]:
                    yield "wrong layer", {back: code[back].replace(f"W{layer + 1}", f"W{other}")}
            if self.widths[layer] == self.widths[last] and self.loss in ("sum", "mean"):
                yield "wrong layer", {d: code[output].replace(f"a{last}", f"a{layer}").replace(f"z{last}", f"z{layer}")}
        mean = "" if self.loss == "sum" else "/N"
        if self.loss in ("sum", "mean"):
            yield "slope missing", {output: f"(a{last} - t){mean}"}
        if self.loss in ("sum", "mean", "binary"):
            yield "slope twice", around(output, f"{{}}*{self.spell(last, 2)}")
            yield "wrong index", {output: code[output].replace("t)", f"np.roll(t, 1, axis={neurons}))")}
        if self.loss == "labels":
            yield "wrong index", {output: f"(p - {self.one_hot(f'(y - 1) % p.shape[{neurons}]')})/N"}
            yield "wrong index", {output: f"(p - {self.one_hot('np.roll(y, 1)')})/N"}
            yield "softmax coupling", {output: f"{self.one_hot()}*(p - 1)/N"}
        if self.loss == "targets":
            yield "wrong index", {output: code[output].replace("- t", f"- np.roll(t, 1, axis={neurons})")}
            yield "softmax coupling", {output: "-t*(1 - p)/N"}
            yield "sum of targets", {output: "(p - t)/N"}

        for some in [*([name] for name in penalties), penalties]:
            if some:
                yield "regulariser missing", dict.fromkeys(some, "")
                yield "regulariser factor", {name: f"{'2*' if self.halved else ''}reg*{name[2:]}" for name in some}

    def points(self) -> list[Numbers]:
        """Where wrong gradients differ from right ones and from each other; of other sizes too, equal ones kept equal."""
        lengths = sorted({self.batch, *self.widths})
        free = self._replace(sums=False)
        others = [{n: 2 + (k + shift) % 4 for k, n in enumerate(lengths)} for shift in range(4)]
        return [self.arguments(), self.arguments(1), free.arguments(2)] + [
            free.arguments(3 + k, sizes) for k, sizes in enumerate(others)
        ]


class Convolution(NamedTuple):
    """A line of numbers for each example, under one kernel with a stride; half the sum of the squares of its activations."""

    seed: int
    batch: int
    length: int
    kernel: int
    stride: int
    penalty: str  # "" or "w"

    @property
    def parameters(self) -> list[str]:
        return ["x", "w", "b"]

    def arguments(self, seed: int = 0, sizes: dict[int, int] | None = None, stride: int = 0) -> Numbers:
        draw = np.random.default_rng([self.seed, seed])
        batch, length, kernel = ((sizes or {}).get(n, n) for n in (self.batch, self.length, self.kernel))
        given: Numbers = {
            "x": draw.normal(size=(batch, length)),
            "w": draw.normal(size=kernel),
            "b": float(draw.normal()),
        }
        return {
            **given,
            "s": stride or self.stride,
            **({"reg": float(draw.uniform(0.05, 0.5))} if self.penalty else {}),
        }

    def forward(self) -> list[str]:
        return [
            "N, k = len(x), len(w)",
            "H = (x.shape[1] - k)//s + 1",
            "z = np.array([[w @ x[n, s*h:s*h + k] + b for h in range(H)] for n in range(N)])",
            "a = np.tanh(z)",
            f"loss = np.sum(a**2)/2{' + reg*np.sum(w**2)' if self.penalty else ''}",
        ]

    def right(self) -> dict[str, str]:
        entry = "sum(delta[n, h]*w[i - s*h] for h in range(H) if 0 <= i - s*h < k)"
        code = {
            "delta": "a*(1 - a**2)",
            "dx": f"np.array([[{entry} for i in range(x.shape[1])] for n in range(N)])",
            "dw": "np.array([sum(delta[n, h]*x[n, s*h + i] for n in range(N) for h in range(H)) for i in range(k)])",
            "db": "np.sum(delta)",
        }
        return {
            **code,
            **({"+dw": "2*reg*w"} if self.penalty else {}),
            **{name: f"d{name}" for name in self.parameters},
        }

    def injections(self) -> Iterator[tuple[str, dict[str, str]]]:
        code = self.right()
        one = self.batch == 1
        for name in ("delta", "dx", "dw", "db"):
            yield "sign", {name: f"-({code[name]})"}
            yield "factor", {name: f"2*({code[name]})"}
            yield "size factor", {name: f"({code[name]})/N"}
            yield "batch of one" if one else "size factor", {name: f"({code[name]})*N"}
        yield "slope missing", {"delta": "a"}
        yield "slope twice", {"delta": "a*(1 - a**2)**2"}
        yield "stride", {"dw": code["dw"].replace("s*h", "h")}
        yield "stride", {"dx": code["dx"].replace("s*h", "h")}
        yield "wrong index", {"dw": code["dw"].replace("s*h + i", "s*h + k - 1 - i")}
        yield "wrong index", {"dx": code["dx"].replace("w[i - s*h]", "w[k - 1 - i + s*h]")}
        if not one:
            yield "not summed", {"dw": code["dw"].replace("for n in range(N)", "for n in [0]")}
            yield "not summed", {"db": "np.sum(delta[0])"}
        yield "not summed", {"dw": code["dw"].replace("for h in range(H)", "for h in [0]")}
        yield "not summed", {"db": "np.sum(delta[:, 0])"}
        every = "np.array([sum(x[n, s*h + i] for n in range(N) for h in range(H)) for i in range(k)])"
        yield "summed twice", {"dw": f"np.sum(delta)*{every}"}
        for name in self.parameters:
            yield "not a derivative", {name: f"loss + 0*{name}"}
        if self.penalty:
            yield "regulariser missing", {"+dw": ""}
            yield "regulariser factor", {"+dw": "reg*w"}

    def points(self) -> list[Numbers]:
        lengths = sorted({self.batch, self.length, self.kernel})
        sizes = [{n: k + shift + (4 if n == self.length else 1) for k, n in enumerate(lengths)} for shift in range(3)]
        return [
            self.arguments(),
            self.arguments(1),
            *(self.arguments(2 + k, size, stride=1 + k) for k, size in enumerate(sizes)),
        ]


Derived = Network | Convolution


def network(seed: int) -> Derived:
    """One in six a convolution."""
    draw = np.random.default_rng(seed)
    if draw.random() < 1 / 6:
        kernel, stride = (int(n) for n in draw.integers(1, 4, 2))
        length = kernel + int(draw.integers(1, 4))
        return Convolution(seed, int(draw.integers(1, 4)), length, kernel, stride, str(draw.choice(["", "w"])))
    depth = int(draw.integers(1, 4))
    widths = tuple(int(n) for n in draw.integers(1, 5, depth + 1))
    if draw.random() < 0.3:  # equal ones, in which each layer's numbers fit the others
        widths = (int(draw.integers(2, 4)),) * (depth + 1)
    loss = str(draw.choice(["sum", "mean", "labels", "targets", "binary"]))
    if loss in ("labels", "targets"):
        widths = (*widths[:-1], max(2, widths[-1]))
    output = {"labels": "linear", "targets": "linear", "binary": "sigmoid"}
    last = output.get(loss) or str(draw.choice(["linear", "sigmoid", "tanh"]))
    return Network(
        seed,
        batch=int(draw.integers(1, 5)),
        widths=widths,
        activations=(*map(str, draw.choice(["sigmoid", "tanh", "relu", "softplus"], depth - 1)), last),
        loss=loss,
        written_out=bool(draw.random() < 0.5),
        biases=bool(draw.random() < 0.7),
        penalty=str(draw.choice(["", "W", "Wb"])),
        halved=bool(draw.random() < 0.5),
        rows=bool(draw.random() < 0.7),
        sums=bool(draw.random() < 0.5),
    )


# ---- the code ------------------------------------------------------------------------------------------------------


def words(text: str) -> Iterator[str]:
    """The names in a text, and what stands between them."""
    word = ""
    for letter in text:
        if letter.isalnum() or letter in "._":
            word += letter
        else:
            yield from (word, letter)
            word = ""
    yield word


def activation(layer: int) -> str:
    return f"a{layer}" if layer else "X"


def backward(net: Derived, mistake: Mistake | None = None) -> list[str]:
    """The lines of the backward pass, with or without a mistake."""
    code = {**net.right(), **(mistake.code if mistake else {})}
    lines = []
    for name, text in code.items():
        to, sign = (name[1:], "+=") if name[0] == "+" else (f"d{name}" if name in net.parameters else name, "=")
        if text and text != to:
            lines.append(f"{to} {sign} {text}")
    return lines


def function(net: Derived, lines: list[str], result: str, names: dict[str, Any]) -> Callable[..., Any]:
    """Lines of code as a function of the network's arguments."""
    code = "\n    ".join([f"def network({', '.join(net.arguments())}):", *lines, f"return {result}"])
    exec(code, made := {**names})
    made["network"].code = code
    return made["network"]


def loss_of(net: Derived, names: dict[str, Any]) -> Callable[..., Any]:
    """The loss as a function; `names` are the operations that are not NumPy's."""
    return function(net, net.forward(), "loss", {"np": np, **names})


def gradient_of(net: Derived, mistake: Mistake | None = None) -> Callable[..., Numbers]:
    """The gradients by hand as a function, which gives a dict."""
    claims = ", ".join(f"{name!r}: d{name}" for name in net.parameters)
    return function(net, net.forward() + backward(net, mistake), f"{{{claims}}}", IN_NUMPY)


# ---- mistakes ------------------------------------------------------------------------------------------------------


class Mistake(NamedTuple):
    kind: str
    where: str
    code: dict[str, str]  # what it replaces in `right`; an empty text, a line that is left out


def mistakes(net: Derived) -> list[Mistake]:
    """All that may be wrong in a network's backward pass. Some of it changes nothing, or the same as something else."""
    return [
        Mistake(kind, "; ".join(f"{name} = {text}" for name, text in code.items()), code)
        for kind, code in net.injections()
    ]


# ---- which mistakes can be told apart ------------------------------------------------------------------------------

GIVEN = 2  # how many of the points begin with the given sizes and integers


def at_points(net: Derived, mistake: Mistake | None) -> dict[str, list[Any]]:
    """By parameter, what is claimed at each point; the error where it cannot be computed."""
    claim = gradient_of(net, mistake)
    found: dict[str, list[Any]] = {name: [] for name in net.parameters}
    for point in net.points():
        try:
            claims = claim(**point)
        except (ValueError, IndexError) as error:
            claims = dict.fromkeys(net.parameters, error)
        for name in net.parameters:
            found[name].append(claims[name])
    return found


def same(xs: list[Any], ys: list[Any]) -> bool:
    """Whether two claims are the same at all points where both can be computed, within rounding."""
    return all(
        isinstance(x, Exception)
        or isinstance(y, Exception)
        or (np.shape(x) == np.shape(y) and np.allclose(x, y, rtol=1e-9, atol=1e-11))
        for x, y in zip(xs, ys, strict=True)
    )


class Injection(NamedTuple):
    """A mistake, and by parameter that it changes the kinds of all mistakes that change it so.

    One that changes nothing at the given sizes, because some are 1, may also be called right for a batch of one.
    """

    mistake: Mistake
    kinds: dict[str, set[str]]


def distinct(net: Derived) -> list[Injection]:
    """The mistakes that change something."""
    claims = [(mistake, at_points(net, mistake)) for mistake in mistakes(net)]
    truth = at_points(net, None)
    ones = any(1 in np.shape(x) for x in net.arguments().values())
    found = []
    for mistake, claimed in claims:
        if isinstance(claimed[net.parameters[0]][0], Exception):
            continue
        kinds = {
            name: {other.kind for other, theirs in claims if same(theirs[name], claimed[name])}
            for name in net.parameters
            if not same(claimed[name], truth[name])
        }
        for name, names in kinds.items():
            lucky = ones and same(claimed[name][:GIVEN], truth[name][:GIVEN])
            if lucky and not names & {"sum of targets", "stride"}:
                names.add("batch of one")
        if kinds:
            found.append(Injection(mistake, kinds))
    return found
