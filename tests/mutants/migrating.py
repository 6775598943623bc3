"""Mistakes in migratepage."""

from errno import EAGAIN
from itertools import count
from typing import Any

from movable import VM, AddressSpace, MigrateMode, Page, PageFlag, VmEvent
from movable.conformance.power import wrong
from mutants.cells import Cells


@wrong("MIG-ANSWER", "CALL-1", "hook-bad-type")
class MigrateAnswersNone(Cells):
    """Its migratepage has no return."""

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        super()._migrate(mapping, newpage, oldpage, mode)


@wrong("MIG-ANSWER", "CALL-1", "hook-bad-type")
class MigrateAnswersTrue(Cells):
    """Its migratepage answers True for done."""

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        return super()._migrate(mapping, newpage, oldpage, mode) == 0


@wrong("MIG-ANSWER", "CALL-1", "hook-bad-type")
class MigrateAnswersText(Cells):
    """Its migratepage answers the name of an error."""

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        return "EAGAIN"


@wrong("MIG-ANSWER", "CALL-3", "hook-positive")
class MigrateAnswersPositive(Cells):
    """Its migratepage answers EAGAIN without the minus sign."""

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        return EAGAIN


@wrong("MIG-ANSWER", "CALL-3", "hook-unknown-errno")
class MigrateAnswersNonsense(Cells):
    """Its migratepage answers a number that is no errno."""

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        return -(1 << 40)


@wrong("MIG-ANSWER", "CALL-2", "hook-raised")
class MigrateRaises(Cells):
    """Its migratepage looks up a record that is not there."""

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        return self.cells[-1]


@wrong("MIG-ANSWER", "LIVE-1")
class MigrateLoops(Cells):
    """Its migratepage waits for ever."""

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        for _ in count():
            pass


@wrong("MIG-LOCKED", "MIG-5", "migrate-unlocked")
class MigrateUnlocksOld(Cells):
    """It unlocks the old page, having given it up."""

    def _give_up(self, oldpage: Page) -> None:
        super()._give_up(oldpage)
        oldpage.unlock()


@wrong("MIG-LOCKED", "MIG-5", "migrate-unlocked")
class MigrateUnlocksNew(Cells):
    """It unlocks the new page, ready for users."""

    def _take(self, newpage: Page, mapping: AddressSpace) -> None:
        super()._take(newpage, mapping)
        newpage.unlock()


@wrong("MIG-CLEARED", "MIG-1", "migrate-old-movable")
class MigrateForgetsToClear(Cells):
    """It leaves the old page marked movable."""

    def _give_up(self, oldpage: Page) -> None:
        oldpage.private = 0
        oldpage.put()


@wrong("MIG-CLEARED", "MIG-1", "clear-not-movable")
class MigrateClearsTwice(Cells):
    """It gives the old page up in two helpers."""

    def _give_up(self, oldpage: Page) -> None:
        oldpage.clear_movable()
        super()._give_up(oldpage)


@wrong("MIG-MARKED", "MIG-2", "migrate-new-not-movable")
class MigrateForgetsToMark(Cells):
    """It does not mark the new page."""

    def _take(self, newpage: Page, mapping: AddressSpace) -> None:
        newpage.get()


@wrong("MIG-MARKED", "MIG-2", "migrate-new-mapping")
class MigrateMarksForAnother(Cells):
    """It marks the new page with another mapping of its own."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.other = AddressSpace(vm, self, "other")

    def _take(self, newpage: Page, mapping: AddressSpace) -> None:
        super()._take(newpage, self.other)


@wrong("MIG-NEW-REF", "MIG-3")
class MigrateGetsTwice(Cells):
    """It takes two references on the new page."""

    def _take(self, newpage: Page, mapping: AddressSpace) -> None:
        newpage.get()
        super()._take(newpage, mapping)


@wrong("MIG-OLD-REF", "MIG-4")
class MigratePutsTwice(Cells):
    """It drops the isolation reference with its own."""

    def _give_up(self, oldpage: Page) -> None:
        super()._give_up(oldpage)
        oldpage.put()


@wrong("MIG-FLAG", "MIG-12", "migrate-isolated-written")
class MigrateClearsTheFlag(Cells):
    """It clears PG_isolated of the old page itself."""

    def _give_up(self, oldpage: Page) -> None:
        super()._give_up(oldpage)
        oldpage.clear_flag(PageFlag.RECLAIM)


@wrong("MIG-FLAG", "MIG-12")
class MigrateCopiesFlags(Cells):
    """It copies the old page's flags to the new one, the VM's among them."""

    def _give_up(self, oldpage: Page) -> None:
        self.cells[oldpage.private].set_flag(oldpage.flags & PageFlag.RECLAIM)
        super()._give_up(oldpage)


@wrong("MIG-OLD-RESET", "MIG-11")
class MigrateLeavesPrivate(Cells):
    """It leaves its handle in the old page."""

    def _give_up(self, oldpage: Page) -> None:
        oldpage.clear_movable()
        oldpage.put()


@wrong("MIG-OLD-RESET", "MIG-11", "bad-page")
class MigrateLeavesPgPrivate(Cells):
    """It leaves PG_private set on the old page."""

    def _give_up(self, oldpage: Page) -> None:
        super()._give_up(oldpage)
        oldpage.set_flag(PageFlag.PRIVATE)


@wrong("MIG-NEW-REST", "MIG-13")
class MigrateActivates(Cells):
    """It marks the new page as active, a flag of the LRU."""

    def _take(self, newpage: Page, mapping: AddressSpace) -> None:
        super()._take(newpage, mapping)
        newpage.set_flag(PageFlag.ACTIVE)


@wrong("MIG-HANDLES", "MIG-10")
class NamesOldPages(Cells):
    """Its workload goes on naming the page in which an object was stored."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.first: dict[int, Page] = {}

    def pages(self, handle: int) -> list[Page]:
        """The page where the object was when first asked."""
        return [self.first.setdefault(handle, self.cells[handle])]


