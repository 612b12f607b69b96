"""The benchmarks measure what they say, and their command writes a table and JSON. No time is judged here."""

import gc
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from autograd import Value, topological_sort
from benchmarks import __main__ as table
from benchmarks import measure, stored, training, workloads

ROOT = Path(__file__).parent.parent

SMALL = {"mix": 50, "moons": 4}


@pytest.mark.parametrize("name", SMALL)
def test_operations_are_counted_right(name: str) -> None:
    graph = workloads.WORKLOADS[name](Value, SMALL[name])
    made = [node for node in topological_sort(graph.forward()) if node.rule is not None]
    assert len(made) == graph.operations


@pytest.mark.parametrize(("name", "operations"), [("mix", 100_000), ("moons", 65_000)])
def test_sizes(name: str, operations: int) -> None:
    assert workloads.WORKLOADS[name](Value).operations == pytest.approx(operations, rel=0.01)


@pytest.mark.parametrize("name", SMALL)
def test_the_stored_gradients_agree_with_ours(name: str) -> None:
    ours, theirs = (workloads.WORKLOADS[name](value, SMALL[name]) for value in (Value, stored.Value))
    ours.step()
    theirs.step()
    for leaf, other in zip(ours.leaves, theirs.leaves, strict=True):
        assert leaf.grad == pytest.approx(other.grad, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x * x * 3.0 - 2.0 / x + (x + 1.0) / x,
        lambda x: 1.0 - 2.0 * -x + x**3 - 1.0,
        lambda x: x.exp() + x.tanh() - x.relu() + (x - 2.0).relu(),
    ],
)
def test_every_operation_of_the_stored_gradients(f: Callable[..., Value]) -> None:
    x, y = Value(0.75), stored.Value(0.75)
    f(x).backward()
    f(y).backward()
    assert x.grad == pytest.approx(y.grad, rel=1e-14)


@pytest.mark.parametrize("name", workloads.SHAPES)
def test_shapes(name: str) -> None:
    root, leaf, gradient = workloads.SHAPES[name](Value, 1_000)
    root.backward()
    assert leaf.grad == gradient


TINY = {
    "hinge": training.Task((2, 4, 3, 1), [[0.5, -1.0], [1.5, 0.25], [-0.5, 1.0]], [1, -1, 1], "hinge"),
    "cross-entropy": training.Task((3, 4, 2), [[0.5, -1.0, 2.0], [1.5, 0.25, -1.0]], [1, 0], "cross-entropy"),
}


PEERS = tuple(way for way in training.WAYS if way.startswith(("micrograd", "PyTorch")))


@pytest.mark.parametrize("way", [pytest.param(w, marks=[pytest.mark.peers] * (w in PEERS)) for w in training.WAYS])
@pytest.mark.parametrize("name", TINY)
def test_all_ways_to_train_take_the_same_steps(name: str, way: str) -> None:
    """Also as NumPy has it, for the MLP: the losses of five steps, the later ones small only if the steps are right."""
    step, losses = training.WAYS[way](TINY[name]), by_numpy(TINY[name], 5)
    assert [step() for _ in range(5)] == pytest.approx(losses, rel=1e-12)
    assert losses[-1] < losses[0]


def by_numpy(task: training.Task, steps: int) -> list[float]:
    """The loss before each step of gradient descent."""
    layers = [(np.array(rows)[:, :-1], np.array(rows)[:, -1]) for rows in task.layers()]
    X, t, losses = np.array(task.examples), np.array(task.targets), []
    for _ in range(steps):
        inputs, z = [], X
        for i, (W, b) in enumerate(layers):
            inputs.append(np.maximum(z, 0) if i else z)
            z = inputs[-1] @ W.T + b
        if task.loss == "hinge":
            margins = 1 - t[:, None] * z
            losses.append(float(np.maximum(margins, 0).mean()))
            delta = -t[:, None] * (margins > 0) / len(X)
        else:
            p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
            losses.append(float(-np.log(p[np.arange(len(X)), t]).mean()))
            delta = (p - np.eye(z.shape[1])[t]) / len(X)
        for i in reversed(range(len(layers))):
            W, b = layers[i]
            layers[i] = (W - training.RATE * delta.T @ inputs[i], b - training.RATE * delta.sum(axis=0))
            delta = delta @ W * (inputs[i] > 0)
    return losses


def test_tasks_of_training() -> None:
    moons, digits = training.moons(), training.digits()
    assert (moons.sizes, len(moons.examples), set(moons.targets)) == ((2, 16, 16, 1), 100, {-1, 1})
    assert (digits.sizes, len(digits.examples), set(digits.targets)) == ((64, 16, 10), 32, set(range(10)))
    assert {x for row in digits.examples for x in row} == {x / 16 for x in range(17)}


