"""Violations as objects: what they carry, how they read, and that they travel."""

import pickle

import pytest

from movable import RULES, ContractViolation, DeadVM, KernelAssertion, MovableError, Rule, Violation

KINDS = {"assertion": True, "recount": True, "report": False, "contract": False}


def make(rule: str = "hook-raised", pfn: int | None = 0x1C00, driver: str | None = "cells") -> Violation:
    """A violation that no machine raised."""
    cls = KernelAssertion if RULES[rule].fatal else ContractViolation
    return cls(RULES[rule], pfn=pfn, cpu=1, expected="peace", seen="war", where="migratepage", driver=driver)


@pytest.mark.parametrize("rule", RULES.values(), ids=str)
def test_a_rule_is_a_slug_a_sentence_and_a_source(rule: Rule) -> None:
    """Each rule has a lower-case id, one sentence of ours, and the section of the spec it comes from."""
    assert rule.id == rule.id.lower().replace(" ", "-").replace("_", "-")
    assert rule.sentence.endswith(".")
    assert rule.source.startswith("spec/")
    assert rule.fatal is KINDS[rule.kind]


def test_rules_are_found_by_id_and_not_changed() -> None:
    """RULES maps each id to its rule and is read-only."""
    assert all(RULES[rule_id].id == rule_id for rule_id in RULES)
    with pytest.raises(TypeError):
        RULES["new"] = RULES["bad-page"]  # type: ignore[index]


def test_the_message_says_everything() -> None:
    """A violation reads as rule, sentence, place, driver, page, CPU, expected, seen and source."""
    rule = RULES["hook-raised"]
    assert str(make()) == (
        f"hook-raised: {rule.sentence} [migratepage of driver 'cells', pfn 0x1c00, CPU 1: "
        f"expected peace, seen war; {rule.source}]"
    )


def test_the_message_leaves_out_what_there_is_not() -> None:
    """Without a page or a driver the message names none."""
    message = str(make(pfn=None, driver=None))
    assert "pfn" not in message
    assert "driver" not in message


@pytest.mark.parametrize("rule", RULES)
def test_violations_can_be_pickled(rule: str) -> None:
    """A violation comes out of pickle with its class, its fields and its message, for test runners."""
    before = make(rule)
    after = pickle.loads(pickle.dumps(before))
    assert type(after) is type(before)
    assert str(after) == str(before)
    for name in ("rule", "pfn", "cpu", "expected", "seen", "where", "driver", "more"):
        assert getattr(after, name) == getattr(before, name)


def test_the_death_of_a_vm_can_be_pickled() -> None:
    """DeadVM comes out of pickle with the violation that it names."""
    before = DeadVM(make("page-ref-zero"))
    after = pickle.loads(pickle.dumps(before))
    assert isinstance(after, DeadVM)
    assert after.violation.rule.id == "page-ref-zero"
    assert str(after) == str(before)


def test_what_followed_travels_too() -> None:
    """The breaches in ``more`` come out of pickle with the first one."""
    first = make()
    first.more = (make("bad-page"), make("migrate-old-ref"))
    after = pickle.loads(pickle.dumps(first))
    assert [each.rule.id for each in after.more] == ["bad-page", "migrate-old-ref"]


def test_everything_is_a_movable_error() -> None:
    """One except clause catches every error of the package; fatal and contract violations differ by class."""
    assert issubclass(Violation, MovableError)
    assert issubclass(DeadVM, MovableError)
    assert issubclass(KernelAssertion, Violation)
    assert issubclass(ContractViolation, Violation)
    assert not issubclass(DeadVM, Violation)
