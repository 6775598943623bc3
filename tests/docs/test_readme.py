"""The README's set-up is two commands, and CI runs the same two."""

import re
import tomllib
from pathlib import Path


def setup_commands(root: Path) -> list[str]:
    """The lines of the shell blocks in the section "Set up"."""
    section = (root / "README.md").read_text().split("\n## Set up\n")[1].split("\n## ")[0]
    found = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return [line for block in found for line in block.splitlines()]


def test_there_are_exactly_two_commands(root: Path) -> None:
    """One command installs and judges every driver, the other installs the test extra and runs the tests."""
    judge, test = setup_commands(root)
    assert judge.endswith("&& .venv/bin/movable check --all")
    assert test.startswith(".venv/bin/pip install '.[test]' &&")
    assert "-m pytest" in test


def test_the_first_command_needs_no_extra(root: Path) -> None:
    """The first command makes the environment and installs the package without extras."""
    assert setup_commands(root)[0].startswith("python3 -m venv .venv && .venv/bin/pip install . &&")


def test_links_lead_to_files(root: Path) -> None:
    """Every relative link of the README and of CONTRIBUTING leads to a file."""
    for name in ("README.md", "CONTRIBUTING.md"):
        targets = re.findall(r"\]\(([^)#]+)\)", (root / name).read_text())
        assert targets
        missing = [target for target in targets if "://" not in target and not (root / target).exists()]
        assert missing == []


def test_contributing_lists_the_verbs_of_the_makefile(root: Path) -> None:
    """CONTRIBUTING names every verb that a person would call."""
    text = (root / "CONTRIBUTING.md").read_text()
    verbs = re.findall(r"^([a-z-]+):.*## ", (root / "Makefile").read_text(), re.MULTILINE)
    assert {verb for verb in verbs if f"make {verb}" not in text and verb != "clean"} == set()


def test_the_supported_python_is_the_one_promised(root: Path) -> None:
    """The README promises the Python that the package asks for."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert (
        f"Python {project['requires-python'].removeprefix('>=')} or newer" in (root / "README.md").read_text()
    )
