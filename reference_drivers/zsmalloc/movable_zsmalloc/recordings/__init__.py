"""Replaying recordings of a real kernel's zram (spec/differences-drivers.md 1)."""

from movable_zsmalloc.recordings.adapter import ZramRecordings
from movable_zsmalloc.recordings.contents import page_contents

__all__ = ["ZramRecordings", "page_contents"]
