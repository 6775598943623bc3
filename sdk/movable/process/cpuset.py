"""Cpusets of the legacy hierarchy: which nodes and CPUs the processes of a group may use. spec/migration.md 9.9."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EACCES, EBUSY, EEXIST, EINVAL, ENODEV, ENOENT, ENOSPC, ESRCH
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from movable._core import lib
from movable.errors import MovableError, SystemCallError
from movable.process.nodemask import MAX_NUMNODES, node_list, parse_list, parse_number
from movable.process.policy import nodes_of
from movable.sync import Mutex

if TYPE_CHECKING:
    from movable.process.process import Process
    from movable.vm import VM

__all__ = ["Cpuset"]


@frozen
class _Settings:
    """What the files of a cpuset say; sets are bits."""

    mems: int = 0
    cpus: int = 0
    cpu_exclusive: bool = False
    mem_exclusive: bool = False
    mem_hardwall: bool = False
    memory_migrate: bool = False
    memory_spread_page: bool = False
    memory_spread_slab: bool = False

    def is_within(self, other: "_Settings") -> bool:
        """Whether a cpuset of these settings can lie inside one of the others."""
        return (
            not self.mems & ~other.mems
            and not self.cpus & ~other.cpus
            and self.cpu_exclusive <= other.cpu_exclusive
            and self.mem_exclusive <= other.mem_exclusive
        )

    def collides_with(self, other: "_Settings") -> bool:
        """Whether the two share what one of them wants for itself."""
        return bool((self.cpu_exclusive or other.cpu_exclusive) and self.cpus & other.cpus) or bool(
            (self.mem_exclusive or other.mem_exclusive) and self.mems & other.mems
        )


_FLAGS = (
    "cpu_exclusive",
    "mem_exclusive",
    "mem_hardwall",
    "memory_migrate",
    "memory_spread_page",
    "memory_spread_slab",
)


class Cpuset:
    """A cpuset: a group of processes with the nodes and CPUs that they may use. `VM.cpusets` is the top one.

    Files are read and written as text, as in the mounted hierarchy: ``cpuset.mems``, ``cpuset.cpus``,
    ``cpuset.memory_migrate`` and the other flags, and ``tasks``. What the kernel refuses raises SystemCallError. A CPU
    list is checked and kept; it pins no process to a CPU.
    """

    def __init__(self, vm: "VM", name: str, parent: "Cpuset | None") -> None:
        self._vm = vm
        self.name = name
        """Its directory's name; empty for the top cpuset."""
        self.parent = parent
        """The cpuset it lies in, None for the top one."""
        self._children: dict[str, Cpuset] = {}
        self._removed = False
        self.changes = 0
        """Of the top cpuset: how many changes of any cpuset have begun and ended; odd while one is under way."""
        self._mutex: Mutex = Mutex(vm, "cpuset_mutex") if parent is None else parent._mutex
        if parent is None:
            cpus = (1 << sum(len(node.cpus) for node in vm.nodes)) - 1
            self._own = _Settings(cpus=cpus, cpu_exclusive=True, mem_exclusive=True)
        else:
            spread = parent._own
            self._own = _Settings(
                memory_spread_page=spread.memory_spread_page, memory_spread_slab=spread.memory_spread_slab
            )
        # What pages are moved from when mems change: the mems as they were when processes followed them last.
        self._old_mems = self.effective_mems

    def __repr__(self) -> str:
        return f"<Cpuset {self.path}{', removed' if self._removed else ''}>"

    @property
    def path(self) -> str:
        """Its place in the hierarchy: ``/`` is the top."""
        if self.parent is None:
            return "/"
        return f"{self.parent.path.rstrip('/')}/{self.name}"

    # The hierarchy

    @property
    def children(self) -> "tuple[Cpuset, ...]":
        """The cpusets inside, in the order they were made."""
        return tuple(self._children.values())

    def create(self, name: str, *, cpus: str = "", mems: str = "") -> "Cpuset":
        """A new cpuset inside, empty or with the given lists written. SystemCallError EEXIST, and as in `write`."""
        if not name or "/" in name or name in (".", "..") or "\n" in name:
            raise MovableError(f"name: must be the name of a directory, not {name!r}")
        with self._mutex:
            self._check_exists()
            if name in self._children:
                raise SystemCallError(EEXIST, f"cpuset {self.path} has a {name!r} already")
            child = self._children[name] = Cpuset(self._vm, name, self)
        try:
            child.write("cpuset.cpus", cpus)
            child.write("cpuset.mems", mems)
        except MovableError:
            child.remove()
            raise
        return child

    def remove(self) -> None:
        """Remove the cpuset. SystemCallError EBUSY while it has processes or cpusets inside, and for the top one."""
        with self._mutex:
            self._check_exists()
            if self.parent is None or self._children or self.processes:
                raise SystemCallError(EBUSY, f"cpuset {self.path} is in use")
            self._removed = True
            del self.parent._children[self.name]

    def _check_exists(self) -> None:
        if self._removed:
            raise SystemCallError(ENODEV, f"cpuset {self.path} has been removed")

    # What it holds

    @property
    def processes(self) -> "tuple[Process, ...]":
        """Its processes by pid, without those that have ended."""
        return tuple(each for each in self._vm.all_processes if each.cpuset is self and not each.ended)

    @property
    def mems(self) -> frozenset[int]:
        """Its nodes."""
        return nodes_of(self._settings().mems)

    @property
    def cpus(self) -> frozenset[int]:
        """Its CPUs."""
        return nodes_of(self._own.cpus)

    @property
    def effective_mems(self) -> int:
        """The nodes that its processes get, as bits: its own, or of the nearest cpuset above that has some."""
        return self._nearest()._settings().mems

    @property
    def memory_migrate(self) -> bool:
        """Whether pages of its processes follow when their nodes change; settable."""
        return self._own.memory_migrate

    @memory_migrate.setter
    def memory_migrate(self, value: bool) -> None:
        self.write("cpuset.memory_migrate", str(int(value)))

    def _settings(self) -> _Settings:
        """The settings; the top cpuset has all nodes with memory."""
        if self.parent is None:
            return evolve(self._own, mems=int(lib.mv_nodes_with_memory(self._vm.machine.c)))
        return self._own

    # Files

    def read(self, file: str) -> str:
        """What a file says, with a newline. SystemCallError ENOENT, ENODEV."""
        self._check_exists()
        name = _file_name(file)
        if name == "tasks":
            return "".join(f"{process.pid}\n" for process in self.processes)
        value = getattr(self._settings(), name)
        return f"{node_list(value)}\n" if name in ("mems", "cpus") else f"{int(value)}\n"

    def write(self, file: str, text: str) -> None:
        """Write a file, with all that follows from it: the call ends when processes and pages have moved.

        SystemCallError EACCES, EBUSY, EINVAL, ENODEV, ENOENT, ENOSPC, ERANGE, ESRCH. An empty text does nothing, an
        empty line empties a list.
        """
        self._check_exists()
        name = _file_name(file)
        if not text:
            return
        writers: dict[str, Callable[[str], None]] = {
            "mems": self._write_mems,
            "cpus": self._write_cpus,
            "tasks": self._write_tasks,
        }
        with self._changing():
            # Somebody else may have been faster to have the mutex, and to remove it.
            self._check_exists()
            if name in writers:
                writers[name](text)
            else:
                self._write_flag(name, text)

    def _write_mems(self, text: str) -> None:
        known = int(lib.mv_nodes_with_memory(self._vm.machine.c))
        mems = self._parse("cpuset.mems", text, MAX_NUMNODES, known)
        if mems == self._own.mems:
            return
        self._change(evolve(self._own, mems=mems))
        self._update_tasks_nodemask()

    def _write_cpus(self, text: str) -> None:
        top = self._vm.cpusets._own.cpus
        cpus = self._parse("cpuset.cpus", text, top.bit_length(), top)
        if cpus != self._own.cpus:
            self._change(evolve(self._own, cpus=cpus))

    def _parse(self, file: str, text: str, limit: int, known: int) -> int:
        """A list as bits. SystemCallError EACCES for the top cpuset, EINVAL, ERANGE."""
        if self.parent is None:
            raise SystemCallError(EACCES, f"{file} of the top cpuset cannot be written")
        bits = parse_list(file, text, limit)
        if bits & ~known:
            absent = node_list(bits & ~known)
            raise SystemCallError(EINVAL, f"{file}: {absent} does not exist or has no memory")
        return bits

    def _write_flag(self, name: str, text: str) -> None:
        value = bool(parse_number(f"cpuset.{name}", text))
        self._change(evolve(self._settings(), **{name: value}))
        if name == "memory_spread_page":
            for process in self._with_memory():
                lib.mv_set_spread_page(self._vm.machine.c, process.mm(), value)

    def _change(self, trial: _Settings) -> None:
        """Take new settings over if they fit. SystemCallError EBUSY, EACCES, EINVAL, ENOSPC, in the kernel's order."""
        inside = [child for child in self.children if not child._own.is_within(trial)]
        if inside:
            raise SystemCallError(EBUSY, f"cpuset {self.path}: {inside[0].path} would not be within it")
        if self.parent is not None:
            self._check_beside(trial, self.parent)
        now = self._settings()
        if self.processes and ((now.mems and not trial.mems) or (now.cpus and not trial.cpus)):
            raise SystemCallError(ENOSPC, f"cpuset {self.path}: it has processes, so mems and cpus stay")
        self._own = trial

    def _check_beside(self, trial: _Settings, parent: "Cpuset") -> None:
        if not trial.is_within(parent._settings()):
            raise SystemCallError(EACCES, f"cpuset {self.path}: it would not be within {parent.path}")
        for other in parent.children:
            if other is not self and trial.collides_with(other._own):
                raise SystemCallError(EINVAL, f"cpuset {self.path}: {other.path} is exclusive, or it itself")

    # Processes

    def _write_tasks(self, text: str) -> None:
        pid = parse_number("tasks", text)
        process = self._vm.find_process(pid)
        if process is None or process.ended:
            raise SystemCallError(ESRCH, f"tasks: there is no process {pid}")
        self._attach(process)

    def attach(self, process: "Process") -> None:
        """Move a process here: its policies follow the nodes, and with memory_migrate its pages.

        SystemCallError ENOSPC while mems or cpus are empty; ENODEV. MovableError for a process of another VM.
        """
        if process.vm is not self._vm:
            raise MovableError(f"process: {process} is of another VM")
        with self._changing():
            self._attach(process)

    def _attach(self, process: "Process") -> None:
        self._check_exists()
        if process.cpuset is self:
            return
        if not self._settings().mems or not self._own.cpus:
            raise SystemCallError(ENOSPC, f"cpuset {self.path}: mems and cpus must be set first")
        source, process.cpuset = process.cpuset, self
        mems = self.effective_mems
        if not (process.ended or process.kernel_thread):
            lib.mv_set_spread_page(self._vm.machine.c, process.mm(), self._own.memory_spread_page)
            self._rebind(process, mems)
            if self.memory_migrate:
                self._migrate(process, source._old_mems, mems)
        self._old_mems = mems

    @contextmanager
    def _changing(self) -> Iterator[None]:
        top = self._vm.cpusets
        with self._mutex:
            top.changes += 1
            try:
                yield
            finally:
                top.changes += 1

    def adopt(self, process: "Process", changes: int | None = None) -> None:
        """Called for a new process with memory, and for a child with the `changes` there were before it was made.

        Others may have begun to change its nodes meanwhile; if not, it is as its parent is: rebinding a policy once
        more may change it.
        """
        if changes is not None and changes % 2 == 0 and changes == self._vm.cpusets.changes:
            return
        cpuset, mems = process.cpuset, 0
        while (cpuset, mems) != (process.cpuset, process.cpuset.effective_mems):
            cpuset, mems = process.cpuset, process.cpuset.effective_mems
            self._rebind(process, mems)

    def hotplug(self) -> None:
        """Called when nodes have got or lost memory: a cpuset loses nodes, one that has none left its processes."""
        with self._changing():
            self._hotplug()

    def _hotplug(self) -> None:
        if self.parent is not None:
            self._own = evolve(self._own, mems=self._own.mems & self.parent._settings().mems)
        if self.parent is not None and not self._own.mems:
            for process in self.processes:
                self._nearest()._attach(process)
        elif self._old_mems != self.effective_mems:
            self._update_tasks_nodemask()
        for child in self.children:
            child._hotplug()

    def _nearest(self) -> "Cpuset":
        """The nearest cpuset, this one or above, that has nodes."""
        return self if self.parent is None or self._own.mems else self.parent._nearest()

    def _update_tasks_nodemask(self) -> None:
        """Have all processes use the mems there are now. Pages move last, as from a queue of work."""
        mems, moving = self.effective_mems, []
        for process in self._with_memory():
            if not process.ended:
                self._rebind(process, mems)
                moving.append(process)
        if self.memory_migrate:
            for process in moving:
                self._migrate(process, self._old_mems, mems)
        self._old_mems = mems

    def _with_memory(self) -> "list[Process]":
        return [process for process in self.processes if not process.kernel_thread]

    def _rebind(self, process: "Process", mems: int) -> None:
        machine = self._vm.machine
        machine.check(lib.mv_rebind_process(machine.c, process.mm(), mems))
        if not process.ended:
            machine.check(lib.mv_rebind_areas(machine.c, process.mm(), mems))

    def _migrate(self, process: "Process", old: int, new: int) -> None:
        """do_migrate_pages() with MOVE_ALL, by the kernel's own thread: pages that fail stay."""
        machine = self._vm.machine
        if not process.ended:
            move_all, allowed = 1, (1 << 64) - 1
            machine.check(
                lib.mv_migrate_nodes(machine.c, process.mm(), old, old.bit_count(), new, move_all, allowed)
            )


def _file_name(file: str) -> str:
    name = file.removeprefix("cpuset.")
    if file != "tasks" and (name == file or name not in ("mems", "cpus", *_FLAGS)):
        raise SystemCallError(ENOENT, f"a cpuset has no file {file!r}")
    return name
