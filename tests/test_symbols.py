"""Symbols: every rule's formulas, as text and LaTeX, say what its partials compute."""

import copy
import enum
import functools
import gc
import math
import pickle
import random
import subprocess
import sys

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd
from autograd import numeric, rules
from autograd.numeric import exp, helper, maximum, sign, sqrt, where
from autograd.reference import operations_table
from autograd.rules import MAKERS, RULES, Rule
from autograd.symbols import (
    EVERY,
    Symbol,
    expression,
    fold,
    formulas,
    javascript,
    latex,
    operand_names,
    read,
    simplify,
    substitute,
    text,
)

EVERY_RULE = [*RULES.values(), *(make(*example) for make in MAKERS.values() for example in make.examples)]
WITH_TEXTBOOK = [rule for rule in EVERY_RULE if rule.textbook is not None]
MATHEMATICS = {**vars(numeric), **vars(rules), "pi": math.pi}  # what a formula's text may call

x, y, out = Symbol("x"), Symbol("y"), Symbol("out")


def name_of(rule: Rule) -> str:
    return rule.name + "".join(f",{p}" for p in rule.parameters)


def points(rule: Rule, count: int = 20) -> list[tuple[float, ...]]:
    """Operands inside the rule's domain."""
    draw = random.Random(name_of(rule))
    intervals = [rule.domain[min(i, len(rule.domain) - 1)] for i in range(len(operand_names(rule)))]
    return [tuple(draw.uniform(low, high) for low, high in intervals) for _ in range(count)]


def value(formula: str, rule: Rule, operands: tuple[float, ...], result: float) -> float:
    names = dict(zip(operand_names(rule), operands, strict=True))
    return eval(formula, MATHEMATICS | names | {"out": result})


# ---- formulas say what partials compute ----------------------------------------------------------------------------


