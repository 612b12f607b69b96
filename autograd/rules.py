"""Every operation, once: what it computes and its local derivatives.

A rule is never told what a number is. Read with floats it gives numbers; with Values, a graph that can be differentiated
again; with Symbols, its formula; with arrays, a whole batch. So a rule may not branch in Python on a number, nor use `==`:
it calls the helpers of `autograd.numeric`, and so should a rule of your own.
"""

import operator
from collections.abc import Callable
from functools import lru_cache, reduce, wraps
from math import inf, nan
from typing import Any, NamedTuple

from .numeric import (
    HUGE, Number, acos, as_number, asin, at_least, atan, atan2, bell, cbrt, clip, cos, cosh, direction, divide, equal, erf, exp, expm1, fade, guard,
    helper, home, hypot, in_reach, ln, log, log1p, log2, log10, maximum, minimum, normal_cdf, pi, positive, power, power_slope, product, ratio, relu, sign,
    sin, sinh, sqrt, still, tan, tanh, to_float, total, where,
)  # fmt: skip

Partial = Callable[..., Number]  # (*operands, out) -> d out / d operand
Slopes = Callable[[Any, Number], Any]  # (operands, out) -> every d out / d operand, of an n-ary rule


class Rule(NamedTuple):
    """An operation: its name, what it computes, and its local derivatives.

    An n-ary rule (sum, dot, ...) has one callable `(operands, out) -> sequence of slopes` in place of the tuple of partials.
    """

    name: str  # "*" or "tanh": node label, method name, heading in the reference
    forward: Callable[..., Number]  # (*operands) -> out
    partials: tuple[Partial, ...] | Slopes  # (*operands, out) -> d out / d operand, one per operand
    domain: Any = ((-3.0, 3.0),)  # an open interval per operand (the last repeats): where it may be tested
    textbook: tuple[Partial, ...] | Slopes | None = (
        None  # the partials as books print them, where ours keep more digits
    )
    choice: bool = False  # a slope of 0 means "not chosen": the contribution is exactly 0, whatever comes from upstream
    parameters: tuple[Any, ...] = ()  # what its maker was called with: the 3 of x**3
    maker: Callable[..., "Rule"] | None = None  # the function that makes it from its parameters

    @property
    def arity(self) -> int | None:
        """How many operands it takes; None for an n-ary rule, which takes any number."""
        return None if callable(self.partials) else len(self.partials)

    def slopes(self, operands: Any, out: Number) -> Any:
        """Every local derivative at `operands`, in order: the rule read with whatever kind of number they are."""
        if callable(self.partials):
            return self.partials(operands, out)
        return tuple([partial(*operands, out) for partial in self.partials])

    def __reduce__(self) -> tuple[Any, ...]:
        from .pickling import reduce_rule

        return reduce_rule(self)

    def __deepcopy__(self, memo: Any) -> "Rule":
        return self


MAKERS: dict[str, Callable[..., Rule]] = {}  # the rules with a parameter: name -> function that makes the rule


def maker(*examples: tuple[Any, ...]) -> Callable[[Callable[..., Rule]], Callable[..., Rule]]:
    """Decorate the function that makes a rule from parameters; `examples` are parameters that tests and tables use.

    Rules are cached by the type and exact bits of their parameters: `**2` is not `**2.0`, nor is 0.0 the same as -0.0.
    """

    def decorate(make: Callable[..., Rule]) -> Callable[..., Rule]:
        @lru_cache(maxsize=4096)
        def cached(exact: tuple[tuple[type, Any], ...]) -> Rule:
            parameters = tuple([float.fromhex(bits) if kind is float else bits for kind, bits in exact])
            return make(*parameters)._replace(parameters=parameters, maker=made)

        @wraps(make)
        def made(*parameters: Any) -> Rule:
            given = [p.item() if home(p) == "numpy" else p for p in parameters]
            return cached(tuple([(type(p), p.hex() if type(p) is float else p) for p in given]))

        made.examples = examples  # type: ignore[attr-defined]
        MAKERS[make.__name__] = made
        return made

    return decorate


# fmt: off
# ---- arithmetic ----------------------------------------------------------------------------------------------------

POSITIVE, NONZERO = (0.2, 3.0), (0.5, 3.0)


def exponent_slope(x: Number, y: Number, out: Number) -> Number:
    """d x**y / dy = out * log(x); where out is 0 it wins over an infinite log(x). 0 at 0**0."""
    ln_x = log(x)
    return where(equal(x, 0) & equal(y, 0), 0, out * where(abs(out) > 0, ln_x, clip(ln_x, HUGE)))


