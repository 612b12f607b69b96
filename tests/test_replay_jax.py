"""`plan.to_jax`: the same values and gradients as replay on NumPy and as the engine, under jit, vmap and on many devices."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from replaying import Array, as_list, close, eager, leaves_of, record, total
from test_replay_graphs import EXACT, WHOLE, drawn, kinks_are_far, planned, programs, smooth, whole, with_every_input
from test_replay_networks import LAYERS, Layer, used_all
from test_replay_rules import CHOICES, UPSTREAMS, edge_points, every_rule, fans, of_ones_own, ordinary_points
from test_rules import EVERY, NAMES

import autograd
import nn
from autograd import Rule, Value, engine
from autograd.planning.rows import ZERO, Collected, Summed, Taken, side_by_side, view_of

FEW = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
peers = pytest.mark.peers


@pytest.fixture(scope="module")
def jax() -> Iterator[Any]:
    """JAX with float64, which it then has for the tests of this file only."""
    import jax

    with jax.enable_x64(True):
        yield jax


def numpys(*arrays: Any) -> tuple[Array, ...]:
    return tuple([np.asarray(array) for array in arrays])


def agree(got: Any, right: Any, within: float = 1e-12, what: str = "") -> None:
    """Equal, NaN where NaN, or apart by a share `within`; numbers below the smallest normal one count as 0 in XLA."""
    np.testing.assert_allclose(np.asarray(got), right, rtol=within, atol=1e-307, err_msg=what)


# ---- without JAX -------------------------------------------------------------------------------------------------------


def test_without_jax_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)
    x = Value(1.0)
    with pytest.raises(ImportError, match=r"python -m pip install 'scalar-autograd\[jax\]'"):
        autograd.replay(x * 2, [x]).to_jax()


def test_jax_is_not_imported_before_it_is_asked_for() -> None:
    code = """
        import sys, autograd
        x = autograd.Value(1.0)
        autograd.replay((x * 2).tanh(), [x])([[1.0], [2.0]])
        assert "jax" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


# ---- every rule --------------------------------------------------------------------------------------------------------


def check_rule(jax: Any, rule: Rule, points: Sequence[tuple[float, ...]], within: float) -> None:
    """Each point by itself: its operands as parameters, as inputs, and some of them as either."""
    fan, rows = len(points[0]), np.array(points)
    leaves = [Value(0.5) for _ in range(fan)]
    output = engine.record(rule, tuple(leaves))
    right = autograd.replay(output, leaves)(rows, input_gradients=True)
    for inputs in {(), tuple(range(fan)), tuple(range(0, fan, 2)), tuple(range(1, fan, 2))}:
        f = autograd.replay(output, [leaves[i] for i in inputs], leaves).to_jax()
        columns = rows[
            :, None, list(inputs)
        ]  # a lane each; a leaf that is an input and a parameter has its gradient, too
        values, gradients = numpys(*jax.jit(jax.vmap(f))(rows, columns))
        agree(values, right.values[:, None], within, f"values, inputs {inputs}")
        agree(gradients, right.input_gradients, within, f"gradients, inputs {inputs}")


@peers
@every_rule
def test_ordinary_points(jax: Any, rule: Rule) -> None:
    for fan in fans(rule):
        check_rule(jax, rule, ordinary_points(rule, fan, 9), 1e-12)


@peers
@every_rule
def test_edges(jax: Any, rule: Rule) -> None:
    """All but finite numbers beyond 1e290, and below 1e-290.

    What XLA compiles takes numbers below the smallest normal one for 0, also on the way: 1 / 1e308. It rounds a product and
    a sum at once, so that a product need not overflow, and takes `abs(x) >= 0` for granted, also of NaN.
    """
    points = [xs for xs in edge_points(rule) if all(1e-290 < abs(x) < 1e290 for x in xs if x and np.isfinite(x))]
    assert len(points) > 10
    check_rule(jax, rule, points, 1e-12)


@peers
@pytest.mark.parametrize("rule", CHOICES, ids=[NAMES[EVERY.index(rule)] for rule in CHOICES])
def test_what_is_not_chosen_gets_exactly_nothing(jax: Any, rule: Rule) -> None:
    """Whatever comes from upstream, in every lane."""
    points = np.array([(2.0, -3.0, 1.5, 0.5), (-2.0, 3.0, -1.5, 0.25), (1.0, 1.0, 1.0, 1.0)])[:, : rule.arity]
    leaves = [Value(0.5) for _ in range(rule.arity or 0)]
    output = engine.record(rule, tuple(leaves))
    f = autograd.replay(output, leaves, leaves).to_jax()
    each = jax.jit(jax.vmap(lambda row, upstream: f(row, row[None], upstream)))
    for upstream in UPSTREAMS:
        _, gradients = each(points, np.full(len(points), upstream))
        for row, found in zip(points, np.asarray(gradients), strict=True):
            xs = leaves_of(row)
            y = engine.record(rule, tuple(xs)) * upstream
            np.testing.assert_array_equal(found, autograd.gradients(y, xs))


