"""Every operation as a function of Values, plain numbers and arrays: `exp(x)`, `maximum(x, y)`, `logsumexp(xs)`.

A Value among the operands makes a Value. Plain numbers give a plain number, computed as CONVENTIONS has it (`log(0)` is
-inf). Object arrays of Values are taken element by element, and so are arrays of numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from . import numeric, rules
from .branches import Comparison
from .engine import Value, constant, describe, record
from .numeric import is_number, plain
from .rules import Rule


def apply(rule: Rule, operands: tuple[Any, ...]) -> Any:
    """Record the rule if a Value is among the operands; compute it with whatever numbers they are if not."""
    for x in operands:
        if isinstance(x, Value):
            return record(rule, tuple([y if isinstance(y, Value) else constant(y, x) for y in operands]))
    return rule.forward(*[plain(x) for x in operands])


def elementwise(function: Callable[..., Any], operands: tuple[Any, ...]) -> Any:
    """Apply a function to each element of arrays broadcast together; None unless there are Values in or beside them."""
    arrays = [x for x in operands if hasattr(x, "__array_namespace__") and hasattr(x, "__len__")]  # not NumPy's scalars
    if not arrays or not any(
        isinstance(x, (Value, Comparison)) or (hasattr(x, "dtype") and x.dtype == object) for x in operands
    ):
        return None
    numpy = arrays[0].__array_namespace__()
    with numpy.errstate(all="ignore"):
        return numpy.frompyfunc(function, len(operands), 1)(*operands)


def function(rule: Rule) -> Callable[..., Any]:
    """The function of a rule: `exp(x)`, `maximum(x, y)`; of an n-ary rule `sum(xs)`, of one sequence."""

    def operation(*operands: Any) -> Any:
        if rule.arity is None:
            (xs,) = operands
            return apply(rule, tuple(xs))
        if len(operands) != rule.arity:
            raise TypeError(f"{rule.name} takes {rule.arity} operand{'s' * (rule.arity > 1)}, got {len(operands)}")
        found = elementwise(operation, operands)
        return apply(rule, operands) if found is None else found

    operation.__name__ = operation.__qualname__ = rule.name
    operation.__doc__ = describe(rule)
    operation.rule = rule  # type: ignore[attr-defined]
    return operation


def operation(rule: Rule) -> Callable[..., Any]:
    """A rule of your own as an operation, which works everywhere a built-in one does.

    >>> cube = operation(Rule("cube", lambda x: x**3, (lambda x, out: 3 * x**2,)))
    >>> cube(Value(2.0)).data
    8.0

    It is checked by reading it with Symbols. Raises TypeError if the number of partials is not the number of operands, if
    a partial does not take `(*operands, out)`, if forward or a partial branches in Python on an operand or looks it up in a
    dict (use `autograd.where`), or if it calls the math module on one (use autograd's own functions).
    """
    check(rule)
    made = function(rule)
    made.__module__ = rule.forward.__module__  # where pickle looks for it
    return made


def check(rule: Rule) -> None:
    """Read a user's rule with Symbols: raise TypeError, naming the rule and the mistake, if it cannot be."""
    from inspect import Parameter, signature

    from .symbols import Symbol

    if not isinstance(rule, Rule):
        raise TypeError(f"operation takes a Rule(name, forward, partials), got {rule!r:.80}")
    count = rule.arity
    try:
        kinds = [p.kind for p in signature(rule.forward).parameters.values() if p.default is p.empty]
    except ValueError:  # some functions written in C do not tell
        kinds = [Parameter.POSITIONAL_ONLY if count else Parameter.VAR_POSITIONAL] * (count or 1)
    if count is None and Parameter.VAR_POSITIONAL not in kinds:
        raise TypeError(
            f"rule {rule.name!r}: the partials are one function, which is for a rule of any number of operands, "
            f"`lambda *xs: ...`; with one operand give a tuple of one partial, with its comma: (partial,)"
        )
    if count is not None and len(kinds) != count:
        raise TypeError(
            f"rule {rule.name!r}: forward takes {len(kinds)} operand{'s' * (len(kinds) != 1)}, but there "
            f"{'is 1 partial' if count == 1 else f'are {count} partials'}; give one partial per operand"
        )
    operands, out = tuple([Symbol(f"x{i + 1}") for i in range(count or 3)]), Symbol("out")
    readings: list[tuple[str, Callable[..., Any], tuple[Any, ...]]] = [("forward", rule.forward, operands)]
    if callable(rule.partials):
        readings.append(("the callable of slopes", rule.partials, (operands, out)))
    else:
        readings += [(f"partial {i + 1}", p, (*operands, out)) for i, p in enumerate(rule.partials)]
    for what, read, arguments in readings:
        try:
            signature(read).bind(*arguments)
        except TypeError as error:
            takes = "(operands, out)" if callable(rule.partials) else "(*operands, out)"
            raise TypeError(f"rule {rule.name!r}: {what} should take {takes}: {error}") from None
        except ValueError:
            pass
        try:
            found = read(*arguments)
        except TypeError as error:
            raise TypeError(f"rule {rule.name!r}: {what} cannot be read with Symbols: {error}") from error
        results = list(found) if what == "the callable of slopes" and hasattr(found, "__iter__") else [found]
        for result in results:
            if not isinstance(result, Symbol) and not is_number(result):
                raise TypeError(
                    f"rule {rule.name!r}: {what} gave {result!r}, which is no number; does it return its result?"
                )
        if what == "the callable of slopes" and len(results) != len(operands):
            raise TypeError(f"rule {rule.name!r}: {what} gave {len(results)} slopes for {len(operands)} operands")


# ---- one line per operation ----------------------------------------------------------------------------------------

add = function(rules.ADD)
sub = function(rules.SUB)
mul = function(rules.MUL)
truediv = function(rules.DIV)
neg = function(rules.NEG)
abs = function(rules.ABS)
sqrt = function(rules.SQRT)
cbrt = function(rules.CBRT)
exp = function(rules.EXP)
expm1 = function(rules.EXPM1)
log = function(rules.LOG)
log1p = function(rules.LOG1P)
log2 = function(rules.LOG2)
log10 = function(rules.LOG10)
sin = function(rules.SIN)
cos = function(rules.COS)
tan = function(rules.TAN)
asin = function(rules.ASIN)
acos = function(rules.ACOS)
atan = function(rules.ATAN)
sinh = function(rules.SINH)
cosh = function(rules.COSH)
tanh = function(rules.TANH)
sigmoid = function(rules.SIGMOID)
logsigmoid = function(rules.LOGSIGMOID)
relu = function(rules.RELU)
softplus = function(rules.SOFTPLUS)
silu = function(rules.SILU)
erf = function(rules.ERF)
normal_cdf = function(rules.NORMAL_CDF)
minimum = function(rules.MINIMUM)
maximum = function(rules.MAXIMUM)
hypot = function(rules.HYPOT)
atan2 = function(rules.ATAN2)


def pow(x: Any, y: Any) -> Any:
    """x**y; of a Value and a plain exponent `y` the operation `**y`, whose only operand is x."""
    found = elementwise(pow, (x, y))
    if found is not None:
        return found
    return x**y if isinstance(x, Value) else apply(rules.POW, (x, y))


def leaky_relu(x: Any, slope: Any = 0.01) -> Any:
    """x where x > 0, else slope * x."""
    return function(rules.leaky_relu(slope))(x)


def elu(x: Any, alpha: Any = 1.0) -> Any:
    """x where x > 0, else alpha * (exp(x) - 1)."""
    return function(rules.elu(alpha))(x)


def gelu(x: Any, approximate: str = "none") -> Any:
    """x * normal_cdf(x), or with approximate="tanh" its approximation; another word raises ValueError."""
    return function(rules.gelu(approximate))(x)


def where(condition: Any, x: Any, y: Any) -> Any:
    """x if the condition holds, else y: a node with both as parents, whose gradient goes to the chosen one only.

    The condition is a bool, as `v > 0` is, or an array of them. Within `autograd.record()` the comparison itself is the
    condition: its two sides are parents, too, and the choice is made again wherever the node is computed again. Raises
    TypeError for a Value, a number or a list.
    """
    kind = type(condition).__name__
    if kind in ("bool", "bool_"):  # Python's, NumPy's
        found = elementwise(lambda x, y: where(condition, x, y), (x, y))
        return apply(rules.chosen(bool(condition)), (x, y)) if found is None else found
    array = hasattr(condition, "__array_namespace__") and hasattr(condition, "__len__")
    if isinstance(condition, Value) or not (
        array or hasattr(type(condition), "where") or numeric.home(condition) == "sympy"
    ):
        raise TypeError(f"where takes a bool as its condition, got {condition!r}; compare it, as in where(v > 0, x, y)")
    found = elementwise(where, (condition, x, y))
    return numeric.where(condition, x, y) if found is None else found


def operands_of(name: str, xs: Iterable[Any]) -> tuple[Any, ...]:
    """The operands of an n-ary operation, an array's flattened; a TypeError if xs is not a sequence."""
    try:
        return tuple(xs.ravel() if hasattr(xs, "ravel") else xs)
    except TypeError:
        raise TypeError(
            f"{name} takes a sequence of Values and numbers, got {xs!r:.80} ({type(xs).__name__})"
        ) from None


def sum(xs: Iterable[Any]) -> Any:
    """The sum of many as a single node; 0.0 of none. Floats are added exactly and rounded once."""
    operands = operands_of("sum", xs)
    return apply(rules.SUM, operands) if operands else 0.0


def prod(xs: Iterable[Any]) -> Any:
    """The product of many as a single node; 1.0 of none."""
    operands = operands_of("prod", xs)
    return apply(rules.PROD, operands) if operands else 1.0


def dot(xs: Iterable[Any], ys: Iterable[Any]) -> Any:
    """The sum of the products x * y as a single node; 0.0 of none. Raises ValueError if the lengths differ."""
    left, right = operands_of("dot", xs), operands_of("dot", ys)
    if len(left) != len(right):
        raise ValueError(f"dot takes two sequences of one length, got {len(left)} and {len(right)}")
    return apply(rules.DOT, left + right) if left else 0.0


def logsumexp(xs: Iterable[Any]) -> Any:
    """log(sum(exp(x))) as a single node, without overflow. Raises ValueError of none."""
    operands = operands_of("logsumexp", xs)
    if not operands:
        raise ValueError("logsumexp takes at least one number, got none")
    return apply(rules.LOGSUMEXP, operands)


def softmax_cross_entropy(scores: Iterable[Any], target: int) -> Any:
    """-log of the softmax probability of the class `target`: logsumexp(scores) - scores[target], as a single node.

    Raises TypeError if target is no integer, ValueError if it is not in 0 .. len(scores) - 1.
    """
    operands = operands_of("softmax_cross_entropy", scores)
    if isinstance(target, (bool, float)) or not hasattr(target, "__index__"):
        raise TypeError(f"the target is the index of the right class, an int; got {target!r} ({type(target).__name__})")
    if not 0 <= target < len(operands):
        raise ValueError(f"the target is the index of one of the {len(operands)} scores, got {target}")
    return apply(rules.softmax_cross_entropy(target.__index__()), operands)


for name, made in list(globals().items()):  # each is called as it is bound, so that pickle finds it
    if hasattr(made, "rule"):
        made.__name__ = made.__qualname__ = name
