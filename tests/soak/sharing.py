"""A file that processes on several CPUs write to at once, each in a part of every page that is its own."""

from random import Random

from movable import PAGE_SIZE, VM

PAGES = 3
PART = 1024
"""Bytes of a part: what one access of a process under a schedule takes at most."""


class Sharing:
    """One process a user, all with the same file mapped; the numbers that each has written last."""

    def __init__(self, vm: VM, users: int) -> None:
        self.file = vm.file("common", PAGES * PAGE_SIZE)
        self.processes = [vm.process() for _ in range(users)]
        self.places = [
            process.mmap(PAGES * PAGE_SIZE, shared=True, file=self.file) for process in self.processes
        ]
        self.written = {(page, user): 0 for page in range(PAGES) for user in range(users)}
        self.seen: dict[tuple[int, int, int], int] = {}

    def turn(self, user: int, random: Random) -> None:
        """Write the next number to one's part of a page, or look at the parts of all."""
        page = random.randrange(PAGES)
        if random.random() < 0.6:
            number = self.written[page, user] + 1
            place = self.places[user] + page * PAGE_SIZE + user * PART
            self.processes[user].write(place, number.to_bytes(8, "little") * (PART // 8))
            self.written[page, user] = number
        self.look(user, page)

    def look(self, user: int, page: int) -> None:
        """Every part is whole, no older than what was seen before, and one's own is what one has written."""
        data = self.processes[user].read(self.places[user] + page * PAGE_SIZE, PAGE_SIZE)
        for other in range(len(self.processes)):
            words = {data[at : at + 8] for at in range(other * PART, (other + 1) * PART, 8)}
            assert len(words) == 1, f"page {page}: a torn part of user {other}"
            number = int.from_bytes(words.pop(), "little")
            assert number >= self.seen.get((user, page, other), 0), f"page {page}: a write was lost"
            self.seen[user, page, other] = number
        assert self.seen[user, page, user] == self.written[page, user], f"page {page}: a write was lost"

    def end(self) -> None:
        """All writes are there; the processes end."""
        for page in range(PAGES):
            for user in range(len(self.processes)):
                self.look(user, page)
                assert self.seen[user, page, 0] == self.written[page, 0]
        for process in self.processes:
            process.exit()
        self.file.close()
