"""Claims and functions given as text: what they compute is what Python computes, and nothing else can be run.

References are Python's own exec and eval of the same text, and SymPy's derivatives.
"""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd
from autograd import Value, check_derivation
from autograd.derivations.formula import Code
from autograd.expression import ExpressionError, public_operations

draw = np.random.default_rng(0)
NAMES: dict[str, Any] = {
    "X": draw.normal(size=(4, 3)), "W": draw.normal(size=(3, 2)), "b": draw.normal(size=2), "v": draw.uniform(0.1, 1, size=4),
    "y": np.array([1, 0, 1, 1]), "r": 0.3, "n": 3,
}  # fmt: skip

EXPRESSIONS = [
    "X @ W + b",
    "X @ W + b[np.newaxis, :]",
    "np.maximum(0, X)",
    "np.exp(X @ W)",
    "np.sum(X, axis=0)",
    "X.sum(axis=1)",
    "np.sum(X, axis=1, keepdims=True)",
    "np.amax(X, axis = 1, keepdims = True)",
    "np.mean(X)",
    "X.mean(axis=0)",
    "X.T @ X",
    "np.square(X).sum()",
    "(np.square(W)).sum() * r",
    "X[np.arange(X.shape[0]), y]",
    "X[y, :]",
    "X[:, 1:]",
    "X[::-1, -1]",
    "X[..., 0]",
    "X[None].shape[0]",
    "(X > 0) * X",
    "(X > 0).astype(float)",
    "np.where(X > 0, X, 0.1 * X)",
    "v ** 2",
    "v ** -r",
    "-X + 2",
    "+X",
    "X / v[:, None]",
    "X[0] / 2 // 1",
    "n % 2",
    "2 ** n",
    "2.0 ** -n",
    "n ** n",
    "1 / n",
    "np.outer(v, b)",
    "np.dot(X, W)",
    "X.dot(W)",
    "np.einsum('ij,jk->ik', X, W)",
    "np.tile(b, (2, 1))",
    "np.eye(3) @ W",
    "np.zeros((2, 3)).shape",
    "np.zeros_like(X)",
    "np.ones(3)",
    "np.ones_like(W) * 2",
    "np.full((2, 2), 7.0)",
    "np.concatenate([b, b])",
    "np.stack([b, b], axis=1)",
    "X.reshape(2, 6)",
    "np.reshape(X, (6, 2))",
    "X.ravel()",
    "X.transpose()",
    "np.transpose(X)",
    "len(X)",
    "float(n)",
    "int(2.5)",
    "X.shape",
    "X.ndim + X.size",
    "np.linspace(0, 1, 5)",
    "np.log(v)",
    "np.sqrt(v)",
    "np.tanh(X)",
    "np.abs(X)",
    "np.arctan(X)",
    "np.log1p(v)",
    "np.power(v, 3)",
    "np.pi * np.e",
    "np.clip(X, -0.5, 0.5)",
    "np.cumsum(v)",
    "np.diag(b)",
    "np.trace(X @ X.T)",
    "X.max()",
    "X.min(axis=0)",
    "np.prod(b)",
    "np.argmax(X, axis=1)",
    "(X > 0) & (X < 1)",
    "(X > 0) | (X < -1)",
    "~(X > 0)",
    "y == 1",
    "(y != 1) * 1.0",
    "X >= 0",
    "X <= 0",
    "np.repeat(v, 2)",
    "np.expand_dims(b, 0)",
    "np.squeeze(X[:1])",
    "np.add(X, 1)",
    "np.float64(3.0) * r",
    "X.copy()",
    "np.tril(X @ X.T)",
    "np.array([[1, r], [n, 2]])",
    "[1, 2][0] * r",
    "np.inf > n",
    "X.std()",
    "np.var(X, axis=0)",
    "X.any()",
]


def same(ours: Any, theirs: Any) -> None:
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours.astype(float), theirs.astype(float), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("text", [text for text in EXPRESSIONS if text != "np.float64(3.0) * r"])
def test_expression_is_pythons(text: str) -> None:
    same(Code(text).run(NAMES)[0], eval(text, {"np": np}, dict(NAMES)))


@pytest.mark.parametrize(
    "name", [name for name in public_operations() if name not in ("where", "leaky_relu", "elu", "gelu")]
)
def test_every_operation_is_known(name: str) -> None:
    """By its name alone, on numbers, arrays of floats, and Values."""
    rule = getattr(getattr(autograd, name), "rule", None)
    many = name in ("sum", "prod", "dot", "logsumexp", "softmax_cross_entropy")
    if many:
        text = {"dot": "dot([a, 0.5], [0.25, a])", "softmax_cross_entropy": "softmax_cross_entropy([a, 0.5], 1)"}.get(
            name, f"{name}([a, 0.5])"
        )
    else:
        text = f"{name}(a, 0.5)" if name == "pow" or (rule and rule.arity == 2) else f"{name}(a)"
    expected = eval(text, {**public_operations(), "a": Value(0.25)}).data
    assert Code(text).run({"a": 0.25})[0] == pytest.approx(expected, rel=1e-15)
    assert Code(text).run({"a": Value(0.25)}, values=True)[0].data == pytest.approx(expected, rel=1e-15)
    if not many:
        same(Code(text).run({"a": np.array([0.25, 0.25])})[0], [expected, expected])


