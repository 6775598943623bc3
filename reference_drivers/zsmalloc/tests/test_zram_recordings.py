"""The recording of a real kernel's zram replays, and a changed one does not (spec/differences-drivers.md 1)."""

from collections.abc import Callable
from typing import Any

import pytest
from recording_kit import RECORDING, changed_line, of_section, real, sequences, verdicts

from movable import Row, RowVerdict, load_recording, replay
from movable_zsmalloc.recordings import twin
from movable_zsmalloc.zram import LINUX_4_9, ZramDevice

EQUAL, EXPLAINED, WRONG = RowVerdict.EQUAL, RowVerdict.EXPLAINED, RowVerdict.WRONG

MM_STAT = (
    "orig_data_size", "compr_data_size", "mem_used_total", "mem_limit", "mem_used_max", "zero_pages",
    "pages_compacted",
)  # fmt: skip


def lz4_steps() -> list[dict[str, Any]]:
    """The steps of the sequence that was recorded with lz4."""
    steps: list[dict[str, Any]] = real("sequences")["sequences"]["lz4"]
    return steps


@pytest.mark.slow
def test_no_row_of_the_recording_is_wrong() -> None:
    """All 568 rows are equal or explained, and as many as spec/differences-drivers.md 0 says are explained."""
    report = replay(load_recording(RECORDING))
    assert report.of_verdict(WRONG) == ()
    assert report.passed
    counts = {section: (each[EQUAL], each[EXPLAINED]) for section, each in report.sections().items()}
    assert counts["sequences lz4"] == counts["sequences lzo"] == (3, 17)
    assert counts["mem_limit"] == (2, 3)
    assert counts["size_sweep lz4"] == (244, 12)
    assert {counts[f"one_by_one k {k}"] for k in (200, 1000, 1500, 2000, 2600, 3000)} == {(40, 0)}
    assert counts["zs_compaction"] == (8, 0)
    assert counts["errors"] == (15, 3)
    assert counts["comp_algorithm"] == (0, 1)


def quick() -> dict[str, Any]:
    """The recording with the long sections cut: every row kind is there."""
    cut = real(
        "comp_algorithm", "sequences", "mem_limit", "size_sweep", "one_by_one", "zs_compaction", "errors"
    )
    del cut["sequences"]["lzo"]
    sweep = cut["size_sweep"]["lz4"]
    sweep["rows"] = [row for row in sweep["rows"] if row[0] % 512 == 0 or row[0] in (3024, 3040, 3232)]
    cut["one_by_one"] = {name: rows[:5] for name, rows in cut["one_by_one"].items() if name != "k200"}
    cut["one_by_one"]["columns"] = real("one_by_one")["one_by_one"]["columns"]
    del cut["zs_compaction"][2:]
    return cut


def test_no_row_of_a_part_of_it_is_wrong() -> None:
    """Of a part with every kind of row none is wrong, and every rule that explains one is listed."""
    report = replay(quick())
    assert report.of_verdict(WRONG) == ()
    assert (
        set(report.rule_counts()) == {"Z01", "Z02", "Z03", "Z05", "Z06"} == {rule.id for rule in report.rules}
    )
    for row in report.rows:
        assert (row.verdict is EXPLAINED) == bool(row.rules)


# -- what was recorded is changed ------------------------------------------------------------------


@pytest.mark.parametrize("place", range(7), ids=MM_STAT)
def test_a_changed_number_of_mm_stat_is_wrong(place: int) -> None:
    """In a sequence every row with another number in any of the seven fields is wrong."""
    steps = lz4_steps()
    for step in steps:
        if "mm_stat" in step:
            step["mm_stat"] = changed_line(step["mm_stat"], place, 1)
    rows = of_section(sequences("lz4", steps))
    assert [row.verdict for row, step in zip(rows, steps, strict=True) if "mm_stat" in step] == [WRONG] * 18


def test_the_last_field_is_not_compared() -> None:
    """huge_pages_since, field 9 of mm_stat, is not modelled (spec/differences-drivers.md 1.1, Z04)."""
    steps = lz4_steps()[:4]
    for step in steps:
        step["mm_stat"] = changed_line(step["mm_stat"], 8, 5)
    assert verdicts(sequences("lz4", steps)) == [EQUAL, EXPLAINED, EXPLAINED, EXPLAINED]


