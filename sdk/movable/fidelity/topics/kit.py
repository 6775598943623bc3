"""What the topics share: the emulated machine, calls and their errnos, and judging a row."""

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from movable.errors import MovableError, SystemCallError
from movable.fidelity.model import FidelityRule, Row, RowVerdict
from movable.fidelity.sections import NO_ROWS, Section, replay_sections
from movable.fidelity.topics.rules import SETUP_FIELD
from movable.flags import Mpol
from movable.process import Process
from movable.vm import VM

__all__ = [
    "EVERY_NODE",
    "PAGE",
    "Claim",
    "Section",
    "Sections",
    "attempt",
    "bits",
    "each_row",
    "errno_name",
    "errno_number",
    "judge",
    "machine",
    "map_pages",
    "nodes_of_list",
    "put",
    "query",
]

PAGE = 4096
EVERY_NODE = frozenset(range(4))
"""The nodes of the recordings' machine."""

Outcome = Mapping[str, Any]


class Sections:
    """An adapter whose recording consists of named sections; ``others`` are names that hold no rows."""

    topic: str
    rules: Sequence[FidelityRule]
    others: frozenset[str] = NO_ROWS

    def sections(self, recording: Mapping[str, Any]) -> Mapping[str, Section]:
        """The readers by name of section."""
        raise NotImplementedError

    def replay(self, recording: Mapping[str, Any]) -> Iterator[Row]:
        """All rows of all sections. RecordingError for a section that is not known, or of another shape."""
        yield from replay_sections(recording, self.sections(recording), self.others)


def each_row(section: str, rows: Iterable[Any], judge_row: Callable[[Any], Row]) -> Iterator[Row]:
    """The verdicts of rows. One that cannot be replayed is wrong, and does not keep the others from being compared."""
    for row in rows:
        try:
            verdict = judge_row(row)
        except (
            KeyError,
            TypeError,
            ValueError,
            IndexError,
            AttributeError,
            ArithmeticError,
            MovableError,
        ) as error:
            names = [
                row[key] for key in ("name", "label", "call", "file") if isinstance(row, dict) and key in row
            ]
            note = f"cannot be replayed ({type(error).__name__}: {error})"
            verdict = Row(section, str(names[0] if names else row), RowVerdict.WRONG, str(row), "", (), note)
        yield verdict


def machine() -> VM:
    """The machine of the recordings: four nodes, CPUs on the first two (replay set-up: nodes, distances, cpus)."""
    return VM("numa4")


def errno_name(number: int) -> str:
    """An errno as recordings write it: its name, 0 for none."""
    return errno.errorcode.get(number, "0")


def errno_number(name: str) -> int:
    """The number of an errno's name; 0 for "0"."""
    return int(getattr(errno, name, 0))


def attempt(call: Callable[[], Any]) -> tuple[Any, str]:
    """What a system call returned and "0"; or -1 and the name of the errno it failed with."""
    try:
        answer = call()
    except SystemCallError as error:
        return -1, errno_name(error.errno or 0)
    return (0 if answer is None else answer), "0"


def bits(mask: int) -> frozenset[int]:
    """The nodes of a mask."""
    return frozenset(node for node in range(mask.bit_length()) if mask >> node & 1)


def nodes_of_list(text: str) -> frozenset[int]:
    """The nodes of the kernel's list format: ``0-2,7``."""
    found: set[int] = set()
    for part in filter(None, (each.strip() for each in text.split(","))):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return frozenset(found)


def map_pages(process: Process, number: int, count: int) -> list[int]:
    """Map private anonymous pages from this page number on: their addresses."""
    process.mmap(count * PAGE, address=number * PAGE, fixed=True)
    return [(number + index) * PAGE for index in range(count)]


def put(process: Process, places: Iterable[tuple[int, int]], *, write: bool = True) -> None:
    """Touch each address so that its page comes to lie on the node beside it; the task's policy ends as default."""
    for address, node in places:
        process.set_mempolicy(Mpol.BIND, [node])
        process.touch(address, write=write)
    process.set_mempolicy(Mpol.DEFAULT)


def query(process: Process, addresses: Iterable[int]) -> list[int]:
    """The status of each address as ``move_pages`` without nodes gives it, one page at a time."""
    return [int(process.move_pages(0, [address])[0]) for address in addresses]


def _once(ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(ids))


@frozen
class Claim:
    """What the rules that apply to a row's inputs say of it: the outcome of 4.9, and that of the recorded kernel."""

    rules: tuple[str, ...] = field(converter=_once)
    earlier: Outcome
    later: Outcome


def judge(
    section: str,
    name: str,
    recorded: Outcome,
    ours: Outcome,
    claim: Claim | None = None,
    *,
    note: str = "",
    unread: Iterable[str] = (),
) -> Row:
    """A row's verdict. Its fields are those of ``recorded``; ``unread`` ones are told of and make it explained."""
    ours = {key: ours[key] for key in recorded}
    texts = _text(recorded), _text(ours)
    left = tuple(unread)
    if ours == recorded:
        if left:
            told = f"not compared: {', '.join(left)}" + (f"; {note}" if note else "")
            return Row(section, name, RowVerdict.EXPLAINED, *texts, (SETUP_FIELD,), told)
        return Row(section, name, RowVerdict.EQUAL, *texts, (), note)
    differing = [key for key in recorded if ours[key] != recorded[key]]
    told = f"differs: {', '.join(differing)}"
    if claim is None or not claim.rules:
        return Row(section, name, RowVerdict.WRONG, *texts, (), f"{told}; no known difference applies")
    for label, outcome, expected in (
        ("by the rules of 4.9", ours, claim.earlier),
        (f"with {', '.join(claim.rules)} in force", recorded, claim.later),
    ):
        off = [f"{key} {expected[key]}" for key in recorded if expected[key] != outcome[key]]
        if off:
            told = f"{told}; {label} it should be {', '.join(off)}"
            return Row(section, name, RowVerdict.WRONG, *texts, claim.rules, told)
    ids = (*claim.rules, SETUP_FIELD) if left else claim.rules
    told += "".join(f"; not compared: {each}" for each in left) + (f"; {note}" if note else "")
    return Row(section, name, RowVerdict.EXPLAINED, *texts, ids, told)


def _text(outcome: Outcome) -> str:
    return ", ".join(f"{key} {value}" for key, value in outcome.items())
