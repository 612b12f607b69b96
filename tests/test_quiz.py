"""quiz(): what is hidden can be worked out from what is shown, is shown nowhere, and is judged rightly."""

import base64
import builtins
import math
import operator
import random
import re
import subprocess
import sys
from fractions import Fraction

import pytest
from graphs import lecture
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

import autograd
from autograd import Value
from autograd.__main__ import main
from autograd.drawing.figures import figure
from autograd.evaluating import evaluate
from autograd.quizzes.questions import Facts, accepted
from autograd.quizzes.quiz import Quiz, quiz, swept
from autograd.rules import RULES
from autograd.symbols import Symbol, operand_names, read

# ---- graphs with their numbers, computed without the engine ----------------------------------------------------------

OPERATIONS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
SLOPES = {  # by hand: d out / d left, d out / d right
    "+": (lambda x, y: 1, lambda x, y: 1),
    "-": (lambda x, y: 1, lambda x, y: -1),
    "*": (lambda x, y: y, lambda x, y: x),
    "/": (lambda x, y: 1 / y, lambda x, y: -x / y**2),
    "tanh": (lambda x: 1 - math.tanh(x) ** 2,),
    "exp": (lambda x: math.exp(x),),
}


class Known:
    """A graph v0, v1, ... with every number computed here: data forward, gradients by tangents, one node at a time."""

    def __init__(self, leaves, steps):
        self.data, self.steps = list(leaves), [None] * len(leaves) + steps
        for name, *ids in steps:
            function = OPERATIONS.get(name) or getattr(math, name)
            self.data.append(function(*[self.data[i] for i in ids]))

    def local(self, node, operand):
        name, *ids = self.steps[node]
        return SLOPES[name][operand](*[self.data[i] for i in ids])

    def grad(self, node):
        tangents = [0] * len(self.data)
        tangents[node] = 1
        for i in range(node + 1, len(self.data)):
            if self.steps[i]:
                tangents[i] += sum(self.local(i, k) * tangents[j] for k, j in enumerate(self.steps[i][1:]))
        return tangents[-1]

    def built(self):
        values = [Value(x, label=f"v{i}") for i, x in enumerate(self.data) if not self.steps[i]]
        for i, step in enumerate(self.steps):
            if step:
                name, *ids = step
                function = OPERATIONS.get(name) or getattr(autograd, name)
                values.append(function(*[values[j] for j in ids]))
                values[-1].label = f"v{i}"
        return values

    def number(self, kind, node, operand):
        return {"data": lambda: self.data[node], "grad": lambda: self.grad(node)}.get(
            kind, lambda: self.local(node, operand)
        )()

    def every(self):
        """Every number of the drawing, by (kind, node, operand)."""
        for i, step in enumerate(self.steps):
            yield "data", i, -1
            yield "grad", i, -1
            for k in range(len(step or (0,)) - 1):
                yield "local", i, k

    def same(self, kind, node):
        """Local derivatives that are the very number of a node's data."""
        for i, step in enumerate(self.steps):
            for k in range(len(step) - 1 if step and kind == "data" else 0):
                if (step[0] == "*" and step[2 - k] == node) or (step[0] == "exp" and i == node):
                    yield "local", i, k


@st.composite
def graphs(draw, number, functions=(), most=5):
    leaves = draw(st.lists(number, min_size=2, max_size=3, unique=True))
    steps, unused = [], set(range(1, len(leaves)))

    def made(name, *ids):
        unused.difference_update(ids)
        steps.append((name, *ids))
        return len(leaves) + len(steps) - 1

    last = 0
    for _ in range(draw(st.integers(1, most))):
        name = draw(st.sampled_from([*"+-*", *functions]))
        ids = (last,) if name in functions else draw(st.permutations((last, draw(st.integers(0, last or 1)))))
        last = made(name, *ids)
    for i in sorted(unused):
        last = made(draw(st.sampled_from("+-*")), last, i)
    try:
        known = Known(leaves, steps)
    except OverflowError:  # exp of exp of exp
        reject()
    assume(all(1e-3 < abs(x) < 1e4 for i, x in enumerate(known.data) for x in (x, known.grad(i))))
    return known


