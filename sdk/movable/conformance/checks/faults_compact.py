"""Compaction while things go wrong."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from errno import EAGAIN, EBUSY, ENOMEM

from movable.conformance.faults import FaultRig
from movable.conformance.registry import check
from movable.conformance.terrain import scatter
from movable.faults import AllocFaults, Hold, LockHold, PinHold
from movable.flags import MigrateMode
from movable.page import Page
from movable.vm import CompactSettings

_GAP = 60

Arm = Callable[[FaultRig, list[Page]], AbstractContextManager[Callable[[], int]]]
"""Arms a fault for the time of a block; what it gives counts how many were injected."""


def _answered(answer: int, times: int, at: int) -> Arm:
    """migratepage answers ``times`` errors in every ``at`` + ``times`` calls."""

    @contextmanager
    def arm(rig: FaultRig, marked: list[Page]) -> Iterator[Callable[[], int]]:
        for number in range(0, 2 * len(marked), at + times):
            rig.answers.fail(answer, times, at=number + at)
        yield lambda: rig.answers.injected

    return arm


@contextmanager
def _refused(rig: FaultRig, marked: list[Page]) -> Iterator[Callable[[], int]]:
    """Every third isolation is refused."""
    for number in range(0, 2 * len(marked), 3):
        rig.answers.refuse(at=number)
    yield lambda: rig.answers.injected


@contextmanager
def _locked(rig: FaultRig, marked: list[Page]) -> Iterator[Callable[[], int]]:
    """Every fifth page is locked by another CPU: the scanner passes it by."""
    with _held([LockHold(rig.vm, page) for page in marked[::5]]):
        yield lambda: len(marked[::5])


@contextmanager
def _pinned(_rig: FaultRig, marked: list[Page]) -> Iterator[Callable[[], int]]:
    """Every fifth page has an extra reference."""
    with _held([PinHold(page) for page in marked[::5]]):
        yield lambda: len(marked[::5])


@contextmanager
def _held(holds: list[Hold]) -> Iterator[None]:
    with ExitStack() as stack:
        for hold in holds:
            stack.enter_context(hold)
        yield


@contextmanager
def _short(rig: FaultRig, _marked: list[Page]) -> Iterator[Callable[[], int]]:
    """No memory at all; compaction allocates none, but its callbacks may."""
    with AllocFaults(rig.vm, times=None) as faults:
        yield lambda: faults.failed


_FAULTS: tuple[tuple[str, Arm], ...] = (
    ("-EAGAIN to every other call", _answered(-EAGAIN, 1, 1)),
    ("-EAGAIN to eleven calls in a row", _answered(-EAGAIN, 11, 3)),
    ("-EBUSY to every fourth call", _answered(-EBUSY, 1, 3)),
    ("-ENOMEM to every fourth call", _answered(-ENOMEM, 1, 3)),
    ("every third isolation refused", _refused),
    ("every fifth page locked by another CPU", _locked),
    ("an extra reference on every fifth page", _pinned),
    ("no memory for callbacks", _short),
)


@check(
    "FAULT-COMPACT",
    "compaction under each kind of fault",
    clauses=("FAULT-11",),
    needs=None,
    level="L2",
    requires=(
        "FAULT-ALLOC-MIGRATE",
        "FAULT-INTERRUPT",
        "FAULT-REFUSE",
        "FAULT-LOCKED",
        "FAULT-PINNED",
        "COMPACT-ASYNC",
    ),
    rig=FaultRig,
)
def compaction(rig: FaultRig) -> None:
    """Compaction by hand and in MIGRATE_ASYNC keeps everything, whichever of its pages cannot move."""
    for mode in (MigrateMode.SYNC, MigrateMode.ASYNC):

        def live(place: int, mode: MigrateMode = mode) -> int:
            marked = scatter(rig, gap=_GAP)
            with _FAULTS[place][1](rig, marked) as injected:
                for zone in rig.vm.zones:
                    rig.vm.compact_zone(zone, CompactSettings(mode=mode, whole_zone=True))
                return injected()

        def what(place: int, mode: MigrateMode = mode) -> str:
            return f"compaction in MIGRATE_{mode.name} with {_FAULTS[place][0]}"

        rig.series(len(_FAULTS), live, what=what, clause="FAULT-11")
    rig.injected("compaction met no page of the driver")
