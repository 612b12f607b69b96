"""The engine's contract, line by line."""

import gc
import math
import random
import sys
import threading
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd
from autograd import Constant, Rule, Value, gradients, no_grad, operation, topological_sort
from autograd.engine import NOT_COMPUTED

# ---- a Value -------------------------------------------------------------------------------------------------------


def test_its_strings():
    assert repr(Value(2)) == "Value(data=2.0, grad=0.0)"
    assert repr(Value(2, label="a")) == "Value(data=2.0, grad=0.0, label='a')"
    assert str(Value(2.5)) == "Value(data=2.5, grad=0.0)"
    assert f"{Value(2.54321):.3f} {Value(1):>8.1e}|{Value(1)}" == "2.543  1.0e+00|Value(data=1.0, grad=0.0)"


def test_its_signature_is_the_lectures():
    a, b = Value(2.0), Value(3.0)
    v = Value(6.0, (a, b), "*", "ab")
    assert (v.data, v.grad, v._prev, v._op, v.label) == (6.0, 0.0, (a, b), "*", "ab")
    assert Value(1.0)._prev == () and Value(1.0)._op == ""
    with pytest.raises(TypeError, match="_children"):
        Value(1.0, (2.0,))


@pytest.mark.parametrize(
    "data", [2, 2.0, np.float32(2), np.float64(2), np.int64(2), np.uint8(2), np.float16(2), np.longdouble(2)]
)
def test_real_scalars_become_floats(data):
    assert type(Value(data).data) is float and Value(data).data == 2.0


@pytest.mark.parametrize("data", [Fraction(1, 3), Decimal("0.1"), 1 + 2j])
def test_exact_and_complex_numbers_are_kept(data):
    assert Value(data).data is data or Value(data).data == data
    assert type(Value(data).data) is type(data)


@pytest.mark.parametrize(
    "data", ["2", None, True, [1.0], (1.0,), {}, np.True_, np.array([1.0]), np.array(1.0), Value(1.0), b"2", object()]
)
def test_anything_else_is_refused_by_name(data):
    with pytest.raises(TypeError, match=rf"got .* of type {type(data).__name__}") as caught:
        Value(data)
    assert "Fraction" in str(caught.value)


def test_a_huge_int_is_an_infinity():
    assert Value(10**400).data == math.inf and (Value(1.0) - 10**400).data == -math.inf


def test_equality_and_hash_are_identity():
    a, b = Value(1.0), Value(1.0)
    assert a != b and a == a and len({a, b}) == 2 and a in [b, a] and [b, a].index(a) == 1


def test_order_compares_data():
    a, b = Value(1.0), Value(2.0)
    assert a < b and a <= 1 and b > 1.5 and b >= 2 and not a > b and max(a, b) is b and sorted([b, a]) == [a, b]
    with pytest.raises(TypeError):
        a < "b"  # noqa: B015


def test_bool_and_float_say_what_to_use():
    v = Value(2.0)
    with pytest.raises(TypeError, match=r"v\.data"):
        bool(v)
    for cut in (float, int, complex, math.exp, lambda v: np.array([v], dtype=float)):
        with pytest.raises(TypeError, match=r"autograd\.exp"):
            cut(v)


def test_arithmetic_with_what_is_no_number():
    v = Value(2.0)
    for other in ("a", None, True, [1.0]):
        for operate in (lambda: v + other, lambda: other * v, lambda: v**other, lambda: v / other, lambda: other - v):  # noqa: B023
            with pytest.raises(TypeError, match=r"unsupported operand|can't multiply|concatenate|can only"):
                operate()
    with pytest.raises(TypeError, match="got 'a' of type str"):
        v.maximum("a")


def test_parents_are_ordered_and_repeat():
    a, b = Value(2.0), Value(3.0)
    assert (a + a).parents == (a, a)
    assert (a - b).parents == (a, b) and (b - a).parents == (b, a)
    constant, value = (5 - a).parents
    assert value is a and type(constant) is Constant and constant.data == 5.0
    assert autograd.sum([a, b, a]).parents == (a, b, a)
    assert a.parents == () and a.rule is None and a.local_derivatives == () and a.slopes == ()


