"""Random programs over a driver, by the number and without pytest."""

from attrs import evolve
from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis import seed as seeded
from hypothesis.errors import Flaky
from hypothesis.stateful import run_state_machine_as_test

from movable.conformance.target import DriverLike
from movable.errors import ConfigError
from movable.stateful.machine import DriverMachine, driver_machine
from movable.stateful.report import StatefulReport
from movable.stateful.shorten import shorten
from movable.stateful.states import transitions
from movable.stateful.steps import END, Broken, claims_of

__all__ = ["run_stateful"]

_SHORT = 5
_UNSTEADY = "it broke once and not again: the driver does not always do the same"


def run_stateful(
    driver: DriverLike,
    *,
    examples: int = 100,
    steps: int = 30,
    seed: int = 0,
    debug: int = 1,
    limit: float = 5.0,
) -> StatefulReport:
    """Judge a driver by random programs of steps, and shorten the first one that breaks it.

    Args:
        driver: as for ``movable.check``.
        examples: programs to run, and before them as many of a fifth of the steps, whose findings are plainer.
            The first program that breaks the driver is the last.
        steps: steps of each program.
        seed: chooses programs and contents; the same seed gives the same run.
        debug: debug level of the machines, 0 to 2.
        limit: seconds that one step may take; only the main thread can be held to it.

    Raises:
        DriverError: there is no such driver.
        ConfigError: a number is below 1.
    """
    for name, number in (("examples", examples), ("steps", steps)):
        if number < 1:
            raise ConfigError(f"{name}: must be 1 or more, not {number}")
    machine = driver_machine(driver, seed=seed, debug=debug, limit=limit)
    try:
        for length in dict.fromkeys((max(steps // _SHORT, 1), steps)):
            _run(machine, examples, length, seed)
    except (Broken, Flaky):
        if machine.record.broken is None:
            raise
    return _report(machine, seed)


def _run(machine: type[DriverMachine], examples: int, steps: int, seed: int) -> None:
    seeded(seed)(machine)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            phases=(Phase.generate,),
            database=None,
            deadline=None,
            derandomize=False,
            print_blob=False,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
        ),
    )


def _report(machine: type[DriverMachine], seed: int) -> StatefulReport:
    record, name = machine.record, machine.target.spec.name
    counts = transitions(machine.rows, record.counts, claims_of(machine.target))
    report = StatefulReport(name, seed, record.programs, record.steps, counts)
    if record.broken is None:
        return report
    shortest = shorten(machine, record.broken)
    broken = shortest or record.broken
    return evolve(
        report,
        clause=broken.finding.clause.id,
        message=broken.finding.text("run the program" if shortest else _UNSTEADY),
        program=broken.program.text(),
        length=sum(line.name != END for line in broken.program.lines),
    )
