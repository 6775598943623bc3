"""Automatic placement from user space: profilers that see who uses which pages, and a daemon that moves them."""

from movable.placement.daemon import Interval, PlacementDaemon
from movable.placement.draw import draw_placement
from movable.placement.mover import Outcome
from movable.placement.profiler import AccessedBits, AccessSampler, Profiler, Sightings
from movable.placement.run import PlacementRun, ProcessPlacement, Story, place
from movable.placement.settings import PlacementSettings

__all__ = [
    "AccessSampler",
    "AccessedBits",
    "Interval",
    "Outcome",
    "PlacementDaemon",
    "PlacementRun",
    "PlacementSettings",
    "ProcessPlacement",
    "Profiler",
    "Sightings",
    "Story",
    "draw_placement",
    "place",
]
