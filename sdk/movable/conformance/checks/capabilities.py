"""What a driver claims, against what it does."""

from movable.conformance.registry import check
from movable.conformance.rig import Rig


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
