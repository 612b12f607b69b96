"""python -m autograd, and the expressions that it reads."""

import ast
import contextlib
import math
import os
import stat
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd
from autograd import Value
from autograd.__main__ import main, report
from autograd.expression import ALIASES, ExpressionError, build, public_operations
from autograd.rules import MAKERS, RULES


def compute(expression: str, **numbers: float) -> float:
    return float(getattr(found := build(expression, {n: Value(x, label=n) for n, x in numbers.items()}), "data", found))


def complaint(expression: str, **numbers: float) -> str:
    with pytest.raises(ExpressionError) as caught:
        compute(expression, **numbers)
    return str(caught.value)


# ---- expressions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("tanh(a*b + c)", math.tanh(2 * -3 + 10)),
        ("-a**2", -4.0),
        ("(a - b)/c - +1", 0.5 - 1),
        ("2**a + a**-1", 4.5),
        ("logsumexp(a, b)", math.log(math.exp(2) + math.exp(-3))),
        ("logsumexp([a, b])", math.log(math.exp(2) + math.exp(-3))),
        ("sum(a, b, c, 1)", 10.0),
        ("dot([a, b], [c, 2])", 14.0),
        ("leaky_relu(b, slope=0.2)", -0.6),
        ("leaky_relu(b, slope=-(1/4))", 0.75),
        ("softmax_cross_entropy(a, b, target=0)", math.log1p(math.exp(-5))),
        ('gelu(b, approximate="tanh")', -0.0036373920817730165),
        ("where(a > b, a, c)", 2.0),
        ("maximum(a, c) + pi*0 + e*0", 10.0),
        ("a/0", math.inf),
        ("2*3", 6.0),
        ("1/0", math.inf),
        ("9**9**9", math.inf),
        (" a ", 2.0),
    ],
)
def test_values(expression: str, expected: float) -> None:
    used = {name: x for name, x in {"a": 2.0, "b": -3.0, "c": 10.0}.items() if name in names_in(expression)}
    assert compute(expression, **used) == pytest.approx(expected, rel=1e-13)


def names_in(expression: str) -> set[str]:
    return {part.id for part in ast.walk(ast.parse(expression.strip())) if isinstance(part, ast.Name)}


def test_a_variable_may_be_called_as_a_constant() -> None:
    assert compute("e", e=3.0) == 3.0
    assert compute("e") == math.e
    assert compute("ﬁ + 1", ﬁ=2.0) == 3.0  # Python reads both names as fi


def test_every_operation_can_be_called() -> None:
    public = public_operations()
    for name in [*RULES, *MAKERS]:
        if name.isidentifier() and name not in ("gelu_tanh", "power_of", "chosen", "decided"):
            assert name.lower() in public
    assert {"pow", "where", "gelu", "sum"} <= public.keys()
    assert "operation" not in public
    assert build("cbrt(a)", {"a": Value(8.0)}).rule is RULES["cbrt"]
    assert build("a**2", {"a": Value(8.0)})._op == "**2"


