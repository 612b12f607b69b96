"""Replay is given what it cannot take, and lanes that take another branch: each a clear error, and nothing is lost."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from replaying import check_result, close, eager, same, total

import autograd
from autograd import BranchError, Rule, Value

COLUMNS = np.array([[1.0, -2.0], [0.5, 3.0], [-1.5, 0.25], [2.0, 0.0]])


def product(x: Value, y: Value, w: Value) -> Value:
    return (x * w + y * 2).tanh()


def leaves(*numbers: float) -> list[Value]:
    return [Value(number) for number in numbers]


def plan_of_product() -> Any:
    x, y, w = leaves(1.0, 2.0, 3.0)
    return autograd.replay(product(x, y, w), [x, y], [w])


# ---- making a plan ---------------------------------------------------------------------------------------------------


def refused(error: type[Exception] | tuple[type[Exception], ...], *words: str, **given: Any) -> None:
    """`autograd.replay` raises the error, whose message has these words, and leaves the graph as it was."""
    output, inputs, parameters = given.pop("output"), given.pop("inputs"), given.pop("parameters", None)
    assert not given
    with pytest.raises(error) as caught:
        autograd.replay(output, inputs, parameters)
    for word in words:
        assert re.search(word, str(caught.value)), str(caught.value)


def test_an_output_that_is_none() -> None:
    x, y, w = leaves(1.0, 2.0, 3.0)
    loss = product(x, y, w)
    refused(ValueError, "output", output=[], inputs=[x])
    for wrong in (None, 2.0, "loss", lambda: loss):
        refused(TypeError, "output", output=wrong, inputs=[x])
    refused(TypeError, "output", r"\b1\b", "float", output=[loss, 2.0], inputs=[x])


def test_inputs_and_parameters_that_are_no_leaves() -> None:
    x, y, w = leaves(1.0, 2.0, 3.0)
    inner = x * w
    loss = inner + y
    refused(ValueError, "input", r"\*", "leaf", output=loss, inputs=[inner])
    refused(ValueError, "input", "leaf", output=loss, inputs=[loss])
    refused(ValueError, "parameter", "leaf", output=loss, inputs=[x], parameters=[w, inner])


def test_inputs_that_are_not_in_the_graph() -> None:
    x, y, w = leaves(1.0, 2.0, 3.0)
    stranger = Value(5.0, label="stranger")
    refused(ValueError, "stranger", "graph", r"\b2\b", output=product(x, y, w), inputs=[x, y, stranger])


def test_the_same_leaf_twice() -> None:
    x, y, w = leaves(1.0, 2.0, 3.0)
    refused(ValueError, "input", r"\b2\b", r"\b0\b", output=product(x, y, w), inputs=[x, y, x])
    refused(ValueError, "parameter", output=product(x, y, w), inputs=[x], parameters=[w, w])


def test_inputs_and_parameters_that_are_no_values() -> None:
    x, y, w = leaves(1.0, 2.0, 3.0)
    loss = product(x, y, w)
    for wrong in (x, 3, None, "x"):
        refused(TypeError, "input", output=loss, inputs=wrong)
    for wrong in ([1.0], ["x"], [None], [[x]], {"x": x}):
        refused(TypeError, "input", output=loss, inputs=wrong)
    refused(TypeError, "parameter", output=loss, inputs=[x], parameters=w)
    refused(TypeError, "parameter", output=loss, inputs=[x], parameters=[w, 1.0])


def test_a_constant_may_be_an_input() -> None:
    """A plain number that met a Value, as an example's number in a model's graph."""
    x, w = leaves(1.0, 3.0)
    loss = (x + 2.0) * w
    two = loss.parents[0].parents[1]
    result = autograd.replay(loss, [x, two], [w])([[1.0, 5.0], [2.0, 0.0]])
    same(result.values, [18.0, 6.0])
    same(result.gradients, [8.0])
    started = sum([x * w, w, x])  # at 0, which an input is not
    zero = next(node for node in autograd.topological_sort(started) if type(node) is autograd.Constant)
    same(autograd.replay(started, [x, zero], [w])([[1.0, 8.0]]).values, [15.0])


def test_a_leaf_as_input_and_parameter() -> None:
    """Its number is the column's; its gradient stands in both places."""
    x, w = leaves(2.0, 3.0)
    plan = autograd.replay(x * x * w, [x], [w, x])
    result = plan([[1.0], [2.0]], lane_gradients=True, input_gradients=True)
    same(result.values, [3.0, 12.0])
    same(result.input_gradients, [[6.0], [12.0]])
    same(result.lane_gradients, [[1.0, 6.0], [4.0, 12.0]])
    same(result.gradients, [5.0, 18.0])


