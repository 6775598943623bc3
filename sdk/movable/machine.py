"""The C machine under a VM: its life, its settings, and the boundary where its errors become exceptions."""

import mmap
import sys
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

from movable._core import ffi, lib
from movable.errors import (
    RULE_IDS,
    RULES,
    ContractViolation,
    DeadVM,
    KernelAssertion,
    MovableError,
    Violation,
)
from movable.flags import IsolateMode, MigrateMode

PAGE_SHIFT = 12
PAGE_SIZE = 1 << PAGE_SHIFT

BROKEN: int = lib.BROKEN
"""What a call of the core answers when there is something to raise."""

_MAP_NORESERVE = 0x4000
_MADV_NOHUGEPAGE = 15

_MODES: tuple[object, ...] = (*MigrateMode, *(IsolateMode(bits) for bits in range(16)))


def address_of(obj: object) -> Any:
    """The object's address as the core stores it: borrowed, so somebody else must keep it alive."""
    return ffi.cast("void *", id(obj))


class _Handle:
    """The C structures, freed once: by close(), or when nothing refers to the machine any more."""

    def __init__(self, c: Any) -> None:
        self.c = c
        self.mappings: list[Any] = []

    def destroy(self) -> None:
        """Free everything; harmless when done before."""
        if self.c is None:
            return
        lib.mv_clear_errors(self.c)
        lib.mv_destroy(self.c)
        for mapping in self.mappings:
            lib.mv_mapping_free(mapping)
        self.c = None


