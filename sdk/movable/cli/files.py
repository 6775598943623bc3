"""Output files of commands."""

import os
from pathlib import Path

from movable.errors import ConfigError

__all__ = ["demand_writable"]


def demand_writable(path: Path) -> None:
    """Refuse a report file that cannot be written, before minutes are spent. ConfigError."""
    folder = path.parent
    if path.is_dir() or not folder.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise ConfigError(f"--json: cannot write {path}: give a file in an existing, writable folder")