def test_a_changed_number_of_huge_pages_is_wrong() -> None:
    """huge_pages, field 8 of mm_stat and a column of sweeps, must be what the later rules give (Z03, Z04)."""
    steps = lz4_steps()
    for step in steps:
        if "mm_stat" in step:
            step["mm_stat"] = changed_line(step["mm_stat"], 7, 1)
    rows = of_section(sequences("lz4", steps))
    assert [row.verdict for row, step in zip(rows, steps, strict=True) if "mm_stat" in step] == [WRONG] * 18
    recording = real("size_sweep")
    sweep = recording["size_sweep"]["lz4"]
    sweep["rows"] = [row for row in sweep["rows"] if row[0] in (16, 3040, 4000)]
    for row in sweep["rows"]:
        row[4] += 1
    assert verdicts(recording) == [WRONG] * 3


def test_a_changed_number_of_io_stat_or_error_is_wrong() -> None:
    """In a sequence every row with another number in io_stat, another error, or another read is wrong."""
    steps = lz4_steps()
    for position, step in enumerate(steps):
        if "io_stat" in step:
            if position % 5 == 4:
                step["errno"] = "EIO"
            else:
                step["io_stat"] = changed_line(step["io_stat"], position % 4, 1)
        elif "all_zero" in step:
            step["all_zero"] = 0
        else:
            step["debug_stat"] = "version: 2"
    assert verdicts(sequences("lz4", steps)) == [WRONG] * 20


@pytest.mark.parametrize(
    ("step", "instead"),
    [
        ("100 zero pages at 0..99", "99 zero pages at 0..98"),
        ("50 same-word pages id 0..49 at 100..149", "50 zero pages at 99..148"),
        ("50 same-word pages id 0..49 at 100..149", "50 text pages at 100..149"),
        ("200 incompressible id 0..199 at 200..399", "199 incompressible id 0..198 at 200..398"),
        ("300 k-random k=1024 id 0..299 at 400..699", "300 k-random k=1032 id 0..299 at 400..699"),
        ("300 text id 0..299 at 1000..1299", "300 zero pages at 1000..1299"),
        ("overwrite 400..449 with zero pages", "overwrite 400..450 with zero pages"),
        ("overwrite 0..49 with incompressible id 5000+i", "overwrite 0..48 with incompressible id 5000+i"),
        ("discard 250..349", "discard 250..348"),
        ("discard never written 5000..5009", "discard never written 5000..5008"),
        ("discard even of 700..999", "discard odd of 700..997"),
        ("compact", "end"),
        ("mem_used_max reset", "end"),
    ],
)
def test_another_step_than_was_recorded_is_wrong(step: str, instead: str) -> None:
    """When something else was asked for than what the row's numbers show, the row is wrong."""
    steps = lz4_steps()
    position = next(position for position, each in enumerate(steps) if each["step"] == step)
    steps[position]["step"] = instead
    *before, row = of_section(sequences("lz4", steps[: position + 1]))
    assert row.verdict is WRONG, row
    assert all(each.verdict is not WRONG for each in before)


@pytest.mark.parametrize("column", [2, 3])
def test_changed_sizes_of_a_sweep_are_wrong(column: int) -> None:
    """In a sweep a row with other stored bytes or another pool is wrong, explained ones too."""
    recording = real("size_sweep")
    sweep = recording["size_sweep"]["lz4"]
    sweep["rows"] = [row for row in sweep["rows"] if row[0] in (16, 1504, 3024, 3040, 3216, 3232, 4000)]
    for row in sweep["rows"]:
        row[column] += 1
    assert verdicts(recording) == [WRONG] * 7


@pytest.mark.parametrize(("k", "instead"), [(3040, 3024), (3216, 3232), (3040, 3056), (1504, 1520)])
def test_sizes_of_other_pages_are_wrong(k: int, instead: int) -> None:
    """The numbers of one size do not pass for another's, on either side of the limits of Z03."""
    recording = real("size_sweep")
    sweep = recording["size_sweep"]["lz4"]
    sweep["rows"] = [row for row in sweep["rows"] if row[0] == k]
    assert verdicts(recording)[0] is not WRONG
    sweep["rows"][0][0] = instead
    assert verdicts(recording) == [WRONG]


