"""The pool of 2 MiB pages that ``mmap(hugetlb=True)`` takes from, as /sys/devices/system/node shows it."""

from typing import Any

from movable._core import ffi, lib
from movable.errors import MovableError
from movable.machine import Machine

__all__ = ["HPAGE_SIZE", "HugetlbPool"]

HPAGE_SIZE = 2 << 20
"""Bytes of a huge page."""


class HugetlbPool:
    """The huge pages of a machine: how many there are, and who may have them. spec/migration.md 4.5, 9.8.

    All numbers are pages of 2 MiB. A page that is let go returns to the pool of its own node; a surplus page, which
    was made above the pool's size, goes back to the allocator.
    """

    def __init__(self, machine: Machine, nr_nodes: int) -> None:
        self._machine = machine
        self._nr_nodes = nr_nodes

    def __repr__(self) -> str:
        pool = self._info(-1)
        return f"<HugetlbPool, {pool.nr} pages, {pool.free} free, {pool.reserved} reserved>"

    def set(self, nid: int, pages: int) -> int:
        """Make a node's pool so large (nr_hugepages); how large it is then: less if memory is short, more if in use."""
        if not 0 <= pages < 1 << 40:
            raise MovableError(f"pages: must be 0 or more huge pages, not {pages}")
        answer = self._machine.check(lib.mv_hugetlb_set(self._machine.c, self._node(nid), pages))
        if answer < 0:
            raise MemoryError("no memory for the hugetlb pool")
        return answer

    def nr(self, nid: int) -> int:
        """Pages of a node: in use, free and surplus."""
        return int(self._info(self._node(nid)).nr)

    def free(self, nid: int) -> int:
        """Free pages of a node, reserved ones among them."""
        return int(self._info(self._node(nid)).free)

    def surplus(self, nid: int) -> int:
        """Pages of a node that are above the pool's size."""
        return int(self._info(self._node(nid)).surplus)

    @property
    def reserved(self) -> int:
        """Pages of any node that areas were promised and have not taken yet."""
        return int(self._info(-1).reserved)

    @property
    def overcommit(self) -> int:
        """How many surplus pages there may be (nr_overcommit_hugepages); 0 at first, settable."""
        return int(self._info(-1).overcommit)

    @overcommit.setter
    def overcommit(self, pages: int) -> None:
        if not 0 <= pages < 1 << 40:
            raise MovableError(f"overcommit: must be 0 or more huge pages, not {pages}")
        if lib.mv_hugetlb_overcommit(self._machine.c, pages) < 0:
            raise MemoryError("no memory for the hugetlb pool")

    def _node(self, nid: int) -> int:
        if not 0 <= nid < self._nr_nodes:
            raise MovableError(f"nid: this machine has nodes 0 to {self._nr_nodes - 1}, not {nid}")
        return nid

    def _info(self, nid: int) -> Any:
        info = ffi.new("struct mv_hugetlb *")
        lib.mv_hugetlb(self._machine.c, nid, info)
        return info
