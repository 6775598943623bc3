"""The recordings of a real kernel's NUMA calls replay, and changed ones do not (spec/differences-numa.md)."""

import random
from typing import Any

import pytest
from fidelity.numa_kit import EQUAL, EXPLAINED, FILES, WRONG, changed, only, real, report_of, rows_of

TALLY: dict[str, tuple[dict[str, tuple[int, int]], dict[str, int]]] = {
    "move_pages": ({"cases": (61, 10)}, {"N01": 2, "N03": 1, "N04": 4, "N05": 2, "N06": 1}),
    "move_pages_target_full": ({"call": (0, 1)}, {"N07": 1}),
    "mbind_matrix": ({"rows": (434, 182)}, {"N09": 41, "N10": 141}),
    "errors_and_policies": (
        {
            "mbind": (144, 20),
            "set_mempolicy": (157, 11),
            "get_mempolicy": (7, 4),
            "fault_placement": (69, 23),
            "set_mempolicy_home_node": (0, 5),
        },
        {"N10": 34, "N11": 7, "N12": 3, "N13": 1, "N14": 2, "N15": 5, "N16": 4, "N17": 5, "S01": 2},
    ),
    "migrate_pages": ({"pairs": (103, 0), "errors": (18, 3)}, {"N19": 3}),
    "numa_maps": (
        {"lines": (13, 48), "whole_file_selected": (0, 11)},
        {"N10": 9, "N11": 1, "N21": 38, "S02": 11},
    ),
    "cpuset_v1": ({"cases": (212, 19), "errors": (8, 0)}, {"N22": 19}),
}
"""Equal and explained rows by section, and by rule."""


@pytest.mark.parametrize("file", FILES)
def test_no_row_is_wrong(file: str) -> None:
    """Every row is equal, or explained by the rules of the table of differences, as many as these."""
    report = report_of(file)
    assert report.of_verdict(WRONG) == ()
    sections, rules = TALLY[file]
    assert {name: (each[EQUAL], each[EXPLAINED]) for name, each in report.sections().items()} == sections
    assert dict(report.rule_counts()) == rules


@pytest.mark.parametrize("file", FILES)
def test_every_row_of_a_recording_has_a_verdict(file: str) -> None:
    """Nothing is left out: there are as many verdicts as rows, and an explained one names a rule of its topic."""
    report, recording = report_of(file), real(file)
    lists = [content for name, content in recording.items() if isinstance(content, list)]
    aids = sum(len(recording.get(name, ())) for name in ("columns", "maps_of_the_same", "placement_after"))
    assert len(report.rows) == sum(map(len, lists)) - aids or file == "move_pages_target_full"
    known = {rule.id for rule in report.rules}
    for row in report.rows:
        assert (row.verdict is EXPLAINED) == bool(row.rules)
        assert set(row.rules) <= known


OUTPUTS = [
    ("move_pages", "cases", "ret errno status query_after note"),
    ("errors_and_policies", "mbind", "ret errno place policy_before_hole policy_after_hole"),
    ("errors_and_policies", "set_mempolicy", "ret errno get_ret get_mode get_nodes mems_allowed"),
    ("errors_and_policies", "get_mempolicy", "ret errno mode mask next_node"),
    ("errors_and_policies", "fault_placement", "ret nodes"),
    ("errors_and_policies", "set_mempolicy_home_node", "ret errno fault_nodes"),
    ("migrate_pages", "pairs", "ret errno moved"),
    ("migrate_pages", "errors", "ret errno child_pages_per_node own_pages place shared_page own_page"),
    ("numa_maps", "lines", "line"),
    ("cpuset_v1", "cases", "errno policy_after after faulted_after"),
    ("cpuset_v1", "errors", "errno reads_after ret status place mask"),
]
FIELDS = [(file, section, field) for file, section, fields in OUTPUTS for field in fields.split()]


def change(row: dict[str, Any], field: str, chance: random.Random) -> bool:
    """Change a result of a row; whether it has one that can be."""
    if field not in row or (field == "note" and "status" in row):
        return False
    others = list(changed(row[field]))
    if field == "line":  # the file's name is set up as it is told
        others = [line for line in map(chance_digit(chance), [row["line"]] * 3) if line != row["line"]]
    if not others:
        return False
    row[field] = chance.choice(others)
    return True


def chance_digit(chance: random.Random) -> Any:
    """A function that changes one number behind a ``=`` of a line, if there is one, else its policy."""

    def other(line: str) -> str:
        words = line.split(" ")
        places = [place for place, word in enumerate(words) if "=" in word and word.split("=")[1].isdigit()]
        if not places:
            return line.replace(" default", " local")
        name, number = words[place := chance.choice(places)].split("=")
        words[place] = f"{name}={int(number) + chance.choice((1, 3))}"
        return " ".join(words)

    return other


@pytest.mark.parametrize(("file", "section", "field"), FIELDS, ids=[" ".join(each) for each in FIELDS])
def test_a_changed_result_is_wrong(file: str, section: str, field: str) -> None:
    """A row with another return value, errno, status, node, mask or text is wrong, unless it is what 4.9 gives too."""
    recording, chance = real(file), random.Random(field)
    rows = recording[section]
    touched = [index for index, row in enumerate(rows) if change(row, field, chance)]
    assert touched
    kept = {name: content for name, content in recording.items() if not isinstance(content, list)}
    verdicts = rows_of({**kept, section: rows})
    for index in touched:
        row = verdicts[index]
        assert row.verdict is WRONG or row.recorded == row.ours, row


