"""The control files of a device, and of all devices together (spec/drivers.md 3.7-3.9)."""

import errno
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from attrs import frozen

from movable import PAGE_SIZE, VM
from movable_zsmalloc.zram.compressors import DEFAULT_ALGORITHM, available
from movable_zsmalloc.zram.device import ZramDevice
from movable_zsmalloc.zram.errors import ZramError
from movable_zsmalloc.zram.stats import stat_line

__all__ = ["BUILT_IN", "ZramControl", "ZramSysfs", "memparse"]

_SUFFIXES = "KMGTPE"
BUILT_IN = ("lzo", "lz4", "deflate", "lz4hc", "842")
"""The algorithms that 4.9 can have built in, in its order. spec/drivers.md 3.9."""
_NUMBER = re.compile(r"(0[xX][0-9a-fA-F]+|[0-9]+)([kKmMgGtTpPeE]?)")
_U64 = (1 << 64) - 1


def memparse(text: str) -> int | None:
    """The size at the start of a text, with a suffix K to E; None without a digit. What follows is ignored."""
    match = _NUMBER.match(text)
    if match is None:
        return None
    digits, suffix = match.groups()
    octal = len(digits) > 1 and digits[0] == "0" and digits.isdigit()
    number = int(re.match("[0-7]*", digits)[0] or "0", 8) if octal else int(digits, 0)  # type: ignore[index]
    shift = 10 * (_SUFFIXES.index(suffix.upper()) + 1) if suffix else 0
    return number << shift & _U64


def _integer(text: str, name: str) -> int:
    """A whole file's number, as the kernel's strict parsers read it; ZramError EINVAL for anything else."""
    stripped = text.removesuffix("\n")
    if not re.fullmatch(r"\+?[0-9]+", stripped):
        raise ZramError(errno.EINVAL, f"{name}: must be a decimal number, not {text!r}")
    return int(stripped)


@frozen
class _File:
    """One control file: what reading gives and what writing does; None where it cannot be done."""

    read: Callable[[ZramDevice], str] | None = None
    write: Callable[[ZramDevice, str], None] | None = None


class ZramSysfs:
    """The files under /sys/block/zramN of one device: ``read(file)`` and ``write(file, text)``.

    ZramError: ENOENT for a file that Linux 4.9 does not have, EACCES for the wrong direction, and what each
    file answers.
    """

    def __init__(self, device: ZramDevice) -> None:
        self.device = device

    def files(self) -> tuple[str, ...]:
        """The names of all files."""
        return tuple(_FILES)

    def read(self, name: str) -> str:
        """A file's text."""
        file = self._file(name)
        if file.read is None:
            raise ZramError(errno.EACCES, f"{name} can only be written")
        return file.read(self.device)

    def write(self, name: str, text: str) -> None:
        """Write a text to a file."""
        file = self._file(name)
        if file.write is None:
            raise ZramError(errno.EACCES, f"{name} can only be read")
        if not isinstance(text, str):
            raise ZramError(errno.EINVAL, f"text: must be what echo would write, not {text!r}")
        file.write(self.device, text)

    def _file(self, name: str) -> _File:
        try:
            return _FILES[name]
        except KeyError:
            raise ZramError(
                errno.ENOENT, f"{name}: no such file in Linux 4.9; there are {', '.join(_FILES)}"
            ) from None


def _write_disksize(device: ZramDevice, text: str) -> None:
    size = memparse(text)
    if not size:
        raise ZramError(errno.EINVAL, f"disksize: must be a size such as 64M, not {text!r}")
    device.init(size)


def _write_reset(device: ZramDevice, text: str) -> None:
    if not _integer(text, "reset"):
        raise ZramError(errno.EINVAL, "reset: write a number other than 0")
    device.reset()


