"""What print(plan) says: the equations are read back and computed with NumPy, beside the gradients of eager Values."""

import ast
import operator
import random
import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd
import nn
from autograd import Value
from autograd.planning import replay
from autograd.rules import RULES

# ---- a reader of the printed equations ---------------------------------------------------------------------------------

NAMED = r"[^\W\d]\w*(?:\.\w+)*(?:\[[\d:, ]*\])?"
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
             ast.Pow: operator.pow, ast.MatMult: operator.matmul, ast.Gt: operator.gt, ast.Lt: operator.lt,
             ast.GtE: operator.ge, ast.LtE: operator.le}  # fmt: skip


def printed_equations(plan):
    """(target, sign, right side) of each line of print(plan) that is one, forward and backward."""
    found = []
    for line in str(plan).splitlines():
        assert len(line) <= 120 and line == line.rstrip()
        if match := re.fullmatch(r"    (\S.*?) +(\+?=) (.*)", line):
            found.append(list(match.groups()))
        elif line.startswith("     ") and found:
            found[-1][2] += " " + line.strip()
    return found


class Reader:
    """Arrays by name: vectors are columns. With `matrices` every array is lanes x rows x columns."""

    def __init__(self, arrays, lanes, matrices=False):
        self.arrays, self.lanes, self.matrices = dict(arrays), lanes, matrices

    def look(self, name):
        turned = name.endswith("^T")
        name = name.removesuffix("^T")
        stem, _, index = name.partition("[")
        if name in self.arrays:
            found = self.arrays[name]
        else:
            axes = [
                slice(*map(int, i.split(":"))) if ":" in i else slice(int(i), int(i) + 1)
                for i in index[:-1].split(", ")
            ]
            found = self.arrays[stem][(slice(None), *axes) if self.matrices else tuple(axes)]
        return found.swapaxes(-1, -2) if turned else found

    def call(self, name, *arguments):
        if name == "sum":
            everything = arguments[0].shape[1] not in (1, self.lanes)  # a matrix, the same in all lanes
            return arguments[0].sum((1, 2) if self.matrices else None if everything else 0, keepdims=True)
        if name == "flat":
            return arguments[0].reshape(len(arguments[0]), -1, 1)
        if name == "over_lanes":
            return arguments[0].sum(0 if self.matrices else 1, keepdims=True)
        if name == "over_columns":
            return arguments[0].sum(2, keepdims=True)
        if name == "softmax_cross_entropy":
            scores, target = arguments
            return np.log(np.exp(scores).sum(0, keepdims=True)) - scores[int(target) : int(target) + 1]
        if name == "prod":
            return np.prod(arguments[0], axis=0, keepdims=True)
        if name == "logsumexp":
            return np.log(np.exp(arguments[0]).sum(0, keepdims=True))
        plain = {"sign": np.sign, "exp": np.exp, "log": np.log, "cos": np.cos, "sin": np.sin, "tanh": np.tanh}
        function = plain.get(name) or RULES[name].forward
        return function(*[np.asarray(x, float) for x in arguments])

    def compute(self, text):
        text = text.replace("upstream (by default 1, for the mean 1/lanes)", "upstream")
        text = re.sub(r"sum over lanes and columns of (.*)$", r"over_lanes(over_columns(\1))", text)
        text = re.sub(r"sum over lanes of (.*)$", r"over_lanes(\1)", text)
        names = []

        def keep(match):
            if match.group() in ("if", "else"):
                return match.group()
            names.append(match.group())
            return f"name_{len(names) - 1}"

        text = re.sub(NAMED + r"(?:\^T)?(?![\w(])", keep, text)
        text = re.sub(r"(name_\d+|\d) (?=name_\d)", r"\1 @ ", text)
        return self.visit(ast.parse(text, mode="eval").body, names)

    def visit(self, node, names):
        again = lambda part: self.visit(part, names)
        match node:
            case ast.Constant(value):
                return value
            case ast.Name(name):
                return self.look(names[int(name.removeprefix("name_"))])
            case ast.UnaryOp(ast.USub(), x):
                return -again(x)
            case ast.BinOp(x, sign, y):
                return OPERATORS[type(sign)](again(x), again(y))
            case ast.Compare(x, [sign], [y]):
                return OPERATORS[type(sign)](again(x), again(y))
            case ast.IfExp(condition, x, y):
                return np.where(again(condition), again(x), again(y))
            case ast.Call(ast.Name(name), arguments):
                return self.call(name, *map(again, arguments))
        raise AssertionError(ast.dump(node))

    def run(self, equations):
        for target, sign, right in equations:
            assert "[..]" not in right + target, (target, right)
            right, _, count = (
                right.removesuffix(" times").partition(", ") if right.endswith(" times") else (right, "", 1)
            )
            number = self.compute(right) * np.ones((int(count), self.lanes if count != 1 else 1))
            if target[0] == "d" and target[1:] in self.arrays:
                number = np.broadcast_to(number, self.arrays[target[1:]].shape)
            if sign == "=" and "[" not in target:
                assert target not in self.arrays, f"{target} is told twice"
                self.arrays[target] = np.array(number, float)
            else:
                stem, index = target.rstrip("]").split("[")
                whole = self.arrays.setdefault(stem, np.zeros_like(self.arrays[stem[1:]]))
                first, _, last = index.partition(":")
                rows = slice(int(first), int(last or int(first) + 1))
                part = whole[rows] if sign == "+=" else 0
                whole[rows] = part + number


