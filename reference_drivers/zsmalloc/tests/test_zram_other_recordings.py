"""Recordings of the same format that the real one is not: other sizes, steps, algorithms, errors, and broken ones."""

import random
import re
from collections.abc import Mapping
from typing import Any

import pytest
from recording_kit import changed_line, errors, of_section, real, sequences, verdicts

from movable import PAGE_SIZE, VM, RecordingError, RowVerdict, replay
from movable_zsmalloc import ZramDevice, ZramSysfs
from movable_zsmalloc.recordings import page_contents
from movable_zsmalloc.zram import LINUX_6_1, Compressor, compressor

EQUAL, EXPLAINED, WRONG = RowVerdict.EQUAL, RowVerdict.EXPLAINED, RowVerdict.WRONG


OVERHEAD = {"lzo": 77, "lzo-rle": 77, "zstd": 22}


def prefix_compressor(name: str) -> Compressor:
    """One whose lengths depend on how many bytes are random only, as those of the kernel's lzo do (1.2)."""
    if name == "lz4":
        return compressor(name)

    def compress(data: bytes) -> bytes:
        used = -(-len(data.rstrip(b"\0")) // 8) * 8
        return bytes(used + OVERHEAD[name])

    return Compressor(name, compress, bytes)


class Recorder:
    """Stands in for a later kernel: does steps on a device by the later rules and records what they leave behind."""

    def __init__(self, vm: VM, algorithm: str, pages: int) -> None:
        self.device = ZramDevice(vm, algorithm=algorithm, rules=LINUX_6_1, make_compressor=prefix_compressor)
        self.device.init(pages * PAGE_SIZE)
        self.steps: list[dict[str, Any]] = []
        self.note(f"init disksize {pages * PAGE_SIZE >> 10}K")

    def note(self, step: str, error: str = "0") -> None:
        """Record what the device says after a step."""
        files = ZramSysfs(self.device)
        lines = {name: files.read(name).rstrip() for name in ("mm_stat", "io_stat")}
        lines["mm_stat"] += f" {self.device.stats.huge_pages} 0"
        self.steps.append({"step": step, "errno": error, **lines})

    def write(self, first: int, count: int, kind: str, start: int = 0, k: int = PAGE_SIZE) -> None:
        """Write pages of a kind."""
        for number in range(count):
            self.device.write_page(first + number, page_contents(kind, start + number, k))
        what = f"{kind} k={k}" if kind == "k-random" else kind
        self.note(f"{count} {what} id {start}..{start + count - 1} at {first}..{first + count - 1}")

    def discard(self, first: int, end: int, every: str) -> None:
        """Discard pages."""
        for index in range(first, end + 1):
            if not every or index % 2 == (every.startswith("odd")):
                self.device.discard(index, 1)
        self.note(f"discard {every}{first}..{end}")

    def control(self, file: str, text: str, step: str) -> None:
        """Write a control file."""
        ZramSysfs(self.device).write(file, text)
        self.note(step)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("algorithm", ["lz4", *OVERHEAD])
def test_made_up_sequences_replay(vm: VM, algorithm: str, seed: int) -> None:
    """Random sequences on devices of other sizes have no wrong row, whatever the algorithm."""
    chance = random.Random(seed)
    recorder = Recorder(vm, algorithm, chance.choice([100, 333, 1000]))
    pages = recorder.device.pages
    for _ in range(12):
        first = chance.randrange(pages - 20)
        count = chance.randint(1, 20)
        match chance.randrange(6):
            case 0:
                recorder.write(first, count, "zero")
            case 1:
                recorder.write(first, count, "same-word", chance.randrange(1000))
            case 2:
                recorder.write(first, count, "incompressible", chance.randrange(1000))
            case 3:
                recorder.write(first, count, "k-random", chance.randrange(1000), chance.choice([208, 1200]))
            case 4:
                recorder.discard(first, first + count - 1, chance.choice(["", "even of ", "odd of "]))
            case 5:
                recorder.control("compact", "1", "compact")
                recorder.control("mem_used_max", "0", "mem_used_max reset")
    report = replay(sequences(algorithm, recorder.steps))
    assert report.of_verdict(WRONG) == ()
    assert len(report.rows) == len(recorder.steps) > 12
    last = recorder.steps[-1]
    last["mm_stat"] = changed_line(last["mm_stat"], 2, 4096)
    assert verdicts(sequences(algorithm, recorder.steps))[-1] is WRONG


def lzo_steps() -> list[dict[str, Any]]:
    """The steps that were recorded with lzo, whose lengths come from the recording."""
    steps: list[dict[str, Any]] = real("sequences")["sequences"]["lzo"]
    return steps


@pytest.mark.parametrize("place", [0, 2, 3, 4, 5, 6])
def test_a_changed_number_is_wrong_with_recorded_lengths(place: int) -> None:
    """Where lengths are taken from the recording every other number is still checked (1.2)."""
    steps = lzo_steps()[:11]
    for step in steps:
        step["mm_stat"] = changed_line(step["mm_stat"], place, 1)
    assert verdicts(sequences("lzo", steps)) == [WRONG] * 11


@pytest.mark.parametrize("position", range(17))
def test_recorded_lengths_have_limits(position: int) -> None:
    """Other stored bytes are wrong at once where they are no input, and where such pages go otherwise (1.2)."""
    steps = lzo_steps()[:17]
    steps[position]["mm_stat"] = changed_line(steps[position]["mm_stat"], 1, 1)
    found = verdicts(sequences("lzo", steps))
    is_input = re.match("[0-9]+ (k-random|text)", steps[position]["step"])
    assert found[position] is WRONG or (is_input and WRONG in found)


def test_a_sweep_with_recorded_lengths() -> None:
    """A sweep of zstd takes the recorded sum for its lengths, and checks the pool that must come of it (1.2)."""
    rows = [[1000, 10, 10103, 12288, 0], [4096, 3, 12288, 12288, 3], [3120, 5, 5 * 3136, 16384, 0]]
    sweep = {"columns": ["k", "pages", "compr_data_size", "mem_used_total", "huge_pages"], "rows": rows}
    recording = {"topic": "zram", "size_sweep": {"zstd": sweep}}
    assert [(row.verdict, row.rules) for row in of_section(recording)] == [
        (EQUAL, ()),
        (EQUAL, ()),
        (EXPLAINED, ("Z03",)),
    ]
    for row in rows:
        row[3] += 4096
    assert verdicts(recording) == [WRONG] * 3


def test_a_limit_that_4_9_meets_earlier() -> None:
    """Where 4.9 stores whole what later kernels compress, fewer pages fit below a limit: explained by Z03."""
    with VM("tiny") as vm:
        device = ZramDevice(vm, rules=LINUX_6_1)
        device.init(1 << 20)
        files = ZramSysfs(device)
        files.write("mem_limit", "80K")
        recorder = [{"step": "lz4 1M, mem_limit 80K", "errno": "0"} | lines(device)]
        written = 0
        while not device.rw_page(written, page_contents("k-random", written, 3120)):
            written += 1
        recorder.append(
            {"step": f"k-random k=3120 pages until failure: {written} written", "errno": "EIO"}
            | lines(device)
        )
    assert written == 25
    recording = {"topic": "zram", "mem_limit": recorder}
    rows = of_section(recording)
    assert [(row.verdict, row.rules) for row in rows] == [(EQUAL, ()), (EXPLAINED, ("Z03",))]
    assert "orig_data_size 81920" in rows[1].ours
    recorder[1]["step"] = "k-random k=3120 pages until failure: 24 written"
    assert verdicts(recording) == [EQUAL, WRONG]


def lines(device: ZramDevice) -> dict[str, str]:
    """The two statistics lines of a device."""
    files = ZramSysfs(device)
    return {name: files.read(name) for name in ("mm_stat", "io_stat")}


def test_a_device_that_is_filled_to_its_end() -> None:
    """Without a failure before, the end of the device is ENOSPC (spec/drivers.md 3.2)."""
    steps = [
        {
            "step": "lz4 16K, mem_limit 1M",
            "errno": "0",
            "mm_stat": "0 0 0 1048576 0 0 0",
            "io_stat": "0 0 0 0",
        },
        {
            "step": "incompressible pages until failure: 4 written",
            "errno": "ENOSPC",
            "mm_stat": "16384 16384 16384 1048576 16384 0 0",
            "io_stat": "0 0 0 0",
        },
    ]
    assert verdicts({"topic": "zram", "mem_limit": steps}) == [EQUAL, EQUAL]


# -- things that were tried ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "result", "verdict"),
    [
        ("disksize again", {"errno": "EBUSY"}, EQUAL),
        ("disksize 4K again", {"errno": "EINVAL"}, WRONG),
        ("comp_algorithm lz4 after init", {"errno": "EBUSY"}, EQUAL),
        ("comp_algorithm zstd", {"errno": "0"}, EQUAL),
        ("comp_algorithm lzo-rle", {"errno": "0"}, EXPLAINED),
        ("comp_algorithm lzo-rle", {"errno": "EPERM"}, WRONG),
        ("comp_algorithm bogus", {"errno": "0"}, WRONG),
        ("comp_algorithm deflate", {"errno": "EINVAL"}, EXPLAINED),
        ("compact before init", {"errno": "EINVAL"}, EQUAL),
        ("compact before init", {"errno": "0"}, WRONG),
        ("compact", {"errno": "0"}, EQUAL),
        ("mem_limit abc", {"errno": "EINVAL"}, EQUAL),
        ("mem_limit reads after 5000", {"value": "8192"}, EQUAL),
        ("mem_limit read", {"errno": "EACCES"}, EXPLAINED),
        ("mem_limit read", {"errno": "EIO"}, WRONG),
        ("mem_used_max 0 before init", {"errno": "0"}, EQUAL),
        ("max_comp_streams 4", {"errno": "0"}, EQUAL),
        ("initstate", {"value": "1"}, EQUAL),
        ("initstate before init", {"value": "0"}, EQUAL),
        ("reset 1", {"errno": "0"}, EQUAL),
        ("reset while open", {"errno": "0"}, WRONG),
        ("idle all", {"errno": "0"}, EXPLAINED),
        ("idle all", {"errno": "EPERM"}, WRONG),
        ("idle some", {"errno": "EINVAL"}, EXPLAINED),
        ("idle some", {"errno": "0"}, WRONG),
        ("idle all before init", {"errno": "EINVAL"}, EXPLAINED),
        ("writeback huge", {"errno": "ENODEV"}, EXPLAINED),
        ("writeback all", {"errno": "ENODEV"}, WRONG),
        ("writeback_limit 5", {"errno": "0"}, EXPLAINED),
        ("read of writeback_limit_enable", {"value": "0"}, EXPLAINED),
        ("read of writeback_limit_enable", {"value": "1"}, WRONG),
        ("read backing_dev", {"value": "none"}, EXPLAINED),
        ("backing_dev /dev/vdb", {"errno": "EBUSY"}, EXPLAINED),
        ("read bd_stat", {"value": "       0        0        0\n"}, EXPLAINED),
        ("read num_reads", {"errno": "ENOENT"}, EXPLAINED),
        ("read num_reads", {"errno": "EINVAL"}, WRONG),
        ("zero_pages 1", {"errno": "ENOENT"}, EXPLAINED),
        ("read mm_stat", {"errno": "ENOENT"}, WRONG),
        ("read of no_such_file", {"errno": "ENOENT"}, EQUAL),
        ("hot_remove 99", {"errno": "ENODEV"}, EQUAL),
        ("hot_remove while open", {"errno": "EBUSY"}, EQUAL),
        ("hot_remove of it", {"errno": "EBUSY"}, WRONG),
        ("hot_add", {"errno": "0"}, EQUAL),
        ("write past the end", {"ret": -1, "errno": "ENOSPC"}, EQUAL),
        ("write past the end", {"ret": 4096, "errno": "ENOSPC"}, WRONG),
        ("write past the end", {"ret": -1, "errno": "EIO"}, WRONG),
        ("read past the end", {"ret": 0, "errno": "0"}, EQUAL),
        ("unaligned write", {"ret": -1, "errno": "EINVAL"}, EQUAL),
        ("short read", {"errno": "EINVAL"}, EQUAL),
        ("write at 4096 len 8192", {"ret": 8192, "errno": "0"}, EQUAL),
        ("discard at 0 len 4096", {"errno": "0"}, EQUAL),
        ("discard at 512 len 4096", {"errno": "0"}, WRONG),
        ("discard past the end", {"errno": "EINVAL"}, EQUAL),
        ("set the house on fire", {"errno": "0"}, WRONG),
        ("discard unaligned", {"errno": "EINVAL"}, EQUAL),
        ("comp_algorithm after init", {"errno": "EBUSY"}, EQUAL),
        ("mem_used_max before init", {"errno": "0"}, EQUAL),
        ("initstate reads", {"value": "1"}, EQUAL),
    ],
)
def test_what_was_tried(what: str, result: Mapping[str, Any], verdict: RowVerdict) -> None:
    """Each access is repeated; a difference is explained only if both sides answer as Z05 or Z06 says."""
    if "zstd" in what:
        pytest.importorskip("zstandard")
    (row,) = of_section(errors({"what": what, **result}))
    assert row.verdict is verdict, row
    assert (row.verdict is EXPLAINED) <= bool(row.rules)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("lzo lzo-rle [lz4] lz4hc zstd ", EXPLAINED),
        ("[lzo-rle] lzo lz4 ", WRONG),
        ("lzo lzo-rle lz4 lz4hc 842 [zstd] ", EXPLAINED),
        ("lzo lzo-rle [lz4] deflate ", WRONG),
        ("lzo lz4 [deflate] ", EXPLAINED),
        ("lzo lzo-rle lz4", WRONG),
        ("[lzo] [lz4]", WRONG),
        ("nothing of the kind", WRONG),
        ("", WRONG),
    ],
)
def test_lists_of_algorithms(text: str, verdict: RowVerdict) -> None:
    """A list is explained if a later kernel can print it and ours is one of 4.9's (Z06; spec/drivers.md 3.9)."""
    assert verdicts({"topic": "zram", "comp_algorithm": text}) == [verdict]
    assert verdicts(errors({"what": "comp_algorithm list", "value": text})) == [verdict]