ADD = Rule("+",   operator.add, (lambda x, y, out: 1,               lambda x, y, out: 1))
SUB = Rule("-",   operator.sub, (lambda x, y, out: 1,               lambda x, y, out: -1))
MUL = Rule("*",   operator.mul, (lambda x, y, out: y,               lambda x, y, out: x))
DIV = Rule("/",   divide,       (lambda x, y, out: ratio(1, y, x),  lambda x, y, out: divide(-out, y)), ((-3.0, 3.0), NONZERO))
NEG = Rule("neg", operator.neg, (lambda x, out: -1,))
ABS = Rule("abs", abs,          (lambda x, out: sign(x),), (POSITIVE,))
POW = Rule("**",  power,        (power_slope, exponent_slope), (POSITIVE, (-3.0, 3.0)),
           (lambda x, y, out: y * power(x, y - 1), lambda x, y, out: out * log(x)))


@maker((2,), (3,), (-1,), (0.5,), (2.5,))
def power_of(k: Any) -> Rule:
    """x**k, k a plain number."""
    if type(k) is int and abs(k) > HUGE:  # as an exponent it is an infinity
        k = to_float(k)
    book = lambda x, out: k * power(x, k - 1) if k else 0
    partial = book if type(k) is not float else lambda x, out: power_slope(x, k, out)
    return Rule(f"**{k}", lambda x: power(x, k), (partial,), (POSITIVE,), (book,))


# ---- functions of one number ---------------------------------------------------------------------------------------

SQRT  = Rule("sqrt",  sqrt,  (lambda x, out: guard(x, 0, divide(1, 2 * out)),), (POSITIVE,))
CBRT  = Rule("cbrt",  cbrt,  (lambda x, out: divide(1, 3 * out * out),), (POSITIVE,))
EXP   = Rule("exp",   exp,   (lambda x, out: out,))
EXPM1 = Rule("expm1", expm1, (lambda x, out: exp(x),))
LOG   = Rule("log",   log,   (lambda x, out: guard(x, 0, divide(1, x)),), (POSITIVE,))
LOG2  = Rule("log2",  log2,  (lambda x, out: guard(x, 0, divide(1 / ln(2, x), x)),), (POSITIVE,))
LOG10 = Rule("log10", log10, (lambda x, out: guard(x, 0, divide(1 / ln(10, x), x)),), (POSITIVE,))
LOG1P = Rule("log1p", log1p, (lambda x, out: guard(x, -1, divide(1, 1 + x)),), ((-0.8, 3.0),))
SIN   = Rule("sin",   sin,   (lambda x, out: cos(x),))
COS   = Rule("cos",   cos,   (lambda x, out: -sin(x),))
TAN   = Rule("tan",   tan,   (lambda x, out: 1 + out * out,), ((-1.4, 1.4),))
ASIN  = Rule("asin",  asin,  (lambda x, out: divide(1, sqrt((1 - x) * (1 + x))),), ((-0.9, 0.9),))
ACOS  = Rule("acos",  acos,  (lambda x, out: divide(-1, sqrt((1 - x) * (1 + x))),), ((-0.9, 0.9),))
ATAN  = Rule("atan",  atan,  (lambda x, out: where(abs(x) < 1e150, divide(1, 1 + x * x), divide(divide(1, x), x)),),
             textbook=(lambda x, out: 1 / (1 + x**2),))  # x * x overflows where the slope is still above 0
SINH  = Rule("sinh",  sinh,  (lambda x, out: cosh(x),))
COSH  = Rule("cosh",  cosh,  (lambda x, out: sinh(x),))
ERF   = Rule("erf",   erf,   (lambda x, out: 2 / sqrt(pi(x)) * bell(x),), textbook=(lambda x, out: 2 / sqrt(pi(x)) * exp(-x * x),))

# ---- activations: e = exp(-|x|) keeps every digit, where 1 - out * out has lost them all at x = 20 -------------------


def logistic(x: Number) -> Number:
    """1 / (1 + exp(-x)), which is e / (1 + e) on the left."""
    e = fade(x)
    return where(positive(x), 1, e) / (1 + e)


def logistic_slope(x: Number) -> Number:
    """The slope of the logistic function, even in x."""
    e = fade(x)
    return e / (1 + e) / (1 + e)


def silu_slope(x: Number) -> Number:
    """sigmoid(x) + x * its slope as one fraction: near the root at -1.28 the two terms cancel, and 24 ulp become 3."""
    e = fade(x)
    return where(positive(x), 1 + e * (1 + x), e * (1 + x + e)) / (1 + e) / (1 + e)


def density(x: Number) -> Number:
    """The normal distribution's density, the slope of its cumulative function."""
    return bell(x, 2) / sqrt(2 * pi(x))


