"""Reports as JUnit XML, as CI systems read it: a suite for each driver, a test case for each check.

A check that was not claimed, blocked or not run is *skipped* with its reason, and so is an expected failure and all
that is in preview; the properties of the suite hold the denominators, which JUnit has no place for. A driver of which
nothing was judged has failed: its suite has one more case, an error, since skips alone would read as success.
"""

import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from attrs import asdict

from movable.conformance.outcome import Outcome
from movable.conformance.report import CheckResult, Report

__all__ = ["to_junit"]

_FAILED = (Outcome.FAIL, Outcome.XPASS)
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(reports: Sequence[Report]) -> str:
    """All reports as one XML document."""
    suites = [_suite(report) for report in reports]
    root = ET.Element("testsuites", {"name": "movable", **_sums(suites)})
    root.extend(suites)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _sums(suites: Sequence[ET.Element]) -> dict[str, str]:
    counts = {
        key: str(sum(int(suite.attrib[key]) for suite in suites)) for key in ("tests", "failures", "errors")
    }
    return {**counts, "time": f"{sum(float(suite.attrib['time']) for suite in suites):.6f}"}


def _suite(report: Report) -> ET.Element:
    cases = [_case(report, result) for result in report.checks]
    nothing = not any(count.run for count in report.levels.values())
    cases += [_nothing_run(report)] * nothing
    suite = ET.Element(
        "testsuite",
        name=f"movable.{report.driver}",
        tests=str(len(cases)),
        failures=str(sum(case.find("failure") is not None for case in cases)),
        errors=str(int(nothing)),
        skipped=str(sum(case.find("skipped") is not None for case in cases)),
        time=f"{sum(result.seconds for result in report.checks):.6f}",
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(report).items():
        ET.SubElement(properties, "property", name=name, value=_clean(value))
    suite.extend(cases)
    return suite


def _properties(report: Report) -> dict[str, str]:
    """What the report says beside its checks: ``L1.run`` is the denominator of level 1, ``L1.passed`` its numerator."""
    named = {
        "driver": report.driver,
        "contract": report.contract,
        "verdict": report.verdict,
        "seed": str(report.seed),
        "budget": report.budget,
        "movable": report.movable,
    }
    for level, count in report.levels.items():
        named |= {f"{level}.{key}": str(value) for key, value in asdict(count).items()}
        named[f"{level}.summary"] = count.summary(level)
    return named


def _case(report: Report, result: CheckResult) -> ET.Element:
    case = ET.Element(
        "testcase",
        classname=f"movable.{report.driver}.{result.level}",
        name=result.id,
        time=f"{result.seconds:.6f}",
    )
    message = _clean(result.message)
    first = message.partition("\n")[0]
    if result.preview:
        ET.SubElement(
            case, "skipped", message=f"preview, not counted: {result.outcome}", type="preview"
        ).text = message
    elif result.outcome in _FAILED:
        kind = result.rule or result.clause
        told = next((line[4:].strip() for line in message.splitlines() if line.startswith("what ")), first)
        ET.SubElement(case, "failure", message=told, type=kind).text = message
    elif result.outcome is not Outcome.PASS:
        ET.SubElement(case, "skipped", message=f"{result.outcome}: {first}", type=str(result.outcome))
    elif message:
        ET.SubElement(case, "system-out").text = message
    return case


def _nothing_run(report: Report) -> ET.Element:
    case = ET.Element("testcase", classname=f"movable.{report.driver}", name="verdict", time="0.000000")
    ET.SubElement(case, "error", message="no check was run", type="not-run")
    return case


def _clean(text: str) -> str:
    """Without the characters that XML has no way to write."""
    return _ILLEGAL.sub("\ufffd", text)
