"""`autograd.record()`: what a block remembers of comparisons, that it changes no number, and `where`, decided again."""

import asyncio
import copy
import gc
import inspect
import math
import operator
import pickle
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from test_rules import EVERY, NAMES, domain_points

import autograd
import nn
from autograd import BranchError, Constant, Value, gradients, topological_sort, where
from autograd.branches import Comparison, branches_of
from autograd.drawing import snapshot
from autograd.drawing.recompute import payload
from autograd.engine import Recorded
from autograd.rules import MAKERS

SIGNS: dict[str, Callable[[Any, Any], Any]] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def told(block: autograd.modes.Block) -> list[tuple[str, bool]]:
    return [(str(comparison), comparison.outcome) for comparison in block.comparisons]


def again(root: Value, given: dict[Value, float]) -> float:
    """The root's number with other numbers in the leaves: each node by its own rule, as a replay has it."""
    found: dict[Value, Any] = {}
    for node in topological_sort(root):
        operands = [found[parent] for parent in node.parents]
        found[node] = node.rule.forward(*operands) if operands else given.get(node, node.data)
    return float(found[root])


# ---- what is remembered --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize(
    ("x", "y"), [(1.0, 2.0), (2.0, 1.0), (1.0, 1.0), (-0.0, 0.0), (math.nan, 1.0), (math.inf, 5.0)]
)
def test_a_comparison_is_a_bool_outside_and_remembered_inside(sign: str, x: float, y: float) -> None:
    compare, a, b = SIGNS[sign], Value(x, label="a"), Value(y, label="b")
    right = compare(x, y)
    assert compare(a, b) is compare(a, y) is compare(x, b) is right
    with autograd.record() as block:
        found = [compare(a, b), compare(a, y), compare(x, b), compare(a, np.float64(y))]
        assert block.comparisons == []
        assert {type(comparison) for comparison in found} == {Comparison}
        assert [comparison.outcome for comparison in found] == [right] * 4
        assert block.comparisons == []
        assert [bool(comparison) for comparison in found] == [right] * 4
    assert [id(comparison) for comparison in block.comparisons] == [id(comparison) for comparison in found]
    swapped = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}[sign]
    assert [c.operator for c in found] == [sign, sign, swapped, sign]  # x < b is asked of b
    assert [(c.left is a, c.right is b) for c in found[:2]] == [(True, True), (True, False)]
    assert (found[2].left is b, type(found[2].right), type(found[1].right)) == (True, Constant, Constant)
    assert repr([found[1].right.data, found[2].right.data]) == repr([y, x])
    assert compare(a, b) is right


def test_what_is_no_number_is_no_comparison() -> None:
    with autograd.record():
        for wrong in ("1", None, [1.0], True):
            with pytest.raises(TypeError, match="not supported between"):
                _ = Value(1.0) < wrong
        assert Value(1.0) == Value(1.0) or True
        assert Value(Fraction(1, 3)) < Fraction(1, 2)
        assert (Value(Fraction(1, 3)) < Fraction(1, 2)).right.data == Fraction(1, 2)
        assert (Value(sympy.Symbol("s")) < 2) == (sympy.Symbol("s") < 2)  # which is neither true nor false


def test_the_line_that_asked_is_remembered_and_each_comparison_once() -> None:
    a, here = Value(2.0, label="a"), inspect.currentframe()
    assert here is not None
    with autograd.record() as block:
        c = a > 1
        assert (c.line, c.source) == ("", "")
        if c:  # it is asked here
            line = here.f_lineno - 1
        if not c:
            raise AssertionError
        where(c, a, 1.0)
        autograd.maximum(a, 1.0)  # a rule decides by itself
    assert [id(x) for x in block.comparisons] == [id(c)]
    assert c.line == f"{__file__}:{line}"
    assert c.source == "if c:  # it is asked here"
    assert repr(c) == "Comparison(a > 1.0: True)"
    nowhere: dict[str, Any] = {"a": a}
    with autograd.record() as block:
        exec("found = bool(a > 1)", nowhere)
    assert (block.comparisons[0].line, block.comparisons[0].source) == ("<string>:1", "")


