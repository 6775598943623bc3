"""Sets of nodes as system calls take them: a mask in user memory, and how many bits of it count."""

from collections.abc import Iterable
from enum import Enum
from errno import EFAULT, EINVAL
from typing import Final, Literal

from movable.errors import SystemCallError

__all__ = ["BAD_POINTER", "MAX_NUMNODES", "BadPointer", "NodeMask", "get_nodes", "mask_of", "node_list"]

MAX_NUMNODES: Final = 1024
"""Bits of a set of nodes inside the kernel. spec/differences-numa.md, replay set-up."""

_MOST_BITS = 8 * 4096


class BadPointer(Enum):
    """The type of `BAD_POINTER`."""

    BAD_POINTER = "bad pointer"


BAD_POINTER: Final = BadPointer.BAD_POINTER
"""A pointer that the kernel cannot follow: as an argument it makes a call fail with EFAULT."""

NodeMask = Iterable[int] | None | Literal[BadPointer.BAD_POINTER]
"""Node numbers that are set in a mask, None for a NULL pointer, or BAD_POINTER."""


def get_nodes(call: str, nodes: NodeMask, maxnode: int | None = None) -> int:
    """The set a mask argument means, as bits below MAX_NUMNODES. spec/migration.md 9.2.

    ``maxnode`` is the argument of that name: bits from ``maxnode - 1`` on are not looked at. None stands for
    a mask that is long enough for its highest node. ``call`` is for the messages of SystemCallError EINVAL, EFAULT.
    """
    if nodes is None:
        return 0
    bits = nodes if nodes is BAD_POINTER else mask_of(nodes)
    if maxnode is None:
        maxnode = max(MAX_NUMNODES, 0 if bits is BAD_POINTER else bits.bit_length()) + 1
    if maxnode == 1:
        return 0
    used = (maxnode - 1) % (1 << 64)
    if used > _MOST_BITS:
        raise SystemCallError(EINVAL, f"{call}: maxnode: must be 1 to {_MOST_BITS + 1}, not {maxnode}")
    if bits is BAD_POINTER:
        raise SystemCallError(EFAULT, f"{call}: the node mask cannot be read")
    bits &= (1 << used) - 1
    if bits >> MAX_NUMNODES:
        raise SystemCallError(
            EINVAL, f"{call}: the mask has node {bits.bit_length() - 1}; {MAX_NUMNODES - 1} is the last"
        )
    return bits


def mask_of(nodes: Iterable[int]) -> int:
    """Node numbers as bits. SystemCallError EINVAL for a negative one."""
    bits = 0
    for node in nodes:
        if node < 0:
            raise SystemCallError(EINVAL, f"nodes: must be 0 or more, not {node}")
        bits |= 1 << node
    return bits


def node_list(bits: int) -> str:
    """A set in the kernel's list format: ``0-2,7``. spec/migration.md 9.9."""
    nodes = [node for node in range(bits.bit_length()) if bits >> node & 1]
    parts: list[list[int]] = []
    for node in nodes:
        if parts and parts[-1][-1] == node - 1:
            parts[-1].append(node)
        else:
            parts.append([node])
    return ",".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)
