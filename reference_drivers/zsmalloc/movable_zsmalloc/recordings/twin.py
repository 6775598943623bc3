"""Two devices that get the same requests: one by the rules of Linux 4.9, one by those of the recorded kernel.

The first is what is judged. The second proves an explanation: with the differing rules switched on, and
nothing else, it must give what was recorded. What the first one must give then is reckoned here, from the
requests alone.
"""

import errno
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import define, evolve, field, frozen

from movable import PAGE_SIZE, VM, FidelityRule, RecordingError, Row, RowVerdict
from movable_zsmalloc.recordings.lengths import Lengths
from movable_zsmalloc.zram import LINUX_4_9, LINUX_6_1, ZramDevice, ZramError, ZramSysfs

__all__ = ["RULES", "MmStat", "Outcome", "Twin", "errno_name", "recorded_outcome", "same_or_wrong"]

_SOURCE = "spec/differences-drivers.md 1.1"

RULES = (
    FidelityRule(
        "Z01",
        "4.9 keeps only all-zero pages without an object; later any page whose words are all equal",
        _SOURCE,
    ),
    FidelityRule(
        "Z02", "4.9 counts a page kept without an object in field 6 only; later in field 1 too", _SOURCE
    ),
    FidelityRule(
        "Z03",
        "4.9 stores a page as it is if it compresses to more than 3072 bytes; later from 3257 on",
        _SOURCE,
    ),
    FidelityRule("Z05", "a control file that only one of the two versions has", _SOURCE),
    FidelityRule("Z06", "the algorithms that are built in, and their order", _SOURCE),
)

_FIELDS = (
    "orig_data_size",
    "compr_data_size",
    "mem_used_total",
    "mem_limit",
    "mem_used_max",
    "zero_pages",
    "pages_compacted",
)

MmStat = tuple[int, ...]

_MOST_BYTES = 4 << 30


@frozen
class Outcome:
    """What a step of a recording left behind: the error, and the two statistics lines cut to 4.9's fields (Z04).

    ``huge_pages`` is field 8 of mm_stat, which later versions have; it is compared by their rules only.
    """

    errno: str
    mm_stat: MmStat
    io_stat: MmStat
    huge_pages: int | None = field(default=None, eq=False)

    def __str__(self) -> str:
        numbers = ", ".join(f"{name} {value}" for name, value in zip(_FIELDS, self.mm_stat, strict=False))
        return f"{numbers}; io_stat {' '.join(map(str, self.io_stat))}; errno {self.errno}"

    def differences(self, other: "Outcome") -> str:
        """The names of what differs."""
        pairs = zip(_FIELDS, self.mm_stat, other.mm_stat, strict=False)
        names = [name for name, mine, theirs in pairs if mine != theirs]
        names += ["io_stat"] * (self.io_stat != other.io_stat) + ["errno"] * (self.errno != other.errno)
        return ", ".join(names)


@frozen
class _Held:
    """What is stored in one page of the device."""

    length: int
    zero: bool
    same_word: bool


@define
class _Side:
    """One of the devices: what it holds, and its answer to the last step."""

    device: ZramDevice
    held: dict[int, _Held] = field(factory=dict)
    errno: str = "0"

    def outcome(self) -> Outcome:
        """What the device says now."""
        files = ZramSysfs(self.device)
        lines = mm_stat(files.read("mm_stat")), io_stat(files.read("io_stat"))
        return Outcome(self.errno, *lines, self.device.stats.huge_pages)

    def write(self, index: int, data: bytes, held: _Held) -> bool:
        """Write a page; False, and `errno` set, if the block layer or the device refuses."""
        if index >= self.device.pages:
            self.errno = "ENOSPC"  # the block layer's own answer; spec/drivers.md 3.2
            return False
        try:
            self.device.write_page(index, data)
        except ZramError as error:
            self.errno = errno_name(error.errno or 0)
            return False
        self.held[index] = held
        return True

    def discard(self, index: int) -> None:
        """Discard a page; `errno` is set if it is not on the device."""
        if index >= self.device.pages:
            self.errno = "EINVAL"
            return
        self.device.discard(index, 1)
        self.held.pop(index, None)

    def control(self, file: str, text: str) -> None:
        """Write to a control file."""
        try:
            ZramSysfs(self.device).write(file, text)
        except ZramError as error:
            self.errno = errno_name(error.errno or 0)


