"""Machines in TOML files."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movable.config import MachineConfig, NodeConfig, PfnRange, Watermarks, ZoneConfig, load, loads
from movable.errors import ConfigError

TEXT = """
name = "lab"
cpus = 3
distances = [[10, 21], [21, 10]]
poison = false
debug = 2
watermarks = { min = 4, low = "20KiB", high = 6 }
extfrag_threshold = 250
compact_unevictable_allowed = false
min_free_kbytes = 512
watermark_scale_factor = 20
lowmem_reserve_ratio = [256, 128, 32]
profile = "6.1"
per_cpu_lists = true

[[nodes]]
cpus = [0, 2]

[[nodes.zones]]
kind = "DMA32"
start_pfn = 0x1000
pages = 4096
holes = [{ start = "16MiB", pages = 1 }, { start = 0x1010, size = "64 KiB" }]
reserved = [{ start = 0x1fff, pages = 1 }]
watermarks = { min = 0, low = 0, high = 1 }

[[nodes]]
cpus = [1]

[[nodes.zones]]
kind = "Normal"
start_pfn = "4GiB"
size = "16MiB"
"""

LAB = MachineConfig(
    "lab",
    (
        NodeConfig(
            (
                ZoneConfig(
                    "DMA32",
                    0x1000,
                    4096,
                    (PfnRange(0x1000, 1), PfnRange(0x1010, 16)),
                    (PfnRange(0x1FFF, 1),),
                    Watermarks(0, 0, 1),
                ),
            ),
            (0, 2),
        ),
        NodeConfig((ZoneConfig("Normal", 0x100000, 4096),), (1,)),
    ),
    cpus=3,
    distances=((10, 21), (21, 10)),
    poison=False,
    debug=2,
    watermarks=Watermarks(4, 5, 6),
    extfrag_threshold=250,
    compact_unevictable_allowed=False,
    min_free_kbytes=512,
    watermark_scale_factor=20,
    lowmem_reserve_ratio=(256, 128, 32),
    profile="6.1",
    per_cpu_lists=True,
)

SMALL = """
name = "small"
[[nodes]]
[[nodes.zones]]
kind = "Normal"
start_pfn = "16MiB"
size = "16MiB"
"""


def refusal(text: str) -> str:
    """The message with which `loads` refuses `text`."""
    with pytest.raises(ConfigError) as caught:
        loads(text)
    return str(caught.value)


def test_every_field_can_be_written() -> None:
    """A text that names every field gives the same machine as the objects do."""
    assert loads(TEXT) == LAB


def test_defaults_hold_where_a_key_is_missing() -> None:
    """What a text leaves out has the default of the value object."""
    assert loads(SMALL) == MachineConfig("small", (NodeConfig((ZoneConfig("Normal", 0x1000, 4096),)),))


def test_a_file_is_read(tmp_path: Path) -> None:
    """`load` reads the file of that path, given as a path or a string."""
    path = tmp_path / "lab.toml"
    path.write_text(TEXT)
    assert load(path) == load(str(path)) == LAB


def test_a_refusal_names_the_file(tmp_path: Path) -> None:
    """A file that is refused is named before the field."""
    path = tmp_path / "bad.toml"
    path.write_text(SMALL.replace("small", ""))
    with pytest.raises(ConfigError, match=r"bad\.toml: name: must not be empty"):
        load(path)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are refused like any other wrong file."""
    path = tmp_path / "bad.toml"
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"bad\.toml: 'utf-8' codec"):
        load(path)


def test_a_missing_file_stays_an_os_error(tmp_path: Path) -> None:
    """A file that cannot be read raises what opening it raises."""
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.toml")


