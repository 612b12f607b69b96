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
# # Training
#
# After this you can
#
# - say what each of the four lines of a training step does, and do one by hand;
# - watch a decision boundary take shape, and read a loss curve;
# - choose an optimiser and a learning rate, and see from a curve that one is wrong;
# - tell what a network that does not learn suffers from: forgotten zeros, twins, dead ReLUs, saturated sigmoids, NaN.
#
# Every number in here is a `Value`: each weight, each sum, each activation. First some data, two moons that reach
# into each other, and a network that should tell them apart. The table says what each layer adds to the graph of one
# example.

# %%
import random

import matplotlib.pyplot as plt
import numpy as np

import nn
from autograd import Value, draw, exercise, label, relu

train, held_out = nn.split(nn.moons(200, noise=0.1, seed=1))


def network(seed=0):
    """The same first weights for the same seed, so that trainings can be compared."""
    rng = random.Random(seed)
    return nn.Sequential(nn.Linear(2, 16, init="he", rng=rng), nn.ReLU(), nn.Linear(16, 2, init="he", rng=rng))


model = network()
nn.summary(model, train.examples[0])

# %% [markdown]
# ## One step by hand
#
# A step of training is four things: **forward** (the loss of some examples), **zero** (forget the last step's
# gradients), **backward** (one sweep), and **step** (each weight moves a little against its gradient). Before you run
# the cell: the gradient of the weight that it watches will turn out to be positive. Will the step make this weight
# larger or smaller?

# %%
batch, answers = train.examples[:32], train.targets[:32]
weight = model.parameters()[1]
rate = 0.1


def batch_loss(model):
    return nn.softmax_cross_entropy([model(x) for x in batch], answers)  # the mean over the batch


loss = batch_loss(model)  # forward
model.zero_grad()  # zero
loss.backward()  # backward
before = weight.data
for p in model.parameters():  # step
    p.data -= rate * p.grad

print(f"weight {before:.6f} - {rate} × its gradient {weight.grad:.6f} = {weight.data:.6f}")
print(f"loss {loss.data:.4f} -> {batch_loss(model).data:.4f}")

# %% [markdown]
# **Exercise 1.** A weight is 0.8, and its gradient is -2.5. What is it after a step with the learning rate 0.1?

# %%
after = ...
exercise(after, 1.05, "new weight = old weight - learning rate × gradient; mind the two minus signs")

# %% [markdown]
# How much should the loss fall? For a small step, the gradient itself foretells it: each weight moves by -rate × g,
# which changes the loss by about -rate × g², and these add up. The foretelling is good for small steps only: over a
# longer way the slope changes.

# %%
for rate in (0.001, 0.01, 0.1, 1.0):
    fresh = network()
    loss = batch_loss(fresh)
    loss.backward()
    foretold = -rate * sum(p.grad**2 for p in fresh.parameters())
    for p in fresh.parameters():
        p.data -= rate * p.grad
    print(f"rate {rate:<5}  foretold {foretold:9.5f}   came {batch_loss(fresh).data - loss.data:9.5f}")

# %% [markdown]
# **Exercise 2.** Someone leaves out `zero_grad()`. The gradients of three steps would be 0.4, 0.3 and 0.2, if each
# stood alone (`grad` begins at 0). By which gradient does the *third* step move the weight?

# %%
third = ...
exercise(third, 0.9, "backward() adds to what is there, and nobody took away what the first two left")

# %% [markdown]
# ## The boundary while it learns
#
# `nn.fit` repeats that step, batch after batch, for so many *epochs* (times through all the examples). What it calls
# after each epoch can look on: here it draws which class the network gives each point of the plane.

# %%
moments = [0, 1, 3, 10, 30]
figure, panels = plt.subplots(1, 5, figsize=(12, 2.4), layout="constrained")


def look(epoch):
    if epoch in moments:
        ax = panels[moments.index(epoch)]
        nn.plot_boundary(model, train, ax=ax, resolution=40)
        ax.set(title=f"after {epoch} epoch{'s' * (epoch != 1)}", xticks=[], yticks=[], xlabel="", ylabel="")
        if ax.get_legend():
            ax.get_legend().remove()


