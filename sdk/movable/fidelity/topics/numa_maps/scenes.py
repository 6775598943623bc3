"""What a labelled line was read from: the mappings, policies and accesses that its label and set-up name."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from attrs import frozen

from movable.fidelity.topics.kit import PAGE, attempt, bits
from movable.fidelity.topics.later import MODES
from movable.flags import Madvise, Mpol, MpolMF, Prot
from movable.process import Process
from movable.vm import VM

__all__ = ["Labelled", "Scene", "scenes_of"]

_SPACING = 0x100_0000
"""Mappings of the recorder start at multiples of it."""
_HUGE = 2 << 20
_MOST_PAGES = 4096
_POLICY = re.compile(r"(interleave|bind|preferred|pref)_?(\d+)")

Scene = Callable[[VM], Process]
"""Builds what the line is read from: the process whose line it is."""


@frozen
class Labelled:
    """A row: its label, its set-up, where its line starts, the file that it names, and ``heap`` or ``stack``."""

    label: str
    setup: str
    start: int
    file: str
    what: str = ""

    @property
    def base(self) -> int:
        """Where the recorder's mapping starts: the line may be of a part of it."""
        return self.start if self.what else self.start - self.start % _SPACING

    @property
    def words(self) -> str:
        """Label and set-up, for looking words up."""
        return f"{self.label} {self.setup}".lower()

    def number(self, pattern: str) -> int | None:
        """The number that a pattern finds in the label or, failing that, in the set-up; not one of a CPU or node."""
        for text in (self.label, self.setup):
            match = re.search(rf"(?<![a-z\d])(?<!cpu[ _])(?<!node[ _]){pattern}", text.lower())
            if match is not None:
                return int(match[1])
        return None


def scenes_of(row: Labelled) -> Iterator[Scene]:
    """The readings of a row, the likeliest first."""
    families: tuple[tuple[str, Callable[[Labelled], Iterator[Scene]]], ...] = (
        (r"^mbind_[A-Z_]+_mask", _by_mbind),
        (r"^task_[A-Z_]+_mask", _by_task),
        (r"^split3|^split_3", _split3),
        (r"huge_?tlb", _hugetlb),
        (r"thp|transparent", _thp),
        (r"split|merge", _split),
        (r"child|fork|cow_broken", _family),
        (r"^tmpfs|^shmem|^memfd", _tmpfs),
        (r"^shared_anon", _shared_anon),
        (r"^sysv|^shm", _shared_file),
    )
    family = next((each for pattern, each in families if re.search(pattern, row.label)), _anon)
    yield from family(row)


# -- policies --------------------------------------------------------------------------------------


@frozen
class Policy:
    """The policy that a label names, as mode word and nodes."""

    word: int
    nodes: frozenset[int]


def policy_of(label: str) -> Policy:
    """The policy of a label such as ``mbind_BIND_mask6_flags8000``."""
    match = re.match(r"(?:mbind|task)_([A-Z_]+?)_mask(\d+)(?:_flags([0-9a-fA-F]+))?", label)
    if match is None or match[1] not in MODES:
        raise ValueError(f"label {label!r} names no policy")
    return Policy(MODES[match[1]] | int(match[3] or "0", 16), bits(int(match[2])))


def _by_mbind(row: Labelled) -> Iterator[Scene]:
    """Pages are touched only after a successful call."""
    policy = policy_of(row.label)

    def scene(vm: VM) -> Process:
        process, size = vm.process(), 8 * PAGE
        process.mmap(size, address=row.base, fixed=True)
        _, error = attempt(lambda: process.mbind(row.base, size, policy.word, policy.nodes or None))
        if error == "0":
            process.touch(row.base, size)
        return process

    yield scene


def _by_task(row: Labelled) -> Iterator[Scene]:
    policy = policy_of(row.label)

    def scene(vm: VM) -> Process:
        process, size = vm.process(), 8 * PAGE
        process.mmap(size, address=row.base, fixed=True)
        attempt(lambda: process.set_mempolicy(policy.word, policy.nodes or None))
        process.touch(row.base, size)
        if "reset" in row.label:
            process.set_mempolicy(Mpol.DEFAULT)
        return process

    yield scene


# -- anonymous memory ------------------------------------------------------------------------------


