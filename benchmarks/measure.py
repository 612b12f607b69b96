"""The measurements, each in a process of its own: `python -m benchmarks.measure NAME JSON` prints its numbers as JSON."""

from __future__ import annotations

import gc
import json
import math
import sys
import threading
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from itertools import pairwise
from time import perf_counter
from typing import Any

from .workloads import SHAPES, WORKLOADS

ENGINES = {"autograd": "autograd", "stored": "benchmarks.stored", "micrograd": "micrograd.engine"}
NANO, MEGA = 1e9, 1e6


def value_class(engine: str) -> type[Any]:
    return import_module(ENGINES[engine]).Value  # type: ignore[no-any-return]


def seconds(work: Callable[[], object], collector: bool) -> float:
    """How long one call takes from a clean start: what others left is collected first, off the clock."""
    gc.collect()
    if not collector:
        gc.disable()
    try:
        start = perf_counter()
        work()
        return perf_counter() - start
    finally:
        gc.enable()


# ---- speed ---------------------------------------------------------------------------------------------------------


def eager(workload: str, collector: bool, rounds: int, engines: list[str]) -> dict[str, list[float]]:
    """Nanoseconds per operation of forward, backward and free, by engine, for each round; the engines take turns."""
    built = {engine: WORKLOADS[workload](value_class(engine)) for engine in engines}
    for engine, graph in built.items():  # warms up, and shows that all compute the same
        graph.step()
        for leaf, reference in zip(graph.leaves, built[engines[0]].leaves, strict=True):
            if not math.isclose(leaf.grad, reference.grad, rel_tol=1e-9, abs_tol=1e-9):
                raise AssertionError(
                    f"{workload}: {engine} finds a gradient {leaf.grad}, {engines[0]} {reference.grad}"
                )
    taken: dict[str, list[float]] = {engine: [] for engine in engines}
    for turn in range(rounds):
        first = turn % len(engines)
        for engine in engines[first:] + engines[:first]:
            graph = built[engine]
            taken[engine].append(seconds(graph.step, collector) / graph.operations * NANO)
    return taken


# ---- memory --------------------------------------------------------------------------------------------------------


def resident() -> float | None:
    """Bytes of memory that this process holds now; None where the system does not tell."""
    try:
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[1])
    except OSError:
        return None
    from resource import getpagesize

    return pages * getpagesize()


def peak_resident() -> float:
    """The most bytes that this process ever held."""
    from resource import RUSAGE_SELF, getrusage

    return getrusage(RUSAGE_SELF).ru_maxrss * (1.0 if sys.platform == "darwin" else 1024.0)


def memory(workload: str, size: int, traced: bool) -> list[float] | None:
    """Bytes per operation of a graph: after forward, after backward."""
    graph = WORKLOADS[workload](value_class("autograd"), size)
    warm_up = WORKLOADS[workload](value_class("autograd"), 10)
    warm_up.step()
    gc.collect()
    if traced:
        tracemalloc.start()

    def held() -> float | None:
        return tracemalloc.get_traced_memory()[0] if traced else resident()

    before = held()
    root = graph.forward()
    forward = held()
    root.backward()
    gc.collect()
    backward = held()
    if before is None or forward is None or backward is None:
        return None
    return [(forward - before) / graph.operations, (backward - before) / graph.operations]


# ---- depth and size ------------------------------------------------------------------------------------------------


def shape(name: str, size: int) -> dict[str, float]:
    """Build, sweep and free one big graph at the default recursion limit: the time per operation, the peak of memory."""
    value = value_class("autograd")

    def work() -> None:
        root, leaf, expected = SHAPES[name](value, size)
        root.backward()
        if leaf.grad != expected:
            raise AssertionError(f"{name} of {size}: the gradient is {leaf.grad}, not {expected}")

    taken = seconds(work, collector=True)
    return {"ns": taken / size * NANO, "peak MB": peak_resident() / MEGA, "recursion limit": sys.getrecursionlimit()}