def bend(x: Number) -> Number:
    """The argument of gelu's sigmoid, in its tanh approximation (Hendrycks & Gimpel 2016): tanh(u/2) = 2 sigmoid(u) - 1."""
    return sqrt(8 / pi(x)) * x * (1 + ratio(44715, 1000000, x) * x * x)


def gelu_tanh_slope(x: Number, sigmoid_slope: Callable[[Number], Number]) -> Number:
    """The slope of x * sigmoid(bend(x)), by the product and the chain rule."""
    u = bend(x)
    return sigmoid(u) + x * sigmoid_slope(u) * sqrt(8 / pi(x)) * (1 + 3 * ratio(44715, 1000000, x) * x * x)


sigmoid = helper("sigmoid", logistic, formula=logistic)

TANH       = Rule("tanh",       tanh,       (lambda x, out: 4 * logistic_slope(2 * x),), textbook=(lambda x, out: 1 - out**2,))
SIGMOID    = Rule("sigmoid",    sigmoid,    (lambda x, out: logistic_slope(x),), textbook=(lambda x, out: out * (1 - out),))
LOGSIGMOID = Rule("logsigmoid", lambda x: where(positive(x), 0, x) - log1p(fade(x)), (lambda x, out: sigmoid(-x),))
SOFTPLUS   = Rule("softplus",   lambda x: where(positive(x), x, 0) + log1p(fade(x)), (lambda x, out: sigmoid(x),))
RELU       = Rule("ReLU",       relu,       (lambda x, out: sign(out),), textbook=(lambda x, out: where(x > 0, 1, 0),), choice=True)
SILU       = Rule("silu",       lambda x: at_least(x, -HUGE) * sigmoid(x),
                  (lambda x, out: silu_slope(clip(x, HUGE)),),
                  textbook=(lambda x, out: sigmoid(x) + x * sigmoid(x) * (1 - sigmoid(x)),))
NORMAL_CDF = Rule("normal_cdf", normal_cdf, (lambda x, out: density(x),), textbook=(lambda x, out: exp(-x**2 / 2) / sqrt(2 * pi(x)),))
GELU       = Rule("gelu",       lambda x: at_least(x, -HUGE) * normal_cdf(x),
                  (lambda x, out: normal_cdf(x) + clip(x, HUGE) * density(x),),
                  textbook=(lambda x, out: normal_cdf(x) + x * exp(-x**2 / 2) / sqrt(2 * pi(x)),))
GELU_TANH  = Rule("gelu_tanh",  lambda x: at_least(x, -HUGE) * sigmoid(bend(clip(x, 1e4))),
                  (lambda x, out: gelu_tanh_slope(clip(x, 1e4), logistic_slope),),
                  textbook=(lambda x, out: gelu_tanh_slope(x, lambda u: sigmoid(u) * (1 - sigmoid(u))),))


def gelu(approximate: str = "none") -> Rule:
    """x times the normal distribution's cumulative function, or its approximation by tanh."""
    if approximate not in ("none", "tanh"):
        raise ValueError(f'gelu takes approximate="none" or "tanh", got {approximate!r}')
    return GELU if approximate == "none" else GELU_TANH


@maker((0.01,), (0.2,))
def leaky_relu(slope: Any = 0.01) -> Rule:
    """x where x > 0, else slope * x (Maas, Hannun & Ng 2013)."""
    as_number(slope)
    return Rule("leaky_relu", lambda x: where(x > 0, x, slope * x), (lambda x, out: where(x > 0, 1, where(x <= 0, slope, nan)),))


@maker((1.0,), (0.5,))
def elu(alpha: Any = 1.0) -> Rule:
    """x where x > 0, else alpha * (exp(x) - 1) (Clevert, Unterthiner & Hochreiter 2016)."""
    as_number(alpha)
    return Rule("elu", lambda x: where(x > 0, x, alpha * expm1(x)), (lambda x, out: where(x > 0, 1, alpha * exp(x)),))


# ---- functions of two numbers --------------------------------------------------------------------------------------


def share(x: Number, y: Number) -> Number:
    """The slope of max(x, y) with respect to x; a tie is split evenly."""
    return where(x > y, 1, where(x < y, 0, where(x <= y, ratio(1, 2, x), nan)))


def turn(x: Number, y: Number) -> Number:
    """x / (x*x + y*y), at any scale."""
    u, v, scale = in_reach(x, y)
    return where(scale < inf, divide(divide(u, u * u + v * v), scale), divide(0, abs(x) + abs(y)))


