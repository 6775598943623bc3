"""``movable numa``: numactl's options on workloads, maps, migratepages, stat and place."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from movable.cli import main

Capture = pytest.CaptureFixture[str]

SMALL = """
summary = "two processes"
[[processes]]
name = "a"
cpu = 0
[[processes.areas]]
name = "heap"
pages = 24
accesses = 200
[[processes]]
name = "b"
cpu = 1
policy = "prefer:3"
[[processes.areas]]
name = "heap"
pages = 24
accesses = 200
[[steps]]
do = "run"
rounds = 8
"""


@pytest.fixture
def workload(tmp_path: Path) -> str:
    """A scenario of two small processes: a, which sets no policy, and b, which prefers node 3."""
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return str(path)


def run(capsys: Capture, *arguments: str, status: int = 0) -> str:
    """Standard output of `movable numa`, or the error's text where the status is 2."""
    assert main(["numa", *arguments]) == status, capsys.readouterr().err
    captured = capsys.readouterr()
    return captured.err if status == 2 else captured.out


def row(text: str, start: str) -> list[str]:
    """The words of the first line that has these words in front."""
    return next(
        line.split() for line in text.splitlines() if line.split()[: len(start.split())] == start.split()
    )


@pytest.mark.parametrize(
    ("options", "policy", "nodes", "latency"),
    [
        ([], "default", (24, 0, 0, 0), "1.00"),
        (["--membind", "1"], "bind:1", (0, 24, 0, 0), "1.50"),
        (["-m", "2-3"], "bind:2-3", (0, 0, 24, 0), "2.00"),
        (["--membind=!0-1"], "bind:2-3", (0, 0, 24, 0), "2.00"),
        (["-i", "all"], "interleave:0-3", (6, 6, 6, 6), None),
        (["--interleave", "+0,2"], "interleave:0,2", (12, 0, 12, 0), None),
        (["--preferred", "3"], "prefer:3", (0, 0, 0, 24), "3.00"),
        (["-p", "+1"], "prefer:1", (0, 24, 0, 0), "1.50"),
        (["--localalloc"], "local", (24, 0, 0, 0), "1.00"),
        (["-N", "1", "-m", "same"], "bind:1", (0, 24, 0, 0), "1.00"),
        (["--cpunodebind", "same", "--membind", "1"], "bind:1", (0, 24, 0, 0), "1.00"),
        (["-C", "1", "-l"], "local", (0, 24, 0, 0), "1.00"),
        (["--physcpubind=!0", "-m", "0"], "bind:0", (24, 0, 0, 0), "1.50"),
    ],
)
def test_numactls_options_apply_to_the_workload(
    capsys: Capture,
    workload: str,
    options: list[str],
    policy: str,
    nodes: tuple[int, ...],
    latency: str | None,
) -> None:
    """Processes start with the policy and the CPUs of the options; the table shows their pages and latency."""
    out = run(capsys, *options, "--", workload)
    found = row(out, "1 a")
    assert found[3] == policy
    assert tuple(map(int, found[4:8])) == nodes
    assert latency in (None, found[8])
    assert row(out, "2 b")[3] == "prefer:3", "b's own policy wins"


def test_a_workload_is_told_in_full(capsys: Capture, workload: str) -> None:
    """Accesses by distance add up to all, and their mean is the last line."""
    out = run(capsys, workload)
    assert out.startswith("small on numa4: two processes\n")
    assert row(out, "10") == ["10", "1,600", "50.0%"]
    assert row(out, "20") == ["20", "1,600", "50.0%"]
    assert row(out, "all") == ["all", "3,200", "100.0%"]
    assert out.endswith("mean latency 1.50\n")


def test_hardware_and_show(capsys: Capture, workload: str) -> None:
    """--hardware prints nodes and distances, after a workload too; --show what a process would start with."""
    out = run(capsys, "--hardware")
    assert out.startswith(
        "available: 4 nodes (0-3)\nnode 0 cpus: 0\nnode 0 size: 256 MB\nnode 0 free: 256 MB\n"
    )
    assert out.endswith("  3:  30  20  15  10 \n")
    assert run(capsys, "-H", "--machine", "server").startswith(
        "available: 2 nodes (0-1)\nnode 0 cpus: 0 1 2 3\n"
    )
    assert "node 0 free: 255 MB" in run(capsys, "-H", workload)
    shown = run(capsys, "-m", "1-2", "-N", "0", "--show")
    assert shown.splitlines() == [
        "policy: bind", "preferred node: 1", "physcpubind: 0 ", "cpubind: 0 ", "nodebind: 0 ", "membind: 1 2 ",
    ]  # fmt: skip


