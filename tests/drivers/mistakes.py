"""Drivers that make one mistake: what they do wrong, in which callback, and the rule it breaks."""

import errno
from collections.abc import Callable, Sequence

from attrs import frozen
from migration.kit import Recorder

from movable import AddressSpace, Page, PageFlag, PageType

Isolate = Callable[[Recorder, Page], bool]
Migrate = Callable[[Recorder, Page, Page], int]
Putback = Callable[[Recorder, Page], None]


@frozen
class Mistake:
    """One mistake of a driver: ``rule`` is broken about the ``old`` or the ``new`` page."""

    name: str
    rule: str
    isolate: Isolate | None = None
    migrate: Migrate | None = None
    putback: Putback | None = None
    about: str = "old"

    @property
    def hook(self) -> str:
        """The callback in which it happens."""
        if self.isolate:
            return "isolate_page"
        return "migratepage" if self.migrate else "putback_page"

    def make(self, driver: Recorder) -> None:
        """Have the driver make it, in its first callback only."""
        if self.isolate:
            driver.on_isolate = _once(driver, self.isolate)
        elif self.migrate:
            migrate = self.migrate
            driver.answers = [lambda new, old: migrate(driver, new, old)]
        else:
            assert self.putback
            putback = self.putback
            driver.answers = [-errno.EBUSY]
            driver.on_putback = lambda page: putback(driver, page)


def _once(driver: Recorder, mistake: Isolate) -> Callable[[Page], bool]:
    def isolate(page: Page) -> bool:
        driver.on_isolate = None
        return mistake(driver, page)

    return isolate


def succeed(driver: Recorder, new: Page, old: Page, without: Sequence[str] = ()) -> int:
    """Move a page by the steps of success, but for those named."""
    new.copy_from(old)
    new.private, new.index = old.private, old.index
    if "get" not in without:
        new.get()
    if "mark" not in without:
        new.set_movable(driver.mapping)
    driver.cells[new.private] = new
    if "clear" not in without:
        old.clear_movable()
        old.private = 0
    if "put" not in without:
        old.put()
    return 0


def _let_go_and(change: Callable[[Page], object]) -> Isolate:
    def isolate(driver: Recorder, page: Page) -> bool:
        driver.idle.remove(page)
        change(page)
        return True

    return isolate


def _refuse_unlinked(driver: Recorder, page: Page) -> bool:
    driver.idle.remove(page)
    return False


def _refuse_changed(change: Callable[[Page], object]) -> Isolate:
    def refuse(driver: Recorder, page: Page) -> bool:
        change(page)
        return False

    return refuse


def _set(name: str, value: object) -> Callable[[Page], object]:
    return lambda page: setattr(page, name, value)


def _another_mapping(driver: Recorder, new: Page, old: Page) -> int:
    other = AddressSpace(driver.vm, driver, "another")
    succeed(driver, new, old)
    new.set_movable(other)
    return 0


def _touch_new(change: Callable[[Page], object]) -> Migrate:
    def migrate(driver: Recorder, new: Page, old: Page) -> int:
        change(new)
        return -errno.EBUSY

    return migrate


def _touch_old(change: Callable[[Page], object], answer: int = -errno.EAGAIN) -> Migrate:
    def migrate(driver: Recorder, new: Page, old: Page) -> int:
        change(old)
        return answer

    return migrate


def _mark_new(driver: Recorder, new: Page, old: Page) -> int:
    new.set_movable(driver.mapping)
    return -errno.EBUSY


def _link_new(driver: Recorder, new: Page, old: Page) -> int:
    driver.idle.add(new)
    return -errno.EBUSY


def _clear_isolated(answer: int) -> Migrate:
    def migrate(driver: Recorder, new: Page, old: Page) -> int:
        if not answer:
            succeed(driver, new, old)
        old.clear_flag(PageFlag.ISOLATED)
        return answer

    return migrate


def _unlock_new(driver: Recorder, new: Page, old: Page) -> int:
    succeed(driver, new, old)
    new.unlock()
    return 0


def _put_back_and(change: Callable[[Page], object]) -> Putback:
    def putback(driver: Recorder, page: Page) -> None:
        driver.idle.add(page)
        change(page)

    return putback


