"""Settings that all tests share, and the machine, driver and targets that tests of several folders use."""

from collections.abc import Iterator

import pytest
from hypothesis import settings
from migration.kit import Recorder, Targets

from movable import VM

settings.register_profile("movable", deadline=None, print_blob=True)
settings.load_profile("movable")


@pytest.fixture
def vm() -> Iterator[VM]:
    """A small machine that recounts everything after each call."""
    with VM("tiny", debug=2) as machine:
        yield machine


@pytest.fixture
def driver(vm: VM) -> Recorder:
    """A correct driver without pages, that lets pages go and moves them."""
    return Recorder(vm)


@pytest.fixture
def targets(vm: VM) -> Targets:
    """Targets that never run out."""
    return Targets(vm)