def arrays_of(leaves):
    """Nested lists of Values as arrays; a vector is a column, a number a matrix of one."""
    numbers = np.array(autograd_numbers(leaves), float)
    return numbers.reshape(len(numbers), -1) if numbers.ndim else numbers.reshape(1, 1)


def autograd_numbers(leaves):
    return [autograd_numbers(x) for x in leaves] if isinstance(leaves, list) else leaves.data


def flat(leaves):
    return [x for part in leaves for x in flat(part)] if isinstance(leaves, list) else [leaves]


def check(build, parameters, inputs, lanes=7, seed=0, matrices=False):
    """The equations that are printed, computed from the leaves' arrays, give eager Values' losses and gradients."""
    rng = np.random.default_rng(seed)
    columns = rng.uniform(-1, 1, (lanes, len(flat([*inputs.values()]))))
    with autograd.record():
        loss = build()
    leaves = flat([*parameters.values()])
    autograd.label({**parameters, **inputs, "loss": loss})
    plan = replay(loss, flat([*inputs.values()]), leaves)
    arrays = {name: arrays_of(value) for name, value in parameters.items()}
    if matrices:
        arrays = {name: array[None] for name, array in arrays.items()}
    start = 0
    for name, value in inputs.items():
        own = columns[:, start : start + len(flat(value))]
        start += len(flat(value))
        shape = arrays_of(value).shape
        arrays[name] = own.reshape(lanes, *shape) if matrices else own.T
    weights = rng.uniform(0.5, 2, lanes)
    arrays["upstream"] = weights.reshape(-1, 1, 1) if matrices else weights[None]
    reader = Reader(arrays, lanes, matrices)
    equations = printed_equations(plan)
    reader.run(equations)
    losses, total = [], np.zeros(len(leaves))
    given = flat([*inputs.values()])
    for row, weight in zip(columns, weights, strict=True):
        for leaf, number in zip(given, row.tolist(), strict=True):
            leaf.data = number
        again = build()
        losses.append(again.data)
        total += weight * np.array(autograd.gradients(again, leaves))
    assert np.allclose(reader.arrays["loss"].ravel(), losses, rtol=1e-12, atol=1e-12)
    told = []
    for name in parameters:
        array = arrays[name]
        found = reader.arrays.get("d" + name, np.zeros_like(array))
        assert found.shape == array.shape, f"d{name}"
        told.append(found.ravel())
    assert np.allclose(np.concatenate(told), total, rtol=1e-9, atol=1e-11)
    return plan, equations


def leaves(rng, *shape):
    return [leaves(rng, *shape[1:]) for _ in range(shape[0])] if shape else Value(rng.uniform(-1, 1))


def affine(w, x, b):
    return [autograd.dot(row, x) + own for row, own in zip(w, b, strict=True)]


# ---- the equations are true --------------------------------------------------------------------------------------------

TWO_LAYERS = """\
z1 = W1 x + b1
h1 = sigmoid(z1)
z2 = W2 h1 + b2
h2 = sigmoid(z2)
v1 = h2 - y
v2 = v1**2
z3 = sum(v2)
loss = z3/2
dloss = upstream (by default 1, for the mean 1/lanes)
dz3 = dloss/2
dv2 = dz3
dv1 = 2*dv2*v1
dh2 = dv1
dz2 = dh2*h2*(1 - h2)
dW2 = dz2 h1^T
db2 = sum over lanes of dz2
dh1 = W2^T dz2
dz1 = dh1*h1*(1 - h1)
dW1 = dz1 x^T
db1 = sum over lanes of dz1"""


