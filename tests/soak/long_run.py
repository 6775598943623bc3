"""Random operations on processes for as long as one likes: ``PYTHONPATH=tests python -m soak.long_run``.

Prints how many operations of each kind were done, and what they did. A seed that fails is cut down to few steps.
"""

import argparse
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter

from soak.beside import carry_out_beside, plan_beside
from soak.plan import Failure, Step, carry_out, plan, shrink

Runner = Callable[[int, Sequence[Step]], tuple[Failure | None, Counter[str]]]
"""Carries out steps with a seed."""


def parse(text: str) -> list[Step]:
    """Steps from a file, one a line."""
    lines = (line.split() for line in text.splitlines() if line.strip())
    return [Step(name, int(cpu), int(seed)) for name, cpu, seed in lines]


def explain(runner: Runner, seed: int, steps: list[Step], failure: Failure, *, cut: bool) -> str:
    """The failure, with the fewest steps that repeat it."""
    kept = steps[: failure.at]
    if cut:
        kept = shrink(kept, lambda rest: repeats(runner, seed, rest, failure))
    again, _ = runner(seed, kept)
    error = again or failure
    return "\n".join(
        [
            f"seed {seed} fails at step {failure.at} of {len(steps)}; {len(kept)} steps repeat it:",
            *(f"    {step}" for step in kept),
            "what they do:",
            *(f"    {line}" for line in error.log),
            "".join(traceback.format_exception(error.error)),
        ]
    )


def repeats(runner: Runner, seed: int, steps: Sequence[Step], failure: Failure) -> bool:
    """Whether steps fail in the same way: at the same line."""
    again, _ = runner(seed, steps)
    return again is not None and again.place == failure.place


def report(counts: Counter[str], operations: int, seconds: float) -> str:
    """How many operations of each kind there were, and what they did."""
    lines = [f"{number:>11,} {name}" for name, number in counts.most_common()]
    return "\n".join([*lines, f"{operations:>11,} operations in {seconds:.0f} s"]) + "\n"


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=50_000, help="how many to do at least")
    parser.add_argument("--each", type=int, default=2_000, help="how many on one machine")
    parser.add_argument(
        "--schedules", action="store_true", help="on several CPUs at once, one seed a schedule"
    )
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--debug", type=int, default=1, help="2: a full recount after each call")
    parser.add_argument("--no-shrink", dest="shrink", action="store_false", help="a failing seed as it is")
    parser.add_argument(
        "--steps", type=Path, help="repeat the steps in a file, as they were printed, with --seed"
    )
    return parser.parse_args()


def main() -> int:
    """Run until as many operations as asked for were done; 1 if a seed fails."""
    args = arguments()
    total: Counter[str] = Counter()
    start, seed, done = perf_counter(), args.seed, 0
    runner: Runner = partial(carry_out_beside if args.schedules else carry_out, debug=args.debug)
    while done < args.operations:
        steps = plan_beside(seed) if args.schedules else plan(seed, args.each)
        if args.steps:
            steps = parse(args.steps.read_text())
        failure, counts = runner(seed, steps)
        if failure is not None:
            sys.stdout.write(explain(runner, seed, steps, failure, cut=args.shrink))
            return 1
        total += counts
        done += len(steps)
        seed += 1
        sys.stderr.write(f"\r{done:,} of {args.operations:,} operations")
        if args.steps:
            break
    sys.stderr.write("\n")
    sys.stdout.write(report(total, done, perf_counter() - start))
    return 0


if __name__ == "__main__":
    sys.exit(main())
