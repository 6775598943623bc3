"""How an object's place is written into a word (spec/drivers.md 1.4).

A handle is the address of a word. The word holds the object's place: the frame in which its slot starts and
the slot's number within the zspage. Bit 0 of it is the handle's pin.
"""

from movable import PAGE_SIZE

__all__ = [
    "FREE_LIST_END",
    "HANDLE_PIN_BIT",
    "OBJ_ALLOCATED_TAG",
    "OBJ_INDEX_BITS",
    "OBJ_INDEX_MASK",
    "OBJ_TAG_BITS",
    "OFFSET_MASK",
    "PAGE_SHIFT",
    "WORDS_SHIFT",
    "WORD_SHIFT",
    "location_to_obj",
    "obj_index_bits",
    "obj_to_location",
]

PAGE_SHIFT = PAGE_SIZE.bit_length() - 1
OFFSET_MASK = PAGE_SIZE - 1
WORD_SHIFT = 3
"""From a physical address to the place of its word in memory."""
WORDS_SHIFT = PAGE_SHIFT - WORD_SHIFT
"""From a pfn to the place of the page's first word."""
OBJ_TAG_BITS = 1
OBJ_ALLOCATED_TAG = 1
"""Set in the header of a slot that is in use; the rest of the header is the handle."""
HANDLE_PIN_BIT = 0
_MAX_PHYSMEM_BITS = 46


def obj_index_bits(max_physmem_bits: int = _MAX_PHYSMEM_BITS, bits_per_long: int = 64) -> int:
    """Bits that are left for the slot's number: 29 on x86-64 without five-level page tables."""
    return bits_per_long - (max_physmem_bits - PAGE_SHIFT) - OBJ_TAG_BITS


OBJ_INDEX_BITS = obj_index_bits()
OBJ_INDEX_MASK = (1 << OBJ_INDEX_BITS) - 1
FREE_LIST_END = (1 << 64) - 1 & ~1
"""What the last slot start of a zspage says: no free slot follows."""


def location_to_obj(pfn: int, index: int, index_bits: int = OBJ_INDEX_BITS) -> int:
    """The word for slot ``index`` of a zspage, if the slot starts in frame ``pfn``."""
    return (pfn << index_bits | index) << OBJ_TAG_BITS


def obj_to_location(obj: int, index_bits: int = OBJ_INDEX_BITS) -> tuple[int, int]:
    """Frame and slot of a word, pinned or not."""
    place = obj >> OBJ_TAG_BITS
    return place >> index_bits, place & (1 << index_bits) - 1
