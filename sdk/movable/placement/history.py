"""What the daemon remembers of pages: their moves, tries that failed, and until when each is left alone."""

from attrs import define, field

from movable.placement.profiler import PageId
from movable.placement.settings import PlacementSettings

__all__ = ["History"]


@define(eq=False)
class _Record:
    """One page's: moves as interval, source and target."""

    moves: list[tuple[int, int, int]] = field(factory=list)
    tries: int = 0
    until: int = 0

    def returns(self) -> int:
        """How many of the moves led to a node that the page had left before."""
        left: set[int] = set()
        count = 0
        for _, source, target in self.moves:
            count += target in left
            left.add(source)
        return count


class History:
    """The records of all pages. ``now`` is the number of an interval."""

    def __init__(self, settings: PlacementSettings) -> None:
        self._settings = settings
        self._records: dict[PageId, _Record] = {}

    def resting(self, page: PageId, now: int) -> bool:
        """Whether the page is left alone for now."""
        record = self._records.get(page)
        return record is not None and record.until > now

    def worn(self, page: PageId, target: int) -> bool:
        """Whether the page would return to a node that it left, and has done so often enough."""
        record = self._records.get(page)
        if record is None or all(source != target for _, source, _ in record.moves):
            return False
        return record.returns() >= self._settings.bounces

    def moved(self, page: PageId, now: int, source: int, target: int) -> None:
        """The page was moved; it rests."""
        record = self._record(page)
        record.moves.append((now, source, target))
        record.tries, record.until = 0, now + 1 + self._settings.rest

    def failed(self, page: PageId, now: int) -> bool:
        """The page could not be moved this time; whether that was once too often, and it is given up for now."""
        record = self._record(page)
        record.tries += 1
        if record.tries <= self._settings.retries:
            return False
        self.give_up(page, now)
        return True

    def give_up(self, page: PageId, now: int) -> None:
        """Leave the page alone for a long while."""
        record = self._record(page)
        record.tries, record.until = 0, now + 1 + self._settings.memory

    def tidy(self, now: int) -> None:
        """Forget what is too long ago."""
        oldest = now - self._settings.memory
        for page, record in tuple(self._records.items()):
            record.moves = [move for move in record.moves if move[0] >= oldest]
            if not record.moves and not record.tries and record.until <= now:
                del self._records[page]

    def forget(self, page: PageId) -> None:
        """The page is gone."""
        self._records.pop(page, None)

    def forget_process(self, pid: int) -> None:
        """The process is gone."""
        self._records = {page: record for page, record in self._records.items() if page[0] != pid}

    def _record(self, page: PageId) -> _Record:
        return self._records.setdefault(page, _Record())
