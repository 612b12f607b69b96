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
# # The chain rule, seen
#
# After this you can
#
# - read a gradient off a drawing, as a sum over paths,
# - say why contributions are added (`+=`) and not assigned, and what goes wrong otherwise,
# - say why gradients must be zeroed, and what a second `backward()` does, here and elsewhere,
# - explain why the nodes are sorted: once with numbers that come out wrong, and once with a count that explodes.
#
# ## Local derivatives
#
# A small graph with everything in it that makes backpropagation interesting: two inputs, three operations, and
# numbers that are used more than once.

# %%
import autograd
from autograd import Value, draw, exercise, ledger, paths, topological_sort

a, b = Value(2.0), Value(-3.0)
d = a * b
e = a + d
L = d * e
autograd.label(locals())  # the names of the variables become the names of the nodes
draw(L)

# %% [markdown]
# On each edge stands a *local derivative*: how fast this one operation moves, if only this one operand moves. It is
# known as soon as the operation is computed, and has nothing to do with the rest of the graph.
#
# The gradients are dashes. Their attribute says 0.0, but that is only what every `grad` starts with: no sweep has
# come by yet, and the drawing tells the two apart. If you ever see zeros everywhere (in other tools), look first
# whether anybody has called `backward()`.

# %%
print(a.grad, b.grad, L.grad)

# %% [markdown]
# **Exercise 1.** Suppose that `d` were 5 in place of −6, and `e` still −4. What would be the local derivative on the
# edge from `e` to `L`?

# %%
local = ...
of_d, of_e = (Value(5.0) * Value(-4.0)).slopes
exercise(local, of_e, "L is d*e. If e grows by a little, L grows by d times as much.")

# %% [markdown]
# ## A gradient is a sum over paths
#
# Nudge `a`. The nudge travels along every path that leads to `L`. On each edge it is multiplied with the local
# derivative. At the end all that arrives is added up. That sentence is the chain rule.
#
# How many paths are there from `a` to `L`? Find them in the picture first.

# %%
print(paths(L, a))

# %% [markdown]
# Multiply along a path, add over the paths. Every gradient in every network is such a sum.
#
# **Exercise 2.** Do it by hand for this one. How many paths lead from `x` to `z`, and what is dz/dx? Write both:
# `[paths, gradient]`.

# %%
x, y = Value(3.0, label="x"), Value(4.0, label="y")
s = x + y
s.label = "s"
z = s * x
z.label = "z"
draw(z)

# %%
found = paths(z, x)
count_and_gradient = ...
hint = "x goes into z directly, and by way of s. Multiply along each, then add."
exercise(count_and_gradient, [found.count, found.total], hint)

# %% [markdown]
# ## Backward: the same sum, without listing paths
#
# A graph may have more paths than anybody can list. The sweep never does. It goes from `L` towards the leaves, and
# each node hands to each of its parents: what it has received itself, times the local derivative.

# %%
L.backward()
print(ledger(L))

# %% [markdown]
# Look at the last column. `a` gets its gradient in two instalments, −6 from `e`, then 30 from `d`; and so does `d`. A
# number that is used in several places (*fan-out*) hears from each of them.
#
# ## Why `+=` and not `=`
#
# Here is a sweep in five lines, which reads the engine's own nodes. How a contribution is put down is left open:
# `put(old, new)`.


# %%
def sweep(root, put):
    gradient = {root: 1.0}
    for node in reversed(topological_sort(root)):
        for parent, slope in zip(node.parents, node.slopes):
            gradient[parent] = put(gradient.get(parent, 0.0), gradient[node] * slope)
    return gradient


added = sweep(L, lambda old, new: old + new)
assigned = sweep(L, lambda old, new: new)
for node in (L, e, d, a, b):
    print(f"{node.label}:   with +=  {added[node]:6.1f}     with =  {assigned[node]:6.1f}")

# %% [markdown]
# With `=` the last one to call wins, and what came before is lost. Only `a` and `d` have several callers; but `b` is
# wrong as well, since it hears from `d`. Drawn with the wrong numbers: which of the two edges at `a` has been
# forgotten?

# %%
for node, wrong in assigned.items():
    node.grad = wrong
picture = draw(L)
L.zero_grad()
picture

# %% [markdown]
# **Exercise 3.** Let y = x·x + x, at x = 3. The gradient is 7. Which number does the sweep with `=` give?

# %%
with_assignment = ...
x = Value(3.0)
y = x * x + x
hint = "First y has its turn, and gives x a 1. Then the product has its, and gives x one contribution for each factor."
exercise(with_assignment, sweep(y, lambda old, new: new)[x], hint)

# %% [markdown]
# ## Why gradients must be zeroed
#
# The `+=` does not know where one sweep ends and the next begins. In a leaf, gradients of several sweeps add up. That
# is meant: so one can sum over the examples of a batch. But when a step is done, somebody has to set them to 0.
#
# What happens if nobody does? Here w looks for the bottom of the parabola (w − 1)². One walker zeroes, the other
# forgets. Before you run it: does the second one merely go too fast?