@peers
def test_rules_of_ones_own(jax: Any) -> None:
    x, y, w = leaves_of([0.1, 0.2, -0.7])
    plan = autograd.replay(of_ones_own(x, y, w), [x, y], [w])
    columns = np.random.default_rng(1).uniform(-1.5, 1.5, (9, 2))
    right = plan(columns)
    values, gradients = plan.to_jax()(plan.parameters, columns)
    agree(values, right.values)
    agree(gradients, right.gradients)


# ---- graphs ------------------------------------------------------------------------------------------------------------


@peers
@FEW
@given(program=programs(WHOLE, whole).map(with_every_input), data=st.data())
def test_graphs_of_whole_numbers_agree_exactly(jax: Any, program: Any, data: st.DataObject) -> None:
    columns, upstream, _ = drawn(data, program, whole)
    right = eager(program, columns, program.of("p"), upstream)
    plan = planned(program)
    values, gradients = jax.jit(plan.to_jax())(plan.parameters, columns, upstream=upstream)
    np.testing.assert_array_equal(values, right.values[0] if program.single else right.values)
    np.testing.assert_array_equal(gradients, right.lane_gradients.sum(axis=0))


@peers
@FEW
@given(program=programs(list(EXACT), smooth).map(with_every_input), data=st.data())
def test_graphs_of_any_operations_agree(jax: Any, program: Any, data: st.DataObject) -> None:
    columns, upstream, _ = drawn(data, program, smooth)
    for row in columns:
        outputs = as_list(program(leaves_of(row), leaves_of(program.of("p"))))
        assume(kinks_are_far(outputs))
        assume(all(abs(node.data) < 1e6 for y in outputs for node in autograd.topological_sort(y)))
    check_function(jax, program, columns, program.of("p"), upstream)


def check_function(
    jax: Any, build: Callable[..., Any], columns: Any, parameters: Sequence[Any], upstream: Any = None
) -> None:
    """A function of inputs and parameters beside the eager numbers of every lane; recorded at other inputs."""
    columns = np.asarray(columns, float)
    output, xs, ps = record(build, [0.5] * columns.shape[1], parameters)
    plan = autograd.replay(output, xs, ps)
    right = eager(build, columns, parameters, upstream)
    values, gradients = numpys(*jax.jit(plan.to_jax())(plan.parameters, columns, upstream=upstream))
    one = isinstance(output, Value)
    close(values, right.values[0] if one else right.values, right.value_terms[0] if one else right.value_terms)
    close(gradients, total(right.lane_gradients), total(right.lane_terms), what="gradients")


@peers
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.__name__)
def test_layers_in_every_way(jax: Any, layer: Layer) -> None:
    draw = np.random.default_rng(5)
    check_function(jax, used_all(layer), draw.normal(size=(5, 4)), draw.normal(size=15))


@peers
@pytest.mark.parametrize("lanes", [1, 2, 33])
def test_networks(jax: Any, lanes: int) -> None:
    draw = random.Random(1)
    model = nn.MLP(3, [8, 5, 2], activation="tanh", rng=draw)

    def losses(xs: list[Value], ps: list[Value]) -> list[Value]:
        scores = model(xs)
        return [autograd.softmax_cross_entropy(scores, 1), autograd.logsumexp(scores), xs[0], ps[0]]

    columns = np.random.default_rng(2).normal(size=(lanes, 3))
    check_function(jax, losses, columns, model.parameters(), upstream=[[1.0], [-0.5], [2.0], [0.25]])


def attention(xs: Sequence[Any], ps: Sequence[Any], positions: int, width: int) -> Any:
    """Every position looks back over those before it: sums of every length."""
    matrices = [[ps[i + j * width : i + (j + 1) * width] for j in range(width)] for i in range(0, len(ps), width**2)]
    rows = [xs[i * width : (i + 1) * width] for i in range(positions)]
    query, key, value = [[[autograd.dot(w, x) for w in matrix] for x in rows] for matrix in matrices[:3]]
    loss = []
    for i in range(positions):
        powers = [autograd.exp(autograd.dot(query[i], key[j]) / width) for j in range(i + 1)]
        of_all = sum(powers)
        taken = [sum(p / of_all * value[j][c] for j, p in enumerate(powers)) for c in range(width)]
        loss.append(sum(x + autograd.tanh(t) for x, t in zip(rows[i], taken)))
    return sum(loss) / positions


