"""``movable compact``: its text, files, exit statuses and refusals."""

import email
import json
import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from movable.cli import main
from movable_zsmalloc.showcase import Phone

DATA = str(Path(email.__file__).parent)
SMALL = ["compact", DATA, "--memory", "16M"]
STATES = ("before", "unmovable", "movable")


@frozen
class Run:
    """What one run wrote: figures, text and picture."""

    figures: dict[str, Any]
    text: str
    picture: Path

    def row(self, label: str, place: int = 0) -> list[str]:
        """The cells of the table's row of this name, the place-th if there are several."""
        rows = [line for line in self.text.splitlines() if line.strip().startswith(label)]
        return re.split(r"\s{2,}", rows[place].strip())[1:]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One small run with every output."""
    folder = tmp_path_factory.mktemp("compact")
    out = StringIO()
    with redirect_stdout(out):
        status = main([*SMALL, "--json", str(folder / "run.json"), "--plot", str(folder / "run.png")])
    assert status == 0
    return Run(json.loads((folder / "run.json").read_text()), out.getvalue(), folder / "run.png")


def test_the_json_has_its_schema(run: Run) -> None:
    """Schema movable.compact/1: the machine, what was written, three memories and two compactions."""
    assert run.figures["schema"] == "movable.compact/1"
    assert set(run.figures) == {
        "schema", "machine", "memory_pages", "algorithm", "seed", "orders", "written", "kept",
        "before", "unmovable", "unmovable_run", "movable", "movable_run", "different_pages",
    }  # fmt: skip
    assert (run.figures["machine"], run.figures["memory_pages"]) == ("phone", 4096)
    assert (run.figures["algorithm"], run.figures["seed"], run.figures["orders"]) == ("lz4", 1, [9, 4])
    for state in STATES:
        assert set(run.figures[state]) == {
            "buddyinfo", "free_pages", "in_blocks", "counted", "allocated", "index",
        }  # fmt: skip
    for each in ("unmovable_run", "movable_run"):
        assert set(run.figures[each]) == {"migrate_scanned", "free_scanned", "migrated", "failed", "seconds"}


@pytest.mark.parametrize("state", STATES)
def test_figures_follow_from_buddyinfo(run: Run, state: str) -> None:
    """Free pages, blocks and their part of free memory are those of the /proc/buddyinfo of the same moment."""
    memory = run.figures[state]
    counts = [int(count) for count in memory["buddyinfo"].split()[4:]]
    free = sum(count << order for order, count in enumerate(counts))
    assert memory["free_pages"] == free
    for place, order in enumerate(run.figures["orders"]):
        blocks = sum(count << larger - order for larger, count in enumerate(counts) if larger >= order)
        total = sum(counts)
        suitable = sum(counts[order:])
        index = -1000 if suitable else 1000 - (1000 + free * 1000 // (1 << order)) // total
        assert memory["counted"][place] == blocks >= memory["allocated"][place]
        assert memory["in_blocks"][place] == pytest.approx((blocks << order) / free)
        assert memory["index"]["Node 0 Normal"][place] == index


def test_movable_pages_make_the_difference(run: Run) -> None:
    """The unmovable run leaves memory as it was; the movable one puts most of it into large blocks."""
    assert run.figures["unmovable"] == run.figures["before"]
    assert run.figures["unmovable_run"]["migrated"] == 0 < run.figures["unmovable_run"]["migrate_scanned"]
    assert run.figures["movable_run"]["migrated"] > 300
    assert run.figures["movable"]["free_pages"] == run.figures["before"]["free_pages"]
    assert run.figures["before"]["in_blocks"][1] < 0.1 < 0.7 < run.figures["movable"]["in_blocks"][1]
    assert run.figures["kept"] == run.figures["written"] - round(run.figures["written"] * 0.6)
    assert run.figures["different_pages"] == 0


def test_the_table_shows_the_figures(run: Run) -> None:
    """Every cell of the table is a figure of the JSON report."""
    for place in (0, 1):
        parts = [f"{100 * run.figures[state]['in_blocks'][place]:.1f} %" for state in STATES]
        assert run.row("free memory in blocks of order", place) == parts
        for label, name in (("such blocks in buddyinfo", "counted"), ("such blocks allocated", "allocated")):
            assert run.row(label, place) == [f"{run.figures[state][name][place]:,}" for state in STATES]
        indices = [run.figures[state]["index"]["Node 0 Normal"][place] / 1000 for state in STATES]
        assert run.row("fragmentation index, Node 0 Normal", place) == [f"{index:.3f}" for index in indices]
    for label, name in (
        ("pages scanned, to find some to move", "migrate_scanned"),
        ("pages scanned, to find free ones", "free_scanned"),
        ("pages moved", "migrated"),
        ("pages that could not be moved", "failed"),
    ):
        figures = [run.figures[f"{state}_run"][name] for state in ("unmovable", "movable")]
        assert run.row(label) == [f"{figure:,}" for figure in figures]
    times = [1000 * run.figures[f"{state}_run"]["seconds"] for state in ("unmovable", "movable")]
    assert run.row("time of compaction") == [f"{time:,.0f} ms" for time in times]


def test_the_text_has_buddyinfo_and_the_verdict(run: Run) -> None:
    """/proc/buddyinfo is printed for each memory, then how much was read back and that no page differs."""
    for title, state in zip(
        ("before", "after compaction, pages unmovable", "after compaction, pages movable"),
        STATES,
        strict=True,
    ):
        assert f"/proc/buddyinfo {title}\n{run.figures[state]['buddyinfo']}" in run.text
    assert re.search(r"read back: .* [KM]iB, 0 pages differ", run.text)
    assert f"drawn: {run.picture}" in run.text


def test_the_picture_is_written(run: Run) -> None:
    """--plot writes a picture whose green part, wholly free blocks, is that of the movable memory."""
    import numpy
    from matplotlib.image import imread

    image = (imread(run.picture)[:, :, :3] * 255).round().astype(int)
    height, width = image.shape[0] // 2, image.shape[1] // 2
    green = (image == (0x7F, 0xD0, 0xB0)).all(axis=2)
    patch = int(green[: height // 3].sum())
    left, right = int(green[height:, :width].sum()), int(green[height:, width:].sum())
    counts = [int(count) for count in run.figures["movable"]["buddyinfo"].split()[4:]]
    assert counts[9] + 2 * counts[10] > 0
    assert left == 0 < patch < right
    cells = int(numpy.prod(image.shape[:2]))
    assert right > 0.02 * cells


def test_quiet_leaves_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """With -q the /proc texts are left out, the table and the verdict stay."""
    assert main([*SMALL, "-q"]) == 0
    out = capsys.readouterr().out
    assert "/proc/buddyinfo" not in out
    assert "free memory in blocks of order 9 (2 MiB)" in out
    assert "0 pages differ" in out


def test_size_is_what_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--size is exactly how much is written, --discard how much of it goes, --seed which."""
    figures = []
    for seed in ("1", "1", "2"):
        arguments = [
            "--size",
            "8M",
            "--discard",
            "25",
            "--seed",
            seed,
            "--json",
            str(tmp_path / "run.json"),
            "-q",
        ]
        assert main([*SMALL, *arguments]) == 0
        figures.append(json.loads((tmp_path / "run.json").read_text()))
        assert (figures[-1]["written"], figures[-1]["kept"]) == (2048, 1536)
    assert "8,192 KiB of real data written" in capsys.readouterr().out
    assert figures[0]["movable"] == figures[1]["movable"] != figures[2]["movable"]


