"""Which part of a model each node belongs to, found from the marks that `autograd.naming` left on the outputs of calls."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ..engine import Constant, Value
from ..naming import Call, Given, call_of, is_part, walk


class Scope(NamedTuple):
    """One call of a part of a model: its nodes name it in `Node.scope`, or a scope within it."""

    id: int  # its place in `Snapshot.scopes`; a scope stands after the one that encloses it
    name: str  # "layers.0.neurons.3"; "layers.0.neurons.3 (2)" where that part was called more than once
    kind: str  # its class: "Neuron"
    parent: int | None  # the id of the scope that encloses it
    part: str = ""  # the name without the number of the call


class Place(NamedTuple):
    """Where a node stands in a model."""

    label: str  # the user's; of a parameter without one what it is called in its scope: "w[1]"
    scope: int | None = None
    part: str = ""  # of a parameter: the innermost part that has it, as `Scope.part`


def scopes_of(order: Sequence[Value]) -> tuple[tuple[Scope, ...], list[Place]]:
    """The scopes of a sorted graph, and the place of each of its nodes."""
    places = [Place(str(node.label) if node.label else "") for node in order]
    calls = calls_of(order)
    if not any(calls):
        return (), places
    ids = numbered(order, calls)
    names = Names(ids)
    count, before = Counter(names.parts.values()), Counter[str]()
    scopes = []
    for i, call in enumerate(ids):
        part = names.parts[call]
        before[part] += 1
        name = f"{part} ({before[part]})" if count[part] > 1 else part
        scopes.append(Scope(i, name, kind_of(call.part), ids[call.outer] if call.outer else None, part))
    for i, node in enumerate(order):
        made_in, label, part = calls[i], places[i].label, ""
        if node._x is None and type(node) is not Constant:
            name, part = names.leaf(node, made_in)
            if not label or type(node.label) is Given:
                label = name or label
        places[i] = Place(label, ids[made_in] if made_in else None, part)
    return tuple(scopes), places


def calls_of(order: Sequence[Value]) -> list[Call | None]:
    """The call that each node was made in: its own mark says so, or else the nodes that it is an operand of.

    Upwards from a call's outputs all was made in it, up to its inputs; those were made in the call around it, unless they
    are inputs there too. What is used in a call and outside is taken to be made in it; what is used in several, as a weight
    that they share, in the innermost call around them all.
    """
    found: list[Call | None] = [call_of(node) for node in order]
    if not any(found):
        return found
    places = {node: i for i, node in enumerate(order)}
    members: dict[Call, frozenset[Value]] = {}
    users: list[dict[Call | None, None]] = [{} for _ in order]  # the calls that use a node, in a fixed order
    for i in reversed(range(len(order))):
        if found[i] is None:
            found[i] = innermost(users[i])
        for parent in order[i].parents:
            j, call = places[parent], found[i]
            while call is not None:
                if call not in members:
                    members[call] = frozenset(call.inputs)
                if parent not in members[call]:
                    break
                call = call.outer
            users[j][call] = None
    return found


def innermost(users: Iterable[Call | None]) -> Call | None:
    """The one call that lies within all others, or else the innermost that is around all that have none within."""
    chains = [chain(call) for call in users if call is not None]
    around = {call for outers in chains for call in outers[:-1]}
    ends = [outers for outers in chains if outers[-1] not in around]
    if not ends:
        return None
    shared = None
    for level in zip(*ends, strict=False):
        if any(call is not level[0] for call in level):
            break
        shared = level[0]
    return shared


def chain(call: Call) -> list[Call]:
    """The call and those around it, the outermost first."""
    found: list[Call] = []
    at: Call | None = call
    while at is not None:
        found.append(at)
        at = at.outer
    return found[::-1]


def numbered(order: Sequence[Value], calls: Sequence[Call | None]) -> dict[Call, int]:
    """Each call that a node was made in, and the calls around those, with its number: first operands first."""
    of_node = dict(zip(order, calls, strict=True))
    ids: dict[Call, int] = {}
    seen: set[Value] = set()
    stack: list[Any] = [order[-1]]
    while stack:
        node = stack.pop()
        if node is None:
            call = of_node[node := stack.pop()]
            if call is not None and call not in ids and node.parents:
                for around in chain(call):
                    ids.setdefault(around, len(ids))
        elif node not in seen:
            seen.add(node)
            stack += (node, None, *reversed(node.parents))
    return ids


def kind_of(part: Any) -> str:
    """The class of a part; the name of a function."""
    return str(getattr(part, "__name__", type(part).__name__))


class Names:
    """The names of parts and parameters, as the outermost parts call them."""

    def __init__(self, calls: Iterable[Call]) -> None:
        called = Counter[str]()
        outermost = {id(top): top for top in [chain(call)[0].part for call in calls]}
        self.own: dict[int, str] = {}  # what an outermost part is called itself
        self.prefix: dict[int, str] = {}  # and what stands before the names of what is in it
        self.paths: dict[int, dict[int, str]] = {}  # from it to each part and parameter in it
        for key, top in outermost.items():
            name = str(getattr(top, "_label", "") or kind_of(top))
            called[name] += 1
            self.own[key] = name = f"{name} {called[name]}" if called[name] > 1 else name
            self.prefix[key] = f"{name}." if len(outermost) > 1 else ""
            self.paths[key] = {id(x): path for path, x in walk(top, "", {})} if is_part(top) else {key: ""}
        self.parts = {call: self.part(call) for call in calls}
        self.at = {  # an outermost part and a path from it -> the part there that was called
            (id(top), path): self.parts[call]
            for call in calls
            for top in [chain(call)[0].part]
            if (path := self.paths[id(top)].get(id(call.part))) is not None
        }

    def part(self, call: Call) -> str:
        """The name of a call's part: as the outermost part calls it, else by its kind and the part that called it."""
        key, at, steps = id(chain(call)[0].part), call, list[str]()
        while at.outer is not None and id(at.part) not in self.paths[key]:
            steps.insert(0, kind_of(at.part))
            at = at.outer
        path = self.paths[key][id(at.part)]
        return self.prefix[key] + ".".join([path, *steps] if path else steps) if path or steps else self.own[key]

    def leaf(self, leaf: Value, call: Call | None) -> tuple[str, str]:
        """What a parameter is called in the call that it belongs to, and the part that has it; "" if none has."""
        for key in self.paths if call is None else [id(chain(call)[0].part)]:
            if path := self.paths[key].get(id(leaf)):
                has = path
                while has and (key, has) not in self.at:
                    has = has[: max(has.rfind("."), has.rfind("["), 0)]
                part = self.at.get((key, has), "")
                if call is None:
                    return self.prefix[key] + path, part
                return path.removeprefix(self.paths[key].get(id(call.part), "") + "."), part
        return "", ""
