"""broken_rule(): every mistake on every operation is found by check_gradients or never used."""

import math
import random
import re

import numpy as np
import pytest

import autograd
from autograd import GradientError, Value, broken_rule, check_gradients, draw, tree
from autograd.engine import record
from autograd.quizzes.broken import DIFFICULTIES, MISTAKES, SHAPES, TRIED, caught, every_operation, found_in, points
from autograd.rules import MAKERS, RULES

EVERY = every_operation()
CASES = [
    (name, i, k) for name, each in EVERY.items() for i in range(len(MISTAKES)) for k in range(each.rule.arity or 1)
]


def differences(forward, point, k, h=1e-6):
    up, down = ([*point[:k], point[k] + step, *point[k + 1 :]] for step in (h, -h))
    return (forward(*up) - forward(*down)) / (2 * h)


def test_every_public_operation_of_a_rule_takes_part():
    rules = {each.rule.maker or each.rule.name for each in EVERY.values()}
    public = autograd.expression.public_operations()
    missing = set(public) - set(EVERY)
    assert missing <= {"where"}, missing  # whose condition is no operand
    for name in RULES:
        assert name in rules or name == "gelu_tanh"  # which is gelu with a parameter
    assert {MAKERS["leaky_relu"], MAKERS["elu"], MAKERS["softmax_cross_entropy"]} <= rules


@pytest.mark.parametrize(("name", "i", "k"), CASES)
def test_every_mistake_is_caught_or_rejected(name, i, k):
    rule, mistake = EVERY[name].rule, MISTAKES[i]
    wrong = mistake.apply(rule, k)
    if wrong is None:
        return
    found = caught(wrong, random.Random(1))
    truth = []
    for point in points(wrong, random.Random(1)):  # the same points
        slopes = [float(x) for x in wrong.slopes(point, wrong.forward(*point))]
        if not all(map(math.isfinite, slopes)):
            assert found == []
            return
        off = max(abs(x - differences(rule.forward, point, j)) / (abs(x) + 0.1) for j, x in enumerate(slopes))
        truth.append(off > 1e-5 if not 1e-8 < off < 1e-5 else None)  # None: differences cannot tell
    assert [saw for saw, is_wrong in zip(found, truth, strict=True) if is_wrong is not None] == [
        is_wrong for is_wrong in truth if is_wrong is not None
    ]
    assert rule is EVERY[name].rule and not any(caught(rule, random.Random(1)))


def test_every_kind_of_mistake_is_used_and_every_operation_can_be_broken():
    used = set()
    for mistake in MISTAKES:
        for each in EVERY.values():
            wrong = [mistake.apply(each.rule, k) for k in range(each.rule.arity or 1)]
            if any(rule is not None and any(caught(rule, random.Random(0))) for rule in wrong):
                used.add(id(mistake))
    assert used == set(map(id, MISTAKES))
    for each in EVERY.values():
        assert found_in(each, "any", random.Random(0)) is not None


@pytest.mark.parametrize("seed", range(12))
def test_a_game(seed):
    before = {name: (rule, rule.partials, rule.textbook) for name, rule in RULES.items()}
    game = broken_rule(seed=seed)
    assert len(game.operations) == 6
    name = game._broken.operation.name
    assert name in game.operations and str(game) == str(broken_rule(seed=seed))
    rng, raised = random.Random(seed), {}
    for each, function in game.operations.items():
        operation = EVERY[each]
        takes = operation.shape
        for point in points(operation.rule, rng):

            def f(*xs, takes=takes, function=function, operation=operation):
                if operation.rule.arity is not None:
                    return function(*xs)
                return function(*([*xs[:2]], [*xs[2:]]) if takes is SHAPES[3] else (list(xs), *takes(0, 0, 0)[1:]))

            assert f(*point) == pytest.approx(f(*map(Value, point)).data, rel=1e-12)  # numbers, and the same data
            try:
                check_gradients(f, *point)
            except GradientError:
                raised[each] = True
    assert raised.keys() == {name}
    assert {n: (rule, rule.partials, rule.textbook) for n, rule in RULES.items()} == before
    for each in game.operations:
        outcome = game.guess(each)
        assert outcome.right is (each == name)
        if each != name:
            assert "as it should be" in outcome.text and "GradientError" in outcome.hint
            assert game._told() not in outcome.hint
        else:
            assert "should be" in outcome.text and name in outcome.text
    assert game.solved and "should be" in repr(game) and "should be" in game._repr_html_()


def test_nothing_tells_before_it_is_solved():
    for seed in range(8):
        game = broken_rule(seed=seed)
        texts = repr(game) + game._repr_html_() + str(vars(game).keys() - {"_broken"})
        assert "should be" not in texts and game._broken.mistake.name not in texts
        names = {function.__name__ for function in game.operations.values()}
        assert names == set(game.operations)
        assert len({f.__doc__.replace(n, "") for n, f in game.operations.items()}) == 1


def test_a_drawing_shows_the_broken_formula_and_others_look_alike():
    game = broken_rule(operation="tanh", difficulty="easy", seed=2)
    y = game.tanh(Value(0.5, label="x"))
    assert "1 − tanh(x)**2" not in str(tree(y)) or "−(1" in str(tree(y)) or "2*" in str(tree(y)) or "/2" in str(tree(y))
    other = next(name for name in game.operations if name != "tanh" and EVERY[name].rule.arity == 1)
    assert draw(game.operations[other](Value(0.6, label="x"))).svg
    y.backward()
    with pytest.raises(GradientError):
        check_gradients(game.tanh, 0.5)


