"""Unload after work, load again, and two instances side by side."""

from movable.conformance.checks.groups import MOVES, RETURNS
from movable.conformance.registry import check
from movable.conformance.rig import Rig

_NEEDS = (*MOVES, *RETURNS, "UNLOAD")


@check(
    "UNLOAD-MOVED",
    "close() releases pages that moved or were put back",
    clauses=("LIFE-1",),
    needs=None,
    requires=(*_NEEDS, "MIG-CHAIN", "MIG-UNTOUCHED"),
)
def moved(rig: Rig) -> None:
    """After moves and put-backs the driver knows its pages well enough to release each."""
    rig.fill()
    rig.must_move()
    rig.putback(rig.isolate(rig.marked()[::2]))
    rig.fill(pages=len(rig.marked()) + 2, objects=16)
    rig.unload()


@check(
    "RELOAD",
    "a driver loads again after unload",
    clauses=("LIFE-2", "LIFE-1"),
    needs=None,
    requires=("UNLOAD-MOVED",),
)
def reload(rig: Rig) -> None:
    """Three lives on one machine: each stores, moves, reads and leaves nothing."""
    for _ in range(3):
        rig.fill()
        rig.move_all()
        rig.verify()
        rig.unload()
        rig.reload()
    rig.expect(
        len(rig.vm.mappings) == 1,
        f"{len(rig.vm.mappings)} mappings are open for one loaded driver",
        clause="LIFE-1",
    )


@check(
    "TWO-MACHINES",
    "instances on two machines share nothing",
    clauses=("LIFE-3",),
    needs=None,
    requires=_NEEDS,
)
def two_machines(rig: Rig) -> None:
    """What one instance stores, moves, drops and unloads is not seen by the other."""
    rig.fill()
    with rig.twin() as other:
        other.fill()
        rig.expect(other.mapping is not rig.mapping, "two instances have one mapping")
        rig.must_move()
        other.verify("LIFE-3")
        other.drop_all("LIFE-3")
        rig.verify("LIFE-3")
        other.unload()
    rig.verify("LIFE-3")
    rig.must_move()
    rig.verify("LIFE-3")