@pytest.mark.parametrize("rule", EVERY_RULE, ids=name_of)
def test_text_evaluates_to_what_the_partial_computes(rule: Rule) -> None:
    shown = [formula.text for formula in formulas(rule)]
    recipes = [text(symbol) for symbol in read(rule, textbook=False)]
    for operands in points(rule):
        result = rule.forward(*operands)
        expected = rule.slopes(operands, result)
        for formula, recipe, slope in zip(shown, recipes, expected, strict=True):
            assert value(formula, rule, operands, result) == pytest.approx(slope, rel=1e-9, abs=1e-12)
            if "…" not in recipe:
                assert value(recipe, rule, operands, result) == pytest.approx(slope, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("rule", WITH_TEXTBOOK, ids=name_of)
def test_textbook_is_the_partial(rule: Rule) -> None:
    book = rule._replace(partials=rule.textbook)
    with mpmath.workdps(40):
        for operands in points(rule):
            exact = [mpmath.mpf(operand) for operand in operands]
            try:
                result = rule.forward(*exact)
                pairs, tolerance = zip(rule.slopes(exact, result), book.slopes(exact, result), strict=True), 1e-25
            except TypeError:  # a rule for floats only
                result = rule.forward(*operands)
                pairs, tolerance = zip(rule.slopes(operands, result), book.slopes(operands, result), strict=True), 1e-9
            for recipe, printed in pairs:
                assert abs(recipe - printed) <= tolerance * max(abs(printed), 1)


@pytest.mark.parametrize("rule", EVERY_RULE, ids=name_of)
def test_latex_is_well_formed(rule: Rule) -> None:
    for formula in formulas(rule):
        assert formula.latex.strip()
        assert_balanced(formula.latex)


def assert_balanced(written: str) -> None:
    depth = 0
    for before, c in zip(" " + written, written, strict=False):
        depth += (c == "{") - (c == "}") if before != "\\" else 0
        assert depth >= 0, written
    assert depth == 0, written
    assert written.count(r"\left(") == written.count(r"\right)")
    assert written.count(r"\begin{cases}") == written.count(r"\end{cases}")


@pytest.mark.parametrize("rule", EVERY_RULE, ids=name_of)
def test_forward_can_be_read_too(rule: Rule) -> None:
    names = operand_names(rule)
    formula = text(rule.forward(*map(Symbol, names)))
    for operands in points(rule, 3) if "…" not in formula else []:
        assert value(formula, rule, operands, math.nan) == pytest.approx(rule.forward(*operands), rel=1e-9, abs=1e-12)


GOLDEN = {
    "+": (["1", "1"], ["1", "1"]),
    "-": (["1", "-1"], ["1", "-1"]),
    "*": (["y", "x"], ["y", "x"]),
    "/": (["1/y", "-out/y"], [r"\frac{1}{y}", r"-\frac{\mathrm{out}}{y}"]),
    "**": (["y*x**(y - 1)", "out*log(x)"], [r"y \, x^{y - 1}", r"\mathrm{out} \, \log\left(x\right)"]),
    "sqrt": (["1/(2*out)"], [r"\frac{1}{2 \, \mathrm{out}}"]),
    "cbrt": (["1/(3*out**2)"], [r"\frac{1}{3 \, \mathrm{out}^{2}}"]),
    "exp": (["out"], [r"\mathrm{out}"]),
    "log2": (["1/(log(2)*x)"], [r"\frac{1}{\log\left(2\right) \, x}"]),
    "cos": (["-sin(x)"], [r"-\sin\left(x\right)"]),
    "asin": (["1/sqrt((1 - x)*(1 + x))"], [r"\frac{1}{\sqrt{\left(1 - x\right) \, \left(1 + x\right)}}"]),
    "erf": (["2/sqrt(pi)*exp(-x**2)"], [r"\frac{2}{\sqrt{\pi}} \, e^{-x^{2}}"]),
    "tanh": (["1 - out**2"], [r"1 - \mathrm{out}^{2}"]),
    "sigmoid": (["out*(1 - out)"], [r"\mathrm{out} \, \left(1 - \mathrm{out}\right)"]),
    "ReLU": (["1 if x > 0 else 0"], [r"\begin{cases} 1 & \text{if } x > 0 \\ 0 & \text{otherwise} \end{cases}"]),
    "atan2": (
        ["x/(x**2 + y**2)", "-y/(x**2 + y**2)"],
        [r"\frac{x}{x^{2} + y^{2}}", r"-\frac{y}{x^{2} + y^{2}}"],
    ),
    "dot": (["x_3", "x_4", "x_1", "x_2"], ["x_{3}", "x_{4}", "x_{1}", "x_{2}"]),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_printed_formulas(name: str) -> None:
    assert [formula.text for formula in formulas(RULES[name])] == GOLDEN[name][0]
    assert [formula.latex for formula in formulas(RULES[name])] == GOLDEN[name][1]


def test_rules_with_a_parameter_print_it() -> None:
    assert formulas(rules.power_of(3))[0].text == "3*x**2"
    assert formulas(rules.power_of(2.0))[0].text == "2*x"
    assert formulas(rules.power_of(-1))[0].text == "-x**-2"
    assert formulas(rules.leaky_relu(0.2))[0].text == "1 if x > 0 else 0.2"
    assert formulas(rules.softmax_cross_entropy(0), "ab", "loss")[1].text == "exp(b - a - loss)"


def test_users_names_take_the_place_of_the_rules() -> None:
    assert formulas(rules.TANH, ["d"], out="e")[0].text == "1 - e**2"
    assert formulas(rules.MUL, ["a", "a"])[0] == ("a", y, "a", "a")
    assert formulas(rules.SUB._replace(partials=(lambda x, y, out: x - y,) * 2), ["a", "a"])[0].text == "0"
    assert text(Symbol("w1 + b") * Symbol("2.5")) == "(w1 + b)*2.5"
    assert text(exp(Symbol("w1 + b"))) == "exp(w1 + b)"
    assert text(Symbol("-3") ** 2) == "(-3)**2"
    assert text(Symbol("#4") ** 2) == "#4**2"
    assert latex(Symbol("theta_12") + Symbol("50% {of} $_x")) == (
        r"\mathrm{theta}_{12} + \left(\text{50\% \{of\} \$\_x}\right)"
    )


@pytest.mark.parametrize(
    ("label", "written"),
    [("w[0]", "2*w[0]"), ("W1[0, 12]", "2*W1[0, 12]"), ("layers.0.b[i][j]", "2*layers.0.b[i][j]"), ("a b", "2*(a b)"),
     ("a + b[0]", "2*(a + b[0])"), ("[0]", "2*([0])"), ("a[", "2*(a[)"), ("a[0](b)", "2*(a[0](b))")],
)  # fmt: skip
def test_an_entry_needs_no_parentheses(label: str, written: str) -> None:
    assert text(2 * Symbol(label)) == written


def test_a_wrong_number_of_names_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"\* takes 2 operands, got 3 names: a, b, c"):
        formulas(rules.MUL, "abc")
    with pytest.raises(ValueError, match=r"exp takes 1 operand, got 2 names: a, b"):
        formulas(rules.EXP, "ab")


def test_names_are_replaced_all_at_once() -> None:
    assert substitute(x - y, {"x": y, "y": x}) is y - x
    assert substitute(where(x > 0, 2 * exp(x), 1), {"x": y + out, "out": x}) is where(y + out > 0, 2 * exp(y + out), 1)


def test_a_rule_applied_to_operands_is_written_as_one_would() -> None:
    applied = {"+": x + y, "/": x / y, "**": x**y, "tanh": Symbol.tanh(x), "neg": -x, "atan2": Symbol.atan2(x, y)}
    for name, written in applied.items():
        assert expression(RULES[name], written.operands) is written
    assert expression(rules.power_of(3), [x]) is x**3
    assert text(expression(rules.leaky_relu(0.2), [x])) == "leaky_relu(x, 0.2)"
    for unwritten in (RULES["sum"], RULES["dot"], rules.softmax_cross_entropy(1), rules.chosen(True)):
        assert expression(unwritten, [x, y]) is None
    assert expression(Rule("+", lambda x: x, (lambda x, out: 1,)), [x]) is None
    assert expression(Rule("scaled", lambda x: x, (lambda x, out: 1,), parameters=("kelvin",)), [x]) is None


def test_a_rule_of_your_own_is_read() -> None:
    twice = helper("twice", lambda x: 2 * x)
    rule = Rule("cube", lambda base: base**3, (lambda base, out: 3 * base**2 + 0 * twice(base),))
    assert formulas(rule)[0][::2] == ("base", "3*base**2 + 0*twice(base)")
    branch = Rule("bad", abs, (lambda x, out: 1 if x > 0 else -1,))
    with pytest.raises(TypeError, match=r"may not branch in Python.*where") as caught:
        read(branch)
    assert "'bad'" in caught.value.__notes__[0]
    with pytest.raises(ValueError, match="gave 1 local derivatives for 4 operands"):
        read(Rule("few", sum, lambda xs, out: [1]))


# ---- the expression ------------------------------------------------------------------------------------------------


def test_equal_expressions_are_one_object() -> None:
    assert exp(x * y) + 1 is exp(x * y) + 1
    assert x + y is not y + x
    assert x * 2 is not x * 2.0
    assert x + 0.0 is not x + -0.0
    assert Symbol(x) is x
    assert x == x
    assert (x == y) is False


def test_symbols_are_freed_with_their_last_use() -> None:
    while gc.collect():  # what earlier tests have left, in as many rounds as that takes
        pass
    before = len(EVERY)
    kept = exp(Symbol("fleeting")) * 3
    assert len(EVERY) > before
    del kept
    assert len(EVERY) == before
    assert gc.collect() == 0


def test_copies_are_the_same_object() -> None:
    formula = where(x > 0, exp(x), -1.5)
    assert copy.deepcopy(formula) is formula
    assert pickle.loads(pickle.dumps(formula)) is formula


@pytest.mark.parametrize(
    "branch", [lambda: bool(x), lambda: not x, lambda: max(x, y), lambda: x > 0 and y, lambda: 0 < x < 1]
)
def test_branching_says_to_use_where(branch) -> None:
    with pytest.raises(TypeError, match=r"may not branch in Python.*autograd\.where"):
        branch()


@pytest.mark.parametrize("cut", [math.exp, float, int, complex, math.sqrt, range])
def test_turning_an_operand_into_a_number_says_to_use_autograds_functions(cut) -> None:
    with pytest.raises(TypeError, match=r"autograd\.exp"):
        cut(x)


@pytest.mark.parametrize("other", ["a", None, [1.0], object(), autograd.Value(1.0)])
def test_only_numbers_meet_symbols(other: object) -> None:
    with pytest.raises(TypeError):
        x + other
    if not isinstance(other, str):
        with pytest.raises(TypeError, match=r"a name .* or a number"):
            Symbol(other)


def test_a_missing_attribute_is_no_helper() -> None:
    assert not hasattr(Symbol, "detach")
    assert not hasattr(x, "data")
    assert not hasattr(Symbol, "_repr_html_")


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (x * 1, "x"),
        (1 * x + 0, "x"),
        (0 - x, "-x"),
        (-Symbol.__neg__(x), "x"),
        (x - (-y), "x + y"),
        (x + -2, "x - 2"),
        (-1 * x, "-x"),
        (x**1, "x"),
        ((x + y) - (x - y), "x + y - (x - y)"),
        (x / (y * 2), "x/(y*2)"),
        ((x / y) * 2, "x/y*2"),
        (x * (y / 2), "x*(y/2)"),
        ((-x) ** 2, "(-x)**2"),
        (-(x**2), "-x**2"),
        (y / x / x, "y/x**2"),
        ((x**y) ** 2, "(x**y)**2"),
        (x ** (y**2), "x**y**2"),
        (2 ** (-x), "2**(-x)"),
        ((x > 0) & (y <= 1), "(x > 0) & (y <= 1)"),
        (2 * where(x > 0, x, where(y > 0, 1, 2)), "2*(x if x > 0 else 1 if y > 0 else 2)"),
        (where(x > 0, sqrt(x), where(x >= 0, math.inf, math.nan)), "sqrt(x)"),
        (where(x > 0, math.nan, y), "y"),
        (abs(x) * sign(x) / maximum(x, 1.5), "abs(x)*sign(x)/maximum(x, 1.5)"),
        (x * Symbol.pi + 1e-5, "x*pi + 1e-05"),
    ],
    ids=str,
)
def test_printing_is_short_and_means_the_same(formula: Symbol, expected: str) -> None:
    assert text(formula) == expected


