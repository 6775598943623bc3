"""Room in pages that came back is used again."""

from movable.conformance.checks.groups import RETURNS
from movable.conformance.registry import check
from movable.conformance.rig import Rig

_ROUNDS = 10
_SPARE = 3


@check(
    "PUT-ROOM",
    "room in a page that was put back is filled again",
    clauses=("PUT-6",),
    needs=None,
    requires=(*RETURNS, "TWO-MACHINES", "FREE-RETURNED"),
)
def room(rig: Rig) -> None:
    """A driver whose pages are isolated and put back before every store needs as few pages as a twin's."""
    with rig.twin() as twin:
        size = max(rig.spec.capabilities.max_object // 8, 1)
        for _ in range(_ROUNDS):
            for one in (rig, twin):
                one.store(size)
            rig.putback(rig.isolate(rig.marked()))
        ours, others = len(rig.marked()), len(twin.marked())
    rig.expect(
        ours <= others + _SPARE,
        f"{_ROUNDS} objects with a put-back before each took {ours} pages, without put-backs {others}",
        where="store()",
    )
    rig.verify("DATA-2")
