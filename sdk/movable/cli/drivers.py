"""``movable drivers``: what is installed, and what is broken and why."""

from cyclopts import App
from rich.console import Console
from rich.text import Text

from movable.conformance.registry import CLAIMS
from movable.drivers import Capabilities, broken_providers, installed_drivers

__all__ = ["register"]


def register(app: App) -> None:
    """Add the command to the application."""
    app.command(drivers_command, name="drivers")


def drivers_command() -> int:
    """List the installed drivers, and the providers that could not be loaded."""
    console = Console(soft_wrap=True)
    installed = installed_drivers()
    rows = [("driver", "claims", "summary")]
    rows += [(name, _claims(spec.capabilities), spec.summary) for name, spec in sorted(installed.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for row in rows if installed else ():
        console.print(Text(f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]}".rstrip()))
    if not installed:
        console.print("no driver is installed")
    for name, reason in sorted(broken_providers().items()):
        console.print(Text(f"broken: {name}: {reason}", "red"))
    return 0


def _claims(capabilities: Capabilities) -> str:
    claimed = [name for name in CLAIMS if getattr(capabilities, name)]
    return ", ".join([*claimed, f"objects up to {capabilities.max_object} bytes"])
