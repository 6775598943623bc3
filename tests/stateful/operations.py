"""A state machine that does random operations on a VM and keeps the books on it (design 4).

The VM runs at debug level 2: after each operation the core recounts all of its structures.
"""

import errno
import sys
from collections import Counter
from collections.abc import Iterable
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from migration.kit import Recorder, Targets

from movable import (
    GFP,
    VM,
    CompactPriority,
    CompactSettings,
    MachineConfig,
    MigrateMode,
    NodeConfig,
    Page,
    PageFlag,
    PageList,
    PfnRange,
    ZoneConfig,
    preset,
)
from movable_balloon import Feature, Host, VirtioBalloon

TWO_NODES = MachineConfig(
    "two nodes",
    (
        NodeConfig((ZoneConfig("DMA32", 0x400, 0x400), ZoneConfig("Normal", 0x800, 0x800)), (0,)),
        NodeConfig((ZoneConfig("Normal", 0x1000, 0x800, reserved=(PfnRange(0x1080, 0x30),)),), (1,)),
    ),
    cpus=2,
)
MACHINES = (preset("tiny"), TWO_NODES)
GFPS = (
    GFP.KERNEL,
    GFP.KERNEL | GFP.COMP,
    GFP.KERNEL | GFP.ZERO,
    GFP.KERNEL | GFP.DMA32,
    GFP.ATOMIC,
    GFP.NOWAIT | GFP.RECLAIMABLE,
    GFP.HIGHUSER_MOVABLE,
    GFP.HIGHUSER_MOVABLE | GFP.THISNODE,
    GFP.TRANSHUGE,
)
OUTCOMES = (0, 0, 0, -errno.EAGAIN, -errno.EAGAIN, -errno.EBUSY, -errno.EIO, -errno.ENOMEM)

EVENTS = (
    "pgfree",
    "pgmigrate_success",
    "pgmigrate_fail",
    "compact_isolated",
    "compact_stall",
    "balloon_inflate",
    "balloon_deflate",
    "balloon_migrate",
)
"""Counters that show what the operations did."""

index = st.integers(0, 10_000)
some = st.integers(1, 24)
outcomes = st.lists(st.sampled_from(OUTCOMES), max_size=12)


