"""Writes to the control files of a cpuset, and calls made inside one."""

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from movable.errors import SystemCallError
from movable.fidelity.model import Row, RowVerdict
from movable.fidelity.topics.kit import (
    EVERY_NODE,
    PAGE,
    Claim,
    attempt,
    each_row,
    judge,
    machine,
    map_pages,
    nodes_of_list,
    put,
    query,
)
from movable.fidelity.topics.later import MODES, LaterPolicy, make_policy, migrated, mode_word, place
from movable.flags import MpolF
from movable.process import Cpuset, Process
from movable.process.nodemask import mask_of

__all__ = ["error_rows"]

_FIRST = 0x1_3000_0000
_UNWRITTEN = 777
_DEFAULTS = {"cpuset.mems": "0-1", "cpuset.cpus": "0"}
_AROUND = {"EBUSY": "child", "EACCES": "parent", "EINVAL": "exclusive"}
"""What has to be there for a write of a good list to be refused so (spec/migration.md 9.9)."""
_CALL_OUTPUTS = ("ret", "errno", "status", "place", "mask")


def error_rows(rows: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """Each on a cpuset of its own: cpus 0, mems 0-1 unless the row says otherwise."""
    seen: dict[str, str] = {}

    def judge_row(row: Mapping[str, Any]) -> Row:
        if "file" not in row:
            return _call_row(row)
        verdict = _file_row(row, seen)
        if "reads_after" in row:
            seen[row["file"]] = row["reads_after"]
        return verdict

    return each_row("errors", rows, judge_row)


# -- control files ---------------------------------------------------------------------------------


@frozen
class _Place:
    """Where a write goes: the file, whose it is, what it reads before, and whether tasks are in the cpuset.

    ``around`` names what else there is: a ``child`` with one node of A's, a ``parent`` with no more nodes than A, an
    ``exclusive`` sibling with the nodes that A has not.
    """

    file: str
    owner: str
    before: str | None
    attached: bool
    words: str
    around: frozenset[str]


def _file_row(row: Mapping[str, Any], seen: Mapping[str, str]) -> Row:
    """The verdict of a write. Where a row does not say what its cpuset held, the readings are tried until one fits.

    A reading whose set-up the kernel would refuse is none: what the cpuset held cannot have been that.
    """
    recorded = {key: row[key] for key in ("errno", "reads_after") if key in row}
    told = {key: value for key, value in row.items() if isinstance(value, str) and key not in recorded}
    words = " ".join(told[key] for key in told if key != "write").lower()
    known = {"file", "write", "errno", "reads_after", "note", "setup", "in", "in_cpuset_mems", "name"}
    first: Row | None = None
    for place_ in _places(row, words, seen):
        try:
            ours = _write(place_, row["write"])
        except SystemCallError:
            continue
        verdict = judge("errors", _name(row), recorded, ours, unread=sorted(set(row) - known))
        if verdict.verdict is not RowVerdict.WRONG:
            return verdict
        first = first or verdict
    if first is None:
        raise ValueError("no cpuset can have been set up as the row says")
    return first


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['file']} {row['write']!r}"


def _places(row: Mapping[str, Any], words: str, seen: Mapping[str, str]) -> Iterator[_Place]:
    file = re.search(
        r"(cpuset\.)?(mems|cpus|memory_migrate|mem_exclusive|mem_hardwall|cpu_exclusive"
        r"|memory_spread_page|memory_spread_slab|tasks|procs)",
        row["file"],
    )
    if file is None:
        raise ValueError(f"file {row['file']!r} is none of a cpuset")
    base = "tasks" if file[2] in ("tasks", "procs") else f"cpuset.{file[2]}"
    whose = re.split(r"[/ ]", row["file"].lower())[:-1]
    owner = next((each for each in ("top", "root", "child", "sibling", "b") if each in whose), "A")
    default = row.get("in_cpuset_mems") or _DEFAULTS.get(base)
    befores = [default, *({seen[row["file"]]} - {default} if row["file"] in seen else ())]
    told = frozenset(each for each in _AROUND.values() if each in words and each not in base)
    implied = _AROUND.get(row.get("errno", ""))
    for around in dict.fromkeys((told, told | ({implied} if implied else set()))):
        for before in befores:
            for attached in (True, False):
                yield _Place(base, owner, before, attached, words, around)


