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
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

from movable.errors import MovableError

__all__ = ["LINE_KEYS", "line_points", "modules_of"]

_NAME = "__movable_line__"

LINE_KEYS: dict[int, str] = {}
"""What the keys of line points stand for: ``file.py:12``."""

_FILES: dict[str, int] = {}


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
    names = tuple(modules)
    replaced = _replacements(names)
    for name in names:
        setattr(sys.modules[name], _NAME, point)
    for function, _, instrumented in replaced:
        function.__code__ = instrumented
    try:
        yield
    finally:
        for function, code, _ in replaced:
            function.__code__ = code
        for name in names:
            delattr(sys.modules[name], _NAME)


@cache
def _replacements(names: tuple[str, ...]) -> tuple[tuple[FunctionType, CodeType, CodeType], ...]:
    """Every function of the modules with its code, and the code with points in it."""
    found = []
    for module in map(_loaded, names):
        codes = _instrumented(module)
        for function in _functions(module):
            own = function.__code__
            code = codes.get((own.co_qualname, own.co_firstlineno))
            if code is not None and code.co_freevars == own.co_freevars:
                found.append((function, own, code))
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
            todo += [value.fget, value.fset]
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
    tree = ast.fix_missing_locations(_Points(file).visit(tree))
    codes: dict[tuple[str, int], CodeType] = {}
    todo = [compile(tree, file, "exec", dont_inherit=True)]
    while todo:
        for constant in todo.pop().co_consts:
            if isinstance(constant, CodeType):
                codes[constant.co_qualname, constant.co_firstlineno] = constant
                todo.append(constant)
    return codes


def _key(file: str, line: int) -> int:
    key = _FILES.setdefault(file, len(_FILES) + 1) << 24 | line
    LINE_KEYS[key] = f"{file.rpartition('/')[2]}:{line}"
    return key


class _Points(ast.NodeTransformer):
    """Puts a call in front of every statement inside functions."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.depth = 0

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
            name = ast.Name(_NAME, ast.Load())
            call = ast.Call(name, [ast.Constant(_key(self.file, statement.lineno))], [])
            out += [ast.copy_location(ast.Expr(call), statement), self.visit(statement)]
        return out
