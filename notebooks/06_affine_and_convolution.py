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
# # Affine layers and convolution with a stride
#
# After this you can
#
# - read and draw a Jacobian with four indices, and write it with Kronecker deltas;
# - get from it the three gradients of an affine layer, with the examples as columns;
# - say what an output of a convolution sees, for any kernel, stride and padding, and how many outputs there are;
# - write the gradients of a convolution by input, weight and bias, and know which of them "work" only for stride 1.

# %%
import matplotlib.pyplot as plt
import numpy as np

import autograd
import nn
from autograd import Value, check_derivation, dot, draw, exercise, jacobian

values = np.vectorize(Value, otypes=[object])  # an array of numbers -> an array of Values
datas = np.vectorize(lambda value: value.data)
grads = np.vectorize(lambda value: value.grad)

# %% [markdown]
# ## An affine layer, examples as columns
#
# Y = W X + b: with dᵢ inputs, dₒ outputs and n examples W is dₒ × dᵢ, X is dᵢ × n, and Y is dₒ × n. Written out,
#
# Y[i,j] = Σₗ W[i,l] X[l,j] + b[i]
#
# The row i is the output, the column j the example. So the bias has the index i. (A widely read post has b[j] there, a bias
# for each *example*, and writes the whole as A X + b.)

# %%
W, b = np.array([[1.0, 2.0], [-1.0, 0.5]]), np.array([0.1, -0.3])
X = np.array([[0.5, -1.5], [2.0, 1.0]])


def affine(W, X, b):
    return W @ X + b[:, None]


affine(W, X, b)

# %% [markdown]
# ## A Jacobian with four indices
#
# Y has two indices and W has two, so ∂Y[i,j]/∂W[p,q] has four. To see it, put a row for each entry of Y and a column for
# each entry of W. Before you look: which places can be anything but 0?


# %%
def shown(panels):
    """Tables as heat maps, side by side: (title, table, names of the rows, names of the columns)."""
    figure, axes = plt.subplots(1, len(panels), figsize=(9, 2.8), width_ratios=[2, 1.4, 2])
    for panel, (title, table, rows, columns) in zip(axes, panels):
        panel.imshow(table, cmap="RdBu", vmin=-3, vmax=3)
        for (i, j), number in np.ndenumerate(table):
            color = "black" if number else "darkgrey"
            panel.text(j, i, f"{number:g}", ha="center", va="center", fontsize=9, color=color)
        panel.set_xticks(range(len(columns)), columns, rotation=90)
        panel.set_yticks(range(len(rows)), rows)
        panel.set_title(title, fontsize=10)
    figure.tight_layout()
    plt.close(figure)
    return figure


def names(letter, *shape):
    return [letter + "".join(str(i + 1) for i in index) for index in np.ndindex(*shape)]


by_engine = {
    name: np.array(jacobian(affine, argnum=name)(W=W, X=X, b=b)).reshape(2, 2, *np.shape(at))
    for name, at in (("W", W), ("X", X), ("b", b))
}
shown(
    [
        ("∂Y/∂W", by_engine["W"].reshape(4, 4), names("Y", 2, 2), names("W", 2, 2)),
        ("∂Y/∂b", by_engine["b"].reshape(4, 2), names("Y", 2, 2), names("b", 2)),
        ("∂Y/∂X", by_engine["X"].reshape(4, 4), names("Y", 2, 2), names("X", 2, 2)),
    ]
)

# %% [markdown]
# An output only knows its own row of W, its own b, and its own column of X. Such an "only if the indices are equal" is
# written with Kronecker's delta, δ(i,p) = 1 if i = p, else 0:
#
# | | right | as printed in the post |
# |---|---|---|
# | ∂Y[i,j]/∂W[p,q] | δ(i,p) X[q,j] | X[i,q] δ(i,p) δ(j,q) |
# | ∂Y[i,j]/∂b[p] | δ(i,p) | δ(j,p) |
# | ∂Y[i,j]/∂X[p,q] | W[i,p] δ(j,q) | W[i,q] δ(i,p) δ(j,q) |
#
# `einsum` takes such a formula index by index; a delta is `eye(2)`.

