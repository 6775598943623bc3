"""The topic ``migrate_pages``: pairs of node sets over a process's pages, and what can be wrong with a call."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from movable.fidelity.model import Row
from movable.fidelity.topics.kit import (
    EVERY_NODE,
    PAGE,
    Claim,
    Section,
    Sections,
    attempt,
    each_row,
    judge,
    machine,
    map_pages,
    put,
    query,
)
from movable.fidelity.topics.later import migrated
from movable.fidelity.topics.rules import rules
from movable.process import Process
from movable.process.nodemask import BAD_POINTER, MAX_NUMNODES
from movable.vm import VM

__all__ = ["MigratePagesRecordings"]

_FIRST = 0x1_4000_0000
_COUNT = 128
_SPREAD = [index % 4 for index in range(_COUNT)]
_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "all": 4}
_JOINING = ("and", "plus", "with", "only", "mixed", "offline", "absent", "memoryless", "node", "nodes")
"""Words of a name within a set, which say nothing that its numbers do not."""
_OUTPUTS = ("ret", "errno", "child_pages_per_node", "own_pages", "place", "shared_page", "own_page")

Nodes = frozenset[int]
Mask = Nodes | str | None


class MigratePagesRecordings(Sections):
    """Replays recordings of ``migrate_pages``: which page went where, what was left behind, and errnos."""

    topic = "migrate_pages"
    rules = rules(("N18", "N19", "N20"))

    def sections(self, recording: Mapping[str, Any]) -> Mapping[str, Section]:
        """Pairs of sets, and errors."""
        return {"pairs": _pair_rows, "errors": _error_rows}


def _pair_rows(rows: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    return each_row("pairs", rows, _pair_row)


def _pair_row(row: Mapping[str, Any]) -> Row:
    old, new = frozenset(row["from"]), frozenset(row["to"])
    recorded = {key: row[key] for key in ("ret", "errno", "moved") if key in row}
    return judge(
        "pairs",
        f"{row['from']} to {row['to']}",
        recorded,
        _pair(old, new),
        unread=sorted(set(row) - {"from", "to", "ret", "errno", "moved"}),
    )


def _pair(old: Nodes, new: Nodes) -> Mapping[str, Any]:
    with machine() as vm:
        child, addresses = _child(vm)
        ret, error = attempt(lambda: vm.process().migrate_pages(child.pid, old, new, 64))
        moved = [[0] * 4 for _ in EVERY_NODE]
        for start, end in zip(_SPREAD, query(child, addresses), strict=True):
            moved[start][end] += 1
        return {"ret": ret, "errno": error, "moved": moved}


def _child(vm: VM) -> tuple[Process, list[int]]:
    """A process of root with 128 pages, page i on node i % 4."""
    child = vm.process()
    addresses = map_pages(child, _FIRST, _COUNT)
    put(child, zip(addresses, _SPREAD, strict=True))
    return child, addresses


@frozen
class _Asked:
    """What a row's name says. ``target`` is child, self, kthread, zombie, init or none."""

    old: Mask
    new: Mask
    maxnode: int
    target: str
    unprivileged: bool
    same_user: bool
    memory: str
    pinned: frozenset[int]


