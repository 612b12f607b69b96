"""A plan in words: `print(plan)` gives its steps as a table, and the matrix equations that it found, forward and back.

Every array of numbers gets a name: parameters and inputs that of their labels (`W1` for W1[0][0], W1[0][1], ...), results z
for a product or sum, h for a function of a z, v for anything else. Slopes are the textbook formulas of the rules.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial, reduce
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..engine import Constant, Recorded
from ..rules import chosen, decided
from ..symbols import Symbol, expression, node, operand_names, read, simplify, substitute, text
from .steps import LANES, SHARED, DotStep, Indices, MatrixStep, Operand, RuleStep, Step, needed_rows, width_of

if TYPE_CHECKING:
    from .plan import Plan

WIDEST = 120  # characters of a line
MOST_LINES = 24  # of the table, and of the equations each way; of more the middle is left out
LONGEST = 40  # characters of a name that is made of labels
MOST_STEPS = 10_000  # of a longer plan no equations are looked for
MOST_PIECES = 6  # arrays that the results of one step are cut into, so that each has a name
MOST_TERMS = 3  # that are written as a sum of arrays
MOST_WRITTEN = 8  # terms of one gradient
UPSTREAM = "upstream (by default 1, for the mean 1/lanes)"
COLUMNS = "sum over columns of "
INDEX = re.compile(r"(?<=\[)\d+(?=[\],])|(?<=, )\d+(?=[\],])|(?<=\.)\d+(?=\.|\[|$)")
NAME = re.compile(r"[^\W\d]\w*(\.\w+|\[[\w, :\"]*\])*")


# ---- what is printed ---------------------------------------------------------------------------------------------------


def summary(plan: Plan) -> str:
    """One line, for repr."""
    nodes, levels, steps = counts(plan)
    outputs, inputs, parameters = map(len, (plan.outputs, plan.inputs, plan.leaves))
    return (
        f"Plan({many(outputs, 'output')}, {many(inputs, 'input')}, {many(parameters, 'parameter')}, "
        f"{many(nodes, 'node')} in {many(levels, 'level')}, {many(steps, 'step')})"
    )


def description(plan: Plan) -> str:
    """The whole text, for print."""
    nodes, levels, steps = counts(plan)
    outputs, inputs, parameters = map(len, (plan.outputs, plan.inputs, plan.leaves))
    lines = [
        f"Plan of {many(nodes, 'node')}: {many(outputs, 'output')}, {many(inputs, 'input')}, "
        f"{many(parameters, 'parameter')}; {many(levels, 'level')}, {many(steps, 'step')}"
    ]
    absent = sum(leaf not in plan.steps.place for leaf in plan.leaves)
    kept = sum(type(plan.steps.nodes[i]) is not Constant for i in plan.steps.constants)
    notes = [f"{many(absent, 'parameter')} not in the graph"] if absent else []
    if kept:
        notes.append(f"{kept:,} other {'leaf' if kept == 1 else 'leaves'} kept")
    if notes:
        lines.append("; ".join(notes))
    if 0 < steps <= MOST_STEPS:
        forward, backward, results, matrices = equations(plan)
        lines += ["", *table(plan, results), ""]
        lines += headed(
            "In matrices, a column for each lane",
            forward,
            "a row of the call's array; * and functions go number by number",
            matrices,
        )
        if backward:
            lines += ["", *headed("And the sweep", backward, "dz is the gradient with respect to z")]
    elif steps:
        lines += ["", *table(plan, [""] * steps), "", f"Equations are written for {MOST_STEPS:,} steps at most."]
    return "\n".join([*lines, "", branches(plan)])


def counts(plan: Plan) -> tuple[int, int, int]:
    """How many nodes, levels and steps."""
    steps = plan.steps
    return len(steps.nodes), max([step.level for step in steps.steps], default=0), len(steps.steps)


def many(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def indented(found: list[Equation]) -> list[str]:
    """Equations with their signs one below the other; of many the middle is left out, long ones go on in the next line."""
    half = (MOST_LINES - 1) // 2
    shown = found if len(found) <= MOST_LINES else [*found[:half], *found[-half:]]
    width, signs = max([len(e.target) for e in shown]), max([len(e.sign) for e in shown])
    lines = []
    for i, e in enumerate(shown):
        if i == half and len(shown) < len(found):
            lines.append(f"    ... {len(found) - len(shown):,} more equations ...")
        lines += wrapped(f"    {e.target:{width}} {e.sign:>{signs}} ", e.text)
    return lines


def headed(head: str, found: list[Equation], note: str, matrices: Sequence[str] = ()) -> list[str]:
    """Equations below a line that says how to read them; `matrices` are those that every lane has."""
    lines = indented(found)
    if matrices:
        note += f"; {matrices[0]} is a matrix in each lane"
    if any("[..]" in line for line in lines):
        note += "; z[..] are some of z's numbers, each where it is needed"
    if any(" += " in line for line in lines):
        note += "; what += adds to begins at 0"
    return [*wrapped("", f"{head} ({note}):"), *lines]


def wrapped(start: str, right: str) -> list[str]:
    """A line of at most 120 characters, broken where there is a space."""
    lines = []
    while len(start) + len(right) > WIDEST:
        at = right.rfind(" ", 0, WIDEST - len(start))
        if at <= 0:
            break
        lines.append(start + right[:at])
        start, right = " " * len(start), right[at + 1 :]
    return [*lines, start + right]


def branches(plan: Plan) -> str:
    """What is known of Python's decisions."""
    count, nodes = len(plan.comparisons), plan.steps.nodes
    rules = [node.rule for node in nodes if node._x is not None]
    if not plan.checked:
        partly = any(type(node) is Recorded for node in nodes)
        first = f"branches not checked: the graph was built {'partly ' * partly}outside autograd.record()"
    elif any(rule.maker is decided for rule in rules) and not count:
        first = "branches: only those of autograd.where, decided in every lane"
    elif count:
        first = f"branches: {many(count, 'comparison')} of Values {'is' if count == 1 else 'are'} checked in every lane"
    else:
        first = "branches: no comparisons of Values were made"
    if frozen := sum(rule.maker is chosen for rule in rules):
        first += f"\n{many(frozen, 'autograd.where')} of plain bools kept as recorded"
    return first + "; numbers read through .data are constants"


