"""Memory policies as values."""

from typing import Any

from attrs import frozen

from movable.flags import Mpol, MpolFlag
from movable.process.nodemask import node_list

__all__ = ["Policy", "policy_of"]

_NAMES = {Mpol.PREFERRED: "prefer", Mpol.BIND: "bind", Mpol.INTERLEAVE: "interleave"}
_LONGEST = 63


@frozen
class Policy:
    """A policy in force; ``str()`` is what numa_maps prints. spec/migration.md 9.3, 9.10.

    ``mode`` is PREFERRED, BIND or INTERLEAVE. ``nodes`` are those that pages go to: one for PREFERRED, none for
    a local policy, which follows the running CPU. ``user`` is the mask that was asked for, where a mode flag keeps it.
    """

    mode: Mpol
    flags: MpolFlag
    nodes: frozenset[int]
    user: frozenset[int] | None = None

    @property
    def local(self) -> bool:
        """Whether pages come from the running CPU's node: PREFERRED without a node."""
        return self.mode == Mpol.PREFERRED and not self.nodes

    @property
    def preferred(self) -> int | None:
        """The node of a PREFERRED policy, None if it is local or of another mode."""
        return min(self.nodes) if self.mode == Mpol.PREFERRED and self.nodes else None

    def __str__(self) -> str:
        name = "local" if self.local else _NAMES[self.mode]
        flag = {MpolFlag.STATIC_NODES: "=static", MpolFlag.RELATIVE_NODES: "=relative"}.get(self.flags, "")
        nodes = node_list(sum(1 << nid for nid in self.nodes))
        return f"{name}{flag}{':' if nodes else ''}{nodes}"[:_LONGEST]


def policy_of(info: Any) -> Policy | None:
    """The policy that a struct mv_policy describes; None for MPOL_DEFAULT."""
    if not info.mode:
        return None
    flags = MpolFlag(info.flags)
    return Policy(
        mode=Mpol(info.mode),
        flags=flags,
        nodes=nodes_of(info.nodes),
        user=nodes_of(user_bits(info)) if flags else None,
    )


def user_bits(info: Any) -> int:
    """The user's mask of a struct mv_policy, as bits."""
    return sum(int(word) << 64 * i for i, word in enumerate(info.user))


def nodes_of(mask: int) -> frozenset[int]:
    """The nodes of a mask."""
    return frozenset(nid for nid in range(mask.bit_length()) if mask >> nid & 1)
