"""The text of numa_maps: where a process's memory lies. spec/migration.md 9.10."""

from collections.abc import Iterator
from typing import Any

from movable._core import ffi, lib
from movable.machine import Machine
from movable.process.areas import VM_HUGETLB, Area, area_of
from movable.process.policy import Policy

__all__ = ["NumaMaps"]

_SHARED_ANONYMOUS = "/dev/zero (deleted)"
_HUGETLB = "/anon_hugepage (deleted)"
_ESCAPES = str.maketrans({each: f"\\{ord(each):03o}" for each in "\n\t ="})


class NumaMaps:
    """What numa_maps tells of a process. spec/migration.md 9.10."""

    _machine: Machine
    _mm: int | None
    _heap: tuple[int, int] = (0, 0)
    _stack: int = 0

    def mm(self) -> int:
        """The core's number of the process's memory."""
        raise NotImplementedError

    def set_heap(self, start: int, end: int) -> None:
        """Say where the brk area is: an area that overlaps it is called ``heap``."""
        self._heap = (start, end)

    def set_stack(self, address: int) -> None:
        """Say where the initial stack is: the area that holds the address is called ``stack``."""
        self._stack = address

    def numa_maps(self) -> str:
        """/proc/PID/numa_maps: a line for each area. spec/migration.md 9.10."""
        return "".join(f"{line}\n" for line in self._numa_lines())

    def _numa_lines(self) -> Iterator[str]:
        vma, stats, address = ffi.new("struct mv_vma *"), ffi.new("struct mv_numa_stats *"), 0
        c, mm, own = self._machine.c, self.mm(), self.policy
        # Between two areas the process may end; then there is no more to read.
        while self._mm and self._machine.check(lib.mv_numa_stats(c, mm, address, vma, stats)):
            area = area_of(vma, self._maps_name(vma))
            yield " ".join(
                (f"{area.start:08x}", str(area.policy or own or "default"), *self._fields(area, stats))
            )
            address = area.end

    def _maps_name(self, vma: Any) -> str | None:
        if vma.flags & VM_HUGETLB:
            return _HUGETLB
        if not vma.file:
            return None
        owner = self._machine.owner(vma.owner)
        return _SHARED_ANONYMOUS if owner is None else owner.name

    @property
    def policy(self) -> Policy | None:
        """The policy of the process."""
        raise NotImplementedError

    def _fields(self, area: Area, stats: Any) -> Iterator[str]:
        if area.file is not None:
            yield f"file={area.file.translate(_ESCAPES)}"
        elif area.start < self._heap[1] and area.end > self._heap[0]:
            yield "heap"
        elif area.start <= self._stack < area.end:
            yield "stack"
        if area.hugetlb:
            yield "huge"
        if stats.pages:
            yield from _counts(stats, hugetlb=area.hugetlb)


def _counts(stats: Any, *, hugetlb: bool) -> Iterator[str]:
    """Fields 5 to 13."""
    shown = {
        "anon": stats.anon > 0,
        "dirty": stats.dirty > 0,
        "mapped": stats.pages not in (stats.anon, stats.dirty),
        "mapmax": stats.mapmax > 1,
        "swapcache": stats.swapcache > 0,
        "active": stats.active < stats.pages and not hugetlb,
        "writeback": stats.writeback > 0,
    }
    for name, show in shown.items():
        if show:
            yield f"{name}={stats.pages if name == 'mapped' else getattr(stats, name)}"
    for nid, pages in enumerate(stats.node):
        if pages:
            yield f"N{nid}={pages}"
    yield f"kernelpagesize_kB={2048 if hugetlb else 4}"
