"""What every operation should give, from formulas of its own: mpmath at 50 digits, and tables of what holds at edges.

`REFERENCES` has one entry per operation, under the name of its rule or of the function that makes it. A test fails for a
rule without one. An entry never calls `autograd`.
"""

import operator
from collections.abc import Callable, Sequence
from itertools import accumulate
from math import inf, nan, pi
from typing import Any, NamedTuple

import mpmath as mp
from mpmath import mpf

ABOVE_ONE, BELOW_MINUS_ONE = 1.0000000000000002, -1.0000000000000002
TINY, LEAST_NORMAL, GREATEST = 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308


class Reference(NamedTuple):
    """An operation: its value and slopes from mpmath numbers, how near ours must be, and what holds at the edges."""

    value: Callable[..., Any]  # (*operands) -> mpf; a complex result or ZeroDivisionError: no real number there
    slopes: Callable[..., Any]  # (*operands) -> the derivative by each operand
    values_within: float = 1.5  # units in the last place
    slopes_within: float = 2
    # (operand or operands, (value, slope or slopes)); an int 0 is a zero of either sign, None is not looked at
    edges: Sequence[tuple[Any, tuple[Any, Any]]] = ()
    floor: float = 0  # slopes are measured against max(abs(slope), floor), where their digits cancel at a root
    least: float = 0  # and values against max(abs(value), least), where a factor has lost its digits to underflow
    terms: Callable[..., Any] | None = None  # (*operands) -> what the value is the sum of: measured against their size
    slack: Callable[..., Any] | None = None  # (*operands) -> units allowed on top
    kinks: tuple[float, ...] = ()  # where there is no second derivative


def edges(low: Any, zero: Any, high: Any, others: Any = None, odd: bool = True) -> list[tuple[Any, Any]]:
    """The table of one operand at -inf, the zeros, inf, NaN and other places. `odd`: f(-0.0) is -f(0.0)."""
    value, slope = zero
    at_minus_zero = -value if odd else value
    at = {-inf: low, inf: high, nan: (nan, nan), **(others or {})}
    return [(-0.0, (at_minus_zero, slope)), (0.0, zero), *at.items()]


NONE = (nan, nan)
OUTSIDE = {-1.0: NONE, -TINY: NONE, -1.797e308: NONE}


