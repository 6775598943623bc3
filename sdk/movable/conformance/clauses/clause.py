"""What a clause is."""

from attrs import frozen

__all__ = ["DRIVERS", "MIGRATION", "Clause"]

MIGRATION = "spec/migration.md"
DRIVERS = "spec/drivers.md"


@frozen
class Clause:
    """One duty of a driver.

    ``severity`` is ``violation`` or ``advisory``; ``rules`` are ids in ``movable.errors.RULES``;
    ``untested`` says why no check of this version tests the clause.
    """

    id: str
    sentence: str
    source: str
    rules: tuple[str, ...] = ()
    severity: str = "violation"
    untested: str | None = None

    @property
    def family(self) -> str:
        """The part of the id before the dash."""
        return self.id.partition("-")[0]
