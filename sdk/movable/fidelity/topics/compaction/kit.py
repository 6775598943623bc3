"""Rows from pairs of values, with the rules that explain a difference."""

from collections.abc import Iterable

from movable.fidelity.model import Row, RowVerdict

__all__ = ["LIVE_FRAMES", "NOISE", "judge", "same"]

LIVE_FRAMES = 64
"""How many pages a live system takes or frees between two readings (A02)."""

NOISE = 250
"""How far counters of a live system are off: at most 125 for each of two CPUs wait to be added (A02)."""


def same(section: str, name: str, recorded: object, ours: object, note: str = "") -> Row:
    """A row that no rule can explain."""
    return judge(section, name, recorded, ours, (), note)


def judge(
    section: str, name: str, recorded: object, ours: object, rules: Iterable[str], note: str = ""
) -> Row:
    """Equal; or explained by these rules, which the caller has checked; wrong if there are none."""
    rules = tuple(dict.fromkeys(rules))
    if recorded == ours:
        return Row(section, name, RowVerdict.EQUAL, str(recorded), str(ours), (), note)
    verdict = RowVerdict.EXPLAINED if rules else RowVerdict.WRONG
    return Row(section, name, verdict, str(recorded), str(ours), rules, note)
