"""``movable.check``: judge a driver by the contract."""

from collections.abc import Iterable

from movable.conformance.contract import CONTRACT
from movable.conformance.registry import all_checks, select_checks
from movable.conformance.report import Report
from movable.conformance.runner import OnResult, Runner, check_expectations
from movable.conformance.settings import Settings
from movable.conformance.target import DriverLike, resolve
from movable.drivers import installed_drivers

__all__ = ["check", "check_all"]


def check(
    driver: DriverLike,
    *,
    select: str | None = None,
    on_result: OnResult | None = None,
    limit: float = 20.0,
    debug: int = 1,
    seed: int = 0,
) -> Report:
    """Judge one driver and return the report.

    Args:
        driver: the name of an installed driver, ``module:attribute``, a ``DriverSpec``, or a driver class
            whose instances are their own workload.
        select: which checks to run, as ``movable check -k`` takes it: ids, globs or parts of ids, with commas
            between them. The others end as not-run.
        on_result: called with each result as it comes. In the report a failure may still turn into blocked,
            when another check turns out to be the one made for the mistake.
        limit: seconds that one check may take. Only the main thread can be held to it.
        debug: debug level of the machines, 0 to 2. At 0 the core judges nothing: the suite's ledger is alone.
        seed: chooses sizes and contents of what is stored; the same seed gives the same run.

    Raises:
        DriverError: there is no such driver.
        ConfigError: ``select`` or the driver's expectations name no check.
    """
    target = resolve(driver)
    selected = select_checks(select)
    checks = all_checks()
    check_expectations(target, checks)
    results = Runner(target, Settings(seed, limit, debug)).run(checks, selected, on_result)
    return Report.of(target.spec.name, CONTRACT.label, results)


def check_all(
    drivers: Iterable[DriverLike] | None = None,
    *,
    select: str | None = None,
    on_result: OnResult | None = None,
) -> tuple[Report, ...]:
    """Judge several drivers, all installed ones by default, one report each.

    Raises:
        DriverError, ConfigError: as ``check``, before anything runs.
    """
    chosen = sorted(installed_drivers()) if drivers is None else list(drivers)
    checks = all_checks()
    select_checks(select)
    for driver in chosen:
        check_expectations(resolve(driver), checks)
    return tuple(check(driver, select=select, on_result=on_result) for driver in chosen)
