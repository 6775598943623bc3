"""The numbered steps of the kernel's page migration document, as the core goes through them."""

from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, Self

from attrs import field, frozen

from movable._core import ffi, lib
from movable.errors import MovableError
from movable.flags import MigrateMode, MigrateReason
from movable.machine import Machine


def _texts() -> tuple[tuple[str, str], ...]:
    name, what = ffi.new("const char **"), ffi.new("const char **")
    texts = []
    for step in range(lib.mv_nr_steps()):
        lib.mv_step_text(step, name, what)
        texts.append((ffi.string(name[0]).decode(), ffi.string(what[0]).decode()))
    return tuple(texts)


STEPS: dict[str, str] = dict(_texts())
"""What each step is, by its name in the document: A1 to A3, B1 to B16, 19, 20. spec/migration.md 8."""

_NAMES = tuple(STEPS)
_REASONS = {MigrateReason.SYSCALL: "syscall_or_cpuset"}


@frozen
class MigrationStep:
    """A step that was done to a page: when it was noted, the pages stood as the counts say.

    ``newpfn`` is None before there is a target. ``where`` is function and place in the core.
    """

    name: str
    cpu: int
    pfn: int
    newpfn: int | None
    refs: int
    mapcount: int
    new_refs: int
    new_mapcount: int
    where: str = field(eq=False)

    @property
    def what(self) -> str:
        """The step in words."""
        return STEPS[self.name]


@frozen
class MigrateCall:
    """A call of migrate_pages(), whoever made it, as its tracepoint tells of it. spec/migration.md 10.

    Its text is the tracepoint's.
    """

    succeeded: int
    failed: int
    mode: MigrateMode
    reason: MigrateReason

    def __str__(self) -> str:
        return (
            f"nr_succeeded={self.succeeded} nr_failed={self.failed} "
            f"mode=MIGRATE_{self.mode.name} reason={_REASONS.get(self.reason, self.reason.name.lower())}"
        )


def _step(record: Any) -> MigrationStep:
    function, file = ffi.string(record.function).decode(), ffi.string(record.file).decode()
    none = record.newpfn == 2**64 - 1
    return MigrationStep(
        name=_NAMES[record.step],
        cpu=record.cpu,
        pfn=record.pfn,
        newpfn=None if none else record.newpfn,
        refs=record.refs,
        mapcount=record.mapcount,
        new_refs=record.new_refs,
        new_mapcount=record.new_mapcount,
        where=f"{function}, {PurePath(file).name}:{record.line}",
    )


class StepLog:
    """Notes the steps of migrations while it is open (``with vm.steps() as log``); the last ``room`` of them.

    `calls` are the calls of migrate_pages() that ended meanwhile.
    """

    def __init__(self, machine: Machine, room: int) -> None:
        if not 0 < room <= 1 << 24:
            raise MovableError(f"room: must be 1 to {1 << 24} steps, not {room}")
        self._machine = machine
        self._room = room
        self._kept: tuple[MigrationStep, ...] | None = None
        self._calls: tuple[MigrateCall, ...] = ()

    def __enter__(self) -> Self:
        if self._machine.check(lib.mv_step_log_begin(self._machine.c, self._room)) < 0:
            raise MemoryError("no memory for a log of steps")
        return self

    def __exit__(self, *exc: object) -> None:
        if not self._machine.closed:
            self._kept, self._calls = self._read(), self._read_calls()
            lib.mv_step_log_end(self._machine.c)

    def __iter__(self) -> Iterator[MigrationStep]:
        return iter(self._read() if self._kept is None else self._kept)

    @property
    def calls(self) -> tuple[MigrateCall, ...]:
        """The last ``room`` calls of migrate_pages() that have ended, oldest first, also those with nothing to do."""
        return self._read_calls() if self._kept is None else self._calls

    def _read_calls(self) -> tuple[MigrateCall, ...]:
        records = ffi.new("struct mv_call_record[]", self._room)
        count = lib.mv_call_log(self._machine.c, records, self._room)
        return tuple(
            MigrateCall(
                int(record.succeeded),
                int(record.failed),
                MigrateMode(record.mode),
                MigrateReason(record.reason),
            )
            for record in records[0:count]
        )

    def _read(self) -> tuple[MigrationStep, ...]:
        records = ffi.new("struct mv_step_record[]", self._room)
        count = lib.mv_step_log(self._machine.c, records, self._room)
        return tuple(_step(records[index]) for index in range(count))
