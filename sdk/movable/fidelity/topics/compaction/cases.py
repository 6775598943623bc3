"""A whole-node case: replayed by the rules of 6.1 and by those of 4.9, row by row."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from movable.fidelity.model import Row, RowVerdict
from movable.fidelity.topics.compaction.compare import CASE_KEYS, Pair, pairs_of
from movable.fidelity.topics.compaction.events import dropped_rows
from movable.fidelity.topics.compaction.inputs import A02, applicable
from movable.fidelity.topics.compaction.invariants import whole_node_rows
from movable.fidelity.topics.compaction.kit import LIVE_FRAMES, judge, same
from movable.fidelity.topics.compaction.layout import layout_of, make_vm
from movable.fidelity.topics.compaction.run import Outcome, replay_case
from movable.fidelity.topics.compaction.texts import block_totals, list_sizes

__all__ = ["case_rows", "set_up_rows"]

_ORDERING = frozenset({"K01", "K02", "K04"})


def case_rows(name: str, recording: Mapping[str, Any], case: Mapping[str, Any]) -> Iterator[Row]:
    """All rows of a case. A row of 4.9 is explained if its rules apply and the rules of 6.1 make it equal."""
    layout = layout_of(recording, case)
    later, ours = replay_case(layout, "6.1"), replay_case(layout, "4.9")
    yield from set_up_rows(name, case, later, ours)
    yield from dropped_rows(name, case["trace"])
    yield same(name, "write_errno", str(case.get("write_errno", "0")), "0")
    for key in sorted(case.keys() - CASE_KEYS):
        yield Row(
            name, key, RowVerdict.WRONG, str(case[key])[:200], "", (), "this part of a case is not understood"
        )
    rules = applicable(layout, ours, later)
    proven: dict[str, bool] = {}
    for pair in pairs_of(case, later):
        row = judge(f"{name}, 6.1", pair.name, pair.recorded, pair.ours, pair.artefacts, pair.note)
        proven[pair.name] = row.verdict is not RowVerdict.WRONG
        yield row
    for pair in pairs_of(case, ours):
        yield _row_of_4_9(f"{name}, 4.9", pair, rules, proven=proven.get(pair.name, False))
    yield from whole_node_rows(f"{name}, 4.9", case, ours, later)
    yield _exactness(f"{name}, 4.9", case, ours, rules)


def _row_of_4_9(section: str, pair: Pair, applying: frozenset[str], *, proven: bool) -> Row:
    rules = [each for each in pair.rules if each in applying or each == "K07"] if proven else []
    note = pair.note
    if pair.recorded != pair.ours and not proven:
        note = f"{note}; the rules of 6.1 do not make it equal either".lstrip("; ")
    rules = [each.partition(",")[0] for each in rules]
    return judge(section, pair.name, pair.recorded, pair.ours, rules or pair.artefacts, note)


def _exactness(section: str, case: Mapping[str, Any], ours: Outcome, rules: frozenset[str]) -> Row:
    """Where neither K01 nor K02 nor K04 applies, 4.9 puts every page into the recorded frame (2.4)."""
    name = "invariant: frame by frame, unless K01, K02 or K04 apply"
    if rules & _ORDERING or "page_index" not in case:
        return same(section, name, "holds", "holds", f"apply: {', '.join(sorted(rules & _ORDERING))}")
    start = case["zone_start_pfn"]
    pairs = zip(case["pfn_before"], case["pfn_after"], strict=True)
    differ = sum(ours.frames.get(start + before) != start + after for before, after in pairs)
    return same(section, name, "holds", f"{differ} frames differ" if differ else "holds")


def set_up_rows(name: str, case: Mapping[str, Any], later: Outcome, ours: Outcome) -> Iterator[Row]:
    """Whether the machines stood as the recorded one did: block types, marks, sizes of per-CPU lists."""
    layout, section = later.layout, f"{name}, set-up"
    zone = layout.zone
    totals = block_totals(case["before"]["pagetypeinfo"], zone.nid, zone.kind)
    types = Counter(migratetype.name for migratetype in later.before.types.values())
    counts = {kind: types[kind.upper()] for kind in totals}
    yield same(section, "pageblocks by type", str(totals), str(counts))
    zoneinfo = case["before"].get("zoneinfo")
    if zoneinfo is None:
        return
    marks = f"min {zone.min}, low {zone.low}, high {zone.high}, managed {zone.managed}"
    with make_vm(layout, "6.1", computed=True)[0] as vm:
        each = next(each for each in vm.zones if each.start_pfn == zone.start_pfn)
        mark = each.watermark
        mine = f"min {mark.min}, low {mark.low}, high {mark.high}, managed {each.managed}"
    yield same(section, "watermarks and managed pages", marks, mine)
    recorded = "high {}, batch {}".format(*list_sizes(zoneinfo, zone.nid, zone.kind))
    for profile, outcome, rules in (("6.1", later, ()), ("4.9", ours, ("K04",))):
        text = f"high {outcome.lists.high}, batch {outcome.lists.batch}"
        yield judge(f"{section}, {profile}", "per-CPU lists", recorded, text, rules)
    waiting = zone.waiting[layout.cpu]
    rules = (A02,) if abs(waiting - later.before.waiting) <= LIVE_FRAMES else ()
    yield judge(section, "pages in the list of the CPU", str(waiting), str(later.before.waiting), rules)
