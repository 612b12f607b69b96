"""Number-blind helpers: mathematics that does not ask what a number is.

A rule calls these instead of `math`, so that one line can be read with floats, exact numbers, Values, Symbols or arrays.
A float is computed as IEEE-754 and C99 Annex F have it: overflow is an infinity, a pole an infinity, outside the real
domain NaN, never an exception. Anything else is asked for its own: first the module that computes for it (an array's
namespace, cmath, mpmath, SymPy), then the number's own method, then a formula made of other helpers.
"""

import cmath
import math
import operator
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from math import copysign, inf, nan
from typing import Any

HUGE = sys.float_info.max
Number = Any  # a float, an exact number, a Value, a Symbol or an array: what a rule may be read with

# ---- who computes --------------------------------------------------------------------------------------------------

HELPERS: dict[str, Callable[..., Any]] = {}  # the helpers that ask who computes, by name
COMPOSED: dict[str, Callable[..., Any]] = {}  # those of them that are formulas of others, as exact with any number

SPELLED = {  # what a library calls a helper, where the names differ
    "sympy": {"maximum": "Max", "minimum": "Min"},
    "mpmath": {"normal_cdf": "ncdf"},
    "decimal": {"log": "ln"},
}


def home(x: Number) -> str:
    """The top-level module that a number's type comes from: "builtins", "fractions", "mpmath", "sympy", ..."""
    return type(x).__module__.partition(".")[0]


def library(x: Number) -> Any:
    """Who computes for x: an array's namespace, cmath, mpmath, SymPy, or the number's own class."""
    if hasattr(x, "__array_namespace__"):
        return x.__array_namespace__()
    if type(x) is complex:
        return cmath
    return sys.modules[home(x)] if home(x) in ("mpmath", "sympy") else type(x)


def to_float(x: Number) -> float:
    """A plain real number as a float; one too large is an infinity."""
    try:
        return float(x)
    except OverflowError:
        return inf if x > 0 else -inf


def as_number(data: Any) -> Any:
    """`data` as a Value keeps it: ints, floats and NumPy's scalars as float; exact and complex numbers as they are.

    Raises TypeError for anything that is not a number.
    """
    if type(data) is float:
        return data
    kind = home(data)
    if isinstance(data, (int, float)) and not isinstance(data, bool):
        return to_float(data)
    if isinstance(data, complex):
        return complex(data)
    if kind in ("fractions", "decimal") or hasattr(data, "_mpf_") or hasattr(data, "_mpc_"):
        return data
    if kind == "sympy" and isinstance(data, sys.modules["sympy"].Expr):
        return data
    if kind == "numpy" and not hasattr(data, "__len__") and data.dtype.kind in "iuf":  # a scalar, not an array
        return float(data)
    raise TypeError(
        f"a Value holds one number (int, float, complex, Fraction, Decimal, or one of NumPy's, mpmath's or SymPy's), "
        f"got {data!r:.80} of type {type(data).__name__}"
    )


def is_number(data: Any) -> bool:
    """Whether a Value could hold it."""
    if type(data) is float or type(data) is int:
        return True
    try:
        as_number(data)
    except TypeError:
        return False
    return True


def plain(x: Number) -> Number:
    """Ints and NumPy's scalars as floats, the rest as it is; a TypeError for what is not a number at all."""
    if isinstance(x, (bool, str, bytes, type(None), list, tuple, dict, set)) or (
        home(x) == "numpy" and x.dtype == bool
    ):
        raise TypeError(f"expected a number, got {x!r} ({type(x).__name__})")
    if isinstance(x, (int, float)):
        return to_float(x)
    return x.item() if home(x) == "numpy" and not hasattr(x, "__len__") and x.dtype != object else x


def elsewhere(name: str, on_float: Callable[..., float], formula: Callable[..., Number] | None, *xs: Number) -> Number:
    """The helper `name` of numbers that are not all floats: the first number that is not one decides who computes."""
    read = tuple(plain(x) for x in xs)
    other = next((x for x in read if type(x) is not float), None)
    if other is None:
        return on_float(*read)
    xs = tuple(like(other, x) if type(x) is int else y for x, y in zip(xs, read, strict=True))  # an int stays exact
    owner, kind = library(other), home(other)
    own = getattr(owner, SPELLED.get(kind, {}).get(name, name), None)
    if own is not None:
        return own(*xs)
    if name in COMPOSED and hasattr(other, "__array_namespace__"):
        return COMPOSED[name](*xs)
    if kind == "numpy":  # NumPy lacks a few functions: the float recipe, element by element
        return owner.vectorize(on_float, otypes=[float])(*xs)
    if kind.startswith("jax") and name in ("erf", "normal_cdf"):
        special = __import__("jax.scipy", fromlist=["special"])
        return special.special.erf(*xs) if name == "erf" else special.stats.norm.cdf(*xs)
    lacking = f"{name} of {other!r}: a {type(other).__name__} has no {name}"
    if formula is None:
        raise TypeError(f"{lacking} of its own; pass float(x) for an approximation")
    try:
        return formula(*xs)
    except TypeError as error:
        reason = "complex numbers have no order" if type(other) is complex else "pass float(x) for an approximation"
        raise TypeError(f"{lacking}, and none can be made of what it has; {reason}") from error


