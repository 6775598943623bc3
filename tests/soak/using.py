"""What a process does with its memory: areas, accesses, forks and exits."""

from errno import ENOMEM

from attrs import evolve
from soak.memory import ZERO, Slot, Store, Task
from soak.placing import placed
from soak.world import Turn, demand

from movable import PAGE_SIZE, BusError, Prot, SegmentationFault, SystemCallError

BASE = 0x10_0000_0000 // PAGE_SIZE
"""Where areas of fixed addresses lie; page numbers."""

ROOM = 160
"""Pages of fixed addresses."""

MOST_PAGES = 220
MOST_TASKS = 6
RW = Prot.READ | Prot.WRITE
PROTS = (RW, RW, RW, RW, Prot.READ, Prot.NONE, Prot.WRITE, Prot.READ | Prot.EXEC)


def page_of(turn: Turn, task: Task) -> int | None:
    """One of a task's mapped pages."""
    return turn.random.choice(list(task.slots)) if task.slots else None


def extent(turn: Turn, task: Task, most: int = 24) -> tuple[int, int]:
    """A range of pages, mostly mapped, sometimes with holes: first, and how many."""
    page = page_of(turn, task)
    if page is None or turn.chance(0.1):
        page = BASE + turn.random.randrange(ROOM)
    return page, turn.random.randrange(1, most)


def no_memory(turn: Turn, error: SystemCallError) -> None:
    """A call may fail for want of memory, but only if there is little."""
    if error.errno != ENOMEM:
        raise error
    assert not (turn.world.exact and turn.world.plenty), "no memory, with plenty of it free"
    turn.world.count("no memory")


