"""From a machine's configuration to the C core's boot description."""

from typing import Any

from movable._core import ffi
from movable.config import ZONE_KINDS, MachineConfig, node_order, zone_marks


class BootConfig:
    """A ``struct boot_config``, with the arrays it points to kept alive."""

    def __init__(self, config: MachineConfig) -> None:
        zones, ranges = _zones(config), _ranges(config)
        order = [nid for nodes in node_order(config) for nid in nodes]
        cpu_node = sorted((cpu, nid) for nid, cpus in enumerate(config.node_cpus) for cpu in cpus)
        self._zones = ffi.new("struct boot_zone[]", zones)
        self._ranges = ffi.new("struct boot_range[]", ranges)
        self._node_order = ffi.new("int[]", order)
        self._cpu_node = ffi.new("int[]", [nid for _, nid in cpu_node])
        self.c: Any = ffi.new("struct boot_config *")
        self.c.nr_nodes = len(config.nodes)
        self.c.nr_zones = len(zones)
        self.c.nr_ranges = len(ranges)
        self.c.nr_cpus = config.cpus
        self.c.end_pfn = config.end_pfn
        self.c.linux_6_1 = config.profile == "6.1"
        self.c.per_cpu_lists = config.per_cpu_lists
        self.c.zones = self._zones
        self.c.ranges = self._ranges
        self.c.node_order = self._node_order
        self.c.cpu_node = self._cpu_node


def _zones(config: MachineConfig) -> list[dict[str, Any]]:
    return [
        {
            "nid": nid,
            "type": ZONE_KINDS.index(zone.kind),
            "start_pfn": zone.start_pfn,
            "spanned": zone.pages,
            "watermark": [marks.min, marks.low, marks.high],
            "lowmem_reserve": list(marks.lowmem_reserve),
        }
        for nid, (node, node_marks) in enumerate(zip(config.nodes, zone_marks(config), strict=True))
        for zone, marks in zip(node.zones, node_marks, strict=True)
    ]


def _ranges(config: MachineConfig) -> list[dict[str, Any]]:
    """Holes and reserved ranges of all zones, ascending."""
    zones = [zone for node in config.nodes for zone in node.zones]
    return sorted(
        (
            {"zone": index, "start": each.start, "pages": each.pages, "hole": hole}
            for index, zone in enumerate(zones)
            for hole, given in ((True, zone.holes), (False, zone.reserved))
            for each in given
        ),
        key=lambda each: int(each["start"]),
    )
