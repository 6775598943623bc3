"""Ready machines: `tiny`, `phone`, `numa4` and `server`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from movable.config.model import PAGE_SIZE, MachineConfig, NodeConfig, PfnRange, ZoneConfig
from movable.errors import ConfigError

_MIB = (1 << 20) // PAGE_SIZE
_GIB = 1024 * _MIB

_LEGACY_HOLES = (PfnRange(0, 1), PfnRange(0x9F, 0x61))
"""Frames of a PC that are no memory: pfn 0, and the BIOS and video area below 1 MiB."""


def _normal(start_pfn: int, pages: int, cpus: tuple[int, ...]) -> NodeConfig:
    return NodeConfig((ZoneConfig("Normal", start_pfn, pages),), cpus)


def _tiny() -> MachineConfig:
    return MachineConfig("tiny", (_normal(0x1000, 16 * _MIB, (0, 1)),), cpus=2)


def _phone() -> MachineConfig:
    return MachineConfig("phone", (_normal(0x20000, 512 * _MIB, (0, 1, 2, 3)),), cpus=4)


def _numa4() -> MachineConfig:
    size = 256 * _MIB
    cpus: tuple[tuple[int, ...], ...] = ((0,), (1,), (), ())
    nodes = tuple(_normal((nid + 1) * size, size, local) for nid, local in enumerate(cpus))
    distances = ((10, 15, 20, 30), (15, 10, 25, 20), (20, 25, 10, 15), (30, 20, 15, 10))
    return MachineConfig("numa4", nodes, cpus=2, distances=distances)


def _server() -> MachineConfig:
    io_hole = PfnRange(3 * _GIB, _GIB)
    normal_end = 33 * _GIB  # 32 GiB of memory on node 0, 1 GiB of it moved above the hole
    low = (
        ZoneConfig("DMA", 0, 16 * _MIB, holes=_LEGACY_HOLES),
        ZoneConfig("DMA32", 16 * _MIB, 4 * _GIB - 16 * _MIB, holes=(io_hole,)),
        ZoneConfig("Normal", 4 * _GIB, normal_end - 4 * _GIB),
    )
    nodes = (NodeConfig(low, (0, 1, 2, 3)), _normal(normal_end, 32 * _GIB, (4, 5, 6, 7)))
    return MachineConfig("server", nodes, cpus=8, distances=((10, 21), (21, 10)))


PRESETS: Mapping[str, MachineConfig] = MappingProxyType(
    {config.name: config for config in (_tiny(), _phone(), _numa4(), _server())}
)
"""The ready machines by name.

`tiny` has one node of 16 MiB and two CPUs, `phone` one node of 512 MiB and four CPUs. `numa4` has four nodes
of 256 MiB, CPUs on the first two, and distances from 10 to 30. `server` has 64 GiB over two nodes: DMA, DMA32
(with the hole below 4 GiB that PCs keep for devices) and Normal on node 0, Normal on node 1, eight CPUs.

:meta hide-value:
"""


def preset(name: str) -> MachineConfig:
    """The ready machine called `name`; ConfigError lists the names there are."""
    try:
        return PRESETS[name]
    except KeyError:
        raise ConfigError(
            f"machine: no preset is called {name!r}; choose one of {', '.join(PRESETS)}"
        ) from None