model = network()
sizes = nn.GradientSizes()
look(0)
history = nn.fit(
    model,
    train,
    loss=nn.softmax_cross_entropy,
    optimizer=nn.Adam(model.parameters(), lr=0.05),
    epochs=30,
    rng=random.Random(0),
    validation=held_out,
    callbacks=[sizes, lambda training: look(training.epoch)],
    progress=False,
)
plt.close(figure)  # shown once, as the result of this cell
figure

# %% [markdown]
# The 16 ReLUs begin as 16 random folds of the plane. Training moves the folds until together they follow the gap
# between the moons. The curves: each batch is faint, each epoch a mark; the orange ones are of examples that the
# network never learnt from. (While a long training runs, `callbacks=[nn.LivePlot()]` draws the curves as they grow.)

# %%
nn.plot_history(history)

# %% [markdown]
# How large the gradients were on the way, layer by layer. Lines that drift far apart, or down to nothing, are where
# training gets stuck.

# %%
sizes.plot()

# %% [markdown]
# And one example, folded to the layers: what each of them gave, and the gradient that came back to it. Compare the
# two columns of gradients: where a ReLU gave 0, the gradient ends, and that neuron learns nothing from this example.

# %%
x, target = train.examples[0], train.targets[0]
loss = nn.softmax_cross_entropy(model(x), target)
loss.label = "loss"
model.zero_grad()
loss.backward()
draw(loss, fold="layer", direction="TB")

# %% [markdown]
# ## Optimisers, side by side
#
# Plain gradient descent (SGD) moves each weight by -rate × gradient. The others remember something of the steps
# before:
#
# | | remembers | moves by |
# |---|---|---|
# | SGD | nothing | -rate · g |
# | momentum | v ← 0.9 v + g | -rate · v |
# | Nesterov | the same v | -rate · (g + 0.9 v): looks ahead to where v will take it |
# | RMSprop | s ← mean of g² | -rate · g / √s: every weight at its own pace |
# | Adam | m ← mean of g, s ← mean of g² | -rate · m / √s: both ideas |
#
# First on a valley with two parameters, ten times as steep across as along, where the way can be seen. Which of them
# will go straight, and which zigzag?


# %%
def valley(x, y):
    return (x**2 + 10 * y**2) / 2


OPTIMISERS = {
    "SGD": lambda p: nn.SGD(p, lr=0.17),
    "momentum": lambda p: nn.SGD(p, lr=0.02, momentum=0.9),
    "Nesterov": lambda p: nn.SGD(p, lr=0.02, momentum=0.9, nesterov=True),
    "RMSprop": lambda p: nn.RMSprop(p, lr=0.2),
    "Adam": lambda p: nn.Adam(p, lr=0.6),
}


def way(make, steps=40):
    x, y = Value(-9.0), Value(2.5)
    optimizer = make([x, y])
    places = [(x.data, y.data)]
    for _ in range(steps):
        optimizer.zero_grad()
        valley(x, y).backward()
        optimizer.step()
        places.append((x.data, y.data))
    return np.array(places)


def draw_way(ax, places, title):
    across, up = np.meshgrid(np.linspace(-11, 11, 80), np.linspace(-4, 4, 60))
    ax.contour(across, up, valley(across, up), levels=np.geomspace(0.2, 120, 12), colors="#b8b8b8", linewidths=0.7)
    ax.plot(*places.T, ".-", color="#d55e00", linewidth=1, markersize=4)
    ax.plot(0, 0, "k+", markersize=9)
    ax.set(title=title, xlim=(-11, 11), ylim=(-4, 4), xticks=[], yticks=[])


figure, panels = plt.subplots(1, 5, figsize=(12, 2.2), layout="constrained")
for ax, (name, make) in zip(panels, OPTIMISERS.items()):
    places = way(make)
    draw_way(ax, places, f"{name}: {valley(*places[-1]):.1g} left")
