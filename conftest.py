"""Settings that all tests share, and the machine, driver and targets that tests of several folders use."""

from collections.abc import Callable, Iterable, Iterator

import pytest
from hypothesis import settings
from migration.kit import Recorder, Targets

from movable import GFP, VM, MigrateResult, Page, PageList

Isolate = Callable[[Iterable[Page]], PageList]
Move = Callable[..., MigrateResult]

settings.register_profile("movable", deadline=None, print_blob=True)
settings.load_profile("movable")


@pytest.fixture
def vm() -> Iterator[VM]:
    """A small machine that recounts everything after each call."""
    with VM("tiny", debug=2) as machine:
        yield machine


@pytest.fixture
def driver(vm: VM) -> Recorder:
    """A correct driver without pages, that lets pages go and moves them."""
    return Recorder(vm)


@pytest.fixture
def targets(vm: VM) -> Targets:
    """Targets that never run out."""
    return Targets(vm)


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
