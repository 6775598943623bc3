"""What a process's memory consists of, as values: areas, page table entries, counts of pages."""

from typing import Any

from attrs import frozen

from movable._core import lib
from movable.flags import Prot
from movable.process.policy import Policy, policy_of

PAGE_SHIFT = 12

_VM_SHARED = 8
_VM_LOCKED = 0x2000
_VM_DONTEXPAND = 0x40000
VM_HUGETLB = 0x400000
_VM_HUGEPAGE = 0x20000000
_VM_MERGEABLE = 0x80000000

SPECIAL = (None, "vdso", "vvar", "mem")
"""Names of the special mappings, by the core's numbers."""


@frozen
class Area:
    """A VMA: addresses in bytes, ``end`` excluded.

    ``file`` is the name of the mapped file, None for anonymous memory; ``offset`` is the byte of the file at
    ``start``. ``policy`` is the area's own, or in shared memory that of the file's first page here (`Process.mbind`).
    ``hugetlb``: memory of the hugetlb pool. ``huge_pages``, ``mergeable``: advised with MADV_HUGEPAGE, MADV_MERGEABLE.
    ``special``: ``vdso``, ``vvar`` or ``mem`` (`Process.mmap_special`), else None.
    """

    start: int
    end: int
    prot: Prot
    shared: bool
    locked: bool
    file: str | None
    offset: int
    policy: Policy | None = None
    hugetlb: bool = False
    huge_pages: bool = False
    mergeable: bool = False
    special: str | None = None

    @property
    def length(self) -> int:
        """Bytes."""
        return self.end - self.start

    @property
    def pages(self) -> int:
        """Pages of 4096 bytes."""
        return self.length >> PAGE_SHIFT


def area_of(vma: Any, file: str | None) -> Area:
    """The area that a struct mv_vma describes."""
    flags = int(vma.flags)
    return Area(
        start=vma.start,
        end=vma.end,
        prot=Prot(flags & 7),
        shared=bool(flags & _VM_SHARED),
        locked=bool(flags & _VM_LOCKED),
        file=file,
        offset=0 if file is None else vma.pgoff << PAGE_SHIFT,
        policy=policy_of(vma.policy),
        hugetlb=bool(flags & VM_HUGETLB),
        huge_pages=bool(flags & _VM_HUGEPAGE),
        mergeable=bool(flags & _VM_MERGEABLE),
        special=SPECIAL[vma.special],
    )


def vma_flags(prot: Prot, *, shared: bool = False, locked: bool = False, hugetlb: bool = False) -> int:
    """VM_* flags."""
    return int(prot) | _VM_SHARED * shared | _VM_LOCKED * locked | (VM_HUGETLB | _VM_DONTEXPAND) * hugetlb


@frozen
class Entry:
    """A page table entry that is not empty. spec/migration.md 2.5.

    ``kind`` is ``page`` (``pfn`` is its frame), ``zero`` (the shared zero page), ``swap`` (``pfn`` is the slot),
    ``migration`` (``pfn`` is the old page's frame) or ``raw`` (memory of a device). ``young`` is the accessed bit;
    ``protnone`` marks a page that is mapped but faults on any access. ``huge``: one of 512 that stand for one
    entry of 2 MiB.
    """

    address: int
    kind: str
    pfn: int
    writable: bool
    young: bool
    dirty: bool
    protnone: bool
    huge: bool = False


def entry_of(address: int, pte: int) -> Entry:
    """The entry that the core's 64-bit word means."""
    if pte & lib.MV_PTE_SWAP:
        kind = "swap"
    elif pte & lib.MV_PTE_MIGRATION:
        kind = "migration"
    else:
        kind = ("raw" if pte & lib.MV_PTE_SPECIAL else "zero") if pte & lib.MV_PTE_ZERO else "page"
    return Entry(
        address=address,
        kind=kind,
        pfn=pte >> PAGE_SHIFT,
        writable=bool(pte & lib.MV_PTE_WRITE),
        young=bool(pte & lib.MV_PTE_YOUNG),
        dirty=bool(pte & lib.MV_PTE_DIRTY),
        protnone=bool(pte & lib.MV_PTE_PROTNONE),
        huge=bool(pte & lib.MV_PTE_HUGE),
    )


@frozen
class MemoryUse:
    """Pages of a process by kind, as the kernel's RSS counters have them; ``swap`` counts slots.

    A page under migration still counts. spec/migration.md 2.5.
    """

    file: int
    anon: int
    swap: int
    shmem: int

    @property
    def resident(self) -> int:
        """Pages in memory."""
        return self.file + self.anon + self.shmem