LEAVES = st.sampled_from([x, y, Symbol(2), Symbol(0.5), Symbol(-3), Symbol(1), Symbol(0)])
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from("+-*/"), inner, inner).map(lambda t: eval(f"a {t[0]} b", {"a": t[1], "b": t[2]})),
        inner.map(lambda a: -a),
        inner.map(lambda a: abs(a) ** 2),
        st.tuples(inner, inner, inner).map(lambda t: where(t[0] > t[1], t[1], t[2])),
    ),
    max_leaves=12,
)


@given(EXPRESSIONS)
def test_text_means_the_expression(formula: Symbol) -> None:
    """Parentheses are never missing: the text, read as Python, is the same number."""
    names = {"x": 1.7, "y": -0.6}
    apply = {"": lambda: None, "neg": lambda a: -a, "abs": abs, "where": lambda c, a, b: a if c else b}

    def compute(part: Symbol, operands: list[float]) -> float:
        if not operands:
            return names.get(part.content, part.content)
        if part.operation in apply:
            return apply[part.operation](*operands)
        return eval(f"a {part.operation} b", {"a": operands[0], "b": operands[1]})

    try:
        expected = fold(formula, compute)
    except ZeroDivisionError:
        return
    assert eval(text(formula), names) == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert simplify(simplify(formula)) is simplify(formula)
    assert_balanced(latex(formula))


