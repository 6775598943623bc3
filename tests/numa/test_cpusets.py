"""What a change of nodes does to the processes of a cpuset (spec/migration.md 9.9)."""

from collections.abc import Callable
from errno import EACCES, EBUSY, EEXIST, EINVAL, ENODEV

import pytest
from numa.moving import machine
from numa.policies import LOW, RELATIVE, STATIC, errno_of, inside, kept, nodes_of, placed, texts, touched
from schedules.kit import scenario

from movable import PAGE_SIZE, VM, Mpol, Process, SystemCallError
from movable.process.nodemask import NodeMask
from movable.sched import Scenario, explore

MEMS = "cpuset.mems"
B, INT, P, L = Mpol.BIND, Mpol.INTERLEAVE, Mpol.PREFERRED, Mpol.LOCAL


def attached(vm: VM, start: str, to: str, how: str, migrate: bool) -> tuple[Process, object]:
    """A process in a cpuset, and what changes its nodes: a write to mems, or the way into another cpuset."""
    process = vm.process()
    cpuset = inside(process, start, migrate=migrate)
    other = vm.cpusets.create("B", cpus="0", mems=to)
    other.memory_migrate = migrate

    def change() -> None:
        if how == "write":
            cpuset.write(MEMS, to)
        else:
            other.write("tasks", str(process.pid))

    return process, change


@pytest.mark.parametrize("how", ["write", "attach"])
@pytest.mark.parametrize("whose", ["process", "area"])
@pytest.mark.parametrize(
    ("start", "to", "mode", "nodes", "text"),
    [
        ("0-1", "2-3", B, [1], "bind:3"),
        ("0-3", "1-2", INT, [0, 1, 2, 3], "interleave:1-2"),
        ("0-3", "1-2", INT, [0, 2], "interleave:1"),
        ("0-1", "1-3", B, [0, 1], "bind:1-2"),
        ("0-1", "1-3", P, [1], "prefer:2"),
        ("0-2", "1-3", P, [0], "prefer:1"),
        ("0-1", "2-3", P, None, "local"),
        ("0-1", "2-3", L | STATIC, None, "local=static"),
        ("0-1", "2-3", L | RELATIVE, None, "local=relative"),
        ("1-3", "2-3", INT | STATIC, [1, 2, 3], "interleave=static:2-3"),
        ("0-1", "2-3", B | STATIC, [0, 1], "bind=static:2-3"),
        ("0-1", "1-3", B | STATIC, [0, 3], None),
        ("0-1", "1-3", B | STATIC, [0, 1, 3], "bind=static:1,3"),
        ("0-1", "1-3", P | STATIC, [1, 3], "prefer=static:1"),
        ("0-1", "2-3", P | STATIC, [1, 3], "local=static"),
        ("0-3", "1-3", B | RELATIVE, [2, 3, 4, 5], "bind=relative:1-3"),
        ("0-3", "0,2-3", INT | RELATIVE, [3, 4], "interleave=relative:0,2"),
        ("0-1", "1-3", P | RELATIVE, [5], "prefer=relative:3"),
    ],
)
def test_rebinding(
    vm: VM, how: str, whose: str, start: str, to: str, mode: int, nodes: NodeMask, text: str | None
) -> None:
    """Each row of the table of rebinding, for the policy of the process and for that of an area (9.9)."""
    process, change = attached(vm, start, to, how, migrate=False)
    address = process.mmap(PAGE_SIZE, address=LOW)
    if whose == "process":
        process.set_mempolicy(mode, nodes)
    else:
        process.mbind(address, PAGE_SIZE, mode, nodes)
    change()  # type: ignore[operator]
    assert texts(process) == [text or "bind=static:3"]
    vm.recount()


def test_fact_69(vm: VM) -> None:
    """INTERLEAVE 1-3 STATIC in cpuset 1-3, mems -> 3: {3}; mems -> 2-3: {2,3}; plain follows by rank (fact 69)."""
    process = vm.process()
    cpuset = inside(process, "1-3")
    process.mmap(2 * PAGE_SIZE, address=LOW)
    process.mbind(LOW, PAGE_SIZE, INT | STATIC, [1, 2, 3])
    process.mbind(LOW + PAGE_SIZE, PAGE_SIZE, INT, [1, 2, 3])
    cpuset.write(MEMS, "3")
    assert texts(process) == ["interleave=static:3", "interleave:3"]
    cpuset.write(MEMS, "2-3")
    assert texts(process) == ["interleave=static:2-3", "interleave:2"], (
        "the way back is lossy without the flag"
    )


