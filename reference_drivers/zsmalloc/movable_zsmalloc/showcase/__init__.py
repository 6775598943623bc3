"""The difference that movable pages make: a fragmented phone, compacted with them and without."""

from movable_zsmalloc.files import FilePages
from movable_zsmalloc.showcase.measure import Compaction, Memory, compact, take_down
from movable_zsmalloc.showcase.phone import Phone

__all__ = ["Compaction", "FilePages", "Memory", "Phone", "compact", "take_down"]