@pytest.mark.parametrize(
    "number",
    [1j, 2 + 0j, Fraction(1, 3), Decimal("0.1"), mpmath.mpf(2), sympy.Rational(1, 3), sympy.Symbol("s")],
    ids=lambda x: type(x).__name__,
)
@pytest.mark.parametrize("place", ["input", "parameter", "neither", "constant"])
def test_numbers_that_are_no_floats(number: Any, place: str) -> None:
    """Exact and complex graphs stay with the engine; the error says what kind of number it was."""
    x, y = Value(number), Value(Decimal(2) if type(number) is Decimal else 2.0)  # a float does not meet a Decimal
    loss = y * number if place == "constant" else x * 2
    inputs = {"input": [x], "constant": [y]}.get(place, [])
    parameters = [x] if place == "parameter" else []
    kind = type(number).__name__
    refused(TypeError, "float", kind, output=loss, inputs=inputs, parameters=parameters)


def test_a_leaf_to_which_something_else_was_assigned() -> None:
    x, w = leaves(2.0, 3.0)
    loss = x * w
    w.data = 4  # ints and NumPy's scalars are numbers
    same(autograd.replay(loss, [x], [w]).parameters, [4.0])
    w.data = np.float32(5.0)
    same(autograd.replay(loss, [x], [w]).parameters, [5.0])
    w.data = "six"
    refused(TypeError, "str", output=loss, inputs=[x], parameters=[w])
    w.data = True
    refused(TypeError, "bool", output=loss, inputs=[x], parameters=[w])


def test_nodes_made_by_hand() -> None:
    """A closure gives numbers of one example, nothing that could be read with arrays."""
    x, w = leaves(2.0, 3.0)
    made = Value(6.0, (x, w), "mine", label="by hand")
    refused(TypeError, "mine|by hand", "hand", output=made * 2, inputs=[x])
    assigned = x * w
    assigned._backward = lambda: None
    refused(TypeError, r"\*", "hand", output=assigned.tanh(), inputs=[x])


def test_a_rule_that_cannot_be_read_with_arrays() -> None:
    """Said with the rule's name, when the plan is made or first called; never a wrong number."""
    broken = Rule("broken", lambda x: float(x) * 2 if not hasattr(x, "detach") else x, (lambda x, out: 2,))
    x = Value(1.0)
    node = autograd.engine.record(broken, (x,))
    with pytest.raises(TypeError, match="broken"):
        autograd.replay(node, [x])([[1.0], [2.0]])


def test_a_rule_that_branches_in_python_is_refused_by_name() -> None:
    sneaky = Rule("sneaky", lambda x: x if x > 0 else -x, (lambda x, out: 1 if x > 0 else -1,))
    x = Value(1.0)
    node = autograd.engine.record(sneaky, (x,))
    with pytest.raises((TypeError, ValueError), match="sneaky"):
        autograd.replay(node, [x])([[1.0], [-2.0]])


def test_a_rule_with_wrong_slopes_is_refused_by_name() -> None:
    few = Rule("few", lambda *xs: autograd.sum(xs), lambda xs, out: [1])
    x, y = leaves(1.0, 2.0)
    node = autograd.engine.record(autograd.rules.SUM, (x, y))
    node.rule = few
    with pytest.raises((TypeError, ValueError), match="few"):
        autograd.replay(node, [x, y])([[1.0, 2.0]])


# ---- columns ---------------------------------------------------------------------------------------------------------

