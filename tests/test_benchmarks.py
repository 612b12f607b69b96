"""The benchmarks measure what they say, and their command writes a table and JSON. No time is judged here."""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from autograd import Value, topological_sort
from benchmarks import stored, workloads

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
