"""Moving pages of another process, and what its every answer means for the one who asked."""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from errno import EACCES, EAGAIN, EBUSY, EFAULT, EINVAL, EIO, ENODEV, ENOENT, ENOMEM, EPERM, ESRCH

from movable.errors import SystemCallError
from movable.flags import MpolMF
from movable.process import Process

__all__ = ["Outcome", "move", "nodes_of_pages"]

_BATCH = 169
"""What the kernel takes at once: a call that stops has done what came before, and of this nothing is known."""


class Outcome(StrEnum):
    """What became of a page that should move. spec/migration.md 9.8."""

    MOVED = "moved"
    BUSY = "busy"
    """Pinned, under writeback or isolated by somebody else; later it may go."""
    SHARED = "shared"
    """Mapped more than once: not without MPOL_MF_MOVE_ALL."""
    FULL = "full"
    """There is no room on the node."""
    GONE = "gone"
    """There is no such page any more: unmapped, swapped out, never there."""
    ENDED = "ended"
    """There is no such process any more."""
    DENIED = "denied"
    """The caller may not move pages of this process."""
    OUTSIDE = "outside"
    """The process's cpuset does not have the node."""


_BY_STATUS = {
    -EAGAIN: Outcome.BUSY,
    -EBUSY: Outcome.BUSY,
    -EIO: Outcome.BUSY,
    -EINVAL: Outcome.BUSY,
    -EACCES: Outcome.SHARED,
    -ENOMEM: Outcome.FULL,
    -EFAULT: Outcome.GONE,
    -ENOENT: Outcome.GONE,
}

_BY_ERRNO = {
    ESRCH: Outcome.ENDED,
    EINVAL: Outcome.ENDED,
    EPERM: Outcome.DENIED,
    EACCES: Outcome.OUTSIDE,
    ENODEV: Outcome.OUTSIDE,
    ENOMEM: Outcome.FULL,
}


def nodes_of_pages(
    caller: Process, pid: int, addresses: Iterable[int]
) -> tuple[dict[int, int], Outcome | None]:
    """Where pages are, by address: a node or a negative errno.

    If the process has ended or may not be asked, nothing and ENDED or DENIED.
    """
    listed = list(addresses)
    try:
        return dict(zip(listed, caller.move_pages(pid, listed), strict=True)), None
    except SystemCallError as error:
        if error.errno not in _BY_ERRNO:
            raise
        return {}, _BY_ERRNO[error.errno]


def move(
    caller: Process, pid: int, targets: Mapping[int, int], *, shared: bool = False
) -> Iterator[tuple[int, Outcome]]:
    """Move pages of a process, given by address, to nodes; what became of each.

    Pages of one target go together, so that a full node stops no others.
    """
    flags = MpolMF.MOVE_ALL if shared else MpolMF.MOVE
    by_node: dict[int, list[int]] = {}
    for address, node in targets.items():
        by_node.setdefault(node, []).append(address)
    for node, addresses in by_node.items():
        for start in range(0, len(addresses), _BATCH):
            yield from _move_batch(caller, pid, addresses[start : start + _BATCH], node, flags)


def _move_batch(
    caller: Process, pid: int, addresses: list[int], node: int, flags: MpolMF
) -> Iterator[tuple[int, Outcome]]:
    try:
        statuses = caller.move_pages(pid, addresses, [node] * len(addresses), flags)
    except SystemCallError as error:
        if error.errno not in _BY_ERRNO:
            raise
        outcome = _BY_ERRNO[error.errno]
        # No status was written, though some pages may have moved before the node was full.
        there, _ = nodes_of_pages(caller, pid, addresses) if outcome is Outcome.FULL else ({}, None)
        yield from ((each, Outcome.MOVED if there.get(each) == node else outcome) for each in addresses)
        return
    for address, status in zip(addresses, statuses, strict=True):
        yield address, Outcome.MOVED if status == node else _BY_STATUS.get(status, Outcome.BUSY)
