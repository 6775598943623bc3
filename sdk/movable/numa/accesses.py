"""What accesses cost: from which node to which they go, weighed by the distance matrix."""

from collections import Counter
from collections.abc import Mapping

from attrs import field, frozen

from movable.config import LOCAL_DISTANCE
from movable.machine import PAGE_SIZE
from movable.process import Process
from movable.vm import VM

__all__ = ["AccessMeter", "Accesses", "pages_of"]

Route = tuple[int, int]


@frozen
class Accesses:
    """Accesses by node of the CPU and node of the page.

    An access costs as the distance matrix says: distance 10 is local, 20 is twice as slow. Caches do not exist here.
    """

    routes: Mapping[Route, int] = field(factory=dict)

    @property
    def total(self) -> int:
        """How many there were."""
        return sum(self.routes.values())

    def by_distance(self, distances: tuple[tuple[int, ...], ...]) -> dict[int, int]:
        """How many went how far, nearest first."""
        found: Counter[int] = Counter()
        for (cpu_node, page_node), count in self.routes.items():
            found[distances[cpu_node][page_node]] += count
        return dict(sorted(found.items()))

    def latency(self, distances: tuple[tuple[int, ...], ...]) -> float:
        """The mean cost of an access, in local accesses: 1.0 if all were local, or if there were none."""
        total = self.total
        if not total:
            return 1.0
        cost = sum(distance * count for distance, count in self.by_distance(distances).items())
        return cost / total / LOCAL_DISTANCE

    def __add__(self, other: "Accesses") -> "Accesses":
        return Accesses(dict(Counter(self.routes) + Counter(other.routes)))


class AccessMeter:
    """Counts every access to a page of the machine while it is installed: ``with AccessMeter(vm) as meter``.

    This is the truth that no profiler sees: it is for judging, not for deciding.
    """

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self._node_of = {cpu: node.nid for node in vm.nodes for cpu in node.cpus}
        self._routes: dict[int, Counter[Route]] = {}

    def __enter__(self) -> "AccessMeter":
        self.vm.access_watchers.append(self._note)
        return self

    def __exit__(self, *exc: object) -> None:
        self.vm.access_watchers.remove(self._note)

    def _note(self, process: Process, address: int, length: int, write: bool) -> None:
        if process.ended:
            return
        routes = self._routes.setdefault(process.pid, Counter())
        here = self._node_of[self.vm.cpu]
        for each in pages_of(address, length):
            page = process.page(each)
            if page is not None:
                routes[here, page.nid] += 1

    def take(self) -> dict[int, Accesses]:
        """The accesses since the last time, by pid; counting begins anew. The zero page is on no node: not counted."""
        taken = {pid: Accesses(dict(routes)) for pid, routes in self._routes.items()}
        self._routes.clear()
        return taken


def pages_of(address: int, length: int) -> range:
    """The addresses of the pages of a range; an empty one has none."""
    return range(address - address % PAGE_SIZE, address + length if length else 0, PAGE_SIZE)
