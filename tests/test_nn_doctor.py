"""The doctor: each thing that goes wrong in training is provoked and named, and nothing is said of healthy runs."""

import math
import random
import warnings
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest

import autograd
from autograd import Value, gradients, topological_sort
from autograd.engine import NOT_COMPUTED
from nn import (
    MLP,
    SGD,
    Adam,
    Callback,
    Conv2d,
    Doctor,
    Dropout,
    Finding,
    Flatten,
    History,
    Linear,
    Module,
    Neuron,
    Optimizer,
    RMSprop,
    Sequential,
    TrainingError,
    TrainingWarning,
    circles,
    diagnose,
    fit,
    half_squared_error,
    hinge,
    l2_penalty,
    load_digits,
    mean_loss,
    moons,
    origin_of_nonfinite,
    softmax_cross_entropy,
)
from nn.activations import flat_below
from nn.doctor import Diagnosis, origin_of_nonfinite_gradient
from nn.doctor.checks import gradient_sizes
from nn.doctor.reading import Unit
from nn.doctor.units import ENOUGH, Seen, idle
from nn.doctor.watching import due, rises

POINTS = [[0.5, -1.0], [1.0, 2.0], [-0.3, 0.7]]
CLASSES = [0, 1, 1]
MOONS = moons(60, seed=0)


def net(*sizes: int, seed: int = 0, **keywords: Any) -> MLP:
    return MLP(2, list(sizes) or [4, 2], rng=random.Random(seed), **keywords)


def batch_loss(model: Module, examples: Any = POINTS, targets: Any = CLASSES) -> Value:
    loss: Value = mean_loss(softmax_cross_entropy, [model(x) for x in examples], targets)
    return loss


