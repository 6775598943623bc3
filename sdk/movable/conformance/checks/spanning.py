"""Objects that lie over several pages: each page moves by itself, the object stays whole."""

from movable.conformance.ledger import Handle
from movable.conformance.registry import check
from movable.conformance.rig import Rig
from movable.page import Page

_OBJECTS = 64


@check(
    "CAP-SPANNING",
    "objects over several pages are claimed if there are any",
    clauses=("CAP-1",),
    needs=None,
    requires=("STORE", "PAGES"),
)
def claimed(rig: Rig) -> None:
    """Of many objects of all sizes some lie over several pages if that is claimed, and none if it is not."""
    handle = _find_spanning(rig)
    if rig.spec.capabilities.spanning:
        rig.expect(
            handle is not None,
            f"spanning is claimed, but each of {len(rig.ledger.objects)} objects has one page",
            where="pages()",
        )
    else:
        rig.expect(
            handle is None,
            "spanning is not claimed, but pages() names several pages for an object: claim it",
            where="pages()",
        )


@check(
    "SPAN-EACH",
    "an object over several pages survives the move of any one of them",
    clauses=("DATA-5",),
    needs="spanning",
    requires=("CAP-SPANNING", "MIG-DATA"),
)
def each(rig: Rig) -> None:
    """Each page of an object moves while its others stay; the object is read back after each move."""
    handle = _spanning(rig)
    for number in range(len(rig.pages(handle))):
        page = rig.pages(handle)[number]
        _move(rig, page)
        rig.read(handle, "DATA-5")
    rig.verify("DATA-5")


@check(
    "SPAN-MIXED",
    "one page of an object moves while another is put back",
    clauses=("DATA-5", "DATA-2"),
    needs="spanning",
    requires=("SPAN-EACH", "PUT-AGAIN"),
)
def mixed(rig: Rig) -> None:
    """With all pages of an object isolated, each in turn moves after the others were put back, or before."""
    handle = _spanning(rig)
    for first_back in (True, False):
        for number in range(len(rig.pages(handle))):
            pages = rig.pages(handle)
            mover = rig.isolate_some(pages[number : number + 1])
            others = rig.isolate([page for page in pages if page is not pages[number]])
            if first_back:
                rig.putback(others)
                rig.read(handle, "DATA-5")
            rig.migrate(mover)
            rig.read(handle, "DATA-5")
            rig.putback(others)
            rig.putback(mover)
            rig.read(handle, "DATA-5")
    rig.verify("DATA-5")


def _move(rig: Rig, page: Page) -> None:
    batch = rig.isolate_some([page])
    rig.migrate(batch)
    rig.putback(batch)


def _spanning(rig: Rig) -> Handle:
    handle = _find_spanning(rig)
    if handle is None:
        rig.nothing("no object lies over several pages")
    return handle


def _find_spanning(rig: Rig) -> Handle | None:
    """Store objects until one lies over several pages; None if none of many does."""
    for _ in range(_OBJECTS):
        handle = rig.store_any()
        if handle is None:
            return None
        if len(rig.pages(handle)) > 1:
            return handle
    return None
