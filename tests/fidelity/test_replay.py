"""Loading recordings, finding the adapter of their topic, and reports."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from attrs.exceptions import FrozenInstanceError
from fidelity.clocks import Clocks, recording
from fidelity.conftest import Write

from movable import FidelityRule, MovableError, RecordingError, Row, RowVerdict, load_recording, replay
from movable.fidelity import SCHEMA, write_fidelity_reports
from movable.fidelity.topics import ADAPTERS

EQUAL, EXPLAINED, WRONG = RowVerdict.EQUAL, RowVerdict.EXPLAINED, RowVerdict.WRONG
MIXED = recording(hall=[[1, 1], [2, 7]], attic=[[3, 3], [4, 9], [5, 4]])


def test_a_report_counts_rows_by_verdict_section_and_rule(offers: list[Any]) -> None:
    """Rows come in the recording's order, and are counted by verdict, by section and by rule."""
    report = replay(MIXED, "mine")
    assert (report.recording, report.topic, report.kernel, report.passed) == (
        "mine",
        "clocks",
        "Linux 6.1",
        False,
    )
    assert [row.verdict for row in report.rows] == [EQUAL, EXPLAINED, EQUAL, EXPLAINED, WRONG]
    assert report.counts() == {EQUAL: 2, EXPLAINED: 2, WRONG: 1}
    assert list(report.sections()) == ["hall", "attic"]
    assert report.sections()["attic"] == Counter({EQUAL: 1, EXPLAINED: 1, WRONG: 1})
    assert report.rule_counts() == {"T01": 2}
    assert [row.name for row in report.of_verdict(WRONG)] == ["at 5"]


def test_only_wrong_rows_fail(offers: list[Any]) -> None:
    """A recording passes if all rows are equal or explained."""
    assert replay(recording(hall=[[1, 1]])).passed
    assert replay(recording(hall=[[1, 6]])).passed
    assert not replay(recording(hall=[[1, 1], [1, 2]])).passed


def test_rows_are_handed_over_as_they_come(offers: list[Any]) -> None:
    """Each row is given to ``on_row`` in order, also those before an error."""
    seen: list[Row] = []
    report = replay(MIXED, on_row=seen.append)
    assert tuple(seen) == report.rows
    del seen[:]
    with pytest.raises(RecordingError, match=r"^mine: hall: 'noon' is no time$"):
        replay(recording(hall=[[1, 1], ["noon", 2]]), "mine", on_row=seen.append)
    assert len(seen) == 1


def test_a_recording_without_rows_is_an_error(offers: list[Any]) -> None:
    """Nothing to replay is never a pass."""
    with pytest.raises(RecordingError, match=r"^clocks: the recording has no row to replay"):
        replay(recording())


@pytest.mark.parametrize("meta", [None, "text", [], {}, {"kernel": 6}])
def test_what_a_recording_says_of_itself_is_optional(offers: list[Any], meta: object) -> None:
    """``meta`` may be missing or of any shape; the kernel is a text all the same."""
    report = replay({**recording(hall=[[1, 1]]), "meta": meta})
    assert report.kernel == ("6" if meta == {"kernel": 6} else "")


def test_a_topic_that_nothing_replays(offers: list[Any]) -> None:
    """The error names the topic and those that can be replayed, by the SDK itself or by plugins."""
    own = sorted(adapter.topic for adapter in ADAPTERS)
    known = ", ".join(sorted([*own, "clocks"]))
    with pytest.raises(RecordingError, match=rf"^mine: nothing replays the topic 'weather'; known: {known}$"):
        replay({"topic": "weather"}, "mine")
    offers[:] = [object(), type("Odd", (), {"topic": 5})()]
    with pytest.raises(RecordingError, match=f"the topic 'clocks'; known: {', '.join(own)}$"):
        replay(recording(hall=[[1, 1]]))


def test_a_topic_has_one_adapter(offers: list[Any]) -> None:
    """Two plugins for one topic are an error that names both, not a choice."""
    offers.append(Clocks())
    with pytest.raises(
        RecordingError, match=r"'clocks' is replayed by fidelity.clocks and fidelity.clocks; uninstall"
    ):
        replay(recording(hall=[[1, 1]]))


@pytest.mark.parametrize("explain", [(), ("T09",), ("T01", "because")])
def test_an_explanation_is_one_of_the_rules(offers: list[Any], explain: tuple[str, ...]) -> None:
    """A row can only be explained by rules that the adapter lists; anything else is the adapter's error."""
    offers[:] = [Clocks(explain)]
    assert replay(recording(hall=[[1, 1]])).passed
    with pytest.raises(MovableError, match=r"hall: at 1: explained by .*; the adapter's rules are T01, T02$"):
        replay(recording(hall=[[1, 6]]))


@pytest.mark.parametrize("missing", ["id", "sentence", "source"])
def test_a_rule_has_a_name_a_sentence_and_a_source(missing: str) -> None:
    """A rule that says nothing, or not where it is from, cannot be made."""
    texts = {"id": "T03", "sentence": "until 5.0 it ticks", "source": "spec/clocks.md 3"}
    rule = FidelityRule(**texts)
    with pytest.raises(FrozenInstanceError):
        rule.id = "T04"  # type: ignore[misc]
    with pytest.raises(ValueError, match=missing):
        FidelityRule(**{**texts, missing: ""})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "cannot be read as JSON"),
        ("{", "cannot be read as JSON"),
        ("9" * 5000, "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ("[]", 'it is no object with a text under "topic"'),
        ("null", 'it is no object with a text under "topic"'),
        ("{}", 'it is no object with a text under "topic"'),
        ('{"topic": 5}', 'it is no object with a text under "topic"'),
    ],
)
def test_files_that_are_no_recordings(write: Write, content: str, message: str) -> None:
    """What is no JSON object with a topic is an error that names the file."""
    path = write(content)
    with pytest.raises(RecordingError) as caught:
        load_recording(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file, a folder and bytes that are no text are errors that name the file."""
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "nothing", tmp_path, tmp_path / "bytes"):
        with pytest.raises(RecordingError, match=f"^{path}: cannot be read as JSON: "):
            load_recording(path)


def test_the_report_as_json(offers: list[Any], write: Write, tmp_path: Path) -> None:
    """The document has the schema and, for each recording, counts, rules and all rows."""
    reports = [replay(load_recording(write(MIXED)), "first"), replay(recording(hall=[[1, 1]]), "second")]
    write_fidelity_reports(tmp_path / "report.json", reports)
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["schema"] == SCHEMA == "movable.fidelity/1"
    first, second = document["recordings"]
    assert (first["recording"], first["topic"], first["kernel"], first["passed"]) == (
        "first", "clocks", "Linux 6.1", False,
    )  # fmt: skip
    assert first["counts"] == {"equal": 2, "explained": 2, "wrong": 1}
    assert (second["passed"], second["counts"]) == (True, {"equal": 1, "explained": 0, "wrong": 0})
    assert [rule["id"] for rule in first["rules"]] == ["T01", "T02"]
    assert first["rows"][1] == {
        "section": "hall", "name": "at 2", "verdict": "explained", "recorded": "7", "ours": "2",
        "rules": ["T01"], "note": "fast",
    }  # fmt: skip