plt.close(figure)
figure

# %% [markdown]
# Now on the moons, all five from the same first weights and in the same order of examples. Their ranking is no law:
# with another rate for each, or on other data, it is another. (In the valley plain SGD came off best, with a rate
# that was chosen for just that valley.)

# %%
RATES = {
    "SGD": lambda p: nn.SGD(p, lr=0.1),
    "momentum": lambda p: nn.SGD(p, lr=0.1, momentum=0.9),
    "Nesterov": lambda p: nn.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "RMSprop": lambda p: nn.RMSprop(p, lr=0.02),
    "Adam": lambda p: nn.Adam(p, lr=0.05),
}


def losses_with(make, epochs=20):
    model = network()
    how = {"optimizer": make(model.parameters()), "epochs": epochs, "rng": random.Random(0)}
    return nn.fit(model, train, **how, checks=False, progress=False).losses  # without the doctor, for now


figure, ax = plt.subplots(figsize=(7, 3), layout="constrained")
for (name, make), style in zip(RATES.items(), ("-", "--", "-.", ":", "-")):
    ax.plot(range(1, 21), losses_with(make), style, label=name, linewidth=1.8)
ax.set(xlabel="epoch", ylabel="mean loss", yscale="log", xticks=range(0, 21, 5), title="Five optimisers, one start")
ax.legend(frameon=False)
plt.close(figure)
figure

# %% [markdown]
# **Exercise 3.** Momentum 0.9, learning rate 0.1, and a slope where the gradient is 1 all the way. The first step is
# 0.1 long. How long are the steps in the end?

# %%
length = ...
exercise(length, 1.0, "v no longer changes when v = 0.9 v + 1; solve for v, and multiply by the learning rate")

# %% [markdown]
# ## The learning rate: too small, right, too large
#
# The same valley, plain gradient descent, three rates. Each step multiplies x by (1 - rate · 1) and y by (1 - rate ·
# 10): the curvatures are 1 and 10. What happens to y when the rate is above 0.2?

# %%
figure, panels = plt.subplots(1, 3, figsize=(11, 2.6), layout="constrained")
for ax, (rate, word) in zip(panels, [(0.005, "too small"), (0.17, "right"), (0.203, "too large")]):
    places = way(lambda p, rate=rate: nn.SGD(p, lr=rate), steps=30)
    draw_way(ax, places, f"rate {rate}: {word}, {valley(*places[-1]):.3g} left")
plt.close(figure)
figure

# %% [markdown]
# The same three faces on the moons. A curve that hardly falls: too small. One that jumps, or stays high: too large.

# %%
figure, ax = plt.subplots(figsize=(7, 3), layout="constrained")
for rate, style in [(0.001, ":"), (0.5, "-"), (30.0, "--")]:
    found = losses_with(lambda p, rate=rate: nn.SGD(p, lr=rate))
    ax.plot(range(1, 21), found, style, label=f"rate {rate:g}", linewidth=1.8)
ax.set(xlabel="epoch", ylabel="mean loss", yscale="log", xticks=range(0, 21, 5), title="SGD on the moons")
ax.legend(frameon=False)
plt.close(figure)
figure

# %% [markdown]
# **Exercise 4.** Gradient descent on y² · 10/2 multiplies y by 1 - 10 · rate at each step. What is the rate above
# which y grows for ever? (Lesson 08 finds such a limit for a whole network.)

# %%
limit = ...
exercise(limit, 0.2, "y grows when the factor is below -1")

# %% [markdown]
# ## The doctor: networks that do not learn
#
# `nn.diagnose(model, loss)` reads the graph that a loss left behind and says what is the matter. Of a healthy network
# it has nothing to say.

# %%
model = network()
loss = batch_loss(model)
loss.backward()
print(nn.diagnose(model, loss))

# %% [markdown]
# **Gradients not zeroed.** Forward and backward again, and nobody set the gradients to 0 in between:

