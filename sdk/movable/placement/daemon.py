"""The placement daemon: moves pages to where they are used, with nothing but what user space has."""

from collections import Counter
from collections.abc import Mapping

from attrs import define, field, frozen

from movable.placement.heat import HeatMap, cheapest
from movable.placement.mover import Outcome, move, nodes_of_pages
from movable.placement.profiler import PageId, Profiler
from movable.placement.settings import PlacementSettings
from movable.process import Process
from movable.vm import VM

__all__ = ["Interval", "PlacementDaemon"]


@frozen
class Interval:
    """What the daemon did in an interval. Counts of pages.

    ``seen`` pages were seen in use, ``wanted`` would be cheaper elsewhere. Of those ``limited`` were beyond the rate and
    ``held`` had been moved back and forth enough; the rest was tried, with these ``outcomes``.
    """

    index: int
    seen: int
    wanted: int
    limited: int
    held: int
    outcomes: Mapping[Outcome, int]

    @property
    def moved(self) -> int:
        """Pages that moved."""
        return self.outcomes.get(Outcome.MOVED, 0)


@define(eq=False)
class _Record:
    """What the daemon remembers of a page: its moves, tries that failed, and until when it is left alone."""

    moves: list[tuple[int, int, int]] = field(factory=list)
    tries: int = 0
    until: int = 0


@frozen
class _Order:
    """A page that should move. ``members`` are all names under which it is known, ``saving`` what it would bring."""

    page: PageId
    members: tuple[PageId, ...]
    source: int
    target: int
    saving: float


class PlacementDaemon:
    """Looks at what a profiler saw, and moves pages with move_pages(2).

    It is a process of its own (``process``, by default one of root's) and knows what such a process can read: the
    samples, the distances, how full nodes are, which nodes a process may use, and where pages are. Call `tick` at
    the end of each interval.
    """

    def __init__(
        self,
        vm: VM,
        profiler: Profiler,
        settings: PlacementSettings = PlacementSettings(),
        *,
        process: Process | None = None,
    ) -> None:
        self.vm = vm
        self.profiler = profiler
        self.settings = settings
        self.process = vm.process() if process is None else process
        self.intervals: list[Interval] = []
        self.given_up: Counter[Outcome] = Counter()
        """How often a page was left alone for a while, and why."""
        self._distances = vm.config.distance_table
        self._heat = HeatMap(settings.decay)
        self._records: dict[PageId, _Record] = {}
        self._full: dict[int, int] = {}
        self._denied: set[int] = set()

    @property
    def now(self) -> int:
        """The number of the interval that runs."""
        return len(self.intervals)

    def tick(self) -> Interval:
        """An interval is over: move what should move; what was done."""
        seen = self.profiler.take()
        self._heat.add(seen)
        for page in self._heat:
            if page[0] == self.process.pid or page[0] in self._denied:
                self._heat.forget(page)
        orders, held = self._orders()
        chosen = orders[: self.settings.rate]
        outcomes: Counter[Outcome] = Counter()
        for pid in dict.fromkeys(order.page[0] for order in chosen):
            mine = {order.page[1]: order for order in chosen if order.page[0] == pid}
            targets = {address: order.target for address, order in mine.items()}
            for address, outcome in move(
                self.process, pid, targets, shared=self.settings.move_shared
            ):
                outcomes[outcome] += 1
                self._note(mine[address], outcome)
        interval = Interval(
            self.now, len(seen), len(orders) + held, len(orders) - len(chosen), held, dict(outcomes)
        )
        self.intervals.append(interval)
        self._tidy()
        return interval

    # What should move

    def _orders(self) -> tuple[list[_Order], int]:
        """The pages that should move, the most rewarding first, and how many are held back."""
        usable = self._usable_nodes()
        orders, held = [], 0
        for members, source, allowed in self._candidates():
            heat: Counter[int] = Counter()
            for page in members:
                heat.update(self._heat.of(page))
            target, gain = cheapest(heat, source, allowed & usable, self._distances)
            if target == source or gain < self.settings.gain or heat.total() < self.settings.least:
                continue
            if self._bounces(members[0], target) >= self.settings.bounces and self._returns(members[0], target):
                held += 1
                continue
            orders.append(_Order(members[0], members, source, target, gain * heat.total()))
        orders.sort(key=lambda order: (-order.saving, order.page))
        return orders, held