MISTAKES = [
    Mistake("unlocks", "isolate-unlocked", isolate=_let_go_and(Page.unlock)),
    Mistake("says no, unlocks", "isolate-unlocked", isolate=_refuse_changed(Page.unlock)),
    Mistake("drops a reference", "isolate-ref-changed", isolate=_let_go_and(Page.put)),
    Mistake(
        "sets PG_isolated",
        "isolate-set-flag",
        isolate=_let_go_and(lambda page: page.set_flag(PageFlag.ISOLATED)),
    ),
    Mistake("gives the page up", "isolate-lost-movable", isolate=_let_go_and(Page.clear_movable)),
    Mistake("leaves it on its list", "isolate-left-on-list", isolate=lambda driver, page: True),
    Mistake("says no, unlinks", "isolate-false-changed", isolate=_refuse_unlinked),
    Mistake("says no, private", "isolate-false-changed", isolate=_refuse_changed(_set("private", 99))),
    Mistake("says no, index", "isolate-false-changed", isolate=_refuse_changed(_set("index", 99))),
    Mistake("says no, takes a reference", "isolate-false-changed", isolate=_refuse_changed(Page.get)),
    Mistake("says no, gives up", "isolate-false-changed", isolate=_refuse_changed(Page.clear_movable)),
    Mistake(
        "says no, type", "isolate-false-changed", isolate=_refuse_changed(_set("page_type", PageType.BALLOON))
    ),
    Mistake(
        "says no, flag",
        "isolate-false-changed",
        isolate=_refuse_changed(lambda page: page.set_flag(PageFlag.DIRTY)),
    ),
    Mistake("unlocks old", "migrate-unlocked", migrate=_touch_old(Page.unlock)),
    Mistake("unlocks new", "migrate-unlocked", migrate=_unlock_new, about="new"),
    Mistake("clears PG_isolated, 0", "migrate-isolated-written", migrate=_clear_isolated(0)),
    Mistake("clears PG_isolated, -EIO", "migrate-isolated-written", migrate=_clear_isolated(-errno.EIO)),
    Mistake(
        "does not mark new",
        "migrate-new-not-movable",
        migrate=lambda driver, new, old: succeed(driver, new, old, ["mark"]),
        about="new",
    ),
    Mistake("marks new with another", "migrate-new-mapping", migrate=_another_mapping, about="new"),
    Mistake(
        "takes no reference",
        "migrate-new-ref",
        migrate=lambda driver, new, old: succeed(driver, new, old, ["get"]),
        about="new",
    ),
    Mistake(
        "does not clear old",
        "migrate-old-movable",
        migrate=lambda driver, new, old: succeed(driver, new, old, ["clear"]),
    ),
    Mistake(
        "keeps its reference",
        "migrate-old-ref",
        migrate=lambda driver, new, old: succeed(driver, new, old, ["put"]),
    ),
    Mistake(
        "fails, private of new", "migrate-new-touched", migrate=_touch_new(_set("private", 1)), about="new"
    ),
    Mistake("fails, holds new", "migrate-new-touched", migrate=_touch_new(Page.get), about="new"),
    Mistake("fails, marks new", "migrate-new-touched", migrate=_mark_new, about="new"),
    Mistake("fails, links new", "migrate-new-touched", migrate=_link_new, about="new"),
    Mistake("fails, private of old", "migrate-old-touched", migrate=_touch_old(_set("private", 77))),
    Mistake("fails, holds old", "migrate-old-touched", migrate=_touch_old(Page.get, -errno.EBUSY)),
    Mistake("says -EAGAIN, gives up", "migrate-old-touched", migrate=_touch_old(Page.clear_movable)),
    Mistake("unlocks", "putback-unlocked", putback=_put_back_and(Page.unlock)),
    Mistake(
        "clears PG_isolated",
        "putback-isolated-written",
        putback=_put_back_and(lambda page: page.clear_flag(PageFlag.ISOLATED)),
    ),
    Mistake("drops a reference", "putback-ref-changed", putback=_put_back_and(Page.put)),
    Mistake("gives the page up", "putback-lost-movable", putback=_put_back_and(Page.clear_movable)),
    Mistake(
        "links an isolated page",
        "lru-while-isolated",
        migrate=_touch_old(lambda page: page.mapping.driver.idle.add(page)),  # type: ignore[union-attr]
    ),
    Mistake(
        "unlinks an isolated page",
        "lru-while-isolated",
        migrate=_touch_old(lambda page: page.mapping.driver.idle.remove(page)),  # type: ignore[union-attr]
    ),
]
"""Every mistake; the driver is otherwise correct."""
