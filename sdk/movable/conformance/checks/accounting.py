"""The VM's counters, against the suite's own count of what happened."""

from errno import EBUSY

from movable.conformance.checks.groups import MOVES, RETURNS
from movable.conformance.registry import check
from movable.conformance.rig import Rig

_NEEDS = (*MOVES, *RETURNS, "UNLOAD", "FREE-CLEARED")


@check(
    "ACC-ISOLATED", "the isolated counters return to zero", clauses=("ACC-1",), needs=None, requires=_NEEDS
)
def isolated(rig: Rig) -> None:
    """They count the pages on callers' lists: up with isolation, down with success, error and put-back."""
    rig.fill()
    rig.verify()
    _demand_isolated(rig, 0)
    batch = rig.isolate_some()
    _demand_isolated(rig, len(batch.taken))
    rig.migrate(batch)
    _demand_isolated(rig, len(batch.pages))
    rig.putback(batch)
    _demand_isolated(rig, 0)
    batch = rig.isolate_some()
    rig.answers.fail(-EBUSY)
    rig.migrate(batch)
    rig.putback(batch)
    rig.drop_all()
    _demand_isolated(rig, 0)


def _demand_isolated(rig: Rig, pages: int) -> None:
    count = rig.isolated_count()
    rig.expect(count == pages, f"the VM counts {count} isolated pages with {pages} on callers' lists")


@check("ACC-RECOUNT", "free and used pages add up", clauses=("ACC-2",), needs=None, requires=_NEEDS)
def recount(rig: Rig) -> None:
    """A full recount of the VM's structures agrees after stores, moves, put-backs, drops and unload."""
    rig.fill()
    rig.vm.recount()
    rig.must_move()
    rig.vm.recount()
    rig.putback(rig.isolate(rig.marked()))
    rig.drop_all()
    rig.vm.recount()
    rig.unload()
    rig.vm.recount()


@check(
    "ACC-EVENTS",
    "the migration counters grow by what was moved",
    clauses=("ACC-3",),
    needs=None,
    requires=_NEEDS,
)
def events(rig: Rig) -> None:
    """One more pgmigrate_success per page moved, one more pgmigrate_fail per page not moved."""
    success, fail = rig.counter("pgmigrate_success"), rig.counter("pgmigrate_fail")
    rig.fill()
    moved = len(rig.move_all())
    failed = rig.isolate_some()
    rig.answers.fail(-EBUSY, len(failed.taken))
    rig.migrate(failed)
    rig.verify()
    rig.drop_all()
    grown = rig.counter("pgmigrate_success") - success
    rig.expect(grown == moved, f"pgmigrate_success grew by {grown} for {moved} moves")
    lost = rig.counter("pgmigrate_fail") - fail
    refused = sum(call.answer not in (0, -11) for call in rig.probe.moves())
    least = len(failed.taken)
    rig.expect(lost >= least, f"pgmigrate_fail grew by {lost} for {least + refused} failures")


@check("ACC-MANAGED", "managed pages come back at unload", clauses=("ACC-4",), needs=None, requires=_NEEDS)
def managed(rig: Rig) -> None:
    """Stores, moves and drops may change the count of managed pages; once unloaded it is as before."""
    rig.fill()
    rig.move_all()
    for handle in rig.ledger.handles[::2]:
        rig.drop(handle)
    rig.unload()
    now = rig.managed_pages()
    rig.expect(
        now == rig.managed_before, f"{rig.managed_before} pages were managed before, {now} after unload"
    )
