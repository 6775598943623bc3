"""The contract as data: ids, coverage, rules, and the table made from it."""

import re

import pytest
from mutants.cells import Cells

from movable import RULES, ConfigError, check
from movable.conformance import CONTRACT, CONTRACTS, all_checks, contract_markdown, find_contract
from movable.conformance.contract import FAMILIES, Contract
from movable.conformance.hints import hint_for
from movable.conformance.history import FROZEN
from movable.conformance.registry import checks_of


def test_clause_ids_are_unique_and_regular() -> None:
    """A clause id is its family, a dash and a number, and stands once."""
    ids = [clause.id for clause in CONTRACT]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[A-Z]+-[1-9][0-9]*", one) for one in ids)
    assert {clause.family for clause in CONTRACT} == set(FAMILIES)


def test_every_clause_is_checked_or_says_why_not() -> None:
    """A clause has checks or a reason, and never both."""
    for clause in CONTRACT:
        assert bool(checks_of(clause.id)) != bool(clause.untested), clause.id


def test_every_check_has_clauses_and_runs_after_what_it_requires() -> None:
    """A check names clauses that exist, and only checks that come before it."""
    seen: set[str] = set()
    for one in all_checks():
        assert one.clauses
        assert all(CONTRACT.clause(name) for name in one.clauses)
        assert set(one.requires) <= seen
        seen.add(one.id)
    assert len(seen) == len(all_checks()) >= 36


def test_every_clause_has_a_sentence_and_a_source() -> None:
    """A clause is one sentence with its source; severity is one of two words."""
    for clause in CONTRACT:
        assert clause.sentence.endswith(".")
        assert clause.source
        assert clause.severity in ("violation", "advisory")


def test_every_rule_of_the_core_names_a_clause() -> None:
    """Each rule that drivers can break belongs to a clause, and clauses name no rule that there is not."""
    named = {rule for clause in CONTRACT for rule in clause.rules}
    assert named <= RULES.keys()
    assert {rule.id for rule in RULES.values() if rule.kind in ("contract", "report")} <= named


def test_every_rule_that_names_a_clause_has_a_hint() -> None:
    """A failure with a rule, and a failure of a tested clause, tell the likely mistake."""
    without = {rule for clause in CONTRACT for rule in clause.rules if hint_for(rule, "") is None}
    assert {RULES[rule].kind for rule in without} <= {"recount"}
    tested = [clause for clause in CONTRACT if clause.severity == "violation" and not clause.untested]
    assert not [clause.id for clause in tested if not clause.rules and hint_for(None, clause.id) is None]


def test_the_table_holds_every_clause_and_check() -> None:
    """The Markdown page has a row for each clause and names each check."""
    page = contract_markdown()
    assert all(f"| {clause.id} | " in page for clause in CONTRACT)
    assert all(f"`{one.id}`" in page for one in all_checks())
    assert "none: " in page


def test_a_contract_is_found_by_name_and_version() -> None:
    """The bare name is the newest version; each version has its own label."""
    assert find_contract() is find_contract("aops-4.8") is CONTRACT
    assert find_contract("aops-4.8/1.0").version == "1.0"
    assert list(CONTRACTS)[-1] == CONTRACT.label
    with pytest.raises(ConfigError, match=r"'aops-5' is not known; there are aops-4.8/1.0, aops-4.8/1.1"):
        find_contract("aops-5")


def test_no_id_of_an_earlier_version_is_gone() -> None:
    """What a version lists is still there: ids are never reused, checks never dropped."""
    checks, clauses = {one.id for one in all_checks()}, {clause.id for clause in CONTRACT}
    for version, ids in FROZEN.items():
        assert ids.checks <= checks, version
        assert ids.clauses <= clauses, version


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=list(CONTRACTS))
def test_what_counts_rests_on_what_counts(contract: Contract) -> None:
    """In no version does a check that counts require one that is only reported: it could be blocked unseen."""
    counted = {one.id for one in all_checks() if one.counts_in(contract)}
    assert counted
    for one in all_checks():
        assert one.id not in counted or set(one.requires) <= counted, one.id


def test_an_earlier_version_counts_its_own_checks() -> None:
    """Judged by version 1.0 later checks are reported as previews, and the denominator is that of 1.0."""
    report = check(Cells, contract="aops-4.8/1.0", levels="L1")
    assert report.contract == "aops-4.8/1.0"
    counted = {result.id for result in report.checks if not result.preview}
    assert counted == FROZEN["1.0"].checks
