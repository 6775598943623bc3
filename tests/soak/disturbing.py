"""What a machine does under its processes: it compacts, reclaims, takes ranges and blocks, and runs short of memory."""

from soak.world import NODE_PAGES, Turn

from movable import GFP, CompactPriority, CompactSettings, MigrateMode


def compact_node(turn: Turn) -> None:
    """Compact a node, or all."""
    node = turn.random.randrange(5)
    turn.world.say(f"compact node {node}")
    if node == 4:
        turn.world.vm.compact_memory()
    else:
        turn.world.vm.compact_node(node)


def compact_zone(turn: Turn) -> None:
    """Compact a zone in some way."""
    vm, hard = turn.world.vm, turn.chance(0.5)
    order = turn.random.randrange(-1, 11)
    settings = CompactSettings(
        order=order,
        mode=turn.random.choice([*MigrateMode]),
        gfp=GFP.HIGHUSER_MOVABLE,
        whole_zone=hard,
        ignore_skip_hint=hard,
        ignore_block_suitable=hard,
        direct=not hard and order > 0,
    )
    turn.world.say(f"compact zone: {settings}")
    vm.compact_zone(turn.random.choice(vm.zones), settings)


def compact_directly(turn: Turn) -> None:
    """Compact for a request."""
    order, priority = turn.random.randrange(1, 11), turn.random.choice([*CompactPriority])
    turn.world.say(f"compact for order {order}, {priority!r}")
    turn.world.vm.try_to_compact_pages(order, GFP.HIGHUSER_MOVABLE, priority, turn.random.randrange(4))


def reclaim(turn: Turn) -> None:
    """Reclaim pages of a node."""
    pages, node = turn.random.choice([1, 8, 40, 300]), turn.random.randrange(4)
    turn.world.say(f"reclaim {pages} of node {node}")
    turn.world.vm.reclaim(pages, node)


def swapon(turn: Turn) -> None:
    """More swap space, until there is much."""
    if turn.world.vm.swap[0] < 2048:
        turn.world.say("swapon 16")
        turn.world.vm.swapon(16)


def isolate(turn: Turn) -> None:
    """Keep pages of a process isolated for a while, or migrate those and give them back."""
    world, vm = turn.world, turn.world.vm
    if world.isolated and turn.chance(0.6):
        listed = world.isolated.pop()
        node, mode = turn.random.randrange(4), turn.random.choice([*MigrateMode])
        world.say(f"migrate {len(listed)} isolated pages to node {node}, {mode!r}")
        vm.migrate_pages(listed, vm.target_node(node), mode=mode)
        vm.putback_movable_pages(listed)
        return
    if len(world.isolated) > 2:
        return
    listed = vm.page_list("isolated")
    vm.lru_add_drain_all()
    process = world.anybody(turn.random)
    world.say(f"isolate pages of process {process.pid}")
    areas = process.areas
    if areas:
        area = turn.random.choice(areas)
        process.isolate(listed, area.start, area.length)
        world.isolated.append(listed)


def contiguous(turn: Turn) -> None:
    """Take a range of frames, or give one back."""
    world = turn.world
    if world.ranges and turn.chance(0.7):
        taken = world.ranges.pop()
        world.say(f"free range {taken[0]:#x} {taken[1]}")
        assert world.vm.free_contig_range(*taken) == 0
        return
    zone = turn.random.choice(world.vm.zones)
    nr = turn.random.choice([1, 16, 100, 256])
    start = zone.start_pfn + turn.random.randrange(NODE_PAGES - nr)
    world.say(f"alloc range {start:#x} {nr}")
    if world.vm.alloc_contig_range(start, start + nr).ret == 0:
        world.ranges.append((start, nr))
        world.count("ranges taken")


def offline(turn: Turn) -> None:
    """Take half a node offline, or put what is offline back."""
    vm = turn.world.vm
    if vm.offline_ranges:
        each = vm.offline_ranges[0]
        turn.world.say(f"online {each}")
        vm.online_pages(each.start, each.pages)
        return
    zone = turn.random.choice(vm.zones)
    start = zone.start_pfn + turn.random.randrange(2) * 512
    if any(start <= at + nr and at < start + 512 for at, nr in turn.world.ranges):
        return
    turn.world.say(f"offline {start:#x}")
    if vm.offline_pages(start, 512, non_lru=turn.chance(0.5), max_passes=3).ret == 0:
        turn.world.count("blocks offline")


def drivers(turn: Turn) -> None:
    """Objects of a driver, more or less of them."""
    world = turn.world
    if len(world.objects) > 120 or (world.objects and turn.chance(0.4)):
        for handle in turn.random.sample(sorted(world.objects), len(world.objects) // 2):
            assert world.driver.drop(handle)
            del world.objects[handle]
        return
    for _ in range(turn.random.randrange(30)):
        text = turn.random.randbytes(40)
        stored = world.driver.store(text)
        if stored is not None:
            world.objects[stored] = text


def squeeze(turn: Turn) -> None:
    """Take much of the memory of some nodes away for a while."""
    world = turn.world
    nodes = turn.random.sample(range(4), turn.random.randrange(1, 5))
    left = turn.random.choice([0, 20, 60, 200])
    world.say(f"take memory of nodes {nodes}, but for {left} pages")
    for node in nodes:
        while world.vm.zones[node].free_pages > left:
            order = turn.random.choice([0, 2, 4, 5])
            page = world.vm.alloc_pages(
                order, GFP.KERNEL | GFP.THISNODE | GFP.NORETRY | GFP.NOWARN, node=node
            )
            if page is None:
                break
            world.blocks.append((page, order))


def relieve(turn: Turn) -> None:
    """Give the memory back."""
    if turn.world.blocks:
        turn.world.say("give memory back")
    while turn.world.blocks:
        turn.world.vm.free_pages(*turn.world.blocks.pop())


def large(turn: Turn) -> None:
    """A large block, which may take compaction and reclaim, and is given back."""
    order = turn.random.randrange(5, 11)
    turn.world.say(f"a block of order {order}")
    page = turn.world.vm.alloc_pages(order, GFP.HIGHUSER_MOVABLE | GFP.NOWARN, node=turn.random.randrange(4))
    if page is not None:
        turn.world.vm.free_pages(page, order)


def drain(turn: Turn) -> None:
    """Empty the vectors of pages."""
    turn.world.say("lru_add_drain_all")
    turn.world.vm.lru_add_drain_all()
