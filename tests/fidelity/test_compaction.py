"""Recorded page maps of a real kernel, compacted by the rules of 6.1 and of 4.9 (spec/differences-drivers.md 2)."""

import json
import lzma
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from movable import FidelityReport, MigrateType, RecordingError, RowVerdict, replay
from movable.fidelity.topics.compaction.blocktypes import BlockTotals, choose_types
from movable.fidelity.topics.compaction.events import recorded_events
from movable.fidelity.topics.compaction.inputs import derived_blocks
from movable.fidelity.topics.compaction.pattern import kept_pages
from movable.fidelity.topics.compaction.texts import zones_of

DATA = Path(__file__).parent / "data"
EQUAL, EXPLAINED, WRONG = RowVerdict.EQUAL, RowVerdict.EXPLAINED, RowVerdict.WRONG
CASES = {"alt1": 6774, "alt16": 6783, "rand50": 6780, "runs": 6646}
"""The whole-node runs, and how many pages each tells of."""

Recording = dict[str, Any]


@cache
def _load(topic: str) -> Recording:
    recording: Recording = json.loads(lzma.decompress((DATA / f"{topic}.json.xz").read_bytes()))
    return recording


def case_of(name: str) -> Recording:
    """A recording with one case and nothing else; a copy that a test may change."""
    whole = _load("compaction_a")
    (case,) = (case for case in whole["cases"] if case["name"] == name)
    return deepcopy({"meta": whole["meta"], "topic": whole["topic"], "cases": [case]})


def section_of(name: str) -> Recording:
    """A recording with one other section."""
    whole = _load("compaction_a")
    return deepcopy({"meta": whole["meta"], "topic": whole["topic"], name: whole[name]})


@cache
def replayed(name: str) -> FidelityReport:
    """The replay of a case as it was recorded."""
    return replay(case_of(name))


def wrong_names(report: FidelityReport, section: str) -> list[str]:
    """The wrong rows of a section."""
    return [row.name for row in report.of_verdict(WRONG) if row.section == section]


@pytest.mark.parametrize("name", CASES)
def test_every_page_goes_where_it_went(name: str) -> None:
    """In profile 6.1 every recorded frame is equal; by the rules of 4.9 each row is equal or explained (2.3, 2.4)."""
    report = replayed(name)
    assert not report.of_verdict(WRONG)
    later = [
        row for row in report.rows if row.section == f"{name}, 6.1" and row.name.startswith("destinations")
    ]
    assert {row.verdict for row in later} == {EQUAL}
    pages = [int(row.name.split()[2]) for row in later]
    assert [row.note for row in later] == [f"{count} of {count} frames equal" for count in pages]
    assert sum(pages) == CASES[name]
    ours = [
        row for row in report.rows if row.section == f"{name}, 4.9" and row.name.startswith("destinations")
    ]
    assert {row.verdict for row in ours} <= {EQUAL, EXPLAINED}
    assert {rule for row in ours for rule in row.rules} <= {"K01", "K02", "K04"}
    assert any(row.verdict is EXPLAINED for row in ours)


@pytest.mark.parametrize("name", CASES)
def test_free_memory_ends_as_recorded(name: str) -> None:
    """In profile 6.1 the free blocks by order, before and after, are those of buddyinfo (2.3)."""
    rows = {row.name: row for row in replayed(name).rows if row.section == f"{name}, 6.1"}
    assert rows["buddyinfo before"].verdict is EQUAL
    assert rows["buddyinfo after"].verdict is EQUAL
    assert rows["compact_free_scanned"].verdict is EQUAL
    assert (rows["compact_migrate_scanned"].verdict, rows["compact_migrate_scanned"].rules) == (
        EXPLAINED,
        ("A01",),
    )


@pytest.mark.parametrize("name", CASES)
def test_invariants_hold_by_the_rules_of_4_9(name: str) -> None:
    """What holds in both kernels holds in the replay by the rules of 4.9, however it differs (2.4)."""
    rows = [row for row in replayed(name).rows if row.name.startswith("invariant: ")]
    assert len(rows) == 11
    assert {row.verdict for row in rows} == {EQUAL}


def test_frames_of_zsmalloc_pages() -> None:
    """The frames in use after compacting zsmalloc pages are the recorded ones, but for pages of the live system (3)."""
    report = replay(_load("compaction_zram"))
    assert not report.of_verdict(WRONG)
    maps = [row for row in report.rows if row.name.startswith("map after") and row.section.endswith("6.1")]
    assert len(maps) == 32
    assert sum(row.verdict is EQUAL for row in maps) == 30
    for row in maps:
        assert row.recorded.split(", ")[1] == row.ours.split(", ")[1]


