"""How good random programs are at finding mistakes, over all wrong drivers."""

import pytest
from stateful_driver.power import measure


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_most_wrong_drivers_are_found() -> None:
    """A few short programs find four wrong drivers in five, most of them in three steps or fewer."""
    kills = measure(examples=20)
    killed = [kill for kill in kills if kill.found]
    assert len(killed) >= 0.8 * len(kills), [str(kill) for kill in kills if not kill.found]
    assert sum(kill.steps <= 3 for kill in killed) >= 0.8 * len(killed)