@wrong("MIG-HANDLES", "MIG-10")
class MigrateForgetsUsers(Cells):
    """It leaves its table of objects as it was."""

    def _redirect(self, handle: int, newpage: Page) -> None:
        self.idle.add(newpage)


@wrong("MIG-DATA", "DATA-1")
class MigrateForgetsContents(Cells):
    """It does not copy the contents."""

    def _copy(self, newpage: Page, oldpage: Page) -> None:
        newpage.private = oldpage.private
        newpage.index = oldpage.index


@wrong("MIG-DATA", "DATA-1")
class MigrateLosesTheLastByte(Cells):
    """Its copy stops one byte short."""

    def _copy(self, newpage: Page, oldpage: Page) -> None:
        newpage.data[:-1] = oldpage.data[:-1]
        newpage.private = oldpage.private
        newpage.index = oldpage.index


@wrong("MIG-DATA", "DATA-1")
class MigrateCopiesHalf(Cells):
    """It copies the first half of the page."""

    def _copy(self, newpage: Page, oldpage: Page) -> None:
        newpage.data[:2048] = oldpage.data[:2048]
        newpage.private = oldpage.private
        newpage.index = oldpage.index


@wrong("MIG-MODES", "MIG-2", "migrate-new-not-movable")
class AsyncDoesNothing(Cells):
    """In MIGRATE_ASYNC it answers 0 and does nothing."""

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        if mode is MigrateMode.ASYNC:
            return 0
        return super()._migrate(mapping, newpage, oldpage, mode)


@wrong("MIG-MODES", "MIG-14")
class AsyncForgetsContents(Cells):
    """In MIGRATE_ASYNC it leaves the copying for later."""

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        before = bytes(newpage.data)
        answer = super()._migrate(mapping, newpage, oldpage, mode)
        if answer == 0 and mode is MigrateMode.ASYNC:
            newpage.data[:] = before
        return answer


@wrong("MIG-UNTOUCHED", "MIG-6", "migrate-new-touched")
class CopiesMetadataThenLooks(Cells):
    """It fills the new page in before it finds the object pinned."""

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        self._copy(newpage, oldpage)
        return super()._migrate(mapping, newpage, oldpage, mode)


@wrong("MIG-UNTOUCHED", "MIG-6")
class CopiesBytesThenLooks(Cells):
    """It copies the contents before it finds the object pinned."""

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        newpage.copy_from(oldpage)
        return super()._migrate(mapping, newpage, oldpage, mode)


@wrong("MIG-UNTOUCHED", "MIG-6", "migrate-new-touched")
class KeepsTheTarget(Cells):
    """It takes its reference on the new page before it finds the object pinned."""

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        newpage.get()
        answer = super()._migrate(mapping, newpage, oldpage, mode)
        if answer == 0:
            newpage.put()
        return answer


@wrong("MIG-UNTOUCHED", "MIG-6", "migrate-old-touched")
class DropsThenLooks(Cells):
    """It drops its reference on the old page before it finds the object pinned."""

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        oldpage.put()
        if self.pins[oldpage.private]:
            return -EAGAIN
        oldpage.get()
        return super()._migrate(mapping, newpage, oldpage, mode)


@wrong("MIG-UNTOUCHED", "CALL-4")
class ForgetsThenLooks(Cells):
    """It strikes the object off its table before it finds it pinned."""

    def _migrate(self, mapping: AddressSpace, newpage: Page, oldpage: Page, mode: MigrateMode) -> Any:
        self.cells.pop(oldpage.private, None)
        return super()._migrate(mapping, newpage, oldpage, mode)


@wrong("MIG-CHAIN", "LIVE-4", "list-corrupt")
class MigrateForgetsItsList(Cells):
    """It does not put the new page on its list."""

    def _redirect(self, handle: int, newpage: Page) -> None:
        self.cells[handle] = newpage

    def _release(self, page: Page) -> None:
        if not page.on_list:
            self.idle.add(page)
        super()._release(page)


@wrong("ACC-EVENTS", "ACC-3")
class CountsForTheVm(Cells):
    """It counts its moves in the VM's own counter."""

    def _give_up(self, oldpage: Page) -> None:
        super()._give_up(oldpage)
        self.vm.count_vm_event(VmEvent.PGMIGRATE_SUCCESS)
