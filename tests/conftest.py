"""What every test may use."""

import signal
from collections.abc import Iterator

import pytest
from browser import browser
from hypothesis import settings

from autograd import modes

__all__ = ["browser"]

settings.register_profile("default", deadline=None, derandomize=True)
settings.load_profile("default")


@pytest.fixture(autouse=True)
def _no_mode_left_on() -> Iterator[None]:
    yield
    assert not modes.active, "a test left no_grad or detect_anomaly on"


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C as Python has it: tests that run in a shell's background inherit that it is ignored."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)
