"""How many of the wrong drivers random programs find: python -m stateful_driver.power [EXAMPLES]."""

import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from attrs import frozen

from movable.conformance.power import load_folder
from movable.stateful import run_stateful

__all__ = ["Kill", "measure"]

FOLDER = Path(__file__).parents[1] / "mutants"
EXAMPLES = 50


@frozen
class Kill:
    """What became of one wrong driver: the clause found broken (None if none was), and the steps it took."""

    name: str
    planted: str | None
    found: str | None
    steps: int

    def __str__(self) -> str:
        fate = f"{self.found} in {self.steps} steps" if self.found else "survived"
        return f"{self.name} ({self.planted}): {fate}"


def measure(examples: int = EXAMPLES, jobs: int = 2) -> list[Kill]:
    """Run programs over every wrong driver that breaks a clause on one CPU; advice and races are left out."""
    names = [one.name for one in load_folder(FOLDER).mutants if not one.race and not one.advisory]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        return list(pool.map(_judge, names, [examples] * len(names)))


def _judge(name: str, examples: int) -> Kill:
    mutant = load_folder(FOLDER).mutant(name)
    report = run_stateful(mutant.driver, examples=examples, limit=5.0)
    return Kill(name, mutant.clause, report.clause, report.length)


def _main() -> None:
    kills = measure(int(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLES)
    killed = sorted(kill.steps for kill in kills if kill.found)
    alike = sum(kill.found == kill.planted for kill in kills)
    out = [*map(str, kills), f"killed {len(killed)}/{len(kills)}, {alike} by the clause planted"]
    out.append(f"steps: median {killed[len(killed) // 2]}, most {killed[-1]}")
    sys.stdout.write("\n".join(out) + "\n")


if __name__ == "__main__":
    _main()
