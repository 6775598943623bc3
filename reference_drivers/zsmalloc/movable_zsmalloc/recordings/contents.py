"""The pages that recordings were made with, by kind and number (the notes of each recording)."""

from functools import lru_cache

from movable import PAGE_SIZE, RecordingError

__all__ = ["KINDS", "page_contents"]

KINDS = ("zero", "same-word", "incompressible", "k-random", "text")

_U64 = (1 << 64) - 1
_ZERO = bytes(PAGE_SIZE)
_WORDS = PAGE_SIZE // 8


@lru_cache(maxsize=4096)
def _random_page(number: int) -> bytes:
    """The stream of an xorshift64* generator seeded with the number."""
    state = (number + 1) * 0x9E3779B97F4A7C15 & _U64
    words = []
    for _ in range(_WORDS):
        state ^= state >> 12
        state ^= state << 25 & _U64
        state ^= state >> 27
        words.append((state * 2685821657736338717 & _U64).to_bytes(8, "little"))
    return b"".join(words)


def page_contents(kind: str, number: int = 0, k: int = PAGE_SIZE) -> bytes:
    """A page of one of the recordings' kinds; ``k`` is how many bytes of a ``k-random`` page are random.

    The recordings' generator wrote whole words: of a ``k`` that is no multiple of 8 the rest is zero too.
    """
    if kind == "zero":
        return _ZERO
    if kind == "same-word":
        return (0x1122334455667788 + number & _U64).to_bytes(8, "little") * _WORDS
    if kind == "incompressible":
        return _random_page(number)
    if kind == "k-random":
        return _random_page(number)[: k // 8 * 8].ljust(PAGE_SIZE, b"\0")
    if kind == "text":
        phrase = b"page %d the quick brown fox jumps over the lazy dog; " % number
        return (phrase * (PAGE_SIZE // len(phrase) + 1))[:PAGE_SIZE]
    raise RecordingError(f"page kind {kind!r} is none of {', '.join(KINDS)}")
