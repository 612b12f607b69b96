"""A recorded graph sorted into steps: what can be computed together, in an order that can be computed.

Sums of products become dots, dots that share their operands matrix products; everything else is grouped by level and rule.
Every number gets a row. Rows of the bank SHARED are the same in all lanes (parameters, constants, what is computed from these
alone), rows of the bank LANES have a number for each lane. No number is computed here, so any library of arrays can follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..branches import branches_of
from ..engine import Constant, Value, derivable
from ..rules import ADD, DOT, MUL, SUM, Rule

SHARED, LANES = 0, 1
FEW = 4  # dots that are the only one of their matrix and inputs; more of them are one step of dots
Indices = npt.NDArray[np.intp]
Matrix = tuple[int, tuple[tuple[int, ...], ...]]  # whether there is a bias (0 or 1); rows of weights, the bias last
Column = tuple[tuple[int, ...], list[int]]  # inputs, and results: one for each row of the matrix


@dataclass
class Operand:
    """Where the operands of a step lie: rows of one bank, in the shape that the step reads them in."""

    bank: int
    rows: Indices


@dataclass
class Step:
    """Operations of one level and kind, whose results are the rows `low` to `high` of a bank."""

    level: int
    bank: int
    nodes: list[int]  # their numbers in the graph, in the order of the rows
    low: int = field(default=0, init=False)

    @property
    def high(self) -> int:
        return self.low + len(self.nodes)

    @property
    def read(self) -> list[Operand]:
        """What it reads."""
        raise NotImplementedError


@dataclass
class RuleStep(Step):
    """One rule, read with arrays."""

    rule: Rule
    operands: list[Operand]

    @property
    def read(self) -> list[Operand]:
        return self.operands


@dataclass
class DotStep(Step):
    """Sums of products and of single terms. `starts` are those of each result's terms, along the flat rows of a section."""

    products: list[tuple[Operand, Operand, Indices]] = field(default_factory=list)  # flat rows, flat rows, starts
    singles: list[tuple[Operand, Indices]] = field(default_factory=list)

    @property
    def read(self) -> list[Operand]:
        return [x for left, right, _ in self.products for x in (left, right)] + [x for x, _ in self.singles]


@dataclass
class MatrixStep(Step):
    """A matrix product: result[i, j] = bias[i] + sum over k of weights[i, k] * inputs[k, j], in rows by (i, j)."""

    weights: Operand
    inputs: Operand
    bias: Operand | None

    @property
    def read(self) -> list[Operand]:
        return [self.weights, self.inputs] + ([] if self.bias is None else [self.bias])


class Terms(NamedTuple):
    """The terms of a sum: products of left and right factors, of which the left ones are SHARED if any is, and singles."""

    left: tuple[int, ...]
    right: tuple[int, ...]
    singles: tuple[int, ...]
    banks: tuple[Any, Any]  # in which banks the factors, and the singles, lie


MATRIX = frozenset([(False, True)]), frozenset[bool]()  # what matrix products are made of, without and with a bias
BIASED = frozenset([(False, True)]), frozenset([False])


def terms_of(products: list[tuple[int, int]], singles: list[int], lane: list[bool]) -> Terms:
    left, right = zip(*products) if products else ((), ())
    banks = {*zip([lane[j] for j in left], [lane[j] for j in right])}
    if (True, False) in banks:
        left, right = zip(*[(j, k) if lane[j] <= lane[k] else (k, j) for j, k in products])
        banks = {(False, True), *banks} - {(True, False)}
    return Terms(left, right, tuple(singles), (frozenset(banks), frozenset([lane[j] for j in singles])))


