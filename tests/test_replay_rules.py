"""Replay of every rule: read with arrays, lane by lane what the engine gives, at ordinary points and at the edges.

The tests are made from the rules; a new operation needs nothing here. How near replay must be to the engine: the engine's
own distance from mathematics (`references.py`) and, since NumPy's functions may be 4 units in the last place off where the
C library's are at most 1, `WITHIN` units more.
"""

import functools
import random
from collections.abc import Callable, Iterator, Sequence
from itertools import product as combinations
from math import inf, isfinite, nan
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from mpmath import mpf
from references import reference
from replaying import Array, same
from test_rules import EVERY, EXTREMES, NAMES, domain_points, extreme_operands, swept

import autograd
from autograd import Rule, Value, operation
from autograd.engine import Constant, blank, record

WITHIN = 6
GREATEST = 1.7976931348623157e308
Points = Sequence[tuple[float, ...]]

every_rule = pytest.mark.parametrize("rule", EVERY, ids=NAMES)
FANS = {"dot": (2, 4, 6, 10), None: (1, 2, 3, 7)}  # how many operands an n-ary rule is given


def fans(rule: Rule) -> Sequence[int]:
    if rule.arity:
        return (rule.arity,)
    least = rule.parameters[0] + 1 if rule.parameters else 1
    return [fan for fan in FANS.get(rule.name, FANS[None]) if fan >= least]


def ordinary_points(rule: Rule, fan: int, count: int = 9) -> Points:
    """Points of the rule's domain."""
    if rule.arity:
        return domain_points(rule, count, "replay")
    draw = random.Random(f"replay {rule.name} {fan}")
    return [tuple([draw.uniform(-3, 3) for _ in range(fan)]) for _ in range(count)]


def edge_points(rule: Rule) -> Points:
    """Kinks, poles, infinities, NaN, the ends of the domain: the table of edges, and every extreme with every other."""
    table = [at if isinstance(at, tuple) else (at,) for at, _ in reference(rule).edges]
    points = list(extreme_operands(rule))
    points = table + (points if rule.arity in (1, 2) else random.Random(2).sample(points, 400))
    return [xs for xs in points if not overflows_on_the_way(rule, xs)]


def overflows_on_the_way(rule: Rule, xs: tuple[float, ...]) -> bool:
    """Whether a sum of floats, which the engine adds up exactly, has terms that are too large to add in their order."""
    if rule.name not in ("sum", "dot"):
        return False
    half = len(xs) // 2
    terms = xs if rule.name == "sum" else [x * y for x, y in zip(xs[:half], xs[half:])]
    return sum(abs(term) for term in terms if isfinite(term)) == inf


@functools.cache
def engine(rule: Rule, xs: tuple[str, ...]) -> tuple[float, tuple[float, ...]]:
    """Value and gradients of the engine, the operands given as `float.hex` gives them: 0.0 is not -0.0."""
    value, grads = swept(rule, tuple(map(float.fromhex, xs)))
    return value, tuple(grads)


def lanes_of(rule: Rule, points: Points) -> tuple[Array, Array]:
    """The engine's values (lanes,) and gradients (lanes, operands)."""
    found = [engine(rule, tuple(map(float.hex, xs))) for xs in points]
    return np.array([value for value, _ in found]), np.array([grads for _, grads in found])


def sizes(rule: Rule, points: Points, values: Array, slopes: Array) -> tuple[Array, Array]:
    """What one unit in the last place is measured of: values and slopes, or what they are the sum of, if larger."""
    entry = reference(rule)
    terms = np.zeros(len(points))
    if entry.terms:
        with mp.workdps(30):
            for lane, xs in enumerate(points):
                if all(map(isfinite, xs)):
                    try:
                        terms[lane] = min(mp.fsum(map(abs, entry.terms(*map(mpf, xs)))), GREATEST)
                    except ArithmeticError:
                        terms[lane] = np.nan_to_num(abs(values[lane]), nan=0.0, posinf=0.0)
    return np.fmax(np.fmax(np.abs(values), entry.least), terms), np.fmax(np.abs(slopes), entry.floor)


def allowed(rule: Rule, points: Points) -> tuple[Array, Array]:
    """Units in the last place by which the values and slopes of replay and engine may differ."""
    entry = reference(rule)
    slack = np.zeros(len(points))
    if entry.slack:
        for lane, xs in enumerate(points):
            slack[lane] = float(entry.slack(*xs)) if all(map(isfinite, xs)) else 0.0
    return entry.values_within + WITHIN + slack, (entry.slopes_within + WITHIN + slack)[:, None]


