"""Every rule against mathematics: values, slopes and higher derivatives, edges, and each kind of number it is read with.

The tests are made from the rules themselves. A new operation needs one entry in `references.py` and no test code.
`python tests/test_rules.py 20000` prints the worst error of every operation.
"""

import math
import operator
import random
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from itertools import product as combinations
from math import inf, nan
from typing import Any, NamedTuple

import mpmath as mp
import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mpf
from references import REFERENCES, Reference, reference

import autograd
from autograd import Rule, Value, gradients
from autograd.engine import record
from autograd.rules import MAKERS, RULES

EVERY = [*RULES.values(), *(make(*parameters) for make in MAKERS.values() for parameters in make.examples)]
NAMES = [f"{rule.name}{list(rule.parameters)}" if rule.maker else rule.name for rule in EVERY]
UNARY = [rule for rule in EVERY if rule.arity == 1]
GREATEST, LEAST_NORMAL = 1.7976931348623157e308, 2.2250738585072014e-308
NARY_FANS = (1, 2, 3, 5)

every_rule = pytest.mark.parametrize("rule", EVERY, ids=NAMES)


@pytest.fixture(autouse=True)
def fifty_digits() -> Iterator[None]:
    with mp.workdps(50):
        yield


def test_every_rule_has_a_reference_and_every_reference_a_rule() -> None:
    names = {rule.maker.__name__ if rule.maker else rule.name for rule in EVERY}
    assert names == set(REFERENCES)
    with pytest.raises(LookupError, match="cube"):
        reference(Rule("cube", lambda x: x**3, (lambda x, out: 3 * x**2,)))


# ---- how far from right --------------------------------------------------------------------------------------------


def units(got: float, right: Any, size: float = 0.0) -> float:
    """How far `got` is from `right`, in units in the last place of `right`, or of `size` if that is larger.

    Below the normal numbers a unit is 5e-324. Beyond the greatest number infinity is right, and that far off it is the
    next number after the greatest.
    """
    if not isinstance(right, mpf):
        right = mpf(right) if isinstance(right, (int, float)) else mp.nan
    if mp.isnan(right):
        return 0.0 if math.isnan(got) else inf
    if math.isnan(got):
        return inf
    largest = mpf(2) ** 1024
    if abs(right) >= largest:
        right = mp.sign(right) * largest
    read = mp.sign(got) * largest if math.isinf(got) else mpf(got)
    unit = math.ulp(max(min(float(abs(right)), GREATEST), size)) if abs(right) < largest else math.ulp(GREATEST)
    return float(abs(read - right) / unit)


def test_units() -> None:
    assert units(1.0, 1) == 0
    assert units(1.0000000000000002, 1) == 1
    assert units(5e-324, 0) == 1
    assert units(inf, mpf("1e400")) == 0
    assert units(GREATEST, mpf("1e400")) == 1
    assert units(inf, mpf(GREATEST)) == 1
    assert units(-inf, mpf("1e400")) > 1e10
    assert units(nan, mp.nan) == 0
    assert units(0.0, mp.nan) == units(nan, 0) == inf


def real(x: Any) -> Any:
    """The reference's result where it is a real number, else NaN."""
    return mpf(x) if isinstance(x, (int, float, mpf)) else mp.nan


def right_value(entry: Reference, xs: tuple[float, ...]) -> Any:
    try:
        return real(entry.value(*map(mpf, xs)))
    except (ArithmeticError, ValueError):
        return None


def right_slopes(entry: Reference, xs: tuple[float, ...]) -> list[Any] | None:
    """The slopes; None at a pole or an edge, which the tables of edges have."""
    try:
        return [slope if slope is None else real(slope) for slope in entry.slopes(*map(mpf, xs))]
    except (ArithmeticError, ValueError):
        return None


# ---- where to look -------------------------------------------------------------------------------------------------

SPECIAL = [
    0.0, -0.0, 1.0, -1.0, 5e-324, -5e-324, 1.797e308, -1.797e308, 0.5, 2.0, 3.0, -1.5, 709.0, 710.0, -745.0,
    LEAST_NORMAL, GREATEST, 1e-300, -36.7, 20.5, 40.0, -20.0,
]  # fmt: skip
NEAR = [  # around these lie kinks, edges, roots, and the places where a recipe changes over
    0.0, 1.0, -1.0, 0.5, math.pi / 2, math.pi, -math.pi / 2, 1e8, 1e16, 20.0, -20.0, 36.7, -36.7, 40.0, -40.0, 64.0,
    709.78, -709.78,
    -745.1, -1.2784645427610738, -0.7517915241, 1e-150, 1e150, 1.4e154, 1e-8, math.e, 18.0, 745.0, 354.9, -354.9,
    26.6, -38.5, 8.3,
]  # fmt: skip


def sample(draw: random.Random) -> float:
    """One number: ordinary, of any size, special, or near a special place."""
    kind = draw.random()
    if kind < 0.30:
        return draw.uniform(-3, 3)
    if kind < 0.45:
        return draw.uniform(-50, 50)
    if kind < 0.50:
        return draw.uniform(-750, 750)
    if kind < 0.65:
        return draw.choice((-1, 1)) * 10 ** draw.uniform(-20, 3)
    if kind < 0.75:
        return draw.choice((-1, 1)) * 10 ** draw.uniform(-323.3, 308.25)
    if kind < 0.80:
        return draw.choice((-1, 1)) * draw.randrange(1, 2**52) * 5e-324
    if kind < 0.85:
        return draw.choice(SPECIAL)
    near, away = draw.choice(NEAR), 2.0 ** draw.uniform(-53, -2)
    return near + draw.choice((-1, 1)) * away * (abs(near) or 1.0)


