"""Output files of commands."""

import os
from pathlib import Path

from movable.errors import ConfigError

__all__ = ["demand_writable", "write_text"]


def demand_writable(path: Path, option: str = "--json") -> None:
    """Refuse a report file that cannot be written, before minutes are spent. ConfigError."""
    folder = path.parent
    if path.is_dir() or not folder.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise ConfigError(f"{option}: cannot write {path}: give a file in an existing, writable folder")


def write_text(path: Path, text: str, option: str) -> None:
    """Write a report file. ConfigError names the option if it cannot be written after all."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{option}: cannot write {path}: {error.strerror}") from error