MAXIMUM = Rule("maximum", maximum, (lambda x, y, out: share(x, y),     lambda x, y, out: share(y, x)), choice=True)
MINIMUM = Rule("minimum", minimum, (lambda x, y, out: share(y, x),     lambda x, y, out: share(x, y)), choice=True)
HYPOT   = Rule("hypot",   hypot,   (lambda x, y, out: direction(x, y), lambda x, y, out: direction(y, x)), (POSITIVE,),
               (lambda x, y, out: x / out, lambda x, y, out: y / out))
ATAN2   = Rule("atan2",   atan2,   (lambda y, x, out: turn(x, y),      lambda y, x, out: -turn(y, x)), (POSITIVE,),
               (lambda y, x, out: x / (x**2 + y**2), lambda y, x, out: -y / (x**2 + y**2)))


@maker((True,), (False,))
def chosen(condition: bool) -> Rule:
    """where(condition, x, y): x if the condition holds, else y."""
    return Rule("where", lambda x, y: x if condition else y,
                (lambda x, y, out: int(condition), lambda x, y, out: int(not condition)), choice=True)


COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@maker((">",), ("<=",), ("<",), (">=",))
def decided(sign: str) -> Rule:
    """where(left > right, x, y), or with another sign: a choice that is made again wherever the operands are others."""
    holds = COMPARE[sign]
    return Rule("where", lambda left, right, x, y: where(holds(left, right), x, y),
                (lambda left, right, x, y, out: 0, lambda left, right, x, y, out: 0,
                 lambda left, right, x, y, out: where(holds(left, right), 1, 0),
                 lambda left, right, x, y, out: where(holds(left, right), 0, 1)),
                ((-3.0, -0.5), (0.5, 3.0), (-3.0, 3.0)), choice=True)


# ---- functions of many numbers -------------------------------------------------------------------------------------


def products_of_others(xs: Any, out: Number) -> list[Number]:
    """For each x the product of the others, without dividing: from the left, times from the right."""
    before, after = [1], [1]
    for x, y in zip(xs, reversed(xs)):
        before.append(before[-1] * x)
        after.append(after[-1] * y)
    return [b * a for b, a in zip(before, reversed(after[:-1]))]


def below_greatest(xs: Any) -> list[Number]:
    """Each x minus the greatest: 0 or less, so that exp cannot overflow; at infinity the limit."""
    top = still(reduce(maximum, [still(x) for x in xs]))
    return [where(abs(top) < inf, x - top, where(x < top, -inf, where(x >= top, 0, nan))) for x in xs]


def log_of_total(gaps: list[Number]) -> Number:
    """log(sum(exp(gap))), the gaps 0 or less: the greatest one's own 1 is left to log1p."""
    return log1p(total(where(g < 0, exp(g), g) for g in gaps) + (total(where(g < 0, 0, 1) for g in gaps) - 1))


def softmax(xs: Any, out: Number) -> list[Number]:
    """exp(x) / sum(exp(x)), the slopes of logsumexp."""
    es = [exp(gap) for gap in below_greatest(xs)]
    whole = total(es)
    return [e / whole for e in es]


SUM       = Rule("sum",  lambda *xs: total(xs), lambda xs, out: [1] * len(xs))
PROD      = Rule("prod", lambda *xs: product(xs), products_of_others, textbook=lambda xs, out: [out / x for x in xs])
DOT       = Rule("dot",  lambda *xs: total(map(operator.mul, xs[: len(xs) // 2], xs[len(xs) // 2 :])),
                 lambda xs, out: [*xs[len(xs) // 2 :], *xs[: len(xs) // 2]])
LOGSUMEXP = Rule("logsumexp", lambda *xs: reduce(maximum, xs) + log_of_total(below_greatest(xs)), softmax,
                 textbook=lambda xs, out: [exp(x - out) for x in xs])


@maker((0,), (1,))
def softmax_cross_entropy(target: int) -> Rule:
    """logsumexp(scores) - scores[target]; with respect to a score: its probability, less 1 at the target."""

    def loss(*xs: Number) -> Number:
        gaps = below_greatest(xs)
        return log_of_total(gaps) - gaps[target]

    def slopes(xs: Any, out: Number) -> list[Number]:
        es = [exp(gap) for gap in below_greatest(xs)]
        whole, others = total(es), total([*es[:target], *es[target + 1 :]])  # 1 - p would lose the digits of a small rest
        return [(-others if i == target else e) / whole for i, e in enumerate(es)]

    return Rule("softmax_cross_entropy", loss, slopes,
                textbook=lambda xs, out: [exp(x - xs[target] - out) - (i == target) for i, x in enumerate(xs)])


# fmt: on
RULES: dict[str, Rule] = {rule.name: rule for rule in list(globals().values()) if isinstance(rule, Rule)}
