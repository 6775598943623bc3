"""What a machine has, by node, and what a process may use of it: ``--hardware`` and ``--show`` of numactl."""

from attrs import frozen

from movable.flags import Mpol, MpolF
from movable.machine import PAGE_SIZE
from movable.process import Process
from movable.process.nodemask import mask_of, node_list
from movable.vm import VM

__all__ = ["Hardware", "NodeHardware", "Show", "hardware", "show"]

_NAMES = {
    Mpol.DEFAULT: "default",
    Mpol.PREFERRED: "preferred",
    Mpol.BIND: "bind",
    Mpol.INTERLEAVE: "interleave",
}


@frozen
class NodeHardware:
    """A node: its CPUs, and its memory in bytes."""

    node: int
    cpus: tuple[int, ...]
    size: int
    free: int


@frozen
class Hardware:
    """The nodes of a machine and the distances between them. ``str()`` is numactl's layout."""

    nodes: tuple[NodeHardware, ...]
    distances: tuple[tuple[int, ...], ...]

    def __str__(self) -> str:
        nids = [node.node for node in self.nodes]
        lines = [f"available: {len(nids)} nodes ({node_list(mask_of(nids))})"]
        for node in self.nodes:
            lines.append(f"node {node.node} cpus:" + "".join(f" {cpu}" for cpu in node.cpus))
            lines.append(f"node {node.node} size: {node.size >> 20} MB")
            lines.append(f"node {node.node} free: {node.free >> 20} MB")
        lines += ["node distances:", "node " + "".join(f"{nid: 3d} " for nid in nids)]
        for nid, row in zip(nids, self.distances, strict=True):
            lines.append(f"{nid: 3d}: " + "".join(f"{distance: 3d} " for distance in row))
        return "\n".join(lines) + "\n"


def hardware(vm: VM) -> Hardware:
    """The machine as it is now."""
    nodes = tuple(
        NodeHardware(
            node.nid,
            node.cpus,
            sum(zone.managed for zone in node.zones) * PAGE_SIZE,
            sum(zone.free_pages for zone in node.zones) * PAGE_SIZE,
        )
        for node in vm.nodes
    )
    return Hardware(nodes, vm.config.distance_table)


@frozen
class Show:
    """The policy of a process, the CPUs it may run on and their nodes. ``str()`` is numactl's layout.

    ``preferred`` is where the next page comes from, None for the CPU's node; ``membind`` are the nodes it may use.
    """

    policy: str
    preferred: int | None
    interleave: frozenset[int]
    cpus: frozenset[int]
    nodes: frozenset[int]
    membind: frozenset[int]

    def __str__(self) -> str:
        preferred = "current" if self.preferred is None else str(self.preferred)
        lines = [f"policy: {self.policy}"]
        if self.policy == "interleave":
            lines.append(f"preferred node: {preferred} (interleave next)")
            lines += [_mask("interleavemask", self.interleave), f"interleavenode: {preferred}"]
        else:
            lines.append(f"preferred node: {preferred}")
        masks = {
            "physcpubind": self.cpus,
            "cpubind": self.nodes,
            "nodebind": self.nodes,
            "membind": self.membind,
        }
        lines += [_mask(name, numbers) for name, numbers in masks.items()]
        return "\n".join(lines) + "\n"


def show(process: Process, cpus: frozenset[int]) -> Show:
    """The settings of a process that may run on these CPUs, as get_mempolicy tells them. spec/migration.md 9.5."""
    answer = process.get_mempolicy()
    mode = Mpol((answer.mode or 0) & 0xFF)
    nodes = answer.nodes or frozenset()
    preferred: int | None = min(nodes, default=None)
    if mode == Mpol.INTERLEAVE:
        preferred = process.get_mempolicy(flags=MpolF.NODE).mode
    return Show(
        policy=_NAMES[mode],
        preferred=preferred if mode != Mpol.DEFAULT else None,
        interleave=nodes if mode == Mpol.INTERLEAVE else frozenset(),
        cpus=cpus,
        nodes=frozenset(node.nid for node in process.vm.nodes if not cpus.isdisjoint(node.cpus)),
        membind=nodes if mode == Mpol.BIND else process.mems_allowed,
    )


def _mask(name: str, numbers: frozenset[int]) -> str:
    return f"{name}: " + "".join(f"{number} " for number in sorted(numbers))
