"""Another user of a page: its lock is held, or an extra reference, while the VM and the driver's users work."""

from errno import EAGAIN

from movable.conformance.checks.groups import MOVES, RETURNS
from movable.conformance.faults import FaultRig
from movable.conformance.registry import check
from movable.faults import LockHold, PinHold, Targets
from movable.flags import MigrateMode

_BASE = (*MOVES, *RETURNS, "FREE-CLEARED", "FREE-IDLE", "RELOAD", "MIG-RETRY")
_PASSES = 10
_PAGES = 8


@check(
    "FAULT-LOCKED",
    "another user holds a page's lock",
    clauses=("FAULT-9", "FREE-7", "DATA-1"),
    needs=None,
    level="L2",
    requires=(*_BASE, "FAULT-EAGAIN"),
    rig=FaultRig,
)
def locked(rig: FaultRig) -> None:
    """For 1 to 10 passes, and over drops and stores: nothing is lost, and a drop is put off at most."""

    def moving(place: int) -> int:
        rig.fill()
        batch = rig.isolate_some()
        page = batch.taken[place % len(batch.taken)]
        mode = MigrateMode.ASYNC if place % 2 else MigrateMode.SYNC
        with LockHold(rig.vm, page, place + 1) as hold:
            rig.migrate(batch, mode, targets=Targets(rig.vm, [hold]))
            rig.verify()
        rig.putback(batch)
        return hold.met

    def using(place: int) -> int:
        marked = rig.fill(_PAGES)
        with LockHold(rig.vm, marked[place % len(marked)]):
            for handle in rig.ledger.handles:
                rig.drop(handle)
            for _ in range(4):
                rig.store()
            rig.verify()
        return 1

    rig.series(_PASSES, moving, what="with a page locked by another CPU for {} passes", clause="FAULT-9")
    rig.series(_PAGES, using, what="with a lock held on page {} while all is dropped", clause="FAULT-9")


@check(
    "FAULT-PINNED",
    "another user holds a reference on a page",
    clauses=("FAULT-10", "MIG-4", "MIG-7", "DATA-1"),
    needs=None,
    level="L2",
    requires=(*_BASE, "FAULT-EAGAIN"),
    rig=FaultRig,
)
def pinned(rig: FaultRig) -> None:
    """For 1 to 10 passes, and over drops: the reference is not the driver's, and when it goes so does the frame."""

    def moving(place: int) -> int:
        rig.fill()
        batch = rig.isolate_some()
        page = batch.taken[place % len(batch.taken)]
        rig.answers.fail(-EAGAIN, place, page=page)
        with PinHold(page, place + 1) as hold:
            rig.migrate(batch, targets=Targets(rig.vm, [hold]))
            rig.verify()
        rig.putback(batch)
        return hold.met

    def using(place: int) -> int:
        marked = rig.fill(_PAGES)
        with PinHold(marked[place % len(marked)]):
            rig.move_all()
            for handle in rig.ledger.handles:
                rig.drop(handle)
            for _ in range(4):
                rig.store()
            rig.verify()
        return 1

    rig.series(_PASSES, moving, what="with an extra reference on a page for {} passes", clause="FAULT-10")
    rig.series(
        _PAGES, using, what="with an extra reference on page {} while all is dropped", clause="FAULT-10"
    )
