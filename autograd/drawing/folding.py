"""Folding: each call of a part of a model as one node, so that a network can be read layer by layer.

What a folded node hands to its parents are the sums over all paths through it, so the chain rule can be read on the folded
graph as it can on the whole one.
"""

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Any

from .scopes import Scope
from .snapshot import Edge, Node, Snapshot, with_formulas

MOST_TRIED = 20
MOST_NAMED = 12  # parts in an error
LEVELS = ("atomic", "neuron", "layer", "model")
Fold = str | Collection[str]


def folded(graph: Snapshot, fold: Fold) -> Snapshot:
    """The graph with some scopes folded to one node each.

    Args:
        graph: of `snapshot(root)`.
        fold: "atomic" folds nothing, "neuron" the scopes that contain no other, "layer" those that contain only such (where
            these feed each other, as layers in a row do, these themselves), "model" the outermost ones, "auto" what makes it
            small; or the name of a scope, or of a part to fold every call of it, or a collection of such names, with or
            without that of the model that they lie in. To unfold one of a level, fold the others:
            `names(graph, "layer") - {"layers.1"}`.

    A folded scope is a node of the kind "group". Constants in it, and parameters that nothing else uses, disappear in it;
    parameters that several calls of a part use become one node of the part. A scope stays unfolded if what it computes
    goes out and comes back into it, so that its node would be its own ancestor. The folded graph keeps the one it was made
    of as its `whole`, and each node that shows one number says in `of` whose number that is there.

    Raises ValueError for what is neither a level nor the name of a scope or a part, and for a graph that is folded already.
    """
    if isinstance(fold, str) and fold == "auto":
        return auto(graph)
    wanted = chosen(graph, fold)
    if wanted and is_folded(graph):
        raise ValueError(
            "this graph is folded already: fold the snapshot that it was made of, all that should be at once"
        )
    while wanted:
        groups = grouped(graph, wanted)
        order, tangled = sorted_groups(graph, groups)
        if not tangled:
            return Folding(graph, groups, order).snapshot()
        wanted -= to_unfold(graph, groups, tangled)
    return graph


def auto(graph: Snapshot, most_nodes: int = 60, most_edges: int = 120) -> Snapshot:
    """The graph at the finest level at which it has no more nodes and edges than these; else with the fewest nodes.

    A graph that is folded already stays as it is.
    """
    if is_folded(graph):
        return graph
    levels: list[Fold] = [frozenset(scope.name for scope in scopes) for scopes in heights(graph)]
    best = graph
    for level in ["atomic", *levels, "model"]:
        found = folded(graph, level)
        if len(found.nodes) <= most_nodes and sum([len(node.edges) for node in found.nodes]) <= most_edges:
            return found
        best = min(best, found, key=lambda graph: len(graph.nodes))
    return best