def place(q, k):
    """What a question asks for, in this file's numbering of nodes."""
    key = q._keys[k]
    return key.kind, int(q._facts.graph.nodes[key.node].label[1:]), key.operand


def everything(q):
    """All that a page or a terminal shows of a quiz, pictures decoded, but for the coordinates in them."""
    html = q._repr_html_()
    pictures = [base64.b64decode(data).decode() for data in re.findall(r"base64,([A-Za-z0-9+/=]+)", html)]
    assert pictures
    pictures = [re.sub(r' (?!aria|alt)[\w-]+="[^"]*"', "", picture) for picture in pictures]
    pictures = [re.sub(r"<style>.*?</style>", "", picture) for picture in pictures]
    html = re.sub(r'(src|style)="[^"]*"', "", html).replace(q.status, "")
    return "\n".join([html, *pictures, str(q).replace(q.status, ""), repr([q[k] for k in q.questions])])


def shows(text, x):
    """Whether a number stands in a text, with four digits or more."""
    shapes = {figure(x), repr(x), f"{x}", figure(x).replace("−", "-")}
    return any(re.search(rf"(?<![\w.?−-]){re.escape(shape)}(?![\w.])", text) for shape in shapes)


WHOLE = st.integers(-9, 9).filter(lambda x: abs(x) > 1).map(float)
GENERIC = st.integers(-29999, 29999).filter(lambda x: abs(x) > 3000 and x % 10).map(lambda x: x / 10007)


@settings(max_examples=60)
@given(graphs(WHOLE), st.integers(1, 4), st.integers(0, 99))
def test_every_quiz_is_solved_by_numbers_computed_independently(known, blank, seed):
    q = assumed(known, blank, seed)
    assert len(q.questions) == len(q.open) == blank and not q.solved
    for k in q.questions:
        expected = known.number(*place(q, k))
        assert not q.answer(k, float(expected) * 1.5 + math.copysign(1, expected)).right
        assert k in q.open
        assert q.answer(k, Fraction(expected)).right is True
        assert k not in q.open and q.questions[k] in str(q)
    assert q.solved and q.open == [] and "?" not in str(q).split("what is asked")[0]


def follows(known, hidden):
    """Whether all that is hidden follows from the rest, reasoned with letters alone: in which order, and from what."""
    hidden = set(hidden)
    while hidden:
        found = {key for key in hidden if follows_now(known, *key, hidden)}
        if not found:
            return False
        hidden -= found
    return True


def follows_now(known, kind, node, operand, hidden):
    def shown(*key):
        return key not in hidden

    def data(*ids):
        return all(shown("data", i, -1) for i in ids)

    step = known.steps[node]
    if kind == "local":
        name, *ids = step
        needed = {"+": [], "-": [], "*": [ids[1 - operand]] if len(ids) == 2 else [], "tanh": [node], "exp": [node]}
        return data(*needed[name])
    children = [(i, k) for i, other in enumerate(known.steps) if other for k, j in enumerate(other[1:]) if j == node]
    if kind == "grad":
        return all(shown("grad", i, -1) and shown("local", i, k) for i, k in children)
    if step:
        return data(*step[1:])
    return any(
        known.steps[i][0] in "+-*"
        and known.steps[i][1:].count(node) == 1
        and data(i, known.steps[i][2 - k])
        and known.local(i, k) != 0
        for i, k in children
    )


