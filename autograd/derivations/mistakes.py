"""The mistakes that people make, and which of them explains a claimed gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from . import arrays, indices, sweeps
from .cases import Case, Hypothesis, ratio_of, same, times
from .cases import Mistake as Mistake
from .samples import Sample

KINDS = (
    "sign", "factor", "size factor", "transposed", "wrong axis", "not summed", "summed twice", "regulariser missing",
    "regulariser factor", "slope missing", "slope twice", "wrong index", "wrong layer", "softmax coupling", "batch of one",
    "stride", "sum of targets", "not a derivative", "wrong slope",
)  # fmt: skip

# Simplest first: each gives hypotheses, or a mistake that it has found to hold
FAMILIES: tuple[Callable[[Case], Iterable[Any]], ...] = (
    arrays.constant_factor,
    arrays.transposed,
    indices.jacobian_indices,
    arrays.batch_sum,
    arrays.extra_axis,
    arrays.other_shape,
    arrays.sums_of_right,
    arrays.regulariser,
    sweeps.slopes,
    arrays.function_itself,
    arrays.argument_factor,
    sweeps.factors,
    sweeps.softmax_coupling,
    sweeps.signs,
    sweeps.paths,
    sweeps.other_layers,
    sweeps.other_slopes,
    sweeps.slopes_of_none,
    arrays.integer_one,
    arrays.targets_that_sum,
    sweeps.sums_on_the_way,
    indices.other_label,
    indices.other_entries,
    indices.reversed_index,
    indices.other_indices,
)  # fmt: skip
RESTRICTED = ("batch of one", "stride", "sum of targets")  # the kinds that these find
RESTRICTIONS: tuple[Callable[[Case], Iterable[Any]], ...] = (
    arrays.integer_one,
    arrays.targets_that_sum,
    arrays.size_one,
)


def explain(samples: Sequence[Sample], name: str, more: Callable[[int], list[Sample]] | None = None) -> Mistake | None:
    """The simplest known mistake that gives the claim in every sample in which it can be judged; None if there is none.

    Args:
        samples: several, of which some should have other sizes.
        name: the claimed argument.
        more: gives as many further samples at the given sizes as asked for, with other floats. Without it the last resort,
            a fit of the claim to the right gradient's terms, is not tried.
    """
    case = Case(samples, name, more)
    if not case.wrong:  # right wherever it does not raise
        return next(
            (mistake for family in RESTRICTIONS for mistake in family(case) if isinstance(mistake, Mistake)), None
        )
    for _ in case.pilots():
        mistake = simplest(case) or indices.regression(case)
        if mistake:
            return mistake
    return next(arrays.size_one(case), None)


def simplest(case: Case) -> Mistake | None:
    """The first mistake that holds; of those that hold with a factor besides, after all others, also the first."""
    scaled: list[tuple[Hypothesis, float]] = []
    for family in FAMILIES:
        for hypothesis in family(case):
            if isinstance(hypothesis, Mistake):
                return hypothesis
            predicted, claimed = hypothesis.predict(case.pilot), case.pilot.judged(hypothesis.raw)
            if predicted is None or claimed is None:
                continue
            ratio = ratio_of(claimed, predicted)
            if ratio is None:
                cancelled = np.any(claimed) and np.any(predicted) and same(claimed, predicted, 1e-5 * case.pilot.scale)
                if not cancelled:
                    continue
                ratio = 1.0
            if abs(ratio - 1) < 1e-5:
                if case.holds(hypothesis):
                    return told(hypothesis)
            else:
                scaled.append((hypothesis, ratio))
    found = (with_factor(case, hypothesis, ratio) for hypothesis, ratio in scaled)
    return next((mistake for mistake in found if mistake), None)


def told(hypothesis: Hypothesis, more: str = "") -> Mistake:
    """A hypothesis that holds; of one that something more is said of, only what comes before a colon."""
    text = hypothesis.text if isinstance(hypothesis.text, str) else hypothesis.text()
    return Mistake(hypothesis.kind, text.partition(": ")[0] + more if more else text)


def with_factor(case: Case, hypothesis: Hypothesis, ratio: float) -> Mistake | None:
    """A mistake and a sign or a factor besides."""
    for factor in (-1.0, 2.0, -2.0, 0.5, -0.5):
        if abs(ratio / factor - 1) < 1e-5 and case.holds(hypothesis, lambda view, factor=factor: factor):
            words = "the sign is flipped" if factor == -1 else f"it is {times(factor)}"
            if hypothesis.kind in RESTRICTED:  # it is right nowhere
                besides = told(hypothesis).text.partition(":")[0]
                return Mistake("sign" if factor == -1 else "factor", f"{words}; besides, {besides}")
            return told(hypothesis, f", and {words}")
    ratios = []
    for view in case.views:
        predicted, claimed = hypothesis.predict(view), view.judged(hypothesis.raw)
        if predicted is not None and claimed is not None and (predicted.any() or claimed.any()):
            found = ratio_of(claimed, predicted)
            if found is None:
                return None
            ratios.append((view, found))
    found_factor = case.explain_factor(ratios) if len(ratios) > 1 else None
    if found_factor and found_factor[0] == "size factor" and len({round(r, 6) for _, r in ratios}) > 1:
        return told(hypothesis, f", and it is {found_factor[1]}")
    return None