def test_fact_69_wide() -> None:
    """INTERLEAVE 1-3 STATIC in cpuset 1-3, mems -> 3-5: {3}; plain: {3,4,5}; STATIC, mems -> 4-5: {4,5} (fact 69)."""
    with VM(machine(6), debug=2) as vm:
        process = vm.process()
        cpuset = inside(process, "1-3")
        process.mmap(2 * PAGE_SIZE, address=LOW)
        process.mbind(LOW, PAGE_SIZE, INT | STATIC, [1, 2, 3])
        process.mbind(LOW + PAGE_SIZE, PAGE_SIZE, INT, [1, 2, 3])
        cpuset.write(MEMS, "3-5")
        assert texts(process) == ["interleave=static:3", "interleave:3-5"]
        cpuset.write(MEMS, "4-5")
        assert texts(process)[0] == "interleave=static:4-5"


def test_fact_70(process: Process) -> None:
    """PREFERRED|STATIC node 1 in mems 0-1 -> 2-3: `local=static`; back to 0-1: prefer 1 again (fact 70)."""
    cpuset = inside(process, "0-1")
    process.mmap(PAGE_SIZE)
    process.set_mempolicy(P | STATIC, [1])
    cpuset.write(MEMS, "2-3")
    assert texts(process) == ["local=static"]
    assert touched(process, 1) == [2]
    cpuset.write(MEMS, "0-1")
    assert texts(process)[0] == "prefer=static:1"
    assert touched(process, 1, LOW * 2) == [1]


@pytest.mark.parametrize("how", ["write", "attach"])
@pytest.mark.parametrize("migrate", [False, True])
def test_fact_73(vm: VM, how: str, migrate: bool) -> None:
    """Mems 0-1 -> 2-3: with memory_migrate pages of 0 are on 2, of 1 on 3 when the write returns (fact 73)."""
    process, change = attached(vm, "0-1", "2-3", how, migrate)
    address = placed(process, [0, 1, 1, 0])
    change()  # type: ignore[operator]
    assert nodes_of(process, address, 4) == ([2, 3, 3, 2] if migrate else [0, 1, 1, 0])
    assert set(touched(process, 4, LOW * 2)) == {2}
    assert process.mems_allowed == frozenset({2, 3})
    kept(process, address, 4)


def test_fact_74(process: Process) -> None:
    """Mems 0-3 -> 2-3 with memory_migrate: node 0 -> 2, node 1 -> 3; pages on 2 and 3 stay (fact 74)."""
    cpuset = inside(process, "0-3", migrate=True)
    address = placed(process, [0, 1, 2, 3])
    before = process.page(address + 2 * PAGE_SIZE)
    cpuset.write(MEMS, "2-3")
    assert nodes_of(process, address, 4) == [2, 3, 2, 3]
    assert process.page(address + 2 * PAGE_SIZE) is before


def test_equal_sizes_move_everything(process: Process) -> None:
    """0-2 -> 1-3 moves pages on surviving nodes too; pages that were on none of the previous nodes stay."""
    cpuset = inside(process, "0-3")
    address = placed(process, [0, 1, 2, 3])
    cpuset.write(MEMS, "0-2")
    cpuset.memory_migrate = True
    cpuset.write(MEMS, "1-3")
    assert nodes_of(process, address, 4) == [1, 2, 3, 3]


def test_setting_memory_migrate_moves_nothing(process: Process) -> None:
    """The flag itself moves nothing; the next change of mems does, from the mems that were in force before it."""
    cpuset = inside(process, "0")
    address = placed(process, [0, 0])
    cpuset.write(MEMS, "1")
    cpuset.memory_migrate = True
    assert nodes_of(process, address, 2) == [0, 0]
    cpuset.write(MEMS, "2")
    assert nodes_of(process, address, 2) == [0, 0], "they were on none of the previous nodes"
    cpuset.write(MEMS, "0-1")
    cpuset.write(MEMS, "2-3")
    assert nodes_of(process, address, 2) == [2, 2]


