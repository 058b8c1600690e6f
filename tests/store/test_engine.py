"""Which database, and what its errors say."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.pool import QueuePool

from sweep.errors import NoRoomError, StoreError, StoreGoneError
from sweep.store.engine import (
    POOL_OVERFLOW,
    POOL_SIZE,
    connect,
    format_url,
    lift_time_limit,
    storage_url,
    write_transaction,
)
from sweep.store.migrate import open_store
from sweep.store.study import create_study
from tests.support.study_factories import new_study


def test_the_option_beats_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWEEP_STORAGE", "sqlite:///environment.db")
    assert storage_url().database == "environment.db"
    assert storage_url("sqlite:///option.db").database == "option.db"


def test_without_either_it_is_a_file_in_this_folder() -> None:
    assert format_url(storage_url()) == "sqlite:///sweep.db"


def test_the_password_comes_from_a_file_and_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("se{cr@t\n")
    monkeypatch.setenv("SWEEP_STORAGE_PASSWORD_FILE", str(tmp_path / "password"))
    url = storage_url("postgresql://me@host/db")
    assert url.password == "se{cr@t"
    assert "cr@t" not in format_url(url) and "cr%40t" not in format_url(url)


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("mysql://host/db", r"unsupported database mysql\. Known: sqlite, postgresql\."),
        ("postgres://me@host/db", r"unsupported database postgres\. Did you mean 'postgresql'\?"),
        ("sqlite://", "name a file"),
        ("memory", "name a file"),
        ("sqlite:///x.db?timeout=5", "takes no options, given: timeout"),
        ("sqlite:///file:/x?vfs=memdb&uri=true", "takes no options"),
        ("pass:word@nonsense", "invalid storage URL"),
        ("/home/me/a.db", "Give one like sqlite:////home/me/a.db or"),
        ("postgresql://h:notaport/db", "invalid storage URL"),
    ],
)
def test_a_url_that_will_not_do_is_explained(option: str, says: str) -> None:
    with pytest.raises(StoreError, match=says) as caught:
        storage_url(option)
    assert "word@" not in str(caught.value)


def test_a_host_that_goes_away_without_a_word_is_noticed_unless_the_url_says_otherwise(
    postgres_url: str,
) -> None:
    # The system's own two hours are longer than budget.max_away_seconds.
    def options(url: str) -> dict[str, str]:
        with connect(storage_url(url)).connect() as connection:
            return dict(connection.connection.dbapi_connection.info.get_parameters())

    ours = options(postgres_url)
    silent = int(ours["keepalives_idle"])
    silent += int(ours["keepalives_interval"]) * int(ours["keepalives_count"])
    assert silent <= 30 and int(ours["tcp_user_timeout"]) <= 30_000
    theirs = options(f"{postgres_url}?keepalives_idle=77&connect_timeout=3")
    assert (theirs["keepalives_idle"], theirs["connect_timeout"]) == ("77", "3")
    assert theirs["keepalives_count"] == ours["keepalives_count"]


def test_a_server_that_does_not_answer_is_a_store_error_without_its_password() -> None:
    engine = connect(storage_url("postgresql://me:hunter2@127.0.0.1:1/db"))
    with pytest.raises(StoreError, match=r"127\.0\.0\.1") as caught, engine.connect():
        pass
    said = str(caught.value)
    assert "hunter2" not in said
    assert said.startswith("postgresql://me:***@127.0.0.1:1/db: "), "as given, without a driver"
    assert "Connection refused. Is the server running" in said


@pytest.mark.parametrize("option", ["odd=1", "plugin=odd", "sslmode=odd"])
def test_an_option_of_a_server_that_will_not_do_is_a_store_error(option: str) -> None:
    with pytest.raises(StoreError, match="odd"):
        connect(storage_url(f"postgresql://me@127.0.0.1:1/db?{option}")).connect()


def test_a_driver_of_sqlite_that_is_not_there_is_not_looked_for() -> None:
    assert storage_url("sqlite+odd:///x.db").drivername == "sqlite"


def test_a_full_disk_says_that_what_was_committed_is_safe(tmp_path: Path) -> None:
    engine = connect(storage_url(f"sqlite:///{tmp_path}/small.db"))
    with engine.connect() as connection:
        connection.execute(text("PRAGMA max_page_count = 5"))
        with pytest.raises(NoRoomError, match="what was committed is safe"):
            for n in range(100):
                connection.execute(text(f"CREATE TABLE t{n} (x)"))


def test_a_damaged_file_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"This is no database. " * 1000)
    with (
        pytest.raises(StoreError, match="not a database. --storage and SWEEP_STORAGE name"),
        write_transaction(connect(storage_url(f"sqlite:///{tmp_path}/x.db"))),
    ):
        pass


def test_a_file_that_was_removed_while_in_use_is_not_written_on(tmp_path: Path) -> None:
    # SQLite itself would not notice: the file lives on without a name until it is closed.
    engine = connect(storage_url(f"sqlite:///{tmp_path}/x.db"))
    with write_transaction(engine) as connection:
        connection.execute(text("CREATE TABLE t (x)"))
    (tmp_path / "x.db").unlink()
    with pytest.raises(StoreGoneError, match="removed or replaced"), write_transaction(engine):
        pass


def test_an_at_sign_in_a_password_is_refused_without_printing_it() -> None:
    with pytest.raises(StoreError, match="%40") as caught:
        storage_url("postgresql://u:s3cr@etpw@127.0.0.1/x")
    assert "etpw" not in str(caught.value)


def test_a_statement_that_never_ends_is_ended(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.store.engine.STATEMENT_SECONDS", 1)
    engine = connect(storage_url(postgres_url))
    with pytest.raises(StoreError, match="statement timeout"), engine.connect() as connection:
        connection.execute(text("SELECT pg_sleep(600)"))
    with engine.connect() as connection:  # a migration may take its time
        lift_time_limit(connection)
        assert connection.scalar(text("SHOW statement_timeout")) == "0"
    with engine.connect() as connection:
        assert connection.scalar(text("SHOW statement_timeout")) == "1s"
    engine.dispose()


def test_a_server_that_takes_no_more_writes_is_left_for_the_one_that_took_over(
    postgres_url: str,
) -> None:
    # A connection outlives a failover where the old server goes on as a standby. What the server
    # says has "read-only" in it, as what SQLite says of a file without permission, which is final.
    engine = connect(storage_url(postgres_url))
    with pytest.raises(StoreError, match="read-only"), write_transaction(engine) as connection:
        server = connection.scalar(text("SELECT pg_backend_pid()"))
        connection.execute(text("SET LOCAL transaction_read_only = on"))
        connection.execute(text("CREATE TABLE t (x int)"))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT pg_backend_pid()")) != server
    engine.dispose()


def test_many_readers_in_a_process_share_its_connections(postgres_url: str) -> None:
    engine = connect(storage_url(postgres_url))
    most = POOL_SIZE + POOL_OVERFLOW
    count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"

    def look(_: int) -> int:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_sleep(0.05)"))
            return int(connection.scalar(text(count)) or 0)

    with ThreadPoolExecutor(3 * most) as pool:
        seen = list(pool.map(look, range(6 * most)))
    assert POOL_SIZE < max(seen) <= most
    assert isinstance(engine.pool, QueuePool)
    assert engine.pool.checkedin() == POOL_SIZE, "what it keeps open when they have gone"
    engine.dispose()


def test_a_limit_that_the_server_sets_stays(postgres_url: str) -> None:
    url = storage_url(postgres_url).update_query_dict({"options": "-c statement_timeout=7s"})
    engine = connect(url)
    with engine.connect() as connection:
        assert connection.scalar(text("SHOW statement_timeout")) == "7s"
    engine.dispose()


def test_a_role_that_may_not_write_is_told_so_and_not_that_this_is_a_bug(
    postgres_url: str,
) -> None:
    open_store(postgres_url, create=True).dispose()
    owner = connect(storage_url(postgres_url))
    with owner.begin() as connection:
        connection.execute(text("CREATE ROLE reader LOGIN PASSWORD 'reads'"))
        connection.execute(text("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader"))
    reader = storage_url(postgres_url).set(username="reader", password="reads")
    try:
        with pytest.raises(NoRoomError, match="GRANT"):
            create_study(connect(reader), new_study("x"))
    finally:
        with owner.begin() as connection:
            connection.execute(text("DROP OWNED BY reader"))
            connection.execute(text("DROP ROLE reader"))


_ENDLESS = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r"


def test_a_statement_of_sqlite_that_never_ends_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.store.engine.STATEMENT_SECONDS", 0.2)
    engine = open_store(f"sqlite:///{tmp_path / 'x.db'}", create=True)
    with engine.connect() as connection:
        with pytest.raises(StoreError, match="longer than 0.2 s"):
            connection.execute(text(_ENDLESS))
        assert connection.scalar(text("SELECT 1")) == 1


def test_rows_that_are_taken_slowly_have_all_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.store.engine.STATEMENT_SECONDS", 5)
    monkeypatch.setattr("sweep.store.engine.time.monotonic", iter(range(0, 10**9, 100)).__next__)
    engine = open_store(f"sqlite:///{tmp_path / 'x.db'}", create=True)
    rows = "(SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 50000)"
    few = f"WITH RECURSIVE r(n) AS {rows} SELECT n FROM r"
    with engine.connect() as connection:
        assert len(connection.execute(text(few)).all()) == 50_000


def test_texts_of_sqlite_itself_that_are_no_utf_8_are_a_store_error(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    engine = open_store(f"sqlite:///{path}", create=True)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    content = path.read_bytes()
    path.write_bytes(content.replace(b"CREATE TABLE sweep_notes", b"CREATE T\xffBLE sweep_notes"))
    with pytest.raises(StoreError, match=r"x\.db"):
        open_store(f"sqlite:///{path}")


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_passwords_file_that_everybody_can_read_is_warned_of(
    mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "password"
    path.write_text("secret\n")
    path.chmod(mode)
    monkeypatch.setenv("SWEEP_STORAGE_PASSWORD_FILE", str(path))
    assert storage_url("postgresql://me@host/x").password == "secret"
    assert ("everybody on this machine can read it" in caplog.text) == (mode == 0o644)


@pytest.mark.parametrize("kind", ["pipe", "device", "large"])
def test_a_passwords_file_that_is_none_is_refused_at_once(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path("/dev/zero") if kind == "device" else tmp_path / "password"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "large":
        path.write_text("x" * 5000)
    monkeypatch.setenv("SWEEP_STORAGE_PASSWORD_FILE", str(path))
    with pytest.raises(StoreError, match="SWEEP_STORAGE_PASSWORD_FILE"):
        storage_url("postgresql://me@host/x")
