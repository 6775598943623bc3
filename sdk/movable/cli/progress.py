"""A progress bar on a terminal; nothing where output goes elsewhere."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from movable.conformance import CheckResult, all_checks

__all__ = ["Watch"]


class Watch:
    """Shows how far the judgement of one driver is. A context manager; ``result`` takes each result."""

    def __init__(self, console: Console, name: str, *, silent: bool) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            auto_refresh=False,  # no thread: the processes of --jobs are forked from this one
            disable=silent or not console.is_terminal,
        )
        self._task = self._progress.add_task(name, total=len(all_checks()))

    def result(self, result: CheckResult) -> None:
        """One check is over."""
        self._progress.update(self._task, advance=1, refresh=True)

    def __enter__(self) -> "Watch":
        self._progress.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.__exit__(kind, error, trace)
