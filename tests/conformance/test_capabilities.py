"""Declared capabilities against what a driver does."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from mutants.cells import Cells
from mutants.halves import Halves

from movable import Capabilities, check
from movable.conformance import Outcome


class PinsNothing(Cells):
    """Claims no pin; its pin() does nothing."""

    capabilities = Capabilities()

    @contextmanager
    def pin(self, handle: int) -> Iterator[None]:
        """Keep nothing in place."""
        yield


class HasNoPin(PinsNothing):
    """Claims no pin; its pin() refuses."""

    @contextmanager
    def pin(self, handle: int) -> Iterator[None]:
        """Refuse."""
        if handle >= 0:
            raise NotImplementedError
        yield


class ClaimsLess(Halves):
    """Takes a little more than it claims, and says so nowhere."""

    capabilities = Capabilities(pin=True, max_object=Halves.capabilities.max_object - 1)


def _message(driver: Any, check_id: str) -> tuple[Outcome, str]:
    result = check(driver, select=check_id).check(check_id)
    return result.outcome, result.message


@pytest.mark.parametrize("driver", [PinsNothing, HasNoPin])
def test_a_pin_that_keeps_nothing_needs_no_claim(driver: Any) -> None:
    """A pin() that does nothing or refuses is no capability."""
    assert _message(driver, "CAP-PIN") == (Outcome.PASS, "")


def test_a_claimed_pin_is_judged_elsewhere() -> None:
    """Where pin is claimed there is no unclaimed one to find."""
    assert _message(Cells, "CAP-PIN")[0] is Outcome.NOT_CLAIMED


def test_larger_objects_are_advice_only_if_they_last() -> None:
    """An object larger than claimed counts only if it and its neighbours are read back after moves."""
    assert _message(ClaimsLess, "CAP-LARGER")[1].startswith("note    an object of 2048 bytes was kept")
    assert _message(Halves, "CAP-LARGER") == (Outcome.PASS, "")


def test_sleeping_is_not_claimed_by_default() -> None:
    """Without a word nobody claims never to sleep in MIGRATE_ASYNC."""
    assert Capabilities().never_sleeps_async is False
    with pytest.raises(TypeError, match="never_sleeps_async"):
        Capabilities(never_sleeps_async=1)  # type: ignore[arg-type]
