"""Memory laid out for compaction: the driver's pages spread over the machine, holes between them."""

from movable.conformance.rig import Rig
from movable.flags import GFP
from movable.page import Page

__all__ = ["scatter"]

_RESERVE = 256
_GFP = GFP.HIGHMEM | GFP.MOVABLE | GFP.NOWARN


def scatter(rig: Rig, *, plug: int | None = None, gap: int = 12) -> list[Page]:
    """Store two objects after every ``gap`` pages of ballast until little is free, then free the ballast.

    With ``plug`` the free blocks of that order and above that are left at the end are taken away, so that an
    allocation of this order needs compaction. Ballast is allocated without reclaim or compaction.
    Returns the marked pages: one or more in most blocks of ``gap`` + 4 pages.
    """
    ballast: list[Page] = []
    while rig.free_pages() > _RESERVE:
        run = [page for _ in range(gap) if (page := rig.vm.alloc_page(_GFP)) is not None]
        ballast += run
        if len(run) < gap or rig.store_any() is None or rig.store_any() is None:
            break
    while plug is not None and rig.vm.alloc_pages(plug, _GFP | GFP.MEMALLOC) is not None:
        pass
    for page in ballast:
        rig.vm.free_pages(page)
    return rig.marked()
