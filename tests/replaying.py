"""What the tests of replay compare with: the same function built from Values, lane by lane, and swept eagerly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import autograd
from autograd import Value, topological_sort

Array = NDArray[np.float64]
Build = Callable[[list[Value], list[Value]], Any]  # (inputs, parameters) -> an output, or a list of them


class Eager(NamedTuple):
    """Every lane's numbers, and how large the terms were that they are sums of."""

    values: Array  # (outputs, lanes)
    lane_gradients: Array  # (lanes, parameters), of the weighted sum of the outputs
    input_gradients: Array  # (lanes, inputs)
    value_terms: Array  # shaped as values: the largest |node| * |d output / d node|, every path counted as positive
    lane_terms: Array  # shaped as lane_gradients: the sum over all paths of the product of the |local derivatives|
    input_terms: Array  # shaped as input_gradients


def leaves_of(numbers: Sequence[Any]) -> list[Value]:
    """A new leaf for each number; a Value, such as a model's parameter, stays what it is."""
    return [x if isinstance(x, Value) else Value(float(x)) for x in numbers]


def as_list(outputs: Any) -> list[Value]:
    return [outputs] if isinstance(outputs, Value) else list(outputs)


def absolute_gradients(root: Value) -> dict[Value, float]:
    """The sum over all paths from the root of the product of the |local derivatives|, of every node."""
    found = {root: 1.0}
    for node in reversed(topological_sort(root)):
        for parent, slope in zip(node.parents, node.slopes):
            if slope:
                found[parent] = found.get(parent, 0.0) + found.get(node, 0.0) * abs(slope)
    return found


def weighted(outputs: list[Value], weights: Any) -> Value:
    """The outputs times their weights, summed: what a lane's gradients are those of."""
    return autograd.sum([y * float(weight) for y, weight in zip(outputs, weights, strict=True)])


def weights_of(upstream: Any, outputs: int, lanes: int, single: bool) -> Array:
    """`upstream` as an array (outputs, lanes)."""
    shape = (lanes,) if single else (outputs, lanes)
    return np.broadcast_to(1.0 if upstream is None else np.asarray(upstream, float), shape).reshape(outputs, lanes)


def eager(build: Build, columns: Any, parameters: Sequence[Any], upstream: Any = None) -> Eager:
    """A function of inputs and parameters on each lane (a row of columns), built from new leaves and swept."""
    rows = []
    for lane, row in enumerate(columns):
        xs, ps = leaves_of(row), leaves_of(parameters)
        built = build(xs, ps)
        outputs = as_list(built)
        weights = weights_of(upstream, len(outputs), len(columns), isinstance(built, Value))[:, lane]
        found = autograd.gradients(weighted(outputs, weights), [*xs, *ps])
        sizes = absolute_gradients(weighted(outputs, np.abs(weights)))
        terms = [sizes.get(leaf, 0.0) for leaf in (*xs, *ps)]
        largest = [
            max((size * abs(node.data) for node, size in absolute_gradients(y).items()), default=0.0) for y in outputs
        ]
        count = len(xs)
        rows.append(([y.data for y in outputs], found[count:], found[:count], largest, terms[count:], terms[:count]))
    values, lane_gradients, input_gradients, value_terms, lane_terms, input_terms = (
        np.array([row[i] for row in rows], float) for i in range(6)
    )
    return Eager(values.T, lane_gradients, input_gradients, value_terms.T, lane_terms, input_terms)


def same(got: Any, right: Any) -> None:
    """Equal number for number, NaN where NaN."""
    got, right = np.asarray(got), np.asarray(right)
    assert got.shape == right.shape
    np.testing.assert_array_equal(got, right)


def close(got: Any, right: Any, terms: Any, within: float = 1e-12, what: str = "") -> None:
    """Equal (infinities, NaN where NaN), or apart by no more than `within` times the size of the terms."""
    assert isinstance(got, np.ndarray) and got.dtype == np.float64, what
    assert got.shape == right.shape, (what, got.shape, right.shape)
    with np.errstate(all="ignore"):
        fine = (got == right) | (np.isnan(got) & np.isnan(right)) | (np.abs(got - right) <= within * terms)
    if not fine.all():
        at = tuple(np.argwhere(~fine)[0])
        raise AssertionError(f"{what}{list(map(int, at))}: got {got[at]!r}, right {right[at]!r}, terms {terms[at]!r}")


def total(lanes: Array) -> Array:
    """The sum over lanes, correct to the last places."""
    with np.errstate(all="ignore"):
        return np.asarray(lanes.astype(np.longdouble).sum(axis=0).astype(np.float64))


def record(build: Build, inputs: Sequence[float], parameters: Sequence[Any]) -> tuple[Any, list[Value], list[Value]]:
    """One example, built: the output or outputs, the inputs, the parameters."""
    xs, ps = leaves_of(inputs), leaves_of(parameters)
    return build(xs, ps), xs, ps


def check_result(
    result: Any,
    right: Eager,
    reduce: str = "sum",
    within: float = 1e-12,
    single: bool = True,
    all_of_it: bool = True,
    finite_sums: bool = False,
) -> None:
    """A result of a plan beside the eager numbers; `all_of_it`: with each lane's gradients and those of the inputs.

    `finite_sums`: of the sums over lanes only those are looked at that are finite. Where a parameter is an infinity, it
    depends on the order of adding and multiplying whether infinities of both signs meet.
    """
    values, value_terms = (right.values[0], right.value_terms[0]) if single else (right.values, right.value_terms)
    share = len(right.lane_gradients) if reduce == "mean" else 1
    close(result.values, values, value_terms, within, "values")
    sums, sum_terms = total(right.lane_gradients) / share, total(right.lane_terms) / share
    looked_at = np.isfinite(sums) if finite_sums else np.full(sums.shape, True)
    assert result.gradients.shape == sums.shape
    close(result.gradients[looked_at], sums[looked_at], sum_terms[looked_at], within, "gradients")
    if not all_of_it:
        assert result.lane_gradients is None
        assert result.input_gradients is None
        return
    close(result.lane_gradients, right.lane_gradients / share, right.lane_terms / share, within, "lane_gradients")
    close(result.input_gradients, right.input_gradients / share, right.input_terms / share, within, "input_gradients")


def check(
    build: Build,
    columns: Any,
    parameters: Sequence[Any],
    *,
    recorded: Sequence[float] | None = None,
    upstream: Any = None,
    reduce: str = "sum",
    within: float = 1e-12,
    finite_sums: bool = False,
) -> Any:
    """Replay a function on columns, beside the eager numbers of every lane; the plan.

    It is recorded at inputs of its own, by default those of the first lane moved a little.
    """
    columns = np.asarray(columns, float)
    at = [float(x) + 0.25 for x in columns[0]] if recorded is None else recorded
    output, xs, ps = record(build, at, parameters)
    plan = autograd.replay(output, xs, ps)
    right = eager(build, columns, parameters, upstream)
    single = isinstance(output, Value)
    for extra in (True, False):
        result = plan(columns, reduce=reduce, upstream=upstream, lane_gradients=extra, input_gradients=extra)
        check_result(result, right, reduce, within, single, extra, finite_sums)
    return plan
