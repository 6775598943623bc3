"""Rows, verdicts, and what an adapter for a topic has to offer."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol

from attrs import field, frozen, validators

from movable.errors import MovableError

__all__ = ["FidelityRule", "RecordingAdapter", "RecordingError", "Row", "RowVerdict"]


class RecordingError(MovableError):
    """A recording that cannot be read; the message starts with the place in it."""


class RowVerdict(StrEnum):
    """How a row compares: the same; different as a rule says; different otherwise."""

    EQUAL = "equal"
    EXPLAINED = "explained"
    WRONG = "wrong"


@frozen
class FidelityRule:
    """A known difference between Linux 4.9 and the recorded kernel.

    ``sentence`` says what 4.9 does and what the later kernel does; ``source`` is the section that shows it.
    """

    id: str = field(validator=validators.min_len(1))
    sentence: str = field(validator=validators.min_len(1))
    source: str = field(validator=validators.min_len(1))


@frozen
class Row:
    """One row of a recording, replayed.

    ``name`` is its place within ``section``; ``recorded`` and ``ours`` are the two results as text. ``rules``
    are the ids of those that explain it; ``note`` says why they do not, or what was compared.
    """

    section: str
    name: str
    verdict: RowVerdict
    recorded: str
    ours: str
    rules: tuple[str, ...] = ()
    note: str = ""


class RecordingAdapter(Protocol):
    """Replays the recordings of one topic."""

    @property
    def topic(self) -> str:
        """The topic, as recordings name it."""

    @property
    def rules(self) -> Sequence[FidelityRule]:
        """The differences that may explain a row."""

    def replay(self, recording: Mapping[str, Any]) -> Iterator[Row]:
        """Replay all rows. RecordingError for a recording of another shape."""