# ---- the table ---------------------------------------------------------------------------------------------------------

HEADS = ("level", "result", "operation", "sizes", "fused")


def table(plan: Plan, results: list[str]) -> list[str]:
    """A line for each step."""
    steps = plan.steps.steps
    half = (MOST_LINES - 1) // 2
    shown = [*range(len(steps))] if len(steps) <= MOST_LINES else [*range(half), *range(len(steps) - half, len(steps))]
    rows = [(f"{steps[i].level:,}", results[i], *told(steps[i]), fused(plan, steps[i])) for i in shown]
    widths = [max(map(len, column)) for column in zip(HEADS, *rows)]
    lines = [
        f"{level:>{widths[0]}}  {result:{widths[1]}}  {operation:{widths[2]}}  {sizes:{widths[3]}}  {more}".rstrip()
        for level, result, operation, sizes, more in [HEADS, *rows]
    ]
    lines = [line if len(line) <= WIDEST else line[: WIDEST - 1] + "…" for line in lines]
    if len(steps) > MOST_LINES:
        lines.insert(1 + half, f"{'':{widths[0]}}  ... {len(steps) - 2 * half:,} more steps ...")
    lines.insert(1, "─" * max(map(len, lines)))
    return lines


def told(step: Step) -> tuple[str, str]:
    """What a step does, and on how many numbers."""
    count = len(step.nodes)
    if isinstance(step, MatrixStep):
        (m, k), p = step.weights.rows.shape, step.inputs.rows.shape[1]
        return "matrix product", f"{m:,} x {k:,} times {k:,} x {p:,}"
    once = ", once for all lanes" * (step.bank == SHARED)
    if isinstance(step, DotStep):
        each = np.sum([lengths(operands[0], starts) for operands, starts in sections(step)], 0)
        what = "product" if not step.singles else "term" if step.products else "number"
        what += "s" * (int(max(each)) != 1)
        return "dot" if step.products else "sum", f"{count:,} of {span(each)} {what}{once}"
    assert isinstance(step, RuleStep)
    wide = f"{count:,} of {len(step.operands):,} numbers" if step.rule.arity is None else f"{count:,} at once"
    return step.rule.name, ("1" if wide == "1 at once" else wide) + once


def span(counts: Any) -> str:
    """How many, from the least to the most."""
    low, high = int(min(counts)), int(max(counts))
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def sections(step: DotStep) -> list[tuple[list[Operand], Indices]]:
    """The factors of products, and single terms, each with where the terms of every sum start."""
    return [*[([x, y], starts) for x, y, starts in step.products], *[([x], starts) for x, starts in step.singles]]


def lengths(operand: Operand, starts: Indices) -> Indices:
    """How many terms each sum has."""
    return np.diff([*starts.tolist(), operand.rows.size])


def fused(plan: Plan, step: Step) -> str:
    """Which operations of the graph became one."""
    if isinstance(step, RuleStep):
        return ""
    steps, found = plan.steps, Counter[str]()
    stack = list(step.nodes)
    while stack:
        node = steps.nodes[stack.pop()]
        found[node._op] += 1
        stack += [j for j in [steps.place[x] for x in node.parents] if steps.absorbed[j]]
    operations = ", ".join([f"{count:,} {name}" for name, count in sorted(found.items())])
    if isinstance(step, MatrixStep):
        (m, k), p = step.weights.rows.shape, step.inputs.rows.shape[1]
        bias = "" if step.bias is None else " and a bias"
        return f"{many(m * p, 'sum')} of {many(k, 'product')}{bias}: {operations}"
    return operations if sum(found.values()) > len(step.nodes) else ""


# ---- names for arrays --------------------------------------------------------------------------------------------------


class Block:
    """Numbers that have a name together: rows of one bank, as a vector (n,) or a matrix (m, p)."""

    def __init__(self, name: str, bank: int, rows: Indices) -> None:
        self.name, self.bank, self.rows = name, bank, rows


class Reading(NamedTuple):
    """How an equation speaks of an operand."""

    text: str  # `h1`, `x[0:2]`, `W1^T`, `0.5`, `z1[..]` for some of its numbers, each where it is needed
    kind: str  # "whole", "transposed", "part", "entry", "some", or "number"
    bank: int
    rows: Indices
    blocks: tuple[Block, ...] = ()
    number: Any = None

    @property
    def gradient(self) -> str:
        """The same of the gradients."""
        if self.kind == "transposed":
            return f"d{self.blocks[0].name}"
        return f"flat(d{self.text[5:]}" if self.text.startswith("flat(") else "d" + self.text

    @property
    def is_one(self) -> bool:
        """Whether it is one number, in each lane."""
        return self.kind in ("entry", "number") or len(self.rows) == self.rows.size == 1

    @property
    def symbol(self) -> Symbol:
        return Symbol(self.text if self.number is None else self.number)


