"""Conv2d: its numbers and gradients against loops over NumPy arrays and against PyTorch, and what it says of wrong shapes."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd
from autograd import Constant, Value
from autograd.naming import values_in
from nn import Conv2d

Pair = tuple[int, int]


def filled(layer: Conv2d, seed: int) -> Conv2d:
    """Its weights, and its biases, which are 0 at first, at random."""
    rng = random.Random(seed)
    for parameter in layer.parameters():
        parameter.data = rng.gauss(0, 1)
    return layer


def data(values: Any) -> np.ndarray:
    return np.vectorize(lambda v: v.data, otypes=[float])(np.array(values, dtype=object))


def grads(values: Any) -> np.ndarray:
    return np.vectorize(lambda v: v.grad, otypes=[float])(np.array(values, dtype=object))


def as_values(array: np.ndarray) -> Any:
    return np.vectorize(Value, otypes=[object])(array).tolist()


def windows(x: np.ndarray, kernel: Pair, stride: Pair, padding: Pair) -> Iterator[tuple[int, int, slice, slice]]:
    """Row and column of each output, and where its window lies in the padded image."""
    height, width = (size + 2 * pad for size, pad in zip(x.shape[2:], padding))
    for r, top in enumerate(range(0, height - kernel[0] + 1, stride[0])):
        for s, left in enumerate(range(0, width - kernel[1] + 1, stride[1])):
            yield r, s, slice(top, top + kernel[0]), slice(left, left + kernel[1])


def reference(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    stride: Pair,
    padding: Pair,
    upstream: Callable[[Any], np.ndarray],
) -> tuple[np.ndarray, ...]:
    """A batch's output, and the gradients of sum(upstream * output) to x, weight and bias: each window by itself."""
    (ph, pw), kernel = padding, weight.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    places = list(windows(x, kernel, stride, padding))
    out = np.zeros((len(x), len(weight), places[-1][0] + 1, places[-1][1] + 1))
    for r, s, rows, columns in places:
        out[:, :, r, s] = np.einsum("ncij,ocij->no", padded[:, :, rows, columns], weight) + bias
    g = upstream(out.shape)
    to_padded, to_weight = np.zeros_like(padded), np.zeros_like(weight)
    for r, s, rows, columns in places:
        to_padded[:, :, rows, columns] += np.einsum("no,ocij->ncij", g[:, :, r, s], weight)
        to_weight += np.einsum("no,ncij->ocij", g[:, :, r, s], padded[:, :, rows, columns])
    to_x = to_padded[:, :, ph : ph + x.shape[2], pw : pw + x.shape[3]]
    return out, to_x, to_weight, g.sum(axis=(0, 2, 3))


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
shapes = st.fixed_dictionaries(
    {
        "examples": st.integers(1, 2),
        "channels": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "size": st.tuples(st.integers(1, 6), st.integers(1, 6)),
        "kernel": pairs,
        "stride": pairs,
        "padding": st.tuples(st.integers(0, 4), st.integers(0, 4)),
        "bias": st.booleans(),
        "seed": st.integers(0, 1000),
    }
).filter(lambda c: all(n + 2 * p >= k for n, p, k in zip(c["size"], c["padding"], c["kernel"])))


def engine(case: dict[str, Any], upstream: Callable[[Any], np.ndarray]) -> tuple[Any, ...]:
    """The images, the layer, and what `reference` gives, by the layer and a sweep."""
    rng = np.random.default_rng(case["seed"])
    images = rng.normal(size=(case["examples"], case["channels"][0], *case["size"]))
    sizes = {name: case[name] for name in ("stride", "padding", "bias")}
    layer = filled(Conv2d(*case["channels"], case["kernel"], **sizes), case["seed"])
    values = as_values(images)
    out = layer(values)
    g = upstream(data(out).shape)
    autograd.dot(g, np.array(out, dtype=object)).backward()
    gradients = grads(values), grads(layer.weight), grads(layer.bias) if layer.bias else None
    return images, layer, data(out), *gradients


def upstream_of(case: dict[str, Any]) -> Callable[[Any], np.ndarray]:
    return lambda shape: np.random.default_rng(case["seed"] + 1).normal(size=shape)


@settings(max_examples=60)
@given(shapes)
def test_values_and_gradients_are_those_of_the_formula(case: dict[str, Any]) -> None:
    images, layer, *found = engine(case, upstream_of(case))
    bias = data(layer.bias) if layer.bias else np.zeros(len(layer.weight))
    expected = reference(images, data(layer.weight), bias, case["stride"], case["padding"], upstream_of(case))
    assert (layer.bias is not None) == case["bias"]
    for ours, theirs in zip(found, expected):
        if ours is not None:
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
            assert ours.shape == theirs.shape
    rows, columns = found[0].shape[2:]
    assert rows == (case["size"][0] + 2 * case["padding"][0] - case["kernel"][0]) // case["stride"][0] + 1
    assert columns == (case["size"][1] + 2 * case["padding"][1] - case["kernel"][1]) // case["stride"][1] + 1


