"""A report in which every outcome occurs, with awkward text."""

from movable import Report
from movable.conformance import CheckResult, Outcome

FAILURE = (
    "what    oldpage <0x1f> & \x00 | `more` is still marked\n"
    "where   migratepage, pfn 0x1f\n"
    "clause  MIG-1: The old page is cleared. (spec/migration.md 6.3)\n"
    "rule    migrate-old-movable\n"
    "likely  call oldpage.clear_movable()\n"
    "repeat  movable check it -k MIG-CLEARED"
)


def every_outcome(driver: str = "it<&>") -> Report:
    """One check for each outcome, and a preview that fails."""
    results = [
        CheckResult("LOAD", "MARK-1", "L1", Outcome.PASS, 0.001),
        CheckResult("LIVE-EVERY", "LIVE-3", "L1", Outcome.PASS, 0.001, "note    4 of 8 pages moved"),
        CheckResult(
            "MIG-CLEARED",
            "MIG-1",
            "L1",
            Outcome.FAIL,
            0.25,
            f"{FAILURE}\nreplay  movable replay r1.2.3",
            "movable check it -k MIG-CLEARED",
            rule="migrate-old-movable",
            token="r1.2.3",
            figures={"schedules": 12},
        ),
        CheckResult(
            "MIG-BUSY", "MIG-7", "L1", Outcome.XFAIL, 0.1, f"expected to fail (not-yet): x\n{FAILURE}"
        ),
        CheckResult("MIG-CHAIN", "MIG-8", "L1", Outcome.XPASS, 0.1, "expected to fail\nwhat    it passed"),
        CheckResult("PIN-HELD", "CAP-3", "L1", Outcome.NOT_CLAIMED, 0.0, "the driver does not claim pin"),
        CheckResult("MIG-NEW-REST", "MIG-13", "L1", Outcome.BLOCKED, 0.0, "blocked by MIG-CLEARED"),
        CheckResult("FUTURE-CHECK", "MIG-1", "L2", Outcome.NOT_RUN, 0.0, "not selected"),
        CheckResult("MIG-DATA", "DATA-1", "L2", Outcome.FAIL, 0.1, FAILURE, preview=True),
    ]
    return Report.of(driver, "aops-4.8/1.1", results, seed=7, budget="quick", movable="9.9")


def all_passed(driver: str = "good") -> Report:
    """Two levels, all passed."""
    ends = [("LOAD", "L1"), ("STORE", "L1"), ("MIG-DATA", "L2")]
    results = [CheckResult(name, "MARK-1", level, Outcome.PASS) for name, level in ends]
    return Report.of(driver, "aops-4.8/1.1", results)
