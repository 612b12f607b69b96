"""The pictures hold the numbers they were given, say what their axes are, and leave everything else as it was."""

import random
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

import nn.plot
from autograd import Value
from autograd.drawing.palette import PALETTE
from nn import (
    MLP,
    SGD,
    Adam,
    Callback,
    Conv2d,
    Dataset,
    Dropout,
    Flatten,
    GradientSizes,
    History,
    Layer,
    Linear,
    LivePlot,
    Module,
    Neuron,
    Sequential,
    circles,
    fit,
    half_squared_error,
    hinge,
    moons,
    plot_activations,
    plot_boundary,
    plot_history,
    plot_weights,
    softmax_cross_entropy,
    spirals,
)
from nn.data import linear
from nn.figures import CLASSES, MARKERS, Colours


def history(**changes: Any) -> History:
    figures: dict[str, Any] = {
        "step_losses": [3.0, 2.0, 1.5, 1.0, 0.9, 0.8],
        "losses": [2.5, 1.25, 0.85],
        "accuracies": [0.5, 0.75, 1.0],
        "validation_losses": [2.0, 1.5, 1.75],
        "validation_accuracies": [0.6, 0.7, 0.65],
        "steps_per_epoch": 2,
    }
    return History(**(figures | changes))


def lines(ax: Any) -> dict[str, tuple[list[float], list[float]]]:
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in ax.lines}


# ---- history -------------------------------------------------------------------------------------------------------


def test_history_has_every_figure_at_its_place() -> None:
    loss, accuracy = plot_history(history()).axes
    assert lines(loss) == {
        "each batch": ([0.5, 1.0, 1.5, 2.0, 2.5, 3.0], [3.0, 2.0, 1.5, 1.0, 0.9, 0.8]),
        "training": ([1, 2, 3], [2.5, 1.25, 0.85]),
        "validation": ([1, 2, 3], [2.0, 1.5, 1.75]),
    }
    assert lines(accuracy) == {"training": ([1, 2, 3], [0.5, 0.75, 1.0]), "validation": ([1, 2, 3], [0.6, 0.7, 0.65])}
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["each batch", "training", "validation"]
    assert accuracy.yaxis.get_major_formatter()(0.675, 0) == "67.5 %"
    assert loss.get_xlim()[0] == 0 and loss.get_xlim()[1] >= 3


def test_history_shows_what_there_is() -> None:
    [loss] = plot_history(history(accuracies=[], validation_accuracies=[], validation_losses=[])).axes
    assert list(lines(loss)) == ["each batch", "training"]
    [loss] = plot_history(History(step_losses=[2.0], steps_per_epoch=5)).axes  # stopped in the first epoch
    assert lines(loss) == {"each batch": ([0.2], [2.0])}
    assert loss.lines[0].get_marker() != "None"  # a line of one point would not be seen
    assert loss.get_legend() is not None
    plot_history(History(step_losses=[1.0, float("inf"), float("nan")], losses=[float("inf")])).canvas.draw()
    with pytest.raises(ValueError, match="no step to plot"):
        plot_history(History())


@pytest.mark.parametrize(("epochs", "marker"), [(30, "o"), (31, "None")])
def test_epochs_are_marked_while_they_are_few(epochs: int, marker: str) -> None:
    losses = [1 / (k + 1) for k in range(epochs)]
    [loss] = plot_history(History(step_losses=losses, losses=losses)).axes
    assert loss.lines[1].get_marker() == marker and list(loss.lines[1].get_ydata()) == losses


def test_history_on_the_users_axes() -> None:
    figure = Figure()
    ax, other = figure.subplots(2)
    assert plot_history(history(), ax) is figure
    assert list(lines(ax)) == ["each batch", "training", "validation"]
    assert not other.lines
    with pytest.raises(TypeError, match="Axes to draw on"):
        plot_history(history(), 3)


@pytest.mark.parametrize(
    ("changes", "log", "scale"),
    [
        ({}, None, "linear"),
        ({"losses": [100.0, 10.0, 1.0]}, None, "log"),
        ({"losses": [99.0, 10.0, 1.0]}, None, "linear"),
        ({"losses": [100.0, 10.0, 1.0], "step_losses": [1.0, 0.0]}, None, "linear"),
        ({"losses": [100.0, 10.0, -1.0]}, None, "linear"),
        ({"losses": [], "step_losses": [100.0, 1.0]}, None, "log"),
        ({"losses": [100.0, 10.0, 1.0]}, False, "linear"),
        ({}, True, "log"),
    ],
)
def test_losses_over_decades_are_drawn_logarithmically(changes: Any, log: bool | None, scale: str) -> None:
    assert plot_history(history(**changes), log=log).axes[0].get_yscale() == scale


def spiky(last: float, first: float = 3.0) -> History:
    """Four epochs of five batches, the last of each of a few examples."""
    steps = [x for epoch in range(4) for x in (*[first / (epoch + 1)] * 4, last)]
    return History(step_losses=steps, losses=[first / (epoch + 1) for epoch in range(4)], steps_per_epoch=5)


@pytest.mark.parametrize(("last", "log"), [(20.0, False), (-9.0, False), (1e-6, True), (1e6, True)])
def test_small_last_batches_do_not_choose_the_axis(last: float, log: bool) -> None:
    [ax] = plot_history(spiky(last), log=log).axes
    low, high = ax.get_ylim()
    assert low < 0.75 and high > 3.0 and (low > 0.6 if last < 0.75 else high < 3.5)
    assert ax.get_legend().get_texts()[0].get_text() == "each batch (4 beyond the axis)"
    assert list(ax.lines[0].get_ydata()) == spiky(last).step_losses
    mine = Figure().subplots()
    plot_history(spiky(last), mine, log=log)
    assert mine.get_ylim()[0] <= min(last, 0.75) and mine.get_ylim()[1] >= max(last, 3.0)  # the user's own axes
    assert mine.get_legend().get_texts()[0].get_text() == "each batch"


