"""Open the database: which one, how, and what its errors mean to a user.

SQLite runs in WAL mode (readers never wait for the writer) and its writers begin IMMEDIATE, so that
a transaction waits for the lock at its start instead of failing in its middle.
"""

import os
import re
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import sqlalchemy
from sqlalchemy import Connection, event
from sqlalchemy import Engine as Engine  # for the layers above, which import no SQLAlchemy
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, ProgrammingError
from sqlalchemy.pool import ConnectionPoolEntry

from sweep.errors import DataError, NoRoomError, StoreError, StoreGoneError
from sweep.files import read_secret
from sweep.store.column_types import locate_corruption

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

DEFAULT_STORAGE = "sqlite:///sweep.db"
LOCK_WAIT_SECONDS = 30.0
#: Time limit of a statement; in PostgreSQL unless the role or database sets one. SQLite has no
#: limit of its own, so there it is counted in seconds of work on the statement.
STATEMENT_SECONDS = 60
#: Instructions of SQLite's virtual machine between two checks of the limit.
_STEPS_BETWEEN_CHECKS = 200_000
#: Connections that a process keeps open to PostgreSQL, and how many more it opens when it reads in
#: many threads; further threads wait for a free connection. Most processes use one.
POOL_SIZE, POOL_OVERFLOW = 2, 10

#: libpq's keepalive settings, unless the URL sets them: a vanished host is noticed within half a
#: minute. Otherwise a query waits two hours for its answer, even if the server is back.
_NETWORK = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}

_IN_MEMORY = (
    "a study store in memory is lost when the command ends, and no other command can see it: "
    "name a file, sqlite:///FILE"
)
_NO_ROOM = ("disk is full", "No space left")
#: SQLite's I/O error on a full disk, where its file of shared memory cannot grow.
_NO_ROOM_NAME = "SQLITE_IOERR_SHMSIZE"
_NO_PERMISSION = (
    "readonly database",
    "read-only",
    "Permission denied",
    "unable to open database file",
)
_DATABASES = ("sqlite", "postgresql")
#: Before a line of libpq's message that is a sentence of its own.
_NEXT_SENTENCE = re.compile(r"(?<=[^\s.:;?!])\s*\n\s*(?=[A-Z])")
#: SQLSTATE of a missing privilege.
_NOT_GRANTED = "42501"
#: SQLSTATE of a server that accepts no writes: a standby, or one that has become one.
_READ_ONLY = "25006"

_ENGINES: WeakSet[Engine] = WeakSet()


def storage_url(option: str | None = None) -> URL:
    """Return the database URL: the option, else SWEEP_STORAGE, else ``sqlite:///sweep.db``.

    The password may be read from the file that SWEEP_STORAGE_PASSWORD_FILE names. Raises StoreError
    for a URL that cannot be parsed or a database that is not supported.
    """
    text = option or os.environ.get("SWEEP_STORAGE") or DEFAULT_STORAGE
    if text in ("memory", ":memory:"):
        raise StoreError(_IN_MEMORY)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        # A text with an '@' or ':' is not repeated: it may contain a password.
        is_path = not {"@", ":"} & set(text)
        like = f"sqlite:///{text}" if is_path else "sqlite:///sweep.db"
        raise StoreError(
            f"invalid storage URL. Give one like {like} or postgresql://user@host/database."
        ) from error
    if "@" in (url.host or ""):
        raise StoreError("the storage URL has more than one '@': write %40 in a password.")
    match url.get_backend_name():
        case "sqlite" if url.database and url.database != ":memory:":
            return _plain_file(url)
        case "sqlite":
            raise StoreError(_IN_MEMORY)
        case "postgresql":
            return _with_password(_password_in_place(url.set(drivername="postgresql+psycopg")))
        case other:
            from sweep.studyfile.words import hint

            raise StoreError(f"unsupported database {other}. {hint(other, _DATABASES)}")


def _plain_file(url: URL) -> URL:
    """Reject options of the URL.

    They would be ignored (our timeout applies), or make it something other than a file.
    """
    if url.query:
        names = ", ".join(url.query)
        raise StoreError(
            f"sqlite:///FILE takes no options, given: {names}. Leave out the '?' and what follows."
        )
    return url.set(drivername="sqlite")


