"""Random operations on a pool beside a plain dictionary that holds the same objects."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from migration.kit import compact

from movable import GFP, VM, MigrateMode, Page
from movable_zsmalloc import MapMode, ZsPool
from movable_zsmalloc.zspage import Fullness, Zspage

# The ends of classes with one to four pages, with and without slots over two pages; the small ones are left
# out, because a zspage of theirs takes more objects than a run has.
SIZES = (489, 1016, 1353, 1480, 1624, 1736, 1800, 2040, 2328, 2440, 2712, 3000, 3064, 3200, 3256, 3257, 4096)

EXAMPLES = 30
STEPS = 50
WANTED = (
    "stored",
    "freed",
    "freed while isolated",
    "written",
    "mapped elsewhere",
    "pages freed by compaction",
    "isolated",
    "migrated",
    "failed to migrate",
    "put back",
    "migrated by the VM",
    "work done",
)
"""What must have happened at least once."""

index = st.integers(0, 10_000)
some = st.integers(1, 8)


class PoolMachine(RuleBasedStateMachine):
    """A pool, the bytes of its objects, two lists of isolated pages, and what the other CPU holds."""

    counts: ClassVar[Counter[str]] = Counter()

    @initialize(sizes=st.lists(st.sampled_from(SIZES), min_size=2, max_size=5))
    def boot(self, sizes: list[int]) -> None:
        """A fresh machine, and a pool with some objects on it."""
        self.vm = VM("tiny", debug=2)
        self.vm.wait_hook = lambda _: self.unlock()
        self.pool = ZsPool(self.vm)
        self.objects: dict[int, bytes] = {}
        self.lists = [self.vm.page_list("first"), self.vm.page_list("second")]
        self.held: int | None = None
        self.locked: list[Page] = []
        self.free = self.vm.zones[0].free_pages
        self.serial = 0
        blocks = [self.vm.alloc_pages(10) for _ in range(3)]  # so that objects are where compaction begins
        for size in sizes:
            self.malloc(size, 6)
        for block in blocks:
            assert block is not None
            self.vm.free_pages(block, 10)

    def usable(self) -> list[int]:
        """The objects that this CPU can use without waiting for the other one."""
        return [handle for handle in self.objects if handle != self.held]

    def pick(self, count: int, which: int) -> list[int]:
        """A few of those objects."""
        usable = self.usable()
        return list({usable[(which + 7 * each) % len(usable)] for each in range(count)} if usable else ())

    def fresh(self, size: int) -> bytes:
        """Bytes that no other object has."""
        self.serial += 1
        return (self.serial.to_bytes(4, "little") * (size // 4 + 1))[:size]

    # Users of the pool

    @rule(size=st.sampled_from(SIZES) | st.integers(1, 4096), count=some)
    def malloc(self, size: int, count: int) -> None:
        """Store objects of one size."""
        for _ in range(count):
            handle = self.pool.zs_malloc(size)
            assert handle
            assert handle not in self.objects
            self.counts["stored"] += 1
            self.objects[handle] = self.fresh(size)
            with self.pool.mapped(handle, MapMode.WO) as view:
                view[:size] = self.objects[handle]

    @precondition(lambda self: self.objects)
    @rule(count=some, which=index)
    def free_objects(self, count: int, which: int) -> None:
        """Free objects, isolated or not."""
        for handle in self.pick(count, which):
            isolated = self.zspage(handle).isolated
            self.counts["freed while isolated" if isolated else "freed"] += 1
            self.pool.zs_free(handle)
            del self.objects[handle]

    @precondition(lambda self: self.objects)
    @rule(which=index, mode=st.sampled_from(MapMode), start=index, length=index)
    def write(self, which: int, mode: MapMode, start: int, length: int) -> None:
        """Overwrite an object or a part of it; in RO nothing is written, in WO everything."""
        for handle in self.pick(1, which):
            before = self.objects[handle]
            with self.pool.mapped(handle, mode) as view:
                assert len(view) >= len(before)
                if mode is MapMode.RO:
                    assert bytes(view[: len(before)]) == before
                    continue
                data = self.fresh(len(before))
                if mode is MapMode.RW:
                    first = start % len(before)
                    last = first + length % (len(before) - first + 1)
                    data = before[:first] + data[first:last] + before[last:]
                view[: len(data)] = data
            self.counts["written"] += 1
            self.objects[handle] = data

    # The other CPU

    @precondition(lambda self: self.objects and self.held is None)
    @rule(which=index)
    def hold(self, which: int) -> None:
        """Let the other CPU map an object and keep it so."""
        for handle in self.pick(1, which):
            self.elsewhere(partial(self.pool.zs_map_object, handle, MapMode.RW))
            self.held = handle
            self.counts["mapped elsewhere"] += 1

    @precondition(lambda self: self.held is not None)
    @rule()
    def release(self) -> None:
        """Let the other CPU write what it has mapped, and unmap it."""
        handle = self.held
        assert handle is not None
        self.elsewhere(partial(self.pool.zs_unmap_object, handle))
        self.held = None

    @precondition(lambda self: self.objects)
    @rule(which=index)
    def lock(self, which: int) -> None:
        """Let the other CPU lock a page."""
        pages = self.pool.mapping.pages()
        if pages:
            page = pages[which % len(pages)]
            if self.elsewhere(page.trylock):
                self.locked.append(page)

    @precondition(lambda self: self.locked)
    @rule()
    def unlock(self) -> None:
        """Let the other CPU unlock its pages."""
        while self.locked:
            self.elsewhere(self.locked.pop().unlock)

    @precondition(lambda self: self.waiting())
    @rule()
    def work(self) -> None:
        """Let queued work run."""
        self.counts["work done"] += self.vm.run_work()

    def waiting(self) -> bool:
        """Whether a zspage waits to be freed by work."""
        return any(each.groups[Fullness.EMPTY].head for each in self.pool._store.size_classes)

    def elsewhere(self, action: Callable[[], Any]) -> Any:
        """Do something on the other CPU."""
        self.vm.cpu = 1
        try:
            return action()
        finally:
            self.vm.cpu = 0

    # Those who move things

    @precondition(lambda self: self.pool.shrinker_count())
    @rule()
    def compact_objects(self) -> None:
        """Move objects together."""
        before, could = self.pool.zs_get_total_pages(), self.pool.shrinker_count()
        so_far = self.pool.pages_compacted
        freed = self.pool.zs_compact() - so_far
        assert 0 <= freed <= could
        self.counts["pages freed by compaction"] += freed
        assert before - freed <= self.pool.zs_get_total_pages() <= before

    @precondition(lambda self: self.objects)
    @rule(which=index, count=some, second=st.booleans())
    def isolate(self, which: int, count: int, second: bool) -> None:
        """Isolate pages onto one of the lists."""
        pages = self.pool.mapping.pages()
        for each in range(min(count, len(pages))):
            page = pages[(which + each) % len(pages)]
            zspage = self.pool._store.get_zspage(page)
            expected = bool(zspage.inuse) and not page.isolated and not page.locked
            assert self.lists[second].isolate(page) is expected
            self.counts["isolated"] += expected

    @precondition(lambda self: any(map(len, self.lists)))
    @rule(second=st.booleans(), mode=st.sampled_from(MigrateMode))
    def migrate(self, second: bool, mode: MigrateMode) -> None:
        """Migrate a list: all moves but what is mapped, emptied, or (not waiting for locks) locked."""
        listed = self.lists[second]
        stay = {page for page in listed if not self.pool._store.get_zspage(page).inuse}
        if self.held is not None:
            stay |= set(self.pool._store.chain(self.zspage(self.held))) & set(listed)
        if mode is MigrateMode.ASYNC:
            stay |= set(self.locked) & set(listed)
        wanted = len(listed)
        result = self.vm.migrate_pages(listed, lambda _: self.vm.alloc_page(GFP.HIGHUSER_MOVABLE), mode=mode)
        assert (result.succeeded, result.failed) == (wanted - len(stay), len(stay))
        assert set(listed) <= stay
        self.counts["migrated"] += result.succeeded
        self.counts["failed to migrate"] += result.failed

    def zspage(self, handle: int) -> Zspage:
        """The zspage of an object."""
        return self.pool._store.get_zspage(self.pool.object_pages(handle)[0])

    @precondition(lambda self: any(map(len, self.lists)))
    @rule(second=st.booleans())
    def putback(self, second: bool) -> None:
        """Put the pages of a list back."""
        self.counts["put back"] += len(self.lists[second])
        self.vm.putback_movable_pages(self.lists[second])
        assert len(self.lists[second]) == 0

    @rule()
    def compact_memory(self) -> None:
        """Let the VM compact the machine."""
        self.counts["migrated by the VM"] += compact(self.vm).migrated

    # What is always true

    @invariant()
    def contents_are_kept(self) -> None:
        """Every object has the bytes that were written to it."""
        for handle in self.usable():
            with self.pool.mapped(handle, MapMode.RO) as view:
                assert bytes(view[: len(self.objects[handle])]) == self.objects[handle]

    @invariant()
    def structures_fit(self) -> None:
        """The pool's structures fit together, and pages are neither lost nor counted twice."""
        self.pool.check()
        pages = self.pool.zs_get_total_pages()
        assert self.vm.vmstat()["nr_zspages"] == pages
        assert len(self.pool._store.handles) == len(self.objects)
        slabs = {handle >> 12 for handle in self.pool._store.handles}
        assert self.free - self.vm.zones[0].free_pages == pages + len(slabs)

    def teardown(self) -> None:
        """Give everything up: the machine has all of its memory again."""
        if not hasattr(self, "vm"):
            return
        if self.held is not None:
            self.release()
        self.unlock()
        for listed in self.lists:
            self.vm.putback_movable_pages(listed)
        self.pool.close()
        assert self.vm.zones[0].free_pages == self.free
        self.vm.close()


def test_random_operations_keep_every_object() -> None:
    """Whatever is done to a pool, objects keep their bytes, structures fit, no page is lost (spec/drivers.md 1, 2)."""
    PoolMachine.counts.clear()
    run_state_machine_as_test(
        PoolMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert min(PoolMachine.counts[what] for what in WANTED) > 0, PoolMachine.counts
