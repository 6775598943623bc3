"""``movable contract``: the table of clauses."""

import json
from pathlib import Path

import pytest

from movable.cli import main
from movable.conformance import CONTRACT, all_checks

WRONG = """
from movable.conformance.power import wrong


@wrong("MIG-CLEARED", "MIG-1")
class KeepsTheMark:
    pass


@wrong("MIG-OLD-REF", race=True)
class RacesSomewhere:
    pass
"""


def test_every_clause_and_check_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a filter the table has every clause, every check and every reason."""
    assert main(["contract"]) == 0
    out = capsys.readouterr().out
    assert all(f"│ {clause.id} " in out for clause in CONTRACT)
    assert all(one.id in out for one in all_checks())
    assert f"contract {CONTRACT.label}, {len(CONTRACT.clauses)} of {len(CONTRACT.clauses)} clauses" in out


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        (["mig-1"], {"MIG-1"}),
        (["LIFE"], {clause.id for clause in CONTRACT if clause.family == "LIFE"}),
        (["MIG-1", "MARK-2"], {"MARK-2", "MIG-1"}),
        (["PUT-[12]"], {"PUT-1", "PUT-2"}),
        (["ACC-EVENTS"], {"ACC-3"}),
    ],
)
def test_families_ids_globs_and_checks_filter(asked: list[str], shown: set[str], tmp_path: Path) -> None:
    """What is named is shown, and nothing else."""
    file = tmp_path / "contract.json"
    assert main(["contract", *asked, "--json", str(file)]) == 0
    data = json.loads(file.read_text())
    assert (data["schema"], data["contract"]) == ("movable.contract/1", CONTRACT.label)
    assert {row["id"] for row in data["clauses"]} == shown


def test_a_row_tells_all_of_a_clause(tmp_path: Path) -> None:
    """JSON has sentence, source, severity, and the checks or the reason why there is none."""
    file = tmp_path / "contract.json"
    main(["contract", "MARK-5", "MARK-6", "--json", str(file)])
    advisory, untested = json.loads(file.read_text())["clauses"]
    assert (advisory["severity"], advisory["checks"], advisory["untested"]) == (
        "advisory",
        ["MARK-BLOCKS"],
        None,
    )
    assert untested["checks"] == []
    assert untested["untested"]
    assert untested["source"].startswith("spec/migration.md")


def test_wrong_drivers_are_named_with_the_clause_they_break(tmp_path: Path) -> None:
    """A folder of wrong drivers fills its column; a race that leaves the clause open is named by its check."""
    folder = tmp_path / "wrong_ones"
    folder.mkdir()
    (folder / "contract_wrong.py").write_text(WRONG)
    page = tmp_path / "contract.md"
    assert main(["contract", "MIG-1", "MIG-4", "--mutants", str(folder), "--markdown", str(page)]) == 0
    rows = [line for line in page.read_text().splitlines() if line.startswith("| MIG-")]
    assert [row.split(" | ")[-1].strip(" |") for row in rows] == ["KeepsTheMark", "RacesSomewhere"]


def test_an_earlier_version_tells_what_is_preview(tmp_path: Path) -> None:
    """The table of version 1.0 has its own clauses, and marks checks that came later."""
    file = tmp_path / "contract.json"
    assert main(["contract", "CAP-1", "--contract", "aops-4.8/1.0", "--json", str(file)]) == 0
    (row,) = json.loads(file.read_text())["clauses"]
    assert "CAP-CONTENTS" in row["checks"]
    assert "CAP-PIN" in row["previews"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["MIG-CLEARD"], "no clause matches 'MIG-CLEARD'; did you mean MIG-CLEARED"),
        (["QQ"], "families are MARK, CALL"),
        (["--contract", "aops-5"], "there are aops-4.8/1.0"),
        (["--json", "no/such/folder/x.json"], "--json: cannot write"),
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A typo is an error that says what there is."""
    assert main(["contract", *arguments]) == 2
    assert told in capsys.readouterr().err