class Equation(NamedTuple):
    """`target = text`, or `target += text`. The text is made when it is asked for: of a long plan few are."""

    target: str
    sign: str
    make: Callable[[], str]

    @property
    def text(self) -> str:
        return self.make()


class Term(NamedTuple):
    """What a step adds to the gradient of an operand; with `lanes` it is added up over the lanes."""

    to: Reading
    make: Callable[[], str]
    lanes: bool = False


class Piece(NamedTuple):
    """A block of results, what it is, and its part in the sweep: a function of the name of its gradient."""

    block: Block
    make: Callable[[], str]
    sweep: Callable[[str], list[Term]]


class Names:
    """The blocks of a plan: which row of a bank has which name."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.steps = plan, plan.steps
        self.block_of: list[Any] = [np.full(rows, -1) for rows in self.steps.rows]
        self.position: list[Any] = [np.zeros(rows, np.intp) for rows in self.steps.rows]
        self.constants = len(plan.leaves), len(plan.leaves) + len(self.steps.constants)  # from which row to which
        self.blocks: list[Block] = []
        self.taken: set[str] = set()
        self.numbers: Counter[str] = Counter()
        self.node_of: list[list[Any]] = [[None] * rows for rows in self.steps.rows]
        for i, row in enumerate(self.steps.row):
            if row >= 0:
                self.node_of[int(self.steps.lane[i])][row] = self.steps.nodes[i]
        self.node_of[SHARED][: len(plan.leaves)] = plan.leaves
        labels = [str(x.label) for x in (*plan.leaves, *plan.inputs) if x.label]
        first = {label.split(".")[0] for label in labels if "." in label}
        self.prefix = f"{first.pop()}." if len(first) == 1 else ""
        self.together: defaultdict[Any, set[int]] = defaultdict(set)  # an index, by all the rest of the label
        labels += [str(x.label) for x in self.steps.nodes if x.label and x._x is not None]
        for label in labels:
            for key, index in others(label):
                self.together[key].add(index)
        self.name_leaves()

    # ---- leaves ----

    def name_leaves(self) -> None:
        """Inputs, parameters and constants: by their labels, else as they are used."""
        for step in self.steps.steps:
            if isinstance(step, MatrixStep):
                self.name_weights(step)
        free = np.flatnonzero(self.block_of[LANES][: len(self.plan.inputs)] < 0)
        self.name_labelled(LANES, free)
        self.name_rest("x", LANES, np.arange(len(self.plan.inputs)))
        low, high = self.constants
        self.name_labelled(SHARED, np.arange(low))
        for operand in [x for step in self.steps.steps for x in step.read if x.bank == SHARED and x.rows.size > 1]:
            self.name_vector(SHARED, operand.rows.ravel(), low)
        for row in np.flatnonzero(self.block_of[SHARED][:low] < 0):
            self.add(self.numbered("P"), SHARED, np.array([row]))
        self.name_labelled(SHARED, np.arange(low, high))
        self.name_rest("c", SHARED, np.arange(low, high))

    def name_rest(self, name: str, bank: int, rows: Indices) -> None:
        """Those of the rows that have no name yet are one array."""
        rows = rows[self.block_of[bank][rows] < 0]
        if len(rows):
            self.add(self.first(name), bank, rows)

    def name_weights(self, step: MatrixStep) -> None:
        """The matrices, the bias and the inputs of a matrix product, as far as they are leaves without a name."""
        low, _ = self.constants
        for columns in self.by_template(step.weights.rows[0]):
            for lines in self.by_template(step.weights.rows[:, columns[0]]):
                found = step.weights.rows[np.ix_(lines, columns)]
                if (self.block_of[SHARED][found] < 0).all() and (found < low).all():
                    labelled = self.by_labels(SHARED, found) or self.by_labels(SHARED, found.T)
                    if not labelled and len(np.unique(found)) == found.size:
                        self.add(self.numbered("P"), SHARED, found)
                if step.bias is not None:
                    self.name_vector(SHARED, step.bias.rows[lines], low)
        p = step.inputs.rows.shape[1]
        rows = step.inputs.rows if p > 1 else step.inputs.rows.ravel()
        if step.inputs.bank == LANES and not self.label(LANES, rows.flat[0]):
            self.name_vector(LANES, rows, len(self.plan.inputs), "x")

    def by_template(self, rows: Indices) -> list[Indices]:
        """Places among these rows, those together whose labels differ in their indices only, in the order of these."""
        groups: defaultdict[str, list[tuple[list[int], int]]] = defaultdict(list)
        for i, row in enumerate(rows):
            label = self.label(SHARED, row)
            groups[INDEX.sub("#", label)].append((list(map(int, INDEX.findall(label))), i))
        return [np.array([i for _, i in sorted(group)], np.intp) for group in groups.values()]

    def name_vector(self, bank: int, rows: Indices, high: int, letter: str = "P") -> None:
        """Name these rows, which must all be less than `high`, together, if none of them has a name or comes twice."""
        fresh = (self.block_of[bank][rows] < 0).all() and (rows < high).all() and len(np.unique(rows)) == rows.size
        if fresh and not self.by_labels(bank, rows):
            self.add(self.first(letter) if letter == "x" else self.numbered(letter), bank, rows)

    def name_labelled(self, bank: int, rows: Indices) -> None:
        """Leaves in the order of their rows, those whose labels count on together."""
        groups: defaultdict[str, list[int]] = defaultdict(list)
        for row in rows[self.block_of[bank][rows] < 0]:
            if label := self.label(bank, row):
                groups[INDEX.sub("#", label)].append(row)
        for group in groups.values():
            found = np.array(group, np.intp)
            shape = self.shape(bank, found)
            if shape and self.by_labels(bank, found.reshape(shape) if len(shape) == 2 else found):
                continue
            for row in group:
                self.by_labels(bank, np.array([row]))

    def label(self, bank: int, row: Any) -> str:
        """The label of what is in a row, if it can stand in an equation."""
        node = self.node_of[bank][row]
        label = str(node.label) if node is not None else ""
        return label if NAME.fullmatch(label) else ""

    def shape(self, bank: int, rows: Indices) -> tuple[int, ...]:
        """How far each index of the labels counts, if together they count through all."""
        found = [tuple(map(int, INDEX.findall(self.label(bank, row)))) for row in rows.ravel()]
        varying = [i for i in range(len(found[0])) if len({x[i] for x in found}) > 1]
        own = [tuple([x[i] for i in varying]) for x in found]
        sizes = tuple([max(x) + 1 for x in zip(*own)])
        return sizes if len(own) == int(np.prod(sizes)) and own == list(product(*map(range, sizes))) else ()

    def by_labels(self, bank: int, rows: Indices) -> bool:
        """Name these rows by what their labels share, if the labels are one name with indices that count through all."""
        labels = [self.label(bank, row) for row in rows.ravel()]
        if not labels[0] or len({INDEX.sub("#", label) for label in labels}) > 1:
            return False
        sizes = self.shape(bank, rows)
        if rows.size > 1 and (not sizes or (rows.ndim == 2 and rows.shape[1] > 1 and sizes[-1] > rows.shape[1])):
            return False
        indices = [INDEX.findall(label) for label in labels]
        varies = [len(set(x)) > 1 for x in zip(*indices)]
        for drop_single in (True, False):
            alone = [drop_single and self.together.get(key) == {0} for key, _ in others(labels[0])]
            drop = [a or b for a, b in zip(varies, alone)]
            name = shortened(labels[0].removeprefix(self.prefix), drop)
            if self.free(name) and len(name) <= LONGEST:
                self.add(name, bank, rows if sum(drop) > 1 else rows.ravel())  # w[0], w[1], ...: a vector
                return True
        return False

    # ---- names ----

    def free(self, name: str) -> bool:
        """Whether neither the name nor that of its gradient, nor what it would be the gradient of, is in use."""
        return not self.taken & {name, "d" + name} and not (name[0] == "d" and name[1:] in self.taken)

    def numbered(self, letter: str) -> str:
        while True:
            self.numbers[letter] += 1
            if self.free(name := f"{letter}{self.numbers[letter]}"):
                return name

    def first(self, letter: str) -> str:
        """The letter alone, if it is not in use; the next is x2."""
        self.numbers[letter] += not self.numbers[letter]
        return letter if self.free(letter) else self.numbered(letter)

    def add(self, name: str, bank: int, rows: Indices) -> Block:
        self.taken |= {name, "d" + name}
        block = Block(name, bank, rows)
        self.block_of[bank][rows] = len(self.blocks)
        self.position[bank][rows] = np.arange(rows.size).reshape(rows.shape)
        self.blocks.append(block)
        return block

    def result(self, bank: int, rows: Indices, letter: str, base: str = "") -> Block:
        """A block of results: by their own labels, else h1 if it is a function of z1, else with the next number."""
        if self.by_labels(bank, rows):
            return self.blocks[-1]
        name = "h" + base[1:]
        follows = letter == "h" and re.fullmatch(r"z\d+", base) and self.free(name)
        return self.add(name if follows else self.numbered("v" if letter == "h" else letter), bank, rows)

    # ---- reading ----

    def read_each(self, bank: int, rows: Indices) -> Reading:
        """The same for what is no operation number by number: one number that is meant several times is z[..], too."""
        found = self.read(bank, rows)
        if rows.size == 1 or found.kind not in ("entry", "number"):
            return found
        return found._replace(text=found.text + "[..]", kind="some" if found.kind == "entry" else "number", number=None)

    def read(self, bank: int, rows: Indices) -> Reading:
        """How to speak of these rows, in this order and shape."""
        flat = rows.ravel()
        low, high = self.constants
        if bank == SHARED and (flat >= low).all() and (flat < high).all() and not self.label(bank, flat[0]):
            numbers = self.plan.shared[0][flat, 0]
            if (numbers == numbers[0]).all():
                number = Symbol(float(numbers[0]))
                return Reading(text(number), "number", bank, rows, number=number)
        which = dict.fromkeys(self.block_of[bank][flat].tolist())
        blocks = tuple([self.blocks[i] for i in which])
        block, name = blocks[0], blocks[0].name
        make = partial(Reading, bank=bank, rows=rows, blocks=blocks)
        if len(blocks) > 1:
            names = [b.name for b in blocks[:3]] + ["..."] * (len(blocks) > 3)
            return make(f"({', '.join(names)})[..]", "some")
        place, size = self.position[bank][flat], block.rows.size
        if len(flat) == size and (size == 1 or same_shape(rows, block.rows)) and np.array_equal(place, np.arange(size)):
            return make(name, "whole")
        if rows.ndim == 2 and np.array_equal(rows, block.rows.reshape(len(block.rows), -1).T):
            return make(name + "^T", "transposed")
        if (place == place[0]).all():
            if size == 1:
                return make(name, "entry")
            i = ", ".join(map(str, np.unravel_index(int(place[0]), block.rows.shape)))
            return make(f"{name}[{i}]", "entry")
        if np.array_equal(place, np.arange(place[0], place[0] + len(flat))):
            if block.rows.ndim == 1:
                if rows.ndim == 1 or rows.shape[1] == 1:
                    return make(f"{name}[{place[0]}:{place[0] + len(flat)}]", "part")
            elif rows.ndim == 2 and rows.shape[1] == block.rows.shape[1]:
                first = place[0] // rows.shape[1]
                return make(f"{name}[{first}:{first + len(rows)}]", "part")
            elif len(flat) == size:
                return make(f"flat({name})", "some")
        return make(f"{name}[..]", "some")


def same_shape(rows: Indices, own: Indices) -> bool:
    """Whether these are the same vector, of whatever number of axes, or the same matrix."""
    return rows.shape == own.shape or all(x.ndim == 1 or x.shape[1] == 1 for x in (rows, own))


def others(label: str) -> Iterator[tuple[Any, int]]:
    """For each index of a label: the rest of it (for that of a part, as in layers.0, what comes before), and the index."""
    for found in INDEX.finditer(label):
        before, after = label[: found.start()], label[found.end() :]
        yield (before, "" if before.endswith(".") else after), int(found.group())


def shortened(label: str, drop: list[bool]) -> str:
    """A label without some of its indices, nor what only they belong to: `layers.0.w` for layers.0.neurons.3.w[1]."""
    mark = iter(drop)
    name = INDEX.sub(lambda found: ":" if next(mark) else found.group(), label)
    name = re.sub(r"\[:(, :)*\]", "", name)
    name = re.sub(r"(^|\.)[^\W\d]\w*\.:(?=\.|$)", "", name) if "." in name else name
    return name.lstrip(".") or label


# ---- equations ---------------------------------------------------------------------------------------------------------


def equations(plan: Plan) -> tuple[list[Equation], list[Equation], list[str], list[str]]:
    """What the steps compute, and the sweep back over them, in matrices.

    Also of each step the names of its results, and the names of matrices that every lane has.
    """
    names = Names(plan)
    makers: dict[type[Step], Callable[[Names, Any], Iterator[Piece]]] = {
        MatrixStep: of_product,
        DotStep: of_sums,
        RuleStep: of_rule,
    }
    pieces = [list(makers[type(step)](names, step)) for step in plan.steps.steps]
    forward = [Equation(piece.block.name, "=", piece.make) for found in pieces for piece in found]
    results = [", ".join([piece.block.name for piece in found]) for found in pieces]
    matrices = [x.name for x in names.blocks if x.bank == LANES and x.rows.ndim == 2]
    return forward, list(swept(names, pieces)), results, matrices


def swept(names: Names, pieces: list[list[Piece]]) -> Iterator[Equation]:
    """The equations of the sweep: of results when their step's turn comes, of leaves when nothing more is added to them."""
    plan, steps = names.plan, names.steps
    needed = needed_rows(steps, for_inputs=False)
    terms: defaultdict[Block, list[Term]] = defaultdict(list)
    for bank in (SHARED, LANES):
        rows = [int(place.rows[0]) for place in plan.places if place.bank == bank and needed[bank][place.rows[0]]]
        while rows:  # once, but for outputs that are given twice
            once = [*dict.fromkeys(rows)]
            for term in split(names, Term(names.read(bank, np.array(once)), partial(str, UPSTREAM), bank == SHARED)):
                terms[term.to.blocks[0]].append(term)
            for row in once:
                rows.remove(row)
    last: dict[Block, int] = {}
    results = {piece.block for made in pieces for piece in made}
    for number, made in enumerate(reversed(pieces)):
        for piece in made:
            if needed[piece.block.bank][piece.block.rows].any():
                for term in piece.sweep("d" + piece.block.name):
                    for part in split(names, term):
                        if needed[part.to.bank][part.to.rows].any():
                            terms[part.to.blocks[0]].append(part)
                            last[part.to.blocks[0]] = number
    ended: defaultdict[int, list[Block]] = defaultdict(list)  # leaves to which nothing is added after a step
    for block, number in last.items():
        if block not in results:
            ended[number].append(block)
    for number, made in enumerate(reversed(pieces)):
        for piece in made:
            yield from gathered(piece.block, terms.pop(piece.block, []))
        for block in ended[number]:
            yield from gathered(block, terms.pop(block, []))
    for block, rest in terms.items():
        yield from gathered(block, rest)