@settings(max_examples=60)
@given(graphs(GENERIC, ("tanh", "exp")), st.integers(1, 5), st.integers(0, 99))
def test_what_is_hidden_follows_from_what_is_shown_and_is_shown_nowhere(known, blank, seed):
    q = assumed(known, blank, seed)
    asked = {place(q, k) for k in q.questions}
    hidden = asked | {same for kind, node, _ in asked for same in known.same(kind, node)}
    assert ("grad", len(known.data) - 1, -1) not in asked
    assert follows(known, hidden)
    for k in q.questions:  # one after the other, with the answers before it
        later = {place(q, each) for each in q.questions if each >= k}
        later |= {same for kind, node, _ in later for same in known.same(kind, node)}
        assert follows_now(known, *place(q, k), later), q.questions
        named = {int(number) for number in re.findall(r"\?(\d+)", q.hint(k))}
        assert all(number < k for number in named) and bool(named) == q.hint(k).startswith("First find ?")
    visible = {figure(float(known.number(*key))) for key in known.every() if key not in hidden}
    page = everything(q)
    for k in q.questions:
        assert f"?{k}" in str(q).split("what is asked")[0]
        answer = float(known.number(*place(q, k)))
        if figure(answer) not in visible:
            assert not shows(page, answer), (figure(answer), page)
            assert not shows(q.hint(k), answer)
            assert not shows(repr(q.answer(k, answer * 1.7)), answer)
    for k in q.questions:  # what was answered wrongly is told nowhere, either
        answer = float(known.number(*place(q, k)))
        if figure(answer) not in visible:
            assert not shows(everything(q), answer)
    q.give_up()
    assert not q.solved and q.open == []
    assert all(shows(str(q), float(known.number(*place(q, k)))) for k in q.questions)


def assumed(known, blank, seed):
    try:
        return quiz(known.built()[-1], blank, seed)
    except ValueError as error:
        assume("can be hidden at once and still be worked out" not in str(error))
        raise


def test_rounded_answers():
    assert all(accepted(x, 2 / 3) for x in (0.667, 0.6667, 2 / 3, Fraction(2, 3)))
    assert not any(accepted(x, 2 / 3) for x in (0.66, 0.67, 0.668, -0.667, 6.67, 0))
    assert accepted(1230, 1234.0) and not accepted(1220, 1234.0)
    assert accepted(1.0, 0.9999) and accepted(0, 0.0) and not accepted(0.001, 0.0)
    assert accepted(-6, -6.0) and not accepted(-6.02, -6.0)
    assert accepted(1e-9, 1.001e-9) and not accepted(0, 1e-9)


@settings(max_examples=100)
@given(st.floats(1e-12, 1e12), st.sampled_from([3, 4, 17]), st.sampled_from([1, -1]))
def test_a_number_rounded_to_three_digits_or_more_is_right(x, digits, sign):
    assert accepted(float(f"{sign * x:.{digits}g}"), sign * x)
    assert not accepted(sign * x * 1.02, sign * x) and not accepted(-sign * x, sign * x)


# ---- answers ---------------------------------------------------------------------------------------------------------


def all_asked(seed=0):
    """A quiz on nearly everything in d = a*b; y = d*a, by what is asked."""
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    d = a * b
    d.label = "d"
    y = d * a
    y.label = "y"
    facts = Facts(swept(y, "atomic"))
    leaves = [("data", node.id, -1) for node in facts.graph.nodes if not node.edges]
    y_by_a = next(("local", 3, i) for i, edge in enumerate(facts.graph.nodes[3].edges) if edge.formula == "d")
    q = Quiz(facts, [key for key in facts.askable() if key not in (*leaves, y_by_a)], seed, {"engine": "layered"})
    return q, {words: k for k, words in q.questions.items()}


def test_ways_to_answer():
    q, asked = all_asked()
    assert set(asked) == {
        "data of d", "data of y", "gradient of a", "gradient of b", "gradient of d",
        "local derivative of d with respect to a", "local derivative of d with respect to b",
        "local derivative of y with respect to d",
    }  # fmt: skip
    k = asked["data of d"]
    assert q[k].right is None and "not answered yet" in q[k].text
    assert q.answer(k, ...).right is None and k in q.open
    q[k] = "5"
    assert q[k].right is False and "not yet" in str(q)
    q[k] = "−6"
    assert q[k].right is True and "−6.000" in q[k].text and "✓ right" in str(q)
    assert q.answer(k, 1).right is False and k not in q.open  # filled in once, it stays
    both = q.answer({asked["gradient of d"]: Value(2.0), f"?{asked['gradient of b']}": "8/2"})
    assert both and "\n" in repr(both) and both._repr_html_().count("<strong") == 2
    assert not q.answer({asked["gradient of a"]: 0, asked["data of y"]: -12})
    assert asked["data of y"] not in q.open
    assert q.give_up(asked["gradient of a"]) is q and "shown" in str(q)
    assert asked["gradient of a"] not in q.open
    state = str(q)
    with pytest.raises(ValueError, match="got 'abc'"):
        q.answer({asked["local derivative of d with respect to a"]: -3, asked["data of d"]: "abc"})
    assert str(q) == state  # nothing was taken


