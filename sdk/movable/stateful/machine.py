"""The rules: what users, the VM and its administrator do to a driver, in any order."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from errno import EAGAIN, EBUSY, ENOMEM
from typing import Any

from hypothesis import strategies as st

from movable.conformance.probe import Move
from movable.conformance.target import DriverLike, Target, resolve
from movable.errors import DriverError
from movable.faults import HookFaults
from movable.flags import GFP, CompactPriority, IsolateMode, MigrateMode
from movable.stateful.states import LOADED, Row, State
from movable.stateful.steps import Record, SteppedMachine, step
from movable.stateful.world import Held, Pin, World
from movable.vm import CompactSettings

__all__ = ["ROWS", "DriverMachine", "driver_machine"]

SIZES = ("one byte", "half", "largest but one", "largest", "any")
OUTCOMES = ("real", "-EAGAIN", "-EBUSY", "-ENOMEM", "no target")
MODES = ("SYNC", "SYNC_LIGHT", "ASYNC")
MEMORY = ("plenty", "low", "none")
FORMS = ("node", "direct", "async")

_MOST_OBJECTS = 48
_MOST_LISTS = 3
_USED = LOADED - {State.EMPTY}
_FREE = LOADED - {State.PINNED, State.BOTH}
_AWAY = frozenset({State.ISOLATED, State.BOTH})

STORE = (Row("store", _FREE), Row("store, no memory", _FREE))
LOAD = Row("load", _USED, "contents")
DROP = Row("drop", _USED & _FREE)
PIN = Row("pin", _USED & _FREE, "pin")
UNPIN = Row("unpin", frozenset({State.PINNED, State.BOTH}), "pin")
ISOLATE = (Row("isolate", _USED), Row("isolate, asynchronous", _USED))
MIGRATE = tuple(Row(f"migrate, {outcome}", _AWAY) for outcome in OUTCOMES)
PUTBACK = Row("putback", _AWAY)
COMPACT = tuple(Row(f"compact, {form}", _USED) for form in FORMS)
RUN_WORK = Row("run_work", _USED)
UNLOAD = Row("unload", frozenset({State.STORED}))
RELOAD = Row("reload", frozenset({State.UNLOADED}))

ROWS: tuple[Row, ...] = (
    *(*STORE, LOAD, DROP, PIN, UNPIN, *ISOLATE, *MIGRATE, PUTBACK, *COMPACT),
    *(RUN_WORK, UNLOAD, RELOAD),
)
"""The rows of the table of transitions."""


def _objects(world: World) -> object:
    return world.rig.ledger.objects


which = st.integers(0, 15)
few = st.integers(1, 4)


class DriverMachine(SteppedMachine):
    """Any driver under any program of these steps. Each can be called by hand, by the arguments it names.

    Arguments that choose among things (``which``, ``batch``, ``first``) count from 0 in the order of storing,
    isolating, or frame numbers, and go round.
    """

    rows = ROWS

    @step(
        *STORE,
        when=lambda world: len(world.rig.ledger.objects) < _MOST_OBJECTS,
        size=st.sampled_from(SIZES),
        count=few,
        memory=st.sampled_from(MEMORY),
    )
    def store(self, size: str, count: int, memory: str) -> None:
        """Store objects; none may go into a page that is isolated (ISO-4).

        ``memory`` is "plenty", "none", or "low": only frames at the low end are free, where compaction looks for
        pages to move.
        """
        world = self.here
        memory_is: dict[str, Callable[[], AbstractContextManager[None]]]
        memory_is = {"plenty": nullcontext, "low": world.low, "none": world.exhausted}
        self.row = STORE[memory == "none"].name
        taken = 0
        with world.unwritten(), memory_is[memory]():
            while taken < count and self._store_one(size):
                taken += 1
        if taken < count:
            self.note(f"{taken} taken")
        fresh = taken or memory != "plenty" or world.rig.ledger.objects
        what = "store() took nothing on an empty machine"
        world.rig.expect(fresh, what, clause="CALL-4", where="store()")

    def _store_one(self, size: str) -> bool:
        """Store one object; False if the driver has no room."""
        world, rig = self.here, self.here.rig
        handle = rig.store(_bytes(size, rig.spec.capabilities.max_object))
        if handle is None:
            return False
        used = min(world.touched(handle), default=None)
        rig.expect(used is None, "store() used an isolated page", clause="ISO-4", pfn=used, where="store()")
        return True

    @step(LOAD, when=_objects, which=which)
    def load(self, which: int) -> None:
        """Read one object back."""
        self.here.read(self.pick("which", self.here.rig.ledger.handles, which))

    @step(DROP, when=_objects, which=which)
    def drop(self, which: int) -> None:
        """Drop an object; busy is an answer only while pages are isolated."""
        world, rig = self.here, self.here.rig
        handle = self.pick("which", rig.ledger.handles, which)
        pages = {page.pfn for page in rig.pages(handle)}
        whole = bool(pages) and pages <= world.isolated
        if rig.drop(handle):
            return
        self.note("busy")
        rig.expect(world.held, "drop() says busy with no page isolated", clause="FREE-3", where="drop()")
        promised = rig.spec.capabilities.drop_isolated and whole
        what = "drop_isolated is claimed, but drop() says busy"
        rig.expect(not promised, what, clause="CAP-1", where="drop()")

    @step(PIN, when=_objects, which=which)
    def pin(self, which: int) -> None:
        """Pin an object: it stays where it is until it is unpinned (CAP-3)."""
        world = self.here
        handle = self.pick("which", world.rig.ledger.handles, which)
        end, pages = ExitStack(), world.rig.pages(handle)
        with world.lenient(world.touched(handle)):
            end.enter_context(world.rig.pin(handle))
            world.pin = Pin(handle, end, pages)

    @step(UNPIN)
    def unpin(self) -> None:
        """End the pin."""
        self.here.unpin()

    @step(
        *ISOLATE,
        when=lambda world: len(world.held) < _MOST_LISTS and world.resting(),
        first=which,
        pages=st.integers(1, 8),
        asynchronous=st.booleans(),
    )
    def isolate(self, first: int, pages: int, asynchronous: bool) -> None:
        """Isolate resting pages, as a caller of migrate_pages does."""
        world, rig = self.here, self.here.rig
        resting = world.resting()
        start = resting.index(self.pick("first", resting, first))
        wanted = resting[start : start + pages]
        self.line.arguments["pages"] = len(wanted)
        self.row = ISOLATE[asynchronous].name
        must = world.idle and wanted == resting and not asynchronous
        batch = rig.isolate(wanted, IsolateMode.ASYNC_MIGRATE if asynchronous else IsolateMode(0))
        self.note(f"{len(batch.taken)} taken")
        if batch.taken:
            world.held.append(Held(batch, [page.pfn for page in batch.taken]))
        rig.expect(
            batch.taken or not must,
            f"isolate_page refused all {len(wanted)} pages of an idle driver",
            clause="LIVE-2",
            where="isolate_page",
        )

    @step(
        *MIGRATE,
        batch=which,
        outcome=st.sampled_from(("real", *OUTCOMES)),
        mode=st.sampled_from(MODES),
        times=st.integers(1, 10),
    )
    def migrate(self, batch: int, outcome: str, mode: str, times: int) -> None:
        """Migrate an isolated list.

        ``outcome`` is the driver's own ("real"), or answered for it: -EAGAIN for ``times`` passes, -EBUSY for so
        many pages, -ENOMEM at that page, or no target from that page on.
        """
        world, rig = self.here, self.here.rig
        held = self.pick("batch", world.held, batch)
        self.row = MIGRATE[OUTCOMES.index(outcome)].name
        pages = len(held.listed)
        _inject(rig.answers, outcome, times, pages)
        must = self._must_move(held, outcome, mode)
        seen = len(rig.probe.calls)
        world.clause = "DATA-1" if outcome == "real" else "DATA-2"
        with world.moving():
            rig.migrate(held.batch, MigrateMode[mode], supply=times - 1 if outcome == "no target" else None)
        rig.answers.clear()
        self._note_moves(seen, must)

    def _must_move(self, held: Held, outcome: str, mode: str) -> bool:
        """Whether a page has to move: an idle driver, all of its pages on the list, in MIGRATE_SYNC."""
        world = self.here
        alone = world.state is State.ISOLATED and world.held == [held] and world.rig.ledger.objects
        return (
            bool(alone) and (outcome, mode) == ("real", "SYNC") and not held.given_up and not world.resting()
        )

    def _note_moves(self, seen: int, must: bool = False) -> None:
        moved = [call for call in self.here.rig.probe.moves(seen) if call.answer == 0]
        self.note(_moves(moved))
        what = "no page of an idle driver moved in MIGRATE_SYNC"
        self.here.rig.expect(moved or not must, what, clause="LIVE-2", where="migratepage")

    @step(PUTBACK, batch=which)
    def putback(self, batch: int) -> None:
        """Put an isolated list back."""
        held = self.pick("batch", self.here.held, batch)
        self.here.clause = "DATA-2"
        self.here.rig.putback(held.batch)
        self.here.settle_lists()

    @step(*COMPACT, form=st.sampled_from(FORMS))
    def compact(self, form: str) -> None:
        """Compact: the whole node by hand, for an allocation of order 1 (memory has none), or asynchronously."""
        rig, seen = self.here.rig, len(self.here.rig.probe.calls)
        self.row = COMPACT[FORMS.index(form)].name
        self.here.clause = "DATA-4"
        if form == "node":
            rig.vm.compact_node(0)
        elif form == "direct":
            with self.here.fragmented():
                rig.vm.try_to_compact_pages(1, GFP.HIGHUSER_MOVABLE, CompactPriority.SYNC_LIGHT)
        else:
            for zone in rig.vm.zones:
                rig.vm.compact_zone(zone, CompactSettings(mode=MigrateMode.ASYNC))
        self._note_moves(seen)

    @step(RUN_WORK)
    def run_work(self) -> None:
        """Let an idle moment pass: queued work runs."""
        self.here.rig.settle()

    @step(UNLOAD)
    def unload(self) -> None:
        """Unload the driver, with objects stored or without; nothing is isolated or pinned."""
        self.here.rig.unload()

    @step(RELOAD)
    def reload(self) -> None:
        """Load a new instance."""
        self.here.rig.reload()

    def rest(self) -> None:
        """Unpin, put back, move everything once more, drop everything, unload, and read every free page's poison."""
        world, rig = self.here, self.here.rig
        world.unpin()
        for held in world.held:
            rig.putback(held.batch)
        world.settle_lists()
        if not rig.closed:
            rig.settle()
            world.demand()
            if world.idle:
                rig.expect(
                    rig.move_all(),
                    "no page of an idle driver moved at the end",
                    clause="LIVE-4",
                    where="migratepage",
                )
            world.demand()
            rig.drop_all()
            rig.unload()
        with world.exhausted():
            pass


