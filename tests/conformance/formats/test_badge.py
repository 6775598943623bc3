"""Badges: shields' endpoint JSON and an SVG without a service."""

import json
from xml.etree import ElementTree as ET

from conformance.formats.reports import all_passed, every_outcome

from movable import Report
from movable.conformance import CheckResult, Outcome
from movable.conformance.formats import badge_json, badge_svg


def test_the_endpoint_has_the_four_keys_with_the_denominators() -> None:
    """Shields wants schemaVersion 1, label, message and colour; the message counts level by level."""
    assert json.loads(badge_json([all_passed()])) == {
        "schemaVersion": 1,
        "label": "movable aops-4.8",
        "message": "L1 2/2, L2 1/1",
        "color": "brightgreen",
    }


def test_a_failure_is_red_and_levels_without_a_run_are_left_out() -> None:
    """The colour is the verdict; a level in which nothing ran says nothing."""
    data = json.loads(badge_json([every_outcome()]))
    assert (data["message"], data["color"]) == ("L1 2/5", "red")


def test_a_pass_with_gaps_is_yellow() -> None:
    """Expected failures are no reason for a green badge."""
    ends = [Outcome.PASS, Outcome.XFAIL]
    report = Report.of("it", "aops-4.8/1.1", [CheckResult("C", "MARK-1", "L1", end) for end in ends])
    assert report.passed
    assert json.loads(badge_json([report]))["color"] == "yellow"


def test_several_drivers_are_counted() -> None:
    """For several drivers the badge says how many passed; none at all is red."""
    assert json.loads(badge_json([all_passed(), every_outcome()]))["message"] == "1/2 drivers"
    assert json.loads(badge_json([]))["color"] == "red"


def test_the_picture_says_the_same_and_loads_nothing() -> None:
    """The SVG is valid XML, as wide as its two halves, and refers to nothing outside."""
    text = badge_svg([all_passed()])
    root = ET.fromstring(text)
    name = "{http://www.w3.org/2000/svg}"
    assert [one.text for one in root.iter(f"{name}text")] == ["movable aops-4.8", "L1 2/2, L2 1/1"]
    halves = root.findall(f"{name}g/{name}rect")
    assert float(root.attrib["width"]) == sum(float(half.attrib["width"]) for half in halves)
    assert "href" not in text