def to_unfold(graph: Snapshot, groups: Sequence[int | None], tangled: Collection[int]) -> set[int]:
    """Which of the groups on cycles to give up: those that are their own ancestors even alone, or else the larger half."""
    size = Counter(groups)
    largest = sorted(tangled, key=lambda scope: (-size[scope], scope))
    own = {i for i in largest[:MOST_TRIED] if sorted_groups(graph, [i if group == i else None for group in groups])[1]}
    return own or set(largest[: (len(largest) + 1) // 2])


def is_folded(graph: Snapshot) -> bool:
    return any(node.kind == "group" for node in graph.nodes)


def names(graph: Snapshot, level: str) -> set[str]:
    """The names of the scopes that a level folds: one may be left out, or others put in."""
    return {graph.scopes[i].name for i in chosen(graph, level)}


def heights(graph: Snapshot) -> list[list[Scope]]:
    """The scopes by level: those that contain no other, those that contain only such, ... and with them lower ones that
    are in none of these."""
    height = [0] * len(graph.scopes)
    for scope in reversed(graph.scopes):
        if scope.parent is not None:
            height[scope.parent] = max(height[scope.parent], height[scope.id] + 1)
    return [
        [
            scope
            for scope in graph.scopes
            if height[scope.id] <= level and (scope.parent is None or height[scope.parent] > level)
        ]
        for level in range(max(height, default=-1) + 1)
    ]


def chosen(graph: Snapshot, fold: Fold) -> set[int]:
    """The ids of the scopes to fold."""
    if isinstance(fold, str) and fold in LEVELS:
        by_height = heights(graph)
        if fold == "model":
            return {scope.id for scope in graph.scopes if scope.parent is None}
        if fold == "atomic" or not by_height:
            return set()
        level = {scope.id for scope in by_height[min(LEVELS.index(fold), len(by_height)) - 1]}
        return without_rows(graph, level) if fold == "layer" else level
    called = by_name(graph)
    wanted = {fold} if isinstance(fold, str) else fold
    for name in wanted:
        if name not in called:
            levels = ", ".join(map(repr, ("auto", *LEVELS)))
            expected = f"unknown fold {name!r:.80}; expected one of {levels}, or the name of a part"
            problem = expected if isinstance(fold, str) else f"no scope is called {name!r:.80}"
            raise ValueError(f"{problem}. {parts_told(graph, name, called)}")
    return {i for name in wanted for i in called[name]}


def without_rows(graph: Snapshot, level: set[int]) -> set[int]:
    """The scopes, but in place of one whose parts feed each other, as layers in a row do, these parts."""
    rows = set()
    for node in graph.nodes:
        for i in node.parents:
            a, b = node.scope, graph.nodes[i].scope
            if a is not None and b is not None and a != b and graph.scopes[a].parent == graph.scopes[b].parent:
                rows.add(graph.scopes[a].parent)
    parts = {scope.id for scope in graph.scopes if scope.parent is not None and scope.parent in rows & level}
    return level - rows | parts


def by_name(graph: Snapshot) -> dict[str, set[int]]:
    """The scopes by all that they go by: the name of the call and of its part, and both as `label` has them, "m.layers.0"."""
    called = defaultdict(set)
    outermost: list[str] = []  # of each scope what the part is called that it lies in
    for scope in graph.scopes:
        top = scope.part if scope.parent is None else outermost[scope.parent]
        outermost.append(top)
        for name in (scope.name, scope.part):
            called[name].add(scope.id)
            if scope.parent is not None and not name.startswith(f"{top}."):
                called[f"{top}.{name}"].add(scope.id)
    return called


def parts_told(graph: Snapshot, name: Any, called: Collection[str]) -> str:
    """For an error: what may have been meant, and the parts that there are."""
    parts = list(dict.fromkeys([scope.part for scope in graph.scopes]))
    if not parts:
        return "This graph has no parts, since no module was called in it"
    near = get_close_matches(str(name), called)
    more = f" and {len(parts) - MOST_NAMED:,} more" if len(parts) > MOST_NAMED else ""
    meant = f"Perhaps {' or '.join(near)} was meant; there" if near else "There"
    return f"{meant} are {', '.join(parts[:MOST_NAMED])}{more}"


def grouped(graph: Snapshot, wanted: Collection[int]) -> list[int | None]:
    """For each node the outermost of the wanted scopes that it lies in: a leaf only if nothing outside uses it."""
    outermost: list[int | None] = []
    for scope in graph.scopes:
        around = None if scope.parent is None else outermost[scope.parent]
        outermost.append(scope.id if around is None and scope.id in wanted else around)
    groups = [None if node.scope is None else outermost[node.scope] for node in graph.nodes]
    for node in graph.nodes:
        for parent in node.parents:
            if not graph.nodes[parent].edges and groups[parent] != groups[node.id]:
                groups[parent] = None
    return groups


def sorted_groups(graph: Snapshot, groups: Sequence[int | None]) -> tuple[list[int], set[int]]:
    """One node of each group and every node in none, parents first; or the groups that lie on or between cycles."""
    last: dict[int, int] = {}
    for i, group in enumerate(groups):
        if group is not None:
            last[group] = i
    key = [i if group is None else last[group] for i, group in enumerate(groups)]  # stands for the whole group
    above, below = defaultdict[int, set[int]](set), defaultdict[int, set[int]](set)
    for node in graph.nodes:
        for parent in node.parents:
            if key[parent] != key[node.id]:
                above[key[node.id]].add(key[parent])
                below[key[parent]].add(key[node.id])
    keys = set(key)
    order = sorted_from(keys, above, below)
    if len(order) == len(keys):
        return order, set()
    knotted = keys - set(order) - set(sorted_from(keys, below, above))
    return [], {group for i in knotted if (group := groups[i]) is not None}


def sorted_from(keys: Collection[int], above: dict[int, set[int]], below: dict[int, set[int]]) -> list[int]:
    """What can be sorted with everything above before it, in the order of the numbers as far as that allows."""
    waiting = {i: len(above[i]) for i in keys}
    ready = sorted([i for i in keys if not waiting[i]])
    order = []
    while ready:
        i = heapq.heappop(ready)
        order.append(i)
        for j in below[i]:
            waiting[j] -= 1
            if not waiting[j]:
                heapq.heappush(ready, j)
    return order


class Folding:
    """A graph while it is folded."""

    def __init__(self, graph: Snapshot, groups: Sequence[int | None], order: Sequence[int]) -> None:
        self.graph, self.groups = graph, groups
        self.members: dict[int, list[Node]] = defaultdict(list)
        self.outputs: dict[int, list[Node]] = defaultdict(list)  # those of a group that are used outside it
        used = {p for node in graph.nodes for p in node.parents if groups[p] != groups[node.id]} | {graph.root.id}
        for node, group in zip(graph.nodes, groups, strict=True):
            if group is not None:
                self.members[group].append(node)
                if node.id in used:
                    self.outputs[group].append(node)
        self.pools: dict[int, tuple[str, list[Node]]] = {}  # the first of some parameters -> part, all of them
        pooled: set[int] = set()
        for part, pool in self.shared_parameters().items():
            if len(pool) > 1:
                self.pools[pool[0].id] = part, pool
                pooled.update([node.id for node in pool[1:]])
        self.order = [i for i in order if i not in pooled]
        self.scopes = self.scopes_left()
        self.place: dict[int, int] = {}  # a node's id -> the new id of what stands for it
        for new, i in enumerate(self.order):
            for node in self.stands_for(i):
                self.place[node.id] = new

    def stands_for(self, i: int) -> list[Node]:
        """The nodes that are shown where this one is."""
        group = self.groups[i]
        if group is not None:
            return self.members[group]
        return self.pools[i][1] if i in self.pools else [self.graph.nodes[i]]

    def shared_parameters(self) -> dict[str, list[Node]]:
        """The parameters of each folded part that are not in one of its groups, since several of them or others use them."""
        around: dict[str, str] = {}  # a part -> the part that called it
        for scope in self.graph.scopes:
            if scope.parent is not None:
                around.setdefault(scope.part, self.graph.scopes[scope.parent].part)
        folded: dict[int, set[str]] = defaultdict(set)  # the folded parts that use a parameter
        unfolded: dict[int, set[str]] = defaultdict(set)  # and those of which a call that uses it is shown in full
        for node in self.graph.nodes:
            group = self.groups[node.id]
            for parent in [i for i in node.parents if self.graph.nodes[i].part and self.groups[i] is None]:
                if group is not None:
                    folded[parent].add(self.graph.scopes[group].part)
                else:
                    unfolded[parent].update(self.parts_around(node))
        pools: dict[str, list[Node]] = defaultdict(list)
        for i, parts in sorted(folded.items()):
            part, seen = self.graph.nodes[i].part, set[str]()
            while part not in parts and part in around and part not in seen:
                seen.add(part)
                part = around[part]
            if part in parts and part not in unfolded[i]:
                pools[part].append(self.graph.nodes[i])
        return pools

    def parts_around(self, node: Node) -> list[str]:
        """The parts in a call of which a node was made, the innermost first."""
        parts, scope = [], node.scope
        while scope is not None:
            parts.append(self.graph.scopes[scope].part)
            scope = self.graph.scopes[scope].parent
        return parts

    def scopes_left(self) -> dict[int, Scope]:
        """The scopes that are neither folded nor in one that is, with their new ids."""
        left: dict[int, Scope] = {}
        for scope in self.graph.scopes:
            if scope.id not in self.members and (scope.parent is None or scope.parent in left):
                parent = None if scope.parent is None else left[scope.parent].id
                left[scope.id] = scope._replace(id=len(left), parent=parent)
        return left

    def scope(self, scope: int | None) -> int | None:
        """The new id of the innermost scope around that is left."""
        while scope is not None and scope not in self.scopes:
            scope = self.graph.scopes[scope].parent
        return None if scope is None else self.scopes[scope].id

    def snapshot(self) -> Snapshot:
        """The folded graph."""
        nodes = [self.node(i)._replace(id=new, mark="") for new, i in enumerate(self.order)]
        return Snapshot(with_formulas(nodes), tuple(self.scopes.values()), self.graph)

    def node(self, i: int) -> Node:
        """What stands for a node."""
        group = self.groups[i]
        if group is not None:
            return self.group_node(group)
        if i in self.pools:
            return self.pool_node(*self.pools[i])
        node = self.graph.nodes[i]
        edges = [edge._replace(parent=self.place[edge.parent]) for edge in node.edges]
        return node._replace(edges=tuple(edges), scope=self.scope(node.scope), of=i)

    def pool_node(self, part: str, pool: Sequence[Node]) -> Node:
        """The parameters of one part."""
        scopes = {self.scope(node.scope) for node in pool}
        scope = scopes.pop() if len(scopes) == 1 else None
        outputs = tuple([(node.name, node.data, node.grad) for node in sorted(pool, key=in_order)])
        return Node(0, "group", f"{len(pool)} parameters", part, None, None, (), scope, outputs=outputs, part=part)

    def group_node(self, group: int) -> Node:
        """A folded scope."""
        scope = self.graph.scopes[group]
        outputs = sorted(
            self.outputs[group], key=lambda node: node.scope or 0
        )  # in the order of the parts that gave them
        parameters = sum([node.kind == "leaf" for node in self.members[group]])
        return Node(
            id=0,
            kind="group",
            operation=scope.kind + (f", {parameters} parameter{'s' * (parameters > 1)}" if parameters else ""),
            label=scope.name,
            data=outputs[0].data if len(outputs) == 1 else None,
            grad=outputs[0].grad if len(outputs) == 1 else None,
            edges=self.edges_through(group),
            scope=self.scope(scope.parent),
            outputs=tuple([(self.output_name(node, scope), node.data, node.grad) for node in outputs])
            if len(outputs) > 1
            else (),
            of=outputs[0].id if len(outputs) == 1 else None,
        )

    def output_name(self, node: Node, folded: Scope) -> str:
        """An output of a folded scope: by its label, or by the part in the scope that gave it, or by its operation."""
        inner = None if node.scope is None else self.graph.scopes[node.scope]
        while inner is not None and inner.id != folded.id and inner.parent not in (None, folded.id):
            inner = self.graph.scopes[inner.parent]
        if node.label or inner is None or inner.id == folded.id:
            return node.label or node.operation
        return inner.name.removeprefix(f"{folded.part}.")

    def edges_through(self, group: int) -> tuple[Edge, ...]:
        """One edge from a group to each of its parents: the local derivative is the sum over the paths through the group.

        It is not known where the group or the parent has several outputs.
        """
        members, outputs = self.members[group], self.outputs[group]
        one: Any = 1.0 if type(outputs[0].data) is float else 1
        alone = len(outputs) == 1
        inside: dict[int, Any] = {node.id: one if alone else None for node in outputs}
        outside: dict[int, Any] = {}  # a node's id -> d output / d node, in the group and beyond
        reached = {node.id for node in outputs}  # those that a gradient flows to: not by way of what was not chosen
        for node in reversed(members):
            upstream = inside.get(node.id, one * 0)
            for edge in node.edges:
                sums = inside if self.groups[edge.parent] == group else outside
                if edge.carries:
                    term = None if upstream is None or edge.local is None else upstream * edge.local
                    sums[edge.parent] = added(sums[edge.parent], term) if edge.parent in sums else term
                    if node.id in reached or term is None or bool(term != 0):  # 0 x infinity goes on everywhere
                        reached.add(edge.parent)
                elif edge.local is not None and sums is outside and alone:
                    sums.setdefault(edge.parent, one * 0)
        edges: dict[int, Edge] = {}
        for parent in [parent for node in members for parent in node.parents if self.groups[parent] != group]:
            place = self.place[parent]
            carries = parent in reached or (place in edges and edges[place].carries)
            local = outside.get(parent) if alone and not self.several(parent) else None
            edges[place] = Edge(place, local, None, carries)
        return tuple(edges.values())

    def several(self, i: int) -> bool:
        """Whether what stands for a node shows several numbers."""
        group = self.groups[i]
        return len(self.outputs[group]) > 1 if group is not None else self.order[self.place[i]] in self.pools


def in_order(node: Node) -> list[Any]:
    """By this parameters are sorted as they were made: w[2] before w[10]."""
    return [int(word) if word.isdecimal() else word for word in re.split(r"(\d+)", node.label)]


def added(x: Any, y: Any) -> Any:
    """x + y; None, which is not known, if one of them is not."""
    return None if x is None or y is None else x + y
