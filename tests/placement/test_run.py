"""A scenario without and with the daemon: what is compared, and what is drawn."""

from pathlib import Path

import pytest
from attrs import evolve

from movable import ConfigError, MovableError
from movable.numa import AreaSpec, Launch, NodeList, ProcessSpec, Scenario, loads_scenario
from movable.placement import (
    AccessSampler,
    Outcome,
    PlacementRun,
    PlacementSettings,
    draw_placement,
    place,
)

STORY = """
summary = "two processes"
machine = "numa4"
[[processes]]
name = "a"
cpu = 0
policy = "prefer:3"
[[processes.areas]]
name = "heap"
pages = 16
accesses = 100
[[processes]]
name = "b"
cpu = 1
[[processes.areas]]
name = "heap"
pages = 16
accesses = 100
[[steps]]
do = "run"
rounds = 8
"""


@pytest.fixture(scope="module")
def story() -> PlacementRun:
    """A run in which the pages of a, on node 3, are used from node 0, and those of b are where they belong."""
    return place(loads_scenario(STORY), lambda vm: AccessSampler(vm, 2))


def test_both_runs_make_the_same_accesses(story: PlacementRun) -> None:
    """Rounds and accesses of each process are alike; pages moved cost nothing but are counted."""
    assert [each.total for each in story.without.rounds] == [200] * 8
    assert [each.total for each in story.placed.rounds] == [200] * 8
    for before, after in zip(story.without.processes, story.placed.processes, strict=True):
        assert (before.pid, before.name, before.cpu) == (after.pid, after.name, after.cpu)
        assert before.accesses.total == after.accesses.total == 800
    assert story.outcomes == {Outcome.MOVED: 16}
    assert story.given_up == {}


def test_latency_before_and_after(story: PlacementRun) -> None:
    """Half of the accesses go to distance 30 without the daemon, and none at the end with it."""
    assert story.without.latencies == pytest.approx([2.0] * 8)
    assert story.placed.latencies[0] == 2.0
    assert story.placed.latencies[-1] == 1.0
    assert story.without.last.by_distance(story.without.distances) == {10: 200, 30: 200}
    assert story.placed.last.by_distance(story.placed.distances) == {10: 400}
    assert [each.pages for each in story.without.processes] == [(0, 0, 0, 16), (0, 16, 0, 0)]
    assert [each.pages for each in story.placed.processes] == [(16, 0, 0, 0), (0, 16, 0, 0)]


def test_the_launch_applies_to_both_runs() -> None:
    """What numactl sets is the start of both; the daemon follows the CPUs that were asked for."""
    launch = Launch(cpus=NodeList.parse("1", "-C"))
    found = place(loads_scenario(STORY), lambda vm: AccessSampler(vm, 1), launch=launch)
    assert [each.cpu for each in found.placed.processes] == [1, 1]
    assert [each.pages for each in found.placed.processes] == [(0, 16, 0, 0), (0, 16, 0, 0)]


def test_the_same_seed_gives_the_same_run(story: PlacementRun) -> None:
    """Accesses, samples and moves follow from the seed."""
    again = place(loads_scenario(STORY), lambda vm: AccessSampler(vm, 2))
    assert again.intervals == story.intervals
    assert again.placed == story.placed


def test_a_scenario_without_rounds_is_refused() -> None:
    """There is nothing to compare."""
    silent = Scenario(processes=(ProcessSpec("p", areas=(AreaSpec("a", 1),)),))
    with pytest.raises(ConfigError, match=r'^steps: the scenario has no rounds.*add a step do = "run"'):
        place(silent, AccessSampler)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_pictures_are_drawn(story: PlacementRun, tmp_path: Path, ending: str) -> None:
    """A picture has the format of its name."""
    path = tmp_path / f"picture.{ending}"
    draw_placement(path, story)
    start = path.read_bytes()[:200]
    assert {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending] in start


def test_the_picture_shows_what_happened(story: PlacementRun, tmp_path: Path) -> None:
    """Half of the left bar of the last accesses is far; the right one is all local. Titles and labels are there."""
    import numpy
    from matplotlib.image import imread

    path = tmp_path / "picture.png"
    draw_placement(path, evolve(story, scenario=evolve(story.scenario, name="two")))
    image = (imread(path)[:, :, :3] * 255).round().astype(int)
    green = (image == numpy.array([0x00, 0x9E, 0x73])).all(axis=2)
    far = (image == numpy.array([0x56, 0xB4, 0xE9])).all(axis=2)
    columns = green.sum(axis=0)
    assert columns.max() > 1.9 * far.sum(axis=0).max()
    assert green.sum() == pytest.approx(3 * far.sum(), rel=0.05)
    svg = tmp_path / "picture.svg"
    import matplotlib as mpl

    with mpl.rc_context({"svg.fonttype": "none"}):
        draw_placement(svg, evolve(story, scenario=evolve(story.scenario, name="two")))
    text = svg.read_text()
    for words in (
        "two: placement by a daemon",
        "two processes",
        "without the daemon",
        "10 (local)",
        "100 %",
        "50 %",
    ):
        assert words in text


def test_nothing_outside_the_picture(story: PlacementRun, tmp_path: Path) -> None:
    """With as many distances as there can be colours, and a long summary, the border of the picture stays empty."""
    import numpy
    from matplotlib.image import imread

    long = evolve(story.scenario, summary="s" * 90, name="n" * 20)
    path = tmp_path / "picture.png"
    draw_placement(path, evolve(story, scenario=long))
    image = imread(path)[:, :, :3]
    border = numpy.concatenate(
        [image[:3].reshape(-1, 3), image[-3:].reshape(-1, 3), image[:, -3:].reshape(-1, 3)]
    )
    assert (border == border[0]).all()


def test_a_picture_that_cannot_be_is_refused(story: PlacementRun, tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(MovableError, match=r"x\.doc: a picture's name ends with"):
        draw_placement(tmp_path / "x.doc", story)


def test_a_daemon_that_may_not_move_changes_nothing() -> None:
    """With a gain that no move can bring, both runs are the same."""
    found = place(loads_scenario(STORY), AccessSampler, PlacementSettings(gain=100))
    assert found.placed == found.without
    assert found.outcomes == {}