@pytest.mark.parametrize("column", [1, 2])
def test_changed_sizes_one_by_one_are_wrong(column: int) -> None:
    """Pages added one by one: a row with another number is wrong, the next is not."""
    recording = real("one_by_one")
    section = recording["one_by_one"]
    recording["one_by_one"] = {"columns": section["columns"], "k1500": section["k1500"][:6]}
    for row in section["k1500"][0:6:2]:
        row[column] -= 1
    assert verdicts(recording) == [WRONG, EQUAL] * 3


def test_changed_numbers_around_a_compaction_are_wrong() -> None:
    """Before and after zs_compact what the pool takes and gave back matters; so does how much was kept."""
    for place in (2, 6):
        recording = real("zs_compaction")
        del recording["zs_compaction"][2:]
        for step in recording["zs_compaction"]:
            step["mm_stat"] = changed_line(step["mm_stat"], place, 1)
        assert verdicts(recording) == [WRONG, WRONG]
    recording = real("zs_compaction")
    del recording["zs_compaction"][2:]
    recording["zs_compaction"][0]["step"] = "4000 pages k=1000, keep every 4th: before compact"
    assert verdicts(recording) == [WRONG, WRONG]


@pytest.mark.parametrize("place", range(7), ids=MM_STAT)
def test_changed_numbers_at_the_limit_are_wrong(place: int) -> None:
    """At the memory limit each of the numbers matters."""
    recording = real("mem_limit")
    for step in recording["mem_limit"]:
        step["mm_stat"] = changed_line(step["mm_stat"], place, 4096)
    assert verdicts(recording) == [WRONG] * 5


@pytest.mark.parametrize(
    ("position", "key", "value"),
    [
        (0, "step", "lz4 64M, mem_limit 2M"),
        (1, "step", "incompressible pages until failure: 255 written"),
        (1, "step", "incompressible pages until failure: 257 written"),
        (1, "errno", "ENOMEM"),
        (1, "errno", "0"),
        (2, "errno", "EIO"),
        (3, "io_stat", "0 1 0 0"),
        (3, "errno", "0"),
        (4, "step", "after discarding 9 pages, one more"),
        (4, "io_stat", "0 2 0 9"),
    ],
)
def test_another_story_at_the_limit_is_wrong(position: int, key: str, value: str) -> None:
    """Another limit, count, error or counter than was recorded makes that row wrong."""
    recording = real("mem_limit")
    recording["mem_limit"][position][key] = value
    assert verdicts(recording)[position] is WRONG


# -- an explanation needs its rule -----------------------------------------------------------------


def stat_step(step: str, mm_stat: str, io_stat: str = "0 0 0 0") -> dict[str, Any]:
    """A step as recordings have it."""
    return {"step": step, "errno": "0", "mm_stat": mm_stat, "io_stat": io_stat}


SET_UP = stat_step("init disksize 64M", "0 0 0 0 0 0 0 0 0")


@pytest.mark.parametrize(
    ("step", "mm_stat"),
    [
        pytest.param("3 incompressible at 0..2", "12288 0 0 0 0 3 0 0 0", id="Z01 without a repeated word"),
        pytest.param(
            "3 incompressible at 0..2", "16384 12288 12288 0 12288 0 0 3 3", id="Z02 without a filled page"
        ),
        pytest.param(
            "3 incompressible at 0..2", "12288 9300 12288 0 12288 0 0 0 0", id="Z03 without such a length"
        ),
        pytest.param(
            "3 zero at 0..2", "12288 0 4096 0 4096 3 0 0 0", id="Z02 and a page that it does not give"
        ),
        pytest.param("3 zero at 0..2", "12288 0 0 0 0 2 0 0 0", id="Z02 and another count of filled pages"),
        pytest.param("3 same-word at 0..2", "12288 0 0 0 0 0 0 0 0", id="Z01 and no filled page"),
        pytest.param("3 same-word at 0..2", "8192 0 0 0 0 3 0 0 0", id="Z01 and a page lost"),
        pytest.param(
            "2 k-random k=3072 at 0..1", "8192 6200 8192 0 8192 0 0 0 0", id="Z03 and other lengths"
        ),
    ],
)
def test_the_mark_of_a_rule_without_its_inputs_is_wrong(step: str, mm_stat: str) -> None:
    """A difference that looks like a rule's is wrong if the inputs do not bring the rule in, or not that far."""
    assert verdicts(sequences("lz4", [SET_UP, stat_step(step, mm_stat)])) == [EQUAL, WRONG]