def test_losses_that_are_high_themselves_are_all_shown() -> None:
    jump = spiky(3.5)
    jump.step_losses[7] = 40.0  # no last batch: something happened there
    assert plot_history(History([1.0, 37.1], [25.0], steps_per_epoch=2)).axes[0].get_ylim()[1] < 37
    for shown in (spiky(3.5), jump, History([1.0, 37.0], [25.0], steps_per_epoch=2), History([1.0, 9.0], [1.0, 9.0])):
        [ax] = plot_history(shown).axes
        assert ax.get_ylim()[1] > max(shown.step_losses) and ax.get_ylim()[0] < min(shown.step_losses)
        assert ax.get_legend().get_texts()[0].get_text() == "each batch"


# ---- boundary ------------------------------------------------------------------------------------------------------

SQUARE = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]


def filled(figure: Any, colour: str, point: tuple[float, float]) -> bool:
    """Whether the point lies in a region of that colour."""
    for collection in figure.axes[0].collections:
        for path, own in zip(collection.get_paths(), collection.get_facecolor(), strict=False):
            if to_hex(own) == colour and getattr(collection, "filled", False) and path.contains_point(point):
                return True
    return False


def contour(figure: Any) -> np.ndarray:
    """The points of the lines between classes."""
    found = [c for c in figure.axes[0].collections if not getattr(c, "filled", True)]
    return np.concatenate([path.vertices for c in found for path in c.get_paths()] or [np.empty((0, 2))])


def test_regions_are_those_of_the_greatest_score() -> None:
    """Three classes whose regions are known: x < 0.3; else below or above y = x."""

    def model(point: Any) -> list[float]:
        x, y = point
        return [10 * (0.3 - x), x - y, y - x]

    figure = plot_boundary(model, SQUARE, [0, 0, 1, 2])
    colours = Colours("light")
    for point, kind in [((0.1, 0.2), 0), ((0.1, 0.9), 0), ((0.9, 0.2), 1), ((0.6, 0.4), 1), ((0.6, 0.9), 2)]:
        assert [k for k in range(3) if filled(figure, colours.of(k), point)] == [kind]
    x, y = contour(figure).T
    leads = np.sort([10 * (0.3 - x), x - y, y - x], axis=0)
    assert len(x) > 50 and np.abs(leads[2] - leads[1]).max() < 0.15


@pytest.mark.parametrize(
    ("score", "targets", "given", "line"),
    [
        (lambda x, y: x + y - 1.2, [-1, 1, -1, 1], None, 1.2),
        (lambda x, y: x + y - 1.2, [0, 1, 0, 1], None, 1.2),
        (lambda x, y: (x + y) / 3 + 0.2, [0, 1, 0, 1], None, 0.9),  # within 0 and 1: a probability
        (lambda x, y: (x + y) / 3 - 0.3, [-1, 1, -1, 1], None, 0.9),
        (lambda x, y: x + y, [0, 1, 0, 1], 0.7, 0.7),
    ],
    ids=["signs", "scores", "probability", "tanh", "threshold"],
)
def test_the_line_of_one_score(score: Any, targets: list[int], given: float | None, line: float) -> None:
    figure = plot_boundary(lambda p: score(*p), SQUARE, targets, threshold=given)
    found = contour(figure)
    assert len(found) > 10
    np.testing.assert_allclose(found.sum(axis=1), line, atol=1e-9)
    assert figure.axes[1].get_ylabel() == "score"
    low, middle, high = figure.axes[1].get_yticks()
    assert middle == pytest.approx((low + high) / 2)
    assert figure.axes[0].get_title() == "Decision boundary"


@pytest.mark.parametrize(("high", "first", "middle"), [(0.9, -1, 0.0), (0.9, 0, 0.5), (1.1, 0, 0.0), (1.1, -1, 0.0)])
def test_where_two_classes_meet_if_nothing_is_said(high: float, first: int, middle: float) -> None:
    """A score from 0.1 to `high`: 0.5 if that may be a probability and the targets are not -1 and +1."""
    figure = plot_boundary(
        lambda p: 0.1 + (high - 0.1) * (p[0] + 0.1) / 1.2, SQUARE, [first, first, 1, 1], resolution=3
    )
    assert figure.axes[1].get_yticks()[1] == pytest.approx(middle)


def test_one_score_in_a_list_or_as_a_value() -> None:
    for wrap in (lambda s: s, lambda s: [s], lambda s: Value(s), lambda s: [Value(s)], np.float64):
        figure = plot_boundary(lambda p, wrap=wrap: wrap(p[0] - 0.25), SQUARE, [0, 0, 1, 1])
        np.testing.assert_allclose(contour(figure)[:, 0], 0.25, atol=1e-12)


def test_points_stand_where_they_are_in_the_colour_and_shape_of_their_class() -> None:
    data = spirals(60, classes=3)
    figure = plot_boundary(lambda p: [p[0], p[1], 0.0], data, resolution=5)
    ax = figure.axes[0]
    points = [c for c in ax.collections if c.get_label().startswith("arm")]
    assert [c.get_label() for c in points] == ["arm 0", "arm 1", "arm 2"]
    for k, drawn in enumerate(points):
        own = [x for x, target in zip(data.examples, data.targets, strict=True) if target == k]
        np.testing.assert_array_equal(drawn.get_offsets(), own)
        assert to_hex(drawn.get_facecolor()[0]) == Colours("light").of(k)
    assert len({tuple(map(tuple, c.get_paths()[0].vertices)) for c in points}) == 3
    assert (ax.get_xlabel(), ax.get_ylabel()) == data.feature_names
    assert ax.get_legend().get_title().get_text() == "class"
    assert ax.get_aspect() == 1.0
    low, high = np.min(data.examples, axis=0), np.max(data.examples, axis=0)
    margin = (high - low) / 10
    np.testing.assert_allclose([ax.get_xlim(), ax.get_ylim()], np.transpose([low - margin, high + margin]), atol=1e-12)


