"""Replay of graphs drawn at random: shared and repeated operands, sums and products in every shape, any leaf in any part.

A graph is a program, which is run on new leaves for each lane. Two kinds: of whole numbers, on which every order of adding
up gives the same bits, so that replay and engine must agree exactly, kinks included; and of smooth functions, where
values and gradients may be 1e-12 of the sum of the absolute terms apart (some thousand roundings; what is asked for).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from replaying import Array, as_list, check_result, close, eager, leaves_of, same, total, weighted, weights_of

import autograd
from autograd import Constant, Value, topological_sort

MOST = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
LIMIT = 2.0**24  # below it, with a dozen halvings and thousandfold sums, every float is exact


class Step(NamedTuple):
    """One line of a program: a function of nodes made before, by their positions."""

    name: str
    at: tuple[int, ...]
    number: float = 0.0

    def __call__(self, nodes: Sequence[Any]) -> Any:
        return EXACT[self.name](self.number, *[nodes[i] for i in self.at])


def terms(xs: Sequence[Any]) -> list[tuple[Any, Any]]:
    return list(zip(xs[::2], xs[1::2]))


def from_left(number: float, *xs: Any) -> Any:
    """sum(a * b for ...), which begins with 0."""
    return sum(a * b for a, b in terms([*xs, xs[0]]))


def bias_first(number: float, b: Any, *xs: Any) -> Any:
    """micrograd's neuron: sum((a * b for ...), bias)."""
    return sum((x * y for x, y in terms([*xs, b])), b)


def bias_last(number: float, b: Any, *xs: Any) -> Any:
    return autograd.dot(xs, xs[::-1]) + b


