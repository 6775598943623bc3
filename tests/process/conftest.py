"""A process on the small machine."""

import pytest

from movable import VM, Process


@pytest.fixture
def process(vm: VM) -> Process:
    """A process without memory, on a machine with swap space."""
    vm.swapon(64)
    return vm.process()
