"""Scenarios: processes, what they map and touch and where they run, and the steps of a story, as TOML."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal

from attrs import field, frozen, resolve_types

from movable.config.fieldtypes import check_fields
from movable.config.model import Pages
from movable.config.tables import Refused, read_toml, table_converter
from movable.errors import ConfigError
from movable.numa.steps import STEP_KINDS, Step

__all__ = [
    "AreaSpec",
    "CpusetSpec",
    "FileSpec",
    "ProcessSpec",
    "Scenario",
    "load_scenario",
    "loads_scenario",
    "scenario",
    "workloads",
]

_FOLDER = Path(__file__).parent / "workloads"


@frozen
class FileSpec:
    """A file that areas can map."""

    name: str
    pages: Pages
    tmpfs: bool = False


@frozen
class CpusetSpec:
    """A cpuset below the top one: nodes and CPUs as lists such as 0-1. spec/migration.md 9.9."""

    path: str
    mems: str
    cpus: str = ""
    memory_migrate: bool = False


@frozen
class AreaSpec:
    """A part of a process's memory. Areas touch their pages when the process starts, and are accessed in each round.

    ``policy`` is the area's own (mbind). ``touch`` says how each page is first used. A round makes ``accesses``, of
    which ``writes`` percent write: to any page (``uniform``), nine of ten to the first tenth of them (``hot``), or
    to one after the other (``scan``).
    """

    name: str
    pages: Pages
    policy: str = ""
    file: str = ""
    offset: Pages = 0
    shared: bool = False
    locked: bool = False
    touch: Literal["write", "read", "none"] = "write"
    accesses: int = 0
    pattern: Literal["uniform", "hot", "scan"] = "uniform"
    writes: int = 50


@frozen
class ProcessSpec:
    """A process: its CPU (None: one of those it may use), owner, cpuset, and the policy that it sets itself."""

    name: str
    cpu: int | None = None
    uid: int = 0
    cpuset: str = "/"
    policy: str = ""
    areas: tuple[AreaSpec, ...] = ()


@frozen
class Scenario:
    """A machine and what happens on it. ``machine`` is the name of a ready one or the path of a TOML file.

    Processes start in their order, with pids from 1; then the steps run.
    """

    summary: str = ""
    machine: str = "numa4"
    swap: Pages = 0
    files: tuple[FileSpec, ...] = ()
    cpusets: tuple[CpusetSpec, ...] = ()
    processes: tuple[ProcessSpec, ...] = ()
    steps: tuple[Step, ...] = field(default=())
    name: str = ""


for _cls in (FileSpec, CpusetSpec, AreaSpec, ProcessSpec, Scenario):
    resolve_types(_cls)


def _make_converter() -> Any:
    converter = table_converter(FileSpec, CpusetSpec, AreaSpec, ProcessSpec, Scenario, *STEP_KINDS.values())

    def structure_step(value: Any, _: Any) -> Any:
        kind = value.get("do") if isinstance(value, dict) else None
        if kind not in STEP_KINDS:
            raise Refused(f'needs do = "..." with one of {", ".join(STEP_KINDS)}, not {kind!r}')
        return converter.structure({key: value[key] for key in value if key != "do"}, STEP_KINDS[kind])

    converter.register_structure_hook(Step, structure_step)
    return converter


_CONVERTER = _make_converter()


def loads_scenario(text: str) -> Scenario:
    """The scenario that a TOML text describes. ConfigError starts with the field."""
    found: Scenario = read_toml(text, Scenario, _CONVERTER, "scenario")
    check_fields(found)
    _validate(found)
    return found


def load_scenario(path: str | PathLike[str]) -> Scenario:
    """The scenario in a file; a machine's file is looked for beside it. ConfigError names the file and the field."""
    from attrs import evolve

    file = Path(path)
    try:
        found = loads_scenario(file.read_bytes().decode())
    except (ConfigError, UnicodeDecodeError) as error:
        raise ConfigError(f"{fspath(path)}: {error}") from None
    except OSError as error:
        raise ConfigError(f"{fspath(path)}: cannot be read: {error.strerror}") from error
    if found.machine.endswith(".toml"):
        found = evolve(found, machine=str(file.parent / found.machine))
    return evolve(found, name=file.stem)


def workloads() -> dict[str, str]:
    """The scenarios that come with the package: name and summary."""
    return {path.stem: load_scenario(path).summary for path in sorted(_FOLDER.glob("*.toml"))}


def scenario(name: str) -> Scenario:
    """A scenario that comes with the package, or one in a TOML file. ConfigError lists the names there are."""
    if name.endswith(".toml"):
        return load_scenario(name)
    path = _FOLDER / f"{name}.toml"
    if name not in workloads():
        raise ConfigError(
            f"workload: none is called {name!r}; choose one of {', '.join(workloads())}, or give a .toml file"
        )
    return load_scenario(path)


def workload_text(name: str) -> str:
    """The TOML of a scenario that comes with the package."""
    scenario(name)
    return (_FOLDER / f"{name}.toml").read_text(encoding="utf-8")


def _validate(found: Scenario) -> None:
    files = _names(found.files, "files")
    cpusets = {"/", *(each.path for each in found.cpusets)}
    for index, cpuset in enumerate(found.cpusets):
        parent = cpuset.path.rpartition("/")[0] or "/"
        if not cpuset.path.startswith("/") or cpuset.path == "/" or parent not in cpusets:
            raise ConfigError(
                f"cpusets[{index}].path: must be /NAME, or /NAME/NAME below one above, not {cpuset.path!r}"
            )
    _names(found.processes, "processes")
    for index, process in enumerate(found.processes):
        where = f"processes[{index}]"
        if process.cpuset not in cpusets:
            raise ConfigError(
                f"{where}.cpuset: there is no cpuset {process.cpuset!r}; there is {', '.join(sorted(cpusets))}"
            )
        _names(process.areas, f"{where}.areas")
        for number, area in enumerate(process.areas):
            _validate_area(area, f"{where}.areas[{number}]", files)


def _validate_area(area: AreaSpec, where: str, files: set[str]) -> None:
    if area.pages <= 0:
        raise ConfigError(f"{where}.pages: must be 1 or more, not {area.pages}")
    if area.accesses < 0:
        raise ConfigError(f"{where}.accesses: must be 0 or more, not {area.accesses}")
    if not 0 <= area.writes <= 100:
        raise ConfigError(f"{where}.writes: must be 0 to 100 percent, not {area.writes}")
    if area.file and area.file not in files:
        raise ConfigError(
            f"{where}.file: there is no file {area.file!r}; there is {', '.join(sorted(files)) or 'none'}"
        )


def _names(values: tuple[Any, ...], where: str) -> set[str]:
    """The names of files, processes or areas, each there once."""
    names: set[str] = set()
    for index, value in enumerate(values):
        if not value.name or value.name in names:
            raise ConfigError(f"{where}[{index}].name: must be a name of its own, not {value.name!r}")
        names.add(value.name)
    return names
