"""The machine beside a plain model of the spec: every run must have the same numbers and the same outcome."""

from collections.abc import Iterator
from random import Random

from allocator.machines import BLOCK
from allocator.model import Buddies
from compaction.model import Model, Numbers
from compaction.model_6_1 import LaterModel
from compaction.terrain import Terrain, terrain
from hypothesis import given, settings
from hypothesis import strategies as st

from movable import (
    GFP,
    AllocFlags,
    CompactSettings,
    MachineConfig,
    MigrateMode,
    MigrateType,
    NodeConfig,
    PfnRange,
    Watermarks,
    ZoneConfig,
)
from movable.config import CompactionProfile

SETTINGS = st.builds(
    CompactSettings,
    order=st.sampled_from((2, 4, 6, 7, 7, 8, 8, 8, 9, 10)),
    mode=st.sampled_from(MigrateMode),
    gfp=st.sampled_from(
        (GFP.HIGHUSER_MOVABLE, GFP.HIGHUSER_MOVABLE, GFP.KERNEL, GFP.KERNEL | GFP.RECLAIMABLE)
    ),
    alloc_flags=st.sampled_from((AllocFlags(0), AllocFlags.CMA, AllocFlags.WMARK_LOW)),
    direct=st.booleans(),
    whole_zone=st.booleans(),
    ignore_skip_hint=st.booleans(),
    ignore_block_suitable=st.booleans(),
)
RUNS = st.lists(SETTINGS, min_size=2, max_size=6).map(
    lambda runs: sorted(runs, key=lambda asked: asked.order)
)
"""Several runs; small orders first, so that one success does not serve all the others."""

WHOLE = CompactSettings(whole_zone=True, ignore_skip_hint=True)

NOT_MOVABLE = tuple(each for each in MigrateType if each is not MigrateType.MOVABLE)


