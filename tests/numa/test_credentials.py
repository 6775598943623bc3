"""Who a process is, and what that lets it do to others (spec/migration.md 9.7 row 3)."""

import pytest
from numa.moving import USER

from movable import CAP_SYS_NICE, PAGE_SIZE, VM, Credentials, MovableError, Process

SOMEBODY = Credentials(1, 2, 3)


@pytest.mark.parametrize(
    ("caller", "allowed"),
    [
        (Credentials(1, 9, 9), True),
        (Credentials(9, 1, 9), True),
        (Credentials(3, 9, 9), True),
        (Credentials(9, 3, 9), True),
        (Credentials(2, 2, 2), False),
        (Credentials(9, 9, 1), False),
        (Credentials(9, 9, 3), False),
        (Credentials(0, 0, 0), False),
        (Credentials(9, 9, 9, frozenset({CAP_SYS_NICE})), True),
        (Credentials(9, 9, 9, frozenset({"CAP_SYS_ADMIN"})), False),
    ],
    ids=str,
)
def test_who_may_move_whose_memory(caller: Credentials, allowed: bool) -> None:
    """The caller's real or effective id is the target's real or saved one, or CAP_SYS_NICE is in force (9.7 row 3)."""
    assert caller.may_move(SOMEBODY) is allowed


def test_root_and_users(vm: VM) -> None:
    """Root's processes have CAP_SYS_NICE, other users' have not; uid is the real id."""
    assert vm.process().credentials == Credentials(0, 0, 0, frozenset({CAP_SYS_NICE}))
    assert vm.process(uid=USER).credentials == Credentials(USER, USER, USER)
    assert vm.process(uid=USER).uid == USER


def test_a_child_has_its_parents_credentials(vm: VM, process: Process) -> None:
    """fork copies them; later changes are each one's own."""
    process.credentials = Credentials(1, 2, 3, frozenset({CAP_SYS_NICE}))
    child = process.fork()
    process.credentials = SOMEBODY
    assert child.credentials == Credentials(1, 2, 3, frozenset({CAP_SYS_NICE}))


@pytest.mark.parametrize("uid", [-1, 2**32 - 1, 2**40])
def test_ids_have_32_bits(vm: VM, uid: int) -> None:
    """The last number means no id."""
    with pytest.raises(MovableError, match="uid: must be 0 to"):
        vm.process(uid=uid)


def test_capabilities_have_names() -> None:
    """A capability goes by its kernel name."""
    with pytest.raises(MovableError, match="capabilities: must be names such as 'CAP_SYS_NICE', not 'root'"):
        Credentials(capabilities=["root"])
    assert Credentials(capabilities=CAP_SYS_NICE).capable(CAP_SYS_NICE)


def test_a_zombie(vm: VM, process: Process) -> None:
    """exit(reap=False) frees the memory and keeps the pid until reap()."""
    free = vm.vmstat()["nr_free_pages"]
    zombie = vm.process()
    zombie.touch(zombie.mmap(PAGE_SIZE))
    zombie.exit(reap=False)
    vm.lru_add_drain_all()
    assert vm.vmstat()["nr_free_pages"] == free
    assert (zombie.ended, vm.find_process(zombie.pid), vm.processes) == (True, zombie, (process,))
    zombie.reap()
    assert vm.find_process(zombie.pid) is None
    for one in (zombie, process):
        with pytest.raises(MovableError, match="is no zombie"):
            one.reap()


def test_a_kernel_thread(vm: VM) -> None:
    """It has a pid and no memory, and is in no list of processes."""
    thread = vm.kernel_thread()
    assert (vm.find_process(thread.pid), vm.processes) == (thread, ())
    assert not thread.ended
    assert repr(thread) == "<Process 1, kernel thread>"
    with pytest.raises(MovableError, match="process 1 is a kernel thread and has no memory"):
        thread.mmap(PAGE_SIZE)
    with pytest.raises(MovableError, match="process 1 is a kernel thread and has no memory"):
        thread.exit()
