"""What happens at a line: Ctrl-C at every one of them, for tests of what is done wholly or not at all."""

import gc
import linecache
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["at_line"]


def at_line(
    count: int, action: Callable[[], None], function: Callable[[], Any], files: tuple[str, ...]
) -> tuple[Any, int]:
    """Run a function, and an action where it comes to the so many-th line of these files; what is left of the count.

    Not at a `with`: that line comes once more when its block is done, and there a tracer, unlike a signal, can be in time to
    keep `__exit__` from being called.
    """
    left = count
    passed: dict[tuple[str, int], bool] = {}

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal left
        name = frame.f_code.co_filename
        if not name.endswith(files):
            return None
        if event == "line":
            here = (name, frame.f_lineno)
            if here not in passed:
                passed[here] = linecache.getline(*here).strip().startswith("with ")
            left -= not passed[here]
            if left == 0 and not passed[here]:
                action()
        return trace

    former, collects = sys.gettrace(), gc.isenabled()
    gc.disable()  # what is raised in a callback of the garbage collector is lost
    sys.settrace(trace)
    try:
        return function(), left
    finally:
        sys.settrace(former)
        if collects:
            gc.enable()
