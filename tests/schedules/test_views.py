"""How a run is shown: columns, a Chrome trace, the stacks of its CPUs."""

import json
from collections import Counter
from typing import Any

import pytest
from migration.kit import Recorder
from schedules.kit import MACHINE, hunt, scenario

from movable import VM, Mutex, SpinLock, WorkQueue
from movable.sched import (
    PCT,
    Op,
    Outcome,
    Random,
    Replay,
    RoundRobin,
    Scenario,
    Schedule,
    chrome_trace,
    columns,
    run,
)

COLUMNS = """\
      CPU 0                   CPU 1
1     > -> hold
2       lock books
3       get_page 0x1000
4!                            > -> hold
5                               lock books
6                               waits for books
8     > unlocked books
9       end
10                            > get_page 0x1000
11                              unlocked books
"""


def _two(vm: VM) -> Scenario:
    lock, page = Mutex(vm, "books"), vm.alloc_page()
    assert page is not None

    def hold() -> None:
        with lock:
            page.get()

    return scenario(vm, hold, hold)


def _small(vm: VM) -> Outcome:
    """CPU 0 is preempted with a lock that CPU 1 then waits for."""
    return run(_two(vm), Replay(Schedule.parse("a3b")))


def test_columns_of_a_small_run(vm: VM) -> None:
    """A preemption, a wait and the way back, to the letter."""
    text = "\n".join(columns(_small(vm).trace, cpus=2, width=54)) + "\n"
    assert text == COLUMNS


def test_a_column_for_each_cpu_that_did_something(vm: VM) -> None:
    """CPUs without an operation have no column; the one for work has one if it worked."""
    work = WorkQueue(vm, "work")
    head = next(columns(run(scenario(vm, vm.alloc_page, [], vm.alloc_page)).trace, cpus=3))
    assert head.split() == ["CPU", "0", "CPU", "2"]
    head = next(columns(run(scenario(vm, lambda: work.queue(vm.alloc_page))).trace, cpus=1))
    assert head.split() == ["CPU", "0", "CPU", "1", "(work)"]
    head = next(columns(run(Scenario(vm, [[]])).trace, cpus=1))
    assert head.split() == ["CPU", "0"]


@pytest.mark.parametrize("width", [20, 60, 200])
def test_long_texts_are_cut(vm: VM, width: int) -> None:
    """A text that has no room ends with an ellipsis; a column has room for some text always."""
    label = "an operation with a name that is far too long for any column whatever its width may be " * 3
    lines = list(columns(run(Scenario(vm, [[Op(label, vm.alloc_page)]] * 2)).trace, cpus=2, width=width))
    assert all(len(line) <= max(width, 6 + 2 * 12) for line in lines)
    assert sum("…" in line for line in lines) >= 2


def test_steps_far_from_a_switch_can_be_left_out(vm: VM) -> None:
    """With ``around``, long turns keep their ends and the beginnings of operations; the rest is counted."""
    page = vm.alloc_page()
    assert page is not None

    def many() -> None:
        for _ in range(40):
            page.get()

    trace = run(scenario(vm, [many, many], [many])).trace
    whole = list(columns(trace, cpus=2))
    short = list(columns(trace, cpus=2, around=3))
    left_out = sum(
        int(line.strip().removeprefix("(").removesuffix(" steps)"))
        for line in short
        if line.endswith("steps)")
    )
    shown = sum(not line.endswith("steps)") for line in short)
    assert shown + left_out == len(whole)
    assert len(short) < 25
    assert sum("-> many" in line for line in short) == 3
    assert [line for line in short if ">" in line and "->" not in line] == [
        line for line in whole if ">" in line and "->" not in line
    ]
    assert list(columns(trace, cpus=2, around=1000)) == whole


def test_the_mark_of_a_preemption(vm: VM) -> None:
    """As many steps are marked as the run has preemptions; those who wait or end are not preempted."""
    page = vm.alloc_page()
    assert page is not None

    def body() -> None:
        for _ in range(9):
            page.get()

    for strategy in (RoundRobin(), Random(3), PCT(4), Replay()):
        trace = run(Scenario(vm, [[Op("body", body)]] * 4), strategy).trace
        marks = sum(line.split(" ", 1)[0].endswith("!") for line in columns(trace, cpus=4))
        assert marks == trace.preemptions


