"""Rows of ``mbind``: errors, masks, flags, holes, pins; where no pages are told, only the answer is compared."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from movable.fidelity.model import Row
from movable.fidelity.topics.kit import PAGE, attempt, each_row, judge, machine, map_pages, query
from movable.fidelity.topics.later import MODES
from movable.fidelity.topics.policies.later_mbind import BAD, Asked, Memory, claim_of
from movable.flags import MpolF
from movable.process import Process
from movable.process.nodemask import BAD_POINTER, mask_of

__all__ = ["mbind_rows"]

_FIRST = 0x1_2000_0000
_FAR = 0x7_0000_0000
_INPUTS = {"name", "mode", "mask", "maxnode", "flags", "len"}
_POLICY = re.compile(
    r"(?<![a-z])(bind|interleave|preferred_many|preferred|pref|pmany|local|default)_?(\d*)(?![a-z])"
)
_ORDINALS = ("first", "second", "third", "fourth")


@frozen
class _Row:
    """What a row asks for: the call, the memory it is made on, and whose it is."""

    asked: Asked
    memory: Memory
    address: int
    unprivileged: bool
    probes: Mapping[str, int] = field(factory=dict)


def mbind_rows(rows: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """Each on memory of its own."""
    return each_row("mbind", rows, _mbind_row)


def _mbind_row(row: Mapping[str, Any]) -> Row:
    parsed = _parse(row)
    outputs = [key for key in row if key in ("ret", "errno", "place") or key in parsed.probes]
    recorded = {key: row[key] for key in outputs}
    return judge(
        "mbind",
        row["name"],
        recorded,
        _ours(parsed),
        claim_of(parsed.asked, parsed.memory, parsed.probes),
        unread=sorted(set(row) - _INPUTS - set(outputs)),
    )


def _parse(row: Mapping[str, Any]) -> _Row:
    name = row["name"].lower()
    memory = _memory(name, row)
    start = memory.start
    address = (_FIRST + start) * PAGE
    if re.search(r"kernel", name):
        address, memory = 0xFFFF_8000_0000_0000, Memory((None,) * 16, 0)
    elif re.search(r"null_addr|addr_null|addr_0(?!x)|null_start|start_null", name):
        address, memory = 0, Memory((None,) * 16, 0)
    elif re.search(r"unaligned|misaligned|not_aligned|addr_plus", name) and not re.search(
        r"len(gth)?_(un|mis|not_)aligned|^unaligned_len", name
    ):
        address += 123
    word, mask = _policy(name, row)
    length = row.get("len", len(memory.pages) * PAGE) % (1 << 64)
    unprivileged = "unpriv" in name or "nonroot" in name or "uid" in name
    flags = row["flags"] if "flags" in row else _flags(name)
    asked = Asked(
        word=word,
        mask=mask,
        maxnode=row.get("maxnode", 64 if mask else 0),
        flags=flags,
        length=length,
        aligned=address % PAGE == 0,
        privileged=not unprivileged,
    )
    return _Row(asked, memory, address, unprivileged, _probes(row, memory))


def _memory(name: str, row: Mapping[str, Any]) -> Memory:
    """Sixteen pages on node 0; four with the second unmapped; or as many as the row places, some of them held."""
    if "hole" in name:
        starts = {"hole_at_start": 1, "hole_start": 1, "all_hole": 1, "only_hole": 1}
        start = next((first for word, first in starts.items() if word in name), 0)
        return Memory((0, None, 0, 0), start)
    count = len(row["place"]) if "place" in row else 16
    if re.search(r"untouched|not_touched", name):
        return Memory((-1,) * count, 0)
    if re.search(r"unmapped|munmapped|no_vma", name):
        return Memory((None,) * count, 0)
    memory = Memory((0,) * count, 0)
    for word in ("pinned", "shared"):
        found = [index for index, ordinal in enumerate(_ORDINALS) if f"{word}_{ordinal}" in name]
        held = frozenset(found or (range(count) if word in name else ()))
        memory = memory.holding(word, held)
    return memory


def _policy(name: str, row: Mapping[str, Any]) -> tuple[int, Any]:
    """The mode argument, and the mask: a set of nodes, None for NULL, or BAD."""
    if "mode" not in row:
        match = _POLICY.search(name)
        if match is None:
            raise ValueError(f"name {row['name']!r} tells no policy, and the row has no mode")
        mode = {"pref": "PREFERRED", "pmany": "PREFERRED_MANY"}.get(match[1], match[1].upper())
        nodes = frozenset(int(digit) for digit in match[2])
        return MODES[mode], nodes or None
    mask = row["mask"]
    if isinstance(mask, str):
        return row["mode"], BAD
    if mask is None:
        return row["mode"], None
    high = {int(bit) for bit in re.findall(r"bit_?(\d+)", name)}
    return row["mode"], frozenset(bit for bit in range(64) if mask >> bit & 1) | {
        bit for bit in high if bit > 63
    }


def _flags(name: str) -> int:
    number = re.search(r"flags?_?(0x[0-9a-f]+|\d+)", name)
    if number is not None:
        return int(number[1], 0)
    words = {"strict": 1, "move": 2, "move_all": 4, "moveall": 4}
    found = set(re.findall(r"strict|move_?all|move", name))
    return sum({words[each] for each in found})


def _probes(row: Mapping[str, Any], memory: Memory) -> Mapping[str, int]:
    """Fields with a policy read back at a page: its errno or 0, mode and mask."""
    last = max((index for index, node in enumerate(memory.pages) if node is not None), default=0)
    probes = {}
    for key, value in row.items():
        if key.startswith("policy") and isinstance(value, list):
            probes[key] = last if re.search(r"after|behind|end|last", key) else memory.start
    return probes


def _ours(row: _Row) -> Mapping[str, Any]:
    with machine() as vm:
        process = vm.process(1000) if row.unprivileged else vm.process()
        addresses = _set_up(process, row.memory)
        map_pages(process, _FAR, 2)
        mask = BAD_POINTER if row.asked.mask is BAD else row.asked.mask
        ret, error = attempt(
            lambda: process.mbind(
                row.address, row.asked.length, row.asked.word, mask, row.asked.flags, row.asked.maxnode
            )
        )
        mapped = [
            address for address, node in zip(addresses, row.memory.pages, strict=True) if node is not None
        ]
        probes = {key: _read_back(process, addresses[index]) for key, index in row.probes.items()}
        return {"ret": ret, "errno": error, "place": query(process, mapped), **probes}


def _set_up(process: Process, memory: Memory) -> list[int]:
    """The pages of the memory, all on node 0."""
    addresses = map_pages(process, _FIRST, len(memory.pages))
    for address, node in zip(addresses, memory.pages, strict=True):
        if node is None:
            process.munmap(address, PAGE)
        elif node >= 0:
            process.touch(address)
    if memory.shared:
        child = process.fork()
        for index, address in enumerate(addresses):
            if index not in memory.shared:
                child.munmap(address, PAGE)
    for index in memory.pinned:
        process.pin(addresses[index])
    return addresses


def _read_back(process: Process, address: int) -> list[int]:
    answer, error = attempt(lambda: process.get_mempolicy(address, MpolF.ADDR))
    if error != "0":
        return [-1, 0, 0]
    return [0, int(answer.mode or 0), mask_of(answer.nodes or ())]
