"""Pictures of page maps, side by side (extra ``plot``)."""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any

from attrs import frozen

from movable.errors import MovableError
from movable.observe.pagemap import PageKind, PageMap

__all__ = ["Panel", "demand_drawable", "draw"]

_BLOCK = 512
_TILE_WIDTH, _TILE_HEIGHT = 32, 16

_PANEL_INCHES = 6.6
_PANEL_PIXELS = 1100

_KEY_LINE = 0.26
"""Inches."""

_PAPER = "#ffffff"
_WHOLE_BLOCK = "#7fd0b0"
_COLOURS = {
    PageKind.HOLE: _PAPER,
    PageKind.FREE: "#e9e9e4",
    PageKind.RESERVED: "#8a8a8a",
    PageKind.INACTIVE_ANON: "#c9b3e6",
    PageKind.ACTIVE_ANON: "#7b4fb0",
    PageKind.INACTIVE_FILE: "#d9c58b",
    PageKind.ACTIVE_FILE: "#8c6d1f",
    PageKind.UNEVICTABLE: "#8f1d2c",
    PageKind.SWAP_CACHE: "#2f7f86",
    PageKind.ANON_OFF_LRU: "#f0a6c8",
    PageKind.FILE_OFF_LRU: "#f2e57a",
    PageKind.KERNEL: "#222222",
}
_DRIVER_COLOURS = ("#0072b2", "#e69f00", "#cc79a7", "#56b4e9", "#d55e00")
"""Told apart by the colour-blind too (Okabe and Ito's set)."""

_WORDS = {
    PageKind.INACTIVE_ANON: "anonymous, inactive",
    PageKind.ACTIVE_ANON: "anonymous, active",
    PageKind.INACTIVE_FILE: "file, inactive",
    PageKind.ACTIVE_FILE: "file, active",
    PageKind.UNEVICTABLE: "unevictable",
    PageKind.SWAP_CACHE: "in the swap cache",
    PageKind.ANON_OFF_LRU: "anonymous, off the LRU",
    PageKind.FILE_OFF_LRU: "file, off the LRU",
    PageKind.KERNEL: "kernel, cannot move",
}
"""What is named in the key where it occurs."""

_SCALE = (
    "one cell is a page of 4 KiB, one tile a block of 2 MiB; addresses rise from left to right and downwards"
)


@frozen
class Panel:
    """One memory in a picture: its map, what it is, and what to say about it below that."""

    title: str
    memory: PageMap
    caption: str = ""


def demand_drawable(path: str | PathLike[str]) -> None:
    """Refuse a picture that draw() could not write, before minutes are spent on what it shows.

    MovableError: matplotlib is not installed, it has no such format, or there is no such folder.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MovableError("drawing needs matplotlib: pip install 'movable[plot]'") from error
    target = Path(path)
    formats = Figure().canvas.get_supported_filetypes()
    if target.suffix.lower().removeprefix(".") not in formats:
        raise MovableError(f"{path}: a picture's name ends with .png, .svg or .pdf")
    if target.is_dir() or not target.parent.is_dir():
        raise MovableError(f"{path}: give a file in an existing folder")


def draw(
    path: str | PathLike[str],
    title: str,
    rows: Sequence[Sequence[Panel]],
    names: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Draw panels in rows and columns to a file; its ending (png, svg, pdf) says in which format.

    A page is a cell, a pageblock a tile of 32 by 16 cells, tiles run like lines of text. ``names`` gives
    drivers the names that the picture shows. Pageblocks that are wholly free have a colour of their own.

    MovableError: as for demand_drawable(), or the file cannot be written.
    """
    demand_drawable(path)
    from matplotlib.figure import Figure

    drivers = list(dict.fromkeys(name for row in rows for panel in row for name in panel.memory.drivers))
    colours = dict(zip(drivers, _DRIVER_COLOURS, strict=False))
    down, across = _image(rows[0][0].memory, colours).shape[:2]
    height = _PANEL_INCHES * down / across + 0.6
    columns = max(len(row) for row in rows)
    width = _PANEL_INCHES * columns + 0.2 * (columns + 1)
    key = _lines(_labels(rows, colours, names), 0.96 * width)
    more = _KEY_LINE * (len(key) - 1)
    # Whole pixels for a cell, so that all cells look the same.
    dpi = across * max(round(_PANEL_PIXELS / across), 1) / _PANEL_INCHES
    size = width, height * len(rows) + 1.3 + more
    figure = Figure(figsize=size, facecolor=_PAPER, dpi=dpi)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for axes_row, row in zip(grid, rows, strict=True):
        for axes, panel in zip(axes_row, row, strict=False):
            axes.imshow(_image(panel.memory, colours), interpolation="nearest", aspect="equal")
            axes.set_title(panel.title, loc="left", fontsize=13, fontweight="bold", pad=22)
            axes.text(0, 1.02, panel.caption, transform=axes.transAxes, fontsize=10.5, color="#444444")
    for axes in grid.flat:
        axes.axis("off")
    top = 1 - (0.95 + more) / figure.get_figheight()
    figure.subplots_adjust(
        left=0.02, right=0.98, bottom=0.4 / figure.get_figheight(), top=top - 0.03, wspace=0.04, hspace=0.16
    )
    figure.text(0.02, 1 - 0.34 / figure.get_figheight(), title, fontsize=15.5, fontweight="bold", va="center")
    figure.text(0.02, 0.2 / figure.get_figheight(), _SCALE, fontsize=10.5, color="#444444", va="center")
    for number, line in enumerate(key):
        _key(figure, 1 - (0.66 + number * _KEY_LINE) / figure.get_figheight(), line)
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise MovableError(f"{path}: cannot be drawn: {error}") from error