def _write_mem_limit(device: ZramDevice, text: str) -> None:
    size = memparse(text)
    if size is None:
        raise ZramError(errno.EINVAL, f"mem_limit: must be a size such as 64M, or 0 for none, not {text!r}")
    device.limit_pages = -(-size // PAGE_SIZE)


def _write_mem_used_max(device: ZramDevice, text: str) -> None:
    if _integer(text, "mem_used_max"):
        raise ZramError(errno.EINVAL, "mem_used_max: only 0 can be written, to start from the present usage")
    device.stats.max_used_pages = device.mem_used_total // PAGE_SIZE


def _write_max_comp_streams(_device: ZramDevice, _text: str) -> None:
    """Accepted and ignored, whatever it is: there is a stream for each CPU."""


def _read_comp_algorithm(device: ZramDevice) -> str:
    chosen = device.compressor.name
    names = [name for name in BUILT_IN if available(name)]
    if chosen not in names:
        names.append(chosen)
    return "".join(f"[{name}] " if name == chosen else f"{name} " for name in names) + "\n"


def _read_mm_stat(device: ZramDevice) -> str:
    stats = device.stats
    return stat_line(
        stats.orig_data_size,
        stats.compr_data_size,
        device.mem_used_total,
        device.limit_pages * PAGE_SIZE,
        stats.max_used_pages * PAGE_SIZE,
        stats.filled_pages,
        0 if device.pool is None else device.pool.pages_compacted,
    )


def _read_io_stat(device: ZramDevice) -> str:
    stats = device.stats
    return stat_line(stats.failed_reads, stats.failed_writes, stats.invalid_io, stats.notify_free)


def _number(get: Callable[[ZramDevice], int]) -> _File:
    return _File(lambda device: f"{get(device)}\n")


_FILES: Mapping[str, _File] = MappingProxyType(
    {
        "disksize": _File(lambda device: f"{device.disksize}\n", _write_disksize),
        "initstate": _number(lambda device: int(device.pool is not None)),
        "reset": _File(write=_write_reset),
        "mem_limit": _File(lambda device: f"{device.limit_pages * PAGE_SIZE}\n", _write_mem_limit),
        "mem_used_max": _File(
            lambda device: f"{device.stats.max_used_pages * PAGE_SIZE}\n", _write_mem_used_max
        ),
        "compact": _File(write=lambda device, _text: device.compact()),
        "max_comp_streams": _File(lambda device: f"{device.vm.config.cpus}\n", _write_max_comp_streams),
        "comp_algorithm": _File(
            _read_comp_algorithm, lambda device, text: device.set_algorithm(text.removesuffix("\n"))
        ),
        "mm_stat": _File(_read_mm_stat),
        "io_stat": _File(_read_io_stat),
        "debug_stat": _File(lambda device: f"version: 1\n{device.stats.writestall:8d}\n"),
        "num_reads": _number(lambda device: device.stats.num_reads),
        "num_writes": _number(lambda device: device.stats.num_writes),
        "failed_reads": _number(lambda device: device.stats.failed_reads),
        "failed_writes": _number(lambda device: device.stats.failed_writes),
        "invalid_io": _number(lambda device: device.stats.invalid_io),
        "notify_free": _number(lambda device: device.stats.notify_free),
        "zero_pages": _number(lambda device: device.stats.filled_pages),
        "orig_data_size": _number(lambda device: device.stats.orig_data_size),
        "compr_data_size": _number(lambda device: device.stats.compr_data_size),
        "mem_used_total": _number(lambda device: device.mem_used_total),
    }
)


class ZramControl:
    """All zram devices of a machine: /sys/class/zram-control. spec/drivers.md 3.7."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.devices: dict[int, ZramDevice] = {}

    def hot_add(self, algorithm: str = DEFAULT_ALGORITHM) -> ZramDevice:
        """Add a device, with the lowest free number."""
        number = next(each for each in range(len(self.devices) + 1) if each not in self.devices)
        device = self.devices[number] = ZramDevice(self.vm, number, algorithm=algorithm)
        return device

    def hot_remove(self, number: int) -> None:
        """Remove a device and what is on it. ZramError: ENODEV if there is none, EBUSY if it is open."""
        device = self.devices.get(number)
        if device is None:
            raise ZramError(errno.ENODEV, f"there is no zram{number}")
        device.reset()
        del self.devices[number]