@peers
@pytest.mark.parametrize("positions", [1, 2, 7, 24])
def test_attention(jax: Any, positions: int) -> None:
    draw = np.random.default_rng(3)
    build = lambda xs, ps: attention(xs, ps, positions, 2)
    check_function(jax, build, draw.normal(size=(3, positions * 2)), draw.normal(size=12))


def pairs(xs: Sequence[Any], ps: Sequence[Any]) -> Any:
    """Irregular reads, and rows used from never to very often."""
    draw = random.Random(len(ps))
    used = [ps[min(int(draw.expovariate(0.3)), len(ps) - 1)] for _ in range(6 * len(ps))]
    products = [p.tanh() * draw.choice([*xs, *ps]).sin() for p in used]
    return autograd.prod(products[:3]) + sum(autograd.maximum(p, q) for p, q in zip(products, products[5:]))


@peers
@pytest.mark.parametrize("count", [3, 40, 300])
def test_rows_in_no_order(jax: Any, count: int) -> None:
    draw = np.random.default_rng(4)
    check_function(jax, pairs, draw.normal(size=(3, 2)), draw.normal(size=count))


@peers
def test_leaves_in_special_places(jax: Any) -> None:
    """Outputs that are leaves, one leaf as input and parameter, parameters that are not in the graph, no parameters."""
    x, w, unused = leaves_of([2.0, 3.0, 4.0])
    columns = np.array([[1.0], [2.0], [4.0]])
    for outputs, inputs, parameters in (
        (x, [x], [w]),
        (w, [], [w]),
        (x * w, [x], [x, w, unused]),
        ([x, w, w, x * w], [x], [unused, x, w]),
        ((x * 3).tanh(), [x], []),
        (x * x + w, [x], [x]),
    ):
        plan = autograd.replay(outputs, inputs, parameters)
        given = columns if inputs else None
        right = plan(given, upstream=2.0)
        values, gradients = plan.to_jax()(plan.parameters, given, upstream=2.0)
        agree(values, right.values)
        agree(gradients, right.gradients)


@peers
def test_one_input_may_be_a_row_of_lanes(jax: Any) -> None:
    x, w = leaves_of([2.0, 3.0])
    plan = autograd.replay(x * w, [x], [w])
    values, gradients = plan.to_jax()([3.0], [1.0, 2.0])
    agree(values, [3.0, 6.0])
    agree(gradients, [3.0])


# ---- inputs that are bound -----------------------------------------------------------------------------------------------


