"""Rows of move_pages that no recording here has: their results follow from spec/migration.md 9.8 and N01-N08."""

from typing import Any

import pytest
from fidelity.numa_kit import EQUAL, EXPLAINED, WRONG, case, only, real, rows_of, verdict_of

A, B = [0, 0], [1, 1]


def fails(errno: str, **fields: Any) -> dict[str, Any]:
    """The outcome of a call on one page of node 0 that fails and moves nothing."""
    return {"ret": -1, "errno": errno, "status": [777], "query_after": [0], **fields}


def refused(errno: str, code: int) -> dict[str, Any]:
    """The same where the queries fail as well."""
    return {"ret": -1, "errno": errno, "status": [777], "query_before": [code], "query_after": [code]}


def absent(code: int, status: int | None = None) -> dict[str, Any]:
    """No page: what the queries say, and the status of a move."""
    return {"query_before": [code], "query_after": [code], "status": [code if status is None else status]}


def stays(status: int) -> dict[str, Any]:
    """The page stays on node 0."""
    return {"status": [status], "query_after": [0]}


SAME = [
    case("flags_0", "flags 0 behaves like MOVE", flags=0),
    case("flags_1", "STRICT", flags=1, **fails("EINVAL")),
    case("something_unheard_of", "a plain page"),
    case("unmapped_hole_query", nodes=None, flags=0, **absent(-14)),
    case("untouched_anon", "never touched", **absent(-14)),
    case("kernel_address", **absent(-14)),
    case("null_address", **absent(-14)),
    case("noncanonical_address", **absent(-14)),
    case("dev_mem_move", "page of /dev/mem", **absent(-14)),
    case("vvar_move", **absent(-2, -14)),
    case("vdso_move", nodes=[0], query_before=[1], query_after=[1], status=[-13]),
    case("vdso_moveall", flags=4, nodes=[0], query_before=[1], query_after=[1], status=[-16]),
    case("vdso_already", query_before=[1], query_after=[1], status=[1]),
    case("tmpfs_untouched", "shared mapping, never touched", **absent(-2)),
    case("tmpfs_hole_in_file", **absent(-2)),
    case("tmpfs_shared_dirty", "written through the mapping"),
    case("tmpfs_private_read", "MAP_PRIVATE, only read"),
    case("tmpfs_shared_two_processes_moveall", "mapped by two processes, MOVE_ALL", flags=4),
    case("tmpfs_mapped_twice_same_process", "two mappings in one process", **stays(-13)),
    case("own_text_page", "mapped by one process"),
    case("own_text_page", "mapped by parent and child", **stays(-13)),
    case("own_heap_page"),
    case("shared_anon_two_processes", "MAP_SHARED|MAP_ANONYMOUS", **stays(-13)),
    case("sysv_shm_page", "one process"),
    case("fork_shared_move", "COW-shared with a child", **stays(-13)),
    case("fork_shared_moveall", flags=4),
    case("fork_shared_query", nodes=None, flags=0, status=[0], query_after=[0]),
    case("other_pid_move", "page of the child, shared", **stays(-13)),
    case("other_pid_move", "the child's own page"),
    case("pid_self_explicit", "getpid()"),
    case("madv_pageout", "paged out", **absent(-2)),
    case("madv_pageout_noswap"),
    case("swapped_out_query", nodes=None, flags=0, **absent(-2)),
    case("madv_dontneed", **absent(-14)),
    case("mlocked"),
    case("prot_read"),
    case("prot_none_untouched", **absent(-14)),
    case("pinned_query", nodes=None, flags=0, status=[0], query_after=[0]),
    case("pinned_already_there", nodes=[0], status=[0], query_after=[0]),
    case("after_unpin_move", "pipe drained"),
    case("ksm_page_query", "pages_sharing=3", nodes=None, flags=0, status=A, query_before=A, query_after=A),
    case("ksm_unshared_after_write", "copy broken by a write"),
    case("same_page_twice", "", nodes=[1, 1], status=[1, -16], query_before=A, query_after=B),
    case("same_page_twice_already", nodes=[0, 0], status=A, query_before=A, query_after=A),
    case("mixed_ok_shared_absent_already", nodes=[1, 1, 1, 0], status=[1, -13, -14, 0], query_before=[0, 0, -14, 0],
         query_after=[1, 0, -14, 0]),
    case("private_and_shared_in_one_call", "private page, then one shared by fork", nodes=[1, 1], status=[1, -13],
         query_before=A, query_after=[1, 0]),
    case("two_pages_two_nodes", nodes=[1, 2], status=[1, 2], query_before=A, query_after=[1, 2]),
    case("nodes_bad_pointer", **fails("EFAULT")),
    case("nodes_bad_pointer", "told as null", **fails("EFAULT", nodes=None)),
    case("pages_null", **fails("EFAULT")),
    case("pages_bad_pointer_query", nodes=None, flags=0, **fails("EFAULT")),
    case("status_null", ret=-1, errno="EFAULT", status=[777]),
    case("status_readonly", ret=-1, errno="EFAULT", status=[777]),
    case("status_bad_pointer_query", nodes=None, flags=0, **fails("EFAULT")),
    case("count_0_bad_flags", count=0, nodes=[], flags=8, ret=-1, errno="EINVAL", status=[], query_before=[],
         query_after=[]),
    case("count_huge_query", count=1 << 40, nodes=None, flags=0, ret=-1, errno="EFAULT", status=[], query_before=[],
         query_after=[]),
    case("invalid_node_4", "possible but offline", nodes=[4], **fails("ENODEV")),
    case("bad_node_first_of_two", nodes=[-1, 1], ret=-1, errno="ENODEV", status=[777, 777], query_before=A,
         query_after=A),
    case("pid_nonexistent", **refused("ESRCH", -10003)),
    case("pid_negative", **refused("ESRCH", -10003)),
    case("pid_kthread_query", nodes=None, flags=0, **refused("EINVAL", -10022)),
    case("unpriv_kthread", **refused("EPERM", -10001)),
    case("unpriv_moveall_other", flags=4, **refused("EPERM", -10001)),
    case("unpriv_bad_flags", flags=32, **fails("EINVAL")),
    case("unpriv_shared_move", "uid 1000, page shared with a child", **stays(-13)),
    case("cpuset_mems_0-1", "in a cpuset with mems 0-1", nodes=[2], **fails("EACCES")),
    case("cpuset_mems_0-1_ok", "in a cpuset with mems 0-1"),
]  # fmt: skip


