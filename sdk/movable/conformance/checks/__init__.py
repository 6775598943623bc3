"""The checks, one module per family of clauses; importing this package registers them."""

from importlib import import_module

__all__ = ["MODULES"]

MODULES = (
    "basics",
    "isolate",
    "isolated",
    "putback",
    "migrate",
    "refusals",
    "lifecycle",
    "release",
    "drops",
    "room",
    "contents",
    "accounting",
    "zones",
    "shortage",
    "capabilities",
    "spanning",
    "faults_alloc",
    "faults",
    "faults_held",
    "faults_compact",
    "placement",
    "ranges",
    "company",
    "nodes",
    "races",
)
"""In the order in which their checks run: what is required comes first."""

for _name in MODULES:
    import_module(f"{__name__}.{_name}")