def split(names: Names, term: Term) -> list[Term]:
    """What is added to numbers of several blocks, as some of it for each; nothing for numbers that are constants."""
    to = term.to
    if to.kind == "number":
        return []
    if len(to.blocks) == 1:
        return [term]
    own = names.block_of[to.bank][to.rows]
    parts = []
    for block in to.blocks:
        rows = to.rows[own == names.block_of[to.bank][block.rows.flat[0]]]
        part = to._replace(text=f"{block.name}[..]", rows=rows, blocks=(block,))
        parts.append(Term(part, lambda: f"({term.make()})[..]", term.lanes))
    return parts


def gathered(block: Block, terms: list[Term]) -> Iterator[Equation]:
    """The gradient of a block, as one equation if every term is for all of it."""
    if not terms:
        return
    by_target: defaultdict[tuple[str, bytes], list[Term]] = defaultdict(list)
    for term in terms:
        by_target[term.to.gradient, term.to.rows.tobytes() if term.to.kind == "some" else b""].append(term)
    parts = [found[0].to for found in by_target.values()]
    rows = np.concatenate([x.rows.ravel() if x.kind == "some" else np.unique(x.rows) for x in parts])
    apart = len(np.unique(rows)) == len(rows)
    for (target, _), found in by_target.items():
        yield Equation(target, "=" if apart else "+=", partial(added, found))