def helper(
    name: str,
    on_float: Callable[[float], float],
    pole: float | None = None,
    formula: Callable[..., Number] | None = None,
) -> Callable[[Number], Number]:
    """A helper of one number; `pole` is where its value is -inf."""

    def of_float(x: float) -> float:
        try:
            return on_float(x)
        except OverflowError:
            return copysign(inf, x)
        except ValueError:
            return -inf if x == pole else nan

    def apply(x: Number) -> Number:
        if type(x) is float:
            try:
                return on_float(x)
            except (OverflowError, ValueError):
                return of_float(x)
        return elsewhere(name, of_float, formula, x)

    apply.__name__ = apply.__qualname__ = name
    HELPERS[name] = apply
    if formula is on_float is not None:
        COMPOSED[name] = formula
    return apply


def helper_of_two(
    name: str, on_floats: Callable[[float, float], float], formula: Callable[..., Number] | None = None
) -> Callable[[Number, Number], Number]:
    """A helper of two numbers."""

    def apply(x: Number, y: Number) -> Number:
        if type(x) is float and (type(y) is float or type(y) is int):
            return on_floats(x, to_float(y))
        return elsewhere(name, on_floats, formula, x, y)

    apply.__name__ = apply.__qualname__ = name
    HELPERS[name] = apply
    return apply


# ---- arithmetic and choices ----------------------------------------------------------------------------------------


def divide(x: Number, y: Number) -> Number:
    """x / y; a float divided by zero is an infinity or NaN. Exact numbers keep their own ZeroDivisionError."""
    try:
        return x / y
    except ZeroDivisionError:
        if type(y) is not float:
            raise
        return nan if x == 0 or x != x else copysign(inf, x) * copysign(1.0, y)


def ratio(p: int, q: Number, x: Number) -> Number:
    """p / q in the arithmetic of x: 1/3 of a Fraction is a Fraction."""
    return divide(p if type(x) is float else like(still(x), p), q)


def like(x: Number, n: int) -> Number:
    """The int n as a number of the kind of x, if x is exact."""
    if home(x) == "sympy":
        return sys.modules["sympy"].Integer(n)
    return type(x)(n) if home(x) in ("fractions", "decimal", "mpmath") else n


def float_power(x: float, y: float) -> float:
    """C99's pow: never complex, never an exception."""
    try:
        return math.pow(x, y)
    except OverflowError:
        return -inf if x < 0 and y % 2 == 1 else inf
    except ValueError:
        return nan if x else copysign(inf, x) if y % 2 == 1 else inf


def power(x: Number, y: Number) -> Number:
    """x ** y; of real numbers of which one is a float, C99's pow."""
    if type(x) is float and (type(y) is float or type(y) is int):
        try:
            return math.pow(x, y)
        except (OverflowError, ValueError):
            return float_power(x, to_float(y))
    if (type(x) is float and home(y) in ("builtins", "fractions") and type(y) is not complex) or (
        type(y) is float and home(x) in ("builtins", "fractions") and type(x) is not complex
    ):
        return float_power(to_float(x), to_float(y))
    return x**y


def where(condition: Any, x: Number, y: Number) -> Number:
    """x where the condition holds, else y. The gradient goes along the chosen branch only."""
    if condition is True:
        return x
    if condition is False:
        return y
    if home(condition) == "sympy":
        return sys.modules["sympy"].Piecewise((x, condition), (y, True))
    return library(condition).where(condition, x, y)


def still(x: Number) -> Number:
    """A Value's number, without its history: what a recipe may choose its scale by. Anything else is itself."""
    return x.detach().data if hasattr(type(x), "detach") else x


def unordered(x: Number) -> bool:
    """Whether x has no `<`: complex numbers, and SymPy's expressions until their sign is known."""
    x = still(x)
    return type(x) is complex or home(x) == "sympy" or (home(x) == "mpmath" and hasattr(type(x), "_mpc_"))


