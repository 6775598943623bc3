"""Differences between compaction in Linux 4.9 and in the recorded 6.1 (spec/differences-drivers.md 2, 6)."""

from movable.fidelity.model import FidelityRule

__all__ = ["RULES"]


def _rule(name: str, section: str, *sentence: str) -> FidelityRule:
    return FidelityRule(name, " ".join(sentence), f"spec/differences-drivers.md {section}")


RULES: tuple[FidelityRule, ...] = (
    _rule(
        "K01",
        "2.1",
        "4.9 moves pages in batches of 32; 6.1 takes all that is left of a pageblock in its second batch.",
    ),
    _rule(
        "K02",
        "2.1",
        "4.9 looks at every page of a block for targets;",
        "6.1 looks at every 2nd, 4th .. 32nd page of the blocks that follow a block without a target.",
    ),
    _rule(
        "K03",
        "2.1",
        "4.9 counts a free block as one page scanned; 6.1 counts all pages of a block that it takes.",
    ),
    _rule(
        "K04",
        "2.1",
        "Per-CPU lists of 4.9 hold 6 batches and give one batch back;",
        "those of 6.1 hold a share of the low watermark and give growing portions back.",
    ),
    _rule(
        "K05",
        "2.1",
        "6.1 has the events mm_migrate_pages_start, set_migration_pte and remove_migration_pte; 4.9 has not.",
    ),
    _rule(
        "K06",
        "2.1",
        "4.9 has no compaction_proactiveness, ignores bad values of extfrag_threshold and takes any number for",
        "compact_unevictable_allowed; 6.1 answers EINVAL.",
    ),
    _rule("K07", "2.1", "extfrag_index of 6.1 pads the whole part of a number to two columns; 4.9 does not."),
    _rule("K08", "2.1", "zoneinfo of 6.1 shows all zones and more lines; 4.9 shows populated zones only."),
    _rule("K09", "2.1", "4.9 counts drivers' pages as isolated while compaction holds them; 6.1 does not."),
    _rule(
        "K10",
        "2.2",
        "4.9 goes on from the cached position; 6.1 may jump to a block found through the free lists.",
    ),
    _rule("K11", "2.2", "4.9 finds targets by scanning; 6.1 searches the free lists first."),
    _rule(
        "K12",
        "2.2",
        "4.9 looks for its goal after each batch;",
        "6.1 between pageblocks, or hands a freed block straight to the request.",
    ),
    _rule(
        "K13",
        "2.2",
        "Async direct runs take sources from MOVABLE blocks in 4.9, of the request's type in 6.1.",
    ),
    _rule(
        "K14", "2.2", "4.9 marks fruitless blocks as such; 6.1 marks every block that was scanned to its end."
    ),
    _rule("K15", "2.2", "The cached migrate position of 6.1 lies one pageblock behind the scanned one."),
    _rule("K16", "2.2", "An async run of 4.9 gives up at a busy lock; one of 6.1 finishes its block."),
    _rule("K17", "2.2", "Requests for huge pages have other masks and retry rules in 6.1."),
    _rule(
        "A01",
        "6",
        "Set-up: the map does not show which kernel pages are compound; the real scanner jumps over them.",
    ),
    _rule(
        "A02",
        "6",
        "Set-up: map, list of pages and counters are read one after the other on a live system,",
        "which takes and frees single pages meanwhile.",
    ),
    _rule(
        "A03",
        "6",
        "Set-up: not all memory that was compacted has a recorded map: a trigger for the machine compacts all",
        "nodes, and the maps of some runs were not kept.",
    ),
    _rule(
        "A04",
        "6",
        "Set-up: the pattern by which pages were freed is not known here; those that were kept are taken",
        "from the recording.",
    ),
)
"""K01 to K17 are differences of behaviour, A01 to A04 artefacts of how the recordings were made."""