@given(st.text(max_size=30))
def test_any_label_prints(label: str) -> None:
    assert label in text(2 * Symbol(label))
    assert_balanced(latex(2 * Symbol(label)))


def test_depth_and_shared_parts_cost_nothing() -> None:
    deep = x
    for _ in range(30_000):
        deep = deep + y
    assert "…" in text(deep)
    doubled = x
    for _ in range(200):
        doubled = doubled * (doubled + 1)
    assert "…" in text(doubled)
    assert r"\ldots" in latex(doubled)


# ---- the table, and the cost of importing it -----------------------------------------------------------------------


def test_the_table_has_every_operation() -> None:
    lines = operations_table().splitlines()
    assert len(lines) == 2 + len(RULES) + len(MAKERS) == 2 + 47
    assert len({line.count("|") for line in lines}) == 1
    assert "| `tanh` | `tanh(x)` | `1 - out**2` | `-3 < x < 3` |" in lines
    assert "| `/` | `x/y` | `1/y; -out/y` | `-3 < x < 3; 0.5 < y < 3` |" in lines
    assert any(line.startswith('| `gelu_tanh` | `gelu(x, approximate="tanh")` |') for line in lines)
    assert any(line.startswith("| `dot` | `dot(xs, ys)` | `y_1; y_2; x_1; x_2` |") for line in lines)
    printed = subprocess.run([sys.executable, "-m", "autograd.reference"], capture_output=True, text=True, check=True)
    assert printed.stdout == operations_table()


