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
# # A GPT whose every weight is a Value
#
# After this you can
#
# - write a small GPT from nothing but sums and products of single numbers: embeddings, attention, a perceptron, a
#   loss;
# - look at one head of attention, number by number, and at the gradient that comes back through it;
# - train it in seconds on a processor, by recording one name and replaying it on batches of others;
# - let it make up new names, and see where it looks while it does.
#
# A language model foresees what comes next. Ours reads a first name letter by letter, and at each place gives every
# character a score: the higher, the more likely it comes next. What it learns from is a list of names. A dot stands
# before and after each of them: "start" and "that was all". (Where the repository's list of names is not at hand, a
# short one does. The model will soon know that one by heart.)

# %%
import random
from math import log
from pathlib import Path
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np

import autograd
import nn
from autograd import Value, dot, draw, exercise, exp, label, logsumexp, paths, relu

A_FEW = """
ada adam alan alice amelia anna anton ben bella carl carla clara dan dana daniel david dora ella
ellen emil emily emma eric eva felix flora fred george grace hanna harold helen henry ida irene
iris ivan jack jane john julia karen karl kate laura lena leo leon lily linda lisa lucas lucy
maria marie mark martin mary max mia mona nadia nina nora norman oliver olivia oscar otto paul
paula peter rosa ruby ruth sam samuel sara simon sofia stella susan theo thomas tim tina tom
vera victor viola walter wanda zoe
"""

CHARACTERS = ".abcdefghijklmnopqrstuvwxyz"
LONGEST = 8  # letters; names that are longer stay out
places = [folder / "names.txt" for folder in (Path("../benchmarks"), Path("benchmarks"))]
listed = next((place.read_text(encoding="utf-8") for place in places if place.exists()), A_FEW)
names = [name for name in listed.split() if len(name) <= LONGEST]
random.Random(0).shuffle(names)
print(f"{len(names):,} names:", *names[:12])
print(f"the first one, in numbers: {[CHARACTERS.index(c) for c in '.' + names[0] + '.']}")

# %% [markdown]
# ## Attention, small enough to be seen
#
# At each place the model has a list of numbers, its idea of what stands there. To foresee the next letter it must
# look back: after "ann", an "a" is likely *because of* what came before. That is what attention does. Each place
# makes three lists of its own:
#
# - a *query*: what am I looking for?
# - a *key*: what have I to offer?
# - a *value*: what do I hand over, if somebody takes it?
#
# A query and a key that point the same way have a large product (`dot`). The softmax of these products says how much
# of each place's value is taken: weights that are positive and sum to 1.


# %%
def softmax(scores):
    powers = [exp(score) for score in scores]
    total = autograd.sum(powers)
    return [power / total for power in powers]


def attention(query, keys, values, seen=None):
    """The mean of the values, each weighted by how well its key fits the query."""
    weights = softmax([dot(query, key) / len(query) ** 0.5 for key in keys])
    if seen is not None:
        seen.append(weights)
    return [dot(weights, column) for column in zip(*values)]


q = [Value(1.0), Value(0.5)]
k = [[Value(2.0), Value(0.0)], [Value(-1.0), Value(1.0)]]
v = [[Value(3.0)], [Value(-1.0)]]
[taken] = attention(q, k, v)
label(locals())
taken.backward()
draw(taken, direction="TB")

# %% [markdown]
# Read it from the top: two products, two powers of e, each divided by their sum, and a mean of the two values. The
# first key fits better, so most of what is taken is `v[0]`. And look at the gradient of the query: it points to where
# the first key would win even more, since its value is the larger one.
#
# **Exercise 1.** Two products (after the division) are 0 and log 3. What are the two weights?

# %%
weights = ...
exercise(weights, [0.25, 0.75], "the powers of e are 1 and 3; divide each by their sum")

# %% [markdown]
# ## The whole model
#
# It has tables of Values and nothing else. A character's row says what it is, a place's row where it stands; their
# sum goes through attention and a perceptron, and what each of them finds is *added* to what was there, so that
# gradients have a way past both. `normalised` keeps the numbers at one size. A last table scores each character.
#
# ```
# x = character's row + place's row
# x = x + look_back(normalised(x))      what the places before it have to say
# x = x + think(normalised(x))          what follows from that
# scores = score · normalised(x)        a number for each character
# ```

# %%
WIDTH, HIDDEN, PLACES = 16, 32, LONGEST + 1
rng = random.Random(1)


