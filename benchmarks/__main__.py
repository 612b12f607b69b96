"""python -m benchmarks [--quick] [--only NAME] [--json FILE] [--plots DIR] [--check]: every figure, beside its bar.

Speed is measured beside two peers: micrograd (`python -m pip install '.[bench]'`) and `benchmarks/stored.py`. The engines
take turns in one process; a ratio is the median of that process, a figure the median of several processes, printed with
their lowest and highest. Before every measured step all garbage is collected, off the clock.

The peers of `replay` are optional (`python -m pip install '.[peers]'`): PyTorch, JAX on the processor, CasADi (LGPL; used
nowhere else). All compute in float64, NumPy and PyTorch on one thread, and all take the same steps.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Figure:
    """One line of the table."""

    group: str
    name: str
    value: float | None  # None: could not be measured, `note` says why
    unit: str = ""
    low: float | None = None  # the lowest and highest of the processes or rounds
    high: float | None = None
    bar: float | None = None  # what it should reach
    at_least: bool = False  # whether the bar is a floor or a ceiling
    aim: float | None = None
    note: str = ""
    failed: bool = False
    series: str = ""  # of the curve that this is a point of
    at: float | None = None  # and where

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None if there is none, or nothing to measure."""
        if self.failed:
            return False
        if self.bar is None or self.value is None:
            return None
        return self.value >= self.bar if self.at_least else self.value <= self.bar


def figure(group: str, name: str, found: Sequence[float], unit: str = "", **about: Any) -> Figure:
    """The median of what was found, with its spread."""
    return Figure(group, name, median(found), unit, min(found), max(found), **about)


def fresh(*command: str, environment: Mapping[str, str] | None = None) -> str:
    """What another Python process prints; RuntimeError with its complaint if it fails or crashes."""
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        raise RuntimeError(f"exit status {done.returncode}: {(done.stderr.strip() or 'no output').splitlines()[-1]}")
    return done.stdout


