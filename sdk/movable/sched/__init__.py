"""Emulated CPUs that take turns: races in a driver become schedules, and every schedule can be repeated.

A `Scenario` says what each CPU of a machine does; `run` runs it once under a `Strategy`. One CPU runs at a
time. At every lock, unlock, allocation, free, reference, copy and callback another one may go on.
"""

from movable.sched.columns import columns
from movable.sched.explore import Exploration, Preemptions, explore, portfolio
from movable.sched.perfetto import chrome_trace
from movable.sched.run import PAUSE_KEY, Op, Outcome, Run, Scenario, run
from movable.sched.schedule import Choice, Schedule
from movable.sched.shrink import Dropped, Failure, shrink
from movable.sched.strategy import PCT, Random, Replay, RoundRobin, Strategy
from movable.sched.trace import Event, Step, Trace

__all__ = [
    "PAUSE_KEY",
    "PCT",
    "Choice",
    "Dropped",
    "Event",
    "Exploration",
    "Failure",
    "Op",
    "Outcome",
    "Preemptions",
    "Random",
    "Replay",
    "RoundRobin",
    "Run",
    "Scenario",
    "Schedule",
    "Step",
    "Strategy",
    "Trace",
    "chrome_trace",
    "columns",
    "explore",
    "portfolio",
    "run",
    "shrink",
]