def within_units(got: Any, right: Array, size: Array, units: Any, points: Points, what: str) -> None:
    """`got` is `right`, NaN where NaN, or finite and no more units from it than allowed."""
    assert isinstance(got, np.ndarray) and got.dtype == np.float64
    assert got.shape == right.shape
    with np.errstate(all="ignore"):
        unit = np.spacing(np.minimum(np.abs(np.nan_to_num(size, nan=0.0, posinf=GREATEST)), GREATEST))
        fine = (got == right) | (np.isnan(got) & np.isnan(right)) | (np.abs(got - right) <= units * unit)
    if not fine.all():
        at = tuple(np.argwhere(~fine)[0])
        raise AssertionError(
            f"{what} at {points[at[0]]}: got {got[at]!r}, the engine {right[at]!r} ({(~fine).sum()} such)"
        )


def replayed(rule: Rule, kinds: Sequence[str], at: Sequence[float]) -> tuple[Any, list[int], list[int]]:
    """A plan of one node; each operand an "input", a "parameter" or a "constant". Which operands are which."""
    leaves = [blank(Constant, x) if kind == "constant" else Value(x) for kind, x in zip(kinds, at, strict=True)]
    inputs = [i for i, kind in enumerate(kinds) if kind == "input"]
    parameters = [i for i, kind in enumerate(kinds) if kind == "parameter"]
    plan = autograd.replay(record(rule, tuple(leaves)), [leaves[i] for i in inputs], [leaves[i] for i in parameters])
    return plan, inputs, parameters


def check_points(rule: Rule, kinds: Sequence[str], points: Points, upstream: Any = None) -> None:
    """Points that agree in all but the inputs, as the lanes of one call."""
    plan, inputs, parameters = replayed(rule, kinds, points[0])
    # recorded at other numbers: what is replayed is the plan's parameters and the columns
    plan.parameters[:] = [points[0][i] for i in parameters]
    columns = np.array(points)[:, inputs]
    result = plan(columns, upstream=upstream, lane_gradients=True, input_gradients=True)
    values, slopes = lanes_of(rule, points)
    size, slope_size = sizes(rule, points, values, slopes)
    units, slope_units = allowed(rule, points)
    within_units(result.values, values, size, units, points, "values")
    within_units(result.lane_gradients, slopes[:, parameters], slope_size[:, parameters], slope_units, points, "lanes")
    within_units(result.input_gradients, slopes[:, inputs], slope_size[:, inputs], slope_units, points, "inputs")
    with np.errstate(all="ignore"):
        right = result.lane_gradients.sum(axis=0)
        fine = np.abs(result.gradients - right) <= 1e-15 * len(points) * np.abs(result.lane_gradients).sum(axis=0)
    assert (fine | (result.gradients == right) | (np.isnan(result.gradients) & np.isnan(right))).all()


def kinds_of(fan: int) -> Iterator[tuple[str, ...]]:
    """Which operands are inputs, parameters and constants: all ways for two, some for many."""
    if fan <= 2:
        for kinds in combinations(("input", "parameter", "constant"), repeat=fan):
            if set(kinds) != {"constant"}:
                yield kinds
        return
    yield ("input",) * fan
    yield ("parameter",) * fan
    yield tuple([("input", "parameter")[i % 2] for i in range(fan)])
    yield tuple([("parameter", "constant", "input")[i % 3] for i in range(fan)])
    yield ("parameter", *["input"] * (fan - 2), "constant")


def with_the_same(points: Points, kinds: Sequence[str]) -> Iterator[Points]:
    """The points in groups that differ in the inputs only: of each group one call."""
    fixed = [i for i, kind in enumerate(kinds) if kind != "input"]
    groups: dict[tuple[str, ...], dict[tuple[str, ...], tuple[float, ...]]] = {}
    for xs in points:
        groups.setdefault(tuple([xs[i].hex() for i in fixed]), {})[tuple(map(float.hex, xs))] = xs
    for group in groups.values():
        yield list(group.values())


def crossed(points: Points, kinds: Sequence[str]) -> Points:
    """Ordinary points, where what is no input is that of the first three: several lanes for each."""
    return [
        tuple([x if kind == "input" else y for x, y, kind in zip(xs, ys, kinds)]) for ys in points[:3] for xs in points
    ]


