"""The names of a new driver: what its author typed, and the package and class made of it."""

import keyword
import re
import sys

from attrs import frozen

from movable.errors import ConfigError

__all__ = ["DriverName"]

_FORM = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
_MOST = 40
_RESERVED = frozenset({"movable", "driver", "drivers", "conformance", "sdk", "test", "tests", "core", "all"})


@frozen
class DriverName:
    """A driver's name in its forms, all made from one word: letters, digits, ``-`` or ``_``.

    ``name`` is what ``movable check`` takes, ``distribution`` what pip installs, ``package`` what Python imports,
    ``type`` the class.
    """

    name: str

    @classmethod
    def of(cls, text: str) -> "DriverName":
        """Accept a name.

        Raises:
            ConfigError: it is no name, or one that stands for something else already.
        """
        if not _FORM.fullmatch(text) or len(text) > _MOST:
            raise ConfigError(
                f"name: {text!r} cannot name a driver; use at most {_MOST} lower-case letters and digits, in words "
                f"joined by - or _, a letter first{_suggest(text)}"
            )
        name = cls(text)
        word = text.replace("-", "_")
        if word in _RESERVED or word.startswith("movable_"):
            raise ConfigError(f"name: {text!r} stands for something else in movable; choose another")
        if keyword.iskeyword(word) or keyword.issoftkeyword(word) or word in sys.stdlib_module_names:
            raise ConfigError(f"name: {text!r} is a word or a module of Python itself; choose another")
        return name

    @property
    def distribution(self) -> str:
        """``movable-tape-cache``"""
        return f"movable-{self.name.replace('_', '-')}"

    @property
    def package(self) -> str:
        """``movable_tape_cache``"""
        return f"movable_{self.name.replace('-', '_')}"

    @property
    def type(self) -> str:
        """``TapeCache``"""
        return "".join(part.capitalize() for part in re.split("[-_]", self.name))


def _suggest(text: str) -> str:
    """A name close to a bad one, if it has letters to make one of."""
    words = re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", text).lower())
    candidate = "-".join(words).lstrip("0123456789-")[:_MOST].rstrip("-")
    return f": {candidate!r}, say" if _FORM.fullmatch(candidate) else ""
