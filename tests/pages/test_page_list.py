"""Lists through page->lru (spec/migration.md 1.1, 6.8 (6))."""

import gc

import pytest
from migration.kit import Recorder, Targets, isolate

from movable import VM, ContractViolation, KernelAssertion, MovableError, Page, PageList


@pytest.fixture
def pages(vm: VM) -> list[Page]:
    """Four fresh pages."""
    fresh = [vm.alloc_page() for _ in range(4)]
    return [page for page in fresh if page is not None]


@pytest.fixture
def listed(vm: VM, pages: list[Page]) -> PageList:
    """A list of the four pages, in their order."""
    listed = vm.page_list("four")
    for page in pages:
        listed.add_tail(page)
    return listed


def test_a_new_list_is_empty(vm: VM) -> None:
    """A new list has no pages and carries its name."""
    listed = vm.page_list("mine")
    assert (len(listed), list(listed), listed.pop(), listed.name) == (0, [], None, "mine")
    assert repr(listed) == "<PageList 'mine', 0 pages>"


def test_add_links_at_the_head(vm: VM, pages: list[Page]) -> None:
    """list_add makes the page the first."""
    listed = vm.page_list()
    for page in pages:
        listed.add(page)
    assert list(listed) == pages[::-1]


def test_add_tail_links_at_the_tail(listed: PageList, pages: list[Page]) -> None:
    """list_add_tail makes the page the last."""
    assert list(listed) == pages
    assert len(listed) == 4


def test_pop_takes_the_head(listed: PageList, pages: list[Page]) -> None:
    """pop unlinks and returns the first page; None when there is none left."""
    assert [listed.pop() for _ in range(5)] == [*pages, None]
    assert not any(page.on_list for page in pages)


@pytest.mark.parametrize("place", range(4))
def test_any_page_can_be_removed(listed: PageList, pages: list[Page], place: int) -> None:
    """A page is removed from wherever it is, and the others keep their order."""
    gone = pages.pop(place)
    listed.remove(gone)
    assert list(listed) == pages
    assert not gone.on_list


def test_membership_is_the_pages_own(vm: VM, listed: PageList, pages: list[Page]) -> None:
    """A page is in the list that its lru field is linked into, and in no other."""
    other = vm.page_list("other")
    assert all(page in listed and page.on_list for page in pages)
    assert pages[0] not in other
    assert "no page" not in listed


def test_the_page_just_yielded_may_be_removed(listed: PageList, pages: list[Page]) -> None:
    """Walking a list is safe against removal of the page at hand (list_for_each_entry_safe)."""
    seen = []
    for page in listed:
        seen.append(page)
        listed.remove(page)
    assert seen == pages
    assert len(listed) == 0


def test_other_changes_end_the_walk(listed: PageList, pages: list[Page]) -> None:
    """A walk whose next page is taken away ends with an error instead of wandering off."""
    walk = iter(listed)
    assert next(walk) is pages[0]
    listed.remove(pages[1])
    with pytest.raises(RuntimeError, match="changed while it was walked"):
        next(walk)


def test_a_page_is_on_one_list_at_a_time(vm: VM, listed: PageList, pages: list[Page]) -> None:
    """Linking a linked page is a corruption, named with the list it is on (1.1)."""
    with pytest.raises(KernelAssertion, match="a page in use and on no list") as caught:
        vm.page_list("second").add(pages[0])
    assert (caught.value.rule.id, caught.value.pfn) == ("list-corrupt", pages[0].pfn)
    assert list(listed) == pages


def test_a_page_is_not_linked_twice(listed: PageList, pages: list[Page]) -> None:
    """Linking a page into the list that it is on already is a corruption too."""
    with pytest.raises(KernelAssertion) as caught:
        listed.add_tail(pages[0])
    assert caught.value.rule.id == "list-corrupt"
    assert list(listed) == pages


@pytest.mark.parametrize(("place", "seen"), [("another", "on list"), ("none", "on no list")])
def test_a_page_is_removed_from_its_own_list(vm: VM, pages: list[Page], place: str, seen: str) -> None:
    """Removing a page from a list that it is not on is a corruption (1.1)."""
    listed, another = vm.page_list(), vm.page_list()
    if place == "another":
        another.add(pages[0])
    with pytest.raises(KernelAssertion, match=seen) as caught:
        listed.remove(pages[0])
    assert (caught.value.rule.id, caught.value.pfn) == ("list-corrupt", pages[0].pfn)