@pytest.mark.parametrize("given", [None, True, [1], math.nan, math.inf, 1j, "", "abc", "1/0", "nan", object()])
def test_answers_that_are_no_number(given):
    q, _ = all_asked()
    with pytest.raises((TypeError, ValueError), match="an answer is a number, such as -6"):
        q[1] = given


def test_unknown_questions():
    q, _ = all_asked()
    for k in (0, 9, -1, "x", None):
        with pytest.raises(ValueError, match="the questions are 1 to 8"):
            q.answer(k, 1)
        with pytest.raises(ValueError, match="there is no question"):
            q.hint(k)
    with pytest.raises(ValueError, match="only"):
        quiz(Value(2.0) * Value(3.0), 1, 0)[2]


def test_words_for_wrong_answers():
    q, asked = all_asked()
    a = asked["gradient of a"]  # -6 directly, -6 through d
    assert "comes back on one of 2 edges" in q.answer(a, -6).text
    assert "the sign is flipped" in q.answer(a, 12).text
    assert "twice as much" in q.answer(a, -24).text
    assert "close" in q.answer(a, -12.1).text
    b = asked["gradient of b"]  # 2 * 2
    assert "an upstream gradient: multiply" in q.answer(b, 2).text
    assert "is not it" in q.answer(b, 17).text


def test_hints_have_the_arithmetic():
    q, asked = all_asked()
    everywhere = {words: q.hint(k) for words, k in asked.items()}
    d = f"?{asked['data of d']}"
    assert everywhere["data of d"] == "It is a*b, where a is 2.000 and b is −3.000."
    assert everywhere["local derivative of d with respect to a"] == "The derivative of a*b with respect to a is b."
    first, *grad = everywhere["gradient of a"].split("\n")
    earlier = [f"?{k}" for words, k in asked.items() if words in ("data of d", "gradient of d")]
    earlier.append(f"?{asked['local derivative of d with respect to a']}")
    x, y, z = sorted(earlier)
    assert first == f"First find {x}, {y} and {z}. a is used 2 times: add what comes back on every edge."
    assert sorted(grad) == sorted(
        [
            f"  from y: upstream gradient 1.000 × local derivative d = {d}",
            f"  from d: upstream gradient ?{asked['gradient of d']} × local derivative b = "
            f"?{asked['local derivative of d with respect to a']}",
        ]
    )
    c = Value(1.5, label="c")
    y = c + Value(2.5, label="e")
    y.label = "y"
    q = quiz(y, 5, 0)
    hints = {words: q.hint(k) for k, words in q.questions.items()}
    assert "By how much does y = c + e grow" in hints["local derivative of y with respect to c"]
    d = c.tanh()
    d.label = "d"
    facts, asked = facts_of(d * 3)
    local, data = asked["local", "d"], asked["data", "d"]
    hint = "The derivative of tanh(c) with respect to c is 1 − d**2, where d is"
    assert Quiz(facts, [local], 0, {}).hint(1) == f"{hint} 0.9051."
    assert Quiz(facts, [data, local], 0, {}).hint(2) == f"First find ?1. {hint} ?1."
    assert isinstance(q.hint(1)._repr_html_(), str) and repr(q.hint(1)) == q.hint(1)


def test_a_hidden_leaf_is_hidden_wherever_its_number_stands():
    seen = 0
    for seed in range(40):
        a, b = Value(2.1237), Value(-3.4561)  # without labels: a formula would have their numbers in it
        q = quiz((a * b + 1.7713) * 0.3719, 3, seed)
        for k, words in q.questions.items():
            if words.startswith("data of leaf"):
                seen += 1
                assert not shows(everything(q), 2.1237 if q._facts.numbers[q._keys[k]] == 2.1237 else -3.4561)
                assert "gives that?" in q.hint(k) and not re.match(rf"First find [^.]*\?{k}\b", q.hint(k))
    assert seen > 5


