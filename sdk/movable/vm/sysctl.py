"""The files through which user space steers compaction: sysctls, and the trigger of each node.

spec/compaction.md 7.3, 9.6; Linux 6.1: K06 of spec/differences-drivers.md.
"""

import re
from collections.abc import Callable
from errno import EACCES, EINVAL, ENOENT

from movable.errors import SystemCallError

__all__ = ["Sysctls"]

_INT = range(-(1 << 31), 1 << 31)


class Sysctls:
    """/proc/sys/vm of a machine, as far as compaction goes, and /sys/devices/system/node/nodeN/compact.

    Texts are what a program writes and reads. SystemCallError: ENOENT for a file that this kernel has not, EINVAL for
    a value it refuses, EACCES for reading a file that can only be written.
    """

    def __init__(
        self,
        *,
        later: bool,
        extfrag_threshold: int,
        compact_unevictable_allowed: int,
        compact: Callable[[int | None], object],
        configure: Callable[[], None],
    ) -> None:
        self._later = later
        self._compact = compact
        self._configure = configure
        self._values = {
            "extfrag_threshold": extfrag_threshold,
            "compact_unevictable_allowed": compact_unevictable_allowed,
        }
        self._bounds = {"extfrag_threshold": range(1001), "compact_unevictable_allowed": range(2)}
        if later:
            self._values["compaction_proactiveness"] = 20
            self._bounds["compaction_proactiveness"] = range(101)

    @property
    def extfrag_threshold(self) -> int:
        """The fragmentation index up to which an order counts as short of memory. spec/compaction.md 3.3."""
        return self._values["extfrag_threshold"]

    @property
    def compact_unevictable_allowed(self) -> bool:
        """Whether compaction moves mlocked pages."""
        return self._values["compact_unevictable_allowed"] != 0

    def read(self, name: str) -> str:
        """What a sysctl shows, without its newline."""
        if name == "compact_memory":
            raise SystemCallError(EACCES, "compact_memory can only be written")
        return str(self._values[self._known(name)])

    def write(self, name: str, text: str) -> None:
        """Write to a sysctl. Any text written to compact_memory compacts all nodes."""
        if name == "compact_memory":
            self._compact(None)
            return
        value = _number(text)
        bounds = self._bounds[self._known(name)]
        # 4.9 does not apply the bounds of the one, and drops the errors of the other.
        if not self._later and name == "compact_unevictable_allowed":
            bounds = _INT
        if value is None or value not in bounds:
            if not self._later and name == "extfrag_threshold":
                return
            raise SystemCallError(EINVAL, f"{name}: {text!r} is refused")
        self._values[name] = value
        self._configure()

    def compact_node(self, nid: int, text: str) -> None:
        """Write to a node's ``compact`` file: any text compacts the node; writing nothing does nothing."""
        if text:
            self._compact(nid)

    def _known(self, name: str) -> str:
        if name not in self._values:
            raise SystemCallError(ENOENT, f"this kernel has no {name}")
        return name


def _number(text: str) -> int | None:
    match = re.fullmatch(r"\s*(-?\d+)\s*", text)
    return int(match[1]) if match and int(match[1]) in _INT else None
