"""Making a policy: what modes, flags and nodes go together, and what is remembered (spec/migration.md 9.2, 9.3)."""

from errno import EFAULT, EINVAL
from functools import partial

import pytest
from numa.moving import machine
from numa.policies import RELATIVE, STATIC, errno_of, inside, refused, touched

from movable import BAD_POINTER, VM, Mpol, MpolFlag, Policy, Process
from movable.process.nodemask import NodeMask

D, P, B, INT, L = Mpol.DEFAULT, Mpol.PREFERRED, Mpol.BIND, Mpol.INTERLEAVE, Mpol.LOCAL


@pytest.mark.parametrize(
    ("mode", "nodes", "text"),
    [
        (D, None, "None"),
        (D, [], "None"),
        (D | STATIC, None, "None"),
        (D | RELATIVE, [], "None"),
        (P, None, "local"),
        (P, [], "local"),
        (P, [2], "prefer:2"),
        (P, [3, 1], "prefer:1"),
        (P, [1, 900], "prefer:1"),
        (P | STATIC, [2, 3], "prefer=static:2"),
        (P | RELATIVE, [6], "prefer=relative:2"),
        (B, [1], "bind:1"),
        (B, [0, 2, 3, 9], "bind:0,2-3"),
        (B | STATIC, [1, 9], "bind=static:1"),
        (B | RELATIVE, [9, 10], "bind=relative:1-2"),
        (INT, [0, 1, 2, 3], "interleave:0-3"),
        (INT | STATIC, [1, 3], "interleave=static:1,3"),
        (INT | RELATIVE, [1000, 1023], "interleave=relative:0,3"),
        (L, None, "local"),
        (L, [], "local"),
        (L | STATIC, None, "local=static"),
        (L | RELATIVE, [], "local=relative"),
    ],
)
def test_policies_that_can_be(process: Process, mode: int, nodes: NodeMask, text: str) -> None:
    """Each row of 9.3 that succeeds gives the policy it says; nodes that are absent fall away."""
    process.set_mempolicy(mode, nodes)
    assert str(process.policy) == text
    process.vm.recount()


@pytest.mark.parametrize(
    ("mode", "nodes"),
    [
        (D, [0]),
        (D, [9]),
        (D | STATIC, [0]),
        (P | STATIC, None),
        (P | RELATIVE, []),
        (P, [9]),
        (P | STATIC, [4]),
        (B, None),
        (B, []),
        (B, [4]),
        (B | STATIC, [4]),
        (INT, []),
        (INT | RELATIVE, None),
        (INT, [63]),
        (L, [0]),
        (L | STATIC, [1]),
        (5, [0]),
        (6, None),
        (-1, None),
        (-1, [0]),
        (1 << 13 | B, [0]),
        (1 << 16, None),
        (1 << 32 | B, [0]),
        (STATIC | RELATIVE, None),
        (B | STATIC | RELATIVE, [0]),
    ],
)
def test_policies_that_cannot_be(process: Process, mode: int, nodes: NodeMask) -> None:
    """Each row of 9.3 that fails is EINVAL, and the policy before it stays in force."""
    process.set_mempolicy(B, [2])
    assert errno_of(lambda: process.set_mempolicy(mode, nodes)) == EINVAL
    assert str(process.policy) == "bind:2"


def test_a_mode_is_looked_at_before_the_mask(process: Process) -> None:
    """EINVAL for a mode comes before EFAULT for a mask (9.5), and that before what is wrong with both together."""
    refused(lambda: process.set_mempolicy(7, BAD_POINTER), EINVAL, "mode: 0 to 4 are known, not 7")
    refused(lambda: process.set_mempolicy(B | STATIC | RELATIVE, BAD_POINTER), EINVAL, "exclude each other")
    assert errno_of(lambda: process.set_mempolicy(D, BAD_POINTER)) == EFAULT
    refused(lambda: process.set_mempolicy(B, [9]), EINVAL, "the nodes do not suit the mode")