def test_operations_with_parameters() -> None:
    same(Code("leaky_relu(x, slope=0.2)").run({"x": np.array([-1.0, 2.0])})[0], [-0.2, 2.0])
    same(Code("elu(x, alpha=2.0)").run({"x": 1.5})[0], 1.5)
    assert Code("gelu(x, approximate='tanh')").run({"x": 1.0})[0] == autograd.gelu(1.0, approximate="tanh")
    assert Code("where(x > 0, x, 0)").run({"x": -1.0})[0] == 0
    assert Code("x.tanh()").run({"x": 0.5})[0] == np.tanh(0.5)


def test_many_operands_along_an_axis() -> None:
    X = NAMES["X"]
    rows = np.log(np.exp(X).sum(axis=1))
    same(Code("logsumexp(X, axis=1)").run(NAMES)[0], rows)
    same(Code("logsumexp(X, axis=1, keepdims=True)").run(NAMES)[0], rows[:, None])
    same(Code("logsumexp(X)").run(NAMES)[0], np.log(np.exp(X).sum()))
    same(Code("logsumexp(r, n)").run(NAMES)[0], np.log(np.exp(0.3) + np.exp(3)))
    same(Code("sum(r, n, 1)").run(NAMES)[0], 4.3)
    same(Code("max(0, X)").run(NAMES)[0], np.maximum(0, X))
    same(Code("min(X)").run(NAMES)[0], X.min())


LINES = [
    """
    p = np.exp(X)
    q = p
    p -= 1
    out = q
    """,
    """
    # a comment
    n = X.shape[0]
    h = np.maximum(0, X @ W)   # another
    h -= 1
    out = h.sum() / n
    """,
    """
    p = np.exp(X); p /= p.sum(axis=1, keepdims=True)
    q = p
    p[np.arange(4), y] -= 1
    out = q.sum(axis=0)
    """,
    """
    a, b2 = v[:2]
    c = d = a * b2
    d += 1
    out = np.array([a, b2, c, d])
    """,
    """
    z = np.zeros((2, 2))
    z[0] = 1
    z[1, 1] = r
    z[:, 0] *= 2
    out = z
    """,
    """
    g = {}
    g["W"] = X.T @ X
    g["W"] += 2
    out = g["W"]
    """,
    """
    k = 2
    k **= 3
    k -= 1
    k /= 2
    k *= 3
    out = k
    """,
]


@pytest.mark.parametrize("text", LINES)
def test_lines_are_pythons(text: str) -> None:
    """Assignments, and what changes an array in place, also under another name."""
    ours, theirs = ({name: np.array(x) for name, x in NAMES.items()} for _ in range(2))
    names = Code(text).run(ours)[1]
    exec(textwrap.dedent(text), {"np": np}, theirs)
    same(names["out"], theirs["out"])
    for name, x in NAMES.items():
        same(ours[name], x)


def test_the_result_is_that_of_the_last_line() -> None:
    assert Code("a = 2\na + 1").run({})[0] == 3
    assert Code("a = 2; b = a*5").run({})[0] == 10
    assert Code("a = 2\na *= 4").run({})[0] == 8
    assert Code("pi + e").run({"e": 1.0})[0] == np.pi + 1  # what is given hides a constant


def test_values_can_be_put_into_arrays_that_f_makes() -> None:
    for made in ("np.zeros(3)", "np.ones(3)", "np.zeros_like(x)", "np.empty(3)"):
        code = Code(f"s = {made}\ns[1] = x[0]*x[1]\ns[0] = 1\ns[2] = 2\nnp.sum(s)")
        x = np.array([Value(2.0), Value(3.0), Value(4.0)])
        assert code.run({"x": x}, values=True)[0].data == 9.0


def test_what_is_written_is_known() -> None:
    code = Code("h = X @ W\nh = h + 1\ndW, db = 1, 2\ngrads['b1'] = 3\nz[0] = 1\ndW += 2", "it")
    assert code.assigned == ["h", "dW", "db"] and code.gradients == ["b1"] and code.changed == {"h", "z", "dW"}
    assert not code.formula and Code("x").formula and code.numbers() == {0, 1, 2, 3}


# ---- what is not allowed -------------------------------------------------------------------------------------------

