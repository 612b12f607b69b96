# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Two layers and the four equations
#
# After this you can
#
# - say what the error δ of a neuron is, and find it in the drawing of a network;
# - derive the four equations of backpropagation by counting paths, and write them index by index and as matrices;
# - use them for one example and for a batch, in either of the two conventions for the weights;
# - find the slip in each of eleven formulas in print, and prove it.
#
# The network: two inputs, two sigmoid neurons, two more, and the cost C, half the sum of the squared errors (a post leaves
# out the sum, and has a vector for a cost). Each layer is `z = W a + b`, then `a = σ(z)`. `W[j, k]` leads **to** neuron j
# **from** neuron k.

# %%
import numpy as np

import autograd
from autograd import Value, check_derivation, dot, draw, exercise, paths, sigmoid

values = np.vectorize(Value, otypes=[object])  # an array of numbers -> an array of Values
datas = np.vectorize(lambda value: value.data)
grads = np.vectorize(lambda value: value.grad)

W1, b1 = values([[0.5, -1.0], [1.5, 0.3]]), values([0.1, -0.2])
W2, b2 = values([[-0.7, 1.2], [0.4, 0.9]]), values([0.0, 0.3])
x, y = np.array([0.5, -1.0]), np.array([0.2, 0.9])


# %%
@autograd.naming.scoped  # in drawings it can be folded into one box
def neuron(w, a, b):
    return dot(w, a) + b


@autograd.naming.scoped
def cost(a):
    return ((a[0] - y[0]) ** 2 + (a[1] - y[1]) ** 2) / 2


z1 = [neuron(W1[j], x, b1[j]) for j in range(2)]
a1 = [sigmoid(z) for z in z1]
z2 = [neuron(W2[j], a1, b2[j]) for j in range(2)]
a2 = [sigmoid(z) for z in z2]
C = cost(a2)
autograd.label(locals())
C.backward()

picture = draw(C, fold=["neuron", "cost"], direction="TB", digits=2)
picture

# %% [markdown]
# Neurons 1 and 2 are the hidden layer, 3 and 4 the output. Each box of a neuron shows the sum z that it makes.
#
# ## The error of a neuron
#
# Every neuron adds up what comes in, z, and a = σ(z) goes on. Its **error** is the gradient of the cost by that sum, δ =
# ∂C/∂z. It answers: if this sum were a little larger, how much would the cost change? The engine keeps the gradient of
# every node, so the errors are there already: as the `grad` of the neurons' boxes.

# %%
print("δ of layer 2:", grads(z2))
print("δ of layer 1:", grads(z1))

# %% [markdown]
# Find them in the picture. And compare the gradients of `b2[0]`, `W2[0, 0]` and `W2[0, 1]` with the δ of the neuron that
# they enter: what is it multiplied with?
#
# ## Equation 1: the error of the last layer
#
# How many paths lead from the sum of neuron 3 to the cost? `paths` counts and lists them, in this same picture.

# %%
box = {node.name: node for node in picture.graph.nodes}


def show(path):
    print(" → ".join(path.names), "  ", " × ".join(f"{slope:.4f}" for slope in path.local_derivatives))


for path in paths(picture.graph, box["neuron (3)"]):
    show(path)

# %% [markdown]
# One, with two factors: the slope of the sigmoid at **this** z, and what the cost makes of a, ∂C/∂aⱼ = aⱼ − yⱼ. (L is the
# last layer, here 2.)
#
# **BP1**  δᴸⱼ = (∂C/∂aᴸⱼ) · σ′(zᴸⱼ)

# %%
a2_, a1_ = datas(a2), datas(a1)  # plain numbers from here on
W1_, W2_ = datas(W1), datas(W2)

delta2 = (a2_ - y) * a2_ * (1 - a2_)
print(delta2, grads(z2))

# %% [markdown]
# ## Equation 2: back by one layer
#
# And from neuron 1, in the layer before?

# %%
for path in paths(picture.graph, box["neuron (1)"]):
    show(path)