def test_operation_names():
    a, b = Value(2.0), Value(3.0)
    made = [a + b, a * b, a - b, a / b, -a, a**3, a**-0.5, a**b, 2**a, a.tanh(), a.exp(), a.relu(), a.leaky_relu(0.1)]
    assert [v._op for v in made] == [
        "+",
        "*",
        "-",
        "/",
        "neg",
        "**3",
        "**-0.5",
        "**",
        "**",
        "tanh",
        "exp",
        "ReLU",
        "leaky_relu",
    ]
    assert made[1].rule is autograd.rules.MUL


def test_subtraction_and_division_are_operations_of_their_own():
    assert all(
        (Value(float(n)) / n).data == 1.0 and (Value(float(n)) / Value(float(n))).data == 1.0 for n in range(1, 500)
    )
    assert (Value(0.3) - 0.1).data == 0.3 - 0.1


def test_local_derivatives_are_the_rules_partials():
    a, b = Value(2.0), Value(5.0)
    for node, slopes in (
        ((a * b), (5.0, 2.0)),
        (a / b, (0.2, -0.08)),
        (a.exp(), (math.exp(2),)),
        (autograd.dot([a], [b]), (5.0, 2.0)),
    ):
        assert node.slopes == pytest.approx(slopes)
        read = [local(*[p.data for p in node.parents], node.data) for local in node.local_derivatives]
        assert read == pytest.approx(slopes)
    assert (a * b).local_derivatives is autograd.rules.MUL.partials
    assert (a * 3).slopes == (3.0, None)


def test_an_interior_node_shares_one_function_per_operand():
    a = Value(2.0)
    assert (a * a).local_derivatives[0] is (a * 3).local_derivatives[0]


# ---- backward ------------------------------------------------------------------------------------------------------


def test_fan_out_repeated_parents_and_shared_subgraphs():
    a, b = Value(2.0), Value(-3.0)
    c = a * b
    y = c * c + c + a + a * a  # c^2 + c + a + a^2
    y.backward()
    assert a.grad == 2 * -6 * -3 + -3 + 1 + 2 * 2
    assert b.grad == 2 * -6 * 2 + 2
    assert c.grad == 2 * -6 + 1 and y.grad == 1.0


def test_gradients_are_floats_on_float_graphs():
    a = Value(3)
    y = (a + 2 - 1) * 1 + a.relu() + abs(a) + autograd.sum([a, 1, a]) + autograd.maximum(a, 1) + (-a)
    y.backward()
    assert {type(node.grad) for node in topological_sort(y)} == {float}
    assert type(gradients(a + 1, a)) is float and type(gradients(a, a)) is float


def test_two_roots_accumulate_in_the_leaves_only():
    a = Value(2.0)
    shared = a * 3
    y, z = shared * shared, shared + 1
    y.backward()
    assert a.grad == 36.0
    z.backward()
    assert a.grad == 39.0 and shared.grad == 1.0 and y.grad == 1.0


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_backward_twice_doubles_the_leaves_exactly_and_corrupts_nothing(data, choose):
    leaves = [Value(x) for x in data]
    pool = list(leaves)
    for _ in range(30):
        x, y = choose.choice(pool), choose.choice(pool)
        pool.append(choose.choice([x + y, x * y, x - y, x.tanh(), x / (2 + y * y), autograd.sum([x, y, x]), x.relu()]))
    root = autograd.sum(pool)
    root.backward()
    once, inside = [v.grad for v in leaves], [v.grad for v in pool[len(leaves) :]]
    assert gradients(root, leaves) == once
    root.backward()
    assert [v.grad for v in leaves] == [2 * g for g in once]
    assert [v.grad for v in pool[len(leaves) :]] == inside


def test_zero_grad_and_not_yet_computed():
    a, b = Value(2.0), Value(3.0)
    y = a * b + a
    assert all(node.grad is NOT_COMPUTED for node in topological_sort(y)) and NOT_COMPUTED == 0.0
    y.backward()
    assert a.grad == 4.0
    y.zero_grad()
    assert all(node.grad is NOT_COMPUTED for node in topological_sort(y))
    y.backward()
    assert a.grad == 4.0


def test_a_gradient_of_zero_is_told_from_one_not_computed():
    a = Value(-1.0)
    dead = a.relu()
    (dead * 5).backward()
    assert a.grad == 0.0 and a.grad is not NOT_COMPUTED
    below = Value(4.0)
    root = below.sqrt()
    chosen = autograd.where(True, a, root)
    chosen.backward()
    for node in (below, root):
        assert node.grad == 0.0 and node.grad is not NOT_COMPUTED