def _write(place_: _Place, text: str) -> Mapping[str, Any]:
    with machine() as vm:
        top = vm.cpusets
        mems = (place_.before if place_.file == "cpuset.mems" and place_.owner == "A" else None) or "0-1"
        nodes = nodes_of_list(mems)
        a = (_parent(top, mems) if "parent" in place_.around else top).create("A")
        a.write("cpuset.cpus", "0")
        a.write("cpuset.mems", mems)
        child = a.create("child") if "child" in place_.around else None
        if child is not None:
            child.write("cpuset.mems", _list({1} & nodes or {max(nodes)}) if place_.owner == "A" else mems)
        other = top.create("B")
        if "exclusive" in place_.around:
            other.write("cpuset.mems", _list(EVERY_NODE - nodes))
            other.write("cpuset.mem_exclusive", "1")
        task = vm.process()
        if place_.attached:
            a.attach(task)
        owners = {"top": top, "root": top, "child": child or a, "sibling": other, "b": other}
        target = owners.get(place_.owner, a)
        if place_.file == "tasks":
            return _attach(target if place_.owner != "A" else other, task, text, place_.words)
        if place_.before is not None and place_.file not in _DEFAULTS:
            target.write(place_.file, place_.before)
        _, error = attempt(lambda: target.write(place_.file, text))
        return {"errno": error, "reads_after": target.read(place_.file).strip()}


def _list(nodes: Iterable[int]) -> str:
    return ",".join(map(str, sorted(nodes)))


def _parent(top: Cpuset, mems: str) -> Cpuset:
    """A cpuset that has not all nodes, to lie in."""
    return top.create("parent", cpus="0", mems=mems)


def _attach(target: Any, task: Process, text: str, words: str) -> Mapping[str, Any]:
    """A pid is written: a number that no process has or can have, or else the task's."""
    if not re.search(r"no_?\s?mems|empty|without mems", words):
        target.write("cpuset.mems", "2-3")
    if not re.search(r"no_?\s?cpus|empty|without cpus", words):
        target.write("cpuset.cpus", "0")
    number = re.fullmatch(r"\s*(-?)(\d+)\s*", text)
    nobody = number is not None and (number[1] == "-" or int(number[2]) > 1000)
    pid = text if nobody or not re.search(r"\d|pid|self", text) else str(task.pid)
    _, error = attempt(lambda: target.write("tasks", pid))
    return {"errno": error, "reads_after": target.read("tasks").strip()}


# -- calls -----------------------------------------------------------------------------------------


def _call_row(row: Mapping[str, Any]) -> Row:
    mems = nodes_of_list(row.get("in_cpuset_mems", "0-1"))
    recorded = {key: row[key] for key in _CALL_OUTPUTS if key in row}
    unread = sorted(set(row) - {"in_cpuset_mems", "call", "note", "name", *_CALL_OUTPUTS})
    with machine() as vm:
        a = vm.cpusets.create("A")
        a.write("cpuset.cpus", "0")
        a.write("cpuset.mems", _list(mems))
        caller = vm.process()
        a.attach(caller)
        (page,) = map_pages(caller, _FIRST, 1)
        put(caller, [(page, min(mems))])
        ours, claim = _call(caller, page, row["call"], mems)
    return judge("errors", f"in mems {sorted(mems)}: {row['call']}", recorded, ours, claim, unread=unread)


def _call(caller: Process, page: int, text: str, mems: frozenset[int]) -> tuple[Mapping[str, Any], Claim]:
    """Make the call that a text names: the outcome here, and what the rules say of it."""
    sets = [nodes_of_list(each) for each in re.findall(r"(?<![\w.])(\d+(?:[-,]\d+)*)(?![\w.])", text)]
    if text.startswith("move_pages"):
        return _move(caller, page, sets[-1] if sets else None)
    if text.startswith("migrate_pages"):
        return _migrate(caller, page, sets[0], sets[-1], mems)
    return _policy(caller, page, text, sets[-1] if sets else frozenset(), mems)


