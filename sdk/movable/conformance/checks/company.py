"""A driver's pages in the company of those of processes and files."""

from typing import Any

from movable.conformance.checks.groups import MOVES, RETURNS
from movable.conformance.registry import check
from movable.conformance.rig import Batch, Rig
from movable.drivers import DriverSpec
from movable.flags import PageFlag
from movable.page import Page

_PAGE_BYTES = 4096
"""Bytes in a page (spec/compaction.md 1.1)."""

_PAGES = 24
"""Pages of the process, and as many of the file."""

_VMS = (
    PageFlag.LRU
    | PageFlag.ACTIVE
    | PageFlag.UNEVICTABLE
    | PageFlag.MLOCKED
    | PageFlag.SWAPBACKED
    | PageFlag.SWAPCACHE
    | PageFlag.WRITEBACK
)
"""Flags by which the VM counts, sorts and writes out pages (spec/migration.md 1.2)."""


class CompanyRig(Rig):
    """A rig on a machine with a process and a file, whose contents are known."""

    def __init__(self, spec: DriverSpec, seed: str, **settings: Any) -> None:
        super().__init__(spec, seed, **settings)
        self.process = self.vm.process()
        self.address = self.process.mmap(_PAGES * _PAGE_BYTES)
        self.file = self.vm.file("beside", _PAGES * _PAGE_BYTES)

    def fill_beside(self) -> None:
        """Store objects, with a page of the process and one of the file after each."""
        for number in range(_PAGES):
            self.store_any()
            self.process.write(self.address + number * _PAGE_BYTES, self._text("process", number))
            self.file.write(number * _PAGE_BYTES, self._text("file", number))
        self.fill()
        self.vm.lru_add_drain_all()

    @staticmethod
    def _text(whose: str, number: int) -> bytes:
        return f"{whose}, page {number}".encode().ljust(_PAGE_BYTES, b".")

    def others(self) -> list[Page]:
        """The pages of the process and of the file."""
        return [*self.process.pages().values(), *self.file.pages().values()]

    def untouched(self, clause: str) -> None:
        """Demand that what the process and the file hold is what was written, and that the VM's books are right."""
        for number in range(_PAGES):
            at = number * _PAGE_BYTES
            own = self.process.read(self.address + at, _PAGE_BYTES) == self._text("process", number)
            page = self.process.page(self.address + at)
            self.expect(
                own,
                f"page {number} of a process is not what was written to it",
                clause=clause,
                pfn=page.pfn if page else None,
            )
            self.expect(
                self.file.read(at, _PAGE_BYTES) == self._text("file", number),
                f"page {number} of a file is not what was written to it",
                clause=clause,
            )
        self.vm.lru_add_drain_all()
        self.vm.recount()

    def leave(self) -> None:
        """End the process and close the file: the driver is alone again."""
        self.process.exit()
        self.file.close()
        self.vm.lru_add_drain_all()

    def at_rest_beside(self, clause: str) -> None:
        """Demand that all is read back, nothing is isolated, and every page of the driver rests."""
        self.expect(self.isolated_count() == 0, "pages still count as isolated", clause="ACC-1")
        for page in self.marked():
            self.at_rest(page, clause="MARK-3")
        self.verify(clause)
        self.untouched(clause)


@check(
    "LRU-BESIDE",
    "pages of processes and files beside the driver's are left alone",
    clauses=("LRU-1",),
    needs=None,
    requires=(*MOVES, *RETURNS, "COMPACT-NODE"),
    rig=CompanyRig,
)
def beside(rig: CompanyRig) -> None:
    """Stores, put-backs, moves, drops and compaction beside a process and a file change nothing of theirs."""
    rig.fill_beside()
    rig.untouched("LRU-1")
    rig.putback(rig.isolate_some())
    rig.untouched("LRU-1")
    rig.must_move()
    rig.untouched("LRU-1")
    for handle in rig.ledger.handles[::2]:
        rig.drop(handle)
    rig.untouched("LRU-1")
    rig.vm.compact_memory()
    rig.at_rest_beside("LRU-1")
    rig.leave()
    rig.unload()