def two_layers(rng, inputs=2, hidden=3, outputs=2):
    p = {
        "W1": leaves(rng, hidden, inputs),
        "b1": leaves(rng, hidden),
        "W2": leaves(rng, outputs, hidden),
        "b2": leaves(rng, outputs),
    }
    x, y = leaves(rng, inputs), leaves(rng, outputs)

    def build():
        h = [z.sigmoid() for z in affine(p["W1"], x, p["b1"])]
        out = [z.sigmoid() for z in affine(p["W2"], h, p["b2"])]
        return autograd.sum([(a - t) ** 2 for a, t in zip(out, y, strict=True)]) / 2

    return build, p, {"x": x, "y": y}


def test_the_two_layer_network_gives_the_equations_of_the_posts():
    _, equations = check(*two_layers(random.Random(1)))
    assert "\n".join(f"{target} {sign} {right}" for target, sign, right in equations) == TWO_LAYERS


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 5), st.integers(2, 5), st.integers(2, 4), st.integers(1, 5), st.integers(0, 99))
def test_two_layers_of_any_size(inputs, hidden, outputs, lanes, seed):
    check(*two_layers(random.Random(seed), inputs, hidden, outputs), lanes, seed=seed)


def test_weights_in_the_other_order_are_transposed():
    rng = random.Random(2)
    p, x = {"W": leaves(rng, 3, 2), "v": leaves(rng, 2)}, leaves(rng, 3)

    def build():
        z = [autograd.dot([row[j] for row in p["W"]], x).tanh() for j in range(2)]
        return autograd.dot(p["v"], z)

    _, equations = check(build, p, {"x": x})
    told = {target: right for target, _, right in equations}
    assert told["z1"] == "W^T x" and told["dW"] == "x dz1^T"


def test_one_array_of_several_columns():
    """The same matrix for each of three vectors: a product of matrices in every lane."""
    rng = random.Random(3)
    p, x = {"W": leaves(rng, 4, 2), "b": leaves(rng, 4), "V": leaves(rng, 2, 4)}, leaves(rng, 3, 2)

    def build():
        h = [[z.tanh() for z in affine(p["W"], row, p["b"])] for row in x]
        again = [[autograd.dot(row, own) for row in p["V"]] for own in h]
        return autograd.sum([z * z for j in range(2) for z in [own[j] for own in again]])

    _, equations = check(build, p, {"x": x}, matrices=True)
    told = {target: right for target, _, right in equations}
    assert told["z1"] == "W x^T + b" and told["dW"] == "sum over lanes of dz1 x"
    assert told["db"] == "sum over lanes and columns of dz1" and told["dh1"] == "V^T dz2"


def test_matrices_that_one_product_computes_have_their_own_equations():
    rng = random.Random(4)
    p, x = {"Q": leaves(rng, 3, 4), "K": leaves(rng, 3, 4), "w": leaves(rng, 3)}, leaves(rng, 4)

    def build():
        q, k = ([autograd.dot(row, x) for row in p[name]] for name in "QK")
        return autograd.dot(p["w"], [a * b for a, b in zip(q, k, strict=True)])

    plan, equations = check(build, p, {"x": x})
    told = {target: right for target, _, right in equations}
    assert told["z1"] == "Q x" and told["z2"] == "K x" and told["dK"] == "dz2 x^T"
    assert "z1, z2" in str(plan) and "6 x 4 times 4 x 1" in str(plan)


def test_weights_that_are_used_twice_get_two_terms():
    """A recurrent network of two steps."""
    rng = random.Random(5)
    p = {"W": leaves(rng, 3, 3), "U": leaves(rng, 3, 2), "b": leaves(rng, 3)}
    x1, x2 = leaves(rng, 2), leaves(rng, 2)

    def build():
        h = [z.tanh() for z in affine(p["U"], x1, p["b"])]
        wide = [autograd.dot(row, h) for row in p["W"]]
        h = [(a + c).tanh() for a, c in zip(wide, affine(p["U"], x2, p["b"]), strict=True)]
        return autograd.sum([v * v for v in [*h[:1], *h[1:]]])

    _, equations = check(build, p, {"x1": x1, "x2": x2})
    told = {target: right for target, _, right in equations}
    assert told["z2"] == "W h1 + U x2 + b" and told["dU"] == "dz2 x2^T + dz1 x1^T" and told["dW"] == "dz2 h1^T"
    assert told["db"] == "sum over lanes of (dz2 + dz1)"


