"""A driver on a machine of several CPUs: what users and the VM do to it at the same time, and the judgement."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NoReturn, TypeVar

from movable.config import MachineConfig, NodeConfig, ZoneConfig
from movable.conformance.rig import Rig
from movable.drivers import AddressSpace, DriverSpec, Handle
from movable.flags import GFP, MigrateMode
from movable.lists import PageList
from movable.page import Page
from movable.sched import PAUSE_KEY, Op
from movable.vm import CompactSettings

__all__ = ["CPUS", "Arena"]

CPUS = 4
"""Three for what happens at the same time, one that runs queued work."""

_T = TypeVar("_T")

_PATIENCE = 12
_SIZES = (3000, 600, 3000, 600, 3000, 600, 3000, 90)

_MACHINE = MachineConfig(
    "races",
    (NodeConfig((ZoneConfig("Normal", 0x1000, 2048),), tuple(range(CPUS))),),
    cpus=CPUS,
)


class Arena(Rig):
    """One driver on one fresh machine, filled, with operations that CPUs can be given.

    Nothing observes the callbacks: what counts is the state at the end, and what the core saw meanwhile. The
    users' operations keep to handles of their own; one CPU is a user unless the driver claims ``concurrent``.
    """

    def __init__(self, spec: DriverSpec, seed: str, **settings: Any) -> None:
        super().__init__(spec, seed, machine=_MACHINE, **settings)
        self.taken: list[PageList] = []

    def load(self, clause: str = "MARK-1") -> tuple[Any, Any, AddressSpace]:
        """Load the driver with nobody between it and the core."""
        return self.attach(clause)

    def ask(self, what: str, function: Callable[..., _T], *args: object, clause: str = "RACE-9") -> _T:
        """Call the driver's own code; an exception of it is the driver's failure, named."""
        return super().ask(what, function, *args, clause=clause)

    def fail(
        self, what: str, *, clause: str | None = None, pfn: int | None = None, where: str | None = None
    ) -> NoReturn:
        """End the run as failed, by a clause of races."""
        own = clause if clause is not None and clause.startswith("RACE-") else "RACE-9"
        super().fail(what, clause=own, pfn=pfn, where=where)

    def populate(self) -> list[Handle]:
        """Store a few objects of few sizes, so that they share pages and lie over page boundaries; their handles."""
        limit = self.spec.capabilities.max_object
        for size in _SIZES:
            self.store(min(size, limit))
        if not self.marked():
            self.fill(pages=2)
        return list(self.ledger.handles)

    # Operations of users

    def stores(self, sizes: Iterable[int]) -> list[Op]:
        """Store objects of these sizes (as far as the driver takes such), one after the other."""
        limit = self.spec.capabilities.max_object
        return [Op(f"store {size}", partial(self.store, size)) for size in (min(one, limit) for one in sizes)]

    def drops(self, handles: Sequence[Handle]) -> list[Op]:
        """Drop objects; a driver that says busy is asked again when others have run."""
        return [Op(f"drop #{self._number(one)}", partial(self._drop, one)) for one in handles]

    def reads(self, handles: Sequence[Handle]) -> list[Op]:
        """Read objects back and compare."""
        return [Op(f"load #{self._number(one)}", partial(self._read, one)) for one in handles]

    def pins(self, handles: Sequence[Handle]) -> list[Op]:
        """Pin objects, let others run, and demand that their pages stayed where they were."""
        return [Op(f"pin #{self._number(one)}", partial(self._pin, one)) for one in handles]

    def unloads(self) -> list[Op]:
        """Unload the driver with what it holds."""
        return [Op("close()", self._close)]

    def _close(self) -> None:
        """Ask the driver to unload; what it left behind is judged when all CPUs are done."""
        self.closed = True
        self.ask("close()", self.driver.close)

    def drop(self, handle: Handle) -> bool:
        """Ask the driver to drop an object. Struck off before that: another CPU may get its handle at once."""
        data = self.ledger.objects.pop(handle)
        done = self.ask("drop()", self.workload.drop, handle)
        if done is not True and done is not False:
            self.fail(f"drop() answered {done!r}, not True or False", where="drop()")
        if not done:
            self.ledger.enter(handle, data)
        return bool(done)

    def _number(self, handle: Handle) -> int:
        return self.ledger.handles.index(handle)

    def _drop(self, handle: Handle) -> None:
        for _ in range(_PATIENCE):
            if self.drop(handle):
                return
            self.pause()

    def _read(self, handle: Handle) -> None:
        self.read(handle, "RACE-1")

    def _pin(self, handle: Handle) -> None:
        with self.pin(handle):
            before = self._pages(handle)
            self.pause()
            after = self._pages(handle)
        self.expect(
            before == after,
            f"pages of a pinned object moved: {before} before, {after} after",
            clause="RACE-2",
            where="pin()",
        )

    def _pages(self, handle: Handle) -> list[str]:
        return [hex(page.pfn) for page in self.ask("pages()", self.workload.pages, handle)]

    def pause(self) -> None:
        """Let other CPUs run, as a CPU that waits a moment does."""
        if self.vm.sched is not None:
            self.vm.sched.busy(PAUSE_KEY)

    # Operations of the VM

    def moves(
        self,
        mode: MigrateMode = MigrateMode.SYNC,
        *,
        pages: Sequence[Page] | None = None,
        migrate: bool = True,
    ) -> list[Op]:
        """Isolate pages (the marked ones by default), migrate them to new ones, put back the rest."""
        listed: list[PageList] = []

        def isolate() -> None:
            taken = self.vm.page_list("mover")
            listed.append(taken)
            self.taken.append(taken)
            for page in self.marked() if pages is None else pages:
                taken.isolate(page)

        def move() -> None:
            if listed:
                self.vm.migrate_pages(
                    listed[0], lambda _page: self.vm.alloc_page(GFP.HIGHUSER_MOVABLE), mode=mode
                )

        def put_back() -> None:
            if listed:
                self.vm.putback_movable_pages(listed.pop())

        word = "migrate" if mode is MigrateMode.SYNC else f"migrate {mode.name.lower()}"
        middle = [Op(word, move)] if migrate else [Op("wait", self.pause)]
        return [Op("isolate", isolate), *middle, Op("put back", put_back)]

    def compacts(self, mode: MigrateMode = MigrateMode.SYNC) -> list[Op]:
        """Compact the whole zone."""
        settings = CompactSettings(mode=mode)
        return [Op("compact", lambda: self.vm.compact_zone(self.vm.zones[0], settings))]

    # The judgement

    def judge(self) -> None:
        """All CPUs are done: nothing isolated, pages at rest, books right, all read back, nothing left behind."""
        for listed in self.taken:
            self.vm.putback_movable_pages(listed)
        self.settle()
        self.expect(self.isolated_count() == 0, "pages are still counted as isolated", clause="RACE-3")
        if not self.closed:
            for page in self.marked():
                self.at_rest(page, clause="RACE-3")
            self.vm.recount()
            for handle in self.ledger.handles:
                self.read(handle, "RACE-1")
            self.check_own("RACE-9")
            self.drop_all("RACE-3")
            self.settle()
            self.unload()
        self.settle()
        self.vm.recount()
        lost = self.free_before - self.free_pages()
        self.expect(lost == 0, f"after close() {lost} pages are missing", clause="RACE-3", where="close()")