@every_rule
def test_ordinary_points(rule: Rule) -> None:
    for fan in fans(rule):
        points = ordinary_points(rule, fan)
        for kinds in kinds_of(fan):
            for group in with_the_same(crossed(points, kinds), kinds):
                check_points(rule, kinds, group)


@every_rule
def test_edges(rule: Rule) -> None:
    points = edge_points(rule)
    fan = len(points[0])
    kinds = {1: [("input",), ("parameter",)], 2: list(kinds_of(2))[:4]}.get(fan, [("input",) * fan])
    for ways in kinds:
        for group in with_the_same(points, ways):
            check_points(rule, ways, group)


@every_rule
def test_points_of_any_size(rule: Rule) -> None:
    from test_rules import sample_operands

    draw = random.Random(f"replay sizes {rule.name} {rule.parameters}")
    by_fan: dict[int, list[tuple[float, ...]]] = {}
    for _ in range(300):
        xs = sample_operands(rule, draw)
        if not overflows_on_the_way(rule, xs):
            by_fan.setdefault(len(xs), []).append(xs)
    for fan, points in by_fan.items():
        check_points(rule, ("input",) * fan, points)


@every_rule
def test_the_result_does_not_depend_on_the_other_lanes(rule: Rule) -> None:
    """SIMD or not, at the end of an array or in its middle: not more than a few units; an edge next to it changes nothing."""
    fan = fans(rule)[-1]
    points = ordinary_points(rule, fan, 5)
    plan, _, _ = replayed(rule, ("input",) * fan, points[0])
    alone = [plan(np.array([xs]), input_gradients=True) for xs in points]
    among = []
    for xs in points:
        for x in (nan, inf, -inf, 0.0):
            among += [xs, (x,) * fan]
    together = plan(np.array(among), input_gradients=True)
    values, slopes = lanes_of(rule, points)
    size, slope_size = sizes(rule, points, values, slopes)
    for start in (0, 2, 4, 6):
        picked = slice(start, None, 8)
        within_units(together.values[picked], np.array([r.values[0] for r in alone]), size, WITHIN, points, "values")
        within_units(
            together.input_gradients[picked],
            np.array([r.input_gradients[0] for r in alone]), slope_size, WITHIN, points, "slopes",
        )  # fmt: skip


# ---- R6: a choice sends nothing along the edge that it did not choose ------------------------------------------------

UPSTREAMS = (inf, -inf, nan, 0.0, -0.0, 1.5, GREATEST)
CHOICES = [rule for rule in EVERY if rule.choice]


@pytest.mark.parametrize("rule", CHOICES, ids=[NAMES[EVERY.index(rule)] for rule in CHOICES])
@pytest.mark.parametrize("kind", ["input", "parameter"])
def test_what_is_not_chosen_gets_exactly_nothing(rule: Rule, kind: str) -> None:
    """In every lane, whatever comes from upstream: as the engine has it, with each lane's upstream gradient as its own."""
    assert rule.arity
    points = [*combinations((-2.0, 0.0, -0.0, 3.0, inf, -inf, nan), repeat=rule.arity)]
    points = random.Random(3).sample(points, min(len(points), 100))
    for group in [points] if kind == "input" else [[xs] for xs in points]:
        lanes = [(xs, upstream) for xs in group for upstream in UPSTREAMS]
        right = []
        for xs, upstream in lanes:
            leaves = [Value(x) for x in xs]
            (record(rule, tuple(leaves)) * upstream).backward()
            right.append([leaf.grad for leaf in leaves])
        plan, _, _ = replayed(rule, (kind,) * rule.arity, group[0])
        columns = np.array([xs for xs, _ in lanes]) if kind == "input" else np.zeros((len(lanes), 0))
        weights = np.array([upstream for _, upstream in lanes])
        result = plan(columns, upstream=weights, lane_gradients=True, input_gradients=True)
        same(result.input_gradients if kind == "input" else result.lane_gradients, np.array(right))


def infinite_upstream(c: Value, x: Value, w: Value) -> list[Value]:
    """Nodes whose upstream gradient is infinite where they chose nothing, or a branch with an infinite slope."""
    return [
        x.relu().sqrt(),  # sqrt'(0) = inf
        x.relu() * w,
        autograd.maximum(x, w).log(),
        autograd.minimum(x.exp(), w),
        autograd.where(True, x, w).sqrt(),
        autograd.where(False, x * 3, w / 0.0),
        autograd.where(True, x, (w - w).sqrt()) * c,
        (x.relu() * w).relu().sqrt() + c,
    ]


