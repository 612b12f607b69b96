"""A graph that JavaScript can compute again: its rules printed as JavaScript, and its nodes as plain data.

What stands here reads the rules; `recompute.js` runs forward and backward over them, and `numeric.js` has the functions
that they call. Nothing is lost on the way: a rule that cannot be printed is refused, never guessed.
"""

import math
import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ..rules import Rule
from ..symbols import Symbol, fold, javascript, operand_names, read
from .snapshot import Node, Snapshot

HERE = Path(__file__).parent


class CannotRecompute(ValueError):
    """A graph that JavaScript cannot compute again; the message names the node and says why."""


class Recomputation(NamedTuple):
    """The rules of a graph in JavaScript."""

    source: str  # defines RULES: an array of {forward(...xs), slopes(xs, out), choice}
    rule_of: list[int | None]  # for each node the place of its rule in RULES; None for leaves and constants


def recomputation(graph: Snapshot) -> Recomputation:
    """The rules of a graph printed as JavaScript, each once.

    Raises CannotRecompute for a node whose number cannot be found from its parents' alone: one made by hand, one whose rule
    cannot be read with Symbols or calls what JavaScript lacks, one that is not a float, a `where` of
    a bool, whose condition was decided in Python, and a folded group.
    """
    check_numbers(graph)
    places: dict[tuple[int, int], int] = {}  # by the rule's identity and the number of operands
    printed: list[str] = []
    rule_of: list[int | None] = []
    for node in graph.nodes:
        key = id(node.rule), len(node.edges)
        if node.edges and key not in places:
            places[key] = len(printed)
            printed.append(rule_of_node(node))
        rule_of.append(places[key] if node.edges else None)
    rules = "".join([f"  {rule},\n" for rule in printed])
    return Recomputation(f"const RULES = (() => {{\n{helpers_source()}\nreturn [\n{rules}];\n}})();\n", rule_of)


def check_numbers(graph: Snapshot) -> None:
    """Refuse folded groups, and numbers that JavaScript does not have."""
    for node in sorted(graph.nodes, key=lambda node: node.kind == "constant"):
        if node.kind == "group":
            raise CannotRecompute(f"{node.name} is a folded part: give the snapshot with nothing folded")
        if type(node.data) is not float:
            raise CannotRecompute(f"{node.name} holds {node.data!r:.40}, and JavaScript computes with floats only")


def rule_of_node(node: Node) -> str:
    """The rule of a node as JavaScript; refused where that cannot be done."""
    if not isinstance(node.rule, Rule):
        raise CannotRecompute(
            f"{node.name} was made by hand: its derivative is a closure, which can be run in Python but not read; "
            "make it an autograd.operation(Rule(...))"
        )
    try:
        return print_rule(node.rule, len(node.edges))
    except CannotRecompute as error:
        rule = f" ({node.rule.name})" if node.label else ""
        raise CannotRecompute(f"{node.name}{rule} {error}") from error
    except Exception as error:  # a user's rule may do anything with an operand
        raise CannotRecompute(
            f"{node.name} cannot be read: its rule {node.rule.name!r} does with an operand what only a number can do "
            f"({error}); use autograd's functions in it"
        ) from error


def print_rule(rule: Rule, count: int) -> str:
    """A rule of `count` operands as a JavaScript object: `{ forward(x1) {...}, slopes([x1], out) {...}, choice: false }`."""
    own = operand_names(rule, count)
    names = {name: f"x{i}" for i, name in enumerate(own, 1)} | {"out": "out"}
    slopes = read(rule, count, textbook=False)
    if rule.choice and not any(map(mentions_a_name, slopes)):
        raise CannotRecompute(
            "is a choice that does not look at its operands: its condition was decided in Python, and what "
            "it would be for other numbers is not known"
        )
    forward = javascript([Symbol(rule.forward(*[Symbol(name) for name in own]))], names)
    backward = javascript(slopes, names)
    lacking = sorted((forward.helpers | backward.helpers) - helper_names())
    if lacking:
        raise CannotRecompute(f"calls {', '.join(lacking)}, which JavaScript does not have")
    operands = ", ".join([names[name] for name in own])
    choice = "true" if rule.choice else "false"
    body = f"forward({operands}) {{ {statements(forward.statements)}return {forward.results[0]}; }}"
    slope = f"slopes([{operands}], out) {{ {statements(backward.statements)}return [{', '.join(backward.results)}]; }}"
    return f"{{ {body}, {slope}, choice: {choice} }}"


def mentions_a_name(symbol: Symbol) -> bool:
    """Whether a formula depends on anything: on an operand, or on the result."""
    return fold(symbol, lambda part, below: isinstance(part.content, str) or any(below))


def statements(lines: tuple[str, ...]) -> str:
    """Lines as statements on one line."""
    return "".join([f"{line}; " for line in lines])


def helpers_source() -> str:
    """`numeric.js`: the functions that a printed rule may call."""
    return (HERE / "numeric.js").read_text(encoding="utf-8")


@cache
def helper_names() -> frozenset[str]:
    """The names of the functions that a printed rule may call."""
    offered = re.search(r"^const HELPERS = \{([^}]*)\}", helpers_source(), re.MULTILINE)
    return frozenset(re.findall(r"\w+", offered[1])) if offered else frozenset()


# ---- the graph as plain data ---------------------------------------------------------------------------------------


def payload(graph: Snapshot) -> dict[str, Any]:
    """A graph as `recompute.js` takes it, ready for JSON.

    Where the graph cannot be computed again, `refusal` says why, no node has a rule, and every number stays as recorded.
    Of a folded graph it is the `whole` one that is computed again: each node says by `of` whose number there it shows.
    """
    if graph.whole is not None and not any(node.outputs for node in graph.nodes):
        return folded_payload(graph, payload(graph.whole))
    refusal: str | None = None
    rule_of: list[int | None] = [None] * len(graph.nodes)
    try:
        rule_of = recomputation(graph).rule_of
    except CannotRecompute as error:
        refusal = str(error)
    nodes = [node_payload(node) | {"rule": rule} for node, rule in zip(graph.nodes, rule_of, strict=True)]
    return {"root": graph.root.id, "refusal": refusal, "nodes": nodes}


def folded_payload(graph: Snapshot, whole: dict[str, Any]) -> dict[str, Any]:
    """A folded graph whose nodes show one number each, with the whole one unless that cannot be computed again."""
    nodes = [
        node_payload(node) | {"rule": None, "of": node.of, "carries": [edge.carries for edge in node.edges]}
        for node in graph.nodes
    ]
    refusal = whole["refusal"]
    return {"root": graph.root.id, "refusal": refusal, "nodes": nodes} | ({} if refusal else {"whole": whole})


def node_payload(node: Node) -> dict[str, Any]:
    """A node without its rule."""
    return {
        "name": node.name,
        "kind": node.kind,
        "parents": list(node.parents),
        "choice": bool(getattr(node.rule, "choice", False)),
        "data": encoded(node.data),
        "slopes": [encoded(edge.local) for edge in node.edges],
    }


def encoded(x: Any) -> float | str | None:
    """A number for JSON, which lacks "inf", "-inf" and "nan"; None for what is not known, or no real number."""
    try:
        number = float(x)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else repr(number)