# %%
import matplotlib.pyplot as plt


def walk(zeroing, steps=60, rate=0.05):
    w = Value(3.0)
    went = [w.data]
    for _ in range(steps):
        loss = (w - 1) ** 2
        if zeroing:
            w.grad = 0.0
        loss.backward()
        w.data -= rate * w.grad
        went.append(w.data)
    return went


figure, axes = plt.subplots(figsize=(6.5, 3))
axes.axhline(1, color="0.7", linewidth=1)
axes.plot(walk(zeroing=True), label="zeroed before each sweep")
axes.plot(walk(zeroing=False), label="never zeroed")
axes.set(xlabel="step", ylabel="w", title="Looking for w = 1", ylim=(-1.5, 4.5))
axes.legend(frameon=False, fontsize=8, loc="upper right", ncols=2)
plt.close(figure)
figure

# %% [markdown]
# It never arrives. What is left in `grad` is the sum of all slopes so far, as if w were a ball without friction: it
# rolls through the bottom, up the other side, and back again, for ever. The loss goes down at first, so one may take
# a long time to notice.
#
# **Exercise 4.** One sweep from `L` gives `a` the gradient 24. You call `L.backward()` three times, and never zero.
# What is `a.grad` then?

# %%
a.grad = 0.0
for _ in range(3):
    L.backward()

after_three = ...
exercise(after_three, a.grad, "Each sweep adds the same number once more.")

# %% [markdown]
# ## Backward twice, in other engines
#
# Three sweeps give three times as much in the leaves: so it should be. An engine that treats all nodes alike, and
# adds up in each, gives something else. Here is one, in the same five lines as above, but the gradients are kept from
# sweep to sweep.


# %%
def sweep_and_keep(root, gradient):
    gradient[root] = 1.0
    for node in reversed(topological_sort(root)):
        for parent, slope in zip(node.parents, node.slopes):
            gradient[parent] = gradient.get(parent, 0.0) + gradient[node] * slope


kept = {}
L.zero_grad()
for times in (1, 2, 3):
    sweep_and_keep(L, kept)
    L.backward()
    print(f"after {times}:   kept in every node: {kept[a]:6.1f}     here: {a.grad:5.1f} = {times} × 24")

# %% [markdown]
# The nodes between still hold the old gradient when the new one arrives, and send both on. The deeper the graph, the
# worse it gets. (Lecture engines do this. PyTorch refuses the second call, unless you ask it to keep the graph; then
# it gives what you see here on the right.) In this engine a node in between is set anew by each sweep; only leaves
# add up:

# %%
draw(L)

# %% [markdown]
# After three sweeps: 72 and −60 in the leaves, but −10 and −6 in the nodes between, as after one. So the edges'
# arithmetic explains a third of what you read in the leaves.
#
# ## Why sort at all?
#
# It would be easier without. When a gradient arrives at a node, hand it on at once to the parents. A function that
# calls itself does it in four lines, and no list of nodes is needed:


# %%
def hand_on(node, upstream, gradient, visits):
    visits[node] = visits.get(node, 0) + 1
    gradient[node] = gradient.get(node, 0.0) + upstream
    for parent, slope in zip(node.parents, node.slopes):
        hand_on(parent, upstream * slope, gradient, visits)


gradient, visits = {}, {}
hand_on(L, 1.0, gradient, visits)
for node in (L, e, d, a, b):
    print(f"{node.label}:  {gradient[node]:6.1f}   visits: {visits[node]}")

# %% [markdown]
# The numbers are right. But `d` was visited twice, since two contributions came, and each time everything below it as
# well. `a` was visited three times: once for each path. On this graph who would mind?
#
# Here is one where it matters: a chain of doublings, x + x, then that plus itself, and so on. The picture says how
# often each node is visited.


# %%
def doublings(n):
    nodes = [Value(1.0)]
    for _ in range(n):
        nodes.append(nodes[-1] + nodes[-1])
    return nodes


nodes = doublings(5)
visits = {}
hand_on(nodes[-1], 1.0, {}, visits)
for node in nodes:
    node.label = f"{visits[node]} visit{'s' * (visits[node] > 1)}"
draw(nodes[-1], show=("label", "operation"), edges=())

# %% [markdown]
# Each doubling doubles the paths. The sorted sweep goes to each node once.

# %%
print("doublings   nodes   visits, sorted   visits, handed on at once")
lengths = range(0, 17, 2)
naive = []
for n in lengths:
    *_, root = doublings(n)
    visits = {}
    hand_on(root, 1.0, {}, visits)
    naive.append(sum(visits.values()))
    in_order = topological_sort(root)
    print(f"{n:9}   {n + 1:5}   {len(in_order):14}   {naive[-1]:25,}")

