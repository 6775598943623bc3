"""movable.sync: what SpinLock and Mutex allow on one CPU (spec/drivers.md 6.1)."""

import pytest

from movable import VM
from movable.errors import DeadVM, KernelAssertion
from movable.sync import Mutex, SpinLock

LOCKS = [SpinLock, Mutex]
AnyLock = SpinLock | Mutex


@pytest.fixture(params=LOCKS)
def lock(request: pytest.FixtureRequest, vm: VM) -> AnyLock:
    """A lock of either kind on the machine."""
    made: AnyLock = request.param(vm, "pool")
    return made


def test_a_new_lock_is_free(lock: AnyLock) -> None:
    """A new lock has no owner."""
    assert lock.owner is None
    assert not lock.held


def test_acquire_records_the_cpu(vm: VM, lock: AnyLock) -> None:
    """The owner of a lock is the CPU that ran when it was taken."""
    vm.cpu = 1
    lock.acquire()
    assert lock.owner == 1
    assert lock.held


def test_held_is_about_the_running_cpu(vm: VM, lock: AnyLock) -> None:
    """A lock that CPU 0 holds is not held from CPU 1's point of view."""
    lock.acquire()
    vm.cpu = 1
    assert not lock.held
    assert lock.owner == 0


def test_release_frees(lock: AnyLock) -> None:
    """A released lock can be taken again."""
    for _ in range(2):
        lock.acquire()
        lock.release()
    assert lock.owner is None


def test_context_manager_releases_on_every_exit(lock: AnyLock) -> None:
    """Leaving the with block releases the lock, by an exception too."""
    with lock as entered:
        assert entered is lock
        assert lock.held
    with pytest.raises(LookupError), lock:
        raise LookupError
    assert lock.owner is None


def test_trylock_takes_a_free_lock(lock: AnyLock) -> None:
    """A try on a free lock takes it."""
    assert lock.trylock() is True
    assert lock.held


@pytest.mark.parametrize("cpu", [0, 1])
def test_trylock_never_waits(vm: VM, lock: AnyLock, cpu: int) -> None:
    """A try on a taken lock answers False at once, for the holder as for any other CPU, and changes
    nothing.
    """
    lock.acquire()
    vm.cpu = cpu
    assert lock.trylock() is False
    assert lock.owner == 0


def test_taking_a_lock_one_holds_is_a_deadlock(vm: VM, lock: AnyLock) -> None:
    """A CPU that takes a lock it holds waits for itself: a fatal assertion naming the lock and the CPU."""
    lock.acquire()
    with pytest.raises(KernelAssertion, match="'pool'") as caught:
        lock.acquire()
    assert caught.value.rule.id == "self-deadlock"
    assert caught.value.seen == "held by CPU 0"
    with pytest.raises(DeadVM):
        vm.alloc_page()


def test_waiting_for_a_cpu_that_does_not_run_is_a_deadlock(vm: VM, lock: AnyLock) -> None:
    """Without a scheduler nobody can release a lock that another CPU holds, so waiting for it is a
    deadlock.
    """
    lock.acquire()
    vm.cpu = 1
    with pytest.raises(KernelAssertion) as caught:
        lock.acquire()
    assert caught.value.rule.id == "self-deadlock"
    assert caught.value.cpu == 1


def test_releasing_a_free_lock_is_a_violation(lock: AnyLock) -> None:
    """A lock that nobody holds cannot be released."""
    with pytest.raises(KernelAssertion) as caught:
        lock.release()
    assert caught.value.rule.id == "lock-not-held"
    assert caught.value.seen == "free"


def test_only_the_holder_releases(vm: VM, lock: AnyLock) -> None:
    """A lock that another CPU holds cannot be released, and stays with its owner."""
    lock.acquire()
    vm.cpu = 1
    with pytest.raises(KernelAssertion) as caught:
        lock.release()
    assert caught.value.rule.id == "lock-not-held"
    assert lock.owner == 0


def test_a_lock_can_be_released_on_a_dead_machine(vm: VM, lock: AnyLock) -> None:
    """The with block of a driver ends cleanly although the machine died inside it."""
    with pytest.raises(KernelAssertion, match="other"), lock:
        SpinLock(vm, "other").release()
    assert lock.owner is None


@pytest.mark.parametrize("kind", LOCKS)
def test_a_lock_without_a_machine(kind: type[AnyLock]) -> None:
    """A lock that belongs to no machine works as CPU 0's and raises the same assertions."""
    lock = kind(None, "loose")
    with lock:
        assert lock.owner == 0
        with pytest.raises(KernelAssertion) as caught:
            lock.acquire()
    assert caught.value.rule.id == "self-deadlock"
    with pytest.raises(KernelAssertion) as caught:
        lock.release()
    assert caught.value.rule.id == "lock-not-held"


@pytest.mark.parametrize("kind", LOCKS)
@pytest.mark.parametrize("name", ["", None])
def test_a_lock_needs_a_name(kind: type[AnyLock], name: object) -> None:
    """A lock without a name is refused with a message that says what is missing."""
    with pytest.raises(TypeError, match="name"):
        kind(None, name)  # type: ignore[arg-type]


def test_repr_tells_name_and_owner(lock: AnyLock) -> None:
    """A lock shows its kind, name and owner."""
    assert repr(lock) == f"<{type(lock).__name__} 'pool' free>"
    lock.acquire()
    assert repr(lock) == f"<{type(lock).__name__} 'pool' held by CPU 0>"
