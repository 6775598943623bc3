"""What the tests of processes and LRU pages share."""

from collections.abc import Iterable

from movable import PAGE_SIZE, VM, File, MigrateMethod, Page, PageList, Process


def filled(process: Process, pages: int = 1, text: bytes = b"page") -> int:
    """An anonymous area whose pages each hold ``text`` and their number; its address."""
    address = process.mmap(pages * PAGE_SIZE)
    for number in range(pages):
        process.write(address + number * PAGE_SIZE, text + b" %d" % number)
    process.vm.lru_add_drain_all()
    return address


def page_at(process: Process, address: int) -> Page:
    """The page that an address is mapped to."""
    page = process.page(address)
    assert page is not None
    return page


def stored_file(
    vm: VM, pages: int = 1, method: MigrateMethod = MigrateMethod.MIGRATE_PAGE, *, sync: bool = True
) -> File:
    """A file whose pages each hold their number, written to its store; all are cached."""
    file = vm.file("data", pages * PAGE_SIZE, migratepage=method)
    for number in range(pages):
        file.write(number * PAGE_SIZE, b"%d" % number)
    if sync:
        file.sync()
    vm.lru_add_drain_all()
    return file


def cached(file: File, index: int = 0) -> Page:
    """A cached page."""
    page = file.page(index)
    assert page is not None
    return page


def isolated(vm: VM, pages: Iterable[Page]) -> PageList:
    """A migration list of pages that are on an LRU."""
    listed = vm.page_list("to move")
    for page in pages:
        assert listed.isolate(page)
    return listed


def isolated_pages(vm: VM) -> int:
    """NR_ISOLATED_ANON and NR_ISOLATED_FILE together."""
    counters = vm.vmstat()
    return counters["nr_isolated_anon"] + counters["nr_isolated_file"]
