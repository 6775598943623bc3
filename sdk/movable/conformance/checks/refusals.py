"""Moves that do not happen: the VM is answered an error, and the driver keeps its page."""

from errno import EAGAIN, EBUSY, ENOMEM

from movable.conformance.checks.groups import MOVES, RETURNS
from movable.conformance.probe import Call
from movable.conformance.registry import check
from movable.conformance.rig import Batch, Rig
from movable.conformance.state import PageState, changes
from movable.flags import IsolateMode, MigrateMode
from movable.page import Page

_NEEDS = (*RETURNS, "LIVE-SYNC")


def _isolate_one(rig: Rig) -> tuple[Batch, Page, PageState]:
    """Fill, isolate one page; with its state while isolated."""
    rig.fill()
    batches = (rig.isolate([page]) for page in rig.marked())
    batch = next((batch for batch in batches if batch.taken), None)
    if batch is None:
        rig.fail("isolate_page refused every page of an idle driver", clause="LIVE-2", where="isolate_page")
    page = batch.taken[0]
    return batch, page, rig.states([page])[page.pfn]


def _putbacks(rig: Rig) -> list[Call]:
    return rig.probe.of("putback_page")


@check(
    "MIG-AGAIN",
    "-EAGAIN: ten tries with fresh targets, and the page waits for its put-back",
    clauses=("MIG-7", "DATA-2"),
    needs=None,
    requires=_NEEDS,
)
def again(rig: Rig) -> None:
    """Ten answers of -EAGAIN cost ten targets, all given back; the caller then puts the page back, once."""
    batch, page, before = _isolate_one(rig)
    rig.answers.fail(-EAGAIN, 10)
    moves = rig.migrate(batch)
    rig.expect(moves.ret == 1, f"migrate_pages answered {moves.ret}, not 1", pfn=page.pfn)
    rig.expect(
        len(moves.targets) == len(moves.released) == 10,
        f"{len(moves.targets)} targets, {len(moves.released)} given back, not 10 and 10",
    )
    rig.expect(not _putbacks(rig), "putback_page was called inside migrate_pages", pfn=page.pfn)
    rig.expect(page in batch.pages, "the page left the caller's list", pfn=page.pfn)
    rig.unchanged(before, page, "ten tries that moved nothing changed the page")
    rig.putback(batch)
    rig.expect(len(_putbacks(rig)) == 1, f"putback_page was called {len(_putbacks(rig))} times", pfn=page.pfn)
    _in_use(rig, page)


@check(
    "MIG-AGAIN-TWICE", "-EAGAIN twice, then success", clauses=("MIG-7", "DATA-1"), needs=None, requires=MOVES
)
def again_twice(rig: Rig) -> None:
    """The third target takes the page; putback_page is not called."""
    batch, page, _ = _isolate_one(rig)
    rig.answers.fail(-EAGAIN, 2)
    moves = rig.migrate(batch)
    own = rig.probe.moves()
    if own[0].answer != 0:
        rig.nothing("the driver answered an error of its own")
    rig.expect(moves.ret == 0, f"migrate_pages answered {moves.ret}, not 0", pfn=page.pfn)
    rig.expect(
        (len(moves.targets), len(moves.released), len(_putbacks(rig))) == (3, 2, 0),
        f"{len(moves.targets)} targets, {len(moves.released)} given back, {len(_putbacks(rig))} put-backs, "
        "not 3, 2 and 0",
    )
    rig.at_rest(rig.vm.page(moves.targets[-1]), clause="MIG-13")
    rig.verify()


