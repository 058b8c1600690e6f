"""What no source of ours may do: run what it reads, and put SQL together from text."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path for folder in ("sweep", "benchmarks", "docs") for path in (ROOT / folder).rglob("*.py")
)

#: Modules that turn bytes into objects by running what is in them, or send objects so.
PICKLING = {
    *("pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"),
    *("multiprocessing", "jsonpickle"),
}
RUNNING = {"eval", "exec", "compile", "__import__"}
#: Functions that unpickle, or run a shell, by their last name and the one before it.
LOADING = {
    *(("torch", "load"), ("torch", "save"), ("np", "loadtxt"), ("yaml", "load")),
    *(("os", "system"), ("os", "popen"), ("yaml", "unsafe_load"), ("pandas", "read_pickle")),
}
#: What takes SQL as text, in a source that knows a database.
SQL_TAKERS = {"text", "execute", "exec_driver_sql", "literal_column", "executescript", "scalar"}
DATABASES = ("sqlalchemy", "alembic", "sqlite3", "psycopg")


def forbidden(source: str) -> Iterator[str]:
    """Each thing in a source that must not be there, as ``line: what``."""
    for node in ast.walk(ast.parse(source)):
        for what in _in_node(node):
            if not what.startswith("SQL") or _knows_a_database(source):
                yield f"{getattr(node, 'lineno', 0)}: {what}"


def _in_node(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (n.name for n in names if n.name.split(".")[0] in PICKLING)
        case ast.ImportFrom(module=str(module)) if module.split(".")[0] in PICKLING:
            yield module
        case ast.Call():
            yield from _in_call(node)


def _in_call(call: ast.Call) -> Iterator[str]:
    for keyword in call.keywords:
        on = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        if keyword.arg in ("shell", "allow_pickle") and not on:
            yield f"{keyword.arg}="
    match call.func:
        case ast.Name(id=name) if name in RUNNING:
            yield f"{name}()"
        case ast.Attribute(value=ast.Name(id=module), attr=name) if (module, name) in LOADING:
            yield f"{module}.{name}()"
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name in SQL_TAKERS and call.args and _is_put_together(call.args[0]):
        yield f"SQL put together in {name}()"


def _is_put_together(text: ast.expr) -> bool:
    """Whether a text is made rather than written: by f"", +, %, format or join."""
    match text:
        case ast.JoinedStr():
            return True
        case ast.BinOp(left=left, right=right):
            return any(isinstance(side, ast.Constant | ast.JoinedStr) for side in (left, right))
        case ast.Call(func=ast.Attribute(attr="format" | "join")):
            return True
    return False


def _knows_a_database(source: str) -> bool:
    return any(f"import {name}" in source or f"from {name}" in source for name in DATABASES)


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from multiprocessing import Pool",
        "import joblib.memory",
        "torch.load(path)",
        "yaml.load(file)",
        "eval(text)",
        "exec(code)",
        "subprocess.run(line, shell=True)",
        "np.load(path, allow_pickle=True)",
        'import sqlalchemy; sqlalchemy.text(f"SELECT {column}")',
        'import sqlalchemy; connection.exec_driver_sql("SELECT %s" % name)',
        'import sqlalchemy; sqlalchemy.text("SELECT {}".format(name))',
    ],
)
def test_what_is_forbidden_is_found(source: str) -> None:
    assert list(forbidden(source))


@pytest.mark.parametrize(
    "source",
    [
        "model.eval()",
        'sqlalchemy.text("SELECT 1")',
        "subprocess.run(words, shell=False)",
        "json.loads(text)",
        'import sqlalchemy; connection.exec_driver_sql("BEGIN")',
        "import sqlalchemy; connection.execute(select(a).where(a.c.x == b))",
        'rich.text(f"{n} trials")',
    ],
)
def test_what_is_allowed_is_not(source: str) -> None:
    assert not list(forbidden(source))


#: A command for the reader's shell, up to a word that is filled in.
PASTED = re.compile(r"\bsweep [a-z]+( [a-z]+)? $")


def find_unquoted(source: str) -> Iterator[str]:
    """Each word of a command to paste that is filled in as it is."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.JoinedStr):
            continue
        for before, word in pairwise(node.values):
            if isinstance(before, ast.Constant) and PASTED.search(str(before.value)):
                value = word.value if isinstance(word, ast.FormattedValue) else None
                called = value.func if isinstance(value, ast.Call) else None
                if getattr(called, "id", getattr(called, "attr", "")) != "quote":
                    yield f"{node.lineno}: {before.value}"


def test_a_word_in_a_command_to_paste_is_quoted() -> None:
    assert [*find_unquoted('f"sweep delete {name}"')] and not [
        *find_unquoted('f"sweep delete {quote(x)}"')
    ]
    sources = [path for path in SOURCES if path.is_relative_to(ROOT / "sweep")]
    found = {str(path.relative_to(ROOT)): [*find_unquoted(path.read_text())] for path in sources}
    assert {path: what for path, what in found.items() if what} == {}
    for template in (ROOT / "sweep").rglob("*.j2"):
        assert not re.findall(r"sweep [a-z]+ \{\{ [^|]*? \}\}", template.read_text())


def test_no_source_unpickles_runs_text_or_builds_sql_by_hand() -> None:
    assert len(SOURCES) > 100
    found = {str(path.relative_to(ROOT)): list(forbidden(path.read_text())) for path in SOURCES}
    assert {path: what for path, what in found.items() if what} == {}
