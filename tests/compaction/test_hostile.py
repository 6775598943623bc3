"""Drivers that do in their callbacks what they should not, or hardly ever do: the machine stays whole."""

from collections.abc import Callable
from itertools import count

import pytest
from allocator.machines import START
from compaction.terrain import Terrain, odd, terrain

from movable import (
    GFP,
    CompactPriority,
    CompactResult,
    ContractViolation,
    DeadVM,
    KernelAssertion,
    MigrateType,
    Page,
)

CALLBACKS = ("isolate_page", "migratepage", "putback_page")
RUNS: dict[str, Callable[[Terrain], object]] = {
    "compact_memory": lambda made: made.vm.compact_memory(),
    "direct async": lambda made: made.vm.try_to_compact_pages(8, priority=CompactPriority.ASYNC),
    "direct sync light": lambda made: made.vm.try_to_compact_pages(8),
    "direct sync full": lambda made: made.vm.try_to_compact_pages(8, priority=CompactPriority.SYNC_FULL),
    "allocation": lambda made: made.vm.alloc_pages(8),
}


def hopeless(offset: int) -> str:
    """Memory of which no order-8 block can be made: every run calls every callback."""
    return "U" if offset % 256 == 130 else odd(offset)


@pytest.fixture(params=RUNS)
def run(request: pytest.FixtureRequest) -> Callable[[Terrain], object]:
    """Each way to compact."""
    chosen: Callable[[Terrain], object] = RUNS[request.param]
    return chosen


def every(number: int, action: Callable[[Page], object]) -> Callable[[Page], None]:
    """An action for one page in so many."""
    calls = count(1)

    def act(page: Page) -> None:
        if next(calls) % number == 0:
            action(page)

    return act


def raising(error: BaseException) -> Callable[[Page], None]:
    """An action that raises."""

    def act(page: Page) -> None:
        raise error

    return act


@pytest.mark.parametrize("callback", CALLBACKS)
@pytest.mark.parametrize("rate", [1, 7])
def test_a_callback_that_raises(run: Callable[[Terrain], object], callback: str, rate: int) -> None:
    """An exception in a callback is `hook-raised`, and the run goes on with the other pages."""
    made = terrain(4, hopeless)
    made.busy = set(list(made.pages)[::5])
    error = ZeroDivisionError()
    made.actions[callback] = every(rate, raising(error))
    with pytest.raises(ContractViolation) as caught:
        run(made)
    assert (caught.value.rule.id, caught.value.where, caught.value.__cause__) == (
        "hook-raised",
        callback,
        error,
    )
    made.actions.clear()
    made.verify()


@pytest.mark.parametrize("callback", CALLBACKS)
@pytest.mark.parametrize(("error", "rate"), [(KeyboardInterrupt, 1), (KeyboardInterrupt, 9), (SystemExit, 2)])
def test_an_interrupt_comes_out_as_itself(
    run: Callable[[Terrain], object], callback: str, error: type[BaseException], rate: int
) -> None:
    """What is no Exception ends the run, comes out unchanged, and leaves nothing isolated or lost."""
    made = terrain(4, hopeless)
    made.busy = set(list(made.pages)[::5])
    interrupt = error()
    made.actions[callback] = every(rate, raising(interrupt))
    with pytest.raises(error) as caught:
        run(made)
    assert caught.value is interrupt
    made.actions.clear()
    assert made.vm.task_flags == 0
    made.verify()
    assert made.vm.compact_memory()[0].result is CompactResult.COMPLETE


