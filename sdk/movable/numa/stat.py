"""Where allocations were served, node by node: numastat."""

from attrs import frozen

from movable.vm import VM

__all__ = ["NumaStat", "numastat"]

_COUNTERS = {
    "numa_hit": "numa_hit",
    "numa_miss": "numa_miss",
    "numa_foreign": "numa_foreign",
    "interleave_hit": "numa_interleave",
    "local_node": "numa_local",
    "other_node": "numa_other",
}
_WIDTH = 16


@frozen
class NumaStat:
    """Allocations of each node since boot, a mapping for each node. ``str()`` is numastat's table.

    In Linux 4.9 a page counts as a hit on the node of the running CPU, and elsewhere as a miss there and as foreign
    on the node that was asked first, whatever the policy wanted. spec/compaction.md 2.13.
    """

    nodes: tuple[dict[str, int], ...]

    def __str__(self) -> str:
        head = " " * _WIDTH + "".join(f"{f'node{nid}':>{_WIDTH}}" for nid in range(len(self.nodes)))
        rows = [
            f"{name:<{_WIDTH}}" + "".join(f"{node[name]:>{_WIDTH}}" for node in self.nodes)
            for name in _COUNTERS
        ]
        return "\n".join([head, *rows]) + "\n"


def numastat(vm: VM) -> NumaStat:
    """The counters as they are now."""
    nodes = []
    for node in vm.nodes:
        zones = [zone.vmstat() for zone in node.zones]
        nodes.append({name: sum(zone[item] for zone in zones) for name, item in _COUNTERS.items()})
    return NumaStat(tuple(nodes))
