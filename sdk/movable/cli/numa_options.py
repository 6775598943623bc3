"""What the sub-commands of ``movable numa`` have in common: numactl's options, and the workload they apply to."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from attrs import evolve, frozen
from cyclopts import Parameter

from movable.cli.files import demand_writable, write_text
from movable.errors import ConfigError
from movable.flags import Mpol
from movable.numa import Launch, NodeList, PolicyText, Scenario, World, scenario, workloads

__all__ = ["RunOptions"]

_SCHEMA = "movable.numa/1"


@Parameter(name="*")
@frozen
class RunOptions:
    """Options of every sub-command that runs a workload.

    Parameters
    ----------
    membind:
        Allocate memory on these nodes only.
    interleave:
        Allocate page after page round robin over these nodes.
    preferred:
        Allocate on this node, on others where it is full.
    localalloc:
        Allocate on the node of the CPU that runs.
    cpunodebind:
        Run on the CPUs of these nodes only.
    physcpubind:
        Run on these CPUs only.
    machine:
        A ready machine (see ``Describe a machine`` in the documentation) or a TOML file; default: the workload's own.
    seed:
        Chooses which pages are accessed; the same seed gives the same run.
    json:
        Write the result to this file: schema movable.numa/1.
    """

    membind: Annotated[str | None, Parameter(name=["--membind", "-m"])] = None
    interleave: Annotated[str | None, Parameter(name=["--interleave", "-i"])] = None
    preferred: Annotated[str | None, Parameter(name=["--preferred", "-p"])] = None
    localalloc: Annotated[bool, Parameter(name=["--localalloc", "-l"], negative="")] = False
    cpunodebind: Annotated[str | None, Parameter(name=["--cpunodebind", "-N"])] = None
    physcpubind: Annotated[str | None, Parameter(name=["--physcpubind", "-C"])] = None
    machine: str | None = None
    seed: int = 0
    json: Annotated[Path | None, Parameter(name="--json")] = None

    def launch(self) -> Launch:
        """What the processes of the workload inherit. ConfigError names the option."""
        return Launch(
            policy=self._policy(),
            nodes=self._list("--cpunodebind", self.cpunodebind),
            cpus=self._list("--physcpubind", self.physcpubind),
        )

    def _policy(self) -> PolicyText | None:
        asked = {
            "--membind": (Mpol.BIND, self.membind),
            "--interleave": (Mpol.INTERLEAVE, self.interleave),
            "--preferred": (Mpol.PREFERRED, self.preferred),
        }
        given = {option: value for option, value in asked.items() if value[1] is not None}
        options = [*given, *(["--localalloc"] if self.localalloc else [])]
        if len(options) > 1:
            raise ConfigError(f"{options[1]}: conflicts with {options[0]}; a process has one policy")
        if self.localalloc:
            return PolicyText(Mpol.LOCAL, where="--localalloc")
        for option, (mode, text) in given.items():
            nodes = self._list(option, text)
            if mode == Mpol.PREFERRED and nodes is not None and not nodes.single:
                raise ConfigError(f"{option}: takes one node, such as 1, not {text!r}")
            return PolicyText(mode, nodes, where=option)
        return None

    def _list(self, option: str, text: str | None) -> NodeList | None:
        """A list, or with ``same`` the list of the other option of numactl's that takes nodes."""
        if text == "same":
            others = (self.membind, self.interleave, self.preferred, self.cpunodebind)
            lists = [each for each in others if each not in (None, "same")]
            if option == "--physcpubind" or len(lists) != 1:
                raise ConfigError(
                    f"{option}: same stands for the nodes of another option; give one with nodes"
                )
            text = lists[0]
        return None if text is None else NodeList.parse(text, option)

    def scenario(self, workload: str | None) -> Scenario:
        """The workload, on the machine that was asked for. ConfigError if none was given or it cannot be.

        The file for --json is looked at too, before anything runs.
        """
        if workload is None:
            raise ConfigError(f"WORKLOAD: give a scenario's .toml file or one of {', '.join(workloads())}")
        self.demand_writable()
        found = scenario(workload)
        return found if self.machine is None else evolve(found, machine=self.machine)

    def world(self, workload: str | None) -> World:
        """The workload with its processes started. ConfigError as `scenario`."""
        return World(self.scenario(workload), self.launch(), seed=self.seed)

    def demand_writable(self) -> None:
        """ConfigError if the file for --json cannot be written."""
        if self.json is not None:
            demand_writable(self.json)

    def write(self, values: Mapping[str, Any]) -> None:
        """Write the result to the file for --json, if there is to be one."""
        if self.json is not None:
            write_text(self.json, json.dumps({"schema": _SCHEMA, **values}, indent=2) + "\n", "--json")
