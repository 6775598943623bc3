"""Reading the steps of a recording: what was written, discarded and asked for, in the recordings' words."""

import re
from collections.abc import Callable

from attrs import frozen

from movable import PAGE_SIZE, RecordingError

__all__ = [
    "Compact",
    "Discard",
    "Nothing",
    "Read",
    "ResetPeak",
    "SetUp",
    "Step",
    "Write",
    "parse_size",
    "parse_step",
]

_MOST_PAGES = 1 << 20
_KINDS = r"zero|same-word|incompressible|k-random|text"


@frozen
class SetUp:
    """The device is set up anew with this many bytes."""

    disksize: int


@frozen
class Write:
    """Pages of a kind are written; page ``indices[n]`` gets the contents of number ``numbers[n]``."""

    kind: str
    k: int
    indices: tuple[int, ...]
    numbers: tuple[int, ...]


@frozen
class Discard:
    """Pages are discarded, one request each."""

    indices: tuple[int, ...]


@frozen
class Read:
    """Pages are read; None stands for one that was never written."""

    indices: tuple[int, ...] | None


@frozen
class Compact:
    """zs_compact runs."""


@frozen
class ResetPeak:
    """mem_used_max starts from the present usage."""


@frozen
class Nothing:
    """The state is looked at once more."""


Step = SetUp | Write | Discard | Read | Compact | ResetPeak | Nothing


def parse_size(text: str) -> int:
    """Bytes of a size such as ``64M``."""
    match = re.fullmatch(r"(\d+)([KMG]?)", text)
    if match is None:
        raise RecordingError(f"size {text!r} is no number with K, M or G")
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2]]


def parse_step(text: str) -> Step:
    """What a step's text asks for. RecordingError for one that cannot be read."""
    for pattern, read in _PATTERNS:
        match = re.fullmatch(pattern, text)
        if match is not None:
            return read(match)
    raise RecordingError(f"step {text!r} is not understood")


def _range(text: str) -> tuple[int, ...]:
    """``A..B``, both included, or ``A``."""
    first, _, last = text.partition("..")
    indices = range(int(first), int(last or first) + 1)
    if len(indices) > _MOST_PAGES:
        raise RecordingError(f"{text}: more pages than {_MOST_PAGES}")
    return tuple(indices)


def _numbers(text: str | None, count: int) -> tuple[int, ...]:
    """Page numbers: ``a..b``, ``a+i``, ``a``; from 0 on if nothing is said."""
    if text is None:
        return tuple(range(count))
    if ".." in text:
        numbers = _range(text)
        if len(numbers) != count:
            raise RecordingError(f"ids {text} are {len(numbers)}, for {count} pages")
        return numbers
    start = int(text.removesuffix("+i"))
    return tuple(range(start, start + count)) if text.endswith("+i") or count == 1 else (start,) * count


def _write(match: re.Match[str]) -> Step:
    parts = match.groupdict()
    indices = _range(parts["at"])
    if parts.get("count") and int(parts["count"]) != len(indices):
        raise RecordingError(f"step {match[0]!r}: {parts['count']} pages for {len(indices)} places")
    k = int(parts["k"]) if parts["k"] else PAGE_SIZE
    return Write(parts["kind"], k, indices, _numbers(parts["id"], len(indices)))


def _discard(match: re.Match[str]) -> Step:
    indices = _range(match["at"])
    every = match["every"]
    if every == "even":
        indices = tuple(index for index in indices if index % 2 == 0)
    elif every == "odd":
        indices = tuple(index for index in indices if index % 2)
    return Discard(indices)


_CONTENTS = rf"(?P<kind>{_KINDS})(?: pages?)?(?: k=(?P<k>\d+))?(?: id (?P<id>\d+(?:\.\.\d+|\+i)?))?"

_PATTERNS: tuple[tuple[str, Callable[[re.Match[str]], Step]], ...] = (
    (r"init disksize (\d+[KMG]?)", lambda match: SetUp(parse_size(match[1]))),
    (rf"(?P<count>\d+) {_CONTENTS} at (?P<at>\d+(?:\.\.\d+)?)", _write),
    (rf"overwrite (?:(?:{_KINDS}) )?(?P<at>\d+(?:\.\.\d+)?) with {_CONTENTS}", _write),
    (r"discard (?:never written )?(?:(?P<every>even|odd) of )?(?P<at>\d+(?:\.\.\d+)?)", _discard),
    (r"\d+ reads? at (\d+(?:\.\.\d+)?)", lambda match: Read(_range(match[1]))),
    (r"read of a never written page", lambda _match: Read(None)),
    (r"compact", lambda _match: Compact()),
    (r"mem_used_max reset", lambda _match: ResetPeak()),
    (r"end", lambda _match: Nothing()),
)
