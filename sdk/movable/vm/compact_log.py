"""The events of compaction, as the kernel's tracepoints tell them (spec/compaction.md 10.2)."""

from collections.abc import Iterator
from typing import Any, Self

from attrs import frozen

from movable._core import ffi, lib
from movable.errors import MovableError
from movable.flags import CompactResult, MigrateMode
from movable.machine import Machine
from movable.vm.zones import Zone

__all__ = ["CompactEvent", "CompactLog"]

_SCANNED = ("mm_compaction_isolate_migratepages", "mm_compaction_isolate_freepages")
_MIGRATE_PAGES = "mm_migrate_pages"
_MIGRATEPAGES = "mm_compaction_migratepages"
_SUITABLE = "mm_compaction_suitable"
_BEGIN = "mm_compaction_begin"
_END = "mm_compaction_end"
_FINISHED = "mm_compaction_finished"
_NAMES = (*_SCANNED, _MIGRATE_PAGES, _MIGRATEPAGES, _SUITABLE, _BEGIN, _END, _FINISHED)


@frozen
class CompactEvent:
    """One event: its name, and its text as an ftrace line shows it behind the name."""

    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


def _result(number: int) -> str:
    return CompactResult(number).name.lower()


def _order(number: int) -> int:
    return -1 if number == 2**64 - 1 else number


def _event(zones: tuple[Zone, ...], record: Any) -> CompactEvent:
    name, (a, b, c, d) = _NAMES[record.kind], record.values
    if name in _SCANNED:
        text = f"range=({a:#x} ~ {b:#x}) nr_scanned={c} nr_taken={d}"
    elif name == _MIGRATE_PAGES:
        text = f"nr_succeeded={a} nr_failed={b} mode=MIGRATE_{MigrateMode(c).name} reason=compaction"
    elif name == _MIGRATEPAGES:
        text = f"nr_migrated={a} nr_failed={b}"
    elif name in (_SUITABLE, _FINISHED):
        zone = zones[a]
        text = f"node={zone.nid} zone={zone.kind:<8s} order={_order(b)} ret={_result(c)}"
    else:
        text = _span(zones[a], b, c, d & 1) + (f" status={_result(d >> 1)}" if name == _END else "")
    return CompactEvent(name, text)


def _span(zone: Zone, migrate_pfn: int, free_pfn: int, sync: int) -> str:
    return (
        f"zone_start={zone.start_pfn:#x} migrate_pfn={migrate_pfn:#x} free_pfn={free_pfn:#x} "
        f"zone_end={zone.end_pfn:#x}, mode={'sync' if sync else 'async'}"
    )


class CompactLog:
    """Notes compaction's events while it is open (``with vm.compact_events() as log``); the last ``room``."""

    def __init__(self, machine: Machine, zones: tuple[Zone, ...], room: int) -> None:
        if not 0 < room <= 1 << 24:
            raise MovableError(f"room: must be 1 to {1 << 24} events, not {room}")
        self._machine = machine
        self._zones = zones
        self._room = room
        self._kept: tuple[CompactEvent, ...] | None = None

    def __enter__(self) -> Self:
        if self._machine.check(lib.mv_compact_log_begin(self._machine.c, self._room)) < 0:
            raise MemoryError("no memory for a log of events")
        return self

    def __exit__(self, *exc: object) -> None:
        if not self._machine.closed:
            self._kept = self._read()
            lib.mv_compact_log_end(self._machine.c)

    def __iter__(self) -> Iterator[CompactEvent]:
        return iter(self._read() if self._kept is None else self._kept)

    def _read(self) -> tuple[CompactEvent, ...]:
        records = ffi.new("struct mv_compact_record[]", self._room)
        count = lib.mv_compact_log(self._machine.c, records, self._room)
        return tuple(_event(self._zones, records[index]) for index in range(count))
