"""Another user of a page: its lock is held, or an extra reference, while the VM and the driver's users work."""

from collections.abc import Callable
from errno import EAGAIN

from movable.conformance.faults import FaultRig
from movable.conformance.registry import check
from movable.faults import Hold, LockHold, PinHold, Targets
from movable.flags import MigrateMode
from movable.page import Page

_PASSES = 10
_PAGES = 8


def _all_dropped(rig: FaultRig, place: int, hold: Callable[[Page], Hold]) -> int:
    """Drop everything while a page is held, and store beside it: as much memory comes back as without the hold."""
    rig.fill(_PAGES)
    rig.drop_all()
    rig.settle()
    free = rig.free_pages()
    rig.same_again()
    marked = rig.fill(_PAGES)
    with hold(marked[place % len(marked)]):
        for handle in rig.ledger.handles:
            rig.drop(handle)
        for _ in range(4):
            rig.store()
        rig.verify()
    rig.drop_all()
    rig.settle()
    lost = free - rig.free_pages()
    rig.expect(lost <= 0, f"after all drops {lost} pages more are in use than without this")
    return 1


@check(
    "FAULT-LOCKED",
    "another user holds a page's lock",
    clauses=("FAULT-9",),
    needs=None,
    level="L2",
    requires=("FAULT-EAGAIN",),
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
        rig.putback(batch)
        return hold.met

    def using(place: int) -> int:
        return _all_dropped(rig, place, lambda page: LockHold(rig.vm, page))

    rig.series(_PASSES, moving, what="with a page locked by another CPU for {} passes", clause="FAULT-9")
    rig.series(_PAGES, using, what="with a lock held on page {} while all is dropped", clause="FAULT-9")


@check(
    "FAULT-PINNED",
    "another user holds a reference on a page",
    clauses=("FAULT-10",),
    needs=None,
    level="L2",
    requires=("FAULT-EAGAIN",),
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
        rig.putback(batch)
        return hold.met

    def using(place: int) -> int:
        return _all_dropped(rig, place, PinHold)

    rig.series(_PASSES, moving, what="with an extra reference on a page for {} passes", clause="FAULT-10")
    rig.series(
        _PAGES, using, what="with an extra reference on page {} while all is dropped", clause="FAULT-10"
    )