def test_attaching_goes_by_the_destinations_flag(vm: VM, process: Process) -> None:
    """Pages follow iff the destination has memory_migrate, whatever the source has."""
    inside(process, "0", "from", migrate=True)
    address = placed(process, [0, 0])
    inside(process, "1", "still")
    assert nodes_of(process, address, 2) == [0, 0]
    inside(process, "2", "moving", migrate=True)
    assert nodes_of(process, address, 2) == [0, 0], "the source's nodes are where it looks"
    placed(process, [2], LOW * 2)
    inside(process, "3", "more", migrate=True)
    assert nodes_of(process, LOW * 2, 1) == [3]


def test_shared_pages_move_too(vm: VM) -> None:
    """No capability is needed, and shared pages move: the kernel does it. Pages that cannot be moved are ignored."""
    process = vm.process(uid=1000)
    cpuset = inside(process, "0", migrate=True)
    address = placed(process, [0, 0])
    child = process.fork()
    pinned = child.pin(address + PAGE_SIZE, write=False)
    cpuset.write(MEMS, "1")
    assert nodes_of(process, address, 2) == [1, 0]
    assert nodes_of(child, address, 2) == [1, 0]
    pinned.put()
    kept(child, address, 2)


def test_only_the_cpusets_own_processes_follow(vm: VM, process: Process) -> None:
    """Processes of cpusets beside and below keep their nodes."""
    other, below = vm.process(), vm.process()
    cpuset = inside(process, "0-2", migrate=True)
    child = cpuset.create("C", cpus="0", mems="1")
    child.attach(below)
    address = placed(process, [0])
    placed(other, [0])
    cpuset.write(MEMS, "1-2")
    assert (process.mems_allowed, below.mems_allowed) == (frozenset({1, 2}), frozenset({1}))
    assert other.mems_allowed == frozenset(range(4))
    assert nodes_of(other, address, 1) == [0]


def test_a_plain_area_whose_base_is_the_new_mems_is_left_alone(process: Process) -> None:
    """An area's policy made under the mems that come is not remapped; a second rebinding goes from the last base."""
    cpuset = inside(process, "0-1")
    process.mmap(PAGE_SIZE, address=LOW)
    process.mbind(LOW, PAGE_SIZE, B, [0])
    cpuset.write(MEMS, "1-2")
    assert texts(process) == ["bind:1"]
    cpuset.write(MEMS, "0-2")
    assert texts(process) == ["bind:0"]
    cpuset.write(MEMS, "3")
    cpuset.write(MEMS, "0-3")
    assert texts(process) == ["bind:0"]


def test_calls_inside_a_cpuset(vm: VM, process: Process) -> None:
    """Policies made in a cpuset have its nodes; move_pages to others is EACCES, and of the process alone."""
    inside(process, "0-1")
    address = placed(process, [0])
    assert errno_of(lambda: process.move_pages(0, [address], [2])) == EACCES
    assert errno_of(lambda: process.set_mempolicy(B, [2])) == EINVAL
    assert errno_of(lambda: vm.process().move_pages(process.pid, [address], [2])) == EACCES
    assert process.move_pages(0, [address], [1]) == [1]


def test_spreading_the_page_cache(vm: VM, process: Process) -> None:
    """memory_spread_page: cache pages go round the allowed nodes, whatever the policy; other memory does not (9.9)."""
    cpuset = inside(process, "1-3")
    process.set_mempolicy(B, [1])
    cpuset.write("cpuset.memory_spread_page", "1")
    file = vm.file("data", 6 * PAGE_SIZE)
    process.touch(process.mmap(6 * PAGE_SIZE, file=file, shared=True), 6 * PAGE_SIZE)
    seen = [page.nid for page in file.pages().values()]
    assert seen[1:] == [earlier % 3 + 1 for earlier in seen[:-1]]
    assert touched(process, 3) == [1, 1, 1]
    shm = vm.file("shm", 3 * PAGE_SIZE, tmpfs=True)
    process.touch(process.mmap(3 * PAGE_SIZE, file=shm, shared=True), 3 * PAGE_SIZE)
    assert [page.nid for page in shm.pages().values()] == [1, 1, 1]
    cpuset.write("cpuset.memory_spread_page", "0")
    later = vm.file("later", 2 * PAGE_SIZE)
    process.touch(process.mmap(2 * PAGE_SIZE, file=later, shared=True), 2 * PAGE_SIZE)
    assert [page.nid for page in later.pages().values()] == [1, 1]