def table_of_rows() -> tuple[Any, list[Value], list[Value]]:
    """A table of five rows of two numbers, two of which are read, and two inputs that are not bound."""
    table, weights = leaves_of(np.linspace(-1, 1, 10)), leaves_of([0.5, -1.5, 2.0])
    xs = leaves_of([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    first, y, second, z = xs[:2], xs[2], xs[3:5], xs[5]
    output = (weights[0] * first[0] * second[1] + weights[1] * second[0] * y).tanh() + weights[2] * first[1] * z
    return autograd.replay(output, xs, [*weights, *table]), first + second, xs


@peers
@pytest.mark.parametrize("upstream", [None, 2.0, [1.0, -2.0, 0.5, 4.0]])
def test_bound_inputs(jax: Any, upstream: Any) -> None:
    plan, bound, xs = table_of_rows()
    columns = np.random.default_rng(6).normal(size=(4, len(xs)))
    positions = 3 + np.array([[0, 1, 8, 9], [2, 3, 2, 3], [0, 1, 0, 1], [4, 5, 0, 1]])  # rows used twice, and never
    right = plan(columns, bind=dict(zip(bound, positions.T)), upstream=upstream)
    f = plan.to_jax(bind=bound)
    for function in (f, jax.jit(f)):
        values, gradients = function(plan.parameters, columns, positions, upstream=upstream)
        agree(values, right.values)
        agree(gradients, right.gradients)
    columns[:, [xs.index(x) for x in bound]] = np.nan  # they are not looked at
    agree(f(plan.parameters, columns, positions, upstream=upstream)[1], right.gradients)
    reordered = plan.to_jax(bind=bound[::-1])(plan.parameters, columns, positions[:, ::-1], upstream=upstream)
    agree(reordered[1], right.gradients)


@peers
def test_all_inputs_bound(jax: Any) -> None:
    x, y, w = leaves_of([1.0, 2.0, 3.0])
    table = leaves_of([0.5, 0.25, -1.0])
    plan = autograd.replay(x * y * w, [x, y], [w, *table])
    positions = np.array([[1, 2], [3, 3]])
    right = plan(None, bind={x: positions[:, 0], y: positions[:, 1]})
    values, gradients = plan.to_jax(bind=[x, y])(plan.parameters, None, positions)
    agree(values, right.values)
    agree(gradients, right.gradients)


@peers
@pytest.mark.parametrize("outside", [-1, 13, 10**6])
def test_a_position_outside_the_parameters_gives_nan(jax: Any, outside: int) -> None:
    plan, bound, xs = table_of_rows()
    f = plan.to_jax(bind=bound)
    positions = np.array([[3, 4, 5, 6], [3, 4, outside, 6]])
    values, gradients = f(plan.parameters, np.ones((2, len(xs))), positions)
    assert np.isnan(values).tolist() == [False, True]
    assert np.isnan(gradients).all()


# ---- branches ------------------------------------------------------------------------------------------------------------


def branching(x: Value, w: Value) -> Value:
    if x > 0:
        return autograd.where(x > w, x * w, x + w)
    return -x if w <= x else x * x


@peers
def test_lanes_that_take_another_branch_are_nan(jax: Any) -> None:
    x, w = leaves_of([1.0, 2.0])
    with autograd.record():
        output = branching(x, w)
    plan = autograd.replay(output, [x], [w], otherwise=lambda xs: branching(xs[0], w))
    f = jax.jit(plan.to_jax())
    values, gradients = f(plan.parameters, [[1.0], [3.0], [0.5]])  # `where` is decided anew: no branch
    agree(values, [3.0, 6.0, 2.5])
    agree(gradients, [1.0 + 3.0 + 1.0])
    values, gradients = f(plan.parameters, [[1.0], [-1.0], [0.5], [np.nan]])
    np.testing.assert_array_equal(values, [3.0, np.nan, 2.5, np.nan])
    np.testing.assert_array_equal(gradients, [np.nan])


@peers
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_every_comparison_is_watched(jax: Any, sign: float) -> None:
    """Between inputs, parameters and both, with every sign; recorded as true and as false."""
    x, y, w, c = leaves_of([1.0, 2.0, 3.0, 4.0])
    numbers = {x: 1.0, y: 2.0, w: 3.0, c: 4.0}
    with autograd.record():
        output = x * y * w * c
        for left, right in ((x, y), (w, x), (y, c), (w, c)):
            for compare in (Value.__lt__, Value.__ge__):
                bool(compare(left * sign, right * sign))
    plan = autograd.replay(output, [x, y], [w, c])
    f = jax.jit(plan.to_jax())

    def branch(**changed: float) -> bool:
        at = {**numbers, **{leaf: changed.get(name, numbers[leaf]) for name, leaf in zip("xywc", (x, y, w, c))}}
        columns, parameters = np.array([[1.0, 2.0], [at[x], at[y]]]), np.array([at[w], at[c]])
        plan.parameters[:] = parameters
        try:
            plan(columns)
        except autograd.BranchError as error:
            lanes = list(error.lanes)
        else:
            lanes = []
        values, gradients = f(parameters, columns)
        assert np.flatnonzero(np.isnan(values)).tolist() == lanes
        assert np.isnan(gradients).all() == bool(lanes)
        return bool(lanes)

    assert not branch()
    assert branch(x=5.0) and branch(y=4.5) and branch(w=0.5) and branch(c=1.5)
    assert branch(x=2.0) == branch(y=4.0) == (sign > 0)  # equal is not less


# ---- as a function of JAX ------------------------------------------------------------------------------------------------


def perceptron(sizes: Sequence[int] = (2, 8, 8, 1)) -> Any:
    model = nn.MLP(sizes[0], sizes[1:], rng=random.Random(1))
    xs, y = leaves_of([0.3] * sizes[0]), Value(1.0)
    with autograd.record():
        output = (1 - y * model(xs)).relu()
    return autograd.replay(output, [*xs, y], model.parameters())


COLUMNS = np.random.default_rng(8).normal(size=(24, 3))


@peers
def test_vmap_over_parameters_and_over_batches(jax: Any) -> None:
    plan = perceptron()
    f = plan.to_jax()
    stack = np.random.default_rng(9).normal(size=(4, len(plan.parameters)))
    values, gradients = jax.jit(jax.vmap(f, in_axes=(0, None)))(stack, COLUMNS)
    for row, found, slopes in zip(stack, values, gradients, strict=True):
        plan.parameters[:] = row
        right = plan(COLUMNS)
        agree(found, right.values)
        agree(slopes, right.gradients, 1e-11)
    batches = COLUMNS.reshape(4, 6, 3)
    values, gradients = jax.vmap(f, in_axes=(None, 0))(plan.parameters, batches)
    agree(values.reshape(-1), right.values)
    agree(gradients.sum(0), right.gradients, 1e-11)


@peers
def test_it_depends_on_its_arguments_alone(jax: Any) -> None:
    x, w, c = leaves_of([1.0, 2.0, 3.0])
    plan = autograd.replay(x * w + c, [x], [w])
    f = plan.to_jax()
    parameters, columns = np.array([2.0]), np.array([[1.0], [2.0]])
    before = f(parameters, columns)
    plan.parameters[:] = 7.0
    c.data = 100.0
    plan.read()
    plan(columns)
    for ours, theirs in zip(f(parameters, columns), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(before[0], [5.0, 7.0])
    assert parameters.tolist() == [2.0] and columns.tolist() == [[1.0], [2.0]]
    assert plan.parameters.tolist() == [2.0]  # `read` took the leaf's number


@peers
def test_plans_are_functions_of_their_own(jax: Any) -> None:
    """Also under jit, which keeps what it compiled by function."""
    x = Value(1.0)
    first, second = (jax.jit(autograd.replay(y, [x]).to_jax()) for y in (x * 2, x * 3))
    assert [float(f([], [[1.0]])[0][0]) for f in (first, second, first)] == [2.0, 3.0, 2.0]


@peers
def test_the_number_of_lanes_is_that_of_the_columns(jax: Any) -> None:
    plan = perceptron()
    f = jax.jit(plan.to_jax())
    for lanes in (1, 2, 24):
        right = plan(COLUMNS[:lanes])
        values, gradients = f(plan.parameters, COLUMNS[:lanes])
        agree(values, right.values)
        agree(gradients, right.gradients, 1e-11)


@peers
def test_float32(jax: Any) -> None:
    plan = perceptron()
    f, right = jax.jit(plan.to_jax()), plan(COLUMNS)
    found = [f(plan.parameters.astype(np.float32), COLUMNS)]
    with jax.enable_x64(False):
        found.append(f(plan.parameters, COLUMNS))
    for values, gradients in found:
        assert values.dtype == gradients.dtype == np.float32
        np.testing.assert_allclose(values, right.values, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(gradients, right.gradients, rtol=1e-4, atol=1e-4)
    values, gradients = f(plan.parameters, COLUMNS.astype(np.float32))
    assert values.dtype == gradients.dtype == np.float64


@peers
@every_rule
def test_every_rule_in_float32(jax: Any, rule: Rule) -> None:
    """Its constants, too, are of the parameters' type."""
    fan = fans(rule)[-1]
    leaves = [Value(x) for x in ordinary_points(rule, fan, 1)[0]]
    plan = autograd.replay(engine.record(rule, tuple(leaves)) * 1.5 + 0.25, leaves[1:], leaves)
    columns = [[x.data for x in leaves[1:]]]
    found = jax.eval_shape(plan.to_jax(), plan.parameters.astype(np.float32), columns)
    assert [(x.shape, x.dtype) for x in found] == [((1,), np.float32), ((fan,), np.float32)]


@peers
def test_whole_numbers_as_parameters(jax: Any) -> None:
    x, w = leaves_of([1.0, 2.0])
    values, gradients = autograd.replay(x / w, [x], [w]).to_jax()(np.array([4]), np.array([[1], [2]]))
    agree(values, [0.25, 0.5])
    agree(gradients, [-3 / 16])


def equations(jaxpr: Any) -> int:
    """How many equations there are, those of inner functions included."""
    inner = [x for eqn in jaxpr.eqns for x in eqn.params.values() if hasattr(x, "jaxpr") or hasattr(x, "eqns")]
    return len(jaxpr.eqns) + sum(equations(getattr(x, "jaxpr", x)) for x in inner)


def count_of(jax: Any, plan: Any) -> int:
    lanes = np.zeros((5, len(plan.inputs)))
    return equations(jax.make_jaxpr(plan.to_jax())(plan.parameters, lanes).jaxpr)


@peers
def test_what_is_compiled_grows_with_levels_not_with_nodes(jax: Any) -> None:
    narrow, wide, deep = perceptron((2, 8, 8, 1)), perceptron((2, 80, 80, 1)), perceptron((2, *[8] * 8, 1))
    assert len(wide.steps.nodes) > 20 * len(narrow.steps.nodes)
    assert count_of(jax, wide) == count_of(jax, narrow)
    assert count_of(jax, narrow) < count_of(jax, deep) < 5 * count_of(jax, narrow)


@peers
def test_irregular_graphs_too_grow_with_levels(jax: Any) -> None:
    def recorded(build: Callable[..., Any], inputs: int, parameters: int) -> Any:
        output, xs, ps = record(build, [0.5] * inputs, np.linspace(-1, 1, parameters).tolist())
        return autograd.replay(output, xs, ps)

    small, large = recorded(pairs, 3, 30), recorded(pairs, 3, 600)
    assert len(large.steps.nodes) > 15 * len(small.steps.nodes)
    assert count_of(jax, large) < 1.3 * count_of(jax, small)
    several = lambda count: lambda xs, ps: [x.tanh() * ps[i % 2] for i, x in enumerate(xs * count)] + ps * count
    assert count_of(jax, recorded(several(400), 3, 7)) < 1.3 * count_of(jax, recorded(several(40), 3, 7))
    look = lambda positions: lambda xs, ps: attention(xs, ps, positions, 4)
    short, long = recorded(look(8), 32, 48), recorded(look(24), 96, 48)
    assert len(long.steps.nodes) > 4 * len(short.steps.nodes)
    assert count_of(jax, long) < 1.3 * count_of(jax, short)


# ---- rows ----------------------------------------------------------------------------------------------------------------


@st.composite
def regular(draw: st.DrawFn) -> tuple[int, Array]:
    """Rows as up to three loops in any order, with gaps, repeated; and the size of an array that has them."""
    counts = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    step, steps = draw(st.integers(1, 2)), []
    for count in counts:
        steps.append(step)
        step = step * count + draw(st.sampled_from([0, 0, step, 2 * step, 1]))
    loops = list(zip(counts, steps)) + [(draw(st.integers(2, 3)), 0)] * draw(st.integers(0, 1))
    rows = np.zeros(1, int)
    for count, step in draw(st.permutations(loops)):
        rows = (rows[:, None] + step * np.arange(count)).ravel()
    rows = rows + draw(st.integers(0, 3))
    return int(rows.max()) + 1 + draw(st.integers(0, 3)), rows


class Lax:
    """The few functions of jax.lax that rows are taken with, on NumPy arrays."""

    concatenate, transpose = np.concatenate, np.transpose
    GatherDimensionNumbers, GatherScatterMode = dict, SimpleNamespace(PROMISE_IN_BOUNDS=None)

    @staticmethod
    def slice_in_dim(array: Array, low: int, high: int, step: int) -> Array:
        assert 0 <= low < high <= len(array)
        return array[low:high:step]

    @staticmethod
    def slice(array: Array, starts: Sequence[int], stops: Sequence[int]) -> Array:
        assert all(0 <= low < high <= size for low, high, size in zip(starts, stops, array.shape, strict=True))
        return array[tuple(map(slice, starts, stops))]

    @staticmethod
    def broadcast_in_dim(array: Array, shape: Sequence[int], kept: Sequence[int]) -> Array:
        assert list(kept) == sorted(kept)
        return np.broadcast_to(np.expand_dims(array, tuple({*range(len(shape))} - {*kept})), shape)

    @staticmethod
    def gather(array: Array, table: Any, how: Any, sizes: Any, mode: Any) -> Array:
        assert table.min() >= 0
        return array[table[:, 0]]


NUMPY = SimpleNamespace(lax=Lax)  # in the place of the module jax


@given(regular(), st.integers(1, 2))
def test_regular_rows_are_views(case: tuple[int, Array], lanes: int) -> None:
    size, rows = case
    view = view_of(rows, size)
    if view is not None:
        array = np.arange(size * lanes).reshape(size, lanes)
        np.testing.assert_array_equal(view(NUMPY, array), array[rows])


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8))
def test_a_view_of_any_rows_is_right_if_there_is_one(rows: list[int]) -> None:
    view = view_of(np.array(rows), 10)
    if view is not None:
        np.testing.assert_array_equal(view(NUMPY, np.arange(10)[:, None])[:, 0], rows)


def test_which_rows_are_views() -> None:
    """Blocks of rows, columns of a matrix, rows in another order, all of these repeated."""
    i, j, k = np.ix_(range(4), range(3), range(2))
    for rows in (
        i * 6 + j * 2 + k, j * 8 + i * 2 + k, i * 5 + 0 * j + k + 1, 3 * i, 0 * i + j, i * 7 + j + 4 + 0 * k, 0 * i + 5,
        i * 24 + j * 8 + k * 4 + 2,
    ):  # fmt: skip
        full = np.broadcast_to(rows, (4, 3, 2)).ravel()
        assert view_of(full, int(full.max()) + 4), full
    assert view_of(np.arange(3, 20, 4), 20) and view_of(np.arange(2, 5), 5) and view_of(np.array([4]), 5)
    for rows in ([3, 1, 2], [3, 2, 1], [0, 1, 1, 2, 2, 3], [0, 1, 2, 5]):
        assert view_of(np.array(rows), 6) is None


@given(st.data())
def test_rows_of_several_arrays(data: st.DataObject) -> None:
    """In pieces, by one table, whole."""
    sizes = dict(enumerate(data.draw(st.lists(st.integers(1, 30), min_size=1, max_size=4))))
    arrays = {i: np.arange(2 * size).reshape(size, 2) + 1000 * i for i, size in sizes.items()}
    pieces = data.draw(st.lists(st.tuples(st.sampled_from([*sizes]), st.integers(1, 5)), min_size=1, max_size=30))
    sources, rows = [], []
    for i, length in pieces:
        start = data.draw(st.integers(0, max(0, sizes[i] - length)))
        own = range(start, min(start + length, sizes[i]))
        sources += [i] * len(own)
        rows += own
    found = Taken(sizes, np.array(sources), np.array(rows))(NUMPY, arrays)
    np.testing.assert_array_equal(found, [arrays[i][row] for i, row in zip(sources, rows)])


@st.composite
def sent(draw: st.DrawFn) -> tuple[int, list[tuple[int, Array, Array]], list[int]]:
    """Parts: which of their rows go where; columns of one matrix among them, and parts for the same rows."""
    count, parts, sizes = draw(st.integers(1, 24)), [], []
    for i in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(["any", "often", "columns", "all", "same", "backwards"]))
        if kind == "columns":
            width = draw(st.integers(1, 6))
            start = draw(st.integers(0, width - 1))
            targets = np.flatnonzero((np.arange(count) % width >= start) & (np.arange(count) % width < start + 2))
        elif kind == "same" and parts:
            targets = parts[-1][2]
        elif kind == "often":
            targets = np.repeat(draw(st.integers(0, count - 1)), draw(st.integers(1, 3000)))
        elif kind == "any":
            targets = np.array(draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=30)))
        else:
            targets = np.arange(count)[:: -1 if kind == "backwards" else 1]
        targets = targets if len(targets) else np.array([0])
        unused = draw(st.integers(0, 2))
        parts.append((i, np.arange(len(targets)) + unused, targets))
        sizes.append(len(targets) + unused)
    return count, parts, sizes


