"""The conformance suite: judges any driver of movable pages by a numbered contract."""

from movable.conformance.api import check, check_all
from movable.conformance.clauses import Clause
from movable.conformance.contract import CONTRACT, Contract, contract_markdown
from movable.conformance.outcome import Outcome
from movable.conformance.registry import Check, all_checks
from movable.conformance.report import CheckResult, LevelCount, Report, several_to_dict, write_reports
from movable.conformance.titles import check_family, check_title, family_title

__all__ = [
    "CONTRACT",
    "Check",
    "CheckResult",
    "Clause",
    "Contract",
    "LevelCount",
    "Outcome",
    "Report",
    "all_checks",
    "check",
    "check_all",
    "check_family",
    "check_title",
    "contract_markdown",
    "family_title",
    "several_to_dict",
    "write_reports",
]
