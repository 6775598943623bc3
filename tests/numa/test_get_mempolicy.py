"""get_mempolicy: every row of its table, and what is written before what (spec/migration.md 9.5)."""

from array import array
from errno import EFAULT, EINVAL, ENOMEM
from functools import partial

import pytest
from numa.policies import LOW, RELATIVE, STATIC, errno_of, fill, inside, refused

from movable import BAD_POINTER, PAGE_SIZE, VM, MovableError, Mpol, MpolF, PolicyAnswer, Process, Prot

NOWHERE = 0x2000_0000
KERNEL = 0xFFFF_8000_0000_0000


def test_the_policy_of_the_process(process: Process) -> None:
    """Mode and nodes: DEFAULT and nothing at first; the mode carries its flag, and the mask is the user's then."""
    assert process.get_mempolicy() == PolicyAnswer(Mpol.DEFAULT, frozenset())
    process.set_mempolicy(Mpol.BIND, [1, 3, 9])
    assert process.get_mempolicy() == PolicyAnswer(Mpol.BIND, frozenset({1, 3}))
    process.set_mempolicy(Mpol.INTERLEAVE | STATIC, [1, 3, 9])
    assert process.get_mempolicy() == PolicyAnswer(Mpol.INTERLEAVE | STATIC, frozenset({1, 3, 9}))
    process.set_mempolicy(Mpol.PREFERRED | RELATIVE, [5, 1023])
    assert process.get_mempolicy() == PolicyAnswer(Mpol.PREFERRED | RELATIVE, frozenset({5, 1023}))
    process.set_mempolicy(Mpol.PREFERRED, [2, 3])
    assert process.get_mempolicy() == PolicyAnswer(Mpol.PREFERRED, frozenset({2}))
    process.set_mempolicy(Mpol.LOCAL | STATIC)
    assert process.get_mempolicy() == PolicyAnswer(Mpol.PREFERRED | STATIC, frozenset())


@pytest.mark.parametrize(
    ("address", "flags", "maxnode", "errno"),
    [
        (0, 0, 1023, EINVAL),
        (0, 0, 64, EINVAL),
        (NOWHERE, 2, 64, EINVAL),
        (0, 8, None, EINVAL),
        (NOWHERE, 1 << 20 | 2, None, EINVAL),
        (0, 4 | 1, None, EINVAL),
        (LOW, 4 | 2, None, EINVAL),
        (0, 2, None, EFAULT),
        (NOWHERE, 2, None, EFAULT),
        (NOWHERE, 3, None, EFAULT),
        (KERNEL, 2, None, EFAULT),
        (-PAGE_SIZE, 2, None, EFAULT),
        (LOW, 0, None, EINVAL),
        (LOW, 1, None, EINVAL),
        (0, 1, None, EINVAL),
        (0, 0, 32770, EINVAL),
        (0, 0, 1024, 0),
        (LOW, 2, 32769, 0),
        (LOW + 7, 2, None, 0),
        (0, 4, None, 0),
        (NOWHERE, 4, None, 0),
    ],
)
def test_errors(process: Process, address: int, flags: int, maxnode: int | None, errno: int) -> None:
    """Each row of the table has its errno: short masks, unknown flags, flags together, addresses (9.5)."""
    process.mmap(PAGE_SIZE, address=LOW)
    assert errno_of(lambda: process.get_mempolicy(address, flags, maxnode=maxnode)) == errno


def test_a_short_maxnode_is_fine_without_a_mask(process: Process) -> None:
    """maxnode is looked at only if a mask is asked for."""
    assert process.get_mempolicy(nodes=False, maxnode=0) == PolicyAnswer(0, None)
    assert process.get_mempolicy(mode=False, nodes=False, maxnode=3) == PolicyAnswer(None, None)
    assert process.get_mempolicy(mode=False) == PolicyAnswer(None, frozenset())


def test_the_policy_of_an_address(process: Process) -> None:
    """ADDR: the area's policy; without one MPOL_DEFAULT and nothing, whatever the process's is."""
    address = process.mmap(2 * PAGE_SIZE, address=LOW)
    process.set_mempolicy(Mpol.BIND, [1])
    process.mbind(address, PAGE_SIZE, Mpol.INTERLEAVE, [2, 3])
    assert process.get_mempolicy(address + 5, MpolF.ADDR) == PolicyAnswer(Mpol.INTERLEAVE, frozenset({2, 3}))
    assert process.get_mempolicy(address + PAGE_SIZE, MpolF.ADDR) == PolicyAnswer(0, frozenset())


