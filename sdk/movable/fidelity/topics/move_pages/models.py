"""``move_pages`` as Linux 4.9 and 6.1 have it, worked out from what a row asks for (spec/migration.md 9.8, N01-N08).

Plain models that know nothing of the emulator: the two columns of the rules.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import evolve

from movable.fidelity.topics.kit import EVERY_NODE
from movable.fidelity.topics.move_pages.asked import ABSENT, Asked, Unit

__all__ = ["CHUNK", "Pools", "applied_rules", "earlier", "later"]

CHUNK = 169
_MOVE_ALL = 4
_KNOWN_FLAGS = 6
_EACCES, _EBUSY, _EAGAIN, _ENOENT, _EFAULT = -13, -16, -11, -2, -14
_NO_QUERY = 10000
_NUMBERS = {"EPERM": 1, "ESRCH": 3, "EINVAL": 22}

Pools = dict[int, int]
"""Free hugetlb pages by node."""


class _Refused(Exception):
    """The call ends with an errno, or (``positive``) with a number of pages."""

    def __init__(self, error: str, positive: int = 0) -> None:
        super().__init__(error)
        self.error = error
        self.positive = positive


class _State:
    """The units while a call runs, and the status array."""

    def __init__(self, asked: Asked, initial: int, pools: Pools | None) -> None:
        self.asked = asked
        self.units = list(asked.units)
        self.status = [initial] * len(asked.named)
        self.pools = dict(pools or {})

    def store(self, values: Mapping[int, int]) -> None:
        """Write statuses. EFAULT if they cannot be written."""
        if values and "status" in self.asked.bad:
            raise _Refused("EFAULT")
        for index, value in values.items():
            self.status[index] = value

    def move(self, number: int, node: int) -> None:
        unit = self.units[number]
        if unit.state == "hugetlb":
            self.pools[unit.node] = self.pools.get(unit.node, 0) + 1
            self.pools[node] = self.pools.get(node, 0) - 1
        self.units[number] = evolve(unit, node=node)


def earlier(asked: Asked, initial: int = 777, pools: Pools | None = None) -> Mapping[str, Any]:
    """The outcome in 4.9."""
    return _outcome(asked, initial, pools, _move_by_chunks, protected=True)


def later(asked: Asked, initial: int = 777, pools: Pools | None = None) -> Mapping[str, Any]:
    """The outcome in 6.1."""
    return _outcome(asked, initial, pools, _move_by_batches, protected=False)


def _outcome(
    asked: Asked, initial: int, pools: Pools | None, move: Callable[[_State], None], *, protected: bool
) -> Mapping[str, Any]:
    """Run a model; ``protected`` says whether pages of PROT_NONE mappings are found (N06)."""
    if not protected:
        hidden = [
            evolve(unit, state="swapped") if unit.state == "prot_none" else unit for unit in asked.units
        ]
        asked = evolve(asked, units=tuple(hidden))
    state = _State(asked, initial, pools)
    before, ret, error = _queries(asked, asked.units), 0, "0"
    try:
        _check_call(asked)
        move(state) if asked.moving else _look(state)
    except _Refused as refused:
        ret, error = (refused.positive, "0") if refused.positive else (-1, refused.error)
    return {
        "ret": ret,
        "errno": error,
        "status": state.status,
        "query_before": before,
        "query_after": _queries(asked, state.units),
    }


def _check_call(asked: Asked) -> None:
    if asked.flags & ~_KNOWN_FLAGS:
        raise _Refused("EINVAL")
    if asked.flags & _MOVE_ALL and asked.uid:
        raise _Refused("EPERM")
    refused = _target_error(asked)
    if refused:
        raise _Refused(refused)


def _target_error(asked: Asked) -> str:
    if asked.target == "none":
        return "ESRCH"
    if asked.uid and asked.target not in ("self", "own_pid") and asked.target_uid != asked.uid:
        return "EPERM"
    return "EINVAL" if asked.target in ("kthread", "zombie") else ""


def _queries(asked: Asked, units: Sequence[Unit]) -> list[int]:
    """What a query of each entry gives; an errno beyond 10000 if the call is refused."""
    refused = _target_error(asked)
    if refused:
        return [-_NO_QUERY - _NUMBERS[refused]] * len(asked.named)
    return [
        units[number].node if units[number].found else ABSENT[units[number].state] for number in asked.named
    ]


def _look(state: _State) -> None:
    if state.asked.beyond or ("pages" in state.asked.bad and state.asked.named):
        raise _Refused("EFAULT")
    state.store(dict(enumerate(_queries(state.asked, state.units))))


# -- both kernels ----------------------------------------------------------------------------------


def _entry_error(asked: Asked, index: int) -> str:
    """The errno of reading an entry, or nothing."""
    if asked.bad & {"pages", "nodes"} or (asked.readable is not None and index >= asked.readable):
        return "EFAULT"
    if index >= len(asked.named):
        return "ENODEV"
    assert asked.nodes is not None
    node = asked.nodes[index]
    if node not in EVERY_NODE:
        return "ENODEV"
    return "" if node in asked.mems else "EACCES"


def _count(asked: Asked) -> int:
    """Entries, with one behind the arrays if the count reaches beyond them."""
    given = len(asked.named) if asked.nodes is None else len(asked.nodes)
    return given + asked.beyond


def _classify(state: _State, number: int, node: int, isolated: Mapping[int, int]) -> int | None:
    """The status that looking a page up gives, or None if it is isolated now. spec/migration.md 9.8."""
    unit = state.units[number]
    if not unit.found:
        raw = unit.state in ("vvar", "mem")
        return _EFAULT if raw else ABSENT[unit.state]
    if unit.node == node:
        return node
    if unit.mappers > 1 and not state.asked.flags & _MOVE_ALL:
        return _EACCES
    if unit.state == "hugetlb_tail":
        return _EACCES
    if unit.state == "vdso" or number in isolated:
        return _EBUSY
    return None


# -- 4.9 -------------------------------------------------------------------------------------------


def _move_by_chunks(state: _State) -> None:
    asked = state.asked
    count = _count(asked)
    for first in range(0, count, CHUNK):
        entries = range(first, min(first + CHUNK, count))
        for index in entries:
            error = _entry_error(asked, index)
            if error:
                raise _Refused(error)
        _move_chunk(state, entries)


def _move_chunk(state: _State, entries: range) -> None:
    assert state.asked.nodes is not None
    isolated: dict[int, int] = {}
    values: dict[int, int] = {}
    for index in entries:
        number = state.asked.named[index]
        status = _classify(state, number, state.asked.nodes[index], isolated)
        if status is None:
            isolated[number] = index
        else:
            values[index] = status
    for number, index in isolated.items():
        node = state.asked.nodes[index]
        unit = state.units[number]
        if unit.state == "hugetlb" and not state.pools.get(node):
            raise _Refused("ENOMEM")
        if unit.pinned:
            values[index] = _EAGAIN
        else:
            state.move(number, node)
            values[index] = node
    state.store(dict(sorted(values.items())))


# -- 6.1 -------------------------------------------------------------------------------------------


def _move_by_batches(state: _State) -> None:
    """Entries one by one; a batch ends where the node changes, after an entry that is not queued, and at the end."""
    asked, total = state.asked, _count(state.asked)
    batch: list[int] = []
    for index in range(total):
        error = _entry_error(asked, index)
        if error:
            _flush_quietly(state, batch)
            raise _Refused(error)
        assert asked.nodes is not None
        node = asked.nodes[index]
        if batch and asked.nodes[batch[-1]] != node:
            _flush(state, batch, total - index)
        queued = {asked.named[each]: each for each in batch}
        status = _classify(state, asked.named[index], node, queued)
        if status is None:
            batch.append(index)
            continue
        state.store({index: status})
        _flush(state, batch, total - index - 1)
    _flush(state, batch, 0)


def _flush_quietly(state: _State, batch: list[int]) -> None:
    """Move a batch when the call has failed already: what goes wrong now is not told."""
    try:
        _flush(state, batch, 0)
    except _Refused:
        return


def _flush(state: _State, batch: list[int], untried: int) -> None:
    """Move a batch and store its statuses; a page that does not move ends the call with the count of those left."""
    if not batch:
        return
    entries, failed = list(batch), 0
    batch.clear()
    assert state.asked.nodes is not None
    for index in entries:
        if state.units[state.asked.named[index]].pinned:
            failed += 1
        else:
            state.move(state.asked.named[index], state.asked.nodes[index])
    if failed:
        raise _Refused("", failed + untried)
    state.store({index: state.asked.nodes[index] for index in entries})


# -- which rules apply -----------------------------------------------------------------------------


def applied_rules(asked: Asked, pools: Pools | None = None) -> list[str]:
    """The rules whose inputs these are (spec/differences-numa.md, column "Rows affected")."""
    rules = ["N06"] if any(asked.units[number].state == "prot_none" for number in asked.named) else []
    if not asked.moving or _target_error(asked) or asked.flags & ~_KNOWN_FLAGS or asked.nodes is None:
        return rules
    bad = next((index for index in range(_count(asked)) if _entry_error(asked, index)), None)
    taken = [index for index in range(len(asked.named)) if _may_be_taken(asked, index)]
    if any(asked.units[asked.named[index]].pinned for index in taken):
        rules.append("N01")
    if bad is not None and bad % CHUNK:
        rules.append("N02")
    if _mentioned_again(asked, taken):
        rules.append("N03")
    if "status" in asked.bad and len(asked.named) > 1:
        rules.append("N08")
    if any(
        asked.units[asked.named[index]].state == "hugetlb" and not (pools or {}).get(asked.nodes[index])
        for index in taken
    ):
        rules.append("N05")
    return rules


def _may_be_taken(asked: Asked, index: int) -> bool:
    assert asked.nodes is not None
    unit = asked.units[asked.named[index]]
    shared = unit.mappers > 1 and not asked.flags & _MOVE_ALL
    return (
        unit.found
        and unit.node != asked.nodes[index]
        and not shared
        and unit.state not in ("vdso", "hugetlb_tail")
    )


def _mentioned_again(asked: Asked, taken: Sequence[int]) -> bool:
    """Whether a page is named twice and the batch of 6.1 ends between the mentions (N03)."""
    assert asked.nodes is not None
    for first in taken:
        for second in range(first + 1, len(asked.named)):
            if asked.named[second] != asked.named[first]:
                continue
            between = range(first + 1, second + 1)
            if any(asked.nodes[index] != asked.nodes[first] for index in between):
                return True
            seen = {asked.named[first]}
            for index in range(first + 1, second):
                if index not in taken or asked.named[index] in seen:
                    return True
                seen.add(asked.named[index])
    return False
