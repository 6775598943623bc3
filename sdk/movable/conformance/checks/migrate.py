"""migratepage, judged call by call: what success and error answers oblige a driver to."""

from collections.abc import Callable

from movable.conformance.checks.groups import ISOLATES, MOVES, RETURNS
from movable.conformance.probe import Move
from movable.conformance.registry import check
from movable.conformance.rig import Rig
from movable.conformance.state import PageState, changes, page_state
from movable.errors import Violation
from movable.flags import MigrateMode, PageFlag, PageType

_NEEDS = ("MIG-ANSWER",)
_SOUND = ("MIG-OLD-REF",)
_OWNER_FLAGS = PageFlag.PRIVATE | PageFlag.PRIVATE_2 | PageFlag.OWNER_PRIV_1 | PageFlag.LRU


_Judge = Callable[[Move, PageState, PageState], None]


def _each(rig: Rig, judge: _Judge) -> Violation | None:
    """Move every page of a filled driver in MIGRATE_SYNC; judge each call by both pages after it."""
    rig.fill()
    return rig.each_call(rig.probe.moves, rig.move_all, lambda call: judge(call, call.after, call.new_after))


def _each_success(rig: Rig, judge: _Judge) -> None:
    """As _each, for the calls that answered 0, of which there must be one."""
    moved: list[Move] = []

    def judge_success(call: Move, old: PageState, new: PageState) -> None:
        if call.answer == 0:
            moved.append(call)
            judge(call, old, new)

    broken = _each(rig, judge_success)
    if broken is not None and not moved:
        raise broken
    rig.expect(moved, "no page of an idle driver moved in MIGRATE_SYNC", clause="LIVE-2", where="migratepage")


@check(
    "MIG-ANSWER",
    "migratepage answers 0 or a negative errno",
    clauses=("CALL-3", "CALL-1", "CALL-2", "LIVE-1"),
    needs=None,
    requires=ISOLATES,
)
def answer(rig: Rig) -> None:
    """Every answer is an int, and not a positive one."""

    def judge(call: Move, _old: PageState, _new: PageState) -> None:
        got = call.answer
        good = call.raised or (isinstance(got, int) and not isinstance(got, bool) and -4095 <= got <= 0)
        rig.expect(good, f"migratepage answered {got!r}", pfn=call.pfn, where="migratepage")

    _each(rig, judge)


@check(
    "MIG-OLD-REF",
    "success drops one reference of the old page",
    clauses=("MIG-4",),
    needs=None,
    requires=_NEEDS,
)
def old_reference(rig: Rig) -> None:
    """The old page's count falls by one, the driver's own; the isolation reference stays."""

    def judge(call: Move, old: PageState, _new: PageState) -> None:
        want = call.before.refcount - 1
        good = old.refcount == want if call.answer == 0 else old.refcount >= want
        what = f"the old page's refcount is {old.refcount} after migratepage, not {want}"
        rig.expect(good, what, pfn=old.pfn)

    _each(rig, judge)


@check(
    "LIVE-SYNC",
    "pages of an idle driver move in MIGRATE_SYNC",
    clauses=("LIVE-2",),
    needs=None,
    requires=_SOUND,
)
def sync(rig: Rig) -> None:
    """Ten passes over pages that nobody uses move at least one of them."""
    rig.fill()
    rig.must_move()


@check("MIG-LOCKED", "migratepage leaves both pages locked", clauses=("MIG-5",), needs=None, requires=_SOUND)
def locked(rig: Rig) -> None:
    """Whatever the answer, both locks are the VM's to drop."""

    def judge(_call: Move, old: PageState, new: PageState) -> None:
        rig.expect(old.locked, "migratepage unlocked the old page", pfn=old.pfn)
        rig.expect(new.locked, "migratepage unlocked the new page", pfn=new.pfn)

    _each(rig, judge)