def test_autograds_own_lines_are_not_the_callers() -> None:
    """A second derivative compares within rules; a module of somebody else's may be called anything."""
    a = Value(2.0)
    with autograd.record() as block:
        gradients(a**2.5, a, create_graph=True)
    assert block.comparisons
    assert {c.line.rpartition(":")[0] for c in block.comparisons} == {__file__}
    with autograd.record() as block:
        exec(compile("bool(a > 1)", "theirs.py", "exec"), {"a": a, "__name__": "autograd_of_mine.x"})
    assert block.comparisons[0].line == "theirs.py:1"


@pytest.mark.parametrize(
    ("choose", "expected"),
    [
        (lambda a, b, c: max([a, b, c]), [("b > a", False), ("c > a", True)]),
        (lambda a, b, c: min(a, b), [("b < a", True)]),
        (lambda a, b, c: sorted([a, b]), [("b < a", True)]),
        (lambda a, b, c: list(np.sort(np.array([a, b]))), [("b < a", True)]),
        (lambda a, b, c: np.maximum(np.array([a, b]), 0.0), [("a >= 0.0", True), ("b >= 0.0", False)]),
        (lambda a, b, c: np.array([a, b]) > c, [("a > c", False), ("b > c", False)]),
        (lambda a, b, c: 0 < a < 1, [("a > 0.0", True)]),  # nobody asked the second yet
        (lambda a, b, c: 1 if 0 < a < 1 else 0, [("a > 0.0", True), ("a < 1.0", False)]),
        (lambda a, b, c: not a > 0, [("a > 0.0", True)]),
        (lambda a, b, c: a > 0 and b > 0, [("a > 0.0", True)]),
        (lambda a, b, c: bool(a > 0 or b > 0), [("a > 0.0", True)]),
        (lambda a, b, c: (a > 0) & (b > 0), [("a > 0.0", True), ("b > 0.0", False)]),
        (lambda a, b, c: (a > 0) | (b > 0), [("a > 0.0", True), ("b > 0.0", False)]),
        (lambda a, b, c: True ^ (b > 0), [("b > 0.0", False)]),
        (lambda a, b, c: {True: a, False: b}[b > 0], [("b > 0.0", False)]),
        (lambda a, b, c: [x for x in (a, b) if x > 0], [("a > 0.0", True), ("b > 0.0", False)]),
        (lambda a, b, c: a.data > 0, []),
        (lambda a, b, c: where(a > 0, b, c), []),
        (lambda a, b, c: where(not a > 0, b, c), [("a > 0.0", True)]),
    ],
)
def test_every_way_to_ask(choose: Any, expected: list[tuple[str, bool]]) -> None:
    a, b, c = Value(2.0, label="a"), Value(-1.0, label="b"), Value(3.0, label="c")
    outside = choose(a, b, c)
    with autograd.record() as block:
        inside = choose(a, b, c)
    assert told(block) == expected
    if isinstance(outside, (bool, int, np.ndarray)):
        assert np.array_equal(inside == outside, np.ones_like(outside, dtype=bool))
    elif isinstance(outside, list):
        assert list(map(id, inside)) == list(map(id, outside))
    elif outside.rule is None:
        assert inside is outside


@pytest.mark.parametrize("x", [1.0, -1.0])
def test_a_comparison_behaves_as_its_bool(x: float) -> None:
    right, a = x > 0, Value(x)
    for function in (
        lambda c: operator.eq(c, True), lambda c: operator.ne(c, False), lambda c: operator.eq(True, c),
        lambda c: operator.eq(c, 1), lambda c: operator.eq(c, None),
        lambda c: c & True, lambda c: False | c, lambda c: c ^ c, lambda c: hash(c), lambda c: {c: 1} == {right: 1},
        lambda c: c + 1, lambda c: 1 - c, lambda c: 2.0 * c, lambda c: [1, 2][c], lambda c: int(c),
        lambda c: float(c), lambda c: sum([c, c]),
        lambda c: 1 if c else 0, lambda c: c in (True,), lambda c: list(filter(None, [c])) != [],
    ):  # fmt: skip
        with autograd.record() as block:
            assert function(a > 0) == function(right)
            assert type(function(a > 0)) is type(function(right))
        assert {c.outcome for c in block.comparisons} == {right}
    with autograd.record() as block:
        assert (~(a > 0)) is (not right)
        assert len(block.comparisons) == 1