def _password_in_place(url: URL) -> URL:
    """Move an option ``?password=`` to the URL's password, which SQLAlchemy never shows."""
    password = url.query.get("password")
    if not isinstance(password, str):
        return url
    return url.difference_update_query(["password"]).set(password=password)


def _with_password(url: URL) -> URL:
    path = os.environ.get("SWEEP_STORAGE_PASSWORD_FILE")
    if url.password or not path:
        return url
    try:
        return url.set(password=read_secret(Path(path)))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise StoreError(f"SWEEP_STORAGE_PASSWORD_FILE: {path}: {reason}.") from error
    except DataError as error:
        raise StoreError(f"SWEEP_STORAGE_PASSWORD_FILE: {error}") from error


def format_url(url: URL) -> str:
    """Format the URL for people and logs, without driver and passwords, even in options."""
    secret = [key for key in url.query if "password" in key.lower()]
    shown = url.difference_update_query(secret).set(drivername=url.get_backend_name())
    return shown.render_as_string(hide_password=True)


def sqlite_path(url: URL) -> Path | None:
    """Return the file of an SQLite store.

    None for a server or an in-memory store (see store.memory).
    """
    if url.get_backend_name() != "sqlite" or url.query.get("vfs") == "memdb":
        return None
    return Path(url.database) if url.database else None


def connect(url: URL) -> Engine:
    """Create an engine that raises our errors, without connecting.

    Raises StoreError if a driver is missing.
    """
    is_sqlite = url.get_backend_name() == "sqlite"
    try:
        engine = (
            sqlalchemy.create_engine(url, connect_args={"timeout": LOCK_WAIT_SECONDS})
            if is_sqlite
            else sqlalchemy.create_engine(
                url,
                pool_pre_ping=True,
                pool_size=POOL_SIZE,
                max_overflow=POOL_OVERFLOW,
                connect_args={k: v for k, v in _NETWORK.items() if k not in url.query},
            )
        )
    except (ArgumentError, TypeError, ValueError) as error:
        raise StoreError(f"{format_url(url)}: invalid option: {error}.") from error
    except ModuleNotFoundError as error:
        raise StoreError(
            "PostgreSQL needs its driver, the extra 'postgres': pip install 'psycopg[binary]'"
        ) from error
    if is_sqlite:
        event.listen(engine, "connect", partial(_configure_sqlite, sqlite_path(url)))
        event.listen(engine, "begin", _begin_sqlite)
        event.listen(engine, "before_cursor_execute", _begin_statement)
    else:
        event.listen(engine, "connect", _limit_statements)
    event.listen(engine, "handle_error", _translate)
    _ENGINES.add(engine)
    return engine


def close_connections() -> None:
    """Close the idle connections of every engine of this process; the next read opens new ones.

    SQLite moves the rows of its WAL file into the database file when the last connection is closed,
    and never if the process only ends.
    """
    for engine in list(_ENGINES):
        engine.dispose()


def _configure_sqlite(
    path: Path | None, connection: sqlite3.Connection, record: ConnectionPoolEntry
) -> None:
    record.info["file"] = (path, _identity(path))
    connection.isolation_level = None  # our BEGIN, not the driver's
    connection.execute("PRAGMA foreign_keys = ON")
    limit = record.info["limit"] = _StatementLimit()
    connection.set_progress_handler(limit.is_over, _STEPS_BETWEEN_CHECKS)


class _StatementLimit:
    """Time limit of SQLite statements: interrupts a view over an endless recursion, say."""

    def __init__(self) -> None:
        self.is_off = False
        self._last = time.monotonic()
        self._worked = 0.0

    def begin(self) -> None:
        """Restart the clock for the next statement."""
        self._worked, self._last = 0.0, time.monotonic()

    def is_over(self) -> bool:
        """Return whether to interrupt the statement.

        SQLite asks every few milliseconds of its work.
        """
        now = time.monotonic()
        # Longer pauses belong to the caller, between two rows.
        self._worked, self._last = self._worked + min(now - self._last, 1.0), now
        return self._worked > STATEMENT_SECONDS and not self.is_off


def _begin_statement(connection: Connection, *_: Any) -> None:
    connection.connection.info["limit"].begin()


