"""Whether new pages lie where the policies say. spec/migration.md 9.4."""

from collections.abc import Iterator
from contextlib import contextmanager

from soak.memory import Slot, Task
from soak.policies import nearest, target
from soak.world import DISTANCES, World

from movable import PAGE_SIZE, Mpol, MpolF


@contextmanager
def placed(world: World, task: Task, page: int, *, write: bool) -> Iterator[None]:
    """An access to a page, after which it lies where its policy says if it is new."""
    if not (world.exact and world.plenty):
        yield
        return
    process, slot, address = task.process, task.slots[page], page * PAGE_SIZE
    before, cached = process.entry(address), is_cached(slot)
    swapped_in = world.vm.vmstat()["pswpin"]
    rotor = rotor_of(task)
    yield
    after = process.entry(address)
    if after is None or after.kind != "page" or after.huge:
        return
    if before is not None and before.kind == "swap":
        if world.vm.vmstat()["pswpin"] == swapped_in or world.vm.page(after.pfn).mapcount > 1:
            return
    elif before is not None and before.pfn == after.pfn and before.kind == "page":
        return
    nid = world.vm.page(after.pfn).nid
    own_copy = not slot.shared and (slot.store is None or write or slot.data is not None)
    if own_copy:
        check(world, task, nid, target_of(world, task, slot, slot.index))
    elif not cached and slot.store is not None and slot.store.shmem:
        check_shmem(world, task, slot, nid)
    elif not cached:
        check_cache(world, task, nid, rotor)


def check(world: World, task: Task, nid: int, expected: int) -> None:
    """A page's node is the one that was to be expected."""
    assert nid == expected, f"{task.name}: a new page on node {nid}, not {expected}"
    world.count("placed")


def target_of(world: World, task: Task, slot: Slot, index: int) -> int:
    """The node of a new page of an area."""
    policy = slot.own_policy or task.policy
    return target(policy, index, world.cpu_node, world.mems(task.process), DISTANCES)


def check_shmem(world: World, task: Task, slot: Slot, nid: int) -> None:
    """Interleaved pages of shared memory go by their index plus the object's number, which the first one tells."""
    policy, store = slot.own_policy or task.policy, slot.store
    assert store is not None
    number = 0
    if policy is not None and policy.mode == Mpol.INTERLEAVE:
        size, mems = len(policy.nodes), world.mems(task.process)
        if not policy.nodes <= mems:
            return
        rank = sorted(policy.nodes).index(nid)
        number = store.numbers.setdefault(size, (rank - slot.index) % size)
    check(world, task, nid, target_of(world, task, slot, slot.index + number))


def check_cache(world: World, task: Task, nid: int, rotor: int | None) -> None:
    """Pages of files go by the process's policy; interleaved ones by its rotor, which goes on to the next node."""
    mems = world.mems(task.process)
    if cpuset_spreads(world, task):
        assert nid in mems
        return
    if rotor is None:
        check(world, task, nid, target(task.policy, 0, world.cpu_node, mems, DISTANCES))
        return
    assert task.policy is not None
    check(world, task, nid, nearest(rotor, mems, DISTANCES))
    nodes = sorted(task.policy.nodes)
    assert rotor_of(task) == next((node for node in nodes if node > rotor), nodes[0])


def cpuset_spreads(world: World, task: Task) -> bool:
    """Whether the process's cpuset spreads the pages of files."""
    return next(model.spread for model in world.cpusets if model.cpuset is task.process.cpuset)


def rotor_of(task: Task) -> int | None:
    """The node of the next interleaved page without an area, None if the process does not interleave."""
    if task.policy is None or task.policy.mode != Mpol.INTERLEAVE:
        return None
    return task.process.get_mempolicy(flags=MpolF.NODE).mode


def is_cached(slot: Slot) -> bool:
    """Whether a page of a store is in memory already, or may be."""
    store = slot.store
    if store is None or store.file is None:
        return store is not None and slot.index in store.touched
    return store.file.page(slot.index) is not None
