"""Asking the core to migrate a list of pages."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from movable._core import ffi, lib
from movable.errors import MovableError
from movable.flags import MigrateMode, MigrateReason, member
from movable.lists import PageList
from movable.machine import Machine, address_of
from movable.page import Page


@frozen
class NodeTarget:
    """A ready-made target allocator in C: order-0 movable pages of exactly this node."""

    nid: int


NewPage = Callable[[Page], Page | None] | NodeTarget
PutPage = Callable[[Page], object]


@frozen
class MigrateResult:
    """What became of a migrate_pages(). spec/migration.md 3.3, 3.5.

    ``ret``: 0, the number of pages not moved, or -ENOMEM if the call stopped early. ``status``: by the pfn
    of each page that got as far as a target, its new node or a negative errno.
    """

    ret: int
    succeeded: int
    failed: int
    status: Mapping[int, int]

    def __str__(self) -> str:
        ending = f", stopped: {os.strerror(-self.ret)}" if self.ret < 0 else ""
        return f"{self.succeeded} moved, {self.failed} failed{ending}"


class _Targets:
    """The caller's allocator, checked: what it hands out must be a fresh page of this machine."""

    def __init__(self, machine: Machine, get: Callable[[Page], Page | None]) -> None:
        self._machine = machine
        self._get = get

    def new_page(self, page: Page) -> int:
        """The target's pfn, or -1 for none."""
        target = self._get(page)
        if target is None:
            return -1
        pfn = self._machine.own(target, "what get_new_page returned")
        if (
            target is page
            or target.refcount != 1
            or target.flags
            or target.order
            or target.on_list
            or target.has_movable_tag
        ):
            raise MovableError(f"get_new_page: {target!r} is in use; return a page fresh from the allocator")
        return pfn


def migrate(
    machine: Machine,
    pages: PageList,
    get_new_page: NewPage,
    put_new_page: PutPage | None,
    mode: MigrateMode,
    reason: MigrateReason,
    nodes: int,
) -> MigrateResult:
    """Run migrate_pages() over a migration list; see VM.migrate_pages."""
    mode, reason = member(MigrateMode, mode, "mode"), member(MigrateReason, reason, "reason")
    pointer = pages.migration_list(machine)
    target = ffi.new("struct mv_target *")
    keep: list[object] = [put_new_page]
    if isinstance(get_new_page, NodeTarget):
        if not 0 <= get_new_page.nid < nodes:
            raise MovableError(
                f"get_new_page: this machine has nodes 0 to {nodes - 1}, not {get_new_page.nid}"
            )
        target.nid = get_new_page.nid
    elif callable(get_new_page):
        keep.append(_Targets(machine, get_new_page).new_page)
        target.get = address_of(keep[-1])
        if put_new_page is not None:
            target.put = address_of(put_new_page)
    else:
        raise MovableError(f"get_new_page: must be callable or a NodeTarget, not {get_new_page!r}")
    if isinstance(get_new_page, NodeTarget) and put_new_page is not None:
        raise MovableError("put_new_page: a NodeTarget gives unused targets back to the allocator itself")
    outcomes: Any = ffi.new("struct mv_outcome[]", [{"pfn": page.pfn} for page in pages])
    counts = ffi.new("struct mv_migration *")
    ret = machine.check(
        lib.mv_migrate(machine.c, pointer, target, mode, reason, outcomes, len(outcomes), counts)
    )
    status = {int(each.pfn): int(each.status) for each in outcomes if each.known}
    return MigrateResult(ret=ret, succeeded=counts.succeeded, failed=counts.failed, status=status)