# %%
loss = batch_loss(model)
loss.backward()
print(nn.diagnose(model, loss))

# %% [markdown]
# **All weights alike.** Before you run it: sixteen hidden neurons that start with the same weights. Will training
# ever tell them apart?

# %%
alike = nn.MLP(2, [16, 2], activation="tanh", init=lambda rng, fan_in, fan_out: 0.1)
for w in alike.layers[1].neurons[1].w:
    w.data = -0.1  # the two outputs may differ; the hidden neurons are twins all the same
loss = batch_loss(alike)
loss.backward()
print(nn.diagnose(alike, loss))
print()
print("gradients of the first three:", *[f"{neuron.w[0].grad:.6f}" for neuron in alike.layers[0].neurons[:3]])

# %% [markdown]
# **Saturated sigmoids.** The same points, measured in micrometres instead of metres. Inputs in the millions push
# every sigmoid to 0 or 1, where it is flat: its slope, out · (1 - out), lets nothing through.

# %%
loud = nn.MLP(2, [16, 2], activation="sigmoid", rng=random.Random(0))
loss = nn.softmax_cross_entropy([loud([1e6 * x[0], 1e6 * x[1]]) for x in batch], answers)
loss.backward()
print(nn.diagnose(loud, loss))

# %% [markdown]
# ### Why did my ReLU die?
#
# A ReLU passes on a gradient only where its sum is above 0. One large step can push the bias so low that the sum is
# below 0 for *every* example. Then every gradient that reaches the weights is 0, so they never move again. Read the
# picture from the right: where does the gradient stop?

# %%
w, x, b = Value(0.8), Value(1.5), Value(-4.0)
z = w * x + b
out = relu(z)
loss = (out - 1) ** 2
label(locals())
loss.backward()
draw(loss)

# %% [markdown]
# It is not wrong that nothing comes back: nudge w or b a little, and the loss does not change at all. In a network it
# looks like this.

# %%
dead = network()
for bias in dead.layers[0].bias:
    bias.data = -20.0  # as after one step that was far too large
loss = batch_loss(dead)
loss.backward()
print(nn.diagnose(dead, loss))

# %% [markdown]
# Ways out: smaller steps, another start, or a unit with a slope on both sides. The same biases with `LeakyReLU`:

# %%
leaky = nn.Sequential(dead.layers[0], nn.LeakyReLU(0.1), dead.layers[2])
leaky.zero_grad()
loss = batch_loss(leaky)
loss.backward()
print(nn.diagnose(leaky, loss))
print("largest gradient of the first layer:", max(abs(p.grad) for p in leaky.layers[0].parameters()))

# %% [markdown]
# **Exercise 5.** A ReLU has the weight -1, and its examples are x = 1, 2 and 3. Give it a bias for which it is alive
# for exactly one of them.

# %%
bias = ...


def judge(bias):
    alive = [x for x in (1.0, 2.0, 3.0) if relu(-1.0 * x + bias) > 0]
    return len(alive) == 1 or f"alive at x in {alive}"


exercise(bias, judge, "it is alive where bias - x is above 0, and x = 1 must be the only such x")

# %% [markdown]
# **NaN.** A network of your own takes a logarithm of what may be negative. The loss is NaN, and so is every gradient.
# Where did it begin?


# %%
class Ratio(nn.Module):
    """log of the first score over the second, which is only good while both are positive."""

    def __init__(self):
        self.body = nn.Linear(2, 2, rng=random.Random(3))

    def __call__(self, x):
        first, second = self.body(x)
        return (first / second).log()


ratio = Ratio()
loss = sum((ratio(x) - target) ** 2 for x, target in zip(batch, answers))
loss.backward()
print(loss.data)
print(nn.diagnose(ratio, loss))

# %% [markdown]
# `fit` has the doctor look on while it trains, and stops before a step that would put NaN into the weights: the model
# stays as it was after the last good step.
#
# **Exercise 6.** This patient does not learn. Run the doctor on it, and give the kind of the finding (one word,
# before the colon).

