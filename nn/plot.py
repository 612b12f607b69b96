"""Pictures of training and of networks, by matplotlib (in the extra `notebook`).

    plot_history(history)              loss and accuracy, step by step and epoch by epoch
    plot_boundary(model, data)         what a network of two inputs answers where, and the data
    plot_weights(model, shape=(8, 8))  the weights of each neuron of the first layer as an image
    plot_activations(model, data)      what each layer gives: how much of it is 0, or saturated
    GradientSizes(), LivePlot()        callbacks of `fit`

Each function returns a matplotlib Figure, which a notebook shows once if it is a cell's last line; `.savefig("name.png")`
writes it. It has paper of its own, so that it can be read on any page: `theme` is "light" or "dark". With `ax=` it is drawn
on axes of yours instead, in their style. Neither pyplot nor rcParams are touched; nor are the model's numbers, gradients
and mode.
"""

from __future__ import annotations

import importlib
import math
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import autograd
from autograd import Value
from autograd.naming import observed, values_in, walk
from nn import checks
from nn.activations import flat_below
from nn.callbacks import Callback
from nn.charts import ticks
from nn.dataset import Dataset
from nn.module import Module, in_mode
from nn.perceptron import Neuron
from nn.words import counted, number, percent, plain

if TYPE_CHECKING:
    from nn.train import History, Training

__all__ = ["GradientSizes", "LivePlot", "plot_activations", "plot_boundary", "plot_history", "plot_weights"]

Theme = Literal["light", "dark"]
Figure = Any  # matplotlib's, which need not be there
Model = Callable[[Any], Any]

MOST_IN_LEGEND = 20
MOST_IMAGES = 100
LONGEST_TITLE = 37  # characters that fit over the narrowest panel
MOST_CLASSES = 100  # greater whole targets are quantities
LIVE_SHARE = 0.05  # of the time that a training takes may be spent on its live picture


# ---- training ------------------------------------------------------------------------------------------------------


def plot_history(history: History, ax: Any = None, *, log: bool | None = None, theme: Theme = "light") -> Figure:
    """The loss of each batch (faint) and each epoch, and of the validation data; beside it the accuracy, if there is one.

    The fewer examples a batch has, the more its mean loss jumps, above all that of an epoch's last batch, which may be left
    with a few: that is no broken training. Where the last batches alone would lengthen the loss axis by more than half, it is
    made for the others and the epochs, and the legend says how many batches lie beyond it.

    With `ax` only the losses are drawn. `log` chooses a logarithmic loss; by default it is, if the losses of the epochs (of
    the steps, if there is no whole epoch) are above 0 and span a factor of 100. Raises ValueError if nothing was recorded.
    """
    from nn.figures import canvas

    if not hasattr(history, "step_losses"):
        raise TypeError(f"history must be what fit returned, a History; got {history!r:.80}")
    if not history.step_losses and not history.losses:
        raise ValueError("this history is empty: there was no step to plot")
    panels = 2 if ax is None and (history.accuracies or history.validation_accuracies) else 1
    with canvas(ax, theme, (4.5 * panels + 0.5 * (panels == 1), 3.4), columns=panels) as (figure, axes, colours):
        steps = [(step + 1) / history.steps_per_epoch for step in range(len(history.step_losses))]
        few = {"marker": "."} if len(steps) <= 30 else {}
        main = history.losses or history.step_losses
        positive = all(loss > 0 for loss in [*history.step_losses, *history.losses, *history.validation_losses])
        logarithmic = log or (log is None and positive and max(main) >= 100 * min(main))
        limits = _loss_limits(history, bool(logarithmic)) if ax is None else None
        beyond = sum(not limits[0] <= loss <= limits[1] for loss in history.step_losses) if limits else 0
        label = f"each batch{f' ({beyond} beyond the axis)' * (beyond > 0)}"
        faint = {"color": colours["line"], "linewidth": 0.6, "alpha": 0.6}
        axes[0].plot(steps, history.step_losses, label=label, **faint, **few)
        _epochs(axes[0], history.losses, colours.of(0), "o-", "training")
        _epochs(axes[0], history.validation_losses, colours.of(1), "s--", "validation")
        if logarithmic:
            axes[0].set_yscale("log")
        if limits:
            axes[0].set_ylim(*limits)
        axes[0].set(title="Loss", xlabel="epoch", ylabel="mean loss")
        if panels == 2:
            _epochs(axes[1], history.accuracies, colours.of(0), "o-", "training")
            _epochs(axes[1], history.validation_accuracies, colours.of(1), "s--", "validation")
            axes[1].set(title="Accuracy", xlabel="epoch", ylabel="share classified rightly")
            axes[1].yaxis.set_major_formatter(lambda share, _: f"{100 * share:.3g} %")
        for one in axes:
            one.grid(True, axis="y")
            one.set_axisbelow(True)
            one.set_xlim(0, 1.02 * max([*steps[-1:], len(history.losses)]))
            one.xaxis.get_major_locator().set_params(integer=True)
            one.legend()
    return figure


