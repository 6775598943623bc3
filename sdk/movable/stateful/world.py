"""What is true: the suite's own books of a driver under a program of steps, and the demands between steps."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from typing import Any

from attrs import define, field, frozen

from movable.config import MachineConfig, NodeConfig, ZoneConfig
from movable.conformance.deadline import Deadline
from movable.conformance.ledger import Handle
from movable.conformance.rig import Batch, Rig
from movable.conformance.state import page_state
from movable.drivers import DriverSpec
from movable.flags import GFP
from movable.page import Page
from movable.stateful.calls import judge
from movable.stateful.states import State
from movable.vm.zones import MAX_ORDER

__all__ = ["Held", "Pin", "World"]

# Small, because its memory is filled again and again: four pageblocks.
_MACHINE = MachineConfig("small", (NodeConfig((ZoneConfig("Normal", 0x400, 0x800),)),))
_PAGEBLOCK_ORDER = 9
_GFP = GFP.HIGHMEM | GFP.MOVABLE | GFP.NOWARN | GFP.MEMALLOC


@define
class Held:
    """Pages that one caller of the VM has isolated, and the frames that its list must hold."""

    batch: Batch
    listed: list[int]

    def renew(self) -> None:
        """Take the list as it is, after the VM worked on it."""
        self.listed = [page.pfn for page in self.batch.pages]

    @property
    def given_up(self) -> int:
        """How many of the pages their driver released while they were isolated."""
        return sum(page.mapping is None for page in self.batch.pages)


@frozen
class Pin:
    """A pin in force: the object, what ends it, and the pages that must stay."""

    handle: Handle
    end: ExitStack
    pages: list[Page]


@define
class World:
    """A driver on a machine, and the books: contents (the rig's ledger), who is isolated, what is pinned.

    ``clause`` is the one that a wrong read breaks after the step that runs now.
    """

    rig: Rig
    held: list[Held] = field(factory=list)
    pin: Pin | None = None
    clause: str = "DATA-1"
    released: int = 0
    _seen: int = 0
    _successes: int = 0

    @classmethod
    def load(cls, spec: DriverSpec, seed: int, debug: int, clock: Deadline) -> "World":
        """Load the driver on a fresh machine."""
        world = cls(Rig(spec, f"stateful {seed}", debug=debug, clock=clock, machine=_MACHINE))
        world._successes = world.rig.counter("pgmigrate_success")
        world._furnish()
        return world

    def _furnish(self) -> None:
        """Keep one page of each pageblock: blocks that are free as a whole are no target of compaction."""
        pages = self._take(0)
        middle = 1 << (_PAGEBLOCK_ORDER - 1)
        kept = [block for block in pages if block[0].pfn % (2 * middle) == middle]
        self._give_back([block for block in pages if block not in kept])
        self.rig.free_before -= len(kept)

    @property
    def state(self) -> State:
        """Where the driver is, by the books."""
        if self.rig.closed:
            return State.UNLOADED
        if self.held:
            return State.BOTH if self.pin else State.ISOLATED
        if self.pin:
            return State.PINNED
        return State.STORED if self.rig.ledger.objects else State.EMPTY

    @property
    def idle(self) -> bool:
        """True if objects are stored, and nothing is pinned or isolated: pages must move when asked to."""
        return self.state is State.STORED

    @property
    def isolated(self) -> set[int]:
        """Frame numbers on the lists of callers."""
        return {pfn for held in self.held for pfn in held.listed}

    def resting(self) -> list[Page]:
        """Marked pages that nobody has isolated, in order of frame number."""
        isolated = self.isolated
        return [page for page in self.rig.marked() if page.pfn not in isolated]

    def touched(self, handle: Handle) -> set[int]:
        """Frames of the object that are isolated."""
        return self.isolated & {page.pfn for page in self.rig.pages(handle)}

    def lenient(self, busy: object) -> AbstractContextManager[Any]:
        """Let requests raise in the block if ``busy``: who cannot serve users meanwhile is not failed for it."""
        return self.rig.tolerant() if busy else nullcontext()

    def unpin(self) -> None:
        """End the pin, if there is one."""
        pin, self.pin = self.pin, None
        if pin is not None:
            pin.end.close()

    def dispose(self, *, ask_driver: bool) -> None:
        """Take the machine down; whatever fails now was judged before."""
        with suppress(Exception):
            self.unpin()
        self.rig.dispose(ask_driver=ask_driver)

    def settle_lists(self) -> None:
        """Forget lists that the VM has emptied."""
        for held in self.held:
            held.renew()
        self.held = [held for held in self.held if held.listed]

    # Short memory

    @contextmanager
    def exhausted(self) -> Iterator[None]:
        """Hold every free page for the time of the block."""
        blocks = self._take(MAX_ORDER - 1)
        try:
            yield
        finally:
            self._give_back(blocks)

    @contextmanager
    def low(self) -> Iterator[None]:
        """As `exhausted`, but for what is free in the lowest pageblock, where compaction looks for pages to move."""
        blocks = self._take(_PAGEBLOCK_ORDER)
        end = self.rig.vm.zones[0].start_pfn + (1 << _PAGEBLOCK_ORDER)
        self._give_back([block for block in blocks if block[0].pfn < end])
        try:
            yield
        finally:
            self._give_back([block for block in blocks if block[0].pfn >= end])

    @contextmanager
    def fragmented(self) -> Iterator[None]:
        """As `exhausted`, but for every second frame: no two free pages are neighbours."""
        pages = self._take(0)
        self._give_back([block for block in pages if block[0].pfn % 2])
        try:
            yield
        finally:
            self._give_back([block for block in pages if block[0].pfn % 2 == 0])

    def _take(self, order: int) -> list[tuple[Page, int]]:
        """Allocate all free memory in blocks of at most this order, the largest first."""
        blocks = []
        for each in range(order, -1, -1):
            while (page := self.rig.vm.alloc_pages(each, _GFP)) is not None:
                blocks.append((page, each))
        return blocks

    def _give_back(self, blocks: list[tuple[Page, int]]) -> None:
        for page, order in blocks:
            self.rig.vm.free_pages(page, order)

    # Demands

    def demand(self) -> None:
        """Demand everything that holds between two steps. CheckFailed or Violation."""
        rig = self.rig
        self._judge_calls()
        rig.vm.recount()
        self._demand_isolation()
        if rig.closed:
            self._demand_gone()
            return
        self._demand_rest()
        self._demand_pages()
        self._demand_contents()

    def _judge_calls(self) -> None:
        rig = self.rig
        calls, self._seen = rig.probe.calls[self._seen :], len(rig.probe.calls)
        for call in calls:
            judge(rig, call)
        moved = sum(call.hook == "migratepage" and call.answer == 0 for call in calls) + self.released
        successes = rig.counter("pgmigrate_success")
        grown, self._successes, self.released = successes - self._successes, successes, 0
        rig.expect(grown == moved, f"pgmigrate_success grew by {grown} for {moved} moves", clause="ACC-3")

    def _demand_isolation(self) -> None:
        """The lists of callers are as the VM left them, and their pages isolated; the counters say so."""
        rig = self.rig
        for held in self.held:
            listed = [page.pfn for page in held.batch.pages]
            rig.expect(listed == held.listed, "an isolated page left the VM's list", clause="ISO-7")
            for page in held.batch.pages:
                state = page_state(page)
                if state.movable:
                    rig.expect(
                        state.isolated, "PG_isolated was cleared by the driver", clause="MARK-4", pfn=page.pfn
                    )
                rig.expect(
                    not state.locked, "an isolated page was left locked", clause="MARK-3", pfn=page.pfn
                )
        count, pages = rig.isolated_count(), len(self.isolated)
        what = f"the VM counts {count} isolated pages with {pages} on callers' lists"
        rig.expect(count == pages, what, clause="ACC-1")

    def _demand_gone(self) -> None:
        """Beside memory, an unloaded driver has given back its mappings and what it took out of the count."""
        rig = self.rig
        left = len(rig.vm.mappings)
        rig.expect(not left, f"{left} mappings are open with no driver loaded", clause="LIFE-1")
        lost = rig.managed_before - rig.managed_pages()
        rig.expect(not lost, f"after close() {lost} pages are missing from the managed pages", clause="ACC-4")

    def _demand_rest(self) -> None:
        pinned = self.pin.pages if self.pin else []
        for page in self.resting():
            if page not in pinned:
                self.rig.at_rest(page)

    def _demand_pages(self) -> None:
        """Handles lead to marked pages; a pinned object's are those it was pinned on."""
        rig = self.rig
        marked, named = set(rig.marked()), 0
        for handle in rig.ledger.handles:
            pages = rig.pages(handle)
            named += len(pages)
            stray = next((page.pfn for page in pages if page not in marked), None)
            what = f"pages({handle!r}) names a page that is not marked"
            rig.expect(stray is None, what, clause="CAP-2", pfn=stray, where="pages()")
            if self.pin and self.pin.handle == handle:
                stayed = pages == self.pin.pages
                rig.expect(stayed, f"pages({handle!r}) of a pinned object changed", clause="CAP-3")
        what = "pages() names no page for any handle"
        rig.expect(named or not rig.ledger.objects, what, clause="CAP-2", where="pages()")

    def _demand_contents(self) -> None:
        for handle in self.rig.ledger.handles:
            self.read(handle)
        with self.lenient(self.held or self.pin):
            self.rig.check_own(self.clause)

    def read(self, handle: Handle) -> None:
        """Read an object back; where pages are isolated or pinned it may be refused, but never be wrong."""
        with self.lenient(self.pin or self.touched(handle)):
            self.rig.read(handle, self.clause)

    @contextmanager
    def unwritten(self) -> Iterator[None]:
        """Demand that isolated pages keep their bytes over the block, in which objects are stored."""
        before = {page: page_state(page).bytes_ for held in self.held for page in held.batch.pages}
        yield
        for page, bytes_ in before.items():
            same = page.mapping is not self.rig.mapping or page_state(page).bytes_ == bytes_
            what = "store() wrote to an isolated page"
            self.rig.expect(same, what, clause="ISO-4", pfn=page.pfn, where="store()")

    @contextmanager
    def moving(self) -> Iterator[None]:
        """The VM works on the lists in the block: what it frees on the way it counts as moved."""
        given_up = sum(held.given_up for held in self.held)
        yield
        self.settle_lists()
        self.released = given_up - sum(held.given_up for held in self.held)
