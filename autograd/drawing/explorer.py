"""`explore`: a function with a slider for each argument; moving one runs Python, and draws graph and curves anew."""

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .sliders import function_name, slider

if TYPE_CHECKING:
    from .widget import Explorer


def explore(f: Callable[..., Any], /, **arguments: Any) -> "Explorer":
    """f with a slider for each argument, its graph, and the curves of f and its derivative, as a live widget.

        explore(lambda a, b: (a * b).tanh(), a=(-3, 3), b=2.0)

    Whenever a slider moves, f is called anew with a Value for each argument, so that a Python `if` in f decides anew.

    Args:
        f: a function that computes one Value from Values.
        arguments: for each argument of f a slider, and for those given by a range also a curve:
            `a=(-3, 3)` from -3 to 3, at first in the middle; `a=(-3, 3, 1)` at first at 1;
            `b=2.0` a slider around that number, as ipywidgets' interact has it: from -2 to 6 (0 gives -1 to 1).

    Returns a widget, which a notebook shows at the end of a cell. Its traits `.a`, `.b`, ... can be read, set and observed;
    `.value`, `.gradients` (a dict), `.root` (the Value that f returned) and `.error` ("" if all is well) follow.

    Raises TypeError or ValueError for a range or a number that is none, for arguments that f does not take, and for names
    that the widget needs itself, as all that begin with `_`; ImportError if anywidget is not installed.
    """
    if not callable(f):
        raise TypeError(
            f"explore takes a function and a range for each argument, got {f!r:.80}: write explore(f, a=(-3, 3))"
        )
    if not arguments:
        raise TypeError("explore needs an argument to move, as in explore(f, a=(-3, 3))")
    sliders = {name: slider(name, given) for name, given in arguments.items()}
    try:
        inspect.signature(f).bind(**arguments)
    except TypeError as error:
        raise TypeError(f"{function_name(f)} cannot be called with {', '.join(arguments)}: {error}") from None
    except ValueError:  # some functions written in C do not tell
        pass
    try:
        from .widget import Explorer
    except ImportError as error:
        raise ImportError(
            "explore() needs anywidget, which is not installed: pip install anywidget (or this package's extra [notebook]); "
            "autograd.play(y) has sliders without it"
        ) from error
    return Explorer(f, sliders)
