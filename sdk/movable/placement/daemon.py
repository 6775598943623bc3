"""The placement daemon: moves pages to where they are used, with nothing but what user space has."""

from collections import Counter
from collections.abc import Iterator, Mapping

from attrs import frozen

from movable.placement.heat import HeatMap, cheapest
from movable.placement.history import History
from movable.placement.mover import Outcome, move, nodes_of_pages
from movable.placement.profiler import PageId, Profiler
from movable.placement.settings import PlacementSettings
from movable.process import Process
from movable.vm import VM

__all__ = ["Interval", "PlacementDaemon"]


@frozen
class Interval:
    """What the daemon did in an interval. Counts of pages.

    ``seen`` pages were seen in use, ``wanted`` would be cheaper elsewhere. Of those ``limited`` were beyond the rate or
    the room there is, ``held`` had been moved back and forth enough; the rest was tried, with these ``outcomes``.
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


@frozen
class _Order:
    """A page that should move. ``members`` are the names under which it was seen, ``saving`` what a move brings."""

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
        self._heat = HeatMap(settings.decay)
        self._history = History(settings)
        self._full: dict[int, int] = {}
        self._denied: set[int] = set()

    @property
    def now(self) -> int:
        """The number of the interval that runs."""
        return len(self.intervals)

    def tick(self) -> Interval:
        """An interval is over: move what should move. What was done."""
        seen = self.profiler.take()
        self._heat.add(seen)
        orders, held = self._orders()
        chosen = self._affordable(orders)
        interval = Interval(
            index=self.now,
            seen=len(seen),
            wanted=len(orders) + held,
            limited=len(orders) - len(chosen),
            held=held,
            outcomes=self._move(chosen),
        )
        self.intervals.append(interval)
        self._history.tidy(self.now)
        return interval

    # What should move

    def _orders(self) -> tuple[list[_Order], int]:
        """The pages that should move, the most rewarding first, and how many are held back."""
        full = {nid for nid, until in self._full.items() if until > self.now}
        orders, held = [], 0
        for members, source, allowed in self._candidates():
            heat: dict[int, float] = {}
            for page in members:
                for user, count in self._heat.of(page).items():
                    heat[user] = heat.get(user, 0.0) + count
            total = sum(heat.values())
            target, gain = cheapest(heat, source, allowed - full, self.vm.config.distance_table)
            if target == source or gain < self.settings.gain or total < self.settings.least:
                continue
            if any(self._history.worn(page, target) for page in members):
                held += 1
            else:
                orders.append(_Order(members, source, target, gain * total))
        orders.sort(key=lambda order: (-order.saving, order.members))
        return orders, held

    def _candidates(self) -> Iterator[tuple[tuple[PageId, ...], int, frozenset[int]]]:
        """The hot pages that are not left alone: their names, where they are, and the nodes of their process.

        A page that several processes map is one candidate if shared pages may move, else one of each.
        """
        by_pid: dict[int, list[int]] = {}
        for pid, address in self._heat:
            if not self._history.resting((pid, address), self.now):
                by_pid.setdefault(pid, []).append(address)
        # Before the first call that another CPU may come between: a process can end at any time after.
        known = {
            process.pid: (process, process.mems_allowed) for process in self.vm.processes if not process.ended
        }
        groups: dict[object, list[PageId]] = {}
        places: dict[PageId, int] = {}
        for pid, addresses in by_pid.items():
            if pid not in known:
                self._forget_process(pid)
                continue
            process, _ = known[pid]
            if pid == self.process.pid or pid in self._denied:
                continue
            nodes, lost = nodes_of_pages(self.process, pid, addresses)
            if lost is not None:
                self._lose(pid, lost)
            for address, node in nodes.items():
                page = (pid, address)
                if node < 0:
                    self._forget(page)
                    continue
                places[page] = node
                groups.setdefault(self._frame(process, address) or page, []).append(page)
        for members in groups.values():
            _, allowed = known[min(members)[0]]
            yield tuple(sorted(members)), places[members[0]], allowed

    def _frame(self, process: Process, address: int) -> int | None:
        """The frame of a page, where that matters: root may read it in /proc/PID/pagemap."""
        page = process.page(address) if self.settings.move_shared and not process.ended else None
        return None if page is None else page.pfn

    def _affordable(self, orders: list[_Order]) -> list[_Order]:
        """As many as the rate allows, as long as their nodes keep their reserve."""
        room = {
            node.nid: sum(zone.free_pages - int(zone.managed * self.settings.reserve) for zone in node.zones)
            for node in self.vm.nodes
        }
        chosen: list[_Order] = []
        for order in orders:
            if len(chosen) < self.settings.rate and room[order.target] > 0:
                room[order.target] -= 1
                chosen.append(order)
        return chosen

    # Moving

    def _move(self, orders: list[_Order]) -> Mapping[Outcome, int]:
        """Move pages, process by process; how many became what."""
        outcomes: Counter[Outcome] = Counter()
        by_pid: dict[int, dict[int, _Order]] = {}
        for order in orders:
            pid, address = order.members[0]
            by_pid.setdefault(pid, {})[address] = order
        for pid, mine in by_pid.items():
            targets = {address: order.target for address, order in mine.items()}
            for address, outcome in move(self.process, pid, targets, shared=self.settings.move_shared):
                outcomes[outcome] += 1
                self._note(mine[address], outcome)
        return dict(outcomes)

    def _note(self, order: _Order, outcome: Outcome) -> None:
        """Draw the conclusions."""
        match outcome:
            case Outcome.MOVED:
                for page in order.members:
                    self._history.moved(page, self.now, order.source, order.target)
            case Outcome.BUSY | Outcome.OUTSIDE:
                given_up = [self._history.failed(page, self.now) for page in order.members]
                self.given_up[outcome] += any(given_up)
            case Outcome.SHARED:
                self.given_up[outcome] += 1
                for page in order.members:
                    self._history.give_up(page, self.now)
            case Outcome.FULL:
                self._full[order.target] = self.now + 1 + self.settings.rest
            case Outcome.GONE:
                for page in order.members:
                    self._forget(page)
            case Outcome.DENIED | Outcome.ENDED:
                self._lose(order.members[0][0], outcome)

    def _lose(self, pid: int, outcome: Outcome) -> None:
        """A process has ended, or may not be touched."""
        if outcome is Outcome.DENIED and pid not in self._denied:
            self._denied.add(pid)
            self.given_up[outcome] += 1
        self._forget_process(pid)

    def _forget(self, page: PageId) -> None:
        self._heat.forget(page)
        self._history.forget(page)

    def _forget_process(self, pid: int) -> None:
        self._heat.forget_process(pid)
        self._history.forget_process(pid)
