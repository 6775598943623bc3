"""The topic ``mbind_matrix``: modes, masks and flags over seven layouts of sixteen pages."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from movable.fidelity.model import RecordingError, Row
from movable.fidelity.topics.kit import (
    EVERY_NODE,
    PAGE,
    Claim,
    Section,
    Sections,
    attempt,
    bits,
    each_row,
    judge,
    machine,
    map_pages,
    put,
    query,
)
from movable.fidelity.topics.later import (
    BALANCING,
    MODES,
    LaterPolicy,
    make_policy,
    mode_word,
    place,
    policy_is_local,
)
from movable.fidelity.topics.rules import rules
from movable.process import Process

__all__ = ["MbindMatrixRecordings"]

_FIRST = 1 << 32
_COUNT = 16
_ABSENT = -14
_STRICT, _MOVE, _MOVE_ALL = 1, 2, 4


@frozen
class _Layout:
    """Where the pages are, -14 for one that was never touched, and which are mapped twice."""

    nodes: tuple[int, ...]
    shared: frozenset[int] = frozenset()


_MIXED = tuple(index % 4 for index in range(_COUNT))
_LAYOUTS: Mapping[str, _Layout] = {
    **{f"on{node}": _Layout((node,) * _COUNT) for node in EVERY_NODE},
    **{f"shared{node}": _Layout((node,) * _COUNT, frozenset(range(_COUNT))) for node in EVERY_NODE},
    "mix": _Layout(_MIXED),
    "none": _Layout((_ABSENT,) * _COUNT),
    "half": _Layout((0, _ABSENT) * (_COUNT // 2)),
    "sharedmix": _Layout(_MIXED, frozenset(range(0, _COUNT, 2))),
}


class MbindMatrixRecordings(Sections):
    """Replays recordings of ``mbind``: each row is a call on sixteen pages, and where they are afterwards."""

    topic = "mbind_matrix"
    rules = rules(("N09", "N10", "N11", "N12"))
    others = Sections.others | {"columns", "flags_meaning", "layouts"}

    def sections(self, recording: Mapping[str, Any]) -> Mapping[str, Section]:
        """One: the rows, by the columns that the recording names."""
        return {"rows": lambda values: _rows(recording["columns"], values)}


def _rows(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[Row]:
    return each_row("rows", rows, lambda values: _row(dict(zip(columns, values, strict=True))))


def _row(row: Mapping[str, Any]) -> Row:
    flags, known = row["flags"], {"mode", "mask", "flags", "layout", "ret", "errno", "after"}
    name = f"{row['mode']} {row['mask']}, flags {flags}, {row['layout']}"
    if row["layout"] not in _LAYOUTS:
        raise RecordingError(f"layout {row['layout']!r} is not known; known: {', '.join(_LAYOUTS)}")
    layout, word = _LAYOUTS[row["layout"]], mode_word(row["mode"])
    recorded = {key: row[key] for key in ("ret", "errno", "after")}
    return judge(
        "rows",
        name,
        recorded,
        _ours(word, bits(row["mask"]), flags, layout),
        _claim(word, bits(row["mask"]), flags, layout),
        unread=sorted(set(row) - known),
    )


def _ours(word: int, nodes: frozenset[int], flags: int, layout: _Layout) -> Mapping[str, Any]:
    with machine() as vm:
        process = vm.process()
        addresses = map_pages(process, _FIRST, _COUNT)
        present = [index for index, node in enumerate(layout.nodes) if node >= 0]
        put(process, ((addresses[index], layout.nodes[index]) for index in present))
        if layout.shared:
            _share(process, addresses, layout.shared)
        ret, error = attempt(
            lambda: process.mbind(addresses[0], _COUNT * PAGE, word, nodes or None, flags, 64 if nodes else 0)
        )
        return {"ret": ret, "errno": error, "after": query(process, addresses)}


def _share(process: Process, addresses: Sequence[int], shared: frozenset[int]) -> None:
    """A child maps the pages of these indices and no others."""
    child = process.fork()
    for index, address in enumerate(addresses):
        if index not in shared:
            child.munmap(address, PAGE)


def _claim(word: int, nodes: frozenset[int], flags: int, layout: _Layout) -> Claim:
    """Which rules apply to these inputs, and what both kernels answer."""
    start = list(layout.nodes)
    policy = make_policy(word, nodes, EVERY_NODE)
    refused = {"ret": -1, "errno": "EINVAL", "after": start}
    if isinstance(policy, str):
        if word & 7 == MODES["LOCAL"] and policy_is_local(word, nodes):
            return Claim(["N12"], _moved(None, nodes, flags, layout), refused)
        return Claim([], refused, refused)
    later = _moved(policy, nodes, flags, layout)
    if word & 7 == MODES["PREFERRED_MANY"]:
        return Claim(["N10"], refused, _strict_alone(word, nodes, flags, layout) or later)
    if word & BALANCING:
        return Claim(["N11"], refused, _strict_alone(word, nodes, flags, layout) or later)
    eio = _strict_alone(word, nodes, flags, layout)
    return Claim(["N09"], later, eio) if eio else Claim([], later, later)


def _strict_alone(word: int, nodes: frozenset[int], flags: int, layout: _Layout) -> Mapping[str, Any] | None:
    """The answer of 6.1 where N09 applies."""
    if flags != _STRICT or not word & 7 or all(node < 0 or node in nodes for node in layout.nodes):
        return None
    return {"ret": -1, "errno": "EIO", "after": list(layout.nodes)}


def _moved(
    policy: LaterPolicy | None, nodes: frozenset[int], flags: int, layout: _Layout
) -> Mapping[str, Any]:
    """The answer of a call that succeeds: pages outside the user's mask go where the policy says."""
    after = list(layout.nodes)
    for index, node in enumerate(layout.nodes):
        taken = flags & _MOVE_ALL or (flags & _MOVE and index not in layout.shared)
        if taken and node >= 0 and node not in nodes:
            after[index] = place(policy, 0, _FIRST + index, EVERY_NODE)
    return {"ret": 0, "errno": "0", "after": after}