@pytest.mark.parametrize(
    ("expression", "problem", "column"),
    [
        ("a +* a", "invalid syntax", 3),
        ("a + (a", "'(' was never closed", 4),
        ("a + b", "no value is given for b; add one, as in b=1.5", 4),
        ("a + exp", "exp is an operation: write exp(...)", 4),
        ("tahn(a)", "no operation is called tahn; did you mean tan", 0),
        ("a*qqqq(a)", "no operation is called qqqq; there are abs, acos", 2),
        ("a.real", "an attribute (a dot)", 0),
        ("a + a[0]", "a subscript", 4),
        ("(lambda: a)()", "only operations can be called", 1),
        ("1 + (lambda: a)", "a lambda", 5),
        ("a if a > 0 else 1", "write where(a > 0, b, c)", 0),
        ("a and a", "not allowed here: and, or", 0),
        ("a ^ 2", "^ (a power is written **)", 0),
        ("a % 2", "not allowed here: Mod", 0),
        ("not a", "not allowed here: Not", 0),
        ("a, a", "a comma outside", 0),
        ("{a}", "not allowed here: Set", 0),
        ("[a for a in a]", "not allowed here: ListComp", 0),
        ("f'{a}'", "a string", 0),
        ("a + 'b'", "not allowed here: 'b'", 4),
        ("a + 2j", "not allowed here: 2j", 4),
        ("a + None", "not allowed here: None", 4),
        ("(a := 2)", "an assignment", 1),
        ("1 < a < 2", "a chain of comparisons", 0),
        ("exp(*a)", "a star before an operand", 4),
        ("exp(**a)", "two stars are not allowed", 4),
        ("leaky_relu(a, slope=a)", "slope is a parameter and takes a plain number", 20),
        ("exp(a, a)", "exp: takes 1 operand, got 2", 0),
        ("2a", "a * is missing: write 2*a", 0),
        ("3 + 1.5e2 a", "a * is missing: write 1.5e2*a", 4),
        ("a a", "a * is missing: write a*a", 0),
        ("(a + 1)a", "a * is missing: write (...)*a", 6),
        ("1 + 2(a + 1)", "a * is missing: write 2*(a + 1)", 4),
        ("a(a + 1)", "a * is missing: write a*(a + 1)", 0),
        ("(a + 1)(a - 1)", "a * is missing: write (a + 1)*(a - 1)", 1),
        ("sin a", "parentheses are missing: write sin(a)", 0),
        ("a.tanh()", "a dot is not allowed: write tanh(a)", 0),
        ("np.exp(a)", "a dot is not allowed: write exp(a)", 0),
        ("a.ln()", "a dot is not allowed: write log(a)", 0),
        ("ln(a)", "no operation is called ln; did you mean log?", 0),
        ("arctan(a)", "no operation is called arctan; did you mean atan?", 0),
        ("sqr(a)", "no operation is called sqr; did you mean x**2?", 0),
        ("a == 1", "compared by < <= > >= alone; a variable's value stands behind it all, as in x=1", 0),
        ("y = 2*a", "an expression has no =", 2),
        ("0x1g + a", "invalid hexadecimal literal", 2),
        ("a if a", "expected 'else'", 0),
        ("exp(a, base=2)", "exp: got an unexpected keyword argument 'base'", 0),
        ("dot(a, a)", "lists are written [a, b]", 0),
        ("softmax_cross_entropy(a, a, target=5)", "one of the 2 scores, got 5", 0),
        ("gelu(a, approximate='x')", 'approximate="none" or "tanh"', 0),
        ("a > 1", "not a comparison or a list", 0),
        ("[a]", "not a comparison or a list", 0),
        ("1 + (a > 1)", "expected numbers here", 0),
        ("[a] * 3", "expected numbers here", 0),
        ("exp([a])", "exp", 0),
        ("__import__('os').system(a)", "only operations can be called", 0),
    ],
)
def test_errors_show_the_place(expression: str, problem: str, column: int) -> None:
    message = complaint(expression, a=2.0)
    first, line, caret = message.split("\n")
    assert problem in first
    assert line == f"    {expression}"
    assert caret == " " * (4 + column) + "^"


def test_suggestions_are_operations() -> None:
    public = public_operations()
    for name, meant in ALIASES.items():
        assert name not in public
        assert meant in public or meant == "x**2"


def test_errors_without_a_place() -> None:
    assert "b is given, but it does not occur" in complaint("a", a=1.0, b=2.0)
    assert "is empty" in complaint("   ")
    assert "can be read" in complaint("a\0") or "null" in complaint("a\0")
    assert "can be read" in complaint("\ud800")


def test_the_mark_stands_below_the_character_in_a_long_line_and_behind_wide_ones() -> None:
    _, line, caret = complaint("1 + " * 50 + "$ + " + "1 + " * 50 + "1").split("\n")
    assert line[caret.index("^")] == "$"
    assert len(line) <= 76
    _, line, caret = complaint("é + ü + q", é=1.0, ü=2.0).split("\n")
    assert line[caret.index("^")] == "q"
    _, line, caret = complaint("(é +\n\t ü + q)", é=1.0, ü=2.0).split("\n")
    assert line[caret.index("^")] == "q"


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("a" * 10_001, "10,001 characters; the most is 10,000"),
        ("+".join(["a"] * 400), "400 levels deep, the most is 100; sum"),
        ("sum(" + ",".join(["a"] * 1000) + ")", "1,002 parts; the most is 1,000"),
        ("(" * 4900 + "a" + ")" * 4900, "too many nested parentheses|nested too deeply|deep"),
        ("-" * 9000 + "a", "nested|deep"),
        ("a" + "**a" * 2000, "nested|deep"),
        ("[" * 150 + "]" * 150, "nested|deep"),
        ("1" * 5000, "Exceeds the limit|digits"),
        ("exp(" * 99 + "a" + ")" * 99, ""),
    ],
    ids=range(9),
)
def test_size_and_depth_are_bounded(expression: str, problem: str) -> None:
    if problem:
        message = complaint(expression, a=1.0)
        assert any(words in message for words in problem.split("|")), message
    else:
        assert compute(expression, a=-1.0) == math.inf


