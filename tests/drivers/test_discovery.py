"""Finding installed drivers through the entry-point group ``movable`` (design 5)."""

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from movable import VM, ConfigError, DriverError, bench, broken_providers, find_driver, installed_drivers
from movable.cli import main
from movable.drivers import discovery

GOOD = """
    from movable import DriverSpec, hookimpl

    @hookimpl
    def movable_drivers():
        return [DriverSpec("{driver}", factory=lambda vm: vm, workload=lambda driver: driver)]
"""


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """What discovery saw is forgotten before and after each test."""
    discovery._discover.cache_clear()
    yield
    discovery._discover.cache_clear()


class Site:
    """A folder on sys.path into which distributions are installed, as pip would."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def install(self, name: str, source: str, entry: str | None = None) -> str:
        """A distribution with one module and one entry point; the label that discovery gives it."""
        module = f"movable_test_{name}"
        (self.path / f"{module}.py").write_text(dedent(source))
        info = self.path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        entry = entry or module
        (info / "entry_points.txt").write_text(f"[movable]\n{name} = {entry}\n")
        discovery._discover.cache_clear()
        return f"{name} = {entry}"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An empty site; modules imported from it are forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield Site(tmp_path)
    for module in set(sys.modules) - before:
        if module.startswith("movable_test_"):
            del sys.modules[module]


def test_the_reference_driver_is_found() -> None:
    """The balloon is found through its entry point like anybody's driver, and can be made."""
    spec = find_driver("balloon")
    assert installed_drivers()["balloon"] is spec
    with VM("tiny") as vm:
        driver = spec.factory(vm)
        driver.close()
        assert vm.mappings == ()


def test_an_installed_driver_is_found(site: Site) -> None:
    """A driver of a distribution on sys.path is found by its name."""
    site.install("first", GOOD.format(driver="mine"))
    assert find_driver("mine").name == "mine"
    assert "mine" in installed_drivers()
    assert broken_providers() == {}


def test_a_provider_may_offer_several(site: Site) -> None:
    """One entry point may bring several drivers."""
    site.install(
        "several",
        """
        from movable import DriverSpec, hookimpl

        @hookimpl
        def movable_drivers():
            return [DriverSpec(name, factory=id, workload=id) for name in ("one", "two")]
        """,
    )
    assert {"one", "two"} <= set(installed_drivers())


def test_an_entry_point_may_name_an_object(site: Site) -> None:
    """A provider is a module, or an object in one, that implements movable_drivers."""
    site.install(
        "object",
        """
        from movable import DriverSpec, hookimpl

        class Provider:
            @hookimpl
            def movable_drivers(self):
                return [DriverSpec("inside", factory=id, workload=id)]

        provider = Provider()
        """,
        entry="movable_test_object:provider",
    )
    assert find_driver("inside").factory is id


def test_drivers_come_in_the_order_of_their_entry_points(site: Site) -> None:
    """The order of drivers does not depend on the order of installation."""
    site.install("zz", GOOD.format(driver="from-zz"))
    site.install("aa", GOOD.format(driver="from-aa"))
    names = [name for name in installed_drivers() if name.startswith("from-")]
    assert names == ["from-aa", "from-zz"]


