"""Lists of nodes as numactl takes them."""

import pytest

from movable import ConfigError
from movable.numa import NodeList

ALLOWED = (0, 1, 3, 4, 6)


def meaning(text: str) -> list[int]:
    """What a list means on a machine whose process may use nodes 0, 1, 3, 4 and 6."""
    return sorted(NodeList.parse(text, "--membind").resolve(ALLOWED, "--membind"))


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("0", [0]),
        ("0,3", [0, 3]),
        ("0-3", [0, 1, 3]),
        ("3,0-1,3", [0, 1, 3]),
        ("6-6", [6]),
        ("all", [0, 1, 3, 4, 6]),
        ("+0", [0]),
        ("+2", [3]),
        ("+1-3", [1, 3, 4]),
        ("+0,4", [0, 6]),
        ("!0", [1, 3, 4, 6]),
        ("!0-4", [6]),
        ("!+0", [1, 3, 4, 6]),
        ("!+1-4", [0]),
    ],
)
def test_lists_mean_what_numactls_manual_says(text: str, nodes: list[int]) -> None:
    """Numbers, ranges (nodes missing inside are passed over), all, + among those allowed, ! for all but these."""
    assert meaning(text) == nodes


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no numbers"),
        ("!", "has no numbers"),
        ("+", "has no numbers"),
        ("x", "'x' is neither a number nor a range"),
        ("1,,3", "'' is neither"),
        ("1,", "'' is neither"),
        ("1-", "'1-' is neither"),
        ("-1", "'-1' is neither"),
        ("0x1", "'0x1' is neither"),
        (" 1", "' 1' is neither"),
        ("+!1", "'!1' is neither"),
        ("1+", "'1\\+' is neither"),
        ("all,1", "'all' is neither"),
        ("+all", "drop the \\+"),
        ("3-1", "runs backwards; write 1-3"),
        ("2", "node 2 is out of range; choose of 0-1,3-4,6"),
        ("0-2", "node 2 is out of range"),
        ("0-5", "node 5 is out of range"),
        ("7", "node 7 is out of range"),
        ("4096", "4096 is out of range"),
        ("0-99999999999", "99999999999 is out of range"),
        ("+5", "\\+5 is out of range; 5 nodes may be used"),
        ("!all", "leaves no node"),
        ("!0-6", "leaves no node"),
        ("netdev:eth0", "has no devices"),
        ("!file:/data", "has no devices"),
    ],
)
def test_lists_that_cannot_be_are_refused_by_name(text: str, reason: str) -> None:
    """What is no list, or names nodes that the process may not use, is refused with the option and the list."""
    with pytest.raises(ConfigError, match=f"^--membind: .*{reason}"):
        meaning(text)


def test_a_range_of_missing_nodes_is_cheap() -> None:
    """A long range costs as many steps as there are nodes, not as it is long."""
    allowed = (0, 4000)
    assert sorted(NodeList.parse("0-4000", "-m").resolve(allowed, "-m")) == [0, 4000]


def test_the_noun_is_the_callers() -> None:
    """Lists of CPUs say CPU in their messages."""
    with pytest.raises(ConfigError, match="--physcpubind: '9': CPU 9 is out of range; choose of 0-1"):
        NodeList.parse("9", "--physcpubind").resolve((0, 1), "--physcpubind", "CPU")
