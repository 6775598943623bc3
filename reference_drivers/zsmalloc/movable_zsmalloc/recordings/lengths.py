"""Compressed lengths: from a real compressor, or as they were recorded (spec/differences-drivers.md 1.2)."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from movable import PAGE_SIZE
from movable_zsmalloc.zram import Compressor, compressor

__all__ = ["Lengths", "RealLengths", "RecordedLengths"]


class Lengths(ABC):
    """Where a replay takes compressed lengths from."""

    @abstractmethod
    def compressor(self, name: str) -> Compressor:
        """A compressor for a device."""

    @abstractmethod
    def of(self, data: bytes) -> int:
        """The compressed length of a page."""

    @abstractmethod
    def expect(self, kind: str, pages: Sequence[bytes], total: int) -> None:
        """A batch of pages of a kind took ``total`` bytes when it was recorded."""


class RealLengths(Lengths):
    """lz4, whose lengths a current library reproduces."""

    def __init__(self) -> None:
        self._compressor = compressor("lz4")

    def compressor(self, name: str) -> Compressor:
        """The library's, whatever the name."""
        return self._compressor

    def of(self, data: bytes) -> int:
        """What the library makes of it."""
        return len(self._compressor.compress(data))

    def expect(self, kind: str, pages: Sequence[bytes], total: int) -> None:
        """The library's lengths need no telling."""


class RecordedLengths(Lengths):
    """The recorded sum of each batch, spread over its pages; a page that no batch told of does not compress.

    Incompressible pages take no length from a recording. A compressed page is a token that stands for the page
    it came from.
    """

    def __init__(self) -> None:
        self._lengths: dict[bytes, int] = {}
        self._tokens: dict[bytes, bytes] = {}

    def compressor(self, name: str) -> Compressor:
        """One that makes tokens of the recorded lengths."""
        return Compressor(name, self._compress, lambda packed: self._tokens[bytes(packed)])

    def of(self, data: bytes) -> int:
        """The recorded length; a page's size if there is none."""
        return self._lengths.get(data, PAGE_SIZE)

    def expect(self, kind: str, pages: Sequence[bytes], total: int) -> None:
        """Each page of the batch gets its part of the sum, the first ones a byte more if it leaves a rest."""
        if kind == "incompressible" or not pages:
            return
        share, rest = divmod(total, len(pages))
        for position, page in enumerate(pages):
            self._lengths[page] = min(max(share + (position < rest), 8), PAGE_SIZE)

    def _compress(self, data: bytes) -> bytes:
        token = len(self._tokens).to_bytes(8, "little").ljust(self.of(data), b"\0")
        self._tokens[token] = data
        return token