def _events(trace: str) -> list[dict[str, Any]]:
    events = json.loads(trace)["traceEvents"]
    assert isinstance(events, list)
    return events


@pytest.mark.parametrize("strategy", [Replay(), RoundRobin(), Random(1), Random(2), PCT(3)])
def test_slices_of_a_chrome_trace_are_balanced(vm: VM, strategy: RoundRobin) -> None:
    """On each track every slice that begins ends, innermost first, at a time not before its begin."""
    events = _events(chrome_trace(run(_with_migration(vm), strategy).trace, title="a run"))
    tracks: dict[int, list[tuple[str, int]]] = {}
    for event in events:
        open_ = tracks.setdefault(event["tid"], [])
        if event["ph"] == "B":
            open_.append((event["name"], event["ts"]))
        elif event["ph"] == "E":
            name, begun = open_.pop()
            assert name == event["name"]
            assert event["ts"] >= begun
    assert tracks
    assert not any(tracks.values())


def _with_migration(vm: VM) -> Scenario:
    driver = Recorder(vm)
    pages = [driver.add() for _ in range(3)]
    listed = vm.page_list("mover")

    def move() -> None:
        for page in pages:
            listed.isolate(page)
        vm.migrate_pages(listed, lambda _page: vm.alloc_page())
        vm.putback_movable_pages(listed)

    return scenario(vm, move, [vm.alloc_page, vm.alloc_page])


def test_a_chrome_trace_has_what_viewers_ask_for(vm: VM) -> None:
    """Events have a phase, a name, a process, a track and a time; tracks have names; times do not go back."""
    trace = run(_with_migration(vm), RoundRobin()).trace
    events = _events(chrome_trace(trace, title="a run", failure="it broke"))
    kinds = Counter(event["ph"] for event in events)
    assert set(kinds) == {"M", "B", "E", "X", "i"}
    for event in events:
        assert {"ph", "name", "pid", "tid"} <= set(event)
        assert ("ts" in event) == (event["ph"] != "M")
    names = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert {0: "CPU 0", 1: "CPU 1"}.items() <= names.items()
    times = [event["ts"] for event in events if "ts" in event]
    assert times == sorted(times)
    assert any(event["name"].startswith("migratepage(") for event in events)
    assert events[-1]["name"] == "it broke"
    preempted = [event for event in events if event["name"].startswith("preempted by")]
    assert len(preempted) == trace.preemptions


def test_a_chrome_trace_of_nothing(vm: VM) -> None:
    """A run without operations is a valid trace too."""
    assert _events(chrome_trace(run(Scenario(vm, [[]])).trace, title="", failure="f"))


def test_stacks_end_at_the_call_of_the_sdk() -> None:
    """A suspended CPU is shown down to the call that it is in, not the insides of that call."""

    def make() -> Scenario:
        vm = VM(MACHINE)
        lock, other = SpinLock(vm, "pair"), SpinLock(vm, "pair")

        def one() -> None:
            with lock, other:
                pass

        def two() -> None:
            with other:
                lock.acquire()

        return scenario(vm, one, two)

    outcome = hunt(make)
    assert outcome is not None
    stacks = dict(outcome.stacks)
    first, last = stacks[1].splitlines()
    assert "in two: lock.acquire()" in first
    assert last.startswith("lock.py:")
    assert "in acquire" in last
    assert "run.py" not in "".join(stacks.values())


def test_stacks_of_the_sdks_own_code(vm: VM) -> None:
    """Where the SDK itself is all there is on a stack, its first lines are shown."""
    page = vm.alloc_page()
    assert page is not None
    outcome = run(scenario(vm, page.unlock))
    lines = dict(outcome.stacks)[0].splitlines()
    assert 1 <= len(lines) <= 2
    assert lines[0].startswith("page.py:")
