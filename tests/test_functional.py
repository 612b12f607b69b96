"""grad, value_and_grad, jacobian, hessian, hvp, jvp: reference values by hand or from mpmath, never from the engine."""

import math
from collections import OrderedDict, namedtuple
from decimal import Decimal
from fractions import Fraction
from functools import partial

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd
from autograd import Value, functional, grad, gradients, hessian, hvp, jacobian, jvp, value_and_grad

Point = namedtuple("Point", "x y")


def nth(f, n):
    for _ in range(n):
        f = grad(f)
    return f


# ---- values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("x", [-1.3, 0.0, 0.1, 0.7, 2.5])
def test_derivatives_of_tanh_to_the_fourth(n, x):
    with mpmath.workdps(50):
        expected = float(mpmath.diff(mpmath.tanh, mpmath.mpf(x), n))
    assert nth(lambda x: x.tanh(), n)(x) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("name", ["sigmoid", "exp", "sin", "log", "sqrt", "erf", "atan"])
def test_third_derivatives_against_mpmath(name):
    reference = {"sigmoid": lambda x: 1 / (1 + mpmath.exp(-x))}.get(name) or getattr(mpmath, name)
    with mpmath.workdps(50):
        expected = float(mpmath.diff(reference, mpmath.mpf(0.7), 3))
    assert nth(lambda x: getattr(x, name)(), 3)(0.7) == pytest.approx(expected, rel=1e-12)


def test_value_and_grad():
    assert value_and_grad(lambda x, y: x * y**2)(2.0, 3.0) == (18.0, 9.0)
    assert value_and_grad(lambda x: 5)(2.0) == (5, 0.0)


def test_hessian_and_jacobian_by_hand():
    """f = x0^2 x1 at (3, 5) has the Hessian [[2 x1, 2 x0], [2 x0, 0]]."""
    assert hessian(lambda x: x[0] ** 2 * x[1])([3.0, 5.0]) == [[10.0, 6.0], [6.0, 0.0]]
    polar = jacobian(lambda r, phi: [r * phi.cos(), r * phi.sin()], (0, 1))(2.0, math.pi / 6)
    c, s = math.sqrt(3) / 2, 0.5
    assert np.allclose(polar, [[c, -2 * s], [s, 2 * c]], rtol=1e-15)


@given(st.lists(st.floats(-2, 2), min_size=2, max_size=2), st.lists(st.floats(-2, 2), min_size=2, max_size=2))
def test_hvp_and_jvp_are_products_with_the_matrices(point, vector):
    """f = sin(x) y: gradient (y cos x, sin x), Hessian [[-y sin x, cos x], [cos x, 0]]."""
    (x, y), (v, w) = point, vector
    product = hvp(lambda p: p[0].sin() * p[1])(point, vector)
    assert product == pytest.approx([-y * math.sin(x) * v + math.cos(x) * w, math.cos(x) * v], abs=1e-14)
    value, change = jvp(lambda x, y: {"a": x.sin() * y, "b": [x * x, 7.0]}, (x, y), (v, w))
    assert value["b"] == [x * x, 7.0]
    assert change["a"] == pytest.approx(y * math.cos(x) * v + math.sin(x) * w, abs=1e-14)
    assert change["b"] == pytest.approx([2 * x * v, 0.0], abs=1e-14)


@pytest.mark.parametrize("n", [1, 10, 100])
def test_hvp_and_jvp_take_two_sweeps_whatever_the_size(n, monkeypatch):
    sweeps = []

    def counting(*args):
        sweeps.append(args)
        return gradients(*args)

    monkeypatch.setattr(functional, "gradients", counting)
    x = [0.1 * i for i in range(n)]
    hvp(lambda x: autograd.sum([a * a for a in x]))(x, x)
    assert len(sweeps) == 2
    jvp(lambda x: [a * a for a in x], (x,), (x,))
    assert len(sweeps) == 4


