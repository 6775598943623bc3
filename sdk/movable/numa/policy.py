"""Memory policies as text, in the words of numa_maps: ``bind:0-1``, ``prefer:2``, ``interleave=relative:0-3``."""

from attrs import frozen

from movable.errors import ConfigError
from movable.flags import Mpol, MpolFlag
from movable.numa.nodelist import NodeList
from movable.process import Process

__all__ = ["PolicyText"]

_MODES = {
    "default": Mpol.DEFAULT,
    "prefer": Mpol.PREFERRED,
    "bind": Mpol.BIND,
    "interleave": Mpol.INTERLEAVE,
    "local": Mpol.LOCAL,
}
_FLAGS = {"": MpolFlag(0), "static": MpolFlag.STATIC_NODES, "relative": MpolFlag.RELATIVE_NODES}
_WITH_NODES = (Mpol.PREFERRED, Mpol.BIND, Mpol.INTERLEAVE)


@frozen
class PolicyText:
    """A policy that was asked for; which nodes it has follows from those that the process may use.

    spec/migration.md 9.1, 9.10.
    """

    mode: Mpol
    nodes: NodeList | None = None
    flag: MpolFlag = MpolFlag(0)
    where: str = "policy"

    @classmethod
    def parse(cls, text: str, where: str) -> "PolicyText":
        """Read a policy; ``where`` is the option or field, for the messages of ConfigError."""
        head, colon, nodes = text.partition(":")
        name, _, flag = head.partition("=")
        if name not in _MODES or flag not in _FLAGS:
            raise ConfigError(
                f"{where}: {text!r} is no policy; one is written bind:0-1, interleave:all, prefer:2, local or default, "
                "with =static or =relative after the name"
            )
        mode = _MODES[name]
        if bool(colon) != (mode in _WITH_NODES):
            wants = "needs nodes, as in" if mode in _WITH_NODES else "takes no nodes; write"
            example = f"{name}:0" if mode in _WITH_NODES else name
            raise ConfigError(f"{where}: {name} {wants} {example}, not {text!r}")
        return cls(mode, NodeList.parse(nodes, where) if colon else None, _FLAGS[flag], where)

    def resolve(self, process: Process) -> frozenset[int] | None:
        """The nodes to ask for, for this process; None for a policy without nodes."""
        if self.nodes is None:
            return None
        if self.flag:
            # The numbers are the user's own: the kernel maps them into the allowed nodes, now and later.
            return self.nodes.resolve(range(len(process.vm.nodes)), self.where)
        return self.nodes.resolve(process.mems_allowed, self.where)

    def apply(self, process: Process) -> None:
        """Make it the process's policy (set_mempolicy). ConfigError, SystemCallError."""
        process.set_mempolicy(int(self.mode) | int(self.flag), self.resolve(process))

    def bind(self, process: Process, address: int, length: int, flags: int = 0) -> None:
        """Make it the policy of a range (mbind). ConfigError, SystemCallError."""
        process.mbind(address, length, int(self.mode) | int(self.flag), self.resolve(process), flags)