def measure(name: str, /, **arguments: Any) -> Any:
    """A measurement of `benchmarks.measure`, in a fresh process, where NumPy's matrix products keep to one thread."""
    environment = {**os.environ, **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")}
    return json.loads(fresh("-m", "benchmarks.measure", name, json.dumps(arguments), environment=environment))


# ---- the groups of figures -----------------------------------------------------------------------------------------

BARS = {  # (peer, collector) -> at least so many times as fast, and the aim
    ("micrograd", True): (8.0, 11.0),
    ("micrograd", False): (1.8, 2.5),
    ("stored", True): (1.6, 2.2),
    ("stored", False): (1.4, 1.6),
}


def speed(quick: bool) -> Iterator[Figure]:
    """Forward, backward and free of a graph, per operation."""
    peers = ["stored", "micrograd"] if find_spec("micrograd") else ["stored"]
    processes, rounds = (2, 3) if quick else (5, 5)
    for workload in ("mix", "moons"):
        for collector in (True, False):
            group = f"speed: {workload}, collector {'on' if collector else 'off'}"
            runs = [
                measure("eager", workload=workload, collector=collector, rounds=rounds, engines=["autograd", *peers])
                for _ in range(processes)
            ]
            for engine in ("autograd", *peers):
                yield figure(group, f"{engine}: time per operation", [median(run[engine]) for run in runs], "ns")
            for peer in peers:
                bar, aim = BARS[peer, collector]
                ratios = [
                    median(theirs / ours for theirs, ours in zip(run[peer], run["autograd"], strict=True))
                    for run in runs
                ]
                yield figure(group, f"times as fast as {peer}", ratios, "x", bar=bar, at_least=True, aim=aim)
            if "micrograd" not in peers:
                yield Figure(group, "times as fast as micrograd", None, note="not installed: pip install '.[bench]'")


def memory(quick: bool) -> Iterator[Figure]:
    """Bytes of a graph, per operation. The bar is for the moons step; the mix has constants, and slopes of its own."""
    sizes = {"moons": 100 if quick else 1_000, "mix": 5_000 if quick else 50_000}
    for workload, size in sizes.items():
        for traced, how in ((True, "allocated"), (False, "resident")):
            found = measure("memory", workload=workload, size=size, traced=traced)
            for i, (when, bar) in enumerate((("after forward", 130.0), ("after backward", 150.0))):
                name = f"{workload}: {how} {when}"
                if found is None:
                    yield Figure("memory per operation", name, None, note="this system does not tell")
                else:
                    bar_here = bar if workload == "moons" else None
                    yield Figure("memory per operation", name, found[i], "bytes", bar=bar_here)


def depth(quick: bool) -> Iterator[Figure]:
    """A million operations in one graph, at the default recursion limit; ten million in one chain."""
    group = "a million operations, collector on"
    for name in ("chain", "wide sum", "diamond", "one sum node"):
        try:
            found = measure("shape", name=name, size=1_000_000)
        except RuntimeError as error:
            yield Figure(group, name, None, note=f"FAILED: {error}", failed=True)
        else:
            note = f"peak {found['peak MB']:.0f} MB, recursion limit {found['recursion limit']}"
            yield Figure(
                group, f"{name}: time per {'operand' if 'one' in name else 'operation'}", found["ns"], "ns", note=note
            )
    group = "ten million operations"
    if quick:
        yield Figure(group, "chain", None, note="left out by --quick")
        return
    try:
        found = measure("shape", name="chain", size=10_000_000)
    except RuntimeError as error:
        yield Figure(group, "chain", None, note=f"FAILED: {error}", failed=True)
    else:
        note = f"{found['ns']:.0f} ns an operation; freed, and left with status 0"
        yield Figure(group, "chain: peak of memory", found["peak MB"], "MB", bar=2_500.0, note=note)


def growth(quick: bool) -> Iterator[Figure]:
    """Whether the cost of an operation stays the same when graphs grow."""
    sizes = [1_000, 10_000, 100_000, 1_000_000]
    shapes, rounds = (("chain",), 1) if quick else (("chain", "wide sum", "diamond"), 3)
    taken = {name: measure("growth", name=name, sizes=sizes, operations=300_000, rounds=rounds) for name in shapes}
    for collector in ("off", "on"):
        group = f"cost per operation as graphs grow, collector {collector}"
        for name in shapes:
            costs = [min(found) for found in taken[name][collector]]  # of the least disturbed round
            note = ", ".join(f"{cost:.0f}" for cost in costs) + " ns at " + ", ".join(f"{size:,}" for size in sizes)
            bar = 1.5 if collector == "off" else None
            yield Figure(group, f"{name}: highest / lowest", max(costs) / min(costs), "x", bar=bar, note=note)


def imports(quick: bool) -> Iterator[Figure]:
    """The time of `import autograd`, beside that of three modules of the standard library, each in a new process."""
    statements = {"autograd": "import autograd", "standard": "import math, typing, functools"}
    taken: dict[str, list[float]] = {name: [] for name in statements}
    with TemporaryDirectory() as compiled:  # as an installed package has it, and nothing is left in the folder
        environment = {name: x for name, x in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = compiled
        for turn in range(-1, 15 if quick else 41):
            for name, statement in statements.items():
                start = perf_counter()
                fresh("-c", statement, environment=environment)
                if turn >= 0:  # the first writes the compiled files
                    taken[name].append((perf_counter() - start) * 1e3)
    for name, statement in statements.items():
        yield figure("import", f'python -c "{statement}"', taken[name], "ms")
    yield Figure("import", "ratio", median(taken["autograd"]) / median(taken["standard"]), "x", bar=1.5)
    loaded = fresh("-c", "import sys, autograd; print([m for m in ('numpy', 'graphviz') if m in sys.modules])").strip()
    yield Figure("import", "numpy and graphviz imported", loaded.count("'") / 2, bar=0.0)


def second_order(quick: bool) -> Iterator[Figure]:
    """A Hessian-vector product costs two sweeps however many numbers there are."""
    group, sizes = "hvp: time over that of a gradient", [10, 100, 1_000]
    if not find_spec("autograd.functional"):
        yield Figure(group, "hvp", None, note="autograd.functional is not there")
        return
    ratios = measure("second_order", sizes=sizes, rounds=3 if quick else 7)
    for n, found in zip(sizes, ratios, strict=True):
        yield figure(group, f"n = {n:,}", found, "x")
    medians = [median(found) for found in ratios]
    yield Figure(group, "highest / lowest", max(medians) / min(medians), "x", bar=1.5)


def drawing(quick: bool) -> Iterator[Figure]:
    """Large graphs are laid out in under a second, and larger ones refused at once."""
    for name, found in measure("drawing", rounds=2 if quick else 7).items():
        yield figure("drawing", name, found, "s", bar=1.0)


def training(quick: bool) -> Iterator[Figure]:
    """Steps of training beside the peers; their memory; what the main job and a small net learn."""
    networks = {"moons": "2-16-16-1, hinge, 100 examples", "digits": "64-16-10, cross-entropy, 32 examples"}
    for task, network in networks.items():
        for collector in (True,) if quick else (True, False):
            group = f"training: {task}, {network}, collector {'on' if collector else 'off'}"
            yield from steps_of_training(group, task, collector, quick)
    yield from memory_of_training(quick)
    yield from what_is_learnt(quick)


def steps_of_training(group: str, task: str, collector: bool, quick: bool) -> Iterator[Figure]:
    """Example by example, as `fit` goes; moons also as micrograd's demo goes, in one graph of all examples."""
    ours, graphs = ["MLP", "Sequential"], ["", ", one graph"] if task == "moons" and not quick else [""]
    ways = [f"{way}{graph}" for way in ours for graph in graphs]
    if micrograd := find_spec("micrograd"):
        ways += [f"micrograd{graph}" for graph in graphs]
    if torch := find_spec("torch"):
        ways += ["PyTorch", "PyTorch, batched"]
    processes, rounds = (1, 2) if quick else (3, 2)
    runs = [measure("training", task=task, collector=collector, rounds=rounds, ways=ways) for _ in range(processes)]

    def times_as_fast(fast: str, slow: str, graph: str = "") -> Figure:
        pairs = [zip(run[slow + graph], run[fast + graph], strict=True) for run in runs]
        ratios = [median(x / y for x, y in pair) for pair in pairs]
        return figure(group, f"{fast}: times as fast as {slow}{graph}", ratios, "x")

    for way in ways:
        yield figure(group, f"{way}: time per step", [median(run[way]) for run in runs], "ms")
    if micrograd:
        yield from (times_as_fast(way, "micrograd", graph) for way in ours for graph in graphs)
    else:
        yield Figure(group, "times as fast as micrograd", None, note="not installed: pip install '.[bench]'")
    if torch:
        yield from (times_as_fast(peer, way) for peer in ("PyTorch", "PyTorch, batched") for way in ours)
    else:
        yield Figure(group, "PyTorch: times as fast", None, note="not installed: pip install '.[peers]'")


def memory_of_training(quick: bool) -> Iterator[Figure]:
    """What a step takes, and that nothing is left of ten thousand."""
    group = "training: memory of a step, moons"
    for way in ("MLP", "Sequential") if quick else ("MLP", "MLP, one graph", "Sequential", "Sequential, one graph"):
        for traced, how in ((True, "allocated"), (False, "resident")):
            found = measure("step_memory", task="moons", way=way, traced=traced)
            if found is None:
                yield Figure(group, f"{way}: {how}", None, note="this system does not tell")
            else:
                most, left = (size / 1e3 for size in found)
                yield Figure(group, f"{way}: {how}, at most", most, "kB", note=f"{left:.0f} kB left after it")
    steps = [1_000, 10_000]  # 200 kB between them would be less than a float a step
    for collector in (True, False):
        group = f"training: 10,000 steps, collector {'on' if collector else 'off'}"
        found = measure("training_growth", steps=steps, collector=collector)
        name = "growth of resident memory since step 1,000"
        if None in found["resident"]:
            yield Figure(group, name, None, note="this system does not tell")
        else:
            first, last = found["resident"]
            grown = max(last - first, 0.0) / 1e3
            yield Figure(group, name, grown, "kB", bar=200.0, note=f"{last / 1e6:.1f} MB in all")
        yield Figure(group, "objects left to the collector", found["found"], bar=0.0)


def what_is_learnt(quick: bool) -> Iterator[Figure]:
    """The main job on digits that were held out; moons, of several seeds the worst."""
    group = "training: what is learnt"
    with TemporaryDirectory() as folder:
        command = ["-m", "nn", "demo", "--output", str(Path(folder) / "report.html"), *["--quick"] * quick]
        start = perf_counter()
        printed = fresh(*command)
        taken = f"python -m nn demo{' --quick' * quick}, {perf_counter() - start:.0f} s"
    accuracy = float(re.findall(r"Held-out accuracy: ([\d.]+) ?%", printed)[0])
    bar = None if quick else 95.0  # a tenth of the examples is not enough to ask it
    yield Figure(group, "accuracy on held-out digits", accuracy, "%", bar=bar, at_least=True, note=taken)
    seeds, epochs = list(range(2 if quick else 10)), 30
    shares = measure("boundaries", seeds=seeds, examples=200, epochs=epochs)
    note = f"the worst of {len(seeds)} seeds; median {median(shares):.1%}"
    name = "moons: training points on their side"
    yield Figure(group, name, min(shares) * 100, "%", bar=99.0, at_least=True, note=note)


NEEDS = {
    "replay, JAX": ("jax", "jax"),
    "hand-written JAX": ("jax", "jax"),
    "micrograd": ("micrograd", "bench"),
    "PyTorch": ("torch", "peers"),
    "CasADi": ("casadi", "peers"),
}  # way -> the module that it needs, and the extra that has it

NUMPY, JAX = "replay, NumPy", "replay, JAX"
REPLAY_TASKS: dict[str, tuple[str, list[str]]] = {
    "moons": ("2-16-16-1, 100 lanes", [NUMPY, JAX, "PyTorch", "hand-written NumPy", "hand-written JAX", "micrograd"]),
    "digits": ("784-30-10, 10 lanes", [NUMPY, JAX, "PyTorch", "hand-written NumPy", "hand-written JAX"]),
    "GPT": ("9 positions, Adam", [NUMPY, JAX, "PyTorch", "hand-written JAX", "CasADi", "eager Values"]),
}
REPLAY_BARS: dict[str, list[tuple[str, str, float | None, float | None]]] = {  # ours, theirs, at least, aim
    "moons": [
        (NUMPY, "micrograd, collector on", 10_000.0, None),
        (NUMPY, "micrograd, collector off", 1_000.0, None),
        (NUMPY, "PyTorch", 7.0, None),
        (NUMPY, "hand-written NumPy", 1.0, None),
        (JAX, "hand-written JAX", 1.0, None),
    ],
    "digits": [
        (NUMPY, "PyTorch", 2.7, None),
        (NUMPY, "hand-written NumPy", 0.55, 0.8),
        (NUMPY, "hand-written JAX", None, None),
        (JAX, "hand-written JAX", None, None),
    ],
    "GPT": [
        (NUMPY, "eager Values, collector on", None, None),
        (NUMPY, "eager Values, collector off", 50.0, None),
        (NUMPY, "PyTorch", 1.0, None),
        (NUMPY, "CasADi", None, None),
        (JAX, "PyTorch", 2.5, None),
        (JAX, "CasADi", None, None),
        (JAX, "hand-written JAX", None, None),
    ],
}


def present(ways: Iterable[str]) -> list[str]:
    return [way for way in ways if way not in NEEDS or find_spec(NEEDS[way][0])]


def replay(quick: bool) -> Iterator[Figure]:
    """Steps of training by replay, beside eager Values and the peers; what recording costs; curves."""
    for task, (network, ways) in REPLAY_TASKS.items():
        group = f"replay: {task}, {network}"
        here, (processes, rounds) = present(ways), (1, 5) if quick else (3, 9)
        runs = [measure("replay_steps", task=task, ways=here, rounds=rounds) for _ in range(processes)]
        for way in runs[0]:
            yield figure(group, f"{way}: time per step", [median(run[way]) * 1e3 for run in runs], "us")
        for ours, theirs, bar, aim in REPLAY_BARS[task]:
            if ours in runs[0] and theirs in runs[0]:
                pairs = [zip(run[theirs], run[ours], strict=True) for run in runs]
                ratios = [median(x / y for x, y in pair) for pair in pairs]
                yield figure(group, f"{ours}: times as fast as {theirs}", ratios, "x", bar=bar, at_least=True, aim=aim)
        for way in ways:
            if way not in here:
                yield Figure(group, way, None, note=f"not installed: pip install '.[{NEEDS[way][1]}]'")
    for task in REPLAY_TASKS:
        for collector in (True,) if quick else (True, False):
            run = measure("replay_recording", task=task, collector=collector, rounds=3 if quick else 9)
            ratios = [x / y for x, y in zip(run["record + plan"], run["eager"], strict=True)]
            note = f"{median(run['record + plan']):.1f} ms against {median(run['eager']):.1f}"
            name = f"{task}, collector {'on' if collector else 'off'}"
            yield figure(
                "replay: record + plan, over eager forward and backward", name, ratios, "x", bar=3.0, note=note
            )
    for task in REPLAY_TASKS if present([JAX]) else ():
        found = measure("replay_compiled", task=task)
        note = f"{found['levels']:,.0f} levels, {found['operations']:,.0f} operations"
        yield Figure("replay: time until JAX has compiled a plan", task, found["seconds"], "s", note=note)
    yield from curves_of_replay(quick)


def curves_of_replay(quick: bool) -> Iterator[Figure]:
    """Time against lanes, and against nodes, in the least disturbed round; `--plots` draws them."""

    def point(name: str, found: Sequence[float], unit: str, series: str, at: int) -> Figure:
        return Figure(group, f"{name}: {series}", min(found), unit, min(found), max(found), series=series, at=float(at))

    group = "replay: a step of moons against lanes"
    ways = present(way for way in REPLAY_TASKS["moons"][1] if way != "micrograd")
    for lanes in (1, 100) if quick else (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000):
        run = measure("replay_steps", task="moons", ways=ways, rounds=3, examples=lanes)
        for way, found in run.items():
            yield point(f"{lanes:,} lane{'s' * (lanes > 1)}", [x * 1e3 for x in found], "us", way, lanes)
    group = "replay: a graph of the mix against nodes"
    for size in (100, 10_000) if quick else (100, 1_000, 10_000, 100_000, 1_000_000):
        lanes_here = [1, 100] if size <= 100_000 else [1]  # 100 lanes of a million would take gigabytes
        run = measure("replay_nodes", operations=size, lanes=lanes_here, rounds=3)
        for series, found in run.items():
            yield point(f"{size:,} operations", found, "ms", series, size)


GROUPS: dict[str, Callable[[bool], Iterable[Figure]]] = {
    "speed": speed,
    "memory": memory,
    "depth": depth,
    "growth": growth,
    "import": imports,
    "hvp": second_order,
    "drawing": drawing,
    "training": training,
    "replay": replay,
}

# ---- the table -----------------------------------------------------------------------------------------------------


def machine() -> dict[str, Any]:
    """Where the figures come from."""
    peers: dict[str, str | None] = {}
    for name in ("numpy", "micrograd", "torch", "jax", "casadi"):
        try:
            peers[name] = version(name)
        except PackageNotFoundError:
            peers[name] = None
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        **peers,
    }


def number(x: float) -> str:
    return f"{x:.{2 if abs(x) < 20 else 1 if abs(x) < 100 else 0}f}"


def line(found: Figure) -> str:
    """`name  value unit  (low-high)  at least 8, aim 11: met`"""
    if found.value is None:
        return f"  {found.name:<58}        -        {found.note}"
    spread = (
        ""
        if found.low is None or found.high is None or found.low == found.high
        else f"{number(found.low)} - {number(found.high)}"
    )
    verdict = found.note
    if found.bar is not None:
        bar = f"{'at least' if found.at_least else 'at most'} {found.bar:g}" + (
            f", aim {found.aim:g}" if found.aim else ""
        )
        verdict = f"{bar}: {'met' if found.met else 'NOT MET'}" + (f" ({found.note})" if found.note else "")
    return f"  {found.name:<58} {number(found.value):>8} {found.unit:<5} {spread:<15} {verdict}".rstrip()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the engine beside its peers.")
    parser.add_argument("--quick", action="store_true", help="about four minutes: fewer rounds and processes")
    parser.add_argument("--only", choices=GROUPS, action="append", help="this group of figures (may be repeated)")
    parser.add_argument("--json", metavar="FILE", help="write the figures to a file, too")
    parser.add_argument("--plots", metavar="DIR", help="draw the curves of `replay` as PNG, with matplotlib")
    parser.add_argument("--check", action="store_true", help="exit with status 1 if a bar is not met")
    options = parser.parse_args(arguments)

    facts, figures = machine(), []
    print(", ".join(f"{name} {fact}" for name, fact in facts.items()))
    for name in options.only or GROUPS:
        heading = ""
        for found in GROUPS[name](options.quick):
            if found.group != heading:
                heading = found.group
                print(f"\n{heading}")
            print(line(found), flush=True)
            figures.append(found)
    missed = [found for found in figures if found.met is False]
    print(f"\n{sum(found.met is True for found in figures)} bars met, {len(missed)} not met")
    if options.json:
        table = [asdict(found) | {"met": found.met} for found in figures]
        report = {"machine": facts, "quick": options.quick, "figures": table}
        Path(options.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if options.plots:
        from .pictures import curves

        for file in curves([asdict(found) for found in figures], Path(options.plots)):
            print(file)
    return int(options.check and bool(missed))


if __name__ == "__main__":
    sys.exit(main())
