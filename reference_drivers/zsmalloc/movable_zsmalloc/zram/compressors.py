"""Compressors by the names that zram knows them by, from well-kept libraries."""

import zlib
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

from attrs import frozen

from movable import PAGE_SIZE, MovableError

__all__ = ["BACKENDS", "DEFAULT_ALGORITHM", "Compressor", "available", "compressor"]

DEFAULT_ALGORITHM = "lz4"

Codec = Callable[[Any], bytes]


@frozen
class Compressor:
    """A compressor: ``compress`` takes a page, ``decompress`` gives it back."""

    name: str
    compress: Codec
    decompress: Codec


def _lz4(**options: Any) -> tuple[Codec, Codec]:
    from lz4.block import compress, decompress

    return (
        lambda data: compress(data, store_size=False, **options),
        lambda packed: decompress(packed, uncompressed_size=PAGE_SIZE),
    )


def _lzo() -> tuple[Codec, Codec]:
    from lzallright import LZOCompressor

    lzo = LZOCompressor()
    return lzo.compress, lambda packed: lzo.decompress(bytes(packed), PAGE_SIZE)


def _zstd() -> tuple[Codec, Codec]:
    from zstandard import ZstdCompressor, ZstdDecompressor

    compress = ZstdCompressor(level=3, write_content_size=False, write_checksum=False).compress
    decompress = ZstdDecompressor().decompress
    return compress, lambda packed: decompress(packed, max_output_size=PAGE_SIZE)


def _deflate() -> tuple[Codec, Codec]:
    return lambda data: zlib.compress(data, 6, wbits=-11), lambda packed: zlib.decompress(packed, wbits=-11)


@frozen
class _Backend:
    """Where an algorithm comes from: a module, and the extra of this distribution that installs it."""

    module: str
    extra: str
    make: Callable[[], tuple[Codec, Codec]]


BACKENDS: Mapping[str, _Backend] = MappingProxyType(
    {
        "lzo": _Backend("lzallright", "lzo", _lzo),
        "lz4": _Backend("lz4", "zram", _lz4),
        "deflate": _Backend("zlib", "", _deflate),
        "lz4hc": _Backend("lz4", "zram", lambda: _lz4(mode="high_compression")),
        "zstd": _Backend("zstandard", "zstd", _zstd),
    }
)
"""Every algorithm that can be had; zram of Linux 4.9 lists all but zstd as built in, in this order."""


def available(name: str) -> bool:
    """Whether an algorithm is known and its library installed."""
    return name in BACKENDS and find_spec(BACKENDS[name].module) is not None


def compressor(name: str) -> Compressor:
    """The compressor of this name. MovableError if it is not known, or tells the extra to install."""
    if name not in BACKENDS:
        raise MovableError(f"algorithm: {name!r} is none of {', '.join(BACKENDS)}")
    backend = BACKENDS[name]
    if not available(name):
        raise MovableError(
            f"algorithm: {name} needs a library that is not installed: pip install 'movable[{backend.extra}]'"
        )
    return Compressor(name, *backend.make())
