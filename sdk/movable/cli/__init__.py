"""The command ``movable``: parses arguments, calls the public Python functions, prints what they return."""

from movable.cli.app import main

__all__ = ["main"]