def sigma(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def sigma_slope(x: Any) -> Any:
    return 1 / (4 * mp.cosh(x / 2) ** 2)


def normal_cdf(x: Any) -> Any:
    return mp.erfc(-x / mp.sqrt(2)) / 2 if abs(x) < 1e6 else mpf(x > 0)  # farther out mpmath's erfc gives up


def bell(x: Any) -> Any:
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


def gelu_tanh(x: Any) -> Any:
    return x * sigma(gelu_bend(x))


def gelu_bend(x: Any) -> Any:
    return 2 * mp.sqrt(2 / mp.pi) * (x + mpf("0.044715") * x**3)


def gelu_tanh_slope(x: Any) -> Any:
    inner = 2 * mp.sqrt(2 / mp.pi) * (1 + 3 * mpf("0.044715") * x * x)
    return sigma(gelu_bend(x)) + x * sigma_slope(gelu_bend(x)) * inner


def greater_slopes(x: Any, y: Any) -> tuple[Any, Any]:
    return (1, 0) if x > y else (0, 1) if x < y else (mpf(0.5), mpf(0.5))


def hypot_slopes(x: Any, y: Any) -> tuple[Any, Any]:
    h = mp.hypot(x, y)
    return (x / h, y / h) if h else (mpf(0), mpf(0))


def logsumexp(*xs: Any) -> Any:
    return max(xs) + log_of_total(*xs)


def log_of_total(*xs: Any) -> Any:
    """logsumexp less the greatest, whose own 1 is left out of the sum so that it does not bury the others."""
    *others, top = sorted(xs)
    return mp.log1p(mp.fsum(mp.exp(x - top) for x in others))


def probabilities(*xs: Any) -> list[Any]:
    top = max(xs)
    weights = [mp.exp(x - top) for x in xs]
    return [w / mp.fsum(weights) for w in weights]


def gaps_as_terms(*xs: Any) -> list[Any]:
    """What the roundings of x - max(xs) move a log of the sum of their exp by."""
    return [p * abs(x - max(xs)) for p, x in zip(probabilities(*xs), xs, strict=True)]


def within_range(*xs: Any) -> None:
    """Refuse numbers that a float on the way could not hold: left to right is part of what a product is."""
    if not all(map(in_range, xs)):
        raise OverflowError


def in_range(x: Any) -> bool:
    return not x or mp.im(x) != 0 or LEAST_NORMAL < abs(x) < GREATEST


def product(*xs: Any) -> Any:
    within_range(*accumulate(xs, operator.mul))
    return mp.fprod(xs)


def spread(*xs: Any) -> Any:
    """What rounding x - max(xs) costs exp of it, where the scores are far apart: as many units as it is large."""
    apart = max(xs) - min(xs)
    return apart if apart > 16 else 0


def products_of_others(*xs: Any) -> list[Any]:
    within_range(*accumulate(xs, operator.mul), *accumulate(reversed(xs), operator.mul))
    return [mp.fprod(xs[:i] + xs[i + 1 :]) for i in range(len(xs))]


def products(*xs: Any) -> list[Any]:
    found = [x * y for x, y in zip(xs[: len(xs) // 2], xs[len(xs) // 2 :], strict=True)]
    within_range(*found)
    return found


def atan2(y: Any, x: Any) -> Any:
    if not y:  # mpmath's zero has no sign
        raise ZeroDivisionError
    return mp.atan2(y, x)


def power_of(k: Any) -> Reference:
    exact = mpf(k)
    at = {  # C99's pow, and its slope
        2: edges((inf, -inf), (0.0, 0), (inf, inf), odd=False),
        3: edges((-inf, inf), (0.0, 0), (inf, inf)),
        -1: edges((-0.0, 0), (inf, -inf), (0.0, 0)),
        0.5: edges((inf, None), (0.0, inf), (inf, 0), OUTSIDE, odd=False),
        2.5: edges((inf, None), (0.0, 0), (inf, inf), OUTSIDE, odd=False),
    }
    return Reference(lambda x: x**exact, lambda x: [exact * x ** (exact - 1)], slopes_within=2.1, edges=at.get(k, ()))


def leaky_relu(slope: float) -> Reference:
    return Reference(
        lambda x: x if x > 0 else slope * x,
        lambda x: [mpf(1) if x > 0 else mpf(slope)],
        edges=edges((-inf, slope), (0.0, slope), (inf, 1)),
        kinks=(0.0,),
    )


def elu(alpha: float) -> Reference:
    return Reference(
        lambda x: x if x > 0 else alpha * mp.expm1(x),
        lambda x: [mpf(1) if x > 0 else alpha * mp.exp(x)],
        edges=edges((-alpha, 0), (0.0, alpha), (inf, 1)),
        kinks=(0.0,),
    )


def chosen(condition: bool) -> Reference:
    return Reference(lambda x, y: x if condition else y, lambda x, y: [mpf(condition), mpf(not condition)])


def decided(sign: str) -> Reference:
    holds = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}[sign]
    first, second = (2.0, (0, 0, 1, 0)), (5.0, (0, 0, 0, 1))
    places = [(0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (-0.0, 0.0), (inf, inf), (-inf, inf), (inf, -1.0)]
    return Reference(
        lambda left, right, x, y: x if holds(left, right) else y,
        lambda left, right, x, y: [mpf(0), mpf(0), mpf(holds(left, right)), mpf(not holds(left, right))],
        edges=[
            *(((*place, 2.0, 5.0), first if holds(*place) else second) for place in places),
            *(((*place, 2.0, 5.0), second) for place in ((nan, 1.0), (1.0, nan), (nan, nan))),
            ((0.0, 0.0, -0.0, nan), (-0.0, (0, 0, 1, 0)) if "=" in sign else (nan, (0, 0, 0, 1))),
        ],
    )


def softmax_cross_entropy(target: int) -> Reference:
    def value(*xs: Any) -> Any:
        return log_of_total(*xs) + (max(xs) - xs[target])

    def slopes(*xs: Any) -> list[Any]:
        ps = probabilities(*xs)
        return [-mp.fsum(ps[:i] + ps[i + 1 :]) if i == target else p for i, p in enumerate(ps)]

    return Reference(value, slopes, 2, 10, terms=lambda *xs: [value(*xs), *gaps_as_terms(*xs)], slack=spread)


def of_log(base: Any) -> Reference:
    return Reference(
        lambda x: mp.log(x) / mp.log(base),
        lambda x: [mp.nan if x < 0 else 1 / (x * mp.log(base))],
        edges=edges(NONE, (-inf, inf), (inf, 0), OUTSIDE, odd=False),
    )


def inside(x: Any) -> Any:
    return mp.sqrt(1 - x * x)


def power_slopes(x: Any, y: Any) -> list[Any]:
    if not x or (x < 0 and abs(y) > 2**53):  # an edge; where y - 1 is y, nobody can tell even from odd
        raise ZeroDivisionError
    out = mp.power(x, y)
    held = [y * out / x if in_range(out / x) else None, out * mp.log(x) if in_range(out) else None]
    return [slope if x > 0 or mp.isint(y) else mp.nan for slope in held]


NONE_OF_TWO = (nan, (nan, nan))

REFERENCES: dict[str, Any] = {
    "+": Reference(lambda x, y: x + y, lambda x, y: [mpf(1), mpf(1)]),
    "-": Reference(lambda x, y: x - y, lambda x, y: [mpf(1), mpf(-1)]),
    "*": Reference(lambda x, y: x * y, lambda x, y: [y, x]),
    "/": Reference(lambda x, y: x / y, lambda x, y: [1 / y, -x / y**2 if in_range(x / y) else None]),
    "neg": Reference(
        lambda x: -x, lambda x: [mpf(-1)], edges=edges((inf, -1), (-0.0, -1), (-inf, -1), {nan: (nan, -1)})
    ),
    "abs": Reference(
        abs,
        lambda x: [mp.sign(x)],
        edges=edges((inf, -1), (0.0, 0), (inf, 1), odd=False),
        kinks=(0.0,),
    ),
    "**": Reference(
        mp.power,
        power_slopes,
        slopes_within=2.1,
        edges=[
            ((0.0, 0.0), (1.0, (0, 0))),
            ((-0.0, 0.0), (1.0, (0, 0))),
            ((5.0, 0.0), (1.0, (0, 1.6094379124341003))),
            ((nan, 0.0), (1.0, (0, nan))),
            ((1.0, nan), (1.0, (nan, 0))),
            ((nan, nan), (nan, (nan, nan))),
            ((nan, 1.0), (nan, (1, nan))),
            ((0.0, 1.0), (0.0, (1, 0))),
            ((0.0, 2.0), (0.0, (0, 0))),
            ((0.0, 3.5), (0.0, (0, 0))),
            ((0.0, 0.5), (0.0, (inf, 0))),
            ((-0.0, 3.0), (-0.0, (0, 0))),
            ((0.0, -1.0), (inf, (-inf, -inf))),
            ((-0.0, -1.0), (-inf, (-inf, None))),
            ((0.0, -0.5), (inf, (-inf, -inf))),
            ((-8.0, 1 / 3), NONE_OF_TWO),
            ((-2.0, 3.0), (-8.0, (12, nan))),
            ((-2.0, 0.0), (1.0, (0, nan))),
            ((-2.0, 1.0), (-2.0, (1, nan))),
            ((inf, 2.0), (inf, (inf, inf))),
            ((inf, 1.0), (inf, (1, inf))),
            ((inf, 0.5), (inf, (0, inf))),
            ((inf, -1.0), (0.0, (0, 0))),
            ((inf, 0.0), (1.0, (0, inf))),
            ((2.0, inf), (inf, (inf, inf))),
            ((0.5, inf), (0.0, (0, 0))),
            ((2.0, -inf), (0.0, (0, 0))),
            ((0.5, -inf), (inf, (-inf, -inf))),
            ((1e200, 2.0), (inf, (2e200, inf))),
            ((-1e200, 3.0), (-inf, (inf, nan))),
        ],
    ),
    "power_of": power_of,
    "sqrt": Reference(mp.sqrt, lambda x: [1 / (2 * mp.sqrt(x))], edges=edges(NONE, (0.0, inf), (inf, 0), OUTSIDE)),
    "cbrt": Reference(
        lambda x: mp.sign(x) * mp.cbrt(abs(x)),
        lambda x: [1 / (3 * mp.cbrt(abs(x)) ** 2)],
        3,
        7,
        edges((-inf, 0), (0.0, inf), (inf, 0)),
    ),
    "exp": Reference(
        mp.exp,
        lambda x: [mp.exp(x)],
        edges=edges((0.0, 0), (1.0, 1), (inf, inf), {710.0: (inf, inf), -746.0: (0.0, 0)}, odd=False),
    ),
    "expm1": Reference(
        mp.expm1,
        lambda x: [mp.exp(x)],
        edges=edges((-1.0, 0), (0.0, 1), (inf, inf), {710.0: (inf, inf), -746.0: (-1.0, 0)}),
    ),
    "log": of_log(mp.e),
    "log2": of_log(2),
    "log10": of_log(10)._replace(values_within=2),  # the C library's
    "log1p": Reference(
        mp.log1p,
        lambda x: [mp.nan if x < -1 else 1 / (1 + x)],
        edges=edges(NONE, (0.0, 1), (inf, 0), {-1.0: (-inf, inf), -1.5: NONE, BELOW_MINUS_ONE: NONE}),
    ),
    "sin": Reference(mp.sin, lambda x: [mp.cos(x)], edges=edges(NONE, (0.0, 1), NONE)),
    "cos": Reference(mp.cos, lambda x: [-mp.sin(x)], edges=edges(NONE, (1.0, 0), NONE, odd=False)),
    "tan": Reference(mp.tan, lambda x: [1 / mp.cos(x) ** 2], edges=edges(NONE, (0.0, 1), NONE)),
    "asin": Reference(
        mp.asin,
        lambda x: [1 / inside(x)],
        edges=edges(
            NONE,
            (0.0, 1),
            NONE,
            {1.0: (pi / 2, inf), -1.0: (-pi / 2, inf), ABOVE_ONE: NONE, BELOW_MINUS_ONE: NONE, 1.797e308: NONE},
        ),
    ),
    "acos": Reference(
        mp.acos,
        lambda x: [-1 / inside(x)],
        edges=edges(
            NONE,
            (pi / 2, -1),
            NONE,
            {1.0: (0.0, -inf), -1.0: (pi, -inf), ABOVE_ONE: NONE, BELOW_MINUS_ONE: NONE, 1.797e308: NONE},
            odd=False,
        ),
    ),
    "atan": Reference(mp.atan, lambda x: [1 / (1 + x * x)], edges=edges((-pi / 2, 0), (0.0, 1), (pi / 2, 0))),
    "sinh": Reference(
        mp.sinh,
        lambda x: [mp.cosh(x)],
        2,  # the C library's
        edges=edges((-inf, inf), (0.0, 1), (inf, inf), {-711.0: (-inf, inf), 711.0: (inf, inf)}),
    ),
    "cosh": Reference(
        mp.cosh,
        lambda x: [mp.sinh(x)],
        edges=edges((inf, -inf), (1.0, 0), (inf, inf), {-711.0: (inf, -inf)}, odd=False),
    ),
    "tanh": Reference(mp.tanh, lambda x: [1 / mp.cosh(x) ** 2], 2.5, 4, edges((-1.0, 0), (0.0, 1), (1.0, 0))),
    "sigmoid": Reference(sigma, lambda x: [sigma_slope(x)], 2.5, 4, edges((0.0, 0), (0.5, 0.25), (1.0, 0), odd=False)),
    "logsigmoid": Reference(
        lambda x: -mp.log1p(mp.exp(-x)),
        lambda x: [sigma(-x)],
        slopes_within=2.5,  # a sigmoid's
        edges=edges((-inf, 1), (-0.6931471805599453, 0.5), (0, 0), odd=False),
    ),
    "softplus": Reference(
        lambda x: mp.log1p(mp.exp(x)),
        lambda x: [sigma(x)],
        slopes_within=2.5,
        edges=edges((0, 0), (0.6931471805599453, 0.5), (inf, 1), odd=False),
    ),
    "ReLU": Reference(
        lambda x: max(x, mpf(0)), lambda x: [mpf(x > 0)], edges=edges((0, 0), (0, 0), (inf, 1)), kinks=(0.0,)
    ),
    "leaky_relu": leaky_relu,
    "elu": elu,
    "silu": Reference(
        lambda x: x * sigma(x),
        lambda x: [sigma(x) + x * sigma_slope(x)],
        2.5,
        4.5,
        edges((0, 0), (0.0, 0.5), (inf, 1)),
        floor=0.01,
        least=1024 * LEAST_NORMAL,
    ),
    "normal_cdf": Reference(normal_cdf, lambda x: [bell(x)], 3.5, 6, edges((0.0, 0), (0.5, None), (1.0, 0), odd=False)),
    "gelu": Reference(
        lambda x: x * normal_cdf(x),
        lambda x: [normal_cdf(x) + x * bell(x)],
        3.5,  # erfc of the C library is 2 units off
        6,
        edges((0, 0), (0.0, 0.5), (inf, 1)),
        floor=0.125,
        least=64 * LEAST_NORMAL,
    ),
    "gelu_tanh": Reference(
        gelu_tanh,
        lambda x: [gelu_tanh_slope(x)],
        600,
        600,
        edges((0, 0), (0.0, 0.5), (inf, 1)),
        floor=0.01,
        least=64 * LEAST_NORMAL,
        slack=lambda x: (
            0 if x > -16 else 1500
        ),  # there the value is below 1e-130, and an argument of -700 has units of 1e-13
    ),
    "erf": Reference(
        mp.erf, lambda x: [2 / mp.sqrt(mp.pi) * mp.exp(-x * x)], 1.5, 3, edges((-1.0, 0), (0.0, None), (1.0, 0))
    ),
    "maximum": Reference(
        max,
        greater_slopes,
        edges=[
            ((2.0, 2.0), (2.0, (0.5, 0.5))),
            ((0.0, -0.0), (0, (0.5, 0.5))),
            ((-0.0, 0.0), (0, (0.5, 0.5))),
            ((inf, inf), (inf, (0.5, 0.5))),
            ((-inf, inf), (inf, (0, 1))),
            ((inf, 1.0), (inf, (1, 0))),
            ((nan, 1.0), (nan, (nan, nan))),
            ((1.0, nan), (nan, (nan, nan))),
            ((nan, inf), (nan, (nan, nan))),
        ],
    ),
    "minimum": Reference(
        min,
        lambda x, y: greater_slopes(y, x),
        edges=[
            ((2.0, 2.0), (2.0, (0.5, 0.5))),
            ((0.0, -0.0), (0, (0.5, 0.5))),
            ((-0.0, 0.0), (0, (0.5, 0.5))),
            ((-inf, -inf), (-inf, (0.5, 0.5))),
            ((-inf, inf), (-inf, (1, 0))),
            ((inf, 1.0), (1.0, (0, 1))),
            ((nan, 1.0), (nan, (nan, nan))),
            ((1.0, nan), (nan, (nan, nan))),
            ((nan, -inf), (nan, (nan, nan))),
        ],
    ),
    "hypot": Reference(
        mp.hypot,
        hypot_slopes,
        edges=[
            ((0.0, 0.0), (0.0, (0, 0))),
            ((-0.0, 0.0), (0.0, (0, 0))),
            ((inf, 3.0), (inf, (1, 0))),
            ((3.0, -inf), (inf, (0, -1))),
            ((inf, inf), (inf, (nan, nan))),
            ((inf, nan), (inf, (nan, nan))),
            ((nan, -inf), (inf, (nan, nan))),
            ((nan, 1.0), (nan, (nan, nan))),
            ((0.0, nan), (nan, (nan, nan))),
            ((3.0, 0.0), (3.0, (1, 0))),
            ((0.0, -TINY), (TINY, (0, -1))),
            ((1.797e308, 1.797e308), (inf, (0.7071067811865476, 0.7071067811865476))),
        ],
    ),
    "atan2": Reference(
        atan2,
        lambda y, x: [x / (x * x + y * y), -y / (x * x + y * y)],
        1.5,
        3,
        edges=[
            ((0.0, 0.0), (0.0, (nan, nan))),
            ((-0.0, -0.0), (-pi, (nan, nan))),
            ((0.0, -1.0), (pi, (-1, 0))),
            ((-0.0, -1.0), (-pi, (-1, 0))),
            ((inf, 1.0), (pi / 2, (0, 0))),
            ((1.0, inf), (0.0, (0, 0))),
            ((-1.0, -inf), (-pi, (0, 0))),
            ((inf, inf), (pi / 4, (0, 0))),
            ((nan, 1.0), (nan, (nan, nan))),
            ((inf, nan), (nan, (nan, nan))),
            ((nan, -inf), (nan, (nan, nan))),
            ((1.0, nan), (nan, (nan, nan))),
        ],
    ),
    "chosen": chosen,
    "decided": decided,
    "sum": Reference(lambda *xs: mp.fsum(xs), lambda *xs: [mpf(1)] * len(xs), 2, 2, terms=lambda *xs: xs),
    "prod": Reference(product, products_of_others),
    "dot": Reference(
        lambda *xs: mp.fsum(products(*xs)),
        lambda *xs: [*xs[len(xs) // 2 :], *xs[: len(xs) // 2]],
        2,
        2,
        terms=products,
    ),
    "logsumexp": Reference(
        logsumexp,
        probabilities,
        2,
        10,
        slack=spread,
        terms=lambda *xs: [max(xs), log_of_total(*xs), *gaps_as_terms(*xs)],
    ),
    "softmax_cross_entropy": softmax_cross_entropy,
}


def reference(rule: Any) -> Reference:
    """The entry of a rule, by its name or its maker's. Raises LookupError if there is none."""
    name = rule.maker.__name__ if rule.maker else rule.name
    if name not in REFERENCES:
        raise LookupError(
            f"give the operation {name!r} an entry in tests/references.py: its value and slopes from mpmath"
        )
    entry = REFERENCES[name]
    return entry if isinstance(entry, Reference) else entry(*rule.parameters)
