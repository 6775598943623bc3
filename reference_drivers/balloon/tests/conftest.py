"""Machines with a balloon on them, and the moves that the tests make."""

from collections.abc import Callable, Iterable, Iterator

import pytest

from movable import GFP, VM, MigrateResult, Page, PageList
from movable_balloon import Host, VirtioBalloon

Isolate = Callable[[Iterable[Page]], PageList]
Move = Callable[..., MigrateResult]


@pytest.fixture
def vm() -> Iterator[VM]:
    """A small machine, checked in full after each call."""
    with VM("tiny", debug=2) as machine:
        yield machine


@pytest.fixture
def host(vm: VM) -> Host:
    """The host of the small machine."""
    return Host(vm)


@pytest.fixture
def balloon(vm: VM, host: Host) -> VirtioBalloon:
    """An empty balloon on the small machine."""
    return VirtioBalloon(vm, host)


@pytest.fixture
def isolate(vm: VM) -> Isolate:
    """Isolates pages onto a list, as a caller of migrate_pages does; the list lives as long as the VM."""
    kept: list[PageList] = []

    def isolate(pages: Iterable[Page]) -> PageList:
        listed = vm.page_list("caller")
        kept.append(listed)
        for page in pages:
            assert listed.isolate(page)
        return listed

    return isolate


@pytest.fixture
def move(vm: VM, isolate: Isolate) -> Move:
    """Isolates pages, migrates them to new ones, and puts back what would not go."""

    def move(
        pages: Iterable[Page], get_new_page: Callable[[Page], Page | None] | None = None
    ) -> MigrateResult:
        listed = isolate(pages)
        get = get_new_page or (lambda _: vm.alloc_page(GFP.HIGHUSER_MOVABLE))
        result = vm.migrate_pages(listed, get)
        vm.putback_movable_pages(listed)
        return result

    return move
