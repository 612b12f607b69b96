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
# # A Value by hand, then the engine
#
# After this you can
#
# - write an automatic differentiator in some forty lines, and explain each of them,
# - say where forty such lines stop being enough, and show it,
# - read an operation of this engine: a name, a function, one slope per operand, and see the same line used four ways,
# - add an operation of your own, and have its derivative checked.
#
# ## Forty lines
#
# What must a number know, so that gradients can find their way back through it? Its own number, a place for its
# gradient, whom it was made from; and how to send its gradient on to them. The last is a function without arguments,
# which each operation makes on the spot. Read `__mul__` slowly: all the others are the same thought.

# %%
import math


class Tiny:
    """A number that remembers what it was made from, and how to send a gradient there."""

    def __init__(self, data, parents=()):
        self.data = data
        self.grad = 0.0
        self.parents = set(parents)
        self.send_back = lambda: None

    def __add__(self, other):
        out = Tiny(self.data + other.data, (self, other))

        def send_back():
            self.grad += out.grad
            other.grad += out.grad

        out.send_back = send_back
        return out

    def __mul__(self, other):
        out = Tiny(self.data * other.data, (self, other))

        def send_back():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad

        out.send_back = send_back
        return out

    def tanh(self):
        out = Tiny(math.tanh(self.data), (self,))

        def send_back():
            self.grad += (1 - out.data**2) * out.grad

        out.send_back = send_back
        return out

    def backward(self):
        order, seen = [], set()

        def visit(node):
            if node not in seen:
                seen.add(node)
                for parent in node.parents:
                    visit(parent)
                order.append(node)  # a node stands behind everything that it was made from

        visit(self)
        self.grad = 1.0
        for node in reversed(order):
            node.send_back()


# %% [markdown]
# Does it work? Compare with a nudge: move `a` a little, and see how much `y` moves.


# %%
def neuron(a, b, c):
    return (Tiny(a) * Tiny(b) + Tiny(c)).tanh().data


a, b, c = Tiny(2.0), Tiny(-3.0), Tiny(6.5)
y = (a * b + c).tanh()
y.backward()

nudge = 1e-6
print("a by hand:", a.grad, "  by a nudge:", (neuron(2.0 + nudge, -3.0, 6.5) - neuron(2.0, -3.0, 6.5)) / nudge)
print("b by hand:", b.grad, "  by a nudge:", (neuron(2.0, -3.0 + nudge, 6.5) - neuron(2.0, -3.0, 6.5)) / nudge)
print("c by hand:", c.grad, "  by a nudge:", (neuron(2.0, -3.0, 6.5 + nudge) - neuron(2.0, -3.0, 6.5)) / nudge)

# %% [markdown]
# It works. With these lines and patience one can train a small network.
#
# **Exercise 1.** Write `exp` for `Tiny`: a function that takes a `Tiny`, and returns a new one. (The slope of e to
# the x is e to the x. Which name in the function has that number already?)

# %%
from autograd import exercise


def like_exp(exp):
    x = Tiny(0.5)
    out = exp(x)
    if not isinstance(out, Tiny) or abs(out.data - math.exp(0.5)) > 1e-9:
        return f"exp(Tiny(0.5)) should be a Tiny with data {math.exp(0.5):.6f}, got {out!r:.60}."
    (out * Tiny(3.0)).backward()
    if abs(x.grad - 3 * math.exp(0.5)) > 1e-9:
        return f"The gradient of 3*exp(x) at 0.5 should be {3 * math.exp(0.5):.6f}, got {x.grad:.6f}."
    return True


exp = ...  # or, in place of this line: def exp(x): ...
exercise(exp, like_exp, "Copy tanh with three changes: the function, its slope, and x in the place of self.")

# %% [markdown]
# ## Where it hurts
#
# ### A derivative that nobody can look at
#
# Somebody adds a sine. It is tested, and the test is green. Do you see the mistake?


# %%
def sin(x):
    out = Tiny(math.sin(x.data), (x,))

    def send_back():
        x.grad += math.cos(x.data)

    out.send_back = send_back
    return out


x = Tiny(0.5)
sin(x).backward()
print("slope of sin(x):  ", x.grad, "  expected:", math.cos(0.5))

# %% [markdown]
# The upstream gradient is missing: `* out.grad`. At the end of a graph that gradient is 1, so the test passed.
# Anywhere else it is wrong.

# %%
x = Tiny(0.5)
(sin(x) * Tiny(3.0)).backward()
print("slope of 3*sin(x):", x.grad, "  expected:", 3 * math.cos(0.5))

# %% [markdown]
# Every operation writes the chain rule anew, and buries its derivative in the middle of it. So each can get the chain
# rule wrong by itself. And nobody can ask "what is your local derivative?": not a test, not a drawing, not you. There
# is only `send_back()`, which does everything at once and returns nothing.
#
# ### A set forgets
#
# In `a + a` the same parent stands twice. What does `Tiny` remember of it, and what does the engine?

# %%
from autograd import Value, draw

