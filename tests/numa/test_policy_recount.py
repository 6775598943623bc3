"""The full recount sees policies and sets of nodes that cannot be (design 4)."""

from collections.abc import Callable

import pytest
from numa.policies import LOW

from movable import PAGE_SIZE, VM, KernelAssertion, Mpol, Process
from movable._core import lib

ABSENT = 1 << 9


def of_process(process: Process) -> int:
    """A policy of the process that names a node which the machine has not."""
    process.set_mempolicy(Mpol.BIND, [0])
    return int(lib.mv_rebind_process(process.vm.machine.c, process.mm(), ABSENT))


def of_area(process: Process) -> int:
    """The same for a policy of an area."""
    process.mmap(PAGE_SIZE, address=LOW)
    process.mbind(LOW, PAGE_SIZE, Mpol.PREFERRED, [1])
    return int(lib.mv_rebind_areas(process.vm.machine.c, process.mm(), ABSENT))


def allowed(process: Process) -> int:
    """A process that may use an absent node."""
    return int(lib.mv_rebind_process(process.vm.machine.c, process.mm(), ABSENT))


@pytest.mark.parametrize(
    ("spoil", "seen"),
    [
        (of_process, "process 1: mode 2, flags 0x0, nodes 0x200"),
        (of_area, "an area of process 1: mode 1, flags 0x0, nodes 0x200"),
        (allowed, "process 1: mems_allowed 0x200"),
    ],
)
def test_a_recount_sees_it(vm: VM, process: Process, spoil: Callable[[Process], int], seen: str) -> None:
    """The recount names who has nodes that are not there."""
    vm.debug = 1
    vm.recount()
    assert spoil(process) == 0
    with pytest.raises(KernelAssertion) as caught:
        vm.recount()
    assert caught.value.rule.id == "recount-mm"
    assert seen in str(caught.value)