def test_a_grad_set_to_none_is_reset():
    a = Value(2.0)
    y = a * a
    y.grad = a.grad = None
    (y * 3).backward()
    assert a.grad == 12.0 and y.grad == 3.0


@pytest.mark.parametrize("create_graph", [False, True])
def test_nothing_comes_along_a_branch_not_chosen_whatever_is_upstream(create_graph):
    for upstream in (math.inf, math.nan):
        for choose in (
            lambda x, y: x.relu(),
            lambda x, y: x.maximum(y),
            lambda x, y: autograd.where(False, x, y),
        ):
            x = Value(-1.0)
            y = choose(x, Value(-0.5)) * upstream
            y.backward(create_graph)
            assert (x.grad.data if create_graph else x.grad) == 0.0


def test_a_power_is_told_from_its_like_to_the_last_bit():
    x = Value(2.0)
    assert [(x**k)._op for k in (2, 2.0, 0.0, -0.0, 0, 2)] == ["**2", "**2.0", "**0.0", "**-0.0", "**0", "**2"]


def test_the_root_may_be_a_leaf():
    a = Value(3.0)
    a.backward()
    a.backward()
    assert a.grad == 2.0


def test_constants_take_no_gradient():
    a = Value(2.0)
    y = 3 * a + autograd.sum([a, 4.0]) + autograd.maximum(5.0, a)
    y.backward()
    assert all(node.grad is NOT_COMPUTED for node in topological_sort(y) if type(node) is Constant)


def test_micrograds_own_zeroing_still_works():
    a = Value(2.0)
    for _ in range(2):
        a.grad = 0
        (a * a).backward()
    assert a.grad == 4.0 and type(a.grad) is float


def test_changing_a_leaf_after_the_forward_pass():
    a, b = Value(2.0), Value(3.0)
    y = a * b
    a.data = 10.0
    y.backward()
    assert (a.grad, b.grad) == (3.0, 2.0)
    with pytest.raises(RuntimeError, match="forward pass again"):
        gradients(y, b, create_graph=True)
    square = b * b
    b.data = -3.0  # the same value, another slope
    with pytest.raises(RuntimeError, match="changed after"):
        square.backward(create_graph=True)
    assert b.grad == 2.0


def test_assigning_an_int_or_a_numpy_scalar_to_data():
    a = Value(2.0)
    for data in (7, np.float64(7), np.float32(7)):
        a.data = data
        for y in (a + a, a.exp(), a / 2, a**2, 1 - a, a * Value(2.0)):
            assert type(y.data) is float and all(type(s) is float for s in (gradients(y, a),))
    a.data = "7"
    with pytest.raises(TypeError, match="of type str"):
        a + 1


def test_exact_numbers_stay_exact():
    x, y = Value(Fraction(1, 3)), Value(Fraction(2, 7))
    z = (x * x + 2 * x - y / 3) / (x - 1) + 1 / y + x**3 + autograd.dot([x, 2], [y, x]) + autograd.prod([x, y, 3])
    z.backward()
    assert type(x.grad) is Fraction and type(y.grad) is Fraction
    p, q = Fraction(1, 3), Fraction(2, 7)
    above, below = p * p + 2 * p - q / 3, p - 1
    assert x.grad == (2 * p + 2) / below - above / below**2 + 3 * p * p + q + 2 + 3 * q
    assert y.grad == -Fraction(1, 3) / below - 1 / q**2 + p + 3 * p
    assert type((x * 2).data) is Fraction and (x * 2).parents[1].data == 2 and type((x * 2).parents[1].data) is int


def test_exact_numbers_stay_exact_at_second_order():
    for third in (Fraction(1, 3), Decimal("0.25")):
        x = Value(third)
        slope = gradients(x * x * x / 4, x, create_graph=True)
        assert slope.data == 3 * third * third / 4 and type(slope.data) is type(third)
        assert gradients(slope, x) == 3 * third / 2 and type(gradients(slope, x)) is type(third)
    assert autograd.hessian(lambda x: x**3 / 3)(Fraction(1, 3)) == Fraction(2, 3)