def test_maps_prints_numa_maps(capsys: Capture, workload: str) -> None:
    """spec/migration.md 9.10, of a process by pid or by name."""
    by_name = run(capsys, "maps", "b", workload)
    assert re.fullmatch(r"[0-9a-f]{8,} prefer:3 anon=24 dirty=24 N3=24 kernelpagesize_kB=4\n", by_name)
    assert run(capsys, "maps", "2", workload) == by_name
    assert " bind:2 " in run(capsys, "maps", "a", workload, "--membind", "2")


def test_migratepages_moves_and_tells(capsys: Capture, workload: str) -> None:
    """Pages go from FROM to TO, ranks kept; what stayed behind is told, and makes the status 1."""
    out = run(capsys, "migratepages", "a", "0-1", "2-3", workload, "-i", "0-1")
    assert row(out, "before") == ["before", "12", "12", "0", "0"]
    assert row(out, "after") == ["after", "0", "0", "12", "12"]
    assert out.endswith("0 pages of process 1 (a) stayed behind\n")
    out = run(capsys, "migratepages", "server", "2", "3", "shared", status=1)
    assert out.endswith("16 pages of process 1 (server) stayed behind\n")


def test_stat_prints_numastat(capsys: Capture, workload: str) -> None:
    """Hits on the CPU's node, misses elsewhere, and what interleaving got where it wanted."""
    out = run(capsys, "stat", "-i", "all", workload)
    assert row(out, "numa_hit") == ["numa_hit", "6", "0", "0", "0"]
    assert row(out, "numa_miss") == ["numa_miss", "0", "6", "6", "30"]
    assert row(out, "interleave_hit") == ["interleave_hit", "6", "6", "6", "6"]


def test_workloads_are_listed_and_printed(capsys: Capture, tmp_path: Path) -> None:
    """Each has a summary; the TOML that is printed is a scenario to begin with."""
    listed = run(capsys, "workloads")
    assert {line.split()[0] for line in listed.splitlines()} == {
        "cpusets",
        "far",
        "moved",
        "shared",
        "stream",
    }
    path = tmp_path / "mine.toml"
    path.write_text(run(capsys, "workloads", "stream"))
    assert row(run(capsys, str(path)), "1 stream")[4] == "2048"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "WORKLOAD: give a scenario's .toml file or one of cpusets, far"),
        (["nope"], "workload: none is called 'nope'; choose one of cpusets"),
        (["nowhere.toml"], "nowhere.toml: cannot be read"),
        (["stat"], "WORKLOAD: give a scenario's"),
        (["place"], "WORKLOAD: give a scenario's"),
        (["maps", "1"], "WORKLOAD: give a scenario's"),
        (["migratepages", "1", "0", "1"], "WORKLOAD: give a scenario's"),
        (["-m", "4", "W"], "--membind: '4': node 4 is out of range; choose of 0-3"),
        (["-m", "x", "W"], "--membind: 'x': 'x' is neither a number nor a range"),
        (["-i", "3-1", "W"], "--interleave: '3-1': the range 3-1 runs backwards"),
        (["-p", "0-1", "W"], "--preferred: takes one node, such as 1, not '0-1'"),
        (["-p", "all", "W"], "--preferred: takes one node"),
        (["-m", "0", "-l", "W"], "--localalloc: conflicts with --membind"),
        (["-i", "0", "-m", "0", "W"], "--interleave: conflicts with --membind"),
        (["-m", "same", "W"], "--membind: same stands for the nodes of another option"),
        (["-C", "same", "-m", "0", "W"], "--physcpubind: same stands for the nodes"),
        (["-N", "2", "W"], "--cpunodebind: '2' has no CPU that the process may use; choose of nodes 0-1"),
        (["-C", "2", "W"], "--physcpubind: '2': CPU 2 is out of range; choose of 0-1"),
        (["-s", "stream"], "--show: runs no workload; leave 'stream' out"),
        (["-m", "1", "-s", "-H"], "--show: conflicts with --hardware"),
        (["-m", "1", "--machine", "tiny", "W"], "--membind: '1': node 1 is out of range; choose of 0"),
        (["--machine", "huge", "W"], "machine: no preset is called 'huge'"),
        (["W", "--json", "/no/such/folder/x"], "--json: cannot write"),
        (["-H", "--json", "/no/such/folder/x"], "--json: cannot write"),
        (["maps", "7", "W"], "process: there is no '7'; there is 1 (a), 2 (b)"),
        (["migratepages", "1", "x", "1", "W"], "FROM: 'x': 'x' is neither"),
        (["migratepages", "1", "0", "4", "W"], "TO: '4': node 4 is out of range"),
        (["workloads", "nope"], "workload: none is called 'nope'"),
        (["place", "W", "--period", "0"], "--period: must be 1 or more, not 0"),
        (["place", "W", "--least", "-1"], "--least: must be 0 or more, not -1"),
        (["place", "W", "--rate", "0"], "--rate: must be 1 or more, not 0"),
        (["place", "W", "--plot", "x.doc"], "--plot: x.doc: a picture's name ends with"),
    ],
)
def test_errors_name_the_option(capsys: Capture, workload: str, arguments: list[str], message: str) -> None:
    """Wrong use ends with 2 and a line that starts with the option or the argument."""
    found = run(capsys, *(workload if each == "W" else each for each in arguments), status=2)
    assert found.startswith(f"movable: {message}")
    assert found.count("\n") == 1


