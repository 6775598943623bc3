"""How a driver to judge is named."""

import pytest
from mutants.cells import Cells
from mutants.halves import SPEC as HALVES

from movable import DriverError, DriverSpec, check, find_driver
from movable.conformance.target import resolve

SPEC = DriverSpec("spec-here", Cells, lambda driver: driver)


def test_an_installed_driver_is_found_by_name() -> None:
    """A name is looked up among installed drivers, and repeats under that name."""
    target = resolve("balloon")
    assert target.spec is find_driver("balloon")
    assert target.repeat("LOAD") == "movable check balloon -k LOAD"
    assert resolve(target.spec).address == "balloon"


def test_a_class_is_its_own_workload() -> None:
    """A class is wrapped; its capabilities are those it states, and its address makes a command."""
    target = resolve(Cells)
    assert target.spec.name == "Cells"
    assert target.spec.capabilities is Cells.capabilities
    assert target.repeat("LOAD") == "movable check mutants.cells:Cells -k LOAD"


def test_an_address_is_imported() -> None:
    """module:attribute names a class or a spec."""
    assert resolve("mutants.cells:Cells").spec.factory is Cells
    assert resolve("mutants.halves:SPEC").spec is HALVES


def test_what_no_command_can_name_repeats_in_python() -> None:
    """A class made in a function has no address: the repeat line is a Python call."""
    local = type("Local", (Cells,), {"__qualname__": "f.<locals>.Local"})
    assert resolve(local).repeat("LOAD") == "movable.check(Local, select='LOAD')"
    assert resolve(SPEC).repeat("LOAD") == "movable.check(spec-here, select='LOAD')"


@pytest.mark.parametrize(
    ("driver", "told"),
    [
        ("nobody", "installed: balloon"),
        ("no.such.module:X", "ModuleNotFoundError"),
        ("mutants.cells:Nothing", "AttributeError"),
        ("mutants.cells:GFP.KERNEL", "neither a DriverSpec nor a class"),
    ],
)
def test_an_unknown_driver_is_an_error(driver: str, told: str) -> None:
    """The error says what was looked for, and what there is."""
    with pytest.raises(DriverError, match=told):
        check(driver)


def test_something_else_is_refused() -> None:
    """A number is no driver."""
    with pytest.raises(DriverError, match="expected a name"):
        check(7)  # type: ignore[arg-type]
