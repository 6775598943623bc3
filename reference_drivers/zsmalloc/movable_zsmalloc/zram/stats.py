"""What a device counts, and how its files print it (spec/drivers.md 3.8)."""

from attrs import define

from movable import PAGE_SIZE

__all__ = ["ZramStats", "stat_line"]


@define
class ZramStats:
    """The counters of one device, from set-up to reset. Pages, requests or bytes as the names say.

    ``filled_pages`` are the zero pages of Linux 4.9, ``max_used_pages`` the peak of the pool's size.
    """

    num_reads: int = 0
    num_writes: int = 0
    failed_reads: int = 0
    failed_writes: int = 0
    invalid_io: int = 0
    notify_free: int = 0
    filled_pages: int = 0
    pages_stored: int = 0
    compr_data_size: int = 0
    huge_pages: int = 0
    max_used_pages: int = 0
    writestall: int = 0

    @property
    def orig_data_size(self) -> int:
        """Bytes that were written and are stored, before compression."""
        return self.pages_stored * PAGE_SIZE


def stat_line(*values: int) -> str:
    """One line of a statistics file: numbers to a width of eight."""
    return " ".join(f"{value:8d}" for value in values) + "\n"
