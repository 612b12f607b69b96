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
# # One layer with a sigmoid
#
# After this you can
#
# - derive the gradient of a sigmoid neuron factor by factor, and read each factor off its drawn graph;
# - write it for one number, for a vector, and for a whole table of examples: `X.T @ delta`;
# - have a formula checked in one line, and be told which mistake is in it;
# - recognise a wrong sign in a training curve.
#
# The smallest network there is: one input x, one weight w, a sigmoid σ. It is told that the answer is y, and pays half the
# squared error. No bias yet.

# %%
import numpy as np

import autograd
from autograd import Value, check_derivation, dot, draw, exercise, paths, sigmoid

w, x, y = Value(0.8), Value(1.5), Value(0.0)
z = w * x
yhat = sigmoid(z)
e = yhat - y
L = e**2 / 2
autograd.label(locals())
L.backward()
draw(L)

# %% [markdown]
# ## One path, four factors
#
# How many paths lead from w to L? Look at the picture before you run the next cell. On each edge of a path stands a local
# derivative, and the chain rule multiplies them.

# %%
paths(L, w)

# %% [markdown]
# One path. With the two edges of "half the square" taken together it has four factors:
#
# | step | local derivative | why |
# |---|---|---|
# | L = e²/2 | ∂L/∂e = e | the half cancels the 2 |
# | e = ŷ − y | ∂e/∂ŷ = 1 | |
# | ŷ = σ(z) | ∂ŷ/∂z = ŷ (1 − ŷ) | the sigmoid's slope, by its own output |
# | z = w x | ∂z/∂w = x | |
#
# Multiplied: **∂L/∂w = (ŷ − y) · ŷ (1 − ŷ) · x**.

# %%
factors = [e.data, 1, yhat.data * (1 - yhat.data), x.data]
print(factors)
print("product", np.prod(factors), "  engine", w.grad)

# %% [markdown]
# That is one point. `check_derivation` takes a loss and a formula, draws many points, and compares. Both are written as one
# would type them into NumPy.

# %%
LOSS = "(sigmoid(w*x) - y)**2 / 2"
FORMULA = "yhat = sigmoid(w*x); (yhat - y) * yhat*(1 - yhat) * x"
check_derivation(LOSS, {"w": FORMULA}, w=0.8, x=1.5, y=0.0)

# %% [markdown]
# **Exercise 1.** Let w = 0, x = 2 and y = 1. What is ∂L/∂w? Paper is enough: σ(0) is a half.

# %%
slope = ...
exercise(slope, -0.25, "The error ŷ − y is −0.5, the sigmoid's slope 0.25. Then times x.")

# %% [markdown]
# ## Where the sigmoid's slope comes from
#
# σ(z) = 1/(1 + e⁻ᶻ). Two minus signs turn up on the way, one from the exponent, one from the power −1. They cancel, so the
# slope is positive: a sigmoid climbs. Build it from its parts, and multiply along the path. Where are the two signs?

# %%
t = Value(1.2, label="t")
one_plus = 1 + autograd.exp(-t)
one_plus.label = "1 + exp(−t)"
out = 1 / one_plus
out.label = "sigmoid"
out.backward()
draw(out)

# %%
s = out.data
print(t.grad, s * (1 - s))

# %% [markdown]
# One goes with −1 on the edge of `neg`, the other with −out/(1 + e⁻ᵗ) on the edge of the division.
#
# ## Delta: what all weights of a neuron share
#
# The first three factors do not know which weight is asked for. They have a name, **δ = ∂L/∂z = (ŷ − y) ŷ (1 − ŷ)**, and
# they stand in the picture: it is the gradient of the node z.

# %%
delta = (yhat.data - y.data) * yhat.data * (1 - yhat.data)
print(delta, z.grad)
print(delta * x.data, w.grad)

# %% [markdown]
# **Exercise 2.** Give the neuron a bias: z = w x + b. What is ∂L/∂b, as a formula in `yhat` and `y`? Answer with a text, in
# the style of the formulas above.

# %%
formula = ...
with_bias = "yhat = sigmoid(w*x + b); (yhat - y)**2 / 2"


def judge(text):
    report = check_derivation(with_bias, {"b": text}, w=0.8, x=1.5, b=0.1, y=0.0)
    return report.right or str(report)


exercise(formula, judge, "The bias enters z with slope 1. So its gradient is δ itself.")

# %% [markdown]
# ## A vector goes in
#
# Three inputs, three weights, one number out: z = w₁x₁ + w₂x₂ + w₃x₃. Only the first step of the path changes: ∂z/∂wᵢ = xᵢ.
# Each weight has its **own** input there.