def test_a_closure_may_work_on_exact_numbers():
    x = Value(Decimal("0.5"))
    y = Value(x.data * 3, (x,), "triple")
    y._backward = lambda: setattr(x, "grad", x.grad + 3 * y.grad)
    (y * y).backward()
    assert x.grad == 9


def test_sympy_on_either_side():
    import sympy

    t = sympy.Symbol("t")
    x = Value(t)
    y = t * x + sympy.Rational(1, 3) * x
    y.backward()
    assert sympy.simplify(x.grad - t - sympy.Rational(1, 3)) == 0


def test_decimal_and_complex():
    d = Value(Decimal("0.1"))
    (d * d + 3 * d + d.exp()).backward()
    assert d.grad == 2 * Decimal("0.1") + 3 + Decimal("0.1").exp()
    c = Value(1 + 2j)
    (c * c + c.exp() + 1 / c).backward()
    import cmath

    assert c.grad == pytest.approx(2 * (1 + 2j) + cmath.exp(1 + 2j) - 1 / (1 + 2j) ** 2)
    with pytest.raises(TypeError, match="complex"):
        c.relu()
    with pytest.raises(ZeroDivisionError):
        1 / Value(Fraction(0))


# ---- interruption --------------------------------------------------------------------------------------------------


class Stop(BaseException):
    pass


def interrupted_at(step, call):
    """Run `call`, raising Stop at its step-th line inside engine.py; whether it was reached."""
    count = 0

    def trace(frame, event, arg):
        nonlocal count
        if not frame.f_code.co_filename.endswith(("engine.py", "sweeping.py")):
            return None
        if event == "line":
            count += 1
            if count == step:
                raise Stop
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except Stop:
        return True
    finally:
        sys.settrace(before)
    return False


@pytest.mark.parametrize("create_graph", [False, True])
def test_interrupted_at_every_step_of_a_sweep(create_graph):
    a, b = Value(2.0), Value(-3.0)
    a.grad, b.grad = 7.0, Value(5.0) if create_graph else 5.0
    held = b.grad
    y = autograd.sum([a * b, (a * 3).relu(), b.relu(), a]) * (a - b)
    step, reached = 1, True
    while reached:
        reached = interrupted_at(step, lambda: y.backward(create_graph))
        if reached:
            assert a.grad == 7.0 and b.grad is held, f"step {step}"
            assert gradients(y, [a, b]) == [7.0, 8.0]  # (b + 3 + 1)(a - b) + s and a (a - b) - s, with s = 2
            if step % 7 == 0:  # and the graph still works
                y.backward()
                assert a.grad == 14.0
                a.grad, b.grad = 7.0, held
        step += 1
    assert step > 60


def test_an_exception_in_a_closure_leaves_the_leaves_as_they_were():
    a, b = Value(2.0), Value(3.0)
    (a * b).backward()
    broken = a * b
    broken._backward = lambda: 1 / 0
    y = broken + a
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            y.backward()
        assert (a.grad, b.grad) == (3.0, 2.0)


# ---- gradients -----------------------------------------------------------------------------------------------------


def test_gradients_touch_no_grad():
    a, b, other = Value(2.0), Value(3.0), Value(1.0)
    y = a * b
    assert gradients(y, a) == 3.0 and gradients(y, [a, b, other, y]) == [3.0, 2.0, 0.0, 1.0] and gradients(y, ()) == []
    assert gradients(y, iter([a])) == [3.0]
    assert all(v.grad is NOT_COMPUTED for v in (a, b, y, other))
    for bad in (lambda: gradients(y, 3.0), lambda: gradients(2.0, a), lambda: gradients(y, [a, None])):
        with pytest.raises(TypeError, match=r"gradients\(output, inputs\) takes Values, got"):
            bad()


def test_gradients_of_gradients():
    x, w = Value(0.5), Value(2.0)
    y = x**3 * w
    first = gradients(y, [x, w], create_graph=True)
    assert all(isinstance(g, Value) for g in first) and first[0].data == 1.5
    second = gradients(first[0], [x, w], create_graph=True)
    assert [g.data for g in second] == [6.0, 0.75]
    unrelated = gradients(y, Value(1.0), create_graph=True)
    assert isinstance(unrelated, Value) and unrelated.data == 0.0


