"""The order in which a node's allocations fall back to other nodes (spec/compaction.md 2.11)."""

from __future__ import annotations

from movable.config.model import MachineConfig


def node_order(config: MachineConfig) -> tuple[tuple[int, ...], ...]:
    """For each node the nodes of its FALLBACK zonelist: itself, then the next best ones.

    Nearer nodes come first, with a small penalty for lower numbers and for nodes with CPUs. Among equals the
    load decides that earlier lists left behind, so that different nodes start at different neighbours.
    """
    load = [0] * len(config.nodes)
    return tuple(_order_of(config, nid, load) for nid in range(len(config.nodes)))


def _order_of(config: MachineConfig, local: int, load: list[int]) -> tuple[int, ...]:
    distance = config.distance_table[local]
    cpus = config.node_cpus
    scale = len(load) + 1  # any factor above the greatest load ranks loads below distances

    def cost(nid: int) -> tuple[int, int]:
        return (distance[nid] + (nid < local) + bool(cpus[nid])) * scale + load[nid], nid

    order = [local]
    left = set(range(len(load))) - {local}
    for turn in range(len(load) - 1, 0, -1):
        best = min(left, key=cost)
        if distance[best] != distance[order[-1]]:
            load[best] = turn
        left.remove(best)
        order.append(best)
    return tuple(order)
