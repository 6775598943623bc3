"""Profilers: who uses which pages, as far as that can be seen from outside a process.

`AccessMeter` knows every access; no real profiler does. The two here see what real ones see on Linux:

* `AccessSampler` is a processor's sampling of memory accesses (PEBS, IBS, as ``perf mem record`` reads it): of so many
  accesses one, with process, CPU and address.
* `AccessedBits` is a scan of page tables (``/proc/PID/clear_refs``, idle page tracking): which pages were used since
  the last scan, neither how often nor by which CPU. The process's CPU is that of ``/proc/PID/stat``, the last one.
"""

import random
from collections.abc import Mapping
from typing import Protocol, Self

from movable.errors import ConfigError
from movable.numa import pages_of
from movable.process import Process
from movable.vm import VM

__all__ = ["AccessSampler", "AccessedBits", "PageId", "Profiler", "Sightings"]

PageId = tuple[int, int]
"""A page as a profiler names it: pid and address."""

Sightings = Mapping[PageId, Mapping[int, int]]
"""How often each page was seen in use, by the node of the CPU."""


class Profiler(Protocol):
    """What the daemon asks for: a profiler is a context, and tells what it saw since the last time."""

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(self, *exc: object) -> None:
        """End."""
        ...

    def take(self) -> Sightings:
        """What was seen since the last time."""
        ...


class _Watcher:
    """The half that profilers have in common: they are told of accesses while they are entered."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.node_of = {cpu: node.nid for node in vm.nodes for cpu in node.cpus}

    def __enter__(self) -> Self:
        self.vm.access_watchers.append(self.note)
        return self

    def __exit__(self, *exc: object) -> None:
        self.vm.access_watchers.remove(self.note)

    def note(self, process: Process, address: int, length: int, write: bool) -> None:
        """An access has happened."""
        raise NotImplementedError


class AccessSampler(_Watcher):
    """Samples one access of about ``period``, at gaps that vary so that no loop hides from it."""

    def __init__(self, vm: VM, period: int = 16, *, seed: int = 0) -> None:
        if period < 1:
            raise ConfigError(f"period: must be 1 (every access) or more, not {period}")
        super().__init__(vm)
        self.period = period
        self._rng = random.Random(seed)
        self._left = self._gap()
        self._seen: dict[PageId, dict[int, int]] = {}

    def _gap(self) -> int:
        return self._rng.randint(self.period // 2 + 1, self.period + (self.period - 1) // 2)

    def note(self, process: Process, address: int, length: int, write: bool) -> None:
        """An access has happened; of a longer one each page counts."""
        pages = pages_of(address, length)
        self._left -= len(pages)
        while self._left <= 0:
            page = pages[self._left - 1]
            nodes = self._seen.setdefault((process.pid, page), {})
            here = self.node_of[self.vm.cpu]
            nodes[here] = nodes.get(here, 0) + 1
            self._left += self._gap()

    def take(self) -> Sightings:
        """The samples since the last time."""
        seen, self._seen = self._seen, {}
        return seen


class AccessedBits(_Watcher):
    """Reads and clears the accessed bits of all pages each time it is asked."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self._cpus: dict[int, int] = {}

    def note(self, process: Process, address: int, length: int, write: bool) -> None:
        """The process runs on this CPU: nothing else is taken from it."""
        self._cpus[process.pid] = self.vm.cpu

    def take(self) -> Sightings:
        """The pages that were used since the last scan, each once, from where its process last ran."""
        seen: dict[PageId, dict[int, int]] = {}
        for process in self.vm.processes:
            cpu = self._cpus.get(process.pid)
            if process.ended or cpu is None:
                continue
            for entry in process.entries():
                if entry.kind == "page" and entry.young:
                    seen[process.pid, entry.address] = {self.node_of[cpu]: 1}
            if not process.ended:
                process.clear_refs()
        return seen
