"""The conformance suite: judges any driver of movable pages by a numbered contract."""

from movable.conformance.adoption import DriverConformance
from movable.conformance.api import check, check_all, make_runner
from movable.conformance.clauses import Clause
from movable.conformance.compare import Change, Comparison, compare
from movable.conformance.contract import CONTRACT, CONTRACTS, Contract, find_contract
from movable.conformance.expectations import update_expectations
from movable.conformance.formats import read_reports, several_to_dict, write_reports
from movable.conformance.outcome import Outcome
from movable.conformance.registry import Check, all_checks, checks_of
from movable.conformance.report import LEVELS, CheckResult, LevelCount, Report
from movable.conformance.runner import Runner
from movable.conformance.settings import Budget, Settings
from movable.conformance.table import ClauseRow, clause_rows, contract_markdown, table_to_dict
from movable.conformance.target import resolve
from movable.conformance.titles import check_family, check_title, family_title

__all__ = [
    "CONTRACT",
    "CONTRACTS",
    "LEVELS",
    "Budget",
    "Change",
    "Check",
    "CheckResult",
    "Clause",
    "ClauseRow",
    "Comparison",
    "Contract",
    "DriverConformance",
    "LevelCount",
    "Outcome",
    "Report",
    "Runner",
    "Settings",
    "all_checks",
    "check",
    "check_all",
    "check_family",
    "check_title",
    "checks_of",
    "clause_rows",
    "compare",
    "contract_markdown",
    "family_title",
    "find_contract",
    "make_runner",
    "read_reports",
    "resolve",
    "several_to_dict",
    "table_to_dict",
    "update_expectations",
    "write_reports",
]
