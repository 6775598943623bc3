"""Rows of the other topics that no recording here has: their results follow from spec/migration.md 9."""

from typing import Any

import pytest
from fidelity.numa_kit import EQUAL, EXPLAINED, WRONG, only, rows_of, verdict_of

POLICIES = "mbind_set_get_errors"


def bind(name: str, ret: int = 0, errno: str = "0", **fields: Any) -> dict[str, Any]:
    """A row of mbind: BIND to node 1 of one page on node 0."""
    row = {
        "name": name,
        "mode": 2,
        "mask": 2,
        "maxnode": 64,
        "flags": 0,
        "len": 4096,
        "ret": ret,
        "errno": errno,
    }
    return {**row, **fields}


def placed(name: str, places: list[int], ret: int = 0, errno: str = "0") -> dict[str, Any]:
    """A row of mbind that tells where pages are and takes the rest from its name."""
    return {"name": name, "ret": ret, "errno": errno, "place": places}


MBIND = [
    ((EQUAL,), bind("len_0", len=0)),
    ((EQUAL,), bind("len_0_invalid_policy", mask=0, len=0)),
    ((EQUAL,), bind("len_1", len=1)),
    ((EQUAL,), bind("unaligned_len", len=4097)),
    ((EQUAL,), bind("start_unaligned", -1, "EINVAL")),
    ((EQUAL,), bind("addr_unaligned_len_0", -1, "EINVAL", len=0)),
    ((EQUAL,), bind("null_addr", -1, "EFAULT")),
    ((EQUAL,), bind("flags_0x8", -1, "EINVAL", flags=8)),
    ((EQUAL,), bind("unpriv_MOVE_ALL", -1, "EPERM", flags=4)),
    ((EQUAL,), bind("maxnode_2_mask_bit1", -1, "EINVAL", maxnode=2)),
    ((EQUAL,), bind("mask_bit1_and_bit64_maxnode_65", maxnode=65)),
    ((EQUAL,), bind("mask_bit1_and_bit64_maxnode_128", maxnode=128)),
    ((EXPLAINED, "S01"), bind("maxnode_32769_mask_bit1", -1, "EINVAL", maxnode=32769)),
    ((WRONG, "S01"), bind("maxnode_32769_mask_bit1", -1, "EPERM", maxnode=32769)),
    ((EXPLAINED, "N10"), bind("mode_5_mask1", mode=5)),
    ((EXPLAINED, "N11"), bind("BIND|modeflag_6000_mask1", mode=0x6002)),
    ((EXPLAINED, "N14"), bind("hole_at_end_flags_3", -1, "EFAULT", flags=3, len=8192)),
    ((EXPLAINED, "N15"), bind("hole_start_DEFAULT_flags_3", mode=0, mask=None, maxnode=0, flags=3, len=8192)),
    ((EQUAL,), bind("hole_at_start_flags_7", -1, "EFAULT", flags=7, len=8192)),
    ((EQUAL,), placed("pinned_second_page_bind1_flags_2", [1, 0, 1, 1])),
    ((EQUAL,), placed("pinned_second_page_bind1_flags_3", [1, 0, 1, 1], -1, "EIO")),
    ((EXPLAINED, "N09"), placed("pinned_second_page_bind1_flags_1", [0, 0, 0, 0], -1, "EIO")),
    ((EQUAL,), placed("shared_second_page_bind1_flags_3", [1, 0, 1, 1])),
    ((EQUAL,), placed("shared_second_page_bind1_flags_5", [1, 1, 1, 1])),
]


def ask(name: str, ret: int = 0, errno: str = "0", **fields: Any) -> dict[str, Any]:
    """A row of get_mempolicy that fails and writes nothing, unless more is said."""
    return {
        "name": name,
        "maxnode": 64,
        "flags": 0,
        "ret": ret,
        "errno": errno,
        "mode": -77,
        "mask": 0,
        **fields,
    }