WRONG_COLUMNS: dict[str, tuple[Any, type[Exception] | tuple[type[Exception], ...], list[str]]] = {
    "too few inputs": (np.zeros((3, 1)), ValueError, ["2 inputs", r"\(3, 1\)"]),
    "too many inputs": (np.zeros((3, 4)), ValueError, ["2 inputs", r"\(3, 4\)"]),
    "transposed": (np.zeros((2, 5)), ValueError, ["2 inputs", r"\(2, 5\)"]),
    "a single lane as a row": (np.zeros(2), ValueError, ["2 inputs", r"\(2,\)", r"\[\["]),
    "a number": (1.0, ValueError, ["2 inputs"]),
    "a cube": (np.zeros((3, 2, 2)), ValueError, ["2 inputs", r"\(3, 2, 2\)"]),
    "no lanes": (np.zeros((0, 2)), ValueError, ["lane"]),
    "nothing": ([], ValueError, ["2 inputs"]),
    "none": (None, (TypeError, ValueError), ["column"]),
    "uneven": ([[1.0, 2.0], [3.0]], ValueError, ["column|lane"]),
    "text": ([["a", "b"]], TypeError, ["real numbers"]),
    "numbers in text": (np.array([["1.0", "2.0"]]), TypeError, ["real numbers"]),
    "complex": (np.zeros((3, 2), complex), TypeError, ["complex"]),
    "complex among floats": ([[1.0, 2j]], TypeError, ["complex"]),
    "objects": (np.array([[1.0, None]], dtype=object), TypeError, ["object"]),
    "None among floats": ([[1.0, None]], TypeError, ["object|None"]),
    "values": ([leaves(1.0, 2.0)], TypeError, ["object|Value"]),
    "dates": (np.zeros((3, 2), "datetime64[s]"), TypeError, ["real numbers|datetime"]),
    "spans of time": (np.zeros((3, 2), "timedelta64[s]"), TypeError, ["real numbers|timedelta"]),
    "records": (np.zeros((3,), [("x", float), ("y", float)]), (TypeError, ValueError), ["column"]),
    "a dict": ({"x": 1.0}, (TypeError, ValueError), ["column"]),
    "a set": ({1.0, 2.0}, (TypeError, ValueError), ["column"]),
    "masked": (np.ma.masked_array(COLUMNS, COLUMNS > 1), (TypeError, ValueError), ["mask"]),
}


@pytest.mark.parametrize("wrong", WRONG_COLUMNS)
def test_wrong_columns(wrong: str) -> None:
    plan = plan_of_product()
    before = plan(COLUMNS)
    columns, error, words = WRONG_COLUMNS[wrong]
    with pytest.raises(error) as caught:
        plan(columns)
    for word in words:
        assert re.search(word, str(caught.value)), str(caught.value)
    again = plan(COLUMNS)
    same(again.values, before.values)
    same(again.gradients, before.gradients)


def test_wrong_columns_of_one_input_and_of_none() -> None:
    x, w = leaves(1.0, 2.0)
    plan = autograd.replay(x * w, [x], [w])
    with pytest.raises(ValueError, match=r"1 input\b"):
        plan(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="1 input"):
        plan(5.0)
    with pytest.raises(ValueError, match="lane"):
        plan([])
    none = autograd.replay(w * 2, [], [w])
    for wrong in (np.zeros((2, 1)), [1.0, 2.0], np.zeros((0, 0))):
        with pytest.raises(ValueError, match=r"0 inputs|no inputs|lane"):
            none(wrong)


def test_options_are_given_by_name() -> None:
    plan = plan_of_product()
    with pytest.raises(TypeError):
        plan(COLUMNS, "mean")
    with pytest.raises(TypeError):
        plan(COLUMNS, weights=1.0)


def test_a_plan_is_not_pickled_or_copied() -> None:
    import copy
    import pickle

    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="plan"):
            attempt(plan_of_product())


def test_parameters_that_grew_since_recording() -> None:
    """As a model whose layer was made wider: the new leaves are not in the plan, which says how many it has."""
    plan = plan_of_product()
    with pytest.raises(ValueError, match=r"1.*3|3.*1"):
        plan.parameters = [1.0, 2.0, 3.0]


# ---- branches --------------------------------------------------------------------------------------------------------


def kinked(x: Value, y: Value, w: Value) -> Value:
    z = x * w + y
    if z > 0:  # the line that errors name
        return z * z
    return -z * w