def test_colour_and_class_agree_whatever_classes_are_there() -> None:
    for targets, kinds in (
        ([1, 1, 1, 1], {"1": 1}),
        ([1, -1, 1, 1], {"-1": 0, "1": 1}),
        ([0, 2, 2, 0], {"0": 0, "2": 2}),
    ):
        figure = plot_boundary(lambda p: p[0], SQUARE, targets, resolution=3)
        drawn = {c.get_label(): c for c in figure.axes[0].collections if c.get_label() in ("-1", "0", "1", "2")}
        assert {name: to_hex(c.get_facecolor()[0]) for name, c in drawn.items()} == {
            name: Colours("light").of(k) for name, k in kinds.items()
        }


def test_regression_surface_and_points_share_their_colours() -> None:
    data = linear(30, features=2)
    figure = plot_boundary(lambda p: 3 * p[0] + p[1], data, resolution=11)
    marks = [round(mark, 9) for mark in figure.axes[1].get_yticks()]
    assert 4 <= len(marks) <= 10 and all(mark % 1 in (0, 0.5) for mark in marks)  # round numbers
    surface, points = figure.axes[0].collections
    np.testing.assert_array_equal(points.get_array(), data.targets)
    assert points.get_clim() == surface.get_clim()
    assert points.cmap == surface.cmap
    assert surface.get_clim()[0] <= min(data.targets) and surface.get_clim()[1] >= max(data.targets)
    assert figure.axes[1].get_ylabel() == "y"
    assert len(contour(figure)) == 0
    assert len(plot_boundary(lambda p: p[0], SQUARE, [0.5, 1, 2, 3]).axes[0].collections) == 2  # not whole: quantities
    assert len(plot_boundary(lambda p: p[0], SQUARE, [0, 1, 2, 120]).axes[0].collections) == 2  # too great for classes


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_regression_has_the_papers_colour_at_zero_or_one_colour(theme: Any) -> None:
    paper, colours = np.array(to_rgb(PALETTE["paper"][theme == "dark"])), Colours(theme)
    for shift, around in ((0.2, True), (5.0, False), (-9.0, False), (0.0, False)):
        targets = [shift, shift + 0.25, shift + 1, shift + 3]
        if around:
            targets[0] = -0.75
        figure = plot_boundary(lambda p, t=targets: t[1], SQUARE, targets, resolution=4, theme=theme)
        points = figure.axes[0].collections[-1]
        if around:
            np.testing.assert_allclose(points.to_rgba([0.0])[0][:3], paper, atol=0.01)
            low, high = points.to_rgba([-0.75, 0.75])[:, :3]
            np.testing.assert_allclose(
                np.linalg.norm(low - paper) / np.linalg.norm(np.array(to_rgb(colours.of(1))) - paper),
                np.linalg.norm(high - paper) / np.linalg.norm(np.array(to_rgb(colours.of(0))) - paper),
                atol=0.02,
            )
        else:
            away = [np.linalg.norm(colour[:3] - paper) for colour in points.to_rgba(targets)]
            assert 0 < away[0] < away[1] < away[2] < away[3]
            assert to_hex(points.to_rgba([targets[3]])[0]) == colours.of(0)
        marks = figure.axes[1].get_yticks()
        assert len(marks) >= 4 and all(round(mark / 0.5, 9).is_integer() for mark in marks)
        low, high = figure.axes[1].get_ylim()
        assert (low, high) == pytest.approx((min(targets), max(targets)))  # no colours that nothing has


def test_one_feature_is_a_line() -> None:
    data = linear(20)
    ax = plot_boundary(lambda p: Value(p[0] * 2), data, resolution=9).axes[0]
    xs, ys = lines(ax)["model"]
    assert len(xs) == 9
    assert ys == [2 * x for x in xs]
    assert lines(ax)["data"] == ([x for [x] in data.examples], data.targets)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "y")


@pytest.mark.parametrize("score", [0.0, 0.5, -3.0, float("nan"), float("inf")])
def test_models_that_say_the_same_everywhere(score: float) -> None:
    for answer in ([score, score, score], [score, 1.0], score):
        figure = plot_boundary(lambda p, answer=answer: answer, moons(10), resolution=4)
    figure.canvas.draw()
    plot_boundary(lambda p: score, linear(10, features=2), resolution=4)
    plot_boundary(lambda p: score, [[2.0, 3.0]], resolution=4)  # a single example


def test_boundary_on_the_users_axes() -> None:
    ax = Figure().subplots()
    ax.set_xscale("log")
    assert plot_boundary(lambda p: p[0] - 2, [[1.0, 1.0], [3.0, 3.0]], [0, 1], ax, resolution=4) is ax.figure
    assert ax.get_xscale() == "log" and len(contour(ax.figure)) > 0


def test_boundary_refusals() -> None:
    with pytest.raises(ValueError, match=r"one or two features, and these examples have 3: train on two"):
        plot_boundary(lambda p: 0.0, [[1.0, 2.0, 3.0]])
    with pytest.raises(ValueError, match="2 examples but 1 targets"):
        plot_boundary(lambda p: 0.0, [[1.0, 2.0]] * 2, [1])
    with pytest.raises(TypeError, match="has its own targets"):
        plot_boundary(lambda p: 0.0, moons(4), [1, 1, 1, 1])
    for nothing in ([], moons(4).take([])):
        with pytest.raises(ValueError, match="no examples"):
            plot_boundary(lambda p: 0.0, nothing)
    with pytest.raises(ValueError, match=r"different numbers of features: \[1, 2\]"):
        plot_boundary(lambda p: 0.0, [[1.0], [1.0, 2.0]])
    for resolution in (1, 2.5):
        with pytest.raises(ValueError, match="at least 2"):
            plot_boundary(lambda p: 0.0, SQUARE, resolution=resolution)  # type: ignore[arg-type]
    for examples, targets in (([1.0, 2.0], None), (SQUARE, list("abab")), ([[1.0, None]], None)):
        with pytest.raises(TypeError, match="each example is a list of one or two numbers, and each target a number"):
            plot_boundary(lambda p: 0.0, examples, targets)
    with pytest.raises(TypeError, match=r"history must be what fit returned, a History; got \[1.0\]"):
        plot_history([1.0])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match='"light" or "dark"'):
        plot_boundary(lambda p: 0.0, SQUARE, theme="pink")  # type: ignore[arg-type]


