"""The machine beside a plain model of the spec: every answer, list and type must be the same."""

from collections.abc import Sequence
from random import Random

from allocator.machines import BLOCK, boot, exhaust, one_node
from allocator.model import Buddies
from hypothesis import given, settings
from hypothesis import strategies as st

from movable import GFP, VM, MigrateType, Page, ZoneConfig

ORDINARY = (MigrateType.UNMOVABLE, MigrateType.MOVABLE, MigrateType.RECLAIMABLE)

ZONES = (
    ZoneConfig("DMA32", 0x1000, 0x110),
    ZoneConfig("Normal", 0x1110, 0xAD5),
    ZoneConfig("Movable", 0x1BE5, 0x41B),
)
"""Zone Normal is under test: four whole blocks, and a part of one at either end that it shares."""

Step = tuple[str, int, MigrateType]

steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("alloc"), st.sampled_from((0, 0, 0, 1, 2, 3, 4, 6, 8, 9, 10)), st.sampled_from(ORDINARY)
        ),
        st.tuples(st.just("free"), st.integers(0, 1 << 16), st.just(MigrateType.MOVABLE)),
        st.tuples(st.just("free few"), st.integers(0, 1 << 16), st.just(MigrateType.MOVABLE)),
    ),
    max_size=120,
)


def request(migratetype: MigrateType) -> GFP:
    """A request of this type that begins at Normal and never uses the zone above."""
    return GFP.KERNEL | GFP(migratetype << 3)


class Pair:
    """A machine and the model of its zone Normal, kept in step."""

    def __init__(self, special: Sequence[MigrateType], crowded: bool) -> None:
        self.vm: VM = boot(one_node(*ZONES), debug=1, poison=False)
        self.zone = self.vm.zones[1]
        for page in exhaust(self.vm, GFP.KERNEL | GFP.DMA32):
            assert page.zone_id == 0
        self.model = Buddies(self.zone.start_pfn, self.zone.end_pfn)
        self.used: list[tuple[Page, int]] = []
        if special or crowded:
            self.allocate_all()
        for index, migratetype in enumerate(special):
            self.set_type(0x1200 + index * BLOCK, migratetype)
        if not crowded:
            while self.used:
                self.free(0)

    def allocate_all(self) -> None:
        """Take every frame singly."""
        while self.alloc(0, MigrateType.MOVABLE):
            pass

    def set_type(self, pfn: int, migratetype: MigrateType) -> None:
        """Give a block without free pages another type."""
        assert self.vm.set_pageblock_migratetype(pfn, migratetype) == 0
        self.model.types[pfn // BLOCK] = migratetype

    def alloc(self, order: int, migratetype: MigrateType) -> bool:
        """One request to both; whether it was served."""
        page, expected = (
            self.vm.alloc_pages(order, request(migratetype)),
            self.model.alloc(order, migratetype),
        )
        assert (None if page is None else page.pfn) == expected
        if page is not None:
            self.used.append((page, order))
        return page is not None

    def free(self, index: int) -> None:
        """Free one allocation in both."""
        page, order = self.used.pop(index)
        self.vm.free_pages(page, order)
        self.model.free(page.pfn, order)

    def run(self, step: Step) -> None:
        """One random step."""
        verb, number, migratetype = step
        if verb == "alloc":
            self.alloc(number, migratetype)
            return
        random = Random(number)
        for _ in range(1 if verb == "free" else 40):
            if self.used:
                self.free(random.randrange(len(self.used)))

    def verify(self) -> None:
        """Counters and types are the same, and so are the lists, down to the order of their blocks."""
        self.verify_counts()
        for migratetype in ORDINARY:
            for order in (8, 3, 0):
                while self.alloc(order, migratetype):
                    pass
        self.verify_counts()

    def verify_counts(self) -> None:
        """The same blocks on all lists, and the same types."""
        self.vm.recount()
        assert self.zone.nr_free == self.model.nr_free()
        for kind in MigrateType:
            counts = [len(self.model.lists[order, kind]) for order in range(11)]
            assert self.zone.free_counts(kind) == counts
        assert self.zone.free_pages == self.model.free_pages()
        assert self.vm.vmstat()["nr_free_cma"] == self.model.cma_pages()
        blocks = {block: self.vm.pageblock_migratetype(block * BLOCK) for block in self.model.types}
        assert blocks == self.model.types


@settings(deadline=None, max_examples=30)
@given(steps=steps)
def test_from_boot(steps: list[Step]) -> None:
    """From boot on, any sequence of requests gets the pages that the spec gives (2.2 to 2.7, 14)."""
    pair = Pair((), crowded=False)
    for step in steps:
        pair.run(step)
    pair.verify()


@settings(deadline=None, max_examples=30)
@given(steps=steps, special=st.lists(st.sampled_from(MigrateType), max_size=4), seed=st.integers(0, 99))
def test_from_scattered_memory(steps: list[Step], special: list[MigrateType], seed: int) -> None:
    """So it does from a full zone with blocks of all types, where most requests steal (2.4 to 2.6)."""
    pair = Pair(special, crowded=True)
    for _ in range(20):
        pair.run(("free few", seed, MigrateType.MOVABLE))
    for step in steps:
        pair.run(step)
    pair.verify()


@settings(deadline=None, max_examples=30)
@given(steps=steps, special=st.lists(st.sampled_from(MigrateType), min_size=1, max_size=4))
def test_from_blocks_of_several_types(steps: list[Step], special: list[MigrateType]) -> None:
    """So it does when whole free blocks of all types lie side by side (2.2, 2.6)."""
    pair = Pair(special, crowded=False)
    for step in steps:
        pair.run(step)
    pair.verify()