@pytest.mark.parametrize(
    "name", ["small_run_all_events", "compact_memory_writes", "node_compact_writes", "sysctl_writes"]
)
def test_other_sections(name: str) -> None:
    """Events without a map, triggers and sysctls replay as well."""
    report = replay(section_of(name))
    assert not report.of_verdict(WRONG)
    assert report.of_verdict(EQUAL)


def test_sysctls_of_4_9() -> None:
    """Of 24 recorded writes 4.9 answers 7 alike, the others differ by K06 (0)."""
    rows = [row for row in replay(section_of("sysctl_writes")).rows if row.section == "sysctl_writes, 4.9"]
    assert [row.verdict for row in rows].count(EQUAL) == 7
    assert {row.rules for row in rows if row.verdict is EXPLAINED} == {("K06",)}


def _swap_frames(case: Recording) -> None:
    before, after = case["pfn_before"], case["pfn_after"]
    moved = [at for at, pfn in enumerate(after) if pfn != before[at]]
    after[moved[0]], after[moved[1]] = after[moved[1]], after[moved[0]]


def _lose_a_page(case: Recording) -> None:
    at = case["map_after"].rindex("A")
    case["map_after"] = case["map_after"][:at] + "." + case["map_after"][at + 1 :]


def _change_counter(case: Recording) -> None:
    case["vmstat_delta"]["pgmigrate_success"] += 1


def _change_isolated(case: Recording) -> None:
    case["vmstat_delta"]["compact_isolated"] -= 1


def _scan_more(case: Recording) -> None:
    case["vmstat_delta"]["compact_migrate_scanned"] += 1000


def _change_event(case: Recording) -> None:
    at = next(at for at, line in enumerate(case["trace"]) if "isolate_freepages" in line)
    case["trace"][at] = case["trace"][at].replace("nr_taken=32", "nr_taken=31")


def _change_free_blocks(case: Recording) -> None:
    head, _, line = case["after"]["buddyinfo"].rpartition("Node 3, zone    DMA32")
    words = line.split()
    words[6] = str(int(words[6]) + 9)
    case["after"]["buddyinfo"] = f"{head}Node 3, zone    DMA32 {' '.join(words)} \n"


def _forget_a_page(case: Recording) -> None:
    case["live_pages"] += 1


def _change_types(case: Recording) -> None:
    text = case["before"]["pagetypeinfo"]
    case["before"]["pagetypeinfo"] = text.replace(
        text.rstrip().split("\n")[-1].split("DMA32")[1][:13], f"{9:13d}"
    )


CHANGES: dict[str, tuple[Callable[[Recording], None], str]] = {
    "frames": (_swap_frames, "destinations of 256 pages of block 0x24800"),
    "map": (_lose_a_page, "map after, block 0x27e00"),
    "moved": (_change_counter, "pgmigrate_success"),
    "isolated": (_change_isolated, "compact_isolated"),
    "scanned": (_scan_more, "compact_migrate_scanned"),
    "event": (_change_event, "event 13"),
    "free blocks": (_change_free_blocks, "buddyinfo after"),
    "live": (_forget_a_page, "live_pages"),
}


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_recording_is_wrong(change: str) -> None:
    """Anything that compaction decides and the recording tells otherwise is wrong, in 6.1 and in 4.9."""
    recording = case_of("alt1")
    alter, name = CHANGES[change]
    alter(recording["cases"][0])
    report = replay(recording)
    assert name in wrong_names(report, "alt1, 6.1")
    ours = {row.name: row.verdict for row in report.rows if row.section == "alt1, 4.9"}
    assert ours[name] is WRONG


def test_wrong_block_types_are_noticed() -> None:
    """Pageblocks by type must agree with pagetypeinfo (2.5)."""
    recording = case_of("alt1")
    _change_types(recording["cases"][0])
    assert wrong_names(replay(recording), "alt1, set-up") == ["pageblocks by type"]


def test_other_answers_of_sysctls_are_wrong() -> None:
    """An answer that neither kernel gives is no K06."""
    recording = section_of("sysctl_writes")
    recording["sysctl_writes"][1]["reads"] = "3"
    report = replay(recording)
    assert len(report.of_verdict(WRONG)) == 2


def test_a_trigger_that_fails_is_wrong() -> None:
    """Both kernels accept whatever is written to a trigger."""
    recording = section_of("compact_memory_writes")
    recording["compact_memory_writes"][2]["errno"] = "EINVAL"
    assert [row.name for row in replay(recording).of_verdict(WRONG)] == ["'2': errno"]


