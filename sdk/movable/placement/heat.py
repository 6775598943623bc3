"""How hot pages are, and for whom: sightings that fade."""

from collections.abc import Iterator, Mapping

from movable.config import LOCAL_DISTANCE
from movable.placement.profiler import PageId, Sightings

__all__ = ["HeatMap", "cheapest"]

_COLD = 0.1


class HeatMap:
    """For each page how often it was seen in use lately, by the node of the CPU."""

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._heat: dict[PageId, dict[int, float]] = {}

    def __len__(self) -> int:
        return len(self._heat)

    def __iter__(self) -> Iterator[PageId]:
        return iter(tuple(self._heat))

    def of(self, page: PageId) -> Mapping[int, float]:
        """The heat of a page, by node."""
        return self._heat.get(page, {})

    def add(self, seen: Sightings) -> None:
        """An interval is over: what was known fades, and what was seen is added. Cold pages are forgotten."""
        for page, nodes in tuple(self._heat.items()):
            faded = {nid: heat * self._decay for nid, heat in nodes.items() if heat * self._decay > _COLD}
            if faded:
                self._heat[page] = faded
            else:
                del self._heat[page]
        for page, counts in seen.items():
            nodes = self._heat.setdefault(page, {})
            for nid, count in counts.items():
                nodes[nid] = nodes.get(nid, 0.0) + count

    def forget(self, page: PageId) -> None:
        """The page is gone."""
        self._heat.pop(page, None)

    def forget_process(self, pid: int) -> None:
        """The process is gone."""
        self._heat = {page: nodes for page, nodes in self._heat.items() if page[0] != pid}


def cheapest(
    heat: Mapping[int, float],
    current: int,
    allowed: frozenset[int],
    distances: tuple[tuple[int, ...], ...],
) -> tuple[int, float]:
    """The node from which a page serves its users best, and what an access gains there; local accesses.

    Where nodes are equally good the page stays, else the lowest number wins.
    """
    total = sum(heat.values())
    if not total:
        return current, 0.0

    def cost(node: int) -> float:
        return sum(count * distances[user][node] for user, count in heat.items()) / total / LOCAL_DISTANCE

    best = min(sorted(allowed), key=cost, default=current)
    gain = cost(current) - cost(best)
    return (best, gain) if gain > 0 else (current, 0.0)
