"""`autograd.replay`: what a plan takes and gives, calls again and again, lanes written back, inputs bound, depth and size.

Right is what the engine gives for the same function, built anew for each lane (`replaying.py`).
"""

from __future__ import annotations

import gc
import random
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from replaying import Array, as_list, check, check_result, close, eager, leaves_of, record, same, total, weighted

import autograd
from autograd import Constant, Value, topological_sort

COLUMNS = np.array([[1.0, -2.0], [0.5, 3.0], [-1.5, 0.25], [2.0, 0.0]])
WEIGHTS = [0.7, -0.4, 0.2]


def neuron(xs: list[Value], ps: list[Value]) -> Value:
    """tanh(w . x + b), and what the leaves do besides."""
    (x, y), (w, v, b) = xs, ps
    return (w * x + v * y + b).tanh() * w + x / (y * y + 1)


def two_outputs(xs: list[Value], ps: list[Value]) -> list[Value]:
    (x, y), (w, v, b) = xs, ps
    hidden = (w * x + b).sigmoid()
    return [hidden * v - y, hidden]


def plan_of(build: Callable[..., Any] = neuron, at: Sequence[float] = (0.3, -0.6)) -> tuple[Any, Any, Any, Any]:
    """A plan, its output or outputs, inputs and parameters."""
    output, xs, ps = record(build, at, WEIGHTS)
    return autograd.replay(output, xs, ps), output, xs, ps


# ---- what is given and what comes back -------------------------------------------------------------------------------


def test_a_plan_gives_values_and_gradients_of_every_lane() -> None:
    check(neuron, COLUMNS, WEIGHTS)
    check(two_outputs, COLUMNS, WEIGHTS)


def test_numbers_by_hand() -> None:
    """f = w x^2 + b: df/dw = x^2, df/db = 1, df/dx = 2 w x."""
    x, w, b = Value(1.0), Value(3.0), Value(0.5)
    plan = autograd.replay(w * x**2 + b, [x], [w, b])
    result = plan([[1.0], [2.0], [-3.0]], lane_gradients=True, input_gradients=True)
    same(result.values, [3.5, 12.5, 27.5])
    same(result.gradients, [14.0, 3.0])
    same(result.lane_gradients, [[1.0, 1.0], [4.0, 1.0], [9.0, 1.0]])
    same(result.input_gradients, [[6.0], [12.0], [-18.0]])
    mean = plan([[1.0], [2.0], [-3.0]], reduce="mean", lane_gradients=True, input_gradients=True)
    same(mean.values, [3.5, 12.5, 27.5])
    np.testing.assert_allclose(mean.gradients, [14 / 3, 1.0], rtol=1e-15)
    np.testing.assert_allclose(mean.input_gradients, [[2.0], [4.0], [-6.0]], rtol=1e-15)
    np.testing.assert_allclose(mean.lane_gradients, [[1 / 3, 1 / 3], [4 / 3, 1 / 3], [3.0, 1 / 3]], rtol=1e-15)


def test_what_is_not_asked_for_is_none() -> None:
    plan, *_ = plan_of()
    result = plan(COLUMNS)
    assert result.lane_gradients is None and result.input_gradients is None
    assert plan(COLUMNS, lane_gradients=True).input_gradients is None
    assert plan(COLUMNS, input_gradients=True).lane_gradients is None


def test_shapes_of_one_output_and_of_a_sequence_of_one() -> None:
    for outputs, shape in ((lambda y: y, (4,)), (lambda y: [y], (1, 4)), (lambda y: (y, y), (2, 4))):
        y, xs, ps = record(neuron, (0.1, 0.2), WEIGHTS)
        result = autograd.replay(outputs(y), xs, ps)(COLUMNS, lane_gradients=True, input_gradients=True)
        assert result.values.shape == shape
        assert result.gradients.shape == (3,)
        assert result.lane_gradients.shape == (4, 3)
        assert result.input_gradients.shape == (4, 2)


def test_outputs_inputs_and_parameters_may_be_any_sequences() -> None:
    right = plan_of(two_outputs)[0](COLUMNS)
    outputs, xs, ps = record(two_outputs, (0.1, 0.2), WEIGHTS)
    for sequence in (tuple, lambda xs: np.array(xs, dtype=object), lambda xs: dict.fromkeys(xs), iter):
        result = autograd.replay(sequence(outputs), sequence(xs), sequence(ps))(COLUMNS)
        same(result.values, right.values)
        same(result.gradients, right.gradients)


class Frame:
    """What is not an array, but says how to become one, as a data frame does."""

    def __init__(self, array: Array) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.array.astype(dtype or float)

    def to_numpy(self) -> Any:
        return self.array


WHOLE = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])


@pytest.mark.parametrize(
    "given",
    [
        COLUMNS.tolist(),
        tuple(map(tuple, COLUMNS)),
        list(COLUMNS),
        np.asfortranarray(COLUMNS),
        np.repeat(np.repeat(COLUMNS, 2, axis=0), 3, axis=1)[::2, ::3],
        COLUMNS[::-1][::-1],
        COLUMNS.T.copy().T,
        COLUMNS.astype(">f8"),
        COLUMNS.astype(np.longdouble),
        COLUMNS.astype(np.float32),
        COLUMNS.astype(np.float16),
        COLUMNS.astype(object),
        Frame(COLUMNS),
        np.ma.masked_array(COLUMNS),
    ],
    ids=lambda x: f"{type(x).__name__} {getattr(x, 'dtype', '')}",
)
def test_columns_of_every_kind(given: Any) -> None:
    """Numbers that all of these hold exactly."""
    plan, *_ = plan_of()
    right = plan(COLUMNS, lane_gradients=True, input_gradients=True)
    result = plan(given, lane_gradients=True, input_gradients=True)
    for name in ("values", "gradients", "lane_gradients", "input_gradients"):
        same(getattr(result, name), getattr(right, name))
        assert getattr(result, name).dtype == np.float64


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.int64, np.uint64, ">i4"])
def test_whole_numbers_and_truths_are_numbers(dtype: Any) -> None:
    plan, *_ = plan_of()
    same(plan(WHOLE.astype(dtype)).values, plan(WHOLE.astype(float)).values)
    same(plan(WHOLE.astype(dtype).tolist()).values, plan(WHOLE.astype(float)).values)


