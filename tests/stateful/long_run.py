"""Random operations on a VM for as long as one likes: ``PYTHONPATH=tests python -m stateful.long_run``.

Prints how many operations of each kind were executed; ends with Hypothesis' shortest example if one fails.
"""

import argparse
import sys
from time import perf_counter

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from stateful.operations import Operations

STEPS = 100
ROUND = 100


def run(examples: int) -> None:
    """Run so many examples of at most STEPS operations each."""
    run_state_machine_as_test(
        Operations,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def report(seconds: float) -> str:
    """How many operations of each kind there were, and what they did."""
    lines = [f"{number:>9,} {name}" for name, number in Operations.counts.most_common()]
    lines += [f"{number:>9,} {name} (counter)" for name, number in Operations.events.items()]
    lines.append(
        f"{Operations.counts.total():>9,} operations in {seconds:.0f} s, each followed by a full recount"
    )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run until as many operations as asked for were executed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=100_000, help="how many to execute at least")
    wanted = parser.parse_args().operations
    start = perf_counter()
    try:
        while Operations.counts.total() < wanted:
            run(ROUND)
            sys.stderr.write(f"\r{Operations.counts.total():,} of {wanted:,}")
    finally:
        sys.stderr.write("\n")
        sys.stdout.write(report(perf_counter() - start))


if __name__ == "__main__":
    main()
