"""The stateful test of any driver: correct ones pass, wrong ones are found, and what is found is short."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from mutants import cells, halves, migrating, putting, releasing, spanning

from movable import Capabilities, DriverError, DriverSpec, MovableError
from movable.errors import ConfigError
from movable.stateful import Broken, DriverPrograms, State, driver_machine, run_stateful

EASY = {
    "MigrateForgetsContents": ("DATA-1", 1),
    "MigrateLosesTheLastByte": ("DATA-1", 1),
    "AsyncDoesNothing": ("MIG-2", 3),
    "CopiesBytesThenLooks": ("MIG-6", 4),
    "CountsForTheVm": ("ACC-3", 1),
    "LosesPutback": ("ISO-7", 3),
    "PutbackDropsAReference": ("PUT-3", 3),
    "DropAsksOnce": ("FREE-3", 3),
    "UnlinksIsolatedPages": ("ISO-7", 3),
}
"""Wrong drivers, the clause that the shortest program breaks, and the most steps it may have."""


def _mutant(name: str) -> type:
    for module in (migrating, putting, releasing):
        if hasattr(module, name):
            found: type = getattr(module, name)
            return found
    raise KeyError(name)


@pytest.mark.parametrize(
    "driver",
    [cells.Cells, halves.Halves, spanning.Pairs, "balloon", "zsmalloc"],
    ids=["cells", "halves", "pairs", "balloon", "zsmalloc"],
)
def test_a_correct_driver_passes(driver: type | str) -> None:
    """No program of steps fails a correct driver, and the programs did something in most states."""
    report = run_stateful(driver, examples=12, steps=25)
    assert report.passed, f"{report.message}\n{report.program}"
    assert report.steps > 150
    assert len(report.never) < sum(each.possible for each in report.transitions) / 2


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 4))
@pytest.mark.parametrize("driver", ["cells", "halves", "pairs", "balloon", "zsmalloc"])
def test_a_correct_driver_passes_under_other_seeds(driver: str, seed: int) -> None:
    """Whatever the seed, a correct driver passes."""
    ours = {"cells": cells.Cells, "halves": halves.Halves, "pairs": spanning.Pairs}
    report = run_stateful(ours.get(driver, driver), seed=seed)
    assert report.passed, f"{report.message}\n{report.program}"


@pytest.mark.parametrize("name", EASY)
def test_a_wrong_driver_is_found_and_the_program_is_short(name: str) -> None:
    """A wrong driver breaks the clause of its mistake, in few steps."""
    clause, most = EASY[name]
    report = run_stateful(_mutant(name), examples=60)
    assert report.clause == clause, report.message
    assert report.length <= most, report.program


def test_the_printed_program_repeats_the_failure() -> None:
    """The program of a report is Python: run by itself it breaks the same clause."""
    report = run_stateful(migrating.CopiesBytesThenLooks, examples=60)
    assert not report.passed
    with pytest.raises(Broken) as broken:
        exec(compile(report.program, "<program>", "exec"), {})
    assert broken.value.finding.clause.id == report.clause == "MIG-6"
    assert "CopiesBytesThenLooks" in report.program.splitlines()[2]


def test_a_program_that_ends_in_its_end_says_so() -> None:
    """A breach that shows when the driver comes to rest is printed with the step that ends the program."""
    report = run_stateful(_mutant("NeverTriesAgain"))
    assert report.clause == "LIVE-4"
    assert report.program.splitlines()[-1].startswith("state.teardown()")


class Hangs(cells.Cells):
    """Its drop waits for ever."""

    def drop(self, handle: int) -> bool:
        """Do not return."""
        while True:
            pass


def test_a_step_that_does_not_return_is_a_finding() -> None:
    """A request that hangs breaks LIVE-1 after the limit of a step."""
    report = run_stateful(Hangs, examples=10, steps=10, limit=2.0)
    assert report.clause == "LIVE-1"
    assert "did not return" in report.message


class Loadless(cells.Cells):
    """It cannot be loaded."""

    def __init__(self, vm: object) -> None:
        raise OSError("no such device")


def test_a_driver_that_does_not_load_is_a_finding() -> None:
    """A factory that raises is a failure without a step."""
    report = run_stateful(Loadless)
    assert (report.clause, report.length) == ("MARK-1", 0)
    assert "no such device" in report.message


class Whimsical(cells.Cells):
    """It breaks once in the life of the process."""

    broke = False

    def check(self) -> None:
        """Fail the first time."""
        if not Whimsical.broke and self.cells:
            Whimsical.broke = True
            raise AssertionError("a bad day")


def test_a_breach_that_is_not_repeated_is_told_as_such() -> None:
    """A program that breaks once and not again fails the driver, and the report says that it is unsteady."""
    report = run_stateful(Whimsical, examples=10)
    assert not report.passed
    assert "a bad day" in report.message
    assert "not always do the same" in report.message


def test_the_table_knows_what_cannot_run() -> None:
    """Without the capability pin nothing runs or can run pinned; the counts add up to the steps."""
    report = run_stateful("balloon", examples=20, steps=20)
    cell = {(each.rule, each.state): each for each in report.transitions}
    assert not cell["pin", State.STORED].possible
    assert not any(each.possible for each in report.transitions if each.state in (State.PINNED, State.BOTH))
    assert not any(each.count for each in report.transitions if not each.possible)
    assert cell["reload", State.UNLOADED].possible
    assert not cell["store", State.UNLOADED].possible
    assert 0 < sum(each.count for each in report.transitions) <= report.steps


def test_what_never_ran_is_named() -> None:
    """Programs of one step store on an empty driver; every other possible transition is listed as never run."""
    report = run_stateful(cells.Cells, examples=20, steps=1)
    ran = {(each.rule, each.state) for each in report.transitions if each.count}
    assert ran == {("store", State.EMPTY), ("store, no memory", State.EMPTY)}
    possible = {(each.rule, each.state) for each in report.transitions if each.possible}
    assert set(report.never) == possible - ran
    assert f"{len(ran)}/{len(possible)} transitions ran" in report.summary()


@pytest.mark.long
def test_every_possible_transition_runs_in_time() -> None:
    """For a driver that claims everything each possible transition runs within 600 programs."""
    report = run_stateful(cells.Cells, examples=600, steps=20)
    assert report.never == ()


def test_the_same_seed_is_the_same_run() -> None:
    """A second run with the seed ends in an equal report; another seed runs other steps."""
    first, again = (run_stateful(cells.Cells, examples=10, seed=5) for _ in range(2))
    assert first == again
    assert run_stateful(cells.Cells, examples=10, seed=6).transitions != first.transitions


def _elsewhere(hash_seed: str, path: Path) -> object:
    code = (
        "from movable.stateful import run_stateful; from pathlib import Path; "
        f"run_stateful('zsmalloc', examples=8, seed=3).write(Path({str(path)!r}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONHASHSEED": hash_seed})
    return json.loads(path.read_text())


def test_the_same_seed_is_the_same_run_in_other_processes(tmp_path: Path) -> None:
    """Nothing depends on the process or on the seed of its hashes."""
    assert _elsewhere("1", tmp_path / "one.json") == _elsewhere("77", tmp_path / "two.json")


def test_bad_input_is_refused() -> None:
    """Unknown drivers and numbers below 1 are refused before anything runs."""
    with pytest.raises(DriverError, match="no driver named 'ballon'"):
        run_stateful("ballon")
    with pytest.raises(ConfigError, match="examples: must be 1 or more, not 0"):
        run_stateful("balloon", examples=0)
    with pytest.raises(ConfigError, match="steps: must be 1 or more, not -1"):
        run_stateful("balloon", steps=-1)


def test_without_hypothesis_the_extra_is_named() -> None:
    """Importing the package without Hypothesis says what to install, as an error of this package."""
    code = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "import movable\n"
        "try: import movable.stateful\n"
        "except movable.MovableError as error: print(isinstance(error, ImportError), error)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.startswith("True ")
    assert "pip install 'movable[stateful]'" in told
    assert issubclass(ConfigError, MovableError)


def test_a_spec_is_judged_like_its_class() -> None:
    """A DriverSpec runs as the class does."""
    spec = DriverSpec("cells", cells.Cells, lambda driver: driver, Capabilities(pin=True))
    assert run_stateful(spec, examples=5).transitions == run_stateful(cells.Cells, examples=5).transitions


def test_steps_by_hand() -> None:
    """A machine is an object: steps run by hand keep the books, and the end is judged."""
    state = driver_machine(cells.Cells)()
    states = [state.here.state]
    state.store(size="largest", count=3, memory="plenty")
    state.isolate(first=0, pages=2, asynchronous=False)
    states.append(state.here.state)
    state.migrate(batch=0, outcome="-EBUSY", mode="SYNC", times=2)
    states.append(state.here.state)
    state.teardown()
    assert states == [State.EMPTY, State.ISOLATED, State.STORED]
    assert [line.name for line in state.program.lines] == ["store", "isolate", "migrate", "teardown"]


class TestCells(DriverPrograms):
    """The test of a correct driver, as its author writes it."""

    driver = cells.Cells
    examples = 10
    steps = 15


class Forgetful(DriverPrograms):
    """The same of a wrong one."""

    driver = migrating.MigrateForgetsContents


def test_the_pytest_front_finds_a_mistake() -> None:
    """The test class fails for a wrong driver, with the finding and the program."""
    with pytest.raises(AssertionError, match=r"DATA-1[^$]*state\.store"):
        Forgetful().test_programs()


def test_hypothesis_runs_the_machine_itself() -> None:
    """The machine is one of Hypothesis's: its own front finds the mistake, too."""
    machine = driver_machine(migrating.MigrateForgetsContents)
    assert issubclass(machine, RuleBasedStateMachine)
    with pytest.raises(Broken, match="DATA-1"):
        run_state_machine_as_test(
            machine,
            settings=settings(
                database=None,
                deadline=None,
                phases=(Phase.generate,),
                verbosity=Verbosity.quiet,
                suppress_health_check=list(HealthCheck),
            ),
        )
