"""migrate_pages and move_pages across cpusets: where a target may be, and where its caller may allocate."""

from collections.abc import Callable
from errno import EACCES, EINVAL, ENODEV, ENOMEM, EPERM

import pytest
from numa.moving import error_of, spread, unprivileged, where

from movable import VM, Mpol, MpolFlag, Process

Confine = Callable[[Process, str], None]


@pytest.fixture
def confine(vm: VM) -> Confine:
    """Puts a process into a cpuset of its own with these mems."""

    def confine(process: Process, mems: str) -> None:
        cpuset = vm.cpusets.create(f"set{process.pid}")
        cpuset.write("cpuset.cpus", "0-3")
        cpuset.write("cpuset.mems", mems)
        cpuset.attach(process)

    return confine


def test_migrate_pages_beyond_the_targets_cpuset(vm: VM, confine: Confine) -> None:
    """EPERM without CAP_SYS_NICE, allowed with it; an absent node is EPERM without and EINVAL with (fact 59)."""
    root, target, user = vm.process(), unprivileged(vm), unprivileged(vm)
    addresses = spread(target, [0, 1])
    confine(target, "0-1")
    assert error_of(lambda: user.migrate_pages(target.pid, {0}, {2})) == EPERM
    assert error_of(lambda: user.migrate_pages(target.pid, {0}, {9})) == EPERM
    assert error_of(lambda: root.migrate_pages(target.pid, {0}, {9})) == EINVAL
    assert root.migrate_pages(target.pid, {0}, {2}) == 0
    assert where(target, addresses) == [2, 1]
    assert user.migrate_pages(target.pid, {2}, {1}) == 0
    assert where(target, addresses) == [1, 1]


def test_the_callers_mems_give_no_page(vm: VM, process: Process, confine: Confine) -> None:
    """A destination outside the caller's own mems_allowed ends as ENOMEM once a page is to go there (9.7)."""
    target = vm.process()
    addresses = spread(target, [0, 1])
    confine(process, "0-1")
    assert process.migrate_pages(target.pid, {2}, {3}) == 0
    assert error_of(lambda: process.migrate_pages(target.pid, {0}, {2})) == ENOMEM
    assert error_of(lambda: process.move_pages(target.pid, addresses, [2, 2])) == ENOMEM
    assert where(target, addresses) == [0, 1]
    assert process.move_pages(target.pid, addresses, [1, 0]) == [1, 0]


def test_move_pages_beyond_the_targets_cpuset(vm: VM, process: Process, confine: Confine) -> None:
    """EACCES even for root, nothing of the chunk moves; an absent node is ENODEV before it (9.8 rows 8, 9, fact 60)."""
    target = vm.process()
    addresses = spread(target, [0, 0])
    confine(target, "0-1")
    assert error_of(lambda: process.move_pages(target.pid, addresses, [1, 2])) == EACCES
    assert error_of(lambda: process.move_pages(target.pid, addresses, [9, 2])) == ENODEV
    assert error_of(lambda: process.move_pages(target.pid, addresses, [2, 9])) == EACCES
    assert where(target, addresses) == [0, 0]
    assert process.move_pages(target.pid, addresses) == [0, 0]
    assert process.move_pages(target.pid, addresses, [1, 1]) == [1, 1]


def test_numa_maps_names_the_policy(vm: VM, process: Process) -> None:
    """The area's policy, else the process's; in shared memory the file's, for private mappings too (9.10)."""
    own, bound = spread(process, [0]), spread(process, [1])
    file = vm.file("/t/f2", 4096, tmpfs=True)
    shared, private = process.mmap(4096, shared=True, file=file), process.mmap(4096, file=file)
    process.mbind(bound[0], 4096, Mpol.BIND, {0, 1})
    process.mbind(shared, 4096, Mpol.INTERLEAVE, {1, 2})
    process.set_mempolicy(Mpol.PREFERRED | MpolFlag.STATIC_NODES, {3})
    texts = {int(line.split()[0], 16): line.split()[1] for line in process.numa_maps().splitlines()}
    assert texts == {
        own[0]: "prefer=static:3",
        bound[0]: "bind:0-1",
        shared: "interleave:1-2",
        private: "interleave:1-2",
    }
