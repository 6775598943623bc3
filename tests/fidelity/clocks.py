"""A topic for tests: recordings of a clock that runs five minutes fast since a certain version."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from movable import FidelityRule, RecordingError, Row, RowVerdict

__all__ = ["Clocks", "recording"]

FAST = FidelityRule("T01", "until 5.0 the clock is right, later it is five minutes fast", "spec/clocks.md 1")
UNUSED = FidelityRule("T02", "until 5.0 there is no alarm", "spec/clocks.md 2")


class Clocks:
    """Replays recordings of clocks; ``explain`` is the rule that it names for a fast one."""

    topic = "clocks"
    rules: Sequence[FidelityRule] = (FAST, UNUSED)

    def __init__(self, explain: tuple[str, ...] = ("T01",)) -> None:
        self.explain = explain

    def replay(self, recording: Mapping[str, Any]) -> Iterator[Row]:
        """A row for each time that was read."""
        for section, times in recording["clocks"].items():
            for asked, shown in times:
                if not isinstance(asked, int):
                    raise RecordingError(f"{section}: {asked!r} is no time")
                texts = str(shown), str(asked)
                if shown == asked:
                    yield Row(section, f"at {asked}", RowVerdict.EQUAL, *texts)
                elif shown == asked + 5:
                    yield Row(section, f"at {asked}", RowVerdict.EXPLAINED, *texts, self.explain, "fast")
                else:
                    yield Row(section, f"at {asked}", RowVerdict.WRONG, *texts, (), "no rule applies")


def recording(**sections: list[list[Any]]) -> dict[str, Any]:
    """A recording of clocks: for each section pairs of the true time and the one shown."""
    return {"topic": "clocks", "meta": {"kernel": "Linux 6.1"}, "clocks": sections}
