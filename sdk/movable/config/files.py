"""Machines in TOML files: the fields of `MachineConfig` by their names, sizes with units where wanted."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path

from movable.config.model import MachineConfig, NodeConfig, PfnRange, Watermarks, ZoneConfig
from movable.config.tables import read_toml, table_converter
from movable.config.validate import validate
from movable.errors import ConfigError

_CONVERTER = table_converter(PfnRange, Watermarks, ZoneConfig, NodeConfig, MachineConfig)


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
    config = read_toml(text, MachineConfig, _CONVERTER, "machine")
    validate(config)
    return config
