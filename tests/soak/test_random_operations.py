"""Random operations of processes, of the NUMA calls and of the machine under them, checked against models."""

from collections import Counter
from collections.abc import Sequence

import pytest
from soak.beside import carry_out_beside, plan_beside
from soak.plan import OPERATIONS, Step, carry_out, plan, shrink

from movable import PAGE_SIZE, Process

SCHEDULES = 12


def test_contents_places_and_answers_are_the_models() -> None:
    """1,500 operations, one CPU at a time: contents, new pages, moves, statuses and policies are as told in advance."""
    total: Counter[str] = Counter()
    for seed in range(3):
        failure, counts = carry_out(seed, plan(seed, 500))
        assert failure is None, (seed, failure)
        total += counts
    assert total["placed"] > 50
    assert total["statuses"] > 1000
    assert total["pages followed"] > 50
    assert {name for name in OPERATIONS if total[name]} == set(OPERATIONS)


@pytest.mark.parametrize("first", range(0, 5 * SCHEDULES, SCHEDULES))
def test_nothing_is_lost_under_schedules(first: int) -> None:
    """Three CPUs use memory, two move it, in any order: nothing is lost or torn, and everything is free at the end."""
    switches = migrated = 0
    for seed in range(first, first + SCHEDULES):
        failure, counts = carry_out_beside(seed, plan_beside(seed))
        assert failure is None, (seed, failure)
        switches += counts["switches"]
        migrated += counts["pgmigrate_success"]
    assert switches > 10 * SCHEDULES
    assert migrated > SCHEDULES


def test_a_full_recount_after_each_call() -> None:
    """The same with all counters recounted after every call."""
    failure, _ = carry_out(7, plan(7, 150), debug=2)
    assert failure is None, failure


def test_a_seed_repeats_itself() -> None:
    """Plans and what comes of them are the same whenever a seed is run."""
    assert plan(4, 50) == plan(4, 50)
    assert carry_out(4, plan(4, 300)) == carry_out(4, plan(4, 300))
    assert carry_out_beside(4, plan_beside(4)) == carry_out_beside(4, plan_beside(4))


def test_a_lost_write_is_found_and_cut_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes to every seventh page are lost: a plan of 200 steps tells, and a few of them are left to show it."""
    honest = Process.write

    def losing(process: Process, address: int, data: bytes) -> None:
        honest(process, address, data if address // PAGE_SIZE % 7 else b"")

    monkeypatch.setattr(Process, "write", losing)

    def fails(steps: Sequence[Step]) -> bool:
        return carry_out(1, steps)[0] is not None

    steps = plan(1, 200)
    assert fails(steps)
    kept = shrink(steps, fails)
    assert fails(kept)
    assert {"mmap", "write"} & {step.name for step in kept}
    assert len(kept) < 6


def test_steps_are_read_as_they_are_printed() -> None:
    """A printed step names the operation, the CPU and the seed."""
    step = Step("mbind", 3, 77)
    assert str(step) == "mbind 3 77"
    assert step.name in OPERATIONS