def table(rows, columns):
    return [[Value(rng.gauss(0, 0.1)) for _ in range(columns)] for _ in range(rows)]


characters, positions = table(len(CHARACTERS), WIDTH), table(PLACES, WIDTH)
to_query, to_key, to_value, mix = [table(WIDTH, WIDTH) for _ in range(4)]
widen, narrow = table(HIDDEN, WIDTH), table(WIDTH, HIDDEN)
score = table(len(CHARACTERS), WIDTH)
TABLES = [characters, positions, to_query, to_key, to_value, mix, widen, narrow, score]
parameters = [weight for one in TABLES for row in one for weight in row]


def times(matrix, xs):
    return [dot(row, xs) for row in matrix]


def plus(xs, ys):
    return [x + y for x, y in zip(xs, ys)]


def normalised(xs):
    size = (dot(xs, xs) / len(xs) + 1e-5) ** -0.5  # one over the root of the mean square
    return [x * size for x in xs]


def look_back(x, keys, values, seen):
    keys.append(times(to_key, x))
    values.append(times(to_value, x))
    return times(mix, attention(times(to_query, x), keys, values, seen))


def think(x):
    return times(narrow, [relu(h) for h in times(widen, x)])


def gpt(rows, seen=None):
    """Scores of the next character after each place, from the rows of `characters` that the places hold."""
    keys, values, found = [], [], []  # a place sees those before it, and itself: never the future
    for row, position in zip(rows, positions):
        x = plus(row, position)
        x = plus(x, look_back(normalised(x), keys, values, seen))
        x = plus(x, think(normalised(x)))
        found.append(times(score, normalised(x)))
    return found


print(f"{len(parameters):,} weights")

# %% [markdown]
# **Exercise 2.** Of the 9 × 9 pairs of places, how many does attention use? A place looks at itself and at those
# before it.

# %%
pairs = ...
exercise(pairs, 45, "1 + 2 + ... + 9")

# %% [markdown]
# ## The loss of one name
#
# At each place there is a character that should come next. The loss there is minus the log of the probability that
# the model gave it, which is logsumexp(scores) minus the score of the right one. Averaged over the places, that is
# the loss of a name.


# %%
def loss_of(name, seen=None):
    text = "." + name + "."
    numbers = [CHARACTERS.index(c) for c in text]
    scores = gpt([characters[i] for i in numbers[:-1]], seen)
    return sum(logsumexp(s) - s[i] for s, i in zip(scores, numbers[1:])) / (len(text) - 1)


start = perf_counter()
loss = loss_of("ann")
built = perf_counter()
loss.backward()
swept = perf_counter()
nodes = autograd.topological_sort(loss)
operations = sum(1 for node in nodes if node.parents)
print(f"loss of 'ann': {loss.data:.3f}")
print(f"its graph: {len(nodes):,} Values, {operations:,} of them results of operations")
print(f"built in {1e3 * (built - start):.0f} ms, swept in {1e3 * (swept - built):.0f} ms")

# %% [markdown]
# **Exercise 3.** A model that knows nothing gives all 27 characters the same probability. What is its loss? (Compare
# it with the loss of 'ann' above: a model fresh from the dice is worse, for it has opinions.)

# %%
clueless = ...
exercise(clueless, log(27), "minus the log of 1/27")

# %% [markdown]
# ## One weight, and its gradient
#
# How does one weight of a query table reach the loss? Through the query of every place, into the products with every
# key, through softmax, the mix, the perceptron, the scores. Its gradient is the sum over all these paths. Guess how
# many there are, for a name of three letters.

# %%
weight = to_query[3][5]
told = paths(loss, weight)
print(f"{told.count:,} paths from this weight to the loss")
print("their sum:         ", told.total)
print("grad, by the sweep:", weight.grad)

# %% [markdown]
# Nobody listed them: the sweep adds up at each node what comes back to it, once. The proof is to nudge the weight and
# see what the loss does.

# %%
here, nudge = weight.data, 1e-4
with autograd.no_grad():
    weight.data = here + nudge
    above = loss_of("ann").data
    weight.data = here - nudge
    below = loss_of("ann").data
weight.data = here
print("by nudging:        ", (above - below) / (2 * nudge))

# %% [markdown]
# **Exercise 4.** What is the gradient of the loss of 'ann' with respect to the first number of the row of the letter
# q in `characters`?

# %%
of_q = ...
exercise(of_q, 0.0, "which paths lead from that number to the loss?")

