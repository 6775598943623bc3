"""``movable explain``: how the machine does what it does, shown on a real page."""

from cyclopts import App
from rich.console import Console
from rich.table import Table
from rich.text import Text

from movable.errors import MovableError
from movable.flags import MigrateMode
from movable.observe import PAGE_KINDS, Explanation, explain_migration
from movable.vm import STEPS, MigrationStep

__all__ = ["register"]

explain = App(name="explain", help="Show how the machine does something, on a real page.")


def register(app: App) -> None:
    """Add the command to the application."""
    app.command(explain)


@explain.command(name="migrate")
def migrate_command(page: str = "anon", *, mode: str = "sync") -> int:
    """Move a page and print each step of the kernel's page migration document as it happened.

    Parameters
    ----------
    page:
        Its kind: anon, shared (by fork), locked, swap, file, buffers, nomethod or tmpfs.
    mode:
        async, sync_light or sync.
    """
    try:
        chosen = MigrateMode[mode.upper()]
    except KeyError:
        names = ", ".join(each.name.lower() for each in MigrateMode)
        raise MovableError(f"--mode: must be one of {names}, not {mode!r}") from None
    _print(Console(), explain_migration(page, chosen))
    return 0


def _print(console: Console, explanation: Explanation) -> None:
    console.print(
        Text(f"{explanation.kind}: {PAGE_KINDS[explanation.kind]}, {explanation.mode.name}", "bold")
    )
    table = Table(
        "step", "what", "pages", "old refs/maps", "new refs/maps", "where in the core", expand=False
    )
    for step in explanation.steps:
        table.add_row(*map(Text, _cells(step)))
    console.print(table)
    done = "moved" if not explanation.result else f"not moved: migrate_pages returned {explanation.result}"
    console.print(Text(done))
    for name in explanation.absent:
        console.print(Text(f"{name} ({STEPS[name]}): not needed for this page", "dim"))


def _cells(step: MigrationStep) -> tuple[str, ...]:
    has_target = step.newpfn is not None
    return (
        step.name,
        step.what,
        f"{step.pfn:#x} -> {step.newpfn:#x}" if step.newpfn is not None else f"{step.pfn:#x}",
        f"{step.refs}/{step.mapcount}",
        f"{step.new_refs}/{step.new_mapcount}" if has_target else "",
        step.where,
    )