# ---- blocks --------------------------------------------------------------------------------------------------------


def test_nodes_know_their_block() -> None:
    a = Value(2.0)
    before = a * 2
    with autograd.record() as block:
        inside = [a * 3, a.tanh(), autograd.sum([a, before]), before + 1, 2 - a, a**2, a**a, where(a > 1, a, 0), a * a]
        leaf, constant, made = Value(1.0), inside[3].parents[1], Value(1.0, (a,), "mine")
    after = inside[0] * 2
    assert {type(x) for x in inside} == {Recorded}
    assert all(x.block is block for x in inside)
    assert [type(x) for x in (before, leaf, made, after, a.detach(), inside[0].detach())] == [Value] * 6
    assert type(constant) is Constant
    for sign in (1.0, Fraction(1)):  # also by the long way
        with autograd.record() as block, autograd.detect_anomaly():
            assert (Value(sign) * sign).block is block
    with autograd.record(), autograd.detect_anomaly(), pytest.raises(FloatingPointError):
        _ = Value(1e308) * 10.0
    assert repr(inside[0]) == "Value(data=6.0, grad=0.0)"
    assert not hasattr(before, "block")


def test_no_grad_wins_inside_and_outside() -> None:
    a = Value(2.0)
    for first, second in ((autograd.record, autograd.no_grad), (autograd.no_grad, autograd.record)):
        with first() as one, second() as two:
            for found in (a * 2, a.tanh(), autograd.sum([a, 1.0]), where(a > 1, a, 0.0)):
                assert type(found) is Value
                assert found.parents == ()
            assert (a > 1) is True
        assert (one if first is autograd.record else two).comparisons == []
    with autograd.record() as block:
        with autograd.no_grad():
            assert (a > 1) is True
        assert type(a * 2) is Recorded
        c = a > 1
        with autograd.no_grad():
            assert c
    assert [id(x) for x in block.comparisons] == [id(c)]


def test_blocks_within_each_other() -> None:
    a = Value(2.0, label="a")
    switch = autograd.record()
    with switch as outer:
        assert a > 0
        with switch as inner:
            assert a > 1
            x = a * 2
        assert a < 3
        y = x * a
    assert x.block is inner is not outer is y.block
    assert told(inner) == [("a > 1.0", True)]
    # y may hang on what was asked within
    assert told(outer) == [("a > 0.0", True), ("a > 1.0", True), ("a < 3.0", True)]
    with switch as third:
        assert a > 0
    assert len(third.comparisons) == 1
    assert len(outer.comparisons) == 3


def test_a_block_ends_with_an_exception_and_as_a_decorator() -> None:
    a = Value(2.0)
    with pytest.raises(ZeroDivisionError), autograd.record():
        _ = 1 / 0
    assert (a > 1) is True

    @autograd.record()
    def doubled(x: Value) -> Value:
        return x * 2 if x > 0 else x

    assert doubled(a).block.comparisons[0].outcome is True
    assert doubled(a).block is not doubled(a).block

    @autograd.record()
    async def later(x: Value) -> Value:
        await asyncio.sleep(0)
        return x * 2 if x > 0 else x

    async def both() -> list[Value]:
        assert (a > 1) is True
        return await asyncio.gather(later(a), later(a))

    one, two = asyncio.run(both())
    assert one.block is not two.block
    assert len(one.block.comparisons) == len(two.block.comparisons) == 1


def test_a_block_holds_for_its_thread() -> None:
    a, found, entered, done = Value(2.0), [], threading.Event(), threading.Event()

    def elsewhere() -> None:
        entered.wait()
        found.extend([type(a * 2), type(a.tanh()), type(a > 1), type(where(a > 1, a, 0.0))])
        with autograd.record() as block:
            found.append(bool(a > 1) and len(block.comparisons))
        done.set()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    with autograd.record() as block:
        entered.set()
        done.wait()
    thread.join()
    assert found == [Value, Value, bool, Value, 1]
    assert block.comparisons == []


