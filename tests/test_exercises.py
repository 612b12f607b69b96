"""exercise(): what is right, what is not answered yet, and what is said of wrong answers."""

import math
import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import Value, check_derivation, exercise
from autograd.quizzes.exercises import Outcome

HINT = "two paths lead there"


def said(given, expected, **options):
    return exercise(given, expected, HINT, **options)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (2, 2.0),
        (2 + 1e-7, 2),
        (-1e7 - 5, -1e7),
        (Fraction(1, 3), 1 / 3),
        (1 / 3, Fraction(1, 3)),
        (Decimal("0.25"), Fraction(1, 4)),
        (Value(2.0), 2),
        (2, Value(2.0)),
        (np.float64(2), 2),
        (np.array(2.0), 2),
        (np.arange(6.0).reshape(2, 3), [[0, 1, 2], [3, 4, 5]]),
        ([[Value(0.0), 1]], np.array([[0.0, 1.0]])),
        (np.array([Value(1.0), Value(2.0)], dtype=object), (1, 2)),
        ({"b": [1, 2], "a": 3}, {"a": 3, "b": (1, 2)}),
        (math.nan, math.nan),
        (math.inf, math.inf),
        ([1, math.nan], [1, math.nan]),
        (2 + 1j, 2 + 1j),
        (True, True),
        (np.bool_(False), False),
        (" Chain  RULE", "chain rule"),
        (None, None),
        ({"a", "b"}, {"b", "a"}),
        (0, 1e-17),
        (10**400, 10**400),
    ],
)
def test_right(answer, expected):
    outcome = said(answer, expected)
    assert outcome.right is True and outcome.text == repr(outcome) == "Right." and outcome
    assert HINT not in outcome._repr_html_()


@pytest.mark.parametrize(
    ("answer", "expected", "words"),
    [
        (-2, 2, "the sign is flipped"),
        (1.5, 3, "that is half of it"),
        (1, 2, "1 is not it"),
        (4, 2, "that is twice as much"),
        (2.01, 2, "close, but not to enough digits"),
        (3, 2, "3 is not it"),
        (0, 2, "0 is not it"),
        (5, 0, "5 is not it"),
        (0, 3e-8, "0 is not it"),
        (-3e-8, 3e-8, "the sign is flipped"),
        (1.0001, 1, "close"),
        (math.nan, 1, "nan is not it"),
        (1, math.nan, "1 is not it"),
        (math.inf, 1, "inf is not it"),
        (-math.inf, math.inf, "-inf is not it"),
        (10**400, 2, "is not it"),
        (3j, 1, "3j is not it"),
        ([1, 2, 3], [1, 2, 4], "1 of 3 entries is not right: [2] (3 is not it)"),
        ([1, -2, 5], [1, 2, 3], "2 of 3 entries are not right: [1] (the sign is flipped), [2] (5 is not it)"),
        ([-1, -2], [1, 2], "every entry: the sign is flipped"),
        ([-1, -2, 3], [1, 2, 3], "2 of 3 entries: the sign is flipped ([0], [1])"),
        ({"W": [[1, 2], [3, 5]]}, {"W": [[1, 2], [3, 4]]}, "['W'][1][1]"),
        ([1, 2], [1, 2, 3], "expected 3 entries, got 2"),
        (np.ones((2, 3)), np.ones((3, 2)), "expected the shape (3, 2), got (2, 3); is it transposed?"),
        (np.ones(6), np.ones((3, 2)), "expected the shape (3, 2), got (6,)"),
        ([[1, 2], [3]], [[1, 2], [3, 4]], "expected the shape (2, 2), got (2,)"),
        ({"a": 1}, {"a": 1, "b": 2}, "expected the keys 'a', 'b', got 'a'"),
        ({}, {"a": 1}, "got none"),
        (2, [2], "expected a list of numbers, got a number"),
        ([2], 2, "expected a number, got a list of numbers"),
        (None, 2, "expected a number, got nothing (None)"),
        ("2", 2, "expected a number, got a text in quotes"),
        (2, "b", "expected a text in quotes, got a number"),
        (True, 1, "expected a number, got True or False"),
        (1, True, "expected True or False, got a number"),
        (False, True, "False is not it"),
        (math.exp, 2, "expected a number, got a function, call it"),
        ("a", "b", "'a' is not it"),
        (object(), 2, "expected a number, got a object"),
    ],
)
def test_wrong_answers_get_a_helpful_word(answer, expected, words):
    outcome = said(answer, expected)
    assert outcome.right is False and not outcome
    assert outcome.text.startswith("Not yet: ") and words in outcome.text
    assert repr(outcome) == f"{outcome.text}\nHint: {HINT}"


def test_many_wrong_entries_are_counted():
    text = said(list(range(10, 20)), [0, 2.5, 100, -12, 1, 2, 3, 4, 5, 6]).text
    assert "10 of 10 entries" in text and "and 6 more" in text and text.count("[") == 4