def test_a_hint_names_what_is_to_be_found_first():
    y = Value(2.0, label="x")
    for i in range(6):
        y = y * Value(1.5 + i, label=f"w{i}") + 0.5
    told = 0
    for seed in range(5):
        q = quiz(y, 15, seed)
        for k in q.questions:
            _, first, way = re.fullmatch(r"(First find (.*?)\. )?(.*)", q.hint(k), re.DOTALL).groups()
            assert {*re.findall(r"\?\d+", first or "")} == {*re.findall(r"\?\d+", way)}
            told += "?10" in (first or "")
    assert told


def test_a_hint_for_a_leaf_starts_from_what_is_known():
    for seed in range(60):
        a, b = Value(2.0, label="a"), Value(-3.0, label="b")
        d = a * b
        d.label = "d"
        q = quiz(d.tanh() * a, 4, seed)
        asked = {words: k for k, words in q.questions.items()}
        if "data of a" in asked and "data of d" in asked:
            assert f"?{asked['data of d']}" not in q.hint(asked["data of a"])
            return
    pytest.fail("no such quiz")


def facts_of(y):
    """What can be asked of a graph, by kind and label."""
    facts = Facts(swept(y, "atomic"))
    return facts, {(key.kind, facts.graph.nodes[key.node].label): key for key in facts.askable()}


def leaves(*names):
    return [Value(x, label=name) for name, x in zip(names, (2.0, -3.0, 5.0))]


def test_what_cannot_be_worked_out_is_not_asked():
    a, b = Value(1.00001, label="a"), Value(1.00002, label="b")
    d = a - b
    d.label = "d"
    assert ("data", "d") not in facts_of(d * 3)[1]  # the digits that are shown cancel
    assert ("data", "x") not in facts_of(Value(0.01, label="x").sin())[1]  # nobody inverts a sine
    assert ("data", "x") not in facts_of(Value(0.01, label="x") ** 2)[1]
    a, b, _ = leaves(*"abc")
    assert ("data", "a") not in facts_of(a + a)[1] and ("data", "a") in facts_of(a + b)[1]
    facts, _ = facts_of(a * 7.0)
    assert all(facts.graph.nodes[key.node].kind != "constant" for key in facts.askable())
    _, asked = facts_of(autograd.maximum(a, Value(9.0)) * a)
    assert ("grad", "a") in asked  # one of its two edges carries nothing


def test_a_hint_goes_back_where_that_is_possible():
    a, b, _ = leaves(*"abc")
    for first in (a + a, a.tanh(), autograd.maximum(a, b)):
        for y in (first + a * b, a * b + first):
            facts, asked = facts_of(y)
            q = Quiz(facts, [asked["data", "a"]], 0, {})
            assert q.hint(1).startswith("a*b is −6.000, and b is −3.000: which a"), q.hint(1)
    a, b, c = leaves(*"abc")
    facts, asked = facts_of(a * b + b * c)
    q = Quiz(facts, [asked["data", "a"], asked["data", "b"]], 0, {})
    assert q.hint(1) == "First find ?2. #4 = a*b is −6.000, and b is ?2: which a gives that?"
    assert "b*c is −15.00, and c is 5.000: which b" in q.hint(2)


def test_names_and_formulas_do_not_tell():
    y = (Value(2.1237) * Value(-0.3456)).tanh()
    facts, _ = facts_of(y)
    keys = facts.askable()
    leaf = next(key for key in keys if key.kind == "data" and facts.numbers[key] == 2.1237)
    local = next(key for key in keys if key.kind == "local" and facts.numbers[key] == 2.1237)
    other = next(key for key in keys if key.kind == "local" and facts.numbers[key] == -0.3456)
    assert "2.1237" not in str(Quiz(facts, [leaf, other], 0, {}).questions)
    assert local in facts.same[leaf]
    q, asked = all_asked()
    for k, key in q._keys.items():
        if key.kind == "local":
            assert q.graph.nodes[key.node].edges[key.operand].formula is None, q.questions[k]
            q.answer(k, q._facts.numbers[key])
            assert q.graph.nodes[key.node].edges[key.operand].formula is not None
    q.give_up(asked["data of y"])
    assert q.answer(asked["data of y"], -12).right
    q.answer({k: q._facts.numbers[q._keys[k]] for k in q.open})
    assert q.open == [] and not q.solved  # what was shown was not solved


