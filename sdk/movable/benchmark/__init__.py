"""Measuring: every figure beside what it is compared with, from one run."""

from movable.benchmark.report import SCHEMA, BenchReport, BenchRow
from movable.benchmark.run import bench
from movable.benchmark.terrain import copy_seconds

__all__ = ["SCHEMA", "BenchReport", "BenchRow", "bench", "copy_seconds"]
