"""Rows of ``set_mempolicy``: a call, and the policy read back after it with a wide mask."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from movable.fidelity.model import Row
from movable.fidelity.topics.kit import EVERY_NODE, Claim, attempt, bits, each_row, judge, machine
from movable.fidelity.topics.later import BALANCING, MODES, RELATIVE, STATIC, make_policy, policy_is_local
from movable.flags import MpolF
from movable.process.nodemask import mask_of

__all__ = ["set_rows"]

_INPUTS = {"mode", "modeflags", "mask", "name"}
_OUTPUTS = ("ret", "errno", "get_ret", "get_mode", "get_nodes", "mems_allowed")
_ALL = mask_of(EVERY_NODE)


def set_rows(rows: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """Each on a task that has no policy."""
    return each_row("set_mempolicy", rows, _set_row)


def _set_row(row: Mapping[str, Any]) -> Row:
    word = row["mode"] | row.get("modeflags", 0)
    nodes = None if row["mask"] is None else bits(row["mask"])
    name = f"mode {row['mode']}, flags {row.get('modeflags', 0):#x}, mask {row['mask']}"
    recorded = {key: row[key] for key in _OUTPUTS if key in row}
    unread = sorted(set(row) - _INPUTS - set(_OUTPUTS))
    return judge(
        "set_mempolicy",
        name,
        recorded,
        _ours(word, nodes),
        _claim(word, nodes or frozenset()),
        unread=unread,
    )


def _ours(word: int, nodes: frozenset[int] | None) -> Mapping[str, Any]:
    with machine() as vm:
        process = vm.process()
        ret, error = attempt(lambda: process.set_mempolicy(word, nodes, 0 if nodes is None else 64))
        policy = process.get_mempolicy()
        allowed = process.get_mempolicy(0, MpolF.MEMS_ALLOWED).nodes
        return {
            "ret": ret,
            "errno": error,
            "get_ret": 0,
            "get_mode": policy.mode,
            "get_nodes": mask_of(policy.nodes or ()),
            "mems_allowed": mask_of(allowed or ()),
        }


def _claim(word: int, nodes: frozenset[int]) -> Claim:
    """Which rules apply to these inputs, and what both kernels answer."""
    policy, flags = make_policy(word, nodes, EVERY_NODE), word & (STATIC | RELATIVE)
    refused = _outcome(-1, "EINVAL", 0, 0)
    if isinstance(policy, str):
        if policy_is_local(word, nodes):
            return Claim(["N12"], _outcome(0, "0", MODES["PREFERRED"] | flags, 0), refused)
        return Claim([], refused, refused)
    later = _outcome(0, "0", *(policy.read_back if policy else (0, 0)))
    if policy is not None and policy.mode == MODES["PREFERRED_MANY"]:
        return Claim(["N10"], refused, later)
    if word & BALANCING:
        return Claim(["N11"], refused, later)
    if policy is not None and policy.mode == MODES["LOCAL"]:
        return Claim(["N13"], _outcome(0, "0", MODES["PREFERRED"], 0), later)
    return Claim([], later, later)


def _outcome(ret: int, error: str, mode: int, nodes: int) -> Mapping[str, Any]:
    return {
        "ret": ret,
        "errno": error,
        "get_ret": 0,
        "get_mode": mode,
        "get_nodes": nodes,
        "mems_allowed": _ALL,
    }
