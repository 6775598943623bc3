"""Where pages come from (spec/migration.md 9.4)."""

import pytest
from attrs import evolve
from numa.moving import machine
from numa.policies import LOW, errno_of, fill, inside, nodes_of, touched

from movable import PAGE_SIZE, VM, Mpol, MpolF, Process


@pytest.fixture
def wide() -> VM:
    """Four nodes with distances of their own: 0,1,2,3 from node 0, 2,3,0,1 from node 2."""
    distances = ((10, 15, 20, 30), (15, 10, 25, 20), (20, 25, 10, 15), (30, 20, 15, 10))
    return VM(evolve(machine(4), distances=distances), debug=2)


def test_default_and_local(process: Process) -> None:
    """Without a policy, and with a local one, pages come from the running CPU's node."""
    for cpu, nid in ((0, 0), (2, 1)):
        process.vm.cpu = cpu
        process.set_mempolicy(Mpol.DEFAULT)
        assert touched(process, 2) == [nid, nid]
        process.set_mempolicy(Mpol.LOCAL)
        assert touched(process, 2, LOW << 1) == [nid, nid]


def test_an_areas_policy_comes_first(process: Process) -> None:
    """The policy of an area is in force for it, that of the process elsewhere."""
    process.set_mempolicy(Mpol.BIND, [3])
    address = process.mmap(2 * PAGE_SIZE, address=LOW)
    process.mbind(address, PAGE_SIZE, Mpol.BIND, [2])
    process.touch(address, 2 * PAGE_SIZE)
    assert nodes_of(process, address, 2) == [2, 3]


def test_preferred_falls_back_by_distance(wide: VM) -> None:
    """PREFERRED goes to its node, and by distance from that one when it is full."""
    process = wide.process()
    process.set_mempolicy(Mpol.PREFERRED, [2])
    assert touched(process, 2) == [2, 2]
    fill(wide, 2)
    assert touched(process, 2, LOW << 1) == [3, 3]


