"""The machine that the tests of page state use."""

from collections.abc import Iterator

import pytest
from migration.kit import Recorder

from movable import VM, Page


@pytest.fixture
def vm() -> Iterator[VM]:
    """A small machine that recounts everything after each call."""
    with VM("tiny", debug=2) as machine:
        yield machine


@pytest.fixture
def page(vm: VM) -> Page:
    """A page fresh from the allocator."""
    fresh = vm.alloc_page()
    assert fresh is not None
    return fresh


@pytest.fixture
def driver(vm: VM) -> Recorder:
    """A driver without pages."""
    return Recorder(vm)