def _anon(row: Labelled) -> Iterator[Scene]:
    """Eight pages: how many are touched, how, and what is done to them then."""
    words = row.words
    told = row.number(r"(\d+)[ _]pages")
    count = 8 if told is None else min(told, _MOST_PAGES)
    some = row.number(r"(\d+)[ _](?:of[ _]\d+|touched|read|written)")
    touched = count if some is None else min(some, count)
    readings = [touched]
    if re.search(r"untouched|never[ _]touched|not[ _]touched", words):
        readings = [0]
    elif some is None and re.search(r"half|partly|some|every", words):
        readings = [count // 2]
    readings += [
        pages
        for pages in range(min(count, 64) + 1)
        if not re.search(r"touched|written|read|prot|lock", words)
    ]
    for pages in dict.fromkeys(readings):
        yield lambda vm, pages=pages: _anon_scene(vm, row, count, pages)  # type: ignore[misc]


def _anon_scene(vm: VM, row: Labelled, count: int, touched: int) -> Process:
    words, process = row.words, vm.process()
    if re.search(r"cpu_?1", words):
        vm.cpu = 1
    if re.search(r"swap|pageout|page_out", words):
        vm.swapon(64)
    process.mmap(count * PAGE, address=row.base, fixed=True)
    if row.what == "heap":
        process.set_heap(row.base, row.base + count * PAGE)
    elif row.what == "stack":
        process.set_stack(row.base)
    every = 2 if re.search(r"every|even", words) else 1
    read = re.search(r"zero|read[- _]?only|read[- _]?touch|read[- _]?fault|(?<!prot)_read", words)
    for index in range(0, touched * every, every):
        process.touch(row.base + index * PAGE, write=read is None)
    if re.search(r"lock", words):
        process.mlock(row.base, count * PAGE)
    if re.search(r"swap|pageout|page_out", words):
        for index in range(touched):
            process.swap_out(row.base + index * PAGE)
    if "prot_none" in words:
        process.mprotect(row.base, count * PAGE, Prot.NONE)
    elif "prot_read" in words:
        process.mprotect(row.base, count * PAGE, Prot.READ)
    return process


def _split(row: Labelled) -> Iterator[Scene]:
    """Eight pages of a task that interleaves over 1 and 2; the first four are bound to 3, then to nothing."""
    half = 4 * PAGE
    steps: tuple[tuple[str, Callable[[Process], None]], ...] = (
        ("before|whole", lambda process: process.touch(row.base, 2 * half)),
        ("split|half", lambda process: process.mbind(row.base, half, Mpol.BIND, [3])),
        ("merge", lambda process: process.mbind(row.base, half, Mpol.DEFAULT)),
    )

    def start(vm: VM) -> Process:
        process = vm.process()
        process.set_mempolicy(Mpol.INTERLEAVE, [1, 2])
        process.mmap(2 * half, address=row.base, fixed=True)
        return process

    yield from _story(row, start, steps)


def _split3(row: Labelled) -> Iterator[Scene]:
    """Twelve pages, the middle four bound to node 1; touched then, or before."""
    for early in (False, True):

        def scene(vm: VM, early: bool = early) -> Process:
            process, part = vm.process(), 4 * PAGE
            process.mmap(3 * part, address=row.base, fixed=True)
            if early:
                process.touch(row.base, 3 * part)
            process.mbind(row.base + part, part, Mpol.BIND, [1])
            process.touch(row.base, 3 * part)
            return process

        yield scene


def _family(row: Labelled) -> Iterator[Scene]:
    """Eight pages, a child that shares them, two copied by the parent, and the child's end."""
    children: list[Process] = []

    def start(vm: VM) -> Process:
        process = vm.process()
        process.mmap(8 * PAGE, address=row.base, fixed=True)
        process.touch(row.base, 8 * PAGE)
        children[:] = [process.fork()]
        return process

    steps: tuple[tuple[str, Callable[[Process], None]], ...] = (
        ("shared", lambda _process: None),
        ("cow|wrote", lambda process: process.touch(row.base, 2 * PAGE)),
        ("exit|alone", lambda _process: children[0].exit()),
    )
    for scene in _story(row, start, steps):
        if re.search(r"child_?line|child line|childs_line", row.words):
            yield lambda vm, scene=scene: (scene(vm), children[0])[1]  # type: ignore[misc]
        else:
            yield scene


def _story(
    row: Labelled, start: Callable[[VM], Process], steps: tuple[tuple[str, Callable[[Process], Any]], ...]
) -> Iterator[Scene]:
    """The story up to the last step that the label names; if it names none, up to each."""
    named = [index for index, (pattern, _) in enumerate(steps) if re.search(pattern, row.label)]
    for last in named[-1:] or range(len(steps)):

        def scene(vm: VM, last: int = last) -> Process:
            process = start(vm)
            for _, step in steps[: last + 1]:
                step(process)
            return process

        yield scene


# -- shared memory and files -----------------------------------------------------------------------


def _tmpfs(row: Labelled) -> Iterator[Scene]:
    """A tmpfs file mapped shared and then private: read, copied, and its shared policy set."""
    size = 8 * PAGE
    private = "private" in row.label
    shared_at = row.base - _SPACING if private else row.base
    private_at = shared_at + _SPACING

    def start(vm: VM) -> Process:
        process, file = vm.process(), vm.file(row.file, size, tmpfs=True)
        process.mmap(size, address=shared_at, fixed=True, shared=True, file=file)
        process.mmap(size, address=private_at, fixed=True, file=file)
        return process

    steps: tuple[tuple[str, Callable[[Process], None]], ...] = (
        ("shared_untouched", lambda _process: None),
        ("written|private_untouched|shared_touched", lambda process: process.touch(shared_at, size)),
        ("read", lambda process: process.touch(private_at, 4 * PAGE, write=False)),
        ("cow", lambda process: process.touch(private_at, 2 * PAGE)),
        (
            "mbind|interleave|same_file",
            lambda process: process.mbind(shared_at, size, *_policy_in(row.label), MpolMF.MOVE_ALL),
        ),
    )
    yield from _story(row, start, steps)
    yield from _shared_alone(row)


def _shared_alone(row: Labelled) -> Iterator[Scene]:
    """A file, or shared memory, that nothing else maps: touched under the policy that the label names, or none."""
    for write in (True, False):

        def scene(vm: VM, write: bool = write) -> Process:
            process, size = vm.process(), 8 * PAGE
            file = vm.file(row.file, size, tmpfs=True)
            process.mmap(size, address=row.base, fixed=True, shared="private" not in row.label, file=file)
            if _POLICY.search(row.label):
                process.mbind(row.base, size, *_policy_in(row.label))
            process.touch(row.base, size, write=write)
            return process

        yield scene


def _policy_in(label: str) -> tuple[Mpol, list[int]]:
    """The policy that a label ends on, as ``interleave12``; that of the recordings where it says none."""
    match = _POLICY.search(label)
    if match is None:
        return Mpol.INTERLEAVE, [1, 2]
    return Mpol[{"pref": "PREFERRED"}.get(match[1], match[1].upper())], [int(digit) for digit in match[2]]


def _shared_anon(row: Labelled) -> Iterator[Scene]:
    """Shared anonymous memory interleaved over 2 and 3, pages two and three of it bound to 1."""
    size = 8 * PAGE
    for flags in (0, MpolMF.MOVE, MpolMF.MOVE_ALL):
        middle = row.base + 2 * PAGE

        def start(vm: VM) -> Process:
            process = vm.process()
            process.mmap(size, address=row.base, fixed=True, shared=True)
            return process

        def bind(process: Process, middle: int = middle, flags: int = flags) -> None:
            process.mbind(middle, 2 * PAGE, Mpol.BIND, [1], flags)

        def interleave(process: Process) -> None:
            if "untouched" not in row.label:
                process.mbind(row.base, size, Mpol.INTERLEAVE, [2, 3])
            process.touch(row.base, size)

        steps: tuple[tuple[str, Callable[[Process], None]], ...] = (
            ("untouched", lambda _process: None),
            ("default|plain|(?<!un)touched$", lambda process: process.touch(row.base, size)),
            ("interleave", interleave),
            ("sub", bind),
        )
        if "sub" in row.label:
            steps = (steps[0], *steps[2:])
        elif "interleave" in row.label:
            steps = (steps[0], steps[2])
        yield from _story(row, start, steps)


def _shared_file(row: Labelled) -> Iterator[Scene]:
    """A System V segment: memory of a file that has no name in the tree."""
    size = 8 * PAGE

    def start(vm: VM) -> Process:
        process = vm.process()
        process.mmap(
            size, address=row.base, fixed=True, shared=True, file=vm.file(row.file, size, tmpfs=True)
        )
        return process

    steps: tuple[tuple[str, Callable[[Process], None]], ...] = (
        ("untouched|attached", lambda _process: None),
        ("", lambda process: process.touch(row.base, size)),
    )
    yield from _story(row, start, steps if "untouched" not in row.label else steps[:1])
    yield from _shared_alone(row)


# -- huge pages ------------------------------------------------------------------------------------


def _hugetlb(row: Labelled) -> Iterator[Scene]:
    """Two pages of the pool of node 0, as many touched as the label says."""
    yield from (lambda vm, count=count: _huge_scene(vm, row, count, pool=True) for count in _counts(row))


def _thp(row: Labelled) -> Iterator[Scene]:
    """Memory advised MADV_HUGEPAGE, one or two of its 2 MiB parts touched."""
    yield from (lambda vm, count=count: _huge_scene(vm, row, count, pool=False) for count in _counts(row))


def _counts(row: Labelled) -> list[int]:
    if "untouched" in row.words:
        return [0]
    match = re.search(r"_(\d)(?:_of_\d)?", row.label)
    return [min(int(match[1]), 2)] if match else [1, 2]


def _huge_scene(vm: VM, row: Labelled, count: int, *, pool: bool) -> Process:
    process = vm.process()
    if pool:
        vm.hugetlb.set(0, 2)
        process.mmap(2 * _HUGE, address=row.base, fixed=True, hugetlb=True)
    else:
        process.mmap(2 * _HUGE, address=row.base, fixed=True)
        process.madvise(row.base, 2 * _HUGE, Madvise.HUGEPAGE)
    for index in range(count):
        process.touch(row.base + index * _HUGE)
    return process
