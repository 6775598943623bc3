"""Judges the suite: every wrong driver is given to the check made for it, every correct one to all checks."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from fnmatch import fnmatchcase
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from attrs import frozen

from movable.conformance.api import check
from movable.conformance.contract import CONTRACT
from movable.conformance.outcome import Outcome
from movable.conformance.power.folder import Folder, load_folder
from movable.conformance.power.mutation import CorrectDriver, Mutation
from movable.conformance.power.report import CorrectResult, MutantResult, PowerReport
from movable.conformance.registry import all_checks
from movable.conformance.report import CheckResult, Report
from movable.errors import ConfigError

__all__ = ["judge_correct", "judge_mutant", "measure_power", "one_cpu_checks"]

OnJudged = Callable[[MutantResult | CorrectResult], None]

_WAITS_S = 1.0
_LIMIT_S = 20.0


def measure_power(
    folder: Path,
    *,
    select: str | None = None,
    seed: int = 0,
    seeds: int = 1,
    jobs: int = 1,
    on_judged: OnJudged | None = None,
) -> PowerReport:
    """Judge every driver of a folder and return the kill matrix.

    Args:
        folder: a package or folder of modules whose classes are marked ``@wrong`` and ``@correct``.
        select: names of drivers to judge, with commas between: globs or parts; all of them for None.
        seed: what every check of a wrong driver is seeded with, and the first seed of a correct one.
        seeds: how many seeds a correct driver must pass.
        jobs: processes that share the work.
        on_judged: called with each result as it comes.

    Raises:
        ConfigError: the folder cannot be used, ``select`` matches nothing, or a number is below 1.
    """
    for name, number in (("seeds", seeds), ("jobs", jobs)):
        if number < 1:
            raise ConfigError(f"{name}: must be 1 or more, not {number}")
    loaded = load_folder(folder)
    tasks = [
        *(_Task(folder, one.name, seed, 0) for one in loaded.mutants),
        *(_Task(folder, one.name, seed, seeds) for one in loaded.correct),
    ]
    tasks = _selected(tasks, select)
    results: dict[str, MutantResult | CorrectResult] = {}
    for result in _run(tasks, loaded, jobs):
        results[result.name] = result
        if on_judged is not None:
            on_judged(result)
    ordered = [results[task.name] for task in tasks]
    return PowerReport(
        str(folder),
        CONTRACT.label,
        seed,
        tuple(one for one in ordered if isinstance(one, MutantResult)),
        tuple(one for one in ordered if isinstance(one, CorrectResult)),
    )


def judge_mutant(mutant: Mutation, seed: int = 0) -> MutantResult:
    """Give a wrong driver to the check made for it, and if that does not find the mistake, to all of them.

    One whose mistake is no race may be without locks, so that it is not given to the checks of races.
    """
    own, message, schedules = _own(mutant, seed)
    killers = (mutant.check,) if own else _killers(mutant, seed)
    return MutantResult(
        mutant.name,
        mutant.group,
        mutant.check,
        killers,
        mutant.bug,
        mutant.race,
        schedules,
        "" if killers else message,
    )


def judge_correct(one_driver: CorrectDriver, seed: int, seeds: int) -> CorrectResult:
    """Give a correct driver to all checks that are for it, under several seeds."""
    failed: list[str] = []
    carried_out = 0
    select = one_cpu_checks() if one_driver.one_cpu else None
    for one in range(seed, seed + seeds):
        report = check(one_driver.driver, seed=one, select=select)
        carried_out += sum(result.outcome.ran for result in report.checks)
        bad = report.of_outcome(Outcome.FAIL, Outcome.XPASS)
        failed += [f"{result.id} (seed {one})" for result in bad]
    return CorrectResult(one_driver.name, seeds, carried_out, tuple(failed))


def _own(mutant: Mutation, seed: int) -> tuple[bool, str, int | None]:
    """Whether the check made for a mistake finds it, how that check ended, and the schedules it took."""
    if mutant.check not in {one.id for one in all_checks()}:
        return False, f"there is no check {mutant.check}", None
    report = check(mutant.driver, select=mutant.check, limit=_limit(mutant), seed=seed)
    result = report.check(mutant.check)
    found = _found(mutant, report, result)
    told = result.message.splitlines()[0] if result.message else ""
    return found, f"{mutant.check}: {result.outcome}{f' ({told})' if told else ''}", _schedules(result)


def _found(mutant: Mutation, report: Report, result: CheckResult) -> bool:
    if mutant.advisory:
        return result.outcome is Outcome.PASS and "note" in result.message and report.passed
    return result.outcome is Outcome.FAIL and mutant.clause in (None, result.clause)


def one_cpu_checks() -> str:
    """The ids of all checks but those of races, as `movable.check` selects them."""
    return ",".join(one.id for one in all_checks() if one.level != "L3")


def _killers(mutant: Mutation, seed: int) -> tuple[str, ...]:
    select = None if mutant.race else one_cpu_checks()
    report = check(mutant.driver, limit=_limit(mutant), seed=seed, select=select)
    return tuple(result.id for result in report.of_outcome(Outcome.FAIL))


def _schedules(result: CheckResult) -> int | None:
    return int(result.figures["schedules"]) if "schedules" in result.figures else None


def _limit(mutant: Mutation) -> float:
    """Seconds for one check: few where the mistake is to wait for ever."""
    return _WAITS_S if mutant.clause == "LIVE-1" else _LIMIT_S


@frozen
class _Task:
    """One driver to judge, named so that another process finds it; ``seeds`` is 0 for a wrong one."""

    folder: Path
    name: str
    seed: int
    seeds: int


def _selected(tasks: list[_Task], select: str | None) -> list[_Task]:
    if select is None:
        return tasks
    chosen: set[str] = set()
    for item in (part.strip().lower() for part in select.split(",")):
        found = {task.name for task in tasks if item and _matches(item, task.name.lower())}
        if not found:
            raise ConfigError(f"select: no driver matches {item or select!r}")
        chosen |= found
    return [task for task in tasks if task.name in chosen]


def _matches(item: str, name: str) -> bool:
    return fnmatchcase(name, item) if any(char in item for char in "*?[") else item in name


def _run(tasks: list[_Task], folder: Folder, jobs: int) -> Iterator[MutantResult | CorrectResult]:
    if jobs == 1 or len(tasks) < 2:
        yield from (_judge(task, folder) for task in tasks)
        return
    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=get_context("spawn")) as pool:
        yield from _finished(pool.submit(_judge_apart, task) for task in tasks)


def _finished(futures: Iterable[Any]) -> Iterator[MutantResult | CorrectResult]:
    for future in as_completed(list(futures)):
        yield future.result()


def _judge(task: _Task, folder: Folder) -> MutantResult | CorrectResult:
    if not task.seeds:
        return judge_mutant(folder.mutant(task.name), task.seed)
    driver = next(one for one in folder.correct if one.name == task.name)
    return judge_correct(driver, task.seed, task.seeds)


def _judge_apart(task: _Task) -> MutantResult | CorrectResult:
    """Judge in a process that has to load the folder itself."""
    return _judge(task, load_folder(task.folder))
