"""Machines in TOML files: the fields of `MachineConfig` by their names, sizes with units where wanted."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin

import attrs
from cattrs import Converter
from cattrs.errors import (
    AttributeValidationNote,
    ClassValidationError,
    ForbiddenExtraKeysError,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn

from movable.config.model import (
    PAGE_SIZE,
    MachineConfig,
    NodeConfig,
    Pages,
    Pfn,
    PfnRange,
    Watermarks,
    ZoneConfig,
)
from movable.config.validate import validate
from movable.errors import ConfigError

_Hook = Callable[[Any, Any], Any]

_UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_SIZE = re.compile(r"(\d+) ?(KiB|MiB|GiB|TiB)")


def load(path: str | PathLike[str]) -> MachineConfig:
    """The machine that the TOML file at `path` describes, validated.

    Raises ConfigError that names the file and the field; OSError if the file cannot be read.
    """
    content = Path(path).read_bytes()
    try:
        return loads(content.decode())
    except (ConfigError, UnicodeDecodeError) as error:
        raise ConfigError(f"{fspath(path)}: {error}") from None


def loads(text: str) -> MachineConfig:
    """The machine that a TOML text describes, validated.

    Every pfn and number of pages may be an integer or a string such as "16MiB"; in zones and ranges `size`
    may stand for `pages`. Unknown keys are refused. Raises ConfigError.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not TOML: {error}") from None
    try:
        config = _CONVERTER.structure(table, MachineConfig)
    except ClassValidationError as error:
        path, reason = next(_problems(error))
        raise ConfigError(f"{path}: {reason}") from None
    validate(config)
    return config


class _Refused(Exception):
    """A value that its field does not take; the message says what it would."""


def _unchanged(value: Any, _: Any) -> Any:
    """Scalars pass as they are: `validate` refuses wrong types, with the same words as for Python objects."""
    return value


def _pages(value: Any, _: Any) -> int:
    if type(value) is int:
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise _Refused(f'must be a number of pages or a size such as "16MiB", not {value!r}')
    size = int(match[1]) * _UNITS[match[2]]
    if size % PAGE_SIZE:
        raise _Refused(f"{value} is no whole number of {PAGE_SIZE // 1024} KiB pages")
    return size // PAGE_SIZE


def _table(cls: type[attrs.AttrsInstance], converter: Converter) -> _Hook:
    structure = cast(_Hook, make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=True))
    has_pages = any(each.name == "pages" for each in attrs.fields(cls))

    def structure_table(value: Any, expected: Any) -> Any:
        if not isinstance(value, Mapping):
            raise _Refused(f"must be a table, not {value!r}")
        if has_pages and "size" in value:
            if "pages" in value:
                raise _Refused("has both size and pages; give one of them")
            value = {**value, "pages": value["size"]}
            del value["size"]
        return structure(value, expected)

    return structure_table


def _origin(kind: Any) -> Any:
    return get_origin(kind)


def _make_converter() -> Converter:
    converter = Converter(detailed_validation=True)

    def structure_list(value: Any, expected: Any) -> Any:
        if not isinstance(value, list):
            return value
        items: Any = list[get_args(expected)[0]]  # type: ignore[misc]
        return tuple(converter.structure(value, items))

    for kind in (int, bool, str):
        converter.register_structure_hook(kind, _unchanged)
    converter.register_structure_hook_func(lambda kind: _origin(kind) is Literal, _unchanged)
    converter.register_structure_hook_func(lambda kind: _origin(kind) is tuple, structure_list)
    converter.register_structure_hook_func(lambda kind: kind in (Pfn, Pages), _pages)
    for cls in (PfnRange, Watermarks, ZoneConfig, NodeConfig, MachineConfig):
        converter.register_structure_hook(cls, _table(cls, converter))
    return converter


_CONVERTER = _make_converter()


def _problems(error: Exception, path: str = "") -> Iterator[tuple[str, str]]:
    """Each leaf of a cattrs error as the path of its field and what is wrong with it."""
    if not isinstance(error, ClassValidationError | IterableValidationError):
        yield path or "machine", _reason(error)
        return
    inner: list[tuple[Exception, AttributeValidationNote | IterableValidationNote | None]]
    located, bare = error.group_exceptions()
    inner = [*((each, None) for each in bare), *located]
    for each, note in inner:
        if isinstance(note, IterableValidationNote):
            yield from _problems(each, f"{path}[{note.index}]")
        elif isinstance(note, AttributeValidationNote):
            yield from _problems(each, f"{path}.{note.name}".lstrip("."))
        elif isinstance(each, ForbiddenExtraKeysError):
            name = sorted(each.extra_fields)[0]
            known = ", ".join(field.name for field in attrs.fields(each.cl))
            yield f"{path}.{name}".lstrip("."), f"unknown key; the keys here are {known}"
        else:
            yield path or "machine", _reason(each)


def _reason(error: Exception) -> str:
    return "is missing" if isinstance(error, KeyError) else str(error)