def test_softmax_cross_entropy_and_a_penalty():
    rng = random.Random(6)
    p, x = {"W": leaves(rng, 4, 3), "b": leaves(rng, 4)}, leaves(rng, 3)

    def build():
        scores = affine(p["W"], x, p["b"])
        return autograd.softmax_cross_entropy(scores, 2) + nn.l2_penalty(flat([*p.values()]), 0.01)

    plan, equations = check(build, p, {"x": x})
    told = {target: right for target, _, right in equations}
    assert told["z2"] == "sum(W**2) + sum(b**2)" and "once for all lanes" in str(plan)
    assert told["dz1[0:2]"] == "dv1*exp(z1[0:2] - z1[2] - v1)" and "dz1[2]" in told and "dz1[3]" in told
    assert told["dW"] == "dz1 x^T + 2*dz2*W" or told["dW"] == "2*dz2*W + dz1 x^T"


def test_hinge_and_a_part_of_a_vector():
    rng = random.Random(7)
    p, x, y = {"w": leaves(rng, 2, 2), "c": leaves(rng)}, leaves(rng, 4), leaves(rng)

    def build():
        z = [autograd.dot(row, x[:2]) for row in p["w"]]
        h = [a.relu() * b for a, b in zip(z, x[2:], strict=True)]
        return (1 - y * autograd.sum([*h, p["c"]])).relu() + autograd.maximum(p["c"], 0.25)

    _, equations = check(build, p, {"x": x, "y": y})
    told = {target: right for target, _, right in equations}
    assert told["z1"] == "w x[0:2]" and told["z2"] == "sum(h1*x[2:4]) + c"


UNARY = ["tanh", "sigmoid", "exp", "sin", "cos", "softplus", "ReLU", "neg", "**2"]

KINDS = ["matrix", "unary", "unary", "+", "-", "*", "scale", "maximum", "where", "softmax", "spread"]


@st.composite
def programs(draw):
    """Steps of a small program on vectors of two lengths: (what, on which)."""
    steps = []
    for _ in range(draw(st.integers(1, 5))):
        what = draw(st.sampled_from(KINDS))
        steps.append((what, draw(st.sampled_from(UNARY)), draw(st.integers(0, 9)), draw(st.integers(0, 9))))
    return steps


@settings(max_examples=80, deadline=None)
@given(programs(), st.integers(0, 99))
def test_any_program_on_vectors(steps, seed):
    """Where an equation can be written without [..], all of them together give eager Values' gradients."""
    rng = random.Random(seed)
    p = {"W0": leaves(rng, 3, 3), "b0": leaves(rng, 3), "s": leaves(rng)}
    x = leaves(rng, 3)
    for i, (what, *_) in enumerate(steps):
        if what == "matrix":
            p[f"M{i}"] = leaves(rng, 3, 3)

    def build():
        made = [affine(p["W0"], x, p["b0"])]
        for i, (what, name, j, k) in enumerate(steps):
            a, b = made[-1] if j % 2 else made[j % len(made)], made[k % len(made)]
            if what == "matrix":
                made.append([autograd.dot(row, a) for row in p[f"M{i}"]])
            elif what == "unary":
                apply = {"neg": operator.neg, "**2": lambda v: v**2, "ReLU": Value.relu}.get(name) or getattr(
                    Value, name
                )
                made.append([apply(0.3 * v) if name == "exp" else apply(v) for v in a])
            elif what == "scale":
                made.append([p["s"] * v for v in a])
            elif what == "where":
                made.append([autograd.where(v > p["s"], v * w, p["s"]) for v, w in zip(a, b, strict=True)])
            elif what == "softmax":
                e = [(0.2 * v).tanh().exp() for v in a]
                total = autograd.sum(e)
                made.append([v / total for v in e])
            elif what == "spread":
                all_of_b = autograd.logsumexp(b) if k % 2 else autograd.prod([v.tanh() + 2 for v in b])
                made.append([v * all_of_b + p["s"] for v in a])
            elif what == "maximum":
                made.append([autograd.maximum(v, w * 0.9 + 0.05) for v, w in zip(a, b, strict=True)])
            else:
                sign = {"+": operator.add, "-": operator.sub, "*": operator.mul}[what]
                made.append([sign(v, w) for v, w in zip(a, b, strict=True)])
        return autograd.sum([v for own in made for v in own])

    with autograd.record():
        loss = build()
    if re.search(r"\[\.\.\]|more term", str(replay(loss, x, flat([*p.values()])))):
        return
    check(build, p, {"x": x}, seed=seed)