# ---- weights -------------------------------------------------------------------------------------------------------


def images(figure: Any) -> list[np.ndarray]:
    return [np.asarray(ax.images[0].get_array()) for ax in figure.axes if ax.images]


def data_of(nested: Any) -> np.ndarray:
    return np.vectorize(lambda v: v.data)(np.array(nested, dtype=object))


@pytest.mark.parametrize(
    "build", [Layer, Linear, lambda i, o: MLP(i, [o, 2]), lambda i, o: Sequential("tanh", Linear(i, o))]
)
def test_weights_are_the_images(build: Callable[[int, int], Module]) -> None:
    model = build(6, 5)
    first = next(part for _, part in model.named_modules() if isinstance(part, Layer | Linear))
    weights = first.weight if isinstance(first, Linear) else [neuron.w for neuron in first.neurons]
    figure = plot_weights(model, (2, 3))
    np.testing.assert_array_equal(images(figure), data_of(weights).reshape(5, 2, 3))
    drawn = [ax.images[0] for ax in figure.axes if ax.images]
    greatest = np.abs(data_of(weights)).max()
    assert {image.get_clim() for image in drawn} == {(-greatest, greatest)}
    assert [ax.get_title() for ax in figure.axes if ax.images] == list("01234")
    assert figure.axes[-1].get_ylabel() == "weight"


@pytest.mark.parametrize("shape", [(3, 2), (1, 6), None])
def test_weights_fill_any_shape(shape: tuple[int, int] | None) -> None:
    layer = Linear(6, 2)
    expected = data_of(layer.weight).reshape(2, *(shape or (1, 6)))
    np.testing.assert_array_equal(images(plot_weights(layer, shape)), expected)


def test_weights_of_kernels_neurons_and_squares() -> None:
    conv = Conv2d(2, 3, (2, 4))
    figure = plot_weights(Sequential(conv, "relu"))
    np.testing.assert_array_equal(images(figure), data_of(conv.weight).reshape(6, 2, 4))
    assert [ax.get_title() for ax in figure.axes if ax.images][:3] == ["0, channel 0", "0, channel 1", "1, channel 0"]
    assert figure.get_suptitle() == "Weights of layers.0"
    assert images(plot_weights(conv, (4, 2)))[0].shape == (4, 2)
    assert images(plot_weights(Neuron(9)))[0].shape == (3, 3)
    assert [ax.get_title() for ax in plot_weights(Conv2d(1, 2, 3)).axes if ax.images] == ["0", "1"]


def test_only_the_first_weights_of_many() -> None:
    figure = plot_weights(Linear(1, 120), most=7)
    assert len(images(figure)) == 7
    assert figure.get_suptitle() == "Weights, the first 7 of 120"
    for count in (1, 2, 13):
        assert len(images(plot_weights(Linear(2, count)))) == count


def test_weights_of_zero_and_nan_can_be_drawn() -> None:
    layer = Linear(4, 2, init="zeros")
    assert images(plot_weights(layer))[0].tolist() == [[0.0, 0.0], [0.0, 0.0]]
    layer.weight[0][0].data = float("nan")
    layer.weight[1][0].data = -2.0
    figure = plot_weights(layer)
    figure.canvas.draw()
    image = figure.axes[0].images[0]
    assert image.get_clim() == (-2.0, 2.0)
    assert to_hex(image.cmap.get_bad()) == PALETTE["wrong"][0]


def test_weights_refusals() -> None:
    with pytest.raises(ValueError, match="has 6 weights, which do not fill 4 rows of 2"):
        plot_weights(Linear(6, 2), (4, 2))
    with pytest.raises(ValueError, match="which do not fill 2 rows of 2"):
        plot_weights(Linear(6, 2), 2)
    with pytest.raises(TypeError, match="shape must be a whole number, got '2x3'"):
        plot_weights(Linear(6, 2), "2x3")  # type: ignore[arg-type]
    for thing in (Sequential("relu"), 3, [1.0], Layer(0, 2)):
        with pytest.raises(TypeError, match=r"no weights in .*give a Layer"):
            plot_weights(thing)


# ---- gradients -----------------------------------------------------------------------------------------------------


class Grads(Callback):
    """What the gradients were, noted independently."""

    def __init__(self) -> None:
        self.noted: list[dict[str, float]] = []

    def on_gradients(self, training: Any) -> None:
        self.noted.append({name: p.grad for name, p in training.model.named_parameters()})


def train(model: Module, *callbacks: Any, epochs: int = 2, **more: Any) -> History:
    data = moons(24)
    settings: dict[str, Any] = {"loss": hinge, "batch_size": 8, "progress": False, "checks": False} | more
    return fit(model, data.examples, data.signs, epochs=epochs, callbacks=callbacks, rng=random.Random(0), **settings)


def test_gradient_sizes_are_root_mean_squares_by_layer() -> None:
    sizes, grads = GradientSizes(), Grads()
    train(MLP(2, [3, 3, 1], activation="tanh"), sizes, grads, clip_norm=1e-3)
    assert sizes.steps == [1, 2, 3, 4, 5, 6]
    assert list(sizes.sizes) == ["layers.0", "layers.1", "layers.2"]
    for layer, found in sizes.sizes.items():
        own = np.array([[g for name, g in step.items() if name.startswith(layer)] for step in grads.noted])
        np.testing.assert_allclose(found, np.sqrt((own**2).mean(axis=1)), rtol=1e-12)
        assert min(found) > 0


class Own(Module):
    """Parameters of its own beside a part, and a neuron outside any layer."""

    def __init__(self) -> None:
        self.scale, self.part, self.unit = Value(1.0), Linear(2, 2), Neuron(2)

    def __call__(self, x: Any) -> Value:
        return self.unit(self.part(x)) * self.scale


