"""Benchmarks of the pool and of zram, each beside what it is compared with."""

import gc
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from random import Random
from statistics import median
from time import perf_counter

from movable import PAGE_SIZE, VM, BenchRow, check, copy_seconds
from movable_zsmalloc.files import FilePages
from movable_zsmalloc.pool import ZsPool
from movable_zsmalloc.zram import ZramDevice, available

__all__ = ["zsmalloc"]

_MB = 1e6
_MICROSECONDS = 1e6


_ROWS = (
    ("zs.malloc", "objects/s", "", "zs_malloc of compressed pages of real files"),
    ("zs.free", "objects/s", "", "zs_free of the same objects in random order"),
    ("zram.compress", "MB/s", "", "the bare compressor"),
    ("zram.write", "MB/s", "zram.compress", "the same pages written to a device"),
    ("zram.decompress", "MB/s", "", "the bare decompressor"),
    ("zram.read", "MB/s", "zram.decompress", "the same pages read from the device"),
    ("zs.copy", "pages/s", "", "memcpy of the pages that the next row moved"),
    ("zs.migrate", "pages/s", "zs.copy", "compaction with half of zram's data discarded"),
    ("zs.migrate.overhead", "us", "", "scanning and callbacks of a page, beside its copy"),
)
"""Name, unit, the row it is compared with, and what it is."""


def zsmalloc(quick: bool) -> Iterator[BenchRow]:
    """zs_malloc and zs_free, zram beside the bare compressor, migration beside a plain copy."""
    algorithm = "lz4" if available("lz4") else "deflate"
    pages = list(islice(FilePages().repeated(), 8_000 if quick else 40_000))
    samples = [_round(pages, algorithm, seed) for seed in range(3 if quick else 5)]
    for name, unit, of, note in _ROWS:
        # What another process takes from a round is added to a difference whole: the best round has least of it.
        value = (min if unit == "us" else median)(sample[name] for sample in samples)
        ratio = median(sample[name] / sample[of] for sample in samples) if of else None
        yield BenchRow(
            name, value, unit, ratio, of or None, f"{note}, {algorithm}" if "compr" in name else note
        )
    yield _races()


def _races() -> BenchRow:
    """How fast the suite tries schedules on this driver: each on a fresh machine, judged to the last byte."""
    result = check("zsmalloc", select="RACE-DROP").check("RACE-DROP")
    rate = result.figures["schedules"] / result.seconds
    return BenchRow(
        "zs.race", rate, "schedules/s", note="race schedules of RACE-DROP, machine and judgement included"
    )


def _round(pages: Sequence[bytes], algorithm: str, seed: int) -> dict[str, float]:
    """One value for each row."""
    with _machine() as vm:
        device = ZramDevice(vm, algorithm=algorithm)
        device.init(len(pages) * PAGE_SIZE)
        codec = device.compressor
        data = len(pages) * PAGE_SIZE / _MB
        packed: list[bytes] = []
        compress = _seconds(lambda: packed.extend(map(codec.compress, pages)))
        malloc, free = _allocation(vm, [min(len(each), PAGE_SIZE) for each in packed], seed)
        write = _seconds(lambda: _exhaust(map(device.write_page, range(len(pages)), pages)))
        sample = {
            "zs.malloc": malloc,
            "zs.free": free,
            "zram.compress": data / compress,
            "zram.write": data / write,
            "zram.decompress": data / _seconds(lambda: _exhaust(map(codec.decompress, packed))),
            "zram.read": data / _seconds(lambda: _exhaust(map(device.read_page, range(len(pages))))),
        }
        migrate, copy = _migration(vm, device, seed)
        overhead = _MICROSECONDS * (1 / migrate - 1 / copy)
        return sample | {"zs.migrate": migrate, "zs.copy": copy, "zs.migrate.overhead": overhead}


@contextmanager
def _machine() -> Iterator[VM]:
    """A machine whose frames have all been touched, and which checks nothing."""
    with VM("phone", debug=0, poison=False) as vm:
        for zone in vm.zones:
            frames = vm.memory[zone.start_pfn * PAGE_SIZE : zone.end_pfn * PAGE_SIZE : PAGE_SIZE]
            frames[:] = bytes(len(frames))
        gc.collect()
        gc.freeze()
        try:
            yield vm
        finally:
            gc.unfreeze()


def _seconds(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def _exhaust(calls: Iterable[object]) -> None:
    deque(calls, maxlen=0)


def _allocation(vm: VM, sizes: Sequence[int], seed: int) -> tuple[float, float]:
    pool = ZsPool(vm, "bench")
    handles: list[int] = []
    malloc = _seconds(lambda: handles.extend(pool.zs_malloc(size) for size in sizes))
    Random(seed).shuffle(handles)
    free = _seconds(lambda: _exhaust(map(pool.zs_free, handles)))
    pool.close()
    return len(sizes) / malloc, len(sizes) / free


def _migration(vm: VM, device: ZramDevice, seed: int) -> tuple[float, float]:
    """Pages a second of a compaction, and of a plain copy from and to the same frames."""
    assert device.pool is not None
    for index in Random(seed).sample(range(device.pages), device.pages // 2):
        device.discard(index, 1)
    device.compact()
    mapping = device.pool.mapping
    before = {page.pfn for page in mapping.pages()}
    for pfn in range(vm.zones[0].start_pfn, vm.zones[0].end_pfn):
        vm.page(pfn)
    runs: list[int] = []
    seconds = _seconds(lambda: runs.extend(run.migrated for run in vm.compact_node(0)))
    after = {page.pfn for page in mapping.pages()}
    pairs = list(zip(sorted(before - after), sorted(after - before, reverse=True), strict=True))
    return sum(runs) / seconds, len(pairs) / copy_seconds(vm, pairs, seed)
