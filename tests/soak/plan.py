"""Plans of random operations: made from a seed, carried out, and cut down when one fails."""

import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from random import Random

from attrs import frozen
from soak import advising, binding, cpusets, disturbing, moves, using
from soak.world import CPUS, Turn, World

Operation = Callable[[Turn], None]

WEIGHTS: dict[Operation, int] = {
    using.write: 16,
    using.read: 10,
    using.touch: 8,
    using.mmap: 8,
    using.munmap: 2,
    using.mprotect: 2,
    using.mlock: 2,
    using.fork: 2,
    using.leave: 2,
    using.file_write: 3,
    using.file_read: 2,
    using.truncate: 1,
    using.sync: 2,
    using.device: 1,
    using.pin: 3,
    advising.dontneed: 2,
    advising.free: 2,
    advising.huge: 2,
    advising.merge: 2,
    advising.swap_out: 2,
    binding.set_mempolicy: 3,
    binding.get_mempolicy: 2,
    binding.mbind: 7,
    moves.migrate_pages: 5,
    moves.move_pages: 7,
    cpusets.cpuset_mems: 3,
    cpusets.cpuset_flags: 1,
    cpusets.attach: 2,
    cpusets.credentials: 1,
    cpusets.numa_maps: 1,
    disturbing.compact_node: 2,
    disturbing.compact_zone: 2,
    disturbing.compact_directly: 1,
    disturbing.reclaim: 2,
    disturbing.swapon: 1,
    disturbing.isolate: 2,
    disturbing.contiguous: 2,
    disturbing.offline: 1,
    disturbing.drivers: 2,
    disturbing.squeeze: 1,
    disturbing.relieve: 4,
    disturbing.large: 1,
    disturbing.drain: 1,
}
"""The operations, and how often they are done beside each other."""

OPERATIONS = {operation.__name__: operation for operation in WEIGHTS}

CHECK_EVERY = 25
READ_EVERY = 400


MOST_TRIES = 400
"""Runs that cutting a plan down may take."""


@frozen
class Step:
    """An operation, the CPU that it runs on, and the seed of its own chances."""

    name: str
    cpu: int
    seed: int

    def __str__(self) -> str:
        return f"{self.name} {self.cpu} {self.seed}"


def plan(seed: int, length: int) -> list[Step]:
    """So many random steps."""
    random = Random(seed)
    names = random.choices([*OPERATIONS], [*WEIGHTS.values()], k=length)
    return [Step(name, random.randrange(CPUS), random.getrandbits(32)) for name in names]


@frozen
class Failure:
    """What went wrong, at which step, and what was done before it."""

    error: Exception
    at: int
    log: tuple[str, ...]

    @property
    def place(self) -> tuple[type, str, int]:
        """The error's kind, and the line that it comes from."""
        last = traceback.extract_tb(self.error.__traceback__)[-1]
        return type(self.error), last.filename, last.lineno or 0


def carry_out(seed: int, steps: Sequence[Step], *, debug: int = 1) -> tuple[Failure | None, Counter[str]]:
    """Do all steps on one machine, one CPU at a time, with checks after each and a whole check now and then."""
    world = World(seed, debug=debug, exact=True)
    at = 0
    try:
        for at, step in enumerate(steps, 1):
            world.vm.cpu = step.cpu
            world.counts["operations with plenty of memory"] += world.plenty
            OPERATIONS[step.name](Turn(world, world.groups[0], Random(step.seed)))
            world.counts[step.name] += 1
            world.check()
            if at % CHECK_EVERY == 0:
                world.check_all()
            if at % READ_EVERY == 0:
                world.read_all()
        before = world.vm.vmstat()
        world.end()
    except Exception as error:
        return Failure(error, at, tuple(world.log)), world.counts
    else:
        world.counts.update({name: before[name] for name in EVENTS})
        return None, world.counts
    finally:
        world.vm.close()


EVENTS = (
    "pgmigrate_success",
    "pgmigrate_fail",
    "pgfault",
    "pswpin",
    "pswpout",
    "pgsteal_direct",
    "compact_stall",
)
"""Counters that show what the operations did."""


def shrink(steps: Sequence[Step], fails: Callable[[Sequence[Step]], bool]) -> list[Step]:
    """Fewer steps that still fail: ever smaller pieces are left out, so many times at most."""
    kept, size, tries = list(steps), len(steps) // 2, MOST_TRIES
    while size and tries:
        for start in pieces(len(kept), size):
            if not tries:
                break
            tries -= 1
            rest = kept[:start] + kept[start + size :]
            if fails(rest):
                kept = rest
        size //= 2
    return kept


def pieces(length: int, size: int) -> Iterator[int]:
    """Where pieces of a size begin, the last one first."""
    yield from range((length - 1) // size * size, -1, -size)
