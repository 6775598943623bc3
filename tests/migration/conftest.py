"""The machine, driver and targets that the tests of migration use."""

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
    """A driver without pages, that lets pages go and moves them."""
    return Recorder(vm)


@pytest.fixture
def targets(vm: VM) -> Targets:
    """Targets that never run out."""
    return Targets(vm)
