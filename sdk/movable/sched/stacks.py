"""Where a CPU is, in lines a person reads."""

import traceback
from pathlib import Path
from types import FrameType

__all__ = ["of_exception", "of_frame"]

_SHOWN = 8
_OURS = str(Path(__file__).parent)


def of_frame(frame: FrameType) -> str:
    """The innermost lines of a suspended CPU's stack."""
    return _text(traceback.extract_stack(frame))


def of_exception(error: BaseException) -> str:
    """The innermost lines of the stack that an exception has come from."""
    return _text(traceback.extract_tb(error.__traceback__))


def _text(frames: traceback.StackSummary) -> str:
    kept = [frame for frame in frames if not frame.filename.startswith(_OURS)][-_SHOWN:]
    return "\n".join(f"{Path(one.filename).name}:{one.lineno} in {one.name}: {one.line}" for one in kept)