def said_by(run: Callable[[], History]) -> list[str]:
    """What `fit` warned of, each time at the line in this file that called it."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        history = run()
    assert all(one.category is TrainingWarning and one.filename == __file__ for one in said)
    assert [str(one.message) for one in said] == history.messages
    return history.messages


def only(found: Diagnosis) -> Finding:
    assert len(found) == 1, str(found)
    return found[0]


def train(model: Module, optimizer: Optimizer | None = None, **keywords: Any) -> History:
    given: dict[str, Any] = {"epochs": 5, "batch_size": 20, "rng": random.Random(0), "progress": False, **keywords}
    return fit(model, MOONS.examples, MOONS.targets, optimizer=optimizer, **given)


# ---- gradients that are not this loss's ----------------------------------------------------------------------------


@pytest.mark.parametrize("times", [2, 3, 7])
def test_backward_twice(times: int) -> None:
    model = net()
    loss = batch_loss(model)
    for _ in range(times):
        assert not diagnose(model, loss)
        model.zero_grad()
        loss.backward()
    assert not diagnose(model, loss)
    for _ in range(times - 1):
        loss.backward()
    finding = only(diagnose(model, loss))
    assert finding.kind == "backward twice" and f"{times} times" in finding.what and "zero_grad" in finding.advice


def test_gradients_never_zeroed() -> None:
    model = net()
    batch_loss(model, POINTS[:1], CLASSES[:1]).backward()
    loss = batch_loss(model)
    loss.backward()
    finding = only(diagnose(model, loss))
    assert finding.kind == "not zeroed" and "zero_grad()" in finding.advice
    title = finding.what.split("that of ")[1].split(" is ")[0]
    parameter = dict(model.named_parameters())[title]
    assert f"{parameter.grad:.4g}".replace("-", "−") in finding.what
    model.zero_grad()
    loss.backward()
    assert not diagnose(model, loss)


def test_a_nan_that_was_left_is_a_gradient_not_zeroed() -> None:
    model = net()
    model.parameters()[3].grad = math.nan
    loss = batch_loss(model)
    loss.backward()
    assert only(diagnose(model, loss)).kind == "not zeroed"


def test_gradients_added_up_on_purpose() -> None:
    model = net()
    losses = [softmax_cross_entropy(model(x), y) for x, y in zip(POINTS, CLASSES, strict=True)]
    for loss in losses:
        loss.backward()
    assert not diagnose(model, losses)
    assert only(diagnose(model, losses[0])).kind == "not zeroed"
    for loss in losses:
        loss.backward()
    assert only(diagnose(model, losses)).kind == "backward twice"


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_clipped_and_masked_gradients_are_fine(share: float) -> None:
    model = net()
    loss = batch_loss(model)
    loss.backward()
    for parameter in model.parameters()[::2]:
        parameter.grad *= share
    assert not diagnose(model, loss)
    assert not diagnose(model, batch_loss(model, POINTS[:1], CLASSES[:1]))  # which is not swept yet
    for neuron in model.layers[1].neurons:  # of which the gradients have opposite signs
        neuron.b.grad = -0.5 * gradients(loss, neuron.b)
        assert only(diagnose(model, loss)).kind == "not zeroed"
        neuron.b.grad = 0.0


# ---- data that changed ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda: net(), lambda: Sequential(Linear(2, 3), "tanh", Linear(3, 2))])
def test_an_input_that_changed(make: Callable[[], Module]) -> None:
    random.seed(0)
    model, inputs = make(), [Value(0.5), Value(1.0)]
    loss = softmax_cross_entropy(model(inputs), 1)
    inputs[1].data = 3.0
    finding = only(diagnose(model, loss))
    assert finding.kind == "data changed" and "input 1 (counted from 0) of the model" in finding.what
    assert "input 0" not in finding.what and "forward pass again" in finding.advice


def test_some_parameters_that_changed() -> None:
    model = net()
    loss = batch_loss(model)
    model.layers[0].neurons[1].w[0].data += 0.5
    finding = only(diagnose(model, loss))
    assert finding.kind == "data changed" and finding.where == "layers.0"
    assert "1 of " in finding.what and "layers.0.neurons.1.w[0]" in finding.what


def test_all_parameters_but_one_that_changed() -> None:
    model = net(activation="tanh")
    loss = batch_loss(model)
    for parameter in model.parameters()[:-1]:
        parameter.data += 0.01
    assert only(diagnose(model, loss)).where == "layers.1"


def test_a_number_of_the_graph_that_changed() -> None:
    model = net()
    hidden = [neuron(POINTS[0]) for neuron in model.layers[0].neurons]
    loss = softmax_cross_entropy(model.layers[1](hidden), 1) + softmax_cross_entropy(model(POINTS[1]), 0)
    hidden[0].parents[0].data += 1.0
    assert only(diagnose(model, loss)).kind == "data changed"


@pytest.mark.parametrize("frozen", [False, True])
def test_a_step_is_no_change_of_data(frozen: bool) -> None:
    model = net(activation="tanh")
    loss = batch_loss(model)
    loss.backward()
    SGD((model.layers[1] if frozen else model).parameters(), lr=0.1).step()
    assert not diagnose(model, loss)


# ---- steps that go uphill ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make", [lambda: net(activation="tanh"), lambda: Sequential(Linear(2, 3), "tanh", Linear(3, 2))]
)
@pytest.mark.parametrize(("rate", "uphill"), [(0.1, False), (1e3, True), (-1e-3, True)])
def test_a_step_uphill(make: Callable[[], Module], rate: float, uphill: bool) -> None:
    random.seed(1)
    model = make()
    loss = batch_loss(model)
    loss.backward()
    for parameter in model.parameters():
        parameter.data -= rate * parameter.grad
    with autograd.no_grad():
        after = batch_loss(model)
    found = diagnose(model, loss)
    if not uphill:
        assert not found and after.data < loss.data
        return
    finding = only(found)
    assert finding.kind == "uphill" and ("sign" in finding.advice) and ("smaller" in finding.advice) == (rate > 0)
    assert f"{loss.data:.4g} became {after.data:.4g}" in finding.what.replace("−", "-")


def test_how_far_uphill_a_step_may_go() -> None:
    class Square(Module):
        def __init__(self) -> None:
            self.x = Value(1.0)

        def __call__(self) -> Value:
            return self.x**2

    for size, uphill in (
        (3.1, False),
        (3.2, True),
        (-3.1, False),
        (-3.2, True),
    ):  # of which the squares are 9.6 and 10.2
        model = Square()
        loss = model()
        model.x.data = size
        assert diagnose(model, loss).kinds == ["uphill"] * uphill


class Uphill(SGD):
    """SGD with the sign that everybody has got wrong once."""

    def step(self) -> None:
        for parameter in self.parameters:
            parameter.data += self.lr * parameter.grad


class Forgetful(SGD):
    """Its gradients are never zeroed."""

    def zero_grad(self) -> None:
        pass


@pytest.mark.parametrize(
    ("activation", "optimizer"),
    [
        ("relu", lambda p: Uphill(p, lr=0.001)),
        ("tanh", lambda p: Uphill(p, lr=0.05)),
        ("tanh", lambda p: SGD(p, lr=30.0)),
        ("relu", lambda p: Adam(p, lr=3.0)),
    ],
)
def test_fit_says_that_steps_go_uphill(activation: str, optimizer: Callable[[list[Value]], Optimizer]) -> None:
    model = net(8, 2, activation=activation)
    [uphill] = [text for text in said_by(lambda: train(model, optimizer(model.parameters()))) if "uphill" in text]
    assert "learning rate" in uphill and "sign" in uphill


def test_how_many_steps_may_go_uphill() -> None:
    up, down, hardly = (1.0, 1.011), (1.0, 0.5), (1.0, 1.009)
    assert rises([up] * 4 + [(1.0, 1.0)]) == 4 and rises([up] * 3 + [hardly, down]) == 0
    assert rises([hardly] * 5) == 5 and rises([hardly] * 4 + [(1.0, 1.0)]) == 0
    assert rises([(1.0, 1.0 + 1e-12)] * 5) == 0 and rises([(1.0, 1.0 + 1e-6)] * 5) == 5
    twice, nearly = (1.0, 2.01), (1.0, 1.99)
    assert rises([twice] * 2 + [up] + [down] * 2) == 3 and rises([twice, nearly, up] + [down] * 2) == 0
    assert rises([twice] * 2 + [hardly] * 3) == 5 and rises([(1.0, 9.0)] * 2 + [down] * 3) == 0
    assert rises([(1.0, math.inf)] * 4 + [down]) == 4 and rises([(1.0, math.nan)] * 4 + [down]) == 4


def test_a_loss_is_computed_again_only_while_it_has_not_fallen() -> None:
    def judged(model: Module, optimizer: Optimizer, **keywords: Any) -> list[int]:
        class Counting(Doctor):
            def loss_again(self) -> float | None:
                steps.append(self.training.step)
                return super().loss_again()

        steps: list[int] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TrainingWarning)
            train(model, optimizer, checks=False, callbacks=[Counting()], **keywords)
        return steps

    model = net(8, 2)
    assert judged(model, SGD(model.parameters(), lr=0.2), batch_size=60, epochs=30) == [1]
    model = net(8, 2)
    idle_steps = judged(model, SGD(model.parameters(), lr=1e-300), batch_size=60, epochs=20)
    assert all(later >= 2 * step for step, later in pairwise(idle_steps))
    model = net(8, 2)
    assert judged(model, Uphill(model.parameters(), lr=0.001), batch_size=60, epochs=20) == [
        1,
        2,
        3,
        4,
        5,
        *range(10, 15),
    ]


def test_what_is_said_is_said_once() -> None:
    model = net(8, 2)
    with pytest.warns(TrainingWarning) as said:
        history = train(model, Uphill(model.parameters(), lr=0.003), epochs=40)
    assert len(said) == len(history.messages) == 1


# ---- hidden units --------------------------------------------------------------------------------------------------


def many(n: int, seed: int = 3) -> tuple[list[list[float]], list[int]]:
    rng = random.Random(seed)
    return [[rng.gauss(0, 1), rng.gauss(0, 1)] for _ in range(n)], [rng.randrange(2) for _ in range(n)]


def models_with(dead: Sequence[int], units: int, bias: float, activation: str) -> list[Module]:
    rng = random.Random(5)
    neurons = net(units, 2, seed=5, activation=activation)
    rows = Sequential(Linear(2, units, rng=rng), activation, Linear(units, 2, rng=rng))
    for unit in dead:
        neurons.layers[0].neurons[unit].b.data = bias
        rows.layers[0].bias[unit].data = bias
    return [neurons, rows]


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(
    ("activation", "bias", "kind"),
    [("relu", -50.0, "dead"), ("sigmoid", 50.0, "saturated"), ("tanh", -9.0, "saturated")],
)
def test_dead_and_saturated_units(which: int, activation: str, bias: float, kind: str) -> None:
    examples, targets = many(ENOUGH)
    gone = [0, 1, 2, 3, 5, 6, 8, 9, 10]
    model = models_with(gone, 11, bias, activation)[which]
    finding = only(diagnose(model, batch_loss(model, examples, targets)))
    assert (finding.kind, finding.where) == (kind, "layers.0")
    assert "9 of 11" in finding.what and f"{ENOUGH} examples" in finding.what
    assert "units 0, 1, 2, 3, 5, 6, 8, 9" in finding.what.replace(" and 1 more", "")
    fewer = models_with(gone[:-1], 11, bias, activation)[which]  # 8 of 11 are less than 4 of 5
    found = diagnose(fewer, batch_loss(fewer, examples, targets))
    assert (
        not found
        and f"8 of 11 {'ReLU' if activation == 'relu' else activation} units in layers.0 are {kind}"
        in str(found).replace("\n", " ")
    )
    few = diagnose(model, batch_loss(model, examples[:-1], targets[:-1]))
    assert not few and f"takes {ENOUGH} examples" in str(few).replace("\n", " ")


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(("activation", "bias", "kind"), [("relu", -50.0, "dead"), ("sigmoid", 50.0, "saturated")])
def test_fit_says_that_units_are_dead_or_saturated(which: int, activation: str, bias: float, kind: str) -> None:
    model = models_with(range(8), 8, bias, activation)[which]
    said = said_by(lambda: train(model, SGD(model.parameters(), lr=0.01), epochs=1))
    assert any(
        f"8 of 8 {'ReLU' if activation == 'relu' else activation} units in layers.0 are {kind}" in text for text in said
    )


def test_units_that_die_later() -> None:
    class Killer(Callback):
        def on_epoch(self, training: Any) -> None:
            for neuron in training.model.layers[0].neurons:
                neuron.b.data = -50.0

    model = net(8, 2)
    [dead] = said_by(
        lambda: train(model, SGD(model.parameters(), lr=1e-3), epochs=2, batch_size=15, callbacks=[Killer()])
    )
    assert dead.startswith("after 8 steps, dead (layers.0): 8 of 8") and "32 examples" in dead  # of three batches


def test_dead_filters() -> None:
    rng = random.Random(0)
    model = Sequential(Conv2d(1, 3, 2, rng=rng), "relu", Flatten(), Linear(12, 2, rng=rng))
    for b in model.layers[0].bias:
        b.data = -100.0
    images = [[[[rng.random() for _ in range(3)] for _ in range(3)]] for _ in range(ENOUGH)]
    loss = mean_loss(softmax_cross_entropy, [model(image) for image in images], [i % 2 for i in range(ENOUGH)])
    finding = only(diagnose(model, loss))
    assert finding.kind == "dead" and "3 of 3 ReLU units" in finding.what and f"{ENOUGH} examples" in finding.what
    at_once = mean_loss(softmax_cross_entropy, model(images), [i % 2 for i in range(ENOUGH)])
    assert only(diagnose(model, at_once)) == finding


class ByHand(Module):
    """A network in one piece, with its weights in lists."""

    def __init__(self) -> None:
        rng = random.Random(0)
        self.first = [[Value(rng.gauss(0, 1)) for _ in range(2)] for _ in range(6)]
        self.second = [[Value(rng.gauss(0, 1)) for _ in range(6)] for _ in range(2)]

    def __call__(self, x: Any) -> Any:
        hidden = [(autograd.dot(row, x) - 50).relu() for row in self.first]
        return [autograd.dot(row, hidden) for row in self.second]


def test_dead_units_of_a_network_in_one_piece() -> None:
    model = ByHand()
    finding = only(diagnose(model, batch_loss(model, *many(ENOUGH))))
    assert (finding.kind, finding.where) == ("dead", "first") and "6 of 6 ReLU units" in finding.what


def test_dead_units_before_dropout() -> None:
    model = Sequential(Linear(2, 6), "relu", Dropout(0.5), Linear(6, 2))
    for b in model.layers[0].bias:
        b.data = -50.0
    assert "dead" in diagnose(model, batch_loss(model, *many(ENOUGH))).kinds


def test_the_last_layer_may_be_saturated() -> None:
    model = net(4, 1, output="sigmoid", activation="tanh")
    model.layers[1].neurons[0].b.data = 30.0
    examples, _ = many(40)
    loss = mean_loss(half_squared_error, [model(x) for x in examples], [0.9] * 40)
    assert not diagnose(model, loss)


def test_how_many_examples_a_unit_must_have_been_flat_for() -> None:
    def units(flat: int, rule: Any) -> dict[Unit, Seen]:
        seen = {}
        for place in range(5):
            seen[Unit("layer", place)] = one = Seen(rule)
            for i in range(100):
                one.add(0.0 if i < flat else 0.25)
        return seen

    assert not list(idle(units(99, autograd.rules.RELU), 100))
    assert [f.kind for f in idle(units(100, autograd.rules.RELU), 100)] == ["dead"]
    assert not list(idle(units(94, autograd.rules.SIGMOID), 100))
    assert [f.kind for f in idle(units(95, autograd.rules.SIGMOID), 100)] == ["saturated"]
    four_of_five = units(100, autograd.rules.RELU)
    four_of_five[Unit("layer", 3)].add(1.0)
    assert not list(idle(four_of_five, 100))
    assert not list(idle(units(100, autograd.rules.RELU), 4))
    assert list(idle(units(100, autograd.rules.RELU), 4, everything=True))


def test_where_curves_are_flat_is_read_off_their_rules() -> None:
    assert flat_below(autograd.rules.SIGMOID) == pytest.approx(0.0025)
    assert flat_below(autograd.rules.TANH) == pytest.approx(0.01)
    assert flat_below(autograd.rules.ATAN) == pytest.approx(0.01)
    for rule in ("RELU", "GELU", "SOFTPLUS", "SILU", "EXP", "SIN", "LOG", "NEG"):
        assert flat_below(getattr(autograd.rules, rule)) == 0
    assert flat_below(autograd.rules.leaky_relu(0.001)) == 0
    clipped = autograd.Rule("clipped", lambda x: max(-1.0, min(1.0, x)), (lambda x, out: float(-1 < x < 1),))
    assert flat_below(clipped) == 0  # beyond -1 and 1 it is dead


# ---- weights and gradients by layer --------------------------------------------------------------------------------


def constant(rng: Any, fan_in: int, fan_out: int) -> float:
    return 0.5


@pytest.mark.parametrize("init", ["zeros", constant])
def test_identical_weights(init: Any) -> None:
    random.seed(0)
    for model in (
        net(init=init),
        Sequential(Linear(2, 4, init=init), "relu", Linear(4, 2, init=init)),
        net(init=init, activation="sigmoid"),
    ):
        finding = only(diagnose(model, batch_loss(model)))
        assert (finding.kind, finding.where) == ("identical weights", "layers.0") and "The 4 units" in finding.what


def test_units_that_will_part_are_not_scolded() -> None:
    random.seed(0)
    for model in (
        Sequential(Linear(2, 4), "tanh", Linear(4, 2, init="zeros")),  # their gradients differ by class
        Sequential(Linear(2, 4, init="zeros"), "sigmoid", Linear(4, 2)),  # ... by their outgoing weights
        Sequential(Linear(2, 1, init="zeros"), "sigmoid", Linear(1, 2)),  # there is only one
    ):
        assert not diagnose(model, batch_loss(model))


def test_fit_says_that_weights_are_identical() -> None:
    model = net(8, 2, activation="sigmoid", init=constant)
    with pytest.warns(TrainingWarning, match="identical weights") as said:
        train(model, SGD(model.parameters(), lr=0.1), epochs=2)
    assert len(said) == 1


def test_vanishing_gradients() -> None:
    model = net(*[6] * 9, 2, activation="sigmoid", init="xavier")
    finding = only(diagnose(model, batch_loss(model)))
    assert (finding.kind, finding.where) == ("vanishing", "layers.0")
    assert "relu" in finding.advice.lower() and "layers.3 " in finding.what
    with pytest.warns(TrainingWarning, match="vanish") as said:
        train(model, SGD(model.parameters(), lr=0.1), epochs=2)
    assert len(said) == 1
    model = net(*[6] * 9, 2, activation="tanh", init="xavier")
    assert not diagnose(model, batch_loss(model))


class Chain(Module):
    """Neurons in a row, each a layer of its own."""

    def __init__(self) -> None:
        rng = random.Random(0)
        self.neurons = [Neuron(1, activation="sigmoid", rng=rng) for _ in range(7)]

    def __call__(self, x: float) -> Value:
        y: Any = x
        for neuron in self.neurons:
            y = neuron([y])
        return y  # type: ignore[no-any-return]


def test_a_chain_of_neurons_is_a_chain_of_layers() -> None:
    model = Chain()
    finding = only(diagnose(model, half_squared_error(model(0.5), 1.0)))
    assert finding.kind == "vanishing" and finding.where.startswith("neurons.") and "neurons.3 " in finding.what


def test_what_two_batches_show_is_not_said_yet() -> None:
    model = net(*[6] * 9, 2, activation="sigmoid", init="xavier")
    assert train(model, SGD(model.parameters(), lr=0.1), epochs=1).messages == []


def test_exploding_gradients() -> None:
    model = net(*[8] * 5, 2, init=lambda rng, fan_in, fan_out: rng.normalvariate(0.0, 20.0))
    finding = only(diagnose(model, batch_loss(model)))
    assert finding.kind == "exploding" and "clip_norm" in finding.advice
    with pytest.warns(TrainingWarning, match="explode"):
        train(model, SGD(model.parameters(), lr=1e-15), epochs=2)


def kinds(sizes: dict[str, float], weights: float = 1.0) -> list[str]:
    return [finding.kind for finding in gradient_sizes(sizes, dict.fromkeys(sizes, weights))]


def test_how_far_apart_gradients_may_be() -> None:
    assert kinds({"a": 1.01e-3, "b": 1.0}) == [] and kinds({"a": 1e-3, "b": 1.0}) == ["vanishing"]
    assert kinds({"a": 9.9e-1, "b": 1e-3}) == [] and kinds({"a": 1.0, "b": 1e-3}) == ["exploding"]
    assert kinds({"a": 999.0, "b": 999.0}) == [] and kinds({"a": 1000.0, "b": 1000.0}) == ["exploding"]
    assert kinds({"a": 4000.0, "b": 4000.0}, weights=5.0) == [] and kinds({"a": 5000.0, "b": 1.0}, weights=5.0) != []
    assert kinds({"a": 0.0, "b": 1.0}) == [] and kinds({"a": 0.0, "b": 0.0}) == []
    assert kinds({"a": 1e-9, "b": 2e-9}) == []  # all small: near a minimum


# ---- where an inf or NaN began -------------------------------------------------------------------------------------


def test_origin_at_an_operation() -> None:
    p = Value(-0.5, label="p")
    q = p.log()
    q.label = "q"
    assert origin_of_nonfinite(q * 2 + 1) == "it began at the node log, labelled 'q': log(-0.5) = nan"
    big = Value(1e300)
    assert origin_of_nonfinite((big * big).tanh() + 1) == "it began at the node *: 1e+300 * 1e+300 = inf"
    assert origin_of_nonfinite(big**2) == "it began at the node **2: (1e+300)**2 = inf"
    assert origin_of_nonfinite(autograd.dot([big] * 3, [big, big, -big])).startswith(
        "it began at the node dot: dot of 6 n"
    )
    assert origin_of_nonfinite(p.exp() + 1) == ""


def test_origin_in_a_model() -> None:
    model = net(3, 2, activation="tanh")
    model.layers[1].neurons[0].activation, model.layers[1].neurons[0].nonlin = (lambda x: (x - 100).log()), True
    loss = batch_loss(model)
    found = origin_of_nonfinite(loss, model)
    assert found.startswith("it began in layers.1.neurons.0 at the node log: log(-")
    assert origin_of_nonfinite(loss) == found
    finding = only(diagnose(model, loss))
    assert finding.kind == "not finite" and found in finding.what


def test_origin_in_a_leaf() -> None:
    model = net()
    assert "began with input 1 (counted from 0) of the model, which is nan" in origin_of_nonfinite(
        softmax_cross_entropy(model([1.0, math.nan]), 0), model
    )
    labelled = Value(math.inf, label="x")
    assert origin_of_nonfinite(labelled - labelled) == "it began with the leaf 'x', which is inf"
    model.layers[0].neurons[2].w[1].data = math.nan
    assert "parameter layers.0.neurons.2.w[1], which is nan" in origin_of_nonfinite(batch_loss(model), model)


def test_origin_follows_what_reached_the_root() -> None:
    dead, alive = Value(-1.0).log(), Value(-2.0).log()
    assert "log(-2.0)" in origin_of_nonfinite(autograd.where(False, dead, alive))
    assert "log(-1.0)" in origin_of_nonfinite(autograd.where(True, dead, alive))
    mask = Value(-math.inf, label="mask")
    assert "log(-1.0)" in origin_of_nonfinite(mask + dead) and "log(-1.0)" in origin_of_nonfinite(dead + mask)
    assert "mask" in origin_of_nonfinite(mask.exp() + 1)  # which is finite: the graph holds one all the same


def test_a_masked_score_is_no_finding() -> None:
    model = net()
    scores = model(POINTS[0])
    assert not diagnose(model, softmax_cross_entropy([*scores, Value(-math.inf)], 0))


def test_origin_of_a_gradient() -> None:
    r = Value(0.0, label="r")
    assert origin_of_nonfinite_gradient(r.sqrt() * 3) == (
        "it began at the node sqrt: its upstream gradient 3 times its local derivative inf is inf"
    )
    x = Value(1.0, label="x")
    both = x * 1e308 + x * 1e308 - 1.5e308
    assert "the leaf 'x': the contributions to its gradient add up to inf" in origin_of_nonfinite_gradient(both)
    assert origin_of_nonfinite_gradient(x.exp()) == ""
    model = net()
    weight = model.layers[0].neurons[0].w[0]
    finding = only(diagnose(model, batch_loss(model) + (weight - weight.data).sqrt()))
    assert finding.kind == "not finite" and "a gradient is not" in finding.what and "node sqrt" in finding.what


def test_a_parameter_that_a_step_made_infinite() -> None:
    model = net()
    loss = batch_loss(model)
    model.layers[1].neurons[0].b.data = math.inf
    finding = only(diagnose(model, loss))
    assert finding.kind == "not finite" and "layers.1.neurons.0.b is inf now" in finding.what


def test_fit_says_where_it_began() -> None:
    model = net()
    with pytest.raises(TrainingError, match=r"input 0 \(counted from 0\) of the model, which is inf"):
        fit(model, [[1.0, 2.0], [math.inf, 2.0]], [0, 1], epochs=1, progress=False)
    with pytest.raises(ValueError, match="takes 2 inputs, got 3") as error:
        fit(model, [[1.0, 2.0, 3.0]], [0], epochs=1, progress=False)
    assert any("example 0" in note for note in error.value.__notes__)


# ---- what is not connected, and what is not taken -------------------------------------------------------------------


class Unused(Module):
    def __init__(self) -> None:
        rng = random.Random(0)
        self.forgotten, self.used = Linear(2, 3, rng=rng), Linear(2, 2, rng=rng)

    def __call__(self, x: Any) -> Any:
        return self.used(x)


def test_a_layer_that_is_not_part_of_the_loss() -> None:
    model = Unused()
    finding = only(diagnose(model, batch_loss(model)))
    assert (finding.kind, finding.where) == ("not connected", "forgotten") and "9 parameters" in finding.what
    with pytest.warns(TrainingWarning, match="not connected \\(forgotten\\)") as said:
        train(model)
    assert len(said) == 1
    train(model, penalty=lambda: l2_penalty(model.parameters(), 0.01))  # then it is


def test_a_loss_of_another_model_or_of_none() -> None:
    model = net()
    finding = only(diagnose(model, batch_loss(net())))
    assert (finding.kind, finding.where) == ("not connected", "") and "other Values" in finding.what
    with autograd.no_grad():
        loss = batch_loss(model)
    finding = only(diagnose(model, loss))
    assert finding.kind == "not connected" and "nothing was recorded" in finding.what and "no_grad" in finding.advice


def test_an_optimizer_of_another_model() -> None:
    with pytest.warns(TrainingWarning, match="moves none of this model's parameters"):
        train(net(), SGD(net().parameters(), lr=0.1), epochs=1)


@pytest.mark.parametrize("batch_size", [20, 40])
def test_fit_says_that_gradients_are_never_zeroed(batch_size: int) -> None:
    model = net()
    with pytest.warns(TrainingWarning, match="still there when a batch begins") as said:
        train(model, Forgetful(model.parameters(), lr=1e-3), epochs=1, batch_size=batch_size)
    assert [one.filename for one in said] == [__file__]


def test_what_diagnose_takes() -> None:
    model = net()
    loss = batch_loss(model)
    for given, error, says in (
        ((loss, model), TypeError, "model comes first"),
        ((3, loss), TypeError, "of type int"),
        ((model, 0.5), TypeError, r"not with their \.data"),
        ((model, None), TypeError, "loss\\(model\\(example\\), target\\)"),
        ((model, [loss, "x"]), TypeError, "of type str"),
        ((model, []), ValueError, "at least one"),
        ((Flatten(), loss), ValueError, "no parameters"),
        ((model, loss * Value(1j)), TypeError, "complex"),
    ):
        with pytest.raises(error, match=says):
            diagnose(*given)  # type: ignore[arg-type]


# ---- healthy runs --------------------------------------------------------------------------------------------------

OPTIMIZERS: dict[str, Callable[[list[Value]], Optimizer]] = {
    "sgd": lambda p: SGD(p, lr=0.05),
    "momentum": lambda p: SGD(p, lr=0.03, momentum=0.9),
    "adam": lambda p: Adam(p, lr=0.01),
    "rmsprop": lambda p: RMSprop(p, lr=0.003),
}
XOR = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0]


def wave(n: int, seed: int) -> tuple[list[list[float]], list[float]]:
    rng = random.Random(seed)
    xs = [rng.uniform(-2, 2) for _ in range(n)]
    return [[x] for x in xs], [math.sin(2 * x) + rng.gauss(0, 0.1) for x in xs]


def healthy(activation: str, seed: int) -> list[tuple[Module, Any, Any, Any]]:
    """(model, examples, targets, loss) of usual kinds."""
    rng = random.Random(seed)
    init = "he" if activation in ("relu", "gelu") else "xavier"
    rings = circles(40, seed=seed)
    crescents = moons(40, seed=seed)
    return [
        (
            MLP(2, [8, 8, 2], activation=activation, rng=rng),
            crescents.examples,
            crescents.targets,
            softmax_cross_entropy,
        ),
        (
            Sequential(Linear(2, 8, init=init, rng=rng), activation, Linear(8, 1, init=init, rng=rng)),
            rings.examples,
            [2 * t - 1 for t in rings.targets],
            hinge,
        ),
        (MLP(2, [8, 2], activation=activation, rng=rng), *XOR, softmax_cross_entropy),
        (MLP(1, [10, 10, 1], activation=activation, init=init, rng=rng), *wave(40, seed), half_squared_error),
    ]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "gelu"])
def test_fit_says_nothing_of_healthy_runs(activation: str, optimizer: str) -> None:
    for model, examples, targets, loss in healthy(activation, seed=len(optimizer)):
        given: dict[str, Any] = {"epochs": 3, "batch_size": 10, "rng": random.Random(0), "progress": False}
        history = fit(model, examples, targets, loss=loss, optimizer=OPTIMIZERS[optimizer](model.parameters()), **given)
        assert history.messages == []


@pytest.mark.parametrize(
    ("activation", "optimizer"), [*zip(["relu", "tanh", "sigmoid", "gelu"], OPTIMIZERS, strict=True)]
)
def test_diagnose_says_nothing_of_healthy_runs(activation: str, optimizer: str) -> None:
    for model, examples, targets, loss in healthy(activation, seed=10 + len(optimizer)):
        rng, steps = random.Random(0), OPTIMIZERS[optimizer](model.parameters())
        for step in range(3):
            chosen = rng.sample(range(len(examples)), min(10 if step < 2 else ENOUGH, len(examples)))
            total = mean_loss(loss, [model(examples[i]) for i in chosen], [targets[i] for i in chosen])
            assert not diagnose(model, total)
            steps.zero_grad()
            total.backward()
            assert not diagnose(model, total)
            steps.step()
            assert str(diagnose(model, total)).startswith("Nothing to report: looked at ")


def test_digits_and_convolution_are_healthy() -> None:
    digits, rng = load_digits(), random.Random(0)
    some = range(0, 96, 2)
    examples = [[x / 16 for x in digits.examples[i]] for i in some]
    targets = [int(digits.targets[i]) for i in some]
    train_on: dict[str, Any] = {"epochs": 1, "batch_size": 16, "rng": rng, "progress": False}
    for model in (MLP(64, [16, 10], rng=rng), MLP(64, [16, 10], activation="tanh", init="xavier", rng=rng)):
        assert not fit(model, examples, targets, **train_on).messages
    images = [[[x[8 * i : 8 * i + 8] for i in range(8)]] for x in examples[:16]]
    filters = Sequential(
        Conv2d(1, 3, 3, stride=2, init="he", rng=rng), "relu", Flatten(), Dropout(0.2, rng), Linear(27, 10, rng=rng)
    )
    assert not fit(filters, images, targets[:16], **train_on).messages
    assert not diagnose(filters, mean_loss(softmax_cross_entropy, filters(images), targets[:16]))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_fit_says_nothing_of_many_healthy_runs(seed: int) -> None:
    for activation in ("relu", "tanh", "sigmoid", "gelu"):
        for optimizer in OPTIMIZERS.values():
            for model, examples, targets, loss in healthy(activation, seed):
                given: dict[str, Any] = {"epochs": 20, "batch_size": 10, "rng": random.Random(seed), "progress": False}
                fit(model, examples, targets, loss=loss, optimizer=optimizer(model.parameters()), **given)


# ---- it changes nothing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["before", "after", "stepped"])
def test_diagnose_changes_nothing(moment: str) -> None:
    model = net()
    loss = batch_loss(model)
    if moment != "before":
        loss.backward()
    if moment == "stepped":
        SGD(model.parameters(), lr=0.1).step()
    random.seed(0)
    state, nodes = random.getstate(), topological_sort(loss)
    before = [(node.data, node.grad, node.grad is NOT_COMPUTED, node.label) for node in nodes]
    first, second = diagnose(model, loss), diagnose(model, loss)
    assert str(first) == str(second)
    assert [(node.data, node.grad, node.grad is NOT_COMPUTED, node.label) for node in nodes] == before
    assert random.getstate() == state


class Restless(Module):
    """A model that counts its calls and draws noise."""

    def __init__(self) -> None:
        self.inner, self.calls, self.rng = net(6, 2), 0, random.Random(4)

    def __call__(self, x: Any) -> Any:
        self.calls += 1
        return [y + self.rng.gauss(0, 0.1) + random.gauss(0, 0.1) for y in self.inner(x)]


@pytest.mark.parametrize(
    "make",
    [lambda: net(6, 2), Restless, lambda: Sequential(net(6, 6), Dropout(0.5), Linear(6, 2, rng=random.Random(1)))],
)
def test_training_is_the_same_with_and_without_it(make: Callable[[], Module]) -> None:
    ends = []
    for checks in (False, True):
        random.seed(7)
        model = make()
        history = train(model, epochs=3, checks=checks, rng=None)
        ends.append(
            ([p.data for p in model.parameters()], history.step_losses, random.getstate(), getattr(model, "calls", 0))
        )
    assert ends[0] == ends[1]


def test_a_random_model_is_not_called_again() -> None:
    doctor = Doctor()
    for model, comparable in ((Restless(), False), (net(), True)):
        train(model, epochs=1, checks=False, callbacks=[doctor])
        assert doctor.comparable is comparable


def test_a_model_that_gives_a_dict() -> None:
    class Named(Module):
        def __init__(self) -> None:
            self.inner = models_with(range(8), 8, -50.0, "relu")[0]

        def __call__(self, x: Any) -> Any:
            return {"scores": self.inner(x)}

    model, doctor = Named(), Doctor()
    given: dict[str, Any] = {"loss": lambda output, target: softmax_cross_entropy(output["scores"], target)}
    with pytest.warns(TrainingWarning, match="8 of 8 ReLU units in inner.layers.0 are dead"):
        train(model, checks=False, callbacks=[doctor], correct=lambda output, target: True, epochs=1, **given)
    assert not doctor.calls


def test_without_checks_nothing_is_said() -> None:
    model = net()
    assert train(model, Uphill(model.parameters(), lr=0.1), checks=False, epochs=2).messages == []


def test_observing_ends_with_training() -> None:
    from autograd.naming import observers

    class Failing(Callback):
        def on_step(self, training: Any) -> None:
            raise RuntimeError("no")

    train(net(), epochs=1)
    assert observers == []
    with pytest.raises(RuntimeError):
        train(net(), callbacks=[Failing()])
    assert observers == []


def test_resumed_training_does_not_repeat_itself() -> None:
    doctor = Doctor()
    with pytest.raises(ValueError, match="kind, where"):
        doctor.load_state({"said": "dead"})
    assert doctor.state() == {}
    model = net()
    with pytest.warns(TrainingWarning):
        train(model, Uphill(model.parameters(), lr=0.01), checks=False, callbacks=[doctor], epochs=3)
    state = doctor.state()
    other = Doctor()
    other.load_state(state)
    assert other.state() == state == {"said": [["uphill", ""]]}


def test_when_it_looks() -> None:
    assert [step for step in range(1, 300) if due(step)] == [1, 2, 4, 8, 16, 32, 64, 128, 192, 256]

    class Counting(Doctor):
        def watch(self) -> None:
            epochs.append(self.training.epoch + 1)
            super().watch()

    epochs: list[int] = []
    train(net(), checks=False, callbacks=[Counting()], epochs=9)
    assert epochs == [1, 2, 4, 8]


# ---- how it is shown -----------------------------------------------------------------------------------------------


def test_a_diagnosis_reads_well() -> None:
    model = net(init="zeros")
    loss = batch_loss(model)
    loss.backward()
    loss.backward()
    found = diagnose(model, loss)
    assert found.kinds == ["backward twice", "identical weights"] and found[1].where == "layers.0"
    assert [finding.kind for finding in found] == found.kinds and found[:1] == (found[0],)
    lines = str(found).splitlines()
    assert all(len(line) <= 100 for line in lines) and lines[0].startswith("backward twice: ")
    assert "identical weights (layers.0): " in str(found) and repr(found) == str(found)
    model = net()
    nothing = str(diagnose(model, batch_loss(model)))
    assert nothing.startswith("Nothing to report: looked at 22 parameters in 2 layers")
    assert all(len(line) <= 100 for line in nothing.splitlines())


def test_html_is_escaped() -> None:
    found = Diagnosis([Finding("dead", "<b>", "a < b & c", "<script>")], "")
    texts: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attributes: Any) -> None:
            assert tag in ("ul", "li", "b", "i", "code", "p") and not attributes  # colours are the notebook's own

        def handle_data(self, data: str) -> None:
            texts.append(data)

    Reader().feed(found._repr_html_())
    assert "a < b & c" in "".join(texts) and "<script>" in texts
    assert "Nothing to report: a &lt; b" in Diagnosis([], "a < b")._repr_html_()


def test_warnings_are_of_their_own_kind() -> None:
    model = net()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrainingWarning)
        history = train(model, Uphill(model.parameters(), lr=0.01))
    assert len(history.messages) == 1 and history.messages[0].startswith("after 5 steps, uphill: ")


def test_a_loss_that_was_not_swept_is_told() -> None:
    model = Linear(1, 1, rng=random.Random(0))
    loss = half_squared_error(model([1.0]), [3.0])
    assert "backward() has not run" in str(diagnose(model, loss)).replace("\n", " ")
    loss.backward()
    assert "backward() has not run" not in str(diagnose(model, loss)).replace("\n", " ")