# %% [markdown]
# As many as there are neurons in the next layer: it feeds them all. Every path begins with its own slope σ′(z¹ⱼ), goes
# through a weight W²ₖⱼ to neuron k, and from there on it is what δ²ₖ stands for already. Added up:
#
# **BP2**  δˡⱼ = (Σₖ Wˡ⁺¹ₖⱼ δˡ⁺¹ₖ) · σ′(zˡⱼ)

# %%
by_index = [sum(W2_[k, j] * delta2[k] for k in range(2)) * a1_[j] * (1 - a1_[j]) for j in range(2)]
delta1 = W2_.T @ delta2 * a1_ * (1 - a1_)
print("index by index", np.array(by_index))
print("as matrices   ", delta1)
print("engine        ", grads(z1))

# %% [markdown]
# The sum runs over k, the *first* index of W: over its rows. That is what the transpose says.
#
# **Exercise 1.** Suppose W² = [[2, 1], [0, −1]], δ² = (0.1, 0.3), and a¹ = (0.5, 0.2). What is δ¹ of the *first* neuron?

# %%
delta = ...
exercise(delta, 0.05, "Its column of W² is the first: 2 · 0.1 + 0 · 0.3. Its slope is 0.25.")

# %% [markdown]
# ## Equations 3 and 4: what the parameters get
#
# A bias enters z with slope 1, a weight with the activation it carries. Nothing else uses them, so there is one path on
# from there, and it is δ.
#
# **BP3**  ∂C/∂bˡⱼ = δˡⱼ
#
# **BP4**  ∂C/∂Wˡⱼₖ = δˡⱼ · aˡ⁻¹ₖ
#
# BP4 for all j and k is a table of products, a column times a row: δ aᵀ, in NumPy `np.outer(delta, a)`. For the first layer
# a⁰ is the input x.

# %%
for name, by_formula, by_engine in [
    ("BP3 b1", delta1, grads(b1)),
    ("BP3 b2", delta2, grads(b2)),
    ("BP4 W1", np.outer(delta1, x), grads(W1)),
    ("BP4 W2", np.outer(delta2, a1_), grads(W2)),
]:
    difference = np.abs(by_formula - by_engine).max()
    print(f"{name}  largest difference {difference:.0e}   {by_formula.round(4).tolist()}")

# %% [markdown]
# ## All four, checked
#
# One point is no proof. As texts, the network and its equations can be tried at many points and with other numbers of
# neurons. The checker knows the names in the middle, too, so that the δ themselves can be claimed, as the gradients of `z1`
# and `z2`.

# %%
NET = """
z1 = W1 @ x + b1
a1 = sigmoid(z1)
z2 = W2 @ a1 + b2
a2 = sigmoid(z2)
loss = sum((a2 - y)**2) / 2
"""
FOUR = {
    "z2": "(a2 - y) * a2*(1 - a2)",
    "z1": "d2 = (a2 - y) * a2*(1 - a2); W2.T @ d2 * a1*(1 - a1)",
    "b1": "d2 = (a2 - y) * a2*(1 - a2); W2.T @ d2 * a1*(1 - a1)",
    "W2": "d2 = (a2 - y) * a2*(1 - a2); outer(d2, a1)",
    "W1": "d2 = (a2 - y) * a2*(1 - a2); outer(W2.T @ d2 * a1*(1 - a1), x)",
}
rng = np.random.default_rng(0)
sizes = {"W1": (3, 2), "b1": 3, "W2": (4, 3), "b2": 4, "x": 2}
net = {name: rng.normal(size=size) for name, size in sizes.items()} | {"y": rng.uniform(size=4)}
check_derivation(NET, FOUR, **net)

# %% [markdown]
# **Exercise 2.** The hidden layer gets tanh in the place of the sigmoid (the last layer keeps it). Write the δ of the
# hidden layer, ∂C/∂z¹; `d2`, `W2`, `a1` are there.

