"""Rows of ``get_mempolicy``, made with the recorded maxnode (N16)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from movable.fidelity.model import Row, RowVerdict
from movable.fidelity.topics.kit import EVERY_NODE, PAGE, Claim, attempt, each_row, judge, machine, map_pages
from movable.fidelity.topics.later import MODES, LaterPolicy, make_policy
from movable.flags import Mpol, MpolF
from movable.process.nodemask import BAD_POINTER, MAX_NUMNODES, mask_of

__all__ = ["get_rows"]

_FIRST = 0x1_2000_0000
_BOUND = frozenset({1})
_NOT_WRITTEN = -77
_OUTPUTS = ("ret", "errno", "mode", "mask", "next_node", "then_faulted_on")
_FLAG_WORDS = {"F_NODE": 1, "NODE": 1, "F_ADDR": 2, "ADDR": 2, "F_MEMS_ALLOWED": 4, "MEMS_ALLOWED": 4}
_TASK = re.compile(r"(bind|interleave|preferred|pref|local)_?(\d*)", re.IGNORECASE)


@frozen
class _Asked:
    """A call: ``place`` is what lies at the address, None for address 0."""

    flags: int
    maxnode: int | None
    place: str | None
    task: LaterPolicy | None
    steps: int
    mode_pointer: str
    mask_pointer: str

    @property
    def address(self) -> int:
        """The address argument."""
        if self.place == "kernel":
            return 0xFFFF_8000_0000_0000
        return 0 if self.place is None else (_FIRST + (16 if self.place == "unmapped" else 0)) * PAGE


def get_rows(rows: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """Each on a process of its own: pages of node 0 bound to node 1, a task policy if one is named."""
    return each_row("get_mempolicy", rows, _get_row)


def _get_row(row: Mapping[str, Any]) -> Row:
    """The verdict by the first reading that fits: what lies at the address may not be told."""
    asked = _parse(row)
    verdicts = [_judge(row, each) for each in (asked, *_others(asked))]
    return min(verdicts, key=lambda each: each.verdict is RowVerdict.WRONG)


def _others(asked: _Asked) -> Iterator[_Asked]:
    if asked.place == "bound":
        yield evolve(asked, place="plain")


def _judge(row: Mapping[str, Any], asked: _Asked) -> Row:
    recorded = {key: row[key] for key in _OUTPUTS if key in row}
    ours = dict(_ours(asked))
    note = ""
    if "then_faulted_on" in recorded:
        known = asked.task.nodes if asked.task else EVERY_NODE
        told = recorded["then_faulted_on"]
        ours["then_faulted_on"] = told if told in known else f"one of {sorted(known)}"
        note = "the address of the page touched is not told: its node is only looked for in the policy's"
    return judge(
        "get_mempolicy",
        row["name"],
        recorded,
        ours,
        _claim(asked, ours, recorded),
        note=note,
        unread=sorted(set(row) - {"name", "maxnode", "flags"} - set(_OUTPUTS)),
    )


def _parse(row: Mapping[str, Any]) -> _Asked:
    name = row["name"]
    lower = name.lower()
    flags = row.get("flags")
    if flags is None:
        flags = sum(
            {bit for word, bit in _FLAG_WORDS.items() if re.search(rf"(?<![a-z]){word}(?![A-Za-z])", name)}
        )
    known = _TASK.search(lower)
    task = None
    if known is not None:
        mode = {"pref": "PREFERRED"}.get(known[1], known[1].upper())
        made = make_policy(MODES[mode], frozenset(int(digit) for digit in known[2]), EVERY_NODE)
        task = made if isinstance(made, LaterPolicy) else None
    step = re.search(r"step_?(\d+)", lower)
    null_mode, null_mask = _null(lower, "mode"), _null(lower, "mask|nodes|nodemask")
    has_mask = "mask" in row or "maxnode" in row
    return _Asked(
        flags=flags,
        maxnode=row.get("maxnode"),
        place=_place(lower, flags),
        task=task,
        steps=int(step[1]) if step else 0,
        mode_pointer="null" if null_mode else _bad(lower, "mode"),
        mask_pointer="null" if null_mask or not has_mask else _bad(lower, "mask|nodes|nodemask"),
    )


def _null(name: str, what: str) -> bool:
    return bool(re.search(rf"null_all|all_null|null_({what})|({what})_null", name))


def _bad(name: str, what: str) -> str:
    return (
        "bad"
        if re.search(rf"({what})_?(bad|fault|unwritable|readonly)|bad_?(ptr|pointer)?_({what})", name)
        else ""
    )


def _place(name: str, flags: int) -> str | None:
    """What is at the address that the call is asked about."""
    given = flags & MpolF.ADDR or re.search(r"addr(ess)?_(without|no|but|not)|with_addr|addr_given", name)
    if not given or re.search(r"null_addr|addr_null|addr_0|null_address", name):
        return None
    if "kernel" in name:
        return "kernel"
    if re.search(r"unmapped|hole|munmap", name):
        return "unmapped"
    if re.search(r"no_?policy|without_policy|default|no_vma_policy|novma", name):
        return "plain"
    return "untouched" if "untouched" in name or "not_touched" in name else "bound"


def _ours(asked: _Asked) -> Mapping[str, Any]:
    with machine() as vm:
        process = vm.process()
        addresses = map_pages(process, _FIRST, 16)
        if asked.place != "untouched":
            process.touch(addresses[0], 16 * PAGE)
        if asked.place != "plain":
            process.mbind(addresses[0], 16 * PAGE, Mpol.BIND, _BOUND)
        if asked.task is not None:
            process.set_mempolicy(asked.task.mode, asked.task.nodes or None)
            fresh = map_pages(process, _FIRST + 64, 64)
            for address in fresh[: asked.steps]:
                process.touch(address)
        maxnode = asked.maxnode
        answer, error = attempt(
            lambda: process.get_mempolicy(
                asked.address,
                asked.flags,
                maxnode=maxnode,
                mode=_pointer(asked.mode_pointer),
                nodes=_pointer(asked.mask_pointer),
            )
        )
    if error != "0":
        written = _NOT_WRITTEN
        return {"ret": -1, "errno": error, "mode": written, "mask": 0, "next_node": written}
    mode = _NOT_WRITTEN if answer.mode is None else answer.mode
    return {"ret": 0, "errno": "0", "mode": mode, "mask": mask_of(answer.nodes or ()), "next_node": mode}


def _pointer(word: str) -> Any:
    return {"null": False, "bad": BAD_POINTER}.get(word, True)


def _claim(asked: _Asked, ours: Mapping[str, Any], recorded: Mapping[str, Any]) -> Claim:
    """N16 where there is a mask and maxnode lies between the two limits; N13 for a mode 4 that is read back."""
    later = _later(asked)
    if (
        asked.place == "untouched"
        and asked.flags == MpolF.NODE | MpolF.ADDR
        and recorded.get("mode") in EVERY_NODE
    ):
        later = {**later, "mode": recorded["mode"]}  # the node of that kernel's zero page is not told
    refused = {"ret": -1, "errno": "EINVAL", "mode": _NOT_WRITTEN, "mask": 0, "next_node": _NOT_WRITTEN}
    told = {key: ours[key] for key in ("then_faulted_on",) if key in ours}
    later, refused = {**later, **told}, {**refused, **told}
    if asked.mask_pointer != "null" and len(EVERY_NODE) <= (asked.maxnode or 0) < MAX_NUMNODES:
        return Claim(["N16"], refused, later)
    if later["mode"] == MODES["LOCAL"] and later["ret"] == 0 and not asked.flags:
        return Claim(["N13"], {**later, "mode": MODES["PREFERRED"]}, later)
    return Claim([], later, later)


def _later(asked: _Asked) -> Mapping[str, Any]:
    """What 6.1 answers. spec/migration.md 9.5, with the limit of N16."""
    given = asked.mask_pointer != "null"
    error, mode, nodes = _answer(asked)
    if given and (asked.maxnode or 0) < len(EVERY_NODE):
        error = "EINVAL"
    written = error == "0" and not asked.mode_pointer
    if error == "0" and "bad" in (asked.mode_pointer, asked.mask_pointer):
        error = "EFAULT"
    shown = mode if written else _NOT_WRITTEN
    mask = mask_of(nodes) if error == "0" and given else 0
    return {"ret": 0 if error == "0" else -1, "errno": error, "mode": shown, "mask": mask, "next_node": shown}


def _answer(asked: _Asked) -> tuple[str, int, frozenset[int]]:
    none: frozenset[int] = frozenset()
    if asked.flags & ~7 or (asked.flags & 4 and asked.flags & 3):
        return "EINVAL", 0, none
    if asked.flags & MpolF.MEMS_ALLOWED:
        return "0", 0, EVERY_NODE
    policy: LaterPolicy | str | None = asked.task
    if asked.flags & MpolF.ADDR:
        if asked.place in (None, "kernel", "unmapped"):
            return "EFAULT", 0, none
        policy = None if asked.place == "plain" else make_policy(MODES["BIND"], _BOUND, EVERY_NODE)
    elif asked.place is not None:
        return "EINVAL", 0, none
    found = policy if isinstance(policy, LaterPolicy) else None
    shown = found.nodes if found is not None else none
    if asked.flags & MpolF.NODE:
        if asked.flags & MpolF.ADDR:
            return "0", 0, shown
        if found is None or found.mode != MODES["INTERLEAVE"]:
            return "EINVAL", 0, none
        return "0", min(found.nodes), shown
    return "0", found.mode if found is not None else 0, shown
