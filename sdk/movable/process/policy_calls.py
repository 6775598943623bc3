"""The system calls on memory policies: set_mempolicy, get_mempolicy, mbind."""

from errno import EFAULT, EINVAL, EIO, ENOMEM, EPERM
from typing import TYPE_CHECKING, Any, Literal

from attrs import frozen

from movable._core import ffi, lib
from movable.errors import MovableError, SystemCallError
from movable.flags import Mpol, MpolF, MpolFlag, MpolMF
from movable.machine import PAGE_SIZE, Machine
from movable.process.credentials import CAP_SYS_NICE, Credentials
from movable.process.nodemask import BAD_POINTER, MAX_NUMNODES, BadPointer, NodeMask, get_nodes
from movable.process.policy import Policy, nodes_of, policy_of, user_bits

if TYPE_CHECKING:
    from movable.process.cpuset import Cpuset

__all__ = ["PolicyAnswer", "PolicyCalls"]

# Plain numbers: the complement of a flag has no bits that the class does not know.
_MODE_FLAGS = int(MpolFlag.STATIC_NODES | MpolFlag.RELATIVE_NODES)
_MBIND_FLAGS = int(MpolMF.STRICT | MpolMF.MOVE | MpolMF.MOVE_ALL)
_GET_FLAGS = int(MpolF.NODE | MpolF.ADDR | MpolF.MEMS_ALLOWED)
_WORD = (1 << 64) - 1

_REASONS = {
    EFAULT: "a part of the range is not mapped",
    EINVAL: "the nodes do not suit the mode, or none of them may be used",
    EIO: "the policy is in force, but not all pages could be moved",
    ENOMEM: "no memory for the policy",
}

Pointer = bool | Literal[BadPointer.BAD_POINTER]
"""A place for an answer: True, False for a NULL pointer, or BAD_POINTER."""


@frozen
class PolicyAnswer:
    """What get_mempolicy wrote: the mode with its flags, or a node; and nodes. None where nothing was asked."""

    mode: int | None
    nodes: frozenset[int] | None


