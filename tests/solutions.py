"""Right answers to the exercises of the lessons: for the k-th `exercise(...)` of a lesson, code to be run just before it.

A wrong answer stands beside it where the tests cannot make one out of it: for a function, or where several are right.
"""

SOLUTIONS: dict[str, list[str | tuple[str, str]]] = {
    "00": ["predicted = [-3, 5, 1]", "whose = 'a'", "steady = '+'", "steepest = 6"],
    "01": [
        (
            """
def exp(x):
    out = Tiny(math.exp(x.data), (x,))

    def send_back():
        x.grad += out.data * out.grad

    out.send_back = send_back
    return out
""",
            """
def exp(x):
    out = Tiny(math.exp(x.data), (x,))

    def send_back():
        x.grad += out.data

    out.send_back = send_back
    return out
""",
        ),
        "second = math.e**2",
        "wrong_one = 2",
        (
            'logcosh = Rule("logcosh", lambda x: autograd.log(autograd.cosh(x)), (lambda x, out: autograd.tanh(x),))',
            'logcosh = Rule("logcosh", lambda x: autograd.log(autograd.cosh(x)), (lambda x, out: -autograd.tanh(x),))',
        ),
        "culprit = 'hypot'",
    ],
    "02": [
        "local = 5",
        "count_and_gradient = [2, 10]",
        "with_assignment = 3",
        "after_three = 72",
        "to_the_leaf = [1024, 1]",
        ("order = 'w v u n m'", "order = 'w u v m n'"),
    ],
    "03": [
        "slope = -0.25",
        'formula = "(yhat - y) * yhat*(1 - yhat)"',
        'formula = "X.T @ ((yhat - y) * yhat*(1 - yhat)) / len(X)"',
        "shapes = ((40,), (7,))",
        'answer = "yes no"',
        'formula = "X.T @ ((a - y) * (1 - a**2))"',
    ],
    "04": [
        "delta = 0.05",
        'formula = "W2.T @ d2 * (1 - a1**2)"',
        "shapes = ((2, 5), (5, 7), (5, 3))",
        'formula = "W2 @ d2 * a1*(1 - a1)"',
        "line = 4",
        "count = 12",
    ],
    "05": [
        "delta = [0.7, -0.8, 0.1]",
        "loss = 0.6931",
        'answer = "yes yes"',
        'formula = "ds @ W2.T"',
        'term = "reg * W1"',
        'mended = SLIPS.replace("du = ds @ W2.T", "du = (ds @ W2.T) * (u > 0)").replace("+ reg*b2", "+ 2*reg*b2")',
    ],
    "06": [
        "counts = (180, 60)",
        'formula = "X.T @ up"',
        'formula = "maximum(0, Y)"',
        "rows = 15",
        "slope = 36.0",
        (
            "by_weight = lambda up, X, k, s: [sum(up[h] * X[h * s + i] for h in range(len(up))) for i in range(k)]",
            "by_weight = lambda up, X, k, s: [sum(up[h] * X[h + i] for h in range(len(up))) for i in range(k)]",
        ),
    ],
    "07": ["after = 1.05", "third = 0.9", "length = 1.0", "limit = 0.2", "bias = 1.5", 'kind = "dead"', "count = 7510"],
    "08": [
        "third = 48.0",
        "steps = 1",
        "H = [[4.0, 2.0], [2.0, 6.0]]",
        "limit = 1 / 3",
        "coefficient = 32",
        'culprit = "log"',
        ("safe = autograd.softplus", "safe = autograd.relu"),
    ],
    "09": [
        "size = [8, 2]",
        "of_mean = 0.000967",
        ("leaky = lambda v: autograd.where(v > 0, v, 0.1 * v)", "leaky = lambda v: v if v > 0 else 0.1 * v"),
        "times = 3",
    ],
    "10": [
        "weights = [0.25, 0.75]",
        "pairs = 45",
        "clueless = log(27)",
        "of_q = 0.0",
        "factor = np.e**2",
    ],
}
