"""Looking at a machine: /proc texts, maps of what each page is used for, and pictures of them."""

from movable.observe.draw import Panel, demand_drawable, draw
from movable.observe.explain import PAGE_KINDS, Explanation, explain_migration
from movable.observe.pagemap import PageKind, PageMap, ZoneMap, page_map
from movable.observe.proc import blocks_available, buddyinfo, free_in_blocks, pagetypeinfo

__all__ = [
    "PAGE_KINDS",
    "Explanation",
    "PageKind",
    "PageMap",
    "Panel",
    "ZoneMap",
    "blocks_available",
    "buddyinfo",
    "demand_drawable",
    "draw",
    "explain_migration",
    "free_in_blocks",
    "page_map",
    "pagetypeinfo",
]
