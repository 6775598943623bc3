"""What the tests of huge, merged and special pages share."""

from movable import (
    PAGE_SIZE,
    VM,
    Madvise,
    MigrateMode,
    MigrateResult,
    Page,
    PageList,
    Process,
    SystemCallError,
)

HPAGE = 512 * PAGE_SIZE
"""Bytes of a huge page."""


def huge_area(process: Process, huge_pages: int = 1) -> int:
    """An area advised to use huge pages, whose start is aligned to them; still untouched. Its address."""
    length = huge_pages * HPAGE
    address = process.mmap(length + HPAGE)
    start = -(-address // HPAGE) * HPAGE
    if start > address:
        process.munmap(address, start - address)
    process.munmap(start + length, address + HPAGE - start)
    process.madvise(start, length, Madvise.HUGEPAGE)
    return start


def huge_page(process: Process, text: bytes = b"page") -> int:
    """A transparent huge page whose 4 KiB pages each hold ``text`` and their number; its address."""
    address = huge_area(process)
    for number in range(512):
        process.write(address + number * PAGE_SIZE, text + b" %d" % number)
    return address


def holds(process: Process, address: int, text: bytes = b"page", but: tuple[int, ...] = ()) -> bool:
    """Whether the pages that huge_page() filled still hold what they held; pages ``but`` are not looked at."""
    return all(
        process.read(address + number * PAGE_SIZE, len(text) + 4).rstrip(b"\0") == text + b" %d" % number
        for number in range(512)
        if number not in but
    )


def page_at(process: Process, address: int) -> Page:
    """The page that an address is mapped to."""
    page = process.page(address)
    assert page is not None
    return page


def is_huge(process: Process, address: int) -> bool:
    """Whether a huge page is mapped at an address, by one PMD."""
    entry = process.entry(address)
    return entry is not None and entry.huge and entry.kind == "page"


def isolated(vm: VM, *pages: Page) -> PageList:
    """A migration list of these pages."""
    listed = vm.page_list("to move")
    for page in pages:
        assert listed.isolate(page)
    return listed


def moved(vm: VM, *pages: Page, node: int = 0, mode: MigrateMode = MigrateMode.SYNC) -> MigrateResult:
    """Isolates pages, migrates them to a node, and puts back what would not go."""
    vm.lru_add_drain_all()
    listed = isolated(vm, *pages)
    result = vm.migrate_pages(listed, vm.target_node(node), mode=mode)
    vm.putback_movable_pages(listed)
    return result


def demand(error: SystemCallError, *allowed: int) -> None:
    """A call may be refused, but for these reasons only."""
    assert error.errno in allowed, error