def test_columns_are_neither_changed_nor_kept() -> None:
    plan, _, xs, _ = plan_of()
    columns, upstream = COLUMNS.copy(), np.arange(4.0)
    columns.setflags(write=False)
    upstream.setflags(write=False)
    plan(columns, upstream=upstream)
    same(columns, COLUMNS)
    columns.setflags(write=True)
    plan(columns)
    columns[:] = 99.0  # the plan has its own
    plan.write_back(1)
    assert [x.data for x in xs] == COLUMNS[1].tolist()


def test_one_input_takes_a_row_of_numbers() -> None:
    x, w = Value(1.0), Value(2.0)
    plan = autograd.replay(x * x * w, [x], [w])
    for columns in ([1.0, 2.0, 3.0], np.array([1.0, 2.0, 3.0]), [[1.0], [2.0], [3.0]]):
        result = plan(columns, input_gradients=True)
        same(result.values, [2.0, 8.0, 18.0])
        same(result.gradients, [14.0])
        same(result.input_gradients, [[4.0], [8.0], [12.0]])


@pytest.mark.parametrize("lanes", [1, 2, 1000, 20_000])
def test_many_lanes_are_what_few_are(lanes: int) -> None:
    """Whatever is cut into blocks for speed: the values are those of the lanes in small parts, the gradients their sums."""
    plan, *_ = plan_of(two_outputs)
    columns = np.random.default_rng(0).normal(size=(lanes, 2))
    upstream = np.random.default_rng(1).normal(size=(2, lanes))
    whole = plan(columns, upstream=upstream, lane_gradients=True, input_gradients=True)
    cuts = [slice(start, start + 250) for start in range(0, lanes, 250)]
    parts = [plan(columns[cut], upstream=upstream[:, cut], lane_gradients=True, input_gradients=True) for cut in cuts]
    np.testing.assert_allclose(whole.values, np.hstack([part.values for part in parts]), rtol=1e-14)
    for name in ("lane_gradients", "input_gradients"):
        np.testing.assert_allclose(
            getattr(whole, name), np.vstack([getattr(part, name) for part in parts]), rtol=1e-13, atol=1e-14
        )
    sums = np.sum([part.gradients for part in parts], axis=0)
    np.testing.assert_allclose(whole.gradients, sums, rtol=0, atol=1e-12 * lanes)
    np.testing.assert_allclose(whole.gradients, whole.lane_gradients.sum(axis=0), rtol=0, atol=1e-13 * lanes)
    check_result(parts[0], eager(two_outputs, columns[:250], WEIGHTS, upstream[:, :250]), single=False)


def test_no_inputs() -> None:
    w = Value(3.0)
    plan = autograd.replay(w * w, [], [w])
    for columns in ((), (None,)):
        result = plan(*columns, lane_gradients=True, input_gradients=True)
        same(result.values, [9.0])
        same(result.gradients, [6.0])
        assert result.input_gradients.shape == (1, 0)
    same(plan(np.zeros((4, 0))).values, [9.0] * 4)
    same(plan(np.zeros((4, 0))).gradients, [24.0])


def test_no_parameters() -> None:
    x = Value(3.0)
    plan = autograd.replay(x * x, [x], [])
    result = plan([2.0, 5.0], lane_gradients=True, input_gradients=True)
    assert plan.parameters.shape == result.gradients.shape == (0,)
    assert result.lane_gradients.shape == (2, 0)
    same(result.input_gradients, [[4.0], [10.0]])


def test_nan_and_infinity_stay_in_their_lanes() -> None:
    columns = COLUMNS.copy()
    columns[1] = np.nan
    columns[3] = np.inf
    for build in (neuron, two_outputs):
        check(build, columns, WEIGHTS, recorded=(0.1, 0.2))


# ---- the parameters --------------------------------------------------------------------------------------------------


def test_the_parameters_are_one_array_for_life() -> None:
    plan, _, _, ps = plan_of()
    mine = plan.parameters
    assert mine.dtype == np.float64 and mine.shape == (3,) and mine.flags.writeable
    same(mine, WEIGHTS)
    right = eager(neuron, COLUMNS, [1.0, 2.0, 3.0])
    mine[:] = [1.0, 2.0, 3.0]
    check_result(plan(COLUMNS), right, all_of_it=False)
    plan.parameters -= 0.5 * plan(COLUMNS).gradients
    assert plan.parameters is mine
    stepped = (np.array([1.0, 2.0, 3.0]) - 0.5 * total(right.lane_gradients)).tolist()
    np.testing.assert_allclose(mine, stepped, rtol=1e-12)
    check_result(plan(COLUMNS), eager(neuron, COLUMNS, mine), all_of_it=False)
    plan.parameters = [4.0, 5.0, 6.0]
    assert plan.parameters is mine
    same(mine, [4.0, 5.0, 6.0])
    plan.parameters = np.array([7, 8, 9])
    same(mine, [7.0, 8.0, 9.0])
    assert [p.data for p in ps] == WEIGHTS  # the leaves stay as they are until write_back


@pytest.mark.parametrize("wrong", [[1.0, 2.0], np.zeros(4), 1.0, np.zeros((3, 1)), np.zeros((1, 3)), []])
def test_parameters_of_another_count(wrong: Any) -> None:
    plan, *_ = plan_of()
    with pytest.raises(ValueError, match="3"):
        plan.parameters = wrong
    same(plan.parameters, WEIGHTS)


@pytest.mark.parametrize("wrong", [["a", "b", "c"], [1j, 0, 0], None, [None, 1.0, 2.0], [Value(1.0)] * 3])
def test_parameters_that_are_no_numbers(wrong: Any) -> None:
    plan, *_ = plan_of()
    with pytest.raises((TypeError, ValueError)):
        plan.parameters = wrong
    same(plan.parameters, WEIGHTS)


def test_the_same_leaf_twice_among_the_parameters_is_an_error() -> None:
    y, xs, ps = record(neuron, (0.1, 0.2), WEIGHTS)
    with pytest.raises(ValueError, match=r"already|twice"):
        autograd.replay(y, xs, [*ps, ps[0]])


def test_read_takes_the_leaves_numbers_in() -> None:
    plan, _, _, ps = plan_of()
    mine = plan.parameters
    for p, x in zip(ps, (1.5, 2.5, -3.5)):
        p.data = x
    check_result(plan(COLUMNS), eager(neuron, COLUMNS, WEIGHTS), all_of_it=False)
    plan.read()
    assert plan.parameters is mine
    same(mine, [1.5, 2.5, -3.5])
    check_result(plan(COLUMNS), eager(neuron, COLUMNS, [1.5, 2.5, -3.5]), all_of_it=False)
    ps[0].data = 2  # an int is a number
    plan.read()
    same(mine, [2.0, 2.5, -3.5])