# ---- what cannot be said in matrices is not said wrongly ---------------------------------------------------------------


def told_by(plan):
    return {target: (sign, right) for target, sign, right in printed_equations(plan)}


def test_numbers_that_are_picked_are_told_as_some_and_added_where_they_repeat():
    p, x = [Value(0.1 * i, label=f"w[{i}]") for i in range(4)], [Value(1.0, label=f"x[{i}]") for i in range(3)]
    picked = [p[2] * x[0], p[0] * x[1], p[2] * x[2]]
    plan = replay([v.tanh() for v in picked], x, p)
    told = told_by(plan)
    assert told["v1"] == ("=", "w[..]*x[..]")
    text = " ".join(str(plan).split())
    assert told["dw[..]"][0] == "+=" and "what += adds to begins at 0" in text and "z[..] are some of z's" in text


def test_numbers_of_several_arrays_each_get_their_part():
    """Eleven arrays of one number each are too many pieces: dw1 and the like must still be told, and only once."""
    w = [Value(0.1 * i, label=f"w{i}") for i in range(11)]
    x = [Value(1.0, label=f"x[{i}]") for i in range(11)]
    plan = replay(autograd.sum([(v * u).tanh() for v, u in zip(w, x, strict=True)]), x, w)
    told = told_by(plan)
    assert told["v1"][1] == "(w0, w1, w2, ...)[..]*x"
    assert [told[f"dw{i}[..]"] for i in range(11)] == [("=", "sum over lanes of (dv1*x)[..]")] * 11


def test_equal_constants_are_a_number_and_others_an_array():
    x = [Value(1.0, label=f"x[{i}]") for i in range(3)]
    alike, others = [0.1 + v for v in x], [v - c for v, c in zip(x, (1.0, 2.0, 3.0), strict=True)]
    told = told_by(replay([*alike, *others], x))
    assert told["v1"][1] == "0.1 + x" and told["v2"][1] == "x - c[3:6]"


def test_constants_in_a_matrix_product_are_never_a_bare_number():
    x, w = [Value(1.0, label=f"x[{i}]") for i in range(3)], Value(0.5, label="w")
    ones = [Value(1.0) for _ in range(3)]
    told = told_by(replay(w * autograd.dot(ones, x), x, [w]))
    assert told["z1"][1] == "1[..] x"
    told = told_by(replay(autograd.dot([w, w, w], x), x, [w]))
    assert "w[..] x" in told["z1"][1] and told["dw[..]"][0] == "+="


def test_results_that_are_alike_are_told_how_often():
    s, x = Value(0.5, label="s"), Value(1.0, label="x")
    told = told_by(replay([s * x, s * x, s * x], [x], [s]))
    assert told["v1"] == ("=", "s*x, 3 times") and told["ds"] == ("=", "sum over lanes of sum(dv1*x)")


def test_operands_of_all_kinds_in_a_rule_of_many():
    x, w = [Value(0.3, label=f"x[{i}]") for i in range(2)], [Value(0.2, label=f"w[{i}]") for i in range(2)]
    told = told_by(replay(autograd.logsumexp([*x, *w]), x, w))
    assert told["v1"][1] == "logsumexp(x, w)" and told["dw"] == ("=", "sum over lanes of dv1*exp(w - v1)")
    again = told_by(replay([autograd.logsumexp([a, b, b]) for a, b in zip(x, w, strict=True)], x, w))
    assert again["v1"][1] == "logsumexp(3 of x and w[..])"
    assert again["dw[..]"] == ("+=", "sum over lanes of dv1[..]*(the slopes of logsumexp)")


def test_an_output_that_is_given_twice_has_two_upstream_gradients():
    x, w = Value(0.3, label="x"), Value(0.2, label="w")
    y = w * x
    told = told_by(replay([y, y], [x], [w]))
    assert told["dv1"][1].count("upstream") == 2


