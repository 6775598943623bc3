"""The hooks: what a driver implements for its pages, and what a plugin implements to offer drivers."""

from typing import TYPE_CHECKING, Any

import pluggy

from movable.flags import IsolateMode, MigrateMode
from movable.page import Page

if TYPE_CHECKING:
    from movable.drivers.mapping import AddressSpace
    from movable.drivers.spec import DriverSpec

PROJECT = "movable"
"""The pluggy project name and the entry-point group."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function as the implementation of a hook."""


class DriverHooks:
    """The three callbacks of a driver. spec/migration.md 6.1, 6.8."""

    @hookspec(firstresult=True)
    def isolate_page(self, page: Page, mode: IsolateMode) -> bool:
        """Let the VM take ``page``, or refuse.

        The page is locked and the VM holds a reference. Answer True after taking the page off every list
        of the driver and making sure that it is not handed out; from then on ``page.lru`` is the VM's.
        Answer False, with nothing changed, if the page is in use or going away. With ``ASYNC_MIGRATE``
        do not block.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def migratepage(self, mapping: "AddressSpace", newpage: Page, oldpage: Page, mode: MigrateMode) -> int:
        """Move ``oldpage`` to ``newpage``; both are locked, ``oldpage`` is isolated.

        Answer 0 after: contents and metadata copied, users redirected, own reference taken on the new
        page, the new page marked movable, the old one cleared, own reference on it dropped
        (``AddressSpace.replace_page`` does all but the redirecting). Answer -EAGAIN for "not now", with
        both pages untouched: it may be asked again, each time with a fresh ``newpage``. Any other negative
        errno gives up; putback_page follows. -ENOMEM also ends the caller's whole batch.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def putback_page(self, page: Page) -> None:
        """Take back a page that was isolated and not moved.

        The page is locked and still marked isolated; its ``lru`` is the driver's again. Do not unlock it,
        drop the VM's reference, or free it here.
        """


class ProviderHooks:
    """What a plugin found through the entry-point group ``movable`` implements: one hook at least."""

    @hookspec
    def movable_drivers(self) -> "list[DriverSpec]":
        """The drivers that this plugin offers."""
        raise NotImplementedError

    @hookspec
    def movable_commands(self) -> list[Any]:
        """Sub-commands for the command line: `cyclopts.App` objects, each with the name of its command."""
        raise NotImplementedError

    @hookspec
    def movable_benchmarks(self) -> list[Any]:
        """Benchmarks for ``movable bench``: functions called with whether to be quick, which yield BenchRows.

        ``bench(only=...)`` knows each by the function's name.
        """
        raise NotImplementedError

    @hookspec
    def movable_recordings(self) -> list[Any]:
        """Adapters for ``movable fidelity``: a `RecordingAdapter` for each topic that can be replayed."""
        raise NotImplementedError
