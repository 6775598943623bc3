"""How pages leave a driver: at rest, while isolated, after a move; and that nobody writes to them."""

from collections.abc import Callable

from movable.conformance.checks.groups import MOVES, RETURNS
from movable.conformance.registry import check
from movable.conformance.rig import Batch, Rig
from movable.flags import GFP
from movable.page import Page


def _drop_isolated(rig: Rig) -> Batch:
    """Isolate all pages, then drop every object whose pages are isolated; at least one drop must work."""
    rig.fill()
    batch = rig.isolate_some()
    taken = set(batch.taken)
    dropped = 0
    for handle in rig.ledger.handles:
        if taken.issuperset(rig.pages(handle)):
            dropped += rig.drop(handle)
    rig.expect(
        dropped, "drop_isolated is claimed, but drop() always says busy", clause="CAP-1", where="drop()"
    )
    rig.expect(
        len(batch.pages) == len(batch.taken), "drop() took an isolated page off the VM's list", clause="ISO-7"
    )
    return batch


def _aftermath(rig: Rig, gone: list[Page]) -> None:
    """Pages given up while isolated were in no callback since; the driver works on and unloads clean."""
    pfns = {page.pfn for page in gone}
    calls = [call for call in rig.probe.calls if call.hook != "isolate_page" and call.pfn in pfns]
    rig.expect(not calls, f"{calls[0].hook if calls else ''} was called for a page given up while isolated")
    rig.expect(rig.isolated_count() == 0, "pages still count as isolated", clause="ACC-1")
    rig.verify("DATA-2")
    rig.fill()
    rig.verify()
    rig.drop_all()
    rig.unload()


@check(
    "FREE-ISO-PUTBACK",
    "pages released while isolated, then put back",
    clauses=("FREE-2", "ISO-7"),
    needs="drop_isolated",
    requires=(*RETURNS, "FREE-CLEARED", "ISO-LRU", "PAGES", "UNLOAD"),
)
def isolated_putback(rig: Rig) -> None:
    """The VM frees what was given up without a callback; the rest is put back."""
    batch = _drop_isolated(rig)
    gone = [page for page in batch.taken if page.mapping is None]
    rig.putback(batch)
    _aftermath(rig, gone)


@check(
    "FREE-ISO-MIGRATE",
    "pages released while isolated, then migrated",
    clauses=("FREE-2", "ISO-7"),
    needs="drop_isolated",
    requires=(*MOVES, "FREE-ISO-PUTBACK"),
)
def isolated_migrate(rig: Rig) -> None:
    """The VM frees what was given up without a callback, as a success; the rest moves."""
    batch = _drop_isolated(rig)
    gone = [page for page in batch.taken if page.mapping is None]
    rig.migrate(batch)
    rig.putback(batch)
    _aftermath(rig, gone)


@check(
    "FREE-RETURNED",
    "isolation and put-back cost no memory",
    clauses=("FREE-6",),
    needs=None,
    requires=(*RETURNS, "FREE-CLEARED", "CAP-MAX-OBJECT"),
)
def returned(rig: Rig) -> None:
    """Rounds of the same stores, isolation, put-back, and drops leave as many free pages each time."""

    def turn(_number: int) -> None:
        rig.putback(rig.isolate_some())
        rig.drop_all()

    _no_growth(rig, turn)


@check(
    "FREE-EMPTIED",
    "pages emptied while isolated are not lost",
    clauses=("FREE-6",),
    needs="drop_isolated",
    requires=("FREE-ISO-MIGRATE", "FREE-RETURNED"),
)
def emptied(rig: Rig) -> None:
    """Rounds of stores, isolation, drops, and a put-back or a move leave as many free pages each time."""

    def turn(number: int) -> None:
        batch = rig.isolate_some()
        for handle in rig.ledger.handles:
            rig.drop(handle)
        if number % 2:
            rig.migrate(batch)
        rig.putback(batch)
        rig.drop_all()

    _no_growth(rig, turn)


@check(
    "FREE-LATER",
    "what could not be dropped while isolated is dropped afterwards",
    clauses=("FREE-3",),
    needs=None,
    requires=("PUT-USED",),
)
def later(rig: Rig) -> None:
    """Drops asked for while every page is isolated succeed then, or once the pages are back."""
    rig.fill()
    batch = rig.isolate_some()
    for handle in rig.ledger.handles:
        rig.drop(handle)
    rig.putback(batch)
    rig.drop_all()
    rig.unload()


@check(
    "FREE-MOVED",
    "moving costs no memory",
    clauses=("FREE-6",),
    needs=None,
    requires=(*MOVES, *RETURNS, "FREE-CLEARED", "CAP-MAX-OBJECT"),
)
def moved(rig: Rig) -> None:
    """Rounds of the same stores, a move of all pages, and drops leave as many free pages each time."""

    def turn(_number: int) -> None:
        rig.must_move()
        rig.drop_all()

    _no_growth(rig, turn)


def _no_growth(rig: Rig, turn: Callable[[int], None]) -> None:
    """Store the same and take a turn, eight times; a driver's reserve may grow in the first two only."""
    free = []
    for number in range(8):
        for _ in range(12):
            rig.store(rig.spec.capabilities.max_object)
        turn(number)
        rig.settle()
        free.append(rig.free_pages())
    lost = free[1] - free[-1]
    rig.expect(lost < 6, f"six rounds of the same work cost {lost} pages")


@check(
    "FREE-WRITE",
    "nobody writes to a page given up",
    clauses=("FREE-4",),
    needs=None,
    requires=(*MOVES, "FREE-CLEARED"),
)
def write(rig: Rig) -> None:
    """After moves and drops users go on; every free page still holds the allocator's poison."""
    rig.fill()
    rig.verify()
    rig.must_move()
    for handle in rig.ledger.handles[::2]:
        rig.drop(handle)
    rig.verify()
    rig.fill(pages=4, objects=8)
    taken = []
    while (page := rig.vm.alloc_page(GFP.HIGHUSER_MOVABLE | GFP.NORETRY | GFP.NOWARN)) is not None:
        taken.append(page)
    for page in taken:
        rig.vm.free_pages(page)
    rig.verify()
