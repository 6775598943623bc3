"""Sets of nodes as system calls take them: a mask in user memory, and how many bits of it count."""

import re
from collections.abc import Iterable
from enum import Enum
from errno import EFAULT, EINVAL, ERANGE
from typing import Final, Literal

from movable.errors import SystemCallError

__all__ = [
    "BAD_POINTER",
    "MAX_NUMNODES",
    "BadPointer",
    "NodeMask",
    "get_nodes",
    "mask_of",
    "node_list",
    "parse_list",
    "parse_number",
]

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


def parse_list(what: str, text: str, limit: int) -> int:
    """A set in list format as bits: numbers and ranges with commas between, blanks around them. spec/migration.md 9.9.

    Empty elements are passed over. SystemCallError EINVAL for other text and ranges that run backwards, ERANGE for
    a number of ``limit`` or more.
    """
    bits = 0
    for element in text.split(","):
        match = re.fullmatch(r"\s*(?:([0-9]+)(?:-([0-9]+))?)?\s*", element, re.ASCII)
        if match is None:
            raise SystemCallError(EINVAL, f"{what}: must be a list such as 0-2,7, not {text!r}")
        if match[1] is None:
            continue
        first, last = (_number(digits, limit) for digits in (match[1], match[2] or match[1]))
        if first > last:
            raise SystemCallError(EINVAL, f"{what}: the range {match[0].strip()} runs backwards")
        if last >= limit:
            raise SystemCallError(ERANGE, f"{what}: {limit - 1} is the highest number in a list")
        bits |= (2 << last) - (1 << first)
    return bits


def _number(digits: str, limit: int) -> int:
    """What digits say; ``limit`` stands for anything of 20 digits and more."""
    significant = digits.lstrip("0")
    return int(significant or "0") if len(significant) < 20 else max(limit, 1 << 64)


def parse_number(what: str, text: str) -> int:
    """An unsigned number of a file: decimal, 0x hexadecimal or 0 octal. SystemCallError EINVAL, ERANGE."""
    match = re.fullmatch(r"\+?(?:0[xX]([0-9a-fA-F]+)|0([0-7]*)|([1-9][0-9]*))\n?", text)
    if match is None:
        raise SystemCallError(EINVAL, f"{what}: must be a number, not {text!r}")
    digits, base = (match[1], 16) if match[1] else (match[3], 10) if match[3] else (match[2] or "0", 8)
    value = int(digits, base) if len(digits.lstrip("0")) < 24 else 1 << 64
    if value >> 64:
        raise SystemCallError(ERANGE, f"{what}: a number of more than 64 bits")
    return value
