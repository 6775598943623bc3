"""What can go wrong, as exceptions: bad input, broken rules, and machines that met a fatal one."""

from collections.abc import Mapping
from errno import errorcode
from types import MappingProxyType

from attrs import frozen

from movable._core import ffi, lib


class MovableError(Exception):
    """The base of every error of this package."""


class ConfigError(MovableError, ValueError):
    """A machine that cannot exist; the message starts with the path of the field to change."""


class DriverError(MovableError):
    """A driver that cannot be found, loaded or registered."""


class SystemCallError(MovableError, OSError):
    """A system call of a process that failed: ``errno`` as the kernel answers, ``strerror`` says what and why."""

    def __init__(self, errno: int, text: str) -> None:
        super().__init__(errno, text)

    def __str__(self) -> str:
        return f"{self.strerror} [{errorcode.get(self.errno or 0, self.errno)}]"


class SegmentationFault(SystemCallError):
    """An access of a process to memory that it has not mapped, or not for this (SIGSEGV)."""


class BusError(SystemCallError):
    """An access of a process beyond the end of a mapped file (SIGBUS)."""


@frozen
class Rule:
    """A rule whose breach the core can see.

    ``kind`` is ``assertion`` or ``recount`` (fatal: the kernel would have stopped, or its structures are
    wrong), ``report`` (the allocator's bug reports) or ``contract`` (what drivers owe the VM).
    """

    id: str
    kind: str
    sentence: str
    source: str

    @property
    def fatal(self) -> bool:
        """Whether the machine is dead after a breach."""
        return self.kind in ("assertion", "recount")


_KINDS = ("assertion", "recount", "report", "contract")


def _text(characters: object) -> str:
    text: str = ffi.string(characters).decode()
    return text


def _read_rules() -> dict[str, Rule]:
    rule = ffi.new("struct mv_rule *")
    rules = {}
    for index in range(lib.mv_nr_rules()):
        lib.mv_rule(index, rule)
        rules[_text(rule.id)] = Rule(
            id=_text(rule.id),
            kind=_KINDS[rule.kind],
            sentence=_text(rule.sentence),
            source=_text(rule.source),
        )
    return rules


RULES: Mapping[str, Rule] = MappingProxyType(_read_rules())
"""Every rule by its id, in the core's order."""

RULE_IDS: tuple[str, ...] = tuple(RULES)
"""The ids, by the number that the core gives each rule."""


class Violation(MovableError):
    """A broken rule.

    ``pfn`` is the page's frame number, or None where no page is concerned; ``cpu`` the emulated CPU;
    ``expected`` and ``seen`` say what the rule asks for and what was found; ``where`` is the core
    function or the callback; ``driver`` names the driver whose callback was running, if one was;
    ``more`` holds the breaches that followed in the same call. Where a callback raised, its exception
    is the ``__cause__``.
    """

    def __init__(
        self,
        rule: Rule,
        *,
        pfn: int | None,
        cpu: int,
        expected: str,
        seen: str,
        where: str,
        driver: str | None = None,
    ) -> None:
        self.rule = rule
        self.pfn = pfn
        self.cpu = cpu
        self.expected = expected
        self.seen = seen
        self.where = where
        self.driver = driver
        self.more: tuple[Violation, ...] = ()
        super().__init__(self._message())

    def _message(self) -> str:
        page = "" if self.pfn is None else f" pfn {self.pfn:#x},"
        driver = f" of driver {self.driver!r}" if self.driver else ""
        return (
            f"{self.rule.id}: {self.rule.sentence}"
            f" [{self.where}{driver},{page} CPU {self.cpu}: expected {self.expected}, seen {self.seen};"
            f" {self.rule.source}]"
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by fields, so that test runners can carry it between processes."""
        fields = (self.rule.id, self.pfn, self.cpu, self.expected, self.seen, self.where, self.driver)
        return _restore, (type(self), *fields), {"more": self.more}


def _restore(
    cls: type[Violation],
    rule: str,
    pfn: int | None,
    cpu: int,
    expected: str,
    seen: str,
    where: str,
    driver: str | None,
) -> Violation:
    return cls(RULES[rule], pfn=pfn, cpu=cpu, expected=expected, seen=seen, where=where, driver=driver)


class KernelAssertion(Violation):
    """A fatal violation: what stops a kernel. The machine is dead afterwards."""


class ContractViolation(Violation):
    """A breach that is recorded while the machine goes on: of the drivers' contract, or a bad page."""


class DeadVM(MovableError):
    """Work asked of a machine that met a fatal violation earlier; ``violation`` is that one."""

    def __init__(self, violation: Violation) -> None:
        self.violation = violation
        super().__init__(
            f"this VM stopped at a fatal violation and does no more work; make a new one. It was: {violation}"
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with the violation."""
        return type(self), (self.violation,)
