"""Reading what the entries of a row are from its name, its note and the queries before the call.

A recorder names its rows freely, so a row may have several readings; they come the likeliest first. What no word
says stays plain: an anonymous page on the node of the query, memory that was never touched for -EFAULT, and an
untouched file page for -ENOENT.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from movable.fidelity.topics.kit import EVERY_NODE, nodes_of_list
from movable.fidelity.topics.move_pages.asked import ABSENT, Asked, Unit

__all__ = ["readings"]

_FOUND_WORDS: tuple[tuple[str, str], ...] = (
    ("vdso", r"vdso"),
    ("ksm", r"ksm|merged page"),
    ("copied", r"private_?\w*_(cow|written|dirty)|cowed|map_private page written"),
    ("cached", r"in_?cache|not_?mapped|notmapped|not touched through"),
    ("shared_memory", r"shared_anon|anon_shared|shm|sysv|memfd|dev_zero|map_shared anon"),
    ("text", r"text|code page"),
    ("file", r"tmpfs|file|page_cache|ramfs"),
    ("stack", r"stack"),
    ("prot_none", r"prot_?none"),
    ("lazyfree", r"madv_?free|lazyfree|lazy_free"),
    ("mlocked", r"mlock"),
)
_ABSENT_WORDS: tuple[tuple[str, str], ...] = (
    ("vsyscall", r"vsyscall"),
    ("vvar", r"vvar"),
    ("mem", r"dev_?mem|devmem|pfnmap|vm_io|raw_mapping|mmio"),
    ("kernel", r"kernel(?!_thread)"),
    ("end", r"task_size|last_page|beyond_user|end_of_address"),
    ("null", r"null_addr|address_null|null_page|addr_0|null_address"),
    ("zero", r"zero_?page|read[- _]?touched|zeropage|read_only_touch"),
    ("hole", r"unmapped|munmap|hole|not_?mapped_at_all|no_vma"),
    ("swapped", r"swap|page_?out|paged_out"),
    ("untouched", r"untouched|never_?touched|not touched|not_touched"),
)
_STATE_WORDS = re.compile(
    "|".join(pattern for _, pattern in (*_FOUND_WORDS, *_ABSENT_WORDS))
    + r"|pinned|movable|free|ok|already|shared|private|cow|broken|plain|normal|valid|good|bad|anon|local|remote"
)
_TWICE = r"two[_ ]proc|second_proc|both_proc|two_map|mapped[_ ]twice|two map|twice_mapped|mapcount[_ ]2|fork"
_SHARED, _FILE_SHARED = rf"{_TWICE}|shared|sharer", rf"{_TWICE}|child"
_ALONE = r"broken|cowed|unshared|exit|mapcount back|mapcount_1|mapcount 1|not shared|one process|alone"
_NOBODY = (
    r"nonexist|no_such|esrch|bad_pid|pid_-?\d{3,}|pid_-\d"
    r"|pid_(none|dead|unused|neg|max|invalid|bad|gone|exited|reaped|free)"
)
_SOMEBODY = r"other_pid|other_proc|child_pid|by_pid|root_pid|pid_1(?!\d)|pid_(other|child|parent|init)"
_UNPINNED = r"unpin|not pinned|no longer|released|let go|after_pipe|pipe (closed|emptied|drained)"
_MOST_READINGS = 16
_ORDINALS = ("first", "second", "third", "fourth", "fifth")
_ARRAYS = "pages|nodes|status"
_POINTER = r"_?(?:pointer|ptr|addr)"
_ABOUT_ARRAYS = re.compile(
    r"pointer|ptr|badp|null(?!_?\s?(page|addr))|array|(?<!de)fault|status|unreadable|unwritable"
    r"|cannot be (read|written)|bad_(pages|nodes)|(pages|nodes)_bad"
)
_UNREADABLE = (
    rf"bad{_POINTER}|badp|null(?!_page)|readonly|read_only|unwritable|unreadable|invalid{_POINTER}|efault"
)


def readings(row: Mapping[str, Any]) -> Iterator[Asked]:
    """What the row may ask for."""
    name, text = row["name"].lower(), f"{row['name']} {row.get('note', '')}".lower()
    nodes = row.get("nodes")
    numbers = nodes if isinstance(nodes, list) else None
    count = row.get("count", len(numbers or row.get("status", ())))
    entries = len(numbers if numbers is not None else row.get("status", row.get("query_before", ())))
    codes = list(row.get("query_before", ()))[:entries] + [0] * (entries - len(row.get("query_before", ())))
    call = _call(name, text, codes, row)
    base = Asked(
        units=(),
        named=(),
        nodes=None if numbers is None else tuple(numbers),
        flags=row.get("flags", 0),
        beyond=count > entries or count < 0,
        target=call.target,
        uid=call.uid,
        target_uid=call.target_uid,
        bad=call.bad,
        mems=call.mems,
        offset=int(
            (re.search(r"p ?\+ ?(\d+)", text) or (0, 123 if re.search(r"unaligned|misaligned", text) else 0))[
                1
            ]
        ),
    )
    shapes = list(_pages(name, text, codes, call))
    for bad, readable in _unreadable(row, base.bad, entries, beyond=base.beyond):
        for units, named in shapes:
            yield evolve(base, units=units, named=named, bad=bad, readable=readable)


def _unreadable(
    row: Mapping[str, Any], named: frozenset[str], entries: int, *, beyond: bool
) -> Iterator[tuple[frozenset[str], int | None]]:
    """Which arrays cannot be accessed, and how much of them can be read.

    As the name says; where the call failed with EFAULT and the name or note tells of arrays but not of which, any one
    array, or their ends. The errno alone says nothing of them: it is what is to be judged. Nor is there anything to
    guess where the count is beyond the arrays, which end where they end.
    """
    yield named, None
    if row.get("errno") == "EFAULT" and not named and not beyond and _tells_of_arrays(row):
        yield from ((frozenset({each}), None) for each in _ARRAYS.split("|"))
        yield from ((named, readable) for readable in range(1, min(entries, 16)) if row.get("nodes"))


def _tells_of_arrays(row: Mapping[str, Any]) -> bool:
    text = f"{row['name']} {row.get('note', '')}".lower()
    return _ABOUT_ARRAYS.search(text) is not None or row.get("pages", ()) is None


# -- the call --------------------------------------------------------------------------------------


@frozen
class _Call:
    target: str
    uid: int
    target_uid: int
    bad: frozenset[str]
    mems: frozenset[int]


def _call(name: str, text: str, codes: Sequence[int], row: Mapping[str, Any]) -> _Call:
    uid = 1000 if re.search(r"unpriv|nonroot|non_root|uid 1000|no_cap", text) else 0
    target = _target(name, codes)
    refused = bool(codes) and codes[0] == -10001
    bad: frozenset[str] = frozenset() if name.startswith("after") else _bad_arrays(name, row)
    mems = re.search(r"cpuset\D*(\d[\d,-]*)", text)
    return _Call(
        target=target,
        uid=uid or (1000 if refused else 0),
        target_uid=uid if target == "other" and not refused and not re.search("root", text) else 0,
        bad=bad,
        mems=nodes_of_list(mems[1].strip(",-")) if mems else EVERY_NODE,
    )


def _target(name: str, codes: Sequence[int]) -> str:
    code = codes[0] if codes else 0
    words = (
        ("zombie", r"zombie"),
        ("kthread", r"kthread|kernel_thread"),
        ("none", _NOBODY),
        ("own_pid", r"own_pid|pid_own|self_pid|pid_self|getpid"),
        ("other", _SOMEBODY),
    )  # fmt: skip
    found = next((each for each, pattern in words if re.search(pattern, name)), None)
    if code == -10003:
        return "none"
    if code == -10022 and found not in ("kthread", "zombie"):
        return "kthread"
    if code == -10001 and found is None:
        return "other"
    return found or "self"


def _bad_arrays(name: str, row: Mapping[str, Any]) -> frozenset[str]:
    """Arrays that cannot be accessed; ``all`` and an array without entries need none."""
    found = {
        match[1] or match[2]
        for match in re.finditer(
            rf"({_ARRAYS})_(?:array_|ptr_|pointer_)*(?:{_UNREADABLE})|(?:bad|null)_({_ARRAYS})(?:_array|_pointer|_ptr|$)",
            name,
        )
    }
    found = {each for each in found if each in _ARRAYS.split("|")}
    if row.get("count") == 0:
        return frozenset()
    return frozenset(found - {"nodes"} if _queries_by_null(name, row) else found)


def _queries_by_null(name: str, row: Mapping[str, Any]) -> bool:
    """Whether a NULL array of nodes only makes the call a query."""
    return "null" in name and not row.get("nodes") and row.get("errno") != "EFAULT" and "bad" not in name


# -- the pages -------------------------------------------------------------------------------------

Pages = tuple[tuple[Unit, ...], tuple[int, ...]]


def _pages(name: str, text: str, codes: Sequence[int], call: _Call) -> Iterator[Pages]:
    """Units and which entry names which."""
    count = len(codes)
    if re.search(r"ksm", name) and count and not re.search(r"unmerge|broken|written|unshared", text):
        sharing = re.search(r"sharing\D*(\d+)", text)
        mappers = min(int(sharing[1]), 64) + 1 if sharing else count
        yield (Unit("ksm", max(codes[0], 0), max(mappers, count)),), (0,) * count
        return
    for named in _mentions(text, count):
        firsts = [named.index(number) for number in range(max(named, default=-1) + 1)]
        for units in _units(name, text, [codes[index] for index in firsts], call):
            yield tuple(units), named


def _mentions(text: str, count: int) -> Iterator[tuple[int, ...]]:
    """Which entries name the same page: all different, unless the row is about a page named more than once."""
    if count < 2 or not re.search(r"same_page|same page|twice|duplicate|thrice|three_times|repeated", text):
        yield tuple(range(count))
        return
    apart = (0, *range(1, count - 1), 0)
    beside = (0, *range(count - 1))
    shapes = [apart, beside] if re.search(r"apart|between|around|far", text) else [beside, apart]
    shapes += [(*range(count - 1), count - 2), (0,) * count]
    if re.search(r"three_times|thrice|all_same|many", text):
        shapes.insert(0, (0,) * count)
    yield from dict.fromkeys(shapes)


def _units(name: str, text: str, codes: Sequence[int], call: _Call) -> Iterator[list[Unit]]:
    """The units of the entries: by the clause of each where there are as many, else by the words of the whole row."""
    for clauses in _clauses(name, text, len(codes)):
        words = clauses or [text] * len(codes)
        units = [_unit(clause, code) for clause, code in zip(words, codes, strict=True)]
        shares = [_shared(clause, unit, call) for clause, unit in zip(words, units, strict=True)]
        if clauses is None:
            shares = [tuple(dict.fromkeys((*share, 1))) for share in shares]
        for mapped in itertools.islice(itertools.product(*shares), _MOST_READINGS):
            several = [evolve(unit, mappers=mappers) for unit, mappers in zip(units, mapped, strict=True)]
            for pinned in _pins(text, clauses, len(codes)):
                yield [evolve(unit, pinned=index in pinned) for index, unit in enumerate(several)]


def _clauses(name: str, text: str, count: int) -> list[list[str] | None]:
    """The parts of name or note that tell of one entry each, in several ways; None stands for the whole row's words."""
    note = text.removeprefix(name).strip()
    if count == 1:
        return [[text]]
    ways = [note.split(separator) for separator in (" then ", ",", " and ", ", then ")]
    ways += [name.split(separator) for separator in ("_vs_", "_then_", "_and_")]
    tokens = name.split("_")
    ways.append([token for token in tokens if _STATE_WORDS.fullmatch(token)])
    fitting: list[list[str] | None] = [
        way for way in ways if len(way) == count and all(map(_STATE_WORDS.search, way))
    ]
    if len(tokens) == count + 1 and any(map(_STATE_WORDS.fullmatch, tokens[1:])):
        fitting.append(tokens[1:])
    return [*fitting[:2], None]


