"""The files of cpusets: lists, flags, the hierarchy, and what is refused (spec/migration.md 9.9)."""

from errno import EACCES, EBUSY, EEXIST, EINVAL, ENODEV, ENOENT, ENOSPC, ERANGE, ESRCH
from functools import partial

import pytest
from numa.policies import errno_of, inside, refused

from movable import VM, Cpuset, MovableError, Process

MEMS, CPUS = "cpuset.mems", "cpuset.cpus"
FLAGS = (
    "cpuset.mem_exclusive",
    "cpuset.mem_hardwall",
    "cpuset.memory_migrate",
    "cpuset.memory_spread_page",
    "cpuset.memory_spread_slab",
)


@pytest.fixture
def cpuset(vm: VM) -> Cpuset:
    """A cpuset of CPUs 0-1 and nodes 0-1, in the top one."""
    return vm.cpusets.create("A", cpus="0-1", mems="0-1")


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("0-2", "0-2"),
        ("0,1,2", "0-2"),
        ("2,0-1", "0-2"),
        ("0,2-3\n", "0,2-3"),
        (" 1 ", "1"),
        ("0 , 3", "0,3"),
        ("\t0-1,\n", "0-1"),
        ("0,,1", "0-1"),
        (",1", "1"),
        ("1-1", "1"),
        ("3,3,3", "3"),
        ("00,0001", "0-1"),
        ("\n", ""),
        ("  \n", ""),
        (",", ""),
        ("", "0-1"),
    ],
)
def test_lists(cpuset: Cpuset, text: str, seen: str) -> None:
    """Numbers and ranges, blanks around elements and empty elements; an empty line empties, no bytes do nothing."""
    cpuset.write(MEMS, text)
    assert cpuset.read(MEMS) == f"{seen}\n"


@pytest.mark.parametrize(
    ("text", "errno"),
    [
        ("abc", EINVAL),
        ("0x1", EINVAL),
        ("-1", EINVAL),
        ("1-", EINVAL),
        ("0-1-2", EINVAL),
        ("0 1", EINVAL),
        ("1 2,3", EINVAL),
        ("0 - 1", EINVAL),
        ("0;1", EINVAL),
        ("+1", EINVAL),
        ("\u0661", EINVAL),
        ("3-1", EINVAL),
        ("2000-1", EINVAL),
        ("4", EINVAL),
        ("0-4", EINVAL),
        ("1023", EINVAL),
        ("1024", ERANGE),
        ("9999", ERANGE),
        ("0-5000", ERANGE),
        ("9" * 30, ERANGE),
        ("9" * 6000, ERANGE),
    ],
)
def test_bad_lists(cpuset: Cpuset, text: str, errno: int) -> None:
    """Other text and reversed ranges are EINVAL, as are absent nodes; numbers beyond 1023 ERANGE; nothing changes."""
    assert errno_of(lambda: cpuset.write(MEMS, text)) == errno
    assert cpuset.read(MEMS) == "0-1\n"


def test_cpu_lists(vm: VM) -> None:
    """CPUs beyond the possible ones are ERANGE; the list is read as it was written, and pins nobody."""
    cpuset = vm.cpusets.create("A")
    assert (cpuset.read(CPUS), cpuset.cpus) == ("\n", frozenset())
    refused(lambda: cpuset.write(CPUS, "4"), ERANGE, "3 is the highest number")
    refused(lambda: cpuset.write(CPUS, "x"), EINVAL, "must be a list such as 0-2,7")
    cpuset.write(CPUS, "1,3")
    assert (cpuset.read(CPUS), cpuset.cpus) == ("1,3\n", frozenset({1, 3}))
    assert vm.cpusets.read(CPUS) == "0-3\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("1", 1),
        ("2", 1),
        ("0x0", 0),
        ("0xF", 1),
        ("00", 0),
        ("010", 1),
        ("+7\n", 1),
        ("18446744073709551615", 1),
    ],
)
def test_flags(cpuset: Cpuset, text: str, value: int) -> None:
    """Any number: 0 is off, everything else on and reads back as 1 (9.9)."""
    for name in FLAGS:
        cpuset.write(name, text)
        assert cpuset.read(name) == f"{value}\n"
    assert cpuset.memory_migrate == bool(value)


@pytest.mark.parametrize(
    ("text", "errno"),
    [
        *((text, EINVAL) for text in ("x", "-1", "\n", "1 2", "08", "0x", "1_0")),
        ("18446744073709551616", ERANGE),
        ("9" * 5000, ERANGE),
    ],
)
def test_bad_flags(cpuset: Cpuset, text: str, errno: int) -> None:
    """Text that is no number is EINVAL; the flag stays."""
    cpuset.memory_migrate = True
    assert errno_of(lambda: cpuset.write("cpuset.memory_migrate", text)) == errno
    assert cpuset.read("cpuset.memory_migrate") == "1\n"


