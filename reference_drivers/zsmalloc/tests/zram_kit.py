"""Devices whose compressed lengths are given: pages that say themselves how well they compress."""

import struct

from movable import PAGE_SIZE, VM
from movable_zsmalloc import ZramDevice, ZramSysfs
from movable_zsmalloc.zram import LINUX_4_9, Compressor, ZramRules

__all__ = ["ZEROS", "page_of", "stat", "told_compressor", "told_device", "word_page"]

ZEROS = bytes(PAGE_SIZE)
_HEADER = struct.Struct("<II")


def page_of(length: int, number: int = 0) -> bytes:
    """A page that compresses to so many bytes; 4096 stands for one that does not compress."""
    return _HEADER.pack(length, number).ljust(PAGE_SIZE, b"x")


def word_page(number: int, length: int = 40) -> bytes:
    """A page of one repeated word that is not zero."""
    return _HEADER.pack(length, number) * (PAGE_SIZE // 8)


def _compress(data: bytes) -> bytes:
    length, _ = _HEADER.unpack_from(data)
    repeated = data[8:16] == data[:8]
    return (data[:8] + bytes([repeated])).ljust(length, b".")


def _decompress(packed: bytes) -> bytes:
    length, number = _HEADER.unpack_from(packed)
    return word_page(number, length) if packed[8] else page_of(length, number)


def told_compressor(name: str) -> Compressor:
    """The compressor of such pages, whatever its name."""
    return Compressor(name, _compress, _decompress)


def told_device(vm: VM, *, rules: ZramRules = LINUX_4_9, pages: int = 1024) -> ZramDevice:
    """A device for such pages, set up."""
    device = ZramDevice(vm, rules=rules, make_compressor=told_compressor)
    device.init(pages * PAGE_SIZE)
    return device


def stat(device: ZramDevice, name: str = "mm_stat") -> str:
    """A statistics file with its blanks squeezed."""
    return " ".join(ZramSysfs(device).read(name).split())
