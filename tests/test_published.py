"""Code written for micrograd and for the lecture's Value class, and worked examples as their authors printed them."""

import math
import random
import subprocess
import sys

import pytest

from autograd import Value, softmax_cross_entropy
from autograd.drawing import draw_dot, trace
from nn import MLP, Layer, Neuron

# ---- micrograd: github.com/karpathy/micrograd, README and test/test_engine.py --------------------------------------


def test_micrograds_readme():
    a = Value(-4.0)
    b = Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    assert f"{g.data:.4f}" == "24.7041"
    g.backward()
    assert (f"{a.grad:.4f}", f"{b.grad:.4f}") == ("138.8338", "645.5773")


def test_micrograds_sanity_check():
    # The values that PyTorch gives in micrograd's own test, worked out by hand: z = 2x + 2 + x, q = relu(z) + z x, ...
    x = Value(-4.0)
    z = 2 * x + 2 + x
    q = z.relu() + z * x
    h = (z * z).relu()
    y = h + q + q * x
    y.backward()
    # z = -10: q = 40, h = 100, y = 100 + 40 - 160 = -20; dz/dx = 3, dq/dx = 3x + z = -22, dy/dx = 2z 3 - 22 + q - 22 x = 46
    assert (y.data, x.grad) == (-20.0, 46.0)


def test_golden_numbers_of_one_neuron():
    random.seed(1337)
    neuron = Neuron(2)
    assert [w.data for w in neuron.w] == [0.23550571390294128, 0.06653114721000164] and neuron.b.data == 0
    assert neuron([1, -2]).data == 0.102443419482938
    assert repr(neuron) == "ReLUNeuron(2)"


def test_micrograds_networks_run():
    random.seed(1337)
    model = MLP(2, [16, 16, 1])
    assert len(model.parameters()) == 337
    assert repr(model).startswith("MLP of [Layer of [ReLUNeuron(2), ") and repr(model).endswith("LinearNeuron(16)]]")
    loss = (1 + -1 * model([Value(0.3), Value(-0.7)])).relu() + 1e-4 * sum(p * p for p in model.parameters())
    model.zero_grad()
    loss.backward()
    assert all(isinstance(p.grad, float) for p in model.parameters())
    for p in model.parameters():
        p.data -= 0.1 * p.grad
    assert isinstance(Layer(3, 1)([1.0, 2.0, 3.0]), Value) and len(Layer(3, 2)([1.0, 2.0, 3.0])) == 2


# ---- the lecture "The spelled-out intro to neural networks and backpropagation: building micrograd" ----------------


def lecture_neuron():
    x1 = Value(2.0, label="x1")
    x2 = Value(0.0, label="x2")
    w1 = Value(-3.0, label="w1")
    w2 = Value(1.0, label="w2")
    b = Value(6.8813735870195432, label="b")
    x1w1 = x1 * w1
    x1w1.label = "x1*w1"
    x2w2 = x2 * w2
    x2w2.label = "x2*w2"
    x1w1x2w2 = x1w1 + x2w2
    n = x1w1x2w2 + b
    n.label = "n"
    return x1, x2, w1, w2, n


def test_the_lectures_neuron():
    x1, x2, w1, w2, n = lecture_neuron()
    o = n.tanh()
    o.label = "o"
    o.backward()
    assert f"{o.data:.4f}" == "0.7071"
    assert [round(v.grad, 4) for v in (x1, x2, w1, w2, n)] == [-1.5, 0.5, 1.0, 0.0, 0.5]
    assert o._op == "tanh" and n in o._prev


def test_the_lectures_neuron_with_tanh_taken_apart():
    x1, x2, w1, w2, n = lecture_neuron()
    e = (2 * n).exp()
    o = (e - 1) / (e + 1)
    o.backward()
    assert f"{o.data:.4f}" == "0.7071" and [round(v.grad, 4) for v in (x1, x2, w1, w2)] == [-1.5, 0.5, 1.0, 0.0]


def test_the_lectures_tanh_with_its_own_closure():
    x1, x2, w1, w2, n = lecture_neuron()
    t = (math.exp(2 * n.data) - 1) / (math.exp(2 * n.data) + 1)
    out = Value(t, (n,), "tanh")

    def _backward():
        n.grad += (1 - t**2) * out.grad

    out._backward = _backward
    out.grad = 1.0
    out._backward()
    n._backward()
    assert round(n.grad, 4) == 0.5
    assert [round(p.grad, 4) for p in n._prev] == [0.5, 0.5]
    out.zero_grad()
    out.backward()
    assert [round(v.grad, 4) for v in (x1, x2, w1, w2)] == [-1.5, 0.5, 1.0, 0.0]


def test_the_lectures_bug_with_a_repeated_operand_is_none():
    a = Value(3.0, label="a")
    b = a + a
    b.backward()
    assert a.grad == 2.0


def test_the_lectures_drawing():
    *_, n = lecture_neuron()
    o = n.tanh()
    nodes, edges = trace(o)
    assert len(nodes) == 10 and len(edges) == 9 and all(child in nodes and parent in nodes for parent, child in edges)
    dot = draw_dot(o)
    assert type(dot).__module__.startswith("graphviz") and "tanh" in dot.source and "x1*w1" in dot.source
    assert draw_dot(o, format="png", rankdir="TB").source != dot.source


# ---- Matt Mazur, "A Step by Step Backpropagation Example" (2015): 2-2-2 sigmoid network, half squared error --------