def test_backward_with_create_graph():
    x = Value(0.3)
    y = x.sin()
    y.backward(create_graph=True)
    assert isinstance(x.grad, Value) and x.grad.data == math.cos(0.3)
    slope = x.grad
    x.grad = 0.0
    slope.backward()
    assert x.grad == -math.sin(0.3)


def test_fourth_derivative_of_tanh():
    import mpmath

    for at in (-2.0, -0.3, 0.0, 0.7, 5.0):
        x = Value(at)
        y = x.tanh()
        for _ in range(4):
            y = gradients(y, x, create_graph=True)
        with mpmath.workdps(50):
            expected = float(mpmath.diff(mpmath.tanh, mpmath.mpf(at), 4))
        assert y.data == pytest.approx(expected, rel=1e-12, abs=1e-15)


# ---- depth and size ------------------------------------------------------------------------------------------------


def test_deep_and_wide_graphs_at_the_default_recursion_limit():
    x = Value(1.0)
    y = x
    for _ in range(100_000):
        y = y * 0.5 + y * 0.5
    y.backward()
    assert x.grad == 1.0
    wide = autograd.sum([x] * 100_000)
    wide.backward()
    assert x.grad == 100_001.0
    second = gradients(y, x, create_graph=True)
    assert second.data == 1.0
    del y, wide, second


@pytest.mark.slow
def test_a_million_operations():
    x = Value(1.0)
    for build in (
        lambda: chain(x),
        lambda: diamond(x),
        lambda: autograd.sum([x] * 1_000_000),
        lambda: sum([x] * 1_000_000),
    ):
        x.grad = 0.0
        y = build()
        y.backward()
        assert x.grad in (1.0, 1_000_000.0)
        assert gradients(y, x) == x.grad
        del y


def chain(y):
    for _ in range(1_000_000):
        y = y + 1.0
    return y


def diamond(y):
    for _ in range(333_334):
        y = y * 0.5 + y * 0.5
    return y


