"""Looking at a machine: /proc texts, maps of what each page is used for, and pictures of them."""

from movable.observe.draw import Panel, demand_drawable, draw
from movable.observe.explain import PAGE_KINDS, Explanation, explain_migration
from movable.observe.extfrag import (
    extfrag_index,
    extfrag_text,
    fragmentation_indices,
    unusable_index,
    unusable_indices,
)
from movable.observe.load_map import FRAME_KINDS, LoadedMap, load_page_map
from movable.observe.pagemap import PageKind, PageMap, ZoneMap, page_map
from movable.observe.proc import blocks_available, buddyinfo, free_in_blocks, pagetypeinfo, zone_line

__all__ = [
    "FRAME_KINDS",
    "PAGE_KINDS",
    "Explanation",
    "LoadedMap",
    "PageKind",
    "PageMap",
    "Panel",
    "ZoneMap",
    "blocks_available",
    "buddyinfo",
    "demand_drawable",
    "draw",
    "explain_migration",
    "extfrag_index",
    "extfrag_text",
    "fragmentation_indices",
    "free_in_blocks",
    "load_page_map",
    "page_map",
    "pagetypeinfo",
    "unusable_index",
    "unusable_indices",
    "zone_line",
]