# %%
figure, axes = plt.subplots(figsize=(6.5, 3))
axes.semilogy(lengths, naive, "o-", label="handed on at once: $2^{n+1} - 1$")
axes.semilogy(lengths, [n + 1 for n in lengths], "o-", label="sorted: $n + 1$")
axes.set(xlabel="doublings n", ylabel="visits (each line: 10 times more)")
axes.grid(axis="y", color="0.9")
axes.legend(frameon=False, fontsize=8)
plt.close(figure)
figure

# %% [markdown]
# Sixty doublings are 61 nodes. A million visits a second would take the naive way some 73,000 years. The sorted
# sweep, and the count of the paths:

# %%
nodes = doublings(60)
nodes[-1].backward()
print("gradient:", nodes[0].grad, "= 2^60:", nodes[0].grad == 2.0**60)
print("paths:   ", paths(nodes[-1], nodes[0]).count)
print("years:   ", round((2**61 - 1) / 1e6 / 60 / 60 / 24 / 365.25))

# %% [markdown]
# A network is such a graph: each layer uses every number of the layer before, so the paths multiply from layer to
# layer.
#
# **Exercise 5.** A chain of 10 doublings. How often does `hand_on` come to the leaf at its end, and how often does
# the sorted sweep? Write `[handed on, sorted]`.

# %%
to_the_leaf = ...
hint = "One visit for each path: one doubling has two paths, two have four. And the sweep?"
leaf, *_, root = doublings(10)
visits = {}
hand_on(root, 1.0, {}, visits)
exercise(to_the_leaf, [visits[leaf], topological_sort(root).count(leaf)], hint)

# %% [markdown]
# ## Once each, but in which order?
#
# So go to each node only once. But when? A simple idea: first `L`, then its parents, then theirs, level by level.
# Here is a sweep that takes its order from you.


# %%
def sweep_in_order(order):
    gradient = dict.fromkeys(order, 0.0)
    gradient[order[0]] = 1.0
    for node in order:
        for parent, slope in zip(node.parents, node.slopes):
            gradient[parent] += gradient[node] * slope
    return gradient


by_level = sweep_in_order([L, d, e, a, b])
sorted_first = sweep_in_order([L, e, d, a, b])
for node in (L, e, d, a, b):
    print(f"{node.label}:   L d e a b  {by_level[node]:6.1f}     L e d a b  {sorted_first[node]:6.1f}")

# %% [markdown]
# Level by level `a` and `b` come out wrong, though no contribution was lost on the way to `d`. What happened? `d` had
# its turn before `e`. It handed on −4, all that it had at that time. Then `e` sent it another −6, and `d` did not get
# a second turn.
#
# That is the whole reason for sorting: **a node may hand its gradient on only when all of its own contributions have
# come in.** So everything that uses a node comes before it. An order like that is called *topological*.
#
# **Exercise 6.** Here is another graph. Write an order in which the sweep is right, as a text of five names, such as
# `"w u v m n"`.

# %%
m, n = Value(2.0, label="m"), Value(5.0, label="n")
u = m * n
v = u + m
w = v * u
u.label, v.label, w.label = "u", "v", "w"
draw(w, show=("label", "operation"), edges=(), legend=False)


# %%
def right_order(names):
    by_name = {node.label: node for node in (m, n, u, v, w)}
    names = " ".join(names).replace(",", " ")  # a list will do as well
    if sorted(names.split()) != sorted(by_name):
        return "The order should hold each of m, n, u, v and w once, as in 'w u v m n'."
    order = [by_name[name] for name in names.split()]
    if order[0] is not w:
        return f"It starts at {order[0].label}; but what is differentiated is w."
    found, expected = sweep_in_order(order), sweep(w, lambda old, new: old + new)
    wrong = [node.label for node in order if found[node] != expected[node]]
    return f"In this order the gradient of {' and '.join(wrong)} is wrong." if wrong else True


order = ...
hint = "First w. A node's turn comes when everything that uses it has had its own: v uses u, so v before u."
exercise(order, right_order, hint)

# %% [markdown]
# ## All of it in one picture
#
# The same graph, with four numbers taken out: `?1` to `?4`. Each can be worked out from the ones that are left. Write
# your answers in the place of the dots. What is right goes into the drawing; look at `q` again to see it. `q.hint(3)`
# gives the arithmetic without the result.

# %%
from autograd import quiz

q = quiz(w, blank=4, seed=2)
q

# %%
q.answer({1: ..., 2: ..., 3: ..., 4: ...})

# %% [markdown]
# ## Where to go next
#
# - More of these, on any graph of yours: `quiz(y, blank=5)`.
# - The chain rule at work on a neuron, and a formula from the web that is wrong: `03_one_layer`.
# - Second derivatives, and what else the same graph can do: `08_beyond_first_order`.