@given(sent())
def test_sums_of_parts(case: Any) -> None:
    """Beside adding one by one."""
    count, parts, sizes = case
    arrays = {i: np.random.default_rng(i).integers(-9, 9, (size, 2)).astype(float) for i, size in enumerate(sizes)}
    right = np.zeros((count, 2))
    for i, rows, targets in parts:
        np.add.at(right, targets, arrays[i][rows])
    collect = Collected(dict(enumerate(sizes)), parts, count)
    np.testing.assert_array_equal(collect(NUMPY, {**arrays, ZERO: np.zeros((1, 2))}), right)


def test_weights_and_biases_are_laid_side_by_side() -> None:
    """As they lie in a layer, neuron by neuron; two layers of one size, and one of another."""
    own = np.arange(5)[:, None] * 4 + np.arange(3), np.arange(5) * 4 + 3
    last = 40 + np.arange(2)[:, None] * 6 + np.arange(5), 40 + np.arange(2) * 6 + 5
    reached = [x.ravel() for x in (*own, own[0] + 20, own[1] + 20, *last)]
    pieces = side_by_side(reached)
    assert [piece.groups for piece in pieces] == [[0, 1], [2, 3], [4, 5]]
    assert [(piece.rows[0], len(piece.rows)) for piece in pieces] == [(0, 20), (20, 20), (40, 12)]
    assert [piece.groups for piece in side_by_side(reached[:1] + reached[3:])] == [[2, 3], [0], [1]]
    assert len(side_by_side([np.arange(0, 20, 4), np.arange(3, 20, 4)])) == 2  # two columns are missing between them
    assert len(side_by_side([np.arange(0, 20, 4), np.arange(1, 24, 4)])) == 2  # not of one length