def test_gradient_sizes_name_layers_of_all_kinds() -> None:
    sizes = GradientSizes()
    train(Own(), sizes)
    assert list(sizes.sizes) == ["Own", "part"]  # the neuron belongs to the module that holds it
    sizes = GradientSizes()
    train(Sequential(Linear(2, 3), "tanh", Linear(3, 1)), sizes)
    assert list(sizes.sizes) == ["layers.0", "layers.2"]
    sizes = GradientSizes()
    train(Neuron(2), sizes)
    assert list(sizes.sizes) == ["Neuron"]


def test_gradient_sizes_every_few_steps_anew_and_kept() -> None:
    sizes = GradientSizes(every=4)
    model = MLP(2, [2, 1])
    train(model, sizes)
    assert sizes.steps == [1, 5]
    assert repr(sizes) == "GradientSizes(every=4): 2 steps of 2 layers"
    assert {len(x) for x in sizes.sizes.values()} == {2}
    other = GradientSizes()
    other.load_state(sizes.state())
    assert (other.steps, other.sizes) == (sizes.steps, sizes.sizes)
    with pytest.raises(ValueError, match="one number per step"):
        other.load_state({"steps": [1], "sizes": {"a": []}})
    assert other.steps == [1, 5]
    other.on_start(types.SimpleNamespace(model=model, step=6))  # type: ignore[arg-type]
    assert other.steps == [1, 5]  # resumed
    train(model, sizes, epochs=1)
    assert sizes.steps == [1]
    for every in (0, 1.5):
        with pytest.raises(ValueError, match="at least 1"):
            GradientSizes(every)  # type: ignore[arg-type]


def test_gradient_plot() -> None:
    sizes = GradientSizes()
    with pytest.raises(ValueError, match="no gradients were recorded"):
        sizes.plot()
    sizes.steps, sizes.sizes = [1, 2, 3], {"layers.0": [0.5, 0.0, 0.125], "_own": [1.0, 2.0, 3.0]}
    [ax] = sizes.plot().axes
    shown = [line for line in ax.lines if line.get_marker() != "x"]
    np.testing.assert_array_equal(shown[0].get_ydata(), [0.5, np.nan, 0.125])
    np.testing.assert_array_equal(shown[1].get_ydata(), [1.0, 2.0, 3.0])
    assert [list(line.get_xdata()) for line in shown] == [[1, 2, 3]] * 2
    assert [list(line.get_xdata()) for line in ax.lines if line.get_marker() == "x"] == [[2], []]
    assert [text.get_text().strip("\u200b") for text in ax.get_legend().get_texts()] == ["layers.0", "_own"]
    assert ax.get_yscale() == "log"
    assert "exactly 0" in ax.get_title()
    sizes.sizes = {"dead": [0.0, 0.0, 0.0]}
    dead = sizes.plot()
    dead.canvas.draw()
    assert dead.axes[0].get_yscale() == "linear"
    sizes.sizes = {f"layers.{i}": [1.0, 1.0, 1.0] for i in range(25)}
    legend = sizes.plot().axes[0].get_legend()
    assert len(legend.get_texts()) == 20 and legend.get_title().get_text() == "the first 20 of 25"


# ---- activations ---------------------------------------------------------------------------------------------------


def layer_outputs(model: MLP, examples: list[list[float]], act: list[Callable[[Any], Any]]) -> list[np.ndarray]:
    x, found = np.array(examples), []
    for layer, function in zip(model.layers, act, strict=True):
        x = function(x @ data_of([n.w for n in layer.neurons]).T + data_of([n.b for n in layer.neurons]))
        found.append(x)
    return found


def test_activations_are_counted() -> None:
    data = moons(40)
    model = MLP(2, [5, 4, 1], activation="relu", rng=random.Random(3))
    first, second, last = layer_outputs(model, data.examples, [lambda x: np.maximum(x, 0)] * 2 + [lambda x: x])
    axes = plot_activations(model, data).axes
    assert [ax.get_title().partition("\n")[0] for ax in axes] == [
        "layers.0 · Layer of 5 ReLUNeuron(2)",
        "layers.1 · Layer of 4 ReLUNeuron(5)",
        "layers.2 · Layer of 1 LinearNeuron(4)",
    ]
    for ax, out in zip(axes, (first, second, last), strict=True):
        zeros = float((out == 0).mean())
        assert 0.05 < zeros < 0.95 or out is last
        heights = [bar.get_height() for bar in ax.patches]
        assert sum(heights) == pytest.approx(1)
        if zeros:
            assert heights[-1] == pytest.approx(zeros)
            assert f"{100 * zeros:.1f} % exactly 0" in ax.get_title()
        counts, _ = np.histogram(out[out != 0], 30, (out.min(), out.max()))
        np.testing.assert_allclose(heights[:30], counts / out.size, atol=2.1 / out.size)
        assert "saturated" not in ax.get_title()


def test_saturation_is_told() -> None:
    data = circles(30)
    model = MLP(2, [6, 1], activation="tanh", rng=random.Random(1))
    for parameter in model.parameters():
        parameter.data *= 6
    first, _ = layer_outputs(model, data.examples, [np.tanh, lambda x: x])
    share = (1 - first**2 < 0.01).mean()
    assert 0.1 < share < 0.9
    titles = [ax.get_title() for ax in plot_activations(model, data).axes]
    assert titles == [
        f"layers.0 · Layer of 6 TanhNeuron(2)\n{100 * share:.1f} % saturated",
        "layers.1 · Layer of 1 LinearNeuron(6)",
    ]


