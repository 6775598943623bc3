"""How mbind splits and joins areas (spec/migration.md 9.6, step 13)."""

from numa.policies import LOW, RELATIVE, STATIC, errno_of, inside, lengths, texts

from movable import PAGE_SIZE, VM, Mpol, MpolMF, Process, Prot

B, D = Mpol.BIND, Mpol.DEFAULT


def bind(process: Process, first: int, pages: int, nodes: list[int] | None, flags: int = 0) -> None:
    """BIND of some pages of the area at LOW to nodes, or with None back to DEFAULT."""
    mode = D if nodes is None else B | flags
    process.mbind(LOW + first * PAGE_SIZE, pages * PAGE_SIZE, mode, nodes)


def test_a_part_is_split_off(process: Process) -> None:
    """The middle of an area becomes one of its own; what is around keeps what it had."""
    process.mmap(8 * PAGE_SIZE, address=LOW)
    bind(process, 2, 3, [1])
    assert lengths(process) == [(2, "None"), (3, "bind:1"), (3, "None")]
    bind(process, 0, 1, [2])
    bind(process, 7, 1, [2])
    assert lengths(process) == [(1, "bind:2"), (1, "None"), (3, "bind:1"), (2, "None"), (1, "bind:2")]
    assert [area.offset for area in process.areas] == [0] * 5


def test_equal_neighbours_join(process: Process) -> None:
    """A piece joins what is before it, behind it, or both; untouched areas have nothing against it."""
    process.mmap(6 * PAGE_SIZE, address=LOW)
    bind(process, 0, 2, [1])
    bind(process, 4, 2, [1])
    bind(process, 2, 1, [1])
    assert lengths(process) == [(3, "bind:1"), (1, "None"), (2, "bind:1")]
    bind(process, 3, 1, [1])
    assert lengths(process) == [(6, "bind:1")]
    bind(process, 1, 2, None)
    bind(process, 1, 2, [1])
    assert lengths(process) == [(6, "bind:1")]


def test_an_equal_policy_changes_nothing(process: Process) -> None:
    """An area whose policy is equal already is left as it is, in whole and in part."""
    process.mmap(4 * PAGE_SIZE, address=LOW)
    bind(process, 0, 4, [1])
    bind(process, 1, 2, [1])
    bind(process, 0, 4, [1])
    assert lengths(process) == [(4, "bind:1")]
    bind(process, 1, 2, [1, 9])
    assert lengths(process) == [(4, "bind:1")], "without a mode flag the user's mask does not count"


def test_equal_means_mode_flags_nodes_and_users_mask(process: Process) -> None:
    """Policies differ by mode, flags, nodes, and with a flag by the user's mask."""
    process.mmap(2 * PAGE_SIZE, address=LOW)
    bind(process, 0, 1, [1], STATIC)
    bind(process, 1, 1, [1])
    assert len(process.areas) == 2
    bind(process, 1, 1, [1, 9], STATIC)
    assert len(process.areas) == 2
    process.mbind(LOW + PAGE_SIZE, PAGE_SIZE, Mpol.INTERLEAVE | STATIC, [1])
    assert len(process.areas) == 2
    bind(process, 1, 1, [1], STATIC)
    assert lengths(process) == [(2, "bind=static:1")]


def test_areas_touched_under_different_policies_never_join(process: Process) -> None:
    """Separate with different policies at their first touch: they have roots of their own, and stay separate."""
    process.mmap(4 * PAGE_SIZE, address=LOW)
    bind(process, 0, 2, [1])
    process.touch(LOW, 4 * PAGE_SIZE)
    bind(process, 0, 2, None)
    assert lengths(process) == [(2, "None"), (2, "None")]
    bind(process, 0, 4, [2])
    assert lengths(process) == [(2, "bind:2"), (2, "bind:2")]


def test_pieces_of_a_touched_area_join_again(process: Process) -> None:
    """Pieces split off after the first touch share the root and join."""
    process.mmap(4 * PAGE_SIZE, address=LOW)
    process.touch(LOW)
    bind(process, 1, 2, [1])
    process.touch(LOW, 4 * PAGE_SIZE)
    assert len(process.areas) == 3
    bind(process, 1, 2, None)
    assert lengths(process) == [(4, "None")]


