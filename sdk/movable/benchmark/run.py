"""The benchmarks: each measures itself and what it is compared with in the same run."""

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import partial
from statistics import median
from time import perf_counter

from attrs import evolve, frozen

from movable.benchmark.numa import numa_rows
from movable.benchmark.numa import process_rows as numa_process_rows
from movable.benchmark.processes import process_rows
from movable.benchmark.report import BenchReport, BenchRow
from movable.benchmark.schedules import schedule_rows
from movable.benchmark.terrain import Observer, PythonDriver, RefusingDriver, Terrain
from movable.drivers import installed_offers
from movable.errors import ConfigError
from movable.vm import VM

KEEP_PERCENT = 50
MIB_PAGES = 256

OnRow = Callable[[BenchRow], None]


@frozen
class _Size:
    """How much is measured: MiB of the copying machines, MiB of the scanned one, rounds, GiB of processes.

    ``given``: the size of the process with contents is the user's, and not made to fit.
    """

    copy_mib: int
    scan_mib: int
    rounds: int
    zeros_gib: int
    process_gib: int = 1
    given: bool = False


FULL = _Size(copy_mib=1024, scan_mib=4096, rounds=5, zeros_gib=16, process_gib=2)
QUICK = _Size(copy_mib=128, scan_mib=512, rounds=3, zeros_gib=1)


@contextmanager
def _terrain(mib: int, *, debug: int = 0) -> Iterator[Terrain]:
    terrain = Terrain(mib * MIB_PAGES, debug=debug)
    gc.collect()
    gc.freeze()
    try:
        yield terrain
    finally:
        terrain.close()
        gc.unfreeze()


@frozen
class _Sample:
    """Pages per second of a migration, and of plain copies of the same page pairs."""

    migrate: float
    plain: float
    ordered: float


def _sample(terrain: Terrain, seed: int) -> _Sample:
    run, seconds = terrain.compact()
    pairs = terrain.moved_pairs()
    ordered, plain = terrain.copy(pairs), terrain.copy(pairs, seed)
    return _Sample(run.migrated / seconds, len(pairs) / plain, len(pairs) / ordered)


def _native(mib: int, seed: int, debug: int) -> _Sample:
    with _terrain(mib, debug=debug) as terrain:
        terrain.prefault()
        terrain.populate(KEEP_PERCENT, seed, terrain.native_mapping())
        return _sample(terrain, seed)


def _python(mib: int, seed: int, *, observed: bool) -> _Sample:
    with _terrain(mib) as terrain:
        terrain.prefault()
        driver = PythonDriver(terrain.vm)
        terrain.populate_for(driver, KEEP_PERCENT, seed)
        if observed:
            driver.mapping.add_observer(Observer())
        return _sample(terrain, seed)


def _migration_rows(size: _Size) -> Iterator[BenchRow]:
    seeds = range(1, size.rounds + 1)
    native = [_native(size.copy_mib, seed, 0) for seed in seeds]
    yield BenchRow(
        "copy.plain",
        median(sample.plain for sample in native),
        "pages/s",
        note=f"memcpy of random 4 KiB page pairs, {size.copy_mib} MiB arena, prefaulted",
    )
    yield BenchRow(
        "copy.ordered",
        median(sample.ordered for sample in native),
        "pages/s",
        ratio=median(sample.ordered / sample.plain for sample in native),
        of="copy.plain",
        note="the same pairs in the order compaction took them",
    )
    yield _migration_row("migrate.native", native, "driver in C")
    checked = [_native(size.copy_mib, seed, 1) for seed in seeds]
    yield _migration_row("migrate.native.checked", checked, "the same with contract checks, debug 1")
    python = [_python(size.copy_mib, seed, observed=False) for seed in seeds]
    yield _migration_row("migrate.python", python, "driver in Python with Page objects")
    observed = [_python(size.copy_mib, seed, observed=True) for seed in seeds]
    yield _migration_row("migrate.python.observed", observed, "the same with one observer registered")


def _migration_row(name: str, samples: list[_Sample], note: str) -> BenchRow:
    return BenchRow(
        name,
        median(sample.migrate for sample in samples),
        "pages/s",
        ratio=median(sample.migrate / sample.plain for sample in samples),
        of="copy.plain",
        note=note,
    )