def test_read_of_what_is_no_real_number_changes_nothing() -> None:
    plan, _, _, ps = plan_of()
    ps[0].data, ps[2].data = 5.0, "three"
    with pytest.raises(TypeError):
        plan.read()
    same(plan.parameters, WEIGHTS)
    ps[2].data = 1j
    with pytest.raises(TypeError):
        plan.read()
    same(plan.parameters, WEIGHTS)


# ---- reduce and upstream ---------------------------------------------------------------------------------------------

ONE = [None, 2.0, np.float32(0.5), 3, [1.0, 0.0, -2.0, 0.5], np.arange(4), [1.5], np.array(-1.0)]
TWO = [
    None, 2.0, [1.0, 0.0, -2.0, 0.5], [[2.0], [-1.0]], np.arange(8.0).reshape(2, 4), [[1.0, 2.0, 3.0, 4.0]],
    np.arange(8.0).reshape(2, 4)[:, ::-1], [[0.0], [1.0]],
]  # fmt: skip


@pytest.mark.parametrize("reduce", ["sum", "mean"])
@pytest.mark.parametrize("upstream", ONE, ids=str)
def test_upstream_of_one_output(upstream: Any, reduce: str) -> None:
    check(neuron, COLUMNS, WEIGHTS, upstream=upstream, reduce=reduce)


@pytest.mark.parametrize("reduce", ["sum", "mean"])
@pytest.mark.parametrize("upstream", TWO, ids=str)
def test_upstream_of_several_outputs(upstream: Any, reduce: str) -> None:
    check(two_outputs, COLUMNS, WEIGHTS, upstream=upstream, reduce=reduce)


@pytest.mark.parametrize("upstream", [[1.0, 2.0], np.zeros((4, 1)), np.zeros((1, 4, 1)), np.zeros((2, 4)), []])
def test_upstream_of_a_wrong_shape(upstream: Any) -> None:
    plan, *_ = plan_of()
    with pytest.raises(ValueError, match="upstream"):
        plan(COLUMNS, upstream=upstream)


@pytest.mark.parametrize("upstream", ["one", 1j, [1j] * 4, {}, [None] * 4, Value(1.0)], ids=str)
def test_upstream_of_a_wrong_kind(upstream: Any) -> None:
    plan, *_ = plan_of()
    with pytest.raises((TypeError, ValueError), match="upstream"):
        plan(COLUMNS, upstream=upstream)


@pytest.mark.parametrize(
    "upstream", [[1.0, 2.0], np.zeros((4, 1)), np.zeros((3, 4)), np.zeros((2, 3)), np.zeros((4, 2))]
)
def test_upstream_of_several_outputs_of_a_wrong_shape(upstream: Any) -> None:
    plan, *_ = plan_of(two_outputs)
    with pytest.raises(ValueError, match="upstream"):
        plan(COLUMNS, upstream=upstream)


@pytest.mark.parametrize("reduce", ["max", "", None, "Sum", 1])
def test_another_reduce(reduce: Any) -> None:
    plan, *_ = plan_of()
    with pytest.raises((TypeError, ValueError), match=r"reduce.*sum.*mean"):
        plan(COLUMNS, reduce=reduce)


def test_infinite_and_nan_upstream() -> None:
    """As the engine has it: a relu that is closed hands nothing on, a product inf * 0 = NaN."""

    def build(xs: list[Value], ps: list[Value]) -> Value:
        return (xs[0] * ps[0]).relu() + xs[1].maximum(ps[1]) + xs[1] * ps[2]

    for upstream in ([np.inf, 1.0, np.nan, -np.inf], np.inf, np.nan):
        check(build, COLUMNS, WEIGHTS, upstream=upstream, recorded=(0.1, 0.1))
    plan, *_ = plan_of(build)
    result = plan([[-1.0, -5.0]], upstream=np.inf, lane_gradients=True, input_gradients=True)
    same(result.lane_gradients, [[0.0, np.inf, -np.inf]])
    same(result.input_gradients, [[0.0, np.inf]])


# ---- again and again -------------------------------------------------------------------------------------------------


def numbers_of(result: Any) -> list[bytes]:
    parts = (result.values, result.gradients, result.lane_gradients, result.input_gradients)
    return [b"" if part is None else part.tobytes() for part in parts]


def test_the_same_call_gives_the_same_bits() -> None:
    plan, *_ = plan_of()
    columns = np.random.default_rng(0).normal(size=(37, 2))
    first = numbers_of(plan(columns, lane_gradients=True, input_gradients=True))
    for count in (1, 37, 5, 37, 100, 37):
        result = plan(columns[:count] if count < 37 else np.resize(columns, (count, 2)))
        assert len(result.values) == count
        assert numbers_of(plan(columns, lane_gradients=True, input_gradients=True)) == first
    other = plan_of()[0]
    assert numbers_of(other(columns, lane_gradients=True, input_gradients=True)) == first


def test_results_are_fresh_arrays() -> None:
    for build in (neuron, two_outputs, lambda xs, ps: [xs[0], ps[0], xs[1]], lambda xs, ps: xs[0] + xs[1]):
        plan, *_ = plan_of(build)
        first = plan(COLUMNS, lane_gradients=True, input_gradients=True)
        kept = numbers_of(first)
        second = plan(COLUMNS + 1, upstream=2.0, lane_gradients=True, input_gradients=True)
        plan.parameters[:] = 5.0
        assert numbers_of(first) == kept
        for name in ("values", "gradients", "lane_gradients", "input_gradients"):
            mine = getattr(first, name)
            assert not np.shares_memory(mine, getattr(second, name))
            assert not np.shares_memory(mine, plan.parameters) and not np.shares_memory(mine, COLUMNS)
            mine[...] = np.nan  # the user's own, to do with as they like
        third = plan(COLUMNS + 1)
        assert np.isfinite(third.values).all() and np.isfinite(third.gradients).all()