def test_a_byte_that_differs_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If what is read back is not what was written the status is 1, and the text says how many pages."""
    fragment = Phone.fragment

    def spoil(phone: Phone, percent: float) -> int:
        dropped = fragment(phone, percent)
        phone.zram.write_page(next(iter(phone.sums)), b"\xa5" * 4096)
        return dropped

    monkeypatch.setattr(Phone, "fragment", spoil)
    assert main([*SMALL, "--size", "4M"]) == 1
    assert "1 pages differ" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--machine", "tablet"], "tablet"),
        (["--machine", "no/such.toml"], "--machine: cannot read no/such.toml: No such file"),
        (["--memory", "much"], "--memory: must be a size such as 256M, not 'much'"),
        (["--memory", "1M"], "--memory: must be 4M or more, not '1M'"),
        (["--machine", "numa4", "--memory", "64M"], "--memory: goes with machines of one node; numa4 has 4"),
        (["--machine", "numa4"], "--size: filling 1,024 MiB of numa4 takes long"),
        (["--machine", "server"], "--size: filling"),
        ([""], "PATH: a path is empty"),
        (["--size", "0"], "--size: must be a size such as 256M, not '0'"),
        (["--size", "1G", "--memory", "8M"], "choose a smaller --size or more --memory"),
        (["--discard", "101"], "--discard: must be 0 to 100 percent, not 101"),
        (["--discard", "-1"], "--discard: must be 0 to 100 percent, not -1"),
        (["--discard", "nan"], "--discard: must be 0 to 100 percent, not nan"),
        (["--algorithm", "rot13"], "rot13"),
        (["no/such/file"], "PATH: there is no no/such/file"),
        (["--plot", "picture"], "picture: a picture's name ends with .png, .svg or .pdf"),
        (["--plot", "nowhere/picture.png"], "nowhere/picture.png: give a file in an existing folder"),
        (["--json", "nowhere/run.json"], "--json: cannot write nowhere/run.json"),
        (["--json", "."], "--json: cannot write ."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_ends_with_2(
    arguments: list[str], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """What cannot be is refused with status 2 and a message that names it; nothing is written."""
    monkeypatch.chdir(tmp_path)
    assert main(["compact", DATA, *arguments]) == 2
    captured = capsys.readouterr()
    assert reason in captured.err
    assert captured.out == ""
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_no_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A path without a readable byte is refused."""
    assert main(["compact", str(tmp_path)]) == 2
    assert "PATH: no readable file with contents in" in capsys.readouterr().err


