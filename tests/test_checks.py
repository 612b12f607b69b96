"""check_gradients: right functions pass, and nothing wrong by a sign or a factor of 1 + 1e-5 does.

The two properties run over every rule there is, so a new rule is tested here without a new line.
"""

import math
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import autograd
from autograd import Value
from autograd.checks import GradientError, Limit, check_gradients
from autograd.engine import record
from autograd.numeric import still
from autograd.rules import EXP, MAKERS, RULES, SIN, Rule

EVERY_RULE = [*RULES.values(), *(make(*example) for make in MAKERS.values() for example in make.examples)]
SUBTLE = 1 + 1e-5


def name_of(rule):
    return rule.name if not rule.parameters else f"{rule.name}{rule.parameters}"


def applied(rule):
    """A rule as a function of Values."""
    return lambda *operands: record(rule, operands)


def sabotaged(rule, factor, k):
    """The rule with its slope with respect to operand k multiplied by a factor."""

    def wrong(partial):
        return lambda *read: partial(*read) * factor

    def wrong_slopes(operands, out):
        slopes = list(rule.partials(operands, out))
        slopes[k] = slopes[k] * factor
        return slopes

    if callable(rule.partials):
        return rule._replace(partials=wrong_slopes)
    return rule._replace(partials=tuple(wrong(p) if i == k else p for i, p in enumerate(rule.partials)))


@st.composite
def operands_of(draw, rule):
    """A point of the rule's domain; an n-ary rule takes two or four operands."""
    arity = rule.arity or draw(st.sampled_from((2, 4)))
    if callable(rule.domain):
        point = draw(st.lists(st.floats(-3, 3), min_size=arity, max_size=arity))
        assume(rule.domain(*point))
        return point
    intervals = [rule.domain[min(i, len(rule.domain) - 1)] for i in range(arity)]
    return [draw(st.floats(low, high, exclude_min=True, exclude_max=True)) for low, high in intervals]


# ---- both ways, over all rules -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", EVERY_RULE, ids=name_of)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_every_rule_passes_on_its_domain(rule, data):
    point = data.draw(operands_of(rule))
    report = check_gradients(applied(rule), *point)
    assert report.gradients >= len(point)
    assert report.second_derivatives >= len(point) ** 2
    assert report.worst < 1e-7


@pytest.mark.parametrize("rule", EVERY_RULE, ids=name_of)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_every_sabotaged_rule_is_refused(rule, data):
    point = data.draw(operands_of(rule))
    out = rule.forward(*point)
    slopes = rule.slopes(tuple(point), out)
    telling = [k for k, slope in enumerate(slopes) if abs(slope) > 1e-4 * max(1, abs(out))]  # the others are negligible
    assume(telling)
    k = data.draw(st.sampled_from(telling))
    for factor in (-1, SUBTLE, 2 - SUBTLE):
        with pytest.raises(GradientError):
            check_gradients(applied(sabotaged(rule, factor, k)), *point, order=1)


@pytest.mark.parametrize("rule", EVERY_RULE, ids=name_of)
def test_a_derivative_that_cannot_be_differentiated_again_is_refused(rule):
    """Right slopes whose graph is cut: only the second derivatives are wrong."""

    def cut(slopes):
        return lambda *read: [still(slope) for slope in slopes(*read)]

    def cut_partial(partial):
        return lambda *read: still(partial(*read))

    broken = cut(rule.partials) if callable(rule.partials) else tuple(map(cut_partial, rule.partials))
    point = [0.7, 0.6, 1.1, 0.9][: rule.arity or 4]
    whole = check_gradients(applied(rule), *point)
    curved = autograd.hessian(applied(rule), argnum=tuple(range(len(point))))(*point)
    flat = rule._replace(partials=broken)
    if np.any(curved):
        with pytest.raises(GradientError, match="second derivatives"):
            check_gradients(applied(flat), *point)
        assert check_gradients(applied(flat), *point, order=1).gradients == whole.gradients
    else:
        assert check_gradients(applied(flat), *point) == whole


# ---- scales --------------------------------------------------------------------------------------------------------

SCALES = [1e-300, 1e-8, 1e-3, 1.0, 1e3, 1e8, 1e150]


