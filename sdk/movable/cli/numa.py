"""``movable numa``: numactl, migratepages and numastat for emulated machines, and placement by a daemon."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from rich.console import Console
from rich.text import Text

from movable.cli.numa_options import RunOptions
from movable.cli.numa_text import (
    place_json,
    print_accesses,
    print_pages,
    print_place,
    print_processes,
    print_title,
    world_json,
)
from movable.errors import ConfigError, MovableError, SystemCallError
from movable.numa import ProcessSpec, Scenario, World, numastat, workload_text, workloads
from movable.numa import hardware as hardware_of
from movable.numa import show as show_of
from movable.observe import demand_drawable
from movable.placement import AccessedBits, AccessSampler, PlacementSettings, Profiler, draw_placement, place
from movable.vm import VM

__all__ = ["register"]

_DEFAULT_MACHINE = "numa4"
_PLACE = PlacementSettings()

numa = App(name="numa", help="Run processes with a memory policy, look where their pages are, and move them.")


def register(app: App) -> None:
    """Add the command to the application."""
    app.command(numa)


@numa.default
def numa_command(
    workload: str | None = None,
    /,
    *,
    options: RunOptions = RunOptions(),
    hardware: Annotated[bool, Parameter(name=["--hardware", "-H"], negative="")] = False,
    show: Annotated[bool, Parameter(name=["--show", "-s"], negative="")] = False,
) -> int:
    """Run a workload as numactl runs a program, and print where its pages are and what its accesses cost.

    A list of nodes is written ``0-2,5`` or ``all``; ``!1`` is all but these, ``+0`` counts among the nodes allowed,
    ``same`` repeats the other option's. The policy is what the workload's processes start with; one that sets a
    policy of its own has that.

    Parameters
    ----------
    workload:
        A scenario's .toml file, or the name of a ready one: see ``movable numa workloads``.
    options:
        numactl's options, and those of all sub-commands.
    hardware:
        Print the nodes of the machine instead: CPUs, memory and distances, after the workload if one is given.
    show:
        Print the policy and the CPUs that a process would start with instead.
    """
    if hardware and show:
        raise ConfigError("--show: conflicts with --hardware; give one of them")
    if hardware:
        return _print_hardware(options, workload)
    if show:
        if workload is not None:
            raise ConfigError(f"--show: runs no workload; leave {workload!r} out")
        return _print_show(options)
    with options.world(workload) as world:
        world.run()
        console = Console(soft_wrap=True)
        print_title(console, world)
        console.print()
        print_processes(console, world)
        print_accesses(console, world)
        options.write(world_json(world))
    return 0


def _print_hardware(options: RunOptions, workload: str | None) -> int:
    if workload is None:
        options.demand_writable()
        with VM(options.machine or _DEFAULT_MACHINE) as vm:
            found = hardware_of(vm)
    else:
        with options.world(workload) as world:
            world.run()
            found = hardware_of(world.vm)
    print(found, end="")
    nodes = [{"node": n.node, "cpus": list(n.cpus), "size": n.size, "free": n.free} for n in found.nodes]
    options.write({"nodes": nodes, "distances": [list(row) for row in found.distances]})
    return 0


def _print_show(options: RunOptions) -> int:
    options.demand_writable()
    scenario = Scenario(machine=options.machine or _DEFAULT_MACHINE, processes=(ProcessSpec("shell"),))
    with World(scenario, options.launch()) as world:
        task = world.task("shell")
        found = show_of(task.process, world.cpus(task))
    print(found, end="")
    values = {
        "policy": found.policy,
        "preferred": found.preferred,
        "interleave": sorted(found.interleave),
        "cpus": sorted(found.cpus),
        "nodes": sorted(found.nodes),
        "membind": sorted(found.membind),
    }
    options.write(values)
    return 0


@numa.command(name="maps")
def maps_command(process: str, workload: str | None = None, /, *, options: RunOptions = RunOptions()) -> int:
    """Run a workload and print /proc/PID/numa_maps of a process: where the pages of each of its areas are.

    Parameters
    ----------
    process:
        Its pid or its name.
    workload:
        A scenario's .toml file, or the name of a ready one: see ``movable numa workloads``.
    options:
        numactl's options, and those of all sub-commands.
    """
    with options.world(workload) as world:
        world.run()
        text = world.task(process).process.numa_maps()
        print(text, end="")
        options.write(world_json(world))
    return 0


@numa.command(name="stat")
def stat_command(workload: str | None = None, /, *, options: RunOptions = RunOptions()) -> int:
    """Run a workload and print numastat's table: on which node allocations were served, and from where they came.

    Parameters
    ----------
    workload:
        A scenario's .toml file, or the name of a ready one: see ``movable numa workloads``.
    options:
        numactl's options, and those of all sub-commands.
    """
    with options.world(workload) as world:
        world.run()
        found = numastat(world.vm)
        print(found, end="")
        options.write(world_json(world, numastat=list(found.nodes)))
    return 0


@numa.command(name="migratepages")
def migratepages_command(
    process: str,
    old: Annotated[str, Parameter(name="FROM")],
    new: Annotated[str, Parameter(name="TO")],
    workload: str | None = None,
    /,
    *,
    options: RunOptions = RunOptions(),
) -> int:
    """Run a workload, move a process's pages from nodes to nodes as migratepages(8) does, and print where they are.

    The first node of FROM goes to the first of TO and so on, so that what was apart stays apart. The exit status is 1
    if pages stayed behind.

    Parameters
    ----------
    process:
        Its pid or its name.
    old:
        The nodes that pages leave, FROM: a list such as 0-2 or all.
    new:
        The nodes that they go to, TO.
    workload:
        A scenario's .toml file, or the name of a ready one: see ``movable numa workloads``.
    options:
        numactl's options, and those of all sub-commands.
    """
    with options.world(workload) as world:
        world.run()
        task = world.task(process)
        before = world.pages_by_node(task)
        try:
            left = world.migrate_pages(process, old, new)
        except SystemCallError as error:
            raise MovableError(str(error)) from error
        after = world.pages_by_node(task)
        console = Console(soft_wrap=True)
        print_title(console, world)
        console.print()
        print_pages(console, {"before": before, "after": after})
        console.print(Text(f"{left} pages of process {task.process.pid} ({task.name}) stayed behind"))
        options.write(world_json(world, before=list(before), left_behind=left))
    return 1 if left else 0


@numa.command(name="workloads")
def workloads_command(name: str | None = None, /) -> int:
    """List the ready workloads, or print one as TOML to begin a scenario of your own with.

    Parameters
    ----------
    name:
        One of them.
    """
    if name is not None:
        print(workload_text(name), end="")
        return 0
    width = max(map(len, workloads()))
    for each, summary in workloads().items():
        print(f"{each:<{width}}  {summary}")
    return 0


@numa.command(name="place")
def place_command(
    workload: str | None = None,
    /,
    *,
    options: RunOptions = RunOptions(),
    profiler: Literal["samples", "bits"] = "samples",
    period: int = 8,
    least: float = _PLACE.least,
    gain: float = _PLACE.gain,
    rate: int = _PLACE.rate,
    rest: int = _PLACE.rest,
    bounces: int = _PLACE.bounces,
    move_shared: Annotated[bool, Parameter(negative="")] = False,
    plot: Path | None = None,
) -> int:
    """Run a workload by itself and with a daemon that moves pages to where they are used; print what that changed.

    Parameters
    ----------
    workload:
        A scenario's .toml file, or the name of a ready one: see ``movable numa workloads``.
    options:
        numactl's options, and those of all sub-commands.
    profiler:
        What the daemon sees: ``samples`` of accesses, as processors take them, or the accessed ``bits`` of pages.
    period:
        One access of so many is sampled.
    least:
        How often a page must have been seen lately before it is moved.
    gain:
        What an access must gain by the move; 1.0 is a local access.
    rate:
        How many pages move after a round at most.
    rest:
        For how many rounds a page stays after a move.
    bounces:
        How often a page may return to a node that it left, in 50 rounds.
    move_shared:
        Move pages that several processes map too (MPOL_MF_MOVE_ALL).
    plot:
        Draw latency, moves and distances to this file: .png, .svg or .pdf. Needs the extra "plot".
    """
    if plot is not None:
        _demand_plot(plot)
    try:
        settings = PlacementSettings(
            least=least, gain=gain, rate=rate, rest=rest, bounces=bounces, move_shared=move_shared
        )
    except ConfigError as error:
        raise ConfigError(f"--{error}") from None
    if period < 1:
        raise ConfigError(f"--period: must be 1 or more, not {period}")

    def eyes(vm: VM) -> Profiler:
        return AccessedBits(vm) if profiler == "bits" else AccessSampler(vm, period, seed=options.seed)

    run = place(options.scenario(workload), eyes, settings, options.launch(), seed=options.seed)
    print_place(Console(soft_wrap=True), run)
    if plot is not None:
        draw_placement(plot, run)
    options.write(place_json(run))
    return 0


def _demand_plot(path: Path) -> None:
    try:
        demand_drawable(path)
    except MovableError as error:
        raise MovableError(f"--plot: {error}") from None