def _loss_limits(history: History, log: bool) -> tuple[float, float] | None:
    """The ends of the loss axis, if the last batch of each epoch must not choose them; else None."""
    last = slice(history.steps_per_epoch - 1, None, history.steps_per_epoch)
    others = list(history.step_losses)
    del others[last]

    def heights(steps: Sequence[float]) -> list[float]:
        losses = [*steps, *history.losses, *history.validation_losses]
        return [math.log(x) if log else x for x in losses if math.isfinite(x) and (x > 0 or not log)]

    counted_in, everything = heights(others), heights(history.step_losses)
    if not others or not counted_in:
        return None
    low, high = min(counted_in), max(counted_in)
    if max(everything) - min(everything) <= 1.5 * (high - low) or low == high:
        return None
    low, high = low - (high - low) / 20, high + (high - low) / 20
    return (math.exp(low), math.exp(high)) if log else (low, high)


def _epochs(ax: Any, figures: Sequence[float], colour: str, style: str, label: str) -> None:
    """One figure per epoch, with a mark at each while they are few."""
    if figures:
        marked = style if len(figures) <= 30 else style[1:]
        ax.plot(range(1, len(figures) + 1), figures, marked, color=colour, label=label, markersize=4)


class GradientSizes(Callback):
    """A callback that notes the size of the gradients of each layer at each step: the root mean square over its parameters.

        sizes = GradientSizes()
        fit(model, examples, targets, callbacks=[sizes])
        sizes.plot()

    `sizes` has a list per layer, by the layer's name in the model, and `steps` the steps (from 1 on), with `every=10` each
    tenth. It is measured before gradients are clipped. Used for another training, it starts anew.
    """

    def __init__(self, every: int = 1) -> None:
        if not isinstance(every, int) or every < 1:
            raise ValueError(f"every is a whole number of steps, at least 1; got {every!r}")
        self.every = every
        self._reset()

    def __repr__(self) -> str:
        return f"GradientSizes(every={self.every}): {counted(len(self.steps), 'step')} of {counted(len(self.sizes), 'layer')}"

    def _reset(self) -> None:
        self.steps: list[int] = []
        self.sizes: dict[str, list[float]] = {}

    def on_start(self, training: Training) -> None:
        if training.step == 0:
            self._reset()
        self._layers = layers_of(training.model)

    def on_gradients(self, training: Training) -> None:
        if training.step % self.every == 0:
            self.steps.append(training.step + 1)
            for name, parameters in self._layers.items():
                size = math.hypot(*[float(p.grad) for p in parameters]) / math.sqrt(len(parameters))
                self.sizes.setdefault(name, []).append(size)

    def state(self) -> dict[str, Any]:
        return {"steps": self.steps, "sizes": self.sizes}

    def load_state(self, state: dict[str, Any]) -> None:
        steps, sizes = state["steps"], state["sizes"]
        if type(steps) is not list or type(sizes) is not dict or any(len(x) != len(steps) for x in sizes.values()):
            raise ValueError("sizes has not one number per step for each layer")
        self.steps, self.sizes = list(steps), {name: list(numbers) for name, numbers in sizes.items()}

    def plot(self, ax: Any = None, *, theme: Theme = "light") -> Figure:
        """The sizes over the steps, a line per layer; a cross at the bottom where every gradient of a layer was exactly 0.

        Raises ValueError if nothing was recorded.
        """
        from nn.figures import canvas

        if not self.steps:
            raise ValueError("no gradients were recorded yet: give this to fit as one of its callbacks")
        with canvas(ax, theme, (6.5, 3.8)) as (figure, [ax], colours):
            zeros = False
            for index, (name, sizes) in enumerate(self.sizes.items()):
                colour, few = colours.of(index), {"marker": "o", "markersize": 4} if len(sizes) <= 30 else {}
                shown = [size or math.nan for size in sizes]
                ax.plot(self.steps, shown, ("-", "--", "-.", ":")[index % 4], color=colour, label=plain(name), **few)
                at = [step for step, size in zip(self.steps, sizes, strict=True) if size == 0]
                bottom = [0.01 + 0.03 * index] * len(at)
                ax.plot(at, bottom, "x", color=colour, transform=ax.get_xaxis_transform(), markersize=4)
                zeros = zeros or bool(at)
            if any(size > 0 for sizes in self.sizes.values() for size in sizes):
                ax.set_yscale("log")
            ax.set(
                xlabel="step", ylabel="root mean square", title="Gradients of each layer" + " (×: exactly 0)" * zeros
            )
            ax.xaxis.get_major_locator().set_params(integer=True)
            ax.grid(True, axis="y")
            _legend_beside(ax, len(self.sizes))
        return figure