@pytest.mark.parametrize("size", SCALES)
@pytest.mark.parametrize("x", [1e-8, 0.3, 1.0, 40.0, 1e8])
@pytest.mark.parametrize(
    ("function", "rule"), [(lambda x, size: size * x.sin(), SIN), (lambda x, size: size * x.log(), RULES["log"])]
)
def test_outputs_and_arguments_of_every_size(function, rule, x, size):
    assert check_gradients(function, x, size, argnum=0).worst < 1e-7
    wrong = sabotaged(rule, SUBTLE, 0)
    with pytest.raises(GradientError, match="relative error"):
        check_gradients(lambda x: size * record(wrong, (x,)), x)


def test_gradients_of_very_different_size_in_one_function():
    report = check_gradients(lambda a, b: 1e8 * a + 1e-8 * b, 1.0, 1.0)
    assert report.drowned == ("args[1]",)
    assert "too small beside f to measure well: args[1]" in str(report)


def test_digits_lost_inside_a_function_are_counted_by_its_graph():
    assert check_gradients(lambda a, b: (1e8 * a + 1e-8 * b) - 1e8 * a, 1.0, 1.0).drowned == ("args[1]",)


@pytest.mark.parametrize("f", [lambda x: (1e6 * x).sin(), lambda x: (2 * math.pi * 1000 * x).sin()])  # level at 1
def test_fast_oscillation_is_not_mistaken_for_something_flat(f):
    assert check_gradients(f, 1.0).worst < 1e-7


def test_the_limit_is_extrapolated_with_an_honest_error():
    """(exp(h) - exp(-h)) / 2h tends to 1."""
    limit, steps = Limit((2, 4, 6)), [0.5 / 3.3**k for k in range(4)]
    for h in steps:
        limit.add(2 * math.sinh(h), 2 * h, 0.0)
    assert abs(limit.value - 1) <= limit.error < 1e-8


# ---- kinks and edges -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("x", [0.0, -0.0, 1e-300, 1e-20, -1e-12, 3e-9, -1e-7, 1e-5])
@pytest.mark.parametrize(
    "f",
    [
        lambda x: x.relu(),
        abs,
        lambda x: x.leaky_relu(0.1),
        lambda x: x.elu(),
        lambda x: x.elu(0.5),
        lambda x: (x + 7).maximum(7) + 5,
        lambda x: x.relu() * x.exp() - x,
    ],
)
def test_at_and_beside_a_kink_right_functions_pass(f, x):
    assert check_gradients(f, x).gradients >= 1


def test_a_kink_is_named_and_both_sides_are_checked():
    report = check_gradients(lambda x: x.relu(), 0.0)
    assert report.kinks == ("args[0] = 0.0",)
    assert "not smooth, so checked to both sides: args[0] = 0.0" in str(report)
    assert check_gradients(autograd.maximum, 1.5, 1.5).kinks == ("args[0] = 1.5", "args[1] = 1.5")


@pytest.mark.parametrize("slope_left", [0.1 * SUBTLE, -0.1])
def test_a_wrong_slope_beside_a_kink_is_refused_at_the_kink(slope_left):
    leaky = Rule("leaky", lambda x: x if x > 0 else 0.1 * x, (lambda x, out: autograd.where(x > 0, 1.0, slope_left),))
    with pytest.raises(GradientError, match=r"moved to -0\.0013"):
        check_gradients(applied(leaky), 0.0, order=1)


def test_a_gradient_outside_those_to_the_two_sides_is_refused():
    odd = Rule("odd", abs, (lambda x, out: (x > 0) - (x < 0) if x else 1.5,))
    with pytest.raises(GradientError, match="at a kink"):
        check_gradients(applied(odd), 0.0, order=1)


@pytest.mark.parametrize("noise", [1e-3, 3e-7])
def test_what_cannot_be_measured_is_neither_passed_nor_called_wrong(noise):
    noisy = Rule("noisy", lambda x: x + noise * random.Random(x).random(), (lambda x, out: 1,))
    with pytest.raises(GradientError, match="not measurable"):
        check_gradients(applied(noisy), 1.0, order=1)


def test_a_cusp_is_not_taken_for_a_smooth_point_that_is_level():
    """sqrt(|x|) at 0: the difference is 0 at every step, but neither side settles."""
    cusp = Rule("cusp", lambda x: abs(x) ** 0.5, (lambda x, out: 0.5 / out * (1 if x > 0 else -1) if x else 5.0,))
    assert check_gradients(applied(cusp), 0.0, order=1).kinks == ("args[0] = 0.0",)


