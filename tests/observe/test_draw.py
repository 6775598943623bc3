"""Pictures of page maps: what is on them is what the map says, and what cannot be drawn is refused."""

import sys
from pathlib import Path

import pytest

from movable import MovableError, PageKind, PageMap, Panel, ZoneMap, demand_drawable, draw

BLUE, GREEN, BLACK, GREY = (0x00, 0x72, 0xB2), (0x7F, 0xD0, 0xB0), (0x22, 0x22, 0x22), (0xE9, 0xE9, 0xE4)
BLOCK = 512


def memory(*blocks: list[int]) -> PageMap:
    """One zone made of pageblocks."""
    return PageMap(
        (ZoneMap("Node 0 Normal", 0x1000, bytes(kind for block in blocks for kind in block)),), ("d",)
    )


FREE = [int(PageKind.FREE)] * BLOCK
OURS = [int(PageKind.DRIVER)] * BLOCK
KERNEL = [int(PageKind.KERNEL)] * BLOCK
HALF = [int(PageKind.FREE), int(PageKind.DRIVER)] * (BLOCK // 2)


def pixels(path: Path) -> dict[tuple[int, int, int], int]:
    """How many pixels there are of each colour."""
    import numpy
    from matplotlib.image import imread

    image = (imread(path)[:, :, :3] * 255).round().astype(int).reshape(-1, 3)
    colours, counts = numpy.unique(image, axis=0, return_counts=True)
    return {
        (int(red), int(green), int(blue)): int(count)
        for (red, green, blue), count in zip(colours, counts, strict=True)
    }


@pytest.mark.parametrize(
    ("blocks", "parts"),
    [
        pytest.param([FREE, OURS, FREE, OURS], {GREEN: 1024, BLUE: 1024, GREY: 0}, id="free blocks"),
        pytest.param([FREE, OURS, OURS, OURS], {GREEN: 512, BLUE: 1536, BLACK: 0}, id="mostly used"),
        pytest.param([HALF, HALF, KERNEL, OURS], {GREY: 512, BLUE: 1024, BLACK: 512, GREEN: 0}, id="pieces"),
    ],
)
def test_areas_are_the_maps_counts(
    tmp_path: Path, blocks: list[list[int]], parts: dict[tuple[int, int, int], int]
) -> None:
    """Each colour fills the part of the picture that its pages have of memory; the key adds a patch."""
    path = tmp_path / "map.png"
    draw(path, "title", [[Panel("memory", memory(*blocks))]])
    seen = pixels(path)
    patch = 1500
    cell = max(seen.get(colour, 0) for colour in parts) / max(parts.values())
    assert cell > 100
    for colour, pages in parts.items():
        assert seen.get(colour, 0) == pytest.approx(pages * cell, rel=0.03, abs=3 * patch)


def test_a_free_block_is_green_only_if_all_of_it_is_free(tmp_path: Path) -> None:
    """One page in use makes a block's free pages grey instead of green."""
    draw(tmp_path / "whole.png", "t", [[Panel("m", memory(FREE, OURS, OURS, OURS))]])
    draw(
        tmp_path / "broken.png",
        "t",
        [[Panel("m", memory([*FREE[1:], int(PageKind.DRIVER)], OURS, OURS, OURS))]],
    )
    whole, broken = pixels(tmp_path / "whole.png"), pixels(tmp_path / "broken.png")
    assert whole[GREEN] > 20 * broken[GREEN]
    assert broken[GREY] > 20 * whole[GREY]


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_ending_is_the_format(tmp_path: Path, ending: str, start: bytes) -> None:
    """png, svg and pdf are written as what they are called."""
    path = tmp_path / f"map.{ending}"
    draw(path, "title", [[Panel("memory", memory(FREE))]])
    assert path.read_bytes().startswith(start)


def test_the_words_are_in_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Titles, captions, the names given to drivers and the scale are on the picture; unused kinds are not."""
    import matplotlib as mpl

    monkeypatch.setitem(mpl.rcParams, "svg.fonttype", "none")
    path = tmp_path / "map.svg"
    panels = [Panel("left one", memory(FREE), "half empty"), Panel("right one", memory(OURS), "full")]
    draw(path, "both memories", [panels], {"d": "the driver"})
    text = path.read_text()
    for words in (
        "both memories",
        "left one",
        "right one",
        "half empty",
        "full",
        "the driver",
        "page of 4 KiB",
    ):
        assert f">{words}" in text or words in text
    assert "kernel" not in text


def test_the_key_names_kinds_that_occur(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every LRU kind in the map has its words and a colour of its own; a long key goes on in further lines."""
    import matplotlib as mpl

    monkeypatch.setitem(mpl.rcParams, "svg.fonttype", "none")
    kinds = [int(kind) for kind in PageKind if PageKind.INACTIVE_ANON <= kind <= PageKind.FILE_OFF_LRU]
    path = tmp_path / "map.svg"
    draw(path, "t", [[Panel("m", memory((kinds * BLOCK)[:BLOCK]))]])
    text = path.read_text()
    for words in (
        "anonymous, active",
        "anonymous, inactive",
        "file, active",
        "file, inactive",
        "unevictable",
    ):
        assert f">{words}<" in text
    assert ">in the swap cache<" in text
    assert ">anonymous, off the LRU<" in text
    assert ">file, off the LRU<" in text
    assert "kernel" not in text
    draw(tmp_path / "map.png", "t", [[Panel("m", memory((kinds * BLOCK)[:BLOCK]))]])
    seen = pixels(tmp_path / "map.png")
    assert len([colour for colour, count in seen.items() if count > 2000]) >= len(kinds) + 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("map", "a picture's name ends with .png, .svg or .pdf"),
        ("map.docx", "a picture's name ends with"),
        ("nowhere/map.png", "give a file in an existing folder"),
        ("folder.png", "give a file in an existing folder"),
    ],
)
def test_what_cannot_be_drawn_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    """An unknown ending, a missing folder or a folder is refused by the check and by draw(); nothing is written."""
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(MovableError, match=reason):
        demand_drawable(tmp_path / name)
    with pytest.raises(MovableError, match=reason):
        draw(tmp_path / name, "t", [[Panel("m", memory(FREE))]])
    assert [each.name for each in tmp_path.iterdir()] == ["folder.png"]


def test_without_matplotlib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where matplotlib is not installed the error names the extra to install."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MovableError, match=r"movable\[plot\]"):
        demand_drawable(tmp_path / "map.png")
