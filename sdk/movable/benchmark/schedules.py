"""What scheduling points cost: steps of several CPUs that work on pages and a lock, beside bare switches."""

from collections.abc import Iterator
from statistics import median
from time import perf_counter

from greenlet import getcurrent, greenlet

from movable.benchmark.report import BenchRow
from movable.config import MachineConfig, NodeConfig, ZoneConfig
from movable.flags import GFP
from movable.sched import Op, Random, Scenario, run
from movable.sync import SpinLock
from movable.vm import VM

__all__ = ["schedule_rows"]

_CPUS = 4
_LIMIT = 10_000_000
_MACHINE = MachineConfig(
    "bench", (NodeConfig((ZoneConfig("Normal", 0x1000, 2048),), tuple(range(_CPUS))),), cpus=_CPUS
)


def _scenario(turns: int) -> Scenario:
    vm = VM(_MACHINE)
    lock = SpinLock(vm, "bench")

    def body() -> None:
        for _ in range(turns):
            with lock:
                pass
            page = vm.alloc_page(GFP.KERNEL)
            assert page is not None
            page.lock()
            page.unlock()
            page.put()

    return Scenario(vm, [[Op("work", body)] for _ in range(_CPUS)], limit=_LIMIT)


def _steps_per_second(turns: int, sharpness: int) -> float:
    scenario = _scenario(turns)
    start = perf_counter()
    outcome = run(scenario, Random(1, sharpness))
    seconds = perf_counter() - start
    assert outcome.error is None, outcome.error
    scenario.vm.close()
    return outcome.trace.nr_steps / seconds


def _switches_per_second(count: int) -> float:
    parent = getcurrent()

    def body() -> None:
        while True:
            parent.switch()

    other = greenlet(body)
    switch = other.switch
    start = perf_counter()
    for _ in range(count):
        switch()
    seconds = perf_counter() - start
    other.throw()
    return 2 * count / seconds


def schedule_rows(turns: int, rounds: int) -> Iterator[BenchRow]:
    """Bare greenlet switches, and steps of a run in which every second step may switch, and every tenth."""
    bare = [_switches_per_second(50 * turns) for _ in range(rounds)]
    yield BenchRow(
        "sched.switch", median(bare), "switches/s", note="greenlets alone, nothing between switches"
    )
    for name, sharpness, note in (
        ("sched.steps", 2, "points of four CPUs with a Python driver's calls; every second one may switch"),
        ("sched.steps.rare", 10, "the same; every tenth one may switch"),
    ):
        steps = [_steps_per_second(turns, sharpness) for _ in range(rounds)]
        ratio = median(one / other for one, other in zip(steps, bare, strict=True))
        yield BenchRow(name, median(steps), "steps/s", ratio=ratio, of="sched.switch", note=note)
