"""Moves that fail at each single page, or at each pass, while the other pages of the batch move."""

from errno import EAGAIN, EBUSY, ENOMEM

from movable.conformance.checks.groups import SOUND
from movable.conformance.faults import FaultRig
from movable.conformance.registry import check
from movable.conformance.rig import Batch
from movable.conformance.state import PageState
from movable.faults import Targets
from movable.flags import MigrateMode

_PASSES = 10
_MODES = (MigrateMode.SYNC, MigrateMode.SYNC_LIGHT, MigrateMode.ASYNC)


class _Interrupted(KeyboardInterrupt):
    """Ctrl-C, as the suite raises it."""


def _pages(rig: FaultRig) -> int:
    """How many pages a batch has: those of a life without a fault."""
    rig.begin()
    rig.fill()
    batch = rig.isolate_some()
    rig.putback(batch)
    rig.end()
    return len(batch.taken)


def _batch(rig: FaultRig) -> tuple[Batch, dict[int, PageState]]:
    """A new life's isolated pages, with their states."""
    rig.fill()
    batch = rig.isolate_some()
    return batch, rig.states(batch.taken)


def _left_alone(rig: FaultRig, batch: Batch, states: dict[int, PageState], clause: str) -> None:
    """What is still on the list is isolated as before."""
    for page in batch.pages:
        rig.unchanged(states[page.pfn], page, "a page that was not moved changed", clause=clause)


@check(
    "FAULT-EAGAIN",
    "-EAGAIN for each number of passes, to one page and to all",
    clauses=("FAULT-5",),
    needs=None,
    level="L2",
    requires=(*SOUND, "MIG-AGAIN"),
    rig=FaultRig,
)
def again(rig: FaultRig) -> None:
    """For 1 to 10 passes a page is answered -EAGAIN while others move: it moves afterwards, or is put back."""

    def one(place: int) -> int:
        batch, states = _batch(rig)
        page = batch.taken[place % len(batch.taken)]
        fault = rig.answers.fail(-EAGAIN, place + 1, page=page)
        rig.migrate(batch)
        _left_alone(rig, batch, states, "FAULT-5")
        rig.putback(batch)
        return fault.injected

    def every(place: int) -> int:
        batch, states = _batch(rig)
        faults = [rig.answers.fail(-EAGAIN, place + 1, page=page) for page in batch.taken]
        rig.migrate(batch)
        _left_alone(rig, batch, states, "FAULT-5")
        rig.putback(batch)
        return sum(fault.injected for fault in faults)

    rig.series(_PASSES, one, what="with -EAGAIN to one page for {} passes", clause="FAULT-5")
    rig.series(_PASSES, every, what="with -EAGAIN to all pages for {} passes", clause="FAULT-5")
    rig.injected("no page came to be moved")


@check(
    "FAULT-EBUSY",
    "-EBUSY for each page of a batch, while the others move",
    clauses=("FAULT-6",),
    needs=None,
    level="L2",
    requires=("FAULT-EAGAIN",),
    rig=FaultRig,
)
def busy(rig: FaultRig) -> None:
    """The page is in use again at once, the others are not concerned, and the next attempt moves it."""

    def live(place: int) -> int:
        batch, _ = _batch(rig)
        page = batch.taken[min(place, len(batch.taken) - 1)]
        fault = rig.answers.fail(-EBUSY, page=page)
        rig.migrate(batch, _MODES[place % 3])
        if fault.injected:
            rig.at_rest(page)
        rig.putback(batch)
        rig.verify()
        again = rig.isolate([page])
        rig.migrate(again)
        rig.putback(again)
        return fault.injected

    rig.series(_pages(rig), live, what="with -EBUSY to page {}", clause="FAULT-6")
    rig.injected("no page came to be moved")


