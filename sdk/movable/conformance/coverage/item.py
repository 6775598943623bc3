"""One statement of the specification, and the clause that covers it or the reason why no clause can."""

from attrs import frozen

__all__ = ["Item", "covered", "section", "untestable"]


@frozen
class Item:
    """A statement: its number within a section, in our words, with ``clauses`` or a ``reason``, never both.

    A number is that of the numbered item or table row, from 1; a letter follows where one has several sentences.
    """

    number: str
    sentence: str
    clauses: tuple[str, ...] = ()
    reason: str = ""
    section: str = ""

    @property
    def place(self) -> int:
        """The number without its letter."""
        return int(self.number.rstrip("abcdefghij"))


def covered(number: str, sentence: str, clauses: str) -> Item:
    """A statement that clauses cover, named with blanks between them."""
    return Item(number, sentence, tuple(clauses.split()))


def untestable(number: str, sentence: str, reason: str) -> Item:
    """A statement that asks nothing of a driver that could be tested, and why."""
    return Item(number, sentence, reason=reason)


def section(name: str, *items: Item) -> tuple[Item, ...]:
    """The statements of one section."""
    return tuple(Item(one.number, one.sentence, one.clauses, one.reason, name) for one in items)
