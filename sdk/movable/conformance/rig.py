"""What a check works with: the driver under test, and the VM's side of isolation and migration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from attrs import frozen

from movable.conformance.probe import Call, Move
from movable.conformance.state import PageState, changes, page_state
from movable.conformance.subject import Subject
from movable.drivers import DriverSpec
from movable.errors import DeadVM, KernelAssertion, Violation
from movable.faults import Targets
from movable.flags import IsolateMode, MigrateMode, MigrateReason, PageFlag
from movable.lists import PageList
from movable.page import Page

__all__ = ["Batch", "Moves", "Rig"]

_C = TypeVar("_C", bound=Call)


@frozen
class Batch:
    """Pages that one caller of the VM has isolated: the list they are on, and what was refused."""

    pages: PageList
    taken: tuple[Page, ...]
    refused: tuple[Page, ...]


@frozen
class Moves:
    """One migrate_pages call: its answer, and the targets handed out and given back (frame numbers)."""

    ret: int
    targets: tuple[int, ...]
    released: tuple[int, ...]


class Rig(Subject):
    """A driver on a fresh machine, and the calls that isolate, migrate, put back and inspect its pages."""

    def __init__(self, spec: DriverSpec, seed: str, **settings: Any) -> None:
        self.batches: list[Batch] = []
        super().__init__(spec, seed, **settings)

    def isolate(self, pages: Iterable[Page], mode: IsolateMode = IsolateMode(0)) -> Batch:
        """Isolate pages as a caller of migrate_pages does; what is on the list is put back at the latest at the end."""
        listed = self.vm.page_list("conformance")
        taken: list[Page] = []
        refused: list[Page] = []
        try:
            for page in pages:
                (taken if listed.isolate(page, mode) else refused).append(page)
        finally:
            batch = Batch(listed, tuple(taken), tuple(refused))
            self.batches.append(batch)
        return batch

    def isolate_some(self, pages: Sequence[Page] | None = None) -> Batch:
        """Isolate marked pages (all of them by default), at least one; fails if the driver refuses all."""
        wanted = self.marked() if pages is None else pages
        batch = self.isolate(wanted)
        if not batch.taken:
            self.fail(
                f"isolate_page refused all {len(wanted)} pages of an idle driver",
                clause="LIVE-2",
                where="isolate_page",
            )
        return batch

    def migrate(
        self,
        batch: Batch,
        mode: MigrateMode = MigrateMode.SYNC,
        *,
        supply: int | None = None,
        targets: Targets | None = None,
    ) -> Moves:
        """Migrate what is on the batch's list to new pages anywhere, or to ``targets``; notes the targets.

        With ``supply`` the allocator has none left after so many targets.
        """
        chosen = Targets(self.vm) if targets is None else targets
        if supply is not None:
            chosen.fail(supply, None)
        result = self.vm.migrate_pages(
            batch.pages, chosen.get, chosen.put, mode=mode, reason=MigrateReason.SYSCALL
        )
        return Moves(result.ret, tuple(chosen.handed), tuple(chosen.released))

    def putback(self, batch: Batch) -> None:
        """Put back what is still on the batch's list."""
        self.vm.putback_movable_pages(batch.pages)

    def move_all(self, mode: MigrateMode = MigrateMode.SYNC) -> list[Move]:
        """Isolate every marked page, migrate, put back the rest; returns the calls that succeeded."""
        seen = len(self.probe.calls)
        batch = self.isolate(self.marked())
        self.migrate(batch, mode)
        self.putback(batch)
        return [call for call in self.probe.moves(seen) if call.answer == 0]

    def must_move(self) -> list[Move]:
        """Move every marked page that will move in MIGRATE_SYNC, at least one."""
        moved = self.move_all()
        if not moved:
            self.fail("no page of an idle driver moved in MIGRATE_SYNC", clause="LIVE-2", where="migratepage")
        return moved

    def counter(self, name: str) -> int:
        """One line of /proc/vmstat."""
        return self.vm.vmstat()[name]

    def isolated_count(self) -> int:
        """Pages that the VM counts as isolated."""
        return self.counter("nr_isolated_anon") + self.counter("nr_isolated_file")

    def states(self, pages: Iterable[Page]) -> dict[int, PageState]:
        """Take down the state of pages, by frame number."""
        return {page.pfn: page_state(page) for page in pages}

    def unchanged(
        self,
        before: PageState,
        page: Page,
        what: str,
        *,
        clause: str | None = None,
        ignore: tuple[str, ...] = (),
    ) -> None:
        """Demand that a page is as it was."""
        found = changes(before, page_state(page), ignore=ignore)
        self.expect(not found, f"{what}: {', '.join(found)}", clause=clause, pfn=page.pfn)

    def at_rest(self, page: Page, *, clause: str = "MARK-3") -> None:
        """Demand that a marked page rests: movable, one reference, unlocked, not isolated, off the LRU."""
        state = page_state(page)
        wrong = []
        if not state.movable or state.mapping is not self.mapping:
            wrong.append("it is not movable with the driver's mapping")
        if state.refcount != 1:
            wrong.append(f"its refcount is {state.refcount}, not 1")
        wrong += [
            f"{flag.name} is set"
            for flag in (
                PageFlag.LOCKED,
                PageFlag.LRU,
                PageFlag.RECLAIM,
                PageFlag.ACTIVE,
                PageFlag.UNEVICTABLE,
            )
            if flag in state.flags
        ]
        self.expect(
            not wrong,
            f"a page at rest is not as it should be: {', '.join(wrong)}",
            clause=clause,
            pfn=page.pfn,
        )

    def each_call(
        self, calls: Callable[[], Sequence[_C]], scenario: Callable[[], object], judge: Callable[[_C], None]
    ) -> Violation | None:
        """Run a scenario and judge ``calls()`` one by one, even if the scenario ends with a violation.

        A violation that the check is made for goes first, then the suite's own judgement, then a violation
        that stopped the machine. Any other is returned, to be left to the check made for it.
        """
        broken: Violation | DeadVM | None = None
        try:
            scenario()
        except (Violation, DeadVM) as error:
            broken = error
        if isinstance(broken, Violation) and self.owns(broken.rule.id):
            raise broken
        for call in calls():
            judge(call)
        if isinstance(broken, DeadVM | KernelAssertion):
            raise broken
        return broken

    def after_compaction(self) -> None:
        """Demand that nothing is isolated, every page rests, the books are right and all is read back."""
        self.expect(self.isolated_count() == 0, "compaction left pages isolated", clause="ACC-1")
        for page in self.marked():
            self.at_rest(page, clause="MIG-13")
        self.vm.recount()
        self.verify("DATA-4")

    @contextmanager
    def held(self, pages: Sequence[Page]) -> Iterator[None]:
        """Hold a reference of the suite's own on each page for the time of the block."""
        for page in pages:
            page.get()
        try:
            yield
        finally:
            for page in pages:
                page.put()

    @contextmanager
    def twin(self) -> Iterator[Rig]:
        """A second instance of the driver, on a machine of its own."""
        other = Rig(self.spec, self.seed + "-twin", debug=self.debug)
        try:
            yield other
        finally:
            other.dispose()

    def dispose(self, *, ask_driver: bool = True) -> None:
        """Take the machine down; whatever fails now was judged elsewhere."""
        if not self.clock.expired:
            with suppress(Exception):
                for batch in self.batches:
                    self.putback(batch)
                if ask_driver and not self.closed:
                    self.driver.close()
        with suppress(Exception):
            self.vm.close()