def test_tables_stay_as_large_as_what_is_in_them() -> None:
    """Where one sum is long and many are short."""
    targets = np.concatenate([np.zeros(10_000, int), np.arange(5_000)])
    rows = np.arange(len(targets))
    summed = Summed({0: len(rows)}, 0 * rows, rows, targets, 5_000)
    assert len(summed.tables) == 2
    array = np.ones((len(rows), 1))
    np.testing.assert_array_equal(summed(NUMPY, {0: array, ZERO: np.zeros((1, 1))})[:, 0], np.bincount(targets))


# ---- many devices --------------------------------------------------------------------------------------------------------

ON_EIGHT_DEVICES = """
    import random
    import jax, numpy as np
    jax.config.update("jax_enable_x64", True)
    from jax.sharding import Mesh, NamedSharding, PartitionSpec
    import autograd, nn
    from autograd import Value

    assert len(jax.devices()) == 8
    model = nn.MLP(2, [8, 8, 1], rng=random.Random(1))
    xs, y = [Value(0.3), Value(0.2)], Value(1.0)
    with autograd.record():
        loss = (1 - y * model(xs)).relu() + autograd.logsumexp([*xs, y])
    plan = autograd.replay(loss, [*xs, y], model.parameters())
    columns = np.random.default_rng(8).normal(size=(64, 3))
    mesh = Mesh(np.array(jax.devices()), ("lanes",))
    along = NamedSharding(mesh, PartitionSpec("lanes"))
    for lanes_as in (along, NamedSharding(mesh, PartitionSpec("lanes", None))):
        spread = jax.device_put(columns, lanes_as)
        parameters = jax.device_put(plan.parameters, NamedSharding(mesh, PartitionSpec()))
        f = jax.jit(plan.to_jax())
        values, gradients = f(parameters, spread)
        right = plan(columns)
        np.testing.assert_allclose(values, right.values, rtol=1e-12)
        np.testing.assert_allclose(gradients, right.gradients, rtol=1e-11, atol=1e-14)
        assert values.sharding.is_equivalent_to(along, 1), values.sharding
        assert {shard.data.shape for shard in values.addressable_shards} == {(8,)}
        assert {shard.device for shard in values.addressable_shards} == set(jax.devices())
        assert gradients.sharding.is_fully_replicated
        text = f.lower(parameters, spread).compile().as_text()
        assert "all-reduce" in text and "all-gather" not in text and "all-to-all" not in text

    bound = plan.to_jax(bind=xs)  # two of the inputs are parameters, others in every lane
    positions = np.random.default_rng(3).integers(0, len(plan.parameters), (64, 2))
    right = plan(columns, bind=dict(zip(xs, positions.T)))
    values, gradients = jax.jit(bound)(parameters, spread, jax.device_put(positions, lanes_as))
    np.testing.assert_allclose(values, right.values, rtol=1e-12)
    np.testing.assert_allclose(gradients, right.gradients, rtol=1e-11, atol=1e-14)
    assert values.sharding.is_equivalent_to(along, 1), values.sharding
    print("eight")
"""


