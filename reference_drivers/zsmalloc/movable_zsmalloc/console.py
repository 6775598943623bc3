"""What the commands of this package share: sizes, machines, progress."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import evolve
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from movable import PAGE_SIZE, MachineConfig, MovableError, load, preset
from movable_zsmalloc.files import FilePages
from movable_zsmalloc.zram import memparse

__all__ = ["MIB_PAGES", "demand_writable", "file_pages", "machine_of", "mib", "parse_size", "progress"]

MIB_PAGES = (1 << 20) // PAGE_SIZE
_MEMORY_STEP = 4 * MIB_PAGES
"""Memory comes in the allocator's largest blocks."""


def mib(pages: int) -> str:
    """Pages as MiB, or as KiB if they are few."""
    if pages < 10 * MIB_PAGES:
        return f"{pages * PAGE_SIZE >> 10:,} KiB"
    return f"{pages / MIB_PAGES:,.0f} MiB"


def parse_size(text: str, argument: str) -> int:
    """Bytes of a size such as 256M, at least a page. MovableError names the argument."""
    size = memparse(text)
    if not size or size < PAGE_SIZE:
        raise MovableError(f"{argument}: must be a size such as 256M, not {text!r}")
    return size


def demand_writable(path: Path, argument: str) -> None:
    """Refuse an output file that cannot be written, before minutes are spent. MovableError names the argument."""
    if path.is_dir() or not path.parent.is_dir():
        raise MovableError(f"{argument}: cannot write {path}: give a file in an existing folder")


def machine_of(name: str, memory: str | None = None) -> MachineConfig:
    """A preset or a TOML file, with another amount of memory if one is given, in whole 4 MiB."""
    try:
        config = load(name) if name.endswith(".toml") else preset(name)
    except OSError as error:
        raise MovableError(f"--machine: cannot read {name}: {error.strerror}") from error
    if memory is None:
        return config
    pages = parse_size(memory, "--memory") // PAGE_SIZE // _MEMORY_STEP * _MEMORY_STEP
    first, *others = config.nodes
    *low, zone = first.zones
    if others:
        raise MovableError(f"--memory: goes with machines of one node; {name} has {len(config.nodes)}")
    if not pages:
        raise MovableError(f"--memory: must be 4M or more, not {memory!r}")
    return evolve(config, nodes=(evolve(first, zones=(*low, evolve(zone, pages=pages))),))


def file_pages(paths: Sequence[str]) -> FilePages:
    """The contents of these files and folders. MovableError for a path without a name."""
    if "" in paths:
        raise MovableError("PATH: a path is empty; give a file or folder, '.' for this one")
    return FilePages([Path(path) for path in paths])


@contextmanager
def progress(console: Console, what: str, total: int | None) -> Iterator[Callable[[int], object]]:
    """A bar of pages on a terminal."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("pages"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)
