"""``movable compact``: the same fragmented memory, compacted with unmovable pages and with movable ones."""

import json as json_text
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from attrs import asdict, filters, frozen
from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from movable import PAGE_SIZE, MachineConfig, MovableError, PageMap, Panel, demand_drawable, draw
from movable_zsmalloc.console import (
    MIB_PAGES,
    demand_writable,
    file_pages,
    machine_of,
    mib,
    parse_size,
    progress,
)
from movable_zsmalloc.files import FilePages
from movable_zsmalloc.showcase.measure import ORDERS, Compaction, Memory, compact, take_down
from movable_zsmalloc.showcase.phone import Phone

__all__ = ["compact_app"]

SCHEMA = "movable.compact/1"

_MOST_FILLED = 512 * MIB_PAGES
"""Pages of memory that are filled without being asked to."""

_INDEX_NOTE = (
    "fragmentation index: -1 if such a block is free; if not, near 0 where memory is short and near 1\n"
    "where there is enough of it, but in pieces"
)


@frozen
class _Result:
    """Both runs on the same memory."""

    written: int
    kept: int
    before: Memory
    unmovable: Memory
    unmovable_run: Compaction
    movable: Memory
    movable_run: Compaction
    different_pages: int


def compact_app() -> App:
    """The command, for the command line to take in."""
    app = App(name="compact", help=_compact.__doc__)
    app.default(_compact)
    return app


def _compact(
    *paths: str,
    machine: str = "phone",
    memory: str | None = None,
    size: str | None = None,
    algorithm: str = "lz4",
    discard: Annotated[float, Parameter(name="--discard")] = 60.0,
    seed: int = 1,
    plot: Path | None = None,
    json: Annotated[Path | None, Parameter(name="--json")] = None,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="")] = False,
) -> int:
    """Show what movable pages are for: fill a phone, fragment its memory, compact it.

    A machine is filled with zram pages of real data, a balloon and kernel memory. Part of the data is
    discarded, which leaves holes. Then memory is compacted twice: first with the drivers' pages held in
    place, as before Linux 4.8, then with the same pages movable. Everything is read back at the end.

    Exit status: 0, or 1 if a byte came back different.

    Parameters
    ----------
    paths:
        Files and folders to fill zram from, repeated as often as needed; the Python standard library if none.
    machine:
        A preset (tiny, phone, numa4, server) or a TOML file.
    memory:
        Give the first node this much memory instead, such as 1G; in whole 4 MiB.
    size:
        How much data to write, such as 1G; by default until memory is full, down to its low watermarks;
        must be given on machines of more than 512 MiB, unless --memory is.
    algorithm:
        How zram compresses: lz4, lz4hc, lzo, deflate, zstd.
    discard:
        Percent of the data that is discarded.
    seed:
        Which data is discarded.
    plot:
        Draw both memories before and after to this file (png, svg, pdf); needs the extra ``plot``.
    json:
        Write all figures to this file: schema movable.compact/1.
    quiet:
        Print the table of results and nothing else.
    """
    if not 0 <= discard <= 100:
        raise MovableError(f"--discard: must be 0 to 100 percent, not {discard:g}")
    if plot is not None:
        demand_drawable(plot)
    if json is not None:
        demand_writable(json, "--json")
    config = machine_of(machine, memory)
    most = parse_size(size, "--size") // PAGE_SIZE if size else None
    if most is None and memory is None and config.managed_pages > _MOST_FILLED:
        raise MovableError(
            f"--size: filling {mib(config.managed_pages)} of {machine} takes long: say how much to write, "
            "such as 256M, or give another --memory"
        )
    pages = file_pages(paths)
    disk = most or config.managed_pages * 8
    console = Console(soft_wrap=True)
    phone = Phone(config, algorithm=algorithm, disksize=disk * PAGE_SIZE, seed=seed)
    try:
        result = _run(console, phone, pages, most, discard)
    finally:
        phone.close()
    if not quiet:
        _print_memories(console, result)
    _print_table(console, result, phone)
    if plot is not None:
        _draw(plot, result)
        console.print(Text(f"\ndrawn: {plot}"))
    if json is not None:
        json.write_text(json_text.dumps(_document(result, config, algorithm, seed), indent=2) + "\n")
    return 1 if result.different_pages else 0


