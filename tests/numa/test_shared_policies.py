"""Policies of shared memory: they belong to the file, by page, and every mapping sees them (spec/migration.md 9.4)."""

from numa.policies import LOW, inside, lengths, nodes_of, texts

from movable import PAGE_SIZE, VM, File, Mpol, MpolF, MpolMF, PolicyAnswer, Process

B, D, INT = Mpol.BIND, Mpol.DEFAULT, Mpol.INTERLEAVE


def shm(vm: VM, pages: int = 8) -> File:
    """A file of tmpfs."""
    return vm.file("/t/f2", pages * PAGE_SIZE, tmpfs=True)


def policies(process: Process, address: int, pages: int) -> list[frozenset[int] | None]:
    """The nodes of the policy of each page."""
    return [process.get_mempolicy(address + number * PAGE_SIZE, MpolF.ADDR).nodes for number in range(pages)]


def test_every_mapping_sees_the_policy(vm: VM, process: Process) -> None:
    """A policy set through one mapping is in force in others, of other processes, and private ones."""
    file, other = shm(vm), vm.process()
    address = process.mmap(8 * PAGE_SIZE, file=file, shared=True)
    process.mbind(address, 8 * PAGE_SIZE, B, [3])
    theirs = other.mmap(8 * PAGE_SIZE, file=file, shared=True)
    private = other.mmap(8 * PAGE_SIZE, file=file)
    assert texts(other) == ["bind:3", "bind:3"]
    other.touch(theirs, 2 * PAGE_SIZE)
    other.touch(private + 4 * PAGE_SIZE)
    assert nodes_of(other, theirs, 2) == [3, 3]
    assert nodes_of(other, private + 4 * PAGE_SIZE, 1) == [3]
    assert other.get_mempolicy(theirs, MpolF.ADDR) == PolicyAnswer(B, frozenset({3}))


def test_policies_go_by_page(vm: VM, process: Process) -> None:
    """A mapping at an offset sees the policies of its pages; the line of numa_maps shows the first one's."""
    file, other = shm(vm), vm.process()
    address = process.mmap(8 * PAGE_SIZE, file=file, shared=True)
    process.mbind(address + 2 * PAGE_SIZE, 2 * PAGE_SIZE, B, [2])
    assert lengths(process) == [(2, "None"), (2, "bind:2"), (4, "None")]
    theirs = other.mmap(4 * PAGE_SIZE, file=file, offset=3 * PAGE_SIZE, shared=True)
    assert lengths(other) == [(4, "bind:2")]
    assert policies(other, theirs, 3) == [frozenset({2}), frozenset(), frozenset()]
    other.touch(theirs, 4 * PAGE_SIZE)
    assert nodes_of(other, theirs, 4) == [2, 0, 0, 0]


def test_ranges_are_cut_and_taken_away(vm: VM, process: Process) -> None:
    """A later policy cuts into, covers or splits earlier ones; DEFAULT takes them away."""
    file, other = shm(vm), vm.process()
    address = process.mmap(8 * PAGE_SIZE, file=file, shared=True)
    theirs = other.mmap(8 * PAGE_SIZE, file=file, shared=True)

    def bind(first: int, pages: int, nodes: list[int] | None) -> list[int]:
        where = address + first * PAGE_SIZE
        process.mbind(where, pages * PAGE_SIZE, D if nodes is None else B, nodes)
        vm.recount()
        return [min(nodes or {9}) for nodes in policies(other, theirs, 8)]

    assert bind(0, 8, [0]) == [0] * 8
    assert bind(2, 4, [1]) == [0, 0, 1, 1, 1, 1, 0, 0]
    assert bind(3, 1, [2]) == [0, 0, 1, 2, 1, 1, 0, 0]
    assert bind(1, 2, None) == [0, 9, 9, 2, 1, 1, 0, 0]
    assert bind(4, 3, [3]) == [0, 9, 9, 2, 3, 3, 3, 0]
    assert bind(0, 4, [1]) == [1, 1, 1, 1, 3, 3, 3, 0]
    assert bind(0, 8, None) == [9] * 8