def added(terms: list[Term]) -> str:
    """The terms of a gradient as one sum; of many some are left out."""
    alone, lanes = [t for t in terms if not t.lanes], [t for t in terms if t.lanes]
    right = summed([some(alone)]) if alone else ""
    if lanes:
        inner = some(lanes)
        over = "sum over lanes" if len(lanes) > 1 or not inner.startswith(COLUMNS) else "sum over lanes and columns"
        inner = f"({inner})" if len(lanes) > 1 else inner.removeprefix(COLUMNS)
        right = f"{right} + {over} of {inner}" if right else f"{over} of {inner}"
    return right


def some(terms: list[Term]) -> str:
    if len(terms) <= MOST_WRITTEN:
        return summed([term.make() for term in terms])
    shown = summed([term.make() for term in terms[: MOST_WRITTEN - 1]])
    return f"{shown} + ... {len(terms) - MOST_WRITTEN:,} more terms ... + {terms[-1].make()}"


def summed(parts: list[str]) -> str:
    """A sum of parts that hold together, minus where a part begins with one."""
    right = parts[0]
    for part in parts[1:]:
        right += f" - {part[1:]}" if part.startswith("-") else f" + {part}"
    return right


def is_over_lanes(step: Step, to: Reading) -> bool:
    """Whether a contribution is to something that all lanes share, and so is added up over them."""
    return step.bank == LANES and to.bank == SHARED


