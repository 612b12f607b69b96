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
# # From one scalar graph to array speed
#
# After this you can
#
# - record the graph of one example, and run it on a whole batch at the speed of NumPy;
# - read off a printed plan the equations of backpropagation that books begin with;
# - say what a plan knows and what it cannot know, and let it choose in every lane;
# - compile the same graph with JAX, and spread a batch over many devices.
#
# A `Value` is for seeing: every number is a node, and Python makes each of them. For training that is slow, and
# nothing about it is needed: the graph of one example is the graph of every example, only the numbers are others. So
# record it once, sort it into array operations, and run them on a thousand examples at a time.
#
# First one example, eagerly: two layers of sigmoids, and half the squared error.

# %%
import random
import textwrap

import numpy as np

import autograd
import nn
from autograd import Value, dot, draw, exercise, sigmoid

rng = random.Random(0)
W1 = [[Value(rng.gauss(0, 2)) for _ in range(2)] for _ in range(8)]
b1 = [Value(rng.gauss(0, 1)) for _ in range(8)]
W2 = [[Value(rng.gauss(0, 1)) for _ in range(8)]]
b2 = [Value(0.0)]


@autograd.naming.scoped  # so that it can be drawn as one box
def hidden(x):
    return [sigmoid(dot(w, x) + b) for w, b in zip(W1, b1)]


@autograd.naming.scoped
def output(h):
    return [sigmoid(dot(w, h) + b) for w, b in zip(W2, b2)]


def network(x, y):
    a = output(hidden(x))
    return a, (a[0] - y[0]) ** 2 / 2


x, y = [Value(0.5), Value(-0.2)], [Value(1.0)]
with autograd.record():
    a, loss = network(x, y)
autograd.label(locals())
loss.backward()
draw(loss, fold=["hidden", "output"], direction="TB")

# %% [markdown]
# ## A plan
#
# `replay` takes what that left behind: the output, the leaves whose numbers change from example to example, and the
# parameters (if you name none: all other leaves). What it makes of the graph is a *plan*. Its nodes are sorted into
# levels; sums of products become dots, dots that share their operands become a product of matrices, and what is left
# is grouped by operation.
#
# **Exercise 1.** Before you print it: a layer of a network is one product, a matrix of weights times a column of
# inputs. Of what size is the matrix of the *first* layer here, [rows, columns]?

# %%
size = ...
exercise(size, [8, 2], "a row for each neuron that the layer has, a column for each number that goes in")

# %% [markdown]
# Now the plan itself.

# %%
plan = autograd.replay(loss, inputs=[*x, *y])
print(plan)

# %% [markdown]
# Nobody told the engine about matrices: it saw single numbers, and found them. Beside the equations of
# backpropagation as books print them (δˡ is ∂C/∂zˡ, ⊙ goes number by number):
#
# | | in books | in the plan |
# |---|---|---|
# | the error of the output | δᴸ = ∇ₐC ⊙ σ′(zᴸ) | `dz2 = da*a*(1 - a)`, where `da` is `a - y` |
# | of the layer before | δˡ = (Wˡ⁺¹)ᵀ δˡ⁺¹ ⊙ σ′(zˡ) | `dh1 = W2^T dz2`, `dz1 = dh1*h1*(1 - h1)` |
# | biases | ∂C/∂bˡ = δˡ **1** | `db1 = sum over lanes of dz1` |
# | weights | ∂C/∂Wˡ = δˡ (aˡ⁻¹)ᵀ | `dW1 = dz1 x^T` |
#
# A vector has a column for each example of the batch, and such a column is called a *lane*. (Some write W with its
# indices the other way round; then the transposes are on the other side.)
#
# Are they right? Type them in as NumPy, and compare.

# %%
data = nn.moons(1000, noise=0.15, seed=1)
columns = np.column_stack([data.examples, data.targets])  # a row for each lane: x[0], x[1], y[0]
result = plan(columns)

sigma = lambda z: 1 / (1 + np.exp(-z))
numbers = np.vectorize(lambda value: value.data)
X, Y = columns[:, :2].T, columns[:, 2:].T
A1 = sigma(numbers(W1) @ X + numbers(b1)[:, None])
A2 = sigma(numbers(W2) @ A1 + numbers(b2)[:, None])
dZ2 = (A2 - Y) * A2 * (1 - A2)
dZ1 = numbers(W2).T @ dZ2 * A1 * (1 - A1)
by_hand = {"W1": dZ1 @ X.T, "b1": dZ1.sum(1), "W2": dZ2 @ A1.T, "b2": dZ2.sum(1)}

found = dict(zip([leaf.label for leaf in plan.leaves], result.gradients))
print(found["W1[3][1]"], by_hand["W1"][3, 1])
print(all(np.isclose(found[f"W1[{i}][{j}]"], by_hand["W1"][i, j]) for i in range(8) for j in range(2)))

# %% [markdown]
# ## A thousand lanes
#
# `plan(columns)` gives the output of each lane, and the gradient of their sum (or `reduce="mean"`) for each
# parameter, in the order of `plan.parameters`. The rules of the operations are what runs: the same lines of
# `autograd/rules.py` that made the eager graph, read with arrays in the place of numbers.