class LivePlot(Callback):
    """A callback that keeps one picture up to date in a notebook while `fit` runs; elsewhere it does nothing.

    every  at least so many seconds pass between two pictures; more, where drawing would take over 5 % of the time. The last
           picture is drawn in any case
    draw   what is drawn: a function of the training (see `Callback`) that returns a Figure; by default its history:
           LivePlot(draw=lambda training: plot_boundary(training.model, data))

    A `draw` that fails is told by a warning and not tried again; training goes on.
    """

    def __init__(
        self, every: float = 1.0, draw: Callable[[Training], Figure] | None = None, *, theme: Theme = "light"
    ) -> None:
        if not 0 <= every < math.inf:
            raise ValueError(f"every is a number of seconds, 0 or more; got {every!r}")
        self.every, self.draw, self.theme = float(every), draw, theme
        self._handle: Any = None
        self._live = False

    def on_start(self, training: Training) -> None:
        self._live, self._handle = _in_notebook(), None
        if self._live:
            importlib.import_module("nn.figures")  # matplotlib takes a second to import: not while the clock runs
        self._started = self._shown = time.perf_counter()
        self._spent = self._last = 0.0  # seconds on drawing, so far and the last time

    def on_step(self, training: Training) -> None:
        now = time.perf_counter()
        in_budget = self._spent + self._last <= LIVE_SHARE * (now - self._started)
        if self._live and now - self._shown >= self.every and in_budget:
            self._show(training)

    def on_end(self, training: Training) -> None:
        if self._live and training.history.step_losses:
            self._show(training)

    def _show(self, training: Training) -> None:
        display = importlib.import_module("IPython.display").display
        began = time.perf_counter()
        try:
            figure = self.draw(training) if self.draw else plot_history(training.history, theme=self.theme)
            if self._handle is None:
                self._handle = display(figure, display_id=True)
            else:
                self._handle.update(figure)
        except Exception as error:
            self._live = False
            warnings.warn(f"the live picture stopped: {type(error).__name__}: {error}", stacklevel=2)
        self._shown = time.perf_counter()
        self._last = self._shown - began
        self._spent += self._last


