"""A driver's own compaction that does not end: B49, B50, B51. (B47 is the core's.)

The driver keeps its objects in rows of cells and closes gaps by itself when one is dropped.
"""

from movable import VM
from movable.conformance.power import correct, wrong
from mutants.cells import Cells

KIND = "livelock"
BLOCK = 8


@correct(one_cpu=True)
class Rows(Cells):
    """Correct: objects stand in a row, ``None`` is a gap; gaps are closed from the end when there are many."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.row: list[int | None] = [0]
        self.done: set[int] = set()
        self.stop = False

    def store(self, data: bytes) -> int | None:
        """Stand at the end of the row."""
        handle = super().store(data)
        if handle is not None:
            self.row.append(handle)
        return handle

    def drop(self, handle: int) -> bool:
        """Leave a gap, and close gaps."""
        if not super().drop(handle):
            return False
        self.row[self.row.index(handle)] = None
        self._tidy()
        return True

    def close(self) -> None:
        """Stop, and release everything."""
        self.stop = True
        self._tidy()
        super().close()

    def check(self) -> None:
        """The row holds every object once."""
        super().check()
        assert sorted(filter(None, self.row)) == sorted(self.cells), "the row lost an object"

    def _tidy(self) -> None:
        """Move objects from the end of the row into gaps, block by block; index 0 is never used."""
        self._scan()
        self._close_gaps()

    def _scan(self) -> None:
        """Visit each block once."""
        self.done.clear()
        index = 1
        while index < len(self.row) and not self.stop:
            self.done.add(index // BLOCK)
            index = (index // BLOCK + 1) * BLOCK

    def _close_gaps(self) -> None:
        target, source = 1, len(self.row) - 1
        while target < source:
            if self.row[target] is not None:
                target += 1
            elif self.row[source] is None:
                source -= 1
            else:
                self.row[target], self.row[source] = self.row[source], None
        while self.row[-1] is None:
            self.row.pop()


@wrong("FREE-IDLE", "LIVE-1", bug="B49", kind=KIND)
class B49RescansOneBlock(Rows):
    """It marks a block as done only where its scan starts on a block's first index; the row starts at 1."""

    def _scan(self) -> None:
        self.done.clear()
        while (index := self._next()) < len(self.row) and not self.stop:
            if index % BLOCK == 0:
                self.done.add(index // BLOCK)

    def _next(self) -> int:
        index = 1
        while index // BLOCK in self.done:
            index = (index // BLOCK + 1) * BLOCK
        return index


@wrong("UNLOAD", "LIVE-1", bug="B50", kind=KIND)
class B50ScansThoughStopped(Rows):
    """Its scan of a block breaks off when the driver is unloaded, and the loop around it goes on."""

    def _scan(self) -> None:
        wanted, seen = len(self.row) - 1, 0
        while seen < wanted:
            for _ in self.row[1:]:
                if self.stop:
                    break
                seen += 1


@wrong("FREE-IDLE", "LIVE-1", bug="B51", kind=KIND)
class B51ScannersPass(Rows):
    """It ends when its two scanners stand on one index, and not when they have passed each other."""

    def _close_gaps(self) -> None:
        target, source, end = 1, len(self.row) - 1, len(self.row)
        while target != source:
            target = 1 if target >= end else target + (self.row[target] is not None)
            source = end - 1 if source < 1 else source - (self.row[source] is None)
            if target < source < end and self.row[target] is None and self.row[source] is not None:
                self.row[target], self.row[source] = self.row[source], None
                target, source = target + 1, source - 1
        while self.row[-1] is None:
            self.row.pop()
