"""The rules in JavaScript: what a browser computes from them is what Python computes, or it is refused.

The tests are made from the rules themselves: a new rule needs no test code. The numbers are Chromium's.
`python tests/test_javascript.py` prints the worst disagreement of every operation.
"""

import enum
import json
import math
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import product as combinations
from math import inf, nan
from typing import Any, NamedTuple

import mpmath as mp
import pytest
from browser import chromium, opened
from hypothesis import given, settings
from hypothesis import strategies as st
from references import reference
from test_folding import marked_graphs

import autograd
from autograd import Rule, Value, numeric
from autograd.drawing import ledger, snapshot
from autograd.drawing.figures import figure
from autograd.drawing.folding import LEVELS, folded
from autograd.drawing.paths import paths
from autograd.drawing.recompute import (
    HERE,
    CannotRecompute,
    helper_names,
    helpers_source,
    payload,
    print_rule,
    recomputation,
)
from autograd.engine import record, topological_sort
from autograd.numeric import helper, where
from autograd.rules import MAKERS, RULES
from autograd.symbols import Symbol, fold, javascript, operand_names, read
from nn import MLP

ALL = [*RULES.values(), *(make(*example) for make in MAKERS.values() for example in make.examples)]
EVERY = [rule for rule in ALL if rule.maker is not MAKERS["chosen"]]  # the one that is refused, as a test below says
NAMES = [f"{rule.name}{list(rule.parameters)}" if rule.maker else rule.name for rule in EVERY]
COUNTS = (2, 4, 6)  # operands of an n-ary rule; dot takes pairs

every_rule = pytest.mark.parametrize("rule", EVERY, ids=NAMES)
x, y, out = Symbol("x"), Symbol("y"), Symbol("out")


# ---- what is printed -----------------------------------------------------------------------------------------------


def printed(*symbols: Any) -> str:
    """Symbols in x, y and out as JavaScript, on one line."""
    script = javascript(list(map(Symbol, symbols)), {"x": "x", "y": "y", "out": "out"})
    return "; ".join([*script.statements, ", ".join(script.results)])


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (1 - out**2, "1 - power(out, 2)"),
        ((-x) ** 2, "power(-x, 2)"),
        (-Symbol.__neg__(x), "-(-x)"),
        (-Symbol(-3) * x, "-(-3) * x"),
        (x - (-y), "x - -y"),
        (x * -2, "x * (-2)"),
        ((x - y) - (x + y), "x - y - (x + y)"),
        (x / (y * 2) / 3, "x / (y * 2) / 3"),
        (where(x > 0, 1, where(x < y, 2, 3)) + 1, "(x > 0 ? 1 : x < y ? 2 : 3) + 1"),
        (where((x > 0) & (y <= 1), x, y), "(x > 0) && (y <= 1) ? x : y"),
        (((x > 0) & (y > 0)) < x, "((x > 0) && (y > 0)) < x"),
        ((x > y) * ((x < 1) >= y), "(x > y) * ((x < 1) >= y)"),
        (numeric.total([x, y, 1]), "total(x, y, 1)"),
        (numeric.exp(x) / (1 + numeric.exp(x)), "const t1 = exp(x); t1 / (1 + t1)"),
        (x + 0.1 + -0.0 + 5e-324 + 1e22, "x + 0.1 + -0.0 + 5e-324 + 1e+22"),
        (x + inf - inf + -inf * x + nan, "x + Infinity - Infinity + -Infinity * x + NaN"),
        (x + 2**53 + (2**53 + 1) + 3**60, "x + 9007199254740992 + 9007199254740992.0 + 4.23911582752162e+28"),
        (x + Fraction(1, 3) - Fraction(10**400 + 1, 3 * 10**400), "x + 0.3333333333333333 - 0.3333333333333333"),
    ],
    ids=str,
)
def test_printing_means_the_same_in_javascript(formula: Symbol, expected: str) -> None:
    assert printed(formula) == expected


def test_a_part_that_is_used_twice_is_computed_once_also_between_results() -> None:
    part = numeric.exp(x * y)
    assert printed(part + 1, where(x > 0, part, part * 2)) == ("const t1 = exp(x * y); t1 + 1, x > 0 ? t1 : t1 * 2")


def test_a_number_that_javascript_lacks_is_an_error() -> None:
    for number in (1j, mp.mpf(2)):
        with pytest.raises(TypeError, match="only floats"):
            javascript([x + Symbol(number)], {"x": "x"})
    with pytest.raises(OverflowError):
        javascript([x + 10**400], {"x": "x"})


def test_long_and_deep_expressions_are_cut_into_named_parts() -> None:
    deep = x
    for _ in range(3000):
        deep = numeric.maximum(deep + y, x)
    script = javascript([deep], {"x": "x", "y": "y"})
    assert max(map(len, script.statements)) < 120


class Mode(enum.IntEnum):
    TWICE = 2


class Disguised(int):
    def __repr__(self) -> str:
        return "(document.title='changed',3)"

    __str__ = __repr__