def _run(console: Console, phone: Phone, pages: FilePages, most: int | None, discard: float) -> _Result:
    room = phone.room
    with progress(console, "writing to zram" if most else "filling memory", most or room) as moved:
        phone.fill(pages, most, lambda written: moved(written if most else room - phone.room))
    phone.fragment(discard)
    before = take_down(phone.vm)
    with phone.unmovable():
        unmovable_run = compact(phone.vm)
    unmovable = take_down(phone.vm)
    movable_run = compact(phone.vm)
    phone.vm.run_work()
    movable = take_down(phone.vm)
    with progress(console, "reading back", len(phone.sums)) as moved:
        different = phone.different_pages(moved)
    return _Result(
        written=phone.written,
        kept=len(phone.sums),
        before=before,
        unmovable=unmovable,
        unmovable_run=unmovable_run,
        movable=movable,
        movable_run=movable_run,
        different_pages=different,
    )


# -- the report ------------------------------------------------------------------------------------


def _print_memories(console: Console, result: _Result) -> None:
    for title, memory in (
        ("before", result.before),
        ("after compaction, pages unmovable", result.unmovable),
        ("after compaction, pages movable", result.movable),
    ):
        console.print(Text(f"/proc/buddyinfo {title}", "bold"))
        console.print(Text(memory.buddyinfo))


def _print_table(console: Console, result: _Result, phone: Phone) -> None:
    console.print(
        Text(
            f"{mib(result.written)} of real data written to zram ({phone.zram.compressor.name}), "
            f"{mib(result.kept)} kept; {result.before.free_pages // MIB_PAGES} MiB of memory free, in pieces\n"
        )
    )
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("", no_wrap=True)
    for heading, style in (("before", ""), ("unmovable", "bold"), ("movable", "bold green")):
        table.add_column(heading, justify="right", header_style=style)
    for row in _table_rows(result):
        table.add_row(*row)
    console.print(table)
    console.print(Text(_INDEX_NOTE, "dim"))
    style = "bold red" if result.different_pages else "bold green"
    console.print(
        Text.assemble(f"\nread back: {mib(result.kept)}, ", (f"{result.different_pages} pages differ", style))
    )


def _table_rows(result: _Result) -> Iterator[list[str]]:
    memories = (result.before, result.unmovable, result.movable)
    for place, order in enumerate(ORDERS):
        kib = PAGE_SIZE << order >> 10
        size = f"{kib >> 10} MiB" if kib >= 1 << 10 else f"{kib} KiB"
        yield [
            f"free memory in blocks of order {order} ({size})",
            *(f"{100 * each.in_blocks[place]:.1f} %" for each in memories),
        ]
        yield ["  such blocks in buddyinfo", *(f"{each.counted[place]:,}" for each in memories)]
        yield ["  such blocks allocated", *(f"{each.allocated[place]:,}" for each in memories)]
        for zone in result.before.index:
            indices = (each.index[zone][place] / 1000 for each in memories)
            yield [f"  fragmentation index, {zone}", *(f"{index:.3f}" for index in indices)]
        yield []
    runs = (result.unmovable_run, result.movable_run)
    for name, figures in (
        ("pages scanned, to find some to move", [run.migrate_scanned for run in runs]),
        ("pages scanned, to find free ones", [run.free_scanned for run in runs]),
        ("pages moved", [run.migrated for run in runs]),
        ("pages that could not be moved", [run.failed for run in runs]),
    ):
        yield [name, "", *(f"{figure:,}" for figure in figures)]
    yield ["time of compaction", "", *(f"{1000 * run.seconds:,.0f} ms" for run in runs)]


def _document(result: _Result, config: MachineConfig, algorithm: str, seed: int) -> dict[str, Any]:
    figures = asdict(result, filter=filters.exclude(PageMap))
    return {
        "schema": SCHEMA,
        "machine": config.name,
        "memory_pages": config.managed_pages,
        "algorithm": algorithm,
        "seed": seed,
        "orders": list(ORDERS),
        **figures,
    }


def _draw(path: Path, result: _Result) -> None:
    def panel(title: str, memory: Memory) -> Panel:
        share = 100 * memory.in_blocks[0]
        caption = (
            f"{share:.0f} % of free memory is in whole 2 MiB blocks: {memory.allocated[0]} can be allocated"
        )
        return Panel(title, memory.map, caption)

    draw(
        path,
        f"Compaction puts {100 * result.movable.in_blocks[0]:.0f} % of free memory into 2 MiB blocks if pages can "
        f"move, {100 * result.unmovable.in_blocks[0]:.0f} % if they cannot",
        [
            [panel("Unmovable pages, before", result.before), panel("Movable pages, before", result.before)],
            [panel("Unmovable, after", result.unmovable), panel("Movable, after", result.movable)],
        ],
        {"zram0": "zram", "balloon": "balloon"},
    )