@pytest.mark.parametrize("row", SAME, ids=[f"{row['name']} {row['note']}".strip() for row in SAME])
def test_rows_that_both_kernels_answer_alike(row: dict[str, Any]) -> None:
    """What 9.8 says of each state, errno and caller is what the replay gives for the labels a recorder would use."""
    assert verdict_of(row) == (EQUAL,)


DIFFERENT = [
    ("N01", case("pinned_moveall", flags=4, ret=1, status=[777], query_after=[0])),
    ("N01", case("free_page_then_pinned", "movable page then a pinned page", nodes=[1, 1], ret=1, status=[777, 777],
                 query_before=A, query_after=[1, 0])),
    ("N01", case("pinned_then_other_node", "pinned page to 1, then movable page to 2", nodes=[1, 2], ret=2,
                 status=[777, 777], query_before=A, query_after=A)),
    ("N01", case("three_pages_middle_pinned", nodes=[1, 2, 1], ret=2, status=[1, 777, 777], query_before=[0, 0, 0],
                 query_after=[1, 0, 0])),
    ("N02", case("good_then_bad_node", nodes=[1, 99], ret=-1, errno="ENODEV", status=[1, 777], query_before=A,
                 query_after=[1, 0])),
    ("N02", case("bad_node_third", nodes=[1, 2, -1], ret=-1, errno="ENODEV", status=[1, 2, 777],
                 query_before=[0, 0, 0], query_after=[1, 2, 0])),
    ("N03", case("same_page_three_times", nodes=[1, 1, 1], status=[1, -16, 1], query_before=[0, 0, 0],
                 query_after=[1, 1, 1])),
    ("N03", case("same_page_there_and_back", "twice, to 1 and to 0", nodes=[1, 0], status=[1, 0], query_before=A,
                 query_after=A)),
    ("N02", case("count_beyond_the_array", count=3, nodes=[1], ret=-1, errno="ENODEV", status=[1], query_after=[1])),
    ("N02", case("pages_array_ends_at_a_hole", "the second entry cannot be read", nodes=[1, 1], ret=-1, errno="EFAULT",
                 status=[1, 777], query_before=A, query_after=[1, 0])),
    ("N08", case("status_bad_pointer_two_nodes", nodes=[1, 2], ret=-1, errno="EFAULT", status=[777, 777],
                 query_before=A, query_after=[1, 0])),
    ("N06", case("prot_none_query", "touched", nodes=None, flags=0, **absent(-2))),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "row"), DIFFERENT, ids=[row["name"] for _, row in DIFFERENT])
