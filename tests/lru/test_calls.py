"""What is told of each migrate_pages(), and lists with nothing on them (spec/migration.md 10, 12 facts 1, 13, 28)."""

import pytest
from migration.kit import Targets
from process.kit import filled, isolated, page_at, stored_file

from movable import (
    PAGE_SIZE,
    VM,
    CompactSettings,
    MigrateCall,
    MigrateMode,
    MigrateReason,
    MovableError,
    Page,
    Process,
)


def test_an_empty_list(vm: VM, process: Process, targets: Targets) -> None:
    """Returns 0, moves no counter, and the trace has one line: nothing succeeded, nothing failed (1)."""
    filled(process)
    before = vm.vmstat()
    with vm.steps() as log:
        result = vm.migrate_pages(vm.page_list("empty"), targets.get, targets.put)
    assert (result.ret, targets.got) == (0, [])
    assert [str(call) for call in log.calls] == [
        "nr_succeeded=0 nr_failed=0 mode=MIGRATE_SYNC reason=syscall_or_cpuset"
    ]
    assert list(log) == []
    assert vm.vmstat() == before


def test_a_call_that_stops(vm: VM, process: Process) -> None:
    """Three pages, the second target missing: the trace shows 1 and 1 (13)."""
    listed = isolated(vm, process_pages(process, 3))
    given: list[Page] = []

    def get(page: Page) -> Page | None:
        given.append(page)
        return vm.alloc_page() if len(given) == 1 else None

    with vm.steps() as log:
        vm.migrate_pages(listed, get, reason=MigrateReason.SYSCALL)
    assert [str(call) for call in log.calls] == [
        "nr_succeeded=1 nr_failed=1 mode=MIGRATE_SYNC reason=syscall_or_cpuset"
    ]
    vm.putback_movable_pages(listed)


def process_pages(process: Process, pages: int) -> list[Page]:
    """Mapped pages of a new area."""
    address = filled(process, pages)
    return [page_at(process, address + number * PAGE_SIZE) for number in range(pages)]


@pytest.mark.parametrize("reason", MigrateReason, ids=str)
def test_the_words_of_a_reason(vm: VM, reason: MigrateReason) -> None:
    """Each reason has its word in the trace (3.1)."""
    words = {MigrateReason.SYSCALL: "syscall_or_cpuset"}
    with vm.steps() as log:
        vm.migrate_pages(vm.page_list("empty"), vm.target_node(0), mode=MigrateMode.ASYNC, reason=reason)
        (call,) = log.calls
    assert log.calls == (call,) == (MigrateCall(0, 0, MigrateMode.ASYNC, reason),)
    assert str(call).endswith(f"mode=MIGRATE_ASYNC reason={words.get(reason, reason.name.lower())}")


def test_who_calls_in_which_mode(vm: VM, process: Process) -> None:
    """Contiguous ranges and memory offline migrate in SYNC, compaction in its run's mode, each for its reason (3.6)."""
    address = filled(process)
    zone = vm.zones[0]
    with vm.steps() as log:
        for start in (page_at(process, address).pfn, zone.start_pfn):
            assert vm.alloc_contig_range(start, start + 1).ret == 0
            vm.free_contig_range(start, 1)
        vm.offline_pages(page_at(process, address).pfn // 512 * 512, 512)
        vm.lru_add_drain_all()
        filled(process, 40)
        settings = CompactSettings(mode=MigrateMode.SYNC_LIGHT, whole_zone=True, ignore_skip_hint=True)
        vm.compact_zone(zone, settings)
    seen = {(call.reason, call.mode) for call in log.calls if call.succeeded}
    assert seen >= {
        (MigrateReason.CMA, MigrateMode.SYNC),
        (MigrateReason.MEMORY_HOTPLUG, MigrateMode.SYNC),
    }
    assert {call.mode for call in log.calls if call.reason is MigrateReason.COMPACTION} == {
        MigrateMode.SYNC_LIGHT
    }


def test_the_oldest_calls_are_lost(vm: VM) -> None:
    """The log keeps the last ones, as many as there is room for."""
    with vm.steps(3) as log:
        for reason in MigrateReason:
            vm.migrate_pages(vm.page_list(reason.name), vm.target_node(0), reason=reason)
    assert [call.reason for call in log.calls] == list(MigrateReason)[-3:]
    with pytest.raises(MovableError, match="room"):
        vm.steps(0)


def test_putting_back_an_empty_list(vm: VM, process: Process) -> None:
    """It changes nothing: no counter, no list, no page (28)."""
    file = stored_file(vm)
    pages = [*process_pages(process, 2), *file.pages().values()]
    state = [(page.pfn, page.refcount, page.flags) for page in pages]
    before = vm.vmstat()
    vm.putback_movable_pages(vm.page_list("empty"))
    assert vm.vmstat() == before
    assert [(page.pfn, page.refcount, page.flags) for page in pages] == state
    listed = isolated(vm, process_pages(process, 1))
    vm.putback_movable_pages(listed)
    before = vm.vmstat()
    vm.putback_movable_pages(listed)
    assert vm.vmstat() == before
