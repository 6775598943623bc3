"""A picture of what the daemon changed: latency round by round, what moved, and how far accesses went."""

from os import PathLike
from typing import Any

from movable.config import LOCAL_DISTANCE
from movable.errors import MovableError
from movable.observe import demand_drawable
from movable.placement.run import PlacementRun, Story

__all__ = ["draw_placement"]

_PAPER = "#fcfcfa"
_GREY = "#8a8a8a"
_BLUE = "#0072b2"
_NEAR_TO_FAR = ("#009e73", "#56b4e9", "#e69f00", "#d55e00", "#882255", "#332288")


def draw_placement(path: str | PathLike[str], run: PlacementRun) -> None:
    """Draw a run to a file, whose ending (png, svg, pdf) says in which format. MovableError as `demand_drawable`."""
    demand_drawable(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6), facecolor=_PAPER, dpi=120)
    grid = figure.add_gridspec(
        2, 2, width_ratios=(2.1, 1), height_ratios=(2.4, 1), left=0.06, right=0.98, top=0.78, bottom=0.1
    )
    latency = figure.add_subplot(grid[0, 0])
    moved = figure.add_subplot(grid[1, 0], sharex=latency)
    _draw_latency(latency, run)
    _draw_moves(moved, run)
    _draw_distances(figure.add_subplot(grid[:, 1]), run)
    name = run.scenario.name or run.scenario.machine
    figure.text(0.06, 0.94, f"{name}: placement by a daemon in user space", fontsize=15, fontweight="bold")
    figure.text(0.06, 0.895, run.scenario.summary, fontsize=10.5, color="#444444")
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise MovableError(f"{path}: cannot be drawn: {error}") from error


def _plain(axes: Any) -> None:
    axes.set_facecolor(_PAPER)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=9.5)


def _draw_latency(axes: Any, run: PlacementRun) -> None:
    _plain(axes)
    rounds = range(1, len(run.without.rounds) + 1)
    for story, colour, label in (
        (run.without, _GREY, "without the daemon"),
        (run.placed, _BLUE, "with the daemon"),
    ):
        axes.plot(rounds, story.latencies, color=colour, linewidth=2, marker="o", markersize=3.5, label=label)
    axes.axhline(1, color="#bbbbbb", linewidth=1, linestyle=":")
    highest = max(*run.without.latencies, *run.placed.latencies, 1.1)
    axes.set_ylim(0.95, highest + 0.12 * (highest - 0.95))
    axes.set_title("mean latency of an access, in local accesses", loc="left", fontsize=11, fontweight="bold")
    axes.legend(frameon=False, fontsize=9.5, loc="best")
    axes.tick_params(labelbottom=False)


def _draw_moves(axes: Any, run: PlacementRun) -> None:
    from matplotlib.ticker import MaxNLocator

    _plain(axes)
    axes.bar(range(1, len(run.intervals) + 1), [each.moved for each in run.intervals], color=_BLUE, width=0.6)
    axes.set_title("pages moved after each round", loc="left", fontsize=11, fontweight="bold")
    axes.set_xlabel("round", fontsize=10)
    axes.set_xlim(0.4, len(run.intervals) + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))


def _draw_distances(axes: Any, run: PlacementRun) -> None:
    _plain(axes)
    stories = (("without", run.without), ("with", run.placed))
    parts = [_parts(story) for _, story in stories]
    distances = sorted({distance for each in parts for distance in each})
    below = [0.0] * len(stories)
    for index, distance in enumerate(distances):
        heights = [100 * each.get(distance, 0.0) for each in parts]
        colour = _NEAR_TO_FAR[min(index, len(_NEAR_TO_FAR) - 1)]
        label = f"{distance} (local)" if distance == LOCAL_DISTANCE else str(distance)
        axes.bar(range(len(stories)), heights, bottom=below, color=colour, width=0.62, label=label)
        for place, (bottom, height) in enumerate(zip(below, heights, strict=True)):
            if height >= 6:
                axes.text(
                    place,
                    bottom + height / 2,
                    f"{height:.0f} %",
                    ha="center",
                    va="center",
                    color="white",
                    fontsize=9.5,
                )
        below = [bottom + height for bottom, height in zip(below, heights, strict=True)]
    axes.set_xticks(range(len(stories)), [f"{name} the daemon" for name, _ in stories], fontsize=9.5)
    axes.set_ylim(0, 100)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_title("how far the last accesses went", loc="left", fontsize=11, fontweight="bold", pad=26)
    axes.legend(
        frameon=False,
        fontsize=9,
        ncols=len(distances),
        loc="lower left",
        bbox_to_anchor=(-0.04, 0.995),
        handlelength=0.9,
        columnspacing=0.9,
        handletextpad=0.4,
    )


def _parts(story: Story) -> dict[int, float]:
    """The part of the last accesses that went each distance."""
    total = max(story.last.total, 1)
    return {distance: count / total for distance, count in story.last.by_distance(story.distances).items()}
