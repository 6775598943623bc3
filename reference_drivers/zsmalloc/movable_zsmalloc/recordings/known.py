"""What Linux 4.9 and 6.1 answer where their control files differ (spec/differences-drivers.md 1.1, Z05 and Z06)."""

import errno
from collections.abc import Sequence

from attrs import frozen

from movable_zsmalloc.zram import BUILT_IN

__all__ = [
    "ALWAYS_LATER",
    "BUILT_IN_6_1",
    "EARLIER_FILES",
    "LATER_FILES",
    "KnownDifference",
    "is_algorithm_list",
    "known_difference",
]

LATER_FILES = frozenset(
    {"idle", "writeback", "writeback_limit", "writeback_limit_enable", "backing_dev", "bd_stat"}
)
"""Files that 4.9 lacks (Z05)."""
ALWAYS_LATER = frozenset({"idle"})
"""Those of them that do not depend on how the later kernel was built. spec/drivers.md 3.10."""
EARLIER_FILES = frozenset(
    {
        "num_reads",
        "num_writes",
        "failed_reads",
        "failed_writes",
        "invalid_io",
        "notify_free",
        "zero_pages",
        "orig_data_size",
        "compr_data_size",
        "mem_used_total",
    }
)
"""Files that only 4.9 has (Z05)."""
BUILT_IN_6_1 = ("lzo", "lzo-rle", "lz4", "lz4hc", "842", "zstd")
_WRITE_ONLY_LATER = ("mem_limit", "mem_used_max")


@frozen
class KnownDifference:
    """A rule that applies to an access, and what it says: the text of 6.1, and how that of 4.9 begins."""

    rule: str
    later: str
    earlier: str
    note: str


def _errno(number: int) -> str:
    return f"errno {errno.errorcode[number]}"


_DONE = "errno 0"
_INVALID = _errno(errno.EINVAL)
_MISSING = _errno(errno.ENOENT)
_DENIED = _errno(errno.EACCES)
_BUSY = _errno(errno.EBUSY)


def known_difference(words: Sequence[str], *, set_up: bool) -> KnownDifference | None:
    """The rule that applies to ``FILE read`` or ``FILE TEXT``; None if both versions answer the same."""
    match words:
        case [file, text] if file in LATER_FILES:
            later = _later_read(file) if text == "read" else _later_write(file, text, set_up=set_up)
            return None if later is None else KnownDifference("Z05", later, _MISSING, "4.9 has no such file")
        case [file, "read"] if file in EARLIER_FILES:
            return KnownDifference("Z05", _MISSING, "value ", "only 4.9 has this file")
        case [file, _] if file in EARLIER_FILES:
            return KnownDifference("Z05", _MISSING, _DENIED, "only 4.9 has this file")
        case [file, "read"] | [file, "reads", "after", _] if file in _WRITE_ONLY_LATER:
            return KnownDifference("Z05", _DENIED, "value ", "readable in 4.9 only")
        case ["comp_algorithm", name] if name in BUILT_IN_6_1 and name not in BUILT_IN:
            later = _BUSY if set_up else _DONE
            return KnownDifference("Z06", later, _INVALID, "not built in in 4.9")
        case ["comp_algorithm", name] if name in BUILT_IN and name not in BUILT_IN_6_1:
            earlier = _BUSY if set_up else _DONE
            return KnownDifference("Z06", _INVALID, earlier, "built in in 4.9 only")
    return None


def _later_read(file: str) -> str:
    """What reading a file that 4.9 lacks gives while no backing device is set."""
    match file:
        case "bd_stat":
            return "value 0 0 0"
        case "backing_dev":
            return "value none"
        case "writeback_limit" | "writeback_limit_enable":
            return "value 0"
    return _DENIED


def _later_write(file: str, text: str, *, set_up: bool) -> str | None:
    """What writing such a file gives while no backing device is set; None where that depends on more."""
    match file:
        case "idle":
            return _DONE if set_up and text == "all" else _INVALID
        case "writeback":
            known = text in ("idle", "huge") or text.startswith("page_index=")
            return _errno(errno.ENODEV) if set_up and known else _INVALID
        case "writeback_limit" | "writeback_limit_enable":
            return _DONE if text.isdigit() else _INVALID
        case "backing_dev":
            return _BUSY if set_up else None
    return _DENIED


def is_algorithm_list(text: str, built_in: Sequence[str]) -> bool:
    """Whether a kernel with these built-in algorithms can print this list (spec/drivers.md 3.9).

    Each may be left out of a build; the order is fixed; one is in brackets, and comes last if it is not built in.
    """
    words = text.split()
    chosen = [word for word in words if word.startswith("[") and word.endswith("]")]
    if len(chosen) != 1:
        return False
    names = [word[1:-1] if word in chosen else word for word in words]
    if names[-1] not in built_in and words[-1] in chosen:
        names.pop()
    return bool(names) and names == [name for name in built_in if name in names]