@pytest.mark.parametrize("which", range(8))
def test_infinite_upstream_gradients_within_a_graph(which: int) -> None:
    numbers = (-1.0, 0.0, 2.0, inf, -inf)
    points = list(combinations((1.0, 0.0), numbers, numbers))
    leaves = [Value(0.5), Value(0.5), Value(0.5)]
    y = infinite_upstream(*leaves)[which]
    plan = autograd.replay([y, autograd.sum(leaves)], leaves)  # the second, of weight 0: every input is in the graph
    result = plan(np.array(points), upstream=[[1.0], [0.0]], input_gradients=True)
    for lane, point in enumerate(points):
        eagerly = [Value(x) for x in point]
        y = infinite_upstream(*eagerly)[which]
        same(result.values[0, lane], y.data)
        np.testing.assert_allclose(
            result.input_gradients[lane], autograd.gradients(y, eagerly), rtol=1e-15, err_msg=str(point)
        )


def test_an_infinite_upstream_gradient_of_a_leaf_that_is_input_and_parameter() -> None:
    x, w = Value(2.0), Value(1.0)
    plan = autograd.replay(x.relu().sqrt() * w, [x], [x, w])
    same(plan([-1.0, 0.0]).gradients, [0.0, 0.0])


def test_a_choice_of_many() -> None:
    """The greatest of three, as a rule of one's own: what is not the greatest gets exactly 0 from an infinite slope."""

    def greatest(xs: Any, out: Any) -> list[Any]:
        return [autograd.where(x >= out, 1, 0) for x in xs]

    top = operation(Rule("top", lambda *xs: autograd.maximum(xs[0], autograd.maximum(*xs[1:])), greatest, choice=True))
    leaves = [Value(1.0), Value(2.0), Value(7.0)]
    plan = autograd.replay([(top(leaves) - 3).sqrt(), (top([leaves[2], *leaves[:2]]) - 3).sqrt()], leaves, [])
    points = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [4.0, 3.0, 3.0]])
    right = [[0.0, 0.0, inf], [inf, 0.0, 0.0], [1.0, 0.0, 0.0]]
    same(plan(points, input_gradients=True).input_gradients, right)


# ---- rules of one's own ----------------------------------------------------------------------------------------------

CUBE = operation(Rule("cube", lambda x: x**3 + 1, (lambda x, out: 3 * x**2,)))
STEEP = operation(
    Rule(
        "steep",
        lambda x, y: autograd.where(x > y, autograd.exp(x - y), 2 * x * y + 0.5),
        (
            lambda x, y, out: autograd.where(x > y, out, 2 * y),
            lambda x, y, out: autograd.where(x > y, -out, 2 * x),
        ),
    )
)
SQUARES = operation(
    Rule("squares", lambda *xs: functools.reduce(lambda a, x: a + x * x, xs, 0.25), lambda xs, out: [2 * x for x in xs])
)
NEVER_MOVES = operation(Rule("still", lambda x: 0 * x + 3, (lambda x, out: 0,)))


@functools.cache
def bump(width: float, times: int) -> Callable[..., Any]:
    """A rule of one's own with parameters: made by a function, its partials close over them."""
    return operation(
        Rule(
            "bump",
            lambda x: times * autograd.tanh(width * x),
            (lambda x, out: times * width * (1 - (out / times) ** 2),),
            parameters=(width, times),
        )
    )


def of_ones_own(x: Value, y: Value, w: Value) -> Value:
    wide, narrow = bump(0.25, 2), bump(4.0, 1)
    first = STEEP(CUBE(x), w) + STEEP(w, y) * wide(x) - narrow(x + y)
    return first + SQUARES([x, y, w, 3.0]) * NEVER_MOVES(x) + wide(narrow(w))


def test_rules_of_ones_own() -> None:
    columns = np.random.default_rng(1).uniform(-1.5, 1.5, (9, 2))
    for weight in (-0.7, 0.4, 2.0):
        x, y, w = Value(0.1), Value(0.2), Value(weight)
        result = autograd.replay(of_ones_own(x, y, w), [x, y], [w])(columns, lane_gradients=True, input_gradients=True)
        for lane, row in enumerate(columns):
            leaves = [Value(float(row[0])), Value(float(row[1])), Value(weight)]
            out = of_ones_own(*leaves)
            *of_inputs, of_w = autograd.gradients(out, leaves)
            assert result.values[lane] == pytest.approx(out.data, rel=1e-14, abs=1e-14)
            assert list(result.input_gradients[lane]) == pytest.approx(of_inputs, rel=1e-13, abs=1e-13)
            assert result.lane_gradients[lane, 0] == pytest.approx(of_w, rel=1e-13, abs=1e-13)


