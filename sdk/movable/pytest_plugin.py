"""The pytest plugin: a class of two lines, or an option, runs the suite with one test for each check.

    class TestMine(DriverConformance):
        driver = MyDriver

    $ pytest --movable-driver NAME

A check that is not claimed or blocked is skipped with its reason, one that fails as expected is an xfail; the terminal
summary has the denominators. Under xdist each worker judges what it is given: results do not depend on who runs what.
The suite is imported when it is first needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from movable.conformance import Check, CheckResult, Runner

__all__: list[str] = []

_FIXTURE = "movable_check"
_PREFIX = "movable_"


class _Judgement:
    """Checks of one driver in this process. ``chosen`` are those that the session will run; set once collected."""

    def __init__(self, label: str, driver: Any, arguments: dict[str, Any]) -> None:
        from movable.conformance import Budget, Settings, make_runner

        settings = Settings(seed=arguments.pop("seed"), budget=Budget.of(arguments.pop("budget")))
        self.label = label
        self.runner: Runner = make_runner(driver, settings=settings, **arguments)
        self.checks: dict[str, Check] = {
            check.id: check for check in self.runner.checks if check.id in self.runner.selected
        }
        self.chosen: set[str] = set()

    def choose(self) -> None:
        """Leave it at the checks that the session runs: what pytest deselected blocks nothing."""
        self.runner.selected = frozenset(self.chosen)

    def result(self, check_id: str) -> CheckResult:
        """How a check ended; it runs now, if it did not yet."""
        return self.runner.result(self.checks[check_id])


class _State:
    """The judgements of a session, by class or driver name."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.judgements: dict[object, _Judgement] = {}

    def of_class(self, cls: Any) -> _Judgement:
        """The judgement that a test class asks for."""
        if cls not in self.judgements:
            driver = getattr(cls, "driver", None)
            if driver is None:
                raise pytest.UsageError(f"{cls.__name__}: say which driver to judge: driver = MyDriver")
            asked = {name: getattr(cls, name) for name in ("select", "levels", "budget", "contract", "seed")}
            self.judgements[cls] = self._judgement(f"{cls.__module__}.{cls.__qualname__}", driver, asked)
        return self.judgements[cls]

    def of_name(self, name: str) -> _Judgement:
        """The judgement of a driver named by ``--movable-driver``."""
        if name not in self.judgements:
            asked = {"select": None, "levels": None, "budget": None, "contract": None, "seed": 0}
            self.judgements[name] = self._judgement(name, name, asked)
        return self.judgements[name]

    def _judgement(self, label: str, driver: Any, asked: dict[str, Any]) -> _Judgement:
        from movable.errors import MovableError

        option = self.config.getoption
        given = {name: option(f"movable_{name}") for name in ("levels", "budget", "contract", "seed")}
        try:
            return _Judgement(label, driver, asked | {k: v for k, v in given.items() if v is not None})
        except MovableError as error:
            raise pytest.UsageError(f"{label}: {error}") from error


_STATE = pytest.StashKey[_State]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the suite."""
    group = parser.getgroup("movable", "conformance of drivers of movable pages")
    group.addoption(
        "--movable-driver",
        action="append",
        default=[],
        metavar="NAME",
        help="judge this installed driver, or module:attribute; may be given several times",
    )
    group.addoption("--movable-level", dest="movable_levels", metavar="L1,L2", help="run these levels only")
    group.addoption(
        "--movable-budget", metavar="TIME", help="how far checks search: quick, or a time such as 60s or 10m"
    )
    group.addoption(
        "--movable-contract", metavar="NAME", help="judge by this contract: aops-4.8, aops-4.8/1.0"
    )
    group.addoption("--movable-seed", type=int, metavar="N", help="what is stored, and which schedules run")


def pytest_configure(config: pytest.Config) -> None:
    """Prepare the state of the session."""
    config.stash[_STATE] = _State(config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a DriverConformance class a test for every check."""
    if _FIXTURE not in metafunc.fixturenames or metafunc.cls is None:
        return
    from movable.conformance import DriverConformance

    if issubclass(metafunc.cls, DriverConformance):
        ids = list(metafunc.config.stash[_STATE].of_class(metafunc.cls).checks)
        metafunc.parametrize(_FIXTURE, ids, indirect=True)


@pytest.fixture
def movable_check(request: pytest.FixtureRequest) -> Callable[[], None]:
    """Runs the check that the test is for, and ends the test as the check ended."""
    judgement = request.config.stash[_STATE].of_class(request.cls)
    check_id: str = request.param
    return lambda: _end(request.node, judgement, check_id)


class _DriverCollector(pytest.Collector):
    """The tests of one driver that an option names."""

    judgement: _Judgement

    def collect(self) -> Iterator[pytest.Item]:
        """A test for every check."""
        for check_id in self.judgement.checks:
            item = _CheckItem.from_parent(self, name=check_id)
            item.judgement = self.judgement
            yield item