a = Tiny(3.0)
v = Value(3.0, label="v")
print("Tiny: ", len((a + a).parents), "parent")
print("Value:", len((v + v).parents), "parents")

# %% [markdown]
# The gradient is still right: the closure adds twice. But the graph that is left has lost an edge, and whoever draws
# it, counts its paths or records it will be wrong. (And in `a / b`: which of the two in the set was the one above the
# line?) A tuple keeps both, in order:

# %%
doubled = v + v
doubled.backward()
draw(doubled)

# %% [markdown]
# ### A long chain
#
# `visit` calls itself, once for each node on the way down. Python allows about a thousand such calls. A sum of 20,000
# terms, added up one by one, is a chain of 20,000 nodes.

# %%
total = Tiny(0.0)
for _ in range(20_000):
    total = total + Tiny(1.0)
try:
    total.backward()
except RecursionError as error:
    print("Tiny: ", type(error).__name__)
    print("      ", error)

w = Value(1.0)
total = Value(0.0)
for _ in range(20_000):
    total = total + w
total.backward()
print("Value:", w.grad)

# %% [markdown]
# The engine keeps its own stack in a list, so no chain is too long. Otherwise its sort is the one above.
#
# ### Backward, twice
#
# Say you call `backward()` a second time on the same graph. Gradients add up, so each should be twice what it was,
# then three times. Guess what `Tiny` gives, then look.

# %%
x, v = Tiny(1.0), Value(1.0)
y, u = (x + x) * Tiny(1.0), (v + v) * 1.0
for times in (1, 2, 3):
    y.backward()
    u.backward()
    print(f"after {times}:  Tiny {x.grad:4}   Value {v.grad:4}")

# %% [markdown]
# The node in the middle still has the gradient of the first sweep when the second comes through. So it sends the
# first one on once more. In this engine only leaves add up over sweeps; the nodes between are set anew. Lesson 02
# comes back to that, with the numbers of one such sweep.
#
# ### The end of the road
#
# What is the derivative of the derivative? `Tiny` computed its gradients with plain floats, and a float has forgotten
# where it came from.

# %%
try:
    x.grad.backward()
except AttributeError as error:
    print(error)

# %% [markdown]
# ## The engine: an operation is one rule
#
# The set, the recursion and the second sweep are soon mended: a tuple, a stack, and a line that sets the nodes in
# between anew. The buried derivative and the missing second one are not; they have one cure: take the derivative out
# of the closure. What is left of an operation is a *rule*: a name, what it computes, and one slope per operand. This
# is multiplication, all of it:
#
# ```python
# Rule("*", operator.mul, (lambda x, y, out: y, lambda x, y, out: x))
# ```
#
# A slope gets the operands and the result (`out`), and says how fast the result moves with that operand. It knows
# nothing of graphs, gradients and sums. The chain rule stands in one place, the sweep, and is the same for all.
#
# A rule is never told what a number is. So the same line can be read in several ways. Take the quotient, and read its
# slopes first with plain numbers:

# %%
from autograd.rules import RULES

divide = RULES["/"]
print(divide.forward(6.0, 3.0))
print(divide.slopes((6.0, 3.0), 2.0))

# %% [markdown]
# With fractions: the same lines, now exact.

# %%
from fractions import Fraction

print(divide.slopes((Fraction(6), Fraction(3)), Fraction(2)))

# %% [markdown]
# With `Value`s: the slope is itself a graph, which can be differentiated. There is the second derivative that `Tiny`
# did not have. (That of x/y, twice by y, is 2x/y³.)

# %%
from autograd import gradients

x, y = Value(6.0, label="x"), Value(3.0, label="y")
_, slope = divide.slopes((x, y), x / y)
print(slope.data, gradients(slope, y), 2 * 6 / 3**3)

# %% [markdown]
# With symbols, which are names in the place of numbers: the slope's formula.

# %%
from autograd.symbols import formulas

print([formula.text for formula in formulas(divide)])

# %% [markdown]
# And with arrays: a whole batch at once. That is how lesson 09 gets its speed.

# %%
import numpy as np

tops, bottoms = np.array([6.0, 1.0, 9.0]), np.array([3.0, 4.0, 2.0])
print(divide.slopes((tops, bottoms), divide.forward(tops, bottoms)))

# %% [markdown]
# Four readings, and no derivative was written twice: the sweep, second derivatives, the texts on the edges of a
# drawing, and array code are all made from the one line.
#
# **Exercise 2.** The slopes of `x**y` are `y*x**(y - 1)` and `out*log(x)`. At x = e (that is `math.e`) and y = 2,
# what is the second one?

# %%
second = ...
by_rule = RULES["**"].slopes((math.e, 2.0), math.e**2)[1]
exercise(second, by_rule, "The result, out, is e squared. And what is the logarithm of e?", tolerance=1e-3)

# %% [markdown]
# ## The whole table
#
# Here are all operations of one number or two, as the engine knows them. Which slopes are written with `out`? Where
# the result is already computed, the derivative is often cheap.

