"""The clauses of contract ``aops-4.8``: what a driver of movable pages owes the VM.

Each has one sentence, the section it is taken from, and the rules by which the core names a breach.
"""

from movable.conformance.clauses.claims import CAP
from movable.conformance.clauses.clause import Clause
from movable.conformance.clauses.company import LRU, NUMA
from movable.conformance.clauses.lasting import ACC, DATA, FREE, LIFE, LIVE
from movable.conformance.clauses.moving import ISO, MIG, PUT
from movable.conformance.clauses.pages import CALL, MARK
from movable.conformance.clauses.trouble import FAULT, PLACE, RACE

__all__ = ["CLAUSES", "Clause"]

CLAUSES: tuple[Clause, ...] = (
    *MARK,
    *CALL,
    *ISO,
    *MIG,
    *PUT,
    *FREE,
    *DATA,
    *ACC,
    *LIVE,
    *LIFE,
    *FAULT,
    *CAP,
    *RACE,
    *PLACE,
    *LRU,
    *NUMA,
)