def _unit(words: str, code: int) -> Unit:
    """The unit that words and a query's answer describe."""
    if code < -9999:
        return Unit("plain")
    if code >= 0:
        found = next((each for each, pattern in _FOUND_WORDS if re.search(pattern, words)), "plain")
        return Unit(found, code)
    if code == -2 and re.search(r"prot_?none", words) and not re.search(r"untouched|never_?touched", words):
        return Unit("prot_none", 0)
    default = "untouched" if code == -14 else "file_untouched"
    found = next(
        (each for each, pattern in _ABSENT_WORDS if re.search(pattern, words) and ABSENT[each] == code),
        default,
    )
    return Unit(found)


def _shared(words: str, unit: Unit, call: _Call) -> tuple[int, ...]:
    """How many map a page: one or two; both where the words leave it open, the likelier first."""
    if not unit.found:
        return (1,)
    if unit.state == "vdso":
        return (2, 1)
    if re.search(_ALONE, words) and not re.search(r"still shared|mapped[_ ]twice|two map", words):
        return (1,)
    if unit.state in ("file", "cached", "copied", "text", "shared_memory"):
        return (2, 1) if re.search(_FILE_SHARED, words) else (1, 2) if unit.state == "text" else (1,)
    if re.search(_SHARED, words):
        return (2,)
    if call.target == "other":
        return (2, 1)
    return (1,)


def _pins(text: str, clauses: list[str] | None, count: int) -> list[frozenset[int]]:
    """Which entries are held, by clause, by ordinal, or any one."""
    if not re.search(r"pinned|pin_|vmsplice|get_user_pages|gup|held", text) or re.search(_UNPINNED, text):
        return [frozenset()]
    if clauses is not None and count > 1:
        return [frozenset(index for index, clause in enumerate(clauses) if "pin" in clause)]
    if re.search(r"all_pinned|both_pinned|all pinned", text):
        return [frozenset(range(count))]
    named = [
        index
        for index, word in enumerate(_ORDINALS[:count])
        if re.search(rf"pinned_{word}|{word}_pinned|{word} (page )?pinned", text)
    ]
    if re.search(r"pinned_last|last_pinned|last (page )?pinned", text):
        named.append(count - 1)
    if re.search(r"pinned_(in_the_)?middle|middle_pinned", text):
        named.append(count // 2)
    if named:
        return [frozenset(named)]
    return [frozenset({index}) for index in range(min(count, 16))]