def sample_operands(rule: Rule, draw: random.Random) -> tuple[float, ...]:
    fan = rule.arity or draw.choice((1, 2, 3) if rule.name == "prod" else NARY_FANS)
    if rule.name == "softmax_cross_entropy":
        fan = max(fan, rule.parameters[0] + 1)
    if rule.name == "dot":
        fan *= 2
    if rule.name == "**" and draw.random() < 0.6:  # most powers of any two numbers overflow or vanish
        x = abs(sample(draw)) or 1.0
        y = draw.uniform(-740, 709) / (math.log(x) or 1.0)
        return (x, max(-GREATEST, min(GREATEST, y)))
    if rule.name == "**" and draw.random() < 0.3:
        return (sample(draw), float(draw.randrange(-20, 20)))
    if fan == 1:
        return (sample(draw),)
    kind = draw.random()
    if kind < 0.4:  # all of one size
        scale = 10 ** draw.uniform(-323, 307)
        return tuple([scale * draw.uniform(-10, 10) for _ in range(fan)])
    if kind < 0.7:
        return tuple([draw.uniform(-8, 8) for _ in range(fan)])
    return tuple([sample(draw) for _ in range(fan)])


class Worst(NamedTuple):
    """The largest error of an operation, where, and what was got instead of what."""

    units: float = 0.0
    operands: Any = None
    got: Any = None
    right: Any = None


def errors(rule: Rule, count: int, seed: str = "points") -> tuple[Worst, Worst]:
    """The worst value and the worst slope of a rule on `count` points, as multiples of what is allowed."""
    entry, draw = reference(rule), random.Random(f"{seed} {rule.name} {rule.parameters}")
    value, slope = Worst(), Worst()
    points = [sample_operands(rule, draw) for _ in range(count)]
    if rule.arity and rule.arity < 3:
        points += list(combinations(SPECIAL, repeat=rule.arity))
    for xs in points:
        out = rule.forward(*xs)
        assert type(out) is float, (xs, out)
        right, slack = right_value(entry, xs), float(entry.slack(*xs)) if entry.slack else 0.0
        if right is not None:
            size = entry.least
            if entry.terms:
                size = float(min(mp.fsum(map(abs, entry.terms(*map(mpf, xs)))), mpf(GREATEST)))
            found = units(out, right, size) - slack
            if found > value.units:
                value = Worst(found, xs, out, right)
        rights = right_slopes(entry, xs)
        if rights is None:
            continue
        for i, (got, right) in enumerate(zip(rule.slopes(xs, out), rights, strict=True)):
            found = units(got, right, entry.floor) - slack if right is not None else 0.0
            if found > slope.units:
                slope = Worst(found, (*xs, f"slope {i}"), got, right)
    return value, slope


def check_errors(rule: Rule, count: int, seed: str) -> None:
    entry = reference(rule)
    value, slope = errors(rule, count, seed)
    assert value.units <= entry.values_within, value
    assert slope.units <= entry.slopes_within, slope


@every_rule
def test_values_and_slopes(rule: Rule) -> None:
    check_errors(rule, 1500, "points")


@pytest.mark.slow
@every_rule
def test_values_and_slopes_on_many_points(rule: Rule) -> None:
    check_errors(rule, 20000, "many points")


# ---- higher derivatives --------------------------------------------------------------------------------------------


def domain_points(rule: Rule, count: int, seed: str = "domain") -> list[tuple[float, ...]]:
    """Points of a rule's own domain, which is open."""
    draw = random.Random(f"{seed} {rule.name} {rule.parameters}")
    fan = rule.arity or (4 if rule.name == "dot" else 3)
    intervals = [*rule.domain, *[rule.domain[-1]] * fan][:fan]
    return [tuple([draw.uniform(*interval) for interval in intervals]) for _ in range(count)]


MORE_POINTS = {
    "**": [(2.0, 0.0), (2.0, 1.0), (1.0, 2.0), (1.5, 2.0)],
    "atan2": [(0.5, -2.0), (-2.0, 0.25)],
    "hypot": [(0.0, 2.0)],
}


@every_rule
def test_second_derivatives(rule: Rule) -> None:
    entry = reference(rule)
    for xs in domain_points(rule, 8) + MORE_POINTS.get(rule.name, []):
        leaves = [Value(x) for x in xs]
        slopes = gradients(record(rule, tuple(leaves)), leaves, create_graph=True)
        for i, slope in enumerate(slopes):
            sizes = [abs(float(s)) for s in entry.slopes(*map(mpf, xs))]
            for j, got in enumerate(gradients(slope, leaves)):
                order = tuple([int(k == j) for k in range(len(xs))])
                with mp.workdps(30):
                    right = mp.diff(lambda *at, i=i: real(entry.slopes(*at)[i]), tuple(map(mpf, xs)), order)
                assert got == pytest.approx(float(right), rel=1e-12, abs=1e-13 * max(sizes)), (xs, i, j)


