"""The adapter for the topic ``move_pages``."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from movable.fidelity.model import Row, RowVerdict
from movable.fidelity.topics.kit import Claim, Section, Sections, each_row, judge
from movable.fidelity.topics.move_pages.huge import HugetlbGroup, ThpGroup
from movable.fidelity.topics.move_pages.models import applied_rules, earlier, later
from movable.fidelity.topics.move_pages.scene import run
from movable.fidelity.topics.move_pages.vocabulary import readings
from movable.fidelity.topics.rules import rules

__all__ = ["MovePagesRecordings"]

_UNWRITTEN = 777
_OUTPUTS = ("ret", "errno", "status", "query_before", "query_after")
_INPUTS = {"name", "note", "count", "nodes", "flags"}


class MovePagesRecordings(Sections):
    """Replays recordings of ``move_pages``."""

    topic = "move_pages"
    rules = rules(("N01", "N02", "N03", "N04", "N05", "N06", "N08"))
    others = Sections.others | {"status_init"}

    def sections(self, recording: Mapping[str, Any]) -> Mapping[str, Section]:
        """The cases, with the value that the recorder filled the status array with."""
        initial = recording.get("status_init", _UNWRITTEN)
        return {"cases": lambda rows: _cases(rows, initial)}


def _cases(rows: Sequence[Mapping[str, Any]], initial: int) -> Iterator[Row]:
    thp, split, hugetlb = ThpGroup(split=False), ThpGroup(split=True), HugetlbGroup()
    indices = itertools.count()

    def judge_row(row: Mapping[str, Any]) -> Row:
        index, name = next(indices), row["name"].lower()
        if re.search(r"hugetlb|huge_?pool", name):
            return hugetlb.row(rows, index, initial)
        if re.search(r"thp|transparent", name):
            return (split if re.search(r"pte_?mapped", name) else thp).row(row, initial)
        if "query_before" not in row and "status" not in row:
            return judge("cases", row["name"], {}, {}, unread=sorted(set(row) - {"name"}))
        return _case(row, initial)

    return each_row("cases", rows, judge_row)


def _case(row: Mapping[str, Any], initial: int) -> Row:
    """The verdict by the first reading that fits; the likeliest one's if none does."""
    recorded = {key: row[key] for key in _OUTPUTS if key in row}
    unread = sorted(set(row) - _INPUTS - set(recorded))
    verdicts: list[Row] = []
    for asked in readings(row):
        told = len(recorded.get("status", asked.named)) if "status" in asked.bad else len(asked.named)
        ours, before, after = (
            {**outcome, "status": outcome["status"][:told]}
            for outcome in (run(asked, initial), earlier(asked, initial), later(asked, initial))
        )
        claim = Claim(applied_rules(asked), before, after)
        verdicts.append(judge("cases", row["name"], recorded, ours, claim, unread=unread))
        if verdicts[-1].verdict is not RowVerdict.WRONG:
            return verdicts[-1]
    return verdicts[0]
