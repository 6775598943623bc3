"""Expectations in the driver's package: read strictly, written from a run."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from movable import ConfigError, Expectation, check
from movable.cli import main
from movable.conformance import Outcome, resolve
from movable.conformance.expectations import expectations_of, find_file

DRIVER = """
from mutants.migrating import MigrateForgetsToClear
from mutants.shelves import Shelves
from movable import DriverSpec


class Mine(MigrateForgetsToClear):
    pass


class Good(Shelves):
    pass
"""

KNOWN = """# Why this file is here.
[MIG-CLEARED]
kind = "upstream-bug"
reason = 'reported, see "4711"'
rule = "migrate-old-movable"
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package with drivers of its own, importable as ``expecting``."""
    folder = tmp_path / "expecting"
    folder.mkdir()
    (folder / "__init__.py").write_text(DRIVER)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    sys.modules.pop("expecting", None)


def test_the_file_of_the_package_is_found_and_read(package: Path) -> None:
    """A failure that the file tells of is an xfail, and its reason is told."""
    (package / "expectations.toml").write_text(KNOWN)
    assert find_file(resolve("expecting:Mine")) == package / "expectations.toml"
    result = check("expecting:Mine", select="MIG-CLEARED").check("MIG-CLEARED")
    assert result.outcome is Outcome.XFAIL
    assert result.message.startswith('expected to fail (upstream-bug): reported, see "4711"\n')


def test_a_pass_that_the_file_does_not_expect_fails(package: Path) -> None:
    """The file is strict: what passes must not be in it."""
    (package / "expectations.toml").write_text(KNOWN)
    report = check("expecting:Good", select="MIG-CLEARED")
    assert report.check("MIG-CLEARED").outcome is Outcome.XPASS
    assert not report.passed


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            '[MIG-CLEARD]\nkind = "not-yet"\nreason = "x"',
            "no check is called MIG-CLEARD; did you mean MIG-CLEARED",
        ),
        ('[XYZZY]\nkind = "not-yet"\nreason = "x"', "`movable contract` lists the checks"),
        ('[MIG-CLEARED]\nkind = "never"\nreason = "x"', r"\[MIG-CLEARED\]"),
        ('[MIG-CLEARED]\nkind = "not-yet"', "reason"),
        ('[MIG-CLEARED]\nkind = "not-yet"\nreason = ""', r"\[MIG-CLEARED\]"),
        ('[MIG-CLEARED]\nkind = "not-yet"\nreason = "x"\nwhy = "y"', "why"),
        ("[MIG-CLEARED", "cannot read"),
        ("MIG-CLEARED = 7", r"\[MIG-CLEARED\]"),
    ],
)
def test_mistakes_in_the_file_are_told(package: Path, text: str, told: str) -> None:
    """An id that is no check's, a kind that there is not, a missing reason: errors before anything runs."""
    (package / "expectations.toml").write_text(text)
    with pytest.raises(ConfigError, match=told):
        check("expecting:Mine")


def test_a_table_of_a_driver_is_for_that_driver(package: Path) -> None:
    """In a package of several drivers a table names one; another driver does not see it."""
    (package / "expectations.toml").write_text(KNOWN.replace("[MIG-", "[Mine.MIG-"))
    assert list(expectations_of(resolve("expecting:Mine"))) == ["MIG-CLEARED"]
    assert expectations_of(resolve("expecting:Good")) == {}


def test_code_and_file_cannot_both_speak(package: Path) -> None:
    """One check is expected in one place."""
    (package / "expectations.toml").write_text(KNOWN)
    (package / "__init__.py").write_text(
        DRIVER + "\nfrom movable import Expectation\n"
        "Mine.expectations = {'MIG-CLEARED': Expectation('not-yet', 'code')}\n"
    )
    with pytest.raises(ConfigError, match="MIG-CLEARED: said in the DriverSpec and in"):
        check("expecting:Mine")


def test_failures_are_written_as_not_yet(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--update-expectations enters what failed with the rule and what was seen; the next run passes."""
    assert main(["check", "expecting:Mine", "-q"]) == 1
    assert main(["check", "expecting:Mine", "-q", "--update-expectations"]) == 0
    assert "+ MIG-CLEARED: " in capsys.readouterr().out
    expected = expectations_of(resolve("expecting:Mine"))["MIG-CLEARED"]
    assert (expected.kind, expected.rule) == ("not-yet", "migrate-old-movable")
    assert expected.reason.startswith("After success the old page was given up")
    assert main(["check", "expecting:Mine", "-q"]) == 0


def test_reasons_and_opening_comments_are_kept(package: Path) -> None:
    """A second writing leaves kind and reason, and what stands above the first table."""
    file = package / "expectations.toml"
    file.write_text(KNOWN.replace("migrate-old-movable", "migrate-old-ref"))
    assert main(["check", "expecting:Mine", "-q", "-k", "MIG-CLEARED", "--update-expectations"]) == 0
    expected = expectations_of(resolve("expecting:Mine"))
    known = Expectation("upstream-bug", 'reported, see "4711"', "migrate-old-movable")
    assert expected == {"MIG-CLEARED": known}
    assert file.read_text().startswith("# Why this file is here.\n")


def test_what_passes_is_taken_out_and_other_drivers_stay(package: Path) -> None:
    """A stale entry goes; the entries of the package's other drivers are as they were."""
    file = package / "expectations.toml"
    file.write_text(KNOWN.replace("[MIG-", "[Mine.MIG-") + KNOWN.replace("[MIG-", "[Good.MIG-"))
    assert main(["check", "expecting:Good", "-q", "--update-expectations"]) == 0
    assert expectations_of(resolve("expecting:Good")) == {}
    assert list(expectations_of(resolve("expecting:Mine"))) == ["MIG-CLEARED"]


def test_nothing_to_change_leaves_the_file(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run without surprises writes nothing."""
    assert main(["check", "expecting:Good", "-q", "--update-expectations"]) == 0
    assert "nothing to change" in capsys.readouterr().out
    assert not (package / "expectations.toml").exists()


def test_a_driver_without_a_package_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A module on its own has no folder that is its own: the error says what to do."""
    (tmp_path / "alone.py").write_text(DRIVER)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert main(["check", "alone:Mine", "-q", "-k", "MIG-CLEARED", "--update-expectations"]) == 2
    assert "put its module into a package" in capsys.readouterr().err
