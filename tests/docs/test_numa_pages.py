"""What the pages about NUMA show is what the commands print."""

import re
from pathlib import Path
from types import ModuleType

import pytest

from movable.cli import main

PAGES = ("docs/howto/numa.md", "docs/explanation/placement.md")
SHOWN = re.compile(r"^```sh\n(movable numa [^\n]*)\n```\n\n```text\n(.*?)```$", re.MULTILINE | re.DOTALL)


def shown(root: Path) -> list[tuple[str, str, str]]:
    """Page, command and output, of each command that is followed by its output."""
    return [(page, *found) for page in PAGES for found in SHOWN.findall((root / page).read_text())]


def test_there_are_such_commands(root: Path) -> None:
    """Each command of the pages is followed by what it prints."""
    commands = sum(
        len(re.findall(r"^movable numa", (root / page).read_text(), re.MULTILINE)) for page in PAGES
    )
    assert len(shown(root)) == commands >= 9


@pytest.mark.slow
def test_commands_print_what_the_pages_show(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run in a folder with the page's own scenario, every command prints its output to the letter."""
    scenario = re.search(r"^```toml\n(.*?)^```$", (root / PAGES[0]).read_text(), re.MULTILINE | re.DOTALL)
    assert scenario is not None
    (tmp_path / "mine.toml").write_text(scenario[1])
    monkeypatch.chdir(tmp_path)
    for page, command, output in shown(root):
        main(command.split()[1:])
        captured = capsys.readouterr()
        lines = [line.rstrip() for line in (captured.out + captured.err).splitlines()]
        assert "\n".join(lines) + "\n" == output, f"{page}: {command}"
    assert (tmp_path / "moved.png").stat().st_size > 10_000


def test_the_batch_scheduler_prints_what_its_page_shows(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tutorial's file runs as it is, and its output is on the page."""
    path = root / "docs/tutorial/batch_scheduler.py"
    module = ModuleType("batch_scheduler")
    exec(compile(path.read_text(), path, "exec"), module.__dict__)
    module.main()
    page = path.with_suffix(".md").read_text()
    assert f"```text\n{capsys.readouterr().out}```" in page


def test_memory_that_follows_costs_what_it_did_before(root: Path) -> None:
    """spec/migration.md 9.9: with memory_migrate pages keep their rank among the nodes, and areas their policies."""
    path = root / "docs/tutorial/batch_scheduler.py"
    module = ModuleType("batch_scheduler")
    exec(compile(path.read_text(), path, "exec"), module.__dict__)
    stays = [latency for _, latency, _ in module.day(memory_follows=False)]
    follows = [latency for _, latency, _ in module.day(memory_follows=True)]
    assert stays == pytest.approx([1.1, 1.6, 1.1])
    assert follows == pytest.approx([1.1, 1.1, 1.1])
    with module.movable.VM("numa4") as vm:
        scheduler = module.Scheduler(vm, memory_follows=True)
        job = scheduler.start("job", "left")
        scheduler.move(job, "right")
        policies = {job.table: "bind:1", job.archive: "bind:3"}
        assert {area.start: str(area.policy) for area in job.process.areas} == policies
