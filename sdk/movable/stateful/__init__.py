"""Stateful tests of any driver: random programs of users, isolation, migration and compaction, and their model.

Needs the extra ``stateful``: Hypothesis makes the programs and shrinks the one that breaks the driver.
"""

import movable.stateful.extra  # noqa: F401  # first: it says what to install
from movable.stateful.adoption import DriverPrograms
from movable.stateful.machine import DriverMachine, driver_machine
from movable.stateful.report import StatefulReport
from movable.stateful.run import run_stateful
from movable.stateful.states import State, Transition
from movable.stateful.steps import Broken

__all__ = [
    "Broken",
    "DriverMachine",
    "DriverPrograms",
    "State",
    "StatefulReport",
    "Transition",
    "driver_machine",
    "run_stateful",
]