def test_a_convolution_and_attention_are_told():
    rng = random.Random(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3, rng=rng), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3, rng=rng))
    x = [[leaves(rng, 6, 6)]][0]
    loss = autograd.logsumexp(model(x))
    autograd.label({"model": model, "x": x, "loss": loss})
    plan = replay(loss, flat(x), model.parameters())
    told = told_by(plan)
    assert told["z1"][1] == "layers.0.weight x[..] + layers.0.bias" and told["z2"][1].startswith(
        "layers.3.weight flat(h1)"
    )
    assert told["flat(dh1)"][1] == "layers.3.weight^T dz2" and told["dz1"][1] == "dh1*(1 if z1 > 0 else 0)"
    assert told["dlayers.0.weight"][1] == "sum over lanes of dz1 x[..]^T"
    assert "2 x 9 times 9 x 16" in str(plan) and "32 sums of 9 products and a bias: 32 +, 32 dot" in str(plan)


# ---- names -------------------------------------------------------------------------------------------------------------


def test_names_without_labels():
    build, p, inputs = two_layers(random.Random(1))
    plan = replay(build(), flat([*inputs.values()]), flat([*p.values()]))
    told = told_by(plan)
    assert told["z1"][1] == "P1 x + P2" and told["z2"][1] == "P3 h1 + P4" and told["v1"][1] == "h2 - x2"
    assert told["dP3"][1] == "dz2 h1^T"


def test_names_of_a_models_parameters():
    model = nn.MLP(2, [16, 16, 1], rng=random.Random(0))
    x, y = leaves(random.Random(1), 2), Value(1.0)
    with autograd.record():
        loss = (1 - y * model(x)).relu()
    autograd.label({"model": model, "x": x, "y": y, "loss": loss})
    plan = replay(loss, [*x, y], model.parameters())
    told = told_by(plan)
    assert told["z2"][1] == "layers.1.w h1 + layers.1.b" and told["z3"][1] == "layers.2.w h2 + layers.2.b"
    assert told["dlayers.0.b"][1] == "sum over lanes of dz1"
    assert repr(plan) == "Plan(1 output, 3 inputs, 337 parameters, 984 nodes in 8 levels, 8 steps)"
    lines = str(plan).splitlines()
    assert lines[0] == "Plan of 984 nodes: 1 output, 3 inputs, 337 parameters; 8 levels, 8 steps"
    shorter = [re.sub(" +", " ", line.strip()) for line in lines]
    assert shorter[4] == "1 z1 matrix product 16 x 2 times 2 x 1 16 sums of 2 products and a bias: 32 *, 32 +"
    assert shorter[5] == "2 h1 ReLU 16 at once"


def test_labels_that_could_be_mistaken_are_not_used():
    w, dw, x = Value(0.5, label="w"), Value(0.3, label="dw"), Value(1.0, label="x")
    told = told_by(replay(w * x + dw, [x], [w, dw]))
    assert told["z1"][1] == "w x + P1"
    for label in ("a b", "x = 1", "l" * 500, "ü\n", "]["):
        odd = Value(0.5, label=label)
        text = str(replay(odd * x, [x], [odd]))
        assert label not in text and "P1" in text


# ---- the rest ----------------------------------------------------------------------------------------------------------


def test_what_is_known_of_branches():
    x, w = Value(0.5, label="x"), Value(2.0, label="w")
    assert str(replay(w * x, [x])).endswith(
        "branches not checked: the graph was built outside autograd.record(); numbers read through .data are constants"
    )
    with autograd.record():
        out = w * x
    assert "branches: no comparisons of Values were made; numbers" in str(replay(out, [x]))
    with autograd.record():
        out = w * x if x > 0 else w
    assert "branches: 1 comparison of Values is checked in every lane; numbers" in str(replay(out, [x]))
    with autograd.record():
        out = w * x if x > 0 and w > x else w
    assert "branches: 2 comparisons of Values are checked in every lane; numbers" in str(replay(out, [x]))


def test_a_long_plan_is_cut_in_the_middle():
    x, w = Value(0.5), Value(0.9)
    out = x
    for _ in range(1000):
        out = (out * w).tanh()
    text = str(replay(out, [x], [w]))
    assert "... 1,978 more steps ..." in text and text.count("more equations") == 2 and "more terms" in text
    assert len(text.splitlines()) < 90 and max(map(len, text.splitlines())) <= 120
    assert "v2000 = tanh(v1999)" in text and "dv2000 = upstream" in text


