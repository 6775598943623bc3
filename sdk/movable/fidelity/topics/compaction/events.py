"""The lines of a recorded trace, and their shape in 4.9 (K05)."""

import re
from collections.abc import Iterator, Sequence

from movable.fidelity.model import Row, RowVerdict

__all__ = ["dropped_rows", "recorded_events"]

_PREFIX = re.compile(r"^ *.{1,16}-\d+ +(?:\( *[-\d]+\) )?\[\d+\] \S+ +\d+\.\d+: ")
_LATER = ("mm_migrate_pages_start", "set_migration_pte", "remove_migration_pte")
_LATER_FIELDS = re.compile(r" nr_thp_succeeded=\d+ nr_thp_failed=\d+ nr_thp_split=\d+(?= mode=)")


def _event(line: str) -> str:
    """The event of a line without task, CPU and time, and without the fields that came later."""
    return _LATER_FIELDS.sub("", _PREFIX.sub("", line))


def _is_later(event: str) -> bool:
    return event.partition(":")[0] in _LATER


def recorded_events(trace: Sequence[str]) -> list[str]:
    """The events that 4.9 has too, as it would print them."""
    return [event for event in map(_event, trace) if not _is_later(event)]


def dropped_rows(section: str, trace: Sequence[str]) -> Iterator[Row]:
    """One row for each kind of event that 4.9 has not."""
    for name in _LATER:
        count = sum(_event(line).partition(":")[0] == name for line in trace)
        if count:
            yield Row(section, f"events {name}", RowVerdict.EXPLAINED, str(count), "0", ("K05",))