# %%
print(result.values.shape, result.gradients.shape)

lane = 417
_, eager = network([Value(v) for v in columns[lane, :2]], [Value(columns[lane, 2])])
print(result.values[lane], eager.data)

# %% [markdown]
# **Exercise 2.** A gradient of the sum over the 1,000 lanes is 0.967. What does the same call with `reduce="mean"`
# give for it?

# %%
of_mean = ...
exercise(of_mean, 0.000967, "the mean is the sum divided by the number of lanes, and so is its gradient")

# %% [markdown]
# Still every number is a node that one can look at. `write_back` puts a lane into the graph that was recorded,
# gradients and all; pick the lane that has the largest loss, and see why.

# %%
worst = int(np.argmax(result.values))
plan.write_back(worst)
print(f"lane {worst}: it gave {a[0].data:.3f}, the target is {y[0].data:g}")
draw(loss, fold=["hidden", "output"], direction="TB")

# %% [markdown]
# ## Training
#
# The parameters are one NumPy array, which may be written to. That is all a training loop needs.

# %%
import matplotlib.pyplot as plt

losses = []
for _ in range(2000):
    result = plan(columns, reduce="mean")
    plan.parameters -= 3.0 * result.gradients
    losses.append(result.values.mean())

right = np.mean(result.values < 0.5**2 / 2)  # nearer to the target than to the other class
figure, axes = plt.subplots(figsize=(6, 2.5))
axes.plot(losses)
axes.set(xlabel="step", ylabel="mean loss", title=f"{1000 * 2000:,} examples forward and back: {right:.1%} right")
plt.close(figure)  # shown once, as the result of this cell
figure

# %% [markdown]
# How long does a step take, and how long would it have taken eagerly? (Timings of whatever machine this ran on; the
# fair comparisons, with other libraries too, are made by `python -m benchmarks --only replay`.)

# %%
from time import perf_counter


def seconds(function, times):
    function()
    best = float("inf")
    for _ in range(times):
        start = perf_counter()
        function()
        best = min(best, perf_counter() - start)
    return best


def eager_step():
    for row in columns[:50].tolist():
        network([Value(v) for v in row[:2]], [Value(row[2])])[1].backward()


by_plan, eagerly = seconds(lambda: plan(columns), 50), 20 * seconds(eager_step, 3)
print(f"1,000 lanes: {1e3 * by_plan:.2f} ms by plan, {1e3 * eagerly:.0f} ms eagerly: {eagerly / by_plan:.0f} times")

# %% [markdown]
# ## What a plan cannot know
#
# Python decided things while the graph was built. If it decided by comparing Values, and the graph was built within
# `autograd.record()`, the comparisons are remembered, and checked in every lane. A lane that would have gone the
# other way is an error that says where; it is never computed by the wrong branch in silence.

# %%
v = Value(2.0, label="v")
with autograd.record():
    out = v * v if v > 0 else -v
with_if = autograd.replay(out, [v])
try:
    with_if([3.0, -3.0, 4.0])
except autograd.BranchError as error:
    print(textwrap.fill(str(error), 100))

# %% [markdown]
# Two ways out. Say what computes such a lane eagerly. Or choose by `autograd.where`, which on a comparison is a node,
# and decides anew in each lane.

# %%
with_help = autograd.replay(out, [v], otherwise=lambda leaves: -leaves[0])
print(with_help([3.0, -3.0, 4.0]).values)

with autograd.record():
    out = autograd.where(v > 0, v * v, -v)
result = autograd.replay(out, [v])([3.0, -3.0, 4.0], input_gradients=True)
print(result.values, result.input_gradients.ravel())

# %% [markdown]
# **Exercise 3.** Write `leaky`, a function of a Value that gives v where v is above 0 and 0.1 · v elsewhere, so that
# a plan computes *both* kinds of lane without help.

# %%
leaky = ...


def judge(leaky):
    v = Value(2.0)
    with autograd.record():
        out = leaky(v)
    try:
        result = autograd.replay(out, [v])([2.0, -3.0], input_gradients=True)
    except autograd.BranchError:
        return "lane 1 takes another branch: the choice was Python's, not the graph's"
    if not np.allclose(result.values, [2.0, -0.3]):
        return f"of 2 and -3 it makes {result.values}, and should make [2, -0.3]"
    return np.allclose(result.input_gradients.ravel(), [1.0, 0.1]) or "the slopes should be 1 and 0.1"


exercise(leaky, judge, "def leaky(v): return autograd.where(v > 0, ..., ...)")

# %% [markdown]
# Whatever else Python did is fixed: a number that was read through `.data`, the length of a loop, the label that
# chose a class. `print(plan)` ends with what is known about that.
#
# ## Inputs that are parameters
#
# A model of words has a table of numbers, and each example picks rows of it. One recording serves all: at call time
# an input may be *bound* to a parameter, a different one in each lane if need be. Its number is the parameter's, and
# its gradient goes there.

