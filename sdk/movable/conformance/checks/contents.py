"""Compaction in each of its forms, with the driver's pages scattered over the machine."""

from movable.conformance.checks.groups import MOVES, RETURNS
from movable.conformance.registry import check
from movable.conformance.rig import Rig
from movable.conformance.terrain import scatter
from movable.flags import GFP, CompactPriority, MigrateMode
from movable.vm import CompactSettings

_FIRST = (*MOVES, *RETURNS)
_NEEDS = ("COMPACT-NODE", "MIG-MODES")


def _moved(rig: Rig) -> int:
    return sum(call.answer == 0 for call in rig.probe.moves())


@check(
    "COMPACT-NODE",
    "whole-node compaction keeps everything stored",
    clauses=("DATA-4", "LIVE-2"),
    needs=None,
    requires=_FIRST,
)
def node(rig: Rig) -> None:
    """Compaction by hand (MIGRATE_SYNC) moves pages of an idle driver, and all is read back."""
    scatter(rig)
    rig.vm.compact_node(0)
    if not rig.probe.moves():
        rig.nothing("compaction tried to move no page of the driver")
    rig.expect(_moved(rig), "compaction of the whole node moved no page of an idle driver", clause="LIVE-2")
    rig.after_compaction()


@check(
    "COMPACT-DIRECT",
    "direct compaction keeps everything stored",
    clauses=("DATA-4",),
    needs=None,
    requires=_NEEDS,
)
def direct(rig: Rig) -> None:
    """Compaction for an allocation of order 5 (MIGRATE_SYNC_LIGHT) keeps what was stored."""
    scatter(rig, plug=5)
    rig.vm.try_to_compact_pages(5, GFP.HIGHUSER_MOVABLE, CompactPriority.SYNC_LIGHT)
    rig.after_compaction()
    if not rig.probe.of("isolate_page"):
        rig.nothing("direct compaction met no page of the driver")


@check(
    "COMPACT-ASYNC",
    "asynchronous compaction keeps everything stored",
    clauses=("DATA-4", "MIG-14"),
    needs=None,
    requires=_NEEDS,
)
def asynchronous(rig: Rig) -> None:
    """Compaction in MIGRATE_ASYNC keeps what was stored, whether the driver moves pages in it or not."""
    scatter(rig)
    for zone in rig.vm.zones:
        rig.vm.compact_zone(zone, CompactSettings(mode=MigrateMode.ASYNC))
    rig.after_compaction()
    if not rig.probe.of("isolate_page"):
        rig.nothing("asynchronous compaction met no page of the driver")


@check(
    "COMPACT-CHURN",
    "compaction between stores and drops",
    clauses=("DATA-4", "DATA-1"),
    needs=None,
    requires=("COMPACT-NODE", "FREE-CLEARED"),
)
def churn(rig: Rig) -> None:
    """Four rounds of drops, compaction and stores: everything alive is read back in every round."""
    scatter(rig)
    for _ in range(4):
        for handle in rig.ledger.rng.sample(rig.ledger.handles, len(rig.ledger.handles) // 3):
            rig.drop(handle)
        rig.vm.compact_node(0)
        rig.after_compaction()
        for _ in range(24):
            rig.store()
        rig.verify()


@check(
    "COMPACT-STORE",
    "storing works after compaction",
    clauses=("DATA-1", "PUT-4"),
    needs=None,
    requires=("COMPACT-NODE", "PUT-USED", "UNLOAD-MOVED"),
)
def store_after(rig: Rig) -> None:
    """Once compaction is over the driver takes as many objects as before, and unloads clean."""
    scatter(rig)
    rig.vm.compact_node(0)
    before = len(rig.ledger.objects)
    rig.fill(pages=len(rig.marked()) + 8, objects=64)
    rig.expect(
        len(rig.ledger.objects) > before,
        "store() takes nothing after compaction",
        clause="CALL-4",
        where="store()",
    )
    rig.verify()
    rig.drop_all()
    rig.unload()


@check(
    "DATA-ISOLATED",
    "contents are readable while isolated",
    clauses=("DATA-3", "DATA-2"),
    needs="contents",
    requires=("ISO-LRU",),
)
def isolated(rig: Rig) -> None:
    """Reading while every page is isolated gives what was stored; who cannot is told, not failed."""
    rig.fill()
    rig.isolate_some()
    with rig.tolerant() as refused:
        for handle in rig.ledger.handles:
            rig.read(handle, "DATA-2")
    if refused:
        rig.note(f"objects cannot be read while their page is isolated: {refused[0]}")
