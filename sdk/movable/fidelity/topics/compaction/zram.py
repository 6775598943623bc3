"""What zram itself tells of a compaction of its pages: nothing changed."""

from collections.abc import Iterator, Mapping
from typing import Any

from movable.fidelity.model import Row
from movable.fidelity.topics.compaction.inputs import A02
from movable.fidelity.topics.compaction.kit import NOISE, judge, same

__all__ = ["zram_rows"]

_MM_STAT_FIELDS = 7


def zram_rows(section: str, case: Mapping[str, Any]) -> Iterator[Row]:
    """Page compaction moves pages of zram and leaves its statistics and its data alone.

    Only the fields of mm_stat that 4.9 has compare (Z04). zsmalloc's own compaction follows; the topic ``zram``
    replays it, here only that it moved no page is compared.
    """
    before, after = (case[f"mm_stat_{when}"].split()[:_MM_STAT_FIELDS] for when in ("before", "after"))
    yield same(section, "mm_stat after", " ".join(after), " ".join(before))
    packed = case.get("mm_stat_after_zs_compact", "").split()
    if packed:
        yield same(
            section, "stored bytes after zsmalloc's compaction", " ".join(packed[:2]), " ".join(after[:2])
        )
        grown = int(packed[2]) > int(after[2])
        yield same(
            section, "pool after zsmalloc's compaction", "has grown" if grown else "no larger", "no larger"
        )
    wrong = case.get("pages_read_back_wrong")
    if wrong is not None:
        yield same(section, "pages_read_back_wrong", str(wrong), "0")
    for name, value in case.get("vmstat_delta_zs_compact", {}).items():
        moves = name.startswith(("pgmigrate", "compact_"))
        rules = () if moves or abs(value) > NOISE else (A02,)
        yield judge(section, f"vmstat_delta_zs_compact {name}", str(value), "0", rules)