def test_too_many_steps_for_equations(monkeypatch):
    from autograd.planning import describe

    monkeypatch.setattr(describe, "MOST_STEPS", 1)
    x, w = Value(0.5), Value(0.9)
    text = str(replay((x * w).tanh(), [x], [w]))
    assert "Equations are written for 1 steps at most." in text and "tanh" in text and "dv1" not in text


def test_plans_of_next_to_nothing():
    x, w = Value(0.5, label="x"), Value(2.0, label="w")
    plan = replay(x, [x], [])
    assert str(plan).splitlines()[0] == "Plan of 1 node: 1 output, 1 input, 0 parameters; 0 levels, 0 steps"
    assert repr(plan) == "Plan(1 output, 1 input, 0 parameters, 1 node in 0 levels, 0 steps)"
    assert "dw" not in str(replay(x * x, [x], [w])) and "sweep" not in str(replay(x * x, [x], [w]))
    assert "once for all lanes" in str(replay(w.tanh() * x, [x], [w]))


def test_asking_changes_nothing():
    build, p, inputs = two_layers(random.Random(1))
    plan = replay(build(), flat([*inputs.values()]), flat([*p.values()]))
    before = plan(np.ones((2, 4))).gradients
    assert str(plan) == str(plan) and np.array_equal(plan(np.ones((2, 4))).gradients, before)


# ---- found by breaking the code on purpose -----------------------------------------------------------------------------


def test_results_are_transposed_where_they_are_read_so():
    rng = random.Random(8)
    p, x = {"W": leaves(rng, 4, 2), "V": leaves(rng, 2, 3)}, leaves(rng, 3, 2)

    def build():
        h = [[autograd.dot(row, own).tanh() for own in x] for row in p["W"]]  # 4 x 3
        again = [[autograd.dot(row, own) for own in h] for row in p["V"]]
        return autograd.sum([z * z for own in again for z in own])

    _, equations = check(build, p, {"x": x}, matrices=True)
    told = {target: right for target, _, right in equations}
    assert told["z2"] == "V h1^T" and told["dh1"] == "dz2^T V"


def test_rows_of_a_matrix():
    rng = random.Random(9)
    p, x = {"U": leaves(rng, 3, 2), "W": leaves(rng, 3, 2)}, leaves(rng, 4, 2)

    def build():
        u = [[autograd.dot(row, [x[0][j], x[1][j]]) for j in range(2)] for row in p["U"]]
        z = [[autograd.dot(row, [x[2][j], x[3][j]]) for j in range(2)] for row in p["W"]]
        return autograd.sum([v.tanh() for own in z for v in own]) + autograd.sum([v.sin() for own in u for v in own])

    _, equations = check(build, p, {"x": x}, matrices=True)
    assert "W x[2:4]" in [right for _, _, right in equations]


def test_one_bias_for_all_and_a_number_in_many_products():
    rng = random.Random(10)
    p, x = {"W": leaves(rng, 3, 2), "b": leaves(rng), "s": leaves(rng)}, leaves(rng, 2)

    def build():
        z = [autograd.dot(row, x) + p["b"] for row in p["W"]]
        return autograd.sum([v.tanh() for v in z]) + autograd.dot([p["s"]] * 2, [p["s"]] * 2)

    _, equations = check(build, p, {"x": x})
    told = {target: right for target, _, right in equations}
    assert told["db"] == "sum over lanes of sum(dz1)" and "2*s**2" in told.values()


def test_a_matrix_beside_a_vector_is_flat():
    w, x = leaves(random.Random(0), 2, 2), leaves(random.Random(0), 3, 2)
    y = leaves(random.Random(1), 6)
    z = [autograd.dot(row, own) for row in w for own in x]
    loss = autograd.sum([(a * b).tanh() for a, b in zip(z, y, strict=True)])
    autograd.label({"w": w, "x": x, "y": y})
    told = told_by(replay(loss, [*flat(x), *y], flat(w)))
    assert told["v1"][1] == "flat(z1)*y" and told["flat(dz1)"] == ("=", "dv1*y")


def test_different_picks_of_one_array_are_different_lines():
    w, x = leaves(random.Random(0), 4), leaves(random.Random(0), 2)
    autograd.label({"w": w, "x": x})
    outputs = [(w[2] * x[0]).tanh(), (w[0] * x[1]).tanh(), w[3].sin() * x[0], w[1].sin() * x[1], w[3].sin() * x[1]]
    equations = printed_equations(replay(outputs, x, w))
    assert len([target for target, _, _ in equations if target == "dw[..]"]) == 2


