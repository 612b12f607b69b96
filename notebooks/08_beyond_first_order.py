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
# # Beyond first order
#
# After this you can
#
# - differentiate a gradient, and see the graph that it is made of;
# - use curvature: Newton's method, and the largest learning rate that can work;
# - compute derivatives that are exact fractions, and read them as formulas;
# - find where an infinity or a NaN began, going forward or coming back.
#
# ## The gradient of a gradient
#
# A sweep multiplies and adds: upstream gradient × local derivative, summed. Those are operations like any others, so
# they can leave a graph behind, too. `gradients(..., create_graph=True)` does that: what it returns is a `Value`
# again. First the function itself.

# %%
import textwrap
from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np

import autograd
import nn
from autograd import Value, check_gradients, draw, exercise, grad, gradients, hessian, hvp, jvp, label, sin

x = Value(1.0)
y = x * sin(x)
label(locals())
draw(y)

# %% [markdown]
# By the product rule its slope is sin x + x · cos x. Before you look: which operations will the graph of the slope
# have, that this one has not?

# %%
slope = gradients(y, x, create_graph=True)
slope.label = "slope"
slope.backward()
draw(slope)

# %% [markdown]
# A cosine: the local derivative of `sin`, asked with Values, is a node. And since `slope` is a Value,
# `slope.backward()` has put the *second* derivative into `x.grad`. By hand it is 2 · cos x - x · sin x.

# %%
print(x.grad, 2 * np.cos(1.0) - np.sin(1.0))

# %% [markdown]
# For functions of numbers, `grad` takes a function and returns one. So it can be applied again.

# %%
f = autograd.tanh
at = np.linspace(-3, 3, 121)
figure, ax = plt.subplots(figsize=(7, 3), layout="constrained")
for name, style in zip(("tanh", "its slope", "the slope of that", "and of that"), ("-", "--", "-.", ":")):
    ax.plot(at, [f(x) for x in at.tolist()], style, label=name)
    f = grad(f)
ax.axhline(0, color="#b8b8b8", linewidth=0.7, zorder=0)
ax.set(xlabel="x", title="tanh and three derivatives")
ax.legend(frameon=False)
plt.close(figure)
figure

# %% [markdown]
# **Exercise 1.** What is the third derivative of x⁴ at x = 2? First in your head, then with `grad`.

# %%
third = ...
exercise(third, 48.0, "4x³, then 12x², then 24x; or grad(grad(grad(lambda x: x**4)))(2.0)")

# %% [markdown]
# ## Newton's method
#
# Gradient descent knows which way is down, not how far. The second derivative tells how fast the slope changes, so
# also where it will be zero: a step of -f′/f″. Both look for the lowest point of eˣ - 2x, which is at log 2. How many
# digits does each gain in a step?


# %%
def f(x):
    return autograd.exp(x) - 2 * x


slope, bend = grad(f), grad(grad(f))
down = newton = 2.0
lowest = float(np.log(2))
print("step   gradient descent    Newton")
for step in range(7):
    print(f"{step:4}   off by {abs(down - lowest):9.1e}    off by {abs(newton - lowest):9.1e}")
    down -= 0.3 * slope(down)
    newton -= slope(newton) / bend(newton)

# %% [markdown]
# Gradient descent gains the same share at each step. Newton *doubles* the digits, once it is near.
#
# **Exercise 2.** On the parabola 3x² - 5x + 1, from any start: how many of Newton's steps until the lowest point is
# reached (up to rounding)?

# %%
steps = ...
exercise(steps, 1, "Newton's step goes to the lowest point of the parabola that has this slope and this bend here")

# %% [markdown]
# With two parameters the second derivatives are a table, the *Hessian*, and the step solves the linear equations H ·
# step = -gradient. On a bent valley:


# %%
def bent(p):
    x, y = p
    return (1 - x) ** 2 + 5 * (y - x * x) ** 2


start = [-1.2, 1.4]
print("gradient", grad(bent)(start))
print("Hessian ", hessian(bent)(start))


def descend(steps, move):
    places = [np.array(start)]
    for _ in range(steps):
        places.append(places[-1] + move(places[-1].tolist()))
    return np.array(places)


by_newton = descend(7, lambda p: np.linalg.solve(hessian(bent)(p), -np.array(grad(bent)(p))))
by_gradient = descend(200, lambda p: -0.02 * np.array(grad(bent)(p)))

# %% [markdown]
# Seven steps of Newton beside two hundred of gradient descent:

