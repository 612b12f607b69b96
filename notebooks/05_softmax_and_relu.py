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
# # Softmax, cross-entropy, ReLU and a penalty
#
# After this you can
#
# - say why softmax is no activation like the others, and where `a - t` comes from and when it fails;
# - compute a log loss that does not break for any scores;
# - write a two-layer classifier with its backward pass in NumPy, and have it checked parameter by parameter;
# - recognise the usual mistakes in such code, and what they do to a training run.

# %%
import matplotlib.pyplot as plt
import numpy as np

import autograd
from autograd import Value, check_derivation, draw, exercise, jacobian

values = np.vectorize(Value, otypes=[object])  # an array of numbers -> an array of Values
datas = np.vectorize(lambda value: value.data)
grads = np.vectorize(lambda value: value.grad)

# %% [markdown]
# ## Scores become shares
#
# Softmax takes a score z for each class and gives shares a that are positive and sum to 1: aᵢ = exp(zᵢ) / Σⱼ exp(zⱼ). Class
# 1 is the right one here, and the cost is −log a₁. Follow the lines down from `z[0]`: by how many paths does it reach
# the cost of *another* class?

# %%
z = values([0.5, -1.0, 1.5])
e = np.exp(z)
total = autograd.sum(e)
a = e / total
C = -np.log(a[1])
autograd.label(locals())
C.backward()
draw(C, direction="TB", legend=False)

# %% [markdown]
# By one, through the denominator. Raise one score, and the shares of all *others* go down: the outputs are coupled.
#
# On the edge into each `e` stands `e` itself: exp is its own derivative. Is it "the only function" of that kind, as a post
# says?

# %%
check_derivation("3 * exp(x)", {"x": "3 * exp(x)"}, x=0.7)

# %% [markdown]
# Every c · eˣ is, and no others.
#
# ## The Jacobian, and what couples
#
# All slopes ∂aᵢ/∂zⱼ form a table. Dividing e by the total gives two terms, one for the numerator (only if i = j) and one
# for the denominator (always):
#
# ∂aᵢ/∂zⱼ = aᵢ (Iᵢⱼ − aⱼ), with Iᵢⱼ = 1 if i = j, else 0
#
# On the diagonal that is a (1 − a), the sigmoid's slope. What is the sum of a row, before you look? (What happens to the
# shares if *all* scores are raised by one?)


# %%
def softmax(z):
    e = np.exp(z - np.amax(z))
    return e / np.sum(e)


a = softmax(np.array([0.5, -1.0, 1.5]))
by_formula = a[:, None] * (np.eye(3) - a)
by_engine = np.array(jacobian(softmax)(np.array([0.5, -1.0, 1.5])))

figure, axes = plt.subplots(1, 2, figsize=(6, 2.6))
tables = {"∂aᵢ/∂zⱼ": by_engine, "what an elementwise slope keeps": np.diag(np.diag(by_engine))}
for panel, (title, table) in zip(axes, tables.items()):
    panel.imshow(table, cmap="RdBu", vmin=-0.3, vmax=0.3)
    for (i, j), number in np.ndenumerate(table):
        panel.text(j, i, f"{number:.3f}", ha="center", va="center", color="black")
    panel.set(xticks=range(3), yticks=range(3), xlabel="j, of z", ylabel="i, of a", title=title)
figure.tight_layout()
plt.close(figure)
print("largest difference:", np.abs(by_formula - by_engine).max())
print("sums of the rows:  ", np.abs(by_engine.sum(axis=1)).round(12))
figure

# %% [markdown]
# ## Back through softmax
#
# The cost of a target t is the cross-entropy C = −Σⱼ tⱼ log aⱼ, so **∂C/∂aⱼ = −tⱼ/aⱼ**. (One post loses this minus sign on
# the way, and has it again in the result.)
#
# To z there is a path through *every* a, so BP1 needs the whole table, δᵢ = Σⱼ (∂C/∂aⱼ)(∂aⱼ/∂zᵢ). Put in, and watch the aⱼ
# cancel:
#
# δᵢ = Σⱼ (−tⱼ/aⱼ) · aⱼ (Iⱼᵢ − aᵢ) = −tᵢ + aᵢ Σⱼ tⱼ = **aᵢ − tᵢ**, as the tⱼ sum to 1.

