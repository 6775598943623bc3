"""What differs between versions in how zram stores a page."""

from attrs import frozen

__all__ = ["LINUX_4_9", "LINUX_6_1", "ZramRules"]

_WORD = 8


@frozen
class ZramRules:
    """How a version stores pages (spec/differences-drivers.md 1.1).

    ``same_filled``: any page whose words are all equal is kept without an object, not only a zero one (Z01).
    ``filled_stored``: such pages count as stored (Z02). ``huge_from``: compressed bytes from which on a page
    is stored as it is (Z03).
    """

    same_filled: bool = False
    filled_stored: bool = False
    huge_from: int = 3072 + 1

    def element(self, data: bytes) -> int | None:
        """The word that a filled page repeats; None for a page that has to be stored."""
        first = data[:_WORD]
        if first != data[_WORD : 2 * _WORD] or data != first * (len(data) // _WORD):
            return None
        element = int.from_bytes(first, "little")
        return element if self.same_filled or not element else None


LINUX_4_9 = ZramRules()
LINUX_6_1 = ZramRules(same_filled=True, filled_stored=True, huge_from=3257)