def test_a_batch_that_does_not_add_up_is_wrong() -> None:
    """Events without a map must follow from each other."""
    recording = section_of("small_run_all_events")
    trace = recording["small_run_all_events"]["trace"]
    at = next(at for at, line in enumerate(trace) if "mm_compaction_migratepages" in line)
    trace[at] = "mm_compaction_migratepages: nr_migrated=1 nr_failed=0"
    assert len(replay(recording).of_verdict(WRONG)) == 1


@pytest.mark.long
def test_evictable_or_not() -> None:
    """Locked pages move like others while the sysctl is 1: marking some of them changes nothing (mode 1)."""
    recording = case_of("rand50")
    case = recording["cases"][0]
    case["mode"] = 1
    letters = list(case["map_before"])
    for index, pfn in zip(case["page_index"], case["pfn_before"], strict=True):
        letters[pfn] = "U" if index % 64 == 0 else letters[pfn]
    case["map_before"] = "".join(letters)
    assert not replay(recording).of_verdict(WRONG)
    case["mode"] = 2
    rows = replay(recording).of_verdict(WRONG)
    assert any(row.name.startswith("destinations") for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [4, 5])
def test_runs_that_allocations_start(mode: int) -> None:
    """Of a direct run only the invariants compare, the rest is explained by the rules of direct runs (2.2)."""
    recording = case_of("rand50")
    recording["cases"][0]["mode"] = mode
    recording["cases"][0]["nr_hugepages"] = 5
    report = replay(recording)
    assert not report.of_verdict(WRONG)
    kept = [row for row in report.rows if row.name.startswith("invariant: ")]
    assert len(kept) == 15
    assert {row.verdict for row in kept} == {EQUAL}
    (other,) = (row for row in report.rows if row.name == "nr_hugepages")
    assert other.rules == ("K17",)


def _two_in_one_frame(case: dict[str, Any]) -> None:
    case["pfn_after"][:400] = [case["pfn_after"][0]] * 400


def _downwards(case: dict[str, Any]) -> None:
    for at in range(-200, 0):
        case["pfn_after"][at] = case["pfn_before"][at] - 1


def _uncounted(case: dict[str, Any]) -> None:
    case["vmstat_delta"]["pgmigrate_success"] = 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("alter", "name"),
    [
        (_two_in_one_frame, "has a frame for each page"),
        (_downwards, "moved to higher frames"),
        (_uncounted, "moved was counted"),
    ],
)
def test_a_direct_run_that_cannot_be_is_wrong(alter: Callable[[dict[str, Any]], None], name: str) -> None:
    """The rules of direct runs excuse no recording that breaks what holds for every compaction (2.4)."""
    recording = case_of("alt1")
    recording["cases"][0]["mode"] = 4
    alter(recording["cases"][0])
    wrong = {row.name for row in replay(recording).of_verdict(WRONG)}
    assert f"invariant: what was recorded {name}" in wrong


def test_a_pattern_or_mode_that_is_not_known() -> None:
    """Another pattern is a row that says so (A04); another mode is an error."""
    recording = case_of("alt1")
    recording["cases"][0]["pattern"] = "blocks"
    (row,) = (row for row in replay(recording).rows if row.name == "pages left by pattern blocks")
    assert row.rules == ("A04",)
    recording["cases"][0]["mode"] = 7
    with pytest.raises(RecordingError, match="mode: 7 is none of 0 to 5"):
        replay(recording)


def test_pinned_pages_stay() -> None:
    """In mode 3 the first pages of every 37th index are pinned; a recording in which they moved is wrong."""
    recording = case_of("alt1")
    recording["cases"][0]["mode"] = 3
    report = replay(recording)
    assert wrong_names(report, "alt1, 6.1")
    fixed = [row for row in report.rows if row.name == "invariant: what cannot move keeps its frame"]
    assert {row.verdict for row in fixed} == {EQUAL}