# %% [markdown]
# ## Training, eagerly
#
# A step on a batch of 32 names: forward, backward, step. How long would 2,500 of them take that way?

# %%
optimizer = nn.Adam(parameters, lr=0.01)
start = perf_counter()
optimizer.zero_grad()
for name in names[:32]:
    (loss_of(name) / 32).backward()
optimizer.step()
eagerly = perf_counter() - start
print(f"one step {eagerly:.2f} s, so 2,500 steps {2500 * eagerly / 60:.0f} minutes")

# %% [markdown]
# ## Training, by replay
#
# So record the graph once, and replay it on whole batches (lesson 09). Names differ in two things, and both become
# inputs:
#
# - **which rows are read.** The recorded graph reads rows of plain leaves. In each call, and for each name, they are
#   *bound* to the rows of that name's characters. Gradients go to these rows.
# - **what should come next.** A list of 27 numbers for each place, all 0 but for the right character. A short name
#   leaves the last places empty: there all 27 are 0, and such a place adds nothing to the loss. So one graph serves
#   names of all lengths.

# %%
rows = [[Value(0.0) for _ in range(WIDTH)] for _ in range(PLACES)]
wanted = [[Value(0.0) for _ in CHARACTERS] for _ in range(PLACES)]
read = [x for row in rows for x in row]
asked = [x for row in wanted for x in row]

start = perf_counter()
with autograd.record():
    batch_loss = sum(sum(w) * logsumexp(s) - dot(w, s) for s, w in zip(gpt(rows), wanted))
plan = autograd.replay(batch_loss, inputs=read + asked, parameters=parameters)
print(f"{plan!r}, recorded and planned in {perf_counter() - start:.2f} s")


def lanes_of(chosen):
    """For each name a lane: the numbers of its inputs, and which parameters its rows are bound to."""
    codes = np.zeros((len(chosen), PLACES), int)
    share = np.zeros((len(chosen), PLACES, len(CHARACTERS)))
    for lane, name in enumerate(chosen):
        text = [CHARACTERS.index(c) for c in "." + name + "."]
        codes[lane, : len(text) - 1] = text[:-1]
        share[lane, range(len(text) - 1), text[1:]] = 1 / (len(text) - 1)  # of the mean over the name's places
    columns = np.hstack([np.zeros((len(chosen), len(read))), share.reshape(len(chosen), -1)])
    positions_in_plan = codes[:, :, None] * WIDTH + np.arange(WIDTH)  # the rows of `characters` come first
    return columns, {tuple(read): positions_in_plan.reshape(len(chosen), -1)}


columns, bind = lanes_of(["ann", names[0]])
print("by replay:", plan(columns, bind=bind).values)
print("eagerly:  ", loss_of("ann").data, loss_of(names[0]).data)

# %% [markdown]
# The same losses. Now train: a plan gives the gradients of a batch, an optimiser of `nn` makes the step, and the plan
# reads the new weights.

# %%
STEPS, BATCH = 2500, 32
optimizer = nn.Adam(parameters, lr=0.02, schedule=nn.schedules.linear(STEPS))
order, losses, start = random.Random(2), [], perf_counter()
while len(losses) < STEPS and perf_counter() - start < 30:  # a slow machine stops earlier
    columns, bind = lanes_of(order.sample(names, BATCH))
    result = plan(columns, bind=bind, reduce="mean")
    for weight, gradient in zip(plan.leaves, result.gradients.tolist()):
        weight.grad = gradient
    optimizer.step()
    plan.read()
    losses.append(result.values.mean())

took = perf_counter() - start
print(f"{len(losses):,} steps of {BATCH} names in {took:.1f} s,", end=" ")
print(f"{eagerly * len(losses) / took:.0f} times as fast as eagerly")

# %%
smooth = np.convolve(losses, np.ones(100) / 100, mode="valid")
figure, ax = plt.subplots(figsize=(7, 3), layout="constrained")
ax.plot(losses, color="#c8c8c8", linewidth=0.5, label="each batch")
ax.plot(np.arange(len(smooth)) + 99, smooth, label="mean of the last 100")
ax.axhline(log(27), linestyle=":", color="black", linewidth=1, label="clueless: log 27")
ax.set(xlabel="step", ylabel="loss of a character", ylim=(1.5, 3.5), title=f"{smooth[-1]:.2f} in the end")
ax.legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 0.86))
plt.close(figure)
figure

