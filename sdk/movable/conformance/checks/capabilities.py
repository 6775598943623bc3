"""What a driver claims, against what it does."""

from contextlib import ExitStack

from movable.conformance.ledger import Handle
from movable.conformance.registry import check
from movable.conformance.rig import Rig
from movable.errors import DeadVM, Violation


@check(
    "CAP-DROP-ISOLATED",
    "dropping while isolated is claimed if it works",
    clauses=("CAP-1",),
    needs=None,
    requires=("ISO-LRU", "FREE-CLEARED", "PAGES"),
)
def drop_isolated(rig: Rig) -> None:
    """With all pages of an object isolated drop() works if that is claimed, and says busy if not."""
    rig.fill()
    taken = set(rig.isolate_some().taken)
    handles = [
        handle for handle in rig.ledger.handles if taken.issuperset(rig.pages(handle)) and rig.pages(handle)
    ]
    if not handles or len(taken) < len(rig.marked()):
        rig.nothing("the driver does not let all pages of an object be isolated")
    dropped = sum(rig.drop(handle) for handle in handles)
    if rig.spec.capabilities.drop_isolated:
        rig.expect(
            dropped == len(handles),
            f"drop_isolated is claimed, but drop() worked for {dropped} of {len(handles)} isolated objects",
            where="drop()",
        )
    else:
        rig.expect(
            dropped < len(handles), "drop_isolated is not claimed, but drop() works: claim it", where="drop()"
        )


@check(
    "PIN-HELD",
    "a pinned object stays where it is",
    clauses=("CAP-3",),
    needs="pin",
    requires=("MIG-RETRY", "MIG-CHAIN", "MIG-UNTOUCHED", "PAGES"),
)
def pin_held(rig: Rig) -> None:
    """While an object is pinned its pages do not move."""
    rig.fill()
    handle = rig.ledger.handles[0]
    with rig.pin(handle):
        before = rig.pages(handle)
        moved = {call.pfn for call in rig.move_all()}
        for page in before:
            rig.expect(page.pfn not in moved, "a pinned page moved", pfn=page.pfn, where="migratepage")
        rig.expect(rig.pages(handle) == before, "pages() of a pinned object changed", where="pages()")
    rig.read(handle, "CAP-3")


@check(
    "PIN-RELEASED",
    "an unpinned object moves again",
    clauses=("CAP-3", "LIVE-4"),
    needs="pin",
    requires=("PIN-HELD",),
)
def pin_released(rig: Rig) -> None:
    """After a failed attempt under a pin, and its end, the object's pages move and its contents with them."""
    rig.fill()
    handle = rig.ledger.handles[0]
    with rig.pin(handle):
        before = {page.pfn for page in rig.pages(handle)}
        rig.move_all()
    moved = {call.pfn for call in rig.move_all()}
    rig.expect(before & moved, "no page of the object moved after it was unpinned", where="migratepage")
    rig.verify("CAP-3")


@check(
    "CAP-PIN",
    "pinning is claimed if it works",
    clauses=("CAP-1",),
    needs=None,
    requires=("MIG-AGAIN", "PAGES"),
)
def pin_claimed(rig: Rig) -> None:
    """A driver whose pin() keeps an object in place that moves without it claims that it can."""
    rig.fill()
    handle = rig.ledger.handles[0]
    if rig.spec.capabilities.pin:
        rig.nothing("pin is claimed, and PIN-HELD judges it")
    moved = _moves(rig, handle)
    with ExitStack() as pins:
        if not _try_pin(rig, handle, pins):
            return
        still = not _moves(rig, handle)
    rig.expect(
        not (moved and still and _moves(rig, handle)),
        "pin is not claimed, but an object stays in place while it is pinned, and moves before and after: claim it",
        where="pin()",
    )


def _try_pin(rig: Rig, handle: Handle, pins: ExitStack) -> bool:
    """Pin an object, until the stack ends, of a driver that does not claim it; False if there is no pin()."""
    try:
        pins.enter_context(rig.workload.pin(handle))
    except (Violation, DeadVM):
        raise
    except Exception:  # it is not claimed: any refusal will do
        return False
    return True


def _moves(rig: Rig, handle: Handle) -> bool:
    """True if a page of the object moves when all pages are moved."""
    before = {page.pfn for page in rig.pages(handle)}
    return bool(before & {call.pfn for call in rig.move_all()})


@check(
    "CAP-LARGER",
    "objects larger than claimed are not taken",
    clauses=("CAP-1",),
    needs="contents",
    requires=("CAP-MAX-OBJECT",),
)
def larger(rig: Rig) -> None:
    """A driver that keeps a larger object than it claims, among others and through moves, is told so."""
    size = rig.spec.capabilities.max_object + 1
    rig.fill()
    try:
        taken = rig.store(size) is not None
        rig.fill(pages=16)
        rig.move_all()
        kept = taken and all(rig.reads_back(handle) for handle in rig.ledger.handles)
    except Exception:  # the request is beyond the claim: any refusal, and any mess after it, will do
        kept = False
    if kept:
        rig.note(f"an object of {size} bytes was kept, max_object says {size - 1}: claim what works")