def test_branches_of_a_graph() -> None:
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    with autograd.record():
        assert b > 0
        elsewhere = b * 2
    with autograd.record() as first:
        x = a * b if a > 0 else a
        assert b > 1
        assert b > 1  # another comparison
    with autograd.record() as second:
        y = x + 1 if x > 5 else x
        z = y * x if b > 2 else y
    plain = z * 2
    checked, comparisons = branches_of(topological_sort(z))
    assert checked
    assert list(map(id, comparisons)) == list(map(id, first.comparisons + second.comparisons))
    assert len(comparisons) == 5
    assert branches_of(topological_sort(plain))[0] is False
    assert list(map(id, branches_of(topological_sort(plain))[1])) == list(map(id, comparisons))
    assert branches_of(topological_sort(a)) == (True, [])
    assert branches_of(topological_sort(autograd.tanh(a))) == (False, [])
    assert list(map(str, branches_of(topological_sort(elsewhere))[1])) == ["b > 0.0"]
    with autograd.record():
        made = Value(1.0, (a,), "by hand") * 2
    assert branches_of(topological_sort(made))[0] is False
    with autograd.record(), autograd.record():
        x = a * b if a > 0 else a
    with autograd.record() as outer:
        with autograd.record():
            one = a if a > 0 else b
            two = one * 2
        three = two * one
    assert len(branches_of(topological_sort(three))[1]) == len(outer.comparisons) == 1


def test_a_branch_error() -> None:
    error = BranchError("lane 3 goes elsewhere", np.array([3, 5]).tolist())
    assert (str(error), error.lanes) == ("lane 3 goes elsewhere", (3, 5))
    assert isinstance(error, RuntimeError)
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), str(back), back.lanes) == (BranchError, str(error), (3, 5))
    assert autograd.BranchError is BranchError


# ---- where on a comparison -----------------------------------------------------------------------------------------


@given(*[st.floats(allow_infinity=True)] * 4, st.sampled_from(sorted(SIGNS)))
def test_where_inside_gives_what_it_gives_outside(p: float, q: float, x: float, y: float, sign: str) -> None:
    leaves = [Value(number) for number in (p, q, x, y)]
    plain = where(SIGNS[sign](leaves[0], leaves[1]), *leaves[2:]) * 3.0
    with autograd.record() as block:
        node = where(SIGNS[sign](leaves[0], leaves[1]), *leaves[2:])
        root = node * 3.0
    assert node.parents == tuple(leaves)
    assert node.rule is MAKERS["decided"](sign)
    assert (node.rule.name, node.rule.parameters) == ("where", (sign,))
    assert block.comparisons == []
    assert repr(root.data) == repr(plain.data)
    assert repr(gradients(root, leaves)) == repr(gradients(plain, leaves))
    moved = dict(zip(leaves, (q, p, x, y), strict=True))
    assert repr(again(node, moved)) == repr(x if SIGNS[sign](q, p) else y)


def test_where_of_numbers_and_arrays() -> None:
    a, b = Value(2.0), Value(-1.0)
    with autograd.record() as block:
        numbers = where(a > b, 1, 0)
        one = where(a > 0, np.array([b, 5.0]), 0.0)
        of_floats = where(b > 0, np.array([1.0, 5.0]), 0.0)
        each = where(np.array([a > 0, b > 0, True], dtype=object), a, np.array([1.0, 2.0, 3.0]))
    assert block.comparisons == []
    assert [type(x) for x in numbers.parents] == [Value, Value, Constant, Constant]
    assert [x.data for x in (numbers, *one, *of_floats, *each)] == [1.0, -1.0, 5.0, 0.0, 0.0, 2.0, 2.0, 2.0]
    assert [x.rule.maker.__name__ for x in (*one, *of_floats, *each)] == ["decided"] * 6 + ["chosen"]
    assert again(numbers, {a: -5.0}) == 0.0
    with autograd.record():
        exact = where(Value(Fraction(1, 3)) > 0, 1, 0)
        assert (exact.data, type(exact.data)) == (1, int)
        comparison = a > b
        with pytest.raises(TypeError, match="a Value holds one number"):
            where(comparison, "x", 1.0)
    assert type(where(comparison, a, b)) is Value  # after the block, too, it decides again
    assert where(comparison, a, b).rule.maker is MAKERS["decided"]
    assert where(True, a, b).rule.maker is MAKERS["chosen"]


