"""``movable.check``: judge a driver by the contract."""

from collections.abc import Iterable

from movable.conformance.contract import find_contract
from movable.conformance.expectations import expectations_of
from movable.conformance.parallel import run_parallel
from movable.conformance.registry import all_checks, select_checks, select_levels
from movable.conformance.report import Report
from movable.conformance.runner import OnResult, Runner
from movable.conformance.settings import Budget, Settings
from movable.conformance.target import DriverLike, resolve
from movable.drivers import installed_drivers
from movable.errors import ConfigError

__all__ = ["check", "check_all", "make_runner"]


def check(
    driver: DriverLike,
    *,
    select: str | None = None,
    levels: str | Iterable[str] | None = None,
    budget: Budget | str | None = None,
    contract: str | None = None,
    jobs: int = 1,
    on_result: OnResult | None = None,
    limit: float = 20.0,
    debug: int = 1,
    seed: int = 0,
    lines: bool = False,
) -> Report:
    """Judge one driver and return the report.

    Args:
        driver: the name of an installed driver, ``module:attribute``, a ``DriverSpec``, or a driver class
            whose instances are their own workload.
        select: which checks to run, as ``movable check -k`` takes it: ids, globs or parts of ids, with commas
            between them. The others end as not-run.
        levels: the levels to run, as ``"L1,L2"`` or a list; all of them for None. The others end as not-run.
        budget: how far the checks above L1 search. None and ``"quick"`` are counts, so that the same seed gives
            the same run; a duration (``"60s"``, ``"10m"``) lets them search for that time, together.
        contract: the contract to judge by, ``aops-4.8`` (its newest version) or ``aops-4.8/1.0``. Checks that
            came later are reported and not counted.
        jobs: processes that share the work. The results are those of one process, in the same order.
        on_result: called with each result, in the order of the checks. In the report a failure may still turn
            into blocked, when another check turns out to be the one made for the mistake.
        limit: seconds that one check may take; a search may take its share of the budget more. Only the main
            thread can be held to it.
        debug: debug level of the machines, 0 to 2. At 0 the core judges nothing: the suite's ledger is alone.
        seed: chooses sizes and contents of what is stored, and schedules; the same seed gives the same run.
        lines: have scheduling points between the lines of the driver's own Python code in all schedules, not
            only in a third of them.

    Raises:
        DriverError: there is no such driver.
        ConfigError: ``select`` or the driver's expectations name no check, or another argument is none of those
            described here.
    """
    settings = Settings(seed, limit, debug, Budget.of(budget), lines)
    runner = make_runner(
        driver, select=select, levels=levels, contract=contract, jobs=jobs, settings=settings
    )
    if jobs > 1:
        run_parallel(runner, jobs, on_result)
        return runner.report()
    return runner.run(on_result)


def make_runner(
    driver: DriverLike,
    *,
    select: str | None = None,
    levels: str | Iterable[str] | None = None,
    contract: str | None = None,
    jobs: int = 1,
    settings: Settings = Settings(),
) -> Runner:
    """Prepare the judgement of one driver, as ``check`` does; nothing runs yet.

    Raises:
        DriverError, ConfigError: as ``check``.
    """
    if jobs < 1:
        raise ConfigError(f"jobs: must be 1 or more, not {jobs}")
    target = resolve(driver)
    checks = all_checks()
    by_level = select_levels(levels)
    selected = select_checks(select)
    left_out = {one.id: f"level {one.level} was not asked for" for one in checks if one.id not in by_level}
    return Runner(
        target,
        checks,
        selected & by_level,
        settings,
        find_contract(contract),
        expectations_of(target),
        left_out,
        jobs,
    )


def check_all(
    drivers: Iterable[DriverLike] | None = None,
    *,
    select: str | None = None,
    levels: str | Iterable[str] | None = None,
    budget: Budget | str | None = None,
    contract: str | None = None,
    jobs: int = 1,
    on_result: OnResult | None = None,
    seed: int = 0,
    lines: bool = False,
) -> tuple[Report, ...]:
    """Judge several drivers, all installed ones by default, one report each. Arguments are those of ``check``.

    Raises:
        DriverError, ConfigError: as ``check``, before anything runs.
    """
    chosen = sorted(installed_drivers()) if drivers is None else list(drivers)
    for driver in chosen:
        make_runner(driver, select=select, levels=levels, contract=contract, jobs=jobs)
    return tuple(
        check(
            driver,
            select=select,
            levels=levels,
            budget=budget,
            contract=contract,
            jobs=jobs,
            on_result=on_result,
            seed=seed,
            lines=lines,
        )
        for driver in chosen
    )