@check(
    "LRU-FLAGS",
    "the driver's pages carry nothing that belongs to LRU pages",
    clauses=("LRU-2",),
    needs=None,
    requires=(*MOVES, *RETURNS, "PAGES"),
)
def flags(rig: Rig) -> None:
    """At rest, in use, pinned, isolated and moved: no such flag, and they count as file pages."""
    rig.fill()
    _plain(rig, "at rest")
    rig.verify()
    with rig.pinned():
        _plain(rig, "while an object is pinned")
    batch = rig.isolate_some()
    _plain(rig, "while isolated")
    anon = rig.counter("nr_isolated_anon")
    rig.expect(anon == 0, f"{anon} isolated pages of the driver count as anonymous", where="isolate_page")
    rig.putback(batch)
    rig.must_move()
    _plain(rig, "after a move")


def _plain(rig: Rig, when: str) -> None:
    for page in rig.marked():
        wrong = [flag.name for flag in _VMS if flag in page.flags]
        rig.expect(
            not wrong, f"{when} a page carries {', '.join(map(str, wrong))}", clause="LRU-2", pfn=page.pfn
        )


@check(
    "LRU-MIXED",
    "lists with pages of both kinds",
    clauses=("LRU-3",),
    needs=None,
    level="L2",
    requires=("LRU-BESIDE", "FAULT-EAGAIN", "FAULT-TARGET"),
    rig=CompanyRig,
)
def mixed(rig: CompanyRig) -> None:
    """On one list with pinned and free LRU pages the driver's all move; without targets each kind is put back."""
    rig.fill_beside()
    with rig.held(rig.others()[::2]):
        batch, own = _both(rig)
        seen = len(rig.probe.calls)
        rig.migrate(batch)
        moved = sum(call.answer == 0 for call in rig.probe.moves(seen))
        rig.putback(batch)
        rig.expect(
            moved == own,
            f"{own - moved} of {own} idle pages did not move from a list with pages that could not",
            clause="LRU-3",
            where="migratepage",
        )
    rig.at_rest_beside("LRU-3")
    for supply in (0, own, own + 5):
        batch, _ = _both(rig)
        rig.migrate(batch, supply=supply)
        rig.putback(batch)
        rig.at_rest_beside("LRU-3")
    rig.leave()
    rig.unload()


def _both(rig: CompanyRig) -> tuple[Batch, int]:
    """A batch with pages of the process, the file and the driver in turn, and how many are the driver's."""
    rig.vm.lru_add_drain_all()
    own, others = rig.marked(), rig.others()
    turns = [page for pair in zip(others, own, strict=False) for page in pair]
    rest = [page for page in (*own, *others) if page not in turns]
    batch = rig.isolate([*turns, *rest])
    return batch, len(set(batch.taken) & set(own))


@check(
    "LRU-RECLAIM",
    "requests where file caches fill memory",
    clauses=("LRU-4",),
    needs=None,
    level="L2",
    requires=("LRU-BESIDE", "FAULT-ALLOC-STORE"),
    rig=CompanyRig,
)
def reclaim(rig: CompanyRig) -> None:
    """With memory full of clean pages of a file the driver takes more objects, or it is told that it could."""
    rig.fill_beside()
    cache = rig.vm.file("cache", (rig.managed_pages() + 512) * _PAGE_BYTES)
    cache.read(0, (rig.managed_pages() + 512) * _PAGE_BYTES)
    before = len(rig.marked())
    full = _store_until_full(rig, before + 192)
    rig.at_rest_beside("LRU-4")
    cache.close()
    rig.vm.lru_add_drain_all()
    if full and rig.store() is not None:
        rig.note(
            f"after {len(rig.marked()) - before} pages store() took nothing while a file cache filled memory, "
            "and did once that was dropped: allocate with GFP.DIRECT_RECLAIM where the caller may sleep"
        )
    rig.drop_all()
    rig.leave()
    rig.unload()


def _store_until_full(rig: Rig, pages: int) -> bool:
    """Store until so many pages are marked; True if the driver is full before."""
    for _ in range(16 * pages):
        if rig.store() is None:
            return True
        if len(rig.marked()) >= pages:
            return False
    return False
