"""Compaction of one zone once more, in the words of spec/compaction.md 3 to 6 (Linux 4.9).

Slow and plain. Tests run it beside the machine and compare every number.
"""

from allocator.model import BLOCK, BLOCK_ORDER, Buddies
from attrs import define, field, frozen

from movable import AllocFlags, CompactResult, CompactSettings, MigrateMode, MigrateType, Watermarks
from movable.vm import MAX_ORDER

CLUSTER = 32
MOVE_TARGETS = (MigrateType.MOVABLE, MigrateType.CMA)


@frozen
class Numbers:
    """What a run reports."""

    result: CompactResult
    migrate_pfn: int
    free_pfn: int
    migrate_scanned: int
    free_scanned: int
    isolated: int
    migrated: int
    failed: int


@define
class Control:
    """The control block of a run (3.1)."""

    asked: CompactSettings
    whole_zone: bool
    migrate_pfn: int = 0
    free_pfn: int = 0
    sources: list[int] = field(factory=list)
    targets: list[int] = field(factory=list)
    migrate_scanned: int = 0
    free_scanned: int = 0
    isolated: int = 0
    migrated: int = 0
    failed: int = 0

    @property
    def met(self) -> bool:
        """5.6."""
        return self.free_pfn // BLOCK <= self.migrate_pfn // BLOCK

    @property
    def skips_on_failure(self) -> bool:
        """4.2 (c)."""
        return self.asked.direct and self.asked.mode is MigrateMode.ASYNC


