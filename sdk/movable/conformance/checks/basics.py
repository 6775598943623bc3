"""A driver loads, takes its first objects, marks pages, and unloads: what every other check builds on."""

from movable.conformance.registry import check
from movable.conformance.rig import Rig
from movable.flags import MigrateType
from movable.page import Page


@check(
    "LOAD",
    "the driver loads, with a mapping of its own",
    clauses=("MARK-1", "LIVE-1"),
    needs=None,
    requires=(),
)
def load(rig: Rig) -> None:
    """The factory gives a driver whose mapping belongs to this machine, and a workload that can be asked."""
    rig.expect(
        rig.mapping in rig.vm.mappings, "driver.mapping belongs to another machine", where="the factory"
    )
    needed = ["store", "load", "drop", "pages", "check"] + ["pin"] * rig.spec.capabilities.pin
    missing = [name for name in needed if not callable(getattr(rig.workload, name, None))]
    rig.expect(not missing, f"the workload lacks {', '.join(missing)}", clause="CAP-1", where="the workload")
    rig.expect(callable(getattr(rig.driver, "close", None)), "the driver lacks close()", clause="LIFE-1")


@check(
    "STORE",
    "objects are stored, and their pages marked under the page lock",
    clauses=("MARK-2", "CALL-4", "DATA-1"),
    needs=None,
    requires=("LOAD",),
)
def store(rig: Rig) -> None:
    """Storing marks pages with the driver's mapping; what was stored is there."""
    rig.fill()
    rig.verify()


@check(
    "MARK-REST",
    "a marked page rests unlocked, off the LRU, with one reference",
    clauses=("MARK-3",),
    needs=None,
)
def rest(rig: Rig) -> None:
    """After stores and reads nobody works on a page: it is unlocked and held once."""
    rig.fill()
    rig.verify()
    for page in rig.marked():
        rig.at_rest(page)


@check("MARK-BLOCKS", "movable pages are allocated with __GFP_MOVABLE", clauses=("MARK-5",), needs=None)
def blocks(rig: Rig) -> None:
    """On an empty machine movable allocations lie in movable pageblocks."""
    pages = rig.fill()
    types = [rig.vm.pageblock_migratetype(page.pfn) for page in pages]
    outside = [one for one in types if one is not MigrateType.MOVABLE]
    if outside:
        rig.note(
            f"{len(outside)} of {len(pages)} movable pages lie in {outside[0].name} pageblocks, "
            "which compaction in MIGRATE_ASYNC passes over: allocate them with GFP.HIGHUSER_MOVABLE"
        )


@check("PAGES", "pages() names marked pages of the driver", clauses=("CAP-2",), needs=None)
def pages(rig: Rig) -> None:
    """Each page that the workload names for a handle carries the driver's mapping by the VM's own scan."""
    marked = set(rig.fill())
    named = 0
    for handle in rig.ledger.handles:
        for page in rig.pages(handle):
            named += 1
            rig.expect(page in marked, f"pages({handle!r}) names a page that is not marked", pfn=page.pfn)
    rig.expect(named, f"pages() names no page for any of {len(rig.ledger.handles)} handles")


@check("UNLOAD", "close() releases every page", clauses=("LIFE-1",), needs=None, requires=("MARK-REST",))
def unload(rig: Rig) -> None:
    """A driver that holds objects is unloaded: no page carries its mapping, all memory is free again."""
    rig.fill()
    rig.unload()


@check(
    "FREE-CLEARED",
    "a page is given up before it is released",
    clauses=("FREE-1", "FREE-5"),
    needs=None,
    requires=("UNLOAD",),
)
def cleared(rig: Rig) -> None:
    """The suite holds every page while all objects are dropped: what the driver let go carries no mapping."""
    pages = rig.fill()
    with rig.held(pages):
        rig.drop_all()
        _given_up(rig, pages, "drop()")
        rig.closed = True
        rig.ask("close()", rig.driver.close)
        _given_up(rig, pages, "close()")


def _given_up(rig: Rig, pages: list[Page], where: str) -> None:
    """Pages held by the suite alone are not the driver's any more: no mapping, no lock."""
    for page in pages:
        if page.refcount == 1:
            rig.expect(
                page.mapping is None,
                "the driver dropped its reference on a page still marked movable",
                pfn=page.pfn,
                where=where,
            )
            rig.expect(
                not page.locked,
                "the driver dropped its reference on a page it left locked",
                pfn=page.pfn,
                where=where,
            )


@check("CAP-CONTENTS", "contents are claimed if they are kept", clauses=("CAP-1",), needs=None)
def contents(rig: Rig) -> None:
    """A driver that claims no contents does not give back everything that was stored."""
    if rig.spec.capabilities.contents:
        rig.fill()
        rig.verify("CAP-1")
        return
    rig.fill()
    kept = sum(rig.reads_back(handle) for handle in rig.ledger.handles)
    rig.expect(
        kept < len(rig.ledger.objects),
        "contents is not claimed, but everything stored is read back: claim it",
        where="load()",
    )


@check(
    "CAP-MAX-OBJECT", "objects of the largest claimed size are taken", clauses=("CAP-1", "DATA-1"), needs=None
)
def max_object(rig: Rig) -> None:
    """The largest and the smallest object that the driver claims to take are stored and read back."""
    largest = rig.spec.capabilities.max_object
    for size in (largest, 1, largest):
        rig.expect(rig.store(size) is not None, f"store() took no object of {size} bytes", where="store()")
    rig.verify("CAP-1")
