"""The calls of a VM that compact memory."""

from movable._core import lib
from movable.errors import MovableError
from movable.flags import GFP, CompactPriority, CompactResult
from movable.machine import Machine
from movable.vm import compaction
from movable.vm.compact_log import CompactLog
from movable.vm.zones import Node, Zone


class CompactionCalls:
    """Compaction of zones and nodes, its events, and the per-CPU lists that stand before the buddy allocator."""

    machine: Machine
    zones: tuple[Zone, ...]
    nodes: tuple[Node, ...]

    def _node(self, node: int | None) -> int:
        raise NotImplementedError

    def drain_all_pages(self) -> None:
        """Move the pages on all CPUs' lists of free pages to the buddy allocator. spec/compaction.md 2.8."""
        self.machine.check(lib.mv_drain_all_pages(self.machine.c))

    def _write_compact(self, nid: int | None) -> None:
        """What writing to a trigger does: compacts a node, None: all."""
        if nid is None:
            self.compact_memory()
        else:
            self.compact_node(nid)

    def compact_node(self, nid: int) -> tuple[compaction.CompactRun, ...]:
        """Compact every zone of a node, whole and synchronously. spec/compaction.md 7.3."""
        return compaction.compact_node(self.machine, self.zones, self._node(nid))

    def compact_memory(self) -> tuple[compaction.CompactRun, ...]:
        """Compact every node, as writing to /proc/sys/vm/compact_memory does."""
        return tuple(run for node in self.nodes for run in self.compact_node(node.nid))

    def compact_zone(
        self, zone: Zone, settings: compaction.CompactSettings = compaction.CompactSettings()
    ) -> compaction.CompactRun:
        """One compaction run over a zone. spec/compaction.md 3."""
        return compaction.compact_zone(self.machine, self.zones, zone, settings)

    def try_to_compact_pages(
        self,
        order: int,
        gfp: GFP = GFP.HIGHUSER_MOVABLE,
        priority: CompactPriority = CompactPriority.SYNC_LIGHT,
        node: int | None = None,
    ) -> CompactResult:
        """Direct compaction for a request, without the allocation. spec/compaction.md 7.1."""
        if not 0 < order <= 10:
            raise MovableError(f"order: must be 1 to 10, not {order}")
        return compaction.try_to_compact_pages(self.machine, self._node(node), order, gfp, priority)

    def compact_events(self, room: int = 10000) -> CompactLog:
        """A log of compaction's events: ``with vm.compact_events() as log`` notes the last ``room`` of them."""
        return CompactLog(self.machine, self.zones, room)