def test_the_small_net_learns() -> None:
    assert all((target == 1) == (x != y) for (x, y), target in training.XOR) and len(training.XOR) == 4
    step = training.small()
    losses = [step() for _ in range(400)]
    assert losses[-1] < 0.01 < losses[0]


def test_the_boundary_is_between_the_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without training about half of the points are on their side, whichever class is which."""
    monkeypatch.setattr(training.nn, "fit", lambda model, examples, sides, **about: None)
    shares = [training.boundary(seed, 100, 1) for seed in range(10)]
    assert 0.3 < np.mean(shares) < 0.7 and max(shares) < 0.95


def test_measures_of_training() -> None:
    taken = measure.training("moons", collector=True, rounds=1, ways=["Sequential"])
    assert list(taken) == ["Sequential"] and len(taken["Sequential"]) == 1 and taken["Sequential"][0] > 0
    grown = measure.training_growth([2, 5], collector=True)
    assert len(grown["resident"]) == 2 and grown["found"] == 0
    assert 0.8 < measure.boundaries([0], examples=40, epochs=20)[0] <= 1


def test_ways_with_other_losses_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(training.WAYS, "wrong", lambda task: lambda: 1.0)
    with pytest.raises(AssertionError, match=r"moons: wrong has the loss 1\.0, Sequential "):
        measure.training("moons", collector=True, rounds=1, ways=["Sequential", "wrong"])


def test_a_leak_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Circles of objects are counted, with the collector on and off, and held memory shows."""
    kept: list[object] = []

    def leaking() -> None:
        circle: list[object] = []
        circle.append(circle)
        kept.append([0] * 100_000)

    monkeypatch.setattr(training, "small", lambda: leaking)
    for collector in (True, False):
        try:
            found = measure.training_growth([1, 20], collector=collector)
        finally:
            gc.enable()
        assert found["found"] == 20
        if measure.resident() is not None:
            assert found["resident"][1] - found["resident"][0] > 10e6


def test_ratios_of_steps_and_peers_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    per_step = {"MLP": 4.0, "Sequential": 2.0, "micrograd": 40.0, "PyTorch": 1.0, "PyTorch, batched": 0.5}
    monkeypatch.setattr(table, "measure", lambda name, ways, **about: {way: [per_step[way]] * 3 for way in ways})
    monkeypatch.setattr(table, "find_spec", lambda name: name)
    found = {one.name: one.value for one in table.steps_of_training("training", "digits", True, quick=True)}
    assert found == {
        **{f"{way}: time per step": time for way, time in per_step.items()},
        "MLP: times as fast as micrograd": 10.0,
        "Sequential: times as fast as micrograd": 20.0,
        "PyTorch: times as fast as MLP": 4.0,
        "PyTorch: times as fast as Sequential": 2.0,
        "PyTorch, batched: times as fast as MLP": 8.0,
        "PyTorch, batched: times as fast as Sequential": 4.0,
    }
    monkeypatch.setattr(table, "find_spec", lambda name: None)
    lines = [table.line(one) for one in table.steps_of_training("training", "digits", True, quick=True)]
    assert len(lines) == 4 and "'.[bench]'" in lines[2] and "'.[peers]'" in lines[3]


@pytest.mark.slow
def test_the_command(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--json", str(file)]
    table = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=900).stdout
    report = json.loads(file.read_text(encoding="utf-8"))
    assert set(report) == {"machine", "quick", "figures"}
    assert {"python", "platform", "cpus"} <= set(report["machine"])
    assert report["quick"] is True
    groups = " ".join(figure["group"] for figure in report["figures"])
    for word in (
        "speed: mix, collector on",
        "speed: moons, collector off",
        "memory",
        "million",
        "grow",
        "import",
        "hvp",
        "drawing",
        "training: moons",
        "training: digits",
        "training: 10,000 steps",
        "training: what is learnt",
        "replay: moons",
        "replay: digits",
        "replay: GPT",
        "replay: record + plan",
        "against lanes",
        "against nodes",
    ):
        assert word in groups
    for figure in report["figures"]:
        assert figure["name"] in table
        assert not figure["failed"], figure
        assert figure["met"] in (True, False, None)
        if figure["value"] is None:
            assert figure["note"]
        else:
            assert math.isfinite(figure["value"])
            assert figure["value"] >= 0
        if figure["low"] is not None:
            assert figure["low"] <= figure["value"] <= figure["high"]
