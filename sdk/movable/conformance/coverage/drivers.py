"""The statements of spec/drivers.md 6, the checklist of driver authors."""

from movable.conformance.coverage.item import Item, covered, section, untestable

__all__ = ["DRIVERS"]

_OTHERS = "the order of one driver's locks; what holds for all is item 10"

DRIVERS: tuple[Item, ...] = (
    *section(
        "drivers.md 6.1",
        untestable("1", "The core locks the old page, tries the new one, calls back.", "the VM's own order"),
        untestable("2", "zsmalloc: page locks, pins, zspage lock, class lock.", _OTHERS),
        untestable("3", "Later zsmalloc: page locks, pool lock, class lock, zspage lock.", _OTHERS),
        untestable("4", "The virtio balloon: page lock, mutex, list lock.", _OTHERS),
        untestable("5", "The VMware balloon: page lock, semaphore, list lock.", _OTHERS),
        untestable("6", "CMM: page lock, list lock.", _OTHERS),
        untestable("7", "z3fold: page lock, header lock, pool lock.", _OTHERS),
        untestable("8", "aio: page lock, mapping lock, ring mutex, completion lock.", _OTHERS),
        untestable("9", "zram: slot lock above zsmalloc's.", _OTHERS),
        covered(
            "10",
            "Locks held over an allocation or before a page lock are tried in migratepage.",
            "LIVE-6 MIG-16",
        ),
    ),
    *section(
        "drivers.md 6.2",
        covered("1", "Busy for a short time: -EAGAIN, nothing touched.", "MIG-6 MIG-7"),
        covered("2a", "Unmovable for longer: refused by isolate_page.", "ISO-6"),
        covered("2b", "Unmovable since isolation: -EBUSY.", "MIG-8"),
        covered("3a", "Emptied since isolation: moved, or put back and released.", "FREE-6 LIVE-5"),
        covered("3b", "Metadata of objects that are gone is not read.", "DATA-1 LIVE-5"),
        untestable("4", "A mode without copying is refused where it cannot work.", "the mode came after 4.9"),
        untestable(
            "5", "If an outside party refuses: -EBUSY.", "what it is and how it refuses is the driver's own"
        ),
        covered(
            "6", "Memory short: avoided, since it stops the caller's whole list.", "MIG-9 FAULT-1 FAULT-2"
        ),
        covered("7", "Destroyed since isolation: nothing to answer, no callback comes.", "FREE-2"),
    ),
    *section(
        "drivers.md 6.3",
        covered("1", "After yes: off all lists, movable, still locked.", "ISO-1 ISO-3 ISO-4 ISO-5"),
        covered("2", "After no: as before.", "ISO-6"),
        covered(
            "3a",
            "After 0 the old page is given up, unreferenced, reset and still locked.",
            "MIG-1 MIG-4 MIG-5 MIG-11",
        ),
        covered("3b", "After 0 flag and link of the old page are untouched.", "MIG-12 ISO-7"),
        covered(
            "3c", "After 0 the new page is marked, referenced, filled and found.", "MIG-2 MIG-3 MIG-10 MIG-13"
        ),
        covered("4", "After -EAGAIN: still isolated and owned, the target untouched.", "MIG-6 MIG-7"),
        covered("5", "After another error: still movable, or given up and cleaned up.", "MIG-6 MIG-8"),
        covered("6", "After putback_page: usable, or queued to be freed.", "PUT-3 PUT-4 FREE-3"),
    ),
    *section(
        "drivers.md 6.4",
        covered(
            "1",
            "The mark: cleared on the old page, set on the new, each under its lock.",
            "MIG-1 MIG-2 FREE-1",
        ),
        covered(
            "2", "Private field and flag: cleared on the old page, set on the new as needed.", "MIG-11 FREE-8"
        ),
        covered("3", "Index: copied if it carries data.", "DATA-1"),
        covered("4", "Fields shared with the map count: reset.", "MIG-11"),
        covered("5", "The driver's flags: cleared on the old page.", "MIG-11 FREE-8"),
        covered("6", "The page type: cleared on the old page.", "MIG-11 FREE-8"),
        covered(
            "7", "Locks, work and list heads inside the page: made anew after the copy.", "DATA-1 LIVE-4"
        ),
        covered("8", "The link: left to the VM, the driver's on the new page.", "ISO-7"),
        covered("9", "Counters of zones and managed pages: moved along.", "ACC-5 ACC-6"),
    ),
    *section(
        "drivers.md 6.5",
        covered("1", "Trying the lock of the old page in migratepage.", "LIVE-2"),
        covered("2", "An empty putback_page after isolate_page unlinked the page.", "PUT-4"),
        covered("3", "Marking without the page lock.", "MARK-2"),
        covered("4", "Isolation counted in a word that another lock guards.", "RACE-3"),
        covered("5", "Reading metadata of an object that was freed while isolated.", "FREE-6 LIVE-5"),
        covered("6", "Re-encoding objects that merely end in the page.", "DATA-5"),
        covered("7", "Forgetting the counters of zones.", "ACC-5 ACC-6"),
        covered("8", "Unloading with pages still isolated.", "LIFE-1 LIFE-2 LIFE-4 FAULT-3"),
        covered("9", "Freeing a container whose other pages are locked.", "FAULT-9 RACE-3"),
        covered("10", "Handing out a page that isolation still holds.", "ISO-4"),
        covered("11", "Unlinking an isolated page in a helper for deletion.", "ISO-7 FREE-2"),
    ),
)
