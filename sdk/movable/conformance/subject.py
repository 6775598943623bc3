"""The driver under test as its users see it, compared with the suite's own ledger."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from random import Random
from typing import Any, NoReturn, TypeVar

from movable.config import MachineConfig
from movable.conformance.deadline import Deadline
from movable.conformance.ledger import Ledger
from movable.conformance.outcome import CheckFailed, NothingToJudge
from movable.conformance.probe import Probe
from movable.conformance.settings import Settings
from movable.drivers import AddressSpace, DriverSpec
from movable.errors import DeadVM, Violation
from movable.faults import HookFaults
from movable.page import Page
from movable.vm import VM

__all__ = ["Subject", "describe"]

_T = TypeVar("_T")
Handle = Hashable


class Subject:
    """One driver on a machine of its own.

    The ledger and the probe are the suite's: what the driver says is compared with them, never copied.
    A check that searches asks ``settings.budget`` how far it may go; what it puts into ``figures`` (counts) and
    ``token`` (the schedule of a failure) is copied into its result.
    """

    def __init__(
        self,
        spec: DriverSpec,
        seed: str,
        *,
        owns: Callable[[str], bool] = lambda _cause: False,
        clock: Deadline | None = None,
        debug: int = 1,
        machine: str | MachineConfig = "tiny",
        settings: Settings = Settings(),
    ) -> None:
        self.spec = spec
        self.owns = owns
        self.seed = seed
        self.debug = debug
        self.settings = settings
        self.token = ""
        self.details: list[str] = []
        self.figures: dict[str, int | float] = {}
        self.vm = VM(machine, debug=debug)
        self.ledger = Ledger(Random(seed))
        self.clock = clock or Deadline()
        self.probe = Probe(self.clock)
        self.answers = HookFaults(self.probe.note_injected)
        self.advice: list[str] = []
        self.closed = False
        self.asked: str | None = None
        self.free_before = self.free_pages()
        self.managed_before = self.managed_pages()
        self.driver, self.workload, self.mapping = self.load()

    def load(self, clause: str = "MARK-1") -> tuple[Any, Any, AddressSpace]:
        """Load an instance of the driver on this machine and observe its callbacks."""
        driver, workload, mapping = self.attach(clause)
        mapping.add_observer(self.probe)
        mapping.add_observer(self.answers)
        return driver, workload, mapping

    def attach(self, clause: str) -> tuple[Any, Any, AddressSpace]:
        """Load an instance of the driver on this machine, with its workload."""
        driver = self.ask("the driver's factory", self.spec.factory, self.vm, clause=clause)
        mapping = getattr(driver, "mapping", None)
        if not isinstance(mapping, AddressSpace):
            self.fail(f"driver.mapping is {mapping!r}, not an AddressSpace", clause="MARK-1")
        workload = self.ask("the workload's factory", self.spec.workload, driver, clause="MARK-1")
        return driver, workload, mapping

    def ask(self, what: str, function: Callable[..., _T], *args: object, clause: str = "CALL-4") -> _T:
        """Call the driver's own code; an exception of it is the driver's failure, named."""
        self.clock.check()
        self.asked = what
        try:
            return function(*args)
        except (Violation, DeadVM):
            raise
        except Exception as error:
            raise CheckFailed(f"{what} raised {describe(error)}", clause=clause, where=what) from error

    def store(self, size: int | None = None) -> Handle | None:
        """Store a new object of ``size`` bytes (by chance, up to the largest); None if the driver is full."""
        limit = self.spec.capabilities.max_object
        data = self.ledger.fresh(self.ledger.rng.randint(1, limit) if size is None else size)
        handle: Handle | None = self.ask("store()", self.workload.store, data)
        if handle is None:
            return None
        if not isinstance(handle, Hashable):
            self.fail(f"store() answered {handle!r}, which is not hashable", clause="CALL-4", where="store()")
        if handle in self.ledger.objects:
            self.fail(
                f"store() answered {handle!r}, a handle that is in use", clause="CAP-2", where="store()"
            )
        self.ledger.enter(handle, data)
        return handle

    def store_edges(self) -> None:
        """Store the largest, the smallest and odd objects: a copy that stops short shows at their ends."""
        limit = self.spec.capabilities.max_object
        for size in sorted({1, limit // 2 | 1, max(limit - 1, 1), limit}):
            self.store(size)

    def store_any(self) -> Handle | None:
        """Store an object of any size, a single byte if nothing larger is taken."""
        handle = self.store()
        return self.store(1) if handle is None else handle

    def fill(self, pages: int = 8, objects: int = 256) -> list[Page]:
        """Store objects until the driver has marked ``pages`` pages; returns the marked pages."""
        for _ in range(objects):
            if self.store_any() is None or len(self.marked()) >= pages:
                break
        if not self.ledger.objects:
            self.fail("store() took nothing on an empty machine", clause="CALL-4", where="store()")
        marked = self.marked()
        if not marked:
            self.fail("no page was marked movable, whatever was stored", clause="MARK-2", where="store()")
        return marked

    def read(self, handle: Handle, clause: str) -> None:
        """Read an object back and compare it with the ledger; nothing to do for a driver without contents."""
        if not self.spec.capabilities.contents:
            return
        answer = self.ask("load()", self.workload.load, handle)
        if not isinstance(answer, bytes | bytearray | memoryview):
            self.fail(f"load({handle!r}) answered {answer!r}, not bytes", clause="CALL-4", where="load()")
        got = bytes(answer)
        want = self.ledger.objects[handle]
        if got != want:
            self.fail(_mismatch(handle, got, want), clause=clause, where="load()")

    def verify(self, clause: str = "DATA-1") -> None:
        """Read everything back, and let the driver check its own invariants."""
        for handle in self.ledger.handles:
            self.read(handle, clause)
        self.check_own(clause)

    def check_own(self, clause: str) -> None:
        """Let the driver check its own invariants."""
        self.asked = "check()"
        try:
            self.workload.check()
        except AssertionError as error:
            raise CheckFailed(
                f"the driver's own check() failed: {error}", clause=clause, where="check()"
            ) from error
        except (Violation, DeadVM):
            raise
        except Exception as error:
            raise CheckFailed(
                f"check() raised {describe(error)}", clause="CALL-4", where="check()"
            ) from error

    def drop(self, handle: Handle) -> bool:
        """Ask the driver to drop an object; False means busy, try later."""
        done = self.ask("drop()", self.workload.drop, handle)
        if done is not True and done is not False:
            self.fail(f"drop() answered {done!r}, not True or False", clause="CALL-4", where="drop()")
        if done:
            self.ledger.strike(handle)
        return bool(done)

    def drop_all(self, clause: str = "FREE-3") -> None:
        """Drop every object; nothing is isolated, so the driver has no reason to say busy."""
        for handle in self.ledger.handles:
            if not self.drop(handle):
                self.fail(f"drop({handle!r}) says busy with no page isolated", clause=clause, where="drop()")

    def unload(self) -> None:
        """Unload the driver and demand that nothing stays behind."""
        self.closed = True
        self.ask("close()", self.driver.close)
        left = self.marked()
        self.expect(
            not left,
            f"after close() {len(left)} pages still carry the mapping",
            clause="LIFE-1",
            pfn=left[0].pfn if left else None,
        )
        self.settle()
        lost = self.free_before - self.free_pages()
        self.expect(lost <= 0, f"after close() {lost} pages are missing from the free pages", clause="LIFE-1")
        self.ledger.objects.clear()

    def reload(self) -> None:
        """Load a new instance where one was unloaded."""
        self.driver, self.workload, self.mapping = self.load("LIFE-2")
        self.closed = False

    def pages(self, handle: Handle) -> list[Page]:
        """Pages that the driver names for an object."""
        answer = self.ask("pages()", self.workload.pages, handle)
        named = list(answer) if isinstance(answer, Iterable) else [answer]
        if not all(isinstance(page, Page) for page in named):
            self.fail(f"pages({handle!r}) answered {answer!r}, not pages", clause="CAP-2", where="pages()")
        return named

    @contextmanager
    def pin(self, handle: Handle) -> Iterator[None]:
        """Pin an object for the time of the block."""
        manager = self.ask("pin()", self.workload.pin, handle)
        if not isinstance(manager, AbstractContextManager):
            self.fail(f"pin() answered {manager!r}, not a context manager", clause="CALL-4", where="pin()")
        self.ask("pin()", manager.__enter__)
        try:
            yield
        finally:
            self.ask("the end of pin()", manager.__exit__, None, None, None)

    @contextmanager
    def pinned(self) -> Iterator[None]:
        """Pin one object for the time of the block, if the driver claims that it can."""
        if not self.spec.capabilities.pin:
            yield
            return
        with self.pin(self.ledger.handles[0]):
            yield

    def reads_back(self, handle: Handle) -> bool:
        """True if the driver gives back what was stored; an exception counts as no."""
        try:
            return bytes(self.workload.load(handle)) == self.ledger.objects[handle]
        except (Violation, DeadVM):
            raise
        except Exception:
            return False

    @contextmanager
    def tolerant(self) -> Iterator[list[str]]:
        """Let requests raise in the block; what the first one raised is in the list."""
        raised: list[str] = []
        try:
            yield raised
        except CheckFailed as failure:
            if failure.clause != "CALL-4":
                raise
            raised.append(failure.what)

    def marked(self) -> list[Page]:
        """Pages that carry the driver's mapping, by the VM's own scan, in order of frame number."""
        return sorted(self.mapping.pages(), key=lambda page: page.pfn)

    def free_pages(self) -> int:
        """Free pages of the machine."""
        return sum(zone.free_pages for zone in self.vm.zones)

    def managed_pages(self) -> int:
        """Managed pages of the machine."""
        return sum(zone.managed for zone in self.vm.zones)

    def settle(self) -> None:
        """Let an idle moment pass: queued work runs, and the per-CPU vectors let go of their pages."""
        self.ask("queued work", self.vm.run_work, clause="LIVE-5")
        self.vm.lru_add_drain_all()

    def fail(
        self, what: str, *, clause: str | None = None, pfn: int | None = None, where: str | None = None
    ) -> NoReturn:
        """End the check as failed."""
        raise CheckFailed(what, clause=clause, pfn=pfn, where=where)

    def expect(
        self,
        true: object,
        what: str,
        *,
        clause: str | None = None,
        pfn: int | None = None,
        where: str | None = None,
    ) -> None:
        """Go on if ``true``; otherwise end the check as failed with the sentence ``what``."""
        if not true:
            self.fail(what, clause=clause, pfn=pfn, where=where)

    def note(self, advice: str) -> None:
        """Report something that fails nobody."""
        self.advice.append(advice)

    def nothing(self, reason: str) -> NoReturn:
        """End the check as not-claimed: the driver gave no occasion to judge."""
        raise NothingToJudge(reason)


def describe(error: BaseException) -> str:
    """An exception with the place it comes from: ``KeyError: 7 (cells.py:31 in drop)``."""
    frames = traceback.extract_tb(error.__traceback__)
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if not frames:
        return text
    return f"{text} ({Path(frames[-1].filename).name}:{frames[-1].lineno} in {frames[-1].name})"


def _mismatch(handle: Handle, got: bytes, want: bytes) -> str:
    if len(got) != len(want):
        return f"load({handle!r}) gave {len(got)} bytes of the {len(want)} stored"
    first = next(i for i, (a, b) in enumerate(zip(got, want, strict=True)) if a != b)
    return f"load({handle!r}) differs from what was stored, from byte {first} of {len(want)} on"