def test_where_nested_decides_each_again() -> None:
    a = Value(0.5)
    with autograd.record() as block:
        y = where(a < 0, -a, where(a < 1, a * a, 2 * a - 1))
    assert block.comparisons == []
    for x in (-2.0, 0.0, 0.3, 1.0, 4.0):
        assert again(y, {a: x}) == (-x if x < 0 else x * x if x < 1 else 2 * x - 1)


def test_it_goes_to_javascript() -> None:
    a = Value(0.5, label="a")
    with autograd.record():
        inside = where(a > 0, a * 2, 1.0)
    assert payload(snapshot(inside))["refusal"] is None
    assert "decided in Python" in payload(snapshot(where(a > 0, a * 2, 1.0)))["refusal"]
    edges = [(edge.carries, edge.formula) for edge in snapshot(inside).nodes[-1].edges]
    assert edges == [(False, "0"), (False, "0"), (True, "1 if a > 0 else 0"), (False, "0 if a > 0 else 1")]


# ---- gradients as graphs: what a choice did not choose may be chosen by other numbers ----------------------------------

OPERANDS = {rule: rule.arity or 4 for rule in EVERY}


@pytest.mark.parametrize("rule", EVERY, ids=NAMES)
def test_a_graph_of_gradients_recorded_at_one_point_is_right_at_others(rule: Any) -> None:
    """Unless it asked in a rule, and then it remembers; where it asked for a number by itself, only near by."""
    count = OPERANDS[rule]
    places = (
        [p[:count] for p in domain_points(rule, 6)] if rule.arity else [(0.3, -1.0, 2.0, 0.5), (1.5, 0.7, -2.0, 0.1)]
    )
    weights = [1.5, -0.5, 2.0, 3.0][:count]

    def slopes_at(xs: Sequence[float]) -> tuple[list[Value], list[Value]]:
        leaves = [Value(x) for x in xs]
        weighted = [x * w for x, w in zip(leaves, weights, strict=True)]  # so that the domain is left, too
        return leaves, gradients(autograd.engine.record(rule, tuple(weighted)), leaves, create_graph=True)

    for here, there in product(places, repeat=2):
        with autograd.record() as block:
            leaves, slopes = slopes_at(here)
        _, expected = slopes_at(there)
        outside = [again_or_none(c, leaves, there) != c.outcome for c in block.comparisons]
        if not any(outside):
            found = [again(slope, dict(zip(leaves, there, strict=True))) for slope in slopes]
            assert found == pytest.approx([x.data for x in expected], rel=1e-12, abs=1e-300, nan_ok=True), (here, there)


def again_or_none(c: Comparison, leaves: list[Value], there: Sequence[float]) -> bool:
    given = dict(zip(leaves, there, strict=True))
    return bool(SIGNS[c.operator](again(c.left, given), again(c.right, given)))


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y: autograd.relu(x) * y,
        lambda x, y: autograd.maximum(x * y, x),
        lambda x, y: autograd.minimum(x * y, x),
        lambda x, y: abs(x) * y,
        lambda x, y: autograd.leaky_relu(x, 0.2) * y,
        lambda x, y: autograd.elu(x, 0.5) * y,
        lambda x, y: where(x > y, x * y, x),
        lambda x, y: autograd.relu(autograd.relu(x) - y) * x,
    ],
)
def test_second_derivatives_of_choices_are_chosen_again(function: Any) -> None:
    places = list(product((-2.0, -0.5, 0.75, 1.5), repeat=2))
    for here, there in product(places[::3], places):
        x, y = Value(here[0]), Value(here[1])
        with autograd.record() as block:
            dx, dy = gradients(function(x, y), [x, y], create_graph=True)
            second = gradients(dx * 3 + dy, [x, y], create_graph=True)
        assert block.comparisons == []
        u, v = Value(there[0]), Value(there[1])
        du, dv = gradients(function(u, v), [u, v], create_graph=True)
        expected = [du, dv, *gradients(du * 3 + dv, [u, v], create_graph=True)]
        found = [again(node, {x: there[0], y: there[1]}) for node in (dx, dy, *second)]
        assert found == [node.data for node in expected], (here, there)


