"""Which pageblocks are not MOVABLE, from the map and the totals of pagetypeinfo (spec/differences-drivers.md 2.5)."""

from collections.abc import Iterable, Iterator, Mapping

from attrs import frozen

from movable.flags import MigrateType

__all__ = ["BlockTotals", "choose_types", "totals_of"]

_CHAIN = 4
_MOST_STATES = 20_000


@frozen
class BlockTotals:
    """What pagetypeinfo tells of one migrate type: pageblocks, and free pages on its lists."""

    blocks: int
    free: int


@frozen
class _Candidate:
    """A pageblock that need not be MOVABLE."""

    start: int
    free: int


@frozen
class _Choice:
    """Types given to the candidates so far, and what they add up to."""

    types: tuple[MigrateType, ...]
    unmovable: BlockTotals
    reclaimable: BlockTotals

    def with_next(self, migratetype: MigrateType, free: int) -> "_Choice":
        unmovable, reclaimable = self.unmovable, self.reclaimable
        if migratetype is MigrateType.UNMOVABLE:
            unmovable = BlockTotals(unmovable.blocks + 1, unmovable.free + free)
        elif migratetype is MigrateType.RECLAIMABLE:
            reclaimable = BlockTotals(reclaimable.blocks + 1, reclaimable.free + free)
        return _Choice((*self.types, migratetype), unmovable, reclaimable)


def choose_types(
    blocks: Iterable[tuple[int, str]],
    kernel: frozenset[str],
    waiting: frozenset[int],
    unmovable: BlockTotals,
    reclaimable: BlockTotals,
) -> dict[int, MigrateType]:
    """The types of blocks that are not MOVABLE, by their first frame.

    ``blocks`` are first frames and letters. Blocks of nothing but reserved pages are UNMOVABLE. Of those with
    ``kernel`` pages, and of wholly free ones behind them, as many are UNMOVABLE and RECLAIMABLE as the totals say,
    and so that their free pages come closest to those on the lists of their types.
    """
    blocks = list(blocks)
    types = {start: MigrateType.UNMOVABLE for start, letters in blocks if set(letters) == {"R"}}
    candidates = list(_candidates(blocks, kernel, waiting))
    wanted = BlockTotals(unmovable.blocks - len(types), unmovable.free)
    choices: dict[tuple[BlockTotals, BlockTotals], _Choice] = {}
    empty = _Choice((), BlockTotals(0, 0), BlockTotals(0, 0))
    choices[empty.unmovable, empty.reclaimable] = empty
    for candidate in candidates:
        found: dict[tuple[BlockTotals, BlockTotals], _Choice] = {}
        for choice in choices.values():
            for migratetype in (MigrateType.UNMOVABLE, MigrateType.RECLAIMABLE, MigrateType.MOVABLE):
                after = choice.with_next(migratetype, candidate.free)
                if after.unmovable.blocks <= wanted.blocks and after.reclaimable.blocks <= reclaimable.blocks:
                    found.setdefault((after.unmovable, after.reclaimable), after)
        choices = dict(list(found.items())[:_MOST_STATES])
    best = min(choices.values(), key=lambda choice: _distance(choice, wanted, reclaimable))
    return types | {
        candidate.start: migratetype
        for candidate, migratetype in zip(candidates, best.types, strict=True)
        if migratetype is not MigrateType.MOVABLE
    }


def _distance(choice: _Choice, unmovable: BlockTotals, reclaimable: BlockTotals) -> tuple[int, int]:
    """How far a choice is from the totals: first in blocks, then in free pages."""
    pairs = ((choice.unmovable, unmovable), (choice.reclaimable, reclaimable))
    return sum(abs(a.blocks - b.blocks) for a, b in pairs), sum(abs(a.free - b.free) for a, b in pairs)


def _candidates(
    blocks: Iterable[tuple[int, str]], kernel: frozenset[str], waiting: frozenset[int]
) -> Iterator[_Candidate]:
    """Blocks with kernel pages, and a few wholly free ones directly behind each."""
    chain = 0
    for start, letters in blocks:
        used = {kind for at, kind in enumerate(letters) if start + at not in waiting} - {".", "N"}
        chain = _CHAIN if used & kernel else 0 if used else chain - 1
        if used & kernel or (chain >= 0 and not used):
            yield _Candidate(start, letters.count("."))


def totals_of(numbers: Mapping[str, int], free: Mapping[str, list[int]], name: str) -> BlockTotals:
    """The totals of a type, from its pageblocks and its free blocks by order."""
    return BlockTotals(numbers.get(name, 0), sum(n << order for order, n in enumerate(free.get(name, []))))
