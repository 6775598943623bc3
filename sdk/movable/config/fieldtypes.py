"""Checks that every field of a value object holds what its annotation says."""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import attrs

from movable.config.model import MachineConfig
from movable.errors import ConfigError

_NAMES = {int: "an integer", bool: "true or false", str: "a string", type(None): "nothing"}


def check_types(config: MachineConfig) -> None:
    """Raise ConfigError at the first field whose value has the wrong type."""
    if not isinstance(config, MachineConfig):
        raise ConfigError(f"machine: must be a MachineConfig, not {type(config).__name__}")
    check_fields(config)


def check_fields(value: Any, path: str = "") -> None:
    """Raise ConfigError at the first field of an attrs object whose value has the wrong type."""
    for each in attrs.fields(type(value)):
        inner = f"{path}.{each.name}" if path else each.name
        _check(getattr(value, each.name), each.type, inner)


def _check(value: Any, expected: Any, path: str) -> None:
    if get_origin(expected) is Annotated:
        expected = get_args(expected)[0]
    if get_origin(expected) is tuple:
        _check_tuple(value, get_args(expected), path)
    elif get_origin(expected) in (Union, types.UnionType):
        options = get_args(expected)
        if value is not None:
            _check(value, next(each for each in options if each is not type(None)), path)
    elif get_origin(expected) is Literal:
        if value not in get_args(expected):
            raise ConfigError(f"{path}: must be one of {', '.join(get_args(expected))}, not {value!r}")
    elif attrs.has(expected):
        if not isinstance(value, expected):
            raise ConfigError(f"{path}: must be a {expected.__name__}, not {value!r}")
        check_fields(value, path)
    elif type(value) is not expected:
        raise ConfigError(f"{path}: must be {_NAMES[expected]}, not {value!r}")


def _check_tuple(value: Any, items: tuple[Any, ...], path: str) -> None:
    if not isinstance(value, tuple):
        raise ConfigError(f"{path}: must be a list, not {value!r}")
    if items[-1] is Ellipsis:
        items = (items[0],) * len(value)
    if len(value) != len(items):
        raise ConfigError(f"{path}: must have {len(items)} entries, not {len(value)}")
    for index, (each, expected) in enumerate(zip(value, items, strict=True)):
        _check(each, expected, f"{path}[{index}]")
