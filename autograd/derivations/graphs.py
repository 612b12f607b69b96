"""The graph of one sample as numbers: its edges, what kind each node is of, and sweeps with something changed.

Two nodes are of one kind if they were made alike from like operands: all the entries of `X @ W1 + b1` are, at every size.
So a kind is what the user wrote as one array, and the same kind is found again in samples of other sizes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..engine import Constant, Value
from ..rules import ADD, SUM

Edges = list[tuple[int, float]]  # (parent, local derivative) of each edge of a node that is not to a constant
Change = Mapping[int, Edges]  # node -> the edges that it has instead
CONSTANT = -1  # the kind of a plain number


class Kind(NamedTuple):
    """How the nodes of one kind were made."""

    operation: str  # the rule's name; "leaf" with the argument's name as the only operand
    operands: tuple[Any, ...]  # kinds, or for a sum a frozenset of them


class Kinds:
    """The kinds met so far, each by a number; shared by all samples of one claim."""

    def __init__(self) -> None:
        self.numbers: dict[Kind, int] = {}
        self.kinds: list[Kind] = []

    def of(self, operation: str, operands: tuple[Any, ...]) -> int:
        kind = Kind(operation, operands)
        if kind not in self.numbers:
            self.numbers[kind] = len(self.kinds)
            self.kinds.append(kind)
        return self.numbers[kind]

    def sum_of(self, terms: Iterable[int]) -> int:
        """The kind of a sum: of nested sums, and of any number of like terms, it is the same."""
        flat: set[int] = set()
        for term in terms:
            flat |= self.kinds[term].operands[0] if self.is_sum(term) else {term}
        return flat.pop() if len(flat) == 1 else self.of("sum", (frozenset(flat),))

    def is_sum(self, kind: int) -> bool:
        return kind != CONSTANT and self.kinds[kind].operation == "sum"


class Graph:
    """The graph below some outputs, as numbers.

    Attributes:
        nodes: parents before their node, and otherwise in the order in which they were written.
        edges: of each node.
        kinds: of each node, a number.
        outputs: where the outputs stand in `nodes`, with the weight of each.
        leaves: where those of each claimed argument stand, an int array of its shape; -1 if the output does not depend on it.
    """

    def __init__(
        self,
        outputs: Sequence[Value],
        weights: Sequence[float],
        leaves: Mapping[str, Any],
        arguments: Mapping[str, Any],
        kinds: Kinds,
    ) -> None:
        self.nodes, self.at = merged(sort(outputs))
        self.outputs = [(self.at[node], w) for node, w in zip(outputs, weights, strict=True)]
        self.leaves = {
            name: np.asarray(np.frompyfunc(lambda x: self.at.get(x, -1), 1, 1)(array), dtype=int)
            for name, array in leaves.items()
        }
        self.edges: list[Edges] = []
        self.table, self.arguments = kinds, arguments
        owners = {node: name for name, array in leaves.items() for node in np.ravel(np.asarray(array, dtype=object))}
        self.kinds: list[int] = []
        for node in self.nodes:
            slopes = zip(node.parents, node.slopes)
            self.edges.append([(self.at[parent], float(slope)) for parent, slope in slopes if slope is not None])
            self.kinds.append(self.kind_of(node, owners))
        self.cut_shifts()

    def kind_of(self, node: Value, owners: Mapping[Value, str]) -> int:
        if not node.parents:
            return CONSTANT if type(node) is Constant else self.table.of("leaf", (owners.get(node, ""),))
        operands: tuple[Any, ...] = tuple([self.kinds[self.at[parent]] for parent in node.parents])
        edges, name = self.edges[-1], node.rule.name
        if len(edges) > 1 and len({parent for parent, _ in edges}) == 1 and sum(slope for _, slope in edges) != 0:
            operands = operands[:1]  # x * x, but not x - x
        elif node.rule in (ADD, SUM):
            return self.table.sum_of(operands)
        if node.rule.arity is None:
            operands = (frozenset(operands),)
            name = node.rule.maker.__name__ if node.rule.maker else name
        return self.table.of(name, operands)

    def cut_shifts(self) -> None:
        """Cut the edges to what is subtracted from its own like, as in `s - max(s)`, where that changes no gradient.

        A derivation takes it for a constant: only then do the sweeps say what a wrong derivation says.
        """
        change: dict[int, Edges] = {}
        shared: dict[int, list[int]] = defaultdict(list)
        for i, edges in enumerate(self.edges):
            if len(edges) == 2 and edges[1][1] == -edges[0][1] and self.kinds[edges[0][0]] == self.kinds[edges[1][0]]:
                shared[edges[1][0]].append(i)
        for users in shared.values():
            if len(users) > 1 or self.edges[users[0]][0][0] == self.edges[users[0]][1][0]:  # of one s, s - s
                change.update({i: self.edges[i][:1] for i in users})
        if change:
            before, after = self.sweep(), self.sweep(change)
            if all(
                np.allclose(x, y, rtol=1e-9, atol=1e-9 * np.max(np.abs(x), initial=0))
                for x, y in ((read(before, at), read(after, at)) for at in self.leaves.values())
            ):
                for i, edges in change.items():
                    self.edges[i] = edges

    # ---- sweeps ----------------------------------------------------------------------------------------------------

    def sweep(self, change: Change | None = None, given: Mapping[int, float] | None = None) -> list[float]:
        """d output / d node for every node, with some nodes' edges changed, or some nodes' upstream gradients given."""
        upstream = [0.0] * len(self.nodes)
        for i, weight in self.outputs:
            upstream[i] += weight
        all_edges: Any = self.edges
        if change:
            all_edges = list(self.edges)
            for i, edges in change.items():
                all_edges[i] = edges
        for i in range(len(upstream) - 1, -1, -1):
            if given and i in given:
                upstream[i] = given[i]
            u = upstream[i]
            if u:
                for parent, slope in all_edges[i]:
                    upstream[parent] += u * slope
        return upstream

    @cached_property
    def upstream(self) -> list[float]:
        """The right sweep's."""
        return self.sweep()

    def gradient(self, name: str, change: Change | None = None, given: Mapping[int, float] | None = None) -> Any:
        """d output / d argument by such a sweep."""
        return read(self.sweep(change, given), self.leaves[name])

    # ---- who is what -----------------------------------------------------------------------------------------------

    @cached_property
    def members(self) -> dict[int, list[int]]:
        """The nodes of each kind, sorted as `place` says."""
        found: dict[int, list[int]] = defaultdict(list)
        for i, kind in enumerate(self.kinds):
            found[kind].append(i)
        return {kind: sorted(nodes, key=self.place) for kind, nodes in found.items()}

    def place(self, i: int) -> str:
        """Sorts nodes by the entries that went into them: those of the first argument first, in its order."""
        return bin(self.entries[i])[:1:-1].translate({48: 49, 49: 48})

    @cached_property
    def entries(self) -> list[int]:
        """Of each node the entries of arguments that it depends on, as bits."""
        bits: dict[int, int] = {}
        numbers: dict[float, int] = {}
        count = 0
        for name, x in self.arguments.items():
            if name in self.leaves:
                bits |= {leaf: count + k for k, leaf in enumerate(self.leaves[name].ravel().tolist())}
            elif np.asarray(x).dtype.kind == "f":
                numbers |= {number: count + k for k, number in enumerate(np.ravel(x).tolist())}
            count += np.size(x)
        given = Counter(x for array in self.arguments.values() for x in np.ravel(array).tolist())
        numbers = {x: bit for x, bit in numbers.items() if given[x] == 1 and x != round(x)}  # others may be of the code
        found: list[int] = []
        for i, node in enumerate(self.nodes):
            bit = numbers.get(node.data) if self.kinds[i] == CONSTANT else bits.get(i)
            mask = 0 if bit is None else 1 << bit
            for parent in node.parents:
                mask |= found[self.at[parent]]
            found.append(mask)
        return found

    @cached_property
    def arrays(self) -> dict[int, list[int]]:
        """The entries of what the user wrote as one array: kind -> nodes, and -2 - kind -> sums of such nodes.

        Parts of a longer sum are none.
        """
        found: dict[int, list[int]] = {}
        for kind, nodes in self.members.items():
            if kind != CONSTANT:
                made = [i for i in nodes if self.operation(i) == self.table.kinds[kind].operation]
                rest = set(nodes) - set(made)
                sums = [i for i in nodes if i in rest and not any(user in rest for user, _ in self.consumers[i])]
                found |= {key: some for key, some in ((kind, made), (-2 - kind, sums)) if some}
        return found

    def kinds_of(self, operation: str) -> list[int]:
        """The kinds that an operation makes."""
        return [kind for kind in self.members if kind != CONSTANT and self.table.kinds[kind].operation == operation]

    def operation(self, i: int) -> str:
        """The operation of a node, as in its kind; of a part of a sum that is not the sum's kind "part"."""
        node = self.nodes[i]
        if not node.parents:
            return "leaf"
        if self.kinds[i] in self.sums:
            return "part" if any(self.kinds[user] == self.kinds[i] for user, _ in self.consumers[i]) else "sum"
        return node.rule.maker.__name__ if node.rule.arity is None and node.rule.maker else str(node.rule.name)

    @cached_property
    def consumers(self) -> list[list[tuple[int, int]]]:
        """Of each node the edges to it, in order: (node, which of its edges)."""
        found: list[list[tuple[int, int]]] = [[] for _ in self.nodes]
        for i, edges in enumerate(self.edges):
            for k, (parent, _) in enumerate(edges):
                found[parent].append((i, k))
        return found

    @cached_property
    def sole(self) -> list[int]:
        """Of each node the one leaf on which it depends; -1 if there are several, or none."""
        found: list[int] = []
        for i, edges in enumerate(self.edges):
            below = {found[parent] for parent, _ in edges}
            found.append(i if not self.nodes[i].parents else below.pop() if len(below) == 1 else -1)
        return found

    @cached_property
    def mixed(self) -> list[bool]:
        """Whether data went into a node: constants that are not the same in all nodes of its kind."""
        numbers: dict[int, set[tuple[Any, ...]]] = defaultdict(set)
        for node, kind in zip(self.nodes, self.kinds):
            numbers[kind].add(tuple([parent.data for parent in node.parents if type(parent) is Constant]))
        found: list[bool] = []
        for i, kind in enumerate(self.kinds):
            found.append(len(numbers[kind]) > 1 or any(found[parent] for parent, _ in self.edges[i]))
        return found

    @cached_property
    def sums(self) -> set[int]:
        """The kinds that are sums."""
        return {kind for kind in self.members if self.table.is_sum(kind)}

    @cached_property
    def groups(self) -> dict[tuple[int, int], list[int]]:
        """The edges that are alike: (kind, which edge of the node) -> nodes. Of a sum, (kind, minus the term's kind - 2)."""
        found: dict[tuple[int, int], list[int]] = defaultdict(list)
        for i, kind in enumerate(self.kinds):
            for k, (parent, _) in enumerate(self.edges[i]):
                below = self.kinds[parent]
                if kind not in self.sums:
                    if below != kind:
                        found[kind, k].append(i)
                elif below != kind and not self.table.is_sum(below):
                    found[kind, -2 - below].append(i)
        return found

    def edges_of(self, group: tuple[int, int]) -> list[tuple[int, int]]:
        """The edges of such a group: (node, which of its edges)."""
        k = group[1]
        if k >= 0:
            return [(i, k) for i in self.groups.get(group, ())]
        below = -2 - k
        return [
            (i, at)
            for i in self.groups.get(group, ())
            for at, (p, _) in enumerate(self.edges[i])
            if self.kinds[p] == below
        ]

    def changed(self, edges: Iterable[tuple[int, int]], to: Callable[[float], float]) -> dict[int, Edges]:
        """The change of some edges' slopes."""
        change: dict[int, Edges] = {}
        for i, k in edges:
            row = change.setdefault(i, list(self.edges[i]))
            row[k] = (row[k][0], to(row[k][1]))
        return change

    @cached_property
    def below(self) -> list[int]:
        """Of each node the nearest one of which it is a function, through which every way to the leaves leads; -1 if none.

        Of `exp(z) / (1 + exp(z))` that is the exp, of a product of two leaves there is none. It is the node's immediate
        dominator, found as in Cooper, Harvey & Kennedy 2001.
        """
        found: list[int] = []
        for edges in self.edges:
            parents = {parent for parent, _ in edges}
            nearest = parents.pop() if parents else -1
            for other in parents:
                while nearest != other:  # nodes stand after what they are made of
                    if nearest > other:
                        nearest = found[nearest]
                    else:
                        other = found[other]
            found.append(nearest)
        return found

    def is_function(self, i: int) -> bool:
        """Whether a node is a function of one other node, and not that node over again."""
        return self.below[i] >= 0 and self.kinds[i] != self.kinds[self.below[i]]

    def slope(self, i: int) -> float:
        """The slope of such a function: summed over the ways down to the node of which it is one."""
        return self.edges[i][0][1] if len(self.edges[i]) == 1 else self.derivative(i, self.below[i])

    def derivative(self, i: int, end: int, change: Change | None = None) -> float:
        """d node i / d node end, with some nodes' edges changed."""
        upstream, change = {i: 1.0}, change or {}
        for node in range(i, end, -1):
            if node in upstream:
                for parent, slope in change.get(node, self.edges[node]):
                    upstream[parent] = upstream.get(parent, 0.0) + upstream[node] * slope
        return upstream.get(end, 0.0)

    def recomputed(self, data: dict[int, float]) -> dict[int, float]:
        """The numbers of some nodes, and those that come of them in the nodes above."""
        given = set(data)
        for i, node in enumerate(self.nodes):
            below = [self.at[parent] for parent in node.parents]
            if i not in given and any(p in data for p in below):
                data[i] = node.rule.forward(*[data.get(p, self.nodes[p].data) for p in below])
        return data

    def slopes_at(self, data: Mapping[int, float]) -> Change:
        """The edges of nodes whose operands have other numbers now."""
        change = {}
        for i, node in enumerate(self.nodes):
            below = [self.at[parent] for parent in node.parents]
            if any(p in data for p in below):
                numbers = tuple([data.get(p, self.nodes[p].data) for p in below])
                slopes = zip(below, node.rule.slopes(numbers, data.get(i, node.data)))
                alive = {p for p, _ in self.edges[i]}
                change[i] = [(p, float(slope)) for p, slope in slopes if p in alive]
        return change

    @cached_property
    def coupled(self) -> dict[int, tuple[int, int]]:
        """Nodes of which one operand is a term of the other's sum, as in a softmax: the term's edge, the sum's."""
        found = {}
        for i, edges in enumerate(self.edges):
            if len(edges) == 2:
                for term, whole in ((0, 1), (1, 0)):
                    p, q = edges[term][0], edges[whole][0]
                    if p != q and len(self.edges[q]) > 1 and p in self.terms(q):
                        found[i] = term, whole
        return found

    @cached_property
    def fused(self) -> list[int]:
        """The nodes of operations of many operands that are no sums."""
        many = [i for i, node in enumerate(self.nodes) if node.parents and node.rule.arity is None]
        return [i for i in many if len(self.edges[i]) > 1 and any(slope != 1 for _, slope in self.edges[i])]

    @cached_property
    def shared_sums(self) -> dict[int, list[tuple[int, int]]]:
        """The sums of softmaxes, and of fused operations like it, with the edges that lead to each."""
        found: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for i, (_, whole) in self.coupled.items():
            found[self.edges[i][whole][0]].append((i, whole))
        for i in self.fused:
            found[i] += [(i, k) for k in range(len(self.edges[i]))]
        return found

    def terms(self, i: int) -> set[int]:
        """The nodes of which a node is the sum, nested sums opened."""
        found: set[int] = set()
        stack = [i]
        while stack:
            edges = self.edges[stack.pop()]
            for parent, _ in edges:
                opened = self.edges[parent]
                if len(opened) > 1 and all(slope == 1 for _, slope in opened):
                    stack.append(parent)
                else:
                    found.add(parent)
        return found if all(slope == 1 for _, slope in self.edges[i]) else set()

    @cached_property
    def chains(self) -> dict[int, tuple[int, ...]]:
        """The functions of one number: kind -> the kinds of the nodes passed on the way down, itself first.

        Each is as long as there is one operand only: of `1/(1 + exp(-z))` those of four operations.
        """
        found: dict[int, tuple[int, ...]] = {}
        chains: list[tuple[int, ...]] = []
        for i, kind in enumerate(self.kinds):
            chains.append((kind, *chains[self.below[i]]) if self.is_function(i) else ())
            if chains[i]:
                found.setdefault(kind, chains[i])
        return found

    def path(self, top: int, chain: Sequence[int]) -> list[int] | None:
        """The nodes of a chain from `top` down, and the one below; None if it is not such a chain."""
        nodes = [top]
        for kind in chain:
            i = nodes[-1]
            if self.kinds[i] != kind or not self.is_function(i):
                return None
            nodes.append(self.below[i])
        return nodes

    def paths(self, chain: Sequence[int]) -> list[list[int]]:
        """All such."""
        found = (self.path(top, chain) for top in self.members.get(chain[0], ()))
        return [nodes for nodes in found if nodes]