@pytest.mark.parametrize(
    ("nodes", "maxnode", "expected"),
    [
        ([1], 0, EINVAL),
        ([1], 1, EINVAL),
        ([1], 2, EINVAL),
        ([1], 3, 0),
        ([1], 64, 0),
        ([1, 64], 65, 0),
        ([1, 1023], 1025, 0),
        ([1, 1024], 1025, 0),
        ([1, 1024], 1026, EINVAL),
        ([1, 2000], 4096, EINVAL),
        ([1], 32769, 0),
        ([1], 32770, EINVAL),
        ([1], -1, EINVAL),
        (BAD_POINTER, 1, EINVAL),
        (BAD_POINTER, 2, EFAULT),
        (BAD_POINTER, 32770, EINVAL),
        (None, 0, EINVAL),
        (None, 1 << 40, EINVAL),
    ],
)
def test_masks(process: Process, nodes: NodeMask, maxnode: int, expected: int) -> None:
    """Bit maxnode-1 and those above are not looked at; maxnode 0, too many bits, words beyond 1024 nodes (9.2).

    A mask that is empty then is EINVAL of BIND itself.
    """
    assert errno_of(lambda: process.set_mempolicy(B, nodes, maxnode)) == expected
    assert str(process.policy) == ("None" if expected else "bind:1")


def test_fact_72(process: Process) -> None:
    """maxnode 0 with a non-NULL mask: EINVAL; bit maxnode-1 is ignored (12, fact 72)."""
    assert errno_of(lambda: process.set_mempolicy(P, [], 0)) == EINVAL
    process.set_mempolicy(B, [0, 3], 4)
    assert str(process.policy) == "bind:0"


def test_fact_68() -> None:
    """BIND|RELATIVE {0,1} in mems {4,6,7}: effective {4,6}, read back as {0,1}, shown as such (12, fact 68)."""
    with VM(machine(8), debug=2) as vm:
        process = vm.process()
        inside(process, "4,6-7")
        process.set_mempolicy(B | RELATIVE, [0, 1])
        assert process.policy == Policy(B, MpolFlag.RELATIVE_NODES, frozenset({4, 6}), frozenset({0, 1}))
        assert process.get_mempolicy().nodes == frozenset({0, 1})
        process.mmap(4096)
        assert process.numa_maps().split()[1] == "bind=relative:4,6"


def test_fact_71(process: Process) -> None:
    """MPOL_LOCAL reads back as mode 1 with an empty mask; numa_maps shows `local` (12, fact 71)."""
    process.set_mempolicy(L)
    answer = process.get_mempolicy()
    assert (answer.mode, answer.nodes) == (Mpol.PREFERRED, frozenset())
    process.mmap(4096)
    assert process.numa_maps().split()[1] == "local"
    assert process.policy is not None
    assert process.policy.local
    assert process.policy.preferred is None


def test_only_allowed_nodes_take_part(process: Process) -> None:
    """The effective set is within mems_allowed, for STATIC too; an empty one is EINVAL (9.3)."""
    inside(process, "1-2")
    for mode in (B, INT, P, B | STATIC, P | STATIC):
        assert errno_of(partial(process.set_mempolicy, mode, [0, 3])) == EINVAL
    process.set_mempolicy(B | STATIC, [0, 1])
    assert str(process.policy) == "bind=static:1"
    process.set_mempolicy(B | RELATIVE, [0, 3])
    assert str(process.policy) == "bind=relative:1-2"


def test_a_child_inherits(vm: VM, process: Process) -> None:
    """fork copies the policy, the rotor, the areas' policies and mems_allowed; afterwards each has its own (9.4)."""
    cpuset = inside(process, "1-3")
    address = process.mmap(4096)
    process.mbind(address, 4096, B, [3])
    process.set_mempolicy(INT, [1, 2])
    vm.file("data", 4096)
    child = process.fork()
    assert (child.policy, child.mems_allowed, child.cpuset) == (process.policy, frozenset({1, 2, 3}), cpuset)
    assert [str(area.policy) for area in child.areas] == ["bind:3"]
    process.set_mempolicy(D)
    process.mbind(address, 4096, D)
    assert [str(area.policy) for area in child.areas] == ["bind:3"]
    assert touched(child, 4) == [1, 2, 1, 2]
    vm.recount()


def test_a_text_has_63_characters_at_most() -> None:
    """numa_maps cuts the text of a policy (9.10)."""
    policy = Policy(B, MpolFlag.RELATIVE_NODES, frozenset(range(0, 64, 2)), frozenset({0}))
    assert len(str(policy)) == 63
    assert str(policy).startswith("bind=relative:0,2,4,")
