"""``movable replay``: run the schedule of a failed race again, and show it."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console

from movable.cli.files import demand_writable
from movable.conformance.races import Replay, replay
from movable.sched import chrome_trace, columns

__all__ = ["register"]

_AROUND = 12
"""Steps that are shown before and after each change of CPUs."""


def register(app: App) -> None:
    """Add the command to the application."""
    app.command(replay_command, name="replay")


def replay_command(
    token: str,
    *,
    driver: str | None = None,
    trace: Annotated[Path | None, Parameter(name="--trace")] = None,
    full: Annotated[bool, Parameter(name="--full", negative="")] = False,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="")] = False,
) -> int:
    """Repeat a race that `movable check` has found. Exit status: 1 it failed again, 0 it did not, 2 wrong usage.

    Parameters
    ----------
    token:
        What the check's message says behind ``repeat  movable replay``.
    driver:
        Another driver than the one that the token names: an installed one, or ``module:attribute``.
    trace:
        Write the run to this file, for ui.perfetto.dev or chrome://tracing.
    full:
        Print every step; otherwise those far from a change of CPUs are left out.
    quiet:
        Print what failed, without the steps.
    """
    if trace is not None:
        demand_writable(trace)
    done = replay(token, driver)
    console = Console(highlight=False, soft_wrap=True)
    if not quiet:
        _print_steps(console, done, None if full else _AROUND)
    if trace is not None:
        failure = done.finding.what if done.finding else None
        trace.write_text(
            chrome_trace(done.outcome.trace, title=str(done.token), failure=failure), encoding="utf-8"
        )
    _print_end(console, done)
    return 1 if done.failed else 0


def _print_steps(console: Console, done: Replay, around: int | None) -> None:
    trace, token = done.outcome.trace, done.token
    preempted = f"{trace.preemptions} preemption{'' if trace.preemptions == 1 else 's'}"
    console.print(f"{token.driver}, {token.check}: {trace.nr_steps} steps, {preempted}")
    console.print("(> a CPU goes on; ! the one before was preempted; -> an operation begins)\n")
    for line in columns(trace, cpus=done.cpus, width=max(console.width, 80), around=around):
        console.print(line, markup=False)
    console.print()


def _print_end(console: Console, done: Replay) -> None:
    if done.finding is None:
        console.print("it did not fail this time: the driver, the SDK or the token has changed")
        return
    where = (
        "at the end, when all CPUs were done" if done.outcome.cpu is None else f"on CPU {done.outcome.cpu}"
    )
    console.print(f"failed {where}")
    stacks = [f"cpu {cpu}   {line}" for cpu, text in done.outcome.stacks for line in text.splitlines()]
    console.print(done.finding.text(f"movable replay {done.token}", stacks), markup=False)