RECKONED = {
    "product": Rule("product", lambda x, y: (x > 0) * y, (lambda x, y, out: 0, lambda x, y, out: x > 0)),
    "sum": Rule("sum", lambda x, y: (x > 0) + (y > 0), (lambda x, y, out: (x >= y) + (y >= x), lambda x, y, out: -(x > y))),
    "sign": Rule("sign", lambda x, y: (x > 0) - (x < 0), (lambda x, y, out: 1 - (x > y), lambda x, y, out: (x < y) / 2)),
    "bare": Rule("bare", lambda x, y: x <= y, (lambda x, y, out: (x > 0) & (y > 0), lambda x, y, out: abs(x < y))),
}  # fmt: skip


@pytest.mark.parametrize("name", RECKONED)
def test_comparisons_that_are_reckoned_with(name: str) -> None:
    """As Python's bools they are 1 and 0, in the place of any number."""
    rule = operation(RECKONED[name])
    x, y = Value(0.5), Value(1.0)
    plan = autograd.replay(rule(x, y), [x, y])
    points = [(1.5, 2.0), (2.0, 2.0), (-1.0, 3.0), (3.0, -1.0), (-2.0, -2.0), (0.0, 0.0)]
    result = plan(np.array(points), input_gradients=True)
    for lane, (a, b) in enumerate(points):
        same(result.values[lane], RECKONED[name].forward(a, b))
        out = result.values[lane]
        same(result.input_gradients[lane], [float(p(a, b, out)) for p in RECKONED[name].partials])


def test_rules_of_one_name_with_other_parameters_are_not_one() -> None:
    """Grouped by the rule itself, not by its name: as `**2` and `**3`, `leaky_relu(0.1)` and `leaky_relu(0.2)`."""
    xs = [Value(0.5) for _ in range(3)]
    x, y, z = xs
    parts = [
        x.leaky_relu(0.1), y.leaky_relu(0.2), z.leaky_relu(0.4), x**2, y**3, z**-1, x**2.0, y.elu(0.5), z.elu(1.5),
        bump(1.0, 1)(x), bump(2.0, 1)(y), bump(1.0, 3)(z), autograd.where(True, x, y), autograd.where(False, x, z),
        autograd.softmax_cross_entropy([x, y, z], 0), autograd.softmax_cross_entropy([x, y, z], 2),
    ]  # fmt: skip
    columns = np.array([[-1.0, -2.0, -3.0], [0.5, 0.25, -0.125], [1.0, 2.0, 4.0]])
    result = autograd.replay(parts, xs)(columns)
    for lane, (a, b, c) in enumerate(columns):
        right = [
            max(a, 0.1 * a), max(b, 0.2 * b), max(c, 0.4 * c), a**2, b**3, 1 / c, a**2,
            b if b > 0 else 0.5 * np.expm1(b), c if c > 0 else 1.5 * np.expm1(c),
            np.tanh(a), np.tanh(2 * b), 3 * np.tanh(c), a, c,
            np.log(np.exp([a, b, c]).sum()) - a, np.log(np.exp([a, b, c]).sum()) - c,
        ]  # fmt: skip
        np.testing.assert_allclose(result.values[:, lane], right, rtol=1e-14)


def test_edges_are_looked_at_in_every_rule() -> None:
    """The tables that the tests above are made from are not empty."""
    assert len(EVERY) >= 50 and len(CHOICES) >= 5
    assert all(len(edge_points(rule)) >= 20 for rule in EVERY)
    assert {inf, -inf, 0.0} < set(EXTREMES)


def test_a_new_plan_reads_a_users_rule_anew() -> None:
    """Built-in rules are read once for all; what a user's function looks at may change between two plans."""
    scale = [2.0]
    scaled = autograd.operation(Rule("scaled", lambda x: scale[0] * x, (lambda x, out: scale[0],)))
    x = Value(1.0)
    assert autograd.replay(scaled(x), [x])([3.0]).values == 6.0
    scale[0] = 5.0
    assert autograd.replay(scaled(x), [x])([3.0]).values == 15.0