def test_nothing_is_left_for_the_collector():
    weights = [Value(random.random(), label=f"w{i}") for i in range(5)]
    gc.collect()
    tracked = None
    gc.disable()
    try:
        for step in range(1000):
            x = [w * (i + 1) for i, w in enumerate(weights)]
            loss = (autograd.sum(x).tanh() - 0.5) ** 2 + autograd.logsumexp(x) + autograd.maximum(x[0], x[1]).relu() / 3
            loss.backward()
            for w in weights:
                w.data -= 0.01 * w.grad
                w.grad = 0.0
            del loss, x
            if step == 100:
                tracked = len(gc.get_objects())
        assert len(gc.get_objects()) <= tracked + 5
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_bytes_per_operation():
    import tracemalloc

    a, b = Value(1.1), Value(0.9)
    n = 20_000
    tracemalloc.start()
    y = a
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(n // 2):
        y = y * b + a
    forward = (tracemalloc.get_traced_memory()[0] - before) / n
    y.backward()
    backward = (tracemalloc.get_traced_memory()[0] - before) / n
    tracemalloc.stop()
    assert forward <= 130 and backward <= 150


# ---- made by hand --------------------------------------------------------------------------------------------------


def test_a_closure_of_ones_own():
    a, b = Value(2.0), Value(3.0)
    out = Value(a.data * b.data, (a, b), "times")

    def closure():
        a.grad += b.data * out.grad
        b.grad += a.data * out.grad

    out._backward = closure
    y = out * out + a
    y.backward()
    assert (a.grad, b.grad) == (37.0, 24.0) and out.grad == 12.0
    y.backward()
    assert (a.grad, b.grad) == (74.0, 48.0)
    assert gradients(y, [a, b, out]) == [37.0, 24.0, 12.0]
    with pytest.raises(TypeError, match=r"times.*made by hand"):
        gradients(y, a, create_graph=True)
    assert out.slopes == (None, None)


def test_a_closure_replaces_the_rules():
    a = Value(2.0)
    out = a * 3
    out._backward = lambda: setattr(a, "grad", a.grad + 100 * out.grad)
    (out + 0).backward()
    assert a.grad == 100.0 and out.parents[0] is a and out._op == "*"


def test_backward_closures_can_be_called_by_hand():
    a, b = Value(2.0), Value(3.0)
    y = a * b
    y.grad = 1.0
    y._backward()
    y._backward()
    assert (a.grad, b.grad) == (6.0, 4.0)
    Value(1.0)._backward()


# ---- no_grad, detach -----------------------------------------------------------------------------------------------


def test_no_grad_records_nothing():
    a = Value(2.0)
    with no_grad():
        y = (a * 3 + 1).tanh() + autograd.logsumexp([a, 1.0]) + a**2 + a.leaky_relu()
    assert y.parents == () and y.rule is None and a.data == 2.0
    assert (a * 3).parents[0] is a

    @no_grad()
    def predict(x):
        "Predict."
        return x * x

    assert predict(a).parents == () and predict.__doc__ == "Predict." and predict.__name__ == "predict"


def test_no_grad_is_restored_after_an_exception_and_nests():
    a = Value(2.0)
    with pytest.raises(ZeroDivisionError), no_grad():
        1 / 0  # noqa: B018
    assert (a + 1).parents
    mode = no_grad()
    with mode:
        with mode:
            pass
        assert not (a + 1).parents
    assert (a + 1).parents


def test_no_grad_is_of_one_thread():
    a, seen, inside, done = Value(2.0), [], threading.Event(), threading.Event()

    def other():
        inside.wait()
        seen.append(bool((a + 1).parents))
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    with no_grad():
        inside.set()
        done.wait()
        assert not (a + 1).parents
    thread.join()
    assert seen == [True]


def test_one_no_grad_may_be_shared_by_threads():
    mode, a, barrier, seen = no_grad(), Value(2.0), threading.Barrier(2, timeout=10), []

    def work():
        with mode:
            barrier.wait()
            seen.append(bool((a + 1).parents))
            barrier.wait()
        seen.append(bool((a + 1).parents))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(seen) == [False, False, True, True]


def test_no_grad_within_detect_anomaly_still_watches_values():
    with autograd.detect_anomaly(), no_grad():
        with pytest.raises(FloatingPointError, match=r"log of 0\.0"):
            Value(0.0).log()
        with pytest.raises(FloatingPointError, match=r"\* of 1e\+200"):
            Value(1e200) * Value(1e200)
        assert (Value(2.0) * 3).parents == ()
    with autograd.detect_anomaly():
        assert (0.0 ** Value(0.5)).data == 0.0  # the slope of the constant is not asked for


def test_no_grad_is_of_one_task():
    import asyncio

    a = Value(2.0)

    @no_grad()
    async def evaluating(first, second):
        first.set()
        await second.wait()
        return bool((a + 1).parents)

    async def recording(first, second):
        await first.wait()
        recorded = bool((a + 1).parents)
        second.set()
        return recorded

    async def both():
        first, second = asyncio.Event(), asyncio.Event()
        return await asyncio.gather(evaluating(first, second), recording(first, second))

    assert asyncio.run(both()) == [False, True]


def test_no_grad_refuses_generators():
    with pytest.raises(TypeError, match=r"with no_grad\(\)"):

        @no_grad()
        def numbers():
            yield 1

    with pytest.raises(TypeError, match="no_grad"):
        no_grad()(3)


def test_detect_anomaly_watches_the_sweep_too():
    m = Value(1e-300, label="m")
    with autograd.detect_anomaly():
        y = m * 1e200 * 1e200
        with pytest.raises(FloatingPointError, match=r"label='m'.*upstream gradient 1e\+200"):
            y.backward()
        assert m.grad is NOT_COMPUTED
        (m * 2).backward()
    assert m.grad == 2.0
    y.backward()
    assert m.grad == math.inf


def test_operations_have_docstrings():
    assert (
        all("'exp'" in operation.__doc__ for operation in (Value.exp, autograd.exp)) and Value.tanh.__name__ == "tanh"
    )


def test_detach():
    a = Value(2.0)
    y = a * a.detach()
    y.backward()
    assert a.grad == 2.0 and (a * a).detach().parents == ()


def test_threads_with_their_own_graphs():
    found, problems = {}, []

    def work(seed):
        try:
            for _ in range(20):
                x = Value(seed / 10)
                y = x
                for _ in range(300):
                    y = (y * 1.01 + x).tanh()
                y.backward()
            found[seed] = x.grad
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    alone = dict(found)
    for seed in range(6):
        work(seed)
    assert not problems and found == alone


# ---- rules of one's own, functions, arrays -------------------------------------------------------------------------

CUBE = Rule("cube", lambda x: x**3, (lambda x, out: 3 * x**2,))
cube = operation(CUBE)


def test_a_rule_of_ones_own():
    x = Value(2.0)
    y = cube(x) + cube(x) * 2
    y.backward()
    assert y.data == 24.0 and x.grad == 36.0 and cube(3) == 27.0 and cube(Fraction(1, 3)) == Fraction(1, 27)
    assert gradients(gradients(cube(x), x, create_graph=True), x) == 12.0
    assert [v.data for v in cube(np.array([x, Value(1.0)]))] == [8.0, 1.0]
    assert (cube(np.array([2.0, 3.0])) == [8.0, 27.0]).all()


def test_a_rule_of_ones_own_may_be_n_ary():
    mean = operation(
        Rule(
            "mean", lambda *xs: autograd.sum(xs) / len(xs), lambda xs, out: [autograd.exp(0 * x) / len(xs) for x in xs]
        )
    )
    xs = [Value(1.0), Value(5.0)]
    y = mean(xs)
    y.backward()
    assert y.data == 3.0 and xs[0].grad == 0.5


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (
            Rule("f", lambda x: x, (lambda x, out: 1, lambda x, out: 1)),
            "forward takes 1 operand, but there are 2 partials",
        ),
        (Rule("f", lambda x, y: x * y, (lambda x, y, out: y,)), "forward takes 2 operands, but there is 1 partial;"),
        (Rule("f", lambda x: x if x > 0 else 0, (lambda x, out: 1,)), r"forward.*branch.*autograd\.where"),
        (Rule("f", lambda x: x * x, (lambda x, out: 2 * x if x > 0 else 0,)), r"partial 1.*branch.*autograd\.where"),
        (Rule("f", lambda x: x, (lambda x, out: 1 if x == 0 else 2,)), r"partial 1.*branch.*autograd\.where"),
        (Rule("f", lambda x: math.sin(x), (lambda x, out: 1,)), r"forward.*autograd\.exp"),
        (Rule("f", lambda x: x, (lambda x: 1,)), r"partial 1 should take \(\*operands, out\)"),
        (Rule("f", lambda *xs: xs[0], lambda xs, out: [1]), "1 slopes for 3 operands"),
        (Rule("f", lambda x: x**3, lambda x, out: 3 * x**2), r"with its comma: \(partial,\)"),
        (Rule("f", lambda x: None, (lambda x, out: 1,)), "forward gave None.*return"),
        (Rule("f", lambda x: x, (lambda x, out: "1",)), "partial 1 gave '1'"),
        ("tanh", "takes a Rule"),
    ],
)
def test_a_mistake_in_a_rule_is_named(rule, says):
    with pytest.raises(TypeError, match=says):
        operation(rule)


