"""Registering a driver's hooks: pluggy checks them before the VM ever calls one (design 5)."""

from typing import Any

import pytest
from migration.kit import Recorder, Targets, isolate

from movable import VM, AddressSpace, DriverError, IsolateMode, MigrateMode, MovableError, Page, hookimpl

HOOKS = ("isolate_page", "migratepage", "putback_page")


class Minimal:
    """The least that is a driver."""

    @hookimpl
    def isolate_page(self, page: Page, mode: IsolateMode) -> bool:
        """Never let go."""
        return False

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> int:
        """Never called."""
        raise NotImplementedError

    @hookimpl
    def putback_page(self, page: Page) -> None:
        """Never called."""


def test_a_mapping_knows_its_driver(vm: VM) -> None:
    """An AddressSpace carries name, driver and machine, and is among the machine's mappings."""
    driver = Minimal()
    mapping = AddressSpace(vm, driver, "least")
    assert (mapping.name, mapping.driver, mapping.vm, mapping.closed) == ("least", driver, vm, False)
    assert vm.mappings == (mapping,)
    assert repr(mapping) == "<AddressSpace 'least'>"


@pytest.mark.parametrize("missing", HOOKS)
def test_all_three_hooks_are_needed(vm: VM, missing: str) -> None:
    """A driver without one of the three callbacks is refused, the missing one named (6.8 (1))."""
    body = {hook: vars(Minimal)[hook] for hook in HOOKS if hook != missing}
    incomplete = type("Incomplete", (), body)
    with pytest.raises(DriverError, match=rf"driver 'bad' \(Incomplete\) implements no {missing};"):
        AddressSpace(vm, incomplete(), "bad")
    assert vm.mappings == ()


def test_hooks_must_be_marked(vm: VM) -> None:
    """Methods without @hookimpl are no hooks, and the message says what to write."""

    class Unmarked:
        """A plugin for one test: unmarked."""

        def isolate_page(self, page: Page, mode: IsolateMode) -> bool:
            """Not marked as a hook."""
            return False

        def migratepage(self, mapping: Any, newpage: Page, oldpage: Page, mode: MigrateMode) -> int:
            """Not marked as a hook."""
            return 0

        def putback_page(self, page: Page) -> None:
            """Not marked as a hook."""

    with pytest.raises(DriverError, match=r"isolate_page, migratepage, putback_page; .*@movable\.hookimpl"):
        AddressSpace(vm, Unmarked(), "bad")
    assert vm.mappings == ()


def test_an_argument_must_be_one_of_the_contracts(vm: VM) -> None:
    """A hook with an argument that the contract does not have is refused, the argument named."""

    class Wrong(Minimal):
        """A plugin for one test: wrong."""

        @hookimpl
        def putback_page(self, page: Page, why: str) -> None:  # type: ignore[override]
            """Takes an argument that the hook does not have."""

    with pytest.raises(DriverError, match=r"(?s)driver 'bad': .*putback_page.*'why'"):
        AddressSpace(vm, Wrong(), "bad")
    assert vm.mappings == ()


def test_an_unknown_hook_is_refused(vm: VM) -> None:
    """A marked method that is no hook is a spelling mistake, and is named."""

    class Misspelt(Minimal):
        """A plugin for one test: misspelt."""

        @hookimpl
        def putback_pages(self, page: Page) -> None:
            """A hook of this name does not exist."""

    with pytest.raises(DriverError, match=r"(?s)driver 'bad': .*putback_pages"):
        AddressSpace(vm, Misspelt(), "bad")
    assert vm.mappings == ()


def test_a_drivers_own_hook_is_no_wrapper(vm: VM) -> None:
    """A driver whose hook only wraps has nothing inside to wrap: the hook counts as missing."""

    class Wrapped(Minimal):
        """A plugin for one test: wrapped."""

        @hookimpl(wrapper=True)
        def isolate_page(self, page: Page, mode: IsolateMode) -> Any:
            """A wrapper, not an implementation."""
            return (yield)

    with pytest.raises(DriverError, match="implements no isolate_page"):
        AddressSpace(vm, Wrapped(), "bad")
    assert vm.mappings == ()


