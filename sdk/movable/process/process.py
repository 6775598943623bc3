"""Processes: memory of their own, with areas and page tables."""

from collections.abc import Callable
from errno import EFAULT, EFBIG, ENOSPC
from typing import TYPE_CHECKING, Any

from movable._core import ffi, lib
from movable.errors import BusError, MovableError, SegmentationFault, SystemCallError
from movable.flags import Prot
from movable.lists import PageList
from movable.machine import Machine
from movable.page import Page
from movable.process.advice_calls import AdviceCalls
from movable.process.areas import Area, Entry, MemoryUse, area_of, entry_of, vma_flags
from movable.process.cpuset import Cpuset
from movable.process.credentials import Credentials
from movable.process.file import File, page_aligned
from movable.process.moving_calls import MovingCalls
from movable.process.numa_maps import NumaMaps
from movable.process.policy_calls import PolicyCalls

if TYPE_CHECKING:
    from movable.vm import VM

__all__ = ["AccessWatcher", "Process"]

_END = 0x7FFF_FFFF_F000

AccessWatcher = Callable[["Process", int, int, bool], object]


class Process(PolicyCalls, MovingCalls, NumaMaps, AdviceCalls):
    """A process, made by `VM.process` or `fork`. It runs on the VM's current CPU.

    Addresses and lengths are bytes. Contents are real: what is written lies in page frames, moves with them, and goes
    to swap space and back. A call that the kernel would refuse raises SystemCallError with its errno; an access
    that would kill the process raises SegmentationFault or BusError.
    """

    def __init__(self, vm: "VM", mm: int | None, pid: int, credentials: Credentials, cpuset: Cpuset) -> None:
        self.vm = vm
        self.pid = pid
        self.credentials = credentials
        """Who the process is; settable."""
        self.cpuset = cpuset
        """The cpuset it belongs to; `Cpuset.attach` changes it."""
        self.kernel_thread = mm is None
        """Whether it is one of the kernel's own, without memory (`VM.kernel_thread`)."""
        self._machine: Machine = vm.machine
        self._mm: int | None = mm

    def __repr__(self) -> str:
        return f"<Process {self.pid}{f', {self._state()}' if self._mm is None else ''}>"

    @property
    def uid(self) -> int:
        """The real user id."""
        return self.credentials.uid

    @property
    def ended(self) -> bool:
        """Whether exit() has been called."""
        return self._mm is None and not self.kernel_thread

    def _state(self) -> str:
        return "kernel thread" if self.kernel_thread else "ended"

    def mm(self) -> int:
        """The core's number of the process's memory. MovableError if it has none any more, or never had."""
        if self._mm is None:
            state = "is a kernel thread and has no memory" if self.kernel_thread else "has ended"
            raise MovableError(f"process {self.pid} {state}")
        return self._mm

    def fork(self) -> "Process":
        """A child that shares every page: private ones until one of the two writes. SystemCallError ENOMEM."""
        changes = self.vm.cpusets.changes
        mm = self._answer("fork", lib.mv_mm_fork(self._machine.c, self.mm()))
        child = self.vm.adopt_process(mm, self.credentials, self.cpuset, changes)
        child._heap, child._stack = self._heap, self._stack
        return child

    def exit(self, *, reap: bool = True) -> None:
        """End the process: everything is unmapped.

        Without ``reap`` it stays a zombie, whose pid is known but which has no memory, until reap().
        """
        mm, self._mm = self.mm(), None
        if reap:
            self.vm.forget_process(self)
        self._machine.check(lib.mv_mm_exit(self._machine.c, mm))

    def reap(self) -> None:
        """Wait for a zombie: its pid is known no more. MovableError if it is none."""
        if not self.ended or self.vm.find_process(self.pid) is not self:
            raise MovableError(f"process {self.pid} is no zombie; exit(reap=False) leaves one")
        self.vm.forget_process(self)

    # Areas

    def mmap(
        self,
        length: int,
        prot: Prot = Prot.READ | Prot.WRITE,
        *,
        shared: bool = False,
        file: File | None = None,
        offset: int = 0,
        address: int = 0,
        fixed: bool = False,
        locked: bool = False,
        hugetlb: bool = False,
    ) -> int:
        """Map memory: anonymous, or a file from ``offset`` on. The address, as high as there is room.

        ``address`` is a wish, or with ``fixed`` an order that unmaps what is there. ``locked`` is MAP_LOCKED.
        Areas that are alike and side by side become one. ``hugetlb`` (MAP_HUGETLB) takes pages of 2 MiB of the VM's
        pool (`VM.hugetlb`), reserved at once; only whole ones can be mapped. SystemCallError EINVAL, ENOMEM.
        """
        request = ffi.new("struct mv_mmap *")
        request.address, request.length, request.fixed = _size(address), _size(length), fixed
        if hugetlb and (shared or file is not None):
            raise MovableError("hugetlb: private anonymous memory only")
        request.flags = vma_flags(Prot(prot), shared=shared, locked=locked and not hugetlb, hugetlb=hugetlb)
        request.pgoff = page_aligned(offset, "offset")
        if file is not None:
            request.file = file.number_on(self._machine)
        return self._answer("mmap", lib.mv_mmap(self._machine.c, self.mm(), request))

    def munmap(self, address: int, length: int) -> None:
        """Unmap a range; holes in it do not matter. SystemCallError EINVAL, ENOMEM."""
        self._answer("munmap", lib.mv_munmap(self._machine.c, self.mm(), _size(address), _size(length)))

    def mprotect(self, address: int, length: int, prot: Prot) -> None:
        """Change what the process may do. SystemCallError EINVAL; ENOMEM if a part is not mapped."""
        answer = lib.mv_mprotect(self._machine.c, self.mm(), _size(address), _size(length), Prot(prot))
        self._answer("mprotect", answer)

    def mlock(self, address: int, length: int) -> None:
        """Lock a range in memory, faulting it in. SystemCallError EINVAL; ENOMEM if a part cannot be had."""
        self._mlock("mlock", address, length, lock=True)

    def munlock(self, address: int, length: int) -> None:
        """Undo mlock()."""
        self._mlock("munlock", address, length, lock=False)

    def _mlock(self, call: str, address: int, length: int, *, lock: bool) -> None:
        answer = lib.mv_mlock(self._machine.c, self.mm(), _size(address), _size(length), lock)
        self._answer(call, answer)

    @property
    def areas(self) -> tuple[Area, ...]:
        """The areas, by address."""
        c, mm, vma = self._machine.c, self.mm(), ffi.new("struct mv_vma *")
        areas = []
        for index in range(lib.mv_nr_vmas(c, mm)):
            lib.mv_vma(c, mm, index, vma)
            areas.append(area_of(vma, self._file_name(vma)))
        return tuple(areas)

    def _file_name(self, vma: Any) -> str | None:
        if not vma.file or vma.shmem:
            return None
        owner = self._machine.owner(vma.owner)
        return None if owner is None else owner.name

    # Accesses

    def read(self, address: int, length: int) -> bytes:
        """Read memory as the process does. SegmentationFault, BusError, SystemCallError ENOMEM."""
        buffer = bytearray(_size(length))
        self._access(address, buffer, write=False)
        return bytes(buffer)

    def write(self, address: int, data: bytes) -> None:
        """Write memory as the process does; bytes before one that faults for good are written."""
        self._access(address, data, write=True)

    def _access(self, address: int, buffer: bytes | bytearray, *, write: bool) -> None:
        done = ffi.new("unsigned long *")
        answer = self._machine.check(
            lib.mv_access(
                self._machine.c, self.mm(), _user(address), ffi.from_buffer(buffer), len(buffer), write, done
            )
        )
        if answer:
            self._fault(answer, address + done[0], "write" if write else "read")
        for watch in self.vm.access_watchers:
            watch(self, address, len(buffer), write)

    def touch(self, address: int, length: int = 1, *, write: bool = True) -> None:
        """Access every page of a range once, its contents left alone."""
        answer = self._machine.check(
            lib.mv_touch(self._machine.c, self.mm(), _user(address), _size(length), write)
        )
        if answer:
            self._fault(answer, address, "write" if write else "read")
        for watch in self.vm.access_watchers:
            watch(self, address, length, write)

    def _fault(self, answer: int, address: int, access: str) -> None:
        text = f"process {self.pid}: {access} at {address:#x}"
        if answer == -EFAULT:
            raise SegmentationFault(EFAULT, f"{text} is not allowed")
        if answer == -ENOSPC:
            raise BusError(EFAULT, f"{text}: the hugetlb pool has no page for it")
        if answer == -EFBIG:
            raise BusError(EFAULT, f"{text} is beyond the end of the file")
        raise SystemCallError(-answer, f"{text} failed")

    # Pages

    def entry(self, address: int) -> Entry | None:
        """The page table entry of an address, or None where it is empty."""
        pte = lib.mv_read_pte(self._machine.c, self.mm(), _user(address)) & 0xFFFF_FFFF_FFFF_FFFF
        return entry_of(address & ~0xFFF, pte) if pte else None

    def entries(self, address: int = 0, length: int = _END) -> tuple[Entry, ...]:
        """The entries of a range that are not empty, by address."""
        c, mm = self._machine.c, self.mm()
        start, end = _size(address), min(_size(address) + _size(length), _END)
        count = self._machine.check(lib.mv_entries(c, mm, start, end, ffi.NULL, 0))
        found = ffi.new("struct mv_entry[]", count)
        lib.mv_entries(c, mm, start, end, found, count)
        return tuple(entry_of(int(each.address), int(each.pte)) for each in found)

    def page(self, address: int) -> Page | None:
        """The page that an address is mapped to, or None: nothing, the zero page, swapped or being moved."""
        entry = self.entry(address)
        return self._machine.page(entry.pfn) if entry is not None and entry.kind == "page" else None

    def pages(self, address: int = 0, length: int = _END) -> dict[int, Page]:
        """The mapped pages of a range, by address."""
        return {
            entry.address: self._machine.page(entry.pfn)
            for entry in self.entries(address, length)
            if entry.kind == "page"
        }

    def pin(self, address: int, *, write: bool = True) -> Page:
        """Fault a page in and take a reference on it, as get_user_pages does; `Page.put` lets it go.

        A pinned page does not move. The zero page cannot be pinned: SegmentationFault.
        """
        answer = self._machine.check(lib.mv_pin(self._machine.c, self.mm(), _user(address), write))
        if answer < 0:
            self._fault(answer, address, "pin for writing" if write else "pin for reading")
        page: Page = self._machine.page(answer)
        return page

    def clear_refs(self) -> None:
        """Clear the accessed bits of all pages (`Entry.young`), and PG_referenced: clear_refs 1 of proc(5)."""
        self._machine.check(lib.mv_clear_refs(self._machine.c, self.mm()))

    def isolate(self, pages: PageList, address: int = 0, length: int = _END) -> int:
        """Isolate the pages of a range that are on an LRU onto a migration list; how many it holds then."""
        end = min(_size(address) + _size(length), _END)
        pointer = pages.migration_list(self._machine)
        return self._machine.check(lib.mv_isolate_range(self._machine.c, self.mm(), address, end, pointer))

    @property
    def memory(self) -> MemoryUse:
        """How many pages the process has, by kind."""
        counters = ffi.new("long[4]")
        lib.mv_mm_counters(self._machine.c, self.mm(), counters)
        file, anon, swap, shmem = counters
        return MemoryUse(file=file, anon=anon, swap=swap, shmem=shmem)

    def _answer(self, call: str, answer: int) -> int:
        if self._machine.check(answer) < 0:
            raise SystemCallError(-answer, f"{call} of process {self.pid} failed")
        return answer


def _size(value: int) -> int:
    if not 0 <= value < 1 << 63:
        raise MovableError(f"address, length: must be 0 or more bytes, not {value}")
    return value


def _user(address: int) -> int:
    if not 0 <= address < 1 << 47:
        raise SegmentationFault(EFAULT, f"{address:#x} is no address of a process")
    return address