@check("MIG-BUSY", "-EBUSY: one call, one put-back", clauses=("MIG-8", "DATA-2"), needs=None, requires=_NEEDS)
def busy(rig: Rig) -> None:
    """A permanent error puts the page back inside migrate_pages; list and counters are clean at once."""
    batch, page, before = _isolate_one(rig)
    rig.answers.fail(-EBUSY)
    moves = rig.migrate(batch, MigrateMode.SYNC_LIGHT)
    rig.expect(moves.ret == 1, f"migrate_pages answered {moves.ret}, not 1", pfn=page.pfn)
    rig.expect(
        (len(moves.targets), len(moves.released), len(_putbacks(rig))) == (1, 1, 1),
        f"{len(moves.targets)} targets, {len(moves.released)} given back, {len(_putbacks(rig))} put-backs, "
        "not one of each",
    )
    rig.expect(len(batch.pages) == 0, "the page is still on the caller's list", pfn=page.pfn)
    rig.expect(rig.isolated_count() == 0, "the page still counts as isolated", clause="ACC-1", pfn=page.pfn)
    rig.expect(page.refcount == before.refcount - 1, f"refcount is {page.refcount}", pfn=page.pfn)
    _in_use(rig, page)


@check(
    "MIG-NOMEM",
    "-ENOMEM: the batch ends, the rest stays isolated",
    clauses=("MIG-9", "DATA-2"),
    needs=None,
    requires=_NEEDS,
)
def no_memory(rig: Rig) -> None:
    """The first page is put back, the others are not touched and can be put back by the caller."""
    rig.fill()
    batch = rig.isolate_some()
    states = rig.states(batch.taken)
    rig.answers.fail(-ENOMEM)
    moves = rig.migrate(batch)
    rig.expect(moves.ret == -ENOMEM, f"migrate_pages answered {moves.ret}, not {-ENOMEM}")
    rest = batch.taken[1:]
    rig.expect(
        [page.pfn for page in batch.pages] == [page.pfn for page in rest], "pages not tried left the list"
    )
    for page in rest:
        rig.unchanged(states[page.pfn], page, "a page that was not tried changed")
    rig.putback(batch)
    rig.expect(
        len(_putbacks(rig)) == len(batch.taken),
        f"{len(_putbacks(rig))} put-backs of {len(batch.taken)} pages",
    )
    for page in batch.taken:
        rig.at_rest(page, clause="PUT-4")
    rig.verify("DATA-2")


@check(
    "MIG-RETRY",
    "a page that failed moves later",
    clauses=("LIVE-4", "MIG-8"),
    needs=None,
    requires=(*MOVES, *RETURNS),
)
def retry(rig: Rig) -> None:
    """After -EBUSY on every page and their put-back, the same pages move, and everything is read back."""
    rig.fill()
    failed = rig.isolate_some()
    rig.answers.fail(-EBUSY, len(failed.taken))
    rig.migrate(failed)
    rig.putback(failed)
    moved = rig.move_all()
    rig.expect(moved, "no page moved after a failed attempt", clause="LIVE-4", where="migratepage")
    rig.verify()


@check(
    "ISO-REFUSED",
    "a refused page is as it was",
    clauses=("ISO-6",),
    needs=None,
    requires=(*RETURNS, "FREE-CLEARED"),
)
def refused(rig: Rig) -> None:
    """Where the driver answers False (idle, half empty, pinned, asynchronous) nothing on the page changed."""
    rig.fill()

    def ask() -> None:
        rig.putback(rig.isolate(rig.marked(), IsolateMode.ASYNC_MIGRATE))
        with rig.pinned():
            rig.putback(rig.isolate(rig.marked()))
        for handle in rig.ledger.handles[::2]:
            rig.drop(handle)
        rig.putback(rig.isolate(rig.marked()))

    def judge(call: Call) -> None:
        found = changes(call.before, call.after) if call.answer is False else []
        rig.expect(not found, f"isolate_page answered False, but {', '.join(found)}", pfn=call.pfn)

    rig.each_call(lambda: rig.probe.of("isolate_page"), ask, judge)
    if all(call.answer is True for call in rig.probe.of("isolate_page")):
        rig.nothing("the driver never refused an isolation")
    rig.verify()


def _in_use(rig: Rig, page: Page) -> None:
    """The page is the driver's as before, and so is everything stored."""
    rig.at_rest(page, clause="PUT-4")
    rig.verify("DATA-2")
