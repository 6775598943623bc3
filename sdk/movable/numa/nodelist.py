"""Lists of nodes and CPUs as people write them for numactl: ``0-2,5``, ``all``, ``!1``, ``+0``."""

import re
from collections.abc import Iterable, Iterator

from attrs import frozen

from movable.errors import ConfigError
from movable.process.nodemask import mask_of, node_list

__all__ = ["NodeList"]

_LONGEST = 4096
_RANGE = re.compile(r"(\d+)(?:-(\d+))?")
_DEVICE = re.compile(r"(netdev|ip|file|block|pci):")


@frozen
class NodeList:
    """A list as it was written; what it means follows from the nodes that the process may use.

    ``ranges`` holds first and last numbers. ``relative`` (``+``) counts among the allowed nodes, from 0; ``inverted``
    (``!``) stands for all allowed nodes but these; ``everything`` (``all``) for all of them.
    """

    text: str
    ranges: tuple[tuple[int, int], ...] = ()
    relative: bool = False
    inverted: bool = False
    everything: bool = False

    def __str__(self) -> str:
        return self.text

    @property
    def single(self) -> bool:
        """Whether it was written as one number."""
        return len(self.ranges) == 1 and self.ranges[0][0] == self.ranges[0][1] and not self.inverted

    @classmethod
    def parse(cls, text: str, where: str) -> "NodeList":
        """Read a list; ``where`` is the option or field, for the messages of ConfigError."""
        body = text.removeprefix("!")
        inverted = body != text
        absolute = body.removeprefix("+")
        relative = absolute != body
        if _DEVICE.match(absolute):
            raise ConfigError(f"{where}: {text!r}: an emulated machine has no devices; give node numbers")
        if absolute == "all":
            if relative:
                raise ConfigError(f"{where}: {text!r}: all is no number to count from; drop the +")
            return cls(text, inverted=inverted, everything=True)
        return cls(text, tuple(_ranges(absolute, text, where)), relative=relative, inverted=inverted)

    def resolve(self, allowed: Iterable[int], where: str, noun: str = "node") -> frozenset[int]:
        """The numbers that the list means for a process with these allowed. ConfigError: none, or one not allowed."""
        there = sorted(allowed)
        if self.everything:
            chosen = set(there)
        else:
            chosen = {self._one(number, there, where, noun) for number in self._numbers(there)}
        if self.inverted:
            chosen = set(there) - chosen
        if not chosen:
            raise ConfigError(f"{where}: {self.text!r} leaves no {noun} of {node_list(mask_of(there))}")
        return frozenset(chosen)

    def _numbers(self, there: list[int]) -> Iterator[int]:
        """The numbers as written. Within a range, nodes that are not there are passed over; its ends must be there."""
        known = set(range(len(there))) if self.relative else set(there)
        for first, last in self.ranges:
            yield first
            yield from (number for number in range(first + 1, last) if number in known)
            yield last

    def _one(self, number: int, there: list[int], where: str, noun: str) -> int:
        listed = node_list(mask_of(there))
        if self.relative:
            if number >= len(there):
                raise ConfigError(
                    f"{where}: {self.text!r}: +{number} is out of range; {len(there)} {noun}s may be used ({listed})"
                )
            return there[number]
        if number not in there:
            raise ConfigError(f"{where}: {self.text!r}: {noun} {number} is out of range; choose of {listed}")
        return number


def _ranges(body: str, text: str, where: str) -> Iterator[tuple[int, int]]:
    if not body:
        raise ConfigError(f"{where}: {text!r} has no numbers; give a list such as 0-2,5, or all")
    for part in body.split(","):
        match = _RANGE.fullmatch(part)
        if match is None:
            raise ConfigError(
                f"{where}: {text!r}: {part!r} is neither a number nor a range; a list is written 0-2,5 or all, "
                "with ! (all but these) and + (counted among those allowed) in front"
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ConfigError(f"{where}: {text!r}: the range {part} runs backwards; write {last}-{first}")
        if last >= _LONGEST:
            raise ConfigError(f"{where}: {text!r}: {last} is out of range")
        yield first, last