def test_the_folder_of_files() -> None:
    """The folder's list is explained only if all that both versions have is in it, and nothing else (Z05)."""
    listing = next(row for row in real("errors")["errors"] if "list" in row)
    assert verdicts(errors(listing)) == [EXPLAINED]
    assert verdicts(errors({**listing, "list": listing["list"] + "surprise "})) == [WRONG]
    assert verdicts(errors({**listing, "list": listing["list"].replace("mm_stat", "")})) == [WRONG]
    assert verdicts(errors({**listing, "list": listing["list"].replace("uevent", "")})) == [EXPLAINED]


def test_the_limits_of_the_queue() -> None:
    """Every limit that was recorded must be ours."""
    queue = {"what": "queue", "logical_block_size": "4096", "discard_granularity": "4096"}
    assert verdicts(errors(queue)) == [EQUAL]
    for name in ("logical_block_size", "discard_granularity", "new"):
        assert verdicts(errors({**queue, name: "512"})) == [WRONG]


# -- broken recordings -----------------------------------------------------------------------------

STEP = {"step": "init disksize 64M", "errno": "0", "mm_stat": "0 0 0 0 0 0 0", "io_stat": "0 0 0 0"}
COLUMNS = ["k", "pages", "compr_data_size", "mem_used_total"]


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"surprise": []}, "surprise: this section is not known; known: comp_algorithm, sequences"),
        ({}, "the recording has no row to replay"),
        ({"sequences": {}}, "the recording has no row to replay"),
        ({"sequences": {"lz4": []}}, "sequences: has another shape"),
        ({"sequences": []}, "sequences: has another shape"),
        (
            {"sequences": {"lz4": [{**STEP, "step": "compact"}]}},
            r"sequences lz4 \[0\]: must set the device up",
        ),
        ({"sequences": {"lz4": [STEP, STEP]}}, r"sequences lz4 \[1\]: the device is set up once only"),
        ({"sequences": {"lz4": [{**STEP, "step": "dance"}]}}, "step 'dance' is not understood"),
        ({"sequences": {"lz4": [{"step": STEP["step"]}]}}, "has no mm_stat"),
        ({"sequences": {"lz4": [{**STEP, "mm_stat": "0 0 0"}]}}, "mm_stat has 3 numbers, not 7 or more"),
        ({"sequences": {"lz4": [{**STEP, "io_stat": ""}]}}, "io_stat has 0 numbers, not 4 or more"),
        ({"sequences": {"lz4": [{**STEP, "mm_stat": "a b c d e f g"}]}}, "sequences: has another shape"),
        (
            {"sequences": {"lz4": [STEP, {**STEP, "step": "3 zero at 0..1"}]}},
            "3 pages for 2 places",
        ),
        (
            {"sequences": {"lz4": [STEP, {**STEP, "step": "2 zero id 0..7 at 0..1"}]}},
            r"ids 0..7 are 8, for 2 pages",
        ),
        ({"sequences": {"lz4": [STEP, {**STEP, "step": "1 read at 99999"}]}}, "zram0 has pages 0 to 16383"),
        ({"sequences": {"lz4": [STEP, {**STEP, "step": "discard 0..99999999999"}]}}, "more pages than"),
        ({"mem_limit": [{**STEP, "step": "begin"}]}, "is no 'ALGORITHM SIZE, mem_limit SIZE'"),
        (
            {"mem_limit": [{**STEP, "step": "lz4 1M, mem_limit 1M"}, {**STEP, "step": "dance"}]},
            r"\[1\]: step 'dance' is not understood",
        ),
        ({"size_sweep": {"lz4": {"columns": COLUMNS, "rows": [[16, 1]]}}}, "size_sweep: has another shape"),
        ({"size_sweep": {"lz4": {"rows": []}}}, "size_sweep: has another shape .*columns"),
        ({"one_by_one": {"columns": ["pages_written"], "k9": [[1]]}}, "one_by_one: has another shape"),
        ({"zs_compaction": [{**STEP, "step": "after compact"}]}, "step 'after compact' is not understood"),
        ({"errors": [{"errno": "0"}]}, "errors: has another shape .*what"),
        ({"errors": [{"what": "compact"}]}, "errors: has another shape .*errno"),
        ({"errors": [{"what": "queue"}]}, "queue: the row tells no limit"),
        ({"errors": {"what": "compact"}}, "errors: has another shape"),
        ({"comp_algorithm": 5}, "comp_algorithm: has another shape"),
    ],
)
def test_a_recording_of_another_shape(sections: Mapping[str, Any], message: str) -> None:
    """What cannot be read is an error that names the section and what is wrong with it."""
    with pytest.raises(RecordingError, match=f"^mine: .*{message}"):
        replay({"topic": "zram", **sections}, "mine")


