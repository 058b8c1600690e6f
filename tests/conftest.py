"""What every test may ask for: databases, and a browser."""

import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.support.postgres import PostgresServer

# Networks of a few units gain nothing from a second thread, and two processes of tests share the
# cores: threads that spin while they wait for each other took half of the time. Numpy and torch
# read it when they are loaded, so what loads them is imported further below.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell that runs us in the background has us ignore Ctrl-C, and with us all that we start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# In memory, where there is room and programs may run: databases on a disk wait at each commit.
_SHARED_MEMORY = "/dev/shm"  # noqa: S108
_MEMORY_BYTES = 4 << 30
if (
    "TMPDIR" not in os.environ
    and os.access(_SHARED_MEMORY, os.W_OK)
    and shutil.disk_usage(_SHARED_MEMORY).free > _MEMORY_BYTES
    and not os.statvfs(_SHARED_MEMORY).f_flag & os.ST_NOEXEC
):
    os.environ["TMPDIR"] = tempfile.tempdir = _SHARED_MEMORY

# On a busy machine an example may take any time; pytest's time limit ends a test that hangs.
settings.register_profile("sweep", deadline=None)
settings.load_profile("sweep")

pytest_plugins = [
    *("tests.support.needs_torch", "tests.support.skips", "tests.support.shared_statements"),
    "tests.support.forked_workers",
]

#: Their files take longest.
_FIRST = ("acceptance", "trainer", "browser", "security", "launch")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first: at the end no process waits for another's last one."""
    items.sort(key=lambda item: item.path.parent.name not in _FIRST)


gc.disable()  # until all modules are loaded


def pytest_collection_finish() -> None:
    """Collect garbage seldom, and not among modules: it took a seventh of the time."""
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    gc.enable()


@pytest.fixture(autouse=True)
def _no_settings_from_outside(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Neither the user's database nor the user's data: a test brings its own."""
    for name in [name for name in os.environ if name.startswith("SWEEP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SWEEP_DATA", str(tmp_path_factory.getbasetemp() / "no-data"))


@pytest.fixture(scope="session")
def postgres_server() -> "Iterator[PostgresServer]":
    """A private server for the session; most tests want ``postgres_url`` instead."""
    from tests.support.postgres import (  # a GPU machine may lack psycopg
        NoPostgresError,
        PostgresServer,
    )

    try:
        server = PostgresServer.start()
    except NoPostgresError as error:
        pytest.skip(str(error))
    yield server
    server.stop()


@pytest.fixture
def postgres_url(postgres_server: "PostgresServer") -> Iterator[str]:
    """The URL, password included, of an empty PostgreSQL database made for this test."""
    url = postgres_server.new_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(params=["sqlite", "postgres"])
def storage_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind that a study can live in."""
    if request.param == "postgres":
        url: str = request.getfixturevalue("postgres_url")
        return url
    return f"sqlite:///{tmp_path / 'sweep.db'}"


@pytest.fixture(scope="session")
def _migrated(postgres_server: "PostgresServer") -> str:
    """The database that stores in PostgreSQL are copied from: migrating each takes far longer."""
    from sqlalchemy import make_url

    from tests.support.store_factories import new_store

    url = postgres_server.new_database()
    new_store(url).dispose()
    return str(make_url(url).database)


@pytest.fixture
def postgres_store_url(postgres_server: "PostgresServer", _migrated: str) -> Iterator[str]:
    """The URL of an empty store in PostgreSQL made for this test."""
    url = postgres_server.new_database(copy_of=_migrated)
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
def sqlite_store_url(tmp_path: Path) -> str:
    """The URL of an empty store in SQLite made for this test."""
    from tests.support.store_factories import sqlite_store

    return str(sqlite_store(tmp_path).url)


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest) -> str:
    """An empty store of each kind; ``storage_url`` has no tables yet."""
    url: str = request.getfixturevalue(f"{request.param}_store_url")
    return url


@pytest.fixture
def chromium(tmp_path: Path) -> list[str]:
    """A command that opens the page named after it, e.g. ``[*chromium, "--dump-dom", url]``."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs a browser: apt-get install chromium")
    return [
        path,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={tmp_path / 'chromium'}",
    ]
