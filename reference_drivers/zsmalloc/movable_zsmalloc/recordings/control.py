"""Rows about control files, block-layer errors and lists of names."""

import errno
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from movable import PAGE_SIZE, VM, RecordingError, Row, RowVerdict
from movable_zsmalloc.recordings.known import (
    ALWAYS_LATER,
    BUILT_IN_6_1,
    EARLIER_FILES,
    LATER_FILES,
    is_algorithm_list,
    known_difference,
)
from movable_zsmalloc.recordings.twin import errno_name
from movable_zsmalloc.zram import BUILT_IN, ZramControl, ZramDevice, ZramError, ZramSysfs, available

__all__ = ["algorithm_row", "control_rows"]

_SECTION = "errors"
_SIZE = "64M"
_BLOCK_LAYER = {
    "alignment_offset", "capability", "dev", "discard_alignment", "diskseq", "events", "events_async",
    "events_poll_msecs", "ext_range", "hidden", "inflight", "power", "queue", "range", "removable", "ro",
    "size", "slaves", "holders", "stat", "subsystem", "trace", "uevent", "bdi", "device", "integrity", "mq",
}  # fmt: skip
"""Attributes that every block device has; they belong to the block layer, not to zram."""

_WRITTEN = {
    "disksize": _SIZE, "reset": "1", "mem_limit": _SIZE, "mem_used_max": "0", "compact": "1", "max_comp_streams": "4",
    "comp_algorithm": "lz4", "idle": "all", "writeback": "huge", "writeback_limit": "0", "writeback_limit_enable": "0",
}  # fmt: skip
"""What is written to a file if the row does not say."""

_NOT_SET_UP = r"before (?:init|disksize)|uninit\w*|(?:not|without|un)[ -]?(?:init|set ?up)\w*"
_SET_UP = r"after init\w*|initiali[sz]ed|again|twice"
_OPEN = r"(?:while|when)? ?open\b"


class _Rig:
    """A device as the rows about errors want it: fresh, set up, or open."""

    def __init__(self, text: str) -> None:
        self.vm = VM("tiny", debug=1)
        self.control = ZramControl(self.vm)
        self.device = self.control.hot_add("deflate")
        self.files = ZramSysfs(self.device)
        fresh = re.search(rf"{_NOT_SET_UP}|disksize|comp_algorithm|max_comp_streams", text)
        again = re.search(_SET_UP, text) and not re.search(_NOT_SET_UP, text)
        if not fresh or again:
            self.files.write("disksize", _SIZE)
        self.open = self.device.open(direct=True) if "open" in text and self.device.pages else None

    @property
    def set_up(self) -> bool:
        """Whether the device is set up."""
        return self.device.pool is not None


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
    recorded = f"value {_words(row['value'])}" if "value" in row else f"errno {row['errno']}"
    failed = " (failed)" if row.get("ret", 0) < 0 else ""
    rig = _Rig(what)
    words = _words_of(what, reads="value" in row)
    try:
        before = rig.set_up
        answer = _act(rig, words)
        ours = "errno 0" if answer is None else f"value {_words(answer)}"
        ours_failed = ""
    except ZramError as error:
        ours = f"errno {errno_name(error.errno or 0)}"
        ours_failed = " (failed)"
    except LookupError:
        return Row(_SECTION, what, RowVerdict.WRONG, recorded, "", (), "this row is not understood")
    finally:
        rig.vm.close()
    if "ret" in row:
        recorded, ours = recorded + failed, ours + ours_failed
    if ours == recorded:
        return Row(_SECTION, what, RowVerdict.EQUAL, recorded, ours)
    difference = known_difference(words, set_up=before)
    if difference is None:
        return Row(_SECTION, what, RowVerdict.WRONG, recorded, ours, (), "no known difference applies")
    if recorded.removesuffix(" (failed)") != difference.later:
        note = f"{difference.rule} applies, but then {difference.later} is recorded"
        return Row(_SECTION, what, RowVerdict.WRONG, recorded, ours, (difference.rule,), note)
    if not ours.startswith(difference.earlier):
        note = f"{difference.rule} applies, but by the rules of 4.9 it should be {difference.earlier}"
        return Row(_SECTION, what, RowVerdict.WRONG, recorded, ours, (difference.rule,), note)
    return Row(_SECTION, what, RowVerdict.EXPLAINED, recorded, ours, (difference.rule,), difference.note)


def _words(text: str) -> str:
    """A text with single blanks."""
    return " ".join(text.split())


def _words_of(what: str, *, reads: bool) -> list[str]:
    """What a row says is done, in the words that `_act` knows: ``FILE read`` or ``FILE TEXT`` for a file."""
    text = re.sub(rf"\([^)]*\)|{_NOT_SET_UP}|{_SET_UP}|{_OPEN}", "", what)
    match text.split():
        case ["read", "of", file] | ["read", file] | [file, "read" | "reads" | "shows"]:
            return [file, "read"]
        case [file] if reads:
            return [file, "read"]
        case ["comp_algorithm", "too", "long"]:
            return ["comp_algorithm", "x" * 200]
        case ["writeback", "without", "backing", *_]:
            return ["writeback", "huge"]
        case [file] if file in _WRITTEN:
            return [file, _WRITTEN[file]]
        case words:
            return words


