"""zsmalloc with a lock left out of its migration: one deletion each."""

import errno

from movable import VM, AddressSpace, Capabilities, DriverSpec, MigrateMode, Page, hookimpl
from movable_zsmalloc import ZsPool, ZsWorkload
from movable_zsmalloc.encoding import OBJ_INDEX_MASK
from movable_zsmalloc.migration import ZsMigration
from movable_zsmalloc.store import PFN_SHIFT
from movable_zsmalloc.zspage import Zspage

_KEPT = OBJ_INDEX_MASK << 1 | 1


class WithoutClassLock(ZsMigration):
    """migratepage moves objects without the lock of their class."""

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> int:
        """As the original, less the class lock."""
        zspage = self.store.get_zspage(oldpage)
        if not zspage.lock.write_trylock():
            return -errno.EAGAIN
        try:
            return self._move(zspage, newpage, oldpage)
        finally:
            zspage.lock.write_release()


class WithoutZspageLock(ZsMigration):
    """migratepage moves objects without keeping mappings of the zspage out."""

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> int:
        """As the original, less the zspage lock."""
        zspage = self.store.get_zspage(oldpage)
        with zspage.size_class.lock:
            return self._move(zspage, newpage, oldpage)


class WithoutPins(ZsMigration):
    """migratepage re-points handles while others may hold their pins."""

    def _move(self, zspage: Zspage, newpage: Page, oldpage: Page) -> int:
        """As the original, but the pins are let go before anything is moved."""
        shape, pins, words = zspage.size_class.shape, self.store.handles.pins, self.store.words
        pinned = self._pin_objects(oldpage, shape) if zspage.inuse else None
        if pinned is None:
            return -errno.EAGAIN if zspage.inuse else -errno.EBUSY
        for word in pinned:
            pins.release(word)
        self._replace_sub_page(zspage, newpage, oldpage)
        for word in pinned:
            words[word] = newpage.pfn << PFN_SHIFT | words[word] & _KEPT
        self._let_go(zspage)
        return 0


def _pool(vm: VM, kind: type[ZsMigration]) -> ZsPool:
    pool = ZsPool(vm)
    pool.mapping.close()
    pool._migration = kind(pool._store, pool.name)
    pool.mapping = pool._migration.mapping
    return pool


_CLAIMS = Capabilities(pin=True, spanning=True, concurrent=True)

without_class_lock = DriverSpec("no-class-lock", lambda vm: _pool(vm, WithoutClassLock), ZsWorkload, _CLAIMS)
without_zspage_lock = DriverSpec(
    "no-zspage-lock", lambda vm: _pool(vm, WithoutZspageLock), ZsWorkload, _CLAIMS
)
without_pins = DriverSpec("no-pins", lambda vm: _pool(vm, WithoutPins), ZsWorkload, _CLAIMS)
