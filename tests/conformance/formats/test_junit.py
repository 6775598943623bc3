"""JUnit XML: what CI systems read."""

from xml.etree import ElementTree as ET

from conformance.formats.reports import all_passed, every_outcome

from movable import Report
from movable.conformance import CheckResult, Outcome
from movable.conformance.formats import to_junit


def _root(*names: str) -> ET.Element:
    reports = [every_outcome(name) for name in names]
    return ET.fromstring(to_junit(reports or [every_outcome()]))


def test_every_check_is_a_test_case_and_is_counted_once() -> None:
    """The attributes of a suite are counts of its cases, and those of the root their sums."""
    root = _root("one", "two")
    suites = root.findall("testsuite")
    assert [suite.get("name") for suite in suites] == ["movable.one", "movable.two"]
    for suite in suites:
        cases = suite.findall("testcase")
        assert suite.get("tests") == str(len(cases)) == "9"
        assert suite.get("failures") == str(len(suite.findall("testcase/failure"))) == "2"
        assert suite.get("skipped") == str(len(suite.findall("testcase/skipped"))) == "5"
        assert suite.get("errors") == "0"
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("18", "4", "0")


def test_a_failure_names_its_rule_and_tells_all() -> None:
    """The message is the sentence of what was seen, the type the rule, the text the whole message."""
    failure = _root().find("testsuite/testcase[@name='MIG-CLEARED']/failure")
    assert failure is not None
    assert failure.get("type") == "migrate-old-movable"
    assert failure.get("message") == "oldpage <0x1f> & \ufffd | `more` is still marked"
    assert failure.text is not None
    assert "\nrepeat  movable check it -k MIG-CLEARED\n" in failure.text


def test_what_did_not_fail_and_did_not_pass_is_skipped_with_its_reason() -> None:
    """Not claimed, blocked, not run, expected to fail and preview are skipped, each with a reason."""
    told = {
        case.get("name"): skipped.get("message")
        for case in _root().iter("testcase")
        if (skipped := case.find("skipped")) is not None
    }
    assert told == {
        "MIG-BUSY": "xfail: expected to fail (not-yet): x",
        "PIN-HELD": "not-claimed: the driver does not claim pin",
        "MIG-NEW-REST": "blocked: blocked by MIG-CLEARED",
        "FUTURE-CHECK": "not-run: not selected",
        "MIG-DATA": "preview, not counted: fail",
    }


def test_the_properties_hold_the_denominator() -> None:
    """JUnit has no place for the denominator of a level, so the properties have it."""
    properties = {one.get("name"): one.get("value") for one in _root().iter("property")}
    assert (properties["L1.passed"], properties["L1.run"], properties["L1.verdict"]) == ("2", "5", "fail")
    assert properties["driver"] == "it<&>"
    assert (properties["seed"], properties["budget"], properties["contract"]) == (
        "7",
        "quick",
        "aops-4.8/1.1",
    )
    assert (properties["L1.summary"] or "").startswith("L1 contract: fail, 2/5 run passed, 1 failed")


def test_a_pass_is_an_empty_case_and_advice_is_output() -> None:
    """Nothing but advice stands in the case of a check that passed."""
    root = _root()
    assert len(root.findall("testsuite/testcase[@name='LOAD']/*")) == 0
    advice = root.find("testsuite/testcase[@name='LIVE-EVERY']/system-out")
    assert advice is not None
    assert advice.text == "note    4 of 8 pages moved"


def test_skips_alone_are_an_error() -> None:
    """A driver of which nothing was judged must not read as a success: its suite has an error."""
    skipped = [CheckResult(name, "MARK-1", "L1", Outcome.NOT_CLAIMED, message="no") for name in ("A", "B")]
    root = ET.fromstring(to_junit([Report.of("it", "aops-4.8/1.1", skipped)]))
    suite = root.find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("skipped"), suite.get("errors")) == ("3", "2", "1")
    error = suite.find("testcase[@name='verdict']/error")
    assert error is not None
    assert error.get("message") == "no check was run"


def test_no_report_is_a_document_without_suites() -> None:
    """Nothing judged is valid XML as well."""
    assert ET.fromstring(to_junit([])).attrib["tests"] == "0"
    assert ET.fromstring(to_junit([all_passed()])).attrib["failures"] == "0"
