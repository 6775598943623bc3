"""What a driver's package says of checks that it fails: ``expectations.toml`` beside its modules.

One table for each check that is known to fail::

    [MIG-BUSY]
    kind = "not-yet"            # or not-planned, upstream-bug
    reason = "the retry list is not written"
    rule = "migrate-old-ref"    # optional: another breach is a failure after all

A package with several drivers names the driver first: ``[zram.MIG-BUSY]``. Without it the table holds for each
of them.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

from attrs import asdict, evolve
from cattrs import Converter, transform_error

from movable.conformance.outcome import Outcome
from movable.conformance.registry import all_checks
from movable.conformance.report import Report
from movable.conformance.target import Target
from movable.drivers import Expectation, installed_drivers, provider_of
from movable.errors import ConfigError

__all__ = ["FILE_NAME", "Expectations", "expectations_of", "find_file", "update_expectations"]

FILE_NAME = "expectations.toml"

Expectations = Mapping[str, Expectation]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_CONVERTER = Converter(forbid_extra_keys=True)


def expectations_of(target: Target) -> dict[str, Expectation]:
    """All that is expected of a driver to fail, by check: from its spec and from its package's file.

    Raises:
        ConfigError: the file cannot be read, an id is no check's, or both speak of the same check.
    """
    path = find_file(target)
    of_file = _read(path, target.spec.name) if path is not None and path.is_file() else {}
    of_code = dict(target.spec.expectations)
    _demand_known(of_code, f"expectations of driver {target.spec.name}")
    both = sorted(of_file.keys() & of_code.keys())
    if both:
        raise ConfigError(f"expectations: {', '.join(both)}: said in the DriverSpec and in {path}; drop one")
    return of_code | of_file


def find_file(target: Target) -> Path | None:
    """Where the expectations file of a driver is or would be; None if it is not part of a package on disk."""
    if not target.module:
        return None
    try:
        module = import_module(target.module)
        package = module.__spec__.parent if module.__spec__ else module.__package__
        folder = files(package) if package else None
    except (ImportError, TypeError, ValueError):
        return None
    return folder / FILE_NAME if isinstance(folder, Path) else None


def update_expectations(target: Target, report: Report) -> tuple[Path, list[str]]:
    """Write the file so that the run that ``report`` tells of would pass; returns it and what changed, a line each.

    A check that failed is entered as not-yet, with what the run saw as reason; one that passed against
    expectation is taken out. Kinds and reasons that are there stay, and so does what did not run.

    Raises:
        ConfigError: the driver belongs to no package, or the file cannot be read or written.
    """
    path = find_file(target)
    if path is None:
        raise ConfigError(
            f"update-expectations: driver {target.spec.name} is not in a package on disk, so it can have no"
            f" {FILE_NAME}; put its module into a package, or use DriverSpec.expectations"
        )
    data = _parse(path) if path.is_file() else {}
    tables = {name: _of_driver(data, name, path) for name in _drivers(target, data)}
    new, told = _updated(tables[target.spec.name], report, target.spec.expectations)
    if told:
        _write(path, tables | {target.spec.name: new})
    return path, told


def _updated(
    old: Expectations, report: Report, fixed: Expectations
) -> tuple[dict[str, Expectation], list[str]]:
    new, told = dict(old), []
    for result in report.checks:
        if result.preview or result.id in fixed:
            continue
        if result.outcome is Outcome.XPASS:
            del new[result.id]
            told.append(f"- {result.id}: it passes")
        elif result.outcome is Outcome.FAIL and result.id in old:
            new[result.id] = evolve(old[result.id], rule=result.rule or None)
            told.append(f"~ {result.id}: rule {result.rule or 'left open'}")
        elif result.outcome is Outcome.FAIL:
            new[result.id] = Expectation("not-yet", _what(result.message), result.rule or None)
            told.append(f"+ {result.id}: {_what(result.message)}")
    order = [check.id for check in all_checks()]
    return dict(sorted(new.items(), key=lambda item: order.index(item[0]))), told


def _what(message: str) -> str:
    """The sentence that says what a check saw."""
    for line in message.splitlines():
        if line.startswith("what "):
            return line.removeprefix("what").strip()
    return message.partition("\n")[0] or "it fails"


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"expectations: cannot read {path}: {error}") from error


def _read(path: Path, driver: str) -> dict[str, Expectation]:
    return _of_driver(_parse(path), driver, path)


def _of_driver(data: Mapping[str, Any], driver: str, path: Path) -> dict[str, Expectation]:
    """What the file says of one driver: the tables of all drivers, and those of its own."""
    common = {name: table for name, table in data.items() if not _is_driver(table)}
    own = data.get(driver, {})
    tables = {**common, **(own if _is_driver(own) else {})}
    _demand_known(tables, str(path))
    return {name: _expectation(table, f"{path}, [{name}]") for name, table in tables.items()}


def _is_driver(table: object) -> bool:
    """True for a driver's table, which holds nothing but tables."""
    return isinstance(table, dict) and bool(table) and all(isinstance(one, dict) for one in table.values())


def _expectation(table: object, place: str) -> Expectation:
    try:
        return _CONVERTER.structure(table, Expectation)
    except Exception as error:
        raise ConfigError(f"expectations: {place}: {'; '.join(transform_error(error))}") from error


def _demand_known(ids: Iterable[str], place: str) -> None:
    known = [check.id for check in all_checks()]
    for name in sorted(set(ids) - set(known)):
        close = get_close_matches(name.upper(), known, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "`movable contract` lists the checks"
        raise ConfigError(f"expectations: {place}: no check is called {name}; {hint}")


def _drivers(target: Target, data: Mapping[str, Any]) -> list[str]:
    """The drivers of a package: those that its provider offers, and those that its file speaks of."""
    installed = [name for name in installed_drivers() if provider_of(name) == target.module]
    named = [name for name, table in data.items() if _is_driver(table)]
    return list(dict.fromkeys([*installed, *named, target.spec.name]))


def _write(path: Path, tables: Mapping[str, Expectations]) -> None:
    """Write the file: its opening comments, then a table for each expectation."""
    several = len(tables) > 1
    parts = [_opening(path)]
    for driver, expectations in tables.items():
        prefix = (driver,) if several else ()
        parts += [_table((*prefix, name), one) for name, one in expectations.items()]
    try:
        path.write_text("\n".join(parts), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"update-expectations: cannot write {path}: {error.strerror}") from error


def _opening(path: Path) -> str:
    if not path.is_file():
        return "# Checks that are known to fail; written by `movable check --update-expectations`.\n"
    lines = path.read_text(encoding="utf-8").splitlines()
    end = next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return "".join(f"{line}\n" for line in lines[:end])


def _table(names: tuple[str, ...], expectation: Expectation) -> str:
    header = ".".join(name if _BARE.fullmatch(name) else _quoted(name) for name in names)
    rows = [f"{key} = {_quoted(value)}" for key, value in asdict(expectation).items() if value is not None]
    return "".join(f"{line}\n" for line in (f"[{header}]", *rows))


def _quoted(text: str) -> str:
    """A TOML basic string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'
