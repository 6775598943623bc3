"""What a process asks for its memory beyond access: to drop it, to have huge pages, to share what is alike."""

from errno import EBUSY, EINVAL, ENOMEM

from attrs import evolve
from soak.memory import Slot, Task
from soak.using import RW, extent, no_memory, page_of
from soak.world import Turn, demand

from movable import PAGE_SIZE, Madvise, Prot, SystemCallError

HUGE = 512
"""Pages of a huge page."""

PLACE = 0x20_0000_0000 // PAGE_SIZE
"""Where areas for huge pages lie; page numbers."""


def plain_range(turn: Turn, task: Task) -> range:
    """Pages that any advice suits: mapped, not locked."""
    page, pages = extent(turn, task, 16)
    end = page
    while end < page + pages and end in task.slots and not task.slots[end].locked:
        end += 1
    return range(page, end)


def dontneed(turn: Turn) -> None:
    """Drop pages: private copies are gone."""
    task = turn.task()
    pages = plain_range(turn, task)
    if not pages:
        return
    turn.world.say(f"{task.name}.madvise({pages[0]:#x}, {len(pages)}, DONTNEED)")
    task.process.madvise(pages[0] * PAGE_SIZE, len(pages) * PAGE_SIZE, Madvise.DONTNEED)
    for page in pages:
        task.slots[page] = evolve(task.slots[page], data=None, lazy=False)


def free(turn: Turn) -> None:
    """Let reclaim drop private pages that nobody writes to any more; without free swap it is DONTNEED."""
    task = turn.task()
    pages = plain_range(turn, task)
    if not pages:
        return
    turn.world.say(f"{task.name}.madvise({pages[0]:#x}, {len(pages)}, FREE)")
    slots, used = turn.world.vm.swap
    of_files = any(task.slots[page].store is not None for page in pages)
    try:
        task.process.madvise(pages[0] * PAGE_SIZE, len(pages) * PAGE_SIZE, Madvise.FREE)
        dropped = of_files
        assert not (of_files and turn.world.exact and used < slots)
    except SystemCallError as error:
        demand(error, EINVAL)
        dropped = False
        if not of_files:
            raise
    for page in pages:
        slot = task.slots[page]
        if dropped:
            task.slots[page] = evolve(slot, data=None, lazy=False)
        elif slot.store is None and slot.data is not None:
            task.slots[page] = evolve(slot, lazy=True)


def huge(turn: Turn) -> None:
    """Map an area of the size of a huge page, with the advice to have one; or unmap it, or take the advice back."""
    task = turn.task()
    address, length = PLACE * PAGE_SIZE, HUGE * PAGE_SIZE
    if PLACE in task.slots:
        turn.world.say(f"{task.name}: no huge page any more")
        if turn.chance(0.3) and all(page in task.slots for page in range(PLACE, PLACE + HUGE)):
            task.process.madvise(address, length, Madvise.NOHUGEPAGE)
            return
        task.process.munmap(address, length)
        for page in range(PLACE, PLACE + HUGE):
            task.slots.pop(page, None)
        return
    if sum(PLACE in each.slots for each in turn.world.tasks) > 1:
        return
    turn.world.say(f"{task.name}: an area for a huge page")
    task.process.mmap(length, address=address, fixed=True)
    task.process.madvise(address, length, Madvise.HUGEPAGE)
    for page in range(PLACE, PLACE + HUGE):
        task.slots[page] = Slot(RW, page)


def merge(turn: Turn) -> None:
    """Give a few private pages the same contents, and have them merged."""
    task, data = turn.task(), turn.random.randbytes(16) * (PAGE_SIZE // 16)
    own = [page for page, slot in task.slots.items() if slot.store is None and slot.prot & Prot.WRITE]
    pages = turn.random.sample(own, min(len(own), turn.random.randrange(2, 4)))
    if not pages:
        return
    turn.world.say(f"{task.name}: merge {[hex(page) for page in pages]}")
    for page in pages:
        try:
            task.process.write(page * PAGE_SIZE, data)
        except SystemCallError as error:
            no_memory(turn, error)
            return
        turn.world.settle(task, page, 0, data)
    try:
        turn.world.vm.ksm_merge([(task.process, page * PAGE_SIZE) for page in pages])
        turn.world.count("merged")
    except SystemCallError as error:
        demand(error, EBUSY, EINVAL, ENOMEM)


def swap_out(turn: Turn) -> None:
    """Bring a page into swap space at once."""
    task = turn.task()
    page = page_of(turn, task)
    if page is None:
        return
    turn.world.say(f"{task.name}.swap_out({page:#x})")
    try:
        task.process.swap_out(page * PAGE_SIZE)
        turn.world.count("swapped out")
    except SystemCallError as error:
        demand(error, EBUSY, EINVAL, ENOMEM)
