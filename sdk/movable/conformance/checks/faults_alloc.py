"""Memory is short at each single allocation: of requests, of callbacks, of loading."""

from movable.conformance.checks.groups import SOUND
from movable.conformance.faults import FaultRig
from movable.conformance.outcome import CheckFailed
from movable.conformance.registry import check
from movable.errors import MovableError, Violation
from movable.faults import AllocFaults, Inside
from movable.flags import MigrateMode

_STORES = 24


def _requests(rig: FaultRig) -> None:
    """What users ask of a driver, whatever it answers: stores, drops, queued work, reads."""
    for number in range(_STORES):
        rig.store()
        if number % 3 == 2 and rig.ledger.objects:
            rig.drop(rig.ledger.rng.choice(rig.ledger.handles))
    rig.settle()
    rig.verify("FAULT-1")


def _moves(rig: FaultRig) -> None:
    """Isolation, put-back, migration in two modes, compaction."""
    rig.putback(rig.isolate(rig.marked()[::2]))
    for mode in (MigrateMode.ASYNC, MigrateMode.SYNC):
        rig.move_all(mode)
    rig.vm.compact_node(0)


@check(
    "FAULT-ALLOC-STORE",
    "each allocation of a request fails, once and from then on",
    clauses=("FAULT-1",),
    needs=None,
    level="L2",
    requires=SOUND,
    rig=FaultRig,
)
def requests(rig: FaultRig) -> None:
    """Stores, drops and reads with every single allocation failing; then, without memory, moves and unload."""

    def once(place: int) -> int:
        with AllocFaults(rig.vm, place) as faults:
            _requests(rig)
        return faults.failed

    def from_then_on(place: int) -> int:
        with AllocFaults(rig.vm, place, None) as faults:
            _requests(rig)
            _moves(rig)
            rig.verify("FAULT-1")
            rig.unload()
        rig.reload()
        return faults.failed

    with AllocFaults(rig.vm, times=0) as counted:
        _requests(rig)
    rig.end()
    if not counted.seen:
        rig.nothing("what users ask allocates no page")
    rig.series(counted.seen, once, what="with the failure of allocation {}", clause="FAULT-1")
    rig.series(counted.seen, from_then_on, what="with no memory from allocation {}", clause="FAULT-1")


@check(
    "FAULT-ALLOC-LOAD",
    "each allocation of loading fails, once and from then on",
    clauses=("FAULT-3",),
    needs=None,
    level="L2",
    requires=("RELOAD",),
    rig=FaultRig,
)
def load(rig: FaultRig) -> None:
    """A factory that finds no memory raises and leaves nothing, or loads a driver that works; later it loads."""
    rig.unload()
    with AllocFaults(rig.vm, times=0) as counted:
        rig.reload()
    rig.end()
    if not counted.seen:
        rig.nothing("loading the driver allocates no page")
    for times, what in (
        (1, "with the failure of allocation {}"),
        (None, "with no memory from allocation {}"),
    ):

        def live(place: int, times: int | None = times) -> int:
            rig.unload()
            with AllocFaults(rig.vm, place, times) as faults:
                loaded = _loads(rig)
            if not loaded:
                _nothing_left(rig)
                rig.reload()
            return faults.failed

        rig.series(counted.seen, live, what=what, clause="FAULT-3")


def _loads(rig: FaultRig) -> bool:
    """Whether the factory loads the driver; False if it says that there is no memory."""
    try:
        rig.reload()
    except CheckFailed as failure:
        cause = failure.__cause__
        if isinstance(cause, MemoryError | OSError | MovableError) and not isinstance(cause, Violation):
            return False
        raise
    return True


def _nothing_left(rig: FaultRig) -> None:
    rig.settle()
    left = [mapping.name for mapping in rig.vm.mappings]
    rig.expect(not left, f"the mapping {', '.join(left)!r} stays open after the factory has failed")
    lost = rig.free_before - rig.free_pages()
    rig.expect(lost <= 0, f"{lost} pages are missing after the factory has failed")


@check(
    "FAULT-ALLOC-MIGRATE",
    "each allocation inside callbacks fails, once and from then on",
    clauses=("FAULT-2",),
    needs=None,
    level="L2",
    requires=("FAULT-ALLOC-STORE",),
    rig=FaultRig,
)
def callbacks(rig: FaultRig) -> None:
    """A callback that finds no memory refuses or answers an error with nothing changed, and works later."""

    def live(place: int, times: int | None) -> int:
        rig.fill()
        with AllocFaults(rig.vm, place, times, inside=Inside.CALLBACKS) as faults:
            _moves(rig)
        return faults.failed

    rig.fill()
    with AllocFaults(rig.vm, times=0, inside=Inside.CALLBACKS) as counted:
        _moves(rig)
    rig.end()
    if not counted.seen:
        rig.nothing("the driver's callbacks allocate no page")
    rig.series(
        counted.seen,
        lambda place: live(place, 1),
        what="with the failure of callbacks' allocation {}",
        clause="FAULT-2",
    )
    rig.series(
        counted.seen,
        lambda place: live(place, None),
        what="with no memory from callbacks' allocation {}",
        clause="FAULT-2",
    )