def test_saturation_is_measured_by_the_steepest_slope() -> None:
    """A sigmoid's is 1/4, at 0: 1 % of it is reached at 5.986, but 0.01 at 4.6 already. A GELU is flat in places, and bends
    away again."""
    for numbers, layer, told in (
        ([[5.95], [-5.95]], "sigmoid", ""),
        ([[6.02], [-6.02], [0.0], [5.0]], "sigmoid", "\n50.0 % saturated"),
        ([[-0.7517915246935645], [1.0]], "gelu", ""),
        ([[-6.0], [1.0]], "softplus", ""),
        ([[0.0], [1.0]], "cos", "\n50.0 % saturated"),  # which has no end where it is flat, but is so at 0
    ):
        ax = plot_activations(Sequential(layer), [[Value(x)] for [x] in numbers]).axes[0]
        assert "".join(ax.get_title().partition("\n")[1:]) == told


def test_activations_of_layers_that_do_not_change_anything_are_left_out() -> None:
    model = Sequential(Flatten(2), Linear(4, 3), "relu", Dropout(0.9), Sequential(Linear(3, 2), "tanh"))
    axes = plot_activations(model, [[[1.0, 2.0], [3.0, 4.0]]] * 3).axes
    names = [ax.get_title().partition("\n")[0] for ax in axes]
    assert names == [
        "layers.1 · Linear",
        "layers.2 · ReLU",
        "layers.4.layers.0 · Linear",
        "layers.4.layers.1 · Tanh",
    ]
    assert plot_activations(Neuron(2), moons(4)).axes[0].get_title().startswith("Neuron")
    broken = Linear(1, 2)
    broken.weight[0][0].data = float("inf")
    assert "50.0 % not finite" in plot_activations(broken, [[1.0]]).axes[0].get_title()


class Skip(Module):
    """A part that gives what it was given, in another order, beside a sum of its own."""

    def __call__(self, x: Any) -> list[Any]:
        return [*x[::-1], x[0] + x[1]]


def test_parts_that_only_pass_on_have_no_panel() -> None:
    model = Sequential(Conv2d(1, 2, 2), "relu", Flatten(), Linear(8, 2), Skip(), lambda x: x[::-1], Dropout(0.5))
    image = [[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]]
    axes = plot_activations(model, [image, image]).axes
    kinds = ["layers.0 · Conv2d", "layers.1 · ReLU", "layers.3 · Linear", "layers.4 · Skip"]
    assert [ax.get_title().partition("\n")[0] for ax in axes] == kinds
    with pytest.raises(TypeError, match="gives new Values"):
        plot_activations(Sequential(Flatten(1)), [[Value(1.0), Value(2.0)]])


@pytest.mark.parametrize(("zeros", "broken"), [(2, False), (3, True), (40, True)])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_bar_of_zeros_that_is_cut_says_so(zeros: int, broken: bool, sign: float) -> None:
    """Beside ten outputs that are each in a bin of their own: a bar of more than twice that is broken and has its share."""
    rows = [[Value(sign * x)] for x in [*[0.0] * zeros, *range(1, 11)]]
    ax = plot_activations(Sequential(lambda x: x, "linear", lambda x: [x[0] * 1.0], Scaled()), rows).axes[-1]
    share, top = zeros / (zeros + 10), ax.get_ylim()[1]
    assert (top < share) == broken and (top > 1 / (zeros + 10))
    assert [text.get_text() for text in ax.texts] == [f"{100 * share:.1f} %"] * broken
    assert len(ax.lines) == 2 * broken and len(ax.collections) == broken
    for line in ax.lines:
        assert min(line.get_xdata()) < 0 < max(line.get_xdata()) and min(line.get_ydata()) > 0.7
    for text in ax.texts:
        assert text.get_position()[0] * sign > 0 and text.get_horizontalalignment() == ("left" if sign > 0 else "right")


class Scaled(Module):
    def __call__(self, x: Any) -> list[Any]:
        return [2.0 * y for y in x]


@pytest.mark.parametrize(
    ("layers", "shape"), [(1, (1, 1)), (3, (1, 3)), (4, (2, 2)), (5, (2, 3)), (7, (2, 4)), (8, (2, 4)), (9, (3, 3))]
)
def test_panels_leave_few_places_empty(layers: int, shape: tuple[int, int]) -> None:
    figure = plot_activations(Sequential(*[Linear(1, 1) for _ in range(layers)]), [[1.0]])
    grid = figure.axes[0].get_gridspec()
    assert len(figure.axes) == layers and (grid.nrows, grid.ncols) == shape


def test_long_titles_do_not_run_into_each_other() -> None:
    figure = plot_activations(MLP(11, [*[11] * 6, 1], activation="leaky_relu"), [[1.0] * 11])
    assert figure.axes[0].get_title().startswith("layers.0\nLayer of 11 LeakyReLUNeuron(11)")
    figure.canvas.draw()
    boxes = [ax.title.get_window_extent() for ax in figure.axes]
    assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])


def test_activation_refusals() -> None:
    with pytest.raises(ValueError, match="no examples"):
        plot_activations(MLP(2, [1]), [])
    with pytest.raises(TypeError, match="is a layer that was called"):
        plot_activations(lambda x: x, [[1.0]])  # type: ignore[arg-type]


# ---- live ----------------------------------------------------------------------------------------------------------