# ---- structures ----------------------------------------------------------------------------------------------------


def test_results_have_the_shape_of_the_argument():
    def f(w):
        return w["a"][0] * w["a"][1].y * w["b"] + w["o"]["k"] * 3

    w = {"a": (2.0, Point(3.0, 5.0)), "b": 7, "o": OrderedDict(k=1.0), "none": []}
    slopes = grad(f)(w)
    assert slopes == {"a": (35.0, Point(0.0, 14.0)), "b": 10.0, "o": OrderedDict(k=3.0), "none": []}
    assert type(slopes["a"][1]) is Point
    assert type(slopes["o"]) is OrderedDict
    assert w == {"a": (2.0, Point(3.0, 5.0)), "b": 7, "o": OrderedDict(k=1.0), "none": []}


def test_the_jacobian_has_the_output_outside_and_the_argument_inside():
    rows = jacobian(lambda p: {"product": p.x * p.y, "pair": (p.x, 2)})(Point(3.0, 5.0))
    assert rows == {"product": Point(5.0, 3.0), "pair": (Point(1.0, 0.0), Point(0.0, 0.0))}
    assert hessian(lambda p: p["x"] * p["y"])({"x": 3.0, "y": 5.0}) == {
        "x": {"x": 0.0, "y": 1.0},
        "y": {"x": 1.0, "y": 0.0},
    }


def test_empty_structures():
    assert grad(lambda x: 3.0)([]) == []
    assert jacobian(lambda x: ())({}) == ()
    assert hessian(lambda x, y: y * y, ())(1.0, 2.0) == ()
    assert hvp(lambda x: 1.0)(([], {}), ([], {})) == ([], {})
    assert jvp(lambda: [1.0], (), ()) == ([1.0], [0.0])


def test_numpy_arrays():
    matrix = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    x = np.array([1, 2])
    slope = grad(lambda x: (matrix @ x).sum())(x)
    assert slope.dtype == float
    assert slope.tolist() == [9.0, 12.0]
    rows = jacobian(lambda x: matrix @ x)(x)
    assert rows.dtype == float
    assert rows.tolist() == matrix.tolist()
    assert hessian(lambda x: (x @ x) / 2)(x).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert hvp(lambda x: (x @ x) / 2)(x, [3.0, 4.0]).tolist() == [3.0, 4.0]
    assert grad(lambda w: (w * matrix).sum())(np.ones((3, 2))).tolist() == matrix.tolist()
    assert grad(lambda x: x[()] * 3)(np.array(2.0)) == np.array(3.0)
    assert grad(lambda x: 1.0)(np.ones((0, 2))).shape == (0, 2)
    exact = grad(lambda x: (x * x).sum())(np.array([Fraction(1, 3), Fraction(2)]))
    assert exact.tolist() == [Fraction(2, 3), Fraction(4)]


def test_structures_around_arrays():
    rows = jacobian(lambda w: np.array([w["a"] * 2, w["b"] * w["a"]]))({"a": 3.0, "b": 5.0})
    assert rows.shape == (2,)
    assert rows.tolist() == [{"a": 2.0, "b": 0.0}, {"a": 5.0, "b": 3.0}]


# ---- argnum --------------------------------------------------------------------------------------------------------


