"""``movable zram fill``: real files in, statistics, every byte back."""

import json
import random
from pathlib import Path

import pytest

from movable import PAGE_SIZE
from movable.cli import main
from movable_zsmalloc.zram import ZramDevice
from movable_zsmalloc.zram.command import SCHEMA

CHANCE = random.Random(3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of text, of zeros and of random bytes: 1 + 3 + 2 + 0 pages."""
    data = tmp_path / "data"
    (data / "deeper").mkdir(parents=True)
    (data / "a.txt").write_text("the quick brown fox\n" * 100)
    (data / "deeper" / "random").write_bytes(CHANCE.randbytes(2 * PAGE_SIZE + 1))
    (data / "zeros").write_bytes(bytes(2 * PAGE_SIZE))
    (data / "empty").touch()
    return data


def fill(*arguments: object) -> int:
    """The status of ``movable zram fill``, on a small machine if no other is named."""
    texts = [str(argument) for argument in arguments]
    for option, value in (("--machine", "tiny"), ("--algorithm", "deflate")):
        if option not in texts:
            texts += [option, value]
    return main(["zram", "fill", *texts])


def rows(text: str) -> dict[str, str]:
    """The first two words of each line."""
    return {words[0]: words[1] for line in text.splitlines() if len(words := line.split()) > 1}


def test_files_and_folders(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every file below the paths is stored, the statistics printed, no page differs: status 0."""
    assert fill(folder, folder / "a.txt") == 0
    out = capsys.readouterr().out
    assert out.startswith("zram0: ")
    assert "[deflate]" in out.splitlines()[0]
    assert "28 KiB from 5 files" in out
    assert out.endswith("read back: 28 KiB, 0 pages differ\n")
    shown = rows(out)
    assert shown["zero_pages"] == "2"
    assert shown["orig_data_size"] == f"{5 * PAGE_SIZE:,}"
    assert [shown[name] for name in ("failed_reads", "failed_writes", "invalid_io", "notify_free")] == [
        "0"
    ] * 4
    assert "classes with most pages" in out


def test_the_figures_as_json(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--json has schema, algorithm, the seven fields of mm_stat, and what was read back."""
    target = tmp_path / "zram.json"
    assert fill(folder, "--json", target, "--classes") == 0
    figures = json.loads(target.read_text())
    assert (figures["schema"], figures["algorithm"]) == (SCHEMA, "deflate")
    assert list(figures["mm_stat"]) == [
        "orig_data_size", "compr_data_size", "mem_used_total", "mem_limit", "mem_used_max", "zero_pages",
        "pages_compacted",
    ]  # fmt: skip
    assert figures["mm_stat"]["orig_data_size"] == 4 * PAGE_SIZE
    assert (figures["pages"], figures["files"], figures["different_pages"], figures["stopped"]) == (
        6,
        4,
        0,
        "",
    )
    classes = [
        line
        for line in capsys.readouterr().out.splitlines()
        if line.split()[:1] and line.split()[0].isdigit()
    ]
    assert len(classes) == 69


def test_memory_is_compacted_before_reading_back(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --compact pages move underneath, and every byte still comes back."""
    (folder / "more").write_bytes(CHANCE.randbytes(2500 * PAGE_SIZE))
    assert fill(folder, "--compact") == 0
    out = capsys.readouterr().out
    assert "0 pages differ" in out


def test_a_byte_that_comes_back_wrong_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One flipped bit in one page is counted, and the status is 1."""
    read = ZramDevice.read_page

    def flipped(device: ZramDevice, index: int) -> bytes:
        data = read(device, index)
        return data[:-1] + bytes([data[-1] ^ 1]) if index == 3 else data

    monkeypatch.setattr(ZramDevice, "read_page", flipped)
    assert fill(folder) == 1
    assert "1 pages differ" in capsys.readouterr().out


def test_files_larger_than_the_device(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What does not fit on the device is said, what is stored is read back, and the status is 1."""
    target = tmp_path / "zram.json"
    assert fill(folder, "--disksize", "12K", "--json", target) == 1
    out = capsys.readouterr().out
    assert "not everything is stored: the device is full: give it a larger --disksize" in out
    assert out.endswith("read back: 12 KiB, 0 pages differ\n")
    assert json.loads(target.read_text())["pages"] == 3


def test_a_limit_that_is_reached(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """When mem_limit is reached the fill stops, says why, and reads back what it stored: status 1."""
    (folder / "0random").write_bytes(CHANCE.randbytes(8 * PAGE_SIZE))
    assert fill(folder, "--limit", "16K") == 1
    out = capsys.readouterr().out
    assert "not everything is stored" in out
    assert "Cannot allocate memory" in out
    assert rows(out)["mem_limit"] == "16,384"
    assert rows(out)["failed_writes"] == "1"
    assert "0 pages differ" in out


def test_more_than_the_memory(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """When the machine's memory is used up the fill stops, and what was stored reads back: status 1."""
    (folder / "random").write_bytes(CHANCE.randbytes(4200 * PAGE_SIZE))
    assert fill(folder) == 1
    out = capsys.readouterr().out
    assert "Cannot allocate memory" in out
    assert "0 pages differ" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([""], "PATH: a path is empty"),
        (["{folder}/nothing"], "PATH: there is no {folder}/nothing"),
        (["{folder}/empty"], "PATH: no readable file with contents in {folder}/empty"),
        (["{folder}/hollow"], "PATH: no readable file with contents in {folder}/hollow"),
        (["{folder}", "--disksize", "much"], "--disksize: must be a size such as 256M, not 'much'"),
        (["{folder}", "--disksize", "0"], "--disksize: must be a size"),
        (["{folder}", "--limit", "much"], "mem_limit: must be a size such as 64M"),
        (["{folder}", "--algorithm", "bogus"], "algorithm: 'bogus' is none of lzo, lz4, deflate"),
        (["{folder}", "--memory", "1K"], "--memory: must be a size"),
        (["{folder}", "--machine", "toaster"], "toaster"),
        (["{folder}", "--json", "{folder}/no/where.json"], "--json: cannot write {folder}/no/where.json"),
        (["{folder}", "--json", "{folder}"], "--json: cannot write {folder}"),
    ],
)
def test_wrong_use(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """Wrong use ends with status 2 and one line that names the argument, before anything is printed."""
    (folder / "hollow").mkdir()
    assert fill(*(argument.format(folder=folder) for argument in arguments)) == 2
    seen = capsys.readouterr()
    assert seen.err.startswith("movable: ")
    assert message.format(folder=folder) in seen.err
    assert seen.err.count("\n") == 1
    assert seen.out == ""


def test_help_and_wrong_options(capsys: pytest.CaptureFixture[str]) -> None:
    """--help tells the exit statuses; an option that there is not has status 2."""
    assert main(["zram", "fill", "--help"]) == 0
    assert "Exit status: 0, or 1" in capsys.readouterr().out
    with pytest.raises(SystemExit) as exited:
        main(["zram", "fill", "--colour", "red"])
    assert exited.value.code == 2