def positive(x: Number) -> Any:
    """x > 0, for choosing between two forms of one analytic function: complex numbers go by their real part."""
    if type(x) is not float and unordered(x):
        x = still(x)
        return x.is_positive is not False if home(x) == "sympy" else bool(x.real > 0)
    return x > 0


def equal(x: Number, y: Number) -> Any:
    """x == y by value (between Values `==` is identity)."""
    if type(x) is float:
        return x == y
    x, y = still(x), still(y)
    return bool(x == y) if unordered(x) or unordered(y) else (x <= y) & (x >= y)


def guard(x: Number, low: int, slope: Number) -> Number:
    """A slope inside its domain x > low, inf at the edge (its one-sided limit), NaN outside. No edge where no order."""
    if type(x) is not float and unordered(x):
        return slope
    return where(x > low, slope, where(x >= low, inf, nan))


# ---- functions of one number ---------------------------------------------------------------------------------------


def float_cbrt(x: float) -> float:
    """The C library's, and one step of Newton's: 1 ulp instead of 3."""
    if 0 < abs(x) < 1e-290:
        return float_cbrt(x * 2.0**300) * 2.0**-100
    y = math.cbrt(x)
    return y - (y * y * y - x) / (3 * y * y) if 0 < abs(x) < 1.7e308 else y


sqrt = helper("sqrt", math.sqrt, formula=lambda x: power(x, 0.5))
cbrt = helper("cbrt", float_cbrt, formula=lambda x: power(x, 1 / 3))
exp = helper("exp", math.exp)
expm1 = helper("expm1", math.expm1, formula=lambda x: exp(x) - 1)
log = helper("log", math.log, pole=0.0)
log1p = helper("log1p", math.log1p, pole=-1.0, formula=lambda x: log(1 + x))
log2 = helper("log2", math.log2, pole=0.0, formula=lambda x: log(x) / ln(2, x))
log10 = helper("log10", math.log10, pole=0.0, formula=lambda x: log(x) / ln(10, x))
sin = helper("sin", math.sin)
cos = helper("cos", math.cos)
tan = helper("tan", math.tan, formula=lambda x: sin(x) / cos(x))
asin = helper("asin", math.asin)
acos = helper("acos", math.acos)
atan = helper("atan", math.atan)
sinh = helper("sinh", math.sinh, formula=lambda x: (exp(x) - exp(-x)) / 2)
erf = helper("erf", math.erf)


def float_cosh(x: float) -> float:
    try:
        return math.cosh(x)
    except OverflowError:  # +inf on both sides
        return inf


cosh = helper("cosh", float_cosh, formula=lambda x: (exp(x) + exp(-x)) / 2)
tanh = helper("tanh", math.tanh, formula=lambda x: sinh(x) / cosh(x))


def sign(x: Number) -> Number:
    """1, -1 or 0; of NaN NaN."""
    if type(x) is float:
        return 1.0 if x > 0 else -1.0 if x < 0 else 0.0 * x
    return elsewhere("sign", sign, lambda x: where(x > 0, 1, where(x < 0, -1, 0 * x)), x)


HELPERS["sign"] = sign


def ln(n: int, x: Number) -> Number:
    """The natural logarithm of the int n, in the arithmetic of x."""
    x = still(x)
    if type(x) is float:
        return math.log(n)
    if hasattr(type(x), "ln") and home(x) != "decimal":  # a Symbol keeps it by name
        return type(x).ln(n)
    return log(type(x)(n)) if home(x) in ("decimal", "mpmath") else log(x**0 * n) if home(x) == "sympy" else math.log(n)


def pi(x: Number) -> Number:
    """The number pi, in the arithmetic of x."""
    x = still(x)
    if type(x) is float:
        return math.pi
    return sys.modules[home(x)].pi if home(x) in ("mpmath", "sympy") else getattr(type(x), "pi", math.pi)


def fade(x: Number) -> Number:
    """exp(-|x|), written so that each branch is analytic on both sides: every derivative at 0 is right."""
    return exp(where(positive(x), -x, x))


def coarse(x: Number) -> Number:
    """x rounded to a multiple of 2**-20, as a plain number: the square of one below 64 is exact."""
    x = still(x)
    if type(x) is float:
        return round(x * 1048576) / 1048576 if abs(x) < 1048576 else x
    if hasattr(x, "__array_namespace__"):
        return x.__array_namespace__().round(x * 1048576) / 1048576
    return type(x).coarse(x) if hasattr(type(x), "coarse") else x


HELPERS["coarse"] = coarse


def bell(x: Number, width: int = 1) -> Number:
    """exp(-x*x / width), without the rounding of x*x (200 ulp at 20): with h near x, x*x = h*h + (x-h)*(x+h)."""
    h = coarse(x)
    return where(abs(x) < 40, exp(-h * h / width) * exp(-(x - h) * (x + h) / width), exp(-x * x / width))