def times(*factors: Symbol) -> Symbol:
    """A product as one writes it: numbers and the sign in front, no parentheses round products, one fraction."""
    above: list[Symbol] = []
    below: list[Symbol] = []
    number: float = 1
    stack = [(simplify(factor), False) for factor in reversed(factors)]
    while stack:
        part, divides = stack.pop()
        if part.operation == "neg":
            number = -number
            stack.append((part.operands[0], divides))
        elif part.operation in ("*", "/"):
            first, second = part.operands
            stack += [(second, divides != (part.operation == "/")), (first, divides)]
        elif not divides and type(part.content) in (int, float):
            number *= part.content
        else:
            (below if divides else above).append(part)
    sign, size = number < 0, abs(number)
    if size != 1 or not above:
        above.insert(0, Symbol(size))
    found = product_of(above)
    if below:
        found = node("/", found, product_of(below))
    return node("neg", found) if sign else found


def product_of(factors: list[Symbol]) -> Symbol:
    return reduce(partial(node, "*"), factors)


def written(symbol: Symbol, readings: Sequence[Reading] = (), *more: str) -> str:
    """A formula whose names are readings and `more`, as they stand."""
    return text(symbol, {name: name for name in (*[x.text for x in readings], *more)})


# ---- matrix products ----


def alike(names: Names, *operands: tuple[int, Indices]) -> list[Indices]:
    """Places along the first axis, those together whose numbers come from the same blocks, in the order they have there.

    All together, as they are, if there would be more than a few of them.
    """
    count = len(operands[0][1])
    if count == 1:
        return [np.arange(1)]
    blocks = np.concatenate([names.block_of[bank][rows].reshape(count, -1) for bank, rows in operands], 1)
    first, which = np.unique(blocks, axis=0, return_index=True, return_inverse=True)[1:]
    if len(first) > MOST_PIECES:
        return [np.arange(count)]
    places = [names.position[bank][rows].reshape(count, -1)[:, 0] for bank, rows in operands]
    order = np.lexsort([*places[::-1], which.ravel()])
    groups = np.split(order, np.flatnonzero(np.diff(which.ravel()[order])) + 1)
    return sorted(groups, key=min)


def of_product(names: Names, step: MatrixStep) -> Iterator[Piece]:
    """z = W x + b; where the step has several named matrices below or beside each other, z1 = W x + U y, z2 = V x."""
    weights, inputs, bank, p = step.weights.rows, step.inputs.rows, step.inputs.bank, step.inputs.rows.shape[1]
    for lines in alike(names, (SHARED, weights)):
        own = weights[lines]
        factors = [
            (names.read_each(SHARED, own[:, columns]), names.read_each(bank, inputs[columns]))
            for columns in alike(names, (SHARED, own.T), (bank, inputs))
        ]
        bias = None if step.bias is None else names.read(step.bias.bank, step.bias.rows[lines])
        rows = step.low + lines[:, None] * p + np.arange(p)
        block = names.result(LANES, rows if p > 1 else rows.ravel(), "z")
        right = summed([*[f"{factor(w)} {factor(x)}" for w, x in factors], *[x.text for x in [bias] if x]])
        yield Piece(block, partial(str, right), partial(sweep_product, factors=factors, bias=bias, p=p))


def factor(reading: Reading) -> str:
    return f"({reading.text})" if reading.text.startswith("-") else reading.text


def transposed(reading: Reading) -> str:
    name = factor(reading)
    return name.removesuffix("^T") if reading.kind == "transposed" else name + "^T"


def sweep_product(d: str, factors: list[tuple[Reading, Reading]], bias: Reading | None, p: int) -> list[Term]:
    """dW = dz x^T, db = sum over lanes of dz, dx = W^T dz; the first product sums over lanes, which are columns, too."""
    found = []
    for w, x in factors:
        to_weights = f"{factor(x)} {d}^T" if w.kind == "transposed" else f"{d} {transposed(x)}"
        to_inputs = f"{d}^T {factor(w)}" if x.kind == "transposed" else f"{transposed(w)} {d}"
        found += [Term(w, partial(str, to_weights), p > 1), Term(x, partial(str, to_inputs))]
    if bias is not None:
        several = bias.kind == "entry" and bias.rows.size > 1
        what = f"sum({d})" if several else COLUMNS + d if p > 1 else d
        found.insert(1, Term(bias, partial(str, what), True))
    return found