# %%
SOFTMAX = """
e = exp(z)
a = e / sum(e)
loss = -sum(t * log(a))
"""
point = {"z": np.array([0.5, -1.0, 1.5]), "t": np.array([0.0, 1.0, 0.0])}
for claim in (
    {"a": "t / a"},  # without the sign
    {"z": "-t / a * a*(1 - a)"},  # BP1 number by number, the diagonal alone
    {"a": "-t / a", "z": "a - t"},  # as derived
):
    print(check_derivation(SOFTMAX, claim, **point), "\n")

# %% [markdown]
# The checker is stricter than the derivation: "a − t" used one thing that is easily forgotten, that the targets **sum to
# 1**. With weights on the classes, or with several right ones marked 1, they do not. Then the sum stays, and δ = a Σt − t:

# %%
weighted = point | {"t": np.array([0.5, 2.0, 0.25])}
for claim in ("a - t", "a * sum(t) - t"):
    print(check_derivation(SOFTMAX, {"z": claim}, **weighted), "\n")

# %% [markdown]
# **Exercise 1.** Shares a = (0.7, 0.2, 0.1), the right class is the second (so t = (0, 1, 0)). What is δ?

# %%
delta = ...
exercise(delta, [0.7, -0.8, 0.1], "a − t, and t is 1 in one place. What the right class gains, the others lose.")

# %% [markdown]
# ## A loss that does not break
#
# A net may be very sure, and wrong: scores 0 and −800, and the second class is right. What is its loss? As printed in a
# post, the logarithm of the softmax:

# %%
s = np.array([0.0, -800.0])
with np.errstate(divide="ignore"):
    print("-log(softmax(s)[1])   ", -np.log(softmax(s)[1]))

# %% [markdown]
# exp(−800) is 0 in floating point, and log(0) is −∞. But on paper −log a₁ = log(Σ exp sⱼ) − s₁, and this log-sum-exp can be
# computed with the greatest score taken out: max + log Σ exp(sⱼ − max).

# %%
largest = s.max()
print("logsumexp(s) - s[1]   ", largest + np.log(np.exp(s - largest).sum()) - s[1])
print("softmax_cross_entropy ", autograd.softmax_cross_entropy(values(s), 1).data)

# %% [markdown]
# It costs nothing, and its gradient is still a − t.
#
# **Exercise 2.** Scores (1000, 1000, 0), and the first class is right. What is the loss, to four digits?

# %%
loss = ...
exercise(loss, 0.6931, "Take 1000 out: 1000 + log(1 + 1 + 0) − 1000.", tolerance=1e-4)

# %% [markdown]
# ## A whole net, forward and backward
#
# Now the two-layer classifier of another post: ReLU in the middle, softmax at the end, the mean log loss, and a penalty on
# all parameters, reg · Σ p². An example is a row. Forward, in plain NumPy, written so that it runs on numbers and on Values
# alike:


# %%
def forward(X, y, W1, b1, W2, b2, reg):
    u = X @ W1 + b1
    h = np.maximum(0, u)
    s = h @ W2 + b2
    highest = np.amax(s, axis=1, keepdims=True)
    each = np.exp(s - highest)
    total = np.sum(each, axis=1, keepdims=True)
    losses = (highest + np.log(total))[:, 0] - s[np.arange(len(y)), y]  # logsumexp(s) - the right score
    penalty = reg * (np.sum(W1**2) + np.sum(b1**2) + np.sum(W2**2) + np.sum(b2**2))
    return np.sum(losses) / len(y) + penalty


