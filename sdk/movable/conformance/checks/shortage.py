"""Memory runs out while the driver allocates: the allocator calls back, and the driver is not in its own way."""

from movable.conformance.checks.groups import MOVES, RETURNS
from movable.conformance.registry import check
from movable.conformance.rig import Rig
from movable.flags import GFP

_LEFT = 12
_BALLAST = GFP.HIGHUSER_MOVABLE | GFP.NORETRY | GFP.NOWARN


@check(
    "LIVE-SHORT",
    "callbacks work while the driver itself waits for memory",
    clauses=("LIVE-6", "MIG-16"),
    needs=None,
    requires=(*MOVES, *RETURNS, "FREE-CLEARED", "FREE-IDLE"),
)
def short(rig: Rig) -> None:
    """An allocation of the driver's that finds no memory isolates and puts back the driver's own pages."""
    rig.fill()
    rounds = 0

    def isolate_all() -> int:
        nonlocal rounds
        rounds += 1
        if rounds <= _LEFT:
            rig.putback(rig.isolate(rig.marked()))
        return 0

    ballast = []
    while rig.free_pages() > _LEFT and (page := rig.vm.alloc_page(_BALLAST)) is not None:
        ballast.append(page)
    rig.vm.register_oom_notifier(isolate_all)
    for _ in range(4 * _LEFT):
        if rig.store(rig.spec.capabilities.max_object) is None:
            break
    rig.vm.unregister_oom_notifier(isolate_all)
    for page in ballast:
        rig.vm.free_pages(page)
    rig.verify()
    rig.drop_all()
    if not rounds:
        rig.nothing("the driver's allocations never wait for memory")
