"""Is a gradient that somebody derived by hand right, and if not, what is the mistake? See `check_derivation`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..functional import Argnum
from .checking import check
from .report import Report, Row

__all__ = ["Report", "Row", "check_derivation"]


def check_derivation(
    f: Callable[..., Any] | str,
    claimed: Any,
    *args: Any,
    argnum: Argnum | None = None,
    keep: str | Sequence[str] = (),
    seed: int = 0,
    **kwargs: Any,
) -> Report:
    """Compare a gradient derived by hand with the engine's, at the given arguments, at random ones, and at other sizes.

    >>> print(check_derivation("(sigmoid(w*x) - y)**2/2", "p = sigmoid(w*x); (y - p)*p*(1 - p)*x", w=0.5, x=2.0, y=1.0))
    the gradient of w is wrong ...

    Args:
        f: a function of the arguments that returns one number, or an array of them (the claim is then a Jacobian, of the
            output's shape followed by the argument's). It is run on Values: NumPy code on arrays of them, autograd's
            functions, loops over lists. Or its text: an expression, or lines of NumPy code whose result is `loss` or the
            last line; names are then the keyword arguments.
        claimed: the gradients, as a function of the same arguments that returns one (by `argnum`, else that of the first
            argument), a tuple of them, or a dict by name; as a dict of name -> function, formula or array; as a formula,
            "X.T @ (p - t)", possibly after definitions; or as lines of NumPy code that assign `dW = ...` or
            `grads["W"] = ...`. Texts are evaluated by a whitelist; if f is a text, they know the names that it assigns.
        args, kwargs: the arguments of f: floats, arrays of floats and nested lists of them; integers (a stride), arrays of
            integers (labels). Floats are drawn anew, with the character of those given; equal lengths vary together. A list
            or dict of parameters is taken apart: `lambda W1, W2: f([W1, W2])`.
        argnum: whose gradients are claimed, a position or name, or a tuple of these.
        keep: names of arguments that stay as given.
        seed: of the random points.

    Returns a `Report`: `str()` is a table, `report.right` (and `bool(report)`) says whether all is right, `report["W"]` is a
    `Row` of `name`, `verdict`, `kind`, `text` and `error`. A wrong derivation is no error. The table's columns:

        parameter: whose gradient it is (`name`).
        verdict: "right" at every point; "right only ..." under the condition said, as for stride = 1, a batch of one, targets
            that sum to 1; "wrong".
        what: the mistake in a sentence (`text`), if one explains the claim at all points; else how far an entry is off.
        relative error: the largest distance of an entry from the engine's, divided by the gradient's largest entry, at the
            worst point (`error`): 1 is as far off as a claim of zeros, 2 as one with the other sign. It is empty where the
            gradient is right, and where the shapes differ or the claim does not run, so that nothing can be compared.

    `kind` is "" for a right one, else "unexplained" or one of

        sign: minus it. factor: a constant number times it. size factor: times a number of rows, or divided by it.
        transposed: it or a factor of it is transposed. wrong axis: summed over another axis. not summed: a sum is forgotten,
        or only one of its terms counts. summed twice: sums of factors are multiplied for a sum of products.
        regulariser missing, regulariser factor: the penalty's part is. slope missing, slope twice: a function's slope is
        forgotten, or there twice. wrong slope: it is taken at another number, where none belongs, or of another function.
        wrong index: entries are taken at other places. wrong layer: what belongs to another layer.
        softmax coupling: only what each score does to its own probability. batch of one, stride, sum of targets: right, but
        only for one row, or as many as are given, for one stride, for targets that sum to 1. not a derivative: the function
        itself.

    The notes below the table say at which points it was looked (`report.notes`).

    Raises TypeError or ValueError for what cannot be compared: an f that returns no Value or is not finite at the given
    arguments, a claim of other names, code that raises (as `__cause__`), or an unknown name. A claim of a wrong shape, or one
    whose arrays do not fit each other, is a row like others; it is raised only if no mistake explains it, and no other
    gradient that was claimed could be compared, so that the report would say nothing.
    """
    return check(f, claimed, args, kwargs, argnum, keep, seed)
