"""The groups of rows that reuse one transparent huge page, or one hugetlb page (N04, N05).

A group follows the emulator's own state once a rule has applied in it (replay set-up: start state of a row); the
rules' later column goes by the node that the row's query names, which is the state of the recorded kernel.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve

from movable.fidelity.model import Row
from movable.fidelity.topics.kit import PAGE, Claim, judge, machine
from movable.fidelity.topics.move_pages.asked import Asked, Unit
from movable.fidelity.topics.move_pages.models import Pools, earlier, later
from movable.fidelity.topics.move_pages.scene import call_pages
from movable.flags import Madvise, Mpol
from movable.process import Process
from movable.vm import VM

__all__ = ["HugetlbGroup", "ThpGroup"]

_HUGE = 2 << 20
_SUBPAGES = 512
_AT = 0x1_6000_0000 * PAGE
_CALL_FIELDS = ("ret", "errno", "status", "query_before", "query_after")
_INPUTS = {"name", "note", "count", "nodes", "flags"}


def _call_of(row: Mapping[str, Any], units: Sequence[Unit], named: Sequence[int]) -> Asked:
    nodes = row.get("nodes")
    return Asked(
        units=tuple(units),
        named=tuple(named),
        nodes=tuple(nodes) if isinstance(nodes, list) else None,
        flags=row.get("flags", 0),
    )


def _subpages(row: Mapping[str, Any]) -> list[int]:
    """The sub-pages that a row names: the head and the tails behind it, or a tail alone."""
    count = len(row["query_before"])
    if count == 1 and re.search(r"tail", row["name"]):
        return [1]
    return list(range(count))


class ThpGroup:
    """Rows about one 2 MiB mapping. ``split`` says that it starts mapped by small entries."""

    def __init__(self, *, split: bool) -> None:
        self._split = split
        self._vm: VM | None = None
        self._process: Process | None = None
        self._moved = False
        self._nodes: dict[int, int] = {}

    def _start(self, node: int) -> None:
        """A huge page on a node."""
        self._vm = machine()
        self._process = process = self._vm.process()
        process.mmap(_HUGE, address=_AT, fixed=True)
        process.madvise(_AT, _HUGE, Madvise.HUGEPAGE)
        process.set_mempolicy(Mpol.BIND, [node])
        process.touch(_AT)
        process.set_mempolicy(Mpol.DEFAULT)
        if self._split:
            process.madvise(_AT + _HUGE - PAGE, PAGE, Madvise.DONTNEED)
        self._nodes = dict.fromkeys(range(_SUBPAGES), node)
        self._moved = False

    def _query(self, subpages: Sequence[int]) -> list[int]:
        assert self._process is not None
        return [int(self._process.move_pages(0, [_AT + each * PAGE])[0]) for each in subpages]

    def row(self, row: Mapping[str, Any], initial: int) -> Row:
        """A query or a move of sub-pages."""
        if "query_before" not in row:
            return self._text_row(row)
        subpages, codes = _subpages(row), list(row["query_before"])
        if self._process is None or (not self._moved and self._query(subpages) != codes):
            self._start(max(codes[0], 0) if codes else 0)
        assert self._process is not None
        mine = _call_of(row, [Unit("thp", self._nodes[each]) for each in subpages], range(len(subpages)))
        theirs = _call_of(row, [Unit("thp", max(codes[0], 0))] if codes else [], [0] * len(subpages))
        entries = [_AT + each * PAGE for each in subpages]
        before = self._query(subpages)
        outcome = call_pages(self._process, 0, mine, entries, initial)
        ours = {**outcome, "query_before": before, "query_after": self._query(subpages)}
        expected = earlier(mine, initial)
        self._nodes.update(zip(subpages, expected["query_after"], strict=True))
        self._moved |= mine.moving
        recorded = {key: row[key] for key in _CALL_FIELDS if key in row}
        claim = Claim(["N04"], expected, later(theirs, initial)) if self._moved else None
        unread = sorted(set(row) - _INPUTS - set(recorded))
        return judge("cases", row["name"], recorded, ours, claim, unread=unread)

    def _text_row(self, row: Mapping[str, Any]) -> Row:
        """What smaps says of the mapping: its huge kilobytes, 2048 as long as one entry maps it all."""
        if self._process is None:
            self._start(0)
        assert self._process is not None
        text = row.get("note", "")
        number = re.search(r"\d+", text)
        lines = [line for line in self._process.numa_maps().splitlines() if line.startswith(f"{_AT:08x} ")]
        whole = bool(lines) and not self._moved and not self._split
        kilobytes = re.search(r"(?i)huge|smaps|kb", f"{row['name']} {text}") is not None
        if number is None or not kilobytes:
            return judge("cases", row["name"], {}, {}, unread=["note"])
        shown = [
            text.replace(number[0], str(size), 1)
            for size in (2048 if whole else 0, 0 if self._split else 2048)
        ]
        claim = Claim(["N04"], {"note": shown[0]}, {"note": shown[1]}) if self._moved else None
        return judge("cases", row["name"], {"note": text}, {"note": shown[0]}, claim)


class HugetlbGroup:
    """Rows about one hugetlb page and the pools it lives in."""

    def __init__(self) -> None:
        self._vm: VM | None = None
        self._process: Process | None = None
        self._applied = False
        self._node = self._later_node = 0
        self._size: Pools = {}
        self._free: Pools = {}
        self._later_size: Pools = {}
        self._later_free: Pools = {}
        self._asked_for: Pools = {}

    def _start(self, node: int) -> None:
        """A page on a node, out of pools as the notes say; else two pages on node 1 and one on node 2."""
        pools = self._asked_for or {1: 2, 2: 1}
        self._size = {each: pools.get(each, 0) for each in range(4)}
        self._size[node] = max(self._size[node], 1)
        self._vm = vm = machine()
        for each, number in self._size.items():
            vm.hugetlb.set(each, number)
        self._process = process = vm.process()
        process.mmap(_HUGE, address=_AT, fixed=True, hugetlb=True)
        process.set_mempolicy(Mpol.BIND, [node])
        process.touch(_AT)
        process.set_mempolicy(Mpol.DEFAULT)
        self._free = {each: number - (each == node) for each, number in self._size.items()}
        self._node = self._later_node = node
        self._later_size, self._later_free = dict(self._size), dict(self._free)
        self._applied = False

    def row(self, rows: Sequence[Mapping[str, Any]], index: int, initial: int) -> Row:
        """A query or a move of the page's head or tails, or a counter of the pools."""
        row = rows[index]
        told = {
            int(node): int(number) for node, number in re.findall(r"node ?(\d) (\d+)", row.get("note", ""))
        }
        if told and "query_before" in row:
            self._asked_for = told
        if "query_before" not in row:
            return self._counter(rows, index)
        codes = list(row["query_before"])
        if self._process is None or (not self._applied and codes and codes[0] != self._node):
            self._start(max(codes[0], 0) if codes else 1)
        return self._call(row, codes, initial)

    def _call(self, row: Mapping[str, Any], codes: Sequence[int], initial: int) -> Row:
        tail = len(codes) == 1 and "tail" in row["name"]
        states = ["hugetlb_tail"] if tail else ["hugetlb", *["hugetlb_tail"] * (len(codes) - 1)]
        mine = _call_of(row, [Unit(each, self._node) for each in states], range(len(codes)))
        node = max(codes[0], 0) if codes else 0
        theirs = _call_of(row, [Unit(each, node) for each in states], range(len(codes)))
        expected = self._whole(earlier(mine, initial, self._free))
        wanted = self._whole(later(theirs, initial))
        assert self._process is not None
        entries = [_AT + (each + tail) * PAGE for each in range(len(codes))]
        before = self._query(entries)
        outcome = call_pages(self._process, 0, mine, entries, initial)
        ours = {**outcome, "query_before": before, "query_after": self._query(entries)}
        self._follow(mine, expected, node, wanted)
        recorded = {key: row[key] for key in _CALL_FIELDS if key in row}
        claim = Claim(["N05"], expected, wanted) if self._applied else None
        unread = sorted(set(row) - _INPUTS - set(recorded))
        return judge("cases", row["name"], recorded, ours, claim, unread=unread)

    def _query(self, entries: Sequence[int]) -> list[int]:
        assert self._process is not None
        return [int(self._process.move_pages(0, [address])[0]) for address in entries]

    @staticmethod
    def _whole(outcome: Mapping[str, Any]) -> Mapping[str, Any]:
        """The page moves as a whole: where its head is, its tails are."""
        after = list(outcome["query_after"])
        return {**outcome, "query_after": after[:1] * len(after)}

    def _follow(
        self, asked: Asked, expected: Mapping[str, Any], node: int, wanted: Mapping[str, Any]
    ) -> None:
        """Keep both books after a call."""
        self._applied |= expected["errno"] == "ENOMEM" and asked.moving
        after, later_after = expected["query_after"], wanted["query_after"]
        if after and after[0] != self._node:
            self._free[self._node] += 1
            self._free[after[0]] -= 1
            self._node = after[0]
        self._later_node = node
        if later_after and later_after[0] != node:
            self._later_move(later_after[0])

    def _later_move(self, node: int) -> None:
        """A move in 6.1: into a free page, or one that is made, and the pools' sizes change."""
        self._later_size, self._later_free = _moved_later(
            self._later_size, self._later_free, self._later_node, node
        )
        self._later_node = node

    # -- counters --------------------------------------------------------------------------------------

    def _counter(self, rows: Sequence[Mapping[str, Any]], index: int) -> Row:
        row = rows[index]
        parsed = _parse_counter(row)
        if parsed is None:
            return judge("cases", row["name"], {}, {}, unread=["note"])
        if self._process is None:
            self._start(1)
        self._catch_up([each for each in map(_parse_counter, rows[index:]) if each is not None])
        node, kind, text = parsed
        assert self._vm is not None
        pools = self._vm.hugetlb
        ours = {"nr": pools.nr, "free": pools.free, "surplus": pools.surplus}[kind](node)
        earlier_value = {"nr": self._size, "free": self._free, "surplus": {}}[kind].get(node, 0)
        later_value = {"nr": self._later_size, "free": self._later_free, "surplus": {}}[kind].get(node, 0)
        claim = (
            Claim(["N05"], {"note": str(earlier_value)}, {"note": str(later_value)})
            if self._applied
            else None
        )
        return judge("cases", row["name"], {"note": text}, {"note": str(ours)}, claim)

    def _catch_up(self, counters: Sequence[tuple[int, str, str]]) -> None:
        """Make the moves between the last row seen and the counters, if the recording lacks those rows.

        They are found from all counters together: the shortest ways of the page after which 6.1 shows them.
        """
        for length in range(4):
            for way in itertools.product(range(4), repeat=length):
                size, free, node = self._later_size, self._later_free, self._later_node
                for step in way:
                    size, free = _moved_later(size, free, node, step)
                    node = step
                books = {"nr": size, "free": free, "surplus": dict[int, int]()}
                if all(str(books[kind].get(at, 0)) == text for at, kind, text in counters):
                    for step in way:
                        self._silent_move(step)
                    return

    def _silent_move(self, node: int) -> None:
        asked = Asked(units=(Unit("hugetlb", self._node),), named=(0,), nodes=(node,), flags=2)
        expected = earlier(asked, 0, self._free)
        assert self._process is not None
        call_pages(self._process, 0, asked, [_AT], 0)
        made = later(evolve(asked, units=(Unit("hugetlb", self._later_node),)), 0)
        self._follow(asked, expected, self._later_node, made)


def _parse_counter(row: Mapping[str, Any]) -> tuple[int, str, str] | None:
    """Node, kind and text of a counter row."""
    match = re.search(r"node_?(\d)_(nr|free|surplus)", row["name"])
    return (
        None
        if match is None or "query_before" in row
        else (int(match[1]), match[2], str(row.get("note", "")))
    )


def _moved_later(size: Pools, free: Pools, old: int, new: int) -> tuple[Pools, Pools]:
    size, free = dict(size), dict(free)
    if old == new:
        return size, free
    if free.get(new, 0) > 0:
        free[new] -= 1
        free[old] = free.get(old, 0) + 1
    else:
        size[new] = size.get(new, 0) + 1
        size[old] = size.get(old, 0) - 1
    return size, free