def line_of(function: Callable[..., Any], text: str) -> int:
    import inspect

    lines, start = inspect.getsourcelines(function)
    return start + next(i for i, line in enumerate(lines) if text in line)


def recorded(
    function: Callable[..., Any], *numbers: float, inputs: int = 2, otherwise: Any = None
) -> tuple[Any, list[Value], list[Value]]:
    """A plan of a function that was recorded at these numbers; inputs and parameters."""
    made = leaves(*numbers)
    with autograd.record():
        output = function(*made)
    plan = autograd.replay(output, made[:inputs], made[inputs:], otherwise=otherwise and otherwise(made[inputs:]))
    return plan, made[:inputs], made[inputs:]


SAME_SIDE = np.array([[1.0, 2.0], [3.0, 0.0], [0.5, 0.5]])
MIXED = np.array([[1.0, 2.0], [-3.0, 0.0], [0.5, 0.5], [0.0, -1.0], [2.0, 1.0]])


def test_lanes_that_take_the_recorded_branch() -> None:
    plan, _, _ = recorded(kinked, 1.0, 1.0, 2.0)
    result = plan(SAME_SIDE, lane_gradients=True, input_gradients=True)
    check_result(result, eager(lambda xs, ps: kinked(*xs, *ps), SAME_SIDE, [2.0]))
    other, _, _ = recorded(kinked, -1.0, -1.0, 2.0)
    check_result(other(-SAME_SIDE), eager(lambda xs, ps: kinked(*xs, *ps), -SAME_SIDE, [2.0]), all_of_it=False)


def test_a_lane_that_goes_another_way_is_an_error_that_names_line_and_lanes() -> None:
    plan, _, _ = recorded(kinked, 1.0, 1.0, 2.0)
    before = plan(SAME_SIDE)
    with pytest.raises(BranchError) as caught:
        plan(MIXED)
    message = str(caught.value)
    assert list(caught.value.lanes) == [1, 3]
    assert f"test_replay_errors.py:{line_of(kinked, 'if z > 0')}" in message
    assert "if z > 0:  # the line that errors name" in message
    assert "1, 3" in message and "where" in message and "otherwise" in message
    assert isinstance(caught.value, RuntimeError)
    same(plan(SAME_SIDE).values, before.values)


def test_many_lanes_are_counted_and_not_all_listed() -> None:
    plan, _, _ = recorded(kinked, 1.0, 1.0, 2.0)
    with pytest.raises(BranchError) as caught:
        plan(np.repeat(MIXED, 1000, axis=0))
    assert len(caught.value.lanes) == 2000
    assert "2000" in str(caught.value).replace(",", "") and len(str(caught.value)) < 1000


def test_the_parameters_of_now_decide() -> None:
    """A step of an optimiser may turn a branch in every lane."""
    plan, _, _ = recorded(kinked, 1.0, 1.0, 2.0)
    plan.parameters[:] = -5.0
    with pytest.raises(BranchError) as caught:
        plan([[1.0, 1.0], [2.0, 0.0]])
    assert list(caught.value.lanes) == [0, 1]


def test_comparisons_of_nodes_that_are_not_below_the_output() -> None:
    def aside(x: Value, y: Value, w: Value) -> Value:
        gate = (x - y) * 3 + w.exp()
        if gate > 1.5:
            return x * w
        return y * w

    plan, _, _ = recorded(lambda x, y, w: aside(x, y, w) + y * 0, 5.0, 1.0, 0.0)
    same(plan([[4.0, 1.0], [2.0, 1.0]]).values, [0.0, 0.0])
    with pytest.raises(BranchError) as caught:
        plan([[4.0, 1.0], [1.0, 2.0]])
    assert list(caught.value.lanes) == [1]


def test_every_operator_and_chains_of_them() -> None:
    def between(x: Value, y: Value, w: Value) -> Value:
        inside = 0 < x <= y and not (y >= w)
        return x * w + y if inside else x + y

    plan, _, _ = recorded(between, 1.0, 2.0, 3.0)
    inside = [[1.0, 1.0], [0.5, 2.0], [2.5, 2.75]]
    same(plan(inside).values, [x * 3 + y for x, y in inside])
    for lane in ([0.0, 1.0], [2.0, 1.0], [1.0, 3.0], [-1.0, 2.0], [np.nan, 1.0], [1.0, np.nan]):
        with pytest.raises(BranchError) as caught:
            plan([*inside, lane])
        assert list(caught.value.lanes) == [3], lane