def _error_rows(rows: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    return each_row("errors", rows, _error_row)


def _error_row(row: Mapping[str, Any]) -> Row:
    asked = _parse(row)
    recorded = {key: row[key] for key in _OUTPUTS if key in row}
    return judge(
        "errors",
        row["name"],
        recorded,
        _ours(asked),
        _claim(asked),
        unread=sorted(set(row) - {"name"} - set(_OUTPUTS)),
    )


def _parse(row: Mapping[str, Any]) -> _Asked:
    name = row["name"].lower()
    masks = _masks(name)
    maxnode = re.search(r"maxnode_(-?\d+)", name)
    if "hi_bit" in name or "high_bit" in name:
        masks = {
            each: nodes | {63} if isinstance(nodes, frozenset) else nodes for each, nodes in masks.items()
        }
    memory = "shared" if "shared_page" in row else "place" if "place" in row else "child"
    memory = "own" if "own_pages" in row else memory
    return _Asked(
        old=masks["from"],
        new=masks["to"],
        maxnode=int(maxnode[1]) % (1 << 64) if maxnode else 64,
        target=_target(name, memory),
        unprivileged=bool(re.search(r"unpriv|nonroot|no_cap|uid", name)),
        same_user="same_u" in name or "own_child" in name,
        memory=memory,
        pinned=_pinned(name, row),
    )


def _masks(name: str) -> dict[str, Mask]:
    """The sets that follow the words ``from``, ``to`` and ``both``; node 0 to node 1 where nothing is said."""
    masks: dict[str, Mask] = {"from": frozenset({0}), "to": frozenset({1})}
    current: tuple[str, ...] = ()
    fresh = False
    for word in re.sub(r"(badptr|bad_?pointer|bad_?ptr)", "bad", name).split("_"):
        if word in ("from", "to", "both", "masks", "old", "new"):
            targets = {"from": "from", "old": "from", "to": "to", "new": "to"}
            current, fresh = ((targets[word],) if word in targets else ("from", "to")), True
            continue
        if word in _JOINING:
            continue
        read = _mask_word(word)
        if not current or read == "skip":
            current = ()
            continue
        for each in current:
            before = masks[each]
            joined = (
                read | before
                if isinstance(read, frozenset) and isinstance(before, frozenset) and not fresh
                else read
            )
            masks[each] = joined
        fresh = False
    return masks


def _mask_word(word: str) -> Mask:
    """A set from a word of a name: ``03``, ``0-3``, ``offline4``, ``empty``; None for ``null``."""
    if word in ("empty", "zero", "none"):
        return frozenset()
    if word == "null":
        return None
    if word == "bad":
        return "bad"
    if word == "all":
        return EVERY_NODE
    match = re.fullmatch(r"(?:offline|absent|node|nodes|bit|memoryless)?(\d+)(?:-(\d+))?", word)
    if match is None:
        return "skip"
    if match[2]:
        return frozenset(range(int(match[1]), int(match[2]) + 1))
    digits = frozenset(int(digit) for digit in match[1])
    return digits if digits <= EVERY_NODE else frozenset({int(match[1])})


def _target(name: str, memory: str) -> str:
    words = {
        "kthread": r"kthread|kernel_thread",
        "zombie": r"zombie",
        "init": r"init|pid_1(?!\d)",
        "none": r"negative|nonexist|no_such|esrch|pid_none|pid_dead|pid_unused|pid_max|pid_big|pid_huge|bad_pid"
        r"|invalid_pid|pid_invalid|pid_-?\d\d+|pid_-\d",
        "self": r"self|pid_0|own_pid|pid_own",
    }
    return next(
        (each for each, pattern in words.items() if re.search(pattern, name)), _default_target(memory)
    )


def _default_target(memory: str) -> str:
    return "child" if memory == "child" else "self"


def _pinned(name: str, row: Mapping[str, Any]) -> frozenset[int]:
    """Which pages are held: as many as the name says, those that a row of this shape left where they were."""
    match = re.search(r"(one|two|three|four|all|\d+)_?pinned", name)
    if match is None:
        return frozenset({0} if "pinned" in name else ())
    count = _NUMBERS[match[1]] if match[1] in _NUMBERS else int(match[1])
    stayed = [index for index, node in enumerate(row.get("place", ())) if node == 0]
    return frozenset(stayed if len(stayed) == count else range(count))


def _ours(asked: _Asked) -> Mapping[str, Any]:
    with machine() as vm:
        child, addresses = _child(vm)
        uid = 1000 if asked.unprivileged else 0
        caller = vm.process(uid) if uid else vm.process()
        if asked.same_user:
            child.credentials = caller.credentials
        own = map_pages(caller, _FIRST, 4)
        put(caller, ((address, 0) for address in own))
        if asked.memory == "shared":
            caller.fork().munmap(own[1], PAGE)
        for index in asked.pinned:
            caller.pin(own[index])
        pid = _pid(vm, asked.target, child)
        ret, error = attempt(
            lambda: caller.migrate_pages(pid, _argument(asked.old), _argument(asked.new), asked.maxnode)
        )
        places, counts = query(caller, own), Counter(query(child, addresses))
    return _outcome(ret, error, counts, places)


def _outcome(ret: int, error: str, counts: Mapping[int, int], places: Sequence[int]) -> Mapping[str, Any]:
    """All that a row can ask for: the first of the caller's pages is the shared one where there is one."""
    known = [counts.get(node, 0) for node in sorted(EVERY_NODE)]
    return {
        "ret": ret,
        "errno": error,
        "child_pages_per_node": [*known, _COUNT - sum(known)],
        "own_pages": list(places),
        "place": list(places),
        "shared_page": places[0],
        "own_page": places[1],
    }


def _argument(mask: Mask) -> Any:
    return BAD_POINTER if mask == "bad" else mask


def _pid(vm: VM, target: str, child: Process) -> int:
    if target == "kthread":
        return vm.kernel_thread().pid
    if target == "zombie":
        zombie = vm.process()
        zombie.exit(reap=False)
        return zombie.pid
    if target == "init":
        init = vm.process()
        put(init, ((address, 0) for address in map_pages(init, _FIRST, 4)))
        return init.pid
    return {"none": -5, "self": 0, "child": child.pid}[target]


def _claim(asked: _Asked) -> Claim:
    """N18 and N19: what 6.1 and 4.9 answer to these sets."""
    unmoved = Counter(_SPREAD)

    def refused(error: str) -> Mapping[str, Any]:
        return _outcome(0 if error == "0" else -1, error, unmoved, [0] * 4)

    old, new = _nodes(asked.old, asked.maxnode), _nodes(asked.new, asked.maxnode)
    for mask in (old, new):
        if isinstance(mask, str):
            return Claim([], refused(mask), refused(mask))
    assert isinstance(old, frozenset)
    assert isinstance(new, frozenset)
    if asked.target == "none":
        return Claim([], refused("ESRCH"), refused("ESRCH"))
    if asked.unprivileged and (
        not new <= EVERY_NODE
        or (asked.target in ("child", "init", "kthread", "zombie") and not asked.same_user)
    ):
        return Claim([], refused("EPERM"), refused("EPERM"))
    if not new:
        no_memory = asked.target in ("kthread", "zombie")
        return Claim(["N19"], refused("EINVAL" if no_memory else "0"), refused("EINVAL"))
    usable = new & EVERY_NODE
    if not usable or asked.target in ("kthread", "zombie"):
        return Claim([], refused("EINVAL"), refused("EINVAL"))
    later = _moved(asked, old, usable)
    return Claim(["N18"], refused("EINVAL"), later) if usable != new else Claim([], later, later)


def _nodes(mask: Mask, maxnode: int) -> Nodes | str:
    """The set that an argument means, or the errno. spec/migration.md 9.2."""
    if mask is None or maxnode == 1:
        return frozenset()
    used = (maxnode - 1) % (1 << 64)
    if used > 8 * PAGE:
        return "EINVAL"
    if isinstance(mask, str):
        return "EFAULT"
    nodes = frozenset(node for node in mask if node < used)
    return "EINVAL" if any(node >= MAX_NUMNODES for node in nodes) else nodes


def _moved(asked: _Asked, old: Nodes, new: Nodes) -> Mapping[str, Any]:
    counts = Counter(migrated(_SPREAD, old, new) if asked.target == "child" else _SPREAD)
    places = [0] * 4
    if asked.target == "self":
        held = asked.pinned | (
            frozenset({0}) if asked.memory == "shared" and asked.unprivileged else frozenset()
        )
        places = [0 if index in held else migrated([0], old, new)[0] for index in range(4)]
    left = len(asked.pinned) if asked.target == "self" and migrated([0], old, new) != [0] else 0
    return _outcome(left, "0", counts, places)
