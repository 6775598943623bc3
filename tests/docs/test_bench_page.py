"""The page about benchmarks names the rows that there are."""

import ast
import re
from pathlib import Path


def row_names(root: Path) -> set[str]:
    """The names of rows in the sources of the benchmark and of the reference drivers' rows."""
    own = (root / "sdk/movable/benchmark").glob("*.py")
    sources = [*own, root / "reference_drivers/zsmalloc/movable_zsmalloc/benchmarks.py"]
    nodes = [node for source in sources for node in ast.walk(ast.parse(source.read_text()))]
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {
        text
        for text in texts
        if re.fullmatch(r"(copy|migrate|numa|callback|scan|boot|sched|zs|zram)(\.[a-z]+[0-9]?)+", text)
    }


def test_the_page_explains_every_row(root: Path) -> None:
    """The table has every row of a run, and compares rows with rows."""
    lines = (root / "docs/bench.md").read_text().splitlines()
    table = [line for line in lines if line.startswith("| `")]
    cells = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in table]
    assert {name for name, *_ in cells} == row_names(root)
    assert {of for *_, of in cells if of} <= row_names(root)