# %%
eye, ones = np.eye(2), np.ones(2)
right = {
    "W": np.einsum("ip,qj->ijpq", eye, X),
    "b": np.einsum("ip,j->ijp", eye, ones),
    "X": np.einsum("ip,jq->ijpq", W, eye),
}
printed = {
    "W": np.einsum("iq,ip,jq->ijpq", X, eye, eye),
    "b": np.einsum("jp,i->ijp", eye, ones),
    "X": np.einsum("iq,ip,jq->ijpq", W, eye, eye),
}
for name in right:
    agree = [np.allclose(formula[name], by_engine[name]) for formula in (right, printed)]
    print(f"by {name}: right {agree[0]}, printed {agree[1]}")
shown(
    [
        ("∂Y/∂W as printed", printed["W"].reshape(4, 4), names("Y", 2, 2), names("W", 2, 2)),
        ("∂Y/∂b as printed", printed["b"].reshape(4, 2), names("Y", 2, 2), names("b", 2)),
        ("∂Y/∂X as printed", printed["X"].reshape(4, 4), names("Y", 2, 2), names("X", 2, 2)),
    ]
)

# %% [markdown]
# Compare with the picture above: a delta too many makes a table too empty, and a delta with the wrong index ties b to the
# examples. For W and X the printed ones only make sense at all because everything here is 2 × 2.
#
# **Exercise 1.** For a 3 × 5 matrix W and 4 examples: how many entries has ∂Y/∂W, and how many of them can differ from 0?
# Answer with a pair.

# %%
counts = ...
exercise(counts, (180, 60), "Y has 3 · 4 entries and W has 3 · 5. Each output knows one row of W.")

# %% [markdown]
# ## Three gradients
#
# Nobody computes with these large tables. A gradient E′ = ∂E/∂Y comes in (as large as Y), is multiplied with the table, and
# the deltas eat the sums:
#
# - ∂E/∂W[p,q] = Σᵢⱼ E′[i,j] δ(i,p) X[q,j] = Σⱼ E′[p,j] X[q,j], which is **E′ Xᵀ**
# - ∂E/∂b[p] = Σᵢⱼ E′[i,j] δ(i,p) = Σⱼ E′[p,j], **the sum over the examples**
# - ∂E/∂X[p,q] = Σᵢⱼ E′[i,j] W[i,p] δ(j,q) = Σᵢ W[i,p] E′[i,q], which is **Wᵀ E′**
#
# As an error E = Σ tanh(Y) will do; then E′ = 1 − tanh(Y)².

# %%
E = "Y = W @ X + b[:, None]; sum(tanh(Y))"
UP = "up = 1 - tanh(Y)**2; "
rng = np.random.default_rng(0)
layer = {"W": rng.normal(size=(2, 3)), "X": rng.normal(size=(3, 4)), "b": rng.normal(size=2)}
three = {"W": UP + "up @ X.T", "b": UP + "sum(up, axis=1)", "X": UP + "W.T @ up"}
check_derivation(E, three, **layer)

# %% [markdown]
# These three the post has right, but it says of E′ that it is n × dₒ, an example a row. Then E′ Xᵀ does not even exist,
# unless there are as many examples as outputs; and if there are, it is something else:

# %%
square = {"W": rng.normal(size=(3, 3)), "X": rng.normal(size=(3, 3)), "b": rng.normal(size=3)}
check_derivation(E, {"W": UP + "up.T @ X.T"}, **square)

# %% [markdown]
# **Exercise 2.** A table with the examples as *rows*: Y = X W + b, X is n × dᵢ, W is dᵢ × dₒ. Write ∂E/∂W. `up` and `X` are
# there.

# %%
formula = ...
ROWS = "Y = X @ W + b; sum(tanh(Y))"
by_rows = {"X": rng.normal(size=(4, 3)), "W": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}


def judge(text):
    report = check_derivation(ROWS, {"W": UP + text}, **by_rows)
    return report.right or str(report)


exercise(formula, judge, "∂E/∂W must be dᵢ × dₒ, and the product must sum over the examples.")

# %% [markdown]
# **Exercise 3.** A ReLU follows: E = Σ max(0, Y)²/2. Write E′ = ∂E/∂Y, with `Y`. (The post's mask is right.)

# %%
formula = ...


def judge(text):
    report = check_derivation("sum(maximum(0, Y)**2) / 2", {"Y": text}, Y=layer["X"])
    return report.right or str(report)


exercise(formula, judge, "The slope of h²/2 is h, here max(0, Y); times the mask (Y > 0).")

# %% [markdown]
# ## Convolution, and what is called so
#
# A kernel slides over a signal, and at each place gives the sum of products. A single 1 in the signal shows what it does.
# What comes out for x = (0, 0, 1, 0, 0) and the kernel (1, 2, 3)?