class Steps:
    """The steps of a graph.

    nodes, place     every node of the graph, parents before their node, and the number of each
    parameters       as given, or every leaf that is neither an input nor a Constant
    checked          whether it is known on which comparisons of Values the graph hung, and which these were: `comparisons`
    row, lane        of each node its row, and its bank (True for LANES); a node absorbed by a dot has the row -1
    steps            in the order in which they are computed
    rows             how many rows each bank has: SHARED begins with the parameters, LANES with the inputs
    ones             rows of LANES, one after the results of each step, that a bias can be the weights of
    """

    def __init__(
        self, outputs: Sequence[Value], inputs: Sequence[Value], parameters: Sequence[Value] | None = None
    ) -> None:
        self.inputs, self.input_set = inputs, {*inputs}
        self.nodes: list[Value] = []
        self.place: dict[Value, int] = {}
        self.leaves: list[int] = []
        self.operands: list[tuple[int, ...]] = []
        self.uses: list[int] = []
        self.lane: list[bool] = []
        self.walk(outputs)
        self.checked, self.comparisons = branches_of(self.nodes)
        if parameters is None:
            parameters = [x for x in self.nodes if x._x is None and type(x) is not Constant and x not in self.input_set]
        self.parameters = parameters
        self.walk([side for comparison in self.comparisons for side in (comparison.left, comparison.right)])
        self.rules = [node.rule for node in self.nodes]
        self.fuse()
        self.settle_levels()
        self.number_leaves()
        self.make_steps()
        del self.operands, self.uses, self.rules, self.terms, self.level, self.leaves  # a plan is kept, these are not

    # ---- the graph as lists of numbers ----

    def walk(self, roots: Sequence[Value]) -> None:
        """Number every node from the roots down that has no number yet; no recursion."""
        nodes, place, operands, uses, lane = self.nodes, self.place, self.operands, self.uses, self.lane
        input_set = self.input_set
        stack: list[Any] = [*reversed(roots)]
        pop, number, count = stack.pop, operands.append, len(nodes)
        found: tuple[int, ...]
        while stack:
            node = pop()
            if node is None:  # every operand of the next one has its number
                node = pop()
                x, y = node._x, node._y
                if type(x) is tuple:
                    found = tuple([place[p] for p in x])
                    lane.append(True in [lane[j] for j in found])
                    for j in found:
                        uses[j] += 1
                elif y is None:
                    j = place[x]
                    found = (j,)
                    lane.append(lane[j])
                    uses[j] += 1
                else:
                    j, k = found = place[x], place[y]
                    lane.append(lane[j] or lane[k])
                    uses[j] += 1
                    uses[k] += 1
            elif node not in place:
                x = node._x
                if x is not None:
                    if type(node.rule) is not Rule:
                        derivable(node)  # raises
                    place[node] = -1
                    y = node._y
                    if y is None:
                        stack += (node, None, x)
                    elif type(x) is tuple:
                        stack += (node, None, *x[::-1])
                    else:
                        stack += (node, None, y, x)
                    continue
                found = ()
                self.leaves.append(count)
                lane.append(node in input_set)
            else:
                continue
            place[node] = count
            count += 1
            nodes.append(node)
            number(found)
            uses.append(0)
        for root in roots:
            uses[place[root]] += 1

    # ---- sums of products become dots ----

    def fuse(self) -> None:
        """Find the terms of every sum. What only serves to compute a term is absorbed; `operands` are then all the terms'."""
        rules, operands, uses, lane, nodes = self.rules, self.operands, self.uses, self.lane, self.nodes
        self.absorbed = absorbed = bytearray(len(rules))
        self.terms: dict[int, Terms] = {}
        parameters = {*self.parameters}
        sums = [i for i, rule in enumerate(rules) if rule is ADD or rule is SUM or rule is DOT]
        for i in reversed(sums):
            if absorbed[i]:
                continue
            products: list[tuple[int, int]] = []  # from the last to the first, as the singles
            singles: list[int] = []
            taken: list[int] = []
            zeros, bank, stack = 0, lane[i], [i]
            while stack:
                j = stack.pop()
                found = operands[j]
                if rules[j] is DOT:
                    half = len(found) // 2
                    products += zip(found[half - 1 :: -1], found[: half - 1 : -1])
                    continue
                for k in found if len(found) == 2 else reversed(found):
                    if uses[k] == 1 and lane[k] == bank:
                        rule = rules[k]
                        if rule is MUL:
                            products.append(operands[k])  # type: ignore[arg-type]
                            taken.append(k)
                            continue
                        if rule is ADD or rule is SUM or rule is DOT:
                            stack.append(k)
                            taken.append(k)
                            continue
                    if type(nodes[k]) is not Constant or nodes[k].data != 0 or lane[k] or nodes[k] in parameters:
                        singles.append(k)
                    else:
                        zeros += 1
            if len(products) + len(singles) + zeros < 3:
                if not products and not singles:  # of zeros only
                    continue
                if rules[i] is ADD and not any(nodes[j] in parameters for product in products for j in product):
                    continue  # two calls are less than a dot's
            elif rules[i] is ADD and len(alone := [j for j in singles if lane[j]]) == 1 and alone[0] in operands[i]:
                continue  # something is added to a sum, which may be part of a matrix product
            for k in taken:
                absorbed[k] = 1
            self.terms[i] = terms = terms_of(products[::-1], singles[::-1], lane)
            operands[i] = terms.left + terms.right + terms.singles

    # ---- levels, and what is alike on each ----

    def settle_levels(self) -> None:
        """A node's level is one more than the highest of its operands'; leaves have level 0."""
        operands, absorbed, lane, terms, rules = self.operands, self.absorbed, self.lane, self.terms, self.rules
        self.level = level = [0] * len(operands)
        self.alike: dict[Any, list[int]] = {}
        alike = self.alike
        key: Any
        for i, found in enumerate(operands):
            if absorbed[i] or not found:
                continue
            if i in terms:
                level[i] = now = max([level[j] for j in found]) + 1
                key = now, lane[i], False, terms[i].banks
            elif len(found) == 1:
                (j,) = found
                level[i] = now = level[j] + 1
                key = now, lane[i], True, id(rules[i])
            elif len(found) == 2:
                j, k = found
                level[i] = now = (level[j] if level[j] > level[k] else level[k]) + 1
                key = now, lane[i], True, id(rules[i]), lane[j], lane[k]
            else:
                level[i] = now = max([level[j] for j in found]) + 1
                key = now, lane[i], True, id(rules[i]), tuple([lane[j] for j in found])
            if key in alike:
                alike[key].append(i)
            else:
                alike[key] = [i]

    def number_leaves(self) -> None:
        """Rows of the inputs and parameters, in the order given, then of all other leaves."""
        place = self.place
        self.rows = [len(self.parameters), len(self.inputs)]
        self.row = [-1] * len(self.nodes)
        for i, x in enumerate(self.parameters):
            if x in place:
                self.row[place[x]] = i
        for i, x in enumerate(self.inputs):  # after the parameters: a leaf that is both is an input
            if x in place:
                self.row[place[x]] = i
        self.constants: list[int] = []
        for i in self.leaves:
            if self.row[i] < 0:
                self.row[i] = self.rows[SHARED]
                self.rows[SHARED] += 1
                self.constants.append(i)

    # ---- steps ----

    def make_steps(self) -> None:
        self.steps: list[Step] = []
        self.ones: set[int] = set()
        self.kernels: dict[Any, Any] = {}  # of users' rules, for whoever runs the steps
        first_seen = {key: count for count, key in enumerate(self.alike)}
        for key in sorted(self.alike, key=lambda key: (key[0], key[2], first_seen[key])):
            level, lane, is_rule, *_ = key
            make = self.rule_step if is_rule else self.dot_steps
            make(level, int(lane), self.alike[key])
        del self.alike

    def add(self, step: Step) -> None:
        """Give the results of a step their rows."""
        step.low = self.rows[step.bank]
        for i in step.nodes:
            self.row[i] = self.rows[step.bank]
            self.rows[step.bank] += 1
        if step.bank == LANES and len(step.nodes) > 1:
            self.ones.add(self.rows[LANES])
            self.rows[LANES] += 1
        self.steps.append(step)

    def operand(self, numbers: Sequence[int], shape: tuple[int, ...] | None = None) -> Operand:
        """The rows of these nodes, which lie in one bank."""
        row = self.row
        rows = np.array([row[j] for j in numbers], np.intp)
        return Operand(int(self.lane[numbers[0]]), rows if shape is None else rows.reshape(shape))

    def rule_step(self, level: int, bank: int, nodes: list[int]) -> None:
        """Operations of one rule, in the order of the rows of their operands, which are then often a slice."""
        row, operands = self.row, self.operands
        rule = self.rules[nodes[0]]
        assert rule is not None
        if len(nodes) > 1:
            nodes = sorted(nodes, key=lambda i: [row[j] for j in operands[i]])
        columns = zip(*[operands[i] for i in nodes])
        self.add(RuleStep(level, bank, nodes, rule, [self.operand(column) for column in columns]))

    def dot_steps(self, level: int, bank: int, nodes: list[int]) -> None:
        """Matrix products as far as there are any; what is left is one step of dots."""
        rest = nodes
        if bank == LANES:
            rest = []
            for matrix, columns in self.matrix_products(nodes, rest):
                self.add(self.matrix_step(level, matrix, columns))
        if rest:
            self.add(self.dot_step(level, bank, rest))

    def matrix_products(self, nodes: list[int], rest: list[int]) -> list[tuple[Matrix, list[Column]]]:
        """Dots of shared weights with lanes, sorted into products of matrices; the others are put into `rest`.

        Dots with the same inputs are the product of a matrix and a vector; where the same matrix meets several vectors,
        these are the columns of another matrix.
        """
        terms, row = self.terms, self.row
        by_inputs: dict[Any, list[tuple[int, tuple[int, ...]]]] = {}
        for i in nodes:
            weights, inputs, singles, banks = terms[i]
            if banks not in (MATRIX, BIASED) or len(singles) > 1:
                rest.append(i)
            else:
                by_inputs.setdefault((len(singles), inputs), []).append((i, weights + singles))
        for dots in by_inputs.values():  # in the order of their weights, which are then often a matrix already
            dots.sort(key=lambda dot: row[dot[1][0]])
        by_weights: dict[Any, list[Column]] = {}
        for (biased, inputs), dots in by_inputs.items():
            matrix = biased, tuple([weights for _, weights in dots])
            by_weights.setdefault(matrix, []).append((inputs, [i for i, _ in dots]))
        alone = [matrix for matrix, columns in by_weights.items() if len(matrix[1]) * len(columns) == 1]
        if len(alone) > FEW:  # many dots, each by itself, are better off as one step
            for matrix in alone:
                rest += by_weights.pop(matrix)[0][1]
        return list(by_weights.items())

    def matrix_step(self, level: int, matrix: Matrix, columns: list[Column]) -> MatrixStep:
        biased, weights = matrix
        width = len(weights[0]) - biased
        return MatrixStep(
            level,
            LANES,
            [results[i] for i in range(len(weights)) for _, results in columns],
            self.operand([j for row in weights for j in row[:width]], (len(weights), width)),
            self.operand([inputs[k] for k in range(width) for inputs, _ in columns], (width, len(columns))),
            self.operand([row[width] for row in weights]) if biased else None,
        )

    def dot_step(self, level: int, bank: int, nodes: list[int]) -> DotStep:
        """Sums of products and single terms, sorted by the banks that the terms are in."""
        lane, step = self.lane, DotStep(level, bank, nodes)
        products: dict[tuple[bool, bool], tuple[list[int], list[int], list[int]]] = {}
        singles: dict[bool, tuple[list[int], list[int]]] = {}
        for i in nodes:
            for found in (*products.values(), *singles.values()):
                found[-1].append(len(found[0]))
            terms = self.terms[i]
            for j, k in zip(terms.left, terms.right):
                banks = lane[j], lane[k]
                if banks not in products:
                    products[banks] = [], [], [0]
                left, right, _ = products[banks]
                left.append(j)
                right.append(k)
            for j in terms.singles:
                if lane[j] not in singles:
                    singles[lane[j]] = [], [0]
                singles[lane[j]][0].append(j)
        for left, right, starts in products.values():
            step.products.append((self.operand(left), self.operand(right), np.array(starts, np.intp)))
        for rows, starts in singles.values():
            step.singles.append((self.operand(rows), np.array(starts, np.intp)))
        return step


# ---- what whoever runs steps asks of them ----


def needed_rows(steps: Steps, for_inputs: bool) -> list[npt.NDArray[np.bool_]]:
    """Per bank the rows whose gradients are asked for, or lead to some that are."""
    needed = [np.zeros(rows, bool) for rows in steps.rows]
    needed[SHARED][: len(steps.parameters)] = True
    parameters = {*steps.parameters}
    needed[LANES][: len(steps.inputs)] = [for_inputs or x in parameters for x in steps.inputs]
    for step in steps.steps:
        needed[step.bank][step.low : step.high] = any(
            needed[x.bank][x.rows.item() if x.rows.size == 1 else x.rows].any() for x in step.read
        )
    return needed


def width_of(starts: Indices, size: int) -> int:
    """How many terms each sum has, if all have as many; else 0."""
    width = size // len(starts)
    return width if width * len(starts) == size and np.array_equal(starts, np.arange(0, size, width)) else 0