# %% [markdown]
# And backward, on numbers. Each line is one step of the chain rule, and each gradient has the shape of what it belongs to:
#
# | | formula | shape |
# |---|---|---|
# | scores | ∂L/∂sᵢⱼ = (pᵢⱼ − [j = yᵢ]) / N | examples × classes |
# | hidden | ∂L/∂h = ∂L/∂s · W₂ᵀ | examples × hidden |
# | before ReLU | ∂L/∂u = ∂L/∂h ⊙ [u > 0] | examples × hidden |
# | parameters | W₂: hᵀ ∂L/∂s + 2 reg W₂ … | as theirs |


# %%
def slope_of_scores(p, y):
    ds = p.copy()
    ds[np.arange(len(y)), y] -= 1
    return ds / len(y)


def backward(X, y, W1, b1, W2, b2, reg, slope_of_scores=slope_of_scores, mask=lambda u: u > 0):
    u = X @ W1 + b1
    h = np.maximum(0, u)
    s = h @ W2 + b2
    p = np.exp(s - np.amax(s, axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)

    ds = slope_of_scores(p, y)
    du = (ds @ W2.T) * mask(u)
    return {
        "W2": h.T @ ds + 2 * reg * W2,
        "b2": ds.sum(axis=0) + 2 * reg * b2,
        "W1": X.T @ du + 2 * reg * W1,
        "b1": du.sum(axis=0) + 2 * reg * b1,
    }


# %% [markdown]
# Do numbers and Values give the same loss, and the engine's sweep the same gradients?

# %%
rng = np.random.default_rng(0)
sizes = {"X": (4, 2), "W1": (2, 5), "b1": 5, "W2": (5, 3), "b2": 3}
net = {name: rng.normal(size=size) for name, size in sizes.items()} | {"y": np.array([0, 2, 1, 1]), "reg": 0.1}

on_values = net | {name: values(net[name]) for name in ("W1", "b1", "W2", "b2")}
loss = forward(**on_values)
loss.backward()
print(loss.data, forward(**net))
print(max(np.abs(grads(on_values[name]) - slope).max() for name, slope in backward(**net).items()))

# %% [markdown]
# The checker does the same at many points, with other numbers of examples, classes and neurons:

# %%
check_derivation(forward, backward, **net)

# %% [markdown]
# ## ReLU's mask
#
# A ReLU lets the gradient through where its input was positive, and nothing elsewhere. One row per example, one column per
# hidden neuron:

# %%
u = net["X"] @ net["W1"] + net["b1"]


def hidden_gradients():
    """∂L/∂u, from the engine: Values in the middle keep their gradients, too."""
    u = net["X"] @ values(net["W1"]) + net["b1"]
    h = np.maximum(0, u)
    s = h @ net["W2"] + net["b2"]
    losses = [autograd.softmax_cross_entropy(row, int(k)) for row, k in zip(s, net["y"])]
    sum(losses).backward()
    return grads(u)


figure, axes = plt.subplots(1, 2, figsize=(7, 2.4))
for panel, table, title in ((axes[0], u, "u"), (axes[1], hidden_gradients(), "∂L/∂u")):
    size = np.abs(table).max()
    panel.imshow(table, cmap="RdBu", vmin=-1.3 * size, vmax=1.3 * size)
    for (i, j), number in np.ndenumerate(table):
        panel.text(j, i, f"{number:.2f}" if number else "0", ha="center", va="center", fontsize=9)
    panel.set(xticks=range(5), yticks=range(4), xlabel="hidden neuron", title=title)
axes[0].set(ylabel="example")
figure.tight_layout()
plt.close(figure)
figure

# %% [markdown]
# Every 0 on the right stands where u is negative on the left. Neuron 2 has nothing but zeros: it learns from none of these
# examples. If that is so for all examples there are, it is called dead.
#
# **Exercise 3.** Programs write the mask as `u > 0` or as `h > 0`. Is that the same? And with leaky ReLU, `h = where(u > 0,
# u, 0.01*u)`, would `h > 0` and `u > 0` still be the same? Two words, such as `"no no"`.

# %%
answer = ...
exercise(answer, "yes yes", "When is max(0, u) positive? And 0.01·u has the sign of u.")

# %% [markdown]
# ## What goes wrong in such code
#
# ### Probabilities that are none
#
# The code of the post subtracts 1 *in* the array that holds the probabilities. What stands there afterwards is no
# probability, and whoever uses it later (for an accuracy, say) is in for a surprise.

# %%
p = np.array([softmax(row) for row in rng.normal(size=(3, 3))])
print("before", p.round(2).tolist(), "rows sum to", p.sum(axis=1).round(6))
p[np.arange(3), [0, 2, 1]] -= 1
print("after ", p.round(2).tolist(), "rows sum to", p.sum(axis=1).round(6))

# %% [markdown]
# A `copy()` is all it takes, as in `slope_of_scores` above.
#
# ### Formulas that do not say what the code says
#
# The same post prints its formulas, too. Its code is right (but for three wrong names), its formulas are not:
#
# - ∂L/∂s has a sum over the examples in it. But each example has scores of its own: no sum.
# - The 1 is subtracted where the *example's number* is the label, δ(i, yᵢ), instead of the class, δ(j, yᵢ).
# - If ∂L/∂s were the sum, W₂ and b₂, which sum over the examples themselves, would sum twice.
# - The parameters' formulas have no penalty.
# - ∂L/∂h is said to be hidden × classes. It is as large as h, examples × hidden.

# %%
CLASSIFIER = """
n = len(X)
u = X @ W1 + b1
h = maximum(0, u)
s = h @ W2 + b2
e = exp(s)
p = e / sum(e, axis=1, keepdims=True)
loss = -sum(log(p[arange(n), y])) / n + reg * (sum(W1**2) + sum(b1**2) + sum(W2**2) + sum(b2**2))
"""
DS = "ds = p.copy(); ds[arange(n), y] -= 1; ds = ds / n; "
TWICE = DS + "ds = sum(ds, axis=0, keepdims=True) * ones((n, 1)); "
CLAIMS = {
    "1 taken off at the wrong place": {"s": "(p - (arange(n) == y)[:, None]) / n"},
    "each row the sum of all": {"s": TWICE + "ds"},
    "summed twice": {"W2": TWICE + "h.T @ ds + 2*reg*W2", "b2": TWICE + "sum(ds, axis=0) + 2*reg*b2"},
    "no penalty": {"W2": DS + "h.T @ ds", "b2": DS + "sum(ds, axis=0)"},
    "put right": {"s": DS + "ds", "W2": DS + "h.T @ ds + 2*reg*W2", "b2": DS + "ds.sum(axis=0) + 2*reg*b2"},
}

# %%
from html import escape

from IPython.display import HTML


def table(heads, rows):
    lines = [[f'<th style="text-align: left">{escape(head)}</th>' for head in heads]]
    lines += [[f'<td style="text-align: left">{escape(text)}</td>' for text in row] for row in rows]
    return HTML("<table>" + "".join(f"<tr>{''.join(line)}</tr>" for line in lines) + "</table>")


rows = []
for title, claim in CLAIMS.items():
    for row in check_derivation(CLASSIFIER, claim, **net).rows:
        rows.append([title, row.name, row.verdict, row.text])
table(["", "of", "", "says the checker"], rows)

# %% [markdown]
# **Exercise 4.** Write ∂L/∂h, the gradient of the hidden layer. `ds` and `W2` are there.

# %%
formula = ...


def judge(text):
    report = check_derivation(CLASSIFIER, {"h": DS + text}, **net)
    return report.right or str(report)


exercise(formula, judge, "From examples × classes to examples × hidden. W2 is hidden × classes.")

# %% [markdown]
# **Exercise 5.** With a penalty of reg · Σ W² *halved*, reg/2 · Σ W², as many books have it: what does ∂L/∂W₁ get from it?
# Write the term, in `reg` and `W1`.

# %%
term = ...


def judge(text):
    report = check_derivation("sum(W1**2) * reg / 2", {"W1": text}, W1=net["W1"], reg=0.1)
    return report.right or str(report)


exercise(term, judge, "The half is there for the 2 of the square.")

# %% [markdown]
# **Exercise 6.** A backward pass as code, with two slips. Ask the checker about it, mend the text, and give it as `mended`.

# %%
SLIPS = """
ds = p.copy()
ds[arange(n), y] -= 1
ds = ds / n
dW2 = h.T @ ds + 2*reg*W2
db2 = sum(ds, axis=0) + reg*b2
du = ds @ W2.T
dW1 = X.T @ du + 2*reg*W1
db1 = sum(du, axis=0) + 2*reg*b1
"""
mended = ...


def judge(text):
    report = check_derivation(CLASSIFIER, text, **net)
    return report.right or str(report)


exercise(mended, judge, "check_derivation(CLASSIFIER, SLIPS, **net) says which gradients are wrong, and how.")

# %% [markdown]
# ## What a wrong gradient does
#
# Three classes of points, 300 steps. The loss that is drawn is always the right one; only the gradient of the steps is
# changed. Which mistakes can one tell from the curve alone?


# %%
def blobs(n):
    y = rng.integers(3, size=n)
    turn = 2 * np.pi * y / 3
    return np.column_stack([np.cos(turn), np.sin(turn)]) * 1.2 + rng.normal(size=(n, 2)) * 0.55, y


X, y = blobs(90)
start = {"W1": rng.normal(size=(2, 8)), "b1": np.zeros(8), "W2": rng.normal(size=(8, 3)) * 0.3}
start["b2"] = np.zeros(3)


def train(reg=0.01, **slips):
    parameters, losses = dict(start), []
    for _ in range(300):
        losses.append(forward(X, y, **parameters, reg=0.01))
        slopes = backward(X, y, **parameters, reg=reg, **slips)
        parameters = {name: p - 0.3 * slopes[name] for name, p in parameters.items()}
    return losses, sum((p**2).sum() for p in parameters.values())


def wrong_place(p, y):
    return (p - (np.arange(len(y)) == y)[:, None]) / len(y)


def total_in_each_row(p, y):
    return 0 * p + slope_of_scores(p, y).sum(axis=0)


runs = {
    "right": train(),
    "no penalty": train(reg=0.0),
    "no mask": train(mask=lambda u: 1.0),
    "1 at the wrong place": train(slope_of_scores=wrong_place),
    "each row the sum of all": train(slope_of_scores=total_in_each_row),
}
for name, (losses, size) in runs.items():
    print(f"{name:24} last loss {losses[-1]:8.3g}   sum of all squared parameters {size:8.3g}")

# %%
figure, axes = plt.subplots(figsize=(7, 3.2))
for name, (losses, _) in runs.items():
    axes.plot(losses, label=name, linewidth=3 if name == "right" else 1.4)
axes.set(xlabel="step", ylabel="loss, penalty included", yscale="log", ylim=(0.2, 50))
axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
figure.tight_layout()
plt.close(figure)
figure

# %% [markdown]
# Two run away, and anybody would notice. "No penalty" falls like the right one, and then creeps up a little, while its
# parameters grow and grow. "No mask" falls all the way, smoothly, to a loss that might well be the best that this network
# can do: whoever sees only that curve has no reason to look for a mistake. So ask the formula, not the curve.
#
# ## Where next
#
# `06_affine_and_convolution` writes an affine layer with the examples in columns, looks at Jacobians with four indices, and
# goes on to convolution with a stride. `07_training` trains such classifiers in earnest, with `nn`, where
# `softmax_cross_entropy` is one operation, and the doctor looks for dead ReLUs.
#
# *The posts whose formulas were checked: "Gradients and You - Backpropagation and Neural Nets" (the classifier) and
# "Gradient for Neural Network" (softmax with cross-entropy).*
