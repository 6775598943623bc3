"""Scheduling points between the lines of a driver's own code."""

import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

import pytest
from schedules.kit import MACHINE, scenario

import movable_zsmalloc
from movable import VM, MovableError
from movable.sched import Event, RoundRobin, Scenario, explore, run
from movable.sched.lines import LINE_KEYS, line_points, modules_of

SOURCE = '''
"""A module with every kind of function."""
from __future__ import annotations

import contextlib
import functools


def plain(x):
    """Its docstring."""
    y = x + 1
    return y


def wrap(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)
    return wrapper


@wrap
def decorated(x):
    y = x + 2
    return y


@functools.lru_cache
def cached(x):
    y = x + 3
    return y


def generator(n):
    for i in range(n):
        yield i


@contextlib.contextmanager
def block():
    value = [1]
    yield value


def nested(x):
    def inner(y):
        z = y + x
        return z

    class Local:
        """Local docstring."""
        def method(self):
            w = x
            return w

    return inner(1) + Local().method(), Local.__doc__


def branches(x):
    try:
        if x == 1:
            raise ValueError
        elif x == 2:
            y = 2
        else:
            y = 3
    except ValueError:
        y = 1
    finally:
        z = 0
    match x:
        case 1:
            y = 10
    while False:
        pass
    else:
        y += 1
    with block():
        y += z
    return y


def fails(x):
    y = x
    raise RuntimeError(y)


class Base:
    def greet(self):
        return "base"


class Thing(Base):
    class Part:
        def method(self):
            x = 5
            return x

    def __init__(self):
        self._value = 1

    def greet(self):
        text = super().greet()
        return text

    @property
    def value(self):
        v = self._value
        return v

    @value.setter
    def value(self, new):
        self._value = new

    @functools.cached_property
    def heavy(self):
        h = 7
        return h

    @staticmethod
    def static():
        s = 8
        return s

    @classmethod
    def made(cls):
        m = cls()
        return m


def one_liner(x): return x


class Racy:
    def __init__(self):
        self.total = 0

    def add(self):
        seen = self.total
        self.total = seen + 1
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of that source, loaded under a name of its own."""
    return load(tmp_path, monkeypatch, "kinds", SOURCE)


def load(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, source: str) -> ModuleType:
    """Write a module and import it as a user does."""
    path = folder / f"{name}.py"
    path.write_text(source, encoding="utf-8")
    module = ModuleType(name)
    module.__file__ = str(path)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)
    return module


def lines_of(module: ModuleType, call: Callable[[], object]) -> tuple[object, list[str]]:
    """What a call answers, and the texts of the lines at which there was a point."""
    seen: list[int] = []
    with line_points([module.__name__], seen.append):
        answer = call()
    return answer, [LINE_KEYS[key].split(" ", 1)[1] for key in seen]


CALLS: dict[str, tuple[Callable[[ModuleType], object], object, list[str]]] = {
    "plain": (lambda m: m.plain(1), 2, ["y = x + 1", "return y"]),
    "decorated": (lambda m: m.decorated(1), 3, ["return function(*args)", "y = x + 2", "return y"]),
    "cached": (lambda m: m.cached(1), 4, ["y = x + 3", "return y"]),
    "generator": (lambda m: list(m.generator(2)), [0, 1], ["for i in range(n):", "yield i", "yield i"]),
    "property": (lambda m: m.Thing().value, 1, ["self._value = 1", "v = self._value", "return v"]),
    "setter": (lambda m: setattr(m.Thing(), "value", 2), None, ["self._value = 1", "self._value = new"]),
    "cached property": (lambda m: m.Thing().heavy, 7, ["self._value = 1", "h = 7", "return h"]),
    "static": (lambda m: m.Thing.static(), 8, ["s = 8", "return s"]),
    "super": (
        lambda m: m.Thing().greet(),
        "base",
        ["self._value = 1", "text = super().greet()", 'return "base"', "return text"],
    ),
    "nested class": (lambda m: m.Thing.Part().method(), 5, ["x = 5", "return x"]),
    "one line": (lambda m: m.one_liner(3), 3, ["def one_liner(x): return x"]),
}


@pytest.mark.parametrize("kind", CALLS)
def test_every_kind_of_function_has_points(module: ModuleType, kind: str) -> None:
    """There is a point before each statement of a function, whatever it is reached through."""
    call, expected, lines = CALLS[kind]
    answer, seen = lines_of(module, lambda: call(module))
    assert answer == expected
    assert [line for line in seen if "wrapper" not in line] == lines


def test_class_methods_make_instances(module: ModuleType) -> None:
    """A class method has its points, and those of what it calls."""
    answer, seen = lines_of(module, module.Thing.made)
    assert isinstance(answer, module.Thing)
    assert seen == ["m = cls()", "self._value = 1", "return m"]


def test_functions_in_functions(module: ModuleType) -> None:
    """Functions and classes that a function makes have points; a local class keeps its docstring."""
    answer, seen = lines_of(module, lambda: module.nested(2))
    assert answer == (5, "Local docstring.")
    assert {"z = y + x", "return z", "w = x", "return w"} <= set(seen)


@pytest.mark.parametrize("x", [1, 2, 3])
def test_blocks_have_points_and_mean_the_same(module: ModuleType, x: int) -> None:
    """Branches, handlers, loops, cases and blocks do what they did, with points inside."""
    plain = module.branches(x)
    answer, seen = lines_of(module, lambda: module.branches(x))
    assert answer == plain
    assert ("y = 1" in seen, "y = 2" in seen, "y = 3" in seen) == (x == 1, x == 2, x == 3)
    assert {"z = 0", "y += 1", "y += z", "value = [1]"} <= set(seen)
    assert ("y = 10" in seen) == (x == 1)


def _codes(module: ModuleType) -> list[CodeType]:
    found = [value.__code__ for value in vars(module).values() if isinstance(value, FunctionType)]
    return found + [
        value.__code__ for value in vars(module.Thing).values() if isinstance(value, FunctionType)
    ]


def test_the_code_comes_back(module: ModuleType) -> None:
    """After the block the functions have the code that they had, also if the block ended with an exception."""
    before, names = _codes(module), set(vars(module))
    with line_points(["kinds"], lambda _key: None):
        assert _codes(module) != before
    assert _codes(module) == before
    with pytest.raises(ZeroDivisionError), line_points(["kinds"], lambda _key: None):
        raise ZeroDivisionError
    assert _codes(module) == before
    assert set(vars(module)) == names


def test_a_point_that_raises(module: ModuleType) -> None:
    """An exception of the point comes out of the function at that line, and the code comes back."""
    before = _codes(module)

    def point(_key: int) -> None:
        raise ZeroDivisionError

    with line_points(["kinds"], point), pytest.raises(ZeroDivisionError):
        module.plain(1)
    assert _codes(module) == before
    assert module.plain(1) == 2


def test_blocks_nest(module: ModuleType) -> None:
    """Inside another block the inner one's point is called, afterwards the outer one's again."""
    outer: list[int] = []
    inner: list[int] = []
    with line_points(["kinds"], outer.append):
        with line_points(["kinds", "kinds"], inner.append):
            module.plain(1)
        assert (len(outer), len(inner)) == (0, 2)
        module.plain(1)
    assert (len(outer), len(inner)) == (2, 2)
    module.plain(1)
    assert (len(outer), len(inner)) == (2, 2)


def test_stacks_keep_their_lines(module: ModuleType) -> None:
    """Tracebacks show the same files, functions and lines as without points."""

    def frames() -> list[tuple[str, int | None, str]]:
        try:
            module.fails(1)
        except RuntimeError as error:
            return [
                (one.filename, one.lineno, one.name) for one in traceback.extract_tb(error.__traceback__)
            ][1:]
        return []

    plain = frames()
    with line_points(["kinds"], lambda _key: None):
        assert frames() == plain
    assert len(plain) == 1
    assert plain[0][2] == "fails"


def test_docstrings_and_names_stay(module: ModuleType) -> None:
    """What a function says about itself is not changed."""
    with line_points(["kinds"], lambda _key: None):
        assert module.plain.__doc__ == "Its docstring."
        assert module.plain.__code__.co_name == "plain"
        assert module.plain.__code__.co_firstlineno == 9


def test_a_module_that_is_loaded_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the same name that is loaded later is the one that gets points."""
    first = load(tmp_path, monkeypatch, "again", "def f():\n    return 1\n")
    assert lines_of(first, first.f) == (1, ["return 1"])
    second = load(tmp_path, monkeypatch, "again", "def f():\n    x = 2\n    return x\n")
    assert lines_of(second, second.f)[0] == 2
    assert len(lines_of(second, second.f)[1]) == 2


@pytest.mark.parametrize(
    ("name", "says"), [("no_such_module", "not loaded"), ("_sre", "no source"), ("built", "source")]
)
def test_modules_without_source_are_refused(name: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that is not loaded, or has no source, is named; nothing is changed."""
    monkeypatch.setitem(sys.modules, "built", ModuleType("built"))
    with (
        pytest.raises(MovableError, match=f"lines: .*{name}.*{says}"),
        line_points([name], lambda _key: None),
    ):
        pytest.fail("the block was entered")


def test_a_scenario_names_its_modules(vm: VM) -> None:
    """A scenario with lines of a module that is not there fails before anything runs."""
    ran: list[int] = []
    with pytest.raises(MovableError, match="not loaded"):
        run(scenario(vm, lambda: ran.append(1), lines=("no_such_module",)))
    assert ran == []
    assert run(scenario(vm, lambda: ran.append(1))).error is None


def test_modules_of_a_driver(module: ModuleType) -> None:
    """A driver in a module of its own has that one, one in a package all that are loaded of it."""
    assert modules_of(module.Thing()) == ("kinds",)
    assert modules_of(module.Thing) == ("kinds",)
    of_package = modules_of(movable_zsmalloc.ZsPool)
    assert "movable_zsmalloc.migration" in of_package
    assert all(name.startswith("movable_zsmalloc") for name in of_package)


def test_a_driver_without_source_has_no_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no source can be read there is nowhere to put points."""
    bare = ModuleType("bare")
    exec("class Driver: pass", bare.__dict__)
    monkeypatch.setitem(sys.modules, "bare", bare)
    assert modules_of(bare.Driver()) == ()


def _adding(module: ModuleType, lines: bool) -> Callable[[], Scenario]:
    def make() -> Scenario:
        vm, racy = VM(MACHINE), module.Racy()

        def judge() -> None:
            assert racy.total == 2

        return scenario(vm, racy.add, racy.add, finish=judge, lines=("kinds",) if lines else ())

    return make


def test_a_race_in_code_without_locks_needs_line_points(module: ModuleType) -> None:
    """Code that calls nothing of the machine has no points of its own: only lines show its races."""
    assert explore(_adding(module, lines=False), range(200)).failure is None
    found = explore(_adding(module, lines=True), range(200))
    assert found.failure is not None
    assert isinstance(found.failure.error, AssertionError)
    assert any(step.event is Event.LINE for step in found.failure.trace.steps)


def test_lines_are_steps_with_their_text(module: ModuleType) -> None:
    """A line is told by its file, number and statement, and has the same key in every run."""
    hashes, texts = set(), []
    for _ in range(2):
        trace = run(_adding(module, lines=True)(), RoundRobin()).trace
        hashes.add(trace.hash)
        texts = [trace.text(step) for step in trace.steps if step.event is Event.LINE]
    number = SOURCE.splitlines().index("        seen = self.total") + 1
    assert len(hashes) == 1
    assert texts[0] == f"kinds.py:{number} seen = self.total"
    assert len(texts) == 4


def test_points_of_another_machines_run_do_not_count(module: ModuleType, vm: VM) -> None:
    """Two machines with schedules of their own: lines of the inner run are no steps of the outer one."""
    made = _adding(module, lines=True)()

    def inner() -> None:
        assert run(made).error is None

    def outer() -> None:
        module.plain(1)
        inner()
        module.plain(1)

    trace = run(scenario(vm, outer, lines=("kinds",))).trace
    assert sum(step.event is Event.LINE for step in trace.steps) == 4
