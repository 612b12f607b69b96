"""Ctrl-C at the right moment: not in the middle of a step, nor of what is written down about it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

__all__ = ["FREE", "ONCE", "WHOLE", "Interrupts"]

FREE, ONCE, WHOLE = 0, 1, 2


class Interrupts:
    """`with Interrupts() as interrupts:` decides in the block when Ctrl-C does what it did before.

    At first, and at the end, it is held; in between `interrupts.free()` lets it through at any moment, except in parts:

    with interrupts.held(WHOLE):    until the part is done
    with interrupts.held(ONCE):     until the part is done, or Ctrl-C is pressed again. If the part goes on after that, for
                                    it had a `fit` of its own which that ended, the first is let through when it is done

    Once an exception has left a part, the rest of the block, which is the tidying up, is held ONCE. A Ctrl-C that still
    waits at the end of the block is `waiting`. Outside the main thread, where none arrives, nothing is
    done.
    """

    def __init__(self, level: int = ONCE) -> None:
        self.level = level
        self.waiting = False
        self.former: Any = None

    def __enter__(self) -> Interrupts:
        self.former = signal.getsignal(signal.SIGINT)
        if callable(self.former):
            with suppress(ValueError):  # not in the main thread
                signal.signal(signal.SIGINT, self.arrived)
        return self

    def __exit__(self, *exception: object) -> None:
        if signal.getsignal(signal.SIGINT) == self.arrived:
            signal.signal(signal.SIGINT, self.former)

    def arrived(self, number: int, frame: FrameType | None) -> None:
        if self.level == WHOLE or (self.level == ONCE and not self.waiting):
            self.waiting = True
            return
        try:
            self.former(number, frame)
        except BaseException:
            self.level = ONCE
            raise

    def free(self) -> None:
        """From here on it is let through; one that waits is so at once."""
        self.level = FREE
        if self.waiting:
            self.waiting = False
            self.arrived(signal.SIGINT, None)

    @contextmanager
    def held(self, level: int) -> Iterator[None]:
        """Hold Ctrl-C until the block is done."""
        before = self.level
        self.level = max(before, level)
        try:
            yield
        except BaseException:
            self.level, self.waiting = ONCE, False
            raise
        if before == FREE:
            self.free()
        self.level = before
