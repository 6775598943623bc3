"""What ``mbind`` answers by the rules N09-N15, in 6.1 and in 4.9, worked out from its arguments alone."""

from collections.abc import Mapping
from typing import Any, Final

from attrs import evolve, frozen

from movable.fidelity.topics.kit import EVERY_NODE, PAGE, Claim
from movable.fidelity.topics.later import BALANCING, MODES, LaterPolicy, make_policy, place, policy_is_local
from movable.fidelity.topics.rules import SETUP_MASK
from movable.process.nodemask import MAX_NUMNODES

__all__ = ["BAD", "Asked", "Memory", "claim_of"]

BAD: Final = "bad pointer"
"""A mask that cannot be read."""

_STRICT, _MOVE, _MOVE_ALL = 1, 2, 4
_MOST_BITS = 8 * PAGE
_RECORDERS_BITS = 2048
"""The longest mask for which the recorder had words: rows up to this maxnode name bits that far."""


@frozen
class Asked:
    """The arguments of a call. ``mask`` is a set of nodes, None for NULL, or BAD."""

    word: int
    mask: Any
    maxnode: int
    flags: int
    length: int
    aligned: bool = True
    privileged: bool = True

    @property
    def number(self) -> int:
        """The mode without the flags of 6.1."""
        return self.word & ~(7 << 13)


