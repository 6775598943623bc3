"""movable.sync.RWLock: many readers or one writer (spec/drivers.md 6.1)."""

import pytest

from movable import VM, KernelAssertion, RWLock


@pytest.fixture
def lock(vm: VM) -> RWLock:
    """A free lock of the machine."""
    return RWLock(vm, "zspage")


def test_a_new_lock_is_free(lock: RWLock) -> None:
    """A new lock has neither readers nor a writer."""
    assert (lock.readers, lock.writer) == ((), None)
    assert not lock.held_for_read
    assert not lock.held_for_write


def test_many_cpus_read(vm: VM, lock: RWLock) -> None:
    """Each CPU can read while others do, and each is listed."""
    lock.read_acquire()
    vm.cpu = 1
    assert lock.read_trylock()
    assert lock.readers == (0, 1)
    assert lock.held_for_read


def test_a_reader_may_read_again(lock: RWLock) -> None:
    """A CPU that reads twice releases twice."""
    lock.read_acquire()
    lock.read_acquire()
    lock.read_release()
    assert len(lock.readers) == 1
    lock.read_release()
    assert len(lock.readers) == 0


@pytest.mark.parametrize("cpu", [0, 1])
def test_a_writer_keeps_all_others_out(vm: VM, lock: RWLock, cpu: int) -> None:
    """While one CPU writes no try succeeds, the writer's own included."""
    lock.write_acquire()
    vm.cpu = cpu
    assert not lock.read_trylock()
    assert not lock.write_trylock()
    assert (lock.readers, lock.writer) == ((), 0)
    assert lock.held_for_write is (cpu == 0)


@pytest.mark.parametrize("cpu", [0, 1])
def test_a_reader_keeps_writers_out(vm: VM, lock: RWLock, cpu: int) -> None:
    """While one CPU reads nobody can write, the reader itself included."""
    lock.read_acquire()
    vm.cpu = cpu
    assert not lock.write_trylock()
    with pytest.raises(KernelAssertion, match="'zspage'") as caught:
        lock.write_acquire()
    assert (caught.value.rule.id, caught.value.seen) == ("self-deadlock", "read by CPU 0")


def test_writing_twice_is_a_deadlock(lock: RWLock) -> None:
    """A writer that writes again waits for itself."""
    lock.write_acquire()
    with pytest.raises(KernelAssertion) as caught:
        lock.write_acquire()
    assert (caught.value.rule.id, caught.value.seen) == ("self-deadlock", "written by CPU 0")


def test_reading_what_one_writes_is_a_deadlock(lock: RWLock) -> None:
    """A writer that reads waits for itself."""
    lock.write_acquire()
    with pytest.raises(KernelAssertion) as caught:
        lock.read_acquire()
    assert caught.value.rule.id == "self-deadlock"


@pytest.mark.parametrize("hold", ["read_acquire", "write_acquire", "held"])
@pytest.mark.parametrize("release", ["read_release", "write_release"])
def test_only_holders_release(vm: VM, lock: RWLock, hold: str, release: str) -> None:
    """Neither side can be released by a CPU that does not hold it, and the holders stay."""
    getattr(lock, hold, lambda: None)()
    before = (lock.readers, lock.writer)
    vm.cpu = 1
    with pytest.raises(KernelAssertion) as caught:
        getattr(lock, release)()
    assert caught.value.rule.id == "lock-not-held"
    assert (lock.readers, lock.writer) == before


def test_a_writer_cannot_release_a_read(lock: RWLock) -> None:
    """The two sides are released by their own calls only."""
    lock.write_acquire()
    with pytest.raises(KernelAssertion) as caught:
        lock.read_release()
    assert caught.value.rule.id == "lock-not-held"
    assert lock.writer == 0


def test_blocks_release_on_every_exit(lock: RWLock) -> None:
    """Leaving a block releases its side, by an exception too."""
    with lock.reading():
        assert lock.held_for_read
    with lock.writing():
        assert lock.held_for_write
    with pytest.raises(LookupError), lock.reading(), lock.reading():
        raise LookupError
    with pytest.raises(LookupError), lock.writing():
        raise LookupError
    assert (lock.readers, lock.writer) == ((), None)


def test_a_lock_without_a_machine() -> None:
    """A lock that belongs to no machine is CPU 0's."""
    lock = RWLock(None, "loose")
    with lock.writing():
        assert lock.writer == 0
        with pytest.raises(KernelAssertion):
            lock.read_acquire()
    with pytest.raises(TypeError, match="name"):
        RWLock(None, "")


def test_repr_tells_the_holders(lock: RWLock) -> None:
    """A lock shows its name and who holds it."""
    assert repr(lock) == "<RWLock 'zspage' free>"
    with lock.reading():
        assert repr(lock) == "<RWLock 'zspage' read by CPU 0>"
    with lock.writing():
        assert repr(lock) == "<RWLock 'zspage' written by CPU 0>"
