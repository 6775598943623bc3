"""Whole tables of rows as Linux 6.1 would record them: each is equal, or explained by the rule of its inputs."""

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from fidelity.kernel61 import INVALID, first_nodes, make, mbind, mbind_errno, moves, ranked, rebound, shown
from fidelity.numa_kit import EXPLAINED, WRONG, only, rows_of

from movable import Row

MODES = ("DEFAULT", "PREFERRED", "BIND", "INTERLEAVE", "LOCAL", "PREFERRED_MANY")
MIXED = [index % 4 for index in range(16)]
NONE, ALL = [False] * 16, [True] * 16
LAYOUTS: Mapping[str, tuple[Sequence[int], Sequence[bool]]] = {
    "on0": ([0] * 16, NONE), "on1": ([1] * 16, NONE), "mix": (MIXED, NONE), "none": ([-14] * 16, NONE),
    "shared0": ([0] * 16, ALL), "half": ([0, -14] * 8, NONE), "sharedmix": (MIXED, [True, False] * 8),
}  # fmt: skip


def masks_of(mode: str, masks: Sequence[int]) -> Sequence[int]:
    """The masks that make sense for a mode."""
    return (0,) if mode in ("DEFAULT", "LOCAL") else masks


def rules_of(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """The rules of each row, of which none is wrong."""
    assert [row for row in rows if row.verdict is WRONG] == []
    return [row.rules for row in rows]


@pytest.mark.slow
def test_the_whole_matrix_of_mbind() -> None:
    """All modes, flags and layouts over many masks: STRICT alone is N09, preferred-many N10, the rest equal."""
    keys, rows, expected = [], [], []
    for mode in MODES:
        for mask in masks_of(mode, (1, 2, 4, 5, 6, 9, 11, 13, 14, 15)):
            keys += [(mode, mask, flags, layout) for flags in range(8) for layout in LAYOUTS]
    for mode, mask, flags, layout in keys:
        answer = mbind(MODES.index(mode), mask, flags, *LAYOUTS[layout], 1 << 32)
        rows.append([mode, mask, flags, layout, *answer])
        unlike = (*answer[:2], list(answer[2])) != (0, "0", list(LAYOUTS[layout][0]))
        expected.append("N10" if mode == "PREFERRED_MANY" else "N09" if answer[1] == "EIO" and unlike else "")
    columns = ["mode", "mask", "flags", "layout", "ret", "errno", "after"]
    got = rules_of(rows_of({"topic": "mbind_matrix", "columns": columns, "rows": rows}))
    assert [rules[0] if rules else "" for rules in got] == expected


HOLES = {
    "hole_in_middle": (1, 0, 1, 1), "hole_at_end": (1, 0), "hole_at_start": (0, 1), "hole_start": (0, 1),
    "all_hole": (0,),
}  # fmt: skip


def mbind_families() -> Iterator[tuple[dict[str, Any], Sequence[int]]]:
    """Rows of mbind without their answers, and the pages that they are about."""
    masks = {"nullmask": None, "emptymask": 0, "mask1": 2, "only_offline4": 16, "1_and_offline5": 34}
    for mode, (name, mask) in itertools.product(range(-2, 10), masks.items()):
        yield {"name": f"mode_{mode}_{name}", "mode": mode, "mask": mask}, [1]
    for mode, flag in itertools.product(
        range(6), (0x8000, 0x4000, 0xC000, 0x2000, 0xA000, 0x6000, 0xE000, 0x1000)
    ):
        for name, mask in masks.items():
            yield {"name": f"{MODES[mode]}|modeflag_{flag:x}_{name}", "mode": mode | flag, "mask": mask}, [1]
    for flags in (*range(8), *(1 << bit for bit in range(3, 32))):
        yield {"name": f"flags_{flags:#x}", "mode": 2, "mask": 2, "flags": flags}, [1]
        yield {"name": f"unpriv_flags_{flags:#x}", "mode": 2, "mask": 1, "flags": flags}, [1]
    for maxnode, bit in itertools.product(
        (0, 1, 2, 3, 5, 63, 64, 65, 1024, 1025, 32770, 1 << 20, -1), (0, 1)
    ):
        yield (
            {"name": f"maxnode_{maxnode}_mask_bit{bit}", "mode": 2, "mask": 1 << bit, "maxnode": maxnode},
            [1],
        )
    for (name, pages), mode, flags in itertools.product(HOLES.items(), range(6), range(8)):
        mask = None if MODES[mode] in ("DEFAULT", "LOCAL") else 2
        yield (
            {"name": f"{name}_{MODES[mode]}_flags_{flags}", "mode": mode, "mask": mask, "flags": flags},
            pages,
        )
    for length in (0, 1, 4096, 4097, 65536):
        yield {"name": f"len_{length}", "mode": 2, "mask": 2, "len": length}, [1] * -(-length // 4096)


def test_families_of_mbind_rows() -> None:
    """All modes, flags, masks, maxnodes, holes and lengths: the errnos of 6.1, explained by N09 to N15."""
    rows = []
    for row, pages in mbind_families():
        given = {"maxnode": 0 if row["mask"] is None else 64, "flags": 0, "len": 4096 * len(pages), **row}
        root = "unpriv" not in row["name"]
        errno = mbind_errno(given["mode"], given["mask"], given["maxnode"], given["flags"], pages, root=root)
        rows.append({**given, "ret": 0 if errno == "0" else -1, "errno": errno})
    applied = {
        rule for rules in rules_of(rows_of(only("mbind_set_get_errors", "mbind", *rows))) for rule in rules
    }
    assert applied == {"N09", "N10", "N11", "N12", "N14", "N15"}


def test_the_whole_table_of_set_mempolicy() -> None:
    """All mode numbers, flags and masks: mode 5 is N10, bit 13 N11, LOCAL with a flag N12, an empty LOCAL N13."""
    rows, expected = [], []
    flags_of = (0, 0x8000, 0x4000, 0xC000, 0x2000, 0xA000, 0x6000, 0xE000)
    for mode, flags, mask in itertools.product(range(-1, 9), flags_of, (0, 1, 2, 6, 8, 15, 16, 18, 32)):
        made = make(mode, flags, mask)
        refused = made == INVALID
        got = (0, 0)
        if isinstance(made, tuple):
            got = made[0] | made[1], made[3] if made[1] & 0xC000 else made[2]
        rows.append({
            "mode": mode, "modeflags": flags, "mask": mask, "ret": -refused, "errno": made if refused else "0",
            "get_ret": 0, "get_mode": got[0], "get_nodes": got[1], "mems_allowed": 15,
        })  # fmt: skip
        local = mode == 4 and flags in (0x8000, 0x4000) and not mask
        differs = {"N12": local, "N10": not refused and mode == 5, "N11": not refused and bool(flags & 0x2000),
                   "N13": not refused and mode in (1, 4) and got[0] == 4}  # fmt: skip
        expected.append(next((rule for rule, applies in differs.items() if applies), ""))
    got_rules = rules_of(rows_of(only("mbind_set_get_errors", "set_mempolicy", *rows)))
    assert [rules[0] if rules else "" for rules in got_rules] == expected


def test_the_whole_table_of_first_touches() -> None:
    """All modes and masks by both calls on both CPUs: only preferred-many needs a rule, N10."""
    rows = []
    for cpu, by, mode in itertools.product((0, 1), ("mbind", "set_mempolicy"), MODES):
        for mask in masks_of(mode, range(1, 16)):
            policy = make(MODES.index(mode), 0, mask)
            assert not isinstance(policy, str)
            nodes = first_nodes(policy, cpu, range(0x110000000, 0x11000000C))
            rows.append({"cpu": cpu, "by": by, "mode": mode, "mask": mask, "ret": 0, "nodes": nodes})
    got = rules_of(rows_of(only("mbind_set_get_errors", "fault_placement", *rows)))
    assert [bool(rules) for rules in got] == [row["mode"] == "PREFERRED_MANY" for row in rows]


def test_all_pairs_of_migrate_pages() -> None:
    """All 225 pairs of sets are equal (spec/migration.md 9.7)."""
    sets = [ranked(mask) for mask in range(1, 16)]
    rows = []
    for old, new in itertools.product(sets, sets):
        moved = [[32 * (start == end) for end in range(4)] for start in range(4)]
        for source, dest in moves(old, new):
            for line in moved:
                line[dest] += line[source]
                line[source] = 0
        rows.append({"from": old, "to": new, "ret": 0, "errno": "0", "moved": moved})
    assert set(rules_of(rows_of(only("migrate_pages", "pairs", *rows)))) == {()}


POLICIES = (
    "default", "bind", "bind_static", "bind_relative", "interleave", "interleave_static", "interleave_relative",
    "preferred", "preferred_static", "preferred_relative", "vma_bind", "vma_interleave", "vma_preferred", "local",
)  # fmt: skip


def transition(name: str, old: int, new: int, *, attach: bool, migrate: bool) -> dict[str, Any]:
    """A row as 6.1 records it."""
    words = name.removeprefix("vma_").split("_")
    flags = {"static": 0x8000, "relative": 0x4000}.get(words[-1], 0)
    mode = MODES.index(words[0].upper())
    user = {"preferred": 1 << ranked(old)[-1], "default": 0, "local": 0}.get(words[0], old)
    user = user if flags != 0x4000 else 1 if words[0] == "preferred" else 3
    policy = make(mode, flags, user, old)
    assert not isinstance(policy, str)
    later = rebound(policy, old, new)
    before = [ranked(old)[index % old.bit_count()] for index in range(16)]
    after = list(before)
    for source, dest in moves(ranked(old), ranked(new)) if migrate else ():
        after = [dest if node == source else node for node in after]
    task = None if name.startswith("vma_") else later
    lists = [",".join(map(str, ranked(mask))) for mask in (old, new)]
    return {
        "memory_migrate": int(migrate), "how": "attach" if attach else "write_mems", "from": lists[0], "to": lists[1],
        "policy": name, "policy_before": shown(policy), "before": before, "errno": "0", "policy_after": shown(later),
        "after": after, "faulted_after": first_nodes(task, 0, range(0x130000100, 0x130000110), new),
    }  # fmt: skip


def test_transitions_of_cpusets() -> None:
    """Of all sets, policies and ways six hundred drawn: only PREFERRED with a node needs a rule, N22."""
    chance = random.Random(22)
    keys = list(itertools.product(POLICIES, range(1, 16), range(1, 16), (False, True), (False, True)))
    rows = [
        transition(name, old, new, attach=attach, migrate=migrate)
        for name, old, new, attach, migrate in chance.sample(keys, 600)
    ]
    got = rows_of(only("cpuset_v1", "cases", *rows))
    for row, judged in zip(rows, got, strict=True):
        assert judged.verdict is not WRONG, judged
        if judged.verdict is EXPLAINED:
            assert judged.rules == ("N22",)
            assert "preferred" in row["policy"]


def test_lines_of_numa_maps() -> None:
    """Lines after mbind and set_mempolicy of all modes and flags: N10, N11, or N21 for what was touched."""
    rows, base = [], 0x200000000000
    for mode, flags in itertools.product(MODES, (0, 0x8000, 0x4000, 0x2000)):
        for mask in masks_of(mode, (2, 5, 6, 13, 15)):
            base += 0x1000000
            policy = make(MODES.index(mode), flags, mask)
            failed = policy == INVALID
            if failed and MODES.index(mode) in (0, 4) and flags in (0x8000, 0x4000):
                continue  # LOCAL with a flag: 4.9 takes it, and such a row is made for set_mempolicy
            text = "default" if isinstance(policy, str) else shown(policy)
            line = f"{base:08x} {text}"
            if not isinstance(policy, str):
                nodes = first_nodes(policy, 0, range(base >> 12, (base >> 12) + 8))
                counts = " ".join(f"N{node}={nodes.count(node)}" for node in sorted(set(nodes)))
                line += f" anon=8 dirty=8 active=0 {counts} kernelpagesize_kB=4"
            label = f"mbind_{mode}_mask{mask}_flags{flags:x}"
            setup = f"mbind ret {-failed} {'EINVAL' if failed else 0} then 8 pages touched"
            rows.append({"label": label, "setup": setup, "line": line})
    for row, rules in zip(rows, rules_of(rows_of(only("numa_maps", "lines", *rows))), strict=True):
        if "anon" in row["line"]:
            assert rules == ("N10" if "MANY" in row["label"] else "N11" if "2000" in row["label"] else "N21",)
        else:
            assert rules == ()
