"""What a process's memory consists of, as values: areas, page table entries, counts of pages."""

from typing import Any

from attrs import frozen

from movable._core import lib
from movable.flags import Prot
from movable.process.policy import Policy, policy_of

PAGE_SHIFT = 12

_VM_SHARED = 8
_VM_LOCKED = 0x2000


@frozen
class Area:
    """A VMA: addresses in bytes, ``end`` excluded.

    ``file`` is the name of the mapped file, None for anonymous memory; ``offset`` is the byte of the file at
    ``start``. ``policy`` is the area's own, or in shared memory that of the file's first page here (`Process.mbind`).
    """

    start: int
    end: int
    prot: Prot
    shared: bool
    locked: bool
    file: str | None
    offset: int
    policy: Policy | None = None

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
    )


def vma_flags(prot: Prot, *, shared: bool = False, locked: bool = False) -> int:
    """VM_* flags."""
    return int(prot) | _VM_SHARED * shared | _VM_LOCKED * locked


@frozen
class Entry:
    """A page table entry that is not empty. spec/migration.md 2.5.

    ``kind`` is ``page`` (``pfn`` is its frame), ``zero`` (the shared zero page), ``swap`` (``pfn`` is the slot)
    or ``migration`` (``pfn`` is the old page's frame). ``young`` is the accessed bit; ``protnone`` marks a
    page that is mapped but faults on any access.
    """

    address: int
    kind: str
    pfn: int
    writable: bool
    young: bool
    dirty: bool
    protnone: bool


def entry_of(address: int, pte: int) -> Entry:
    """The entry that the core's 64-bit word means."""
    if pte & lib.MV_PTE_SWAP:
        kind = "swap"
    elif pte & lib.MV_PTE_MIGRATION:
        kind = "migration"
    else:
        kind = "zero" if pte & lib.MV_PTE_ZERO else "page"
    return Entry(
        address=address,
        kind=kind,
        pfn=pte >> PAGE_SHIFT,
        writable=bool(pte & lib.MV_PTE_WRITE),
        young=bool(pte & lib.MV_PTE_YOUNG),
        dirty=bool(pte & lib.MV_PTE_DIRTY),
        protnone=bool(pte & lib.MV_PTE_PROTNONE),
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