WORDS = r"""a b e pi 1 2.5 1e3 0x1f + - * / ** ( ) [ ] , . : = == < > & | ^ ~ @ % // := lambda if else for in and not
exp tanh logsumexp dot where sum gelu slope= target= ' " f' \ # ; { } None True __class__ await"""
TOKENS = st.sampled_from([*WORDS.split(), "\n", "\t", " "])


@settings(max_examples=400)
@given(
    st.one_of(
        st.text(max_size=60), st.lists(TOKENS, max_size=25).map("".join), st.lists(TOKENS, max_size=25).map(" ".join)
    )
)
def test_no_text_raises_anything_else(expression: str) -> None:
    with contextlib.suppress(ExpressionError):
        assert isinstance(build(expression, {"a": Value(0.5)}), (Value, float))


CALLS = st.sampled_from(sorted(public_operations()))
GRAMMATICAL = st.recursive(
    st.sampled_from(["a", "b", "pi", "0", "1", "2.5", "-3", "1e400", "1e-320"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "**", "<", ">="]), inner).map(
            lambda t: f"({' '.join(t)})"
        ),
        st.tuples(CALLS, st.lists(inner, min_size=1, max_size=3)).map(lambda t: f"{t[0]}({', '.join(t[1])})"),
        st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(parts)}]"),
        st.tuples(st.sampled_from(["leaky_relu", "elu", "gelu", "softmax_cross_entropy"]), inner, inner).map(
            lambda t: f"{t[0]}({t[1]}, {'target' if t[0][0] == 's' else 'slope'}={t[2]})"
        ),
    ),
    max_leaves=8,
)


@settings(max_examples=400)
@given(GRAMMATICAL)
def test_whatever_can_be_written_is_computed_or_explained(expression: str) -> None:
    used = {name: Value(0.5, label=name) for name in "ab" if name in names_in(expression)}
    with contextlib.suppress(ExpressionError):
        found = build(expression, used)
        root = found if isinstance(found, Value) else Value(found)
        root.backward()
        assert expression in report(expression, root, used)


# ---- the command line ----------------------------------------------------------------------------------------------


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "autograd", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONIOENCODING": "utf-8"} | environment,
        timeout=60,
    )


def test_value_gradients_and_ledger_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tanh(a*b + c)", "a=2", "b=-3", "c=7"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tanh(a*b + c) = 0.761594156"
    assert lines[2].split() == ["variable", "value", "gradient"]
    assert lines[4].split() == ["a", "2", "−1.259923025"]
    assert lines[5].split() == ["b", "−3", "0.8399486832"]
    assert lines[6].split() == ["c", "7", "0.4199743416"]
    assert lines[8] == "The sweep, from the result back to the variables:"
    assert " ".join(lines[-1].split()) == "* b 0.4200 × a = 2.000 = 0.8399 0.000 → 0.8399"
    assert len(lines) == 17
    assert not any(line != line.rstrip() for line in lines)


def test_it_runs_as_a_module() -> None:
    done = run("-a*b", "a=2", "b=1.5")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("-a*b = −3\n")
    plain = run("-a*b", "a=2", "b=1.5", PYTHONIOENCODING="ascii")
    assert plain.stdout.startswith("-a*b = -3\n")
    assert "0.000 -> " in plain.stdout
    broken = run("a*$", "a=2")
    assert (broken.returncode, broken.stdout) == (2, "")
    assert broken.stderr == "error: invalid syntax\n    a*$\n      ^\n"


