"""A batch scheduler that moves jobs between cpusets, and what that costs when their memory does not follow."""

import movable
from movable.numa import Accesses, AccessMeter

PAGE = movable.PAGE_SIZE


class Job:
    """A process with a small table that it uses all the time, and a large archive that it uses now and then."""

    def __init__(self, vm: movable.VM, name: str, slot: movable.Cpuset) -> None:
        self.name = name
        self.process = vm.process()
        slot.attach(self.process)
        vm.cpu = min(slot.cpus)
        near, far = sorted(slot.mems)
        self.table = self.process.mmap(64 * PAGE)
        self.archive = self.process.mmap(256 * PAGE)
        self.process.mbind(self.archive, 256 * PAGE, movable.Mpol.BIND, [far])
        self.process.mbind(self.table, 64 * PAGE, movable.Mpol.BIND, [near])
        self.process.touch(self.table, 64 * PAGE)
        self.process.touch(self.archive, 256 * PAGE)

    def work(self) -> None:
        """A turn on the CPU: nine of ten accesses go to the table."""
        for number in range(1000):
            area, pages = (self.archive, 256) if number % 10 == 9 else (self.table, 64)
            self.process.read(area + number * 7 % pages * PAGE, 8)


class Scheduler:
    """Runs jobs in slots. A slot is a cpuset: a CPU, the memory beside it, and a memory-only node."""

    def __init__(self, vm: movable.VM, *, memory_follows: bool) -> None:
        self.vm = vm
        self.slots = {
            "left": vm.cpusets.create("left", cpus="0", mems="0,2"),
            "right": vm.cpusets.create("right", cpus="1", mems="1,3"),
        }
        for slot in self.slots.values():
            slot.memory_migrate = memory_follows

    def start(self, name: str, slot: str) -> Job:
        """A new job."""
        return Job(self.vm, name, self.slots[slot])

    def move(self, job: Job, slot: str) -> None:
        """Put a job into another slot, by writing its pid to the cpuset's tasks."""
        self.slots[slot].write("tasks", str(job.process.pid))

    def turn(self, job: Job) -> float:
        """Let a job work; the mean cost of its accesses, in local ones."""
        self.vm.cpu = min(job.process.cpuset.cpus)
        with AccessMeter(self.vm) as meter:
            job.work()
            accesses = meter.take().get(job.process.pid, Accesses())
        return accesses.latency(self.vm.config.distance_table)


def day(*, memory_follows: bool) -> list[tuple[str, float, str]]:
    """A job is pushed aside by an urgent one and comes back: what happened, its latency, where its pages are."""
    story = []
    with movable.VM("numa4") as vm:
        scheduler = Scheduler(vm, memory_follows=memory_follows)
        job = scheduler.start("weather", "left")

        def note(what: str) -> None:
            story.append((what, scheduler.turn(job), places(job)))

        note("weather runs in left")
        urgent = scheduler.start("urgent", "left")
        scheduler.move(job, "right")
        note("pushed aside to right")
        urgent.process.exit()
        scheduler.move(job, "left")
        note("back in left")
    return story


def places(job: Job) -> str:
    """The pages of a job by node, as its numa_maps say."""
    words = job.process.numa_maps().split()
    counts = {node: sum(int(word[3:]) for word in words if word.startswith(f"N{node}=")) for node in range(4)}
    return " ".join(f"N{node}={count}" for node, count in counts.items() if count)


def main() -> None:
    """Tell the story twice."""
    for memory_follows in (False, True):
        print(f"memory_migrate = {int(memory_follows)}")
        for what, latency, where in day(memory_follows=memory_follows):
            print(f"  {what:<24}latency {latency:.2f}   {where}")


if __name__ == "__main__":
    main()