def test_a_field_that_is_missing_anywhere_is_an_error() -> None:
    """Every key of every kind of row is needed: without it there is an error, not a verdict."""
    sections = {
        "sequences": real("sequences")["sequences"]["lz4"][:3],
        "mem_limit": real("mem_limit")["mem_limit"],
    }
    for name, steps in sections.items():
        for key in ("step", "errno", "mm_stat", "io_stat"):
            cut = [*steps[:1], {k: value for k, value in steps[1].items() if k != key}]
            content = {"lz4": cut} if name == "sequences" else cut
            with pytest.raises(RecordingError, match=f"{name}: "):
                replay({"topic": "zram", name: content})


@pytest.mark.parametrize(
    "what", ["write before init", "fire", "no_such_file 5", "write sideways", "discard somewhere"]
)
@pytest.mark.parametrize("error", ["0", "ENOENT", "EINVAL", "EACCES"])
def test_what_is_not_understood_is_not_guessed(what: str, error: str) -> None:
    """A row that names no known file and no known request is wrong, whatever was recorded."""
    (row,) = of_section(errors({"what": what, "errno": error}))
    assert (row.verdict, row.note) == (WRONG, "this row is not understood")


def test_a_folder_without_a_file_that_is_always_there() -> None:
    """A listing of a later kernel without ``idle``, which no build leaves out, is not explained (Z05)."""
    listing = next(row for row in real("errors")["errors"] if "list" in row)
    without = " ".join(name for name in listing["list"].split() if name != "idle")
    (row,) = of_section(errors({**listing, "list": without}))
    assert (row.verdict, row.note) == (WRONG, "not explained: idle")
    built_without = " ".join(name for name in listing["list"].split() if not name.startswith("writeback"))
    assert verdicts(errors({**listing, "list": built_without})) == [EXPLAINED]


