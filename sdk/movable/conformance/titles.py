"""Words for ids, for the fronts: what a check and a family of clauses are about."""

from movable.conformance.contract import FAMILIES
from movable.conformance.registry import all_checks

__all__ = ["check_family", "check_title", "family_title"]


def check_title(check_id: str) -> str:
    """What the check demands; empty for an id that this version does not have (an old report's)."""
    return next((one.title for one in all_checks() if one.id == check_id), "")


def check_family(check_id: str) -> str:
    """The family of the check's main clause; the id's first part if this version does not have it."""
    found = next((one for one in all_checks() if one.id == check_id), None)
    return (found.clauses[0] if found else check_id).partition("-")[0]


def family_title(family: str) -> str:
    """What the clauses of a family are about."""
    return FAMILIES.get(family, "")
