"""Calls of a process about pages beyond plain ones: advice, special mappings, swapping out; merging."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from movable._core import ffi, lib
from movable.errors import MovableError, SystemCallError
from movable.machine import Machine
from movable.process.areas import SPECIAL

if TYPE_CHECKING:
    from movable.process.process import Process

__all__ = ["AdviceCalls", "merge"]

_WORD = (1 << 64) - 1
_ADDRESS = (1 << 47) - 1


class AdviceCalls:
    """What a process may ask of its pages besides access and placement."""

    pid: int
    _machine: Machine

    def mm(self) -> int:
        """The core's number of the process's memory."""
        raise NotImplementedError

    def _answer(self, call: str, answer: int) -> int:
        raise NotImplementedError

    def madvise(self, address: int, length: int, advice: int) -> None:
        """Advise the kernel about a range (`Madvise`). spec/differences-numa.md N37.

        DONTNEED drops pages at once; FREE lets reclaim drop those that nobody writes to meanwhile, and without free
        swap space is like DONTNEED. HUGEPAGE makes faults on empty aligned 2 MiB take a huge page, if the node has
        one. SystemCallError EINVAL: no such advice, an unaligned address, or an area that cannot take the advice;
        ENOMEM: a part is not mapped, and the rest was advised.
        """
        start, size = int(address) & _WORD, int(length) & _WORD
        self._answer("madvise", lib.mv_madvise(self._machine.c, self.mm(), start, size, _int(advice)))

    def mmap_special(self, kind: str, address: int = 0, node: int = 0) -> int:
        """Map one page of what is no memory of the process; its address. spec/migration.md 9.8.

        ``vdso``: a reserved page of the kernel on ``node``, shared by all who map it. ``vvar``: a raw mapping that is
        filled by faults. ``mem``: device memory, there at once. Raw mappings read as zeros. SystemCallError ENOMEM.
        """
        if kind not in SPECIAL[1:]:
            raise MovableError(f"kind: must be vdso, vvar or mem, not {kind!r}")
        if not 0 <= node < lib.mv_nr_nodes(self._machine.c):
            raise MovableError(f"node: this machine has no node {node}")
        if not 0 <= address <= _ADDRESS:
            raise MovableError(f"address: must be an address of a process, not {address}")
        number = SPECIAL.index(kind)
        answer = lib.mv_mmap_special(self._machine.c, self.mm(), number, address, node)
        return self._answer("mmap_special", answer)

    def swap_out(self, address: int) -> None:
        """Bring the private page of an address into swap space, whether it is in use or not.

        SystemCallError EINVAL: there is no such page; EBUSY: it is on no LRU, somebody holds it, or there is no slot.
        """
        if not 0 <= address <= _ADDRESS:
            raise MovableError(f"address: must be an address of a process, not {address}")
        self._answer("swap_out", lib.mv_swap_out(self._machine.c, self.mm(), address))


def merge(machine: Machine, places: Sequence[tuple["Process", int]]) -> int:
    """`VM.ksm_merge`: the merged page's frame number."""
    if not places:
        raise MovableError("places: at least one page must be named")
    for process, address in places:
        if process.vm.machine is not machine:
            raise MovableError(f"places: {process} is of another VM")
        if not 0 <= address <= _ADDRESS:
            raise MovableError(f"places: must be addresses of a process, not {address}")
    found = ffi.new("struct mv_place[]", [(process.mm(), address & ~0xFFF) for process, address in places])
    answer = machine.check(lib.mv_ksm_merge(machine.c, found, len(places)))
    if answer < 0:
        raise SystemCallError(-answer, "pages cannot be merged")
    return answer


def _int(value: int) -> int:
    """As a C int: what does not fit is no advice either."""
    return value if -(1 << 31) <= value < 1 << 31 else -1
