"""Policies as text, and what they become on a process."""

import pytest

from movable import PAGE_SIZE, VM, ConfigError, SystemCallError
from movable.flags import Mpol, MpolFlag, MpolMF
from movable.numa import PolicyText, show


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("bind:0-1", "bind:0-1"),
        ("bind=static:1,3", "bind=static:1,3"),
        ("interleave:all", "interleave:0-3"),
        ("interleave=relative:!0", "interleave=relative:1-3"),
        ("prefer:2", "prefer:2"),
        ("local", "local"),
    ],
)
def test_policies_read_back_as_numa_maps_prints_them(text: str, shown: str) -> None:
    """spec/migration.md 9.10: what is set by its text is shown by the same text, lists in range form."""
    with VM("numa4") as vm:
        process = vm.process()
        PolicyText.parse(text, "policy").apply(process)
        assert str(process.policy) == shown
        process.touch(process.mmap(PAGE_SIZE))
        assert process.numa_maps().split()[1] == shown


def test_default_takes_a_policy_away() -> None:
    """spec/migration.md 9.3: DEFAULT removes the policy."""
    with VM("numa4") as vm:
        process = vm.process()
        PolicyText.parse("bind:1", "policy").apply(process)
        PolicyText.parse("default", "policy").apply(process)
        assert process.policy is None


def test_an_areas_policy_is_mbind() -> None:
    """A policy that is bound to a range with MOVE brings its pages along. spec/migration.md 9.6."""
    with VM("numa4") as vm:
        process = vm.process()
        address = process.mmap(4 * PAGE_SIZE)
        process.touch(address, 4 * PAGE_SIZE)
        policy = PolicyText.parse("bind:2", "policy")
        policy.bind(process, address, 2 * PAGE_SIZE, MpolMF.MOVE)
        assert [page.nid for page in process.pages().values()] == [2, 2, 0, 0]


def test_lists_count_among_the_cpusets_nodes() -> None:
    """``+0`` and ``all`` mean nodes of the process's cpuset; with a mode flag the numbers are the user's own."""
    with VM("numa4") as vm:
        process = vm.process()
        vm.cpusets.create("jobs", mems="1,3", cpus="0").attach(process)
        assert PolicyText.parse("bind:+1", "policy").resolve(process) == frozenset({3})
        assert PolicyText.parse("bind:all", "policy").resolve(process) == frozenset({1, 3})
        assert PolicyText.parse("bind=relative:0-1", "policy").resolve(process) == frozenset({0, 1})
        with pytest.raises(ConfigError, match="node 0 is out of range; choose of 1,3"):
            PolicyText.parse("bind:0", "policy").apply(process)
        with pytest.raises(SystemCallError, match="EINVAL"):
            PolicyText.parse("bind=static:0", "policy").apply(process)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "'' is no policy"),
        ("bound:1", "'bound:1' is no policy"),
        ("bind", "bind needs nodes, as in bind:0"),
        ("local:1", "local takes no nodes; write local"),
        ("default:0", "default takes no nodes"),
        ("bind=fixed:0", "is no policy"),
        ("bind:", "has no numbers"),
        ("bind:x", "'x' is neither"),
    ],
)
def test_texts_that_are_no_policy_are_refused(text: str, reason: str) -> None:
    """The message names the field and says how a policy is written."""
    with pytest.raises(ConfigError, match=f"^processes.policy: .*{reason}"):
        PolicyText.parse(text, "processes.policy")


def test_parsed_policies_are_values() -> None:
    """Mode and flag are the kernel's."""
    policy = PolicyText.parse("interleave=static:0-1", "p")
    assert (policy.mode, policy.flag) == (Mpol.INTERLEAVE, MpolFlag.STATIC_NODES)
    assert str(policy.nodes) == "0-1"


INTERLEAVED = """\
policy: interleave
preferred node: 1 (interleave next)
interleavemask: 1 3\x20
interleavenode: 1
physcpubind: 0\x20
cpubind: 0\x20
nodebind: 0\x20
membind: 0 1 2 3\x20
"""


def test_show_is_numactls_layout() -> None:
    """Policy, next node, masks: numactl --show, of an interleaving process on CPU 0."""
    with VM("numa4") as vm:
        process = vm.process()
        PolicyText.parse("interleave:1,3", "p").apply(process)
        assert str(show(process, frozenset({0}))) == INTERLEAVED


def test_show_of_each_policy() -> None:
    """The preferred node is the CPU's for default and local, the first of a bound set; membind follows the policy."""
    expected = {
        "default": ("default", None, {0, 1, 2, 3}),
        "local": ("preferred", None, {0, 1, 2, 3}),
        "prefer:2": ("preferred", 2, {0, 1, 2, 3}),
        "bind:1,2": ("bind", 1, {1, 2}),
    }
    with VM("numa4") as vm:
        process = vm.process()
        for text, values in expected.items():
            PolicyText.parse(text, "p").apply(process)
            found = show(process, frozenset({0, 1}))
            assert (found.policy, found.preferred, set(found.membind)) == values
            assert found.nodes == {0, 1}
