"""Budgets: counts by default, seconds when asked for."""

from itertools import islice

import pytest

from movable import ConfigError
from movable.conformance.settings import Budget, Settings, parse_seconds


@pytest.mark.parametrize(
    ("text", "seconds"), [("60s", 60.0), ("10m", 600.0), ("1h30m", 5400.0), ("500ms", 0.5), ("1.5s", 1.5)]
)
def test_durations(text: str, seconds: float) -> None:
    """A duration is a sum of numbers with units."""
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "60", "0s", "s", "10 m", "-5s", "1d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A number without a unit, or zero, is an error that shows how to write it."""
    with pytest.raises(ConfigError, match="write quick, 30s, 10m or 1h30m"):
        parse_seconds(text)


def test_without_seconds_a_budget_is_a_count() -> None:
    """The number of rounds depends on the effort alone, and is one at least."""
    assert list(Budget().rounds(3)) == [0, 1, 2]
    assert list(Budget(0.1).rounds(40)) == [0, 1, 2, 3]
    assert list(Budget(0.1).rounds(1)) == [0]


def test_with_seconds_a_search_has_one_round_at_least_and_no_count() -> None:
    """Seconds replace the count: with many of them the rounds pass it, with hardly any there is one."""
    assert list(Budget(seconds=1e-9).rounds(100)) == [0]
    assert list(islice(Budget(seconds=3600).rounds(2), 5)) == [0, 1, 2, 3, 4]


def test_a_budget_is_asked_for_by_a_word_or_a_duration() -> None:
    """Nothing, quick and a duration are budgets, and a budget tells how it was asked for."""
    asked = (None, "quick", "90s")
    assert [Budget.of(one) for one in asked] == [Budget(), Budget(0.1), Budget(seconds=90)]
    assert [str(Budget.of(one)) for one in asked] == ["default", "quick", "90s"]
    assert Budget.of(Budget(0.5)) == Budget(0.5)


def test_the_deadline_moves_with_the_seconds_of_a_search() -> None:
    """A check that may search for a minute is not stopped by the deadline of one that does not search."""
    settings = Settings(limit=20).with_seconds(60)
    assert (settings.limit, settings.budget.seconds) == (80, 60)


def test_settings_know_what_a_repetition_needs() -> None:
    """Only what differs from a plain run is said again."""
    assert Settings().options == {}
    assert Settings(seed=3, budget=Budget.of("quick")).options == {"seed": 3, "budget": "quick"}