def test_the_policy_outlives_the_mapping(vm: VM, process: Process) -> None:
    """The policy stays with the file when the mapping through which it was set is gone."""
    file = shm(vm)
    address = process.mmap(8 * PAGE_SIZE, file=file, shared=True)
    process.mbind(address, 8 * PAGE_SIZE, B, [2])
    process.munmap(address, 8 * PAGE_SIZE)
    process.exit()
    other = vm.process()
    theirs = other.mmap(8 * PAGE_SIZE, file=file, shared=True)
    other.touch(theirs)
    assert nodes_of(other, theirs, 1) == [2]
    file.close()
    other.exit()
    vm.recount()


def test_other_files_keep_policies_in_the_area(vm: VM, process: Process) -> None:
    """The policy of a mapping of a file with a store is the mapping's alone, and its cache follows the process."""
    file, other = vm.file("data", 2 * PAGE_SIZE), vm.process()
    address = process.mmap(2 * PAGE_SIZE, file=file, shared=True)
    process.mbind(address, 2 * PAGE_SIZE, B, [3])
    other.mmap(2 * PAGE_SIZE, file=file, shared=True)
    assert (texts(process), texts(other)) == (["bind:3"], ["default"])
    process.touch(address)
    assert nodes_of(process, address, 1) == [0]


def test_shared_anonymous_memory(process: Process) -> None:
    """Memory shared with a child has one policy, whoever sets it; the recorded lines of shared_anon_*."""
    address = process.mmap(8 * PAGE_SIZE, shared=True, address=LOW)
    child = process.fork()
    child.mbind(address, 8 * PAGE_SIZE, INT, [2, 3])
    process.touch(address, 8 * PAGE_SIZE)
    name = "file=/dev/zero\\040(deleted)"
    assert process.numa_maps() == (
        f"{LOW:08x} interleave:2-3 {name} dirty=8 active=0 N2=4 N3=4 kernelpagesize_kB=4\n"
    )
    process.mbind(address + 2 * PAGE_SIZE, 2 * PAGE_SIZE, B, [1], MpolMF.MOVE_ALL)
    assert lengths(process) == [(2, "interleave:2-3"), (2, "bind:1"), (4, "interleave:2-3")]
    lines = process.numa_maps().splitlines()
    assert lines[0] == (f"{LOW:08x} interleave:2-3 {name} dirty=2 active=0 N2=1 N3=1 kernelpagesize_kB=4")
    assert lines[1].endswith("N1=2 kernelpagesize_kB=4")
    assert lines[2].endswith("dirty=4 active=0 N2=2 N3=2 kernelpagesize_kB=4")


def test_the_recorded_tmpfs_lines(vm: VM, process: Process) -> None:
    """A shared and a private mapping of one file, before and after an mbind of the shared one (rows tmpfs_*)."""
    file = shm(vm)
    shared = process.mmap(8 * PAGE_SIZE, file=file, shared=True, address=LOW)
    private = process.mmap(8 * PAGE_SIZE, file=file, address=LOW * 2)
    process.touch(shared, 8 * PAGE_SIZE)
    process.touch(private, 8 * PAGE_SIZE, write=False)
    process.touch(private, 2 * PAGE_SIZE)
    process.mbind(shared, 8 * PAGE_SIZE, INT, [1, 2], MpolMF.MOVE_ALL)
    first, second = process.numa_maps().splitlines()
    assert first == (
        f"{LOW:08x} interleave:1-2 file=/t/f2 dirty=8 mapmax=2 active=0 N1=4 N2=4 kernelpagesize_kB=4"
    )
    assert second == (
        f"{LOW * 2:08x} interleave:1-2 file=/t/f2 anon=2 dirty=8 mapmax=2 active=2 N0=2 N1=3 N2=3 kernelpagesize_kB=4"
    )


def test_cpusets_do_not_rebind_them(vm: VM, process: Process) -> None:
    """The policies in a file are nobody's to rebind: they stay as they are when a process's nodes change."""
    address = process.mmap(2 * PAGE_SIZE, file=shm(vm), shared=True)
    process.mbind(address, 2 * PAGE_SIZE, B, [0])
    inside(process, "2-3")
    assert texts(process) == ["bind:0"]
