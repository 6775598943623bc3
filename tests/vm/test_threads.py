"""One thread at a time."""

import threading

import pytest

from movable import GFP, VM, AddressSpace, IsolateMode, MigrateMode, MovableError, Page, hookimpl


class Asking:
    """A driver that has another thread use the VM from inside a callback."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.mapping = AddressSpace(vm, self, "asking")
        self.answers: list[Exception] = []

    @hookimpl
    def isolate_page(self, page: Page, mode: IsolateMode) -> bool:
        """Refuse, after another thread tried."""
        thread = threading.Thread(target=self._try)
        thread.start()
        thread.join()
        return False

    def _try(self) -> None:
        try:
            self.vm.alloc_page()
        except MovableError as error:
            self.answers.append(error)

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> int:
        """Never reached."""
        return -16

    @hookimpl
    def putback_page(self, page: Page) -> None:
        """Never reached."""


def test_a_second_thread_is_refused_while_the_first_is_inside() -> None:
    """A call from another thread during a callback raises MovableError and changes nothing."""
    with VM("tiny", debug=2) as vm:
        driver = Asking(vm)
        page = vm.alloc_page(GFP.HIGHUSER_MOVABLE)
        assert page is not None
        page.lock()
        page.set_movable(driver.mapping)
        page.unlock()
        free = vm.zones[0].free_pages
        assert not vm.isolate_movable_page(page)
        assert "another thread" in str(driver.answers[0])
        assert vm.zones[0].free_pages == free
        assert page.refcount == 1


def test_threads_may_take_turns() -> None:
    """A VM made in one thread works in another one while the first waits."""
    pages: list[Page | None] = []
    with VM("tiny") as vm:
        thread = threading.Thread(target=lambda: pages.append(vm.alloc_page()))
        thread.start()
        thread.join()
        assert pages[0] is not None
        pages[0].put()
        vm.recount()


def test_a_vm_survives_threads_that_do_not_take_turns() -> None:
    """Threads that use one VM at once get pages or MovableError; its books are right afterwards."""

    def hammer() -> None:
        for _ in range(2000):
            try:
                page = vm.alloc_page()
            except MovableError:
                continue
            held.append(page)

    held: list[Page | None] = []
    with VM("phone", debug=0, poison=False) as vm:
        threads = [threading.Thread(target=hammer) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({page for page in held if page is not None}) == len(held)
        vm.recount()


@pytest.mark.parametrize("argument", [None, "page", 4096])
def test_a_page_must_be_a_page_of_the_vm(argument: object) -> None:
    """Anything but a Page of the same VM is refused by name, as is a Page of another VM."""
    with VM("tiny") as vm, VM("phone") as other:
        with pytest.raises(MovableError, match="Page of this VM"):
            vm.isolate_movable_page(argument)  # type: ignore[arg-type]
        foreign = other.alloc_page()
        assert foreign is not None
        with pytest.raises(MovableError, match="Page of this VM"):
            vm.free_pages(foreign)
        with pytest.raises(MovableError, match="Page of this VM"):
            vm.page_list().add(foreign)
