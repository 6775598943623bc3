"""``movable contract``: the clauses, what tests them, and what breaks them."""

import json as json_module
from collections import defaultdict
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from movable.cli.files import demand_writable, write_text
from movable.conformance import (
    ClauseRow,
    Contract,
    clause_rows,
    contract_markdown,
    find_contract,
    table_to_dict,
)
from movable.conformance.contract import FAMILIES
from movable.conformance.power import load_folder

__all__ = ["register"]


def register(app: App) -> None:
    """Add the command to the application."""
    app.command(contract_command, name="contract")


def contract_command(
    *select: str,
    contract: str | None = None,
    mutants: Path | None = None,
    json: Annotated[Path | None, Parameter(name="--json")] = None,
    markdown: Annotated[Path | None, Parameter(name="--markdown")] = None,
) -> int:
    """Print the contract: each clause with its source, its checks, and wrong drivers that break it.

    Parameters
    ----------
    select:
        Families (MIG), clauses (MIG-1), globs (MIG-1*) or checks (MIG-CLEARED); all clauses without any.
    contract:
        The contract: aops-4.8 (its newest version) or a version of it, aops-4.8/1.0.
    mutants:
        A folder of wrong drivers, as `movable power` takes it; the table names those that break each clause.
    json:
        Write the table to this file: schema movable.contract/1.
    markdown:
        Write the table to this file as Markdown.
    """
    for option, path in (("--json", json), ("--markdown", markdown)):
        if path is not None:
            demand_writable(path, option)
    found = find_contract(contract)
    rows = clause_rows(found, select, _mutants(mutants) if mutants is not None else None)
    if json is not None:
        write_text(json, json_module.dumps(table_to_dict(rows, found), indent=2) + "\n", "--json")
    if markdown is not None:
        write_text(markdown, f"# The contract\n\n{contract_markdown(rows, found)}", "--markdown")
    _print(Console(), rows, found, known=mutants is not None)
    return 0


def _mutants(folder: Path) -> dict[str, list[str]]:
    """Wrong drivers by the clause that they break; those that leave it open by the check made for them."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for mutant in load_folder(folder).mutants:
        found[mutant.clause or mutant.check].append(mutant.name)
    return dict(found)


def _print(console: Console, rows: tuple[ClauseRow, ...], contract: Contract, *, known: bool) -> None:
    console.print(Text(f"contract {contract.label}, {len(rows)} of {len(contract.clauses)} clauses", "bold"))
    for family in dict.fromkeys(row.family for row in rows):
        console.print()
        table = Table(
            title=f"{family}: {FAMILIES[family]}", title_justify="left", title_style="bold", expand=True
        )
        table.add_column("clause", no_wrap=True)
        table.add_column("sentence", ratio=3, min_width=24)
        table.add_column("source", ratio=1, min_width=12, overflow="fold")
        table.add_column("checks", no_wrap=True)
        if known:
            table.add_column("wrong drivers", no_wrap=True)
        for row in rows:
            if row.family == family:
                table.add_row(*_cells(row, known=known))
        console.print(table)
    console.print(Text(f"\n{_summary(rows)}"))


def _cells(row: ClauseRow, *, known: bool) -> list[Text]:
    sentence = Text(row.sentence)
    if row.severity == "advisory":
        sentence = Text.assemble(("advisory ", "yellow"), sentence)
    named = [*row.checks, *(f"{name} (preview)" for name in row.previews)]
    if not named:
        sentence = Text.assemble(sentence, (f" Not tested: {row.untested}.", "dim"))
    cells = [Text(row.id, "bold"), sentence, Text(row.source), Text("\n".join(named) or "none")]
    return [*cells, *[Text("\n".join(row.mutants))] * known]


def _summary(rows: tuple[ClauseRow, ...]) -> str:
    """``60 clauses tested by 85 checks, 6 not tested, with the reason``."""
    tested = [row for row in rows if row.checks or row.previews]
    checks = {name for row in rows for name in (*row.checks, *row.previews)}
    rest = len(rows) - len(tested)
    return f"{len(tested)} clauses tested by {len(checks)} checks, {rest} not testable, with the reason"
