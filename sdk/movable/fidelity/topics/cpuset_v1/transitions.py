"""A task's mems change, by a write to its cpuset or by a move to another one: policy, old pages, new pages."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from movable.fidelity.model import RecordingError, Row
from movable.fidelity.topics.kit import (
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
from movable.fidelity.topics.later import (
    MODES,
    RELATIVE,
    STATIC,
    LaterPolicy,
    make_policy,
    migrated,
    place,
    rebind,
    relative,
)
from movable.flags import Mpol
from movable.process import Process

__all__ = ["transition_rows"]

_OLD, _NEW = 0x1_3000_0000, 0x1_3000_0100
_INPUTS = {"memory_migrate", "how", "from", "to", "policy", "name"}
_OUTPUTS = ("policy_before", "before", "errno", "policy_after", "after", "faulted_after")
_NAMES = {"prefer": "PREFERRED", "bind": "BIND", "interleave": "INTERLEAVE", "local": "LOCAL"}
_MODE_FLAGS = {"static": STATIC, "relative": RELATIVE}


@frozen
class _Case:
    """A row's inputs; ``policy`` is what it has before the change, ``in_area`` whether a mapping or the task has it."""

    migrate: bool
    attach: bool
    old: str
    new: str
    policy: LaterPolicy | None
    in_area: bool
    before: tuple[int, ...]
    new_pages: int


def transition_rows(rows: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """Each with cpusets and a process of its own."""
    return each_row("cases", rows, _transition_row)


def _transition_row(row: Mapping[str, Any]) -> Row:
    case = _parse(row)
    moves = ", memory_migrate" if case.migrate else ""
    return judge(
        "cases",
        f"{row['policy']}, {row['how']} {row['from']} to {row['to']}{moves}",
        {key: row[key] for key in _OUTPUTS if key in row},
        _ours(case),
        _claim(case),
        unread=sorted(set(row) - _INPUTS - set(_OUTPUTS)),
    )


def _parse(row: Mapping[str, Any]) -> _Case:
    if row["how"] not in ("write_mems", "attach"):
        raise ValueError(f"how {row['how']!r} is neither write_mems nor attach")
    return _Case(
        migrate=bool(row["memory_migrate"]),
        attach=row["how"] == "attach",
        old=row["from"],
        new=row["to"],
        policy=_policy(row["policy_before"], nodes_of_list(row["from"])),
        in_area=row["policy"].startswith("vma_"),
        before=tuple(row["before"]),
        new_pages=len(row.get("faulted_after", ())),
    )


def _policy(text: str, mems: frozenset[int]) -> LaterPolicy | None:
    """The policy that shows as this text in a cpuset with these mems. Where the user's nodes do not show, see below."""
    name, _, nodes = text.partition(":")
    mode, _, flag = name.partition("=")
    if mode == "default":
        return None
    shown = nodes_of_list(nodes)
    made = make_policy(MODES[_NAMES[mode]] | _MODE_FLAGS.get(flag, 0), _user(shown, flag, mems), mems)
    if not isinstance(made, LaterPolicy):
        raise RecordingError(f"policy {text!r} cannot be made where mems are {sorted(mems)}")
    return made


def _user(shown: frozenset[int], flag: str, mems: frozenset[int]) -> frozenset[int]:
    """The mask the user gave: for RELATIVE the first two nodes if they show so, else the ranks of those shown."""
    if flag != "relative":
        return shown
    pair = frozenset({0, 1})
    return pair if relative(pair, mems) == shown else frozenset(sorted(mems).index(node) for node in shown)


def _ours(case: _Case) -> Mapping[str, Any]:
    with machine() as vm:
        top = vm.cpusets
        sets = []
        for name, mems in (("A", case.old), ("B", case.new if case.attach else case.old)):
            sets.append(top.create(name))
            sets[-1].write("cpuset.cpus", "0")
            sets[-1].write("cpuset.mems", mems)
            sets[-1].write("cpuset.memory_migrate", str(int(case.migrate)))
        child = vm.process()
        sets[0].attach(child)
        old = map_pages(child, _OLD, len(case.before))
        put(child, zip(old, case.before, strict=True))
        _set(child, case, old)
        outcome: dict[str, Any] = {"policy_before": _shown(child, old), "before": query(child, old)}
        _, outcome["errno"] = attempt(
            lambda: sets[1].attach(child) if case.attach else sets[0].write("cpuset.mems", case.new)
        )
        outcome["policy_after"], outcome["after"] = _shown(child, old), query(child, old)
        new = map_pages(child, _NEW, case.new_pages) if case.new_pages else []
        for address in new:
            child.touch(address)
        outcome["faulted_after"] = query(child, new)
        return outcome


def _set(child: Process, case: _Case, old: Sequence[int]) -> None:
    policy = case.policy
    mode, nodes = (
        (policy.mode | policy.flags, policy.user) if policy is not None else (Mpol.DEFAULT, frozenset())
    )
    if case.in_area:
        child.mbind(old[0], len(old) * PAGE, mode, nodes or None)
    else:
        child.set_mempolicy(mode, nodes or None)


def _shown(child: Process, addresses: Sequence[int]) -> str:
    """The policy as numa_maps has it for the mapping."""
    start = f"{addresses[0]:08x} "
    return next(line.split()[1] for line in child.numa_maps().splitlines() if line.startswith(start))


def _claim(case: _Case) -> Claim:
    """N22 for PREFERRED with a node, where mems change; both kernels move old pages alike."""
    mems, became = nodes_of_list(case.old), nodes_of_list(case.new)
    policy, changes = case.policy, mems != became
    later = rebind(policy, became) if changes else policy
    moved = migrated(case.before, mems, became) if case.migrate else list(case.before)
    outcome = {
        "policy_before": str(policy or "default"),
        "before": list(case.before),
        "errno": "0",
        "policy_after": str(later or "default"),
        "after": moved,
        "faulted_after": _faulted(None if case.in_area else later, case, became),
    }
    if policy is None or policy.mode != MODES["PREFERRED"] or not changes:
        return Claim([], outcome, outcome)
    kept, text = _earlier_preferred(policy, mems, became)
    earlier = {
        **outcome,
        "policy_after": text,
        "faulted_after": _faulted(None if case.in_area else kept, case, became),
    }
    return Claim(["N22"], earlier, outcome)


def _faulted(policy: LaterPolicy | None, case: _Case, mems: frozenset[int]) -> list[int]:
    return [place(policy, 0, _NEW + index, mems) for index in range(case.new_pages)]


def _earlier_preferred(
    policy: LaterPolicy, old: frozenset[int], new: frozenset[int]
) -> tuple[LaterPolicy | None, str]:
    """PREFERRED as 4.9 rebinds it (spec/migration.md 9.9): the policy, None for local, and its text."""
    lowest = min(policy.user)
    if policy.flags & STATIC:
        nodes = frozenset({lowest}) & new
    elif policy.flags & RELATIVE:
        nodes = frozenset({min(relative(policy.user, new))})
    else:
        nodes = frozenset(
            migrated(policy.nodes, old, new) if len(old) == len(new) else _ranked(policy, old, new)
        )
    if not nodes:
        return None, "local=static"
    bound = evolve(policy, nodes=nodes, base=new)
    return bound, str(bound)


def _ranked(policy: LaterPolicy, old: frozenset[int], new: frozenset[int]) -> list[int]:
    ranks, members = sorted(old), sorted(new)
    return [members[ranks.index(node) % len(members)] for node in policy.nodes]
