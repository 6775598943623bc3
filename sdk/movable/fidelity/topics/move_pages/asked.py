"""What a row of ``move_pages`` asks for: the pages that entries name, the call, and who makes it on whom."""

from attrs import frozen

__all__ = ["ABSENT", "FOUND", "Asked", "Unit"]

FOUND = frozenset(
    {
        "plain",
        "file",
        "cached",
        "copied",
        "text",
        "stack",
        "ksm",
        "lazyfree",
        "mlocked",
        "shared_memory",
        "prot_none",
    }
    | {"vdso", "thp", "hugetlb", "hugetlb_tail"}
)
"""States of a page that is there."""
ABSENT = {
    "hole": -14, "zero": -14, "untouched": -14, "kernel": -14, "vsyscall": -14, "null": -14, "end": -14, "mem": -14,
    "vvar": -2, "file_untouched": -2, "swapped": -2,
}  # fmt: skip
"""What a query gives where there is none. spec/migration.md 9.8."""


@frozen
class Unit:
    """A page, or a place without one: its state, node, how many map it beyond one, and whether it is held.

    ``mappers`` counts the mappings; ``written`` is for file pages that are dirty.
    """

    state: str
    node: int = 0
    mappers: int = 1
    pinned: bool = False

    @property
    def found(self) -> bool:
        """Whether there is a page."""
        return self.state in FOUND


@frozen
class Asked:
    """A call. ``named`` has for each entry the index of its unit.

    ``nodes`` None asks where pages are; entries from ``len(named)`` on lie behind the arrays. ``target`` is self,
    own_pid, other, kthread, zombie or none. ``bad`` names the arrays that cannot be accessed; of the others so many
    entries can be read as ``readable`` says, None for all. ``mems`` are those of the target's cpuset.
    """

    units: tuple[Unit, ...]
    named: tuple[int, ...]
    nodes: tuple[int, ...] | None
    flags: int
    beyond: bool = False
    target: str = "self"
    uid: int = 0
    target_uid: int = 0
    bad: frozenset[str] = frozenset()
    readable: int | None = None
    mems: frozenset[int] = frozenset(range(4))
    offset: int = 0

    @property
    def moving(self) -> bool:
        """Whether pages are to move."""
        return self.nodes is not None or "nodes" in self.bad
