"""Heat, the cheapest node, and what the daemon remembers."""

import random

import pytest

from movable import ConfigError
from movable.config import preset
from movable.placement import PlacementSettings
from movable.placement.heat import HeatMap, cheapest
from movable.placement.history import History

TABLE = preset("numa4").distance_table
ALL = frozenset(range(4))
PAGE = (1, 0x1000)


def test_heat_fades_and_is_forgotten() -> None:
    """Each interval leaves `decay` of the heat, and a cold page is forgotten."""
    heat = HeatMap(0.5)
    heat.add({PAGE: {0: 4}})
    heat.add({PAGE: {0: 1, 1: 2}})
    assert heat.of(PAGE) == {0: 3.0, 1: 2.0}
    for _ in range(6):
        heat.add({})
    assert heat.of(PAGE) == {}
    assert len(heat) == 0


def test_a_forgotten_process_has_no_heat() -> None:
    """Forgetting a process leaves the others."""
    heat = HeatMap(0.5)
    heat.add({PAGE: {0: 4}, (2, 0x1000): {0: 1}})
    heat.forget_process(1)
    assert list(heat) == [(2, 0x1000)]


def test_the_cheapest_node_has_the_least_cost() -> None:
    """Against all nodes tried one by one: the node chosen costs least, the gain is what it saves."""
    rng = random.Random(1)
    for _ in range(500):
        heat = {node: rng.random() * 10 for node in rng.sample(range(4), rng.randint(1, 4))}
        current = rng.randrange(4)
        allowed = frozenset(rng.sample(range(4), rng.randint(1, 4)))
        node, gain = cheapest(heat, current, allowed, TABLE)
        costs = [
            sum(count * TABLE[user][each] for user, count in heat.items()) / sum(heat.values()) / 10
            for each in range(4)
        ]
        assert node in allowed | {current}
        assert costs[node] == pytest.approx(min(costs[each] for each in allowed | {current}))
        assert gain == pytest.approx(costs[current] - costs[node])


def test_a_page_stays_where_nothing_is_gained() -> None:
    """No heat, no allowed node, or equally good nodes: the page stays."""
    assert cheapest({}, 2, ALL, TABLE) == (2, 0.0)
    assert cheapest({0: 1.0}, 2, frozenset(), TABLE) == (2, 0.0)
    assert cheapest({0: 1.0, 1: 1.0}, 1, ALL, TABLE) == (1, 0.0)


def test_a_page_rests_after_a_move() -> None:
    """After a move in interval 5 with a rest of 2 the page is left alone in 6 and 7."""
    history = History(PlacementSettings(rest=2))
    history.moved(PAGE, 5, 0, 1)
    assert [history.resting(PAGE, now) for now in (6, 7, 8)] == [True, True, False]


def test_a_page_returns_as_often_as_it_may() -> None:
    """With one bounce 0 to 1, back to 0 is allowed, and no return after that until the moves are forgotten."""
    history = History(PlacementSettings(bounces=1, memory=10))
    history.moved(PAGE, 0, 0, 1)
    assert not history.worn(PAGE, 0)
    history.moved(PAGE, 1, 1, 0)
    assert history.worn(PAGE, 1)
    assert not history.worn(PAGE, 3)
    history.tidy(10)
    assert history.worn(PAGE, 1)
    history.tidy(11)
    assert not history.worn(PAGE, 1)


def test_no_bounces_means_no_return() -> None:
    """With bounces = 0 a page never returns to a node that it left."""
    history = History(PlacementSettings(bounces=0))
    history.moved(PAGE, 0, 0, 1)
    assert history.worn(PAGE, 0)
    assert not history.worn(PAGE, 2)


def test_a_busy_page_is_given_up_after_its_retries() -> None:
    """With two retries the third failure gives the page up for `memory` intervals; a move in between starts anew."""
    history = History(PlacementSettings(retries=2, memory=10, rest=0))
    assert [history.failed(PAGE, now) for now in (0, 1)] == [False, False]
    history.moved(PAGE, 2, 0, 1)
    assert [history.failed(PAGE, now) for now in (3, 4, 5)] == [False, False, True]
    assert history.resting(PAGE, 15)
    assert not history.resting(PAGE, 16)


@pytest.mark.parametrize(
    ("name", "value"),
    [("least", -1), ("gain", -0.1), ("decay", 1), ("decay", -1), ("rate", 0), ("rest", -1), ("bounces", -1),
     ("memory", 0), ("retries", -1), ("reserve", 1.0), ("gain", float("nan"))],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(name: str, value: float) -> None:
    """The message names the setting."""
    with pytest.raises(ConfigError, match=f"^{name}: must be"):
        PlacementSettings(**{name: value})  # type: ignore[arg-type]
