"""Allocations that cannot be served: what is tried, and that nothing but None comes of it."""

from collections.abc import Callable

import pytest
from allocator.machines import START, boot, exhaust, must, one_node, one_zone, take_all

from movable import GFP, VM, MovableError, Watermarks, ZoneConfig


@pytest.mark.parametrize("gfp", [GFP.KERNEL, GFP.HIGHUSER_MOVABLE, GFP.ATOMIC, GFP.NOWAIT, GFP.TRANSHUGE])
def test_no_memory_is_none(gfp: GFP) -> None:
    """A request that nothing can serve returns None and changes nothing (spec/compaction.md 2.13)."""
    vm = boot(one_zone(1024))
    take_all(vm)
    before = vm.vmstat()
    assert vm.alloc_page(gfp) is None
    assert vm.alloc_pages(4, gfp) is None
    assert vm.vmstat() == before


@pytest.mark.parametrize("order", [11, 12, 63])
def test_orders_above_the_largest_fail(order: int) -> None:
    """No order from MAX_ORDER up can be served (spec/compaction.md 2.13 step 1)."""
    vm = boot(one_zone(4096))
    assert vm.alloc_pages(order) is None


@pytest.mark.parametrize("order", [-1, 64])
def test_orders_that_are_none_are_refused(order: int) -> None:
    """An order that no kernel could be asked for is an error that names it."""
    with pytest.raises(MovableError, match="order: "):
        boot(one_zone(1024)).alloc_pages(order)


@pytest.mark.parametrize("node", [-1, 1])
def test_nodes_that_do_not_exist_are_refused(node: int) -> None:
    """Asking for a node that the machine does not have is an error that says which there are."""
    with pytest.raises(MovableError, match="node: this machine has nodes 0 to 0"):
        boot(one_zone(1024)).alloc_page(node=node)


def test_the_slow_path_goes_below_the_low_mark() -> None:
    """Where the low mark forbids, the min mark may still allow (spec/compaction.md 2.13)."""
    vm = boot(one_zone(1024, Watermarks(10, 500, 600)), debug=1)
    exhaust(vm)
    assert vm.zones[0].free_pages == 10


class Balloon:
    """An out-of-memory notifier that owns all pages of a machine and gives some back when asked."""

    def __init__(self, vm: VM, gives: int, priority: int = 0) -> None:
        self.vm = vm
        self.pages = list(take_all(vm).values())
        self.gives = gives
        self.asked = 0
        vm.register_oom_notifier(self.notify, priority)

    def notify(self) -> int:
        """Free pages from the last one down; how many they are."""
        self.asked += 1
        for _ in range(self.gives):
            self.vm.free_pages(self.pages.pop())
        return self.gives


def test_a_notifier_is_asked_before_a_small_request_fails() -> None:
    """Out of memory, drivers are asked for pages, and the request tries again (2.13 step 13)."""
    vm = boot(one_zone(1024))
    balloon = Balloon(vm, gives=1)
    assert must(vm.alloc_page()).pfn == START + 1023
    assert balloon.asked == 1


def test_a_request_asks_as_long_as_it_helps() -> None:
    """Order 2 needs four free pages: a notifier that gives one at a time is asked four times (2.13)."""
    vm = boot(one_zone(1024))
    balloon = Balloon(vm, gives=1)
    must(vm.alloc_pages(2))
    assert balloon.asked == 4


@pytest.mark.parametrize(
    "gfp",
    [
        GFP.NOWAIT,
        GFP.ATOMIC,
        GFP.KERNEL | GFP.NORETRY,
        GFP.KERNEL | GFP.THISNODE,
        GFP.KERNEL | GFP.DMA32,
    ],
)
def test_requests_that_do_not_ask(gfp: GFP) -> None:
    """Without direct reclaim, with NORETRY, THISNODE or lowmem only, nobody is asked (2.13 steps 7, 10, 13)."""
    vm = boot(one_node(ZoneConfig("DMA32", 0x1000, 1024), ZoneConfig("Normal", 0x1400, 1024)))
    balloon = Balloon(vm, gives=1)
    assert vm.alloc_page(gfp) is None
    assert balloon.asked == 0


@pytest.mark.parametrize(("order", "asked"), [(3, 1), (4, 0)])
def test_costly_orders_do_not_ask(order: int, asked: int) -> None:
    """Orders above 3 give up before anybody is asked (spec/compaction.md 2.13 steps 10, 13)."""
    vm = boot(one_zone(1024))
    balloon = Balloon(vm, gives=0)
    assert vm.alloc_pages(order) is None
    assert balloon.asked == asked


def test_notifiers_are_asked_by_priority() -> None:
    """The highest priority is asked first; one that is unregistered is not asked."""
    vm = boot(one_zone(1024))
    take_all(vm)
    asked: list[str] = []

    def notifier(name: str) -> Callable[[], int]:
        def notify() -> int:
            asked.append(name)
            return 0

        return notify

    gone = notifier("gone")
    vm.register_oom_notifier(notifier("low"), priority=1)
    vm.register_oom_notifier(gone, priority=9)
    vm.register_oom_notifier(notifier("high"), priority=5)
    vm.unregister_oom_notifier(gone)
    assert vm.alloc_page() is None
    assert asked == ["high", "low"]


def test_what_a_notifier_raises_comes_out() -> None:
    """An exception of a notifier ends the allocation and is raised by it, with the machine whole."""
    vm = boot(one_zone(1024))
    take_all(vm)

    def broken() -> int:
        raise ZeroDivisionError

    vm.register_oom_notifier(broken)
    with pytest.raises(ZeroDivisionError):
        vm.alloc_page()
    vm.recount()
    vm.unregister_oom_notifier(broken)
    assert vm.alloc_page() is None
