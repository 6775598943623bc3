"""A recorded kernel's balloon, replayed: data/virtio_balloon_6.1.json says where the rows come from."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from movable import GFP, VM, MachineConfig, NodeConfig, Page, ZoneConfig
from movable_balloon import VirtioBalloon

RECORDING = json.loads((Path(__file__).parent / "data" / "virtio_balloon_6.1.json").read_text())
ROWS: list[dict[str, Any]] = RECORDING["rows"]
MIB = 256
"""Pages of 4 KiB."""


@pytest.fixture
def vm() -> Iterator[VM]:
    """A machine with the memory of the recorded guest."""
    zones = (
        (ZoneConfig("DMA", 0, 16 * MIB), ZoneConfig("DMA32", 16 * MIB, 368 * MIB)),
        (ZoneConfig("DMA32", 384 * MIB, 128 * MIB),),
        (ZoneConfig("DMA32", 512 * MIB, 64 * MIB),),
        (ZoneConfig("DMA32", 576 * MIB, 64 * MIB),),
    )
    nodes = tuple(NodeConfig(each, cpus=(0, 1) if not nid else ()) for nid, each in enumerate(zones))
    with VM(MachineConfig("guest", nodes, cpus=2), poison=False) as machine:
        yield machine


def fill_node_0(vm: VM) -> list[Page]:
    """Take all but 9000 pages of node 0, free every other one; what is left taken."""
    taken = []
    while sum(zone.free_pages for zone in vm.nodes[0].zones) > 9000:
        page = vm.alloc_page(GFP.HIGHUSER_MOVABLE | GFP.THISNODE, node=0)
        assert page is not None
        taken.append(page)
    for page in taken[::2]:
        page.put()
    return taken[1::2]


class Replay:
    """Makes the steps of the recording and reads the same figures."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.balloon = VirtioBalloon(vm)
        self.anon: list[Page] = []

    def make(self, row: dict[str, Any]) -> None:
        """Make one step."""
        step = row["step"]
        if step.startswith("node 0 filled"):
            self.anon = fill_node_0(self.vm)
        elif step.startswith("anon of node 0 freed"):
            for page in self.anon:
                page.put()
        elif step == "after compact":
            self.vm.compact_node(0)
        elif step == "after compact_memory":
            self.vm.compact_memory()
        else:
            assert self.balloon.set_target(
                (RECORDING["provenance"]["guest_bytes"] - row["asked_bytes"]) // 4096
            )

    def free(self) -> list[int]:
        """Free pages of each node."""
        return [sum(zone.free_pages for zone in node.zones) for node in self.vm.nodes]

    def total_kb(self) -> int:
        """Total memory in KiB."""
        return sum(zone.managed for zone in self.vm.zones) * 4


@pytest.mark.slow
def test_every_step_of_the_recording(vm: VM) -> None:
    """Counters, total memory and size after each step are as recorded (differences-drivers 4.2)."""
    replay = Replay(vm)
    boot_kb, boot_free = replay.total_kb(), replay.free()
    lent = ROWS[0]["MemTotal_kB"]
    for row in ROWS:
        replay.make(row)
        stat = vm.vmstat()
        seen = (row["step"], stat["balloon_inflate"], stat["balloon_deflate"], boot_kb - replay.total_kb())
        assert seen == (
            row["step"],
            row["balloon_inflate"],
            row["balloon_deflate"],
            lent - row["MemTotal_kB"],
        )
        assert (stat["balloon_migrate"] > 0) is (row["balloon_migrate"] > 0), row["step"]
        assert replay.balloon.host.config.actual * 4 == lent - row["MemTotal_kB"]
        assert replay.free()[1:] == boot_free[1:], "pages come from node 0 as long as it has any"
        replay.balloon.check()
    vm.recount()


def test_a_later_full_deflate_returns_every_page(vm: VM) -> None:
    """After migrations a deflation to 0 brings back all free pages (differences-drivers 4.2)."""
    replay = Replay(vm)
    free = replay.free()
    for row in ROWS[5:]:
        replay.make(row)
    assert vm.vmstat()["balloon_migrate"] > 0
    assert replay.free() == free


def test_compaction_keeps_the_balloon_in_its_zone(vm: VM) -> None:
    """Compaction moves balloon pages within their zone, so its share of the balloon is as before."""
    before, after = RECORDING["provenance"]["balloon_pages_in_zone_before_and_after_compaction"]
    assert before == after
    replay = Replay(vm)
    for row in ROWS[5:8]:
        replay.make(row)
    shares = [[page.zone_id for page in replay.balloon.mapping.pages()].count(zone.id) for zone in vm.zones]
    blocks = sum(zone.nr_free[10] for zone in vm.zones)
    vm.compact_node(0)
    assert shares == [
        [page.zone_id for page in replay.balloon.mapping.pages()].count(zone.id) for zone in vm.zones
    ]
    assert sum(zone.nr_free[10] for zone in vm.zones) > blocks