# %%
figure, panels = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained", sharey=True)
across, up = np.meshgrid(np.linspace(-1.9, 1.9, 120), np.linspace(-2.8, 2.8, 100))
for ax, places, name in zip(panels, (by_gradient, by_newton), ("gradient descent", "Newton")):
    ax.contour(across, up, bent((across, up)), levels=np.geomspace(0.05, 120, 14), colors="#b8b8b8", linewidths=0.7)
    ax.plot(*places.T, ".-", color="#d55e00", linewidth=1, markersize=5)
    ax.plot(1, 1, "k+", markersize=10)
    left = bent(places[-1])
    ax.set(title=f"{name}: {len(places) - 1} steps, {left:.1g} left", xlabel="x")
plt.close(figure)
figure

# %% [markdown]
# Why does nobody train networks like that? A Hessian has a row and a column for *each* parameter: of a small network
# with 10,000 weights it has 100,000,000 numbers.
#
# **Exercise 3.** Write down the Hessian of x²y + 3y² at x = 1, y = 2, as a list of two rows.

# %%
H = ...
exercise(H, [[4.0, 2.0], [2.0, 6.0]], "the first row is d/dx and d/dy of 2xy; or ask hessian()")

# %% [markdown]
# ## Hessian times vector
#
# Often one direction is enough: how does the gradient change if I go along v? That is H · v, and it needs no H: it is
# the gradient of (gradient · v), two sweeps however many parameters there are. `jvp` is its little brother, how fast
# f itself changes along v.

# %%
v = [1.0, 0.5]
print("H v, by hvp:      ", hvp(bent)(start, v))
print("H v, row by row:  ", (np.array(hessian(bent)(start)) @ v).tolist())
print("value, and slope along v, by jvp:", jvp(bent, (start,), (v,)))
print("slope along v, gradient · v:     ", np.dot(grad(bent)(start), v))

# %% [markdown]
# ## Curvature limits the learning rate
#
# On a parabola with curvature λ a step multiplies the distance by 1 - rate · λ. This is below 1 in size as long as
# the rate is below 2/λ. With many parameters there is a curvature for each direction, and the *largest* sets the
# limit.
#
# To find the largest, multiply any vector by H, again and again: the direction of the largest curvature grows most
# and soon outshines the rest (power iteration). First for a line fitted to data, whose loss is a parabola in every
# direction.

# %%
data = nn.data.linear(30, noise=0.2, seed=4, features=2)
points = [(3 * a, b, y) for (a, b), y in zip(data.examples, data.targets)]  # one input louder than the other


def line_loss(w):
    return sum((w[0] * a + w[1] * b + w[2] - y) ** 2 for a, b, y in points) / len(points)


def largest_curvature(loss, w, times=40):
    v = np.ones(len(w))
    for _ in range(times):
        v = np.array(hvp(loss)(w, (v / np.linalg.norm(v)).tolist()))
    return float(np.linalg.norm(v))


first = [0.0, 0.0, 0.0]
sharpest = largest_curvature(line_loss, first)
print("by power iteration:", sharpest)
print("all, from the whole Hessian:", np.linalg.eigvalsh(np.array(hessian(line_loss)(first))))
print("limit of the learning rate: 2/λ =", 2 / sharpest)


# %% [markdown]
# Is it really the limit? Just below it, and just above:


# %%
def go_down(loss, w, rate, steps):
    """The losses on the way, and where it leads."""
    found, w = [], np.array(w)
    for _ in range(steps):
        value, slope = autograd.value_and_grad(loss)(w.tolist())
        found.append(value)
        w = w - rate * np.array(slope)
    return found, w.tolist()


def compare(loss, w, curvature, shares, title):
    figure, ax = plt.subplots(figsize=(7, 3), layout="constrained")
    for share, style in zip(shares, (":", "-", "--")):
        losses, end = go_down(loss, w, share * 2 / curvature, 80)
        ax.plot(losses, style, label=f"{share} · 2/λ")
    ax.set(xlabel="step", ylabel="loss", yscale="log", title=title)
    ax.legend(frameon=False)
    plt.close(figure)
    return figure, end


figure, _ = compare(line_loss, first, sharpest, (0.5, 0.97, 1.03), "Gradient descent on a line fit")
figure

# %% [markdown]
# **Exercise 4.** What is the limit of the learning rate for 3x² + y²/2?

# %%
limit = ...
exercise(limit, 1 / 3, "the second derivatives are 6 along x and 1 along y; the larger one counts")

# %% [markdown]
# A network's loss is no parabola, but near a place where it has settled it is nearly one. Train a small one (five
# tanh units) on a sine, measure its largest curvature where it arrived, and go on from there with a rate below and
# one above 2/λ.

