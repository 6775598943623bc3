"""Tables of ``movable numa``."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from movable.numa import Accesses, Round, Task, World
from movable.placement import Outcome, PlacementRun

__all__ = [
    "place_json",
    "print_accesses",
    "print_pages",
    "print_place",
    "print_processes",
    "print_title",
    "world_json",
]

_OUTCOMES = {
    Outcome.MOVED: "moved",
    Outcome.BUSY: "busy: pinned, or in other hands; tried again later",
    Outcome.SHARED: "shared: mapped more than once, which takes --move-shared",
    Outcome.FULL: "no room on the node",
    Outcome.GONE: "gone: unmapped or swapped out meanwhile",
    Outcome.ENDED: "gone with its process",
    Outcome.DENIED: "not allowed: another user's process",
    Outcome.OUTSIDE: "outside the process's cpuset",
}


def print_title(console: Console, world: World) -> None:
    """Say what runs where."""
    scenario = world.scenario
    console.print(Text.assemble((scenario.name, "bold"), f" on {world.vm.config.name}: {scenario.summary}"))


def _table(*columns: tuple[str, str]) -> Table:
    """A table without lines; columns by title and side."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title, side in columns:
        table.add_column(title, justify="right" if side == ">" else "left", no_wrap=True)
    return table


def print_processes(console: Console, world: World) -> None:
    """A row for each process: its policy, its pages on each node, and what its accesses cost."""
    nodes = [(f"N{node.nid}", ">") for node in world.vm.nodes]
    table = _table(("pid", ">"), ("process", "<"), ("cpu", ">"), ("policy", "<"), *nodes, ("latency", ">"))
    totals = _totals(world.rounds)
    for task in world.tasks.values():
        found = totals.get(task.process.pid, Accesses())
        latency = f"{found.latency(world.vm.config.distance_table):.2f}" if found.total else "-"
        table.add_row(
            str(task.process.pid),
            task.name,
            str(world.cpu(task)),
            policy_text(task),
            *(str(pages) for pages in world.pages_by_node(task)),
            latency,
        )
    console.print(table)
    console.print(
        Text("N0, N1, ...: pages on each node; latency: mean of all accesses, 1.00 is local", "dim")
    )


def print_pages(console: Console, states: Mapping[str, Sequence[int]]) -> None:
    """Pages by node, a row for each state."""
    width = max(len(pages) for pages in states.values())
    table = _table(("", "<"), *((f"N{nid}", ">") for nid in range(width)))
    for name, pages in states.items():
        table.add_row(name, *map(str, pages))
    console.print(table)


def policy_text(task: Task) -> str:
    """The policy of a process in the words of numa_maps."""
    policy = task.process.policy
    return "default" if policy is None else str(policy)


def _totals(rounds: Iterable[Round]) -> dict[int, Accesses]:
    totals: dict[int, Accesses] = {}
    for each in rounds:
        for pid, accesses in each.accesses.items():
            totals[pid] = totals.get(pid, Accesses()) + accesses
    return totals


def print_accesses(console: Console, world: World) -> None:
    """How far the accesses of all rounds went."""
    total = sum((each.total for each in world.rounds), Accesses())
    if not total.total:
        return
    console.print()
    table = _table(("distance", ">"), ("accesses", ">"), ("share", ">"))
    for distance, count in total.by_distance(world.vm.config.distance_table).items():
        table.add_row(str(distance), f"{count:,}", f"{count / total.total:.1%}")
    table.add_row("all", f"{total.total:,}", f"{1:.1%}")
    console.print(table)
    console.print(Text(f"mean latency {total.latency(world.vm.config.distance_table):.2f}"))


def world_json(world: World, **more: Any) -> dict[str, Any]:
    """What a workload came to, for programs."""
    distances = world.vm.config.distance_table
    totals = _totals(world.rounds)
    processes = [
        {
            "pid": task.process.pid,
            "name": task.name,
            "cpu": world.cpu(task),
            "policy": policy_text(task),
            "cpuset": task.process.cpuset.path,
            "pages": list(world.pages_by_node(task)),
            **_accesses_json(totals.get(task.process.pid, Accesses()), distances),
            "numa_maps": task.process.numa_maps().splitlines(),
        }
        for task in world.tasks.values()
    ]
    return {
        "workload": world.scenario.name,
        "machine": world.vm.config.name,
        "processes": processes,
        "latency_by_round": [each.total.latency(distances) for each in world.rounds],
        **more,
    }


