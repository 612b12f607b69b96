"""Symbol, an operand that has a name in place of a number: a rule read with Symbols gives its formulas.

    >>> x, out = Symbol("x"), Symbol("out")
    >>> 1 - out**2
    1 - out**2
    >>> formulas(RULES["/"])[1].text
    '-out/y'

A Symbol is a node of an expression, not a string: what it was made by and from what. Equal expressions are one and the
same object, so that a shared part is known as shared. Every printer is a `fold` over that structure.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from typing import Any, NamedTuple, NoReturn, TypeVar
from weakref import WeakValueDictionary

from .numeric import home
from .rules import RULES, Rule, power_of

Result = TypeVar("Result")
PLAIN: tuple[type[Any], ...] = (int, float, complex)

# ---- the expression ------------------------------------------------------------------------------------------------


class Helpers(type):
    """The class of Symbol: it has every helper of `autograd.numeric`, and yours, as a function that makes a node.

    A helper that meets a Symbol asks its class for a function of the helper's own name: `Symbol.exp(x)` is exp(x).
    """

    def __getattr__(cls, name: str) -> Callable[..., "Symbol"]:
        if name.startswith("_") or name == "detach":  # a Symbol has no history to be detached from
            raise AttributeError(f"{cls.__name__} has no attribute {name!r}")
        return partial(node, name)


def infix(operation: str) -> Callable[["Symbol", Any], "Symbol"]:
    """The method of an operator between two operands."""

    def method(x: "Symbol", y: Any) -> "Symbol":
        return node(operation, x, y) if is_operand(y) else NotImplemented

    return method


def reflected(operation: str) -> Callable[["Symbol", Any], "Symbol"]:
    """The method of an operator whose left operand is a plain number."""

    def method(y: "Symbol", x: Any) -> "Symbol":
        return node(operation, x, y) if is_operand(x) else NotImplemented

    return method


class Symbol(metaclass=Helpers):
    """A part of a formula: a name, a number, or an operation on other Symbols.

    `Symbol("x")` is a name and `Symbol(2)` a number; operators and helpers make the rest. The same expression made twice
    is the same object, so `==` is identity. There is no hash: a rule that looks an operand up in a dict would find a number,
    but never a Symbol. Raises TypeError for what is neither a name nor a number.
    """

    __slots__ = ("__weakref__", "content", "operands", "operation")

    operation: str  # "+", "exp", "where", ...; "" for a name or a number
    operands: tuple["Symbol", ...]  # what the operation was applied to
    content: Any  # the name (a str) or the number; None for an operation

    pi: "Symbol"

    def __new__(cls, content: Any) -> "Symbol":
        if not isinstance(content, str) and not is_operand(content):
            raise TypeError(
                f"a Symbol is made of a name (str) or a number, got {content!r:.80} ({type(content).__name__})"
            )
        if isinstance(content, Symbol):
            return content
        for kind in PLAIN:  # a bool, an IntEnum or NumPy's float64 is what it counts for: its own repr may be anything
            if isinstance(content, kind) and type(content) is not kind:
                content = kind.__pos__(content)
        return intern("", (), content)

    @staticmethod
    def ln(n: int) -> "Symbol":
        """The natural logarithm of the int n, by name."""
        return node("log", n)

    __add__, __radd__ = infix("+"), reflected("+")
    __sub__, __rsub__ = infix("-"), reflected("-")
    __mul__, __rmul__ = infix("*"), reflected("*")
    __truediv__, __rtruediv__ = infix("/"), reflected("/")
    __pow__, __rpow__ = infix("**"), reflected("**")
    __lt__, __le__, __gt__, __ge__ = infix("<"), infix("<="), infix(">"), infix(">=")
    __and__, __rand__ = infix("&"), reflected("&")
    __array_ufunc__ = None  # an array beside a Symbol is a TypeError, not an array of Symbols

    def __neg__(self) -> "Symbol":
        return node("neg", self)

    def __abs__(self) -> "Symbol":
        return node("abs", self)

    def __bool__(self) -> NoReturn:
        raise TypeError(
            f"a rule may not branch in Python on an operand (if, while, and, or, not, max, min), here on {self!s:.80}: "
            "use autograd.where(condition, x, y)"
        )

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (int, float, complex)):
            bool(self)  # raises: whoever asks this of a number branches
        return self is other

    def __hash__(self) -> NoReturn:
        raise TypeError(
            f"a rule may not look an operand up in a dict or a set, nor cache what it gives, here {self!s:.80}: "
            "use autograd.where(condition, x, y)"
        )

    def __float__(self) -> NoReturn:
        raise TypeError(
            f"a rule may not turn an operand into a plain number, as math.exp(x) or float(x) would, here {self!s:.80}: "
            "use autograd's functions, autograd.exp(x)"
        )

    __int__ = __index__ = __complex__ = __float__

    def __reduce__(self) -> tuple[Any, ...]:
        return (node, (self.operation, *self.operands)) if self.operands else (Symbol, (self.content,))

    def __str__(self) -> str:
        return text(self)

    __repr__ = __str__


EVERY: WeakValueDictionary[Any, Symbol] = WeakValueDictionary()  # each expression in use, once


def intern(operation: str, operands: tuple[Symbol, ...], content: Any) -> Symbol:
    """The one Symbol of this structure. Numbers are told apart to the bit: 2 is not 2.0, nor 0.0 the same as -0.0."""
    key = operation, tuple(map(id, operands)), type(content), repr(content)  # the Symbol keeps its operands' ids in use
    symbol = EVERY.get(key)
    if symbol is None:
        symbol = object.__new__(Symbol)
        symbol.operation, symbol.operands, symbol.content = operation, operands, content
        symbol = EVERY.setdefault(key, symbol)
    return symbol


def is_operand(x: Any) -> bool:
    """Whether x may stand in a formula: a Symbol, or a number of a kind that rules are read with."""
    return isinstance(x, (Symbol, int, float, complex)) or home(x) in ("fractions", "decimal", "mpmath", "sympy")


def node(operation: str, *operands: Any) -> Symbol:
    """The Symbol of an operation on Symbols and plain numbers. Raises TypeError for an operand that is neither."""
    for x in operands:
        if not is_operand(x):
            raise TypeError(f"{operation} of {x!r:.80} ({type(x).__name__}): expected a Symbol or a number")
    return intern(operation, tuple([Symbol(x) for x in operands]), None)


Symbol.pi = Symbol(math.pi)


def fold(symbol: Symbol, visit: Callable[[Symbol, list[Result]], Result]) -> Result:
    """Compute something of an expression from its leaves up: `visit(part, what its operands gave)`.

    A shared part is visited once, and there is no recursion, so size and depth do not matter.
    """
    results: dict[int, Result] = {}  # by id, as Symbols have no hash
    stack = [symbol]
    while stack:
        part = stack[-1]
        waiting = [x for x in part.operands if id(x) not in results]
        stack += waiting
        if not waiting:
            stack.pop()
            if id(part) not in results:
                results[id(part)] = visit(part, [results[id(x)] for x in part.operands])
    return results[id(symbol)]


def substitute(symbol: Symbol, given: Mapping[str, Symbol]) -> Symbol:
    """The same formula with other expressions in the places of names, all at once.

    >>> substitute(1 - Symbol("out") ** 2, {"out": Symbol("e")})
    1 - e**2
    """

    def visit(part: Symbol, operands: list[Symbol]) -> Symbol:
        if operands:
            return node(part.operation, *operands)
        return given.get(part.content, part) if isinstance(part.content, str) else part

    return fold(symbol, visit)


# ---- a formula for people ------------------------------------------------------------------------------------------


def simplify(symbol: Symbol) -> Symbol:
    """The same formula without what a reader can do without: guards against infinities, `* 1`, `+ 0`, double signs."""
    return fold(symbol, simpler)


def is_number(x: Symbol, *values: float) -> bool:
    """Whether x is a plain number, one of the given ones."""
    return not x.operands and not isinstance(x.content, str) and x.content in values


def is_negative(x: Symbol) -> bool:
    """Whether x is a plain number less than 0."""
    return not x.operands and isinstance(x.content, (int, float)) and x.content < 0


def is_guard(x: Symbol) -> bool:
    """Whether x is inf or NaN: what a rule gives at and beyond the edge of its domain."""
    return isinstance(x.content, float) and not math.isfinite(x.content)


def simpler(symbol: Symbol, operands: list[Symbol]) -> Symbol:
    """One operation on operands that are already simple."""
    match symbol.operation, operands:
        case "total", _:
            return reduce(partial(simpler_node, "+"), operands)
        case "where", (_, x, y) if is_guard(y) or is_guard(x):
            return x if is_guard(y) else y
        case "+", (x, y) if is_number(x, 0):
            return y
        case (("+" | "-"), (x, y)) if is_number(y, 0):
            return x
        case "-", (x, y) if x is y:
            return Symbol(0)
        case "-", (x, y) if is_number(x, 0):
            return -y
        case (("+" | "-"), (x, y)) if y.operation == "neg" or is_negative(y):
            positive = y.operands[0] if y.operands else Symbol(-y.content)
            return x - positive if symbol.operation == "+" else x + positive
        case "*", (x, y) if is_number(x, 1):
            return y
        case (("*" | "/" | "**"), (x, y)) if is_number(y, 1):
            return x
        case (("*" | "/"), (x, y)) if x.operation == "neg":  # (-x) * y is exactly -(x * y)
            return -simpler_node(symbol.operation, x.operands[0], y)
        case "*", (x, y) if is_number(x, -1):
            return -y
        case "*", (x, y) if x is y:
            return x**2
        case "*", (x, y) if x.operation == "*" and x.operands[1] is y:
            return x.operands[0] * y**2
        case "/", (x, y) if x.operation == "/":
            above, below = x.operands
            return simpler_node("/", above, simpler_node("*", below, y))
        case "**", (_, y) if is_number(y, 0):
            return Symbol(1)
        case "neg", (x,) if x.operation == "neg":
            return x.operands[0]
    return node(symbol.operation, *operands) if operands else symbol


def simpler_node(operation: str, *operands: Symbol) -> Symbol:
    """An operation on simple operands, made simple itself."""
    return simpler(node(operation, *operands), list(operands))


# How tightly a printed part holds together. A part is put in parentheses where something tighter is needed.
LABEL, CONDITIONAL, COMPARISON, AND, SUM, PRODUCT, SIGN, POWER, ATOM = range(9)

OPERATORS = {  # operation: (its own tightness, what it needs on its left, on its right)
    **dict.fromkeys(("<", "<=", ">", ">="), (COMPARISON, AND, AND)),
    "&": (AND, AND, SUM),
    "+": (SUM, SUM, PRODUCT),
    "-": (SUM, SUM, PRODUCT),
    "*": (PRODUCT, PRODUCT, POWER),
    "/": (PRODUCT, PRODUCT, POWER),
    "**": (POWER, ATOM, SIGN),
}
LONGEST = 2_000  # characters of a printed part; a longer one is printed as an ellipsis

Printed = tuple[str, int]  # a part's text and its tightness


def text(symbol: Symbol, spelled: Mapping[str, str] | None = None) -> str:
    """The formula as plain text, with as few parentheses as Python would need.

    A name that is not one word, as a user's label may be, is put in parentheses. Parts longer than 2,000 characters are
    left out, as "…". Names in `spelled` are written as it says, and still told apart by what they are.
    """
    instead = spelled or {}

    def wrap(part: Printed, needed: int) -> str:
        return part[0] if part[1] >= needed else f"({part[0]})"

    def visit(part: Symbol, printed: list[Printed]) -> Printed:
        result = spell(part, printed)
        return result if len(result[0]) <= LONGEST else ("…", ATOM)

    def spell(part: Symbol, printed: list[Printed]) -> Printed:
        operation = part.operation
        if not printed:
            if part.content in instead:
                return instead[part.content], ATOM
            return name_text(part.content) if isinstance(part.content, str) else number_text(part.content)
        if operation in OPERATORS:
            own, left, right = OPERATORS[operation]
            sign = operation if operation in ("*", "/", "**") else f" {operation} "
            return wrap(printed[0], left) + sign + wrap(printed[1], right), own
        if operation == "neg":
            return "-" + wrap(printed[0], PRODUCT), PRODUCT
        if operation == "where":
            condition, x, y = printed
            return f"{wrap(x, COMPARISON)} if {wrap(condition, COMPARISON)} else {wrap(y, CONDITIONAL)}", CONDITIONAL
        return f"{operation}({', '.join([argument for argument, _ in printed])})", ATOM

    return fold(simplify(symbol), visit)[0]


def name_text(name: str) -> Printed:
    """A name or a label; one that is not a single word, an entry W[0, 1], a number, or a node's number, #4, may need
    parentheses."""
    word = re.sub(r"(\[[\w, ]+\])+$", "", name).replace(".", "_").replace("'", "_").isidentifier()
    number = name.replace(".", "", 1).isdecimal() or name.removeprefix("#").isdecimal()
    return name, ATOM if word or number else LABEL


def number_text(x: Any) -> Printed:
    """A number as short as it can be written: 2 for 2.0, and pi by its name."""
    if type(x) is float and x == math.pi:
        return "pi", ATOM
    written = str(int(x)) if isinstance(x, float) and x.is_integer() and abs(x) < 1e15 else str(x)
    return written, PRODUCT if "/" in written else SIGN if written.startswith("-") else ATOM


# ---- LaTeX ---------------------------------------------------------------------------------------------------------

SIGNS = {"<=": r"\le", ">=": r"\ge", "&": r"\wedge"}
ENCLOSING = {  # what goes round an operand instead of a name before it
    "sqrt": (r"\sqrt{", "}", POWER),
    "cbrt": (r"\sqrt[3]{", "}", POWER),
    "exp": ("e^{", "}", POWER),
    "abs": (r"\lvert ", r" \rvert", ATOM),
}
FUNCTIONS = {name: "\\" + name for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "log", "arctan")} | {
    "asin": r"\arcsin", "acos": r"\arccos", "atan": r"\arctan", "log2": r"\log_2", "log10": r"\log_{10}",
    "minimum": r"\min", "maximum": r"\max", "sigmoid": r"\sigma", "normal_cdf": r"\Phi",
}  # fmt: skip
ESCAPES = {c: "\\" + c for c in "{}#$%&_"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}
BEGIN, END = r"\begin{cases} ", r" \end{cases}"


def latex(symbol: Symbol) -> str:
    r"""The formula in LaTeX's math mode, as MathJax and KaTeX know it: `1 - \mathrm{out}^{2}`.

    A name may be a user's label, which is data: every character that LaTeX would act on is escaped.
    """

    def wrap(part: Printed, needed: int) -> str:
        return part[0] if part[1] >= needed else rf"\left({part[0]}\right)"

    def visit(part: Symbol, printed: list[Printed]) -> Printed:
        result = spell(part, printed)
        return result if len(result[0]) <= 2 * LONGEST else (r"\ldots", ATOM)

    def spell(part: Symbol, printed: list[Printed]) -> Printed:
        operation = part.operation
        if not printed:
            return name_latex(part.content) if isinstance(part.content, str) else number_latex(part.content)
        if operation == "/":
            (above, _), (below, _) = printed
            if above.startswith("-") and printed[0][1] >= PRODUCT:
                return rf"-\frac{{{above[1:]}}}{{{below}}}", PRODUCT
            return rf"\frac{{{above}}}{{{below}}}", POWER
        if operation == "**":
            return f"{wrap(printed[0], ATOM)}^{{{printed[1][0]}}}", POWER
        if operation in OPERATORS:
            own, left, right = OPERATORS[operation]
            x, y = wrap(printed[0], left), wrap(printed[1], right)
            sign = SIGNS.get(operation, operation)
            if operation == "*":
                sign = r"\cdot" if y[0].isdigit() else r"\,"
            return f"{x} {sign} {y}", own
        if operation == "neg":
            return "-" + wrap(printed[0], PRODUCT), PRODUCT
        if operation == "where":
            (condition, _), (x, _), (y, _) = printed
            other = y.removeprefix(BEGIN).removesuffix(END) if y.startswith(BEGIN) else rf"{y} & \text{{otherwise}}"
            return rf"{BEGIN}{x} & \text{{if }} {condition} \\ {other}{END}", CONDITIONAL
        if operation in ENCLOSING:
            before, after, own = ENCLOSING[operation]
            return before + printed[0][0] + after, own
        function = FUNCTIONS.get(operation) or rf"\operatorname{{{escape(operation)}}}"
        return rf"{function}\left({', '.join([argument for argument, _ in printed])}\right)", ATOM

    return fold(simplify(symbol), visit)[0]


def escape(label: str) -> str:
    """A label with every character escaped that LaTeX would act on; control characters become spaces."""
    return "".join([ESCAPES.get(c, c if c.isprintable() else " ") for c in label])


def name_latex(name: str) -> Printed:
    r"""A name or a label: x as it is, x_1 and w12 with an index, `out` upright, anything else as \text."""
    stem, _, index = name.partition("_")
    if not index:
        stem = name.rstrip("0123456789")
        index = name[len(stem) :]
    if stem.isascii() and stem.isalpha() and (not index or index.isalnum()):
        shown = stem if len(stem) == 1 else rf"\mathrm{{{stem}}}"
        return shown + (f"_{{{index}}}" if index else ""), ATOM
    written, tightness = name_text(name)
    return (written if tightness == ATOM and written.isdecimal() else rf"\text{{{escape(name)}}}"), tightness


def number_latex(x: Any) -> Printed:
    """A number: pi and infinity by their signs, a power of ten written out."""
    written, tightness = number_text(x)
    spelled = {"pi": r"\pi", "inf": r"\infty", "-inf": r"-\infty", "nan": r"\mathrm{NaN}"}.get(written)
    if spelled:
        return spelled, tightness
    digits, e, exponent = written.partition("e")
    return (
        (rf"{digits} \cdot 10^{{{int(exponent)}}}", PRODUCT)
        if e and exponent.strip("+-").isdecimal()
        else (written, tightness)
    )


# ---- JavaScript ----------------------------------------------------------------------------------------------------

WIDEST = 80  # characters of an expression; a longer part gets a name of its own
IN_JAVASCRIPT = {**OPERATORS, "&": (COMPARISON, AND, AND)}  # && holds together less tightly than < does


class Script(NamedTuple):
    """Expressions in JavaScript."""

    statements: tuple[str, ...]  # what comes first: `const t1 = exp(-x)`, a name for each part that is used twice
    results: tuple[str, ...]  # the expressions themselves
    helpers: frozenset[str]  # the functions that are called


def javascript(symbols: Sequence[Symbol], names: Mapping[str, str]) -> Script:
    """Expressions as straight-line JavaScript, each shared part computed once; `names` are what it calls the Symbols' names.

    Numbers are the same to the last bit. Functions are called by the names of `autograd.numeric`; `x**y` is `power(x, y)`,
    since JavaScript's own operator refuses `-x**2` and differs at 1**NaN. Raises TypeError for a number that is not a float,
    an int or a Fraction, and KeyError for a name that is not in `names`.
    """
    statements: list[str] = []
    helpers: set[str] = set()
    uses = uses_of(symbols)
    done: dict[int, Printed] = {}

    def wrap(part: Printed, needed: int) -> str:
        return part[0] if part[1] >= needed else f"({part[0]})"

    def visit(part: Symbol, printed: list[Printed]) -> Printed:
        if id(part) not in done:
            written, own = spell(part, printed)
            if part.operands and (uses[id(part)] > 1 or len(written) > WIDEST):
                statements.append(f"const t{len(statements) + 1} = {written}")
                written, own = f"t{len(statements)}", ATOM
            done[id(part)] = written, own
        return done[id(part)]

    def spell(part: Symbol, printed: list[Printed]) -> Printed:
        operation = part.operation
        if not printed:
            return (names[part.content], ATOM) if isinstance(part.content, str) else number_javascript(part.content)
        if operation in IN_JAVASCRIPT and operation != "**":
            own, left, right = IN_JAVASCRIPT[operation]
            sign = "&&" if operation == "&" else operation
            return f"{wrap(printed[0], left)} {sign} {wrap(printed[1], right)}", own
        if operation == "neg":
            return "-" + wrap(printed[0], ATOM), SIGN
        if operation == "where":
            condition, x, y = printed
            chosen, other = wrap(x, COMPARISON), wrap(y, CONDITIONAL)
            return f"{wrap(condition, COMPARISON)} ? {chosen} : {other}", CONDITIONAL
        function = "power" if operation == "**" else operation
        helpers.add(function)
        return f"{function}({', '.join([argument for argument, _ in printed])})", ATOM

    results = tuple([fold(symbol, visit)[0] for symbol in symbols])
    return Script(tuple(statements), results, frozenset(helpers))


def uses_of(symbols: Sequence[Symbol]) -> Counter[int]:
    """How often each part stands in other parts, or in `symbols` itself, by its id."""
    uses = Counter(map(id, symbols))
    seen: set[int] = set()

    def visit(part: Symbol, _: list[None]) -> None:
        if id(part) not in seen:
            seen.add(id(part))
            uses.update(map(id, part.operands))

    for symbol in symbols:
        fold(symbol, visit)
    return uses


def number_javascript(x: Any) -> Printed:
    """A number as JavaScript reads it: what Python takes it for beside a float, to the last bit."""
    if not isinstance(x, (int, float)) and home(x) != "fractions":
        raise TypeError(f"JavaScript has no {type(x).__name__}, only floats; got {x!r:.80}")
    exact = isinstance(x, int) and abs(x) <= 2**53
    written = repr(x if exact else float(x)).replace("inf", "Infinity").replace("nan", "NaN")
    return written, SIGN if written.startswith("-") else ATOM


# ---- a rule's formulas ---------------------------------------------------------------------------------------------


class Formula(NamedTuple):
    """A local derivative of a rule as a formula: d out / d `operand`."""

    operand: str  # the operand's name
    symbol: Symbol  # the formula's structure, as the rule has it
    text: str  # `1 - out**2`
    latex: str  # `1 - \mathrm{out}^{2}`


def operand_names(rule: Rule, count: int | None = None) -> tuple[str, ...]:
    """The names that a rule's author gave to its operands; x_1, x_2, ... for an n-ary rule (four, if not told)."""
    if rule.arity is None:
        return tuple([f"x_{i}" for i in range(1, (4 if count is None else count) + 1)])
    written: Any = rule.textbook or rule.partials
    code = getattr(written[0], "__code__", None) if written else None
    names = code.co_varnames[: code.co_argcount] if code else ()
    if len(names) == rule.arity + 1 and "out" not in names[:-1]:
        return tuple(names[:-1])
    return ("x", "y", "z")[: rule.arity] if rule.arity <= 3 else tuple([f"x_{i}" for i in range(1, rule.arity + 1)])