@pytest.mark.peers
@settings(max_examples=60)
@given(shapes)
def test_values_and_gradients_are_pytorchs(case: dict[str, Any]) -> None:
    import torch

    images, layer, *found = engine(case, upstream_of(case))
    x, weight = (torch.tensor(array, requires_grad=True) for array in (images, data(layer.weight)))
    bias = torch.tensor(data(layer.bias), requires_grad=True) if layer.bias else None
    out = torch.nn.functional.conv2d(x, weight, bias, stride=case["stride"], padding=case["padding"])
    (out * torch.tensor(upstream_of(case)(tuple(out.shape)))).sum().backward()
    for ours, theirs in zip(found, (out, x.grad, weight.grad, bias.grad if bias is not None else None)):
        if ours is not None and theirs is not None:
            np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-12, atol=1e-12)
            assert ours.shape == tuple(theirs.shape)


def test_the_kernel_is_not_flipped() -> None:
    layer = Conv2d(1, 1, (1, 3), bias=False)
    for weight, number in zip(layer.weight[0][0][0], (1, 2, 3)):
        weight.data = number
    assert data(layer([[[0, 0, 1, 0, 0]]])).tolist() == [[[3, 2, 1]]]


def test_one_int_stands_for_a_pair_and_an_image_without_batch_gives_an_image() -> None:
    image = np.random.default_rng(0).normal(size=(2, 5, 5))
    square, pair = (
        filled(Conv2d(2, 3, size, stride=by, padding=pad), 1) for size, by, pad in ((3, 2, 1), ((3, 3), [2, 2], (1, 1)))
    )
    out = data(square(image))
    assert out.shape == (3, 3, 3)
    assert (out == data(pair(image))).all()
    assert (out == data(square([image]))[0]).all()
    assert square.kernel == pair.kernel == (3, 3)


def test_inputs_of_every_kind_give_the_same() -> None:
    array = np.arange(18.0).reshape(2, 3, 3)
    layer = filled(Conv2d(2, 1, 2), 3)
    expected = data(layer(array.tolist()))
    wrapped = np.vectorize(Value, otypes=[object])(array)
    for x in (array, array.astype(int), array.astype("float32"), tuple(array), wrapped, wrapped.tolist(), iter(array)):
        assert (data(layer(x)) == expected).all()
    with autograd.no_grad():
        assert (data(layer(array)) == expected).all()


def test_each_output_is_one_dot_and_one_addition_and_each_pixel_one_constant() -> None:
    layer = Conv2d(1, 3, 2)
    out = layer([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]])
    nodes = autograd.topological_sort(autograd.sum(values_in(out)))
    assert sorted(node._op for node in nodes if node.parents) == ["+"] * 12 + ["dot"] * 12 + ["sum"]
    constants = {parent for node in nodes for parent in node.parents if type(parent) is Constant}
    assert sorted(c.data for c in constants) == list(range(1, 10))
    (unbiased,) = values_in(Conv2d(1, 1, 3, bias=False)(np.eye(3)[None]))
    assert unbiased._op == "dot"


def test_products_with_padding_are_left_out() -> None:
    """An infinite weight that only meets padding does no harm, and a corner has four of nine products."""
    layer = filled(Conv2d(1, 1, 3, padding=1, bias=False), 0)
    layer.weight[0][0][0][0].data = float("inf")
    out = layer([[[1.0, 2.0], [3.0, 4.0]]])[0]
    assert len(out[0][0].parents) == 8
    assert np.isfinite([out[0][0].data, out[0][1].data, out[1][0].data]).all()
    assert out[1][1].data == float("inf")


def test_a_window_that_only_sees_padding_gives_the_bias() -> None:
    for bias, expected in ((True, 0.5), (False, 0.0)):
        layer = Conv2d(1, 1, 1, padding=1, bias=bias)
        if layer.bias:
            layer.bias[0].data = 0.5
        corner = layer([[[1.0]]])[0][0][0]
        assert isinstance(corner, Value)
        assert corner.data == expected
        if layer.bias:
            corner.backward()
            assert layer.bias[0].grad == 1


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (Conv2d(1, 6, 3), "Conv2d(1, 6, 3)"),
        (Conv2d(3, 2, (1, 5), stride=2, padding=(0, 2)), "Conv2d(3, 2, (1, 5), stride=2, padding=(0, 2))"),
        (Conv2d(1, 1, 1, bias=False), "Conv2d(1, 1, 1, bias=False)"),
    ],
)
def test_reprs(layer: Conv2d, text: str) -> None:
    assert repr(layer) == text