def _callback_rows(size: _Size) -> Iterator[BenchRow]:
    """One page, one refusal: what a callback costs by itself."""
    seconds = []
    for observed in (False, True):
        with _terrain(size.copy_mib) as terrain:
            driver = RefusingDriver(terrain.vm)
            terrain.populate_for(driver, 100, 1)
            if observed:
                driver.mapping.add_observer(Observer())
            seconds.append(median(_per_page(terrain) for _ in range(size.rounds)))
    direct, through_pluggy = seconds
    yield BenchRow("callback.python", direct * 1e9, "ns", note="one isolate_page that refuses, scan included")
    yield BenchRow(
        "callback.python.observed",
        through_pluggy * 1e9,
        "ns",
        ratio=direct / through_pluggy,
        of="callback.python",
        note="the same through pluggy",
    )


def _per_page(terrain: Terrain) -> float:
    run, seconds = terrain.compact()
    return seconds / run.migrate_scanned


def _scan_rows(size: _Size) -> Iterator[BenchRow]:
    with _terrain(size.scan_mib) as terrain:
        terrain.populate(100, 1)
        scanned = _touch_and_scan(terrain, size.rounds, lambda: 1 / _per_page(terrain))
    with _terrain(size.scan_mib) as terrain:
        terrain.populate(KEEP_PERCENT, 1)
        terrain.compact()
        fragmented = _touch_and_scan(terrain, size.rounds, lambda: terrain.pages / terrain.compact()[1])
    touched = [touch for touch, _ in scanned]
    yield BenchRow("scan.touch", median(touched), "pages/s", note="one word read of each struct page")
    for name, pairs, note in (
        ("scan.migrate", scanned, "migrate scanner over memory in use, nothing to move"),
        ("scan.migrate.fragmented", fragmented, "the same with a random half of the pages free"),
    ):
        ratio = median(rate / touch for touch, rate in pairs)
        yield BenchRow(
            name, median(rate for _, rate in pairs), "pages/s", ratio=ratio, of="scan.touch", note=note
        )


def _touch_and_scan(terrain: Terrain, rounds: int, scan: Callable[[], float]) -> list[tuple[float, float]]:
    """Pages per second touched and scanned, one right after the other: a busy moment slows both."""
    terrain.touch()
    return [(terrain.pages / terrain.touch(), scan()) for _ in range(rounds)]


def _boot_rows(size: _Size) -> Iterator[BenchRow]:
    seconds = []
    for _ in range(size.rounds):
        start = perf_counter()
        with VM("server"):
            seconds.append(perf_counter() - start)
    yield BenchRow("boot.server", median(seconds), "s", note="64 GiB over 2 nodes")


def _schedule_rows(size: _Size) -> Iterator[BenchRow]:
    yield from schedule_rows(size.copy_mib * 16, size.rounds)


def _process_rows(size: _Size) -> Iterator[BenchRow]:
    yield from process_rows(size.copy_mib, size.rounds)


def _numa_rows(size: _Size) -> Iterator[BenchRow]:
    yield from numa_rows(size.copy_mib, size.rounds)
    yield from numa_process_rows(size.process_gib, size.zeros_gib, shrink=not size.given)


def bench(
    *,
    quick: bool = False,
    only: str | None = None,
    process_gib: int | None = None,
    on_row: OnRow | None = None,
) -> BenchReport:
    """Run every benchmark; a row is handed to ``on_row`` as soon as it is measured.

    ``quick`` measures less memory and fewer rounds. Ratios compare figures of one run; each is the median
    of its rounds, so that a busy machine disturbs them little. ``only`` picks groups of rows by a glob over
    their names: migrate, process, numa, callback, scan, boot, sched, and what plugins offer by the names of their
    functions. ConfigError if there is none. ``process_gib`` is the size of the process that is moved between two
    nodes; the host needs twice the memory, and ConfigError says if it has not got it.
    """
    size = QUICK if quick else FULL
    if process_gib is not None:
        size = evolve(size, process_gib=process_gib, given=True)
    own = (_migration_rows, _process_rows, _numa_rows, _callback_rows, _scan_rows, _boot_rows, _schedule_rows)
    parts: dict[str, Callable[[], Iterable[BenchRow]]] = {
        name: partial(rows_of, size)
        for name, rows_of in zip(
            ("migrate", "process", "numa", "callback", "scan", "boot", "sched"), own, strict=True
        )
    }
    for offered in installed_offers("movable_benchmarks"):
        parts[offered.__name__] = partial(offered, quick)
    chosen = [name for name in parts if only is None or fnmatchcase(name, only)]
    if not chosen:
        raise ConfigError(f"only: nothing is called {only!r}; there are {', '.join(parts)}")
    rows = []
    for name in chosen:
        for row in parts[name]():
            rows.append(row)
            if on_row is not None:
                on_row(row)
    return BenchReport(tuple(rows))
