"""Building what a row asks for on the emulator, and making the call."""

from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from movable.fidelity.topics.kit import PAGE, attempt, errno_number, machine, put
from movable.fidelity.topics.move_pages.asked import Asked, Unit
from movable.flags import Madvise, Mpol, Prot
from movable.process import Process
from movable.process.nodemask import BAD_POINTER
from movable.vm import VM

__all__ = ["Memory", "call_pages", "run"]

_FIRST = 0x1_5000_0000
_WINDOW = 16
"""Pages of a file: those that one read fault maps (spec/migration.md 9.8, fault-around)."""
_NO_QUERY = 10000
_BEYOND = 1 << 40
"""Entries behind the arrays of a query: where memory ends the call does too."""
_FIXED = {
    "kernel": 0xFFFF_8880_0000_0000,
    "vsyscall": 0xFFFF_FFFF_FF60_0000,
    "null": 0,
    "end": 0x7FFF_FFFF_E000,
}


def run(asked: Asked, initial: int) -> Mapping[str, Any]:
    """The outcome of a row on a machine of its own."""
    with machine() as vm:
        vm.swapon(1024)
        caller = vm.process(asked.uid)
        target = _target(vm, asked, caller)
        owner = target if target is not None and not _without_memory(asked) else caller
        memory = Memory(vm, owner)
        addresses = memory.build(asked.units)
        entries = [
            addresses[number][min(turn, len(addresses[number]) - 1)] + asked.offset
            for number, turn in _turns(asked)
        ]
        pid = _pid(asked, caller, target)
        before = _query_each(caller, pid, entries)
        outcome = call_pages(caller, pid, asked, entries, initial)
        return {**outcome, "query_before": before, "query_after": _query_each(caller, pid, entries)}


def _turns(asked: Asked) -> list[tuple[int, int]]:
    """For each entry its unit, and how often that was named before: a merged page has an address for each mention."""
    seen: dict[int, int] = {}
    turns = []
    for number in asked.named:
        turns.append((number, seen.get(number, 0)))
        seen[number] = seen.get(number, 0) + 1
    return turns


def call_pages(
    caller: Process, pid: int, asked: Asked, entries: Sequence[int], initial: int
) -> Mapping[str, Any]:
    """Make the call: its answer, errno, and statuses on top of ``initial``."""
    status = array("i", [initial] * len(entries))
    nodes: Any = None if asked.nodes is None else list(asked.nodes)
    addresses: Any = list(entries)
    if asked.beyond:
        addresses.append(entries[-1] if entries else _FIRST * PAGE)
        nodes = None if nodes is None else [*nodes, -1]
    count = len(addresses) + (_BEYOND if asked.beyond and not asked.moving else 0)
    if asked.readable is not None:
        addresses, nodes = addresses[: asked.readable], nodes and nodes[: asked.readable]
    if "pages" in asked.bad:
        addresses = BAD_POINTER
    if "nodes" in asked.bad:
        nodes = BAD_POINTER
    room = status if not asked.beyond else array("i", [*status, initial])
    target = BAD_POINTER if "status" in asked.bad else room
    _, error = attempt(
        lambda: caller.move_pages(pid, addresses, nodes, asked.flags, status=target, count=count)
    )
    return {"ret": 0 if error == "0" else -1, "errno": error, "status": list(room[: len(entries)])}


def _query_each(caller: Process, pid: int, entries: Sequence[int]) -> list[int]:
    """The query of each entry; -(10000 + errno) where the call itself fails."""
    found = []
    for address in entries:
        answer, error = attempt(lambda address=address: caller.move_pages(pid, [address])[0])  # type: ignore[misc]
        found.append(int(answer) if error == "0" else -_NO_QUERY - errno_number(error))
    return found


# -- processes -------------------------------------------------------------------------------------


def _without_memory(asked: Asked) -> bool:
    return asked.target in ("kthread", "zombie", "none")


def _target(vm: VM, asked: Asked, caller: Process) -> Process | None:
    if asked.target in ("self", "own_pid"):
        target: Process | None = caller
    elif asked.target == "kthread":
        target = vm.kernel_thread()
    elif asked.target == "zombie":
        target = vm.process(asked.target_uid)
        target.exit(reap=False)
    else:
        target = vm.process(asked.target_uid) if asked.target == "other" else None
    if target is not None and len(asked.mems) < len(vm.nodes):
        cpuset = vm.cpusets.create("A")
        cpuset.write("cpuset.cpus", "0")
        cpuset.write("cpuset.mems", ",".join(map(str, sorted(asked.mems))))
        cpuset.attach(target)
    return target


def _pid(asked: Asked, caller: Process, target: Process | None) -> int:
    if asked.target == "self":
        return 0
    return caller.pid + 1000 if target is None else target.pid


# -- memory ----------------------------------------------------------------------------------------