def test_symbols_import_nothing_heavy() -> None:
    heavy = {"dataclasses", "inspect", "numbers", "numpy", "graphviz"}
    script = f"import sys, autograd.symbols; print(*{heavy} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_engine_imports_no_symbols() -> None:
    unused = {"autograd.symbols", "autograd.drawing", "autograd.expression", "weakref", "difflib"}
    script = f"import sys; before = {{*sys.modules}}; import autograd; print(*{unused} & ({{*sys.modules}} - before))"
    done = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


# ---- numbers and operands that are more than they seem --------------------------------------------------------------


class Mode(enum.IntEnum):
    A = 2


class Whole(int):
    def __repr__(self) -> str:
        return "(document.title='changed',3)"

    def __int__(self) -> int:
        return 7  # which no arithmetic asks for

    __str__ = __repr__


class Real(float):
    __repr__ = __str__ = Whole.__repr__  # type: ignore[assignment]


class Imaginary(complex):
    __repr__ = __str__ = Whole.__repr__  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("number", "written"),
    [(Mode.A, "2"), (Whole(3), "3"), (Real(0.5), "0.5"), (Imaginary(2j), "2j"), (True, "1"), (np.float64(0.5), "0.5")],
)
def test_a_number_is_printed_as_what_it_counts_for(number: complex, written: str) -> None:
    formula = x + number
    assert (text(formula), latex(formula)) == (f"x + {written}", f"x + {written}")
    assert type(formula.operands[1].content) in (int, float, complex)
    if written != "2j":
        assert javascript([formula], {"x": "x"}).results == (f"x + {written}",)


@pytest.mark.parametrize(
    "forward", [lambda x: {2.0: 5.0}.get(x, 0.0) + x, lambda x: x in {2.0} or x, functools.cache(lambda x: x + 1)]
)
def test_a_rule_may_not_look_an_operand_up(forward) -> None:
    """With numbers it would find what is there, with Symbols never: sliders would show another function."""
    with pytest.raises(TypeError, match=r"'looked': forward cannot be read .*dict or a set.*autograd\.where"):
        autograd.operation(Rule("looked", forward, (lambda x, out: 1,)))