def test_nan_is_on_neither_side() -> None:
    """NaN > 0 is False: where that was recorded, it is what a lane of NaN does again."""
    plan, _, _ = recorded(kinked, -1.0, -1.0, 2.0)
    result = plan([[np.nan, 0.0], [-1.0, 0.0]])
    same(result.values, [np.nan, 4.0])


def test_max_and_sorted_of_python_choose_by_comparisons() -> None:
    def greatest(x: Value, y: Value, w: Value) -> Value:
        return max([x, y * 1.0, w]) * 2 + sorted([x, y], key=lambda v: v)[0]

    plan, _, _ = recorded(greatest, 5.0, 1.0, 2.0)
    same(plan([[6.0, 0.5], [3.0, 2.5]]).values, [12.5, 8.5])
    for lane in ([1.0, 0.5], [2.5, 3.0]):
        with pytest.raises(BranchError):
            plan([[6.0, 0.5], lane])


def test_where_on_a_comparison_is_decided_in_every_lane() -> None:
    def chosen(x: Value, y: Value, w: Value) -> Value:
        z = x * w + y
        return autograd.where(z > 0, z * z, -z * w) + autograd.where(x <= y, x.log(), y.exp() * w)

    plan, _, _ = recorded(chosen, 1.0, 1.0, 2.0)
    columns = np.vstack([MIXED, [[np.nan, 1.0], [1.0, np.nan], [0.0, 0.0], [2.0, 2.0]]])
    result = plan(columns, lane_gradients=True, input_gradients=True)
    with autograd.record():
        right = eager(lambda xs, ps: chosen(*xs, *ps), columns, [2.0])
    check_result(result, right)


def test_what_where_does_not_choose_gets_exactly_nothing() -> None:
    def chosen(x: Value, y: Value, w: Value) -> Value:
        return autograd.where(x > y, x * w, y * w)

    plan, _, _ = recorded(chosen, 1.0, 2.0, 3.0)
    result = plan([[1.0, 2.0], [2.0, 1.0]], upstream=np.inf, input_gradients=True)
    same(result.input_gradients, [[0.0, np.inf], [np.inf, 0.0]])


def test_where_chooses_anew_in_the_lane_written_back() -> None:
    def chosen(x: Value, y: Value, w: Value) -> Value:
        return autograd.where(x * w > y, x * x, y * w)

    made = leaves(1.0, 2.0, 3.0)
    with autograd.record():
        output = chosen(*made)
    plan = autograd.replay(output, made[:2], made[2:])
    plan(MIXED)
    for lane, row in enumerate(MIXED):
        plan.write_back(lane)
        fresh = leaves(*row, 3.0)
        right = chosen(*fresh)
        right.backward()
        assert output.data == right.data
        assert [x.grad for x in made] == [x.grad for x in fresh], lane


def test_graphs_made_outside_are_not_checked_and_say_so() -> None:
    x, y, w = leaves(1.0, 1.0, 2.0)
    plan = autograd.replay(kinked(x, y, w), [x, y], [w])
    same(plan([[-3.0, 0.0]]).values, [36.0])  # the recorded branch
    assert "branches not checked" in str(plan)


def test_a_graph_made_partly_outside_says_so() -> None:
    x, y, w = leaves(1.0, 1.0, 2.0)
    inner = kinked(x, y, w)
    with autograd.record():
        loss = inner * 2 if inner > 0 else inner
    assert "branches not checked" in str(autograd.replay(loss, [x, y], [w]))


def test_the_number_of_checked_comparisons_is_printed() -> None:
    def three(x: Value, y: Value, w: Value) -> Value:
        return (x if x > 0 else -x) * w + (y if y > 0 else -y) + (w if w > x else x)

    plan, _, _ = recorded(three, 1.0, 2.0, 3.0)
    text = str(plan)
    assert "not checked" not in text
    assert re.search(r"\b3 comparison", text), text
    none, _, _ = recorded(product, 1.0, 2.0, 3.0)
    assert "not checked" not in str(none)


