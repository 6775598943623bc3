"""The processes of a machine by pid, and what they live on: files and swap space."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from movable._core import ffi, lib
from movable.errors import MovableError
from movable.machine import Machine
from movable.page import Page
from movable.process import Cpuset, Credentials, File, MigrateMethod, Process
from movable.process.advice_calls import merge

if TYPE_CHECKING:
    from movable.vm.vm import VM


class ProcessTable:
    """The calls of a VM that make processes, files and swap space, and find processes."""

    machine: Machine
    cpusets: Cpuset

    def __init__(self) -> None:
        super().__init__()
        self._processes: dict[int, Process] = {}
        self._last_pid = 0

    def process(self, uid: int = 0) -> Process:
        """A new process without memory. MemoryError if there is none for it."""
        mm = self.machine.check(lib.mv_mm_create(self.machine.c))
        if mm < 0:
            raise MemoryError("no memory for a process")
        return self.adopt_process(mm, Credentials.of_user(uid))

    def kernel_thread(self) -> Process:
        """A new process of the kernel's own: it has a pid, and never any memory."""
        return self.adopt_process(None, Credentials.of_user(0))

    @property
    def processes(self) -> tuple[Process, ...]:
        """The processes that live and have memory, by pid."""
        return tuple(each for each in self._processes.values() if not (each.ended or each.kernel_thread))

    @property
    def all_processes(self) -> tuple[Process, ...]:
        """All that have a pid, kernel threads and zombies among them."""
        return tuple(self._processes.values())

    def find_process(self, pid: int) -> Process | None:
        """The process of a pid, kernel threads and zombies among them; None if there is none."""
        return self._processes.get(pid)

    def adopt_process(
        self,
        mm: int | None,
        credentials: Credentials,
        cpuset: Cpuset | None = None,
        changes: int | None = None,
    ) -> Process:
        """Called for memory that the core has made: the process that owns it, in the top cpuset if in no other.

        ``changes``: see `Cpuset.adopt`.
        """
        self._last_pid += 1
        cpuset = self.cpusets if cpuset is None else cpuset
        process = Process(cast("VM", self), mm, self._last_pid, credentials, cpuset)
        self._processes[process.pid] = process
        if mm is not None:
            cpuset.adopt(process, changes)
        return process

    def forget_process(self, process: Process) -> None:
        """Called by a process whose pid is known no more."""
        del self._processes[process.pid]

    def file(
        self,
        name: str,
        size: int = 0,
        *,
        tmpfs: bool = False,
        migratepage: MigrateMethod = MigrateMethod.MIGRATE_PAGE,
        writepage: bool = True,
        writepage_error: int = 0,
        slow_device: bool = False,
    ) -> File:
        """A new file of zeros. ``tmpfs`` pages are swapbacked; BUFFER_MIGRATE_PAGE files keep buffers at pages."""
        return File(
            self.machine,
            name,
            size,
            tmpfs=tmpfs,
            migratepage=migratepage,
            writepage=writepage,
            writepage_error=writepage_error,
            slow_device=slow_device,
        )

    def ksm_merge(self, places: Iterable[tuple[Process, int]]) -> Page:
        """Merge pages of the same contents to one, as ksmd does; the page, mapped read-only at every place.

        A place is a process and an address. A write gives the writer a copy of its own. SystemCallError EINVAL: a
        place without a private page, or with other contents; EBUSY: a page is locked, or somebody holds it; ENOMEM.
        Places before one that fails are merged.
        """
        page: Page = self.machine.page(merge(self.machine, tuple(places)))
        return page

    def swapon(self, slots: int) -> None:
        """Add this many pages of swap space. MemoryError if there is no memory for them."""
        if not 0 <= slots < 1 << 32:
            raise MovableError(f"slots: must be 0 or more pages, not {slots}")
        if self.machine.check(lib.mv_swapon(self.machine.c, slots)) < 0:
            raise MemoryError("no memory for swap space")

    @property
    def swap(self) -> tuple[int, int]:
        """Slots of swap space: all, and those in use."""
        slots, used = ffi.new("unsigned long *"), ffi.new("unsigned long *")
        lib.mv_swap_info(self.machine.c, slots, used)
        return slots[0], used[0]