def test_argnum_by_position_name_and_tuple():
    def f(x, y, *, scale=1.0):
        return x * y**2 * scale

    assert grad(f, 1)(2.0, 3.0) == 12.0
    assert grad(f, -1)(2.0, 3.0) == 12.0
    assert grad(f, -2)(2.0, 3.0) == 9.0
    assert grad(f, "y")(2.0, 3.0) == 12.0
    assert grad(f, "y")(y=3.0, x=2.0) == 12.0
    assert grad(f, 1)(2.0, y=3.0) == 12.0
    assert grad(f, "scale")(2.0, 3.0, scale=5.0) == 18.0
    assert grad(f, ("y", 0, "scale"))(2.0, 3.0, scale=5.0) == (60.0, 45.0, 18.0)
    assert grad(f, (0,))(2.0, 3.0) == (9.0,)
    assert hessian(f, ("x", "y"))(2.0, 3.0) == ((0.0, 6.0), (6.0, 4.0))
    assert hvp(f, "x")(2.0, 3.0, 10.0) == 0.0
    assert hvp(f, ("x", "y"))(2.0, 3.0, (1.0, 2.0)) == (12.0, 14.0)
    assert grad(grad(f, "y"), "y")(2.0, 3.0) == 4.0  # the name is known through the wrapper
    assert grad(partial(f, scale=2.0), "y")(2.0, 3.0) == 24.0


def test_other_arguments_pass_through_untouched():
    seen = []

    def f(x, *others, **named):
        seen.append((others, named))
        return x * 2

    marker, numbers = object(), [1, 2]
    assert grad(f)(1.0, marker, numbers, mode="train") == 2.0
    ((first, second), named) = seen[0]
    assert first is marker
    assert second is numbers
    assert named == {"mode": "train"}


# ---- nesting, and Values among the arguments -----------------------------------------------------------------------


def test_a_gradient_inside_a_function_that_is_differentiated():
    """d/dy of d/dx (x y^2) = d/dy y^2, whether y reaches the inner function as an argument or by closure."""
    assert grad(lambda y: grad(lambda x: x * y * y)(3.0))(2.0) == 4.0
    assert grad(lambda y: grad(lambda x, y: x * y * y)(3.0, y))(2.0) == 4.0
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0) == 1.0  # the classic of perturbation confusion


def test_an_inner_gradient_is_partial_even_if_the_closure_reads_the_same_value():
    """At v, d/dx (x v) is v, not 2 v; its derivative with respect to v is 1."""
    v = Value(2.0)
    slope = grad(lambda x: x * v)(v)
    assert slope.data == 2.0
    assert gradients(slope, v) == 1.0
    assert grad(lambda v: grad(lambda x: x * x * v)(v))(3.0) == 12.0  # 2 v v
    assert [s.data for s in grad(lambda xs: xs[0] * xs[1])([v, v])] == [2.0, 2.0]


def test_results_are_values_if_and_only_if_a_value_is_involved():
    x, w = Value(2.0), Value(5.0)
    assert type(grad(lambda x: x * x)(2.0)) is float
    slope = grad(lambda x: x * x * x)(x)
    slope.backward()
    assert (slope.data, x.grad) == (12.0, 12.0)
    slope = grad(lambda x: x * w * w)(2.0)
    slope.backward()
    assert (slope.data, w.grad) == (25.0, 10.0)
    product = hvp(lambda x: x[0] ** 2 * x[1])([3.0, 5.0], [w, 0.0])
    assert [p.data for p in product] == [50.0, 30.0]
    assert [gradients(p, w) for p in product] == [10.0, 6.0]
    value, change = jvp(lambda x: x * x, (3.0,), (w,))
    assert (value.data, change.data, gradients(change, w)) == (9.0, 30.0, 6.0)
    for second in (hessian(lambda x: 3 * x)(2.0), hessian(lambda x: 7)(2.0), nth(lambda x: x, 3)(2.0)):
        assert type(second) is float
        assert second == 0.0


def test_no_grad_of_leaves_is_touched():
    x, w = Value(2.0), Value(5.0)
    for derivative in (grad, value_and_grad, jacobian, hessian):
        derivative(lambda x: x * w)(x)
    hvp(lambda x: x * x * w)(x, 1.0)
    assert (x.grad, w.grad) == (0.0, 0.0)


