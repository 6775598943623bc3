"""What the NUMA calls cost: asking where pages are, moving some, moving a whole process between nodes."""

import os
import random
from array import array
from collections.abc import Iterator
from statistics import median
from time import perf_counter

from attrs import frozen

from movable._core import lib
from movable.benchmark.report import BenchRow
from movable.benchmark.terrain import copy_seconds
from movable.config import MachineConfig, NodeConfig, Watermarks, ZoneConfig
from movable.errors import ConfigError, MovableError
from movable.machine import PAGE_SIZE
from movable.process import Process
from movable.vm import VM

__all__ = ["numa_rows", "process_rows"]

_MIB_PAGES = 256
_GIB_PAGES = 1024 * _MIB_PAGES
_PIECE = bytes(range(1, 256)) * 4112 + bytes(16)
_COMPARED = 256 * _MIB_PAGES
_LARGEST_GIB = 30


@frozen
class _Sample:
    """Pages per second of a call, and of plain copies of the same page pairs."""

    call: float
    plain: float


def _two_nodes(mib: int) -> MachineConfig:
    """Two nodes of one zone each, nothing checked, nothing poisoned."""
    pages = mib * _MIB_PAGES
    zones = (
        ZoneConfig("Normal", start, pages, watermarks=Watermarks(0, 0, 0)) for start in (pages, 2 * pages)
    )
    nodes = tuple(NodeConfig((zone,), (nid,)) for nid, zone in enumerate(zones))
    return MachineConfig("bench-numa", nodes, cpus=2, poison=False, debug=0)


def _write(process: Process, address: int, pages: int) -> None:
    """Contents in every page: frames of zeros are moved without being copied."""
    for start in range(0, pages * PAGE_SIZE, len(_PIECE)):
        process.write(address + start, _PIECE[: min(len(_PIECE), pages * PAGE_SIZE - start)])


def _addresses(address: int, pages: int) -> "array[int]":
    return array("Q", range(address, address + pages * PAGE_SIZE, PAGE_SIZE))


def _frames(process: Process, address: int, pages: int) -> list[int]:
    return [entry.pfn for entry in process.entries(address, pages * PAGE_SIZE)]


def measure(call: str, mib: int, seed: int) -> _Sample:
    """Move three quarters of a node to the other one by move_pages or migrate_pages."""
    pages = mib * _MIB_PAGES * 3 // 4
    with VM(_two_nodes(mib)) as vm:
        lib.mv_bench_prefault(vm.machine.c)
        process = vm.process()
        address = process.mmap(pages * PAGE_SIZE)
        _write(process, address, pages)
        vm.lru_add_drain_all()
        before = _frames(process, address, pages)
        nodes, status = array("i", [1]) * pages, array("i", [-1]) * pages
        places = _addresses(address, pages)
        start = perf_counter()
        if call == "move_pages":
            process.move_pages(0, places, nodes, status=status)
        else:
            process.migrate_pages(0, {0}, {1})
        seconds = perf_counter() - start
        pairs = list(zip(before, _frames(process, address, pages), strict=True))
        if any(old == new for old, new in pairs):
            raise MovableError(f"{call} left pages behind")
        plain = copy_seconds(vm, pairs, seed)
        return _Sample(pages / seconds, pages / plain)


def _query_rows(mib: int, rounds: int) -> Iterator[BenchRow]:
    """A page of a call with 64-bit addresses and 32-bit statuses in buffers, beside reading its struct page."""
    pages = mib * _MIB_PAGES * 3 // 4
    with VM(_two_nodes(mib)) as vm:
        process = vm.process()
        address = process.mmap(pages * PAGE_SIZE)
        process.touch(address, pages * PAGE_SIZE)
        ordered, status = _addresses(address, pages), array("i", [-1]) * pages
        shuffled = array("Q", random.Random(1).sample(ordered, pages))
        first = vm.zones[0].start_pfn
        touched = []
        for _ in range(rounds):
            start = perf_counter()
            lib.mv_bench_touch(vm.machine.c, first, first + pages)
            touched.append((perf_counter() - start) / pages)
        names = {"numa.query": ordered, "numa.query.random": shuffled}
        seconds = {
            name: [_query(process, places, status) for _ in range(rounds)] for name, places in names.items()
        }
    yield BenchRow(
        "numa.touch", median(touched) * 1e9, "ns", note="one word read of the struct page of the same pages"
    )
    for name, taken in seconds.items():
        yield BenchRow(
            name,
            median(taken) * 1e9,
            "ns",
            ratio=median(touch / query for touch, query in zip(touched, taken, strict=True)),
            of="numa.touch",
            note=f"a page of move_pages without nodes, {pages} pages in one call"
            + (", in random order" if name.endswith("random") else ""),
        )