def called_often(plan: Any, times: int, counts: Sequence[int] = (7, 3, 50)) -> None:
    columns = np.random.default_rng(0).normal(size=(64, 2))
    for i in range(times):
        count = counts[i % len(counts)]
        plan(columns[:count], lane_gradients=i % 2 == 0, input_gradients=i % 3 == 0, upstream=0.5)


def test_nothing_grows() -> None:
    plan, *_ = plan_of()
    called_often(plan, 30)
    plan.write_back(1)
    gc.collect()
    objects = len(gc.get_objects())
    tracemalloc.start()
    try:
        called_often(plan, 30)
        before = tracemalloc.get_traced_memory()[0]
        called_often(plan, 300)
        for _ in range(50):
            plan.write_back(2)
            plan.read()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 20_000
    gc.collect()
    assert len(gc.get_objects()) - objects < 50


def test_nothing_grows_with_ever_new_numbers_of_lanes() -> None:
    """Buffers of one number of lanes, or a few, are kept; not those of all that there ever were."""
    plan, *_ = plan_of()
    columns = np.random.default_rng(0).normal(size=(2000, 2))
    plan(columns)
    tracemalloc.start()
    try:
        for count in range(1, 2000, 6):
            plan(columns[:count])
        grown = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    # all of them would be 333 counts of 1,000 lanes on average, two dozen rows each: 2,000 times as much
    assert grown < 200 * columns.nbytes


@pytest.mark.slow
def test_resident_memory_does_not_grow() -> None:
    """In a process of its own, whose highest memory is not that of other tests."""
    code = (
        "import resource, replaying, test_replay\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kB, on a Mac bytes\n"
        "plan, *_ = test_replay.plan_of()\n"
        "test_replay.called_often(plan, 3_000)\n"
        "before = peak()\n"
        "test_replay.called_often(plan, 60_000)\n"
        "print(peak() - before, before)"
    )
    tests = str(Path(__file__).parent)
    done = subprocess.run([sys.executable, "-c", code], cwd=tests, capture_output=True, text=True, check=True)
    grown, before = map(int, done.stdout.split())
    assert grown < 0.02 * before


def test_a_plan_is_freed_with_its_buffers() -> None:
    plan, *_ = plan_of()
    called_often(plan, 5)
    del plan
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(5):
        other, *_rest = plan_of()
        called_often(other, 5)
        del other, _rest
    gc.collect()
    assert len(gc.get_objects()) - before < 50


def test_many_threads_use_one_plan() -> None:
    plan, *_ = plan_of()
    draw = np.random.default_rng(0)
    work = [draw.normal(size=(lanes, 2)) for lanes in (3, 3, 200, 3, 2) * 64]  # mostly as many lanes: the same buffers
    right = [numbers_of(plan(columns, lane_gradients=True, input_gradients=True)) for columns in work]
    started = threading.Barrier(8)

    def run(first: int) -> list[list[bytes]]:
        started.wait()
        return [numbers_of(plan(x, lane_gradients=True, input_gradients=True)) for x in work[first::8]]

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(run, range(8)))
    finally:
        sys.setswitchinterval(interval)
    for first in range(8):
        assert found[first] == right[first::8]


def test_a_call_that_fails_leaves_the_plan_usable() -> None:
    plan, *_ = plan_of()
    right = numbers_of(plan(COLUMNS))
    for wrong in (np.zeros((4, 3)), "no", np.zeros((0, 2)), None):
        with pytest.raises((TypeError, ValueError)):
            plan(wrong)
        assert numbers_of(plan(COLUMNS)) == right
    with pytest.raises(ValueError, match="upstream"):
        plan(COLUMNS, upstream=[1.0, 2.0])
    assert numbers_of(plan(COLUMNS)) == right


def test_numpy_warns_of_nothing_and_its_settings_are_left_alone() -> None:
    def build(xs: list[Value], ps: list[Value]) -> Value:
        return xs[0].log() / xs[1] + (ps[0] * 800).exp() * xs[0].sqrt()

    plan, *_ = plan_of(build)
    with np.errstate(all="raise"):
        settings = np.geterr()
        plan([[0.0, 0.0], [-1.0, 1.0], [1e308, 1e-308]], lane_gradients=True)
        assert np.geterr() == settings


def test_modes_of_recording_are_no_matter() -> None:
    """Nothing is recorded when a plan is called, so `no_grad` changes nothing."""
    plan, *_ = plan_of()
    right = numbers_of(plan(COLUMNS))
    with autograd.no_grad():
        assert numbers_of(plan(COLUMNS)) == right
    y, xs, ps = record(neuron, (0.1, 0.2), WEIGHTS)
    with autograd.no_grad():
        assert numbers_of(autograd.replay(y, xs, ps)(COLUMNS)) == right


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_a_call_that_is_interrupted(where: str) -> None:
    """The next is right; there is no last call, rather than one of mixed numbers."""

    class Interrupted(BaseException):
        pass

    def interrupt() -> None:
        raise Interrupted

    plan, *_ = plan_of()
    right = plan(COLUMNS, lane_gradients=True)
    plan(COLUMNS)
    (program,) = plan.programs.values()
    for at in range(len(getattr(program, where))):
        getattr(program, where).insert(at, (interrupt, ()))
        with pytest.raises(Interrupted):
            plan(COLUMNS + 1, upstream=7.0)
        with pytest.raises(RuntimeError, match="call the plan first"):
            plan.write_back(0)
        del getattr(program, where)[at]
        again = plan(COLUMNS, lane_gradients=True)
        for ours, theirs in zip(again[:3], right[:3], strict=True):
            same(ours, theirs)


def test_an_interruption_while_the_seeds_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, *_ = plan_of()
    right = plan(COLUMNS).gradients
    (program,) = plan.programs.values()

    class Seeds:
        def __setitem__(self, key: Any, numbers: Any) -> None:
            seeds[key] = numbers
            raise KeyboardInterrupt

    seeds = program.seeds
    with monkeypatch.context() as patch:
        patch.setattr(program, "seeds", Seeds())
        with pytest.raises(KeyboardInterrupt):
            plan(COLUMNS, upstream=7.0)
    same(plan(COLUMNS).gradients, right)


# ---- write_back ------------------------------------------------------------------------------------------------------


