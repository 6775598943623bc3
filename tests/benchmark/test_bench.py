"""The benchmark: which rows it has, and that they compare what they say."""

import json
from pathlib import Path

import pytest

import movable
from movable.benchmark import SCHEMA, numa
from movable.benchmark.processes import measure
from movable.benchmark.terrain import START_PFN, PythonDriver, Terrain
from movable.cli import main
from movable.drivers import installed_offers

ROWS = {
    "copy.plain",
    "copy.ordered",
    "migrate.native",
    "migrate.native.checked",
    "migrate.python",
    "migrate.python.observed",
    "migrate.anon",
    "migrate.anon.mapped2",
    "migrate.anon.mapped4",
    "numa.touch",
    "numa.query",
    "numa.query.random",
    "numa.move",
    "numa.migrate",
    "numa.process",
    "numa.process.zeros",
    "callback.python",
    "callback.python.observed",
    "scan.touch",
    "scan.migrate",
    "scan.migrate.fragmented",
    "boot.server",
}


@pytest.mark.slow
def test_the_command_prints_and_writes_every_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`movable bench --quick --json FILE` writes schema movable.bench/1 and prints the same rows: the SDK's own,
    then those that installed drivers contribute.
    """
    path = tmp_path / "bench.json"
    assert main(["bench", "--quick", "--json", str(path)]) == 0
    report = json.loads(path.read_text())
    assert report["schema"] == SCHEMA == "movable.bench/1"
    own = [row["name"] for row in report["rows"][: len(ROWS)]]
    assert set(own) == ROWS
    contributed = [row["name"] for row in report["rows"][len(ROWS) :]]
    assert len(contributed) >= len(installed_offers("movable_benchmarks")) >= 1
    assert len({*own, *contributed}) == len(report["rows"])
    names = {row["name"]: row for row in report["rows"]}
    for row in report["rows"]:
        assert row["value"] > 0
        assert (row["ratio"] is None) == (row["of"] is None)
        assert row["of"] is None or row["of"] in names
    printed = capsys.readouterr().out
    assert all(name in printed for name in names)


@pytest.mark.parametrize("call", ["move_pages", "migrate_pages"])
def test_the_calls_between_nodes_move_what_they_measure(call: str) -> None:
    """The process's pages go to the other node, and are compared with copies of as many pairs."""
    sample = numa.measure(call, 16, seed=1)
    assert sample.call > 0
    assert sample.plain > 0


@pytest.mark.parametrize("gib", [0, -1, 1 << 20])
def test_a_process_that_does_not_fit_is_refused(gib: int) -> None:
    """--process-gib beyond the host's memory, or the node's, is refused before the process is made."""
    with pytest.raises(movable.ConfigError, match="process_gib: must be 1 to"):
        list(numa.process_rows(gib, 1, shrink=False))


def test_an_unwritable_file_is_refused_before_measuring(capsys: pytest.CaptureFixture[str]) -> None:
    """A --json path in no folder ends with status 2 and a message that names the option."""
    assert main(["bench", "--json", "/no/such/folder/bench.json"]) == 2
    assert "--json" in capsys.readouterr().err


def test_a_row_is_found_by_its_name() -> None:
    """BenchReport.row gives the row of a name and raises KeyError for a name that was not measured."""
    row = movable.BenchRow("copy.plain", 1.0, "pages/s")
    report = movable.BenchReport((row,))
    assert report.row("copy.plain") is row
    with pytest.raises(KeyError):
        report.row("copy.fancy")


def test_the_native_driver_moves_contents() -> None:
    """What the C driver's pages held before compaction they hold at their new frames."""
    terrain = Terrain(4096)
    terrain.populate(50, 7, terrain.native_mapping())
    vm = terrain.vm
    used = [page for pfn in range(START_PFN, START_PFN + 4096) if (page := vm.page(pfn)).refcount]
    for page in used:
        page.data[:8] = page.pfn.to_bytes(8, "little")
    run, _ = terrain.compact()
    assert run.migrated > 256
    moved = [page for pfn in range(START_PFN, START_PFN + 4096) if (page := vm.page(pfn)).refcount]
    assert {bytes(page.data[:8]) for page in moved} == {page.private.to_bytes(8, "little") for page in moved}
    assert len(moved) == len(used)
    assert len(terrain.moved_pairs()) == run.migrated
    vm.recount()


def test_the_python_driver_of_the_benchmark_keeps_its_books() -> None:
    """After compaction the benchmark's Python driver knows every object's new page."""
    terrain = Terrain(2048)
    driver = PythonDriver(terrain.vm)
    terrain.populate_for(driver, 50, 3)
    objects = set(driver.objects.values())
    run, _ = terrain.compact()
    assert run.migrated > 0
    assert set(driver.objects) == set(driver.mapping.pages())
    assert set(driver.objects.values()) == objects
    assert all(page.private == pfn for page, pfn in driver.objects.items())


@pytest.mark.parametrize("mappings", [1, 4])
def test_the_pages_of_processes_are_moved(mappings: int) -> None:
    """The benchmark of processes migrates pages and copies the same pairs."""
    sample = measure(16, mappings, seed=1)
    assert sample.migrate > 0
    assert sample.plain > 0