@pytest.mark.parametrize(("f", "x"), [(lambda x: x.sqrt(), 0.0), (lambda x: x.log(), -1.0), (lambda x: x.exp(), 1e3)])
def test_what_is_not_finite_is_refused(f, x):
    with pytest.raises(GradientError, match=r"args\[0\] = .* finite"):
        check_gradients(f, x)


def test_steps_stay_inside_the_domain():
    assert check_gradients(lambda x: x.sqrt(), 1e-30).worst < 1e-7
    assert check_gradients(lambda x: x.asin(), 1 - 1e-6).worst < 1e-7

    def strict(x):
        if x.data <= 0.999:
            raise ValueError("too small")
        return x * x

    assert check_gradients(strict, 1.0).worst < 1e-7


# ---- what it takes and gives ---------------------------------------------------------------------------------------


def test_the_report():
    report = check_gradients(lambda x, y: x * y**2, 2.0, 3.0)
    assert (report.gradients, report.second_derivatives, report.kinks, report.drowned) == (2, 4, (), ())
    assert str(report).startswith("2 gradients and 4 second derivatives agree with differences (worst relative error ")
    assert str(check_gradients(lambda x: 3, 1.0, order=1)) == "1 gradient agree with differences"


def test_the_table_names_argument_got_expected_and_relative_error():
    def f(w, factor):
        return w["a"][0] ** 2 + record(sabotaged(EXP, -1, 0), (w["b"],)) * factor

    with pytest.raises(GradientError) as caught:
        check_gradients(f, {"a": (3.0,), "b": 0.0}, 2.0)
    assert str(caught.value).splitlines() == [
        "1 of 3 gradients do not agree with differences",
        "argument      got  expected  relative error",
        "args[0]['b']  -2   2         2.0e+00",
    ]


def test_a_long_table_is_cut():
    wrong = sabotaged(RULES["sum"], 2, 0)
    with pytest.raises(GradientError, match="30 of 30 gradients") as caught:
        check_gradients(lambda xs: autograd.sum([record(wrong, (x,)) for x in xs]), [1.0] * 30)
    assert str(caught.value).endswith("... and 10 more")


def test_arguments_are_structures_constants_and_whatever_argnum_leaves_out():
    def f(weights, x, unused, mode, *, scale):
        assert mode == "train"
        return (weights @ x).sum() * scale

    weights = np.array([[1.0, 2.0], [3.0, 4.0]])
    report = check_gradients(f, weights, np.ones(2), 5, "train", scale=Fraction(1, 2), argnum=(0, 1, 2, "scale"))
    assert (report.gradients, report.second_derivatives) == (8, 64)
    with pytest.raises(TypeError, match=r"args\[3\] is 'train' of type str, .* argnum"):
        check_gradients(f, weights, np.ones(2), 5, "train", scale=0.5)


def test_it_works_and_leaves_things_alone_under_no_grad():
    with autograd.no_grad():
        assert check_gradients(lambda x: x * x, 3.0).gradients == 1
        assert Value(2.0).exp().parents == ()
    assert (Value(2.0) * 3).parents


def test_a_derivative_made_by_hand_is_checked_at_first_order():
    def square(x, slope):
        out = Value(x.data**2, (x,), "square")

        def add_contribution():
            x.grad += slope * x.data * out.grad

        out._backward = add_contribution
        return out

    assert check_gradients(square, 3.0, 2.0, order=1, argnum=0).worst < 1e-9
    with pytest.raises(GradientError):
        check_gradients(square, 3.0, 2.0 * SUBTLE, order=1, argnum=0)
    with pytest.raises(TypeError, match="made by hand"):
        check_gradients(square, 3.0, 2.0, argnum=0)


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (ValueError, "order is 1", lambda: check_gradients(abs, 1.0, order=3)),
        (ValueError, "the same for the same", lambda: check_gradients(lambda x: x * random.random(), 1.0)),
        (TypeError, "real numbers, but args", lambda: check_gradients(lambda x: x, 1j)),
        (TypeError, "real numbers, but what f", lambda: check_gradients(lambda x: x * 1j, 1.0)),
        (TypeError, "one number, but <lambda> returned", lambda: check_gradients(lambda x: [x], 1.0)),
        (TypeError, "lack a return", lambda: check_gradients(lambda x: None, 1.0)),
    ],
)
def test_misuse_is_explained(error, message, call):
    with pytest.raises(error, match=message):
        call()
