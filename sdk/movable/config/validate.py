"""Refuses machines that cannot exist, with a message that begins with the field to mend."""

from __future__ import annotations

from itertools import combinations

from movable.config.fieldtypes import check_types
from movable.config.layout import check_layout
from movable.config.model import LOCAL_DISTANCE, MachineConfig, Watermarks
from movable.config.watermarks import zone_marks
from movable.errors import ConfigError

MAX_CPUS = 64
"""Most CPUs a machine may have."""

MAX_DISTANCE = 255
"""Greatest node distance: firmware tables keep a distance in one byte."""


def validate(config: MachineConfig) -> None:
    """Raise ConfigError unless `config` describes a machine that can exist.

    The message starts with the path of the field, for example `nodes[1].zones[0].start_pfn: ...`, and says
    what would be accepted.
    """
    check_types(config)
    _check_settings(config)
    check_layout(config)
    _check_cpus(config)
    _check_distances(config)
    _check_watermarks(config)


def _check_settings(config: MachineConfig) -> None:
    if not config.name:
        raise ConfigError("name: must not be empty")
    _check_between("cpus", config.cpus, 1, MAX_CPUS)
    _check_between("debug", config.debug, 0, 2)
    _check_between("extfrag_threshold", config.extfrag_threshold, 0, 1000)
    _check_between("watermark_scale_factor", config.watermark_scale_factor, 1, 1000)
    for index, ratio in enumerate(config.lowmem_reserve_ratio):
        if ratio < 1:
            raise ConfigError(f"lowmem_reserve_ratio[{index}]: must be 1 or more, not {ratio}")
    if config.min_free_kbytes is not None and config.min_free_kbytes < 0:
        raise ConfigError(f"min_free_kbytes: must be 0 or more KiB, not {config.min_free_kbytes}")


def _check_between(path: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ConfigError(f"{path}: must be {least} to {most}, not {value}")


def _check_cpus(config: MachineConfig) -> None:
    owner: dict[int, int] = {}
    for nid, node in enumerate(config.nodes):
        for index, cpu in enumerate(node.cpus):
            path = f"nodes[{nid}].cpus[{index}]"
            if not 0 <= cpu < config.cpus:
                raise ConfigError(
                    f"{path}: there is no CPU {cpu}; the machine has CPUs 0 to {config.cpus - 1}"
                )
            if cpu in owner:
                raise ConfigError(f"{path}: CPU {cpu} is on node {owner[cpu]} already; a CPU has one node")
            owner[cpu] = nid
    missing = sorted(set(range(config.cpus)) - owner.keys())
    if owner and missing:
        raise ConfigError(f"cpus: CPU {missing[0]} is on no node; list it in the cpus of one node")


def _check_distances(config: MachineConfig) -> None:
    table = config.distances
    if table is None:
        return
    size = len(config.nodes)
    if len(table) != size:
        raise ConfigError(f"distances: needs one row per node, {size}, not {len(table)}")
    for a, row in enumerate(table):
        if len(row) != size:
            raise ConfigError(f"distances[{a}]: needs one distance per node, {size}, not {len(row)}")
        _check_row(a, row)
    _check_metric(table)


def _check_row(a: int, row: tuple[int, ...]) -> None:
    for b, distance in enumerate(row):
        path = f"distances[{a}][{b}]"
        if a == b and distance != LOCAL_DISTANCE:
            raise ConfigError(f"{path}: a node is at distance {LOCAL_DISTANCE} from itself, not {distance}")
        if a != b and not LOCAL_DISTANCE < distance <= MAX_DISTANCE:
            raise ConfigError(
                f"{path}: another node is at {LOCAL_DISTANCE + 1} to {MAX_DISTANCE}, not {distance}"
            )


def _check_metric(table: tuple[tuple[int, ...], ...]) -> None:
    """Symmetry and the triangle inequality; the rows are square and within bounds."""
    nodes = range(len(table))
    for a, b in combinations(nodes, 2):
        if table[a][b] != table[b][a]:
            raise ConfigError(
                f"distances[{b}][{a}]: {table[b][a]} differs from distances[{a}][{b}] = {table[a][b]}; "
                "the two directions must be equal"
            )
        for via in nodes:
            detour = table[a][via] + table[via][b]
            if table[a][b] > detour:
                raise ConfigError(
                    f"distances[{a}][{b}]: not a metric: {table[a][b]} is above {detour} by way of node {via}"
                )


def _check_watermarks(config: MachineConfig) -> None:
    if config.watermarks is not None:
        _check_order("watermarks", config.watermarks)
    marks = zone_marks(config)
    for nid, node in enumerate(config.nodes):
        for index, zone in enumerate(node.zones):
            path = f"nodes[{nid}].zones[{index}].watermarks"
            if zone.watermarks is not None:
                _check_order(path, zone.watermarks)
            high = marks[nid][index].high
            if high > zone.managed_pages:
                raise ConfigError(
                    f"{path}: the high mark of {high} pages is above the {zone.managed_pages} managed pages; "
                    "lower the marks or min_free_kbytes, or reserve less"
                )


def _check_order(path: str, marks: Watermarks) -> None:
    least = 0
    for name in ("min", "low", "high"):
        value: int = getattr(marks, name)
        if value < least:
            raise ConfigError(
                f"{path}.{name}: must be {least} or more, not {value} (0 <= min <= low <= high)"
            )
        least = value
