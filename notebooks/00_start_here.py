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
# # Start here: from `a*b + c` to its gradients
#
# After this you can
#
# - build an expression out of `Value`s, and get the gradient of every number in it with one call,
# - read that call as a picture and as a ledger,
# - step through it, and say which local derivatives change when an input moves,
# - put sliders on any function of your own.
#
# A `Value` is a number that remembers how it was made. Here are three of them, and an expression. The last line of
# the cell is the result, and a notebook shows it as a picture.

# %%
from autograd import Value, draw, exercise, explore, grad, ledger, play, topological_sort

a = Value(2.0, label="a")
b = Value(-3.0, label="b")
c = Value(10.0, label="c")

y = a * b + c
y.label = "y"
y

# %% [markdown]
# Read it from left to right. The round boxes are the *leaves*: the numbers that you typed. The square ones are
# *operations*. The box without a name is `a*b`: you never gave it one, but it is there, because `y` remembers it.
# Every gradient is still a dash: nobody has asked for one.
#
# ## What a gradient is
#
# How much does `y` change when `a` changes a little? Before you run the next cell: will it be `a`, `b` or `c` that
# moves `y` most?

# %%
nudge = 0.001


def f(a, b, c):
    return a * b + c


here = f(2.0, -3.0, 10.0)
print("y per nudge of a:", round((f(2.0 + nudge, -3.0, 10.0) - here) / nudge, 6))
print("y per nudge of b:", round((f(2.0, -3.0 + nudge, 10.0) - here) / nudge, 6))
print("y per nudge of c:", round((f(2.0, -3.0, 10.0 + nudge) - here) / nudge, 6))

# %% [markdown]
# These three numbers are the gradients of `y`: how fast it moves, and which way. They cost one evaluation for each
# input. With three inputs that is nothing; a network has thousands, and would have to be run thousands of times for
# one step of learning.
#
# ## All of them at once
#
# `backward()` asks the question from the other end, once for all inputs. It starts at `y`, whose gradient is 1 (as
# fast as itself), and walks back along the edges. At each edge it does one multiplication and one addition:
#
# > parent's gradient **+=** upstream gradient **×** local derivative
#
# The *upstream gradient* is what the node itself has received. The *local derivative* is how fast this one operation
# moves when this one operand does. The ledger lists every such step.

# %%
y.backward()
print(ledger(y))

# %% [markdown]
# Four edges, four lines. The same as a picture: blue numbers went forward, orange gradients came back, and on each
# edge stands its local derivative.

# %%
draw(y)

# %% [markdown]
# Look at the edge from `a` to the product: its local derivative is called `b`. Of course: if you nudge `a`, the
# product moves by `b` nudges. And along an edge into a `+` it is 1: a sum moves as much as its operand does.

# %%
print(a.grad, b.grad, c.grad)

# %% [markdown]
# ## Your turn
#
# **Exercise 1.** Let `a` be 5 in place of 2. What are now the gradients of `a`, `b` and `c`? Put three numbers in the
# place of the dots, as in `[1, 2, 3]`, then run the cell.

# %%
a, b, c = Value(5.0, label="a"), Value(-3.0, label="b"), Value(10.0, label="c")
y = a * b + c
y.backward()

predicted = ...
exercise(
    predicted,
    [a.grad, b.grad, c.grad],
    "The slope into a product is the other factor. Only one of the three has changed.",
)

# %% [markdown]
# **Exercise 2.** Now only `b` changes, say from −3 to −2. One of the three gradients will be another number than
# before. Whose? Answer `"a"`, `"b"` or `"c"`.

# %%
# The engine's answer, without telling.
slopes = grad(f, argnum=(0, 1, 2))
before, after = slopes(2.0, -3.0, 10.0), slopes(2.0, -2.0, 10.0)
(changed,) = [name for name, old, new in zip("abc", before, after) if old != new]

whose = ...
exercise(whose, changed, "Look at the picture again: on which edge does b stand as the local derivative?")

# %% [markdown]
# ## Step by step
#
# Here is a graph with one operation more: `tanh` squeezes any number into the space between −1 and 1. Together with
# the product and the sum it is a neuron with one input.
#
# Press play, or take the steps one at a time: the edge whose turn it is lights up, and its arithmetic is written out
# below. Then move a slider of a leaf. The page computes everything anew, forward and backward. (If you see a picture
# without buttons, this notebook is not trusted, or has been opened where scripts do not run; run the cell.)
#
# While you move `c`: which local derivatives change, and which never do?

# %%
a, b, c = Value(2.0, label="a"), Value(-3.0, label="b"), Value(6.5, label="c")
y = (a * b + c).tanh()
y.label = "y"
y.backward()
play(y)

# %% [markdown]
# **Exercise 3.** One of the three operations has edges whose local derivatives stay the same whatever you do with the
# sliders. Which? Answer `"*"`, `"+"` or `"tanh"`.

# %%
# The same graph at other numbers: whose slopes are what they were?
elsewhere = (Value(1.0) * Value(-2.0) + Value(3.0)).tanh()
nodes = list(zip(topological_sort(y), topological_sort(elsewhere)))
(constant,) = [here.rule.name for here, there in nodes if here.rule and here.slopes == there.slopes]

steady = ...
exercise(steady, constant, "Move all three sliders, and watch the numbers on the edges.")

# %% [markdown]
# **Exercise 4.** `tanh` is steepest where its operand is 0, and flat far away from it: there it lets hardly any
# gradient through. Leave `a` = 2 and `b` = −3 as they are. For which `c` is the gradient of `a` as large (in absolute
# value) as it can be? Try it with the slider, then write the number down.


# %%
def is_steepest(c):
    def steepness(c):
        return abs(grad(lambda a: (a * -3.0 + c).tanh())(2.0))

    return steepness(c) > max(steepness(c - 0.01), steepness(c + 0.01))


steepest = ...
exercise(steepest, is_steepest, "What goes into tanh is a*b + c. Which c makes that 0?")

# %% [markdown]
# ## Sliders on a function of your own
#
# `explore` takes any function of Values. A pair of numbers gives an argument a slider and a curve; a single number
# gives it only a slider. When you move one, Python runs your function again: the graph, its gradients and the curves
# of the function (blue) and its derivative (orange) are all made anew. (Without a running kernel you see the last
# pictures.)
#
# Where is the derivative of this neuron largest? And what does a larger weight `w` do to it?


# %%
def neuron(x, w, b):
    return (x * w + b).tanh()


explore(neuron, x=(-3, 3, 0.5), w=2.0, b=-1.0)


# %% [markdown]
# Since Python runs each time, your function may decide by `if` as it likes. This one is the absolute value, written
# by hand. What happens to the derivative at 0?


# %%
def distance(x):
    return x if x.data > 0 else -x


explore(distance, x=(-2, 2, 0.7))

# %% [markdown]
# ## Where to go next
#
# - How does a `Value` work inside? Build one in forty lines, and see where forty lines stop being enough:
#   `01_a_value_by_hand`.
# - Why is a gradient a sum, and why does the order of the steps matter? `02_the_chain_rule_seen`.
# - In a hurry to see something learn? `07_training`.