@peers
def test_a_batch_over_eight_devices() -> None:
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
    code = textwrap.dedent(ON_EIGHT_DEVICES)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "eight\n"


# ---- what is no good input -----------------------------------------------------------------------------------------------


@peers
def test_bad_arguments(jax: Any) -> None:
    plan, bound, xs = table_of_rows()
    f, g = plan.to_jax(), plan.to_jax(bind=bound)
    good = np.zeros((4, 6))
    for call, error, message in (
        (lambda: plan.to_jax(bind=[plan.leaves[0]]), ValueError, "not among the inputs"),
        (lambda: plan.to_jax(bind=["x"]), ValueError, "not among the inputs"),
        (lambda: plan.to_jax(bind=[xs[0], xs[0]]), ValueError, "twice"),
        (lambda: f(plan.parameters[:-1], good), ValueError, "13 parameters, got an array of shape \\(12,\\)"),
        (lambda: f(plan.parameters, np.zeros((4, 5))), ValueError, "lanes x 6 inputs, got one of shape \\(4, 5\\)"),
        (lambda: f(plan.parameters, np.zeros((0, 6))), ValueError, "lanes x 6 inputs"),
        (lambda: f(plan.parameters, np.zeros(6)), ValueError, "lanes x 6 inputs"),
        (lambda: f(plan.parameters, good * 1j), TypeError, "real numbers"),
        (lambda: f(plan.parameters * 1j, good), TypeError, "real numbers"),
        (lambda: f(plan.parameters, None), ValueError, "columns are missing"),
        (lambda: f(plan.parameters, good, upstream=np.ones(3)), ValueError, "upstream.*\\(4,\\)"),
        (lambda: g(plan.parameters, None, np.zeros((4, 4), int)), ValueError, "columns are missing: 4 of 6"),
        (lambda: g(plan.parameters, good, np.zeros((4, 3), int)), ValueError, "4 lanes x 4 bound inputs"),
        (lambda: g(plan.parameters, good, np.zeros((3, 4), int)), ValueError, "4 lanes x 4 bound inputs"),
        (lambda: g(plan.parameters, good, np.zeros((4, 4))), TypeError, "integers"),
    ):
        with pytest.raises(error, match=message):
            call()
