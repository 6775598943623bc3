"""What it costs to migrate a process's pages: compaction beside plain copies of the same page pairs."""

import random
from collections.abc import Iterator
from statistics import median
from time import perf_counter

from attrs import frozen

from movable._core import lib
from movable.benchmark.report import BenchRow
from movable.benchmark.terrain import bench_config, copy_seconds
from movable.machine import PAGE_SIZE
from movable.process import Process
from movable.vm import VM

__all__ = ["process_rows"]

ROWS = {1: "migrate.anon", 2: "migrate.anon.mapped2", 4: "migrate.anon.mapped4"}
"""The rows by how often each page is mapped."""

_CONTENTS = bytes(range(1, 129)) * 32


@frozen
class _Sample:
    """Pages per second of a migration, and of plain copies of the same page pairs."""

    migrate: float
    plain: float


def _half_filled(vm: VM, pages: int, seed: int) -> Process:
    """A process that has a random half of all pages, none of them zeros; the others are free, page by page."""
    generator, kept, gone = random.Random(seed), vm.process(), vm.process()
    places = {process: process.mmap(pages * PAGE_SIZE) for process in (kept, gone)}
    for _ in range(pages - pages // 64):
        process = generator.choice((kept, gone))
        process.write(places[process], _CONTENTS)
        places[process] += PAGE_SIZE
    gone.exit()
    vm.lru_add_drain_all()
    return kept


def _places(process: Process) -> dict[int, int]:
    return {entry.address: entry.pfn for entry in process.entries()}


def measure(mib: int, mappings: int, seed: int) -> _Sample:
    """Compact a machine of which one process has a random half, every page mapped so many times."""
    pages = mib * 256
    with VM(bench_config(pages)) as vm:
        lib.mv_bench_prefault(vm.machine.c)
        process = _half_filled(vm, pages, seed)
        for _ in range(mappings - 1):
            process.fork()
        before = _places(process)
        start = perf_counter()
        (run,) = vm.compact_node(0)
        seconds = perf_counter() - start
        after = _places(process)
        pairs = [(pfn, after[address]) for address, pfn in before.items() if after[address] != pfn]
        plain = copy_seconds(vm, pairs, seed)
        return _Sample(run.migrated / seconds, len(pairs) / plain)


def _further(samples: dict[int, list[_Sample]], mappings: int) -> float:
    """Plain copies of a page that one more mapping costs: the median over the rounds."""
    return median(
        (more.plain / more.migrate - single.plain / single.migrate) / (mappings - 1)
        for more, single in zip(samples[mappings], samples[1], strict=True)
    )


def process_rows(mib: int, rounds: int) -> Iterator[BenchRow]:
    """A row for each number of mappings; what one more mapping costs is in the note."""
    samples: dict[int, list[_Sample]] = {mappings: [] for mappings in ROWS}
    for seed in range(1, rounds + 1):
        for mappings in ROWS:
            samples[mappings].append(measure(mib, mappings, seed))
    for mappings, taken in samples.items():
        note = "anonymous pages of a process, scan included"
        if mappings > 1:
            further = _further(samples, mappings)
            note = f"mapped by {mappings} processes: {further:.2f} of a plain copy for each further mapping"
        yield BenchRow(
            ROWS[mappings],
            median(sample.migrate for sample in taken),
            "pages/s",
            ratio=median(sample.migrate / sample.plain for sample in taken),
            of="copy.plain",
            note=note,
        )