# ---- what is asked ---------------------------------------------------------------------------------------------------


def test_seeds_and_the_users_own_numbers():
    slope = (1 - math.tanh(0.8) ** 2) / 5
    y, nodes = lecture()
    y.backward()
    before = [(node.data, node.grad) for node in nodes.values()]
    state = random.getstate()
    one, two = quiz(y, 3, 5), quiz(y, 3, 5)
    assert one.questions == two.questions and str(one) == str(two)
    assert len({str(quiz(y, 3, seed).questions) for seed in range(20)}) > 10
    assert len({str(quiz(y).questions) for _ in range(10)}) > 1
    assert quiz(y, 3, quiz(y).seed).seed is not None
    assert random.getstate() == state
    one.give_up()
    one.play(say=lambda text: None)
    assert [(node.data, node.grad) for node in nodes.values()] == before
    y.backward()  # a second sweep adds to the leaves: still that of one sweep is asked
    for seed in range(40):
        q = quiz(y, 6, seed)
        asked = {words: k for k, words in q.questions.items()}
        if "gradient of c" in asked:
            assert q.answer(asked["gradient of c"], slope).right
            return
    pytest.fail("the gradient of c is never asked for")


def test_no_constants_no_root_gradient_and_easy_numbers_first():
    kinds = set()
    for seed in range(30):
        y, _ = lecture()
        q = quiz(y, 3, seed)
        for key in q._keys.values():
            node = q._facts.graph.nodes[key.node]
            assert node.kind != "constant" and (key.kind, node.label) != ("grad", "L")
            kinds.add(key.kind)
        a, b, c = Value(2.0), Value(-3.0), Value(0.123456)
        z = (a * b) * 4 + c.tanh()
        numbers = [q._facts.numbers[key] for q in [quiz(z, 3, seed)] for key in q._keys.values()]
        assert all(float(x).is_integer() and abs(x) > 1 for x in numbers)
        assert len({abs(x) for x in numbers}) > 1
    assert kinds == {"data", "grad", "local"}


def test_exact_numbers_and_parts_of_a_model():
    x = Value(Fraction(1, 3), label="x")
    q = quiz(x * x + x, 3, 0)
    for k, key in q._keys.items():
        assert q.answer(k, str(q._facts.numbers[key])).right
    from nn import MLP

    random.seed(3)
    y = MLP(2, [4, 4, 1])([Value(1.0, label="x1"), Value(-2.0, label="x2")])
    q = quiz(y, 2, 1)
    assert any(node.kind == "group" for node in q.graph.nodes) and q.drawing.svg
    for k, key in q._keys.items():
        assert key.kind == "grad" and q.hint(k).startswith(("from ", q.questions[k].split()[-1]))
        assert q.answer(k, q._facts.numbers[key]).right
    y = MLP(2, [16, 16, 1])([Value(1.0), Value(-2.0)])  # layers of several outputs: nothing can be told of one
    with pytest.raises(ValueError, match=r"no numbers can be hidden .* or another fold"):
        quiz(y, 2, 1)
    q = quiz(MLP(2, [1])([Value(1.0), Value(2.0)]), 3, 1, fold="atomic")
    assert q._repr_html_() and q.drawing.html


def test_a_choice_and_a_hand_made_node():
    a, b = Value(2.0, label="a"), Value(5.0, label="b")
    y = autograd.maximum(a, b) * 3
    q = quiz(y, 2, 0)
    assert all("gradient of a" not in words for words in q.questions.values())
    out = Value(7.0, (a, b), "mine")

    def back():
        a.grad += 2 * out.grad
        b.grad += out.grad * out.grad  # not linear: nobody can say how much

    out._backward = back
    for seed in range(5):
        q = quiz(out * 3, 1, seed)
        assert q.questions[1] in ("data of *", "gradient of mine", "local derivative of * with respect to mine")