class PolicyCalls:
    """The calls of a process that set and read where its pages come from. spec/migration.md 9.5, 9.6."""

    pid: int
    credentials: Credentials
    cpuset: "Cpuset"
    _machine: Machine
    _mm: int | None

    def mm(self) -> int:
        """The core's number of the process's memory."""
        raise NotImplementedError

    @property
    def mems_allowed(self) -> frozenset[int]:
        """The nodes that its pages may come from: those of its cpuset."""
        return nodes_of(self.mems_mask)

    @property
    def mems_mask(self) -> int:
        """The same as bits."""
        if self._mm is None:
            return self.cpuset.effective_mems
        mask: int = lib.mv_mems_allowed(self._machine.c, self._mm)
        return mask

    @property
    def policy(self) -> Policy | None:
        """The policy of the process; None is MPOL_DEFAULT. Areas may have their own (`Area.policy`)."""
        return policy_of(self._policy_info())

    def _policy_info(self) -> Any:
        info = ffi.new("struct mv_policy *")
        lib.mv_policy_of_process(self._machine.c, self.mm(), info)
        return info

    def set_mempolicy(self, mode: int, nodes: NodeMask = None, maxnode: int | None = None) -> None:
        """Set the policy of the process: ``mode`` is an Mpol with MpolFlag bits. Pages that are there stay.

        ``nodes`` and ``maxnode``: see `get_nodes`. SystemCallError EINVAL, EFAULT, ENOMEM. spec/migration.md 9.3, 9.5.
        """
        call = "set_mempolicy"
        request = _request(call, mode, nodes, maxnode)
        self._policy_answer(call, lib.mv_set_mempolicy(self._machine.c, self.mm(), request))

    def mbind(
        self,
        address: int,
        length: int,
        mode: int,
        nodes: NodeMask = None,
        flags: int = 0,
        maxnode: int | None = None,
    ) -> None:
        """Set the policy of a range, and with MOVE or MOVE_ALL in ``flags`` move the pages that it does not suit.

        MOVE takes pages that nobody else maps. ``mode``, ``nodes``, ``maxnode``: as in `set_mempolicy`.
        SystemCallError EINVAL, EFAULT, EPERM, ENOMEM; EIO, with the policy in force, if STRICT is set and a page that
        was taken could not be moved. spec/migration.md 9.6.
        """
        call = "mbind"
        request = _request(call, mode, nodes, maxnode)
        if flags & ~_MBIND_FLAGS:
            raise SystemCallError(
                EINVAL, f"{call}: flags: only STRICT, MOVE and MOVE_ALL are known, not {flags:#x}"
            )
        if flags & MpolMF.MOVE_ALL and not self.credentials.capable(CAP_SYS_NICE):
            raise SystemCallError(EPERM, f"{call}: MOVE_ALL takes CAP_SYS_NICE")
        if address % PAGE_SIZE:
            raise SystemCallError(
                EINVAL, f"{call}: address: must be a multiple of {PAGE_SIZE}, not {address:#x}"
            )
        if not request.mode:
            flags &= ~int(MpolMF.STRICT)
        start = address & _WORD
        # Unsigned arithmetic: a length that wraps to 0 when it is rounded is one of 0.
        rounded = (length + PAGE_SIZE - 1 & _WORD) // PAGE_SIZE * PAGE_SIZE
        end = start + rounded & _WORD
        if end < start:
            raise SystemCallError(EINVAL, f"{call}: length: {length:#x} bytes reach beyond the last address")
        if end > start:
            answer = lib.mv_mbind(self._machine.c, self.mm(), start, end, request, flags)
            self._policy_answer(call, answer)

    def get_mempolicy(
        self,
        address: int = 0,
        flags: int = 0,
        *,
        maxnode: int | None = None,
        mode: Any = True,
        nodes: Pointer = True,
    ) -> PolicyAnswer:
        """The policy of the process or (MpolF.ADDR) of an address, or (MpolF.NODE) a node. spec/migration.md 9.5.

        ``mode`` and ``nodes`` are pointers to answers: False is NULL, BAD_POINTER cannot be written. ``mode`` may
        also be a writable buffer of one 32-bit number, in which the mode is seen even if writing the mask fails.
        ``maxnode`` is the length of the mask in bits plus one; None: long enough.
        SystemCallError EINVAL, EFAULT, ENOMEM.
        """
        call = "get_mempolicy"
        if maxnode is None:
            maxnode = MAX_NUMNODES + 1
        maxnode &= _WORD
        if nodes is not False and maxnode < MAX_NUMNODES:
            raise SystemCallError(EINVAL, f"{call}: maxnode: must be {MAX_NUMNODES} or more, not {maxnode}")
        value, mask = self._find_policy(call, address, flags)
        _write_mode(call, mode, value)
        if nodes is not False:
            _check_mask(call, nodes, maxnode)
        return PolicyAnswer(
            mode=None if mode is False else value, nodes=None if nodes is False else nodes_of(mask)
        )

    def _find_policy(self, call: str, address: int, flags: int) -> tuple[int, int]:
        """The mode or node, and the nodes as bits."""
        if flags & ~_GET_FLAGS:
            raise SystemCallError(
                EINVAL, f"{call}: flags: NODE, ADDR and MEMS_ALLOWED are known, not {flags:#x}"
            )
        if flags & MpolF.MEMS_ALLOWED:
            if flags & (MpolF.NODE | MpolF.ADDR):
                raise SystemCallError(EINVAL, f"{call}: flags: MEMS_ALLOWED goes with no other flag")
            return 0, self.mems_mask
        if not flags & MpolF.ADDR and address:
            raise SystemCallError(EINVAL, f"{call}: address: takes MPOL_F_ADDR in flags")
        info = self._info_at(call, address) if flags & MpolF.ADDR else self._policy_info()
        mask = user_bits(info) if info.flags else int(info.nodes)
        if flags & MpolF.NODE:
            return self._find_node(call, address, flags, info), mask
        return info.mode | info.flags, mask

    def _info_at(self, call: str, address: int) -> Any:
        info = ffi.new("struct mv_policy *")
        answer = lib.mv_policy_of_address(self._machine.c, self.mm(), address & _WORD, info)
        self._policy_answer(call, answer, f"nothing is mapped at {address:#x}")
        return info

    def _find_node(self, call: str, address: int, flags: int, info: Any) -> int:
        if flags & MpolF.ADDR:
            answer = lib.mv_lookup_node(self._machine.c, self.mm(), address & _WORD)
            return self._policy_answer(call, answer, f"the page at {address:#x} cannot be had")
        if info.mode != Mpol.INTERLEAVE:
            raise SystemCallError(
                EINVAL, f"{call}: flags: NODE alone takes an INTERLEAVE policy of the process"
            )
        nid: int = lib.mv_il_next(self._machine.c, self.mm())
        return nid

    def _policy_answer(self, call: str, answer: int, reason: str = "") -> int:
        if self._machine.check(answer) < 0:
            text = reason or _REASONS.get(-answer, "interrupted")
            raise SystemCallError(-answer, f"{call} of process {self.pid}: {text}")
        return answer


def _request(call: str, mode: int, nodes: NodeMask, maxnode: int | None) -> Any:
    """The struct mv_policy of a mode argument and a mask. SystemCallError EINVAL, EFAULT, in the kernel's order."""
    number, flags = mode & ~_MODE_FLAGS, mode & _MODE_FLAGS
    if not 0 <= number <= Mpol.LOCAL:
        raise SystemCallError(EINVAL, f"{call}: mode: 0 to {int(Mpol.LOCAL)} are known, not {number}")
    if flags == _MODE_FLAGS:
        raise SystemCallError(EINVAL, f"{call}: mode: STATIC_NODES and RELATIVE_NODES exclude each other")
    bits = get_nodes(call, nodes, maxnode)
    request = ffi.new("struct mv_policy *")
    request.mode, request.flags = number, flags
    request.user = [bits >> 64 * i & _WORD for i in range(MAX_NUMNODES // 64)]
    return request


def _write_mode(call: str, place: Any, value: int) -> None:
    if place is BAD_POINTER:
        raise SystemCallError(EFAULT, f"{call}: mode: cannot be written")
    if isinstance(place, bool):
        return
    view = memoryview(place)
    if view.format != "i" or view.readonly or view.nbytes < 4:
        raise MovableError(f"mode: must be a bool or a writable buffer of a 32-bit number, not {place!r}")
    view[0] = value


def _check_mask(call: str, place: Pointer, maxnode: int) -> None:
    """Whether a mask of so many words can be written."""
    if -(-(maxnode - 1) // 64) * 8 > PAGE_SIZE:
        raise SystemCallError(EINVAL, f"{call}: maxnode: a mask of {maxnode - 1} bits is longer than a page")
    if place is BAD_POINTER:
        raise SystemCallError(EFAULT, f"{call}: nodes: the mask cannot be written")