# %%
w = [Value(0.3), Value(0.7), Value(-0.2)]
x = [0.5, -1.5, 2.0]
z = dot(w, x)
yhat = sigmoid(z)
L = (yhat - 0.9) ** 2 / 2
autograd.label(locals())
L.backward()
draw(L, direction="TB", constants="fold")

# %%
delta = (yhat.data - 0.9) * yhat.data * (1 - yhat.data)
print("delta * x:", [delta * x_i for x_i in x])
print("engine:   ", [leaf.grad for leaf in w])

# %% [markdown]
# In NumPy the whole vector is one line, `delta * x`. A widely read post writes its last formula, meant for every weight
# ("in general"), with x₁ in it: the index of the weight that it derived first was never turned into i. What would a network
# with this formula learn?

# %%
LOSS = "yhat = sigmoid(dot(w, x)); (yhat - y)**2 / 2"
example = {"w": np.array([0.3, 0.7, -0.2]), "x": np.array([0.5, -1.5, 2.0]), "y": 0.9}
for claim in ("(yhat - y) * yhat*(1 - yhat) * x[0] * ones(len(x))", "(yhat - y) * yhat*(1 - yhat) * x"):
    print(check_derivation(LOSS, {"w": claim}, **example), "\n")

# %% [markdown]
# ## Many examples at once
#
# A table X has a row per example, and y an answer per row. The loss is the sum over the examples, L = ½ Σₙ (ŷₙ − yₙ)². (The
# post has a heading for this, and nothing below it.)
#
# Every example uses the *same* weights. How many edges will leave each weight in the picture of two examples?

# %%
values = np.vectorize(Value, otypes=[object])  # an array of numbers -> an array of Values
grads = np.vectorize(lambda value: value.grad)


@autograd.naming.scoped  # a frame around each example
def example_loss(w, x, y):
    return (sigmoid(dot(w, x)) - y) ** 2 / 2


w = values([0.3, 0.7])
L = example_loss(w, [0.5, -1.5], 0.9) + example_loss(w, [1.0, 2.0], 0.2)
autograd.label(locals())
L.backward()
draw(L, direction="TB", constants="fold", legend=False)

# %% [markdown]
# Two: one into each example. Gradients add up where edges meet, so ∂L/∂wₖ sums over the examples what each says on its own:
#
# ∂L/∂wₖ = Σₙ δₙ Xₙₖ
#
# Sum over rows n, keep column k: that is the product of the *transposed* table with the column of deltas, **∂L/∂w = Xᵀ δ**.

# %%
rng = np.random.default_rng(0)
X, y, numbers = rng.normal(size=(5, 3)), rng.uniform(size=5), rng.normal(size=3)

w = values(numbers)
yhat = sigmoid(X @ w)  # NumPy multiplies arrays of Values, too
L = np.sum((yhat - y) ** 2) / 2
L.backward()

p = 1 / (1 + np.exp(-X @ numbers))  # the same in plain numbers
delta = (p - y) * p * (1 - p)
by_index = [sum(delta[n] * X[n, k] for n in range(5)) for k in range(3)]
print("index by index", np.array(by_index))
print("X.T @ delta   ", X.T @ delta)
print("engine        ", grads(w))

# %% [markdown]
# The checker also varies *sizes*: it tries this with one example, with more, with another number of inputs. A formula that
# fits only by chance does not survive that.

# %%
LOSS = "yhat = sigmoid(X @ w); sum((yhat - y)**2) / 2"
check_derivation(LOSS, {"w": "X.T @ ((yhat - y) * yhat*(1 - yhat))"}, X=X, w=numbers, y=y)

# %% [markdown]
# Three that are nearly right. Say for each what is wrong before you read what the checker says.

# %%
for claim in (
    "X.T @ ((yhat - y) * yhat*(1 - yhat)) / len(X)",
    "X.T @ (yhat - y)",
    "X[0] * ((yhat - y) * yhat*(1 - yhat))[0]",
):
    report = check_derivation(LOSS, {"w": claim}, X=X, w=numbers, y=y)
    print(f"{claim}\n    {report['w'].text}\n")

# %% [markdown]
# **Exercise 3.** Now the loss is the *mean* over the examples of half the squared error. Mend the formula.

# %%
MEAN = "yhat = sigmoid(X @ w); sum((yhat - y)**2) / 2 / len(X)"
formula = ...