def test_an_area_that_never_had_a_page_joins_either_side(process: Process) -> None:
    """Of three areas between which two have different roots the middle one, untouched, joins the first."""
    process.mmap(3 * PAGE_SIZE, address=LOW)
    bind(process, 1, 1, [3])
    process.touch(LOW)
    process.touch(LOW + 2 * PAGE_SIZE)
    bind(process, 1, 1, None)
    assert lengths(process) == [(2, "None"), (1, "None")]


def test_areas_of_one_policy_get_one_root(process: Process) -> None:
    """Areas that differ in protection alone have the same root after their first touches, and can join later."""
    process.mmap(2 * PAGE_SIZE, address=LOW)
    process.mprotect(LOW + PAGE_SIZE, PAGE_SIZE, Prot.READ | Prot.WRITE | Prot.EXEC)
    process.touch(LOW, 2 * PAGE_SIZE)
    assert len(process.areas) == 2
    process.mprotect(LOW + PAGE_SIZE, PAGE_SIZE, Prot.READ | Prot.WRITE)
    assert lengths(process) == [(2, "None")]


def test_other_differences_keep_areas_apart(vm: VM, process: Process) -> None:
    """Flags, files and offsets have to fit as well: equal policies do not join what is not alike."""
    process.mmap(2 * PAGE_SIZE, address=LOW)
    process.mlock(LOW, PAGE_SIZE)
    bind(process, 0, 2, [1])
    assert lengths(process) == [(1, "bind:1"), (1, "bind:1")]
    file = vm.file("data", 4 * PAGE_SIZE)
    start = LOW * 2
    for place, offset in ((0, 0), (1, 1), (2, 3)):
        process.mmap(PAGE_SIZE, address=start + place * PAGE_SIZE, file=file, offset=offset * PAGE_SIZE)
    process.mbind(start, 3 * PAGE_SIZE, B, [1])
    assert lengths(process)[2:] == [(2, "bind:1"), (1, "bind:1")]


def test_a_range_over_several_areas(process: Process) -> None:
    """All areas of the range get the policy and join where they can; a hole at the end takes none."""
    process.mmap(6 * PAGE_SIZE, address=LOW)
    for first, nid in ((0, 0), (2, 1), (4, 2)):
        bind(process, first, 2, [nid])
    process.mmap(PAGE_SIZE, address=LOW * 2)
    bind(process, 1, 6, [3])
    assert lengths(process) == [(1, "bind:0"), (5, "bind:3"), (1, "None")]


def test_rebinding_joins_nothing(process: Process) -> None:
    """Areas whose policies become equal by a change of mems stay apart until something is done to them."""
    cpuset = inside(process, "0-3")
    process.mmap(2 * PAGE_SIZE, address=LOW)
    bind(process, 0, 1, [0])
    bind(process, 1, 1, [2])
    cpuset.write("cpuset.mems", "1-2")
    assert lengths(process) == [(1, "bind:1"), (1, "bind:1")]
    bind(process, 0, 2, [1])
    assert len(process.areas) == 2, "equal policies are left as they are"
    bind(process, 0, 2, [2])
    assert lengths(process) == [(2, "bind:2")]


def test_a_failing_call_splits_nothing(process: Process) -> None:
    """A call that fails in the scan leaves the areas as they were."""
    process.mmap(4 * PAGE_SIZE, address=LOW)
    process.mmap(PAGE_SIZE, address=LOW + 5 * PAGE_SIZE)
    start = LOW + 2 * PAGE_SIZE
    assert errno_of(lambda: process.mbind(start, 4 * PAGE_SIZE, B, [1], MpolMF.MOVE)) != 0
    assert lengths(process) == [(4, "None"), (1, "None")]


def test_the_text_of_a_relative_policy(process: Process) -> None:
    """numa_maps shows the effective nodes of each piece, and the process's policy for areas without one."""
    process.set_mempolicy(Mpol.INTERLEAVE | STATIC, [0, 1])
    process.mmap(3 * PAGE_SIZE, address=LOW)
    bind(process, 1, 1, [4, 5], RELATIVE)
    assert texts(process) == ["interleave=static:0-1", "bind=relative:0-1", "interleave=static:0-1"]
