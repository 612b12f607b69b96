"""The same bits everywhere: hash seeds, heaps, interpreter flags, processes, copies."""

import copy
import os
import pickle
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

import autograd
from autograd import Rule, Value, gradients, operation, topological_sort
from autograd.engine import NOT_COMPUTED

ROOT = Path(__file__).parent.parent
PROGRAM = """
import random, sys
hold = [bytearray(random.Random(1).randrange(4096)) for _ in range(int(sys.argv[1]))]  # a shifted heap
from autograd import Value, logsumexp
random.seed(3)
leaves = [Value(random.uniform(-2, 2)) for _ in range(12)]
pool = list(leaves)
for _ in range(400):
    x, y = random.choice(pool), random.choice(pool)
    pool.append(random.choice([x + y, x * y.tanh(), x - y / 3, (x * y).sin(), logsumexp([x, y, x]), x.maximum(y)]))
loss = sum(pool)
loss.backward()
print(loss.data.hex(), *[leaf.grad.hex() for leaf in leaves])
"""


def run(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, env={**os.environ, **environment}
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout


def test_equal_bits_under_every_hash_seed_and_heap():
    printed = {run("-c", PROGRAM, str(37 * seed), PYTHONHASHSEED=str(seed)) for seed in range(10)}
    assert len(printed) == 1 and len(printed.pop().split()) == 13


@pytest.mark.parametrize(
    "flags", [("-O",), ("-OO",), ("-W", "error"), ("-X", "dev", "-W", "error"), ("-I", "-W", "error")]
)
def test_interpreter_flags(flags):
    program = PROGRAM if "-I" not in flags else f"import sys; sys.path.insert(0, {str(ROOT)!r})\n" + PROGRAM
    assert run(*flags, "-c", program, "0") == run("-c", PROGRAM, "0")


def test_import_is_light():
    loaded = run("-c", "import sys, autograd; print(*sorted(sys.modules))").split()
    heavy = {
        "numpy",
        "graphviz",
        "dataclasses",
        "inspect",
        "tqdm",
        "sympy",
        "mpmath",
        "decimal",
        "nn",
        "autograd.drawing",
    }
    assert not heavy & set(loaded)


def test_nn_does_not_leak_into_autograd():
    found = [
        path
        for path in (ROOT / "autograd").rglob("*.py")
        if "import nn" in path.read_text() or "from nn" in path.read_text()
    ]
    assert found == []


# ---- pickle and copy -----------------------------------------------------------------------------------------------


def chain(depth):
    x = Value(0.5, label="x")
    y = x
    for _ in range(depth):
        y = y * 0.5 + x
    return x, y


@pytest.mark.parametrize(
    "through", [lambda v: pickle.loads(pickle.dumps(v)), copy.deepcopy, lambda v: pickle.loads(pickle._dumps(v))]
)
def test_a_deep_graph_is_copied_with_its_sharing(through):
    x, y = chain(50_000)
    y.backward()
    x2, y2, again, inner = through([x, y, y, y.parents[0]])
    assert y2 is again and y2.parents[0] is inner and x2 is not x
    order, order2 = topological_sort(y), topological_sort(y2)
    assert len(order) == len(order2) and x2 in order2
    assert all(
        (v.data, v.grad, v.label, v.rule, v.slopes) == (w.data, w.grad, w.label, w.rule, w.slopes)
        for v, w in zip(order, order2)
    )
    y2.backward()
    assert x2.grad == 2 * x.grad and x.grad == x2.grad / 2
    assert gradients(y2, x2, create_graph=True).data == pytest.approx(x.grad)


def test_copies_in_every_protocol():
    x = Value(0.7, label="x")
    y = (
        autograd.logsumexp([x, x**3, x**0.5, x.leaky_relu(0.3)])
        + autograd.where(True, x, 2 * x)
        + autograd.softmax_cross_entropy([x, 1], 0)
    )
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        x2, y2 = pickle.loads(pickle.dumps((x, y), protocol))
        assert y2.grad is NOT_COMPUTED
        y2.backward()
        assert x2.grad == gradients(y, x) and all(
            v.rule is w.rule for v, w in zip(topological_sort(y), topological_sort(y2))
        )


def test_an_operation_is_pickled_by_its_name():
    assert pickle.loads(pickle.dumps(autograd.relu)) is autograd.relu
    assert pickle.loads(pickle.dumps(square_plus)) is square_plus


def test_a_shallow_copy_shares_its_parents():
    x = Value(Fraction(1, 3), label="x")
    y = x * 2
    z = copy.copy(y)
    assert z is not y and z.parents[0] is x and z.data == Fraction(2, 3)


def test_gradients_that_are_graphs_are_copied_too():
    x = Value(0.5)
    y = x.tanh() * x
    y.backward(create_graph=True)
    for x2, y2 in (pickle.loads(pickle.dumps((x, y))), copy.deepcopy((x, y))):
        assert isinstance(x2.grad, Value) and x2.grad.data == x.grad.data
        assert gradients(x2.grad, x2) == gradients(x.grad, x) and y2.data == y.data


square_plus = operation(Rule("square_plus", lambda x: x * x + 1, (lambda x, out: 2 * x,)))


def test_a_rule_of_ones_own_is_pickled_by_name_or_says_so():
    x = Value(3.0)
    x2, y2 = pickle.loads(pickle.dumps((x, square_plus(x))))
    y2.backward()
    assert y2.rule is square_plus.rule and x2.grad == 6.0
    lost = operation(Rule("lost", lambda x: x * x, (lambda x, out: 2 * x,)))
    with pytest.raises(pickle.PicklingError, match=r"lost.*top level"):
        pickle.dumps(lost(x))
    assert copy.deepcopy(lost(x)).data == 9.0


def test_a_subclass_keeps_its_own():
    x = Marked(2.0)
    x.mark = ["here"]
    for y in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert type(y) is Marked and y.mark == ["here"] and y.data == 2.0
    assert copy.deepcopy(x).mark is not x.mark and copy.copy(x).mark is x.mark
    (x * x).backward()
    assert x.grad == 4.0


class Marked(Value):
    pass