FAULTS: dict[str, tuple[Callable[[Recording], object], str]] = {
    "section": (lambda it: it.update(news=[]), r"news: this section is not known; known: cases, "),
    "no map": (
        lambda it: it["cases"][0].pop("map_before"),
        r"cases: has another shape \(KeyError: 'map_before'\)",
    ),
    "short map": (
        lambda it: it["cases"][0].update(map_before="A"),
        r"cases: map_before: 1 frames, the zone spans 16349",
    ),
    "no event": (
        lambda it: it["cases"][0].update(trace=[]),
        r"cases: trace: no event tells the node and the zone",
    ),
    "letters": (
        lambda it: it["cases"][0].update(map_before="z" * 16349),
        r"cases: kinds: 'z' is no letter of a map",
    ),
    "zoneinfo": (
        lambda it: it["cases"][0]["before"].update(zoneinfo=""),
        r"cases: zoneinfo: no zone DMA32 of node 3 at 147456",
    ),
    "blocks": (
        lambda it: it["cases"][0]["before"].update(pagetypeinfo=""),
        r"cases: pagetypeinfo: there are no pageblocks of node 3",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_recording_of_another_shape_is_refused(fault: str) -> None:
    """The error names the place in the recording."""
    recording = case_of("alt1")
    alter, message = FAULTS[fault]
    alter(recording)
    with pytest.raises(RecordingError, match=message):
        replay(recording)


@pytest.mark.long
def test_a_part_that_nobody_compares_is_wrong() -> None:
    """Nothing of a case is passed over."""
    recording = case_of("alt1")
    recording["cases"][0]["weather"] = "fine"
    assert [row.name for row in replay(recording).of_verdict(WRONG)] == ["weather"]


def test_events_are_cut_to_those_of_4_9() -> None:
    """Task, CPU and time, later fields and later events are cut away (K05)."""
    lines = [
        "       b678-150     [000] .....     7.485826: mm_compaction_suitable: node=3 zone=DMA32    order=-1 ret=x",
        "mm_migrate_pages_start: mode=MIGRATE_SYNC reason=compaction",
        "mm_migrate_pages: nr_succeeded=3 nr_failed=0 nr_thp_succeeded=0 nr_thp_failed=0 nr_thp_split=0 mode=M",
    ]
    assert recorded_events(lines) == [
        "mm_compaction_suitable: node=3 zone=DMA32    order=-1 ret=x",
        "mm_migrate_pages: nr_succeeded=3 nr_failed=0 mode=M",
    ]


def test_free_frames_are_merged_as_far_as_they_go() -> None:
    """Aligned runs of free frames are one block, up to order 10 (2.5)."""
    assert derived_blocks("A" + "." * 7 + "A", 0x1000) == [1, 1, 1, *[0] * 8]
    assert derived_blocks("." * 2048, 0x1000)[10] == 2
    assert derived_blocks("." * 2048, 0x1200)[9:] == [2, 1]


def test_block_types_from_totals() -> None:
    """Free pages on the lists of a type tell which of two blocks has it (2.5)."""
    blocks = [
        (0, "S" * 8),
        (8, "S" * 4 + "." * 4),
        (16, "S" * 2 + "." * 6),
        (24, "." * 8),
        (32, "R" * 8),
        (40, "A" * 8),
    ]
    kernel = frozenset("S")
    found = choose_types(blocks, kernel, frozenset(), BlockTotals(3, 6), BlockTotals(1, 4))
    assert found == {
        0: MigrateType.UNMOVABLE,
        8: MigrateType.RECLAIMABLE,
        16: MigrateType.UNMOVABLE,
        32: MigrateType.UNMOVABLE,
    }
    behind = choose_types(blocks, kernel, frozenset(), BlockTotals(3, 4), BlockTotals(2, 14))
    assert {at for at, kind in behind.items() if kind is MigrateType.RECLAIMABLE} == {16, 24}


def test_patterns() -> None:
    """Which pages a pattern keeps, as the notes of the recordings say."""
    assert kept_pages("alt1", 6, 1) == [1, 3, 5]
    assert kept_pages("alt2", 8, 1) == [2, 3, 6, 7]
    assert kept_pages("rand0", 5, 7) == [0, 1, 2, 3, 4]
    assert kept_pages("rand100", 5, 7) == []
    assert kept_pages("moon", 5, 7) is None
    case = case_of("runs")["cases"][0]
    assert kept_pages("runs", case["fill_pages"], case["seed"]) == case["page_index"]


def test_zones_of_zoneinfo() -> None:
    """Only zones with pages count; sizes of lists are not mistaken for watermarks (K08)."""
    zones = zones_of(case_of("alt1")["cases"][0]["before"]["zoneinfo"])
    assert [(zone.nid, zone.kind, zone.start_pfn, zone.high) for zone in zones] == [
        (0, "DMA", 1, 27),
        (0, "DMA32", 4096, 626),
        (1, "DMA32", 98304, 248),
        (2, "DMA32", 131072, 121),
        (3, "DMA32", 147456, 121),
    ]