class Twin:
    """The two devices, and an account of what was written to them."""

    def __init__(self, lengths: Lengths, disksize: int, limit: str = "") -> None:
        self.lengths = lengths
        if disksize > _MOST_BYTES:
            raise RecordingError(
                f"disksize {disksize}: devices of more than {_MOST_BYTES} bytes are not replayed"
            )
        self._vms = [VM("phone", debug=1, poison=False) for _ in range(2)]
        self._ours, self._later = (
            _Side(ZramDevice(vm, rules=rules, make_compressor=lengths.compressor))
            for vm, rules in zip(self._vms, (LINUX_4_9, LINUX_6_1), strict=True)
        )
        self._applied: set[str] = set()
        for side in self._sides():
            side.control("disksize", str(disksize))
            if limit:
                side.control("mem_limit", limit)

    def close(self) -> None:
        """Give the machines up."""
        for vm in self._vms:
            vm.close()

    def __enter__(self) -> "Twin":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def ours(self) -> ZramDevice:
        """The device by the rules of 4.9."""
        return self._ours.device

    def _sides(self) -> Iterator[_Side]:
        yield self._ours
        yield self._later

    # -- requests ----------------------------------------------------------------------------------

    def begin(self) -> None:
        """A step begins: no error so far."""
        for side in self._sides():
            side.errno = "0"

    def write(self, pages: Iterable[tuple[int, bytes]]) -> tuple[int, int]:
        """Write pages to both; each stops at its first error, as the recordings did. How many each took."""
        writing = list(self._sides())
        taken = [0, 0]
        for index, data in pages:
            held = self._note(data)
            for side in list(writing):
                if side.write(index, data, held):
                    taken[side is self._later] += 1
                else:
                    writing.remove(side)
            if not writing:
                break
        return taken[0], taken[1]

    def discard(self, indices: Iterable[int]) -> None:
        """Discard pages, one request each."""
        for index in indices:
            for side in self._sides():
                side.discard(index)

    def control(self, file: str, text: str) -> None:
        """Write to a control file of both."""
        for side in self._sides():
            side.control(file, text)

    def _note(self, data: bytes) -> _Held:
        """What a page will be, and which rules it brings in. Layout and peak keep its trace after it is gone."""
        words_equal = LINUX_6_1.element(data) is not None
        zero = words_equal and not any(data)
        length = 0 if zero else self.lengths.of(data)
        if words_equal and not zero:
            self._applied.add("Z01")
        elif not zero and LINUX_4_9.huge_from <= length < LINUX_6_1.huge_from:
            self._applied.add("Z03")
        return _Held(length, zero, words_equal and not zero)

    def held_lengths(self, indices: Iterable[int]) -> int:
        """Bytes that the recorded kernel stores for these pages."""
        held = self._later.held
        return sum(self._later_length(held[index]) for index in indices if index in held)

    @staticmethod
    def _later_length(held: _Held) -> int:
        if held.zero or held.same_word:
            return 0
        return held.length if held.length < LINUX_6_1.huge_from else PAGE_SIZE

    # -- judging -----------------------------------------------------------------------------------

    def judge(self, section: str, name: str, recorded: Outcome) -> Row:
        """Compare everything that both devices say now with what was recorded."""
        return self._judge(section, name, recorded, self._ours.outcome(), self._later.outcome())

    def judge_sizes(self, section: str, name: str, sizes: tuple[int, int], huge: int | None = None) -> Row:
        """Compare only the stored bytes, the pool's size and the huge pages: fields 2, 3 and 8."""
        ours, later = (side.outcome() for side in self._sides())
        recorded = evolve(ours, mm_stat=(ours.mm_stat[0], *sizes, *ours.mm_stat[3:]), huge_pages=huge)
        if later.mm_stat[1:3] == sizes:
            later = evolve(recorded, huge_pages=later.huge_pages)
        return self._judge(section, name, recorded, ours, later)

    def _judge(self, section: str, name: str, recorded: Outcome, ours: Outcome, later: Outcome) -> Row:
        if recorded.huge_pages not in (None, later.huge_pages):
            counts = (f"huge_pages {each.huge_pages}" for each in (recorded, later))
            return same_or_wrong(section, name, *counts)
        if ours == recorded:
            return Row(section, name, RowVerdict.EQUAL, str(recorded), str(ours))
        rules = self._rules()
        differing = ours.differences(recorded)
        wrong = self._unlike_4_9(ours)
        if not rules:
            note = f"differs: {differing}; no known difference applies to what was written"
        elif wrong:
            note = f"differs: {differing}; by the rules of 4.9 it should be {wrong}"
        elif later != recorded:
            left = later.differences(recorded)
            note = f"differs: {differing}; with {', '.join(rules)} switched on it still differs in {left}"
        else:
            note = f"differs: {differing}"
            return Row(section, name, RowVerdict.EXPLAINED, str(recorded), str(ours), rules, note)
        return Row(section, name, RowVerdict.WRONG, str(recorded), str(ours), rules, note)

    def _rules(self) -> tuple[str, ...]:
        applied = set(self._applied)
        if any(held.zero or held.same_word for held in self._later.held.values()):
            applied.add("Z02")
        return tuple(sorted(applied))

    def _unlike_4_9(self, ours: Outcome) -> str:
        """Fields 1, 2 and 6 as 4.9 counts what is held, where ours differ."""
        stored = [held for held in self._ours.held.values() if not held.zero]
        lengths = sum(held.length if held.length < LINUX_4_9.huge_from else PAGE_SIZE for held in stored)
        wanted = {0: len(stored) * PAGE_SIZE, 1: lengths, 5: len(self._ours.held) - len(stored)}
        return ", ".join(
            f"{_FIELDS[place]} {value}" for place, value in wanted.items() if ours.mm_stat[place] != value
        )


