"""Counters that a driver keeps for zones: in the VM, and in its own books."""

from collections.abc import Callable
from typing import Any

from movable.config import MachineConfig, NodeConfig, ZoneConfig
from movable.conformance.checks.groups import MOVES, RETURNS
from movable.conformance.registry import check
from movable.conformance.rig import Rig
from movable.flags import GFP
from movable.page import Page
from movable.vm import ZoneItem

_PAGES = 2048
_MACHINE = MachineConfig(
    "two-zones",
    (NodeConfig((ZoneConfig("DMA32", 0x1000, _PAGES), ZoneConfig("Normal", 0x1000 + _PAGES, _PAGES)), (0,)),),
    cpus=1,
)


class ZoneRig(Rig):
    """A machine with two zones."""

    def __init__(self, spec: Any, seed: str, **settings: Any) -> None:
        super().__init__(spec, seed, **{**settings, "machine": _MACHINE})

    def move_to(self, gfp: GFP) -> int:
        """Isolate everything, move it to pages allocated with ``gfp``, put the rest back; zones changed."""
        batch = self.isolate(self.marked())
        zones = {page.pfn: page.zone_id for page in batch.taken}
        seen = len(self.probe.calls)
        self.vm.migrate_pages(batch.pages, self._target(gfp), self.vm.free_pages)
        self.putback(batch)
        moved = [call for call in self.probe.moves(seen) if call.answer == 0]
        return sum(zones[call.pfn] != self.vm.page(call.new_after.pfn).zone_id for call in moved)

    def _target(self, gfp: GFP) -> Callable[[Page], Page | None]:
        return lambda _page: self.vm.alloc_page(gfp | GFP.NOWARN)


@check(
    "ACC-ITEMS",
    "zone counters that a driver keeps stay within its pages and go back",
    clauses=("ACC-5",),
    needs=None,
    requires=(*MOVES, *RETURNS, "FREE-CLEARED", "MIG-RETRY"),
)
def items(rig: Rig) -> None:
    """After isolation, put-back, moves and drops no counter is above the pages there are; unloaded it is as before."""
    before = _items(rig)

    def demand(what: str) -> None:
        for name, value in _items(rig).items():
            most = before[name] + rig.managed_before
            rig.expect(
                0 <= value <= most, f"{what} {name} is {value}, on a machine of {rig.managed_before} pages"
            )

    rig.fill()
    demand("after stores")
    rig.putback(rig.isolate_some())
    demand("after a put-back")
    rig.must_move()
    demand("after a move")
    rig.unload()
    after = _items(rig)
    rig.expect(after == before, f"once unloaded the counters are {after}, not {before}")


def _items(rig: Rig) -> dict[str, int]:
    counters = rig.vm.vmstat()
    return {item.name.lower(): counters[item.name.lower()] for item in ZoneItem}


@check(
    "ACC-ZONES",
    "what is counted for each zone follows a page that changes zone",
    clauses=("ACC-6",),
    needs=None,
    level="L4",
    requires=("ACC-ITEMS", "ACC-MANAGED", "MIG-CHAIN"),
    rig=ZoneRig,
)
def zones(rig: ZoneRig) -> None:
    """Every page moves to another zone, some are dropped there, all come back: the driver's books fit throughout."""
    managed = [zone.managed for zone in rig.vm.zones]
    rig.fill()
    changed = rig.move_to(GFP.KERNEL | GFP.DMA32)
    if not changed:
        rig.nothing("no page changed zone")
    rig.verify("ACC-6")
    for handle in rig.ledger.handles[::2]:
        rig.drop(handle)
    rig.verify("ACC-6")
    rig.move_to(GFP.HIGHUSER_MOVABLE)
    rig.verify("ACC-6")
    rig.unload()
    now = [zone.managed for zone in rig.vm.zones]
    rig.expect(now == managed, f"once unloaded the zones have {now} managed pages, not {managed}")
