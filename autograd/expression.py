"""A formula typed by a person, as a graph: parsed with Python's own grammar and a whitelist, never run as code.

>>> a, b = Value(2.0), Value(-3.0)
>>> build("tanh(a*b + 10)", {"a": a, "b": b})
Value(data=0.999329299739067, grad=0.0)
"""

import ast
import math
import operator
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from keyword import iskeyword
from typing import Any

from . import operations
from .engine import Value
from .functional import is_scalar
from .rules import MAKERS, RULES

MOST_CHARACTERS, MOST_PARTS, DEEPEST = 10_000, 1_000, 100
CONSTANTS = {"pi": math.pi, "e": math.e}
BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operations.add,
    ast.Sub: operations.sub,
    ast.Mult: operations.mul,
    ast.Div: operations.truediv,
    ast.Pow: operations.pow,
}
COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
ALLOWED = "numbers, names, + - * / **, parentheses, pi, e, and operations such as exp(a) or logsumexp(a, b)"
FORBIDDEN = {
    ast.Attribute: "an attribute (a dot)",
    ast.Subscript: "a subscript (square brackets behind a name)",
    ast.Lambda: "a lambda",
    ast.IfExp: "if ... else (write where(a > 0, b, c))",
    ast.BoolOp: "and, or",
    ast.NamedExpr: "an assignment",
    ast.JoinedStr: "a string",
    ast.Tuple: "a comma outside of an operation's parentheses",
    ast.Starred: "a star before an operand",
    ast.BitXor: "^ (a power is written **)",
    ast.Compare: "a chain of comparisons",
}
ALIASES = {  # what operations are called elsewhere, or how to write what is none
    "ln": "log", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arctan2": "atan2", "absolute": "abs", "fabs": "abs",
    "sqr": "x**2", "square": "x**2", "root": "sqrt", "max": "maximum", "min": "minimum", "power": "pow", "lg": "log10",
    "logistic": "sigmoid", "expit": "sigmoid", "swish": "silu",
}  # fmt: skip
NEIGHBOURS = re.compile(  # two operands with nothing between them: 2x, sin x, (a + b)x
    r"((?<![\w.])(?:\d++\.?\d*+(?:[eE][+-]?\d++)?+|\.\d++|[^\W\d]\w*+)|\))\s*+([^\W\d]\w*+|\d[\d.]*+)"
)


class ExpressionError(ValueError):
    """What is wrong with an expression, with a mark below the place.

    Attributes:
        problem: the error alone, in one sentence.
        column: where it is, counted from 0; None if it has no place of its own.
    """

    def __init__(self, problem: str, line: str = "", column: int | None = None) -> None:
        self.problem, self.column = problem, column
        if column is not None:
            start = max(0, min(column - 40, len(line) - 72))
            seen = "".join([c if c.isprintable() else " " for c in line[start : start + 72]])
            problem += f"\n    {seen}\n    {' ' * (column - start)}^"
        super().__init__(problem)


def public_operations() -> dict[str, Callable[..., Any]]:
    """Every operation by the name that it has in `autograd`."""
    import autograd

    public = {name: f for name, f in vars(autograd).items() if getattr(f, "__module__", "") == operations.__name__}
    return {name: public[name] for name in sorted(public) if name != "operation"}


def build(expression: str, variables: Mapping[str, Value]) -> Any:
    """The Value that `expression` computes from `variables`; a float if no variable is in it.

    Allowed are numbers, names, `+ - * / **`, parentheses, the constants pi and e (unless a variable is called so), and
    the operations of `autograd` by their names: `leaky_relu(a, slope=0.2)`, `logsumexp(a, b)`, `dot([a, b], [c, d])`,
    `where(a > 0, a, b)`.

    Raises ExpressionError for anything else: bad grammar, an unknown name, a variable that does not occur, more than
    10,000 characters, 1,000 parts or 100 levels.
    """
    source = Source(expression)
    tree = source.parse()
    names = {part.id for part in ast.walk(tree) if isinstance(part, ast.Name)}
    found = Builder(source, variables).visit(tree)
    for name in variables:
        if unicodedata.normalize("NFKC", name) not in names:
            raise ExpressionError(f"{name} is given, but it does not occur in the expression; leave it out")
    if isinstance(found, bool) or not isinstance(found, (Value, int, float)):
        raise source.error("the result should be a number, not a comparison or a list", tree)
    return found if isinstance(found, Value) else float(found)


