"""The page lock (spec/migration.md 2.4)."""

import pytest

from movable import VM, DeadVM, KernelAssertion, MovableError, Page, PageFlag


def test_a_lock_knows_its_cpu(vm: VM, page: Page) -> None:
    """A locked page has PG_locked and the CPU that took the lock; an unlocked one has neither."""
    vm.cpu = 1
    page.lock()
    assert (page.locked, page.lock_owner, page.flags) == (True, 1, PageFlag.LOCKED)
    page.unlock()
    assert (page.locked, page.lock_owner, page.flags) == (False, None, PageFlag(0))


def test_trylock_takes_a_free_lock(vm: VM, page: Page) -> None:
    """trylock_page on an unlocked page takes the lock for the CPU that runs."""
    vm.cpu = 1
    assert page.trylock() is True
    assert page.lock_owner == 1


@pytest.mark.parametrize("cpu", [0, 1])
def test_trylock_never_waits(vm: VM, page: Page, cpu: int) -> None:
    """trylock_page on a locked page says no, to its holder too, and asks no wait hook."""
    asked: list[Page] = []
    vm.wait_hook = asked.append
    page.lock()
    vm.cpu = cpu
    assert page.trylock() is False
    assert (page.lock_owner, asked) == (0, [])


def test_a_free_lock_needs_no_wait(vm: VM, page: Page) -> None:
    """lock_page on an unlocked page does not ask the wait hook."""
    asked: list[Page] = []
    vm.wait_hook = asked.append
    page.lock()
    assert page.locked
    assert asked == []


def test_the_wait_hook_lets_another_cpu_run(vm: VM, page: Page) -> None:
    """A CPU that waits takes the lock as soon as the wait hook has let its holder release it."""

    def run_the_other(waited_for: Page) -> None:
        vm.cpu = 0
        waited_for.unlock()
        vm.cpu = 1

    page.lock()
    vm.cpu = 1
    vm.wait_hook = run_the_other
    page.lock()
    assert page.lock_owner == 1


def test_the_wait_hook_is_told_which_page(vm: VM, page: Page) -> None:
    """The wait hook is asked once, with the page whose lock is awaited."""
    asked: list[Page] = []

    def release(waited_for: Page) -> None:
        asked.append(waited_for)
        waited_for.unlock()

    page.lock()
    vm.cpu = 1
    vm.wait_hook = release
    page.lock()
    assert asked == [page]


def test_waiting_for_oneself_is_a_deadlock(vm: VM, page: Page) -> None:
    """A CPU that waits for a lock it holds waits for ever: self-deadlock, and the wait hook is not asked."""
    asked: list[Page] = []
    vm.wait_hook = asked.append
    page.lock()
    with pytest.raises(KernelAssertion) as caught:
        page.lock()
    assert (caught.value.rule.id, caught.value.pfn, caught.value.cpu) == ("self-deadlock", page.pfn, 0)
    assert caught.value.seen == "held by CPU 0, waited for by CPU 0"
    assert asked == []


@pytest.mark.parametrize("with_hook", [True, False])
def test_a_lock_that_nobody_can_release_is_a_deadlock(vm: VM, page: Page, with_hook: bool) -> None:
    """A wait that no hook ends is a self-deadlock with both CPUs named: one CPU runs at a time."""
    page.lock()
    vm.cpu = 1
    vm.wait_hook = (lambda waited_for: None) if with_hook else None
    with pytest.raises(KernelAssertion) as caught:
        page.lock()
    assert (caught.value.rule.id, caught.value.cpu) == ("self-deadlock", 1)
    assert caught.value.seen == "held by CPU 0, waited for by CPU 1"


def test_an_error_of_the_wait_hook_comes_out(vm: VM, page: Page) -> None:
    """What a wait hook raises comes out of lock() as itself; the wait cannot end, so the VM is dead."""

    def broken(waited_for: Page) -> None:
        raise LookupError("no other CPU")

    page.lock()
    vm.cpu = 1
    vm.wait_hook = broken
    with pytest.raises(LookupError, match="no other CPU"):
        page.lock()
    with pytest.raises(DeadVM, match="self-deadlock"):
        page.trylock()


def test_a_wait_hook_can_be_taken_out(vm: VM, page: Page) -> None:
    """vm.wait_hook reads as it was set; None removes it."""
    hook = print
    vm.wait_hook = hook
    assert vm.wait_hook is hook
    vm.wait_hook = None
    assert vm.wait_hook is None


def test_unlocking_an_unlocked_page_is_an_assertion(vm: VM, page: Page) -> None:
    """unlock_page on an unlocked page stops the machine, page and CPU named."""
    vm.cpu = 1
    with pytest.raises(KernelAssertion) as caught:
        page.unlock()
    assert (caught.value.rule.id, caught.value.pfn, caught.value.cpu) == ("unlock-not-locked", page.pfn, 1)


def test_without_debugging_an_unlock_too_many_passes() -> None:
    """At debug level 0 the assertion about unlocked pages is gone, as in a production kernel (6.9)."""
    with VM("tiny", debug=0) as vm:
        page = vm.alloc_page()
        assert page is not None
        page.unlock()
        assert not page.locked


def test_cpus_are_those_of_the_machine(vm: VM) -> None:
    """vm.cpu takes the numbers of the machine's CPUs and refuses others by name."""
    with pytest.raises(MovableError, match="cpu: this machine has CPUs 0 to 1, not 2"):
        vm.cpu = 2
    with pytest.raises(MovableError, match="cpu: this machine has CPUs 0 to 1, not -1"):
        vm.cpu = -1
    assert vm.cpu == 0
