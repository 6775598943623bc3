"""Merged pages: one page with both tag bits at many places (spec/migration.md 1.3, 1.4 C12, 4.3, fact 48)."""

from errno import EBUSY, EINVAL

import pytest
from huge.kit import HPAGE, huge_page, moved, page_at

from movable import (
    PAGE_SIZE,
    VM,
    Madvise,
    MigrateMode,
    MovableError,
    PageFlag,
    Process,
    Prot,
    SystemCallError,
)

Place = tuple[Process, int]


def places(vm: VM, count: int = 3, text: bytes = b"the same") -> list[Place]:
    """Pages of as many processes that hold the same text."""
    found = []
    for _ in range(count):
        process = vm.process()
        address = process.mmap(PAGE_SIZE)
        process.write(address + 100, text)
        found.append((process, address))
    return found


def texts(merged: list[Place]) -> list[bytes]:
    """What each place reads."""
    return [process.read(address + 100, 8) for process, address in merged]


def errno_of(vm: VM, wanted: list[Place]) -> int:
    """What a merge answers."""
    with pytest.raises(SystemCallError) as caught:
        vm.ksm_merge(wanted)
    return caught.value.errno or 0


def test_one_page_is_mapped_everywhere(vm: VM) -> None:
    """Fact 48: both tag bits, no mapping; mapped read-only at each place, the others' pages are free again."""
    merged = places(vm)
    vm.lru_add_drain_all()
    free = vm.vmstat()["nr_free_pages"]
    page = vm.ksm_merge(merged)
    assert vm.vmstat()["nr_free_pages"] == free + 2
    assert (page.anon, page.ksm, page.has_movable_tag, page.mapping) == (True, True, False, None)
    assert (page.mapcount, page.refcount) == (3, 3)
    for process, address in merged:
        entry = process.entry(address)
        assert entry is not None
        assert (entry.pfn, entry.writable, entry.dirty) == (page.pfn, False, False)
    assert page.flags & PageFlag.DIRTY
    assert texts(merged) == [b"the same"] * 3


def test_a_write_gets_a_copy(vm: VM) -> None:
    """Copy on write even for the last mapping; the page is freed with it."""
    merged = places(vm, 2)
    page = vm.ksm_merge(merged)
    for left, (process, address) in zip((1, 0), merged, strict=True):
        process.write(address + 100, b"changed!")
        assert page_at(process, address) != page
        assert page.mapcount == left
    vm.lru_add_drain_all()
    assert page.refcount == 0
    assert texts(merged) == [b"changed!"] * 2


def test_more_can_be_merged_later(vm: VM) -> None:
    """A merged page as the first place takes others in; a place that has it already is no error."""
    merged = places(vm, 4)
    page = vm.ksm_merge(merged[:2])
    assert vm.ksm_merge([merged[1], *merged[2:], merged[0]]) == page
    assert page.mapcount == 4
    assert vm.ksm_merge(merged[:1]) == page


def test_a_family_shares_it(vm: VM) -> None:
    """Children inherit the mapping, and the reverse map finds them."""
    merged = places(vm, 2)
    page = vm.ksm_merge(merged)
    child = merged[0][0].fork()
    grandchild = child.fork()
    assert page.mapcount == 4
    assert moved(vm, page, node=1).succeeded == 1
    family = [*merged, (child, merged[0][1]), (grandchild, merged[0][1])]
    assert len({page_at(*place) for place in family}) == 1
    assert page_at(*family[3]).mapcount == 4
    assert texts(family) == [b"the same"] * 4


@pytest.mark.parametrize("mode", MigrateMode, ids=str)
def test_it_migrates(vm: VM, mode: MigrateMode) -> None:
    """All entries follow, read-only; the node goes with the new page, the old one is freed (C12)."""
    merged = places(vm)
    old = vm.ksm_merge(merged)
    assert moved(vm, old, node=1, mode=mode).ret == 0
    vm.lru_add_drain_all()
    new = page_at(*merged[0])
    assert (new.nid, new.mapcount, new.refcount, new.ksm) == (1, 3, 3, True)
    assert old.refcount == 0
    assert texts(merged) == [b"the same"] * 3
    merged[1][0].write(merged[1][1] + 100, b"changed!")
    assert texts(merged) == [b"the same", b"changed!", b"the same"]
    assert moved(vm, new, node=0, mode=mode).ret == 0


def test_a_pinned_one_stays(vm: VM) -> None:
    """An extra reference: ten attempts, all entries restored (fact 6)."""
    merged = places(vm)
    page = vm.ksm_merge(merged)
    page.get()
    result = moved(vm, page, node=1)
    assert (result.ret, page.mapcount) == (1, 3)
    assert {page_at(*place) for place in merged} == {page}
    page.put()