def test_bindings_equal_the_rules():
    from autograd import operations
    from autograd.rules import MAKERS, RULES

    symbols = {"+": "add", "-": "sub", "*": "mul", "/": "truediv", "**": "pow", "gelu_tanh": "gelu"}
    names = {symbols.get(name, name.lower()) for name in RULES} | {
        {"power_of": "pow", "chosen": "where", "decided": "where"}.get(name, name) for name in MAKERS
    }
    public = {name for name in vars(operations) if name in names}
    assert public == names and all(hasattr(autograd, name) for name in names)
    bound = {name: getattr(operations, name).rule for name in names if hasattr(getattr(operations, name), "rule")}
    assert len(bound) >= 32
    assert all(symbols.get(rule.name, rule.name.lower()) == name for name, rule in bound.items())
    n_ary = {name for name, rule in RULES.items() if rule.arity is None} | {"softmax_cross_entropy", "where"}
    dunder = {"add", "sub", "mul", "truediv", "pow", "neg"}
    for name in names - n_ary:
        assert hasattr(Value, f"__{name}__" if name in dunder else name), name


def test_numpys_functions_on_arrays_of_values():
    X, W, b = np.array([[1.0, 2.0]]), np.array([[Value(3.0)], [Value(4.0)]]), np.array([Value(0.5)])
    y = (X @ W + b)[0, 0]
    y.backward()
    assert y.data == 11.5 and [w.grad for w in W[:, 0]] == [1.0, 2.0] and b[0].grad == 1.0
    a = np.array([Value(1.0), Value(4.0)])
    for numpys, ours in (
        (np.exp, math.exp),
        (np.log, math.log),
        (np.tanh, math.tanh),
        (np.sqrt, math.sqrt),
        (np.abs, abs),
    ):
        assert [v.data for v in numpys(a)] == [ours(1.0), ours(4.0)]
    assert np.sum(a).data == 5.0 and np.amax(a) is a[1] and (np.maximum(a, 2.0) == [2.0, a[1]]).all()
    assert [v.data for v in autograd.maximum(a, 2.0)] == [2.0, 4.0]
    assert [v.data for v in Value(2.0) * np.array([1.0, 3.0])] == [2.0, 6.0] and (
        np.float64(2) * Value(3.0)
    ).data == 6.0
    assert autograd.sum(np.array([[a[0], a[1]], [a[0], 1.0]])).data == 7.0