# %%
table = [[Value(rng.gauss(0, 1)) for _ in range(2)] for _ in range(5)]  # a row for each of five words
word = [Value(0.0), Value(0.0)]
score = dot(word, [Value(1.0), Value(-1.0)]).tanh()
rows = [leaf for row in table for leaf in row]
words = autograd.replay(score, inputs=word, parameters=rows)

sentence = [3, 1, 3, 4]
result = words(bind={word[j]: [table[i][j] for i in sentence] for j in range(2)})
print(result.values)
print(result.gradients.reshape(5, 2))  # word 3 stands there twice, words 0 and 2 not at all

# %% [markdown]
# **Exercise 4.** For the sentence [2, 2, 2, 0], the gradient of each number of word 2 is how many times that for the
# sentence [2]?

# %%
times = ...
exercise(times, 3, "each lane adds its gradient to the row that it read")

# %% [markdown]
# ## Compiled
#
# `plan.to_jax()` is the same plan as a pure function of JAX, `f(parameters, columns) -> (values, gradients)`: no
# state, no side effects, which is all that JAX's transformations ask for. The gradients come from the rules' own
# local derivatives, as everywhere; `jax.grad` is not used. One graph is now read four ways, and nothing of the model
# was written twice:
#
# | | runs | who computes | what one sees |
# |---|---|---|---|
# | eager | one example | Python, node by node | every number, every slope, the drawing |
# | `plan(columns)` | a batch | NumPy, level by level | values and gradients; any lane put back into the nodes |
# | `jax.jit(plan.to_jax())` | a batch | what XLA makes of the same levels | values and gradients |
# | the same, on sharded columns | a batch | every device its own lanes | values and gradients |
#
# XLA compiles some operations for each step of the plan, so compiling takes longer for deeper graphs, not for wider
# ones; and it compiles anew for each number of lanes, so keep batches of one size. Nothing can be raised while it
# runs: a lane that takes another branch than the recorded one has the value NaN, and the gradients are NaN.

# %%
import os

os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=8")  # for later; before JAX is imported
try:
    import jax
except ImportError:
    jax = None
    print("JAX is not here: python -m pip install '.[jax]', and run this notebook again")

if jax is not None:
    jax.config.update("jax_enable_x64", True)  # floats of 64 bits, as Values have
    loss_and_gradients = plan.to_jax()
    values, gradients = jax.jit(loss_and_gradients)(plan.parameters, columns)
    print("as NumPy:", np.allclose(gradients, plan(columns).gradients, rtol=1e-10, atol=1e-12))

# %% [markdown]
# `jax.vmap` over the parameters runs many networks at once, here 32 first guesses. Nothing in the graph knows of it.

# %%
if jax is not None:
    guesses = np.random.default_rng(3).normal(size=(32, len(plan.parameters)))
    of_each = jax.jit(jax.vmap(loss_and_gradients, in_axes=(0, None)))
    values, gradients = of_each(guesses, columns)
    print(values.shape, gradients.shape)

# %% [markdown]
# ## Many devices
#
# Lanes do not know of each other, so they may lie anywhere. Put a share of them on each device, and the parameters on
# all; the function stays as it was. Every device runs its lanes forward and back, and XLA adds up the gradients: as
# many numbers as there are parameters travel, however large the batch.
#
# Here eight devices are made of one processor, to try it out. On real ones the line with `XLA_FLAGS` goes away, and
# so does `block_until_ready` (pretended devices share their threads, and may wait for each other for ever if several
# steps are under way). On several machines `jax.distributed.initialize()` comes first, and each process gives its own
# lanes, with `jax.make_array_from_process_local_data`.

# %%
if jax is not None:
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    mesh = Mesh(np.array(jax.devices()), ("lanes",))
    spread, everywhere = NamedSharding(mesh, PartitionSpec("lanes")), NamedSharding(mesh, PartitionSpec())

    @jax.jit
    def step(parameters, columns):
        values, gradients = loss_and_gradients(parameters, columns)
        return parameters - 3.0 * gradients / len(columns), values.mean()

    lanes = len(columns) // len(jax.devices()) * len(jax.devices())  # as many on each
    batch = jax.device_put(columns[:lanes], spread)
    parameters = jax.device_put(plan.parameters, everywhere)
    for _ in range(200):
        parameters, mean = jax.block_until_ready(step(parameters, batch))
    print(len(jax.devices()), "devices with", batch.addressable_shards[0].data.shape, f"each; mean loss {mean:.5f}")

# %% [markdown]
# And back: the parameters go into the plan, a lane of it into the nodes. It is the loss that was built in the first
# cell, with what it came to on eight devices, and each of its slopes.

# %%
if jax is not None:
    plan.parameters = np.asarray(parameters)
plan(columns)
plan.write_back(worst)
print(f"lane {worst} now gives {a[0].data:.3f}, the target is {y[0].data:g}")
draw(loss, fold=["hidden", "output"], direction="TB")

# %% [markdown]
# ## Where to go next
#
# - All of it together: a small language model whose every weight is a `Value`, trained by replay, with a row of the
#   table bound to each character: `10_gpt`.
# - `help(autograd.planning)` says how a plan is made, and `python -m benchmarks --only replay` measures it beside
#   other libraries.