# ---- number by number ----


def shaped(names: Names, bank: int, rows: Indices) -> tuple[Reading, tuple[int, ...]]:
    """A reading of flat rows, as the matrix that they are if they are all of one."""
    block = names.blocks[int(names.block_of[bank][rows[0]])]
    if len(rows) == block.rows.size and np.array_equal(rows, block.rows.ravel()):
        return names.read(bank, block.rows), block.rows.shape
    return names.read(bank, rows), rows.shape


def by_number(
    names: Names,
    step: Step,
    columns: list[tuple[int, Indices]],
    letter: str,
    value: Callable[[list[Reading]], Symbol],
    slopes: Callable[[list[Reading], str], list[Symbol]],
    flat_operands: Sequence[int] = (),
) -> Iterator[Piece]:
    """Pieces of a step that takes its operands number by number; `flat_operands` are those whose slope is always 0."""
    for places in alike(names, *columns):
        found = [shaped(names, bank, rows[places]) for bank, rows in columns]
        shapes = {shape for reading, shape in found if reading.kind == "whole" and len(shape) == 2}
        flat = [names.read(bank, rows[places]) for bank, rows in columns]
        same = len(shapes) == 1 and all(r.kind in ("whole", "number", "entry") for r, _ in found)
        same = same and all(shape in shapes or r.kind != "whole" for r, shape in found)
        readings = [reading for reading, _ in found] if same else flat
        rows = (step.low + places).reshape(shapes.pop() if same else -1)
        block = names.result(step.bank, rows, letter, readings[0].text if len(readings) == 1 else "")

        def right(readings: list[Reading] = readings, count: int = len(places)) -> str:
            found = simplify(value(readings))
            alike = all(x.is_one for x in readings) or not (found.operands or isinstance(found.content, str))
            return written(found, readings) + f", {count:,} times" * (alike and count > 1)

        def sweep(d: str, block: Block = block, readings: list[Reading] = readings) -> list[Term]:
            def term(i: int) -> str:
                what = written(times(Symbol(d), slopes(readings, block.name)[i]), readings, d, block.name)
                return f"sum({what})" if readings[i].kind == "entry" and block.rows.size > 1 else what

            return [
                Term(reading, partial(term, i), is_over_lanes(step, reading))
                for i, reading in enumerate(readings)
                if i not in flat_operands and reading.kind != "number"
            ]

        yield Piece(block, right, sweep)


def is_zero(symbol: Symbol) -> bool:
    return not symbol.operands and symbol.content == 0


def of_rule(names: Names, step: RuleStep) -> Iterator[Piece]:
    rule = step.rule
    if rule.arity is None:
        yield of_many(names, step)
        return
    operands = operand_names(rule)
    form = read(rule)

    def value(readings: list[Reading]) -> Symbol:
        symbols = [reading.symbol for reading in readings]
        found = expression(rule, symbols)
        if found is None and rule.name == "where":
            found = Symbol(rule.forward(*symbols))
        return node(rule.name, *symbols) if found is None else found

    def slopes(readings: list[Reading], out: str) -> list[Symbol]:
        given = dict(zip(operands, [reading.symbol for reading in readings])) | {"out": Symbol(out)}
        return [substitute(slope, given) for slope in form]

    letter = "h" if len(step.operands) == 1 else "v"
    flat = [i for i, slope in enumerate(form) if is_zero(slope)]
    yield from by_number(names, step, [(x.bank, x.rows) for x in step.operands], letter, value, slopes, flat)


def of_many(names: Names, step: RuleStep) -> Piece:
    """A rule of many operands: of arrays if it is done once, else of some numbers each time."""
    rule, width = step.rule, len(step.operands)
    block = names.result(step.bank, np.arange(step.low, step.high), "v")
    given = [(x.bank, x.rows) for x in step.operands]
    after = [str(x) for x in rule.parameters]
    if len(step.nodes) == 1:
        found = [reading for bank, rows in in_runs(names, given) for reading in [names.read_each(bank, rows)]]
        what = ", ".join([*[x.text for x in found[:MOST_PIECES]], *["..."] * (len(found) > MOST_PIECES), *after])

        def sweep_one(d: str) -> list[Term]:
            return [
                Term(part, partial(written, times(Symbol(d), slope), (), *used, d), is_over_lanes(step, part))
                for part, slope, used in alike_slopes(names, step, given, block.name)
            ]

        return Piece(block, partial(str, f"{rule.name}({what})"), sweep_one)
    each = [
        names.read_each(bank, np.array([rows for own, rows in given if own == bank]).T.ravel())
        for bank in dict.fromkeys([bank for bank, _ in given])
    ]
    what = ", ".join([f"{width:,} of {' and '.join([x.text for x in each])}", *after])

    def sweep(d: str) -> list[Term]:
        slopes = f"{d}[..]*(the slopes of {rule.name})"
        return [Term(x, partial(str, slopes), is_over_lanes(step, x)) for x in each]

    return Piece(block, partial(str, f"{rule.name}({what})"), sweep)