# %%
for rule in RULES.values():
    slopes = ";  ".join(formula.text for formula in formulas(rule))
    if rule.arity and len(slopes) < 90:
        print(f"{rule.name:12} {slopes}")

# %% [markdown]
# ## An operation of your own
#
# A bell curve, e to the −x². Its slope is −2x times the curve itself, and the curve itself is `out`. One rule, and it
# is an operation like any other.

# %%
from autograd import Rule, check_gradients, grad, operation
from autograd import exp as e_to_the

bell = operation(Rule("bell", lambda x: e_to_the(-x * x), (lambda x, out: -2 * x * out,)))

x = Value(0.5, label="x")
y = 3 * bell(x)
y.backward()
draw(y)

# %% [markdown]
# The formula on the edge is read off your rule. The chain rule was not your business: the 3 got in by itself. And
# since the slope can be read with `Value`s, the second derivative is there as well.

# %%
import matplotlib.pyplot as plt

points = np.linspace(-3, 3, 121)
figure, axes = plt.subplots(figsize=(6, 3))
axes.axhline(0, color="0.8", linewidth=1)
axes.plot(points, [bell(x) for x in points], label="bell")
axes.plot(points, [grad(bell)(x) for x in points], label="its derivative")
axes.plot(points, [grad(grad(bell))(x) for x in points], label="its second derivative")
axes.legend(frameon=False, fontsize=8)
axes.set_xlabel("x")
plt.close(figure)
figure

# %% [markdown]
# ## Is it right?
#
# `check_gradients` compares what the rule says with nudges, taken with care. With `order=2` the second derivatives
# too.

# %%
print(check_gradients(bell, 0.7, order=2))

# %% [markdown]
# Now forget the 2, and see it caught.

# %%
from autograd import GradientError

sloppy = operation(Rule("bell", lambda x: e_to_the(-x * x), (lambda x, out: -x * out,)))
try:
    check_gradients(sloppy, 0.7)
except GradientError as error:
    print(error)

# %% [markdown]
# **Exercise 3.** Two resistors x and y side by side resist like one of x·y/(x + y). Somebody has written the rule.
# One of its two slopes is wrong: the first or the second? Answer 1 or 2. (`check_gradients(parallel, 2.0, 6.0)`
# knows, but try to see it first: what should happen to the slopes if x and y change places?)

# %%
parallel = operation(
    Rule("parallel", lambda x, y: x * y / (x + y), (lambda x, y, out: (out / x) ** 2, lambda x, y, out: out / y))
)

slopes = parallel.rule.slopes((2.0, 6.0), 1.5)
nudged = (parallel(2.0 + nudge, 6.0) - 1.5) / nudge, (parallel(2.0, 6.0 + nudge) - 1.5) / nudge
errors = [abs(slope - by_nudge) for slope, by_nudge in zip(slopes, nudged)]

wrong_one = ...
hint = "x and y play the same part, so the two slopes must look alike, with x and y exchanged."
exercise(wrong_one, 1 + errors.index(max(errors)), hint)

# %% [markdown]
# **Exercise 4.** Write the rule of `logcosh`, which is log(cosh(x)), a loss that does not mind outliers much. Its
# slope is tanh(x). Use `autograd.log`, `autograd.cosh` and `autograd.tanh`: the ones from `math` know only floats.

# %%
import autograd


def like_logcosh(rule):
    try:
        f = operation(rule)
        at_2 = autograd.log(autograd.cosh(2.0))
        if abs(f(2.0) - at_2) > 1e-9:
            return f"At 2 it should give {at_2:.6f}, got {f(2.0):.6f}."
        check_gradients(f, 0.7, order=2)
    except (TypeError, GradientError) as error:
        return str(error)
    return True


logcosh = ...  # Rule("logcosh", lambda x: ..., (lambda x, out: ...,))
exercise(logcosh, like_logcosh, "The slopes are a tuple, and with one operand a tuple of one: (slope,).")

# %% [markdown]
# ## The broken rule
#
# Last, a game. Here are six operations, and in one of them somebody has broken a local derivative. What the
# operations compute is right, so no result will give it away. But a check will, and so does a drawing, if you know
# the slopes.

# %%
from autograd import broken_rule

game = broken_rule(seed=3, difficulty="easy")
game

# %% [markdown]
# This one is innocent:

# %%
print(check_gradients(game.tanh, 0.6))

# %% [markdown]
# **Exercise 5.** Which is it? Answer with its name, as in `"tanh"`. (For another game give another `seed`.)


# %%
def is_culprit(name):
    guess = game.guess(name)
    return guess.right or guess.text


culprit = ...
exercise(culprit, is_culprit, "Run the checks in the table, one by one.")

# %% [markdown]
# ## Where to go next
#
# - `autograd/rules.py` is the table, `autograd/engine.py` the sweep: you know now all that is needed to read them.
# - Why the sweep sorts, and why it adds: `02_the_chain_rule_seen`.
# - The array reading, at work: `09_array_speed`.
