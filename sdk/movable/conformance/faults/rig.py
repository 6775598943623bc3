"""A driver that lives again and again on one machine, each time with a fault in another place."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from movable.conformance.outcome import CheckFailed
from movable.conformance.rig import Rig
from movable.errors import Violation

__all__ = ["PLACES", "FaultRig"]

PLACES = 64
"""Most places that one series tries at the usual budget."""


class FaultRig(Rig):
    """Lives of one driver. Each is loaded, runs the same program with one fault, is judged, and is unloaded.

    The program is the same in each life: sizes and choices are drawn anew from one seed.
    ``figures``: ``faults`` injected, ``places`` tried of ``places_of`` there are.
    """

    _over = 0.0

    def series(
        self, places: int, live: Callable[[int], int], *, what: str | Callable[[int], str], clause: str
    ) -> None:
        """Live once for each place, numbered from 0; ``live(place)`` tells how many faults were injected.

        What fails breaks ``clause`` and is told with ``what``: the place's own words, or those for all, in which
        ``{}`` stands for the place, counted from 1. If there are more than the budget allows, some are chosen evenly.
        """
        self._count("places_of", places)
        for place in self.places(places):
            self.begin()
            told = f"{what.format(place + 1)} of {places}" if isinstance(what, str) else what(place)
            with self.telling(told, clause):
                self._count("faults", live(place))
                self.judge(clause)
                self.end()
            self._count("places", 1)

    def places(self, count: int) -> Iterator[int]:
        """Places 0 to ``count`` - 1, in order; evenly chosen ones if the budget is smaller.

        A budget in seconds takes them from coarse to fine, at least one, until the time of the check is over.
        """
        budget = self.settings.budget
        if budget.seconds is None:
            most = min(count, budget.count(PLACES))
            yield from (place * count // most for place in range(most))
            return
        self._over = self._over or monotonic() + budget.seconds
        for number, place in enumerate(_spread(count)):
            if number and monotonic() >= self._over:
                return
            yield place

    def begin(self) -> None:
        """Begin a life: a loaded driver that holds nothing, and books that are empty."""
        if self.closed:
            self.reload()
        self.same_again()
        self.probe.calls.clear()
        self.batches.clear()

    def same_again(self) -> None:
        """From here on the same sizes and choices as from the beginning of a life."""
        self.ledger.rng.seed(self.seed)

    def judge(self, clause: str) -> None:
        """Demand that the faults left nothing behind: counts, pages, contents; and that the driver works on."""
        self.answers.clear()
        self.settle()
        isolated = self.isolated_count()
        self.expect(not isolated, f"{isolated} pages count as isolated that nobody has", clause=clause)
        for page in self.marked():
            self.at_rest(page, clause=clause)
        self.vm.recount()
        self.verify(clause)
        self.works_on()

    def works_on(self) -> None:
        """Demand that the driver stores, moves, and drops as before."""
        handle = self.store_any()
        if handle is None:
            self.fail("store() takes nothing although there is memory", where="store()")
        self.must_move()
        self.vm.recount()
        self.verify()
        self.expect(self.drop(handle), "drop() says busy with no page isolated", where="drop()")

    def end(self) -> None:
        """End a life: nothing stays behind."""
        self.drop_some()
        self.unload()
        self.vm.recount()

    def drop_some(self) -> None:
        """Drop every other object; nothing is isolated."""
        for handle in self.ledger.handles[::2]:
            self.expect(
                self.drop(handle), f"drop({handle!r}) says busy with no page isolated", where="drop()"
            )

    def injected(self, reason: str) -> None:
        """End the check as not-claimed, for this reason, if no fault was injected."""
        if not self.figures.get("faults"):
            self.nothing(reason)

    @contextmanager
    def telling(self, what: str, clause: str) -> Iterator[None]:
        """What fails in the block is told together with the fault, and breaks ``clause`` unless it has a rule."""
        try:
            yield
        except CheckFailed as failure:
            raise CheckFailed(
                f"{what}: {failure.what}", clause=clause, pfn=failure.pfn, where=failure.where
            ) from failure
        except Violation as violation:
            violation.seen = f"{violation.seen} ({what})"
            raise

    def _count(self, name: str, number: int) -> None:
        self.figures[name] = self.figures.get(name, 0) + number


def _spread(count: int) -> Iterator[int]:
    """Every number below ``count`` once, the whole range coarsely first."""
    seen: set[int] = set()
    step = max(count, 1)
    while len(seen) < count:
        for place in range(0, count, step):
            if place not in seen:
                seen.add(place)
                yield place
        step = max(step // 2, 1)
