"""The buddy allocator of one zone once more, in the words of spec/compaction.md 2.1 to 2.7 and 14.

Slow and plain. Tests run it beside the machine and compare every answer.
"""

from collections import Counter

from movable import MigrateType
from movable.vm import MAX_ORDER

BLOCK_ORDER = 9
BLOCK = 1 << BLOCK_ORDER
LARGEST = MAX_ORDER - 1

FALLBACKS = {
    MigrateType.UNMOVABLE: (MigrateType.RECLAIMABLE, MigrateType.MOVABLE),
    MigrateType.RECLAIMABLE: (MigrateType.UNMOVABLE, MigrateType.MOVABLE),
    MigrateType.MOVABLE: (MigrateType.RECLAIMABLE, MigrateType.UNMOVABLE),
}


class Buddies:
    """A zone `[start, end)` with all blocks MOVABLE, and all free as after boot unless `booted` is false."""

    def __init__(self, start: int, end: int, *, booted: bool = True) -> None:
        self.start, self.end = start, end
        self.types = dict.fromkeys(range(start // BLOCK, (end - 1) // BLOCK + 1), MigrateType.MOVABLE)
        self.lists: dict[tuple[int, MigrateType], list[int]] = {
            (order, kind): [] for order in range(MAX_ORDER) for kind in MigrateType
        }
        self.heads: dict[int, tuple[int, MigrateType]] = {}
        self.pages: Counter[MigrateType] = Counter()
        pfn = start if booted else end
        while pfn < end:
            order = next(
                order
                for order in reversed(range(MAX_ORDER))
                if pfn % (1 << order) == 0 and pfn + (1 << order) <= end
            )
            self.free(pfn, order)
            pfn += 1 << order

    # Lists

    def link(self, pfn: int, order: int, kind: MigrateType, *, tail: bool = False) -> None:
        """Put a free block on a list."""
        pfns = self.lists[order, kind]
        pfns.insert(len(pfns) if tail else 0, pfn)
        self.heads[pfn] = order, kind
        self.pages[kind] += 1 << order

    def unlink(self, pfn: int) -> tuple[int, MigrateType]:
        """Take a free block off its list."""
        order, kind = self.heads.pop(pfn)
        self.lists[order, kind].remove(pfn)
        self.pages[kind] -= 1 << order
        return order, kind

    def is_free(self, pfn: int, order: int) -> bool:
        """Whether a free block of exactly this order starts here."""
        return self.heads.get(pfn, (None,))[0] == order

    def nr_free(self) -> list[int]:
        """Free blocks by order, of all types."""
        return [sum(len(self.lists[order, kind]) for kind in MigrateType) for order in range(MAX_ORDER)]

    def free_pages(self) -> int:
        """NR_FREE_PAGES: without ISOLATE lists."""
        return self.pages.total() - self.pages[MigrateType.ISOLATE]

    def cma_pages(self) -> int:
        """NR_FREE_CMA_PAGES."""
        return self.pages[MigrateType.CMA]

    def type_of(self, pfn: int) -> MigrateType:
        """The type of the frame's pageblock."""
        return self.types[pfn // BLOCK]

    # Freeing, section 2.2

    def may_merge(self, pfn: int, buddy: int, order: int) -> bool:
        """Step 3; a CMA block is kept apart too, as the kernel never places its edge inside an order-10 block."""
        types = {self.type_of(pfn), self.type_of(buddy)}
        return order < BLOCK_ORDER or len(types) == 1 or not types & {MigrateType.ISOLATE, MigrateType.CMA}

    def free(self, pfn: int, order: int) -> None:
        """Free a block and merge it."""
        kind = self.type_of(pfn)
        while order < LARGEST:
            buddy = pfn ^ (1 << order)
            if not self.is_free(buddy, order) or not self.may_merge(pfn, buddy, order):
                break
            self.unlink(buddy)
            pfn &= buddy
            order += 1
        tail = False
        if order <= LARGEST - 2:
            merged = pfn & ~(1 << order)
            tail = self.is_free(merged ^ (2 << order), order + 1)
        self.link(pfn, order, kind, tail=tail)

    # Allocating (2.3 to 2.7)

    def split(self, pfn: int, low: int, high: int, kind: MigrateType) -> int:
        """The lowest part of a block just unlinked; upper halves go to heads."""
        for order in reversed(range(low, high)):
            self.link(pfn + (1 << order), order, kind)
        return pfn

    def smallest(self, order: int, kind: MigrateType) -> int | None:
        """2.3: from the lists of one type."""
        for current in range(order, MAX_ORDER):
            if self.lists[current, kind]:
                pfn = self.lists[current, kind][0]
                self.unlink(pfn)
                return self.split(pfn, order, current, kind)
        return None

    def move_block(self, pfn: int, kind: MigrateType) -> int:
        """Relist the free buddies of the page's block, ascending, each at the head; how many pages (2.6)."""
        first = pfn // BLOCK * BLOCK
        if first + BLOCK > self.end:
            return 0
        at, moved = (first if first >= self.start else pfn), 0
        while at < first + BLOCK:
            if at in self.heads:
                order, _ = self.unlink(at)
                self.link(at, order, kind)
                moved += 1 << order
                at += 1 << order
            else:
                at += 1
        return moved

    def steal(self, order: int, wanted: MigrateType) -> int | None:
        """2.6 A: the largest foreign block."""
        for current in reversed(range(order, MAX_ORDER)):
            for kind in FALLBACKS[wanted]:
                if not self.lists[current, kind]:
                    continue
                pfn = self.lists[current, kind][0]
                if current >= BLOCK_ORDER // 2 or wanted is not MigrateType.MOVABLE:
                    self.take_over(pfn, current, wanted)
                self.unlink(pfn)
                return self.split(pfn, order, current, wanted)
        return None

    def take_over(self, pfn: int, order: int, wanted: MigrateType) -> None:
        """2.6 A step 2."""
        if order >= BLOCK_ORDER:
            for block in range(pfn // BLOCK, (pfn + (1 << order)) // BLOCK):
                self.types[block] = wanted
        elif self.move_block(pfn, wanted) >= BLOCK // 2:
            self.types[pfn // BLOCK] = wanted

    def meets_marks(self, order: int, wanted: MigrateType) -> bool:
        """2.10 with marks and reserves 0; a MOVABLE request has ALLOC_CMA."""
        usable = {MigrateType.UNMOVABLE, MigrateType.MOVABLE, MigrateType.RECLAIMABLE}
        free = self.free_pages() - (1 << order) + 1
        if wanted is MigrateType.MOVABLE:
            usable.add(MigrateType.CMA)
        else:
            free -= self.cma_pages()
        return free > 0 and any(self.lists[at, kind] for at in range(order, MAX_ORDER) for kind in usable)

    def alloc(self, order: int, wanted: MigrateType) -> int | None:
        """A request that no zone but this one can serve."""
        if not self.meets_marks(order, wanted):
            return None
        kinds = [wanted, MigrateType.CMA] if wanted is MigrateType.MOVABLE else [wanted]
        for kind in kinds:
            pfn = self.smallest(order, kind)
            if pfn is not None:
                return pfn
        return self.steal(order, wanted)
