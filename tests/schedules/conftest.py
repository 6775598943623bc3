"""A machine of four CPUs."""

import pytest
from schedules.kit import MACHINE

from movable import VM


@pytest.fixture
def vm() -> VM:
    """A machine of its own for each test; a failed run leaves it dead."""
    return VM(MACHINE)