@check(
    "FAULT-ENOMEM",
    "-ENOMEM for each page of a batch: the rest waits",
    clauses=("FAULT-6",),
    needs=None,
    level="L2",
    requires=("FAULT-EBUSY", "MIG-NOMEM"),
    rig=FaultRig,
)
def no_memory(rig: FaultRig) -> None:
    """While the rest is still isolated, the page that failed is isolated again and moved; then the rest is."""

    def live(place: int) -> int:
        batch, states = _batch(rig)
        page = batch.taken[min(place, len(batch.taken) - 1)]
        fault = rig.answers.fail(-ENOMEM, page=page)
        rig.migrate(batch, _MODES[place % 3])
        _left_alone(rig, batch, states, "FAULT-6")
        if fault.injected:
            rig.at_rest(page)
            second = rig.isolate([page])
            rig.migrate(second)
            rig.putback(second)
        rig.migrate(batch)
        rig.putback(batch)
        return fault.injected

    rig.series(_pages(rig), live, what="with -ENOMEM to page {}", clause="FAULT-6")
    rig.injected("no page came to be moved")


@check(
    "FAULT-TARGET",
    "no target for each page of a batch",
    clauses=("FAULT-4",),
    needs=None,
    level="L2",
    requires=("FAULT-ENOMEM",),
    rig=FaultRig,
)
def target(rig: FaultRig) -> None:
    """The call ends there; the rest is as it was, is put back, or moves when the call is repeated."""

    def stopped(place: int) -> tuple[Batch, int]:
        batch, states = _batch(rig)
        targets = Targets(rig.vm)
        targets.fail(place)
        rig.migrate(batch, targets=targets)
        _left_alone(rig, batch, states, "FAULT-4")
        return batch, targets.injected

    def put_back(place: int) -> int:
        batch, injected = stopped(place)
        rig.putback(batch)
        return injected

    def repeated(place: int) -> int:
        batch, injected = stopped(place)
        rig.migrate(batch)
        rig.putback(batch)
        return injected

    pages = _pages(rig)
    rig.series(pages, put_back, what="with no target at request {}, then a put-back", clause="FAULT-4")
    rig.series(pages, repeated, what="with no target at request {}, then the call again", clause="FAULT-4")
    rig.injected("no page came to be moved")


@check(
    "FAULT-REFUSE",
    "each isolation of a batch is refused",
    clauses=("FAULT-7",),
    needs=None,
    level="L2",
    requires=(*SOUND, "ISO-NOT-REUSED"),
    rig=FaultRig,
)
def refused(rig: FaultRig) -> None:
    """The page stays in use while all others are isolated, stored beside, moved and put back."""

    def live(place: int) -> int:
        rig.fill()
        fault = rig.answers.refuse(at=place)
        batch = rig.isolate_some()
        states = rig.states(batch.taken)
        bytes_before = {pfn: state.bytes_ for pfn, state in states.items()}
        for _ in range(4):
            rig.store()
        changed = [
            page for page in batch.taken if rig.states([page])[page.pfn].bytes_ != bytes_before[page.pfn]
        ]
        rig.expect(not changed, "store() wrote into an isolated page", where="store()")
        rig.migrate(batch)
        rig.putback(batch)
        return fault.injected

    rig.series(_pages(rig), live, what="with isolation {} refused", clause="FAULT-7")
    rig.injected("no page came to be isolated")


@check(
    "FAULT-INTERRUPT",
    "a migration is interrupted before each page",
    clauses=("FAULT-8",),
    needs=None,
    level="L2",
    requires=("FAULT-TARGET",),
    rig=FaultRig,
)
def interrupted(rig: FaultRig) -> None:
    """Ctrl-C in get_new_page: users go on beside the isolated rest, and everything can be put back."""

    def live(place: int) -> int:
        batch, states = _batch(rig)
        targets = Targets(rig.vm)
        targets.interrupt(_Interrupted(), place)
        try:
            rig.migrate(batch, targets=targets)
        except _Interrupted:
            _left_alone(rig, batch, states, "FAULT-8")
        rig.store()
        rig.drop(rig.ledger.handles[-1])
        rig.store()
        rig.drop(rig.ledger.handles[0])
        rig.putback(batch)
        return targets.injected

    rig.series(_pages(rig), live, what="with an interrupt at request {}", clause="FAULT-8")
    rig.injected("no page came to be moved")