def float_normal_cdf(x: float) -> float:
    """erfc(a) / 2 at a = -x / sqrt(2), corrected for what rounding a missed: 1 ulp instead of 100 at -20."""
    a, root, rest = -x * math.sqrt(0.5), 47453133 / 2**26, -2.799544089368687e-09  # sqrt(1/2) = root + rest
    if not abs(x) < 40:
        return 0.5 * math.erfc(a)
    h: float = coarse(x)
    missed = -h * root - a - h * rest - (x - h) * math.sqrt(0.5)
    return 0.5 * (math.erfc(a) - missed * 2 / math.sqrt(math.pi) * math.exp(-a * a))


normal_cdf = helper("normal_cdf", float_normal_cdf, formula=lambda x: (1 + erf(x / sqrt(0 * x + 2))) / 2)

# ---- functions of two numbers, and of many -------------------------------------------------------------------------

atan2 = helper_of_two("atan2", math.atan2)
hypot = helper_of_two("hypot", math.hypot, formula=lambda x, y: sqrt(x * x + y * y))
maximum = helper_of_two(
    "maximum", lambda x, y: x if x > y or x != x else y, formula=lambda x, y: where(x > y, x, where(x <= y, y, x + y))
)
minimum = helper_of_two(
    "minimum", lambda x, y: x if x < y or x != x else y, formula=lambda x, y: where(x < y, x, where(x >= y, y, x + y))
)


def relu(x: Number) -> Number:
    """The greater of x and 0."""
    if type(x) is float:
        return x if x > 0 or x != x else 0.0
    return elsewhere("relu", relu, COMPOSED["relu"], x)


COMPOSED["relu"] = lambda x: maximum(x, 0)


def at_least(x: Number, low: float) -> Number:
    """x, but not below `low`; as it is where there is no order."""
    return where(x < low, low, x) if type(x) is float or not unordered(x) else x


def clip(x: Number, limit: float) -> Number:
    """x between -limit and limit; as it is where there is no order."""
    return where(x > limit, limit, where(x < -limit, -limit, x)) if type(x) is float or not unordered(x) else x


def power_slope(x: Number, y: Number, out: Number) -> Number:
    """d x**y / dx as y * out / x where that is finite: rounding y - 1 in y * x**(y-1) can cost 600 ulp."""
    scaled = y * out
    if (
        type(x) is float is type(out) and x > 0 and out > 2.3e-308 and abs(scaled) < inf
    ):  # the same, in a fifth of the time
        return scaled / x
    direct = clip(y, HUGE) * power(x, y - 1)
    usable = (abs(out) > 2.3e-308) & (abs(scaled) < inf)
    inside = where(usable, divide(scaled, x), where(abs(out) >= 0, direct, nan))
    return where(abs(x) > 0, inside, where(equal(y, 0), 0, direct))  # x**0 and x**1 have a slope even at 0 and NaN


def in_reach(x: Number, y: Number) -> tuple[Number, Number, Number]:
    """x and y divided by a scale, and the scale: 1, unless their squares would overflow or vanish."""
    size = still(maximum(abs(x), abs(y)))
    scale = where((size > 1e-150) & (size < 1e150), 1, size)
    return divide(x, scale), divide(y, scale), scale


def direction(x: Number, y: Number) -> Number:
    """x / hypot(x, y), the cosine of the angle, with no overflow on the way; 0 at the origin."""
    u, v, scale = in_reach(x, y)
    at_infinity = where(abs(x) < inf, 0, where(abs(y) < inf, sign(x), nan))
    return where(scale <= 0, 0, where(scale < inf, divide(u, hypot(u, v)), where(scale >= inf, at_infinity, nan)))


def total(xs: Iterable[Number]) -> Number:
    """The sum; 0 of nothing. Of floats it is rounded once, whatever the order and the Python version."""
    xs = list(xs)
    if set(map(type, xs)) != {float}:
        own = next((type(x) for x in xs if hasattr(type(x), "total")), None)  # a Symbol keeps it by name
        if own is not None:
            return own.total(*xs)
        return reduce(operator.add, xs) if xs else 0
    try:
        try:
            result = math.fsum(xs)
        except OverflowError:  # on the way, or for good
            result = math.fsum([x * 2.0**-64 for x in xs]) * 2.0**64
    except ValueError:  # inf - inf
        return nan
    return result if result or any(xs) else reduce(operator.add, xs)  # -0.0 + -0.0


def product(xs: Sequence[Number]) -> Number:
    """The product, from left to right."""
    return reduce(operator.mul, xs)
