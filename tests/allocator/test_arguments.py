"""Arguments that no machine can make sense of are refused before they reach the core."""

from collections.abc import Callable
from typing import Any, cast

import pytest
from allocator.machines import START, boot, one_zone

from movable import VM, AllocFlags, CompactSettings, MovableError

NINE = cast(Any, 9)
TWO_MARKS = AllocFlags.WMARK_LOW | AllocFlags.WMARK_HIGH

CALLS: dict[str, tuple[Callable[[VM], object], str]] = {
    "type of a block": (
        lambda vm: vm.set_pageblock_migratetype(START, NINE),
        "migratetype: must be a MigrateType .UNMOVABLE, MOVABLE, .*, not 9",
    ),
    "free blocks": (lambda vm: vm.zones[0].free_counts(NINE), "migratetype: must be a MigrateType"),
    "class of a check": (
        lambda vm: vm.zones[0].compaction_suitable(3, classzone=NINE),
        "classzone: must be a ZoneType",
    ),
    "marks of a check": (
        lambda vm: vm.zones[0].compaction_suitable(3, TWO_MARKS),
        "alloc_flags: WMARK_LOW and WMARK_HIGH are two watermarks",
    ),
    "mode of a run": (
        lambda vm: vm.compact_zone(vm.zones[0], CompactSettings(mode=NINE)),
        "mode: must be a MigrateMode",
    ),
    "class of a run": (
        lambda vm: vm.compact_zone(vm.zones[0], CompactSettings(classzone=NINE)),
        "classzone: must be a ZoneType",
    ),
    "marks of a run": (
        lambda vm: vm.compact_zone(vm.zones[0], CompactSettings(alloc_flags=TWO_MARKS)),
        "alloc_flags: ",
    ),
    "priority": (
        lambda vm: vm.try_to_compact_pages(3, priority=NINE),
        "priority: must be a CompactPriority",
    ),
    "mode of a migration": (
        lambda vm: vm.migrate_pages(vm.page_list(), lambda page: None, mode=NINE),
        "mode: must be a MigrateMode",
    ),
    "reason of a migration": (
        lambda vm: vm.migrate_pages(vm.page_list(), lambda page: None, reason=NINE),
        "reason: must be a MigrateReason",
    ),
}


@pytest.mark.parametrize("call", CALLS)
def test_numbers_outside_an_enumeration(call: str) -> None:
    """A number that is no member is an error that names the argument and says what would do."""
    vm = boot(one_zone(1024))
    make, message = CALLS[call]
    with pytest.raises(MovableError, match=message):
        make(vm)
    vm.recount()