# %%
patient = nn.MLP(2, [12, 2], activation="relu", rng=random.Random(5))
for neuron in patient.layers[0].neurons:
    neuron.b.data = -9.0
loss = batch_loss(patient)
loss.backward()
print(f"{len(patient.parameters())} parameters; the loss is {loss.data:.4f}")

# %%
kind = ...
exercise(kind, "dead", "print(nn.diagnose(patient, loss))")

# %% [markdown]
# ## Digits
#
# 1,797 handwritten digits of 8 × 8 pixels, and a network 64-32-10 made of single Values. Fifteen times through all of
# them, example by example, would take minutes; `fit` goes on like that for the first few examples only. Then it replays
# the graph of one example on whole batches (lesson 09).

# %%
from time import perf_counter

digits = nn.load_digits().map(lambda row: [ink / 16 for ink in row])
train_digits, held_digits = nn.split(digits)
rng = random.Random(0)
reader = nn.Sequential(nn.Linear(64, 32, init="he", rng=rng), nn.ReLU(), nn.Linear(32, 10, init="he", rng=rng))
start = perf_counter()
history = nn.fit(
    reader,
    train_digits,
    optimizer=nn.Adam(reader.parameters(), lr=0.01),
    epochs=15,
    rng=rng,
    validation=held_digits,
    progress=False,
)
print(f"{len(reader.parameters()):,} parameters, {perf_counter() - start:.1f} s")
history

# %% [markdown]
# **Exercise 7.** Where does that number of parameters come from? Count weights and biases of a network 64-100-10.

# %%
count = ...
exercise(count, 64 * 100 + 100 + 100 * 10 + 10, "a layer has inputs × outputs weights, and one bias for each output")

# %% [markdown]
# What does it get wrong? The images that were held out and misread: in the title what it is, and what the network
# took it for.

# %%
scores = np.array([[score.data for score in reader(x)] for x in held_digits.examples])
taken_for, truth = scores.argmax(axis=1), np.array(held_digits.targets)
wrong = np.flatnonzero(taken_for != truth)
figure, panels = plt.subplots(1, 8, figsize=(11, 1.8), layout="constrained")
for ax in panels:
    ax.set_axis_off()
for ax, i in zip(panels, wrong):
    ax.imshow(np.reshape(held_digits.examples[i], (8, 8)), cmap="gray_r")
    ax.set_title(f"{truth[i]}, read as {taken_for[i]}", fontsize="small")
plt.close(figure)
print(f"{len(wrong)} of {len(truth)} wrong")
figure

# %% [markdown]
# And what do its neurons look for? The 64 weights of each hidden neuron, put back where their pixels are: blue for
# ink that speaks for it, orange for ink that counts against it.

# %%
nn.plot_weights(reader, shape=(8, 8))

# %% [markdown]
# ## Stop, and go on tomorrow
#
# A checkpoint is one JSON file: parameters, optimiser, random numbers, history. A run that is resumed gives the same
# numbers, to the last bit, as one that never stopped.

# %%
import tempfile
from pathlib import Path


def learn(epochs, **how):
    rng = random.Random(7)
    model = nn.MLP(2, [8, 2], activation="tanh", rng=rng)
    optimizer = nn.SGD(model.parameters(), lr=0.2, momentum=0.9)
    nn.fit(model, train, optimizer=optimizer, epochs=epochs, rng=rng, progress=False, **how)
    return [p.data for p in model.parameters()]


with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "run.json"
    learn(3, callbacks=[nn.SaveCheckpoint(file)])
    print(file.read_text()[:300], "...")
    print("the same bits:", learn(6, resume=file) == learn(6))

# %% [markdown]
# ## Where to go next
#
# - Why is there a largest learning rate, and can one know it? Take the gradient of a gradient: `08_beyond_first_order`.
# - How do a million examples pass through a graph of single numbers in a second? `09_array_speed`.
# - `python -m nn demo` trains the digits at the command line and writes a report; `help(nn)` is the map of
#   everything.