@pytest.mark.parametrize("rule", UNARY, ids=[NAMES[EVERY.index(rule)] for rule in UNARY])
def test_third_derivatives(rule: Rule) -> None:
    entry = reference(rule)
    for x in (0.0, 1e-3, -1e-3, 0.6, -0.6, 1.5, 3.0, -4.0, 6.5, -20.0, 20.0):
        near = right_slopes(entry, (x,))
        if near is None or not mp.isfinite(near[0]) or x in entry.kinks:
            continue
        leaf = Value(x)
        found = record(rule, (leaf,))
        for _ in range(3):
            found = gradients(found, leaf, create_graph=True)
        with mp.workdps(40):
            right = mp.diff(lambda at: real(entry.slopes(at)[0]), mpf(x), 2)
        if not mp.isfinite(right):  # an edge
            continue
        assert found.data == pytest.approx(float(right), rel=1e-10, abs=1e-13 * abs(float(near[0]))), x


def test_the_fourth_derivative_of_tanh() -> None:
    for x in (-2.0, -0.3, 0.0, 0.7, 5.0):
        leaf = Value(x)
        found = leaf.tanh()
        for _ in range(4):
            found = gradients(found, leaf, create_graph=True)
        assert found.data == pytest.approx(float(mp.diff(mp.tanh, x, 4)), rel=1e-12, abs=1e-12)


# ---- edges, kinks, infinities, NaN -----------------------------------------------------------------------------------

EXTREMES = [*SPECIAL[:18], inf, -inf, nan]


def agrees(got: Any, right: Any, within: float = 0.0) -> bool:
    """As a table of edges has it: None is not looked at, an int 0 is a zero of either sign, 0.0 and -0.0 are themselves."""
    if right is None:
        return True
    if right == 0 or math.isnan(right) or math.isinf(right):
        signed = type(right) is float and right == 0
        return (got == right or (got != got and right != right)) and (
            not signed or math.copysign(1, got) == math.copysign(1, right)
        )
    return units(float(got), right) <= within


def swept(rule: Rule, xs: tuple[float, ...]) -> tuple[Any, list[Any]]:
    """Value and gradients by the engine, whose leaves a second sweep must double."""
    leaves = [Value(x) for x in xs]
    out = record(rule, tuple(leaves))
    out.backward()
    return out.data, [leaf.grad for leaf in leaves]


@every_rule
def test_edges(rule: Rule) -> None:
    entry = reference(rule)
    for at, (value, slopes) in entry.edges:
        xs, rights = (at, slopes) if isinstance(at, tuple) else ((at,), (slopes,))
        for out, found in ((rule.forward(*xs), rule.slopes(xs, rule.forward(*xs))), swept(rule, xs)):
            assert agrees(out, value, entry.values_within), (xs, out, value)
            for got, right in zip(found, rights, strict=True):
                assert agrees(got, 0 if right == 0 else right, entry.slopes_within), (xs, found, rights)


@pytest.mark.parametrize("rule", UNARY, ids=[NAMES[EVERY.index(rule)] for rule in UNARY])
def test_every_table_of_edges_has_zeros_infinities_and_nan(rule: Rule) -> None:
    assert {repr(at) for at, _ in reference(rule).edges} >= {"0.0", "-0.0", "inf", "-inf", "nan"}


def extreme_operands(rule: Rule) -> Iterator[tuple[float, ...]]:
    if rule.arity and rule.arity < 3:
        return combinations(EXTREMES, repeat=rule.arity)
    few = [0.0, -0.0, 1.0, -1.5, 710.0, -745.0, 1.797e308, -1.797e308, 5e-324, inf, -inf, nan]
    return combinations(few, repeat=rule.arity or (4 if rule.name in ("dot", "sum") else 3))


@every_rule
def test_no_float_raises_or_turns_complex(rule: Rule) -> None:
    for xs in extreme_operands(rule):
        out = rule.forward(*xs)
        slopes = rule.slopes(xs, out)
        assert type(out) is float, (xs, out)
        assert {type(slope) for slope in slopes} <= {float, int}, (xs, slopes)


@every_rule
def test_no_sweep_raises_at_extremes(rule: Rule) -> None:
    for xs in random.Random(1).sample(list(extreme_operands(rule)), 20) if rule.arity != 1 else extreme_operands(rule):
        leaves = [Value(x) for x in xs]
        for first in gradients(record(rule, tuple(leaves)), leaves, create_graph=True):
            assert all(type(second) is float for second in gradients(first, leaves)), xs
        out, grads = swept(rule, xs)
        assert all(type(x) is float for x in (out, *grads)), xs


C99 = {  # NumPy's functions follow Annex F, by code of their own
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "**": np.power, "neg": np.negative, "abs": np.abs,
    "sqrt": np.sqrt, "cbrt": np.cbrt, "exp": np.exp, "expm1": np.expm1, "log": np.log, "log2": np.log2, "log10": np.log10,
    "log1p": np.log1p, "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "hypot": np.hypot, "atan2": np.arctan2,
    "maximum": np.maximum, "minimum": np.minimum,
}  # fmt: skip


