"""Drivers: their hooks, their address spaces, how they present themselves and how they are found."""

from movable.drivers.discovery import (
    broken_providers,
    find_driver,
    installed_drivers,
    installed_offers,
    provider_of,
)
from movable.drivers.hookspecs import DriverHooks, ProviderHooks, hookimpl, hookspec
from movable.drivers.mapping import AddressSpace
from movable.drivers.spec import Capabilities, Driver, DriverSpec, Expectation, Handle, Workload

__all__ = [
    "AddressSpace",
    "Capabilities",
    "Driver",
    "DriverHooks",
    "DriverSpec",
    "Expectation",
    "Handle",
    "ProviderHooks",
    "Workload",
    "broken_providers",
    "find_driver",
    "hookimpl",
    "hookspec",
    "installed_drivers",
    "installed_offers",
    "provider_of",
]
