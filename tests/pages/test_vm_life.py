"""The life of a machine: made, closed once, never from inside itself."""

import gc
import weakref
from collections.abc import Callable

import pytest
from migration.kit import Recorder, Targets, isolate

from movable import VM, AddressSpace, ContractViolation, MovableError, Page


def test_closing_twice_is_harmless() -> None:
    """A VM can be closed again and again."""
    vm = VM("tiny")
    vm.close()
    vm.close()
    assert vm.closed
    assert repr(vm) == "<VM 'tiny', closed>"


def test_the_with_block_closes() -> None:
    """Leaving a with block closes the VM, by an exception too."""
    with pytest.raises(LookupError), VM("tiny") as vm:
        raise LookupError
    assert vm.closed


CLOSED: dict[str, Callable[[VM, Page], object]] = {
    "alloc_page": lambda vm, page: vm.alloc_page(),
    "page": lambda vm, page: vm.page(page.pfn),
    "free_pages": lambda vm, page: vm.free_pages(page),
    "vmstat": lambda vm, page: vm.vmstat(),
    "recount": lambda vm, page: vm.recount(),
    "page_list": lambda vm, page: vm.page_list(),
    "compact_memory": lambda vm, page: vm.compact_memory(),
    "cpu": lambda vm, page: vm.cpu,
    "free pages": lambda vm, page: vm.zones[0].free_pages,
    "refcount": lambda vm, page: page.refcount,
    "lock": lambda vm, page: page.lock(),
    "contents": lambda vm, page: page.data,
    "driver": lambda vm, page: Recorder(vm),
}


@pytest.mark.parametrize("use", CLOSED)
def test_a_closed_vm_says_so(use: str) -> None:
    """Whatever is asked of a closed VM, or of a page of it, is answered with what to do."""
    vm = VM("tiny")
    page = vm.alloc_page()
    assert page is not None
    vm.close()
    with pytest.raises(MovableError, match="this VM is closed; make a new one"):
        CLOSED[use](vm, page)


@pytest.mark.parametrize("hook", ["isolate_page", "migratepage"])
def test_a_vm_is_not_closed_from_inside(vm: VM, driver: Recorder, hook: str) -> None:
    """A callback that closes its own VM is refused and reported; the VM lives on."""
    page = driver.add()
    if hook == "isolate_page":
        driver.on_isolate = lambda _: vm.close()
        with pytest.raises(ContractViolation) as caught:
            vm.isolate_movable_page(page)
    else:
        driver.answers = [lambda newpage, oldpage: vm.close()]
        with pytest.raises(ContractViolation) as caught:
            vm.migrate_pages(isolate(vm, [page]), Targets(vm).get)
    assert caught.value.rule.id == "hook-raised"
    assert "from inside one of its callbacks" in str(caught.value.__cause__)
    assert not vm.closed
    vm.recount()


def test_a_vm_is_not_closed_by_its_target_allocator(vm: VM, driver: Recorder) -> None:
    """get_new_page may not close the VM that called it; what it raises comes out as itself."""
    listed = isolate(vm, [driver.add()])

    def close(page: Page) -> None:
        vm.close()

    with pytest.raises(MovableError, match="from inside one of its callbacks"):
        vm.migrate_pages(listed, close)
    assert not vm.closed
    assert len(listed) == 1


def test_drivers_need_not_be_closed_first() -> None:
    """Closing a VM with pages in use, isolated and on lists gives all of its memory back."""
    vm = VM("tiny")
    driver = Recorder(vm)
    listed = isolate(vm, driver.add_many(3))
    vm.close()
    assert vm.closed
    with pytest.raises(MovableError, match="closed"):
        len(listed)


def test_a_forgotten_vm_is_collected() -> None:
    """A VM that nobody refers to any more goes, with its driver, its pages and its memory."""
    vm = VM("tiny")
    driver = Recorder(vm)
    driver.add_many(3)
    remembered = weakref.ref(vm)
    del vm, driver
    gc.collect()
    assert remembered() is None


def test_a_page_keeps_its_machine() -> None:
    """A page that somebody holds can be used although nobody holds its VM."""
    page = VM("tiny").alloc_page()
    gc.collect()
    assert page is not None
    page.data[:3] = b"yes"
    assert (page.refcount, bytes(page.data[:3])) == (1, b"yes")


def test_machines_are_separate() -> None:
    """Two machines share no page, no list and no counter."""
    with VM("tiny") as one, VM("tiny") as two:
        page = one.alloc_page()
        assert page is not None
        twin = two.page(page.pfn)
        assert twin is not page
        assert (page.refcount, twin.refcount) == (1, 0)
        assert one.zones[0].free_pages == two.zones[0].free_pages - 1


FOREIGN: dict[str, Callable[[VM, Page, AddressSpace], object]] = {
    "free_pages": lambda vm, page, mapping: vm.free_pages(page),
    "isolate_movable_page": lambda vm, page, mapping: vm.isolate_movable_page(page),
    "adjust_managed_page_count": lambda vm, page, mapping: vm.adjust_managed_page_count(page, 1),
    "raise_violation": lambda vm, page, mapping: vm.raise_violation(
        "driver-bug", expected="", seen="", page=page
    ),
    "list add": lambda vm, page, mapping: vm.page_list().add(page),
    "list remove": lambda vm, page, mapping: vm.page_list().remove(page),
    "list isolate": lambda vm, page, mapping: vm.page_list().isolate(page),
    "copy_from": lambda vm, page, mapping: vm.page(0x1000).copy_from(page),
    "replace_page": lambda vm, page, mapping: vm.mappings[0].replace_page(page, page),
    "set_movable": lambda vm, page, mapping: vm.page(0x1000).set_movable(mapping),
    "migrate_pages": lambda vm, page, mapping: vm.migrate_pages(mapping.vm.page_list(), lambda _: None),
    "putback_movable_pages": lambda vm, page, mapping: vm.putback_movable_pages(mapping.vm.page_list()),
    "compact_zone": lambda vm, page, mapping: vm.compact_zone(mapping.vm.zones[0]),
}


@pytest.mark.parametrize("use", FOREIGN)
def test_what_belongs_to_another_machine_is_refused(vm: VM, driver: Recorder, use: str) -> None:
    """Pages, lists, mappings and zones of another VM are refused by the argument's name."""
    with VM("phone") as other:
        stranger = Recorder(other)
        with pytest.raises(MovableError, match=r"^(page|other|newpage|oldpage|mapping|pages|zone): "):
            FOREIGN[use](vm, stranger.add(), stranger.mapping)
    vm.recount()


@pytest.mark.parametrize("debug", [-1, 3, "1", None])
def test_debug_levels_are_0_1_and_2(vm: VM, debug: object) -> None:
    """A debug level that does not exist is refused by name."""
    with pytest.raises(MovableError, match="debug: must be 0"):
        vm.debug = debug  # type: ignore[assignment]
    assert vm.debug == 2