def test_expressions_without_variables_and_without_operations(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["2*3"]) == 0
    assert "2*3 = 6\n\nThere is no variable" in capsys.readouterr().out
    assert main(["a", "a=2"]) == 0
    out = capsys.readouterr().out
    assert "sweep" not in out
    assert "Nothing flows: a leaf has no parents" in out
    assert main(["--a", "a=2"]) == 0
    assert capsys.readouterr().out.startswith("--a = 2")
    assert main(["a*1e400", "a=-inf"]) == 0
    assert "= −∞" in capsys.readouterr().out
    a = Value(1.0, label="a")
    assert report("a\n * 1", a, {"a": a}).startswith("a * 1 = 1")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "expected an expression"),
        (["a*2", "a"], "expected NAME=NUMBER, as in a=2, got 'a' (is the expression in quotes?)"),
        (["a*2", "1a=2"], "expected NAME=NUMBER"),
        (["a*2", "if=2"], "expected NAME=NUMBER"),
        (["a*2", "a=two"], "a should be a number, as in a=2.5, got 'two'"),
        (["a*2", "a="], "a should be a number"),
        (["a*2", "a=1", "a=2"], "a is given twice"),
        (["a*2"], "no value is given for a"),
        (["a*2", "a=1", "b=2"], "b is given, but it does not occur"),
        (["a*2", "a=1", "--png"], "unknown option --png"),
        (["--bogus", "a*2", "a=1"], "unknown option --bogus; there are --svg FILE, --quiz N, --seed S and --help"),
        (["--png=y.png", "a*2", "a=1"], "unknown option --png=y.png"),
        (
            ["--svg", "a*2", "a=1"],
            "--svg needs the name of a file before the expression, as in --svg graph.svg; got 'a*2'",
        ),
        (["a=1", "a*2"], "expected an expression first"),
        (["a*2", "a=1", "--svg"], "--svg needs the name of a file"),
        (["a*2", "a=1", "--svg", "/nowhere/at/all.svg"], "cannot write /nowhere/at/all.svg: No such file"),
    ],
)
def test_wrong_requests_end_with_status_2(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert problem in err
    assert "Traceback" not in err


def test_help_names_every_operation(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in public_operations())
    assert max(map(len, out.splitlines())) <= 100


def test_the_examples_in_the_help_run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch) -> None:
    import shlex

    from autograd.__main__ import HELP

    monkeypatch.chdir(tmp_path)
    examples = [line.split("-m autograd ", 1)[1] for line in HELP.splitlines() if line.startswith("    python")]
    assert len(examples) == 3
    for example in examples:
        assert main(shlex.split(example)) == 0, example
    assert (tmp_path / "graph.svg").exists()
    capsys.readouterr()


def test_the_picture_is_written_whole_or_not_at_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    path = tmp_path / "y.svg"
    assert main(["tanh(a*2)", "a=1", f"--svg={path}"]) == 0
    assert f"The picture is in {path}" in capsys.readouterr().out
    assert ET.parse(path).getroot().tag.endswith("svg")
    assert stat.S_IMODE(path.stat().st_mode) & 0o444 == 0o444 & ~umask()
    assert os.listdir(tmp_path) == ["y.svg"]
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    assert main(["exp(a)", "a=1", "--svg", str(path)]) == 2
    assert "No space left" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["y.svg"]
    assert path.read_bytes() == before


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_large_graph_is_drawn(tmp_path: Path) -> None:
    many = "sum(" + ",".join([f"a*{i}" for i in range(1, 240)]) + ")"
    assert main([many, "a=1", "--svg", str(tmp_path / "y.svg")]) == 0
    assert (tmp_path / "y.svg").read_text(encoding="utf-8").count("data-node") == 480


def test_gradients_are_the_engines() -> None:
    a, b = Value(0.3, label="a"), Value(-0.7, label="b")
    root = build("silu(a*b) / (1 + exp(-a)) + atan2(a, b)**2", {"a": a, "b": b})
    x, y = Value(0.3), Value(-0.7)
    expected = autograd.silu(x * y) / (1 + autograd.exp(-x)) + autograd.atan2(x, y) ** 2
    root.backward()
    expected.backward()
    assert (root.data, a.grad, b.grad) == (expected.data, x.grad, y.grad)