BARE = """
    from movable import DriverSpec, hookimpl

    @hookimpl
    def movable_drivers():
        return DriverSpec("bare", factory=id, workload=id)
"""
BROKEN = {
    "import": ("raise LookupError('no luck')", "LookupError: no luck"),
    "syntax": ("def (:", "SyntaxError"),
    "exit": ("raise SystemExit(3)", "SystemExit: 3"),
    "missing": ("import movable_test_nowhere", "ModuleNotFoundError"),
    "empty": ("", "implements no movable_drivers hook"),
    "unmarked": ("def movable_drivers(): return []", "@movable.hookimpl"),
    "misspelt": (
        "from movable import hookimpl\n@hookimpl\ndef movable_driver(): return []",
        "movable_driver",
    ),
    "argument": ("from movable import hookimpl\n@hookimpl\ndef movable_drivers(vm): return []", "vm"),
    "raises": (
        "from movable import hookimpl\n@hookimpl\ndef movable_drivers(): return [1 / 0]",
        "ZeroDivision",
    ),
    "number": ("from movable import hookimpl\n@hookimpl\ndef movable_drivers(): return [3]", "no DriverSpec"),
    "nothing": (
        "from movable import hookimpl\n@hookimpl\ndef movable_drivers(): return []",
        "offers no driver",
    ),
    "none": (
        "from movable import hookimpl\n@hookimpl\ndef movable_drivers(): return None",
        "offers no driver",
    ),
    "spec": (BARE, "not iterable"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_provider_is_reported(site: Site, kind: str) -> None:
    """A provider that cannot be used is named with the reason, and takes no other driver along."""
    source, reason = BROKEN[kind]
    label = site.install(kind, source)
    site.install("sound", GOOD.format(driver="sound"))
    assert list(broken_providers()) == [label]
    assert reason in broken_providers()[label]
    assert "sound" in installed_drivers()
    assert "balloon" in installed_drivers()


def test_an_entry_point_without_object_is_reported(site: Site) -> None:
    """An entry point whose object does not exist is a broken provider."""
    label = site.install("attribute", GOOD.format(driver="there"), entry="movable_test_attribute:nothing")
    assert "AttributeError" in broken_providers()[label]
    assert "there" not in installed_drivers()


def test_a_name_is_taken_once(site: Site) -> None:
    """The second driver of a name is refused and reported; the first one stays."""
    site.install("one", GOOD.format(driver="same"))
    label = site.install("two", GOOD.format(driver="same"))
    first = find_driver("same")
    assert broken_providers() == {label: "DriverError: a driver named 'same' is installed already"}
    assert first.factory.__module__ == "movable_test_one"


def test_an_unknown_driver_is_answered_with_those_there_are(site: Site) -> None:
    """Asking for a driver that is not installed lists the installed ones and the broken providers."""
    site.install("mine", GOOD.format(driver="mine"))
    label = site.install("sick", "raise LookupError('no luck')")
    with pytest.raises(DriverError) as caught:
        find_driver("mien")
    message = str(caught.value)
    assert message.startswith("there is no driver named 'mien'; installed: balloon, mine")
    assert f"not usable: {label} (LookupError: no luck)" in message


def test_answers_are_copies() -> None:
    """What discovery answers can be changed without harm to it."""
    installed_drivers().clear()
    broken_providers()["x"] = "y"
    assert "balloon" in installed_drivers()
    assert broken_providers() == {}


OFFERS = """
    from cyclopts import App
    from movable import BenchRow, hookimpl

    def sevens(quick):
        yield BenchRow("sevens", 7.0, "units", note="quick" if quick else "full")

    @hookimpl
    def movable_commands():
        app = App(name="greet")

        @app.default
        def greet() -> int:
            print("good morning")
            return 3

        return [app, {second}]

    @hookimpl
    def movable_benchmarks():
        return [sevens]
"""


def test_a_provider_may_offer_no_driver_but_a_command(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """A command that a plugin offers runs as a sub-command, with its own exit status; nothing is broken."""
    site.install("greeter", OFFERS.format(second=""))
    assert main(["greet"]) == 3
    assert capsys.readouterr().out == "good morning\n"
    assert broken_providers() == {}


@pytest.mark.parametrize(
    ("second", "reason"),
    [("'no command'", "is no cyclopts App"), ("App(name='check')", "was left out")],
)
def test_a_command_that_does_not_fit_is_left_out(
    site: Site, capsys: pytest.CaptureFixture[str], second: str, reason: str
) -> None:
    """What is no command, or has the name of another one, is named on stderr; all others still work."""
    site.install("greeter", OFFERS.format(second=second))
    assert main(["greet"]) == 3
    assert reason in capsys.readouterr().err


def test_a_benchmark_of_a_plugin_is_run_by_name(site: Site) -> None:
    """`bench(only=...)` runs the groups of rows that fit, those of plugins too; other names are refused."""
    site.install("greeter", OFFERS.format(second=""))
    (row,) = bench(only="sev*", quick=True).rows
    assert (row.name, row.value, row.note) == ("sevens", 7.0, "quick")
    with pytest.raises(ConfigError, match=r"only: nothing is called 'eights'; there are migrate, .*sevens"):
        bench(only="eights")


def test_a_provider_without_any_hook_is_broken(site: Site) -> None:
    """An entry point that implements nothing is listed as broken."""
    label = site.install("empty", "nothing = 1")
    assert "implements no movable_drivers hook" in broken_providers()[label]