def test_under_no_grad_derivatives_are_right_and_lead_nowhere():
    w = Value(5.0)
    with autograd.no_grad():
        assert grad(lambda x: x * x)(3.0) == 6.0
        assert nth(lambda x: x.tanh(), 2)(0.0) == 0.0
        slope = grad(lambda x: x * x * w)(w)
        assert (slope.data, slope.parents) == (50.0, ())
        assert (w * 2).parents == ()
        with pytest.raises(TypeError):
            grad(lambda x: [x])(1.0)
        assert (w * 2).parents == ()
    assert (w * 2).parents


@pytest.mark.parametrize("third", [Fraction(1, 3), Decimal(1) / 3])
def test_exact_numbers_stay_exact(third):
    kind = type(third)
    assert grad(lambda x: x * x * x)(third) == 3 * third * third
    for derivative in (grad(lambda x: x**3), hessian(lambda x: x**3)):
        assert type(derivative(third)) is kind
    assert hessian(lambda x: x**3)(third) == 6 * third
    product = hvp(lambda x: x**3)(third, 2)
    assert (type(product), product) == (kind, 12 * third)
    value, change = jvp(lambda x: [x * x, 5], (third,), (1,))
    assert value == [third * third, 5]
    assert (type(change[0]), change) == (kind, [2 * third, 0.0])


# ---- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "call"),
    [
        (r"args\[0\]\['w'\]\[2\] is 'a' of type str", lambda: grad(abs)({"w": [1.0, 2, "a"]})),
        (r"args\[1\] is None of type NoneType", lambda: grad(pow, 1)(2.0, None)),
        (r"args\[0\] is True of type bool", lambda: grad(abs)(True)),
        (r"args\[0\]\[1\]\[0\] is .*False", lambda: grad(abs)(np.array([[1.0], [False]], dtype=object))),
        (r"^key\['a'\] is 'b'", lambda: grad(lambda key: 1, "key")(key={"a": "b"})),
        (r"returned \[Value.* of type list: .*jacobian", lambda: grad(lambda x: [x])(1.0)),
        (r"returned None of type NoneType: does f lack a return", lambda: grad(lambda x: None)(1.0)),
        (r"returned 'a' of type str", lambda: jacobian(lambda x: [x, "a"])(1.0)),
        (r"write grad\(f\)\(x\)", lambda: grad(3.0)),
        (r"argnum is a position, a name", lambda: grad(abs, 1.5)),
        (r"argnum=2 is no argument of this call, which was given 1 by position", lambda: grad(abs, 2)(1.0)),
        (r"argnum='z' is no argument", lambda: grad(lambda x, y=1: x, "z")(1.0)),
        (r"argnum='y' is no argument", lambda: grad(lambda x, y=1: x, "y")(1.0)),
        (r"then the vector by position", lambda: hvp(abs)()),
        (r"args\[0\]\[0\] is 'a' of type str.*the vector must be made of numbers", lambda: hvp(sum)([1.0], ["a"])),
        (r"write jvp\(f, \(x,\)", lambda: jvp(abs, 1.0, 1.0)),
    ],
)
def test_type_errors_name_what_was_given_and_what_to_do(message, call):
    with pytest.raises(TypeError, match=message):
        call()


@pytest.mark.parametrize(
    ("message", "call"),
    [
        (r"vector .* no number at args\[0\]\[1\]", lambda: hvp(sum)([1.0, 2.0], [1.0])),
        (r"vector .* too many at args\[0\]\[1\]", lambda: hvp(sum)([1.0], [1.0, 2.0])),
        (r"a part for each argument, 2 in all", lambda: jvp(pow, (1.0, 2.0), (1.0,))),
        (r"names an argument twice", lambda: grad(lambda x: x, (0, "x"))(1.0)),
    ],
)
def test_shape_errors(message, call):
    with pytest.raises(ValueError, match=message):
        call()


def test_an_error_in_f_reaches_the_caller_and_leaves_recording_as_it_was():
    def f(x):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        grad(f)(1.0)
    with autograd.no_grad(), pytest.raises(RuntimeError, match="mine"):
        grad(f)(1.0)
    assert (Value(1.0) * 2).parents
