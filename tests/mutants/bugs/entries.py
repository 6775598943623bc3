"""Every entry of the catalogue of bugs, and where it is tested.

``driver``: a wrong driver of this folder bears its name. ``core``: only the VM could commit it; a test of that name is
in ``tests/regressions``. ``later``: it is a bug of a part that this version does not have.
"""

from attrs import frozen

__all__ = ["ENTRIES", "Entry"]


@frozen
class Entry:
    """One bug: its class in the catalogue, where it is tested, and why not by a driver if that is so."""

    kind: str
    where: str
    reason: str = ""


_DRIVER = "driver"
_CORE = "core"
_LATER = "later"

ENTRIES: dict[str, Entry] = {
    "B01": Entry("isolated bookkeeping", _DRIVER),
    "B02": Entry("isolated bookkeeping", _DRIVER),
    "B03": Entry("isolated bookkeeping", _DRIVER),
    "B04": Entry("isolated bookkeeping", _DRIVER),
    "B05": Entry("isolated bookkeeping", _DRIVER),
    "B06": Entry("return code", _DRIVER),
    "B07": Entry("return code", _DRIVER),
    "B08": Entry("return code", _CORE, "the statuses of move_pages are the VM's"),
    "B09": Entry("return code", _CORE, "the answer of mbind is the VM's"),
    "B10": Entry("return code", _CORE, "the answer of migrate_pages is the VM's"),
    "B11": Entry("return code", _DRIVER),
    "B12": Entry("refcount", _DRIVER),
    "B13": Entry("refcount", _DRIVER),
    "B14": Entry("refcount", _DRIVER),
    "B15": Entry("refcount", _DRIVER),
    "B16": Entry("page lock", _DRIVER),
    "B17": Entry("page lock", _DRIVER),
    "B18": Entry("page lock", _DRIVER),
    "B19": Entry("missing clear movable", _DRIVER),
    "B20": Entry("missing clear movable", _DRIVER),
    "B21": Entry("missing clear movable", _DRIVER),
    "B22": Entry("missing clear movable", _DRIVER),
    "B23": Entry("misidentified page", _DRIVER),
    "B24": Entry("list corruption", _DRIVER),
    "B25": Entry("touching lru", _DRIVER),
    "B26": Entry("list corruption", _DRIVER),
    "B27": Entry("lost update while migrating", _DRIVER),
    "B28": Entry("lost update while migrating", _DRIVER),
    "B29": Entry("lost update while migrating", _DRIVER),
    "B30": Entry("content or metadata copy", _DRIVER),
    "B31": Entry("content or metadata copy", _DRIVER),
    "B32": Entry("free-while-isolated", _DRIVER),
    "B33": Entry("free-while-isolated", _DRIVER),
    "B34": Entry("free-while-isolated", _DRIVER),
    "B35": Entry("free-while-isolated", _DRIVER),
    "B36": Entry("free-while-isolated", _DRIVER),
    "B37": Entry("free-while-isolated", _DRIVER),
    "B38": Entry("free-while-isolated", _DRIVER),
    "B39": Entry("sleep in atomic or ASYNC", _DRIVER),
    "B40": Entry("sleep in atomic or ASYNC", _DRIVER),
    "B41": Entry("lock order deadlock", _DRIVER),
    "B42": Entry("lock order deadlock", _DRIVER),
    "B43": Entry("accounting", _DRIVER),
    "B44": Entry("accounting", _DRIVER),
    "B45": Entry("accounting", _DRIVER),
    "B46": Entry("accounting", _DRIVER),
    "B47": Entry("wrong zone or counter", _CORE, "the VM chooses the targets of compaction"),
    "B48": Entry("wrong zone or counter", _DRIVER),
    "B49": Entry("livelock", _DRIVER),
    "B50": Entry("livelock", _DRIVER),
    "B51": Entry("livelock", _DRIVER),
    "B52": Entry("leak", _DRIVER),
    "B53": Entry("leak", _DRIVER),
    "B54": Entry("leak", _DRIVER),
    "B55": Entry("leak", _DRIVER),
    "B56": Entry("teardown or lifetime", _DRIVER),
    "B57": Entry("teardown or lifetime", _DRIVER),
    "B58": Entry("teardown or lifetime", _DRIVER),
    "B59": Entry("teardown or lifetime", _DRIVER),
}
