"""How the conformance suite uses a pool."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from movable import Handle, Page
from movable_zsmalloc.pool import MapMode, ZsPool

__all__ = ["ZsWorkload"]


class ZsWorkload:
    """Objects are what `ZsPool.zs_malloc` gives: up to 4096 bytes, packed, over a page boundary where they fall so."""

    def __init__(self, pool: ZsPool) -> None:
        self.pool = pool
        self._objects: dict[Handle, tuple[int, int]] = {}

    def store(self, data: bytes) -> int | None:
        """Allocate room and copy the data in; its handle, or None without memory."""
        handle = self.pool.zs_malloc(len(data))
        if not handle:
            return None
        with self.pool.mapped(handle, MapMode.WO) as view:
            view[: len(data)] = data
        self._objects[handle] = handle, len(data)
        return handle

    def load(self, handle: Handle) -> bytes:
        """The object's bytes, copied out."""
        zs_handle, size = self._objects[handle]
        with self.pool.mapped(zs_handle, MapMode.RO) as view:
            return bytes(view[:size])

    def drop(self, handle: Handle) -> bool:
        """Free the object; that always works, isolated or not. Its handle may be given out again at once."""
        zs_handle, _ = self._objects.pop(handle)
        self.pool.zs_free(zs_handle)
        return True

    def pages(self, handle: Handle) -> Sequence[Page]:
        """The one or two pages that hold the object."""
        return self.pool.object_pages(self._objects[handle][0])

    @contextmanager
    def pin(self, handle: Handle) -> Iterator[None]:
        """Keep the object mapped: no page of its zspage can move."""
        with self.pool.mapped(self._objects[handle][0], MapMode.RO):
            yield

    def check(self) -> None:
        """Have the pool compare its structures with each other."""
        self.pool.check()