GET = [
    ((EXPLAINED, "N16"), ask("maxnode_4", maxnode=4, mode=0)),
    ((EXPLAINED, "N16"), ask("F_MEMS_ALLOWED", flags=4, mode=0, mask=15)),
    ((EXPLAINED, "N16"), ask("F_ADDR_no_policy", flags=2, mode=0)),
    ((EXPLAINED, "N16"), ask("F_ADDR_of_another_area", flags=2, mode=0)),
    ((EXPLAINED, "N16"), ask("mask_bad_pointer", -1, "EFAULT", mode=0)),
    ((EQUAL,), ask("maxnode_1024", maxnode=1024, mode=0)),
    ((EQUAL,), ask("maxnode_0_with_mask", -1, "EINVAL", maxnode=0)),
    ((EQUAL,), ask("addr_without_F_ADDR", -1, "EINVAL")),
    ((EQUAL,), ask("F_NODE", -1, "EINVAL", flags=1)),
    ((EQUAL,), ask("F_MEMS_ALLOWED_F_NODE", -1, "EINVAL", flags=5)),
    (
        (EQUAL,),
        {"name": "F_NODE_interleave12_step0", "ret": 0, "errno": "0", "next_node": 1, "then_faulted_on": 1},
    ),
    (
        (WRONG,),
        {"name": "F_NODE_interleave12_step0", "ret": 0, "errno": "0", "next_node": 1, "then_faulted_on": 3},
    ),
]


def home(name: str, nodes: int, errno: str = "0") -> dict[str, Any]:
    """A row of set_mempolicy_home_node."""
    return {"name": name, "ret": 0 if errno == "0" else -1, "errno": errno, "fault_nodes": [nodes] * 4}


HOME = [
    ((EXPLAINED, "N17"), home("bind12_home2", 2)),
    ((EXPLAINED, "N17"), home("bind12_home3_outside", 2)),
    ((EXPLAINED, "N17"), home("bind12_home4_offline", 1, "EINVAL")),
    ((EXPLAINED, "N17"), home("bind12_home1_flags1", 1, "EINVAL")),
    ((EXPLAINED, "N17"), home("local_home1", 0, "EOPNOTSUPP")),
    ((WRONG, "N17"), home("bind12_home2", 1)),
]


def migrate(name: str, ret: int = 0, errno: str = "0", counts: tuple[int, ...] = (32,) * 4) -> dict[str, Any]:
    """A row of migrate_pages on a child with 32 pages on each node."""
    return {"name": name, "ret": ret, "errno": errno, "child_pages_per_node": [*counts, 0]}


MOVED = (0, 64, 32, 32)
MIGRATE = [
    ((EQUAL,), migrate("from_null")),
    ((EQUAL,), migrate("from_badptr", -1, "EFAULT")),
    ((EQUAL,), migrate("pid_nonexistent", -1, "ESRCH")),
    ((EQUAL,), migrate("unpriv_other", -1, "EPERM")),
    ((EQUAL,), migrate("unpriv_other_to_offline4", -1, "EPERM")),
    ((EQUAL,), migrate("unpriv_same_uid_child", counts=MOVED)),
    ((EQUAL,), migrate("maxnode_65", counts=MOVED)),
    ((EQUAL,), migrate("maxnode_huge_maxnode_1048576", -1, "EINVAL")),
    ((EQUAL,), migrate("from_all_to_3", counts=(0, 0, 0, 128))),
    ((EQUAL,), migrate("from_01_to_23", counts=(0, 0, 64, 64))),
    ((EXPLAINED, "N18"), migrate("to_1_and_offline4", counts=MOVED)),
    ((EXPLAINED, "N18"), migrate("from_0_to_offline4_and_1", counts=MOVED)),
    ((EXPLAINED, "N18"), migrate("to_offline4_plus_1", counts=MOVED)),
    ((EXPLAINED, "N18"), migrate("to_mixed_1_with_offline_4", counts=MOVED)),
    ((EQUAL,), migrate("to_only_offline_5", -1, "EINVAL")),
    ((WRONG,), migrate("to_only_offline_5", counts=MOVED)),
    ((EXPLAINED, "N19"), migrate("maxnode_1", -1, "EINVAL")),
    ((EXPLAINED, "N19"), migrate("maxnode_2", -1, "EINVAL")),
    ((WRONG, "N19"), migrate("maxnode_2", -1, "EFAULT")),
    ((EQUAL,), {"name": "root_self", "ret": 0, "errno": "0", "own_pages": [1, 1, 1, 1]}),
    ((EQUAL,), {"name": "one_pinned_of_four", "ret": 1, "place": [1, 1, 0, 1]}),
    ((WRONG,), {"name": "one_pinned_of_four", "ret": 1, "place": [1, 0, 0, 1]}),
]  # fmt: skip


def write(text: str, errno: str = "0", reads: str = "0-1", file: str = "cpuset.mems") -> dict[str, Any]:
    """A row of a control file."""
    return {"file": file, "write": text, "errno": errno, "reads_after": reads}


