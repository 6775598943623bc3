"""Level L2: which places are tried, what a failure tells, and that nothing passes without a fault."""

from itertools import pairwise

import pytest
from mutants.batches import Bounces
from mutants.cells import Cells
from mutants.faulting import DropsForeignReferences, KeepsItsMapping, LeaksTheLabel

from movable import check
from movable.conformance import Outcome, all_checks
from movable.conformance.faults import FaultRig
from movable.conformance.faults.rig import PLACES
from movable.conformance.settings import Budget, Settings
from movable.conformance.target import resolve

L2 = frozenset(one.id for one in all_checks() if isinstance(one.rig, type) and issubclass(one.rig, FaultRig))


def _rig(budget: Budget = Budget()) -> FaultRig:
    return FaultRig(resolve(Cells).spec, "test", settings=Settings(budget=budget))


def test_every_place_is_tried_if_the_budget_allows() -> None:
    """Up to the usual number all places come, in order."""
    assert list(_rig().places(PLACES)) == list(range(PLACES))


@pytest.mark.parametrize("count", [65, 100, 1000])
def test_too_many_places_are_thinned_out_evenly(count: int) -> None:
    """Of more places the usual number is chosen, the first among them, with gaps that differ by one at most."""
    chosen = list(_rig().places(count))
    gaps = {after - before for before, after in pairwise(chosen)}
    assert (len(chosen), chosen[0]) == (PLACES, 0)
    assert max(gaps) - min(gaps) <= 1
    assert max(chosen) < count


def test_a_quick_run_tries_a_few() -> None:
    """A tenth of the effort is a tenth of the places."""
    assert len(list(_rig(Budget(0.1)).places(1000))) == PLACES // 10


def test_with_much_time_every_place_comes_once() -> None:
    """A budget in seconds goes through all places, coarsely first."""
    chosen = list(_rig(Budget(seconds=60.0)).places(16))
    assert sorted(chosen) == list(range(16))
    assert chosen[:4] == [0, 8, 4, 12]


def test_with_no_time_one_place_comes() -> None:
    """However short the time, one place is tried."""
    assert list(_rig(Budget(seconds=1e-9)).places(16)) == [0]


def test_a_failure_tells_the_place() -> None:
    """What the suite saw is told with the fault, by the clause of the check."""
    result = check(LeaksTheLabel, select="FAULT-ALLOC-STORE").check("FAULT-ALLOC-STORE")
    assert (result.outcome, result.clause) == (Outcome.FAIL, "FAULT-1")
    assert (
        "what    with the failure of allocation 2 of 48: after close() 1 pages are missing" in result.message
    )


def test_a_broken_rule_tells_the_place() -> None:
    """A rule that the core saw broken keeps its name and its clause, and the fault is told with it."""
    result = check(DropsForeignReferences, select="FAULT-PINNED").check("FAULT-PINNED")
    assert (result.clause, result.rule) == ("MIG-4", "migrate-old-ref")
    assert "(with an extra reference on a page for 1 passes of 10)" in result.message


def test_figures_say_how_much_was_injected() -> None:
    """The report has the faults injected, the places tried, and how many there are."""
    result = check(Bounces, select="FAULT-ALLOC-LOAD").check("FAULT-ALLOC-LOAD")
    assert result.outcome is Outcome.PASS
    # Two allocations; the second of both is not reached if all fail from the first on.
    assert dict(result.figures) == {"faults": 4, "places": 4, "places_of": 4}


def test_nothing_passes_without_a_fault() -> None:
    """Each check of faults that passes has injected some; one without occasion is not claimed."""
    report = check(Cells, levels="L2")
    for one in report.checks:
        if one.id in L2:
            assert (one.outcome is Outcome.PASS) == bool(one.figures.get("faults")), one
    unclaimed = {one.id for one in report.of_outcome(Outcome.NOT_CLAIMED)}
    assert unclaimed == {"FAULT-ALLOC-LOAD", "FAULT-ALLOC-MIGRATE"}


def test_the_same_seed_gives_the_same_faults() -> None:
    """Two runs inject the same faults in the same places."""
    first, second = (check(Bounces, levels="L2", seed=3) for _ in range(2))
    assert [one.figures for one in first.checks] == [one.figures for one in second.checks]


def test_an_open_mapping_is_told() -> None:
    """A factory that failed and left its mapping behind is named."""
    result = check(KeepsItsMapping, select="FAULT-ALLOC-LOAD").check("FAULT-ALLOC-LOAD")
    assert "the mapping 'cells' stays open after the factory has failed" in result.message
