"""Makes a program that breaks a driver short and plain: fewer steps, then simpler arguments."""

from collections.abc import Iterator, Sequence

from movable.stateful.program import Line
from movable.stateful.steps import END, Broken, Record, SteppedMachine

__all__ = ["replay", "shorten"]

_MOST_REPLAYS = 300
_MOST_WAITS = 20
_PLAIN: dict[str, Sequence[object]] = {
    "size": ("one byte", "half", "largest"),
    "memory": ("plenty", "low"),
    "outcome": ("real",),
    "mode": ("SYNC",),
    "form": ("node",),
    "asynchronous": (False,),
    "count": (1, 2),
    "pages": (1, 2),
    "times": (1, 2),
    "which": (0,),
    "first": (0,),
    "batch": (0,),
}
"""The values tried for an argument, the plainest first."""


def replay(machine: type[SteppedMachine], lines: Sequence[Line]) -> Broken | None:
    """Run a program again; steps that cannot run where they stand are left out. What broke, or None."""
    try:
        state = machine()
        try:
            for line in lines:
                if line.name != END and state.may(line.name):
                    getattr(state, line.name)(**line.arguments)
        finally:
            state.teardown()
    except Broken as broken:
        return broken
    return None


def shorten(machine: type[SteppedMachine], broken: Broken) -> Broken | None:
    """A shorter program that breaks the same clause, at worst the same one; None if it does not break again."""
    quiet: type[SteppedMachine] = type(machine.__name__, (machine,), {"record": Record()})
    quiet.record.impatient = machine.record.impatient
    best = replay(quiet, broken.program.lines)
    if best is None:
        return None
    clause, left, improved = best.finding.clause, _MOST_REPLAYS, True
    if quiet.record.impatient:
        left = _MOST_WAITS
    while improved and left:
        improved = False
        for lines in _simpler(best.program.lines):
            if not left:
                break
            left -= 1
            found = replay(quiet, lines)
            if found is not None and found.finding.clause == clause and _cost(found) < _cost(best):
                best, improved = found, True
                break
    return best


def _cost(broken: Broken) -> tuple[int, int]:
    """Steps, then how far the arguments are from the plainest ones."""
    lines = broken.program.lines
    return len(lines), sum(_rank(name, value) for line in lines for name, value in line.arguments.items())


def _rank(name: str, value: object) -> int:
    plain = _PLAIN[name]
    return plain.index(value) if value in plain else len(plain)


def _simpler(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Programs without some of the steps, large cuts first; then programs with one argument plainer."""
    size = len(lines) // 2
    while size:
        for start in range(0, len(lines), size):
            yield [*lines[:start], *lines[start + size :]]
        size //= 2
    for place, line in enumerate(lines):
        for name, value in line.arguments.items():
            for plain in _PLAIN[name][: _rank(name, value)]:
                changed = Line(line.name, {**line.arguments, name: plain})
                yield [*lines[:place], changed, *lines[place + 1 :]]