FORBIDDEN = [
    ("__import__('os').system('true')", "no function is called __import__"),
    ("().__class__", ".__class__"),
    ("X.__class__", ".__class__"),
    ("X.data", ".data"),
    ("X.tofile('a')", ".tofile"),
    ("X.dump('a')", ".dump"),
    ("X.base", ".base"),
    ("X.setflags(write=True)", ".setflags"),
    ("np.load('a')", "np.load"),
    ("np.lib", "np.lib"),
    ("np.ctypeslib.os.system('true')", ".os"),
    ("np.frompyfunc(f, 1, 1)", "np.frompyfunc"),
    ("np.core", "np.core"),
    ("np.random.normal()", ".normal"),
    ("open('a')", "open"),
    ("eval('1')", "eval"),
    ("exec('1')", "exec"),
    ("getattr(X, 'T')", "getattr"),
    ("lambda: 1", "a lambda"),
    ("[x for x in X]", "a loop"),
    ("(x for x in X)", "a loop"),
    ("for x in X: pass", "a loop"),
    ("while 1: pass", "a loop"),
    ("def f(): pass", "def"),
    ("return X", "return"),
    ("import os", "an import"),
    ("from os import path", "an import"),
    ("class A: pass", "ClassDef"),
    ("del X", "Delete"),
    ("global X", "Global"),
    ("with X: pass", "With"),
    ("if X: pass", "if"),
    ("X if r else W", "if ... else"),
    ("r and n", "and, or"),
    ("0 < r < 1", "a chain of comparisons"),
    ("'text'", "'text'"),
    ("b'text'", "b'text'"),
    ("f'{X}'", "a string"),
    ("1j", "1j"),
    ("X ^ 2", "^"),
    ("n << 5", "LShift"),
    ("(a := 2)", "NamedExpr"),
    ("X is W", "chain"),
    ("X.T.T.shape.index(3)", ".index"),
    ("X.a = 2", "an assignment to X.a"),
    ("{1: 2}", "a dict"),
    ("{1, 2}", "Set"),
    ("np.sum(X, out=W)", "out="),
    ("np.sum(*X)", "Starred"),
    ("np.sum(**X)", "two stars"),
    ("yield X", "Yield"),
    ("X.astype('O')", "'O'"),
    ("np.array(X, dtype='O')", "O"),
    ("assert X", "Assert"),
    ("a: int", "AnnAssign"),
]