def inside(call: str, **fields: Any) -> dict[str, Any]:
    """A row of a call made in a cpuset with mems 0-1."""
    return {"in_cpuset_mems": "0-1", "call": call, "ret": 0, "errno": "0", **fields}


CPUSET = [
    ((EQUAL,), write("")),
    ((EQUAL,), write("0 1", "EINVAL")),
    ((EQUAL,), write(" 0-2 ", reads="0-2")),
    ((EQUAL,), write("1-", "EINVAL")),
    ((EQUAL,), write("-1", "EINVAL")),
    ((EQUAL,), write("0-9", "EINVAL")),
    ((EQUAL,), write("\n", "ENOSPC")),
    ((EQUAL,), write("\n", reads="")),
    ((EQUAL,), write("9999", "ERANGE", "0", "cpuset.cpus")),
    ((EQUAL,), write("2", "ERANGE", "0", "cpuset.cpus")),
    ((EQUAL,), write("0-1", reads="0-1", file="cpuset.cpus")),
    ((EQUAL,), write("2", reads="1", file="cpuset.memory_migrate")),
    ((EQUAL,), write("x", "EINVAL", "0", "cpuset.memory_migrate")),
    ((EQUAL,), {"file": "top cpuset.mems", "write": "0", "errno": "EACCES", "reads_after": "0-3"}),
    (
        (EQUAL,),
        {
            "file": "cpuset.mems",
            "write": "0",
            "errno": "EBUSY",
            "reads_after": "0-1",
            "note": "a child has 1",
        },
    ),
    ((EQUAL,), write("0", "EBUSY")),
    ((EQUAL,), write("0-2", "EACCES")),
    ((EQUAL,), write("1-2", "EINVAL")),
    ((WRONG,), write("0-1", "EBUSY")),
    ((WRONG,), write("0-1", "EACCES")),
    ((WRONG,), write("4", "EACCES")),
    ((WRONG,), write("0", "EINVAL")),
    ((EQUAL,), write("-1", "EINVAL", "", "tasks")),
    ((WRONG,), write("-1", "0", "1", "tasks")),
    ((EQUAL,), inside("move_pages to 1", status=1)),
    ((EQUAL,), inside("migrate_pages self 0 to 1", place=1)),
    ((EQUAL,), inside("mbind BIND 2", ret=-1, errno="EINVAL")),
    ((EQUAL,), inside("set_mempolicy BIND 1,2 then touch", place=1)),
    ((EQUAL,), inside("set_mempolicy INTERLEAVE 0-3", mask=3)),
    ((EXPLAINED, "N20"), inside("migrate_pages self 0 to 2", ret=-1, errno="EINVAL", place=0)),
    ((EXPLAINED, "N20"), inside("migrate_pages self 0 to 2,3", ret=-1, errno="EINVAL", place=0)),
    ((EXPLAINED, "N10"), inside("set_mempolicy PREFERRED_MANY 1", place=1)),
]


def line(label: str, rest: str, setup: str = "", start: str = "200001000000") -> dict[str, Any]:
    """A labelled line."""
    return {"label": label, "setup": setup, "line": f"{start} {rest}"}


