"""A failure told in full: what, where, which clause, the likely mistake, and the command that repeats it."""

from collections.abc import Iterable

from attrs import frozen

from movable.conformance.contract import CONTRACT, Clause
from movable.conformance.hints import hint_for
from movable.conformance.outcome import CheckFailed
from movable.conformance.registry import Check
from movable.conformance.subject import describe
from movable.errors import DeadVM, Violation

__all__ = ["Finding", "cause_of", "finding_of"]


@frozen
class Finding:
    """Why a check failed. ``cause`` names the root: a rule id, or the id of a clause."""

    what: str
    clause: Clause
    cause: str
    where: str = ""
    rule: str | None = None

    def text(self, repeat: str, details: Iterable[str] = ()) -> str:
        """The message of the report, one fact per line; ``details`` come before the command that repeats it."""
        lines = [f"what    {self.what}"]
        lines += [f"where   {self.where}"] * bool(self.where)
        lines.append(f"clause  {self.clause.id}: {self.clause.sentence} ({self.clause.source})")
        lines += [f"rule    {self.rule}"] * bool(self.rule)
        hint = hint_for(self.rule, self.clause.id)
        lines += [f"likely  {hint}"] * bool(hint)
        lines += details
        lines.append(f"repeat  {repeat}")
        return "\n".join(lines)


def cause_of(error: BaseException) -> str:
    """The root of a failure by its name: a rule id, the id of a clause, or the kind of exception."""
    if isinstance(error, DeadVM) and isinstance(error.violation, Violation):
        error = error.violation
    if isinstance(error, Violation):
        return error.rule.id
    if isinstance(error, CheckFailed) and error.clause:
        return error.clause
    return type(error).__name__


def finding_of(error: BaseException, check: Check, running: str | None) -> Finding:
    """Turn what ended a check into a finding; ``running`` is the callback that was running, if any."""
    if isinstance(error, DeadVM) and isinstance(error.violation, Violation):
        error = error.violation
    if isinstance(error, Violation):
        return _of_violation(error, check)
    if isinstance(error, CheckFailed):
        clause = CONTRACT.clause(error.clause or check.clauses[0])
        return Finding(error.what, clause, clause.id, _place(error.where, error.pfn))
    clause = CONTRACT.clause("RACE-9" if "RACE-9" in check.clauses else check.clauses[0])
    what = f"something raised an exception that no check expects: {describe(error)}"
    return Finding(what, clause, type(error).__name__, running or "")


def expired(seconds: float, running: str | None) -> Finding:
    """The finding of a check that ran into its deadline."""
    who = running or "the driver"
    return Finding(
        f"{who} did not return within {seconds:g} s", CONTRACT.clause("LIVE-1"), "LIVE-1", running or ""
    )


def _of_violation(error: Violation, check: Check) -> Finding:
    rule = error.rule
    what = rule.sentence
    if error.expected or error.seen:
        what += f" Expected {error.expected}, seen {error.seen}."
    if error.__cause__ is not None:
        what += f" The driver raised {describe(error.__cause__)}."
    where = f"{_place(error.where, error.pfn)}, cpu {error.cpu}"
    return Finding(what, _clause_of(error, check), rule.id, where, rule.id)


def _place(where: str | None, pfn: int | None) -> str:
    """The callback or request, and the page."""
    return ", ".join(part for part in (where, None if pfn is None else f"pfn {pfn:#x}") if part)


def _clause_of(error: Violation, check: Check) -> Clause:
    """The clause that a rule's breach breaks: one of the check's own if the rule belongs to several."""
    clauses = CONTRACT.clauses_of_rule(error.rule.id)
    own = [clause for clause in clauses if clause.id in check.clauses]
    if own:
        return own[0]
    if len(clauses) > 1 and "Clear" in (error.where or ""):
        return next((clause for clause in clauses if clause.family == "FREE"), clauses[0])
    return clauses[0] if clauses else CONTRACT.clause(check.clauses[0])