@pytest.mark.parametrize(("text", "named"), FORBIDDEN)
def test_forbidden(text: str, named: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        Code(text).run(NAMES)
    assert named in str(caught.value)


TOO_LARGE = [
    "np.zeros((100000, 100000))",
    "np.ones(10**9)",
    "np.eye(10**5)",
    "np.arange(10**9)",
    "np.arange(0, 1, 1e-12)",
    "np.tile(X, (10**5, 10**5))",
    "np.repeat(X, 10**9)",
    "X.repeat(10**9)",
    "np.full((10**6, 10**6), 1.0)",
    "np.linspace(0, 1, 10**9)",
    "np.broadcast_to(b, (10**9, 2))",
    "np.outer(np.ones(10**5), np.ones(10**5))",
    "np.ones((10**4, 1)) + np.ones(10**4)",
    "np.einsum('i,j->ij', np.ones(10**4), np.ones(10**4))",
    "np.ones((10**4, 1)) @ np.ones((1, 10**4))",
    "range(10**9)",
    "np.diag(np.ones(10**5))",
    "np.identity(10**5)",
    "np.ones((10**4, 1)) < np.ones(10**4)",
]


@pytest.mark.parametrize("text", TOO_LARGE)
def test_no_array_is_huge(text: str) -> None:
    with pytest.raises(ExpressionError, match=r"an array of [\d,]+ numbers; the most is 10,000,000"):
        Code(text).run(NAMES)


def test_no_number_is_endless() -> None:
    for text in ("10**10**10", "9**9**9**9", "a = 99**9\n" + "a = a*a\n" * 60, "a = 2**60\n" + "a *= a\n" * 60):
        assert not np.isfinite(Code(text).run({})[0])
    assert Code("2**-2").run({})[0] == 0.25 and Code("1/0").run({})[0] == np.inf


def test_size_and_depth() -> None:
    with pytest.raises(ExpressionError, match="it has 20,001 characters; the most is 20,000"):
        Code("x" * 20_001)
    with pytest.raises(ExpressionError, match=r"it has 12,003 parts on \d+ levels; the most is 5,000 and 100"):
        Code("x;" * 4001)
    with pytest.raises(ExpressionError, match="levels; the most is 5,000 and 100 levels"):
        Code("-" * 101 + "x")
    for empty in ("", "  \n ", "# nothing"):
        with pytest.raises(ExpressionError, match=r"it is empty|no line that computes"):
            Code(empty)


ERRORS = [  # a text, and what is said of it
    ("X @ V", "V is not known; did you mean v?"),
    ("h1 = 1\nX @ h11", "line 2: h11 is not known; did you mean h1?"),
    ("x @ W", "did you mean X?"),
    ("zzz", "zzz is not known; known are X, W, b, v, y, r, n"),
    ("2X", "a * is missing: write 2*X"),
    ("h = c\nc = 1", "c is used before the line that assigns it"),
    ("X @ (v*2)", "the shapes do not fit (X is 4 x 3, v * 2 is 4 numbers)"),
    ("X + W", "the shapes do not fit (X is 4 x 3, W is 3 x 2)"),
    ("W @ X", "(W is 3 x 2, X is 4 x 3)"),
    ("X[9]", "out of bounds"),
    ("grads['W'] += X", "grads['W'] is read before it is assigned; write grads['W'] = ... first"),
    ("r[0]", "r is a number"),
    ("cosine(X)", "no function is called cosine; did you mean"),
    ("np.sigmoidd(X)", "did you mean sigmoid"),
    ("X(2)", "a * is missing"),
    ("2(X)", "a * is missing"),
    ("np.sum", "write np.sum(...)"),
    ("exp", "exp is a function: write exp(...)"),
    ("X.sum", ".sum is a method: write .sum(...)"),
    ("X +", "invalid syntax"),
    ("(X", "never closed"),
    ("len(X, W)", "one argument"),
    ("b += np.ones((2, 2))", "b is 2 numbers, and += would make it"),
    ("y /= 2", "y holds integers, which /= would make floats"),
    ("a, c = v", "2 names on the left, 4 numbers on the right"),
    ("r[0] = 2", "it has no entries"),
    ("v[7] = 2", "out of bounds"),
    ("X.reshape(5)", "cannot reshape"),
    ("np.sum(X, axis=5)", "axis 5 is out of bounds"),
    ("gelu(X, approximate='x')", "approximate"),
]


@pytest.mark.parametrize(("text", "told"), ERRORS)
def test_errors_of_text(text: str, told: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        Code(text, "the claim").run({name: np.copy(x) if np.ndim(x) else x for name, x in NAMES.items()})
    assert str(caught.value).startswith("the claim") and told in str(caught.value)
    lines = str(caught.value).splitlines()
    if len(lines) == 3:  # the mark stands below a character of the line
        assert lines[2].strip() == "^" and len(lines[2]) <= len(lines[1]) + 1


def test_the_mark_is_below_the_place() -> None:
    with pytest.raises(ExpressionError) as caught:
        Code("a = 1\n  # why\nb = a + unknown*2", "the claim").run({})
    assert str(caught.value).splitlines()[1:] == ["    b = a + unknown*2", "            ^"]


# ---- random formulas -----------------------------------------------------------------------------------------------

x, y, z = sympy.symbols("x y z")
atoms = st.sampled_from([x, y, z, sympy.Integer(2), sympy.Rational(1, 2), sympy.Integer(3)])
UNARY: list[Any] = [
    sympy.exp,
    sympy.sin,
    sympy.cos,
    sympy.tanh,
    sympy.atan,
    lambda a: a**2,
    lambda a: sympy.log(1 + a**2),
    lambda a: -a,
]
BINARY: list[Any] = [lambda a, b: a + b, lambda a, b: a * b, lambda a, b: a - b, lambda a, b: a / (2 + sympy.cos(b))]
expressions = st.recursive(
    atoms,
    lambda parts: st.one_of(
        st.tuples(st.sampled_from(UNARY), parts).map(lambda t: t[0](t[1])),
        st.tuples(st.sampled_from(BINARY), parts, parts).map(lambda t: t[0](t[1], t[2])),
    ),
    max_leaves=6,
)
floats = st.floats(-1.5, 1.5).map(lambda number: round(number, 3))


@settings(max_examples=60, deadline=None)
@given(expressions, st.tuples(floats, floats, floats))
def test_a_formula_and_its_derivative(f: Any, point: tuple[float, float, float]) -> None:
    """SymPy's derivative of a random expression is right; the negative one is not."""
    text, arguments = str(f), dict(zip("xyz", point))
    claims = {str(name): str(sympy.diff(f, name)) for name in (x, y, z)}
    if not f.free_symbols or not np.isfinite(float(f.subs(arguments))) or abs(float(f.subs(arguments))) > 1e6:
        return
    report = check_derivation(text, claims, **arguments)
    assert report.right, report
    wrong = check_derivation(text, {name: f"-({claim})" for name, claim in claims.items()}, **arguments)
    for name in (x, y, z):
        assert (wrong[str(name)].verdict == "right") == (sympy.simplify(sympy.diff(f, name)) == 0)
