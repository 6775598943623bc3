"""The scanners of Linux 6.1 in the words of spec/differences-drivers.md 3.1 to 3.3 and 2.2, for runs without a goal."""

from allocator.model import BLOCK, BLOCK_ORDER
from attrs import define
from compaction.model import CLUSTER, MOVE_TARGETS, Control, Model

from movable import MigrateMode

MOST_STEP = 32


@define
class LaterModel(Model):
    """A zone as `Model`, compacted by the rules of 6.1."""

    last_block: int | None = None
    rescan: bool = False

    def isolate_sources(self, cc: Control) -> None:
        """3.1 step 2 and 3: a second call in the block of the last call that yielded pages is a rescan."""
        if not cc.migrate_scanned:
            self.last_block = None
        position = cc.migrate_pfn
        self.rescan = self.last_block == position // BLOCK
        low = position
        end = low // BLOCK * BLOCK + BLOCK
        while end <= cc.free_pfn:
            start = max(end - BLOCK, self.buddies.start)
            skipped = low == start and (end - 1) // BLOCK in self.skip and not cc.asked.ignore_skip_hint
            if self.accepts(end - 1) and not skipped:
                low = self.scan_sources(cc, low, end)
                break
            low, end = end, end + BLOCK
        cc.migrate_pfn = low
        if cc.sources:
            self.last_block = position // BLOCK

    def scan_sources(self, cc: Control, start: int, end: int) -> int:
        """3.2: 32 pages, then all the rest; K14 and K15 for the hints."""
        low, first = start, None
        while low < end:
            cc.migrate_scanned += 1
            if low in self.buddies.heads:
                low += 1 << self.buddies.heads[low][0]
            elif low in self.pages and self.pages[low] not in self.refused:
                cc.sources.insert(0, low)
                first = low if first is None else first
                low += 1
                if len(cc.sources) == CLUSTER and not self.rescan:
                    break
            else:
                low += 1
        low = min(low, end)
        done = low == end and (first is None or self.rescan)
        if done or (first is not None and first % BLOCK == 0):
            self.skip.add((end - 1) // BLOCK)
        if done:
            for which in range(1 if cc.asked.mode is MigrateMode.ASYNC else 2):
                self.cached_migrate[which] = max(self.cached_migrate[which], end // BLOCK * BLOCK + BLOCK)
        cc.isolated += len(cc.sources)
        return low

    def suits_as_target(self, cc: Control, start: int) -> bool:
        """3.3: the big free block comes before the override."""
        order, _ = self.buddies.heads.get(start, (0, None))
        movable = self.buddies.types[start // BLOCK] in MOVE_TARGETS
        return order < BLOCK_ORDER and (cc.asked.ignore_block_suitable or movable)

    def isolate_targets(self, cc: Control) -> None:
        """3.3: fruitless blocks double the step of the next ones."""
        limit = cc.migrate_pfn // BLOCK * BLOCK + BLOCK
        start, block = cc.free_pfn, cc.free_pfn // BLOCK * BLOCK
        end = min(block + BLOCK, self.buddies.end)
        step = MOST_STEP if cc.asked.mode is MigrateMode.ASYNC else 1
        found: list[int] = []
        while block >= limit:
            skipped = block // BLOCK in self.skip and not cc.asked.ignore_skip_hint
            if self.accepts(block) and self.suits_as_target(cc, block) and not skipped:
                before = len(found)
                start = self.sample_targets(cc, start, end, found, step)
                if len(found) >= len(cc.sources):
                    start = block - BLOCK if start >= end else start
                    break
                if start < end:
                    break
                step = 1 if len(found) > before else min(step * 2, MOST_STEP)
            end, block = block, block - BLOCK
            start = block
        cc.targets = found[::-1]
        cc.free_pfn = start

    def sample_targets(self, cc: Control, start: int, end: int, found: list[int], step: int) -> int:
        """3.3, inside a block."""
        pfn, before = start, len(found)
        while pfn < end:
            cc.free_scanned += 1
            if pfn not in self.buddies.heads:
                pfn += step
                continue
            order = self.buddies.heads[pfn][0]
            if not self.take_free_block(pfn, order):
                break
            cc.free_scanned += (1 << order) - 1
            found += range(pfn, pfn + (1 << order))
            pfn += 1 << order
            if len(found) >= len(cc.sources):
                break
            pfn += step - 1
        pfn = min(pfn, end)
        if pfn == end:
            self.skip.add(start // BLOCK)
            self.cached_free = min(self.cached_free, start // BLOCK * BLOCK)
        cc.isolated += len(found) - before
        return pfn
