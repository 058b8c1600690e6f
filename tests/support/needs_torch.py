"""Pytest plugin: without PyTorch, leave out the test modules that load it, and run the others."""

import ast
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_HAS_TORCH = find_spec("torch") is not None


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave a test module out where importing it would fail."""
    if _HAS_TORCH or collection_path.suffix != ".py":
        return None
    return loads_torch(collection_path) or None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests marked ``torch``, whose modules do not load it themselves."""
    if item.get_closest_marker("torch") and not _HAS_TORCH:
        pytest.skip("needs PyTorch, which is not installed: the extra 'train'")


def loads_torch(path: Path) -> bool:
    """Whether importing a Python file imports torch, by what it and its imports name."""
    seen, queue = set[Path](), [path]
    while queue:
        file = queue.pop()
        if file not in seen:
            seen.add(file)
            names = _names(file)
            if any(name.partition(".")[0] in ("torch", "triton") for name in names):
                return True
            queue += [found for name in names for found in _files(name)]
    return False


@cache
def _names(path: Path) -> frozenset[str]:
    return frozenset(_list_imports(ast.parse(path.read_text())))


def _list_imports(node: ast.AST) -> Iterator[str]:
    """Names that are imported when a module is, with those taken from them appended."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        elif not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _list_imports(child)


def _files(name: str) -> Iterator[Path]:
    """Our own files that importing a name runs."""
    place = _ROOT
    for part in name.split("."):
        place = place / part
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                yield file