def _query(process: Process, places: "array[int]", status: "array[int]") -> float:
    start = perf_counter()
    process.move_pages(0, places, status=status)
    return (perf_counter() - start) / len(places)


def numa_rows(mib: int, rounds: int) -> Iterator[BenchRow]:
    """Queries, and moves of pages beside plain copies of the same pairs."""
    yield from _query_rows(mib, rounds)
    for name, call in (("numa.move", "move_pages"), ("numa.migrate", "migrate_pages")):
        samples = [measure(call, mib, seed) for seed in range(1, rounds + 1)]
        yield BenchRow(
            name,
            median(sample.call for sample in samples),
            "pages/s",
            ratio=median(sample.call / sample.plain for sample in samples),
            of="copy.plain",
            note=f"{call} of anonymous pages from one node to another, scan or look-up included",
        )


def _room_gib() -> int:
    """How large a process with contents the host has memory for: its pages lie in old and in new frames."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(free / 2.2 / 2**30)


def process_rows(gib: int, zeros_gib: int, *, shrink: bool) -> Iterator[BenchRow]:
    """A process moved between the nodes of the machine `server`: with contents, and one of frames never written.

    One with contents takes twice its size of the host's memory; with ``shrink`` it is made as small as that has room
    for, else ConfigError says what would fit.
    """
    room = _room_gib()
    size = max(1, min(gib, room)) if shrink else gib
    if not 1 <= gib <= _LARGEST_GIB or (gib > room and not shrink):
        fits = min(room, _LARGEST_GIB)
        raise ConfigError(f"process_gib: must be 1 to {fits}, for which there is memory now, not {gib}")
    full, plain, seconds = _move_process(size, contents=True)
    yield BenchRow(
        "numa.process",
        full,
        "pages/s",
        ratio=full / plain,
        of="copy.plain",
        note=f"migrate_pages of a process of {size} GiB on the machine server, {seconds:.1f} s",
    )
    zeros, _, seconds = _move_process(zeros_gib, contents=False)
    yield BenchRow(
        "numa.process.zeros",
        zeros,
        "pages/s",
        ratio=zeros / full,
        of="numa.process",
        note=f"the same of {zeros_gib} GiB of zeros, {seconds:.1f} s: compared, not copied, without memory of the host",
    )


def _migrate(process: Process, old: int, new: int) -> float:
    start = perf_counter()
    left = process.migrate_pages(0, {old}, {new})
    seconds = perf_counter() - start
    if left:
        raise MovableError(f"{left} pages stayed behind")
    return seconds


def _move_process(gib: int, *, contents: bool) -> tuple[float, float, float]:
    """Pages per second of the call and of plain copies of some of its pairs, and seconds of the call."""
    pages = gib * _GIB_PAGES
    with VM("server", debug=0, poison=False) as vm:
        process = vm.process()
        address = process.mmap(pages * PAGE_SIZE)
        if contents:
            _write(process, address, pages)
        else:
            process.touch(address, pages * PAGE_SIZE)
        vm.lru_add_drain_all()
        # There first: the frames of both nodes have been touched then, as everywhere in this benchmark.
        _migrate(process, 0, 1)
        before = _frames(process, address, _COMPARED)
        seconds = _migrate(process, 1, 0)
        pairs = list(zip(before, _frames(process, address, _COMPARED), strict=True))
        return pages / seconds, _COMPARED / copy_seconds(vm, pairs, 1), seconds
