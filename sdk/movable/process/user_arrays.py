"""Arrays that a process hands to a system call: any iterable of numbers, or a buffer used as it is."""

from array import array
from collections.abc import Iterable
from typing import Any, Literal

from attrs import frozen

from movable._core import ffi
from movable.errors import MovableError
from movable.process.nodemask import BAD_POINTER, BadPointer

__all__ = ["MoveArrays", "Numbers", "move_arrays"]

Numbers = Iterable[int] | Any
"""An iterable of int, or an object with the buffer interface: array.array, numpy.ndarray, memoryview."""


@frozen
class _Array:
    """``length`` numbers in memory at ``c``; a bad pointer has length 0. ``source`` keeps them alive."""

    c: Any
    length: int
    source: Any = None


_BAD = _Array(ffi.NULL, 0)


def _view(values: Any) -> memoryview | None:
    try:
        return memoryview(values)
    except TypeError:
        return None


def _from_buffer(
    argument: str, values: Any, view: memoryview, formats: str, what: str, *, writable: bool
) -> _Array:
    if view.format not in formats or view.ndim != 1 or not view.c_contiguous:
        raise MovableError(
            f"{argument}: a buffer must be one contiguous row of {what}, not of format {view.format!r} in {view.ndim} "
            "dimensions"
        )
    if writable and view.readonly:
        raise MovableError(f"{argument}: the buffer must be writable")
    kind = "unsigned long[]" if view.itemsize == 8 else "int[]"
    # Of the caller's own object: a view of it that cffi holds cannot be collected as a part of a cycle.
    return _Array(ffi.from_buffer(kind, values, require_writable=writable), len(view), values)


def _from_numbers(argument: str, values: Iterable[int], code: str, what: str) -> _Array:
    try:
        numbers = array(code, values)
    except (TypeError, OverflowError) as error:
        raise MovableError(f"{argument}: must be {what}, or a buffer of them: {error}") from None
    kind = "unsigned long[]" if code == "Q" else "int[]"
    return _Array(ffi.from_buffer(kind, numbers), len(numbers), numbers)


def _addresses_of(addresses: Numbers | Literal[BadPointer.BAD_POINTER]) -> _Array:
    """Addresses: 64-bit, unsigned."""
    if addresses is BAD_POINTER:
        return _BAD
    what, view = "64-bit unsigned numbers", _view(addresses)
    if view is not None:
        return _from_buffer("addresses", addresses, view, "QLN", what, writable=False)
    return _from_numbers("addresses", addresses, "Q", what)


def _nodes_of(nodes: Numbers | Literal[BadPointer.BAD_POINTER]) -> _Array:
    """Node numbers: 32-bit, signed."""
    if nodes is BAD_POINTER:
        return _BAD
    what, view = "32-bit signed numbers", _view(nodes)
    if view is not None:
        return _from_buffer("nodes", nodes, view, "i", what, writable=False)
    return _from_numbers("nodes", nodes, "i", what)


def _statuses_of(status: Any, length: int) -> _Array:
    """Where statuses are written, 32-bit signed numbers: a buffer of the caller's, or (None) a new array."""
    if status is BAD_POINTER:
        return _BAD
    place = array("i", bytes(4 * length)) if status is None else status
    view = _view(place)
    if view is None:
        raise MovableError(f"status: must be a writable buffer of 32-bit numbers, not {status!r}")
    return _from_buffer("status", place, view, "i", "32-bit signed numbers", writable=True)


@frozen
class MoveArrays:
    """The arrays of one move_pages; ``c`` is what the core gets."""

    c: Any
    arrays: tuple[_Array, ...]

    def statuses(self) -> list[int]:
        """The statuses, as a list."""
        status: list[int] = self.arrays[-1].source.tolist()
        return status


def move_arrays(addresses: Any, nodes: Any, status: Any, count: int | None) -> MoveArrays:
    """The arguments of move_pages (`MovingCalls.move_pages`). MovableError names the one that is wrong."""
    pages, targets = _addresses_of(addresses), None if nodes is None else _nodes_of(nodes)
    if count is None:
        count = _common_length(pages, targets, status)
    count &= 0xFFFF_FFFF_FFFF_FFFF
    statuses = _statuses_of(status, min(count, pages.length))
    c = ffi.new("struct mv_move_arrays *")
    c.count = count
    c.pages, c.nr_pages = pages.c, pages.length
    c.status, c.nr_status = statuses.c, statuses.length
    if targets is not None:
        c.nodes, c.nr_nodes = targets.c, targets.length
    return MoveArrays(c, tuple(each for each in (pages, targets, statuses) if each is not None))


def _common_length(pages: _Array, targets: _Array | None, status: Any) -> int:
    """How many entries the arrays have; bad pointers have as many as the others, or one."""
    given = _statuses_of(status, 0) if status is not None else None
    lengths = {
        name: array.length
        for name, array in (("addresses", pages), ("nodes", targets), ("status", given))
        if array is not None and array.c != ffi.NULL
    }
    if len(set(lengths.values())) > 1:
        text = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise MovableError(f"addresses, nodes, status: must be of one length, or count says how long: {text}")
    return next(iter(lengths.values()), 1)
