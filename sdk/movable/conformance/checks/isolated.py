"""The time between isolate_page and the end of the move: what the driver may do to an isolated page."""

from movable.conformance.registry import check
from movable.conformance.rig import Rig
from movable.conformance.state import page_state

_NEEDS = ("ISO-LISTS", "ISO-MOVABLE", "ISO-LOCKED", "ISO-REFS", "ISO-FLAG")


@check("ISO-TWICE", "a page is isolated once at a time", clauses=("ISO-8",), needs=None, requires=_NEEDS)
def twice(rig: Rig) -> None:
    """A second isolation is refused without asking the driver, and leaves the page as it is."""
    rig.fill()
    batch = rig.isolate_some()
    before, calls = rig.states(batch.taken), len(rig.probe.calls)
    for page in batch.taken:
        rig.expect(before[page.pfn].isolated, "PG_isolated is clear on an isolated page", pfn=page.pfn)
    for page in batch.taken:
        rig.expect(not rig.vm.isolate_movable_page(page), "a page was isolated twice", pfn=page.pfn)
        rig.unchanged(before[page.pfn], page, "a refused second isolation changed the page")
    rig.expect(len(rig.probe.calls) == calls, "the driver was asked to isolate an isolated page")


@check(
    "ISO-FLAG-KEPT",
    "users do not disturb PG_isolated",
    clauses=("MARK-4",),
    needs=None,
    requires=("ISO-TWICE",),
)
def flag_kept(rig: Rig) -> None:
    """Reading, storing and checking while pages are isolated leaves the bit set on those and on no other."""
    rig.fill()
    half = rig.isolate_some(rig.marked()[::2])
    isolated = {page.pfn for page in half.taken}
    _use(rig)
    for page in rig.marked():
        state = page_state(page)
        rig.expect(
            state.isolated is (page.pfn in isolated),
            f"PG_isolated was {'set' if state.isolated else 'cleared'} by the driver outside any callback",
            pfn=page.pfn,
        )


@check(
    "ISO-LRU",
    "page.lru is the VM's while the page is isolated",
    clauses=("ISO-7",),
    needs=None,
    requires=("ISO-TWICE",),
)
def lru(rig: Rig) -> None:
    """Users read and store while all pages are isolated: the VM's list keeps its pages, in order."""
    rig.fill()
    batch = rig.isolate_some()
    _use(rig)
    listed = [page.pfn for page in batch.pages]
    rig.expect(listed == [page.pfn for page in batch.taken], "the driver took a page off the VM's list")


@check(
    "ISO-NOT-REUSED",
    "an isolated page is handed out to nobody",
    clauses=("ISO-4",),
    needs=None,
    requires=("ISO-TWICE", "PAGES"),
)
def not_reused(rig: Rig) -> None:
    """New objects do not go into pages that are isolated, not even where room was just made."""
    rig.fill()
    for handle in rig.ledger.handles[::2]:
        rig.drop(handle)
    batch = rig.isolate(rig.marked())
    if not batch.taken:
        rig.nothing("no page that was left after drops could be isolated")
    before = rig.states(batch.taken)
    for _ in range(2 * len(batch.taken)):
        handle = rig.store()
        taken = set() if handle is None else before.keys() & {page.pfn for page in rig.pages(handle)}
        rig.expect(not taken, "store() used an isolated page", pfn=min(taken, default=None), where="store()")
    for page in batch.taken:
        rig.expect(
            page_state(page).bytes_ == before[page.pfn].bytes_,
            "store() wrote to an isolated page",
            pfn=page.pfn,
        )


def _use(rig: Rig) -> None:
    """Do what users do: read everything, store something."""
    with rig.tolerant():
        rig.verify()
    for _ in range(4):
        rig.store()