@check("MIG-CLEARED", "success gives the old page up", clauses=("MIG-1",), needs=None, requires=_SOUND)
def cleared(rig: Rig) -> None:
    """After an answer of 0 the old page carries no mapping; the tag may stay."""

    def judge(_call: Move, old: PageState, _new: PageState) -> None:
        rig.expect(not old.movable, "the old page is still movable after success", pfn=old.pfn)

    _each_success(rig, judge)


@check("MIG-MARKED", "success marks the new page", clauses=("MIG-2",), needs=None, requires=_SOUND)
def marked(rig: Rig) -> None:
    """After an answer of 0 the new page is movable, with the mapping that the old page had."""

    def judge(call: Move, _old: PageState, new: PageState) -> None:
        rig.expect(new.movable, "the new page is not marked movable after success", pfn=new.pfn)
        rig.expect(new.mapping is call.before.mapping, "the new page carries another mapping", pfn=new.pfn)

    _each_success(rig, judge)


@check(
    "MIG-NEW-REF",
    "success takes one reference on the new page",
    clauses=("MIG-3",),
    needs=None,
    requires=_SOUND,
)
def new_reference(rig: Rig) -> None:
    """The new page's count rises by one, the driver's own."""

    def judge(call: Move, _old: PageState, new: PageState) -> None:
        want = call.new_before.refcount + 1
        what = f"the new page's refcount is {new.refcount} after success, not {want}"
        rig.expect(new.refcount == want, what, pfn=new.pfn)

    _each_success(rig, judge)


@check("MIG-FLAG", "migratepage does not write PG_isolated", clauses=("MIG-12",), needs=None, requires=_SOUND)
def flag(rig: Rig) -> None:
    """The bit stays set on the old page and clear on the new one."""

    def judge(_call: Move, old: PageState, new: PageState) -> None:
        rig.expect(old.isolated, "migratepage cleared PG_isolated of the old page", pfn=old.pfn)
        rig.expect(not new.isolated, "migratepage set PG_isolated of the new page", pfn=new.pfn)

    _each(rig, judge)


@check(
    "MIG-OLD-RESET",
    "the old page leaves without the driver's marks",
    clauses=("MIG-11",),
    needs=None,
    requires=("MIG-OLD-REF",),
)
def old_reset(rig: Rig) -> None:
    """Private, type, mapcount and the owner's flags are as the allocator gave them."""

    def judge(_call: Move, old: PageState, _new: PageState) -> None:
        left = [str(flag.name) for flag in PageFlag if flag in _OWNER_FLAGS and flag in old.flags]
        left += ["private"] * (old.private != 0) + ["page type"] * (old.type is not PageType.NONE)
        rig.expect(not left, f"the old page left with {', '.join(left)} set", pfn=old.pfn)

    _each_success(rig, judge)


@check(
    "MIG-NEW-REST",
    "the new page rests like any other",
    clauses=("MIG-13",),
    needs=None,
    requires=("LIVE-SYNC", "MIG-MARKED", "MIG-NEW-REF", "MIG-FLAG", "MIG-OLD-REF", "MIG-CLEARED"),
)
def new_rest(rig: Rig) -> None:
    """After migrate_pages the new page has one reference, no lock, no isolation, no place on the LRU."""
    rig.fill()
    for call in rig.must_move():
        rig.at_rest(rig.vm.page(call.new_after.pfn), clause="MIG-13")


@check(
    "MIG-HANDLES",
    "users are led to the new page",
    clauses=("MIG-10", "CAP-2"),
    needs=None,
    requires=("MIG-NEW-REST", "PAGES"),
)
def handles(rig: Rig) -> None:
    """What pages() named before the move is named as its target after, for all handles taken together."""
    rig.fill()
    before = {page.pfn for handle in rig.ledger.handles for page in rig.pages(handle)}
    went = {call.pfn: call.new_after.pfn for call in rig.must_move()}
    after = {page.pfn for handle in rig.ledger.handles for page in rig.pages(handle)}
    wanted = {went.get(pfn, pfn) for pfn in before}
    stale = sorted(after - wanted)
    rig.expect(not stale, "pages() still names a page that was moved away", pfn=min(stale, default=None))
    rig.expect(
        after == wanted,
        f"pages() forgot {len(wanted - after)} new pages",
        pfn=min(wanted - after, default=None),
    )


