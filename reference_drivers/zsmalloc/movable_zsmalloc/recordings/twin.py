"""Two devices that get the same requests: one by the rules of Linux 4.9, one by those of the recorded kernel.

The first is what is judged. The second proves an explanation: with the differing rules switched on, and
nothing else, it must give what was recorded. What the first one must give then is reckoned here, from the
requests alone.
"""

import errno
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import evolve, frozen

from movable import PAGE_SIZE, VM, FidelityRule, Row, RowVerdict
from movable_zsmalloc.recordings.lengths import Lengths
from movable_zsmalloc.zram import LINUX_4_9, LINUX_6_1, ZramDevice, ZramError, ZramSysfs

__all__ = ["RULES", "MmStat", "Outcome", "Twin", "errno_name", "numbers", "recorded_outcome", "same_or_wrong"]

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
    FidelityRule(
        "S01",
        "the recorded kernel was built without the allocator's statistics file",
        "spec/differences-drivers.md 6",
    ),
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


@frozen
class Outcome:
    """What a step of a recording left behind: the error, and the two statistics lines cut to 4.9's fields."""

    errno: str
    mm_stat: MmStat
    io_stat: MmStat

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


class Twin:
    """The two devices, and an account of what was written to them."""

    def __init__(self, lengths: Lengths, disksize: int, limit: str = "") -> None:
        self.lengths = lengths
        self._vms = [VM("phone", debug=1, poison=False) for _ in range(2)]
        self.ours, self.later = (
            ZramDevice(vm, rules=rules, make_compressor=lengths.compressor)
            for vm, rules in zip(self._vms, (LINUX_4_9, LINUX_6_1), strict=True)
        )
        self._held: dict[int, _Held] = {}
        self._applied: set[str] = set()
        self.errno = "0"
        for device in self._devices():
            device.init(disksize)
            if limit:
                ZramSysfs(device).write("mem_limit", limit)

    def close(self) -> None:
        """Give the machines up."""
        for vm in self._vms:
            vm.close()

    def __enter__(self) -> "Twin":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _devices(self) -> Iterator[ZramDevice]:
        yield self.ours
        yield self.later

    # -- requests ----------------------------------------------------------------------------------

    def write(self, index: int, data: bytes) -> bool:
        """Write a page to both; False, and `errno` set, if ours refuses."""
        self.errno = "0"
        words_equal = LINUX_6_1.element(data) is not None
        zero = words_equal and not any(data)
        length = 0 if zero else self.lengths.of(data)
        self._note(length, zero=zero, same_word=words_equal and not zero)
        for device in self._devices():
            try:
                device.write_page(index, data)
            except ZramError as error:
                if device is self.ours:
                    self.errno = _name(error)
        if self.errno == "0":
            self._held[index] = _Held(length, zero, words_equal and not zero)
        return self.errno == "0"

    def discard(self, indices: Iterable[int]) -> None:
        """Discard pages, one request each."""
        self.errno = "0"
        for index in indices:
            for device in self._devices():
                device.discard(index, 1)
            self._held.pop(index, None)

    def control(self, file: str, text: str) -> None:
        """Write to a control file of both; `errno` is ours."""
        self.errno = "0"
        for device in self._devices():
            try:
                ZramSysfs(device).write(file, text)
            except ZramError as error:
                if device is self.ours:
                    self.errno = _name(error)

    def _note(self, length: int, *, zero: bool, same_word: bool) -> None:
        """Which rules a page brings in. Layout and peak keep its trace after it is gone."""
        if same_word:
            self._applied.add("Z01")
        elif not zero and LINUX_4_9.huge_from <= length < LINUX_6_1.huge_from:
            self._applied.add("Z03")

    def held_lengths(self, indices: Iterable[int]) -> int:
        """Bytes that the recorded kernel stores for these pages."""
        return sum(self._later_length(self._held[index]) for index in indices if index in self._held)

    @staticmethod
    def _later_length(held: _Held) -> int:
        if held.zero or held.same_word:
            return 0
        return held.length if held.length < LINUX_6_1.huge_from else PAGE_SIZE

    # -- judging -----------------------------------------------------------------------------------

    def judge(self, section: str, name: str, recorded: Outcome) -> Row:
        """Compare everything that both devices say now with what was recorded."""
        return self._judge(section, name, recorded, self._outcome(self.ours), self._outcome(self.later))

    def judge_sizes(self, section: str, name: str, sizes: tuple[int, int]) -> Row:
        """Compare only the stored bytes and the pool's size: fields 2 and 3."""
        outcomes = []
        for device in self._devices():
            full = self._outcome(device)
            outcomes.append((full, evolve(full, mm_stat=(full.mm_stat[0], *sizes, *full.mm_stat[3:]))))
        (ours, like_recorded), (later, later_like) = outcomes
        if later == later_like or ours == like_recorded:
            later = evolve(ours, mm_stat=like_recorded.mm_stat)
        return self._judge(section, name, like_recorded, ours, later)

    def _judge(self, section: str, name: str, recorded: Outcome, ours: Outcome, later: Outcome) -> Row:
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
        if any(held.zero or held.same_word for held in self._held.values()):
            applied.add("Z02")
        return tuple(sorted(applied))

    def _unlike_4_9(self, ours: Outcome) -> str:
        """Fields 1, 2 and 6 as 4.9 counts what is held, where ours differ."""
        stored = [held for held in self._held.values() if not held.zero]
        lengths = sum(held.length if held.length < LINUX_4_9.huge_from else PAGE_SIZE for held in stored)
        wanted = {0: len(stored) * PAGE_SIZE, 1: lengths, 5: len(self._held) - len(stored)}
        return ", ".join(
            f"{_FIELDS[place]} {value}" for place, value in wanted.items() if ours.mm_stat[place] != value
        )

    def _outcome(self, device: ZramDevice) -> Outcome:
        files = ZramSysfs(device)
        return Outcome(self.errno, numbers(files.read("mm_stat")), numbers(files.read("io_stat")))


def same_or_wrong(section: str, name: str, recorded: str, ours: str) -> Row:
    """A row that no rule can explain."""
    verdict = RowVerdict.EQUAL if recorded == ours else RowVerdict.WRONG
    return Row(section, name, verdict, recorded, ours)


def recorded_outcome(step: Mapping[str, Any]) -> Outcome:
    """The outcome that a step's row tells of."""
    return Outcome(str(step["errno"]), numbers(step["mm_stat"]), numbers(step["io_stat"]))


def numbers(line: str) -> MmStat:
    """The numbers of a statistics line, cut to the fields that 4.9 has (Z04)."""
    return tuple(int(word) for word in line.split())[: len(_FIELDS)]


def _name(error: ZramError) -> str:
    return errno_name(error.errno or 0)


def errno_name(number: int) -> str:
    """An errno as recordings write it: its name, 0 for none."""
    return errno.errorcode.get(number, "0")