def test_a_new_cpuset(vm: VM) -> None:
    """Mems empty, memory_migrate, hardwall and exclusive 0; the spread flags are the parent's."""
    vm.cpusets.write("cpuset.memory_spread_page", "1")
    vm.cpusets.memory_migrate = True
    first = vm.cpusets.create("A")
    values = {name: first.read(name).strip() for name in (MEMS, CPUS, *FLAGS)}
    assert [name for name, value in values.items() if value == "1"] == ["cpuset.memory_spread_page"]
    assert (values[MEMS], values[CPUS], first.read("tasks")) == ("", "", "")
    first.write("cpuset.memory_spread_slab", "1")
    assert first.create("B").read("cpuset.memory_spread_slab") == "1\n"


def test_the_top_cpuset(vm: VM, process: Process) -> None:
    """It has all nodes with memory, all CPUs and all processes; its lists cannot be written (EACCES), its flags can."""
    top = vm.cpusets
    thread = vm.kernel_thread()
    assert (top.path, top.mems, top.read(MEMS)) == ("/", frozenset(range(4)), "0-3\n")
    assert top.read("tasks") == f"{process.pid}\n{thread.pid}\n"
    for name in (MEMS, CPUS):
        refused(partial(top.write, name, "0-3"), EACCES, "of the top cpuset cannot be written")
    top.write("cpuset.mem_hardwall", "1")
    assert top.read("cpuset.mem_hardwall") == "1\n"
    assert errno_of(top.remove) == EBUSY


def test_paths_and_names(vm: VM, cpuset: Cpuset) -> None:
    """Cpusets lie in each other under names of directories; one name once."""
    below = cpuset.create("B")
    assert (below.path, below.name, below.parent) == ("/A/B", "B", cpuset)
    assert (vm.cpusets.children, cpuset.children) == ((cpuset,), (below,))
    assert repr(below) == "<Cpuset /A/B>"
    refused(lambda: cpuset.create("B"), EEXIST, "has a 'B' already")
    for name in ("", ".", "..", "a/b", "a\nb"):
        with pytest.raises(MovableError, match="name: must be the name of a directory"):
            cpuset.create(name)
    assert errno_of(lambda: cpuset.create("C", cpus="0", mems="3")) == EACCES
    assert cpuset.children == (below,), "a cpuset whose lists are refused is not made"


def test_files_that_are_none(cpuset: Cpuset) -> None:
    """Other names are ENOENT, for reading and writing."""
    for name in ("mems", "cpuset.tasks", "cpuset.", "cgroup.procs", ""):
        assert errno_of(partial(cpuset.read, name)) == ENOENT
        assert errno_of(partial(cpuset.write, name, "1")) == ENOENT


def test_a_removed_cpuset(vm: VM, process: Process) -> None:
    """It cannot be removed while in use (EBUSY); afterwards every access is ENODEV."""
    cpuset = inside(process, "0")
    below = cpuset.create("B")
    refused(cpuset.remove, EBUSY, "/A is in use")
    below.remove()
    assert errno_of(cpuset.remove) == EBUSY
    vm.cpusets.attach(process)
    cpuset.remove()
    assert vm.cpusets.children == ()
    for call in (
        lambda: cpuset.write(MEMS, "0"),
        lambda: cpuset.read(MEMS),
        lambda: cpuset.attach(process),
        lambda: cpuset.create("B"),
        cpuset.remove,
    ):
        assert errno_of(call) == ENODEV


def test_mems_lie_between_children_and_parent(vm: VM, cpuset: Cpuset) -> None:
    """EBUSY if a child has a node that would go, EACCES for what the parent has not (fact 75)."""
    below = cpuset.create("B", cpus="0", mems="1")
    refused(lambda: cpuset.write(MEMS, "0"), EBUSY, "/A/B would not be within it")
    refused(lambda: cpuset.write(CPUS, "1"), EBUSY, "/A/B would not be within it")
    refused(lambda: below.write(MEMS, "1-2"), EACCES, "would not be within /A")
    refused(lambda: below.write(CPUS, "0-2"), EACCES, "would not be within /A")
    cpuset.write(MEMS, "1-2")
    below.write(MEMS, "2")
    assert (cpuset.read(MEMS), below.read(MEMS)) == ("1-2\n", "2\n")


