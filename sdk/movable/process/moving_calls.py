"""The system calls that move memory between nodes: migrate_pages and move_pages."""

from errno import EACCES, EFAULT, EINVAL, ENODEV, ENOMEM, EPERM, ESRCH
from typing import TYPE_CHECKING, Any, Literal

from movable._core import lib
from movable.errors import MovableError, SystemCallError
from movable.flags import MpolMF
from movable.machine import Machine
from movable.process.credentials import CAP_SYS_NICE, Credentials
from movable.process.nodemask import BadPointer, NodeMask, get_nodes, node_list
from movable.process.user_arrays import Numbers, move_arrays

if TYPE_CHECKING:
    from movable.vm import VM

__all__ = ["MovingCalls"]

_UNSIGNED = (1 << 64) - 1
_MOVE_FLAGS = int(MpolMF.MOVE | MpolMF.MOVE_ALL)

_REASONS = {
    EFAULT: "an array cannot be read or written",
    ENODEV: "a node does not exist or has no memory",
    EACCES: "a node is outside the cpuset of the process",
    ENOMEM: "a node has no memory left",
}


class MovingCalls:
    """The calls of a process that move memory between nodes. A pid of 0 is the process itself."""

    vm: "VM"
    pid: int
    credentials: Credentials
    _machine: Machine
    _mm: int | None

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        raise NotImplementedError

    @property
    def mems_mask(self) -> int:
        """The nodes that its pages may come from, as bits."""
        raise NotImplementedError

    def migrate_pages(self, pid: int, old: NodeMask, new: NodeMask, maxnode: int | None = None) -> int:
        """Move a process's pages on ``old`` nodes to ``new`` ones, ranks kept; how many eligible pages stayed behind.

        Shared pages are eligible only with CAP_SYS_NICE. SystemCallError EINVAL, EFAULT, ESRCH, EPERM, and ENOMEM if
        a node is full: pages moved before it stay moved. spec/migration.md 9.7.
        """
        call = self._begin("migrate_pages")
        old_nodes, new_nodes = get_nodes(call, old, maxnode), get_nodes(call, new, maxnode)
        target = self._target(call, pid)
        privileged = self.credentials.capable(CAP_SYS_NICE)
        outside = new_nodes & ~target.mems_mask
        if outside and not privileged:
            raise SystemCallError(
                EPERM, f"{call}: nodes {node_list(outside)} are outside the process's cpuset"
            )
        memory = lib.mv_nodes_with_memory(self._machine.c)
        if new_nodes & ~memory:
            absent = node_list(new_nodes & ~memory)
            raise SystemCallError(EINVAL, f"{call}: new: nodes {absent} do not exist or have no memory")
        answer = lib.mv_migrate_nodes(
            self._machine.c,
            target.memory_of(call),
            old_nodes & _UNSIGNED,
            old_nodes.bit_count(),
            new_nodes,
            privileged,
            self.mems_mask,
        )
        return self._result(call, answer)

    def move_pages(
        self,
        pid: int,
        addresses: Numbers | Literal[BadPointer.BAD_POINTER],
        nodes: Numbers | Literal[BadPointer.BAD_POINTER] | None = None,
        flags: int = MpolMF.MOVE,
        *,
        status: Any = None,
        count: int | None = None,
    ) -> Any:
        """Move pages of a process, each to its node, or (``nodes`` None) ask where they are. spec/migration.md 9.8.

        Returns the statuses, a node or -errno for each page: as a list, or in ``status`` if that is given, a
        writable buffer of 32-bit numbers. ``addresses`` and ``nodes`` may be buffers too (64-bit unsigned, 32-bit
        signed); none is copied. With ``count`` the call is told of so many entries, and memory ends behind each
        array; without it they must be of one length. BAD_POINTER stands for an array that cannot be accessed.

        SystemCallError EINVAL, EPERM, ESRCH; EFAULT, ENODEV, EACCES, ENOMEM: chunks before the one that failed are
        moved, and reported in ``status``. MovableError for buffers that are none.
        """
        call = self._begin("move_pages")
        self._check_move_flags(call, flags)
        arrays = move_arrays(addresses, nodes, status, count)
        target = self._target(call, pid)
        mm = target.memory_of(call)
        if nodes is None:
            answer = lib.mv_query_pages(self._machine.c, mm, arrays.c)
        else:
            answer = lib.mv_move_pages(
                self._machine.c,
                mm,
                arrays.c,
                bool(flags & MpolMF.MOVE_ALL),
                target.mems_mask,
                self._mm or 0,
                self.mems_mask,
            )
        self._result(call, answer)
        return arrays.statuses() if status is None else status

    def _begin(self, call: str) -> str:
        """The call's name. MovableError for a process that has ended: it calls nothing any more."""
        if self.ended:
            raise MovableError(f"process {self.pid} has ended")
        return call

    def _check_move_flags(self, call: str, flags: int) -> None:
        if int(flags) & ~_MOVE_FLAGS:
            raise SystemCallError(EINVAL, f"{call}: flags: only MOVE and MOVE_ALL are known, not {flags:#x}")
        if flags & MpolMF.MOVE_ALL and not self.credentials.capable(CAP_SYS_NICE):
            raise SystemCallError(EPERM, f"{call}: MOVE_ALL takes CAP_SYS_NICE")

    def _target(self, call: str, pid: int) -> "MovingCalls":
        """The process that a pid names, if this one may move its memory. SystemCallError ESRCH, EPERM."""
        target = self.vm.find_process(pid) if pid else self
        if target is None:
            raise SystemCallError(ESRCH, f"{call}: there is no process {pid}")
        if not self.credentials.may_move(target.credentials):
            raise SystemCallError(EPERM, f"{call}: process {pid} is another user's; that takes CAP_SYS_NICE")
        return target

    def memory_of(self, call: str) -> int:
        """The core's number of the process's memory. SystemCallError EINVAL if it has none."""
        if self._mm is None:
            raise SystemCallError(EINVAL, f"{call}: process {self.pid} has no memory")
        return self._mm

    def _result(self, call: str, answer: int) -> int:
        if self._machine.check(answer) < 0:
            raise SystemCallError(-answer, f"{call}: {_REASONS.get(-answer, 'interrupted')}")
        return answer
