"""zram: a compressed RAM disk on top of a zsmalloc pool (spec/drivers.md 3)."""

from movable_zsmalloc.zram.compressors import BACKENDS, DEFAULT_ALGORITHM, Compressor, available, compressor
from movable_zsmalloc.zram.control import BUILT_IN, ZramControl, ZramSysfs, memparse
from movable_zsmalloc.zram.device import ZramDevice
from movable_zsmalloc.zram.errors import ZramError
from movable_zsmalloc.zram.file import ZramFile
from movable_zsmalloc.zram.rules import LINUX_4_9, LINUX_6_1, ZramRules
from movable_zsmalloc.zram.stats import ZramStats

__all__ = [
    "BACKENDS",
    "BUILT_IN",
    "DEFAULT_ALGORITHM",
    "LINUX_4_9",
    "LINUX_6_1",
    "Compressor",
    "ZramControl",
    "ZramDevice",
    "ZramError",
    "ZramFile",
    "ZramRules",
    "ZramStats",
    "ZramSysfs",
    "available",
    "compressor",
    "memparse",
]