def test_memory_comes_in_whole_blocks(tmp_path: Path) -> None:
    """--memory is rounded down to a multiple of 4 MiB, the largest block of the allocator."""
    arguments = ["--memory", "18M", "--size", "4M", "--json", str(tmp_path / "run.json"), "-q"]
    assert main(["compact", DATA, *arguments]) == 0
    assert json.loads((tmp_path / "run.json").read_text())["memory_pages"] == 4096


def test_files_that_cannot_be_read_are_no_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If no file can be read the command says so, and does not look for data forever."""

    def refuse(_path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "secret").write_text("x")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert main(["compact", str(tmp_path), "--memory", "16M"]) == 2
    assert f"PATH: no file in {tmp_path} can be read" in capsys.readouterr().err


@pytest.mark.parametrize(("discard", "kept"), [("0", 1024), ("100", 0)])
def test_all_or_nothing_may_be_discarded(
    tmp_path: Path, discard: str, kept: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Discarding nothing, or everything, is a run like any other."""
    arguments = ["--size", "4M", "--discard", discard, "--json", str(tmp_path / "run.json"), "-q"]
    assert main([*SMALL, *arguments]) == 0
    assert json.loads((tmp_path / "run.json").read_text())["kept"] == kept
    assert "0 pages differ" in capsys.readouterr().out


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_gibibyte_comes_back(tmp_path: Path) -> None:
    """1 GiB of the standard library is written, fragmented, compacted; what was kept is read back without a
    different byte. At least 90 % of free memory is in order-9 blocks if pages move; it stays as it was if not.
    """
    path = tmp_path / "run.json"
    assert main(["compact", "--size", "1G", "--memory", "616M", "-q", "--json", str(path)]) == 0
    figures = json.loads(path.read_text())
    assert figures["written"] == 1 << 18
    assert figures["different_pages"] == 0
    assert figures["movable"]["in_blocks"][0] >= 0.9
    assert figures["movable"]["allocated"][0] >= 0.9 * (figures["movable"]["free_pages"] >> 9)
    assert figures["unmovable"]["in_blocks"][0] == figures["before"]["in_blocks"][0] < 0.1
