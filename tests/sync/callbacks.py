"""Acting inside a callback of a machine."""

from collections.abc import Callable

from movable import GFP, VM, AddressSpace, IsolateMode, MigrateMode, Page, hookimpl


class _Acting:
    """A driver that acts in its callback and refuses to let its page go."""

    def __init__(self, vm: VM, action: Callable[[], object]) -> None:
        self.action = action
        self.mapping = AddressSpace(vm, self, "acting")

    @hookimpl
    def isolate_page(self, page: Page, mode: IsolateMode) -> bool:
        """Act."""
        self.action()
        return False

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> int:
        """Never reached."""
        return -16

    @hookimpl
    def putback_page(self, page: Page) -> None:
        """Never reached."""


def act_in_callback(vm: VM, action: Callable[[], object]) -> None:
    """Run an action inside a callback of the machine; what it raises is the cause of the violation."""
    driver = _Acting(vm, action)
    page = vm.alloc_page(GFP.HIGHUSER_MOVABLE)
    assert page is not None
    page.lock()
    page.set_movable(driver.mapping)
    page.unlock()
    vm.isolate_movable_page(page)
