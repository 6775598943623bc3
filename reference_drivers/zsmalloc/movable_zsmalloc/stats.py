"""The statistics of a pool's classes, as text (spec/drivers.md 1.13)."""

from collections.abc import Iterable

from movable_zsmalloc.zspage import Fullness, SizeClass

__all__ = ["classes_text"]

_NAMES = (
    "class",
    "size",
    "almost_full",
    "almost_empty",
    "obj_allocated",
    "obj_used",
    "pages_used",
    "pages_per_zspage",
    "freeable",
)
_WIDTHS = (5, 5, 11, 12, 13, 10, 10, 16, 8)


def classes_text(size_classes: Iterable[SizeClass]) -> str:
    """The file ``classes`` of a pool's debugfs folder: a row for each class, and totals."""
    rows = []
    totals = [0] * 6
    for each in size_classes:
        shape = each.shape
        pages_used = each.obj_allocated // shape.objs_per_zspage * shape.pages_per_zspage
        almost_full = len(each.groups[Fullness.ALMOST_FULL])
        almost_empty = len(each.groups[Fullness.ALMOST_EMPTY])
        freeable = each.zs_can_compact()
        counts = (almost_full, almost_empty, each.obj_allocated, each.obj_used, pages_used)
        rows.append(_line(shape.index, shape.size, *counts, shape.pages_per_zspage, freeable))
        totals = [total + count for total, count in zip(totals, (*counts, freeable), strict=True)]
    total = _line("Total", "", *totals[:5], "", totals[5])
    return "".join([_line(*_NAMES), *rows, "\n", total])


def _line(*fields: object) -> str:
    columns = (f"{field!s:>{width}}" for field, width in zip(fields, _WIDTHS, strict=True))
    return " " + " ".join(columns) + "\n"
