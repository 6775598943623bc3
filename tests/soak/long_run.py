"""Random operations on processes for as long as one likes: ``PYTHONPATH=tests python -m soak.long_run``.

Prints how many operations of each kind were done, and what they did. A seed that fails is cut down to few steps.
"""

import argparse
import sys
import traceback
from collections import Counter
from collections.abc import Sequence
from time import perf_counter

from soak.plan import Failure, Step, carry_out, plan, shrink


def parse(text: str) -> list[Step]:
    """Steps from a file, one a line."""
    lines = (line.split() for line in text.splitlines() if line.strip())
    return [Step(name, int(cpu), int(seed)) for name, cpu, seed in lines]


def explain(seed: int, steps: list[Step], failure: Failure, debug: int, *, cut: bool) -> str:
    """The failure, with the fewest steps that repeat it."""
    kept = steps[: failure.at]
    if cut:
        kept = shrink(kept, lambda rest: repeats(seed, rest, debug, failure))
    again, _ = carry_out(seed, kept, debug=debug)
    error = again or failure
    lines = traceback.format_exception(error.error)
    return "\n".join(
        [
            f"seed {seed} fails at step {failure.at} of {len(steps)}; {len(kept)} steps repeat it:",
            *(f"    {step}" for step in kept),
            "what they do:",
            *(f"    {line}" for line in error.log),
            "".join(lines),
        ]
    )


def repeats(seed: int, steps: Sequence[Step], debug: int, failure: Failure) -> bool:
    """Whether steps fail in the same way: at the same line of the tests."""
    again, _ = carry_out(seed, steps, debug=debug)
    return again is not None and again.place == failure.place


def report(counts: Counter[str], operations: int, seconds: float) -> str:
    """How many operations of each kind there were, and what they did."""
    lines = [f"{number:>11,} {name}" for name, number in counts.most_common()]
    return "\n".join([*lines, f"{operations:>11,} operations in {seconds:.0f} s"]) + "\n"


def main() -> int:
    """Run until as many operations as asked for were done; 1 if a seed fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=50_000, help="how many to do at least")
    parser.add_argument("--each", type=int, default=5_000, help="how many on one machine")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--debug", type=int, default=1, help="2: a full recount after each call")
    parser.add_argument(
        "--no-shrink", dest="shrink", action="store_false", help="print a failing seed as it is"
    )
    parser.add_argument("--steps", help="repeat steps from a file, as they are printed")
    args = parser.parse_args()
    total: Counter[str] = Counter()
    start, seed, done = perf_counter(), args.seed, 0
    while done < args.operations:
        if args.steps:
            with open(args.steps) as file:
                steps = parse(file.read())
        else:
            steps = plan(seed, args.each)
        failure, counts = carry_out(seed, steps, debug=args.debug)
        if failure is not None:
            sys.stdout.write(explain(seed, steps, failure, args.debug, cut=args.shrink))
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
