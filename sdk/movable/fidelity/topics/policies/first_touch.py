"""Rows of first touches under a policy, and of ``set_mempolicy_home_node``."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from movable.fidelity.model import Row
from movable.fidelity.topics.kit import (
    EVERY_NODE,
    PAGE,
    Claim,
    attempt,
    bits,
    each_row,
    judge,
    machine,
    map_pages,
    query,
)
from movable.fidelity.topics.later import (
    BALANCING,
    MODES,
    LaterPolicy,
    make_policy,
    mode_word,
    nearest,
    place,
    policy_is_local,
)

__all__ = ["first_touch_rows", "home_node_rows"]

_FIRST = 0x1_1000_0000
_WORDS = {
    "default": "DEFAULT", "pref": "PREFERRED", "preferred": "PREFERRED", "prefer": "PREFERRED", "bind": "BIND",
    "interleave": "INTERLEAVE", "il": "INTERLEAVE", "local": "LOCAL", "pmany": "PREFERRED_MANY",
    "prefmany": "PREFERRED_MANY", "preferred_many": "PREFERRED_MANY",
}  # fmt: skip


def first_touch_rows(rows: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """A policy is set for the task or a mapping, whose pages are touched then, on the CPU of the row."""
    return each_row("fault_placement", rows, _first_touch_row)


def _first_touch_row(row: Mapping[str, Any]) -> Row:
    inputs = {"cpu", "by", "mode", "mask", "name"}
    word, nodes = mode_word(row["mode"]), bits(row["mask"] or 0)
    cpu, by, count = row.get("cpu", 0), row.get("by", "mbind"), len(row["nodes"])
    recorded = {key: row[key] for key in ("ret", "errno", "nodes") if key in row}
    return judge(
        "fault_placement",
        f"cpu {cpu}, {by} {row['mode']} {row['mask']}",
        recorded,
        _touched(word, nodes, cpu, count, task=by == "set_mempolicy"),
        _touch_claim(word, nodes, cpu, count),
        unread=sorted(set(row) - inputs - {"ret", "errno", "nodes"}),
    )


def _touched(word: int, nodes: frozenset[int], cpu: int, count: int, *, task: bool) -> Mapping[str, Any]:
    with machine() as vm:
        vm.cpu = cpu
        process = vm.process()
        addresses = map_pages(process, _FIRST, count)
        mask, maxnode = nodes or None, 64 if nodes else 0
        if task:
            ret, error = attempt(lambda: process.set_mempolicy(word, mask, maxnode))
        else:
            ret, error = attempt(lambda: process.mbind(addresses[0], count * PAGE, word, mask, 0, maxnode))
        process.touch(addresses[0], count * PAGE)
        return {"ret": ret, "errno": error, "nodes": query(process, addresses)}


def _touch_claim(word: int, nodes: frozenset[int], cpu: int, count: int) -> Claim:
    policy = make_policy(word, nodes, EVERY_NODE)
    plain = [cpu] * count
    refused = {"ret": -1, "errno": "EINVAL", "nodes": plain}
    if isinstance(policy, str):
        local = {"ret": 0, "errno": "0", "nodes": plain}
        return Claim(["N12"] if policy_is_local(word, nodes) else [], local, refused)
    later = {
        "ret": 0,
        "errno": "0",
        "nodes": [place(policy, cpu, _FIRST + index, EVERY_NODE) for index in range(count)],
    }
    if policy is not None and policy.mode == MODES["PREFERRED_MANY"]:
        return Claim(["N10"], refused, later)
    return Claim(["N11"], refused, later) if word & BALANCING else Claim([], later, later)


@frozen
class _Home:
    """What a row's name says: ``bind12_home2``, ``default_home1``, ``bind12_home1_flags1``."""

    word: int
    nodes: frozenset[int]
    home: int
    rest: str


def home_node_rows(rows: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """A mapping gets a policy and a home node, and is touched: 4.9 has no such call (N17)."""
    return each_row("set_mempolicy_home_node", rows, _home_node_row)


def _home_node_row(row: Mapping[str, Any]) -> Row:
    asked, count = _parse_home(row["name"]), len(row["fault_nodes"])
    touched = _touched(asked.word, asked.nodes, 0, count, task=False)
    ours = {"ret": -1, "errno": "ENOSYS", "fault_nodes": touched["nodes"]}
    recorded = {key: row[key] for key in ("ret", "errno", "fault_nodes") if key in row}
    return judge(
        "set_mempolicy_home_node",
        row["name"],
        recorded,
        ours,
        _home_claim(asked, count),
        unread=sorted(set(row) - {"name", "ret", "errno", "fault_nodes"}),
    )


def _parse_home(name: str) -> _Home:
    match = re.match(r"([a-z_]+?)_?(\d*)_home_?(-?\d+)(.*)", name)
    if match is None or match[1] not in _WORDS:
        raise ValueError(f"name {name!r} is no policy with a home node, as bind12_home2")
    nodes = frozenset(int(digit) for digit in match[2])
    return _Home(MODES[_WORDS[match[1]]], nodes, int(match[3]), match[4])


def _home_claim(asked: _Home, count: int) -> Claim:
    policy = make_policy(asked.word, asked.nodes, EVERY_NODE)
    error, home = _home_error(asked, policy), None
    if error == "0" and not re.search(r"len_?0|zero_len|empty_range", asked.rest):
        home = asked.home
    set_up = None if isinstance(policy, str) else policy
    if home is None or set_up is None:
        placed = [place(set_up, 0, _FIRST + index, EVERY_NODE) for index in range(count)]
    else:
        placed = [nearest(home, set_up.nodes)] * count
    later = {"ret": 0 if error == "0" else -1, "errno": error, "fault_nodes": placed}
    unknown = asked.word == MODES["PREFERRED_MANY"]
    plain = None if unknown else set_up
    earlier = {
        "ret": -1,
        "errno": "ENOSYS",
        "fault_nodes": [place(plain, 0, _FIRST + index, EVERY_NODE) for index in range(count)],
    }
    return Claim(["N17"], earlier, later)


def _home_error(asked: _Home, policy: LaterPolicy | str | None) -> str:
    """The errno of 6.1: bad arguments first, then a policy that has no use for a home node."""
    if "flag" in asked.rest or "unaligned" in asked.rest or asked.home not in EVERY_NODE:
        return "EINVAL"
    if policy is None or isinstance(policy, str):
        return "ENOENT"
    return "0" if policy.mode in (MODES["BIND"], MODES["PREFERRED_MANY"]) else "EOPNOTSUPP"