def test_every_example_runs_as_it_is_written():
    games = [broken_rule(seed=0, candidates=len(EVERY))]
    for game in games:
        right = 0
        for each in game._candidates.values():
            try:
                eval(each.example, {"check_gradients": check_gradients, "game": game})
                right += 1
            except GradientError:
                assert each.name == game._broken.operation.name
        assert right >= len(EVERY) - 1


def test_parameters_and_arrays():
    game = broken_rule(operation="leaky_relu", difficulty="easy", seed=1, candidates=2)
    x = Value(-2.0)
    y = game.leaky_relu(x, slope=0.5)
    assert y.data == -1.0
    y.backward()
    assert x.grad != 0.5  # broken with every parameter
    game = broken_rule(operation="mul", seed=1, candidates=len(EVERY))
    found = game.exp(np.array([Value(0.0), Value(1.0)], dtype=object))
    assert [value.data for value in found] == [1.0, math.e]
    assert game.exp(1.0) == math.e and isinstance(game.exp(1.0), float)
    a, b = Value(2.0), Value(3.0)
    game.mul(a, b).backward()
    assert (a.grad, b.grad) != (3.0, 2.0)
    with autograd.no_grad():
        assert game.mul(a, b).parents == ()


def test_no_copy_tells_which_one_is_broken():
    game = broken_rule(operation="tanh", seed=0, candidates=len(EVERY))
    for name in ("add", "mul", "hypot"):
        made = game.operations[name](Value(0.5), Value(0.75))
        assert made.rule is not EVERY[name].rule and made.rule.maker is None
        assert made.slopes == EVERY[name].function(Value(0.5), Value(0.75)).slopes


def test_only_two_local_derivatives_are_swapped():
    swapped = MISTAKES[3].apply(RULES["prod"], 0)
    assert list(swapped.slopes([2.0, 3.0, 5.0, 7.0], 210.0)) == [70.0, 105.0, 42.0, 30.0]


def test_points_lie_in_the_domain():
    above = RULES["sqrt"]._replace(domain=lambda x: x > 2)
    found = list(points(above, random.Random(0)))
    assert len(found) == TRIED and all(x > 2 for (x,) in found)
    for name, count in (("hypot", 2), ("sum", 4)):  # the last interval is that of all further operands
        two = RULES[name]._replace(domain=((0, 1), (2, 3)))
        for x, *others in points(two, random.Random(0)):
            assert 0 < x < 1 and len(others) == count - 1 and all(2 < y < 3 for y in others)


def test_difficulty():
    for seed in range(4):
        easy, hard = (broken_rule(seed=seed, difficulty=each) for each in ("easy", "hard"))
        assert easy._broken.mistake.kind == "plain"
        rule = easy._broken.rule(easy._broken.operation.rule)
        assert all(caught(rule, random.Random(seed)))
        wrong = hard._broken.rule(hard._broken.operation.rule)
        assert hard._broken.mistake.kind == "subtle" or not all(caught(wrong, random.Random(seed + 1)) * 1)
    assert set(DIFFICULTIES) == {"easy", "hard", "any"}


def test_what_is_broken_is_told_with_both_formulas():
    game = broken_rule(operation="exp", difficulty="easy", seed=0)
    told = game.give_up().text
    assert "d exp / d x is " in told and "and should be out" in told and not game.solved
    assert game.guess("exp").text == f"Right. {told}"
    assert broken_rule(operation="*", seed=0)._broken.operation.name == "mul"


def test_seeds():
    state = random.getstate()
    assert {broken_rule()._broken.operation.name for _ in range(8)} != {"tanh"}
    assert random.getstate() == state
    assert len({broken_rule(seed=s)._broken.operation.name for s in range(10)}) > 5


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"operation": "tahn"}, "no operation here is called 'tahn'; did you mean tan"),
        ({"operation": "qqqq"}, "there are abs, acos"),
        ({"operation": 3}, "no operation here is called 3"),
        ({"difficulty": "x"}, "unknown difficulty 'x'; expected one of 'easy', 'hard', 'any'"),
        ({"candidates": 1}, "from 2 to"),
        ({"candidates": 1000}, "from 2 to"),
    ],
)
def test_bad_input(options, problem):
    with pytest.raises(ValueError, match=re.escape(problem)):
        broken_rule(**options)


def test_bad_types_and_guesses():
    with pytest.raises(TypeError, match="seed should be an int"):
        broken_rule(seed="a")
    with pytest.raises(TypeError, match="candidates should be an int"):
        broken_rule(candidates=2.5)
    game = broken_rule(operation="tanh", seed=0, candidates=3)
    with pytest.raises(ValueError, match="did you mean tanh"):
        game.guess("tanhh")
    with pytest.raises(AttributeError, match="did you mean tanh"):
        game.tahn  # noqa: B018
    with pytest.raises(ValueError, match="no operation here is called None"):
        game.guess(None)
    assert not game.solved and "tanh" in dir(game) and not hasattr(game, "_nothing")
    with pytest.raises(GradientError):
        check_gradients(lambda x: record(game._broken.rule(RULES["tanh"]), (x,)), 0.5)
