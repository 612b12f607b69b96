"""Values and gradients beside PyTorch's, at ordinary points of every operation that both have."""

import random

import pytest

import autograd
from autograd import Value
from autograd.rules import MAKERS, RULES

pytestmark = pytest.mark.peers

OTHERWISE_CALLED = {"normal_cdf": "special.ndtr", "ReLU": "nn.functional.relu", "neg": "neg", "abs": "abs"}


def theirs(name):
    """PyTorch's function of a rule's name, or None."""
    import torch

    for place in (torch, torch.special, torch.nn.functional):
        if hasattr(place, name):
            return getattr(place, name)
    found = torch
    for part in OTHERWISE_CALLED.get(name, "none").split("."):
        found = getattr(found, part, None)
    return found


def sample(rule, count):
    draw = random.Random(rule.name)
    domain = [*rule.domain, *[rule.domain[-1]] * count][:count]
    return [draw.uniform(*interval) for interval in domain]


@pytest.mark.parametrize("rule", [rule for rule in RULES.values() if rule.arity], ids=lambda rule: rule.name)
def test_beside_pytorch(rule):
    import torch

    operators = {"+": torch.add, "-": torch.sub, "*": torch.mul, "/": torch.div, "**": torch.pow}
    operators["cbrt"] = lambda x: x ** (1 / 3) if x > 0 else -((-x) ** (1 / 3))
    operators["gelu_tanh"] = lambda x: torch.nn.functional.gelu(x, approximate="tanh")
    function = operators.get(rule.name) or theirs(rule.name)
    assert function is not None, f"PyTorch's name for {rule.name}?"
    for _ in range(20):
        numbers = sample(rule, rule.arity)
        ours = [Value(x) for x in numbers]
        tensors = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in numbers]
        y, t = autograd.engine.record(rule, tuple(ours)), function(*tensors)
        y.backward()
        t.backward()
        assert y.data == pytest.approx(t.item(), rel=1e-13, abs=1e-15)
        assert [x.grad for x in ours] == pytest.approx([x.grad.item() for x in tensors], rel=1e-11, abs=1e-14)


def decided(sign, values):
    return autograd.engine.record(MAKERS["decided"](sign), tuple(values))


def test_n_ary_operations_and_parameters_beside_pytorch():
    import torch

    xs, ys = [0.3, -1.2, 2.0, 0.7], [1.5, 0.2, -0.4, 3.0]
    F = torch.nn.functional
    pairs = [
        (autograd.sum, torch.sum),
        (autograd.prod, torch.prod),
        (autograd.logsumexp, lambda t: torch.logsumexp(t, 0)),
        (lambda v: autograd.softmax_cross_entropy(v, 2), lambda t: F.cross_entropy(t, torch.tensor(2))),
        (lambda v: autograd.dot(v, ys), lambda t: torch.dot(t, torch.tensor(ys, dtype=torch.float64))),
        (lambda v: autograd.sum([x.leaky_relu(0.2) for x in v]), lambda t: F.leaky_relu(t, 0.2).sum()),
        (lambda v: autograd.sum([x.elu(0.5) for x in v]), lambda t: F.elu(t, 0.5).sum()),
        (lambda v: autograd.sum([x**3 + x**2 for x in v]), lambda t: (t**3 + t**2).sum()),
        (
            lambda v: autograd.where(True, v[0], v[1]) * v[2],
            lambda t: torch.where(torch.tensor(True), t[0], t[1]) * t[2],
        ),
        (
            lambda v: autograd.sum([decided(sign, v) for sign in ("<", "<=", ">", ">=")]),
            lambda t: sum(torch.where(f(t[0], t[1]), t[2], t[3]) for f in (torch.lt, torch.le, torch.gt, torch.ge)),
        ),
    ]
    assert len(pairs) >= len(MAKERS) + len([rule for rule in RULES.values() if rule.arity is None]) - 1
    for ours, function in pairs:
        values, tensor = [Value(x) for x in xs], torch.tensor(xs, dtype=torch.float64, requires_grad=True)
        y, t = ours(values), function(tensor)
        y.backward()
        t.backward()
        assert y.data == pytest.approx(t.item(), rel=1e-13)
        assert [v.grad for v in values] == pytest.approx(tensor.grad.tolist(), rel=1e-12, abs=1e-15)