def test_an_interrupted_run_stops_soon() -> None:
    """After an interrupt in isolate_page no further page is isolated or moved."""
    made = terrain(8, odd)
    made.actions["isolate_page"] = every(40, raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        made.vm.compact_memory()
    assert (len(made.isolated), len(made.moves), len(made.put_back)) == (39, 32, 7)


def test_an_interrupted_allocation_gets_nothing() -> None:
    """An allocation that ends in an exception leaves no page behind that nobody knows of."""
    made = terrain(8, odd)
    used = made.zone.managed - made.zone.free_pages
    made.actions["migratepage"] = every(20, raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        made.vm.alloc_pages(3)
    assert made.zone.managed - made.zone.free_pages == used


def test_a_violation_during_an_allocation_gets_nothing() -> None:
    """So does one whose compaction met a broken contract, though a block was there in the end."""
    made = terrain(8, odd)
    used = made.zone.managed - made.zone.free_pages
    made.actions["isolate_page"] = every(3, raising(ZeroDivisionError()))
    with pytest.raises(ContractViolation):
        made.vm.alloc_pages(2)
    assert made.zone.managed - made.zone.free_pages == used


def others(made: Terrain, page: Page) -> list[Page]:
    """Some of the driver's pages that nobody has locked."""
    return [other for other in list(made.pages.values())[::97] if other is not page and not other.locked]


@pytest.mark.parametrize("callback", CALLBACKS)
def test_a_callback_that_frees_other_pages(run: Callable[[Terrain], object], callback: str) -> None:
    """Pages freed in a callback, isolated ones of the same batch included, are gone, and no other is."""
    made = terrain(4, hopeless)
    made.busy = set(list(made.pages)[::5])

    def free(page: Page) -> None:
        for other in others(made, page)[:3]:
            made.release(other)

    made.actions[callback] = every(5, free)
    pages = len(made.pages)
    run(made)
    assert len(made.pages) < pages
    made.verify()


def test_a_page_freed_while_it_waits_counts_as_moved() -> None:
    """A page that its owner freed after isolation is a success without a copy (spec/compaction.md 6.2, 8.4)."""
    made = terrain(4, lambda offset: odd(offset) if offset < 16 or offset >= 1536 else "U")
    victim = made.vm.page(START + 3)

    def free(page: Page) -> None:
        made.actions.clear()
        made.release(victim)

    made.actions["migratepage"] = free
    (run,) = made.vm.compact_memory()
    assert (run.migrated, run.failed) == (8, 0)
    assert victim.pfn not in [old for old, _ in made.moves]
    assert victim.refcount == 0
    made.verify()


@pytest.mark.parametrize("order", [0, 3, 8])
@pytest.mark.parametrize("callback", CALLBACKS)
def test_a_callback_that_allocates(run: Callable[[Terrain], object], callback: str, order: int) -> None:
    """A callback may allocate, even where that compacts in turn; what it gets is its own."""
    made = terrain(4, hopeless)
    made.busy = set(list(made.pages)[::5])
    got: list[Page] = []
    busy = False

    def allocate(page: Page) -> None:
        nonlocal busy
        if not busy:
            busy = True
            fresh = made.vm.alloc_pages(order, GFP.HIGHUSER_MOVABLE)
            if fresh is not None:
                got.append(fresh)
            busy = False

    made.actions[callback] = every(11, allocate)
    run(made)
    assert len({page.pfn for page in got}) == len(got)
    assert all(page.refcount == 1 for page in got)
    made.verify()
    for page in got:
        made.vm.free_pages(page, order)
    made.verify()


@pytest.mark.parametrize("callback", CALLBACKS)
def test_a_callback_that_compacts(run: Callable[[Terrain], object], callback: str) -> None:
    """A callback may compact the machine that is being compacted: pages on the way are left alone."""
    made = terrain(4, hopeless)
    made.busy = set(list(made.pages)[::5])
    inner: list[CompactResult] = []
    deep = False

    def compact(page: Page) -> None:
        nonlocal deep
        if not deep:
            deep = True
            inner.extend(each.result for each in made.vm.compact_memory())
            inner.append(made.vm.try_to_compact_pages(5))
            deep = False

    made.actions[callback] = every(3, compact)
    run(made)
    assert inner
    made.verify()


def test_a_run_inside_a_batch_is_contended() -> None:
    """While a batch is on its way too many pages are isolated for another run (spec/compaction.md 4.2 a)."""
    made = terrain(4, odd)
    inner: list[CompactResult] = []
    made.actions["migratepage"] = lambda page: inner.append(made.vm.compact_memory()[0].result)
    made.vm.compact_memory()
    assert set(inner) == {CompactResult.CONTENDED}
    made.verify()


def test_a_nested_direct_run_keeps_the_outer_ones_mark() -> None:
    """A run inside a direct run leaves PF_MEMALLOC set for the rest of the outer one (2.13)."""
    made = terrain(8, odd)

    def compact(page: Page) -> None:
        made.actions.clear()
        made.vm.try_to_compact_pages(5)

    made.actions["isolate_page"] = compact
    made.vm.alloc_pages(9)
    assert {flags & 0x800 for flags in made.task_flags} == {0x800}
    assert made.vm.task_flags == 0


def test_endless_recursion_stops_the_machine() -> None:
    """Callbacks that call back without end are `nesting-too-deep`; the machine is dead, the process is not."""
    made = terrain(8, odd)
    made.vm.debug = 1
    made.actions["isolate_page"] = lambda page: made.vm.compact_memory()
    with pytest.raises(KernelAssertion) as caught:
        made.vm.compact_memory()
    assert caught.value.rule.id == "nesting-too-deep"
    with pytest.raises(DeadVM):
        made.vm.compact_memory()


@pytest.mark.parametrize("callback", CALLBACKS)
def test_a_callback_that_changes_block_types(run: Callable[[Terrain], object], callback: str) -> None:
    """Pageblocks may change their types under a run."""
    made = terrain(4, hopeless)
    made.busy = set(list(made.pages)[::5])
    turns = count()

    def change(page: Page) -> None:
        turn = next(turns)
        kinds = list(MigrateType)
        made.vm.set_pageblock_migratetype(START + turn * 5 % 4 * 512, kinds[turn % len(kinds)])

    made.actions[callback] = every(3, change)
    run(made)
    made.verify()


def test_a_callback_that_closes_the_machine() -> None:
    """A VM cannot be closed under a running call: the callback gets an error, and the run goes on."""
    made = terrain(4, odd)
    made.actions["isolate_page"] = every(100, lambda page: made.vm.close())
    with pytest.raises(ContractViolation, match="hook-raised") as caught:
        made.vm.compact_memory()
    assert "closed from inside" in str(caught.value.__cause__)
    made.verify()
