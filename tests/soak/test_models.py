"""The models of the random tester against the tables of spec/migration.md."""

from errno import EACCES, EAGAIN, EBUSY, EFAULT, EINVAL, ENODEV, ENOMEM

import pytest
from soak.moving import Found, Rules, migrated, moved, pairs
from soak.policies import RELATIVE, STATIC, RefusedError, create, target
from soak.world import DISTANCES, NODES

from movable import Mpol

ALL = Rules(NODES, NODES, NODES, move_all=False)


def page(pfn: int, node: int, **how: object) -> Found:
    """A page that nothing keeps from moving, but for what is said."""
    facts: dict[str, object] = {"mapcount": 1, "lru": True, "stuck": False, "doubtful": False, **how}
    return Found(pfn, node, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("old", "new", "moves"),
    [
        ({0, 1, 2}, {1, 2, 3}, [(2, 3), (1, 2), (0, 1)]),
        ({2, 3, 4}, {3, 4, 5}, [(4, 5), (3, 4), (2, 3)]),
        ({1, 2, 3}, {0, 1, 2}, [(1, 0), (2, 1), (3, 2)]),
        ({0, 1}, {2, 3}, [(0, 2), (1, 3)]),
        ({0, 1, 2}, {0, 2, 3}, [(2, 3), (1, 2)]),
        (set(range(8)), {3, 4, 5}, [(7, 4), (6, 3), (2, 5), (1, 4), (0, 3)]),
        ({0, 1, 2, 3}, {2, 3}, [(1, 3), (0, 2)]),
        ({0, 1, 2, 3}, {4}, [(0, 4), (1, 4), (2, 4), (3, 4)]),
        ({0}, {1, 2}, [(0, 1)]),
        ({3, 4, 5}, set(range(8)), []),
        ({0, 1}, {0, 1}, []),
    ],
)
def test_pairs(old: set[int], new: set[int], moves: list[tuple[int, int]]) -> None:
    """The table of 9.7: which nodes' pages go where, and in which order."""
    made = pairs(frozenset(old), frozenset(new))
    assert sorted(made) == sorted(moves)
    if len(old) == len(new):
        assert made == moves


@pytest.mark.parametrize(
    ("base", "mems", "mode", "user", "nodes"),
    [
        ({0, 1, 2, 3, 4, 5}, {7, 8, 9}, Mpol.BIND, {1, 3, 5}, {7, 8, 9}),
        ({1, 2, 3}, {3, 4, 5}, Mpol.INTERLEAVE | STATIC, {1, 2, 3}, {3}),
        ({1, 2, 3}, {3, 4, 5}, Mpol.INTERLEAVE, {1, 2, 3}, {3, 4, 5}),
        ({0}, {3, 4, 5, 6, 7}, Mpol.BIND | RELATIVE, {2, 3, 4, 5}, {3, 5, 6, 7}),
        ({0}, {0, 2, 3, 5}, Mpol.BIND | RELATIVE, {2, 3, 4, 5}, {0, 2, 3, 5}),
        ({0, 2}, {1}, Mpol.PREFERRED | STATIC, {0, 2}, set()),
        ({2}, {2, 3}, Mpol.PREFERRED | STATIC, {0, 2}, set()),
    ],
)
def test_rebinding(base: set[int], mems: set[int], mode: int, user: set[int], nodes: set[int]) -> None:
    """The examples of 9.9."""
    policy = create(mode, frozenset(user), frozenset(base))
    assert policy is not None
    assert policy.rebound(frozenset(mems)).nodes == nodes


@pytest.mark.parametrize(
    ("mode", "user"),
    [
        (5, {0}),
        (Mpol.BIND | STATIC | RELATIVE, {0}),
        (Mpol.DEFAULT, {0}),
        (Mpol.LOCAL, {0}),
        (Mpol.PREFERRED | STATIC, set()),
        (Mpol.BIND, set()),
        (Mpol.INTERLEAVE, {9}),
    ],
)
def test_policies_that_cannot_be(mode: int, user: set[int]) -> None:
    """The table of 9.3: EINVAL."""
    with pytest.raises(RefusedError) as caught:
        create(mode, frozenset(user), NODES)
    assert caught.value.errno == EINVAL


@pytest.mark.parametrize(
    ("mode", "user", "index", "mems", "expected"),
    [
        (Mpol.DEFAULT, set(), 0, {0, 1, 2, 3}, 0),
        (Mpol.DEFAULT, set(), 0, {2, 3}, 2),
        (Mpol.PREFERRED, {3}, 0, {0, 3}, 3),
        (Mpol.BIND, {2, 3}, 0, {0, 1, 2, 3}, 2),
        (Mpol.INTERLEAVE, {0, 2, 3}, 2**32 + 5, {0, 1, 2, 3}, 3),
    ],
)
def test_targets(mode: int, user: set[int], index: int, mems: set[int], expected: int) -> None:
    """The table of 9.4, for a CPU of node 0."""
    policy = create(mode, frozenset(user), frozenset(mems))
    assert target(policy, index, 0, frozenset(mems), DISTANCES) == expected


def test_statuses() -> None:
    """The table of 9.8: a page that is there, moves, is shared, is named twice, is held, or is none."""
    entries: list[tuple[Found | int, int]] = [
        (page(1, 0), 0),
        (page(2, 0), 1),
        (page(3, 0, mapcount=2), 1),
        (page(2, 0), 2),
        (page(4, 0, stuck=True), 1),
        (-EFAULT, 1),
    ]
    expected = moved(entries, ALL)
    assert expected.statuses == [frozenset({one}) for one in (0, 1, -EACCES, -EBUSY, -EAGAIN, -EFAULT)]
    assert expected.nodes == {1: 0, 2: 1, 3: 0, 4: 0}


@pytest.mark.parametrize(
    ("rules", "node", "errno"),
    [
        (ALL, 7, ENODEV),
        (Rules(NODES, frozenset({0}), NODES, move_all=True), 1, EACCES),
        (Rules(NODES, NODES, frozenset({0}), move_all=True), 1, ENOMEM),
    ],
)
def test_calls_that_fail(rules: Rules, node: int, errno: int) -> None:
    """9.8 rows 8 to 10: no such node, none of the target's, none that the caller may take pages from."""
    assert moved([(page(1, 0), node)], rules).errno == errno


def test_what_migrate_pages_leaves_behind() -> None:
    """9.7: pages that are held are counted, shared ones only for who may move them."""
    pages = [page(1, 0, stuck=True), page(2, 0, mapcount=2, stuck=True), page(3, 0), page(4, 1)]
    old, new = frozenset({0}), frozenset({2})
    plain = migrated(pages, old, new, move_all=False, allowed=NODES)
    assert (plain.stuck, plain.nodes) == (1, {1: 0, 2: 0, 3: 2, 4: 1})
    assert migrated(pages, old, new, move_all=True, allowed=NODES).stuck == 2
    assert migrated(pages, old, new, move_all=False, allowed=frozenset({0})).errno == ENOMEM
