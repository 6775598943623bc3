"""Finding installed drivers: plugins of the entry-point group ``movable``."""

from functools import cache
from importlib.metadata import EntryPoint, entry_points

import pluggy
from attrs import field, frozen

from movable.drivers.hookspecs import PROJECT, ProviderHooks
from movable.drivers.spec import DriverSpec
from movable.errors import DriverError


@frozen
class _Found:
    """What discovery saw: drivers by name, and why some providers could not be used."""

    drivers: dict[str, DriverSpec] = field(factory=dict)
    broken: dict[str, str] = field(factory=dict)


def _specs_of(entry_point: EntryPoint) -> list[DriverSpec]:
    """The drivers of one provider; anything it does wrong comes out as an exception."""
    plugins = pluggy.PluginManager(PROJECT)
    plugins.add_hookspecs(ProviderHooks)
    plugins.register(entry_point.load(), name=entry_point.name)
    plugins.check_pending()
    if not plugins.hook.movable_drivers.get_hookimpls():
        raise DriverError("it implements no movable_drivers hook (mark it with @movable.hookimpl)")
    specs = [spec for specs in plugins.hook.movable_drivers() for spec in specs]
    if not specs:
        raise DriverError("its movable_drivers hook offers no driver")
    for spec in specs:
        if not isinstance(spec, DriverSpec):
            raise DriverError(f"movable_drivers returned {spec!r}, which is no DriverSpec")
    return specs


@cache
def _discover() -> _Found:
    found = _Found()
    for entry_point in sorted(entry_points(group=PROJECT), key=lambda each: (each.name, each.value)):
        label = f"{entry_point.name} = {entry_point.value}"
        try:
            specs = _specs_of(entry_point)
        except (Exception, SystemExit) as error:  # a stranger may do anything, but not take the others along
            found.broken[label] = f"{type(error).__name__}: {error}"
            continue
        for spec in specs:
            if spec.name in found.drivers:
                found.broken[label] = f"DriverError: a driver named {spec.name!r} is installed already"
            else:
                found.drivers[spec.name] = spec
    return found


def installed_drivers() -> dict[str, DriverSpec]:
    """The installed drivers by name, in the order of their entry points."""
    return dict(_discover().drivers)


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