def test_bind_takes_the_nearest_of_its_set(wide: VM) -> None:
    """BIND goes to the member nearest to the running CPU, to the next one when that is full, and nowhere else."""
    process = wide.process()
    wide.cpu = wide.nodes[1].cpus[0]
    process.set_mempolicy(Mpol.BIND, [2, 3])
    assert touched(process, 2) == [3, 3], "node 1's distances are 20 to node 3 and 25 to node 2"
    fill(wide, 3)
    assert touched(process, 2, LOW << 1) == [2, 2]
    fill(wide, 2)
    assert errno_of(lambda: touched(process, 1, LOW << 2)) != 0
    process.set_mempolicy(Mpol.DEFAULT)
    assert touched(process, 1, LOW // 2) == [1]


def test_interleave_goes_by_page_number(process: Process) -> None:
    """The n-th member of the set, n = page number mod size, whatever the order of touching."""
    address = process.mmap(6 * PAGE_SIZE, address=LOW)
    process.mbind(address, 6 * PAGE_SIZE, Mpol.INTERLEAVE, [0, 2, 3])
    for number in (5, 0, 3, 1, 4, 2):
        process.touch(address + number * PAGE_SIZE)
    assert nodes_of(process, address, 6) == [0, 2, 3, 0, 2, 3]


def test_a_processs_interleave_goes_by_page_number_too(process: Process) -> None:
    """A task-wide INTERLEAVE uses the area's index for user pages, and its rotor stays where it is."""
    process.set_mempolicy(Mpol.INTERLEAVE, [1, 2, 3])
    assert touched(process, 4, LOW + PAGE_SIZE) == [2, 3, 1, 2]
    assert process.get_mempolicy(flags=MpolF.NODE).mode == 1


def test_interleave_falls_back_outside_the_set(wide: VM) -> None:
    """A full member of an INTERLEAVE set is stood in for by distance, also by nodes outside the set."""
    process = wide.process()
    fill(wide, 2)
    process.set_mempolicy(Mpol.INTERLEAVE, [1, 2])
    assert touched(process, 4) == [1, 3, 1, 3]


@pytest.mark.parametrize(("number", "index"), [((1 << 32) + 1, 1), ((1 << 32) + 2, 2), ((1 << 32) - 1, 0)])
def test_fact_78(process: Process, number: int, index: int) -> None:
    """INTERLEAVE over a set of 3, page number 2^32 + 1: index 1, not 2: 32 bits count (12, fact 78)."""
    process.set_mempolicy(Mpol.INTERLEAVE, [1, 2, 3])
    assert touched(process, 1, number * PAGE_SIZE) == [1 + index]


def test_the_rotor_is_for_pages_without_an_area(vm: VM, process: Process) -> None:
    """Pages of a file's cache come from the rotor's node, which then advances, wrapping, and starts at the lowest."""
    file = vm.file("data", 5 * PAGE_SIZE)
    address = process.mmap(5 * PAGE_SIZE, file=file, shared=True)
    process.set_mempolicy(Mpol.INTERLEAVE, [1, 3])
    seen = []
    for number in (4, 2, 0, 1, 3):
        seen.append(process.get_mempolicy(flags=MpolF.NODE).mode)
        process.touch(address + number * PAGE_SIZE, write=False)
        page = file.page(number)
        assert page is not None
        assert page.nid == seen[-1]
    assert seen == [1, 3, 1, 3, 1]
    process.set_mempolicy(Mpol.INTERLEAVE, [0, 1])
    assert process.get_mempolicy(flags=MpolF.NODE).mode == 0


def test_shared_memory_adds_the_inode_number(vm: VM, process: Process) -> None:
    """On a first touch of shared memory the index is the page's offset plus the object's inode number."""
    for name in ("one", "two", "three"):
        file = vm.file(name, 4 * PAGE_SIZE, tmpfs=True)
        address = process.mmap(4 * PAGE_SIZE, file=file, shared=True)
        process.mbind(address, 4 * PAGE_SIZE, Mpol.INTERLEAVE, [0, 1, 2])
        process.touch(address, 4 * PAGE_SIZE)
        assert nodes_of(process, address, 4) == [(number + file.inode) % 3 for number in range(4)]
    assert len({name.inode for name in (vm.file("a"), vm.file("b"))}) == 2


@pytest.mark.parametrize("mode", [Mpol.DEFAULT, Mpol.PREFERRED, Mpol.INTERLEAVE, Mpol.BIND])
def test_every_allocation_is_within_mems_allowed(vm: VM, process: Process, mode: Mpol) -> None:
    """Whatever the policy says, pages come from nodes of the cpuset, for memory of every kind ("hardwall")."""
    process.set_mempolicy(mode, None if mode == Mpol.DEFAULT else [0, 1])
    inside(process, "2-3")
    assert set(touched(process, 8)) <= {2, 3}
    for file in (vm.file("data", 4 * PAGE_SIZE), vm.file("shm", 4 * PAGE_SIZE, tmpfs=True)):
        address = process.mmap(4 * PAGE_SIZE, file=file, shared=True)
        process.touch(address, 4 * PAGE_SIZE)
        assert {page.nid for page in file.pages().values()} <= {2, 3}
        private = process.mmap(4 * PAGE_SIZE, file=file)
        process.touch(private, 4 * PAGE_SIZE)
        assert set(nodes_of(process, private, 4)) <= {2, 3}


def test_a_full_cpuset_has_no_fallback(vm: VM, process: Process) -> None:
    """When the allowed nodes are full, pages of other nodes do not help."""
    inside(process, "2")
    fill(vm, 2)
    assert errno_of(lambda: touched(process, 1)) != 0
    assert errno_of(lambda: touched(vm.process(), 1)) == 0


def test_a_disjoint_set_binds_nobody(vm: VM, process: Process) -> None:
    """The set of a BIND policy is ignored if it is disjoint from mems_allowed.

    Only policies of shared memory come into that state: they are not rebound.
    """
    file = vm.file("shm", 4 * PAGE_SIZE, tmpfs=True)
    address = process.mmap(4 * PAGE_SIZE, file=file, shared=True)
    process.mbind(address, 4 * PAGE_SIZE, Mpol.BIND, [0])
    cpuset = inside(process, "2-3")
    process.touch(address, 2 * PAGE_SIZE)
    cpuset.write("cpuset.mems", "0,3")
    process.touch(address + 2 * PAGE_SIZE, 2 * PAGE_SIZE)
    assert nodes_of(process, address, 4) == [2, 2, 0, 0]


def test_copies_and_swap_go_by_policy(vm: VM, process: Process) -> None:
    """A copy on write, and a page that comes back from swap, come from the node of the policy in force."""
    vm.swapon(16)
    address = process.mmap(PAGE_SIZE, address=LOW)
    process.write(address, b"old")
    child = process.fork()
    child.mbind(address, PAGE_SIZE, Mpol.BIND, [3])
    child.write(address, b"new")
    assert nodes_of(child, address, 1) == [3]
    assert nodes_of(process, address, 1) == [0]
    process.mbind(address, PAGE_SIZE, Mpol.BIND, [2])
    vm.lru_add_drain_all()
    while process.page(address) is not None:
        vm.reclaim(1, 0)
    assert process.read(address, 3) == b"old"
    assert nodes_of(process, address, 1) == [2]