@define
class Model:
    """A zone with its movable pages: `pages` gives the serial number of the page at a frame.

    `refused` pages are never isolated, `busy` ones answer -EAGAIN and `stuck` ones -EBUSY, all by serial.
    """

    buddies: Buddies
    marks: Watermarks
    missing: frozenset[int] = frozenset()
    pages: dict[int, int] = field(factory=dict)
    refused: frozenset[int] = frozenset()
    busy: frozenset[int] = frozenset()
    stuck: frozenset[int] = frozenset()
    skip: set[int] = field(factory=set)
    cached_migrate: list[int] = field(factory=list)
    cached_free: int = 0
    flush: bool = False

    def __attrs_post_init__(self) -> None:
        self.reset_positions()

    @property
    def top(self) -> int:
        """The start of the zone's last block."""
        return (self.buddies.end - 1) // BLOCK * BLOCK

    def reset_positions(self) -> None:
        """3.4."""
        self.cached_migrate = [self.buddies.start] * 2
        self.cached_free = self.top

    # 2.10, 3.3, 9.5

    def meets(self, order: int, mark: int, flags: AllocFlags) -> bool:
        """Whether a mark is met; the machines under test have no reserves."""
        cma = bool(flags & AllocFlags.CMA)
        free = self.buddies.free_pages() - (1 << order) + 1 - (0 if cma else self.buddies.cma_pages())
        kinds = [MigrateType.UNMOVABLE, MigrateType.MOVABLE, MigrateType.RECLAIMABLE]
        kinds += [MigrateType.CMA] if cma else []
        lists = self.buddies.lists
        fits = any(lists[at, kind] for at in range(order, MAX_ORDER) for kind in kinds)
        return free > mark and (order == 0 or fits)

    def fragmentation_index(self, order: int) -> int:
        """9.5; divisions truncate toward zero."""
        counts = self.buddies.nr_free()
        if not sum(counts):
            return 0
        if any(counts[order:]):
            return -1000
        free = sum(count << at for at, count in enumerate(counts))
        return 1000 - (1000 + free * 1000 // (1 << order)) // sum(counts)

    def suitable(self, asked: CompactSettings, extfrag_threshold: int) -> CompactResult:
        """3.3."""
        order = asked.order
        if order == -1:
            return CompactResult.CONTINUE
        marks = (self.marks.min, self.marks.low, self.marks.high)
        if self.meets(order, marks[asked.alloc_flags & 3], asked.alloc_flags):
            return CompactResult.SUCCESS
        base = self.marks.low if order > 3 else self.marks.min
        if not self.meets(0, base + (2 << order), AllocFlags.CMA):
            return CompactResult.SKIPPED
        if order > 3 and 0 <= self.fragmentation_index(order) <= extfrag_threshold:
            return CompactResult.SKIPPED
        return CompactResult.CONTINUE

    def finished(self, cc: Control) -> CompactResult:
        """6.3."""
        asked = cc.asked
        if cc.met:
            self.reset_positions()
            self.flush |= asked.direct
            return CompactResult.COMPLETE if cc.whole_zone else CompactResult.PARTIAL_SKIPPED
        marks = (self.marks.min, self.marks.low, self.marks.high)
        if asked.order == -1 or not self.meets(asked.order, marks[asked.alloc_flags & 3], asked.alloc_flags):
            return CompactResult.CONTINUE
        wanted = MigrateType((asked.gfp & 0x18) >> 3)
        others = {MigrateType.UNMOVABLE, MigrateType.MOVABLE, MigrateType.RECLAIMABLE} - {wanted}
        for order in range(asked.order, MAX_ORDER):
            kinds = {wanted}
            if wanted is MigrateType.MOVABLE:
                kinds.add(MigrateType.CMA)
            if wanted is not MigrateType.MOVABLE or order >= BLOCK_ORDER // 2:
                kinds |= others
            if any(self.buddies.lists[order, kind] for kind in kinds):
                return CompactResult.SUCCESS
        return CompactResult.CONTINUE

    # 3.7, 6.1

    def run(self, asked: CompactSettings, extfrag_threshold: int = 500) -> Numbers:
        """One run."""
        cc = Control(asked, asked.whole_zone)
        result = self.suitable(asked, extfrag_threshold)
        if result is CompactResult.CONTINUE:
            self.set_positions(cc)
            while (result := self.finished(cc)) is CompactResult.CONTINUE:
                self.isolate_sources(cc)
                if cc.sources and self.move_batch(cc):
                    result = CompactResult.CONTENDED
                    break
            self.release(cc)
        return Numbers(
            result,
            cc.migrate_pfn,
            cc.free_pfn,
            cc.migrate_scanned,
            cc.free_scanned,
            cc.isolated,
            cc.migrated,
            cc.failed,
        )

    def set_positions(self, cc: Control) -> None:
        """3.4."""
        cc.migrate_pfn, cc.free_pfn = self.buddies.start, self.top
        if not cc.whole_zone:
            cc.migrate_pfn = self.cached_migrate[cc.asked.mode is not MigrateMode.ASYNC]
            cc.free_pfn = self.cached_free
            if not self.buddies.start <= cc.free_pfn < self.buddies.end:
                cc.free_pfn = self.cached_free = self.top
            cc.whole_zone = cc.migrate_pfn == self.buddies.start

    def release(self, cc: Control) -> None:
        """Leftover targets are freed, and the cached free position may rise (3.4, 5.7)."""
        if cc.targets:
            self.cached_free = max(self.cached_free, max(cc.targets) // BLOCK * BLOCK)
        for pfn in cc.targets:
            self.buddies.free(pfn, 0)

    def move_batch(self, cc: Control) -> bool:
        """6.1 steps 2 and 3, 6.2; whether targets ran out before the scanners met."""
        left, failed, no_memory = list(cc.sources), 0, False
        for _ in range(10):
            retry = []
            for at, source in enumerate(left):
                if not cc.targets:
                    self.isolate_targets(cc)
                if not cc.targets:
                    failed, no_memory = failed + 1, True
                    retry += left[at:]
                    break
                serial = self.pages[source]
                if serial in self.busy:
                    retry.append(source)
                elif serial in self.stuck:
                    failed += 1
                else:
                    self.pages[cc.targets.pop(0)] = self.pages.pop(source)
                    self.buddies.free(source, 0)
                    cc.migrated += 1
            left = retry
            if no_memory or not left:
                break
        failed += 0 if no_memory else len(left)
        cc.failed += failed
        cc.sources = []
        if failed and not (no_memory and not cc.met) and cc.skips_on_failure:
            size = 1 << cc.asked.order
            cc.migrate_pfn = (cc.migrate_pfn + size - 1) // size * size
        return no_memory and not cc.met

    # 4

    def accepts(self, start: int) -> bool:
        """1.3: a zone without missing blocks is contiguous and accepts everything."""
        return start // BLOCK not in self.missing

    def isolate_sources(self, cc: Control) -> None:
        """4.1."""
        low = cc.migrate_pfn
        end = low // BLOCK * BLOCK + BLOCK
        while end <= cc.free_pfn:
            block = (end - 1) // BLOCK
            skipped = block in self.skip and not cc.asked.ignore_skip_hint
            wrong = cc.asked.mode is MigrateMode.ASYNC and self.buddies.types[block] not in MOVE_TARGETS
            if self.accepts(end - 1) and not skipped and not wrong:
                low = self.scan_sources(cc, low, end)
                break
            low, end = end, end + BLOCK
        cc.migrate_pfn = low

    def inside_free_block(self, pfn: int) -> bool:
        """Whether a free block starts before the page and covers it.

        Without per-cpu lists the pages that a batch has freed merge at once, so the next scan may start inside
        a free block; a kernel still finds a block's head there, so this is no failure of 4.2.
        """
        heads = (pfn >> order << order for order in range(1, MAX_ORDER))
        return any(
            pfn < head + (1 << self.buddies.heads.get(head, (0, None))[0]) for head in heads if head < pfn
        )

    def scan_sources(self, cc: Control, start: int, end: int) -> int:
        """4.2."""
        size, low, taken = 1 << max(cc.asked.order, 0), start, 0
        group = start // size * size + size
        while low < end:
            if cc.skips_on_failure and low >= group:
                if taken:
                    break
                group = low // size * size + size
            cc.migrate_scanned += 1
            if low in self.buddies.heads:
                low += 1 << self.buddies.heads[low][0]
            elif low in self.pages and self.pages[low] not in self.refused:
                cc.sources.insert(0, low)
                taken += 1
                low += 1
                if taken == CLUSTER:
                    break
            else:
                if cc.skips_on_failure and not self.inside_free_block(low):
                    cc.sources.clear()
                    taken = 0
                    if low < group:
                        low, group = group - 1, group + size
                low += 1
        if low >= end:
            low = end
            if not taken and not cc.asked.ignore_skip_hint:
                self.skip.add((end - 1) // BLOCK)
                for which in range(1 if cc.asked.mode is MigrateMode.ASYNC else 2):
                    self.cached_migrate[which] = max(self.cached_migrate[which], start)
        cc.isolated += taken
        return low

    # 5

    def suits_as_target(self, cc: Control, start: int) -> bool:
        """5.2."""
        if cc.asked.ignore_block_suitable:
            return True
        order, _ = self.buddies.heads.get(start, (0, None))
        return order < BLOCK_ORDER and self.buddies.types[start // BLOCK] in MOVE_TARGETS

    def isolate_targets(self, cc: Control) -> None:
        """5.1."""
        limit = cc.migrate_pfn // BLOCK * BLOCK + BLOCK
        start, block = cc.free_pfn, cc.free_pfn // BLOCK * BLOCK
        end = min(block + BLOCK, self.buddies.end)
        found: list[int] = []
        while block >= limit:
            skipped = block // BLOCK in self.skip and not cc.asked.ignore_skip_hint
            if self.accepts(block) and self.suits_as_target(cc, block) and not skipped:
                start = self.scan_targets(cc, start, end, found)
                if len(found) >= len(cc.sources):
                    start = block - BLOCK if start >= end else start
                    break
                if start < end:
                    break
            end, block = block, block - BLOCK
            start = block
        cc.targets = found[::-1]
        cc.free_pfn = start

    def scan_targets(self, cc: Control, start: int, end: int, found: list[int]) -> int:
        """5.3."""
        pfn, total = start, 0
        while pfn < end:
            cc.free_scanned += 1
            if pfn not in self.buddies.heads:
                pfn += 1
                continue
            order = self.buddies.heads[pfn][0]
            if not self.take_free_block(pfn, order):
                break
            found += range(pfn, pfn + (1 << order))
            total += 1 << order
            pfn += 1 << order
            if len(found) >= len(cc.sources):
                break
        if pfn >= end:
            pfn = end
            if not total and not cc.asked.ignore_skip_hint:
                self.skip.add(start // BLOCK)
                self.cached_free = min(self.cached_free, start)
        cc.isolated += total
        return pfn

    def take_free_block(self, pfn: int, order: int) -> bool:
        """5.3 `__isolate_free_page`."""
        if self.buddies.type_of(pfn) is not MigrateType.ISOLATE and not self.meets(
            0, self.marks.min + (1 << order), AllocFlags.CMA
        ):
            return False
        self.buddies.unlink(pfn)
        if order >= BLOCK_ORDER - 1:
            for block in range(pfn // BLOCK, (pfn + (1 << order) - 1) // BLOCK + 1):
                if self.buddies.types[block] not in (MigrateType.ISOLATE, MigrateType.CMA):
                    self.buddies.types[block] = MigrateType.MOVABLE
        return True