def written(outputs: list[Value], fresh: list[Value]) -> None:
    """Two graphs that hold the same numbers; rounding apart, where replay's functions are not the engine's."""
    for ours, theirs in zip(outputs, fresh, strict=True):
        nodes = zip(topological_sort(ours), topological_sort(theirs), strict=True)
        for one, other in nodes:
            assert type(one) is type(other) and one.rule is other.rule
            assert one.data == pytest.approx(other.data, rel=1e-13, abs=1e-15, nan_ok=True)
            assert type(one.data) is float
            assert [slope is None for slope in one.slopes] == [slope is None for slope in other.slopes]
            for slope, right in zip(one.slopes, other.slopes):
                assert slope is None or slope == pytest.approx(right, rel=1e-12, abs=1e-14, nan_ok=True), one._op
            if type(one) is not Constant:
                assert one.grad == pytest.approx(other.grad, rel=1e-11, abs=1e-13, nan_ok=True), one._op
                assert type(one.grad) is float


@pytest.mark.parametrize("build", [neuron, two_outputs])
@pytest.mark.parametrize("upstream", [None, 2.5, [1.0, -0.5, 0.0, 3.0]], ids=["", "number", "lanes"])
def test_a_lane_written_back_is_that_example(build: Any, upstream: Any) -> None:
    plan, output, xs, ps = plan_of(build)
    plan.parameters[:] = numbers = [0.1, 0.2, -0.3]
    plan(COLUMNS, upstream=upstream, reduce="mean")
    for leaf in (*xs, *ps):
        leaf.grad = 1e9  # as if swept once, from zero
    for lane in (2, 0, 3, 1, 1):
        plan.write_back(lane)
        assert [p.data for p in ps] == numbers
        assert [x.data for x in xs] == COLUMNS[lane].tolist()
        fresh = as_list(build(leaves_of(COLUMNS[lane]), leaves_of(numbers)))
        weights = np.broadcast_to(1.0 if upstream is None else upstream, 4)[lane]
        weighted(fresh, [weights] * len(fresh)).backward()
        written(as_list(output), fresh)


def test_written_back_the_graph_is_alive() -> None:
    """It can be swept, differentiated again, drawn and told."""
    plan, output, xs, ps = plan_of()
    autograd.label({"x": xs[0], "w": ps[0], "output": output})
    plan(COLUMNS)
    plan.write_back(1)
    grads = [p.grad for p in ps]
    output.backward()
    assert [p.grad for p in ps] == pytest.approx([2 * g for g in grads], rel=1e-12)
    fresh_xs, fresh_ps = leaves_of(COLUMNS[1]), leaves_of(WEIGHTS)
    fresh = neuron(fresh_xs, fresh_ps)
    (ours,), (right,) = (
        autograd.gradients(autograd.gradients(y, a, create_graph=True), [b])
        for y, a, b in ((output, xs[0], ps[0]), (fresh, fresh_xs[0], fresh_ps[0]))
    )
    assert ours == pytest.approx(right, rel=1e-11)
    plan.write_back(2)
    assert "x = −1.500" in str(autograd.ledger(output))  # the x of that lane
    assert "−1.5" in autograd.draw(output, engine="layered").svg


def test_where_chooses_anew_in_the_lane_written_back() -> None:
    """A relu, a maximum, a leaky relu: which edge carries a gradient is that of the lane."""

    def build(xs: list[Value], ps: list[Value]) -> Value:
        x, y = xs
        return (x * ps[0]).relu() + autograd.maximum(x, y) * ps[1] + autograd.minimum(x, ps[2]) + y.leaky_relu(0.1)

    plan, output, _, _ = plan_of(build)
    plan(COLUMNS)
    for lane in range(len(COLUMNS)):
        plan.write_back(lane)
        fresh = build(leaves_of(COLUMNS[lane]), leaves_of(WEIGHTS))
        fresh.backward()
        written([output], [fresh])


def test_nodes_that_are_not_below_the_output_are_left_alone() -> None:
    x, w = Value(1.0), Value(2.0)
    inner = x * w
    aside = inner.exp()
    before = (aside.data, aside.slopes)
    plan = autograd.replay(inner.tanh(), [x], [w])
    plan([3.0, 4.0])
    plan.write_back(1)
    assert inner.data == 8.0
    assert (aside.data, aside.slopes) == before


def test_write_back_is_of_the_last_call() -> None:
    plan, _, xs, _ = plan_of()
    plan(COLUMNS)
    plan(COLUMNS[:2] + 10.0)
    plan.write_back(1)
    assert [x.data for x in xs] == (COLUMNS[1] + 10).tolist()
    with pytest.raises((IndexError, ValueError), match="2 lanes"):
        plan.write_back(2)
    with pytest.raises((TypeError, ValueError)):
        plan(np.zeros((3, 5)))
    plan.write_back(0)  # the call that failed is none
    assert [x.data for x in xs] == (COLUMNS[0] + 10).tolist()


@pytest.mark.parametrize("lane", [4, 100, -5, 1.0, "1", [1]])
def test_a_lane_that_there_is_not(lane: Any) -> None:
    plan, output, *_ = plan_of()
    plan(COLUMNS)
    before = [(node.data, node.grad) for node in topological_sort(output)]
    with pytest.raises((TypeError, IndexError, ValueError), match="lane"):
        plan.write_back(lane)
    assert before == [(node.data, node.grad) for node in topological_sort(output)]


def test_without_a_lane_only_the_parameters_are_written_back() -> None:
    plan, output, xs, ps = plan_of()
    before = [(x.data, x.grad) for x in (output, *xs)]
    plan.parameters = [3.0, 4.0, 5.0]
    plan.write_back()
    assert [p.data for p in ps] == [3.0, 4.0, 5.0]
    assert before == [(x.data, x.grad) for x in (output, *xs)]


def test_anomalies_are_detected() -> None:
    x, w = Value(1.0), Value(2.0)
    plan = autograd.replay((w * x).log(), [x], [w])
    with autograd.detect_anomaly():
        plan([1.0, 2.0])
        plan([1.0, np.inf])  # what is given may be an infinity
        with pytest.raises(FloatingPointError, match=r"lane 1 of 3 gave -inf.*write_back"):
            plan([1.0, 0.0, -1.0])
        with pytest.raises(FloatingPointError, match="gradient"):
            autograd.replay((w * x).sqrt(), [x], [w])([1.0, 0.0])
    same(plan([0.0]).values, [-np.inf])


def test_a_position_that_there_is_not() -> None:
    x, w = Value(1.0), Value(2.0)
    plan = autograd.replay(w * x, [x], [w])
    with pytest.raises(ValueError, match=r"no position 3 .* 0 to 0"):
        plan(bind={x: np.array([0, 3])})
    with pytest.raises(TypeError, match="lanes x inputs"):
        plan(bind={(x,): np.array([0, 0])})