# %%
formula = ...
TANH_NET = NET.replace("a1 = sigmoid(z1)", "a1 = tanh(z1)")


def judge(text):
    report = check_derivation(TANH_NET, {"z1": "d2 = (a2 - y) * a2*(1 - a2); " + text}, **net)
    return report.right or str(report)


exercise(formula, judge, "The way back through W2 stays. The slope of tanh, by its output, is 1 − a².")

# %% [markdown]
# ## A batch
#
# Now m examples at once, each a **column** of X; z, a and δ get a column per example as well. The cost is the mean, C =
# (1/m) Σ Cₓ. With δ the errors of each example's *own* cost Cₓ:
#
# | | one example | a batch |
# |---|---|---|
# | BP1 | δᴸ = ∇ₐC ⊙ σ′(zᴸ) | the same, column by column |
# | BP2 | δˡ = Wᵀ δˡ⁺¹ ⊙ σ′(zˡ) | the same |
# | BP3 | ∂C/∂b = δ | (1/m) δ **1**, that is (1/m) Σₓ δ[j,x] |
# | BP4 | ∂C/∂W = δ aᵀ | (1/m) δ aᵀ, that is (1/m) Σₓ δ[j,x] a[k,x] |
#
# (⊙ goes number by number; **1** is a column of ones. A product of matrices adds up over the index in the middle, here the
# examples x.)

# %%
m = 5
X, Y = rng.normal(size=(2, m)), rng.uniform(size=(2, m))
W1, b1, W2, b2 = map(values, (W1_, [0.1, -0.2], W2_, [0.0, 0.3]))

Z1 = W1 @ X + b1[:, None]
A1 = sigmoid(Z1)
Z2 = W2 @ A1 + b2[:, None]
A2 = sigmoid(Z2)
C = np.sum((A2 - Y) ** 2) / 2 / m
C.backward()

A1_, A2_ = datas(A1), datas(A2)
delta2 = (A2_ - Y) * A2_ * (1 - A2_)
delta1 = W2_.T @ delta2 * A1_ * (1 - A1_)
by_index = [[sum(delta2[j, n] * A1_[k, n] for n in range(m)) / m for k in range(2)] for j in range(2)]
for name, by_formula, by_engine in [
    ("BP3b b1", delta1 @ np.ones(m) / m, grads(b1)),
    ("BP4b W1", delta1 @ X.T / m, grads(W1)),
    ("BP3b b2", delta2 @ np.ones(m) / m, grads(b2)),
    ("BP4b W2", delta2 @ A1_.T / m, grads(W2)),
    ("BP4b W2, index by index", by_index, grads(W2)),
]:
    print(f"{name}  largest difference {np.abs(by_formula - by_engine).max():.0e}")

# %% [markdown]
# ## Where the 1/m lives
#
# What has the engine in `Z2[0, 0].grad`, the δ of one example's own cost, or 1/m of it? Decide first.

# %%
print("δ of its own cost", delta2[0, 0])
print("engine           ", Z2[0, 0].grad)

# %% [markdown]
# 1/m of it: the engine was asked about C, the mean. So there are two honest ways to count, and they must not be mixed:
#
# - δ of each Cₓ, and 1/m in BP3b and BP4b; or
# - 1/m in ∇ₐC already, as programs do it, and then **none** in BP3b and BP4b.
#
# A post in Chinese that is otherwise exact gives the equations in the first way, and advises to compute in the second. Who
# follows both divides twice:

# %%
BATCH = """
Z1 = W1 @ X + b1[:, None]
A1 = sigmoid(Z1)
Z2 = W2 @ A1 + b2[:, None]
A2 = sigmoid(Z2)
m = len(X.T)
loss = sum((A2 - Y)**2) / 2 / m
"""
batch = net | {"X": rng.normal(size=(2, m)), "Y": rng.uniform(size=(4, m))}
del batch["x"], batch["y"]
D2 = "d2 = (A2 - Y) / m * A2*(1 - A2); "
check_derivation(BATCH, {"W2": D2 + "d2 @ A1.T / m", "b2": D2 + "sum(d2, axis=1) / m"}, **batch)