@pytest.mark.parametrize(
    ("steps", "rules"),
    [
        ([("4 zero at 0..3", "16384 0 0 0 0 4 0 0 0")], "Z02"),
        ([("3 same-word at 0..2", "12288 0 0 0 0 3 0 0 0")], "Z01 Z02"),
        ([("2 incompressible at 0..1", "8192 8192 8192 0 8192 0 0 2 2")], ""),
        (
            [
                ("1 incompressible at 0", "4096 4096 4096 0 4096 0 0 1 1"),
                ("overwrite 0 with incompressible id 9", "4096 4096 4096 0 8192 0 0 1 2"),
            ],
            "",
        ),
        (
            [
                ("2 incompressible at 0..1", "8192 8192 8192 0 8192 0 0 2 2"),
                ("overwrite 0 with zero page", "8192 4096 4096 0 8192 1 0 1 2"),
                ("discard 0", "4096 4096 4096 0 8192 0 0 1 2"),
            ],
            "",
        ),
    ],
)
def test_the_columns_of_5_14_replay(steps: list[tuple[str, str]], rules: str) -> None:
    """Lines that spec/drivers.md 7.8 gives for [5.14] (a, b, c, i, j) are equal, or explained by their rules."""
    discards = sum(step.startswith("discard") for step, _ in steps)
    recorded = [stat_step(step, line) for step, line in steps]
    recorded[-1]["io_stat"] = f"0 0 0 {discards}"
    row = of_section(sequences("lz4", [SET_UP, *recorded]))[-1]
    assert (row.verdict, " ".join(row.rules)) == (EXPLAINED if rules else EQUAL, rules)


def test_a_recording_by_the_rules_of_4_9_is_equal() -> None:
    """What a 4.9 kernel would have recorded, seven fields long, is equal without any rule (7.8, a and p)."""
    recorded = [
        stat_step("init disksize 64M", "0 0 0 0 0 0 0"),
        stat_step("30 zero at 0..29", "0 0 0 0 0 30 0"),
        stat_step("20 incompressible at 30..49", "81920 81920 81920 0 81920 30 0"),
    ]
    assert verdicts(sequences("lz4", recorded)) == [EQUAL] * 3


def _count_twice(broken: Callable[..., None]) -> Callable[..., None]:
    def count(device: ZramDevice, index: int, element: int) -> None:
        broken(device, index, element)
        device.stats.filled_pages += device.rules is LINUX_4_9

    return count


def _store_more(broken: Callable[..., None]) -> Callable[..., None]:
    def store(device: ZramDevice, index: int, handle: int, length: int) -> None:
        broken(device, index, handle, length)
        device.stats.compr_data_size += device.rules is LINUX_4_9

    return store


@pytest.mark.parametrize(
    ("method", "change", "field"),
    [("_install_filled", _count_twice, "zero_pages 4"), ("_install", _store_more, "compr_data_size")],
)
def test_a_rule_does_not_excuse_the_emulator(
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    change: Callable[[Callable[..., None]], Callable[..., None]],
    field: str,
) -> None:
    """A row to which a rule applies is wrong if the emulator does not give what the rule's 4.9 column says."""
    recorded = [
        SET_UP,
        stat_step("4 zero at 0..3", "16384 0 0 0 0 4 0 0 0"),
        stat_step("2 incompressible at 4..5", "24576 8192 8192 0 8192 4 0 2 2"),
    ]
    assert verdicts(sequences("lz4", recorded)) == [EQUAL, EXPLAINED, EXPLAINED]
    monkeypatch.setattr(ZramDevice, method, change(getattr(ZramDevice, method)))
    row: Row = of_section(sequences("lz4", recorded))[-1]
    assert row.verdict is WRONG
    assert f"by the rules of 4.9 it should be {field}" in row.note


def test_rules_are_about_behaviour() -> None:
    """Every rule has a sentence that names both versions, a section, and no name of a row."""
    steps = {step.get("step", "debug_stat") for step in lz4_steps()}
    for rule in twin.RULES:
        assert len(rule.sentence.split()) > 5
        assert rule.source.startswith("spec/differences-drivers.md")
        assert not any(step in rule.sentence for step in steps)
