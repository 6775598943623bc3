"""The words behind handles: a slab cache of them in kernel pages (spec/drivers.md 1.4)."""

import errno
from collections.abc import Iterator

from movable import GFP, PAGE_SIZE, VM, BitLock, SpinLock
from movable_zsmalloc.encoding import HANDLE_PIN_BIT
from movable_zsmalloc.errors import ZsError

__all__ = ["HandleCache"]

_PAGE_SHIFT = PAGE_SIZE.bit_length() - 1
_WORD_SHIFT = 3


class HandleCache:
    """Handles of one pool. A handle is the physical address of a word in an unmovable page.

    ``words`` is physical memory as 64-bit words, so that ``words[handle >> 3]`` is a handle's word; ``pins``
    are the bit spinlocks in them, by the same index.
    """

    def __init__(self, vm: VM, name: str) -> None:
        self.vm = vm
        self.name = name
        self.words = vm.memory.cast("Q")
        self.pins = BitLock(vm, f"{name} handle pin", self.words, HANDLE_PIN_BIT)
        self.lock = SpinLock(vm, f"{name} handle cache")
        self._live: set[int] = set()
        self._free: dict[int, list[int]] = {}

    def __len__(self) -> int:
        """How many handles are in use."""
        return len(self._live)

    def __contains__(self, handle: object) -> bool:
        return handle in self._live

    def __iter__(self) -> Iterator[int]:
        return iter(self._live)

    def demand(self, handle: object) -> None:
        """Refuse what is no handle of this pool now: ZsError EINVAL."""
        if not isinstance(handle, int) or handle not in self._live:
            raise ZsError(
                errno.EINVAL, f"handle: {handle!r} is not in use in pool {self.name!r}; freed, or another's?"
            )

    def alloc(self, gfp: GFP) -> int:
        """A new handle whose word is 0; 0 if there is no memory. Takes only the cache's lock; may compact."""
        while True:
            with self.lock:
                if self._free:
                    return self._take()
            page = self.vm.alloc_page((gfp & ~(GFP.HIGHMEM | GFP.MOVABLE)) | GFP.ZERO)
            if page is None:
                return 0
            with self.lock:
                self._free[page.pfn] = list(reversed(_slab(page.pfn)))

    def _take(self) -> int:
        """Lock held, and a word is free."""
        pfn, free = next(reversed(self._free.items()))
        handle = free.pop()
        if not free:
            del self._free[pfn]
        self._live.add(handle)
        return handle

    def free(self, handle: int) -> None:
        """Give a handle up; its pin is released already. A page without handles goes back to the VM."""
        pfn = handle >> _PAGE_SHIFT
        with self.lock:
            self._live.remove(handle)
            self.words[handle >> _WORD_SHIFT] = 0
            free = self._free.setdefault(pfn, [])
            free.append(handle)
            unused = len(free) == len(_slab(pfn))
            if unused:
                del self._free[pfn]
        if unused:
            self.vm.page(pfn).put()


def _slab(pfn: int) -> range:
    """The handles whose words are in a page; address 0 would look like a failure."""
    start = pfn << _PAGE_SHIFT
    return range(start or 1 << _WORD_SHIFT, start + PAGE_SIZE, 1 << _WORD_SHIFT)
