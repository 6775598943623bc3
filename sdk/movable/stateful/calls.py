"""Judges callbacks one by one, by what the suite's probe saw of the pages before and after."""

from movable.conformance.probe import Call, Move
from movable.conformance.rig import Rig
from movable.conformance.state import changes
from movable.flags import PageFlag, PageType

__all__ = ["judge"]

_OWNERS = PageFlag.PRIVATE | PageFlag.PRIVATE_2 | PageFlag.OWNER_PRIV_1 | PageFlag.LRU


def judge(rig: Rig, call: Call) -> None:
    """Demand what the contract asks of one finished callback, beside the core's own rules. CheckFailed."""
    if call.raised or call.injected:
        return
    if isinstance(call, Move):
        (_moved if call.answer == 0 else _not_moved)(rig, call)
    elif call.hook == "isolate_page" and call.answer is False:
        found = changes(call.before, call.after)
        _demand(rig, call, not found, f"answered False, but {', '.join(found)}", "ISO-6")
    else:
        found = changes(call.before, call.after, ignore=("bytes_", "private"))
        _demand(rig, call, not found, f"changed the page: {', '.join(found)}", _CLAUSES[call.hook])


_CLAUSES = {"isolate_page": "ISO-2", "putback_page": "PUT-3"}


def _not_moved(rig: Rig, call: Move) -> None:
    for before, after, name in (
        (call.before, call.after, "old"),
        (call.new_before, call.new_after, "new"),
    ):
        found = changes(before, after)
        what = f"answered {call.answer!r}, but on the {name} page {', '.join(found)}"
        _demand(rig, call, not found, what, "MIG-6")


def _moved(rig: Rig, call: Move) -> None:
    old, new = call.after, call.new_after
    _demand(rig, call, not old.movable, "left the old page movable", "MIG-1")
    _demand(rig, call, new.movable and new.mapping is rig.mapping, "did not mark the new page", "MIG-2")
    gained, lost = new.refcount - call.new_before.refcount, call.before.refcount - old.refcount
    _demand(rig, call, gained == 1, f"took {gained} references on the new page, not 1", "MIG-3")
    _demand(rig, call, lost == 1, f"dropped {lost} references on the old page, not 1", "MIG-4")
    _demand(rig, call, old.locked and new.locked, "unlocked a page", "MIG-5")
    _demand(rig, call, old.isolated and not new.isolated, "wrote PG_isolated", "MIG-12")
    left = [str(flag.name) for flag in PageFlag if flag in _OWNERS and flag in old.flags]
    left += ["private"] * (old.private != 0) + ["page type"] * (old.type is not PageType.NONE)
    _demand(rig, call, not left, f"left the old page with {', '.join(left)} set", "MIG-11")


def _demand(rig: Rig, call: Call, true: bool, what: str, clause: str) -> None:
    rig.expect(true, f"{call.hook} {what}", clause=clause, pfn=call.pfn, where=call.hook)
