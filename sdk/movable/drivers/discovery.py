"""Finding installed drivers: plugins of the entry-point group ``movable``."""

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy
from attrs import field, frozen

from movable.drivers.hookspecs import PROJECT, ProviderHooks
from movable.drivers.spec import DriverSpec
from movable.errors import DriverError

OFFERS = ("movable_commands", "movable_benchmarks", "movable_recordings")
"""What a provider may offer beside drivers."""


@frozen
class _Found:
    """What discovery saw: drivers and their providers' modules by name, other offers, and what could not be used."""

    drivers: dict[str, DriverSpec] = field(factory=dict)
    providers: dict[str, str] = field(factory=dict)
    offers: dict[str, list[Any]] = field(factory=lambda: {hook: [] for hook in OFFERS})
    broken: dict[str, str] = field(factory=dict)


def _load(entry_point: EntryPoint) -> pluggy.HookRelay:
    """The hooks of one provider; anything it does wrong comes out as an exception."""
    plugins = pluggy.PluginManager(PROJECT)
    plugins.add_hookspecs(ProviderHooks)
    plugins.register(entry_point.load(), name=entry_point.name)
    plugins.check_pending()
    if not any(getattr(plugins.hook, hook).get_hookimpls() for hook in ("movable_drivers", *OFFERS)):
        raise DriverError("it implements no movable_drivers hook (mark it with @movable.hookimpl)")
    return plugins.hook


def _specs_of(hooks: pluggy.HookRelay) -> list[DriverSpec]:
    specs = [spec for specs in hooks.movable_drivers() for spec in specs]
    if not specs and hooks.movable_drivers.get_hookimpls():
        raise DriverError("its movable_drivers hook offers no driver")
    for spec in specs:
        if not isinstance(spec, DriverSpec):
            raise DriverError(f"movable_drivers returned {spec!r}, which is no DriverSpec")
    return specs


def _offers_of(hooks: pluggy.HookRelay) -> dict[str, list[Any]]:
    return {hook: [each for some in getattr(hooks, hook)() for each in some] for hook in OFFERS}


@cache
def _discover() -> _Found:
    found = _Found()
    for entry_point in sorted(entry_points(group=PROJECT), key=lambda each: (each.name, each.value)):
        label = f"{entry_point.name} = {entry_point.value}"
        try:
            hooks = _load(entry_point)
            specs, offers = _specs_of(hooks), _offers_of(hooks)
        except (Exception, SystemExit) as error:  # a stranger may do anything, but not take the others along
            found.broken[label] = f"{type(error).__name__}: {error}"
            continue
        for spec in specs:
            if spec.name in found.drivers:
                found.broken[label] = f"DriverError: a driver named {spec.name!r} is installed already"
            else:
                found.drivers[spec.name] = spec
                found.providers[spec.name] = entry_point.module
        for hook, offered in offers.items():
            found.offers[hook] += offered
    return found


def installed_offers(hook: str) -> tuple[Any, ...]:
    """What the installed providers offer through one of the hooks in ``OFFERS``, in the order of entry points."""
    return tuple(_discover().offers[hook])


def installed_drivers() -> dict[str, DriverSpec]:
    """The installed drivers by name, in the order of their entry points."""
    return dict(_discover().drivers)


def provider_of(name: str) -> str | None:
    """The module whose entry point offers the driver of this name; None if no such driver is installed."""
    return _discover().providers.get(name)


def broken_providers() -> dict[str, str]:
    """Entry points that offered no usable driver, and why."""
    return dict(_discover().broken)


def find_driver(name: str) -> DriverSpec:
    """The installed driver of this name. DriverError lists what is installed."""
    found = _discover()
    if name in found.drivers:
        return found.drivers[name]
    installed = ", ".join(sorted(found.drivers)) or "none"
    broken = "".join(f"\n  not usable: {label} ({reason})" for label, reason in found.broken.items())
    raise DriverError(f"there is no driver named {name!r}; installed: {installed}{broken}")
