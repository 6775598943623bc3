"""Which pages of the filled range were kept: the patterns that the notes of the recordings describe."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from movable.fidelity.model import Row
from movable.fidelity.topics.compaction.inputs import A02, A04
from movable.fidelity.topics.compaction.kit import LIVE_FRAMES, judge

__all__ = ["kept_pages", "pattern_rows"]

_U64 = (1 << 64) - 1
_LONGEST_RUN = 64


def _xorshift(state: int) -> int:
    state ^= state << 13 & _U64
    state ^= state >> 7
    return state ^ state << 17 & _U64


def kept_pages(pattern: str, pages: int, seed: int) -> list[int] | None:
    """The indices that stay when a pattern has freed the others; None for a pattern that is not known.

    ``altN`` frees and keeps N pages in turn; ``randN`` frees N of 100; ``runs`` frees and keeps runs of 1 to 64.
    """
    match = re.fullmatch(r"(alt|rand)(\d+)", pattern)
    if match and match[1] == "alt" and int(match[2]):
        return [index for index in range(pages) if index // int(match[2]) % 2]
    if match and match[1] == "rand":
        return list(_random(pages, seed, int(match[2])))
    return list(_runs(pages, seed)) if pattern == "runs" else None


def _random(pages: int, seed: int, percent: int) -> Iterator[int]:
    for index in range(pages):
        seed = _xorshift(seed)
        if seed % 100 >= percent:
            yield index


def _runs(pages: int, seed: int) -> Iterator[int]:
    index, kept = 0, False
    while index < pages:
        seed = _xorshift(seed)
        length = 1 + seed % _LONGEST_RUN
        if kept:
            yield from range(index, min(index + length, pages))
        index, kept = index + length, not kept


def pattern_rows(section: str, case: Mapping[str, Any]) -> Iterator[Row]:
    """The recorded list of pages is what the pattern leaves."""
    kept = kept_pages(case["pattern"], int(case["fill_pages"]), int(case["seed"]))
    recorded = case["page_index"]
    if kept is None:
        name = f"pages left by pattern {case['pattern']}"
        yield judge(section, name, f"{len(recorded)} pages", "not known", (A04,))
        return
    missing, more = set(kept) - set(recorded), set(recorded) - set(kept)
    text = f"{len(kept) - len(missing) + len(more)} pages"
    ours = f"{len(kept)} pages" if missing or more else text
    if missing or more:
        text = f"{text}, {len(missing)} missing, {len(more)} more"
    rules = (A02,) if len(missing) + len(more) <= LIVE_FRAMES else ()
    yield judge(section, f"pages left by pattern {case['pattern']}", text, ours, rules)
