"""Flags and enumerations, under the kernel's names and with Linux 4.9's values."""

import enum
from typing import Any, TypeVar

from movable.errors import MovableError

_Enum = TypeVar("_Enum", bound=enum.IntEnum)


def member(kind: type[_Enum], value: Any, argument: str) -> _Enum:
    """The member of an enumeration that an argument stands for; MovableError names the argument."""
    try:
        return kind(value)
    except ValueError:
        names = ", ".join(each.name for each in kind)
        raise MovableError(f"{argument}: must be a {kind.__name__} ({names}), not {value!r}") from None


class GFP(enum.IntFlag):
    """How to allocate, and where from. spec/compaction.md 2.12."""

    DMA = 0x1
    HIGHMEM = 0x2
    DMA32 = 0x4
    MOVABLE = 0x8
    RECLAIMABLE = 0x10
    HIGH = 0x20
    IO = 0x40
    FS = 0x80
    COLD = 0x100
    NOWARN = 0x200
    REPEAT = 0x400
    NOFAIL = 0x800
    NORETRY = 0x1000
    MEMALLOC = 0x2000
    COMP = 0x4000
    ZERO = 0x8000
    NOMEMALLOC = 0x10000
    HARDWALL = 0x20000
    THISNODE = 0x40000
    ATOMIC_BIT = 0x80000
    ACCOUNT = 0x100000
    NOTRACK = 0x200000
    DIRECT_RECLAIM = 0x400000
    OTHER_NODE = 0x800000
    WRITE = 0x1000000
    KSWAPD_RECLAIM = 0x2000000

    RECLAIM = DIRECT_RECLAIM | KSWAPD_RECLAIM
    KERNEL = RECLAIM | IO | FS
    NOFS = RECLAIM | IO
    NOIO = RECLAIM
    ATOMIC = HIGH | ATOMIC_BIT | KSWAPD_RECLAIM
    NOWAIT = KSWAPD_RECLAIM
    USER = KERNEL | HARDWALL
    HIGHUSER = USER | HIGHMEM
    HIGHUSER_MOVABLE = HIGHUSER | MOVABLE
    TRANSHUGE_LIGHT = (HIGHUSER_MOVABLE & ~RECLAIM) | COMP | NOMEMALLOC | NOWARN
    TRANSHUGE = TRANSHUGE_LIGHT | DIRECT_RECLAIM


class MigrateMode(enum.IntEnum):
    """How long migration may wait. spec/migration.md 3.1."""

    ASYNC = 0
    SYNC_LIGHT = 1
    SYNC = 2


class MigrateReason(enum.IntEnum):
    """Who asked for the migration. spec/migration.md 3.1."""

    COMPACTION = 0
    MEMORY_FAILURE = 1
    MEMORY_HOTPLUG = 2
    SYSCALL = 3
    MEMPOLICY_MBIND = 4
    NUMA_MISPLACED = 5
    CMA = 6


class IsolateMode(enum.IntFlag):
    """What the isolating caller accepts. spec/migration.md 6.1."""

    CLEAN = 1
    UNMAPPED = 2
    ASYNC_MIGRATE = 4
    UNEVICTABLE = 8


class MigrateType(enum.IntEnum):
    """Mobility of the pages in a pageblock. spec/compaction.md 1.4."""

    UNMOVABLE = 0
    MOVABLE = 1
    RECLAIMABLE = 2
    HIGHATOMIC = 3
    CMA = 4
    ISOLATE = 5


class CompactResult(enum.IntEnum):
    """How a compaction ended. spec/compaction.md 3.2."""

    NOT_SUITABLE_ZONE = 0
    SKIPPED = 1
    DEFERRED = 2
    NO_SUITABLE_PAGE = 3
    CONTINUE = 4
    COMPLETE = 5
    PARTIAL_SKIPPED = 6
    CONTENDED = 7
    SUCCESS = 8