def judge(text):
    report = check_derivation(MEAN, {"w": text}, X=X, w=numbers, y=y)
    return report.right or str(report)


exercise(formula, judge, "The mean of N terms is their sum divided by N, here len(X). So is its gradient.")

# %% [markdown]
# **Exercise 4.** X has 40 rows and 7 columns, and the layer has one neuron. What shape has δ, and what shape has ∂L/∂w?
# Answer with two tuples, such as `((3,), (4,))`.

# %%
shapes = ...
hint = "A δ per example; and a gradient has the shape of what it belongs to."
exercise(shapes, ((40,), (7,)), hint)

# %% [markdown]
# ## A sign in print
#
# The same post derives all this with care, and then writes the slope of the prediction as ŷ (1 − ŷ) · (−x), one line below
# a line that has it right. The minus sign of ∂L/∂ŷ = −(y − ŷ) meets it, both vanish, and what is printed is
#
# ∂L/∂w = (y − ŷ) · ŷ (1 − ŷ) · x
#
# It looks so natural: target less prediction. What does the checker say?

# %%
PREDICTION = "sigmoid(w*x)"
check_derivation(PREDICTION, {"w": "yhat = sigmoid(w*x); yhat*(1 - yhat) * -x"}, w=0.8, x=1.5)

# %%
LOSS = "yhat = sigmoid(w*x); (y - yhat)**2 / 2"
check_derivation(LOSS, {"w": "(y - yhat) * yhat*(1 - yhat) * x"}, w=0.8, x=1.5, y=0.0)

# %% [markdown]
# ## The sign, seen
#
# A gradient points uphill, and a step of training goes against it. With the sign turned round each step goes *up*. Fifty
# steps from the same start, once with the printed formula and once with the right one:

# %%
import matplotlib.pyplot as plt

x, y, rate = np.array([1.0, -0.5]), 1.0, 0.1612


def train(gradient, steps=50):
    w, losses = np.array([0.6, -0.696]), []
    for _ in range(steps + 1):
        yhat = 1 / (1 + np.exp(-w @ x))
        losses.append((y - yhat) ** 2 / 2)
        w = w - rate * gradient(yhat)
    return losses


printed = train(lambda yhat: (y - yhat) * yhat * (1 - yhat) * x)
right = train(lambda yhat: (yhat - y) * yhat * (1 - yhat) * x)

figure, axes = plt.subplots(figsize=(6, 3))
axes.plot(printed, color="tab:red", label="as printed: (y − ŷ) …")
axes.plot(right, color="tab:green", label="right: (ŷ − y) …")
for losses in (printed, right):
    axes.text(50.7, losses[-1], f"{losses[-1]:.3f}", va="center")
axes.text(0.5, right[0] + 0.005, f"{right[0]:.3f}")
axes.set(xlabel="step", ylabel="loss", ylim=(0, 0.125), xlim=(-1, 56))
axes.legend(frameon=False)
plt.close(figure)
figure

# %% [markdown]
# A loss that climbs smoothly from the very first step is what a wrong sign looks like. (A rate that is too large looks
# different: it jumps.)
#
# **Exercise 5.** Someone "mends" the printed formula without touching it: they *add* the gradient, `w = w + rate *
# printed`. Does the loss fall? And is the formula now right? Answer with two words, such as `"yes yes"`.

# %%
answer = ...
exercise(answer, "yes no", "Two wrong signs make a step downhill. What it adds is still no gradient.")

# %% [markdown]
# **Exercise 6.** The neuron has tanh in the place of the sigmoid, and the loss is L = ½ Σₙ (aₙ − yₙ)² with a = tanh(X w).
# Write ∂L/∂w. The names `a`, `X` and `y` are there.

# %%
formula = ...


def judge(text):
    report = check_derivation("a = tanh(X @ w); sum((a - y)**2) / 2", {"w": text}, X=X, w=numbers, y=y)
    return report.right or str(report)


exercise(formula, judge, "Only one factor changes: the slope of tanh, by its own output, is 1 − a².")

# %% [markdown]
# ## Where next
#
# One layer has one δ per example. With a second layer behind it the δ of the first has to come from somewhere: that is
# `04_two_layers`. And what a sigmoid that is sure of itself does to its own δ (its slope ŷ (1 − ŷ) is nearly 0, even if it
# is sure of the wrong thing) is a reason for the losses of `05_softmax_and_relu`.
#
# *The post whose formulas were checked: "Gradients for Neural Nets". Its one-layer formulas are right with the sign and the
# index mended.*
