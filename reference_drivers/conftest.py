"""A pool on a small machine."""

import pytest
from zs_kit import Kit, Watcher

from movable import VM
from movable_zsmalloc import ZsPool


@pytest.fixture
def kit(vm: VM) -> Kit:
    """An empty pool, seen from inside."""
    return Kit(vm)


@pytest.fixture
def pool(kit: Kit) -> ZsPool:
    """The same pool, as its users see it."""
    return kit.pool


@pytest.fixture
def watcher(kit: Kit) -> Watcher:
    """What stands around the callbacks of the pool."""
    return Watcher(kit)