class Source:
    """The text of an expression, which knows where its parts stand."""

    def __init__(self, expression: str) -> None:
        self.text = expression.strip()

    def parse(self) -> ast.expr:
        """The tree of the text, whose size and depth are within bounds."""
        if len(self.text) > MOST_CHARACTERS:
            raise ExpressionError(f"the expression has {len(self.text):,} characters; the most is {MOST_CHARACTERS:,}")
        if not self.text:
            raise ExpressionError('the expression is empty; write one, as in "a*b + c"')
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the parser's advice to programmers
                tree = ast.parse(self.text, mode="eval").body
        except SyntaxError as error:
            raise self.missing() or self.error_at(error.msg, error.lineno or 1, (error.offset or 1) - 1) from None
        except (RecursionError, MemoryError):
            raise ExpressionError(f"the expression is nested too deeply; the most is {DEEPEST} levels") from None
        except ValueError as error:  # a null character, half a surrogate pair
            raise ExpressionError(f"the expression is not a text that can be read: {error}") from None
        self.measure(tree)
        return tree

    def measure(self, tree: ast.expr) -> None:
        """Raise ExpressionError for a tree that is too large or too deep."""
        level: list[ast.AST] = [tree]
        size = depth = 0
        while level:
            size, depth = size + len(level), depth + 1
            level = [part for parent in level for part in operand_parts(parent)]
        if depth > DEEPEST:
            raise ExpressionError(
                f"the expression is nested {depth:,} levels deep, the most is {DEEPEST}; sum(a, b, c) is one level"
            )
        if size > MOST_PARTS:
            raise ExpressionError(f"the expression has {size:,} parts; the most is {MOST_PARTS:,}")

    def missing(self) -> ExpressionError | None:
        """The error for what people write and Python does not read: 2x, sin x, y = 2*x. None if it is something else."""
        if any(c in self.text for c in "\n\r'\""):  # in quotes it would be no mistake
            return None
        for found in NEIGHBOURS.finditer(self.text):
            left, right = found.groups()
            if left == "0" or iskeyword(left) or iskeyword(right) or is_expression(found[0]):
                continue
            if left in public_operations():
                return self.error_at(f"parentheses are missing: write {left}({right})", 1, found.start())
            return self.error_at(f"a * is missing: write {left.replace(')', '(...)')}*{right}", 1, found.start())
        equals = re.search(r"(?<![=<>!:])=(?!=)", self.text)
        if equals and "(" not in self.text[: equals.start()]:
            problem = "an expression has no =; write what is to be computed, and the variables' values behind it"
            return self.error_at(problem, 1, equals.start())
        return None

    def written(self, *parts: ast.expr | ast.keyword) -> str:
        """Parts as the operands of an operation; long ones as an ellipsis."""
        return ", ".join([text if len(text) <= 20 else "..." for text in map(ast.unparse, parts)])

    def error(self, problem: str, part: ast.expr | ast.keyword) -> ExpressionError:
        """An error with a mark below one part."""
        before = self.lines()[part.lineno - 1].encode("utf-8", "surrogatepass")[: part.col_offset]
        return self.error_at(problem, part.lineno, len(before.decode("utf-8", "ignore")))

    def error_at(self, problem: str, line: int, column: int) -> ExpressionError:
        """An error with a mark below one character."""
        lines = self.lines()
        shown = lines[min(line, len(lines)) - 1]
        return ExpressionError(problem, shown, min(max(column, 0), len(shown)))

    def lines(self) -> list[str]:
        """The lines as the parser counts them."""
        return self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def operand_parts(part: ast.AST) -> Iterator[ast.AST]:
    """The expressions in an expression: what takes part in its size and depth."""
    for child in ast.iter_child_nodes(part):
        if isinstance(child, (ast.expr, ast.keyword, ast.comprehension, ast.arguments, ast.arg)):
            yield child


def is_expression(text: str) -> bool:
    """Whether a text is one by itself: 1e5 or 0x1f."""
    try:
        ast.parse(text, mode="eval")
    except SyntaxError:
        return False
    return True