def test_free_pages_are_on_no_driver_list(vm: VM, pages: list[Page]) -> None:
    """A free page's link belongs to the allocator."""
    pages[0].put()
    with pytest.raises(KernelAssertion) as caught:
        vm.page_list().add(pages[0])
    assert caught.value.rule.id == "list-corrupt"


@pytest.mark.parametrize("operation", ["add", "add_tail", "remove"])
def test_the_link_of_an_isolated_page_is_the_vms(vm: VM, driver: Recorder, operation: str) -> None:
    """Touching page->lru while PG_isolated is set breaks the contract; nothing is linked (6.8 (6))."""
    page = driver.add()
    isolated = isolate(vm, [page])
    with pytest.raises(ContractViolation) as caught:
        getattr(driver.idle, operation)(page)
    assert (caught.value.rule.id, caught.value.pfn) == ("lru-while-isolated", page.pfn)
    assert list(isolated) == [page]
    vm.putback_movable_pages(isolated)
    assert list(driver.idle) == [page]


def test_the_link_of_a_page_without_list_is_the_vms_too(vm: VM, driver: Recorder) -> None:
    """A page isolated by itself, on no list yet, may not be linked by its driver either (6.8 (6))."""
    page = driver.add()
    assert vm.isolate_movable_page(page)
    with pytest.raises(ContractViolation) as caught:
        driver.idle.add(page)
    assert caught.value.rule.id == "lru-while-isolated"
    assert not page.on_list


def test_a_migration_list_only_takes_isolated_pages(vm: VM, driver: Recorder, pages: list[Page]) -> None:
    """A list of isolated pages refuses others, and refuses to lose one: each is counted."""
    isolated = isolate(vm, [driver.add()])
    for operation in (isolated.add, isolated.add_tail):
        with pytest.raises(MovableError, match=r"add to it with isolate\(\)"):
            operation(pages[0])
    with pytest.raises(MovableError, match=r"putback_movable_pages\(\)"):
        isolated.pop()
    assert len(isolated) == 1
    vm.recount()


def test_a_list_in_use_takes_no_isolated_pages(vm: VM, driver: Recorder, listed: PageList) -> None:
    """A driver's list that holds pages is no migration list, and is not taken for one."""
    page = driver.add()
    with pytest.raises(MovableError, match="in use for pages that are not isolated"):
        listed.isolate(page)
    with pytest.raises(MovableError, match="fill a list with isolate"):
        vm.migrate_pages(listed, Targets(vm).get)
    with pytest.raises(MovableError, match="not isolated"):
        vm.putback_movable_pages(listed)
    assert not page.isolated


def test_an_empty_list_can_change_its_use(vm: VM, driver: Recorder, pages: list[Page]) -> None:
    """A migration list that was emptied is an ordinary list again, and back."""
    listed = isolate(vm, [driver.add()])
    vm.putback_movable_pages(listed)
    listed.add(pages[0])
    assert listed.pop() is pages[0]
    assert listed.isolate(driver.cells[1])
    vm.putback_movable_pages(listed)
    assert len(listed) == 0


def test_a_dropped_list_lets_its_pages_go(vm: VM, pages: list[Page]) -> None:
    """When a list is gone its pages are on no list, and others may link them."""
    listed = vm.page_list("short-lived")
    for page in pages:
        listed.add(page)
    del listed
    gc.collect()
    assert not any(page.on_list for page in pages)
    vm.page_list().add(pages[0])
    vm.recount()


def test_there_can_be_many_lists(vm: VM, pages: list[Page]) -> None:
    """Lists are as cheap as a driver needs them, and numbers of dropped ones are used again."""
    lists = [vm.page_list(str(number)) for number in range(5000)]
    lists[4999].add(pages[0])
    assert pages[0] in lists[4999]
    del lists[:4999]
    lists.extend(vm.page_list() for _ in range(5000))
    lists[1].add(pages[1])
    assert (list(lists[0]), list(lists[1])) == ([pages[0]], [pages[1]])


def test_a_list_may_outlive_its_machine() -> None:
    """A list of a closed machine says so, and goes in peace."""
    vm = VM("tiny")
    listed = vm.page_list("late")
    vm.close()
    with pytest.raises(MovableError, match="this VM is closed"):
        len(listed)
    del listed
    gc.collect()
    assert vm.closed
