"""The table of all operations, made from the rules: `python -m autograd.reference` prints it in Markdown."""

from inspect import Parameter, signature
from typing import Any

from . import operations
from .rules import MAKERS, RULES, Rule
from .symbols import OPERATORS, Symbol, formulas, operand_names, text

HEADS = ("operation", "written", "local derivatives", "tested on")


def operations_table() -> str:
    """A Markdown table: every operation with how it is written, its local derivatives and where the tests sample it.

    An operation with a parameter stands there with an example of one; of the operands of an n-ary one the first two of
    each sequence are shown.
    """
    rules = [*RULES.values(), *(make(*make.examples[0]) for make in MAKERS.values())]  # type: ignore[attr-defined]
    rows = [[rule.name, written(rule), local_derivatives(rule), tested_on(rule)] for rule in rules]
    lines = [HEADS, ["---"] * len(HEADS), *[[code(cell) for cell in row] for row in rows]]
    return "\n".join([f"| {' | '.join(line)} |" for line in lines]) + "\n"


def code(cell: str) -> str:
    """Text in a cell of a table, as code."""
    return f"`{cell}`".replace("|", "\\|")


def parameters(function: Any) -> list[Parameter]:
    """The parameters that a public function names; none for one that takes `*operands`."""
    return [p for p in signature(function).parameters.values() if p.kind is not Parameter.VAR_POSITIONAL]


def names_of(rule: Rule) -> tuple[str, ...]:
    """Names for the operands; of an n-ary rule two of each sequence that its function takes: x_1, x_2, y_1, y_2."""
    function = getattr(operations, rule.name, None)
    if rule.arity is not None or function is None:
        return operand_names(rule)
    named = parameters(function)
    sequences = [p.name.removesuffix("s") for p in named[: len(named) - len(rule.parameters)]] or ["x"]
    return tuple([f"{sequence}_{i}" for sequence in sequences for i in (1, 2)])


def written(rule: Rule) -> str:
    """How the operation is written: with an operator, or as the function of `autograd` that stands for it."""
    names = names_of(rule)
    formula = rule.forward(*map(Symbol, names))
    of_leaves = not any(x.operands for x in formula.operands)
    if rule.arity is not None and of_leaves and formula.operation in (*OPERATORS, "neg"):
        return text(formula)
    if formula.operation == rule.name and not of_leaves:  # where(left > right, x, y)
        return f"{rule.name}({', '.join(map(text, formula.operands))})"
    name = rule.name if hasattr(operations, rule.name) else rule.name.lower()
    name, variant = (name, "") if hasattr(operations, name) else name.split("_", 1)  # gelu_tanh is a variant of gelu
    words = [
        p.name
        if p.default is p.empty
        else f'{p.name}="{variant or p.default}"'
        if isinstance(p.default, str)
        else f"{p.name}={p.default}"
        for p in parameters(getattr(operations, name))
    ]
    return f"{name}({', '.join(words) or ('xs' if rule.arity is None else ', '.join(names))})"


def local_derivatives(rule: Rule) -> str:
    """Every local derivative as text, in the operands' order; the same one only once."""
    return "; ".join(dict.fromkeys([formula.text for formula in formulas(rule, names_of(rule))]))


def tested_on(rule: Rule) -> str:
    """The intervals in which the tests sample the operands, those of one interval together."""
    names = names_of(rule)
    together: dict[Any, list[str]] = {}
    for i, name in enumerate(names):
        together.setdefault(rule.domain[min(i, len(rule.domain) - 1)], []).append(name)
    return "; ".join([f"{low:g} < {', '.join(names)} < {high:g}" for (low, high), names in together.items()])


if __name__ == "__main__":
    print(operations_table(), end="")