def test_hooks_may_take_fewer_arguments(vm: VM, targets: Targets) -> None:
    """A hook names only the arguments it uses, in whatever order, and gets those."""
    seen: list[tuple[Page, ...]] = []

    class Thrifty(Recorder):
        """A plugin for one test: thrifty."""

        @hookimpl
        def isolate_page(self, page: Page) -> bool:  # type: ignore[override]
            """Take the page off the list, without asking for the mode."""
            self.idle.remove(page)
            return True

        @hookimpl
        def migratepage(self, oldpage: Page, newpage: Page) -> int:  # type: ignore[override]
            """Note the pages, in the order asked for."""
            seen.append((oldpage, newpage))
            self.mapping.replace_page(newpage, oldpage)
            self._redirect(newpage.private, newpage)
            return 0

        @hookimpl
        def putback_page(self) -> None:  # type: ignore[override]
            """Never reached."""
            raise NotImplementedError

    driver = Thrifty(vm)
    old = driver.add("kept")
    assert vm.migrate_pages(isolate(vm, [old]), targets.get).succeeded == 1
    assert seen == [(old, targets.got[0])]
    assert driver.load(1) == b"kept"


def test_arguments_have_their_types(vm: VM, driver: Recorder, targets: Targets) -> None:
    """Hooks get the AddressSpace, Page objects and enumerations, not numbers."""
    types: list[tuple[type, ...]] = []

    class Curious(Minimal):
        """A plugin for one test: curious."""

        @hookimpl
        def isolate_page(self, page: Page, mode: IsolateMode) -> bool:
            """Note the types of the arguments."""
            types.append((type(page), type(mode)))
            return True

        @hookimpl
        def migratepage(self, mapping: Any, newpage: Page, oldpage: Page, mode: MigrateMode) -> int:
            """Note the types of the arguments."""
            types.append((type(mapping), type(newpage), type(oldpage), type(mode)))
            return -5

        @hookimpl
        def putback_page(self, page: Page) -> None:
            """Note the types of the arguments."""
            types.append((type(page),))

    mapping = AddressSpace(vm, Curious(), "curious")
    page = vm.alloc_page()
    assert page is not None
    page.lock()
    page.set_movable(mapping)
    page.unlock()
    vm.migrate_pages(isolate(vm, [page]), targets.get)
    assert types == [(Page, IsolateMode), (AddressSpace, Page, Page, MigrateMode), (Page,)]


def test_modules_can_be_drivers(vm: VM) -> None:
    """Any object with the three hooks is a driver, an instance of a class or not."""

    class Namespace:
        """A plugin for one test: namespace."""

        isolate_page = staticmethod(hookimpl(lambda page, mode: True))
        migratepage = staticmethod(hookimpl(lambda mapping, newpage, oldpage, mode: -5))
        putback_page = staticmethod(hookimpl(lambda page: None))

    mapping = AddressSpace(vm, Namespace, "namespace")
    page = vm.alloc_page()
    assert page is not None
    page.lock()
    page.set_movable(mapping)
    page.unlock()
    assert vm.isolate_movable_page(page)


def test_one_driver_may_have_several_mappings(vm: VM) -> None:
    """Each AddressSpace has its own registration; one object may serve several."""
    driver = Minimal()
    first, second = AddressSpace(vm, driver, "first"), AddressSpace(vm, driver, "second")
    assert list(vm.mappings) == [first, second]
    first.close()
    assert list(vm.mappings) == [second]


def test_a_mapping_is_closed_once(vm: VM) -> None:
    """Closing a mapping takes it from the machine's list; closing it again is an error by name."""
    mapping = AddressSpace(vm, Minimal(), "least")
    mapping.close()
    assert mapping.closed
    with pytest.raises(MovableError, match="<AddressSpace 'least'> is closed already"):
        mapping.close()
    assert vm.mappings == ()