def _limit_statements(connection: Any, _record: ConnectionPoolEntry) -> None:
    # Not as a connection option, which a pooler such as PgBouncer rejects.
    connection.execute(
        "SELECT set_config('statement_timeout', %s, false) "
        "WHERE current_setting('statement_timeout') = '0'",
        (f"{STATEMENT_SECONDS}s",),
    )
    connection.commit()


def lift_time_limit(connection: Connection) -> None:
    """Remove the time limit from this transaction's statements: for migrations and waits for locks.

    Call it within the transaction: its first statement begins it.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    else:
        connection.connection.info["limit"].is_off = True


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("sweep_writes", False)
    connection.connection.info["limit"].is_off = False
    path, opened = connection.connection.info["file"]
    if writes and _identity(path) != opened:
        # SQLite would continue to write into a file that no longer has a name.
        raise StoreGoneError(
            f"{path} was removed or replaced while it was in use. What was written since is not in "
            "the file that now has this name, if any: put the old one back, or start again."
        )
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _identity(path: Path | None) -> tuple[int, int] | None:
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _translate(context: ExceptionContext) -> None:
    original = context.original_exception
    if isinstance(context.sqlalchemy_exception, IntegrityError):
        return
    # sqlite3 decodes texts of errors and schemas, which in a damaged file may be anything.
    if context.sqlalchemy_exception is None and not isinstance(
        original, sqlite3.Error | UnicodeDecodeError
    ):
        return
    where = format_url(context.engine.url) if context.engine else "the database"
    message = " ".join(_NEXT_SENTENCE.sub(". ", str(original)).split())
    if message == "interrupted" and isinstance(original, sqlite3.OperationalError):
        raise StoreError(
            f"{where}: a statement took longer than {STATEMENT_SECONDS} s and was interrupted. "
            "Unless the disk is very slow, the file is damaged, or somebody changed its tables."
        ) from original
    name = getattr(original, "sqlite_errorname", "")
    if any(sign in message for sign in _NO_ROOM) or name == _NO_ROOM_NAME:
        raise NoRoomError(
            f"{where}: {message}. Free some disk space; what was committed is safe, and "
            "`sweep resume NAME` goes on."
        ) from original
    if name == "SQLITE_NOTADB":
        raise StoreError(
            f"{where}: {message}. --storage and SWEEP_STORAGE name the file that `sweep start` "
            "wrote, sqlite:///sweep.db by default."
        ) from original
    if name.startswith("SQLITE_IOERR"):
        raise StoreError(
            f"{where}: {message} ({name}): its disk or file system fails, or a quota is used up. "
            "The system's log says more (`dmesg`); once the file can be read and written, "
            "`sweep resume NAME` goes on."
        ) from original
    if isinstance(original, sqlite3.Error) and any(sign in message for sign in _NO_PERMISSION):
        raise NoRoomError(
            f"{where}: {message}. Its file and folder must be writable, even to read: SQLite's "
            "readers and writers share a file beside it. To read it, copy it to a folder of yours."
        ) from original
    if getattr(original, "sqlstate", None) == _NOT_GRANTED:
        raise NoRoomError(
            f"{where}: {message}. The role needs to read and write all tables of the store; "
            "GRANT gives it that."
        ) from original
    if getattr(original, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True  # the next connection may lead to the server that took over
    if isinstance(context.sqlalchemy_exception, ProgrammingError) and context.connection:
        return  # our SQL is wrong: a bug, which should surface as one
    raise StoreError(f"{where}: {message}") from original


def conflict_insert(dialect: str, table: Any) -> "sqlite.Insert | postgresql.Insert":
    """Return an INSERT that supports ON CONFLICT, in this dialect."""
    if dialect == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # slow to load

    return postgresql.insert(table)


def insert_if_absent(connection: Connection, table: Any, row: Mapping[str, Any]) -> bool:
    """Insert a row unless a row with its key exists; return whether it was inserted. Atomic."""
    statement = (
        conflict_insert(connection.dialect.name, table).values(**row).on_conflict_do_nothing()
    )
    key = next(iter(table.primary_key.columns))
    return connection.execute(statement.returning(key)).first() is not None


@contextmanager
def write_transaction(engine: Engine) -> Iterator[Connection]:
    """Open a transaction for writing.

    Commit it at the end of the block, or roll it back on an error.
    """
    connected = engine.connect().execution_options(sweep_writes=True)
    with connected as connection, connection.begin(), locate_corruption(connection):
        yield connection
