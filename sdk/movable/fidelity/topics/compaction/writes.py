"""Writes to the triggers of compaction and to its sysctls (K06)."""

from collections.abc import Iterator, Mapping, Sequence
from errno import errorcode
from typing import Any

from movable.config import CompactionProfile, MachineConfig, NodeConfig, ZoneConfig
from movable.errors import SystemCallError
from movable.fidelity.model import Row, RowVerdict
from movable.fidelity.topics.compaction.inputs import A03
from movable.fidelity.topics.compaction.kit import judge, same
from movable.fidelity.topics.compaction.unmapped import account_row
from movable.vm import VM

__all__ = ["memory_rows", "node_rows", "sysctl_rows"]


def _machine(profile: CompactionProfile) -> VM:
    zone = ZoneConfig("Normal", 0x1000, 0x1000)
    return VM(MachineConfig("writes", (NodeConfig((zone,)),), profile=profile, poison=False, debug=0))


def memory_rows(writes: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """Whatever is written to compact_memory: it succeeds and compacts."""
    with _machine("4.9") as vm:
        for write in writes:
            before = vm.vmstat()["compact_migrate_scanned"]
            answer = _answer(vm, "compact_memory", write["write"])
            yield from _trigger_rows("compact_memory_writes", write, answer, _scanned(vm, before))


def node_rows(writes: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """Whatever is written to a node's ``compact`` compacts it; writing nothing does nothing."""
    with _machine("4.9") as vm:
        for write in writes:
            before = vm.vmstat()["compact_migrate_scanned"]
            vm.sysctls.compact_node(0, write["write"])
            yield from _trigger_rows("node_compact_writes", write, "0", _scanned(vm, before))


def _scanned(vm: VM, before: int) -> int:
    return vm.vmstat()["compact_migrate_scanned"] - before


def _trigger_rows(section: str, write: Mapping[str, Any], answer: str, scanned: int) -> Iterator[Row]:
    """The answer; whether anything ran; and counts, which tell of nodes whose maps were not recorded."""
    name = repr(write["write"])
    yield same(section, f"{name}: errno", write["errno"], answer)
    if "scanned" in write:
        recorded = "compacts" if write["scanned"] else "does nothing"
        yield same(section, f"{name}: effect", recorded, "compacts" if scanned else "does nothing")
    if "vmstat_delta" in write:
        yield account_row(f"{section} {name}", write["vmstat_delta"])
    for counter, value in write.get("vmstat_delta", {}).items():
        yield Row(section, f"{name}: {counter}", RowVerdict.EXPLAINED, str(value), "no map", (A03,))


def _answer(vm: VM, name: str, text: str) -> str:
    try:
        vm.sysctls.write(name, text)
    except SystemCallError as error:
        return errorcode[error.errno or 0]
    return "0"


def sysctl_rows(writes: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """The answer to each write and what is read then, in 6.1 and in 4.9."""
    with _machine("6.1") as later, _machine("4.9") as ours:
        for number, write in enumerate(writes):
            name, text = write["sysctl"], write["write"]
            if number == 0 or writes[number - 1]["sysctl"] != name:
                _set_up(later, write)
            recorded = f"errno {write['errno']}, reads {write['reads']}"
            proof = _write_and_read(later, name, text)
            answer = _write_and_read(ours, name, text)
            yield same("sysctl_writes, 6.1", f"{name} {text!r}", recorded, proof)
            applies = name == "compaction_proactiveness" or _refused_before(writes[: number + 1], name)
            rules = ("K06",) if applies and proof == recorded else ()
            yield judge("sysctl_writes, 4.9", f"{name} {text!r}", recorded, answer, rules)


def _set_up(vm: VM, write: Mapping[str, Any]) -> None:
    """The value before the first write to a sysctl is known if that write was refused."""
    if write["errno"] != "0":
        _answer(vm, write["sysctl"], write["reads"])


def _refused_before(writes: Sequence[Mapping[str, Any]], name: str) -> bool:
    """Whether 6.1 has refused a value of this sysctl by now: 4.9 may have taken it, or said nothing."""
    return any(write["sysctl"] == name and write["errno"] == "EINVAL" for write in writes)


def _write_and_read(vm: VM, name: str, text: str) -> str:
    errno = _answer(vm, name, text)
    try:
        reads = vm.sysctls.read(name)
    except SystemCallError as error:
        reads = errorcode[error.errno or 0]
    return f"errno {errno}, reads {reads}"
