"""A model of memory policies: what they become and where pages go, written from spec/migration.md 9.3, 9.4 and 9.9."""

from collections.abc import Iterable
from errno import EINVAL

from attrs import evolve, field, frozen

from movable import Mpol, MpolFlag

Nodes = frozenset[int]

NONE: Nodes = frozenset()
STATIC, RELATIVE = int(MpolFlag.STATIC_NODES), int(MpolFlag.RELATIVE_NODES)


class RefusedError(Exception):
    """The call fails with an errno."""

    def __init__(self, errno: int) -> None:
        super().__init__(errno)
        self.errno = errno


def fold(nodes: Iterable[int], size: int) -> Nodes:
    """Each node's number modulo the size."""
    return frozenset(node % size for node in nodes)


def onto(ranks: Iterable[int], nodes: Nodes) -> Nodes:
    """The members of a set that have these ranks."""
    members = sorted(nodes)
    return frozenset(members[rank] for rank in ranks if rank < len(members))


def remap(node: int, old: Nodes, new: Nodes) -> int:
    """Where a node goes when one set takes the place of the other."""
    if node not in old or not new:
        return node
    return sorted(new)[sorted(old).index(node) % len(new)]


@frozen
class PolicyModel:
    """A policy: PREFERRED without nodes is local. ``base`` is what plain rebinding starts from.

    Equal are two with the same mode, flags, nodes and, with a flag, user's mask.
    """

    mode: Mpol
    flags: int
    nodes: Nodes
    user: Nodes
    base: Nodes = field(eq=False)

    @property
    def answer(self) -> tuple[int, Nodes]:
        """What get_mempolicy says. spec/migration.md 9.5."""
        return self.mode | self.flags, self.user if self.flags else self.nodes

    def rebound(self, mems: Nodes) -> "PolicyModel":
        """The policy after the task's nodes have become ``mems``. spec/migration.md 9.9."""
        if not self.flags and self.base == mems:
            return self
        return evolve(self, nodes=self._rebound_nodes(mems), base=mems)

    def _rebound_nodes(self, mems: Nodes) -> Nodes:
        if self.flags & RELATIVE:
            nodes = onto(fold(self.user, len(mems)), mems)
        elif self.flags & STATIC:
            nodes = self.user & mems
        else:
            nodes = frozenset(remap(node, self.base, mems) for node in self.nodes)
        if self.mode != Mpol.PREFERRED:
            return nodes or mems
        if self.flags & STATIC:
            nodes = frozenset(sorted(self.user)[:1]) & mems
        return frozenset(sorted(nodes)[:1])


def create(mode: int, user: Nodes, mems: Nodes) -> PolicyModel | None:
    """The policy of a mode with flags and a mask; None is the default one. RefusedError as in spec/migration.md 9.3."""
    flags, number = mode & (STATIC | RELATIVE), mode & ~(STATIC | RELATIVE)
    if flags == STATIC | RELATIVE or number > Mpol.LOCAL:
        raise RefusedError(EINVAL)
    if number in (Mpol.DEFAULT, Mpol.LOCAL) or (number == Mpol.PREFERRED and not user):
        if user or (number == Mpol.PREFERRED and flags):
            raise RefusedError(EINVAL)
        local = PolicyModel(Mpol.PREFERRED, flags, NONE, NONE, mems)
        return None if number == Mpol.DEFAULT else local
    nodes = onto(fold(user, len(mems)), mems) if flags & RELATIVE else user & mems
    if not nodes:
        raise RefusedError(EINVAL)
    if number == Mpol.PREFERRED:
        nodes = frozenset({min(nodes)})
    return PolicyModel(Mpol(number), flags, nodes, user if flags else NONE, mems)


def target(
    policy: PolicyModel | None, index: int, cpu_node: int, mems: Nodes, distances: tuple[tuple[int, ...], ...]
) -> int:
    """The node of a new page while memory is plenty; interleaving goes by ``index``. spec/migration.md 9.4."""
    first, allowed = cpu_node, mems
    if policy is not None and policy.mode == Mpol.INTERLEAVE:
        first = sorted(policy.nodes)[index % 2**32 % len(policy.nodes)]
    elif policy is not None and policy.mode == Mpol.PREFERRED and policy.nodes:
        (first,) = policy.nodes
    elif policy is not None and policy.mode == Mpol.BIND:
        allowed = policy.nodes & mems or mems
    return nearest(first, allowed, distances)


def nearest(node: int, allowed: Nodes, distances: tuple[tuple[int, ...], ...]) -> int:
    """The allowed node at the least distance; the test's machines have no two at the same."""
    return min(allowed, key=lambda other: distances[node][other])