# %% [markdown]
# Once is right. All four for a batch, in the second way; `Z2` and `Z1` then have 1/m in them:

# %%
BACK = D2 + "d1 = W2.T @ d2 * A1*(1 - A1); "
four = {"Z2": "d2", "Z1": "d1", "b2": "d2 @ ones(m)", "W2": "d2 @ A1.T", "b1": "d1 @ ones(m)", "W1": "d1 @ X.T"}
check_derivation(BATCH, {name: BACK + formula for name, formula in four.items()}, **batch)

# %% [markdown]
# **Exercise 3.** The first layer has 3 inputs and 5 neurons, the second 2, and a batch has 7 examples. What are the shapes
# of W², of δ¹ and of ∂C/∂W¹? Answer with three tuples.

# %%
shapes = ...
hint = "W leads to its rows from its columns; δ has an entry per neuron and example."
exercise(shapes, ((2, 5), (5, 7), (5, 3)), hint)

# %% [markdown]
# ## Two conventions
#
# Of two of the posts one writes w_jk, to j from k, as here; the other w_kj, **from** k to j. Neither is wrong: the matrix
# of one is the transpose of the other's, and each transpose in an equation moves to the other side.
#
# | | W[to, from] | w[from, to] |
# |---|---|---|
# | forward | z = W a + b | z = wᵀ a + b |
# | BP2 | (Wᵀ δ) ⊙ σ′ | (w δ) ⊙ σ′ |
# | BP4 | δ aᵀ | a δᵀ |
#
# A mixture of both may well fit the sizes, if the layers are equally wide. Then only the numbers tell, or other widths: the
# checker tries some.

# %%
OTHER = NET.replace("W1 @ x", "W1.T @ x").replace("W2 @ a1", "W2.T @ a1")
sizes = {"W1": (2, 2), "b1": 2, "W2": (2, 2), "b2": 2, "x": 2}
square = {name: rng.normal(size=size) for name, size in sizes.items()} | {"y": rng.uniform(size=2)}
DELTA = "d2 = (a2 - y) * a2*(1 - a2); "
for title, claim in (("a δᵀ", "outer(a1, d2)"), ("δ aᵀ", "outer(d2, a1)")):
    report = check_derivation(OTHER, {"W2": DELTA + claim}, **square)
    print(f"{title}: {report['W2'].verdict}", report["W2"].text, sep="   ")

# %% [markdown]
# **Exercise 4.** In the convention w[from, to], what is the δ of the hidden layer? `d2`, `W2`, `a1` are there.

# %%
formula = ...


def judge(text):
    report = check_derivation(OTHER, {"z1": "d2 = (a2 - y) * a2*(1 - a2); " + text}, **square)
    return report.right or str(report)


exercise(formula, judge, "δ¹ has an entry per hidden neuron. Here those are the rows of W2.")

# %% [markdown]
# ## Eleven slips of the pen
#
# These stand in widely read posts, each beside formulas that are right. Cover the right-hand columns and find the slip; the
# table is made by the checker.
#
# Layers are equally wide here: nothing is caught because it would not fit.

# %%
SOFTMAX = """
e = exp(z2)
a2 = e / sum(e)
loss = -sum(t * log(a2))
"""
D1 = DELTA + "d1 = W2.T @ d2 * a1*(1 - a1); "
targets = {"z2": rng.normal(size=3), "t": np.array([0.0, 1.0, 0.0])}
even = {name: square[name] for name in ("W1", "b1", "W2", "b2")} | {"X": X, "Y": Y}