def test_the_flag_comes_with_the_cpuset(vm: VM, process: Process) -> None:
    """A process gets the spread flag of the cpuset it is attached to, a child that of its parent."""
    cpuset = vm.cpusets.create("A", cpus="0", mems="2-3")
    cpuset.write("cpuset.memory_spread_page", "1")
    cpuset.attach(process)
    child = process.fork()
    for each in (process, child):
        file = vm.file("data", 2 * PAGE_SIZE)
        each.touch(each.mmap(2 * PAGE_SIZE, file=file, shared=True), 2 * PAGE_SIZE)
        assert {page.nid for page in file.pages().values()} == {2, 3}
    vm.cpusets.attach(child)
    file = vm.file("data", 2 * PAGE_SIZE)
    child.touch(child.mmap(2 * PAGE_SIZE, file=file, shared=True), 2 * PAGE_SIZE)
    assert [page.nid for page in file.pages().values()] == [0, 0]


def test_memory_that_goes_offline(vm: VM, process: Process) -> None:
    """A node without memory leaves all cpusets; the processes of one that has none left go to the one above."""
    other = vm.process()
    cpuset = inside(process, "2-3")
    emptied = inside(other, "3", "B")
    process.set_mempolicy(INT, [2, 3])
    zone = vm.nodes[3].zones[0]
    assert vm.offline_pages(zone.start_pfn, zone.spanned).ret == 0
    assert (vm.cpusets.read(MEMS), cpuset.read(MEMS), emptied.read(MEMS)) == ("0-2\n", "2\n", "\n")
    assert (process.mems_allowed, str(process.policy)) == (frozenset({2}), "interleave:2")
    assert other.cpuset is vm.cpusets
    assert vm.process().mems_allowed == frozenset({0, 1, 2})
    vm.online_pages(zone.start_pfn, zone.spanned)
    assert (vm.cpusets.read(MEMS), cpuset.read(MEMS)) == ("0-3\n", "2\n")
    assert other.mems_allowed == frozenset(range(4))


def test_a_childs_policy_is_not_rebound_without_a_change(vm: VM, process: Process) -> None:
    """STATIC with its lowest node absent prefers the lowest allowed one; a fork is no rebind (9.3, 9.9)."""
    inside(process, "2")
    address = process.mmap(PAGE_SIZE)
    process.set_mempolicy(Mpol.PREFERRED | STATIC, [0, 2])
    process.mbind(address, PAGE_SIZE, Mpol.PREFERRED | STATIC, [0, 2])
    child = process.fork()
    assert str(process.policy) == str(child.policy) == "prefer=static:2"
    assert process.areas == child.areas


@pytest.mark.parametrize("other", ["create", "remove"])
def test_cpusets_are_made_and_removed_one_at_a_time(other: str) -> None:
    """Two CPUs that make a cpuset of one name, or one that removes its parent: one of the two fails."""

    def make() -> Scenario:
        vm = VM(machine(2))
        parent = vm.cpusets.create("parent", cpus="0", mems="0")
        outcomes: list[int] = []

        def attempt(call: Callable[[], object]) -> Callable[[], None]:
            def body() -> None:
                try:
                    call()
                    outcomes.append(0)
                except SystemCallError as error:
                    outcomes.append(error.errno or 0)

            return body

        def create() -> object:
            return parent.create("child", cpus="0", mems="0")

        def finish() -> None:
            assert sorted(outcomes) in ([0, EEXIST], [0, EBUSY], [0, ENODEV])

        second = create if other == "create" else parent.remove
        return scenario(vm, attempt(create), attempt(second), finish=finish)

    found = explore(make, range(40), seed=1)
    assert found.failure is None, found.failure.error