class Page:
    """A notebook page that notes what is shown on it, and a clock that ticks as it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, per_look: float, per_picture: float) -> None:
        self.shown: list[Any] = []
        self.updated: list[Any] = []
        self.now, self.per_look, self.per_picture = 0.0, per_look, per_picture
        ipython, display = types.ModuleType("IPython"), types.ModuleType("IPython.display")
        ipython.get_ipython = lambda: types.SimpleNamespace(kernel=self)  # type: ignore[attr-defined]
        display.display = self.display  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "IPython", ipython)
        monkeypatch.setitem(sys.modules, "IPython.display", display)
        monkeypatch.setattr(nn.plot, "time", types.SimpleNamespace(perf_counter=self.clock))

    def clock(self) -> float:
        self.now += self.per_look
        return self.now

    def display(self, figure: Any, display_id: bool = False) -> Any:
        assert display_id is True
        self.shown.append(figure)
        self.now += self.per_picture
        return types.SimpleNamespace(update=self.update)

    def update(self, figure: Any) -> None:
        self.updated.append(figure)
        self.now += self.per_picture


def test_live_picture_is_one_display_kept_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    page = Page(monkeypatch, per_look=1.0, per_picture=0.0)
    live = LivePlot(every=0, draw=lambda training: training.step)
    train(MLP(2, [1]), live)
    assert page.shown == [1]  # the first step
    assert page.updated[-1] == 6  # and the end
    pictures = Page(monkeypatch, per_look=1.0, per_picture=0.0)
    result = train(MLP(2, [1]), LivePlot(every=0, theme="dark"))
    assert len(pictures.shown) == 1
    assert lines(pictures.updated[-1].axes[0])["each batch"][1] == result.step_losses
    assert to_hex(pictures.shown[0].get_facecolor()) == PALETTE["paper"][1]


def test_live_picture_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """With steps of 0.1 s and pictures of 0.1 s: at most a twentieth of the time, beside the last picture."""
    page = Page(monkeypatch, per_look=0.1, per_picture=0.0)
    live = LivePlot(every=0, draw=lambda training: 0)
    train(MLP(2, [1]), live, epochs=100)
    assert 2 <= len(page.updated) <= 1 + 0.06 * page.now / 0.1
    slow = Page(monkeypatch, per_look=0.1, per_picture=1000.0)
    train(MLP(2, [1]), LivePlot(every=0, draw=lambda training: 0), epochs=20)
    assert (len(slow.shown), len(slow.updated)) == (1, 1)
    rare = Page(monkeypatch, per_look=0.001, per_picture=0.0)
    train(MLP(2, [1]), LivePlot(every=1.0, draw=lambda training: 0), epochs=20)
    assert (len(rare.shown), len(rare.updated)) == (1, 0)


def test_live_picture_that_fails_does_not_end_training(monkeypatch: pytest.MonkeyPatch) -> None:
    page = Page(monkeypatch, per_look=1.0, per_picture=0.0)
    with pytest.warns(UserWarning, match="the live picture stopped: ZeroDivisionError") as caught:
        result = train(MLP(2, [1]), LivePlot(every=0, draw=lambda training: 1 / 0))
    assert len(result.step_losses) == 6 and not page.shown and len(caught) == 1


def test_live_picture_outside_a_notebook_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(training: Any) -> None:
        raise AssertionError("nothing is drawn")

    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    train(MLP(2, [1]), LivePlot(every=0, draw=draw))
    terminal = types.ModuleType("IPython")
    terminal.get_ipython = lambda: types.SimpleNamespace()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", terminal)
    train(MLP(2, [1]), LivePlot(every=0, draw=draw))
    terminal.get_ipython = lambda: None  # type: ignore[attr-defined]
    train(MLP(2, [1]), LivePlot(every=0, draw=draw))
    for every in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="0 or more"):
            LivePlot(every)


# ---- all of them ---------------------------------------------------------------------------------------------------


def pictures(theme: Any) -> Iterator[Any]:
    sizes = GradientSizes()
    two, three = moons(20), spirals(21, classes=3)
    names = Dataset(
        "n", two.examples, two.targets, ("price in $ and $", "_x"), "t", ("a long name of a class", "_b$c$")
    )
    train(MLP(2, [3, 1]), sizes)
    yield plot_history(history(), theme=theme)
    yield plot_history(History(step_losses=[1.0]), theme=theme)
    yield plot_boundary(MLP(2, [3, 1]), names, resolution=6, theme=theme)
    yield plot_boundary(MLP(2, [3, 3]), three, resolution=6, theme=theme)
    yield plot_boundary(MLP(2, [1]), linear(9, features=2), resolution=6, theme=theme)
    yield plot_boundary(MLP(1, [1]), linear(9), resolution=6, theme=theme)
    yield plot_boundary(MLP(2, [1]), [[0.0, 0.0], [1.0, 100.0]], resolution=6, theme=theme)
    yield plot_weights(MLP(16, [3, 1]), theme=theme)
    yield sizes.plot(theme=theme)
    yield plot_activations(MLP(2, [3, 1]), two, theme=theme)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_picture_can_be_read(theme: Any) -> None:
    """Axes are labelled, in the theme's colours, and no text is cut off (which no theme changes: it takes a drawing)."""
    paper, ink = (PALETTE[use][theme == "dark"] for use in ("paper", "text"))
    for figure in pictures(theme):
        if theme == "light":
            figure.canvas.draw()
        assert to_hex(figure.get_facecolor()) == paper
        renderer = figure.canvas.get_renderer()
        for ax in figure.axes:
            if ax.images:
                assert ax.get_title()
                continue
            assert ax.get_ylabel()
            assert ax.get_xlabel() or ax.get_label() == "<colorbar>"
            assert to_hex(ax.get_facecolor()) == paper or ax.get_label() == "<colorbar>"
            texts = [ax.title, ax.xaxis.label, ax.yaxis.label, *ax.get_xticklabels(), *ax.get_yticklabels()]
            texts += ax.get_legend().get_texts() if ax.get_legend() else []
            for text in texts:
                assert to_hex(text.get_color()) == ink
                on_axis = text in (*ax.get_xticklabels(), *ax.get_yticklabels())
                if theme == "light" and text.get_text() and text.get_visible() and not on_axis:
                    box = text.get_window_extent(renderer)
                    assert box.x0 >= 0 and box.y0 >= 0
                    assert box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1


def test_names_with_dollars_and_underscores_are_shown_as_they_are() -> None:
    data = Dataset("n", SQUARE, [0, 1, 0, 1], ("$a$", "_b"), "_t", ("_c", "$d$"))
    figure = plot_boundary(lambda p: p[0], data, resolution=4)
    ax = figure.axes[0]
    assert ax.get_xlabel() == r"\$a\$"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["\u200b_c", r"\$d\$"]
    figure.canvas.draw()


def luminance(colour: str) -> float:
    linear_rgb = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot(linear_rgb, [0.2126, 0.7152, 0.0722]))