class Operations(RuleBasedStateMachine):
    """A VM with a driver that keeps contents, a balloon, raw allocations and callers of migration."""

    counts: ClassVar[Counter[str]] = Counter()
    events: ClassVar[Counter[str]] = Counter()

    @initialize(config=st.sampled_from(MACHINES), deflate_on_oom=st.booleans())
    def boot(self, config: MachineConfig, deflate_on_oom: bool) -> None:
        """A fresh machine with its drivers."""
        self.vm = VM(config, debug=2)
        self.vm.wait_hook = self.release
        self.driver = Recorder(self.vm)
        features = Feature.DEFLATE_ON_OOM if deflate_on_oom else Feature.MUST_TELL_HOST
        self.balloon = VirtioBalloon(self.vm, Host(self.vm, features), oom_pages=32)
        self.lists = [self.vm.page_list("first"), self.vm.page_list("second")]
        self.blocks: list[tuple[Page, int]] = []
        self.contents: dict[int, bytes] = {}
        self.orphans: list[Page] = []
        self.locked: set[Page] = set()
        self.targets: set[Page] = set()
        self.boot_pages = sum(zone.managed for zone in self.vm.zones)

    # Raw memory

    @rule(
        orders=st.lists(st.integers(0, 10), min_size=1, max_size=6),
        times=st.sampled_from((1, 1, 50)),
        gfp=st.sampled_from(GFPS),
        node=index,
    )
    def alloc(self, orders: list[int], times: int, gfp: GFP, node: int) -> None:
        """Allocate blocks and write their numbers at both of their ends."""
        self.count("alloc")
        for order in orders * times:
            head = self.vm.alloc_pages(order, gfp, node=node % len(self.vm.nodes))
            if head is None:
                return
            last = self.vm.page(head.pfn + (1 << order) - 1)
            if gfp & GFP.ZERO:
                assert not any(head.data)
                assert not any(last.data)
            for page in (head, last):
                page.data[:8] = head.pfn.to_bytes(8, "little")
            self.blocks.append((head, order))

    @precondition(lambda self: self.blocks)
    @rule(number=st.integers(1, 200), which=index)
    def free(self, number: int, which: int) -> None:
        """Free every second block from some place on, if nobody has written to them."""
        self.count("free")
        for each in range(min(number, len(self.blocks))):
            head, order = self.blocks.pop((which + each) % len(self.blocks))
            for page in (head, self.vm.page(head.pfn + (1 << order) - 1)):
                assert bytes(page.data[:8]) == head.pfn.to_bytes(8, "little")
            self.vm.free_pages(head, order)

    # The driver with contents

    @rule(number=some, seed=index, swapbacked=st.booleans())
    def store(self, number: int, seed: int, swapbacked: bool) -> None:
        """Store objects."""
        self.count("store")
        for each in range(number):
            data = f"{seed} {each} ".encode() * 20
            handle = self.driver.store(data)
            if handle is None:
                return
            if swapbacked:
                self.driver.cells[handle].set_flag(PageFlag.SWAPBACKED)
            self.contents[handle] = data

    @precondition(lambda self: self.contents)
    @rule(number=some, which=index)
    def drop(self, number: int, which: int) -> None:
        """Drop objects, isolated or not."""
        self.count("drop")
        for each in range(min(number, len(self.contents))):
            handle = list(self.contents)[(which + 7 * each) % len(self.contents)]
            self.driver.cells[handle].clear_flag(PageFlag.WRITEBACK)
            assert self.driver.drop(handle)
            del self.contents[handle]

    @precondition(lambda self: self.contents)
    @rule(kind=st.sampled_from(("lock", "write back", "give up")), which=index)
    def meddle(self, kind: str, which: int) -> None:
        """Do something to an object's page that is in the VM's way."""
        self.count(kind)
        handle = list(self.contents)[which % len(self.contents)]
        page = self.driver.cells[handle]
        if kind == "lock":
            self.vm.cpu ^= 1
            if page.trylock():
                self.locked.add(page)
            self.vm.cpu ^= 1
        elif kind == "write back":
            page.set_flag(PageFlag.WRITEBACK)
        elif page.isolated:
            self.driver.give_up(page)
            page.clear_flag(PageFlag.WRITEBACK)
            self.orphans.append(self.driver.cells.pop(handle))
            del self.contents[handle]

    @rule(drain=st.booleans())
    def switch(self, drain: bool) -> None:
        """Let the other CPU run: it releases its page locks. References on pages given up are dropped."""
        self.count("switch")
        for page in list(self.locked):
            self.release(page)
        self.vm.cpu ^= 1
        while self.orphans:
            self.orphans.pop().put()
        if drain:
            self.vm.lru_add_drain_all()

    # The balloon

    @rule(pages=st.integers(1, 700))
    def inflate(self, pages: int) -> None:
        """Let the host wish for a larger balloon."""
        self.count("inflate")
        self.balloon.set_target(self.balloon.num_pages + pages)

    @precondition(lambda self: self.balloon.num_pages)
    @rule(pages=st.integers(1, 700))
    def deflate(self, pages: int) -> None:
        """Let the host wish for a smaller balloon."""
        self.count("deflate")
        self.balloon.set_target(max(self.balloon.num_pages - pages, 0))

    # Callers of migration

    @rule(number=some, which=index, second=st.booleans(), ballooned=st.booleans())
    def isolate(self, number: int, which: int, second: bool, ballooned: bool) -> None:
        """Isolate pages of either driver onto a list."""
        self.count("isolate")
        pages = self.balloon.mapping.pages() if ballooned else list(self.driver.cells.values())
        for each in range(min(number, len(pages))):
            page = pages[(which + each) % len(pages)]
            was = page.isolated or page.locked
            assert self.lists[second].isolate(page) is not was

    @rule(
        second=st.booleans(),
        mode=st.sampled_from(MigrateMode),
        answers=outcomes,
        failing=st.integers(1, 40),
        give_back=st.booleans(),
        busy=st.booleans(),
    )
    def migrate(
        self, second: bool, mode: MigrateMode, answers: list[int], failing: int, give_back: bool, busy: bool
    ) -> None:
        """Migrate a list, with the driver's answers chosen and a target allocator that may fail."""
        self.count("migrate")
        listed, targets = self.lists[second], Targets(self.vm, failing=[failing])
        before = list(listed)
        self.driver.answers = list(answers)
        # Whoever holds balloon_lock may not allocate if the balloon deflates on OOM (spec/drivers.md 4.6).
        busy = busy and Feature.DEFLATE_ON_OOM not in self.balloon.features
        if busy:
            self.balloon.balloon_lock.acquire()
        result = self.vm.migrate_pages(listed, targets.get, targets.put if give_back else None, mode=mode)
        if busy:
            self.balloon.balloon_lock.release()
        self.driver.answers = []
        self.targets.update(targets.got)
        self.locked = {page for page in self.locked if page.locked}
        after = list(listed)
        assert after == [page for page in before if page in set(after)]
        assert result.ret in (result.failed, -errno.ENOMEM)
        if result.ret >= 0:
            assert result.succeeded + result.failed == len(before)

    @rule(second=st.booleans(), node=index, answers=outcomes)
    def migrate_to_node(self, second: bool, node: int, answers: list[int]) -> None:
        """Migrate a list to a node."""
        self.count("migrate")
        self.driver.answers = list(answers)
        nid = node % len(self.vm.nodes)
        before = list(self.lists[second])
        result = self.vm.migrate_pages(self.lists[second], self.vm.target_node(nid))
        assert set(result.status) <= {page.pfn for page in before}
        self.driver.answers = []
        self.vm.lru_add_drain_all()

    @rule(second=st.booleans())
    def putback(self, second: bool) -> None:
        """Put the pages of a list back."""
        self.count("putback")
        self.vm.putback_movable_pages(self.lists[second])
        assert len(self.lists[second]) == 0

    # Compaction

    @rule(node=index, answers=outcomes)
    def compact_node(self, node: int, answers: list[int]) -> None:
        """Compact a node as a whole."""
        self.count("compact")
        self.driver.answers = list(answers)
        self.vm.compact_node(node % len(self.vm.nodes))
        self.driver.answers = []

    @rule(
        zone=index,
        mode=st.sampled_from(MigrateMode),
        order=st.integers(-1, 10),
        hard=st.booleans(),
        answers=outcomes,
    )
    def compact_zone(self, zone: int, mode: MigrateMode, order: int, hard: bool, answers: list[int]) -> None:
        """Compact a zone in some way."""
        self.count("compact")
        settings = CompactSettings(
            order=order,
            mode=mode,
            gfp=GFP.HIGHUSER_MOVABLE,
            whole_zone=hard,
            ignore_skip_hint=hard,
            ignore_block_suitable=hard,
            direct=not hard and order > 0,
        )
        self.driver.answers = list(answers)
        run = self.vm.compact_zone(self.vm.zones[zone % len(self.vm.zones)], settings)
        self.driver.answers = []
        assert run.migrated <= run.isolated

    @rule(order=st.integers(1, 10), priority=st.sampled_from(CompactPriority), gfp=st.sampled_from(GFPS))
    def compact_directly(self, order: int, priority: CompactPriority, gfp: GFP) -> None:
        """Compact for a request."""
        self.count("compact")
        self.vm.try_to_compact_pages(order, gfp, priority)

    # The books

    @invariant()
    def free_and_used_are_managed(self) -> None:
        """Free pages and used pages are all the pages there are; the balloon's are not managed."""
        self.targets = {page for page in self.targets if page.refcount}
        singles = {*self.driver.cells.values(), *self.orphans, *self.targets, *self.balloon.mapping.pages()}
        singles.update(*self.lists)
        singles.difference_update(head for head, _ in self.blocks)
        used = len(singles) + sum(1 << order for _, order in self.blocks)
        free = sum(zone.free_pages for zone in self.vm.zones)
        assert free + used == self.boot_pages, f"{free} free + {used} used != {self.boot_pages}"
        taken = 0 if Feature.DEFLATE_ON_OOM in self.balloon.features else self.balloon.num_pages
        assert sum(zone.managed for zone in self.vm.zones) == self.boot_pages - taken

    @invariant()
    def contents_are_kept(self) -> None:
        """Every object is what was stored, in a page of its own, on the driver's list unless isolated."""
        assert set(self.driver.cells) == set(self.contents)
        for handle, data in self.contents.items():
            page = self.driver.cells[handle]
            assert bytes(page.data[: len(data)]) == data
            assert (page in self.driver.idle) is not page.isolated
        self.driver.check()
        self.balloon.check()
        self.driver.log.clear()

    @invariant()
    def isolated_pages_are_counted(self) -> None:
        """The isolated counters are the lengths of the lists, and each page on a list is isolated."""
        stat = self.vm.vmstat()
        listed = [page for pages in self.lists for page in pages]
        assert stat["nr_isolated_anon"] + stat["nr_isolated_file"] == len(listed)
        assert all(page.isolated and page.refcount in (1, 2) for page in listed)

    def teardown(self) -> None:
        """Give everything back: nothing may be left. After a failure only close."""
        if not hasattr(self, "boot_pages"):
            return
        if sys.exception() is not None:
            self.vm.close()
            return
        for page in list(self.locked):
            self.release(page)
        self.put_back_all(self.lists)
        for page in self.orphans:
            page.put()
        for head, order in self.blocks:
            self.vm.free_pages(head, order)
        for page in self.driver.cells.values():
            page.clear_flag(PageFlag.WRITEBACK)
        self.driver.close()
        self.balloon.close()
        self.vm.lru_add_drain_all()
        type(self).events.update({name: self.vm.vmstat()[name] for name in EVENTS})
        assert sum(zone.free_pages for zone in self.vm.zones) == self.boot_pages
        assert sum(zone.managed for zone in self.vm.zones) == self.boot_pages
        self.vm.close()

    # Helpers

    def count(self, operation: str) -> None:
        """Count an operation."""
        type(self).counts[operation] += 1

    def release(self, page: Page) -> None:
        """Let the CPU that holds a page's lock release it."""
        self.locked.discard(page)
        page.unlock()

    def put_back_all(self, lists: Iterable[PageList]) -> None:
        """Empty the migration lists."""
        for pages in lists:
            self.vm.putback_movable_pages(pages)