WRONG = {
    "not TOML": (("cpus = 3", "cpus ="), "not TOML: "),
    "unknown key": (("cpus = 3", "cpu = 3"), "cpu: unknown key; the keys here are name, nodes, cpus, "),
    "unknown node key": (
        ("cpus = [1]", "cpu = [1]"),
        "nodes[1].cpu: unknown key; the keys here are zones, cpus",
    ),
    "unknown zone key": (('kind = "Normal"', "type = 1"), "nodes[1].zones[0].type: unknown key"),
    "unknown range key": (
        ("{ start = 0x1fff", "{ begin = 0x1fff"),
        "nodes[0].zones[0].reserved[0].begin: unknown",
    ),
    "missing key": (('kind = "Normal"\n', ""), "nodes[1].zones[0].kind: is missing"),
    "missing size": (('size = "16MiB"\n', ""), "nodes[1].zones[0].pages: is missing"),
    "size and pages": (
        ('size = "16MiB"', "size = 1\npages = 1"),
        "nodes[1].zones[0]: has both size and pages",
    ),
    "size of watermarks": (
        ("{ min = 4,", '{ min = "3KiB",'),
        "watermarks.min: 3KiB is no whole number of 4 KiB",
    ),
    "unit": (
        ('"16MiB"\n', '"16MB"\n'),
        "nodes[1].zones[0].pages: must be a number of pages or a size such as",
    ),
    "boolean pages": (('"16MiB"\n', "true\n"), "nodes[1].zones[0].pages: must be a number of pages"),
    "fraction": (("0x1000\n", "1.5\n"), "nodes[0].zones[0].start_pfn: must be a number of pages"),
    "integer": (("cpus = 3", 'cpus = "3"'), "cpus: must be an integer, not '3'"),
    "size for a count": (("cpus = 3", 'cpus = "16MiB"'), "cpus: must be an integer, not '16MiB'"),
    "boolean": (("poison = false", "poison = 0"), "poison: must be true or false, not 0"),
    "string": (('name = "lab"', "name = 1"), "name: must be a string, not 1"),
    "kind": (
        ('"DMA32"', '"dma32"'),
        "nodes[0].zones[0].kind: must be one of DMA, DMA32, Normal, Movable, not",
    ),
    "table": (
        ("{ start = 0x1fff, pages = 1 }", "7"),
        "nodes[0].zones[0].reserved[0]: must be a table, not 7",
    ),
    "list": (("[{ start = 0x1fff, pages = 1 }]", "7"), "nodes[0].zones[0].reserved: must be a list, not 7"),
    "one bracket": (
        ("[[nodes]]\ncpus = [1]\n\n[[nodes.zones]]", "[[nodes]]\n[nodes.zones]"),
        "nodes[1].zones: must",
    ),
    "list entry": (("[0, 2]", '[0, "2"]'), "nodes[0].cpus[1]: must be an integer, not '2'"),
    "row": (("[21, 10]]", "4]"), "distances[1]: must be a list, not 4"),
    "count": (("[256, 128, 32]", "[256]"), "lowmem_reserve_ratio: must have 3 entries, not 1"),
    "impossible": (("[[10, 21],", "[[10, 22],"), "distances[1][0]: 21 differs from distances[0][1] = 22"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_wrong_texts_are_refused(change: tuple[str, str], message: str) -> None:
    """A text that is wrong in one place is refused with the path of that place."""
    old, new = change
    assert TEXT.count(old) >= 1
    head, tail = TEXT.rsplit(old, 1)
    assert refusal(head + new + tail).startswith(message)


@given(st.integers(0, 2**21), st.sampled_from(["KiB", "MiB", "GiB", "TiB"]))
def test_sizes_are_whole_pages(number: int, unit: str) -> None:
    """A size with a unit stands for its number of 4 KiB pages, which has to be whole."""
    size = number * {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}[unit]
    text = SMALL.replace('"16MiB"\nsize', f'"{number}{unit}"\nsize').replace('size = "16MiB"', "size = 1024")
    start, rest = divmod(size, 4096)
    message: Any = None
    try:
        got = loads(text).nodes[0].start_pfn
    except ConfigError as error:
        got, message = None, str(error)
    if rest:
        assert message == f"nodes[0].zones[0].start_pfn: {number}{unit} is no whole number of 4 KiB pages"
    elif start % 1024 or start + 1024 > 2**29:
        assert message is not None
        assert message.startswith("nodes[0].zones[0].")
    else:
        assert got == start
