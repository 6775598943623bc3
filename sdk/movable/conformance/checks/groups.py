"""Groups of checks that later ones build on: what must hold before anything else is worth trying."""

__all__ = ["ISOLATES", "MOVES", "RETURNS", "SOUND"]

ISOLATES = ("ISO-GRANTED", "ISO-LISTS", "ISO-MOVABLE", "ISO-LOCKED", "ISO-REFS", "ISO-FLAG", "ISO-TWICE")
"""A page can be isolated, by the rules."""

RETURNS = ("PUT-REST", "PUT-AGAIN", "PUT-DATA")
"""A page that was isolated can be put back, by the rules."""

MOVES = (
    "LIVE-SYNC",
    "MIG-LOCKED",
    "MIG-CLEARED",
    "MIG-MARKED",
    "MIG-NEW-REF",
    "MIG-OLD-REF",
    "MIG-FLAG",
    "MIG-OLD-RESET",
    "MIG-NEW-REST",
    "MIG-HANDLES",
    "MIG-DATA",
)
"""A page can be moved, by the rules."""

SOUND = (
    *MOVES,
    *RETURNS,
    "PUT-USED",
    "MIG-RETRY",
    "ISO-FLAG-KEPT",
    "FREE-CLEARED",
    "FREE-IDLE",
    "FREE-LATER",
    "FREE-WORK",
    "UNLOAD-DROPPED",
    "RELOAD",
    "ACC-ISOLATED",
    "COMPACT-NODE",
    "SPAN-EACH",
    "SPAN-MIXED",
)
"""A driver works as long as nothing goes wrong around it."""