def test_mazurs_network():
    i1, i2 = Value(0.05), Value(0.10)
    w = {k: Value(v) for k, v in enumerate((0.15, 0.20, 0.25, 0.30, 0.40, 0.45, 0.50, 0.55), start=1)}
    b1, b2 = Value(0.35), Value(0.60)

    def error():
        h1 = (w[1] * i1 + w[2] * i2 + b1).sigmoid()
        h2 = (w[3] * i1 + w[4] * i2 + b1).sigmoid()
        o1 = (w[5] * h1 + w[6] * h2 + b2).sigmoid()
        o2 = (w[7] * h1 + w[8] * h2 + b2).sigmoid()
        return h1, h2, o1, o2, 0.5 * (0.01 - o1) ** 2 + 0.5 * (0.99 - o2) ** 2

    h1, h2, o1, o2, total = error()
    printed = (0.593269992, 0.596884378, 0.75136507, 0.772928465, 0.298371109)
    assert [v.data for v in (h1, h2, o1, o2, total)] == pytest.approx(printed, abs=5e-10)  # to the digits printed
    total.backward()
    assert w[5].grad == pytest.approx(0.082167041, abs=5e-10) and w[1].grad == pytest.approx(0.000438568, abs=5e-10)
    for p in w.values():
        p.data -= 0.5 * p.grad
    updated = (0.149780716, 0.19956143, 0.24975114, 0.29950229, 0.35891648, 0.408666186, 0.511301270, 0.561370121)
    assert [p.data for p in w.values()] == pytest.approx(updated, abs=5e-9)
    # He prints 0.291027924 for the error after this step; the weights that he prints give 0.291027774 (by hand, math only):
    sigma = lambda t: 1 / (1 + math.exp(-t))
    v = [p.data for p in w.values()]
    h1, h2 = sigma(v[0] * 0.05 + v[1] * 0.1 + 0.35), sigma(v[2] * 0.05 + v[3] * 0.1 + 0.35)
    o1, o2 = sigma(v[4] * h1 + v[5] * h2 + 0.6), sigma(v[6] * h1 + v[7] * h2 + 0.6)
    assert error()[-1].data == pytest.approx(((0.01 - o1) ** 2 + (0.99 - o2) ** 2) / 2, rel=1e-14)
    assert error()[-1].data == pytest.approx(0.291027924, abs=2e-7)


# ---- Stanford CS231n, notes "Backpropagation, Intuitions" ----------------------------------------------------------


def test_cs231ns_simple_circuit():
    x, y, z = Value(-2), Value(5), Value(-4)
    f = (x + y) * z
    f.backward()
    assert (f.data, x.grad, y.grad, z.grad) == (-12.0, -4.0, -4.0, 3.0)


def test_cs231ns_sigmoid_circuit():
    w0, x0, w1, x1, w2 = Value(2.0), Value(-1.0), Value(-3.0), Value(-2.0), Value(-3.0)
    f = 1 / (1 + (-(w0 * x0 + w1 * x1 + w2)).exp())
    f.backward()
    assert round(f.data, 2) == 0.73
    assert [round(v.grad, 2) for v in (w0, x0, w1, x1, w2)] == [-0.20, 0.39, -0.39, -0.59, 0.20]


def test_cs231ns_gates():
    x, y, z, w = Value(3), Value(-4), Value(2), Value(-1)
    f = (x * y + z.maximum(w)) * 2
    f.backward()
    assert (f.data, x.grad, y.grad, z.grad, w.grad) == (-20.0, -8.0, 6.0, 2.0, 0.0)


def test_cs231ns_staged_computation():
    # f = (x + sigma(y)) / (sigma(x) + (x + y)^2) at x = 3, y = -4; the numbers from the quotient rule at 50 digits
    import mpmath

    x, y = Value(3.0), Value(-4.0)
    f = (x + y.sigmoid()) / (x.sigmoid() + (x + y) ** 2)
    f.backward()
    with mpmath.workdps(50):
        sigma = lambda t: 1 / (1 + mpmath.exp(-t))
        g = lambda x, y: (x + sigma(y)) / (sigma(x) + (x + y) ** 2)
        at = (mpmath.mpf(3), mpmath.mpf(-4))
        assert f.data == pytest.approx(float(g(*at)), rel=1e-15)
        assert x.grad == pytest.approx(float(mpmath.diff(g, at, (1, 0))), rel=1e-14)
        assert y.grad == pytest.approx(float(mpmath.diff(g, at, (0, 1))), rel=1e-14)


def test_cs231ns_softmax():
    # notes "Linear classification": scores (-2.85, 0.86, 0.28), class 2: probabilities 0.016, 0.631, 0.353; loss 1.04
    scores = [Value(s) for s in (-2.85, 0.86, 0.28)]
    loss = softmax_cross_entropy(scores, 2)
    loss.backward()
    assert round(loss.data, 2) == 1.04
    assert [s.grad for s in scores] == pytest.approx([0.016, 0.631, 0.353 - 1], abs=1e-3)  # of rounded intermediates


# ---- with the real micrograd ---------------------------------------------------------------------------------------


@pytest.mark.peers
def test_code_runs_on_both_with_only_the_import_changed():
    program = """
from {engine} import Value
from {nn} import MLP
import random
random.seed(7)
model = MLP(3, [4, 4, 1])
xs = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]]
ys = [1.0, -1.0, -1.0, 1.0]
for step in range(20):
    predicted = [model(x) for x in xs]
    loss = sum((out - y) ** 2 for y, out in zip(ys, predicted))
    model.zero_grad()
    loss.backward()
    for p in model.parameters():
        p.data += -0.05 * p.grad
print(model, len(model.parameters()))
print(*[round(p.data, 9) for p in model.parameters()], round(loss.data, 9))
"""
    printed = [
        subprocess.run(
            [sys.executable, "-c", program.format(**names)], capture_output=True, text=True, check=True
        ).stdout
        for names in ({"engine": "autograd", "nn": "nn"}, {"engine": "micrograd.engine", "nn": "micrograd.nn"})
    ]
    assert printed[0] == printed[1]
