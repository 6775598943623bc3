"""What the balloon does to memory: the process's, the machine's under pressure, and its shape."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from movable import GFP, VM, MachineConfig, NodeConfig, Page, ZoneConfig
from movable_balloon import Feature, Host, HostError, Message, VirtioBalloon

STATM = Path("/proc/self/statm")
MIB = 256
"""Pages of 4 KiB."""


def resident() -> int:
    """Resident bytes of this process."""
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def take_all(vm: VM, gfp: GFP = GFP.HIGHUSER_MOVABLE | GFP.NORETRY) -> list[Page]:
    """Allocate until there is nothing more to be had."""
    pages = []
    while (page := vm.alloc_page(gfp)) is not None:
        pages.append(page)
    return pages


@pytest.fixture
def touched() -> Iterator[VM]:
    """A machine of 96 MiB of whose memory nearly every byte was written; freed frames stay as they are."""
    config = MachineConfig("touched", (NodeConfig((ZoneConfig("Normal", 4096, 96 * MIB),), (0,)),))
    with VM(config, poison=False) as vm:
        pages = take_all(vm)
        for page in pages:
            page.data[:] = b"\xa5" * 4096
        for page in pages:
            page.put()
        yield vm


@pytest.mark.skipif(not STATM.exists(), reason="resident size is read from /proc")
def test_resident_size_falls(touched: VM) -> None:
    """Ballooned frames go back to the operating system: at least 80 % of them leave the resident size."""
    balloon = VirtioBalloon(touched)
    before = resident()
    assert balloon.set_target(64 * MIB)
    assert before - resident() >= 0.8 * 64 * MIB * 4096


@pytest.mark.skipif(not STATM.exists(), reason="resident size is read from /proc")
def test_resident_size_stays_when_balloon_pages_migrate(touched: VM) -> None:
    """A migrated balloon page costs no memory: the new frame goes back too and the old one is not touched."""
    balloon = VirtioBalloon(touched)
    assert balloon.set_target(32 * MIB)
    before = resident()
    listed = touched.page_list()
    for page in balloon.mapping.pages()[::2]:
        assert listed.isolate(page)
    result = touched.migrate_pages(listed, lambda _: touched.alloc_page(GFP.HIGHUSER_MOVABLE))
    assert result.succeeded == 16 * MIB
    assert resident() - before <= 0.2 * 16 * MIB * 4096


def test_deflated_memory_can_be_used_again(vm: VM, balloon: VirtioBalloon) -> None:
    """Pages that came back from the host are allocated, hold what is written, and are freed like any others."""
    free = vm.zones[0].free_pages
    balloon.set_target(2000)
    ballooned = {page.pfn for page in balloon.mapping.pages()}
    balloon.set_target(0)
    taken = take_all(vm)
    assert len(ballooned & {page.pfn for page in taken}) > 1800
    for page in taken:
        page.data[:] = page.pfn.to_bytes(4, "little") * 1024
    assert all(bytes(page.data[-4:]) == page.pfn.to_bytes(4, "little") for page in taken)
    for page in taken:
        page.put()
    assert vm.zones[0].free_pages == free
    vm.recount()


def scatter(vm: VM, balloon: VirtioBalloon, pages: int) -> None:
    """Inflate a balloon whose pages are scattered over the machine, one free page between any two."""
    taken = take_all(vm)
    for page in taken[::2]:
        page.put()
    assert balloon.set_target(pages)
    for page in taken[1::2]:
        page.put()


def test_compaction_moves_balloon_pages(vm: VM, balloon: VirtioBalloon) -> None:
    """Compaction gathers balloon pages; host and guest agree on them afterwards, and the size is the same."""
    vm.debug = 1
    scatter(vm, balloon, 1024)
    before, blocks = vm.vmstat(), vm.zones[0].nr_free
    (run,) = vm.compact_node(0)
    after = vm.vmstat()
    migrated = after["balloon_migrate"] - before["balloon_migrate"]
    assert migrated == run.migrated > 256
    assert balloon.num_pages == balloon.host.config.actual == 1024
    assert balloon.host.ballooned == {page.pfn for page in balloon.mapping.pages()}
    assert [after[name] for name in ("balloon_inflate", "balloon_deflate")] == [1024, 0]
    assert sum(vm.zones[0].nr_free[9:]) > sum(blocks[9:])
    balloon.check()
    vm.recount()


def test_a_large_allocation_succeeds_through_the_balloon(vm: VM, balloon: VirtioBalloon) -> None:
    """An order-9 allocation moves scattered balloon pages out of its way, by direct compaction."""
    vm.debug = 1
    scatter(vm, balloon, 1900)
    assert not any(vm.zones[0].nr_free[9:])
    head = vm.alloc_pages(9, GFP.HIGHUSER_MOVABLE)
    assert head is not None
    assert vm.vmstat()["balloon_migrate"] > 0
    balloon.check()


def exhaust(vm: VM, features: Feature) -> VirtioBalloon:
    """A balloon of most of the machine, and nothing else left for anybody."""
    balloon = VirtioBalloon(vm, Host(vm, features))
    balloon.set_target(3000)
    take_all(vm, GFP.KERNEL | GFP.NORETRY)
    assert vm.alloc_page(GFP.KERNEL | GFP.NORETRY) is None
    return balloon


def test_deflate_on_oom(vm: VM) -> None:
    """When memory runs out the balloon shrinks by 256 pages, and the allocation succeeds (4.9)."""
    vm.debug = 1
    balloon = exhaust(vm, Feature.DEFLATE_ON_OOM)
    assert vm.alloc_page(GFP.KERNEL) is not None
    assert balloon.num_pages == balloon.host.config.actual == 3000 - 256
    assert len(balloon.host.log[-1].pfns) == 256
    balloon.check()


def test_deflate_on_oom_keeps_the_wish(vm: VM) -> None:
    """Deflating on OOM leaves the host's wish alone, so the next configuration event inflates again (4.9)."""
    vm.debug = 1
    balloon = exhaust(vm, Feature.DEFLATE_ON_OOM)
    page = vm.alloc_page(GFP.KERNEL)
    assert page is not None
    assert balloon.host.config.num_pages == 3000
    assert not balloon.size_work_queued
    balloon.set_target(2900)
    assert balloon.num_pages == 2900


