"""A paravirtual memory balloon: the guest's driver of a virtio-like device (spec/drivers.md 4.5-4.9).

Behaviour of Linux 4.9, with the later form where 4.9 is wrong: `fill_balloon` allocates before it takes
``balloon_lock``, and a migration between zones moves the managed page count along. Lock order: page lock,
``balloon_lock`` (by try in migration), ``pages_lock``.
"""

import errno
import logging
import struct
from collections.abc import Sequence

from movable import VM, AddressSpace, MigrateMode, MovableError, Mutex, Page, VmEvent, WaitQueue
from movable_balloon.core import BalloonDevInfo
from movable_balloon.host import MAX_PFNS, Feature, Host, HostError, Queue
from movable_balloon.stats import collect_stats, pack_stats

__all__ = ["OOM_PRIORITY", "OOM_VBALLOON_DEFAULT_PAGES", "BalloonBusy", "VirtioBalloon"]

OOM_PRIORITY = 80
OOM_VBALLOON_DEFAULT_PAGES = 256

_log = logging.getLogger(__name__)


class BalloonBusy(MovableError):
    """The balloon cannot be emptied now: the VM holds pages of it isolated."""


class VirtioBalloon:
    """The balloon driver of one machine, attached to its host (a plain one unless ``host`` is given).

    ``num_pages`` is the size of the balloon. Work that an interrupt queues runs when `run_work` is called.
    Messages that the host refuses raise HostError, and what was done for them is undone; only migration
    cannot go back once it has begun (4.7), so there a refusal is left to `check`.
    """

    def __init__(
        self, vm: VM, host: Host | None = None, *, oom_pages: int = OOM_VBALLOON_DEFAULT_PAGES
    ) -> None:
        self.vm = vm
        self.host = Host(vm) if host is None else host
        self.features = self.host.features
        self.oom_pages = oom_pages
        self.num_pages = 0
        self.closed = False
        self.size_work_queued = False
        self.stats_work_queued = False
        self.balloon_lock = Mutex(vm, "balloon_lock")
        self.acked = WaitQueue(vm, "balloon acked")
        self.host.attach(self)
        self.info = BalloonDevInfo(vm, self.virtballoon_migratepage)
        self.mapping: AddressSpace = self.info.mapping
        if Feature.DEFLATE_ON_OOM in self.features:
            vm.register_oom_notifier(self.oom_notify, OOM_PRIORITY)
        self._start()

    # -- the size ----------------------------------------------------------------------------------

    def set_target(self, pages: int) -> bool:
        """Let the host wish for a balloon of ``pages`` pages and run the work; whether that was reached."""
        if self.closed:
            raise MovableError("the balloon was removed: it has no size to set")
        self.host.set_target(pages)
        return self.run_work()

    def run_work(self) -> bool:
        """Run the queued work; True if none is left.

        Work that got nowhere (memory is short, pages are isolated) stays queued: call again later.
        """
        if self.stats_work_queued:
            self.stats_work_queued = False
            self._send_stats()
        while self.size_work_queued:
            before = self.num_pages
            self.update_balloon_size_func()
            if self.num_pages == before:
                break
        return not self.size_work_queued

    def update_balloon_size_func(self) -> None:
        """The work item: one message towards the host's wish; queues itself again if more is left to do."""
        left = self.towards_target()
        try:
            if left > 0:
                self.fill_balloon(left)
            elif left < 0:
                self.leak_balloon(-left)
        finally:
            self.update_balloon_size()
            self.size_work_queued = self.towards_target() != 0

    def towards_target(self) -> int:
        """Pages by which the balloon is smaller than the host's wish."""
        return self.host.config.num_pages - self.num_pages

    def update_balloon_size(self) -> None:
        """Report the size to the host."""
        self.host.write_actual(self.num_pages)

    def fill_balloon(self, num: int) -> int:
        """Inflate by at most ``num`` pages, one message; returns how many it was. Fewer if memory is short.

        All pages are allocated before ``balloon_lock`` is taken: allocation may compact, and may call other
        drivers, or this one, to give memory back. The page allocated last goes in first.
        """
        pages = self._allocate(min(num, MAX_PFNS))
        pages.reverse()
        with self.balloon_lock:
            for page in pages:
                self.info.balloon_page_enqueue(page)
            self.num_pages += len(pages)
            self._adjust_managed(pages, -1)
            if pages:
                try:
                    self.tell_host(Queue.INFLATE, pages)
                except HostError:
                    self._undo_fill(pages)
                    raise
        return len(pages)

    def leak_balloon(self, num: int) -> int:
        """Deflate by at most ``num`` pages, one message; returns how many it was. Fewer if pages are busy.

        The host is told before any page is freed, whether or not it insists (MUST_TELL_HOST).
        """
        with self.balloon_lock:
            pages = self._dequeue(min(num, MAX_PFNS, self.num_pages))
            self.num_pages -= len(pages)
            if pages:
                try:
                    self.tell_host(Queue.DEFLATE, pages)
                except HostError:
                    self._undo_leak(pages)
                    raise
                self._release(pages)
        return len(pages)

    def tell_host(self, queue: Queue, pages: Sequence[Page]) -> None:
        """Send the pfns of ``pages`` and wait until the host returns the message; ``balloon_lock`` held."""
        self.host.send(queue, struct.pack(f"<{len(pages)}I", *(page.pfn for page in pages)))
        if self.host.slow:
            self.acked.wait_event(self.host.answered)
            self.host.demand_taken()

    # -- migration ---------------------------------------------------------------------------------

    def virtballoon_migratepage(self, newpage: Page, page: Page, mode: MigrateMode) -> int:
        """Replace ``page``: inflate ``newpage``, then deflate ``page`` (spec/drivers.md 4.7).

        -EAGAIN, with nothing changed, while somebody holds ``balloon_lock``: inflating may cause compaction.
        """
        if not self.balloon_lock.trylock():
            return -errno.EAGAIN
        try:
            newpage.get()
            if newpage.zone_id != page.zone_id:
                self._adjust_managed((page,), 1)
                self._adjust_managed((newpage,), -1)
            with self.info.pages_lock:
                self.info.balloon_page_insert(newpage)
                self.info.isolated_pages -= 1
                self.vm.count_vm_event(VmEvent.BALLOON_MIGRATE)
            self._tell_at_any_rate(Queue.INFLATE, newpage)
            with self.info.pages_lock:
                self.info.balloon_page_delete(page)
            self._tell_at_any_rate(Queue.DEFLATE, page)
        finally:
            self.balloon_lock.release()
        page.put()
        return 0

    def _tell_at_any_rate(self, queue: Queue, page: Page) -> None:
        try:
            self.tell_host(queue, (page,))
        except HostError as error:
            _log.error("migration of a balloon page goes on although the host refuses: %s", error)

    # -- interrupts --------------------------------------------------------------------------------

    def config_changed(self) -> None:
        """Configuration interrupt: the host's wish may have changed."""
        self.size_work_queued = True

    def stats_requested(self) -> None:
        """The host has returned the statistics buffer."""
        self.stats_work_queued = True

    def message_returned(self) -> None:
        """A slow host has returned a pfn message."""
        self.acked.wake_up()

    def oom_notify(self) -> int:
        """Memory has run out: deflate by ``oom_pages``, whatever the host wishes. Returns pages freed."""
        freed = self.leak_balloon(self.oom_pages)
        self.update_balloon_size()
        return freed

    # -- life --------------------------------------------------------------------------------------

    def freeze(self) -> None:
        """Suspend: empty the balloon and leave the device. BalloonBusy if pages are isolated."""
        self._empty()
        self.host.detach()

    def restore(self) -> None:
        """Resume after `freeze`: attach and report the size; the next work inflates to the host's wish."""
        self.host.attach(self)
        self._start()
        self.update_balloon_size()

    def close(self) -> None:
        """Remove the device: empty the balloon, waiting for isolated pages, and release everything registered.

        BalloonBusy if the VM holds pages isolated and nobody else runs who would put them back.
        """
        if self.closed:
            return
        self._empty()
        if Feature.DEFLATE_ON_OOM in self.features:
            self.vm.unregister_oom_notifier(self.oom_notify)
        self.host.detach()
        self.info.close()
        self.closed = True

    def check(self) -> None:
        """Compare the books of driver, VM and host with each other; AssertionError if they differ."""
        pages = self.mapping.pages()
        listed, isolated = len(self.info.pages), self.info.isolated_pages
        assert listed + isolated == self.num_pages == len(pages), (
            f"num_pages {self.num_pages}, {len(pages)} pages marked, {listed} listed and {isolated} isolated"
        )
        assert not self.balloon_lock.held, "balloon_lock is held at rest"
        assert self.host.ballooned == {page.pfn for page in pages}, "the host has other pages"

    def _start(self) -> None:
        if self.host.config.num_pages:
            self.size_work_queued = True
        if Feature.STATS_VQ in self.features:
            self._send_stats()

    def _empty(self) -> None:
        while self.num_pages:
            if not self.leak_balloon(self.num_pages) and not self.info.wait_for_page():
                raise BalloonBusy(
                    f"{self.num_pages} pages cannot leave the balloon now, "
                    f"{self.info.isolated_pages} of them are isolated: put them back, then try again"
                )
        self.update_balloon_size()
        self.size_work_queued = self.stats_work_queued = False

    def _send_stats(self) -> None:
        self.host.send(Queue.STATS, pack_stats(collect_stats(self.vm)))

    # -- pages -------------------------------------------------------------------------------------

    def _allocate(self, num: int) -> list[Page]:
        pages: list[Page] = []
        while len(pages) < num:
            page = self.info.balloon_page_alloc()
            if page is None:
                _log.info("memory is short: %d of %d pages allocated for the balloon", len(pages), num)
                break
            pages.append(page)
        return pages

    def _dequeue(self, num: int) -> list[Page]:
        pages: list[Page] = []
        while len(pages) < num and (page := self.info.balloon_page_dequeue()) is not None:
            pages.append(page)
        return pages

    def _undo_fill(self, pages: Sequence[Page]) -> None:
        for page in pages:
            self.info.balloon_page_remove(page)
        self.num_pages -= len(pages)
        self._release(pages)

    def _undo_leak(self, pages: Sequence[Page]) -> None:
        for page in reversed(pages):
            self.info.balloon_page_enqueue(page)
        self.num_pages += len(pages)

    def _release(self, pages: Sequence[Page]) -> None:
        self._adjust_managed(pages, 1)
        for page in pages:
            page.put()

    def _adjust_managed(self, pages: Sequence[Page], each: int) -> None:
        if Feature.DEFLATE_ON_OOM not in self.features:
            for page in pages:
                self.vm.adjust_managed_page_count(page, each)
