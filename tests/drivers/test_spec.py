"""Driver specs: what a provider hands out (design 5)."""

from typing import Any

import pytest
from attrs.exceptions import FrozenInstanceError
from migration.kit import Recorder

from movable import Capabilities, DriverSpec, Expectation


def make(**changes: Any) -> DriverSpec:
    """A valid spec, but for the changes."""
    return DriverSpec(**{"name": "cells", "factory": Recorder, "workload": lambda driver: driver, **changes})


def test_a_spec_needs_name_factory_and_workload() -> None:
    """Everything else of a spec has a default: contents kept, no pins, drops while isolated, one page."""
    spec = make()
    assert (spec.name, spec.factory, spec.summary) == ("cells", Recorder, "")
    assert spec.capabilities == Capabilities(contents=True, pin=False, drop_isolated=True, max_object=4096)
    assert dict(spec.options) == dict(spec.expectations) == {}


@pytest.mark.parametrize("name", ["a", "zsmalloc", "Z3", "my-driver", "a.b_c-1", "0"])
def test_names_are_words(name: str) -> None:
    """A driver's name is letters, digits, dots, dashes and underscores, the first a letter or digit."""
    assert make(name=name).name == name


@pytest.mark.parametrize("name", ["", " cells", "my driver", "-x", ".", "ä", "a/b", "cells\n"])
def test_other_names_are_refused(name: str) -> None:
    """A name that a command line or a file could not carry is refused, the field named."""
    with pytest.raises(ValueError, match="name"):
        make(name=name)


def test_a_name_is_a_string() -> None:
    """A name that is no string is refused."""
    with pytest.raises(TypeError, match="string"):
        make(name=3)


@pytest.mark.parametrize("field", ["factory", "workload"])
def test_factory_and_workload_can_be_called(field: str) -> None:
    """What cannot be called is no factory and no workload, and is refused by the field's name."""
    with pytest.raises(TypeError, match=field):
        make(**{field: None})


@pytest.mark.parametrize("size", [0, -1])
def test_objects_have_a_size(size: int) -> None:
    """max_object is at least one byte."""
    with pytest.raises(ValueError, match="max_object"):
        Capabilities(max_object=size)


@pytest.mark.parametrize("field", ["contents", "pin", "drop_isolated", "spanning"])
def test_capabilities_are_yes_or_no(field: str) -> None:
    """A capability is a bool: anything else is a mistake in the spec, named by its field."""
    with pytest.raises(TypeError, match=field):
        Capabilities(**{field: "yes"})  # type: ignore[arg-type]


def test_the_size_is_a_number() -> None:
    """max_object is an int."""
    with pytest.raises(TypeError, match="max_object"):
        Capabilities(max_object="4096")  # type: ignore[arg-type]


def test_capabilities_of_a_spec_are_capabilities() -> None:
    """A spec that claims its capabilities as anything else is refused."""
    with pytest.raises(TypeError, match="capabilities"):
        make(capabilities={"pin": True})


def test_expectations_have_a_kind_and_a_reason() -> None:
    """An expected failure says which kind of gap it is and why, and may name the rule that is broken."""
    expectation = Expectation("not-yet", "no hot-remove so far", rule="migrate-old-ref")
    assert (expectation.kind, expectation.rule) == ("not-yet", "migrate-old-ref")
    with pytest.raises(ValueError, match="kind"):
        Expectation("flaky", "sometimes")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="reason"):
        Expectation("not-yet", "")


def test_options_and_expectations_are_copied() -> None:
    """A spec keeps its own read-only copy of the mappings it was given."""
    options = {"pages": 3}
    spec = make(options=options, expectations={"CHECK": Expectation("upstream-bug", "known")})
    options["pages"] = 4
    assert spec.options == {"pages": 3}
    with pytest.raises(TypeError):
        spec.options["pages"] = 5  # type: ignore[index]
    with pytest.raises(TypeError):
        spec.expectations["OTHER"] = Expectation("not-yet", "x")  # type: ignore[index]


def test_specs_do_not_change() -> None:
    """A spec is frozen."""
    with pytest.raises(FrozenInstanceError):
        make().name = "other"  # type: ignore[misc]
