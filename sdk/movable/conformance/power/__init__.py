"""How good the suite is: wrong drivers that it must find, correct ones that it must leave alone.

A folder of wrong drivers holds classes marked with `wrong`, each with one mistake and the check made for it,
and classes marked with `correct`. `measure_power` judges such a folder, anybody's.
"""

from movable.conformance.power.folder import DEFAULT_FOLDER, Folder, load_folder
from movable.conformance.power.judge import judge_correct, judge_mutant, measure_power, one_cpu_checks
from movable.conformance.power.mutation import CorrectDriver, Mutation, correct, wrong
from movable.conformance.power.report import ClassCount, CorrectResult, MutantResult, PowerReport

__all__ = [
    "DEFAULT_FOLDER",
    "ClassCount",
    "CorrectDriver",
    "CorrectResult",
    "Folder",
    "MutantResult",
    "Mutation",
    "PowerReport",
    "correct",
    "judge_correct",
    "judge_mutant",
    "load_folder",
    "measure_power",
    "one_cpu_checks",
    "wrong",
]
