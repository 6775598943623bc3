"""Random operations on a VM, the small number of them that every test run affords."""

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from stateful.operations import Operations

EXAMPLES = 40
STEPS = 60
WANTED = {"alloc", "free", "inflate", "deflate", "isolate", "migrate", "putback", "compact", "store", "drop"}


def test_random_operations_keep_the_books() -> None:
    """Whatever is done to a VM, no rule is broken, free + used = managed, and contents are kept."""
    Operations.counts.clear()
    run_state_machine_as_test(
        Operations,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert Operations.counts.total() > EXAMPLES * STEPS / 2
    assert set(Operations.counts) >= WANTED
