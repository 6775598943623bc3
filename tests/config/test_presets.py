"""The ready machines."""

import pytest

from movable.config import PRESETS, PfnRange, preset, validate
from movable.errors import ConfigError

MIB = 256
GIB = 1024 * MIB


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_possible_and_know_their_name(name: str) -> None:
    """Each ready machine is valid and found under its own name."""
    validate(preset(name))
    assert preset(name).name == name


def test_there_are_four() -> None:
    """The ready machines are tiny, phone, numa4 and server."""
    assert list(PRESETS) == ["tiny", "phone", "numa4", "server"]


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    """A wrong name is answered with the names there are."""
    with pytest.raises(
        ConfigError, match="no preset is called 'huge'; choose one of tiny, phone, numa4, server"
    ):
        preset("huge")


def test_tiny_is_one_normal_zone_of_16_mib() -> None:
    """The machine `tiny` has frames 0x1000 to 0x2000, all of them managed."""
    (node,) = preset("tiny").nodes
    (zone,) = node.zones
    assert (zone.kind, zone.start_pfn, zone.end_pfn, zone.managed_pages) == (
        "Normal",
        0x1000,
        0x2000,
        16 * MIB,
    )


def test_phone_has_512_mib() -> None:
    """The machine `phone` manages 512 MiB on one node."""
    assert (len(preset("phone").nodes), preset("phone").managed_pages) == (1, 512 * MIB)


def test_numa4_is_four_times_256_mib() -> None:
    """The machine `numa4` has four nodes of 256 MiB, CPUs on two of them, and four distances."""
    config = preset("numa4")
    assert [node.managed_pages for node in config.nodes] == [256 * MIB] * 4
    assert config.node_cpus == ((0,), (1,), (), ())
    assert config.distance_table == ((10, 15, 20, 30), (15, 10, 25, 20), (20, 25, 10, 15), (30, 20, 15, 10))


def test_server_has_64_gib_on_two_nodes() -> None:
    """The machine `server` has 64 GiB but for the 98 frames that a PC keeps below 1 MiB."""
    first, second = preset("server").nodes
    assert (first.managed_pages, second.managed_pages) == (32 * GIB - 98, 32 * GIB)


def test_server_has_the_zones_of_a_pc() -> None:
    """Node 0 of `server` has DMA, DMA32 with a hole below 4 GiB, and Normal; node 1 has Normal alone."""
    first, second = preset("server").nodes
    assert [zone.kind for zone in first.zones] == ["DMA", "DMA32", "Normal"]
    assert [zone.kind for zone in second.zones] == ["Normal"]
    assert first.zones[1].holes == (PfnRange(3 * GIB, 1 * GIB),)
    assert first.zones[1].end_pfn == 4 * GIB