@given(
    st.recursive(
        st.floats(-100, 100).map(lambda x: round(x, 3)),
        lambda inner: (
            st.lists(inner, min_size=1, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, min_size=1)
        ),
    ),
    st.data(),
)
def test_a_structure_is_right_as_it_is_and_wrong_with_any_entry_changed(structure, data):
    from autograd.functional import map_numbers, numbers_of

    assert said(structure, structure).right is True
    where = data.draw(st.sampled_from(list(numbers_of(structure))))
    broken = map_numbers(lambda x, path: x + 7.3 if path == where else x, structure)
    outcome = said(broken, structure)
    assert outcome.right is False
    if where:
        assert "".join(f"[{key!r}]" for key in where) in outcome.text or "every entry" in outcome.text
    dotted = map_numbers(lambda x, path: ... if path == where else x, structure)
    assert said(dotted, structure).right is None


def test_the_answer_is_not_given_away():
    for answer in (-0.7311, 0.36555, 1.4622, 0.73, 5, [0.7311], "0.7"):
        outcome = said(answer, 0.7311)
        assert outcome.right is False
        assert re.search(r"(?<![-\d])0\.7311", outcome.text + outcome._repr_html_()) is None


# ---- judges ----------------------------------------------------------------------------------------------------------


def test_judges():
    assert said(4, lambda x: x == 4).right is True
    assert said(4, lambda x: np.bool_(x == 4)).right is True
    assert said(5, lambda x: x == 4).text == "Not yet."
    assert said(5, lambda x: "5 is odd").text == "Not yet: 5 is odd"
    assert said(5, lambda x: "Not yet, 5 is odd").text == "Not yet, 5 is odd"
    assert said(5, lambda x: None).right is False
    assert said(5, lambda x: np.array([True, True])).right is False


def test_judges_that_give_what_says_itself_whether_it_is_right():
    def report(formula):
        return check_derivation(lambda x: x * x, {"x": formula}, 3.0)

    assert said("2*x", report).text == "Right."
    wrong = said("-2*x", report)
    assert wrong.right is False and wrong.hint == HINT
    assert wrong.text.startswith("Not yet: ") and "the sign is flipped" in wrong.text
    assert "monospace" in wrong._repr_html_().split("<details")[0]
    assert said(2, lambda x: exercise(x, 2, "another")) == Outcome(True, "Right.", HINT)
    assert said(-2, lambda x: exercise(x, 2, "another")) == Outcome(False, "Not yet: the sign is flipped.", HINT)
    assert said(2, lambda x: exercise(..., 2, "another")).right is None


def test_what_raises_is_not_yet():
    def divides(x):
        y = x - x
        return x / y

    assert (
        said(divides, lambda f: f(2) == 1).text == "Not yet: ZeroDivisionError: division by zero, in line 3 of divides"
    )
    assert said(5, lambda x: x.foo).text == "Not yet: AttributeError: 'int' object has no attribute 'foo'"
    assert said(lambda: 1 + "a", lambda f: f()).text.startswith("Not yet: TypeError: unsupported operand")
    deep = lambda n: deep(n)
    assert said(deep, lambda f: f(1)).text.startswith("Not yet: RecursionError")

    class Angry:
        def __eq__(self, other):
            raise RuntimeError("no  way\n    ^")

        __hash__ = None

    assert said(Angry(), Angry()).text == "Not yet: RuntimeError: no way."
    with pytest.raises(KeyboardInterrupt):
        said(1, lambda x: (_ for _ in ()).throw(KeyboardInterrupt))


def test_not_answered_yet():
    def dots(x): ...

    for answer, expected in [
        (..., 1),
        (..., lambda x: 1 / 0),
        ([1, ...], [1, 2]),
        ({"a": ...}, {"a": 1}),
        (dots, lambda f: f(2) == 4),
        (dots, lambda f: abs(f(2) - 4) < 1),
        (lambda x: ..., lambda f: f(2) == 4),
    ]:
        outcome = said(answer, expected)
        assert outcome.right is None and not outcome
        assert outcome.text.startswith("Not answered yet: ") and repr(outcome).endswith(f"Hint: {HINT}")
    assert said(lambda x: x, lambda f: f(2) == 4).right is False
    assert said(dots, lambda f: f(2) is None).right is True  # what is right is right
    assert said(dots, lambda f: False).right is False  # never called
    assert said(dots, lambda f: f.__name__ == "dots").right is True


def test_the_box():
    html = exercise(3, 2, "<b>look\n  here").__getattribute__("_repr_html_")()
    assert "<details" in html and "&lt;b&gt;look\n  here" in html and "<b>" not in html
    signs = {exercise(x, 2, HINT)._repr_html_().split("</strong>")[0][-1] for x in (2, 3, ...)}
    assert len(signs) == 3
    assert "<script" not in html
    assert said("</div><script>", "x")._repr_html_().count("<script") == 0
    assert isinstance(said(1, 1), Outcome)
    assert repr(Outcome(False, "Not yet.", "")) == "Not yet."
    assert "<details" not in Outcome(False, "Not yet.", "")._repr_html_()


def test_tolerance():
    assert said(2.05, 2, tolerance=0.05).right is True
    assert said(2.2, 2, tolerance=0.05).right is False
    assert said(1 + 1e-15, 1, tolerance=0).right is False
    assert said(Fraction(1, 3), Fraction(1, 3), tolerance=0).right is True
