"""Linux 6.1's answers to the tabular rows, worked out a second time: masks are ints, placement goes by the table.

Written from spec/differences-numa.md alone, so that the adapters' own models are held against something.
"""

from collections.abc import Sequence

__all__ = ["INVALID", "NEAREST", "first_nodes", "make", "mbind", "mbind_errno", "moves", "rebound", "shown"]

NEAREST = ((0, 1, 2, 3), (1, 0, 3, 2), (2, 3, 0, 1), (3, 2, 1, 0))
"""The nodes by distance from each node (replay set-up, distances)."""
INVALID = "EINVAL"
ALL = 15
DEFAULT, PREFERRED, BIND, INTERLEAVE, LOCAL, MANY = range(6)
STATIC, RELATIVE, BALANCING = 0x8000, 0x4000, 0x2000

Policy = tuple[int, int, int, int]
"""Mode, flags, nodes in force, user mask."""


def ranked(mask: int) -> list[int]:
    """The members of a mask, ascending."""
    return [node for node in range(mask.bit_length()) if mask & 1 << node]


def onto(user: int, mems: int) -> int:
    """RELATIVE: ranks modulo the size of mems."""
    members = ranked(mems)
    return sum({1 << members[rank % len(members)] for rank in ranked(user)})


def make(mode: int, flags: int, user: int, mems: int = ALL) -> Policy | str | None:
    """The policy in force, None for DEFAULT, or INVALID."""
    both = flags & STATIC and flags & RELATIVE
    if both or not 0 <= mode <= MANY or (flags & BALANCING and mode != BIND):
        return INVALID
    if mode == DEFAULT:
        return INVALID if user else None
    if mode == LOCAL or (mode == PREFERRED and user == 0):
        return INVALID if user or flags else (LOCAL, 0, 0, 0)
    nodes = onto(user, mems) if flags & RELATIVE else user & mems
    if nodes == 0:
        return INVALID
    if mode == PREFERRED:
        nodes &= -nodes
    return mode, flags, nodes, user


def node_of(policy: Policy | None, cpu_node: int, page: int, mems: int = ALL) -> int:
    """Where a first touch of this page number goes."""
    start, among = cpu_node, mems
    if policy is not None:
        mode, _, nodes, _ = policy
        if mode == PREFERRED:
            start = ranked(nodes)[0]
        elif mode == INTERLEAVE:
            members = ranked(nodes)
            start = members[(page & 0xFFFFFFFF) % len(members)]
        elif mode in (BIND, MANY) and nodes & mems:
            among = nodes & mems
    return next(node for node in NEAREST[start] if among & 1 << node)


def first_nodes(policy: Policy | None, cpu_node: int, pages: Sequence[int], mems: int = ALL) -> list[int]:
    """The nodes of first touches."""
    return [node_of(policy, cpu_node, page, mems) for page in pages]


def mbind(
    mode: int, user: int, flags: int, before: Sequence[int], shared: Sequence[bool], first: int
) -> tuple[int, str, list[int]]:
    """The answer and where the pages are: -14 stands for one that was never touched."""
    policy = make(mode, 0, user)
    after = list(before)
    if isinstance(policy, str):
        return -1, policy, after
    wrong = [at for at, node in enumerate(before) if node != -14 and not user & 1 << node]
    if flags == 1 and mode != DEFAULT and wrong:
        return -1, "EIO", after
    for at in wrong:
        if flags & 4 or (flags & 2 and not shared[at]):
            after[at] = node_of(policy, 0, first + at)
    return 0, "0", after


def mbind_errno(
    word: int, mask: int | None, maxnode: int, flags: int, pages: Sequence[int], *, root: bool = True
) -> str:
    """The errno of mbind over a range of pages: 1 for one on node 0, 0 for a hole. spec/migration.md 9.2, 9.6."""
    user, bits = mask or 0, (maxnode - 1) % (1 << 64)
    mode, marks = word & ~0xE000, word & 0xE000
    known = make(mode, marks, 0 if mode in (DEFAULT, LOCAL) else 1)
    if known == INVALID and not (mode == LOCAL and marks in (STATIC, RELATIVE)):
        return INVALID
    if mask is not None and maxnode != 1 and bits > 32768:
        return INVALID
    user = user & ((1 << bits) - 1) if mask is not None and maxnode != 1 else 0
    if flags & ~7:
        return INVALID
    if flags & 4 and not root:
        return "EPERM"
    if not pages:
        return "0"
    if make(mode, marks, user) == INVALID:
        return INVALID
    if not any(pages) or (mode != DEFAULT and not all(pages)):
        return "EFAULT"
    return "EIO" if flags == 1 and mode != DEFAULT and not user & 1 else "0"


def moves(old: Sequence[int], new: Sequence[int]) -> list[tuple[int, int]]:
    """The steps of do_migrate_pages, in order. spec/migration.md 9.7."""
    source, dest, left, steps = sorted(old), sorted(new), set(old), []
    while left:
        chosen = None
        for node in sorted(left):
            if len(source) != len(dest) and node in dest:
                continue
            to = dest[source.index(node) % len(dest)] if dest else node
            if to == node:
                continue
            chosen = (node, to)
            if to not in left:
                break
        if chosen is None:
            break
        left.discard(chosen[0])
        steps.append(chosen)
    return steps


def rebound(policy: Policy | None, old: int, new: int) -> Policy | None:
    """After mems have become ``new``: PREFERRED is left alone (N22)."""
    if policy is None or policy[0] in (PREFERRED, LOCAL) or old == new:
        return policy
    mode, flags, nodes, user = policy
    if flags & STATIC:
        nodes = user & new
    elif flags & RELATIVE:
        nodes = onto(user, new)
    else:
        ranks, members = ranked(old), ranked(new)
        nodes = sum({1 << members[ranks.index(node) % len(members)] for node in ranked(nodes)})
    return mode, flags, nodes or new, user


def listed(mask: int) -> str:
    """The kernel's list format, for four nodes."""
    text = "".join(str(node) if mask & 1 << node else " " for node in range(4)).split()
    return ",".join(part if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in text)


def shown(policy: Policy | None) -> str:
    """The policy's text in numa_maps."""
    if policy is None:
        return "default"
    mode, flags, nodes, _ = policy
    name = ("default", "prefer", "bind", "interleave", "local", "prefer (many)")[mode]
    marks = (STATIC, "=static"), (RELATIVE, "=relative"), (BALANCING, "=balancing")
    name += "".join(text for bit, text in marks if flags & bit)
    return f"{name}:{listed(nodes)}" if nodes else name