def test_what_only_decides_gets_no_gradient():
    x, w = leaves(random.Random(0), 2), leaves(random.Random(0), 2)
    with autograd.record():
        outputs = [autograd.where(a > b, a * b, a) for a, b in zip(x, w, strict=True)]
    autograd.label({"x": x, "w": w})
    told = told_by(replay(outputs, x, w))
    assert told["v2"][1] == "v1 if x > w else x" and told["dw"] == ("=", "sum over lanes of dv1*x")


def test_leaves_that_are_constants_go_by_their_labels():
    x, w, c = Value(0.3, label="x"), Value(0.2, label="w"), Value(4.0, label="c0")
    told = told_by(replay((w * x).tanh() * c, [x], [w]))
    assert told["v2"][1] in ("h1*c0", "v1*c0") or "c0" in told["v3"][1]
    assert "dc0" not in told


def test_an_output_that_is_the_same_in_all_lanes():
    x, w = Value(0.3, label="x"), Value(0.2, label="w")
    told = told_by(replay([w.tanh(), x.sin()], [x], [w]))
    assert told["dv1"] == ("=", "sum over lanes of upstream (by default 1, for the mean 1/lanes)")


def test_a_label_that_would_be_anothers_gradient_in_either_order():
    x = Value(1.0, label="x")
    for first, second in (("w", "dw"), ("dw", "w")):
        a, b = Value(0.5, label=first), Value(0.3, label=second)
        told = told_by(replay((a * x).tanh() * b, [x], [a, b]))
        names = re.findall(r"\w+", " ".join([right for _, right in told.values()]))
        assert "P1" in names and ("w" in names) != ("dw" in names)


def test_sums_of_squares_and_slopes_that_are_fractions():
    x, w = leaves(random.Random(0), 6), leaves(random.Random(0), 6)
    z = [a * b for a, b in zip(w, x, strict=True)]
    dots = [autograd.dot([z[i], z[i + 1], z[i + 2], z[i]], [z[i], z[i + 1], z[i + 2], z[i]]).log() for i in (0, 3)]
    autograd.label({"x": x, "w": w})
    told = told_by(replay(dots, x, w))
    assert told["z1"] == ("=", "sums of 4 of v1[..]**2") and told["dv1[..]"] == ("+=", "2*dz1[..]*v1[..]")
    assert told["dz1"] == ("=", "dh1/z1")


def test_parameters_without_labels_that_are_used_together_are_one_array():
    x, many = Value(0.3, label="x"), [Value(0.1 * i) for i in range(200)]
    told = told_by(replay([(p * x).tanh() for p in many], [x], many))
    assert told["v1"] == ("=", "P1*x") and told["dP1"] == ("=", "sum over lanes of dv1*x")


def test_labels_with_keys():
    x, w = Value(0.3, label="x"), {"a": Value(0.1), "b": Value(0.2)}
    autograd.label({"w": w})
    told = told_by(replay((w["a"] * x).tanh() * w["b"], [x], [*w.values()]))
    assert told["v1"][1] == 'w["a"]*x' and 'w["b"]' in " ".join([right for _, right in told.values()])


def test_the_only_number_of_a_list_goes_by_the_lists_name():
    x, w = [Value(0.3)], [Value(0.1)]
    out = [(w[0] * x[0]).tanh()]
    autograd.label({"x": x, "w": w, "out": out})
    told = told_by(replay(out, x, w))
    assert told["v1"][1] == "w*x" and told["out"][1] == "tanh(v1)"


def test_what_is_kept_and_what_is_missing_is_said() -> None:
    x, w, kept, absent = (Value(number) for number in (1.0, 2.0, 3.0, 4.0))
    with autograd.record():
        inside = autograd.where(x > 0, x * w, kept)
    text = str(autograd.replay(inside, [x], [w, absent]))
    assert "1 parameter not in the graph; 1 other leaf kept" in text
    assert "\n2 other leaves kept\n" in str(autograd.replay(inside, [x], []))
    assert "branches: only those of autograd.where, decided in every lane" in text
    partly = str(autograd.replay(inside * 2 + autograd.where(True, x, w), [x], [w]))
    assert "branches not checked: the graph was built partly outside autograd.record()" in partly
    assert "1 autograd.where of plain bools kept as recorded" in partly