def mmap(turn: Turn) -> None:
    """Map something."""
    task, random = turn.task(), turn.random
    pages = random.choice([1, 2, 5, 12, 30])
    if len(task.slots) % 512 + pages > MOST_PAGES:
        munmap(turn)
        return
    prot, locked = random.choice(PROTS), turn.chance(0.1)
    kind = random.choice(["private", "private", "shared", "file private", "file shared"])
    shared = "shared" in kind
    store = random.choice([each for each in turn.group.stores if each.file]) if "file" in kind else None
    shared = shared or (store is not None and store.lossy)
    offset = 0 if store is None else random.randrange(max(store.size // PAGE_SIZE, 1))
    fixed = turn.chance(0.7)
    page = BASE + random.randrange(ROOM) if fixed else 0
    turn.world.say(f"{task.name}.mmap({pages}, {kind}, at {page:#x}, {prot!r}, locked={locked}, {offset=})")
    try:
        address = task.process.mmap(
            pages * PAGE_SIZE,
            prot,
            shared=shared,
            file=None if store is None else store.file,
            offset=offset * PAGE_SIZE,
            address=page * PAGE_SIZE,
            fixed=fixed,
            locked=locked,
        )
    except SystemCallError as error:
        no_memory(turn, error)
        return
    if shared and store is None:
        store = Store("shared", pages * PAGE_SIZE, shmem=True)
        turn.group.stores.append(store)
    first = address // PAGE_SIZE
    for number in range(pages):
        index = first + number if store is None else offset + number
        task.slots[first + number] = Slot(prot, index, store, shared, locked)
    after_locking(task, first, pages)
    task.joined()


def after_locking(task: Task, first: int, pages: int) -> None:
    """mlock writes to private pages that may be written: they are copied."""
    for page in range(first, first + pages):
        slot = task.slots.get(page)
        if slot is None:
            continue
        note_touched(slot)
        if slot.locked and slot.prot & Prot.WRITE and not slot.shared and is_copied(task, page, slot):
            task.slots[page] = slot.written(0, b"")


def is_copied(task: Task, page: int, slot: Slot) -> bool:
    """Whether a private page of a file is a copy already."""
    entry = task.process.entry(page * PAGE_SIZE)
    if slot.store is None or slot.store.file is None or entry is None:
        return False
    return entry.pfn not in {each.pfn for each in slot.store.file.pages().values()}


def munmap(turn: Turn) -> None:
    """Unmap a range."""
    task = turn.task()
    page, pages = extent(turn, task)
    turn.world.say(f"{task.name}.munmap({page:#x}, {pages})")
    task.process.munmap(page * PAGE_SIZE, pages * PAGE_SIZE)
    for number in range(page, page + pages):
        task.slots.pop(number, None)


def mprotect(turn: Turn) -> None:
    """Change the rights of a range."""
    task = turn.task()
    page, pages = extent(turn, task)
    prot = turn.random.choice(PROTS)
    holes = any(number not in task.slots for number in range(page, page + pages))
    turn.world.say(f"{task.name}.mprotect({page:#x}, {pages}, {prot!r})")
    try:
        task.process.mprotect(page * PAGE_SIZE, pages * PAGE_SIZE, prot)
        assert not holes
    except SystemCallError as error:
        demand(error, ENOMEM if holes else 0)
        adopt_rights(task)
        return
    for number in range(page, page + pages):
        task.slots[number] = evolve(task.slots[number], prot=prot)
    task.joined()


def adopt_rights(task: Task) -> None:
    """A call on a range with holes has done a part of its work; which one is not said."""
    for area in task.process.areas:
        for page in range(area.start // PAGE_SIZE, area.end // PAGE_SIZE):
            task.slots[page] = evolve(task.slots[page], prot=area.prot, locked=area.locked)
    task.joined()


def mlock(turn: Turn) -> None:
    """Lock or unlock a range."""
    task = turn.task()
    page, pages = extent(turn, task, 12)
    lock = turn.chance(0.5)
    turn.world.say(f"{task.name}.{'mlock' if lock else 'munlock'}({page:#x}, {pages})")
    call = task.process.mlock if lock else task.process.munlock
    try:
        call(page * PAGE_SIZE, pages * PAGE_SIZE)
        assert all(number in task.slots for number in range(page, page + pages))
    except SystemCallError as error:
        demand(error, ENOMEM)
    adopt_rights(task)
    after_locking(task, page, pages)


def random_bytes(turn: Turn) -> tuple[int, bytes]:
    """Where in a page to write, and what."""
    if turn.chance(0.4):
        return 0, turn.random.randbytes(8) * (PAGE_SIZE // 8)
    at = turn.random.randrange(PAGE_SIZE)
    return at, turn.random.randbytes(turn.random.randrange(1, min(600, PAGE_SIZE - at) + 1))


def note_touched(slot: Slot) -> None:
    """The page of the store is in memory, or was."""
    if slot.store is not None:
        slot.store.touched.add(slot.index)


def write(turn: Turn) -> None:
    """Write to a page."""
    task = turn.task()
    page = page_of(turn, task)
    if page is None:
        return
    at, data = random_bytes(turn)
    access(turn, task, page, write=True, at=at, data=data)


def read(turn: Turn) -> None:
    """Read a page, and compare it with the model."""
    task = turn.task()
    page = page_of(turn, task)
    if page is not None:
        access(turn, task, page, write=False)


def touch(turn: Turn) -> None:
    """Touch a few pages, for reading or writing, with nothing changed."""
    task = turn.task()
    page, pages = extent(turn, task, 12)
    writing = turn.chance(0.7)
    for number in range(page, page + pages):
        if number in task.slots:
            access(turn, task, number, write=writing, data=b"")


def access(turn: Turn, task: Task, page: int, *, write: bool, at: int = 0, data: bytes | None = None) -> None:
    """Read (``data`` None), write, or touch (``data`` empty) a page; all that should follow from it does."""
    slot, address = task.slots[page], page * PAGE_SIZE
    allowed = slot.prot & (Prot.WRITE if write else RW | Prot.EXEC)
    turn.world.say(
        f"{task.name}.{'write' if write else 'read'}({page:#x}, at {at}, {len(data or b'')} bytes)"
    )
    try:
        with placed(turn.world, task, page, write=write and bool(allowed)):
            if data:
                task.process.write(address + at, data)
            elif data is None:
                found = task.process.read(address, PAGE_SIZE)
                assert slot.matches(found), f"{task.name}: page {page:#x}"
            else:
                task.process.touch(address, write=write)
        assert allowed, "an access that is not allowed"
        assert not slot.beyond, "an access behind the end of a file"
    except BusError:
        assert slot.beyond
        return
    except SegmentationFault:
        assert not allowed
        return
    except SystemCallError as error:
        no_memory(turn, error)
        return
    note_touched(slot)
    if write:
        turn.world.settle(task, page, at, data or b"")
    turn.world.count("accesses")


def fork(turn: Turn) -> None:
    """A child, unless there are many."""
    if len(turn.group.tasks) >= (MOST_TASKS if turn.world.exact else 3):
        leave(turn)
        return
    parent = turn.task()
    turn.world.say(f"{parent.name}.fork()")
    turn.group.tasks.append(parent.forked(parent.process.fork()))


def leave(turn: Turn) -> None:
    """The end of a task, unless it is the last one; with a zombie now and then."""
    if len(turn.group.tasks) == 1:
        return
    task = turn.task()
    zombie = turn.chance(0.3)
    turn.world.say(f"{task.name}.exit(reap={not zombie})")
    turn.group.tasks.remove(task)
    task.process.exit(reap=not zombie)
    if zombie:
        task.process.reap()
    used = {id(slot.store) for each in turn.group.tasks for slot in each.slots.values()}
    turn.group.stores[:] = [store for store in turn.group.stores if store.file or id(store) in used]


def file_write(turn: Turn) -> None:
    """write(2)."""
    store = turn.random.choice([each for each in turn.group.stores if each.file])
    assert store.file is not None
    offset = turn.random.randrange(50 * PAGE_SIZE)
    data = turn.random.randbytes(turn.random.choice([1, 100, 5000]))
    turn.world.say(f"{store.name}.write({offset}, {len(data)} bytes)")
    try:
        done = store.file.write(offset, data)
    except SystemCallError as error:
        no_memory(turn, error)
        done = 0
    if done:
        store.write(offset, data[:done])
    store.touched.update(range(offset // PAGE_SIZE, (offset + len(data)) // PAGE_SIZE + 1))


def file_read(turn: Turn) -> None:
    """read(2)."""
    store = turn.random.choice([each for each in turn.group.stores if each.file])
    assert store.file is not None
    offset, length = turn.random.randrange(50 * PAGE_SIZE), turn.random.choice([1, 100, 9000])
    turn.world.say(f"{store.name}.read({offset}, {length})")
    try:
        found = store.file.read(offset, length)
        assert found == store.read(offset, length) or store.lossy
    except SystemCallError as error:
        no_memory(turn, error)


def truncate(turn: Turn) -> None:
    """Cut or lengthen a file."""
    store = turn.random.choice([each for each in turn.group.stores if each.file])
    assert store.file is not None
    size = turn.random.choice([0, store.size // 2, store.size + 3000, 20 * PAGE_SIZE, 40 * PAGE_SIZE])
    turn.world.say(f"{store.name}.truncate({size})")
    store.file.truncate(size)
    store.truncate(size)
    for task in turn.group.tasks:
        task.drop_truncated(store)


def sync(turn: Turn) -> None:
    """Write a file out, and drop what is clean."""
    store = turn.random.choice([each for each in turn.group.stores if each.file])
    file = store.file
    assert file is not None
    turn.world.say(f"{store.name}.sync(), error {file.writepage_error}, writepage {file.writepage}")
    try:
        file.sync()
    except SystemCallError as error:
        demand(error, -file.writepage_error)
    if turn.chance(0.5):
        file.invalidate()


def device(turn: Turn) -> None:
    """The device behind a file becomes slow, fails, or recovers."""
    store = turn.random.choice([each for each in turn.group.stores if each.file])
    file = store.file
    assert file is not None
    file.writepage_error = turn.random.choice([0, -5]) if store.lossy else 0
    file.slow_device = turn.chance(0.3)
    file.writepage = turn.chance(0.8)
    turn.world.say(f"{store.name}: {file.writepage_error=} {file.slow_device=} {file.writepage=}")
    if turn.chance(0.5):
        file.end_writeback()


def pin(turn: Turn) -> None:
    """Pin a page for a while, or let one go."""
    world = turn.world
    if world.pins and turn.chance(0.6):
        page = world.pins.pop(turn.random.randrange(len(world.pins)))
        world.say(f"put {page.pfn:#x}")
        page.put()
        return
    task = turn.task()
    number = page_of(turn, task)
    if number is None or len(world.pins) > 8:
        return
    slot, write = task.slots[number], turn.chance(0.5)
    world.say(f"{task.name}.pin({number:#x}, {write=})")
    try:
        world.pins.append(task.process.pin(number * PAGE_SIZE, write=write))
    except (SegmentationFault, BusError):
        zero = not write and (slot.lazy or (slot.data is None and slot.contents == ZERO))
        assert slot.beyond or zero or not slot.prot & (Prot.WRITE if write else RW | Prot.EXEC)
        return
    except SystemCallError as error:
        no_memory(turn, error)
        return
    note_touched(slot)
    if write:
        world.settle(task, number, 0, b"")
