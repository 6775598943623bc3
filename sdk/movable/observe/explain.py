"""Migration explained: one page of each kind, and the numbered steps that moved it."""

from collections.abc import Callable

from attrs import frozen

from movable.errors import MovableError
from movable.flags import MigrateMode
from movable.machine import PAGE_SIZE
from movable.page import Page
from movable.process import MigrateMethod, Process
from movable.vm import STEPS, VM, MigrationStep

__all__ = ["PAGE_KINDS", "Explanation", "explain_migration"]

_TEXT = b"these bytes move with their page"


def _anonymous(process: Process) -> int:
    address = process.mmap(PAGE_SIZE)
    process.write(address, _TEXT)
    return address


def _inherited(process: Process) -> int:
    address = _anonymous(process)
    process.fork()
    return address


def _locked(process: Process) -> int:
    address = _anonymous(process)
    process.mlock(address, PAGE_SIZE)
    return address


def _swapped(process: Process) -> int:
    process.vm.swapon(8)
    address = _inherited(process)
    while process.memory.anon:
        process.vm.reclaim(1)
    process.read(address, 1)
    return address


def _file(method: MigrateMethod, *, tmpfs: bool = False, dirty: bool = True) -> Callable[[Process], int]:
    def make(process: Process) -> int:
        file = process.vm.file("data", PAGE_SIZE, migratepage=method, tmpfs=tmpfs)
        address = process.mmap(PAGE_SIZE, shared=True, file=file)
        process.write(address, _TEXT)
        if not dirty:
            file.sync()
        return address

    return make


_MAKERS: dict[str, tuple[str, Callable[[Process], int]]] = {
    "anon": ("private anonymous memory of one process", _anonymous),
    "shared": ("private anonymous memory that parent and child share until one writes", _inherited),
    "locked": ("anonymous memory that is locked with mlock", _locked),
    "swap": ("anonymous memory that has a place in the swap cache", _swapped),
    "file": ("a dirty page of a mapped file", _file(MigrateMethod.MIGRATE_PAGE)),
    "buffers": (
        "a page of a mapped file with buffers",
        _file(MigrateMethod.BUFFER_MIGRATE_PAGE, dirty=False),
    ),
    "nomethod": ("a dirty page of a file that has no migratepage", _file(MigrateMethod.NONE)),
    "tmpfs": ("a page of a file in memory", _file(MigrateMethod.MIGRATE_PAGE, tmpfs=True)),
}

PAGE_KINDS: dict[str, str] = {name: what for name, (what, _) in _MAKERS.items()}
"""The kinds of pages that can be explained, and what they are."""


@frozen
class Explanation:
    """A migration that was done, step by step.

    ``result`` is what migrate_pages() returned; ``absent`` are steps of the document that this page did not need.
    """

    kind: str
    mode: MigrateMode
    result: int
    steps: tuple[MigrationStep, ...]

    @property
    def absent(self) -> tuple[str, ...]:
        """The names of the steps that did not happen."""
        done = {step.name for step in self.steps}
        return tuple(name for name in STEPS if name not in done)


def explain_migration(kind: str = "anon", mode: MigrateMode = MigrateMode.SYNC) -> Explanation:
    """Move a real page of a kind between two nodes, and tell what was done to it. spec/migration.md 8.

    MovableError for a kind that is not in PAGE_KINDS, or if the contents did not survive.
    """
    if kind not in _MAKERS:
        raise MovableError(f"kind: must be one of {', '.join(_MAKERS)}, not {kind!r}")
    with VM("numa4", debug=2) as vm:
        process = vm.process()
        address = _MAKERS[kind][1](process)
        vm.lru_add_drain_all()
        pages = vm.page_list("to move")
        with vm.steps() as log:
            process.isolate(pages)
            result = vm.migrate_pages(pages, vm.target_node(1), mode=mode)
            steps = tuple(log)
        vm.putback_movable_pages(pages)
        if process.read(address, len(_TEXT)) != _TEXT:
            raise MovableError(f"the contents of page {_where(process.page(address))} were lost")
        return Explanation(kind, mode, result.ret, steps)


def _where(page: Page | None) -> str:
    return "?" if page is None else f"{page.pfn:#x}"