@pytest.mark.parametrize(
    ("arguments", "keywords", "words"),
    [
        ((0, 1, 1), {}, "channels_in must be at least 1, got 0"),
        ((1, 0, 1), {}, "channels_out must be at least 1, got 0"),
        ((1.5, 1, 1), {}, "channels_in must be a whole number, got 1.5"),
        ((1, 1, 0), {}, "kernel must be at least 1, got 0"),
        ((1, 1, (2, 0)), {}, "kernel must be at least 1, got 0"),
        ((1, 1, (2, 2, 2)), {}, r"kernel must be a whole number or a pair of them \(rows, columns\), got \(2, 2, 2\)"),
        ((1, 1, 1), {"stride": 0}, "stride must be at least 1, got 0"),
        ((1, 1, 1), {"stride": "2"}, "stride must be a whole number, got '2'"),
        ((1, 1, 1), {"padding": -1}, "padding must be at least 0, got -1"),
        ((1, 1, 1), {"padding": (0, -1)}, "padding must be at least 0, got -1"),
    ],
)
def test_sizes_are_checked(arguments: Any, keywords: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        Conv2d(*arguments, **keywords)


NESTED = r"Conv2d\(2, 1, 2\) takes an image as \[channel\]\[row\]\[column\], or a batch .* 3 or 4 levels deep; got "


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (1.0, NESTED + "1.0, of type float$"),
        ([], NESTED + "an empty list$"),
        ([1.0], NESTED + "1 level$"),
        (np.zeros((3, 3)), NESTED + "2 levels$"),
        (np.zeros((1, 1, 2, 3, 3)), NESTED + "5 levels$"),
        (np.zeros((1, 3, 3)), "takes images of 2 channels, .* got 1 channel$"),
        (np.zeros((2, 3, 3, 3)), "takes images of 2 channels, .* image 0, got 3 channels$"),
        (np.zeros((2, 1, 3)), "at least 2 rows, .* got 1: take a smaller kernel, more padding, or a larger image"),
        (np.zeros((2, 3, 1)), "at least 2 columns, .* got 1: "),
        (np.zeros((2, 3, 0)), "at least one row and column; channel 0, row 0 has no columns"),
        (np.zeros((2, 0)).tolist(), NESTED + "2 levels$"),
        ([[[1, 2], [3, 4]], [[1, 2]]], r"channel 1 \(counted from 0\) has 1 rows, those before it 2"),
        ([[[1, 2], [3, 4]], [[1, 2], [3]]], r"channel 1, row 1 \(counted from 0\) has 1 columns, those before it 2"),
        ([[[1, 2], [3, 4]], 5], r"channel 1 \(counted from 0\) is 5"),
        ([[[1, 2], 3], [[1, 2], [3, 4]]], r"channel 0, row 1 \(counted from 0\) is 3"),
        ([[[1, 2], [3, 4]], [[1, 2], [3, "a"]]], r"channel 1, row 1, column 1 \(counted from 0\) is 'a', of type str"),
        (
            [[[1, 2], [3, 4]], [[1, 2], [[3], 4]]],
            r"channel 1, row 1, column 0 \(counted from 0\) is \[3\], of type list",
        ),
        ([np.zeros((2, 3, 3)), 7], "image 1, got 7$"),
        ([np.zeros((2, 3, 3)), np.zeros((2, 3, 2))], r"image 0 is 3 x 3, but image 1 \(counted from 0\) is 3 x 2"),
        ([np.zeros((2, 3, 3)), np.zeros((2, 2, 3))], r"image 0 is 3 x 3, but image 1 \(counted from 0\) is 2 x 3"),
        ([np.zeros((2, 3, 3)), [[[1, 2], [3, None]]] * 2], "image 1, channel 0, row 1, column 1 .* is None"),
    ],
)
def test_wrong_images_are_named(image: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words) as caught:
        Conv2d(2, 1, 2)(image)
    assert str(caught.value).startswith("Conv2d(2, 1, 2) ")


def test_a_plain_image_for_one_channel_is_told_how() -> None:
    with pytest.raises(ValueError, match=r"write \[image\] for an image with one channel"):
        Conv2d(1, 1, 2)(np.zeros((3, 3)))


def test_the_padding_counts_where_an_image_is_too_small() -> None:
    assert data(Conv2d(1, 1, 3, padding=1)([[[1.0]]])).shape == (1, 1, 1)
    with pytest.raises(ValueError, match=r"got 1 with 1 of padding on both sides"):
        Conv2d(1, 1, 4, padding=1)([[[1.0]]])