def same_or_wrong(section: str, name: str, recorded: str, ours: str) -> Row:
    """A row that no rule can explain."""
    verdict = RowVerdict.EQUAL if recorded == ours else RowVerdict.WRONG
    return Row(section, name, verdict, recorded, ours)


def recorded_outcome(step: Mapping[str, Any]) -> Outcome:
    """The outcome that a step's row tells of."""
    numbers = _numbers(step["mm_stat"], "mm_stat", len(_FIELDS))
    huge = numbers[len(_FIELDS)] if len(numbers) > len(_FIELDS) else None
    return Outcome(str(step["errno"]), numbers[: len(_FIELDS)], io_stat(step["io_stat"]), huge)


def mm_stat(line: str) -> MmStat:
    """The numbers of an mm_stat line, cut to the fields that 4.9 has (Z04)."""
    return _numbers(line, "mm_stat", len(_FIELDS))[: len(_FIELDS)]


def io_stat(line: str) -> MmStat:
    """The numbers of an io_stat line."""
    return _numbers(line, "io_stat", 4)


def _numbers(line: str, name: str, least: int) -> MmStat:
    values = tuple(int(word) for word in line.split())
    if len(values) < least:
        raise RecordingError(f"{name} has {len(values)} numbers, not {least} or more: {line!r}")
    return values


def errno_name(number: int) -> str:
    """An errno as recordings write it: its name, 0 for none."""
    return errno.errorcode.get(number, "0")