def _move(caller: Process, page: int, nodes: frozenset[int] | None) -> tuple[Mapping[str, Any], Claim]:
    status = array("i", [_UNWRITTEN])
    targets = None if nodes is None else [min(nodes)]
    _, error = attempt(lambda: caller.move_pages(0, [page], targets, status=status))
    placed = query(caller, [page])[0]
    ours = {"ret": 0 if error == "0" else -1, "errno": error, "status": status[0], "place": placed, "mask": 0}
    return ours, Claim([], ours, ours)


def _migrate(
    caller: Process, page: int, old: frozenset[int], new: frozenset[int], mems: frozenset[int]
) -> tuple[Mapping[str, Any], Claim]:
    """N20: 4.9 maps with the whole new mask and fails where it cannot allocate, 6.1 drops what the cpuset lacks."""
    start = min(mems)
    ret, error = attempt(lambda: caller.migrate_pages(0, old, new, 64))
    ours = _outcome(ret, error, query(caller, [page])[0])
    whole = migrated([start], old, new)[0]
    earlier = _outcome(0, "0", whole) if whole in mems else _outcome(-1, "ENOMEM", start)
    if not new <= EVERY_NODE:
        earlier = _outcome(-1, "EINVAL", start)
    later = (
        _outcome(0, "0", migrated([start], old, new & mems)[0])
        if new & mems
        else _outcome(-1, "EINVAL", start)
    )
    outside = not new & EVERY_NODE <= mems
    return ours, Claim(["N20"] if outside else [], earlier, later)


def _policy(
    caller: Process, page: int, text: str, nodes: frozenset[int], mems: frozenset[int]
) -> tuple[Mapping[str, Any], Claim]:
    """A policy is set for the task or the page, a page touched under it, and a policy or the mems read back."""
    new = page + PAGE
    caller.mmap(PAGE, address=new, fixed=True)
    upper = text.upper()
    match = re.search(
        r"(?<![A-Z])(DEFAULT|PREFERRED_MANY|PREFERRED|BIND|INTERLEAVE|LOCAL)(?:\W*(STATIC|RELATIVE))?", upper
    )
    word = (
        mode_word(match[1]) | {"STATIC": 1 << 15, "RELATIVE": 1 << 14}.get(match[2] or "", 0) if match else 0
    )
    ret, error = 0, "0"
    if match is not None and "mbind" in text:
        flags = sum(bit for name, bit in (("STRICT", 1), ("MOVE", 2)) if name in upper)
        ret, error = attempt(lambda: caller.mbind(page, 2 * PAGE, word, nodes or None, flags))
    elif match is not None:
        ret, error = attempt(lambda: caller.set_mempolicy(word, nodes or None))
    caller.touch(new)
    allowed = "MEMS_ALLOWED" in upper
    answer = caller.get_mempolicy(0, MpolF.MEMS_ALLOWED if allowed else 0)
    ours = _outcome(ret, error, query(caller, [new])[0], mask_of(answer.nodes or ()))
    policy = make_policy(word, nodes, mems)
    if word & 7 != MODES["PREFERRED_MANY"] or not isinstance(policy, LaterPolicy):
        return ours, Claim([], ours, ours)
    later = _outcome(0, "0", place(policy, 0, new // PAGE, mems), mask_of(mems if allowed else policy.nodes))
    earlier = _outcome(-1, "EINVAL", min(mems), mask_of(mems) if allowed else 0)
    return ours, Claim(["N10"], earlier, later)


def _outcome(ret: int, error: str, placed: int, mask: int = 0) -> Mapping[str, Any]:
    return {"ret": ret, "errno": error, "status": _UNWRITTEN, "place": placed, "mask": mask}
