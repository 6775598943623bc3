"""Races of a driver with the VM and with its own users, looked for by exploring schedules."""

from movable.conformance.races.arena import CPUS, Arena
from movable.conformance.races.replay import Replay, replay
from movable.conformance.races.rig import Races, Replaying, Script
from movable.conformance.races.token import Token

__all__ = ["CPUS", "Arena", "Races", "Replay", "Replaying", "Script", "Token", "replay"]