ANON8 = "anon=8 dirty=8 active=0 N0=8 kernelpagesize_kB=4"
FILE8 = "file=/t/f3 dirty=8 active=0"
MAPS = [
    ((EXPLAINED, "N21"), line("anon_8_touched", f"default {ANON8}", "8 pages anon, all touched")),
    ((EXPLAINED, "N21"), line("anon_on_cpu1", f"default {ANON8.replace('N0', 'N1')}", "8 pages touched on cpu 1")),
    ((EQUAL,), line("anon_read_only", "default", "8 pages read, zero page")),
    ((EXPLAINED, "N21"), line("anon_3_of_8", "default anon=3 dirty=3 active=0 N0=3 kernelpagesize_kB=4")),
    ((EXPLAINED, "N21"), line("anon_some", "default anon=5 dirty=5 active=0 N0=5 kernelpagesize_kB=4")),
    ((WRONG, "N21"), line("anon_some", "default anon=5 dirty=4 active=0 N0=5 kernelpagesize_kB=4")),
    ((EQUAL,), line("mlocked", "default anon=8 dirty=8 N0=8 kernelpagesize_kB=4", "mlock after touch")),
    ((EXPLAINED, "N21"), line("vma_split_second_half",
        "interleave:1-2 anon=4 dirty=4 active=0 N1=2 N2=2 kernelpagesize_kB=4", start="200001004000")),
    ((EXPLAINED, "N21"), line("split3_b", "bind:1 anon=4 dirty=4 active=0 N1=4 kernelpagesize_kB=4",
                              start="200001004000")),
    ((EXPLAINED, "N21"), line("anon_shared_with_child", f"default {ANON8.replace('active', 'mapmax=2 active')}")),
    ((EQUAL,), line("tmpfs_private_untouched", "default file=/t/f3", start="200002000000")),
    ((EQUAL,), line("tmpfs_interleave12_first_touch", f"interleave:1-2 {FILE8} N1=4 N2=4 kernelpagesize_kB=4")),
    ((EQUAL,), line("shared_anon_untouched", "default file=/dev/zero\\040(deleted)")),
    ((EQUAL,), line("shared_anon_sub_bind1_b",
        "bind:1 file=/dev/zero\\040(deleted) dirty=2 active=0 N2=1 N3=1 kernelpagesize_kB=4", start="200001002000")),
    ((EQUAL,), line("shared_anon_sub_bind1_b",
        "bind:1 file=/dev/zero\\040(deleted) dirty=2 active=0 N1=2 kernelpagesize_kB=4", start="200001002000")),
    ((EQUAL,), line("hugetlb_2_of_2",
        "default file=/anon_hugepage\\040(deleted) huge anon=2 dirty=2 N0=2 kernelpagesize_kB=2048")),
    ((EXPLAINED, "N21"), line("anon_cpu1", f"default {ANON8.replace('N0', 'N1')}", "touched on cpu 1")),
    ((EXPLAINED, "N21"), line("thp_after_split", "default anon=512 dirty=512 active=0 N0=512 kernelpagesize_kB=4")),
    ((EXPLAINED, "N12"), line("mbind_LOCAL_mask0_flags8000", "default", "mbind ret -1 EINVAL then 8 pages touched")),
    ((EXPLAINED, "N12"), line("mbind_LOCAL_mask0_flags4000", "default", "mbind ret -1 EINVAL then 8 pages touched")),
    ((EXPLAINED, "N12"), line("task_LOCAL_mask0_flags8000", f"default {ANON8}")),
    ((EXPLAINED, "N21"), line("heap", f"default heap {ANON8}", start="555555757000")),
    ((EXPLAINED, "N21"), line("stack", f"default stack {ANON8}", start="7ffffffde000")),
    ((WRONG,), line("anon_8_touched", "default anon=8 dirty=8 active=0 M0=8 kernelpagesize_kB=4")),
]  # fmt: skip

TABLES = [
    (POLICIES, "mbind", MBIND), (POLICIES, "get_mempolicy", GET), (POLICIES, "set_mempolicy_home_node", HOME),
    ("migrate_pages", "errors", MIGRATE), ("cpuset_v1", "errors", CPUSET), ("numa_maps", "lines", MAPS),
]  # fmt: skip


IDS = [f"{section} of {topic}" for topic, section, _ in TABLES]


@pytest.mark.parametrize(("topic", "section", "table"), TABLES, ids=IDS)
def test_rows_that_a_recorder_would_make(topic: str, section: str, table: list[Any]) -> None:
    """For labels of the recordings' kind the set-up is found, and the verdict follows from 9.2 to 9.10."""
    got = [(verdict_of(row, topic, section), row) for _, row in table]
    assert [each for each, (wanted, _) in zip(got, table, strict=True) if each[0] != wanted] == []


def test_writes_after_one_that_gave_the_cpuset_other_nodes() -> None:
    """A write may follow another on the same cpuset or have one of its own: the reading that fits counts, if any."""
    rows = [
        write("2-3", reads="2-3"),
        write("abc", "EINVAL", "2-3"),
        write("4", "EINVAL"),
        write("4", "EINVAL", "2"),
        write("2-3", reads="2-3"),
        write("1-2", "EINVAL", "2-3"),
        write("2", "EBUSY", "2-3"),
        write("0-2", "EACCES", "2-3"),
    ]
    got = [row.verdict for row in rows_of(only("cpuset_v1", "errors", *rows))]
    assert got == [EQUAL, EQUAL, EQUAL, WRONG, EQUAL, EQUAL, EQUAL, EQUAL]