# %%
rng = np.random.default_rng(1)
xs = np.linspace(-2, 2, 12).tolist()


def fit_loss(p):
    units = list(zip(p[:5], p[5:10], p[10:15]))
    outputs = [sum(out * autograd.tanh(w * x + b) for w, b, out in units) + p[15] for x in xs]
    return sum((o - float(np.sin(2 * x))) ** 2 for o, x in zip(outputs, xs)) / len(xs)


weights = rng.normal(size=16)
for _ in range(500):
    weights = weights - 0.1 * np.array(grad(fit_loss)(weights.tolist()))
weights = weights.tolist()
sharpest = largest_curvature(fit_loss, weights)
print(f"loss {fit_loss(weights):.4f}, largest curvature {sharpest:.2f}, so the limit is near {2 / sharpest:.3f}")

figure, end = compare(fit_loss, weights, sharpest, (0.5, 0.9, 1.3), "Gradient descent on a network")
figure

# %% [markdown]
# Above the limit the loss holds for some steps, for the error along the sharpest direction must first grow; then it
# is thrown out. A parabola would let it grow for ever. A network can come to rest elsewhere, but only where it is
# flat enough for that rate:

# %%
print(f"limit where it was thrown out: {2 / sharpest:.3f}; the rate: {1.3 * 2 / sharpest:.3f};", end=" ")
print(f"limit where it ended: {2 / largest_curvature(fit_loss, end):.3f}")

# %% [markdown]
# ## Exact derivatives
#
# The rules never ask what kind of number they are given. Give them fractions, and every derivative is a fraction: no
# rounding, at any order.

# %%
x = Value(Fraction(1, 3))
y = 1 / (1 + x * x)
for _ in range(3):
    y = gradients(y, x, create_graph=True)
    print(repr(y.data))

# %% [markdown]
# A function's derivatives at 0, divided by n!, are the coefficients of its Taylor series. Those of x / (1 - x - x²)
# are a famous sequence. Which?

# %%
x = Value(Fraction(0))
y, factorial, found = x / (1 - x - x * x), 1, []
for n in range(1, 9):
    y, factorial = gradients(y, x, create_graph=True), factorial * n
    found.append(y.data / factorial)
print(*found)

# %% [markdown]
# The tangent, exactly: with t = tan x the rule says dt/dx = 1 + t². So a derivative with respect to x is the
# derivative with respect to t, times 1 + t²; and at x = 0, t is exactly 0.

# %%
t = Value(Fraction(0))
y, factorial, series = t, 1, {}
for n in range(1, 10):
    y, factorial = gradients(y, t, create_graph=True) * (1 + t * t), factorial * n
    if y.data:
        series[n] = y.data / factorial
print("tan x =", " + ".join(f"{c}·x^{n}" for n, c in series.items()), "+ ...")

# %% [markdown]
# The Bernoulli numbers, which are in every table of sums, hide in there: the coefficient of x^(2n-1) in tan x is
# (-1)^(n-1) · 4ⁿ(4ⁿ - 1) · B₂ₙ / (2n)!.

# %%
for n in range(1, 6):
    factorial = np.prod([Fraction(k) for k in range(1, 2 * n + 1)])
    print(f"B{2 * n} =", (-1) ** (n - 1) * series[2 * n - 1] * factorial / (4**n * (4**n - 1)))

# %% [markdown]
# **Exercise 5.** The geometric series: what is the coefficient of x⁵ in 1 / (1 - 2x)? Foretell it, then differentiate
# five times.

# %%
coefficient = ...
exercise(coefficient, 32, "1/(1 - u) = 1 + u + u² + ..., with u = 2x")

# %% [markdown]
# ## Slopes as formulas
#
# Numbers, Values, fractions: there is one more thing that can be put into a rule, a *name*. Then its local
# derivatives come out as formulas, which is what stands on the edges of the drawings.

# %%
from autograd.rules import RULES
from autograd.symbols import formulas

for name in ("/", "tanh", "**", "hypot", "softplus"):
    print(f"{name:9}", "   ".join(f"d/d{formula.operand} = {formula.text}" for formula in formulas(RULES[name])))

# %% [markdown]
# An operation of your own gets all that, too, from the one line that says its slope. The same line, read four ways:

# %%
bell = autograd.Rule("bell", lambda x: autograd.exp(-x * x / 2), (lambda x, out: -x * out,))
slope = bell.partials[0]
x = Value(2.0, label="x")
out = autograd.operation(bell)(x)
lanes = np.array([0.0, 1.0, 2.0])
print("with numbers:", slope(2.0, out.data))
print("with Values: ", slope(x, out))
print("with arrays: ", slope(lanes, np.exp(-lanes * lanes / 2)))
print("with names:  ", formulas(bell)[0].text, "  in LaTeX:", formulas(bell)[0].latex)

