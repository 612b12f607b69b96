"""A tiny scalar reverse-mode autograd engine.

>>> from autograd import Value
>>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
>>> y = (a * b + 10).tanh()
>>> y.backward()
>>> a.grad, b.grad
(-0.004022..., 0.002681...)

`Value` and the sweep stand in `autograd.engine`, every operation and its derivatives in `autograd.rules`. Drawing and
planning are imported when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .branches import BranchError
from .checks import GradientError, check_gradients
from .engine import Constant, Value, gradients, topological_sort
from .functional import grad, hessian, hvp, jacobian, jvp, value_and_grad
from .modes import detect_anomaly, no_grad, record
from .naming import label
from .operations import (
    acos, add, asin, atan, atan2, cbrt, cos, cosh, dot, elu, erf, exp, expm1, gelu, hypot, leaky_relu, log, log1p, log2,
    log10, logsigmoid, logsumexp, maximum, minimum, mul, neg, normal_cdf, operation, prod, relu, sigmoid, silu, sin, sinh,
    softmax_cross_entropy, softplus, sqrt, sub, tan, tanh, truediv, where,
)  # fmt: skip
from .operations import abs as abs
from .operations import pow as pow
from .operations import sum as sum
from .rules import Rule

if TYPE_CHECKING:
    from . import drawing as drawing
    from . import planning as planning
    from .derivations import check_derivation
    from .drawing.dot import draw_dot, trace
    from .drawing.draw import draw as draw
    from .drawing.explorer import explore
    from .drawing.ledger import ledger as ledger
    from .drawing.outline import tree
    from .drawing.paths import paths as paths
    from .drawing.player import play
    from .drawing.snapshot import snapshot as snapshot
    from .planning import replay
    from .quizzes.broken import broken_rule
    from .quizzes.exercises import exercise
    from .quizzes.quiz import quiz

__all__ = [  # but for abs, pow and sum, which a star import would put in the place of Python's own
    "BranchError", "Constant", "GradientError", "Rule", "Value", "acos", "add", "asin", "atan", "atan2", "broken_rule",
    "cbrt", "check_derivation", "check_gradients", "cos", "cosh", "detect_anomaly", "dot", "draw", "draw_dot", "elu",
    "erf", "exercise", "exp", "explore", "expm1", "gelu", "grad", "gradients", "hessian", "hvp", "hypot", "jacobian",
    "jvp", "label", "leaky_relu", "ledger", "log", "log1p", "log2", "log10", "logsigmoid", "logsumexp", "maximum",
    "minimum", "mul", "neg", "no_grad", "normal_cdf", "operation", "paths", "play", "prod", "quiz", "record", "relu",
    "replay", "sigmoid", "silu", "sin", "sinh", "snapshot", "softmax_cross_entropy", "softplus", "sqrt", "sub", "tan",
    "tanh", "topological_sort", "trace", "tree", "truediv", "value_and_grad", "where",
]  # fmt: skip

__version__ = "0.1.0"


LAZY = dict.fromkeys(("draw", "draw_dot", "explore", "ledger", "paths", "play", "snapshot", "trace", "tree"), "drawing")
LAZY |= {"check_derivation": "derivations", "replay": "planning"}
LAZY |= {"broken_rule": "quizzes.broken", "exercise": "quizzes.exercises", "quiz": "quizzes.quiz"}
SUBMODULES = ("drawing", "planning", "symbols")


def __getattr__(name: str) -> Any:
    if name in SUBMODULES:
        return import_module(f"{__name__}.{name}")
    if name in LAZY:
        return getattr(import_module(f"{__name__}.{LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *SUBMODULES, *LAZY})


MOST_SHOWN, MOST_FOLDED = 40, 2_000  # nodes that a notebook draws unasked, and of a model that it folds to so many


def _repr_mimebundle_(value: Value, **chosen: Any) -> Any:
    """What a notebook shows of a Value that ends a cell: the drawing of a graph that is small, or small when the parts of a
    model are folded; of any other None, so its text."""
    try:
        from .drawing.snapshot import counted
        from .naming import call_of

        count = counted(value, MOST_FOLDED)
        if not 1 < count <= MOST_FOLDED or (count > MOST_SHOWN and not any(map(call_of, topological_sort(value)))):
            return None
        from .drawing import draw, snapshot
        from .drawing.folding import auto

        graph = auto(snapshot(value), MOST_SHOWN)
        return draw(graph)._repr_mimebundle_(**chosen) if len(graph.nodes) <= MOST_SHOWN else None
    except Exception:  # what is shown must never be in the way of what was computed
        return None


Value._repr_mimebundle_ = _repr_mimebundle_  # type: ignore[attr-defined]
