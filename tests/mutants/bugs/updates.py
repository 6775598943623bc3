"""What a move loses: B29 (a dirty bit), B30 (self references), B31 (metadata). (B27 and B28 are races.)"""

from collections import Counter

from movable import VM, Capabilities, Page
from movable.conformance.power import wrong
from mutants.cells import Cells

COPY = "content or metadata copy"
HEADER = 8


@wrong("MIG-DATA", "DATA-1", bug="B29", kind="lost update while migrating")
class B29ForgetsDirt(Cells):
    """It notes what was written beside the page, forgets that note in a move, and re-reads clean objects.

    Clean objects are re-read from a store behind the driver, which the data never reached.
    """

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.dirty: set[int] = set()
        self.behind: dict[int, bytes] = {}

    def store(self, data: bytes) -> int | None:
        """Store, and note that the page is newer than what lies behind."""
        handle = super().store(data)
        if handle is not None:
            self.dirty.add(handle)
        return handle

    def load(self, handle: int) -> bytes:
        """Read the page if it is dirty, else what lies behind it."""
        data = super().load(handle)
        return data if handle in self.dirty else self.behind.get(handle, bytes(len(data)))

    def _redirect(self, handle: int, newpage: Page) -> None:
        self.dirty.discard(handle)
        super()._redirect(handle, newpage)


@wrong("MIG-DATA", "DATA-1", bug="B30", kind=COPY)
class B30CopiesItsHeader(Cells):
    """It keeps a reference to the page itself in the page, and copies it as it is."""

    capabilities = Capabilities(pin=True, max_object=4096 - HEADER)

    def store(self, data: bytes) -> int | None:
        """Put the header before the data."""
        handle = super().store(bytes(HEADER) + data)
        if handle is not None:
            page = self.cells[handle]
            page.data[:HEADER] = page.pfn.to_bytes(HEADER, "little")
        return handle

    def load(self, handle: int) -> bytes:
        """Find the data through the header."""
        page = self.cells[handle]
        node = self.vm.page(int.from_bytes(page.data[:HEADER], "little"))
        return bytes(node.data[HEADER : page.index])


@wrong("MIG-DATA", "DATA-1", bug="B31", kind=COPY)
class B31LeavesMetadata(Cells):
    """It keeps which of its accounts a page is charged to beside the page, and leaves that with the old one."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.account: dict[Page, int] = {}
        self.charged: Counter[int] = Counter()

    def _mark(self, page: Page, handle: int) -> None:
        self.account[page] = 1 + handle % 2
        self.charged[1 + handle % 2] += 1
        super()._mark(page, handle)

    def _release(self, page: Page) -> None:
        self.charged[self.account.pop(page, 0)] -= 1
        super()._release(page)

    def _give_up(self, oldpage: Page) -> None:
        del self.account[oldpage]
        super()._give_up(oldpage)

    def check(self) -> None:
        """The accounts add up."""
        super().check()
        used = Counter(self.account.get(page, 0) for page in self.cells.values())
        assert used == +self.charged, f"charged {dict(self.charged)}, used {dict(used)}"
