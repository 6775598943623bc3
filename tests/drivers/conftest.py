"""The machine and the driver that the tests of drivers use."""

from collections.abc import Iterator

import pytest
from migration.kit import Recorder, Targets

from movable import VM


@pytest.fixture
def vm() -> Iterator[VM]:
    """A small machine that recounts everything after each call."""
    with VM("tiny", debug=2) as machine:
        yield machine


@pytest.fixture
def driver(vm: VM) -> Recorder:
    """A correct driver, to be led astray."""
    return Recorder(vm)


@pytest.fixture
def targets(vm: VM) -> Targets:
    """Targets that never run out."""
    return Targets(vm)