@pytest.mark.parametrize("rule", EVERY, ids=NAMES)
def test_gradients_as_graphs_have_the_same_numbers_inside(rule: Any) -> None:
    for xs in domain_points(rule, 4) if rule.arity else [(0.3, -1.0, 2.0, 0.5)]:
        leaves = [Value(x) for x in xs]
        outside = gradients(autograd.engine.record(rule, tuple(leaves)) * 3.0, leaves, create_graph=True)
        with autograd.record():
            inside = gradients(autograd.engine.record(rule, tuple(leaves)) * 3.0, leaves, create_graph=True)
            assert [x.data for x in inside] == [x.data for x in outside]
            seconds = [gradients(x, leaves) for x in inside]
        assert seconds == [gradients(x, leaves) for x in outside]


def test_what_is_not_chosen_gets_exactly_zero_inside_too() -> None:
    for upstream in (math.inf, math.nan):
        x = Value(-1.0)
        with autograd.record():
            (slope,) = gradients(autograd.relu(x) * upstream, [x], create_graph=True)
        assert slope.data == 0


# ---- the same numbers ------------------------------------------------------------------------------------------------


def graph(root: Value) -> list[tuple[Any, ...]]:
    """Everything about a graph, to the bit."""
    order = topological_sort(root)
    ids = {node: i for i, node in enumerate(order)}
    return [
        (node.rule, repr(node.data), repr(node.slopes), repr(node.grad), [ids[p] for p in node.parents], node.label)
        for node in order
    ]


def compare_recorded(make: Callable[[], Value], asked: int = 0) -> None:
    """The same graph, gradients and drawing inside as outside, made of Recorded nodes, and so many comparisons asked."""
    outside = make()
    outside.backward()
    with autograd.record() as block:
        inside = make()
        inside.backward()
        assert len(block.comparisons) == asked
    assert {type(node) for node in topological_sort(inside) if node.parents} == {Recorded}
    assert graph(inside) == graph(outside)
    assert repr(snapshot(inside).as_dict()) == repr(snapshot(outside).as_dict())
    assert branches_of(topological_sort(inside))[0]


@pytest.mark.parametrize("activation", nn.activations.ACTIVATIONS)
def test_networks_are_the_same_inside(activation: str) -> None:
    model = nn.MLP(3, [4, 4, 2], activation=activation, rng=random.Random(3))
    layers = nn.Sequential(nn.Linear(3, 4, rng=random.Random(4)), activation, nn.Linear(4, 2, rng=random.Random(5)))
    for part in (model, layers, lambda x: part_of_both(model, layers, x)):
        compare_recorded(lambda part=part: autograd.sum(part([0.5, 0.25, 0.75])))


def part_of_both(model: Any, layers: Any, x: Any) -> Any:
    return [a * b for a, b in zip(model([Value(y, label="in") * 2 for y in x]), layers(x), strict=True)]


