"""Races: the VM and the driver's users at work on several CPUs, under many schedules."""

from collections.abc import Callable, Sequence

from movable.conformance.races import Arena, Races
from movable.conformance.registry import CheckFunction, check
from movable.flags import MigrateMode
from movable.sched import Op

_SEEN = ("RACE-1", "RACE-3", "RACE-4", "RACE-5", "RACE-6", "RACE-7", "RACE-9")
_FIRST = ("STORE", "COMPACT-NODE")
_SIZES = (600, 3000, 90, 3000)


def _race(
    check_id: str,
    title: str,
    *,
    first: str | None = None,
    needs: str | None = None,
    requires: tuple[str, ...] = _FIRST,
) -> Callable[[CheckFunction], CheckFunction]:
    """Register a race check; ``first`` is a clause that it alone tests."""
    clauses = _SEEN if first is None else (first, *_SEEN)
    return check(check_id, title, clauses=clauses, needs=needs, level="L3", requires=requires, rig=Races)


@_race("RACE-STORE", "storing while pages are migrated")
def store(races: Races) -> None:
    """One CPU isolates, migrates and puts back; another one stores and reads."""

    def script(arena: Arena) -> Sequence[Sequence[Op]]:
        handles = arena.populate()
        return [[*arena.moves(), *arena.moves()], [*arena.stores(_SIZES), *arena.reads(handles[:2])]]

    races.explore(script)


@_race("RACE-DROP", "dropping while pages are migrated")
def drop(races: Races) -> None:
    """One CPU isolates, migrates and puts back; another one drops the objects of those pages."""

    def script(arena: Arena) -> Sequence[Sequence[Op]]:
        handles = arena.populate()
        return [[*arena.moves(), *arena.moves()], arena.drops(handles)]

    races.explore(script)


@_race("RACE-LOAD", "reading while pages are migrated", needs="contents")
def load(races: Races) -> None:
    """One CPU isolates, migrates and puts back; another one reads, and sees nothing but what was stored."""

    def script(arena: Arena) -> Sequence[Sequence[Op]]:
        handles = arena.populate()
        return [[*arena.moves(), *arena.moves()], arena.reads(handles)]

    races.explore(script)


@_race("RACE-PIN", "pinning while pages are migrated", first="RACE-2", needs="pin")
def pin(races: Races) -> None:
    """One CPU isolates, migrates and puts back; what another one has pinned stays where it is."""

    def script(arena: Arena) -> Sequence[Sequence[Op]]:
        handles = arena.populate()
        return [[*arena.moves(), *arena.moves()], arena.pins(handles[:6])]

    races.explore(script)


@_race("RACE-PUTBACK", "stores and drops while pages are isolated and put back")
def putback(races: Races) -> None:
    """One CPU isolates and puts back without migrating; another one stores and drops."""

    def script(arena: Arena) -> Sequence[Sequence[Op]]:
        handles = arena.populate()
        mix = [op for pair in zip(arena.drops(handles), arena.stores(_SIZES), strict=False) for op in pair]
        return [[*arena.moves(migrate=False), *arena.moves(migrate=False)], mix]

    races.explore(script)


@_race("RACE-TWO", "two CPUs migrate the same pages")
def two(races: Races) -> None:
    """Two CPUs isolate, migrate and put back whatever they get; a third one stores and drops."""

    def script(arena: Arena) -> Sequence[Sequence[Op]]:
        handles = arena.populate()
        mix = [*arena.drops(handles[:3]), *arena.stores(_SIZES[:2])]
        return [arena.moves(), arena.moves(), mix]

    races.explore(script)


@_race("RACE-COMPACT", "compaction while objects come and go")
def compact(races: Races) -> None:
    """One CPU compacts the zone; another one drops and stores."""

    def script(arena: Arena) -> Sequence[Sequence[Op]]:
        handles = arena.populate()
        mix = [op for pair in zip(arena.drops(handles), arena.stores(_SIZES), strict=False) for op in pair]
        return [arena.compacts(), mix]

    races.explore(script)


@_race("RACE-ASYNC", "asynchronous migration while objects come and go", first="RACE-8")
def asynchronous(races: Races) -> None:
    """Migration in MIGRATE_ASYNC; a driver that claims never to sleep in it does not."""

    def script(arena: Arena) -> Sequence[Sequence[Op]]:
        handles = arena.populate()
        mix = [*arena.drops(handles[:4]), *arena.stores(_SIZES)]
        return [[*arena.moves(MigrateMode.ASYNC), *arena.moves(MigrateMode.ASYNC)], mix]

    races.explore(script, strict_async=races.spec.capabilities.never_sleeps_async)


@_race("RACE-WORK", "pages are put back after all their objects were dropped")
def work(races: Races) -> None:
    """All objects of isolated pages are dropped; the pages are put back, migrated, and work runs meanwhile."""

    def script(arena: Arena) -> Sequence[Sequence[Op]]:
        handles = arena.populate()
        drops = arena.drops(handles)
        half = len(drops) // 2
        return [
            [*arena.moves(migrate=False), *arena.moves()],
            [*drops[:half], *arena.stores((600,)), *drops[half:]],
        ]

    races.explore(script)


@_race("RACE-USERS", "two users at the same time", needs="concurrent")
def users(races: Races) -> None:
    """Two CPUs store, read and drop objects of their own; a third one migrates."""

    def script(arena: Arena) -> Sequence[Sequence[Op]]:
        handles = arena.populate()
        first, second = handles[::2], handles[1::2]
        return [
            [*arena.drops(first[:2]), *arena.stores(_SIZES[:2]), *arena.reads(first[2:])],
            [*arena.reads(second[:1]), *arena.drops(second), *arena.stores(_SIZES[2:])],
            arena.moves(),
        ]

    races.explore(script)


@_race("RACE-UNLOAD", "unloading while pages are migrated", requires=(*_FIRST, "UNLOAD-MOVED"))
def unload(races: Races) -> None:
    """One CPU isolates, migrates and puts back; another one unloads the driver."""

    def script(arena: Arena) -> Sequence[Sequence[Op]]:
        arena.populate()
        return [arena.moves(pages=arena.marked()), arena.unloads()]

    races.explore(script)