def test_write_back_before_any_call() -> None:
    plan, _, xs, _ = plan_of()
    with pytest.raises((RuntimeError, ValueError), match="call"):
        plan.write_back(0)
    assert [x.data for x in xs] == [0.3, -0.6]


def test_parameters_changed_since_the_call_are_the_ones_written_back() -> None:
    """As an optimiser leaves them: the example is that lane at the parameters of now."""
    plan, output, _, ps = plan_of()
    plan(COLUMNS)
    plan.parameters[:] = [1.0, 2.0, 3.0]
    plan.write_back(0)
    assert [p.data for p in ps] == [1.0, 2.0, 3.0]
    fresh = neuron(leaves_of(COLUMNS[0]), leaves_of([1.0, 2.0, 3.0]))
    fresh.backward()
    written([output], [fresh])


def test_a_branch_that_the_parameters_of_now_do_not_take_is_not_written_back() -> None:
    x, w = Value(1.0), Value(1.0)
    with autograd.record():
        product = x * w
        y = product * 2 if product > 0 else product * 3
    plan = autograd.replay(y, [x], [w])
    plan([1.0, 2.0])
    plan.parameters[:] = -1.0
    with pytest.raises(autograd.BranchError, match=r"lane 1 .*if product > 0") as caught:
        plan.write_back(1)
    assert caught.value.lanes == (1,)
    assert (x.data, w.data, product.data, y.data) == (1.0, 1.0, 1.0, 2.0)
    plan.parameters[:] = 3.0
    plan.write_back(1)
    assert (x.data, w.data, y.data, w.grad) == (2.0, 3.0, 12.0, 4.0)


def test_a_numpy_integer_is_a_lane() -> None:
    plan, output, *_ = plan_of()
    values = plan(COLUMNS).values
    plan.write_back(np.argmin(values))
    assert output.data == pytest.approx(values.min(), rel=1e-14)


# ---- bind ------------------------------------------------------------------------------------------------------------


def bound_eagerly(
    build: Any, columns: Array, parameters: Sequence[float], positions: dict[int, Sequence[int]], upstream: Any = None
) -> Any:
    """The engine, the leaf itself in the input's place: (values, lane gradients, gradients of the other inputs)."""
    values, lanes, others = [], [], []
    for lane, row in enumerate(columns):
        xs, ps = leaves_of(row), leaves_of(parameters)
        given = [ps[positions[i][lane]] if i in positions else x for i, x in enumerate(xs)]
        y = build(given, ps)
        values.append(y.data)
        weighted = y * float(np.broadcast_to(1.0 if upstream is None else upstream, len(columns))[lane])
        lanes.append(autograd.gradients(weighted, ps))
        others.append([g for i, g in enumerate(autograd.gradients(weighted, xs)) if i not in positions])
    return np.array(values), np.array(lanes), np.array(others)


def check_bound(
    build: Any, positions: dict[int, Sequence[int]], bind: Any, columns: Any = COLUMNS, **options: Any
) -> None:
    plan, _, xs, ps = plan_of(build)
    given = np.array(columns, float)
    given[:, list(positions)] = np.nan  # is not looked at
    for extra in (True, False):
        result = plan(given, bind=bind(xs, ps), lane_gradients=extra, input_gradients=extra, **options)
        values, lanes, others = bound_eagerly(build, columns, WEIGHTS, positions, **options)
        close(result.values, values, 10.0 + np.abs(values))
        close(result.gradients, total(lanes), 10 + np.abs(lanes).sum(axis=0))
        if extra:
            close(result.lane_gradients, lanes, 10 + np.abs(lanes))
            free = [i for i in range(len(xs)) if i not in positions]
            close(result.input_gradients[:, free], others, 10 + np.abs(others))
    assert np.isnan(given[:, list(positions)]).all()  # and not written to
    again = plan(np.asarray(columns, float))  # the next call is not bound
    check_result(again, eager(build, columns, WEIGHTS), all_of_it=False)


@pytest.mark.parametrize("upstream", [None, [2.0, -1.0, 0.0, 0.5]], ids=["", "upstream"])
def test_an_input_bound_to_a_leaf(upstream: Any) -> None:
    for leaf in range(3):
        check_bound(neuron, {0: [leaf] * 4}, lambda xs, ps, leaf=leaf: {xs[0]: ps[leaf]}, upstream=upstream)


@pytest.mark.parametrize("positions", [[0, 1, 2, 1], [2, 2, 2, 2], [1, 0, 1, 0]])
def test_an_input_bound_to_a_leaf_in_each_lane(positions: list[int]) -> None:
    check_bound(neuron, {1: positions}, lambda xs, ps: {xs[1]: [ps[i] for i in positions]})
    for kind in (np.int64, np.int32, np.uint8):
        check_bound(neuron, {1: positions}, lambda xs, ps, kind=kind: {xs[1]: np.array(positions, kind)})


def test_several_inputs_bound() -> None:
    check_bound(neuron, {0: [1] * 4, 1: [1] * 4}, lambda xs, ps: {xs[0]: ps[1], xs[1]: ps[1]})
    check_bound(
        neuron, {0: [0, 1, 2, 0], 1: [2, 1, 2, 1]}, lambda xs, ps: {xs[1]: np.array([2, 1, 2, 1]), xs[0]: [*ps, ps[0]]}
    )
    check_bound(neuron, {0: [2, 1, 0, 0], 1: [0] * 4}, lambda xs, ps: {xs[1]: ps[0], xs[0]: np.array([2, 1, 0, 0])})


def embedded(xs: list[Value], ps: list[Value]) -> Value:
    """Rows of a table of 5 x 3, chosen for the 6 inputs, through weights of their own; the table used outside too."""
    table, w = ps[:15], ps[15:]
    first, second = xs[:3], xs[3:]
    scores = [autograd.dot(first, w[:3]) + w[6], autograd.dot(second, w[3:6]), autograd.dot(first, second)]
    return autograd.softmax_cross_entropy(scores, 1) + table[4] * scores[0].tanh()