@pytest.mark.parametrize(("number", "written"), [(Mode.TWICE, "2"), (Disguised(3), "3"), (True, "1")])
def test_no_number_brings_code_of_its_own_into_the_page(number: int, written: str) -> None:
    rule = Rule("e", lambda x: x * number, (lambda x, out: number + 0 * x,))
    assert print_rule(rule, 1) == (
        f"{{ forward(x1) {{ return x1 * {written}; }}, "
        f"slopes([x1], out) {{ return [{written} + 0 * x1]; }}, choice: false }}"
    )


def test_a_rule_that_looks_its_operand_up_is_refused() -> None:
    """At 2 it is another function, which no Symbol shows: a slider that comes there would be wrong."""
    looked = Rule("looked", lambda x: {2.0: 5.0}.get(x, 0.0) + x, (lambda x, out: 1,))
    with pytest.raises(CannotRecompute, match=r"'looked'.*dict or a set.*autograd\.where"):
        recomputation(snapshot(record(looked, (Value(3.0),)) * 3))


def helpers_called(rule: Rule) -> set[str]:
    operands = [Symbol(name) for name in operand_names(rule)]
    symbols = [Symbol(rule.forward(*operands)), *read(rule, textbook=False)]
    return set(javascript(symbols, {name: name for name in (*operand_names(rule), "out")}).helpers)


def test_the_helpers_in_javascript_are_those_that_the_rules_call() -> None:
    """None is missing, and none stands there for nothing. Their names are those of `autograd.numeric`."""
    needed = set().union(*map(helpers_called, EVERY))
    assert set(helper_names()) == needed
    assert needed <= {*vars(numeric), *vars(autograd.rules), "abs"}
    source = helpers_source()
    defined = re.findall(r"^(?:function|const) (\w+)", source, re.MULTILINE)
    for name in {*defined, *helper_names()} - {"HELPERS"}:
        assert len(re.findall(rf"\b{name}\b", source)) >= 2, f"{name} is not used"


@every_rule
def test_every_rule_is_printed(rule: Rule) -> None:
    for count in [rule.arity] if rule.arity else COUNTS:
        assert print_rule(rule, count).startswith("{ forward(x1")


# ---- what is refused -----------------------------------------------------------------------------------------------


def by_hand() -> Value:
    a = Value(2.0, label="a")
    return Value(4.0, (a,), "double", label="mine")


def of_my_own(forward: Callable[..., Any], *partials: Callable[..., Any], **more: Any) -> Callable[[], Value]:
    return lambda: record(Rule("gate", forward, partials, **more), tuple([Value(2.0) for _ in partials]))