@frozen
class Memory:
    """Pages by index: the node, -1 for one that was never touched, None for a hole; the range starts at ``start``."""

    pages: tuple[int | None, ...]
    start: int
    shared: frozenset[int] = frozenset()
    pinned: frozenset[int] = frozenset()

    def holding(self, word: str, indices: frozenset[int]) -> "Memory":
        """The same with these pages ``shared`` or ``pinned``."""
        return evolve(self, shared=indices) if word == "shared" else evolve(self, pinned=indices)

    def range(self, length: int) -> range:
        """The indices that a length from the start covers."""
        return range(self.start, self.start + (length + PAGE - 1) // PAGE)

    def at(self, index: int) -> int | None:
        """The page of an index; beyond the last one nothing is mapped."""
        return self.pages[index] if index < len(self.pages) else None

    @property
    def places(self) -> list[int]:
        """What a query of the mapped pages gives."""
        return [-14 if node < 0 else node for node in self.pages if node is not None]


def claim_of(asked: Asked, memory: Memory, probes: Mapping[str, int]) -> Claim:
    """Which rules apply to these inputs, and what both kernels answer."""

    def refused(error: str) -> Mapping[str, Any]:
        return _outcome(memory, probes, error)

    if _short_array(asked):
        kept = _effect(asked, memory, probes) if asked.number in MODES.values() else refused("EINVAL")
        return Claim([SETUP_MASK], kept, refused("EINVAL"))
    error = _argument_error(asked)
    if error is not None:
        nodes = _nodes(asked)
        if error == "EINVAL" and isinstance(nodes, frozenset) and policy_is_local(asked.word, nodes):
            return Claim(["N12"], _effect(asked, memory, probes), refused("EINVAL"))
        return Claim([], refused(error), refused(error))
    later = _later(asked, memory, probes)
    if asked.number == MODES["PREFERRED_MANY"]:
        return Claim(["N10"], refused("EINVAL"), later)
    if asked.word & BALANCING:
        return Claim(["N11"], refused("EINVAL"), later)
    return _by_range(asked, memory, probes, later)


def _by_range(asked: Asked, memory: Memory, probes: Mapping[str, int], later: Mapping[str, Any]) -> Claim:
    """N14, N15 and N09: what the pages of the range decide."""
    covered = [memory.at(index) for index in _covered(asked, memory)]
    if not covered:
        return Claim([], later, later)
    first = next((index for index, node in enumerate(covered) if node is None), len(covered))
    tail = 0 < first < len(covered) and all(node is None for node in covered[first:])
    if asked.number == MODES["DEFAULT"]:
        if covered[0] is None and any(node is not None for node in covered):
            return Claim(["N15"], _outcome(memory, probes, "EFAULT"), later)
        return Claim([], later, later)
    if tail:
        return Claim(["N14"], _effect(asked, memory, probes), later)
    if later["errno"] == "EIO" and not asked.flags & (_MOVE | _MOVE_ALL):
        return Claim(["N09"], _effect(asked, memory, probes), later)
    return Claim([], later, later)


def _covered(asked: Asked, memory: Memory) -> range:
    """The range, cut where nothing can be mapped any more."""
    pages = (asked.length + PAGE - 1) // PAGE % (1 << 52)
    return range(memory.start, memory.start + min(pages, len(memory.pages) + 1))


def _short_array(asked: Asked) -> bool:
    """Whether maxnode asks for more words than the recorder's array had."""
    return isinstance(asked.mask, frozenset) and _RECORDERS_BITS < asked.maxnode <= _MOST_BITS + 1


def _nodes(asked: Asked) -> frozenset[int] | str:
    """The set that the mask argument means, or the errno. spec/migration.md 9.2."""
    if asked.mask is None or asked.maxnode == 1:
        return frozenset()
    used = (asked.maxnode - 1) % (1 << 64)
    if used > _MOST_BITS:
        return "EINVAL"
    if asked.mask is BAD:
        return "EFAULT"
    nodes = frozenset(node for node in asked.mask if node < used)
    return "EINVAL" if any(node >= MAX_NUMNODES for node in nodes) else nodes


def _argument_error(asked: Asked) -> str | None:
    """The errno that the arguments alone give in 6.1, in the kernel's order; None where the range decides."""
    made = make_policy(asked.word, frozenset({0}), EVERY_NODE)
    if isinstance(made, str) and asked.number not in (MODES["DEFAULT"], MODES["LOCAL"]):
        return made
    if isinstance(make_policy(asked.word, frozenset(), EVERY_NODE), str) and asked.number in (0, 4):
        return "EINVAL"
    nodes = _nodes(asked)
    if isinstance(nodes, str):
        return nodes
    if asked.flags & ~7:
        return "EINVAL"
    if asked.flags & _MOVE_ALL and not asked.privileged:
        return "EPERM"
    pages = (asked.length + PAGE - 1) // PAGE % (1 << 52)
    if not asked.aligned or pages > 1 << 47:
        return "EINVAL"
    if pages == 0:
        return None
    policy = make_policy(asked.word, nodes, EVERY_NODE)
    return policy if isinstance(policy, str) else None


def _later(asked: Asked, memory: Memory, probes: Mapping[str, int]) -> Mapping[str, Any]:
    """The answer of 6.1 to arguments that are right in themselves."""
    indices = _covered(asked, memory)
    covered = [memory.at(index) for index in indices]
    nodes = _nodes(asked)
    if not covered:
        return _outcome(memory, probes, "0")
    holes = [node is None for node in covered]
    if all(holes) or (asked.number != MODES["DEFAULT"] and any(holes)):
        return _outcome(memory, probes, "EFAULT")
    misplaced = any(node is not None and node >= 0 and node not in nodes for node in covered)
    if misplaced and asked.flags & 7 == _STRICT and asked.number != MODES["DEFAULT"]:
        return _outcome(memory, probes, "EIO")
    return _effect(asked, memory, probes)


def _effect(asked: Asked, memory: Memory, probes: Mapping[str, int]) -> Mapping[str, Any]:
    """The answer of a call that installs its policy and moves what it may."""
    nodes = _nodes(asked)
    assert isinstance(nodes, frozenset)
    made = make_policy(asked.word, nodes, EVERY_NODE)
    policy = made if isinstance(made, LaterPolicy) else None
    pages, left = list(memory.pages), False
    for index in _covered(asked, memory):
        node = memory.at(index)
        if node is None or node < 0 or node in nodes:
            continue
        if not (asked.flags & _MOVE_ALL or (asked.flags & _MOVE and index not in memory.shared)):
            continue
        if index in memory.pinned:
            left = True
        else:
            pages[index] = place(policy, 0, index, EVERY_NODE)
    strict = asked.flags & _STRICT and asked.number != MODES["DEFAULT"]
    error = "EIO" if left and strict else "0"
    after = evolve(memory, pages=tuple(pages))
    return _outcome(after, probes, error, policy, _covered(asked, memory))


def _outcome(
    memory: Memory,
    probes: Mapping[str, int],
    error: str,
    policy: LaterPolicy | None = None,
    covered: range = range(0),
) -> Mapping[str, Any]:
    shown = [0, *(policy.read_back if policy is not None else (0, 0))]
    return {
        "ret": 0 if error == "0" else -1,
        "errno": error,
        "place": memory.places,
        **{key: shown if index in covered else [0, 0, 0] for key, index in probes.items()},
    }
