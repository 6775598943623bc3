"""What a run was: its steps, as the core recorded them."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Any

from attrs import field, frozen

from movable.sched.schedule import Choice, Schedule

__all__ = ["CALLBACKS", "Event", "Step", "Trace"]


class Event(IntEnum):
    """What a CPU did at a step; in the order of the core's ``enum sched_event``."""

    START = 0
    END = 1
    OP = 2
    LINE = 3
    LOCK = 4
    TRYLOCK = 5
    UNLOCK = 6
    WAIT = 7
    WAKE = 8
    YIELD = 9
    LOCK_PAGE = 10
    TRYLOCK_PAGE = 11
    UNLOCK_PAGE = 12
    WAIT_PAGE = 13
    GET_PAGE = 14
    PUT_PAGE = 15
    ALLOC = 16
    FREE = 17
    COPY = 18
    ISOLATE = 19
    MIGRATE = 20
    PUTBACK = 21
    RETURN = 22
    FAULT = 23
    RMAP = 24
    MOVE = 25
    ACCESS = 26
    REBIND = 27


CALLBACKS = (Event.ISOLATE, Event.MIGRATE, Event.PUTBACK)
"""A driver's callback begins; it ends with the CPU's next RETURN."""

_PAGE_EVENTS = frozenset(range(Event.LOCK_PAGE, Event.PUT_PAGE + 1)) | {
    Event.FREE,
    Event.COPY,
    Event.RETURN,
    Event.FAULT,
    Event.RMAP,
    Event.MOVE,
    Event.ACCESS,
}
_VM_LOCK_KEY = 1 << 60
_VM_LOCKS = ("mmap_sem", "anon_vma lock", "i_mmap lock", "i_rwsem", "tree lock", "task lock")
_WORDS = {
    Event.OP: "->",
    Event.LOCK: "lock",
    Event.TRYLOCK: "trylock",
    Event.UNLOCK: "unlocked",
    Event.WAIT: "waits for",
    Event.WAKE: "wakes",
    Event.YIELD: "busy:",
    Event.LOCK_PAGE: "lock_page",
    Event.TRYLOCK_PAGE: "trylock_page",
    Event.UNLOCK_PAGE: "unlocked page",
    Event.WAIT_PAGE: "waits for page",
    Event.GET_PAGE: "get_page",
    Event.PUT_PAGE: "put_page",
    Event.ALLOC: "alloc_pages order",
    Event.FREE: "free_pages",
    Event.COPY: "copy from",
    Event.ISOLATE: "isolate_page",
    Event.MIGRATE: "migratepage",
    Event.PUTBACK: "putback_page",
    Event.RETURN: "returns, page",
    Event.FAULT: "page fault at",
    Event.RMAP: "changes a mapping of page",
    Event.MOVE: "has frozen page",
    Event.ACCESS: "accesses memory at",
    Event.REBIND: "changes the nodes of a process to",
    Event.LINE: "line",
    Event.END: "end",
    Event.START: "start",
}


@frozen
class Step:
    """A scheduling point: which CPU was at it, what it was about to do, and who went on instead.

    ``number`` counts the steps of all CPUs, ``own`` those of this one.
    ``runnable`` has a bit for each CPU that could go on, ``default`` is whom the default would have chosen;
    ``id`` is a page frame, the key of a lock, the number of an operation or of a line.
    """

    number: int
    cpu: int
    own: int
    event: Event
    id: int
    chosen: int
    default: int
    runnable: int

    @property
    def preempts(self) -> bool:
        """Whether a CPU that could have gone on had to let another one run."""
        return self.chosen != self.cpu and self.default == self.cpu and self.event is not Event.START

    def price(self, cpu: int) -> int:
        """1 where it is a preemption that ``cpu`` goes on, or where this CPU goes on instead of those it lets run."""
        return 0 if self.event is Event.START else int((self.default == self.cpu) != (cpu == self.cpu))


@frozen
class Trace:
    """A run: how it went in numbers, and its steps, which are read from the record on demand.

    ``switches`` are those between CPUs of the scenario, without the one that runs queued work.
    ``hash`` is over CPU, event, object and choice of every step, and the same in every process.
    """

    nr_steps: int
    switches: int
    preemptions: int
    async_sleeps: int
    hash: int
    record: Sequence[Any] = field(repr=False)
    names: Mapping[int, str] = field(repr=False)
    describe_op: Callable[[int, int], str] = field(repr=False)

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step, in order."""
        return tuple(
            Step(number, one.cpu, own, Event(one.event), one.id, one.chosen, one.alternative, one.runnable)
            for number, (one, own) in enumerate(self._counted())
        )

    @property
    def schedule(self) -> Schedule:
        """The schedule that repeats this run, whatever strategy made it."""
        return Schedule(
            Choice(one.cpu, own, one.chosen) for one, own in self._counted() if one.chosen != one.alternative
        )

    def _counted(self) -> Iterator[tuple[Any, int]]:
        """The recorded steps, each with how many its CPU had done before."""
        done: Counter[int] = Counter()
        for one in self.record:
            yield one, done[one.cpu]
            done[one.cpu] += 1

    def inside_callbacks(self) -> list[tuple[int, int]]:
        """The steps, by CPU and own number, at which a CPU was inside a driver's callback."""
        depth: Counter[int] = Counter()
        inside = []
        for one, own in self._counted():
            if depth[one.cpu]:
                inside.append((one.cpu, own))
            depth[one.cpu] += (one.event in CALLBACKS) - (one.event == Event.RETURN)
        return inside

    def text(self, step: Step) -> str:
        """What the CPU was about to do, in words: ``lock SpinLock 'pool'``, ``get_page 0x1f``."""
        word = _WORDS[step.event]
        if step.event is Event.OP:
            return f"{word} {self.describe_op(step.cpu, step.id)}"
        if step.event in CALLBACKS:
            return f"{word}({step.id:#x})"
        if step.event in _PAGE_EVENTS:
            return f"{word} {step.id:#x}"
        if step.event in (Event.END, Event.START):
            return word
        if step.event is Event.LINE:
            return self.names.get(step.id, f"line {step.id}")
        return f"{word} {self.name(step.id)}" if step.event is not Event.ALLOC else f"{word} {step.id}"

    def name(self, key: int) -> str:
        """The name of a lock or event; of a page for the keys of none."""
        if key in self.names:
            return self.names[key]
        if key & _VM_LOCK_KEY:
            return f"{_VM_LOCKS[key >> 52 & 0xFF]} {key & 0xFFFF_FFFF}"
        base = key >> 32 << 32
        return f"{self.names[base]}[{key - base:#x}]" if base in self.names else f"page {key:#x}"
