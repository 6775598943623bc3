"""Registering and selecting checks."""

import pytest

from movable import ConfigError
from movable.conformance import all_checks
from movable.conformance.registry import check, select_checks
from movable.conformance.rig import Rig


def _function(rig: Rig) -> None:
    rig.note("nothing")


def test_a_taken_id_is_refused() -> None:
    """A check id stands for one check, for ever."""
    with pytest.raises(ValueError, match="STORE is taken"):
        check("STORE", "again", clauses=("MARK-2",), needs=None)(_function)


def test_a_check_without_a_clause_is_refused() -> None:
    """A check must say what it tests."""
    with pytest.raises(ValueError, match="no clause"):
        check("NEW", "new", clauses=(), needs=None)(_function)
    with pytest.raises(ValueError, match="MARK-99"):
        check("NEW", "new", clauses=("MARK-99",), needs=None)(_function)


def test_a_check_that_requires_an_unknown_one_is_refused() -> None:
    """What is required must be there, and before."""
    with pytest.raises(ValueError, match="NOT-THERE"):
        check("NEW", "new", clauses=("MARK-2",), needs=None, requires=("NOT-THERE",))(_function)


def test_no_expression_selects_all() -> None:
    """Without an expression every check is selected."""
    assert select_checks(None) == {one.id for one in all_checks()}


def test_an_id_selects_itself_alone() -> None:
    """An id that is part of another id selects only its own check."""
    assert select_checks("MIG-AGAIN") == {"MIG-AGAIN"}
    assert select_checks("mig-again") == {"MIG-AGAIN"}


def test_a_part_and_a_glob_select_what_they_match() -> None:
    """A part of ids and a glob may select several, and items add up."""
    assert select_checks("AGAIN") == {"MIG-AGAIN", "MIG-AGAIN-TWICE", "PUT-AGAIN", "FAULT-EAGAIN"}
    assert select_checks("PIN-*, LOAD") == {"PIN-HELD", "PIN-RELEASED", "LOAD"}


@pytest.mark.parametrize("expression", ["ZZZ", "", "LOAD,", "MIG-?"])
def test_an_expression_that_selects_nothing_is_an_error(expression: str) -> None:
    """A typo is an error that says what there is, not an empty run."""
    with pytest.raises(ConfigError, match="select: no check matches"):
        select_checks(expression)


def test_a_near_miss_is_answered_with_a_suggestion() -> None:
    """The error names the id that was probably meant."""
    with pytest.raises(ConfigError, match="did you mean MIG-CLEARED"):
        select_checks("MIG-CLEARD")


def test_a_check_says_what_it_needs() -> None:
    """A check names a capability or None; to forget it, or to name none that there is, is an error."""
    with pytest.raises(TypeError, match="needs"):
        check("NEW", "new", clauses=("MARK-2",))  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="needs 'pins'; capabilities are contents, pin"):
        check("NEW", "new", clauses=("MARK-2",), needs="pins")(_function)


def test_a_check_has_a_level_of_the_four() -> None:
    """Levels are L1 to L4."""
    with pytest.raises(ValueError, match="level 'L5'"):
        check("NEW", "new", clauses=("MARK-2",), needs=None, level="L5")(_function)
