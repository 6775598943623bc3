"""Real data, page by page: the bytes of files and folders."""

import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

from movable import PAGE_SIZE, MovableError

__all__ = ["FilePages"]


class FilePages:
    """The contents of files, cut into pages; folders are searched through, in the order of their names.

    Without paths the Python standard library is taken. The last page of each file is filled up with zeros.
    """

    def __init__(self, paths: Sequence[Path] = ()) -> None:
        self.paths = tuple(paths) or (Path(sysconfig.get_path("stdlib")),)
        for path in self.paths:
            if not path.exists():
                raise MovableError(f"PATH: there is no {path}")
        self.files = tuple(file for path in self.paths for file in sorted(_files(path)))
        self.total = sum(-(-file.stat().st_size // PAGE_SIZE) for file in self.files)
        if not self.total:
            raise MovableError(f"PATH: no readable file with contents in {self._places()}")

    def __iter__(self) -> Iterator[bytes]:
        """Each page once."""
        for file in self.files:
            try:
                data = file.read_bytes()
            except OSError:
                continue
            for start in range(0, len(data), PAGE_SIZE):
                yield data[start : start + PAGE_SIZE].ljust(PAGE_SIZE, b"\0")

    def repeated(self) -> Iterator[bytes]:
        """The pages again and again, each time round with its number in them, so that no page is a copy.

        MovableError if none of the files can be read.
        """
        turn = 0
        while True:
            stamp = b"" if not turn else f"{turn:016x}".encode()
            any_page = False
            for page in self:
                any_page = True
                yield stamp + page[len(stamp) :]
            if not any_page:
                raise MovableError(f"PATH: no file in {self._places()} can be read")
            turn += 1

    def _places(self) -> str:
        return ", ".join(map(str, self.paths))


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for each in path.rglob("*"):
        if "__pycache__" not in each.parts and each.is_file() and not each.is_symlink():
            yield each
