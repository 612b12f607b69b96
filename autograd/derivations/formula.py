"""NumPy code as people write it down, run without Python's exec: parsed by Python's grammar, evaluated by a whitelist.

    >>> Code("yhat = sigmoid(w*x); (yhat - y)*x").run({"w": 0.5, "x": 2.0, "y": 1.0})[0]
    -0.537...

The same code runs on floats and arrays of them, and on object arrays of Values. What the evaluator has no method for is
forbidden: names are the given ones, functions are NumPy's ufuncs, a few of its other functions, and autograd's operations.
"""

from __future__ import annotations

import ast
import builtins
import math
import operator
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from textwrap import dedent
from typing import Any

import numpy as np

from .. import operations
from ..engine import Value
from ..expression import ALIASES, CONSTANTS, ExpressionError, Source, is_n_ary, public_operations

MOST_CHARACTERS, MOST_PARTS, DEEPEST = 20_000, 5_000, 100
MOST_NUMBERS = 10_000_000  # in one array
ARRAY_FUNCTIONS = {  # NumPy's that are no ufuncs; a ufunc needs no entry
    "amax", "amin", "arange", "argmax", "argmin", "array", "asarray", "atleast_2d", "broadcast_to", "clip", "column_stack",
    "concatenate", "convolve", "copy", "cumsum", "diag", "dot", "einsum", "empty", "expand_dims", "eye", "flip", "full",
    "hstack", "identity", "inner", "linspace", "max", "mean", "min", "moveaxis", "ones", "ones_like", "outer", "prod",
    "ravel", "repeat", "reshape", "roll", "shape", "size", "squeeze", "stack", "std", "sum", "swapaxes", "take", "tensordot",
    "tile", "trace", "transpose", "tril", "triu", "var", "vstack", "where", "zeros", "zeros_like",
}  # fmt: skip
METHODS = (
    "T", "all", "any", "argmax", "argmin", "astype", "clip", "copy", "cumsum", "diagonal", "dot", "flatten", "max", "mean",
    "min", "ndim", "prod", "ravel", "repeat", "reshape", "shape", "size", "squeeze", "std", "sum", "swapaxes", "take",
    "trace", "transpose", "var",
)  # fmt: skip
KEYWORDS = ("axis", "keepdims", "dtype", "ddof", "k")
MADE = {"zeros": 0.0, "zeros_like": 0.0, "empty": 0.0, "ones": 1.0, "ones_like": 1.0}  # of Values too, if f makes them
TYPES = {"float": float, "int": int, "bool": bool}
MODULES = ("np", "numpy", "autograd", "math")
WORDS = {"True": True, "False": False, "None": None, "newaxis": None, "inf": math.inf}
BINARY: dict[type[ast.operator], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.Div: ("/", operator.truediv),
    ast.FloorDiv: ("//", operator.floordiv),
    ast.Mod: ("%", operator.mod),
    ast.Pow: ("**", operator.pow),
    ast.MatMult: ("@", operator.matmul),
    ast.BitAnd: ("&", operator.and_),
    ast.BitOr: ("|", operator.or_),
}
UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: np.logical_not,
    ast.Not: np.logical_not,
}
COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
FORBIDDEN = {
    ast.Lambda: "a lambda",
    ast.IfExp: "if ... else (write np.where(a > 0, b, c))",
    ast.BoolOp: "and, or (of arrays write (a > 0) & (b > 0))",
    ast.ListComp: "a loop in brackets (write it with arrays, or give a Python function)",
    ast.GeneratorExp: "a loop in parentheses (write it with arrays, or give a Python function)",
    ast.For: "a loop (write it with arrays, or give a Python function)",
    ast.While: "a loop (write it with arrays, or give a Python function)",
    ast.FunctionDef: "def (give the function itself instead of its text, or only its lines)",
    ast.Return: "return (let the last line be what it returns)",
    ast.Import: "an import (np is NumPy already)",
    ast.ImportFrom: "an import (np is NumPy already)",
    ast.JoinedStr: "a string",
    ast.BitXor: "^ (a power is written **)",
    ast.If: "if (write np.where(a > 0, b, c))",
}
ALLOWED = (
    "assignments and formulas of names, numbers, + - * / ** @, comparisons, indices, NumPy's and autograd's functions"
)


