"""Graphs that several tests draw, tell and play."""

from autograd import Value


def lecture(a: float = 2.0, b: float = -3.0, c: float = 10.0) -> tuple[Value, dict[str, Value]]:
    """L = tanh((a*b + c) / 5), with labels; and its nodes by name."""
    x, y, z = Value(a, label="a"), Value(b, label="b"), Value(c, label="c")
    d = x * y
    d.label = "d"
    e = (d + z) / 5
    e.label = "e"
    root = e.tanh()
    root.label = "L"
    return root, {"a": x, "b": y, "c": z, "d": d, "e": e}
