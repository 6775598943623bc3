"""``movable zram``: a device filled from real files, its statistics, and every byte read back."""

import json as json_text
import zlib
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

from attrs import asdict, define
from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from movable import PAGE_SIZE, VM
from movable_zsmalloc.console import demand_writable, file_pages, machine_of, mib, parse_size, progress
from movable_zsmalloc.files import FilePages
from movable_zsmalloc.zram import ZramDevice, ZramError, ZramSysfs

__all__ = ["zram_app"]

SCHEMA = "movable.zram/1"

_MM_STAT = (
    ("orig_data_size", "bytes stored, before compression"),
    ("compr_data_size", "bytes they take, compressed"),
    ("mem_used_total", "bytes of the pool's pages"),
    ("mem_limit", "bytes the pool may take; 0: no limit"),
    ("mem_used_max", "bytes of the pool at its largest"),
    ("zero_pages", "pages of nothing but zeros, kept without memory"),
    ("pages_compacted", "pages that zs_compact freed"),
)
_CLASSES_SHOWN = 5
_STEP = 256


@define
class _Fill:
    """What a run did."""

    pages: int = 0
    files: int = 0
    write_seconds: float = 0.0
    read_seconds: float = 0.0
    migrated: int = 0
    different_pages: int = 0
    stopped: str = ""


def zram_app() -> App:
    """The command, for the command line to take in."""
    app = App(name="zram", help="A compressed RAM disk on emulated memory.")
    app.command(_fill, name="fill")
    return app


def _fill(
    *paths: str,
    machine: str = "phone",
    memory: str | None = None,
    disksize: str | None = None,
    limit: str | None = None,
    algorithm: str = "lz4",
    compact: Annotated[bool, Parameter(name="--compact", negative="")] = False,
    classes: Annotated[bool, Parameter(name="--classes", negative="")] = False,
    json: Annotated[Path | None, Parameter(name="--json")] = None,
) -> int:
    """Fill a device from real files, print its statistics, and read every byte back.

    Exit status: 0, or 1 if a byte came back different or not all files fitted.

    Parameters
    ----------
    paths:
        Files and folders, read once; the Python standard library if none.
    machine:
        A preset (tiny, phone, numa4, server) or a TOML file.
    memory:
        Give the first node this much memory instead, such as 1G.
    disksize:
        Size of the device, such as 256M; by default what the files need.
    limit:
        Most memory that the pool may take (mem_limit).
    algorithm:
        lz4, lz4hc, lzo, deflate or zstd.
    compact:
        Compact memory before reading back, with the device's pages moving underneath.
    classes:
        Print the whole classes file of the pool, not the largest classes only.
    json:
        Write the figures to this file: schema movable.zram/1.
    """
    if json is not None:
        demand_writable(json, "--json")
    pages = file_pages(paths)
    console = Console(soft_wrap=True)
    with VM(machine_of(machine, memory), debug=0, poison=False) as vm:
        device = ZramDevice(vm, algorithm=algorithm)
        device.init(parse_size(disksize, "--disksize") if disksize else pages.total * PAGE_SIZE)
        if limit is not None:
            ZramSysfs(device).write("mem_limit", limit)
        run, sums = _write(console, device, pages)
        if compact:
            device.compact()
            run.migrated = sum(each.migrated for each in vm.compact_memory())
            vm.run_work()
        _read(console, device, run, sums)
        _print(console, device, run, whole=classes)
        if json is not None:
            json.write_text(json_text.dumps(_document(device, run), indent=2) + "\n")
    return 1 if run.different_pages or run.stopped else 0


def _write(console: Console, device: ZramDevice, pages: FilePages) -> tuple[_Fill, list[int]]:
    run, sums = _Fill(files=len(pages.files)), []
    start = perf_counter()
    with progress(console, "writing", min(pages.total, device.pages)) as moved:
        for index, page in enumerate(pages):
            if index == device.pages:
                run.stopped = "the device is full: give it a larger --disksize"
                break
            try:
                device.write_page(index, page)
            except ZramError as error:
                run.stopped = f"{error}: {error.__cause__}"
                break
            sums.append(zlib.crc32(page))
            if index % _STEP == 0:
                moved(index)
    run.write_seconds = perf_counter() - start
    run.pages = len(sums)
    return run, sums


def _read(console: Console, device: ZramDevice, run: _Fill, sums: list[int]) -> None:
    start = perf_counter()
    with progress(console, "reading back", len(sums)) as moved:
        for index, checksum in enumerate(sums):
            run.different_pages += zlib.crc32(device.read_page(index)) != checksum
            if index % _STEP == 0:
                moved(index)
    run.read_seconds = perf_counter() - start


def _print(console: Console, device: ZramDevice, run: _Fill, *, whole: bool) -> None:
    files = ZramSysfs(device)
    console.print(
        Text(
            f"{device.name}: {files.read('comp_algorithm').strip()}, {mib(run.pages)} from {run.files:,} files\n"
        )
    )
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right")
    table.add_column(style="dim")
    for (name, meaning), number in zip(_MM_STAT, files.read("mm_stat").split(), strict=True):
        table.add_row(name, f"{int(number):,}", meaning)
    for name, number in zip(
        ("failed_reads", "failed_writes", "invalid_io", "notify_free"),
        files.read("io_stat").split(),
        strict=True,
    ):
        table.add_row(name, number, "")
    used = max(device.mem_used_total, 1)
    table.add_row(
        "ratio", f"{device.stats.orig_data_size / used:.2f}", "bytes stored for each byte of memory"
    )
    table.add_row("write", f"{_rate(run.pages, run.write_seconds)}", "")
    table.add_row("read", f"{_rate(run.pages, run.read_seconds)}", "")
    console.print(table)
    _print_classes(console, device, whole=whole)
    if run.migrated:
        console.print(Text(f"\ncompaction moved {run.migrated:,} pages before the data was read back"))
    if run.stopped:
        console.print(Text(f"\nnot everything is stored: {run.stopped}", "bold red"))
    different = run.different_pages
    style = "bold red" if different else "bold green"
    console.print(Text.assemble(f"\nread back: {mib(run.pages)}, ", (f"{different} pages differ", style)))


def _print_classes(console: Console, device: ZramDevice, *, whole: bool) -> None:
    assert device.pool is not None
    head, *rows = device.pool.classes_text().splitlines()
    total = rows.pop()
    rows.pop()
    if not whole:
        rows = sorted(rows, key=lambda row: -int(row.split()[6]))[:_CLASSES_SHOWN]
        console.print(Text(f"\nthe {len(rows)} classes with most pages (--classes shows all)", "bold"))
    for row in (head, *rows, total):
        console.print(Text(row))


def _rate(pages: int, seconds: float) -> str:
    return f"{pages * PAGE_SIZE / 1e6 / seconds:,.0f} MB/s" if seconds else "-"


def _document(device: ZramDevice, run: _Fill) -> dict[str, Any]:
    files = ZramSysfs(device)
    numbers = [int(number) for number in files.read("mm_stat").split()]
    return {
        "schema": SCHEMA,
        "algorithm": device.compressor.name,
        "mm_stat": dict(zip((name for name, _ in _MM_STAT), numbers, strict=True)),
        **asdict(run),
    }
