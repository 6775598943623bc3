"""Address spaces: where a driver's three callbacks are registered, and what its pages point to."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pluggy

from movable._core import ffi, lib
from movable.drivers.hookspecs import PROJECT, DriverHooks
from movable.errors import DriverError, MovableError
from movable.machine import BROKEN, address_of
from movable.page import Page

if TYPE_CHECKING:
    from movable.vm import VM

# Looked up once: an attribute of lib costs as much as the call.
_replace_page = lib.mv_replace_page

HOOKS = ("isolate_page", "migratepage", "putback_page")


class AddressSpace:
    """A driver's address space: pages marked movable with it belong to the driver.

    Creating one registers the driver's hook implementations, which pluggy checks. The core calls them
    directly; only while observers are registered do calls pass through pluggy.
    """

    def __init__(self, vm: "VM", driver: object, name: str) -> None:
        self.vm = vm
        self.driver = driver
        self.name = name
        self._plugins = pluggy.PluginManager(PROJECT)
        self._plugins.add_hookspecs(DriverHooks)
        self._register(driver)
        self._check_complete()
        self._machine = vm.machine
        self.pointer: Any = self._machine.create_mapping(self)
        self._callables: dict[str, Callable[..., Any]] = {}
        self._resolve()
        vm.add_mapping(self)

    def __repr__(self) -> str:
        return f"<AddressSpace {self.name!r}>"

    def _register(self, plugin: object) -> None:
        if self._plugins.is_registered(plugin):
            raise DriverError(f"driver {self.name!r}: {plugin!r} is registered already")
        try:
            self._plugins.register(plugin)
            self._plugins.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            if self._plugins.is_registered(plugin):
                self._plugins.unregister(plugin)
            raise DriverError(f"driver {self.name!r}: {error}") from error

    def _check_complete(self) -> None:
        missing = [hook for hook in HOOKS if all(_is_wrapper(each) for each in self._implementations(hook))]
        if missing:
            raise DriverError(
                f"driver {self.name!r} ({type(self.driver).__name__}) implements no {', '.join(missing)}; "
                "define all three and mark them with @movable.hookimpl"
            )

    def _implementations(self, hook: str) -> list[Any]:
        implementations: list[Any] = getattr(self._plugins.hook, hook).get_hookimpls()
        return implementations

    def _resolve(self) -> None:
        """Decide what the core calls for each hook; done again whenever the observers change."""
        if self._machine.closed:
            return
        for hook in HOOKS:
            self._callables[hook] = self._callable(hook)
        lib.mv_mapping_set_hooks(self.pointer, *(address_of(self._callables[hook]) for hook in HOOKS))

    def _callable(self, hook: str) -> Callable[..., Any]:
        caller = getattr(self._plugins.hook, hook)
        names: tuple[str, ...] = caller.spec.argnames
        implementations = self._implementations(hook)
        if len(implementations) > 1:
            return lambda *arguments: caller(**dict(zip(names, arguments, strict=True)))
        only = implementations[0]
        function: Callable[..., Any] = only.function
        if tuple(only.argnames) == names:
            return function
        places = [names.index(name) for name in only.argnames]
        return lambda *arguments: function(*(arguments[place] for place in places))

    def add_observer(self, plugin: object) -> None:
        """Register a plugin with wrappers (``@hookimpl(wrapper=True)``) around the driver's callbacks."""
        self._register(plugin)
        self._resolve()

    def remove_observer(self, plugin: object) -> None:
        """Take an observer out again."""
        if plugin is self.driver:
            raise DriverError(f"driver {self.name!r} is no observer: close its mapping instead")
        if not self._plugins.is_registered(plugin):
            raise DriverError(f"driver {self.name!r}: {plugin!r} is no observer of it")
        self._plugins.unregister(plugin)
        self._resolve()

    def replace_page(self, newpage: Page, oldpage: Page) -> None:
        """Do what success asks of migratepage, but for the driver's own tables, in one call.

        Copies contents, ``private``, ``index`` and page type, takes the driver's reference on the new
        page, marks it movable, clears the old page and drops the driver's reference on it. Both pages
        are locked. spec/migration.md 6.8 (11).
        """
        machine = self._machine
        pfns = machine.own(newpage, "newpage"), machine.own(oldpage, "oldpage")
        if newpage is oldpage:
            raise MovableError(f"newpage: {newpage!r} is the old page; there is nothing to replace")
        if _replace_page(machine.c, self.pointer, *pfns) == BROKEN:
            machine.fail()

    def pages(self) -> list[Page]:
        """The pages that carry this mapping, in the order of their frames; walks the whole machine."""
        machine, pointer = self._machine, self.pointer
        count = lib.mv_mapping_pages(machine.c, pointer, ffi.NULL, 0)
        pfns = ffi.new("unsigned long[]", count)
        lib.mv_mapping_pages(machine.c, pointer, pfns, count)
        return [machine.page(pfn) for pfn in pfns]

    @property
    def closed(self) -> bool:
        """Whether close() has been called."""
        return self not in self.vm.mappings

    def close(self) -> None:
        """Unregister the driver. Pages that still carry the mapping are ``teardown-pages-left``."""
        if self.closed:
            raise MovableError(f"{self!r} is closed already")
        self.vm.remove_mapping(self)
        if lib.mv_mapping_close(self._machine.c, self.pointer) == BROKEN:
            self._machine.fail()


def _is_wrapper(implementation: Any) -> bool:
    return bool(implementation.wrapper or implementation.hookwrapper)