# %% [markdown]
# ## New names
#
# Draw a character by the probabilities that the model gives, put it behind the others, ask again; until it draws the
# dot. A *temperature* below 1 sharpens the probabilities, so that likely characters come even more often. A star
# marks the names that are not in the list: the model made them up.


# %%
@autograd.no_grad()
def invent(draw_from, temperature=0.7):
    text = [0]
    while len(text) <= PLACES and (len(text) == 1 or text[-1] != 0):
        scores = gpt([characters[i] for i in text])[-1]
        chances = softmax([score / temperature for score in scores])
        text += draw_from.choices(range(len(CHARACTERS)), [chance.data for chance in chances])
    return "".join(CHARACTERS[i] for i in text if i != 0)


source = random.Random(5)
for _ in range(4):
    print("  ".join(f"{name + '*' * (name not in names):10}" for name in (invent(source) for _ in range(6))))

# %% [markdown]
# **Exercise 5.** Two characters have scores that differ by 1. By which factor do their probabilities differ at
# temperature 0.5?

# %%
factor = ...
exercise(factor, float(np.exp(2)), "the scores are divided by the temperature, then put into exp", tolerance=1e-3)

# %% [markdown]
# ## Where it looks
#
# The weights of attention, for a name: in each row a place, and how much it takes from each of the places up to it.
# Before the picture: what the model holds most likely at each place.

# %%
name = "michelle"
seen = []
with autograd.no_grad():
    text = "." + name
    scores = gpt([characters[CHARACTERS.index(c)] for c in text], seen)
    guesses = [softmax(s) for s in scores]
pattern = np.full((len(text), len(text)), np.nan)
for place, weights in enumerate(seen):
    pattern[place, : place + 1] = [w.data for w in weights]

figure, ax = plt.subplots(figsize=(5.2, 4.4), layout="constrained")
shown = ax.imshow(pattern, cmap="Blues", vmin=0, vmax=1)
ax.set_xticks(range(len(text)), list(text))
ax.set_yticks(range(len(text)), [f"{text[: i + 1]}_" for i in range(len(text))])
ax.set(xlabel="looks at", ylabel="what it has read", title=f"Attention in '{name}'")
figure.colorbar(shown, label="weight")
plt.close(figure)
for place, chances in enumerate(guesses):
    best = sorted(zip((c.data for c in chances), CHARACTERS), reverse=True)[:4]
    print(f"{text[: place + 1] + '_':11}", "  ".join(f"{c} {100 * chance:2.0f} %" for chance, c in best))
figure

# %% [markdown]
# ## What it knows about letters
#
# Nobody told it what a vowel is. Here the 26 rows of `characters`, each of 16 numbers, are put on a plane (the one on
# which they are spread most).

# %%
letters = np.array([[weight.data for weight in row] for row in characters[1:]])
letters -= letters.mean(axis=0)
_, _, directions = np.linalg.svd(letters)
plane = letters @ directions[:2].T
figure, ax = plt.subplots(figsize=(5.5, 4), layout="constrained")
for (across, up), letter in zip(plane, CHARACTERS[1:]):
    vowel = letter in "aeiouy"
    colour = "#d55e00" if vowel else "#2563eb"
    ax.text(across, up, letter, color=colour, weight="bold" if vowel else "normal", fontsize=13)
ax.set(xlim=(plane[:, 0].min() - 0.3, plane[:, 0].max() + 0.3), ylim=(plane[:, 1].min() - 0.3, plane[:, 1].max() + 0.3))
ax.set(xticks=[], yticks=[], title="The letters, as it came to see them (vowels in orange)")
plt.close(figure)
figure

# %% [markdown]
# ## Back to single numbers
#
# The plan changed the numbers, the graph is still there: put a lane of a batch into the nodes, and every operation of
# that name can be looked at, with its gradient.

# %%
columns, bind = lanes_of(["ann"])
plan(columns, bind=bind)
plan.write_back(0)
weight = to_query[3][5]
print(f"loss of 'ann' now {batch_loss.data:.3f}; the gradient of that weight {weight.grad:.5f}")

# %% [markdown]
# ## Where to go next
#
# - `python -m benchmarks.gpt --seconds 60` trains a slightly larger one with four heads, and prints twenty names.
# - Try more heads, two layers, or another list of words: every part is a few lines of this page.
# - Was something said too fast? What a plan is: `09_array_speed`. Why the steps work: `07_training`.
