"""Rows about control files, block-layer errors and lists of names."""

import errno
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from movable import PAGE_SIZE, VM, Row, RowVerdict
from movable_zsmalloc.recordings.twin import errno_name
from movable_zsmalloc.zram import ZramControl, ZramDevice, ZramError, ZramSysfs, available

__all__ = ["algorithm_row", "control_rows"]

_SECTION = "errors"
_SIZE = "64M"
_LATER_FILES = {
    "idle",
    "writeback",
    "writeback_limit",
    "writeback_limit_enable",
    "backing_dev",
    "bd_stat",
    "recomp_algorithm",
    "recompress",
}
"""Files that 4.9 lacks (Z05)."""
_EARLIER_FILES = {
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
"""Files that only 4.9 has (Z05)."""
_BUILT_IN_4_9 = ("lzo", "lz4", "deflate", "lz4hc", "842")
_BLOCK_LAYER = {
    "alignment_offset", "capability", "dev", "discard_alignment", "diskseq", "events", "events_async",
    "events_poll_msecs", "ext_range", "hidden", "inflight", "power", "queue", "range", "removable", "ro",
    "size", "slaves", "holders", "stat", "subsystem", "trace", "uevent", "bdi", "device", "integrity", "mq",
}  # fmt: skip
"""Attributes that every block device has; they belong to the block layer, not to zram."""


class _Rig:
    """A device as the rows about errors want it: fresh, set up, or open."""

    def __init__(self, text: str) -> None:
        self.vm = VM("tiny", debug=1)
        self.control = ZramControl(self.vm)
        self.device = self.control.hot_add("deflate")
        self.files = ZramSysfs(self.device)
        fresh = re.search(r"before init|uninit|disksize|comp_algorithm|max_comp_streams", text)
        if not fresh or re.search(r"after init|initiali[sz]ed|again|twice", text):
            self.files.write("disksize", _SIZE)
        self.open = self.device.open(direct=True) if "open" in text else None


def control_rows(rows: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """One row for each thing that was tried."""
    for row in rows:
        what = str(row["what"])
        if "list" in row:
            yield _listing_row(what, row["list"])
        elif what == "queue":
            yield _queue_row(row)
        elif what.startswith("comp_algorithm") and "value" in row:
            yield algorithm_row(_SECTION, what, row["value"])
        else:
            yield _error_row(what, row)


def _error_row(what: str, row: Mapping[str, Any]) -> Row:
    recorded = f"value {row['value'].strip()}" if "value" in row else f"errno {row['errno']}"
    rig = _Rig(what)
    try:
        answer = _act(rig, what)
        ours = "errno 0" if answer is None else f"value {answer.strip()}"
    except ZramError as error:
        ours = f"errno {errno_name(error.errno or 0)}"
    except LookupError:
        return Row(_SECTION, what, RowVerdict.WRONG, recorded, "", (), "this row is not understood")
    finally:
        rig.vm.close()
    if ours == recorded:
        return Row(_SECTION, what, RowVerdict.EQUAL, recorded, ours)
    return _explained_error(what, recorded, ours)


def _explained_error(what: str, recorded: str, ours: str) -> Row:
    """A file that only one side has is -ENOENT at open on the other; an algorithm 4.9 lacks is -EINVAL."""
    words = what.split()
    missing = f"errno {errno.errorcode[errno.ENOENT]}"
    if words[0] in _LATER_FILES and ours == missing:
        return Row(_SECTION, what, RowVerdict.EXPLAINED, recorded, ours, ("Z05",), "4.9 has no such file")
    if words[0] in _EARLIER_FILES and recorded == missing:
        return Row(_SECTION, what, RowVerdict.EXPLAINED, recorded, ours, ("Z05",), "only 4.9 has this file")
    if words[0] in ("mem_limit", "mem_used_max") and "read" in words and ours.startswith("value"):
        return Row(_SECTION, what, RowVerdict.EXPLAINED, recorded, ours, ("Z05",), "readable in 4.9 only")
    if words[0] == "comp_algorithm" and words[1] not in _BUILT_IN_4_9 and ours == "errno EINVAL":
        return Row(_SECTION, what, RowVerdict.EXPLAINED, recorded, ours, ("Z06",), "not built in in 4.9")
    return Row(_SECTION, what, RowVerdict.WRONG, recorded, ours, (), "no known difference applies")


def _act(rig: _Rig, what: str) -> str | None:
    """Do what a row says: the text that was read, None if nothing was. LookupError for one not understood."""
    words = re.sub(r"\([^)]*\)|before init|after init|again|twice|(?:while|when) open", "", what).split()
    if _act_on_device(rig, words):
        return None
    match words:
        case [file, "reads", "after", text]:
            rig.files.write(file, text)
            return rig.files.read(file)
        case ["read", file] | ["read", "of", file] | [file, "read"]:
            return rig.files.read(file)
        case ["comp_algorithm", "too", "long"]:
            rig.files.write("comp_algorithm", "x" * 200)
        case ["writeback", "without", "backing"]:
            rig.files.write("writeback", "huge")
        case [file]:
            rig.files.write(file, "1")
        case [file, text]:
            rig.files.write(file, text)
        case _:
            raise LookupError(what)
    return None


def _act_on_device(rig: _Rig, words: list[str]) -> bool:
    """Do what a row says to the device as a whole or as a file; False if it is about something else."""
    device = rig.device
    match words:
        case ["hot_add"]:
            rig.control.hot_add("deflate")
        case ["hot_remove", "of", *_]:
            rig.control.hot_remove(device.number)
        case ["hot_remove", text]:
            if not text.isdigit():
                raise ZramError(errno.EINVAL, f"hot_remove: {text!r} is no number")
            rig.control.hot_remove(int(text))
        case ["write", "past" | "at" | "behind", "the", "end"]:
            _write_directly(device, device.disksize, PAGE_SIZE)
        case ["unaligned" | "misaligned", *_, "write"]:
            _write_directly(device, 512, PAGE_SIZE)
        case ["short", *_, "write"]:
            _write_directly(device, 0, 512)
        case ["discard", "at", offset, "len", length]:
            _discard(device, int(offset), int(length))
        case ["discard", "past", "the", "end"]:
            _discard(device, device.disksize - PAGE_SIZE, 2 * PAGE_SIZE)
        case _:
            return False
    return True


def _write_directly(device: ZramDevice, offset: int, length: int) -> None:
    with device.open(direct=True) as file:
        file.seek(offset)
        file.write(bytes(length))


def _discard(device: ZramDevice, offset: int, length: int) -> None:
    with device.open(direct=True) as file:
        file.discard(offset, length)


def algorithm_row(section: str, name: str, recorded: str) -> Row:
    """The list of algorithms: what 4.9 can offer, in its order, with ours in brackets (Z06)."""
    with VM("tiny") as vm:
        chosen = next((word.strip("[]") for word in recorded.split() if word.startswith("[")), "")
        device = ZramDevice(vm, algorithm=chosen if available(chosen) else "deflate")
        ours = ZramSysfs(device).read("comp_algorithm")
    names = [word.strip("[]") for word in ours.split()]
    if ours.split() == recorded.split():
        return Row(section, name, RowVerdict.EQUAL, recorded, ours)
    as_in_4_9 = [each for each in _BUILT_IN_4_9 if each in names] == names and ours.endswith(" \n")
    verdict = RowVerdict.EXPLAINED if as_in_4_9 else RowVerdict.WRONG
    return Row(section, name, verdict, recorded.strip(), ours.strip(), ("Z06",), "built-in lists differ")


def _listing_row(what: str, listing: str) -> Row:
    """The folder's files: those of zram that both have must be there, the others are known differences."""
    recorded = set(listing.split()) - _BLOCK_LAYER
    rig = _Rig("")
    ours = set(rig.files.files())
    rig.vm.close()
    texts = " ".join(sorted(recorded)), " ".join(sorted(ours))
    if ours == recorded:
        return Row(_SECTION, what, RowVerdict.EQUAL, *texts)
    if recorded - ours <= _LATER_FILES and ours - recorded <= _EARLIER_FILES:
        return Row(_SECTION, what, RowVerdict.EXPLAINED, *texts, ("Z05",), "files that one side lacks")
    odd = sorted((recorded - ours - _LATER_FILES) | (ours - recorded - _EARLIER_FILES))
    return Row(_SECTION, what, RowVerdict.WRONG, *texts, (), f"not explained: {' '.join(odd)}")


def _queue_row(row: Mapping[str, Any]) -> Row:
    recorded = {name: str(value) for name, value in row.items() if name not in ("what", "errno")}
    with VM("tiny") as vm:
        limits = ZramDevice(vm, algorithm="deflate").queue_limits()
    ours = {name: str(limits[name]) for name in recorded if name in limits}
    verdict = RowVerdict.EQUAL if ours == recorded else RowVerdict.WRONG
    return Row(_SECTION, "queue", verdict, _pairs(recorded), _pairs(ours))


def _pairs(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(values.items()))