def test_rows_that_a_rule_explains(rule: str, row: dict[str, Any]) -> None:
    """Where 6.1 differs the rule of these inputs explains it, and one other number or node is wrong."""
    assert verdict_of(row) == (EXPLAINED, rule)
    assert verdict_of({**row, "ret": row["ret"] + 1})[0] is WRONG
    for field in ("status", "query_after"):
        for index, value in enumerate(row[field]):
            other = [*row[field][:index], value + 1, *row[field][index + 1 :]]
            assert verdict_of({**row, field: other})[0] is WRONG, (field, index)


SAY_NOTHING_OF_ARRAYS = (
    "invalid_node_",
    "count_huge",
    "count_minus1",
    "flags",
    "both_flags",
    "valid_other_node",
)


def test_efault_alone_makes_no_bad_array() -> None:
    """A wrong EFAULT stays wrong where no word tells of arrays; where one does, any of them may be the bad one."""
    cases = [row for row in real("move_pages")["cases"] if row["name"].startswith(SAY_NOTHING_OF_ARRAYS)]
    assert len(cases) > 10
    for row in cases:
        assert verdict_of({**row, "ret": -1, "errno": "EFAULT"})[0] is WRONG, row["name"]
    told = case("one_array_gone", "the array was unmapped", **fails("EFAULT"))
    assert verdict_of(told) == (EQUAL,)
    assert verdict_of({**told, "name": "one_of_many", "note": "bad node"})[0] is WRONG


def test_a_bad_node_behind_a_whole_chunk() -> None:
    """169 entries are a chunk: a bad node in entry 170 leaves those before moved and reported, in both (fact 61)."""
    many = [0] * 170
    row = case("170_pages_bad_node_last", nodes=[1] * 169 + [77], ret=-1, errno="ENODEV", status=[1] * 169 + [777],
               query_before=many, query_after=[1] * 169 + [0])  # fmt: skip
    assert verdict_of(row) == (EQUAL,)
    inside = {**row, "nodes": [1] * 168 + [77, 1], "status": [1] * 168 + [777] * 2,
              "query_after": [1] * 168 + [0] * 2}  # fmt: skip
    assert verdict_of(inside) == (EXPLAINED, "N02")


