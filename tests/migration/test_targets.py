"""Where targets come from and where unused ones go (spec/migration.md 3.1, 3.5, 3.6)."""

import errno
from collections.abc import Callable

import pytest
from migration.kit import Recorder, Targets, isolate

from movable import GFP, VM, MovableError, Page


def test_get_new_page_is_told_the_old_page(vm: VM, driver: Recorder, targets: Targets) -> None:
    """get_new_page is called once for each attempt, with the page that is to move (3.2)."""
    pages = driver.add_many(3)
    driver.answers = [0, -errno.EAGAIN]
    vm.migrate_pages(isolate(vm, pages), targets.get)
    assert targets.asked == [*pages, pages[1]]


def test_the_target_is_the_one_that_was_given(vm: VM, driver: Recorder, targets: Targets) -> None:
    """The driver moves the page to the frame that get_new_page chose."""
    vm.migrate_pages(isolate(vm, [driver.add()]), targets.get)
    assert driver.pages(1) == targets.got


def test_unused_targets_go_to_put_new_page(vm: VM, driver: Recorder, targets: Targets) -> None:
    """put_new_page gets each target that was not used, unlocked and with its one reference (3.1)."""
    states = []

    def put(target: Page) -> None:
        states.append((target.refcount, target.locked))
        targets.put(target)

    driver.answers = [-errno.EAGAIN, -errno.EBUSY]
    vm.migrate_pages(isolate(vm, [driver.add()]), targets.get, put)
    assert (states, targets.returned) == ([(1, False)] * 2, targets.got)


def test_without_put_new_page_unused_targets_are_freed(vm: VM, driver: Recorder, targets: Targets) -> None:
    """Without put_new_page the VM drops the target's reference (3.1)."""
    driver.answers = [-errno.EBUSY]
    vm.migrate_pages(isolate(vm, [driver.add()]), targets.get)
    assert [target.refcount for target in targets.got] == [0]


@pytest.mark.parametrize("nid", range(4))
def test_node_targets_are_of_that_node(nid: int) -> None:
    """target_node(n) takes targets from exactly node n, and the status says so (3.5, 3.6)."""
    with VM("numa4", debug=1) as vm:
        driver = Recorder(vm)
        pages = driver.add_many(5)
        result = vm.migrate_pages(isolate(vm, pages), vm.target_node(nid))
        assert (result.ret, result.succeeded) == (0, 5)
        assert {page.nid for page in driver.cells.values()} == {nid}
        assert result.status == dict.fromkeys((page.pfn for page in pages), nid)
        assert driver.load(3) == b"object 2"


def test_node_targets_do_not_fall_back(vm: VM) -> None:
    """A node without free memory gives no target, although others have memory (3.6: this node only)."""
    with VM("numa4", debug=0) as numa:
        driver = Recorder(numa)
        page = driver.add("stays")
        while numa.alloc_pages(10, GFP.KERNEL | GFP.THISNODE, node=2) is not None:
            pass
        while numa.alloc_page(GFP.KERNEL | GFP.THISNODE, node=2) is not None:
            pass
        result = numa.migrate_pages(isolate(numa, [page]), numa.target_node(2))
        assert result.ret == -errno.ENOMEM
        assert driver.load(1) == b"stays"


def test_a_status_holds_the_last_attempt(vm: VM, driver: Recorder, targets: Targets) -> None:
    """The result is rewritten by each attempt: after -EAGAIN and success it is the node (fact 18)."""
    page = driver.add()
    driver.answers = [-errno.EAGAIN, -errno.EAGAIN]
    result = vm.migrate_pages(isolate(vm, [page]), targets.get)
    assert result.status == {page.pfn: 0}


def test_nodes_are_those_of_the_machine(vm: VM) -> None:
    """A node that does not exist is refused by name."""
    with pytest.raises(MovableError, match="node: this machine has nodes 0 to 0, not 1"):
        vm.target_node(1)
    assert vm.target_node(0).nid == 0


def _old(vm: VM, page: Page) -> Page:
    return page


def _in_use(vm: VM, page: Page) -> Page | None:
    target = vm.alloc_page()
    assert target is not None
    target.get()
    return target


