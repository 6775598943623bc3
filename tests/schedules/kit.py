"""A small machine of several CPUs, and what the tests of schedules do on it."""

from collections.abc import Callable, Sequence

from movable import VM
from movable.config import MachineConfig, NodeConfig, ZoneConfig
from movable.sched import Op, Outcome, Scenario, explore

CPUS = 4

MACHINE = MachineConfig(
    "cpus", (NodeConfig((ZoneConfig("Normal", 0x1000, 1024),), tuple(range(CPUS))),), cpus=CPUS
)

Body = Callable[[], object]


def scenario(vm: VM, *bodies: Body | Sequence[Body], **settings: object) -> Scenario:
    """Each body, or list of bodies, is what one CPU does."""
    cpus = [[body] if callable(body) else list(body) for body in bodies]
    ops = [[Op(getattr(one, "__name__", "op"), one) for one in bodies] for bodies in cpus]
    return Scenario(vm, ops, **settings)  # type: ignore[arg-type]


def hunt(make: Callable[[], Scenario], rounds: int = 200, seed: int = 0) -> Outcome | None:
    """The failure that some schedule of so many ends in; None if none does."""
    return explore(make, range(rounds), seed=seed).failure


def rule_of(outcome: Outcome | None) -> str | None:
    """The id of the rule that was broken."""
    error = None if outcome is None else outcome.error
    violation = getattr(error, "violation", error)
    return getattr(getattr(violation, "rule", None), "id", None)
