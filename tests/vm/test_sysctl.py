"""The files that steer compaction: spec/compaction.md 7.3, 9.6; K06 of spec/differences-drivers.md."""

from errno import EACCES, EINVAL, ENOENT

import pytest
from allocator.machines import BLOCK, one_zone
from compaction.terrain import odd, terrain

from movable import VM, SystemCallError
from movable.config import CompactionProfile


def machine(profile: CompactionProfile) -> VM:
    """A small machine."""
    return VM(one_zone(2 * BLOCK, profile=profile))


def answer(vm: VM, name: str, text: str) -> int:
    """0 or the errno of a write."""
    try:
        vm.sysctls.write(name, text)
    except SystemCallError as error:
        return error.errno or 0
    return 0


@pytest.mark.parametrize(
    ("profile", "text", "errno", "reads"),
    [
        ("4.9", "7", 0, "7"),
        ("4.9", "-1", 0, "500"),
        ("4.9", "1001", 0, "500"),
        ("4.9", "x", 0, "500"),
        ("6.1", "1000", 0, "1000"),
        ("6.1", "-1", EINVAL, "500"),
        ("6.1", "x", EINVAL, "500"),
        ("6.1", "1001\n", EINVAL, "500"),
    ],
)
def test_extfrag_threshold(profile: CompactionProfile, text: str, errno: int, reads: str) -> None:
    """4.9 says nothing about a bad value and ignores it; 6.1 refuses it."""
    with machine(profile) as vm:
        assert (answer(vm, "extfrag_threshold", text), vm.sysctls.read("extfrag_threshold")) == (errno, reads)


@pytest.mark.parametrize(
    ("profile", "text", "errno", "reads"),
    [
        ("4.9", "100", 0, "100"),
        ("4.9", "-1", 0, "-1"),
        ("4.9", "x", EINVAL, "1"),
        ("4.9", str(1 << 31), EINVAL, "1"),
        ("6.1", "0", 0, "0"),
        ("6.1", "2", EINVAL, "1"),
    ],
)
def test_compact_unevictable_allowed(profile: CompactionProfile, text: str, errno: int, reads: str) -> None:
    """4.9 stores any integer; 6.1 takes 0 and 1."""
    with machine(profile) as vm:
        name = "compact_unevictable_allowed"
        assert (answer(vm, name, text), vm.sysctls.read(name)) == (errno, reads)


def test_a_written_value_takes_effect() -> None:
    """Pages locked with mlock stay where they are once the sysctl is 0 (spec/compaction.md 4.1)."""
    with VM(one_zone(8 * BLOCK)) as vm:
        process = vm.process()
        address = process.mmap(64 * 4096, locked=True)
        process.touch(address, 64 * 4096)
        before = process.pages()
        vm.sysctls.write("compact_unevictable_allowed", "0")
        vm.debug = 2
        vm.compact_memory()
        assert process.pages() == before
        vm.sysctls.write("compact_unevictable_allowed", "1")
        assert sum(run.isolated for run in vm.compact_memory()) > 0


def test_proactiveness_is_of_6_1_only() -> None:
    """4.9 has no such file; 6.1 takes 0 to 100."""
    with machine("4.9") as vm:
        assert answer(vm, "compaction_proactiveness", "1") == ENOENT
        with pytest.raises(SystemCallError, match="this kernel has no compaction_proactiveness"):
            vm.sysctls.read("compaction_proactiveness")
    with machine("6.1") as vm:
        assert answer(vm, "compaction_proactiveness", "101") == EINVAL
        assert answer(vm, "compaction_proactiveness", "100") == 0
        assert vm.sysctls.read("compaction_proactiveness") == "100"


@pytest.mark.parametrize("text", ["1", "0", "x", ""])
def test_any_text_triggers_compaction(text: str) -> None:
    """Whatever is written to compact_memory compacts all nodes; to a node's file, all but nothing (7.3)."""
    made = terrain(4, odd)
    made.vm.sysctls.write("compact_memory", text)
    assert made.moves
    with pytest.raises(SystemCallError) as error:
        made.vm.sysctls.read("compact_memory")
    assert error.value.errno == EACCES
    single = terrain(4, odd)
    single.vm.sysctls.compact_node(0, text)
    assert bool(single.moves) is (text != "")
