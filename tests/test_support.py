"""What tests share is in ``tests/support``; no test imports another test or its benchmark."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]


def modules(*folders: str) -> Iterator[tuple[str, set[str]]]:
    """Each module of these folders, and what it imports: modules, and names of modules."""
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        yield name, set(list_imports(ast.parse(path.read_text(encoding="utf-8"))))


def list_imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_test(name: str) -> bool:
    last = name.rpartition(".")[2]
    return last.startswith("test_") or last == "conftest"


def test_no_test_module_is_imported() -> None:
    found = dict(modules("tests", "benchmarks", "docs"))
    tests = {name for name in found if is_test(name)}
    assert len(tests) > 200
    assert {name: names & tests for name, names in found.items() if names & tests} == {}


def test_a_benchmark_is_imported_by_its_own_test_alone() -> None:
    # Modules that several benchmarks share are no benchmarks: they are no commands.
    commands = {
        name
        for name, _ in modules("benchmarks")
        if "__main__" in ROOT.joinpath(*name.split(".")).with_suffix(".py").read_text()
    }
    users = defaultdict(list)
    for name, names in modules("tests"):
        for command in names & commands:
            users[command].append(name)
    assert len(users) > 10
    own = {command: found for command, found in users.items() if len(found) > 1}
    assert own == {}
    assert not [user for found in users.values() for user in found if not is_test(user)]
