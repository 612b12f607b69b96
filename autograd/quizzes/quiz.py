"""Numbers of a graph to predict: some are hidden in its drawing, and each answer is checked with the arithmetic as a hint.

    >>> a, b, c = Value(2.0, label="a"), Value(-3.0, label="b"), Value(10.0, label="c")
    >>> q = quiz(a * b + c, seed=1)     # in a notebook the drawing, with ?1, ?2 and ?3 in it
    >>> q[1] = 4                        # or q.answer(1, 4), or q.play() in a terminal

What can be asked stands in `questions.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from math import isfinite
from random import Random
from typing import Any, overload

from ..drawing import Drawing, draw, snapshot, tree
from ..drawing.embed import image
from ..drawing.figures import MINUS, as_float, figure, grid
from ..drawing.folding import folded
from ..drawing.snapshot import Snapshot, counted
from ..drawing.svg import name_of
from ..drawing.tables import html_table
from ..engine import Constant, Value, gradients, topological_sort
from .exercises import Outcome, box
from .questions import Blank, Facts, Key, accepted, first_not_finite

MOST_NODES, MOST_RECORDED = 60, 2_000  # in a drawing to be calculated in, and of a model that may be folded to so many
OPEN, RIGHT, SHOWN = "open", "right", "shown"
HEADS = ("", "what is asked", "your answer", "")
HOW = "Answer with q[1] = 2.5 or q.answer(1, 2.5), three digits will do; q.hint(1) helps; q.give_up() shows the rest."
KEYS = 'A number, or "h" for a hint, "?" to be shown this one, an empty line or "q" to stop.'


class Text(str):
    """A text that a notebook and a terminal show as it is, without quotes."""

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return box(self, None)


class Outcomes(tuple[Outcome, ...]):
    """What was found of several answers; true where all are right."""

    def __bool__(self) -> bool:
        return all(self)

    def __repr__(self) -> str:
        return "\n".join(map(repr, self))

    def _repr_html_(self) -> str:
        return "".join([outcome._repr_html_() for outcome in self])


def quiz(
    y: Value,
    blank: int = 3,
    seed: int | None = None,
    *,
    direction: str = "LR",
    theme: str = "auto",
    fold: str = "auto",
    engine: str = "auto",
) -> Quiz:
    """The graph of y with some numbers hidden, to be worked out from the others: data, gradients and local derivatives.

    The gradients are those of one sweep from y; no `grad` is read or touched, and no answer changes the graph.

    Args:
        y: the result, of a graph that is small, or small when the parts of a model are folded.
        blank: how many numbers to hide.
        seed: an int, for the same numbers every time.
        direction, theme, fold, engine: as `draw` has them.

    Raises TypeError if y is no Value or blank or seed no int; ValueError for a leaf, for a graph that is too large, has
    infinities or NaN in it, or was changed after the forward pass, and for more blanks than can be worked out.
    """
    if not isinstance(y, Value):
        raise TypeError(f"expected the Value to ask about, quiz(y), got {y!r:.80} of type {type(y).__name__}")
    for name, given in (("blank", blank), ("seed", seed)):
        if isinstance(given, bool) or not isinstance(given, int | None) or (name == "blank" and given is None):
            raise TypeError(f"{name} should be an int, as in quiz(y, {name}=3), got {given!r:.80}")
    if blank < 1:
        raise ValueError(f"blank is how many numbers to hide, at least 1, got {blank}")
    if not y.parents:
        raise ValueError("this Value is a leaf, in which there is nothing to work out: give quiz() what you made of it")
    if seed is None:
        seed = Random().randrange(10**6)  # its own: what the user draws from `random` stays the same
    facts = Facts(swept(y, fold))
    return Quiz(
        facts, facts.chosen(blank, Random(seed)), seed, {"direction": direction, "theme": theme, "engine": engine}
    )


def swept(y: Value, fold: str) -> Snapshot:
    """The graph with the gradients of one sweep, folded; ValueError if one cannot calculate with it."""
    count = counted(y, MOST_RECORDED)
    graph = None
    if count <= MOST_RECORDED:
        order = topological_sort(y)
        graph = snapshot(y)
        grads = [None if isinstance(node, Constant) else grad for node, grad in zip(order, gradients(y, order))]
        nodes = [node._replace(grad=grad) for node, grad in zip(graph.nodes, grads, strict=True)]
        graph = graph._replace(nodes=tuple(nodes))
        if graph.stale:
            raise ValueError("data was changed after the forward pass: run it again, and give quiz() its result")
        if wrong := first_not_finite(graph):
            raise ValueError(f"{wrong}, with which nobody can calculate: give the leaves other numbers")
        graph = folded(graph, fold)
    if graph is None or len(graph.nodes) > MOST_NODES:
        size = f"{len(graph.nodes):,}" if graph else f"more than {MOST_RECORDED:,}"
        raise ValueError(
            f"a quiz on {size} nodes would take too long: up to {MOST_NODES} are asked about. Give it a part (every node "
            "is the root of the graph below it), or fold the parts of a model (fold='neuron', 'layer' or 'model')"
        )
    return graph


class Quiz:
    """A drawing with numbers to predict. A notebook shows it, `print` too, and `play()` asks in a terminal.

    `q[1] = -6` or `q.answer(1, -6)` answers; `q[1]` is what was found of the last answer.

    Attributes:
        questions: what is asked, by number: {1: "gradient of a", ...}.
        seed: with which the numbers were chosen.
    """

    def __init__(self, facts: Facts, keys: list[Key], seed: int, options: dict[str, Any]) -> None:
        self.seed = seed
        self._facts, self._options = facts, options
        self._keys = dict(enumerate(keys, 1))
        self._state = dict.fromkeys(self._keys, OPEN)
        self._last: dict[int, Outcome] = {}
        graph = facts.masked(self._blanks())
        self.questions = {k: facts.asked(key, graph) for k, key in self._keys.items()}

    # ---- answers ---------------------------------------------------------------------------------------------------

    @overload
    def answer(self, question: int, given: Any) -> Outcome: ...
    @overload
    def answer(self, question: Mapping[int, Any]) -> Outcomes: ...
    def answer(self, question: int | Mapping[int, Any], given: Any = ...) -> Outcome | Outcomes:
        """Whether an answer is right, to one question or to several in a dict. A right one is in the drawing from then on.

        An answer is a number, a Value, or a text such as "1/3" or "2e-3"; right is what is right to three significant
        digits; `...` is no answer yet. Raises TypeError or ValueError for anything else, before any of several is taken.
        """
        if isinstance(question, Mapping):
            read = {self._number(k): number_of(x) for k, x in question.items()}
            return Outcomes([self._take(k, x) for k, x in read.items()])
        return self._take(self._number(question), number_of(given))

    def __setitem__(self, question: int, given: Any) -> None:
        self.answer(question, given)

    def __getitem__(self, question: int) -> Outcome:
        k = self._number(question)
        unanswered = Outcome(None, f"?{k}, the {self.questions[k]}: not answered yet.", "")
        return self._last.get(k, unanswered)

    def _number(self, question: Any) -> int:
        """The number of a question, given as 1 or "?1". Raises ValueError if there is none."""
        written = str(question).removeprefix("?")
        k = int(written) if written.isdecimal() else 0
        if k not in self._keys:
            asked = f"1 to {len(self._keys)}" if len(self._keys) > 1 else "only ?1"
            raise ValueError(f"there is no question {question!r:.40}; the questions are {asked}")
        return k

    def _take(self, k: int, x: Any) -> Outcome:
        """Judge one answer, and remember it."""
        key, asked = self._keys[k], f"?{k}, the {self.questions[k]}"
        if x is ...:
            return self[k]
        if accepted(x, self._facts.numbers[key]):
            if self._state[k] == OPEN:
                self._state[k] = RIGHT
            self._last[k] = Outcome(True, f"Right: {asked}, is {self._figure(k)}.", "")
        else:
            about = self._facts.about(x, key)
            words = f"{written(x)} is not it" if not about else f"{written(x)}: {about}"
            self._last[k] = Outcome(False, f"Not yet: {asked}. {words}.", self._hint(k))
        return self._last[k]

    @property
    def open(self) -> list[int]:
        """The questions that wait for their answers."""
        return [k for k, state in self._state.items() if state == OPEN]

    @property
    def solved(self) -> bool:
        """Whether every question was answered rightly."""
        return all(state == RIGHT for state in self._state.values())

    def hint(self, question: int) -> Text:
        """The arithmetic that gives an answer, without its result."""
        return Text(self._hint(self._number(question)))

    def give_up(self, question: int | None = None) -> Quiz:
        """Show the answer of one question, or all that are open."""
        for k in self.open if question is None else [self._number(question)]:
            if self._state[k] == OPEN:
                self._state[k] = SHOWN
        return self

    def _hint(self, k: int) -> str:
        return self._facts.hint(self._keys[k], self._blanks())

    def _figure(self, k: int) -> str:
        return figure(self._facts.numbers[self._keys[k]])

    def _blanks(self) -> dict[Key, Blank]:
        """What is hidden: the questions that are open."""
        return {key: Blank(k) for k, key in self._keys.items() if self._state[k] == OPEN}

    # ---- what is seen ----------------------------------------------------------------------------------------------

    @property
    def graph(self) -> Snapshot:
        """The graph as it is seen: with a Blank in the place of every number that is still asked for."""
        return self._facts.drawn(self._blanks())

    @property
    def drawing(self) -> Drawing:
        """The picture."""
        return draw(self.graph, edges=("formula", "number"), flow=False, fold="atomic", **self._options)

    def rows(self) -> list[tuple[str, str, str, str]]:
        """The table of what is asked: ?1, what, the last answer, and what was found of it."""
        rows = []
        for k, asked in self.questions.items():
            state = self._state[k]
            if state == OPEN:
                rows.append((f"?{k}", asked, "", "not yet" if k in self._last else ""))
            else:
                rows.append((f"?{k}", asked, self._figure(k), "✓ right" if state == RIGHT else "shown"))
        return rows

    @property
    def status(self) -> str:
        """One sentence: how far one is."""
        if not self.open:
            return "All right, well done." if self.solved else "Nothing is left to answer."
        return f"{self._so_far()} {HOW}"

    def __str__(self) -> str:
        cells = [list(column) for column in zip(HEADS, *self.rows())]
        return "\n".join([str(tree(self.graph)), "", *grid(cells), "", self.status])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        picture = image(self.drawing.svg, f"The graph of {name_of(self.graph)}, with numbers to work out")
        return picture + html_table(HEADS, self.rows(), [self.status], left=(0, 1, 3))

    # ---- in a terminal ---------------------------------------------------------------------------------------------

    def play(self, say: Callable[[str], object] = print, later: str = "Go on with q.play().") -> None:
        """Ask one question after the other, in a terminal; Ctrl-D, Ctrl-C and an empty line end it, and nothing is lost.

        Args:
            say: prints a text.
            later: what is said on how to go on, if it is ended before all is answered.
        """
        say(f"{tree(self.graph)}\n\n{KEYS}")
        for k in self.open:
            while self._state[k] == OPEN:
                say(f"\n?{k}, the {self.questions[k]}:")
                try:
                    given = input("> ").strip()
                except (EOFError, KeyboardInterrupt, RuntimeError):  # the last: there is no input at all
                    say("")
                    given = ""
                if given.lower() in ("", "q", "quit", "exit"):
                    say(f"{self._so_far()} {later}")
                    return
                if given.lower() in ("h", "hint"):
                    say(self.hint(k))
                elif given == "?":
                    self.give_up(k)
                    say(f"It is {self._figure(k)}.\n{self._hint(k)}")
                else:
                    try:
                        say(repr(self.answer(k, given)))
                    except (TypeError, ValueError) as error:
                        say(f"{error}. {KEYS}")
        say(f"\n{tree(self.graph)}\n\n{self._so_far()}")

    def _so_far(self) -> str:
        return f"{sum([state == RIGHT for state in self._state.values()])} of {len(self._keys)} right."


def number_of(given: Any) -> Any:
    """An answer as a number: of a Value its data, of a text what it says; `...` stays. Raises TypeError or ValueError."""
    if given is ...:
        return given
    if isinstance(given, Value):
        given = given.data
    if isinstance(given, str):
        try:
            return float(Fraction(given.strip().replace(MINUS, "-").replace(" ", "")))
        except (ValueError, ZeroDivisionError):
            raise ValueError(f"an answer is a number, such as -6, 0.25 or 1/3, got {given!r:.60}") from None
    x = None if isinstance(given, (bool, complex)) else as_float(given)
    if x is None or not isfinite(x):
        raise TypeError(f"an answer is a number, such as -6, 0.25 or '1/3', got {given!r:.60}")
    return x


def written(x: float) -> str:
    """A number as it was probably typed."""
    return f"{x:.6g}".replace("-", MINUS)
