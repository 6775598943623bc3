"""A chain that is walked while it is rebuilt: B26."""

from movable import Page
from movable.conformance.power import wrong
from mutants.chains import Chain, Chains


@wrong("RACE-DROP", bug="B26", kind="list corruption", race=True)
class B26WalksUnlocked(Chains):
    """Its worker walks a chain with the locks of the pages so far, and without the lock that a move takes."""

    def _lock_pages(self, chain: Chain) -> list[Page]:
        page: Page | None = chain.first
        locked: list[Page] = []
        while page is not None:
            page.lock()
            locked.append(page)
            page = self.vm.page(page.index - 1) if page.index else None
        return locked