def driver_machine(
    driver: DriverLike, *, seed: int = 0, debug: int = 1, limit: float = 5.0
) -> type[DriverMachine]:
    """Make a Hypothesis state machine of a driver: an object whose steps can be called by hand.

    Its ``TestCase`` is Hypothesis's own front, with Hypothesis's settings, database and (slower) shrinking; a class
    that inherits `DriverPrograms` is the usual test.

    Args:
        driver: the name of an installed driver, ``module:attribute``, a ``DriverSpec``, or a driver class.
        seed: chooses the contents of what is stored. Hypothesis chooses the steps.
        debug: debug level of the machines, 0 to 2.
        limit: seconds that one step may take; only the main thread can be held to it.

    Raises:
        DriverError: there is no such driver.
    """
    target = resolve(driver)
    body: dict[str, Any] = {
        "target": target,
        "expression": _expression(target),
        "seed": seed,
        "debug": debug,
        "limit": limit,
        "record": Record(),
        "__doc__": f"Any program of steps over the driver {target.spec.name}.",
    }
    return type("DriverMachine", (DriverMachine,), body)


def _expression(target: Target) -> str:
    """How a program names the driver: by its address if that leads back to it, else by a name to be filled in."""
    try:
        if target.address is not None and resolve(target.address).spec.factory is target.spec.factory:
            return repr(target.address)
    except DriverError:
        pass
    return target.spec.name if target.spec.name.isidentifier() else "DRIVER"


def _bytes(size: str, limit: int) -> int | None:
    """How many bytes a word of ``SIZES`` means; None lets chance decide."""
    sizes = {"one byte": 1, "half": limit // 2 | 1, "largest but one": max(limit - 1, 1), "largest": limit}
    return min(sizes[size], limit) if size in sizes else None


def _inject(faults: HookFaults, outcome: str, times: int, pages: int) -> None:
    """Have migratepage answered in the driver's stead."""
    if outcome == "-EAGAIN":
        faults.fail(-EAGAIN, times * pages)
    elif outcome == "-EBUSY":
        faults.fail(-EBUSY, times)
    elif outcome == "-ENOMEM":
        faults.fail(-ENOMEM, at=times - 1)


def _moves(moved: list[Move]) -> str:
    if not moved:
        return "0 moved"
    first = f"{moved[0].pfn:#x} to {moved[0].new_after.pfn:#x}"
    return f"{len(moved)} moved: {first}{' ...' if len(moved) > 1 else ''}"