def test_an_array_of_numbers_beside_a_value():
    found = autograd.maximum(np.array([3.0, 0.0]), Value(1.0))
    assert [v.data for v in found] == [3.0, 1.0]


def test_a_huge_exponent_is_an_infinity():
    assert (Value(2.0) ** 10**400).data == math.inf and (Value(0.5) ** 10**400).data == 0.0


def test_an_n_ary_rule_with_too_few_slopes_is_told():
    wrong = operation(Rule("wrong", lambda *xs: autograd.sum(xs), lambda xs, out: [1, 1, 1]))
    with pytest.raises(TypeError, match=r"'wrong' gave 3 slopes for 4 operands"):
        wrong([Value(1.0)] * 4)


def test_functions_of_plain_numbers_give_plain_numbers():
    assert autograd.exp(1) == math.e and autograd.log(0) == -math.inf and math.isnan(autograd.sqrt(-1.0))
    assert autograd.pow(2, 3) == 8.0 and autograd.maximum(1, 2.5) == 2.5 and autograd.sum([1, 2]) == 3.0
    assert autograd.where(True, 1.0, 2.0) == 1.0 and autograd.add(1, 2) == 3.0 and autograd.neg(2) == -2.0
    assert (autograd.sum([]), autograd.prod([]), autograd.dot([], [])) == (0.0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: autograd.exp("a"), TypeError, "'a'"),
        (lambda: autograd.exp(True), TypeError, "True"),
        (lambda: autograd.exp(1, 2), TypeError, "takes 1 operand"),
        (lambda: autograd.add("a", "b"), TypeError, "expected a number, got 'a'"),
        (lambda: autograd.sum([[1, 2], [3]]), TypeError, r"expected a number, got \[1, 2\]"),
        (lambda: autograd.where(True, "a", None), TypeError, "expected a number"),
        (lambda: autograd.where(None, Value(1.0), 2), TypeError, "takes a bool"),
        (lambda: autograd.where(np.int64(2), Value(1.0), 2), TypeError, "takes a bool"),
        (lambda: autograd.sum(3), TypeError, "sum takes a sequence"),
        (lambda: autograd.dot([1, 2], [1]), ValueError, "2 and 1"),
        (lambda: autograd.logsumexp([]), ValueError, "at least one"),
        (lambda: autograd.softmax_cross_entropy([1.0, 2.0], 2), ValueError, "one of the 2 scores, got 2"),
        (lambda: autograd.softmax_cross_entropy([1.0, 2.0], 1.0), TypeError, "an int"),
        (lambda: autograd.where(Value(1.0), 1, 2), TypeError, "takes a bool"),
        (lambda: Value(1.0).gelu("tan"), ValueError, "'tan'"),
        (lambda: Value(1.0).leaky_relu("a"), TypeError, "got 'a' of type str"),
        (lambda: Value(1.0).exp(2), TypeError, r"Value\.exp\(\)"),
        (lambda: Value(1.0, 2), TypeError, "_children are the Values"),
        (lambda: Value(Fraction(1, 4)).tanh(), TypeError, r"tanh of Fraction\(1, 4\): a Fraction has no tanh.*float"),
        (lambda: Value(1j).relu(), TypeError, r"relu of 1j: a complex has no relu.*no order"),
    ],
)
def test_bad_operands_are_told(call, error, says):
    with pytest.raises(error, match=says):
        call()