class Memory:
    """Pages of a process in the states that units name."""

    def __init__(self, vm: VM, owner: Process) -> None:
        self._vm = vm
        self._owner = owner
        self._next = _FIRST

    def build(self, units: Sequence[Unit]) -> list[list[int]]:
        """The addresses of each unit: one, or as many as a merged page has mappings."""
        places = [self._build(unit) for unit in units]
        shared = [index for index, unit in enumerate(units) if unit.mappers > 1 and unit.state in _BY_FORK]
        if shared:
            self._share(units, places, set(shared))
        for unit, addresses in zip(units, places, strict=True):
            if unit.pinned:
                self._owner.pin(addresses[0])
        return places

    def _share(self, units: Sequence[Unit], places: Sequence[list[int]], shared: set[int]) -> None:
        """A child maps the pages that are shared, and no others."""
        child = self._owner.fork()
        for index, unit in enumerate(units):
            if index not in shared and unit.state in _BY_FORK:
                child.munmap(places[index][0] & -PAGE, PAGE)

    def _build(self, unit: Unit) -> list[int]:
        if unit.state in _FIXED:
            return [_FIXED[unit.state]]
        special: Mapping[str, Callable[[Unit], list[int]]] = {
            "ksm": self._merged,
            "vdso": self._special,
            "vvar": self._special,
            "mem": self._special,
            "copied": self._copied,
            "cached": self._cached,
            "file": self._file,
            "text": self._file,
            "file_untouched": self._file_untouched,
            "shared_memory": self._shared_memory,
        }
        return special.get(unit.state, self._anonymous)(unit)

    def _room(self, pages: int = _WINDOW) -> int:
        """An address with this much room, on a boundary of 64 KiB."""
        address = self._next * PAGE
        self._next += (pages + 2 * _WINDOW - 1) // _WINDOW * _WINDOW
        return address

    def _anonymous(self, unit: Unit) -> list[int]:
        owner, address = self._owner, self._room()
        if unit.state == "hole":
            return [address]
        owner.mmap(PAGE, address=address, fixed=True, locked=False)
        if unit.state == "untouched":
            return [address]
        put(owner, [(address, unit.node)], write=unit.state != "zero")
        if unit.state == "swapped":
            owner.swap_out(address)
        elif unit.state == "prot_none":
            owner.mprotect(address, PAGE, Prot.NONE)
        elif unit.state == "lazyfree":
            owner.madvise(address, PAGE, Madvise.FREE)
        elif unit.state == "mlocked":
            owner.mlock(address, PAGE)
        return [address]

    def _merged(self, unit: Unit) -> list[int]:
        addresses = []
        for _ in range(unit.mappers):
            addresses.append(self._room())
            self._owner.mmap(PAGE, address=addresses[-1], fixed=True)
            put(self._owner, [(addresses[-1], unit.node)])
        self._vm.ksm_merge([(self._owner, address) for address in addresses])
        return addresses

    def _special(self, unit: Unit) -> list[int]:
        """A mapping of the kernel's; the vdso's page is mapped by reading it, by as many processes as use it."""
        address = self._owner.mmap_special(unit.state, node=unit.node)
        if unit.state == "vdso":
            self._owner.touch(address, write=False)
            if unit.mappers > 1:
                other = self._vm.process()
                other.touch(other.mmap_special(unit.state, node=unit.node), write=False)
        return [address]

    # Files: sixteen cached pages on the unit's node.

    def _cache(self, node: int) -> Any:
        """A tmpfs file whose pages are written and mapped nowhere."""
        file = self._vm.file("/t/file", _WINDOW * PAGE, tmpfs=True)
        writer = self._vm.process()
        address = writer.mmap(_WINDOW * PAGE, shared=True, file=file)
        writer.set_mempolicy(Mpol.BIND, [node])
        writer.touch(address, _WINDOW * PAGE)
        writer.exit()
        return file

    def _map(self, process: Process, file: Any, address: int, *, shared: bool) -> None:
        process.mmap(_WINDOW * PAGE, address=address, fixed=True, shared=shared, file=file)

    def _file(self, unit: Unit) -> list[int]:
        """Read through a mapping, or through two."""
        file, address = self._cache(unit.node), self._room()
        processes = [self._owner, *(self._vm.process() for _ in range(unit.mappers - 1))]
        for process in processes:
            self._map(process, file, address, shared=unit.state == "file")
            process.touch(address, write=False)
        return [address]

    def _cached(self, unit: Unit) -> list[int]:
        """Found because a read of the next page has mapped it too."""
        file, address = self._cache(unit.node), self._room()
        self._map(self._owner, file, address, shared=True)
        self._owner.touch(address + PAGE, write=False)
        return [address]

    def _copied(self, unit: Unit) -> list[int]:
        file, address = self._cache(unit.node), self._room()
        self._map(self._owner, file, address, shared=False)
        put(self._owner, [(address, unit.node)])
        return [address]

    def _file_untouched(self, unit: Unit) -> list[int]:
        address = self._room()
        self._map(self._owner, self._cache(0), address, shared=True)
        return [address]

    def _shared_memory(self, unit: Unit) -> list[int]:
        address = self._room()
        self._owner.mmap(_WINDOW * PAGE, address=address, fixed=True, shared=True)
        put(self._owner, [(address, unit.node)])
        if unit.mappers > 1:
            self._owner.fork().touch(address, write=False)
        return [address]


_BY_FORK = frozenset({"plain", "stack", "lazyfree", "mlocked", "prot_none"})
"""States whose pages a child shares by being forked."""
