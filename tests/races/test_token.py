"""The text that repeats a race."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movable import ConfigError
from movable.conformance.races import Token
from movable.sched import Choice, Schedule

NAMES = st.text("abcdefghijklmnopqrstuvwxyz._:-0123456789", min_size=1)
CPUS = st.integers(0, 25)
SCHEDULES = st.builds(
    Schedule, st.lists(st.builds(Choice, CPUS, st.integers(0, 10**9 - 1), CPUS), max_size=6)
)
TOKENS = st.builds(
    Token,
    NAMES,
    st.sampled_from(["RACE-DROP", "RACE-STORE"]),
    st.integers(-(2**63), 2**63),
    st.frozensets(st.tuples(st.integers(0, 30), st.integers(0, 300)), max_size=6),
    SCHEDULES,
    st.booleans(),
)


@given(TOKENS)
def test_text_comes_back(token: Token) -> None:
    """What ``str()`` writes is read back as the same token."""
    assert Token.parse(str(token)) == token


def test_the_text_is_pinned() -> None:
    """The text is that of the documentation, and one a shell takes as one word."""
    token = Token("zsmalloc", "RACE-DROP", 0, frozenset({(1, 3), (1, 2)}), Schedule.parse("a17bb4a"))
    assert str(token) == "r1/zsmalloc/RACE-DROP/0/1.2+1.3/a17bb4a"
    assert str(Token("-", "RACE-DROP", -7, frozenset(), Schedule(), lines=True)) == "r1/-/RACE-DROP/-7L/-/-"


def test_space_around_a_token_does_not_matter() -> None:
    """A token that was copied with its line end is read."""
    assert Token.parse(" r1/zsmalloc/RACE-DROP/0/-/-\n").driver == "zsmalloc"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "one looks like r1/"),
        ("zsmalloc", "one looks like r1/"),
        ("r2/zsmalloc/RACE-DROP/0/-/-", "one looks like r1/"),
        ("r1/zsmalloc/RACE-DROP/0/-", "one looks like r1/"),
        ("r1/zsmalloc/RACE-DROP/0/-/-/-", "one looks like r1/"),
        ("r1/zsmalloc/RACE-DROP/x/-/-", "'x' is no seed"),
        ("r1/zsmalloc/RACE-DROP/1LL/-/-", "'1LL' is no seed"),
        ("r1/zsmalloc/RACE-DROP/0/1/-", "1.2+1.3"),
        ("r1/zsmalloc/RACE-DROP/0//-", "1.2+1.3"),
        ("r1/zsmalloc/RACE-DROP/0/1.2,1.3/-", "1.2+1.3"),
        ("r1/zsmalloc/RACE-DROP/0/-/17", "a17bb4a"),
        ("r1/zsmalloc/RACE-DROP/0/-/", "a17bb4a"),
    ],
)
def test_other_texts_are_refused(text: str, says: str) -> None:
    """A text that is no token is an error that shows the part and how it would be right."""
    with pytest.raises(ConfigError) as caught:
        Token.parse(text)
    assert says in str(caught.value)