class Machine:
    """One C machine. Everything that holds a page number goes through it; one thread at a time uses it."""

    c: Any
    context: int
    """Who takes locks: the CPU that runs, and in the bits above it the item of work, if it is one."""

    def __init__(self, config: Any, end_pfn: int, page_factory: Callable[["Machine", int], Any]) -> None:
        self._arena = mmap.mmap(
            -1, end_pfn << PAGE_SHIFT, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE
        )
        self._arena.madvise(_MADV_NOHUGEPAGE)
        self.memory = memoryview(self._arena)
        config.arena = ffi.from_buffer(self._arena)
        self.c = lib.mv_create(config)
        if self.c == ffi.NULL:
            raise MemoryError("no memory for the machine's tables")
        self.context = 0
        self._handle = _Handle(self.c)
        self.pages: dict[int, Any] = {}
        self.owners: dict[int, Any] = {}
        self._page_factory = page_factory
        self._make_page = self.page
        self._hooks: dict[str, object] = {}
        self._set_python()

    def __getattr__(self, name: str) -> NoReturn:
        """Only a closed machine lacks ``c``, ``context`` and ``memory``."""
        if name in ("c", "context", "memory"):
            raise MovableError("this VM is closed; make a new one")
        raise AttributeError(name)

    def _set_python(self) -> None:
        python = ffi.new("struct mv_python *")
        python.page_factory = address_of(self._make_page)
        python.violation_class = address_of(Violation)
        for index, mode in enumerate(_MODES):
            python.modes[index] = address_of(mode)
        lib.mv_set_python(self.c, python)

    @property
    def closed(self) -> bool:
        """Whether close() has been called."""
        return "c" not in self.__dict__

    def close(self) -> None:
        """Free the machine. Views of page contents that somebody still holds stay readable."""
        if self.closed:
            return
        if lib.mv_depth(self.c):
            raise MovableError("a VM cannot be closed from inside one of its callbacks")
        self._release()
        self.pages.clear()
        self.owners.clear()

    def _release(self) -> None:
        """From here on every use is refused, before anything is freed."""
        del self.c, self.context, self.memory
        self._handle.destroy()

    def __del__(self) -> None:
        # Objects collected together with the machine may still use it in their own __del__.
        if "_handle" in self.__dict__ and not self.closed and not sys.is_finalizing():
            self._release()

    def __reduce__(self) -> NoReturn:
        """A machine cannot be copied or pickled."""
        raise TypeError("a VM cannot be copied: make another one from its config")

    def page(self, pfn: Any) -> Any:
        """The one Page object of a frame that exists; MovableError for any other."""
        page = self.pages.get(pfn)
        if page is None:
            page = self._page_factory(self, pfn)
        return page

    def add_page(self, pfn: Any, page: Any) -> None:
        """Note the one Page object of a frame; MovableError if there is no such frame, or it has one."""
        known = isinstance(pfn, int) and 0 <= pfn < 1 << 52
        if not known or self.check(lib.mv_prepare_page(self.c, pfn)) < 0:
            raise MovableError(f"pfn: there is no page frame {pfn!r} in this machine")
        if pfn in self.pages:
            raise MovableError(f"pfn: frame {pfn:#x} has its Page already; ask the VM for it with page()")
        self.pages[pfn] = page

    def own(self, page: Any, argument: str = "page") -> int:
        """The pfn of a Page of this machine; MovableError names the argument for anything else."""
        if getattr(page, "_machine", None) is not self:
            raise MovableError(f"{argument}: must be a Page of this VM, not {page!r}")
        pfn: int = page._pfn
        return pfn

    def set_hook(self, name: str, function: object | None) -> None:
        """Install the ``wait_hook`` or ``oom_notifier`` that the core calls; None removes it."""
        self._hooks[name] = function
        pointer = ffi.NULL if function is None else address_of(function)
        getattr(lib, f"mv_set_{name}")(self.c, pointer)

    def create_mapping(self, owner: object, *, native: bool = False) -> Any:
        """A struct address_space whose ``owner`` is this object; it lives as long as the machine."""
        create = lib.mv_mapping_create_native if native else lib.mv_mapping_create
        mapping = create(self.c, address_of(owner))
        if mapping == ffi.NULL:
            raise MemoryError("no memory for an address space")
        self._handle.mappings.append(mapping)
        self.owners[id(owner)] = owner
        return mapping

    def owner(self, pointer: Any) -> Any | None:
        """The object behind an ``owner`` pointer of the core; None for NULL."""
        return None if pointer == ffi.NULL else self.owners[int(ffi.cast("uintptr_t", pointer))]

    def release_list(self, page_list: Any, name: str) -> None:
        """Give up a page list of the core, if the machine still lives.

        Isolated pages on it would be lost; the core keeps them on its list, and a ResourceWarning tells.
        """
        c = self._handle.c
        if c is None:
            return
        if lib.mv_list_isolated(c, page_list) and not lib.mv_dead(c):
            count = lib.mv_list_len(c, page_list)
            text = f"page list {name!r} was dropped with {count} isolated pages; put them back first"
            warnings.warn(text, ResourceWarning, stacklevel=3)
            return
        lib.mv_list_destroy(c, page_list)

    def check(self, answer: int) -> int:
        """Pass a call's answer on, or raise what it found broken."""
        if answer == BROKEN:
            self.fail()
        return answer

    def fail(self) -> NoReturn:
        """Raise what the last call reported.

        Inside a callback the errors stay recorded: the call around it reports them too, so that a driver
        which swallows the exception hides nothing.
        """
        if lib.mv_was_busy():
            raise MovableError("this VM is at work in another thread; one thread at a time may use it")
        first = lib.mv_report_from(self.c)
        exceptions: list[Any] = []
        lib.mv_exceptions(self.c, address_of(exceptions))
        interrupt = exceptions.pop()
        violations = self._violations(first)
        dead = self._fatal() if lib.mv_dead(self.c) else None
        if not lib.mv_depth(self.c):
            lib.mv_clear_errors(self.c)
        if interrupt is not None:
            raise interrupt
        if not violations:
            if dead is None:  # the table was full: what came first has been raised already
                raise MovableError("more violations than the VM records; mend the first ones")
            raise DeadVM(dead)
        violation, cause = violations[0], exceptions[first]
        if isinstance(cause, Violation) and violation.rule.id != "hook-raised":
            violation, cause = cause, cause.__cause__
        violation.more = tuple(violations[1:])
        raise violation from cause

    def _violations(self, first: int) -> list[Violation]:
        report = ffi.new("struct mv_report *")
        found = []
        for index in range(first, lib.mv_nr_violations(self.c)):
            lib.mv_report(self.c, index, report)
            found.append(self._violation(report))
        return found

    def _fatal(self) -> Violation:
        report = ffi.new("struct mv_report *")
        lib.mv_fatal_report(self.c, report)
        return self._violation(report)

    def _violation(self, report: Any) -> Violation:
        rule = RULES[RULE_IDS[report.rule]]
        owner = self.owner(report.mapping)
        return (KernelAssertion if rule.fatal else ContractViolation)(
            rule,
            pfn=None if report.pfn == -1 else report.pfn,
            cpu=report.cpu,
            expected=ffi.string(report.expected).decode(errors="replace"),
            seen=ffi.string(report.seen).decode(errors="replace"),
            where=ffi.string(report.where).decode(errors="replace"),
            driver=None if owner is None else owner.name,
        )

    def raise_violation(
        self, rule_id: str, *, expected: str, seen: str, where: str, pfn: int | None
    ) -> NoReturn:
        """Record a violation found by Python code, and raise it. KeyError for an unknown rule."""
        texts = [ffi.new("char[]", text.encode()) for text in (where, expected, seen)]
        rule = RULE_IDS.index(RULES[rule_id].id)
        lib.mv_raise(self.c, rule, -1 if pfn is None else pfn, *texts)
        self.fail()