def _in_notebook() -> bool:
    """Whether this runs in a Jupyter kernel, whose page can show pictures and exchange them."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel")


# ---- networks ------------------------------------------------------------------------------------------------------


def plot_boundary(
    model: Model,
    examples: Dataset | Sequence[Sequence[float]],
    targets: Sequence[float] | None = None,
    ax: Any = None,
    *,
    resolution: int = 50,
    threshold: float | None = None,
    theme: Theme = "light",
) -> Figure:
    """What a model of two features answers where, and the examples with their targets.

    Several scores: the region of each class, that with the greatest. One score: its height as colours, and a line where it
    is at the `threshold` between two classes; by default that is 0 if the targets are -1 and +1; else 0.5 if the score stays
    within 0 and 1, as a probability does; else 0. Regression (a Dataset's, or targets that are not whole numbers below 100):
    heights alone, the examples in the same colours; two colours that meet in that of the paper at 0, if there are numbers on
    both sides of it, else one. One feature: the model's answer as a line.

    model       a Module, or any function of one example: `lambda x: model(scale(x))` draws in the data's own units
    examples    a Dataset, or examples, with `targets` if there are any
    resolution  so many points each way are computed, and contours drawn between them

    Modules answer in evaluation mode. Raises ValueError for more than two features, and for unequal lengths.
    """
    from nn.figures import canvas

    data = _as_dataset(examples, targets)
    features = len(data.feature_names)
    if features > 2:
        raise ValueError(
            f"a decision boundary is drawn of one or two features, and these examples have {features}: train on two of "
            "them, or give a function of two that fills in the others: plot_boundary(lambda x: model([*x, 0.5]), pairs)"
        )
    if not isinstance(resolution, int) or resolution < 2:
        raise ValueError(f"resolution is how many points are computed each way, at least 2; got {resolution!r}")
    ranges = [_widened(column) for column in zip(*data.examples, strict=True)]
    widths = [high - low for low, high in ranges]
    alike = features == 2 and 1 / 3 <= widths[0] / widths[1] <= 3  # then both axes have one scale
    size = (5.8, 0.9 + 3.6 * min(widths[1] / widths[0], 1.2) if alike else 4.2)
    with canvas(ax, theme, size) as (figure, [drawn_on], colours):
        lines = [[low + (high - low) * i / (resolution - 1) for i in range(resolution)] for low, high in ranges]
        if features == 1:
            _draw_line(drawn_on, model, data, lines[0], colours)
        else:
            _draw_regions(figure, drawn_on, model, data, lines, threshold, colours)
            drawn_on.set_aspect("equal" if alike else "auto")
        if ax is None:
            drawn_on.locator_params(axis="x", nbins=6)
    return figure


def _as_dataset(examples: Dataset | Sequence[Sequence[float]], targets: Sequence[float] | None) -> Dataset:
    """Examples and targets as a Dataset: whole targets are classes, and without any there is one class of no name."""
    if len(examples) == 0:
        raise ValueError("no examples: give at least one, so that it is known where to look")
    if isinstance(examples, Dataset):
        if targets is not None:
            raise TypeError("a Dataset has its own targets: give the Dataset alone, or examples and targets")
        return examples
    try:
        rows = [[float(x) for x in example] for example in examples]
        answers = [0.0] * len(rows) if targets is None else [float(target) for target in targets]
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"each example is a list of one or two numbers, and each target a number, for classes their index: {error}"
        ) from None
    if targets is not None and len(targets) != len(rows):
        raise ValueError(f"{len(rows)} examples but {len(targets)} targets: give one target each")
    if len(lengths := set(map(len, rows))) != 1:
        raise ValueError(f"the examples have different numbers of features: {sorted(lengths)}")
    names = tuple(f"x{i + 1}" for i in range(len(rows[0])))
    if not all(answer.is_integer() and -1 <= answer < MOST_CLASSES for answer in answers):
        return Dataset("", rows, answers, names, "target")
    kinds = (
        [-1, 1] if set(answers) <= {-1, 1} and -1 in answers else list(range(-(-1 in answers), int(max(answers)) + 1))
    )
    titles = tuple("" if targets is None else str(kind) for kind in kinds)
    return Dataset("", rows, [kinds.index(int(answer)) for answer in answers], names, "class", titles)


def _widened(column: Sequence[float]) -> tuple[float, float]:
    """From the least to the greatest, and a tenth more at both ends."""
    low, high = min(column), max(column)
    more = (high - low) / 10 or max(abs(low), 1.0) / 2
    return low - more, high + more


def _draw_line(ax: Any, model: Model, data: Dataset, xs: list[float], colours: Any) -> None:
    scores = _scores(model, [[x] for x in xs])
    for k, ys in enumerate(zip(*scores, strict=True)):
        ax.plot(
            xs, ys, color=colours["grad"] if len(scores[0]) == 1 else colours.of(k), label=f"model{f' {k}' * (k > 0)}"
        )
    points = [x for [x] in data.examples]
    ax.plot(points, data.targets, "o", color=colours["data"], markersize=4, alpha=0.7, label="data", zorder=1)
    ax.set(xlabel=plain(data.feature_names[0]), ylabel=plain(data.target_name), title="Model and data")
    ax.legend()


def _draw_regions(
    figure: Any, ax: Any, model: Model, data: Dataset, lines: list[list[float]], threshold: float | None, colours: Any
) -> None:
    xs, ys = lines
    scores = _scores(model, [[x, y] for y in ys for x in xs])
    surfaces = [
        [list(row) for row in zip(*[iter(score)] * len(xs), strict=True)] for score in zip(*scores, strict=True)
    ]
    classifies = data.task == "classification"
    norm: dict[str, Any] = {}
    if len(surfaces) > 1:
        _fill_classes(ax, xs, ys, surfaces, colours)
    else:
        norm = _fill_heights(figure, ax, xs, ys, surfaces[0], data, threshold, colours)
    edge = {"edgecolors": colours["text"], "linewidths": 0.5, "zorder": 3}
    if classifies:
        shown = [k for k in range(len(data.class_names)) if k in data.targets]
        for k in shown:
            points = [x for x, target in zip(data.examples, data.targets, strict=True) if target == k]
            marker, label = colours.marker(k), plain(data.class_names[k])
            ax.scatter(*zip(*points, strict=True), s=24, color=colours.of(k), marker=marker, label=label, **edge)
        if any(data.class_names):
            _legend_beside(ax, len(shown), title=plain(data.target_name))
    else:
        ax.scatter(*zip(*data.examples, strict=True), s=24, c=data.targets, **norm, **edge)
    ax.set(
        xlim=(xs[0], xs[-1]), ylim=(ys[0], ys[-1]), title="Model and data" if not classifies else "Decision boundary"
    )
    ax.set(xlabel=plain(data.feature_names[0]), ylabel=plain(data.feature_names[1]))


def _fill_classes(ax: Any, xs: list[float], ys: list[float], surfaces: list[list[list[float]]], colours: Any) -> None:
    """The region of each class: where its lead over the best of the others is above 0."""
    for k, surface in enumerate(surfaces):
        others = [other for i, other in enumerate(surfaces) if i != k]
        lead = [
            [score - max(other[i][j] for other in others) for j, score in enumerate(row)]
            for i, row in enumerate(surface)
        ]
        heights = [height for row in lead for height in row if math.isfinite(height)]
        if heights and max(heights) > 0:
            ax.contourf(xs, ys, lead, levels=[0.0, math.inf], colors=[colours.of(k)], alpha=0.3, zorder=0)
        if heights and min(heights) < 0 < max(heights):
            ax.contour(xs, ys, lead, levels=[0.0], colors=[colours["text"]], linewidths=1.2, zorder=1)


def _fill_heights(
    figure: Any,
    ax: Any,
    xs: list[float],
    ys: list[float],
    surface: list[list[float]],
    data: Dataset,
    threshold: float | None,
    colours: Any,
) -> dict[str, Any]:
    """One score as colours, and the line between two classes. Returns the scale, for points in the same colours."""
    heights = [height for row in surface for height in row if math.isfinite(height)] or [0.0]
    classifies = data.task == "classification"
    if classifies:
        signed = set(data.class_names) <= {"-1", "1"} and "-1" in data.class_names
        usual = 0.5 if not signed and min(heights) >= 0 and max(heights) <= 1 else 0.0
        middle = usual if threshold is None else threshold
        reach = max(abs(height - middle) for height in heights) or 1.0
        low, high = middle - reach, middle + reach
        levels = [low + (high - low) * i / 24 for i in range(25)]
        scale = {"cmap": colours.diverging(colours.of(0), colours.of(1), 0.75), "vmin": low, "vmax": high}
    else:
        both = [*heights, *data.targets]
        low, high = min(both), max(both)
        more = 0.0 if low < high else max(0.5, abs(low) / 20)
        low, high = low - more, high + more
        levels = sorted({low, *ticks(low, high, 32), high})
        if low < 0 < high:
            reach = max(-low, high)
            scale = {"cmap": colours.diverging(colours.of(1), colours.of(0)), "vmin": -reach, "vmax": reach}
        else:
            scale = {"cmap": colours.sequential(colours.of(0)), "vmin": low, "vmax": high}
    filled = ax.contourf(xs, ys, surface, levels=levels, zorder=0, **scale)
    if classifies and min(heights) < middle < max(heights):
        ax.contour(xs, ys, surface, levels=[middle], colors=[colours["text"]], linewidths=1.5, zorder=1)
    bar = figure.colorbar(filled, ax=ax, label="score" if classifies else plain(data.target_name), shrink=0.9)
    bar.outline.set_visible(False)
    marked = [low, middle, high] if classifies else ticks(low, high, 8)
    bar.set_ticks(marked, labels=[number(x, 3) for x in marked])
    return scale


def plot_weights(
    layer: Any, shape: int | tuple[int, int] | None = None, *, theme: Theme = "light", most: int = MOST_IMAGES
) -> Figure:
    """The weights of each neuron as an image: of a layer, or of the first layer with weights in a model.

    `shape` is (rows, columns), such as (8, 8) for the digits, or 8; by default a square if there is one, else a single row; a
    convolution's kernels have their own. All images share one scale, with 0 in its middle: what is blue adds to the
    neuron's sum, what is amber takes away. No more than the first `most` are shown.

    Raises TypeError if there are no weights, ValueError if they do not fill the shape.
    """
    from nn.figures import canvas

    path, images = _weight_images(layer, shape)
    shown = images[: max(most, 1)]
    rows, columns = len(shown[0][1]), len(shown[0][1][0])
    wide = min(max(math.sqrt(len(shown) * 1.6 * rows / columns), 1), len(shown), 12)
    choices = range(math.ceil(0.6 * wide), math.ceil(1.2 * wide) + 1)
    across = min(choices, key=lambda a: (-len(shown) % a, abs(a - wide)))  # the last row is full, if it can be
    down = math.ceil(len(shown) / across)
    each = max(0.75, min(1.8, 8 / across))
    size = (max(across * each + 1.2, 3.6), max(down * (max(each * rows / columns, 0.25) + 0.25) + 0.7, 1.9))
    with canvas(None, theme, size, down, across) as (figure, axes, colours):
        limit = (
            max((abs(x) for _, image in shown for row in image for x in row if math.isfinite(x)), default=0.0) or 1.0
        )
        scale = {"cmap": colours.diverging(colours.of(1), colours.of(0)), "vmin": -limit, "vmax": limit}
        for ax, (name, image) in zip(axes, shown, strict=False):
            drawn = ax.imshow(image, interpolation="nearest", **scale)
            ax.set_title(name, fontsize="x-small", pad=2)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set(visible=True, color=colours["scope-line"])
        for ax in axes[len(shown) :]:
            ax.remove()
        figure.colorbar(drawn, ax=axes[: len(shown)], label="weight", aspect=30).outline.set_visible(False)
        some = f", the first {len(shown)} of {len(images)}" if len(shown) < len(images) else ""
        figure.suptitle(f"Weights{f' of {plain(path)}' if path else ''}{some}", fontsize="medium")
        figure.supxlabel(f"each image: {rows} × {columns} weights", fontsize="small")
    return figure


def _weight_images(layer: Any, shape: int | tuple[int, int] | None) -> tuple[str, list[tuple[str, list[list[float]]]]]:
    """The name of the first part with weights, and (name, image) of each of its neurons or kernels."""
    found = [(path, _weights(part)) for path, part in walk(layer, "", {}) if not isinstance(part, Value)]
    path, weights = next(((path, weights) for path, weights in found if len(weights) and len(weights[0])), ("", []))
    if not weights:
        raise TypeError(
            f"no weights in {layer!r:.80}: give a Layer, Linear or Conv2d, or a model with one (`w` or `weight`)"
        )
    images = []
    for i, own in enumerate(weights):
        if isinstance(own[0], Value):
            images.append((f"{i}", _folded([float(w.data) for w in own], shape)))
            continue
        for c, kernel in enumerate(own):
            image = [[float(w.data) for w in row] for row in kernel]
            name = f"{i}" if len(own) == 1 else f"{i}, channel {c}"
            images.append((name, image if shape is None else _folded([x for row in image for x in row], shape)))
    return path, images


def _weights(part: Any) -> Sequence[Any]:
    """The weights of each neuron or kernel of a part itself, or of the neurons that it holds."""
    if hasattr(part, "weight"):
        return part.weight  # type: ignore[no-any-return]
    neurons = [part] if hasattr(part, "w") else getattr(part, "neurons", ())
    return [neuron.w for neuron in neurons]


def _folded(weights: list[float], shape: int | tuple[int, int] | None) -> list[list[float]]:
    count, side = len(weights), math.isqrt(len(weights))
    if shape is None:
        shape = (side, side) if side * side == count else (1, count)
    rows, columns = checks.pair("shape", shape, 1)
    if rows * columns != count:
        raise ValueError(f"a neuron here has {counted(count, 'weight')}, which do not fill {rows} rows of {columns}")
    return [weights[row * columns : (row + 1) * columns] for row in range(rows)]


def plot_activations(model: Module, examples: Dataset | Sequence[Any], *, theme: Theme = "light") -> Figure:
    """How the outputs of each layer are spread over these examples, a panel per layer.

    The outputs that are exactly 0 are a grey bar of their own; one much taller than the others has a break, and its share
    beside it. The title tells that share, and the share of others that are saturated: the activation's slope there is at most
    1 % of its steepest, as a sigmoid's beyond -6 and 6 is.

    Parts that only pass on what they or parts before them were given, as Flatten does, have no panel. Modules answer in
    evaluation mode. Raises TypeError if no layer of the model is called, ValueError without examples.
    """
    from nn.figures import canvas

    rows = examples.examples if isinstance(examples, Dataset) else examples
    if len(rows) == 0:
        raise ValueError("no examples: give at least one")
    outputs = _outputs(model, rows)
    if not outputs:
        raise TypeError(
            f"nothing in {model!r:.80} is a layer that was called and gives new Values: give a Module, such as an MLP"
        )
    count = len(outputs)
    columns = count if count <= 3 else 2 if count == 4 else min((3, 4), key=lambda a: -count % a)  # few empty places
    down = math.ceil(count / columns)
    size = (min(3.4 * columns, 11.6), 2.7 * down)
    with canvas(None, theme, size, down, columns) as (figure, axes, colours):
        for ax, (name, found) in zip(axes, outputs.items(), strict=False):
            _draw_activations(ax, name, found, colours)
        for ax in axes[len(outputs) :]:
            ax.remove()
    return figure


def _draw_activations(ax: Any, name: str, found: list[tuple[float, bool]], colours: Any) -> None:
    finite = [x for x, _ in found if math.isfinite(x)]
    others = [x for x in finite if x != 0]
    zeros = sum(x == 0 for x in finite) / len(found)
    flat = sum(is_flat for x, is_flat in found if x != 0) / len(found)
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    ax.set_xlim(low - (high - low) / 30, high + (high - low) / 30)
    top = 0.0
    if others:
        each = [1 / len(found)] * len(others)
        heights, *_ = ax.hist(others, bins=30, range=(low, high), weights=each, color=colours["data"])
        top = max(heights)
    if zeros:
        ax.bar([0.0], [zeros], (high - low) / 30, color=colours["frame"])
    if top and zeros > 2 * top:
        ax.set_ylim(0, 1.6 * top)
        _break_bar(ax, (high - low) / 30, percent(zeros), low + high >= 0, colours)
    shares = [(zeros, "exactly 0"), (flat, "saturated"), (1 - len(finite) / len(found), "not finite")]
    told = ", ".join(f"{percent(share)} {what}" for share, what in shares if share > 0)
    title = plain(name if len(name) <= LONGEST_TITLE else name.replace(" · ", "\n"))
    ax.set_title(f"{title}\n{told}" if told else title, fontsize="small")
    ax.set(xlabel="output", ylabel="share of outputs")


def _break_bar(ax: Any, width: float, share: str, on_the_right: bool, colours: Any) -> None:
    """Cut through the bar at 0, which goes on above the axes, and write its share beside it."""
    across, sides = ax.get_xaxis_transform(), [-width, width]
    ax.fill_between(sides, [0.8, 0.84], [0.84, 0.88], color=colours["paper"], linewidth=0, transform=across, zorder=3)
    ax.plot(sides, [[0.8, 0.84], [0.84, 0.88]], color=colours["text"], linewidth=1, transform=across, zorder=4)
    at, side = (1.4 * width, "left") if on_the_right else (-1.4 * width, "right")
    ax.text(at, 0.93, share, ha=side, va="center", fontsize="small", color=colours["text"], transform=across)


def _outputs(model: Module, rows: Sequence[Any]) -> dict[str, list[tuple[float, bool]]]:
    """(output, whether its activation is as good as flat) of each layer, by its name, in the order of the calls.

    A neuron is told with its layer, and a part is left out of which all outputs were there before its call ended.
    """
    names = {id(part): path for path, part in walk(model, "", {}) if not isinstance(part, Value)}
    found: dict[str, list[tuple[float, bool]]] = {}
    there: dict[int, Value] = {}  # of this example, by their ids

    def told(part: Any, outputs: Any) -> None:
        if id(part) not in names or (isinstance(part, Neuron) and part is not model):
            return
        values = values_in(outputs)
        if not all(id(v) in there for v in values):
            name = f"{names[id(part)]} · {_kind(part)}" if names[id(part)] else _kind(part)
            found.setdefault(name, []).extend((float(v.data), _is_flat(v)) for v in values)
            there.update({id(v): v for v in values})

    with in_mode(model, False), observed(told):
        for row in rows:
            there = {id(v): v for v in values_in(row)}
            model(row)
    return found


def _kind(part: Any) -> str:
    """What a part is, in a word; of a layer of neurons also which."""
    kind = str(getattr(part, "__name__", type(part).__name__))
    neurons = [repr(neuron) for neuron in getattr(part, "neurons", ()) if isinstance(neuron, Neuron)]
    return f"{kind} of {len(neurons)} {neurons[0]}" if len(set(neurons)) == 1 else kind


def _is_flat(output: Value) -> bool:
    """Whether it came from an operation on one number, and as good as nothing of a gradient comes through there."""
    return len(output.parents) == 1 and abs(output.slopes[0] or 0.0) <= flat_below(output.rule)


# ---- what they share -----------------------------------------------------------------------------------------------


def _scores(model: Model, rows: Sequence[Sequence[float]]) -> list[list[float]]:
    """What the model gives for each row, as a list of floats; nothing is recorded."""
    with in_mode(model, False), autograd.no_grad():
        outputs = [model(row) for row in rows]
    return [[_float(x) for x in (output if hasattr(output, "__len__") else [output])] for output in outputs]


def _float(x: Any) -> float:
    return float(x.data if isinstance(x, Value) else x)


def layers_of(model: Module) -> dict[str, list[Value]]:
    """The parameters of each layer, by its name: the innermost part around a parameter, but of a neuron its layer."""
    parts = {path: part for path, part in model.named_modules() if path == "" or not isinstance(part, Neuron)}
    layers: dict[str, list[Value]] = {}
    for name, parameter in model.named_parameters():
        owner = name
        while owner not in parts:
            owner = owner[: max(owner.rfind("."), owner.rfind("["), 0)]
        layers.setdefault(owner or type(model).__name__, []).append(parameter)
    return layers


def _legend_beside(ax: Any, entries: int, **keywords: Any) -> None:
    """A legend to the right of the axes, where it covers nothing."""
    handles, labels = ax.get_legend_handles_labels()
    if entries > MOST_IN_LEGEND:
        keywords["title"] = f"the first {MOST_IN_LEGEND} of {entries}"
    where = {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "borderaxespad": 0}
    ax.legend(handles[:MOST_IN_LEGEND], labels[:MOST_IN_LEGEND], **where, **keywords)