class CompactPriority(enum.IntEnum):
    """How hard direct compaction tries; 0 is hardest. spec/compaction.md 7.2."""

    SYNC_FULL = 0
    SYNC_LIGHT = 1
    ASYNC = 2


class AllocFlags(enum.IntFlag):
    """Allocator flags; the low two bits choose the watermark. spec/compaction.md 2.12."""

    WMARK_LOW = 1
    WMARK_HIGH = 2
    NO_WATERMARKS = 0x4
    HARDER = 0x10
    HIGH = 0x20
    CPUSET = 0x40
    CMA = 0x80


class ZoneType(enum.IntEnum):
    """Zones of a node, lowest first. spec/compaction.md 1.2."""

    DMA = 0
    DMA32 = 1
    NORMAL = 2
    MOVABLE = 3


class LruList(enum.IntEnum):
    """The LRU lists of a node. spec/migration.md 7.1."""

    INACTIVE_ANON = 0
    ACTIVE_ANON = 1
    INACTIVE_FILE = 2
    ACTIVE_FILE = 3
    UNEVICTABLE = 4


class Prot(enum.IntFlag):
    """What a process may do with an area of its memory; NONE faults on every access."""

    NONE = 0
    READ = 1
    WRITE = 2
    EXEC = 4


class Madvise(enum.IntEnum):
    """Advice about memory, as Linux 4.9 knows it. spec/differences-numa.md N37."""

    NORMAL = 0
    RANDOM = 1
    SEQUENTIAL = 2
    WILLNEED = 3
    DONTNEED = 4
    FREE = 8
    DONTFORK = 10
    DOFORK = 11
    MERGEABLE = 12
    UNMERGEABLE = 13
    HUGEPAGE = 14
    NOHUGEPAGE = 15
    DONTDUMP = 16
    DODUMP = 17


class Mpol(enum.IntEnum):
    """Memory policies. spec/migration.md 9.1."""

    DEFAULT = 0
    PREFERRED = 1
    BIND = 2
    INTERLEAVE = 3
    LOCAL = 4


class MpolFlag(enum.IntFlag):
    """Flags that are or'ed to a policy's number. spec/migration.md 9.1."""

    RELATIVE_NODES = 1 << 14
    STATIC_NODES = 1 << 15


class MpolF(enum.IntFlag):
    """What get_mempolicy is asked for. spec/migration.md 9.1."""

    NODE = 1
    ADDR = 2
    MEMS_ALLOWED = 4


class MpolMF(enum.IntFlag):
    """What mbind and move_pages may do. spec/migration.md 9.1."""

    STRICT = 1
    MOVE = 2
    MOVE_ALL = 4
    LAZY = 8


class PageFlag(enum.IntFlag):
    """Bits of ``page->flags``. spec/migration.md 1.2."""

    LOCKED = 1 << 0
    ERROR = 1 << 1
    REFERENCED = 1 << 2
    UPTODATE = 1 << 3
    DIRTY = 1 << 4
    LRU = 1 << 5
    ACTIVE = 1 << 6
    SLAB = 1 << 7
    OWNER_PRIV_1 = 1 << 8
    ARCH_1 = 1 << 9
    RESERVED = 1 << 10
    PRIVATE = 1 << 11
    PRIVATE_2 = 1 << 12
    WRITEBACK = 1 << 13
    HEAD = 1 << 14
    SWAPCACHE = 1 << 15
    MAPPEDTODISK = 1 << 16
    RECLAIM = 1 << 17
    ISOLATED = RECLAIM
    SWAPBACKED = 1 << 18
    UNEVICTABLE = 1 << 19
    MLOCKED = 1 << 20


class PageType(enum.IntEnum):
    """What ``_mapcount`` says of a page that is never mapped. spec/migration.md 1.1."""

    NONE = -1
    BUDDY = -128
    BALLOON = -256
    KMEMCG = -512