@pytest.mark.parametrize(
    ("loss", "target", "asked"),  # of a probability, whether it is below 0 or above 1
    [
        (nn.softmax_cross_entropy, 1, 0),
        (nn.softmax_cross_entropy, [0.25, 0.75], 0),
        (nn.hinge, 1, 0),
        (nn.half_squared_error, [0.5, 1.0], 0),
        (nn.mean_squared_error, [0.5, 1.0], 0),
        (lambda y, t: nn.binary_cross_entropy_with_logits(y[0], t), 0.25, 0),
        (lambda y, t: nn.binary_cross_entropy(autograd.sigmoid(y[0]), t), 0, 2),
        (lambda y, t: nn.cross_entropy(nn.softmax(y), t), 1, 4),
        (lambda y, t: autograd.sum(nn.log_softmax(y)) + nn.l1_penalty(y, 0.1) + nn.l2_penalty(y, 0.1), None, 0),
    ],
)
def test_losses_are_the_same_inside(loss: Any, target: Any, asked: int) -> None:
    model = nn.Sequential(nn.Linear(3, 4, rng=random.Random(4)), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 2))
    model.layers[2].training = False
    compare_recorded(lambda: loss(model([0.5, -0.25, 0.75]), target), asked)


def test_convolutions_are_the_same_inside() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 2, rng=random.Random(1)), "relu", nn.Flatten(), nn.Linear(8, 1))
    compare_recorded(lambda: model([[[0.1, 0.2, 0.3], [-0.4, 0.5, 0.6], [0.7, -0.8, 0.9]]])[0])


def test_nothing_else_asks_of_recorded_nodes() -> None:
    a, b = Value(0.5, label="a"), Value(-1.5, label="b")
    with autograd.record() as block:
        report = autograd.check_gradients(lambda x, y: (x * y).tanh() + x**3, a, b)
        y = (a * b).tanh()
        autograd.label({"y": y})
        assert autograd.grad(lambda x: x.tanh())(0.5) == autograd.gradients(a.tanh(), a)
        assert np.allclose(autograd.hessian(lambda x: x**3)(2.0), 12)
        y.backward(create_graph=True)
        assert type(a.grad) is Recorded
        y.zero_grad()
        assert all(map(str, (autograd.ledger(y), autograd.paths(y, a), autograd.tree(y), autograd.draw(y))))
        assert f"{y:.3f}" == f"{y.data:.3f}"
    assert y.label == "y"
    assert report.gradients == 2
    assert block.comparisons == []


def test_copies_are_plain_values() -> None:
    a = Value(2.0, label="a")
    with autograd.record():
        y = where(a > 1, a * 3, 0.0) if a > 0 else a
    y.backward()
    for back in (pickle.loads(pickle.dumps(y)), copy.deepcopy(y), copy.copy(y)):
        assert type(back) is Value
        assert back.data == y.data
        assert back.rule is y.rule
    for back in (pickle.loads(pickle.dumps(y)), copy.deepcopy(y)):
        assert graph(back) == graph(y)
        assert branches_of(topological_sort(back)) == (False, [])
    kind = type("Mine", (Value,), {})
    assert type(copy.copy(kind(1.0))) is kind


# ---- what it costs ---------------------------------------------------------------------------------------------------


def test_a_graph_without_remembered_comparisons_is_freed_at_once() -> None:
    def step(ask: bool) -> None:
        with autograd.record():
            y = where(a > 1, a * 3, 0.0)
            z = y.tanh() if ask and y > 0 else y * a
            autograd.sum([z, y, a]).backward()

    a = Value(2.0)
    step(False)
    gc.collect()
    gc.disable()
    try:
        count = len(gc.get_objects())
        for _ in range(20):
            step(False)
        assert len(gc.get_objects()) <= count + 5
        assert gc.collect() == 0
        step(True)
        assert gc.collect() > 0  # the comparison that it asked holds its nodes, and they the block
        assert len(gc.get_objects()) <= count + 5
    finally:
        gc.enable()


def test_outside_nothing_is_larger() -> None:
    a = Value(2.0)
    with autograd.record():
        inside = a * a
    assert sys.getsizeof(inside) == sys.getsizeof(a * a) + 8
    assert "block" not in Value.__slots__


def test_the_import_is_light() -> None:
    code = "import sys, autograd; autograd.record, autograd.BranchError; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "autograd.branches" in loaded
    assert not {"numpy", "graphviz", "autograd.planning", "autograd.symbols"} & set(loaded)
    assert {"record", "replay", "planning", "BranchError"} <= set(dir(autograd))
    assert autograd.record is autograd.modes.record