def test_rows_of_a_table() -> None:
    """An embedding: what every lane looks up, its gradients gathered in the rows."""
    draw = np.random.default_rng(1)
    numbers = draw.normal(size=22).tolist()
    output, xs, ps = record(embedded, [0.1] * 6, numbers)
    plan = autograd.replay(output, xs, ps)
    tokens = draw.integers(0, 5, (9, 2))
    positions = {i: tokens[:, i // 3] * 3 + i % 3 for i in range(6)}
    values, lanes, _ = bound_eagerly(embedded, np.zeros((9, 6)), numbers, positions)
    for bind in (
        {xs[i]: positions[i] for i in range(6)},
        {xs[i]: [ps[j] for j in positions[i]] for i in range(6)},
    ):
        for columns in (None, np.full((9, 6), np.nan)):
            result = plan(columns, bind=bind, lane_gradients=True)
            close(result.values, values, 1 + np.abs(values))
            close(result.lane_gradients, lanes, 1 + np.abs(lanes))
            close(result.gradients, total(lanes), 1 + np.abs(lanes).sum(axis=0))
    mean = plan(None, bind=bind, reduce="mean")
    close(mean.gradients, total(lanes) / 9, 1 + np.abs(lanes).sum(axis=0))
    one = plan(None, bind={x: ps[i] for i, x in enumerate(xs)})
    assert one.values.shape == (1,)
    values, lanes, _ = bound_eagerly(embedded, np.zeros((1, 6)), numbers, {i: [i] for i in range(6)})
    close(one.values, values, 1 + np.abs(values))
    close(one.gradients, lanes[0], 1 + np.abs(lanes[0]))


def test_bound_to_the_plans_parameters_of_now() -> None:
    x, w = Value(1.0), Value(2.0)
    plan = autograd.replay(x * x, [x], [w])
    plan.parameters[:] = 5.0
    result = plan(None, bind={x: w})
    same(result.values, [25.0])
    same(result.gradients, [10.0])
    same(autograd.replay(x, [x], [w])(None, bind={x: w}).gradients, [1.0])  # an output that is a bound input


def test_a_bound_lane_written_back() -> None:
    """The input holds the number of its leaf; the leaf's grad is that of both."""
    plan, output, xs, ps = plan_of()
    plan(COLUMNS, bind={xs[0]: [ps[1], ps[2], ps[0], ps[1]]})
    plan.write_back(2)
    assert [x.data for x in xs] == [ps[0].data, COLUMNS[2, 1]]
    fresh_xs, fresh_ps = leaves_of([WEIGHTS[0], COLUMNS[2, 1]]), leaves_of(WEIGHTS)
    fresh = neuron(fresh_xs, fresh_ps)
    fresh.backward()
    assert output.data == pytest.approx(fresh.data, rel=1e-13)
    assert xs[1].grad == pytest.approx(fresh_xs[1].grad, rel=1e-12)
    assert ps[1].grad == pytest.approx(fresh_ps[1].grad, rel=1e-12)
    assert ps[0].grad == pytest.approx(fresh_ps[0].grad + fresh_xs[0].grad, rel=1e-12)


def test_a_bound_lane_is_written_back_with_the_parameters_of_now() -> None:
    """Whatever becomes of the array of positions, which the caller may use again."""
    x, v, w = Value(1.0), Value(2.0), Value(3.0)
    plan = autograd.replay(x * w, [x], [v, w])
    positions = np.array([1, 0])
    plan(None, bind={x: positions})
    positions[:] = 0
    plan.parameters[:] = [5.0, 7.0]
    plan.write_back(0)
    assert (x.data, v.data, w.data) == (7.0, 5.0, 7.0)
    assert (v.grad, w.grad) == (0.0, 14.0)  # w * w
    plan.write_back(1)
    assert (x.data, v.grad, w.grad) == (5.0, 7.0, 5.0)


def test_inputs_that_are_parameters_bound_to_each_other() -> None:
    """a is b's number, b that of c: what reaches a is b's gradient, and goes no further."""
    a, b, c = Value(2.0), Value(3.0), Value(5.0)
    plan = autograd.replay(a * a * b, [a, b], [a, b, c])
    result = plan(None, bind={a: b, b: c}, lane_gradients=True)  # 3 * 3 * 5
    same(result.values, [45.0])
    same(result.gradients, [0.0, 30.0, 9.0])
    same(result.lane_gradients, [[0.0, 30.0, 9.0]])
    plan.write_back(0)
    assert (a.data, b.data, c.data) == (3.0, 5.0, 5.0)
    assert c.grad == 9.0
    own = plan(None, bind={a: a, b: b})
    same(own.gradients, [12.0, 4.0, 0.0])
    plan.write_back(0)
    assert (a.grad, b.grad, c.grad) == (12.0, 4.0, 0.0)


WRONG_BINDS: dict[str, Callable[[Any, Any], Any]] = {
    "not an input": lambda xs, ps: {ps[0]: ps[1]},
    "not an input, a stranger": lambda xs, ps: {Value(1.0): ps[1]},
    "a key that is no Value": lambda xs, ps: {0: ps[1]},
    "not a parameter": lambda xs, ps: {xs[0]: Value(1.0)},
    "to an input": lambda xs, ps: {xs[0]: xs[1]},
    "one of a list is no parameter": lambda xs, ps: {xs[0]: [ps[0], ps[1], Value(1.0), ps[0]]},
    "too few": lambda xs, ps: {xs[0]: [ps[0], ps[1]]},
    "too many": lambda xs, ps: {xs[0]: [ps[0]] * 5},
    "too many positions": lambda xs, ps: {xs[0]: np.zeros(5, int)},
    "other counts for two inputs": lambda xs, ps: {xs[0]: [ps[0], ps[1], ps[0], ps[2]], xs[1]: [ps[1], ps[2]]},
    "positions beyond": lambda xs, ps: {xs[0]: np.array([0, 1, 2, 3])},
    "positions before": lambda xs, ps: {xs[0]: np.array([0, 1, 2, -1])},
    "positions in floats": lambda xs, ps: {xs[0]: np.array([0.0, 1.0, 2.0, 1.0])},
    "positions in rows": lambda xs, ps: {xs[0]: np.zeros((4, 1), int)},
    "truths": lambda xs, ps: {xs[0]: np.array([True, False, True, False])},
    "a number": lambda xs, ps: {xs[0]: 2.5},
    "nothing": lambda xs, ps: {xs[0]: None},
    "text": lambda xs, ps: {xs[0]: "w"},
    "no mapping": lambda xs, ps: [xs[0], ps[0]],
}


@pytest.mark.parametrize("wrong", WRONG_BINDS)
def test_a_wrong_bind(wrong: str) -> None:
    plan, _, xs, ps = plan_of()
    right = numbers_of(plan(COLUMNS))
    with pytest.raises((TypeError, ValueError, IndexError), match=r"bind|bound|parameter|input"):
        plan(COLUMNS, bind=WRONG_BINDS[wrong](xs, ps))
    assert numbers_of(plan(COLUMNS)) == right


def test_columns_may_be_left_out_only_if_every_input_is_bound() -> None:
    plan, _, xs, ps = plan_of()
    with pytest.raises((TypeError, ValueError), match="column"):
        plan(None, bind={xs[0]: ps[0]})
    with pytest.raises((TypeError, ValueError), match="column"):
        plan(None)
    for few, many in ((2, 3), (2, 4), (3, 6)):
        with pytest.raises(ValueError, match="lane"):
            plan(None, bind={xs[0]: np.zeros(few, int), xs[1]: np.zeros(many, int)})


# ---- depth and size --------------------------------------------------------------------------------------------------


def chain(n: int) -> Callable[[list[Value], list[Value]], Value]:
    """n operations one after another: h = h * w + x, then tanh, in turn."""

    def build(xs: list[Value], ps: list[Value]) -> Value:
        (x,), (w,) = xs, ps
        h = x
        for i in range(n):
            h = h.sin() if i % 3 == 2 else h * w if i % 3 == 0 else h + x
        return h

    return build


def test_a_chain_of_4_000_operations() -> None:
    """Deeper than Python could recurse; no slower than by its length."""
    check(chain(4_000), [[0.3], [-1.0], [0.7]], [0.5], within=1e-10)


def test_a_long_sum_and_a_long_product() -> None:
    def added(xs: list[Value], ps: list[Value]) -> Value:
        total = xs[0]
        for i in range(5_000):
            total = total + (ps[i % 3] if i % 2 else xs[i // 2 % 2])
        return total

    def multiplied(xs: list[Value], ps: list[Value]) -> Value:
        product = xs[0] + 2 + xs[1] * 0.5
        for i in range(3_000):
            product = product * (1 + ps[i % 3] * 1e-4)
        return product

    check(added, COLUMNS, WEIGHTS)
    check(multiplied, COLUMNS, WEIGHTS)


def test_wide_sums() -> None:
    def build(xs: list[Value], ps: list[Value]) -> Value:
        squares = [x * x * p for x in xs for p in ps]
        wide = sum(squares) + autograd.sum(squares) + autograd.dot(squares, squares[::-1])
        return wide.tanh() + autograd.logsumexp(squares)

    columns = np.random.default_rng(0).uniform(-0.1, 0.1, (3, 40))
    check(build, columns, np.random.default_rng(1).uniform(-0.1, 0.1, 30).tolist())


def test_diamonds() -> None:
    """Every node used twice: 2^60 paths."""

    def build(xs: list[Value], ps: list[Value]) -> Value:
        h = xs[0]
        for i in range(60):
            h = (h + h) * 0.25 + (h * ps[i % 3]) * h.tanh() * 0.125
        return h + xs[1]

    check(build, COLUMNS, WEIGHTS)


def test_one_leaf_used_by_all() -> None:
    def build(xs: list[Value], ps: list[Value]) -> Value:
        return sum((ps[0] * i + xs[0]).sin() * ps[0] for i in range(300)) * xs[1]

    check(build, COLUMNS, WEIGHTS)


def test_sums_that_are_shared_between_sums() -> None:
    """Prefix sums: each is a node of its own, for it is used twice; melting them into one would be quadratic."""

    def build(xs: list[Value], ps: list[Value]) -> Value:
        running, squares = xs[0], []
        for i in range(400):
            running = running + ps[i % 3] * xs[i % 2] * 0.01
            squares.append(running * running)
        return autograd.sum(squares)

    check(build, COLUMNS, WEIGHTS)


def seconds(work: Callable[..., object], *given: Any) -> float:
    """The least time that it took, of this thread's own: others may be busy."""
    best = float("inf")
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            start = time.thread_time()
            work(*given)
            best = min(best, time.thread_time() - start)
    finally:
        gc.enable()
    return best


@pytest.mark.parametrize("shape", ["deep", "wide", "shared"])
def test_planning_and_running_take_time_by_the_number_of_nodes(shape: str) -> None:
    """Eight times the nodes: less than 32 times the time, where a quadratic step would take 64."""

    def graph(n: int) -> tuple[Any, Any, Any]:
        if shape == "deep":
            return record(chain(n), [0.3], [0.5])
        if shape == "wide":
            return record(lambda xs, ps: sum(p * xs[0] for p in ps), [0.3], [0.5] * n)
        return record(lambda xs, ps: sum((p * xs[0] + ps[0]).tanh() for p in ps), [0.3], [0.5] * (n // 4))

    def measured(n: int) -> tuple[float, float]:
        given = graph(n)
        plan = autograd.replay(*given)
        return seconds(autograd.replay, *given), seconds(plan, [[0.1], [0.2]])

    (plan_few, run_few), (plan_many, run_many) = measured(500), measured(4_000)
    assert plan_many < 32 * plan_few + 1e-3 and run_many < 32 * run_few + 1e-3


@pytest.mark.slow
def test_a_chain_of_30_000_operations() -> None:
    check(chain(30_000), [[0.3], [-1.0]], [0.5], within=1e-8)


@pytest.mark.slow
def test_a_million_nodes_side_by_side() -> None:
    def build(xs: list[Value], ps: list[Value]) -> Value:
        return autograd.sum([(x * p).tanh() for x in xs for p in ps])

    draw = random.Random(0)
    columns = [[draw.uniform(-1, 1) for _ in range(500)] for _ in range(2)]
    check(build, columns, [draw.uniform(-1, 1) for _ in range(1000)], within=1e-11)


def test_replay_is_imported_when_it_is_first_used() -> None:
    code = (
        "import sys, autograd; assert 'numpy' not in sys.modules; "
        "assert not any(m.startswith('autograd.planning') for m in sys.modules); "
        "assert 'replay' in autograd.__all__ and 'replay' in dir(autograd); "
        "x = autograd.Value(2.0); print(autograd.replay(x * x, [x])([3.0]).values)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.stdout == "[9.]\n", ran.stderr
