"""Page allocations that fail although there is memory."""

from enum import IntFlag
from types import TracebackType
from typing import Self

from movable._core import ffi, lib
from movable.errors import MovableError
from movable.vm import VM

__all__ = ["AllocFaults", "Inside"]

_EVER = (1 << 64) - 1


class Inside(IntFlag):
    """Where an allocation is made: outside of all callbacks, or inside which one (the innermost counts)."""

    NONE = 1
    ISOLATE_PAGE = 2
    MIGRATEPAGE = 4
    PUTBACK_PAGE = 8
    CALLBACKS = ISOLATE_PAGE | MIGRATEPAGE | PUTBACK_PAGE
    ANYWHERE = NONE | CALLBACKS


class AllocFaults:
    """In a ``with`` block, the allocations of a machine fail: ``times`` of them, from number ``at`` on.

    They are counted from 0, from the beginning of the block. ``times`` 0 only counts, None fails all from ``at``
    on. Allocations elsewhere than ``inside`` neither count nor fail, nor do those that may not fail
    (``GFP.NOFAIL``). A failing request answers None at once: it does not compact, and asks no OOM notifier.

    Targets that compaction takes from its own free scanner are not allocated, so they do not count.
    """

    def __init__(
        self, vm: VM, at: int = 0, times: int | None = 1, *, inside: Inside = Inside.ANYWHERE
    ) -> None:
        if at < 0:
            raise MovableError(f"at: allocations are counted from 0, not {at}")
        if times is not None and times < 0:
            raise MovableError(f"times: must be 0 (count only) or more, or None for ever, not {times}")
        if not inside or int(inside) & ~Inside.ANYWHERE:
            raise MovableError(f"inside: must name places of Inside, not {inside!r}")
        self.vm = vm
        self.at = at
        self.times = times
        self.inside = inside
        self._armed = False
        self._counts = (0, 0)

    @property
    def seen(self) -> int:
        """Allocations that counted, up to now or to the end of the block."""
        return self._read()[0]

    @property
    def failed(self) -> int:
        """How many of them were made to fail."""
        return self._read()[1]

    def __enter__(self) -> Self:
        first, last = (1, 0) if self.times == 0 else (self.at, _EVER)
        if self.times:
            last = self.at + self.times - 1
        if not lib.mv_fail_allocations(self.vm.machine.c, first, last, int(self.inside)):
            raise MovableError(
                "this machine's allocations are counted or failed already; end that block first"
            )
        self._armed = True
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._counts = self._read()
        self._armed = False
        if not self.vm.closed:
            lib.mv_stop_failing(self.vm.machine.c)

    def _read(self) -> tuple[int, int]:
        if self._armed and not self.vm.closed:
            counts = ffi.new("unsigned long[2]")
            lib.mv_alloc_faults(self.vm.machine.c, counts, counts + 1)
            self._counts = int(counts[0]), int(counts[1])
        return self._counts
