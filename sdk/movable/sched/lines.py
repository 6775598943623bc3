"""Scheduling points between the lines of a driver's own Python code.

A race in code that takes no lock has no other point at which the CPUs could change places. The functions of
the named modules get other code, with a call in front of each statement, for as long as the block lasts. A
trace function would not do: an interpreter that switches stacks inside one loses count of who is traced.
"""

import ast
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any
from zlib import crc32

from movable.errors import MovableError

__all__ = ["LINE_KEYS", "line_points", "modules_of"]

_NAME = "__movable_line__"

LINE_KEYS: dict[int, str] = {}
"""What the keys of line points stand for: ``file.py:12 x = y``."""


def modules_of(obj: object) -> tuple[str, ...]:
    """The modules of a driver's package that are loaded, by name; its own module if it is in none.

    Only those whose source can be read: in others there is nowhere to put points.
    """
    name = getattr(obj, "__module__", None) or type(obj).__module__
    package = name.partition(".")[0]
    if package == "movable" or not hasattr(sys.modules.get(package), "__path__"):
        names = [name]
    else:
        names = sorted(one for one in sys.modules if one == package or one.startswith(package + "."))
    return tuple(one for one in names if one in sys.modules and _source(sys.modules[one]) is not None)


@contextmanager
def line_points(modules: Iterable[str], point: Callable[[int], None]) -> Iterator[None]:
    """Have ``point(key)`` called before each statement of the modules' functions while the block lasts.

    Raises:
        MovableError: a module is not loaded, or has no source.
    """
    chosen = tuple(map(_loaded, dict.fromkeys(modules)))
    replaced = [(function, function.__code__, code) for function, code in _replacements(chosen)]
    outer = [vars(module).get(_NAME) for module in chosen]
    for module in chosen:
        setattr(module, _NAME, point)
    for function, _, instrumented in replaced:
        function.__code__ = instrumented
    try:
        yield
    finally:
        for function, before, _ in replaced:
            function.__code__ = before
        for module, previous in zip(chosen, outer, strict=True):
            if previous is None:
                delattr(module, _NAME)
            else:
                setattr(module, _NAME, previous)


@cache
def _replacements(modules: tuple[ModuleType, ...]) -> tuple[tuple[FunctionType, CodeType], ...]:
    """Every function of the modules, and the code with points in it."""
    found = []
    for module in modules:
        codes = _instrumented(module)
        for function in _functions(module):
            own = function.__code__
            code = codes.get((own.co_qualname, own.co_firstlineno))
            if code is not None and code.co_freevars == own.co_freevars:
                found.append((function, code))
    return tuple(found)


@cache
def _source(module: ModuleType) -> str | None:
    try:
        return inspect.getsource(module)
    except (OSError, TypeError):
        return None


def _loaded(name: str) -> ModuleType:
    module = sys.modules.get(name)
    if module is None:
        raise MovableError(f"lines: module {name!r} is not loaded")
    return module


def _functions(module: ModuleType) -> Iterator[FunctionType]:
    """The functions that the module defines: its own, those of its classes, and what decorators wrap."""
    todo: list[Any] = [value for value in vars(module).values() if _belongs(value, module)]
    seen: set[int] = set()
    while todo:
        value = todo.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, type):
            todo += vars(value).values()
        elif isinstance(value, property):
            todo += [value.fget, value.fset, value.fdel]
        elif isinstance(value, cached_property):
            todo.append(value.func)
        elif isinstance(value, FunctionType) and value.__module__ == module.__name__:
            yield value
        for inner in ("__func__", "__wrapped__"):
            if inner in getattr(value, "__dict__", {}) or isinstance(value, staticmethod | classmethod):
                todo.append(getattr(value, inner, None))


def _belongs(value: object, module: ModuleType) -> bool:
    return getattr(value, "__module__", None) == module.__name__


def _instrumented(module: ModuleType) -> dict[tuple[str, int], CodeType]:
    """The code of all functions of a module, with points in it, by qualified name and first line."""
    source = _source(module)
    if source is None:
        raise MovableError(f"lines: {module.__name__} has no source to put points into")
    tree = ast.parse(source)
    file = module.__file__ or module.__name__
    tree = ast.fix_missing_locations(_Points(module.__name__, file, source.splitlines()).visit(tree))
    codes: dict[tuple[str, int], CodeType] = {}
    todo = [compile(tree, file, "exec", dont_inherit=True)]
    while todo:
        for constant in todo.pop().co_consts:
            if isinstance(constant, CodeType):
                codes[constant.co_qualname, constant.co_firstlineno] = constant
                todo.append(constant)
    return codes


class _Points(ast.NodeTransformer):
    """Puts a call in front of every statement inside functions."""

    def __init__(self, module: str, file: str, lines: list[str]) -> None:
        self.base = crc32(module.encode()) << 24
        self.file = Path(file).name
        self.lines = lines
        self.depth = 0

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        """The functions of a class; its own statements run once and stay as they are."""
        depth, self.depth = self.depth, 0
        self.generic_visit(node)
        self.depth = depth
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """A function's statements, after its docstring."""
        self.depth += 1
        first = 1 if ast.get_docstring(node, clean=False) is not None else 0
        node.body = node.body[:first] + self._with_points(node.body[first:])
        self.depth -= 1
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Blocks inside functions."""
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                setattr(
                    node, name, self._with_points(block) if self.depth else [self.visit(one) for one in block]
                )
        for name in ("handlers", "cases"):
            for one in getattr(node, name, ()):
                self.generic_visit(one)
        return node

    def _with_points(self, block: list[ast.stmt]) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for statement in block:
            call = ast.Call(ast.Name(_NAME, ast.Load()), [ast.Constant(self._key(statement.lineno))], [])
            out += [ast.copy_location(ast.Expr(call), statement), self.visit(statement)]
        return out

    def _key(self, line: int) -> int:
        """What stands for a line, in every process the same."""
        key = self.base | line
        LINE_KEYS[key] = f"{self.file}:{line} {self.lines[line - 1].strip()}"
        return key