def read(rule: Rule, count: int | None = None, textbook: bool = True) -> tuple[Symbol, ...]:
    """Read a rule with Symbols: every local derivative, in the names of `operand_names` and `out`.

    `count` is the number of operands of an n-ary rule; `textbook=False` reads the recipe that computes instead of the
    form that a book prints. Raises TypeError if the rule does with an operand what only a plain number can do, and
    ValueError if it does not give one local derivative per operand.
    """
    operands = tuple([Symbol(name) for name in operand_names(rule, count)])
    form = rule._replace(partials=rule.textbook) if textbook and rule.textbook is not None else rule
    try:
        slopes = tuple([Symbol(slope) for slope in form.slopes(operands, Symbol("out"))])
    except TypeError as error:
        error.add_note(f"while reading the local derivatives of the rule {rule.name!r}")
        raise
    if len(slopes) != len(operands):
        raise ValueError(f"the rule {rule.name!r} gave {len(slopes)} local derivatives for {len(operands)} operands")
    return slopes


def formulas(rule: Rule, names: Sequence[str] | None = None, out: str = "out") -> tuple[Formula, ...]:
    """The formula of each local derivative, with the operands called `names` and the result called `out`.

    >>> [formula.text for formula in formulas(RULES["*"], ("a", "b"))]
    ['b', 'a']

    Raises ValueError if a rule that takes a fixed number of operands is given another number of names, else as `read`.
    """
    own = operand_names(rule, None if names is None else len(names))
    shown = own if names is None else tuple(names)
    if len(shown) != len(own):
        count = f"{len(own)} operand{'s' * (len(own) != 1)}"
        raise ValueError(f"{rule.name} takes {count}, got {len(shown)} names: {', '.join(shown)}")
    given = {name: Symbol(label) for name, label in zip((*own, "out"), (*shown, out), strict=True)}
    found = []
    for name, symbol in zip(shown, read(rule, len(own)), strict=True):
        named = substitute(symbol, given)
        found.append(Formula(name, symbol, text(named), latex(named)))
    return tuple(found)


def expression(rule: Rule, operands: Sequence[Symbol]) -> Symbol | None:
    """A rule applied to operands as one writes it: `a*b`, `a**3`, `tanh(c)`, `leaky_relu(a, 0.2)`.

    None for a rule that is not written from its operands alone: an n-ary one, whose operands are lists, `where`, whose
    condition is not an operand, and one of the user's own that has the name of an operator.
    """
    misnamed = rule.name in (*OPERATORS, "neg", "where") and rule is not RULES.get(rule.name)
    if rule.arity is None or misnamed or not all(map(is_operand, rule.parameters)):
        return None
    return node("**" if rule.maker is power_of else rule.name, *operands, *rule.parameters)
