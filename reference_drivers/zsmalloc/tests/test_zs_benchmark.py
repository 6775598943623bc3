"""The rows that the driver adds to ``movable bench``."""

import pytest

from movable import bench

ROWS = {
    "zs.malloc": ("objects/s", None),
    "zs.free": ("objects/s", None),
    "zram.compress": ("MB/s", None),
    "zram.write": ("MB/s", "zram.compress"),
    "zram.decompress": ("MB/s", None),
    "zram.read": ("MB/s", "zram.decompress"),
    "zs.copy": ("pages/s", None),
    "zs.migrate": ("pages/s", "zs.copy"),
    "zs.migrate.overhead": ("us", None),
    "zs.race": ("schedules/s", None),
}


@pytest.mark.slow
def test_the_rows_compare_what_they_say() -> None:
    """Each row has its unit and the row it is compared with; no work on top of another is faster than that."""
    report = bench(quick=True, only="zsmalloc")
    assert {row.name: (row.unit, row.of) for row in report.rows} == ROWS
    for row in report.rows:
        assert row.value > 0
        assert row.note
        assert row.ratio is None or 0 < row.ratio < 1
    assert "lz4" in report.row("zram.compress").note
