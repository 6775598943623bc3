"""Checks where zones, nodes, holes and reserved ranges lie."""

from __future__ import annotations

from itertools import combinations, pairwise

from movable.config.model import (
    MAX_ORDER_NR_PAGES,
    PAGE_SIZE,
    ZONE_KINDS,
    MachineConfig,
    NodeConfig,
    PfnRange,
    ZoneConfig,
)
from movable.errors import ConfigError

MAX_NODES = 64
"""Most nodes a machine may have."""

MAX_END_PFN = (2 << 40) // PAGE_SIZE
"""All memory lies below this pfn: an address range of 2 TiB."""


def check_layout(config: MachineConfig) -> None:
    """Raise ConfigError unless the memory of `config` has a place of its own for every frame.

    A node starts at a multiple of 1024 pages, the largest buddy block, so that no buddy spans two nodes; it may
    end, and zones inside it may meet, anywhere. A node that really starts elsewhere has a hole there.
    """
    if not 1 <= len(config.nodes) <= MAX_NODES:
        raise ConfigError(f"nodes: a machine has 1 to {MAX_NODES} nodes, not {len(config.nodes)}")
    for nid, node in enumerate(config.nodes):
        _check_node(node, f"nodes[{nid}]")
    for (a, first), (b, second) in combinations(enumerate(config.nodes), 2):
        if first.start_pfn < second.end_pfn and second.start_pfn < first.end_pfn:
            raise ConfigError(
                f"nodes[{b}].zones: {_span(second)} overlaps {_span(first)} of node {a}; "
                "nodes have address ranges of their own"
            )


def _span(of: NodeConfig | ZoneConfig) -> str:
    return f"[{of.start_pfn:#x}, {of.end_pfn:#x})"


def _check_node(node: NodeConfig, path: str) -> None:
    if not node.zones:
        raise ConfigError(f"{path}.zones: a node needs at least one zone")
    for index, zone in enumerate(node.zones):
        _check_zone(zone, f"{path}.zones[{index}]")
    for index, (lower, upper) in enumerate(pairwise(node.zones), start=1):
        if ZONE_KINDS.index(lower.kind) >= ZONE_KINDS.index(upper.kind):
            raise ConfigError(
                f"{path}.zones[{index}].kind: {upper.kind} cannot follow {lower.kind}; "
                f"a node has each kind once, in the order {', '.join(ZONE_KINDS)}"
            )
        if upper.start_pfn < lower.end_pfn:
            raise ConfigError(
                f"{path}.zones[{index}].start_pfn: {upper.kind} {_span(upper)} overlaps or lies below "
                f"{lower.kind} {_span(lower)}; start it at {lower.end_pfn:#x} or above"
            )
    if node.start_pfn % MAX_ORDER_NR_PAGES:
        raise ConfigError(
            f"{path}.zones[0].start_pfn: the node starts at pfn {node.start_pfn:#x}, which is no multiple of "
            f"{MAX_ORDER_NR_PAGES} pages; round it down and describe the difference as a hole"
        )


def _check_zone(zone: ZoneConfig, path: str) -> None:
    if zone.start_pfn < 0:
        raise ConfigError(f"{path}.start_pfn: must be 0 or more, not {zone.start_pfn}")
    if zone.pages < 1:
        raise ConfigError(f"{path}.pages: a zone needs at least one page, not {zone.pages}")
    if zone.end_pfn > MAX_END_PFN:
        raise ConfigError(f"{path}.pages: ends at pfn {zone.end_pfn:#x}, above {MAX_END_PFN:#x} (2 TiB)")
    ranges = [(f"{path}.holes[{index}]", each) for index, each in enumerate(zone.holes)]
    ranges += [(f"{path}.reserved[{index}]", each) for index, each in enumerate(zone.reserved)]
    for where, each in ranges:
        _check_range(each, where, zone)
    ranges.sort(key=lambda item: item[1].start)
    for (below, lower), (where, upper) in pairwise(ranges):
        if upper.start < lower.end:
            raise ConfigError(
                f"{where}.start: {upper.start:#x} lies inside {below}, which ends at {lower.end:#x}"
            )
    if zone.present_pages == 0:
        raise ConfigError(f"{path}.holes: they leave no page in the zone")
    if zone.managed_pages == 0:
        raise ConfigError(f"{path}.reserved: every page is reserved; leave at least one to the allocator")


def _check_range(each: PfnRange, path: str, zone: ZoneConfig) -> None:
    if each.pages < 1:
        raise ConfigError(f"{path}.pages: a range needs at least one page, not {each.pages}")
    if each.start < zone.start_pfn or each.end > zone.end_pfn:
        raise ConfigError(
            f"{path}.start: [{each.start:#x}, {each.end:#x}) is not inside the zone {_span(zone)}"
        )
