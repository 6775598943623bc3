"""The extra that stateful tests need."""

from movable.errors import MovableError

__all__ = ["HypothesisMissing"]


class HypothesisMissing(MovableError, ImportError):
    """Hypothesis is not installed."""


try:
    import hypothesis  # noqa: F401
except ImportError as missing:
    raise HypothesisMissing(
        "stateful tests need Hypothesis; install it with: pip install 'movable[stateful]'"
    ) from missing
