"""Machines with a balloon on them."""

import pytest

from movable import VM
from movable_balloon import Host, VirtioBalloon


@pytest.fixture
def host(vm: VM) -> Host:
    """The host of the small machine."""
    return Host(vm)


@pytest.fixture
def balloon(vm: VM, host: Host) -> VirtioBalloon:
    """An empty balloon on the small machine."""
    return VirtioBalloon(vm, host)
