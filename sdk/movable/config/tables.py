"""TOML tables as value objects: unknown keys refused, sizes with units, errors by the path of their field."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypeVar, cast, get_args, get_origin

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

from movable.config.model import PAGE_SIZE, Pages, Pfn
from movable.errors import ConfigError

__all__ = ["Refused", "read_toml", "table_converter"]

_Hook = Callable[[Any, Any], Any]
_Model = TypeVar("_Model")

_UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_SIZE = re.compile(r"(\d+) ?(KiB|MiB|GiB|TiB)")


def read_toml(text: str, model: type[_Model], converter: Converter, noun: str) -> _Model:
    """The value that a TOML text describes. ConfigError: no TOML, or the path of a field and what is wrong there.

    ``noun`` is what the text as a whole is called. Types of scalars are not looked at: `fieldtypes` does that.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not TOML: {error}") from None
    try:
        return converter.structure(table, model)
    except ClassValidationError as error:
        path, reason = next(_problems(error, noun))
        raise ConfigError(f"{path}: {reason}") from None


def table_converter(*classes: type[attrs.AttrsInstance]) -> Converter:
    """A converter for classes whose fields are scalars, other classes of these, and tuples of either."""
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
    for cls in classes:
        converter.register_structure_hook(cls, _table(cls, converter))
    return converter


class Refused(Exception):
    """A value that its field does not take; the message says what it would."""


def _origin(kind: Any) -> Any:
    return get_origin(kind)


def _unchanged(value: Any, _: Any) -> Any:
    """Scalars pass as they are: `validate` refuses wrong types, with the same words as for Python objects."""
    return value


def _pages(value: Any, _: Any) -> int:
    if type(value) is int:
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise Refused(f'must be a number of pages or a size such as "16MiB", not {value!r}')
    size = int(match[1]) * _UNITS[match[2]]
    if size % PAGE_SIZE:
        raise Refused(f"{value} is no whole number of {PAGE_SIZE // 1024} KiB pages")
    return size // PAGE_SIZE


def _table(cls: type[attrs.AttrsInstance], converter: Converter) -> _Hook:
    structure = cast(_Hook, make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=True))
    has_pages = any(each.name == "pages" for each in attrs.fields(cls))

    def structure_table(value: Any, expected: Any) -> Any:
        if not isinstance(value, Mapping):
            raise Refused(f"must be a table, not {value!r}")
        if has_pages and "size" in value:
            if "pages" in value:
                raise Refused("has both size and pages; give one of them")
            value = {**value, "pages": value["size"]}
            del value["size"]
        return structure(value, expected)

    return structure_table


def _problems(error: Exception, noun: str, path: str = "") -> Iterator[tuple[str, str]]:
    """Each leaf of a cattrs error as the path of its field and what is wrong with it."""
    if not isinstance(error, ClassValidationError | IterableValidationError):
        yield path or noun, _reason(error)
        return
    inner: list[tuple[Exception, AttributeValidationNote | IterableValidationNote | None]]
    located, bare = error.group_exceptions()
    inner = [*((each, None) for each in bare), *located]
    for each, note in inner:
        if isinstance(note, IterableValidationNote):
            yield from _problems(each, noun, f"{path}[{note.index}]")
        elif isinstance(note, AttributeValidationNote):
            yield from _problems(each, noun, f"{path}.{note.name}".lstrip("."))
        elif isinstance(each, ForbiddenExtraKeysError):
            name = sorted(each.extra_fields)[0]
            known = ", ".join(field.name for field in attrs.fields(each.cl))
            yield f"{path}.{name}".lstrip("."), f"unknown key; the keys here are {known}"
        else:
            yield path or noun, _reason(each)


def _reason(error: Exception) -> str:
    return "is missing" if isinstance(error, KeyError) else str(error)