STATE = {"errno": "0", "mm_stat": "0 0 0 0 0 0 0", "io_stat": "0 0 0 0"}
SWEEP = ["k", "pages", "compr_data_size", "mem_used_total"]


@pytest.mark.parametrize(
    ("recording", "message"),
    [
        pytest.param(
            {
                "sequences": {
                    "lz4": [{"step": "init disksize 4K", **STATE}, {"step": "2 reads at 0..1", **STATE}]
                }
            },
            r"sequences: sequences lz4 \[1\]: index: zram0 has pages 0 to 0",
            id="a read past the end",
        ),
        pytest.param(
            {
                "sequences": {
                    "lz4": [
                        {"step": "init disksize 4K", **STATE},
                        {"step": "1 zero at 0", **STATE},
                        {"step": "read of a never written page", "errno": "0", "all_zero": 1},
                    ]
                }
            },
            r"\[2\]: every page of the device is written",
            id="no page that was never written",
        ),
        pytest.param(
            {"sequences": {"lz4": [{"step": "init disksize 5000G", **STATE}]}},
            "devices of more than",
            id="a huge device",
        ),
        pytest.param(
            {"size_sweep": {"lz4": {"columns": SWEEP, "rows": [[1000, 0, 0, 0]]}}},
            "a row has 1 to 16384 pages",
            id="a sweep without pages",
        ),
        pytest.param(
            {"size_sweep": {"lz4": {"columns": SWEEP, "rows": [[1000, 10**9, 0, 0]]}}},
            "a row has 1 to 16384 pages",
            id="a sweep without end",
        ),
        pytest.param(
            {
                "zs_compaction": [
                    {"step": "1000000000 pages k=1000, keep every 2nd: before compact", **STATE},
                ]
            },
            "the device has 16384 pages",
            id="a compaction without end",
        ),
    ],
)
def test_recordings_that_cannot_be_replayed(recording: dict[str, Any], message: str) -> None:
    """What no device could have done, or compares nothing, is a RecordingError that names the place."""
    with pytest.raises(RecordingError, match=message):
        replay({"topic": "zram", **recording})


def test_pages_beyond_the_device_end_a_batch() -> None:
    """A row with more pages than the device has stops at its end, and is wrong."""
    rows = {"columns": ["pages_written", "compr_data_size", "mem_used_total"], "k4000": [[10**9, 1, 1]]}
    assert verdicts({"topic": "zram", "one_by_one": rows}) == [WRONG]