@pytest.mark.slow
@pytest.mark.parametrize("field", ["ret", "errno", "after"])
def test_a_changed_result_of_the_matrix_is_wrong(field: str) -> None:
    """The same for the rows of the matrix, which are lists."""
    recording, chance = real("mbind_matrix"), random.Random(field)
    at = recording["columns"].index(field)
    for row in recording["rows"]:
        row[at] = chance.choice(list(changed(row[at])))
    for row in rows_of(recording):
        assert row.verdict is WRONG or row.recorded == row.ours, row


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ret", 0), ("errno", "EIO"), ("status_3", 169), ("status_unwritten_777", 69119), ("status_other", 1),
        ("first_bad_index", 1), ("first_bad_status", 3), ("status_histogram", {"777": 69119, "3": 1}),
        ("placement_after", [0, 0, 6492, 62627]), ("placement_after", [0, 0, 69120, 0]), ("other", 1),
    ],
)  # fmt: skip
def test_a_changed_result_of_the_full_target_is_wrong(field: str, value: Any) -> None:
    """A status more, a page lost, or pages that the free lists do not show: wrong (N07)."""
    recording = real("move_pages_target_full")
    recording[field] = value
    assert [row.verdict for row in rows_of(recording)] == [WRONG]


WHOLE = "whole_file_selected"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("00401000 default file=/t/bin/b4568 dirty=124 active=32 N0=125 kernelpagesize_kB=4", "mapped where"),
        (
            "00401000 default file=/t/bin/b4568 dirty=125 active=125 N0=125 kernelpagesize_kB=4",
            "active of all",
        ),
        (
            "00401000 default file=/t/bin/b4568 dirty=126 active=32 N0=125 kernelpagesize_kB=4",
            "more pages of a kind",
        ),
        (
            "00401000 default file=/t/bin/b4568 dirty=126 active=32 N0=126 kernelpagesize_kB=4",
            "more pages than its",
        ),
        ("00401000 default file=/t/bin/b4568 dirty=125 active=32 N0=125", "page size"),
        (
            "00401000 default file=/t/bin/b4568 dirty=125 active=32 N4=125 kernelpagesize_kB=4",
            "nodes out of order",
        ),
        (
            "00401000 default file=/t/bin/other dirty=125 active=32 N0=125 kernelpagesize_kB=4",
            "maps calls it",
        ),
        (
            "00402000 default file=/t/bin/b4568 dirty=125 active=32 N0=125 kernelpagesize_kB=4",
            "maps has no such",
        ),
        ("00400000 default file=/t/bin/b4568 dirty=1 N0=1 kernelpagesize_kB=4", "not above the one before"),
        ("00401000 default file=/t/bin/b4568 active=32 dirty=125 N0=125 kernelpagesize_kB=4", "no line of"),
    ],
)
def test_a_line_that_cannot_be_is_wrong(line: str, fault: str) -> None:
    """Of the recorder's own program the format, order, sums and areas are checked (spec/migration.md 9.10)."""
    recording = real("numa_maps")
    recording[WHOLE][1] = line
    rows = rows_of(
        {**only("numa_maps", WHOLE), **{name: recording[name] for name in (WHOLE, "maps_of_the_same")}}
    )
    assert rows[1].verdict is WRONG
    assert fault in rows[1].note


def test_a_row_that_cannot_be_replayed_is_wrong_and_the_others_are_compared() -> None:
    """Rows of another shape are told of one by one."""
    good = real("errors_and_policies")["set_mempolicy_home_node"][0]
    rows = rows_of(only("mbind_set_get_errors", "set_mempolicy_home_node", {"name": "?"}, good, {}))
    assert [row.verdict for row in rows] == [WRONG, EXPLAINED, WRONG]
    assert "cannot be replayed" in rows[0].note


def test_a_field_that_nothing_stands_for_is_told_of() -> None:
    """A row with one more field is not equal: it is explained by a rule that says so, and still compared (S03)."""
    row = real("cpuset_v1")["cases"][0]
    (told,) = rows_of(only("cpuset_v1", "cases", {**row, "weather": "fair"}))
    assert (told.verdict, told.rules) == (EXPLAINED, ("S03",))
    assert "weather" in told.note
    (wrong,) = rows_of(only("cpuset_v1", "cases", {**row, "weather": "fair", "errno": "EIO"}))
    assert wrong.verdict is WRONG


@pytest.mark.parametrize("seed", range(6))
def test_a_part_of_a_recording_replays_as_well(seed: int) -> None:
    """Rows may be missing, those that a group of rows starts with too: none of the others is wrong."""
    chance = random.Random(seed)
    for file, section in (("move_pages", "cases"), ("numa_maps", "lines"), ("cpuset_v1", "errors")):
        recording = real(file)
        rows = [row for row in recording[section] if chance.random() < 0.5]
        assert [
            row for row in rows_of(only(recording["topic"], section, *rows)) if row.verdict is WRONG
        ] == []