def test_the_node_of_an_address(process: Process) -> None:
    """NODE|ADDR: the node of the page, the mask of the policy; an absent page is faulted in for reading."""
    address = process.mmap(3 * PAGE_SIZE, address=LOW)
    process.mbind(address, 3 * PAGE_SIZE, Mpol.BIND, [3])
    process.touch(address)
    both = MpolF.NODE | MpolF.ADDR
    assert process.get_mempolicy(address, both) == PolicyAnswer(3, frozenset({3}))
    assert process.get_mempolicy(address + PAGE_SIZE, both).mode == 0, "the zero page lies on the first node"
    entry = process.entry(address + PAGE_SIZE)
    assert entry is not None
    assert entry.kind == "zero"
    assert process.entry(address + 2 * PAGE_SIZE) is None


def test_the_fault_of_a_node_can_fail(vm: VM, process: Process) -> None:
    """NODE|ADDR returns what the fault returns: EFAULT for PROT_NONE and beyond a file's end, ENOMEM."""
    both = MpolF.NODE | MpolF.ADDR
    address = process.mmap(PAGE_SIZE, Prot.NONE)
    assert errno_of(lambda: process.get_mempolicy(address, both)) == EFAULT
    file = process.mmap(2 * PAGE_SIZE, file=vm.file("data", PAGE_SIZE), shared=True)
    assert errno_of(lambda: process.get_mempolicy(file + PAGE_SIZE, both)) == EFAULT
    inside(process, "3")
    fill(vm, 3)
    assert errno_of(lambda: process.get_mempolicy(file, both)) == ENOMEM


def test_mappings_without_pages_have_no_node(process: Process) -> None:
    """NODE|ADDR of raw mappings is EFAULT, of the vdso the node of its page; their policies can be asked for."""
    both = MpolF.NODE | MpolF.ADDR
    assert process.get_mempolicy(process.mmap_special("vdso", node=2), both).mode == 2
    for kind in ("vvar", "mem"):
        address = process.mmap_special(kind)
        assert errno_of(partial(process.get_mempolicy, address, both)) == EFAULT
        assert process.get_mempolicy(address, MpolF.ADDR) == PolicyAnswer(0, frozenset())


def test_the_rotor(process: Process) -> None:
    """NODE alone: the rotor of an INTERLEAVE policy with its nodes; EINVAL with any other policy."""
    process.set_mempolicy(Mpol.INTERLEAVE, [2, 3])
    assert process.get_mempolicy(flags=MpolF.NODE) == PolicyAnswer(2, frozenset({2, 3}))
    for mode in (Mpol.BIND, Mpol.PREFERRED):
        process.set_mempolicy(mode, [2, 3])
        refused(lambda: process.get_mempolicy(flags=MpolF.NODE), EINVAL, "takes an INTERLEAVE policy")


def test_mems_allowed(process: Process) -> None:
    """MEMS_ALLOWED: mode 0 and the nodes of the cpuset."""
    assert process.get_mempolicy(flags=MpolF.MEMS_ALLOWED) == PolicyAnswer(0, frozenset({0, 1, 2, 3}))
    process.set_mempolicy(Mpol.BIND, [1])
    inside(process, "1,3")
    assert process.get_mempolicy(flags=MpolF.MEMS_ALLOWED) == PolicyAnswer(0, frozenset({1, 3}))


def test_the_mode_is_written_before_the_mask(process: Process) -> None:
    """A mask that cannot be written is EFAULT and leaves the mode stored; a mode that cannot be is EFAULT at once."""
    process.set_mempolicy(Mpol.BIND, [1])
    mode = array("i", [-77])
    assert errno_of(lambda: process.get_mempolicy(mode=mode, nodes=BAD_POINTER)) == EFAULT
    assert mode[0] == Mpol.BIND
    mode = array("i", [-77])
    assert errno_of(lambda: process.get_mempolicy(mode=mode, maxnode=40000)) == EINVAL
    assert mode[0] == Mpol.BIND, "a mask of more than a page is found out as late"
    mode = array("i", [-77])
    assert errno_of(lambda: process.get_mempolicy(flags=MpolF.NODE, mode=mode)) == EINVAL
    assert mode[0] == -77
    assert errno_of(lambda: process.get_mempolicy(mode=BAD_POINTER)) == EFAULT
    assert (
        errno_of(lambda: process.get_mempolicy(mode=BAD_POINTER, nodes=BAD_POINTER, maxnode=40000)) == EFAULT
    )


@pytest.mark.parametrize("place", [array("q", [0]), b"\0" * 4, array("i")], ids=["q", "bytes", "empty"])
def test_a_place_for_the_mode_is_an_int(process: Process, place: object) -> None:
    """A buffer for the mode that is none is refused by name."""
    with pytest.raises(MovableError, match="mode: must be a bool or a writable buffer"):
        process.get_mempolicy(mode=place)