class Code:
    """A formula, or lines of NumPy code, as text.

    Args:
        text: what somebody wrote; indented lines and comments are fine.
        what: what errors call it.

    Attributes:
        assigned: the names that it assigns, in order.
        gradients: the names whose gradients it assigns as `grads["W"] = ...`, in order.
        formula: whether its last line is an expression.

    Raises ExpressionError for what is no Python, for what is not allowed, and for more than 20,000 characters, 5,000 parts
    or 100 levels.
    """

    def __init__(self, text: str, what: str = "the formula") -> None:
        self.what = what
        self.source = Source(dedent(text.expandtabs(4)).strip("\n").rstrip() if "\n" in text else text)
        self.body = self.parse()
        self.assigned: list[str] = []
        self.gradients: list[str] = []
        self.changed: set[str] = set()  # in place, or assigned again
        for statement in self.body:
            self.note_targets(statement)
        self.formula = isinstance(self.body[-1], ast.Expr)

    def parse(self) -> list[ast.stmt]:
        source = self.source
        if len(source.text) > MOST_CHARACTERS:
            raise self.error_of(f"it has {len(source.text):,} characters; the most is {MOST_CHARACTERS:,}")
        if not source.text.strip():
            raise self.error_of('it is empty; write one, as in "X.T @ (p - t)"')
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                body = ast.parse(source.text).body
        except SyntaxError as error:
            missing = source.missing() if "\n" not in source.text and "=" not in source.text else None
            problem = missing.problem if missing else error.msg
            column = missing.column if missing else (error.offset or 1) - 1
            raise self.error_at(problem, error.lineno or 1, column or 0) from None
        except (RecursionError, MemoryError):
            raise self.error_of(f"it is nested too deeply; the most is {DEEPEST} levels") from None
        except ValueError as error:
            raise self.error_of(f"it is not a text that can be read: {error}") from None
        level: list[ast.AST] = list(body)
        size = depth = 0
        while level:
            size, depth = size + len(level), depth + 1
            level = [part for parent in level for part in ast.iter_child_nodes(parent)]
        if size > MOST_PARTS or depth > DEEPEST:
            raise self.error_of(
                f"it has {size:,} parts on {depth:,} levels; the most is {MOST_PARTS:,} and {DEEPEST} levels"
            )
        if not body:
            raise self.error_of('it has no line that computes anything; write one, as in "X.T @ (p - t)"')
        return body

    def note_targets(self, statement: ast.stmt) -> None:
        """Remember what a statement assigns; ExpressionError for a statement that is not allowed."""
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, (ast.AugAssign, ast.AnnAssign)) and statement.value is not None:
            targets = [statement.target]
        elif isinstance(statement, (ast.Expr, ast.Pass)):
            return
        else:
            raise self.forbidden(statement, statement)
        for target in targets:
            for part in target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]:
                if isinstance(part, ast.Name):
                    if part.id in self.assigned:
                        self.changed.add(part.id)
                    else:
                        self.assigned.append(part.id)
                elif isinstance(part, ast.Subscript) and isinstance(part.value, ast.Name):
                    key = part.slice.value if isinstance(part.slice, ast.Constant) else None
                    if not isinstance(key, str):
                        self.changed.add(part.value.id)
                    elif part.value.id == "grads" and key not in self.gradients:
                        self.gradients.append(key)
                else:
                    raise self.error(f"not allowed here: an assignment to {ast.unparse(part)}; assign to a name", part)

    @property
    def names(self) -> set[str]:
        """The names that stand in the text."""
        return {part.id for statement in self.body for part in ast.walk(statement) if isinstance(part, ast.Name)}

    def numbers(self) -> set[int]:
        """The ints that stand in the text."""
        parts = [part for statement in self.body for part in ast.walk(statement)]
        return {part.value for part in parts if isinstance(part, ast.Constant) and type(part.value) is int}

    def run(
        self, names: Mapping[str, Any], values: bool = False, settled: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """What the last line computes, and every name afterwards. Arrays among `names` are changed if the code does so.

        With `values` arrays that the code makes (np.zeros) can hold Values. Raises ExpressionError, with a mark below the
        place, for what fails; `settled` then gets the names that this line and those below it do not change.
        """
        return Evaluator(self, names, values).run({} if settled is None else settled)

    # ---- errors ----------------------------------------------------------------------------------------------------

    def error_of(self, problem: str) -> ExpressionError:
        return ExpressionError(f"{self.what}: {problem}")

    def error_at(self, problem: str, line: int, column: int) -> ExpressionError:
        """An error with a mark below one character."""
        lines = self.source.lines()
        where = f", line {line}" if len(lines) > 1 else ""
        shown = lines[min(line, len(lines)) - 1]
        return ExpressionError(f"{self.what}{where}: {problem}", shown, min(max(column, 0), len(shown)))

    def error(self, problem: str, part: Any) -> ExpressionError:
        """An error with a mark below one part."""
        before = self.source.lines()[part.lineno - 1].encode("utf-8", "surrogatepass")[: part.col_offset]
        return self.error_at(problem, part.lineno, len(before.decode("utf-8", "ignore")))

    def forbidden(self, kind: ast.AST, part: Any) -> ExpressionError:
        name = FORBIDDEN.get(type(kind), type(kind).__name__)
        return self.error(f"not allowed here: {name}; allowed are {ALLOWED}", part)


class Evaluator:
    """Walks the lines of a Code. What it has no method for is forbidden."""

    def __init__(self, code: Code, names: Mapping[str, Any], values: bool) -> None:
        self.code, self.values = code, values
        self.names = {unicodedata.normalize("NFKC", name): x for name, x in names.items()}
        self.operations = public_operations()

    def run(self, settled: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        result = None
        if "grads" not in self.names:
            self.names["grads"] = {}
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for i, statement in enumerate(self.code.body):
                try:
                    result = self.statement(statement)
                except ExpressionError:
                    settled |= self.settled(self.code.body[i:])
                    raise
        return result, self.names

    def settled(self, rest: Sequence[ast.stmt]) -> dict[str, Any]:
        """The names whose values these lines do not change, not by another name of the same array either."""
        names: set[str] = set()
        for part in [part for statement in rest for part in ast.walk(statement)]:
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                names.add(part.id)
            elif isinstance(part, ast.Subscript) and isinstance(part.ctx, ast.Store):
                key = part.slice.value if isinstance(part.slice, ast.Constant) else None
                names.add(key if isinstance(key, str) else ast.unparse(part.value))
        grads = self.names["grads"] if isinstance(self.names["grads"], dict) else {}
        changed = [x for x in [self.names.get(n, grads.get(n)) for n in names] if isinstance(x, np.ndarray)]

        def kept(found: Mapping[str, Any]) -> dict[str, Any]:
            return {
                name: x
                for name, x in found.items()
                if name not in names
                and not (isinstance(x, np.ndarray) and any(np.may_share_memory(x, y) for y in changed))
            }

        return {**kept({n: x for n, x in self.names.items() if n != "grads"}), "grads": kept(grads)}

    # ---- statements ------------------------------------------------------------------------------------------------

    def statement(self, statement: ast.stmt) -> Any:
        """Run one line, and return what it computed."""
        if isinstance(statement, ast.Expr):
            return self.visit(statement.value)
        if isinstance(statement, ast.AugAssign):
            return self.augment(statement)
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value is not None:
            value = self.visit(statement.value)
            for target in statement.targets if isinstance(statement, ast.Assign) else [statement.target]:
                self.assign(target, value)
            return value
        return None

    def assign(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            self.names[target.id] = value
        elif isinstance(target, (ast.Tuple, ast.List)):
            items = list(value) if np.ndim(value) or isinstance(value, (tuple, list)) else []
            if len(items) != len(target.elts):
                raise self.code.error(f"{len(target.elts)} names on the left, {shape_text(value)} on the right", target)
            for part, item in zip(target.elts, items):
                self.assign(part, item)
        elif isinstance(target, ast.Subscript):
            holder, index = self.visit(target.value), self.index(target.slice)
            if isinstance(holder, dict):
                holder[index] = value
            elif not isinstance(holder, np.ndarray):
                raise self.code.error(f"{ast.unparse(target.value)} is {shape_text(holder)}: it has no entries", target)
            else:
                self.attempt(target, holder.__setitem__, index, value)

    def augment(self, statement: ast.AugAssign) -> Any:
        """`x += y`: an array is changed in place, as NumPy does."""
        target, (sign, function) = statement.target, self.binary(statement.op, statement)
        read: Any = ast.copy_location(
            ast.Name(target.id, ast.Load())
            if isinstance(target, ast.Name)
            else ast.Subscript(target.value, target.slice, ast.Load()),  # type: ignore[union-attr]
            target,
        )
        before, other = self.visit(read), self.visit(statement.value)
        after = self.operate(statement, sign, function, before, other)
        if isinstance(before, np.ndarray) and before.ndim and isinstance(target, ast.Name):
            if np.shape(after) != before.shape:
                problem = f"{target.id} is {shape_text(before)}, and {sign}= would make it {shape_text(after)}"
                raise self.code.error(problem, statement)
            if before.dtype.kind in "biu" and np.asarray(after).dtype.kind == "f":
                name = target.id
                problem = f"{name} holds integers, which {sign}= would make floats: write {name} = {name} {sign} ..."
                raise self.code.error(problem, statement)
            self.attempt(statement, before.__setitem__, ..., after)
            return before
        self.assign(target, after)
        return after

    # ---- expressions -----------------------------------------------------------------------------------------------

    def visit(self, part: ast.expr) -> Any:
        visit = getattr(self, f"visit_{type(part).__name__}", None)
        if visit is None:
            raise self.code.forbidden(part, part)
        return visit(part)

    def visit_Constant(self, part: ast.Constant) -> Any:
        if part.value is not None and part.value is not ... and type(part.value) not in (int, float, bool):
            raise self.code.error(f"not allowed here: {part.value!r:.40}; allowed are {ALLOWED}", part)
        return part.value

    def visit_Name(self, part: ast.Name) -> Any:
        name = part.id
        if name in self.names:
            return self.names[name]
        if name in CONSTANTS or name in WORDS or name in TYPES:
            return {**CONSTANTS, **WORDS, **TYPES}[name]
        if self.function(name) is not None:
            raise self.code.error(f"{name} is a function: write {name}(...)", part)
        raise self.code.error(self.unknown(name), part)

    def unknown(self, name: str) -> str:
        """What to say of a name that nothing stands for."""
        known = [known for known in self.names if known != "grads"]
        near = near_matches(name, known)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        later = "is used before the line that assigns it" if name in self.code.assigned else "is not known"
        return (
            f"{name} {later}{hint} Known are {listed(known)}" if hint else f"{name} {later}; known are {listed(known)}"
        )

    def visit_Tuple(self, part: ast.Tuple) -> Any:
        return tuple([self.visit(x) for x in part.elts])

    def visit_List(self, part: ast.List) -> Any:
        return [self.visit(x) for x in part.elts]

    def visit_Dict(self, part: ast.Dict) -> Any:
        if any(not isinstance(key, ast.Constant) or not isinstance(key.value, str) for key in part.keys):
            raise self.code.error('a dict is one of gradients by name, as in grads = {"W": X.T @ d}', part)
        return {key.value: self.visit(x) for key, x in zip(part.keys, part.values)}  # type: ignore[union-attr]

    def visit_UnaryOp(self, part: ast.UnaryOp) -> Any:
        return self.attempt(part, UNARY[type(part.op)], self.visit(part.operand))

    def visit_BinOp(self, part: ast.BinOp) -> Any:
        sign, function = self.binary(part.op, part)
        return self.operate(part, sign, function, self.visit(part.left), self.visit(part.right))

    def binary(self, op: ast.operator, part: Any) -> tuple[str, Callable[[Any, Any], Any]]:
        if type(op) not in BINARY:
            raise self.code.forbidden(op, part)
        return BINARY[type(op)]

    def operate(self, part: Any, sign: str, function: Callable[[Any, Any], Any], x: Any, y: Any) -> Any:
        """One operation of two operands, whose result cannot be huge."""
        if sign == "@":
            self.bound(part, np.shape(x)[:-1] + np.shape(y)[:-2] + np.shape(y)[-1:])
        elif np.ndim(x) and np.ndim(y):
            self.bound(part, self.attempt(part, np.broadcast_shapes, np.shape(x), np.shape(y)))
        if isinstance(x, (int, float)) and isinstance(
            y, (int, float)
        ):  # Python's own: 1/0 raises, 10**10**10 is endless
            x, y = small(x), small(y)
            if sign == "**":
                return self.attempt(part, power, x, y)
            if sign == "/":
                return self.attempt(part, operations.truediv, x, y)
        return self.attempt(part, function, x, y)

    def visit_Compare(self, part: ast.Compare) -> Any:
        if len(part.ops) != 1 or type(part.ops[0]) not in COMPARISONS:
            raise self.code.error("not allowed here: a chain of comparisons; write (a < b) & (b < c)", part)
        x, y = self.visit(part.left), self.visit(part.comparators[0])
        if np.ndim(x) and np.ndim(y):
            self.bound(part, self.attempt(part, np.broadcast_shapes, np.shape(x), np.shape(y)))
        return self.attempt(part, COMPARISONS[type(part.ops[0])], x, y)

    def visit_Subscript(self, part: ast.Subscript) -> Any:
        holder = self.visit(part.value)
        index = self.index(part.slice)
        if isinstance(holder, dict) and index not in holder:
            name = ast.unparse(part)
            raise self.code.error(f"{name} is read before it is assigned; write {name} = ... first", part)
        if not isinstance(holder, (np.ndarray, np.generic, dict, tuple, list)):
            raise self.code.error(f"{ast.unparse(part.value)} is {shape_text(holder)}: it has no entries", part)
        return self.attempt(part, operator.getitem, holder, index)

    def index(self, part: ast.expr) -> Any:
        """What stands in square brackets: numbers, slices, arrays of them, or the name of a gradient."""
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            return part.value
        if isinstance(part, ast.Tuple):
            return tuple([self.index(x) for x in part.elts])
        if isinstance(part, ast.Slice):
            return slice(*[None if x is None else self.visit(x) for x in (part.lower, part.upper, part.step)])
        return self.visit(part)

    def visit_Attribute(self, part: ast.Attribute) -> Any:
        if self.is_module(part.value):
            if part.attr in CONSTANTS or part.attr in WORDS:
                return {**CONSTANTS, **WORDS}[part.attr]
            if part.attr in ("float64", "float32"):
                return float
            if self.function(part.attr) is not None:
                raise self.code.error(f"{ast.unparse(part)} is a function: write {ast.unparse(part)}(...)", part)
            raise self.code.error(self.no_function(ast.unparse(part)), part)
        x = self.visit(part.value)
        if part.attr not in ("T", "shape", "ndim", "size"):
            if part.attr in METHODS or part.attr in self.operations:
                raise self.code.error(f".{part.attr} is a method: write .{part.attr}(...)", part)
            raise self.code.error(f"not allowed here: .{part.attr}; of an array there are {listed(METHODS)}", part)
        return (
            getattr(np.asarray(x) if not isinstance(x, np.ndarray) else x, part.attr)
            if part.attr != "T"
            else transposed(x)
        )

    def visit_Call(self, part: ast.Call) -> Any:
        called = part.func
        if any(keyword.arg is None for keyword in part.keywords):
            raise self.code.error("two stars are not allowed here", part)
        if isinstance(called, ast.Attribute) and not self.is_module(called.value):
            return self.method(part, called)
        name = called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""
        if isinstance(called, ast.Name) and name in self.names:
            raise self.code.error(f"{name} is no function; a * is missing: write {name}*(...)", part)
        if not name:
            raise self.code.error("a * is missing before the parenthesis, or this is no function", part)
        if name in ("len", "float", "int", "range"):
            return self.builtin(part, name)
        function = self.function(name)
        if function is None:
            raise self.code.error(self.no_function(ast.unparse(called)), called)
        first = part.args[0] if part.args else None
        if name == "einsum" and isinstance(first, ast.Constant) and isinstance(first.value, str):
            operands: list[Any] = [first.value, *map(self.visit, part.args[1:])]
            self.bound(part, np.concatenate([np.shape(x) for x in operands[1:]] or [[1]]))
        else:
            operands = [self.visit(x) for x in part.args]
        keywords = self.keywords(part)
        bare = isinstance(called, ast.Name)
        if name in MADE and self.values and "dtype" not in keywords:
            keywords["dtype"] = object
        if name in ("array", "asarray", "full") and holds_values(operands):
            keywords["dtype"] = object
        self.bound_call(part, name, operands)
        if bare and name in ("max", "min") and len(operands) > 1:  # Python's
            function = self.operations["maximum" if name == "max" else "minimum"]
        if bare and name == "sum" and len(operands) > 1 and not keywords:
            function, operands = builtins.sum, [operands]
        if name == "where" and holds_values(operands[1:]):
            function = self.operations["where"]
            operands[0] = np.asarray(operands[0]) if isinstance(operands[0], (bool, np.bool_)) else operands[0]
        if function is self.operations.get(name) and is_n_ary(name) and name not in ARRAY_FUNCTIONS:
            return self.attempt(part, self.n_ary, name, operands, keywords)
        made = self.attempt(part, function, *operands, **keywords)
        if name in MADE and keywords.get("dtype") is object:
            return np.full(np.shape(made), MADE[name], dtype=object)
        return made

    def n_ary(self, name: str, operands: list[Any], keywords: dict[str, Any]) -> Any:
        """An operation of many operands: logsumexp(a, b), logsumexp(s), or logsumexp(s, axis=1) of each row."""
        function, axis, keep = self.operations[name], keywords.pop("axis", None), keywords.pop("keepdims", False)
        if axis is None:
            if operands and not np.ndim(operands[0]):
                operands = [operands]
            return function(*operands, **keywords)
        x = np.moveaxis(np.asarray(operands[0]), axis, -1)
        rows = [function(row, *operands[1:], **keywords) for row in x.reshape(-1, x.shape[-1])]
        flat = np.empty(len(rows), dtype=object if holds_values(rows) else float)
        flat[:] = rows
        found = flat.reshape(x.shape[:-1])
        return np.expand_dims(found, axis) if keep else found

    def builtin(self, part: ast.Call, name: str) -> Any:
        if len(part.args) != 1 or part.keywords:
            raise self.code.error(f"{name} takes one argument here", part)
        x = self.visit(part.args[0])
        if name == "range":
            self.bound(part, (x,))
            return self.attempt(part, np.arange, x)
        functions: dict[str, Callable[[Any], Any]] = {"len": len, "float": float, "int": int}
        return self.attempt(part, functions[name], x)

    def method(self, part: ast.Call, called: ast.Attribute) -> Any:
        x, name = self.visit(called.value), called.attr
        operands, keywords = [self.visit(y) for y in part.args], self.keywords(part)
        if name in self.operations and name not in METHODS:
            return self.attempt(part, self.operations[name], x, *operands, **keywords)
        if name not in METHODS or name in ("T", "shape", "ndim", "size"):
            raise self.code.error(f"not allowed here: .{name}(...); of an array there are {listed(METHODS)}", part)
        if name == "repeat":
            self.bound_call(part, name, [x, *operands])
        array = x if isinstance(x, np.ndarray) else np.asarray(x)
        if name == "astype" and array.dtype == object:
            return x
        return self.attempt(part, getattr(array, name), *operands, **keywords)

    def keywords(self, part: ast.Call) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for keyword in part.keywords:
            if keyword.arg not in (*KEYWORDS, "slope", "alpha", "approximate", "target"):
                raise self.code.error(f"not allowed here: {keyword.arg}=; there are {', '.join(KEYWORDS)}", keyword)
            if keyword.arg == "approximate" and isinstance(keyword.value, ast.Constant):
                found[keyword.arg] = keyword.value.value
                continue
            value: Any = self.visit(keyword.value)
            found[keyword.arg] = value
            if keyword.arg == "dtype" and value not in [*TYPES.values(), None]:
                raise self.code.error("dtype is float, int or bool here", keyword)
        return found

    # ---- functions -------------------------------------------------------------------------------------------------

    def is_module(self, part: ast.expr) -> bool:
        return isinstance(part, ast.Name) and part.id in MODULES and part.id not in self.names

    def function(self, name: str) -> Callable[..., Any] | None:
        """What stands behind a function's name: a NumPy function of arrays, an operation, a ufunc."""
        if name in ARRAY_FUNCTIONS:
            return getattr(np, name)  # type: ignore[no-any-return]
        name = ALIASES.get(name, name) if ALIASES.get(name) in self.operations else name
        if name in self.operations:
            return self.operations[name]
        found = getattr(np, name, None)
        return found if isinstance(found, np.ufunc) else None

    def no_function(self, written: str) -> str:
        name = written.rpartition(".")[2]
        near = get_close_matches(name, [*self.operations, *ARRAY_FUNCTIONS], n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(self.operations)}"
        return f"no function is called {written}; {hint}"

    # ---- within bounds ---------------------------------------------------------------------------------------------

    def attempt(self, part: Any, function: Callable[..., Any], *operands: Any, **keywords: Any) -> Any:
        """Compute; what is raised becomes an error that shows the place and the shapes."""
        try:
            found = function(*operands, **keywords)
        except ExpressionError:
            raise
        except Exception as error:
            shapes = {ast.unparse(x): shape_text(self.quiet(x)) for x in parts_of(part)}
            given = ", ".join([f"{name} is {shape}" for name, shape in shapes.items()])
            reason = str(error).partition("\n")[0][:300]
            if isinstance(error, ValueError) and ("mismatch in its core dim" in reason or "broadcast" in reason):
                reason = "the shapes do not fit"
            raise self.code.error(f"{reason}{f' ({given})' if given else ''}", part) from error
        if isinstance(found, np.ndarray) and found.ndim == 0:
            return found[()]
        return found

    def quiet(self, part: ast.expr) -> Any:
        try:
            return self.visit(part)
        except Exception:
            return None

    def bound(self, part: Any, shape: Iterable[Any]) -> None:
        """Raise ExpressionError for an array of too many numbers."""
        try:
            size = math.prod([int(n) for n in shape])
        except (TypeError, ValueError, OverflowError):
            return
        if size > MOST_NUMBERS:
            raise self.code.error(f"an array of {size:,} numbers; the most is {MOST_NUMBERS:,}", part)

    def bound_call(self, part: Any, name: str, operands: Sequence[Any]) -> None:
        """The same for a function that makes an array larger than its operands."""
        if name in ("zeros", "ones", "full", "empty", "identity", "eye", "linspace", "arange", "broadcast_to"):
            counts: Any = (
                operands[:1] if name in ("zeros", "ones", "full", "empty") else [*operands[:2], *operands[:1]][:2]
            )
            if name == "linspace":
                counts = operands[2:3]
            if name == "broadcast_to":
                counts = operands[1:2]
            if name == "arange":
                ends: list[Any] = [x for x in operands[:3] if isinstance(x, (int, float, np.number))]
                step = abs(ends[2]) if len(ends) > 2 else 1
                counts = [max(map(abs, ends[:2]), default=1) * 2 / (step or 1)]
            self.bound(part, [n for count in counts for n in (count if isinstance(count, (tuple, list)) else [count])])
        elif name in ("outer", "kron", "tensordot", "inner", "dot"):
            self.bound(part, [np.size(x) for x in operands] if name in ("outer", "kron") else [1])
        elif name in ("tile", "repeat", "pad") and len(operands) > 1:
            self.bound(
                part, [np.size(operands[0]), np.prod(np.abs(np.asarray(operands[1], dtype=float)) + (name == "pad"))]
            )
        elif name == "diag" and operands and np.ndim(operands[0]) == 1:
            self.bound(part, [np.size(operands[0])] * 2)


def parts_of(part: Any) -> list[ast.expr]:
    """The operands of a part that are short enough to be named in an error."""
    if isinstance(part, ast.BinOp):
        found: list[Any] = [part.left, part.right]
    elif isinstance(part, ast.Call):
        found = [*part.args]
        if isinstance(part.func, ast.Attribute) and not (
            isinstance(part.func.value, ast.Name) and part.func.value.id in MODULES
        ):
            found = [part.func.value, *found]
    elif isinstance(part, ast.Compare):
        found = [part.left, *part.comparators]
    elif isinstance(part, ast.AugAssign):
        found = [part.target, part.value]
    elif isinstance(part, (ast.Subscript, ast.Attribute)):
        found = [part.value]
    else:
        found = []
    return [x for x in found if not isinstance(x, ast.Constant) and len(ast.unparse(x)) <= 40]


def shape_text(x: Any) -> str:
    """What x is, for an error: a number, 4 x 3, 5 numbers."""
    if isinstance(x, dict):
        return "a dict"
    if x is None:
        return "nothing"
    shape = np.shape(x) if not isinstance(x, Value) else ()
    if not shape:
        return "a number"
    return f"{shape[0]} number{'s' * (shape[0] != 1)}" if len(shape) == 1 else " x ".join(map(str, shape))


def near_matches(name: str, known: Iterable[str]) -> list[str]:
    """What may have been meant by a name: the same in other letters, or one that is spelt much like it."""
    known = list(known)
    return [x for x in known if x.lower() == name.lower()] or get_close_matches(name, known, n=2)


def listed(names: Iterable[str]) -> str:
    """Names in a row, the first thirty."""
    names = list(names)
    return ", ".join(names[:30]) + (", ..." if len(names) > 30 else "")


def transposed(x: Any) -> Any:
    return x.T if isinstance(x, np.ndarray) else x


def holds_values(xs: Any) -> bool:
    """Whether a Value is among these, or an array that may hold some."""
    if isinstance(xs, (list, tuple)):
        return any(map(holds_values, xs))
    return isinstance(xs, Value) or (isinstance(xs, np.ndarray) and xs.dtype == object)


def small(x: Any) -> Any:
    """An int that arithmetic could make endless as a float."""
    if isinstance(x, int) and abs(x) > 2**62:
        return float(x) if abs(x) < 2**1000 else math.inf
    return x


def power(x: Any, y: Any) -> Any:
    """x**y of plain numbers; of ints an int only where that is small."""
    if isinstance(x, int) and isinstance(y, int) and (y < 0 or (abs(x) > 1 and y * math.log2(abs(x)) > 62)):
        x = float(x)
    return x**y if isinstance(x, int) and isinstance(y, int) else operations.pow(float(x), float(y))
