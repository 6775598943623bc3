"""Asking the core to compact."""

from typing import Any

from attrs import frozen

from movable._core import ffi, lib
from movable.errors import MovableError
from movable.flags import GFP, AllocFlags, CompactPriority, CompactResult, MigrateMode, ZoneType, member
from movable.machine import Machine
from movable.vm.zones import MAX_ORDER, Zone, one_mark


@frozen
class CompactRun:
    """One run over one zone: how it ended, where the scanners stood, and what it did. Numbers are pages."""

    zone: Zone
    result: CompactResult
    mode: MigrateMode
    order: int
    migrate_pfn: int
    free_pfn: int
    migrate_scanned: int
    free_scanned: int
    isolated: int
    migrated: int
    failed: int

    def __str__(self) -> str:
        return (
            f"{self.zone.name}: {self.result.name.lower()}, "
            f"{self.migrated} pages migrated, {self.failed} failed, "
            f"{self.migrate_scanned} + {self.free_scanned} scanned"
        )


def _run(zones: tuple[Zone, ...], run: Any) -> CompactRun:
    names = ("migrate_pfn", "free_pfn", "migrate_scanned", "free_scanned", "isolated", "migrated", "failed")
    return CompactRun(
        zone=zones[run.zone],
        result=CompactResult(run.result),
        mode=MigrateMode(run.mode),
        order=run.order,
        **{name: getattr(run, name) for name in names},
    )


@frozen
class CompactSettings:
    """The control block of a run, as its user sets it. spec/compaction.md 3.1.

    ``order`` -1 compacts the zone without a goal; ``gfp`` decides which free blocks end a run that has one.
    """

    order: int = -1
    mode: MigrateMode = MigrateMode.SYNC
    gfp: GFP = GFP(0)
    alloc_flags: AllocFlags = AllocFlags(0)
    classzone: ZoneType | None = None
    direct: bool = False
    whole_zone: bool = False
    ignore_skip_hint: bool = False
    ignore_block_suitable: bool = False


def compact_zone(
    machine: Machine, zones: tuple[Zone, ...], zone: Zone, settings: CompactSettings
) -> CompactRun:
    """One run with these settings."""
    if getattr(zone, "_machine", None) is not machine:
        raise MovableError(f"zone: must be one of this VM's zones, not {zone!r}")
    if not -1 <= settings.order < MAX_ORDER:
        raise MovableError(f"order: must be -1 to {MAX_ORDER - 1}, not {settings.order}")
    if settings.direct and settings.order < 0:
        raise MovableError("order: direct compaction has a goal, so it needs an order from 0 up")
    classzone = zone.type if settings.classzone is None else settings.classzone
    run = ffi.new("struct mv_run *")
    run.zone = zone.id
    run.order = settings.order
    run.mode = member(MigrateMode, settings.mode, "mode")
    run.gfp = settings.gfp
    run.alloc_flags = one_mark(settings.alloc_flags)
    run.classzone_idx = member(ZoneType, classzone, "classzone")
    run.direct_compaction = settings.direct
    run.whole_zone = settings.whole_zone
    run.ignore_skip_hint = settings.ignore_skip_hint
    run.ignore_block_suitable = settings.ignore_block_suitable
    machine.check(lib.mv_compact_zone(machine.c, run))
    return _run(zones, run)


def compact_node(machine: Machine, zones: tuple[Zone, ...], nid: int) -> tuple[CompactRun, ...]:
    """One whole run over each populated zone of the node."""
    runs = ffi.new("struct mv_run[4]")
    count = machine.check(lib.mv_compact_node(machine.c, nid, runs))
    return tuple(_run(zones, runs[index]) for index in range(count))


def try_to_compact_pages(
    machine: Machine, nid: int, order: int, gfp: GFP, priority: CompactPriority
) -> CompactResult:
    """Direct compaction over the request's zonelist."""
    priority = member(CompactPriority, priority, "priority")
    return CompactResult(machine.check(lib.mv_try_to_compact_pages(machine.c, nid, order, gfp, priority)))
