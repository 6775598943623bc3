"""From what a caller names to a DriverSpec: an installed name, ``module:attribute``, a spec, or a class."""

import importlib
import shlex
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from attrs import frozen

from movable.drivers import Capabilities, DriverSpec, find_driver, provider_of
from movable.errors import DriverError

__all__ = ["Target", "resolve"]

DriverLike = str | DriverSpec | Callable[..., Any]


@frozen
class Target:
    """A driver to judge: its spec, and how a command line names it (None if it cannot).

    ``module`` is where its provider, or its class, is defined; its expectations are looked for in that package.
    """

    spec: DriverSpec
    address: str | None
    module: str | None = None

    def repeat(self, check_id: str, options: Mapping[str, object] = MappingProxyType({})) -> str:
        """A command, or a Python call, that runs one check on this driver, with these options."""
        if self.address is None:
            arguments = "".join(f", {name}={value!r}" for name, value in options.items())
            return f"movable.check({self.spec.name}, select={check_id!r}{arguments})"
        flags = "".join(
            f" --{name}" if value is True else f" --{name} {value}" for name, value in options.items()
        )
        return f"movable check {shlex.quote(self.address)} -k {check_id}{flags}"


def resolve(driver: DriverLike) -> Target:
    """Find the driver that ``driver`` names.

    A class or function of one argument (the VM) is a driver whose instance is its own workload; its attribute
    ``capabilities``, if there is one, says what it claims.

    Raises:
        DriverError: nothing of this name is installed or can be imported.
    """
    if isinstance(driver, str):
        if ":" in driver:
            return Target(_imported(driver), driver, driver.partition(":")[0])
        return Target(find_driver(driver), driver, provider_of(driver))
    if isinstance(driver, DriverSpec):
        if _is_installed(driver):
            return Target(driver, driver.name, provider_of(driver.name))
        return Target(driver, None, getattr(driver.factory, "__module__", None))
    if callable(driver):
        return Target(_wrap(driver), _address(driver), getattr(driver, "__module__", None))
    raise DriverError(f"driver: expected a name, a DriverSpec or a class, got {driver!r}")


def _imported(address: str) -> DriverSpec:
    module_name, _, attribute = address.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:
        raise DriverError(
            f"driver {address!r} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    if isinstance(found, DriverSpec):
        return found
    if callable(found):
        return _wrap(found)
    raise DriverError(f"driver {address!r} is {type(found).__name__}, neither a DriverSpec nor a class")


def _wrap(factory: Callable[..., Any]) -> DriverSpec:
    name = getattr(factory, "__name__", type(factory).__name__)
    return DriverSpec(
        name=name,
        factory=factory,
        workload=lambda driver: driver,
        capabilities=getattr(factory, "capabilities", None) or Capabilities(),
        expectations=getattr(factory, "expectations", None) or {},
    )


def _address(factory: Callable[..., Any]) -> str | None:
    module, name = getattr(factory, "__module__", "__main__"), getattr(factory, "__qualname__", "")
    return None if module == "__main__" or not name or "<" in name else f"{module}:{name}"


def _is_installed(spec: DriverSpec) -> bool:
    try:
        return find_driver(spec.name) is spec
    except DriverError:
        return False