def contrast(one: str, other: str) -> float:
    """WCAG 2's contrast ratio."""
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_and_shapes_can_be_told_apart(theme: Any) -> None:
    colours = Colours(theme)
    assert contrast(colours["text"], colours["paper"]) > 7
    assert min(contrast(colours.of(k), colours["paper"]) for k in (0, 2, 4)) > 3
    assert contrast(colours.of(0), colours.of(1)) > 1.8  # also in grey
    shown = {(colours.of(k), MARKERS[k % len(MARKERS)]) for k in range(90)}
    assert len(shown) == 90 and len(CLASSES) == 10
    pale = colours.diverging(colours.of(0), colours.of(1), 0.75)
    mixed = 0.75 * np.array(to_rgb(colours.of(1))) + 0.25 * np.array(to_rgb(colours["paper"]))
    np.testing.assert_allclose(pale(1.0)[:3], mixed, atol=1e-12)
    assert to_hex(pale.resampled(3)(1)) == colours["paper"]


def test_a_notebook_gets_one_sharp_png() -> None:
    figure = plot_history(history())
    data, metadata = figure._repr_mimebundle_()
    assert set(data) == {"image/png"}
    png = data["image/png"]
    assert png.startswith(b"\x89PNG")
    assert metadata["image/png"] == {"width": 900, "height": 340}
    assert [int.from_bytes(png[at : at + 4], "big") for at in (16, 20)] == [1800, 680]


def test_the_look_is_its_own_whatever_the_users_settings_are(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {
        "axes.facecolor": "red",
        "text.color": "lime",
        "xtick.color": "lime",
        "font.size": 30,
        "lines.linewidth": 9,
    }
    plain = plot_history(history())
    plain.canvas.draw()
    with matplotlib.rc_context(changed):
        before = dict(matplotlib.rcParams)
        figure = plot_history(history())
        figure.canvas.draw()
        assert dict(matplotlib.rcParams) == before
        assert bytes(figure.canvas.buffer_rgba()) == bytes(plain.canvas.buffer_rgba())


def state(model: Module) -> Any:
    parts = [(name, dict(vars(part))) for name, part in model.named_modules()]
    return (
        parts,
        [(p.data, p.grad, p.parents) for p in model.parameters()],
        [p.training for _, p in model.named_modules()],
    )


@pytest.mark.parametrize("mode", [None, True, False])
def test_models_are_left_as_they_were(mode: bool | None) -> None:
    """Parameters, gradients and mode, also where the model fails; Dropout answers as in evaluation and draws nothing."""
    seen: list[Any] = []
    drop = Dropout(0.5, rng=random.Random(0))
    model = Sequential(Linear(2, 3), drop, "tanh", Linear(3, 1), lambda x: seen.append(x) or x)
    if mode is not None:
        model.layers[1].train(mode)
    for i, parameter in enumerate(model.parameters()):
        parameter.grad = float(i)
    before, drawn = state(model), drop.rng.getstate()
    plot_boundary(model, moons(6), resolution=4)
    assert {value.parents for out in seen for value in out} == {()}  # nothing was recorded
    plot_activations(model, moons(6))
    plot_weights(model)
    assert state(model) == before
    assert drop.rng.getstate() == drawn
    for picture in (plot_boundary, plot_activations):
        with pytest.raises(ValueError, match="2"):
            picture(model, [[1.0, 2.0, 3.0]] if picture is plot_activations else linear(5))
        assert state(model) == before


def test_training_is_the_same_with_pictures_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    Page(monkeypatch, per_look=1.0, per_picture=0.0)
    ends = []
    for callbacks in ([], [LivePlot(0, lambda t: plot_activations(t.model, moons(4))), GradientSizes()]):
        model = Sequential(Linear(2, 3, rng=random.Random(1)), "relu", Dropout(0.2, rng=random.Random(2)), Linear(3, 1))
        for i, parameter in enumerate(model.layers[3].parameters()):
            parameter.data = 0.1 * i
        train(model, *callbacks, optimizer=SGD(model.parameters(), lr=0.1))
        ends.append([p.data for p in model.parameters()])
    assert ends[0] == ends[1]


def test_nothing_needs_matplotlib_until_a_picture_is_drawn_and_pyplot_never() -> None:
    code = """
import sys
sys.modules["matplotlib"] = None
import nn
for draw in (lambda: nn.plot_history(nn.History([1.0])), lambda: nn.plot_weights(nn.Linear(2, 2))):
    try:
        draw()
    except ImportError as error:
        assert "pip install 'scalar-autograd[notebook]'" in str(error), error
    else:
        raise AssertionError
del sys.modules["matplotlib"]
nn.plot_boundary(nn.MLP(2, [1]), nn.moons(4), resolution=3)._repr_mimebundle_()
assert "matplotlib.pyplot" not in sys.modules and "IPython" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=120)


def test_regression_and_classes_of_real_training() -> None:
    """A trained network's regions are where its classes are."""
    data = moons(60, noise=0.05)
    model = MLP(2, [8, 2], activation="tanh", rng=random.Random(0))
    fit(model, data.examples, data.targets, loss=softmax_cross_entropy, epochs=40, progress=False, rng=random.Random(0))
    figure = plot_boundary(model, data, resolution=25)
    answers = [max((0, 1), key=lambda k: model(x)[k].data) for x in data.examples]
    shown = [filled(figure, Colours("light").of(k), (x[0], x[1])) for k, x in zip(answers, data.examples, strict=True)]
    assert sum(shown) >= 58 and sum(a == t for a, t in zip(answers, data.targets, strict=True)) >= 50
    line = linear(40, noise=0)
    flat = MLP(1, [1], rng=random.Random(0))
    fast = Adam(flat.parameters(), lr=0.05)
    fit(flat, line.examples, line.targets, loss=half_squared_error, optimizer=fast, epochs=60, progress=False)
    xs, ys = lines(plot_boundary(flat, line, resolution=5).axes[0])["model"]
    slope, offset = np.polyfit([x for [x] in line.examples], line.targets, 1)
    np.testing.assert_allclose(ys, slope * np.array(xs) + offset, atol=0.05)
