"""Judging checks in several processes: the same results as one process, sooner.

Each worker is forked, so that it has the driver without importing it again, and judges one check at a time. A driver
that takes its process down fails that check; the others go on in a new process.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from attrs import define

from movable.conformance.contract import CONTRACT
from movable.conformance.finding import Finding
from movable.conformance.registry import Check
from movable.conformance.runner import OnResult, Runner

__all__ = ["run_parallel"]


def run_parallel(runner: Runner, jobs: int, on_result: OnResult | None = None) -> None:
    """Run what the runner has selected in ``jobs`` processes; ``on_result`` sees the results in order."""
    waiting = list(runner.checks)
    unseen = list(runner.checks)
    with _workers(runner, jobs) as workers:
        while unseen:
            _hand_out(runner, waiting, workers)
            _take_in(runner, workers)
            while unseen and unseen[0].id in runner.ends:
                check = unseen.pop(0)
                if on_result is not None:
                    on_result(runner.told(check))


@define
class _Worker:
    """A process, this end of its pipe, and the check that it judges now."""

    process: BaseProcess
    pipe: Connection
    check: Check | None = None

    def give(self, runner: Runner, check: Check) -> None:
        """Let the process judge a check."""
        self.check = check
        with suppress(BrokenPipeError):  # the end of a process shows when its answer is read
            self.pipe.send((check.id, runner.settings_of(check)))

    def end(self) -> None:
        """Stop the process, whatever it does."""
        self.pipe.close()
        self.process.kill()
        self.process.join()


@contextmanager
def _workers(runner: Runner, jobs: int) -> Iterator[list[_Worker]]:
    workers: list[_Worker] = []
    try:
        workers += (_start(runner) for _ in range(jobs))
        yield workers
    finally:
        for worker in workers:
            worker.end()


def _start(runner: Runner) -> _Worker:
    context = get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(runner, theirs), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _serve(runner: Runner, pipe: Connection) -> None:
    """The life of a worker: judge what comes until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, BrokenPipeError):
        while True:
            check_id, settings = pipe.recv()
            pipe.send(runner.judge(runner.by_id[check_id], settings))


def _hand_out(runner: Runner, waiting: list[Check], workers: list[_Worker]) -> None:
    """Decide what needs no process, and give idle processes the first checks whose requirements have ended."""
    idle = [worker for worker in workers if worker.check is None]
    for check in list(waiting):
        if not all(name in runner.ends for name in check.requires):
            continue
        if check.id not in runner.ends:
            end = runner.unrun(check)
            if end is None and not idle:
                continue
            if end is None:
                idle.pop(0).give(runner, check)
            else:
                runner.enter(check, end)
        waiting.remove(check)


def _take_in(runner: Runner, workers: list[_Worker]) -> None:
    """Wait for answers, and enter them; a process that has died is replaced."""
    busy = [worker for worker in workers if worker.check is not None]
    ready = wait([worker.pipe for worker in busy]) if busy else []
    for worker in busy:
        check = worker.check
        if check is None or worker.pipe not in ready:
            continue
        try:
            end = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join()
            end = runner.judge.failed(check, _died(check, worker.process.exitcode), None)
            workers[workers.index(worker)] = _start(runner)
            worker.end()
        runner.enter(check, end)
        worker.check = None


def _died(check: Check, code: int | None) -> Finding:
    how = f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit status {code}"
    return Finding(
        f"the driver ended its process ({how})", CONTRACT.clause(check.clauses[0]), "process-ended"
    )