def saved(path: Path) -> Any:
    """A file that --json wrote."""
    values = json.loads(path.read_text())
    assert values["schema"] == "movable.numa/1"
    return values


def test_json_of_each_command(capsys: Capture, workload: str, tmp_path: Path) -> None:
    """--json writes what was printed, and more, in the schema movable.numa/1."""
    path = tmp_path / "out.json"
    run(capsys, "-m", "1", workload, "--json", str(path))
    found = saved(path)
    first = found["processes"][0]
    assert (first["pid"], first["name"], first["policy"], first["pages"]) == (1, "a", "bind:1", [0, 24, 0, 0])
    assert first["by_distance"] == {"15": 1600}
    assert first["numa_maps"][0].endswith("N1=24 kernelpagesize_kB=4")
    assert len(found["latency_by_round"]) == 8
    run(capsys, "-H", "--json", str(path))
    assert saved(path)["nodes"][3] == {"node": 3, "cpus": [], "size": 256 << 20, "free": 256 << 20}
    run(capsys, "-s", "-p", "2", "--json", str(path))
    assert saved(path)["preferred"] == 2
    run(capsys, "stat", workload, "--json", str(path))
    assert saved(path)["numastat"][3]["numa_miss"] == 24
    run(capsys, "migratepages", "1", "0", "1", workload, "--json", str(path))
    assert (saved(path)["before"], saved(path)["left_behind"]) == ([24, 0, 0, 0], 0)
    assert saved(path)["processes"][0]["pages"] == [0, 24, 0, 0]


@pytest.mark.parametrize("profiler", ["samples", "bits"])
def test_place_brings_pages_home(capsys: Capture, workload: str, tmp_path: Path, profiler: str) -> None:
    """With the daemon b's pages come from node 3 to node 1; table, JSON and picture say so."""
    path, picture = tmp_path / "out.json", tmp_path / "out.png"
    out = run(
        capsys, "place", workload, "--profiler", profiler, "--period", "2",
        "--json", str(path), "--plot", str(picture),
    )  # fmt: skip
    assert row(out, "2 b")[-5:] == ["0", "0", "0", "24", "2.000"]
    assert re.search(r"\n +with +0 +24 +0 +0 +1\.\d+\n", out)
    assert "24  moved" in out
    found = saved(path)
    assert found["without"]["last_latency"] == pytest.approx(1.5, abs=0.02)
    assert found["with"]["last_latency"] == 1.0
    assert found["outcomes"] == {"moved": 24}
    assert sum(found["moved_by_round"]) == 24
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_place_tells_what_could_not_move(capsys: Capture) -> None:
    """Pinned and shared pages are told; with --move-shared shared ones move."""
    out = run(capsys, "place", "shared")
    assert "shared: mapped more than once, which takes --move-shared" in out
    assert re.search(r"\d+  busy: pinned", out)
    assert "16  left alone for a while: busy" in out
    assert "mapped more than once" not in run(capsys, "place", "shared", "--move-shared")
