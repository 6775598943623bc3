"""What earlier versions of the contract held: the ids of clauses and checks that count in them.

A check that a version does not list is reported when that version is judged, and not counted. Frozen once the
next version is out: nothing is taken from a list, and no id is used again.
"""

from collections.abc import Mapping

from attrs import frozen

__all__ = ["FROZEN", "FrozenVersion"]


@frozen
class FrozenVersion:
    """The ids of one version that is not the newest."""

    clauses: frozenset[str]
    checks: frozenset[str]

    @classmethod
    def of(cls, clauses: str, checks: str) -> "FrozenVersion":
        """Read ids with spaces between them."""
        return cls(frozenset(clauses.split()), frozenset(checks.split()))


FROZEN: Mapping[str, FrozenVersion] = {
    "1.0": FrozenVersion.of(
        clauses="""
        MARK-1 MARK-2 MARK-3 MARK-4 MARK-5 MARK-6 MARK-7 CALL-1 CALL-2 CALL-3 CALL-4 ISO-1 ISO-2 ISO-3
        ISO-4 ISO-5 ISO-6 ISO-7 ISO-8 MIG-1 MIG-2 MIG-3 MIG-4 MIG-5 MIG-6 MIG-7 MIG-8 MIG-9 MIG-10
        MIG-11 MIG-12 MIG-13 MIG-14 MIG-15 MIG-16 PUT-1 PUT-2 PUT-3 PUT-4 PUT-5 FREE-1 FREE-2 FREE-3
        FREE-4 FREE-5 FREE-6 DATA-1 DATA-2 DATA-3 DATA-4 DATA-5 ACC-1 ACC-2 ACC-3 ACC-4 LIVE-1 LIVE-2
        LIVE-3 LIVE-4 LIFE-1 LIFE-2 LIFE-3 LIFE-4 CAP-1 CAP-2 CAP-3
        """,
        checks="""
        LOAD STORE MARK-REST MARK-BLOCKS PAGES UNLOAD FREE-CLEARED CAP-CONTENTS CAP-MAX-OBJECT
        ISO-ANSWER ISO-GRANTED ISO-LOCKED ISO-REFS ISO-LISTS ISO-MOVABLE ISO-FLAG ISO-TWICE
        ISO-FLAG-KEPT ISO-LRU ISO-NOT-REUSED PUT-ANSWER PUT-LOCKED PUT-FLAG PUT-REFS PUT-MOVABLE
        PUT-REST PUT-AGAIN PUT-DATA PUT-USED MIG-ANSWER MIG-OLD-REF LIVE-SYNC MIG-LOCKED MIG-CLEARED
        MIG-MARKED MIG-NEW-REF MIG-FLAG MIG-OLD-RESET MIG-NEW-REST MIG-HANDLES MIG-DATA MIG-MODES
        MIG-CHAIN MIG-UNTOUCHED LIVE-EVERY MIG-AGAIN MIG-AGAIN-TWICE MIG-BUSY MIG-NOMEM MIG-RETRY
        ISO-REFUSED UNLOAD-MOVED RELOAD TWO-MACHINES FREE-ISO-PUTBACK FREE-ISO-MIGRATE FREE-RETURNED
        FREE-EMPTIED FREE-LATER FREE-MOVED FREE-WRITE COMPACT-NODE COMPACT-DIRECT COMPACT-ASYNC
        COMPACT-CHURN COMPACT-STORE DATA-ISOLATED ACC-ISOLATED ACC-RECOUNT ACC-EVENTS ACC-MANAGED
        CAP-DROP-ISOLATED PIN-HELD PIN-RELEASED CAP-SPANNING SPAN-EACH SPAN-MIXED
        """,
    )
}