class _CheckItem(pytest.Item):
    """A check of a driver that an option names."""

    judgement: _Judgement

    def runtest(self) -> None:
        """Run the check and end as it ended."""
        _end(self, self.judgement, self.name)

    def reportinfo(self) -> tuple[str, None, str]:
        """The heading of a failure."""
        return "movable", None, f"{self.judgement.label} {self.name}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add the tests of the drivers that options name; -k and -m choose among them afterwards."""
    for name in dict.fromkeys(config.getoption("movable_driver")):
        collector = _DriverCollector.from_parent(session, name=f"movable[{name}]", nodeid=f"movable[{name}]")
        collector.judgement = config.stash[_STATE].of_name(name)
        report = collector.ihook.pytest_make_collect_report(collector=collector)
        collector.ihook.pytest_collectreport(report=report)
        items.extend(report.result)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Tell each judgement which of its checks were not deselected."""
    state = session.config.stash[_STATE]
    for item in session.items:
        judged = _judged(state, item)
        if judged is not None:
            judgement, check_id = judged
            judgement.chosen.add(check_id)
    for judgement in state.judgements.values():
        judgement.choose()


def _judged(state: _State, item: pytest.Item) -> tuple[_Judgement, str] | None:
    """The judgement and the check that a test stands for; None for a test of another kind."""
    if isinstance(item, _CheckItem):
        return item.judgement, item.name
    if isinstance(item, pytest.Function) and item.cls in state.judgements and hasattr(item, "callspec"):
        check_id = item.callspec.params.get(_FIXTURE)
        return (state.judgements[item.cls], str(check_id)) if check_id else None
    return None


def _end(item: pytest.Item, judgement: _Judgement, check_id: str) -> None:
    """Run a check and end the test accordingly."""
    __tracebackhide__ = True
    result = judgement.result(check_id)
    item.user_properties += _told(judgement, result)
    if result.preview and result.outcome in ("fail", "xpass"):
        pytest.xfail(f"preview, not counted: {result.message}")
    if result.outcome in ("fail", "xpass"):
        pytest.fail(result.message, pytrace=False)
    if result.outcome == "xfail":
        pytest.xfail(result.message.partition("\n")[0])
    if result.outcome != "pass":
        pytest.skip(result.message)


def _told(judgement: _Judgement, result: CheckResult) -> list[tuple[str, str]]:
    """What the summary needs, as properties of the test: xdist carries them, and JUnit files show them."""
    reason = result.message if result.outcome in ("not-claimed", "blocked") else ""
    told = {
        "test": judgement.label,
        "driver": judgement.runner.target.spec.name,
        "contract": judgement.runner.contract.label,
        "check": result.id,
        "clause": result.clause,
        "level": result.level,
        "outcome": str(result.outcome),
        "reason": reason,
        "preview": "preview" if result.preview else "",
    }
    return [(_PREFIX + key, value) for key, value in told.items()]


def _results(reporter: pytest.TerminalReporter) -> dict[str, list[dict[str, str]]]:
    """What was told by the tests that have run, by the class or name that asked for it."""
    found: dict[str, list[dict[str, str]]] = {}
    for report in (report for reports in reporter.stats.values() for report in reports):
        if getattr(report, "when", "") != "call":
            continue
        told = {
            name.removeprefix(_PREFIX): value
            for name, value in report.user_properties
            if str(name).startswith(_PREFIX)
        }
        if told:
            found.setdefault(told["test"], []).append(told)
    return found


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say of each driver how many checks ran, were not claimed, were blocked, and the verdict."""
    found = _results(terminalreporter)
    if not found:
        return
    terminalreporter.section("movable conformance")
    for label, results in found.items():
        for line in _summary(label, results):
            terminalreporter.line(line)


def _summary(label: str, results: list[dict[str, str]]) -> Iterable[str]:
    from movable.conformance import CheckResult, Outcome, Report, all_checks

    order = {check.id: number for number, check in enumerate(all_checks())}
    results = sorted(results, key=lambda one: order[one["check"]])
    first = results[0]
    report = Report.of(
        first["driver"],
        first["contract"],
        (
            CheckResult(
                one["check"],
                one["clause"],
                one["level"],
                Outcome(one["outcome"]),
                preview=bool(one["preview"]),
            )
            for one in results
        ),
    )
    yield f"{report.driver} ({label}): contract {report.contract}, verdict {report.verdict}"
    yield from (f"  {count.summary(level)}" for level, count in report.levels.items())
    reasons: dict[str, list[str]] = {}
    for one in results:
        if one["outcome"] in ("not-claimed", "blocked"):
            reasons.setdefault(one["reason"], []).append(one["check"])
    yield from (f"  {reason}: {', '.join(checks)}" for reason, checks in reasons.items())
    if not any(count.run for count in report.levels.values()):
        yield "  no check was run: that is a failure, not a pass"


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A driver of which no check was run has not passed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or exitstatus != pytest.ExitCode.OK:
        return
    for results in _results(reporter).values():
        if all(one["outcome"] in ("not-claimed", "blocked") or one["preview"] for one in results):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
