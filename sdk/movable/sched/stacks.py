"""Where a CPU is, in lines a person reads."""

import traceback
from itertools import dropwhile
from pathlib import Path
from types import FrameType

__all__ = ["of_exception", "of_frame"]

_SHOWN = 8
_SCHED = str(Path(__file__).parent)
_SDK = str(Path(__file__).parents[1])


def of_frame(frame: FrameType) -> str:
    """The innermost lines of a suspended CPU's stack, down to the call that it is in."""
    return _text(traceback.extract_stack(frame))


def of_exception(error: BaseException) -> str:
    """The innermost lines of the stack that an exception has come from, down to the call that raised it.

    Of one that was raised from another it is the first one's stack that tells.
    """
    while error.__cause__ is not None and error.__cause__.__traceback__ is not None:
        error = error.__cause__
    return _text(traceback.extract_tb(error.__traceback__))


def _text(frames: traceback.StackSummary) -> str:
    kept = [frame for frame in frames if not frame.filename.startswith(_SCHED)]
    kept = _down_to_call(kept)[-_SHOWN:]
    return "\n".join(f"{Path(one.filename).name}:{one.lineno} in {one.name}: {one.line}" for one in kept)


def _down_to_call(frames: list[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    """Without what happens inside a call into the SDK: of that its first line is enough, two if it is all."""
    outside = list(dropwhile(_is_ours, reversed(frames)))
    return frames[: len(outside) + (1 if outside else 2)]


def _is_ours(frame: traceback.FrameSummary) -> bool:
    return frame.filename.startswith(_SDK)