# what, the network, its numbers, of which name, as printed, put right
CASES = [
    ("BP1: slope of another layer", NET, square, "z2", "(a2 - y) * a1*(1 - a1)", "(a2 - y) * a2*(1 - a2)"),
    ("∂C/∂a = a − y at every layer", NET, square, "a1", "a1 - y", DELTA + "W2.T @ d2"),
    ("BP2: sum over k = 2 only", NET, square, "z1", DELTA + "W2[1] * d2[1] * a1*(1 - a1)", D1 + "d1"),
    ("BP2: σ′ twice", NET, square, "z1", D1 + "d1 * a1*(1 - a1)", D1 + "d1"),
    ("BP4: a with index j", NET, square, "W2", DELTA + "outer(d2 * a1, ones(2))", DELTA + "outer(d2, a1)"),
    ("last layer's formula, for W1", NET, square, "W1", "outer((a1 - y) * a1*(1 - a1), x)", D1 + "outer(d1, x)"),
    ("a derivative that is E itself", NET, square, "W2", "loss * ones((2, 2))", DELTA + "outer(d2, a1)"),
    ("only where k is j", NET, square, "W2", DELTA + "diag(d2 * a1)", DELTA + "outer(d2, a1)"),
    ("1/m twice (d2 has it)", BATCH, even, "W2", D2 + "d2 @ A1.T / m", D2 + "d2 @ A1.T"),
    ("softmax: ∂C/∂a without its sign", SOFTMAX, targets, "a2", "t / a2", "-t / a2"),
    ("softmax: BP1 number by number", SOFTMAX, targets, "z2", "-t / a2 * a2*(1 - a2)", "a2 * sum(t) - t"),
]


# %%
from html import escape

from IPython.display import HTML


def table(heads, rows):
    lines = [[f'<th style="text-align: left">{escape(head)}</th>' for head in heads]]
    lines += [[f'<td style="text-align: left">{escape(text)}</td>' for text in row] for row in rows]
    return HTML("<table>" + "".join(f"<tr>{''.join(line)}</tr>" for line in lines) + "</table>")


rows = []
for what, network, numbers, name, printed, mended in CASES:
    found = [check_derivation(network, {name: claim}, **numbers)[name] for claim in (printed, mended)]
    claims = [claim.split("; ")[-1] for claim in (printed, mended)]
    rows.append([what, name, claims[0], found[0].text, claims[1], found[1].verdict])
table(["", "of", "as printed", "says the checker", "put right", ""], rows)

# %% [markdown]
# The last row is special. With softmax every output depends on **all** sums z, so from one z there are many paths to the
# cost, and BP1, which has only one of them, must fail. The author of that post suspected as much. `05_softmax_and_relu`
# sees to it.
#
# **Exercise 5.** Find the slip. The lines of a backward pass, of the network in `NET`:
#
# ```
# 1   d2  = (a2 - y) * a2*(1 - a2)
# 2   db2 = d2
# 3   dW2 = outer(d2, a1)
# 4   d1  = W2.T @ d2 * z1*(1 - z1)
# 5   db1 = d1
# 6   dW1 = outer(d1, x)
# ```
#
# Which line? (You may try it: `check_derivation(NET, """...""", **net)` takes all the lines as one text.)

# %%
line = ...
exercise(line, 4, "The sigmoid's slope is written by its output. Which letter is that?")

# %% [markdown]
# **Exercise 6.** How many paths lead from one weight of the first layer to the cost, if the widths of the following layers
# are 5 (its own), 4, 3 and 1? Multiply, or ask `paths(...).count` of a network that you build.

# %%
count = ...
exercise(count, 12, "It enters one neuron of its layer. From there it is a choice of 4, of 3, of 1.")

# %% [markdown]
# ## Where next
#
# The engine never listed these paths: the sweep adds up at every node, and so does BP2. That is the whole trick, the same
# one, once for single numbers and once for layers. `09_array_speed` goes the other way and finds the matrices again in a
# graph of single numbers. Next is `05_softmax_and_relu`: what changes with other activations and another cost.
#
# *The posts whose formulas were checked: "Gradient for Neural Network", whose four equations are right as printed, with
# w[from, to]; "Understanding gradient descent and Backpropagation", with w[to, from]; and "Gradients for Neural Nets",
# whose sections on two layers are empty.*
