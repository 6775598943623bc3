"""A run as text: one column for each CPU, time from top to bottom."""

from collections.abc import Iterator

from movable.sched.trace import Event, Step, Trace

__all__ = ["columns"]

_NUMBER = 6


def columns(trace: Trace, *, cpus: int, width: int = 100, worker: bool = True) -> Iterator[str]:
    """The steps of a run, line by line, in columns of one CPU each.

    ``width`` is that of a line. ``>`` before a step: the CPU runs from here on. ``!`` behind the number: the CPU
    before could have gone on, it was preempted. The CPU for queued work has no column unless it did something.
    """
    steps = trace.steps
    busy = {step.cpu for step in steps if step.event not in (Event.START, Event.END, Event.WAIT)}
    shown = [cpu for cpu in range(cpus + worker) if cpu < cpus or cpu in busy]
    room = max((width - _NUMBER) // len(shown), 12)
    yield " " * _NUMBER + "".join(_title(cpu, cpus).ljust(room) for cpu in shown).rstrip()
    before: Step | None = None
    for step in steps:
        if step.cpu in shown and step.event is not Event.START:
            changed = before is None or before.cpu != step.cpu
            preempted = before is not None and before.preempts
            text = f"{'>' if changed else ' '} {trace.text(step)}"
            number = f"{step.number}{'!' if preempted and changed else ''}".ljust(_NUMBER)
            yield (number + " " * room * shown.index(step.cpu) + _cut(text, room)).rstrip()
            before = step


def _title(cpu: int, cpus: int) -> str:
    return f"CPU {cpu}" if cpu < cpus else f"CPU {cpu} (work)"


def _cut(text: str, room: int) -> str:
    return text if len(text) < room else text[: room - 2] + "…"
