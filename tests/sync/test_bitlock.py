"""movable.sync.BitLock: bits of words as locks (spec/drivers.md 1.4)."""

from array import array
from typing import Any

import pytest

from movable import VM, BitLock, KernelAssertion, MovableError

OTHERS = 0xFFFF_FFFF_FFFF_FFFE


@pytest.fixture
def words() -> memoryview:
    """Four words."""
    return memoryview(array("Q", [0, OTHERS, 0, 0]))


@pytest.fixture
def pins(vm: VM, words: memoryview) -> BitLock:
    """The lowest bits of the words as locks of the machine."""
    return BitLock(vm, "pins", words)


@pytest.mark.parametrize("bit", [0, 31, 63])
def test_the_bit_is_the_lock(vm: VM, words: memoryview, bit: int) -> None:
    """Taking a lock sets its bit, releasing clears it."""
    pins = BitLock(vm, "pins", words, bit)
    pins.acquire(2)
    assert words.tolist() == [0, OTHERS, 1 << bit, 0]
    assert pins.locked(2)
    assert pins.owner(2) == 0
    pins.release(2)
    assert words[2] == 0
    assert pins.owner(2) is None


def test_other_bits_are_left_alone(words: memoryview, pins: BitLock) -> None:
    """The other bits of a word survive, also when they change while the lock is held."""
    pins.acquire(1)
    assert words[1] == OTHERS | 1
    words[1] = 7
    pins.release(1)
    assert words[1] == 6


def test_each_word_is_its_own_lock(vm: VM, pins: BitLock) -> None:
    """Different CPUs hold the locks of different words."""
    pins.acquire(0)
    vm.cpu = 1
    assert pins.trylock(1)
    assert (pins.owner(0), pins.owner(1), pins.owner(2)) == (0, 1, None)


@pytest.mark.parametrize("cpu", [0, 1])
def test_a_try_never_waits(vm: VM, pins: BitLock, cpu: int) -> None:
    """A try on a taken lock answers False, for the holder too."""
    pins.acquire(0)
    vm.cpu = cpu
    assert pins.trylock(0) is False
    assert pins.owner(0) == 0


@pytest.mark.parametrize("cpu", [0, 1])
def test_waiting_for_a_taken_bit_is_a_deadlock(vm: VM, pins: BitLock, cpu: int) -> None:
    """Nobody else runs who could release the lock, whoever holds it."""
    pins.acquire(3)
    vm.cpu = cpu
    with pytest.raises(KernelAssertion, match="'pins'") as caught:
        pins.acquire(3)
    assert (caught.value.rule.id, caught.value.seen) == ("self-deadlock", "word 3 held by CPU 0")


def test_a_bit_set_by_somebody_else_is_taken(words: memoryview, pins: BitLock) -> None:
    """A bit that was not set through the lock keeps everybody out and cannot be released."""
    words[0] = 1
    assert pins.locked(0)
    assert pins.owner(0) is None
    assert not pins.trylock(0)
    with pytest.raises(KernelAssertion) as caught:
        pins.release(0)
    assert (caught.value.rule.id, caught.value.seen) == ("lock-not-held", "word 0 held by somebody unknown")


def test_waiting_for_a_bit_set_by_somebody_else_is_a_deadlock(words: memoryview, pins: BitLock) -> None:
    """A bit that nobody known has set is never cleared."""
    words[0] = 1
    with pytest.raises(KernelAssertion) as caught:
        pins.acquire(0)
    assert caught.value.rule.id == "self-deadlock"


def test_a_bit_cleared_by_somebody_else_is_free(vm: VM, words: memoryview, pins: BitLock) -> None:
    """A holder whose bit was overwritten has lost the lock, and the next one gets it."""
    pins.acquire(0)
    words[0] = 0
    assert pins.owner(0) is None
    vm.cpu = 1
    assert pins.trylock(0)
    assert pins.owner(0) == 1


def test_releasing_a_cleared_bit_is_a_violation(words: memoryview, pins: BitLock) -> None:
    """A release that finds the bit clear tells that somebody wrote over it."""
    pins.acquire(0)
    words[0] = 0
    with pytest.raises(KernelAssertion) as caught:
        pins.release(0)
    assert (caught.value.rule.id, caught.value.seen) == ("lock-not-held", "word 0 free")


def test_only_the_holder_releases(vm: VM, pins: BitLock) -> None:
    """Another CPU cannot release a lock, and its holder keeps it."""
    pins.acquire(0)
    vm.cpu = 1
    with pytest.raises(KernelAssertion) as caught:
        pins.release(0)
    assert caught.value.rule.id == "lock-not-held"
    assert pins.owner(0) == 0


@pytest.mark.parametrize("taken", [False, True])
@pytest.mark.parametrize("method", ["acquire", "trylock", "release", "locked", "owner"])
@pytest.mark.parametrize("index", [4, -1, 1 << 70, "0", None, slice(1)])
def test_an_index_without_a_word_is_refused(
    vm: VM, words: memoryview, pins: BitLock, method: str, index: Any, taken: bool
) -> None:
    """An index that names no word is a MovableError that says which there are; nothing changes."""
    words[3] = before = int(taken)
    with pytest.raises(MovableError, match=r"index: .*words 0 to 3, not"):
        getattr(pins, method)(index)
    assert words[3] == before
    assert vm.alloc_page() is not None


@pytest.mark.parametrize(
    "words",
    [
        memoryview(bytearray(32)),
        memoryview(array("q", [0])),
        memoryview(array("L", [0])),
        memoryview(bytes(32)).cast("Q"),
        memoryview(bytearray(32)).cast("Q", [2, 2]),
        bytearray(32),
        None,
    ],
)
def test_other_memory_is_refused(vm: VM, words: Any) -> None:
    """What is no writable view of 64-bit words is refused, and the message says what to give."""
    with pytest.raises(MovableError, match=r"words: .*'Q'"):
        BitLock(vm, "pins", words)


@pytest.mark.parametrize("bit", [-1, 64, "0", None, 0.5])
def test_other_bits_are_refused(vm: VM, words: memoryview, bit: Any) -> None:
    """A word has the bits 0 to 63."""
    with pytest.raises(MovableError, match="bit: must be 0 to 63"):
        BitLock(vm, "pins", words, bit)


def test_locks_of_two_machines_in_one_word(vm: VM, other_vm: VM, words: memoryview, pins: BitLock) -> None:
    """A bit that another machine's lock has set counts as set by somebody unknown."""
    foreign = BitLock(other_vm, "foreign", words)
    foreign.acquire(0)
    assert not pins.trylock(0)
    with pytest.raises(KernelAssertion):
        pins.release(0)
    foreign.release(0)
    assert not pins.locked(0)


def test_a_lock_without_a_machine(words: memoryview) -> None:
    """Locks that belong to no machine are CPU 0's, and show how many are held."""
    pins = BitLock(None, "loose", words)
    pins.acquire(0)
    assert pins.owner(0) == 0
    assert repr(pins) == "<BitLock 'loose' 1 held>"
    pins.release(0)
    with pytest.raises(KernelAssertion):
        pins.release(0)
