"""Every Python and TOML example of the README and the documentation works."""

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from attrs import evolve

import movable
from movable.cli import main
from movable.config import loads
from movable.conformance import resolve
from movable.conformance.expectations import FILE_NAME, expectations_of
from movable.numa import loads_scenario

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page in one language, each padded so that line numbers are those of the page."""
    text = page.read_text()
    found = re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return ["\n" * text[: match.start(1)].count("\n") + match[1] for match in found]


def pages_with(language: str) -> list[Any]:
    """The pages that have such blocks, as parameters named after them."""
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES if blocks(page, language)]


def load_cells() -> ModuleType:
    """The tutorial's driver as a module called `cells`, as its reader has it."""
    path = DOCS / "tutorial" / "cells.py"
    module = ModuleType("cells")
    module.__file__ = str(path)
    exec(compile(path.read_text(), path, "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("page", pages_with("python"))
def test_python_examples_run(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python blocks of a page run in order, as one program; functions that are tests hold."""
    monkeypatch.setitem(sys.modules, "cells", load_cells())
    names: dict[str, Any] = {"__name__": "example"}
    for block in blocks(page, "python"):
        exec(compile(block, page, "exec"), names)
    for name, value in list(names.items()):
        if name.startswith("test_"):
            value()
    assert "movable" in names or "DriverSpec" in names


@pytest.mark.parametrize("page", pages_with("toml"))
def test_toml_examples_describe_machines(page: Path) -> None:
    """The TOML blocks that describe machines are accepted, and so are those that describe scenarios."""
    machines = [block for block in blocks(page, "toml") if "[[nodes]]" in block]
    scenarios = [block for block in blocks(page, "toml") if "[[processes]]" in block]
    text = page.read_text()
    assert machines or scenarios or "entry-points" in text or FILE_NAME in text
    for block in machines:
        assert loads(block).nodes
    for block in scenarios:
        assert loads_scenario(block).processes


def test_toml_examples_of_expectations_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The expectations of the how-to are read, and name checks that there are."""
    package = tmp_path / "documented"
    package.mkdir()
    (package / "__init__.py").write_text("from mutants.cells import Cells as zram\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    examples = blocks(DOCS / "howto" / "expectations.md", "toml")
    assert len(examples) == 2
    for example in examples:
        (package / FILE_NAME).write_text(example)
        target = resolve("documented:zram")
        found = expectations_of(evolve(target, spec=evolve(target.spec, name="zram")))
        assert list(found) == ["MIG-BUSY"]


def test_options_in_the_pages_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    """Every option that a page gives to `movable check` is one that the command has."""
    main(["check", "--help"])
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    used = {
        option
        for page in PAGES
        for line in page.read_text().splitlines()
        for command in line.split("movable check")[1:]
        for option in re.findall(r"(?<!\w)--[a-z-]+", command)
    }
    assert used
    assert used <= known


def test_the_tutorials_driver_keeps_the_contract() -> None:
    """The driver that the tutorial builds passes every check that it claims."""
    report = movable.check(load_cells().Cells)
    assert report.passed, [
        f"{check.id}: {check.message}" for check in report.checks if check.outcome == "fail"
    ]


def test_the_tutorials_driver_is_short() -> None:
    """The tutorial's driver has at most 110 lines, documentation and blank lines included."""
    assert len((DOCS / "tutorial" / "cells.py").read_text().splitlines()) <= 110
