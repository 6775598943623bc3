"""isolate_page, judged call by call: answer, lock, references, lists, flags."""

from collections.abc import Callable

from movable.conformance.probe import Call
from movable.conformance.registry import check
from movable.conformance.rig import Rig

_NEEDS = ("ISO-ANSWER",)


def _each(rig: Rig, judge: Callable[[Call], None]) -> None:
    """Isolate every page of a filled driver once, and judge the calls that the driver answered."""
    rig.fill()
    rig.each_call(lambda: rig.probe.of("isolate_page"), lambda: rig.isolate(rig.marked()), judge)


@check(
    "ISO-ANSWER",
    "isolate_page answers True or False",
    clauses=("CALL-1", "CALL-2", "LIVE-1"),
    needs=None,
    requires=("STORE", "MARK-REST"),
)
def answer(rig: Rig) -> None:
    """Every call ends with a real bool."""

    def judge(call: Call) -> None:
        good = call.raised or isinstance(call.answer, bool)
        rig.expect(good, f"isolate_page answered {call.answer!r}", pfn=call.pfn)

    _each(rig, judge)


@check(
    "ISO-GRANTED", "an idle driver lets pages be isolated", clauses=("LIVE-2",), needs=None, requires=_NEEDS
)
def granted(rig: Rig) -> None:
    """A driver that nobody uses grants the isolation of at least one of its pages."""
    rig.fill()
    rig.isolate_some()


@check("ISO-LOCKED", "isolate_page leaves the page locked", clauses=("ISO-1",), needs=None, requires=_NEEDS)
def locked(rig: Rig) -> None:
    """The lock that the VM took is still there when the callback is over."""

    def judge(call: Call) -> None:
        rig.expect(call.after.locked, "isolate_page unlocked the page", pfn=call.pfn, where="isolate_page")

    _each(rig, judge)


@check("ISO-REFS", "isolate_page leaves the reference count", clauses=("ISO-2",), needs=None, requires=_NEEDS)
def references(rig: Rig) -> None:
    """The count is the same before and after the callback; the isolation reference is the VM's own."""

    def judge(call: Call) -> None:
        before, after = call.before.refcount, call.after.refcount
        what = f"isolate_page changed the refcount, {before} -> {after}"
        rig.expect(before == after, what, pfn=call.pfn, where="isolate_page")

    _each(rig, judge)


@check(
    "ISO-LISTS",
    "an isolated page is on no list of the driver",
    clauses=("ISO-3",),
    needs=None,
    requires=("ISO-GRANTED",),
)
def lists(rig: Rig) -> None:
    """The page's link is free for the VM after True; the VM's list holds just the pages granted."""
    rig.fill()
    batch = rig.isolate_some()
    listed = [page.pfn for page in batch.pages]
    granted = [call.pfn for call in rig.probe.of("isolate_page") if call.answer is True]
    rig.expect(listed == granted, "the VM's list does not hold the pages isolated", where="isolate_page")


@check(
    "ISO-MOVABLE",
    "an isolated page is still movable",
    clauses=("ISO-5",),
    needs=None,
    requires=("ISO-GRANTED",),
)
def movable(rig: Rig) -> None:
    """True is not an occasion to give the page up."""

    def judge(call: Call) -> None:
        given_up = call.answer is True and not call.after.movable
        rig.expect(not given_up, "isolate_page gave the page up", pfn=call.pfn, where="isolate_page")

    _each(rig, judge)


@check("ISO-FLAG", "isolate_page does not write PG_isolated", clauses=("ISO-8",), needs=None, requires=_NEEDS)
def flag(rig: Rig) -> None:
    """The bit is clear when the callback ends; the VM sets it afterwards."""

    def judge(call: Call) -> None:
        rig.expect(
            not call.after.isolated, "isolate_page set PG_isolated", pfn=call.pfn, where="isolate_page"
        )

    _each(rig, judge)