def in_runs(names: Names, given: list[tuple[int, Indices]]) -> list[tuple[int, Indices]]:
    """Operands, one row each, that follow each other in one block, together."""
    found: list[tuple[int, int, list[int]]] = []
    for bank, (row,) in given:
        own = int(names.block_of[bank][row])
        if found and found[-1][:2] == (bank, own):
            found[-1][2].append(row)
        else:
            found.append((bank, own, [row]))
    return [(bank, np.array(rows)) for bank, _, rows in found]


def alike_slopes(
    names: Names, step: RuleStep, given: list[tuple[int, Indices]], out: str
) -> Iterator[tuple[Reading, Symbol, list[str]]]:
    """The slopes of a rule of many: one formula for each run of operands that have the same one."""
    operands = operand_names(step.rule, len(given))
    form = read(step.rule, len(given))
    same = [substitute(slope, {name: Symbol("own operand")}) for name, slope in zip(operands, form)]
    singles = [names.read(bank, rows) for bank, rows in given]
    start = 0
    for bank, rows in in_runs(names, given):
        stop = start + len(rows)
        while start < stop:
            end = start + 1
            while end < stop and same[end] is same[start]:
                end += 1
            part = names.read_each(bank, rows[len(rows) - (stop - start) :][: end - start])
            values = {name: reading.symbol for name, reading in zip(operands, singles)}
            values |= {"own operand": part.symbol, "out": Symbol(out)}
            yield part, substitute(same[start], values), [*[x.text for x in singles], part.text, out]
            start = end


# ---- sums ----


def of_sums(names: Names, step: DotStep) -> Iterator[Piece]:
    if len(step.nodes) == 1:
        yield of_one_sum(names, step)
        return
    widths = [width_of(starts, operands[0].rows.size) for operands, starts in sections(step)]
    if not all(widths) or sum(widths) > MOST_TERMS:
        yield of_many_sums(names, step)
        return
    columns: list[tuple[int, Indices]] = []
    terms: list[list[int]] = []  # of each term the columns of its factors
    for (operands, _), width in zip(sections(step), widths):
        for k in range(width):
            terms.append([*range(len(columns), len(columns) + len(operands))])
            columns += [(x.bank, x.rows.ravel()[k::width]) for x in operands]

    def value(readings: list[Reading]) -> Symbol:
        return reduce(partial(node, "+"), [times(*[readings[i].symbol for i in term]) for term in terms])

    def slopes(readings: list[Reading], out: str) -> list[Symbol]:
        return [times(*[readings[j].symbol for j in term if j != i]) for term in terms for i in term]

    yield from by_number(names, step, columns, "z", value, slopes)


def of_one_sum(names: Names, step: DotStep) -> Piece:
    """One sum of products and numbers, in runs that have names."""
    block = names.result(step.bank, np.arange(step.low, step.high), "z")
    parts = [part for operands, _ in sections(step) for part in runs(names, operands)]

    def total(size: int, readings: list[Reading], *more: Symbol) -> str:
        """The sum of so many products, which are alike if their factors are."""
        factors = [*more, *[x.symbol for x in readings]]
        count = size if all(x.is_one for x in readings) else 1
        what = written(times(*[Symbol(count)] * (count > 1), *factors), readings, *[x.content for x in more])
        return what if count == size else f"sum({what})"

    def sweep(d: str) -> list[Term]:
        terms = []
        for size, found in parts:
            square = len(found) == 2 and found[0].text == found[1].text and found[0].kind != "some"
            for i, reading in enumerate(found[:1] if square else found):
                rest = found[:i] + found[i + 1 :]
                if reading.kind == "entry":
                    make = partial(total, size * (1 + square), rest, Symbol(d))
                else:
                    slope = times(*[Symbol(2)] * square, Symbol(d), *[x.symbol for x in rest])
                    make = partial(written, slope, found, d)
                terms.append(Term(reading, make, is_over_lanes(step, reading)))
        return terms

    return Piece(block, lambda: summed([total(size, found) for size, found in parts]), sweep)


def runs(names: Names, operands: list[Operand]) -> list[tuple[int, list[Reading]]]:
    """The terms of a sum, sorted into runs along blocks."""
    columns = [(x.bank, x.rows.ravel()) for x in operands]
    return [
        (len(places), [shaped(names, bank, rows[places])[0] for bank, rows in columns])
        for places in alike(names, *columns)
    ]


def of_many_sums(names: Names, step: DotStep) -> Piece:
    """Many sums of many terms that are no matrix product."""
    block = names.result(step.bank, np.arange(step.low, step.high), "z")
    parts = [
        (lengths(operands[0], starts), [names.read(x.bank, x.rows.ravel()) for x in operands])
        for operands, starts in sections(step)
    ]

    def right() -> str:
        shown = []
        for each, readings in parts:
            what = written(times(*[x.symbol for x in readings]), readings)
            shown.append(what if max(each) == 1 else f"sums of {span(each)} of {what}")
        return summed(shown)

    def sweep(d: str) -> list[Term]:
        own = f"{d}[..]"

        def term(to: Reading, count: int, rest: list[Reading]) -> str:
            what = written(times(*[Symbol(2)] * (count - 1), Symbol(own), *[x.symbol for x in rest]), rest, own)
            return f"sum({what})" if to.kind == "entry" else what

        found = []
        for _, (x, *rest) in parts:
            if rest and np.array_equal(x.rows, rest[0].rows) and x.bank == rest[0].bank:
                found.append(Term(x, partial(term, x, 2, rest), is_over_lanes(step, x)))
                continue
            for to, others in zip([x, *rest], [rest, [x] * len(rest)]):
                found.append(Term(to, partial(term, to, 1, others), is_over_lanes(step, to)))
        return found

    return Piece(block, right, sweep)
