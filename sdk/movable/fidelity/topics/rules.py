"""The differences between Linux 4.9 and 6.1 in the NUMA calls, and what the set-up of a replay cannot have."""

from collections.abc import Iterable

from movable.fidelity.model import FidelityRule

__all__ = ["SETUP_FIELD", "SETUP_MASK", "SETUP_PROGRAM", "rules"]

SETUP_MASK = "S01"
SETUP_PROGRAM = "S02"
SETUP_FIELD = "S03"

_SOURCE = "spec/differences-numa.md"

_SENTENCES = {
    "N01": (
        "4.9 gives each page that cannot be moved a status of its own and returns 0; 6.1 stops at the first "
        "batch with a failure and returns how many pages failed or were not tried"
    ),
    "N02": (
        "4.9 checks all entries of a chunk before anything moves, so a bad one leaves the chunk as it was; "
        "6.1 moves and reports what comes before the bad entry"
    ),
    "N03": (
        "a page named twice in a chunk moves once in 4.9, and the second mention is -EBUSY; in 6.1 a batch "
        "ends where the node changes, and the second mention sees the page moved"
    ),
    "N04": "4.9 splits a transparent huge page at look-up and moves the 4 KiB page named; 6.1 moves it whole",
    "N05": (
        "4.9 moves a hugetlb page into a free page of the target's pool or fails with ENOMEM; 6.1 makes a "
        "temporary page and adjusts the pools"
    ),
    "N06": "4.9 finds and moves a present page of a PROT_NONE mapping; in 6.1 it is -ENOENT",
    "N07": (
        "when the target is full, 4.9 has written the statuses of the chunks before; 6.1 those of the batches "
        "before, and a batch is as long as the node stays the same"
    ),
    "N08": (
        "4.9 notices a status array that cannot be written after a whole chunk has moved, 6.1 after the first "
        "batch"
    ),
    "N09": (
        "STRICT alone looks at no page in 4.9; in 6.1 a present page outside the mask is EIO, and the policy "
        "is not installed"
    ),
    "N10": (
        "mode number 5 is EINVAL in 4.9, and memory follows the policy in force before; in 6.1 it is "
        "preferred-many"
    ),
    "N11": "mode flag bit 13 makes the mode number too large in 4.9: EINVAL; in 6.1 it is a flag of BIND",
    "N12": "LOCAL with STATIC or RELATIVE and an empty mask is accepted in 4.9, EINVAL in 6.1",
    "N13": "LOCAL and PREFERRED with an empty mask read back as mode 1 in 4.9, as mode 4 in 6.1",
    "N14": "a hole at the end of the range is not seen by 4.9 where a VMA exists beyond it; EFAULT in 6.1",
    "N15": "DEFAULT over a range that starts in a gap is EFAULT in 4.9; in 6.1 one VMA in the range is enough",
    "N16": (
        "get_mempolicy with a mask needs a maxnode of MAX_NUMNODES or more in 4.9, before anything else is "
        "looked at; 6.1 needs the number of possible nodes"
    ),
    "N17": "4.9 has no set_mempolicy_home_node: ENOSYS, and placement by the plain policy",
    "N18": "a new mask with a node that is absent or has no memory is EINVAL in 4.9; 6.1 drops such nodes",
    "N19": "an empty new mask moves nothing and returns 0 in 4.9; EINVAL in 6.1",
    "N20": (
        "a new mask outside the caller's cpuset passes the check of 4.9, and the allocation fails: ENOMEM; "
        "6.1 drops such nodes first, and none left is EINVAL"
    ),
    "N21": "new anonymous pages are active in 4.9, inactive in 6.1",
    "N22": (
        "PREFERRED is rebound to the new mems in 4.9; 6.1 keeps the node, and new pages go to the allowed "
        "node nearest to it"
    ),
}
_SETUP = {
    SETUP_MASK: "set-up: the recorder's array was shorter than the mask that maxnode asks for, so what the kernel read "
    "is not known; here the words behind the array are zero",
    SETUP_PROGRAM: "set-up: counts of the recorder's own program are not known here; the line's format, addresses "
    "and sums are checked",
    SETUP_FIELD: "set-up: the row has a field that no part of the replay stands for; the other fields are compared",
}


def rules(ids: Iterable[str]) -> tuple[FidelityRule, ...]:
    """The rules of these ids, and those of the set-up that every topic has."""
    wanted = [*ids, SETUP_FIELD]
    texts = {**_SENTENCES, **_SETUP}
    return tuple(
        FidelityRule(each, texts[each], f"{_SOURCE}, {'replay set-up' if each in _SETUP else each}")
        for each in wanted
    )