# %% [markdown]
# Drawn as LaTeX, some slopes look as they do in a book:

# %%
figure, ax = plt.subplots(figsize=(7, 3.4))
ax.set_axis_off()
for row, name in enumerate(("tanh", "/", "atan2", "asin", "silu", "normal_cdf")):
    slopes = r",\quad ".join(formula.latex for formula in formulas(RULES[name]))
    ax.text(0, 0.95 - 0.18 * row, name)
    ax.text(0.2, 0.95 - 0.18 * row, f"${slopes}$", fontsize=14)
plt.close(figure)
figure

# %% [markdown]
# ## Is the second derivative right?
#
# `check_gradients` compares first *and* second derivatives with differences of the function. It is the proof for your
# own rules.

# %%
print(check_gradients(autograd.operation(bell), 1.5))
print(check_gradients(bent, start))

# %% [markdown]
# A slope can be right as a number at every point, and wrong as a rule. This one takes the number out of the Value,
# which cuts the graph: nothing tells any more that the slope changes with x.

# %%
cut = lambda x, out: 2 * (x.data if isinstance(x, Value) else x)
frozen = autograd.Rule("frozen", lambda x: x * x, (cut,))
try:
    check_gradients(autograd.operation(frozen), 1.5)
except autograd.GradientError as error:
    print(error)

# %% [markdown]
# ## Where did this NaN come from?
#
# **Going forward.** The logarithm of a negative number. A NaN spreads to all that comes after it, so the last one
# tells nothing: the *first* does. In the picture it is red.

# %%
a, b = Value(2.0), Value(3.0)
gap = a - b
y = gap.log() * a + b
label(locals())
y.backward()
draw(y)

# %% [markdown]
# In a long program there is no picture to look at. `detect_anomaly` raises at the moment when finite numbers give
# something that is not, and names the line.

# %%
try:
    with autograd.detect_anomaly():
        y = (a - b).log() * a + b
except FloatingPointError as error:
    print(error)

# %% [markdown]
# **Coming back.** Harder to see: here every number going forward is fine, and yet the gradient is NaN. Why? Read the
# local derivatives from the right.

# %%
x = Value(0.0)
square = x * x
length = square.sqrt()
label(locals())
length.backward()
print(length.data, x.grad)
draw(length)

# %% [markdown]
# The square root has a vertical slope at 0, which is infinite; and infinity × 0 is NaN. `detect_anomaly` says so
# already when the node is made. The cure is an operation that knows the length of a vector: at its kink `hypot` (and
# `abs`) takes the slope 0.

# %%
try:
    with autograd.detect_anomaly():
        (x * x).sqrt()
except FloatingPointError as error:
    print(error)
print(grad(lambda x: autograd.hypot(x, 0.0))(0.0))

# %% [markdown]
# A gradient can also simply grow too large on the way back. Then the sweep itself raises.

# %%
x = Value(1e-200)
try:
    with autograd.detect_anomaly():
        (1e200 * (1e200 * x)).backward()
except FloatingPointError as error:
    print(textwrap.fill(str(error), 100))

# %% [markdown]
# **Exercise 6.** Which operation made the first infinity here? (Its name, as in the message.)

# %%
p = Value(0.0, label="p")
q = 1 - autograd.exp(p)
cost = -(p * p.exp().log() + q.log() * 2)
print(cost.data)

# %%
culprit = ...
exercise(culprit, "log", "build it once more within `with autograd.detect_anomaly():`")

# %% [markdown]
# **Exercise 7.** log(1 + eˣ) is infinite at x = 1000, where it should be 1000. Write a function `safe` of a Value
# with the same values, which is finite there.

# %%
safe = ...


def judge(safe):
    for x, expected in [(1000.0, 1000.0), (0.5, 0.974076984180107), (-3.0, 0.048587351573742)]:
        if not abs(safe(Value(x)).data - expected) < 1e-9:
            return f"at {x} it gives {safe(Value(x)).data}, and should give {expected}"
    return abs(grad(safe)(1000.0) - 1) < 1e-9 or "its slope at 1000 should be 1"


exercise(safe, judge, "there is an operation for it in the table of the README; or x + log(1 + exp(-x)) where x > 0")

# %% [markdown]
# ## Where to go next
#
# - The same rules, read with arrays, train whole batches at once: `09_array_speed`.
# - `help(autograd.functional)` has `jacobian` and the others; `help(autograd.symbols)` how a formula is printed.