def in_a_tree(number: float, *xs: Any) -> Any:
    """Sums of sums, pair by pair, some of products."""
    row = [x * y if i % 2 else x + y for i, (x, y) in enumerate(terms([*xs, *xs[::-1]]))]
    while len(row) > 1:
        row = [a + b for a, b in zip(row[::2], row[1::2])] + row[len(row) // 2 * 2 :]
    return row[0]


def shared_sum(number: float, x: Any, y: Any) -> Any:
    """A sum within two others: it is a node of its own for both."""
    inner = x + y
    return (inner + x) * 2 + (inner + number)


def shared_product(number: float, x: Any, y: Any) -> Any:
    product = x * y
    return product + x + (product + y)


EXACT: dict[str, Callable[..., Any]] = {
    "+": lambda c, x, y: x + y,
    "-": lambda c, x, y: x - y,
    "*": lambda c, x, y: x * y,
    "a + a": lambda c, x: x + x,
    "a * a": lambda c, x: x * x,
    "a - a": lambda c, x: x - x,
    "a + c": lambda c, x: x + c,
    "c + a": lambda c, x: c + x,
    "a * c": lambda c, x: x * c,
    "c - a": lambda c, x: c - x,
    "neg": lambda c, x: -x,
    "square": lambda c, x: x**2,
    "relu": lambda c, x: autograd.relu(x),
    "abs": lambda c, x: autograd.abs(x),
    "maximum": lambda c, x, y: autograd.maximum(x, y),
    "minimum": lambda c, x, y: autograd.minimum(x, y),
    "where": lambda c, x, y: autograd.where(c > 0, x, y),
    "decided": lambda c, x, y: autograd.where(x > y, x * 2, y - 1),
    "decided by c": lambda c, x, y: autograd.where(x <= c, y, x),
    "leaky": lambda c, x: autograd.leaky_relu(x, 2.0),
    "sum": lambda c, *xs: autograd.sum(xs),
    "sum with c": lambda c, *xs: autograd.sum([c, *xs, c]),
    "dot": lambda c, *xs: autograd.dot(xs, xs[::-1]),
    "dot with c": lambda c, x, *xs: autograd.dot([c, x, *xs], [x, *xs, c]),
    "prod": lambda c, *xs: autograd.prod(xs),
    "from left": from_left,
    "bias first": bias_first,
    "bias last": bias_last,
    "in a tree": in_a_tree,
    "shared sum": shared_sum,
    "shared product": shared_product,
}
OPERANDS = {  # how many, where it is not one
    **dict.fromkeys(["+", "-", "*", "maximum", "minimum", "where", "shared sum", "shared product"], (2, 2)),
    **dict.fromkeys(["decided", "decided by c"], (2, 2)),
    **dict.fromkeys(["sum", "sum with c", "dot", "dot with c", "from left", "bias last", "in a tree"], (2, 5)),
    "bias first": (3, 6),
    "prod": (1, 4),
}

SMOOTH: dict[str, Callable[..., Any]] = {
    "tanh": lambda c, x: autograd.tanh(x),
    "sigmoid": lambda c, x: autograd.sigmoid(x),
    "sin": lambda c, x: autograd.sin(x),
    "softplus": lambda c, x: autograd.softplus(x),
    "gelu": lambda c, x: autograd.gelu(x),
    "exp": lambda c, x: autograd.exp(autograd.sin(x)),
    "/": lambda c, x, y: x / (y * y + 1),
    "c / a": lambda c, x: c / (autograd.exp(autograd.sin(x)) + 1),
    "**": lambda c, x, y: autograd.pow(autograd.softplus(x) + 0.5, autograd.tanh(y)),
    "c ** a": lambda c, x: (abs(c) + 1) ** autograd.tanh(x),
    "hypot": lambda c, x, y: autograd.hypot(x, autograd.exp(autograd.tanh(y))),
    "atan2": lambda c, x, y: autograd.atan2(x, 1 + autograd.sigmoid(y)),
    "logsumexp": lambda c, *xs: autograd.logsumexp(xs),
    "logsumexp with c": lambda c, *xs: autograd.logsumexp([*xs, c, xs[0]]),
    "cross entropy": lambda c, *xs: autograd.softmax_cross_entropy(xs, len(xs) - 1),
    "affine": lambda c, *xs: autograd.tanh(autograd.dot(xs, xs[::-1]) + c),
}
OPERANDS |= {
    **dict.fromkeys(["/", "**", "hypot", "atan2"], (2, 2)),
    **dict.fromkeys(["logsumexp", "logsumexp with c", "cross entropy", "affine"], (2, 5)),
}
EXACT |= SMOOTH
WHOLE = [name for name in EXACT if name not in SMOOTH]
DECIDED = {"decided", "decided by c"}
KINKED = {"relu", "abs", "maximum", "minimum", "where", "leaky", *DECIDED}
GROWING = {"a * a", "square", "prod", "*", "dot", "dot with c", "from left", "bias first", "bias last"}


class Program(NamedTuple):
    """A graph to be: leaves, steps, which nodes are the outputs, and what each leaf is."""

    numbers: tuple[float, ...]  # of the leaves
    kinds: str  # i, p or neither: n, one for each leaf
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    single: bool
    unused: int  # parameters that are not in the graph

    def __call__(self, xs: list[Value], ps: list[Value]) -> Any:
        """The outputs on new leaves; leaves that are neither keep their numbers."""
        with autograd.record() if DECIDED & {step.name for step in self.steps} else nullcontext():
            return self.run(xs, ps)

    def run(self, xs: list[Value], ps: list[Value]) -> Any:
        inputs, parameters = iter(xs), iter(ps)
        nodes: list[Any] = [
            next(inputs) if kind == "i" else next(parameters) if kind == "p" else Value(number)
            for kind, number in zip(self.kinds, self.numbers)
        ]
        nodes += [
            x for x in (Value(self.numbers[0]),) if "n" not in self.kinds
        ]  # there is always a leaf that is neither
        for step in self.steps:
            nodes.append(step(nodes))
        outputs = [nodes[i] for i in self.outputs]
        return outputs[0] if self.single else outputs

    def of(self, kind: str) -> list[float]:
        found = [x for x, k in zip(self.numbers, self.kinds) if k == kind]
        return found + [1.0] * (self.unused if kind == "p" else 0)


def reach(program: Program, most: float) -> float:
    """The largest number there can be on the way if no leaf is larger than `most`: the steps read with sizes."""
    sizes: list[float] = [most] * (len(program.numbers) + ("n" not in program.kinds))
    for step in program.steps:
        if step.name in KINKED | {"+", "-", "a + a", "a - a", "neg"}:
            sizes.append(2 * max(sizes[i] for i in step.at) * (2 if step.name == "leaky" else 1) + 1)
        else:
            sizes.append(EXACT[step.name](abs(step.number) or 1.0, *[sizes[i] for i in step.at]))
        if sizes[-1] > LIMIT:
            break
    return max(sizes)


@st.composite
def programs(draw: st.DrawFn, names: Sequence[str], numbers: st.SearchStrategy[float]) -> Program:
    leaves = draw(st.lists(numbers, min_size=1, max_size=6))
    kinds = "".join(draw(st.lists(st.sampled_from("iipppn"), min_size=len(leaves), max_size=len(leaves))))
    count, steps = len(leaves) + ("n" not in kinds), []
    for name in draw(st.lists(st.sampled_from(names), min_size=0, max_size=10)):
        low, high = OPERANDS.get(name, (1, 1))
        fan = draw(st.integers(low, high))
        at = tuple(draw(st.lists(st.integers(0, count - 1), min_size=fan, max_size=fan)))
        step = Step(name, at, draw(numbers))
        tried = Program(tuple(leaves), kinds, (*steps, step), (0,), True, 0)
        if names is WHOLE and reach(tried, 3.0) > LIMIT:
            continue
        steps.append(step)
        count += 1
    single = draw(st.booleans())
    last = st.integers(max(0, count - 4), count - 1)  # mostly among the last; any node may be one
    outputs = draw(st.lists(last | st.integers(0, count - 1), min_size=1, max_size=1 if single else 4))
    return Program(tuple(leaves), kinds, tuple(steps), tuple(outputs), single, draw(st.integers(0, 2)))


whole = st.integers(-3, 3).map(float)
smooth = st.floats(-2, 2).map(lambda x: round(x, 3))


def drawn(data: st.DataObject, program: Program, numbers: st.SearchStrategy[float]) -> tuple[Array, Any, str]:
    """Columns, upstream and reduce for a program."""
    lanes, inputs = data.draw(st.integers(1, 7)), len(program.of("i"))
    row = st.lists(numbers, min_size=inputs, max_size=inputs)
    rows = data.draw(st.lists(row, min_size=lanes, max_size=lanes))
    shapes: list[tuple[int, ...]] = [(), (lanes,)]
    if not program.single:
        shapes += [(len(program.outputs), lanes), (len(program.outputs), 1)]
    shape = data.draw(st.sampled_from([None, *shapes]))
    upstream = None
    if shape is not None:
        count = int(np.prod(shape))
        upstream = np.array(data.draw(st.lists(numbers, min_size=count, max_size=count))).reshape(shape)
    return np.array(rows).reshape(lanes, inputs), upstream, data.draw(st.sampled_from(["sum", "mean"]))


def planned(program: Program, both: Sequence[int] = ()) -> Any:
    """The plan of a program, recorded at numbers of its own. The inputs in `both` are parameters too, after the others."""
    xs, ps = leaves_of([0.5] * len(program.of("i"))), leaves_of(program.of("p"))
    return autograd.replay(program(xs, ps), xs, [*ps, *[xs[i] for i in both]])


def with_every_input(program: Program) -> Program:
    """The same, with every input in the graph: an input that is not is an error."""
    at = tuple([i for i, kind in enumerate(program.kinds) if kind == "i"])
    used, stack = set(), list(program.outputs)
    count = len(program.numbers) + ("n" not in program.kinds)
    while stack:
        i = stack.pop()
        if i not in used:
            used.add(i)
            stack += program.steps[i - count].at if i >= count else ()
    missing = [i for i in at if i not in used]
    if not missing:
        return program
    # "where" with the input in the branch that is not chosen: it is in the graph, and influences nothing
    steps, outputs = list(program.steps), list(program.outputs)
    for i in missing:
        steps.append(Step("where", (outputs[-1], i), 1.0))
        outputs[-1] = count + len(steps) - 1
    return program._replace(steps=tuple(steps), outputs=tuple(outputs))


@MOST
@given(program=programs(WHOLE, whole).map(with_every_input), data=st.data())
def test_graphs_of_whole_numbers_agree_exactly(program: Program, data: st.DataObject) -> None:
    columns, upstream, reduce = drawn(data, program, whole)
    inputs = range(columns.shape[1])
    both = data.draw(st.lists(st.sampled_from(inputs), unique=True, max_size=2)) if inputs else []
    plan = planned(program, both)
    result = plan(columns, upstream=upstream, reduce=reduce, lane_gradients=True, input_gradients=True)
    right = eager(program, columns, program.of("p"), upstream)
    right = right._replace(
        lane_gradients=np.hstack([right.lane_gradients, right.input_gradients[:, both]]),
        lane_terms=np.hstack([right.lane_terms, right.input_terms[:, both]]),
    )
    same(result.values, right.values[0] if program.single else right.values)
    if reduce == "mean":  # a third is no whole number
        check_result(result, right, reduce, within=1e-14, single=program.single)
    else:
        same(result.gradients, right.lane_gradients.sum(axis=0))
        same(result.lane_gradients, right.lane_gradients)
        same(result.input_gradients, right.input_gradients)
    again = plan(columns, upstream=upstream, reduce=reduce)
    same(again.values, result.values)
    if reduce == "sum":
        same(again.gradients, result.gradients)
    assert again.lane_gradients is None and again.input_gradients is None


@MOST
@given(program=programs(WHOLE, whole).map(with_every_input), data=st.data())
def test_bound_inputs_are_the_leaves_themselves(program: Program, data: st.DataObject) -> None:
    """Right is the graph that is built with the leaf in the input's place."""
    columns, upstream, _ = drawn(data, program, whole)
    lanes, count = columns.shape
    numbers = program.of("p") or [2.0]  # one parameter at least, in the graph or not
    program = program._replace(unused=program.unused + (not program.of("p")))
    bound = data.draw(st.lists(st.sampled_from(range(count)), unique=True)) if count else []
    positions = {
        i: data.draw(st.lists(st.integers(0, len(numbers) - 1), min_size=lanes, max_size=lanes)) for i in bound
    }
    xs, ps = leaves_of([0.5] * count), leaves_of(numbers)
    plan = autograd.replay(program(xs, ps), xs, ps)
    given = columns.copy()
    given[:, bound] = np.nan
    ways = [lambda at: [ps[j] for j in at], np.array]
    bind = {xs[i]: data.draw(st.sampled_from(ways))(at) for i, at in positions.items()}
    result = plan(given, upstream=upstream, bind=bind, lane_gradients=True, input_gradients=True)
    weights = weights_of(upstream, len(program.outputs), lanes, program.single)
    for lane, row in enumerate(columns):
        leaves, parameters = leaves_of(row), leaves_of(numbers)
        outputs = program(
            [parameters[positions[i][lane]] if i in positions else x for i, x in enumerate(leaves)], parameters
        )
        root = weighted(as_list(outputs), weights[:, lane])
        same(result.values[..., lane], [y.data for y in as_list(outputs)] if not program.single else outputs.data)
        same(result.lane_gradients[lane], autograd.gradients(root, parameters))
        free = [i for i in range(count) if i not in positions]
        same(result.input_gradients[lane, free], autograd.gradients(root, [leaves[i] for i in free]))
    same(result.gradients, result.lane_gradients.sum(axis=0))


@MOST
@given(program=programs(WHOLE, whole).map(with_every_input), data=st.data())
def test_a_lane_is_written_back_as_if_it_had_been_built(program: Program, data: st.DataObject) -> None:
    columns, upstream, reduce = drawn(data, program, whole)
    xs, ps = leaves_of([1.0] * columns.shape[1]), leaves_of(program.of("p"))
    recorded = program(xs, ps)  # a second graph on the same leaves: not the plan's, and left alone
    before = [(node.data, node.slopes) for y in as_list(recorded) for node in topological_sort(y) if node.parents]
    numbers = data.draw(st.lists(whole, min_size=len(ps), max_size=len(ps)))
    output = program(xs, ps)
    plan = autograd.replay(output, xs, ps)
    plan.parameters[:] = numbers
    plan(columns, upstream=upstream, reduce=reduce)
    lane = data.draw(st.integers(0, len(columns) - 1))
    plan.write_back(lane)
    assert [p.data for p in ps] == numbers
    assert [x.data for x in xs] == columns[lane].tolist()
    assert before == [
        (node.data, node.slopes) for y in as_list(recorded) for node in topological_sort(y) if node.parents
    ]

    new_xs, new_ps = leaves_of(columns[lane]), leaves_of(numbers)
    built = program(new_xs, new_ps)
    weights = np.broadcast_to(
        1.0 if upstream is None else upstream,
        (len(columns),) if program.single else (len(program.outputs), len(columns)),
    ).reshape(-1, len(columns))[:, lane]
    autograd.sum([y * float(w) for y, w in zip(as_list(built), weights)]).backward()
    for ours, theirs in zip(as_list(output), as_list(built), strict=True):
        for one, other in zip(topological_sort(ours), topological_sort(theirs), strict=True):
            assert type(one) is type(other) and one.rule is other.rule
            assert one.data == other.data
            assert one.slopes == other.slopes, (one._op, one.data)
            if type(one) is not Constant:
                assert one.grad == other.grad, (one._op, one.data)


def kinks_are_far(outputs: list[Value]) -> bool:
    """Whether no node chooses between numbers so near each other that rounding could decide."""
    for y in outputs:
        for node in topological_sort(y):
            if node._op in ("ReLU", "abs", "leaky_relu", "maximum", "minimum"):
                x, *others = [parent.data for parent in node.parents]
                if abs(x - (others[0] if others else 0.0)) < 1e-6:
                    return False
            if (
                node._op == "where"
                and len(node.parents) == 4
                and abs(node.parents[0].data - node.parents[1].data) < 1e-6
            ):
                return False
    return True


@MOST
@given(program=programs(list(EXACT), smooth).map(with_every_input), data=st.data())
def test_graphs_of_any_operations_agree(program: Program, data: st.DataObject) -> None:
    columns, upstream, reduce = drawn(data, program, smooth)
    plan = planned(program)
    for row in columns:
        outputs = as_list(program(leaves_of(row), leaves_of(program.of("p"))))
        assume(kinks_are_far(outputs))
        assume(all(abs(node.data) < 1e6 for y in outputs for node in topological_sort(y)))
    result = plan(columns, upstream=upstream, reduce=reduce, lane_gradients=True, input_gradients=True)
    right = eager(program, columns, program.of("p"), upstream)
    check_result(result, right, reduce, single=program.single)
    check_result(plan(columns, upstream=upstream, reduce=reduce), right, reduce, single=program.single, all_of_it=False)
    mean = total(right.lane_gradients) / (len(columns) if reduce == "mean" else 1)
    close(result.gradients, mean, total(right.lane_terms), what="gradients")


def test_every_operation_is_drawn_and_runs() -> None:
    """On numbers and on Values alike; so that none of the functions above is dead."""
    for name, function in EXACT.items():
        low, high = OPERANDS.get(name, (1, 1))
        for fan in range(low, high + 1):
            xs = [Value(0.5 + i) for i in range(fan)]
            assert isinstance(function(1.5, *xs), Value)
            assert function(1.5, *[0.5 + i for i in range(fan)]) == pytest.approx(function(1.5, *xs).data, rel=1e-14)


# ---- special graphs ----------------------------------------------------------------------------------------------------

LANES = np.array([[1.0, -2.0], [0.5, 3.0], [-1.5, 0.25]])


def plain(build: Callable[..., Any], operands: int = 2) -> Any:
    """Values and input gradients of a function of two inputs, and the engine's."""
    xs = leaves_of([0.3, 0.7][:operands])
    result = autograd.replay(build(*xs), xs)(LANES[:, :operands], lane_gradients=True, input_gradients=True)
    right = eager(lambda xs, ps: build(*xs), LANES[:, :operands], [])
    check_result(result, right)
    return result


@pytest.mark.parametrize("count", [2, 3, 4, 7])
def test_repeated_operands(count: int) -> None:
    plain(lambda a, b: sum([a] * count) * b)
    plain(lambda a, b: autograd.sum([a, b] * count))
    plain(lambda a, b: autograd.prod([a] * count + [b]))
    plain(lambda a, b: autograd.dot([a] * count, [b] * count))
    plain(lambda a, b: autograd.dot([a] * count, [a] * count) + b)
    plain(lambda a, b: autograd.logsumexp([a, b] * count))
    plain(lambda a, b: autograd.softmax_cross_entropy([a] * count + [b], 1))
    plain(lambda a, b: sum([a * b] * count))
    plain(lambda a, b: autograd.maximum(a, a) + autograd.minimum(b, b))
    plain(lambda a, b: autograd.where(True, a, a) * autograd.atan2(b, b))


def test_chains_of_one_operation() -> None:
    for function in (operator.add, operator.mul, operator.sub, autograd.maximum, autograd.hypot):
        plain(lambda a, b, function=function: function(function(a, b), function(b, a)))
        plain(lambda a, b, function=function: function(function(function(a, b), a), b))
        plain(lambda a, b, function=function: function(a, function(b, function(a, b))))


def test_an_output_that_is_a_leaf() -> None:
    x, p, other = Value(1.0), Value(2.0), Value(3.0)
    of_x = autograd.replay(x, [x], [p])(np.array([[4.0], [5.0]]), lane_gradients=True, input_gradients=True)
    same(of_x.values, [4.0, 5.0])
    same(of_x.gradients, [0.0])
    same(of_x.lane_gradients, [[0.0], [0.0]])
    same(of_x.input_gradients, [[1.0], [1.0]])
    of_p = autograd.replay(p, [], [p])
    result = of_p(np.zeros((3, 0)), upstream=[1.0, 2.0, 4.0], lane_gradients=True)
    same(result.values, [2.0, 2.0, 2.0])
    same(result.gradients, [7.0])
    same(result.lane_gradients, [[1.0], [2.0], [4.0]])
    of_neither = autograd.replay(other, [], [p])(None, lane_gradients=True, input_gradients=True)
    same(of_neither.values, [3.0])
    same(of_neither.gradients, [0.0])
    assert of_neither.input_gradients.shape == (1, 0)
    constant = (x * 2.5).parents[1]
    assert type(constant) is Constant
    same(autograd.replay(constant, [], [])(None).values, [2.5])
    assert autograd.replay(constant, [], [])(None).gradients.shape == (0,)


def test_several_outputs_that_are_leaves_inner_nodes_and_each_other() -> None:
    def build(xs: list[Value], ps: list[Value]) -> list[Value]:
        (x, y), (w, b) = xs, ps
        inner = w * x + b
        hidden = inner.tanh()
        constant = (x * 2.5).parents[1]
        return [hidden * y, inner, x, w, hidden, constant, hidden, inner, y * w]

    output, xs, ps = build(xs := leaves_of([1, 1]), ps := leaves_of([0.5, -0.25])), xs, ps
    plan = autograd.replay(output, xs, ps)
    for upstream in (
        None,
        2.0,
        np.arange(9.0)[:, None],
        np.random.default_rng(0).normal(size=(9, 3)),
        [1.0, 0.0, -1.0],
    ):
        result = plan(LANES, upstream=upstream, lane_gradients=True, input_gradients=True)
        check_result(result, eager(build, LANES, [0.5, -0.25], upstream), single=False)


def test_parameters_that_are_not_in_the_graph_have_gradient_0() -> None:
    x, w, stranger = Value(1.0), Value(2.0), Value(7.0)
    plan = autograd.replay(x * w, [x], [stranger, w])
    same(plan.parameters, [7.0, 2.0])
    result = plan(np.array([[3.0], [4.0]]), lane_gradients=True)
    same(result.gradients, [0.0, 7.0])
    same(result.lane_gradients, [[0.0, 3.0], [0.0, 4.0]])


def test_an_input_that_does_not_influence_the_output() -> None:
    x, y, w = Value(1.0), Value(1.0), Value(2.0)
    result = autograd.replay(autograd.where(True, x, y) * w, [y, x], [w])(
        np.array([[np.nan, 3.0], [5.0, 4.0]]), input_gradients=True
    )
    same(result.values, [6.0, 8.0])
    same(result.input_gradients, [[0.0, 2.0], [0.0, 2.0]])


def test_leaves_that_are_neither_are_constants_of_the_plan() -> None:
    x, w, c = Value(1.0), Value(2.0), Value(5.0)
    plan = autograd.replay(x * w * c, [x], [w])
    c.data = w.data = 1000.0  # the numbers were taken when the plan was made
    for _ in range(2):
        result = plan(np.array([[3.0]]), lane_gradients=True, input_gradients=True)
        same(result.values, [30.0])
        same(result.gradients, [15.0])
        same(result.lane_gradients, [[15.0]])
        same(result.input_gradients, [[10.0]])
        plan(np.array([[3.0]]))


def test_the_parameters_are_the_other_leaves_if_none_are_named() -> None:
    x, w, b, unused = Value(1.0), Value(2.0), Value(3.0), Value(4.0)
    output = (w * x + b * 10 + unused * 0).tanh()
    plan = autograd.replay(output, [x])
    order = list(plan.leaves)
    assert len(order) == 3 and {*order} == {w, b, unused}
    assert order == list(autograd.replay(output, [x]).leaves)
    same(plan.parameters, [leaf.data for leaf in order])
    gradients = plan(np.array([[0.25]])).gradients
    eagerly = leaves_of([0.25, 2.0, 3.0, 4.0])
    x, w, b, unused = eagerly
    right = dict(zip((2.0, 3.0, 4.0), autograd.gradients((w * x + b * 10 + unused * 0).tanh(), [w, b, unused])))
    np.testing.assert_allclose(gradients, [right[leaf.data] for leaf in order], rtol=1e-12)


def test_the_graph_is_left_as_it_was() -> None:
    """Making and running a plan changes neither numbers nor gradients of the nodes."""
    x, w = Value(1.0), Value(2.0)
    output = (x * w + w * w * 3).tanh()
    output.backward()
    before = [(node.data, node.grad, node.slopes, node.label) for node in topological_sort(output)]
    plan = autograd.replay(output, [x], [w])
    plan.parameters[:] = 9.0
    plan(np.array([[3.0], [4.0]]), lane_gradients=True)
    assert before == [(node.data, node.grad, node.slopes, node.label) for node in topological_sort(output)]


def test_graphs_with_second_derivatives_in_them() -> None:
    """A gradient made with create_graph is a graph like any other."""

    def build(xs: list[Value], ps: list[Value]) -> Value:
        (x, y), (w,) = xs, ps
        inner = (x * w + y * y * w).tanh()
        slope = autograd.gradients(inner, x, create_graph=True)
        return slope * slope + inner

    xs, ps = leaves_of([0.3, 0.1]), leaves_of([0.7])
    result = autograd.replay(build(xs, ps), xs, ps)(LANES, lane_gradients=True, input_gradients=True)
    check_result(result, eager(build, LANES, [0.7]))
