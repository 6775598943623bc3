"""Dropping objects: from pages at rest, just before unload, and with work that is left for later."""

from movable.conformance.checks.groups import MOVES, RETURNS
from movable.conformance.registry import check
from movable.conformance.rig import Rig
from movable.conformance.state import page_state
from movable.flags import PageFlag, PageType

_NEEDS = ("FREE-CLEARED",)


@check(
    "FREE-IDLE",
    "what was never isolated can be dropped",
    clauses=("FREE-7", "CALL-4", "LIVE-1"),
    needs=None,
    requires=("MARK-REST",),
)
def idle(rig: Rig) -> None:
    """Of objects whose pages were never isolated every one is dropped at once, in either order."""
    for backwards in (False, True):
        rig.fill()
        handles = rig.ledger.handles[::-1] if backwards else rig.ledger.handles
        for handle in handles:
            rig.expect(
                rig.drop(handle),
                f"drop({handle!r}) says busy although no page was ever isolated",
                where="drop()",
            )
    rig.settle()


@check(
    "FREE-RESET",
    "a page that is released carries no marks of its owner",
    clauses=("FREE-8",),
    needs=None,
    requires=("FREE-CLEARED", "FREE-IDLE"),
)
def reset(rig: Rig) -> None:
    """Held by the suite, pages let go by drop() and close() have private, type and owner's flags reset."""
    pages = rig.fill()
    with rig.held(pages):
        rig.drop_all()
        rig.settle()
        rig.closed = True
        rig.ask("close()", rig.driver.close)
        for page in pages:
            state = page_state(page)
            left = ["private"] * (state.private != 0) + ["page type"] * (state.type is not PageType.NONE)
            left += ["PRIVATE"] * (PageFlag.PRIVATE in state.flags)
            rig.expect(not left, f"a released page has {', '.join(left)} set", pfn=page.pfn)


@check(
    "UNLOAD-DROPPED",
    "close() releases pages whose objects have just been dropped",
    clauses=("LIFE-1",),
    needs=None,
    requires=("UNLOAD", *_NEEDS),
)
def unload_dropped(rig: Rig) -> None:
    """With half of the objects just dropped and work pending, close() leaves no page behind."""
    rig.fill()
    for handle in rig.ledger.handles[::2]:
        rig.drop(handle)
    rig.unload()


@check(
    "FREE-WORK",
    "work left for later ends well, however a page got there",
    clauses=("LIVE-5",),
    needs=None,
    requires=(*MOVES, *RETURNS, *_NEEDS),
)
def work(rig: Rig) -> None:
    """Queued work runs after drops, after drops and a move, after drops while isolated and a put-back."""
    for number in range(4):
        rig.fill()
        batch = rig.isolate_some() if number >= 2 else None
        for handle in rig.ledger.handles[number % 2 :: 2]:
            rig.drop(handle)
        if batch is None:
            rig.move_all()
        else:
            if number == 3:
                rig.migrate(batch)
            rig.putback(batch)
        rig.settle()
        rig.verify()
