"""A model of which pages migrate_pages(2) and move_pages(2) move, written from spec/migration.md 9.7 and 9.8."""

from collections.abc import Iterable, Sequence
from errno import EACCES, EAGAIN, EBUSY, EINVAL, EIO, ENODEV, ENOMEM

from attrs import define, field, frozen
from soak.policies import Nodes, remap

CHUNK = 169
"""Entries that move_pages handles at a time. spec/migration.md 9.8."""

FAILURES = frozenset({-EAGAIN, -EIO, -EINVAL, -EBUSY})
"""What may become of a page that cannot be told for sure to move."""


@frozen
class Found:
    """A page that a process maps. ``stuck``: somebody holds it; ``doubtful``: its file may not let it go."""

    pfn: int
    node: int
    mapcount: int
    lru: bool
    stuck: bool
    doubtful: bool


def pairs(old: Nodes, new: Nodes) -> list[tuple[int, int]]:
    """The moves from node to node, in their order. spec/migration.md 9.7."""
    left, moves = set(old), []
    while left:
        source = dest = -1
        for node in sorted(left):
            if len(old) != len(new) and node in new:
                continue
            to = remap(node, old, new)
            if to == node:
                continue
            source, dest = node, to
            if to not in left:
                break
        if source < 0:
            break
        left.remove(source)
        moves.append((source, dest))
    return moves


@define
class Expectation:
    """What a call should do: its errno, how many pages stay behind, statuses, and where pages are then.

    A page missing in ``nodes`` may be anywhere; a status of None may be anything.
    """

    nodes: dict[int, int]
    errno: int = 0
    stuck: int = 0
    doubtful: int = 0
    statuses: list[frozenset[int] | None] = field(factory=list)


def migrated(
    pages: Iterable[Found], old: Nodes, new: Nodes, *, move_all: bool, allowed: Nodes
) -> Expectation:
    """migrate_pages of a process with these pages, by a caller that may allocate on ``allowed`` nodes."""
    known = {page.pfn: page for page in pages}
    expected = Expectation({page.pfn: page.node for page in known.values()})
    for source, dest in pairs(old, new):
        moving = [
            page
            for page in known.values()
            if page.lru and (move_all or page.mapcount == 1) and expected.nodes.get(page.pfn) == source
        ]
        if moving and dest not in allowed:
            expected.errno = ENOMEM
            return expected
        for page in moving:
            if page.stuck:
                expected.stuck += 1
            elif page.doubtful:
                expected.doubtful += 1
                del expected.nodes[page.pfn]
            else:
                expected.nodes[page.pfn] = dest
    return expected


@frozen
class Rules:
    """What a move_pages call goes by: nodes with memory, those of the target's cpuset and of the caller's."""

    memory: Nodes
    mems: Nodes
    allowed: Nodes
    move_all: bool


def moved(entries: Sequence[tuple[Found | int, int]], rules: Rules) -> Expectation:
    """move_pages with these entries, each a page or the -errno of an address without, and a node."""
    pages = {page.pfn: page for page, _ in entries if isinstance(page, Found)}
    expected = Expectation({page.pfn: page.node for page in pages.values()})
    moved_before: set[int] = set()
    for start in range(0, len(entries), CHUNK):
        chunk = entries[start : start + CHUNK]
        expected.errno = next((bad for _, node in chunk if (bad := _check_node(node, rules))), 0)
        if not expected.errno:
            _move_chunk(chunk, rules, expected, moved_before)
        if expected.errno:
            break
    return expected


def _check_node(node: int, rules: Rules) -> int:
    if node not in rules.memory:
        return ENODEV
    return 0 if node in rules.mems else EACCES


def _move_chunk(
    chunk: Sequence[tuple[Found | int, int]], rules: Rules, expected: Expectation, moved_before: set[int]
) -> None:
    statuses: list[frozenset[int] | None] = []
    queued: list[Found] = []
    for page, node in chunk:
        if isinstance(page, int):
            statuses.append(frozenset({page}))
        elif page.pfn in moved_before or page.pfn not in expected.nodes:
            # It may wait in a vector of pages, or be on its way to the list.
            statuses.append(None)
            expected.nodes.pop(page.pfn, None)
        else:
            statuses.append(frozenset({_classify(page, node, rules, expected, queued)}))
    first = {}
    for index, (page, _) in reversed(list(enumerate(chunk))):
        if isinstance(page, Found):
            first[page.pfn] = index
    if any(chunk[first[page.pfn]][1] not in rules.allowed for page in queued):
        expected.errno = ENOMEM
        for page in queued:
            expected.nodes.pop(page.pfn, None)
        return
    for page in queued:
        node = chunk[first[page.pfn]][1]
        at = first[page.pfn]
        if page.doubtful:
            statuses[at] = FAILURES if page.stuck else FAILURES | {node}
            del expected.nodes[page.pfn]
        elif page.stuck:
            statuses[at] = frozenset({-EAGAIN})
        else:
            statuses[at] = frozenset({node})
            expected.nodes[page.pfn] = node
    moved_before.update(page.pfn for page in queued)
    expected.statuses += statuses


def _classify(page: Found, node: int, rules: Rules, expected: Expectation, queued: list[Found]) -> int:
    """The status that an entry gets when it is looked up."""
    if expected.nodes[page.pfn] == node:
        return node
    if page.mapcount > 1 and not rules.move_all:
        return -EACCES
    if not page.lru or page in queued:
        return -EBUSY
    queued.append(page)
    return 0