def test_the_comparison_that_is_named_is_the_first_of_the_lane_that_is_named() -> None:
    x = Value(1.0, label="x")
    with autograd.record():
        y = x * 2 if x > 0 else x * 3
        y = y + 1 if x < 5 else y - 1
        y = y * 2 if x > 0.5 else y * 4
    plan = autograd.replay(y, [x])
    named = {6.0: "x < 5", -1.0: "x > 0.0", 0.2: "x > 0.5"}
    for lanes in ([6.0, -1.0], [-1.0, 6.0], [0.2, -1.0, 6.0], [1.0, 0.2, 6.0]):
        first = next(i for i, number in enumerate(lanes) if number != 1.0)
        with pytest.raises(BranchError, match=rf"lane {first} at .*the comparison {named[lanes[first]]}"):
            plan(lanes)


# ---- branches: lanes that are computed eagerly -----------------------------------------------------------------------


def again(parameters: list[Value]) -> Callable[[list[Value]], Value]:
    return lambda xs: kinked(*xs, *parameters)


@pytest.mark.parametrize("reduce", ["sum", "mean"])
@pytest.mark.parametrize("upstream", [None, 2.0, [1.0, 2.0, 0.0, -1.0, 3.0]], ids=["", "number", "lanes"])
@pytest.mark.parametrize("columns", [MIXED, MIXED[:2], MIXED[1:2], SAME_SIDE], ids=["some", "one", "all", "none"])
def test_otherwise_such_lanes_are_computed_eagerly(columns: Any, upstream: Any, reduce: str) -> None:
    if isinstance(upstream, list):
        upstream = upstream[: len(columns)]
    plan, _, _ = recorded(kinked, 1.0, 1.0, 2.0, otherwise=again)
    for number in (2.0, 0.5, -1.0):
        plan.parameters[:] = number
        right = eager(lambda xs, ps: kinked(*xs, *ps), columns, [number], upstream)
        for extra in (True, False):
            result = plan(columns, upstream=upstream, reduce=reduce, lane_gradients=extra, input_gradients=extra)
            check_result(result, right, reduce, all_of_it=extra)


def test_otherwise_with_several_outputs() -> None:
    def both(x: Value, y: Value, w: Value) -> list[Value]:
        return [kinked(x, y, w), x * w]

    plan, _, _ = recorded(both, 1.0, 1.0, 2.0, otherwise=lambda ps: lambda xs: both(*xs, *ps))
    upstream = np.arange(10.0).reshape(2, 5)
    right = eager(lambda xs, ps: both(*xs, *ps), MIXED, [2.0], upstream)
    result = plan(MIXED, upstream=upstream, lane_gradients=True, input_gradients=True)
    check_result(result, right, single=False)


def test_otherwise_with_bound_inputs() -> None:
    plan, xs, ps = recorded(kinked, 1.0, 1.0, 2.0, otherwise=again)
    columns = MIXED.copy()
    columns[:, 1] = np.nan
    result = plan(columns, bind={xs[1]: ps[0]}, lane_gradients=True)
    lanes = []
    for lane, row in enumerate(MIXED):
        x, w = leaves(row[0], 2.0)
        y = kinked(x, w, w)
        assert result.values[lane] == pytest.approx(y.data, rel=1e-14)
        lanes.append([autograd.gradients(y, w)])
    close(result.lane_gradients, np.array(lanes), 1 + np.abs(lanes))
    close(result.gradients, total(np.array(lanes)), 1 + np.abs(lanes).sum(axis=0))


def test_otherwise_with_an_infinite_upstream() -> None:
    """As the engine sweeps it: what was not chosen gets exactly 0."""

    def build(x: Value, y: Value, w: Value) -> Value:
        if x > 0:
            return x * w + y
        return (x * w).relu() + y

    plan, _, _ = recorded(build, 1.0, 1.0, 2.0, otherwise=lambda ps: lambda xs: build(*xs, *ps))
    columns = np.array([[1.0, 2.0], [-1.0, 3.0]])
    right = eager(lambda xs, ps: build(*xs, *ps), columns, [2.0], np.inf)
    check_result(plan(columns, upstream=np.inf, lane_gradients=True, input_gradients=True), right)