def growth(name: str, sizes: list[int], operations: int, rounds: int) -> dict[str, list[list[float]]]:
    """Nanoseconds per operation at each size, for each round, with the collector off and on.

    A small graph is built again and again until as many operations are done as `operations` says.
    """
    value = value_class("autograd")

    def work(size: int) -> None:
        for _ in range(max(1, operations // size)):
            SHAPES[name](value, size)[0].backward()

    work(sizes[0])
    taken: dict[str, list[list[float]]] = {"off": [[] for _ in sizes], "on": [[] for _ in sizes]}
    for _ in range(rounds):
        for collector, by_size in taken.items():
            for size, found in zip(sizes, by_size, strict=True):
                done = max(1, operations // size) * size
                found.append(seconds(partial(work, size), collector == "on") / done * NANO)
    return taken


# ---- second order --------------------------------------------------------------------------------------------------


def second_order(sizes: list[int], rounds: int) -> list[list[float]]:
    """Time of a Hessian-vector product over the time of a gradient, of Rosenbrock's function of n numbers, by round."""
    from autograd import functional

    def rosenbrock(xs: list[Any]) -> Any:
        total = 0.0
        for x, y in pairwise(xs):
            total = total + 100.0 * (y - x * x) ** 2 + (1.0 - x) ** 2
        return total

    gradient, product = functional.grad(rosenbrock), functional.hvp(rosenbrock)
    ratios: list[list[float]] = []
    for n in sizes:
        at, vector, repeats = [0.1 + i % 7 / 7 for i in range(n)], [1.0 - i % 3 for i in range(n)], max(1, 5_000 // n)

        def gradients(at: list[float] = at, repeats: int = repeats) -> None:
            for _ in range(repeats):
                gradient(at)

        def products(at: list[float] = at, vector: list[float] = vector, repeats: int = repeats) -> None:
            for _ in range(repeats):
                product(at, vector)

        gradients(repeats=1)
        products(repeats=1)
        ratios.append([seconds(products, collector=False) / seconds(gradients, collector=False) for _ in range(rounds)])
    return ratios


# ---- drawing -------------------------------------------------------------------------------------------------------


def drawing(rounds: int) -> dict[str, list[float]]:
    """Seconds to refuse a million nodes, and to draw, fold and play two examples through an MLP 2-16-16-1."""
    from autograd import Value, draw, play, topological_sort
    from nn import MLP

    model = MLP(2, [16, 16, 1])
    loss = sum((model([float(x), 1.0]) - 1.0) ** 2 for x in range(2))
    million = leaf = Value(0.5)
    for _ in range(1_000_000):
        million = million + leaf

    def refused() -> None:
        with suppress(ValueError):
            draw(million)

    nodes = len(topological_sort(loss))
    works: dict[str, Callable[[], object]] = {
        f"{nodes:,} nodes as SVG, our layout": lambda: draw(loss, fold="atomic", engine="layered").svg,
        f"{nodes:,} nodes as a player": lambda: play(loss, fold="atomic").html,
        "the same, folded as draw chooses": lambda: draw(loss, engine="layered").svg,
        "a million nodes refused": refused,
    }
    return {name: [seconds(work, collector=True) for _ in range(rounds)] for name, work in works.items()}


# ---- training ------------------------------------------------------------------------------------------------------


Steps = dict[str, Callable[[], float]]


def training(task: str, collector: bool, rounds: int, ways: list[str]) -> dict[str, list[float]]:
    """Milliseconds per step, by way, for each round; the ways take turns, after two steps with the same losses."""
    from .training import TASKS, WAYS

    steps = {way: WAYS[way](TASKS[task]()) for way in ways}
    take_the_same_steps(task, steps, 2)
    return in_turns({way: (step, collector) for way, step in steps.items()}, rounds)


def take_the_same_steps(task: str, steps: Steps, count: int) -> None:
    """Raises AssertionError if the losses differ; those after the first show that the steps before were the same."""
    for _ in range(count):
        losses = {way: step() for way, step in steps.items()}
        first = next(iter(losses))
        for way, loss in losses.items():
            if not math.isclose(loss, losses[first], rel_tol=1e-9):
                raise AssertionError(f"{task}: {way} has the loss {loss}, {first} {losses[first]}")


def in_turns(works: dict[str, tuple[Callable[[], object], bool]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each work, by name, for each round; beside a work stands whether the collector is on."""

    def repeated(work: Callable[[], object], times: int) -> None:
        for _ in range(times):
            work()

    names = list(works)
    taken: dict[str, list[float]] = {name: [] for name in names}
    times: dict[str, int] = {}
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            work, collector = works[name]
            if name not in times:  # so many that a measurement takes a twentieth of a second
                times[name] = 1 if "micrograd" in name else math.ceil(0.05 / seconds(work, collector))
            taken[name].append(seconds(partial(repeated, work, times[name]), collector) / times[name] * 1e3)
    return taken


def step_memory(task: str, way: str, traced: bool) -> list[float] | None:
    """Bytes of a step of training: the most beyond what there was before it, and what is left.

    Traced: what was allocated, in the second step, when the leaves have gradients. Else what the system counts as the
    process's, in the first step, since the second has the room that it freed.
    """
    from .training import TASKS, WAYS

    step = WAYS[way](TASKS[task]())
    if traced:
        tracemalloc.start()
        step()
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        step()
        gc.collect()  # empties Python's lists of free objects, as above
        after, peak = tracemalloc.get_traced_memory()
        return [peak - before, after - before]
    gc.collect()
    before, highest = resident(), peak_resident()
    step()
    after = resident()
    if before is None or after is None:
        return None
    return [max(peak_resident() - highest, after - before, 0.0), after - before]


def training_growth(steps: list[int], collector: bool) -> dict[str, Any]:
    """Bytes of resident memory after so many steps of a small net, and how many objects the collector found on the way."""
    from .training import small

    step, held = small(), []
    gc.collect()
    found = sum(generation["collected"] for generation in gc.get_stats())
    if not collector:
        gc.disable()
    for done in range(1, max(steps) + 1):
        step()
        if done in steps:
            held.append(resident())
    gc.collect()
    found = sum(generation["collected"] for generation in gc.get_stats()) - found
    return {"resident": held, "found": found}


def boundaries(seeds: list[int], examples: int, epochs: int) -> list[float]:
    """The share of training points on their side of the boundary, for each seed."""
    from .training import boundary

    return [boundary(seed, examples, epochs) for seed in seeds]


# ---- replay --------------------------------------------------------------------------------------------------------


def graph_to_record(task: str) -> Any:
    """One example of a task: `inputs` and perhaps `bound` leaves, `build()` for its loss, `recorded()` for its plan."""
    from . import gpt, perceptrons

    if task == "GPT":
        return gpt.Sentence(gpt.Gpt(), 9)
    return perceptrons.Example(perceptrons.moons() if task == "moons" else perceptrons.digits())


def replay_steps(task: str, ways: list[str], rounds: int, examples: int = 100) -> dict[str, list[float]]:
    """As `training`, after three steps with the same losses; eager graphs with the collector on, and off."""
    from . import gpt_steps, perceptrons

    if task == "GPT":
        names = gpt_steps.eight_letters()
        steps = {way: gpt_steps.WAYS[way](names) for way in ways}
    else:
        of = perceptrons.moons(examples) if task == "moons" else perceptrons.digits()
        steps = {way: perceptrons.WAYS[way](of) for way in ways}
    take_the_same_steps(task, steps, 3)
    works: dict[str, tuple[Callable[[], object], bool]] = {}
    for way, step in steps.items():
        if way in ("micrograd", "eager Values"):
            works |= {f"{way}, collector on": (step, True), f"{way}, collector off": (step, False)}
        else:
            works[way] = (step, True)
    return in_turns(works, rounds)


def replay_recording(task: str, collector: bool, rounds: int) -> dict[str, list[float]]:
    """Milliseconds to record one example and plan its replay, and of an eager forward and backward of the same graph."""
    graph = graph_to_record(task)
    works = {"record + plan": (graph.recorded, collector), "eager": (lambda: graph.build().backward(), collector)}
    return in_turns(works, rounds)


def replay_nodes(operations: int, lanes: list[int], rounds: int) -> dict[str, list[float]]:
    """Milliseconds for a graph of the workload `mix`: eager, recording and planning it, and replaying it."""
    import numpy as np

    import autograd

    graph = WORKLOADS["mix"](autograd.Value, operations // 20)
    root = graph.forward()
    reached = set(autograd.topological_sort(root))
    leaves = [leaf for leaf in graph.leaves if leaf in reached]
    inputs, parameters = leaves[::3], [leaf for i, leaf in enumerate(leaves) if i % 3]

    def recorded() -> Any:
        with autograd.record():
            root = graph.forward()
        return autograd.replay(root, inputs, parameters)

    plan, draw = recorded(), np.random.default_rng(5)
    columns = {count: draw.uniform(0.5, 2.0, (count, len(inputs))) for count in lanes}
    graph.step()
    found = plan([[leaf.data for leaf in inputs]]).gradients
    for leaf, gradient in zip(parameters, found, strict=True):
        if not math.isclose(leaf.grad, gradient, rel_tol=1e-9, abs_tol=1e-9):
            raise AssertionError(f"{operations} operations: replay finds a gradient {gradient}, eager {leaf.grad}")
    works: dict[str, tuple[Callable[[], object], bool]] = {
        "eager, forward and backward": (graph.step, True),
        "record + plan": (recorded, True),
    }
    for count, numbers in columns.items():
        works[f"replay, {count} lane{'s' * (count > 1)}"] = (partial(plan, numbers), True)
    return in_turns(works, rounds)


def replay_compiled(task: str) -> dict[str, float]:
    """Seconds until JAX has compiled a plan, for one lane, and how many levels and operations it has."""
    import numpy as np

    import autograd

    from .perceptrons import float64_jax

    jax = float64_jax()
    jax.jit(lambda x: x + 1)(1.0).block_until_ready()  # starts JAX
    graph = graph_to_record(task)
    plan, bound = graph.recorded(), getattr(graph, "bound", [])
    given = [plan.parameters, np.zeros((1, len(graph.inputs))), *([np.zeros((1, len(bound)), int)] if bound else [])]
    compiled = partial(lambda: jax.jit(plan.to_jax(bind=bound)).lower(*given).compile())
    operations = sum(node.rule is not None for node in autograd.topological_sort(graph.build()))
    levels = max(step.level for step in plan.steps.steps)
    return {"seconds": seconds(compiled, collector=True), "levels": levels, "operations": operations}


# ---- a process's work ----------------------------------------------------------------------------------------------


MEASUREMENTS: dict[str, Callable[..., Any]] = {
    "eager": eager,
    "memory": memory,
    "shape": shape,
    "growth": growth,
    "second_order": second_order,
    "drawing": drawing,
    "training": training,
    "step_memory": step_memory,
    "training_growth": training_growth,
    "boundaries": boundaries,
    "replay_steps": replay_steps,
    "replay_recording": replay_recording,
    "replay_nodes": replay_nodes,
    "replay_compiled": replay_compiled,
}


def in_deep_stack(work: Callable[[], Any]) -> Any:
    """Run `work` where recursion may go deep, as micrograd's sort does. Raises what it raises."""
    found: list[Any] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:
            failed.append(error)

    limit = sys.getrecursionlimit()
    threading.stack_size(512 * 1024 * 1024)
    sys.setrecursionlimit(1_000_000)
    try:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(0)
        sys.setrecursionlimit(limit)
    if failed:
        raise failed[0]
    return found[0]


def main() -> None:
    name, arguments = sys.argv[1], json.loads(sys.argv[2])
    work = partial(MEASUREMENTS[name], **arguments)
    print(json.dumps(in_deep_stack(work) if name in ("eager", "training", "replay_steps") else work()))


if __name__ == "__main__":
    main()