REFUSED = {
    "by hand": (by_hand, r"^mine was made by hand.*operation\(Rule"),
    "where": (
        lambda: autograd.where(True, Value(1.0), Value(2.0)) * 3,
        r"^where .*does not look at its operands.*decided in Python",
    ),
    "a choice of one's own": (
        of_my_own(lambda x, y: y, lambda x, y, out: 0, lambda x, y, out: 1, choice=True),
        r"^gate .*decided in Python",
    ),
    "a branch": (
        of_my_own(lambda x: x if x > 0 else 0.0, lambda x, out: 1),
        r"^gate cannot be read.*'gate'.*may not branch",
    ),
    "math": (of_my_own(math.exp, lambda x, out: out), r"^gate cannot be read.*math\.exp"),
    "anything else": (of_my_own(lambda x: {2.0: 1.0}[x], lambda x, out: 1), r"^gate cannot be read"),
    "a helper of one's own": (
        of_my_own(helper("twice", lambda x: 2 * x), lambda x, out: 2),
        r"^gate .*calls twice, which JavaScript does not have",
    ),
    "an inner helper": (of_my_own(helper("quotient", lambda x: x), lambda x, out: 1), r"^gate .*calls quotient"),
    "a fraction": (lambda: Value(Fraction(1, 3), label="third") * 2, r"^third holds Fraction\(1, 3\).*floats only"),
    "complex": (lambda: Value(1j) * 2, r"^leaf holds 1j,"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_computed_again_is_refused_by_name(case: str) -> None:
    make, message = REFUSED[case]
    graph = snapshot(make())
    with pytest.raises(CannotRecompute, match=message) as refusal:
        recomputation(graph)
    told = payload(graph)
    assert told["refusal"] == str(refusal.value)
    assert {node["rule"] for node in told["nodes"]} == {None}
    json.dumps(told, allow_nan=False)


def test_a_folded_part_is_refused() -> None:
    graph = snapshot(Value(2.0) * 3)
    folded = graph._replace(nodes=(*graph.nodes[:-1], graph.nodes[-1]._replace(kind="group", label="layer")))
    with pytest.raises(CannotRecompute, match=r"^layer is a folded part.*nothing folded"):
        recomputation(folded)


def test_only_where_of_a_bool_is_refused_of_all_operations() -> None:
    refused = set()
    for rule in ALL:
        try:
            print_rule(rule, rule.arity or 4)
        except CannotRecompute:
            refused.add(rule)
    assert refused == set(map(MAKERS["chosen"], (True, False)))


# ---- the graph as data ---------------------------------------------------------------------------------------------


def test_each_rule_is_printed_once_for_each_number_of_operands() -> None:
    a, b = Value(2.0), Value(-3.0)
    found = recomputation(snapshot(autograd.sum([a * b, b * a, autograd.sum([a, b]) ** 2, (a + b) ** 3])))
    assert found.source.count("{ forward(") == len({*found.rule_of} - {None}) == 6
    assert found.rule_of[:2] == [None, None]


def test_the_payload_is_plain_data() -> None:
    a = Value(-0.0, label="</script>")
    graph = snapshot(Value(nan) - 2 * autograd.log(a))
    told = json.loads(json.dumps(payload(graph), allow_nan=False))
    assert told["root"] == len(graph.nodes) - 1
    assert told["refusal"] is None
    leaf, logarithm, product = [node for node in told["nodes"] if node["name"] in ("</script>", "log", "*")]
    assert math.copysign(1, leaf["data"]) == -1
    assert (logarithm["data"], logarithm["slopes"]) == ("-inf", ["inf"])
    assert product == {
        "name": "*", "kind": "operation", "parents": [2, 1], "rule": 1, "choice": False, "data": "-inf",
        "slopes": [None, 2.0],
    }  # fmt: skip
    assert "</script>" not in recomputation(graph).source


def test_no_file_knows_an_operation() -> None:
    for name in ("recompute.py", "recompute.js"):
        text = (HERE / name).read_text(encoding="utf-8")
        assert not re.findall(r"\b(tanh|relu|sigmoid|logsumexp|softmax_cross_entropy|RELU|TANH)\b", text)


def test_a_network_is_printed_in_no_time() -> None:
    root = network(40)
    graph = snapshot(root)
    assert len(graph.nodes) > 1600
    start = time.process_time()
    payload(graph)
    assert time.process_time() - start < 5


def network(width: int) -> Value:
    """A small MLP of scalar operations: one hidden layer, every weight a leaf."""
    draw = random.Random(0)
    xs = [Value(draw.uniform(-1, 1)) for _ in range(20)]
    hidden = []
    for _ in range(width):
        terms = [Value(draw.uniform(-1, 1)) * x for x in xs]
        hidden.append(autograd.sum([*terms, Value(draw.uniform(-1, 1))]).tanh())
    return autograd.sum(hidden)


# ---- in the browser ------------------------------------------------------------------------------------------------

SCRIPT = (HERE / "recompute.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(browser: Any) -> Iterator[Any]:
    with opened(browser, "<title>numbers</title>") as page:
        yield page


def evaluate(page: Any, expression: str, given: Any = None, source: str = "", graph: Any = None) -> Any:
    """An expression in the page, with recompute.js, `source`, a `graph` from a payload, and what is `given`."""
    prepared = f"const graph = prepare({json.dumps(graph)}, RULES);" if graph is not None else ""
    return page.evaluate(f"(given) => {{ {SCRIPT}\n{source}\n{prepared}\nreturn {expression}; }}", given)


def on_graph(page: Any, root: Value, expression: str, given: Any = None) -> Any:
    graph = snapshot(root)
    return evaluate(page, expression, given, recomputation(graph).source, payload(graph))


def same(got: float, right: float, within: float = 0.0) -> bool:
    """Equal, both NaN, or not farther apart than `within`."""
    return got == right or (got != got and right != right) or abs(got - right) <= within


# ---- every rule ----------------------------------------------------------------------------------------------------

LEAST_NORMAL = 2.2250738585072014e-308
WITHIN = 1e-14  # 45 units in the last place; two C libraries differ by a few
SPECIAL = [
    0.0, -0.0, 1.0, -1.0, inf, -inf, nan, 5e-324, -5e-324, LEAST_NORMAL, 1e-300, 1e-20, -1e-8, 0.25, 0.5, -0.5,
    2.0, 3.0, -1.5, 6.0, -6.0, 20.0, -20.0, 28.0, 36.7, -36.7, -38.4, 40.0, -40.0, 709.78, 710.0, -745.0, -746.0, 1e8,
    -1e16, 2.0**53 + 2, 1e22, 1e150, 1.4e154, 1.797e308, -1.797e308, 0.84375, 1.25, 1 / 0.35, -1.2784645427610738,
    -0.7517915241,
]  # fmt: skip


def operands(rule: Rule, count: int, draw: random.Random) -> list[tuple[float, ...]]:
    """Places to look at: inside the rule's domain, of any size, special ones, and ties."""
    intervals = [*rule.domain, *[rule.domain[-1]] * count][:count]
    inside = [tuple([draw.uniform(*interval) for interval in intervals]) for _ in range(60)]
    wide = [tuple([draw.uniform(-40, 40) for _ in range(count)]) for _ in range(60)]
    sizes = [tuple([draw.choice((-1, 1)) * 10 ** draw.uniform(-320, 308) for _ in range(count)]) for _ in range(60)]
    mixed = [tuple(draw.choices(SPECIAL, k=count)) for _ in range(300)]
    ties = [(draw.uniform(-9, 9),) * count for _ in range(10)] + [(special,) * count for special in SPECIAL]
    pairs = list(combinations(SPECIAL, repeat=count)) if count < 3 else []
    return inside + wide + sizes + (pairs or mixed) + ties


class Disagreement(NamedTuple):
    """How far JavaScript is from Python, as a part of what the number is made of."""

    size: float = 0.0
    what: str = ""
    at: tuple[float, ...] = ()
    got: float = 0.0
    right: float = 0.0


def disagreements(page: Any, rule: Rule, count: int) -> Iterator[Disagreement]:
    """Every value and slope of a rule of `count` operands, in the browser and here."""
    places = operands(rule, count, random.Random(f"{rule.name} {rule.parameters} {count}"))
    source = f"{helpers_source()}\nconst rule = {print_rule(rule, count)};"
    run = "given.map((xs) => { const out = rule.forward(...xs); return [out, ...rule.slopes(xs, out)]; })"
    for xs, (value, *slopes) in zip(places, evaluate(page, run, places, source), strict=True):
        result = rule.forward(*xs)
        yield disagreement("value", xs, value, result, lambda xs=xs: terms(rule, xs))
        for i, (got, right) in enumerate(zip(slopes, rule.slopes(xs, result), strict=True)):
            yield disagreement(f"slope {i}", xs, got, right, lambda: reference(rule).floor)


def disagreement(what: str, xs: tuple[float, ...], got: float, right: float, size: Callable[[], float]) -> Disagreement:
    """Relative to the number; where it has a root, to what cancels there; below the normal numbers to the least of them."""
    if same(got, right):
        return Disagreement()
    if not (math.isfinite(got) and math.isfinite(right)):
        return Disagreement(inf, what, xs, got, right)
    close = abs(got - right) / max(abs(right), LEAST_NORMAL)
    far = close if close < WITHIN else abs(got - right) / max(abs(right), size(), LEAST_NORMAL)
    return Disagreement(far, what, xs, got, right)


def terms(rule: Rule, xs: tuple[float, ...]) -> float:
    """The size of what a value is the sum of, where tests/references.py has it."""
    entry = reference(rule)
    if entry.terms is None or not all(map(math.isfinite, xs)):
        return 0.0
    return float(mp.fsum(map(abs, entry.terms(*map(mp.mpf, xs)))))


@pytest.mark.browser
@every_rule
def test_values_and_slopes_agree_everywhere(page: Any, rule: Rule) -> None:
    for count in [rule.arity] if rule.arity else COUNTS:
        worst = max(disagreements(page, rule, count))
        assert worst.size <= WITHIN, worst


@pytest.mark.browser
def test_a_sum_is_rounded_once(page: Any) -> None:
    """Also where terms cancel, half of the last place decides, or it overflows on the way; and -0.0 keeps its sign."""
    draw = random.Random(8)
    sums = [
        [-0.0, -0.0],
        [0.0, -0.0],
        [1e308, 1e308, -1e308],
        [1e16, 1.0, -1e16],
        [1.0, 2.0**-53, 2.0**-106],
        [inf, 1e308, 1e308],
    ]
    for _ in range(2000):
        xs = [
            draw.choice((-1, 1)) * draw.random() * 2.0 ** draw.randrange(-60, 60) for _ in range(draw.randrange(1, 9))
        ]
        sums.append([*xs, *[-x for x in xs if draw.random() < 0.5], 2.0 ** draw.randrange(-60, 60)])
    for xs, got in zip(sums, evaluate(page, "given.map((xs) => total(...xs))", sums, helpers_source()), strict=True):
        assert repr(float(got)) == repr(numeric.total(xs)), xs


@pytest.mark.browser
def test_zeros_keep_their_sign(page: Any) -> None:
    for rule in EVERY:
        count = rule.arity or 2
        places = list(combinations((0.0, -0.0, 1.0, -1.0, inf, -inf), repeat=count))
        source = f"{helpers_source()}\nconst rule = {print_rule(rule, count)};"
        run = "given.map((xs) => { const out = rule.forward(...xs); return [out, ...rule.slopes(xs, out)]; })"
        for xs, numbers in zip(places, evaluate(page, run, places, source), strict=True):
            result = rule.forward(*xs)
            for got, right in zip(numbers, (result, *rule.slopes(xs, result)), strict=True):
                signs = [math.copysign(1, zero) for zero in (got, right)] if got == 0 else [1, 1]
                assert signs[0] == signs[1], (rule.name, xs, got, right)


@pytest.mark.browser
def test_printed_expressions_compute_what_they_say(page: Any) -> None:
    """Parentheses are never missing: random expressions, read by JavaScript, are the same number."""
    draw = random.Random(3)

    def expression(depth: int) -> Symbol:
        if not depth or draw.random() < 0.15:
            return draw.choice([x, y, Symbol(2), Symbol(-3), Symbol(0.5), Symbol(-0.0)])
        kind, left, right = draw.choice("+-*/n<&c"), expression(depth - 1), expression(depth - 1)
        conditions = {
            "<": left > right,
            "&": (left > right) & (right <= x),
            "c": ((left >= y) < (right <= 1)) & (x < y),
        }
        if kind in conditions:
            return where(conditions[kind], left, right)
        return -left if kind == "n" else eval(f"left {kind} right")

    made = [expression(5) for _ in range(400)]
    functions = []
    for symbol in made:
        script = javascript([symbol], {"x": "x", "y": "y"})
        functions.append(f"(x, y) => {{ {';'.join(script.statements)}; return Number({script.results[0]}); }}")
    source = f"{helpers_source()}\nconst made = [{', '.join(functions)}];"
    for at in [(1.7, -0.6), (-0.3, 2.5), (0.0, 1.0)]:
        found = evaluate(page, "made.map((f) => f(...given))", list(at), source)
        for symbol, got in zip(made, found, strict=True):
            assert same(got, computed(symbol, *at)), (str(symbol), at)


def computed(symbol: Symbol, x: float, y: float) -> float:
    """A formula's number, by floats."""
    apply: dict[str, Callable[..., Any]] = {
        "neg": lambda a: -a, "where": lambda c, a, b: a if c else b, "/": lambda a, b: numeric.divide(a, b),
        "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "&": lambda a, b: a & b,
        "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
    }  # fmt: skip

    def visit(part: Symbol, values: list[Any]) -> Any:
        if values:
            return apply[part.operation](*values)
        return float({"x": x, "y": y}.get(part.content, part.content))

    return float(fold(symbol, visit))


# ---- whole graphs --------------------------------------------------------------------------------------------------


class Program(NamedTuple):
    """A graph to be made: leaves, and rules applied to what is there already."""

    leaves: list[float]
    steps: list[tuple[Rule, list[int]]]

    def run(self, leaves: Sequence[float]) -> list[Value]:
        nodes = [Value(x) for x in leaves]
        for rule, places in self.steps:
            nodes.append(record(rule, tuple([nodes[i] for i in places])))
        return nodes


@st.composite
def programs(draw: Any) -> Program:
    """Any rules on one another, inside their domains: an operand that would be outside is a new leaf instead."""
    leaves: list[float] = []
    steps: list[tuple[Rule, list[int]]] = []
    known: list[tuple[float, int]] = []  # each node: its number and its place, a step's counted from -1 downwards
    unused: set[int] = set()
    for _ in range(draw(st.integers(1, 12))):
        rule = draw(st.sampled_from(EVERY))
        count = rule.arity or draw(st.sampled_from(COUNTS))
        xs = []
        for low, high in [*rule.domain, *[rule.domain[-1]] * count][:count]:
            fitting = [node for node in known if low < node[0] < high]
            if fitting and draw(st.integers(0, 3)):
                xs.append(draw(st.sampled_from(fitting)))
            else:
                leaf = draw(st.floats(low, high, exclude_min=True, exclude_max=True))
                xs.append((leaf, len(leaves)))
                known.append(xs[-1])
                leaves.append(leaf)
        steps.append((rule, [place for _, place in xs]))
        known.append((rule.forward(*[number for number, _ in xs]), -len(steps)))
        unused = (unused | {-len(steps)}) - {place for _, place in xs}
    steps.append((RULES["sum"], sorted(unused)))
    return Program(leaves, [(rule, [i if i >= 0 else len(leaves) - 1 - i for i in xs]) for rule, xs in steps])


def sizes(graph: Any) -> tuple[list[float], list[float]]:
    """What numbers and gradients are made of: the same with every term's sign taken away.

    A number moves by this much, relatively, when everything below it does, and a gradient when every local derivative does.
    """
    data = [abs(node.data) for node in graph.nodes]
    grads = [0.0] * len(graph.nodes)
    grads[-1] = 1.0
    for node in graph.nodes:
        data[node.id] += sum([abs(edge.local) * data[edge.parent] for edge in node.edges if edge.local])
    for node in reversed(graph.nodes):
        for edge in node.edges:
            grads[edge.parent] += grads[node.id] * abs(edge.local) if edge.carries else 0.0
    return data, grads


def check(what: str, graph: Any, found: list[float], rights: list[float], sizes: list[float]) -> None:
    for node, got, right, size in zip(graph.nodes, found, rights, sizes, strict=True):
        assert same(got, right, 1e-12 * size), (what, node.name, got, right, size)


def leaf_data(graph: Any) -> list[float]:
    """What a slider gives to forward(): the leaves' numbers; no other node's may be looked at."""
    return [node.data if node.kind in ("leaf", "constant") else nan for node in graph.nodes]


@pytest.mark.browser
@settings(max_examples=150)
@given(program=programs())
def test_graphs_agree(page: Any, program: Program) -> None:
    """Forward from the leaves, and backward: values and gradients to 1e-12 of what they are sums of."""
    *_, root = program.run(program.leaves)
    root.backward()
    graph = snapshot(root)
    run = "{ data: forward(graph, given), wrong: verify(graph), grads: sweep(graph, forward(graph, given)).grads }"
    found = on_graph(page, root, run, leaf_data(graph))
    values, gradients = sizes(graph)
    assert found["wrong"] is None
    check("data", graph, found["data"], [node.data for node in graph.nodes], values)
    check("gradient", graph, found["grads"], [node.grad for node in graph.nodes], gradients)


@pytest.mark.browser
@settings(max_examples=150)
@given(program=programs(), share=st.floats(0, 1))
def test_moved_leaves_agree_with_a_graph_made_there(page: Any, program: Program, share: float) -> None:
    """As sliders do: from a graph recorded elsewhere. Each leaf moves towards the next one, so that there are ties too."""
    moved = [x + share * (other - x) for x, other in zip(program.leaves, program.leaves[1:] + program.leaves[:1])]
    *_, before = program.run(program.leaves)
    *_, after = program.run(moved)
    after.backward()
    graph = snapshot(after)
    found = on_graph(
        page,
        before,
        "{ data: forward(graph, given), grads: sweep(graph, forward(graph, given)).grads }",
        leaf_data(graph),
    )
    values, gradients = sizes(graph)
    check("data", graph, found["data"], [node.data for node in graph.nodes], values)
    if all(math.isfinite(node.data) for node in graph.nodes):
        check("gradient", graph, found["grads"], [node.grad for node in graph.nodes], gradients)


def example() -> tuple[Value, Value]:
    """A graph with constants, a parent that comes twice, a choice, a tie, and a leaf that nothing flows to."""
    a, b, c = Value(2.0, label="a"), Value(-3.0, label="b"), Value(5.0, label="c")
    hidden = (a * b + 1.5).relu() * c + autograd.maximum(a, c - 3) * (a * a)
    return a, autograd.sum([hidden, autograd.minimum(c, b), hidden / 7]).tanh() + hidden


@pytest.mark.browser
def test_the_contributions_are_the_ledgers(page: Any) -> None:
    _, root = example()
    steps = on_graph(page, root, "sweep(graph, graph.data).steps")
    rows, names = ledger(root), [node.name for node in snapshot(root).nodes]
    for step, row in zip(steps, rows, strict=True):
        assert (names[step["node"]], names[step["parent"]]) == (row.node, row.parent)
        found = [step[key] for key in ("upstream", "local", "contribution", "before", "after")]
        assert found == pytest.approx(
            [row.upstream, row.local_derivative, row.contribution, row.grad_before, row.grad_after]
        )
    assert len({(step["node"], step["operand"]) for step in steps}) == len(steps)
    assert any(step["local"] == 0 for step in steps)


@pytest.mark.browser
def test_a_choice_carries_nothing_even_from_infinity(page: Any) -> None:
    x, y = Value(1.0), Value(2.0)
    root = autograd.log(autograd.maximum(x, y) - 2.0)
    root.backward()
    graph = snapshot(root)
    grads = on_graph(page, root, "sweep(graph, graph.data).grads")
    assert {node.data: grads[node.id] for node in graph.nodes if node.kind == "leaf"} == {1.0: 0, 2.0: inf}
    assert (x.grad, y.grad) == (0, inf)


@pytest.mark.browser
def test_a_graph_that_cannot_be_computed_again_can_still_be_swept(page: Any) -> None:
    a, b = Value(2.0), Value(3.0)
    root = autograd.where(False, a, b) * (a * b)
    root.backward()
    graph = snapshot(root)
    found = evaluate(
        page,
        "({ ...sweep(graph, graph.data), data: forward(graph, graph.data) })",
        None,
        "const RULES = null;",
        payload(graph),
    )
    assert found["data"] == [node.data for node in graph.nodes]
    assert found["grads"] == [node.grad for node in graph.nodes]


@pytest.mark.browser
def test_nothing_that_is_given_is_changed(page: Any) -> None:
    _, root = example()
    run = """(() => {
        const before = JSON.stringify([graph.data, graph.nodes]);
        const data = Object.freeze(graph.data);
        const slopes = slopesOf(graph, data);
        sweep(graph, forward(graph, data), slopes);
        difference(graph, data, 0);
        paths(graph, slopes, 0, 3);
        verify(graph);
        return before === JSON.stringify([graph.data, graph.nodes]);
    })()"""
    assert on_graph(page, root, run)


@pytest.mark.browser
def test_differences_prove_the_gradients(page: Any) -> None:
    for x in (1e-3, 0.7, 40.0, 1e6):
        a = Value(x, label="a")
        root = autograd.log(a) * a + a.sqrt()
        root.backward()
        leaf = [node.label for node in snapshot(root).nodes].index("a")
        found = on_graph(page, root, "difference(graph, graph.data, given, 2 ** -17 * graph.data[given])", leaf)
        assert found["slope"] == pytest.approx(a.grad, rel=1e-8)
    found = on_graph(page, root, "difference(graph, graph.data, given)", leaf)
    assert found["slope"] == pytest.approx(a.grad, rel=1e-8)
    assert (found["high"] - found["low"]) / 2 == pytest.approx(found["h"])
    assert found["slope"] == (found["above"] - found["below"]) / (found["high"] - found["low"])


# ---- the page looks for itself ---------------------------------------------------------------------------------------


@pytest.mark.browser
def test_a_wrong_number_is_noticed_at_load(page: Any) -> None:
    """By a rule whose helper has the name of another, and by a graph whose leaf was changed after it was recorded."""
    _, root = example()
    assert on_graph(page, root, "verify(graph)") is None
    hard = helper("sigmoid", lambda x: min(1.0, max(0.0, x / 6 + 0.5)))
    for misread in (
        Rule("hard", hard, (lambda x, out: 1 / 6,)),
        Rule("soft", lambda x: numeric.tanh(x), (lambda x, out: hard(x),)),
    ):
        said = on_graph(page, record(misread, (Value(1.0, label="a"),)), "verify(graph)")
        assert re.fullmatch(
            rf"The sliders are off: at {misread.name} this browser computes \S+ where Python recorded \S+\.", said
        )
    a = Value(2.0, label="a")
    squared = a * a
    a.data = 3.0
    assert "browser computes 9.000 where Python recorded 4.000" in on_graph(page, squared, "verify(graph)")


# ---- a folded graph --------------------------------------------------------------------------------------------------


def at_numbers(page: Any, graph: Any, data: list[float] | None = None) -> Any:
    """What foldedAt() finds for a folded graph, at the numbers of the whole graph or at others; and what verify says."""
    run = """(() => {
        const drawn = prepareFolded(given.drawn, graph), at = forward(graph, given.data ?? graph.data);
        const found = foldedAt(drawn, graph, at);
        const carried = found.graph.nodes.map((node) => node.carries);
        const { grads } = sweep(found.graph, found.data, found.slopes);
        const members = drawn.nodes.map((node) => node.members);
        return { data: found.data, slopes: found.slopes, grads, carried, members, wrong: verifyFolded(drawn, graph),
                 told: notTold(drawn, grads, sweep(graph, at).grads)?.name ?? null };
    })()"""
    told = payload(graph)
    given = {"drawn": {**told, "whole": None}, "data": data}
    return evaluate(page, run, given, recomputation(graph.whole).source, told["whole"])


def check_folded(page: Any, graph: Any, found: Any) -> None:
    """Data, local derivatives and gradients as Python has them, the last as the engine does."""
    grads = [node.grad for node in graph.whole.nodes]
    for node in graph.nodes:
        assert same(found["data"][node.id], node.data, 1e-10 * abs(node.data))
        slopes, carried = found["slopes"][node.id], found["carried"][node.id]
        assert [slope is None for slope in slopes] == [edge.local is None for edge in node.edges]
        for edge, slope, carries in zip(node.edges, slopes, carried, strict=True):
            assert carries == edge.carries
            assert slope is None or same(slope, edge.local, 1e-10 * (1 + abs(edge.local)))
        if node.kind != "constant":
            right = grads[node.of]
            assert same(found["grads"][node.id], right, 1e-10 * (1 + abs(right)))


@pytest.mark.browser
@settings(max_examples=80)
@given(root=marked_graphs(), level=st.sampled_from(LEVELS[1:]))
def test_any_folded_graph_is_as_pythons(page: Any, root: Value, level: str) -> None:
    root.backward()
    graph = folded(snapshot(root), level)
    if graph.whole is None or any(node.outputs for node in graph.nodes):
        return
    found = at_numbers(page, graph)
    assert found["wrong"] is None
    assert found["told"] is None
    check_folded(page, graph, found)
    members = [i for ids in found["members"] for i in ids]
    assert sorted(members) == list(range(len(graph.whole.nodes)))  # each stands for its own, and together for all


@pytest.mark.browser
@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
def test_a_folded_network_that_was_moved_is_as_pythons(page: Any, activation: str) -> None:
    draw = random.Random(4)
    model = MLP(2, [6, 5, 1], activation=activation, rng=draw)
    xs = [Value(0.3, label="x1"), Value(-0.8, label="x2")]
    graph = folded(snapshot(model(xs)), "neuron")
    for _ in range(5):
        for leaf in draw.sample([*model.parameters(), *xs], 12):
            leaf.data = draw.uniform(-2, 2)
        model.zero_grad()
        for x in xs:
            x.grad = 0.0
        root = model(xs)
        root.backward()
        moved = folded(snapshot(root), "neuron")
        assert moved.whole is not None
        data = [node.data if not node.edges else 0.0 for node in moved.whole.nodes]
        found = at_numbers(page, graph, data)
        assert (found["wrong"], found["told"]) == (None, None)
        check_folded(page, moved, found)


# ---- figures -------------------------------------------------------------------------------------------------------


@pytest.mark.browser
def test_a_hundred_thousand_figures_are_written_as_pythons(page: Any) -> None:
    draw = random.Random(7)
    ties = [draw.randrange(10**6) / 2 ** draw.randrange(14) * 10.0 ** draw.randrange(-1, 9) for _ in range(40_000)]
    sizes = [10 ** draw.uniform(-7, 9) for _ in range(40_000)]
    written = [float(f"{draw.uniform(1, 10):.4f}5e{draw.randrange(-8, 12)}") for _ in range(10_000)]  # all but halfway
    short = [float(f"{draw.randrange(10**5)}5e{draw.randrange(-8, 12)}") for _ in range(10_000)]
    numbers = [x * draw.choice((-1, 1)) for x in (*ties, *sizes, *written, *short)]
    assert len(numbers) == 100_000
    for x, found in zip(numbers, evaluate(page, "given.map((x) => figure(x))", numbers), strict=True):
        assert found == figure(x), x


@pytest.mark.browser
def test_figures_are_written_as_pythons(page: Any) -> None:
    draw = random.Random(5)
    halfway = [
        draw.choice((-1, 1)) * draw.randrange(10**5) / 2 ** draw.randrange(12) * 10 ** draw.randrange(4)
        for _ in range(4000)
    ]
    sized = [draw.choice((-1, 1)) * 10 ** draw.uniform(-323, 308) for _ in range(1000)]
    near = [
        math.nextafter(x, side) for x in (9999.5, 99995.0, 1e-4, 9.9995e-5, 0.99995, 1e22) for side in (x, 0.0, inf)
    ]
    numbers = [*SPECIAL, 1234.5, 1235.5, 1e-5, *near, *halfway, *sized]
    for digits in (4, 2, 7):
        found = evaluate(page, f"given.map((x) => figure(x, {digits}))", numbers)
        for x, written in zip(numbers, found, strict=True):
            assert written == figure(x, digits), x
    assert evaluate(page, "[figure(null), figure(undefined), figure(0.07065), figure(-1e-7)]") == [
        "–",
        "–",
        "0.07065",
        "−1.000e−7",
    ]


# ---- paths ---------------------------------------------------------------------------------------------------------


PATHS = """(([from, most]) => {
    const { count, ...found } = paths(graph, graph.nodes.map((node) => node.slopes), from, most);
    return { ...found, count: String(count) };
})(given)"""


def check_paths(page: Any, root: Value, start: Value, most: int) -> None:
    """The same paths as in Python, in the same order, to the bit."""
    right = paths(root, start, most)
    graph = payload(snapshot(root))
    graph["nodes"] = [node | {"rule": None} for node in graph["nodes"]]
    found = evaluate(page, PATHS, [topological_sort(root).index(start), most], "const RULES = null;", graph)
    assert int(found["count"]) == right.count
    assert same(found["total"], right.total)
    assert found["rest"] is None if right.count == len(right) else same(found["rest"], right.rest)
    for path, listed in zip(right, found["listed"], strict=True):
        assert tuple([(step["node"], step["operand"]) for step in listed["steps"]]) == path.edges
        assert same(listed["product"], path.product)


@pytest.mark.browser
@settings(max_examples=60)
@given(program=programs(), leaf=st.integers(0, 99), most=st.sampled_from([0, 1, 3, 10, 1000]))
def test_paths_are_pythons(page: Any, program: Program, leaf: int, most: int) -> None:
    nodes = program.run(program.leaves)
    check_paths(page, nodes[-1], nodes[leaf % len(program.leaves)], most)


@pytest.mark.browser
@pytest.mark.parametrize("most", [0, 1, 2, 5, 100])
def test_paths_with_ties_infinities_and_choices_are_pythons(page: Any, most: int) -> None:
    x, nothing = Value(1.0), Value(0.0)
    tie = autograd.sum([x + x, x * 1.0, x, -x, (x + x) * (x + x), x.relu() * 1.0])
    endless = autograd.log(nothing) + nothing.sqrt() * nothing + (nothing * nothing).relu() * 2.0 + nothing
    for root, start in [
        (tie, x),
        (x, x),
        (tie * x, x),
        (endless, nothing),
        (autograd.maximum(x, 3.0) / nothing, x),
        example()[::-1],
    ]:
        check_paths(page, root, start, most)


@pytest.mark.browser
def test_astronomically_many_paths_are_counted_at_once(page: Any) -> None:
    x = Value(1.0)
    y = x
    for _ in range(800):
        y = (y + y) * 0.5
    run = """(() => {
        const start = performance.now(), found = paths(graph, slopesOf(graph, graph.data), given, 10);
        return { ...found, count: String(found.count), time: performance.now() - start };
    })()"""
    found = on_graph(page, y, run, next(node.id for node in snapshot(y).nodes if node.kind == "leaf"))
    assert int(found["count"]) == 2**800
    assert found["total"] == pytest.approx(found["rest"]) == 1
    assert len(found["listed"][0]["steps"]) == 1600
    assert found["time"] < 1000


@pytest.mark.browser
def test_a_network_moves_sixty_times_a_second(page: Any) -> None:
    root = network(40)
    run = """(() => {
        const start = performance.now();
        for (let i = 0; i < 20; i++) sweep(graph, forward(graph, graph.data));
        return (performance.now() - start) / 20;
    })()"""
    assert on_graph(page, root, run) < 16


if __name__ == "__main__":
    with chromium() as started, opened(started, "<title>numbers</title>") as shown:
        print(f"{'operation':24}{'value':>10}{'slope':>10}")
        for rule, name in zip(EVERY, NAMES, strict=True):
            found = [d for count in ([rule.arity] if rule.arity else COUNTS) for d in disagreements(shown, rule, count)]
            worst = [
                max([d.size for d in found if d.what.startswith(what)], default=0.0) for what in ("value", "slope")
            ]
            print(f"{name:24}{worst[0]:10.1e}{worst[1]:10.1e}")