class Twins:
    """A random zone, once in the machine and once in the model.

    The zone may begin and end inside pageblocks that it shares with its neighbours. `hole` takes a block out of
    it; `slack` is how far its free memory lies above the marks, or None for no marks.
    """

    model_class: type[Model] = Model
    profile: CompactionProfile = "4.9"

    def __init__(self, seed: int, types: dict[int, MigrateType], slack: int | None, hole: int | None) -> None:
        random = Random(seed)
        start, end = random.choice(((0x1000, 0x1C00), (0x1111, 0x1BEE), (0x1001, 0x1801)))
        missing = frozenset() if hole is None else frozenset({hole})
        layout = {pfn: kind for pfn, kind in random_layout(random, start, end) if pfn // BLOCK not in missing}
        marks = marks_for(list(layout.values()).count("."), slack)
        config = machine(start, end, marks, missing, self.profile)
        index = [zone.kind for zone in config.nodes[0].zones].index("Normal")
        self.terrain = Terrain.on(config, lambda offset: layout.get(start + offset, "U"), types, index)
        self.model = self.make_model(marks, missing, types)
        trouble = random.choice((0, 0, 0.01, 0.2))
        for name in ("refused", "busy", "stuck"):
            chosen = {serial for serial in self.terrain.pages if random.random() < trouble}
            setattr(self.terrain, name, chosen)
            setattr(self.model, name, frozenset(chosen))

    def make_model(self, marks: Watermarks, missing: frozenset[int], types: dict[int, MigrateType]) -> Model:
        """The model of what the terrain was laid out as."""
        zone = self.terrain.zone
        buddies = Buddies(zone.start_pfn, zone.end_pfn, booted=False)
        buddies.types |= {pfn // BLOCK: kind for pfn, kind in types.items() if pfn // BLOCK in buddies.types}
        model = self.model_class(buddies, marks, missing)
        for serial, page in self.terrain.pages.items():
            model.pages[page.pfn] = serial
        for pfn in range(zone.start_pfn, zone.end_pfn):
            if pfn // BLOCK not in missing and self.terrain.vm.page(pfn).refcount == 0:
                buddies.free(pfn, 0)
        return model

    def run(self, asked: CompactSettings) -> None:
        """One run in both."""
        run = self.terrain.vm.compact_zone(self.terrain.zone, asked)
        numbers = Numbers(
            run.result,
            run.migrate_pfn,
            run.free_pfn,
            run.migrate_scanned,
            run.free_scanned,
            run.isolated,
            run.migrated,
            run.failed,
        )
        assert numbers == self.model.run(asked)
        self.compare()

    def compare(self) -> None:
        """Pages, free lists, block types, hints and cached positions are the same."""
        made, model = self.terrain, self.model
        assert {page.pfn: serial for serial, page in made.pages.items()} == model.pages
        for kind in MigrateType:
            assert made.zone.free_counts(kind) == [
                len(model.buddies.lists[order, kind]) for order in range(11)
            ]
        blocks = model.buddies.types.keys() - model.missing
        assert {at: made.vm.pageblock_migratetype(at * BLOCK) for at in blocks} == {
            at: model.buddies.types[at] for at in blocks
        }
        assert {at for at in blocks if made.vm.pageblock_skip(at * BLOCK)} == model.skip
        state = made.zone.compact_state
        assert list(state.cached_migrate_pfn) == model.cached_migrate
        assert (state.cached_free_pfn, state.blockskip_flush) == (model.cached_free, model.flush)


def random_layout(random: Random, start: int, end: int) -> Iterator[tuple[int, str]]:
    """Free, movable and unmovable frames, in proportions and runs that vary from block to block."""
    longest = random.choice((1, 1, 1, 1, 2, 6, 50, 600))
    pfn = start
    while pfn < end:
        weights = [random.choice((0, 1, 1, 1)) * random.random() + 0.001 for _ in range(3)]
        weights[2] *= random.choice((0, 0.01, 0.1))
        border = min(pfn // BLOCK * BLOCK + BLOCK, end)
        while pfn < border:
            (kind,) = random.choices(".MU", weights)
            for _ in range(min(random.randint(1, longest), border - pfn)):
                yield pfn, kind
                pfn += 1


def marks_for(free: int, slack: int | None) -> Watermarks:
    """Marks so far below this many free pages."""
    if slack is None:
        return Watermarks(0, 0, 0)
    mark = max(free - slack, 0)
    return Watermarks(mark, mark + slack // 4, mark + slack // 2)


def machine(
    start: int, end: int, marks: Watermarks, missing: frozenset[int], profile: CompactionProfile
) -> MachineConfig:
    """A zone Normal between these pfns; what is left of its node belongs to other zones."""
    holes = tuple(PfnRange(block * BLOCK, BLOCK) for block in missing)
    zones = [ZoneConfig("Normal", start, end - start, holes=holes, watermarks=marks)]
    if start > 0x1000:
        zones.insert(0, ZoneConfig("DMA32", 0x1000, start - 0x1000))
    if end < 0x1C00:
        zones.append(ZoneConfig("Movable", end, 0x1C00 - end))
    none = Watermarks(0, 0, 0)
    return MachineConfig(
        "twins",
        (NodeConfig(tuple(zones)),),
        watermarks=none,
        lowmem_reserve_ratio=(1 << 20,) * 3,
        profile=profile,
    )


SEEDS = st.integers(0, 1 << 32)
TYPES = st.dictionaries(
    st.sampled_from([0x1200 + index * BLOCK for index in range(4)]), st.sampled_from(NOT_MOVABLE), max_size=3
)
SLACKS = st.sampled_from((None, None, None, 40, 300, 1200))
HOLES = st.sampled_from((None, None, None, 9, 10, 11))


@settings(deadline=None, max_examples=40)
@given(seed=SEEDS, types=TYPES, slack=SLACKS, hole=HOLES, runs=RUNS)
def test_runs_for_a_request(
    seed: int, types: dict[int, MigrateType], slack: int | None, hole: int | None, runs: list[CompactSettings]
) -> None:
    """Runs with any settings, one after the other, do what the spec says to the last number (3 to 6)."""
    twins = Twins(seed, {} if hole else types, slack, hole)
    for asked in runs:
        twins.run(asked)
    twins.terrain.verify()


@settings(deadline=None, max_examples=25)
@given(seed=SEEDS, types=TYPES, slack=SLACKS, hole=HOLES, between=SETTINGS)
def test_whole_zone_runs(
    seed: int, types: dict[int, MigrateType], slack: int | None, hole: int | None, between: CompactSettings
) -> None:
    """So do the runs of compact_memory, before and after others (spec/compaction.md 7.3)."""
    twins = Twins(seed, {} if hole else types, slack, hole)
    for asked in (WHOLE, between, WHOLE):
        twins.run(asked)
    twins.terrain.verify()


class LaterTwins(Twins):
    """The same with compaction as in Linux 6.1."""

    model_class = LaterModel
    profile = "6.1"


WITHOUT_GOAL = st.builds(
    CompactSettings,
    mode=st.sampled_from(MigrateMode),
    whole_zone=st.booleans(),
    ignore_skip_hint=st.booleans(),
    ignore_block_suitable=st.booleans(),
)


@settings(deadline=None, max_examples=150)
@given(seed=SEEDS, types=TYPES, slack=SLACKS, hole=HOLES, runs=st.lists(WITHOUT_GOAL, min_size=1, max_size=4))
def test_runs_of_linux_6_1(
    seed: int, types: dict[int, MigrateType], slack: int | None, hole: int | None, runs: list[CompactSettings]
) -> None:
    """In profile 6.1 every run without a goal does what spec/differences-drivers.md 3.1 to 3.3 says."""
    twins = LaterTwins(seed, {} if hole else types, slack, hole)
    for asked in (*runs, WHOLE):
        twins.run(asked)
    twins.terrain.verify()


def sparse_layout(seed: int, blocks: int, most: int) -> frozenset[int]:
    """Offsets of movable pages: up to ``most`` in each block, at least one, never the block's last page."""
    random = Random(seed)
    return frozenset(
        block * BLOCK + offset
        for block in range(blocks)
        for offset in random.sample(range(BLOCK - 1), random.randint(1, most))
    )


@settings(deadline=None, max_examples=60)
@given(seed=SEEDS)
def test_sparse_blocks_compact_alike(seed: int) -> None:
    """With fewer than 64 movable pages in every block and no fruitless block, 4.9 and 6.1 do the same (K01, K02)."""
    movable = sparse_layout(seed, 6, 63)
    outcomes = []
    for profile in ("4.9", "6.1"):
        made = terrain(6, lambda offset: "M" if offset in movable else ".", profile=profile)
        run = made.vm.compact_zone(made.zone, WHOLE)
        made.verify()
        places = {serial: page.pfn for serial, page in made.pages.items()}
        outcomes.append((places, run.migrate_pfn, run.free_pfn, run.isolated, run.migrated, run.failed))
    assert outcomes[0] == outcomes[1]
