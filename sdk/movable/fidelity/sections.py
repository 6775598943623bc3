"""Recordings that consist of named sections, each with rows of its own kind."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from movable.errors import MovableError
from movable.fidelity.model import RecordingError, Row

__all__ = ["NO_ROWS", "Section", "replay_sections"]

Section = Callable[[Any], Iterator[Row]]
"""Replays the content of a section."""

NO_ROWS = frozenset({"meta", "topic", "notes"})
"""What a recording holds beside sections."""


def replay_sections(
    recording: Mapping[str, Any], sections: Mapping[str, Section], others: frozenset[str] = NO_ROWS
) -> Iterator[Row]:
    """All rows of all sections, each by its reader; ``others`` are names that hold no rows.

    RecordingError, which names the section, for one that is not known, or of another shape.
    """
    for name, content in recording.items():
        if name in others:
            continue
        if name not in sections:
            raise RecordingError(f"{name}: this section is not known; known: {', '.join(sections)}")
        try:
            yield from sections[name](content)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError) as error:
            raise RecordingError(f"{name}: has another shape ({type(error).__name__}: {error})") from error
        except MovableError as error:
            raise RecordingError(f"{name}: {error}") from error
