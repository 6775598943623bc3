"""The page that the tests of page state use."""

import pytest

from movable import VM, Page


@pytest.fixture
def page(vm: VM) -> Page:
    """A page fresh from the allocator."""
    fresh = vm.alloc_page()
    assert fresh is not None
    return fresh
