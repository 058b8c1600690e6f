"""Create and check the schema: Optuna's tables and ours in one database.

Several processes that open a new database at once would conflict, so the first of them creates the
schema under a lock.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy
from filelock import FileLock
from sqlalchemy import Connection, Engine

from sweep.errors import NoRoomError, StoreError
from sweep.store import optuna_rows
from sweep.store.engine import (
    connect,
    format_url,
    lift_time_limit,
    sqlite_path,
    storage_url,
    write_transaction,
)
from sweep.store.schema import sweep_metadata

VERSION_TABLE = "sweep_alembic_version"
_MIGRATIONS = Path(__file__).with_name("migrations")
_ADVISORY_LOCK = 0x5EE9_0001


def open_store(option: str | None = None, *, create: bool = False) -> Engine:
    """Open the study store and check its schema; with ``create``, create or complete it if needed.

    Raises StoreError if it does not exist or its schema is not ours; NoRoomError if it cannot be
    created there.
    """
    engine = connect(storage_url(option)) if create else existing_store(option)
    if create:
        initialise(engine)
    check_schema(engine)
    return engine


def open_store_or_none(option: str | None = None) -> Engine | None:
    """Open the study store as ``open_store`` does; None if it does not exist yet."""
    path = sqlite_path(storage_url(option))
    if path is not None and not path.exists():
        return None
    engine = existing_store(option)
    if _state(engine) in ("empty", "optuna only"):
        return None
    check_schema(engine)
    return engine


def existing_store(option: str | None = None) -> Engine:
    """Open the study store whatever its schema. Raises StoreError if it does not exist."""
    url = storage_url(option)
    path = sqlite_path(url)
    if path is not None and not path.exists():
        raise StoreError(
            f"no study store at {path}. `sweep start` creates one; --storage or SWEEP_STORAGE "
            "names another."
        )
    return connect(url)


def initialise(engine: Engine) -> None:
    """Create Optuna's tables and ours if they are missing; existing ones stay unchanged."""
    _check_writable(engine)
    if _state(engine) == "current":
        return
    with _schema_lock(engine):
        state = _state(engine)
        if state == "empty":
            _create_optuna_tables(engine)
        if state in ("empty", "optuna only", "behind"):
            upgrade(engine)


def check_schema(engine: Engine) -> None:
    """Raise StoreError unless this version supports the database's schema, Optuna's and ours."""
    where = format_url(engine.url)
    match _state(engine):
        case "current":
            return
        case "empty" | "optuna only":
            raise StoreError(f"{where} has no sweep tables. `sweep db init` adds them.")
        case "behind":
            raise StoreError(f"{where} has an older schema. `sweep db upgrade` upgrades it.")
        case "optuna differs":
            raise StoreError(
                f"{where}: Optuna's tables do not have schema version "
                f"{optuna_rows.SCHEMA_VERSION}, which this version writes. If they are older, "
                "`optuna storage upgrade` helps; if newer, install a sweep that supports them."
            )
        case _:
            raise StoreError(
                f"{where} was written by a newer sweep. Install that version or newer."
            )


def upgrade(engine: Engine) -> None:
    """Upgrade our tables to this version's schema."""
    with write_transaction(engine) as connection:
        lift_time_limit(connection)
        # Imported here: it takes a fifth of a second to load, which readers need not wait for.
        import alembic.command
        import alembic.config

        config = alembic.config.Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "head")


def revisions() -> list[str]:
    """List the schema revisions that this version knows, oldest first."""
    return sorted(path.stem.partition("_")[0] for path in _MIGRATIONS.glob("versions/[0-9]*.py"))


def _state(engine: Engine) -> str:
    with engine.connect() as connection:
        inspector = sqlalchemy.inspect(connection)
        _refuse_views(engine, inspector)
        tables = set(inspector.get_table_names())
        if "studies" not in tables:
            return "empty"
        if not _optuna_schema_is_known(connection, tables):
            return "optuna differs"
        if VERSION_TABLE not in tables:
            return "optuna only"
        version = sqlalchemy.table(VERSION_TABLE, sqlalchemy.column("version_num"))
        ours = connection.scalar(sqlalchemy.select(version.c.version_num))
    known = revisions()
    if ours == known[-1]:
        return "current"
    return "behind" if ours is None or ours in known else "ahead"


def _refuse_views(engine: Engine, inspector: sqlalchemy.Inspector) -> None:
    """Reject views in place of tables: reading one runs SQL that somebody else wrote."""
    ours = {*optuna_rows.metadata.tables, *sweep_metadata.tables, VERSION_TABLE}
    if views := sorted(ours & set(inspector.get_view_names())):
        raise StoreError(
            f"{format_url(engine.url)}: {', '.join(views)} should be a table, but is a view. sweep "
            "creates no views: restore a backup."
        )


def _optuna_schema_is_known(connection: Connection, tables: set[str]) -> bool:
    if not {"version_info", "alembic_version"} <= tables:
        return False
    version = connection.scalar(sqlalchemy.text("SELECT schema_version FROM version_info"))
    revision = connection.scalar(sqlalchemy.text("SELECT version_num FROM alembic_version"))
    return (version, revision) == (optuna_rows.SCHEMA_VERSION, optuna_rows.REVISION)


def _create_optuna_tables(engine: Engine) -> None:
    if sqlite_path(engine.url) is not None:
        # Not through connect(), which begins a transaction. The mode is stored in the file.
        raw = engine.raw_connection()
        raw.cursor().execute("PRAGMA journal_mode = WAL")
        raw.close()
    with write_transaction(engine) as connection:
        lift_time_limit(connection)
        optuna_rows.create_tables(connection)


def _check_writable(engine: Engine) -> None:
    path = sqlite_path(engine.url)
    if path is None or path.exists():
        return
    if not path.parent.exists():
        raise StoreError(f"{path}: no folder {path.parent}. Create it, or correct --storage.")
    try:
        path.touch()
    except OSError as error:
        raise NoRoomError(
            f"{path}: {error.strerror}. Choose a writable folder with --storage."
        ) from error


@contextmanager
def _schema_lock(engine: Engine) -> Iterator[None]:
    path = sqlite_path(engine.url)
    if path is None and engine.dialect.name == "sqlite":
        yield  # in memory: only the process that created it sees it
        return
    if path is None:
        with engine.connect() as connection:
            lift_time_limit(connection)
            connection.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_lock(_ADVISORY_LOCK)))
            try:
                yield
            finally:
                connection.execute(
                    sqlalchemy.select(sqlalchemy.func.pg_advisory_unlock(_ADVISORY_LOCK))
                )
        return
    lock = Path(f"{path}.lock")
    if lock.is_symlink() or (lock.exists() and not lock.is_file()):
        raise NoRoomError(
            f"{lock} is a link or not a file, but it should be our lock file: remove it."
        )
    with FileLock(lock):
        yield
        # Processes that wait on this file will find the schema in place.
        lock.unlink(missing_ok=True)
