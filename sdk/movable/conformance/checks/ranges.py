"""Ranges of memory that must be empty: contiguous allocation, and memory that goes offline."""

from collections.abc import Sequence
from errno import EBUSY

from movable.conformance.checks.groups import MOVES, RETURNS
from movable.conformance.places import BLOCK, NodesRig, PlaceRig
from movable.conformance.registry import check
from movable.flags import GFP, MigrateType
from movable.page import Page

_NEEDS = (*MOVES, *RETURNS, "MIG-CHAIN", "UNLOAD-MOVED", "FREE-MOVED", "COMPACT-NODE", "ACC-ZONES")
_MANY = 96
"""Pages to be isolated at once: three batches of compaction, and less than the 256 of memory offline."""


@check(
    "PLACE-CONTIG",
    "contiguous ranges are had where the driver has pages",
    clauses=("PLACE-6",),
    needs=None,
    level="L4",
    requires=(*_NEEDS, "FAULT-ALLOC-STORE"),
    rig=PlaceRig,
)
def contiguous(rig: PlaceRig) -> None:
    """Each pageblock with pages of the driver is allocated as a whole, and a range whose ends lie inside one."""
    rig.fill(pages=48)
    rig.all_must_move()
    for block in _movable_blocks(rig, rig.marked()):
        _take(rig, block, block + BLOCK)
    pages = rig.marked()
    _take(rig, pages[len(pages) // 3].pfn, pages[-1].pfn + 1)
    rig.drop_all()
    rig.unload()


def _movable_blocks(rig: PlaceRig, pages: Sequence[Page]) -> list[int]:
    """The pageblocks of these pages, all of which must be MOVABLE: in others Linux 4.9 takes them for unmovable."""
    blocks = rig.blocks_of(pages)
    if any(rig.vm.pageblock_migratetype(block) is not MigrateType.MOVABLE for block in blocks):
        rig.nothing("pages of the driver lie in pageblocks that are not MOVABLE (MARK-5)")
    return blocks


def _take(rig: PlaceRig, start: int, end: int) -> None:
    """Allocate the range, look at it, and free it."""
    free = rig.free_pages()
    result = rig.vm.alloc_contig_range(start, end)
    rig.expect(
        result.ret == 0,
        f"frames {start:#x} to {end:#x} could not be had: {_in_the_way(rig, result.busy)}",
        clause="PLACE-6",
        pfn=result.busy,
    )
    left = rig.marked_in(start, end)
    rig.expect(
        not left, f"{len(left)} pages of the driver are in a range that was allocated", clause="PLACE-6"
    )
    rig.all_at_rest("PLACE-6")
    rig.vm.free_contig_range(start, end - start)
    rig.expect(
        rig.free_pages() == free,
        f"moving the driver's pages out of a range cost {free - rig.free_pages()} pages",
        clause="FREE-6",
    )


def _in_the_way(rig: PlaceRig, busy: int | None) -> str:
    if busy is None:
        return "nothing could be isolated or moved"
    page = rig.vm.page(busy)
    if page.mapping is rig.mapping:
        return "a page of the driver did not move"
    return (
        f"a page that is allocated but not marked (refcount {page.refcount}): allocate what cannot move without "
        "__GFP_MOVABLE"
    )


@check(
    "PLACE-PINNED",
    "a pin holds up a contiguous allocation, and no longer",
    clauses=("PLACE-7",),
    needs="pin",
    level="L4",
    requires=("PLACE-CONTIG", "PIN-RELEASED", "FAULT-EAGAIN"),
    rig=PlaceRig,
)
def pinned(rig: PlaceRig) -> None:
    """With a pinned object inside the range cannot be had and nothing is lost; unpinned it can."""
    rig.fill()
    rig.all_must_move()
    handle = rig.ledger.handles[0]
    block = _movable_blocks(rig, rig.pages(handle))[0]
    before = {page.pfn for page in rig.pages(handle)}
    with rig.pin(handle):
        for _ in range(2):
            result = rig.vm.alloc_contig_range(block, block + BLOCK)
            rig.expect(
                result.ret == -EBUSY,
                f"a range with a pinned object: {result}",
                clause="CAP-3",
                where="migratepage",
            )
            rig.pages_at_rest("PLACE-7")
        now = {page.pfn for page in rig.pages(handle)}
        rig.expect(now == before, "a pinned object was moved", clause="CAP-3")
    result = rig.vm.alloc_contig_range(block, block + BLOCK)
    rig.expect(
        result.ret == 0,
        f"once the object is not pinned any more the range cannot be had still: {_in_the_way(rig, result.busy)}",
        clause="PLACE-7",
        pfn=result.busy,
    )
    rig.vm.free_contig_range(block, BLOCK)
    rig.all_at_rest("PLACE-7")
    rig.unload()


@check(
    "PLACE-OFFLINE",
    "memory under the driver's pages goes offline",
    clauses=("PLACE-8",),
    needs=None,
    level="L4",
    requires=("PLACE-NODES", "PLACE-CONTIG"),
    rig=NodesRig,
)
def offline(rig: NodesRig) -> None:
    """Every pageblock with pages of the driver goes offline; all is read back; it comes back and is used again."""
    rig.fill(pages=_MANY, objects=8 * _MANY)
    rig.all_must_move()
    blocks = rig.blocks_of(rig.marked())
    for block in blocks:
        result = rig.vm.offline_pages(block, BLOCK, non_lru=True)
        rig.expect(
            result.ret == 0,
            f"memory with idle pages did not go offline: {result}",
            clause="PLACE-8",
            pfn=result.busy,
        )
        left = rig.marked_in(block, block + BLOCK)
        rig.expect(not left, f"{len(left)} pages of the driver are in memory that is gone", clause="PLACE-8")
        rig.all_at_rest("PLACE-8")
    for block in blocks:
        rig.vm.online_pages(block, BLOCK)
    rig.fill(pages=len(rig.marked()) + 8, objects=64)
    rig.all_at_rest("PLACE-8")
    rig.unload()


@check(
    "PLACE-ROLLBACK",
    "memory that could not go offline is as before",
    clauses=("PLACE-9",),
    needs=None,
    level="L4",
    requires=("PLACE-OFFLINE",),
    rig=NodesRig,
)
def rollback(rig: NodesRig) -> None:
    """A page that cannot move stands behind the driver's: five times all are isolated and put back, none is lost."""
    rig.fill(pages=_MANY, objects=8 * _MANY)
    rig.all_must_move()
    pages = rig.marked()
    start = rig.blocks_of(pages)[0]
    wall = _page_behind(rig, pages)
    end = wall.pfn // BLOCK * BLOCK + BLOCK
    before = rig.states(pages)
    result = rig.vm.offline_pages(start, end - start, non_lru=True)
    rig.expect(result.ret == -EBUSY and result.busy == wall.pfn, f"with a page that cannot move: {result}")
    for page in pages:
        rig.unchanged(before[page.pfn], page, "a page that was put back is not as it was", clause="PLACE-9")
    rig.all_at_rest("PLACE-9")
    rig.putback(rig.isolate_some())
    wall.put()
    result = rig.vm.offline_pages(start, end - start, non_lru=True)
    rig.expect(
        result.ret == 0, f"the same memory without that page: {result}", clause="PLACE-9", pfn=result.busy
    )
    rig.all_at_rest("PLACE-9")
    rig.vm.online_pages(start, end - start)
    rig.unload()


def _page_behind(rig: PlaceRig, pages: Sequence[Page]) -> Page:
    """A page of the suite's own above all of these, on their node."""
    last = pages[-1]
    spare: list[Page] = []
    while (page := rig.vm.alloc_page(GFP.HIGHUSER_MOVABLE | GFP.NOWARN, last.nid)) is not None:
        if page.nid == last.nid and page.pfn > last.pfn:
            break
        spare.append(page)
        if len(spare) == 1024:
            break
    for each in spare:
        each.put()
    if page is None or page in spare:
        rig.nothing("the driver's pages are the highest of their node")
    return page