def huge(*rows: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The verdicts of a group of rows."""
    return [(row.verdict, *row.rules) for row in rows_of(only("move_pages", "cases", *rows))]


def test_rows_about_a_transparent_huge_page() -> None:
    """In 6.1 every part moves with the page (N04): queries, moves and smaps rows after the first move are explained."""
    three = [0, 0, 0]
    assert huge(
        case("thp_query", nodes=None, flags=0, status=three, query_before=three, query_after=three),
        {"name": "thp_anonhuge_before", "note": "AnonHugePages 2048 kB"},
        case("thp_move_tail"),
        {"name": "thp_anonhuge_after", "note": "AnonHugePages 2048 kB"},
        case("thp_after", nodes=None, flags=0, status=B, query_before=B, query_after=B),
        case(
            "thp_two_subpages_same_batch", nodes=[2, 2], status=[2, -16], query_before=B, query_after=[2, 2]
        ),
        case(
            "thp_head_and_tail_pinned_node",
            nodes=[3, 2],
            status=[3, 2],
            query_before=[2, 2],
            query_after=[2, 2],
        ),
    ) == [(EQUAL,), (EQUAL,), (EQUAL,), *[(EXPLAINED, "N04")] * 4]


def test_rows_about_a_huge_page_in_small_entries() -> None:
    """A page that small entries map is a group of its own, and moves whole in 6.1 as well (N04)."""
    four = [2, 2, 2, 2]
    assert huge(
        case(
            "thp_pte_mapped_query",
            nodes=None,
            flags=0,
            status=[0] * 4,
            query_before=[0] * 4,
            query_after=[0] * 4,
        ),
        case("thp_pte_mapped_move_tail", nodes=[2], status=[2], query_after=[2]),
        case("thp_pte_mapped_after", nodes=None, flags=0, status=four, query_before=four, query_after=four),
    ) == [(EQUAL,), (EQUAL,), (EXPLAINED, "N04")]


def counters(**values: int) -> list[dict[str, Any]]:
    """Rows of the pools."""
    return [{"name": f"hugetlb_{name}", "note": str(value)} for name, value in values.items()]


HUGETLB = [
    case("hugetlb_query", "pool: node1 2, node2 1, others 0", nodes=None, flags=0, status=B, query_before=B,
         query_after=B),
    case("hugetlb_tail_move", nodes=[2], status=[-13], query_before=[1], query_after=[1]),
    case("hugetlb_move_to_free", nodes=[2], status=[2], query_before=[1], query_after=[2]),
    case("hugetlb_move_no_free", nodes=[3], status=[3], query_before=[2], query_after=[3]),
    case("hugetlb_after", nodes=None, flags=0, status=[3], query_before=[3], query_after=[3]),
]  # fmt: skip
POOLS = counters(
    node0_nr=0, node1_nr=2, node1_free=2, node1_surplus=0, node2_nr=0, node2_free=0, node3_nr=1, node3_free=0
)


def test_rows_about_a_hugetlb_page() -> None:
    """Only the move without a free page differs, and what follows from it: four rows in all (N05)."""
    verdicts = huge(*HUGETLB, *POOLS)
    explained = [
        row["name"] for row, verdict in zip(HUGETLB + POOLS, verdicts, strict=True) if verdict[0] is EXPLAINED
    ]
    assert explained == ["hugetlb_move_no_free", "hugetlb_after", "hugetlb_node2_nr", "hugetlb_node3_nr"]
    assert {verdict[0] for verdict in verdicts} == {EQUAL, EXPLAINED}


def test_counters_whose_moves_are_not_recorded() -> None:
    """Where the rows of the moves are missing, the counters alone say what the page did: the same two differ (N05)."""
    verdicts = huge(HUGETLB[0], *POOLS)
    assert [verdict[0] for verdict in verdicts].count(EXPLAINED) == 2
    assert WRONG not in [verdict[0] for verdict in verdicts]


@pytest.mark.parametrize("index", range(len(POOLS)))
def test_a_changed_counter_is_wrong(index: int) -> None:
    """A pool that no way of the page leads to makes rows wrong."""
    pools = [
        {**row, "note": str(int(row["note"]) + 2)} if at == index else row for at, row in enumerate(POOLS)
    ]
    verdicts = huge(*HUGETLB, *pools)
    assert verdicts[len(HUGETLB) + index][0] is WRONG
