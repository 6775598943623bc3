"""Reads the README and the documentation as the tests need them."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def root() -> Path:
    """The folder of the repository."""
    return ROOT
