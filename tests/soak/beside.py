"""The same operations on several CPUs at once: some use memory, each with tasks of its own, others move it."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from random import Random

from schedules.kit import scenario
from soak import cpusets, disturbing, moves, using
from soak.memory import Slot
from soak.plan import OPERATIONS, WEIGHTS, Failure, Operation, Step
from soak.sharing import Sharing
from soak.world import Turn, World

from movable import PAGE_SIZE
from movable.sched import PCT, Outcome, run
from movable.sched import Random as RandomSchedule

USERS = 3
MOVERS = 2
USER_STEPS = 20
MOVER_STEPS = 10
INHERITED = 12
LIMIT = 2_000_000

_NOT_BESIDE: frozenset[Operation] = frozenset({using.device, disturbing.squeeze, disturbing.relieve})

MOVING: frozenset[Operation] = frozenset(
    {
        moves.migrate_pages,
        moves.move_pages,
        cpusets.cpuset_mems,
        cpusets.cpuset_flags,
        disturbing.compact_node,
        disturbing.compact_zone,
        disturbing.compact_directly,
        disturbing.reclaim,
        disturbing.isolate,
        disturbing.contiguous,
        disturbing.offline,
        disturbing.drivers,
        disturbing.large,
    }
)
"""What one CPU does to the memory of others."""

_USING = {operation: weight for operation, weight in WEIGHTS.items() if operation not in MOVING | _NOT_BESIDE}


def plan_beside(seed: int) -> list[Step]:
    """What each CPU does; `Step.cpu` says who."""
    random = Random(seed)
    moving = {operation: WEIGHTS[operation] for operation in WEIGHTS if operation in MOVING}
    # One CPU alone takes memory offline and drivers' objects away: the tests' books know no locks.
    second = {operation: weight for operation, weight in moving.items() if operation not in _ONE_CPU}
    steps = []
    for cpu in range(USERS):
        for _ in range(USER_STEPS):
            name = "share" if random.random() < 0.3 else _choose(random, _USING)
            steps.append(Step(name, cpu, random.getrandbits(32)))
    for cpu, choice in zip(range(USERS, USERS + MOVERS), (moving, second), strict=True):
        steps += [Step(_choose(random, choice), cpu, random.getrandbits(32)) for _ in range(MOVER_STEPS)]
    return steps


_ONE_CPU: frozenset[Operation] = frozenset(
    {disturbing.offline, disturbing.drivers, disturbing.contiguous, disturbing.isolate}
)


def _choose(random: Random, weights: dict[Operation, int]) -> str:
    (operation,) = random.choices([*weights], [*weights.values()])
    return operation.__name__


def carry_out_beside(
    seed: int, steps: Sequence[Step], *, debug: int = 1
) -> tuple[Failure | None, Counter[str]]:
    """Do the steps of each CPU beside those of the others, in the schedule of the seed; then check everything."""
    world = World(seed, USERS, debug=debug, exact=False)
    sharing = Sharing(world.vm, USERS)
    world.shared += sharing.processes
    _inherit(world, seed)
    done: list[Step] = []

    def body(step: Step) -> None:
        group = min(step.cpu, USERS - 1)
        turn = Turn(world, world.groups[group], Random(step.seed))
        done.append(step)
        if step.name == "share":
            sharing.turn(group, turn.random)
        else:
            OPERATIONS[step.name](turn)
        world.counts[step.name] += 1

    def finish() -> None:
        world.counts["pgmigrate_success"] = world.vm.vmstat()["pgmigrate_success"]
        sharing.end()
        world.end()

    bodies = [[partial(body, step) for step in steps if step.cpu == cpu] for cpu in range(USERS + MOVERS)]
    strategy = PCT(seed, 9, 3000) if seed % 4 == 0 else RandomSchedule(seed, (1, 3, 12)[seed % 3])
    try:
        outcome: Outcome = run(scenario(world.vm, *bodies, finish=finish, limit=LIMIT), strategy)
        world.counts["schedules"] += 1
        world.counts["switches"] += outcome.trace.switches
        if outcome.error is None:
            return None, world.counts
        assert isinstance(outcome.error, Exception)
        return Failure(outcome.error, len(steps), tuple(world.log)), world.counts
    finally:
        world.vm.close()


def _inherit(world: World, seed: int) -> None:
    """Each group's first task has the same private pages, which are shared until somebody writes."""
    (parent,) = world.groups[0].tasks
    first = parent.process.mmap(INHERITED * PAGE_SIZE) // PAGE_SIZE
    parent.slots = {page: Slot(using.RW, page) for page in range(first, first + INHERITED)}
    turn = Turn(world, world.groups[0], Random(seed))
    for _ in range(INHERITED):
        using.write(turn)
    for group in world.groups[1:]:
        group.tasks.append(parent.forked(parent.process.fork()))