@check(
    "MIG-DATA",
    "contents move with the page",
    clauses=("DATA-1", "MIG-10"),
    needs="contents",
    requires=("MIG-HANDLES",),
)
def data(rig: Rig) -> None:
    """Everything, objects of the largest size included, is read back after every page has moved."""
    rig.store_edges()
    rig.fill()
    rig.must_move()
    rig.verify()


@check("MIG-MODES", "the contract holds in every mode", clauses=("MIG-14",), needs=None, requires=MOVES)
def modes(rig: Rig) -> None:
    """ASYNC and SYNC_LIGHT may fail to move; what they move is moved by the rules."""
    pages = len(rig.fill())
    for mode in MigrateMode:
        for call in rig.move_all(mode):
            old, new = call.after, call.new_after
            rig.expect(
                not old.movable and new.movable and new.refcount == 2 and old.refcount == 1,
                f"in {mode.name} migratepage answered 0 without moving the page",
                pfn=old.pfn,
            )
        rig.verify("MIG-14")
        rig.expect(
            len(rig.marked()) == pages, f"in {mode.name} a move changed the number of pages the driver has"
        )


@check(
    "MIG-CHAIN", "a page moves again and again", clauses=("LIVE-4",), needs=None, requires=(*MOVES, *RETURNS)
)
def chain(rig: Rig) -> None:
    """Five moves in a row leave every page movable and every object readable."""
    rig.fill()
    for turn in range(5):
        moved = rig.move_all()
        rig.expect(moved, f"no page moved in turn {turn + 1} of 5", where="migratepage")
        rig.verify()
        for call in moved:
            new = page_state(rig.vm.page(call.new_after.pfn))
            rig.expect(new.mapping is rig.mapping, f"page lost in turn {turn + 1}", pfn=new.pfn)


@check(
    "MIG-UNTOUCHED",
    "an error answer leaves both pages as they were",
    clauses=("MIG-6",),
    needs=None,
    requires=("MIG-MODES", "MIG-CHAIN", *RETURNS),
)
def untouched(rig: Rig) -> None:
    """Where the driver itself answers an error (any mode, idle or pinned), no field and no byte changed."""
    rig.fill()
    for mode in MigrateMode:
        rig.move_all(mode)
    with rig.pinned():
        rig.move_all()
    errors = [call for call in rig.probe.moves() if call.answer != 0]
    if not errors:
        rig.nothing("migratepage never answered an error")
    for call in errors:
        new = changes(call.new_before, call.new_after)
        rig.expect(
            not new,
            f"migratepage answered {call.answer}, but on the new page {', '.join(new)}",
            pfn=call.new_after.pfn,
        )
        old = [] if not call.after.movable and call.answer != -11 else changes(call.before, call.after)
        rig.expect(
            not old, f"migratepage answered {call.answer}, but on the old page {', '.join(old)}", pfn=call.pfn
        )
    rig.verify("DATA-2")


@check(
    "LIVE-EVERY",
    "every page of an idle driver moves",
    clauses=("LIVE-3",),
    needs=None,
    requires=("MIG-CHAIN",),
)
def every(rig: Rig) -> None:
    """Three attempts move every page that held data at the start; the driver is told which stayed."""
    start = {page.pfn for page in rig.fill()}
    left = set(start)
    for _ in range(3):
        left -= {call.pfn for call in rig.move_all()}
    if left:
        rig.note(f"{len(left)} of {len(start)} pages of an idle driver did not move in 3 attempts")