@pytest.mark.parametrize(
    ("make", "error", "problem"),
    [
        (lambda: quiz(3.0), TypeError, "expected the Value to ask about, quiz(y), got 3.0 of type float"),
        (lambda: quiz(Value(1.0)), ValueError, "a leaf, in which there is nothing to work out"),
        (lambda: quiz(Value(2.0) * 3, 0), ValueError, "at least 1, got 0"),
        (lambda: quiz(Value(2.0) * 3, 99), ValueError, "blank should be at most 3, got 99"),
        (lambda: quiz(Value(2.0) * 3, "3"), TypeError, "blank should be an int"),
        (lambda: quiz(Value(2.0) * 3, True), TypeError, "blank should be an int"),
        (lambda: quiz(Value(2.0) * 3, 1, "x"), TypeError, "seed should be an int"),
        (lambda: quiz(autograd.log(Value(0.0)) * 2), ValueError, "is ∞, with which nobody can calculate"),
        (lambda: quiz(Value(math.nan) * 2), ValueError, "data of leaf #0 is NaN|the data of leaf is NaN"),
        (lambda: quiz(sum([Value(1.0) * i for i in range(100)])), ValueError, "up to 60 are asked about"),
        (lambda: quiz(autograd.sum([Value(1.0) * i for i in range(2000)])), ValueError, "more than 2,000 nodes"),
        (lambda: quiz(Value(2.0) * 3, 1, fold="x"), ValueError, "unknown fold 'x'"),
        (lambda: quiz(Value(2.0) * 3, 1, theme="x").drawing, ValueError, "unknown theme"),
    ],
)
def test_bad_input(make, error, problem):
    with pytest.raises(error) as caught:
        make()
    assert any(words in str(caught.value) for words in problem.split("|")), caught.value


def test_data_changed_after_the_forward_pass():
    a = Value(2.0)
    y = a * 3
    a.data = 5.0
    with pytest.raises(ValueError, match="changed after the forward pass"):
        quiz(y, 1)


# ---- in a terminal ---------------------------------------------------------------------------------------------------


def played(q, monkeypatch, *typed):
    said, rest = [], list(typed)

    def ask(prompt=""):
        if not rest:
            raise EOFError
        given = rest.pop(0)
        if given in (KeyboardInterrupt, RuntimeError):
            raise given
        return given

    monkeypatch.setattr(builtins, "input", ask)
    q.play(said.append)
    assert not rest
    return "\n".join(said)


def test_play(monkeypatch):
    q, _ = all_asked()
    numbers = {k: q._facts.numbers[q._keys[k]] for k in q.questions}
    text = played(q, monkeypatch, "h", "abc", str(numbers[1] + 100), str(numbers[1]), "")
    assert q.hint(2) not in text and "an answer is a number" in text and "Not yet: ?1" in text and "Right: ?1" in text
    assert text.endswith("1 of 8 right. Go on with q.play().")
    for end in (KeyboardInterrupt, RuntimeError, "", "quit", "Q"):
        assert "1 of 8 right" in played(q, monkeypatch, end)
    assert "1 of 8 right" in played(q, monkeypatch)
    text = played(q, monkeypatch, "?", *[str(numbers[k]) for k in range(3, 9)])
    assert "It is " in text and text.endswith("7 of 8 right.") and not q.solved and q.open == []
    assert played(q, monkeypatch).endswith("7 of 8 right.")


