"""Machines for the tests of movable.sync."""

from collections.abc import Iterator

import pytest

from movable import VM


@pytest.fixture
def vm() -> Iterator[VM]:
    """A machine with two CPUs."""
    with VM("tiny") as machine:
        yield machine


@pytest.fixture
def other_vm() -> Iterator[VM]:
    """Another machine."""
    with VM("tiny") as machine:
        yield machine
