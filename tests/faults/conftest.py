"""A machine and a correct driver for the tests of faults."""

import pytest
from mutants.cells import Cells

from movable import VM


@pytest.fixture
def vm() -> VM:
    """A small machine with two CPUs."""
    return VM("tiny", debug=1)


@pytest.fixture
def cells(vm: VM) -> Cells:
    """A driver with six objects, each in a page of its own."""
    driver = Cells(vm)
    for number in range(6):
        assert driver.store(bytes([number]) * 100) is not None
    return driver
