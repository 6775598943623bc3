"""What becomes of pages whose driver forgot a step, unchecked (facts 38, 39; spec/migration.md 6.8)."""

from collections.abc import Iterator

import pytest
from migration.kit import Recorder, Targets, isolate

from movable import GFP, VM, Page, PageFlag


@pytest.fixture
def vm() -> Iterator[VM]:
    """A machine without checks: it does what a production kernel does."""
    with VM("tiny", debug=0) as machine:
        yield machine


def move(vm: VM, driver: Recorder, *steps: str) -> tuple[Page, Page]:
    """Migrate a page with only these steps of success; the old and the new page."""
    targets = Targets(vm)
    old = driver.add("contents")

    def answer(newpage: Page, oldpage: Page) -> int:
        newpage.copy_from(oldpage)
        if "get" in steps:
            newpage.get()
        if "mark" in steps:
            newpage.set_movable(driver.mapping)
        if "clear" in steps:
            oldpage.clear_movable()
        if "put" in steps:
            oldpage.put()
        if "link" in steps:
            driver.idle.add(newpage)
        return 0

    driver.answers = [answer]
    assert vm.migrate_pages(isolate(vm, [old]), targets.get).ret == 0
    vm.recount()
    return old, targets.got[0]


def test_without_a_reference_the_new_page_is_freed(vm: VM, driver: Recorder) -> None:
    """A driver that takes no reference on the new page loses it to the VM's put_page (fact 38)."""
    old, new = move(vm, driver, "mark", "clear", "put")
    assert (old.refcount, new.refcount, new.mapping) == (0, 0, None)
    assert vm.alloc_page(GFP.HIGHUSER_MOVABLE) is not None


@pytest.mark.parametrize("link", [True, False])
def test_without_the_mark_the_new_page_goes_to_the_lru(vm: VM, driver: Recorder, link: bool) -> None:
    """An unmarked new page ends on the inactive-file list after the drain, whoever linked it (fact 39)."""
    old, new = move(vm, driver, "get", "clear", "put", *["link"] * link)
    assert (old.refcount, new.refcount, new.flags) == (0, 2, PageFlag(0))
    vm.lru_add_drain_all()
    assert (new.refcount, new.flags, vm.vmstat()["nr_inactive_file"]) == (1, PageFlag.LRU, 1)
    vm.recount()
    new.put()
    assert (new.refcount, vm.vmstat()["nr_inactive_file"]) == (0, 0)
    assert list(driver.idle) == []
    vm.recount()


@pytest.mark.parametrize("flags", ["active", "swapbacked", "unevictable", "mlocked"])
def test_the_flags_choose_the_list(vm: VM, driver: Recorder, flags: str) -> None:
    """The LRU list of such a page is what its flags say when the vector is drained (7.3, 7.4)."""
    _, new = move(vm, driver, "get", "clear", "put")
    lists = {
        "active": "nr_active_file",
        "swapbacked": "nr_inactive_anon",
        "unevictable": "nr_unevictable",
        "mlocked": "nr_inactive_file",
    }
    new.set_flag(PageFlag[flags.upper()])
    vm.lru_add_drain_all()
    assert vm.vmstat()[lists[flags]] == 1
    vm.recount()


def test_without_the_clear_nothing_is_noticed(vm: VM, driver: Recorder) -> None:
    """A forgotten __ClearPageMovable does no harm if the old page really is freed (6.8 (13))."""
    old, new = move(vm, driver, "get", "mark", "put", "link")
    assert (old.refcount, old.mapping, new.refcount) == (0, None, 1)


def test_without_the_put_the_old_page_leaks(vm: VM, driver: Recorder) -> None:
    """A driver that keeps its reference keeps the old page from being freed, for ever (6.8 (11))."""
    old, _ = move(vm, driver, "get", "mark", "clear", "link")
    assert (old.refcount, old.isolated, old.has_movable_tag, old.mapping) == (1, False, True, None)
