"""A plugin that replays recordings of clocks."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fidelity.clocks import Clocks

Write = Callable[..., Path]


@pytest.fixture
def offers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The adapters that are installed; a test may change the list."""
    adapters: list[Any] = [Clocks()]
    module = sys.modules["movable.fidelity.replay"]  # the package has a function of this name
    monkeypatch.setattr(module, "installed_offers", lambda hook: tuple(adapters))
    return adapters


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a recording to a file."""

    def write(content: object, name: str = "clocks.json") -> Path:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write
