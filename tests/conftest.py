"""What every test may use."""

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
