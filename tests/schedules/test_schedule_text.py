"""Schedules and steps as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from schedules.kit import MACHINE, scenario

from movable import VM, BitLock, ConfigError, Mutex
from movable.sched import Choice, Event, Op, Replay, Scenario, Schedule, run

CHOICES = st.builds(Choice, st.integers(0, 25), st.integers(0, 999_999_999), st.integers(0, 25))


@given(st.lists(CHOICES, max_size=12))
def test_text_comes_back(choices: list[Choice]) -> None:
    """What ``str()`` writes is read back as the same schedule."""
    schedule = Schedule(choices)
    assert Schedule.parse(str(schedule)) == schedule


def test_the_texts_are_pinned() -> None:
    """The text is short and does not change: tokens of old reports stay readable."""
    assert str(Schedule()) == "-"
    assert str(Choice(0, 17, 1)) == "a17b"
    assert str(Schedule([Choice(0, 17, 1), Choice(25, 0, 2)])) == "a17bz0c"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "17",
        "a17",
        "17b",
        "A17b",
        "a17b ",
        "a-1b",
        "a017b",
        "a17b-",
        "--",
        "a17b,b4a",
        "a1234567890b",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    """A text that ``str()`` never writes is an error that shows one it does."""
    with pytest.raises(ConfigError, match="a17bb4a"):
        Schedule.parse(text)


def test_choices_are_left_out_by_place() -> None:
    """``without`` and ``then`` make new schedules and leave the old one alone."""
    schedule = Schedule.parse("a1bb2ac3a")
    assert str(schedule.without(frozenset([1]))) == "a1bc3a"
    assert str(schedule.without(frozenset(range(3)))) == "-"
    assert str(schedule.then(Choice(0, 9, 2))) == "a1bb2ac3aa9c"
    assert len(schedule) == 3


def test_choices_that_cannot_be_followed_are_passed_over() -> None:
    """CPUs that are not there, that have ended, or steps that never come: the default goes on."""
    for text in ("a2y", "z0a", "a2d", "a999999999b", "b1bb1b"):
        vm = VM(MACHINE)
        outcome = run(scenario(vm, vm.alloc_page, vm.alloc_page), Replay(Schedule.parse(text)))
        assert outcome.error is None, text
        assert len(outcome.trace.schedule) == 0, text


def test_steps_in_words(vm: VM) -> None:
    """Every kind of step has a text with the name of the lock or the page it concerns."""
    page, mutex = vm.alloc_page(), Mutex(vm, "books")
    assert page is not None
    bits = BitLock(vm, "pin", memoryview(bytearray(64)).cast("Q"))

    def body() -> None:
        mutex.acquire()
        mutex.release()
        bits.acquire(0)
        bits.release(0)
        bits.acquire(5)
        bits.release(5)
        page.get()
        page.put()
        page.lock()
        page.unlock()
        other = vm.alloc_pages(1)
        assert other is not None
        vm.free_pages(other, 1)

    trace = run(Scenario(vm, [[Op("a body", body)]])).trace
    pfn = hex(page.pfn)
    texts = [trace.text(step) for step in trace.steps if step.cpu == 0]
    free = next(text for text in texts if text.startswith("free_pages"))
    assert texts == [
        "start",
        "-> a body",
        "lock books",
        "unlocked books",
        "lock pin",
        "unlocked pin",
        "lock pin[0x5]",
        "unlocked pin[0x5]",
        f"get_page {pfn}",
        f"put_page {pfn}",
        f"lock_page {pfn}",
        f"unlocked page {pfn}",
        "alloc_pages order 1",
        free,
        "end",
    ]


def test_own_numbers_count_a_cpus_steps(vm: VM) -> None:
    """Steps are numbered over all CPUs, and once more for each CPU."""
    steps = run(scenario(vm, vm.alloc_page, vm.alloc_page)).trace.steps
    assert [step.number for step in steps] == list(range(len(steps)))
    for cpu in range(3):
        own = [step.own for step in steps if step.cpu == cpu]
        assert own == list(range(len(own)))


def test_every_event_has_a_word(vm: VM) -> None:
    """No kind of step lacks its text."""
    trace = run(scenario(vm, vm.alloc_page)).trace
    step = trace.steps[0]
    for event in Event:
        if event is not Event.OP:
            assert trace.text(type(step)(0, 0, 0, event, 1, 0, 0, 1))