def test_otherwise_leaves_leaves_alone() -> None:
    """The parameters' numbers stay in the plan until they are written back; no `grad` is touched."""
    plan, xs, ps = recorded(kinked, 1.0, 1.0, 2.0, otherwise=again)
    for leaf in (*xs, *ps):
        leaf.grad = 7.0
    plan.parameters[:] = 3.0
    plan(MIXED)
    assert [leaf.data for leaf in (*xs, *ps)] == [1.0, 1.0, 2.0]
    assert [leaf.grad for leaf in (*xs, *ps)] == [7.0, 7.0, 7.0]
    same(plan.parameters, [3.0])


def test_otherwise_is_called_only_for_lanes_that_go_another_way() -> None:
    seen: list[list[float]] = []

    def spying(ps: list[Value]) -> Callable[[list[Value]], Value]:
        def function(xs: list[Value]) -> Value:
            assert all(type(x) is Value and not x.parents for x in xs)
            seen.append([x.data for x in xs])
            return kinked(*xs, *ps)

        return function

    plan, _, _ = recorded(kinked, 1.0, 1.0, 2.0, otherwise=spying)
    plan(SAME_SIDE)
    assert seen == []
    plan(MIXED)
    assert seen == [MIXED[1].tolist(), MIXED[3].tolist()]


@pytest.mark.parametrize("wrong", [None, 2.0, "y", []], ids=str)
def test_otherwise_that_gives_no_value(wrong: Any) -> None:
    plan, _, _ = recorded(kinked, 1.0, 1.0, 2.0, otherwise=lambda ps: lambda xs: wrong)
    with pytest.raises((TypeError, ValueError), match="otherwise"):
        plan(MIXED)
    plan(SAME_SIDE)


def test_an_error_in_otherwise_comes_through_and_nothing_is_lost() -> None:
    def broken(xs: list[Value]) -> Value:
        raise KeyError("mine")

    plan, _, ps = recorded(kinked, 1.0, 1.0, 2.0, otherwise=lambda ps: broken)
    plan.parameters[:] = 3.0
    with pytest.raises(KeyError, match="mine"):
        plan(MIXED)
    assert ps[0].data == 2.0
    same(plan.parameters, [3.0])
    plan(SAME_SIDE)


def test_otherwise_that_is_no_function() -> None:
    x, y, w = leaves(1.0, 1.0, 2.0)
    with autograd.record():
        loss = kinked(x, y, w)
    with pytest.raises(TypeError, match="otherwise"):
        autograd.replay(loss, [x, y], [w], otherwise=3)


def test_a_lane_that_was_computed_eagerly_cannot_be_written_back() -> None:
    """Its graph is another; the others can."""
    plan, xs, _ = recorded(kinked, 1.0, 1.0, 2.0, otherwise=again)
    plan(MIXED)
    with pytest.raises(BranchError, match="1"):
        plan.write_back(1)
    assert [x.data for x in xs] == [1.0, 1.0]
    plan.write_back(4)
    assert [x.data for x in xs] == [2.0, 1.0]


@pytest.mark.parametrize("otherwise", [None, lambda ps: lambda xs: None], ids=["", "otherwise"])
def test_a_call_that_fails_is_not_the_last_call(otherwise: Any) -> None:
    """`write_back` is of the last call that gave a result."""
    plan, xs, ps = recorded(kinked, 1.0, 1.0, 2.0, otherwise=otherwise)
    plan(SAME_SIDE)
    with pytest.raises((BranchError, TypeError)):
        plan(MIXED[:3])
    plan.write_back(1)
    assert [x.data for x in xs] == SAME_SIDE[1].tolist()
    x, y, w = leaves(*SAME_SIDE[1], 2.0)
    kinked(x, y, w).backward()
    assert [leaf.grad for leaf in (*xs, *ps)] == pytest.approx([x.grad, y.grad, w.grad], rel=1e-13)


def test_branches_in_threads_and_calls_after_an_error() -> None:
    plan, _, _ = recorded(kinked, 1.0, 1.0, 2.0, otherwise=again)
    right = plan(MIXED).values
    for _ in range(3):
        same(plan(MIXED).values, right)
        plan(SAME_SIDE)