@pytest.mark.parametrize("name", C99)
def test_values_are_as_c99_has_them(name: str) -> None:
    rule = RULES[name]
    for xs in combinations(EXTREMES, repeat=rule.arity):
        with np.errstate(all="ignore"):
            right = float(C99[name](*map(np.float64, xs)))
        got = rule.forward(*xs)
        if name == "**" and xs[1] == 0.5:
            continue  # there NumPy takes the square root, which differs at -0.0 and -inf
        if right == 0 and name not in ("maximum", "minimum"):  # of two zeros either is the greater
            assert got == 0, xs
            assert math.copysign(1, got) == math.copysign(1, right), xs
        elif math.isfinite(right):
            assert got == pytest.approx(right, rel=1e-14, abs=1e-323), xs
        else:
            assert agrees(got, right), (xs, got, right)


def slopes_in_spite_of_nan(rule: Rule, xs: tuple[float, ...]) -> list[Any] | None:
    """The slopes that do not depend on a NaN among the operands; None if all of them are NaN."""
    if rule.name in ("+", "-", "neg", "where", "sum"):
        return [float(slope) for slope in reference(rule).slopes(*map(mpf, xs))]
    if rule.name in ("*", "prod"):
        return [math.prod(xs[:i] + xs[i + 1 :]) for i in range(len(xs))]
    if rule.name == "dot":
        return [*xs[len(xs) // 2 :], *xs[: len(xs) // 2]]
    if rule.name == "/":
        return [float(np.divide(1.0, xs[1])), nan]
    if rule.name == "**":
        return [0.0 if xs[1] == 0 else 1.0 if xs[1] == 1 else nan, 0.0 if xs[0] == 1 else nan]
    return None


@every_rule
@np.errstate(all="ignore")
def test_nan_in_gives_nan_out(rule: Rule) -> None:
    for xs in extreme_operands(rule):
        if not any(map(math.isnan, xs)):
            continue
        out = rule.forward(*xs)
        known = (
            (rule.name == "**" and (xs[1] == 0 or xs[0] == 1))
            or (rule.name == "hypot" and any(map(math.isinf, xs)))
            or (rule.name == "where" and not mp.isnan(reference(rule).value(*map(mpf, xs))))
        )
        assert math.isnan(out) != known, (xs, out)
        rights = slopes_in_spite_of_nan(rule, xs) or [nan] * len(xs)
        for got, right in zip(rule.slopes(xs, out), rights, strict=True):
            assert got == right or (math.isnan(got) and math.isnan(right)), (xs, rule.slopes(xs, out), rights)


def slope(function: Any, *xs: float) -> Any:
    """The gradients of a function of numbers: one number, or a list of them."""
    leaves = [Value(x) for x in xs]
    found = gradients(function(*leaves), leaves)
    return found[0] if len(xs) == 1 else found


def near(right: float, within: float = 2) -> Any:
    return pytest.approx(right, rel=within * 2.3e-16, abs=0)


def test_where_other_libraries_are_not_followed() -> None:
    assert math.isnan(slope(autograd.log, -1.0))
    assert math.isnan(slope(autograd.log1p, -1.5))
    assert math.isnan(slope(autograd.relu, nan))
    assert math.isnan(slope(autograd.abs, nan))
    assert slope(autograd.hypot, 0.0, 0.0) == [0, 0]
    for function in (autograd.silu, autograd.gelu, lambda x: autograd.gelu(x, "tanh")):
        assert (slope(function, inf), slope(function, -inf)) == (1, 0)
    assert autograd.softplus(20.5) == near(float(mp.log1p(mp.exp(mpf(20.5)))))
    assert autograd.softplus(20.5) != 20.5
    assert slope(lambda *xs: autograd.prod(xs), inf, 2.0) == [2, inf]
    assert slope(lambda *xs: autograd.prod(xs), 0.0, 2.0, 3.0) == [6, 0, 0]
    assert slope(lambda *xs: autograd.logsumexp(xs), 1000.0, 1000.0) == [0.5, 0.5]
    assert slope(lambda *xs: autograd.logsumexp(xs), 0.0, -800.0) == [1, 0]
    assert slope(lambda x, y: x**y, 0.0, 0.0) == [0, 0]
    assert slope(autograd.abs, 0.0) == slope(autograd.relu, 0.0) == 0
    assert slope(autograd.leaky_relu, 0.0) == 0.01
    assert slope(autograd.elu, 0.0) == 1
    assert slope(lambda x: autograd.elu(x, 0.5), 0.0) == 0.5
    assert slope(autograd.maximum, 1.0, 1.0) == slope(autograd.minimum, 1.0, 1.0) == [0.5, 0.5]
    assert slope(autograd.tanh, 20.0) == near(float(1 / mp.cosh(20) ** 2), 4)
    assert slope(autograd.sigmoid, 40.0) == near(float(mp.exp(-40) / (1 + mp.exp(-40)) ** 2), 4)
    assert slope(autograd.expm1, -40.0) == near(float(mp.exp(-40)))
    assert autograd.gelu(-20.0) == near(float(-20 * mp.erfc(20 / mp.sqrt(2)) / 2), 3)
    assert slope(autograd.asin, 0.999999) == near(float(1 / mp.sqrt(1 - mpf(0.999999) ** 2)))


def test_sums_survive_overflow_on_the_way() -> None:
    assert autograd.sum([1e308, 1e308, -1e308]) == 1e308
    assert autograd.sum([1e308, 1e308]) == inf
    assert autograd.sum([-1e308, 1e16, -1e308]) == -inf
    assert autograd.sum([1e16, 1.0, -1e16]) == 1
    assert math.isnan(autograd.sum([inf, -inf]))
    assert math.isnan(autograd.sum([1e308, 1e308, inf, -inf]))
    assert autograd.sum([1e308, 1e308, inf]) == inf
    assert math.copysign(1, autograd.sum([-0.0, -0.0])) == -1
    assert autograd.dot([1e154, 1e154], [1.5e154, -1.5e154]) == 0


def test_logsumexp_and_cross_entropy_at_extremes() -> None:
    assert autograd.softmax_cross_entropy([0.0, -800.0], 1) == 800
    assert autograd.softmax_cross_entropy([0.0, -800.0], 0) == 0
    assert autograd.softmax_cross_entropy([0.0, -40.0], 0) == near(float(mp.log1p(mp.exp(-40))))
    assert autograd.softmax_cross_entropy([1e308, -1e308], 1) == inf
    assert autograd.softmax_cross_entropy([inf, 1.0], 0) == 0
    assert autograd.softmax_cross_entropy([1.0, -inf], 1) == inf
    assert slope(lambda *xs: autograd.softmax_cross_entropy(xs, 0), 40.0, 0.0)[0] == near(float(-1 / (1 + mp.exp(40))))
    assert slope(lambda *xs: autograd.softmax_cross_entropy(xs, 0), inf, 1.0) == [0, 0]
    assert slope(lambda *xs: autograd.softmax_cross_entropy(xs, 0), -inf, 1.0) == [-1, 1]
    assert autograd.logsumexp([inf, 1.0]) == autograd.logsumexp([inf, inf]) == autograd.logsumexp([inf, -inf]) == inf
    assert autograd.logsumexp([-inf, -inf]) == -inf
    assert autograd.logsumexp([-inf, 3.0]) == 3
    assert autograd.logsumexp([1000.0, 1000.0]) == near(1000 + math.log(2))
    assert autograd.logsumexp([-3.0]) == -3
    assert slope(lambda *xs: autograd.logsumexp(xs), inf, 1.0) == [1, 0]
    assert slope(lambda *xs: autograd.logsumexp(xs), -inf, 1.0) == [0, 1]


# ---- choices (R6) and anomalies (R7) ---------------------------------------------------------------------------------

CHOICES = [
    (lambda x, y: autograd.relu(x) + y, (-1.0, 1.0), 0),
    (autograd.maximum, (1.0, 2.0), 0),
    (autograd.maximum, (2.0, 1.0), 1),
    (autograd.minimum, (1.0, 2.0), 1),
    (autograd.minimum, (2.0, 1.0), 0),
    (lambda x, y: autograd.where(x > 0, x, y), (-1.0, 2.0), 0),
    (lambda x, y: autograd.where(True, x, y), (-1.0, 2.0), 1),
]


@pytest.mark.parametrize("upstream", [inf, -inf, nan, 1e308])
@pytest.mark.parametrize(("function", "xs", "unchosen"), CHOICES)
def test_what_is_not_chosen_gets_exactly_zero(function: Any, xs: Any, unchosen: int, upstream: float) -> None:
    leaves = [Value(x) for x in xs]
    (function(*leaves) * upstream).backward()
    assert leaves[unchosen].grad == 0
    assert leaves[1 - unchosen].grad == upstream or upstream != upstream
    found = gradients(function(*leaves) * upstream, leaves, create_graph=True)
    assert found[unchosen].data == 0
    behind = Value(xs[unchosen])  # and nothing gets behind it either
    inner = behind * 1.0
    (function(*(inner if i == unchosen else leaf for i, leaf in enumerate(leaves))) * upstream).backward()
    assert behind.grad == 0


def test_infinity_times_zero_is_not_hidden() -> None:
    x = Value(2.0)
    (x * 0.0 * inf).backward()
    assert math.isnan(x.grad)
    x = Value(0.0)
    (x.sqrt() * 0.0).backward()
    assert math.isnan(x.grad)


def test_detect_anomaly_names_operation_label_operands_and_line() -> None:
    import sys

    x, y = Value(0.0, label="rate"), Value(2.0)
    with autograd.detect_anomaly():
        y.log()
        line = sys._getframe().f_lineno + 2
        with pytest.raises(FloatingPointError) as caught:
            x.log()
        for part in ("log", "rate", "0.0", "-inf", f"{__file__}:{line}"):
            assert part in str(caught.value)
        with pytest.raises(FloatingPointError, match="sqrt"):
            x.sqrt()  # the value is finite, the slope is not
        with pytest.raises(FloatingPointError, match="/"):
            _ = y / x
        with pytest.raises(FloatingPointError, match="exp"):
            autograd.exp(Value(1000.0))
        assert Value(inf).exp().data == inf  # it did not come from finite operands
    assert x.log().data == -inf


# ---- one operation, however it is called ---------------------------------------------------------------------------

OPERATORS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
    "neg": operator.neg,
    "abs": abs,
}
FUNCTIONS = {
    f.rule.name: f for f in vars(autograd.operations).values() if isinstance(getattr(f, "rule", None), Rule)
} | {"**": autograd.pow}
FIXED = [rule for rule in RULES.values() if rule.arity and rule.name != "gelu_tanh"]
any_float = st.floats(allow_subnormal=True)


def bits(node: Value) -> tuple[Any, ...]:
    return tuple([x.hex() if type(x) is float else x for x in (node.data, *map(float, node.slopes))])


@given(st.data())
@pytest.mark.parametrize("rule", FIXED, ids=lambda rule: rule.name)
def test_methods_functions_and_operators_agree(rule: Rule, data: Any) -> None:
    xs = data.draw(st.tuples(*[any_float] * rule.arity))
    recorded = record(rule, tuple(map(Value, xs)))
    assert recorded.rule is rule
    ways = [OPERATORS.get(rule.name), FUNCTIONS.get(rule.name, getattr(autograd, rule.name.lower(), None))]
    ways.append(getattr(Value, rule.name.lower(), None))
    ways = [way for way in ways if way is not None]
    assert ways
    for way in ways:
        assert bits(way(*map(Value, xs))) == bits(recorded)
        if way is not OPERATORS.get(rule.name) and way is not getattr(Value, rule.name.lower(), None):
            plain = way(*xs)
            assert type(plain) is float
            assert plain.hex() == recorded.data.hex()


@given(st.integers(-(10**6), 10**6), any_float)
@pytest.mark.parametrize("rule", [rule for rule in FIXED if rule.arity == 2], ids=lambda rule: rule.name)
def test_ints_and_numpy_scalars_are_floats(rule: Rule, whole: int, x: float) -> None:
    way = OPERATORS.get(rule.name) or FUNCTIONS[rule.name]
    right = rule.forward(x, float(whole))
    for number in (whole, np.int64(whole), np.float64(whole)):
        out = way(Value(x), number)
        assert type(out.data) is float
        assert out.data == right or (out.data != out.data and right != right)
        assert type(way(Value(x), Value(number)).data) is float
    out, right = way(np.float64(whole), Value(x)), rule.forward(float(whole), x)
    assert out.data == right or (out.data != out.data and right != right)


ordinary = st.floats(-1e3, 1e3)


@given(st.lists(ordinary, min_size=1, max_size=50))
@pytest.mark.parametrize("name", ["sum", "logsumexp", "softmax_cross_entropy", "dot", "prod"])
def test_operations_of_many(name: str, xs: list[float]) -> None:
    rule = RULES.get(name) or MAKERS[name](len(xs) // 2)
    entry, leaves = reference(rule), [Value(x) for x in xs]
    if name == "dot":
        out, xs = autograd.dot(leaves, leaves[::-1]), xs + xs[::-1]
    else:
        out = getattr(autograd, name)(leaves, *rule.parameters)
    assert len(out.parents) == len(xs)
    assert type(out.data) is float
    if name == "prod":
        assert out.data == math.prod(xs)
        entry = entry._replace(slopes_within=3 + len(xs))
    elif (right := right_value(entry, tuple(xs))) is not None:
        assert units(out.data, right, float(mp.fsum(map(abs, entry.terms(*map(mpf, xs)))))) <= entry.values_within
    rights = right_slopes(entry, tuple(xs))
    slack = float(entry.slack(*xs)) if entry.slack else 0.0
    out.backward()
    for got, right in zip(out.slopes, rights or [], strict=False):
        assert units(float(got), right) <= entry.slopes_within + slack + len(xs) / 8
    for leaf in leaves:
        assert type(leaf.grad) is float


def test_makers_are_cached_by_type_and_exact_bits() -> None:
    power_of = MAKERS["power_of"]
    for parameter in (2, 2.0, 0.0, -0.0, nan, Fraction(1, 2), -1):
        assert power_of(parameter) is power_of(parameter)
    assert power_of(float("nan")) is power_of(float("nan"))
    distinct = [power_of(parameter) for parameter in (2, 2.0, Fraction(2), 0, 0.0, -0.0, nan, Decimal(2))]
    assert len(set(map(id, distinct))) == len(distinct)
    assert math.copysign(1, power_of(-0.0).parameters[0]) == -1
    assert power_of(2).parameters == (2,)
    assert type(power_of(2.0).parameters[0]) is float
    assert MAKERS["leaky_relu"](0.0) is not MAKERS["leaky_relu"](-0.0)
    assert MAKERS["chosen"](True) is not MAKERS["chosen"](1)


@pytest.mark.parametrize("k", [0, 1, 0.0, 1.0, -0.0, 7, -3, 1 / 3, -2.5, nan, inf, -inf])
@pytest.mark.parametrize("x", [0.0, -0.0, 2.0, -2.0, 1.0, inf, -inf, nan, 5e-324])
def test_plain_exponents_agree_with_values(x: float, k: Any) -> None:
    plain, both = Value(x) ** k, Value(x) ** Value(k)
    assert agrees(plain.data, both.data)
    assert agrees(plain.slopes[0], 0 if both.slopes[0] == 0 else both.slopes[0], 1)
    (Value(k) ** x).backward()
    assert agrees((k ** Value(x)).data, (Value(k) ** x).data)


# ---- other readings ------------------------------------------------------------------------------------------------


def exact_operands(rule: Rule, kind: Any) -> tuple[Any, ...]:
    fan = rule.arity or (4 if rule.name == "dot" else 3)
    return tuple([kind(p) / kind(q) for p, q in ((1, 3), (5, 7), (2, 9), (-4, 11))[:fan]])


FRACTIONS = ["+", "-", "*", "/", "neg", "abs", "ReLU", "maximum", "minimum", "sum", "prod", "dot"]
EXACT = [RULES[name] for name in FRACTIONS] + [
    *(MAKERS["power_of"](k) for k in (2, 3, -1, 0, 1, -2)),
    *(MAKERS["chosen"](b) for b in (True, False)),
    MAKERS["decided"]("<"),
    MAKERS["leaky_relu"](Fraction(1, 100)),
]


@pytest.mark.parametrize("rule", EXACT, ids=lambda rule: rule.name)
def test_fractions_stay_fractions(rule: Rule) -> None:
    xs = exact_operands(rule, Fraction)
    for sign in (1, -1):
        leaves = [Value(sign * x) for x in xs]
        y = record(rule, tuple(leaves)) * Fraction(1, 3)
        y.backward()
        assert type(y.data) is Fraction
        exact = [p if isinstance(p, str) else mpf(p.numerator) / p.denominator for p in rule.parameters]
        entry = reference(rule._replace(parameters=tuple(exact)))
        rights = entry.slopes(*[mpf(leaf.data.numerator) / leaf.data.denominator for leaf in leaves])
        for leaf, right in zip(leaves, rights, strict=True):
            assert type(leaf.grad) is Fraction or (leaf.grad == 0 and type(leaf.grad) is int), (leaf, right)
            assert mp.almosteq(mpf(leaf.grad.numerator) / leaf.grad.denominator * 3, right, 1e-45)


def test_a_third_is_a_third() -> None:
    x = Value(Fraction(1, 3))
    y = x * x * 2 + 1 / x - x / 3
    y.backward()
    assert (y.data, x.grad) == (Fraction(2, 9) + 3 - Fraction(1, 9), Fraction(4, 3) - 9 - Fraction(1, 3))
    assert type(x.grad) is Fraction
    half = Value(Fraction(1, 3))
    autograd.maximum(half, Fraction(1, 3)).backward()
    assert (half.grad, type(half.grad)) == (Fraction(1, 2), Fraction)
    with pytest.raises(ZeroDivisionError):
        _ = Value(Fraction(1)) / Fraction(0)


ORDERED_FOR_COMPLEX = {
    "abs", "ReLU", "leaky_relu", "elu", "maximum", "minimum", "decided", "hypot", "atan2", "logsumexp",
    "softmax_cross_entropy", "erf", "normal_cdf", "gelu",
}  # fmt: skip
UNKNOWN_TO_DECIMAL = {
    "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "erf", "normal_cdf", "gelu", "gelu_tanh", "cbrt", "leaky_relu",
    "elu",
}  # fmt: skip


def key(rule: Rule) -> str:
    return rule.maker.__name__ if rule.maker else rule.name


@every_rule
def test_complex_numbers(rule: Rule) -> None:
    entry, fan = reference(rule), rule.arity or 4
    for xs in ((0.7 + 0.4j, 1.3 - 0.2j, -0.3 + 0.9j, 2 + 1j), (-0.6 + 0.3j, 0.4 + 1.1j, 1 + 1j, 0.5 - 2j)):
        leaves = [Value(x) for x in xs[:fan]]
        if key(rule) in ORDERED_FOR_COMPLEX:
            with pytest.raises(TypeError, match="complex") as caught:
                record(rule, tuple(leaves))
            assert rule.name in str(caught.value) + "".join(caught.value.__notes__)
            continue
        y = record(rule, tuple(leaves))
        y.backward()
        value = mp.cbrt if rule.name == "cbrt" else entry.value
        if rule.name in ("prod", "dot"):
            value = {"prod": lambda *xs: mp.fprod(xs), "dot": lambda a, b, c, d: a * c + b * d}[rule.name]
        numbers = tuple([mp.mpmathify(leaf.data) for leaf in leaves])
        assert y.data == pytest.approx(complex(value(*numbers)), rel=1e-14), xs
        for i, leaf in enumerate(leaves):
            order = tuple([int(j == i) for j in range(len(numbers))])
            assert leaf.grad == pytest.approx(complex(mp.diff(value, numbers, order)), rel=1e-13), (xs, i)


@every_rule
def test_decimals(rule: Rule) -> None:
    xs = exact_operands(rule, Decimal)
    leaves = [Value(x) for x in xs]
    if key(rule) in UNKNOWN_TO_DECIMAL or any(type(p) is float for p in rule.parameters):
        with pytest.raises(TypeError, match=r"Decimal|decimal") as caught:
            record(rule, tuple(leaves))
        assert rule.name in str(caught.value) + "".join(getattr(caught.value, "__notes__", ()))
        return
    y = record(rule, tuple(leaves))
    y.backward()
    entry, numbers = reference(rule), [mpf(str(x)) for x in xs]
    assert type(y.data) is Decimal
    assert mp.almosteq(mpf(str(y.data)), entry.value(*numbers), 1e-26)
    for leaf, right in zip(leaves, entry.slopes(*numbers), strict=True):
        assert type(leaf.grad) in (Decimal, int)
        assert mp.almosteq(mpf(str(leaf.grad)), right, 1e-26, 1e-26)


@every_rule
def test_fifty_digits_of_mpmath(rule: Rule) -> None:
    entry = reference(rule)
    for xs in domain_points(rule, 3, "mpmath"):
        leaves = [Value(mpf(x)) for x in xs]
        y = record(rule, tuple(leaves))
        y.backward()
        with mp.workdps(70):
            value, slopes = entry.value(*map(mpf, xs)), entry.slopes(*map(mpf, xs))
        assert mp.almosteq(y.data, value, 1e-45, 1e-45), xs
        for leaf, right in zip(leaves, slopes, strict=True):
            assert mp.almosteq(leaf.grad, right, 1e-45, 1e-45), xs


@every_rule
def test_sympy_expressions(rule: Rule) -> None:
    fan = rule.arity or (4 if rule.name == "dot" else 3)
    names = sympy.symbols(f"x:{fan}", real=True)
    leaves = [Value(name) for name in names]
    y = record(rule, tuple(leaves))
    y.backward()
    (xs,) = domain_points(rule, 1, "sympy")
    at = dict(zip(names, map(sympy.Float, xs), strict=True))
    for leaf, name in zip(leaves, names, strict=True):
        got = sympy.sympify(leaf.grad).subs(at).evalf(20)
        right = sympy.diff(y.data, name).subs(at).evalf(20)
        assert abs(got - right) <= 1e-13 * max(1, abs(right)), (got, right)


def test_what_is_no_real_number_is_a_type_error() -> None:
    for wrong in ("1", None, True, [1.0], {}, object()):
        with pytest.raises(TypeError):
            Value(wrong)
        for function in (
            autograd.exp,
            autograd.abs,
            lambda x: autograd.maximum(1.0, x),
            lambda x: autograd.hypot(Value(1.0), x),
        ):
            with pytest.raises(TypeError):
                function(wrong)
    with pytest.raises(TypeError, match="Fraction has no exp"):
        autograd.exp(Value(Fraction(1, 3)))
    with pytest.raises(TypeError, match="complex"):
        _ = autograd.maximum(Value(1j), 2.0)


# ---- arrays --------------------------------------------------------------------------------------------------------


@every_rule
@np.errstate(all="ignore")
def test_arrays_are_read_as_their_elements(rule: Rule) -> None:
    draw = random.Random(f"arrays {rule.name}")
    fan = rule.arity or (4 if rule.name == "dot" else 3)
    points = [tuple([sample(draw) for _ in range(fan)]) for _ in range(300)]
    points += list(combinations(EXTREMES, repeat=fan)) if fan < 3 else []
    entry, columns = reference(rule), [np.array(column) for column in zip(*points, strict=True)]
    out = rule.forward(*columns)
    slopes = [np.broadcast_to(np.asarray(s, dtype=float), out.shape) for s in rule.slopes(tuple(columns), out)]
    assert out.dtype == np.float64
    for i, xs in enumerate(points):
        one = rule.forward(*xs)
        rights = [one, *map(float, rule.slopes(xs, one))]
        for j, (got, right) in enumerate(zip((out[i], *[s[i] for s in slopes]), rights, strict=True)):
            got = float(got)
            if rule.parameters == (0.5,) and xs[0] == -inf:
                continue  # NumPy takes the square root
            if not math.isfinite(got) or not math.isfinite(right):
                same = got == right or (got != got and right != right)
                assert same or max(abs(got), abs(right)) > 1e307 or rule.name in ("dot", "sum", "prod"), (
                    xs,
                    j,
                    got,
                    right,
                )
                continue
            size = max(entry.floor, entry.least) if j else entry.least
            if entry.terms and rule.name != "dot":
                size = math.fsum(abs(x) / 4 for x in xs)
            elif entry.terms:
                size = max(abs(x * y) for x, y in zip(xs[:2], xs[2:], strict=True))
            slack = float(entry.slack(*xs)) if entry.slack else 0.0
            allowed = 3 * (entry.slopes_within if j else entry.values_within) + 2 * slack
            assert units(got, right, min(size, GREATEST)) <= allowed, (xs, j, got, right)


def print_the_worst(count: int) -> None:
    """A line each for the values and the slopes of every rule: the worst error, what is allowed, and where it is."""
    for rule, name in zip(EVERY, NAMES, strict=True):
        allowed = reference(rule).values_within, reference(rule).slopes_within
        for what, worst, within in zip(("value", "slope"), errors(rule, count), allowed, strict=True):
            mark = "" if worst.units <= within else "TOO FAR"
            right = "" if worst.right is None else mp.nstr(worst.right, 20)
            print(
                f"{name:26} {what} {worst.units:9.3f} of {within:<5} {mark} at {worst.operands}: {worst.got!r}, {right}"
            )


if __name__ == "__main__":
    import sys

    with mp.workdps(50):
        print_the_worst(int(sys.argv[1]) if len(sys.argv) > 1 else 3000)
