"""A run as text: one column for each CPU, time from top to bottom."""

from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise
from operator import itemgetter

from movable.sched.trace import CALLBACKS, Event, Step, Trace

__all__ = ["columns"]

_NUMBER = 6
_LANDMARKS = (Event.OP, *CALLBACKS)


def columns(
    trace: Trace, *, cpus: int, width: int = 100, worker: bool = True, around: int | None = None
) -> Iterator[str]:
    """The steps of a run, line by line, in columns of one CPU each.

    ``width`` is that of a line. ``>`` before a step: the CPU runs from here on. ``!`` behind the number: the CPU
    before could have gone on, it was preempted. CPUs that did nothing have no column.
    With ``around``, steps that are further from a change of CPUs are left out, except where operations and
    callbacks begin.
    """
    steps = trace.steps
    busy = {step.cpu for step in steps if step.event not in (Event.START, Event.END, Event.WAIT)}
    shown = [cpu for cpu in range(cpus + worker) if cpu in busy] or list(range(cpus))
    room = max((width - _NUMBER) // len(shown), 12)
    kept = [step for step in steps if step.cpu in shown and step.event is not Event.START]
    switches = {step.number: before.preempts for before, step in pairwise(kept) if step.cpu != before.cpu}
    switches |= {step.number: False for step in kept[:1]}
    yield " " * _NUMBER + "".join(_title(cpu, cpus).ljust(room) for cpu in shown).rstrip()
    for step, more in _rows(kept, around):
        number, text = f"{step.number}{'!' if switches.get(step.number) else ''}", trace.text(step)
        if more:
            number, text = "", f"({more + 1} steps)"
        text = _cut(f"{'>' if step.number in switches else ' '} {text}", room)
        yield (number.ljust(_NUMBER) + " " * room * shown.index(step.cpu) + text).rstrip()


def _rows(steps: Iterable[Step], around: int | None) -> Iterator[tuple[Step, int]]:
    """Each step that is shown, and how many more it stands for."""
    for _, group in groupby(steps, key=lambda step: step.cpu):
        turn = list(group)
        near = len(turn) if around is None else around
        places = (place < near or place >= len(turn) - near for place in range(len(turn)))
        marked = [(step, close or step.event in _LANDMARKS) for step, close in zip(turn, places, strict=True)]
        for shown, some in groupby(marked, key=itemgetter(1)):
            part = [step for step, _ in some]
            if shown:
                yield from ((step, 0) for step in part)
            else:
                yield part[0], len(part) - 1


def _title(cpu: int, cpus: int) -> str:
    return f"CPU {cpu}" if cpu < cpus else f"CPU {cpu} (work)"


def _cut(text: str, room: int) -> str:
    return text if len(text) < room else text[: room - 2] + "…"