def test_no_deflation_without_the_feature(vm: VM) -> None:
    """Without DEFLATE_ON_OOM the balloon stays as it is and the allocation fails (spec/drivers.md 4.9)."""
    vm.debug = 1
    balloon = exhaust(vm, Feature(0))
    assert vm.alloc_page(GFP.KERNEL) is None
    assert balloon.num_pages == 3000


def test_deflate_on_oom_until_nothing_is_left(vm: VM) -> None:
    """Allocations go on succeeding until the balloon is empty, and then fail (spec/drivers.md 4.9)."""
    vm.debug = 1
    balloon = exhaust(vm, Feature.DEFLATE_ON_OOM)
    assert len(take_all(vm, GFP.KERNEL)) >= 3000
    assert balloon.num_pages == 0
    balloon.check()


def test_a_removed_balloon_is_not_asked(vm: VM) -> None:
    """After removal an allocation that runs out of memory asks the balloon no more (bugs B54)."""
    vm.debug = 1
    balloon = VirtioBalloon(vm, Host(vm, Feature.DEFLATE_ON_OOM))
    balloon.close()
    take_all(vm, GFP.KERNEL)
    assert not balloon.host.log


def test_a_host_that_refuses_deflation_on_oom(vm: VM) -> None:
    """A refusal while memory is short is raised by the allocation that asked, and nothing is lost."""
    vm.debug = 1
    balloon = exhaust(vm, Feature.DEFLATE_ON_OOM)

    def refuse(_message: Message) -> None:
        raise HostError("no")

    balloon.host.hold = refuse
    with pytest.raises(HostError):
        vm.alloc_page(GFP.KERNEL)
    assert balloon.num_pages == 3000
    balloon.host.hold = None
    assert vm.alloc_page(GFP.KERNEL) is not None
    balloon.check()