def _act(rig: _Rig, words: list[str]) -> str | None:
    """Do what a row says: the text that was read, None if nothing was. LookupError for one not understood."""
    if _act_on_device(rig, words):
        return None
    match words:
        case [file, "reads", "after", text]:
            rig.files.write(file, text)
            return rig.files.read(file)
        case [file, "read"]:
            return rig.files.read(file)
        case [file, text] if file in LATER_FILES or file in rig.files.files():
            rig.files.write(file, text)
        case _:
            raise LookupError(" ".join(words))
    return None


def _act_on_device(rig: _Rig, words: list[str]) -> bool:
    """Do what a row says to the device as a whole or as a file; False if it is about something else."""
    device = rig.device
    match words:
        case ["hot_add"]:
            rig.control.hot_add("deflate")
        case ["hot_remove"] | ["hot_remove", "of", *_]:
            rig.control.hot_remove(device.number)
        case ["hot_remove", text]:
            if not text.isdigit():
                raise ZramError(errno.EINVAL, f"hot_remove: {text!r} is no number")
            rig.control.hot_remove(int(text))
        case ["write" | "read" as way, "past" | "at" | "behind", "the", "end"]:
            _directly(device, way, device.disksize, PAGE_SIZE)
        case ["unaligned" | "misaligned", *_, "write" | "read" as way]:
            _directly(device, way, 512, PAGE_SIZE)
        case ["short", *_, "write" | "read" as way]:
            _directly(device, way, 0, 512)
        case ["unaligned" | "misaligned", "discard"] | ["discard", "unaligned" | "misaligned"]:
            _discard(device, 512, PAGE_SIZE)
        case ["write" | "read" as way, "at", offset, "len", length]:
            _directly(device, way, int(offset), int(length))
        case ["discard", "at", offset, "len", length]:
            _discard(device, int(offset), int(length))
        case ["discard", "past", "the", "end"]:
            _discard(device, device.disksize - PAGE_SIZE, 2 * PAGE_SIZE)
        case _:
            return False
    return True


def _directly(device: ZramDevice, way: str, offset: int, length: int) -> None:
    with device.open(direct=True) as file:
        file.seek(offset)
        if way == "write":
            file.write(bytes(length))
        else:
            file.readinto(bytearray(length))


def _discard(device: ZramDevice, offset: int, length: int) -> None:
    with device.open(direct=True) as file:
        file.discard(offset, length)


def algorithm_row(section: str, name: str, recorded: str) -> Row:
    """The list of algorithms: what 4.9 can offer, in its order, with ours in brackets (Z06)."""
    chosen = next((word.strip("[]") for word in recorded.split() if word.startswith("[")), "")
    with VM("tiny") as vm:
        device = ZramDevice(vm, algorithm=chosen if available(chosen) else "deflate")
        ours = ZramSysfs(device).read("comp_algorithm")
    texts = recorded.strip(), ours.strip()
    if ours.split() == recorded.split():
        return Row(section, name, RowVerdict.EQUAL, *texts)
    if not is_algorithm_list(recorded, BUILT_IN_6_1):
        note = "this is no list that the recorded kernel can print"
    elif not is_algorithm_list(ours, BUILT_IN):
        note = "this is no list that 4.9 can print"
    else:
        return Row(section, name, RowVerdict.EXPLAINED, *texts, ("Z06",), "built-in lists differ")
    return Row(section, name, RowVerdict.WRONG, *texts, (), note)


def _listing_row(what: str, listing: str) -> Row:
    """The folder's files: those of zram that both have must be there, the others are known differences."""
    recorded = set(listing.split()) - _BLOCK_LAYER
    rig = _Rig("")
    ours = set(rig.files.files())
    rig.vm.close()
    texts = " ".join(sorted(recorded)), " ".join(sorted(ours))
    if ours == recorded:
        return Row(_SECTION, what, RowVerdict.EQUAL, *texts)
    if ALWAYS_LATER <= recorded - ours <= LATER_FILES and ours - recorded <= EARLIER_FILES:
        return Row(_SECTION, what, RowVerdict.EXPLAINED, *texts, ("Z05",), "files that one side lacks")
    odd = sorted(
        (recorded - ours - LATER_FILES) | (ours - recorded - EARLIER_FILES) | (ALWAYS_LATER - recorded)
    )
    return Row(_SECTION, what, RowVerdict.WRONG, *texts, (), f"not explained: {' '.join(odd)}")


def _queue_row(row: Mapping[str, Any]) -> Row:
    recorded = {name: str(value) for name, value in row.items() if name not in ("what", "errno")}
    if not recorded:
        raise RecordingError("queue: the row tells no limit")
    with VM("tiny") as vm:
        limits = ZramDevice(vm, algorithm="deflate").queue_limits()
    ours = {name: str(limits[name]) for name in recorded if name in limits}
    verdict = RowVerdict.EQUAL if ours == recorded else RowVerdict.WRONG
    return Row(_SECTION, "queue", verdict, _pairs(recorded), _pairs(ours))


def _pairs(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(values.items()))