def _locked(vm: VM, page: Page) -> Page | None:
    target = vm.alloc_page()
    assert target is not None
    target.lock()
    return target


def _free(vm: VM, page: Page) -> Page | None:
    target = vm.alloc_page()
    assert target is not None
    target.put()
    return target


def _movable(vm: VM, page: Page) -> Page | None:
    target = vm.alloc_page()
    assert target is not None
    target.lock()
    target.set_movable(page.mapping)
    target.unlock()
    return target


def _a_block(vm: VM, page: Page) -> Page | None:
    return vm.alloc_pages(2)


BAD: dict[str, Callable[[VM, Page], object]] = {
    "the old page": _old,
    "a page with two references": _in_use,
    "a locked page": _locked,
    "a free page": _free,
    "a movable page": _movable,
    "a block of four": _a_block,
    "a number": lambda vm, page: 4096,
    "True": lambda vm, page: True,
    "a page of another machine": lambda vm, page: VM("tiny").alloc_page(),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_target_is_a_fresh_page(vm: VM, driver: Recorder, bad: str) -> None:
    """What get_new_page returns must be fresh from this machine's allocator; else the call stops, by name."""
    page = driver.add("unharmed")
    listed = isolate(vm, [page])
    with pytest.raises(MovableError, match="get_new_page"):
        vm.migrate_pages(listed, lambda old: BAD[bad](vm, old))  # type: ignore[arg-type, return-value]
    assert (list(listed), driver.calls("migratepage")) == ([page], [])
    if page.locked:
        page.unlock()
    vm.putback_movable_pages(listed)
    assert driver.load(1) == b"unharmed"


def test_a_page_of_the_lru_is_no_target(vm: VM, driver: Recorder, targets: Targets) -> None:
    """A page on an LRU list belongs to the VM and is refused as a target."""
    page = driver.add()
    vm.debug = 0

    def forget_the_mark(newpage: Page, oldpage: Page) -> int:
        newpage.get()
        oldpage.clear_movable()
        oldpage.put()
        return 0

    driver.answers = [forget_the_mark]
    vm.migrate_pages(isolate(vm, [page]), targets.get)
    vm.lru_add_drain_all()
    listed = isolate(vm, [driver.add()])
    with pytest.raises(MovableError, match=r"get_new_page: .* is in use"):
        vm.migrate_pages(listed, lambda old: targets.got[0])
    vm.putback_movable_pages(listed)
    vm.recount()


@pytest.mark.parametrize("error", [LookupError, KeyboardInterrupt])
def test_an_error_of_get_new_page_comes_out(vm: VM, driver: Recorder, error: type[BaseException]) -> None:
    """What get_new_page raises stops the call and comes out as itself; the pages stay on the list."""
    pages = driver.add_many(3)
    listed = isolate(vm, pages)

    def get(page: Page) -> Page | None:
        if page is pages[1]:
            raise error("no more")
        return vm.alloc_page(GFP.HIGHUSER_MOVABLE)

    with pytest.raises(error, match="no more"):
        vm.migrate_pages(listed, get)
    assert list(listed) == pages[1:]
    vm.putback_movable_pages(listed)
    vm.recount()


def test_an_error_of_put_new_page_comes_out(vm: VM, driver: Recorder, targets: Targets) -> None:
    """What put_new_page raises stops the call and comes out as itself; the page was put back before."""
    pages = driver.add_many(2)
    driver.answers = [-errno.EBUSY]
    listed = isolate(vm, pages)

    def put(target: Page) -> None:
        raise LookupError("where to?")

    with pytest.raises(LookupError, match="where to"):
        vm.migrate_pages(listed, targets.get, put)
    assert list(listed) == [pages[1]]
    assert pages[0] in driver.idle
    vm.putback_movable_pages(listed)
    vm.recount()


def test_a_target_allocator_is_callable(vm: VM) -> None:
    """get_new_page that cannot be called is refused by name, before anything happens."""
    with pytest.raises(MovableError, match="get_new_page: must be callable or a NodeTarget, not 3"):
        vm.migrate_pages(vm.page_list(), 3)  # type: ignore[arg-type]
    with pytest.raises(MovableError, match="put_new_page"):
        vm.migrate_pages(vm.page_list(), vm.target_node(0), Targets(vm).put)
    vm.recount()
