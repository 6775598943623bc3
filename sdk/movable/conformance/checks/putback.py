"""putback_page: the callback itself, and the page's second life after it."""

from collections.abc import Callable

from movable.conformance.checks.groups import ISOLATES
from movable.conformance.probe import Call
from movable.conformance.registry import check
from movable.conformance.rig import Batch, Rig

_NEEDS = ("PUT-ANSWER",)


def _put_back(rig: Rig) -> Batch:
    """Fill, isolate every page, put every page back."""
    rig.fill()
    batch = rig.isolate_some()
    rig.putback(batch)
    return batch


def _each(rig: Rig, judge: Callable[[Call], None]) -> None:
    """Put every page back and judge the calls."""
    rig.each_call(lambda: rig.probe.of("putback_page"), lambda: _put_back(rig), judge)


@check(
    "PUT-ANSWER",
    "putback_page answers nothing",
    clauses=("CALL-1", "CALL-2", "LIVE-1"),
    needs=None,
    requires=ISOLATES,
)
def answer(rig: Rig) -> None:
    """No call answers or raises anything."""

    def judge(call: Call) -> None:
        rig.expect(
            call.answer is None, f"putback_page answered {call.answer!r}", pfn=call.pfn, where="putback_page"
        )

    _each(rig, judge)


@check("PUT-LOCKED", "putback_page leaves the page locked", clauses=("PUT-1",), needs=None, requires=_NEEDS)
def locked(rig: Rig) -> None:
    """The lock is the VM's to drop."""

    def judge(call: Call) -> None:
        rig.expect(call.after.locked, "putback_page unlocked the page", pfn=call.pfn, where="putback_page")

    _each(rig, judge)


@check("PUT-FLAG", "putback_page leaves PG_isolated set", clauses=("PUT-2",), needs=None, requires=_NEEDS)
def flag(rig: Rig) -> None:
    """The VM clears the bit after the callback."""

    def judge(call: Call) -> None:
        rig.expect(
            call.after.isolated, "putback_page cleared PG_isolated", pfn=call.pfn, where="putback_page"
        )

    _each(rig, judge)


@check("PUT-REFS", "putback_page leaves the reference count", clauses=("PUT-3",), needs=None, requires=_NEEDS)
def references(rig: Rig) -> None:
    """The isolation reference is the VM's, the other one stays with the driver."""

    def judge(call: Call) -> None:
        before, after = call.before.refcount, call.after.refcount
        what = f"putback_page changed the refcount, {before} -> {after}"
        rig.expect(before == after, what, pfn=call.pfn, where="putback_page")

    _each(rig, judge)


@check("PUT-MOVABLE", "a page put back is still movable", clauses=("PUT-5",), needs=None, requires=_NEEDS)
def movable(rig: Rig) -> None:
    """Taking the page back is no occasion to give it up."""

    def judge(call: Call) -> None:
        rig.expect(call.after.movable, "putback_page gave the page up", pfn=call.pfn, where="putback_page")

    _each(rig, judge)


@check(
    "PUT-REST",
    "a page put back rests as before",
    clauses=("PUT-4",),
    needs=None,
    requires=("PUT-LOCKED", "PUT-FLAG", "PUT-REFS", "PUT-MOVABLE"),
)
def rest(rig: Rig) -> None:
    """Isolation and put-back leave no trace in the page's state."""
    rig.fill()
    before = rig.states(rig.marked())
    batch = rig.isolate_some()
    rig.putback(batch)
    calls = [call.pfn for call in rig.probe.of("putback_page")]
    rig.expect(
        calls == [page.pfn for page in batch.taken], "there is not one putback_page call for each page"
    )
    for page in batch.taken:
        rig.at_rest(page, clause="PUT-4")
        rig.unchanged(
            before[page.pfn], page, "isolation and put-back changed the page", ignore=("private", "bytes_")
        )


@check(
    "PUT-AGAIN",
    "a page put back can be isolated and put back again",
    clauses=("PUT-4",),
    needs=None,
    requires=("PUT-REST",),
)
def again(rig: Rig) -> None:
    """Five rounds of isolation and put-back: the pages granted once are granted every time."""
    rig.fill()
    first = rig.isolate_some()
    rig.putback(first)
    for turn in range(2, 6):
        batch = rig.isolate(first.taken)
        rig.expect(
            batch.taken, f"after {turn - 1} put-backs isolate_page refuses every page", where="isolate_page"
        )
        rig.putback(batch)
    rig.verify("DATA-2")


@check(
    "PUT-DATA",
    "contents survive isolation and put-back",
    clauses=("DATA-2",),
    needs="contents",
    requires=("PUT-REST",),
)
def data(rig: Rig) -> None:
    """Everything is read back after every page was isolated and put back."""
    rig.store_edges()
    _put_back(rig)
    rig.verify("DATA-2")


@check(
    "PUT-USED",
    "a page put back is found and released by its users",
    clauses=("PUT-4", "FREE-3"),
    needs=None,
    requires=("PUT-AGAIN", "PUT-DATA", "FREE-CLEARED", "UNLOAD"),
)
def used(rig: Rig) -> None:
    """After a put-back objects are read, dropped, and stored afresh; at unload no page is missing."""
    _put_back(rig)
    rig.verify("DATA-2")
    rig.drop_all()
    rig.fill()
    rig.verify()
    rig.drop_all()
    rig.unload()
