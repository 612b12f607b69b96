"""Initial weights: their spread, and that a seed gives the same ones everywhere."""

import math
import random

import pytest

from nn import MLP, Conv2d, Layer, Linear
from nn.init import SCHEMES, bell_shaped

VARIANCES = {
    "uniform": 1 / 3,
    "xavier": 2 / 60,
    "xavier_normal": 2 / 60,
    "he": 2 / 20,
    "he_uniform": 2 / 20,
    "lecun": 1 / 20,
    "lecun_uniform": 1 / 20,
    "zeros": 0.0,
}


@pytest.mark.parametrize("name", SCHEMES)
def test_spread_of_initial_weights(name: str) -> None:
    rng = random.Random(11)
    layers = [Layer(20, 40, init=name, rng=rng) for _ in range(25)]
    weights = [w.data for layer in layers for neuron in layer.neurons for w in neuron.w]
    assert abs(math.fsum(weights) / len(weights)) < 0.01
    assert math.isclose(math.fsum(w * w for w in weights) / len(weights), VARIANCES[name], rel_tol=0.05)
    assert all(neuron.b is not None and neuron.b.data == 0 for neuron in layers[0].neurons)


# random.Random(0).random() begins with these; Python promises them for ever. The schemes are asked with fan_in 4, fan_out 12.
FIRST = (0.8444218515250481, 0.7579544029403025, 0.420571580830845, 0.25891675029296335)


def test_pythons_own_numbers() -> None:
    rng = random.Random(0)
    assert tuple(rng.random() for _ in FIRST) == FIRST


LIMITS = {
    "uniform": 1.0,
    "xavier": math.sqrt(6 / 16),
    "he_uniform": math.sqrt(6 / 4),
    "lecun_uniform": math.sqrt(3 / 4),
}


@pytest.mark.parametrize("name", LIMITS)
def test_golden_numbers_of_the_even_schemes(name: str) -> None:
    """a + (b - a) * random(), as the documentation of random.uniform has it."""
    rng, limit = random.Random(0), LIMITS[name]
    assert [SCHEMES[name](rng, 4, 12) for _ in FIRST] == [-limit + (limit - -limit) * u for u in FIRST]


# Standard normal numbers of seed 0: those of random.normalvariate in Python 3.11, 3.12 and 3.13.
NORMAL = (-0.18386822109325826, 0.0325041290775818, 0.6988276932539805, -0.09636784501527529, 1.4135077900481214)
DEVIATIONS = {"he": math.sqrt(2 / 4), "xavier_normal": math.sqrt(2 / 16), "lecun": math.sqrt(1 / 4)}


@pytest.mark.parametrize("name", DEVIATIONS)
def test_golden_numbers_of_the_bell_shaped_schemes(name: str) -> None:
    rng = random.Random(0)
    assert [SCHEMES[name](rng, 4, 12) for _ in NORMAL] == [z * DEVIATIONS[name] for z in NORMAL]


def test_bell_shaped_numbers_follow_the_bell() -> None:
    """Moments, and the share within 0.5, 1, 2 and 3 deviations, of 200,000 numbers: within 5 standard errors."""
    rng, n = random.Random(4), 200_000
    numbers = [bell_shaped(rng, 2.0) / 2 for _ in range(n)]
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs(math.fsum(z**power for z in numbers) / n - moment) < 5 * math.sqrt(variance / n)
    for far in (0.5, 1, 2, 3):
        share = math.erf(far / math.sqrt(2))
        assert abs(sum(abs(z) < far for z in numbers) / n - share) < 5 * math.sqrt(share * (1 - share) / n)


def test_zeros_draw_nothing() -> None:
    rng = random.Random(3)
    state = rng.getstate()
    assert SCHEMES["zeros"](rng, 4, 12) == 0
    assert rng.getstate() == state


class OnlyRandom(random.Random):
    """A source whose other methods may be anything in the next Python."""

    def uniform(self, a: float, b: float) -> float:
        raise AssertionError

    def normalvariate(self, mu: float = 0.0, sigma: float = 1.0) -> float:
        raise AssertionError


@pytest.mark.parametrize("name", SCHEMES)
def test_nothing_is_drawn_but_random(name: str) -> None:
    for seed in range(20):
        drawn = [SCHEMES[name](source, 3, 5) for source in (OnlyRandom(seed), random.Random(seed))]
        assert drawn[0] == drawn[1]


def test_micrograds_numbers_are_those_of_random_uniform() -> None:
    random.seed(9)
    model = MLP(2, [3, 1])
    random.seed(9)
    weights = [w.data for layer in model.layers for neuron in layer.neurons for w in neuron.w]
    assert weights == [random.uniform(-1, 1) for _ in weights]


def fans(rng: object, fan_in: int, fan_out: int) -> float:
    return fan_in + fan_out / 1000


def test_fans_of_every_layer() -> None:
    """Of a convolution: channels times the size of the kernel, on the way in and on the way out."""
    assert {w.data for row in Linear(3, 5, init=fans).weight for w in row} == {3.005}
    convolution = Conv2d(2, 5, (3, 4), init=fans)
    weights = [w for name, w in convolution.named_parameters() if name.startswith("weight")]
    assert {w.data for w in weights} == {24.06}
    assert len(weights) == 120


def test_layers_draw_from_their_rng_in_the_order_of_their_parameters() -> None:
    random.seed(1)
    state = random.getstate()
    for layer in (Linear(3, 2, rng=random.Random(5)), Conv2d(2, 1, (1, 2), rng=random.Random(5))):
        drawn = random.Random(5)
        for name, parameter in layer.named_parameters():
            assert parameter.data == (0 if name.startswith("bias") else 2 * drawn.random() - 1)
    assert random.getstate() == state
    random.seed(1)
    first = Linear(1, 1).weight[0][0].data
    random.seed(1)
    assert first == random.uniform(-1, 1)


@pytest.mark.parametrize("layer", [Linear(2, 2, bias=True), Conv2d(1, 1, 2)])
def test_biases_start_at_zero(layer: Linear | Conv2d) -> None:
    assert layer.bias is not None
    assert {b.data for b in layer.bias} == {0.0}


@pytest.mark.parametrize("make", [lambda **kw: Linear(2, 2, **kw), lambda **kw: Conv2d(1, 1, 2, **kw)])
def test_bad_choices_list_the_accepted_ones(make: object) -> None:
    with pytest.raises(ValueError, match=r"init must be one of uniform, .*did you mean 'xavier'"):
        make(init="xaver")  # type: ignore[operator]
    with pytest.raises(TypeError, match=r"rng must be a random.Random, such as random.Random\(0\)"):
        make(rng=0)  # type: ignore[operator]
