"""A model of what processes find in their memory: pages of areas, files, and private copies."""

from attrs import define, evolve, field, frozen
from soak.policies import Nodes, PolicyModel

from movable import PAGE_SIZE, File, Process, Prot

ZERO = bytes(PAGE_SIZE)


@define(eq=False)
class Store:
    """What pages of a file, or of shared anonymous memory (``file`` None), hold; pages missing are zeros.

    ``policies`` are those that mbind has given pages of shared memory. ``touched`` are pages that were ever in
    memory. ``numbers`` is what is known of the object's number: its remainder by the size of an interleave set.
    A ``lossy`` store has a device that fails: as in Linux, a page that could not be written counts as clean, and what
    it held is lost when it leaves memory.
    """

    name: str
    size: int
    file: File | None = None
    shmem: bool = False
    lossy: bool = False
    pages: dict[int, bytes] = field(factory=dict)
    policies: dict[int, PolicyModel | None] = field(factory=dict)
    touched: set[int] = field(factory=set)
    numbers: dict[int, int] = field(factory=dict)

    def truncate(self, size: int) -> None:
        """Cut or lengthen."""
        last = -(-size // PAGE_SIZE)
        self.pages = {index: data for index, data in self.pages.items() if index < last}
        rest = size % PAGE_SIZE
        if rest and last - 1 in self.pages and size < self.size:
            self.pages[last - 1] = self.pages[last - 1][:rest].ljust(PAGE_SIZE, b"\0")
        self.size = size

    def write(self, offset: int, data: bytes) -> None:
        """Put bytes at an offset; the store grows as needed."""
        self.size = max(self.size, offset + len(data))
        while data:
            index, at = divmod(offset, PAGE_SIZE)
            piece, data = data[: PAGE_SIZE - at], data[PAGE_SIZE - at :]
            self.pages[index] = patched(self.pages.get(index, ZERO), at, piece)
            offset += len(piece)

    def read(self, offset: int, length: int) -> bytes:
        """The bytes of a range, fewer at the end."""
        end = min(offset + length, self.size)
        first, last = offset // PAGE_SIZE, -(-end // PAGE_SIZE)
        data = b"".join(self.pages.get(index, ZERO) for index in range(first, last))
        return data[offset - first * PAGE_SIZE : max(end - first * PAGE_SIZE, 0)]


def patched(page: bytes, at: int, data: bytes) -> bytes:
    """A page with some bytes replaced."""
    return page[:at] + data + page[at + len(data) :]


@frozen
class Slot:
    """A page of an area. ``index`` counts in the store, or (no store) in the address space.

    ``data`` is the process's own copy, None as long as it has not written. ``lazy``: it may become zeros at any time.
    """

    prot: Prot
    index: int
    store: Store | None = None
    shared: bool = False
    locked: bool = False
    data: bytes | None = None
    policy: PolicyModel | None = None
    lazy: bool = False

    def matches(self, seen: bytes) -> bool:
        """Whether that may be what a read finds."""
        return not self.reliable or seen == self.contents or (self.lazy and seen == ZERO)

    @property
    def contents(self) -> bytes:
        """What a read finds."""
        if self.data is not None:
            return self.data
        return ZERO if self.store is None else self.store.pages.get(self.index, ZERO)

    @property
    def reliable(self) -> bool:
        """Whether the contents can be told."""
        return self.store is None or not self.store.lossy

    @property
    def beyond(self) -> bool:
        """Whether the page lies behind the end of its file."""
        return self.data is None and self.store is not None and self.index * PAGE_SIZE >= self.store.size

    @property
    def own_policy(self) -> PolicyModel | None:
        """The policy in force for the page, but for the process's."""
        if self.store is not None and self.store.shmem:
            return self.store.policies.get(self.index)
        return self.policy

    def written(self, at: int, data: bytes) -> "Slot":
        """The page after a write."""
        if self.shared:
            assert self.store is not None
            self.store.pages[self.index] = patched(self.contents, at, data)
            return self
        return evolve(self, data=patched(self.contents, at, data))


@define(eq=False)
class Task:
    """A process, and what its memory should be. ``slots`` has its mapped pages by number."""

    process: Process
    slots: dict[int, Slot] = field(factory=dict)
    policy: PolicyModel | None = None

    @property
    def name(self) -> str:
        """For the log."""
        return f"p{self.process.pid}"

    def forked(self, process: Process) -> "Task":
        """The child: locks are not inherited."""
        slots = {page: evolve(slot, locked=False) for page, slot in self.slots.items()}
        return Task(process, slots, self.policy)

    def drop_truncated(self, store: Store) -> None:
        """Private copies behind the end of a file that was cut are gone."""
        for page, slot in self.slots.items():
            if slot.store is store and slot.data is not None and slot.index * PAGE_SIZE >= store.size:
                self.slots[page] = evolve(slot, data=None)

    def rebind(self, mems: Nodes) -> None:
        """The process's nodes have changed: all policies follow."""
        if self.policy is not None:
            self.policy = self.policy.rebound(mems)
        for page, slot in self.slots.items():
            if slot.policy is not None:
                self.slots[page] = evolve(slot, policy=slot.policy.rebound(mems))

    def joined(self) -> None:
        """Areas that have become one have one policy: the lower one's."""
        for area in self.process.areas:
            first = self.slots[area.start // PAGE_SIZE].policy
            for page in range(area.start // PAGE_SIZE, area.end // PAGE_SIZE):
                slot = self.slots[page]
                if slot.policy is not first:
                    assert slot.policy == first, f"{self.name}: one area, two policies at {page:#x}"
                    self.slots[page] = evolve(slot, policy=first)