def test_compaction_and_reclaim(vm: VM) -> None:
    """Compaction may move it; reclaim leaves it, as a simplification."""
    merged = places(vm)
    page = vm.ksm_merge(merged)
    for _ in range(6):
        vm.reclaim(8, node=0)
    assert page_at(*merged[0]) == page
    vm.compact_node(0)
    assert len({page_at(*place) for place in merged}) == 1
    assert texts(merged) == [b"the same"] * 3
    with pytest.raises(SystemCallError):
        merged[0][0].swap_out(merged[0][1])


def test_cut_areas_still_find_it(vm: VM) -> None:
    """Areas around a place are split, protected and joined: it moves all the same."""
    process, other = vm.process(), vm.process()
    address, second = process.mmap(3 * PAGE_SIZE), other.mmap(3 * PAGE_SIZE)
    process.touch(address, 3 * PAGE_SIZE)
    other.touch(second, 3 * PAGE_SIZE)
    page = vm.ksm_merge([(process, address + PAGE_SIZE), (other, second + 2 * PAGE_SIZE)])
    process.mprotect(address + PAGE_SIZE, PAGE_SIZE, Prot.READ)
    other.munmap(second, PAGE_SIZE)
    assert moved(vm, page, node=1).ret == 0
    assert page_at(process, address + PAGE_SIZE).nid == 1
    assert page_at(process, address + PAGE_SIZE) == page_at(other, second + 2 * PAGE_SIZE)


def test_unmergeable_gives_everybody_a_copy(vm: VM) -> None:
    """MADV_UNMERGEABLE breaks the merged pages of the area, even where the process may not write now."""
    merged = places(vm)
    for process, address in merged:
        process.madvise(address, PAGE_SIZE, Madvise.MERGEABLE)
    page = vm.ksm_merge(merged)
    process, address = merged[0]
    process.mprotect(address, PAGE_SIZE, Prot.READ)
    process.madvise(address, PAGE_SIZE, Madvise.UNMERGEABLE)
    assert page_at(process, address) != page
    assert page.mapcount == 2
    for _ in range(6):
        vm.reclaim(8, node=0)
    assert texts(merged) == [b"the same"] * 3


def test_pages_of_a_huge_page_can_be_merged(vm: VM) -> None:
    """The huge page is split first."""
    process = vm.process()
    address = huge_page(process)
    process.write(address + PAGE_SIZE, process.read(address, PAGE_SIZE))
    page = vm.ksm_merge([(process, address), (process, address + PAGE_SIZE)])
    assert page.mapcount == 2
    assert process.memory.anon == 512
    assert process.read(address + HPAGE - PAGE_SIZE, 8) == b"page 511"


def test_swapped_and_read_in_pages_can_be_merged(vm: VM) -> None:
    """A page in the swap cache leaves it when it is merged."""
    merged = places(vm, 2)
    for process, address in merged:
        process.swap_out(address)
        process.read(address, 1)
    page = vm.ksm_merge(merged)
    assert not page.flags & PageFlag.SWAPCACHE
    assert vm.swap[1] == 0
    assert texts(merged) == [b"the same"] * 2


def test_what_cannot_be_merged(vm: VM) -> None:
    """EINVAL: other contents, no page, a file's page, shared memory; EBUSY: pinned or locked in memory."""
    (first,) = places(vm, 1)
    process = vm.process()
    other, shared, empty = (
        process.mmap(PAGE_SIZE),
        process.mmap(PAGE_SIZE, shared=True),
        process.mmap(PAGE_SIZE),
    )
    process.write(other, b"different")
    process.write(shared + 100, b"the same")
    file = process.mmap(PAGE_SIZE, file=vm.file("data", PAGE_SIZE))
    process.read(file, 1)
    for address in (other, shared, empty, file, 0x1000):
        assert errno_of(vm, [first, (process, address)]) == EINVAL
        assert errno_of(vm, [(process, empty), first]) == EINVAL
    (pinned, locked) = places(vm, 2)
    pin = pinned[0].pin(pinned[1])
    locked[0].mlock(locked[1], PAGE_SIZE)
    for place in (pinned, locked):
        assert errno_of(vm, [first, place]) == EBUSY
        assert errno_of(vm, [place, first]) == EBUSY
    pin.put()
    assert process.read(other, 9) == b"different"
    assert texts([first, pinned, locked]) == [b"the same"] * 3


def test_bad_places_are_named(vm: VM, process: Process) -> None:
    """No place, a process of another machine, a wild address: said before anything is done."""
    with pytest.raises(MovableError, match="at least one"):
        vm.ksm_merge([])
    with VM("tiny") as other, pytest.raises(MovableError, match="another VM"):
        vm.ksm_merge([(other.process(), 0)])
    with pytest.raises(MovableError, match="places"):
        vm.ksm_merge([(process, 1 << 60)])
    process.exit()
    with pytest.raises(MovableError, match="has ended"):
        vm.ksm_merge([(process, 0x10000)])


def test_a_machine_closes_with_merged_pages(vm: VM) -> None:
    """What knows the places of merged pages goes with the machine, as all else does."""
    page = vm.ksm_merge(places(vm, 2))
    assert page.ksm
    vm.close()
    assert vm.closed
