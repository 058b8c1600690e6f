"""Making and checking the schema: Optuna's tables and ours, side by side in one database.

Several processes that open a new database at once would fall over one another, so the schema is
made under a lock, by the first of them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy
from filelock import FileLock
from sqlalchemy import Connection, Engine

from sweep.errors import NoRoomError, StoreError
from sweep.store import optuna_rows
from sweep.store.engine import connect, shown, sqlite_path, storage_url, unlimited, writing
from sweep.store.schema import sweep_metadata

VERSION_TABLE = "sweep_alembic_version"
_MIGRATIONS = Path(__file__).with_name("migrations")
_ADVISORY_LOCK = 0x5EE9_0001


def open_store(option: str | None = None, *, create: bool = False) -> Engine:
    """Open the study store and check its schema; ``create`` makes or completes it where absent.

    Raises StoreError when there is none, or its schema is not ours; NoRoomError when it cannot
    be made there.
    """
    engine = connect(storage_url(option)) if create else existing_store(option)
    if create:
        initialise(engine)
    check_schema(engine)
    return engine


def open_store_or_none(option: str | None = None) -> Engine | None:
    """Open the study store as ``open_store`` does; None where `start` would make it first."""
    path = sqlite_path(storage_url(option))
    if path is not None and not path.exists():
        return None
    engine = existing_store(option)
    if _state(engine) in ("empty", "optuna only"):
        return None
    check_schema(engine)
    return engine


def existing_store(option: str | None = None) -> Engine:
    """Open the study store whatever its schema. Raises StoreError when there is none."""
    url = storage_url(option)
    path = sqlite_path(url)
    if path is not None and not path.exists():
        raise StoreError(
            f"no study store at {path}. `sweep start` makes one; --storage or SWEEP_STORAGE "
            "names another."
        )
    return connect(url)


def initialise(engine: Engine) -> None:
    """Make Optuna's tables and ours where they are missing; leaves existing ones alone."""
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
    """Raise StoreError unless this version knows the database's schema, Optuna's and ours."""
    where = shown(engine.url)
    match _state(engine):
        case "current":
            return
        case "empty" | "optuna only":
            raise StoreError(f"{where} holds no sweep tables. `sweep db init` adds them.")
        case "behind":
            raise StoreError(f"{where} is of an older version. `sweep db upgrade` brings it up.")
        case "optuna differs":
            raise StoreError(
                f"{where}: Optuna's tables are of another schema than version "
                f"{optuna_rows.SCHEMA_VERSION}, which is the one we write. If they are older, "
                "`optuna storage upgrade` helps; if newer, install the sweep that knows them."
            )
        case _:
            raise StoreError(
                f"{where} was written by a newer sweep. Install that version or newer."
            )


def upgrade(engine: Engine) -> None:
    """Upgrade our tables to this version's schema."""
    with writing(engine) as connection:
        unlimited(connection)
        # Here: it takes a fifth of a second to load, which those who only read would wait for.
        import alembic.command
        import alembic.config

        config = alembic.config.Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "head")


def revisions() -> list[str]:
    """List the revisions of our schema that this version knows, oldest first."""
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
    """Refuse views in the place of tables: reading one runs SQL that somebody else wrote."""
    ours = {*optuna_rows.metadata.tables, *sweep_metadata.tables, VERSION_TABLE}
    if views := sorted(ours & set(inspector.get_view_names())):
        raise StoreError(
            f"{shown(engine.url)}: {', '.join(views)} should be a table, but is a view. Nothing of "
            "ours makes one: put a backup back."
        )


def _optuna_schema_is_known(connection: Connection, tables: set[str]) -> bool:
    if not {"version_info", "alembic_version"} <= tables:
        return False
    version = connection.scalar(sqlalchemy.text("SELECT schema_version FROM version_info"))
    revision = connection.scalar(sqlalchemy.text("SELECT version_num FROM alembic_version"))
    return (version, revision) == (optuna_rows.SCHEMA_VERSION, optuna_rows.REVISION)


def _create_optuna_tables(engine: Engine) -> None:
    url = engine.url.render_as_string(hide_password=False)
    from optuna.storages import RDBStorage

    # Optuna fills {SCHEMA_VERSION} in by str.format: any other brace has to be doubled.
    RDBStorage(url.replace("{", "{{").replace("}", "}}")).engine.dispose()
    if sqlite_path(engine.url) is not None:
        # Not through connect(), which begins a transaction; kept in the file from then on.
        raw = engine.raw_connection()
        raw.cursor().execute("PRAGMA journal_mode = WAL")
        raw.close()


def _check_writable(engine: Engine) -> None:
    path = sqlite_path(engine.url)
    if path is None or path.exists():
        return
    if not path.parent.exists():
        raise StoreError(f"{path}: no folder {path.parent}. Make it, or correct --storage.")
    try:
        path.touch()
    except OSError as error:
        raise NoRoomError(
            f"{path}: {error.strerror}. Choose a folder you may write to with --storage."
        ) from error


@contextmanager
def _schema_lock(engine: Engine) -> Iterator[None]:
    path = sqlite_path(engine.url)
    if path is None and engine.dialect.name == "sqlite":
        yield  # in memory: only the process that made it sees it
        return
    if path is None:
        with engine.connect() as connection:
            unlimited(connection)
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
            f"{lock} is a link, or no file. Locks are files that we make there: remove it."
        )
    with FileLock(lock):
        yield
        # Whoever waits on the file that goes now will find the schema made.
        lock.unlink(missing_ok=True)
