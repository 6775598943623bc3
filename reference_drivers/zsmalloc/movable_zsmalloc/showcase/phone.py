"""A machine whose memory is full of compressed pages, a balloon and kernel memory, and then fragmented."""

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

from movable import (
    GFP,
    VM,
    MachineConfig,
    MovableError,
    Page,
    find_driver,
    hookimpl,
)
from movable_zsmalloc.console import mib
from movable_zsmalloc.files import FilePages
from movable_zsmalloc.zram import ZramDevice, ZramError

__all__ = ["Phone"]

_KERNEL_EVERY = 24
"""Pages written to zram for each page that the kernel takes for itself."""
_BALLOON_EVERY = 16
_STEP = 256
_LOOK = 16
"""Pages written between two looks at the watermarks."""

OnPages = Callable[[int], object]


class _Unmovable:
    """A plugin that answers for the driver and refuses every isolation: pages as before Linux 4.8."""

    @hookimpl(tryfirst=True)
    def isolate_page(self) -> bool:
        """Let no page go; the driver is not asked."""
        return False


class Phone:
    """The machine, what is on it, and checksums of everything that was written.

    The same seed and data give the same memory, page for page.
    """

    def __init__(self, machine: MachineConfig | str, *, algorithm: str, disksize: int, seed: int) -> None:
        self.vm = VM(machine, debug=0, poison=False)
        self.random = Random(seed)
        self.zram = ZramDevice(self.vm, algorithm=algorithm)
        self.zram.init(disksize)
        self.balloon = find_driver("balloon").factory(self.vm)
        self.kernel: list[Page] = []
        self.sums: dict[int, int] = {}
        self.written = 0

    def close(self) -> None:
        """Give the machine up."""
        self.vm.close()

    @property
    def room(self) -> int:
        """Free pages above the low watermarks, below which kswapd would have to work."""
        return sum(zone.free_pages - zone.watermark.low for zone in self.vm.zones)

    # -- filling -----------------------------------------------------------------------------------

    def fill(self, pages: FilePages, most: int | None, on_pages: OnPages) -> None:
        """Write this many pages, or until memory is full; ``on_pages`` hears how many there are.

        On the way the kernel takes pages for itself, and the balloon grows.
        """
        for index, page in enumerate(pages.repeated()):
            if index == (self.zram.pages if most is None else most):
                break
            if most is None and index % _LOOK == 0 and self.room <= 0:
                break
            if index % _STEP == 0:
                on_pages(index)
            try:
                self.zram.write_page(index, page)
            except ZramError as error:
                if most is None:
                    break
                raise MovableError(
                    f"memory is full after {mib(index)} of {mib(most)}: choose a smaller --size or more --memory"
                ) from error
            self.sums[index] = zlib.crc32(page)
            self._others(index)
        self.written = len(self.sums)
        on_pages(self.written)

    def _others(self, index: int) -> None:
        if index % _KERNEL_EVERY == 0:
            page = self.vm.alloc_page(GFP.KERNEL)
            if page is not None:
                self.kernel.append(page)
        if index % _BALLOON_EVERY == 0:
            self.balloon.set_target(self.balloon.num_pages + 1)

    def fragment(self, drop_percent: float) -> int:
        """Discard this part of what was written, in runs as programs that end leave them; how many pages.

        The pool then moves its objects together, so that whole pages come free, here and there.
        """
        wanted = round(self.written * drop_percent / 100)
        dropped = 0
        while dropped < wanted:
            first = self.random.randrange(self.written)
            for index in range(first, min(first + self.random.randint(1, 48), self.written)):
                if dropped < wanted and self.sums.pop(index, None) is not None:
                    self.zram.discard(index, 1)
                    dropped += 1
        self.random.shuffle(self.kernel)
        for page in self.kernel[: len(self.kernel) // 4]:
            page.put()
        del self.kernel[: len(self.kernel) // 4]
        self.zram.compact()
        return dropped

    # -- looking -----------------------------------------------------------------------------------

    @contextmanager
    def unmovable(self) -> Iterator[None]:
        """For the time of the block no page of any driver can be isolated."""
        refusing = [(mapping, _Unmovable()) for mapping in self.vm.mappings]
        for mapping, observer in refusing:
            mapping.add_observer(observer)
        try:
            yield
        finally:
            for mapping, observer in refusing:
                mapping.remove_observer(observer)

    def different_pages(self, on_pages: OnPages) -> int:
        """Read everything back: how many pages are not what was written."""
        different = 0
        for count, (index, checksum) in enumerate(self.sums.items()):
            if count % _STEP == 0:
                on_pages(count)
            if zlib.crc32(self.zram.read_page(index)) != checksum:
                different += 1
        on_pages(len(self.sums))
        return different
