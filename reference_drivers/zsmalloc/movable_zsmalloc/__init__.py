"""The zsmalloc reference driver: an allocator of compressed pages whose own pages can move, and zram on top.

`ZsPool` is the driver, `ZramDevice` the block device that keeps its contents compressed in a pool.
"""

from collections.abc import Callable, Iterator

from cyclopts import App

from movable import BenchRow, Capabilities, DriverSpec, hookimpl
from movable_zsmalloc.benchmarks import zsmalloc
from movable_zsmalloc.classes import ClassShape, class_shapes, get_size_class_index, zs_huge_class_size
from movable_zsmalloc.encoding import location_to_obj, obj_index_bits, obj_to_location
from movable_zsmalloc.errors import ZsError
from movable_zsmalloc.pool import ZS_GFP, MapMode, ZsPool
from movable_zsmalloc.recordings import ZramRecordings
from movable_zsmalloc.showcase.command import compact_app
from movable_zsmalloc.workload import ZsWorkload
from movable_zsmalloc.zram import ZramControl, ZramDevice, ZramError, ZramFile, ZramSysfs
from movable_zsmalloc.zram.command import zram_app

__all__ = [
    "ZS_GFP",
    "ClassShape",
    "MapMode",
    "ZramControl",
    "ZramDevice",
    "ZramError",
    "ZramFile",
    "ZramRecordings",
    "ZramSysfs",
    "ZsError",
    "ZsPool",
    "ZsWorkload",
    "class_shapes",
    "get_size_class_index",
    "location_to_obj",
    "movable_benchmarks",
    "movable_commands",
    "movable_drivers",
    "movable_recordings",
    "obj_index_bits",
    "obj_to_location",
    "zs_huge_class_size",
]


@hookimpl
def movable_drivers() -> list[DriverSpec]:
    """What the entry point in group ``movable`` provides."""
    return [
        DriverSpec(
            name="zsmalloc",
            factory=ZsPool,
            workload=ZsWorkload,
            capabilities=Capabilities(
                contents=True, pin=True, drop_isolated=True, spanning=True, concurrent=True
            ),
            summary="Allocator of compressed pages: objects packed into chains of pages, handles, zram on top.",
        )
    ]


@hookimpl
def movable_recordings() -> list[ZramRecordings]:
    """The recordings that this plugin can replay."""
    return [ZramRecordings()]


@hookimpl
def movable_benchmarks() -> list[Callable[[bool], Iterator[BenchRow]]]:
    """The rows that this plugin adds to ``movable bench``."""
    return [zsmalloc]


@hookimpl
def movable_commands() -> list[App]:
    """The sub-commands that this plugin brings."""
    return [compact_app(), zram_app()]