def _labels(
    rows: Sequence[Sequence[Panel]], colours: Mapping[str, str], names: Mapping[str, str]
) -> list[tuple[str, str]]:
    """What the colours that occur in the picture mean."""
    maps = [panel.memory for row in rows for panel in row]
    labels = [(colour, names.get(name, name)) for name, colour in colours.items()]
    labels += [
        (_COLOURS[kind], words)
        for kind, words in _WORDS.items()
        if any(memory.count(kind) for memory in maps)
    ]
    labels.append((_COLOURS[PageKind.FREE], "free"))
    labels.append((_WHOLE_BLOCK, "free, a whole 2 MiB block"))
    return labels


def _lines(labels: Sequence[tuple[str, str]], inches: float) -> list[list[tuple[str, str]]]:
    """The labels, as many on a line as there is room for."""
    lines: list[list[tuple[str, str]]] = [[]]
    room = inches
    for label in labels:
        needed = 0.6 + 0.085 * len(label[1])
        if needed > room and lines[-1]:
            lines.append([])
            room = inches
        lines[-1].append(label)
        room -= needed
    return lines


def _key(figure: Any, y: float, labels: Sequence[tuple[str, str]]) -> None:
    """One line of words, each beside a patch of its colour."""
    from matplotlib.patches import Rectangle

    inch = 1 / figure.get_figwidth()
    x = 0.02
    for colour, text in labels:
        patch = Rectangle(
            (x, y - 0.065 / figure.get_figheight()),
            0.2 * inch,
            0.15 / figure.get_figheight(),
            transform=figure.transFigure,
            facecolor=colour,
            edgecolor="#777777",
            linewidth=0.5,
        )
        figure.add_artist(patch)
        word = figure.text(x + 0.28 * inch, y, text, fontsize=11, va="center")
        x += 0.6 * inch + word.get_window_extent().width / figure.bbox.width


def _image(memory: PageMap, colours: Mapping[str, str]) -> Any:
    """The cells of a map as an array of colours."""
    import numpy
    from matplotlib.colors import to_rgb

    palette = numpy.ones((256, 3))
    for kind, colour in _COLOURS.items():
        palette[kind] = to_rgb(colour)
    for number, name in enumerate(memory.drivers):
        palette[PageKind.DRIVER + number] = to_rgb(colours.get(name, "#d55e00"))
    whole = 255
    palette[whole] = to_rgb(_WHOLE_BLOCK)
    kinds = numpy.frombuffer(b"".join(zone.kinds for zone in memory.zones), dtype=numpy.uint8)
    kinds = numpy.pad(kinds, (0, -len(kinds) % _BLOCK), constant_values=PageKind.HOLE)
    tiles = kinds.reshape(-1, _TILE_HEIGHT, _TILE_WIDTH).copy()
    tiles[(tiles == PageKind.FREE).all(axis=(1, 2))] = whole
    across = max(int((len(tiles) * _TILE_HEIGHT * 2 / _TILE_WIDTH) ** 0.5), 1)
    down = -(-len(tiles) // across)
    image = numpy.ones((down * (_TILE_HEIGHT + 1) + 1, across * (_TILE_WIDTH + 1) + 1, 3))
    for number, tile in enumerate(tiles):
        top = number // across * (_TILE_HEIGHT + 1) + 1
        left = number % across * (_TILE_WIDTH + 1) + 1
        image[top : top + _TILE_HEIGHT, left : left + _TILE_WIDTH] = palette[tile]
    return image
