"""A machine of four small nodes."""

from collections.abc import Iterator

import pytest
from numa.moving import machine

from movable import VM, Process


@pytest.fixture
def vm() -> Iterator[VM]:
    """Four nodes of 4 MiB, CPUs on the first two; recounts everything after each call."""
    with VM(machine(4), debug=2) as four:
        yield four


@pytest.fixture
def process(vm: VM) -> Process:
    """Root's process, without memory."""
    return vm.process()