class Builder:
    """Walks the tree of an expression and makes the graph. What it has no method for is forbidden."""

    def __init__(self, source: Source, variables: Mapping[str, Value]) -> None:
        self.source = source
        self.variables = {unicodedata.normalize("NFKC", name): value for name, value in variables.items()}
        self.operations = public_operations()

    def visit(self, part: ast.expr) -> Any:
        """The Value or number of one part: a Value, a float, an int, or a bool or list among operands."""
        visit = getattr(self, f"visit_{type(part).__name__}", None)
        if visit is None:
            raise self.forbidden(part, part)
        return visit(part)

    def forbidden(self, kind: ast.AST, part: ast.expr) -> ExpressionError:
        """The error for a part of a kind that is not allowed."""
        name = FORBIDDEN.get(type(kind), type(kind).__name__)
        return self.source.error(f"not allowed here: {name}; allowed are {ALLOWED}", part)

    def visit_Constant(self, part: ast.Constant) -> Any:
        if type(part.value) not in (int, float):
            raise self.source.error(f"not allowed here: {part.value!r:.40}; allowed are {ALLOWED}", part)
        return part.value

    def visit_Name(self, part: ast.Name) -> Any:
        if part.id in self.variables:
            return self.variables[part.id]
        if part.id in CONSTANTS:
            return CONSTANTS[part.id]
        if part.id in self.operations:
            raise self.source.error(f"{part.id} is an operation: write {part.id}(...)", part)
        raise self.source.error(f"no value is given for {part.id}; add one, as in {part.id}=1.5", part)

    def visit_List(self, part: ast.List) -> Any:
        return [self.visit(element) for element in part.elts]

    def visit_UnaryOp(self, part: ast.UnaryOp) -> Any:
        if not isinstance(part.op, (ast.USub, ast.UAdd)):
            raise self.forbidden(part.op, part)
        x = self.visit(part.operand)
        return x if isinstance(part.op, ast.UAdd) else self.apply(part, operator.neg, x)

    def visit_BinOp(self, part: ast.BinOp) -> Any:
        if type(part.op) not in BINARY:
            raise self.forbidden(part.op, part)
        return self.apply(part, BINARY[type(part.op)], self.visit(part.left), self.visit(part.right))

    def visit_Compare(self, part: ast.Compare) -> Any:
        if len(part.ops) != 1 or type(part.ops[0]) not in COMPARISONS:
            if isinstance(part.ops[0], (ast.Eq, ast.NotEq)):
                problem = "numbers are compared by < <= > >= alone; a variable's value stands behind it all, as in x=1"
                raise self.source.error(problem, part)
            raise self.forbidden(part, part)
        return self.apply(part, COMPARISONS[type(part.ops[0])], self.visit(part.left), self.visit(part.comparators[0]))

    def visit_Call(self, part: ast.Call) -> Any:
        if not isinstance(part.func, ast.Name) or part.func.id not in self.operations:
            raise self.not_an_operation(part)
        name = part.func.id
        operands: list[Any] = [self.visit(argument) for argument in part.args]
        if is_n_ary(name) and not any(isinstance(x, list) for x in operands):
            operands = [operands]
        return self.apply(part, self.operations[name], *operands, **dict(map(self.keyword, part.keywords)))

    def not_an_operation(self, call: ast.Call) -> ExpressionError:
        """The error for a call of something else, with how it should be written: x.tanh(), 2(x + 1), ln(x)."""
        called, written = call.func, self.source.written
        operands: list[ast.expr | ast.keyword] = [*call.args, *call.keywords]
        if isinstance(called, (ast.Constant, ast.BinOp)) or getattr(called, "id", "") in self.variables:
            left = f"({written(called)})" if isinstance(called, ast.BinOp) else written(called)
            return self.source.error(f"a * is missing: write {left}*({written(*operands)})", called)
        name = called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""
        near = [ALIASES[name]] if name in ALIASES else get_close_matches(name, self.operations)
        if isinstance(called, ast.Attribute) and {name, *near} & self.operations.keys():
            module = isinstance(called.value, ast.Name) and called.value.id not in self.variables  # np.tanh(x)
            given = operands if module and operands else [called.value, *operands]
            name = name if name in self.operations else near[0]
            return self.source.error(f"a dot is not allowed: write {name}({written(*given)})", called)
        if not isinstance(called, ast.Name):
            return self.source.error(f"only operations can be called, by their names; allowed are {ALLOWED}", called)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(self.operations)}"
        return self.source.error(f"no operation is called {name}; {hint}", called)

    def keyword(self, keyword: ast.keyword) -> tuple[str, Any]:
        """A parameter by its name: slope=0.2, target=1, approximate="tanh"."""
        if keyword.arg is None:
            raise self.source.error("two stars are not allowed; write parameters as name=number", keyword)
        if isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, str):
            return keyword.arg, keyword.value.value
        value = self.visit(keyword.value)
        if isinstance(value, (Value, list)):
            raise self.source.error(f"{keyword.arg} is a parameter and takes a plain number", keyword.value)
        return keyword.arg, value

    def apply(self, part: ast.expr, function: Callable[..., Any], *operands: Any, **parameters: Any) -> Any:
        """Compute one operation; its complaints become errors that show the place."""
        if isinstance(part, (ast.UnaryOp, ast.BinOp, ast.Compare)) and not all(is_scalar(x) for x in operands):
            raise self.source.error("expected numbers here, not a comparison or a list", part)
        try:
            return function(*operands, **parameters)
        except (TypeError, ValueError, OverflowError) as error:
            problem = re.sub(r"^\w+\(\) ", "", str(error))  # "dot() missing 1 required ..."
            if isinstance(part, ast.Call) and isinstance(part.func, ast.Name):
                problem = f"{part.func.id}: " + problem.removeprefix(f"{part.func.id} ")
                problem += "; lists are written [a, b]" if is_n_ary(part.func.id) else ""
            raise self.source.error(problem, part) from None


def is_n_ary(name: str) -> bool:
    """Whether an operation takes any number of operands, as one list."""
    if name in MAKERS:
        return MAKERS[name](*MAKERS[name].examples[0]).arity is None  # type: ignore[attr-defined]
    return name in RULES and RULES[name].arity is None
