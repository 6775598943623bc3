"""Bits that no flag has are refused (spec/migration.md 9.5, 9.6)."""

import errno

import pytest

from movable import PAGE_SIZE, VM, Mpol, SystemCallError


@pytest.mark.parametrize("bit", range(3, 32))
def test_mbind_refuses_every_other_bit(bit: int) -> None:
    """mbind knows STRICT, MOVE and MOVE_ALL: any other bit is EINVAL, known to the enumeration or not (9.6, 3)."""
    process = VM("numa4").process()
    address = process.mmap(PAGE_SIZE)
    with pytest.raises(SystemCallError) as refused:
        process.mbind(address, PAGE_SIZE, Mpol.BIND, [1], 1 << bit)
    assert refused.value.errno == errno.EINVAL
    assert process.areas[0].policy is None


@pytest.mark.parametrize("bit", range(3, 32))
def test_get_mempolicy_refuses_every_other_bit(bit: int) -> None:
    """get_mempolicy knows NODE, ADDR and MEMS_ALLOWED: any other bit is EINVAL (9.5)."""
    with pytest.raises(SystemCallError) as refused:
        VM("numa4").process().get_mempolicy(0, 1 << bit)
    assert refused.value.errno == errno.EINVAL
