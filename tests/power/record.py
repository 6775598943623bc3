"""Measures how many schedules each race takes, and writes them down: ``PYTHONPATH=tests python -m power.record``."""

import json
from pathlib import Path
from statistics import median_low

from movable.conformance import all_checks
from movable.conformance.power import Mutation, judge_mutant, load_folder

__all__ = ["FACTOR", "RECORDED", "SEEDS", "available", "races", "schedules_needed"]

SEEDS = range(5)
"""The median over these is what counts: one seed alone may be lucky."""

FACTOR = 4
"""How many times the recorded number of schedules a race may take."""

RECORDED = Path(__file__).with_name("schedules.json")

_FOLDER = Path(__file__).parents[1] / "mutants"


def races() -> tuple[Mutation, ...]:
    """The wrong drivers that show under some schedules only."""
    return tuple(one for one in load_folder(_FOLDER).mutants if one.race)


def available() -> tuple[Mutation, ...]:
    """Those whose check there is."""
    known = {one.id for one in all_checks()}
    return tuple(one for one in races() if one.check in known)


def schedules_needed(mutant: Mutation) -> int | None:
    """Schedules until the check made for a race finds it, median over the seeds; None if one seed does not."""
    needed = []
    for seed in SEEDS:
        result = judge_mutant(mutant, seed)
        if not result.by_its_own or result.schedules is None:
            return None
        needed.append(result.schedules)
    return median_low(needed)


def _write() -> None:
    needed = {one.name: schedules_needed(one) for one in available()}
    RECORDED.write_text(json.dumps(needed, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _write()