# %%
x, k = [0.0, 0.0, 1.0, 0.0, 0.0], [1.0, 2.0, 3.0]
print("sliding:             ", [sum(k[i] * x[h + i] for i in range(3)) for h in range(3)])
print("numpy.correlate:     ", np.correlate(x, k, "valid"))
print("numpy.convolve:      ", np.convolve(x, k, "valid"))

# %% [markdown]
# The kernel comes out *backwards*. What slides in neural networks is what signal processing calls cross-correlation; a
# convolution turns the kernel round first. For a network, which learns the kernel, it is all the same, but a formula that
# is looked up in a book may be the other one.
#
# ## What an output sees
#
# The kernel has k weights and moves on by s, the *stride*. Output h sees the inputs h·s, …, h·s + k − 1:
#
# Y[h] = Σᵢ W[i] X[h·s + i] + b
#
# Nine inputs, a kernel of three. A row for each output; the letter is the weight through which it sees that input.


# %%
def sight(n, kernel, stride, padding=0):
    """Per output and input the number of the weight between them, or nan."""
    table = np.full(((n + 2 * padding - kernel) // stride + 1, n + 2 * padding), np.nan)
    for h in range(len(table)):
        table[h, h * stride : h * stride + kernel] = range(kernel)
    return table


def drawn(settings, n=9, kernel=3):
    tables = [sight(n, kernel, *setting) for setting in settings]
    rows = [len(table) for table in tables]
    size = (6, 0.3 * sum(rows) + 0.7 * len(rows))
    figure, axes = plt.subplots(len(rows), 1, figsize=size, height_ratios=rows)
    for panel, table, (stride, padding) in zip(axes, tables, settings):
        edges = (-padding - 0.5, n + padding - 0.5, len(table) - 0.5, -0.5)
        panel.imshow(table, cmap="Pastel1", vmin=0, vmax=8, aspect="auto", extent=edges)
        for (h, i), weight in np.ndenumerate(table):
            if not np.isnan(weight):
                panel.text(i - padding, h, "abc"[int(weight)], ha="center", va="center")
        panel.set_xticks(range(-padding, n + padding), ["0"] * padding + list(range(n)) + ["0"] * padding)
        panel.set_yticks(range(len(table)), [f"Y[{h}]" for h in range(len(table))])
        panel.vlines(np.arange(-padding, n + padding) - 0.5, -0.5, len(table) - 0.5, "lightgrey", linewidth=0.6)
        panel.hlines(np.arange(len(table)) - 0.5, -padding - 0.5, n + padding - 0.5, "lightgrey", linewidth=0.6)
        panel.tick_params(length=0)
        panel.set(xlim=(-1.5, n + 0.5))
        panel.spines[:].set_visible(False)
        panel.set_title(f"stride {stride}, padding {padding}: {len(table)} outputs", fontsize=10)
    figure.tight_layout()
    plt.close(figure)
    return figure


drawn([(1, 0), (2, 0), (3, 0), (4, 0), (2, 1)])

# %% [markdown]
# The pictures are Jacobians: read a row, and it is ∂Y[h]/∂X; read a column, and it is who sees this input. So ∂Y[h]/∂X[i]
# is a **single** weight, W[i − h·s], where i − h·s lies within the kernel, else 0. (The post has a sum of weights there.)
# With stride 4 nobody sees the inputs 3, 7 and 8: their gradients are 0.
#
# ## How many outputs
#
# The last place where the kernel fits starts at n − k. From 0 to there in steps of s: **⌊(n − k)/s⌋ + 1** outputs; with p
# zeros at both ends n becomes n + 2p. The post says n − k + 1, which is that with s = 1.

# %%
print(" n  kernel  stride  padding   nn.Conv2d  formula  n - k + 1")
for n, kernel, stride, padding in ((9, 3, 1, 0), (9, 3, 2, 0), (9, 3, 4, 0), (9, 3, 2, 1), (28, 5, 2, 2)):
    layer = nn.Conv2d(1, 1, (1, kernel), stride=(1, stride), padding=(0, padding), bias=False)
    counted = len(layer([[[0.0] * n]])[0][0])
    formula = (n + 2 * padding - kernel) // stride + 1
    print(f"{n:2} {kernel:7} {stride:7} {padding:8} {counted:11} {formula:8} {n - kernel + 1:10}")

# %% [markdown]
# **Exercise 4.** An image of 32 × 32 under a kernel of 5 × 5 with stride 2 and padding 1. How many rows come out?

# %%
rows = ...
exercise(rows, 15, "⌊(32 + 2 − 5)/2⌋ + 1.")

# %% [markdown]
# ## Small enough to draw
#
# Five inputs, a kernel of two with stride 2. Count the edges that leave each weight, and each input. Which input has none?

# %%
x, w = [Value(v) for v in (1.0, 2.0, -1.0, 0.5, 3.0)], [Value(0.5), Value(-1.0)]
Y = [dot(w, x[2 * h : 2 * h + 2]) for h in range(2)]
E = Y[0] * Y[1]
autograd.label(locals())
E.backward()
print("by input:", [leaf.grad for leaf in x])
draw(E, direction="TB", legend=False)

# %% [markdown]
# x[4] is not even in the graph. A weight is used at *every* place, so its gradient is a sum over all places; an input is
# used by one place here, and by several if the stride is smaller than the kernel.
#
# ## Channels, batch, bias
#
# The real thing has examples n, channels c that come in, channels o that go out, and two directions:
#
# Y[n,o,h,v] = b[o] + Σ W[o,c,i,j] X[n,c,hs+i,vs+j], summed over c, i and j
#
# Seven loops would do it; the three of the sum are NumPy's here.


# %%
def convolution(X, W, b, stride=1, padding=0):
    X = np.pad(X, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    (N, _, height, width), (channels, _, rows, columns) = X.shape, W.shape
    size = (height - rows) // stride + 1, (width - columns) // stride + 1
    Y = np.zeros((N, channels, *size), dtype=np.result_type(X, W, b))
    for n, o, h, v in np.ndindex(*Y.shape):
        top, left = h * stride, v * stride
        Y[n, o, h, v] = np.sum(W[o] * X[n, :, top : top + rows, left : left + columns]) + b[o]
    return Y


X, W, b = rng.normal(size=(2, 2, 5, 5)), rng.normal(size=(3, 2, 2, 2)), rng.normal(size=3)
convolution(X, W, b, stride=2, padding=1).shape

# %% [markdown]
# ## Who is seen how often
#
# One image of 7 × 7, a kernel of 3 × 3 that is all ones, and E = the sum of all outputs: then ∂E/∂X counts for each pixel
# how many outputs see it. Guess the middle of each picture first.

# %%
figure, axes = plt.subplots(1, 4, figsize=(9, 2.6))
for panel, (stride, padding) in zip(axes, ((1, 0), (2, 0), (3, 0), (2, 1))):
    image = values(np.zeros((1, 1, 7, 7)))
    np.sum(convolution(image, np.ones((1, 1, 3, 3)), np.zeros(1), stride, padding)).backward()
    counts = grads(image)[0, 0]
    panel.imshow(counts, cmap="Blues", vmin=0, vmax=14)
    for (i, j), number in np.ndenumerate(counts):
        panel.text(j, i, f"{number:g}", ha="center", va="center", fontsize=8)
    panel.set(xticks=[], yticks=[])
    panel.set_title(f"stride {stride}" + f", padding {padding}" * (padding > 0), fontsize=10)
figure.tight_layout()
plt.close(figure)
figure

# %% [markdown]
# ## Backward: the same window once more
#
# Forward, the output at (h, v) read a window of X. Backward it gives its E′ to the same window, times the weights, and to
# the weights, times the window:
#
# - ∂E/∂W[o,c,i,j] = Σ E′[n,o,h,v] X[n,c,hs+i,vs+j], over n, h and v
# - ∂E/∂X[n,c,i,j] = Σ E′[n,o,h,v] W[o,c,i−hs,j−vs], over o, h and v, where the indices lie within the kernel
# - ∂E/∂b[o] = Σ E′[n,o,h,v], over n, h and v: the examples too
#
# As E we take ½ Σ Y², so that E′ is Y itself.


# %%
def error(X, W, b, stride, padding):
    return np.sum(convolution(X, W, b, stride, padding) ** 2) / 2


def by_hand(X, W, b, stride, padding):
    up = convolution(X, W, b, stride, padding)  # E' = Y
    X = np.pad(X, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    dX, dW = np.zeros(X.shape), np.zeros(W.shape)
    rows, columns = W.shape[2:]
    for n, o, h, v in np.ndindex(*up.shape):
        window = (n, slice(None), slice(h * stride, h * stride + rows), slice(v * stride, v * stride + columns))
        dW[o] += up[n, o, h, v] * X[window]
        dX[window] += up[n, o, h, v] * W[o]
    height, width = X.shape[2:]
    dX = dX[:, :, padding : height - padding, padding : width - padding]  # the zeros around are no inputs
    return {"X": dX, "W": dW, "b": up.sum(axis=(0, 2, 3))}


check_derivation(error, by_hand, X=X, W=W, b=b, stride=2, padding=1)

# %% [markdown]
# ## Right, but for stride 1 only
#
# The post introduces the stride, and then writes ∂Y[n,h,w]/∂W[c,i,j] = X[n,h+i,w+j]: without it (and without the channel).
# Whoever tests that with stride 1 finds nothing.


# %%
def without_stride(X, W, b, stride):
    up = convolution(X, W, b, stride)
    dW = np.zeros(W.shape)
    rows, columns = W.shape[2:]
    for n, o, h, v in np.ndindex(*up.shape):
        dW[o] += up[n, o, h, v] * X[n, :, h : h + rows, v : v + columns]
    return {"W": dW}


def strided(X, W, b, stride):
    return np.sum(convolution(X, W, b, stride) ** 2) / 2


check_derivation(strided, without_stride, X=X, W=W, b=b, stride=1)

# %% [markdown]
# The checker was asked at stride 1, and tried others as well. Two more as printed: a sum of weights where there is one
# weight, and a bias that forgets the sum over the examples.


# %%
def sums_of_weights(X, W, b, stride):
    up, dX = convolution(X, W, b, stride), np.zeros(X.shape)
    for c, i, j in np.ndindex(*X.shape[1:]):
        weights = W[:, c, i::stride, j::stride].sum(axis=(1, 2))
        dX[:, c, i, j] = up.sum(axis=(2, 3)) @ weights
    return {"X": dX}


def one_example(X, W, b, stride):
    return {"b": convolution(X, W, b, stride)[0].sum(axis=(1, 2))}


for claimed in (sums_of_weights, one_example):
    print(check_derivation(strided, claimed, X=X, W=W, b=b, stride=2), "\n")

# %% [markdown]
# **Exercise 5.** A batch of 4 images, one channel out, 3 × 3 outputs each, and every entry of E′ is 1. What is ∂E/∂b?

# %%
slope = ...
exercise(slope, 36.0, "The bias is added at every place of every image, each time with slope 1.")

# %% [markdown]
# **Exercise 6.** In one direction: Y[h] = Σᵢ W[i] X[hs+i], and E = ½ Σ Y². Write ∂E/∂W as a function of `up` (that is E′),
# `X`, the number of weights `k` and the stride `s`: a list of k sums. A `lambda` will do.

# %%
by_weight = ...


def slide(X, W, s):
    return [dot(W, X[h * s : h * s + len(W)]) for h in range((len(X) - len(W)) // s + 1)]


def judge(f):
    def claimed(X, W, s):
        return f(np.array(slide(X, W, s)), X, len(W), s)

    def half_of_squares(X, W, s):
        return sum(y**2 for y in slide(X, W, s)) / 2

    report = check_derivation(half_of_squares, {"W": claimed}, X=np.arange(9.0), W=np.ones(3), s=2)
    return report.right or str(report)


exercise(by_weight, judge, "For each i the sum of up[h] * X[h*s + i] over all len(up) places h.")

# %% [markdown]
# ## `nn.Conv2d` is this
#
# The same numbers as its weights, the same image, and the same outputs and gradients come out: its every output is one
# `dot` of Values.

# %%
layer = nn.Conv2d(2, 3, 2, stride=2, padding=1)
for (o, c, i, j), number in np.ndenumerate(W):
    layer.weight[o][c][i][j].data = number
for o, number in enumerate(b):
    layer.bias[o].data = number

Y = np.array(layer(X), dtype=object)
(np.sum(Y**2) / 2).backward()
print("outputs  ", np.abs(datas(Y) - convolution(X, W, b, 2, 1)).max())
print("weights  ", np.abs(grads(layer.weight) - by_hand(X, W, b, 2, 1)["W"]).max())
print("biases   ", np.abs(grads(layer.bias) - by_hand(X, W, b, 2, 1)["b"]).max())

# %% [markdown]
# ## Where next
#
# That was the last of the hand-made derivations. `07_training` puts layers together and trains them. A formula of your own,
# from a book or a post, goes into `check_derivation` as it stands: as text, as NumPy code, or as a function.
#
# *The post whose formulas were checked: "Computing Neural Network Gradients".*
