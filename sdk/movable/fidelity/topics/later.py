"""Policies as Linux 6.1 has them: what a rule's later column gives for the inputs of a row.

A plain model, independent of the emulator: node sets are frozensets, errnos are names.
"""

from collections.abc import Iterable, Mapping

from attrs import evolve, frozen

from movable.process.nodemask import mask_of, node_list

__all__ = [
    "BALANCING",
    "DISTANCES",
    "MODES",
    "RELATIVE",
    "STATIC",
    "LaterPolicy",
    "make_policy",
    "migrated",
    "mode_word",
    "nearest",
    "place",
    "policy_is_local",
    "rebind",
    "relative",
]

DISTANCES = ((10, 15, 20, 30), (15, 10, 25, 20), (20, 25, 10, 15), (30, 20, 15, 10))
MODES: Mapping[str, int] = {
    "DEFAULT": 0, "PREFERRED": 1, "BIND": 2, "INTERLEAVE": 3, "LOCAL": 4, "PREFERRED_MANY": 5,
}  # fmt: skip
BALANCING, RELATIVE, STATIC = 1 << 13, 1 << 14, 1 << 15
_FLAGS = BALANCING | RELATIVE | STATIC
_NAMES = {1: "prefer", 2: "bind", 3: "interleave", 4: "local", 5: "prefer (many)"}

Nodes = frozenset[int]


@frozen
class LaterPolicy:
    """A policy: mode number, flag bits, the nodes in force, what the user gave, and the mems it was made in."""

    mode: int
    flags: int
    nodes: Nodes
    user: Nodes
    base: Nodes

    def __str__(self) -> str:
        """As numa_maps has it."""
        flags = {STATIC: "=static", RELATIVE: "=relative", BALANCING: "=balancing"}
        text = _NAMES[self.mode] + "".join(word for bit, word in flags.items() if self.flags & bit)
        return f"{text}:{node_list(mask_of(self.nodes))}" if self.nodes else text

    @property
    def read_back(self) -> tuple[int, int]:
        """Mode and mask as get_mempolicy gives them."""
        shown = self.user if self.flags & (STATIC | RELATIVE) else self.nodes
        return self.mode | self.flags, mask_of(shown)


def mode_word(text: str | int) -> int:
    """The mode argument: a number; or names and hexadecimal flags, as in ``BIND|modeflag_4000``."""
    if isinstance(text, int):
        return text
    word = 0
    for part in text.split("|"):
        word |= MODES[part] if part in MODES else int(part.removeprefix("modeflag_"), 16)
    return word


def policy_is_local(word: int, user: Nodes) -> bool:
    """Whether 4.9 takes the arguments as LOCAL with a mode flag (N12)."""
    return word in (MODES["LOCAL"] | STATIC, MODES["LOCAL"] | RELATIVE) and not user


def relative(user: Nodes, allowed: Nodes) -> Nodes:
    """``onto(fold(user, |allowed|), allowed)``. spec/migration.md 9.3."""
    members = sorted(allowed)
    return frozenset(members[node % len(members)] for node in user)


def make_policy(word: int, user: Nodes, allowed: Nodes) -> LaterPolicy | str | None:
    """The policy that a mode argument and a mask make; None for DEFAULT; the name of the errno if there is none."""
    mode, flags = word & ~_FLAGS, word & _FLAGS
    placed = flags & (STATIC | RELATIVE)
    if (
        mode not in MODES.values()
        or placed == STATIC | RELATIVE
        or (flags & BALANCING and mode != MODES["BIND"])
    ):
        return "EINVAL"
    if mode == MODES["DEFAULT"]:
        return "EINVAL" if user else None
    if mode == MODES["LOCAL"] or (mode == MODES["PREFERRED"] and not user):
        return "EINVAL" if user or placed else LaterPolicy(MODES["LOCAL"], 0, frozenset(), user, allowed)
    nodes = relative(user, allowed) if flags & RELATIVE else user & allowed
    if not nodes:
        return "EINVAL"
    if mode == MODES["PREFERRED"]:
        nodes = frozenset({min(nodes)})
    return LaterPolicy(mode, flags, nodes, user, allowed)


def nearest(node: int, among: Iterable[int]) -> int:
    """The node of a set that is nearest to another one."""
    return min(among, key=lambda other: DISTANCES[node][other])


def place(policy: LaterPolicy | None, home: int, page: int, allowed: Nodes) -> int:
    """Where a page goes that a CPU of node ``home`` touches first; ``page`` is its page number."""
    if policy is None or policy.mode == MODES["LOCAL"]:
        return nearest(home, allowed)
    if policy.mode == MODES["PREFERRED"]:
        return nearest(min(policy.nodes), allowed)
    if policy.mode == MODES["INTERLEAVE"]:
        members = sorted(policy.nodes)
        return nearest(members[page % (1 << 32) % len(members)], allowed)
    return nearest(home, policy.nodes & allowed or allowed)


def rebind(policy: LaterPolicy | None, mems: Nodes) -> LaterPolicy | None:
    """The policy after its task's mems have become others: PREFERRED keeps its node (N22)."""
    if policy is None or policy.mode == MODES["LOCAL"]:
        return policy
    if policy.mode == MODES["PREFERRED"]:
        return evolve(policy, base=mems)
    if policy.flags & STATIC:
        nodes = policy.user & mems
    elif policy.flags & RELATIVE:
        nodes = relative(policy.user, mems)
    else:
        nodes = _remap(policy.nodes, policy.base, mems)
    return evolve(policy, nodes=nodes or mems, base=mems)


def _remap(nodes: Nodes, old: Nodes, new: Nodes) -> Nodes:
    ranks, members = sorted(old), sorted(new)
    return frozenset(members[ranks.index(node) % len(members)] if node in old else node for node in nodes)


def migrated(nodes: Iterable[int], old: Nodes, new: Nodes) -> list[int]:
    """Where pages are after everything on ``old`` has moved to ``new``. spec/migration.md 9.7."""
    stays = old & new if len(old) != len(new) else frozenset()
    return [
        next(iter(_remap(frozenset({node}), old, new))) if node in old - stays and new else node
        for node in nodes
    ]
