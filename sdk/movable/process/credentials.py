"""Who a process is: user ids and capabilities, as the NUMA calls look at them."""

from collections.abc import Iterable

from attrs import field, frozen

from movable.errors import MovableError

__all__ = ["CAP_SYS_NICE", "Credentials"]

CAP_SYS_NICE = "CAP_SYS_NICE"
"""May move shared pages, memory of other users' processes, and memory beyond a cpuset. spec/migration.md 9.6 to 9.8."""

_LAST_ID = 2**32 - 2


def _check_id(_credentials: object, attribute: object, value: int) -> None:
    if not 0 <= value <= _LAST_ID:
        raise MovableError(f"{getattr(attribute, 'name', 'uid')}: must be 0 to {_LAST_ID}, not {value}")


def _to_capabilities(names: Iterable[str]) -> frozenset[str]:
    capabilities = frozenset((names,) if isinstance(names, str) else names)
    for name in capabilities:
        if not str(name).startswith("CAP_"):
            raise MovableError(f"capabilities: must be names such as {CAP_SYS_NICE!r}, not {name!r}")
    return capabilities


@frozen
class Credentials:
    """Real, effective and saved user id, and the capabilities in force."""

    uid: int = field(default=0, validator=_check_id)
    euid: int = field(default=0, validator=_check_id)
    suid: int = field(default=0, validator=_check_id)
    capabilities: frozenset[str] = field(default=frozenset(), converter=_to_capabilities)

    @classmethod
    def of_user(cls, uid: int) -> "Credentials":
        """All three ids alike; root has CAP_SYS_NICE."""
        return cls(uid, uid, uid, frozenset({CAP_SYS_NICE} if uid == 0 else ()))

    def capable(self, capability: str) -> bool:
        """Whether the capability is in force."""
        return capability in self.capabilities

    def may_move(self, target: "Credentials") -> bool:
        """Whether memory of a process with the other credentials may be asked for and moved.

        One's real or effective id is its real or saved one, or CAP_SYS_NICE is in force. spec/migration.md 9.7, row 3.
        """
        same = {self.uid, self.euid} & {target.uid, target.suid}
        return bool(same) or self.capable(CAP_SYS_NICE)