def _accesses_json(accesses: Accesses, distances: tuple[tuple[int, ...], ...]) -> dict[str, Any]:
    return {
        "accesses": accesses.total,
        "latency": accesses.latency(distances),
        "by_distance": {str(distance): count for distance, count in accesses.by_distance(distances).items()},
    }


# The daemon


def print_place(console: Console, run: PlacementRun) -> None:
    """What the daemon changed, and what it did."""
    scenario, pair = run.scenario, (run.without, run.placed)
    console.print(Text.assemble((scenario.name, "bold"), f" on {scenario.machine}: {scenario.summary}"))
    console.print()
    table = _table(("", "<"), ("without", ">"), ("with the daemon", ">"))
    table.add_row("mean latency, all rounds", *(f"{each.latency(each.total):.3f}" for each in pair))
    table.add_row("mean latency, last quarter", *(f"{each.latency(each.last):.3f}" for each in pair))
    for distance in sorted({d for each in pair for d in each.last.by_distance(each.distances)}):
        shares = [
            each.last.by_distance(each.distances).get(distance, 0) / max(each.last.total, 1) for each in pair
        ]
        table.add_row(f"  accesses to distance {distance}", *(f"{share:.1%}" for share in shares))
    console.print(table)
    console.print()
    _print_places(console, run)
    console.print()
    _print_outcomes(console, run)


def _print_places(console: Console, run: PlacementRun) -> None:
    nodes = [(f"N{nid}", ">") for nid in range(len(run.without.distances))]
    table = _table(("pid", ">"), ("process", "<"), ("cpu", ">"), ("", "<"), *nodes, ("latency", ">"))
    for before, after in zip(run.without.processes, run.placed.processes, strict=True):
        for name, each, story in (("without", before, run.without), ("with", after, run.placed)):
            head = (str(each.pid), each.name, str(each.cpu)) if name == "without" else ("", "", "")
            table.add_row(*head, name, *map(str, each.pages), f"{story.latency(each.accesses):.3f}")
    console.print(table)


def _print_outcomes(console: Console, run: PlacementRun) -> None:
    tried = sum(run.outcomes.values())
    _line(console, f"{tried:,} moves tried in {len(run.intervals)} rounds")
    for outcome, count in run.outcomes.items():
        _line(console, f"  {count:>7,}  {_OUTCOMES[outcome]}")
    limited, held = (sum(each) for each in zip(*((i.limited, i.held) for i in run.intervals), strict=True))
    if limited:
        _line(console, f"  {limited:>7,}  put off: beyond the rate, or no room")
    if held:
        _line(console, f"  {held:>7,}  held: had been moved back and forth enough")
    for outcome, count in run.given_up.items():
        _line(console, f"  {count:>7,}  left alone for a while: {outcome}")


def _line(console: Console, text: str) -> None:
    console.print(Text(text))


def place_json(run: PlacementRun) -> dict[str, Any]:
    """The run for programs."""

    def story(of: Any) -> dict[str, Any]:
        return {
            **_accesses_json(of.total, of.distances),
            "last_latency": of.latency(of.last),
            "latency_by_round": list(of.latencies),
            "processes": [
                {
                    "pid": each.pid,
                    "name": each.name,
                    "cpu": each.cpu,
                    "pages": list(each.pages),
                    **_accesses_json(each.accesses, of.distances),
                }
                for each in of.processes
            ],
        }

    return {
        "workload": run.scenario.name,
        "machine": run.scenario.machine,
        "without": story(run.without),
        "with": story(run.placed),
        "moved_by_round": [each.moved for each in run.intervals],
        "outcomes": {str(outcome): count for outcome, count in run.outcomes.items()},
        "given_up": {str(outcome): count for outcome, count in run.given_up.items()},
    }