def test_the_command_line(monkeypatch, capsys, tmp_path):
    typed = iter(["10", "-3", "2"])
    monkeypatch.setattr(builtins, "input", lambda prompt="": next(typed))
    path = tmp_path / "y.svg"
    assert main(["a*b + c", "a=2", "b=-3", "c=10", "--quiz", "3", "--seed=1"]) == 0
    assert capsys.readouterr().out.endswith("3 of 3 right.\n")
    monkeypatch.setattr(builtins, "input", lambda prompt="": "")
    assert main(["--svg", str(path), "a*b + c", "a=2", "b=-3", "c=10", "--quiz=3"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"0 of 3 right\. The same numbers again: --quiz 3 --seed \d+\.", out)
    assert all(f">?{k}<" in path.read_text(encoding="utf-8") for k in (1, 2, 3))
    capsys.readouterr()  # an expression may look like an option
    assert main(["--quiz", "quiz=2"]) == 0 and "quiz" in capsys.readouterr().out
    assert main(["--quiz", "1", "a*myquiz", "a=2", "myquiz=3"]) == 0 and "0 of 1 right" in capsys.readouterr().out
    for arguments, problem in [
        (["a*2", "a=1", "--quiz"], "--quiz needs a whole number, as in --quiz 3, got ''"),
        (["a*2", "a=1", "--quiz=x"], "got 'x'"),
        (["a*2", "a=1", "--seed", "2"], "--seed chooses what --quiz asks"),
        (["a*2", "a=1", "--quiz", "50"], "blank should be at most 3, got 50"),
        (["a*2", "a=1", "--quiz", "0"], "at least 1, got 0"),
        (["a", "a=1", "--quiz", "1"], "a leaf"),
        (["3*2", "--quiz", "1"], "a leaf"),
        (["log(a)*2", "a=0", "--quiz", "1"], "with which nobody can calculate"),
    ]:
        assert main(arguments) == 2
        assert problem in capsys.readouterr().err


@pytest.mark.parametrize("end", ["</dev/null", "<&-"])
def test_without_a_terminal_it_ends_politely(end):
    command = f'"$0" -W error -m autograd "a*b" a=2 b=3 --quiz 1 --seed 1 {end}'
    done = subprocess.run(["sh", "-c", command, sys.executable], capture_output=True, check=True, timeout=60)
    assert done.stdout.decode().endswith("0 of 1 right. The same numbers again: --quiz 1 --seed 1.\n")
    assert not done.stderr


# ---- formulas with numbers -------------------------------------------------------------------------------------------

WITHOUT_PARAMETERS = [rule for rule in RULES.values() if not callable(rule.domain)]


@pytest.mark.parametrize("rule", WITHOUT_PARAMETERS, ids=lambda rule: rule.name)
def test_a_formula_gives_with_numbers_what_its_rule_computes(rule):
    spots = [rule.domain[min(i, len(rule.domain) - 1)] for i in range(rule.arity or 4)]
    point = [low + (high - low) * share for (low, high), share in zip(spots, (0.3, 0.8, 0.6, 0.7))]
    out = rule.forward(*point)
    given = dict(zip((*operand_names(rule, len(point)), "out"), (*point, out)))
    found = [evaluate(symbol, given) for symbol in read(rule, len(point))]
    assert found == pytest.approx(list(rule.slopes(point, out)), rel=1e-12)


@pytest.mark.parametrize(("x", "y"), [(1.0, 2.0), (2.0, 2.0), (2.0, 1.0)])
def test_conditions(x, y):
    a, b = Symbol("a"), Symbol("b")
    conditions = [a < b, a <= b, a > b, a >= b, (a < 1.5) & (b > 1.5)]
    expected = [x < y, x <= y, x > y, x >= y, x < 1.5 < y]
    assert [evaluate(condition, {"a": x, "b": y}) for condition in conditions] == expected


def test_a_formula_lacks_a_name_or_a_helper():
    for lacking, symbol in (("y", Symbol("x") + Symbol("y")), ("mine", Symbol.mine(Symbol("x")))):
        with pytest.raises(KeyError, match=lacking):
            evaluate(symbol, {"x": 2.0})
    rule = autograd.Rule("twice", lambda x: 2 * x, (lambda x, out: type(x).mine(x) if isinstance(x, Symbol) else 2,))
    assert quiz(autograd.operation(rule)(Value(3.0)) * 2, 1, 0).questions


# ---- imports ---------------------------------------------------------------------------------------------------------


def test_they_are_public_and_imported_when_first_used():
    code = (
        "import sys, autograd; assert {'quiz', 'exercise', 'broken_rule'} <= {*autograd.__all__} & {*dir(autograd)}; "
        "assert not {'numpy', 'graphviz', 'autograd.drawing', 'autograd.quizzes.quiz'} & sys.modules.keys(); "
        "autograd.exercise(1, 1, ''); assert not {'numpy', 'graphviz', 'autograd.drawing'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


@pytest.mark.browser
def test_the_picture_shows_bold_questions_in_a_page(browser):
    from browser import opened

    y, _ = lecture()
    q = quiz(y, 3, 1)
    with opened(browser, q._repr_html_() + q.drawing.svg) as page:
        for k in q.questions:
            mark = page.locator("svg text", has_text=re.compile(rf"^\?{k}$")).first
            assert mark.is_visible() and mark.get_attribute("font-weight") == "bold"