def test_exclusive_mems(vm: VM, cpuset: Cpuset) -> None:
    """EINVAL for an overlap with a sibling if either is exclusive; a child is exclusive only in an exclusive parent."""
    other = vm.cpusets.create("B", cpus="2", mems="1-2")
    refused(lambda: cpuset.write("cpuset.mem_exclusive", "1"), EINVAL, "/B is exclusive, or it itself")
    other.write(MEMS, "2")
    cpuset.write("cpuset.mem_exclusive", "1")
    refused(lambda: other.write(MEMS, "1-2"), EINVAL, "is exclusive")
    refused(lambda: cpuset.write(MEMS, "0-2"), EINVAL, "is exclusive")
    other.write(MEMS, "2-3")
    below = other.create("C", mems="2")
    refused(lambda: below.write("cpuset.mem_exclusive", "1"), EACCES, "would not be within /B")
    other.write("cpuset.mem_exclusive", "1")
    below.write("cpuset.mem_exclusive", "1")
    refused(lambda: other.write("cpuset.mem_exclusive", "0"), EBUSY, "/B/C would not be within it")
    refused(lambda: vm.cpusets.write("cpuset.mem_exclusive", "0"), EBUSY, "would not be within it")
    cpuset.write("cpuset.cpu_exclusive", "1")
    refused(lambda: other.write(CPUS, "0"), EINVAL, "is exclusive")


def test_fact_75(process: Process) -> None:
    """The same mems again: success, no migration. Emptying mems with tasks: ENOSPC. A child's node: EBUSY (fact 75)."""
    cpuset = inside(process, "0-1", migrate=True)
    process.touch(process.mmap(4096 * 4), 4096 * 4)
    moved = process.vm.vmstat()["pgmigrate_success"]
    cpuset.write(MEMS, "0-1")
    cpuset.write(MEMS, "1,0")
    assert process.vm.vmstat()["pgmigrate_success"] == moved
    refused(lambda: cpuset.write(MEMS, "\n"), ENOSPC, "it has processes")
    refused(lambda: cpuset.write(CPUS, "\n"), ENOSPC, "it has processes")
    cpuset.create("B", mems="1")
    refused(lambda: cpuset.write(MEMS, "0"), EBUSY, "would not be within it")
    assert cpuset.read(MEMS) == "0-1\n"


def test_the_order_of_refusals(vm: VM, process: Process) -> None:
    """Syntax, absent nodes, equality, children, parent, siblings, processes: the first that fails decides."""
    cpuset = inside(process, "0-1")
    cpuset.create("B", mems="1")
    vm.cpusets.create("C", mems="2").write("cpuset.mem_exclusive", "1")
    assert errno_of(lambda: cpuset.write(MEMS, "5000-0")) == EINVAL
    assert errno_of(lambda: cpuset.write(MEMS, "0,5000")) == ERANGE
    assert errno_of(lambda: cpuset.write(MEMS, "0,7")) == EINVAL
    assert errno_of(lambda: cpuset.write(MEMS, "0,2")) == EBUSY
    assert errno_of(lambda: cpuset.write(MEMS, "0-2")) == EINVAL
    assert errno_of(lambda: cpuset.write(MEMS, "\n")) == EBUSY


def test_attaching(vm: VM, process: Process) -> None:
    """ENOSPC while the destination has no CPUs or no nodes; ESRCH for an unknown pid; EINVAL for no number."""
    cpuset = vm.cpusets.create("A")
    refused(lambda: cpuset.attach(process), ENOSPC, "mems and cpus must be set first")
    cpuset.write(MEMS, "1")
    assert errno_of(lambda: cpuset.attach(process)) == ENOSPC
    cpuset.write(CPUS, "0")
    refused(lambda: cpuset.write("tasks", "4711"), ESRCH, "no process 4711")
    assert errno_of(lambda: cpuset.write("tasks", "me")) == EINVAL
    cpuset.write("tasks", f"{process.pid}\n")
    assert (process.cpuset, cpuset.processes, cpuset.read("tasks")) == (
        cpuset,
        (process,),
        f"{process.pid}\n",
    )
    assert process.mems_allowed == frozenset({1})
    assert vm.cpusets.read("tasks") == ""
    child = process.fork()
    assert list(cpuset.processes) == [process, child]
    process.exit(reap=False)
    assert errno_of(lambda: cpuset.write("tasks", str(process.pid))) == ESRCH
    assert list(cpuset.processes) == [child]
    child.exit()
    cpuset.write(MEMS, "\n")
    cpuset.remove()


def test_kernel_threads(vm: VM) -> None:
    """A kernel thread can be attached; it has no memory that would follow."""
    thread = vm.kernel_thread()
    cpuset = inside(vm.process(), "1-2", migrate=True)
    cpuset.attach(thread)
    assert thread.mems_allowed == frozenset({1, 2})
    cpuset.write(MEMS, "3")
    cpuset.write("cpuset.memory_spread_page", "1")
    assert thread.mems_allowed == frozenset({3})