def sort(outputs: Sequence[Value]) -> list[Value]:
    """Every node below, parents before their node, first operands first: the order in which code writes them."""
    order: list[Value] = []
    seen: set[Value] = set()
    stack: list[Any] = list(reversed(outputs))
    while stack:
        node = stack.pop()
        if node is None:
            order.append(stack.pop())
        elif node not in seen:
            seen.add(node)
            stack += (node, None, *reversed(node.parents))
    return order


def merged(order: Sequence[Value]) -> tuple[list[Value], dict[Value, int]]:
    """The nodes without those that were computed before, as exp(z) in exp(z) / sum(exp(z)), and the place of each.

    A node with a constant stays: data may be alike by chance.
    """
    nodes: list[Value] = []
    at: dict[Value, int] = {}
    known: dict[Any, int] = {}
    for node in order:
        key: Any = node
        if node.parents and not any(type(parent) is Constant for parent in node.parents):
            key = node.rule.name, node.rule.parameters, tuple([at[parent] for parent in node.parents])
        at[node] = known.setdefault(key, len(nodes))
        if at[node] == len(nodes):
            nodes.append(node)
    return nodes, at


def read(upstream: Sequence[float], at: Any) -> Any:
    """The gradients of the nodes that stand `at` these places."""
    return np.append(upstream, 0.0)[at]
